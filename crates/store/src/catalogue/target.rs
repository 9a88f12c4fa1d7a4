//! One series of a catalogue while an import writes to it: records wait by period, then each period's file is written anew.
//!
//! In:  chunks of checked records in any order. Out: files, written aside; they take their places when the file that the records came from
//! was read to its end, so that a file is imported whole or not at all.

use super::layout::{Period, SeriesKey};
use super::merge::{Clash, Counts, Merge, NAMED, Rising, same_number_elsewhere};
use super::record::Record;
use crate::history::{HistoryError, Listing, Rows, Series, SeriesReader, TEMPORARY};
use domain::{InstrumentIdx, UnixNanos};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A record that contradicts what is there, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which series.
    pub series: String,
    /// Time of the record.
    pub ts: UnixNanos,
    /// The file that the new one came from.
    pub file: String,
    /// What is there and stays.
    pub held: String,
    /// What the file says.
    pub new: String,
}

/// What became of the records of a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Flushed {
    pub counts: Counts,
    pub conflicts: Vec<Conflict>,
    /// Files that were written.
    pub files: u64,
}

/// What an import needs of a series, whatever its kind.
pub(super) trait Sink {
    /// Takes in a chunk.
    fn take(&mut self, rows: &Rows);
    /// Records that wait.
    fn waiting(&self) -> usize;
    /// Writes waiting records aside.
    fn flush(&mut self, which: Which, names: &BTreeMap<u16, String>, out: &mut Flushed) -> Result<(), HistoryError>;
    /// Puts the written files in their places.
    fn commit(&mut self) -> Result<(), HistoryError>;
    /// Drops the waiting records of a file and what was written aside.
    fn drop_file(&mut self, file: u16);
}

/// Which of the waiting records are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// All of them.
    All,
    /// Those of other files than this one.
    Before(u16),
    /// All but the period that is being filled, and that one too where it alone has more than so many.
    Finished(usize),
}

/// A series of one kind of record.
pub(super) struct Target<T> {
    root: PathBuf,
    key: SeriesKey,
    listing: Listing,
    replace: bool,
    waiting: BTreeMap<Period, Vec<T>>,
    count: usize,
    /// The period of the last record, and its range.
    current: Option<(Period, u64, u64)>,
    /// Files written aside, by period.
    aside: BTreeMap<Period, PathBuf>,
}

impl<T: Record> Target<T> {
    pub fn new(root: &Path, key: SeriesKey, listing: Listing, replace: bool) -> Self {
        let root = root.to_owned();
        Self { root, key, listing, replace, waiting: BTreeMap::new(), count: 0, current: None, aside: BTreeMap::new() }
    }

    fn final_path(&self, period: Period) -> PathBuf {
        self.root.join(self.key.folder()).join(format!("{period}.parquet"))
    }

    /// What is there of a period: written aside by this import, or in its place.
    fn held(&self, period: Period) -> Option<PathBuf> {
        self.aside.get(&period).cloned().or_else(|| Some(self.final_path(period)).filter(|p| p.is_file()))
    }

    /// The records of a file of this catalogue, in time order.
    fn read(&self, path: &Path) -> Result<Each<T>, HistoryError> {
        let series = Series::of_file(path, &self.key.venue, self.key.kind, self.key.interval_s, &self.listing);
        Ok(Each {
            reader: SeriesReader::open(&series, InstrumentIdx(0))?,
            rows: Rows::new(T::KIND),
            at: 0,
            kind: std::marker::PhantomData,
        })
    }

    /// Merges records into the file of a period and writes it aside.
    fn write(
        &mut self,
        period: Period,
        mut new: Vec<T>,
        names: &BTreeMap<u16, String>,
        out: &mut Flushed,
    ) -> Result<(), HistoryError> {
        if !new.is_sorted_by_key(Record::ts) {
            new.sort_by_key(Record::ts);
        }
        let path = self.final_path(period);
        let shown = path.display().to_string();
        let held = self.held(period);
        if T::NUMBERED {
            self.take_out_strangers(held.as_deref(), &mut new, names, out)?;
        }
        let counts = match &held {
            None => None,
            Some(file) => {
                let mut merge = Merge::new(self.read(file)?, new.clone(), self.replace);
                merge.by_ref().try_for_each(|row| row.map(drop))?;
                self.name(&merge.clashes, names, out);
                out.counts.add(merge.counts);
                if merge.counts.added + merge.counts.replaced == 0 {
                    return Ok(());
                }
                Some(merge.counts)
            }
        };
        let folder = path.parent().unwrap_or(&self.root);
        std::fs::create_dir_all(folder).map_err(|e| HistoryError::io(&folder.display().to_string(), &e))?;
        let mut aside = path.clone().into_os_string();
        aside.push(format!(".{}.new{TEMPORARY}", std::process::id()));
        let aside = PathBuf::from(aside);
        match held {
            Some(file) => {
                let mut merge = Merge::new(self.read(&file)?, new, self.replace);
                T::write(&aside, &self.listing, self.key.interval_s, merge.by_ref())?;
                if counts != Some(merge.counts) {
                    return Err(HistoryError::Contradiction {
                        file: shown,
                        what: "it changed while it was read".into(),
                    });
                }
            }
            None => {
                let mut merge = Merge::new(std::iter::empty(), new, self.replace);
                T::write(&aside, &self.listing, self.key.interval_s, merge.by_ref())?;
                self.name(&merge.clashes, names, out);
                out.counts.add(merge.counts);
            }
        }
        out.files += 1;
        self.aside.insert(period, aside);
        Ok(())
    }

    /// Takes records out whose number is there at another time.
    fn take_out_strangers(
        &self,
        held: Option<&Path>,
        new: &mut Vec<T>,
        names: &BTreeMap<u16, String>,
        out: &mut Flushed,
    ) -> Result<(), HistoryError> {
        let mut rising = Rising::default();
        let rise = match held {
            None => new.iter().all(|row| rising.goes_on(row)),
            Some(path) => {
                let mut merge = Merge::new(self.read(path)?, new.clone(), false);
                let mut rise = true;
                for row in merge.by_ref() {
                    rise &= rising.goes_on(&row?);
                }
                rise
            }
        };
        if rise {
            return Ok(());
        }
        let clashes = match held {
            None => same_number_elsewhere(std::iter::empty(), new)?,
            Some(path) => same_number_elsewhere(self.read(path)?, new)?,
        };
        out.counts.conflicts += clashes.len() as u64;
        self.name(&clashes, names, out);
        Ok(())
    }

    fn name(&self, clashes: &[Clash<T>], names: &BTreeMap<u16, String>, out: &mut Flushed) {
        let room = NAMED.saturating_sub(out.conflicts.len());
        let series = format!("{} {} {}", self.key.venue, self.key.symbol, self.key.kind_name());
        out.conflicts.extend(clashes.iter().take(room).map(|clash| Conflict {
            series: series.clone(),
            ts: UnixNanos(clash.new.ts()),
            file: names.get(&clash.new.file()).cloned().unwrap_or_default(),
            held: clash.held.show(&self.listing),
            new: clash.new.show(&self.listing),
        }));
    }
}

impl<T: Record> Sink for Target<T> {
    fn take(&mut self, rows: &Rows) {
        let mut rows = T::of(rows);
        self.count += rows.len();
        while let Some(first) = rows.first() {
            let ts = first.ts();
            let (period, from, to) = match self.current {
                Some(held) if (held.1..held.2).contains(&ts) => held,
                _ => {
                    let period = Period::holding(UnixNanos(ts), self.key.span());
                    let (from, to) = period.range_ns();
                    (period, from, to)
                }
            };
            self.current = Some((period, from, to));
            let run = rows.iter().position(|row| !(from..to).contains(&row.ts())).unwrap_or(rows.len());
            let (inside, rest) = rows.split_at(run);
            self.waiting.entry(period).or_default().extend_from_slice(inside);
            rows = rest;
        }
    }

    fn waiting(&self) -> usize {
        self.count
    }

    fn flush(&mut self, which: Which, names: &BTreeMap<u16, String>, out: &mut Flushed) -> Result<(), HistoryError> {
        let current = self.current.map(|(period, ..)| period);
        for (period, rows) in std::mem::take(&mut self.waiting) {
            let (now, later) = match which {
                Which::All => (rows, Vec::new()),
                Which::Before(file) => rows.into_iter().partition(|row| row.file() != file),
                Which::Finished(_) if Some(period) != current => (rows, Vec::new()),
                Which::Finished(most) if rows.len() > most => {
                    // Records of the last time stay, so that those of one time are merged together.
                    let last = rows.last().map_or(0, Record::ts);
                    rows.into_iter().partition(|row| row.ts() != last)
                }
                Which::Finished(_) => (Vec::new(), rows),
            };
            self.count -= now.len();
            if !later.is_empty() {
                self.waiting.insert(period, later);
            }
            if !now.is_empty() {
                self.write(period, now, names, out)?;
            }
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), HistoryError> {
        sync(&self.aside)?;
        while let Some((period, aside)) = self.aside.pop_first() {
            let path = self.final_path(period);
            std::fs::rename(&aside, &path).map_err(|e| HistoryError::io(&path.display().to_string(), &e))?;
        }
        Ok(())
    }

    fn drop_file(&mut self, file: u16) {
        for rows in self.waiting.values_mut() {
            rows.retain(|row| row.file() != file);
        }
        self.waiting.retain(|_, rows| !rows.is_empty());
        self.count = self.waiting.values().map(Vec::len).sum();
        for aside in std::mem::take(&mut self.aside).into_values() {
            // What cannot be removed now is removed by the next import.
            drop(std::fs::remove_file(aside));
        }
    }
}

/// Threads that wait for the disk: its journal takes what comes at once in one go.
const SYNCING: usize = 8;

/// Makes files safe from a loss of power.
fn sync(files: &BTreeMap<Period, PathBuf>) -> Result<(), HistoryError> {
    let files: Vec<&PathBuf> = files.values().collect();
    let sync_all = |files: &[&PathBuf]| {
        files.iter().try_for_each(|path| {
            let synced = File::open(path).and_then(|file| file.sync_all());
            synced.map_err(|e| HistoryError::io(&path.display().to_string(), &e))
        })
    };
    std::thread::scope(|scope| {
        let share = files.len().div_ceil(SYNCING).max(1);
        let threads: Vec<_> = files.chunks(share).map(|share| scope.spawn(move || sync_all(share))).collect();
        threads.into_iter().try_for_each(|thread| {
            let lost = || HistoryError::Io { file: "catalogue".into(), what: "a thread that syncs files ended".into() };
            thread.join().unwrap_or_else(|_| Err(lost()))
        })
    })
}

/// The records of a reader, one by one.
struct Each<T> {
    reader: SeriesReader,
    rows: Rows,
    at: usize,
    kind: std::marker::PhantomData<T>,
}

impl<T: Record> Iterator for Each<T> {
    type Item = Result<T, HistoryError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = T::of(&self.rows).get(self.at) {
                self.at += 1;
                return Some(Ok(*row));
            }
            self.at = 0;
            match self.reader.next_chunk(&mut self.rows) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
