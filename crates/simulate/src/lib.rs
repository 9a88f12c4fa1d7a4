//! Deterministic simulation of the whole system with the venue inside: engine, journal, snapshots, gate word, wire, disk and venue in one
//! thread, under a seed.
//!
//! In:  a seed, and the faults that it draws or a part of them.
//! Out: the first broken invariant with what led to it, counts of what happened.
//! Development only: nothing that ships names this crate.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod books;
pub mod disk;
pub mod exchange;
pub mod fault;
pub mod market;
pub mod network;
pub mod referee;
pub mod session;
pub mod shrink;
pub mod stats;
pub mod trader;
pub mod world;
