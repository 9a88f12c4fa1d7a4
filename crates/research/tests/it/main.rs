//! Integration tests of `research`: reference results.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod golden;
