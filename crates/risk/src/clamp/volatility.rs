//! Clamp 1: volatility targeting. Above the target a size falls so that it moves as much as the whole would at the target.
//!
//! Source: Moreira & Muir (2017), Journal of Finance 72(4), 1611-1644; here without the part that enlarges positions in quiet markets.

use super::Input;

/// `target / sigma`, at most 1.
pub(super) fn factor(input: Input, target: f64) -> f64 {
    match input {
        Input::Known(sigma) if sigma > target => target / sigma,
        Input::Known(sigma) if sigma >= 0.0 => 1.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_falls_as_volatility_rises_above_the_target() {
        let at = |sigma| factor(Input::Known(sigma), 0.05);
        assert_eq!((at(0.0), at(0.05), at(0.1), at(0.5)), (1.0, 1.0, 0.5, 0.1));
        let steps: Vec<f64> = (0..=100).map(|i| at(f64::from(i) / 100.0)).collect();
        assert!(steps.windows(2).all(|w| w[0] >= w[1]));
        assert_eq!(at(-0.1), 0.0);
    }
}
