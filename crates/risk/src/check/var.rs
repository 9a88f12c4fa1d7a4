//! The one-day value at risk with this order stays within its budget.
//!
//! Where somebody estimates the value at risk of the account with the order, that is held to the budget. And where somebody says what one
//! unit of each instrument has at risk, held is the undiversified value at risk: the sum over instruments of `|notional| x` the value at risk of one unit, positions, entries on
//! their way and this order together. It is the bound that the value at risk of the whole never exceeds as long as that is subadditive
//! (Jorion, Value at Risk, 3rd edition, section 7.1: perfect correlation), so no entry hides behind a hedge that may fail.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::standing::Reading;
use domain::{AccountId, InstrumentIdx, Money};

pub(super) fn check(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let unknown = Refusal { limit: Some(limits.var_fraction_max.to_f64()), ..Refusal::because(DenyReason::VarUnknown) };
    let limit = limits.var_fraction_max.to_f64();
    let of_account = match b.holdings.var_after {
        Reading::NotConfigured => PASSED,
        Reading::Is(value) if value <= limit => Measured { value, limit },
        Reading::Is(value) if value > limit => return Err(Refusal::over(DenyReason::VarBudget, value, limit)),
        // What is not known is at most all that is held: within the budget that passes, too, and what would go beyond it has to be known.
        Reading::Unknown | Reading::Is(_) => everything(s, b, limit).ok_or(unknown)?,
    };
    let rate = match b.standing.var_rate(s.spec.instrument) {
        Reading::NotConfigured => return Ok(of_account),
        Reading::Unknown => return Err(unknown),
        Reading::Is(rate) => rate,
    };
    let equity = b.holdings.equity.ok_or(Refusal::because(DenyReason::EquityUnknown))?.to_f64();
    let used = used(s.spec.account, b).ok_or(unknown)?;
    let notional = s.notional.ok_or(Refusal::because(DenyReason::PriceUnknown))?.to_f64();
    let value = (used + notional * rate) / equity;
    if value > limit || value.is_nan() || used >= limit * equity {
        let safe = left(limit * equity - used, rate).unwrap_or(Money::ZERO);
        return Err(Refusal::over(DenyReason::VarBudget, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

/// All that is held and on its way with this order, as a fraction of equity, where that is within the budget.
fn everything(s: &Subject<'_>, b: &Bench<'_>, limit: f64) -> Option<Measured> {
    let (gross, equity) = (b.holdings.gross?, b.holdings.equity?);
    let value = gross.checked_add(s.notional?)?.to_f64() / equity.to_f64();
    (value <= limit).then_some(Measured { value, limit })
}

/// What the budget still allows in an instrument; `None` where something needed is unknown.
pub(super) fn room(limits: &Limits, account: AccountId, instrument: InstrumentIdx, b: &Bench<'_>) -> Option<Money> {
    match b.standing.var_rate(instrument) {
        Reading::NotConfigured => Some(Money::MAX),
        Reading::Unknown => None,
        Reading::Is(rate) => {
            left(limits.var_fraction_max.to_f64() * b.holdings.equity?.to_f64() - used(account, b)?, rate)
        }
    }
}

/// Positions and entries on their way, in quote.
pub(crate) fn used(account: AccountId, b: &Bench<'_>) -> Option<f64> {
    let rate = |idx: InstrumentIdx| match b.standing.var_rate(idx) {
        Reading::Is(rate) => Some(rate),
        Reading::Unknown | Reading::NotConfigured => None,
    };
    let mut sum = 0.0;
    for (of, idx, _, position) in b.portfolio.positions() {
        if of == account {
            let (rules, mark) = (b.table.get(idx)?, b.view.mark(idx)?);
            let size = position.quantity.to_f64().abs() * rules.multiplier.to_f64();
            sum += size * rules.price(mark).to_f64() * rate(idx)?;
        }
    }
    for (idx, part) in b.exposure.parts(account) {
        sum += (part.buys.to_f64() + part.sells.to_f64()) * rate(idx)?;
    }
    Some(sum)
}

/// The notional whose value at risk fits, a billionth less for the rounding of doubles.
fn left(amount: f64, rate: f64) -> Option<Money> {
    if rate <= 0.0 {
        return Some(Money::MAX);
    }
    let notional = (amount / rate * (1.0 - 1e-9)).max(0.0);
    // What money cannot hold is more than any order.
    Some(Money::from_f64(notional).unwrap_or(Money::MAX))
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use crate::standing::Reading;
    use domain::{InstrumentIdx, Intent, OrderQuantity, Rate, Side, SizeRequest};

    const BTC: InstrumentIdx = InstrumentIdx(0);
    const ETH: InstrumentIdx = InstrumentIdx(1);

    /// A budget of 2 % of 10,000, BTC at a value at risk of 10 % and ETH of 5 %.
    fn stage() -> Stage {
        let limits = Limits { var_fraction_max: Rate::from_bps(200), ..Limits::relaxed() };
        let mut stage = Stage::new(Profile::Research(limits));
        let (btc, eth) = (stage.perpetual("BTCUSDT"), stage.perpetual("ETHUSDT"));
        stage.correlate(btc, eth, 0.0, 100);
        stage.standing.var_rates = vec![Reading::Is(0.1), Reading::Is(0.05)];
        stage
    }

    #[test]
    fn what_is_held_and_on_its_way_uses_the_budget_whatever_its_direction() {
        let mut stage = stage();
        stage.trade(0, BTC, Side::Sell, "5", 100);
        let pending = stage.enter(&stage.long(ETH, "10")).unwrap();
        // 200 - 50 - 50 leave 100: 1,000 of BTC.
        let refusal = stage.enter(&stage.short(BTC, "10.001")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::VarBudget, Some(0.02)));
        testkit::assert_close(refusal.value.unwrap(), 0.020_001, 1e-12, 0.0);
        testkit::assert_close(refusal.largest_safe.unwrap().to_f64(), 1_000.0, 2e-9, 0.0);
        stage.enter(&stage.short(BTC, "9.999")).unwrap();
        stage.gate.release(pending.reservation);
    }

    #[test]
    fn as_much_as_the_limits_allow_fits_the_budget() {
        let mut stage = stage();
        let entry = stage.enter(&stage.signal(Intent::EnterLong, ETH, SizeRequest::Cap)).unwrap();
        let OrderQuantity::Base(quantity) = entry.spec.quantity else { panic!("{:?}", entry.spec) };
        testkit::assert_close(quantity.to_f64(), 4_000.0 / 100.1, 1e-6, 0.0);
    }

    #[test]
    fn what_is_not_known_counts_as_all_that_is_held() {
        let mut stage = Stage::limited();
        let quantity = |text| testkit::quantity(text);
        // 2 % of the account is the largest position, and no more than the budget even if all of it were lost.
        stage.trade(0, BTC, Side::Buy, "1", 100);
        stage.enter(&stage.long(BTC, "1")).map(|e| stage.gate.release(e.reservation)).unwrap();
        let eth = stage.perpetual("ETHUSDT");
        stage.correlate(BTC, eth, 0.0, 90);
        let more = stage.signal(Intent::EnterLong, eth, SizeRequest::Base(quantity("1.5")));
        let refusal = stage.enter(&more).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::VarUnknown, Some(0.02)), "90 minutes are too few");
        stage.correlate(BTC, eth, 0.0, 30);
        stage.enter(&more).unwrap();
    }

    #[test]
    fn a_value_at_risk_that_is_watched_and_not_known_denies() {
        for unknown in [Reading::Unknown, Reading::Is(f64::NAN), Reading::Is(-1.0), Reading::NotConfigured] {
            let mut stage = stage();
            stage.standing.var_rates[0] = unknown;
            assert_eq!(stage.enter(&stage.long(BTC, "1")).unwrap_err().reason, DenyReason::VarUnknown);
            // A position whose value at risk is not known spoils the sum.
            stage.enter(&stage.long(ETH, "1")).map(|e| stage.gate.release(e.reservation)).unwrap();
            stage.trade(1, BTC, Side::Buy, "1", 100);
            assert_eq!(stage.enter(&stage.long(ETH, "1")).unwrap_err().reason, DenyReason::VarUnknown);
        }
        let mut nobody = stage();
        nobody.standing.var_rates.clear();
        nobody.enter(&nobody.long(BTC, "1")).unwrap();
    }
}
