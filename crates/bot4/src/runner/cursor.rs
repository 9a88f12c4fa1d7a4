//! The records of a journal one at a time, with the next one in view: what a run is held against.

use domain::codec::{CodecError, Reader, Stored};
use domain::{Event, UnixNanos};
use risk::CommandRecord;
use std::path::{Path, PathBuf};
use store::journal::{Class, End, JournalError, Kind, ReadAhead};

/// One record in view.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Number of its event.
    pub seq: u64,
    /// What it is.
    pub kind: Kind,
    /// Its bytes.
    pub body: &'a [u8],
}

/// The records of a journal, read ahead on a thread of their own.
pub struct Cursor {
    ahead: ReadAhead,
    /// Event and kind of the next record: asked for far more often than its bytes.
    head: Option<(u64, Kind)>,
    failed: Option<JournalError>,
    strangers: Vec<PathBuf>,
}

impl Cursor {
    /// Stands on the first record of an event after this number: 0 is the first event of all.
    ///
    /// # Errors
    /// If the journal cannot be read there.
    pub fn after(journal: &Path, seq: u64) -> Result<Self, JournalError> {
        let ahead = ReadAhead::open(journal, seq + 1)?;
        let strangers = ahead.strangers().to_vec();
        let mut cursor = Self { ahead, head: None, failed: None, strangers };
        cursor.advance();
        cursor.failed.clone().map_or(Ok(cursor), Err)
    }

    /// The next record; `None` at the end, or where the journal cannot be read on.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<View<'_>> {
        self.ahead.current().map(|record| View { seq: record.seq, kind: record.kind, body: record.body })
    }

    /// Event and kind of the next record.
    #[inline]
    #[must_use]
    pub const fn head(&self) -> Option<(u64, Kind)> {
        self.head
    }

    /// The bytes of the next record; nothing at the end.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.ahead.current().map_or(&[], |record| record.body)
    }

    /// Moves on.
    #[inline]
    pub fn advance(&mut self) {
        self.go_on();
        self.head = self.ahead.current().map(|record| (record.seq, record.kind));
    }

    #[inline]
    fn go_on(&mut self) {
        loop {
            match self.ahead.advance() {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    self.failed = Some(error);
                    return;
                }
            }
            // Recoveries say how the run went on, and the first record what it is made of: neither is an event or a command.
            let passed = |kind: Kind| matches!(kind, Kind::Recovery | Kind::Start | Kind::Input);
            if self.ahead.current().is_none_or(|record| !passed(record.kind)) {
                return;
            }
        }
    }

    /// Why the journal cannot be read on.
    #[must_use]
    pub const fn failed(&self) -> Option<&JournalError> {
        self.failed.as_ref()
    }

    /// How the journal ends; known at its end.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        self.ahead.end()
    }

    /// Files in the journal's folder that are no part of it.
    #[must_use]
    pub fn strangers(&self) -> &[PathBuf] {
        &self.strangers
    }

    /// Whether retention has removed records of this kind from what was read so far.
    #[must_use]
    pub fn may_lack(&self, kind: Kind) -> bool {
        kind.class() == Class::Expiring && self.ahead.thinned().segments > 0
    }
}

/// Reads the body of an event's record.
///
/// # Errors
/// If this build cannot read it.
pub fn event_of(body: &[u8]) -> Result<(UnixNanos, Event), CodecError> {
    let mut from = Reader::new(body);
    let (ts, event) = (UnixNanos::take(&mut from)?, Event::take(&mut from)?);
    from.finish().map(|()| (ts, event))
}

/// Reads the body of a command's record.
///
/// # Errors
/// If this build cannot read it.
pub fn command_of(body: &[u8]) -> Result<(UnixNanos, CommandRecord), CodecError> {
    let mut from = Reader::new(body);
    let (ts, command) = (UnixNanos::take(&mut from)?, CommandRecord::take(&mut from)?);
    from.finish().map(|()| (ts, command))
}
