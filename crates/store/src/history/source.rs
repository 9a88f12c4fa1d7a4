//! Finding out what the inputs are: which series, in which files, with the rules of which instrument.
//!
//! In:  paths (a folder means its data files) or bytes in memory, and [`Options`].
//! Out: [`Series`], sorted by venue, symbol, kind and interval, so that the order of the arguments changes nothing.
//!
//! What a file says of itself (bot4's own metadata, then its name) comes first. Options say what it does not; where it does, they choose:
//! `--symbol`, `--venue` and `--interval` leave other series out. What nobody says is an error.

use super::check::has_interval;
use super::csv_read;
use super::decode::{Decode, Spec, time_text};
use super::error::{BadRows, HistoryError};
use super::listing::{Decimals, Listing};
use super::name;
use super::parquet_read;
use super::rows::{DataKind, interval_text};
use bytes::Bytes;
use domain::UnixNanos;
use domain::decimal::FloatPolicy;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Where data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, or a folder of data files (not those in folders within it).
    Path(PathBuf),
    /// Bytes in memory, such as those that the binary carries.
    Memory {
        /// A file name that says what they are.
        name: String,
        /// The contents of that file.
        bytes: Bytes,
    },
}

impl Input {
    /// Bytes that live as long as the program.
    #[must_use]
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Self {
        Self::Memory { name: name.to_owned(), bytes: Bytes::from_static(bytes) }
    }
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        Self::Path(path.to_owned())
    }
}

/// Which symbols are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Symbols {
    /// All that are there.
    #[default]
    All,
    /// Only these.
    Only(Vec<String>),
}

impl Symbols {
    /// Reads `all` or a list such as `BTCUSDT,ETHUSDT`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("all") {
            return Self::All;
        }
        Self::Only(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
    }

    fn wants(&self, symbol: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(symbols) => symbols.iter().any(|s| s == symbol),
        }
    }
}

/// What the user says about the data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Venue of files that do not say theirs.
    pub venue: Option<String>,
    /// Symbols wanted; a single one is also the symbol of files that do not say theirs.
    pub symbols: Symbols,
    /// Interval, in seconds, of candle files that do not say theirs.
    pub interval_s: Option<u32>,
    /// Time of the first row of files without times.
    pub start: Option<UnixNanos>,
    /// Decimals of a `generic` instrument that takes the place of the listed ones.
    pub instrument: Option<Decimals>,
    /// What happens on a bad row.
    pub bad_rows: BadRows,
    /// Rows before this are left out (open time of candles).
    pub from: Option<UnixNanos>,
    /// Rows at or after this are left out (open time of candles).
    pub to: Option<UnixNanos>,
}

/// Form of a file, seen from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Text,
    Gzip,
    Zip,
}

/// One file of a series, or the rows of it that belong to the series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it is.
    pub input: Input,
    /// Its name, for messages.
    pub name: String,
    pub(crate) format: Format,
    /// First row and number of rows, where the file has several symbols.
    pub(crate) rows: Option<(u64, u64)>,
    /// Number of its rows, where the file says it.
    count: Option<u64>,
    /// Time of the first row, in nanoseconds.
    first_ns: Option<i64>,
}

/// One kind of data of one symbol on one venue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// The venue: `binance_spot`, `binance_usdm`, `generic`, or as said.
    pub venue: String,
    /// The symbol.
    pub symbol: String,
    /// Candles, trades or quotes.
    pub kind: DataKind,
    /// Length of a candle in seconds; 0 for trades and quotes.
    pub interval_s: u32,
    /// Instrument data.
    pub listing: Listing,
    /// Its files in time order.
    pub parts: Vec<Part>,
    /// What happens on a bad row.
    pub bad_rows: BadRows,
    start: Option<UnixNanos>,
    from: Option<UnixNanos>,
    to: Option<UnixNanos>,
}

impl Series {
    /// A short name for messages: `binance_spot BTCUSDT 1m`.
    #[must_use]
    pub fn title(&self) -> String {
        let what = if has_interval(self.kind) { interval_text(self.interval_s) } else { self.kind.name().to_owned() };
        format!("{} {} {what}", self.venue, self.symbol)
    }

    /// How many rows its files hold, where all of them say so: those that `from` and `to` leave out are counted too.
    #[must_use]
    pub fn rows(&self) -> Option<u64> {
        self.parts.iter().try_fold(0, |sum, part| part.count.map(|n| sum + n))
    }

    /// Time of its first row as its first file shows it at once, checked or not; `None` where it does not.
    #[must_use]
    pub fn begins(&self) -> Option<UnixNanos> {
        self.parts.first()?.first_ns.and_then(|ns| u64::try_from(ns).ok()).map(UnixNanos)
    }

    pub(crate) fn range_ns(&self) -> (i64, i64) {
        let ns = |t: UnixNanos| i64::try_from(t.0).unwrap_or(i64::MAX);
        (self.from.map_or(i64::MIN, ns), self.to.map_or(i64::MAX, ns))
    }

    fn spec(&self) -> Spec {
        Spec {
            kind: self.kind,
            price_decimals: self.listing.price_decimals,
            quantity_decimals: self.listing.quantity_decimals,
            policy: if self.listing.generic { FloatPolicy::Round } else { FloatPolicy::Exact },
            interval_ns: i64::from(self.interval_s) * 1_000_000_000,
            start_ns: self.start.and_then(|t| i64::try_from(t.0).ok()),
        }
    }
}

impl Part {
    /// Opens the decoder of the file.
    pub(crate) fn open(&self, series: &Series) -> Result<Box<dyn Decode>, HistoryError> {
        let spec = series.spec();
        Ok(match self.format {
            Format::Parquet => Box::new(parquet_read::ParquetDecoder::open(&self.input, &self.name, spec, self.rows)?),
            Format::Text | Format::Gzip | Format::Zip => {
                Box::new(csv_read::CsvDecoder::open(&self.input, &self.name, self.format, spec)?)
            }
        })
    }
}

/// What a look into a file finds.
#[derive(Debug)]
pub(crate) struct Probe {
    pub kind: DataKind,
    /// bot4's own metadata.
    pub own: Option<Own>,
    /// Symbols of a file with several: name, first row, rows.
    pub symbols: Option<Vec<(String, u64, u64)>>,
    pub has_time: bool,
    pub first_ns: Option<i64>,
    /// Rows of the file, where it says so.
    pub count: Option<u64>,
}

/// What bot4's own files say of themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub venue: String,
    pub symbol: String,
    pub interval_s: u32,
    pub price_decimals: u8,
    pub quantity_decimals: u8,
    pub generic: bool,
}

/// Finds the series in the inputs.
///
/// # Errors
/// If a file cannot be opened or is damaged, nothing says what it holds, its instrument is unknown, or nothing is left.
pub fn discover(inputs: &[Input], options: &Options) -> Result<Vec<Series>, HistoryError> {
    let mut found: BTreeMap<(String, String, DataKind, u32), Series> = BTreeMap::new();
    let mut left_out: Vec<String> = Vec::new();
    for input in expand(inputs)? {
        for series in look_into(&input, options, &mut left_out)? {
            let key = (series.venue.clone(), series.symbol.clone(), series.kind, series.interval_s);
            match found.get_mut(&key) {
                Some(held) => held.parts.extend(series.parts),
                None => {
                    found.insert(key, series);
                }
            }
        }
    }
    if found.is_empty() {
        left_out.sort();
        left_out.dedup();
        return Err(HistoryError::Nothing(if left_out.is_empty() {
            "no data file was given".into()
        } else {
            format!("the options leave out all that was found: {}", left_out.join(", "))
        }));
    }
    let mut all: Vec<Series> = found.into_values().collect();
    for series in &mut all {
        // Files without a readable first time keep their place at the end; reading them says what is wrong.
        series
            .parts
            .sort_by(|a, b| (a.first_ns.unwrap_or(i64::MAX), &a.name).cmp(&(b.first_ns.unwrap_or(i64::MAX), &b.name)));
    }
    Ok(all)
}

/// Folders become their data files.
fn expand(inputs: &[Input]) -> Result<Vec<Input>, HistoryError> {
    let mut all = Vec::new();
    for input in inputs {
        match input {
            Input::Path(path) if path.is_dir() => {
                let shown = path.display().to_string();
                let entries = std::fs::read_dir(path).map_err(|e| HistoryError::io(&shown, &e))?;
                let mut files: Vec<PathBuf> = Vec::new();
                for entry in entries {
                    let path = entry.map_err(|e| HistoryError::io(&shown, &e))?.path();
                    if path.is_file() && is_data_file(&path) {
                        files.push(path);
                    }
                }
                if files.is_empty() {
                    return Err(HistoryError::Nothing(format!("{shown} has no .parquet, .csv, .csv.gz or .zip file")));
                }
                files.sort();
                all.extend(files.into_iter().map(Input::Path));
            }
            other => all.push(other.clone()),
        }
    }
    Ok(all)
}

fn is_data_file(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    [".parquet", ".csv", ".csv.gz", ".zip"].iter().any(|ending| name.ends_with(ending))
}

/// The series of one file.
fn look_into(input: &Input, options: &Options, left_out: &mut Vec<String>) -> Result<Vec<Series>, HistoryError> {
    let file = match input {
        Input::Path(path) => path.display().to_string(),
        Input::Memory { name, .. } => name.clone(),
    };
    let format = format_of(input, &file)?;
    let named = name::describe(&file);
    let probe = match format {
        Format::Parquet => parquet_read::probe(input, &file)?,
        _ => csv_read::probe(input, &file, format, named.kind)?,
    };
    let own = probe.own.as_ref();
    let undescribed = |missing: &'static str, hint: &str| HistoryError::Undescribed {
        file: file.clone(),
        missing,
        hint: hint.to_owned(),
    };

    let said_venue = own.map(|o| o.venue.clone()).or(named.venue);
    let default_venue = || options.instrument.map(|_| "generic".to_owned());
    let venue = said_venue.clone().or_else(|| options.venue.clone()).or_else(default_venue).ok_or_else(|| {
        undescribed("venue", "name it as <exchange>_<market>_<SYMBOL>_<interval> (binance_spot_BTCUSDT_1m_2020.parquet), or say --venue binance_spot")
    })?;

    let interval_s = if has_interval(probe.kind) {
        let said = own.map(|o| o.interval_s).or(named.interval_s);
        let interval =
            said.or(options.interval_s).ok_or_else(|| undescribed("interval", "say --interval 1m (or 1h, 1d, ...)"))?;
        if !probe.has_time && options.start.is_none() {
            return Err(undescribed(
                "time of the first row",
                "it has no column of times: say --start 2021-01-01T00:00:00Z",
            ));
        }
        interval
    } else {
        if !probe.has_time {
            return Err(HistoryError::MissingColumn {
                file,
                column: "ts_ns".into(),
                found: format!("those of {} but no times", probe.kind.name()),
            });
        }
        0
    };

    let symbols: Vec<(String, Option<(u64, u64)>)> =
        match (probe.symbols, own.map(|o| o.symbol.clone()).or(named.symbol)) {
            (Some(many), _) => many.into_iter().map(|(symbol, first, rows)| (symbol, Some((first, rows)))).collect(),
            (None, Some(one)) => vec![(one, None)],
            (None, None) => {
                let said = match &options.symbols {
                    Symbols::Only(symbols) => match symbols.as_slice() {
                        [one] => Some(one.clone()),
                        _ => None,
                    },
                    Symbols::All => options.instrument.map(|_| {
                        let name = file.replace('\\', "/");
                        name::stem(name.rsplit('/').next().unwrap_or_default()).to_owned()
                    }),
                };
                vec![(said.ok_or_else(|| undescribed("symbol", "say --symbol BTCUSDT"))?, None)]
            }
        };

    let mut all = Vec::new();
    for (symbol, rows) in symbols {
        let unwanted = !options.symbols.wants(&symbol)
            || options.venue.as_ref().is_some_and(|v| *v != venue)
            || (has_interval(probe.kind) && options.interval_s.is_some_and(|i| i != interval_s));
        if unwanted {
            let what = if has_interval(probe.kind) { interval_text(interval_s) } else { probe.kind.name().into() };
            left_out.push(format!("{venue} {symbol} {what}"));
            continue;
        }
        let own_decimals =
            own.filter(|o| o.generic).map(|o| Decimals { price: o.price_decimals, quantity: o.quantity_decimals });
        let listing = Listing::find(&venue, &symbol, options.instrument.or(own_decimals))?;
        all.push(Series {
            venue: venue.clone(),
            symbol,
            kind: probe.kind,
            interval_s,
            listing,
            parts: vec![Part {
                input: input.clone(),
                name: file.clone(),
                format,
                rows,
                count: rows.map_or(probe.count, |(_, n)| Some(n)),
                first_ns: probe.first_ns,
            }],
            bad_rows: options.bad_rows,
            start: if probe.has_time { None } else { options.start },
            from: options.from,
            to: options.to,
        });
    }
    Ok(all)
}

/// The form of a file, from its first bytes.
fn format_of(input: &Input, file: &str) -> Result<Format, HistoryError> {
    let mut head = [0u8; 4];
    let read = match input {
        Input::Path(path) => {
            let mut opened = File::open(path).map_err(|e| HistoryError::io(file, &e))?;
            let mut filled = 0;
            while filled < head.len() {
                let Some(rest) = head.get_mut(filled..) else { break };
                match opened.read(rest).map_err(|e| HistoryError::io(file, &e))? {
                    0 => break,
                    n => filled += n,
                }
            }
            filled
        }
        Input::Memory { bytes, .. } => {
            let n = bytes.len().min(head.len());
            for (to, from) in head.iter_mut().zip(bytes.iter()) {
                *to = *from;
            }
            n
        }
    };
    let parquet_name = file.to_ascii_lowercase().ends_with(".parquet");
    if read == 0 {
        let expected = if parquet_name { "a Parquet file" } else { "rows of candles, trades or quotes" };
        return Err(HistoryError::Empty { file: file.to_owned(), expected: expected.into() });
    }
    match head {
        [b'P', b'A', b'R', b'1'] => Ok(Format::Parquet),
        [b'P', b'K', 3, 4] => Ok(Format::Zip),
        [0x1f, 0x8b, ..] => Ok(Format::Gzip),
        _ if parquet_name => Err(HistoryError::structure(
            file,
            "it does not begin as a Parquet file does",
            "the four bytes PAR1 at its begin and end",
        )),
        _ => Ok(Format::Text),
    }
}

/// Time of a part's first row, for messages and tests.
impl Part {
    /// Time of the first row as text, where it could be read without decoding the file.
    #[must_use]
    pub fn first_time(&self) -> Option<String> {
        self.first_ns.map(time_text)
    }
}
