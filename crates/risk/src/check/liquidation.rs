//! No position of the account would be too near to its liquidation: the distance is how far the price of one instrument can move against
//! its position, as a fraction, before the account's equity is down to the maintenance margin, all else staying as it is.
//!
//! In a cross-margin account with one-way positions, with `E` equity (balance + unrealised), `M` the maintenance margin of all positions
//! and `N` the size of this position (all at the last price, entries on their way and this one counted as filled), `m` its maintenance rate:
//!
//! ```text
//! long:   E - N x = M - m N x   =>   x = (E - M) / (N (1 - m))
//! short:  E - N x = M + m N x   =>   x = (E - M) / (N (1 + m))
//! ```
//!
//! It is the liquidation price of Binance's USDT-margined futures in cross margin (support article "How to Calculate Liquidation Price of
//! USD-M Futures Contracts") as a distance. `E - M` is the same for all positions, so the nearest is the one with the largest `N (1 -+ m)`;
//! it is held to the limit whichever instrument the order is for. A spot position without leverage has no liquidation; buying one takes
//! from what keeps perpetuals alive.

use super::{Bench, Measured, PASSED, Subject, margin};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::measure::{Margined, leg, leg_rate, upkeep};
use domain::{Instrument, InstrumentKind, Money, Rounding, Side};

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let unknown = Refusal::because(DenyReason::LiquidationUnknown);
    if b.standing.liquidation_near {
        return Err(Refusal::because(DenyReason::LiquidationDistance));
    }
    let m = b.holdings.margin.ok_or(unknown)?;
    let (surplus, nearest) = after(s, &m).ok_or(unknown)?;
    if nearest <= Money::ZERO {
        return Ok(PASSED);
    }
    let needed = nearest.times(limits.liquidation_distance_min, Rounding::Up).ok_or(unknown)?;
    let (value, limit) = (surplus.to_f64() / nearest.to_f64(), limits.liquidation_distance_min.to_f64());
    if surplus < needed {
        let safe = room(limits, s.instrument, s.spec.side, &m).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(DenyReason::LiquidationDistance, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

/// Surplus over the maintenance margin and the largest leg, with the order filled. `None` where something is unknown or does not fit.
fn after(s: &Subject<'_>, m: &Margined) -> Option<(Money, Money)> {
    if s.instrument.kind == InstrumentKind::Spot {
        return Some((m.surplus.checked_sub(s.funds?)?, m.other_leg));
    }
    let notional = s.notional?;
    let surplus = m.surplus.checked_sub(notional.times(upkeep(s.instrument)?, Rounding::Up)?)?;
    let own = leg(m.own_size.checked_add(notional)?, s.instrument, m.side_with(s.spec.side))?;
    Some((surplus, own.max(m.other_leg)))
}

/// What the limit still allows; `None` on overflow.
pub(super) fn room(limits: &Limits, i: &Instrument, side: Side, m: &Margined) -> Option<Money> {
    let distance = limits.liquidation_distance_min;
    let spare = m.surplus.checked_sub(m.other_leg.times(distance, Rounding::Up)?)?;
    if i.kind == InstrumentKind::Spot {
        return if m.other_leg > Money::ZERO { margin::notional_of(spare, i) } else { Some(Money::MAX) };
    }
    // Of the own leg: surplus - upkeep n >= distance k (size + n), with some units of 1e-12 for rounding.
    let moved = domain::Rate::from_raw(
        i64::try_from(
            i128::from(leg_rate(i, m.side_with(side))?.raw()) * i128::from(distance.raw()) / domain::decimal::ONE,
        )
        .ok()?
            + 1,
    );
    let own = m.surplus.checked_sub(m.own_size.times(moved, Rounding::Up)?)?.checked_sub(Money::from_raw(4))?;
    let own = margin::parts(own, upkeep(i)?.checked_add(moved)?)?;
    let rate = upkeep(i)?;
    if m.other_leg.is_zero() || rate.raw() <= 0 {
        return Some(own);
    }
    Some(own.min(margin::parts(spare.checked_sub(Money::from_raw(1))?, rate)?))
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::{Stage, USDT};
    use domain::{InstrumentIdx, Money, OrderQuantity, Rate, Side, SizeRequest};

    const BTC: InstrumentIdx = InstrumentIdx(0);
    const ETH: InstrumentIdx = InstrumentIdx(1);
    const SPOT: InstrumentIdx = InstrumentIdx(2);

    /// Two perpetuals (2.5 % maintenance, no fee) and a spot instrument at 100; 10,000 USDT; 5 % to liquidation and nothing else held.
    fn stage() -> Stage {
        let limits = Limits { liquidation_distance_min: Rate::from_bps(500), ..Limits::relaxed() };
        let mut stage = Stage::new(Profile::Research(limits));
        let (btc, eth) = (stage.perpetual("BTCUSDT"), stage.perpetual("ETHUSDT"));
        let spot = stage.spot("SOLUSDT");
        for idx in [btc, eth] {
            stage.rules(idx, |i| {
                (i.fee_taker, i.fee_maker, i.margin_initial) = (Rate::ZERO, Rate::ZERO, testkit::rate("0.025"))
            });
        }
        stage.correlate(btc, eth, 0.0, 40);
        stage.correlate(btc, spot, 0.0, 30);
        stage.correlate(eth, spot, 0.0, 20);
        stage.mark(btc, 100);
        stage
    }

    /// The distance by its definition: the price falls (or rises) until equity is the maintenance margin.
    fn distance_by_search(equity: f64, other_maintenance: f64, size: f64, long: bool) -> f64 {
        let (mut low, mut high) = (0.0, 2.0);
        for _ in 0..200 {
            let x = (low + high) / 2.0;
            let value = if long { size * (1.0 - x) } else { size * (1.0 + x) };
            if equity - size * x > other_maintenance + 0.025 * value { low = x } else { high = x }
        }
        low
    }

    #[test]
    fn the_distance_is_the_move_that_takes_equity_down_to_maintenance() {
        for (long, quantity) in [(true, "1360"), (false, "1330")] {
            let mut stage = stage();
            let signal = if long { stage.long(BTC, quantity) } else { stage.short(BTC, quantity) };
            let refusal = stage.enter(&signal).unwrap_err();
            assert_eq!((refusal.reason, refusal.limit), (DenyReason::LiquidationDistance, Some(0.05)));
            let size = signal_size(&signal) * 100.0;
            testkit::assert_close(refusal.value.unwrap(), distance_by_search(10_000.0, 0.0, size, long), 1e-9, 0.0);
            // The largest safe size passes, and a little more does not.
            let safe = refusal.largest_safe.unwrap();
            testkit::assert_close(distance_by_search(10_000.0, 0.0, safe.to_f64(), long), 0.05, 1e-9, 0.0);
            let quantity = safe.quantity_at(testkit::price("100"), domain::Rounding::Down).unwrap();
            let fits = domain::Signal { size: SizeRequest::Base(quantity), ..signal };
            let one_more = domain::Signal {
                size: SizeRequest::Base(quantity.checked_add(testkit::quantity("0.000002")).unwrap()),
                ..signal
            };
            assert_eq!(stage.enter(&one_more).unwrap_err().reason, DenyReason::LiquidationDistance);
            stage.enter(&fits).unwrap();
        }
    }

    fn signal_size(signal: &domain::Signal) -> f64 {
        match signal.size {
            SizeRequest::Base(quantity) => quantity.to_f64(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn another_position_is_brought_no_nearer_either() {
        let mut stage = stage();
        // At 1,300 units the surplus is 10,000 - 3,250, and the move 5.33 %.
        stage.trade(0, ETH, Side::Buy, "1300", 100);
        // Each unit of BTC takes 2.5 of the surplus: 6,750 - 0.05 x 126,750 = 412.5.
        let refusal = stage.enter(&stage.long(BTC, "165.1")).unwrap_err();
        assert_eq!(refusal.reason, DenyReason::LiquidationDistance);
        testkit::assert_close(refusal.largest_safe.unwrap().to_f64(), 16_500.0, 1e-9, 0.0);
        stage.enter(&stage.long(BTC, "165")).map(|e| stage.gate.release(e.reservation)).unwrap();
        // What is on its way counts as filled.
        let pending = stage.enter(&stage.long(BTC, "100")).unwrap();
        assert_eq!(stage.enter(&stage.long(BTC, "66")).unwrap_err().reason, DenyReason::LiquidationDistance);
        stage.gate.release(pending.reservation);
        // Spot takes its whole cost.
        let refusal = stage.enter(&stage.long(SPOT, "5")).unwrap_err();
        assert_eq!(refusal.reason, DenyReason::LiquidationDistance);
        testkit::assert_close(refusal.largest_safe.unwrap().to_f64(), 412.5 / 1.001, 1e-9, 0.0);
        stage.enter(&stage.long(SPOT, "4")).unwrap();
    }

    #[test]
    fn while_a_position_is_near_its_liquidation_nothing_is_entered() {
        let mut stage = stage();
        stage.standing.liquidation_near = true;
        assert_eq!(stage.enter(&stage.long(SPOT, "1")).unwrap_err().reason, DenyReason::LiquidationDistance);
    }

    #[test]
    fn spot_without_leverage_has_no_liquidation() {
        let mut stage = stage();
        stage.enter(&stage.signal(domain::Intent::EnterLong, SPOT, SizeRequest::AllIn)).unwrap();
    }

    #[test]
    fn as_much_as_the_limits_allow_keeps_its_distance() {
        for side in [Side::Buy, Side::Sell] {
            let mut stage = stage();
            stage.portfolio.transfer(crate::stage::ACCOUNT, USDT, Money::from_units(-9_900)).unwrap();
            stage.trade(0, ETH, side, "10", 100);
            let intent = if side == Side::Buy { domain::Intent::EnterLong } else { domain::Intent::EnterShort };
            let entry = stage.enter(&stage.signal(intent, BTC, SizeRequest::Cap)).unwrap();
            let OrderQuantity::Base(quantity) = entry.spec.quantity else { panic!("{:?}", entry.spec) };
            // Sized by what is free for its margin, which is less here than what the distance allows of it.
            assert!(quantity > testkit::quantity("0.5") && quantity < testkit::quantity("14"), "{quantity}");
        }
    }
}
