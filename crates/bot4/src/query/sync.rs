//! Brings the query store up to date with the journal of one run: now, or while the run goes on.
//!
//! In:  the folder of a run, the place of the database.
//! Out: the database, as far as the journal is on the disk.
//! The journal is read; nothing of the run is touched, and no lock of it is taken. A step that fails leaves the database as it was after
//! the last batch, and the next one goes on from there.

use super::curve;
use super::records::{Records, run_id};
use crate::runner::run_folder::{FolderError, RunFolder, Start};
use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::journal::{JournalError, Kind, Reader};
use store::query::{Access, Database, Place, QueryError, Watermark};

/// Rows of one transaction.
pub const BATCH_ROWS: usize = 1_000;

/// Why a run could not be brought up to date.
#[derive(Debug)]
pub enum SyncError {
    /// The database.
    Query(QueryError),
    /// The journal.
    Journal(JournalError),
    /// The folder.
    Folder(FolderError),
    /// A record that this build cannot read.
    Record {
        /// Number of its event.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// The journal ends before what the database has of it: it is not the journal that was written from.
    Shorter {
        /// The journal.
        journal: String,
        /// Where it ends.
        ends: u64,
        /// What the database has.
        written: u64,
    },
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Query(error) => write!(f, "{error}"),
            Self::Journal(error) => write!(f, "{error}"),
            Self::Folder(error) => write!(f, "{error}"),
            Self::Record { seq, what } => write!(f, "record of event {seq}: {what}"),
            Self::Shorter { journal, ends, written } => write!(
                f,
                "{journal} ends at event {ends}, and the query database has the run up to event {written}: the journal was cut or put back; \
                 `bot4 query sync --rebuild RUN` makes the run's rows again from it"
            ),
        }
    }
}

impl std::error::Error for SyncError {}

impl From<QueryError> for SyncError {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}

impl From<JournalError> for SyncError {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

/// What was written, all steps together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Done {
    /// Rows.
    pub rows: u64,
    /// Transactions.
    pub batches: u64,
    /// Records of the journal that were read.
    pub records: u64,
    /// Whether the run is complete in the database.
    pub complete: bool,
    /// Time in steps that had something to do.
    pub busy: Duration,
    /// Of that, in the database.
    pub in_database: Duration,
}

/// Brings one run up to date.
pub struct Sync {
    folder: RunFolder,
    place: Place,
    /// Days for which signals are kept; 0 keeps all.
    signal_days: u64,
    open: Option<Open>,
    done: Done,
    /// Moves as long as something is read or written: for whoever waits.
    advanced: Arc<AtomicU64>,
}

struct Open {
    database: Box<dyn Database>,
    records: Records,
    id: String,
}

impl Sync {
    /// Of the run in this folder, into this database. Nothing is opened yet.
    #[must_use]
    pub fn new(folder: &RunFolder, place: &Place, signal_days: u64) -> Self {
        Self {
            folder: folder.clone(),
            place: place.clone(),
            signal_days,
            open: None,
            done: Done::default(),
            advanced: Arc::default(),
        }
    }

    /// A number that moves as long as something is read or written.
    #[must_use]
    pub fn advanced(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.advanced)
    }

    /// What was written so far.
    #[must_use]
    pub const fn done(&self) -> &Done {
        &self.done
    }

    /// Writes what the database lacks of the journal as it is now.
    ///
    /// # Errors
    /// [`SyncError`]; it can be tried again.
    pub fn step(&mut self) -> Result<(), SyncError> {
        let began = Instant::now();
        // What fails is begun again from what the database has, whatever state it was in.
        let open = self.open.take();
        let mut open = match open {
            Some(open) => open,
            None => match self.begin()? {
                Some(open) => open,
                None => return Ok(()),
            },
        };
        let before = self.done.rows;
        self.follow(&mut open)?;
        self.done.complete = open.records.is_sealed();
        if self.done.rows > before {
            self.done.busy += began.elapsed();
        }
        self.open = Some(open);
        Ok(())
    }

    /// Takes everything of the run out of the database, so that the next step writes it all.
    ///
    /// # Errors
    /// [`SyncError`].
    pub fn forget(&mut self) -> Result<(), SyncError> {
        self.open = None;
        if let Some(mut open) = self.begin()? {
            open.database.forget(&open.id)?;
        }
        Ok(())
    }

    /// Takes signals out that are older than they are kept. Called when a run has ended.
    ///
    /// # Errors
    /// [`SyncError`].
    pub fn expire(&mut self) -> Result<u64, SyncError> {
        let (days, Some(open)) = (self.signal_days, &mut self.open) else { return Ok(0) };
        if days == 0 {
            return Ok(0);
        }
        let kept = days.saturating_mul(domain::time::NANOS_PER_DAY);
        Ok(open.database.expire(&open.id, open.records.reached().0.saturating_sub(kept))?)
    }

    /// Opens database and journal; nothing where the run has no record yet.
    fn begin(&self) -> Result<Option<Open>, SyncError> {
        let mut reader = Reader::open(&self.folder.journal())?;
        let Some(first) = reader.next()? else { return Ok(None) };
        let unreadable = |what: String| SyncError::Record { seq: first.seq, what };
        if first.kind != Kind::Start {
            return Err(unreadable(format!("of kind {:?}, expected the start of a run", first.kind)));
        }
        let start: Start = serde_json::from_slice(first.body).map_err(|e| unreadable(e.to_string()))?;
        let id = run_id(first.body);
        let mut database = store::query::open(&self.place, Access::Write)?;
        let written = database.watermark(&id)?.unwrap_or_default();
        Ok(Some(Open { database, records: Records::new(&self.folder, &id, start, written), id }))
    }

    fn follow(&mut self, open: &mut Open) -> Result<(), SyncError> {
        let mut reader = Reader::open(&self.folder.journal())?;
        let (seq, mut read) = open.records.at();
        if open.records.records() > 0 {
            reader.seek(seq)?;
        }
        loop {
            let thinned = reader.thinned().records > 0;
            let Some(record) = reader.next()? else { break };
            if record.seq == seq && read > 0 {
                read -= 1;
                continue;
            }
            open.records.take(record, thinned).map_err(|what| SyncError::Record { seq: record.seq, what })?;
            self.done.records += 1;
            if self.done.records.is_multiple_of(4_096) {
                self.advanced.fetch_add(1, Ordering::Relaxed);
            }
            if open.records.waiting() >= BATCH_ROWS {
                self.write(open, Vec::new())?;
            }
        }
        let (at, written) = (open.records.at(), open.records.written());
        if !open.records.is_beyond() {
            let journal = self.folder.journal().display().to_string();
            return Err(SyncError::Shorter { journal, ends: at.0, written: written.seq });
        }
        loop {
            let equity = curve::points(&self.folder, &open.id, open.records.written().equity, BATCH_ROWS);
            let Watermark { seq, records_of_seq, .. } = open.records.written();
            if equity.is_empty() && open.records.waiting() == 0 && at == (seq, records_of_seq) {
                return Ok(());
            }
            let last = equity.len() < BATCH_ROWS;
            self.write(open, equity)?;
            if last {
                return Ok(());
            }
        }
    }

    /// Writes what waits. The database must not know of what the journal could lose, so that is made durable first.
    fn write(&mut self, open: &mut Open, equity: Vec<store::query::Row>) -> Result<(), SyncError> {
        sync_journal(&self.folder.journal())?;
        let began = Instant::now();
        let batch = open.records.batch(equity);
        let rows = batch.len() as u64;
        open.database.write(batch)?;
        open.records.is_written();
        self.done.in_database += began.elapsed();
        self.done.rows += rows;
        self.done.batches += 1;
        self.advanced.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Makes durable what was read of segments that are still written; one that was compressed meanwhile is durable already.
fn sync_journal(journal: &Path) -> Result<(), SyncError> {
    let Ok(entries) = std::fs::read_dir(journal) else { return Ok(()) };
    for path in entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "seg")) {
        match File::open(&path).and_then(|file| file.sync_data()) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(SyncError::Folder(FolderError::Io { path, error })),
        }
    }
    Ok(())
}
