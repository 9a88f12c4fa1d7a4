//! Storage at the edge of the engine: historical market data, the event journal, and snapshots of a run.
//!
//! In:  files of candles, trades and quotes, and bytes that the binary carries; records and states of a run.
//! Out: checked records in time order, read by the runners; journals and snapshots as they were written.
//! The engine never names this crate: what is stored reaches it as events.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod audit;
pub mod catalogue;
pub mod disk;
pub mod failpoint;
pub mod history;
pub mod journal;
pub mod lock;
pub mod query;
pub mod snapshot;
