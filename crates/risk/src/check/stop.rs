//! Every entry carries a protective stop, on the losing side of its price.

use super::{Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Price, Side};

pub(super) fn check(s: &Subject<'_>, limits: &Limits) -> Result<Measured, Refusal> {
    if !limits.stop_required && s.stop.is_none() {
        return Ok(PASSED);
    }
    let (Some(stop), Some(price)) = (s.stop, s.price) else { return Err(Refusal::because(DenyReason::StopMissing)) };
    let protects = match s.spec.side {
        Side::Buy => stop < price,
        Side::Sell => stop > price,
    };
    if stop <= Price::ZERO || !protects {
        return Err(Refusal::over(DenyReason::StopInvalid, stop.to_f64(), price.to_f64()));
    }
    Ok(Measured { value: stop.to_f64(), limit: price.to_f64() })
}
