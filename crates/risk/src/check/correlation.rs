//! A new position is not too much like one that is held: correlation of minute returns, signed by direction.
//!
//! A first position needs none. Fewer common samples than asked for is unknown, and unknown is refused.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::InstrumentIdx;

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let mut largest: Option<f64> = None;
    let mut against = |other: InstrumentIdx, sign: f64| -> Result<(), Refusal> {
        if other == s.spec.instrument {
            return Ok(());
        }
        let Some(correlation) = b.correlation.correlation(s.spec.instrument, other, limits.correlation_samples_min)
        else {
            return Err(Refusal::over(DenyReason::CorrelationUnknown, f64::NAN, limits.correlation_max));
        };
        let signed = correlation * sign;
        if signed > limits.correlation_max {
            return Err(Refusal::over(DenyReason::Correlation, signed, limits.correlation_max));
        }
        largest = Some(largest.map_or(signed, |l| l.max(signed)));
        Ok(())
    };
    let direction = s.spec.side.sign() as f64;
    for (account, instrument, _, position) in b.portfolio.positions() {
        if account == s.spec.account && !position.is_flat() {
            against(instrument, if position.is_long() { direction } else { -direction })?;
        }
    }
    for pending in b.exposure.pending_instruments(s.spec.account) {
        // The direction of an entry on its way is not kept; the worse one is assumed.
        let Some(correlation) = b.correlation.correlation(s.spec.instrument, pending, limits.correlation_samples_min)
        else {
            against(pending, 1.0)?;
            continue;
        };
        against(pending, if correlation < 0.0 { -1.0 } else { 1.0 })?;
    }
    Ok(largest.map_or(PASSED, |value| Measured { value, limit: limits.correlation_max }))
}
