//! Storage at the edge of the engine: historical market data and where it comes from.
//!
//! In:  files of candles, trades and quotes, and bytes that the binary carries.
//! Out: checked records in time order, read by the runners.
//! The engine never names this crate: what is stored reaches it as events.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod history;
