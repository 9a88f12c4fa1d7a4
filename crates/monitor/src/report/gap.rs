//! What a gap report says: a session beside the backtest that would have been believed, and what made the difference.
//!
//! Plain data, filled by the program; as JSON it is what `bot4 gap --json` prints. Amounts are exact decimals in the quote asset.

use serde::Serialize;
use std::collections::BTreeMap;

/// An exact amount in the quote asset: the decimal as text, and its nearest double for pictures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amount {
    /// The exact decimal.
    pub exact: String,
    /// The nearest double.
    pub value: f64,
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.exact)
    }
}

/// One of the two: the plain backtest, or the session.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GapSide {
    /// Value of the account at the end.
    pub equity: Amount,
    /// The same less the cash at the start.
    pub pnl: Amount,
    /// Orders that were sent.
    pub orders: u64,
    /// Fills.
    pub fills: u64,
    /// Fees paid.
    pub fees: Amount,
    /// Refusals of the gate, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// What the venue refused or ended by itself, by reason.
    pub venue_rejects: BTreeMap<String, u64>,
}

/// How a part was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// By playing with and without the assumption.
    Measured,
    /// Both assume the same: exactly nothing.
    Same,
    /// The data cannot show it: there is no figure.
    NotInTheseData,
}

/// The part of the gap that one assumption has.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapPart {
    /// Its key: latency, queue, slippage, fees, rejects or signal.
    pub key: String,
    /// How it was found.
    pub state: PartState,
    /// What changes with it, or why there is no figure.
    pub what: String,
    /// The part, in the order of the ladder; none where the data cannot show it.
    pub amount: Option<Amount>,
    /// The value of the account at the end on this rung.
    pub equity: Option<Amount>,
    /// The smallest part over the orders of the rungs that were played.
    pub low: Option<Amount>,
    /// The largest.
    pub high: Option<Amount>,
    /// The mean over all orders (Shapley value); none where not all were played.
    pub mean: Option<Amount>,
}

/// One UTC day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapDay {
    /// The day, `2021-05-19`.
    pub date: String,
    /// Its beginning, in milliseconds since 1970 UTC.
    pub ts: i64,
    /// Profit of the plain backtest.
    pub backtest: Amount,
    /// Profit of the session.
    pub session: Amount,
    /// The second less the first.
    pub gap: Amount,
    /// The parts that have a figure, by key, in the order of the ladder; they sum to the gap.
    #[serde(serialize_with = "as_object")]
    pub parts: Vec<(String, Amount)>,
}

fn as_object<S: serde::Serializer>(parts: &[(String, Amount)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(parts.iter().map(|(key, amount)| (key, amount)))
}

/// One point of both curves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GapPoint {
    /// Milliseconds since 1970 UTC.
    pub ts: i64,
    /// Value of the account in the plain backtest.
    pub backtest: f64,
    /// Value of the account in the session.
    pub session: f64,
}

/// How far the orders of both are alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GapOrders {
    /// The same decision at the same time.
    pub same_time: u64,
    /// The same decision at about the same time.
    pub near: u64,
    /// In the backtest alone.
    pub backtest_only: u64,
    /// In the session alone.
    pub session_only: u64,
    /// Of those beside each other: filled in both.
    pub both_filled: u64,
    /// Of those beside each other: with the same traded quantity.
    pub same_quantity: u64,
    /// Of those filled in both: at the same average price.
    pub same_price: u64,
}

/// One order as one of the two traded it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapFill {
    /// Our number of it.
    pub client_id: String,
    /// When it was sent, in milliseconds since 1970 UTC.
    pub ts: i64,
    /// When it was filled first.
    pub filled_ts: Option<i64>,
    /// How much was traded.
    pub quantity: Amount,
    /// Average price; none where nothing was traded.
    pub price: Option<f64>,
    /// Fees in quote.
    pub fees: Amount,
}

/// One decision beside itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GapDifference {
    /// The instrument.
    pub symbol: String,
    /// Number of the strategy.
    pub strategy: u16,
    /// Its name.
    pub name: String,
    /// `buy` or `sell`.
    pub side: String,
    /// What it does at the venue.
    pub kind: String,
    /// What the backtest made of it; none where it did not send it.
    pub backtest: Option<GapFill>,
    /// What the session made of it.
    pub session: Option<GapFill>,
    /// What the session's price cost more, over what it traded, in quote.
    pub price_cost: Option<f64>,
    /// What the session paid more in fees, in quote.
    pub fee_cost: f64,
}

/// A gap report.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GapReport {
    /// Name of the run.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// The quote asset.
    pub quote: String,
    /// From when, in milliseconds since 1970 UTC.
    pub start_ts: i64,
    /// Until when.
    pub end_ts: i64,
    /// Whether the run has ended: its journal is sealed. If not, the report reaches as far as the record.
    pub complete: bool,
    /// The build that recorded the session.
    pub recorded_by: String,
    /// The build that played it again.
    pub replayed_by: String,
    /// Records that were compared with what this build decides, and equal.
    pub records: u64,
    /// The first place where this build decides otherwise than the record.
    pub difference: Option<String>,
    /// Interruptions after which the session went on.
    pub recoveries: u64,
    /// Words from outside that stand in the record.
    pub outside: u64,
    /// Cash at the start.
    pub cash: Amount,
    /// The backtest that would have been believed.
    pub backtest: GapSide,
    /// The session as it was recorded.
    pub session: GapSide,
    /// Value of the session less that of the backtest.
    pub gap: Amount,
    /// Its parts, in the order of the ladder, then the rest.
    pub parts: Vec<GapPart>,
    /// How many times the data were played.
    pub playings: u64,
    /// Over how many orders of the rungs the ranges are.
    pub orders_of_rungs: u64,
    /// Day by day.
    pub days: Vec<GapDay>,
    /// Both curves, by hour.
    pub curve: Vec<GapPoint>,
    /// How far the orders are alike.
    pub matched: GapOrders,
    /// Decisions that both traded, with the largest differences of price and fees first.
    pub differences: Vec<GapDifference>,
    /// Decisions that only one of the two traded, the largest first.
    pub alone: Vec<GapDifference>,
    /// What both assume, whatever the rung.
    pub common: Vec<String>,
    /// What should be known before the figures are trusted.
    pub notes: Vec<String>,
}
