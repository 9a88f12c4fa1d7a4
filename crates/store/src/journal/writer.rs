//! Appends records: into memory, from there to the system, from there to the disk.

use super::folder;
use super::frame::{self, BODY_MAX, FRAME, Salt};
use super::header::PlainHeader;
use super::pack::Packer;
use super::recover::{Recovered, recover_on, recover_tail};
use super::segment::{Chain, SEAL_HEAD};
use super::sync::{Group, Ticket};
use super::{JournalError, Kind};
use crate::audit::Copies;
use crate::disk::{self, Disk, DiskFile, Open};
use crate::failpoint;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Sizes and times of a writer.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes in memory at which they are given to the system.
    pub flush_bytes: usize,
    /// Bytes at which a segment ends; looked at when bytes are given to the system.
    pub roll_bytes: u64,
    /// How often what was given to the system is made durable; `None`: only by [`Writer::commit`] and [`Ticket::wait`].
    pub sync_every: Option<Duration>,
    /// Whether full segments are compressed while the run goes on, by a thread; otherwise when it is complete.
    pub compress: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            flush_bytes: 256 << 10,
            roll_bytes: 32 << 20,
            sync_every: Some(Duration::from_millis(5)),
            compress: true,
        }
    }
}

/// Appends to a journal.
///
/// [`Writer::append`] cannot fail: a failure (disk full, a bad disk) is kept, nothing more is written, so that what is on disk stays a
/// prefix of what was said; [`Writer::failed`] tells, and the caller takes no new risk from then on.
pub struct Writer {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    options: Options,
    buffer: Vec<u8>,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    number: u64,
    salt: Salt,
    /// Bytes of this segment given to the system.
    written: u64,
    chain: Chain,
    /// No record of this segment yet: its head is put before the first one, whose number it names.
    fresh: bool,
    group: Arc<Group>,
    syncer: Option<JoinHandle<()>>,
    packer: Packer,
    /// Copies of some records, for the audit log.
    copies: Option<Box<Copies>>,
}

impl Writer {
    /// Begins a journal in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`JournalError::Exists`] when there is one; otherwise what the system refused.
    pub fn create(dir: &Path, options: Options) -> Result<Self, JournalError> {
        Self::create_on(disk::real(), dir, options)
    }

    /// [`Writer::create`] on another disk.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn create_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<Self, JournalError> {
        disk.make_dir(dir).map_err(|e| JournalError::io("make", dir, e))?;
        if !folder::list(&*disk, dir)?.segments.is_empty() {
            return Err(JournalError::Exists { path: dir.to_owned() });
        }
        let file = new_file(&*disk, &folder::plain_path(dir, 1))?;
        Self::begin(disk, dir, options, 1, file, Chain::default(), 0)
    }

    /// Goes on with the journal in this folder after cutting its torn end, or begins one if there is none.
    ///
    /// # Errors
    /// [`JournalError::Sealed`] when the run is complete, [`JournalError::Corrupt`] when it must not be gone on with.
    pub fn resume(dir: &Path, options: Options) -> Result<(Self, Recovered), JournalError> {
        Self::resume_on(disk::real(), dir, options)
    }

    /// [`Writer::resume`] on another disk.
    ///
    /// # Errors
    /// As [`Writer::resume`].
    pub fn resume_on(disk: Arc<dyn Disk>, dir: &Path, options: Options) -> Result<(Self, Recovered), JournalError> {
        disk.make_dir(dir).map_err(|e| JournalError::io("make", dir, e))?;
        let (recovered, tail) = recover_tail(&*disk, dir)?;
        if let Some((count, digest)) = recovered.sealed {
            recover_on(&*disk, dir)?;
            return Err(JournalError::Sealed { count, digest });
        }
        let (number, written) = tail.plain.unwrap_or((tail.last + 1, 0));
        let path = folder::plain_path(dir, number);
        let file = if written > 0 {
            disk.open(&path, Open::Append).map_err(|e| JournalError::io("open", &path, e))?
        } else {
            new_file(&*disk, &path)?
        };
        // What a killed process gave to the system may not be on the disk; from here on it counts as durable.
        for &number in tail.unpacked.iter().chain(tail.plain.as_ref().map(|(number, _)| number)) {
            let path = folder::plain_path(dir, number);
            disk.open(&path, Open::Read).and_then(|f| f.sync_all()).map_err(|e| JournalError::io("sync", &path, e))?;
        }
        folder::sync(&*disk, dir)?;
        let writer = Self::begin(disk, dir, options, number, file, tail.chain, written)?;
        tail.unpacked.iter().for_each(|&n| writer.packer.queue(n));
        Ok((writer, recovered))
    }

    fn begin(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: Options,
        number: u64,
        file: Arc<dyn DiskFile>,
        chain: Chain,
        written: u64,
    ) -> Result<Self, JournalError> {
        let group = Arc::new(Group::new(Arc::clone(&disk), dir));
        let path = folder::plain_path(dir, number);
        group.begin_file(path.clone(), Arc::clone(&file));
        let syncer = options.sync_every.map(|every| group.start(every)).transpose()?;
        let packer = if options.compress { Packer::start(Arc::clone(&disk), dir.to_owned())? } else { Packer::none() };
        Ok(Self {
            disk,
            dir: dir.to_owned(),
            buffer: Vec::with_capacity(options.flush_bytes + (64 << 10)),
            options,
            file,
            path,
            number,
            salt: Salt::of_segment(number),
            written,
            chain,
            fresh: written == 0,
            group,
            syncer,
            packer,
            copies: None,
        })
    }

    /// Appends a record to memory; `body` puts its bytes at the end of what it is given.
    ///
    /// Does nothing after a failure.
    #[inline]
    pub fn append(&mut self, seq: u64, kind: Kind, version: u8, body: impl FnOnce(&mut Vec<u8>)) {
        if self.group.failed() {
            return;
        }
        if self.fresh {
            self.begin_segment(seq);
        }
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; FRAME]);
        body(&mut self.buffer);
        let offset = self.written + start as u64;
        let len = self.buffer.len().saturating_sub(start + FRAME);
        if seq < self.chain.last_seq || len > BODY_MAX {
            return self.refuse(start, seq, len);
        }
        let frame = frame::fill(&mut self.buffer[start..], self.salt, offset, kind as u8, version, seq);
        self.chain.take(&frame);
        if let Some(copies) = &mut self.copies {
            copies.take(self.chain.records, seq, kind, version, &self.buffer[start + FRAME..]);
        }
        if self.buffer.len() >= self.options.flush_bytes {
            self.write_out();
        }
    }

    /// Gives everything appended to the system: it survives the end of this process, not a power cut.
    ///
    /// # Errors
    /// The first failure of the journal.
    pub fn flush(&mut self) -> Result<(), JournalError> {
        self.write_out();
        self.failed().map_or(Ok(()), Err)
    }

    /// Gives everything appended to the system and to the disk: it survives a power cut.
    ///
    /// # Errors
    /// The first failure of the journal.
    pub fn commit(&mut self) -> Result<(), JournalError> {
        self.ticket()?.wait()
    }

    /// Flushes, and gives a promise that can be waited for on another thread: that all this is durable.
    ///
    /// # Errors
    /// The first failure of the journal.
    pub fn ticket(&mut self) -> Result<Ticket, JournalError> {
        self.flush()?;
        Ok(Ticket { group: Arc::clone(&self.group), target: self.group.written() })
    }

    /// Keeps copies of records of these kinds from now on, so that the audit log can be completed without reading the journal again.
    pub fn keep_copies(&mut self, wanted: fn(Kind) -> bool) {
        self.copies = Some(Box::new(Copies::of(wanted, self.chain.records)));
    }

    /// The copies kept so far; no more are kept.
    pub fn take_copies(&mut self) -> Option<Copies> {
        self.copies.take().map(|copies| *copies)
    }

    /// The first failure, after which nothing is written.
    #[must_use]
    pub fn failed(&self) -> Option<JournalError> {
        if self.group.failed() { self.group.failure() } else { None }
    }

    /// Records in the journal, appended ones included.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.chain.records
    }

    /// Sequence number of the last record (0: none).
    #[must_use]
    pub const fn last_seq(&self) -> u64 {
        self.chain.last_seq
    }

    /// Ends the journal for good: puts the seal with count and digest before the caller's bytes, makes everything durable and compresses
    /// what is not compressed. Returns count and digest.
    ///
    /// # Errors
    /// The first failure. Where a segment cannot be compressed (no space for it) the run is complete all the same: it stays plain until
    /// recovery has room for it.
    pub fn seal(mut self, seq: u64, version: u8, body: impl FnOnce(&mut Vec<u8>)) -> Result<(u64, u64), JournalError> {
        let sealed = (self.chain.records, self.chain.digest);
        self.append(seq, Kind::Seal, version, |out| {
            out.reserve(SEAL_HEAD);
            out.extend_from_slice(&sealed.0.to_le_bytes());
            out.extend_from_slice(&sealed.1.to_le_bytes());
            body(out);
        });
        self.commit()?;
        self.end_threads();
        // What could not be compressed while running is tried again here, and by every later recovery: the seal holds without it.
        let _ = recover_on(&*self.disk, &self.dir);
        Ok(sealed)
    }

    /// Ends this writer and leaves the journal open for [`Writer::resume`]: everything durable, no thread left.
    ///
    /// # Errors
    /// The first failure of the journal.
    pub fn close(mut self) -> Result<(), JournalError> {
        let result = self.commit();
        self.end_threads();
        result
    }

    #[cold]
    fn begin_segment(&mut self, seq: u64) {
        if self.chain.records == 0 {
            failpoint::reach("journal.start");
        }
        let header = PlainHeader {
            segment: self.number,
            first_seq: seq,
            records_before: self.chain.records,
            digest_before: self.chain.digest,
        };
        self.buffer.extend_from_slice(&header.bytes());
        self.fresh = false;
    }

    #[cold]
    fn refuse(&mut self, start: usize, given: u64, bytes: usize) {
        self.buffer.truncate(start);
        let error = if bytes > BODY_MAX {
            JournalError::BodyTooLong { bytes, limit: BODY_MAX }
        } else {
            JournalError::Sequence { last: self.chain.last_seq, given }
        };
        // What was appended before is whole, and goes out.
        self.write_out();
        self.fail(error);
    }

    fn write_out(&mut self) {
        if self.buffer.is_empty() || self.group.failed() {
            return;
        }
        let mut rest = &self.buffer[..];
        let mut result = Ok(());
        if failpoint::is_due("journal.write") {
            let (half, other) = rest.split_at(rest.len() / 2);
            result = self.file.write(half);
            failpoint::end_process();
            rest = other;
        }
        result = result.and_then(|()| self.file.write(rest));
        if let Err(error) = result {
            return self.fail(JournalError::io("write", &self.path, error));
        }
        let bytes = self.buffer.len() as u64;
        self.buffer.clear();
        self.written += bytes;
        self.group.wrote(bytes);
        if self.written >= self.options.roll_bytes {
            self.roll();
        }
    }

    #[cold]
    fn fail(&mut self, error: JournalError) {
        self.buffer.clear();
        self.group.fail(error);
    }

    #[cold]
    fn roll(&mut self) {
        failpoint::reach("journal.roll");
        let number = self.number + 1;
        let path = folder::plain_path(&self.dir, number);
        let file = match new_file(&*self.disk, &path) {
            Ok(file) => file,
            Err(error) => return self.fail(error),
        };
        self.group.begin_file(path.clone(), Arc::clone(&file));
        self.packer.queue(self.number);
        (self.number, self.path, self.file) = (number, path, file);
        (self.salt, self.written, self.fresh) = (Salt::of_segment(number), 0, true);
    }

    fn end_threads(&mut self) {
        self.group.stop();
        if let Some(thread) = self.syncer.take() {
            drop(thread.join());
        }
        // Segments that could not be compressed stay plain: nothing is lost, and the next recovery or seal tries again.
        drop(self.packer.finish());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.write_out();
        self.end_threads();
    }
}

fn new_file(disk: &dyn Disk, path: &Path) -> Result<Arc<dyn DiskFile>, JournalError> {
    disk.open(path, Open::AppendNew).map_err(|e| JournalError::io("make", path, e))
}
