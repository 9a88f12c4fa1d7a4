//! Journal and log side by side: every record is projected, and held against the line where it should stand.

use super::checkpoint::Checkpoint;
use super::copies::Copies;
use super::entry::{Chain, own};
use super::log::{self, CHECKPOINTS, LineOf, LogLines};
use super::text::Hash;
use super::verify::Finding;
use super::{AuditError, Entry, Layout, Projector};
use crate::journal::{End, Kind, ReadAhead, Thinned};
use std::path::{Path, PathBuf};

/// Where the records come from.
pub(super) enum Source<'a> {
    Journal(Box<ReadAhead>),
    Copies(&'a Copies),
}

/// What the journal adds up to.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    /// Records.
    pub records: u64,
    /// Number of the event of the last one.
    pub seq: u64,
    /// Whether the last one is a seal.
    pub sealed: bool,
    /// How the journal ends; unknown for copies.
    pub end: Option<End>,
    /// What retention removed.
    pub thinned: Thinned,
}

/// One line of the log as it is, or as it will be.
pub(super) struct Step<'a> {
    /// Its number.
    pub entry: u64,
    /// Without its line end.
    pub line: &'a [u8],
    /// Whether it stands in the log already.
    pub in_log: bool,
}

/// Is told of what a walk meets.
pub(super) trait Visitor {
    /// A line of the log, or one that belongs there.
    fn line(&mut self, step: &Step<'_>);

    /// A record has been dealt with; `added` if it has an entry.
    fn record(&mut self, records: u64, seq: u64, run: Hash, chain: &Chain, added: bool);

    /// Log and journal differ here. Whether the log is to be taken as ending before this line.
    fn differs(&mut self, finding: Finding, at: Cut, is_entry: bool) -> bool;
}

/// A place in the log's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub file: u64,
    pub offset: u64,
    pub bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Lines of the log are held against the journal.
    Comparing,
    /// The log has ended.
    Beyond,
    /// The log is not what it should be: it is not looked at any further.
    Different,
}

pub(super) struct Walk {
    lines: LogLines,
    layout: Layout,
    state: State,
    line: Vec<u8>,
    checkpoints: Vec<Checkpoint>,
    /// Checkpoints that were met.
    met: usize,
    checkpoints_path: PathBuf,
    pub chain: Chain,
    /// Hash of the first entry.
    pub run: Hash,
    /// Entries in the log.
    pub in_log: u64,
    /// Entries in the log whose records are no longer in the journal.
    pub gone: u64,
    /// A last line that broke off.
    pub torn: Option<Cut>,
}

impl Walk {
    pub fn new(dir: &Path, files: u64, layout: Layout, checkpoints: Vec<Checkpoint>) -> Self {
        Self {
            lines: LogLines::of(dir, files),
            layout,
            state: State::Comparing,
            line: Vec::with_capacity(1024),
            checkpoints,
            met: 0,
            checkpoints_path: dir.join(CHECKPOINTS),
            chain: Chain::EMPTY,
            run: [0; 32],
            in_log: 0,
            gone: 0,
            torn: None,
        }
    }

    /// Goes through all records, and then through what is left of the log.
    pub fn all<P: Projector>(
        &mut self,
        mut source: Source<'_>,
        projector: &mut P,
        visitor: &mut dyn Visitor,
        course: &mut Course,
    ) -> Result<(), AuditError> {
        let mut read = 0;
        loop {
            let (ordinal, record) = match &mut source {
                Source::Journal(reader) => match reader.next()? {
                    Some(record) => (read + 1, record),
                    None => break,
                },
                Source::Copies(copies) => match copies.get(usize::try_from(read).unwrap_or(usize::MAX)) {
                    Some(found) => found,
                    None => break,
                },
            };
            read += 1;
            let (seq, kind) = (record.seq, record.kind);
            let entry = projector.entry(record).map_err(|what| AuditError::Record { seq, what })?;
            // Known of the record's own segment only after reading it.
            let thinned = match &source {
                Source::Journal(reader) => reader.thinned(),
                Source::Copies(_) => Thinned::default(),
            };
            let ordinal = ordinal + thinned.records;
            if let Some(entry) = &entry {
                self.entry(entry, projector, visitor, thinned.segments > 0)?;
            }
            (course.records, course.seq, course.sealed) = (ordinal, seq, kind == Kind::Seal);
            visitor.record(ordinal, seq, self.run, &self.chain, entry.is_some());
            if thinned.segments == 0 {
                self.checkpoint(ordinal, seq, visitor);
            } else {
                self.checkpoint_by_entries(visitor);
            }
        }
        match source {
            Source::Journal(reader) => {
                course.end = reader.end().cloned();
                course.thinned = reader.thinned();
                course.records = read + course.thinned.records;
            }
            Source::Copies(copies) => (course.records, course.seq) = copies.total(),
        }
        self.rest(projector, visitor, course)
    }

    fn entry<P: Projector>(
        &mut self,
        entry: &Entry,
        projector: &P,
        visitor: &mut dyn Visitor,
        thinned: bool,
    ) -> Result<(), AuditError> {
        while self.state == State::Comparing {
            if self.meet(entry, projector, visitor, thinned)? {
                return Ok(());
            }
        }
        let hash = self.chain.line(entry, &mut self.line);
        self.push(hash);
        if self.state == State::Beyond {
            visitor.line(&Step { entry: self.chain.entries, line: &self.line, in_log: false });
        }
        Ok(())
    }

    fn push(&mut self, hash: Hash) {
        self.chain.push(hash);
        if self.chain.entries == 1 {
            self.run = hash;
        }
    }

    /// Holds the next line of the log against this entry; whether it is the entry's.
    fn meet<P: Projector>(
        &mut self,
        entry: &Entry,
        projector: &P,
        visitor: &mut dyn Visitor,
        thinned: bool,
    ) -> Result<bool, AuditError> {
        let hash = self.chain.line(entry, &mut self.line);
        let number = self.chain.entries + 1;
        let path = self.lines.path();
        let Some(found) = self.lines.next()? else {
            self.state = State::Beyond;
            return Ok(false);
        };
        let in_place = self.layout.place(number) == (found.file, found.line);
        if found.whole && in_place && found.bytes == self.line {
            visitor.line(&Step { entry: number, line: found.bytes, in_log: true });
            self.in_log += 1;
            self.push(hash);
            return Ok(true);
        }
        if thinned && in_place && is_kept(&found, &self.chain, projector) {
            visitor.line(&Step { entry: number, line: found.bytes, in_log: true });
            let kept = own(found.bytes).map(|own| own.hash).unwrap_or_default();
            self.in_log += 1;
            self.gone += 1;
            self.push(kept);
            return Ok(false);
        }
        let cut = Cut { file: found.file, offset: found.offset, bytes: found.bytes.len() as u64 };
        if !found.whole && in_place && self.line.starts_with(found.bytes) {
            self.torn = Some(cut);
            self.state = State::Beyond;
            return Ok(false);
        }
        // The file of the first line is known once it has been read.
        let path =
            if found.line == 1 { log::entries_path(path.parent().unwrap_or(Path::new("")), found.file) } else { path };
        let finding = difference(&path, &found, &self.chain, in_place, &self.line);
        let is_entry = own(found.bytes).is_some_and(|own| own.fits);
        self.state = if visitor.differs(finding, cut, is_entry) { State::Beyond } else { State::Different };
        Ok(false)
    }

    /// What the log has beyond the journal's end.
    fn rest<P: Projector>(
        &mut self,
        projector: &P,
        visitor: &mut dyn Visitor,
        course: &Course,
    ) -> Result<(), AuditError> {
        while self.state == State::Comparing {
            let dir = self.lines.path().parent().unwrap_or(Path::new("")).to_owned();
            let number = self.chain.entries + 1;
            let Some(found) = self.lines.next()? else {
                self.state = State::Beyond;
                break;
            };
            let in_place = self.layout.place(number) == (found.file, found.line);
            if course.thinned.segments > 0 && in_place && is_kept(&found, &self.chain, projector) {
                visitor.line(&Step { entry: number, line: found.bytes, in_log: true });
                let kept = own(found.bytes).map(|own| own.hash).unwrap_or_default();
                self.in_log += 1;
                self.gone += 1;
                self.push(kept);
                continue;
            }
            let path = log::entries_path(&dir, found.file);
            let what = "the log goes on, and the journal has nothing more: entries were added, or the journal was cut";
            let finding = Finding::at(&path, found.line, found.offset, number, what)
                .expecting("the end of the log")
                .having(found.bytes);
            let cut = Cut { file: found.file, offset: found.offset, bytes: found.bytes.len() as u64 };
            let is_entry = own(found.bytes).is_some_and(|own| own.fits);
            self.state = if visitor.differs(finding, cut, is_entry) { State::Beyond } else { State::Different };
        }
        if let Some(next) = self.checkpoints.get(self.met)
            && self.state != State::Different
            && course.thinned.segments == 0
        {
            let what = format!(
                "covers {} records of the journal and {} entries; the journal has {} records, and entries for {}: it was cut",
                next.records, next.entries, course.records, self.chain.entries
            );
            visitor.differs(self.of_checkpoint(next.number, &what), NOWHERE, true);
        }
        Ok(())
    }

    /// Holds checkpoints against the state after so many records.
    fn checkpoint(&mut self, records: u64, seq: u64, visitor: &mut dyn Visitor) {
        while let Some(next) = self.checkpoints.get(self.met)
            && next.records <= records
            && self.state != State::Different
        {
            let same = (next.run, next.entries, next.head, next.seq, next.records)
                == (self.run, self.chain.entries, self.chain.head, seq, records);
            if !same {
                let what = format!(
                    "speaks of {} entries after {} records (event {}) and their hash; journal and log have others there",
                    next.entries, next.records, next.seq
                );
                visitor.differs(self.of_checkpoint(next.number, &what), NOWHERE, true);
                self.state = State::Different;
                return;
            }
            self.met += 1;
        }
    }

    /// The same where retention has removed records: their count says nothing, the log's own entries do.
    fn checkpoint_by_entries(&mut self, visitor: &mut dyn Visitor) {
        while let Some(next) = self.checkpoints.get(self.met)
            && next.entries <= self.chain.entries
            && self.state != State::Different
        {
            if next.entries == self.chain.entries && (next.run, next.head) != (self.run, self.chain.head) {
                let what = format!("speaks of {} entries and their hash; the log has another there", next.entries);
                visitor.differs(self.of_checkpoint(next.number, &what), NOWHERE, true);
                self.state = State::Different;
                return;
            }
            self.met += 1;
        }
    }

    fn of_checkpoint(&self, number: u64, what: &str) -> Finding {
        Finding::of_checkpoint(&self.checkpoints_path, number, what)
    }
}

/// For what is not about a line of the log.
pub(super) const NOWHERE: Cut = Cut { file: 0, offset: 0, bytes: 0 };

/// Whether a line is one whose record retention may have removed: only its place in the chain vouches for it.
fn is_kept<P: Projector>(found: &LineOf<'_>, chain: &Chain, projector: &P) -> bool {
    own(found.bytes).is_some_and(|own| {
        found.whole
            && own.fits
            && own.prev == chain.head
            && own.number == chain.entries + 1
            && std::str::from_utf8(own.kind).is_ok_and(|kind| projector.may_be_gone(kind))
    })
}

/// Says what is wrong with a line that is not the one expected.
fn difference(path: &Path, found: &LineOf<'_>, chain: &Chain, in_place: bool, expected: &[u8]) -> Finding {
    let what = match own(found.bytes) {
        _ if !found.whole => "the line has no end, and is not the beginning of what belongs here",
        None => "no entry",
        Some(own) if !own.fits => "the entry does not fit its hash: it was altered",
        Some(own) if own.prev != chain.head => {
            "the entry does not follow the one before it: entries were removed, inserted or moved"
        }
        _ if !in_place && found.bytes == expected => "the entry belongs into another file",
        Some(_) => {
            "the entry fits its hash, and the journal says something else: the log was written anew, or the journal was altered"
        }
    };
    let from = expected.iter().zip(found.bytes).take_while(|(a, b)| a == b).count().saturating_sub(24);
    let tail = |bytes: &[u8]| bytes.get(from..).unwrap_or_default().to_vec();
    Finding::at(path, found.line, found.offset, chain.entries + 1, what)
        .expecting(&String::from_utf8_lossy(&tail(expected)))
        .having(&tail(found.bytes))
}
