//! Numerical methods on plain values: streaming indicators, performance statistics, and a table of functions by name.
//!
//! In:  f64 values and bars of f64, oldest first, finite.
//! Out: f64 values read by `strategy`, `risk`, `ml` and the reports; the binary's `calc` command calls [`catalogue`].
//! Knows no instrument, no venue and no money: exact amounts become f64 before they arrive here. Every result is the same
//! bits on every machine: sums run in a written order, nothing is fused, and transcendental functions come from `libm`.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod catalogue;
pub mod error;
pub mod indicator;
pub mod state;
pub mod stats;
pub mod window;

pub use error::{ParameterError, SeriesError};
pub use indicator::{Bands, Bar, Indicator};
pub use state::{Reader, State, StateError};
