//! How a record is written: a line for people, a JSON object for programs.
//!
//! The object has `ts` (UTC, when it was told), `level`, `target` (the module), `message`; `seq` and `order` where they apply; everything else
//! is in `fields`. Names never change their type.

use super::layer::{Datum, Record};
use anstyle::{AnsiColor, Style};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::time::SystemTime;
use tracing::Level;

/// The record as one JSON object and a line end.
pub(super) fn json(record: &Record) -> String {
    let mut object = Map::new();
    object.insert("ts".into(), time(record.at).into());
    object.insert("level".into(), level(*record.meta.level()).into());
    object.insert("target".into(), record.meta.target().into());
    object.insert("message".into(), record.message.as_str().into());
    let mut fields = Map::new();
    for (name, datum) in &record.fields {
        let at = if matches!(*name, "seq" | "order") { &mut object } else { &mut fields };
        at.insert((*name).into(), value(name, datum));
    }
    if !fields.is_empty() {
        object.insert("fields".into(), Value::Object(fields));
    }
    Value::Object(object).to_string() + "\n"
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
