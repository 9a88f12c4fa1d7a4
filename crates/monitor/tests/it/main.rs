//! Reports from outside: what a page says, that nothing in a run can become markup, and how it behaves in a browser.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

mod browser;
mod costs;
mod gap;
mod pages;
mod runs;
