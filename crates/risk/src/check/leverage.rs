//! Exposure over equity stays within its limits, entries on their way included: gross, net, long and short.
//!
//! Leverage is the gross exposure, held to the limit or to what the leverage controller allows in the present market, whichever is less.
//! The net limit counts positions of both directions against each other, and entries on their way only where they enlarge it: which of
//! them are filled is not known.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::measure::Holdings;
use crate::standing::Standing;
use domain::{Money, Rate, Rounding, Side};

pub(super) fn leverage(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    held(s, DenyReason::Leverage, b.holdings.gross, leverage_max(limits, b.standing), b)
}

pub(super) fn gross(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    held(s, DenyReason::GrossExposure, b.holdings.gross, limits.gross_exposure_max, b)
}

pub(super) fn net(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    held(s, DenyReason::NetExposure, net_used(b.holdings, s.spec.side), limits.net_exposure_max, b)
}

/// An entry that sells adds nothing to what is long.
pub(super) fn long(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    match s.spec.side {
        Side::Buy => held(s, DenyReason::LongExposure, b.holdings.long, limits.long_exposure_max, b),
        Side::Sell => Ok(super::PASSED),
    }
}

pub(super) fn short(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    match s.spec.side {
        Side::Sell => held(s, DenyReason::ShortExposure, b.holdings.short, limits.short_exposure_max, b),
        Side::Buy => Ok(super::PASSED),
    }
}

/// What all of them still allow to an entry of a side; `None` if something needed is unknown.
pub(super) fn room(limits: &Limits, h: &Holdings, standing: &Standing, side: Side) -> Option<Money> {
    let (directed, directed_max) = match side {
        Side::Buy => (h.long, limits.long_exposure_max),
        Side::Sell => (h.short, limits.short_exposure_max),
    };
    let all = [
        (h.gross, leverage_max(limits, standing).min(limits.gross_exposure_max)),
        (net_used(h, side), limits.net_exposure_max),
        (directed, directed_max),
    ];
    all.into_iter().try_fold(Money::MAX, |least, (used, max)| {
        let cap = h.equity?.times(max, Rounding::Down)?;
        Some(least.min(cap.checked_sub(used?)?))
    })
}

fn leverage_max(limits: &Limits, standing: &Standing) -> Rate {
    standing.leverage_max.map_or(limits.leverage_max, |now| now.min(limits.leverage_max))
}

/// What an entry of a side adds to.
fn net_used(h: &Holdings, side: Side) -> Option<Money> {
    let at = usize::from(side == Side::Sell);
    h.net?.get(at)?.checked_add(*h.pending.get(at)?)
}

fn held(
    s: &Subject<'_>,
    reason: DenyReason,
    used: Option<Money>,
    max: Rate,
    b: &Bench<'_>,
) -> Result<Measured, Refusal> {
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let overflow = Refusal::because(DenyReason::Overflow);
    let equity = b.holdings.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?;
    let used = used.ok_or(unknown)?;
    let after = used.checked_add(s.notional.ok_or(unknown)?).ok_or(overflow)?;
    let cap = equity.times(max, Rounding::Down).ok_or(overflow)?;
    let (value, limit) = (after.to_f64() / equity.to_f64(), max.to_f64());
    // Where nothing is left even an order that was sized to nothing is one too many.
    if after > cap || used >= cap {
        let safe = cap.checked_sub(used).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(reason, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Money, Rate, Side, StrategyIdx};

    const BTC: InstrumentIdx = InstrumentIdx(0);
    const ETH: InstrumentIdx = InstrumentIdx(1);

    fn times(n: i64) -> Rate {
        Rate::from_raw(n * Rate::ONE.raw())
    }

    /// Two perpetuals at 100 whose correlation is none; everything relaxed but what is given.
    fn stage(limits: Limits) -> Stage {
        let mut stage = Stage::new(Profile::Research(limits));
        let (btc, eth) = (stage.perpetual("BTCUSDT"), stage.perpetual("ETHUSDT"));
        stage.correlate(btc, eth, 0.0, 100);
        stage
    }

    #[test]
    fn three_times_equity_passes_and_a_lot_more_is_refused() {
        for (limits, reason) in [
            (Limits { leverage_max: times(3), ..Limits::relaxed() }, DenyReason::Leverage),
            (Limits { gross_exposure_max: times(3), ..Limits::relaxed() }, DenyReason::GrossExposure),
            (Limits { long_exposure_max: times(3), ..Limits::relaxed() }, DenyReason::LongExposure),
            (Limits { net_exposure_max: times(3), ..Limits::relaxed() }, DenyReason::NetExposure),
        ] {
            let mut stage = stage(limits);
            stage.trade(0, BTC, Side::Buy, "100", 100);
            let pending = stage.enter(&stage.long(BTC, "150")).unwrap();
            let refusal = stage.enter(&stage.long(BTC, "50.000001")).unwrap_err();
            assert_eq!((refusal.reason, refusal.limit), (reason, Some(3.0)));
            assert_eq!(refusal.largest_safe, Some(Money::from_units(5_000)));
            testkit::assert_close(refusal.value.unwrap(), 3.00000001, 1e-12, 0.0);
            stage.enter(&stage.long(BTC, "50")).unwrap();
            stage.gate.exposure_mut().release(pending.reservation);
        }
    }

    #[test]
    fn another_instruments_exposure_counts_in_gross_whatever_its_direction() {
        let mut stage = stage(Limits { leverage_max: times(3), ..Limits::relaxed() });
        stage.trade(1, ETH, Side::Sell, "290", 100);
        let refusal = stage.enter(&stage.long(BTC, "11")).unwrap_err();
        assert_eq!((refusal.reason, refusal.largest_safe), (DenyReason::Leverage, Some(Money::from_units(1_000))));
        stage.enter(&stage.long(BTC, "10")).unwrap();
    }

    #[test]
    fn the_leverage_controller_lowers_the_limit_and_never_raises_it() {
        let mut stage = stage(Limits { leverage_max: times(3), ..Limits::relaxed() });
        stage.standing.leverage_max = Some(times(1));
        let refusal = stage.enter(&stage.long(BTC, "101")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::Leverage, Some(1.0)));
        stage.standing.leverage_max = Some(times(9));
        assert_eq!(stage.enter(&stage.long(BTC, "301")).unwrap_err().limit, Some(3.0));
    }

    #[test]
    fn the_short_limit_holds_shorts_alone_and_the_long_one_longs() {
        let limits = Limits { short_exposure_max: times(1), long_exposure_max: times(2), ..Limits::relaxed() };
        let mut stage = stage(limits);
        let refusal = stage.enter(&stage.short(BTC, "101")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::ShortExposure, Some(1.0)));
        stage.enter(&stage.short(BTC, "100")).unwrap();
        assert_eq!(stage.enter(&stage.short(ETH, "1")).unwrap_err().reason, DenyReason::ShortExposure);
        stage.enter(&stage.long(ETH, "200")).unwrap();
        let other = domain::Signal { strategy: StrategyIdx(1), ..stage.long(ETH, "1") };
        assert_eq!(stage.enter(&other).unwrap_err().reason, DenyReason::LongExposure);
    }

    #[test]
    fn positions_of_both_directions_net_and_what_is_on_its_way_does_not_count_in_favour() {
        let mut stage = stage(Limits { net_exposure_max: times(1), ..Limits::relaxed() });
        stage.trade(0, ETH, Side::Sell, "50", 100);
        // 50 short: 150 long leave a net of 100.
        let refusal = stage.enter(&stage.long(BTC, "150.000001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.largest_safe), (DenyReason::NetExposure, Some(Money::from_units(15_000))));
        let pending = stage.enter(&stage.short(ETH, "50")).unwrap();
        let refusal = stage.enter(&stage.long(BTC, "150.000001")).unwrap_err();
        assert_eq!(refusal.largest_safe, Some(Money::from_units(15_000)), "a short that is not filled is none");
        stage.enter(&stage.long(BTC, "150")).unwrap();
        stage.gate.exposure_mut().release(pending.reservation);
    }
}
