//! The position in one instrument stays within its fraction of equity: what is held, what is on its way and what is asked for, together.
//!
//! Strategies that share an instrument share its limit in equal parts.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::measure::Holdings;
use domain::{Money, Rate, Rounding};

/// What the limit still allows in this instrument to this strategy, in quote; `None` if something needed is unknown.
#[must_use]
pub fn room(limits: &Limits, holdings: &Holdings, sharers: u32) -> Option<Money> {
    let equity = holdings.equity?;
    let cap = equity.times(limits.position_fraction_max, Rounding::Down)?;
    let share = equity.times(share(limits, sharers)?, Rounding::Down)?;
    let left = cap.checked_sub(holdings.gross_instrument?)?;
    let own_left = share.checked_sub(holdings.gross_strategy?)?;
    Some(left.min(own_left).max(Money::ZERO))
}

/// The part of the limit that each of the strategies has which share an instrument.
pub(super) fn share(limits: &Limits, sharers: u32) -> Option<Rate> {
    limits.position_fraction_max.divided_by(sharers.max(1))
}

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let h = b.holdings;
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let notional = s.notional.ok_or(unknown)?;
    let room = room(limits, h, b.sharers).ok_or(unknown)?;
    let equity = h.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?;
    let after =
        h.gross_strategy.and_then(|held| held.checked_add(notional)).ok_or(Refusal::because(DenyReason::Overflow))?;
    let (value, limit) =
        (after.to_f64() / equity.to_f64(), limits.position_fraction_max.to_f64() / f64::from(b.sharers.max(1)));
    // Where nothing is left even an order that was sized to nothing is one too many.
    if notional > room || room.is_zero() {
        return Err(Refusal::over(DenyReason::PositionSize, value, limit).with_safe(room));
    }
    Ok(Measured { value, limit })
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Intent, Money, Side, SizeRequest, StrategyIdx};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    #[test]
    fn two_percent_pass_and_three_are_refused_with_the_largest_safe_size() {
        let mut stage = Stage::limited();
        let fraction = |percent| SizeRequest::EquityFraction(domain::Rate::from_bps(percent * 100));
        let refusal = stage.enter(&stage.signal(Intent::EnterLong, BTC, SizeRequest::Base(testkit::quantity("3"))));
        let refusal = refusal.unwrap_err();
        assert_eq!((refusal.reason, refusal.value, refusal.limit), (DenyReason::PositionSize, Some(0.03), Some(0.02)));
        assert_eq!(refusal.largest_safe, Some(Money::from_units(200)));
        let three = stage.signal(Intent::EnterLong, BTC, fraction(3));
        assert_eq!(stage.enter(&three).unwrap_err().reason, DenyReason::PositionSize);
        stage.enter(&stage.signal(Intent::EnterLong, BTC, fraction(2))).unwrap();
    }

    #[test]
    fn the_limit_itself_passes_and_one_lot_more_does_not() {
        let mut stage = Stage::limited();
        let refusal = stage.enter(&stage.long(BTC, "2.000001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.largest_safe), (DenyReason::PositionSize, Some(Money::from_units(200))));
        stage.enter(&stage.long(BTC, "2")).unwrap();
    }

    #[test]
    fn what_is_held_and_what_is_on_its_way_count_together() {
        let mut stage = Stage::limited();
        stage.trade(0, BTC, Side::Buy, "0.8", 100);
        let first = stage.enter(&stage.long(BTC, "0.7")).unwrap();
        let refusal = stage.enter(&stage.long(BTC, "0.6")).unwrap_err();
        assert_eq!((refusal.reason, refusal.largest_safe), (DenyReason::PositionSize, Some(Money::from_units(50))));
        testkit::assert_close(refusal.value.unwrap(), 0.021, 1e-12, 0.0);
        stage.enter(&stage.long(BTC, "0.5")).unwrap();
        // What was given back may be asked for again.
        stage.gate.exposure_mut().release(first.reservation);
        stage.enter(&stage.long(BTC, "0.7")).unwrap();
        assert!(stage.enter(&stage.long(BTC, "0.06")).is_err());
    }

    #[test]
    fn a_position_is_counted_at_the_last_price_and_the_limit_follows_equity() {
        let mut stage = Stage::limited();
        stage.trade(0, BTC, Side::Buy, "1", 100);
        stage.mark(BTC, 150);
        // Equity is 10,050: 201 less 150 leaves 51.
        let refusal = stage.enter(&stage.long(BTC, "0.35")).unwrap_err();
        assert_eq!(refusal.largest_safe, Some(Money::from_units(51)));
        stage.enter(&stage.long(BTC, "0.34")).unwrap();
    }

    #[test]
    fn strategies_that_share_an_instrument_share_its_limit() {
        let mut stage = Stage::limited();
        stage.gate.add_sharer(BTC);
        let refusal = stage.enter(&stage.long(BTC, "1.000001")).unwrap_err();
        assert_eq!((refusal.limit, refusal.largest_safe), (Some(0.01), Some(Money::from_units(100))));
        stage.enter(&stage.long(BTC, "1")).unwrap();
        let other = domain::Signal { strategy: StrategyIdx(1), ..stage.long(BTC, "1") };
        stage.enter(&other).unwrap();
        let cap = domain::Signal { strategy: StrategyIdx(2), size: SizeRequest::Cap, ..other };
        assert_eq!(stage.enter(&cap).unwrap_err().reason, DenyReason::PositionSize, "both parts are used up");
    }

    #[test]
    fn the_same_instrument_on_another_venue_belongs_to_the_limit() {
        let mut stage = Stage::limited();
        let other = stage.elsewhere(BTC);
        stage.mark(other, 100);
        stage.trade(0, other, Side::Buy, "1.5", 100);
        let refusal = stage.enter(&stage.long(BTC, "0.6")).unwrap_err();
        assert_eq!((refusal.reason, refusal.largest_safe), (DenyReason::PositionSize, Some(Money::from_units(50))));
        let pending = stage.enter(&stage.long(other, "0.5")).unwrap();
        assert_eq!(stage.enter(&stage.long(BTC, "0.1")).unwrap_err().reason, DenyReason::PositionSize);
        stage.gate.exposure_mut().release(pending.reservation);
        stage.enter(&stage.long(BTC, "0.5")).unwrap();
    }

    #[test]
    fn where_nothing_is_left_the_cap_is_refused_by_the_limit() {
        let mut stage = Stage::limited();
        let cap = stage.signal(Intent::EnterLong, BTC, SizeRequest::Cap);
        stage.enter(&cap).unwrap();
        stage.trade(0, BTC, Side::Buy, "2", 100);
        let refusal = stage.enter(&cap).unwrap_err();
        assert_eq!((refusal.reason, refusal.largest_safe), (DenyReason::PositionSize, Some(Money::ZERO)));
    }
}
