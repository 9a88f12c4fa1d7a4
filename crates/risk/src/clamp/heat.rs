//! Clamp 4: portfolio heat, what all stops together would lose, stays under its cap.

use super::Input;

/// The part of an order that the cap has room for: `(max - heat) / order`, from 0 to 1.
pub(super) fn part(input: Input, order: f64, max: f64) -> f64 {
    match input {
        Input::Known(heat) if heat >= 0.0 && order >= 0.0 && order.is_finite() => {
            let room = max - heat;
            if room <= 0.0 {
                0.0
            } else if order <= room {
                1.0
            } else {
                // A little less, so that rounding does not pass the cap.
                room / order * (1.0 - 1e-12)
            }
        }
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_falls_as_heat_rises() {
        let at = |heat| part(Input::Known(heat), 0.04, 0.06);
        assert_eq!((at(0.0), at(0.019), at(0.06), at(0.1)), (1.0, 1.0, 0.0, 0.0));
        testkit::assert_close(at(0.04), 0.5, 1e-9, 0.0);
        let steps: Vec<f64> = (0..=100).map(|i| at(f64::from(i) / 1000.0)).collect();
        assert!(steps.windows(2).all(|w| w[0] >= w[1]));
        for heat in [0.0, 0.03, 0.05, 0.0599] {
            assert!(heat + 0.04 * at(heat) <= 0.06, "{heat}");
        }
        assert_eq!(part(Input::Known(0.01), 0.0, 0.06), 1.0, "a stop that locks a gain in loses nothing");
        assert_eq!(part(Input::Known(0.01), f64::NAN, 0.06), 0.0);
        assert_eq!(part(Input::Known(-0.01), 0.01, 0.06), 0.0);
    }
}
