//! Gross exposure over equity stays within its limit, entries on their way included.

use super::{Bench, Measured, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use domain::{Money, Rounding};

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    let overflow = Refusal::because(DenyReason::Overflow);
    let equity = b.holdings.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?;
    let gross = b.holdings.gross.ok_or(unknown)?;
    let after = gross.checked_add(s.notional.ok_or(unknown)?).ok_or(overflow)?;
    let cap = equity.times(limits.leverage_max, Rounding::Down).ok_or(overflow)?;
    let (value, limit) = (after.to_f64() / equity.to_f64(), limits.leverage_max.to_f64());
    if after > cap {
        let safe = cap.checked_sub(gross).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(DenyReason::Leverage, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use domain::{Money, Rate, Side};

    #[test]
    fn three_times_equity_passes_and_a_lot_more_is_refused() {
        let limits = Limits { position_fraction_max: Rate::from_raw(100 * Rate::ONE.raw()), ..Limits::default() };
        let mut stage = Stage::new(Profile::Research(limits));
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        stage.trade(0, btc, Side::Buy, "100", 100);
        let pending = stage.enter(&stage.long(btc, "150")).unwrap();
        let refusal = stage.enter(&stage.long(btc, "50.000001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::Leverage, Some(3.0)));
        assert_eq!(refusal.largest_safe, Some(Money::from_units(5_000)));
        testkit::assert_close(refusal.value.unwrap(), 3.00000001, 1e-12, 0.0);
        stage.enter(&stage.long(btc, "50")).unwrap();
        stage.gate.exposure_mut().release(pending.reservation);
    }

    #[test]
    fn another_instruments_exposure_counts() {
        let limits = Limits { position_fraction_max: Rate::from_raw(100 * Rate::ONE.raw()), ..Limits::default() };
        let mut stage = Stage::new(Profile::Research(limits));
        let (btc, eth) = (stage.perpetual("BTCUSDT"), stage.perpetual("ETHUSDT"));
        stage.correlate(btc, eth, 0.0, 100);
        stage.trade(1, eth, Side::Sell, "290", 100);
        let refusal = stage.enter(&stage.long(btc, "11")).unwrap_err();
        assert_eq!((refusal.reason, refusal.largest_safe), (DenyReason::Leverage, Some(Money::from_units(1_000))));
        stage.enter(&stage.long(btc, "10")).unwrap();
    }
}
