//! A part of an amount, rounded down.

use domain::{Money, Rounding};

/// `amount x factor`, rounded down to a 10^-12 of the factor and of the money: never more than the exact product. A factor of 1 or more
/// leaves the amount alone; NaN and what is negative leave nothing.
pub(super) fn of(amount: Money, factor: f64) -> Money {
    if factor >= 1.0 {
        return amount;
    }
    amount.times(super::rate_down(factor), Rounding::Down).unwrap_or(Money::ZERO).max(Money::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_round_down() {
        let amount = Money::parse("1000").unwrap();
        assert_eq!(of(amount, 0.25), Money::from_units(250));
        assert_eq!(of(amount, 1.0 / 3.0).to_string(), "333.333333333");
        for (factor, left) in [(1.0, amount), (f64::INFINITY, amount), (0.0, Money::ZERO)] {
            assert_eq!(of(amount, factor), left);
        }
        for none in [f64::NAN, -0.5, f64::NEG_INFINITY, 1e-13] {
            assert_eq!(of(amount, none), Money::ZERO, "{none}");
        }
        assert!(of(Money::MAX, 0.999_999) < Money::MAX);
    }
}
