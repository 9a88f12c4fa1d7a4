//! The audit log: what a run decided, ordered and was told, as text that shows every alteration.
//!
//! In:  the records of a journal, each turned into an [`Entry`] by a [`Projector`] (this crate knows no bodies); a signing key.
//! Out: a folder of lines, each with the hash of the one before and its own; signed checkpoints; findings of a verification.
//!
//! The log is a projection of the journal: the same journal gives the same lines, byte for byte, so it can be completed at any time and
//! held against the journal. What is proved by whom:
//!
//! - the *chain* of hashes: within the log nothing was altered, removed, inserted or moved;
//! - the *journal*: the log says what was recorded, and nothing else;
//! - the *signatures*: whoever wrote both held the key; an *anchor* (a checkpoint kept elsewhere): nothing that it covers was written
//!   anew since, nor cut off.
//!
//! It does not keep anyone from altering files: it is evident of tampering, not proof against it.

mod bring;
mod checkpoint;
mod copies;
mod entry;
mod key;
mod log;
mod text;
mod verify;
mod walk;

pub use bring::{Brought, Pending, bring_up_to_date, last_checkpoint, pending};
pub use checkpoint::Checkpoint;
pub use copies::Copies;
pub use entry::Entry;
pub use key::{KeyError, PublicKey, Signer};
pub use log::{LineOf, LogLines};
pub use verify::{Expect, Finding, Verified, verify};

use crate::journal::{JournalError, RecordRef};
use std::io;
use std::path::{Path, PathBuf};

/// Version of the log's lines; stands in the first one.
pub const FORMAT: u32 = 1;

/// Turns records into entries. The same records give the same entries: nothing but the records is looked at.
pub trait Projector {
    /// The entry of a record; `None` for what is not audited.
    ///
    /// # Errors
    /// What of the record cannot be read by this build.
    fn entry(&mut self, record: RecordRef<'_>) -> Result<Option<Entry>, String>;

    /// Whether the records of entries of this kind may have been removed from the journal by retention.
    fn may_be_gone(&self, kind: &str) -> bool;
}

/// How many lines a file has, and how often there is a checkpoint: part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Entries per file.
    pub entries_per_file: u64,
    /// A checkpoint after so many entries, and at the end.
    pub checkpoint_every: u64,
}

impl Layout {
    /// The layout of [`FORMAT`].
    pub const STANDARD: Self = Self { entries_per_file: 10_000, checkpoint_every: 1_000 };

    /// The file and the line in it, both counted from 1, of an entry.
    pub(crate) const fn place(&self, entry: u64) -> (u64, u64) {
        let at = entry.saturating_sub(1);
        (at / self.entries_per_file + 1, at % self.entries_per_file + 1)
    }
}

/// Why a log cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The system refused.
    #[error("{}: cannot {what}: {source}", .path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record that this build cannot read: a later build wrote it.
    #[error("record of event {seq}: {what}")]
    Record {
        /// Number of the event.
        seq: u64,
        /// What is wrong.
        what: String,
    },
    /// The log is not what it was, or the journal is not: nothing is appended to it.
    #[error("{0}; nothing was appended to the log")]
    Altered(Box<Finding>),
}

impl AuditError {
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }
}
