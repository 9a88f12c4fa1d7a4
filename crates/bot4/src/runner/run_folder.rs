//! The folder of a recorded run: what lies where, and what the first record of its journal says.
//!
//! ```text
//! RUN/journal/      what happened, in order (`store::journal`)
//! RUN/snapshots/    states to go on from (`store::snapshot`)
//! RUN/records/      growing logs that belong to the snapshots
//! RUN/audit/        the audit log (`store::audit`)
//! RUN/lock          held by the process that works on the folder
//! RUN/kill.json     somebody has killed the run, and it has not recorded it (`bot4::kill`)
//! RUN/summary.json, summary.txt, trades.csv, equity.csv, prices.csv, report.html    the result of a finished run
//! ```

use crate::runner::run_inputs::{MERGE_RULE, SeriesRef, hash_file};
use crate::runner::tape::Seal;
use domain::codec::{Reader as Bytes, Stored};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use store::journal::{End, JournalError, Kind, Reader};
use store::lock::{LockError, RunLock};

/// Version of [`Start`]: fields are only ever added.
const START_VERSION: u32 = 1;

/// The folder of a run.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
}

/// What a folder holds.
#[derive(Debug)]
pub enum Contents {
    /// Nothing that a run has recorded: a run can begin here.
    Nothing,
    /// A run that has begun.
    Run(Box<Start>),
}

/// What a run is made of: the first record of its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Version of this record.
    pub version: u32,
    /// Name of the run: `paper`.
    pub run: String,
    /// The build that began it.
    pub build: Build,
    /// When it began, on the machine's clock, for people: nothing follows from it.
    pub started_at: String,
    /// The whole configuration.
    pub config: serde_json::Value,
    /// What it reads, by reference.
    pub inputs: Vec<SeriesRef>,
    /// How the rows of the inputs are brought into one order.
    pub merge_rule: String,
    /// Whether it was to go on with a run of which nothing had been recorded.
    #[serde(default)]
    pub afresh: bool,
    /// The assets by number, with the precision at which their amounts are rounded; none in records of earlier builds.
    #[serde(default)]
    pub assets: Vec<domain::instrument::Asset>,
}

/// A build of this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Its version.
    pub version: String,
    /// SHA-256 of the program's file; none where it cannot be read.
    pub sha256: Option<String>,
}

impl Build {
    /// The build that is running; its file is read once.
    #[must_use]
    pub fn current() -> Self {
        static CURRENT: OnceLock<Build> = OnceLock::new();
        let read = || {
            let program = std::env::current_exe().and_then(|path| hash_file(&path));
            Self { version: env!("CARGO_PKG_VERSION").to_owned(), sha256: program.ok().map(|(_, hash)| hash) }
        };
        CURRENT.get_or_init(read).clone()
    }
}

impl fmt::Display for Build {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sha256.as_deref().and_then(|hash| hash.get(..12)) {
            Some(hash) => write!(f, "{} ({hash})", self.version),
            None => f.write_str(&self.version),
        }
    }
}

impl Start {
    /// The first record of a run that begins now.
    #[must_use]
    pub fn new(run: &str, config: serde_json::Value, inputs: Vec<SeriesRef>) -> Self {
        Self {
            version: START_VERSION,
            run: run.to_owned(),
            build: Build::current(),
            started_at: jiff::Timestamp::now().to_string(),
            config,
            inputs,
            merge_rule: MERGE_RULE.to_owned(),
            afresh: false,
            assets: Vec::new(),
        }
    }
}

/// Why a folder cannot be worked with.
#[derive(Debug)]
pub enum FolderError {
    /// The system refused.
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another process works on it.
    Locked(LockError),
    /// Its journal cannot be used.
    Journal(JournalError),
    /// The journal's first record is none that this build can read.
    Start {
        /// The journal.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It holds files, and no run.
    NoRun(PathBuf),
    /// It holds a run already.
    Taken(PathBuf),
    /// It holds what belongs to a run, and its journal is gone.
    Lost {
        /// The folder.
        path: PathBuf,
        /// What is there.
        found: String,
    },
}

impl fmt::Display for FolderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => write!(f, "{}: {error}", path.display()),
            Self::Locked(error) => write!(f, "{error}"),
            Self::Journal(error) => write!(f, "{error}"),
            Self::Start { path, what } => write!(f, "{}: the first record: {what}", path.display()),
            Self::NoRun(path) => write!(
                f,
                "{}: no run: expected the folder of a run (with journal/ in it), or an empty or new folder",
                path.display()
            ),
            Self::Lost { path, found } => write!(
                f,
                "{}: {found} of a run is there, and no journal of it: a backtest and a run with --journal off keep none; if it is lost, put \
                 journal/ back; else choose another folder",
                path.display()
            ),
            Self::Taken(path) => write!(
                f,
                "{0}: holds a run already: go on with `bot4 paper --resume {0}`, or choose another folder",
                path.display()
            ),
        }
    }
}

impl std::error::Error for FolderError {}

impl RunFolder {
    /// A folder at this path, which need not exist.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The journal's folder.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }

    /// The snapshots' folder.
    #[must_use]
    pub fn snapshots(&self) -> PathBuf {
        self.path.join("snapshots")
    }

    /// The folder of growing logs.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.path.join("records")
    }

    /// The audit log's folder.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.path.join("audit")
    }

    /// Makes the folder where it is missing, and locks it for this process.
    ///
    /// # Errors
    /// If it cannot be made or another process has it.
    pub fn lock(&self) -> Result<RunLock, FolderError> {
        std::fs::create_dir_all(&self.path).map_err(|error| FolderError::Io { path: self.path.clone(), error })?;
        RunLock::take(&self.path).map_err(FolderError::Locked)
    }

    /// What is in it.
    ///
    /// # Errors
    /// [`FolderError::NoRun`] for a folder with other people's files, [`FolderError::Journal`] and [`FolderError::Start`] for a journal
    /// that cannot be used.
    pub fn contents(&self) -> Result<Contents, FolderError> {
        let journal = self.journal();
        if !journal.is_dir() {
            return self.empty_or_foreign();
        }
        let mut reader = Reader::open(&journal).map_err(FolderError::Journal)?;
        let Some(record) = reader.next().map_err(FolderError::Journal)? else { return self.empty_or_foreign() };
        let unusable = |what: String| FolderError::Start { path: journal.clone(), what };
        if record.kind != Kind::Start {
            return Err(unusable(format!("it is of kind {:?}, expected the start of a run", record.kind)));
        }
        let start: Start = serde_json::from_slice(record.body).map_err(|e| unusable(e.to_string()))?;
        if start.version != START_VERSION {
            return Err(unusable(format!("version {}, this build reads {START_VERSION}", start.version)));
        }
        Ok(Contents::Run(Box::new(start)))
    }

    /// A folder without a journal: new, with nothing but what an interrupted start leaves, or somebody else's.
    fn empty_or_foreign(&self) -> Result<Contents, FolderError> {
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Contents::Nothing),
            Err(error) => return Err(FolderError::Io { path: self.path.clone(), error }),
        };
        // What a start leaves behind that died before its first record.
        const OURS: [&str; 5] = ["lock", "journal", "logs", ".probe", crate::kill::FILE];
        // What comes after the first record: without a journal it belongs to a run that is lost.
        const LATER: [&str; 5] = ["snapshots", "records", "audit", "summary.json", "summary.txt"];
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(|error| FolderError::Io { path: self.path.clone(), error })?.file_name());
        }
        if let Some(found) = names.iter().find(|name| LATER.iter().any(|later| name == later)) {
            let found = found.to_string_lossy().into_owned();
            return Err(FolderError::Lost { path: self.path.clone(), found });
        }
        if names.iter().any(|name| !OURS.iter().any(|ours| name == ours)) {
            return Err(FolderError::NoRun(self.path.clone()));
        }
        Ok(Contents::Nothing)
    }

    /// The seal of a complete run, found by reading alone; `None` for a run that is not complete.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn seal(&self) -> Result<Option<Seal>, FolderError> {
        let mut reader = Reader::open(&self.journal()).map_err(FolderError::Journal)?;
        reader.seek(u64::MAX).map_err(FolderError::Journal)?;
        // The seal has the number of the last event, so the last segment is gone through from its beginning.
        while reader.next().map_err(FolderError::Journal)?.is_some() {}
        if !matches!(reader.end(), Some(End::Sealed { .. })) {
            return Ok(None);
        }
        reader.seek(reader.last_seq().unwrap_or(0)).map_err(FolderError::Journal)?;
        while let Some(record) = reader.next().map_err(FolderError::Journal)? {
            if record.kind == Kind::Seal {
                return Ok(Seal::take(&mut Bytes::new(record.body)).ok());
            }
        }
        Ok(None)
    }

    /// Makes the names in the folder durable: a power cut does not take away what was made in it.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn sync(&self) -> Result<(), FolderError> {
        let sync = |path: &Path| {
            std::fs::File::open(path)
                .and_then(|folder| folder.sync_all())
                .map_err(|error| FolderError::Io { path: path.to_owned(), error })
        };
        sync(&self.path)?;
        match self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => sync(parent),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_and_empty_folders_hold_nothing_and_others_are_refused() {
        let dir = std::env::temp_dir().join(format!("bot4-folder-{}", std::process::id()));
        let folder = RunFolder::at(&dir);
        assert!(matches!(folder.contents(), Ok(Contents::Nothing)), "missing");
        let lock = folder.lock().unwrap();
        assert!(matches!(folder.contents(), Ok(Contents::Nothing)), "locked and empty");
        assert!(matches!(folder.lock(), Err(FolderError::Locked(_))), "one process at a time");
        drop(lock);
        std::fs::write(dir.join("thesis.txt"), "mine").unwrap();
        let error = folder.contents().unwrap_err();
        assert!(matches!(error, FolderError::NoRun(_)), "{error}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
