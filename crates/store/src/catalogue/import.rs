//! Taking foreign files into a catalogue: each record once, each file whole or not at all, and again from where it was cut off.
//!
//! In:  files and folders of any form that `history` reads, one after the other as they are named (folders by name).
//! Out: files of the catalogue, its table of instruments and its index, and a [`Report`].
//!
//! Memory is bounded: at most [`WAITING`] records wait. Files are written aside and renamed, so that a kill at any instant leaves whole
//! files; the same import again finds what is there and adds what is missing. Unfinished files of a killed one are removed by the next.

use super::layout::{SeriesKey, litter};
use super::merge::{Counts, NAMED};
use super::rules::RulesTable;
use super::target::{Conflict, Flushed, Sink, Target, Which};
use super::{Catalogue, Index};
use crate::history::{
    BadKinds, BadRow, DataKind, Findings, HistoryError, Input, Listing, Options, Rows, Series, SeriesReader, discover,
    files_of,
};
use domain::{BookDelta, Candle, InstrumentIdx, Quote, Trade};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// So many records wait at most before files are written: 64 MB.
const WAITING: usize = 1 << 20;
/// A file that ends with fewer of its records waiting may share files with the next: days become a month in one go.
const SMALL: usize = WAITING / 4;

/// What an import has done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Good records that were read.
    pub rows: u64,
    /// Those that were new.
    pub added: u64,
    /// Those that were there already.
    pub duplicates: u64,
    /// Those that contradict what is there and were left out.
    pub conflicts: u64,
    /// The first of them.
    pub conflict_list: Vec<Conflict>,
    /// Records that new ones took the place of.
    pub replaced: u64,
    /// Bad rows that were left out.
    pub bad: u64,
    /// The same by what is wrong with them.
    pub bad_kinds: BadKinds,
    /// The first of them.
    pub bad_list: Vec<BadRow>,
    /// Figures that were rounded to the decimals of a `generic` instrument.
    pub rounded: u64,
    /// Files that were read to their end.
    pub files: u64,
    /// Files of the catalogue that were written.
    pub written: u64,
    /// The series that were imported.
    pub series: Vec<SeriesKey>,
    /// Whether it was stopped before its end.
    pub interrupted: bool,
}

impl Report {
    fn take(&mut self, flushed: Flushed) {
        let Counts { added, duplicates, conflicts, replaced } = flushed.counts;
        self.added += added;
        self.duplicates += duplicates;
        self.conflicts += conflicts;
        self.replaced += replaced;
        self.written += flushed.files;
        let room = NAMED.saturating_sub(self.conflict_list.len());
        self.conflict_list.extend(flushed.conflicts.into_iter().take(room));
    }

    fn take_findings(&mut self, findings: &Findings) {
        self.bad += findings.bad;
        self.bad_kinds.add_all(&findings.bad_kinds);
        self.rounded += findings.rounded;
        let room = Findings::LISTED.saturating_sub(self.bad_list.len());
        self.bad_list.extend(findings.listed.iter().take(room).cloned());
    }
}

/// An import that ended before its end.
#[derive(Debug)]
pub struct Failed {
    /// Why.
    pub error: HistoryError,
    /// What was done until then and stays.
    pub report: Box<Report>,
}

/// What is told while an import runs.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// The file that is read.
    pub file: &'a str,
    /// Rows read so far, over all files.
    pub rows: u64,
}

/// Runs an import.
pub(super) fn run(
    catalogue: &Catalogue,
    inputs: &[Input],
    options: &Options,
    replace: bool,
    stop: &AtomicBool,
    told: &mut dyn FnMut(Step<'_>),
) -> Result<Report, Failed> {
    let failed = |error| Failed { error, report: Box::default() };
    let root = &catalogue.root;
    let shown = root.display().to_string();
    std::fs::create_dir_all(root).map_err(|e| failed(HistoryError::io(&shown, &e)))?;
    let _lock = lock(catalogue).map_err(failed)?;
    for path in litter(root).map_err(|e| failed(HistoryError::io(&shown, &e)))? {
        std::fs::remove_file(&path).map_err(|e| failed(HistoryError::io(&path.display().to_string(), &e)))?;
    }
    let rules = RulesTable::load(root).map_err(failed)?;
    let mut import = Import {
        catalogue,
        options,
        replace,
        rules,
        sinks: BTreeMap::new(),
        names: BTreeMap::new(),
        report: Report::default(),
    };
    let result = import.all(inputs, stop, told);
    // Files that were read to their end are kept, whatever came after.
    let result = result.and(import.flush_all());
    let result = result.and(Index::load(root).and_then(|index| index.save(root)));
    let report = import.report;
    match result {
        Ok(()) => Ok(report),
        Err(error) => Err(Failed { error, report: Box::new(report) }),
    }
}

/// Holds off other imports until it is dropped, or its process ends.
fn lock(catalogue: &Catalogue) -> Result<File, HistoryError> {
    let path = catalogue.root.join(".lock");
    let shown = path.display().to_string();
    let file = File::options().create(true).append(true).open(&path).map_err(|e| HistoryError::io(&shown, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let what = "another import is writing to this catalogue".to_owned();
            Err(HistoryError::Contradiction { file: catalogue.root.display().to_string(), what })
        }
        Err(TryLockError::Error(error)) => Err(HistoryError::io(&shown, &error)),
    }
}

struct Import<'a> {
    catalogue: &'a Catalogue,
    options: &'a Options,
    replace: bool,
    rules: RulesTable,
    sinks: BTreeMap<SeriesKey, Box<dyn Sink>>,
    /// Names of the files whose records wait, by the number that they carry.
    names: BTreeMap<u16, String>,
    /// What concerns files that were read to their end.
    report: Report,
}

/// What a file gave so far; it counts once the file was read to its end.
#[derive(Default)]
struct Tally {
    rows: u64,
    findings: Vec<Findings>,
    flushed: Vec<Flushed>,
    /// Whether what earlier files left was written before anything of this one.
    room_made: bool,
}

impl Import<'_> {
    fn all(&mut self, inputs: &[Input], stop: &AtomicBool, told: &mut dyn FnMut(Step<'_>)) -> Result<(), HistoryError> {
        let mut unwanted = None;
        for (number, input) in files_of(inputs)?.into_iter().enumerate() {
            // Numbers come again after 65,536 files; their records were written long before.
            let number = (number % (1 << 16)) as u16;
            let mut tally = Tally::default();
            match self.file(&input, number, &mut tally, stop, told) {
                Ok(true) => {}
                Ok(false) => {
                    self.sinks.values_mut().for_each(|sink| sink.drop_file(number));
                    self.report.interrupted = true;
                    return Ok(());
                }
                // Of several files some may be left out; that nothing is left is an error.
                Err(error @ HistoryError::Nothing(_)) => {
                    unwanted = Some(error);
                    continue;
                }
                Err(error) => {
                    self.sinks.values_mut().for_each(|sink| sink.drop_file(number));
                    return Err(error);
                }
            }
            self.commit()?;
            self.report.files += 1;
            self.report.rows += tally.rows;
            tally.findings.iter().for_each(|findings| self.report.take_findings(findings));
            tally.flushed.into_iter().for_each(|flushed| self.report.take(flushed));
            if self.waiting() > SMALL {
                self.flush_all()?;
            }
        }
        match unwanted {
            Some(error) if self.report.files == 0 => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads one file; `false` if it was stopped.
    fn file(
        &mut self,
        input: &Input,
        number: u16,
        tally: &mut Tally,
        stop: &AtomicBool,
        told: &mut dyn FnMut(Step<'_>),
    ) -> Result<bool, HistoryError> {
        let rules = Some(Arc::new(self.rules.clone()));
        let options = Options { rules, ..self.options.clone() };
        for series in discover(std::slice::from_ref(input), &options)? {
            let key = self.open(&series)?;
            let name = series.parts.first().map(|part| part.name.clone()).unwrap_or_default();
            self.names.insert(number, name.clone());
            let mut reader = SeriesReader::open_in_any_order(&series, InstrumentIdx(number))?;
            let mut rows = Rows::new(series.kind);
            let before = tally.rows;
            while reader.next_chunk(&mut rows)? {
                tally.rows = before + reader.findings().rows;
                if let Some(sink) = self.sinks.get_mut(&key) {
                    sink.take(&rows);
                }
                if self.waiting() > WAITING {
                    self.make_room(number, tally)?;
                }
                told(Step { file: &name, rows: self.report.rows + tally.rows });
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
            }
            tally.findings.push(reader.findings().clone());
        }
        Ok(true)
    }

    /// Gets a series ready to be written to: its instrument has its row in the table.
    fn open(&mut self, series: &Series) -> Result<SeriesKey, HistoryError> {
        let Series { venue, symbol, kind, interval_s, listing, .. } = series;
        let key = SeriesKey { venue: venue.clone(), symbol: symbol.clone(), kind: *kind, interval_s: *interval_s };
        if self.sinks.contains_key(&key) {
            return Ok(key);
        }
        let file = series.parts.first().map(|part| part.name.clone()).unwrap_or_default();
        if venue.is_empty() || symbol.is_empty() || [venue, symbol].iter().any(|t| t.contains([',', '\n', '\r', '"'])) {
            let what =
                format!("venue `{venue}` or symbol `{symbol}` cannot stand in a table: no commas, quotes or line ends");
            return Err(HistoryError::Contradiction { file, what });
        }
        match self.rules.choose(venue, symbol, None, None) {
            Some(held) => {
                let decimals = |l: &Listing| (l.price_decimals, l.quantity_decimals);
                let (there, here) = (decimals(&held.listing), decimals(listing));
                if there != here {
                    let what = format!(
                        "the catalogue keeps {symbol} at {} decimals of prices and {} of quantities, and this import says {} and {}",
                        there.0, there.1, here.0, here.1
                    );
                    return Err(HistoryError::Contradiction { file, what });
                }
            }
            None => {
                self.rules.add(listing.clone());
                self.rules.save(&self.catalogue.root)?;
            }
        }
        let (root, listing) = (&self.catalogue.root, listing.clone());
        let sink: Box<dyn Sink> = match kind {
            DataKind::Candles => Box::new(Target::<Candle>::new(root, key.clone(), listing, self.replace)),
            DataKind::Trades => Box::new(Target::<Trade>::new(root, key.clone(), listing, self.replace)),
            DataKind::Quotes => Box::new(Target::<Quote>::new(root, key.clone(), listing, self.replace)),
            DataKind::Book => Box::new(Target::<BookDelta>::new(root, key.clone(), listing, self.replace)),
        };
        self.sinks.insert(key.clone(), sink);
        self.report.series.push(key.clone());
        Ok(key)
    }

    fn waiting(&self) -> usize {
        self.sinks.values().map(|sink| sink.waiting()).sum()
    }

    /// Writes what waits, inside of a file: first what earlier files left, which stays whatever becomes of this one.
    fn make_room(&mut self, number: u16, tally: &mut Tally) -> Result<(), HistoryError> {
        if !tally.room_made {
            tally.room_made = true;
            let flushed = self.flush(Which::Before(number))?;
            self.report.take(flushed);
            self.commit()?;
        }
        tally.flushed.push(self.flush(Which::Finished(WAITING / 2))?);
        if self.waiting() > WAITING {
            tally.flushed.push(self.flush(Which::Finished(0))?);
        }
        Ok(())
    }

    fn flush(&mut self, which: Which) -> Result<Flushed, HistoryError> {
        let mut flushed = Flushed::default();
        self.sinks.values_mut().try_for_each(|sink| sink.flush(which, &self.names, &mut flushed))?;
        Ok(flushed)
    }

    fn commit(&mut self) -> Result<(), HistoryError> {
        self.sinks.values_mut().try_for_each(|sink| sink.commit())
    }

    fn flush_all(&mut self) -> Result<(), HistoryError> {
        let flushed = self.flush(Which::All)?;
        self.report.take(flushed);
        self.names.clear();
        self.commit()
    }
}
