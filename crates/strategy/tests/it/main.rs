//! Integration tests of the strategies.
#![allow(clippy::unwrap_used, clippy::panic)]

mod saved;
mod signals;
mod stand;
