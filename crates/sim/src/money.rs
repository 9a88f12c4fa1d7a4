//! What a trade moves: amounts of quote, fees, and the quantity that an amount buys.
//!
//! In:  price and quantity mantissas, rates.
//! Out: counts of 1e-12 at the asset's precision. A buy takes the next amount up, a sell gives the next one down; a fee is rounded up, a
//! rebate (a negative fee) towards nothing. `None` is an overflow, which the caller turns into a refusal.

use domain::decimal::{MONEY_DECIMALS, ONE, div_round};
use domain::{Instrument, Rate, Rounding, Side};

/// How the product of two mantissas of an instrument becomes an amount of its quote asset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    /// Divides the product of mantissas into units of the asset's precision.
    divide: i128,
    /// Multiplies it instead, where the asset is finer than the product.
    multiply: i128,
    /// 1e-12 per unit of the asset's precision.
    unit: i128,
}

/// A power of ten, at most 1e36.
pub(crate) fn pow10(exponent: u8) -> i128 {
    10i128.pow(u32::from(exponent.min(36)))
}

impl Scale {
    /// For amounts at `decimals` of the quote asset.
    pub fn new(instrument: &Instrument, decimals: u8) -> Self {
        let product = instrument.price_decimals + instrument.quantity_decimals;
        let decimals = decimals.min(MONEY_DECIMALS);
        Self {
            divide: pow10(product.saturating_sub(decimals)),
            multiply: pow10(decimals.saturating_sub(product)),
            unit: pow10(MONEY_DECIMALS - decimals),
        }
    }

    /// Price x quantity in 1e-12 of quote, rounded once at the asset's precision.
    #[inline]
    pub fn notional(&self, price: i64, quantity: i64, rounding: Rounding) -> Option<i128> {
        let product = i128::from(price) * i128::from(quantity);
        let units = if self.divide == 1 {
            product.checked_mul(self.multiply)?
        } else {
            div_round(product, self.divide, rounding)
        };
        units.checked_mul(self.unit)
    }

    /// What a trade moves in quote: a buy pays the amount rounded up, a sell receives it rounded down.
    #[inline]
    pub fn traded(&self, side: Side, price: i64, quantity: i64) -> Option<i128> {
        let rounding = match side {
            Side::Buy => Rounding::Up,
            Side::Sell => Rounding::Down,
        };
        self.notional(price, quantity, rounding)
    }
}

/// A rate as a fraction in lowest terms, so that most products stay within 64 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fraction {
    numerator: i128,
    denominator: i128,
}

impl Fraction {
    /// Of a rate.
    pub fn new(rate: Rate) -> Self {
        let (mut a, mut b) = (i128::from(rate.raw()).abs(), ONE);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        // The greatest common divisor of anything with 1e12 is at least 1.
        Self { numerator: i128::from(rate.raw()) / a, denominator: ONE / a }
    }
}

/// `amount * rate` in 1e-12, rounded up at a precision of `unit` (1e-12 per unit).
#[inline]
pub(crate) fn share(amount: i128, rate: Fraction, unit: i128) -> Option<i128> {
    if rate.numerator == 0 {
        return Some(0);
    }
    // Amounts are whole units but for quantities of base finer than the asset, which take the longer way.
    let units = div_round(amount, unit, Rounding::Down);
    let shared = if units * unit == amount {
        div_round(units.checked_mul(rate.numerator)?, rate.denominator, Rounding::Up)
    } else {
        div_round(amount.checked_mul(rate.numerator)?, rate.denominator.checked_mul(unit)?, Rounding::Up)
    };
    shared.checked_mul(unit)
}

/// 1e-12 per unit at an asset's precision.
pub(crate) fn unit_of(decimals: u8) -> i128 {
    pow10(MONEY_DECIMALS.saturating_sub(decimals))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::InstrumentTable;

    #[test]
    fn amounts_round_once_against_us() {
        let mut table = InstrumentTable::default();
        let i = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        // 123.45 x 0.00001 = 0.0012345, exact at 8 decimals; at 4 it lies between 0.0012 and 0.0013.
        let fine = Scale::new(&i, 8);
        assert_eq!(fine.traded(Side::Buy, 12_345, 1), Some(1_234_500_000));
        assert_eq!(fine.traded(Side::Sell, 12_345, 1), Some(1_234_500_000));
        let coarse = Scale::new(&i, 4);
        assert_eq!(coarse.traded(Side::Buy, 12_345, 1), Some(1_300_000_000));
        assert_eq!(coarse.traded(Side::Sell, 12_345, 1), Some(1_200_000_000));
        let finest = Scale::new(&i, 12);
        assert_eq!(finest.traded(Side::Sell, 12_345, 1), Some(1_234_500_000));
        // The longest product overflows the money form and says so.
        assert_eq!(finest.traded(Side::Buy, i64::MAX, i64::MAX), None);
    }

    #[test]
    fn fees_round_up_and_rebates_towards_nothing() {
        let amount = 1_234_567_890_000; // 1.23456789
        let fee = |amount, rate, decimals| share(amount, Fraction::new(rate), unit_of(decimals));
        assert_eq!(fee(amount, Rate::from_bps(10), 8), Some(1_234_570_000));
        assert_eq!(fee(amount, Rate::from_bps(-10), 8), Some(-1_234_560_000));
        assert_eq!(fee(amount, Rate::ZERO, 8), Some(0));
        // Finer than the asset: 0.0000000015 x 0.1 is 0.00000000015, up to 0.00000001.
        assert_eq!(fee(1_500, Rate::parse("0.1").unwrap(), 8), Some(10_000));
        assert_eq!(fee(i128::MAX, Rate::from_raw(3), 8), None);
    }
}
