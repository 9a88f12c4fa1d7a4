//! The number of instruments with a position, or with an entry on its way, stays within its limit.

use super::{Bench, Measured};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;

pub(super) fn check(limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let after = b.holdings.positions + u32::from(!b.holdings.held_already);
    let (value, limit) = (f64::from(after), f64::from(limits.positions_max));
    if after > limits.positions_max {
        return Err(Refusal::over(DenyReason::PositionCount, value, limit));
    }
    Ok(Measured { value, limit })
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Side};

    /// Eleven instruments at 100.
    fn stage() -> Stage {
        let mut stage = Stage::new(Profile::standard());
        for name in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K"] {
            let idx = stage.spot(&format!("{name}USDT"));
            stage.mark(idx, 100);
        }
        stage
    }

    #[test]
    fn ten_positions_pass_and_an_eleventh_is_refused() {
        let mut stage = stage();
        for n in 1..10 {
            stage.trade(0, InstrumentIdx(n), Side::Buy, "1", 100);
        }
        let tenth = stage.long(InstrumentIdx(0), "1");
        // The count of ten passes, and the next check speaks.
        assert_eq!(stage.enter(&tenth).unwrap_err().reason, DenyReason::CorrelationUnknown);
        stage.trade(0, InstrumentIdx(10), Side::Buy, "1", 100);
        let refusal = stage.enter(&tenth).unwrap_err();
        assert_eq!((refusal.reason, refusal.value, refusal.limit), (DenyReason::PositionCount, Some(11.0), Some(10.0)));
        // More of one that is held is no new position.
        let more = stage.long(InstrumentIdx(10), "0.5");
        assert_ne!(stage.enter(&more).err().map(|r| r.reason), Some(DenyReason::PositionCount));
    }

    #[test]
    fn entries_on_their_way_count_once_beside_dust_and_positions() {
        let mut stage = Stage::new(Profile::Research(Limits { positions_max: 1, ..Limits::default() }));
        let (a, b) = (stage.spot("AUSDT"), stage.spot("BUSDT"));
        stage.mark(a, 100);
        stage.mark(b, 100);
        stage.correlate(a, b, 0.1, 100);
        // Dust of 4 USDT is no position...
        stage.trade(0, a, Side::Buy, "0.04", 100);
        stage.enter(&stage.long(b, "0.1")).map(|e| stage.gate.exposure_mut().release(e.reservation)).unwrap();
        // ...but an entry on top of it is.
        let pending = stage.enter(&stage.long(a, "0.1")).unwrap();
        let refusal = stage.enter(&stage.long(b, "0.1")).unwrap_err();
        assert_eq!((refusal.reason, refusal.value), (DenyReason::PositionCount, Some(2.0)));
        stage.enter(&stage.long(a, "0.1")).unwrap();
        stage.trade(0, a, Side::Buy, "0.1", 100);
        stage.gate.exposure_mut().release(pending.reservation);
        assert_eq!(stage.enter(&stage.long(b, "0.1")).unwrap_err().value, Some(2.0), "held and on its way is one");
    }
}
