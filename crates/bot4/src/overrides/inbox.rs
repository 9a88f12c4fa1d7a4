//! The inbox of a run: a folder into which key holders put tokens, and out of which comes what the session is to be told.
//!
//! In:  files `RUN/inbox/*.token`, put there whole by a rename; the keys of the configuration; the clock of the machine.
//! Out: control events with whose word they are; an answer beside each token; a line in the log for each.
//!
//! Whoever can write into the folder can put anything there, so nothing in it is believed before its signature holds: names are not
//! followed, no more is read than a token can have, a few files are looked at in one turn, and what is refused is answered, logged, counted
//! and taken away. A token that holds is noted as used before its word is handed on.
//!
//! A re-arm goes through the self-tests first, on a thread of their own: trading and stricter words do not wait for them.

use super::action::Action;
use super::holder::{Holders, KeyHolder};
use super::refused::Refused;
use super::token::{BYTES_MAX, Granted, verify};
use super::used::{RefusedLine, Used, note_refused, time};
use crate::checklist::Checklist;
use domain::{Control, UnixNanos};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant, SystemTime};

/// Name of the folder in the run's folder.
pub const FOLDER: &str = "inbox";
/// How the name of a token's file ends.
pub const TOKEN: &str = "token";
/// How the name of its answer ends.
pub const ANSWER: &str = "answer";

/// Files that are looked at in one turn.
const FILES_PER_TURN: usize = 16;
/// Names that cannot be taken away and are passed over; with more of them the folder is not looked into any more.
const STUCK_MAX: usize = 256;
/// A folder that did not change is not read again for so long, once its last change was this old when it was read: times of files have a
/// grain. Clocks may jump, so a folder is read once in this time whatever they show.
const SETTLED: Duration = Duration::from_secs(1);
/// Answers that nobody took are removed after this time.
const ANSWER_KEPT: Duration = Duration::from_secs(3_600);
/// Longest time that self-tests may take.
const TESTS_MAX_NS: u64 = 60_000_000_000;
/// Of so many refusals each has a line in the log, after that one in a thousand.
const LOGGED_REFUSALS: u64 = 1_000;

/// The self-tests that a re-arm goes through.
pub type Tests = Arc<dyn Fn() -> Checklist + Send + Sync>;

/// What came in, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tokens whose word was handed on.
    pub accepted: u64,
    /// Tokens that were refused.
    pub refused: u64,
}

/// The answer to a token, as it lies beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Whether it was taken.
    pub accepted: bool,
    /// When, by the machine's clock.
    pub at: String,
    /// Whose it was, where the signature held.
    pub holder: Option<String>,
    /// What it asked for, where the signature held.
    pub act: Option<String>,
    /// Key of the reason of a refusal.
    pub reason: Option<String>,
    /// In words.
    pub says: String,
}

/// What a key holder asked for, to be told to the session.
#[derive(Debug)]
pub struct Accepted {
    /// The control events, in this order, to be told one directly after the other.
    pub controls: Vec<Control>,
    /// Whose word it is.
    pub known: KeyHolder,
    /// What was asked for.
    pub action: Action,
    /// To be answered when the session was told.
    pub answering: Answering,
}

/// The answer that is still to be given.
#[derive(Debug)]
pub struct Answering {
    path: Option<PathBuf>,
    answer: Answer,
}

impl Answering {
    /// The session was told, and this is what came of it, in words.
    pub fn done(mut self, says: &str) {
        self.answer.says = says.to_owned();
        self.write();
    }

    /// The session was told, and the engine left everything as it was: why, in words.
    pub fn without_effect(mut self, says: &str) {
        self.answer.accepted = false;
        self.answer.reason = Some("without_effect".into());
        self.answer.says = says.to_owned();
        self.write();
    }

    fn write(&mut self) {
        if let Some(path) = self.path.take()
            && let Err(error) = write_answer(&path, &self.answer)
        {
            tracing::warn!(file = %path.display(), %error, "an override cannot be answered");
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        // Whoever was handed the word went away with it: what became of it is in the journal, if anything did.
        self.write();
    }
}

/// A re-arm that is being tested.
struct Testing {
    granted: Granted,
    file: PathBuf,
    result: Receiver<Checklist>,
    since: UnixNanos,
}

/// The inbox of a run.
pub struct Inbox {
    run_folder: PathBuf,
    folder: PathBuf,
    holders: Holders,
    run: Option<String>,
    tests: Tests,
    used: Used,
    began: UnixNanos,
    /// The end of the second in which the gate was last closed, which no re-arm that was signed before may lift.
    tripped: UnixNanos,
    /// When the folder was read, and that it was settled then, with the time of its last change.
    read: Option<(Instant, SystemTime)>,
    waiting: VecDeque<OsString>,
    stuck: BTreeSet<OsString>,
    testing: Option<Testing>,
    counts: Counts,
    /// Why the folder cannot be read, said once.
    told: Option<io::ErrorKind>,
}

impl Inbox {
    /// Opens the inbox of a run, and makes its folder if it is not there. `run` is the run's name ([`super::run_name()`]); without one, only
    /// tokens for any run are taken. `tests` are what a re-arm goes through. `now` is the machine's clock.
    ///
    /// # Errors
    /// If the folder cannot be made, or something else has its name.
    pub fn open(
        run_folder: &Path,
        run: Option<String>,
        holders: Holders,
        tests: Tests,
        now: UnixNanos,
    ) -> io::Result<Self> {
        let folder = run_folder.join(FOLDER);
        let mut builder = std::fs::DirBuilder::new();
        builder.mode(0o700);
        match builder.create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // A link would lead elsewhere, and what lies there is nobody's to take away.
                if !std::fs::symlink_metadata(&folder)?.is_dir() {
                    return Err(io::Error::other(format!("{}: no folder", folder.display())));
                }
            }
            other => other?,
        }
        Ok(Self {
            folder,
            holders,
            run,
            tests,
            used: Used::open(run_folder),
            began: now,
            tripped: UnixNanos(0),
            read: None,
            waiting: VecDeque::new(),
            stuck: BTreeSet::new(),
            testing: None,
            counts: Counts::default(),
            told: None,
            run_folder: run_folder.to_owned(),
        })
    }

    /// How many tokens were taken and refused by this process.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The next word of a key holder, if there is one. Called at most every 100 ms, and again at once after each word.
    pub fn next(&mut self, now: UnixNanos) -> Option<Accepted> {
        if let Some(accepted) = self.tested(now) {
            return Some(accepted);
        }
        if self.waiting.is_empty() {
            self.look();
        }
        for _ in 0..FILES_PER_TURN {
            let name = self.waiting.pop_front()?;
            if let Some(accepted) = self.take(&name, now) {
                return Some(accepted);
            }
        }
        None
    }

    /// Reads the folder, if it has changed since.
    fn look(&mut self) {
        let changed = std::fs::metadata(&self.folder).and_then(|meta| meta.modified()).ok();
        if let Some((at, settled)) = self.read
            && changed == Some(settled)
            && at.elapsed() < SETTLED
        {
            return;
        }
        let old = |changed: &SystemTime| changed.elapsed().is_ok_and(|age| age > SETTLED);
        self.read = changed.filter(old).map(|changed| (Instant::now(), changed));
        let mut names = Vec::new();
        let listed = std::fs::read_dir(&self.folder).and_then(|entries| {
            for entry in entries {
                let name = entry?.file_name();
                let path = Path::new(&name);
                let is = |end: &str| path.extension().is_some_and(|e| e == end);
                if is(TOKEN) && !self.stuck.contains(&name) {
                    names.push(name);
                } else if is(ANSWER) {
                    self.forget(&name);
                }
            }
            Ok(())
        });
        match listed {
            Ok(()) => self.told = None,
            Err(error) if self.told == Some(error.kind()) => {}
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "the inbox cannot be read: overrides are not heard");
                self.told = Some(error.kind());
            }
        }
        names.sort();
        self.waiting.extend(names);
    }

    /// Removes an answer that nobody took.
    fn forget(&self, name: &OsString) {
        let path = self.folder.join(name);
        let written = std::fs::symlink_metadata(&path).and_then(|meta| meta.modified());
        if written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ANSWER_KEPT)) {
            let _ = std::fs::remove_file(&path);
        }
    }

    /// Takes one file out of the folder, and what it says, if it holds.
    fn take(&mut self, name: &OsString, now: UnixNanos) -> Option<Accepted> {
        let path = self.folder.join(name);
        let read = read_token(&path);
        // First away, then acted on: what cannot be taken away is not looked at twice.
        if !take_away(&path) {
            if self.stuck.len() >= STUCK_MAX {
                tracing::warn!(folder = %self.folder.display(), "too much in the inbox cannot be removed: overrides are passed over");
                return None;
            }
            self.stuck.insert(name.clone());
        }
        let text = match read {
            Ok(text) => text,
            // Gone before it was read: nobody's any more.
            Err(None) => return None,
            Err(Some(refused)) => {
                self.refuse(&path, &refused, None, now);
                return None;
            }
        };
        match verify(text.trim_ascii_end(), &self.holders, self.run.as_deref(), now) {
            Ok(granted) if self.used.has(&granted.claims.jti) => {
                self.refuse(&path, &Refused::Used, Some(&granted), now);
                None
            }
            Ok(granted) => self.grant(granted, path, now),
            Err(refused) => {
                self.refuse(&path, &refused, None, now);
                None
            }
        }
    }

    /// Notes a token as used, and hands its word on or begins its tests.
    fn grant(&mut self, granted: Granted, path: PathBuf, now: UnixNanos) -> Option<Accepted> {
        if let Action::Rearm(_) = granted.action {
            self.begin_tests(granted, path, now);
            return None;
        }
        if let Err(error) = self.used.note(&granted, now, false) {
            // Said twice it does no harm, unheard it would.
            tracing::warn!(%error, "an override is followed, and cannot be noted as used");
        }
        if granted.action.restricts()
            && let Some(testing) = self.testing.take()
        {
            self.refuse(&testing.file, &Refused::Overtaken, Some(&testing.granted), now);
        }
        Some(self.accept(granted, path, now))
    }

    /// The gate was closed (again) by somebody: a re-arm that is being tested is overtaken, and one that was signed before counts no more.
    pub fn tripped(&mut self, now: UnixNanos) {
        self.tripped = UnixNanos((now.0 / 1_000_000_000 + 1) * 1_000_000_000);
        if let Some(testing) = self.testing.take() {
            self.refuse(&testing.file, &Refused::Overtaken, Some(&testing.granted), now);
        }
    }

    fn begin_tests(&mut self, granted: Granted, path: PathBuf, now: UnixNanos) {
        let refused = if self.testing.is_some() {
            Some(Refused::Busy)
        } else if granted.claims.iat < self.began.0 / 1_000_000_000 {
            Some(Refused::BeforeStart)
        } else if granted.claims.iat < self.tripped.0 / 1_000_000_000 {
            Some(Refused::Overtaken)
        } else if let Some(what) = self.used.unknown() {
            Some(Refused::NotNoted { what: what.to_owned() })
        } else {
            self.used.note(&granted, now, true).err().map(|e| Refused::NotNoted { what: e.to_string() })
        };
        if let Some(refused) = refused {
            self.refuse(&path, &refused, Some(&granted), now);
            return;
        }
        let tests = Arc::clone(&self.tests);
        let (sender, result) = std::sync::mpsc::channel();
        let spawned = std::thread::Builder::new().name("self-test".into()).spawn(move || {
            // Nobody listens any more when the re-arm was overtaken.
            let _ = sender.send(tests());
        });
        match spawned {
            Ok(_) => self.testing = Some(Testing { granted, file: path, result, since: now }),
            Err(error) => {
                let what = format!("they cannot be started: {error}");
                self.refuse(&path, &Refused::SelfTest { what }, Some(&granted), now);
            }
        }
    }

    /// What came of the tests of a re-arm, once they are through.
    fn tested(&mut self, now: UnixNanos) -> Option<Accepted> {
        let testing = self.testing.as_ref()?;
        let what = match testing.result.try_recv() {
            Ok(list) if list.passes() => None,
            Ok(list) => Some(list.open_text()),
            Err(TryRecvError::Empty) if now.0.saturating_sub(testing.since.0) <= TESTS_MAX_NS => return None,
            Err(TryRecvError::Empty) => Some(format!("they took longer than {} s", TESTS_MAX_NS / 1_000_000_000)),
            Err(TryRecvError::Disconnected) => Some("they ended without a result".into()),
        };
        let Testing { granted, file, .. } = self.testing.take()?;
        match what {
            None => Some(self.accept(granted, file, now)),
            Some(what) => {
                self.refuse(&file, &Refused::SelfTest { what }, Some(&granted), now);
                None
            }
        }
    }

    fn accept(&mut self, granted: Granted, path: PathBuf, now: UnixNanos) -> Accepted {
        self.counts.accepted += 1;
        let Granted { known, action, .. } = granted;
        let holder = known.holder.name();
        tracing::warn!(holder, role = known.role.key(), act = %action, jti = %granted.claims.jti, "override accepted");
        let answer = Answer {
            accepted: true,
            at: time(now),
            holder: Some(holder.to_owned()),
            act: Some(action.to_string()),
            reason: None,
            says: "taken; the journal of the run says whether it was carried out".into(),
        };
        let answering = Answering { path: Some(path.with_extension(ANSWER)), answer };
        Accepted { controls: action.controls(known.holder), known, action, answering }
    }

    fn refuse(&mut self, path: &Path, refused: &Refused, granted: Option<&Granted>, now: UnixNanos) {
        self.counts.refused += 1;
        let n = self.counts.refused;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let claims = granted.map(|g| format!("{} of {}", g.action, g.known.holder));
        if n <= LOGGED_REFUSALS || n.is_multiple_of(1_000) {
            let asked = claims.as_deref().unwrap_or("not known");
            tracing::warn!(reason = refused.key(), why = %refused, file = %name, asked, refused = n, "override refused");
        }
        note_refused(
            &self.run_folder,
            &RefusedLine { at: time(now), file: name, reason: refused.key().into(), why: refused.to_string(), claims },
        );
        let answer = Answer {
            accepted: false,
            at: time(now),
            holder: granted.map(|g| g.known.holder.to_string()),
            act: granted.map(|g| g.action.to_string()),
            reason: Some(refused.key().into()),
            says: refused.to_string(),
        };
        drop(Answering { path: Some(path.with_extension(ANSWER)), answer });
    }
}

/// The text of a token's file; `Err(None)` if it is gone. Nothing but a plain file is opened, no link is followed, nothing is waited for.
fn read_token(path: &Path) -> Result<String, Option<Refused>> {
    let no_file = |what: String| Some(Refused::NoFile { what });
    let gone = |e: &io::Error| e.kind() == io::ErrorKind::NotFound;
    let meta = match std::fs::symlink_metadata(path) {
        Err(error) if gone(&error) => return Err(None),
        other => other.map_err(|e| no_file(e.to_string()))?,
    };
    let kind = meta.file_type();
    if !kind.is_file() {
        let what = if kind.is_symlink() {
            "a link"
        } else if kind.is_dir() {
            "a folder"
        } else {
            "no plain file"
        };
        return Err(no_file(what.into()));
    }
    if meta.len() > BYTES_MAX as u64 {
        return Err(Some(Refused::TooLarge));
    }
    let mut options = OpenOptions::new();
    options.read(true);
    // Between the look and the opening it can have become something else: a link is refused, a pipe is not waited for.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.custom_flags(flags.bits().cast_signed());
    let mut bytes = Vec::with_capacity(1_024);
    let read = options.open(path).and_then(|file| file.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|e| if gone(&e) { None } else { no_file(e.to_string()) })?;
    if bytes.len() > BYTES_MAX {
        return Err(Some(Refused::TooLarge));
    }
    String::from_utf8(bytes).map_err(|_| Some(Refused::Form { what: "a text" }))
}

/// Takes a file away; whether it is gone. A folder is removed if it is empty, never what is in one.
fn take_away(path: &Path) -> bool {
    match std::fs::remove_file(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => true,
        Err(_) => std::fs::remove_dir(path).is_ok(),
    }
}

/// Writes an answer aside and renames it, so that it is whole when it is seen.
fn write_answer(path: &Path, answer: &Answer) -> io::Result<()> {
    let part = path.with_extension("part");
    let mut text = serde_json::to_vec(answer).map_err(io::Error::other)?;
    text.push(b'\n');
    // Left over by a process that died; a link in its place is removed, not followed.
    let _ = std::fs::remove_file(&part);
    let mut file: File = OpenOptions::new().write(true).create_new(true).open(&part)?;
    file.write_all(&text)?;
    std::fs::rename(&part, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checklist::Item;
    use crate::overrides::token::tests::{NOW, RUN, claims, holders, signed};
    use crate::overrides::token::{ANY, Claims};
    use crate::overrides::used::{refused_lines, used_lines};
    use domain::{Cause, Mode, Rearm};

    struct Run {
        dir: PathBuf,
        inbox: Inbox,
    }

    fn passing() -> Tests {
        Arc::new(|| Checklist { items: vec![Item::new("all", "well", Ok("is".into()))] })
    }

    impl Run {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("bot4-inbox-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).unwrap();
            Self { inbox: Self::open(&dir, passing()), dir }
        }

        fn open(dir: &Path, tests: Tests) -> Inbox {
            Inbox::open(dir, Some(RUN.into()), holders(), tests, NOW).unwrap()
        }

        fn put(&self, name: &str, text: impl AsRef<[u8]>) {
            std::fs::write(self.dir.join("inbox").join(name), text).unwrap();
        }

        fn answer(&self, name: &str) -> Answer {
            let path = self.dir.join("inbox").join(name).with_extension(ANSWER);
            serde_json::from_slice(&std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).unwrap()
        }

        /// Puts a file, and holds that it is refused for this reason and taken away.
        #[track_caller]
        fn refused(&mut self, text: impl AsRef<[u8]>, reason: &str) {
            self.put("a.token", text);
            let before = self.inbox.counts();
            assert!(self.inbox.next(NOW).is_none());
            let answer = self.answer("a.token");
            assert_eq!((answer.accepted, answer.reason.as_deref()), (false, Some(reason)), "{}", answer.says);
            assert_eq!(self.inbox.counts(), Counts { refused: before.refused + 1, ..before });
            assert!(!self.dir.join("inbox/a.token").exists());
        }
    }

    impl Drop for Run {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.dir).unwrap();
        }
    }

    #[test]
    fn a_word_is_handed_on_once_with_its_name() {
        let mut run = Run::new("once");
        assert!(run.inbox.next(NOW).is_none());
        let token = signed(&claims("flatten", 1));
        run.put("1.token", format!("{token}\n"));
        run.put("2.part", &token);
        run.put("note.txt", "hello");
        let accepted = run.inbox.next(NOW).unwrap();
        assert_eq!(accepted.known.holder.name(), "anna");
        let holder = accepted.known.holder;
        assert_eq!(
            accepted.controls,
            [
                Control::Restrict { to: Mode::Paused, cancel_entries: true, holder },
                Control::Trip { cause: Cause::Override, flatten: true, including_stops: false },
            ]
        );
        accepted.answering.done("told to the session as event 17");
        let answer = run.answer("1.token");
        assert!(answer.accepted && answer.says.contains("event 17") && answer.act.as_deref() == Some("flatten"));
        assert!(run.inbox.next(NOW).is_none());
        run.refused(&token, "used");
        assert_eq!(run.inbox.counts(), Counts { accepted: 1, refused: 1 });
        assert_eq!(refused_lines(&run.dir).unwrap().0[0].claims.as_deref(), Some("flatten of anna"));
        assert!(run.dir.join("inbox/2.part").exists() && run.dir.join("inbox/note.txt").exists(), "none of ours");
    }

    #[test]
    fn a_killed_process_makes_no_token_usable_again() {
        let mut run = Run::new("killed");
        run.put("1.token", signed(&claims("halt", 1)));
        // Handed on, and nothing after it: as a process that is killed there.
        std::mem::forget(run.inbox.next(NOW).unwrap());
        run.inbox = Run::open(&run.dir, passing());
        run.refused(signed(&claims("halt", 1)), "used");
    }

    #[test]
    fn several_words_come_one_after_the_other() {
        let mut run = Run::new("several");
        for n in 0..40 {
            run.put(&format!("{n:02}.token"), signed(&Claims { run: ANY.into(), ..claims("reduce", n) }));
        }
        for _ in 0..40 {
            assert!(run.inbox.next(NOW).is_some());
        }
        assert!(run.inbox.next(NOW).is_none());
    }

    #[test]
    fn everything_else_is_refused_answered_counted_and_taken_away() {
        let mut run = Run::new("refused");
        let now = NOW.0 / 1_000_000_000;
        run.refused("", "form");
        run.refused("hello", "form");
        run.refused([0xff, 0xfe, 0], "form");
        run.refused(vec![b'a'; BYTES_MAX + 1], "too_large");
        run.refused(vec![0; 50 << 20], "too_large");
        run.refused(signed(&Claims { exp: now + 3_600, ..claims("halt", 2) }), "too_long");
        run.refused(signed(&Claims { iat: now - 60, nbf: now - 60, exp: now - 1, ..claims("halt", 2) }), "expired");
        run.refused(signed(&Claims { iat: now + 60, nbf: now + 60, exp: now + 70, ..claims("halt", 2) }), "not_yet");
        run.refused(signed(&Claims { run: "0".repeat(32), ..claims("halt", 2) }), "other_run");
        run.refused(signed(&Claims { sub: "carl".into(), ..claims("halt", 2) }), "unknown_holder");
        run.refused(signed(&claims("tighten leverage_max=5", 2)), "act");
        run.refused(signed(&claims("buy", 2)), "act");
        let (lines, bad) = refused_lines(&run.dir).unwrap();
        assert_eq!((lines.len(), bad), (12, 0));
        assert_eq!(used_lines(&run.dir).unwrap().0.len(), 0, "what is refused is not used");
        // The same number, rightly signed now, is still good.
        run.put("b.token", signed(&claims("halt", 2)));
        assert!(run.inbox.next(NOW).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn links_folders_and_pipes_are_not_followed_nor_waited_for() {
        let mut run = Run::new("links");
        let secret = run.dir.join("secret");
        std::fs::write(&secret, signed(&claims("halt", 3))).unwrap();
        let token = run.dir.join("inbox/a.token");
        std::os::unix::fs::symlink(&secret, &token).unwrap();
        assert!(run.inbox.next(NOW).is_none());
        let answer = run.answer("a.token");
        assert_eq!(answer.reason.as_deref(), Some("no_file"));
        assert!(secret.exists() && !token.exists(), "the link is gone, and not where it leads");
        // An answer's place that is a link is replaced, not written through.
        std::fs::remove_file(run.dir.join("inbox/a.answer")).unwrap();
        std::os::unix::fs::symlink(&secret, run.dir.join("inbox/a.answer")).unwrap();
        std::fs::create_dir(&token).unwrap();
        assert!(run.inbox.next(NOW).is_none());
        assert_eq!(run.answer("a.token").says, "a folder: expected a file with a token");
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), signed(&claims("halt", 3)));
        assert!(!token.exists());
        let made = std::process::Command::new("mkfifo").arg(&token).status();
        if made.is_ok_and(|status| status.success()) {
            assert!(run.inbox.next(NOW).is_none());
            assert_eq!(run.answer("a.token").says, "no plain file: expected a file with a token");
        }
        // A folder with something in it stays, and is looked at once.
        std::fs::create_dir(&token).unwrap();
        std::fs::write(token.join("x"), "").unwrap();
        for _ in 0..3 {
            assert!(run.inbox.next(NOW).is_none());
        }
        assert!(token.join("x").exists());
        assert_eq!(refused_lines(&run.dir).unwrap().0.iter().filter(|l| l.why.starts_with("a folder")).count(), 2);
        // The inbox itself must be a folder.
        let elsewhere = run.dir.join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(run.dir.join("inbox"), elsewhere.join("inbox")).unwrap();
        assert!(Inbox::open(&elsewhere, None, holders(), passing(), NOW).is_err());
    }

    /// Asks until there is a word, or an answer to this file.
    fn wait(run: &mut Run, name: &str) -> Option<Accepted> {
        for _ in 0..500 {
            if let Some(accepted) = run.inbox.next(NOW) {
                return Some(accepted);
            }
            if run.dir.join("inbox").join(name).with_extension(ANSWER).exists() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("no answer to {name}");
    }

    #[test]
    fn a_rearm_goes_through_the_tests() {
        let mut run = Run::new("rearm");
        run.put("1.token", signed(&claims("rearm", 1)));
        let accepted = wait(&mut run, "1.token").unwrap();
        let holder = accepted.known.holder;
        assert_eq!(accepted.controls, [Control::Rearm { what: Rearm::Account, holder }]);
        drop(accepted);
        run.inbox = Run::open(
            &run.dir,
            Arc::new(|| Checklist {
                items: vec![
                    Item::new("gate_word", "closes", Ok("does".into())),
                    Item::new("disk", "room", Err("12 MiB left".into())),
                ],
            }),
        );
        run.put("2.token", signed(&claims("rearm strategy 4", 2)));
        assert!(wait(&mut run, "2.token").is_none());
        let answer = run.answer("2.token");
        assert!(answer.says.contains("disk: 12 MiB left"), "{}", answer.says);
        run.inbox = Run::open(&run.dir, Arc::new(Checklist::default));
        run.put("3.token", signed(&claims("rearm", 3)));
        assert!(wait(&mut run, "3.token").is_none(), "tests that looked at nothing did not pass");
    }

    #[test]
    fn a_stricter_word_does_not_wait_for_the_tests_and_ends_them() {
        let (release, held) = std::sync::mpsc::channel::<()>();
        let held = std::sync::Mutex::new(held);
        let mut run = Run::new("overtaken");
        run.inbox = Run::open(
            &run.dir,
            Arc::new(move || {
                let _ = held.lock().unwrap().recv();
                passing()()
            }),
        );
        run.put("1.token", signed(&claims("rearm", 1)));
        assert!(run.inbox.next(NOW).is_none());
        run.put("2.token", signed(&claims("rearm", 2)));
        assert!(run.inbox.next(NOW).is_none());
        assert_eq!(run.answer("2.token").reason.as_deref(), Some("busy"));
        run.put("3.token", signed(&claims("tighten positions_max=4", 3)));
        assert!(run.inbox.next(NOW).is_some(), "a limit may be tightened meanwhile");
        run.put("4.token", signed(&claims("halt", 4)));
        assert_eq!(run.inbox.next(NOW).unwrap().action, Action::Halt);
        assert_eq!(run.answer("1.token").reason.as_deref(), Some("overtaken"));
        release.send(()).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert!(run.inbox.next(NOW).is_none(), "nothing is re-armed afterwards");
        // Tests that hang are not waited for without end.
        run.put("5.token", signed(&claims("rearm", 5)));
        assert!(run.inbox.next(NOW).is_none());
        assert!(run.inbox.next(UnixNanos(NOW.0 + TESTS_MAX_NS + 1)).is_none());
        assert!(run.answer("5.token").says.contains("longer than 60 s"));
    }

    #[test]
    fn a_rearm_of_before_the_start_or_that_cannot_be_noted_is_refused_and_a_halt_is_not() {
        let mut run = Run::new("noted");
        let now = NOW.0 / 1_000_000_000;
        run.refused(signed(&Claims { iat: now - 1, nbf: now - 1, ..claims("rearm", 1) }), "before_start");
        // Nothing can be noted: a folder has the name of the file.
        let _ = std::fs::remove_file(run.dir.join(super::super::used::FILE));
        std::fs::create_dir(run.dir.join(super::super::used::FILE)).unwrap();
        run.inbox = Run::open(&run.dir, passing());
        run.refused(signed(&claims("rearm", 2)), "not_noted");
        run.put("b.token", signed(&claims("halt", 3)));
        assert_eq!(run.inbox.next(NOW).unwrap().action, Action::Halt);
        run.refused(signed(&claims("halt", 3)), "used");
    }

    #[test]
    fn an_old_answer_is_forgotten_and_an_unchanged_folder_is_not_read() {
        let mut run = Run::new("old");
        run.put("x.answer", "{}");
        let hours = |n: u64| SystemTime::now() - Duration::from_secs(n * 3_600);
        let x = run.dir.join("inbox/x.answer");
        assert!(run.inbox.next(NOW).is_none());
        assert!(x.exists());
        File::options().write(true).open(&x).unwrap().set_modified(hours(2)).unwrap();
        assert!(run.inbox.next(NOW).is_none());
        assert!(!x.exists());
        assert!(run.inbox.next(NOW).is_none());
        assert!(run.inbox.read.is_none(), "it has just changed: it is read again");
        let folder = File::open(run.dir.join("inbox")).unwrap();
        folder.set_modified(SystemTime::now() - Duration::from_secs(5)).unwrap();
        assert!(run.inbox.next(NOW).is_none());
        assert!(run.inbox.read.is_some(), "settled");
        run.put("1.token", signed(&claims("halt", 1)));
        assert!(run.inbox.next(NOW).is_some(), "it has changed");
    }
}
