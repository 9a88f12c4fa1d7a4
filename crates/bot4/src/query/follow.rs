//! A thread that keeps the query store up to date while a run goes on.
//!
//! In:  the journal of the run, as it grows.
//! Out: the query store; at the end what came of it.
//! Trading knows nothing of it: it reads what the journal's writer has given to the system. A database that fails is tried again, after one
//! second, then after two, four, up to a minute; what it missed is written as soon as it is there again, or by `bot4 query sync`.

use super::sync::{Done, Sync};
use crate::config::RunSettings;
use crate::runner::run_folder::RunFolder;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use store::query::Place;

/// Between two looks at the journal.
const EVERY: Duration = Duration::from_secs(1);
/// The longest wait after failures.
const BACKOFF_MAX: Duration = Duration::from_secs(60);
/// A look takes at most this share of one core: after one that took a second there are so many seconds of rest.
const REST: u32 = 10;

/// How long the end of a run waits for what is missing: as long as something is written, up to this.
pub const WHEN_ENDED: Duration = Duration::from_secs(3_600);
/// The same where the run was stopped: whoever stops it wants it to end.
pub const WHEN_STOPPED: Duration = Duration::from_secs(5);
/// A database that lets nothing be written for so long is not waited for any more.
const STALLED: Duration = Duration::from_secs(10);

/// The thread.
pub struct Follower {
    end: Sender<()>,
    outcome: Receiver<Followed>,
    advanced: Arc<AtomicU64>,
    place: String,
}

/// What came of following a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Followed {
    /// The database, without a password.
    pub database: String,
    /// Rows that were written.
    pub rows: u64,
    /// Transactions that they were written in.
    pub batches: u64,
    /// Records of the journal that were read.
    pub records: u64,
    /// How often the database, or the reading, failed.
    pub failures: u64,
    /// Whether everything that was recorded is in the database.
    pub up_to_date: bool,
    /// Why not.
    pub error: Option<String>,
    /// Seconds in which there was something to do.
    pub busy_s: f64,
    /// Of those, the seconds in the database.
    pub database_s: f64,
}

impl Follower {
    /// Begins to follow a run.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(folder: &RunFolder, place: &Place, signal_days: u64) -> std::io::Result<Self> {
        let sync = Sync::new(folder, place, signal_days);
        let advanced = sync.advanced();
        let ((end, ends), (told, outcome)) = (channel(), channel());
        let (name, place) = (place.to_string(), place.to_string());
        std::thread::Builder::new().name("query".into()).spawn(move || drop(told.send(follow(sync, &ends, name))))?;
        Ok(Self { end, outcome, advanced, place })
    }

    /// Begins to follow a run as its settings say. What stands against it is told: no run waits for its query store.
    #[must_use]
    pub fn of(folder: &RunFolder, settings: &RunSettings) -> Option<Self> {
        let begun = match super::place_of(settings) {
            Ok(None) => return None,
            Ok(Some(place)) => {
                Self::start(folder, &place, settings.query.signal_days).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        begun.map_err(|error| eprintln!("bot4: this run is not in the query store: {error}")).ok()
    }

    /// The run has written its last record: what is missing is written, if the database is there. A database that does not answer is left
    /// to itself after a while, and what is missing then is told.
    #[must_use]
    pub fn finish(self, most: Duration) -> Followed {
        drop(self.end);
        let began = Instant::now();
        let (mut seen, mut moved) = (0, began);
        loop {
            match self.outcome.recv_timeout(Duration::from_millis(200)) {
                Ok(followed) => return followed,
                Err(RecvTimeoutError::Timeout) if began.elapsed() < most && moved.elapsed() < STALLED => {}
                Err(why) => {
                    let place = self.place;
                    let error = match why {
                        RecvTimeoutError::Timeout => {
                            format!("query database {place}: it was not waited for any longer")
                        }
                        RecvTimeoutError::Disconnected => format!("query database {place}: its thread ended"),
                    };
                    return Followed { database: place, error: Some(error), ..Followed::default() };
                }
            }
            let advanced = self.advanced.load(Ordering::Relaxed);
            if std::mem::replace(&mut seen, advanced) != advanced {
                moved = Instant::now();
            }
        }
    }
}

impl Followed {
    /// Says on standard error, and in the log, what is missing; nothing where nothing is.
    pub fn tell(&self, folder: &RunFolder) {
        let Some(error) = &self.error else {
            tracing::info!(rows = self.rows, failures = self.failures, "query database is up to date");
            return;
        };
        let shown = folder.path().display();
        tracing::warn!(rows = self.rows, failures = self.failures, "query database is behind: {error}");
        eprintln!("bot4: {error}; nothing of the run is lost: `bot4 query sync {shown}` writes what is missing there");
    }
}

fn follow(mut sync: Sync, ends: &Receiver<()>, database: String) -> Followed {
    let (mut failures, mut backoff, mut told) = (0u64, EVERY, String::new());
    let mut wait = EVERY;
    loop {
        let is_last = !matches!(ends.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
        let began = Instant::now();
        match sync.step() {
            Ok(()) => {
                if !told.is_empty() {
                    tracing::info!(rows = sync.done().rows, "query database is there again");
                }
                told.clear();
                backoff = EVERY;
                wait = EVERY.max(began.elapsed() * REST);
            }
            Err(error) => {
                failures += 1;
                let text = error.to_string();
                if text != told {
                    tracing::warn!("{text}; the run goes on, what is missing is written later");
                    told = text;
                }
                wait = backoff;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
        if is_last {
            // A segment that was compressed while it was read, or a lock, is gone at once; a server that is down is not.
            if !told.is_empty() && sync.step().is_ok() {
                told.clear();
            }
            if told.is_empty()
                && let Err(error) = sync.expire()
            {
                told = error.to_string();
            }
            let Done { rows, batches, records, busy, in_database, .. } = *sync.done();
            return Followed {
                database,
                rows,
                batches,
                records,
                failures,
                up_to_date: told.is_empty(),
                error: (!told.is_empty()).then_some(told),
                busy_s: busy.as_secs_f64(),
                database_s: in_database.as_secs_f64(),
            };
        }
    }
}
