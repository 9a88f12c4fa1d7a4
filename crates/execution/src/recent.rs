//! The last so many numbers that were seen, and what belongs to each.
//!
//! In:  numbers, one after the other.
//! Out: whether one was seen before, and with what.
//! Memory is taken once. The oldest leaves when there is no more room. The table probes linearly over a power of two and is never iterated, so
//! its layout cannot reach a result.

use domain::codec::{CodecError, Reader, Stored};

const EMPTY: u32 = u32::MAX;

/// The last so many keys with their values, oldest first.
#[derive(Clone, Debug)]
pub struct Recent<V> {
    ring: Vec<(u128, V)>,
    /// Where the oldest is, once the ring is full.
    oldest: usize,
    /// Places in the ring, by a hash of the key.
    table: Vec<u32>,
    capacity: usize,
}

/// What became of a key that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noted<V> {
    /// It is new; the key that had to leave for it, with its value.
    New(Option<(u128, V)>),
    /// It was there, with this value, which stays.
    Known(V),
}

impl<V: Copy> Recent<V> {
    /// Room for so many keys.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let places = (capacity * 2).next_power_of_two();
        Self { ring: Vec::with_capacity(capacity), oldest: 0, table: vec![EMPTY; places], capacity }
    }

    /// The value of a key.
    #[must_use]
    #[inline]
    pub fn get(&self, key: u128) -> Option<V> {
        let place = self.table.get(self.place(key)).copied().unwrap_or(EMPTY);
        if place == EMPTY { None } else { self.ring.get(place as usize).map(|(_, value)| *value) }
    }

    /// Notes a key, unless it is there.
    pub fn note(&mut self, key: u128, value: V) -> Noted<V> {
        if let Some(known) = self.get(key) {
            return Noted::Known(known);
        }
        let (at, gone) = if self.ring.len() < self.capacity {
            self.ring.push((key, value));
            (self.ring.len() - 1, None)
        } else {
            let at = self.oldest;
            let (old, gone) = std::mem::replace(&mut self.ring[at], (key, value));
            self.remove(old);
            self.oldest = (at + 1) % self.capacity;
            (at, Some((old, gone)))
        };
        let place = self.place(key);
        // The ring holds fewer keys than a u32 counts: its room was taken at once.
        self.table[place] = at as u32;
        Noted::New(gone)
    }

    /// All keys, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &(u128, V)> {
        let (newer, older) = self.ring.split_at(self.oldest.min(self.ring.len()));
        older.iter().chain(newer)
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether none was seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    const fn mask(&self) -> usize {
        self.table.len() - 1
    }

    fn home(&self, key: u128) -> usize {
        let folded = (key as u64) ^ ((key >> 64) as u64).rotate_left(29);
        (folded.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize & self.mask()
    }

    fn key_at(&self, place: u32) -> Option<u128> {
        self.ring.get(place as usize).map(|(key, _)| *key)
    }

    /// Where the key is, or the empty place where it would go. Half of the table is empty, so the search ends.
    fn place(&self, key: u128) -> usize {
        let mut at = self.home(key);
        while self.table[at] != EMPTY && self.key_at(self.table[at]) != Some(key) {
            at = (at + 1) & self.mask();
        }
        at
    }

    /// Takes a key out whose place in the ring has another one by now, and moves those behind it up, so that no search is cut short.
    fn remove(&mut self, key: u128) {
        let mut hole = self.home(key);
        while self.table[hole] != EMPTY && self.table[hole] as usize != self.oldest {
            hole = (hole + 1) & self.mask();
        }
        if self.table[hole] == EMPTY {
            return;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask();
            if self.table[at] == EMPTY {
                break;
            }
            let home = self.key_at(self.table[at]).map_or(at, |key| self.home(key));
            if at.wrapping_sub(home) & self.mask() >= at.wrapping_sub(hole) & self.mask() {
                self.table[hole] = self.table[at];
                hole = at;
            }
        }
        self.table[hole] = EMPTY;
    }
}

/// For snapshots.
impl<V: Copy + Stored> Recent<V> {
    /// Appends them, oldest first.
    pub fn save(&self, out: &mut Vec<u8>) {
        (self.ring.len() as u64).put(out);
        self.iter().for_each(|entry| entry.put(out));
    }

    /// Reads them back.
    ///
    /// # Errors
    /// [`CodecError`] for more than there is room for, or a key that comes twice.
    pub fn load(&mut self, from: &mut Reader<'_>, what: &'static str) -> Result<(), CodecError> {
        let mut loaded = Self::with_capacity(self.capacity);
        for at in 0..from.count()? {
            let (key, value) = <(u128, V)>::take(from)?;
            if at >= self.capacity || loaded.get(key).is_some() {
                return Err(CodecError::Invalid { what });
            }
            loaded.note(key, value);
        }
        *self = loaded;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::generate::Seeded;

    #[test]
    fn the_newest_are_known_and_older_ones_are_not() {
        let mut recent = Recent::with_capacity(8);
        for key in 0..50_u128 {
            assert_eq!(recent.get(key), None);
            let gone = (key >= 8).then(|| (key - 8, (key - 8) as u64));
            assert_eq!(recent.note(key, key as u64), Noted::New(gone));
            assert_eq!(recent.note(key, 99), Noted::Known(key as u64));
        }
        let kept: Vec<u64> = recent.iter().map(|(_, value)| *value).collect();
        assert_eq!(kept, (42..50).collect::<Vec<_>>());
    }

    #[test]
    fn it_says_the_same_as_a_plain_list_whatever_the_keys() {
        for seed in 0..200 {
            let mut random = Seeded::new(seed);
            let capacity = random.within(1, 20) as usize;
            let mut recent = Recent::with_capacity(capacity);
            let mut plain: Vec<u128> = Vec::new();
            for _ in 0..300 {
                // Keys that differ in their high bits alone fall on each other often.
                let key = u128::from(random.bits() % 30) << (64 * (random.bits() % 2));
                let known = plain.contains(&key);
                assert_eq!(matches!(recent.note(key, 7_u64), Noted::Known(7)), known, "seed {seed}");
                if !known {
                    plain.push(key);
                    if plain.len() > capacity {
                        plain.remove(0);
                    }
                }
                assert!(plain.iter().all(|key| recent.get(*key).is_some()), "seed {seed}");
                assert_eq!(recent.len(), plain.len());
            }
            let (mut bytes, mut again) = (Vec::new(), Vec::new());
            recent.save(&mut bytes);
            let mut back = Recent::<u64>::with_capacity(capacity);
            back.load(&mut Reader::new(&bytes), "keys").unwrap();
            back.save(&mut again);
            assert_eq!(bytes, again, "seed {seed}");
        }
    }
}
