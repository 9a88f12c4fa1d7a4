//! Clamp 5: the more an entry moves with what is held, the smaller it is. The limit of the check that refuses lies between its bounds.

use super::Input;
use serde::{Deserialize, Serialize};

/// Between which correlations the size falls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrelationConfig {
    /// Up to here all of it is left.
    pub full_at: f64,
    /// From here on nothing is left.
    pub none_at: f64,
}

impl Default for CorrelationConfig {
    fn default() -> Self {
        Self { full_at: 0.4, none_at: 0.9 }
    }
}

/// `(none_at - rho) / (none_at - full_at)`, from 0 to 1.
pub(super) fn factor(input: Input, config: &CorrelationConfig) -> f64 {
    match input {
        Input::Known(rho) if (-1.0..=1.0).contains(&rho) => {
            ((config.none_at - rho) / (config.none_at - config.full_at)).clamp(0.0, 1.0)
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_falls_as_correlation_rises() {
        let at = |rho| factor(Input::Known(rho), &CorrelationConfig::default());
        assert_eq!((at(-1.0), at(0.4), at(0.9), at(1.0)), (1.0, 1.0, 0.0, 0.0));
        testkit::assert_close(at(0.65), 0.5, 1e-12, 0.0);
        let steps: Vec<f64> = (-100..=100).map(|i| at(f64::from(i) / 100.0)).collect();
        assert!(steps.windows(2).all(|w| w[0] >= w[1]));
        assert_eq!((at(1.1), at(-1.1)), (0.0, 0.0), "no correlation at all");
    }
}
