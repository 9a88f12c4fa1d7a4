//! `bot4 data`: taking data in, listing, looking at and checking it. Here: `check`, what is missing, double, out of order or not credible.
//!
//! In:  files and folders, as every run reads them. Out: findings per series, as a table or one JSON object.
//! Rows are read and refused by the same reader that feeds a run, so that what is listed here is what a run would leave out; the rest of
//! the findings (outliers, candles that do not stand on their interval) come from `marketdata`'s check of the rows that passed.

pub mod bars;
pub mod chart;
pub mod import;
pub mod list;
pub mod page;
pub mod scenario;
pub mod show;
pub mod ticks;

use self::ticks::{TickCheck, TickReport};
use super::CommandError;
use super::inputs::{DataArgs, time_text};
use super::progress::Bar;
use crate::runner::drive::Progress as _;
use clap::{Args, Subcommand};
use domain::{InstrumentIdx, UnixNanos};
use marketdata::check::{CandleCheck, CheckConfig, Finding, FindingKind, OutlierRule};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::history::{BadKinds, BadRow, DataKind, Findings, HistoryError, Rows, Series, SeriesReader, interval_text};

/// `bot4 data`.
#[derive(Args, Clone, Debug)]
pub struct DataCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Looks for gaps, duplicates, disorder, contradictory prices, candles without volume, outliers and unreadable rows.
    ///
    /// Gaps, candles without volume and outliers happen on real venues: they are told and are no failure. Rows that no run can use are:
    /// unreadable ones, duplicates, disorder, prices that contradict each other. Exit code 1 if there is one of these or a file cannot be
    /// read to its end, 0 if there is none, 2 for wrong usage.
    Check(Box<CheckArgs>),
    /// Takes files into a catalogue: each row once, whatever the order and however often.
    ///
    /// Reads Binance's public archives, CSV with a header (names by --map), freqtrade's JSON and feather, and Parquet; candles, trades, quotes
    /// and book levels. Rows that are there already are counted and not taken again; rows that contradict what is there are named and refused.
    /// An import that was cut off goes on when it is started again. Exit code 1 if a file cannot be used or rows were refused.
    Import(Box<import::ImportArgs>),
    /// Lists what a catalogue holds.
    List(list::ListArgs),
    /// Shows a series as a chart in the terminal or as a page.
    Show(Box<show::ShowArgs>),
    /// Lists episodes of the market that --scenario takes.
    Scenarios {
        /// One JSON array on standard output.
        #[arg(long)]
        json: bool,
    },
}

/// Options of `bot4 data check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// Files or folders, as for --data; the bundled minutes if none is given.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What the files do not say themselves.
    #[command(flatten)]
    pub data: DataArgs,
    /// How many findings of each kind are listed; counts are complete.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub first: usize,
    /// One JSON object on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Usage for options, failure if rows are bad or data cannot be read, interrupted if the user stops it.
pub fn run(args: &DataCommand, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    match &args.command {
        Command::Check(args) => check(args, stop),
        Command::Import(args) => import::run(args, stop),
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args, stop),
        Command::Scenarios { json } => {
            let text = scenario::list(*json)?;
            if *json {
                return std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed);
            }
            crate::term::print(&text).map_err(CommandError::failed)
        }
    }
}

/// What was found.
#[derive(Serialize)]
struct Report {
    ok: bool,
    series: Vec<SeriesReport>,
}

/// What was found in one series. Times are integer ms since 1970 UTC.
#[derive(Serialize)]
struct SeriesReport {
    venue: String,
    symbol: String,
    kind: &'static str,
    /// `null` for trades and quotes.
    interval: Option<String>,
    files: Vec<String>,
    /// Rows that passed.
    rows: u64,
    first_ts: Option<i64>,
    last_ts: Option<i64>,
    /// Rows that did not pass.
    bad_rows: u64,
    bad_rows_by_kind: KindCounts,
    first_bad_rows: Vec<BadLine>,
    gaps: u64,
    missing: u64,
    first_gaps: Vec<GapLine>,
    zero_volume: u64,
    /// Candles that do not begin at a multiple of their interval since 1970.
    misaligned: u64,
    outliers: u64,
    first_outliers: Vec<OutlierLine>,
    /// What is looked for in trades, quotes and book levels; `null` for candles.
    ticks: Option<TickReport>,
    /// Figures that were rounded to the decimals of a `generic` instrument.
    rounded: u64,
    /// Why the series could not be read to its end.
    error: Option<String>,
}

#[derive(Serialize)]
struct KindCounts {
    duplicates: u64,
    disorder: u64,
    off_interval: u64,
    ohlc: u64,
    not_positive: u64,
    unreadable: u64,
}

#[derive(Serialize)]
struct BadLine {
    file: String,
    line: u64,
    column: String,
    value: String,
    expected: String,
}

#[derive(Serialize)]
struct GapLine {
    /// Open time of the first missing candle.
    ts: i64,
    candles: u64,
    seconds: u64,
}

/// A price that is not credible by the rule.
#[derive(Serialize)]
pub struct OutlierLine {
    ts: i64,
    /// The largest move from the close before, as a fraction.
    change: f64,
    /// The robust standard deviation it is held against.
    scale: f64,
}

fn check(args: &CheckArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let mut data = args.data.clone();
    data.data.extend(args.paths.iter().cloned());
    let found = data.series()?;
    let mut reports = Vec::with_capacity(found.len());
    for series in &found {
        reports.push(check_series(series, args, stop)?);
    }
    let broken = reports.iter().filter(|r| r.is_broken()).count();
    let report = Report { ok: broken == 0, series: reports };
    let text = if args.json {
        serde_json::to_string(&report).map_err(CommandError::failed)? + "\n"
    } else {
        report.series.iter().map(SeriesReport::table).collect::<Vec<_>>().join("\n")
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed)?;
    match broken {
        0 => Ok(()),
        _ => Err(CommandError::failed(format!(
            "{broken} of {} series {} rows that cannot be used",
            report.series.len(),
            if broken == 1 { "has" } else { "have" }
        ))),
    }
}

/// Outliers beyond these many are counted and not kept: memory stays bounded.
const KEPT_MAX: usize = 100_000;

/// Reads a series to its end, or to where it cannot be read on.
fn check_series(series: &Series, args: &CheckArgs, stop: &AtomicBool) -> Result<SeriesReport, CommandError> {
    let config = CheckConfig {
        interval_s: (series.interval_s > 0).then_some(series.interval_s),
        outliers: Some(OutlierRule::STANDARD),
        findings_max: KEPT_MAX,
    };
    let mut candles = CandleCheck::new(config);
    let mut bar = Bar::new(None, args.json);
    let mut findings = Findings::default();
    let mut ticks = TickCheck::new(args.first);
    let result = read(series, (&mut candles, &mut ticks), &mut findings, &mut bar, stop);
    bar.finish();
    let error = match result {
        Ok(true) => None,
        Ok(false) => return Err(crate::signals::stopped("")),
        Err(error) => Some(error.to_string()),
    };
    let ticks = (series.kind != DataKind::Candles).then(|| ticks.finish());
    Ok(SeriesReport::new(series, &findings, &candles, ticks, error, args.first))
}

/// Whether the end was reached; `false` if the user stopped it.
fn read(
    series: &Series,
    (candles, ticks): (&mut CandleCheck, &mut TickCheck),
    findings: &mut Findings,
    bar: &mut Bar,
    stop: &AtomicBool,
) -> Result<bool, HistoryError> {
    let mut reader = SeriesReader::open(series, InstrumentIdx(0))?;
    let mut rows = Rows::new(series.kind);
    loop {
        let more = reader.next_chunk(&mut rows);
        // What was found until an error is told with it.
        findings.clone_from(reader.findings());
        if !more? {
            return Ok(true);
        }
        rows.candles().unwrap_or_default().iter().for_each(|c| candles.push(c));
        ticks.take(&rows);
        bar.at(findings.rows, findings.last.unwrap_or(UnixNanos(0)));
        if stop.load(Ordering::Relaxed) {
            return Ok(false);
        }
    }
}

impl KindCounts {
    const fn new(kinds: BadKinds) -> Self {
        let BadKinds { duplicates, disorder, off_interval, contradictions, not_positive, unreadable } = kinds;
        Self { duplicates, disorder, off_interval, ohlc: contradictions, not_positive, unreadable }
    }

    const fn in_words(&self) -> [(&'static str, u64); 6] {
        [
            (if self.duplicates == 1 { "duplicate" } else { "duplicates" }, self.duplicates),
            ("out of order", self.disorder),
            ("off the interval", self.off_interval),
            ("with prices that contradict each other", self.ohlc),
            ("with a figure that is not positive", self.not_positive),
            ("unreadable", self.unreadable),
        ]
    }
}

impl SeriesReport {
    fn new(
        series: &Series,
        findings: &Findings,
        candles: &CandleCheck,
        ticks: Option<TickReport>,
        error: Option<String>,
        first: usize,
    ) -> Self {
        let outlier = |finding: &Finding| match finding.kind {
            FindingKind::Outlier { change, scale } => {
                Some(OutlierLine { ts: finding.ts_open.as_millis(), change, scale })
            }
            _ => None,
        };
        Self {
            venue: series.venue.clone(),
            symbol: series.symbol.clone(),
            kind: series.kind.name(),
            interval: (series.kind == DataKind::Candles).then(|| interval_text(series.interval_s)),
            files: series.parts.iter().map(|part| part.name.clone()).collect(),
            rows: findings.rows,
            first_ts: findings.first.map(UnixNanos::as_millis),
            last_ts: findings.last.map(UnixNanos::as_millis),
            bad_rows: findings.bad,
            bad_rows_by_kind: KindCounts::new(findings.bad_kinds),
            first_bad_rows: findings.listed.iter().take(first).map(BadLine::new).collect(),
            gaps: findings.gaps,
            missing: findings.missing,
            first_gaps: (findings.gap_list.iter())
                .take(first)
                .map(|gap| GapLine {
                    ts: gap.first_missing.as_millis(),
                    candles: gap.candles,
                    seconds: gap.candles.saturating_mul(u64::from(series.interval_s)),
                })
                .collect(),
            zero_volume: findings.zero_volume,
            misaligned: candles.counts().misaligned,
            outliers: candles.counts().outliers,
            first_outliers: candles.findings().iter().filter_map(outlier).take(first).collect(),
            ticks,
            rounded: findings.rounded,
            error,
        }
    }

    /// Whether rows are there that no run can use, or some could not be read.
    const fn is_broken(&self) -> bool {
        self.bad_rows > 0 || self.error.is_some()
    }

    fn table(&self) -> String {
        let mut text = String::new();
        let when = |ts: Option<i64>| ts.and_then(UnixNanos::from_millis).map_or_else(|| "-".into(), time_text);
        let candles = self.interval.is_some();
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{} {} {}", self.venue, self.symbol, self.interval.as_deref().unwrap_or(self.kind));
        let mut line = |name: &str, value: String| {
            let _ = writeln!(text, "  {name:<22}{value}");
        };
        line("files", files_text(&self.files));
        line("rows", self.rows.to_string());
        line("period", format!("{} to {}", when(self.first_ts), when(self.last_ts)));
        line("bad rows", self.bad_rows.to_string());
        for (kind, n) in self.bad_rows_by_kind.in_words().into_iter().filter(|(_, n)| *n > 0) {
            line("", format!("{n} {kind}"));
        }
        for bad in &self.first_bad_rows {
            line("", bad.to_string());
        }
        if candles {
            line("gaps", format!("{} ({} missing)", self.gaps, candles_text(self.missing)));
            for gap in &self.first_gaps {
                line("", format!("{}  {}, {}", when(Some(gap.ts)), candles_text(gap.candles), span_text(gap.seconds)));
            }
            line("without volume", self.zero_volume.to_string());
            line("off the clock", self.misaligned.to_string());
            line("outliers", self.outliers.to_string());
            for outlier in &self.first_outliers {
                line("", outlier.to_string());
            }
        }
        if let Some(ticks) = &self.ticks {
            ticks.lines(when).into_iter().for_each(|(name, value)| line(name, value));
            for outlier in &ticks.first_outliers {
                line("", outlier.to_string());
            }
        }
        if self.rounded > 0 {
            line("rounded figures", self.rounded.to_string());
        }
        if let Some(error) = &self.error {
            line("not read to its end", error.clone());
        }
        line("result", if self.is_broken() { "rows that cannot be used".into() } else { "good".into() });
        text
    }
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { file, line, column, value, expected } = self;
        write!(f, "{file}, line {line}, column {column}: {value}; expected {expected}")
    }
}

/// The files, or of many the first and the last.
fn files_text(files: &[String]) -> String {
    match files {
        [first, .., last] if files.len() > 4 => format!("{}: {first} to {last}", files.len()),
        _ => files.join(", "),
    }
}

impl BadLine {
    fn new(bad: &BadRow) -> Self {
        let BadRow { file, line, column, value, expected } = bad.clone();
        Self { file, line, column, value, expected }
    }
}

impl std::fmt::Display for OutlierLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let when = UnixNanos::from_millis(self.ts).map_or_else(|| "-".into(), time_text);
        let times = self.change.abs() / self.scale;
        write!(f, "{when}  {:+.2} %, {times:.0} deviations", 100.0 * self.change)
    }
}

/// So many candles, in words.
fn candles_text(n: u64) -> String {
    if n == 1 { "1 candle".into() } else { format!("{n} candles") }
}

/// A length of time in its two largest units: `5 h 12 min`.
fn span_text(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, name) in units {
        if rest >= length && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / length));
        }
        rest %= length;
    }
    if parts.is_empty() { "0 s".into() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_in_two_units() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3_661, "1 h 1 min"), (90_000, "1 d 1 h"), (86_401, "1 d 1 s")]
        {
            assert_eq!(span_text(seconds), text);
        }
    }
}
