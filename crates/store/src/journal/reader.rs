//! Reads a journal from its first record, or from any sequence number, to its end.

use super::folder::{self, Listed};
use super::frame::{self, Frame, Salt};
use super::header::PLAIN_LEN;
use super::segment::{Block, Chain, SEAL_HEAD, SegmentStream, Step, open_packed};
use super::{JournalError, Kind};
use crate::disk::{self, Disk, Sequential};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;

/// One record, borrowed from the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Sequence number of the event, or of the event that caused the command.
    pub seq: u64,
    /// What it is.
    pub kind: Kind,
    /// Version of the body's codec for this kind.
    pub version: u8,
    /// The body as it was appended.
    pub body: &'a [u8],
}

/// How a journal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With a seal that fits: the run is complete.
    Sealed {
        /// Records before the seal.
        count: u64,
        /// Digest over them.
        digest: u64,
    },
    /// After a whole record, without a seal: the run is not complete.
    Open,
    /// In the middle of a record: the process died while it was written. Recovery cuts it off.
    Torn {
        /// The file.
        path: PathBuf,
        /// Where the record begins.
        offset: u64,
        /// Bytes of it.
        bytes: u64,
    },
    /// With something that is no record and after which there is none: a power cut, or an alteration of the last record. Recovery cuts it
    /// off; a verification fails.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where it begins.
        offset: u64,
        /// Bytes from there to the end.
        bytes: u64,
        /// What is wrong.
        what: &'static str,
    },
}

/// What retention removed from the segments read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinned {
    /// Segments that it went through.
    pub segments: u64,
    /// Records that it removed.
    pub records: u64,
}

/// Reads on the caller's thread.
pub struct Reader {
    source: Source,
    block: Block,
    from: u64,
}

impl Reader {
    /// Opens the journal in this folder, at its first record. A folder that is empty or not there is a journal without records.
    ///
    /// # Errors
    /// [`JournalError`] when the folder cannot be read or a segment is missing in between.
    pub fn open(dir: &Path) -> Result<Self, JournalError> {
        Self::open_on(disk::real(), dir)
    }

    /// [`Reader::open`] on another disk.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path) -> Result<Self, JournalError> {
        Ok(Self { source: Source::open(disk, dir, 0)?, block: Block::default(), from: 0 })
    }

    /// Goes to the first record with this sequence number or a later one, forwards or back.
    ///
    /// # Errors
    /// As [`Reader::open`], or when the head of a segment is damaged.
    pub fn seek(&mut self, seq: u64) -> Result<(), JournalError> {
        self.source = Source::open(Arc::clone(&self.source.disk), &self.source.dir, seq)?;
        self.block = Block::default();
        self.from = seq;
        Ok(())
    }

    /// The next record; `None` at the end, of which [`Reader::end`] tells.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] with file and offset; then the reader stays where it is.
    #[allow(clippy::should_implement_trait, reason = "records are borrowed from the reader")]
    pub fn next(&mut self) -> Result<Option<RecordRef<'_>>, JournalError> {
        loop {
            match self.block.next() {
                Some((frame, body)) if frame.seq >= self.from => return Ok(Some(record(&self.block, &frame, body))),
                Some(_) => {}
                None => {
                    if !self.source.next_block(&mut self.block)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// How the journal ends; known once [`Reader::next`] has given `None`.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        self.source.end.as_ref()
    }

    /// Number of the last record's event; known at the end of a segment.
    #[must_use]
    pub fn last_seq(&self) -> Option<u64> {
        self.source.chain.map(|chain| chain.last_seq)
    }

    /// What retention removed from the segments read so far.
    #[must_use]
    pub const fn thinned(&self) -> Thinned {
        self.source.thinned
    }

    /// Files in the folder that are no part of the journal: unfinished ones of a crash, and foreign ones.
    #[must_use]
    pub fn strangers(&self) -> &[PathBuf] {
        &self.source.strangers
    }
}

/// Reads, unpacks and checks on a thread of its own, a few blocks ahead: for going through a whole journal fast.
pub struct ReadAhead {
    blocks: Option<Receiver<Message>>,
    spent: Sender<Block>,
    thread: Option<JoinHandle<()>>,
    block: Block,
    current: Option<(Frame, Kind, Range<usize>)>,
    from: u64,
    end: Option<End>,
    thinned: Thinned,
    strangers: Vec<PathBuf>,
    failed: Option<JournalError>,
}

enum Message {
    Block(Block, Thinned),
    End(End, Thinned),
    Failed(JournalError),
}

/// Blocks on the way between the two threads: with 256 KiB each, a bounded memory of about 2 MiB.
const AHEAD: usize = 6;

impl ReadAhead {
    /// Opens the journal in this folder at the first record with this sequence number or a later one (0: the first record).
    ///
    /// # Errors
    /// As [`Reader::open`], or when no thread can be started.
    pub fn open(dir: &Path, from: u64) -> Result<Self, JournalError> {
        let mut source = Source::open(disk::real(), dir, from)?;
        let strangers = source.strangers.clone();
        let (blocks_in, blocks) = sync_channel(AHEAD);
        let (spent, spent_out) = channel();
        let thread = std::thread::Builder::new()
            .name("journal-read".into())
            .spawn(move || read_ahead(&mut source, &blocks_in, &spent_out))
            .map_err(|e| JournalError::io("start a thread to read", dir, e))?;
        Ok(Self {
            blocks: Some(blocks),
            spent,
            thread: Some(thread),
            block: Block::default(),
            current: None,
            from,
            end: None,
            thinned: Thinned::default(),
            strangers,
            failed: None,
        })
    }

    /// The next record; `None` at the end, of which [`ReadAhead::end`] tells.
    ///
    /// # Errors
    /// As [`Reader::next`]; the same error again when asked again.
    #[allow(clippy::should_implement_trait, reason = "records are borrowed from the reader")]
    pub fn next(&mut self) -> Result<Option<RecordRef<'_>>, JournalError> {
        self.advance()?;
        Ok(self.current())
    }

    /// Moves to the next record, of which [`ReadAhead::current`] tells. `false` at the end.
    ///
    /// # Errors
    /// As [`ReadAhead::next`]; then there is no current record.
    #[inline]
    pub fn advance(&mut self) -> Result<bool, JournalError> {
        self.current = None;
        loop {
            match self.block.next() {
                Some((frame, body)) if frame.seq >= self.from => {
                    let (kind, body) = kind_and_body(&frame, body);
                    self.current = Some((frame, kind, body));
                    return Ok(true);
                }
                Some(_) => {}
                None => {
                    if !self.next_block()? {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// The record that the reader stands on; `None` before the first and at the end.
    #[inline]
    #[must_use]
    pub fn current(&self) -> Option<RecordRef<'_>> {
        let (frame, kind, body) = self.current.as_ref()?;
        let body = self.block.slice(body.clone());
        Some(RecordRef { seq: frame.seq, kind: *kind, version: frame.version, body })
    }

    fn next_block(&mut self) -> Result<bool, JournalError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        // A sender that is gone has sent its last word before.
        match self.blocks.as_ref().and_then(|b| b.recv().ok()) {
            Some(Message::Block(block, thinned)) => {
                self.thinned = thinned;
                let spent = std::mem::replace(&mut self.block, block);
                drop(self.spent.send(spent));
                Ok(true)
            }
            Some(Message::End(end, thinned)) => {
                (self.end, self.thinned) = (Some(end), thinned);
                Ok(false)
            }
            Some(Message::Failed(error)) => {
                self.failed = Some(error.clone());
                Err(error)
            }
            None => Ok(false),
        }
    }

    /// How the journal ends; known once [`ReadAhead::next`] has given `None`.
    #[must_use]
    pub const fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// What retention removed from the segments read so far.
    #[must_use]
    pub const fn thinned(&self) -> Thinned {
        self.thinned
    }

    /// As [`Reader::strangers`].
    #[must_use]
    pub fn strangers(&self) -> &[PathBuf] {
        &self.strangers
    }
}

impl Drop for ReadAhead {
    fn drop(&mut self) {
        self.blocks = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn read_ahead(source: &mut Source, blocks: &SyncSender<Message>, spent: &Receiver<Block>) {
    loop {
        let mut block = spent.try_recv().unwrap_or_default();
        let message = match source.next_block(&mut block) {
            Ok(true) => Message::Block(block, source.thinned),
            Ok(false) => Message::End(source.end.clone().unwrap_or(End::Open), source.thinned),
            Err(error) => Message::Failed(error),
        };
        let last = !matches!(message, Message::Block(..));
        if blocks.send(message).is_err() || last {
            return;
        }
    }
}

fn record<'a>(block: &'a Block, frame: &Frame, body: Range<usize>) -> RecordRef<'a> {
    let (kind, body) = kind_and_body(frame, body);
    RecordRef { seq: frame.seq, kind, version: frame.version, body: block.slice(body) }
}

/// The kind of a record, and the part of its body that is the caller's.
#[inline]
fn kind_and_body(frame: &Frame, body: Range<usize>) -> (Kind, Range<usize>) {
    // The kind was checked with the block.
    let kind = Kind::from_number(frame.kind).unwrap_or(Kind::Mark);
    (kind, if kind == Kind::Seal { body.start + SEAL_HEAD..body.end } else { body })
}

/// The blocks of all segments, with what must hold from one segment to the next.
pub(super) struct Source {
    disk: Arc<dyn Disk>,
    pub dir: PathBuf,
    segments: std::vec::IntoIter<Listed>,
    current: Option<SegmentStream>,
    /// What the segments before add up to, once one has been read or the first is next.
    chain: Option<Chain>,
    /// A last file without a whole head.
    unborn: Option<Unborn>,
    failed: Option<JournalError>,
    pub end: Option<End>,
    pub thinned: Thinned,
    pub strangers: Vec<PathBuf>,
}

impl Source {
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, from: u64) -> Result<Self, JournalError> {
        let mut listing = folder::list(&*disk, dir)?;
        for _ in 0..3 {
            if check_numbers(dir, &listing.segments).is_ok() {
                break;
            }
            // A writer may have renamed a file while the folder was read.
            listing = folder::list(&*disk, dir)?;
        }
        check_numbers(dir, &listing.segments)?;
        let unborn = unborn(&*disk, dir, &listing.segments)?;
        if unborn.is_some() {
            listing.segments.pop();
        }
        for segment in listing.segments.iter_mut().filter(|s| s.plain && s.packed) {
            // A crash between the two steps of compressing: whichever is whole will do.
            segment.packed = packed_is_whole(&*disk, dir, segment.number)?;
            segment.plain = !segment.packed;
        }
        let skip = if from == 0 { 0 } else { first_segment(&*disk, dir, &listing.segments, from)? };
        let mut strangers = listing.parts;
        strangers.append(&mut listing.strangers);
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            segments: listing.segments.split_off(skip).into_iter(),
            current: None,
            chain: (skip == 0).then(Chain::default),
            unborn,
            failed: None,
            end: None,
            thinned: Thinned::default(),
            strangers,
        })
    }

    /// Fills the block with the next records. `false` at the end. An error comes again when asked again.
    pub fn next_block(&mut self, block: &mut Block) -> Result<bool, JournalError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.try_next_block(block);
        self.failed = result.as_ref().err().cloned();
        result
    }

    fn try_next_block(&mut self, block: &mut Block) -> Result<bool, JournalError> {
        while self.end.is_none() {
            if self.current.is_none() && !self.open_next()? {
                break;
            }
            let Some(stream) = &mut self.current else { break };
            match stream.next(block)? {
                Step::Records => return Ok(true),
                Step::End => self.close_segment(),
                Step::Broken(broken) => {
                    let last = self.segments.len() == 0 && stream.packed().is_none();
                    let (path, offset, bytes) = (stream.path().to_owned(), broken.offset, broken.bytes);
                    self.end = Some(match broken.wrong {
                        None if last => End::Torn { path, offset, bytes },
                        Some(what) if last && !broken.more_after => End::Damaged { path, offset, bytes, what },
                        wrong => {
                            let what = wrong.unwrap_or("a record breaks off, and the journal goes on after it");
                            return Err(JournalError::Corrupt { path, offset, what });
                        }
                    });
                    self.close_segment();
                }
            }
        }
        Ok(false)
    }

    /// Opens the next segment; at the last one's end, says how the journal ends.
    fn open_next(&mut self) -> Result<bool, JournalError> {
        let Some(listed) = self.segments.next() else {
            let seal = self.chain.and_then(|c| c.seal);
            self.end = Some(match (seal, self.unborn.take()) {
                // A crash behind the seal can leave the next segment's file, empty.
                (Some((count, digest)), None | Some(Unborn { bytes: 0, .. })) => End::Sealed { count, digest },
                (Some(_), Some(file)) => return Err(JournalError::corrupt(&file.path, 0, "a segment after the seal")),
                (None, Some(Unborn { path, bytes, wrong: Some(what) })) => {
                    End::Damaged { path, offset: 0, bytes, what }
                }
                (None, Some(Unborn { path, bytes, .. })) if bytes > 0 => End::Torn { path, offset: 0, bytes },
                (None, _) => End::Open,
            });
            return Ok(false);
        };
        let stream = open_segment(&*self.disk, &self.dir, listed)?;
        let header = stream.header();
        if let Some(chain) = &self.chain {
            let what = if chain.seal.is_some() {
                "a segment after the seal"
            } else if (header.records_before, header.digest_before) != (chain.records, chain.digest) {
                "the segments before this one do not add up to what its head says"
            } else if header.first_seq < chain.last_seq {
                "the sequence number goes back"
            } else {
                ""
            };
            if !what.is_empty() {
                return Err(JournalError::corrupt(stream.path(), 0, what));
            }
        }
        if let Some(packed) = stream.packed().filter(|p| p.thinned) {
            self.thinned.segments += 1;
            self.thinned.records += packed.dropped;
        }
        self.current = Some(stream);
        Ok(true)
    }

    fn close_segment(&mut self) {
        if let Some(stream) = self.current.take() {
            let mut chain = *stream.chain();
            if let Some(packed) = stream.packed() {
                // Records that were removed count for the order too.
                chain.last_seq = chain.last_seq.max(packed.last_seq);
            }
            self.chain = Some(chain);
        }
    }
}

/// Opens a segment in the form that is there: a plain one may be compressed in the meantime by the writer of a running process.
pub(super) fn open_segment(disk: &dyn Disk, dir: &Path, listed: Listed) -> Result<SegmentStream, JournalError> {
    let packed = folder::packed_path(dir, listed.number);
    if listed.packed {
        return SegmentStream::open_packed(disk, &packed, listed.number);
    }
    match SegmentStream::open_plain(disk, &folder::plain_path(dir, listed.number), listed.number) {
        Err(JournalError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            SegmentStream::open_packed(disk, &packed, listed.number)
        }
        other => other,
    }
}

/// Refuses a journal in which a segment is missing.
pub(super) fn check_numbers(dir: &Path, segments: &[Listed]) -> Result<(), JournalError> {
    match segments.iter().zip(1..).find(|(segment, expected)| segment.number != *expected) {
        Some((segment, _)) => {
            let path = if segment.packed { folder::packed_path } else { folder::plain_path };
            Err(JournalError::corrupt(&path(dir, segment.number), 0, "a segment before this one is missing"))
        }
        None => Ok(()),
    }
}

/// A last file from which nothing can be read.
pub(super) struct Unborn {
    pub path: PathBuf,
    pub bytes: u64,
    /// What is wrong, when the head did not just break off.
    pub wrong: Option<&'static str>,
}

/// The last file, when its head is not whole: the process died between making it and writing its first record.
pub(super) fn unborn(disk: &dyn Disk, dir: &Path, segments: &[Listed]) -> Result<Option<Unborn>, JournalError> {
    let Some(last) = segments.last().filter(|s| !s.packed) else { return Ok(None) };
    let path = folder::plain_path(dir, last.number);
    let bytes = match Sequential::open(disk, &path).and_then(|found| found.file.size()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(JournalError::io("read", &path, error)),
    };
    if bytes < PLAIN_LEN as u64 {
        return Ok(Some(Unborn { path, bytes, wrong: None }));
    }
    let Err(JournalError::Corrupt { what, .. }) = SegmentStream::open_plain(disk, &path, last.number) else {
        return Ok(None);
    };
    // With a whole record after it, this is an alteration: opening the segment says so.
    let mut contents = Vec::new();
    (Sequential::open(disk, &path).and_then(|mut f| f.read_to_end(&mut contents)))
        .map_err(|e| JournalError::io("read", &path, e))?;
    let more_after = frame::find_whole(&contents, Salt::of_segment(last.number), 0).is_some();
    Ok((!more_after).then_some(Unborn { path, bytes, wrong: Some(what) }))
}

/// True when a compressed segment reads to its end without a fault.
pub(super) fn packed_is_whole(disk: &dyn Disk, dir: &Path, number: u64) -> Result<bool, JournalError> {
    let mut block = Block::default();
    let whole = SegmentStream::open_packed(disk, &folder::packed_path(dir, number), number).and_then(|mut stream| {
        loop {
            match stream.next(&mut block)? {
                Step::Records => {}
                Step::End => return Ok(true),
                Step::Broken(_) => return Ok(false),
            }
        }
    });
    match whole {
        Err(JournalError::Corrupt { .. }) => Ok(false),
        other => other,
    }
}

/// Place in the list of the segment in which the first record with this number can stand: the last one that begins before it.
fn first_segment(disk: &dyn Disk, dir: &Path, segments: &[Listed], seq: u64) -> Result<usize, JournalError> {
    // Numbers only grow, so halving finds it: a handful of heads are read, however long the journal.
    let (mut low, mut high) = (0, segments.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        if first_seq(disk, dir, segments[middle])? < seq {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low.saturating_sub(1))
}

fn first_seq(disk: &dyn Disk, dir: &Path, listed: Listed) -> Result<u64, JournalError> {
    if listed.packed {
        return Ok(open_packed(disk, &folder::packed_path(dir, listed.number), listed.number)?.1.first_seq);
    }
    Ok(open_segment(disk, dir, listed)?.header().first_seq)
}
