//! The simulated venue from outside: a table of scenarios in text, properties of random runs, determinism, allocations.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod allocation;
mod candles;
mod determinism;
mod margin;
mod properties;
mod rules;
mod scenario;
mod ticks;
mod venue;
