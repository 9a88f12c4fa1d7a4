//! The pre-trade checks, one file each, and the table that says which of them apply to entries and which also to reductions.
//!
//! In:  one order with its numbers, and what the account holds.
//! Out: nothing, or the [`Refusal`] of the first check that stands against it.
//! What a check cannot know it refuses; a reduction is never refused for stale data or limits.

mod correlation;
mod funds;
mod known;
mod leverage;
mod own_orders;
mod position_count;
mod position_size;
mod stop;
mod venue_rules;

use crate::correlation::CorrelationTracker;
use crate::deny_reason::Refusal;
use crate::limits::Limits;
use domain::observe::CheckSeen;
use domain::{
    Instrument, InstrumentIdx, InstrumentTable, MarketView, Mode, Money, Observer, OrderSpec, Price, Quantity,
    UnixNanos,
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
    /// Gross exposure stays within its multiple of equity.
    Leverage,
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

/// The checks by direction, in the order in which they are made.
pub const CHECKS: [Row; 17] = [
    //                              entries reductions without limits
    row(Check::Paused, true, false, true),
    row(Check::Warmup, true, false, true),
    row(Check::Price, true, false, true),
    row(Check::Equity, true, false, false),
    row(Check::Duplicate, true, true, true),
    row(Check::SelfMatch, true, true, false),
    row(Check::OpposesOwnPosition, true, false, true),
    row(Check::PositionSize, true, false, false),
    row(Check::PositionCount, true, false, false),
    row(Check::Correlation, true, false, false),
    row(Check::Stop, true, false, true),
    row(Check::Funds, true, false, false),
    row(Check::Leverage, true, false, false),
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

/// What the account holds, measured once for all checks. Amounts are in quote at the last price, rounded up.
#[derive(Clone, Copy, Debug)]
pub struct Holdings {
    /// Equity in the report currency; `None` if it is not known or no check needs it.
    pub equity: Option<Money>,
    /// Gross exposure of all positions and entries on their way; `None` if a price is missing.
    pub gross: Option<Money>,
    /// The part of that in this instrument, on this venue and others.
    pub gross_instrument: Option<Money>,
    /// The part of that which is this strategy's.
    pub gross_strategy: Option<Money>,
    /// Instruments with a position or an entry on its way.
    pub positions: u32,
    /// Whether this instrument is one of them.
    pub held_already: bool,
    /// Quote (or settle) currency that no order has reserved; for perpetuals what margin does not bind.
    pub free: Money,
    /// This strategy's position.
    pub own_position: Quantity,
    /// The account's position in the instrument, all strategies together.
    pub net_position: Quantity,
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
        (Check::Warmup, _) => known::not_warmup(s, b),
        (Check::Price, _) => known::price(s, limits, b),
        (Check::Equity, _) => known::equity(b),
        (Check::Duplicate, _) => own_orders::duplicate(s),
        (Check::SelfMatch, _) => own_orders::self_match(s),
        (Check::OpposesOwnPosition, _) => own_orders::opposes(s, b),
        (Check::Tick, _) => venue_rules::tick(s),
        (Check::Lot, _) => venue_rules::lot(s),
        (Check::MinNotional, _) => venue_rules::min_notional(s),
        (Check::Oversell, _) => venue_rules::oversell(s, b),
        (Check::PositionSize, Some(limits)) => position_size::check(s, limits, b),
        (Check::PositionCount, Some(limits)) => position_count::check(limits, b),
        (Check::Correlation, Some(limits)) => correlation::check(s, limits, b),
        (Check::Stop, _) => stop::check(s, limits),
        (Check::Funds, Some(_)) => funds::check(s, b),
        (Check::Leverage, Some(limits)) => leverage::check(s, limits, b),
        // `run` never asks for these without limits.
        (Check::PositionSize | Check::PositionCount | Check::Correlation | Check::Funds | Check::Leverage, None) => {
            Ok(PASSED)
        }
    }
}

pub use position_size::room;

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
    use domain::{Entry, MarketFlags, OrderType, Rate, Side, Signal, StopPlan, StrategyIdx};

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
        let limits = match check {
            Check::PositionCount => Limits { positions_max: 1, ..Limits::default() },
            Check::Leverage => Limits { leverage_max: Rate::from_bps(140), ..Limits::default() },
            _ => Limits::default(),
        };
        let mut c = sound(if off { Profile::Off } else { Profile::Research(limits) });
        let reason = match check {
            Check::Paused => {
                c.stage.mode = Mode::Reduced;
                DenyReason::Paused
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
                assert!(c.stage.gate.exposure_mut().reserve(key, crate::stage::USDT, Money::ZERO, all).is_some());
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
        let Stage { table, view, portfolio, mut gate, ts, .. } = c.stage;
        let scene = crate::Scene { ts, table: &table, view: &view, portfolio: &portfolio, mode: Mode::Normal };
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
