//! Integration tests of the desk.
#![allow(clippy::unwrap_used, clippy::panic)]

mod emergency;
mod floor;
mod random;
mod scenarios;
mod stops;
