//! bot4's own files: Parquet with integer mantissas, delta-packed, and what they are in the metadata of the file.
//!
//! In:  records of one instrument in time order. Out: one file, complete or absent: it is written under another name and renamed.
//!
//! Columns as in the foreign files, so that any Parquet reader opens them, but as INT64: `ts_ms, open, high, low, close, volume`;
//! `ts_ns, price, quantity, side, trade_id` (side 1 buy, -1 sell); `ts_ns, bid, bid_quantity, ask, ask_quantity`;
//! `ts_ns, price, quantity, side, sequence`; and `flags` in each, the bits of `domain::MarketFlags` (2: made by a gap filler).
//! Delta-packed mantissas hardly shrink further under zstd (0.3 %), so pages are stored as they are.
//! A price is `mantissa / 10^price_decimals`, a quantity `mantissa / 10^quantity_decimals`; both numbers stand in the metadata.

use super::error::HistoryError;
use super::listing::Listing;
use super::rows::DataKind;
use domain::{BookDelta, Candle, Quote, Side, Trade};
use parquet::basic::{Compression, Encoding};
use parquet::data_type::Int64Type;
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names in the metadata of a file.
pub(crate) mod key {
    /// Version of this form.
    pub const VERSION: &str = "bot4.version";
    /// The version written here.
    pub const CURRENT: &str = "2";
    /// The version before, which had no column of flags.
    pub const WITHOUT_FLAGS: &str = "1";
    pub const KIND: &str = "bot4.kind";
    pub const VENUE: &str = "bot4.venue";
    pub const SYMBOL: &str = "bot4.symbol";
    pub const INTERVAL: &str = "bot4.interval_s";
    pub const PRICE_DECIMALS: &str = "bot4.price_decimals";
    pub const QUANTITY_DECIMALS: &str = "bot4.quantity_decimals";
    /// `listed` or `generic`.
    pub const INSTRUMENT: &str = "bot4.instrument";
    /// Time of the first row in nanoseconds (open time of a candle), and of the last.
    pub const FIRST: &str = "bot4.first_ns";
    pub const LAST: &str = "bot4.last_ns";
    /// Stretches without candles inside the file, and the candles missing in them.
    pub const GAPS: &str = "bot4.gaps";
    pub const MISSING: &str = "bot4.missing";
}

/// Where a file begins and ends, and what is missing in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub first_ns: u64,
    pub last_ns: u64,
    pub gaps: u64,
    pub missing: u64,
}

impl Extent {
    /// Takes in the next row, in time order; `step_ns` is the length of a candle, 0 for other kinds.
    fn take(&mut self, ts_ns: u64, step_ns: u64, first: bool) {
        if first {
            self.first_ns = ts_ns;
        } else if let Some(steps) = ts_ns.saturating_sub(self.last_ns).checked_div(step_ns) {
            let missing = steps.saturating_sub(1);
            self.gaps += u64::from(missing > 0);
            self.missing += missing;
        }
        self.last_ns = ts_ns;
    }
}

/// Ending of a file that is not finished.
pub(crate) const TEMPORARY: &str = ".tmp";

/// Rows of a row group: the writer holds that many in memory.
const GROUP: usize = 131_072;

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub path: PathBuf,
    /// How many rows.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
}

/// Writes candles of `interval_s` seconds.
///
/// # Errors
/// What the iterator gives, or [`HistoryError::Io`] if the file cannot be written; no file is left then.
pub fn write_candles(
    path: &Path,
    listing: &Listing,
    interval_s: u32,
    rows: impl Iterator<Item = Result<Candle, HistoryError>>,
) -> Result<Written, HistoryError> {
    let columns = ["ts_ms", "open", "high", "low", "close", "volume", "flags"];
    let cells = rows.map(|row| {
        row.map(|c| [c.ts_open.as_millis(), c.open, c.high, c.low, c.close, c.volume, i64::from(c.flags.0)])
    });
    write(path, listing, DataKind::Candles, interval_s, columns, cells)
}

/// Writes trades.
///
/// # Errors
/// As [`write_candles`].
pub fn write_trades(
    path: &Path,
    listing: &Listing,
    rows: impl Iterator<Item = Result<Trade, HistoryError>>,
) -> Result<Written, HistoryError> {
    let columns = ["ts_ns", "price", "quantity", "side", "trade_id", "flags"];
    let cells = rows.map(|row| {
        row.map(|t| {
            let flags = i64::from(t.flags.0);
            [t.ts_event.0 as i64, t.price, t.quantity, code(t.aggressor), t.trade_id as i64, flags]
        })
    });
    write(path, listing, DataKind::Trades, 0, columns, cells)
}

/// Writes quotes.
///
/// # Errors
/// As [`write_candles`].
pub fn write_quotes(
    path: &Path,
    listing: &Listing,
    rows: impl Iterator<Item = Result<Quote, HistoryError>>,
) -> Result<Written, HistoryError> {
    let columns = ["ts_ns", "bid", "bid_quantity", "ask", "ask_quantity", "flags"];
    let cells = rows.map(|row| {
        row.map(|q| [q.ts_event.0 as i64, q.bid, q.bid_quantity, q.ask, q.ask_quantity, i64::from(q.flags.0)])
    });
    write(path, listing, DataKind::Quotes, 0, columns, cells)
}

/// Writes changes of book levels.
///
/// # Errors
/// As [`write_candles`].
pub fn write_book(
    path: &Path,
    listing: &Listing,
    rows: impl Iterator<Item = Result<BookDelta, HistoryError>>,
) -> Result<Written, HistoryError> {
    let columns = ["ts_ns", "price", "quantity", "side", "sequence", "flags"];
    let cells = rows.map(|row| {
        row.map(|d| {
            let flags = i64::from(d.flags.0);
            [d.ts_event.0 as i64, d.price, d.quantity, code(d.side), d.sequence as i64, flags]
        })
    });
    write(path, listing, DataKind::Book, 0, columns, cells)
}

/// How a side is written.
const fn code(side: Side) -> i64 {
    match side {
        Side::Buy => 1,
        Side::Sell => -1,
    }
}

/// Removes an unfinished file unless told that it is finished.
struct Unfinished<'a>(Option<&'a Path>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // Nothing more can be done about a file that cannot be removed either; the error that led here is reported.
            drop(std::fs::remove_file(path));
        }
    }
}

fn write<const N: usize>(
    path: &Path,
    listing: &Listing,
    kind: DataKind,
    interval_s: u32,
    names: [&str; N],
    rows: impl Iterator<Item = Result<[i64; N], HistoryError>>,
) -> Result<Written, HistoryError> {
    let shown = path.display().to_string();
    let io = |e: std::io::Error| HistoryError::io(&shown, &e);
    let failed = |e: ParquetError| HistoryError::Io { file: shown.clone(), what: e.to_string() };

    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}{TEMPORARY}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let file = File::create(&temporary).map_err(io)?;
    let mut unfinished = Unfinished(Some(&temporary));

    let properties = Arc::new(properties(listing, kind, interval_s)?);
    let schema = Arc::new(schema(&names).map_err(failed)?);
    let mut writer = SerializedFileWriter::new(BufWriter::new(file), schema, properties).map_err(failed)?;
    let mut columns: [Vec<i64>; N] = std::array::from_fn(|_| Vec::new());
    let mut written = 0u64;
    let mut extent = Extent::default();
    let (unit, step_ns) =
        if kind == DataKind::Candles { (1_000_000, u64::from(interval_s) * 1_000_000_000) } else { (1, 0) };
    for row in rows {
        let row = row?;
        let stamp = row.first().map_or(0, |ts| ts.unsigned_abs().saturating_mul(unit));
        extent.take(stamp, step_ns, written == 0);
        for (column, cell) in columns.iter_mut().zip(row) {
            column.push(cell);
        }
        written += 1;
        if columns.first().is_some_and(|c| c.len() == GROUP) {
            write_group(&mut writer, &mut columns).map_err(failed)?;
        }
    }
    if columns.first().is_some_and(|c| !c.is_empty()) {
        write_group(&mut writer, &mut columns).map_err(failed)?;
    }
    for (name, value) in [
        (key::FIRST, extent.first_ns),
        (key::LAST, extent.last_ns),
        (key::GAPS, extent.gaps),
        (key::MISSING, extent.missing),
    ] {
        writer.append_key_value_metadata(KeyValue::new(name.to_owned(), value.to_string()));
    }
    let file = writer.into_inner().map_err(failed)?.into_inner().map_err(|e| io(e.into_error()))?;
    // A file that is itself a temporary one is made safe by who gives it its name: several at a time cost little more than one.
    if path.extension().is_none_or(|e| e != "tmp") {
        file.sync_all().map_err(io)?;
    }
    let bytes = file.metadata().map_err(io)?.len();
    drop(file);
    std::fs::rename(&temporary, path).map_err(io)?;
    unfinished.0 = None;
    Ok(Written { path: path.to_owned(), rows: written, bytes })
}

fn properties(listing: &Listing, kind: DataKind, interval_s: u32) -> Result<WriterProperties, HistoryError> {
    let pair = |name: &str, value: String| KeyValue::new(name.to_owned(), value);
    let metadata = vec![
        pair(key::VERSION, key::CURRENT.into()),
        pair(key::KIND, kind.name().into()),
        pair(key::VENUE, listing.venue.clone()),
        pair(key::SYMBOL, listing.symbol.clone()),
        pair(key::INTERVAL, interval_s.to_string()),
        pair(key::PRICE_DECIMALS, listing.price_decimals.to_string()),
        pair(key::QUANTITY_DECIMALS, listing.quantity_decimals.to_string()),
        pair(key::INSTRUMENT, if listing.generic { "generic" } else { "listed" }.into()),
    ];
    Ok(WriterProperties::builder()
        .set_created_by("bot4".into())
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_key_value_metadata(Some(metadata))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_encoding(Encoding::DELTA_BINARY_PACKED)
        .set_compression(Compression::UNCOMPRESSED)
        .set_max_row_group_row_count(Some(GROUP))
        .build())
}

fn schema(names: &[&str]) -> Result<Type, ParquetError> {
    let column = |name: &&str| {
        Type::primitive_type_builder(name, parquet::basic::Type::INT64)
            .with_repetition(parquet::basic::Repetition::REQUIRED)
            .build()
            .map(Arc::new)
    };
    Type::group_type_builder("rows").with_fields(names.iter().map(column).collect::<Result<_, _>>()?).build()
}

fn write_group<W: Write + Send, const N: usize>(
    writer: &mut SerializedFileWriter<W>,
    columns: &mut [Vec<i64>; N],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for values in columns.iter_mut() {
        if let Some(mut column) = group.next_column()? {
            column.typed::<Int64Type>().write_batch(values, None, None)?;
            column.close()?;
        }
        values.clear();
    }
    group.close().map(drop)
}
