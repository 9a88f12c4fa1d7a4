//! What is known about one key: its type, its check, its default, its words for people.

use super::problem::shown;
use super::strategies;

/// One thing that can be told.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Section and name: `run.cash`.
    pub path: &'static str,
    /// What may be said.
    pub kind: Kind,
    /// What it is when nothing is said.
    pub preset: Preset,
    /// The command-line option, if there is one.
    pub argument: Option<&'static str>,
    /// The unit of the value; empty if it has none.
    pub unit: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text; a number is taken as it is written.
    Text(Check),
    /// One of a few words.
    Word(&'static [&'static str]),
    /// True or false.
    Flag,
    /// A whole number.
    Count {
        /// Least.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// Any number.
    Number {
        /// Whether it is allowed.
        ok: fn(f64) -> bool,
        /// What is allowed, in words.
        expected: &'static str,
    },
    /// Several texts.
    List(Check),
    /// Strategies: texts, or tables in a file.
    Strategies,
}

/// What a text must be.
#[derive(Clone, Copy, Debug)]
pub struct Check {
    /// Whether it is.
    pub ok: fn(&str) -> bool,
    /// What is expected, in words.
    pub expected: &'static str,
}

/// What a key is when nothing is said.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// This, written as in a variable.
    Is(&'static str),
    /// It depends on the command or on other keys: how, and an example.
    Depends {
        /// On what, in words.
        how: &'static str,
        /// An example.
        example: &'static str,
    },
    /// Nothing: what that means, and an example.
    Unset {
        /// What nothing means, in words.
        means: &'static str,
        /// An example.
        example: &'static str,
    },
}

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// True or false.
    Flag(bool),
    /// A whole number.
    Count(u64),
    /// Any number.
    Number(f64),
    /// Several texts.
    List(Vec<String>),
}

impl Value {
    /// The value as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Count(n) => (*n).into(),
            Self::Number(x) => (*x).into(),
            Self::List(list) => list.as_slice().into(),
        }
    }

    /// The value as TOML, on one line. A JSON string is a TOML string too, but for one control character.
    #[must_use]
    pub fn toml(&self) -> String {
        self.json().to_string().replace('\u{7f}', "\\u007f").replace("\",\"", "\", \"")
    }
}

impl Key {
    /// The section: `run` of `run.cash`.
    #[must_use]
    pub fn section(&self) -> &'static str {
        self.path.split_once('.').map_or(self.path, |(section, _)| section)
    }

    /// The name within the section: `cash` of `run.cash`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(_, name)| name)
    }

    /// The name of its variable: `BOT4_RUN__CASH`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("BOT4_{}", self.path.replace('.', "__").to_uppercase())
    }

    /// What is expected of its value, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        match self.kind {
            Kind::Text(check) => check.expected.to_owned(),
            Kind::Word(words) => words_text(words),
            Kind::Flag => "true or false".to_owned(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Number { expected, .. } => expected.to_owned(),
            Kind::List(check) => format!("a list, each {}", check.expected),
            Kind::Strategies => "a list of strategies, each NAME[:k=v,...] or a table with a name".to_owned(),
        }
    }

    /// Its value when nothing is said, if that depends on nothing.
    #[must_use]
    pub fn preset(&self) -> Option<Value> {
        match self.preset {
            Preset::Is(text) => self.read(text).ok(),
            Preset::Depends { .. } | Preset::Unset { .. } => None,
        }
    }

    /// Reads the value from a text, as variables have it: lists are separated by semicolons.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn read(&self, text: &str) -> Result<Value, (String, String)> {
        let fail = || (shown(text), self.expected());
        match self.kind {
            Kind::Text(_) | Kind::Word(_) => self.check(Value::Text(text.to_owned())),
            Kind::Flag => text.parse().map(Value::Flag).map_err(|_| fail()),
            Kind::Count { .. } => text.parse().map_err(|_| fail()).and_then(|n| self.check(Value::Count(n))),
            Kind::Number { .. } => text.parse().map_err(|_| fail()).and_then(|x| self.check(Value::Number(x))),
            Kind::List(_) | Kind::Strategies => {
                let items = text.split(';').map(str::trim).filter(|item| !item.is_empty());
                self.check(Value::List(items.map(str::to_owned).collect()))
            }
        }
    }

    /// Holds a value of the right type to what is allowed.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub fn check(&self, value: Value) -> Result<Value, (String, String)> {
        let problem = match (self.kind, &value) {
            (Kind::Text(check), Value::Text(text)) => (!(check.ok)(text)).then(|| (shown(text), self.expected())),
            (Kind::Word(words), Value::Text(text)) => {
                (!words.contains(&text.as_str())).then(|| (shown(text), self.expected()))
            }
            (Kind::Flag, Value::Flag(_)) => None,
            (Kind::Count { min, max }, Value::Count(n)) => {
                (!(min..=max).contains(n)).then(|| (n.to_string(), self.expected()))
            }
            (Kind::Number { ok, .. }, Value::Number(x)) => (!ok(*x)).then(|| (x.to_string(), self.expected())),
            (Kind::List(check), Value::List(list)) => {
                list.iter().find(|item| !(check.ok)(item)).map(|item| (shown(item), check.expected.to_owned()))
            }
            (Kind::Strategies, Value::List(list)) => {
                list.iter().find_map(|text| strategies::check(text).err().map(|expected| (shown(text), expected)))
            }
            _ => Some((value.toml(), self.expected())),
        };
        problem.map_or(Ok(value), Err)
    }
}

/// `quote or venue`; `lot, whole or fractional`.
pub(super) fn words_text(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}
