//! Integration tests of the desk.
#![allow(clippy::unwrap_used, clippy::panic)]

mod emergency;
mod floor;
mod random;
mod random_emergency;
mod scenarios;
mod stops;
