//! Funds cover the order: on spot the whole cost with its fee, on perpetuals the initial margin and the fee.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};

pub(super) fn check(s: &Subject<'_>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let needed = s.funds.ok_or(Refusal::because(DenyReason::PriceUnknown))?;
    let (value, limit) = (needed.to_f64(), b.holdings.free.to_f64());
    if needed > b.holdings.free {
        return Err(Refusal::over(DenyReason::InsufficientFunds, value, limit).with_safe(b.holdings.free));
    }
    Ok(Measured { value, limit })
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::{ACCOUNT, Stage, USDT};
    use domain::{Intent, Money, OrderQuantity, Side, SizeRequest};

    /// Limits so wide that only funds are left.
    fn wide() -> Stage {
        Stage::new(Profile::Research(Limits::relaxed()))
    }

    #[test]
    fn a_spot_buy_needs_its_cost_and_its_fee() {
        let mut stage = wide();
        let btc = stage.spot("BTCUSDT");
        stage.mark(btc, 100);
        // 99.9 units cost 9,990 and a fee of 9.99; one lot more is 10 micro-units too dear.
        stage.enter(&stage.long(btc, "99.9")).map(|e| stage.gate.exposure_mut().release(e.reservation)).unwrap();
        let refusal = stage.enter(&stage.long(btc, "99.91")).unwrap_err();
        assert_eq!(refusal.reason, DenyReason::InsufficientFunds);
        assert_eq!((refusal.value, refusal.limit), (Some(10_000.991), Some(10_000.0)));
        assert_eq!(refusal.largest_safe, Some(Money::from_units(10_000)));
    }

    #[test]
    fn what_an_order_on_its_way_may_take_is_not_free() {
        let mut stage = wide();
        let btc = stage.spot("BTCUSDT");
        stage.mark(btc, 100);
        let first = stage.enter(&stage.long(btc, "60")).unwrap();
        assert_eq!(stage.enter(&stage.long(btc, "40")).unwrap_err().limit, Some(3_994.0));
        let all = stage.enter(&stage.signal(Intent::EnterLong, btc, SizeRequest::AllIn)).unwrap();
        assert_eq!(all.spec.quantity, OrderQuantity::QuoteAmount(Money::from_units(3_994)));
        let nothing = stage.enter(&stage.signal(Intent::EnterLong, btc, SizeRequest::AllIn)).unwrap_err();
        assert_eq!(nothing.reason, DenyReason::InsufficientFunds);
        stage.gate.exposure_mut().release(first.reservation);
        stage.gate.exposure_mut().release(all.reservation);
        assert_eq!(stage.gate.exposure().reserved(ACCOUNT, USDT), Money::ZERO);
    }

    #[test]
    fn a_perpetual_needs_initial_margin_and_fee_and_held_positions_bind_theirs() {
        let mut stage = wide();
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        // 5 % margin and 0.1 % fee: 10,000 / 5.1 per unit.
        stage.enter(&stage.long(btc, "1960")).map(|e| stage.gate.exposure_mut().release(e.reservation)).unwrap();
        assert_eq!(stage.enter(&stage.long(btc, "1961")).unwrap_err().reason, DenyReason::InsufficientFunds);
        stage.trade(0, btc, Side::Buy, "1000", 100);
        let refusal = stage.enter(&stage.long(btc, "1000")).unwrap_err();
        assert_eq!((refusal.value, refusal.limit), (Some(5_100.0), Some(5_000.0)));
        // A loss that is not realised binds, too: 1,000 units lost 2 each.
        stage.mark(btc, 98);
        let refusal = stage.enter(&stage.long(btc, "1000")).unwrap_err();
        assert_eq!(refusal.limit, Some(3_100.0));
    }

    #[test]
    fn spot_cannot_spend_what_binds_as_margin_nor_the_value_of_other_assets() {
        let mut stage = wide();
        let (spot, perpetual) = (stage.spot("BTCUSDT"), stage.perpetual("ETHUSDT"));
        stage.mark(spot, 100);
        stage.mark(perpetual, 100);
        stage.trade(0, perpetual, Side::Buy, "1000", 100);
        let all = stage.signal(Intent::EnterLong, spot, SizeRequest::AllIn);
        stage.correlate(spot, perpetual, 0.0, 100);
        assert_eq!(stage.enter(&all).unwrap().spec.quantity, OrderQuantity::QuoteAmount(Money::from_units(5_000)));
        let mut held = wide();
        let (spot, perpetual) = (held.spot("BTCUSDT"), held.perpetual("ETHUSDT"));
        held.correlate(spot, perpetual, 0.0, 100);
        held.trade(0, spot, Side::Buy, "90", 100);
        let all = held.signal(Intent::EnterLong, perpetual, SizeRequest::AllIn);
        let entry = held.enter(&all).unwrap();
        assert_eq!(entry.spec.quantity, OrderQuantity::Base(testkit::quantity("9.990009")), "1,000 are left in USDT");
    }
}
