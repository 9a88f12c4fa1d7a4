//! Prices in quote currency.

use crate::decimal::{self, Rounding, money_form};
use crate::money::Money;
use crate::quantity::Quantity;

money_form! {
    /// Price in quote currency per unit of base, as an integer count of 1e-12: the form that money arithmetic uses.
    Price
}

impl Price {
    /// Price x quantity in quote currency, rounded as told. `None` on overflow (beyond about 1.7e14).
    #[must_use]
    #[inline]
    pub const fn notional(self, quantity: Quantity, rounding: Rounding) -> Option<Money> {
        match decimal::mul_money(self.raw(), quantity.raw(), rounding) {
            Some(raw) => Some(Money::from_raw(raw)),
            None => None,
        }
    }

    /// Price x quantity, rounded up: a limit check never sees less than the true value.
    #[must_use]
    #[inline]
    pub const fn notional_ceil(self, quantity: Quantity) -> Option<Money> {
        self.notional(quantity, Rounding::Up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_check_never_sees_less_than_the_true_value() {
        let price = Price::parse("0.000001").unwrap();
        let quantity = Quantity::parse("0.0000001").unwrap();
        assert_eq!(price.notional_ceil(quantity), Some(Money::from_raw(1)));
        assert_eq!(price.notional(quantity, Rounding::Down), Some(Money::ZERO));
        assert_eq!(Price::MAX.notional_ceil(Quantity::from_units(2)), None);
    }
}
