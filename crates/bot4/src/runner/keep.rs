//! The keeper of a run: between two rows it tells the progress, obeys an interrupt, holds the pace, and takes snapshots.
//!
//! In:  the run between two rows, the clock, what the user wants.
//! Out: how far the run may go; snapshots in the run's folder, each with a mark in the journal.
//! The trading thread does no more for a snapshot than to copy the state into memory: the disk is another thread's. Nothing here changes
//! what the engine is told.

use crate::runner::drive::{DriveError, Keeper, LOOK_EVERY, Leave, Moment, Progress};
use crate::runner::outside::Outside;
use crate::runner::pace::{Controls, Pace, Speed, Waited};
use crate::runner::record::Recorder;
use crate::runner::shutdown::{Next, Shutdown};
use crate::runner::side_logs::SideLogs;
use crate::runner::tape::{BODY_VERSION, Mark};
use domain::UnixNanos;
use domain::codec::Stored;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use store::journal::{JournalError, Kind};
use store::snapshot::{Offered, SnapshotWriter};

/// Version of what a snapshot of a run holds.
pub const STATE_VERSION: u32 = 3;

/// How often snapshots are taken: whichever comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// After so many events.
    pub events: u64,
    /// After so much time of the machine's clock.
    pub every: Duration,
}

/// Rows between two looks while a record is followed, so that the pace is held soon after its end.
const LOOK_FOLLOWING: u64 = 256;

/// Takes snapshots.
pub struct Saving {
    snapshots: Option<SnapshotWriter>,
    state: Vec<u8>,
    logs: SideLogs,
    cadence: Cadence,
    last_seq: u64,
    last_at: Instant,
    /// Snapshots taken by this process.
    pub taken: u64,
    /// The longest that the trading thread was held.
    pub held_max: Duration,
    /// Why no more are taken.
    pub given_up: Option<String>,
}

impl Saving {
    /// Snapshots and logs of a run that is at the event `seq`.
    #[must_use]
    pub fn new(snapshots: SnapshotWriter, logs: SideLogs, cadence: Cadence, seq: u64) -> Self {
        Self {
            snapshots: Some(snapshots),
            state: Vec::with_capacity(1 << 16),
            logs,
            cadence,
            last_seq: seq,
            last_at: Instant::now(),
            taken: 0,
            held_max: Duration::ZERO,
            given_up: None,
        }
    }

    fn is_due(&self, seq: u64) -> bool {
        seq.saturating_sub(self.last_seq) >= self.cadence.events || self.last_at.elapsed() >= self.cadence.every
    }

    /// Takes a snapshot, unless there is one of this event or the one before is still being written.
    fn take(&mut self, moment: &mut Moment<'_, Recorder>) {
        let seq = moment.session.seq();
        let Some(snapshots) = self.snapshots.as_mut().filter(|_| self.given_up.is_none() && seq != self.last_seq)
        else {
            return;
        };
        if let Some(failure) = snapshots.take_failure() {
            self.given_up = Some(failure.to_string());
            return;
        }
        if !snapshots.is_ready() {
            return;
        }
        let began = Instant::now();
        let digest = moment.session.engine.digest().value();
        // While a record is followed there is nothing to mark: its marks stand.
        let Some(journal) = moment.session.tape.journal() else { return };
        let mark = Mark { ts: moment.driver.reached(), digest };
        journal.append(seq, Kind::Mark, BODY_VERSION, |out| mark.put(out));
        // The journal has to reach as far as the snapshot, or the snapshot would know of what was never recorded.
        let ticket = match journal.ticket() {
            Ok(ticket) => ticket,
            Err(error) => {
                self.given_up = Some(error.to_string());
                return;
            }
        };
        let (extents, new) = self.logs.take_new(moment.probe);
        self.state.clear();
        moment.driver.position().put(&mut self.state);
        extents.put(&mut self.state);
        moment.session.save(&mut self.state);
        moment.probe.save(&mut self.state);
        let records = self.logs.folder().to_owned();
        let first = move || {
            new.write().map_err(|e| JournalError::Io { what: "append to", path: records, source: Arc::new(e) })?;
            ticket.wait()
        };
        match snapshots.write(seq, &mut self.state, first) {
            Offered::Taken => self.taken += 1,
            // What is new of the logs would be missing from them: snapshots after this one would not fit.
            Offered::Busy => self.given_up = Some("a snapshot was refused while none was under way".into()),
        }
        self.last_seq = seq;
        self.last_at = Instant::now();
        self.held_max = self.held_max.max(began.elapsed());
    }

    /// Takes the last snapshot of a run that is about to end, and waits until it is on the disk, but not beyond `until`.
    pub(crate) fn take_last(&mut self, moment: &mut Moment<'_, Recorder>, until: Instant) -> LastSnapshot {
        let seq = moment.session.seq();
        // One of an earlier event may still be under way.
        if !self.wait_ready(until) {
            return self.leave_behind();
        }
        self.take(moment);
        if !self.wait_ready(until) {
            return self.leave_behind();
        }
        if let Some(failure) = self.snapshots.as_mut().and_then(SnapshotWriter::take_failure) {
            self.given_up = Some(failure.to_string());
        }
        match &self.given_up {
            Some(reason) => LastSnapshot::None(reason.clone()),
            None if self.last_seq == seq => LastSnapshot::Written(seq),
            None => LastSnapshot::None(format!("the last one is of event {}", self.last_seq)),
        }
    }

    fn wait_ready(&mut self, until: Instant) -> bool {
        while self.snapshots.as_mut().is_some_and(|snapshots| !snapshots.is_ready()) {
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Its thread hangs in the disk: it is not waited for at the end either.
    fn leave_behind(&mut self) -> LastSnapshot {
        self.given_up = Some("the disk has not answered".into());
        std::mem::forget(self.snapshots.take());
        LastSnapshot::Late
    }

    /// Waits until the last snapshot is on the disk.
    pub fn finish(&mut self) {
        if let Some(Err(error)) = self.snapshots.take().map(SnapshotWriter::finish)
            && self.given_up.is_none()
        {
            self.given_up = Some(error.to_string());
        }
    }
}

/// What became of the last snapshot of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LastSnapshot {
    /// The one of this event is on the disk.
    Written(u64),
    /// There is none, for this reason.
    None(String),
    /// It was not on the disk in time.
    Late,
}

/// Keeps a run.
pub struct Keep<'a> {
    progress: &'a mut dyn Progress,
    stop: &'a AtomicBool,
    pace: Pace<'a>,
    saving: Option<&'a mut Saving>,
    outside: Option<&'a mut dyn Outside>,
    shutdown: Option<&'a mut Shutdown>,
    warn: &'a mut dyn FnMut(&str),
    /// The worst that was told.
    told: Option<Trouble>,
}

/// What can go wrong with the recording while the run goes on, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Snapshots,
    Journal,
}

impl<'a> Keep<'a> {
    /// A keeper that tells `progress`, ends the run when `stop` is set, holds the pace of `controls`, takes snapshots where the run is
    /// recorded, and tells `warn`, once each, that there are no more snapshots or that the journal cannot be written.
    pub fn new(
        progress: &'a mut dyn Progress,
        stop: &'a AtomicBool,
        controls: &'a Controls,
        saving: Option<&'a mut Saving>,
        warn: &'a mut dyn FnMut(&str),
    ) -> Self {
        Self { progress, stop, pace: Pace::new(controls), saving, outside: None, shutdown: None, warn, told: None }
    }

    /// The same keeper that lets what lies outside speak between two rows: the gate word, key holders.
    #[must_use]
    pub fn hearing(mut self, outside: &'a mut dyn Outside) -> Self {
        self.outside = Some(outside);
        self
    }

    /// The same keeper that ends the run in order when it is to stop.
    #[must_use]
    pub fn ending_by(mut self, shutdown: &'a mut Shutdown) -> Self {
        self.shutdown = Some(shutdown);
        self
    }

    /// The run is to stop: it ends here, or goes on for a moment until what was asked of the venue is answered.
    fn stop(&mut self, moment: &mut Moment<'_, Recorder>, following: bool) -> Result<Leave, DriveError> {
        let Some(shutdown) = self.shutdown.as_deref_mut().filter(|_| !following) else {
            return Err(DriveError::Interrupted);
        };
        if shutdown.between(moment, self.saving.as_deref_mut())? == Next::End {
            return Err(DriveError::Interrupted);
        }
        let rows = moment.driver.driven().events;
        let one = Leave { rows: rows + LOOK_EVERY, until: UnixNanos(moment.next.0.saturating_add(1)) };
        if self.pace.speed() == Speed::Max {
            return Ok(one);
        }
        if let Some(journal) = moment.session.tape.journal() {
            let _ = journal.flush();
        }
        // The market goes on at its pace, whoever wants the run to end.
        match self.pace.wait(moment.next, &AtomicBool::new(false)) {
            Waited::Until(_) => Ok(one),
            Waited::NotYet | Waited::Stopped => Ok(Leave { rows, until: UnixNanos(0) }),
        }
    }

    fn look_for_trouble(&mut self, moment: &mut Moment<'_, Recorder>) {
        let failed = moment.session.tape.journal().and_then(|journal| journal.failed());
        let given_up = self.saving.as_ref().and_then(|saving| saving.given_up.clone());
        let (trouble, text) = match (failed, given_up) {
            (Some(error), _) => (
                Trouble::Journal,
                format!(
                    "the journal cannot be written ({error}): no new risk is taken from now on; what protects open positions goes on in memory"
                ),
            ),
            (None, Some(reason)) => {
                (Trouble::Snapshots, format!("no more snapshots ({reason}): a resume would begin at the last one"))
            }
            (None, None) => return,
        };
        // A journal that fails after the snapshots did is still to be told.
        if self.told < Some(trouble) {
            (self.warn)(&text);
            self.told = Some(trouble);
        }
    }
}

impl Keeper<Recorder> for Keep<'_> {
    fn between(&mut self, mut moment: Moment<'_, Recorder>) -> Result<Leave, DriveError> {
        let rows = moment.driver.driven().events;
        self.progress.at(rows, moment.driver.reached());
        if self.told < Some(Trouble::Journal) {
            self.look_for_trouble(&mut moment);
        }
        let following = moment.session.tape.follows();
        if let Some(outside) = self.outside.as_deref_mut().filter(|_| !following) {
            let ts = moment.driver.reached();
            outside.between(moment.session, ts, moment.probe)?;
        }
        if let Some(shutdown) = self.shutdown.as_deref_mut().filter(|_| !following) {
            shutdown.go_on(&mut moment)?;
        }
        if self.stop.load(Ordering::Relaxed) {
            return self.stop(&mut moment, following);
        }
        if let Some(saving) = self.saving.as_deref_mut().filter(|_| !following)
            && saving.is_due(moment.session.seq())
        {
            saving.take(&mut moment);
        }
        let paced = self.pace.speed() != Speed::Max;
        // The tail of a run that goes on is no time of anybody's; a replay is watched.
        if moment.session.tape.in_tail() || moment.next == UnixNanos::MAX {
            // A run that goes on hears what is outside soon after the end of its record.
            let look = if paced || moment.session.tape.in_tail() { LOOK_FOLLOWING } else { LOOK_EVERY };
            return Ok(Leave { rows: rows + look, until: UnixNanos::MAX });
        }
        if paced && let Some(journal) = moment.session.tape.journal() {
            // What was decided is with the system before the thread sleeps; a failure is the tape's to tell.
            let _ = journal.flush();
        }
        match self.pace.wait(moment.next, self.stop) {
            Waited::Until(until) => Ok(Leave { rows: rows + LOOK_EVERY, until }),
            // Not a row is played before the keeper has looked around once more; what came while it waited is told before the run is left.
            Waited::NotYet | Waited::Stopped => Ok(Leave { rows, until: UnixNanos(0) }),
        }
    }
}
