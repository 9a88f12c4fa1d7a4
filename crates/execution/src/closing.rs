//! Positions that are to be closed: what the desk must not forget when an order is gone.
//!
//! In:  exits asked for by strategies or for want of protection; ends of orders.
//! Out: whether a position is still to be closed and may be tried again.
//! Whether a position is closed is the ledger's to say, and sending is the desk's.

use crate::desk::Key;
use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, Nanos, UnixNanos, stored_struct};

/// How often the venue may end an order that reduces a position, one after the other and without a fill, before the next try waits: an
/// answer that comes at once would otherwise be asked for again for ever.
const FAILURES_MAX: u8 = 3;

/// How long the first try after that waits. Each that fails again doubles it, up to the longest.
const WAIT_FIRST: Nanos = Nanos::from_secs(1);
const DOUBLINGS_MAX: u8 = 6;

/// What is to be done about one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    key: Key,
    /// Whether it is to be closed.
    closing: bool,
    /// Reducing orders that the venue ended since the last fill.
    failures: u8,
    /// How many tries waited since then.
    waits: u8,
    /// When the next try may be made, where too many failed or one could not leave.
    due: Option<UnixNanos>,
}

/// Positions that are to be closed or whose orders the venue ended, in the order in which that began.
#[derive(Clone, Debug, Default)]
pub struct Closing(Vec<Entry>);

impl Closing {
    /// The position is to be closed; earlier failures are forgotten.
    pub fn begin(&mut self, key: Key) {
        let entry = self.entry(key);
        entry.closing = true;
        entry.forgive();
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

    /// Whether it is to be closed.
    #[must_use]
    pub fn is_closing(&self, key: Key) -> bool {
        self.0.iter().any(|e| e.key == key && e.closing)
    }

    /// The venue ended an order that reduces it. Whether another one may be tried at once; if not, one may when its wait is over.
    pub fn failed(&mut self, key: Key, now: UnixNanos) -> bool {
        let entry = self.entry(key);
        entry.failures = entry.failures.saturating_add(1).min(FAILURES_MAX);
        if entry.failures < FAILURES_MAX {
            return true;
        }
        entry.wait(now);
        false
    }

    /// An order that closes it could not leave: another try is made after a wait, or with the next report.
    pub fn put_off(&mut self, key: Key, now: UnixNanos) {
        self.entry(key).wait(now);
    }

    /// Something was filled: the venue trades, and may be asked again.
    pub fn filled(&mut self, key: Key) {
        if let Some(entry) = self.0.iter_mut().find(|e| e.key == key) {
            entry.forgive();
        }
    }

    /// When the next try is due.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.0.iter().filter_map(|e| e.due).min()
    }

    /// Takes one whose wait is over: it may be tried once more.
    pub fn take_due(&mut self, now: UnixNanos) -> Option<Key> {
        let entry = self.0.iter_mut().find(|e| e.due.is_some_and(|due| due <= now))?;
        entry.due = None;
        entry.failures = entry.failures.min(FAILURES_MAX - 1);
        Some(entry.key)
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
            self.0.push(Entry { key, closing: false, failures: 0, waits: 0, due: None });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

impl Entry {
    const fn forgive(&mut self) {
        (self.failures, self.waits, self.due) = (0, 0, None);
    }

    const fn wait(&mut self, now: UnixNanos) {
        if self.due.is_none() {
            self.due = Some(now.saturating_add(Nanos(WAIT_FIRST.0 << self.waits)));
            self.waits = if self.waits < DOUBLINGS_MAX { self.waits + 1 } else { DOUBLINGS_MAX };
        }
    }
}

impl Digestible for Closing {
    fn digest(&self, d: &mut Digest) {
        for e in &self.0 {
            d.word(u64::from(e.key.0.0) | u64::from(e.key.1.0) << 16 | u64::from(e.key.2.0) << 32);
            d.word(u64::from(e.waits) << 16 | u64::from(e.failures) << 1 | u64::from(e.closing));
            e.due.iter().for_each(|due| d.word(due.0));
        }
    }
}

stored_struct!(Entry { key, closing, failures, waits, due });

impl Stored for Closing {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Stored::take(from).map(Self)
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
        let now = UnixNanos(1_000);
        assert!(!closing.wants_exit(KEY));
        assert!(closing.failed(KEY, now));
        assert!(!closing.wants_exit(KEY), "a stop that failed is no exit");
        closing.begin(KEY);
        assert!(closing.failed(KEY, now) && closing.failed(KEY, now) && !closing.failed(KEY, now));
        assert!(!closing.wants_exit(KEY));
        assert_eq!((closing.nth(0), closing.nth(1)), (Some(KEY), None), "it is not forgotten");
        closing.filled(KEY);
        assert!(closing.wants_exit(KEY));
        assert_eq!(closing.next_due(), None);
        closing.end(KEY);
        assert_eq!(closing.nth(0), None);
    }

    #[test]
    fn a_try_after_too_many_waits_and_each_further_one_waits_twice_as_long() {
        let mut closing = Closing::default();
        closing.begin(KEY);
        let mut now = UnixNanos(0);
        assert!(closing.failed(KEY, now) && closing.failed(KEY, now) && !closing.failed(KEY, now));
        for wait in [1, 2, 4, 8, 16, 32, 64, 64] {
            let due = now.saturating_add(Nanos::from_secs(wait));
            assert_eq!(closing.next_due(), Some(due));
            assert_eq!(closing.take_due(due.saturating_sub(Nanos(1))), None);
            assert!(!closing.wants_exit(KEY));
            assert_eq!((closing.take_due(due), closing.take_due(due)), (Some(KEY), None));
            assert!(closing.wants_exit(KEY), "one more");
            now = due;
            assert!(!closing.failed(KEY, now), "and that failed, too");
        }
    }
}
