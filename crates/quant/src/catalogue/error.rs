//! What can be wrong with a call by name.

use crate::error::{ParameterError, SeriesError};
use std::fmt;

/// Why a call by name failed.
#[derive(Clone, Debug, PartialEq)]
pub enum CalcError {
    /// No function has this name.
    UnknownFunction {
        /// The name asked for.
        name: String,
        /// The names that exist.
        known: Vec<&'static str>,
    },
    /// The function has no such parameter.
    UnknownParameter {
        /// The parameter given.
        parameter: String,
        /// The parameters that exist.
        known: Vec<&'static str>,
    },
    /// A parameter was given twice, perhaps under two of its names.
    Repeated {
        /// The parameter.
        parameter: &'static str,
    },
    /// A parameter without a default was not given.
    MissingParameter {
        /// The parameter.
        parameter: &'static str,
    },
    /// A parameter is of the wrong kind.
    Kind {
        /// The parameter.
        parameter: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A parameter lies outside its range.
    Range(ParameterError),
    /// Another number of input columns than the function takes.
    Columns {
        /// The columns it takes, in order.
        expected: &'static [&'static str],
        /// How many were given.
        given: usize,
    },
    /// Input columns differ in length.
    Lengths {
        /// Length of every column given.
        given: Vec<usize>,
    },
    /// An input value is NaN or infinite.
    InputNotFinite {
        /// The column.
        column: &'static str,
        /// Index of the first such value.
        index: usize,
    },
    /// Fewer rows than the function needs.
    TooFewRows {
        /// Rows needed.
        needed: usize,
        /// Rows given.
        given: usize,
    },
    /// The series cannot be computed on.
    Series(SeriesError),
    /// The inputs are so large that a result is not a finite number.
    Overflow {
        /// The output.
        output: &'static str,
    },
}

impl fmt::Display for CalcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFunction { name, known } => {
                write!(f, "unknown function {name:?}; these exist: {}", known.join(", "))
            }
            Self::UnknownParameter { parameter, known } if known.is_empty() => {
                write!(f, "unknown parameter {parameter:?}; the function has none")
            }
            Self::UnknownParameter { parameter, known } => {
                write!(f, "unknown parameter {parameter:?}; these exist: {}", known.join(", "))
            }
            Self::Repeated { parameter } => write!(f, "parameter {parameter} was given more than once"),
            Self::MissingParameter { parameter } => write!(f, "parameter {parameter} is missing and has no default"),
            Self::Kind { parameter, expected } => write!(f, "parameter {parameter}: expected {expected}"),
            Self::Range(error) => write!(f, "{error}"),
            Self::Columns { expected, given } => {
                write!(f, "{given} input columns given, expected {}: {}", expected.len(), expected.join(", "))
            }
            Self::Lengths { given } => write!(f, "input columns differ in length: {given:?}"),
            Self::InputNotFinite { column, index } => {
                write!(f, "input {column}: the value at index {index} is not a finite number")
            }
            Self::TooFewRows { needed, given } => write!(f, "{given} rows given, at least {needed} are needed"),
            Self::Series(error) => write!(f, "{error}"),
            Self::Overflow { output } => write!(f, "output {output} is not a finite number: the inputs are too large"),
        }
    }
}

impl std::error::Error for CalcError {}

impl From<ParameterError> for CalcError {
    fn from(error: ParameterError) -> Self {
        Self::Range(error)
    }
}

impl From<SeriesError> for CalcError {
    fn from(error: SeriesError) -> Self {
        match error {
            SeriesError::TooFew { needed, given } => Self::TooFewRows { needed, given },
            SeriesError::NotFinite { .. } | SeriesError::NotPositive { .. } => Self::Series(error),
        }
    }
}
