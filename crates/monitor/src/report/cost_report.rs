//! What a cost page is made of, as plain data.
//!
//! Amounts are for showing: the exact ones are the caller's. Fractions are in basis points where their name says so.

use research::fit::{Calibration, LawFit, Touches, Value};
use serde::{Deserialize, Serialize};

/// The parts of a cost, in the order of time.
pub const COST_PARTS: [&str; 7] = ["delay", "timing", "spread", "impact", "fees", "opportunity", "unattributed"];

/// The cost of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostReport {
    /// Name of the run.
    pub name: String,
    /// What amounts are in.
    pub quote: String,
    /// Whether the run is complete.
    pub complete: bool,
    /// The slippage that the run was told.
    pub configured: String,
    /// Stops and targets that were never set off.
    pub not_set_off: u64,
    /// All orders.
    pub all: CostRow,
    /// By group: its name and its rows.
    pub groups: Vec<(String, Vec<CostRow>)>,
    /// Fills that took liquidity.
    pub fills: Vec<CostPoint>,
    /// The law that they recover; `None` where there is none.
    pub fit: Option<LawFit>,
    /// Half the fitted spread on all that paid it: the part of impact that is spread, where quotes do not say.
    pub fitted_spread: Option<f64>,
    /// What is told apart and what is not.
    pub says: String,
    /// The setting to paste.
    pub setting: Option<String>,
    /// Fills that say nothing of slippage, by the reason.
    pub left_out: Vec<(String, u64)>,
    /// Estimates before and what came after.
    pub calibration: Option<Calibration>,
    /// Bias of the whole estimate.
    pub whole_bias: Option<Value>,
    /// Orders in it.
    pub whole_count: u64,
    /// Touches of resting limit orders.
    pub touches: Option<Touches>,
    /// The orders that cost most.
    pub costly: Vec<CostOrder>,
    /// What is assumed or not known.
    pub notes: Vec<String>,
}

/// Orders of a group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostRow {
    /// Its name.
    pub name: String,
    /// Orders.
    pub orders: u64,
    /// Those with a fill.
    pub with_fills: u64,
    /// Mean of filled over wanted.
    pub fill_ratio: Option<f64>,
    /// What was traded.
    pub traded: f64,
    /// The whole cost of the orders whose cost is known; `None` if none is.
    pub cost: Option<f64>,
    /// Orders whose cost is known.
    pub known: u64,
    /// The whole cost in basis points of what was traded.
    pub cost_bps: Option<f64>,
    /// Parts, as [`COST_PARTS`]; `None` where no order knows it.
    pub parts: [Option<f64>; 7],
    /// Spread and impact in basis points.
    pub crossing_bps: Option<f64>,
    /// Mean milliseconds from the decision to the sending, and from there to acceptance, first fill and completion.
    pub latency_ms: [Option<f64>; 4],
    /// Mean markouts after 1, 5 and 30 minutes, in our favour, in basis points.
    pub markout_bps: [Option<f64>; 3],
}

/// One fill in the chart of the law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostPoint {
    /// Its share of the volume.
    pub share: f64,
    /// What it paid beyond the market's price, in basis points, without the half tick of rounding.
    pub cost_bps: f64,
}

/// An order in the list of the costliest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CostOrder {
    /// Its number.
    pub order: u64,
    /// When it was sent, ms since 1970 UTC.
    pub sent_ts: i64,
    /// The symbol.
    pub symbol: String,
    /// The strategy.
    pub strategy: String,
    /// Side, purpose and type in words.
    pub what: String,
    /// What was traded.
    pub traded: f64,
    /// The whole cost.
    pub cost: f64,
    /// In basis points of what was traded.
    pub cost_bps: Option<f64>,
    /// Parts, as [`COST_PARTS`].
    pub parts: [Option<f64>; 7],
    /// Share of the volume expected.
    pub share: Option<f64>,
    /// What spread and impact were estimated to be, in basis points.
    pub estimated_bps: Option<f64>,
    /// What they were.
    pub crossing_bps: Option<f64>,
}
