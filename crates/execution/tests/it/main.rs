//! Integration tests of the desk.
#![allow(clippy::unwrap_used, clippy::panic)]

mod floor;
mod random;
mod scenarios;
