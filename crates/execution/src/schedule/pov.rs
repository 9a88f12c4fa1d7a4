//! Percentage of volume: follows what the market trades.
//!
//! By any instant `share * V` are filled, with `V` all that the market has printed since the work began (our own trades are part of it at a
//! venue). A part leaves when at least the smallest order is due. At the deadline the rest of an entry is given up: to take it would be to
//! leave the share. What the market trades in an interval that began before the work does not count.

use super::{Market, Next, Task};
use domain::decimal::mul_money;
use domain::{Nanos, Quantity, Rate, Rest, Rounding};

/// The next part.
#[must_use]
pub fn next(task: &Task, market: &Market, share: Rate, deadline: Nanos) -> Next {
    let end = task.begun.saturating_add(deadline);
    if market.now >= end {
        return task.at_the_end(market, Rest::GiveUp);
    }
    // What does not fit is more than any order.
    let wanted = mul_money(task.volume.raw(), i128::from(share.raw()), Rounding::Down)
        .map_or(task.target, |wanted| Quantity::from_raw(wanted).min(task.target));
    let due = wanted.checked_sub(task.filled).unwrap_or(Quantity::ZERO);
    match market.part(due, task) {
        Some(quantity) => Next::Send(task.taking(quantity, end)),
        None => Next::Wait(Some(end)),
    }
}
