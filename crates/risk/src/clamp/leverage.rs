//! Clamp 6: gross exposure stays within its multiple of equity. In exact money: what is left of the cap, rounded down.

use super::{Input, rate_down};
use domain::{Money, Rounding};

/// Leverage with the whole order, the amount that the cap has room for, and the cap.
pub(super) fn room(gross: Option<Money>, equity: Money, order: Money, max: f64) -> (Input, Money, f64) {
    let after = gross.and_then(|gross| gross.checked_add(order)).filter(|_| equity > Money::ZERO);
    let leverage = after.map(|after| after.to_f64() / equity.to_f64());
    let cap = equity.times(rate_down(max), Rounding::Down);
    let room = cap.zip(gross).and_then(|(cap, gross)| cap.checked_sub(gross));
    (Input::of(leverage), room.unwrap_or(Money::ZERO).max(Money::ZERO), max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_three_times_equity() {
        let units = Money::from_units;
        let at = |gross, order| room(Some(units(gross)), units(10_000), units(order), 3.0);
        assert_eq!(at(0, 5_000), (Input::Known(0.5), units(30_000), 3.0));
        assert_eq!(at(29_000, 5_000), (Input::Known(3.4), units(1_000), 3.0));
        assert_eq!(at(31_000, 5_000).1, Money::ZERO);
        assert_eq!(room(None, units(10_000), units(1), 3.0).0, Input::Unknown);
        assert_eq!(room(Some(units(1)), Money::ZERO, units(1), 3.0).0, Input::Unknown);
        assert_eq!(room(Some(Money::MAX), units(10_000), units(1), 3.0).0, Input::Unknown);
        assert_eq!(room(Some(units(1)), units(10_000), units(1), f64::NAN).1, Money::ZERO);
    }
}
