//! Catalogues: how fast rows come in, and how fast a day and years of them come out.

use crate::measure::{cpu_s, fastest, line};
use domain::time::NANOS_PER_DAY;
use domain::{InstrumentIdx, UnixNanos};
use serde_json::json;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use store::catalogue::Catalogue;
use store::history::{BadRows, Input, Options, Rows, Series, SeriesReader, discover};
use testkit::generate::Seeded;

/// 2020-01-01 00:00 UTC in milliseconds, and the minutes of the five years from there.
const BEGIN_MS: i64 = 1_577_836_800_000;
const MINUTES: i64 = 1_827 * 1_440;

/// Imports, then asks.
pub fn run(root: Option<&Path>, csv: Option<&Path>, runs: usize) -> Result<(), String> {
    let folder = std::env::temp_dir().join(format!("bot4-bench-catalogue-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let result = measured(root, csv, runs, &folder);
    fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    result
}

fn measured(root: Option<&Path>, csv: Option<&Path>, runs: usize, folder: &Path) -> Result<(), String> {
    let csv = csv.map_or_else(|| seeded(folder), |path| Ok(path.to_owned()))?;
    let made = folder.join("catalogue");
    let options = Options { venue: Some("binance_spot".into()), bad_rows: BadRows::Refuse, ..Options::default() };
    let never = AtomicBool::new(false);
    let mut wall = f64::MAX;
    let (cpu, rows) = fastest(runs.min(5), || {
        if made.exists() {
            fs::remove_dir_all(&made).map_err(|e| e.to_string())?;
        }
        let (begun, before) = (Instant::now(), cpu_s());
        let inputs = [Input::from(csv.as_path())];
        let report = Catalogue::at(&made).import(&inputs, &options, false, &never, &mut |_| {});
        let report = report.map_err(|e| e.error.to_string())?;
        wall = wall.min(begun.elapsed().as_secs_f64());
        Ok((cpu_s() - before, report.added))
    })?;
    let bytes = fs::metadata(&csv).map_err(|e| e.to_string())?.len();
    line("import csv", rows, cpu, json!({"wall_s": wall, "rows_per_s_wall": rows as f64 / wall, "csv_bytes": bytes}));

    let root = root.unwrap_or(&made);
    let ask = |from: Option<u64>, to: Option<u64>| -> Result<(u64, u64), String> {
        let options = Options { from: from.map(UnixNanos), to: to.map(UnixNanos), ..Options::default() };
        let found = discover(&[Input::from(root)], &options).map_err(|e| e.to_string())?;
        let series = found.iter().find(|s| s.interval_s == 60).ok_or("no minutes")?;
        days(series)
    };
    let day = BEGIN_MS as u64 * 1_000_000 / NANOS_PER_DAY + 504;
    for (name, from, to) in [
        ("query one day", Some(day * NANOS_PER_DAY), Some((day + 1) * NANOS_PER_DAY)),
        ("query daily bars of all", None, None),
    ] {
        let (mut wall, mut bars) = (f64::MAX, 0);
        let (cpu, rows) = fastest(runs, || {
            let (begun, before) = (Instant::now(), cpu_s());
            let (rows, days) = ask(from, to)?;
            (wall, bars) = (wall.min(begun.elapsed().as_secs_f64()), days);
            Ok((cpu_s() - before, rows))
        })?;
        line(name, rows, cpu, json!({"wall_ms": wall * 1e3, "days": bars}));
    }
    Ok(())
}

/// Reads a series and makes daily bars of it: rows and days.
fn days(series: &Series) -> Result<(u64, u64), String> {
    let mut reader = SeriesReader::open(series, InstrumentIdx(0)).map_err(|e| e.to_string())?;
    let mut rows = Rows::new(series.kind);
    let mut bars: Vec<(u64, [i64; 5])> = Vec::new();
    let mut read = 0;
    while reader.next_chunk(&mut rows).map_err(|e| e.to_string())? {
        for c in rows.candles().unwrap_or_default() {
            let day = c.ts_open.day();
            match bars.last_mut() {
                Some((held, bar)) if *held == day => {
                    bar[1] = bar[1].max(c.high);
                    bar[2] = bar[2].min(c.low);
                    bar[3] = c.close;
                    bar[4] = bar[4].saturating_add(c.volume);
                }
                _ => bars.push((day, [c.open, c.high, c.low, c.close, c.volume])),
            }
        }
        read += rows.len() as u64;
    }
    Ok((read, bars.len() as u64))
}

/// Five years of minutes in the form of Binance's archive.
fn seeded(folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join("BTCUSDT-1m-2020.csv");
    let mut out = std::io::BufWriter::new(fs::File::create(&path).map_err(|e| e.to_string())?);
    let mut random = Seeded::new(45);
    let mut middle = 3_000_000i64;
    let cents = |m: i64| format!("{}.{:02}000000", m / 100, m % 100);
    for n in 0..MINUTES {
        let (open, step) = (middle, random.within(-1_000, 1_000));
        middle = (middle + step).max(10_000);
        let (high, low) = (open.max(middle) + random.within(0, 300), open.min(middle) - random.within(0, 300));
        let (ts, volume) = (BEGIN_MS + n * 60_000, random.within(0, 90_000_000));
        let volume = format!("{}.{:06}00", volume / 1_000_000, volume % 1_000_000);
        let written = writeln!(
            out,
            "{ts},{},{},{},{},{volume},{},371140.36414416,516,25.82140600,185570.18207208,0",
            cents(open),
            cents(high),
            cents(low),
            cents(middle),
            ts + 59_999
        );
        written.map_err(|e| e.to_string())?;
    }
    out.flush().map_err(|e| e.to_string())?;
    Ok(path)
}
