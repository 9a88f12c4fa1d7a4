//! Every entry carries a protective stop, on the losing side of its price. Where limits demand none, the one that was asked for still has
//! to be one: a position is not opened under a protection that cannot be placed.

use super::{Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Price, Side};

pub(super) fn check(s: &Subject<'_>, limits: Option<&Limits>) -> Result<Measured, Refusal> {
    if !s.stop_asked {
        let required = limits.is_some_and(|limits| limits.stop_required);
        return if required { Err(Refusal::because(DenyReason::StopMissing)) } else { Ok(PASSED) };
    }
    // No price on the tick, above zero, is that far away.
    let Some(stop) = s.stop else { return Err(Refusal::because(DenyReason::StopInvalid)) };
    let price = s.fills_at.ok_or(Refusal::because(DenyReason::PriceUnknown))?;
    let protects = match s.spec.side {
        Side::Buy => stop < price,
        Side::Sell => stop > price,
    };
    if stop <= Price::ZERO || !protects {
        return Err(Refusal::over(DenyReason::StopInvalid, stop.to_f64(), price.to_f64()));
    }
    Ok(Measured { value: stop.to_f64(), limit: price.to_f64() })
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use domain::{Entry, InstrumentIdx, Rate, Signal, StopPlan};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    fn at(price: &str) -> Option<StopPlan> {
        Some(StopPlan::Price(testkit::price(price)))
    }

    #[test]
    fn an_entry_without_a_stop_is_refused() {
        let mut stage = Stage::limited();
        let bare = Signal { stop: None, ..stage.long(BTC, "1") };
        assert_eq!(stage.enter(&bare).unwrap_err().reason, DenyReason::StopMissing);
        let mut free = Stage::new(Profile::Research(Limits { stop_required: false, ..Limits::default() }));
        let btc = free.perpetual("BTCUSDT");
        free.mark(btc, 100);
        free.enter(&bare).unwrap();
    }

    #[test]
    fn a_stop_lies_on_the_losing_side() {
        let mut stage = Stage::limited();
        let (long, short) = (stage.long(BTC, "0.2"), stage.short(BTC, "0.2"));
        for (signal, stop, passes) in [
            (long, "99.999999", true),
            (long, "100", false),
            (long, "101", false),
            (short, "100.000001", true),
            (short, "100", false),
            (short, "99", false),
        ] {
            let result = stage.enter(&Signal { stop: at(stop), ..signal });
            match result {
                Ok(entry) => {
                    assert!(passes, "{stop} against {:?}", signal.intent);
                    stage.gate.exposure_mut().release(entry.reservation);
                }
                Err(refusal) => {
                    assert!(!passes, "{stop} against {:?}: {refusal}", signal.intent);
                    assert_eq!((refusal.reason, refusal.limit), (DenyReason::StopInvalid, Some(100.0)));
                }
            }
        }
    }

    #[test]
    fn a_stop_further_away_than_the_price_or_nearer_than_a_tick_is_none() {
        let mut stage = Stage::limited();
        for distance in ["100", "250", "0.0000001"] {
            let stop = Some(StopPlan::Distance(testkit::price(distance)));
            let signal = Signal { stop, ..stage.long(BTC, "1") };
            assert_eq!(stage.enter(&signal).unwrap_err().reason, DenyReason::StopInvalid, "{distance}");
        }
    }

    #[test]
    fn limits_or_not_a_stop_that_was_asked_for_must_be_one() {
        let mut off = Stage::new(Profile::Off);
        let btc = off.perpetual("BTCUSDT");
        off.mark(btc, 100);
        off.enter(&Signal { stop: None, ..off.long(btc, "1") }).unwrap();
        let wrong = Signal { stop: at("100"), ..off.long(btc, "1") };
        assert_eq!(off.enter(&wrong).unwrap_err().reason, DenyReason::StopInvalid);
    }

    #[test]
    fn a_limit_order_that_the_market_fills_better_is_protected_from_where_it_fills() {
        let mut stage = Stage::new(Profile::Research(Limits { price_collar_max: Rate::ONE, ..Limits::default() }));
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        // A buy at 150 fills at 100: a stop at 120 would be above it.
        let buy = Signal { entry: Entry::Limit(testkit::price("150")), stop: at("120"), ..stage.long(BTC, "0.1") };
        assert_eq!(stage.enter(&buy).unwrap_err().reason, DenyReason::StopInvalid);
        stage.enter(&Signal { stop: at("99"), ..buy }).unwrap();
    }
}
