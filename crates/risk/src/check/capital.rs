//! The capital at stake stays below a threshold in quote, in the account and in all accounts together: whatever equity says, no more than
//! somebody has decided to put at risk.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::measure::Holdings;
use domain::Money;

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let notional = s.notional.ok_or(unknown)?;
    let mut measured = None;
    for (used, max) in [(b.holdings.gross, limits.capital_max), (b.holdings.gross_total, limits.capital_total_max)] {
        let used = used.ok_or(unknown)?;
        let after = used.checked_add(notional).ok_or(Refusal::because(DenyReason::Overflow))?;
        let (value, limit) = (after.to_f64(), max.to_f64());
        if after > max || used >= max {
            let safe = max.checked_sub(used).unwrap_or(Money::ZERO).max(Money::ZERO);
            return Err(Refusal::over(DenyReason::CapitalThreshold, value, limit).with_safe(safe));
        }
        measured = measured.or(Some(Measured { value, limit }));
    }
    measured.ok_or(unknown)
}

pub(super) fn room(limits: &Limits, h: &Holdings) -> Option<Money> {
    Some(limits.capital_max.checked_sub(h.gross?)?.min(limits.capital_total_max.checked_sub(h.gross_total?)?))
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::Limits;
    use crate::stage::{Stage, USDT};
    use domain::{AccountId, InstrumentIdx, Money, Side};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    #[test]
    fn the_threshold_counts_what_is_held_and_on_its_way() {
        let mut stage = Stage::within(Limits { capital_max: Money::from_units(1_000), ..Limits::relaxed() });
        stage.trade(0, BTC, Side::Buy, "3", 100);
        let pending = stage.enter(&stage.long(BTC, "2")).unwrap();
        let refusal = stage.enter(&stage.long(BTC, "5.000001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::CapitalThreshold, Some(1_000.0)));
        assert_eq!((refusal.value, refusal.largest_safe), (Some(1_000.000_1), Some(Money::from_units(500))));
        stage.enter(&stage.long(BTC, "5")).unwrap();
        stage.gate.exposure_mut().release(pending.reservation);
        stage.mark(BTC, 334);
        assert_eq!(stage.enter(&stage.long(BTC, "0.1")).unwrap_err().largest_safe, Some(Money::ZERO));
    }

    #[test]
    fn all_accounts_count_together() {
        let limits = Limits { capital_total_max: Money::from_units(1_000), ..Limits::relaxed() };
        let mut stage = Stage::within(limits);
        let other = AccountId(1);
        stage.portfolio.transfer(other, USDT, Money::from_units(10_000)).unwrap();
        stage.trade_of(other, 0, BTC, Side::Sell, "6", 100);
        let refusal = stage.enter(&stage.long(BTC, "4.000001")).unwrap_err();
        assert_eq!(
            (refusal.reason, refusal.largest_safe),
            (DenyReason::CapitalThreshold, Some(Money::from_units(400)))
        );
        let pending = stage.enter(&domain::Signal { account: other, ..stage.short(BTC, "1") }).unwrap();
        assert_eq!(stage.enter(&stage.long(BTC, "4")).unwrap_err().largest_safe, Some(Money::from_units(300)));
        stage.enter(&stage.long(BTC, "3")).unwrap();
        stage.gate.exposure_mut().release(pending.reservation);
    }
}
