//! Pulling: raises the words first, then does everything that may take time.

use super::registry::{FoundPage, RegistryError, scan};
use super::request::{KillRequest, leave};
use crate::runner::run_folder::RunFolder;
use domain::{Cause, Mode};
use infra::gate_word::{FLATTEN, GateWord, INCLUDING_STOPS, Level, PageError, Raised};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long an engine has to take up the kill, for the report alone.
pub const PATIENCE: Duration = Duration::from_millis(1_000);
/// How long a disk has to take the request.
const DISK_PATIENCE: Duration = Duration::from_secs(3);
/// Between two looks at what the engines do.
const LOOK: Duration = Duration::from_millis(1);

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Order {
    /// The folder of the one run that is meant; all of them if `None`.
    pub run: Option<PathBuf>,
    /// Close all positions.
    pub flatten: bool,
    /// Take back protective stops too.
    pub including_stops: bool,
}

impl Order {
    const fn flags(&self) -> u8 {
        (if self.flatten { FLATTEN } else { 0 }) | (if self.including_stops { INCLUDING_STOPS } else { 0 })
    }

    fn request(&self) -> KillRequest {
        KillRequest::now(self.flatten, self.including_stops)
    }
}

/// What happened at one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The process.
    pub pid: u32,
    /// The folder of its run.
    pub run: Option<PathBuf>,
    /// Level of its word before.
    pub level_before: Level,
    /// Level of its word after.
    pub level_after: Level,
    /// How soon its engine took the kill up; `None` if it did not within a second.
    pub answered: Option<Duration>,
    /// Whether its engine gave a sign of life in that time.
    pub beats: bool,
    /// The mode in which its engine said to be, at the end of that time.
    pub mode: Option<Mode>,
    /// Entries, or whatever the level stops, whose sending had begun before and has not ended: they may still leave.
    pub in_flight: u64,
    /// Whether the process was there. What a dead one left is raised too, which harms nobody.
    pub alive: bool,
    /// Why a resumed run would not know of the kill, if so.
    pub not_kept: Option<String>,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Pulled {
    /// By process.
    pub reached: Vec<Reached>,
    /// Pages and folders that could not be used: what they belong to was not stopped.
    pub failed: Vec<String>,
    /// The run that was named and that nobody works on, and whether the request was left there.
    pub at_rest: Option<(PathBuf, Result<(), String>)>,
}

impl Pulled {
    /// Whether everything that was meant is stopped: at least one process or run, and none that could not be reached.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let left = self.at_rest.as_ref().is_some_and(|(_, left)| left.is_ok());
        self.failed.is_empty() && (left || self.reached.iter().any(|reached| reached.alive))
    }
}

struct Page {
    gate: GateWord,
    raised: Raised,
    beats: u64,
    alive: bool,
}

/// Raises the words, leaves the requests, and waits a little for what the engines do.
#[must_use]
pub fn pull(order: &Order) -> Pulled {
    let named = order.run.as_deref().map(|run| std::fs::canonicalize(run).unwrap_or_else(|_| run.to_owned()));
    let (found, problems) = scan();
    let mut pulled = Pulled { failed: problems.iter().map(RegistryError::to_string).collect(), ..Pulled::default() };
    let pages = raise(order, named.as_deref(), found, &mut pulled.failed);
    let began = Instant::now();
    let kept = keep(order, &pages);
    pulled.reached = follow(&pages, began, &kept);
    if let Some(run) = named
        && !pulled.reached.iter().any(|reached| reached.alive)
    {
        rest(order, run, &mut pulled);
    }
    pulled
}

/// Nothing but raising: no disk, no waiting, no output.
fn raise(order: &Order, named: Option<&Path>, found: Vec<FoundPage>, failed: &mut Vec<String>) -> Vec<Page> {
    let mut pages = Vec::with_capacity(found.len());
    for page in found {
        match page.gate {
            Ok(gate) if named.is_none_or(|named| gate.about().run.as_deref() == Some(named)) => {
                let beats = gate.beats();
                let raised = gate.raise(Level::Reducing, Cause::Kill as u8, order.flags());
                let alive = gate.is_held();
                pages.push(Page { gate, raised, beats, alive });
            }
            Ok(_) => {}
            Err(error) => failed.push(told(&error)),
        }
    }
    pages
}

fn told(error: &PageError) -> String {
    format!("{error}; what it belongs to was not stopped")
}

/// Where a request was to be left: hears why it was not, or that it was.
type Kept = Option<mpsc::Receiver<Option<String>>>;

/// Leaves requests in the folders of runs, each on a thread of its own: a disk that hangs holds up nobody.
fn keep(order: &Order, pages: &[Page]) -> Vec<Kept> {
    let left = |page: &Page| {
        let run = page.gate.about().run.clone().filter(|_| page.alive)?;
        let (say, hear) = mpsc::channel();
        let request = order.request();
        let write = move || {
            // Nobody may be listening any more.
            let _ = say.send(leave(&run, &request).err().map(|error| error.to_string()));
        };
        // Where there is no thread to be had, the channel ends without a word, which is told as a failure.
        let _ = std::thread::Builder::new().name("kill.json".into()).spawn(write);
        Some(hear)
    };
    pages.iter().map(left).collect()
}

/// Waits until every living engine has taken the kill up and nothing is under way, or the time is over.
fn follow(pages: &[Page], began: Instant, kept: &[Kept]) -> Vec<Reached> {
    let mut answered: Vec<Option<Duration>> = vec![None; pages.len()];
    loop {
        let mut waits = false;
        for (page, answered) in pages.iter().zip(&mut answered) {
            if answered.is_none() && page.gate.answered() >= page.raised.after.generation() {
                *answered = Some(began.elapsed());
            }
            let busy = page.gate.in_flight(page.raised.after.level()) > 0;
            waits |= page.alive && (answered.is_none() || busy);
        }
        if !waits || began.elapsed() >= PATIENCE {
            break;
        }
        std::thread::sleep(LOOK);
    }
    let reached = |((page, answered), kept): ((&Page, Option<Duration>), &Kept)| {
        let about = page.gate.about();
        let not_kept = kept.as_ref().and_then(|kept| {
            let left = DISK_PATIENCE.saturating_sub(began.elapsed());
            kept.recv_timeout(left).unwrap_or_else(|_| Some(format!("the disk did not take it in {DISK_PATIENCE:?}")))
        });
        Reached {
            pid: about.pid,
            run: about.run.clone(),
            level_before: page.raised.before.level(),
            level_after: page.gate.level(),
            answered,
            beats: page.gate.beats() != page.beats,
            mode: page.gate.mode().and_then(|mode| Mode::ALL.get(usize::from(mode)).copied()),
            in_flight: page.gate.in_flight(page.raised.after.level()),
            alive: page.alive,
            not_kept,
        }
    };
    pages.iter().zip(answered).zip(kept).map(reached).collect()
}

/// A run that was named and has no living page: the request waits for its next start.
fn rest(order: &Order, run: PathBuf, pulled: &mut Pulled) {
    if !run.join("journal").is_dir() {
        pulled.failed.push(format!("{}: no run: expected the folder of a run (with journal/ in it)", run.display()));
        return;
    }
    if let Ok(Some(_)) = RunFolder::at(&run).seal() {
        pulled.failed.push(format!("{}: the run has ended: there is nothing to stop", run.display()));
        return;
    }
    if let Some(pid) = lock_holder(&run.join(store::lock::FILE)) {
        pulled.failed.push(format!(
            "{}: process {pid} works on it and has no gate that can be reached: it was not stopped; end it by its number",
            run.display()
        ));
    }
    let left = leave(&run, &order.request());
    pulled.at_rest = Some((run, left.map_err(|error| error.to_string())));
}

/// The process that holds a lock on this file, by the system's table: taking the lock to find out would refuse a run that starts.
fn lock_holder(path: &Path) -> Option<u32> {
    let found = std::fs::metadata(path).ok()?;
    let table = std::fs::read_to_string("/proc/locks").ok()?;
    let inode = found.ino().to_string();
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`: number of the process, then device and number of the file.
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let pid = fields.nth(4)?.parse().ok()?;
        (fields.next()?.rsplit(':').next()? == inode).then_some(pid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::gate_word::{About, Class};

    fn page(gate: GateWord) -> FoundPage {
        FoundPage { path: PathBuf::from("x.gate"), gate: Ok(gate) }
    }

    fn gate(run: Option<&str>) -> GateWord {
        GateWord::private(About::of_this_process(run.map(Path::new)))
    }

    #[test]
    fn the_run_that_is_named_is_raised_and_others_are_not() {
        let mut failed = Vec::new();
        let order = Order { flatten: true, ..Order::default() };
        let found = vec![page(gate(Some("runs/a"))), page(gate(Some("runs/b"))), page(gate(None))];
        let one = raise(&order, Some(Path::new("runs/b")), found, &mut failed);
        assert_eq!(one.len(), 1);
        let word = one[0].gate.read();
        assert_eq!((word.level(), word.cause(), word.flatten()), (Level::Reducing, Cause::Kill as u8, true));
        let all = raise(&order, None, vec![page(gate(Some("runs/a"))), page(gate(None))], &mut failed);
        assert_eq!((all.len(), failed.len()), (2, 0));
        assert!(all.iter().all(|page| page.gate.send(Class::Entry, || ()).is_err()));
    }

    #[test]
    fn a_page_that_cannot_be_used_does_not_keep_the_others_from_being_raised() {
        let damaged = PageError::Torn { path: PathBuf::from("y.gate"), what: "cut off".into() };
        let found = vec![FoundPage { path: "y.gate".into(), gate: Err(damaged) }, page(gate(None))];
        let mut failed = Vec::new();
        let raised = raise(&Order::default(), None, found, &mut failed);
        assert_eq!((raised.len(), failed.len()), (1, 1));
        assert!(failed[0].ends_with("was not stopped"), "{}", failed[0]);
        let reached = follow(&raised, Instant::now(), &[None]);
        let pulled = Pulled { reached, failed, at_rest: None };
        assert!(!pulled.is_complete());
    }

    #[test]
    fn an_engine_that_takes_it_up_is_told_from_one_that_does_not() {
        let mut failed = Vec::new();
        let pages = raise(&Order::default(), None, vec![page(gate(None)), page(gate(None))], &mut failed);
        pages[0].gate.answer(pages[0].raised.after);
        pages[0].gate.beat();
        pages[0].gate.show_mode(Mode::Emergency as u8);
        let reached = follow(&pages, Instant::now(), &[None, None]);
        assert!(reached[0].answered.is_some() && reached[0].beats);
        assert_eq!(reached[0].mode, Some(Mode::Emergency));
        assert!(reached[1].answered.is_none() && !reached[1].beats && reached[1].mode.is_none());
        assert_eq!((reached[1].level_before, reached[1].level_after), (Level::All, Level::Reducing));
    }

    #[test]
    fn the_holder_of_a_lock_is_found_without_taking_it() {
        let run = std::env::temp_dir().join(format!("bot4-pull-{}", std::process::id()));
        let lock = store::lock::RunLock::take(&run).unwrap();
        assert_eq!(lock_holder(&run.join(store::lock::FILE)), Some(std::process::id()));
        drop(lock);
        assert_eq!(lock_holder(&run.join(store::lock::FILE)), None);
        std::fs::remove_dir_all(&run).unwrap();
    }
}
