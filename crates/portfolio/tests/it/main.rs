//! The ledger through its public interface: the identity of equity, postings, perpetuals, round trips, allocation.
#![allow(clippy::unwrap_used, clippy::panic)]

mod allocation;
mod common;
mod identity;
mod perpetual;
mod round_trips;
mod spot;
mod valuation;
