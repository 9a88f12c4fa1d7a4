//! What a person looks at: reports of runs. It reads plain data and changes nothing; files and folders are the caller's.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic, clippy::expect_used))]

pub mod report;
