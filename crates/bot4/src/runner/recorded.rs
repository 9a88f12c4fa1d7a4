//! A run that is recorded: beginning one, opening one again from its folder, and ending it.
//!
//! In:  settings and series of a new run, or the folder of one that began earlier.
//! Out: a session on its tape with a driver at the same place, ready to be driven; at the end the seal.
//!
//! What a run is made of stands in the first record of its journal, so a folder opens without being told anything: resuming, replaying and
//! explaining begin with the same [`Opened`].

use crate::command::CommandError;
use crate::config::{BACKTEST, Defaults, Durability, PAPER, RunSettings, configure};
use crate::runner::cursor::Cursor;
use crate::runner::drive::{DriveError, Driver, Position};
use crate::runner::keep::{Cadence, Keep, STATE_VERSION, Saving};
use crate::runner::plan::{self, Plan, RunConfig};
use crate::runner::recovery::Recovery;
use crate::runner::run_folder::{FolderError, RunFolder, Start};
use crate::runner::run_inputs;
use crate::runner::side_logs::{Extents, SideLogs};
use crate::runner::source::{ahead, watched};
use crate::runner::tape::{BODY_VERSION, Mark, Tape, Then};
use domain::codec::{Reader, Stored};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::history::{Findings, Series};
use store::journal::{Kind, Options, Recovered, Writer};
use store::snapshot::{Snapshot, SnapshotFolder, SnapshotWriter};

/// A run made ready: nothing of it has been played yet, or it stands at a snapshot.
pub struct Opened {
    /// What it is made of, as recorded.
    pub start: Start,
    /// The same, typed.
    pub settings: RunSettings,
    /// The same, checked.
    pub config: RunConfig,
    /// What it reads.
    pub series: Vec<Series>,
    /// Session and recorder.
    pub plan: Plan,
    /// The inputs.
    pub driver: Driver,
    /// What was wrong with rows, complete when all are read.
    pub findings: Arc<Mutex<Vec<Findings>>>,
    /// The event of the snapshot that it stands at; 0: the beginning.
    pub snapshot_seq: u64,
    /// Whether it goes on after an interruption.
    pub resumed: bool,
    /// Snapshots that could not be used, with the reason.
    pub unusable: Vec<String>,
    /// The growing logs up to the snapshot, where they are to be gone on with.
    pub logs: Option<SideLogs>,
}

/// The names and habits of a run by its name.
fn defaults_of(run: &str) -> &'static Defaults {
    if run == PAPER.run { &PAPER } else { &BACKTEST }
}

/// Makes a run ready from its settings.
///
/// # Errors
/// What cannot be, as for a backtest.
pub fn prepare(settings: RunSettings, defaults: &Defaults) -> Result<Opened, CommandError> {
    let mut settings = settings;
    let config = configure(&settings, defaults)?;
    // Whole paths from the start, so that a resume names files as the first run did.
    for path in &mut settings.data.data {
        if let Ok(whole) = path.canonicalize() {
            *path = whole;
        }
    }
    let series = settings.data.series()?;
    let inputs = run_inputs::refer(&series).map_err(CommandError::failed)?;
    let json = settings.to_json().map_err(CommandError::failed)?;
    let json = serde_json::from_str(&json).map_err(CommandError::failed)?;
    let mut start = Start::new(defaults.run, json, inputs);
    start.assets = plan::list(&series).map_err(CommandError::failed)?.0.assets().to_vec();
    make(start, settings, config, series)
}

fn make(start: Start, settings: RunSettings, config: RunConfig, series: Vec<Series>) -> Result<Opened, CommandError> {
    let findings = Arc::new(Mutex::new(Vec::new()));
    let (plan, driver) = stage(&config, &series, &findings)?;
    Ok(Opened {
        start,
        settings,
        config,
        series,
        plan,
        driver,
        findings,
        snapshot_seq: 0,
        resumed: false,
        unusable: Vec::new(),
        logs: None,
    })
}

/// Session, recorder and inputs at the very beginning.
///
/// # Errors
/// As [`prepare`].
pub(crate) fn stage(
    config: &RunConfig,
    series: &[Series],
    findings: &Arc<Mutex<Vec<Findings>>>,
) -> Result<(Plan, Driver), CommandError> {
    let (table, listed) = plan::list(series).map_err(CommandError::failed)?;
    crate::command::backtest::suits(config, &listed)?;
    let mut plan = Plan::new(config, &table, &listed).map_err(CommandError::usage)?;
    plan.notes.extend(store::history::rules_notes(series));
    let opened = plan::open(series).map_err(CommandError::failed)?;
    if let Ok(mut found) = findings.lock() {
        found.clear();
    }
    // Rows are decoded on threads of their own, a little ahead of the playing.
    let inputs = ahead(watched(opened, findings)).map_err(CommandError::failed)?;
    let driver = Driver::open(inputs).map_err(CommandError::failed)?;
    Ok((plan, driver))
}

/// Which snapshot a run is opened at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The beginning: no snapshot.
    Beginning,
    /// The newest one that was taken after this event or an earlier one.
    NotAfter(u64),
}

/// Opens a run again from its folder. `data` says where its inputs are now, if not where they were; `go_on` opens its logs for appending.
///
/// # Errors
/// Inputs that are missing or have changed, a configuration that this build does not know.
pub fn open(folder: &RunFolder, start: Start, data: &[PathBuf], at: At, go_on: bool) -> Result<Opened, CommandError> {
    let mut settings = RunSettings::from_json(&start.config.to_string()).map_err(CommandError::failed)?;
    settings.data.data = if data.is_empty() { places(&start) } else { data.to_vec() };
    let config = configure(&settings, defaults_of(&start.run))?;
    let series = settings.data.series()?;
    run_inputs::compare(&start.inputs, &series).map_err(CommandError::failed)?;
    let mut opened = make(start, settings, config, series)?;
    if let At::NotAfter(latest) = at {
        opened.stand_at(folder, latest, go_on)?;
    }
    Ok(opened)
}

/// Where the inputs of a run were; nothing for those that the program carries.
fn places(start: &Start) -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    for path in start.inputs.iter().flat_map(|s| &s.files).filter_map(|f| f.path.as_ref()) {
        if !places.contains(path) {
            places.push(path.clone());
        }
    }
    places
}

fn load(folder: &RunFolder, opened: &mut Opened, snapshot: &Snapshot, go_on: bool) -> Result<SideLogs, String> {
    let bytes = &snapshot.state;
    let mut from = Reader::new(bytes);
    let position = Position::take(&mut from).map_err(|e| e.to_string())?;
    let extents = Extents::take(&mut from).map_err(|e| e.to_string())?;
    opened.plan.session.load(&mut from).map_err(|e| e.to_string())?;
    marked(folder, snapshot.seq, opened.plan.session.engine.digest().value())?;
    let mut rest = quant::state::Reader::new(from.rest());
    opened.plan.recorder.load(&mut rest).map_err(|e| e.to_string())?;
    let logs =
        SideLogs::load(&folder.records(), &extents, &mut opened.plan.recorder, go_on).map_err(|e| e.to_string())?;
    opened.driver.skip_to(&position).map_err(|e: DriveError| e.to_string())?;
    Ok(logs)
}

/// Whether the journal has the mark of this very state: a snapshot of another course of things, or one whose event is no longer whole in
/// the journal, is not gone on from.
fn marked(folder: &RunFolder, seq: u64, digest: u128) -> Result<(), String> {
    let mut reader = store::journal::Reader::open(&folder.journal()).map_err(|e| e.to_string())?;
    reader.seek(seq).map_err(|e| e.to_string())?;
    while let Some(record) = reader.next().map_err(|e| e.to_string())?.filter(|record| record.seq == seq) {
        if record.kind == Kind::Mark && Mark::take(&mut Reader::new(record.body)).is_ok_and(|m| m.digest == digest) {
            return Ok(());
        }
    }
    Err("the journal has no mark of it".into())
}

fn snapshot_writer(folder: &RunFolder) -> Result<SnapshotWriter, CommandError> {
    SnapshotWriter::open(&folder.snapshots(), STATE_VERSION, env!("CARGO_PKG_VERSION")).map_err(CommandError::failed)
}

fn journal_options(settings: &RunSettings) -> Options {
    let journal = &settings.journal;
    Options {
        roll_bytes: journal.segment_bytes,
        sync_every: (journal.sync_ms > 0).then(|| Duration::from_millis(journal.sync_ms)),
        ..Options::default()
    }
}

fn is_strict(settings: &RunSettings) -> bool {
    settings.journal.durability == Durability::Strict
}

fn cadence(settings: &RunSettings) -> Cadence {
    let journal = &settings.journal;
    Cadence { events: journal.snapshot_every_events, every: Duration::from_secs(journal.snapshot_every_s) }
}

/// Begins to record a new run: its first record is on the disk when this returns.
///
/// # Errors
/// If the folder cannot be written.
pub fn begin(folder: &RunFolder, opened: &mut Opened) -> Result<Saving, CommandError> {
    // A start that was interrupted before its first record leaves an empty journal behind.
    let (mut journal, found) =
        Writer::resume(&folder.journal(), journal_options(&opened.settings)).map_err(CommandError::failed)?;
    if found.records > 0 {
        return Err(CommandError::usage(FolderError::Taken(folder.path().to_owned())));
    }
    let body = serde_json::to_vec(&opened.start).map_err(CommandError::failed)?;
    journal.keep_copies(crate::audit::is_audited);
    journal.append(0, Kind::Start, BODY_VERSION, |out| out.extend_from_slice(&body));
    journal.commit().map_err(CommandError::failed)?;
    opened.plan.session.put_on_tape(Tape::writing(Then { journal, strict: is_strict(&opened.settings) }));
    let logs = SideLogs::create(&folder.records()).map_err(CommandError::failed)?;
    let snapshots = snapshot_writer(folder)?;
    folder.sync().map_err(CommandError::failed)?;
    Ok(Saving::new(snapshots, logs, cadence(&opened.settings), 0))
}

/// A run that goes on.
pub struct Resumed {
    /// The run, at the snapshot.
    pub opened: Opened,
    /// Its snapshots.
    pub saving: Saving,
    /// How it goes on.
    pub recovery: Recovery,
}

/// Goes on with a run: its journal is cut where it had broken off, the newest usable snapshot is loaded, and the tail of the record is on
/// the tape to be held against.
///
/// # Errors
/// As [`open`], and [`store::journal::JournalError`] for a journal that must not be gone on with.
pub fn resume(folder: &RunFolder, start: Start, data: &[PathBuf]) -> Result<Resumed, CommandError> {
    let settings = RunSettings::from_json(&start.config.to_string()).map_err(CommandError::failed)?;
    let (mut journal, recovered) =
        Writer::resume(&folder.journal(), journal_options(&settings)).map_err(CommandError::failed)?;
    let last = recovered.last_seq.unwrap_or(0);
    let mut opened = open(folder, start, data, At::NotAfter(last), true)?;
    opened.resumed = true;
    let recovery = recovery_of(&opened, &recovered);
    let body = serde_json::to_vec(&recovery).map_err(CommandError::failed)?;
    journal.append(last, Kind::Recovery, BODY_VERSION, |out| out.extend_from_slice(&body));
    journal.commit().map_err(CommandError::failed)?;
    let record = Cursor::after(&folder.journal(), opened.snapshot_seq).map_err(CommandError::failed)?;
    let then = Then { journal, strict: is_strict(&opened.settings) };
    opened.plan.session.put_on_tape(Tape::following(record, Some(then), false));
    let logs = match opened.logs.take() {
        Some(logs) => logs,
        None => SideLogs::create(&folder.records()).map_err(CommandError::failed)?,
    };
    // A snapshot of what the journal no longer reaches would be of another course of things.
    SnapshotFolder::new(&folder.snapshots(), STATE_VERSION).remove_after(last).map_err(CommandError::failed)?;
    let saving = Saving::new(snapshot_writer(folder)?, logs, cadence(&opened.settings), opened.snapshot_seq);
    Ok(Resumed { opened, saving, recovery })
}

fn recovery_of(opened: &Opened, recovered: &Recovered) -> Recovery {
    let last = recovered.last_seq.unwrap_or(0);
    Recovery {
        snapshot_seq: opened.snapshot_seq,
        tail_events: last - opened.snapshot_seq,
        resumed_at: last + 1,
        torn_bytes: recovered.torn_bytes + recovered.damaged_bytes,
        unusable: opened.unusable.clone(),
    }
}

impl Opened {
    /// Plays the run from where it stands to its end, or to where it stops.
    ///
    /// # Errors
    /// As the driver.
    pub fn play(&mut self, keep: &mut Keep<'_>) -> Result<(), DriveError> {
        self.begin()?;
        self.driver.run(&mut self.plan.session, &mut self.plan.recorder, keep)
    }

    /// Goes from the beginning to the newest usable snapshot that was taken after this event or an earlier one; stays where there is none.
    fn stand_at(&mut self, folder: &RunFolder, latest: u64, go_on: bool) -> Result<(), CommandError> {
        let snapshots = SnapshotFolder::new(&folder.snapshots(), STATE_VERSION);
        let mut latest = latest;
        loop {
            // From the newest to the oldest: one that cannot be used is named and passed over.
            let (snapshot, passed_over) = snapshots.newest_valid(latest).map_err(CommandError::failed)?;
            for entry in passed_over {
                let reason = entry.unusable.map_or_else(String::new, |reason| reason.to_string());
                self.unusable.push(format!("{}: {reason}", entry.path.display()));
            }
            let Some(snapshot) = snapshot else { return Ok(()) };
            match load(folder, self, &snapshot, go_on) {
                Ok(logs) => {
                    self.snapshot_seq = snapshot.seq;
                    self.logs = go_on.then_some(logs);
                    return Ok(());
                }
                Err(reason) => {
                    self.unusable.push(format!("snapshot after event {}: {reason}", snapshot.seq));
                    (self.plan, self.driver) = stage(&self.config, &self.series, &self.findings)?;
                    latest = snapshot.seq.saturating_sub(1);
                }
            }
        }
    }

    /// Makes the same run ready once more, at the newest usable snapshot that was taken after this event or an earlier one.
    ///
    /// # Errors
    /// As [`open`]; that the inputs are the recorded ones was seen when it was opened.
    pub fn again(&mut self, folder: &RunFolder, latest: u64) -> Result<(), CommandError> {
        (self.plan, self.driver) = stage(&self.config, &self.series, &self.findings)?;
        self.snapshot_seq = 0;
        self.stand_at(folder, latest, false)
    }

    /// Plays what begins a run, unless it stands at a snapshot.
    ///
    /// # Errors
    /// As the session.
    pub fn begin(&mut self) -> Result<(), DriveError> {
        if self.snapshot_seq > 0 {
            return Ok(());
        }
        let Some(first) = self.driver.first() else { return Ok(()) };
        let mut begin = self.plan.begin();
        begin(&mut self.plan.session, first, &mut self.plan.recorder)?;
        Ok(())
    }
}
