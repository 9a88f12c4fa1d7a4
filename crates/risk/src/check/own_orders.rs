//! Against orders and positions of our own: no doubled order, no trade with ourselves, no entry against another strategy's position.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};

pub(super) fn duplicate(s: &Subject<'_>) -> Result<Measured, Refusal> {
    if s.own.duplicate { Err(Refusal::because(DenyReason::Duplicate)) } else { Ok(PASSED) }
}

pub(super) fn self_match(s: &Subject<'_>) -> Result<Measured, Refusal> {
    if s.own.crossing { Err(Refusal::because(DenyReason::SelfMatch)) } else { Ok(PASSED) }
}

/// In a one-way account the venue nets: an entry against another strategy's position, held or on its way, would silently reduce that one.
pub(super) fn opposes(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    if s.own.opposing {
        return Err(Refusal::because(DenyReason::OpposesOwnPosition));
    }
    let others = b.holdings.net_position.checked_sub(b.holdings.own_position);
    let others = others.ok_or(Refusal::because(DenyReason::Overflow))?;
    if others.raw().signum() * s.spec.side.sign() < 0 {
        return Err(Refusal::over(DenyReason::OpposesOwnPosition, others.to_f64(), 0.0));
    }
    Ok(PASSED)
}
