//! Instruments of a catalogue and the history of their rules: `ROOT/instruments.csv`, a table that a person can edit.
//!
//! One row per instrument and change of its rules, with `valid_from` (a date or time in UTC). Where it is empty, nobody knows since when
//! the rules hold: they are today's, and whatever is computed with them has to say so. The columns are those of the table that bot4
//! carries, and `instrument`: `listed` or `generic`.

use crate::history::{HistoryError, Listing, time_of_text};
use domain::UnixNanos;
use std::path::{Path, PathBuf};

/// Name of the table.
pub(crate) const FILE: &str = "instruments.csv";

const HEAD: &str = "\
# Instruments of this catalogue and the rules that held for their orders, one row per change; lines may be edited and added.
# valid_from: since when (2021-05-19 or 2021-05-19T00:00:00Z, UTC); empty: not known, these are today's rules.
# price_decimals, quantity_decimals: of the stored figures; they are the same in all rows of an instrument and never change.
";

/// The rules of an instrument from a time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Since when they hold; `None` where it is not known.
    pub valid_from: Option<UnixNanos>,
    /// The rules.
    pub listing: Listing,
}

/// The rules that were chosen for a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The rules.
    pub listing: Listing,
    /// What is assumed by using them; `None` where they are known to hold.
    pub note: Option<String>,
}

/// All instruments of a catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesTable {
    /// Sorted by venue, symbol and time; rows without a time first.
    rows: Vec<Rules>,
}

impl RulesTable {
    /// Reads the table of a catalogue; an empty one if there is none.
    ///
    /// # Errors
    /// If it cannot be read, with the line and what was expected there.
    pub fn load(root: &Path) -> Result<Self, HistoryError> {
        let path = root.join(FILE);
        let shown = path.display().to_string();
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text, &shown),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(HistoryError::io(&shown, &error)),
        }
    }

    fn parse(text: &str, file: &str) -> Result<Self, HistoryError> {
        let mut rows: Vec<Rules> = Vec::new();
        for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line.starts_with("venue,") {
                continue;
            }
            let wrong = |what: String, expected: &str| {
                HistoryError::structure(file, format!("line {number}: {what}"), expected)
            };
            let cells: Vec<&str> = line.split(',').map(str::trim).collect();
            let columns = Self::header();
            if cells.len() != columns.len() {
                let what = format!("{} columns", cells.len());
                return Err(wrong(what, &format!("{}: {}", columns.len(), columns.join(","))));
            }
            let at = |name: &str| {
                columns.iter().position(|c| *c == name).and_then(|at| cells.get(at)).copied().unwrap_or_default()
            };
            let valid_from = match at("valid_from") {
                "" | "-" => None,
                text => Some(time_of_text(text).map_err(|e| wrong(format!("valid_from {text}"), &e))?),
            };
            let generic = match at("instrument") {
                "listed" => false,
                "generic" => true,
                other => return Err(wrong(format!("instrument {other}"), "listed or generic")),
            };
            let plain = columns.iter().zip(&cells).filter(|(c, _)| !["valid_from", "instrument"].contains(c));
            let plain: Vec<&str> = plain.map(|(_, cell)| *cell).collect();
            let mut listing = Listing::read_line(&plain.join(",")).map_err(|column| {
                let value = at(column);
                wrong(format!("{column} {value}"), "a value as in the other rows")
            })?;
            listing.generic = generic;
            let row = Rules { valid_from, listing };
            if let Some(other) = rows.iter().find(|r| r.is_of(&row.listing.venue, &row.listing.symbol)) {
                let units =
                    |l: &Listing| (l.kind, l.price_decimals, l.quantity_decimals, l.base.clone(), l.quote.clone());
                if units(&other.listing) != units(&row.listing) {
                    let what =
                        format!("{} has another kind, assets or decimals than in a row above", row.listing.symbol);
                    return Err(wrong(what, "the same in all rows of an instrument"));
                }
            }
            let same = |r: &Rules| r.is_of(&row.listing.venue, &row.listing.symbol) && r.valid_from == valid_from;
            if rows.iter().any(same) {
                let what = format!("{} has two rows with the same valid_from", row.listing.symbol);
                return Err(wrong(what, "one row per change of its rules"));
            }
            rows.push(row);
        }
        let mut table = Self { rows };
        table.sort();
        Ok(table)
    }

    fn sort(&mut self) {
        self.rows.sort_by(|a, b| {
            let key = |r: &Rules| (r.listing.venue.clone(), r.listing.symbol.clone(), r.valid_from);
            key(a).cmp(&key(b))
        });
    }

    fn header() -> Vec<&'static str> {
        let mut columns = Listing::COLUMNS.to_vec();
        columns.insert(2, "valid_from");
        columns.push("instrument");
        columns
    }

    /// Writes the table, aside and then in its place.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn save(&self, root: &Path) -> Result<(), HistoryError> {
        let mut text = format!("{HEAD}{}\n", Self::header().join(","));
        for row in &self.rows {
            let line = row.listing.to_line();
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            cells.insert(2, row.valid_from.map(instant).unwrap_or_default());
            cells.push(if row.listing.generic { "generic" } else { "listed" }.to_owned());
            text.push_str(&cells.join(","));
            text.push('\n');
        }
        write_aside(&root.join(FILE), &text)
    }

    /// Whether an instrument is known.
    #[must_use]
    pub fn knows(&self, venue: &str, symbol: &str) -> bool {
        self.rows.iter().any(|r| r.is_of(venue, symbol))
    }

    /// Adds an instrument whose history is not known; one that is there stays as it is.
    pub fn add(&mut self, listing: Listing) {
        if !self.knows(&listing.venue, &listing.symbol) {
            self.rows.push(Rules { valid_from: None, listing });
            self.sort();
        }
    }

    /// All rows, sorted by venue, symbol and time.
    #[must_use]
    pub fn rows(&self) -> &[Rules] {
        &self.rows
    }

    /// The rules to be used for an instrument from `begins` to `ends`: those that hold when it begins. `None` if it is not known at all.
    #[must_use]
    pub fn choose(
        &self,
        venue: &str,
        symbol: &str,
        begins: Option<UnixNanos>,
        ends: Option<UnixNanos>,
    ) -> Option<Chosen> {
        let own: Vec<&Rules> = self.rows.iter().filter(|r| r.is_of(venue, symbol)).collect();
        let begins = begins.unwrap_or(UnixNanos(0));
        let at = own.iter().rposition(|r| r.valid_from.is_none_or(|from| from <= begins)).unwrap_or(0);
        let chosen = own.get(at)?;
        let later = own.get(at + 1..).unwrap_or_default().iter().filter_map(|r| r.valid_from);
        let changes: Vec<String> = later.filter(|from| ends.is_none_or(|e| *from < e)).map(day_text).collect();
        let mut notes = Vec::new();
        match chosen.valid_from {
            None => notes.push(TODAY.to_owned()),
            Some(from) if from > begins => notes.push(format!(
                "today's rules: those valid from {} are used for the time before it too, for which none are known",
                day_text(from)
            )),
            Some(_) => {}
        }
        if !changes.is_empty() {
            notes.push(format!(
                "the rules that held at the begin are used throughout; they changed on {}",
                changes.join(", ")
            ));
        }
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Some(Chosen { listing: chosen.listing.clone(), note })
    }
}

/// What is assumed where nobody knows the history of an instrument's rules.
pub(crate) const TODAY: &str =
    "today's rules (tick, lot, minima, margins, fees) are used for the whole period: their history is not known";

impl Rules {
    fn is_of(&self, venue: &str, symbol: &str) -> bool {
        self.listing.venue == venue && self.listing.symbol == symbol
    }
}

fn instant(ts: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ts.0)).map_or_else(|_| ts.0.to_string(), |t| t.to_string())
}

fn day_text(ts: UnixNanos) -> String {
    instant(ts).replace("T00:00:00Z", "")
}

/// Writes a small text file so that it is there whole or as it was before.
pub(crate) fn write_aside(path: &Path, text: &str) -> Result<(), HistoryError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let shown = path.display().to_string();
    let written = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    written.map_err(|e| {
        drop(std::fs::remove_file(&temporary));
        HistoryError::io(&shown, &e)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[(&str, &str)]) -> Result<RulesTable, HistoryError> {
        let mut listing = Listing::find("binance_spot", "BTCUSDT", None).unwrap();
        let mut text = format!("{}\n", RulesTable::header().join(","));
        for (from, tick) in rows {
            listing.tick = domain::Price::parse(tick).unwrap();
            let mut cells: Vec<String> = listing.to_line().split(',').map(str::to_owned).collect();
            cells.insert(2, (*from).to_owned());
            cells.push("listed".into());
            text.push_str(&(cells.join(",") + "\n"));
        }
        RulesTable::parse(&text, "instruments.csv")
    }

    fn day(text: &str) -> Option<UnixNanos> {
        Some(time_of_text(text).unwrap())
    }

    #[test]
    fn the_rules_that_hold_at_a_time_are_chosen() {
        let table = table(&[("2021-01-01", "0.01"), ("2022-06-01", "0.1"), ("2020-01-01", "0.05")]).unwrap();
        let choose = |from, to| {
            let chosen = table.choose("binance_spot", "BTCUSDT", day(from), day(to)).unwrap();
            (chosen.listing.tick.to_string(), chosen.note.unwrap_or_default())
        };
        assert_eq!(choose("2020-05-01", "2020-06-01"), ("0.05".into(), String::new()));
        assert_eq!(choose("2021-01-01", "2022-06-01"), ("0.01".into(), String::new()));
        assert_eq!(choose("2023-01-01", "2024-01-01"), ("0.1".into(), String::new()));
        let (tick, note) = choose("2021-01-01", "2022-06-02");
        assert_eq!((tick.as_str(), note.ends_with("they changed on 2022-06-01")), ("0.01", true), "{note}");
        let (tick, note) = choose("2019-01-01", "2019-02-01");
        assert_eq!((tick.as_str(), note.starts_with("today's rules: those valid from 2020-01-01")), ("0.05", true));
        assert_eq!(table.choose("binance_spot", "ETHUSDT", None, None), None);
    }

    #[test]
    fn without_a_history_they_are_todays() {
        let table = table(&[("", "0.01")]).unwrap();
        let chosen = table.choose("binance_spot", "BTCUSDT", day("2020-01-01"), None).unwrap();
        assert_eq!(chosen.note.as_deref(), Some(TODAY));
    }

    #[test]
    fn what_cannot_be_a_table_is_named_with_its_line() {
        let twice = table(&[("2021-01-01", "0.01"), ("2021-01-01", "0.1")]).unwrap_err().to_string();
        assert!(twice.contains("line 3") && twice.contains("same valid_from"), "{twice}");
        let error = table(&[("yesterday", "0.01")]).unwrap_err().to_string();
        assert!(error.contains("line 2: valid_from yesterday"), "{error}");
        let error = RulesTable::parse("a,b\n", "x").unwrap_err().to_string();
        assert!(error.contains("line 1: 2 columns; expected 19: venue,symbol,valid_from"), "{error}");
    }

    #[test]
    fn a_table_comes_back_as_it_was_written() {
        let folder = std::env::temp_dir().join(format!("bot4-rules-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut rules = table(&[("2021-01-01", "0.01"), ("", "0.1")]).unwrap();
        rules.add(Listing::generic("mars", "A/B", crate::history::Decimals { price: 3, quantity: 4 }));
        rules.save(&folder).unwrap();
        assert_eq!(RulesTable::load(&folder), Ok(rules));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
