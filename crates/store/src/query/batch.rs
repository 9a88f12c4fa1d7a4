//! Rows on their way into a database, and how far they bring it.

use super::schema::{PROGRESS, TABLES, Table};

/// One value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Not known.
    Null,
    /// Text, or a decimal number as it is written.
    Text(String),
    /// A whole number.
    Int(i64),
    /// True or false.
    Flag(bool),
    /// An instant, nanoseconds since 1970 UTC.
    Time(u64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of one row, in the order of the table's columns.
pub type Row = Vec<Value>;

/// How far a run is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watermark {
    /// Number of the event of the last record that is in.
    pub seq: u64,
    /// How many records of that event are in.
    pub records_of_seq: u64,
    /// How many records are in; those that retention had removed before are not counted.
    pub records: u64,
    /// How many points of the equity curve are in.
    pub equity: u64,
}

/// Rows of one run that are written in one transaction, together with how far they bring it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The run.
    pub run: String,
    /// Rows by table, in the order of [`TABLES`].
    rows: [Vec<Row>; TABLES.len()],
    /// How far the run is written with them.
    pub upto: Watermark,
}

impl Batch {
    /// A batch without rows.
    #[must_use]
    pub fn new(run: &str) -> Self {
        Self { run: run.to_owned(), ..Self::default() }
    }

    /// Adds a row.
    pub fn push(&mut self, table: &Table, row: Row) {
        debug_assert_eq!(row.len(), table.columns.len(), "a row has a value for each column of {}", table.name);
        if let Some(rows) = TABLES.iter().position(|t| t.name == table.name).and_then(|at| self.rows.get_mut(at)) {
            rows.push(row);
        }
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the rows out; the run and how far it is written stay.
    pub fn clear(&mut self) {
        self.rows.iter_mut().for_each(Vec::clear);
    }

    /// Rows by table; tables without any are left out.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Table, &[Row])> + '_ {
        TABLES
            .iter()
            .copied()
            .zip(&self.rows)
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(t, rows)| (t, rows.as_slice()))
    }

    /// The row that says how far the run is written.
    pub(super) fn progress(&self) -> (&'static Table, Row) {
        let number = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let Watermark { seq, records_of_seq, records, equity } = self.upto;
        let row = vec![self.run.as_str().into(), number(seq), number(records_of_seq), number(records), number(equity)];
        (&PROGRESS, row)
    }
}
