//! What a catalogue holds, file by file: `ROOT/index.csv`, which can be rebuilt from the files at any time.
//!
//! In:  the files of the layout. Out: entries with rows, first and last time, gaps.
//! An entry counts while size and time of change of its file are those it was made from; otherwise the file's footer is read again. So an
//! index that is missing, old or of another catalogue costs time and never shows what is not there.

use super::layout::{Found, SeriesKey, walk};
use super::rules::write_aside;
use crate::history::{Footer, HistoryError, Input, footer};
use domain::UnixNanos;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Name of the index.
const FILE: &str = "index.csv";
const HEAD: &str = "file,bytes,changed_ns,rows,first_ns,last_ns,gaps,missing,price_decimals,quantity_decimals";

/// One file of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub path: PathBuf,
    /// What it is of.
    pub key: SeriesKey,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// Time of its first row (open time of a candle).
    pub first: UnixNanos,
    /// Time of its last row.
    pub last: UnixNanos,
    /// Stretches without candles inside it.
    pub gaps: u64,
    /// Candles missing in them.
    pub missing: u64,
    pub(crate) decimals: (u8, u8),
    changed_ns: u64,
}

/// All files of a catalogue, sorted by series and period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    entries: Vec<Entry>,
}

impl Index {
    /// Takes stock of a catalogue: what its index says where that is still true, and what its files say elsewhere.
    ///
    /// # Errors
    /// If a folder or file cannot be read, or a file is none of bot4's own or of another series than its place says.
    pub fn load(root: &Path) -> Result<Self, HistoryError> {
        let shown = root.display().to_string();
        let known = Self::read(root);
        let mut entries = Vec::new();
        for found in walk(root).map_err(|e| HistoryError::io(&shown, &e))? {
            let name = found.path.display().to_string();
            let about = std::fs::metadata(&found.path).map_err(|e| HistoryError::io(&name, &e))?;
            let changed = about.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            let changed_ns = changed.map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
            let held = known
                .get(&relative(root, &found.path))
                .filter(|k| k.bytes == about.len() && k.changed_ns == changed_ns);
            entries.push(match held {
                Some(k) => Entry {
                    path: found.path,
                    key: found.key,
                    bytes: k.bytes,
                    rows: k.rows,
                    first: UnixNanos(k.first_ns),
                    last: UnixNanos(k.last_ns),
                    gaps: k.gaps,
                    missing: k.missing,
                    decimals: k.decimals,
                    changed_ns,
                },
                None => look_into(found, about.len(), changed_ns)?,
            });
        }
        Ok(Self { entries })
    }

    /// The lines of the stored index that can be read.
    fn read(root: &Path) -> BTreeMap<String, Line> {
        let text = std::fs::read_to_string(root.join(FILE)).unwrap_or_default();
        if text.lines().next() != Some(HEAD) {
            return BTreeMap::new();
        }
        text.lines().skip(1).filter_map(Line::read).collect()
    }

    /// Stores the index.
    ///
    /// # Errors
    /// [`HistoryError::Io`].
    pub fn save(&self, root: &Path) -> Result<(), HistoryError> {
        let mut text = format!("{HEAD}\n");
        for e in &self.entries {
            let numbers = [e.bytes, e.changed_ns, e.rows, e.first.0, e.last.0, e.gaps, e.missing];
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            let (price, quantity) = e.decimals;
            text.push_str(&format!("{},{},{price},{quantity}\n", relative(root, &e.path), numbers.join(",")));
        }
        write_aside(&root.join(FILE), &text)
    }

    /// The files, sorted by series and period.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// What a line of the stored index says of a file.
struct Line {
    bytes: u64,
    changed_ns: u64,
    rows: u64,
    first_ns: u64,
    last_ns: u64,
    gaps: u64,
    missing: u64,
    decimals: (u8, u8),
}

impl Line {
    fn read(line: &str) -> Option<(String, Self)> {
        let (file, numbers) = line.split_once(',')?;
        let numbers: Vec<u64> = numbers.split(',').map(|n| n.parse().ok()).collect::<Option<_>>()?;
        let [bytes, changed_ns, rows, first_ns, last_ns, gaps, missing, price, quantity] = numbers[..] else {
            return None;
        };
        let decimals = (u8::try_from(price).ok()?, u8::try_from(quantity).ok()?);
        Some((file.to_owned(), Self { bytes, changed_ns, rows, first_ns, last_ns, gaps, missing, decimals }))
    }
}

/// The path below the root with `/` between its parts. Names of the layout have no comma in them.
fn relative(root: &Path, path: &Path) -> String {
    let inner = path.strip_prefix(root).unwrap_or(path);
    inner.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Reads the footer of a file and holds it against its place.
fn look_into(found: Found, bytes: u64, changed_ns: u64) -> Result<Entry, HistoryError> {
    let name = found.path.display().to_string();
    let Some(Footer { own, kind, rows, extent }) = footer(&Input::from(found.path.as_path()), &name)? else {
        let what = "it lies where a catalogue has its files and is none of bot4's own";
        return Err(HistoryError::structure(&name, what, "a file that `bot4 data import` wrote"));
    };
    let key = SeriesKey { venue: own.venue, symbol: own.symbol, kind, interval_s: own.interval_s };
    if key != found.key {
        let what = format!(
            "it says that it holds {} {} {}, and its place that it is {} {} {}",
            key.venue,
            key.symbol,
            key.kind_name(),
            found.key.venue,
            found.key.symbol,
            found.key.kind_name()
        );
        return Err(HistoryError::Contradiction { file: name, what });
    }
    let Some(extent) = extent else {
        let expected = "a file of this version: import it again";
        return Err(HistoryError::structure(&name, "its metadata does not say where it begins and ends", expected));
    };
    Ok(Entry {
        path: found.path,
        key,
        bytes,
        rows,
        first: UnixNanos(extent.first_ns),
        last: UnixNanos(extent.last_ns),
        gaps: extent.gaps,
        missing: extent.missing,
        decimals: (own.price_decimals, own.quantity_decimals),
        changed_ns,
    })
}
