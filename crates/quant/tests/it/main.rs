//! Integration tests of `quant`: laws every indicator obeys, bundled reference numbers, and the golden files where present.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    missing_docs
)]

mod allocations;
mod bundled;
mod golden;
mod laws;
