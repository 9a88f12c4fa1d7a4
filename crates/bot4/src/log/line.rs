//! How a record is written: a line for people, a JSON object for programs.
//!
//! The object has `ts` (UTC, when it was told), `level`, `target` (the module), `message`; `seq` and `order` where they apply; everything else
//! is in `fields`. Names never change their type.

use super::layer::{Datum, Record};
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::SystemTime;
use tracing::Level;

/// A line, with its keys in the order in which people read them.
#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    level: &'static str,
    target: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Value>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
}

/// The record as one JSON object and a line end.
pub(super) fn json(record: &Record) -> String {
    let (mut seq, mut order, mut fields) = (None, None, Map::new());
    for (name, datum) in &record.fields {
        match *name {
            "seq" => seq = Some(value(name, datum)),
            "order" => order = Some(value(name, datum)),
            other => drop(fields.insert(other.to_owned(), value(name, datum))),
        }
    }
    text(&Line {
        ts: time(record.at),
        level: level(*record.meta.level()),
        target: record.meta.target(),
        message: &record.message,
        seq,
        order,
        fields,
    })
}

/// A line of the log about itself, with a number of records.
pub(super) fn note(message: &str, records: u64) -> String {
    let fields = Map::from_iter([("records".to_owned(), records.into())]);
    let ts = time(SystemTime::now());
    text(&Line { ts, level: level(Level::WARN), target: "bot4::log", message, seq: None, order: None, fields })
}

fn text(line: &Line<'_>) -> String {
    // Nothing in a line can fail to be JSON: names are texts, and numbers that JSON does not have became texts.
    serde_json::to_string(line).unwrap_or_default() + "\n"
}

/// The record as a line for people.
pub(super) fn people(record: &Record) -> String {
    let level_of = *record.meta.level();
    let style = match level_of {
        Level::ERROR => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
        Level::WARN => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        Level::INFO => Style::new().fg_color(Some(AnsiColor::Green.into())),
        _ => Style::new().dimmed(),
    };
    let mut line = format!(
        "{} {style}{:<5}{style:#} {}: {}",
        time(record.at),
        level(level_of).to_uppercase(),
        record.meta.target(),
        record.message
    );
    for (name, datum) in &record.fields {
        // Writing into a String cannot fail.
        let _ = match value(name, datum) {
            Value::String(text) if !text.contains(char::is_whitespace) => write!(line, " {name}={text}"),
            other => write!(line, " {name}={other}"),
        };
    }
    line.push('\n');
    line
}

fn value(name: &str, datum: &Datum) -> Value {
    match datum {
        Datum::Unsigned(n) => json!(n),
        Datum::Signed(n) => json!(n),
        Datum::Wide(n) if name == "order" => Value::String(format!("{n:032x}")),
        Datum::Wide(n) => Value::String(n.to_string()),
        // JSON has no other numbers than finite ones.
        Datum::Float(x) if x.is_finite() => json!(x),
        Datum::Float(x) => Value::String(x.to_string()),
        Datum::Flag(flag) => json!(flag),
        Datum::Text(text) => json!(text),
    }
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn time(at: SystemTime) -> String {
    // A clock that stands before the year -9999 or after 9999 is shown as the beginning of the count.
    let at = jiff::Timestamp::try_from(at).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{at:.6}")
}
