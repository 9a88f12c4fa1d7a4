//! Runners: they feed the engine and carry its commands to a venue.
//!
//! In:  sources of market data, a venue, a configuration.
//! Out: one [`session::Session`] driven by one function, [`drive::drive`], for backtests, paper and the golden cases alike.

pub mod cursor;
pub mod drive;
pub mod keep;
pub mod outside;
pub mod pace;
pub mod plan;
pub mod record;
pub mod recorded;
pub mod records;
pub mod recovery;
pub mod retention;
pub mod run_folder;
pub mod run_inputs;
pub mod safety;
pub mod sender;
pub mod session;
pub mod shutdown;
pub mod side_logs;
pub mod source;
pub mod statistics;
pub mod tape;
