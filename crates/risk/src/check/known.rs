//! What must be known before anything is risked: that trading is on, that the market is live, its price, the account's equity.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Mode, Money, Price};

pub(super) fn mode_allows(b: &Bench<'_>) -> Result<Measured, Refusal> {
    match b.mode {
        Mode::Normal => match b.standing.nothing_new {
            Some(reason) => Err(Refusal::because(reason)),
            None => Ok(PASSED),
        },
        Mode::Reduced | Mode::Paused => Err(Refusal::because(DenyReason::Paused)),
        Mode::Emergency => Err(Refusal::because(DenyReason::Emergency)),
    }
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

/// Equity is known and positive, and whoever watches the account knows what that rests on.
pub(super) fn equity(b: &Bench<'_>) -> Result<Measured, Refusal> {
    if let Some(unknown) = b.standing.unknown {
        return Err(Refusal::because(unknown));
    }
    match b.holdings.equity {
        Some(equity) if equity > Money::ZERO => Ok(Measured { value: equity.to_f64(), limit: 0.0 }),
        Some(equity) => Err(Refusal::over(DenyReason::EquityUnknown, equity.to_f64(), 0.0)),
        None => Err(Refusal::because(DenyReason::EquityUnknown)),
    }
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::{ACCOUNT, Stage, USDT};
    use domain::{Entry, InstrumentIdx, Intent, MarketFlags, Mode, Money, Rate, Signal, SizeRequest};
    use domain::{StopPlan, UnixNanos};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    fn reason(stage: &mut Stage, signal: &Signal) -> Option<DenyReason> {
        match stage.enter(signal) {
            Ok(entry) => {
                stage.gate.exposure_mut().release(entry.reservation);
                None
            }
            Err(refusal) => Some(refusal.reason),
        }
    }

    #[test]
    fn paused_or_warming_up_denies() {
        let mut stage = Stage::limited();
        let signal = stage.long(BTC, "1");
        assert_eq!(reason(&mut stage, &signal), None);
        stage.mode = Mode::Reduced;
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::Paused));
        stage.mode = Mode::Normal;
        stage.print(BTC, 100_000_000, MarketFlags::WARMUP);
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::Warmup));
        stage.mark(BTC, 100);
        assert_eq!(reason(&mut stage, &signal), None);
    }

    #[test]
    fn what_the_guard_says_stands_against_anything_new() {
        let mut stage = Stage::limited();
        let signal = stage.long(BTC, "1");
        stage.standing.nothing_new = Some(DenyReason::LiquidationDistance);
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::LiquidationDistance));
        stage.standing.nothing_new = None;
        assert_eq!(reason(&mut stage, &signal), None);
    }

    #[test]
    fn an_instrument_that_is_not_defined_denies() {
        let mut stage = Stage::limited();
        let signal = stage.long(InstrumentIdx(7), "1");
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::InstrumentUnknown));
    }

    #[test]
    fn no_price_or_none_that_is_positive_denies() {
        let mut stage = Stage::limited();
        let eth = stage.perpetual("ETHUSDT");
        let signal = stage.long(eth, "1");
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::PriceUnknown));
        let limit = Signal { entry: Entry::Limit(testkit::price("100")), ..signal };
        assert_eq!(reason(&mut stage, &limit), Some(DenyReason::PriceUnknown), "its own price says nothing");
        for bad in [0, -100] {
            stage.print(eth, bad, MarketFlags::default());
            assert_eq!(reason(&mut stage, &signal), Some(DenyReason::PriceUnknown), "{bad}");
        }
        stage.mark(eth, 100);
        assert_eq!(reason(&mut stage, &signal), None);
    }

    #[test]
    fn a_price_of_five_minutes_passes_and_an_older_one_is_stale() {
        let mut stage = Stage::limited();
        let signal = stage.long(BTC, "1");
        stage.ts = UnixNanos(stage.ts.0 + 300_000_000_000);
        assert_eq!(reason(&mut stage, &signal), None);
        stage.ts = UnixNanos(stage.ts.0 + 1);
        let refusal = stage.enter(&signal).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::PriceStale, Some(300.0)));
    }

    #[test]
    fn a_position_without_a_price_makes_exposure_and_equity_unknown() {
        let mut stage = Stage::limited();
        let eth = stage.perpetual("ETHUSDT");
        stage.trade(1, eth, domain::Side::Buy, "0.5", 100);
        let signal = stage.long(BTC, "1");
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::EquityUnknown));
    }

    #[test]
    fn equity_that_is_unknown_or_gone_denies() {
        let mut stage = Stage::limited();
        let signal = stage.long(BTC, "1");
        let asset = stage.table.asset("SOL", 8).unwrap();
        stage.portfolio.transfer(ACCOUNT, asset, Money::from_units(1)).unwrap();
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::EquityUnknown), "SOL has no rate");
        stage.portfolio.transfer(ACCOUNT, asset, Money::from_units(-1)).unwrap();
        assert_eq!(reason(&mut stage, &signal), None);
        stage.portfolio.transfer(ACCOUNT, USDT, Money::from_units(-10_000)).unwrap();
        let refusal = stage.enter(&signal).unwrap_err();
        assert_eq!((refusal.reason, refusal.value), (DenyReason::EquityUnknown, Some(0.0)));
    }

    #[test]
    fn what_the_guard_does_not_know_denies_as_it_says() {
        let mut stage = Stage::limited();
        stage.standing.unknown = Some(DenyReason::PriceStale);
        let signal = stage.long(BTC, "1");
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::PriceStale));
    }

    #[test]
    fn an_instrument_in_another_currency_than_limits_are_held_in_denies() {
        let mut stage = Stage::limited();
        let btc = stage.table.get(BTC).unwrap().clone();
        let eth = stage.table.asset("ETH", 8).unwrap();
        let cross = domain::Instrument {
            idx: InstrumentIdx(1),
            symbol: "ETHBTC".into(),
            kind: domain::InstrumentKind::Spot,
            base: eth,
            quote: btc.base,
            settle: btc.base,
            ..btc
        };
        stage.table.define(cross.clone()).unwrap();
        stage.portfolio.define(&cross);
        stage.view.add_instrument(cross.idx);
        stage.mark(cross.idx, 1);
        let signal = stage.long(cross.idx, "1");
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::EquityUnknown));
    }

    #[test]
    fn a_number_that_is_none_never_gets_here() {
        let mut stage = Stage::limited();
        let signal = Signal { confidence: f64::NAN, ..stage.long(BTC, "1") };
        assert_eq!(reason(&mut stage, &signal), Some(DenyReason::SignalInvalid));
        assert!(Limits { correlation_max: f64::NAN, ..Limits::default() }.validate().is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused_rather_than_computed() {
        for profile in [Profile::standard(), Profile::Off] {
            let mut stage = Stage::new(profile);
            let btc = stage.perpetual("BTCUSDT");
            stage.print(btc, i64::MAX, MarketFlags::default());
            let huge = domain::Quantity::from_raw(i128::MAX / 2);
            let stop = Some(StopPlan::Fraction(Rate::from_bps(100)));
            let signal = Signal { stop, ..stage.signal(Intent::EnterLong, btc, SizeRequest::Base(huge)) };
            assert_eq!(reason(&mut stage, &signal), Some(DenyReason::Overflow), "{}", profile.name());
        }
    }
}
