//! Integration tests of the gate.
#![allow(clippy::unwrap_used, clippy::panic)]

mod door;
mod limits;
