//! Integration tests of market data, on recorded messages.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "tests read recorded cases and say how many"
)]

mod recorded_book;
