//! Historical market data: which series a set of files holds, reading them in bounded memory, checking and writing them.
//!
//! In:  paths or bytes, and [`Options`]. Out: [`Series`], read through [`SeriesReader`] or [`SourceCursor`] as records of `domain`.
//!
//! 1. [`discover`] says what the inputs are (`source`), with the rules of each instrument (`listing`).
//! 2. A decoder per format (`parquet_read`, `csv_read`) fills columns of integers, a few thousand rows at a time.
//! 3. Every row is checked (`check`): order and step of time, signs, high and low, decimals. A bad row is named with file, line, column,
//!    value and what was expected; [`BadRows`] says whether it is left out or ends the reading.
//! 4. [`write_candles`] and [`import`] write bot4's own files (`parquet_write`).
//!
//! Merging several series in time is the runner's part.

mod check;
mod check_ticks;
mod column_map;
mod convert;
mod csv_read;
mod decode;
mod error;
mod feather_read;
mod import;
mod listing;
mod name;
mod parquet_read;
mod parquet_write;
mod plain_pages;
mod reader;
mod rows;
mod source;
mod text;

pub use column_map::ColumnMap;
pub use csv_read::time_of_text;
pub use error::{BadKind, BadKinds, BadRow, BadRows, Findings, Gap, HistoryError};
pub use import::{Imported, import};
pub use listing::{Decimals, Listing, listings};
pub(crate) use parquet_read::{Footer, footer};
pub(crate) use parquet_write::TEMPORARY;
pub use parquet_write::{Written, write_book, write_candles, write_quotes, write_trades};
pub use reader::{SeriesReader, SourceCursor};
pub use rows::{DataKind, Row, Rows, interval_text, parse_interval};
pub(crate) use source::files_of;
pub use source::{Input, Options, Part, Series, Symbols, discover, rules_notes};
