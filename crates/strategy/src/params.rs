//! Parameters of strategies, as text from the command line or a file, read by name with their bounds.

use std::collections::BTreeMap;
use std::fmt;

/// One parameter of a strategy.
#[derive(Clone, Copy, Debug)]
pub struct ParamDef {
    /// Its name.
    pub name: &'static str,
    /// What it is when it is not given.
    pub default: &'static str,
    /// What may be given, in words.
    pub allowed: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// Parameters by name, as they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

/// Why a parameter cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParamError {
    /// Not of the form `name=value`.
    Syntax {
        /// What was given.
        text: String,
    },
    /// The strategy has no such parameter.
    Unknown {
        /// The strategy.
        strategy: &'static str,
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// Given twice.
    Twice {
        /// Which.
        name: String,
    },
    /// Not what is allowed.
    OutOfRange {
        /// Which.
        name: String,
        /// What was given.
        value: String,
        /// What is allowed.
        allowed: String,
    },
}

impl fmt::Display for ParamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { text } => write!(f, "`{text}` is no parameter, expected name=value"),
            Self::Unknown { strategy, name, known } => {
                write!(f, "strategy {strategy} has no parameter `{name}`; it has {known}")
            }
            Self::Twice { name } => write!(f, "parameter `{name}` is given twice"),
            Self::OutOfRange { name, value, allowed } => write!(f, "parameter {name}={value}: expected {allowed}"),
        }
    }
}

impl std::error::Error for ParamError {}

impl Params {
    /// Adds `name=value`.
    ///
    /// # Errors
    /// [`ParamError::Syntax`] without `=` or name, [`ParamError::Twice`] if the name is there.
    pub fn add(&mut self, text: &str) -> Result<(), ParamError> {
        let parts = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
        let Some((name, value)) = parts.filter(|(name, value)| !name.is_empty() && !value.is_empty()) else {
            return Err(ParamError::Syntax { text: text.to_owned() });
        };
        if self.0.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(ParamError::Twice { name: name.to_owned() });
        }
        Ok(())
    }

    /// Sets a parameter unless it is given already: parameters that many strategies share come this way.
    pub fn set_default(&mut self, name: &str, value: &str) {
        self.0.entry(name.to_owned()).or_insert_with(|| value.to_owned());
    }

    /// Checks that every name given is known.
    ///
    /// # Errors
    /// [`ParamError::Unknown`] names the first that is not, and those that are.
    pub fn check_names(&self, strategy: &'static str, defs: &[ParamDef]) -> Result<(), ParamError> {
        match self.0.keys().find(|name| !defs.iter().any(|def| def.name == name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let known = defs.iter().map(|def| def.name).collect::<Vec<_>>().join(", ");
                Err(ParamError::Unknown { strategy, name: name.clone(), known })
            }
        }
    }

    /// The text given for a parameter.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number of `min..=max`, or `default`.
    ///
    /// # Errors
    /// [`ParamError::OutOfRange`] for anything else.
    pub fn count(&self, name: &str, default: usize, min: usize, max: usize) -> Result<usize, ParamError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        match text.parse::<usize>() {
            Ok(value) if (min..=max).contains(&value) => Ok(value),
            _ => Err(ParamError::OutOfRange {
                name: name.to_owned(),
                value: text.to_owned(),
                allowed: format!("a whole number from {min} to {max}"),
            }),
        }
    }

    /// One of a few words, the first of which is the default.
    ///
    /// # Errors
    /// [`ParamError::OutOfRange`] names the words.
    pub fn word<'a>(&self, name: &str, words: &[&'a str]) -> Result<&'a str, ParamError> {
        let text = match self.text(name) {
            None => words.first().copied().unwrap_or_default(),
            Some(text) => text,
        };
        words.iter().find(|w| **w == text).copied().ok_or_else(|| ParamError::OutOfRange {
            name: name.to_owned(),
            value: text.to_owned(),
            allowed: words.join(" or "),
        })
    }

    /// The parameters as they were given, in the order of their names: `fast=20,slow=50`.
    #[must_use]
    pub fn describe(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    }
}

/// Reads a length of time such as `90s`, `15m`, `4h`, `1d` as seconds.
#[must_use]
pub fn parse_seconds(text: &str) -> Option<u32> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let scale = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    number.parse::<u32>().ok()?.checked_mul(scale).filter(|s| *s > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_parameter_is_said() {
        let mut params = Params::default();
        params.add("fast=20").unwrap();
        params.add("enter = level").unwrap();
        assert_eq!(params.count("fast", 5, 1, 100), Ok(20));
        assert_eq!(params.count("slow", 50, 1, 100), Ok(50));
        assert_eq!(params.word("enter", &["cross", "level"]), Ok("level"));
        assert_eq!(params.word("exit", &["cross", "level"]), Ok("cross"));
        assert_eq!(params.add("fast").unwrap_err().to_string(), "`fast` is no parameter, expected name=value");
        assert_eq!(params.add("fast=3").unwrap_err().to_string(), "parameter `fast` is given twice");
        let error = params.count("fast", 5, 50, 100).unwrap_err();
        assert_eq!(error.to_string(), "parameter fast=3: expected a whole number from 50 to 100");
        let defs = [ParamDef { name: "slow", default: "50", allowed: "", help: "" }];
        let error = params.check_names("x", &defs).unwrap_err();
        assert_eq!(error.to_string(), "strategy x has no parameter `enter`; it has slow");
        for bad in ["-1", "1.5", "NaN", "99999999999999999999"] {
            let mut params = Params::default();
            params.add(&format!("fast={bad}")).unwrap();
            assert!(params.count("fast", 5, 1, 100).is_err(), "{bad}");
        }
    }

    #[test]
    fn lengths_of_time() {
        let read = ["90s", "15m", "4h", "1d", "1w"].map(|t| parse_seconds(t).unwrap());
        assert_eq!(read, [90, 900, 14_400, 86_400, 604_800]);
        for bad in ["", "h", "4", "0m", "4x", "-1h", "1.5h", "9999999999d", "é"] {
            assert_eq!(parse_seconds(bad), None, "{bad}");
        }
    }
}
