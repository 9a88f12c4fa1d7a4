//! What an account traded on a venue in the last 30 days, by UTC day.
//!
//! In:  the value of each fill in the volume currency, with its time.
//! Out: the sum that tiers are made of. Fixed size: no allocation, and a late fill counts for its own day.

use domain::{Digest, Digestible, Money, UnixNanos};

/// Today and the 30 days before it.
const DAYS: usize = 31;

/// Value traded by UTC day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeTracker {
    /// By day number modulo [`DAYS`], in 1e-12.
    pub(crate) days: [i128; DAYS],
    /// The latest day that anything was counted for.
    pub(crate) latest: u64,
}

impl Default for VolumeTracker {
    fn default() -> Self {
        Self { days: [0; DAYS], latest: 0 }
    }
}

impl VolumeTracker {
    /// Counts the value of a fill, without sign. `false` where it is older than the days that are kept, or cannot be held: nothing changed.
    pub fn add(&mut self, ts: UnixNanos, value: Money) -> bool {
        let (day, Some(value)) = (ts.day(), value.raw().checked_abs()) else { return false };
        if day > self.latest {
            // Days that passed since hold nothing.
            let passed = (day - self.latest).min(DAYS as u64);
            for n in 0..passed {
                self.days[slot(day - n)] = 0;
            }
            self.latest = day;
        }
        if self.latest - day >= DAYS as u64 {
            return false;
        }
        let held = &mut self.days[slot(day)];
        let Some(sum) = held.checked_add(value) else { return false };
        *held = sum;
        true
    }

    /// The last 30 UTC days, that of `now` included.
    #[must_use]
    pub fn trailing(&self, now: UnixNanos) -> Money {
        self.sum(now.day().saturating_sub(29), now.day())
    }

    /// The 30 whole UTC days before that of `now`.
    #[must_use]
    pub fn before_today(&self, now: UnixNanos) -> Money {
        now.day().checked_sub(1).map_or(Money::ZERO, |last| self.sum(now.day().saturating_sub(30), last))
    }

    /// Sum of the days from `first` to `last` that are kept.
    fn sum(&self, first: u64, last: u64) -> Money {
        let oldest = self.latest.saturating_sub(DAYS as u64 - 1);
        let kept = first.max(oldest)..=last.min(self.latest);
        Money::from_raw(kept.map(|day| self.days[slot(day)]).fold(0i128, i128::saturating_add))
    }
}

const fn slot(day: u64) -> usize {
    (day % DAYS as u64) as usize
}

impl Digestible for VolumeTracker {
    fn digest(&self, d: &mut Digest) {
        d.word(self.latest);
        self.days.iter().for_each(|&day| d.wide(day));
    }
}
