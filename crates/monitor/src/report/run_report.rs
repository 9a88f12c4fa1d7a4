//! What a report is made of: plain data, as a run leaves it in its folder.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// What it is called: the name of its folder.
    pub name: String,
    /// What it says of itself.
    pub summary: RunSummary,
    /// Closed round trips, by exit.
    pub trades: Vec<Trade>,
    /// The account's value, a row an hour, by time.
    pub equity: Vec<EquityRow>,
    /// Bars of the marks, by time.
    pub marks: Vec<MarkRow>,
}

/// `summary.json`. What older runs did not write is empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// `backtest` or `paper`.
    pub run: String,
    /// `standard`, `research` or `off`.
    pub risk_profile: String,
    /// First time of the data, ms since 1970 UTC.
    pub start_ts: Option<i64>,
    /// Last time of the data, ms since 1970 UTC.
    pub end_ts: Option<i64>,
    /// The instruments.
    pub symbols: Vec<String>,
    /// The strategies with their parameters, by number.
    pub strategies: Vec<String>,
    /// The asset that amounts are in.
    #[serde(default)]
    pub quote: String,
    /// Market rows.
    pub events: u64,
    /// Cash at the start.
    pub initial_cash: f64,
    /// Value of the account at the end, if every price was known.
    pub final_equity: Option<f64>,
    /// Return over the run.
    pub total_return: Option<f64>,
    /// Fees paid.
    pub fees_paid: f64,
    /// Funding received less paid.
    pub funding: f64,
    /// Orders that left.
    pub orders: u64,
    /// Fills that came back.
    pub fills: u64,
    /// Closed round trips.
    pub trades_closed: u64,
    /// Share of them with a profit after fees.
    pub win_rate: Option<f64>,
    /// Refusals of the risk gates, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// What the venue refused or ended, by reason.
    pub venue_rejects: BTreeMap<String, u64>,
    /// Approved orders that did not leave.
    pub not_sent: u64,
    /// Deepest fall from a peak, over all samples.
    pub max_drawdown: f64,
    /// Sharpe ratio of UTC-day returns, a year.
    pub sharpe: Option<f64>,
    /// Volatility of UTC-day returns, a year.
    pub volatility: Option<f64>,
    /// Positions at the end.
    pub open_positions: Vec<Position>,
    /// What buying and holding did.
    pub buy_and_hold: Option<Hold>,
    /// Fingerprint of inputs and decisions.
    pub digest: String,
    /// Fingerprint of the state at the end.
    pub state_digest: String,
    /// What was wrong with the data.
    pub data: DataFaults,
    /// What must be looked at.
    pub faults: Vec<String>,
    /// What the result rests on.
    pub assumptions: Vec<String>,
    /// What trading cost.
    #[serde(default)]
    pub costs: Costs,
    /// What each strategy did.
    #[serde(default)]
    pub by_strategy: Vec<StrategyLine>,
    /// What was read.
    #[serde(default)]
    pub inputs: Vec<InputSeries>,
    /// The configuration in force.
    #[serde(default)]
    pub config: Option<serde_json::Value>,
    /// The build that made the run.
    #[serde(default)]
    pub build: Option<serde_json::Value>,
    /// Where the run was taken up again after it had been ended from outside, as it was recorded.
    #[serde(default)]
    pub recoveries: Vec<serde_json::Value>,
    /// Whether a resume found nothing to go on from.
    #[serde(default)]
    pub started_afresh: bool,
}

/// A position that is open at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Number of the strategy.
    pub strategy: u16,
    /// The strategy's name.
    pub name: String,
    /// The instrument.
    pub symbol: String,
    /// `long` or `short`.
    pub side: String,
    /// When it was opened, ms since 1970 UTC.
    pub entry_ts: Option<i64>,
    /// Whether it is too small to be traded away.
    pub dust: bool,
    /// Signed quantity.
    pub quantity: f64,
    /// Average price of the entry.
    pub entry_price: f64,
    /// Last price.
    pub mark_price: Option<f64>,
    /// Profit that is not realised.
    pub unrealised_pnl: Option<f64>,
}

/// Buying and holding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// Value at the end.
    pub final_equity: f64,
    /// Return over the run.
    pub total_return: f64,
    /// Deepest fall from a peak.
    pub max_drawdown: f64,
}

/// What was wrong with the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataFaults {
    /// Rows left out.
    pub bad_rows: u64,
    /// The first of them, in words.
    pub first_bad_rows: Vec<String>,
    /// Numbers that were rounded.
    pub rounded: u64,
    /// Gaps.
    pub gaps: u64,
}

/// What trading cost, in quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Costs {
    /// Fees.
    pub fees: f64,
    /// Funding paid less received.
    pub funding: f64,
    /// Slippage, where it is known apart from the prices.
    pub slippage: Option<f64>,
    /// Value traded by orders that rested.
    pub turnover_maker: f64,
    /// Value traded by orders that took.
    pub turnover_taker: f64,
}

/// What one strategy did, in quote.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StrategyLine {
    /// Its number.
    pub strategy: u16,
    /// Its name.
    pub name: String,
    /// Fills.
    pub fills: u64,
    /// Closed round trips.
    pub trades: u64,
    /// Of those, with a profit after fees.
    pub wins: u64,
    /// Realised, before fees.
    pub realised: f64,
    /// Fees.
    pub fees: f64,
    /// Not realised, at the last prices.
    pub unrealised: Option<f64>,
    /// Value traded.
    pub turnover: f64,
}

/// A series of data that was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputSeries {
    /// Venue, symbol and kind.
    pub title: String,
    /// Rows that its files hold.
    pub rows: Option<u64>,
    /// Its files.
    pub files: Vec<InputFile>,
}

/// A file that was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InputFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// A closed round trip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Number of the strategy.
    pub strategy: u16,
    /// The strategy's name.
    pub name: String,
    /// The instrument.
    pub symbol: String,
    /// Whether it was sold first.
    pub short: bool,
    /// First fill, ms since 1970 UTC.
    pub entry_ts: i64,
    /// Last fill, ms since 1970 UTC.
    pub exit_ts: i64,
    /// All that was entered.
    pub quantity: f64,
    /// Average price of the entry.
    pub entry_price: f64,
    /// Average price of the exit.
    pub exit_price: f64,
    /// Fees.
    pub fees: f64,
    /// Profit after fees.
    pub pnl: f64,
}

/// The account's value at the end of an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EquityRow {
    /// ms since 1970 UTC.
    pub ts: i64,
    /// The value.
    pub equity: f64,
    /// What buying and holding is worth.
    pub hold: Option<f64>,
    /// Deepest fall from a peak within the hour; older runs did not write it.
    pub drawdown: Option<f64>,
    /// Sum of the absolute values of the positions as a fraction of equity.
    pub gross: Option<f64>,
    /// Long less short as a fraction of equity.
    pub net: Option<f64>,
}

/// The mark of an instrument within an hour (or a day).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MarkRow {
    /// End of the bar, ms since 1970 UTC.
    pub ts: i64,
    /// Number of the instrument in the run's symbols.
    pub instrument: u16,
    /// At the beginning.
    pub open: f64,
    /// Highest.
    pub high: f64,
    /// Lowest.
    pub low: f64,
    /// Last.
    pub close: f64,
}
