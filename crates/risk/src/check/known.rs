//! What must be known before anything is risked: that trading is on, that the market is live, its price, the account's equity.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Money, Price};

pub(super) fn not_paused(b: &Bench<'_>) -> Result<Measured, Refusal> {
    if b.paused { Err(Refusal::because(DenyReason::Paused)) } else { Ok(PASSED) }
}

pub(super) fn not_warmup(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    if b.view.get(s.spec.instrument).warmup { Err(Refusal::because(DenyReason::Warmup)) } else { Ok(PASSED) }
}

/// A positive price, not older than allowed. Without limits any age will do.
pub(super) fn price(s: &Subject<'_>, limits: Option<&Limits>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    match s.price {
        Some(price) if price > Price::ZERO && s.notional.is_some() && s.funds.is_some() => {}
        Some(price) if price > Price::ZERO => return Err(Refusal::because(DenyReason::Overflow)),
        _ => return Err(Refusal::because(DenyReason::PriceUnknown)),
    }
    let Some(limits) = limits else { return Ok(PASSED) };
    // A limit order names a price of its own, which says nothing of the market.
    if b.view.mark(s.spec.instrument).is_none() {
        return Err(Refusal::because(DenyReason::PriceUnknown));
    }
    let age = b.ts.since(b.view.get(s.spec.instrument).ts);
    let (value, limit) = (age.0 as f64 / 1e9, limits.price_age_max_s as f64);
    if age > limits.price_age_max() {
        return Err(Refusal::over(DenyReason::PriceStale, value, limit));
    }
    Ok(Measured { value, limit })
}

pub(super) fn equity(b: &Bench<'_>) -> Result<Measured, Refusal> {
    match b.holdings.equity {
        Some(equity) if equity > Money::ZERO => Ok(Measured { value: equity.to_f64(), limit: 0.0 }),
        Some(equity) => Err(Refusal::over(DenyReason::EquityUnknown, equity.to_f64(), 0.0)),
        None => Err(Refusal::because(DenyReason::EquityUnknown)),
    }
}
