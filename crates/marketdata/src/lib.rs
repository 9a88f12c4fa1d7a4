//! What is made of market records before anybody decides on them: longer candles, and a verdict on their integrity.
//!
//! In:  candles, trades, quotes and book levels of one instrument, in time order.
//! Out: candles of the interval that a strategy asks for; counts and findings about a stream of candles; the order book.
//! It never fills a gap: what was not traded is not there, and who fills it flags it.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod book;
pub mod candle;
pub mod check;
mod saved;
pub mod time_bar;

pub use book::{Applied, Book, BookError, Continuity, Extent, Level, Unusable, Update, View, Walk};
pub use candle::{CandleAggregator, CandleError};
pub use check::{CandleCheck, CheckConfig, Counts, Finding, FindingKind, OutlierRule, PriceCheck};
pub use time_bar::TimeBars;
