//! Plays a session's inputs through the backtest path, under any configuration, with what came from outside told again.

use super::watch::Watch;
use crate::command::CommandError;
use crate::runner::cursor::{Cursor, event_of};
use crate::runner::drive::{DriveError, Keeper, LOOK_EVERY, Leave, Moment};
use crate::runner::plan::RunConfig;
use crate::runner::recorded;
use crate::runner::run_folder::RunFolder;
use crate::runner::session::SessionError;
use crate::runner::tape::{Compared, Seal, Tape};
use domain::codec::{Reader, Stored};
use domain::{EventBody, UnixNanos};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use store::history::Series;
use store::journal::{End, JournalError, Kind};

/// Something that came from outside, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct FromOutside {
    /// Market time.
    pub ts: UnixNanos,
    /// What.
    pub body: EventBody,
}

/// Everything that was told to a recorded session from outside. Orders that did not leave are no word of anybody.
///
/// # Errors
/// If the journal cannot be read.
pub fn from_outside(folder: &RunFolder) -> Result<Vec<FromOutside>, CommandError> {
    let mut all = Vec::new();
    let mut cursor = Cursor::after(&folder.journal(), 0).map_err(CommandError::failed)?;
    while let Some(view) = cursor.peek() {
        if view.kind == Kind::Control {
            let (ts, event) = event_of(view.body).map_err(CommandError::failed)?;
            if matches!(event.body, EventBody::Control(_)) {
                all.push(FromOutside { ts, body: event.body });
            }
        }
        cursor.advance();
    }
    match cursor.failed() {
        Some(error) => Err(CommandError::failed(error)),
        None => Ok(all),
    }
}

/// Plays to where the watch is over, tells what came from outside, and obeys an interrupt.
struct ToTheEnd<'a> {
    stop: &'a AtomicBool,
    outside: VecDeque<FromOutside>,
}

impl Keeper<Watch> for ToTheEnd<'_> {
    fn between(&mut self, moment: Moment<'_, Watch>) -> Result<Leave, DriveError> {
        let rows = moment.driver.driven().events;
        if self.stop.load(Ordering::Relaxed) {
            return Err(DriveError::Interrupted);
        }
        if moment.probe.is_over() {
            return Err(DriveError::Session(SessionError::Reached));
        }
        // It was told between two rows: after all of its time, before the next one.
        while let Some(next) = self.outside.pop_front_if(|next| next.ts < moment.next && rows > 0) {
            moment.session.tell(next.ts.max(moment.driver.reached()), next.body, moment.probe)?;
        }
        let after = |ts: UnixNanos| UnixNanos(ts.0.saturating_add(1));
        let mut until = self.outside.front().map_or(UnixNanos::MAX, |next| after(next.ts));
        if let Some(end) = moment.probe.until() {
            until = until.min(if moment.next <= end { after(end) } else { after(moment.next) });
        }
        Ok(Leave { rows: rows + LOOK_EVERY, until: until.max(after(moment.next)) })
    }
}

/// Plays the inputs under a configuration.
///
/// # Errors
/// As a backtest, and for a missing price at the end.
pub fn play(
    config: &RunConfig,
    series: &[Series],
    outside: &[FromOutside],
    until: Option<UnixNanos>,
    stop: &AtomicBool,
) -> Result<Watch, CommandError> {
    let findings = Arc::new(Mutex::new(Vec::new()));
    let (mut plan, mut driver) = recorded::stage(config, series, &findings)?;
    let mut watch = Watch::new(until);
    if let Some(first) = driver.first() {
        let begun = plan.begin_for::<Watch>()(&mut plan.session, first, &mut watch);
        begun.map_err(CommandError::failed)?;
    }
    let mut keeper = ToTheEnd { stop, outside: outside.iter().cloned().collect() };
    match driver.run(&mut plan.session, &mut watch, &mut keeper) {
        Ok(()) | Err(DriveError::Session(SessionError::Reached)) => {}
        Err(DriveError::Interrupted) => return Err(crate::signals::stopped("nothing was written")),
        Err(other) => return Err(CommandError::failed(other)),
    }
    watch.finish();
    valued(&watch)?;
    Ok(watch)
}

fn valued(watch: &Watch) -> Result<(), CommandError> {
    if watch.overflow {
        return Err(CommandError::failed("the value of an order is larger than money can hold"));
    }
    match watch.end() {
        Some(_) => Ok(()),
        None => Err(CommandError::failed(
            "the account cannot be valued at the end: no row of the data was played, or an instrument that is held has no price",
        )),
    }
}

/// A session as it was recorded.
#[derive(Debug)]
pub struct Session {
    /// What came of it.
    pub watch: Watch,
    /// What holding this build's decisions against the record has shown.
    pub compared: Compared,
    /// Whether the run has ended: its journal is sealed.
    pub complete: bool,
    /// Bytes at the end of the journal that are no whole record.
    pub torn_bytes: u64,
    /// Up to when the record of a run that has not ended reaches.
    pub until: Option<UnixNanos>,
    /// Number of the last event.
    pub events: u64,
    /// Fingerprint of all inputs and decisions of this playing.
    pub digest: String,
}

/// Plays a session as it was recorded: where this build decides otherwise, the record wins.
///
/// # Errors
/// A record that is damaged, or that cannot be followed to its end.
pub fn as_recorded(
    folder: &RunFolder,
    config: &RunConfig,
    series: &[Series],
    stop: &AtomicBool,
) -> Result<Session, CommandError> {
    let failed = |error: JournalError| CommandError::failed(error);
    let findings = Arc::new(Mutex::new(Vec::new()));
    let (mut plan, mut driver) = recorded::stage(config, series, &findings)?;
    let record = Cursor::after(&folder.journal(), 0).map_err(failed)?;
    plan.session.put_on_tape(Tape::following(record, None, false));
    let mut watch = Watch::new(None);
    if let Some(first) = driver.first() {
        let begun = plan.begin_for::<Watch>()(&mut plan.session, first, &mut watch);
        match begun {
            Ok(()) | Err(SessionError::Reached) => {}
            Err(other) => return Err(CommandError::failed(other)),
        }
    }
    let mut keeper = ToTheEnd { stop, outside: VecDeque::new() };
    let whole = match driver.run(&mut plan.session, &mut watch, &mut keeper) {
        Ok(()) => true,
        Err(DriveError::Session(SessionError::Reached)) => false,
        Err(DriveError::Interrupted) => return Err(crate::signals::stopped("nothing was written")),
        Err(other) => return Err(CommandError::failed(other)),
    };
    let session = &mut plan.session;
    let compared = session.tape.compared();
    if let Some(error) = &compared.unreadable {
        return Err(CommandError::failed(error));
    }
    let seal = match session.tape.rest() {
        Some((_, Kind::Seal, body)) if whole => Seal::take(&mut Reader::new(&body)).ok(),
        None => None,
        Some((seq, kind, _)) => {
            let first = compared.difference.as_ref().map_or_else(String::new, |d| format!(", first {d}"));
            return Err(CommandError::failed(format!(
                "the record of this run cannot be followed to its end by this build: {kind:?} of event {seq} is left{first}; the build that \
                 recorded it can report on it"
            )));
        }
    };
    let (torn_bytes, complete) = match session.tape.end_of_journal() {
        Some(End::Sealed { .. }) => (0, true),
        Some(End::Torn { bytes, .. }) => (bytes, false),
        Some(End::Damaged { path, offset, bytes, what }) => {
            return Err(CommandError::failed(format!(
                "{}: the last {bytes} bytes, from byte {offset}, are no record: {what}; `bot4 replay --verify` says more",
                path.display()
            )));
        }
        Some(End::Open) | None => (0, false),
    };
    if let Some(seal) = seal
        && compared.difference.is_none()
        && (seal.digest, seal.state_digest) != (session.engine.digest().value(), session.state_digest().value())
    {
        return Err(CommandError::failed(
            "the replay of the record does not end in the sealed state: `bot4 replay --verify` says where it differs",
        ));
    }
    if complete && !whole {
        return Err(CommandError::failed("the record is sealed, and the data have more rows than it"));
    }
    watch.finish();
    valued(&watch)?;
    // A record that breaks off ends within an event: what is compared ends where the account was valued last.
    let until = if whole { None } else { watch.end().map(|(ts, _)| ts) };
    if let Some(until) = until {
        watch.cut(until);
    }
    let (events, digest) = (session.seq(), session.engine.digest().to_string());
    Ok(Session { watch, compared, complete, torn_bytes, until, events, digest })
}
