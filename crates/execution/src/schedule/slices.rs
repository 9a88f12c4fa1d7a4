//! Parts at equal distances in time: what time-weighted, volume-weighted and shortfall schedules have in common.
//!
//! The span is cut into slices; each begins with one part, which brings the filled quantity to the share that the schedule has for the end
//! of its slice. A part that could not leave or did not fill is due again with the next: it catches up at once, in one part. The last slice
//! has all that is left, and so has the end of the span, should the last part have been missed.

use super::{Market, Next, Task};
use domain::{Nanos, Quantity, UnixNanos, WorkEnd};

/// A share as a fraction: numerator and denominator.
pub type Share = (u128, u128);

/// The next part. `share` says how much of the whole is to be filled by an instant, the end of slice number `n` (from 1).
#[inline]
pub fn next(
    task: &Task,
    market: &Market,
    over: Nanos,
    slices: u16,
    share: impl FnOnce(UnixNanos, Slice) -> Share,
) -> Next {
    let (passed, end) = (market.now.since(task.begun), task.begun.saturating_add(over));
    if passed.0 >= over.0 {
        if task.limit.is_some() || task.reduces {
            // A limit is not given up for the sake of an end; what reduces goes on at the market until nothing is held.
            let end = if task.reduces { WorkEnd::Market } else { WorkEnd::Deadline };
            return Next::End(end);
        }
        return match market.part(task.rest(), task) {
            Some(quantity) => Next::Send(task.taking(quantity, market.now)),
            None => Next::End(WorkEnd::Filled),
        };
    }
    let of = u64::from(slices.max(1));
    // The slice that now lies in, from 0. The products fit: a span of years in nanoseconds times ten thousand.
    let slice = (u128::from(passed.0) * u128::from(of) / u128::from(over.0.max(1))).min(u128::from(of - 1)) as u64;
    let boundary = |n: u64| {
        let at = (u128::from(over.0) * u128::from(n)).div_ceil(u128::from(of));
        task.begun.saturating_add(Nanos(u64::try_from(at).unwrap_or(u64::MAX)))
    };
    let ends = if slice + 1 == of { end } else { boundary(slice + 1) };
    let wanted = if slice + 1 == of {
        task.target
    } else {
        lots_of(task.target, market.lot, share(ends, Slice { number: slice + 1, of }))
    };
    let due = wanted.checked_sub(task.filled).unwrap_or(Quantity::ZERO);
    match market.part(due, task) {
        Some(quantity) => Next::Send(task.taking(quantity, ends)),
        None => Next::Wait(Some(ends)),
    }
}

/// Which slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Its number, from 1.
    pub number: u64,
    /// How many there are.
    pub of: u64,
}

/// A share of a quantity, rounded down to the lot. All of it for a share of one or more.
#[must_use]
fn lots_of(quantity: Quantity, lot: Quantity, (part, whole): Share) -> Quantity {
    if part >= whole || lot <= Quantity::ZERO {
        return quantity;
    }
    let lots = quantity.raw().div_euclid(lot.raw()).unsigned_abs();
    let lots = match lots.checked_mul(part) {
        Some(product) => product / whole,
        // More lots than any venue has: to the nearest multiple below.
        None => lots / whole * part,
    };
    i128::try_from(lots).ok().and_then(|lots| lots.checked_mul(lot.raw())).map_or(quantity, Quantity::from_raw)
}
