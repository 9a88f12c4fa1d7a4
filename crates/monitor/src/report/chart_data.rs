//! What the charts are made of, as compact JSON: times as differences in seconds, numbers at seven or eight digits, long series thinned.

use super::figures::{Bin, Figures};
use super::run_report::{EquityRow, MarkRow, RunReport};
use quant::stats::DrawdownTracker;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Points of a curve: five years of hours and some.
pub(super) const CURVE_MAX: usize = 50_000;
/// Points of all prices together.
const MARKS_MAX: usize = 200_000;
/// Trades in the chart and in the table of the page.
pub(super) const TRADES_MAX: usize = 50_000;
/// Points of each line of the attribution.
const ATTRIBUTION_MAX: usize = 4_000;

/// A curve as the page reads it.
#[derive(Serialize)]
struct Curve<'a> {
    name: &'a str,
    cash: f64,
    t: Vec<i64>,
    eq: Vec<f64>,
    dd: Vec<f64>,
    hold: Option<Vec<Option<f64>>>,
    hdd: Option<Vec<Option<f64>>>,
    gross: Option<Vec<Option<f64>>>,
    net: Option<Vec<Option<f64>>>,
}

/// Everything for the charts of one run.
pub(super) fn single(run: &RunReport, figures: &Figures) -> String {
    let marks = marks(run);
    let names: Vec<&str> = run.summary.strategies.iter().map(String::as_str).collect();
    to_text(&json!({
        "quote": run.summary.quote,
        "start": run.summary.start_ts.map(|ts| ts / 1_000),
        "end": run.summary.end_ts.map(|ts| ts.div_euclid(1_000) + 1),
        "symbols": run.summary.symbols,
        "strategies": names,
        "names": names.iter().map(|n| n.split(" on ").next().unwrap_or(n)).collect::<Vec<_>>(),
        "runs": [curve(run, &run.name)],
        "marks": marks,
        "trades": trades(run),
        "rolling": figures.rolling.as_ref().map(|r| json!({
            "window": r.window,
            "t": deltas(r.points.iter().map(|(ts, _)| ts / 1_000)),
            "v": r.points.iter().map(|(_, v)| v.map(|v| digits(v, 5))).collect::<Vec<_>>(),
        })),
        "profits": bins(&figures.profit_bins),
        "holding": bins(&figures.holding_bins),
        "attribution": attribution(run),
    }))
}

/// Everything for the charts of a comparison; the names are unique.
pub(super) fn several(runs: &[RunReport], names: &[String]) -> String {
    let curves: Vec<Curve> = runs.iter().zip(names).map(|(run, name)| curve(run, name)).collect();
    let quote = runs.first().map_or("", |r| r.summary.quote.as_str());
    to_text(&json!({ "quote": quote, "symbols": [], "strategies": [], "names": [], "runs": curves, "marks": [] }))
}

/// What is made of strings and numbers alone always becomes text.
fn to_text(value: &Value) -> String {
    value.to_string()
}

/// A double at so many significant digits: the page shows no more, and the file stays small.
fn digits(x: f64, digits: i32) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return 0.0;
    }
    let scale = 10f64.powi(digits - 1 - x.abs().log10().floor() as i32);
    let rounded = (x * scale).round() / scale;
    if rounded.is_finite() { rounded } else { x }
}

fn deltas(times: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut before = 0;
    times.map(|t| t - std::mem::replace(&mut before, t)).collect()
}

/// How many rows become one point.
pub(super) fn stride(rows: usize, max: usize) -> usize {
    rows.div_ceil(max.max(1)).max(1)
}

fn curve<'a>(run: &'a RunReport, name: &'a str) -> Curve<'a> {
    let chunks: Vec<&[EquityRow]> = run.equity.chunks(stride(run.equity.len(), CURVE_MAX)).collect();
    let lasts = || chunks.iter().filter_map(|c| c.last());
    let known = |value: fn(&EquityRow) -> Option<f64>, n: i32| {
        lasts().any(|r| value(r).is_some()).then(|| lasts().map(|r| value(r).map(|v| digits(v, n))).collect())
    };
    let mut own = DrawdownTracker::new();
    let mut hold = DrawdownTracker::new();
    own.update(run.summary.initial_cash);
    hold.update(run.summary.initial_cash);
    let (mut dd, mut hdd) = (Vec::with_capacity(chunks.len()), Vec::with_capacity(chunks.len()));
    for chunk in &chunks {
        let (mut deepest, mut hold_deepest) = (0f64, None);
        for row in *chunk {
            let here = own.update(row.equity);
            deepest = deepest.min(row.drawdown.unwrap_or(here));
            if let Some(value) = row.hold {
                hold_deepest = Some(hold_deepest.unwrap_or(0f64).min(hold.update(value)));
            }
        }
        dd.push(digits(deepest, 5));
        hdd.push(hold_deepest.map(|d| digits(d, 5)));
    }
    Curve {
        name,
        cash: run.summary.initial_cash,
        t: deltas(lasts().map(|r| r.ts / 1_000)),
        eq: lasts().map(|r| digits(r.equity, 8)).collect(),
        hdd: hdd.iter().any(Option::is_some).then_some(hdd),
        dd,
        hold: known(|r| r.hold, 8),
        gross: known(|r| r.gross, 5),
        net: known(|r| r.net, 5),
    }
}

fn marks(run: &RunReport) -> Vec<Value> {
    let n = run.summary.symbols.len();
    let mut by_instrument: Vec<Vec<&MarkRow>> = vec![Vec::new(); n];
    for row in &run.marks {
        if let Some(rows) = by_instrument.get_mut(usize::from(row.instrument)) {
            rows.push(row);
        }
    }
    if run.marks.is_empty() {
        return Vec::new();
    }
    let each = (MARKS_MAX / n.max(1)).max(500);
    by_instrument
        .iter()
        .map(|rows| {
            let chunks: Vec<&[&MarkRow]> = rows.chunks(stride(rows.len(), each)).collect();
            let column = |value: &dyn Fn(&[&MarkRow]) -> Option<f64>| -> Vec<f64> {
                chunks.iter().filter_map(|c| value(c)).map(|v| digits(v, 8)).collect()
            };
            json!({
                "t": deltas(chunks.iter().filter_map(|c| c.last()).map(|r| r.ts / 1_000)),
                "h": column(&|c| c.iter().map(|r| r.high).max_by(f64::total_cmp)),
                "l": column(&|c| c.iter().map(|r| r.low).min_by(f64::total_cmp)),
                "c": column(&|c| c.last().map(|r| r.close)),
            })
        })
        .collect()
}

/// Columns of the latest trades.
fn trades(run: &RunReport) -> Value {
    let trades = &run.trades[run.trades.len().saturating_sub(TRADES_MAX)..];
    let symbols: BTreeMap<&str, usize> = run.summary.symbols.iter().enumerate().map(|(n, s)| (s.as_str(), n)).collect();
    let number = |value: &dyn Fn(&super::Trade) -> f64, n: i32| -> Vec<f64> {
        trades.iter().map(|t| digits(value(t), n)).collect()
    };
    json!({
        "s": trades.iter().map(|t| t.strategy).collect::<Vec<_>>(),
        "i": trades.iter().map(|t| symbols.get(t.symbol.as_str()).map_or(-1, |n| *n as i64)).collect::<Vec<_>>(),
        "d": trades.iter().map(|t| u8::from(t.short)).collect::<Vec<_>>(),
        "et": trades.iter().map(|t| t.entry_ts / 1_000).collect::<Vec<_>>(),
        "xt": trades.iter().map(|t| t.exit_ts / 1_000).collect::<Vec<_>>(),
        "q": number(&|t| t.quantity, 8),
        "ep": number(&|t| t.entry_price, 9),
        "xp": number(&|t| t.exit_price, 9),
        "f": number(&|t| t.fees, 7),
        "p": number(&|t| t.pnl, 8),
    })
}

/// Profit of the closed trades of each strategy, added up, at each exit; nothing for a single strategy, whose sum the equity shows.
fn attribution(run: &RunReport) -> Option<Value> {
    const LINES: usize = 8;
    let mut sums: BTreeMap<u16, f64> = BTreeMap::new();
    for trade in &run.trades {
        *sums.entry(trade.strategy).or_default() += trade.pnl.abs();
    }
    if sums.len() < 2 {
        return None;
    }
    // The lines with most at stake; a chart of fifty lines shows nothing.
    let mut by_size: Vec<(u16, f64)> = sums.into_iter().collect();
    by_size.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut kept: Vec<u16> = by_size.into_iter().take(LINES).map(|(s, _)| s).collect();
    kept.sort_unstable();
    let name =
        |s: u16| run.summary.strategies.get(usize::from(s)).map_or_else(|| format!("strategy {s}"), |n| short_name(n));
    let mut at = vec![0.0; kept.len()];
    let mut rows: Vec<(i64, Vec<f64>)> = Vec::new();
    for trade in &run.trades {
        let Some(line) = kept.iter().position(|s| *s == trade.strategy) else { continue };
        at[line] += trade.pnl;
        let ts = trade.exit_ts / 1_000;
        match rows.last_mut() {
            Some((last, values)) if *last >= ts => values.clone_from(&at),
            _ => rows.push((ts, at.clone())),
        }
    }
    let step = stride(rows.len(), ATTRIBUTION_MAX);
    let rows: Vec<&(i64, Vec<f64>)> = rows.chunks(step).filter_map(|c| c.last()).collect();
    Some(json!({
        "names": kept.iter().map(|s| name(*s)).collect::<Vec<_>>(),
        "t": deltas(rows.iter().map(|(ts, _)| *ts)),
        "pnl": (0..kept.len()).map(|l| rows.iter().map(|(_, v)| digits(v[l], 7)).collect::<Vec<_>>()).collect::<Vec<_>>(),
    }))
}

/// A strategy without its parameters.
pub(super) fn short_name(text: &str) -> String {
    text.split(" (").next().unwrap_or(text).to_owned()
}

/// Label, trades, profit, beginning, and the label of the axis.
fn bins(bins: &[Bin]) -> Vec<Value> {
    bins.iter()
        .map(|b| {
            let begin = b.from.unwrap_or_else(|| b.to.map_or(0.0, |to| to - to.abs().max(1e-12)));
            let axis = match (b.from, b.to) {
                _ if b.label.starts_with(['<', '≥']) || b.label == "all" => b.label.clone(),
                (None, Some(to)) => format!("< {}", super::text::number(to, places(to))),
                (Some(from), _) => super::text::number(from, places(from)),
                (None, None) => String::new(),
            };
            json!([b.label, b.trades, digits(b.pnl, 7), begin, axis])
        })
        .collect()
}

fn places(x: f64) -> usize {
    if x == 0.0 || x.abs() >= 1.0 { 0 } else { (-x.abs().log10()).ceil().clamp(0.0, 8.0) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_series_are_thinned_and_keep_their_extremes() {
        let row = |n: i64| EquityRow {
            ts: n * 3_600_000,
            equity: if n == 77_777 { 1.0 } else { 100.0 + n as f64 },
            ..Default::default()
        };
        let run = RunReport { equity: (1..=120_000).map(row).collect(), ..Default::default() };
        let c = curve(&run, "x");
        assert!(c.t.len() <= CURVE_MAX, "{}", c.t.len());
        assert_eq!(c.t.iter().sum::<i64>(), 120_000 * 3_600);
        let deepest = c.dd.iter().copied().fold(0.0, f64::min);
        assert!(deepest < -0.9999, "{deepest}");
        assert_eq!(c.eq.last(), Some(&120_100.0));
        assert!(c.hold.is_none() && c.gross.is_none());
    }

    #[test]
    fn digits_are_significant_ones() {
        assert_eq!(digits(123_456.789, 7), 123_456.8);
        assert_eq!(digits(-0.000_012_345_678, 4), -0.000_012_35);
        assert_eq!(digits(0.0, 4), 0.0);
        assert_eq!(digits(f64::NAN, 4), 0.0);
    }
}
