//! Gross exposure over equity stays within its limit, entries on their way included.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Money, Rounding};

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let overflow = Refusal::because(DenyReason::Overflow);
    let equity = b.holdings.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?;
    let gross = b.holdings.gross.ok_or(unknown)?;
    let after = gross.checked_add(s.notional.ok_or(unknown)?).ok_or(overflow)?;
    let cap = equity.times(limits.leverage_max, Rounding::Down).ok_or(overflow)?;
    let (value, limit) = (after.to_f64() / equity.to_f64(), limits.leverage_max.to_f64());
    if after > cap {
        let safe = cap.checked_sub(gross).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(DenyReason::Leverage, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}
