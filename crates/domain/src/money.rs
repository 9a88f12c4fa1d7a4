//! Amounts of an asset: balances, costs, fees, profit and loss.

use crate::decimal::{self, MONEY_DECIMALS, POW10, Rounding, money_form};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::rate::Rate;

money_form! {
    /// Amount of one asset (which one is said beside it), as an integer count of 1e-12. May be negative.
    Money
}

impl Money {
    /// This amount times a rate (fee, margin, funding), rounded as told. `None` on overflow.
    #[must_use]
    #[inline]
    pub const fn times(self, rate: Rate, rounding: Rounding) -> Option<Self> {
        match decimal::mul_money(self.raw(), rate.raw() as i128, rounding) {
            Some(raw) => Some(Self::from_raw(raw)),
            None => None,
        }
    }

    /// The amount at an asset's precision: the multiple of `10^-decimals` next to it. Each posting does this once.
    #[must_use]
    #[inline]
    pub const fn at_precision(self, decimals: u8, rounding: Rounding) -> Self {
        if decimals >= MONEY_DECIMALS {
            return self;
        }
        Self::from_raw(decimal::round_to_step(
            self.raw(),
            POW10[(MONEY_DECIMALS - decimals) as usize] as i128,
            rounding,
        ))
    }

    /// The quantity that this amount buys at a price. `None` on overflow or if the price is not positive.
    #[must_use]
    #[inline]
    pub const fn quantity_at(self, price: Price, rounding: Rounding) -> Option<Quantity> {
        match decimal::div_money(self.raw(), price.raw(), rounding) {
            Some(raw) => Some(Quantity::from_raw(raw)),
            None => None,
        }
    }

    /// `self * part / whole`, rounded down: the share of a cost that belongs to a part of a position. `None` on overflow or if
    /// `whole` is not positive.
    #[must_use]
    #[inline]
    pub const fn share(self, part: Quantity, whole: Quantity) -> Option<Self> {
        if whole.raw() <= 0 {
            return None;
        }
        if let Some(product) = self.raw().checked_mul(part.raw()) {
            return Some(Self::from_raw(decimal::div_round(product, whole.raw(), Rounding::Down)));
        }
        // The product passes 128 bits near 1.7e14. With amount = k * whole + r the share is k * part + r * part / whole, and each term
        // is far smaller; k * part is an integer, so the rounding is the same.
        let k = self.raw().div_euclid(whole.raw());
        let r = self.raw() - k * whole.raw();
        let (Some(first), Some(product)) = (k.checked_mul(part.raw()), r.checked_mul(part.raw())) else {
            return None;
        };
        match first.checked_add(decimal::div_round(product, whole.raw(), Rounding::Down)) {
            Some(raw) => Some(Self::from_raw(raw)),
            None => None,
        }
    }

    /// Size without sign; `None` for the one number that has none.
    #[must_use]
    #[inline]
    pub const fn checked_abs(self) -> Option<Self> {
        match self.raw().checked_abs() {
            Some(raw) => Some(Self::from_raw(raw)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fee_rounds_once_at_the_assets_precision() {
        let notional = Money::parse("123.456789").unwrap();
        let fee = notional.times(Rate::parse("0.001").unwrap(), Rounding::Up).unwrap();
        assert_eq!(fee.to_string(), "0.123456789");
        assert_eq!(fee.at_precision(8, Rounding::Up).to_string(), "0.12345679");
        assert_eq!(fee.at_precision(8, Rounding::Down).to_string(), "0.12345678");
    }

    #[test]
    fn a_share_of_a_large_cost_is_exact() {
        let cost = Money::from_units(3_000_000_000_000);
        let share = cost.share(Quantity::from_units(1_000_000_000), Quantity::from_units(3_000_000_000)).unwrap();
        assert_eq!(share, Money::from_units(1_000_000_000_000));
    }

    proptest! {
        #[test]
        fn shares_of_a_cost_add_up(cost in any::<i64>(), part in 1i64..1_000_000, rest in 1i64..1_000_000) {
            let whole = Quantity::from_raw(i128::from(part + rest));
            let cost = Money::from_raw(i128::from(cost));
            let taken = cost.share(Quantity::from_raw(i128::from(part)), whole).unwrap();
            let left = cost.checked_sub(taken).unwrap();
            prop_assert_eq!(taken.checked_add(left), Some(cost));
            prop_assert!(taken.raw() * i128::from(part + rest) <= cost.raw() * i128::from(part));
        }
    }
}
