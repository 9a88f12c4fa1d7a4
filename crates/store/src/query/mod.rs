//! The query store: orders, fills, positions, equity, signals and the rest as tables, to be asked with SQL.
//!
//! In:  rows that somebody made of the records of journals ([`Batch`]); statements that read.
//! Out: a file of SQLite or a PostgreSQL database with one schema ([`schema`]), and answers.
//!
//! What is in it is a projection of journals: it can be thrown away and made again. Rows and how far they bring a run ([`Watermark`]) are
//! written in one transaction, and the same row written twice is there once, so that a projection may be stopped anywhere, repeated, or
//! run twice at the same time. Nothing here is called by the trading thread.

mod batch;
mod error;
mod place;
mod postgres;
pub mod schema;
mod sqlite;
mod timescale;
mod wire;

pub use batch::{Batch, Row, Value, Watermark};
pub use error::QueryError;
pub use place::{Place, Url};
pub use schema::Dialect;

use std::time::Duration;

/// What a database is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To be read: nothing can be changed through it, whatever is asked.
    Read,
    /// To be written: it is made where it is missing, and brought to this build's version.
    Write,
}

/// An answer: names of columns, and rows of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Whether a column holds numbers.
    pub numeric: Vec<bool>,
    /// Whether a column holds whole numbers that fit 64 bits.
    pub whole: Vec<bool>,
    /// The rows; nothing where nothing is known.
    pub rows: Vec<Vec<Option<String>>>,
    /// Whether there were more rows than were asked for.
    pub cut: bool,
}

/// A query store that is open.
pub trait Database: Send {
    /// How far a run is written; nothing where it is not there.
    ///
    /// # Errors
    /// [`QueryError`].
    fn watermark(&mut self, run: &str) -> Result<Option<Watermark>, QueryError>;

    /// Writes a batch: all of it or nothing.
    ///
    /// # Errors
    /// [`QueryError`]; then nothing of it is there, and it can be written again.
    fn write(&mut self, batch: &Batch) -> Result<(), QueryError>;

    /// Takes everything of a run out.
    ///
    /// # Errors
    /// [`QueryError`].
    fn forget(&mut self, run: &str) -> Result<(), QueryError>;

    /// Takes signals of a run out that are older than this time, nanoseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`QueryError`].
    fn expire(&mut self, run: &str, before_ns: u64) -> Result<u64, QueryError>;

    /// Asks one statement. Parameters are text, `?1`, `?2`, ... in both dialects. At most `limit` rows are taken.
    ///
    /// # Errors
    /// [`QueryError::Statement`] for what the database does not accept.
    fn select(&mut self, sql: &str, parameters: &[&str], limit: usize) -> Result<Answer, QueryError>;

    /// Looks for damage, as far as this can be done from outside.
    ///
    /// # Errors
    /// [`QueryError::Damaged`].
    fn check(&mut self) -> Result<(), QueryError>;

    /// How it speaks.
    fn dialect(&self) -> Dialect;
}

/// How long a server may take to answer while a run is written, and while it is asked.
pub const WRITE_PATIENCE: Duration = Duration::from_secs(20);

/// Opens a query store.
///
/// # Errors
/// [`QueryError`] says whether it can be tried again.
pub fn open(place: &Place, access: Access) -> Result<Box<dyn Database>, QueryError> {
    Ok(match place {
        Place::Sqlite(path) => Box::new(sqlite::Sqlite::open(path, access)?),
        Place::Postgres(url) => Box::new(postgres::Postgres::open(url, access)?),
    })
}

/// Puts a damaged file of SQLite aside, with what belongs to it, and answers where it is now. A server's database is left alone.
///
/// # Errors
/// [`QueryError::Unavailable`] if the system refuses.
pub fn put_aside(place: &Place) -> Result<Option<std::path::PathBuf>, QueryError> {
    match place {
        Place::Sqlite(path) => sqlite::put_aside(path).map(Some),
        Place::Postgres(_) => Ok(None),
    }
}
