//! Dust: what is left of a position when it is too small to be traded away.
//!
//! Dust stays in the position with its cost, is valued and reported, and is exempt from stops and from the count of positions.

use crate::valuation;
use domain::decimal::{ONE, Rounding};
use domain::{Instrument, Price, Quantity};

/// Whether a quantity (of either sign) cannot be traded at a price: below the smallest quantity of an order, or worth less than the
/// smallest notional. Nothing at all counts as dust. What is worth more than money can hold does not.
#[must_use]
pub fn is_dust(instrument: &Instrument, quantity: Quantity, price: Price) -> bool {
    let Some(size) = quantity.checked_abs() else { return false };
    if size.is_zero() || size < instrument.min_quantity {
        return true;
    }
    // A notional below the minimum, without a division in the usual case: price x quantity is a count of 1e-24.
    if instrument.multiplier == Quantity::from_units(1)
        && let (Some(worth), Some(minimum)) =
            (price.raw().checked_mul(size.raw()), instrument.min_notional.raw().checked_mul(ONE))
    {
        return worth < minimum;
    }
    match valuation::at_price(instrument, price, size, Rounding::Down) {
        Some(worth) => worth < instrument.min_notional,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::InstrumentTable;
    use testkit::{price, quantity};

    #[test]
    fn dust_is_below_the_lot_or_the_smallest_notional() {
        let mut table = InstrumentTable::default();
        let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let at = price("40000");
        for (held, expected) in [
            ("0", true),
            ("0.00000999", true),
            ("-0.00000999", true),
            ("0.00012", true),   // worth 4.80
            ("0.000125", false), // worth 5.00
            ("-0.000125", false),
            ("1", false),
        ] {
            assert_eq!(is_dust(&btc, quantity(held), at), expected, "{held}");
        }
        assert!(is_dust(&btc, quantity("0.000125"), price("39999.999999")), "a price between two mantissas counts too");
    }

    #[test]
    fn contracts_are_worth_their_multiplier() {
        let mut table = InstrumentTable::default();
        let mut perp = testkit::add_perpetual(&mut table, "BTCUSDT", 1, 0);
        perp.multiplier = quantity("0.0001");
        assert!(is_dust(&perp, quantity("1"), price("40000")));
        assert!(!is_dust(&perp, quantity("2"), price("40000")));
    }
}
