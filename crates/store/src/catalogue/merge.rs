//! Merging new records into those of a file: one record per key, in time order, whatever order and how often they come.
//!
//! In:  what a file holds, in time order, and new records, sorted by time and among equal times as they came.
//! Out: the records of the new file, and counts of what was added, there already, or contradicts what is there.
//!
//! A candle is known by its time, a trade by its number, a change of a book by its update, price and side. Records without a number are
//! known by all their figures, and two that are alike are two: of such a record there are as many as the file with most of them has. A
//! record that a gap filler made gives way to a real one and never takes its place.

use super::record::{Content, Id, Record};
use crate::history::HistoryError;
use domain::MarketFlags;
use std::collections::BTreeMap;
use std::vec::IntoIter;

/// What a merge did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// New records that were taken.
    pub added: u64,
    /// New records that were there already.
    pub duplicates: u64,
    /// New records that contradict one that is there.
    pub conflicts: u64,
    /// Records that new ones took the place of.
    pub replaced: u64,
}

impl Counts {
    pub const fn add(&mut self, other: Self) {
        self.added += other.added;
        self.duplicates += other.duplicates;
        self.conflicts += other.conflicts;
        self.replaced += other.replaced;
    }
}

/// A new record that contradicts the one that is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clash<T> {
    pub held: T,
    pub new: T,
}

/// Conflicts that are kept with their figures.
pub(super) const NAMED: usize = 20;

/// The merge as a stream.
pub(super) struct Merge<T, I: Iterator<Item = Result<T, HistoryError>>> {
    held: std::iter::Peekable<I>,
    new: std::iter::Peekable<IntoIter<T>>,
    /// Records of one time that are ready.
    ready: IntoIter<T>,
    replace: bool,
    pub counts: Counts,
    pub clashes: Vec<Clash<T>>,
    failed: bool,
}

impl<T: Record, I: Iterator<Item = Result<T, HistoryError>>> Merge<T, I> {
    /// `new` must be sorted by time; `replace`: a new record takes the place of the one it contradicts.
    pub fn new(held: I, new: Vec<T>, replace: bool) -> Self {
        Self {
            held: held.peekable(),
            new: new.into_iter().peekable(),
            ready: Vec::new().into_iter(),
            replace,
            counts: Counts::default(),
            clashes: Vec::new(),
            failed: false,
        }
    }

    /// Takes the records of the next time, of both sides.
    fn next_group(&mut self) -> Result<Option<T>, HistoryError> {
        let held_ts = match self.held.peek() {
            Some(Ok(row)) => Some(row.ts()),
            Some(Err(_)) => return self.held.next().transpose(),
            None => None,
        };
        let new_ts = self.new.peek().map(Record::ts);
        match (held_ts, new_ts) {
            (None, None) => return Ok(None),
            // Nothing new at that time: it stays as it is.
            (Some(h), n) if n.is_none_or(|n| h < n) => return self.held.next().transpose(),
            _ => {}
        }
        let ts = new_ts.unwrap_or_default();
        if held_ts != Some(ts) {
            // Most new records are alone at their time.
            let row = self.new.next();
            if self.new.peek().is_none_or(|n| n.ts() != ts) {
                self.counts.added += 1;
                return Ok(row);
            }
            let mut group = Group::default();
            row.iter().for_each(|row| self.put(&mut group, *row));
            self.put_rest(&mut group, ts);
            self.ready = group.into_rows();
            return Ok(self.ready.next());
        }
        let mut group = Group::default();
        while let Some(Ok(row)) = self.held.next_if(|row| row.as_ref().is_ok_and(|row| row.ts() == ts)) {
            group.hold(row);
        }
        self.put_rest(&mut group, ts);
        self.ready = group.into_rows();
        Ok(self.ready.next())
    }

    fn put_rest(&mut self, group: &mut Group<T>, ts: u64) {
        while let Some(row) = self.new.next_if(|row| row.ts() == ts) {
            self.put(group, row);
        }
    }

    /// Puts one new record into the records of its time.
    fn put(&mut self, group: &mut Group<T>, row: T) {
        let Some(id) = row.id() else {
            // The n-th one alike of a file is there if n alike are.
            let nth = group.seen.entry((row.content(), row.file())).or_insert(0);
            *nth += 1;
            let there = group.alike.entry(row.content()).or_insert(0);
            if *there >= *nth {
                self.counts.duplicates += 1;
            } else {
                *there += 1;
                group.rows.push(row);
                self.counts.added += 1;
            }
            return;
        };
        let Some(held) = group.by_id.get(&id).and_then(|at| group.rows.get_mut(*at)) else {
            group.by_id.insert(id, group.rows.len());
            group.rows.push(row);
            self.counts.added += 1;
            return;
        };
        let made = |row: &T| row.flags().has(MarketFlags::SYNTHETIC);
        if held.content() == row.content() || (made(&row) && !made(held)) {
            self.counts.duplicates += 1;
        } else if self.replace || (made(held) && !made(&row)) {
            *held = row;
            self.counts.replaced += 1;
        } else {
            self.counts.conflicts += 1;
            if self.clashes.len() < NAMED {
                self.clashes.push(Clash { held: *held, new: row });
            }
        }
    }
}

impl<T: Record, I: Iterator<Item = Result<T, HistoryError>>> Iterator for Merge<T, I> {
    type Item = Result<T, HistoryError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(row) = self.ready.next() {
            return Some(Ok(row));
        }
        if self.failed {
            return None;
        }
        let next = self.next_group();
        self.failed = next.is_err();
        next.transpose()
    }
}

/// The records of one time.
struct Group<T> {
    rows: Vec<T>,
    by_id: BTreeMap<Id, usize>,
    alike: BTreeMap<Content, u64>,
    seen: BTreeMap<(Content, u16), u64>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), by_id: BTreeMap::new(), alike: BTreeMap::new(), seen: BTreeMap::new() }
    }
}

impl<T: Record> Group<T> {
    /// Takes in a record that is there.
    fn hold(&mut self, row: T) {
        match row.id() {
            Some(id) => drop(self.by_id.insert(id, self.rows.len())),
            None => *self.alike.entry(row.content()).or_insert(0) += 1,
        }
        self.rows.push(row);
    }

    /// In the order of their numbers, and without numbers as they came.
    fn into_rows(mut self) -> IntoIter<T> {
        self.rows.sort_by_key(Record::number);
        self.rows.into_iter()
    }
}

/// Takes out of `new` the trades whose number is there at another time: they contradict it. Both sides are in time order. Numbers rise
/// with time in every sound stream, and as long as they do nothing is looked up.
pub(super) fn same_number_elsewhere<T: Record>(
    held: impl Iterator<Item = Result<T, HistoryError>>,
    new: &mut Vec<T>,
) -> Result<Vec<Clash<T>>, HistoryError> {
    let mut first: BTreeMap<u64, T> = BTreeMap::new();
    for row in held {
        let row = row?;
        if row.number() != 0 {
            first.entry(row.number()).or_insert(row);
        }
    }
    let mut clashes = Vec::new();
    new.retain(|row| {
        if row.number() == 0 {
            return true;
        }
        let held = first.entry(row.number()).or_insert(*row);
        let elsewhere = held.ts() != row.ts();
        if elsewhere {
            clashes.push(Clash { held: *held, new: *row });
        }
        !elsewhere
    });
    Ok(clashes)
}

/// Tells whether numbers rise with time, so that none can be there at two times.
#[derive(Default)]
pub(super) struct Rising {
    number: u64,
    ts: u64,
}

impl Rising {
    /// Whether the next record, in time order, goes on so.
    pub fn goes_on<T: Record>(&mut self, row: &T) -> bool {
        let (number, ts) = (row.number(), row.ts());
        let rises = number == 0 || number > self.number || ts == self.ts;
        if number != 0 {
            (self.number, self.ts) = (number.max(self.number), ts);
        }
        rises
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Candle, InstrumentIdx, Quote, Trade, UnixNanos};
    use proptest::prelude::*;

    fn candle(ts: u64, close: i64, file: u16, flags: MarketFlags) -> Candle {
        Candle {
            ts_open: UnixNanos(ts),
            ts_recv: UnixNanos(ts),
            open: 1,
            high: close,
            low: 1,
            close,
            volume: 1,
            interval_s: 60,
            instrument: InstrumentIdx(file),
            flags,
        }
    }

    fn quote(ts: u64, bid: i64, file: u16) -> Quote {
        Quote {
            ts_event: UnixNanos(ts),
            ts_recv: UnixNanos(ts),
            bid,
            bid_quantity: 1,
            ask: bid + 1,
            ask_quantity: 1,
            instrument: InstrumentIdx(file),
            flags: MarketFlags(0),
        }
    }

    fn trade(ts: u64, id: u64) -> Trade {
        Trade {
            ts_event: UnixNanos(ts),
            ts_recv: UnixNanos(ts),
            price: 1,
            quantity: 1,
            trade_id: id,
            instrument: InstrumentIdx(0),
            flags: MarketFlags(0),
            aggressor: domain::Side::Buy,
        }
    }

    fn merged<T: Record>(held: &[T], new: &[T], replace: bool) -> (Vec<T>, Counts, usize) {
        let mut merge = Merge::new(held.iter().copied().map(Ok), new.to_vec(), replace);
        let rows: Vec<T> = merge.by_ref().map(Result::unwrap).collect();
        (rows, merge.counts, merge.clashes.len())
    }

    const REAL: MarketFlags = MarketFlags(0);

    #[test]
    fn a_candle_is_there_once_and_the_first_one_stays() {
        let held = [candle(1, 5, 0, REAL), candle(3, 5, 0, REAL)];
        let new = [candle(1, 5, 1, REAL), candle(2, 5, 1, REAL), candle(3, 6, 1, REAL), candle(3, 7, 2, REAL)];
        let (rows, counts, named) = merged(&held, &new, false);
        assert_eq!(rows.iter().map(|c| (c.ts_open.0, c.close)).collect::<Vec<_>>(), [(1, 5), (2, 5), (3, 5)]);
        assert_eq!((counts, named), (Counts { added: 1, duplicates: 1, conflicts: 2, replaced: 0 }, 2));
        let (rows, counts, _) = merged(&held, &new, true);
        assert_eq!((rows[2].close, counts.replaced, counts.conflicts), (7, 2, 0), "the last one wins");
    }

    #[test]
    fn real_records_take_the_place_of_made_ones() {
        let (made, real) = (candle(1, 5, 0, MarketFlags::SYNTHETIC), candle(1, 6, 1, REAL));
        for (held, new, counts) in [
            (made, real, Counts { replaced: 1, ..Counts::default() }),
            (real, made, Counts { duplicates: 1, ..Counts::default() }),
        ] {
            let (rows, found, _) = merged(&[held], &[new], false);
            assert_eq!((rows, found), (vec![real], counts));
        }
    }

    #[test]
    fn records_alike_are_as_many_as_one_file_has() {
        // One file has the quote twice; the same file again, and one with three of them.
        let two = [quote(1, 5, 1), quote(1, 5, 1)];
        assert_eq!(merged(&[], &two, false).1, Counts { added: 2, ..Counts::default() });
        assert_eq!(merged(&two, &two, false).1, Counts { duplicates: 2, ..Counts::default() });
        let three = [quote(1, 5, 2), quote(1, 5, 2), quote(1, 5, 2)];
        assert_eq!(merged(&two, &three, false).1, Counts { added: 1, duplicates: 2, ..Counts::default() });
        // Two files at once, which share one.
        let both = [quote(1, 5, 1), quote(1, 6, 1), quote(1, 5, 2)];
        assert_eq!(merged(&[], &both, false).1, Counts { added: 2, duplicates: 1, ..Counts::default() });
    }

    fn rise(rows: &[Trade]) -> bool {
        let mut rising = Rising::default();
        rows.iter().all(|row| rising.goes_on(row))
    }

    #[test]
    fn a_trade_at_two_times_is_a_contradiction() {
        assert!(rise(&[trade(1, 5), trade(1, 5), trade(2, 0), trade(3, 6)]));
        assert!(!rise(&[trade(1, 5), trade(2, 5)]));
        let mut new = vec![trade(1, 5), trade(2, 7), trade(3, 5), trade(4, 8)];
        assert!(!rise(&new));
        let clashes = same_number_elsewhere([Ok(trade(9, 8))].into_iter(), &mut new).unwrap();
        assert_eq!((clashes.len(), new), (2, vec![trade(1, 5), trade(2, 7)]));
    }

    proptest! {
        /// Against a plain table: whatever comes in whatever order, there is one candle per time, in order, and all are counted.
        #[test]
        fn one_candle_per_time(
            held in proptest::collection::btree_map(0u64..40, 1i64..4, 0..30),
            mut new in proptest::collection::vec((0u64..40, 1i64..4), 0..60),
        ) {
            let rows: Vec<Candle> = held.iter().map(|(ts, close)| candle(*ts, *close, 0, REAL)).collect();
            new.sort_by_key(|(ts, _)| *ts);
            let given: Vec<Candle> = new.iter().map(|(ts, close)| candle(*ts, *close, 1, REAL)).collect();
            let (out, counts, _) = merged(&rows, &given, false);
            let mut table = held.clone();
            for (ts, close) in &new {
                table.entry(*ts).or_insert(*close);
            }
            let found: std::collections::BTreeMap<u64, i64> = out.iter().map(|c| (c.ts_open.0, c.close)).collect();
            prop_assert_eq!(out.len(), found.len());
            prop_assert!(out.is_sorted_by_key(|c| c.ts_open.0));
            prop_assert_eq!(counts.added + counts.duplicates + counts.conflicts, new.len() as u64);
            prop_assert_eq!(counts.added, (found.len() - held.len()) as u64);
            prop_assert_eq!(found, table);
            // Once more: nothing is new.
            let (again, counts, _) = merged(&out, &out, false);
            prop_assert_eq!((again.len(), counts.added, counts.conflicts), (out.len(), 0, 0));
        }
    }
}
