//! Price x quantity x multiplier as money, with as few wide divisions as possible.
//!
//! Mantissas are multiplied before they are scaled: a price of 2 and a quantity of 5 decimals give 7, which the precision of the quote
//! asset holds without any division.

use domain::decimal::{MONEY_DECIMALS, ONE, Rounding, div_round};
use domain::{Instrument, Money, Price, Quantity};

/// Powers of ten by exponent 0..=36: the decimals of two mantissas and a multiplier together.
const POW10_WIDE: [i128; 37] = {
    let mut table = [1i128; 37];
    let mut k = 1;
    while k < 37 {
        table[k] = table[k - 1] * 10;
        k += 1;
    }
    table
};

/// `10^n`; the exponents here are sums of at most three numbers of decimals of at most 12 each.
#[inline]
pub(crate) const fn pow10(n: u32) -> i128 {
    POW10_WIDE[if n > 36 { 36 } else { n as usize }]
}

/// One unit of an asset's precision as a count of 1e-12.
#[inline]
pub(crate) const fn step(decimals: u8) -> i128 {
    pow10(MONEY_DECIMALS.saturating_sub(decimals) as u32)
}

/// `product * 10^-from` at `to` decimals, as a count of 1e-12. `None` on overflow.
#[inline]
fn rescale(product: i128, from: u32, to: u8, rounding: Rounding) -> Option<i128> {
    let to = if to > MONEY_DECIMALS { MONEY_DECIMALS } else { to };
    if from <= u32::from(to) {
        return product.checked_mul(pow10(u32::from(MONEY_DECIMALS) - from));
    }
    let rounded = div_round(product, pow10(from - u32::from(to)), rounding);
    if to == MONEY_DECIMALS { Some(rounded) } else { rounded.checked_mul(step(to)) }
}

/// A multiplier as a mantissa and its decimals, with no zeros at its end.
fn stripped(multiplier: Quantity) -> (i128, u32) {
    let (mut mantissa, mut decimals) = (multiplier.raw(), u32::from(MONEY_DECIMALS));
    while decimals > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        decimals -= 1;
    }
    (mantissa, decimals)
}

/// `price * quantity * multiplier` where the quantity is an integer count of `10^-quantity_decimals`: a count of 1e-12, rounded once at
/// `to` decimals. `None` on overflow.
#[inline]
pub(crate) fn value(
    instrument: &Instrument,
    price: i64,
    quantity: i128,
    quantity_decimals: u8,
    to: u8,
    rounding: Rounding,
) -> Option<i128> {
    let product = i128::from(price).checked_mul(quantity)?;
    let decimals = u32::from(instrument.price_decimals) + u32::from(quantity_decimals);
    if instrument.multiplier.raw() == ONE {
        return rescale(product, decimals, to, rounding);
    }
    let (multiplier, more) = stripped(instrument.multiplier);
    rescale(product.checked_mul(multiplier)?, decimals + more, to, rounding)
}

/// What a quantity is worth at a mark, in quote at 1e-12. `None` on overflow.
#[inline]
pub(crate) fn at_mark(instrument: &Instrument, mark: i64, quantity: Quantity, rounding: Rounding) -> Option<Money> {
    value(instrument, mark, quantity.raw(), MONEY_DECIMALS, MONEY_DECIMALS, rounding).map(Money::from_raw)
}

/// What a quantity is worth at a price, in quote at 1e-12, multiplier included. `None` on overflow.
#[inline]
pub(crate) fn at_price(instrument: &Instrument, price: Price, quantity: Quantity, rounding: Rounding) -> Option<Money> {
    if let Some(mantissa) = instrument.price_mantissa(price) {
        return at_mark(instrument, mantissa, quantity, rounding);
    }
    let base = domain::decimal::mul_money(quantity.raw(), instrument.multiplier.raw(), rounding)?;
    price.notional(Quantity::from_raw(base), rounding)
}

/// The nearest double of a count of 1e-12, in units. Most numbers fit 64 bits, whose conversion is one instruction.
#[inline]
pub(crate) fn to_f64(raw: i128) -> f64 {
    if raw as i64 as i128 == raw { raw as i64 as f64 / 1e12 } else { raw as f64 / 1e12 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::InstrumentTable;
    use proptest::prelude::*;

    #[test]
    fn a_multiplier_counts_and_rounding_is_once() {
        let mut table = InstrumentTable::default();
        let mut perp = testkit::add_perpetual(&mut table, "BTCUSDT", 1, 0);
        perp.multiplier = testkit::quantity("0.001");
        // 3 contracts of 0.001 at 40442.9
        assert_eq!(value(&perp, 404_429, 3, 0, 8, Rounding::Up), Some(121_328_700_000_000));
        assert_eq!(value(&perp, 404_429, 3, 0, 2, Rounding::Up), Some(121_330_000_000_000));
        assert_eq!(value(&perp, 404_429, -3, 0, 2, Rounding::Up), Some(-121_320_000_000_000));
        assert_eq!(value(&perp, i64::MAX, i128::MAX, 0, 2, Rounding::Up), None);
    }

    proptest! {
        #[test]
        fn agrees_with_the_plain_product(price in 1i64..=10_000_000, quantity in -10_000_000i64..=10_000_000, pd in 0u8..=12, qd in 0u8..=12, to in 0u8..=12) {
            let mut table = InstrumentTable::default();
            let instrument = testkit::add_spot(&mut table, "XUSDT", pd, qd);
            let got = value(&instrument, price, i128::from(quantity), qd, to, Rounding::Up);
            // Slow form: at 24 decimals, then one rounding.
            let wide = i128::from(price) * i128::from(quantity) * pow10(24 - u32::from(pd) - u32::from(qd));
            let unit = pow10(24 - u32::from(to));
            let expected = (wide.div_euclid(unit) + i128::from(wide.rem_euclid(unit) != 0)) * step(to);
            prop_assert_eq!(got, Some(expected));
        }
    }
}
