//! The ledger through its public interface: the identity of equity, postings, perpetuals, round trips, allocation.
#![allow(clippy::unwrap_used, clippy::panic)]
// The allocation counter is kept per thread, so that tests that run beside it do not count; tests are not the core.
#![allow(clippy::disallowed_macros, clippy::disallowed_types)]

mod allocation;
mod common;
mod identity;
mod perpetual;
mod round_trips;
mod spot;
mod valuation;
