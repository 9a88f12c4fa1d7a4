//! Counts within a window of engine time that moves on, in fixed space.
//!
//! In:  what happened, each with its time.
//! Out: how many of it lie within the last window; never too few. The window is kept in sixteenths, so what is up to a sixteenth older may
//! still count: whoever holds a limit against it is stricter by that much, never laxer.

use domain::{Digest, Digestible, Nanos, UnixNanos, stored_struct};

/// Sixteen whole parts and the one that runs.
const PARTS: usize = 17;

/// A moving count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WindowCount {
    parts: [u32; PARTS],
    /// The number of the part that runs, counted from the beginning of time.
    newest: u64,
}

impl WindowCount {
    /// Counts `n` at `ts`. What comes late counts as now.
    pub fn add(&mut self, ts: UnixNanos, window: Nanos, n: u32) {
        let now = part(ts, window).max(self.newest);
        match now - self.newest {
            0 => {}
            passed if passed >= PARTS as u64 => self.parts = [0; PARTS],
            _ => (self.newest + 1..=now).for_each(|passed| self.parts[slot(passed)] = 0),
        }
        self.newest = now;
        let part = &mut self.parts[slot(now)];
        *part = part.saturating_add(n);
    }

    /// How many lie within the window before `ts`.
    #[must_use]
    pub fn count(&self, ts: UnixNanos, window: Nanos) -> u32 {
        let now = part(ts, window).max(self.newest);
        let passed = now - self.newest;
        if passed >= PARTS as u64 {
            return 0;
        }
        let all: u64 = self.parts.iter().map(|&n| u64::from(n)).sum();
        // The oldest parts, which have left the window since the newest one: the slots that the next ones will take.
        let left: u64 = (1..=passed).map(|n| u64::from(self.parts[slot(self.newest + n)])).sum();
        u32::try_from(all - left).unwrap_or(u32::MAX)
    }
}

fn part(ts: UnixNanos, window: Nanos) -> u64 {
    ts.0 / (window.0 / (PARTS as u64 - 1)).max(1)
}

const fn slot(part: u64) -> usize {
    (part % PARTS as u64) as usize
}

stored_struct!(WindowCount { parts, newest });

impl Digestible for WindowCount {
    fn digest(&self, d: &mut Digest) {
        d.word(self.newest);
        self.parts.iter().for_each(|&n| d.word(u64::from(n)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Nanos = Nanos::from_secs(16);

    fn at(s: u64) -> UnixNanos {
        UnixNanos(testkit::T0.0 + s * 1_000_000_000)
    }

    #[test]
    fn what_is_older_than_the_window_no_longer_counts() {
        let mut count = WindowCount::default();
        count.add(at(0), WINDOW, 2);
        count.add(at(10), WINDOW, 1);
        assert_eq!(count.count(at(10), WINDOW), 3);
        assert_eq!(count.count(at(16), WINDOW), 3, "the window itself is inside");
        assert_eq!(count.count(at(17), WINDOW), 1);
        assert_eq!(count.count(at(27), WINDOW), 0);
        count.add(at(1_000), WINDOW, 4);
        assert_eq!(count.count(at(1_000), WINDOW), 4);
        count.add(at(990), WINDOW, 1);
        assert_eq!(count.count(at(990), WINDOW), 5, "a clock that went back counts as now");
    }

    #[test]
    fn counts_do_not_run_over() {
        let mut count = WindowCount::default();
        count.add(at(0), WINDOW, u32::MAX);
        count.add(at(1), WINDOW, u32::MAX);
        assert_eq!(count.count(at(1), WINDOW), u32::MAX);
    }

    proptest! {
        #[test]
        fn never_less_than_the_window_holds_and_never_more_than_a_sixteenth_beyond(
            window in 1u64..5_000_000_000,
            steps in prop::collection::vec((0u64..1_000_000_000, 0u32..4), 1..80),
        ) {
            let window = Nanos(window);
            let (mut count, mut all, mut ts) = (WindowCount::default(), Vec::new(), testkit::T0);
            for (passed, n) in steps {
                ts = UnixNanos(ts.0 + passed);
                count.add(ts, window, n);
                all.push((ts, n));
                let within = |span: u64| all.iter().filter(|(t, _)| ts.0 - t.0 <= span).map(|(_, n)| *n).sum::<u32>();
                let counted = count.count(ts, window);
                // The parts of a window shorter than sixteen nanoseconds are whole nanoseconds.
                let beyond = (window.0 / 16).max(1) * 17;
                prop_assert!(counted >= within((window.0 / 16).max(1) * 16));
                prop_assert!(counted >= within(window.0 - window.0 % 16));
                prop_assert!(counted <= within(beyond));
            }
        }
    }
}
