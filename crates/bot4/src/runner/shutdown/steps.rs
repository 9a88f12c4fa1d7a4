//! The steps of an orderly end: their names, their times, and what became of each.

use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// All steps together take no longer than this: then the process is ended ([`super::Watchdog`]).
pub const TOTAL: Duration = Duration::from_secs(30);

/// The steps in their order: key, what it is, and how long it may take in milliseconds.
pub const STEPS: [(&str, &str, u64); 9] = [
    ("new-risk", "no new risk", 1_000),
    ("entries", "resting entries taken off, their answers awaited", 8_000),
    ("stops", "protective stops stay at the venue", 1_000),
    ("unknown", "orders whose outcome is unknown are asked for", 3_000),
    ("journal", "the journal is on the disk", 4_000),
    ("snapshot", "a last snapshot is on the disk", 5_000),
    ("audit", "the journal is closed, the audit log brought up to it and signed", 5_000),
    ("list", "what stays open is written down", 1_000),
    ("release", "lock and gate registration are let go", 1_000),
];

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done.
    Done,
    /// Left as it is, as asked for.
    Kept,
    /// Not done, for a reason that the note says.
    Failed,
    /// Not done in its time.
    Overran,
}

impl Outcome {
    /// Its key.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Kept => "kept",
            Self::Failed => "failed",
            Self::Overran => "overran",
        }
    }

    /// Whether it is as it should be.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::Kept)
    }
}

/// One step that was gone through.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its key, one of [`STEPS`].
    pub step: &'static str,
    /// What became of it.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// How long it might take, in milliseconds.
    pub limit_ms: u64,
    /// More of it, for people.
    pub note: String,
}

/// The steps gone through so far.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    began: Option<Instant>,
    done: Vec<Step>,
    /// How many are done, for whoever watches from another thread.
    count: Arc<AtomicUsize>,
}

impl Steps {
    /// The time runs from the first call.
    pub fn begin(&mut self) {
        self.began.get_or_insert_with(Instant::now);
    }

    /// Since it began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    /// How many steps are done, seen from elsewhere.
    #[must_use]
    pub fn counter(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.count)
    }

    /// How long this step may take: its own time, and not more than is left of all.
    #[must_use]
    pub fn left(&self, step: &str) -> Duration {
        Duration::from_millis(limit(step)).min(TOTAL.saturating_sub(self.elapsed()))
    }

    /// Whether a step that began then has used up its time.
    #[must_use]
    pub fn overruns(&self, step: &str, began: Instant) -> bool {
        began.elapsed() >= Duration::from_millis(limit(step)) || self.elapsed() >= TOTAL
    }

    /// Whether this step is done.
    #[must_use]
    pub fn has(&self, step: &str) -> bool {
        self.done.iter().any(|done| done.step == step)
    }

    /// A step is done; it is told to the log.
    pub fn done(&mut self, step: &'static str, began: Instant, outcome: Outcome, note: String) {
        let took = began.elapsed();
        let limit_ms = limit(step);
        // What was done, and too late, was too late.
        let late = outcome == Outcome::Done && took > Duration::from_millis(limit_ms);
        let outcome = if late { Outcome::Overran } else { outcome };
        let ms = took.as_secs_f64() * 1e3;
        if outcome.is_good() {
            tracing::info!(step, outcome = outcome.key(), ms, note = note.as_str(), "shutdown");
        } else {
            tracing::error!(step, outcome = outcome.key(), ms, note = note.as_str(), "shutdown");
        }
        self.done.push(Step { step, outcome, ms, limit_ms, note });
        self.count.store(self.done.len(), Ordering::Release);
    }

    /// All that are done.
    #[must_use]
    pub fn list(&self) -> &[Step] {
        &self.done
    }
}

fn limit(step: &str) -> u64 {
    STEPS.iter().find(|(key, _, _)| *key == step).map_or(1_000, |(_, _, ms)| *ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_all_steps_fit_into_the_time_of_all() {
        let sum: u64 = STEPS.iter().map(|(_, _, ms)| ms).sum();
        assert!(Duration::from_millis(sum) < TOTAL, "{sum} ms");
    }

    #[test]
    fn a_step_has_its_own_time_and_not_more_than_is_left() {
        let mut steps = Steps::default();
        assert_eq!(steps.left("journal"), Duration::from_secs(4));
        steps.began = Instant::now().checked_sub(Duration::from_secs(28));
        assert!(steps.left("journal") <= Duration::from_secs(2));
        steps.began = Instant::now().checked_sub(Duration::from_secs(31));
        assert_eq!(steps.left("journal"), Duration::ZERO);
        assert!(steps.overruns("entries", Instant::now()));
    }

    #[test]
    fn what_is_done_too_late_has_overrun() {
        let mut steps = Steps::default();
        steps.begin();
        let long_ago = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        steps.done("list", long_ago, Outcome::Done, String::new());
        steps.done("stops", long_ago, Outcome::Kept, String::new());
        let outcomes: Vec<_> = steps.list().iter().map(|s| s.outcome).collect();
        assert_eq!(outcomes, [Outcome::Overran, Outcome::Kept]);
        assert!(steps.has("list") && !steps.has("audit"));
        assert_eq!(steps.counter().load(Ordering::Acquire), 2);
    }
}
