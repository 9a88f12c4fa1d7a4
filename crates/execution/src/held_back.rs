//! Reductions that could not leave yet: those that the gate word stopped, and parts that wait for a crossing entry of ours to be gone.
//!
//! In:  orders that were not sent; parts of positions that are to be reduced.
//! Out: for which positions nothing is sent before its time, and what is still to be reduced.
//! What is held back is tried again when the desk is told that the word allows it, with the next fill, and once a second in any case:
//! nothing here can keep a reduction back for longer.

use crate::desk::Key;
use domain::codec::{CodecError, Reader, Stored};
use domain::{AccountId, Digest, Digestible, Nanos, Quantity, UnixNanos, stored_struct};

/// How long a reduction that was stopped waits for its next try.
pub const TRY_AGAIN: Nanos = Nanos::from_secs(1);

/// One position whose reductions did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stopped {
    key: Key,
    due: UnixNanos,
}

/// Positions whose reductions the gate word stopped.
#[derive(Clone, Debug, Default)]
pub struct Unsent(Vec<Stopped>);

impl Unsent {
    /// A reduction of this position was stopped.
    pub fn add(&mut self, key: Key, now: UnixNanos) {
        let due = now.saturating_add(TRY_AGAIN);
        match self.0.iter_mut().find(|s| s.key == key) {
            Some(stopped) => stopped.due = due,
            None => self.0.push(Stopped { key, due }),
        }
    }

    /// Whether nothing is to be sent for it now.
    #[must_use]
    #[inline]
    pub fn holds(&self, key: Key) -> bool {
        self.0.iter().any(|s| s.key == key)
    }

    /// Whether something of an account was stopped.
    #[must_use]
    pub fn any_of(&self, account: AccountId) -> bool {
        self.0.iter().any(|s| s.key.0 == account)
    }

    /// Something changed: it may be tried again.
    pub fn forget(&mut self, key: Key) {
        if !self.0.is_empty() {
            self.0.retain(|s| s.key != key);
        }
    }

    /// Takes one, whether or not its time has come.
    pub fn take_any(&mut self) -> Option<Key> {
        (!self.0.is_empty()).then(|| self.0.remove(0).key)
    }

    /// Takes one whose time has come.
    pub fn take_due(&mut self, now: UnixNanos) -> Option<Key> {
        let at = self.0.iter().position(|s| s.due <= now)?;
        Some(self.0.remove(at).key)
    }

    /// When the next try is due.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.0.iter().map(|s| s.due).min()
    }
}

/// A part of a position that is to be reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    key: Key,
    quantity: Quantity,
}

/// Parts that are to be reduced and are not on their way.
#[derive(Clone, Debug, Default)]
pub struct Parts(Vec<Part>);

impl Parts {
    /// This much of a position is to be reduced; the larger one where a part waits already.
    pub fn add(&mut self, key: Key, quantity: Quantity) {
        match self.0.iter_mut().find(|p| p.key == key) {
            Some(part) => part.quantity = part.quantity.max(quantity),
            None => self.0.push(Part { key, quantity }),
        }
    }

    /// How much of a position is to be reduced.
    #[must_use]
    #[inline]
    pub fn get(&self, key: Key) -> Option<Quantity> {
        self.0.iter().find(|p| p.key == key).map(|p| p.quantity)
    }

    /// It left, or there is nothing to be reduced any more.
    pub fn remove(&mut self, key: Key) {
        self.0.retain(|p| p.key != key);
    }

    /// The position at this place of the list.
    #[must_use]
    pub fn nth(&self, at: usize) -> Option<Key> {
        self.0.get(at).map(|p| p.key)
    }
}

stored_struct!(Stopped { key, due });
stored_struct!(Part { key, quantity });

impl Stored for Unsent {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Stored::take(from).map(Self)
    }
}

impl Stored for Parts {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Stored::take(from).map(Self)
    }
}

fn key_digest(key: Key, d: &mut Digest) {
    d.word(u64::from(key.0.0) | u64::from(key.1.0) << 16 | u64::from(key.2.0) << 32);
}

impl Digestible for Unsent {
    fn digest(&self, d: &mut Digest) {
        for s in &self.0 {
            key_digest(s.key, d);
            d.word(s.due.0);
        }
    }
}

impl Digestible for Parts {
    fn digest(&self, d: &mut Digest) {
        for p in &self.0 {
            key_digest(p.key, d);
            d.wide(p.quantity.raw());
        }
    }
}
