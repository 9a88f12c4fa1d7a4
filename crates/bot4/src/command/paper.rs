//! `bot4 paper`: the whole pipeline on simulated money, with the limits of live trading; runs without any configuration, is recorded, and
//! goes on after an interruption as if there had been none.

use super::backtest::{data_line, execute, no_row, rows_of, run_id, summarise};
use super::inputs::parse_time;
use super::progress::Bar;
use super::{CommandError, keys, write_out};
use crate::audit;
use crate::config::{PAPER, RunArgs, RunSettings, Value};
use crate::log::{self, trail};
use crate::query::follow::{Follower, WHEN_ENDED, WHEN_STOPPED};
use crate::report::{Course, Summary, write_files};
use crate::run_files;
use crate::runner::cursor::Cursor;
use crate::runner::drive::DriveError;
use crate::runner::keep::{Keep, Saving};
use crate::runner::pace::{Controls, Speed};
use crate::runner::recorded::{self, At, Opened, Resumed};
use crate::runner::recovery;
use crate::runner::retention;
use crate::runner::run_folder::{Contents, FolderError, RunFolder, Start};
use crate::runner::safety::Safety;
use crate::runner::session::SessionError;
use crate::runner::shutdown::{self, OnStop, Report, Shutdown, Watchdog};
use crate::runner::tape::{BODY_VERSION, Seal, Tape};
use crate::term;
use clap::Args;
use domain::codec::Stored;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use store::journal::Kind;
use store::lock::RunLock;

/// Options of a paper run.
#[derive(Args, Clone, Debug)]
pub struct PaperArgs {
    /// What is traded on what.
    #[command(flatten)]
    pub run: RunArgs,
    /// Pace: max (as fast as it goes), or seconds of the market per second: 1x is true time, 60x a minute a second.
    #[arg(long, value_name = "max|Nx", default_value = "max")]
    pub speed: String,
    /// Plays as fast as it goes up to this time, and at the pace from there.
    #[arg(long, value_name = "TIME")]
    pub seek: Option<String>,
    /// Whether the run is recorded: on (the default) or off. Without a journal nothing can be resumed, replayed or explained.
    #[arg(long, value_name = "on|off")]
    pub journal: Option<String>,
    /// Goes on with the run in this folder; a run that never began starts afresh there.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "journal"])]
    pub resume: Option<PathBuf>,
    /// What becomes of resting orders and positions when the run is stopped: keep (the market of recorded data waits, and a resume goes on as
    /// if nothing had been), cancel (no new risk, entries off, stops stay), or flatten (as a kill with --flatten).
    #[arg(long, value_name = "keep|cancel|flatten", default_value = "keep", hide_possible_values = true)]
    pub on_stop: OnStop,
}

/// How a run is played, beside what is recorded of it.
struct Manner<'a> {
    json: bool,
    on_stop: OnStop,
    controls: &'a Controls,
    stop: &'a Arc<AtomicBool>,
}

/// Runs the command: on the bundled minutes of BTC and ETH if no data is named, into `runs/<id>` if no folder is.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &PaperArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let controls = controls(&args.speed, args.seek.as_deref())?;
    hear(&controls);
    match &args.resume {
        Some(folder) => go_on(args, folder, &controls, stop),
        None => start(args, &controls, stop),
    }
}

/// Pace and skipping as asked for.
///
/// # Errors
/// Usage, naming the option.
pub(super) fn controls(speed: &str, seek: Option<&str>) -> Result<Arc<Controls>, CommandError> {
    let Some(parsed) = Speed::parse(speed) else {
        return Err(CommandError::usage(format!("--speed {speed}: expected max or a multiple such as 1x or 60x")));
    };
    let ahead = seek.map(|text| parse_time("--seek", text)).transpose()?;
    Ok(Arc::new(Controls::new(parsed, ahead)))
}

/// Listens to the user where market time is held to the clock: at full speed there is nothing to say.
pub(super) fn hear(controls: &Arc<Controls>) {
    if controls.speed() != Speed::Max {
        if std::io::stdin().is_terminal() {
            eprintln!("{}", keys::HELP);
        }
        keys::listen(controls);
    }
}

fn start(args: &PaperArgs, controls: &Controls, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let resolved = args.run.resolve(&PAPER)?;
    // What cannot be is said before anything is put anywhere.
    resolved.configure(&PAPER)?;
    let mut settings = resolved.settings.clone();
    match args.journal.as_deref() {
        None => {}
        Some("on") => settings.journal.enabled = true,
        Some("off") => settings.journal.enabled = false,
        Some(other) => return Err(CommandError::usage(format!("--journal {other}: expected on or off"))),
    }
    let path = args.run.out.clone().unwrap_or_else(|| settings.paths.runs().join(run_id()));
    let folder = RunFolder::at(&path);
    // Before anything is put into a folder that may be somebody else's.
    if settings.journal.enabled
        && let Err(error) = folder.contents()
    {
        return Err(CommandError::failed(error));
    }
    let lock = folder.lock().map_err(CommandError::failed)?;
    match folder.contents() {
        Ok(Contents::Nothing) => {}
        Ok(Contents::Run(_)) => return Err(CommandError::usage(FolderError::Taken(path))),
        // Without a journal a result is written over an older one, as a backtest does.
        Err(FolderError::NoRun(_) | FolderError::Lost { .. }) if !settings.journal.enabled => {}
        Err(error) => return Err(CommandError::failed(error)),
    }
    if !settings.journal.enabled {
        let mut run = args.run.clone();
        run.out = Some(path);
        return execute(&run, &PAPER, controls, stop);
    }
    let manner = Manner { json: args.run.json, on_stop: args.on_stop, controls, stop };
    begin(&folder, settings, false, lock, &manner).map_err(|error| resolved.placed(error))
}

fn begin(
    folder: &RunFolder,
    settings: RunSettings,
    afresh: bool,
    lock: RunLock,
    manner: &Manner<'_>,
) -> Result<(), CommandError> {
    let mut opened = recorded::prepare(settings, &PAPER)?;
    let _log = log::start(&opened.settings.log, Some(folder.path()))?;
    tracing::info!(build = opened.start.build.version.as_str(), afresh, "run begins");
    opened.start.afresh = afresh;
    let saving = recorded::begin(folder, &mut opened)?;
    play(folder, opened, saving, lock, manner)
}

/// Goes on with the run in a folder.
fn go_on(args: &PaperArgs, path: &Path, controls: &Controls, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let folder = RunFolder::at(path);
    // A finished run is only read: its folder may be on a full or read-only disk.
    if let Ok(Contents::Run(start)) = folder.contents()
        && let Some(seal) = folder.seal().map_err(CommandError::failed)?
    {
        keeps_its_configuration(&args.run, &start.config)?;
        return show_again(&folder, *start, &seal, args, stop);
    }
    // Before anything is put into a folder that may be somebody else's.
    folder.contents().map_err(CommandError::failed)?;
    let lock = folder.lock().map_err(CommandError::failed)?;
    let manner = Manner { json: args.run.json, on_stop: args.on_stop, controls, stop };
    let start = match folder.contents() {
        Ok(Contents::Run(start)) => start,
        // Nothing was ever recorded: there is nothing to go on with, and nothing to lose.
        Ok(Contents::Nothing) => {
            let settings = args.run.resolve(&PAPER)?.settings;
            return begin(&folder, settings, true, lock, &manner);
        }
        Err(error) => return Err(CommandError::failed(error)),
    };
    keeps_its_configuration(&args.run, &start.config)?;
    let Resumed { opened, saving, recovery } = recorded::resume(&folder, *start, &args.run.data.data)?;
    audit::bring_up_to_date(&folder, None);
    expire(&folder, &opened);
    let mut levels = opened.settings.log.clone();
    if let Some(level) = &args.run.log {
        levels.level.clone_from(level);
    }
    let _log = log::start(&levels, Some(folder.path()))?;
    trail::recovery(recovery.snapshot_seq, recovery.tail_events, recovery.resumed_at);
    for reason in &recovery.unusable {
        eprintln!("bot4: not used: {reason}");
    }
    if recovery.torn_bytes > 0 {
        eprintln!("bot4: {} bytes of a record that had broken off were cut from the journal", recovery.torn_bytes);
    }
    if !args.run.json {
        eprintln!(
            "resuming after event {}: snapshot of event {}, {} events of the record to be held against",
            recovery.resumed_at - 1,
            recovery.snapshot_seq,
            recovery.tail_events
        );
    }
    play(&folder, opened, saving, lock, &manner)
}

/// A run that goes on is what it was: options that say something else are refused, those that say the same change nothing.
fn keeps_its_configuration(args: &RunArgs, recorded: &serde_json::Value) -> Result<(), CommandError> {
    let mut args = args.clone();
    args.data.data.clear();
    args.log = None;
    let layer = args.layer().map_err(CommandError::usage)?;
    let same = |key: &str, said: &Value| {
        let held = key.split('.').fold(recorded, |at, part| &at[part]);
        match said {
            Value::Text(text) => held == text,
            Value::List(list) => held
                .as_array()
                .is_some_and(|held| held.len() == list.len() && held.iter().zip(list).all(|(h, s)| h == s)),
            _ => false,
        }
    };
    match layer.iter().find(|(key, said)| !same(key, said)) {
        None => Ok(()),
        Some((key, _)) => Err(CommandError::usage(format!(
            "--resume: {key} cannot be changed: a run goes on with the configuration that it began with (only --data, --speed, --seek and \
             --json may be given)"
        ))),
    }
}

/// Prints the result of a finished run once more. A result that is not whole, or not of this run, is made again from the record.
fn show_again(
    folder: &RunFolder,
    start: Start,
    seal: &Seal,
    args: &PaperArgs,
    stop: &Arc<AtomicBool>,
) -> Result<(), CommandError> {
    audit::complete(folder);
    let json = args.run.json;
    let Some(summary) = whole_result(folder, seal) else {
        let _lock = folder.lock().map_err(CommandError::failed)?;
        return make_again(folder, start, args, stop);
    };
    if json {
        // Line ends of the file are between values only.
        return write_out(&(summary.lines().map(str::trim_start).collect::<String>() + "\n"));
    }
    let table = std::fs::read_to_string(folder.path().join("summary.txt")).map_err(CommandError::failed)?;
    term::print(&format!("{table}files in {}\n", folder.path().display())).map_err(CommandError::failed)
}

/// `summary.json` of a finished run, if all files of the result are there and it says what the seal says.
fn whole_result(folder: &RunFolder, seal: &Seal) -> Option<String> {
    let all = run_files::RESULT.iter().all(|name| folder.path().join(name).is_file());
    let text = std::fs::read_to_string(folder.path().join("summary.json")).ok().filter(|_| all)?;
    let value: serde_json::Value = serde_json::from_str(&text).ok()?;
    let digests = [("digest", seal.digest), ("state_digest", seal.state_digest)];
    digests.iter().all(|(key, sealed)| value[*key] == format!("{sealed:032x}")).then_some(text)
}

/// Makes the files of a finished run again: from the newest snapshot to the end of the record.
fn make_again(folder: &RunFolder, start: Start, args: &PaperArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let mut opened = recorded::open(folder, start, &args.run.data.data, At::NotAfter(u64::MAX), false)?;
    opened.resumed = true;
    let record = Cursor::after(&folder.journal(), opened.snapshot_seq).map_err(CommandError::failed)?;
    opened.plan.session.put_on_tape(Tape::following(record, None, false));
    let mut bar = Bar::new(rows_of(&opened.series), args.run.json);
    let mut warn = |text: &str| eprintln!("bot4: {text}");
    let controls = Controls::new(Speed::Max, None);
    let driven = opened.play(&mut Keep::new(&mut bar, stop, &controls, None, &mut warn));
    bar.finish();
    match driven {
        Ok(()) => {}
        Err(DriveError::Interrupted) => return Err(crate::signals::stopped("nothing was written")),
        Err(other) => return Err(CommandError::failed(other)),
    }
    if let Some(difference) = opened.plan.session.tape.compared().difference {
        eprintln!("bot4: this build decides otherwise than the record {difference}; the record stands");
    }
    let summary = result_of(folder, &mut opened, None)?;
    write_files(folder.path(), &summary, &opened.plan.recorder).map_err(CommandError::failed)?;
    print(&summary, args.run.json, Some(folder.path()))
}

/// Drives a recorded run to its end, or to where it is stopped, with the query store following it. The lock of its folder is held until
/// then.
fn play(
    folder: &RunFolder,
    opened: Opened,
    saving: Saving,
    lock: RunLock,
    manner: &Manner<'_>,
) -> Result<(), CommandError> {
    let mut follower = Follower::of(folder, &opened.settings);
    let journal = folder.journal();
    let ending = Shutdown::new(manner.on_stop, opened.resumed.then_some(journal.as_path()));
    // Over all that a stop may wait for, the query store too.
    let _watchdog = Watchdog::start(manner.stop, ending.steps().counter());
    let result = play_on(folder, opened, saving, (lock, ending), manner, &mut follower);
    // A run that did not come to its end has not told of it yet.
    follower.map(|follower| follower.finish(WHEN_STOPPED)).iter().for_each(|followed| followed.tell(folder));
    result
}

fn play_on(
    folder: &RunFolder,
    mut opened: Opened,
    mut saving: Saving,
    (lock, mut ending): (RunLock, Shutdown),
    manner: &Manner<'_>,
    follower: &mut Option<Follower>,
) -> Result<(), CommandError> {
    let json = manner.json;
    let mut bar = Bar::new(rows_of(&opened.series), json);
    let mut warn = |text: &str| eprintln!("bot4: {text}");
    let settings = opened.settings.clone();
    let mut safety = Safety::begin(&settings, Some(folder.path()), true, &mut opened.plan.session, &mut warn)
        .map_err(CommandError::failed)?;
    // The list of an earlier stop is no longer what is open.
    drop(std::fs::remove_file(folder.path().join(shutdown::FILE)));
    // Told in the log when it is over, with its time.
    let driving = tracing::info_span!("drive", seq = opened.plan.session.seq()).entered();
    let mut keep = Keep::new(&mut bar, manner.stop, manner.controls, Some(&mut saving), &mut warn)
        .hearing(&mut safety)
        .ending_by(&mut ending);
    let driven = opened.play(&mut keep);
    drop(driving);
    bar.finish();
    let session = &mut opened.plan.session;
    let resume = format!("go on with `bot4 paper --resume {}`", folder.path().display());
    let compared = session.tape.compared();
    let interrupted = matches!(driven, Err(DriveError::Interrupted));
    if interrupted && session.tape.follows() {
        return Err(crate::signals::stopped(&format!(
            "stopped while the end of the record was played again; {resume}"
        )));
    }
    if let Some(difference) = &compared.difference {
        eprintln!("bot4: this build decides otherwise than the record {difference}; the record stands");
    }
    if interrupted {
        // The engine is silent from here on; what holds folder and gate is let go last.
        let report = ending.finish(folder, session, || drop((safety, lock)));
        return stopped(&report, json, &resume);
    }
    // The engine is silent from here on, and nothing leaves any more.
    drop(safety);
    saving.finish();
    let Some(journal) = session.tape.journal() else {
        let next = compared.next.map_or_else(String::new, |(seq, kind)| format!(": next is {kind:?} of event {seq}"));
        let why = compared.unreadable.map_or_else(
            || format!("the record of this run cannot be followed to its end{next}"),
            |error| error.to_string(),
        );
        return Err(CommandError::failed(format!("{why}; nothing was changed, the record stands")));
    };
    if let Some(error) = journal.failed() {
        return Err(CommandError::failed(format!("{error}; after that no new risk was taken; {resume}")));
    }
    if let Err(other) = driven {
        close(folder, session)?;
        return Err(CommandError::failed(other));
    }
    let result = finish(folder, opened, &saving, json, follower);
    drop(lock);
    result
}

/// Tells how a run was stopped. A step that is not as it should be makes the exit code say so.
fn stopped(report: &Report, json: bool, resume: &str) -> Result<(), CommandError> {
    if json {
        write_out(&(serde_json::to_string(report).map_err(CommandError::failed)? + "\n"))?;
    } else {
        term::print(&report.text(term::width())).map_err(CommandError::failed)?;
    }
    let at = format!("stopped after event {}", report.event);
    match report.complaint() {
        None => Err(crate::signals::stopped(&format!("{at}; {}; {resume}", report.left.summary()))),
        Some(wrong) => Err(CommandError::failed(format!("{at}, and not in order: {wrong}; {resume}"))),
    }
}

fn close(folder: &RunFolder, session: &mut crate::runner::session::Session) -> Result<(), CommandError> {
    let Some(mut journal) = session.tape.take_journal() else { return Ok(()) };
    let copies = journal.take_copies();
    journal.close().map_err(CommandError::failed)?;
    audit::bring_up_to_date(folder, copies.as_ref());
    Ok(())
}

/// Seals the journal, writes the result, and prints it. In this order: a run is complete when its record is, and the result can be made
/// again from it.
fn finish(
    folder: &RunFolder,
    mut opened: Opened,
    saving: &Saving,
    json: bool,
    follower: &mut Option<Follower>,
) -> Result<(), CommandError> {
    let mut summary = match result_of(folder, &mut opened, Some(saving)) {
        Ok(summary) => summary,
        Err(error) => {
            close(folder, &mut opened.plan.session)?;
            return Err(error);
        }
    };
    seal(folder, &mut opened)?;
    write_files(folder.path(), &summary, &opened.plan.recorder).map_err(|error| {
        let shown = folder.path().display();
        CommandError::failed(format!("{error}; the run is complete, `bot4 paper --resume {shown}` writes its result"))
    })?;
    expire(folder, &opened);
    summary.course.query = follower.take().map(|follower| follower.finish(WHEN_ENDED));
    summary.course.query.iter().for_each(|followed| followed.tell(folder));
    print(&summary, json, Some(folder.path()))
}

/// The result of a run that was driven to its end.
fn result_of(folder: &RunFolder, opened: &mut Opened, saving: Option<&Saving>) -> Result<Summary, CommandError> {
    opened.plan.recorder.equity.finish();
    let driven = *opened.driver.driven();
    let findings = opened.findings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    if driven.events == 0 {
        return Err(no_row(&opened.settings.data, &opened.series, &findings));
    }
    let course = Course {
        recoveries: match opened.resumed {
            true => recovery::recorded(&folder.journal()).map_err(CommandError::failed)?,
            false => Vec::new(),
        },
        started_afresh: opened.start.afresh,
        inputs: opened.start.inputs.clone(),
        config: Some(opened.start.config.clone()),
        build: Some(opened.start.build.clone()),
        query: None,
        snapshots: saving.map_or(0, |saving| saving.taken),
        snapshot_held_us_max: saving.map_or(0.0, |saving| saving.held_max.as_secs_f64() * 1e6),
    };
    let mut summary = summarise(&opened.plan, &driven, &opened.config, PAPER.run, data_line(&findings));
    summary.course = course;
    Ok(summary)
}

/// Removes what may expire. A failure is told and loses nothing.
fn expire(folder: &RunFolder, opened: &Opened) {
    let (days, reached) = (opened.settings.journal.retention_days, opened.driver.reached());
    if let Err(error) = retention::apply(folder, days, reached) {
        eprintln!("bot4: {error}");
    }
}

fn seal(folder: &RunFolder, opened: &mut Opened) -> Result<(), CommandError> {
    let session = &mut opened.plan.session;
    let body = Seal {
        digest: session.engine.digest().value(),
        state_digest: session.state_digest().value(),
        rows: opened.driver.driven().events,
    };
    let seq = session.seq();
    let Some(mut journal) = session.tape.take_journal() else { return Ok(()) };
    let mut copies = journal.take_copies();
    journal.seal(seq, BODY_VERSION, |out| body.put(out)).map_err(CommandError::failed)?;
    if let Some(copies) = &mut copies {
        copies.push_last(seq, Kind::Seal, BODY_VERSION, &domain::codec::to_bytes(&body));
    }
    audit::bring_up_to_date(folder, copies.as_ref());
    Ok(())
}

/// Prints a result on standard output.
pub(super) fn print(summary: &Summary, json: bool, folder: Option<&Path>) -> Result<(), CommandError> {
    if json {
        return write_out(&(serde_json::to_string(summary).map_err(CommandError::failed)? + "\n"));
    }
    let files = folder.map_or_else(String::new, |folder| format!("files in {}\n", folder.display()));
    term::print(&(summary.styled(term::width()) + &files)).map_err(CommandError::failed)
}

/// Whether a drive ended where it was asked to.
#[must_use]
pub(super) fn reached(driven: &Result<(), DriveError>) -> bool {
    matches!(driven, Ok(()) | Err(DriveError::Session(SessionError::Reached)))
}
