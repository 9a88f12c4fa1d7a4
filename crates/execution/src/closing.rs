//! Positions that are to be closed, and orders that ended: what the desk must not forget when an order is gone.
//!
//! In:  exits asked for by strategies or for want of protection; ends of orders.
//! Out: whether a position is still to be closed and may be tried again; what an order was for whose fill comes after its end.
//! Whether a position is closed is the ledger's to say, and sending is the desk's.

use crate::desk::Key;
use crate::orders::Purpose;
use domain::codec::{CodecError, Reader, Stored};
use domain::{ClientOrderId, Digest, Digestible, stored_struct};
use std::collections::VecDeque;

/// How often the venue may end an order that reduces a position, one after the other and without a fill, before it is left to be looked at:
/// an answer that comes at once would otherwise be asked for again for ever.
const FAILURES_MAX: u8 = 3;

/// What is to be done about one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    key: Key,
    /// Whether it is to be closed.
    closing: bool,
    /// Reducing orders that the venue ended since the last fill.
    failures: u8,
}

/// Positions that are to be closed or whose orders the venue ended, in the order in which that began.
#[derive(Clone, Debug, Default)]
pub struct Closing(Vec<Entry>);

impl Closing {
    /// The position is to be closed; earlier failures are forgotten.
    pub fn begin(&mut self, key: Key) {
        let entry = self.entry(key);
        entry.closing = true;
        entry.failures = 0;
    }

    /// The position is being closed by its own stop or target. Earlier failures count on: a venue that sets each new stop off and ends it at
    /// once would otherwise be asked for ever.
    pub fn go_on(&mut self, key: Key) {
        self.entry(key).closing = true;
    }

    /// Nothing is left to be done about it.
    pub fn end(&mut self, key: Key) {
        self.0.retain(|e| e.key != key);
    }

    /// Whether an order that closes it should be working: it is to be closed, and the venue has not ended too many.
    #[must_use]
    pub fn wants_exit(&self, key: Key) -> bool {
        self.0.iter().any(|e| e.key == key && e.closing && e.failures < FAILURES_MAX)
    }

    /// The venue ended an order that reduces it. Whether another one may be tried.
    pub fn failed(&mut self, key: Key) -> bool {
        let entry = self.entry(key);
        entry.failures = entry.failures.saturating_add(1);
        entry.failures < FAILURES_MAX
    }

    /// Something was filled: the venue trades, and may be asked again.
    pub fn filled(&mut self, key: Key) {
        if let Some(entry) = self.0.iter_mut().find(|e| e.key == key) {
            entry.failures = 0;
        }
    }

    /// Whether there is nothing to be done about any position: the usual case.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The position at this place among those that are to be closed.
    #[must_use]
    pub fn nth(&self, at: usize) -> Option<Key> {
        self.0.iter().filter(|e| e.closing).map(|e| e.key).nth(at)
    }

    fn entry(&mut self, key: Key) -> &mut Entry {
        let at = self.0.iter().position(|e| e.key == key).unwrap_or_else(|| {
            self.0.push(Entry { key, closing: false, failures: 0 });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

impl Digestible for Closing {
    fn digest(&self, d: &mut Digest) {
        for e in &self.0 {
            d.word(u64::from(e.key.0.0) | u64::from(e.key.1.0) << 16 | u64::from(e.key.2.0) << 32);
            d.word(u64::from(e.failures) << 1 | u64::from(e.closing));
        }
    }
}

/// The last orders that ended before they were filled: a venue may report a fill after the end.
#[derive(Clone, Debug)]
pub struct Ended(VecDeque<(ClientOrderId, Purpose)>);

/// How many are kept. A fill that comes later than that many ends is one of an order that is not known.
const ENDED_MAX: usize = 64;

impl Default for Ended {
    fn default() -> Self {
        Self(VecDeque::with_capacity(ENDED_MAX))
    }
}

impl Ended {
    /// An order ended.
    pub fn push(&mut self, id: ClientOrderId, purpose: Purpose) {
        if self.0.len() == ENDED_MAX {
            self.0.pop_front();
        }
        self.0.push_back((id, purpose));
    }

    /// What an order was for.
    #[must_use]
    pub fn find(&self, id: ClientOrderId) -> Option<Purpose> {
        self.0.iter().find(|(ended, _)| *ended == id).map(|(_, purpose)| *purpose)
    }
}

impl Digestible for Ended {
    fn digest(&self, d: &mut Digest) {
        for (id, purpose) in &self.0 {
            d.wide(id.raw() as i128);
            purpose.digest(d);
        }
    }
}

stored_struct!(Entry { key, closing, failures });

impl Stored for Closing {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Stored::take(from).map(Self)
    }
}

impl Stored for Ended {
    fn put(&self, out: &mut Vec<u8>) {
        (self.0.len() as u64).put(out);
        self.0.iter().for_each(|end| end.put(out));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let ends = Vec::<(ClientOrderId, Purpose)>::take(from)?;
        if ends.len() > ENDED_MAX {
            return Err(CodecError::Invalid { what: "the orders that ended last" });
        }
        let mut ended = Self::default();
        ended.0.extend(ends);
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AccountId, InstrumentIdx, StrategyIdx};

    const KEY: Key = (AccountId(0), InstrumentIdx(1), StrategyIdx(2));

    #[test]
    fn three_failures_in_a_row_are_too_many_and_a_fill_forgives_them() {
        let mut closing = Closing::default();
        assert!(!closing.wants_exit(KEY));
        assert!(closing.failed(KEY));
        assert!(!closing.wants_exit(KEY), "a stop that failed is no exit");
        closing.begin(KEY);
        assert!(closing.failed(KEY) && closing.failed(KEY) && !closing.failed(KEY));
        assert!(!closing.wants_exit(KEY));
        assert_eq!((closing.nth(0), closing.nth(1)), (Some(KEY), None), "it is not forgotten");
        closing.filled(KEY);
        assert!(closing.wants_exit(KEY));
        closing.end(KEY);
        assert_eq!(closing.nth(0), None);
    }

    #[test]
    fn the_last_ends_are_kept_and_older_ones_leave() {
        let mut ended = Ended::default();
        let id = |n| ClientOrderId::new(AccountId(0), 1, n);
        for n in 0..=ENDED_MAX as u64 {
            ended.push(id(n), Purpose::Exit);
        }
        assert_eq!((ended.find(id(0)), ended.find(id(1))), (None, Some(Purpose::Exit)));
    }
}
