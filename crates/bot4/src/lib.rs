//! The bot4 program: configuration, runners, commands.
//!
//! In:  the command line, files, the clock.
//! Out: results as tables and JSON, files of a run, exit codes.
//! It is a library too, so that tests and benchmarks drive the same functions as the program.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod assess;
pub mod audit;
pub mod backup;
pub mod checklist;
pub mod command;
pub mod config;
pub mod costs;
pub mod explain;
pub mod gap;
pub mod kill;
pub mod live_gate;
pub mod log;
pub mod overrides;
pub mod query;
pub mod report;
pub mod run_files;
pub mod runner;
pub mod signals;
pub mod term;
pub mod watch;
