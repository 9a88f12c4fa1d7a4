//! What `bot4 calc` shows to people: the list of functions, and answers as tables.

use super::answer::{Answer, Column};
use super::backtest_case::{self, Rule};
use super::table::Table;
use crate::command::CommandError;
use quant::catalogue::{self, Param, ParamKind, Value};
use serde::Serialize;
use std::fmt::Write as _;

/// A function in the list.
#[derive(Serialize)]
struct Entry {
    name: &'static str,
    aliases: &'static [&'static str],
    params: Vec<ParamEntry>,
    inputs: &'static [&'static str],
    outputs: &'static [&'static str],
    lookback: &'static str,
    formula: &'static str,
    source: &'static str,
}

#[derive(Serialize)]
struct ParamEntry {
    name: &'static str,
    default: Option<f64>,
    allowed: String,
}

impl ParamEntry {
    fn new(param: &Param) -> Self {
        let allowed = match param.kind {
            ParamKind::Count { min, max } => format!("whole, {min} to {max}"),
            ParamKind::Number { min, max } => format!("{min:e} to {max:e}"),
            ParamKind::Scale => "what inputs are divided by".to_owned(),
            ParamKind::Choice(of) => {
                let of: Vec<String> = of.iter().map(f64::to_string).collect();
                format!("one or more of {}; all if not given", of.join(", "))
            }
            ParamKind::Note => "words for the reader, which change nothing".to_owned(),
        };
        let default = param.default.filter(|_| !matches!(param.kind, ParamKind::Choice(_) | ParamKind::Note));
        Self { name: param.name, default, allowed }
    }
}

fn entries() -> impl Iterator<Item = Entry> {
    let functions = catalogue::functions().map(|f| Entry {
        name: f.name(),
        aliases: f.names.get(1..).unwrap_or_default(),
        params: f.params.iter().map(ParamEntry::new).collect(),
        inputs: f.inputs,
        outputs: f.outputs,
        lookback: f.lookback,
        formula: f.formula,
        source: f.source,
    });
    let backtests = Rule::ALL.into_iter().map(|rule| Entry {
        name: rule.name(),
        aliases: &[],
        params: backtest_case::PARAMS
            .iter()
            .map(|(name, expected)| ParamEntry { name, default: None, allowed: (*expected).to_owned() })
            .collect(),
        inputs: backtest_case::INPUTS,
        outputs: &backtest_case::OUTPUTS,
        lookback: "0",
        formula: rule.summary(),
        source: "run as `bot4 backtest` runs it: engine, simulated venue and ledger",
    });
    functions.chain(backtests)
}

/// The list of functions, as a table or one JSON object per line.
pub(super) fn list(json: bool) -> Result<String, CommandError> {
    let mut text = String::new();
    for entry in entries() {
        if json {
            text.push_str(&serde_json::to_string(&entry).map_err(CommandError::failed)?);
            text.push('\n');
            continue;
        }
        let names = std::iter::once(entry.name).chain(entry.aliases.iter().copied()).collect::<Vec<_>>().join(", ");
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{names}\n    {}", entry.formula);
        let _ = writeln!(text, "    inputs {} -> {}", entry.inputs.join(", "), entry.outputs.join(", "));
        let _ = writeln!(text, "    rows before the first value: {}", entry.lookback);
        for param in entry.params {
            let default = param.default.map_or_else(|| "-".to_owned(), |d| d.to_string());
            let _ = writeln!(text, "    {:<18}{default:<10}{}", param.name, param.allowed);
        }
    }
    Ok(text)
}

/// A missing value in a table.
const MISSING: &str = "-";

/// An answer as tables: series beside their inputs row by row, then lists, then single values.
pub(super) fn answer(table: &Table<'_>, columns: &[Column<'_>], answer: &Answer) -> String {
    let mut text = String::new();
    let series: Vec<(&str, &[Option<f64>])> = answer
        .outputs
        .iter()
        .filter_map(|(name, value)| if let Value::Series(s) = value { Some((*name, s.as_slice())) } else { None })
        .collect();
    if !series.is_empty() {
        let times = table.times();
        let head = ["row".to_owned()].into_iter().chain(times.iter().map(|t| t.name.clone()));
        let head =
            head.chain(columns.iter().map(|c| c.name.clone())).chain(series.iter().map(|(name, _)| (*name).to_owned()));
        row(&mut text, head);
        for at in 0..columns.first().map_or(0, Column::len) {
            let cells = [at.to_string()].into_iter().chain(times.iter().map(|t| t.text(at)));
            let values = series
                .iter()
                .map(|(_, s)| s.get(at).copied().flatten().map_or_else(|| MISSING.to_owned(), |v| v.to_string()));
            row(&mut text, cells.chain(columns.iter().map(|c| c.text(at))).chain(values));
        }
    }
    for (name, value) in &answer.outputs {
        match value {
            Value::Series(_) => {}
            Value::List(items) => {
                let _ = writeln!(text, "\n{name}: {}", items.len());
                if let Some(Value::Map(first)) = items.first() {
                    row(&mut text, first.iter().map(|(key, _)| key.clone()));
                }
                items.iter().for_each(|item| row(&mut text, cells(item).into_iter()));
            }
            Value::Map(entries) => {
                let shown =
                    entries.iter().map(|(key, value)| format!("{key} {}", cells(value).join(" "))).collect::<Vec<_>>();
                let _ = writeln!(text, "{name:<24}{}", shown.join(", "));
            }
            single => {
                let _ = writeln!(text, "{name:<24}{}", cells(single).join(" "));
            }
        }
    }
    if let Some(run) = &answer.run {
        let _ = writeln!(text, "{:<24}{}", "digest", run.digest);
        let _ = writeln!(text, "{:<24}{} of {} bars' figures", "rounded to 11 decimals", run.rounded, run.events);
    }
    text
}

/// Cells in columns of equal width.
fn row(text: &mut String, cells: impl Iterator<Item = String>) {
    for (at, cell) in cells.enumerate() {
        let width = if at == 0 { 9 } else { 22 };
        let gap = if at == 0 { "" } else { "  " };
        let _ = write!(text, "{gap}{cell:>width$}");
    }
    text.push('\n');
}

/// A value in words; the values of an object or list, one each.
fn cells(value: &Value) -> Vec<String> {
    match value {
        Value::Missing => vec![MISSING.to_owned()],
        Value::Bool(b) => vec![b.to_string()],
        Value::Integer(i) => vec![i.to_string()],
        Value::Number(n) => vec![n.to_string()],
        Value::Text(t) => vec![t.clone()],
        Value::Series(s) => s.iter().map(|v| v.map_or_else(|| MISSING.to_owned(), |v| v.to_string())).collect(),
        Value::List(items) => items.iter().flat_map(cells).collect(),
        Value::Map(entries) => entries.iter().flat_map(|(_, value)| cells(value)).collect(),
    }
}
