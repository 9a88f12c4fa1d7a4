//! The orderly end of a recorded run that is asked to stop: nine steps, each with a time of its own, thirty seconds for all.
//!
//! In:  the first SIGINT or SIGTERM; the run between two rows, all settled.
//! Out: what became of each step, and a list of every order and position that stays open (`shutdown.json` in the folder of the run).
//!
//! A step that fails or takes too long is told and does not keep the later ones from being done; the exit code says so. The steps make an
//! end tidy, not safe: a run that is killed at any moment, within them too, goes on from its journal ([`super::recorded::resume`]).
//!
//! The market of a recorded run waits while the run is stopped, so by default ([`OnStop::Keep`]) nothing is told to the engine: a run that
//! was stopped and goes on has the digest of one that never was. Where the market goes on without us ([`OnStop::Cancel`],
//! [`OnStop::Flatten`]) new risk is stopped and entries are taken off first, by control events that stand in the journal.

mod open;
mod report;
mod steps;
mod watchdog;

pub use open::{Left, OpenOrder, OpenPosition};
pub use report::{FILE, Report};
pub use steps::{Outcome, STEPS, Step, Steps, TOTAL};
pub use watchdog::Watchdog;

use crate::audit;
use crate::runner::drive::{DriveError, Moment};
use crate::runner::keep::{LastSnapshot, Saving};
use crate::runner::record::Recorder;
use crate::runner::run_folder::RunFolder;
use crate::runner::session::Session;
use clap::ValueEnum;
use domain::codec::Reader as Bytes;
use domain::{Cause, Control, EventBody, Holder, Mode, OrderStatus, UnixNanos};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use store::audit::Copies;
use store::journal::{Kind, Reader, Writer};

/// What becomes of resting orders and positions when a run is stopped.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStop {
    /// Everything stays as it is: right where the market waits for the run, as that of a recorded one does.
    #[default]
    Keep,
    /// No new risk, and resting entries are taken off; protective stops stay. A resume allows new risk again.
    Cancel,
    /// As a kill with --flatten: positions are closed, too, and only a re-arm allows new risk again.
    Flatten,
}

impl OnStop {
    /// Its key in records.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Cancel => "cancel",
            Self::Flatten => "flatten",
        }
    }
}

/// The name under which a stop asks for a stricter mode; no key holder can have it.
pub const HOLDER: &str = "shutdown";

/// Whether the run goes on for a moment, so that answers can come, or ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It goes on.
    Play,
    /// It ends.
    End,
}

/// One orderly end.
#[derive(Debug)]
pub struct Shutdown {
    policy: OnStop,
    /// The journal of a run that goes on: an earlier stop may have left it without new risk.
    resumed: Option<PathBuf>,
    steps: Steps,
    /// Whether entries (or everything) are being taken off, and since when.
    draining: Option<Instant>,
    /// Since when orders are asked for whose outcome is unknown.
    asking: Option<Instant>,
    left: Option<Left>,
    at: UnixNanos,
}

impl Shutdown {
    /// A run that can be stopped so. `resumed` is the journal of one that goes on.
    #[must_use]
    pub fn new(policy: OnStop, resumed: Option<&Path>) -> Self {
        Self {
            policy,
            resumed: resumed.map(Path::to_owned),
            steps: Steps::default(),
            draining: None,
            asking: None,
            left: None,
            at: UnixNanos(0),
        }
    }

    /// Which step is under way, for whoever watches the time.
    #[must_use]
    pub const fn steps(&self) -> &Steps {
        &self.steps
    }

    /// A run that goes on has met the end of its record: where nothing but an earlier stop stands against new risk, it is allowed again.
    ///
    /// # Errors
    /// As [`Session::tell`].
    pub fn go_on(&mut self, moment: &mut Moment<'_, Recorder>) -> Result<(), DriveError> {
        let Some(journal) = self.resumed.take() else { return Ok(()) };
        let mode = moment.session.engine.mode().mode();
        if !matches!(mode, Mode::Reduced | Mode::Paused) {
            return Ok(());
        }
        match only_a_stop_stands(&journal) {
            Ok(true) => {
                let ts = moment.driver.reached();
                tracing::info!("new risk is allowed again: only the stop of the process before stood against it");
                moment.session.tell(ts, EventBody::Control(Control::Resume), moment.probe)?;
            }
            Ok(false) => {}
            // What is not known keeps new risk off.
            Err(what) => tracing::warn!(%what, "whether an earlier stop alone stands against new risk is not known"),
        }
        Ok(())
    }

    /// The run was asked to stop and stands between two rows. Called again while it answers [`Next::Play`].
    ///
    /// # Errors
    /// As [`Session::tell`].
    pub fn between(
        &mut self,
        moment: &mut Moment<'_, Recorder>,
        saving: Option<&mut Saving>,
    ) -> Result<Next, DriveError> {
        self.steps.begin();
        if self.draining.is_none() {
            self.no_new_risk(moment)?;
            self.draining = Some(Instant::now());
        }
        if !self.drained(moment) {
            return Ok(Next::Play);
        }
        if !self.steps.has("stops") {
            self.stops_stay(moment.session);
        }
        if !self.known(moment) {
            return Ok(Next::Play);
        }
        self.journal(moment.session);
        self.snapshot(moment, saving);
        self.at = moment.driver.reached();
        self.left = Some(Left::of(moment.session));
        Ok(Next::End)
    }

    fn no_new_risk(&mut self, moment: &mut Moment<'_, Recorder>) -> Result<(), DriveError> {
        let began = Instant::now();
        let ts = moment.driver.reached();
        let holder = Holder::new(HOLDER);
        let (outcome, note) = match (self.policy, holder) {
            (OnStop::Keep, _) | (_, None) => {
                (Outcome::Kept, "the market of a recorded run waits: nothing was told to the engine".to_owned())
            }
            (OnStop::Cancel, Some(holder)) => {
                // Two events, so that no entry is decided on between them, and the record says each.
                for cancel_entries in [false, true] {
                    let control = Control::Restrict { to: Mode::Reduced, cancel_entries, holder };
                    moment.session.tell(ts, EventBody::Control(control), moment.probe)?;
                }
                (Outcome::Done, "journaled; reductions go on".to_owned())
            }
            (OnStop::Flatten, Some(_)) => {
                let control = Control::Trip { cause: Cause::Signal, flatten: true, including_stops: false };
                moment.session.tell(ts, EventBody::Control(control), moment.probe)?;
                (Outcome::Done, "emergency, journaled: only a re-arm allows new risk again".to_owned())
            }
        };
        self.steps.done("new-risk", began, outcome, note);
        Ok(())
    }

    /// Whether what was to be taken off is off; says so once.
    fn drained(&mut self, moment: &Moment<'_, Recorder>) -> bool {
        let Some(began) = self.draining else { return true };
        if self.steps.has("entries") {
            return true;
        }
        let orders = moment.session.engine.orders();
        let entries = orders.iter().filter(|order| order.is_entry()).count();
        let (open, what) = match self.policy {
            OnStop::Keep => {
                let note = format!("{entries} resting entries stay, and are on the list");
                self.steps.done("entries", began, Outcome::Kept, note);
                return true;
            }
            OnStop::Cancel => (entries > 0, "entries"),
            // The engine sets the strictest level when nothing above dust is held and no order works.
            OnStop::Flatten => (moment.session.engine.gate_level() < 2, "orders and positions"),
        };
        if !open {
            self.steps.done("entries", began, Outcome::Done, format!("no {what} left open"));
        } else if moment.next == UnixNanos::MAX {
            let note = format!("the data has ended: {what} stay open, and are on the list");
            self.steps.done("entries", began, Outcome::Failed, note);
        } else if self.steps.overruns("entries", began) {
            let note = format!("not all {what} were off in time: what is left is on the list");
            self.steps.done("entries", began, Outcome::Overran, note);
        } else {
            return false;
        }
        true
    }

    fn stops_stay(&mut self, session: &Session) {
        let began = Instant::now();
        let stops = session.engine.orders().iter().filter(|order| order.protects()).count();
        self.steps.done("stops", began, Outcome::Kept, format!("{stops} protective stops stay at the venue"));
    }

    /// Whether the outcome of every order is known, or no longer waited for; says so once. The desk asks the venue by itself, as it does all
    /// along: here it is given the time to hear the answers.
    fn known(&mut self, moment: &Moment<'_, Recorder>) -> bool {
        let began = *self.asking.get_or_insert_with(Instant::now);
        let is_unknown = |status| matches!(status, OrderStatus::OutcomeUnknown);
        let orders = moment.session.engine.orders().iter();
        let unknown = orders.filter(|order| is_unknown(order.state.status())).count();
        let (outcome, note) = if unknown == 0 {
            (Outcome::Done, "the outcome of every order is known, or its answer is on its way".to_owned())
        } else if self.policy == OnStop::Keep {
            (
                Outcome::Kept,
                format!("the outcome of {unknown} orders is unknown: they are on the list, and a resume hears of them"),
            )
        } else if moment.next == UnixNanos::MAX || self.steps.overruns("unknown", began) {
            (Outcome::Failed, format!("the outcome of {unknown} orders is still unknown: they are on the list"))
        } else {
            return false;
        };
        self.steps.done("unknown", began, outcome, note);
        true
    }

    /// Everything said so far is on the disk.
    fn journal(&mut self, session: &mut Session) {
        let began = Instant::now();
        let limit = self.steps.left("journal");
        let (outcome, note) = match session.tape.journal().map(Writer::ticket) {
            None => (Outcome::Kept, "nothing is recorded".to_owned()),
            Some(Err(error)) => (Outcome::Failed, error.to_string()),
            Some(Ok(ticket)) => match within(limit, move || ticket.wait()) {
                Some(Ok(())) => (Outcome::Done, format!("durable to event {}", session.seq())),
                Some(Err(error)) => (Outcome::Failed, error.to_string()),
                None => (Outcome::Overran, "the disk has not answered".to_owned()),
            },
        };
        self.steps.done("journal", began, outcome, note);
    }

    fn snapshot(&mut self, moment: &mut Moment<'_, Recorder>, saving: Option<&mut Saving>) {
        let began = Instant::now();
        let until = began + self.steps.left("snapshot");
        let (outcome, note) = match saving.map(|saving| saving.take_last(moment, until)) {
            None => (Outcome::Kept, "no snapshots are taken".to_owned()),
            Some(LastSnapshot::Written(seq)) => (Outcome::Done, format!("of event {seq}")),
            Some(LastSnapshot::None(why)) => (Outcome::Failed, format!("{why}; a resume begins at the last one")),
            Some(LastSnapshot::Late) => (Outcome::Overran, "a resume begins at the last one".to_owned()),
        };
        self.steps.done("snapshot", began, outcome, note);
    }

    /// The run plays no more: its journal is closed, its audit log brought up to date, and the list of what stays open written. What the
    /// folder and the gate are held by is let go in `release`.
    #[must_use]
    pub fn finish(mut self, folder: &RunFolder, session: &mut Session, release: impl FnOnce()) -> Report {
        self.audit(folder, session);
        let left = self.left.take().unwrap_or_else(|| Left::of(session));
        let began = Instant::now();
        let mut report = Report::new(self.policy, self.at, session, left, folder.path());
        let note = report.left.summary();
        let written = report.write(folder.path(), &self.steps);
        let (outcome, note) = match written {
            Err(error) => (Outcome::Failed, format!("{note}; {FILE} cannot be written: {error}")),
            Ok(()) if report.left.untracked > 0 => (Outcome::Failed, note),
            Ok(()) => (Outcome::Done, note),
        };
        self.steps.done("list", began, outcome, note);
        let began = Instant::now();
        release();
        self.steps.done("release", began, Outcome::Done, "lock and gate registration are free".to_owned());
        report.steps = self.steps.list().to_vec();
        report.seconds = self.steps.elapsed().as_secs_f64();
        report
    }

    fn audit(&mut self, folder: &RunFolder, session: &mut Session) {
        let began = Instant::now();
        let limit = self.steps.left("audit");
        let (outcome, note) = match session.tape.take_journal() {
            None => (Outcome::Kept, "nothing is recorded".to_owned()),
            Some(journal) => {
                let folder = folder.clone();
                match within(limit, move || close(journal, &folder)) {
                    Some(Ok(note)) => (Outcome::Done, note),
                    Some(Err(what)) => (Outcome::Failed, what),
                    None => (Outcome::Overran, "the next start brings it up to date".to_owned()),
                }
            }
        };
        self.steps.done("audit", began, outcome, note);
    }
}

/// Closes a journal, and brings the audit log up to it.
fn close(mut journal: Writer, folder: &RunFolder) -> Result<String, String> {
    let copies: Option<Copies> = journal.take_copies();
    let closed = journal.close();
    let brought = audit::update(folder, copies.as_ref());
    closed.map_err(|error| error.to_string())?;
    let outcome = brought.map_err(|error| format!("the audit log was not brought up to date: {error}"))?;
    outcome.warnings.iter().for_each(|text| eprintln!("bot4: {text}"));
    let signed = if outcome.brought.unsigned == 0 { "signed to its end" } else { "its end is not signed" };
    Ok(format!("{} entries, {signed}", outcome.brought.entries))
}

/// Does something on a thread of its own; `None` if it has not ended in time. The thread then goes on until the process ends.
fn within<T: Send + 'static>(limit: Duration, act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (tell, hear) = channel();
    let thread = std::thread::Builder::new().name("shutdown".into()).spawn(move || drop(tell.send(act())));
    thread.ok()?;
    hear.recv_timeout(limit).ok()
}

/// Whether every control event that stands against new risk was a stop's: then a resume may take it back. Whatever else was asked for (a
/// failed journal, a key holder) stays until whoever asked takes it back.
fn only_a_stop_stands(journal: &Path) -> Result<bool, String> {
    let stop = Holder::new(HOLDER);
    let (mut stops, mut others) = (0u32, 0u32);
    let mut reader = Reader::open(journal).map_err(|e| e.to_string())?;
    while let Some(record) = reader.next().map_err(|e| e.to_string())? {
        if record.kind != Kind::Control {
            continue;
        }
        let mut from = Bytes::new(record.body);
        let event = <UnixNanos as domain::codec::Stored>::take(&mut from)
            .and_then(|_| <domain::Event as domain::codec::Stored>::take(&mut from))
            .map_err(|e| e.to_string())?;
        match event.body {
            EventBody::Control(Control::Restrict { holder, .. }) if Some(holder) == stop => stops += 1,
            EventBody::Control(Control::Restrict { .. } | Control::Pause) => others += 1,
            // A re-arm ends what was asked for, too; a resume of an earlier start took back what stood then.
            EventBody::Control(Control::Resume | Control::Rearm { what: domain::Rearm::Account, .. }) => {
                (stops, others) = (0, 0);
            }
            _ => {}
        }
    }
    Ok(stops > 0 && others == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_too_long_is_left_behind() {
        assert_eq!(within(Duration::from_secs(5), || 7), Some(7));
        let slow = || std::thread::sleep(Duration::from_secs(60));
        let began = Instant::now();
        assert_eq!(within(Duration::from_millis(20), slow), None);
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_step_that_panics_is_one_that_never_answers() {
        assert_eq!(within(Duration::from_secs(5), || -> u8 { panic!("as a test") }), None);
    }

    use crate::runner::tape::BODY_VERSION;
    use domain::codec::Stored as _;
    use domain::{Event, InputId, Rearm};
    use store::journal::Options;

    /// Whether a journal with these words from outside lets a resume take the stop back.
    fn lifts(name: &str, controls: &[Control]) -> bool {
        let dir = std::env::temp_dir().join(format!("bot4-stop-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        let mut journal = Writer::create(&dir, Options::default()).unwrap();
        for (seq, control) in (1..).zip(controls) {
            let event = Event { id: InputId::new(InputId::SETUP, seq), body: EventBody::Control(*control) };
            journal.append(seq, Kind::Control, BODY_VERSION, |out| {
                UnixNanos(seq).put(out);
                event.put(out);
            });
        }
        journal.close().unwrap();
        let answer = only_a_stop_stands(&dir).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        answer
    }

    #[test]
    fn a_resume_takes_back_a_stop_and_nothing_else() {
        let restrict = |name: &str| Control::Restrict {
            to: Mode::Reduced,
            cancel_entries: true,
            holder: Holder::new(name).unwrap(),
        };
        let rearm = Control::Rearm { what: Rearm::Account, holder: Holder::new("anna").unwrap() };
        assert!(!lifts("none", &[]));
        assert!(lifts("stop", &[restrict(HOLDER), restrict(HOLDER)]));
        assert!(!lifts("holder", &[restrict("anna"), restrict(HOLDER)]), "a key holder's word stays");
        assert!(!lifts("later", &[restrict(HOLDER), restrict("anna")]));
        assert!(!lifts("journal", &[Control::Pause, restrict(HOLDER)]), "a failed journal, or a record that was left");
        assert!(!lifts("over", &[restrict(HOLDER), Control::Resume]), "it was taken back");
        assert!(lifts("again", &[restrict(HOLDER), Control::Resume, restrict(HOLDER)]));
        assert!(lifts("rearmed", &[restrict("anna"), rearm, restrict(HOLDER)]), "what the re-arm has ended is over");
    }
}
