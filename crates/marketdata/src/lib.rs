//! What is made of market records before anybody decides on them: longer candles, and a verdict on their integrity.
//!
//! In:  candles, trades and quotes of one instrument, in time order.
//! Out: candles of the interval that a strategy asks for; counts and findings about a stream of candles.
//! It never fills a gap: what was not traded is not there, and who fills it flags it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod candle;
pub mod check;
mod saved;
pub mod time_bar;

pub use candle::{CandleAggregator, CandleError};
pub use check::{CandleCheck, CheckConfig, Counts, Finding, FindingKind, OutlierRule, PriceCheck};
pub use time_bar::TimeBars;
