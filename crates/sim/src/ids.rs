//! Client order ids and what became of their orders.
//!
//! In:  every order accepted or finished.
//! Out: the slot of a working order, the end of a finished one, and whether an id was used before.
//! The last [`KEPT`] finished orders are remembered; older ones are unknown to queries and their ids are free again. The table probes
//! linearly over a power of two and is never iterated, so its layout cannot reach a result.

use crate::order::Order;
use domain::codec::{CodecError, Pack, Reader, Stored};
use domain::{ClientOrderId, OrderStatus};

/// How many finished orders are remembered.
pub(crate) const KEPT: usize = 4_096;
const EMPTY: u32 = u32::MAX;
const FINISHED: u32 = 1 << 31;

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub id: ClientOrderId,
    pub status: OrderStatus,
    pub filled: i64,
}

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Working, in this slot.
    Working(u32),
    /// Over.
    Finished(Finished),
}

#[derive(Clone, Debug)]
pub(crate) struct Ids {
    keys: Vec<u128>,
    values: Vec<u32>,
    used: usize,
    finished: Vec<Finished>,
    oldest: usize,
}

impl Ids {
    pub fn new() -> Self {
        Self { keys: vec![0; 256], values: vec![EMPTY; 256], used: 0, finished: Vec::new(), oldest: 0 }
    }

    pub fn find(&self, id: ClientOrderId) -> Option<Found> {
        let value = self.values[self.place(id.raw())];
        if value == EMPTY {
            None
        } else if value & FINISHED != 0 {
            self.finished.get((value & !FINISHED) as usize).copied().map(Found::Finished)
        } else {
            Some(Found::Working(value))
        }
    }

    /// The slot of a working order.
    pub fn slot(&self, id: ClientOrderId) -> Option<u32> {
        match self.find(id) {
            Some(Found::Working(slot)) => Some(slot),
            Some(Found::Finished(_)) | None => None,
        }
    }

    /// Notes a working order, whose id must not be in use.
    pub fn insert(&mut self, id: ClientOrderId, slot: u32) {
        self.put(id.raw(), slot);
    }

    /// Notes the end of an order, working or never taken, and forgets the oldest one if too many are held.
    pub fn finish(&mut self, end: Finished) {
        let at = if self.finished.len() < KEPT {
            self.finished.push(end);
            self.finished.len() - 1
        } else {
            let at = self.oldest;
            let gone = self.finished[at].id.raw();
            self.remove(gone);
            self.finished[at] = end;
            self.oldest = (at + 1) % KEPT;
            at
        };
        self.put(end.id.raw(), at as u32 | FINISHED);
    }

    /// Finished orders, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &Finished> {
        let (newer, older) = self.finished.split_at(self.oldest);
        older.iter().chain(newer)
    }

    fn mask(&self) -> usize {
        self.keys.len() - 1
    }

    fn home(&self, key: u128) -> usize {
        // The low bits of an id are its ordinal. Four ordinals in a row share a cache line; the groups are spread over the table by an
        // odd constant, so that no long run of full places builds up.
        let low = key as u64;
        let group = (low >> 2) ^ ((key >> 64) as u64).rotate_left(29);
        let mixed = group.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        ((mixed << 2) | (low & 3)) as usize & self.mask()
    }

    /// Where the key is, or the empty place where it would go. The table is never full, so the search ends.
    fn place(&self, key: u128) -> usize {
        let mut at = self.home(key);
        while self.values[at] != EMPTY && self.keys[at] != key {
            at = (at + 1) & self.mask();
        }
        at
    }

    fn put(&mut self, key: u128, value: u32) {
        let mut at = self.place(key);
        if self.values[at] == EMPTY {
            if (self.used + 1) * 2 > self.keys.len() {
                self.grow();
                at = self.place(key);
            }
            self.used += 1;
        }
        self.keys[at] = key;
        self.values[at] = value;
    }

    fn grow(&mut self) {
        let size = self.keys.len() * 2;
        let keys = std::mem::replace(&mut self.keys, vec![0; size]);
        let values = std::mem::replace(&mut self.values, vec![EMPTY; size]);
        for (key, value) in keys.into_iter().zip(values) {
            if value != EMPTY {
                let at = self.place(key);
                self.keys[at] = key;
                self.values[at] = value;
            }
        }
    }

    /// Takes a key out and moves those behind it up, so that no search is cut short.
    fn remove(&mut self, key: u128) {
        let mut hole = self.place(key);
        if self.values[hole] == EMPTY {
            return;
        }
        self.used -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask();
            if self.values[at] == EMPTY {
                break;
            }
            let home = self.home(self.keys[at]);
            let from_home = at.wrapping_sub(home) & self.mask();
            let from_hole = at.wrapping_sub(hole) & self.mask();
            if from_home >= from_hole {
                self.keys[hole] = self.keys[at];
                self.values[hole] = self.values[at];
                hole = at;
            }
        }
        self.values[hole] = EMPTY;
    }
}

/// For snapshots: the finished orders as they lie, from which the table is made again. The working ones are known from their slots.
impl Ids {
    pub fn save(&self, out: &mut Vec<u8>) {
        self.oldest.put(out);
        domain::codec::put_all(&self.finished, out, |end, out| {
            let mut pack = Pack::<25>::new();
            pack.field(end.id.raw().to_le_bytes()).u8(end.status as u8).i64(end.filled).put(out);
        });
    }

    pub fn load(from: &mut Reader<'_>, orders: &[Order]) -> Result<Self, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "the ids of orders" };
        let mut ids = Self { oldest: Stored::take(from)?, ..Self::new() };
        for at in 0..from.count()? {
            let end = Finished { id: Stored::take(from)?, status: Stored::take(from)?, filled: Stored::take(from)? };
            if at >= KEPT || !end.status.is_terminal() || ids.find(end.id).is_some() {
                return Err(INVALID);
            }
            ids.finished.push(end);
            ids.put(end.id.raw(), at as u32 | FINISHED);
        }
        // The ring turns once it is full.
        if ids.oldest >= KEPT || (ids.oldest != 0 && ids.finished.len() != KEPT) || orders.len() >= FINISHED as usize {
            return Err(INVALID);
        }
        for (slot, order) in (0..FINISHED).zip(orders).filter(|(_, order)| order.alive) {
            if ids.find(order.id()).is_some() {
                return Err(INVALID);
            }
            ids.insert(order.id(), slot);
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::AccountId;

    #[test]
    fn the_newest_ends_are_kept_and_older_ids_are_free_again() {
        let mut ids = Ids::new();
        let id = |n| ClientOrderId::new(AccountId(1), 1, n);
        let total = KEPT as u64 + 5_000;
        for n in 0..total {
            assert_eq!(ids.find(id(n)), None, "{n}");
            ids.insert(id(n), (n % 7) as u32);
            assert_eq!(ids.slot(id(n)), Some((n % 7) as u32));
            ids.finish(Finished { id: id(n), status: OrderStatus::Filled, filled: n as i64 });
        }
        for n in 0..total {
            let found = match ids.find(id(n)) {
                Some(Found::Finished(end)) => Some(end.filled),
                _ => None,
            };
            assert_eq!(found, (n >= 5_000).then_some(n as i64), "{n}");
        }
        let kept: Vec<i64> = ids.history().map(|e| e.filled).collect();
        assert_eq!(kept, (5_000..total as i64).collect::<Vec<_>>());
    }
}
