//! `bot4 data show`: a look at a series, as a chart in the terminal, a page, or figures.

use super::bars::{Bar, Bars, exact_text, short_text, what};
use super::chart::{self, Look};
use super::page::{self, Heading};
use crate::command::CommandError;
use crate::command::inputs::{DataArgs, time_text};
use crate::{signals, term};
use clap::Args;
use domain::{InstrumentIdx, UnixNanos};
use serde::Serialize;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use store::history::{DataKind, Rows, Series, SeriesReader, interval_text};

/// Options of `bot4 data show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// A catalogue, folder or file; the bundled minutes if none is given.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// What of it, and what the files do not say themselves.
    #[command(flatten)]
    pub data: DataArgs,
    /// Writes a page that opens in a browser.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Characters in a line; the width of the terminal if not given.
    #[arg(long, value_name = "N")]
    pub width: Option<usize>,
    /// Lines of the price.
    #[arg(long, value_name = "N", default_value_t = 18)]
    pub height: usize,
    /// Plain ASCII, as where the output is no terminal.
    #[arg(long)]
    pub ascii: bool,
    /// One JSON object on standard output instead of the chart.
    #[arg(long)]
    pub json: bool,
}

/// What was looked at. Times are integer ms since 1970 UTC.
#[derive(Serialize)]
struct Shown {
    venue: String,
    symbol: String,
    kind: &'static str,
    /// `null` for other kinds than candles.
    interval: Option<String>,
    rows: u64,
    bad_rows: u64,
    gaps: u64,
    from: Option<i64>,
    to: Option<i64>,
    /// Length of the bars below.
    bar_s: u64,
    bars: Vec<BarLine>,
}

#[derive(Serialize)]
struct BarLine {
    ts: i64,
    open: String,
    high: String,
    low: String,
    close: String,
    volume: f64,
    synthetic: bool,
}

/// Runs the command.
///
/// # Errors
/// Usage if several series fit, failure if data cannot be read.
pub fn run(args: &ShowArgs, stop: &AtomicBool) -> Result<(), CommandError> {
    let mut data = args.data.clone();
    data.data.extend(args.paths.iter().cloned());
    let found = data.series()?;
    let series = choose(&found)?;
    let terminal = std::io::stdout().is_terminal();
    let look = Look {
        width: args.width.or_else(term::width).unwrap_or(100).clamp(30, 400),
        height: args.height.clamp(4, 100),
        ascii: args.ascii || !terminal,
        colour: !args.json,
    };
    let wanted = if args.html.is_some() || args.json { page::BARS } else { look.bars() };
    let read = read(series, wanted, stop)?;
    let (bars, bar_s) = (&read.bars, read.bar_s);
    let decimals = series.listing.price_decimals;
    if bars.is_empty() {
        return Err(CommandError::failed(format!("{}: no row is left to show", series.title())));
    }
    if let Some(path) = &args.html {
        super::super::out_file::page("--html", path)?;
        let heading = heading(series, &read);
        let html = page::draw(bars, bar_s, decimals, &heading);
        std::fs::write(path, html).map_err(|e| CommandError::failed(format!("{}: {e}", path.display())))?;
    }
    if args.json {
        let text = serde_json::to_string(&Shown::new(series, &read)).map_err(CommandError::failed)? + "\n";
        return std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed);
    }
    let text = if let Some(path) = &args.html {
        format!("{}: {} bars written to {}\n", series.title(), bars.len(), path.display())
    } else {
        term::fit(&table(series, &read), Some(look.width)) + "\n" + &chart::draw(bars, bar_s, decimals, look)
    };
    // Colours are taken out where they are not wanted.
    anstream::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed)
}

/// The one series to be shown: of several of one symbol the candles, and of those the shortest.
fn choose(found: &[Series]) -> Result<&Series, CommandError> {
    let mut symbols: Vec<(&str, &str)> = found.iter().map(|s| (s.venue.as_str(), s.symbol.as_str())).collect();
    symbols.dedup();
    if symbols.len() > 1 {
        let all: Vec<String> = symbols.iter().map(|(venue, symbol)| format!("{symbol} ({venue})")).collect();
        return Err(CommandError::usage(format!(
            "several symbols are there, say --symbol (and --venue): {}",
            all.join(", ")
        )));
    }
    let order = |s: &&Series| (s.kind != DataKind::Candles, s.kind, s.interval_s);
    found.iter().min_by_key(order).ok_or_else(|| CommandError::failed("there is nothing to show"))
}

/// Bars of a series and what was found on the way.
struct Read {
    bars: Vec<Bar>,
    bar_s: u64,
    rows: u64,
    bad: u64,
    gaps: u64,
    first: Option<UnixNanos>,
    last: Option<UnixNanos>,
}

fn read(series: &Series, most: usize, stop: &AtomicBool) -> Result<Read, CommandError> {
    let mut reader = SeriesReader::open(series, InstrumentIdx(0)).map_err(CommandError::failed)?;
    let mut rows = Rows::new(series.kind);
    let mut bars = Bars::new(series, most);
    while reader.next_chunk(&mut rows).map_err(CommandError::failed)? {
        bars.take(&rows);
        if stop.load(Ordering::Relaxed) {
            return Err(signals::stopped(""));
        }
    }
    let findings = reader.findings();
    let (bad, gaps, first, last) = (findings.bad, findings.gaps, findings.first, findings.last);
    let rows = bars.rows;
    let (bars, bar_s) = bars.finish();
    Ok(Read { bars, bar_s, rows, bad, gaps, first, last })
}

/// Names and figures above the picture.
fn figures(series: &Series, read: &Read) -> Vec<(String, String)> {
    let decimals = series.listing.price_decimals;
    let (Some(first), Some(last)) = (read.bars.first(), read.bars.last()) else { return Vec::new() };
    let high = read.bars.iter().map(|b| b.high).fold(f64::NEG_INFINITY, f64::max);
    let low = read.bars.iter().map(|b| b.low).fold(f64::INFINITY, f64::min);
    let volume: f64 = read.bars.iter().map(|b| b.volume).sum();
    let change = if first.open > 0.0 { 100.0 * (last.close / first.open - 1.0) } else { 0.0 };
    let figure = |name: &str, value: String| (name.to_owned(), value);
    let mut all = vec![
        figure("open", exact_text(first.open, decimals)),
        figure("high", exact_text(high, decimals)),
        figure("low", exact_text(low, decimals)),
        figure("close", exact_text(last.close, decimals)),
        figure("change", format!("{change:+.2} %")),
        figure(what(series.kind).1, short_text(volume)),
        figure("rows", read.rows.to_string()),
    ];
    if series.kind == DataKind::Candles {
        all.push(figure("gaps", read.gaps.to_string()));
    }
    if read.bad > 0 {
        all.push(figure("bad rows left out", read.bad.to_string()));
    }
    all
}

fn period(series: &Series, read: &Read) -> String {
    let when = |ts: Option<UnixNanos>| ts.map_or_else(|| "-".into(), time_text);
    let bar = interval_text(u32::try_from(read.bar_s).unwrap_or(u32::MAX));
    format!("{} to {} UTC, {} in bars of {bar}", when(read.first), when(read.last), what(series.kind).0)
}

fn heading(series: &Series, read: &Read) -> Heading {
    Heading {
        title: series.title(),
        period: period(series, read),
        figures: figures(series, read),
        lower: what(series.kind).1,
    }
}

fn table(series: &Series, read: &Read) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "{}", series.title());
    let _ = writeln!(text, "{}", period(series, read));
    let figures: Vec<String> = figures(series, read).iter().map(|(name, value)| format!("{name} {value}")).collect();
    let _ = writeln!(text, "{}", figures.join("   "));
    text
}

impl Shown {
    fn new(series: &Series, read: &Read) -> Self {
        let decimals = series.listing.price_decimals;
        let line = |b: &Bar| BarLine {
            ts: i64::try_from(b.ts_s.saturating_mul(1_000)).unwrap_or(i64::MAX),
            open: exact_text(b.open, decimals),
            high: exact_text(b.high, decimals),
            low: exact_text(b.low, decimals),
            close: exact_text(b.close, decimals),
            volume: b.volume,
            synthetic: b.synthetic,
        };
        Self {
            venue: series.venue.clone(),
            symbol: series.symbol.clone(),
            kind: series.kind.name(),
            interval: (series.kind == DataKind::Candles).then(|| interval_text(series.interval_s)),
            rows: read.rows,
            bad_rows: read.bad,
            gaps: read.gaps,
            from: read.first.map(UnixNanos::as_millis),
            to: read.last.map(UnixNanos::as_millis),
            bar_s: read.bar_s,
            bars: read.bars.iter().map(line).collect(),
        }
    }
}
