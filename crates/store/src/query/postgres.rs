//! The query store in a PostgreSQL database: the same tables, cut by month, or hypertables where TimescaleDB is there.

use super::schema::{self, Dialect, Holds, TABLES, Table, VERSION};
use super::wire::{Rows, Wire, WireError};
use super::{Access, Answer, Batch, Database, QueryError, Url, Value, WRITE_PATIENCE, Watermark, timescale};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Tells writers and migrations of bot4 apart from other users of advisory locks: "bot4" in ASCII.
const LOCK: i64 = 0x626f_7434;
/// Types whose values are whole numbers: int2, int4, int8.
const WHOLE_TYPES: [u32; 3] = [21, 23, 20];
/// The same with float4, float8, numeric.
const NUMERIC_TYPES: [u32; 6] = [21, 23, 20, 700, 701, 1700];

/// Answers a row where there is a schema. Read from the catalogue itself: `to_regclass` may still say no, from its cache, to a process that
/// has just waited for another one to make it.
const FIND_SCHEMA: &str = "SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                           WHERE c.relname = 'bot4_schema' AND n.nspname = ANY (current_schemas(false))";

/// A connection to a database.
pub(super) struct Postgres {
    wire: Wire,
    place: String,
    dialect: Dialect,
    /// Parts by month that are there: table and month.
    months: BTreeSet<(&'static str, i16, i8)>,
    /// Tables of the session that rows are copied into first.
    stages: BTreeSet<&'static str>,
}

impl Postgres {
    pub fn open(url: &Url, access: Access) -> Result<Self, QueryError> {
        let place = url.to_string();
        let wire = Wire::connect(url, WRITE_PATIENCE).map_err(|e| told(&place, e))?;
        let (months, stages) = (BTreeSet::new(), BTreeSet::new());
        let mut open = Self { wire, place, dialect: Dialect::Partitions, months, stages };
        match access {
            Access::Write => open.migrate()?,
            Access::Read => {
                open.run("SET default_transaction_read_only = on")?;
                match open.version()? {
                    None => return Err(QueryError::Missing { place: open.place }),
                    Some(version) if version != VERSION => return Err(open.other_schema(version)),
                    Some(_) => {}
                }
            }
        }
        Ok(open)
    }

    fn run(&mut self, sql: &str) -> Result<(), QueryError> {
        self.wire.run(sql).map(|_| ()).map_err(|e| told(&self.place, e))
    }

    fn ask(&mut self, sql: &str, parameters: &[&str]) -> Result<Rows, QueryError> {
        self.wire.ask(sql, parameters, usize::MAX).map_err(|e| told(&self.place, e))
    }

    /// The version of the schema that is there, and with which kind of partitions it was made.
    fn version(&mut self) -> Result<Option<i64>, QueryError> {
        if first(&self.ask(FIND_SCHEMA, &[])?).is_none() {
            return Ok(None);
        }
        let rows = self.ask("SELECT version, form FROM bot4_schema", &[])?;
        let row = rows.rows.into_iter().next().unwrap_or_default();
        let text = |at: usize| row.get(at).cloned().flatten().unwrap_or_default();
        self.dialect = if text(1) == "timescale" { Dialect::Timescale } else { Dialect::Partitions };
        Ok(text(0).parse().ok())
    }

    fn other_schema(&self, found: i64) -> QueryError {
        QueryError::OtherSchema { place: self.place.clone(), found, expected: VERSION }
    }

    /// Brings the database to this version: each step is a transaction, one process at a time.
    fn migrate(&mut self) -> Result<(), QueryError> {
        if self.version()? == Some(VERSION) {
            return Ok(());
        }
        let mut fresh = false;
        self.in_transaction(|db| {
            db.run(&format!("SELECT pg_advisory_xact_lock({LOCK})"))?;
            // Another process may have done it meanwhile.
            let from = match db.version()? {
                Some(version) if version > VERSION => return Err(db.other_schema(version)),
                Some(version) => version,
                None => {
                    fresh = true;
                    if db.has_timescale()? {
                        db.dialect = Dialect::Timescale;
                    }
                    let form = if db.dialect == Dialect::Timescale { "timescale" } else { "partitions" };
                    db.run("CREATE TABLE bot4_schema (version BIGINT NOT NULL, form TEXT NOT NULL)")?;
                    db.run(&format!("INSERT INTO bot4_schema VALUES (0, '{form}')"))?;
                    0
                }
            };
            for version in from + 1..=VERSION {
                for sql in schema::migration(version, db.dialect) {
                    db.run(&sql)?;
                }
            }
            db.run(&format!("UPDATE bot4_schema SET version = {VERSION}"))
        })?;
        if fresh && self.dialect == Dialect::Timescale {
            self.time_tables()?;
        }
        Ok(())
    }

    /// Whether TimescaleDB is there, or can be switched on by this user.
    fn has_timescale(&mut self) -> Result<bool, QueryError> {
        if first(&self.ask(timescale::AVAILABLE, &[])?).is_none() {
            return Ok(false);
        }
        self.run("SAVEPOINT extension")?;
        match self.run(timescale::SWITCH_ON) {
            Ok(()) => Ok(true),
            // Not permitted, or not loaded by the server: native partitions do the same.
            Err(QueryError::Statement { .. }) => self.run("ROLLBACK TO SAVEPOINT extension").map(|()| false),
            Err(error) => Err(error),
        }
    }

    /// Hypertables; compression and continuous aggregates only under the licence that has them.
    fn time_tables(&mut self) -> Result<(), QueryError> {
        let community = first(&self.ask(timescale::LICENCE, &[])?).is_some_and(|licence| licence == "timescale");
        for sql in timescale::statements(community) {
            self.run(&sql)?;
        }
        Ok(())
    }

    fn in_transaction(&mut self, work: impl FnOnce(&mut Self) -> Result<(), QueryError>) -> Result<(), QueryError> {
        self.run("BEGIN")?;
        match work(self) {
            Ok(()) => self.run("COMMIT"),
            Err(error) => {
                // Where the connection is lost the server rolls back by itself.
                let _ = self.run("ROLLBACK");
                Err(error)
            }
        }
    }

    fn write_rows(&mut self, table: &'static Table, rows: &[Vec<Value>]) -> Result<(), QueryError> {
        if self.dialect == Dialect::Partitions && table.by_time {
            self.make_months(table, rows)?;
        }
        if !self.stages.contains(table.name) {
            self.run(&table.create_stage())?;
        }
        let mut text = String::with_capacity(rows.len() * 160);
        for row in rows {
            put_row(table, row, &mut text);
        }
        let copy = format!("COPY stage_{} FROM STDIN", table.name);
        self.wire.copy(&copy, text.as_bytes()).map_err(|e| told(&self.place, e))?;
        self.run(&table.insert_stage())
    }

    fn make_months(&mut self, table: &'static Table, rows: &[Vec<Value>]) -> Result<(), QueryError> {
        let at = table.columns.iter().position(|column| column.name == "ts").unwrap_or(0);
        let months: BTreeSet<(i16, i8)> = rows.iter().filter_map(|row| month_of(row.get(at)?)).collect();
        for (year, month) in months {
            if !self.months.contains(&(table.name, year, month)) {
                self.run(&table.create_month(year, month))?;
            }
        }
        Ok(())
    }

    /// What a batch has made is there from now on: said after the commit, for a rollback takes it away.
    fn remember(&mut self, batch: &Batch) {
        for (table, rows) in batch.rows() {
            self.stages.insert(table.name);
            let at = table.columns.iter().position(|column| column.name == "ts").unwrap_or(0);
            let months = rows.iter().filter_map(|row| month_of(row.get(at)?));
            self.months.extend(months.map(|(year, month)| (table.name, year, month)));
        }
        self.stages.insert(batch.progress().0.name);
    }
}

impl Database for Postgres {
    fn watermark(&mut self, run: &str) -> Result<Option<Watermark>, QueryError> {
        let rows = self.ask("SELECT seq, records_of_seq, records, equity FROM progress WHERE run = $1", &[run])?;
        let Some(row) = rows.rows.first() else { return Ok(None) };
        let number = |at: usize| row.get(at).cloned().flatten().and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Some(Watermark { seq: number(0), records_of_seq: number(1), records: number(2), equity: number(3) }))
    }

    fn write(&mut self, batch: &Batch) -> Result<(), QueryError> {
        self.in_transaction(|db| {
            // Writers of parts and of one run take turns.
            db.run(&format!("SELECT pg_advisory_xact_lock({LOCK})"))?;
            for (table, rows) in batch.rows() {
                db.write_rows(table, rows)?;
            }
            let (progress, row) = batch.progress();
            db.write_rows(progress, std::slice::from_ref(&row))
        })?;
        self.remember(batch);
        Ok(())
    }

    fn forget(&mut self, run: &str) -> Result<(), QueryError> {
        self.in_transaction(|db| {
            TABLES
                .iter()
                .try_for_each(|t| db.ask(&format!("DELETE FROM {} WHERE run = $1", t.name), &[run]).map(|_| ()))
        })
    }

    fn expire(&mut self, run: &str, before_ns: u64) -> Result<u64, QueryError> {
        let before = before_ns.min(i64::MAX.unsigned_abs()).to_string();
        let done = self.ask("DELETE FROM signals WHERE run = $1 AND ts_ns < $2", &[run, &before])?;
        Ok(done.tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0))
    }

    fn select(&mut self, sql: &str, parameters: &[&str], limit: usize) -> Result<Answer, QueryError> {
        let mut sql = sql.to_owned();
        for number in (1..=parameters.len()).rev() {
            sql = sql.replace(&format!("?{number}"), &format!("${number}"));
        }
        let rows = self.wire.ask(&sql, parameters, limit).map_err(|e| told(&self.place, e))?;
        let whole = rows.columns.iter().map(|(_, kind)| WHOLE_TYPES.contains(kind)).collect();
        let numeric = rows.columns.iter().map(|(_, kind)| NUMERIC_TYPES.contains(kind)).collect();
        let columns = rows.columns.into_iter().map(|(name, _)| name).collect();
        Ok(Answer { columns, numeric, whole, rows: rows.rows, cut: rows.cut })
    }

    fn check(&mut self) -> Result<(), QueryError> {
        // A server looks after its own files.
        Ok(())
    }

    fn dialect(&self) -> Dialect {
        self.dialect
    }
}

fn first(rows: &Rows) -> Option<String> {
    rows.rows.first()?.first()?.clone()
}

/// The row as a line of `COPY`.
fn put_row(table: &Table, row: &[Value], out: &mut String) {
    let mut between = "";
    for (column, value) in table.columns.iter().zip(row) {
        out.push_str(between);
        between = "\t";
        match value {
            Value::Null if column.holds == Holds::Time => out.push_str("\\N\t\\N"),
            Value::Null => out.push_str("\\N"),
            Value::Text(text) => put_text(text, out),
            // Writing into a String cannot fail.
            Value::Int(number) => drop(write!(out, "{number}")),
            Value::Flag(flag) => out.push(if *flag { 't' } else { 'f' }),
            Value::Time(ns) => drop(write!(out, "{ns}\t{}", instant(*ns))),
        }
    }
    out.push('\n');
}

/// Text as `COPY` takes it. A zero byte, which PostgreSQL cannot hold, is written as its picture.
fn put_text(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\0' => out.push('\u{2400}'),
            other => out.push(other),
        }
    }
}

/// The instant with whole microseconds, cut off, not rounded: it must not get into the next month.
fn instant(ns: u64) -> Timestamp {
    let micros = i64::try_from(ns / 1_000).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or(Timestamp::MAX)
}

fn month_of(value: &Value) -> Option<(i16, i8)> {
    let Value::Time(ns) = value else { return None };
    let date = instant(*ns).to_zoned(TimeZone::UTC).date();
    Some((date.year(), date.month()))
}

/// What an error asks for: what concerns the connection or the server's means can be tried again.
fn told(place: &str, error: WireError) -> QueryError {
    let place = place.to_owned();
    match error {
        WireError::Lost(what) => QueryError::Unavailable { place, what },
        WireError::Server { code, text } => match code.get(..2) {
            // Connection, log-in and permission, resources, operator, limits, system; locks that were in each other's way.
            Some("08" | "28" | "53" | "55" | "57" | "58" | "40") => {
                QueryError::Unavailable { place, what: format!("{text} ({code})") }
            }
            Some("3D") => QueryError::Unavailable { place, what: text },
            Some("XX") => QueryError::Damaged { place, what: text },
            _ if code == "42501" => QueryError::Unavailable { place, what: format!("{text} ({code})") },
            _ if code == "25006" => QueryError::Statement {
                what: "the statement would change the database: expected one that reads".into(),
            },
            _ => QueryError::Statement { what: format!("{text} ({code})") },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::schema::EQUITY;

    #[test]
    fn a_row_is_a_line_whatever_is_in_it() {
        let row = vec![
            "a\tb\\n\n\0".into(),
            Value::Int(-4),
            Value::Time(1_704_067_199_999_999_999),
            "1.5".into(),
            Value::Null,
            Value::Null,
            Value::Null,
            Value::Null,
        ];
        let mut line = String::new();
        put_row(&EQUITY, &row, &mut line);
        let expected =
            "a\\tb\\\\n\\n\u{2400}\t-4\t1704067199999999999\t2023-12-31T23:59:59.999999Z\t1.5\t\\N\t\\N\t\\N\t\\N\n";
        assert_eq!(line, expected);
        assert_eq!(month_of(&row[2]), Some((2023, 12)));
    }

    #[test]
    fn errors_say_whether_it_can_be_tried_again() {
        let of = |code: &str| told("p", WireError::Server { code: code.into(), text: "no".into() });
        for code in ["53100", "57P01", "28P01", "42501", "40P01", "3D000"] {
            assert!(matches!(of(code), QueryError::Unavailable { .. }), "{code}");
        }
        assert!(matches!(of("42601"), QueryError::Statement { .. }));
        assert!(matches!(of("XX001"), QueryError::Damaged { .. }));
        assert!(matches!(told("p", WireError::Lost("gone".into())), QueryError::Unavailable { .. }));
    }
}
