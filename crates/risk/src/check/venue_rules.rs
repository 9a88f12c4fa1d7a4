//! What the venue itself would refuse, checked on the quantity really sent: tick, lot, minimum notional, and selling no more than is held.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use domain::{InstrumentKind, Money, OrderQuantity, OrderType, Price, Quantity, Rounding};

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

/// An amount to spend has no lot: the venue makes whole lots of it at the fill.
pub(super) fn lot(s: &Subject<'_>) -> Result<Measured, Refusal> {
    let i = s.instrument;
    let quantity = match s.spec.quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => quantity,
        OrderQuantity::QuoteAmount(_) => return Ok(PASSED),
    };
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

/// The notional reaches the minimum, and would still reach it at the stop price: else the stop could not be sent.
pub(super) fn min_notional(s: &Subject<'_>) -> Result<Measured, Refusal> {
    let minimum = s.instrument.min_notional;
    let (Some(price), Some(notional)) = (s.price, s.notional) else {
        return Err(Refusal::because(DenyReason::PriceUnknown));
    };
    let quantity = match s.spec.quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => quantity,
        OrderQuantity::QuoteAmount(amount) => {
            amount.quantity_at(price, Rounding::Down).map(|q| s.instrument.floor_to_lot(q)).unwrap_or(Quantity::ZERO)
        }
    };
    let lowest = s.stop.map_or(price, |stop| stop.min(price));
    let least = s.instrument.notional(lowest, quantity, Rounding::Down).unwrap_or(notional);
    if least < minimum {
        return Err(Refusal::over(DenyReason::MinNotional, least.to_f64(), minimum.to_f64()));
    }
    Ok(Measured { value: least.to_f64(), limit: minimum.to_f64() })
}

/// A reduction sells (or buys back) no more than the strategy's own position.
pub(super) fn oversell(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let held = b.holdings.own_position.raw() * -s.spec.side.sign();
    let quantity = match s.spec.quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => quantity,
        OrderQuantity::QuoteAmount(_) => return Err(Refusal::because(DenyReason::Oversell)),
    };
    let (value, limit) = (quantity.to_f64(), held as f64 / 1e12);
    if quantity.raw() > held || (s.instrument.kind == InstrumentKind::Spot && held < 0) {
        return Err(Refusal::over(DenyReason::Oversell, value, limit));
    }
    Ok(Measured { value, limit })
}
