//! The entry stays within the step of deployment in force: instruments, value, positions and venues.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::{Deployment, Limits};
use crate::measure::Holdings;
use domain::Money;

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let Some(step) = limits.deployment() else { return Ok(PASSED) };
    let h = b.holdings;
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let used = h.gross.ok_or(unknown)?;
    let after = used.checked_add(s.notional.ok_or(unknown)?).ok_or(Refusal::because(DenyReason::Overflow))?;
    if after > step.value || used >= step.value {
        let safe = room(step, h).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(DenyReason::Deployment, after.to_f64(), step.value.to_f64()).with_safe(safe));
    }
    for (count, max) in [
        (h.positions + u32::from(!h.held_already), step.instruments),
        (h.positions_each + u32::from(!h.held_by_strategy), step.positions),
        (h.venues_after, step.venues),
    ] {
        if count > max {
            return Err(Refusal::over(DenyReason::Deployment, f64::from(count), f64::from(max)));
        }
    }
    Ok(Measured { value: after.to_f64(), limit: step.value.to_f64() })
}

/// The value that the step still allows; `None` where a price is missing.
pub(super) fn room(step: &Deployment, h: &Holdings) -> Option<Money> {
    step.value.checked_sub(h.gross?)
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{DEPLOYMENT, Limits};
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Money, Side, Signal, StrategyIdx};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    fn stage(deployment_step: u32) -> Stage {
        Stage::within(Limits { deployment_step, ..Limits::relaxed() })
    }

    #[test]
    fn the_first_step_is_one_small_position_in_one_instrument() {
        let mut stage = stage(1);
        let refusal = stage.enter(&stage.long(BTC, "10.000001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::Deployment, Some(1_000.0)));
        assert_eq!(refusal.largest_safe, Some(DEPLOYMENT[0].value));
        let first = stage.enter(&stage.long(BTC, "4")).unwrap();
        assert_eq!(stage.enter(&stage.long(BTC, "6.1")).unwrap_err().largest_safe, Some(Money::from_units(600)));
        let second = Signal { strategy: StrategyIdx(1), ..stage.long(BTC, "1") };
        let refusal = stage.enter(&second).unwrap_err();
        assert_eq!((refusal.reason, refusal.value, refusal.limit), (DenyReason::Deployment, Some(2.0), Some(1.0)));
        stage.gate.release(first.reservation);
        stage.enter(&second).unwrap();
    }

    #[test]
    fn a_second_instrument_and_a_second_venue_take_their_steps() {
        for (step, other_instrument, other_venue) in [(1, false, false), (2, true, false), (3, true, true)] {
            let mut stage = stage(step);
            let eth = stage.perpetual("ETHUSDT");
            stage.correlate(BTC, eth, 0.0, 100);
            let elsewhere = stage.elsewhere(BTC);
            stage.mark(elsewhere, 100);
            stage.trade(0, BTC, Side::Buy, "1", 100);
            for (idx, passes) in [(BTC, true), (eth, other_instrument), (elsewhere, other_venue)] {
                let result = stage.enter(&stage.long(idx, "1"));
                let result = result.map(|e| stage.gate.release(e.reservation)).map_err(|r| r.reason);
                assert_eq!(result, if passes { Ok(()) } else { Err(DenyReason::Deployment) }, "step {step}, {idx:?}");
            }
        }
    }

    #[test]
    fn no_step_bounds_nothing() {
        let mut stage = stage(0);
        stage.enter(&stage.long(BTC, "900")).unwrap();
    }

    #[test]
    fn instrument_numbers_do_not_matter_to_the_count_of_venues() {
        let mut stage = stage(2);
        let elsewhere = stage.elsewhere(InstrumentIdx(0));
        stage.mark(elsewhere, 100);
        stage.trade(0, elsewhere, Side::Buy, "1", 100);
        stage.enter(&stage.long(elsewhere, "1")).unwrap();
        assert_eq!(stage.enter(&stage.long(BTC, "1")).unwrap_err().reason, DenyReason::Deployment);
    }
}
