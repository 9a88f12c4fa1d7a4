//! What a task can end with: findings of a check, or an error by the reaction it asks for.

use std::fmt;

/// One thing a check found: where, what, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// `file:line`, or a file or crate where no line applies; relative to the workspace root.
    pub place: String,
    /// What stands there.
    pub what: String,
    /// What was expected instead.
    pub expected: String,
}

impl Finding {
    /// A finding from anything that reads as text.
    pub fn new(place: impl Into<String>, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), expected: expected.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected: {}", self.place, self.what, self.expected)
    }
}

/// Why a task did not succeed, by what the caller should do about it.
#[derive(Debug, PartialEq, Eq)]
pub enum TaskError {
    /// The command line is wrong: read the usage (exit code 2).
    Usage(String),
    /// The project breaks a rule: the findings have been printed, mend them (exit code 1).
    Findings {
        /// Which check.
        check: &'static str,
        /// How many findings.
        count: usize,
    },
    /// A program that was started failed: its own output says why (exit code 1).
    Program(String),
    /// A file, a program or an answer is not as it must be (exit code 1).
    Environment(String),
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Program(text) | Self::Environment(text) => f.write_str(text),
            Self::Findings { check, count: 1 } => write!(f, "{check}: 1 finding"),
            Self::Findings { check, count } => write!(f, "{check}: {count} findings"),
        }
    }
}

impl std::error::Error for TaskError {}

/// Prints findings on standard error and turns their presence into an error.
pub fn report(check: &'static str, mut findings: Vec<Finding>) -> Result<(), TaskError> {
    findings.sort();
    findings.dedup();
    for finding in &findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(TaskError::Findings { check, count }),
    }
}
