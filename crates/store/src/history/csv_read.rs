//! Decoding text: Binance's public archive (candles, trades, aggregated trades; no header or its own) and tables with a header.
//!
//! In:  plain, gzip or zip files, or bytes. Out: columns of integers, a chunk at a time; one line is held at a time.
//! Decimals go from text to mantissa digit by digit, never through a float. Delimiters are found, not asked for: comma, semicolon or tab.

use super::decode::{
    CHUNK, Columns, Decode, Field, Lines, Meaning, Spec, TIME_NAMES, UNREADABLE, expected, fields, kind_of,
    unit_by_magnitude,
};
use super::error::{BadRow, HistoryError};
use super::rows::DataKind;
use super::source::{Format, Input, Probe};
use bytes::{Buf, Bytes};
use domain::decimal::{self, DecimalError, FloatPolicy, Rounding};
use flate2::Crc;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

/// A line longer than this is no line of a table.
const LINE_MAX: u64 = 65_536;
/// How many lines a look into the file reads at most to find a time.
const LOOK_LINES: usize = 50;

type Stream = BufReader<Box<dyn Read + Send>>;

/// Opens the text of a file, unpacked.
fn open_text(input: &Input, file: &str, format: Format) -> Result<Stream, HistoryError> {
    let raw = || -> Result<Box<dyn Read + Send>, HistoryError> {
        Ok(match input {
            Input::Path(path) => Box::new(File::open(path).map_err(|e| HistoryError::io(file, &e))?),
            Input::Memory { bytes, .. } => Box::new(bytes.clone().reader()),
        })
    };
    let text: Box<dyn Read + Send> = match format {
        Format::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(raw()?))),
        Format::Zip => open_zip(input, file)?,
        Format::Text | Format::Parquet => raw()?,
    };
    Ok(BufReader::with_capacity(1 << 16, text))
}

/// The one table in a zip file, unpacked as it is read; its checksum is tested at its end.
fn open_zip(input: &Input, file: &str) -> Result<Box<dyn Read + Send>, HistoryError> {
    match input {
        Input::Path(path) => {
            let mut source = File::open(path).map_err(|e| HistoryError::io(file, &e))?;
            let entry = zip_entry(&source, file)?;
            source.seek(SeekFrom::Start(entry.start)).map_err(|e| HistoryError::io(file, &e))?;
            Ok(entry.unpack(source))
        }
        Input::Memory { bytes, .. } => {
            let entry = zip_entry(std::io::Cursor::new(bytes.clone()), file)?;
            let start = usize::try_from(entry.start).unwrap_or(usize::MAX).min(bytes.len());
            let rest: Bytes = bytes.slice(start..);
            Ok(entry.unpack(rest.reader()))
        }
    }
}

/// Where the table of a zip file lies.
struct ZipEntry {
    start: u64,
    packed: u64,
    crc: u32,
    deflated: bool,
}

impl ZipEntry {
    fn unpack(self, source: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        let packed = BufReader::new(source.take(self.packed));
        let text: Box<dyn Read + Send> =
            if self.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
        Box::new(Checked { text, sum: Crc::new(), expected: self.crc })
    }
}

fn zip_entry(source: impl Read + Seek, file: &str) -> Result<ZipEntry, HistoryError> {
    let damaged = |e: zip::result::ZipError| {
        HistoryError::structure(file, format!("it is damaged or cut off: {e}"), "a whole zip file")
    };
    let mut archive = zip::ZipArchive::new(source).map_err(damaged)?;
    let mut found = None;
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(damaged)?;
        if entry.is_dir() {
            continue;
        }
        if found.is_some() {
            return Err(HistoryError::structure(file, "it holds several files", "one table in it"));
        }
        let deflated = match entry.compression() {
            zip::CompressionMethod::Deflated => true,
            zip::CompressionMethod::Stored => false,
            other => return Err(HistoryError::structure(file, format!("it is packed by {other}"), "deflate")),
        };
        let start = entry
            .data_start()
            .ok_or_else(|| HistoryError::structure(file, "its table has no place", "a whole zip file"))?;
        found = Some(ZipEntry { start, packed: entry.compressed_size(), crc: entry.crc32(), deflated });
    }
    found.ok_or_else(|| HistoryError::Empty { file: file.to_owned(), expected: "one table in it".into() })
}

/// Text whose checksum is compared at its end.
struct Checked {
    text: Box<dyn Read + Send>,
    sum: Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.text.read(buffer)?;
        if n == 0 && !buffer.is_empty() && self.sum.sum() != self.expected {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "its checksum is wrong"));
        }
        self.sum.update(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }
}

/// Lines of a text, numbered from 1, without their ends.
struct LineReader {
    stream: Stream,
    line: Vec<u8>,
    number: u64,
    file: String,
}

impl LineReader {
    /// The next line that is not blank.
    fn next(&mut self) -> Result<Option<&[u8]>, HistoryError> {
        loop {
            self.line.clear();
            let read = (&mut self.stream).take(LINE_MAX).read_until(b'\n', &mut self.line).map_err(|e| {
                let what = format!("it cannot be read after line {}: {e}", self.number);
                HistoryError::structure(&self.file, what, "a whole file")
            })?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LINE_MAX && self.line.last() != Some(&b'\n') {
                let what = format!("line {} is longer than {LINE_MAX} bytes", self.number);
                return Err(HistoryError::structure(&self.file, what, "a table of text"));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let line = self.line.trim_ascii();
        // A mark that some programs put before the first line.
        Ok(Some(line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)))
    }
}

/// Which column of a table is what.
#[derive(Clone, Debug)]
struct Table {
    delimiter: u8,
    has_header: bool,
    kind: DataKind,
    time: Option<(usize, i64)>,
    /// Column and name of each field; `None` for one that may be absent and is.
    fields: Vec<(Field, Option<(usize, String)>)>,
    columns: usize,
}

fn split(line: &[u8], delimiter: u8) -> impl Iterator<Item = &[u8]> {
    line.split(move |b| *b == delimiter).map(|cell| {
        let cell = cell.trim_ascii();
        cell.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\"")).unwrap_or(cell)
    })
}

impl Table {
    /// Reads the first line.
    fn new(line: &[u8], named: Option<DataKind>, file: &str) -> Result<Self, HistoryError> {
        let count = |d: u8| line.iter().filter(|b| **b == d).count();
        let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|d| (count(*d), *d == b',')).unwrap_or(b',');
        if count(delimiter) == 0 {
            let shown: String = String::from_utf8_lossy(line).chars().take(60).collect();
            let what = format!("line 1 has one column only, `{shown}`: wrong delimiter");
            return Err(HistoryError::structure(file, what, "columns separated by comma, semicolon or tab"));
        }
        let cells: Vec<&[u8]> = split(line, delimiter).collect();
        let numeric = |cell: &&[u8]| {
            cell.iter().all(|b| b.is_ascii_digit() || b"+-.eE".contains(b)) && cell.iter().any(u8::is_ascii_digit)
        };
        if cells.iter().take(3).all(numeric) {
            Self::bare(cells.len(), delimiter, named, file)
        } else {
            Self::headed(&cells, delimiter, file)
        }
    }

    /// A table of the archive without a header: the number of columns says which.
    fn bare(columns: usize, delimiter: u8, named: Option<DataKind>, file: &str) -> Result<Self, HistoryError> {
        let aggregated = file.contains("aggTrades");
        let (kind, time, places): (_, _, &[usize]) = match (named, columns) {
            (None | Some(DataKind::Candles), 12) => (DataKind::Candles, 0, &[1, 2, 3, 4, 5]),
            (Some(DataKind::Trades), 7 | 8) if aggregated => (DataKind::Trades, 5, &[1, 2, 6, 0]),
            (None | Some(DataKind::Trades), 8) => (DataKind::Trades, 5, &[1, 2, 6, 0]),
            (None | Some(DataKind::Trades), 6 | 7) => (DataKind::Trades, 4, &[1, 2, 5, 0]),
            _ => {
                let what = format!("it has no header and {columns} columns");
                let expected =
                    "a header, or the columns of Binance's archive: 12 (candles), 6 or 7 (trades), 7 or 8 (aggTrades)";
                return Err(HistoryError::structure(file, what, expected));
            }
        };
        let fields = fields(kind).iter().zip(places);
        let name = |field: &Field| field.names.first().copied().unwrap_or_default().to_owned();
        // The side of an archive's trade is told by whether the buyer was the maker.
        let called =
            |field: &Field| if field.meaning == Meaning::Side { "is_buyer_maker".to_owned() } else { name(field) };
        let fields = fields.map(|(field, place)| (*field, Some((*place, called(field))))).collect();
        Ok(Self { delimiter, has_header: false, kind, time: Some((time, 0)), fields, columns })
    }

    /// A table whose first line names its columns.
    fn headed(cells: &[&[u8]], delimiter: u8, file: &str) -> Result<Self, HistoryError> {
        let names: Vec<String> =
            cells.iter().map(|c| String::from_utf8_lossy(c).trim().to_lowercase().replace(' ', "_")).collect();
        let missing = |column: &str| HistoryError::MissingColumn {
            file: file.to_owned(),
            column: column.to_owned(),
            found: names.join(", "),
        };
        let kind = match kind_of(&names) {
            Some(kind) => kind,
            // What is nearest to complete decides which column is missed.
            None => {
                let has = |f: &&Field| f.names.iter().any(|n| names.iter().any(|have| have == n));
                let near = [DataKind::Candles, DataKind::Trades, DataKind::Quotes]
                    .into_iter()
                    .rev()
                    .max_by_key(|k| fields(*k).iter().filter(has).count());
                let lacking = near.and_then(|k| fields(k).iter().find(|f| !has(f))).and_then(|f| f.names.first());
                return Err(missing(lacking.copied().unwrap_or("open")));
            }
        };
        let time =
            TIME_NAMES.iter().find_map(|(name, unit)| names.iter().position(|n| n == name).map(|at| (at, *unit)));
        let place = |field: &Field| {
            field.names.iter().find_map(|name| names.iter().position(|n| n == name).map(|at| (at, (*name).to_owned())))
        };
        let fields = fields(kind).iter().map(|field| (*field, place(field))).collect();
        Ok(Self { delimiter, has_header: true, kind, time, fields, columns: names.len() })
    }
}

/// Opens a text and reads what its columns are; the reader then stands before the first row of data.
fn open(
    input: &Input,
    file: &str,
    format: Format,
    named: Option<DataKind>,
) -> Result<(LineReader, Table), HistoryError> {
    let reopen = || -> Result<LineReader, HistoryError> {
        Ok(LineReader { stream: open_text(input, file, format)?, line: Vec::new(), number: 0, file: file.to_owned() })
    };
    let mut lines = reopen()?;
    let empty = || HistoryError::Empty { file: file.to_owned(), expected: "rows of candles, trades or quotes".into() };
    let table = Table::new(lines.next()?.ok_or_else(empty)?, named, file)?;
    if !table.has_header {
        lines = reopen()?;
    }
    Ok((lines, table))
}

/// What a file is: its columns and first time.
pub(crate) fn probe(input: &Input, file: &str, format: Format, named: Option<DataKind>) -> Result<Probe, HistoryError> {
    let (mut lines, table) = open(input, file, format, named)?;
    let mut first_ns = None;
    let mut rows = 0;
    while rows < LOOK_LINES && first_ns.is_none() {
        let Some(line) = lines.next()? else { break };
        rows += 1;
        let Some((column, mut unit)) = table.time else { break };
        first_ns = split(line, table.delimiter)
            .nth(column)
            .and_then(|cell| time_of(std::str::from_utf8(cell).ok()?, &mut unit).ok());
    }
    if rows == 0 {
        return Err(HistoryError::Empty {
            file: file.to_owned(),
            expected: "at least one row after the header".into(),
        });
    }
    Ok(Probe { kind: table.kind, own: None, symbols: None, has_time: table.time.is_some(), first_ns, count: None })
}

/// Decodes the rows of one text.
pub(crate) struct CsvDecoder {
    lines: LineReader,
    table: Table,
    spec: Spec,
    unit: i64,
    row: i64,
}

impl CsvDecoder {
    pub fn open(input: &Input, file: &str, format: Format, spec: Spec) -> Result<Self, HistoryError> {
        let (lines, table) = open(input, file, format, Some(spec.kind))?;
        let unit = table.time.map_or(1, |(_, unit)| unit);
        Ok(Self { lines, table, spec, unit, row: 0 })
    }
}

impl Decode for CsvDecoder {
    fn fill(&mut self, out: &mut Columns) -> Result<bool, HistoryError> {
        let mut numbers = match std::mem::replace(&mut out.lines, Lines::From(1)) {
            Lines::Each(lines) => lines,
            Lines::From(_) => Vec::with_capacity(CHUNK),
        };
        let file = self.lines.file.clone();
        let mut cells: Vec<(usize, usize)> = Vec::with_capacity(self.table.columns);
        while out.ts.len() < CHUNK {
            if self.lines.next()?.is_none() {
                break;
            }
            let (line, number) = (self.lines.line.as_slice(), self.lines.number);
            let at = out.ts.len();
            numbers.push(number);
            let begin = line.as_ptr() as usize;
            let trimmed = line.trim_ascii();
            cells.clear();
            cells.extend(split(trimmed, self.table.delimiter).map(|cell| (cell.as_ptr() as usize - begin, cell.len())));
            let cell = |column: usize| {
                let (from, length) = cells.get(column).copied().unwrap_or_default();
                std::str::from_utf8(line.get(from..from + length).unwrap_or_default()).unwrap_or("\u{fffd}")
            };
            let bad = &mut out.bad;
            let mut tell = |column: &str, value: &str, expected: String| {
                let value = if value.is_empty() { "nothing".to_owned() } else { value.chars().take(40).collect() };
                bad.push((at, BadRow { file: file.clone(), line: number, column: column.to_owned(), value, expected }));
            };
            if cells.len() != self.table.columns {
                tell("all", &format!("{} columns", cells.len()), format!("{} columns", self.table.columns));
            }
            out.ts.push(match self.table.time {
                Some((column, _)) => time_of(cell(column), &mut self.unit).unwrap_or_else(|expected| {
                    tell("time", cell(column), expected);
                    UNREADABLE
                }),
                None => self.spec.start_ns.unwrap_or(0).saturating_add(self.spec.interval_ns.saturating_mul(self.row)),
            });
            self.row += 1;
            for ((field, place), values) in self.table.fields.iter().zip(out.values.iter_mut()) {
                let Some((column, name)) = place else {
                    values.push(0);
                    continue;
                };
                let text = cell(*column);
                values.push(match field.meaning {
                    Meaning::Side => side_of(text.as_bytes(), name.contains("maker")).unwrap_or_else(|| {
                        tell(
                            name,
                            text,
                            "buy or sell (true or false where it says whether the buyer was the maker)".into(),
                        );
                        UNREADABLE
                    }),
                    meaning => match number_of(text, self.spec.decimals(meaning), self.spec.policy) {
                        Ok((mantissa, lost)) => {
                            out.rounded += u64::from(lost);
                            mantissa
                        }
                        Err(error) => {
                            tell(name, text, expected(&error));
                            UNREADABLE
                        }
                    },
                });
            }
        }
        let any = !numbers.is_empty();
        out.lines = Lines::Each(numbers);
        Ok(any)
    }
}

/// A stamp or a date as nanoseconds since 1970; `unit` is nanoseconds per unit of a stamp and is found from its magnitude where it is 0.
/// The error says what was expected.
pub(crate) fn time_of(text: &str, unit: &mut i64) -> Result<i64, String> {
    let expected = || "a time: a count since 1970 (s, ms, us or ns) or a date such as 2021-01-31T00:00:00Z".to_owned();
    let range = || "a time from 1970 to 2262".to_owned();
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.bytes().any(|b| b.is_ascii_digit()) {
        let count = decimal::parse(text, 9).map_err(|_| expected())?;
        let whole = i64::try_from(count / 1_000_000_000).map_err(|_| range())?;
        if *unit == 0 {
            *unit = unit_by_magnitude(whole).ok_or_else(range)?;
        }
        let ns = count.checked_mul(i128::from(*unit)).ok_or_else(range)? / 1_000_000_000;
        return i64::try_from(ns).map_err(|_| range());
    }
    let trimmed = text.trim().trim_end_matches(" UTC");
    let stamp = match trimmed.parse::<jiff::Timestamp>() {
        Ok(stamp) => stamp,
        // Without an offset it is UTC, as all market data here.
        Err(_) => {
            let civil: jiff::civil::DateTime = trimmed.parse().map_err(|_| expected())?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| range())?.timestamp()
        }
    };
    i64::try_from(stamp.as_nanosecond()).ok().filter(|ns| *ns >= 0).ok_or_else(range)
}

/// 0 for a buy, 1 for a sell. `maker`: the text says whether the buyer was the maker, so that the seller took.
pub(crate) fn side_of(text: &[u8], maker: bool) -> Option<i64> {
    let is = |words: &[&str]| words.iter().any(|w| text.eq_ignore_ascii_case(w.as_bytes()));
    let (buy, sell): (&[&str], &[&str]) = if maker {
        (&["false", "0", "f"], &["true", "1", "t"])
    } else {
        (&["buy", "b", "bid", "1", "+1"], &["sell", "s", "ask", "-1"])
    };
    if is(buy) { Some(0) } else { is(sell).then_some(1) }
}

/// A number as mantissa, and whether digits were lost (only under [`FloatPolicy::Round`]).
fn number_of(text: &str, decimals: u8, policy: FloatPolicy) -> Result<(i64, bool), DecimalError> {
    match decimal::parse_mantissa(text, decimals) {
        Ok(mantissa) => Ok((mantissa, false)),
        Err(DecimalError::TooManyDecimals { .. }) if policy == FloatPolicy::Round => {
            round_text(text, decimals).map(|m| (m, true))
        }
        Err(DecimalError::Syntax(said)) => match plain(text) {
            Some(plain) => number_of(&plain, decimals, policy),
            None if ["nan", "inf", "-inf", "+inf", "infinity", "-infinity"]
                .iter()
                .any(|w| text.eq_ignore_ascii_case(w)) =>
            {
                Err(DecimalError::NotFinite)
            }
            None => Err(DecimalError::Syntax(said)),
        },
        Err(other) => Err(other),
    }
}

/// The nearest mantissa to a text with more digits than wanted; a tie goes to the even one.
fn round_text(text: &str, decimals: u8) -> Result<i64, DecimalError> {
    /// Digits after the point that are looked at: more than any double has.
    const PLACES: usize = 24;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let kept: String = part.chars().take(PLACES).collect();
    // What is cut off can only matter on an exact tie, where any digit breaks it.
    let sticky = if part.bytes().skip(PLACES).any(|b| b != b'0') { "1" } else { "0" };
    let value = decimal::parse(&format!("{whole}.{kept:0<PLACES$}{sticky}"), PLACES as u8 + 1)?;
    let scale = 10i128.pow(u32::from(PLACES as u8 + 1 - decimals.min(PLACES as u8)));
    i64::try_from(decimal::div_round(value, scale, Rounding::HalfEven))
        .map_err(|_| DecimalError::OutOfRange(text.to_owned()))
}

/// A number with an exponent (`1.5e-05`) written out; `None` if it is not one.
fn plain(text: &str) -> Option<String> {
    let (mantissa, exponent) = text.split_once(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok().filter(|e: &i32| e.abs() <= 30)?;
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{part}");
    if all.is_empty() || all.len() > 60 || !all.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let padded = if point <= 0 {
        format!("{}{all}", "0".repeat(usize::try_from(1 - point).ok()?))
    } else {
        let width = usize::try_from(point).ok()?;
        format!("{all:0<width$}")
    };
    let at = usize::try_from(point.max(1)).ok()?;
    Some(format!("{sign}{}.{}", padded.get(..at)?, padded.get(at..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_unit_and_as_dates() {
        let ns = 1_609_459_200_000_000_000;
        for text in [
            "1609459200",
            "1609459200000",
            "1609459200000000",
            "1609459200000000000",
            "1609459200.0",
            "2021-01-01",
            "2021-01-01 00:00:00",
            "2021-01-01T00:00:00Z",
            "2021-01-01 00:00:00+00:00",
            "2021-01-01 00:00:00 UTC",
            "2021-01-01T01:00:00+01:00",
        ] {
            assert_eq!(time_of(text, &mut 0), Ok(ns), "{text}");
        }
        for text in
            ["", "x", "12", "1969-12-31T23:59:59Z", "2021-13-01", "-5", "NaN", "1.2.3", "99999999999999999999999"]
        {
            assert!(time_of(text, &mut 0).is_err(), "{text}");
        }
        // The unit of the first stamp holds for the file.
        let mut unit = 0;
        time_of("1609459200000", &mut unit).unwrap();
        assert_eq!(time_of("60000", &mut unit), Ok(60_000_000_000));
    }

    #[test]
    fn numbers_keep_their_digits() {
        let exact = |text| number_of(text, 8, FloatPolicy::Exact);
        assert_eq!(exact("0.1"), Ok((10_000_000, false)));
        assert_eq!(exact("1.5e-05"), Ok((1_500, false)));
        assert_eq!(exact("1.25E3"), Ok((125_000_000_000, false)));
        assert_eq!(exact("-2e0"), Ok((-200_000_000, false)));
        assert_eq!(exact("NaN"), Err(DecimalError::NotFinite));
        assert_eq!(exact("-inf"), Err(DecimalError::NotFinite));
        assert!(matches!(exact("1e300"), Err(DecimalError::Syntax(_))));
        assert!(matches!(exact("0.123456789"), Err(DecimalError::TooManyDecimals { .. })));
        let round = |text| number_of(text, 2, FloatPolicy::Round);
        assert_eq!(round("0.125"), Ok((12, true)));
        assert_eq!(round("0.135"), Ok((14, true)));
        assert_eq!(round("0.1250000000000000000000000000001"), Ok((13, true)));
        assert_eq!(round("-0.125"), Ok((-12, true)));
        assert_eq!(round("7"), Ok((700, false)));
    }

    #[test]
    fn sides_are_read() {
        assert_eq!([side_of(b"Buy", false), side_of(b"SELL", false), side_of(b"0", false)], [Some(0), Some(1), None]);
        assert_eq!([side_of(b"True", true), side_of(b"false", true), side_of(b"buy", true)], [Some(1), Some(0), None]);
    }
}
