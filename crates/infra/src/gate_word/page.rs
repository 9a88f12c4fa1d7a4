//! Where the shared numbers lie: in memory of this process, or in a page of a file that other processes map.
//!
//! ```text
//! 0      magic "bot4gate"   8   version 4   process 4   its start 8   length of the path 4   path of the run's folder
//! 3064   checksum of the 3064 bytes before, FNV-1a
//! 3072   the shared numbers (`protocol::Shared`), a cache line each
//! 4096   end
//! ```
//!
//! The first part is written before the file has its name and never changes; it is read as a file, never through the mapping. The second
//! part is touched by atomic operations only. The file is written in full, not only made so long: a page that the file system could not
//! store when it is first touched would end the process.

use super::protocol::{Line, Shared};
use super::{Class, Closed, Level, Raised, Stopped, Word};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MAGIC: [u8; 8] = *b"bot4gate";
/// Version of the layout. Another one is refused by name, not guessed at.
const VERSION: u32 = 1;
const PAGE: usize = 4096;
const NUMBERS_AT: usize = 3072;
const SUM_AT: usize = NUMBERS_AT - 8;
const PATH_AT: usize = 28;

/// Longest path of a run's folder, in bytes.
pub const RUN_BYTES_MAX: usize = SUM_AT - PATH_AT;

const _: () = assert!(size_of::<Shared<AtomicU64>>() <= PAGE - NUMBERS_AT, "the numbers fit into the page");
const _: () = assert!(NUMBERS_AT.is_multiple_of(align_of::<Shared<AtomicU64>>()), "the numbers are aligned");
const _: () = assert!(size_of::<Line<AtomicU64>>() == 64, "a number has a cache line");

/// Whose gate it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// The process.
    pub pid: u32,
    /// When it was started, in ticks of the system since its own start; with it a number that the system gave out again is told apart.
    /// 0 where the system does not say.
    pub started: u64,
    /// Folder of the run, where there is one.
    pub run: Option<PathBuf>,
}

impl About {
    /// This process, with a run in this folder.
    #[must_use]
    pub fn of_this_process(run: Option<&Path>) -> Self {
        let pid = std::process::id();
        Self { pid, started: started(pid).unwrap_or(0), run: run.map(Path::to_owned) }
    }

    /// Whether this very process is there. One that has ended and was not yet waited for is not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        started(self.pid).is_some_and(|started| started == self.started)
    }
}

/// When a process was started, in ticks since the system's own start; `None` if there is no such process.
fn started(pid: u32) -> Option<u64> {
    let text = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; the fields after it are plain. The state is the third field, the start the 22nd.
    let after = text.iter().rposition(|b| *b == b')')?;
    let rest = String::from_utf8_lossy(text.get(after + 1..)?);
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Why a page cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The system refused.
    #[error("{}: cannot {action} the page of a gate: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It is no page of a gate: left alone.
    #[error("{}: not the page of a gate: expected a file that begins with \"bot4gate\"", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another version of bot4 made it: use that version's `bot4 kill`.
    #[error("{}: a gate of layout {found}; this build knows layout {expected}: use the bot4 of the process that made it", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u32,
        /// The version that this build knows.
        expected: u32,
    },
    /// It is cut off or was changed.
    #[error("{}: a damaged page of a gate: {what}", .path.display())]
    Torn {
        /// The file.
        path: PathBuf,
        /// What is wrong and what was expected.
        what: String,
    },
    /// The path of the run's folder is too long to be told to others.
    #[error("{}: a path of {} bytes: expected at most {max}", .run.display(), .run.as_os_str().len())]
    RunTooLong {
        /// The folder.
        run: PathBuf,
        /// The most bytes.
        max: usize,
    },
}

enum Memory {
    Own(Box<Shared<AtomicU64>>),
    Mapped {
        map: MmapRaw,
        /// Held open for its lock, which tells others that the process that made the page is there.
        file: File,
    },
}

/// A gate word in its memory, with who it belongs to.
///
/// It may be shared by any number of threads; all of its functions but those that make it are lock-free.
pub struct GateWord {
    memory: Memory,
    about: About,
}

impl std::fmt::Debug for GateWord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GateWord").field("word", &self.read()).field("about", &self.about).finish()
    }
}

impl GateWord {
    /// An open gate in memory of this process alone.
    #[must_use]
    pub fn private(about: About) -> Self {
        Self { memory: Memory::Own(Box::default()), about }
    }

    /// An open gate in a new file, which must not exist. Others see it under its name only when it is whole.
    ///
    /// # Errors
    /// [`PageError::Io`] and [`PageError::RunTooLong`].
    pub fn create(path: &Path, about: About) -> Result<Self, PageError> {
        let failed = |action| move |source| PageError::Io { path: path.to_owned(), action, source };
        let bytes = page_of(&about)?;
        let mut aside = path.as_os_str().to_owned();
        aside.push(".part");
        let aside = PathBuf::from(aside);
        let make = || -> Result<(File, MmapRaw), PageError> {
            let mut options = OpenOptions::new();
            let mut file =
                options.read(true).write(true).create_new(true).mode(0o600).open(&aside).map_err(failed("make"))?;
            file.write_all(&bytes).map_err(failed("write"))?;
            // The lock is for others to see; where the file system has none, they have the process's number.
            let _ = file.try_lock();
            let map = MmapOptions::new().len(PAGE).map_raw(&file).map_err(failed("map"))?;
            // A hard link refuses to take the place of a file that is there, which a renaming would do.
            std::fs::hard_link(&aside, path).map_err(failed("name"))?;
            Ok((file, map))
        };
        let made = make();
        let _ = std::fs::remove_file(&aside);
        let (file, map) = made?;
        // In memory for good, so that no raise waits for a disk; a system that does not allow it may swap the page.
        let _ = map.lock();
        Ok(Self { memory: Memory::Mapped { map, file }, about })
    }

    /// The gate in a file that another process, or this one, has made.
    ///
    /// # Errors
    /// [`PageError`] by what is wrong with the file; nothing is changed in it.
    pub fn open(path: &Path) -> Result<Self, PageError> {
        let failed = |action| move |source| PageError::Io { path: path.to_owned(), action, source };
        let mut file = OpenOptions::new().read(true).write(true).open(path).map_err(failed("open"))?;
        let mut bytes = Vec::with_capacity(PAGE);
        (&mut file).take(PAGE as u64 + 1).read_to_end(&mut bytes).map_err(failed("read"))?;
        let about = about_of(path, &bytes)?;
        let map = MmapOptions::new().len(PAGE).map_raw(&file).map_err(failed("map"))?;
        Ok(Self { memory: Memory::Mapped { map, file }, about })
    }

    #[inline]
    fn shared(&self) -> &Shared<AtomicU64> {
        match &self.memory {
            Memory::Own(shared) => shared,
            Memory::Mapped { map, .. } => {
                let at = map.as_mut_ptr().wrapping_add(NUMBERS_AT);
                #[allow(unsafe_code, reason = "the one place where the mapped page is seen as numbers")]
                // SAFETY: the mapping is PAGE bytes long, writable, page-aligned, and lives as long as `self`; `Shared` lies within it and
                // is aligned (asserted above). It consists of atomic numbers and padding, for which every bit pattern is valid, and this
                // process and others touch that part of the page by atomic operations alone. A file that its owner cuts off while it is
                // mapped ends the process at the next access, which sends nothing.
                unsafe {
                    &*at.cast::<Shared<AtomicU64>>()
                }
            }
        }
    }

    /// Whose gate it is.
    #[must_use]
    pub const fn about(&self) -> &About {
        &self.about
    }

    /// Whether the process that made the page is there: it holds the file's lock, or is alive by number and start.
    #[must_use]
    pub fn is_held(&self) -> bool {
        let locked = match &self.memory {
            Memory::Own(_) => return true,
            Memory::Mapped { file, .. } => match file.try_lock_shared() {
                Ok(()) => {
                    let _ = file.unlock();
                    false
                }
                Err(TryLockError::WouldBlock) => true,
                Err(TryLockError::Error(_)) => false,
            },
        };
        locked || self.about.is_alive()
    }

    /// The level in force.
    #[inline]
    #[must_use]
    pub fn level(&self) -> Level {
        self.read().level()
    }

    /// The whole word.
    #[inline]
    #[must_use]
    pub fn read(&self) -> Word {
        self.shared().read()
    }

    /// Makes the gate at least as strict as `level`, says why, and adds flags ([`FLATTEN`](super::FLATTEN),
    /// [`INCLUDING_STOPS`](super::INCLUDING_STOPS)). It never lowers. Every raise counts up the generation, also one that changes nothing
    /// else, so that it is noticed. May be called in a signal handler.
    pub fn raise(&self, level: Level, cause: u8, flags: u8) -> Raised {
        self.shared().raise(level, cause, flags)
    }

    /// Raises, then waits up to `wait` for what is under way.
    pub fn close(&self, level: Level, cause: u8, flags: u8, wait: Duration) -> Closed {
        let began = Instant::now();
        let mut looks = 0u32;
        self.shared().close(level, cause, flags, || {
            looks = looks.saturating_add(1);
            if began.elapsed() >= wait {
                return false;
            }
            // A sending takes microseconds; who takes longer gets the processor left to him.
            if looks < 100 {
                std::hint::spin_loop()
            } else {
                std::thread::sleep(Duration::from_micros(50))
            }
            true
        })
    }

    /// Makes the gate less strict, if the word is still the one that was seen; a raise in between is never undone. Down to
    /// [`Level::All`] clears cause and flags.
    ///
    /// # Errors
    /// The word in force, if it is another one, or if `to` is no lower than the level that was seen.
    pub fn lower(&self, seen: Word, to: Level) -> Result<Word, Word> {
        self.shared().lower(seen, to)
    }

    /// Sends by calling `f`, if the word lets this class leave. This comparison is the last act before sending; whatever can be decided
    /// before, is decided before.
    ///
    /// # Errors
    /// [`Stopped`] if the word stops the class; `f` was not called.
    #[inline]
    pub fn send<R>(&self, class: Class, f: impl FnOnce() -> R) -> Result<R, Stopped> {
        self.shared().send(class, f)
    }

    /// Sendings under way of the classes that this level stops.
    #[must_use]
    pub fn in_flight(&self, level: Level) -> u64 {
        self.shared().in_flight(level)
    }

    /// The engine says that it lives. Who watches looks whether the number changes.
    #[inline]
    pub fn beat(&self) {
        self.shared().beat();
    }

    /// How often the engine has said that it lives.
    #[must_use]
    pub fn beats(&self) -> u64 {
        self.shared().beats.0.load(Ordering::Acquire)
    }

    /// The engine says in which mode it is.
    pub fn show_mode(&self, mode: u8) {
        self.shared().mode.0.store(u64::from(mode) + 1, Ordering::Release);
    }

    /// The mode as the engine last said; `None` if it has said none.
    #[must_use]
    pub fn mode(&self) -> Option<u8> {
        self.shared().mode.0.load(Ordering::Acquire).checked_sub(1).and_then(|mode| u8::try_from(mode).ok())
    }

    /// The engine says that it has taken up everything up to this word.
    pub fn answer(&self, word: Word) {
        self.shared().answered.0.store(word.generation(), Ordering::Release);
    }

    /// Generation of the word that the engine has taken up last.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.shared().answered.0.load(Ordering::Acquire)
    }
}

/// The page of an open gate.
fn page_of(about: &About) -> Result<Vec<u8>, PageError> {
    let run = about.run.as_ref().map_or(&[][..], |run| run.as_os_str().as_bytes());
    if run.len() > RUN_BYTES_MAX {
        return Err(PageError::RunTooLong { run: about.run.clone().unwrap_or_default(), max: RUN_BYTES_MAX });
    }
    let mut bytes = Vec::with_capacity(PAGE);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&about.pid.to_le_bytes());
    bytes.extend_from_slice(&about.started.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(run.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend_from_slice(run);
    bytes.resize(SUM_AT, 0);
    let sum = fnv1a(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes.resize(PAGE, 0);
    Ok(bytes)
}

/// Whose page these bytes are.
fn about_of(path: &Path, bytes: &[u8]) -> Result<About, PageError> {
    let path = || path.to_owned();
    if !bytes.starts_with(&MAGIC) {
        return Err(PageError::Foreign { path: path() });
    }
    let torn = |what: &str| PageError::Torn { path: path(), what: what.to_owned() };
    let word = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let version = word(8).ok_or_else(|| torn("it ends before its version"))?;
    if version != VERSION {
        return Err(PageError::Version { path: path(), found: version, expected: VERSION });
    }
    if bytes.len() != PAGE {
        return Err(torn(&format!("{} bytes: expected {PAGE}", bytes.len().min(PAGE + 1))));
    }
    let head = bytes.get(..SUM_AT).unwrap_or_default();
    if long(SUM_AT) != Some(fnv1a(head)) {
        return Err(torn("its checksum does not fit"));
    }
    let (Some(pid), Some(started), Some(length)) = (word(12), long(16), word(24)) else {
        return Err(torn("it ends within its head"));
    };
    let run = usize::try_from(length).ok().and_then(|length| head.get(PATH_AT..PATH_AT.checked_add(length)?));
    let run = run.ok_or_else(|| torn("the path of the run is longer than its place"))?;
    let run = (!run.is_empty()).then(|| PathBuf::from(std::ffi::OsString::from_vec(run.to_vec())));
    Ok(About { pid, started, run })
}

/// 64-bit FNV-1a: against bytes that were cut off or changed by accident.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x0100_0000_01B3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of the test's own.
    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bot4-page-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_second_mapping_sees_and_raises_the_same_word() {
        let folder = folder("shared");
        let path = folder.join("a");
        let about = About::of_this_process(Some(Path::new("runs/may")));
        let ours = GateWord::create(&path, about.clone()).unwrap();
        let theirs = GateWord::open(&path).unwrap();
        assert_eq!(theirs.about(), &about);
        assert_eq!(ours.send(Class::Entry, || ()), Ok(()));
        let raised = theirs.raise(Level::Reducing, 1, 0).after;
        assert_eq!(ours.read(), raised);
        assert!(ours.send(Class::Entry, || ()).is_err());
        let in_flight = ours.send(Class::Reducing, || theirs.close(Level::Cancels, 1, 0, Duration::ZERO).in_flight);
        assert_eq!(in_flight, Ok(1), "a sending of the other mapping is seen");
        ours.beat();
        ours.beat();
        ours.show_mode(3);
        ours.answer(raised);
        assert_eq!((theirs.beats(), theirs.mode(), theirs.answered()), (2, Some(3), 1));
        assert!(theirs.is_held() && about.is_alive());
        assert!(matches!(GateWord::create(&path, about).unwrap_err(), PageError::Io { action: "name", .. }));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left aside");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_new_gate_is_open_and_has_said_nothing() {
        let gate = GateWord::private(About::of_this_process(None));
        assert_eq!((gate.read(), gate.beats(), gate.mode(), gate.answered()), (Word::default(), 0, None, 0));
    }

    #[test]
    fn foreign_torn_and_other_versions_are_refused_by_name() {
        let folder = folder("refused");
        let whole = page_of(&About { pid: 1, started: 2, run: Some("x".into()) }).unwrap();
        let check = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            let before = std::fs::read(&path).unwrap();
            let error = GateWord::open(&path).unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), before, "{name}: nothing is changed");
            error
        };
        assert!(matches!(check("empty", b""), PageError::Foreign { .. }));
        assert!(matches!(check("text", &[b'x'; PAGE]), PageError::Foreign { .. }));
        assert!(matches!(check("magic", &MAGIC), PageError::Torn { .. }));
        for length in [12, 27, 28, 100, SUM_AT, PAGE - 1] {
            assert!(matches!(check("short", &whole[..length]), PageError::Torn { .. }), "{length}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(matches!(check("longer", &longer), PageError::Torn { .. }));
        let mut next = whole.clone();
        next[8] = 2;
        let error = check("next", &next);
        assert!(matches!(error, PageError::Version { found: 2, expected: 1, .. }), "{error}");
        assert!(error.to_string().contains("layout 2; this build knows layout 1"), "{error}");
        for at in 12..NUMBERS_AT {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(matches!(about_of(Path::new("x"), &flipped), Err(PageError::Torn { .. })), "byte {at}");
        }
        let missing = GateWord::open(&folder.join("missing")).unwrap_err();
        assert!(matches!(missing, PageError::Io { action: "open", .. }), "{missing}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_longest_path_fits_and_a_longer_one_is_refused() {
        let about = |length: usize| About { pid: 1, started: 2, run: Some("r".repeat(length).into()) };
        let longest = about(RUN_BYTES_MAX);
        assert_eq!(about_of(Path::new("x"), &page_of(&longest).unwrap()).unwrap(), longest);
        let refused = page_of(&about(RUN_BYTES_MAX + 1)).unwrap_err();
        assert!(matches!(refused, PageError::RunTooLong { .. }), "{refused}");
    }

    #[test]
    fn a_process_that_is_gone_or_another_one_is_not_alive() {
        let ours = About::of_this_process(None);
        assert!(ours.is_alive());
        assert!(!About { started: ours.started + 1, ..ours.clone() }.is_alive(), "the number was given out again");
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        let seen = About { pid, started: started(pid).unwrap_or(0), run: None };
        child.wait().unwrap();
        assert!(!seen.is_alive());
        let folder = folder("gone");
        let path = folder.join("a");
        drop(GateWord::create(&path, seen).unwrap());
        assert!(!GateWord::open(&path).unwrap().is_held(), "no lock and no process");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
