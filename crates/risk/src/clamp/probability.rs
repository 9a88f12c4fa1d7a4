//! Clamp 0: the less sure a calibrated model is of a gain, the smaller the size.
//!
//! The probability has to come from a model whose forecasts were held against outcomes. A strategy's own confidence is not that.

use super::Input;
use serde::{Deserialize, Serialize};

/// Between which probabilities the size grows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProbabilityConfig {
    /// Here and below nothing is left.
    pub none_at: f64,
    /// From here on all of it is left.
    pub full_at: f64,
}

impl Default for ProbabilityConfig {
    fn default() -> Self {
        Self { none_at: 0.5, full_at: 0.65 }
    }
}

/// `(p - none_at) / (full_at - none_at)`, from 0 to 1.
pub(super) fn factor(input: Input, config: &ProbabilityConfig) -> f64 {
    match input {
        Input::Known(p) if p <= 1.0 => ((p - config.none_at) / (config.full_at - config.none_at)).clamp(0.0, 1.0),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_grows_with_the_probability() {
        let config = ProbabilityConfig::default();
        let at = |p| factor(Input::Known(p), &config);
        assert_eq!((at(0.3), at(0.5), at(0.65), at(1.0)), (0.0, 0.0, 1.0, 1.0));
        testkit::assert_close(at(0.575), 0.5, 1e-12, 0.0);
        let steps: Vec<f64> = (0..=100).map(|i| at(f64::from(i) / 100.0)).collect();
        assert!(steps.windows(2).all(|w| w[0] <= w[1]));
        assert_eq!((at(1.1), at(-1.0)), (0.0, 0.0), "no probability at all");
    }
}
