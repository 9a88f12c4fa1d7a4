//! What an explanation says: the facts, as one object for programs; `text` makes sentences of it and `picture` an image.
//!
//! Times are integer milliseconds since 1970 UTC, `seq` is the number of an event (its correlation id), amounts are in the asset named.

use crate::explain::rerun::Replayed;
use crate::explain::scan::Purpose;
use serde::Serialize;
use std::collections::BTreeMap;

/// Why an order left and what became of it, or why a signal was refused.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The whole in a few sentences.
    pub summary: Vec<String>,
    /// The instrument.
    pub symbol: String,
    /// The asset bought and sold.
    pub base: String,
    /// The asset that prices, amounts and profit are in.
    pub quote: String,
    /// The strategy.
    pub strategy: StrategyFacts,
    /// The market event (or other event) that the strategy decided on.
    pub event: Option<EventFacts>,
    /// What it saw.
    pub indicators: Vec<IndicatorFacts>,
    /// The rule that was met, with its numbers, where it can be said.
    pub rule: Option<String>,
    /// What it wanted.
    pub signal: Option<SignalFacts>,
    /// What the first gate said of the signal.
    pub validation: Option<ValidationFacts>,
    /// The event on which the order left, or was refused, where that is another one.
    pub cause: Option<EventFacts>,
    /// How the size was arrived at; entries only.
    pub size: Option<SizeFacts>,
    /// The clamps that its size went through, in order; entries under limits only.
    pub clamps: Vec<ClampFacts>,
    /// All pre-trade checks in their order.
    pub checks: Vec<CheckFacts>,
    /// Why it was refused.
    pub refusal: Option<RefusalFacts>,
    /// The order.
    pub order: Option<OrderFacts>,
    /// The order's life at the venue.
    pub life: Vec<LifeFacts>,
    /// What was traded.
    pub execution: Option<ExecutionFacts>,
    /// The entry whose position this order closes or protects.
    pub entry: Option<OrderFacts>,
    /// The other orders of the position: what protected it and what closed it.
    pub others: Vec<OrderFacts>,
    /// The round trip.
    pub trade: Option<TradeFacts>,
    /// How it was found out.
    pub replay: Replayed,
}

/// A strategy.
#[derive(Clone, Debug, Serialize)]
pub struct StrategyFacts {
    /// Its number.
    pub number: u16,
    /// Its name.
    pub name: String,
    /// Its parameters as they were given; those not named have their defaults.
    pub params: String,
    /// What it does.
    pub summary: String,
    /// Length of its bars in seconds; null for every event as it comes.
    pub bar_s: Option<u32>,
}

/// An event.
#[derive(Clone, Debug, Serialize)]
pub struct EventFacts {
    /// Its number in the run, which every decision made on it carries: the correlation id.
    pub seq: u64,
    /// Engine time.
    pub ts: i64,
    /// What kind of event.
    pub kind: &'static str,
    /// In words.
    pub text: String,
    /// Its numbers by name.
    pub numbers: BTreeMap<&'static str, f64>,
    /// The strategy's own bar that was finished by it, where bars are longer than the input's.
    pub bar: Option<BarFacts>,
}

/// A bar.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct BarFacts {
    /// Its beginning.
    pub ts: i64,
    /// Its length in seconds.
    pub seconds: u32,
    /// First price.
    pub open: f64,
    /// Highest.
    pub high: f64,
    /// Lowest.
    pub low: f64,
    /// Last.
    pub close: f64,
}

/// An indicator.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct IndicatorFacts {
    /// Its name.
    pub name: &'static str,
    /// Its value on the bar before.
    pub before: Option<f64>,
    /// Its value after the event.
    pub now: f64,
}

/// A signal.
#[derive(Clone, Debug, Serialize)]
pub struct SignalFacts {
    /// The event on which it was said.
    pub seq: u64,
    /// Engine time.
    pub ts: i64,
    /// `enter-long`, `enter-short`, `exit`.
    pub intent: domain::Intent,
    /// The size asked for, in words.
    pub size: String,
    /// The price asked for, in words.
    pub entry: String,
    /// The stop asked for, in words; null if none.
    pub stop: Option<String>,
    /// The target asked for.
    pub target: Option<f64>,
    /// How sure, from 0 to 1.
    pub confidence: f64,
    /// The price that the strategy saw.
    pub reference: Option<f64>,
    /// What is known of the strategy's past, in words; null where nothing is.
    pub statistics: Option<String>,
}

/// The first gate.
#[derive(Clone, Debug, Serialize)]
pub struct ValidationFacts {
    /// Whether it let the signal pass.
    pub passed: bool,
    /// What it looked at, in words.
    pub text: String,
}

/// One pre-trade check.
#[derive(Clone, Debug, Serialize)]
pub struct CheckFacts {
    /// Its key.
    pub check: &'static str,
    /// What it asks.
    pub asks: &'static str,
    /// `passed`, `refused`, `not-applicable` or `not-reached`.
    pub result: &'static str,
    /// What was measured; null for yes and no.
    pub value: Option<f64>,
    /// What is allowed.
    pub limit: Option<f64>,
    /// What both are in.
    pub unit: String,
    /// Measured against allowed in words, or why it was not made.
    pub text: String,
}

/// How the size of an entry was arrived at.
#[derive(Clone, Debug, Serialize)]
pub struct SizeFacts {
    /// What was asked for, in words.
    pub asked: String,
    /// The price it is measured at.
    pub price: Option<f64>,
    /// The account's equity.
    pub equity: Option<f64>,
    /// Free funds.
    pub free: Option<f64>,
    /// What the instrument may hold altogether, in quote.
    pub instrument_limit: Option<f64>,
    /// This strategy's share of it, in quote.
    pub strategy_limit: Option<f64>,
    /// How many strategies share the instrument's limit.
    pub sharers: u32,
    /// What is held or on its way in the instrument.
    pub held_instrument: Option<f64>,
    /// What of that is the strategy's.
    pub held_strategy: Option<f64>,
    /// What the position limits still allow.
    pub room: Option<f64>,
    /// The result, in words.
    pub result: String,
    /// The steps, in words.
    pub steps: Vec<String>,
}

/// One clamp of the size of an entry.
#[derive(Clone, Debug, Serialize)]
pub struct ClampFacts {
    /// Its key.
    pub clamp: &'static str,
    /// What it rests on.
    pub rests_on: &'static str,
    /// `no-input`, `not-known`, `unchanged`, `reduced` or `nothing-left`.
    pub result: &'static str,
    /// The number that it rests on; null where there is none.
    pub input: Option<f64>,
    /// What that is in.
    pub unit: String,
    /// The size before it, in quote.
    pub before: f64,
    /// The size after it, in quote.
    pub after: f64,
    /// All of it in words.
    pub text: String,
}

/// A refusal.
#[derive(Clone, Debug, Serialize)]
pub struct RefusalFacts {
    /// The event.
    pub seq: u64,
    /// Engine time.
    pub ts: i64,
    /// Its key.
    pub reason: &'static str,
    /// In words.
    pub text: String,
    /// What was measured.
    pub value: Option<f64>,
    /// What is allowed.
    pub limit: Option<f64>,
    /// What both are in.
    pub unit: String,
    /// The largest amount, in quote, that this check would have let pass.
    pub largest_safe: Option<f64>,
    /// What was held when it was refused, dust left out; empty in lists.
    pub held: Vec<HeldFacts>,
}

/// A position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeldFacts {
    /// Whose.
    pub strategy: u16,
    /// In what.
    pub symbol: String,
    /// How much: positive is long.
    pub quantity: f64,
}

/// An order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderFacts {
    /// Its number, as people type it.
    pub ordinal: u64,
    /// Its client order id.
    pub id: String,
    /// The event on which it left.
    pub seq: u64,
    /// Engine time of that.
    pub ts: i64,
    /// What it is for.
    pub purpose: Purpose,
    /// `buy` or `sell`.
    pub side: &'static str,
    /// `market`, `stop-market`, ...
    pub kind: &'static str,
    /// What it does at the venue, in words.
    pub does: String,
    /// Units of base, where it is a quantity.
    pub quantity: Option<f64>,
    /// What it may spend, in quote, where it is an amount.
    pub amount: Option<f64>,
    /// Quantity or amount in words.
    pub size: String,
    /// Its limit price.
    pub limit_price: Option<f64>,
    /// Its trigger price.
    pub trigger: Option<f64>,
    /// How long it works.
    pub time_in_force: String,
    /// Whether it may only reduce a position.
    pub reduce_only: bool,
    /// Whether it is refused rather than filled as a taker.
    pub post_only: bool,
    /// Where it is at the end of the record.
    pub status: domain::OrderStatus,
    /// Whether the gate word stopped it as it was about to leave: it never left.
    pub stopped: bool,
    /// The event on which it ended.
    pub ended_seq: Option<u64>,
    /// Engine time of that.
    pub ended_ts: Option<i64>,
    /// How much of it was filled.
    pub filled: f64,
    /// At which average price.
    pub average_price: Option<f64>,
}

/// Something that happened to an order.
#[derive(Clone, Debug, Serialize)]
pub struct LifeFacts {
    /// The event.
    pub seq: u64,
    /// Engine time.
    pub ts: i64,
    /// `sent`, `accepted`, `triggered`, `filled`, `cancel-sent`, `canceled`, `rejected`, `expired`, ...
    pub what: &'static str,
    /// In words.
    pub text: String,
    /// A fill's price.
    pub price: Option<f64>,
    /// A fill's quantity.
    pub quantity: Option<f64>,
    /// A fill's fee, in `fee_asset`.
    pub fee: Option<f64>,
    /// The asset of the fee.
    pub fee_asset: Option<String>,
    /// `maker` or `taker`.
    pub liquidity: Option<&'static str>,
}

/// What was traded.
#[derive(Clone, Debug, Serialize)]
pub struct ExecutionFacts {
    /// Fills.
    pub fills: u32,
    /// Units of base.
    pub quantity: f64,
    /// Average price.
    pub average_price: f64,
    /// Fees, valued in quote; null where a fill was not seen.
    pub fees: Option<f64>,
    /// The price that was decided at: what the strategy saw, or the trigger.
    pub decision_price: Option<f64>,
    /// What the fills were worse than that by, in quote (negative: better).
    pub slippage: Option<f64>,
    /// The same in basis points.
    pub slippage_bps: Option<f64>,
    /// Seconds from leaving to the first fill.
    pub waited_s: f64,
}

/// A round trip.
#[derive(Clone, Debug, Serialize)]
pub struct TradeFacts {
    /// Whether the position is still open at the end of the record.
    pub open: bool,
    /// `long` or `short`.
    pub side: &'static str,
    /// First fill.
    pub entry_ts: i64,
    /// Last fill.
    pub exit_ts: Option<i64>,
    /// Seconds in between.
    pub holding_s: Option<f64>,
    /// All that was entered.
    pub quantity: f64,
    /// Average price of the entry.
    pub entry_price: f64,
    /// Average price of the exit.
    pub exit_price: Option<f64>,
    /// Profit before fees, in quote; of an open position what is realised so far.
    pub gross: f64,
    /// Fees, in quote.
    pub fees: f64,
    /// Profit after fees, in quote.
    pub net: f64,
    /// That as a fraction of what was paid for the position.
    pub net_return: Option<f64>,
    /// Best price between entry and exit (whole candles in between, and the exit itself) beyond the entry price, in quote per unit.
    pub best: Option<f64>,
    /// Worst such price short of the entry price, in quote per unit.
    pub worst: Option<f64>,
    /// The order that closed it.
    pub closed_by: Option<u64>,
    /// What is not in the figures above, where there is something.
    pub without: Option<&'static str>,
}
