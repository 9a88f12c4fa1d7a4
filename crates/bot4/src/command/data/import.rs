//! `bot4 data import`: foreign files into a catalogue.

use super::KindCounts;
use crate::command::CommandError;
use crate::command::inputs::time_text;
use crate::command::progress::Count;
use crate::{signals, term};
use clap::Args;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use store::catalogue::{Catalogue, Conflict, Failed, Report};
use store::history::{BadRows, ColumnMap, Input};

/// Options of `bot4 data import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// Files or folders: Binance archives (zip, gz, csv), CSV with a header, freqtrade JSON and feather, Parquet.
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Folder of the catalogue; it is made if it is not there.
    #[arg(long, value_name = "CATALOGUE")]
    pub to: PathBuf,
    /// Venue of files that do not say theirs (binance_spot).
    #[arg(long, value_name = "NAME")]
    pub venue: Option<String>,
    /// Symbol of files that do not say theirs; of files with several, the ones that are wanted.
    #[arg(long, value_name = "LIST")]
    pub symbol: Option<String>,
    /// Length of the candles of files that do not say theirs (1m, 4h, 1d).
    #[arg(long, value_name = "LENGTH")]
    pub interval: Option<String>,
    /// Kind of data of files that do not say theirs: candles, trades, quotes or book.
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// Which column is what, by name or by number from 1: time=Date,open=O,high=H,low=L,close=C,volume=V.
    #[arg(long, value_name = "NAME=COLUMN,...", value_delimiter = ',')]
    pub map: Vec<String>,
    /// Rules of an instrument that is not known: generic:PRICEDECIMALS,QUANTITYDECIMALS.
    #[arg(long, value_name = "RULES")]
    pub instrument: Option<String>,
    /// Time of the first row of files without times (2021-01-01 or 2021-01-01T00:00:00Z).
    #[arg(long, value_name = "TIME")]
    pub start: Option<String>,
    /// Leaves bad rows out, counts and lists them, instead of refusing the file.
    #[arg(long)]
    pub skip_bad: bool,
    /// Rows that contradict what is in the catalogue take its place, instead of being refused.
    #[arg(long)]
    pub replace: bool,
    /// One JSON object on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What an import did, as JSON. Times are integer ms since 1970 UTC.
#[derive(Serialize)]
struct Outcome {
    catalogue: String,
    rows: u64,
    added: u64,
    duplicates: u64,
    conflicts: u64,
    replaced: u64,
    bad_rows: u64,
    bad_rows_by_kind: KindCounts,
    first_bad_rows: Vec<super::BadLine>,
    first_conflicts: Vec<ConflictLine>,
    /// Figures that were rounded to the decimals of a `generic` instrument.
    rounded: u64,
    /// Files that were read to their end.
    files: u64,
    /// Files of the catalogue that were written.
    files_written: u64,
    series: Vec<String>,
    seconds: f64,
    rows_per_s: f64,
    interrupted: bool,
    /// Why it ended before its end.
    error: Option<String>,
}

#[derive(Serialize)]
struct ConflictLine {
    series: String,
    ts: i64,
    file: String,
    held: String,
    new: String,
}

/// Runs the command.
///
/// # Errors
/// Usage for options; failure if a file cannot be used or contradicts what is there; interrupted if the user stops it.
pub fn run(args: &ImportArgs, stop: &AtomicBool) -> Result<(), CommandError> {
    let mut options = super::DataArgs {
        venue: args.venue.clone(),
        symbol: args.symbol.clone(),
        interval: args.interval.clone(),
        kind: args.kind.clone(),
        instrument: args.instrument.clone(),
        start: args.start.clone(),
        ..super::DataArgs::default()
    }
    .options()?;
    options.map = ColumnMap::parse(&args.map.join(",")).map_err(|e| CommandError::usage(format!("--map: {e}")))?;
    options.bad_rows = if args.skip_bad { BadRows::SkipAll } else { BadRows::Refuse };
    let inputs: Vec<Input> = args.paths.iter().map(|path| Input::from(path.as_path())).collect();
    let catalogue = Catalogue::at(&args.to);
    let started = Instant::now();
    let count = Count::new(args.json);
    let result = catalogue.import(&inputs, &options, args.replace, stop, &mut |step| count.at(step.rows, step.file));
    count.finish();
    let seconds = started.elapsed().as_secs_f64();
    let (report, error) = match result {
        Ok(report) => (report, None),
        Err(Failed { error, report }) => (*report, Some(error.to_string())),
    };
    let outcome = Outcome::new(args, &report, seconds, error.clone());
    let text = if args.json {
        serde_json::to_string(&outcome).map_err(CommandError::failed)? + "\n"
    } else if report.files > 0 || error.is_none() {
        outcome.table()
    } else {
        String::new()
    };
    if args.json {
        std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed)?;
    } else {
        term::print(&text).map_err(CommandError::failed)?;
    }
    if let Some(error) = error {
        let kept = match report.files {
            0 => "nothing was imported".to_owned(),
            1 => "1 file before it was imported and stays".to_owned(),
            n => format!("{n} files before it were imported and stay"),
        };
        let hint = if args.skip_bad { "" } else { " (--skip-bad leaves bad rows out)" };
        let hint = if error.contains(", line ") { hint } else { "" };
        return Err(CommandError::failed(format!("{error}{hint}; {kept}")));
    }
    if report.interrupted {
        return Err(signals::stopped(
            "files that were read to their end are in the catalogue; the same command goes on with the rest",
        ));
    }
    match report.conflicts {
        0 => Ok(()),
        n => Err(CommandError::failed(format!(
            "{n} {} what is in the catalogue and {} left out; --replace takes {} instead",
            if n == 1 { "row contradicts" } else { "rows contradict" },
            if n == 1 { "was" } else { "were" },
            if n == 1 { "it" } else { "them" },
        ))),
    }
}

impl Outcome {
    fn new(args: &ImportArgs, report: &Report, seconds: f64, error: Option<String>) -> Self {
        let title = |key: &store::catalogue::SeriesKey| format!("{} {} {}", key.venue, key.symbol, key.kind_name());
        Self {
            catalogue: args.to.display().to_string(),
            rows: report.rows,
            added: report.added,
            duplicates: report.duplicates,
            conflicts: report.conflicts,
            replaced: report.replaced,
            bad_rows: report.bad,
            bad_rows_by_kind: KindCounts::new(report.bad_kinds),
            first_bad_rows: report.bad_list.iter().map(super::BadLine::new).collect(),
            first_conflicts: report.conflict_list.iter().map(ConflictLine::new).collect(),
            rounded: report.rounded,
            files: report.files,
            files_written: report.written,
            series: report.series.iter().map(title).collect(),
            seconds,
            rows_per_s: if seconds > 0.0 { report.rows as f64 / seconds } else { 0.0 },
            interrupted: report.interrupted,
            error,
        }
    }

    fn table(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{}", self.catalogue);
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<16}{value}");
        };
        line("series", self.series.join(", "));
        line("rows", format!("{} in {}", self.rows, files_text(self.files)));
        line("added", format!("{}, {} written", self.added, files_text(self.files_written)));
        line("there already", self.duplicates.to_string());
        line("contradictions", self.conflicts.to_string());
        for c in &self.first_conflicts {
            let when = domain::UnixNanos::from_millis(c.ts).map_or_else(|| "-".into(), time_text);
            line("", format!("{} {when}: {} says {}; there is {}", c.series, c.file, c.new, c.held));
        }
        if self.replaced > 0 {
            line("replaced", self.replaced.to_string());
        }
        line("bad rows", self.bad_rows.to_string());
        for (kind, n) in self.bad_rows_by_kind.in_words().into_iter().filter(|(_, n)| *n > 0) {
            line("", format!("{n} {kind}"));
        }
        for bad in &self.first_bad_rows {
            line("", bad.to_string());
        }
        if self.rounded > 0 {
            line("rounded figures", self.rounded.to_string());
        }
        line("time", format!("{:.2} s, {:.2} million rows/s", self.seconds, self.rows_per_s / 1e6));
        text
    }
}

fn files_text(n: u64) -> String {
    if n == 1 { "1 file".into() } else { format!("{n} files") }
}

impl ConflictLine {
    fn new(conflict: &Conflict) -> Self {
        let Conflict { series, ts, file, held, new } = conflict.clone();
        Self { series, ts: ts.as_millis(), file, held, new }
    }
}
