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
