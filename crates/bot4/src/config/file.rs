//! A configuration file: TOML, read with the place of every key and value, so that a problem says line and column.
//!
//! All problems are found, not just the first. Numbers are taken as they are written: an amount never goes through a floating-point number.

use super::key::{Key, Kind, Value};
use super::keys::{KEYS, find};
use super::problem::{Origin, Problem, nearest, shown};
use super::resolve::Layer;
use super::strategies;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Reads the text of a file.
pub(super) fn read(path: &Path, text: &str, problems: &mut Vec<Problem>) -> Layer {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { path, text, problems, layer: Layer::new() };
    if errors.is_empty() {
        reader.root(root.get_ref());
    }
    for error in errors {
        let what = format!("what is no TOML ({})", error.message());
        reader.problem(error.span().unwrap_or_default(), "", what, "a configuration file in TOML".into(), None);
    }
    reader.layer
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    problems: &'a mut Vec<Problem>,
    layer: Layer,
}

impl Reader<'_> {
    fn root(&mut self, root: &DeTable<'_>) {
        for (name, value) in in_order(root) {
            let section = name.get_ref().as_ref();
            if !KEYS.iter().any(|key| key.section() == section) {
                self.unknown_section(name.span(), section);
                continue;
            }
            let Some(table) = value.get_ref().as_table() else {
                self.problem(value.span(), section, found(value.get_ref()), "a section".into(), None);
                continue;
            };
            for (name, value) in in_order(table) {
                let path = format!("{section}.{}", name.get_ref());
                match find(&path) {
                    Some(key) => self.key(key, value),
                    None => self.unknown_key(name.span(), section, name.get_ref()),
                }
            }
        }
    }

    fn key(&mut self, key: &'static Key, value: &Spanned<DeValue<'_>>) {
        let read = match (key.kind, value.get_ref()) {
            (Kind::Strategies | Kind::List(_), DeValue::Array(items)) => {
                let before = self.problems.len();
                let texts: Vec<String> = items.iter().filter_map(|item| self.item(key, item)).collect();
                if self.problems.len() > before {
                    return;
                }
                Ok(Value::List(texts))
            }
            (Kind::Flag, DeValue::Boolean(flag)) => Ok(Value::Flag(*flag)),
            (Kind::Text(_), DeValue::Datetime(time)) => key.read(&time.to_string()),
            (Kind::Text(_), DeValue::String(_) | DeValue::Integer(_) | DeValue::Float(_))
            | (Kind::Word(_), DeValue::String(_))
            | (Kind::Count { .. }, DeValue::Integer(_))
            | (Kind::Number { .. }, DeValue::Integer(_) | DeValue::Float(_)) => {
                key.read(&text_of(value.get_ref()).unwrap_or_default())
            }
            (_, other) => Err((found(other), key.expected())),
        };
        match read {
            Ok(read) => {
                let origin = self.origin(value.span());
                self.layer.insert(key.path, (read, origin));
            }
            Err((what, expected)) => {
                let near = match key.kind {
                    Kind::Word(words) => nearest(what.trim_matches('"'), words.iter().copied()).map(str::to_owned),
                    _ => None,
                };
                // The value as it stands in the file: a number without quotes.
                let what = if value.get_ref().is_str() { what } else { found(value.get_ref()) };
                self.problem(value.span(), key.path, what, expected, near);
            }
        }
    }

    /// One item of a list, checked.
    fn item(&mut self, key: &'static Key, item: &Spanned<DeValue<'_>>) -> Option<String> {
        let value = item.get_ref();
        if let (Kind::Strategies, DeValue::Table(table)) = (key.kind, value) {
            return self.strategy_table(key, item.span(), table);
        }
        let read = match value {
            DeValue::String(text) => key.check(Value::List(vec![text.as_ref().to_owned()])),
            other => {
                let expected = match key.kind {
                    Kind::List(check) => check.expected.to_owned(),
                    _ => "NAME[:k=v,...] or a table with a name".to_owned(),
                };
                Err((found(other), expected))
            }
        };
        match read {
            Ok(_) => text_of(value),
            Err((what, expected)) => {
                self.problem(item.span(), key.path, what, expected, None);
                None
            }
        }
    }

    /// A strategy as a table: its name, and its parameters as keys.
    fn strategy_table(&mut self, key: &'static Key, at: Range<usize>, table: &DeTable<'_>) -> Option<String> {
        let Some(name) = table.get("name") else {
            self.problem(at, key.path, "a table without a name".into(), "name = \"...\" and parameters".into(), None);
            return None;
        };
        let kind = name.get_ref().as_str().unwrap_or_default();
        if let Err(expected) = strategies::check_name(kind) {
            self.problem(name.span(), &format!("{}.name", key.path), found(name.get_ref()), expected, None);
            return None;
        }
        let known = strategies::parameters(kind);
        let (mut params, mut whole) = (Vec::new(), true);
        for (param, value) in in_order(table).into_iter().filter(|(param, _)| param.get_ref() != "name") {
            let (param_name, path) = (param.get_ref().as_ref(), format!("{}.{}", key.path, param.get_ref()));
            if !known.contains(&param_name) {
                let near = nearest(param_name, known.iter().copied()).map(str::to_owned);
                let expected = format!("a parameter of {kind}: {}", known.join(", "));
                self.problem(param.span(), &path, "an unknown key".into(), expected, near);
                whole = false;
                continue;
            }
            let text = match value.get_ref() {
                // Where a strategy asks for yes or no, true and false are meant so.
                DeValue::Boolean(flag) => Some(if *flag { "yes".to_owned() } else { "no".to_owned() }),
                other => text_of(other).filter(|text| !text.is_empty() && !text.contains([',', '='])),
            };
            match text {
                Some(text) => params.push((value.span(), format!("{param_name}={text}"))),
                None => {
                    self.problem(value.span(), &path, found(value.get_ref()), "a number or a word".into(), None);
                    whole = false;
                }
            }
        }
        if !whole {
            return None;
        }
        let texts: Vec<&str> = params.iter().map(|(_, text)| text.as_str()).collect();
        let text = if texts.is_empty() { kind.to_owned() } else { format!("{kind}:{}", texts.join(",")) };
        match strategies::check(&text) {
            Ok(()) => Some(text),
            Err(expected) => {
                // Which of the parameters it is: the one whose removal mends it, else the whole table.
                let alone = |text: &str| strategies::check(&format!("{kind}:{text}")).is_err();
                let at = params.iter().find(|(_, text)| alone(text)).map_or(at, |(at, _)| at.clone());
                self.problem(at, key.path, shown(&text), expected, None);
                None
            }
        }
    }

    fn unknown_section(&mut self, at: Range<usize>, name: &str) {
        let mut sections: Vec<&str> = KEYS.iter().map(Key::section).collect();
        sections.dedup();
        // A key outside of its section is meant as often as a section that is spelt wrongly.
        let near = match KEYS.iter().find(|key| key.name() == name) {
            Some(key) => Some(key.path),
            None => nearest(name, sections.iter().copied()),
        };
        let near = near.map(str::to_owned);
        let expected = format!("one of the sections {}", sections.join(", "));
        self.problem(at, name, "an unknown key".into(), expected, near);
    }

    fn unknown_key(&mut self, at: Range<usize>, section: &str, name: &str) {
        let names: Vec<&str> = KEYS.iter().filter(|key| key.section() == section).map(Key::name).collect();
        let near = match nearest(name, names.iter().copied()) {
            Some(near) => Some(near.to_owned()),
            // Perhaps it belongs to another section.
            None => KEYS.iter().find(|key| key.name() == name).map(|key| key.path.to_owned()),
        };
        let expected = format!("one of {}", names.join(", "));
        self.problem(at, &format!("{section}.{name}"), "an unknown key".into(), expected, near);
    }

    fn problem(&mut self, at: Range<usize>, key: &str, found: String, expected: String, near: Option<String>) {
        let origin = self.origin(at);
        self.problems.push(Problem { origin, key: key.to_owned(), found, expected, near });
    }

    fn origin(&self, at: Range<usize>) -> Origin {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |n| n + 1);
        Origin::File {
            file: self.path.to_owned(),
            line: 1 + before.matches('\n').count(),
            column: 1 + before.get(line_start..).map_or(0, |line| line.chars().count()),
        }
    }
}

/// The entries in the order in which they stand in the file.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<toml::de::DeString<'i>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

/// A text or a number as it is written; thousands may be set off by underscores. Other bases than ten are no amount.
fn text_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.as_ref().to_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().replace('_', "")),
        DeValue::Float(number) => Some(number.as_str().replace('_', "")),
        _ => None,
    }
}

/// A value as a problem shows it.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => shown(text),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}
