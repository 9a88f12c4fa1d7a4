//! The self-tests of safety: what must hold before a re-arm leads back to trading, and before live trading begins.
//!
//! In:  the folder of the run and its limits; the registry in which `bot4 kill` finds who runs.
//! Out: a checklist. What cannot be looked at has not passed.
//! Nothing here is asked by the trading thread: some of it waits for the disk.

use crate::audit;
use crate::checklist::{Checklist, Item};
use crate::kill::{FoundPage, register, scan};
use crate::log;
use crate::runner::run_folder::{Contents, RunFolder};
use domain::Cause;
use infra::gate_word::{About, Class, GateWord, Level};
use risk::{Limits, StandardLimits};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use store::audit::{PublicKey, Signer};

/// Looks at one thing: what was found if it is as it must be, what is wrong if not.
pub type Probe = Box<dyn Fn(&Path) -> Result<String, String> + Send + Sync>;

/// What is looked at.
pub struct Subject {
    /// Folder that the run writes to, or one that can be written to as a run would.
    pub folder: PathBuf,
    /// Whether a run has begun there, whose record must be whole.
    pub recorded: bool,
    /// The limits in force; `None` where they are off.
    pub limits: Option<Limits>,
    /// Whether a raised gate word stops what is sent.
    pub gate_word: Probe,
    /// Whether the kill path reaches who runs in the folder.
    pub kill_path: Probe,
    /// Whether the hardware switch, where there is one, would work.
    pub switch: Probe,
}

impl Subject {
    /// The run that this process plays in this folder.
    #[must_use]
    pub fn of_run(folder: &Path, limits: Option<Limits>) -> Self {
        Self {
            folder: folder.to_owned(),
            recorded: true,
            limits,
            gate_word: Box::new(gate_word),
            kill_path: Box::new(kill_path),
            switch: Box::new(|_| Ok("no hardware switch is configured".into())),
        }
    }

    /// A run that could begin in this folder: it is registered for the time of the test, as a run would be.
    #[must_use]
    pub fn before(folder: &Path, limits: Option<Limits>) -> Self {
        let made = |folder: &Path| std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()));
        let word = move |folder: &Path| made(folder).and_then(|()| gate_word(folder));
        let registered = move |folder: &Path| {
            made(folder)?;
            let _registered = register(Some(folder)).map_err(|e| e.to_string())?;
            kill_path(folder)
        };
        Self {
            recorded: false,
            gate_word: Box::new(word),
            kill_path: Box::new(registered),
            ..Self::of_run(folder, limits)
        }
    }
}

/// Makes a page like that of a run, where the run's own lies, raises it through a second mapping as another process does, and sends through
/// the first. The run's own word is not touched: nothing may lower it but a re-arm.
fn gate_word(folder: &Path) -> Result<String, String> {
    let own = page_of(folder).and_then(|page| page.path.parent().map(Path::to_owned));
    let path = own.unwrap_or_else(|| folder.to_owned()).join(format!(".{}-{}", std::process::id(), "probe"));
    // Left over by a test that was killed; nobody else has this number.
    let _ = std::fs::remove_file(&path);
    let tried = || -> Result<String, String> {
        let gate = GateWord::create(&path, About::of_this_process(None)).map_err(|e| e.to_string())?;
        let raiser = GateWord::open(&path).map_err(|e| e.to_string())?;
        let leaves = |class| gate.send(class, || ()).is_ok();
        let began = Instant::now();
        for (level, expected) in [
            (Level::All, [true, true, true]),
            (Level::Reducing, [false, true, true]),
            (Level::Cancels, [false, false, true]),
        ] {
            raiser.raise(level, Cause::GateWord as u8, 0);
            let found = [Class::Entry, Class::Reducing, Class::Cancel].map(leaves);
            if found != expected {
                return Err(format!(
                    "at level {level}, entries, reductions and cancels leave: {found:?}, expected {expected:?}"
                ));
            }
        }
        Ok(format!("three levels raised and held in {:.0} us", began.elapsed().as_secs_f64() * 1e6))
    };
    let result = tried();
    let _ = std::fs::remove_file(&path);
    result
}

/// Looks for the page of who runs in this folder, as `bot4 kill` does.
fn kill_path(folder: &Path) -> Result<String, String> {
    let page = page_of(folder).ok_or_else(|| match scan().1.first() {
        Some(problem) => problem.to_string(),
        None => format!("{}: `bot4 kill` finds no gate of a run there", folder.display()),
    })?;
    let gate = page.gate.map_err(|e| e.to_string())?;
    let pid = gate.about().pid;
    if gate.is_held() { Ok(format!("`bot4 kill` finds process {pid}")) } else { Err(format!("process {pid} is gone")) }
}

/// The page of this process for the run in this folder.
fn page_of(folder: &Path) -> Option<FoundPage> {
    let whole = folder.canonicalize().ok()?;
    let pid = std::process::id();
    let is = |page: &FoundPage| {
        page.gate.as_ref().is_ok_and(|gate| gate.about().pid == pid && gate.about().run.as_deref() == Some(&whole))
    };
    scan().0.into_iter().find(is)
}

/// Room that must be left on the disk, in bytes: a day of a journal.
pub const ROOM_MIN: u64 = 256 << 20;

/// 2026-01-01 UTC in seconds: no clock that is right shows less.
const EARLIEST_S: u64 = 1_767_225_600;
/// 2100-01-01 UTC in seconds: nor that much.
const LATEST_S: u64 = 4_102_444_800;
/// How far the clock may go from an even pace, in seconds, within a moment.
const JUMP_MAX_S: f64 = 0.05;
/// How long the clock is looked at.
const MOMENT: Duration = Duration::from_millis(20);

/// Looks at everything.
#[must_use]
pub fn run(subject: &Subject) -> Checklist {
    let folder = subject.folder.as_path();
    let probed = |key, must, probe: &Probe| Item::new(key, must, probe(folder));
    Checklist {
        items: vec![
            probed(
                "gate_word",
                "the page of the gate word can be written, and a raised word stops what is sent",
                &subject.gate_word,
            ),
            probed("kill_path", "`bot4 kill` reaches this run", &subject.kill_path),
            probed("switch", "the hardware switch, where there is one, is released and works", &subject.switch),
            Item::new("journal_writable", "the folder of the run can be written and synchronised", writable(folder)),
            record(subject),
            Item::new(
                "audit_key",
                "the key that signs the audit log is there, and its owner's alone",
                audit_key(folder),
            ),
            Item::new("clock", "the clock is possible, and goes evenly", clock(folder)),
            Item::new("limits", "the limits in force are the hard ones or tighter", limits(subject.limits)),
            Item::new("disk", "256 MiB are free", disk(folder)),
            Item::new("notifications", "the log that notifies can be written", writable(&folder.join(log::FOLDER))),
        ],
    }
}

/// Whether a file can be made here, written to the disk and removed.
fn writable(folder: &Path) -> Result<String, String> {
    let shown = folder.display();
    std::fs::create_dir_all(folder).map_err(|e| format!("{shown}: {e}"))?;
    let path = folder.join(".probe");
    let began = Instant::now();
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&[0; 4_096])?;
        file.sync_all()
    });
    let _ = std::fs::remove_file(&path);
    written.map_err(|e| format!("{shown}: {e}"))?;
    Ok(format!("{shown}: written and synchronised in {:.1} ms", began.elapsed().as_secs_f64() * 1e3))
}

/// Whether the record of the run is whole so far: every record of the journal, and the chain of the audit log held against it.
fn record(subject: &Subject) -> Item {
    let (key, must) = ("journal_verified", "every record of the journal and every link of the audit log hold so far");
    if !subject.recorded {
        return Item::new(key, must, Ok("no run has begun here yet: nothing is recorded".into()));
    }
    let folder = RunFolder::at(&subject.folder);
    let found = match folder.contents() {
        Ok(Contents::Run(start)) => match audit::findings(&folder) {
            Ok(findings) => match findings.first() {
                None => Ok(format!("run of {} is as it was written", start.started_at)),
                Some(first) => Err(format!("{} findings, the first: {first}", findings.len())),
            },
            Err(error) => Err(error.to_string()),
        },
        Ok(Contents::Nothing) => Err("nothing is recorded of a run that has begun".into()),
        Err(error) => Err(error.to_string()),
    };
    Item::new(key, must, found)
}

/// Whether there is a key that signs. None is made here.
///
/// # Errors
/// Why there is none.
pub fn audit_key(run: &Path) -> Result<String, String> {
    let folder = audit::key_folder().ok_or("neither BOT4_HOME nor XDG_CONFIG_HOME nor HOME says where the key is")?;
    let public = PublicKey::own(&folder).map_err(|e| e.to_string())?;
    let public =
        public.ok_or_else(|| format!("{}: no audit key yet: the first recorded run makes one", folder.display()))?;
    if !Signer::is_in(&folder) {
        return Err(format!("{}: the public key is there, and the private one is not", folder.display()));
    }
    let signer = audit::signer(run)?;
    if signer.public() != public {
        return Err(format!("{}: private and public key are not of one pair", folder.display()));
    }
    Ok(format!("key {}", public.fingerprint()))
}

fn clock(folder: &Path) -> Result<String, String> {
    let wall =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock shows a time before 1970".to_owned());
    let (began, before) = (Instant::now(), wall()?);
    std::thread::sleep(MOMENT);
    let (even, after) = (began.elapsed().as_secs_f64(), wall()?);
    let jump = after.as_secs_f64() - before.as_secs_f64() - even;
    if jump.abs() > JUMP_MAX_S {
        return Err(format!("it jumped by {jump:.3} s within {even:.3} s"));
    }
    if !(EARLIEST_S..LATEST_S).contains(&after.as_secs()) {
        return Err(format!("{} s since 1970 is no time of today", after.as_secs()));
    }
    // The run began before now, by the same clock.
    if let Ok(Contents::Run(start)) = RunFolder::at(folder).contents()
        && let Ok(started) = start.started_at.parse::<jiff::Timestamp>()
        && i128::from(after.as_secs()) + 1 < i128::from(started.as_second())
    {
        return Err(format!("it shows a time before the run began ({})", start.started_at));
    }
    Ok(format!("off an even pace by {:.2} ms within {:.0} ms", jump.abs() * 1e3, even * 1e3))
}

/// Whether limits are at most the hard ones.
///
/// # Errors
/// The first one that is looser, or that there are none.
pub fn limits(limits: Option<Limits>) -> Result<String, String> {
    let hard = Limits::default();
    let limits = limits.ok_or("there are none")?;
    // A run on long candles takes prices that are as old as those: known from its data, and no choice of anybody.
    let limits = Limits { price_age_max_s: limits.price_age_max_s.min(hard.price_age_max_s), ..limits };
    StandardLimits::tightened(limits).map_err(|e| e.to_string())?;
    Ok(if limits == hard { "the hard limits".into() } else { "tighter than the hard limits".into() })
}

/// Whether there is room on the disk of this folder for a user's files.
fn disk(folder: &Path) -> Result<String, String> {
    let stat = rustix::fs::statvfs(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let shown = format!("{} MiB free", free >> 20);
    if free >= ROOM_MIN { Ok(shown) } else { Err(shown) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checklist::State;
    use domain::Rate;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("bot4-self-test-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn subject(folder: &Path) -> Subject {
        Subject {
            folder: folder.to_owned(),
            recorded: false,
            limits: Some(Limits::default()),
            gate_word: Box::new(|_| Ok("closes".into())),
            kill_path: Box::new(|_| Ok("reaches".into())),
            switch: Box::new(|_| Ok("ready".into())),
        }
    }

    #[track_caller]
    fn state(list: &Checklist, key: &str) -> (State, String) {
        let item = list.items.iter().find(|item| item.key == key).unwrap();
        (item.state, item.evidence.clone())
    }

    #[test]
    fn what_holds_passes_and_leaves_nothing_behind() {
        let dir = folder("holds");
        let list = run(&subject(&dir));
        for key in
            ["gate_word", "kill_path", "journal_writable", "journal_verified", "clock", "limits", "notifications"]
        {
            assert_eq!(state(&list, key).0, State::Pass, "{:?}", state(&list, key));
        }
        let left: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["logs"]);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_gate_word_and_the_kill_path_are_tried_in_earnest() {
        let dir = folder("earnest");
        let found = gate_word(&dir).unwrap();
        assert!(found.starts_with("three levels raised and held"), "{found}");
        let before = Subject::before(&dir, None);
        let found = (before.kill_path)(&dir).unwrap();
        assert!(found.contains(&std::process::id().to_string()), "{found}");
        assert!(kill_path(&dir).is_err(), "the registration was for the test alone");
        let registered = register(Some(&dir)).unwrap();
        assert!(gate_word(&dir).is_ok() && kill_path(&dir).is_ok());
        assert_eq!(registered.gate().level(), Level::All, "the run's own word was not touched");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "nothing is left");
        let nowhere = dir.join("nowhere");
        assert!(gate_word(&nowhere).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn each_item_fails_by_itself() {
        let dir = folder("fails");
        let with = |change: &dyn Fn(&mut Subject)| {
            let mut subject = subject(&dir);
            change(&mut subject);
            run(&subject)
        };
        let closed = with(&|s| s.gate_word = Box::new(|_| Err("the page is read-only".into())));
        assert_eq!(state(&closed, "gate_word"), (State::Fail, "the page is read-only".into()));
        assert!(closed.open_text().contains("gate_word: the page is read-only"));
        let pressed = with(&|s| s.switch = Box::new(|_| Err("the hardware switch is pressed".into())));
        assert_eq!(state(&pressed, "switch"), (State::Fail, "the hardware switch is pressed".into()));
        assert_eq!(
            state(&with(&|s| s.kill_path = Box::new(kill_path)), "kill_path").0,
            State::Fail,
            "nobody runs there"
        );
        assert_eq!(state(&with(&|s| s.recorded = true), "journal_verified").0, State::Fail);
        assert_eq!(state(&with(&|s| s.limits = None), "limits").0, State::Fail);
        let loose = Limits { leverage_max: Rate::from_raw(4 * Rate::ONE.raw()), ..Limits::default() };
        let (found, what) = state(&with(&|s| s.limits = Some(loose)), "limits");
        assert!(found == State::Fail && what.contains("leverage_max"), "{what}");
        let file = dir.join("file");
        std::fs::write(&file, "").unwrap();
        let nowhere = with(&|s| s.folder = file.join("below"));
        for key in ["journal_writable", "notifications"] {
            assert_eq!(state(&nowhere, key).0, State::Fail, "{key}");
        }
        assert_eq!(state(&nowhere, "disk").0, State::Fail);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
