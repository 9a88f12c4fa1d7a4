//! The query store in one file of SQLite: write-ahead log, one writer at a time, readers beside it.

use super::schema::{self, Dialect, TABLES, Table, VERSION};
use super::{Access, Answer, Batch, Database, QueryError, Value, Watermark};
use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, ToSql, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Says in the file's head that it is ours: "bot4" in ASCII.
const APPLICATION: i64 = 0x626f_7434;
/// How long a lock of another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A file of SQLite.
pub(super) struct Sqlite {
    connection: Connection,
    path: PathBuf,
    /// Which file was opened: one that was removed since is no longer what people will look into.
    file: Option<(u64, u64)>,
}

impl Sqlite {
    pub fn open(path: &Path, access: Access) -> Result<Self, QueryError> {
        let flags = match access {
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        } | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if access == Access::Read && !path.exists() {
            return Err(QueryError::Missing { place: path.display().to_string() });
        }
        if access == Access::Write
            && let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|e| unavailable(path, &e.to_string()))?;
        }
        let connection = Connection::open_with_flags(path, flags).map_err(|e| told(path, &e))?;
        let mut open = Self { connection, path: path.to_owned(), file: None };
        open.set_up(access).map_err(|e| told(path, &e))??;
        open.file = identity(path);
        Ok(open)
    }

    fn set_up(&mut self, access: Access) -> rusqlite::Result<Result<(), QueryError>> {
        self.connection.busy_timeout(PATIENCE)?;
        exact_sum(&self.connection)?;
        let (application, version) = self.marks()?;
        if application != APPLICATION && (version != 0 || self.has_tables()?) {
            let place = self.path.display().to_string();
            return Ok(Err(QueryError::Foreign { place, what: "a database without bot4's mark".into() }));
        }
        if version > VERSION || (access == Access::Read && version < VERSION) {
            return Ok(Err(self.other_schema(version)));
        }
        if access == Access::Read {
            self.connection.pragma_update(None, "query_only", true)?;
            return Ok(Ok(()));
        }
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        // A power cut can take the last transactions and never breaks the file: what is missing is written again from the journal.
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        self.migrate()?;
        Ok(Ok(()))
    }

    fn marks(&self) -> rusqlite::Result<(i64, i64)> {
        let pragma = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        Ok((pragma("application_id")?, pragma("user_version")?))
    }

    fn has_tables(&self) -> rusqlite::Result<bool> {
        self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0)).map(|n| n > 0)
    }

    fn other_schema(&self, found: i64) -> QueryError {
        QueryError::OtherSchema { place: self.path.display().to_string(), found, expected: VERSION }
    }

    /// Brings the file to this version, step by step, all of it or nothing.
    fn migrate(&mut self) -> rusqlite::Result<()> {
        if self.marks()? == (APPLICATION, VERSION) {
            return Ok(());
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have done it meanwhile.
        let from = transaction.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
        for version in from + 1..=VERSION {
            for sql in schema::migration(version, Dialect::Sqlite) {
                transaction.execute_batch(&sql)?;
            }
        }
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
        transaction.commit()
    }

    fn try_write(&mut self, batch: &Batch) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (progress, row) = batch.progress();
        for (table, rows) in batch.rows().chain([(progress, std::slice::from_ref(&row))]) {
            insert(&transaction, table, rows)?;
        }
        transaction.commit()
    }

    /// Whether the file that is open is still the one with its name.
    fn is_there(&self) -> bool {
        self.file.is_none() || identity(&self.path) == self.file
    }
}

fn insert(connection: &Connection, table: &Table, rows: &[Vec<Value>]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&table.insert())?;
    for row in rows {
        statement.execute(rusqlite::params_from_iter(row))?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Int(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
            Self::Flag(flag) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*flag))),
            Self::Time(ns) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::try_from(*ns).unwrap_or(i64::MAX))),
        })
    }
}

impl Database for Sqlite {
    fn watermark(&mut self, run: &str) -> Result<Option<Watermark>, QueryError> {
        let sql = "SELECT seq, records_of_seq, records, equity FROM progress WHERE run = ?1";
        let found = self.connection.query_row(sql, [run], |row| {
            let number = |at| row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0));
            Ok(Watermark { seq: number(0)?, records_of_seq: number(1)?, records: number(2)?, equity: number(3)? })
        });
        match found {
            Ok(watermark) => Ok(Some(watermark)),
            Err(rusqlite::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(told(&self.path, &error)),
        }
    }

    fn write(&mut self, batch: &Batch) -> Result<(), QueryError> {
        if !self.is_there() {
            return Err(unavailable(&self.path, "the file was removed or replaced while it was open"));
        }
        self.try_write(batch).map_err(|e| told(&self.path, &e))?;
        if self.is_there() { Ok(()) } else { Err(unavailable(&self.path, "the file was removed while it was written")) }
    }

    fn forget(&mut self, run: &str) -> Result<(), QueryError> {
        let all = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            for table in TABLES {
                transaction.execute(&format!("DELETE FROM {} WHERE run = ?1", table.name), [run])?;
            }
            transaction.commit()
        };
        let mut all = all;
        all().map_err(|e| told(&self.path, &e))
    }

    fn expire(&mut self, run: &str, before_ns: u64) -> Result<u64, QueryError> {
        let before = i64::try_from(before_ns).unwrap_or(i64::MAX);
        let sql = "DELETE FROM signals WHERE run = ?1 AND ts_ns < ?2";
        let removed = self.connection.execute(sql, (run, before)).map_err(|e| told(&self.path, &e))?;
        Ok(removed as u64)
    }

    fn select(&mut self, sql: &str, parameters: &[&str], limit: usize) -> Result<Answer, QueryError> {
        let path = self.path.clone();
        let told = |e: rusqlite::Error| told(&path, &e);
        let mut statement = self.connection.prepare(sql).map_err(told)?;
        if !statement.readonly() {
            return Err(QueryError::Statement {
                what: "the statement would change the database: expected one that reads".into(),
            });
        }
        let mut answer = Answer {
            columns: statement.column_names().into_iter().map(str::to_owned).collect(),
            numeric: vec![true; statement.column_count()],
            whole: vec![true; statement.column_count()],
            ..Answer::default()
        };
        let mut rows = statement.query(rusqlite::params_from_iter(parameters)).map_err(told)?;
        while let Some(row) = rows.next().map_err(told)? {
            if answer.rows.len() == limit {
                answer.cut = true;
                break;
            }
            let mut values = Vec::with_capacity(answer.columns.len());
            for (at, (numeric, whole)) in answer.numeric.iter_mut().zip(&mut answer.whole).enumerate() {
                let value = row.get_ref(at).map_err(told)?;
                *whole &= matches!(value, ValueRef::Null | ValueRef::Integer(_));
                let value = match value {
                    ValueRef::Null => None,
                    ValueRef::Integer(number) => Some(number.to_string()),
                    ValueRef::Real(number) => Some(number.to_string()),
                    ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                    ValueRef::Blob(bytes) => Some(bytes.iter().map(|b| format!("{b:02x}")).collect()),
                };
                // Decimals are text here: a column is of numbers if all that is in it is.
                *numeric &= value.as_deref().is_none_or(is_number);
                values.push(value);
            }
            answer.rows.push(values);
        }
        Ok(answer)
    }

    fn check(&mut self) -> Result<(), QueryError> {
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|e| told(&self.path, &e))?;
        if found == "ok" {
            return Ok(());
        }
        Err(QueryError::Damaged { place: self.path.display().to_string(), what: found })
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }
}

/// Whether a text is a decimal number in plain form.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all(whole) && all(part) && (whole.len() == 1 || !whole.starts_with('0'))
}

/// The exact sum of decimals that are text.
struct ExactSum;

impl Aggregate<domain::Money, String> for ExactSum {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<domain::Money> {
        Ok(domain::Money::ZERO)
    }

    fn step(&self, context: &mut Context<'_>, sum: &mut domain::Money) -> rusqlite::Result<()> {
        let refuse = |what: String| rusqlite::Error::UserFunctionError(what.into());
        let value = match context.get_raw(0) {
            ValueRef::Null => return Ok(()),
            ValueRef::Integer(number) => domain::Money::from_raw(i128::from(number) * domain::decimal::ONE),
            ValueRef::Text(text) => {
                let text = std::str::from_utf8(text).unwrap_or_default();
                domain::Money::parse(text)
                    .map_err(|_| refuse(format!("exact_sum of {text:?}: expected a decimal number")))?
            }
            _ => return Err(refuse("exact_sum: expected decimal numbers as text".into())),
        };
        *sum = sum.checked_add(value).ok_or_else(|| refuse("exact_sum: the sum is too large".into()))?;
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<domain::Money>) -> rusqlite::Result<String> {
        Ok(sum.unwrap_or(domain::Money::ZERO).to_string())
    }
}

fn exact_sum(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_aggregate_function("exact_sum", 1, flags, ExactSum)
}

fn unavailable(path: &Path, what: &str) -> QueryError {
    QueryError::Unavailable { place: path.display().to_string(), what: what.to_owned() }
}

/// What an error of SQLite asks for.
fn told(path: &Path, error: &rusqlite::Error) -> QueryError {
    let place = path.display().to_string();
    let what = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => QueryError::Damaged { place, what },
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory,
        ) => QueryError::Unavailable { place, what },
        _ => QueryError::Statement { what },
    }
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// Whether it is there at all: other systems do not let an open file be removed.
#[cfg(not(unix))]
fn identity(path: &Path) -> Option<(u64, u64)> {
    path.exists().then_some((0, 0))
}

/// Puts a file aside under a name that is free.
pub(super) fn put_aside(path: &Path) -> Result<PathBuf, QueryError> {
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    };
    let aside = (1..=u32::MAX).map(|n| with(&format!(".damaged-{n}"))).find(|aside| !aside.exists());
    let Some(aside) = aside else { return Err(unavailable(path, "no name is free for the damaged file")) };
    std::fs::rename(path, &aside).map_err(|e| unavailable(path, &e.to_string()))?;
    for end in ["-wal", "-shm"] {
        // What belongs to the damaged file must not be taken for the new one's.
        if with(end).exists() {
            let mut beside = aside.as_os_str().to_owned();
            beside.push(end);
            std::fs::rename(with(end), &beside).map_err(|e| unavailable(path, &e.to_string()))?;
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bot4-sqlite-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn batch(run: &str, seq: u64) -> Batch {
        let mut batch = Batch::new(run);
        let row = |n: u64, amount: &str| -> Vec<Value> {
            let number = Value::Int(i64::try_from(n).unwrap());
            vec![
                run.into(),
                number,
                Value::Int(1),
                Value::Time(1_600_000_000_000_000_000 + n),
                "funding".into(),
                Value::Int(0),
                Value::Null,
                "USDT".into(),
                amount.into(),
            ]
        };
        for n in 1..=seq {
            batch.push(&schema::CASH, row(n, "0.1"));
        }
        batch.upto = Watermark { seq, records_of_seq: 1, records: seq, equity: 0 };
        batch
    }

    #[test]
    fn an_earlier_schema_is_brought_forward_with_what_is_in_it() {
        let folder = folder("earlier");
        let path = folder.join("query.db");
        let old = Connection::open(&path).unwrap();
        for sql in schema::migration(1, Dialect::Sqlite) {
            old.execute_batch(&sql).unwrap();
        }
        old.pragma_update(None, "application_id", APPLICATION).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        old.execute("INSERT INTO progress VALUES ('r', 5, 1, 9, 0)", []).unwrap();
        drop(old);
        let read = Sqlite::open(&path, Access::Read).err().unwrap();
        assert_eq!(read, QueryError::OtherSchema { place: path.display().to_string(), found: 1, expected: VERSION });
        let mut brought = Sqlite::open(&path, Access::Write).unwrap();
        assert_eq!(brought.marks().unwrap(), (APPLICATION, VERSION));
        assert_eq!(brought.watermark("r").unwrap().unwrap().seq, 5);
        assert!(brought.select("SELECT * FROM daily_pnl", &[], 9).unwrap().rows.is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_written_twice_is_there_once_and_an_older_watermark_does_not_win() {
        let folder = folder("twice");
        let path = folder.join("new/query.db");
        let mut open = Sqlite::open(&path, Access::Write).unwrap();
        for seq in [7, 7, 3] {
            open.write(&batch("r", seq)).unwrap();
        }
        open.write(&batch("other", 2)).unwrap();
        assert_eq!(open.watermark("r").unwrap().unwrap().seq, 7);
        let sums = open.select("SELECT run, count(*), exact_sum(amount) FROM cash GROUP BY run", &[], 9).unwrap();
        let text = |row: &Vec<Option<String>>| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(sums.rows.iter().map(text).collect::<Vec<_>>(), ["other 2 0.2", "r 7 0.7"]);
        let time = open.select("SELECT ts FROM cash WHERE run = ?1 AND seq = 7", &["r"], 9).unwrap();
        assert_eq!(time.rows[0][0].as_deref(), Some("2020-09-13T12:26:40.000000007Z"));
        open.forget("r").unwrap();
        assert_eq!(open.watermark("r"), Ok(None));
        assert_eq!(open.watermark("other").unwrap().unwrap().seq, 2);

        // The file goes away under it: that is told, and nothing is written into what nobody can see.
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(open.write(&batch("r", 1)), Err(QueryError::Unavailable { .. })));
        assert!(!path.exists());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn numbers_are_told_from_words() {
        for number in ["0", "-1.5", "10", "0.000001"] {
            assert!(is_number(number), "{number}");
        }
        for word in ["", "-", "1e5", "007", "1.", ".5", "1.2.3", "0x1"] {
            assert!(!is_number(word), "{word}");
        }
    }
}
