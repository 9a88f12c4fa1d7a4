//! The losses of the day, of a shorter window and since the peak have not reached their limits. The guard measures them and acts on what is
//! held; here they keep new risk out.

use super::{Bench, Measured, PASSED};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::standing::Reading;
use domain::Rate;

pub(super) fn daily(limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let day = held(b.standing.day_loss, limits.daily_loss_max, DenyReason::DailyLoss)?;
    if b.standing.day_over {
        return Err(Refusal { limit: Some(limits.daily_loss_max.to_f64()), ..Refusal::because(DenyReason::DailyLoss) });
    }
    held(b.standing.intraday_loss, limits.intraday_loss_max, DenyReason::DailyLoss)?;
    Ok(day)
}

pub(super) fn drawdown(limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let now = held(b.standing.drawdown, limits.drawdown_max, DenyReason::Drawdown)?;
    if b.standing.halted {
        return Err(Refusal { limit: Some(limits.drawdown_max.to_f64()), ..Refusal::because(DenyReason::Drawdown) });
    }
    Ok(now)
}

/// A loss that reached its limit is over it. One that is watched and not known is one of an equity that is not known.
fn held(loss: Reading, max: Rate, reason: DenyReason) -> Result<Measured, Refusal> {
    let limit = max.to_f64();
    match loss {
        Reading::NotConfigured => Ok(PASSED),
        Reading::Is(value) if value < limit => Ok(Measured { value, limit }),
        Reading::Is(value) if value >= limit => Err(Refusal::over(reason, value, limit)),
        Reading::Unknown | Reading::Is(_) => Err(Refusal::because(DenyReason::EquityUnknown)),
    }
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::stage::Stage;
    use crate::standing::{Reading, Standing};
    use domain::InstrumentIdx;

    #[test]
    fn a_loss_below_its_limit_passes_and_one_that_reached_it_does_not() {
        type Set = fn(&mut Standing, Reading);
        let cases: [(Set, f64, DenyReason); 3] = [
            (|s, r| s.day_loss = r, 0.03, DenyReason::DailyLoss),
            (|s, r| s.intraday_loss = r, 0.02, DenyReason::DailyLoss),
            (|s, r| s.drawdown = r, 0.15, DenyReason::Drawdown),
        ];
        for (set, limit, reason) in cases {
            let mut stage = Stage::limited();
            let mut at = |reading| {
                set(&mut stage.standing, reading);
                let signal = stage.long(InstrumentIdx(0), "0.1");
                let result = stage.enter(&signal);
                result.map(|e| stage.gate.release(e.reservation)).map_err(|r| (r.reason, r.value, r.limit))
            };
            assert_eq!(at(Reading::NotConfigured), Ok(()));
            assert_eq!(at(Reading::Is(-0.5)), Ok(()), "a gain");
            assert_eq!(at(Reading::Is(limit - 1e-9)), Ok(()));
            assert_eq!(at(Reading::Is(limit)), Err((reason, Some(limit), Some(limit))));
            assert_eq!(at(Reading::Is(0.9)), Err((reason, Some(0.9), Some(limit))));
            for unknown in [Reading::Unknown, Reading::Is(f64::NAN)] {
                assert_eq!(at(unknown), Err((DenyReason::EquityUnknown, None, None)));
            }
        }
    }

    #[test]
    fn a_day_that_is_over_and_a_halt_hold_whatever_is_measured_now() {
        let mut stage = Stage::limited();
        let signal = stage.long(InstrumentIdx(0), "0.1");
        stage.standing.day_over = true;
        assert_eq!(stage.enter(&signal).unwrap_err().reason, DenyReason::DailyLoss);
        stage.standing.day_over = false;
        stage.standing.halted = true;
        assert_eq!(stage.enter(&signal).unwrap_err().reason, DenyReason::Drawdown);
    }
}
