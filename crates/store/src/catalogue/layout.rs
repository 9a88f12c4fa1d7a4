//! Where a file of a catalogue lies: `ROOT/<venue>/<symbol>/<kind>/<period>.parquet`.
//!
//! `kind` is the length of candles (`1m`, `1h`, `1d`) or `trades`, `quotes`, `book`. A period is so long that its file has some thousand to
//! some million rows, because a file is rewritten whole: a month of minutes (up to 44,640 rows), a year of hours or days, a day of trades,
//! quotes and book levels (a liquid pair has millions; public archives are cut by days too) and of candles under a minute.

use crate::history::{DataKind, interval_text, parse_interval};
use domain::UnixNanos;
use jiff::civil::{Date, date};
use std::fmt;
use std::path::{Path, PathBuf};

/// One kind of data of one symbol on one venue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The venue.
    pub venue: String,
    /// The symbol.
    pub symbol: String,
    /// Candles, trades, quotes or book levels.
    pub kind: DataKind,
    /// Length of a candle in seconds; 0 for other kinds.
    pub interval_s: u32,
}

impl SeriesKey {
    /// The name of its kind: `1m`, `trades`.
    #[must_use]
    pub fn kind_name(&self) -> String {
        if self.kind == DataKind::Candles { interval_text(self.interval_s) } else { self.kind.name().to_owned() }
    }

    /// Its folder, from the root.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        [escaped(&self.venue), escaped(&self.symbol), self.kind_name()].iter().collect()
    }

    /// How long the periods of its files are.
    #[must_use]
    pub const fn span(&self) -> Span {
        match (self.kind, self.interval_s) {
            (DataKind::Candles, 3_600..) => Span::Year,
            (DataKind::Candles, 60..) => Span::Month,
            _ => Span::Day,
        }
    }
}

/// Kind and length of candles of a kind's name.
#[must_use]
pub(crate) fn kind_of_name(name: &str) -> Option<(DataKind, u32)> {
    match DataKind::from_name(name) {
        Some(DataKind::Candles) => None,
        Some(kind) => Some((kind, 0)),
        None => parse_interval(name).map(|s| (DataKind::Candles, s)),
    }
}

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// A UTC day.
    Day,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
}

/// A calendar period in UTC, known by its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    first: Date,
    span: Span,
}

impl Period {
    /// The period that holds an instant.
    #[must_use]
    pub fn holding(ts: UnixNanos, span: Span) -> Self {
        let day = Date::constant(1970, 1, 1);
        let days = i64::try_from(ts.day()).unwrap_or(i64::MAX);
        // Nanoseconds in 64 bits end in 2554, which every calendar here holds.
        let day = day.checked_add(jiff::Span::new().try_days(days).unwrap_or_default()).unwrap_or(day);
        let first = match span {
            Span::Day => day,
            Span::Month => date(day.year(), day.month(), 1),
            Span::Year => date(day.year(), 1, 1),
        };
        Self { first, span }
    }

    /// Reads `2021`, `2021-05` or `2021-05-19`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = |part: &str, width: usize| {
            (part.len() == width && part.bytes().all(|b| b.is_ascii_digit()))
                .then(|| part.parse::<i16>().ok())
                .flatten()
        };
        let (span, year, month, day) = match text.split('-').collect::<Vec<_>>().as_slice() {
            [year] => (Span::Year, number(year, 4)?, 1, 1),
            [year, month] => (Span::Month, number(year, 4)?, number(month, 2)?, 1),
            [year, month, day] => (Span::Day, number(year, 4)?, number(month, 2)?, number(day, 2)?),
            _ => return None,
        };
        let first = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
        (year >= 1970).then_some(Self { first, span })
    }

    /// Its first instant and the first after it, in nanoseconds since 1970.
    #[must_use]
    pub fn range_ns(self) -> (u64, u64) {
        let next = match self.span {
            Span::Day => self.first.tomorrow(),
            Span::Month => self.first.last_of_month().tomorrow(),
            Span::Year => self.first.last_of_year().tomorrow(),
        };
        let ns = |day: Date| {
            let days = Date::constant(1970, 1, 1).until(day).map_or(0, |span| i64::from(span.get_days()));
            u64::try_from(days).unwrap_or(0).saturating_mul(domain::time::NANOS_PER_DAY)
        };
        (ns(self.first), next.map_or(u64::MAX, ns))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.first.year(), self.first.month(), self.first.day());
        match self.span {
            Span::Day => write!(f, "{year:04}-{month:02}-{day:02}"),
            Span::Month => write!(f, "{year:04}-{month:02}"),
            Span::Year => write!(f, "{year:04}"),
        }
    }
}

/// A file found in the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub path: PathBuf,
    pub key: SeriesKey,
    pub period: Period,
}

/// All files below a root that lie where a catalogue has them, sorted. Other files and folders are not looked at.
pub(crate) fn walk(root: &Path) -> std::io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for (venue, folder) in folders(root)? {
        let Some(venue) = unescaped(&venue) else { continue };
        for (symbol, folder) in folders(&folder)? {
            let Some(symbol) = unescaped(&symbol) else { continue };
            for (name, folder) in folders(&folder)? {
                let Some((kind, interval_s)) = kind_of_name(&name) else { continue };
                let key = SeriesKey { venue: venue.clone(), symbol: symbol.clone(), kind, interval_s };
                for entry in std::fs::read_dir(folder)? {
                    let path = entry?.path();
                    let stem = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".parquet"));
                    if let Some(period) = stem.and_then(Period::parse) {
                        found.push(Found { path, key: key.clone(), period });
                    }
                }
            }
        }
    }
    found.sort_by(|a, b| (&a.key, a.period).cmp(&(&b.key, b.period)));
    Ok(found)
}

/// Unfinished files below a root, as a killed import leaves them.
pub(crate) fn litter(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut level = vec![root.to_owned()];
    for _ in 0..4 {
        let mut below = Vec::new();
        for folder in level {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    below.push(path);
                } else if path.extension().is_some_and(|e| e == "tmp") {
                    found.push(path);
                }
            }
        }
        level = below;
    }
    Ok(found)
}

/// Folders in a folder, by name.
fn folders(path: &Path) -> std::io::Result<Vec<(String, PathBuf)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).filter(|n| !n.starts_with('.')).map(str::to_owned);
        if let Some(name) = name.filter(|_| path.is_dir()) {
            all.push((name, path));
        }
    }
    all.sort();
    Ok(all)
}

/// A venue or symbol as the name of a folder: what is no letter, digit, `-`, `_` or inner `.` is written as `%` and two hexadecimal digits.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |at: usize, b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || (b == b'.' && at > 0);
    let mut out = String::with_capacity(text.len());
    for (at, b) in text.bytes().enumerate() {
        if plain(at, b) { out.push(b as char) } else { out.push_str(&format!("%{b:02X}")) }
    }
    out
}

/// The text of a folder's name; `None` if it is none of [`escaped`].
fn unescaped(name: &str) -> Option<String> {
    let mut out = Vec::with_capacity(name.len());
    let mut bytes = name.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            out.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).ok().filter(|text| escaped(text) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_instant_lies_in_its_period(ts in 0u64..=i64::MAX as u64) {
            for span in [Span::Day, Span::Month, Span::Year] {
                let period = Period::holding(UnixNanos(ts), span);
                let (from, to) = period.range_ns();
                prop_assert!(from <= ts && ts < to, "{period}");
                prop_assert_eq!(Period::parse(&period.to_string()), Some(period));
                prop_assert_eq!(Period::holding(UnixNanos(to - 1), span), period);
                prop_assert_ne!(Period::holding(UnixNanos(to), span), period);
            }
        }

        #[test]
        fn names_come_back(text in "\\PC{1,12}") {
            let name = escaped(&text);
            prop_assert!(!name.contains(['/', '\\']) && !name.starts_with('.'));
            prop_assert_eq!(unescaped(&name), Some(text));
        }
    }

    #[test]
    fn periods_are_read_strictly() {
        for bad in ["", "21", "2021-5", "2021-13", "2021-02-30", "1969", "2021-05-19-01", "x", "2021-", "+021"] {
            assert_eq!(Period::parse(bad), None, "{bad}");
        }
        assert_eq!(
            Period::parse("2021-05").unwrap().range_ns(),
            (1_619_827_200_000_000_000, 1_622_505_600_000_000_000)
        );
    }

    #[test]
    fn long_candles_have_long_files() {
        let key = |kind, interval_s| SeriesKey { venue: "v".into(), symbol: "BTC/USD".into(), kind, interval_s };
        let spans = [
            (DataKind::Candles, 1, Span::Day),
            (DataKind::Candles, 60, Span::Month),
            (DataKind::Candles, 900, Span::Month),
            (DataKind::Candles, 3_600, Span::Year),
            (DataKind::Candles, 86_400, Span::Year),
            (DataKind::Trades, 0, Span::Day),
            (DataKind::Book, 0, Span::Day),
        ];
        for (kind, interval_s, span) in spans {
            assert_eq!(key(kind, interval_s).span(), span, "{kind:?} {interval_s}");
        }
        assert_eq!(key(DataKind::Candles, 60).folder(), Path::new("v/BTC%2FUSD/1m"));
    }
}
