//! The position in one instrument stays within its fraction of equity: what is held, what is on its way and what is asked for, together.
//!
//! Strategies that share an instrument share its limit in equal parts.

use super::{Bench, Holdings, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Money, Rounding};

/// What the limit still allows in this instrument to this strategy, in quote; `None` if something needed is unknown.
#[must_use]
pub fn room(limits: &Limits, holdings: &Holdings, sharers: u32) -> Option<Money> {
    let equity = holdings.equity?;
    let cap = equity.times(limits.position_fraction_max, Rounding::Down)?;
    let share = equity.times(limits.position_fraction_max.divided_by(sharers.max(1))?, Rounding::Down)?;
    let left = cap.checked_sub(holdings.gross_instrument?)?;
    let own_left = share.checked_sub(holdings.gross_strategy?)?;
    Some(left.min(own_left).max(Money::ZERO))
}

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let h = b.holdings;
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let notional = s.notional.ok_or(unknown)?;
    let room = room(limits, h, b.sharers).ok_or(unknown)?;
    let equity = h.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?;
    let after =
        h.gross_strategy.and_then(|held| held.checked_add(notional)).ok_or(Refusal::because(DenyReason::Overflow))?;
    let (value, limit) =
        (after.to_f64() / equity.to_f64(), limits.position_fraction_max.to_f64() / f64::from(b.sharers.max(1)));
    // Where nothing is left even an order that was sized to nothing is one too many.
    if notional > room || room.is_zero() {
        return Err(Refusal::over(DenyReason::PositionSize, value, limit).with_safe(room));
    }
    Ok(Measured { value, limit })
}
