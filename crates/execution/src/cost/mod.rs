//! What it costs to trade: said before an order leaves, measured exactly once it is over.
//!
//! ```text
//! before:  Planned + CostParameters --estimate--> Estimate: spread + impact + timing + fees, with error bars
//! after:   Done (decision, arrival, fills, what the market showed) --shortfall--> Shortfall: parts in money that sum to the whole
//! ```
//!
//! In:  parameters that were fitted off the engine (plain data), an order, what is known of its market.
//! Out: statistics as `f64` fractions of the price, and money to the last unit. Nothing here decides about an order.
//! Fitting and reading of records are left out: `research` fits, the binary reads.

pub mod model;
pub mod shortfall;

pub use model::{CostError, CostParameters, Covariance, Drift, Estimate, Law, Planned, Toxicity, estimate};
pub use shortfall::{Done, Market, Shortfall, Traded, shortfall};
