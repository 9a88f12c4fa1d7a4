//! One order is no larger than an order may be: in value, and in volume as a part of the largest quantity that the venue takes.

use super::{Measured, Subject, venue_rules};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Instrument, Money, Price, Quantity, Rounding};

pub(super) fn value(s: &Subject<'_>, limits: &Limits) -> Result<Measured, Refusal> {
    let notional = s.notional.ok_or(Refusal::because(DenyReason::PriceUnknown))?;
    let (value, limit) = (notional.to_f64(), limits.order_value_max.to_f64());
    if notional > limits.order_value_max {
        return Err(Refusal::over(DenyReason::OrderValue, value, limit).with_safe(limits.order_value_max));
    }
    Ok(Measured { value, limit })
}

pub(super) fn volume(s: &Subject<'_>, limits: &Limits) -> Result<Measured, Refusal> {
    if s.unsized_because.is_some() {
        // There is no quantity yet; the check of the lot says why.
        return Ok(super::PASSED);
    }
    let overflow = Refusal::because(DenyReason::Overflow);
    let quantity = venue_rules::sent(s).ok_or(overflow)?;
    let most = volume_max(s.instrument, limits).ok_or(overflow)?;
    let (value, limit) = (quantity.to_f64(), most.to_f64());
    if quantity > most {
        let safe = s.price.and_then(|p| s.instrument.notional(p, most, Rounding::Down)).unwrap_or(Money::ZERO);
        return Err(Refusal::over(DenyReason::OrderVolume, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

/// The largest quantity of one order. `None` on overflow.
pub(crate) fn volume_max(i: &Instrument, limits: &Limits) -> Option<Quantity> {
    let part = Money::from_raw(i.max_quantity.raw()).times(limits.order_volume_max, Rounding::Down)?;
    Some(Quantity::from_raw(part.raw()))
}

/// What one order may be worth at a price; `None` on overflow.
pub(super) fn room(limits: &Limits, i: &Instrument, price: Price) -> Option<Money> {
    Some(limits.order_value_max.min(i.notional(price, volume_max(i, limits)?, Rounding::Down)?))
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::Limits;
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Intent, Money, OrderQuantity, Rate, SizeRequest};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    #[test]
    fn an_order_of_the_largest_value_passes_and_a_lot_more_does_not() {
        let mut stage = Stage::within(Limits { order_value_max: Money::from_units(500), ..Limits::relaxed() });
        let refusal = stage.enter(&stage.long(BTC, "5.000001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.value), (DenyReason::OrderValue, Some(500.0001)));
        assert_eq!(refusal.largest_safe, Some(Money::from_units(500)));
        stage.enter(&stage.long(BTC, "5")).unwrap();
        // It is one order's value: the next may have it again.
        stage.enter(&stage.long(BTC, "5")).unwrap();
    }

    #[test]
    fn an_order_of_the_largest_volume_passes_and_a_lot_more_does_not() {
        let mut stage = Stage::within(Limits { order_volume_max: Rate::from_bps(1_000), ..Limits::relaxed() });
        stage.rules(BTC, |i| i.max_quantity = testkit::quantity("20"));
        let refusal = stage.enter(&stage.short(BTC, "2.000001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.value), (DenyReason::OrderVolume, Some(2.000001)));
        assert_eq!((refusal.limit, refusal.largest_safe), (Some(2.0), Some(Money::from_units(200))));
        stage.enter(&stage.short(BTC, "2")).unwrap();
    }

    #[test]
    fn as_much_as_the_limits_allow_is_no_more_than_one_order_may_be() {
        let mut stage = Stage::within(Limits { order_value_max: Money::from_units(500), ..Limits::relaxed() });
        let entry = stage.enter(&stage.signal(Intent::EnterLong, BTC, SizeRequest::Cap)).unwrap();
        // 500 / 100.1, down to the lot.
        assert_eq!(entry.spec.quantity, OrderQuantity::Base(testkit::quantity("4.995004")));
    }
}
