//! From the size that a signal asks for to the quantity of an order.
//!
//! In:  the request, the price, the account.
//! Out: an order quantity at the instrument's lot. Limits are not applied here but for [`SizeRequest::Cap`], which asks for them.

use crate::deny_reason::{DenyReason, Refusal};
use domain::{Instrument, InstrumentKind, Money, OrderQuantity, Price, Quantity, Rate, Rounding, Side, SizeRequest};

/// What sizing needs to know of the account.
#[derive(Clone, Copy, Debug)]
pub struct Means {
    /// Equity in the report currency; `None` if it is not known.
    pub equity: Option<Money>,
    /// Quote (or settle) currency that no order has reserved.
    pub free: Money,
    /// What the position limits still allow, in quote; `None` without limits.
    pub room: Option<Money>,
}

/// The quantity of an entry.
///
/// A spot buy by amount at the market (`limit` false) stays an amount: the venue makes a quantity of it at the fill, so nothing has to
/// foresee the fill price. A limit order names its price, and is a quantity.
///
/// # Errors
/// A [`Refusal`] where equity is needed and not known, nothing is left to spend, or the quantity is less than one lot.
pub fn entry_quantity(
    request: SizeRequest,
    side: Side,
    instrument: &Instrument,
    price: Price,
    limit: bool,
    means: &Means,
) -> Result<OrderQuantity, Refusal> {
    let overflow = Refusal::because(DenyReason::Overflow);
    let amount = match request {
        SizeRequest::Base(quantity) => {
            let quantity = instrument.floor_to_lot(quantity);
            return if quantity.is_zero() { Err(below_lot(instrument)) } else { Ok(OrderQuantity::Base(quantity)) };
        }
        SizeRequest::AllIn => means.free,
        SizeRequest::EquityFraction(fraction) => {
            let equity = means.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?;
            equity.times(fraction, Rounding::Down).ok_or(overflow)?
        }
        SizeRequest::Cap => means.room.unwrap_or(means.free).min(means.free),
        SizeRequest::Position => return Err(Refusal::because(DenyReason::SignalInvalid)),
    };
    if amount <= Money::ZERO {
        return Err(Refusal::over(DenyReason::InsufficientFunds, 0.0, means.free.to_f64()));
    }
    if instrument.kind == InstrumentKind::Spot && side == Side::Buy && !limit {
        return Ok(OrderQuantity::QuoteAmount(amount));
    }
    // The fee comes out of the same amount.
    let with_fee = Rate::ONE.checked_add(instrument.fee_taker.max(Rate::ZERO)).ok_or(overflow)?;
    let contract = instrument.notional(price, Quantity::from_units(1), Rounding::Up).ok_or(overflow)?;
    let unit = contract.times(with_fee, Rounding::Up).ok_or(overflow)?;
    let quantity = amount.quantity_at(Price::from_raw(unit.raw()), Rounding::Down).ok_or(overflow)?;
    let quantity = instrument.floor_to_lot(quantity);
    if quantity.is_zero() { Err(below_lot(instrument)) } else { Ok(OrderQuantity::Base(quantity)) }
}

fn below_lot(instrument: &Instrument) -> Refusal {
    Refusal::over(DenyReason::Lot, 0.0, instrument.lot.to_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::InstrumentTable;

    #[test]
    fn sizes_become_quantities() {
        let mut table = InstrumentTable::default();
        let spot = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let perpetual = testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
        let price = testkit::price("100");
        let means = Means {
            equity: Some(Money::from_units(10_000)),
            free: Money::from_units(6_000),
            room: Some(Money::from_units(200)),
        };
        let size =
            |request, side, instrument: &Instrument| entry_quantity(request, side, instrument, price, false, &means);
        assert_eq!(
            size(SizeRequest::AllIn, Side::Buy, &spot),
            Ok(OrderQuantity::QuoteAmount(Money::from_units(6_000)))
        );
        let tenth = SizeRequest::EquityFraction(testkit::rate("0.1"));
        assert_eq!(size(tenth, Side::Buy, &spot), Ok(OrderQuantity::QuoteAmount(Money::from_units(1_000))));
        assert_eq!(size(SizeRequest::Cap, Side::Buy, &spot), Ok(OrderQuantity::QuoteAmount(Money::from_units(200))));
        // 1000 / 100.1 = 9.990009..., down to the lot of 0.001.
        assert_eq!(size(tenth, Side::Sell, &perpetual), Ok(OrderQuantity::Base(testkit::quantity("9.99"))));
        // A limit order is a quantity on spot, too: 1000 / 100.1 down to the lot of 0.00001.
        assert_eq!(
            entry_quantity(tenth, Side::Buy, &spot, price, true, &means),
            Ok(OrderQuantity::Base(testkit::quantity("9.99000")))
        );
        let odd = SizeRequest::Base(testkit::quantity("0.1234567"));
        assert_eq!(size(odd, Side::Buy, &spot), Ok(OrderQuantity::Base(testkit::quantity("0.12345"))));
        let dust = SizeRequest::Base(Quantity::from_raw(1));
        assert_eq!(size(dust, Side::Buy, &spot).unwrap_err().reason, DenyReason::Lot);
        let unknown = Means { equity: None, ..means };
        assert_eq!(
            entry_quantity(tenth, Side::Buy, &spot, price, false, &unknown).unwrap_err().reason,
            DenyReason::EquityUnknown
        );
        let broke = Means { free: Money::ZERO, ..means };
        assert_eq!(
            entry_quantity(SizeRequest::AllIn, Side::Buy, &spot, price, false, &broke).unwrap_err().reason,
            DenyReason::InsufficientFunds
        );
    }
}
