//! Fewer faults that break the same: delta debugging over the list of faults.
//!
//! Source: Zeller, Hildebrandt (2002), Simplifying and isolating failure-inducing input, IEEE TSE 28(2), 183-200; the variant that removes
//! ever smaller parts.

use crate::fault::Fault;
use crate::world::{Outcome, play_with};

/// How often a world is played again at most.
const TRIES: usize = 400;

/// Removes faults from a failing world as long as the same invariant breaks without them. Returns the last world that failed.
#[must_use]
pub fn shrink(failed: Outcome) -> Outcome {
    let Some(invariant) = failed.broken.as_ref().map(|b| b.invariant) else { return failed };
    let mut best = failed;
    let (mut part, mut tries) = (best.faults.len().div_ceil(2), 0);
    while part >= 1 && tries < TRIES {
        let (mut at, mut removed) = (0, false);
        while at < best.faults.len() && tries < TRIES {
            let left: Vec<Fault> =
                best.faults.iter().enumerate().filter(|(n, _)| *n < at || *n >= at + part).map(|(_, f)| *f).collect();
            tries += 1;
            let outcome = play_with(best.seed, left);
            if outcome.broken.as_ref().is_some_and(|b| b.invariant == invariant) {
                best = outcome;
                removed = true;
            } else {
                at += part;
            }
        }
        if part == 1 && !removed {
            break;
        }
        part = if part == 1 { 1 } else { part.div_ceil(2) };
    }
    best
}
