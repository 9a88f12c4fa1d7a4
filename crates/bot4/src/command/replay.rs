//! `bot4 replay`: plays a recorded run again from its inputs, and with `--verify` holds every decision against the record.
//!
//! Nothing that was stored is believed: strategies, risk, orders, venue and ledger decide again, and each event and command is compared,
//! byte for byte, with the one recorded. Where this build decides otherwise the record stands: a replay goes on with what was recorded and
//! says where it differs first, a verification ends there. Nothing in the folder is changed.

use super::CommandError;
use super::backtest::{data_line, rows_of, summarise};
use super::paper::{controls, hear, reached};
use super::progress::Bar;
use crate::report::Summary;
use crate::runner::cursor::Cursor;
use crate::runner::drive::DriveError;
use crate::runner::keep::Keep;
use crate::runner::pace::Controls;
use crate::runner::recorded::{self, At, Opened};
use crate::runner::run_folder::{Contents, FolderError, RunFolder, Start};
use crate::runner::tape::{Difference, Seal, Tape};
use clap::Args;
use domain::codec::{Reader, Stored};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use store::journal::{End, Kind};

/// Options of a replay.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// Folder of the run.
    pub run: PathBuf,
    /// Decides everything again and compares it with the record; exit code 1 at the first difference.
    #[arg(long)]
    pub verify: bool,
    /// Stops after the event of this number (they count from 1), and shows the state there.
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    pub until: Option<u64>,
    /// Pace: max (as fast as it goes), or seconds of the market per second: 1x is true time, 60x a minute a second.
    #[arg(long, value_name = "max|Nx", default_value = "max")]
    pub speed: String,
    /// Plays as fast as it goes up to this time, and at the pace from there.
    #[arg(long, value_name = "TIME")]
    pub seek: Option<String>,
    /// Where the files that the run reads are now, if they were moved; their contents must be the same.
    #[arg(long = "data", value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// What a replay has shown.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// The folder.
    pub run: PathBuf,
    /// Whether everything was as recorded, to the end of the record or to the event asked for.
    pub equal: bool,
    /// Whether the run is complete: its journal is sealed.
    pub complete: bool,
    /// Events that were given to the engine.
    pub events: u64,
    /// Records that were equal.
    pub records: u64,
    /// The first difference.
    pub difference: Option<Found>,
    /// What else is wrong with the journal.
    pub problems: Vec<String>,
    /// Bytes of a record that had broken off at the end.
    pub torn_bytes: u64,
    /// Fingerprint of all inputs and decisions.
    pub digest: String,
    /// Fingerprint of the state of engine and venue.
    pub state_digest: String,
    /// The build that began the run.
    pub recorded_by: String,
    /// This build.
    pub replayed_by: String,
    /// Seconds of the replay, reading included.
    pub seconds: f64,
    /// Market rows per second.
    pub rows_per_s: f64,
    /// The account as it is where the replay ended.
    pub summary: Option<Box<Summary>>,
}

/// A difference, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    /// Number of the event.
    pub seq: u64,
    /// Engine time in milliseconds since 1970 UTC.
    pub ts: i64,
    /// What was recorded; null where this build says more.
    pub recorded: Option<String>,
    /// What this build says; null where it says less.
    pub decided: Option<String>,
}

impl From<&Difference> for Found {
    fn from(d: &Difference) -> Self {
        Self { seq: d.seq, ts: d.ts.as_millis(), recorded: d.recorded.clone(), decided: d.decided.clone() }
    }
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code; a difference found by `--verify` is a failure.
pub fn run(args: &ReplayArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let controls = controls(&args.speed, args.seek.as_deref())?;
    hear(&controls);
    let folder = RunFolder::at(&args.run);
    let start = recorded_start(&folder)?;
    let replayed = replay(&folder, start, args, &controls, stop)?;
    let text = if args.json {
        serde_json::to_string(&replayed).map_err(CommandError::failed)? + "\n"
    } else {
        replayed.text(args.verify)
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed)?;
    if args.verify && !replayed.equal {
        return Err(CommandError::failed(format!("{}: not as recorded", args.run.display())));
    }
    Ok(())
}

/// The first record of the run in a folder.
///
/// # Errors
/// If there is none.
pub(super) fn recorded_start(folder: &RunFolder) -> Result<Start, CommandError> {
    match folder.contents().map_err(CommandError::failed)? {
        Contents::Run(start) => Ok(*start),
        Contents::Nothing => Err(CommandError::failed(FolderError::NoRun(folder.path().to_owned()))),
    }
}

/// Decides a whole recorded run again and compares it with its record.
///
/// # Errors
/// If the folder holds no run, or the run cannot be played again.
pub fn verify(folder: &RunFolder) -> Result<Replayed, CommandError> {
    let args = ReplayArgs {
        run: folder.path().to_owned(),
        verify: true,
        until: None,
        speed: "max".into(),
        seek: None,
        data: Vec::new(),
        json: true,
    };
    let never = Arc::new(AtomicBool::new(false));
    let controls = controls("max", None)?;
    replay(folder, recorded_start(folder)?, &args, &controls, &never)
}

fn replay(
    folder: &RunFolder,
    start: Start,
    args: &ReplayArgs,
    controls: &Controls,
    stop: &Arc<AtomicBool>,
) -> Result<Replayed, CommandError> {
    let recorded_by = start.build.to_string();
    let mut opened = recorded::open(folder, start, &args.data, At::Beginning, false)?;
    let record = Cursor::after(&folder.journal(), 0).map_err(CommandError::failed)?;
    let session = &mut opened.plan.session;
    session.put_on_tape(Tape::following(record, None, args.verify));
    if let Some(seq) = args.until {
        session.stop_after(seq);
    }
    let began = Instant::now();
    let mut bar = Bar::new(rows_of(&opened.series), args.json);
    let mut warn = |text: &str| eprintln!("bot4: {text}");
    let driven = opened.play(&mut Keep::new(&mut bar, stop, controls, None, &mut warn));
    bar.finish();
    let seconds = began.elapsed().as_secs_f64();
    if matches!(driven, Err(DriveError::Interrupted)) {
        return Err(crate::signals::stopped(""));
    }
    if !reached(&driven) {
        driven.map_err(CommandError::failed)?;
        return Err(CommandError::failed("the replay ended early"));
    }
    let whole = driven.is_ok();
    let session = &opened.plan.session;
    let compared = session.tape.compared();
    let mut replayed = Replayed {
        run: folder.path().to_owned(),
        equal: true,
        complete: false,
        events: session.seq(),
        records: compared.records,
        difference: compared.difference.as_ref().map(Found::from),
        problems: Vec::new(),
        torn_bytes: 0,
        digest: session.engine.digest().to_string(),
        state_digest: session.state_digest().to_string(),
        recorded_by,
        replayed_by: crate::runner::run_folder::Build::current().to_string(),
        seconds,
        rows_per_s: opened.driver.driven().events as f64 / seconds.max(1e-9),
        summary: None,
    };
    replayed.judge(&mut opened, whole, args.until);
    if args.verify && args.until.is_none() && replayed.difference.is_none() && folder.audit().is_dir() {
        // The audit log is a projection of the same journal: every byte of it is looked at too.
        match crate::audit::findings(folder) {
            Ok(findings) => replayed.problems.extend(findings),
            Err(error) => replayed.problems.push(error.to_string()),
        }
        replayed.equal = replayed.problems.is_empty();
    }
    if !args.verify && replayed.events > 0 {
        replayed.summary = Some(Box::new(summary(&opened)));
    }
    Ok(replayed)
}

fn summary(opened: &Opened) -> Summary {
    let findings = opened.findings.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    summarise(&opened.plan, opened.driver.driven(), &opened.config, "replay", data_line(&findings))
}

impl Replayed {
    /// Looks at what the comparison has shown, and at the end of the record.
    fn judge(&mut self, opened: &mut Opened, whole: bool, until: Option<u64>) {
        let stopped_before_the_end = until.is_some_and(|seq| self.events >= seq);
        match opened.plan.session.tape.rest() {
            // The whole run was played: what is left must be the seal, with these digests.
            Some((seq, Kind::Seal, body)) if whole => {
                self.complete = true;
                self.check_seal(seq, &body, opened.driver.driven().events);
            }
            Some((seq, kind, _)) if whole && self.difference.is_none() => {
                self.problems.push(format!("the record goes on with {kind:?} of event {seq}, and the run has ended"));
            }
            Some((_, Kind::Seal, _)) => self.complete = true,
            _ => {}
        }
        let end = opened.plan.session.tape.end_of_journal();
        // Known only now: what is wrong may stand behind the last record.
        if let Some(error) = opened.plan.session.tape.compared().unreadable {
            self.problems.push(error.to_string());
        }
        self.complete |= matches!(end, Some(End::Sealed { .. }));
        if !self.complete && has_result(&self.run) {
            // The seal comes before the result: a result without a seal has lost the end of its record.
            self.problems
                .push("summary.json is there and the record has no seal: the end of the journal is missing".into());
        }
        match end {
            Some(End::Torn { bytes, .. }) => self.torn_bytes = bytes,
            Some(End::Damaged { path, offset, bytes, what }) => self
                .problems
                .push(format!("{}: the last {bytes} bytes, from byte {offset}, are no record: {what}", path.display())),
            Some(End::Sealed { .. } | End::Open) | None => {}
        }
        if !stopped_before_the_end && self.difference.is_none() {
            for stranger in opened.plan.session.tape.strangers() {
                // A crash leaves unfinished files behind, which hold nothing of the run and which the next resume removes.
                if stranger.extension().is_some_and(|e| e == "part") {
                    continue;
                }
                self.problems.push(format!("{}: no part of the journal", stranger.display()));
            }
        }
        self.equal = self.difference.is_none() && self.problems.is_empty();
    }

    fn check_seal(&mut self, seq: u64, body: &[u8], rows: u64) {
        // Count and digest of the records, in front of this, were compared by reading the journal.
        let Ok(seal) = Seal::take(&mut Reader::new(body)) else {
            self.problems.push("the seal of the record cannot be read by this build".into());
            return;
        };
        let mut check = |what: &str, sealed: String, now: String| {
            if sealed != now {
                self.problems.push(format!("the seal has {what} {sealed}, the replay ends with {now}"));
            }
        };
        check("the last event", seq.to_string(), self.events.to_string());
        check("rows", seal.rows.to_string(), rows.to_string());
        check("digest", format!("{:032x}", seal.digest), self.digest.clone());
        check("state digest", format!("{:032x}", seal.state_digest), self.state_digest.clone());
    }

    /// For people.
    fn text(&self, verify: bool) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        if let Some(summary) = &self.summary {
            let _ = writeln!(text, "{}", summary.table());
        }
        let _ = writeln!(
            text,
            "{} events, {} records compared, {:.2} s ({:.1} million rows a second)",
            self.events,
            self.records,
            self.seconds,
            self.rows_per_s / 1e6
        );
        let _ = writeln!(text, "recorded by {}, replayed by {}", self.recorded_by, self.replayed_by);
        if let Some(d) = &self.difference {
            let none = "nothing".to_owned();
            let _ = writeln!(text, "\nFIRST DIFFERENCE at event {}; the record stands", d.seq);
            let _ = writeln!(text, "  recorded:   {}", d.recorded.as_ref().unwrap_or(&none));
            let _ = writeln!(text, "  this build: {}", d.decided.as_ref().unwrap_or(&none));
        }
        for problem in &self.problems {
            let _ = writeln!(text, "PROBLEM: {problem}");
        }
        if self.torn_bytes > 0 {
            let _ =
                writeln!(text, "the record breaks off: {} bytes of an unfinished record at its end", self.torn_bytes);
        }
        let state = if self.complete { "complete, sealed" } else { "not complete: no seal" };
        let verdict = match (self.equal, verify) {
            (true, true) => "verified: every event and every command is as recorded",
            (true, false) => "as recorded",
            (false, _) => "NOT as recorded",
        };
        let _ = writeln!(text, "{verdict} ({state})\ndigest {}", self.digest);
        text
    }
}

/// Whether a folder has the result of a run that ended.
fn has_result(run: &std::path::Path) -> bool {
    run.join("summary.json").exists()
}
