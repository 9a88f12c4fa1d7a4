//! The query store of runs: which records become which rows, when, and what can be asked.
//!
//! In:  journals of runs ([`sync`], and [`follow`] while a run goes on).
//! Out: rows in a database of the user's choice (`store::query`), questions and answers ([`questions`]).
//! It is a projection: the journal is the truth, and what is in the database can be made again from it at any time. No run waits for it.

mod curve;
pub mod follow;
pub mod questions;
pub mod records;
pub mod sync;

use crate::config::RunSettings;
use std::path::PathBuf;
use store::query::{Place, QueryError};

/// The file that `sqlite` stands for, in the folder of run folders: one for all runs, so that they can be compared.
pub const FILE: &str = "query.db";

/// The database of these settings; nothing where it is off. A password comes from the variable `PGPASSWORD`.
///
/// # Errors
/// [`QueryError::Place`].
pub fn place_of(settings: &RunSettings) -> Result<Option<Place>, QueryError> {
    place(&settings.query.database, settings.paths.runs().join(FILE))
}

/// The database that a text names; `standard` is the file that `sqlite` stands for.
///
/// # Errors
/// [`QueryError::Place`].
pub fn place(text: &str, standard: PathBuf) -> Result<Option<Place>, QueryError> {
    let mut place = Place::parse(text, &standard)?;
    if let Some(Place::Postgres(url)) = &mut place
        && url.password.is_none()
    {
        url.password = std::env::var("PGPASSWORD").ok().filter(|password| !password.is_empty());
    }
    Ok(place)
}
