//! Clamps 2 and 3: value at risk and expected shortfall of the account with the order stay within their limits.
//!
//! The part that fits is measured by [`crate::metrics`]; what is held against the limit is the largest of three figures.

use super::Input;
use serde::{Deserialize, Serialize};

/// A limit on a one-day figure at 99 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailConfig {
    /// The most, as a fraction of equity.
    pub max: f64,
    /// Whether new risk is refused while the figure is not known. Otherwise the clamp joins when it is: it takes 100 minutes of a market.
    pub required: bool,
}

impl TailConfig {
    /// The input as this limit sees it.
    pub(super) fn input(&self, input: Input) -> Input {
        match input.needed() {
            Input::Unknown if !self.required => Input::NotConfigured,
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_required_is_refused_while_it_is_not_known() {
        let (when_known, required) =
            (TailConfig { max: 0.02, required: false }, TailConfig { max: 0.02, required: true });
        assert_eq!(when_known.input(Input::Unknown), Input::NotConfigured);
        assert_eq!(required.input(Input::Unknown), Input::Unknown);
        assert_eq!(when_known.input(Input::Known(0.5)), Input::Known(0.5));
    }
}
