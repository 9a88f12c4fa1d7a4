//! The loss breaker lets entries pass: closed ones all, open ones none, half-open ones a single probe of a part of the size.

use super::{Bench, Measured, PASSED, Subject, position_size};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::standing::Breaker;
use domain::{Money, Rate, Rounding};

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    match b.standing.breaker(s.spec.strategy) {
        Breaker::Closed => Ok(PASSED),
        Breaker::Open | Breaker::HalfOpen { probe_free: false } => Err(Refusal::because(DenyReason::BreakerOpen)),
        Breaker::HalfOpen { probe_free: true } => probe(s, limits, b),
    }
}

/// The whole position stays within its part of what the strategy's share of the limit allows.
fn probe(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let overflow = Refusal::because(DenyReason::Overflow);
    let equity = b.holdings.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?;
    let used = b.holdings.gross_strategy.ok_or(unknown)?;
    let after = used.checked_add(s.notional.ok_or(unknown)?).ok_or(overflow)?;
    let cap = cap(limits, equity, b.sharers).ok_or(overflow)?;
    let (value, limit) = (after.to_f64() / equity.to_f64(), cap.to_f64() / equity.to_f64());
    if after > cap || used >= cap {
        let safe = cap.checked_sub(used).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(DenyReason::ProbeSize, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

/// The largest probe; `None` on overflow.
pub(super) fn cap(limits: &Limits, equity: Money, sharers: u32) -> Option<Money> {
    let share: Rate = position_size::share(limits, sharers)?;
    equity.times(share, Rounding::Down)?.times(limits.probe_fraction_max, Rounding::Down)
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::stage::Stage;
    use crate::standing::Breaker;
    use domain::{InstrumentIdx, Intent, Money, OrderQuantity, Side, Signal, SizeRequest, StrategyIdx};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    #[test]
    fn an_open_breaker_stops_its_strategy_and_no_other() {
        let mut stage = Stage::limited();
        stage.standing.strategies = vec![Breaker::Open];
        assert_eq!(stage.enter(&stage.long(BTC, "1")).unwrap_err().reason, DenyReason::BreakerOpen);
        let other = Signal { strategy: StrategyIdx(1), ..stage.long(BTC, "1") };
        stage.enter(&other).unwrap();
        stage.standing.strategies = vec![Breaker::HalfOpen { probe_free: false }];
        assert_eq!(stage.enter(&stage.long(BTC, "0.1")).unwrap_err().reason, DenyReason::BreakerOpen);
    }

    #[test]
    fn the_breaker_of_the_account_stops_all() {
        let mut stage = Stage::limited();
        stage.standing.account = Breaker::Open;
        for strategy in [StrategyIdx(0), StrategyIdx(3)] {
            let signal = Signal { strategy, ..stage.long(BTC, "1") };
            assert_eq!(stage.enter(&signal).unwrap_err().reason, DenyReason::BreakerOpen);
        }
    }

    #[test]
    fn a_probe_is_a_quarter_of_the_size() {
        let mut stage = Stage::limited();
        stage.standing.strategies = vec![Breaker::HalfOpen { probe_free: true }];
        let refusal = stage.enter(&stage.long(BTC, "0.500001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::ProbeSize, Some(0.005)));
        assert_eq!(refusal.largest_safe, Some(Money::from_units(50)));
        stage.enter(&stage.long(BTC, "0.5")).map(|e| stage.gate.release(e.reservation)).unwrap();
        // As much as the limits allow is a quarter, too: 50 / 100.1, down to the lot.
        let cap = stage.signal(Intent::EnterLong, BTC, SizeRequest::Cap);
        let entry = stage.enter(&cap).unwrap();
        assert_eq!(entry.spec.quantity, OrderQuantity::Base(testkit::quantity("0.4995")));
        stage.gate.release(entry.reservation);
        stage.trade(0, BTC, Side::Buy, "0.5", 100);
        assert_eq!(stage.enter(&cap).unwrap_err().reason, DenyReason::ProbeSize, "what is held counts");
    }
}
