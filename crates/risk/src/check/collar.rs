//! The price collar: the price of an order is near every price that is known, and the last print is one that can be believed.
//!
//! A limit, and the price that sets an entry off, is held against the last price, the mark and the side of the book that it would trade with; an order at the market takes that
//! side of the book, which is held against the last price. A print that is further from the one before than prices step at once waits for
//! the next: one print alone, a thousand times off, moves nothing here but a refusal. A book that is crossed or not positive is no book.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{OrderType, Price, Rate, Side};

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let seen = b.view.get(s.spec.instrument);
    let price_of = |mantissa: i64| s.instrument.price(mantissa);
    if let Some((bid, ask)) = seen.best
        && (bid <= 0 || ask < bid)
    {
        return Err(Refusal::over(DenyReason::PriceCollar, price_of(ask).to_f64(), price_of(bid).to_f64()));
    }
    if let (Some(before), Some(last)) = (seen.before, seen.last) {
        let (low, high) = (before.min(last), before.max(last));
        within(price_of(high), price_of(low), limits.price_jump_max)?;
    }
    let book = seen.best.map(|(bid, ask)| price_of(if s.spec.side == Side::Buy { ask } else { bid }));
    let price = match s.spec.kind {
        OrderType::Limit { price } => price,
        OrderType::StopMarket { trigger } => trigger,
        _ => book.or(s.price).ok_or(unknown)?,
    };
    let references = [seen.last.map(price_of), seen.mark().map(price_of), book];
    let mut furthest: Option<f64> = None;
    for reference in references.into_iter().flatten() {
        let off = within(price, reference, limits.price_collar_max)?;
        furthest = Some(furthest.map_or(off, |f| f.max(off)));
    }
    Ok(Measured { value: furthest.ok_or(unknown)?, limit: limits.price_collar_max.to_f64() })
}

/// How far a price is from another, as a fraction of that, if it is no further than allowed. Exact: nothing is divided.
fn within(price: Price, reference: Price, max: Rate) -> Result<f64, Refusal> {
    if reference <= Price::ZERO || price <= Price::ZERO {
        return Err(Refusal::because(DenyReason::PriceUnknown));
    }
    if price == reference {
        // The usual case: an order at the market, held against the price that it is measured at.
        return Ok(0.0);
    }
    let overflow = Refusal::because(DenyReason::Overflow);
    let off = price.raw().abs_diff(reference.raw());
    let far = off.checked_mul(domain::decimal::ONE.unsigned_abs()).ok_or(overflow)?;
    let near = reference.raw().unsigned_abs().checked_mul(max.raw().unsigned_abs().into()).ok_or(overflow)?;
    let value = price.raw().abs_diff(reference.raw()) as f64 / reference.raw() as f64;
    if far > near { Err(Refusal::over(DenyReason::PriceCollar, value, max.to_f64())) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use domain::{Entry, EventBody, InstrumentIdx, MarketFlags, Side, Signal};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    /// A perpetual at 100; nothing but the collar and the step of prices is held.
    fn held() -> Stage {
        let Limits { price_collar_max, price_jump_max, .. } = Limits::default();
        let limits = Limits { price_collar_max, price_jump_max, ..Limits::relaxed() };
        let mut stage = Stage::new(Profile::Research(limits));
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        stage
    }

    fn quote(stage: &mut Stage, bid: i64, ask: i64) {
        let rules = stage.table.get(BTC).unwrap();
        let quote = testkit::quote(rules, 0, (bid, 1_000_000), (ask, 1_000_000));
        stage.view.apply(stage.ts, &EventBody::Quote(quote));
    }

    fn at(stage: &mut Stage, side: Side, limit: Option<&str>) -> Option<DenyReason> {
        let entry = limit.map_or(Entry::Market, |price| Entry::Limit(testkit::price(price)));
        let of = if side == Side::Buy { stage.long(BTC, "0.1") } else { stage.short(BTC, "0.1") };
        let result = stage.enter(&Signal { entry, ..of });
        result.map(|e| stage.gate.release(e.reservation)).err().map(|r| r.reason)
    }

    #[test]
    fn a_limit_of_five_percent_off_passes_and_one_tick_more_does_not() {
        let mut stage = held();
        for side in [Side::Buy, Side::Sell] {
            for (price, refused) in [
                ("95", None),
                ("94.999999", Some(DenyReason::PriceCollar)),
                ("105", None),
                ("105.000001", Some(DenyReason::PriceCollar)),
                ("0.1", Some(DenyReason::PriceCollar)),
                ("100000", Some(DenyReason::PriceCollar)),
            ] {
                assert_eq!(at(&mut stage, side, Some(price)), refused, "{side:?} {price}");
            }
        }
        let far = Signal { entry: Entry::Limit(testkit::price("106")), ..stage.long(BTC, "0.1") };
        let refusal = stage.enter(&far).unwrap_err();
        assert_eq!((refusal.value, refusal.limit), (Some(0.06), Some(0.05)));
    }

    #[test]
    fn the_book_is_held_against_the_last_price_and_the_limit_against_the_book() {
        let mut stage = held();
        quote(&mut stage, 99_000_000, 101_000_000);
        assert_eq!(at(&mut stage, Side::Buy, None), None);
        quote(&mut stage, 94_000_000, 106_000_000);
        for side in [Side::Buy, Side::Sell] {
            assert_eq!(at(&mut stage, side, None), Some(DenyReason::PriceCollar), "{side:?}");
        }
        quote(&mut stage, 97_000_000, 104_000_000);
        assert_eq!(at(&mut stage, Side::Buy, Some("98")), Some(DenyReason::PriceCollar), "5.8 % below the ask");
        assert_eq!(at(&mut stage, Side::Sell, Some("98")), None);
        for (bid, ask) in [(0, 100_000_000), (-1, 100_000_000), (101_000_000, 100_000_000)] {
            quote(&mut stage, bid, ask);
            assert_eq!(at(&mut stage, Side::Buy, None), Some(DenyReason::PriceCollar), "{bid} {ask}");
        }
    }

    #[test]
    fn one_print_a_thousand_times_off_waits_for_the_next() {
        for wrong in [100_000, 151, 66] {
            let mut stage = held();
            stage.print(BTC, wrong * 1_000_000, MarketFlags::default());
            let refusal = stage.enter(&stage.long(BTC, "0.1")).unwrap_err();
            assert_eq!((refusal.reason, refusal.limit), (DenyReason::PriceCollar, Some(0.5)), "{wrong}");
            stage.print(BTC, wrong * 1_000_000, MarketFlags::default());
            assert_ne!(at(&mut stage, Side::Buy, None), Some(DenyReason::PriceCollar), "confirmed: {wrong}");
        }
        let mut stage = held();
        stage.print(BTC, 150_000_000, MarketFlags::default());
        assert_eq!(at(&mut stage, Side::Buy, None), None);
        stage.print(BTC, -100_000_000, MarketFlags::default());
        assert_eq!(at(&mut stage, Side::Buy, None), Some(DenyReason::PriceUnknown));
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        use domain::{Price, Rate};
        assert_eq!(
            super::within(Price::MAX, Price::from_units(1), Rate::ONE).unwrap_err().reason,
            DenyReason::Overflow
        );
        let zero = super::within(Price::from_units(1), Price::ZERO, Rate::ONE);
        assert_eq!(zero.unwrap_err().reason, DenyReason::PriceUnknown);
    }
}
