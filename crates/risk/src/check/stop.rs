//! Every entry carries a protective stop, on the losing side of its price. Where limits demand none, the one that was asked for still has
//! to be one: a position is not opened under a protection that cannot be placed.

use super::{Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Price, Side};

pub(super) fn check(s: &Subject<'_>, limits: Option<&Limits>) -> Result<Measured, Refusal> {
    if !s.stop_asked {
        let required = limits.is_some_and(|limits| limits.stop_required);
        return if required { Err(Refusal::because(DenyReason::StopMissing)) } else { Ok(PASSED) };
    }
    // No price on the tick, above zero, is that far away.
    let Some(stop) = s.stop else { return Err(Refusal::because(DenyReason::StopInvalid)) };
    let price = s.fills_at.ok_or(Refusal::because(DenyReason::PriceUnknown))?;
    let protects = match s.spec.side {
        Side::Buy => stop < price,
        Side::Sell => stop > price,
    };
    if stop <= Price::ZERO || !protects {
        return Err(Refusal::over(DenyReason::StopInvalid, stop.to_f64(), price.to_f64()));
    }
    Ok(Measured { value: stop.to_f64(), limit: price.to_f64() })
}
