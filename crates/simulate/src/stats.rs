//! What happened in a world, or in many: counts for the output.

use crate::fault::Kind;

/// Counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    faults: [u64; Kind::ALL.len()],
    /// Steps of the engine.
    pub steps: u64,
    /// Orders that left.
    pub orders: u64,
    /// Executions that reached the engine for the first time.
    pub fills: u64,
    /// Funding rows at the venue.
    pub fundings: u64,
    /// Restarts of the process.
    pub restarts: u64,
    /// Restarts that began from a snapshot.
    pub from_snapshot: u64,
    /// Worlds in which trading was not in mode normal at the end.
    pub not_normal: u64,
    /// Faults that the engine recorded.
    pub alarms: u64,
    /// Simulated nanoseconds.
    pub nanos: u64,
    /// Worlds.
    pub worlds: u64,
    /// Worlds in which both sides were compared at the end.
    pub compared: u64,
}

impl Counts {
    /// One more of a kind.
    pub fn fault(&mut self, kind: Kind) {
        self.faults[kind as usize] += 1;
    }

    /// How many of each kind.
    pub fn faults(&self) -> impl Iterator<Item = (Kind, u64)> + '_ {
        Kind::ALL.into_iter().zip(self.faults)
    }

    /// Adds another world's.
    pub fn add(&mut self, other: &Self) {
        for (sum, n) in self.faults.iter_mut().zip(other.faults) {
            *sum += n;
        }
        self.steps += other.steps;
        self.orders += other.orders;
        self.fills += other.fills;
        self.fundings += other.fundings;
        self.restarts += other.restarts;
        self.from_snapshot += other.from_snapshot;
        self.not_normal += other.not_normal;
        self.alarms += other.alarms;
        self.nanos += other.nanos;
        self.worlds += other.worlds;
        self.compared += other.compared;
    }

    /// As words, to travel between processes: the same order as in [`Counts::from_words`].
    #[must_use]
    pub fn words(&self) -> Vec<u64> {
        let mut words = self.faults.to_vec();
        words.extend([
            self.steps,
            self.orders,
            self.fills,
            self.fundings,
            self.restarts,
            self.from_snapshot,
            self.not_normal,
            self.alarms,
            self.nanos,
            self.worlds,
            self.compared,
        ]);
        words
    }

    /// Reads [`Counts::words`]; `None` for another number of words.
    #[must_use]
    pub fn from_words(words: &[u64]) -> Option<Self> {
        let (faults, rest) = words.split_at_checked(Kind::ALL.len())?;
        let [steps, orders, fills, fundings, restarts, from_snapshot, not_normal, alarms, nanos, worlds, compared] =
            rest.try_into().ok()?;
        Some(Self {
            faults: faults.try_into().ok()?,
            steps,
            orders,
            fills,
            fundings,
            restarts,
            from_snapshot,
            not_normal,
            alarms,
            nanos,
            worlds,
            compared,
        })
    }
}
