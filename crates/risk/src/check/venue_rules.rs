//! What the venue itself would refuse, checked on the quantity really sent: tick, lot, minimum notional, and selling no more than is held.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use domain::{Instrument, InstrumentKind, Money, OrderQuantity, OrderType, Price, Quantity, Rate, Rounding};

pub(super) fn tick(s: &Subject<'_>) -> Result<Measured, Refusal> {
    let prices = [s.spec.kind.limit_price(), s.spec.kind.trigger()];
    for price in prices.into_iter().flatten() {
        if price <= Price::ZERO || price.round_to(s.instrument.tick, Rounding::Down) != Some(price) {
            return Err(Refusal::over(DenyReason::Tick, price.to_f64(), s.instrument.tick.to_f64()));
        }
    }
    if let OrderType::TrailingStop { offset: domain::TrailOffset::Distance(distance) } = s.spec.kind
        && distance <= Price::ZERO
    {
        return Err(Refusal::over(DenyReason::Tick, distance.to_f64(), 0.0));
    }
    Ok(PASSED)
}

/// The quantity is a whole number of lots within the instrument's range. Of an amount to spend the venue makes whole lots at the fill: what
/// it would make of it now is held to the range.
pub(super) fn lot(s: &Subject<'_>) -> Result<Measured, Refusal> {
    if let Some(refusal) = s.unsized_because {
        return Err(refusal);
    }
    let i = s.instrument;
    let quantity = sent(s).ok_or(Refusal::because(DenyReason::Overflow))?;
    if quantity <= Quantity::ZERO || i.floor_to_lot(quantity) != quantity {
        return Err(Refusal::over(DenyReason::Lot, quantity.to_f64(), i.lot.to_f64()));
    }
    if quantity < i.min_quantity {
        return Err(Refusal::over(DenyReason::Lot, quantity.to_f64(), i.min_quantity.to_f64()));
    }
    if quantity > i.max_quantity {
        let safe = s.price.and_then(|p| i.notional(p, i.max_quantity, Rounding::Down)).unwrap_or(Money::ZERO);
        return Err(Refusal::over(DenyReason::Lot, quantity.to_f64(), i.max_quantity.to_f64()).with_safe(safe));
    }
    Ok(Measured { value: quantity.to_f64(), limit: i.max_quantity.to_f64() })
}

/// The notional reaches the minimum, and what is left after a fee in the base asset would still reach it at the stop price: else the stop
/// could not be sent.
pub(super) fn min_notional(s: &Subject<'_>) -> Result<Measured, Refusal> {
    let (i, minimum) = (s.instrument, s.instrument.min_notional);
    let price = s.fills_at.ok_or(Refusal::because(DenyReason::PriceUnknown))?;
    let overflow = Refusal::because(DenyReason::Overflow);
    let worth = |price, quantity| i.notional(price, quantity, Rounding::Down).ok_or(overflow);
    let mut least = worth(price, sent(s).ok_or(overflow)?)?;
    if let Some(stop) = s.stop {
        let kept = kept(s).ok_or(overflow)?;
        if kept < i.min_quantity {
            return Err(Refusal::over(DenyReason::Lot, kept.to_f64(), i.min_quantity.to_f64()));
        }
        least = least.min(worth(stop, kept)?);
    }
    if least < minimum {
        return Err(Refusal::over(DenyReason::MinNotional, least.to_f64(), minimum.to_f64()));
    }
    Ok(Measured { value: least.to_f64(), limit: minimum.to_f64() })
}

/// The higher of the two fee rates, none for a rebate.
fn fee(i: &Instrument) -> Rate {
    i.fee_taker.max(i.fee_maker).max(Rate::ZERO)
}

/// The quantity that would trade: the order's own, or the lots that its amount buys with the fee in quote. `None` on overflow.
fn sent(s: &Subject<'_>) -> Option<Quantity> {
    match s.spec.quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => Some(quantity),
        OrderQuantity::QuoteAmount(amount) => {
            let unit =
                Money::from_raw(s.fills_at?.raw()).times(Rate::ONE.checked_add(fee(s.instrument))?, Rounding::Up)?;
            Some(s.instrument.floor_to_lot(amount.quantity_at(Price::from_raw(unit.raw()), Rounding::Down)?))
        }
    }
}

/// The lots that the position would have after the fee, taken in the base asset on spot: the least that its stop covers. `None` on
/// overflow.
fn kept(s: &Subject<'_>) -> Option<Quantity> {
    let all = match s.spec.quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => quantity,
        OrderQuantity::QuoteAmount(amount) => amount.quantity_at(s.fills_at?, Rounding::Down)?,
    };
    if s.instrument.kind != InstrumentKind::Spot {
        return Some(all);
    }
    let fee = Money::from_raw(all.raw()).times(fee(s.instrument), Rounding::Up)?;
    Some(s.instrument.floor_to_lot(all.checked_sub(Quantity::from_raw(fee.raw()))?))
}

/// A reduction sells (or buys back) no more than the strategy's own position.
pub(super) fn oversell(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let held = b.holdings.own_position.raw() * -s.spec.side.sign();
    let quantity = match s.spec.quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => quantity,
        OrderQuantity::QuoteAmount(_) => return Err(Refusal::because(DenyReason::Oversell)),
    };
    let (value, limit) = (quantity.to_f64(), held as f64 / 1e12);
    if quantity.raw() > held {
        return Err(Refusal::over(DenyReason::Oversell, value, limit));
    }
    Ok(Measured { value, limit })
}
