//! Margin suffices with something to spare. Both checks look at what is held and on its way, and apply where margin is bound: a spot buy
//! is paid in full and owes nothing, so beside it only what perpetuals bind counts.
//!
//! - Buffer: `available >= margin_buffer_min * required`, with available = balance + unrealised - initial margin of positions - what spot
//!   entries on their way will pay, and required = initial margin and fees of this entry and of those on their way.
//! - Liquidity ratio: `liquid >= liquidity_ratio_min * bound`, with liquid = balance + unrealised losses - what spot entries will pay, and
//!   bound = initial margin of positions + initial margin and fees of entries. It is the coverage that the Basel Committee asks of banks
//!   (BCBS 238, liquid assets over net outflows), with the margin that is called as the outflow; unrealised profit is not liquid.

use super::{Bench, Measured, PASSED, Subject};
use crate::deny_reason::{DenyReason, Refusal};
use crate::limits::Limits;
use crate::measure::{Margined, fee};
use domain::{Instrument, InstrumentKind, Money, Rate, Rounding};

pub(super) fn buffer(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    if s.instrument.kind == InstrumentKind::Spot {
        return Ok(PASSED);
    }
    let (m, funds) = numbers(s, b)?;
    let overflow = Refusal::because(DenyReason::Overflow);
    let available = available(&m).ok_or(overflow)?;
    let required = m.to_bind.checked_add(funds).ok_or(overflow)?;
    let needed = required.times(limits.margin_buffer_min, Rounding::Up).ok_or(overflow)?;
    let (value, limit) = (ratio(available, required), limits.margin_buffer_min.to_f64());
    if needed > available || (required.is_zero() && available <= Money::ZERO) {
        let safe = buffer_room(limits, s.instrument, &m).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(DenyReason::MarginBuffer, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

pub(super) fn liquidity(s: &Subject<'_>, limits: &Limits, b: &Bench<'_>) -> Result<Measured, Refusal> {
    let (m, funds) = numbers(s, b)?;
    let spot = s.instrument.kind == InstrumentKind::Spot;
    if spot && !m.bound {
        return Ok(PASSED);
    }
    let overflow = Refusal::because(DenyReason::Overflow);
    let (mut liquid, mut bound) = liquid_and_bound(&m).ok_or(overflow)?;
    if spot {
        liquid = liquid.checked_sub(funds).ok_or(overflow)?;
    } else {
        bound = bound.checked_add(funds).ok_or(overflow)?;
    }
    let needed = bound.times(limits.liquidity_ratio_min, Rounding::Up).ok_or(overflow)?;
    let (value, limit) = (ratio(liquid, bound), limits.liquidity_ratio_min.to_f64());
    if needed > liquid {
        let safe = liquidity_room(limits, s.instrument, &m).unwrap_or(Money::ZERO).max(Money::ZERO);
        return Err(Refusal::over(DenyReason::LiquidityRatio, value, limit).with_safe(safe));
    }
    Ok(Measured { value, limit })
}

/// What both still allow; `None` on overflow.
pub(super) fn room(limits: &Limits, i: &Instrument, m: &Margined) -> Option<Money> {
    let buffer = if i.kind == InstrumentKind::Spot { Money::MAX } else { buffer_room(limits, i, m)? };
    Some(buffer.min(liquidity_room(limits, i, m)?))
}

fn numbers(s: &Subject<'_>, b: &Bench<'_>) -> Result<(Margined, Money), Refusal> {
    let unknown = Refusal::because(DenyReason::PriceUnknown);
    Ok((b.holdings.margin.ok_or(unknown)?, s.funds.ok_or(unknown)?))
}

fn available(m: &Margined) -> Option<Money> {
    m.view.free()?.checked_sub(m.to_pay)
}

fn liquid_and_bound(m: &Margined) -> Option<(Money, Money)> {
    let liquid = m.view.balance.checked_add(m.view.unrealised.min(Money::ZERO))?.checked_sub(m.to_pay)?;
    Some((liquid, m.view.initial.checked_add(m.to_bind)?))
}

fn buffer_room(limits: &Limits, i: &Instrument, m: &Margined) -> Option<Money> {
    let required = parts(available(m)?, limits.margin_buffer_min)?.checked_sub(m.to_bind)?;
    notional_of(required, i)
}

fn liquidity_room(limits: &Limits, i: &Instrument, m: &Margined) -> Option<Money> {
    let (liquid, bound) = liquid_and_bound(m)?;
    if i.kind == InstrumentKind::Spot {
        if !m.bound {
            return Some(Money::MAX);
        }
        return notional_of(liquid.checked_sub(bound.times(limits.liquidity_ratio_min, Rounding::Up)?)?, i);
    }
    notional_of(parts(liquid, limits.liquidity_ratio_min)?.checked_sub(bound)?, i)
}

/// The notional whose funds (initial margin or cost, and fee) fit an amount, with two units of 1e-12 for the rounding of each.
pub(super) fn notional_of(funds: Money, i: &Instrument) -> Option<Money> {
    let charged = match i.kind {
        InstrumentKind::Spot => Rate::ONE,
        InstrumentKind::LinearPerpetual => i.margin_initial,
    };
    let rate = charged.checked_add(fee(i))?;
    if rate <= Rate::ZERO {
        return Some(Money::MAX);
    }
    parts(funds.checked_sub(Money::from_raw(2))?, rate)
}

/// An amount over a rate, rounded down. What money cannot hold is more than any order.
pub(super) fn parts(amount: Money, rate: Rate) -> Option<Money> {
    let fits = domain::decimal::div_money(amount.raw(), i128::from(rate.raw()), Rounding::Down).map(Money::from_raw);
    fits.or((amount > Money::ZERO && rate > Rate::ZERO).then_some(Money::MAX))
}

fn ratio(over: Money, under: Money) -> f64 {
    if under.is_zero() { f64::INFINITY } else { over.to_f64() / under.to_f64() }
}

#[cfg(test)]
mod tests {
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::Stage;
    use domain::{InstrumentIdx, Intent, Money, Rate, Side, SizeRequest};

    const BTC: InstrumentIdx = InstrumentIdx(0);
    const ETH: InstrumentIdx = InstrumentIdx(1);

    /// A perpetual with 5 % initial margin and 0.1 % fee, and a spot instrument, both at 100; an account of 10,000.
    fn stage(limits: Limits) -> Stage {
        let mut stage = Stage::new(Profile::Research(limits));
        let (btc, eth) = (stage.perpetual("BTCUSDT"), stage.spot("ETHUSDT"));
        stage.correlate(btc, eth, 0.0, 100);
        stage
    }

    #[test]
    fn available_margin_is_a_tenth_more_than_required() {
        let mut stage = stage(Limits { margin_buffer_min: Rate::from_bps(11_000), ..Limits::relaxed() });
        // 10,000 / 1.1 / 5.1 per unit = 1782.53...
        let refusal = stage.enter(&stage.long(BTC, "1783")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::MarginBuffer, Some(1.1)));
        testkit::assert_close(refusal.value.unwrap(), 10_000.0 / (1_783.0 * 5.1), 1e-12, 0.0);
        testkit::assert_close(refusal.largest_safe.unwrap().to_f64(), 178_253.119_4, 1e-9, 0.0);
        let pending = stage.enter(&stage.long(BTC, "1000")).unwrap();
        // What is on its way requires its margin with the buffer, too.
        assert_eq!(stage.enter(&stage.long(BTC, "783")).unwrap_err().reason, DenyReason::MarginBuffer);
        stage.enter(&stage.long(BTC, "782")).unwrap();
        stage.gate.exposure_mut().release(pending.reservation);
    }

    #[test]
    fn liquid_funds_are_half_as_much_again_as_what_is_bound() {
        let mut stage = stage(Limits { liquidity_ratio_min: Rate::from_bps(15_000), ..Limits::relaxed() });
        stage.trade(0, BTC, Side::Buy, "1000", 100);
        // 5,000 are bound: 10,000 / 1.5 - 5,000 = 1,666.67 for 5.1 a unit = 326.79...
        let refusal = stage.enter(&stage.long(BTC, "327")).unwrap_err();
        assert_eq!((refusal.reason, refusal.limit), (DenyReason::LiquidityRatio, Some(1.5)));
        testkit::assert_close(refusal.largest_safe.unwrap().to_f64(), 32_679.738_5, 1e-8, 0.0);
        stage.enter(&stage.long(BTC, "326")).map(|e| stage.gate.release(e.reservation)).unwrap();
        // A loss that is not realised is no longer liquid; a profit never was.
        stage.mark(BTC, 101);
        assert_eq!(stage.enter(&stage.long(BTC, "320")).unwrap_err().reason, DenyReason::LiquidityRatio);
        stage.mark(BTC, 98);
        assert_eq!(stage.enter(&stage.long(BTC, "150")).unwrap_err().reason, DenyReason::LiquidityRatio);
    }

    #[test]
    fn a_spot_buy_owes_nothing_and_takes_from_what_covers_perpetuals() {
        let limits = Limits {
            liquidity_ratio_min: Rate::from_bps(15_000),
            margin_buffer_min: Rate::from_bps(11_000),
            ..Limits::relaxed()
        };
        let mut all = stage(limits);
        all.enter(&all.signal(Intent::EnterLong, ETH, SizeRequest::AllIn)).unwrap();
        let mut beside = stage(limits);
        beside.trade(0, BTC, Side::Buy, "1000", 100);
        // 5,000 x 1.5 = 7,500 stay: 2,500 for 100.1 a unit.
        let refusal = beside.enter(&beside.long(ETH, "24.98")).unwrap_err();
        assert_eq!(refusal.reason, DenyReason::LiquidityRatio);
        testkit::assert_close(refusal.largest_safe.unwrap().to_f64(), 2_497.502_497_5, 1e-9, 0.0);
        let pending = beside.enter(&beside.long(ETH, "20")).unwrap();
        assert_eq!(beside.enter(&beside.long(ETH, "5")).unwrap_err().reason, DenyReason::LiquidityRatio);
        beside.enter(&beside.long(ETH, "4.9")).unwrap();
        beside.gate.exposure_mut().release(pending.reservation);
    }

    #[test]
    fn as_much_as_the_limits_allow_passes_both() {
        for limits in [
            Limits { margin_buffer_min: Rate::from_bps(11_000), ..Limits::relaxed() },
            Limits { liquidity_ratio_min: Rate::from_bps(15_000), ..Limits::relaxed() },
        ] {
            let mut stage = stage(limits);
            stage.rules(BTC, |i| i.margin_initial = Rate::ONE);
            let entry = stage.enter(&stage.signal(Intent::EnterShort, BTC, SizeRequest::Cap)).unwrap();
            let least = if limits.margin_buffer_min > Rate::ONE { "90" } else { "66" };
            assert!(stage.gate.exposure().pending_total(crate::stage::ACCOUNT) > Money::ZERO);
            let domain::OrderQuantity::Base(quantity) = entry.spec.quantity else { panic!("{:?}", entry.spec) };
            assert!(quantity >= testkit::quantity(least), "{quantity}");
        }
    }
}
