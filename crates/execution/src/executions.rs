//! Executions that were booked: the same one never counts twice.
//!
//! In:  executions as they are booked.
//! Out: whether one was booked before; whether one lies so far back that this cannot be said.
//! The venue's number of an execution is its own within account and instrument.

use crate::recent::{Noted, Recent};
use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, Fill, UnixNanos};

/// How many are kept. A stream that was interrupted says again what it said since, not what it said days ago.
const KEPT: usize = 8_192;

/// The last executions.
#[derive(Clone, Debug)]
pub struct Executions {
    seen: Recent<UnixNanos>,
    /// The latest time of those that had to leave: what is as old may have been booked.
    forgotten: Option<UnixNanos>,
    /// How many came again. A figure for people: nothing is decided by it.
    repeated: u64,
}

impl Default for Executions {
    fn default() -> Self {
        Self { seen: Recent::with_capacity(KEPT), forgotten: None, repeated: 0 }
    }
}

impl Executions {
    /// Whether an execution was booked before.
    #[must_use]
    #[inline]
    pub fn knows(&self, fill: &Fill) -> bool {
        self.seen.get(key(fill)).is_some()
    }

    /// Whether one of that time may have been booked and forgotten.
    #[must_use]
    pub fn may_have_forgotten(&self, ts_event: UnixNanos) -> bool {
        self.forgotten.is_some_and(|until| ts_event <= until)
    }

    /// An execution was booked that happened at `ts_event`, on the venue's clock.
    pub fn note(&mut self, ts_event: UnixNanos, fill: &Fill) {
        if let Noted::New(Some(gone)) = self.seen.note(key(fill), ts_event) {
            self.forgotten = self.forgotten.max(Some(gone));
        }
    }

    /// One came again.
    pub const fn count_repeated(&mut self) {
        self.repeated += 1;
    }

    /// How many came again.
    #[must_use]
    pub const fn repeated(&self) -> u64 {
        self.repeated
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.seen.save(out);
        self.forgotten.put(out);
        self.repeated.put(out);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.seen.load(from, "the executions that were booked")?;
        self.forgotten = Stored::take(from)?;
        self.repeated = from.u64()?;
        Ok(())
    }
}

fn key(fill: &Fill) -> u128 {
    u128::from(fill.account.0) << 80 | u128::from(fill.instrument.0) << 64 | u128::from(fill.trade_id)
}

impl Digestible for Executions {
    fn digest(&self, d: &mut Digest) {
        for (key, ts) in self.seen.iter() {
            d.wide(*key as i128);
            d.word(ts.0);
        }
        self.forgotten.iter().for_each(|ts| d.word(ts.0));
    }
}
