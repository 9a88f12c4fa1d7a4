//! A new position is not too much like one that is held: correlation of minute returns, signed by direction.
//!
//! A first position needs none. Fewer common samples than asked for is unknown, and unknown is refused. The same instrument on another
//! venue belongs to the size limit, and dust is no position.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::InstrumentIdx;

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let max = limits.correlation_max;
    let mut largest: Option<f64> = None;
    let mut against = |other: InstrumentIdx, signed: fn(f64) -> f64| -> Result<(), Refusal> {
        if super::same_market(other, s.instrument, b.table) {
            return Ok(());
        }
        let known = b.correlation.correlation(s.spec.instrument, other, limits.correlation_samples_min);
        let Some(correlation) = known else {
            return Err(Refusal { limit: Some(max), ..Refusal::because(DenyReason::CorrelationUnknown) });
        };
        let signed = signed(correlation);
        if signed > max {
            return Err(Refusal::over(DenyReason::Correlation, signed, max));
        }
        largest = Some(largest.map_or(signed, |l| l.max(signed)));
        Ok(())
    };
    for (account, instrument, _, position) in b.portfolio.positions() {
        if account == s.spec.account && !super::is_dust(instrument, position.quantity, b.table, b.view) {
            let same_way = position.is_long() == (s.spec.side == domain::Side::Buy);
            against(instrument, if same_way { |c| c } else { |c| -c })?;
        }
    }
    // The direction of an entry on its way is not kept; the worse one is assumed.
    for pending in b.exposure.pending_instruments(s.spec.account) {
        against(pending, f64::abs)?;
    }
    Ok(largest.map_or(PASSED, |value| Measured { value, limit: max }))
}
