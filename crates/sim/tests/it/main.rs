//! The simulated venue from outside: a table of scenarios in text, properties of random runs, determinism, allocations.
// The allocation test counts per thread, and a macro can only be allowed for the whole binary.
#![allow(clippy::disallowed_macros)]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod allocation;
mod candles;
mod determinism;
mod margin;
mod pairs;
mod properties;
mod rules;
mod scenario;
mod snapshot;
mod state;
mod ticks;
mod venue;
