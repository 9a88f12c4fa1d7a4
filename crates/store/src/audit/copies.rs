//! Copies of what a writer has just appended: a log is completed from them at the end of a run without reading the journal again.

use crate::journal::{Kind, RecordRef};
use std::ops::Range;

/// Bytes that are kept; a run that says more is projected from its journal.
const BYTES_MAX: usize = 64 << 20;

/// Records of the kinds that are wanted, as they were appended, with their places in the journal.
#[derive(Clone, Debug)]
pub struct Copies {
    wanted: fn(Kind) -> bool,
    bytes: Vec<u8>,
    list: Vec<Copy>,
    /// Records in the journal before the first that was seen.
    before: u64,
    /// Records in the journal, and the number of the last one's event.
    total: (u64, u64),
    whole: bool,
}

#[derive(Clone, Debug)]
struct Copy {
    seq: u64,
    kind: Kind,
    version: u8,
    body: Range<usize>,
    /// Its place in the journal, from 1.
    ordinal: u64,
}

impl Copies {
    /// Copies of records of these kinds, for a journal that has so many records already.
    #[must_use]
    pub fn of(wanted: fn(Kind) -> bool, before: u64) -> Self {
        Self { wanted, bytes: Vec::new(), list: Vec::new(), before, total: (before, 0), whole: true }
    }

    /// A record was appended to the journal, as its record number `ordinal`, from 1.
    #[inline]
    pub fn take(&mut self, ordinal: u64, seq: u64, kind: Kind, version: u8, body: &[u8]) {
        self.total = (ordinal, seq);
        if (self.wanted)(kind) {
            self.keep(ordinal, seq, kind, version, body);
        }
    }

    fn keep(&mut self, ordinal: u64, seq: u64, kind: Kind, version: u8, body: &[u8]) {
        if self.bytes.len() + body.len() > BYTES_MAX {
            (self.whole, self.bytes, self.list) = (false, Vec::new(), Vec::new());
        }
        if self.whole {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(body);
            self.list.push(Copy { seq, kind, version, body: start..self.bytes.len(), ordinal });
        }
    }

    /// Adds the record that follows all others: the seal, whose body is the caller's.
    pub fn push_last(&mut self, seq: u64, kind: Kind, version: u8, body: &[u8]) {
        self.take(self.total.0 + 1, seq, kind, version, body);
    }

    /// Whether they reach back to the journal's first record.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole && self.before == 0
    }

    pub(super) const fn total(&self) -> (u64, u64) {
        self.total
    }

    pub(super) fn get(&self, at: usize) -> Option<(u64, RecordRef<'_>)> {
        let copy = self.list.get(at)?;
        let body = self.bytes.get(copy.body.clone())?;
        Some((copy.ordinal, RecordRef { seq: copy.seq, kind: copy.kind, version: copy.version, body }))
    }
}
