//! The pre-trade checks, one file each, and the table that says which of them apply to entries and which also to reductions.
//!
//! In:  one order with its numbers, and what the account holds.
//! Out: nothing, or the [`Refusal`] of the first check that stands against it.
//! What a check cannot know it refuses; a reduction is never refused for stale data or limits.

mod breaker;
mod capital;
mod collar;
mod correlation;
mod deployment;
mod funds;
mod known;
mod leverage;
mod liquidation;
mod loss;
mod margin;
mod message_rate;
pub(crate) mod order_size;
mod own_orders;
mod position_count;
mod position_size;
mod repeated;
mod restricted;
mod stop;
mod var;
mod venue_rules;

pub use crate::measure::{Holdings, Margined};
pub use restricted::Restricted;

use crate::budget::MessageBudget;
use crate::correlation::CorrelationTracker;
use crate::deny_reason::Refusal;
use crate::limits::Limits;
use crate::standing::{Breaker, Reading, Standing};
use crate::throttle::Throttle;
use domain::observe::CheckSeen;
use domain::{
    AccountId, Instrument, InstrumentIdx, InstrumentTable, MarketView, Mode, Money, Observer, OrderSpec, Price,
    Quantity, Side, StrategyIdx, UnixNanos,
};
use portfolio::Portfolio;

/// One pre-trade check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// New risk is not paused.
    Paused,
    /// The market is live, not history that warms up.
    Warmup,
    /// There is a price, and it is recent enough.
    Price,
    /// Equity is known and positive.
    Equity,
    /// No order of the same strategy, instrument and direction is working.
    Duplicate,
    /// It would not trade with another order of ours.
    SelfMatch,
    /// It does not oppose another strategy's position.
    OpposesOwnPosition,
    /// Instrument and account are permitted.
    Restricted,
    /// No loss breaker is open; a half-open one allows a probe.
    Breaker,
    /// The strategy is not disabled for repeating itself.
    RepeatedExecution,
    /// The position stays within its fraction of equity.
    PositionSize,
    /// The number of positions stays within its limit.
    PositionCount,
    /// It is not too much like what is held.
    Correlation,
    /// It carries a stop where limits demand one, and the stop that it carries is on the right side.
    Stop,
    /// Funds or margin cover it.
    Funds,
    /// Margin covers it with its buffer.
    MarginBuffer,
    /// Liquid funds cover what is bound.
    LiquidityRatio,
    /// No position comes too near to its liquidation.
    LiquidationDistance,
    /// Gross exposure stays within its multiple of equity, or what the leverage controller makes of it.
    Leverage,
    /// Gross exposure stays within its limit.
    GrossExposure,
    /// Net exposure stays within its limit.
    NetExposure,
    /// Long exposure stays within its limit.
    LongExposure,
    /// Short exposure stays within its limit.
    ShortExposure,
    /// The capital at stake stays below the thresholds of the account and of all accounts.
    CapitalThreshold,
    /// The losses of the day and of a shorter window are below their limits.
    DailyLoss,
    /// Drawdown is below its halt.
    Drawdown,
    /// The value at risk stays within its budget.
    VarBudget,
    /// Its price is near what is known of the market.
    PriceCollar,
    /// It is worth no more than one order may be.
    OrderValue,
    /// It is for no more than one order may be for.
    OrderVolume,
    /// Entries have messages left.
    MessageRate,
    /// It stays within the step of deployment.
    Deployment,
    /// Prices are multiples of the tick.
    Tick,
    /// The quantity is a multiple of the lot and within its range.
    Lot,
    /// The notional reaches the venue's minimum, at the price and at the stop price.
    MinNotional,
    /// No more is sold than is held.
    Oversell,
}

impl Check {
    /// Its key, as observers hear it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Warmup => "warmup",
            Self::Price => "price",
            Self::Equity => "equity",
            Self::Duplicate => "duplicate",
            Self::SelfMatch => "self_match",
            Self::OpposesOwnPosition => "opposes_own_position",
            Self::PositionSize => "position_size",
            Self::PositionCount => "position_count",
            Self::Correlation => "correlation",
            Self::Stop => "stop",
            Self::Funds => "funds",
            Self::Leverage => "leverage",
            Self::Tick => "tick",
            Self::Lot => "lot",
            Self::MinNotional => "min_notional",
            Self::Oversell => "oversell",
            Self::Restricted => "restricted",
            Self::Breaker => "breaker",
            Self::RepeatedExecution => "repeated_execution",
            Self::MarginBuffer => "margin_buffer",
            Self::LiquidityRatio => "liquidity_ratio",
            Self::LiquidationDistance => "liquidation_distance",
            Self::GrossExposure => "gross_exposure",
            Self::NetExposure => "net_exposure",
            Self::LongExposure => "long_exposure",
            Self::ShortExposure => "short_exposure",
            Self::CapitalThreshold => "capital_threshold",
            Self::DailyLoss => "daily_loss",
            Self::Drawdown => "drawdown",
            Self::VarBudget => "var_budget",
            Self::PriceCollar => "price_collar",
            Self::OrderValue => "order_value",
            Self::OrderVolume => "order_volume",
            Self::MessageRate => "message_rate",
            Self::Deployment => "deployment",
        }
    }
}

/// To which orders a check applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The check.
    pub check: Check,
    /// Whether it applies to orders that may open or enlarge a position.
    pub entries: bool,
    /// Whether it applies to orders that only reduce one.
    pub reductions: bool,
    /// Whether it still applies when limits are off: what the venue itself would refuse, and what must be known to compute at all.
    pub without_limits: bool,
}

const fn row(check: Check, entries: bool, reductions: bool, without_limits: bool) -> Row {
    Row { check, entries, reductions, without_limits }
}

/// The checks by direction, in the order in which they are made: what must be known, the breaker, size, correlation, stop, margin, distance
/// to liquidation, the remaining limits, and what the venue itself would refuse.
pub const CHECKS: [Row; 36] = [
    //                              entries reductions without limits
    row(Check::Paused, true, false, true),
    row(Check::Restricted, true, false, true),
    row(Check::Warmup, true, false, true),
    row(Check::Price, true, false, true),
    row(Check::Equity, true, false, false),
    row(Check::Breaker, true, false, false),
    row(Check::RepeatedExecution, true, false, false),
    row(Check::Duplicate, true, true, true),
    row(Check::SelfMatch, true, true, false),
    row(Check::OpposesOwnPosition, true, false, true),
    row(Check::PositionSize, true, false, false),
    row(Check::PositionCount, true, false, false),
    row(Check::Correlation, true, false, false),
    row(Check::Stop, true, false, true),
    row(Check::Funds, true, false, false),
    row(Check::MarginBuffer, true, false, false),
    row(Check::LiquidityRatio, true, false, false),
    row(Check::LiquidationDistance, true, false, false),
    row(Check::Leverage, true, false, false),
    row(Check::GrossExposure, true, false, false),
    row(Check::NetExposure, true, false, false),
    row(Check::LongExposure, true, false, false),
    row(Check::ShortExposure, true, false, false),
    row(Check::CapitalThreshold, true, false, false),
    row(Check::DailyLoss, true, false, false),
    row(Check::Drawdown, true, false, false),
    row(Check::VarBudget, true, false, false),
    row(Check::PriceCollar, true, false, false),
    row(Check::OrderValue, true, false, false),
    row(Check::OrderVolume, true, false, false),
    row(Check::MessageRate, true, false, false),
    row(Check::Deployment, true, false, false),
    row(Check::Tick, true, true, true),
    row(Check::Lot, true, true, true),
    row(Check::MinNotional, true, false, true),
    row(Check::Oversell, false, true, true),
];

/// What other orders of ours say about this one, told by `execution`, which owns them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnOrders {
    /// The same strategy has an order of the same purpose working in this instrument.
    pub duplicate: bool,
    /// Another order of ours rests where this one would trade with it.
    pub crossing: bool,
    /// Another strategy's entry on the other side of this instrument is on its way.
    pub opposing: bool,
}

/// One order under check, with the numbers that the checks need.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The order.
    pub spec: &'a OrderSpec,
    /// Its instrument.
    pub instrument: &'a Instrument,
    /// Why no quantity could be made of the size that was asked for. The check of the lot says so, after those that explain why nothing
    /// is left.
    pub unsized_because: Option<Refusal>,
    /// The price it is measured at, the one at which it costs most: its limit, else the last price. `None` if there is none.
    pub price: Option<Price>,
    /// The price at which it would fill now: `price`, or the market where that is better. `None` if there is none.
    pub fills_at: Option<Price>,
    /// Quantity x that price, or the amount to spend; rounded up. `None` if there is no price.
    pub notional: Option<Money>,
    /// What it may take of the quote (or settle) asset, fee included, rounded up. `None` if there is no price.
    pub funds: Option<Money>,
    /// Whether a stop was asked for.
    pub stop_asked: bool,
    /// Where its stop would be if it filled now; `None` if none was asked for, or there is no such price.
    pub stop: Option<Price>,
    /// What else of ours is working.
    pub own: OwnOrders,
}

/// Everything a check may look at.
#[derive(Clone, Copy)]
pub struct Bench<'a> {
    /// Engine time.
    pub ts: UnixNanos,
    /// Instruments and their rules.
    pub table: &'a InstrumentTable,
    /// The market.
    pub view: &'a MarketView,
    /// The ledger.
    pub portfolio: &'a Portfolio,
    /// How alike instruments move.
    pub correlation: &'a CorrelationTracker,
    /// Instruments with entries of this account on their way.
    pub exposure: &'a crate::exposure::Exposure,
    /// The mode in force.
    pub mode: Mode,
    /// How the account stands.
    pub standing: &'a Standing,
    /// Instruments and accounts that are not permitted.
    pub restricted: &'a Restricted,
    /// Messages sent.
    pub budget: &'a MessageBudget,
    /// Strategies that repeat themselves.
    pub throttle: &'a Throttle,
    /// How many strategies share the instrument's position limit.
    pub sharers: u32,
    /// What the account holds.
    pub holdings: &'a Holdings,
}

/// Makes the checks of the table that apply, in order.
///
/// # Errors
/// The refusal of the first check that stands against the order.
pub fn run<O: Observer>(
    subject: &Subject<'_>,
    reduction: bool,
    limits: Option<&Limits>,
    bench: &Bench<'_>,
    observer: &mut O,
) -> Result<(), Refusal> {
    for row in &CHECKS {
        let applies = if reduction { row.reductions } else { row.entries };
        if !applies || (limits.is_none() && !row.without_limits) {
            continue;
        }
        let result = one(row.check, subject, limits, bench);
        if O::ACTIVE {
            let (value, limit, passed) = match &result {
                Ok(Measured { value, limit }) => (*value, *limit, true),
                Err(refusal) => (refusal.value.unwrap_or(f64::NAN), refusal.limit.unwrap_or(f64::NAN), false),
            };
            observer.check(bench.ts, &CheckSeen { name: row.check.key(), value, limit, passed });
        }
        result?;
    }
    Ok(())
}

/// What a check that passed has measured, for the observer. NaN where it is a yes or no.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    value: f64,
    limit: f64,
}

/// A check that passed without numbers.
const PASSED: Measured = Measured { value: f64::NAN, limit: f64::NAN };

fn one(check: Check, s: &Subject<'_>, limits: Option<&Limits>, b: &Bench<'_>) -> Result<Measured, Refusal> {
    match (check, limits) {
        (Check::Paused, _) => known::mode_allows(b),
        (Check::Restricted, _) => restricted::check(s, b),
        (Check::Warmup, _) => known::not_warmup(s, b),
        (Check::Price, _) => known::price(s, limits, b),
        (Check::Equity, _) => known::equity(b),
        (Check::Duplicate, _) => own_orders::duplicate(s),
        (Check::SelfMatch, _) => own_orders::self_match(s),
        (Check::OpposesOwnPosition, _) => own_orders::opposes(s, b),
        (Check::Stop, _) => stop::check(s, limits),
        (Check::Tick, _) => venue_rules::tick(s),
        (Check::Lot, _) => venue_rules::lot(s),
        (Check::MinNotional, _) => venue_rules::min_notional(s),
        (Check::Oversell, _) => venue_rules::oversell(s, b),
        (Check::Breaker, Some(limits)) => breaker::check(s, limits, b),
        (Check::RepeatedExecution, Some(limits)) => repeated::check(s, limits, b),
        (Check::PositionSize, Some(limits)) => position_size::check(s, limits, b),
        (Check::PositionCount, Some(limits)) => position_count::check(limits, b),
        (Check::Correlation, Some(limits)) => correlation::check(s, limits, b),
        (Check::Funds, Some(_)) => funds::check(s, b),
        (Check::MarginBuffer, Some(limits)) => margin::buffer(s, limits, b),
        (Check::LiquidityRatio, Some(limits)) => margin::liquidity(s, limits, b),
        (Check::LiquidationDistance, Some(limits)) => liquidation::check(s, limits, b),
        (Check::Leverage, Some(limits)) => leverage::leverage(s, limits, b),
        (Check::GrossExposure, Some(limits)) => leverage::gross(s, limits, b),
        (Check::NetExposure, Some(limits)) => leverage::net(s, limits, b),
        (Check::LongExposure, Some(limits)) => leverage::long(s, limits, b),
        (Check::ShortExposure, Some(limits)) => leverage::short(s, limits, b),
        (Check::CapitalThreshold, Some(limits)) => capital::check(s, limits, b),
        (Check::DailyLoss, Some(limits)) => loss::daily(limits, b),
        (Check::Drawdown, Some(limits)) => loss::drawdown(limits, b),
        (Check::VarBudget, Some(limits)) => var::check(s, limits, b),
        (Check::PriceCollar, Some(limits)) => collar::check(s, limits, b),
        (Check::OrderValue, Some(limits)) => order_size::value(s, limits),
        (Check::OrderVolume, Some(limits)) => order_size::volume(s, limits),
        (Check::MessageRate, Some(limits)) => message_rate::check(s, limits, b),
        (Check::Deployment, Some(limits)) => deployment::check(s, limits, b),
        // `run` never asks for these without limits.
        (
            Check::Breaker
            | Check::RepeatedExecution
            | Check::PositionSize
            | Check::PositionCount
            | Check::Correlation
            | Check::Funds
            | Check::MarginBuffer
            | Check::LiquidityRatio
            | Check::LiquidationDistance
            | Check::Leverage
            | Check::GrossExposure
            | Check::NetExposure
            | Check::LongExposure
            | Check::ShortExposure
            | Check::CapitalThreshold
            | Check::DailyLoss
            | Check::Drawdown
            | Check::VarBudget
            | Check::PriceCollar
            | Check::OrderValue
            | Check::OrderVolume
            | Check::MessageRate
            | Check::Deployment,
            None,
        ) => Ok(PASSED),
    }
}

/// What all limits that are held by size still allow to an entry, in quote: what [`SizeRequest::Cap`](domain::SizeRequest::Cap) asks for.
/// `None` if something needed is unknown; zero where nothing is left. Funds are not among them.
#[must_use]
pub(crate) fn room(limits: &Limits, e: &Entering<'_>, b: &Bench<'_>) -> Option<Money> {
    let h = b.holdings;
    let mut least = position_size::room(limits, h, b.sharers)?;
    if let Breaker::HalfOpen { probe_free: true } = b.standing.breaker(e.strategy) {
        let probe = breaker::cap(limits, h.equity?, b.sharers)?;
        least = least.min(probe.checked_sub(h.gross_strategy?)?);
    }
    least = least.min(margin::room(limits, e.instrument, h.margin.as_ref()?)?);
    least = least.min(liquidation::room(limits, e.instrument, e.side, h.margin.as_ref()?)?);
    least = least.min(leverage::room(limits, h, b.standing, e.side)?);
    least = least.min(capital::room(limits, h)?);
    least = least.min(var::room(limits, e.account, e.instrument.idx, b)?);
    least = least.min(order_size::room(limits, e.instrument, e.price)?);
    if let Some(step) = limits.deployment() {
        least = least.min(deployment::room(step, h)?);
    }
    Some(least.max(Money::ZERO))
}

/// One-day value at risk of what an account holds and has on its way, in quote: the sum that the check holds to its budget.
pub(crate) fn var_used(account: AccountId, b: &Bench<'_>) -> Reading {
    if b.standing.var_rates.is_empty() { Reading::NotConfigured } else { Reading::known(var::used(account, b)) }
}

/// The notional that funds cover, fee included; `None` on overflow.
pub(crate) fn funds_room(instrument: &Instrument, free: Money) -> Option<Money> {
    margin::notional_of(free, instrument)
}

/// Who enters, in what, which way, measured at which price.
pub(crate) struct Entering<'a> {
    pub account: AccountId,
    pub strategy: StrategyIdx,
    pub instrument: &'a Instrument,
    pub side: Side,
    pub price: Price,
}

/// Whether two instruments are the same one, on one venue or on two.
pub(crate) fn same_market(other: InstrumentIdx, instrument: &Instrument, table: &InstrumentTable) -> bool {
    let exchanged = |i: &Instrument| (i.kind, i.base, i.quote);
    other == instrument.idx || table.get(other).is_some_and(|other| exchanged(other) == exchanged(instrument))
}

/// Whether a position is too small to be traded away. What has no price is a position.
pub(crate) fn is_dust(held_in: InstrumentIdx, quantity: Quantity, table: &InstrumentTable, view: &MarketView) -> bool {
    let rules = table.get(held_in).zip(view.mark(held_in));
    quantity.is_zero()
        || rules.is_some_and(|(rules, mark)| portfolio::dust::is_dust(rules, quantity, rules.price(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deny_reason::DenyReason;
    use crate::limits::{Limits, Profile};
    use crate::stage::{ACCOUNT, Stage};
    use domain::{Entry, MarketFlags, OrderType, Rate, Signal, StopPlan};

    const BTC: InstrumentIdx = InstrumentIdx(0);

    /// One order, and a world in which everything else is in order.
    struct Case {
        stage: Stage,
        entry: Signal,
        reduction: OrderSpec,
        own: OwnOrders,
    }

    /// Strategy 0 is long 1 BTC at 100; it buys half of one, or sells one.
    fn sound(profile: Profile) -> Case {
        let mut stage = Stage::new(profile);
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        stage.trade(0, btc, Side::Buy, "1", 100);
        let entry = stage.long(btc, "0.5");
        let reduction = stage.order(btc, Side::Sell, OrderType::Market, "1");
        Case { stage, entry, reduction, own: OwnOrders::default() }
    }

    /// The sound case with the one thing that a check stands against, and what it says.
    fn spoilt(check: Check, off: bool) -> (Case, DenyReason) {
        let hard = Limits::default();
        let little = Rate::from_bps(140);
        let limits = match check {
            Check::PositionCount => Limits { positions_max: 1, ..hard },
            Check::Leverage => Limits { leverage_max: little, ..hard },
            Check::RepeatedExecution => Limits { repeats_max: 1, ..hard },
            Check::MarginBuffer => Limits { margin_buffer_min: Rate::from_raw(5_000 * Rate::ONE.raw()), ..hard },
            Check::LiquidityRatio => Limits { liquidity_ratio_min: Rate::from_raw(5_000 * Rate::ONE.raw()), ..hard },
            Check::LiquidationDistance => {
                Limits { liquidation_distance_min: Rate::from_raw(100 * Rate::ONE.raw()), ..hard }
            }
            Check::GrossExposure => Limits { gross_exposure_max: little, ..hard },
            Check::NetExposure => Limits { net_exposure_max: little, ..hard },
            Check::LongExposure => Limits { long_exposure_max: little, ..hard },
            Check::ShortExposure => Limits { short_exposure_max: Rate::from_bps(40), ..hard },
            Check::CapitalThreshold => Limits { capital_max: Money::from_units(140), ..hard },
            Check::OrderValue => Limits { order_value_max: Money::from_units(40), ..hard },
            Check::MessageRate => Limits { entry_messages_max: 1, ..hard },
            Check::Deployment => Limits { deployment_step: 1, ..hard },
            Check::Lot => Limits { order_volume_max: Rate::from_raw(10 * Rate::ONE.raw()), ..hard },
            _ => hard,
        };
        let mut c = sound(if off { Profile::Off } else { Profile::Research(limits) });
        let reason = match check {
            Check::Paused => {
                c.stage.mode = Mode::Reduced;
                DenyReason::Paused
            }
            Check::Restricted => {
                c.stage.gate.restrict(|list| list.add_instrument(BTC));
                DenyReason::Restricted
            }
            Check::Breaker => {
                c.stage.standing.strategies = vec![Breaker::Open];
                DenyReason::BreakerOpen
            }
            Check::RepeatedExecution => {
                c.stage.enter(&c.entry).map(|e| c.stage.gate.release(e.reservation)).unwrap();
                DenyReason::RepeatedExecution
            }
            Check::MarginBuffer => DenyReason::MarginBuffer,
            Check::LiquidityRatio => DenyReason::LiquidityRatio,
            Check::LiquidationDistance => DenyReason::LiquidationDistance,
            Check::GrossExposure => DenyReason::GrossExposure,
            Check::NetExposure => DenyReason::NetExposure,
            Check::LongExposure => DenyReason::LongExposure,
            Check::ShortExposure => {
                c.entry = c.stage.short(BTC, "0.5");
                DenyReason::ShortExposure
            }
            Check::CapitalThreshold => DenyReason::CapitalThreshold,
            Check::DailyLoss => {
                c.stage.standing.day_loss = Reading::Is(0.03);
                DenyReason::DailyLoss
            }
            Check::Drawdown => {
                c.stage.standing.drawdown = Reading::Is(0.2);
                DenyReason::Drawdown
            }
            Check::VarBudget => {
                c.stage.standing.var_rates = vec![Reading::Unknown];
                DenyReason::VarUnknown
            }
            Check::PriceCollar => {
                c.entry.entry = Entry::Limit(testkit::price("94"));
                DenyReason::PriceCollar
            }
            Check::OrderValue => DenyReason::OrderValue,
            Check::OrderVolume => {
                c.stage.rules(BTC, |i| i.max_quantity = testkit::quantity("0.9"));
                c.reduction.quantity = domain::OrderQuantity::Base(testkit::quantity("0.9"));
                DenyReason::OrderVolume
            }
            Check::MessageRate => {
                c.stage.gate.count_message(ACCOUNT, c.stage.ts);
                DenyReason::MessageRate
            }
            Check::Deployment => {
                c.stage.trade(1, BTC, Side::Buy, "0.1", 100);
                DenyReason::Deployment
            }
            Check::Warmup => {
                c.stage.print(BTC, 100_000_000, MarketFlags::WARMUP);
                DenyReason::Warmup
            }
            Check::Price => {
                c.stage.print(BTC, 0, MarketFlags::default());
                DenyReason::PriceUnknown
            }
            Check::Equity => {
                let asset = c.stage.table.asset("SOL", 8).unwrap();
                c.stage.portfolio.transfer(ACCOUNT, asset, Money::from_units(1)).unwrap();
                DenyReason::EquityUnknown
            }
            Check::Duplicate => {
                c.own.duplicate = true;
                DenyReason::Duplicate
            }
            Check::SelfMatch => {
                c.own.crossing = true;
                DenyReason::SelfMatch
            }
            Check::OpposesOwnPosition => {
                c.stage.trade(1, BTC, Side::Sell, "0.2", 100);
                DenyReason::OpposesOwnPosition
            }
            Check::PositionSize => {
                c.stage.trade(0, BTC, Side::Buy, "0.6", 100);
                DenyReason::PositionSize
            }
            Check::PositionCount => {
                let other = c.stage.elsewhere(BTC);
                c.stage.mark(other, 10);
                c.stage.trade(0, other, Side::Buy, "1", 10);
                DenyReason::PositionCount
            }
            Check::Correlation => {
                let eth = c.stage.perpetual("ETHUSDT");
                c.stage.mark(eth, 100);
                c.stage.trade(1, eth, Side::Buy, "1", 100);
                DenyReason::CorrelationUnknown
            }
            Check::Stop => {
                c.entry.stop = Some(StopPlan::Price(testkit::price("101")));
                DenyReason::StopInvalid
            }
            Check::Funds => {
                let key = (ACCOUNT, BTC, StrategyIdx(9));
                let all = Money::from_units(9_994);
                assert!(
                    c.stage.gate.exposure_mut().reserve(key, crate::stage::USDT, Side::Buy, Money::ZERO, all).is_some()
                );
                DenyReason::InsufficientFunds
            }
            Check::Leverage => DenyReason::Leverage,
            Check::Tick => {
                let off_tick = testkit::price("99.0000005");
                c.entry.entry = Entry::Limit(off_tick);
                c.reduction.kind = OrderType::Limit { price: off_tick };
                DenyReason::Tick
            }
            Check::Lot => {
                c.stage.rules(BTC, |i| i.max_quantity = testkit::quantity("0.4"));
                DenyReason::Lot
            }
            Check::MinNotional => {
                c.stage.rules(BTC, |i| i.min_notional = Money::from_units(120));
                DenyReason::MinNotional
            }
            Check::Oversell => {
                c.stage.trade(0, BTC, Side::Sell, "0.1", 100);
                DenyReason::Oversell
            }
        };
        (c, reason)
    }

    #[test]
    fn every_row_refuses_exactly_what_the_table_says() {
        for row in &CHECKS {
            for off in [false, true] {
                let in_force = !off || row.without_limits;
                let (mut c, reason) = spoilt(row.check, off);
                let entry = c.stage.enter_beside(&c.entry, c.own).err().map(|r| r.reason);
                let expected = (row.entries && in_force).then_some(reason);
                assert_eq!(entry, expected, "entry, {:?}, limits off: {off}", row.check);
                let (mut c, reason) = spoilt(row.check, off);
                let reduction = c.stage.reduce(c.reduction, c.own).err().map(|r| r.reason);
                let expected = (row.reductions && in_force).then_some(reason);
                assert_eq!(reduction, expected, "reduction, {:?}, limits off: {off}", row.check);
            }
        }
        for profile in [Profile::standard(), Profile::Off] {
            let mut c = sound(profile);
            c.stage.reduce(c.reduction, c.own).unwrap();
            c.stage.enter(&c.entry).unwrap();
        }
    }

    #[test]
    fn a_reduction_faces_tick_lot_oversell_duplicate_and_self_match_alone() {
        let reductions: Vec<Check> = CHECKS.iter().filter(|row| row.reductions).map(|row| row.check).collect();
        assert_eq!(reductions, [Check::Duplicate, Check::SelfMatch, Check::Tick, Check::Lot, Check::Oversell]);
    }

    #[test]
    fn an_observer_hears_every_check_up_to_the_refusal() {
        #[derive(Default)]
        struct Heard(Vec<(&'static str, bool)>);
        impl Observer for Heard {
            fn check(&mut self, _: UnixNanos, seen: &CheckSeen) {
                self.0.push((seen.name, seen.passed));
            }
        }
        let (c, _) = spoilt(Check::PositionSize, false);
        let Stage { table, view, portfolio, mut gate, ts, standing, .. } = c.stage;
        let (table, view, portfolio, standing) = (&table, &view, &portfolio, &standing);
        let scene = crate::Scene { ts, table, view, portfolio, mode: Mode::Normal, standing };
        let spec = OrderSpec { side: Side::Buy, ..c.reduction };
        let validated = crate::validate::validate(&c.entry).unwrap();
        let mut heard = Heard::default();
        gate.check_entry(&validated, crate::EntryIntent { spec, own: c.own }, &scene, &mut heard).unwrap_err();
        let names: Vec<&str> = heard.0.iter().map(|(name, _)| *name).collect();
        let before = CHECKS.iter().filter(|row| row.entries).map(|row| row.check.key());
        assert_eq!(names, before.take(names.len()).collect::<Vec<_>>());
        assert_eq!(heard.0.last(), Some(&("position_size", false)));
        assert!(heard.0.iter().rev().skip(1).all(|(_, passed)| *passed));
    }
}
