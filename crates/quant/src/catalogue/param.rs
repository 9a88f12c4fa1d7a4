//! Declared parameters, and the arguments that result from them and a call.

use super::error::CalcError;
use super::value::{Params, Value};
use crate::error::ParameterError;

/// What a parameter may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParamKind {
    /// A whole number.
    Count {
        /// Smallest.
        min: usize,
        /// Largest.
        max: usize,
    },
    /// A number.
    Number {
        /// Smallest.
        min: f64,
        /// Largest.
        max: f64,
    },
    /// What inputs are divided by: a positive number, or words that speak of percent, which are 100.
    Scale,
    /// One or more of these numbers: a list, one number, or words that name them between commas.
    Choice(&'static [f64]),
    /// Words for the reader: they change nothing.
    Note,
}

/// A parameter of a function.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// What it may be.
    pub kind: ParamKind,
    /// What it is when not given; `None` where it must be given.
    pub default: Option<f64>,
}

impl Param {
    /// A whole number from `min` to `max`.
    #[must_use]
    pub const fn count(
        name: &'static str,
        aliases: &'static [&'static str],
        default: usize,
        min: usize,
        max: usize,
    ) -> Self {
        Self { name, aliases, kind: ParamKind::Count { min, max }, default: Some(default as f64) }
    }

    /// A number from `min` to `max`.
    #[must_use]
    pub const fn number(name: &'static str, default: Option<f64>, min: f64, max: f64) -> Self {
        Self { name, aliases: &[], kind: ParamKind::Number { min, max }, default }
    }

    /// What inputs are divided by, 1 by default.
    #[must_use]
    pub const fn scale(name: &'static str) -> Self {
        Self { name, aliases: &[], kind: ParamKind::Scale, default: Some(1.0) }
    }

    /// One or more of `of`; all of them by default.
    #[must_use]
    pub const fn choice(name: &'static str, aliases: &'static [&'static str], of: &'static [f64]) -> Self {
        Self { name, aliases, kind: ParamKind::Choice(of), default: Some(of.len() as f64) }
    }

    /// Words that explain the inputs to the reader; they change nothing.
    #[must_use]
    pub const fn note(name: &'static str) -> Self {
        Self { name, aliases: &[], kind: ParamKind::Note, default: Some(0.0) }
    }

    fn is_called(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name) || self.aliases.iter().any(|alias| alias.eq_ignore_ascii_case(name))
    }

    /// The numbers that a choice names.
    fn chosen(&self, value: &Value) -> Result<Vec<f64>, CalcError> {
        let ParamKind::Choice(of) = self.kind else { return Ok(Vec::new()) };
        let wrong =
            CalcError::Kind { parameter: self.name, expected: "numbers out of those that the list of functions shows" };
        let given: Option<Vec<f64>> = match value {
            Value::List(items) => items.iter().map(Value::as_number).collect(),
            Value::Text(words) => words.split(',').map(|word| word.trim().parse().ok()).collect(),
            other => other.as_number().map(|n| vec![n]),
        };
        given.filter(|chosen| !chosen.is_empty() && chosen.iter().all(|n| of.contains(n))).ok_or(wrong)
    }

    fn check(&self, value: &Value) -> Result<f64, CalcError> {
        let wrong = |expected| CalcError::Kind { parameter: self.name, expected };
        let number = value.as_number();
        match self.kind {
            ParamKind::Count { min, max } => {
                let number = number.filter(|n| n.fract() == 0.0).ok_or_else(|| wrong("a whole number"))?;
                Ok(ParameterError::check_number(self.name, number, min as f64, max as f64)?)
            }
            ParamKind::Number { min, max } => {
                Ok(ParameterError::check_number(self.name, number.ok_or_else(|| wrong("a number"))?, min, max)?)
            }
            ParamKind::Scale => match (value, number) {
                (_, Some(n)) => Ok(ParameterError::check_number(self.name, n, f64::MIN_POSITIVE, f64::MAX)?),
                (Value::Text(words), None) if words.to_ascii_lowercase().contains("percent") => Ok(100.0),
                _ => Err(wrong("a positive number, or words that say the inputs are in percent")),
            },
            ParamKind::Choice(_) => Ok(self.chosen(value)?.len() as f64),
            ParamKind::Note if matches!(value, Value::Text(_)) => Ok(0.0),
            ParamKind::Note => Err(wrong("words for the reader")),
        }
    }
}

/// The arguments of one call: a checked value for every declared parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Args {
    numbers: Vec<(&'static str, f64)>,
    /// Choices beside how many they are.
    choices: Vec<(&'static str, Vec<f64>)>,
}

impl Args {
    /// Matches what was given with what is declared.
    ///
    /// # Errors
    /// Unknown, repeated or missing parameters, wrong kinds, values out of range.
    pub fn resolve(declared: &[Param], given: &Params) -> Result<Self, CalcError> {
        if let Some((name, _)) = given.iter().find(|(name, _)| !declared.iter().any(|p| p.is_called(name))) {
            let known = declared.iter().map(|p| p.name).collect();
            return Err(CalcError::UnknownParameter { parameter: name.to_owned(), known });
        }
        let mut args = Vec::with_capacity(declared.len());
        let mut choices = Vec::new();
        for param in declared {
            let mut matching = given.iter().filter(|(name, _)| param.is_called(name));
            let value = match (matching.next(), matching.next(), param.default) {
                (_, Some(_), _) => return Err(CalcError::Repeated { parameter: param.name }),
                (Some((_, value)), None, _) => param.check(value)?,
                (None, None, Some(default)) => default,
                (None, None, None) => return Err(CalcError::MissingParameter { parameter: param.name }),
            };
            if let ParamKind::Choice(of) = param.kind {
                let given = given.iter().find(|(name, _)| param.is_called(name));
                choices.push((param.name, given.map_or_else(|| Ok(of.to_vec()), |(_, value)| param.chosen(value))?));
            }
            args.push((param.name, value));
        }
        Ok(Self { numbers: args, choices })
    }

    /// The value of a declared parameter.
    ///
    /// # Errors
    /// [`CalcError::MissingParameter`] for a name the function did not declare.
    pub fn number(&self, name: &'static str) -> Result<f64, CalcError> {
        let found = self.numbers.iter().find(|(declared, _)| *declared == name);
        found.map(|(_, value)| *value).ok_or(CalcError::MissingParameter { parameter: name })
    }

    /// The numbers of a declared choice.
    ///
    /// # Errors
    /// As [`Args::number`].
    pub fn chosen(&self, name: &'static str) -> Result<&[f64], CalcError> {
        let found = self.choices.iter().find(|(declared, _)| *declared == name);
        found.map(|(_, chosen)| chosen.as_slice()).ok_or(CalcError::MissingParameter { parameter: name })
    }

    /// The value of a declared whole-number parameter.
    ///
    /// # Errors
    /// As [`Args::number`].
    pub fn count(&self, name: &'static str) -> Result<usize, CalcError> {
        // Checked to be whole and within a usize range when it was resolved.
        Ok(self.number(name)? as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[Param] = &[
        Param::count("period", &["timeperiod", "n"], 30, 1, 100),
        Param::number("vfactor", None, 0.0, 1.0),
        Param::scale("scale"),
    ];

    fn fails(params: Params) -> String {
        Args::resolve(DECLARED, &params).unwrap_err().to_string()
    }

    #[test]
    fn aliases_defaults_and_words() {
        let params = Params::new().with("TimePeriod", 20_usize).with("vfactor", "0.5").with("scale", "in percent");
        let args = Args::resolve(DECLARED, &params).unwrap();
        assert_eq!((args.count("period"), args.number("vfactor"), args.number("scale")), (Ok(20), Ok(0.5), Ok(100.0)));
        let args = Args::resolve(DECLARED, &Params::new().with("vfactor", 1.0)).unwrap();
        assert_eq!((args.count("period"), args.number("scale")), (Ok(30), Ok(1.0)));
    }

    #[test]
    fn every_error_says_what_was_expected() {
        let v = || Params::new().with("vfactor", 0.7);
        assert_eq!(fails(v().with("perod", 5.0)), "unknown parameter \"perod\"; these exist: period, vfactor, scale");
        assert_eq!(fails(Params::new()), "parameter vfactor is missing and has no default");
        assert_eq!(fails(v().with("period", 0.0)), "parameter period = 0: allowed are 1 to 100");
        assert_eq!(fails(v().with("period", 2.5)), "parameter period: expected a whole number");
        assert_eq!(fails(v().with("period", f64::NAN)), "parameter period: expected a whole number");
        assert_eq!(fails(v().with("period", 5.0).with("n", 5.0)), "parameter period was given more than once");
        assert_eq!(fails(Params::new().with("vfactor", "much")), "parameter vfactor: expected a number");
        assert!(fails(v().with("scale", "metres")).contains("percent"));
    }

    #[test]
    fn a_choice_is_a_list_a_number_or_words() {
        const CHOICE: &[Param] = &[Param::choice("alphas", &["alpha"], &[0.05, 0.01])];
        let chosen = |value: Value| {
            Args::resolve(CHOICE, &Params::new().with("alpha", value)).map(|a| a.chosen("alphas").unwrap().to_vec())
        };
        assert_eq!(chosen(Value::List(vec![0.01.into(), 0.05.into()])).unwrap(), [0.01, 0.05]);
        assert_eq!(chosen(0.01.into()).unwrap(), [0.01]);
        assert_eq!(chosen("0.05, 0.01".into()).unwrap(), [0.05, 0.01]);
        assert_eq!(Args::resolve(CHOICE, &Params::new()).unwrap().chosen("alphas").unwrap(), [0.05, 0.01]);
        for bad in ["0.02", "", "much"] {
            assert!(chosen(bad.into()).unwrap_err().to_string().contains("alphas"), "{bad}");
        }
        assert!(chosen(Value::List(vec![])).is_err());
    }
}
