//! Entries use no more than their part of the message budget: what is left is kept for reductions and cancels, which nothing stops.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let after = b.budget.used(s.spec.account, b.ts, limits).saturating_add(1);
    let (value, limit) = (f64::from(after), f64::from(limits.entry_messages_max));
    if after > limits.entry_messages_max {
        return Err(Refusal::over(DenyReason::MessageRate, value, limit));
    }
    Ok(Measured { value, limit })
}

#[cfg(test)]
mod tests {
    use crate::check::OwnOrders;
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::{ACCOUNT, Stage};
    use domain::{AccountId, AlertKind, OrderType, Side, UnixNanos};

    #[test]
    fn entries_have_their_part_and_reductions_all_of_it_and_more() {
        let limits = Limits { messages_max: 8, entry_messages_max: 4, ..Limits::default() };
        let mut stage = Stage::new(Profile::Research(limits));
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        stage.trade(0, btc, Side::Buy, "1", 100);
        let signal = stage.long(btc, "0.1");
        stage.enter(&signal).map(|e| stage.gate.release(e.reservation)).unwrap();
        stage.gate.count_message(ACCOUNT, stage.ts);
        stage.gate.count_message(AccountId(5), stage.ts);
        let sell = stage.order(btc, Side::Sell, OrderType::Market, "1");
        stage.reduce(sell, OwnOrders::default()).unwrap();
        stage.enter(&signal).map(|e| stage.gate.release(e.reservation)).unwrap();
        let refusal = stage.enter(&signal).unwrap_err();
        assert_eq!((refusal.reason, refusal.value, refusal.limit), (DenyReason::MessageRate, Some(5.0), Some(4.0)));
        for _ in 0..20 {
            stage.reduce(sell, OwnOrders::default()).unwrap();
        }
        let alerts: Vec<_> = stage.gate.take_alerts().collect();
        assert_eq!(alerts.len(), 1, "told once");
        assert_eq!(
            (alerts[0].kind, alerts[0].value, alerts[0].limit),
            (AlertKind::MessageBudget, Some(8.0), Some(8.0))
        );
        stage.ts = UnixNanos(stage.ts.0 + 11_000_000_000);
        stage.enter(&signal).unwrap();
    }
}
