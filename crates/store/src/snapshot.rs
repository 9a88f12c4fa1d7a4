//! Snapshots of a run: its whole state at one sequence number, so that a resume replays the tail only.
//!
//! In:  a sequence number and the state as one byte string, from the runner.
//! Out: the newest usable state at or before a sequence number.
//! What the bytes mean is the runner's business; so is a state version, which it raises when they change their meaning.
//!
//! Snapshots are ordered by the sequence number in their names, never by the time of their files: the clock may be set back. A file is
//! written aside, synced and renamed, so it is whole or absent; a checksum over everything shows what happened to it later.

use crate::disk::{self, Disk, Open, Sequential};
use crate::failpoint;
use crate::journal::JournalError;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::JoinHandle;

/// Version of the file's form that this build writes and reads.
pub const FORMAT: u16 = 1;

/// How many snapshots are kept at most.
pub const KEPT_MAX: usize = 32;

const MAGIC: [u8; 8] = *b"bot4snap";
/// `magic | crc u32 | format u16 | bytes of build id u16 | state version u32 | seq u64 | state bytes u64`, then build id, then state.
const HEAD: usize = 36;
/// Where the part begins that the checksum covers.
const COVERED: usize = 12;

/// Snapshots of one run, to read.
#[derive(Clone, Debug)]
pub struct SnapshotFolder {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    state_version: u32,
}

/// A snapshot that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The state is the one after this event.
    pub seq: u64,
    /// Build that wrote it.
    pub build: String,
    /// The state.
    pub state: Vec<u8>,
}

/// One file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotEntry {
    /// Sequence number in its name.
    pub seq: u64,
    /// The file.
    pub path: PathBuf,
    /// Why it cannot be used, if so.
    pub unusable: Option<Unusable>,
}

/// Why a snapshot cannot be used. An older one, or the journal from its beginning, can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its state is of another version.
    #[error("state of version {found}, this build reads {expected}")]
    OtherVersion {
        /// Its version.
        found: u32,
        /// That of this build.
        expected: u32,
    },
    /// Its file has another form.
    #[error("file of form {found}, this build reads {expected}")]
    OtherFormat {
        /// Its form.
        found: u16,
        /// That of this build.
        expected: u16,
    },
    /// Its bytes are not those that were written.
    #[error("damaged: {0}")]
    Damaged(&'static str),
    /// The system does not give it.
    #[error("cannot be read: {0}")]
    Unreadable(io::ErrorKind),
}

/// Why a snapshot was not written, or the folder not read. A run goes on without: the journal has everything.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The journal up to its sequence number could not be made durable.
    #[error("no snapshot: {0}")]
    Journal(#[from] JournalError),
    /// The system refused.
    #[error("{}: cannot {what}: {source}", .path.display())]
    Io {
        /// What was to be done.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
}

impl SnapshotFolder {
    /// The snapshots in `dir`, for a build whose states have this version. Nothing is touched; the folder may be absent.
    #[must_use]
    pub fn new(dir: &Path, state_version: u32) -> Self {
        Self::on(disk::real(), dir, state_version)
    }

    /// The same on another disk.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>, dir: &Path, state_version: u32) -> Self {
        Self { disk, dir: dir.to_owned(), state_version }
    }

    /// The usable snapshot with the highest sequence number that is not above `seq_max`, and what was passed over on the way to it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn newest_valid(&self, seq_max: u64) -> Result<(Option<Snapshot>, Vec<SnapshotEntry>), SnapshotError> {
        let mut passed_over = Vec::new();
        for (seq, path) in numbers(&*self.disk, &self.dir)?.into_iter().rev().filter(|(seq, _)| *seq <= seq_max) {
            match load(&*self.disk, &path, seq, self.state_version) {
                Ok(snapshot) => return Ok((Some(snapshot), passed_over)),
                Err(reason) => passed_over.push(SnapshotEntry { seq, path, unusable: Some(reason) }),
            }
        }
        Ok((None, passed_over))
    }

    /// All snapshots, oldest first, each read and checked.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self) -> Result<Vec<SnapshotEntry>, SnapshotError> {
        let check = |(seq, path): (u64, PathBuf)| {
            let unusable = load(&*self.disk, &path, seq, self.state_version).err();
            SnapshotEntry { seq, path, unusable }
        };
        Ok(numbers(&*self.disk, &self.dir)?.into_iter().map(check).collect())
    }

    /// Removes what is newer than the journal: a resumed run comes to these numbers again, perhaps with other events.
    ///
    /// # Errors
    /// What the system refused.
    pub fn remove_after(&self, seq: u64) -> Result<usize, SnapshotError> {
        remove(&*self.disk, &self.dir, numbers(&*self.disk, &self.dir)?.into_iter().filter(|(s, _)| *s > seq))
    }

    /// Removes what is older than `seq`, so that retention may go on; the newest two stay.
    ///
    /// # Errors
    /// What the system refused.
    pub fn remove_before(&self, seq: u64) -> Result<usize, SnapshotError> {
        let mut all = numbers(&*self.disk, &self.dir)?;
        all.truncate(all.len().saturating_sub(2));
        remove(&*self.disk, &self.dir, all.into_iter().filter(|(s, _)| *s < seq))
    }
}

/// Writes snapshots on a thread of its own.
pub struct SnapshotWriter {
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
    /// A buffer to give in exchange for the next state.
    spare: Vec<u8>,
    busy: bool,
    written: Option<u64>,
    failure: Option<SnapshotError>,
}

/// What became of an offered state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Offered {
    /// It is being written.
    Taken,
    /// The one before is still being written: try later.
    Busy,
}

struct Job {
    seq: u64,
    state: Vec<u8>,
    first: Box<dyn FnOnce() -> Result<(), JournalError> + Send>,
}

struct Done {
    seq: u64,
    state: Vec<u8>,
    result: Result<(), SnapshotError>,
}

impl SnapshotWriter {
    /// Makes the folder if it is not there, removes what a crash left unfinished in it, and starts the thread.
    ///
    /// # Errors
    /// What the system refused.
    pub fn open(dir: &Path, state_version: u32, build: &str) -> Result<Self, SnapshotError> {
        let disk = disk::real();
        prepare(&*disk, dir)?;
        let (jobs, queue) = sync_channel::<Job>(1);
        let (report, done) = channel();
        // The length of a build id is a u16 in the file; one that is longer is cut.
        let build: String = build.chars().take(1_000).collect();
        let at = dir.to_owned();
        let thread = std::thread::Builder::new()
            .name("snapshot".into())
            .spawn(move || run(&*disk, &at, state_version, &build, &queue, &report))
            .map_err(|e| failed("start a thread for", dir, e))?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
            spare: Vec::new(),
            busy: false,
            written: None,
            failure: None,
        })
    }

    /// False while the last state is still being written: then there is no use in encoding another one.
    #[must_use]
    pub fn is_ready(&mut self) -> bool {
        self.collect();
        !self.busy
    }

    /// Has `state` written as the state after event `seq`. When taken, `state` is left empty, with memory to be used again.
    ///
    /// `first` runs on the thread before the snapshot gets its name, and must make the journal durable up to `seq` (the `wait` of a
    /// [`crate::journal::Ticket`]): a snapshot that survives a power cut which its journal did not survive would make a run go on from a
    /// state whose past is lost.
    pub fn write(
        &mut self,
        seq: u64,
        state: &mut Vec<u8>,
        first: impl FnOnce() -> Result<(), JournalError> + Send + 'static,
    ) -> Offered {
        if !self.is_ready() {
            return Offered::Busy;
        }
        let Some(jobs) = &self.jobs else { return Offered::Busy };
        let job = Job { seq, state: std::mem::replace(state, std::mem::take(&mut self.spare)), first: Box::new(first) };
        state.clear();
        match jobs.try_send(job) {
            Ok(()) => {
                self.busy = true;
                Offered::Taken
            }
            Err(_) => Offered::Busy,
        }
    }

    /// Sequence number of the last snapshot that was written whole.
    #[must_use]
    pub fn last_written(&mut self) -> Option<u64> {
        self.collect();
        self.written
    }

    /// The last failure, once.
    #[must_use]
    pub fn take_failure(&mut self) -> Option<SnapshotError> {
        self.collect();
        self.failure.take()
    }

    /// Waits for the snapshot under way and ends the thread.
    ///
    /// # Errors
    /// The last failure that [`SnapshotWriter::take_failure`] has not told.
    pub fn finish(mut self) -> Result<Option<u64>, SnapshotError> {
        self.end_thread();
        self.collect();
        self.failure.take().map_or(Ok(self.written), Err)
    }

    fn collect(&mut self) {
        loop {
            match self.done.try_recv() {
                Ok(Done { seq, state, result }) => {
                    self.busy = false;
                    self.spare = state;
                    match result {
                        Ok(()) => self.written = Some(seq),
                        Err(error) => self.failure = Some(error),
                    }
                }
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return,
            }
        }
    }

    fn end_thread(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        self.end_thread();
    }
}

/// Makes the folder if it is not there, and removes what a crash left unfinished in it.
///
/// # Errors
/// What the system refused.
pub fn prepare(disk: &dyn Disk, dir: &Path) -> Result<(), SnapshotError> {
    disk.make_dir(dir).map_err(|e| failed("make", dir, e))?;
    for path in disk.list(dir).map_err(|e| failed("read", dir, e))? {
        if path.extension().is_some_and(|e| e == "part") {
            disk.remove(&path).map_err(|e| failed("remove", &path, e))?;
        }
    }
    Ok(())
}

/// Writes one snapshot on the caller's thread, as [`SnapshotWriter::write`] has it written on its own. At most [`KEPT_MAX`] stay.
///
/// # Errors
/// What the system refused, or why the journal could not be made durable before.
pub fn write_now(
    disk: &dyn Disk,
    dir: &Path,
    (state_version, build): (u32, &str),
    (seq, state): (u64, &[u8]),
    first: impl FnOnce() -> Result<(), JournalError>,
) -> Result<(), SnapshotError> {
    write(disk, dir, (state_version, build), (seq, state), first).and_then(|()| thin(disk, dir))
}

fn run(disk: &dyn Disk, dir: &Path, state_version: u32, build: &str, queue: &Receiver<Job>, report: &Sender<Done>) {
    for Job { seq, state, first } in queue {
        let result = write_now(disk, dir, (state_version, build), (seq, &state), first);
        if report.send(Done { seq, state, result }).is_err() {
            return;
        }
    }
}

fn write(
    disk: &dyn Disk,
    dir: &Path,
    (state_version, build): (u32, &str),
    (seq, state): (u64, &[u8]),
    first: impl FnOnce() -> Result<(), JournalError>,
) -> Result<(), SnapshotError> {
    let path = dir.join(format!("{seq:020}.snap"));
    let part = dir.join(format!("{seq:020}.snap.part"));
    let head = head(state_version, build, seq, state);
    let written = disk.open(&part, Open::Truncate).and_then(|file| {
        [&head, build.as_bytes(), state].into_iter().try_for_each(|bytes| file.write(bytes))?;
        file.sync_all()
    });
    let ready = written.map_err(|e| failed("write", &part, e)).and_then(|()| Ok(first()?));
    if ready.is_err() {
        // Best effort: what stays is removed when the folder is opened again.
        drop(disk.remove(&part));
        return ready;
    }
    failpoint::reach("snapshot.rename");
    disk.rename(&part, &path).map_err(|e| failed("rename to", &path, e))?;
    sync(disk, dir)
}

fn head(state_version: u32, build: &str, seq: u64, state: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEAD);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[0; COVERED - 8]);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&(build.len() as u16).to_le_bytes());
    out.extend_from_slice(&state_version.to_le_bytes());
    out.extend_from_slice(&seq.to_le_bytes());
    out.extend_from_slice(&(state.len() as u64).to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    [&out[COVERED..], build.as_bytes(), state].into_iter().for_each(|bytes| crc.update(bytes));
    out[8..COVERED].copy_from_slice(&crc.finalize().to_le_bytes());
    out
}

fn load(disk: &dyn Disk, path: &Path, seq: u64, state_version: u32) -> Result<Snapshot, Unusable> {
    let mut bytes = Vec::new();
    (Sequential::open(disk, path).and_then(|mut f| f.read_to_end(&mut bytes)))
        .map_err(|e| Unusable::Unreadable(e.kind()))?;
    let (Some(head), true) = (bytes.first_chunk::<HEAD>(), bytes.starts_with(&MAGIC)) else {
        return Err(Unusable::Damaged("no head of a snapshot"));
    };
    let u16_at = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
    if u16_at(12) != FORMAT {
        return Err(Unusable::OtherFormat { found: u16_at(12), expected: FORMAT });
    }
    if crc32fast::hash(&bytes[COVERED..]) != u32_at(8) {
        return Err(Unusable::Damaged("it does not have its checksum"));
    }
    let build_end = HEAD + usize::from(u16_at(14));
    if (bytes.len() as u64).checked_sub(build_end as u64) != Some(u64_at(28)) {
        return Err(Unusable::Damaged("its length is not what its head says"));
    }
    if u64_at(20) != seq {
        return Err(Unusable::Damaged("its sequence number is not that of its file"));
    }
    if u32_at(16) != state_version {
        return Err(Unusable::OtherVersion { found: u32_at(16), expected: state_version });
    }
    let build = String::from_utf8_lossy(&bytes[HEAD..build_end]).into_owned();
    bytes.drain(..build_end);
    Ok(Snapshot { seq, build, state: bytes })
}

/// Leaves at most [`KEPT_MAX`]: when there are more, every second one goes, but for the newest two. So the recent past is dense, the far past
/// sparse, and the first one stays.
fn thin(disk: &dyn Disk, dir: &Path) -> Result<(), SnapshotError> {
    let all = numbers(disk, dir)?;
    if all.len() <= KEPT_MAX {
        return Ok(());
    }
    let older = all.len() - 2;
    remove(disk, dir, all.into_iter().take(older).skip(1).step_by(2)).map(|_| ())
}

fn remove(disk: &dyn Disk, dir: &Path, which: impl Iterator<Item = (u64, PathBuf)>) -> Result<usize, SnapshotError> {
    let mut removed = 0;
    for (_, path) in which {
        disk.remove(&path).map_err(|e| failed("remove", &path, e))?;
        removed += 1;
    }
    if removed > 0 {
        sync(disk, dir)?;
    }
    Ok(removed)
}

/// The files of the folder by sequence number. A folder that is not there has none.
fn numbers(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, PathBuf)>, SnapshotError> {
    let entries = match disk.list(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", dir, error)),
    };
    let mut all = Vec::new();
    for path in entries {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if let Some(seq) = name.strip_suffix(".snap").filter(|n| n.len() == 20).and_then(|n| n.parse().ok()) {
            all.push((seq, path));
        }
    }
    all.sort_unstable();
    Ok(all)
}

fn sync(disk: &dyn Disk, dir: &Path) -> Result<(), SnapshotError> {
    disk.sync_dir(dir).map_err(|e| failed("sync", dir, e))
}

fn failed(what: &'static str, path: &Path, source: io::Error) -> SnapshotError {
    SnapshotError::Io { what, path: path.to_owned(), source: Arc::new(source) }
}
