//! Decoding Parquet: bot4's own files (integer mantissas, metadata) and foreign ones (doubles or integers, columns by name).
//!
//! In:  a file or bytes. Out: columns of integers, a chunk at a time.
//! Pages are read one by one as the chunks need them, so a row group of any length needs one page per column.
//! Arrow is not used: the column readers give plain vectors, which is all that is wanted here.

use super::column_map::{ColumnMap, plain as plain_name};
use super::convert;
use super::decode::{
    CHUNK, Columns, Decode, Field, Lines, Meaning, Spec, TIME_NAMES, UNREADABLE, expected, fields, kind_of,
    unit_by_magnitude,
};
use super::error::{BadRow, HistoryError};
use super::parquet_write::{Extent, key};
use super::plain_pages::{Column, Next};
use super::rows::DataKind;
use super::source::{Input, Own, Probe};
use bytes::{Buf, Bytes};
use domain::decimal::{DecimalError, FloatPolicy};
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, FileReader, Length, RowGroupReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescriptor;
use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A file or bytes, as the Parquet reader wants them.
pub(crate) enum Source {
    File(File),
    Memory(Bytes),
}

/// Sequential bytes of a [`Source`].
pub(crate) enum SourceRead {
    File(BufReader<File>),
    Memory(bytes::buf::Reader<Bytes>),
}

impl Read for SourceRead {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Memory(bytes) => bytes.len() as u64,
        }
    }
}

impl ChunkReader for Source {
    type T = SourceRead;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        match self {
            Self::File(file) => file.get_read(start).map(SourceRead::File),
            Self::Memory(bytes) => {
                let rest = usize::try_from(start).ok().filter(|s| *s <= bytes.len()).map(|s| bytes.slice(s..));
                rest.map(|b| SourceRead::Memory(b.reader())).ok_or_else(|| beyond(start, bytes.len() as u64))
            }
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A damaged header can ask for any length: what lies beyond the end is refused before memory is taken for it.
        let end = start.saturating_add(length as u64);
        if end > Length::len(self) {
            return Err(beyond(end, Length::len(self)));
        }
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Memory(bytes) => bytes.get_bytes(start, length),
        }
    }
}

fn beyond(at: u64, length: u64) -> ParquetError {
    ParquetError::EOF(format!("byte {at} is needed and the file has {length}"))
}

fn open(input: &Input, file: &str) -> Result<SerializedFileReader<Source>, HistoryError> {
    let source = match input {
        Input::Path(path) => Source::File(File::open(path).map_err(|e| HistoryError::io(file, &e))?),
        Input::Memory { bytes, .. } => Source::Memory(bytes.clone()),
    };
    let size = Length::len(&source);
    let reader = guarded(file, "Parquet file", || SerializedFileReader::new(source).map_err(|e| damaged(file, &e)))?;
    check_places(&reader, size).map_err(|e| damaged(file, &e))?;
    Ok(reader)
}

/// Tests the places and lengths that the footer states: the library takes them for granted and would panic on impossible ones.
fn check_places(reader: &SerializedFileReader<Source>, size: u64) -> Result<(), ParquetError> {
    let columns = reader.metadata().file_metadata().schema_descr().num_columns();
    for (number, group) in reader.metadata().row_groups().iter().enumerate() {
        let fail = |what: String| Err(ParquetError::General(format!("row group {number}: {what}")));
        if group.num_rows() < 0 {
            return fail(format!("{} rows", group.num_rows()));
        }
        if group.num_columns() != columns {
            return fail(format!("{} columns of {columns}", group.num_columns()));
        }
        for column in group.columns() {
            let begin = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let inside = |at: i64| u64::try_from(at).is_ok_and(|at| at <= size);
            let end = begin.checked_add(column.compressed_size());
            if !(inside(begin)
                && inside(column.data_page_offset())
                && column.compressed_size() >= 0
                && end.is_some_and(inside))
            {
                return fail(format!("column {} lies outside the file", column.column_descr().name()));
            }
        }
    }
    Ok(())
}

/// Calls into a library that decodes. It takes some of what a damaged file says for granted and panics on it; that is an error of the file
/// and not of this program, and all that was half read is dropped with the error.
pub(crate) fn guarded<T>(
    file: &str,
    form: &str,
    call: impl FnOnce() -> Result<T, HistoryError>,
) -> Result<T, HistoryError> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| {
        let what = "it is damaged: what it says of itself contradicts itself";
        Err(HistoryError::structure(file, what, format!("a whole {form}")))
    })
}

fn damaged(file: &str, error: &ParquetError) -> HistoryError {
    HistoryError::structure(file, format!("it is damaged or cut off: {error}"), "a whole Parquet file")
}

/// Names of the columns, lower case.
fn names(reader: &SerializedFileReader<Source>) -> Vec<String> {
    reader.metadata().file_metadata().schema_descr().columns().iter().map(|c| c.name().to_ascii_lowercase()).collect()
}

/// The names by which the columns are known; those of bot4's own files mean what they say.
fn renamed(
    reader: &SerializedFileReader<Source>,
    foreign: bool,
    map: &ColumnMap,
    file: &str,
) -> Result<Vec<String>, HistoryError> {
    let mut names = names(reader);
    if foreign && !map.is_empty() {
        names.iter_mut().for_each(|name| *name = plain_name(name));
        map.rename(&mut names, file)?;
    }
    Ok(names)
}

/// bot4's own metadata.
fn own(reader: &SerializedFileReader<Source>, file: &str) -> Result<Option<(Own, DataKind)>, HistoryError> {
    let Some(pairs) = reader.metadata().file_metadata().key_value_metadata() else { return Ok(None) };
    let get = |name: &str| pairs.iter().find(|p| p.key == name).and_then(|p| p.value.as_deref());
    let Some(version) = get(key::VERSION) else { return Ok(None) };
    if version != key::CURRENT && version != key::WITHOUT_FLAGS {
        let what = format!("its metadata has version {version}");
        let expected = format!("version {} or {}", key::WITHOUT_FLAGS, key::CURRENT);
        return Err(HistoryError::structure(file, what, expected));
    }
    let read = || -> Option<(Own, DataKind)> {
        let kind = DataKind::from_name(get(key::KIND)?)?;
        let small = |name| get(name)?.parse::<u8>().ok().filter(|d| *d <= domain::decimal::MONEY_DECIMALS);
        let own = Own {
            venue: get(key::VENUE)?.to_owned(),
            symbol: get(key::SYMBOL)?.to_owned(),
            interval_s: get(key::INTERVAL)?.parse().ok()?,
            price_decimals: small(key::PRICE_DECIMALS)?,
            quantity_decimals: small(key::QUANTITY_DECIMALS)?,
            generic: get(key::INSTRUMENT)? == "generic",
            flags: version != key::WITHOUT_FLAGS,
        };
        // Candles without a length have no close.
        (kind != DataKind::Candles || own.interval_s > 0).then_some((own, kind))
    };
    let damaged = || {
        HistoryError::structure(
            file,
            "its bot4 metadata is not complete",
            "venue, symbol, kind, interval, price and quantity decimals (at most 12), instrument",
        )
    };
    read().map(Some).ok_or_else(damaged)
}

/// What the footer of one of bot4's own files says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footer {
    pub own: Own,
    pub kind: DataKind,
    pub rows: u64,
    /// First and last time, gaps and what is missing in them; `None` in files that were written before these were.
    pub extent: Option<Extent>,
}

/// Reads the footer of one of bot4's own files, and nothing else; `None` if it is not one.
pub(crate) fn footer(input: &Input, file: &str) -> Result<Option<Footer>, HistoryError> {
    let reader = open(input, file)?;
    let Some((own, kind)) = own(&reader, file)? else { return Ok(None) };
    let metadata = reader.metadata().file_metadata();
    let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
    let pairs = metadata.key_value_metadata().map_or(&[][..], Vec::as_slice);
    let number = |name: &str| pairs.iter().find(|p| p.key == name)?.value.as_deref()?.parse::<u64>().ok();
    let extent = || {
        Some(Extent {
            first_ns: number(key::FIRST)?,
            last_ns: number(key::LAST)?,
            gaps: number(key::GAPS)?,
            missing: number(key::MISSING)?,
        })
    };
    Ok(Some(Footer { own, kind, rows, extent: extent() }))
}

/// What a file is, without decoding it. `said` is what its name or the user says that it holds.
pub(crate) fn probe(input: &Input, file: &str, said: Option<DataKind>, map: &ColumnMap) -> Result<Probe, HistoryError> {
    let reader = open(input, file)?;
    let own = own(&reader, file)?;
    let names = renamed(&reader, own.is_none(), map, file)?;
    let kind = match &own {
        Some((_, kind)) => *kind,
        None => kind_of(&names, said).ok_or_else(|| HistoryError::MissingColumn {
            file: file.to_owned(),
            column:
                "open, high, low, close, volume (or price, quantity, side; or bid, bid_quantity, ask, ask_quantity)"
                    .into(),
            found: names.join(", "),
        })?,
    };
    if reader.metadata().file_metadata().num_rows() <= 0 {
        return Err(HistoryError::Empty { file: file.to_owned(), expected: "at least one row".into() });
    }
    let plan = Plan::new(&reader, &names, kind, own.as_ref().is_some_and(|(own, _)| own.flags), file)?;
    let symbols = match names.iter().position(|n| n == "symbol") {
        Some(column) if own.is_none() => Some(guarded(file, "Parquet file", || symbols(&reader, column, file))?),
        _ => None,
    };
    let first_ns = match plan.time {
        Some(time) => guarded(file, "Parquet file", || first_time(&reader, time, file))?,
        None => None,
    };
    let last = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .and_then(|pairs| pairs.iter().find(|p| p.key == key::LAST)?.value.as_deref()?.parse().ok());
    Ok(Probe {
        kind,
        last_ns: last,
        own: own.map(|(own, _)| own),
        symbols,
        has_time: plan.time.is_some(),
        first_ns,
        count: u64::try_from(reader.metadata().file_metadata().num_rows()).ok(),
    })
}

/// Symbols of a file in the order they stand: name, first row, number of rows.
fn symbols(
    reader: &SerializedFileReader<Source>,
    column: usize,
    file: &str,
) -> Result<Vec<(String, u64, u64)>, HistoryError> {
    let mut found: Vec<(String, u64, u64)> = Vec::new();
    let mut row = 0u64;
    for group in 0..reader.num_row_groups() {
        let rows = group_rows(reader, group)?;
        let group = reader.get_row_group(group).map_err(|e| damaged(file, &e))?;
        let ColumnReader::ByteArrayColumnReader(mut column) =
            group.get_column_reader(column).map_err(|e| damaged(file, &e))?
        else {
            return Err(HistoryError::structure(file, "its column symbol holds no text", "a column of strings"));
        };
        let (mut levels, mut values) = (Vec::new(), Vec::<ByteArray>::new());
        let mut left = rows;
        while left > 0 {
            levels.clear();
            values.clear();
            let want = left.min(CHUNK);
            let (read, filled, _) =
                column.read_records(want, Some(&mut levels), None, &mut values).map_err(|e| damaged(file, &e))?;
            if read == 0 || filled < read {
                return Err(HistoryError::structure(
                    file,
                    "its column symbol has empty places",
                    "a symbol in each row",
                ));
            }
            for value in &values {
                let bytes = value.data();
                match found.last_mut() {
                    Some((name, _, n)) if name.as_bytes() == bytes => *n += 1,
                    _ => {
                        let name = String::from_utf8_lossy(bytes).into_owned();
                        if found.iter().any(|(held, _, _)| *held == name) {
                            let what = format!("row {}: the rows of {name} are not together", row + 1);
                            return Err(HistoryError::structure(file, what, "rows sorted by symbol, then time"));
                        }
                        found.push((name, row, 1));
                    }
                }
                row += 1;
            }
            left -= read.min(left);
        }
    }
    Ok(found)
}

fn first_time(reader: &SerializedFileReader<Source>, time: Time, file: &str) -> Result<Option<i64>, HistoryError> {
    let group = reader.get_row_group(0).map_err(|e| damaged(file, &e))?;
    let mut column = Column::Decoded(Box::new(group.get_column_reader(time.column).map_err(|e| damaged(file, &e))?));
    let mut scratch = Scratch::default();
    scratch.read(&mut column, 1, file)?;
    let mut out = Vec::new();
    let mut unit = time.unit;
    scratch.times(&mut unit, &mut out, &mut |_, _, _| {});
    Ok(out.first().copied().filter(|t| *t != UNREADABLE))
}

fn group_rows(reader: &SerializedFileReader<Source>, group: usize) -> Result<usize, HistoryError> {
    let rows = reader.metadata().row_groups().get(group).map_or(0, |g| g.num_rows());
    usize::try_from(rows)
        .map_err(|_| HistoryError::structure("", format!("a row group of {rows} rows"), "0 or more rows"))
}

/// The column of times, and its unit: nanoseconds per unit, 0 while the magnitude has to tell.
#[derive(Clone, Copy, Debug)]
struct Time {
    column: usize,
    unit: i64,
}

/// Which column is what.
#[derive(Debug)]
struct Plan {
    time: Option<Time>,
    /// Column of each field; `None` for one that may be absent and is.
    fields: Vec<(Field, Option<usize>, String)>,
    /// The column of flags in own files.
    flags: Option<usize>,
}

impl Plan {
    fn new(
        reader: &SerializedFileReader<Source>,
        names: &[String],
        kind: DataKind,
        flags: bool,
        file: &str,
    ) -> Result<Self, HistoryError> {
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let flat =
            |at: usize| schema.columns().get(at).is_some_and(|c| c.max_rep_level() == 0 && c.max_def_level() <= 1);
        let find = |wanted: &[&str]| {
            wanted.iter().find_map(|name| names.iter().position(|n| n == name)).filter(|at| flat(*at))
        };
        let time = TIME_NAMES.iter().find_map(|(name, unit)| {
            let column = names.iter().position(|n| n == name).filter(|at| flat(*at))?;
            let described = schema.columns().get(column).and_then(|c| unit_of(c));
            Some(Time { column, unit: described.unwrap_or(*unit) })
        });
        let mut columns = Vec::new();
        for field in fields(kind) {
            let at = find(field.names);
            if at.is_none() && field.meaning != Meaning::Id {
                let column = field.names.first().copied().unwrap_or_default().to_owned();
                return Err(HistoryError::MissingColumn { file: file.to_owned(), column, found: names.join(", ") });
            }
            let name = at.and_then(|at| names.get(at)).cloned().unwrap_or_default();
            columns.push((*field, at, name));
        }
        let flags = match flags.then(|| find(&["flags"])) {
            Some(None) => {
                let column = "flags".into();
                return Err(HistoryError::MissingColumn { file: file.to_owned(), column, found: names.join(", ") });
            }
            held => held.flatten(),
        };
        Ok(Self { time, fields: columns, flags })
    }
}

/// The unit that the schema itself states.
fn unit_of(column: &ColumnDescriptor) -> Option<i64> {
    match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => Some(86_400_000_000_000),
        (Some(LogicalType::Timestamp(t)), _) => Some(match t.unit {
            TimeUnit::MILLIS => 1_000_000,
            TimeUnit::MICROS => 1_000,
            TimeUnit::NANOS => 1,
        }),
        (_, ConvertedType::TIMESTAMP_MILLIS) => Some(1_000_000),
        (_, ConvertedType::TIMESTAMP_MICROS) => Some(1_000),
        _ => None,
    }
}

/// Values of one column of one chunk, in the type of the file.
#[derive(Default)]
struct Scratch {
    levels: Vec<i16>,
    doubles: Vec<f64>,
    longs: Vec<i64>,
    ints: Vec<i32>,
    texts: Vec<ByteArray>,
    flags: Vec<bool>,
    /// Doubles where they lie in their pages; they take the place of `doubles` when there are any.
    pieces: Vec<Bytes>,
    /// The type that was read last.
    held: Option<Type>,
    /// Rows without a value.
    nulls: Vec<usize>,
}

impl Scratch {
    /// Reads exactly `want` rows.
    fn read(&mut self, column: &mut Column, want: usize, file: &str) -> Result<(), HistoryError> {
        guarded(file, "Parquet file", || self.read_column(column, want, file))
    }

    fn read_column(&mut self, column: &mut Column, want: usize, file: &str) -> Result<(), HistoryError> {
        self.pieces.clear();
        let pages = match column {
            Column::Decoded(reader) => return self.decode(reader, want, file),
            Column::Plain(pages) => pages,
        };
        let mut left = want;
        while left > 0 {
            match pages.next(left).map_err(|e| damaged(file, &e))? {
                Next::Piece(piece) => {
                    left -= (piece.len() / size_of::<f64>()).min(left);
                    self.pieces.push(piece);
                }
                Next::End => return Err(too_short(file, left)),
                Next::Decode(mut reader) => {
                    // The pages change their form inside this chunk: what was taken from the plain ones goes before the rest.
                    self.decode(&mut reader, left, file)?;
                    let plain: Vec<f64> =
                        self.pieces.iter().flat_map(|p| doubles_of(p)).map(|b| f64::from_le_bytes(*b)).collect();
                    self.pieces.clear();
                    self.nulls.iter_mut().for_each(|at| *at += plain.len());
                    self.doubles.splice(..0, plain);
                    *column = Column::Decoded(reader);
                    return Ok(());
                }
            }
        }
        self.nulls.clear();
        self.held = Some(Type::DOUBLE);
        Ok(())
    }

    fn decode(&mut self, column: &mut ColumnReader, want: usize, file: &str) -> Result<(), HistoryError> {
        let (levels, nulls) = (&mut self.levels, &mut self.nulls);
        nulls.clear();
        let (held, result) = match column {
            ColumnReader::DoubleColumnReader(c) => (Type::DOUBLE, exactly(c, want, levels, &mut self.doubles, nulls)),
            ColumnReader::Int64ColumnReader(c) => (Type::INT64, exactly(c, want, levels, &mut self.longs, nulls)),
            ColumnReader::Int32ColumnReader(c) => (Type::INT32, exactly(c, want, levels, &mut self.ints, nulls)),
            ColumnReader::ByteArrayColumnReader(c) => {
                (Type::BYTE_ARRAY, exactly(c, want, levels, &mut self.texts, nulls))
            }
            ColumnReader::BoolColumnReader(c) => (Type::BOOLEAN, exactly(c, want, levels, &mut self.flags, nulls)),
            _ => {
                return Err(HistoryError::structure(
                    file,
                    "a column is of a type that is not read (FLOAT, INT96 or FIXED_LEN_BYTE_ARRAY)",
                    "DOUBLE, INT64, INT32, strings or booleans",
                ));
            }
        };
        let read = result.map_err(|e| damaged(file, &e))?;
        if read != want {
            return Err(too_short(file, want - read.min(want)));
        }
        if held == Type::INT32 {
            self.longs.clear();
            self.longs.extend(self.ints.iter().map(|v| i64::from(*v)));
        }
        self.held = Some(held);
        Ok(())
    }

    /// The column as nanoseconds.
    fn times(&self, unit: &mut i64, out: &mut Vec<i64>, bad: &mut dyn FnMut(usize, String, String)) {
        let from_double: Vec<i64>;
        let values = match self.held {
            Some(Type::INT64 | Type::INT32) => self.longs.as_slice(),
            Some(Type::DOUBLE) => {
                let whole = |v: &f64| if v.abs() < 9.0e15 && v.fract() == 0.0 { *v as i64 } else { UNREADABLE };
                from_double = self.doubles.iter().map(whole).collect();
                from_double.as_slice()
            }
            Some(Type::BYTE_ARRAY) => {
                for (at, text) in self.texts.iter().enumerate() {
                    let text = String::from_utf8_lossy(text.data());
                    out.push(super::csv_read::time_of(&text, unit).unwrap_or_else(|expected| {
                        bad(at, text.chars().take(40).collect(), expected);
                        UNREADABLE
                    }));
                }
                return;
            }
            _ => &[],
        };
        if *unit == 0 {
            *unit = values.iter().find_map(|v| unit_by_magnitude(*v)).unwrap_or(1_000_000);
        }
        let limit = i64::MAX / *unit;
        out.extend(values.iter().enumerate().map(|(at, &v)| {
            if (0..=limit).contains(&v) {
                v * *unit
            } else {
                let value = if v == UNREADABLE { "no whole number".to_owned() } else { v.to_string() };
                bad(at, value, "a time from 1970 to 2262".into());
                UNREADABLE
            }
        }));
        for &at in &self.nulls {
            if let Some(slot) = out.get_mut(at) {
                *slot = UNREADABLE;
            }
            bad(at, "nothing".into(), "a time".into());
        }
    }

    /// The column as mantissas; how many were rounded.
    fn numbers(
        &self,
        decimals: (u8, u8),
        policy: FloatPolicy,
        out: &mut Vec<i64>,
        bad: &mut dyn FnMut(usize, String, String),
    ) -> Option<u64> {
        let (from, to) = decimals;
        let rounded = match self.held? {
            Type::DOUBLE if !self.pieces.is_empty() => {
                let mut rounded = 0;
                for piece in &self.pieces {
                    let (values, begin) = (doubles_of(piece), out.len());
                    rounded += convert::floats(values, f64::from_le_bytes, to, policy, out, |at, value, e| {
                        bad(begin + at, value.to_string(), expected(&e));
                    });
                }
                rounded
            }
            Type::DOUBLE => convert::floats(
                &self.doubles,
                |value| value,
                to,
                policy,
                out,
                |at, value, e| {
                    bad(at, value.to_string(), expected(&e));
                },
            ),
            Type::INT64 | Type::INT32 => {
                convert::integers(&self.longs, from, to, policy, out, |at, e: DecimalError| {
                    let value = self.longs.get(at).map(ToString::to_string).unwrap_or_default();
                    bad(at, value, expected(&e));
                })
            }
            _ => return None,
        };
        for &at in &self.nulls {
            if let Some(slot) = out.get_mut(at) {
                *slot = UNREADABLE;
            }
            bad(at, "nothing".into(), "a number".into());
        }
        Some(rounded)
    }

    /// The column as sides: 0 buy, 1 sell.
    fn sides(&self, name: &str, out: &mut Vec<i64>, bad: &mut dyn FnMut(usize, String, String)) -> bool {
        let mut push = |at: usize, side: Option<i64>, value: &dyn Fn() -> String| {
            let side = if self.nulls.contains(&at) { None } else { side };
            out.push(side.unwrap_or_else(|| {
                bad(at, value(), "buy or sell (1 or -1 where it is a number)".into());
                UNREADABLE
            }));
        };
        match self.held {
            Some(Type::BYTE_ARRAY) => {
                for (at, text) in self.texts.iter().enumerate() {
                    let show = || String::from_utf8_lossy(text.data()).chars().take(40).collect();
                    push(at, super::csv_read::side_of(text.data(), name.contains("maker")), &show);
                }
            }
            Some(Type::BOOLEAN) if name.contains("maker") => {
                // The buyer made the market, so the seller took it.
                for (at, maker) in self.flags.iter().enumerate() {
                    push(at, Some(i64::from(*maker)), &|| maker.to_string());
                }
            }
            Some(Type::INT64 | Type::INT32) => {
                for (at, value) in self.longs.iter().enumerate() {
                    let side = match value {
                        1 => Some(0),
                        -1 => Some(1),
                        _ => None,
                    };
                    push(at, side, &|| value.to_string());
                }
            }
            Some(Type::DOUBLE) => {
                for (at, value) in self.doubles.iter().enumerate() {
                    let side = if *value == 1.0 { Some(0) } else { (*value == -1.0).then_some(1) };
                    push(at, side, &|| value.to_string());
                }
            }
            _ => return false,
        }
        true
    }
}

/// The doubles in a piece of a page.
fn doubles_of(piece: &[u8]) -> &[[u8; 8]] {
    piece.as_chunks().0
}

fn too_short(file: &str, missing: usize) -> HistoryError {
    let what = format!("a column ends {missing} rows before its row group");
    HistoryError::structure(file, what, "a value for each row")
}

/// Reads up to `want` rows; rows without a value get a default in `values` and are named in `nulls`. How many rows were read.
fn exactly<T: DataType>(
    column: &mut ColumnReaderImpl<T>,
    want: usize,
    levels: &mut Vec<i16>,
    values: &mut Vec<T::T>,
    nulls: &mut Vec<usize>,
) -> Result<usize, ParquetError>
where
    T::T: Default + Clone,
{
    levels.clear();
    values.clear();
    let (read, filled, _) = column.read_records(want, Some(levels), None, values)?;
    if filled < read {
        let mut given = std::mem::take(values).into_iter();
        for (at, level) in levels.iter().enumerate() {
            values.push(if *level > 0 {
                given.next().unwrap_or_default()
            } else {
                nulls.push(at);
                T::T::default()
            });
        }
    }
    Ok(read)
}

/// Decodes the rows of one file, or a range of them.
pub(crate) struct ParquetDecoder {
    reader: SerializedFileReader<Source>,
    file: String,
    spec: Spec,
    /// Decimals of integers in the file.
    from: (u8, u8),
    plan: Plan,
    unit: i64,
    group: usize,
    /// Readers of the open row group: the time's, then the fields'.
    readers: Vec<Option<Column>>,
    group_left: usize,
    /// Rows to leave out before the first one that is wanted.
    skip: u64,
    /// Rows wanted.
    left: u64,
    /// Rows of the file that lie behind.
    row: u64,
    scratch: Scratch,
}

impl ParquetDecoder {
    pub fn open(input: &Input, file: &str, spec: Spec, rows: Option<(u64, u64)>) -> Result<Self, HistoryError> {
        let reader = open(input, file)?;
        let own = own(&reader, file)?;
        let names = renamed(&reader, own.is_none(), &spec.map, file)?;
        let plan = Plan::new(&reader, &names, spec.kind, own.as_ref().is_some_and(|(own, _)| own.flags), file)?;
        let from = own.map_or((0, 0), |(own, _)| (own.price_decimals, own.quantity_decimals));
        let (skip, left) = rows.unwrap_or((0, u64::MAX));
        let unit = plan.time.map_or(1, |t| t.unit);
        Ok(Self {
            reader,
            file: file.to_owned(),
            spec,
            from,
            plan,
            unit,
            group: 0,
            readers: Vec::new(),
            group_left: 0,
            skip,
            left,
            row: 0,
            scratch: Scratch::default(),
        })
    }

    /// Opens the next row group that has wanted rows; `false` when there is none.
    fn open_group(&mut self) -> Result<bool, HistoryError> {
        while self.group < self.reader.num_row_groups() {
            let rows = group_rows(&self.reader, self.group)?;
            let at = self.group;
            self.group += 1;
            if self.skip >= rows as u64 {
                self.skip -= rows as u64;
                self.row += rows as u64;
                continue;
            }
            let error = |e: ParquetError| damaged(&self.file, &e);
            let group = self.reader.get_row_group(at).map_err(error)?;
            self.readers.clear();
            let is_number = |field: &Field| matches!(field.meaning, Meaning::Price | Meaning::Quantity);
            let fields = self.plan.fields.iter().map(|(field, at, _)| (*at, is_number(field)));
            let schema = self.reader.metadata().file_metadata().schema_descr();
            // Mostly no row has a flag: the statistics of the column say so, and it need not be read.
            let flagged = self.plan.flags.filter(|at| !all_zero(&*group, *at));
            let columns = std::iter::once((self.plan.time.map(|t| t.column), false)).chain(fields);
            for (column, numbers) in columns.chain([(flagged, false)]) {
                self.readers.push(match column {
                    Some(column) => {
                        let pages = group.get_column_page_reader(column).map_err(error)?;
                        Some(Column::new(schema.column(column), pages, numbers))
                    }
                    None => None,
                });
            }
            self.group_left = rows;
            if self.skip > 0 {
                let n = self.skip as usize;
                for column in self.readers.iter_mut().flatten() {
                    skip(column, n).map_err(|e| damaged(&self.file, &e))?;
                }
                self.group_left -= n;
                self.row += self.skip;
                self.skip = 0;
            }
            return Ok(true);
        }
        Ok(false)
    }
}

/// Whether the statistics of a column of integers say that all are zero.
fn all_zero(group: &dyn RowGroupReader, column: usize) -> bool {
    let Some(chunk) = group.metadata().columns().get(column) else { return false };
    match chunk.statistics() {
        Some(Statistics::Int64(s)) => s.min_opt() == Some(&0) && s.max_opt() == Some(&0),
        _ => false,
    }
}

fn skip(column: &mut Column, mut rows: usize) -> Result<(), ParquetError> {
    let reader = match column {
        Column::Decoded(reader) => reader,
        Column::Plain(pages) => loop {
            if rows == 0 {
                return Ok(());
            }
            match pages.next(rows)? {
                Next::Piece(piece) => rows -= (piece.len() / size_of::<f64>()).min(rows),
                Next::End => {
                    return Err(ParquetError::EOF(format!("{rows} rows that were to be left out are not there")));
                }
                Next::Decode(mut reader) => {
                    skip_decoded(&mut reader, rows)?;
                    *column = Column::Decoded(reader);
                    return Ok(());
                }
            }
        },
    };
    skip_decoded(reader, rows)
}

fn skip_decoded(column: &mut ColumnReader, rows: usize) -> Result<(), ParquetError> {
    let skipped = match column {
        ColumnReader::DoubleColumnReader(c) => c.skip_records(rows)?,
        ColumnReader::Int64ColumnReader(c) => c.skip_records(rows)?,
        ColumnReader::Int32ColumnReader(c) => c.skip_records(rows)?,
        ColumnReader::ByteArrayColumnReader(c) => c.skip_records(rows)?,
        ColumnReader::BoolColumnReader(c) => c.skip_records(rows)?,
        _ => rows,
    };
    if skipped == rows {
        Ok(())
    } else {
        Err(ParquetError::EOF(format!("{rows} rows were to be left out and there are {skipped}")))
    }
}

impl Decode for ParquetDecoder {
    fn fill(&mut self, out: &mut Columns) -> Result<bool, HistoryError> {
        if self.left == 0 {
            return Ok(false);
        }
        while self.group_left == 0 {
            let file = self.file.clone();
            if !guarded(&file, "Parquet file", || self.open_group())? {
                return Ok(false);
            }
        }
        let want = self.group_left.min(CHUNK).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let first = self.row + 1;
        out.lines = Lines::From(first);
        let Columns { ts, values, flags, bad, rounded, .. } = out;
        let mut tell = |column: &str, at: usize, value: String, expected: String| {
            let (file, column, line) = (self.file.clone(), column.to_owned(), first + at as u64);
            bad.push((at, BadRow { file, line, column, value, expected }));
        };

        let (flag_reader, readers) = self.readers.split_last_mut().unzip();
        if let Some(Some(column)) = flag_reader {
            self.scratch.read(column, want, &self.file)?;
            for (at, flag) in self.scratch.longs.iter().enumerate() {
                if !(0..=i64::from(u16::MAX)).contains(flag) {
                    tell("flags", at, flag.to_string(), "flags from 0 to 65535".into());
                }
                flags.push(*flag);
            }
        }
        let (time, rest) = readers.and_then(|r| r.split_first_mut()).unzip();
        match time.and_then(Option::as_mut) {
            Some(column) => {
                self.scratch.read(column, want, &self.file)?;
                self.scratch.times(&mut self.unit, ts, &mut |at, value, expected| tell("time", at, value, expected));
            }
            None => {
                let start = self.spec.start_ns.unwrap_or(0);
                let step = self.spec.interval_ns;
                ts.extend((0..want as i64).map(|at| {
                    let row = i64::try_from(self.row).unwrap_or(i64::MAX).saturating_add(at);
                    start.saturating_add(step.saturating_mul(row))
                }));
            }
        }
        let columns = self.plan.fields.iter().zip(rest.unwrap_or_default()).zip(values.iter_mut());
        for (((field, _, name), reader), values) in columns {
            let Some(reader) = reader else {
                values.resize(want, 0);
                continue;
            };
            self.scratch.read(reader, want, &self.file)?;
            let mut tell = |at, value, expected| tell(name, at, value, expected);
            let understood = match field.meaning {
                Meaning::Side => self.scratch.sides(name, values, &mut tell),
                meaning => {
                    let from = match meaning {
                        Meaning::Price => self.from.0,
                        Meaning::Quantity => self.from.1,
                        Meaning::Side | Meaning::Id => 0,
                    };
                    let decimals = (from, self.spec.decimals(meaning));
                    let lost = self.scratch.numbers(decimals, self.spec.policy, values, &mut tell);
                    *rounded += lost.unwrap_or(0);
                    lost.is_some()
                }
            };
            if !understood {
                let what = format!("its column {name} is of another type");
                return Err(HistoryError::structure(
                    &self.file,
                    what,
                    "numbers (DOUBLE or INT64), sides as buy or sell",
                ));
            }
        }
        self.group_left -= want;
        self.left -= want as u64;
        self.row += want as u64;
        Ok(true)
    }
}
