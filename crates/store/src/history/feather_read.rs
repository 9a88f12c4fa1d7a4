//! Decoding feather: Arrow files as freqtrade and data frames write them (columns by name, buffers plain, LZ4 or zstd).
//!
//! In:  a file or bytes. Out: columns of integers, a chunk at a time; one record batch is held.
//! Places and lengths that the file states are tested before memory is taken for them: the library takes them for granted.

use super::column_map::{ColumnMap, plain as plain_name};
use super::convert;
use super::decode::{
    CHUNK, Columns, Decode, Field, Lines, Meaning, Spec, TIME_NAMES, UNREADABLE, expected, fields, kind_of,
    unit_by_magnitude,
};
use super::error::{BadRow, HistoryError};
use super::parquet_read::guarded;
use super::rows::DataKind;
use super::source::{Input, Probe};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float64Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::convert::try_fb_to_schema;
use arrow_ipc::reader::FileDecoder;
use arrow_ipc::{Block, root_as_footer, root_as_message};
use arrow_schema::{DataType, Schema, TimeUnit};
use bytes::Bytes;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

/// What the file begins and ends with.
pub(crate) const MAGIC: &[u8; 6] = b"ARROW1";
/// The end of a file: length of the footer, then the magic.
const TAIL: u64 = 10;
/// No unpacked column of one batch is longer: a batch of freqtrade's is half a megabyte.
const BUFFER_MAX: i64 = 1 << 30;

/// Where the bytes are.
enum Source {
    File(File),
    Memory(Bytes),
}

impl Source {
    fn open(input: &Input, file: &str) -> Result<(Self, u64), HistoryError> {
        match input {
            Input::Path(path) => {
                let opened = File::open(path).map_err(|e| HistoryError::io(file, &e))?;
                let length = opened.metadata().map_err(|e| HistoryError::io(file, &e))?.len();
                Ok((Self::File(opened), length))
            }
            Input::Memory { bytes, .. } => Ok((Self::Memory(bytes.clone()), bytes.len() as u64)),
        }
    }

    /// Bytes that are known to lie inside the file.
    fn read(&mut self, start: u64, length: usize, file: &str) -> Result<Vec<u8>, HistoryError> {
        let mut out = vec![0; length];
        match self {
            Self::File(source) => {
                let read = source.seek(SeekFrom::Start(start)).and_then(|_| source.read_exact(&mut out));
                read.map_err(|e| HistoryError::io(file, &e))?;
            }
            Self::Memory(bytes) => {
                let inside = usize::try_from(start).ok().and_then(|s| bytes.get(s..s.checked_add(length)?));
                out.copy_from_slice(inside.ok_or_else(|| damaged(file, "it ends too early"))?);
            }
        }
        Ok(out)
    }
}

fn damaged(file: &str, what: impl std::fmt::Display) -> HistoryError {
    HistoryError::structure(file, format!("it is damaged or cut off: {what}"), "a whole feather file (version 2)")
}

/// An opened file: its columns and batches.
struct Feather {
    source: Source,
    schema: Arc<Schema>,
    version: arrow_ipc::MetadataVersion,
    batches: Vec<Block>,
}

impl Feather {
    fn open(input: &Input, file: &str) -> Result<Self, HistoryError> {
        let (mut source, size) = Source::open(input, file)?;
        let Some(tail_at) = size.checked_sub(TAIL).filter(|at| *at >= MAGIC.len() as u64) else {
            return Err(damaged(file, "it is shorter than a footer"));
        };
        let tail = source.read(tail_at, TAIL as usize, file)?;
        let (length, magic) = tail.split_at(4);
        if magic != MAGIC {
            return Err(damaged(file, "it does not end as a feather file does"));
        }
        let length = i32::from_le_bytes(length.try_into().unwrap_or_default());
        let length = u64::try_from(length).ok().filter(|l| *l <= tail_at);
        let length = length.ok_or_else(|| damaged(file, "its footer is longer than the file"))?;
        let footer = source.read(tail_at - length, length as usize, file)?;
        guarded(file, "feather file", || {
            let footer = root_as_footer(&footer).map_err(|e| damaged(file, e))?;
            let schema = footer.schema().ok_or_else(|| damaged(file, "it has no schema"))?;
            let batches: Vec<Block> = footer.recordBatches().map(|b| b.iter().copied().collect()).unwrap_or_default();
            for block in &batches {
                let end = block
                    .offset()
                    .checked_add(i64::from(block.metaDataLength()))
                    .and_then(|at| at.checked_add(block.bodyLength()));
                let inside = block.offset() >= 0
                    && block.metaDataLength() >= 8
                    && block.bodyLength() >= 0
                    && end.is_some_and(|end| u64::try_from(end).is_ok_and(|end| end <= tail_at));
                if !inside {
                    return Err(damaged(file, "a batch lies outside of it"));
                }
            }
            let schema = Arc::new(try_fb_to_schema(schema).map_err(|e| damaged(file, e))?);
            Ok(Self { source, schema, version: footer.version(), batches })
        })
    }

    fn names(&self) -> Vec<String> {
        self.schema.fields().iter().map(|f| plain_name(f.name())).collect()
    }

    /// The columns with their types, for messages.
    fn described(&self) -> String {
        let described = self.schema.fields().iter().map(|f| format!("{} ({})", f.name(), f.data_type()));
        described.collect::<Vec<_>>().join(", ")
    }

    /// Decodes one batch; only the columns of `projection`.
    fn batch(&mut self, at: usize, projection: &[usize], file: &str) -> Result<Option<RecordBatch>, HistoryError> {
        let Some(block) = self.batches.get(at).copied() else { return Ok(None) };
        let meta = block.metaDataLength() as usize;
        let bytes = self.source.read(block.offset() as u64, meta + block.bodyLength() as usize, file)?;
        guarded(file, "feather file", || {
            check_buffers(&bytes, meta, file)?;
            let decoder = FileDecoder::new(Arc::clone(&self.schema), self.version).with_projection(projection.to_vec());
            decoder.read_record_batch(&block, &Buffer::from(bytes)).map_err(|e| damaged(file, e))
        })
    }
}

/// Tests the lengths that a batch states for its unpacked columns.
fn check_buffers(bytes: &[u8], meta: usize, file: &str) -> Result<(), HistoryError> {
    // Before the message stand its length and, since version 0.15 of the format, a mark.
    let begin = if bytes.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let message = bytes.get(begin..meta).ok_or_else(|| damaged(file, "a batch has no message"))?;
    let message = root_as_message(message).map_err(|e| damaged(file, e))?;
    let Some(batch) = message.header_as_record_batch() else { return Err(damaged(file, "a batch is none")) };
    let body = bytes.get(meta..).unwrap_or_default();
    for buffer in batch.buffers().iter().flatten() {
        let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let held = range.and_then(|(from, length)| body.get(from..from.checked_add(length)?));
        let held = held.ok_or_else(|| damaged(file, "a column lies outside of its batch"))?;
        if batch.compression().is_some() && !held.is_empty() {
            let stated = held.first_chunk::<8>().map(|b| i64::from_le_bytes(*b));
            if stated.is_none_or(|n| n > BUFFER_MAX) {
                return Err(damaged(file, "a column states an impossible length"));
            }
        }
    }
    Ok(())
}

/// Which column is what: its number in the file.
struct Plan {
    kind: DataKind,
    time: usize,
    /// Nanoseconds per unit, where the name of the column or its type says it; 0 otherwise.
    unit: i64,
    fields: Vec<(Field, Option<usize>, String)>,
}

impl Plan {
    fn new(feather: &Feather, said: Option<DataKind>, map: &ColumnMap, file: &str) -> Result<Self, HistoryError> {
        let mut names = feather.names();
        map.rename(&mut names, file)?;
        let unlike = || {
            let what = format!("its columns are {}", feather.described());
            let expected = "date (timestamp), open, high, low, close, volume (double), as freqtrade writes them; --map names others";
            HistoryError::structure(file, what, expected)
        };
        let kind = kind_of(&names, said).ok_or_else(unlike)?;
        let (time, by_name) = TIME_NAMES
            .iter()
            .find_map(|(name, unit)| names.iter().position(|n| n == name).map(|at| (at, *unit)))
            .ok_or_else(unlike)?;
        let field_type = |at: usize| feather.schema.fields().get(at).map(|f| f.data_type());
        let unit = match field_type(time) {
            Some(DataType::Timestamp(unit, _)) => match unit {
                TimeUnit::Second => 1_000_000_000,
                TimeUnit::Millisecond => 1_000_000,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1,
            },
            Some(DataType::Date32) => 86_400_000_000_000,
            Some(DataType::Int64) => by_name,
            _ => return Err(unlike()),
        };
        let mut columns = Vec::new();
        for field in fields(kind) {
            let at = field.names.iter().find_map(|name| names.iter().position(|n| n == name));
            let name = at.and_then(|at| names.get(at)).cloned().unwrap_or_default();
            let readable = |at| match field.meaning {
                Meaning::Price | Meaning::Quantity => {
                    matches!(field_type(at), Some(DataType::Float64 | DataType::Int64))
                }
                Meaning::Side => {
                    matches!(field_type(at), Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Boolean))
                }
                Meaning::Id => true,
            };
            if at.is_some_and(|at| !readable(at)) {
                return Err(unlike());
            }
            // freqtrade's numbers of trades are texts: without a number the trade itself is what it is known by.
            let at = at.filter(|at| field.meaning != Meaning::Id || field_type(*at) == Some(&DataType::Int64));
            columns.push((*field, at, name));
        }
        Ok(Self { kind, time, unit, fields: columns })
    }

    /// Numbers of the columns that are read, in rising order: the order in which a batch has them.
    fn projection(&self) -> Vec<usize> {
        let mut all: Vec<usize> = self.fields.iter().filter_map(|(_, at, _)| *at).chain([self.time]).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// What a file is. `said` is what its name or the user says that it holds.
pub(crate) fn probe(input: &Input, file: &str, said: Option<DataKind>, map: &ColumnMap) -> Result<Probe, HistoryError> {
    let mut feather = Feather::open(input, file)?;
    let plan = Plan::new(&feather, said, map, file)?;
    let mut first_ns = None;
    let mut rows = 0;
    for at in 0..feather.batches.len() {
        let Some(batch) = feather.batch(at, &[plan.time], file)? else { break };
        rows += batch.num_rows() as u64;
        if first_ns.is_none() && batch.num_rows() > 0 {
            let mut unit = plan.unit;
            let mut out = Vec::new();
            times(&batch.column(0).slice(0, 1), &mut unit, &mut out, &mut |_, _, _| {});
            first_ns = out.first().copied().filter(|t| *t != UNREADABLE);
            // The rest of the batches would only be counted.
            break;
        }
    }
    if rows == 0 {
        return Err(HistoryError::Empty { file: file.to_owned(), expected: "at least one row".into() });
    }
    Ok(Probe { kind: plan.kind, own: None, symbols: None, has_time: true, first_ns, last_ns: None, count: None })
}

/// Decodes the rows of one file.
pub(crate) struct FeatherDecoder {
    feather: Feather,
    plan: Plan,
    projection: Vec<usize>,
    spec: Spec,
    file: String,
    unit: i64,
    next: usize,
    /// The batch at hand and how much of it is behind.
    batch: Option<RecordBatch>,
    at: usize,
    row: u64,
}

impl FeatherDecoder {
    pub fn open(input: &Input, file: &str, spec: Spec) -> Result<Self, HistoryError> {
        let feather = Feather::open(input, file)?;
        let plan = Plan::new(&feather, Some(spec.kind), &spec.map, file)?;
        let (projection, unit) = (plan.projection(), plan.unit);
        let file = file.to_owned();
        Ok(Self { feather, plan, projection, spec, file, unit, next: 0, batch: None, at: 0, row: 0 })
    }
}

impl Decode for FeatherDecoder {
    fn fill(&mut self, out: &mut Columns) -> Result<bool, HistoryError> {
        let batch = loop {
            match self.batch.take().filter(|batch| self.at < batch.num_rows()) {
                Some(batch) => break batch,
                None => match self.feather.batch(self.next, &self.projection, &self.file)? {
                    Some(batch) => {
                        (self.next, self.at) = (self.next + 1, 0);
                        self.batch = Some(batch);
                    }
                    None => return Ok(false),
                },
            }
        };
        let want = (batch.num_rows() - self.at).min(CHUNK);
        let first = self.row + 1;
        out.lines = Lines::From(first);
        let Columns { ts, values, bad, rounded, .. } = out;
        let mut tell = |column: &str, at: usize, value: String, expected: String| {
            let (file, column, line) = (self.file.clone(), column.to_owned(), first + at as u64);
            bad.push((at, BadRow { file, line, column, value, expected }));
        };
        let column = |number: usize| -> Option<ArrayRef> {
            let at = self.projection.iter().position(|p| *p == number)?;
            batch.columns().get(at).map(|array| array.slice(self.at, want))
        };
        if let Some(array) = column(self.plan.time) {
            times(&array, &mut self.unit, ts, &mut |at, value, expected| tell("time", at, value, expected));
        }
        for ((field, number, name), values) in self.plan.fields.iter().zip(values.iter_mut()) {
            match number.and_then(column) {
                Some(array) => {
                    let mut tell = |at, value, expected| tell(name, at, value, expected);
                    if field.meaning == Meaning::Side {
                        sides(&array, name, values, &mut tell);
                    } else {
                        *rounded += numbers(&array, &self.spec, field.meaning, values, &mut tell);
                    }
                }
                None => values.resize(want, 0),
            }
        }
        (self.at, self.row) = (self.at + want, self.row + want as u64);
        self.batch = Some(batch);
        Ok(true)
    }
}

type Tell<'a> = &'a mut dyn FnMut(usize, String, String);

/// A column of times as nanoseconds.
fn times(array: &ArrayRef, unit: &mut i64, out: &mut Vec<i64>, bad: Tell<'_>) {
    let days: Vec<i64>;
    let values: &[i64] = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => array.as_primitive::<TimestampSecondType>().values(),
        DataType::Timestamp(TimeUnit::Millisecond, _) => array.as_primitive::<TimestampMillisecondType>().values(),
        DataType::Timestamp(TimeUnit::Microsecond, _) => array.as_primitive::<TimestampMicrosecondType>().values(),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => array.as_primitive::<TimestampNanosecondType>().values(),
        DataType::Int64 => array.as_primitive::<Int64Type>().values(),
        DataType::Date32 => {
            days = array.as_primitive::<Date32Type>().values().iter().map(|d| i64::from(*d)).collect();
            &days
        }
        _ => &[],
    };
    if *unit == 0 {
        *unit = values.iter().find_map(|v| unit_by_magnitude(*v)).unwrap_or(1_000_000);
    }
    for (at, &value) in values.iter().enumerate() {
        let known = !array.is_null(at) && value >= 0;
        out.push(value.checked_mul(*unit).filter(|_| known).unwrap_or_else(|| {
            let value = if array.is_null(at) { "nothing".to_owned() } else { value.to_string() };
            bad(at, value, "a time from 1970 to 2262".into());
            UNREADABLE
        }));
    }
}

/// A column of figures as mantissas; how many were rounded.
fn numbers(array: &ArrayRef, spec: &Spec, meaning: Meaning, out: &mut Vec<i64>, bad: Tell<'_>) -> u64 {
    let decimals = spec.decimals(meaning);
    let begin = out.len();
    let rounded = match array.data_type() {
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            convert::floats(
                values,
                |v| v,
                decimals,
                spec.policy,
                out,
                |at, value, e| {
                    if !array.is_null(at) {
                        bad(at, value.to_string(), expected(&e));
                    }
                },
            )
        }
        _ => {
            let values = array.as_primitive::<Int64Type>().values();
            convert::integers(values, 0, decimals, spec.policy, out, |at, e| {
                if !array.is_null(at) {
                    let value = values.get(at).map(ToString::to_string).unwrap_or_default();
                    bad(at, value, expected(&e));
                }
            })
        }
    };
    for at in (0..array.len()).filter(|at| array.is_null(*at)) {
        if let Some(slot) = out.get_mut(begin + at) {
            *slot = UNREADABLE;
        }
        bad(at, "nothing".into(), "a number".into());
    }
    rounded
}

/// A column of sides: 0 buy, 1 sell.
fn sides(array: &ArrayRef, name: &str, out: &mut Vec<i64>, bad: Tell<'_>) {
    let maker = name.contains("maker");
    for at in 0..array.len() {
        let text = match array.data_type() {
            _ if array.is_null(at) => "",
            DataType::Boolean if array.as_boolean().value(at) => "true",
            DataType::Boolean => "false",
            DataType::Utf8 => array.as_string::<i32>().value(at),
            _ => array.as_string::<i64>().value(at),
        };
        out.push(super::csv_read::side_of(text.as_bytes(), maker).unwrap_or_else(|| {
            let value = if text.is_empty() { "nothing".to_owned() } else { text.chars().take(40).collect() };
            bad(at, value, "buy or sell".into());
            UNREADABLE
        }));
    }
}
