//! A strategy that the throttle disabled enters nothing until it is re-armed.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let repeats = b.throttle.repeats(s.spec.strategy, s.spec.instrument, s.spec.side, b.ts, limits);
    let (value, limit) = (f64::from(repeats), f64::from(limits.repeats_max));
    if b.throttle.is_disabled(s.spec.strategy) {
        return Err(Refusal::over(DenyReason::RepeatedExecution, value, limit));
    }
    Ok(Measured { value, limit })
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use domain::{AlertKind, InstrumentIdx, Signal, StrategyIdx, UnixNanos};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    #[test]
    fn the_entry_that_reaches_the_limit_stands_and_the_next_is_refused_until_a_re_arm() {
        let mut stage = Stage::new(Profile::Research(Limits { repeats_max: 3, ..Limits::default() }));
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        let signal = stage.long(BTC, "0.1");
        for _ in 0..3 {
            stage.enter(&signal).map(|e| stage.gate.release(e.reservation)).unwrap();
        }
        let alerts: Vec<_> = stage.gate.take_alerts().collect();
        assert_eq!(alerts.len(), 1);
        assert_eq!((alerts[0].kind, alerts[0].strategy), (AlertKind::Disabled, Some(StrategyIdx(0))));
        assert_eq!((alerts[0].value, alerts[0].limit), (Some(3.0), Some(3.0)));
        stage.ts = UnixNanos(stage.ts.0 + 100_000_000_000);
        stage.mark(BTC, 100);
        assert_eq!(stage.enter(&signal).unwrap_err().reason, DenyReason::RepeatedExecution, "time lifts nothing");
        stage.enter(&Signal { strategy: StrategyIdx(1), ..signal }).unwrap();
        assert!(stage.gate.rearm(StrategyIdx(0)) && !stage.gate.rearm(StrategyIdx(0)));
        stage.enter(&signal).unwrap();
        assert_eq!(stage.gate.take_alerts().count(), 0);
    }
}
