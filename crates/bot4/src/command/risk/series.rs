//! Series of returns for a backtest of risk models: from stored data of any length, of weights over it, or of a finished run.

use crate::command::CommandError;
use crate::command::inputs::DataArgs;
use crate::command::progress::Count;
use crate::signals;
use domain::{InstrumentIdx, MarketFlags};
use research::validate::{Resampled, Series as Returns, resample, weighted};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use store::history::{DataKind, Rows, Series, SeriesReader, interval_text};

/// Series with what a reader should know of them.
pub(super) struct Read {
    pub series: Vec<Returns>,
    pub notes: Vec<String>,
}

/// Reads the prices of the data as returns of `horizon_s` seconds, each instrument once.
pub(super) fn of_data(args: &DataArgs, horizon_s: u32, quiet: bool, stop: &AtomicBool) -> Result<Read, CommandError> {
    let mut args = args.clone();
    // The bundled daily candles reach further back than the bundled minutes.
    if args.data.is_empty() && args.interval.is_none() && horizon_s.is_multiple_of(86_400) {
        args.interval = Some("1d".into());
    }
    let chosen = choose(args.series()?, horizon_s)?;
    let mut notes = Vec::new();
    let count = Count::new(quiet);
    let mut rows_before = 0;
    let mut series = Vec::new();
    for (name, one) in &chosen {
        let read = prices(one, horizon_s, rows_before, &count, stop)?;
        rows_before += read.rows;
        if read.bad > 0 {
            notes.push(format!("{}: {} bad rows were left out", one.title(), read.bad));
        }
        if read.made > 0 {
            notes.push(format!(
                "{}: {} rows made by a gap filler are no prices and were left out",
                one.title(),
                read.made
            ));
        }
        series.push(read.prices.series(name.clone()));
    }
    count.finish();
    Ok(Read { series, notes })
}

/// Of each instrument the longest candles that the horizon is a multiple of, else its trades.
fn choose(found: Vec<Series>, horizon_s: u32) -> Result<Vec<(String, Series)>, CommandError> {
    let fits = |s: &Series| match s.kind {
        DataKind::Candles => s.interval_s > 0 && horizon_s.is_multiple_of(s.interval_s),
        DataKind::Trades => true,
        DataKind::Quotes | DataKind::Book => false,
    };
    let titles: Vec<String> = found.iter().map(Series::title).collect();
    let mut best: BTreeMap<(String, String), Series> = BTreeMap::new();
    for one in found.into_iter().filter(fits) {
        let key = (one.symbol.clone(), one.venue.clone());
        // Trades have no length and come last.
        if best.get(&key).is_none_or(|held| held.interval_s < one.interval_s) {
            best.insert(key, one);
        }
    }
    if best.is_empty() {
        return Err(CommandError::usage(format!(
            "--horizon {}: expected candles that it is a multiple of, or trades; there is {}",
            interval_text(horizon_s),
            titles.join(", ")
        )));
    }
    let venues = |symbol: &str| best.keys().filter(|(s, _)| s == symbol).count();
    let names: Vec<String> = (best.keys())
        .map(|(symbol, venue)| if venues(symbol) > 1 { format!("{symbol} {venue}") } else { symbol.clone() })
        .collect();
    Ok(names.into_iter().zip(best.into_values()).collect())
}

struct Prices {
    prices: Resampled,
    rows: u64,
    bad: u64,
    made: u64,
}

fn prices(
    series: &Series,
    horizon_s: u32,
    rows_before: u64,
    count: &Count,
    stop: &AtomicBool,
) -> Result<Prices, CommandError> {
    let failed = |e: &dyn std::fmt::Display| CommandError::failed(format!("{}: {e}", series.title()));
    let mut prices = resample(horizon_s).map_err(|e| failed(&e))?;
    let scale = domain::decimal::POW10_F64[usize::from(series.listing.price_decimals.min(18))];
    let mut reader = SeriesReader::open(series, InstrumentIdx(0)).map_err(CommandError::failed)?;
    let mut rows = Rows::new(series.kind);
    let (mut read, mut made) = (0, 0);
    while reader.next_chunk(&mut rows).map_err(CommandError::failed)? {
        let mut take = |ts: domain::UnixNanos, price: i64, flags: MarketFlags| {
            if flags.has(MarketFlags::SYNTHETIC) {
                made += 1;
                return Ok(());
            }
            prices.push(ts.as_millis(), price as f64 / scale)
        };
        match &rows {
            Rows::Candles(rows) => rows.iter().try_for_each(|c| take(c.ts_close(), c.close, c.flags)),
            Rows::Trades(rows) => rows.iter().try_for_each(|t| take(t.ts_event, t.price, t.flags)),
            Rows::Quotes(_) | Rows::Book(_) => Ok(()),
        }
        .map_err(|e| failed(&e))?;
        read += rows.len() as u64;
        count.at(rows_before + read, &series.title());
        if stop.load(Ordering::Relaxed) {
            count.finish();
            return Err(signals::stopped("nothing was written"));
        }
    }
    Ok(Prices { prices, rows: read, bad: reader.findings().bad, made })
}

/// The weights of `BTCUSDT=0.5,ETHUSDT=-0.5` as one more series.
pub(super) fn of_weights(text: &str, series: &[Returns]) -> Result<Returns, CommandError> {
    let wrong = |what: &str| {
        CommandError::usage(format!(
            "--weights {text}: {what}: expected fractions of equity, such as BTCUSDT=0.6,ETHUSDT=-0.2"
        ))
    };
    let (mut weights, mut chosen) = (Vec::new(), Vec::new());
    for part in text.split(',') {
        let (name, weight) = part.split_once('=').ok_or_else(|| wrong(part))?;
        let weight: f64 = weight.trim().parse().map_err(|_| wrong(weight))?;
        let known = series.iter().find(|s| s.name == name.trim());
        chosen.push(known.ok_or_else(|| {
            let names: Vec<&str> = series.iter().map(|s| s.name.as_str()).collect();
            wrong(&format!("{} is not in the data ({})", name.trim(), names.join(", ")))
        })?);
        weights.push(weight);
    }
    weighted(format!("weights {text}"), &weights, &chosen).map_err(|e| wrong(&e.to_string()))
}

/// The values of a finished run as returns of the same length.
pub(super) fn of_run(path: &Path, horizon_s: u32) -> Result<Returns, CommandError> {
    let run = crate::run_files::read(path).map_err(CommandError::failed)?;
    let failed = |e: &dyn std::fmt::Display| CommandError::failed(format!("{}: {e}", path.display()));
    if !horizon_s.is_multiple_of(3_600) {
        return Err(CommandError::usage(format!(
            "--run {}: a run keeps its value by the hour: expected a --horizon of whole hours",
            path.display()
        )));
    }
    let mut prices = resample(horizon_s).map_err(|e| failed(&e))?;
    for row in &run.equity {
        prices.push(row.ts, row.equity).map_err(|e| failed(&e))?;
    }
    Ok(prices.series(format!("run {}", run.name)))
}
