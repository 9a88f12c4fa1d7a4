//! Plays a recorded run again around a few of its events, from the nearest snapshots, with a listener.
//!
//! In:  the folder of a run, the events that a story is made of.
//! Out: what happened within them, and how much was played for it.
//! Between two events that lie far apart a nearer snapshot is gone to, so that what is played is what is near to them, not what lies
//! between. The record is followed: where this build decides otherwise, what was recorded happens, and the first difference is kept.

use crate::command::CommandError;
use crate::explain::collect::{Collector, Step};
use crate::runner::cursor::Cursor;
use crate::runner::drive::{DriveError, Plain, Silent};
use crate::runner::keep::STATE_VERSION;
use crate::runner::recorded::{self, At, Opened};
use crate::runner::run_folder::{RunFolder, Start};
use crate::runner::session::SessionError;
use crate::runner::tape::Tape;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use store::snapshot::SnapshotFolder;

/// How much was played again, and whether it went as recorded.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Replayed {
    /// Events that were played.
    pub events: u64,
    /// Events in the record of the run.
    pub of: u64,
    /// From the snapshot of which event (0: the beginning) to which event, one pair for each stretch.
    pub stretches: Vec<(u64, u64)>,
    /// Seconds, with reading the inputs and checking that they are the recorded ones.
    pub seconds: f64,
    /// Seconds of that in which events were played.
    pub played_s: f64,
    /// The first place where this build decides otherwise than the record, in words.
    pub difference: Option<String>,
    /// Snapshots that could not be used.
    pub unusable: Vec<String>,
}

/// A re-run that is over.
pub struct Rerun {
    /// The run; it stands after the last event that was played.
    pub opened: Opened,
    /// What happened, by event.
    pub steps: BTreeMap<u64, Step>,
    /// How much was played.
    pub replayed: Replayed,
}

/// A gap that is worth a look for a snapshot: to load one costs about as much as to play so many events.
const GAP: u64 = 20_000;

/// Plays what is needed to see within these events.
///
/// # Errors
/// As opening the run, and where the record cannot be followed to the last of them.
pub fn rerun(
    folder: &RunFolder,
    start: Start,
    data: &[PathBuf],
    events: &BTreeSet<u64>,
    of: u64,
    stop: &AtomicBool,
) -> Result<Rerun, CommandError> {
    let began = Instant::now();
    let stretches = stretches(folder, events);
    let first = stretches.first().map_or(1, |(from, _)| *from);
    let mut opened = recorded::open(folder, start, data, At::NotAfter(first - 1), false)?;
    let mut collector = Collector::new(events.clone());
    let mut replayed = Replayed { of, ..Replayed::default() };
    for (number, &(from, to)) in stretches.iter().enumerate() {
        if number > 0 {
            opened.again(folder, from - 1)?;
        }
        let record = Cursor::after(&folder.journal(), opened.snapshot_seq).map_err(CommandError::failed)?;
        let session = &mut opened.plan.session;
        session.put_on_tape(Tape::following(record, None, false));
        session.stop_after(to);
        let at = session.seq();
        collector.stand_at(at, &session.engine);
        let playing = Instant::now();
        let driven = play(&mut opened, &mut collector, stop);
        collector.end();
        let reached = opened.plan.session.seq();
        replayed.played_s += playing.elapsed().as_secs_f64();
        replayed.events += reached - at;
        replayed.stretches.push((at, reached));
        let compared = opened.plan.session.tape.compared();
        if let (Some(difference), None) = (&compared.difference, &replayed.difference) {
            replayed.difference = Some(difference.to_string());
        }
        match driven {
            Ok(()) | Err(DriveError::Session(SessionError::Reached)) => {}
            Err(DriveError::Interrupted) => {
                return Err(CommandError { exit: crate::command::Exit::Interrupted, message: "interrupted".into() });
            }
            Err(other) => return Err(CommandError::failed(other)),
        }
        if let Some(error) = compared.unreadable {
            return Err(CommandError::failed(error));
        }
    }
    replayed.unusable = std::mem::take(&mut opened.unusable);
    replayed.unusable.sort();
    replayed.unusable.dedup();
    replayed.seconds = began.elapsed().as_secs_f64();
    Ok(Rerun { opened, steps: collector.steps, replayed })
}

fn play(opened: &mut Opened, collector: &mut Collector, stop: &AtomicBool) -> Result<(), DriveError> {
    if opened.snapshot_seq == 0
        && let Some(first) = opened.driver.first()
    {
        let mut begin = opened.plan.begin_for::<Collector>();
        begin(&mut opened.plan.session, first, collector)?;
    }
    let mut keeper = Plain { progress: &mut Silent, stop };
    opened.driver.run(&mut opened.plan.session, collector, &mut keeper)
}

/// Which stretches of events are played: the first and last event of each. A stretch begins where there is a snapshot after the one before.
fn stretches(folder: &RunFolder, events: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let snapshots = SnapshotFolder::new(&folder.snapshots(), STATE_VERSION);
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for &seq in events {
        if let Some((_, to)) = stretches.last_mut() {
            let nearer = || snapshots.newest_valid(seq - 1).ok().and_then(|(s, _)| s).is_some_and(|s| s.seq > *to);
            if seq - *to <= GAP || !nearer() {
                *to = seq;
                continue;
            }
        }
        stretches.push((seq, seq));
    }
    stretches
}
