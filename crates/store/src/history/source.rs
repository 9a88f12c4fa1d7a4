//! Finding out what the inputs are: which series, in which files, with the rules of which instrument.
//!
//! In:  paths (a folder means its data files) or bytes in memory, and [`Options`].
//! Out: [`Series`], sorted by venue, symbol, kind and interval, so that the order of the arguments changes nothing.
//!
//! What a file says of itself (bot4's own metadata, then its name) comes first. Options say what it does not; where it does, they choose:
//! `--symbol`, `--venue` and `--interval` leave other series out. What nobody says is an error.

use super::check::has_interval;
use super::column_map::ColumnMap;
use super::csv_read;
use super::decode::{Decode, Spec, time_text};
use super::error::{BadRows, HistoryError};
use super::feather_read;
use super::listing::{Decimals, Listing};
use super::name;
use super::parquet_read;
use super::rows::{DataKind, interval_text};
use crate::catalogue::{Catalogue, Chosen, Entry, RULES_FILE, RulesTable, TODAY, walk};
use bytes::Bytes;
use domain::UnixNanos;
use domain::decimal::FloatPolicy;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where data is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, a folder of data files (not those in folders within it), or a catalogue.
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
    /// The one kind of data that is wanted; also what files are that do not say it.
    pub kind: Option<DataKind>,
    /// What columns of foreign tables are called.
    pub map: ColumnMap,
    /// Instruments that are known beside those that bot4 carries, and go before them.
    pub rules: Option<Arc<RulesTable>>,
}

/// Form of a file, seen from its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Parquet,
    Feather,
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
    /// Time of the last row, where the file says it.
    last_ns: Option<i64>,
    /// Whether it is one of bot4's own files.
    pub(crate) own: bool,
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
    /// What is assumed about the rules of its instrument, such as that today's are used; `None` where they are known to hold.
    pub rules_note: Option<String>,
    start: Option<UnixNanos>,
    from: Option<UnixNanos>,
    to: Option<UnixNanos>,
    map: ColumnMap,
    /// The instruments of the catalogue that its files lie in.
    near: Option<Arc<RulesTable>>,
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

    /// The series of one of bot4's own files.
    pub(crate) fn of_file(path: &Path, venue: &str, kind: DataKind, interval_s: u32, listing: &Listing) -> Self {
        let part = Part {
            input: Input::from(path),
            name: path.display().to_string(),
            format: Format::Parquet,
            rows: None,
            count: None,
            first_ns: None,
            last_ns: None,
            own: true,
        };
        Self {
            venue: venue.to_owned(),
            symbol: listing.symbol.clone(),
            kind,
            interval_s,
            listing: listing.clone(),
            parts: vec![part],
            bad_rows: BadRows::Refuse,
            rules_note: None,
            start: None,
            from: None,
            to: None,
            map: ColumnMap::default(),
            near: None,
        }
    }

    /// Takes the rules that hold when its first row comes: known once its files are in order, however they were named.
    fn choose_rules(&mut self, rules: &RulesTable) {
        let ns = |ns: Option<i64>| ns.and_then(|ns| u64::try_from(ns).ok()).map(UnixNanos);
        let first = ns(self.parts.first().and_then(|part| part.first_ns)).unwrap_or(UnixNanos(0));
        let last = ns(self.parts.last().and_then(|part| part.last_ns)).unwrap_or(UnixNanos::MAX);
        let (begins, ends) = (self.from.map_or(first, |f| f.max(first)), self.to.map_or(last, |to| to.min(last)));
        if let Some(Chosen { listing, note }) = rules.choose(&self.venue, &self.symbol, Some(begins), Some(ends)) {
            self.rules_note = if listing.generic { Some(GENERIC.to_owned()) } else { note };
            self.listing = listing;
        }
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
            map: self.map.clone(),
        }
    }
}

impl Part {
    /// Opens the decoder of the file.
    pub(crate) fn open(&self, series: &Series) -> Result<Box<dyn Decode>, HistoryError> {
        let spec = series.spec();
        Ok(match self.format {
            Format::Feather => Box::new(feather_read::FeatherDecoder::open(&self.input, &self.name, spec)?),
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
    /// Time of the last row, where the file says it.
    pub last_ns: Option<i64>,
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
    /// Whether it has a column of flags.
    pub flags: bool,
}

/// Finds the series in the inputs.
///
/// # Errors
/// If a file cannot be opened or is damaged, nothing says what it holds, its instrument is unknown, or nothing is left.
pub fn discover(inputs: &[Input], options: &Options) -> Result<Vec<Series>, HistoryError> {
    let mut found: BTreeMap<(String, String, DataKind, u32), Series> = BTreeMap::new();
    let mut left_out: Vec<String> = Vec::new();
    let mut add = |series: Series| {
        let key = (series.venue.clone(), series.symbol.clone(), series.kind, series.interval_s);
        match found.get_mut(&key) {
            Some(held) => held.parts.extend(series.parts),
            None => drop(found.insert(key, series)),
        }
    };
    for input in inputs {
        match input {
            Input::Path(path) if path.is_dir() && Catalogue::is_at(path) => {
                in_catalogue(path, options, &mut left_out)?.into_iter().for_each(&mut add);
            }
            _ => {
                for file in expand(input)? {
                    look_into(&file, options, &mut left_out)?.into_iter().for_each(&mut add);
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
        if let Some(rules) = series.near.take().filter(|_| options.instrument.is_none()) {
            series.choose_rules(&rules);
        }
    }
    Ok(all)
}

/// The series of a catalogue, from its index: no file is opened, and those outside of the range of time are left aside.
fn in_catalogue(root: &Path, options: &Options, left_out: &mut Vec<String>) -> Result<Vec<Series>, HistoryError> {
    let catalogue = Catalogue::at(root);
    let (index, rules) = (catalogue.index()?, Arc::new(catalogue.rules()?));
    let mut all: Vec<Series> = Vec::new();
    for series in index.entries().chunk_by(|a, b| a.key == b.key) {
        let Some(key) = series.first().map(|entry| entry.key.clone()) else { continue };
        let unwanted = !options.symbols.wants(&key.symbol)
            || options.venue.as_ref().is_some_and(|v| *v != key.venue)
            || options.kind.is_some_and(|k| k != key.kind)
            || (has_interval(key.kind) && options.interval_s.is_some_and(|i| i != key.interval_s));
        let title = format!("{} {} {}", key.venue, key.symbol, key.kind_name());
        if unwanted {
            left_out.push(title);
            continue;
        }
        let inside =
            |e: &&Entry| options.to.is_none_or(|to| e.first < to) && options.from.is_none_or(|from| e.last >= from);
        let entries: Vec<&Entry> = series.iter().filter(inside).collect();
        let Some(first) = entries.first() else {
            let whole = series.first().zip(series.last()).map(|(a, b)| (a.first.0 as i64, b.last.0 as i64));
            let (from, to) = whole.unwrap_or_default();
            left_out.push(format!("{title} from {} to {}", time_text(from), time_text(to)));
            continue;
        };
        let (price, quantity) = first.decimals;
        // Without its row in the table an instrument is the listed one, or else a generic one with the decimals of its files.
        let listed = Listing::find(&key.venue, &key.symbol, None).is_ok();
        let own = (!listed).then_some(Decimals { price, quantity });
        let (listing, rules_note) = rules_of(&key.venue, &key.symbol, options, Some(&rules), own)?;
        let part = |e: &&Entry| Part {
            input: Input::Path(e.path.clone()),
            name: e.path.display().to_string(),
            format: Format::Parquet,
            rows: None,
            count: Some(e.rows),
            first_ns: i64::try_from(e.first.0).ok(),
            last_ns: i64::try_from(e.last.0).ok(),
            own: true,
        };
        all.push(Series {
            parts: entries.iter().map(part).collect(),
            venue: key.venue,
            symbol: key.symbol,
            kind: key.kind,
            interval_s: key.interval_s,
            listing,
            bad_rows: options.bad_rows,
            rules_note,
            start: None,
            from: options.from,
            to: options.to,
            map: ColumnMap::default(),
            near: Some(Arc::clone(&rules)),
        });
    }
    Ok(all)
}

/// The rules of an instrument and what is assumed by using them: as told, from tables of catalogues, from the table that bot4 carries.
fn rules_of(
    venue: &str,
    symbol: &str,
    options: &Options,
    near: Option<&RulesTable>,
    own: Option<Decimals>,
) -> Result<(Listing, Option<String>), HistoryError> {
    if options.instrument.is_none() {
        let tables = [options.rules.as_deref(), near];
        let chosen = tables.into_iter().flatten().find_map(|t| t.choose(venue, symbol, None, None));
        if let Some(Chosen { listing, note }) = chosen {
            let note = if listing.generic { Some(GENERIC.to_owned()) } else { note };
            return Ok((listing, note));
        }
    }
    let listing = Listing::find(venue, symbol, options.instrument.or(own))?;
    let note = if listing.generic { GENERIC } else { TODAY };
    Ok((listing, Some(note.to_owned())))
}

/// What is assumed about a series that has no instrument of a venue.
const GENERIC: &str = "a generic instrument: its tick, lot, minima and fees are those that were said, not a venue's";

/// What several series assume about the rules of their instruments, symbols with the same assumption in one sentence.
#[must_use]
pub fn rules_notes(series: &[Series]) -> Vec<String> {
    let mut by_note: Vec<(&str, Vec<&str>)> = Vec::new();
    for s in series {
        let Some(note) = s.rules_note.as_deref() else { continue };
        match by_note.iter_mut().find(|(held, _)| *held == note) {
            Some((_, symbols)) if symbols.contains(&s.symbol.as_str()) => {}
            Some((_, symbols)) => symbols.push(&s.symbol),
            None => by_note.push((note, vec![&s.symbol])),
        }
    }
    by_note.into_iter().map(|(note, symbols)| format!("{}: {note}", symbols.join(", "))).collect()
}

/// The files of the inputs, in the order they are named; those of a folder by name, those of a catalogue by series and time.
pub(crate) fn files_of(inputs: &[Input]) -> Result<Vec<Input>, HistoryError> {
    let mut all = Vec::new();
    for input in inputs {
        all.extend(match input {
            Input::Path(path) if path.is_dir() && Catalogue::is_at(path) => {
                let found = walk(path).map_err(|e| HistoryError::io(&path.display().to_string(), &e))?;
                found.into_iter().map(|found| Input::Path(found.path)).collect()
            }
            other => expand(other)?,
        });
    }
    Ok(all)
}

/// A folder becomes its data files.
fn expand(input: &Input) -> Result<Vec<Input>, HistoryError> {
    let Input::Path(path) = input else { return Ok(vec![input.clone()]) };
    if !path.is_dir() {
        return Ok(vec![input.clone()]);
    }
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
        let what = "has no .parquet, .feather, .csv, .csv.gz, .json, .json.gz or .zip file";
        return Err(HistoryError::Nothing(format!("{shown} {what}")));
    }
    files.sort();
    Ok(files.into_iter().map(Input::Path).collect())
}

fn is_data_file(path: &Path) -> bool {
    let name = path.file_name().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    // Lists of other things are JSON too: there the name has to say that it is market data.
    let json = [".json", ".json.gz"].iter().any(|ending| name.ends_with(ending));
    [".parquet", ".feather", ".csv", ".csv.gz", ".zip"].iter().any(|ending| name.ends_with(ending))
        || (json && name::describe(&path.display().to_string()).kind.is_some())
}

/// The series of one file.
fn look_into(input: &Input, options: &Options, left_out: &mut Vec<String>) -> Result<Vec<Series>, HistoryError> {
    let file = match input {
        Input::Path(path) => path.display().to_string(),
        Input::Memory { name, .. } => name.clone(),
    };
    let format = format_of(input, &file)?;
    let named = name::describe(&file);
    if let Some(other) = &named.other {
        let what = format!("its name says that it holds {other} data");
        return Err(HistoryError::structure(&file, what, "candles, trades, quotes or book levels"));
    }
    let said = named.kind.or(options.kind);
    let probe = match format {
        Format::Parquet => parquet_read::probe(input, &file, said, &options.map)?,
        Format::Feather => feather_read::probe(input, &file, said, &options.map)?,
        _ => csv_read::probe(input, &file, format, said, &options.map)?,
    };
    let own = probe.own.as_ref();
    let undescribed = |missing: &'static str, hint: &str| HistoryError::Undescribed {
        file: file.clone(),
        missing,
        hint: hint.to_owned(),
    };

    let of_futures = named.futures;
    let said_venue = own.map(|o| o.venue.clone()).or(named.venue);
    let default_venue = || options.instrument.map(|_| "generic".to_owned());
    let venue = said_venue.clone().or_else(|| options.venue.clone()).or_else(default_venue).ok_or_else(|| {
        undescribed("venue", "name it as <exchange>_<market>_<SYMBOL>_<interval> (binance_spot_BTCUSDT_1m_2020.parquet), or say --venue binance_spot")
    })?;

    if of_futures && venue.ends_with("_spot") {
        let what = format!("its name says that it is of futures, and the venue is {venue}: say --venue binance_usdm");
        return Err(HistoryError::Contradiction { file: file.clone(), what });
    }

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

    // A file of a catalogue has its instruments three folders above its own.
    let near = match input {
        Input::Path(path) if own.is_some() => path
            .ancestors()
            .nth(4)
            .filter(|root| root.join(RULES_FILE).is_file())
            .map(RulesTable::load)
            .transpose()?
            .map(Arc::new),
        _ => None,
    };
    let mut all = Vec::new();
    for (symbol, rows) in symbols {
        let unwanted = !options.symbols.wants(&symbol)
            || options.venue.as_ref().is_some_and(|v| *v != venue)
            || options.kind.is_some_and(|k| k != probe.kind)
            || (has_interval(probe.kind) && options.interval_s.is_some_and(|i| i != interval_s));
        if unwanted {
            let what = if has_interval(probe.kind) { interval_text(interval_s) } else { probe.kind.name().into() };
            left_out.push(format!("{venue} {symbol} {what}"));
            continue;
        }
        let own_decimals =
            own.filter(|o| o.generic).map(|o| Decimals { price: o.price_decimals, quantity: o.quantity_decimals });
        let (listing, rules_note) = rules_of(&venue, &symbol, options, near.as_deref(), own_decimals)?;
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
                last_ns: probe.last_ns,
                own: own.is_some(),
            }],
            bad_rows: options.bad_rows,
            rules_note,
            start: if probe.has_time { None } else { options.start },
            from: options.from,
            to: options.to,
            map: options.map.clone(),
            near: near.clone(),
        });
    }
    Ok(all)
}

/// The form of a file, from its first bytes.
fn format_of(input: &Input, file: &str) -> Result<Format, HistoryError> {
    let mut head = [0u8; 6];
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
        [b'P', b'A', b'R', b'1', ..] => Ok(Format::Parquet),
        _ if head == *feather_read::MAGIC => Ok(Format::Feather),
        [b'F', b'E', b'A', b'1', ..] => Err(HistoryError::structure(
            file,
            "it is a feather file of version 1, which is no longer written",
            "version 2 (an Arrow file), as freqtrade and pandas write it",
        )),
        [b'P', b'K', 3, 4, ..] => Ok(Format::Zip),
        [0x1f, 0x8b, ..] => Ok(Format::Gzip),
        _ if parquet_name => Err(HistoryError::structure(
            file,
            "it does not begin as a Parquet file does",
            "the four bytes PAR1 at its begin and end",
        )),
        _ if file.to_ascii_lowercase().ends_with(".feather") => Err(HistoryError::structure(
            file,
            "it does not begin as a feather file does",
            "the six bytes ARROW1 at its begin and end",
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
