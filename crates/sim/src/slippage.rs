//! How much worse than the market's price an order trades that takes liquidity.
//!
//! In:  the market's price, the side, the quantity and what the market traded or showed.
//! Out: a price mantissa on the tick, rounded against us. Without slippage the market's own price, as it is.

use crate::config::Slippage;
use domain::decimal::{ONE, div_round};
use domain::{Rounding, Side};

/// The fraction by which the price is worse, as a count of 1e-12; at most 1.
fn fraction(model: Slippage, quantity: i64, volume: i64, quoted: bool) -> i128 {
    match model {
        Slippage::None => 0,
        Slippage::Bps(rate) => i128::from(rate.raw()),
        Slippage::Impact { spread, coefficient } => {
            // Nothing traded says nothing of depth: the order counts as the whole volume.
            let share = if volume > 0 { quantity as f64 / volume as f64 } else { 1.0 };
            let half = if quoted { 0.0 } else { spread.to_f64() / 2.0 };
            let worse = half + coefficient.to_f64() * share.sqrt();
            // The one way from the model's f64 to the exact price, rounded up: against us.
            (worse.min(1.0) * 1e12).ceil() as i128
        }
    }
}

/// The price at which `quantity` trades when the market is at `price`. `None` if it does not fit a mantissa.
pub(crate) fn slipped(
    model: Slippage,
    side: Side,
    price: i64,
    quantity: i64,
    volume: i64,
    quoted: bool,
    tick: i64,
) -> Option<i64> {
    let worse = fraction(model, quantity, volume, quoted);
    if worse == 0 {
        return Some(price);
    }
    let tick = i128::from(tick);
    let scaled = i128::from(price).checked_mul(ONE + side.sign() * worse)?;
    let rounding = match side {
        Side::Buy => Rounding::Up,
        Side::Sell => Rounding::Down,
    };
    let ticks = div_round(scaled, ONE.checked_mul(tick)?, rounding).max(1);
    i64::try_from(ticks.checked_mul(tick)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Rate;

    #[test]
    fn slippage_is_against_us_and_on_the_tick() {
        let five = Slippage::Bps(Rate::from_bps(5));
        // 100.01 with 5 bps is 100.060005, on a tick of 0.01 the next up; sold, 99.959995, the next down.
        assert_eq!(slipped(five, Side::Buy, 10_001, 1, 1, false, 1), Some(10_007));
        assert_eq!(slipped(five, Side::Sell, 10_001, 1, 1, false, 1), Some(9_995));
        assert_eq!(slipped(Slippage::None, Side::Buy, 10_001, 1, 1, false, 5), Some(10_001));
        // A price never falls to nothing.
        assert_eq!(slipped(Slippage::Bps(Rate::ONE), Side::Sell, 10_001, 1, 1, false, 25), Some(25));
    }

    #[test]
    fn impact_grows_with_the_root_of_the_share() {
        let model = Slippage::Impact { spread: Rate::from_bps(4), coefficient: Rate::from_bps(100) };
        // 2 bps of spread and 100 bps x sqrt(0.25) = 52 bps of 100.00.
        assert_eq!(slipped(model, Side::Buy, 10_000, 25, 100, false, 1), Some(10_052));
        // On quotes the spread is the market's own.
        assert_eq!(slipped(model, Side::Sell, 10_000, 25, 100, true, 1), Some(9_950));
        // No volume: the whole coefficient.
        assert_eq!(slipped(model, Side::Buy, 10_000, 25, 0, false, 1), Some(10_102));
    }
}
