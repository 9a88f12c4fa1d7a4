//! Funds cover the order: on spot the whole cost with its fee, on perpetuals the initial margin and the fee.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};

pub(super) fn check(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let needed = s.funds.ok_or(Refusal::because(DenyReason::PriceUnknown))?;
    let (value, limit) = (needed.to_f64(), b.holdings.free.to_f64());
    if needed > b.holdings.free {
        return Err(Refusal::over(DenyReason::InsufficientFunds, value, limit).with_safe(b.holdings.free));
    }
    Ok(Measured { value, limit })
}
