//! Passive, then aggressive: rests at the best price of its own side and follows it; when patience ends, the rest is taken or given up.
//!
//! A resting part is looked at every twentieth of the patience, at most once a second: where the market went away from it, it is taken off
//! to rest at the new best price; otherwise it stays, and keeps its place among those who wait.

use super::{Market, Next, Part, Task};
use domain::{Nanos, OrderType, Price, Quantity, Rest, Side, UnixNanos};

/// How often a resting part is looked at.
const LOOKS: u64 = 20;
const LOOK_FIRST: u64 = 1_000_000_000;

/// The next part.
#[must_use]
pub fn next(task: &Task, market: &Market, patience: Nanos, then: Rest) -> Next {
    resting(task, market, task.rest(), patience, then)
}

/// A part of at most `most` that rests until it is looked at again, or what is done about the rest when the time is over.
pub(super) fn resting(task: &Task, market: &Market, most: Quantity, span: Nanos, then: Rest) -> Next {
    let end = task.begun.saturating_add(span);
    if market.now >= end {
        return task.at_the_end(market, then);
    }
    let (Some(price), Some(quantity)) = (price(task, market), market.part(most, task)) else {
        return Next::Wait(Some(end));
    };
    // What reduces is not refused for taking: it may.
    let post_only = !task.reduces;
    Next::Send(Part { kind: OrderType::Limit { price }, post_only, quantity, until: Some(look(market, span, end)) })
}

/// Until when a part that rests at `at` stays, now that its time has come.
#[must_use]
pub(super) fn stays(task: &Task, market: &Market, span: Nanos, at: Price) -> Option<UnixNanos> {
    let end = task.begun.saturating_add(span);
    let away = price(task, market).is_some_and(|best| match task.side {
        Side::Buy => best > at,
        Side::Sell => best < at,
    });
    (!away && market.now < end).then(|| look(market, span, end))
}

fn look(market: &Market, span: Nanos, end: UnixNanos) -> UnixNanos {
    let pause = (span.0 / LOOKS).max(LOOK_FIRST);
    market.now.saturating_add(Nanos(pause)).min(end)
}

/// Where a part rests: the best price of its side, no worse than its limit.
fn price(task: &Task, market: &Market) -> Option<Price> {
    match (task.limit, market.touch, task.side) {
        (None, touch, _) => touch,
        (limit, None, _) => limit,
        (Some(limit), Some(touch), Side::Buy) => Some(touch.min(limit)),
        (Some(limit), Some(touch), Side::Sell) => Some(touch.max(limit)),
    }
}
