//! What can go wrong with a journal, by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a journal could not be written or read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk is full, or a quota or limit of file size is reached: free space, then resume.
    #[error("{}: no space left to write: {source}; free space, then resume", .path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// The system refused something else.
    #[error("{}: cannot {what}: {source}", .path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Written by a build with another format.
    #[error("{}: journal of format {found}, this build reads format {expected}", .path.display())]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u16,
        /// The format of this build.
        expected: u16,
    },
    /// Bytes that were written whole are not what they were: nothing can be rebuilt from here on without deciding by hand.
    #[error("{}: corrupt at byte {offset}: {what}", .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Where: bytes from the start of the segment in plain form; in a compressed file that does not unpack, bytes from the start
        /// of the file.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// A whole record of a kind that this build does not know.
    #[error("{}: record of unknown kind {kind} at byte {offset}: written by a later build", .path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
        /// Where in the segment's plain form.
        offset: u64,
        /// The number found.
        kind: u8,
    },
    /// The run is complete; nothing is appended to it.
    #[error("the journal is sealed: {count} records, digest {digest:016x}")]
    Sealed {
        /// Records before the seal.
        count: u64,
        /// Digest over them.
        digest: u64,
    },
    /// The folder already holds a journal.
    #[error("{}: already holds a journal; resume it or choose another folder", .path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A record with a sequence number before that of the last one was to be appended.
    #[error("record with sequence number {given} after {last}: numbers never go back")]
    Sequence {
        /// Number of the last record.
        last: u64,
        /// Number given.
        given: u64,
    },
    /// A record of more bytes than a frame may hold was to be appended.
    #[error("record of {bytes} bytes, the limit is {limit}")]
    BodyTooLong {
        /// Its bytes.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
}

impl JournalError {
    /// An error of the system, sorted by what can be done about it.
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let (path, full) = (path.to_owned(), matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge));
        let source = Arc::new(source);
        if full { Self::NoSpace { path, source } } else { Self::Io { what, path, source } }
    }

    pub(super) fn corrupt(path: &Path, offset: u64, what: &'static str) -> Self {
        Self::Corrupt { path: path.to_owned(), offset, what }
    }

    /// True when space, and nothing else, is missing.
    #[must_use]
    pub const fn is_no_space(&self) -> bool {
        matches!(self, Self::NoSpace { .. })
    }
}
