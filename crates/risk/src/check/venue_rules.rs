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
pub(super) fn sent(s: &Subject<'_>) -> Option<Quantity> {
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

#[cfg(test)]
mod tests {
    use crate::check::OwnOrders;
    use crate::deny_reason::DenyReason;
    use crate::limits::Profile;
    use crate::stage::Stage;
    use domain::{
        Entry, InstrumentIdx, Intent, Money, OrderQuantity, OrderSpec, OrderType, Rate, Side, Signal, SizeRequest,
        StopPlan, TrailOffset,
    };

    const BTC: InstrumentIdx = InstrumentIdx(0);

    /// Limits off: only what the venue would refuse is left. BTC spot at 100 with a fee of 0.1 %.
    fn stage() -> Stage {
        let mut stage = Stage::new(Profile::Off);
        let btc = stage.spot("BTCUSDT");
        stage.mark(btc, 100);
        stage
    }

    fn stop_at(price: &str) -> Option<StopPlan> {
        Some(StopPlan::Price(testkit::price(price)))
    }

    fn amount(stage: &Stage, quote: &str, stop: Option<StopPlan>) -> Signal {
        let fraction = Rate::parse(quote).unwrap().divided_by(10_000).unwrap();
        Signal { stop, ..stage.signal(Intent::EnterLong, BTC, SizeRequest::EquityFraction(fraction)) }
    }

    #[test]
    fn prices_lie_on_the_tick() {
        let mut stage = stage();
        stage.rules(BTC, |i| i.tick = testkit::price("0.5"));
        let long = Signal { stop: None, ..stage.long(BTC, "1") };
        let refusal = stage.enter(&Signal { entry: Entry::Limit(testkit::price("99.7")), ..long }).unwrap_err();
        assert_eq!((refusal.reason, refusal.value, refusal.limit), (DenyReason::Tick, Some(99.7), Some(0.5)));
        stage.enter(&Signal { entry: Entry::Limit(testkit::price("99.5")), ..long }).unwrap();
        stage.trade(0, BTC, Side::Buy, "1", 100);
        for (kind, passes) in [
            (OrderType::StopMarket { trigger: testkit::price("95.5") }, true),
            (OrderType::StopMarket { trigger: testkit::price("95.2") }, false),
            (OrderType::TakeProfit { trigger: testkit::price("0") }, false),
            (OrderType::StopLimit { trigger: testkit::price("95.5"), price: testkit::price("95.1") }, false),
            (OrderType::TrailingStop { offset: TrailOffset::Distance(testkit::price("0")) }, false),
            (OrderType::TrailingStop { offset: TrailOffset::Distance(testkit::price("1")) }, true),
        ] {
            let spec = stage.order(BTC, Side::Sell, kind, "1");
            let result = stage.reduce(spec, OwnOrders::default());
            assert_eq!(
                result.map(|_| ()).map_err(|r| r.reason),
                if passes { Ok(()) } else { Err(DenyReason::Tick) },
                "{kind:?}"
            );
        }
    }

    #[test]
    fn quantities_are_lots_within_the_range() {
        let mut stage = stage();
        stage.rules(BTC, |i| {
            i.lot = testkit::quantity("0.01");
            i.min_quantity = testkit::quantity("0.1");
            i.max_quantity = testkit::quantity("2");
        });
        let size = |stage: &mut Stage, quantity: &str| {
            let signal = Signal { stop: None, ..stage.long(BTC, quantity) };
            stage.enter(&signal).map(|e| e.spec.quantity).map_err(|r| (r.reason, r.value, r.largest_safe))
        };
        assert_eq!(size(&mut stage, "0.119"), Ok(OrderQuantity::Base(testkit::quantity("0.11"))), "down to the lot");
        assert_eq!(size(&mut stage, "0.09"), Err((DenyReason::Lot, Some(0.09), None)));
        assert_eq!(size(&mut stage, "0.009"), Err((DenyReason::Lot, Some(0.0), None)), "less than one lot");
        assert!(size(&mut stage, "2").is_ok());
        assert_eq!(size(&mut stage, "2.01"), Err((DenyReason::Lot, Some(2.01), Some(Money::from_units(200)))));
        stage.trade(0, BTC, Side::Buy, "1", 100);
        for (quantity, passes) in [("1", true), ("0.105", false), ("0", false), ("-0.1", false)] {
            let spec = stage.order(BTC, Side::Sell, OrderType::Market, quantity);
            let result = stage.reduce(spec, OwnOrders::default());
            assert_eq!(result.map(|_| ()).map_err(|r| r.reason), if passes { Ok(()) } else { Err(DenyReason::Lot) });
        }
    }

    #[test]
    fn an_amount_is_held_to_what_it_would_buy() {
        let mut stage = stage();
        stage.rules(BTC, |i| {
            i.min_quantity = testkit::quantity("0.1");
            i.max_quantity = testkit::quantity("2");
        });
        for (quote, reason) in [
            ("10", Some(DenyReason::Lot)), // 10 / 100.1 is less than 0.1
            ("10.01", None),
            ("200.2", None),
            ("200.3", Some(DenyReason::Lot)),
        ] {
            let signal = amount(&stage, quote, None);
            assert_eq!(stage.enter(&signal).err().map(|r| r.reason), reason, "{quote}");
        }
    }

    #[test]
    fn the_notional_reaches_the_minimum_of_five() {
        let mut stage = stage();
        let size = |stage: &mut Stage, quantity: &str, stop| {
            let signal = Signal { stop, ..stage.long(BTC, quantity) };
            stage.enter(&signal).err().map(|r| (r.reason, r.value))
        };
        assert_eq!(size(&mut stage, "0.05", None), None);
        assert_eq!(size(&mut stage, "0.049999", None), Some((DenyReason::MinNotional, Some(4.9999))));
        // At a stop of 50 twice as much is needed, and 0.1 % of it goes to the fee in base.
        assert_eq!(size(&mut stage, "0.1", stop_at("50")), Some((DenyReason::MinNotional, Some(4.995))));
        assert_eq!(size(&mut stage, "0.1001", stop_at("50")), Some((DenyReason::MinNotional, Some(4.99995))));
        assert_eq!(size(&mut stage, "0.100101", stop_at("50")), None);
    }

    #[test]
    fn an_amounts_notional_is_that_of_the_lots_it_buys() {
        let mut stage = stage();
        for (quote, stop, passes) in
            [("5", None, false), ("5.005", None, true), ("5.05", stop_at("99"), false), ("5.06", stop_at("99"), true)]
        {
            let signal = amount(&stage, quote, stop);
            let refused = stage.enter(&signal).err().map(|r| r.reason);
            assert_eq!(refused, (!passes).then_some(DenyReason::MinNotional), "{quote}");
        }
    }

    #[test]
    fn what_is_left_for_the_stop_is_a_lot() {
        let mut stage = stage();
        stage.rules(BTC, |i| {
            i.lot = testkit::quantity("1");
            i.min_quantity = testkit::quantity("1");
            i.quantity_decimals = 6;
        });
        let one = Signal { stop: stop_at("99"), ..stage.long(BTC, "1") };
        assert_eq!(stage.enter(&one).unwrap_err().reason, DenyReason::Lot, "a fee in base leaves less than a lot");
        stage.enter(&Signal { stop: stop_at("99"), ..stage.long(BTC, "2") }).unwrap();
        stage.enter(&Signal { stop: None, ..one }).unwrap();
    }

    #[test]
    fn a_sell_below_the_market_is_worth_the_market() {
        let mut stage = Stage::limited();
        let cheap = Signal { entry: Entry::Limit(testkit::price("10")), ..stage.short(BTC, "3") };
        assert_eq!(stage.enter(&cheap).unwrap_err().reason, DenyReason::PositionSize, "3 x 100, not 3 x 10");
    }

    #[test]
    fn no_more_is_sold_than_is_held() {
        let mut stage = stage();
        let btc = BTC;
        let sell = |stage: &mut Stage, quantity| {
            let spec = stage.order(btc, Side::Sell, OrderType::Market, quantity);
            stage.reduce(spec, OwnOrders::default()).map(|_| ()).map_err(|r| (r.reason, r.value, r.limit))
        };
        assert_eq!(sell(&mut stage, "1"), Err((DenyReason::Oversell, Some(1.0), Some(0.0))));
        stage.trade(0, btc, Side::Buy, "1", 100);
        stage.trade(1, btc, Side::Buy, "5", 100);
        assert_eq!(sell(&mut stage, "1.000001"), Err((DenyReason::Oversell, Some(1.000001), Some(1.0))));
        assert_eq!(sell(&mut stage, "1"), Ok(()));
        // Buying is no reduction of a long position, and an amount is none of any.
        let buy = stage.order(btc, Side::Buy, OrderType::Market, "1");
        assert_eq!(stage.reduce(buy, OwnOrders::default()).unwrap_err().reason, DenyReason::Oversell);
        let spend = OrderSpec { quantity: OrderQuantity::QuoteAmount(Money::from_units(10)), ..buy };
        assert!(stage.reduce(spend, OwnOrders::default()).is_err());
    }

    #[test]
    fn spot_is_never_short() {
        let mut stage = stage();
        let short = stage.short(BTC, "1");
        assert_eq!(stage.enter(&short).unwrap_err().reason, DenyReason::Oversell);
    }
}
