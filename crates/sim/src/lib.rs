//! The simulated venue: it takes plain requests and market data, and answers with account reports.
//!
//! In:  [`Request`]s (place, amend, cancel, query), candles in phases, trades, quotes, and the time.
//! Out: [`domain::AccountReport`]s, in the order in which they reach us; balances and positions for the audit at the end.
//! It is a referee: balances, positions and order states are its own, and no accounting or order life cycle of another crate is used.
//! It never reads a clock. Which market data there is, and when a report is handed to the engine, is the runner's business.
//! Every simplification is a line of [`Venue::assumptions`], printed with the results.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod accept;
mod account;
mod assumptions;
pub mod config;
mod execute;
pub mod from_command;
mod history;
mod ids;
mod mail;
mod margin;
mod market;
mod matching;
mod money;
mod order;
mod pair;
pub mod request;
mod slippage;
mod snapshot;
mod venue;

pub use config::{Exec, FeeAsset, Funding, Jitter, Latency, LimitFill, Slippage, VenueConfig, VenueConfigError};
pub use request::Request;
pub use venue::Venue;
