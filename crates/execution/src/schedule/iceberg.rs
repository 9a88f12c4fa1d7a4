//! Iceberg: rests with a part of it shown at a time, as [`super::passive`] does with all of it.
//!
//! The next part follows when the one before is filled. At the deadline the rest is taken or given up. Venues that have the order type are
//! not asked for it: emulated, the same order does the same everywhere, and each part passes the gate.

use super::passive::resting;
use super::{Market, Next, Task};
use domain::{Money, Nanos, Quantity, Rest, Rounding, Shown};

/// The next part.
#[must_use]
pub fn next(task: &Task, market: &Market, shown: Shown, deadline: Nanos, then: Rest) -> Next {
    let shown = match shown {
        Shown::Quantity(quantity) => quantity,
        Shown::Share(share) => Money::from_raw(task.target.raw())
            .times(share, Rounding::Down)
            .map_or(task.target, |part| Quantity::from_raw(part.raw())),
    };
    // At least what the market takes.
    let most = shown.max(market.smallest).max(market.lot);
    resting(task, market, most, deadline, then)
}
