//! Integration tests of the gate.
#![allow(clippy::unwrap_used, clippy::panic)]
// The counting allocator needs a cell of its own per test thread.
#![allow(clippy::disallowed_macros, clippy::disallowed_types)]

mod door;
mod guard_allocation;
mod joint;
mod limits;
