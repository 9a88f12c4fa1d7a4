//! Integration tests of the desk.
#![allow(clippy::unwrap_used, clippy::panic)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::disallowed_macros,
    reason = "tests read recorded cases and say how many"
)]

mod asking;
mod emergency;
mod exact;
mod fee_schedules;
mod fees;
mod floor;
mod groups;
mod random;
mod random_emergency;
mod random_groups;
mod routing;
mod routing_convex;
mod scenarios;
mod stops;
mod transitions;
mod work;
