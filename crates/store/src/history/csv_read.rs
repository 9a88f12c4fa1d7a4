//! Decoding text: Binance's public archive (candles, trades, aggregated trades; no header or its own), tables with a header, and
//! freqtrade's lists of candles in JSON.
//!
//! In:  rows of text. Out: columns of integers, a chunk at a time.
//! Decimals go from text to mantissa digit by digit, never through a float. Delimiters are found, not asked for: comma, semicolon or tab.

use super::column_map::{ColumnMap, plain as plain_name};
use super::decode::{
    CHUNK, Columns, Decode, Field, Lines, Meaning, Spec, TIME_NAMES, UNREADABLE, expected, fields, kind_of,
    unit_by_magnitude,
};
use super::error::{BadRow, HistoryError};
use super::rows::DataKind;
use super::source::{Format, Input, Probe};
use super::text::RowReader;
use domain::decimal::{self, DecimalError, FloatPolicy, Rounding};

/// How many lines a look into the file reads at most to find a time.
const LOOK_LINES: usize = 50;

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

/// What may stand between columns.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

fn split(line: &[u8], delimiter: u8) -> impl Iterator<Item = &[u8]> {
    line.split(move |b| *b == delimiter).map(unquoted)
}

impl Table {
    /// Reads the first row.
    fn new(rows: &RowReader, named: Option<DataKind>, map: &ColumnMap) -> Result<Self, HistoryError> {
        let (line, file) = (rows.row(), rows.file.as_str());
        let count = |d: u8| line.iter().filter(|b| **b == d).count();
        let delimiter = DELIMITERS.into_iter().max_by_key(|d| (count(*d), *d == b',')).unwrap_or(b',');
        let delimiter = if rows.is_json() { b',' } else { delimiter };
        if count(delimiter) == 0 {
            let shown: String = String::from_utf8_lossy(line).chars().take(60).collect();
            let what = format!("line 1 has one column only, `{shown}`: wrong delimiter");
            return Err(HistoryError::structure(file, what, "columns separated by comma, semicolon or tab"));
        }
        let cells: Vec<&[u8]> = split(line, delimiter).collect();
        let numeric = |cell: &&[u8]| {
            cell.iter().all(|b| b.is_ascii_digit() || b"+-.eE".contains(b)) && cell.iter().any(u8::is_ascii_digit)
        };
        let bare = cells.iter().take(3).all(numeric);
        if rows.is_json() {
            return Self::json(cells.len(), file);
        }
        match bare {
            true if map.is_empty() => Self::bare(cells.len(), delimiter, named, file),
            // The user numbers the columns of a table without a header.
            true => {
                let mut names: Vec<String> = (1..=cells.len()).map(|n| format!("column_{n}")).collect();
                map.rename(&mut names, file)?;
                Ok(Self { has_header: false, ..Self::by_name(&names, delimiter, named, file)? })
            }
            false => {
                if let Err(error) = std::str::from_utf8(line) {
                    let at = error.valid_up_to();
                    let byte = line.get(at).copied().unwrap_or_default();
                    let what =
                        format!("line 1 is not UTF-8: byte {} is 0x{byte:02X}, as in Latin-1 or Windows-1252", at + 1);
                    let expected = "UTF-8; `iconv -f LATIN1 -t UTF-8` converts it if it is that";
                    return Err(HistoryError::structure(file, what, expected));
                }
                let mut names: Vec<String> = cells.iter().map(|c| plain_name(&String::from_utf8_lossy(c))).collect();
                map.rename(&mut names, file)?;
                Self::by_name(&names, delimiter, named, file)
            }
        }
    }

    /// freqtrade's candles: lists of time, open, high, low, close, volume.
    fn json(columns: usize, file: &str) -> Result<Self, HistoryError> {
        if columns != 6 {
            let what = format!("its lists have {columns} values");
            return Err(HistoryError::structure(
                file,
                what,
                "6 as freqtrade's candles: time, open, high, low, close, volume",
            ));
        }
        let name = |field: &Field| field.names.first().copied().unwrap_or_default().to_owned();
        let fields = fields(DataKind::Candles).iter().zip(1..).map(|(f, at)| (*f, Some((at, name(f))))).collect();
        Ok(Self { delimiter: b',', has_header: false, kind: DataKind::Candles, time: Some((0, 0)), fields, columns })
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

    /// A table whose columns have names.
    fn by_name(names: &[String], delimiter: u8, named: Option<DataKind>, file: &str) -> Result<Self, HistoryError> {
        let missing = |column: &str| HistoryError::MissingColumn {
            file: file.to_owned(),
            column: column.to_owned(),
            found: names.join(", "),
        };
        let kind = match kind_of(names, named) {
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
    map: &ColumnMap,
) -> Result<(RowReader, Table), HistoryError> {
    let mut rows = RowReader::open(input, file, format)?;
    if !rows.next()? {
        let expected = "rows of candles, trades or quotes".into();
        return Err(HistoryError::Empty { file: file.to_owned(), expected });
    }
    let table = Table::new(&rows, named, map)?;
    if !table.has_header {
        rows = RowReader::open(input, file, format)?;
    }
    Ok((rows, table))
}

/// What a file is: its columns and first time.
pub(crate) fn probe(
    input: &Input,
    file: &str,
    format: Format,
    named: Option<DataKind>,
    map: &ColumnMap,
) -> Result<Probe, HistoryError> {
    let (mut rows, table) = open(input, file, format, named, map)?;
    let mut first_ns = None;
    let mut looked = 0;
    while looked < LOOK_LINES && first_ns.is_none() {
        if !rows.next()? {
            break;
        }
        looked += 1;
        let Some((column, mut unit)) = table.time else { break };
        first_ns = split(rows.row(), table.delimiter)
            .nth(column)
            .and_then(|cell| time_of(std::str::from_utf8(cell).ok()?, &mut unit).ok());
    }
    if looked == 0 {
        return Err(HistoryError::Empty {
            file: file.to_owned(),
            expected: "at least one row after the header".into(),
        });
    }
    Ok(Probe {
        kind: table.kind,
        own: None,
        symbols: None,
        has_time: table.time.is_some(),
        first_ns,
        last_ns: None,
        count: None,
    })
}

/// Decodes the rows of one text.
pub(crate) struct CsvDecoder {
    rows: RowReader,
    table: Table,
    spec: Spec,
    unit: i64,
    row: i64,
    /// The columns that are read: those behind the last of them are only counted.
    used: usize,
    /// Begin and end of the cells of the row at hand.
    cells: Vec<(usize, usize)>,
}

impl CsvDecoder {
    pub fn open(input: &Input, file: &str, format: Format, spec: Spec) -> Result<Self, HistoryError> {
        let (rows, table) = open(input, file, format, Some(spec.kind), &spec.map)?;
        let unit = table.time.map_or(1, |(_, unit)| unit);
        let places = table.fields.iter().filter_map(|(_, place)| place.as_ref().map(|(at, _)| *at));
        let used = places.chain(table.time.map(|(at, _)| at)).max().map_or(0, |at| at + 1);
        let cells = Vec::with_capacity(used);
        Ok(Self { rows, table, spec, unit, row: 0, used, cells })
    }

    /// Finds the cells of the row at hand; how many columns it has.
    fn split_row(&mut self) -> usize {
        let (line, delimiter) = (self.rows.row(), self.table.delimiter);
        self.cells.clear();
        let mut begin = 0;
        for (at, byte) in line.iter().enumerate() {
            if *byte == delimiter {
                self.cells.push((begin, at));
                begin = at + 1;
                if self.cells.len() == self.used {
                    let rest = line.get(begin..).unwrap_or_default();
                    return self.used + 1 + rest.iter().filter(|b| **b == delimiter).count();
                }
            }
        }
        self.cells.push((begin, line.len()));
        self.cells.len()
    }
}

impl Decode for CsvDecoder {
    fn fill(&mut self, out: &mut Columns) -> Result<bool, HistoryError> {
        let mut numbers = match std::mem::replace(&mut out.lines, Lines::From(1)) {
            Lines::Each(lines) => lines,
            Lines::From(_) => Vec::with_capacity(CHUNK),
        };
        while out.ts.len() < CHUNK {
            if !self.rows.next()? {
                break;
            }
            let columns = self.split_row();
            let (line, number, file) = (self.rows.row(), self.rows.number, &self.rows.file);
            let at = out.ts.len();
            numbers.push(number);
            let cell = |column: usize| {
                let (from, to) = self.cells.get(column).copied().unwrap_or_default();
                unquoted(line.get(from..to).unwrap_or_default())
            };
            let bad = &mut out.bad;
            let mut tell = |column: &str, value: &[u8], expected: String| {
                let value = String::from_utf8_lossy(value);
                let value = if value.is_empty() { "nothing".to_owned() } else { value.chars().take(40).collect() };
                bad.push((at, BadRow { file: file.clone(), line: number, column: column.to_owned(), value, expected }));
            };
            let whole = columns == self.table.columns;
            if !whole {
                tell("all", format!("{columns} columns").as_bytes(), format!("{} columns", self.table.columns));
            }
            let time = match self.table.time {
                Some((column, _)) => time_of_cell(cell(column), &mut self.unit).unwrap_or_else(|expected| {
                    tell("time", cell(column), expected);
                    UNREADABLE
                }),
                None => self.spec.start_ns.unwrap_or(0).saturating_add(self.spec.interval_ns.saturating_mul(self.row)),
            };
            // A row with too many columns has all that is needed, and its figures are not to be trusted.
            out.ts.push(if whole { time } else { UNREADABLE });
            self.row += 1;
            for ((field, place), values) in self.table.fields.iter().zip(out.values.iter_mut()) {
                let Some((column, name)) = place else {
                    values.push(0);
                    continue;
                };
                let text = cell(*column);
                values.push(match field.meaning {
                    Meaning::Side => side_of(text, name.contains("maker")).unwrap_or_else(|| {
                        tell(
                            name,
                            text,
                            "buy or sell (true or false where it says whether the buyer was the maker)".into(),
                        );
                        UNREADABLE
                    }),
                    meaning => {
                        let decimals = self.spec.decimals(meaning);
                        match quick_number(text, decimals).map_or_else(
                            || number_of(std::str::from_utf8(text).unwrap_or("\u{fffd}"), decimals, self.spec.policy),
                            |mantissa| Ok((mantissa, false)),
                        ) {
                            Ok((mantissa, lost)) => {
                                out.rounded += u64::from(lost);
                                mantissa
                            }
                            Err(error) => {
                                tell(name, text, expected(&error));
                                UNREADABLE
                            }
                        }
                    }
                });
            }
        }
        let any = !numbers.is_empty();
        out.lines = Lines::Each(numbers);
        Ok(any)
    }
}

/// A cell without blanks and quotes around it.
#[inline]
fn unquoted(cell: &[u8]) -> &[u8] {
    match cell {
        // Most cells have nothing around them.
        [first, .., last] if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => cell,
        _ => {
            let cell = cell.trim_ascii();
            cell.strip_prefix(b"\"").and_then(|c| c.strip_suffix(b"\"")).unwrap_or(cell)
        }
    }
}

/// The usual number: at most 18 digits and a point, none of them lost. Whatever is otherwise gets `None` and goes the slow way, which
/// gives the same for what this one takes.
#[inline]
fn quick_number(text: &[u8], decimals: u8) -> Option<i64> {
    let (mut value, mut digits, mut places) = (0i64, 0u32, 0u32);
    let (mut pointed, decimals) = (false, u32::from(decimals));
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            if pointed {
                if places == decimals {
                    if digit != 0 {
                        return None;
                    }
                    continue;
                }
                places += 1;
            }
            digits += 1;
            if digits > 18 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        } else if byte == b'.' && !pointed {
            pointed = true;
        } else {
            return None;
        }
    }
    let scale = decimal::POW10.get((decimals - places.min(decimals)) as usize)?;
    if digits == 0 { None } else { value.checked_mul(*scale) }
}

/// [`time_of`], quick for whole counts of a known unit.
#[inline]
fn time_of_cell(cell: &[u8], unit: &mut i64) -> Result<i64, String> {
    if *unit > 0
        && let Some(ns) = quick_number(cell, 0).and_then(|count| count.checked_mul(*unit))
    {
        // A point in it would be a fraction of the unit.
        if !cell.contains(&b'.') {
            return Ok(ns);
        }
    }
    time_of(std::str::from_utf8(cell).unwrap_or("\u{fffd}"), unit)
}

/// A date or time as a person writes it (UTC unless it says otherwise).
///
/// # Errors
/// What was expected.
pub fn time_of_text(text: &str) -> Result<domain::UnixNanos, String> {
    time_of(text, &mut 0).map(|ns| domain::UnixNanos(ns.unsigned_abs()))
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
    // Dates are often written without seconds, which the parser wants.
    let short = trimmed.len() == 16 && trimmed.as_bytes().get(13) == Some(&b':');
    let filled = if short { format!("{trimmed}:00") } else { String::new() };
    let trimmed = if short { filled.as_str() } else { trimmed };
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
        (&["buy", "b", "bid", "1", "+1"], &["sell", "s", "ask", "a", "-1"])
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
    use proptest::prelude::*;

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
            "2021-01-01 00:00",
            "2021-01-01T00:00",
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

    proptest! {
        /// The quick way gives what the slow one gives, or nothing.
        #[test]
        fn quick_numbers_are_the_same(
            text in prop_oneof!["[0-9]{0,20}\\.?[0-9]{0,12}", "[-+0-9.eE]{0,12}"], decimals in 0u8..13,
        ) {
            let quick = quick_number(text.as_bytes(), decimals);
            if let Some(mantissa) = quick {
                prop_assert_eq!(number_of(&text, decimals, FloatPolicy::Exact), Ok((mantissa, false)));
            } else if let Ok((mantissa, _)) = decimal::parse_mantissa(&text, decimals).map(|m| (m, ())) {
                // Only what is long or signed goes the slow way.
                prop_assert!(text.len() > 18 || text.starts_with(['-', '+']) || mantissa >= 1_000_000_000_000_000_000, "{}", text);
            }
        }
    }

    #[test]
    fn sides_are_read() {
        assert_eq!([side_of(b"Buy", false), side_of(b"SELL", false), side_of(b"0", false)], [Some(0), Some(1), None]);
        assert_eq!([side_of(b"True", true), side_of(b"false", true), side_of(b"buy", true)], [Some(1), Some(0), None]);
    }
}
