//! Runners: they feed the engine and carry its commands to a venue.
//!
//! In:  sources of market data, a venue, a configuration.
//! Out: one [`session::Session`] driven by one function, [`drive::drive`], for backtests, paper and the golden cases alike.

pub mod drive;
pub mod plan;
pub mod record;
pub mod records;
pub mod session;
pub mod source;
pub mod statistics;
