//! Errors of the numerical layer: a parameter outside its range, a series that cannot be computed on.
//!
//! Loading state has its own error in [`crate::state`], calls by name in [`crate::catalogue`].

use std::fmt;

/// A parameter outside the range in which the method is defined.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParameterError {
    /// The parameter's name.
    pub parameter: &'static str,
    /// What was given.
    pub value: f64,
    /// Smallest allowed value.
    pub min: f64,
    /// Largest allowed value.
    pub max: f64,
}

impl ParameterError {
    /// Checks a count such as a period against its range.
    ///
    /// # Errors
    /// When `value` lies outside `min..=max`.
    pub fn check_count(parameter: &'static str, value: usize, min: usize, max: usize) -> Result<usize, Self> {
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(Self { parameter, value: value as f64, min: min as f64, max: max as f64 })
        }
    }

    /// Checks a number against its range; NaN is outside every range.
    ///
    /// # Errors
    /// When `value` lies outside `min..=max`.
    pub fn check_number(parameter: &'static str, value: f64, min: f64, max: f64) -> Result<f64, Self> {
        if value >= min && value <= max { Ok(value) } else { Err(Self { parameter, value, min, max }) }
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parameter {} = {}: allowed are {} to {}", self.parameter, self.value, self.min, self.max)
    }
}

impl std::error::Error for ParameterError {}

/// A series on which a statistic is not defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeriesError {
    /// Fewer values than the statistic needs.
    TooFew {
        /// Values needed.
        needed: usize,
        /// Values given.
        given: usize,
    },
    /// NaN or infinite.
    NotFinite {
        /// Index of the first such value.
        index: usize,
    },
    /// An equity of zero or less, from which no return can be computed.
    NotPositive {
        /// Index of the first such value.
        index: usize,
    },
}

impl SeriesError {
    /// Checks that a series has at least `needed` values and that all are finite.
    ///
    /// # Errors
    /// [`SeriesError::TooFew`] or [`SeriesError::NotFinite`].
    pub fn check(values: &[f64], needed: usize) -> Result<(), Self> {
        if values.len() < needed {
            return Err(Self::TooFew { needed, given: values.len() });
        }
        match values.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(Self::NotFinite { index }),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SeriesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { needed, given } => write!(f, "{given} values given, at least {needed} are needed"),
            Self::NotFinite { index } => write!(f, "the value at index {index} is not a finite number"),
            Self::NotPositive { index } => {
                write!(f, "the equity at index {index} is not positive: no return can be computed")
            }
        }
    }
}

impl std::error::Error for SeriesError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_error_names_value_and_range() {
        let error = ParameterError::check_count("period", 0, 1, 100_000).unwrap_err();
        assert_eq!(error.to_string(), "parameter period = 0: allowed are 1 to 100000");
        assert!(ParameterError::check_number("vfactor", f64::NAN, 0.0, 1.0).is_err());
        assert_eq!(ParameterError::check_number("vfactor", 1.0, 0.0, 1.0), Ok(1.0));
    }

    #[test]
    fn a_series_error_names_the_index() {
        assert_eq!(SeriesError::check(&[1.0, f64::INFINITY], 1), Err(SeriesError::NotFinite { index: 1 }));
        assert_eq!(SeriesError::check(&[1.0], 2), Err(SeriesError::TooFew { needed: 2, given: 1 }));
    }
}
