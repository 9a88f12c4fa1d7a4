//! What is wrong with a configuration: where, which key, what was found, what was expected, and what was perhaps meant.

use crate::command::CommandError;
use std::fmt;
use std::path::PathBuf;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nothing was said.
    Default,
    /// A file.
    File {
        /// Which.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
    },
    /// A variable of the environment.
    Variable(String),
    /// An argument of the command line.
    Argument(&'static str),
}

impl Origin {
    /// How late it comes: of two values the one of the higher layer holds.
    #[must_use]
    pub const fn layer(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Variable(_) => 2,
            Self::Argument(_) => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, .. } => write!(f, "{}:{line}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Argument(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub origin: Origin,
    /// The key, with its section.
    pub key: String,
    /// What was found.
    pub found: String,
    /// What was expected.
    pub expected: String,
    /// What was perhaps meant.
    pub near: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, key, found, expected, near } = self;
        match origin {
            Origin::File { file, line, column } => write!(f, "{}:{line}:{column}: ", file.display())?,
            Origin::Variable(name) => write!(f, "{name}: ")?,
            Origin::Default => {}
            // As the user typed it.
            Origin::Argument(name) => return write!(f, "{name} {}: expected {expected}", found.trim_matches('"')),
        }
        if !key.is_empty() {
            write!(f, "{key}: ")?;
        }
        write!(f, "found {found}, expected {expected}")?;
        match near {
            Some(near) => write!(f, "; did you mean `{near}`?"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, in the order in which it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problems> for CommandError {
    fn from(problems: Problems) -> Self {
        Self::usage(problems)
    }
}

/// A text as it is shown in a problem: quoted, cut where it is long.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 80;
    let cut: String = text.chars().take(LONGEST).collect();
    let more = if cut.len() < text.len() { "..." } else { "" };
    format!("\"{}{more}\"", cut.escape_debug())
}

/// The nearest of the known names, if one is near enough to have been meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    (known.into_iter())
        .map(|k| (strsim::jaro_winkler(&name, &k.to_lowercase()), k))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, k)| k)
}
