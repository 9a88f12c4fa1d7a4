//! What can be wrong with historical data, and what was found while reading it.
//!
//! Two levels. What concerns the file as a whole (it is cut off, it has no such column, its instrument is unknown) is a [`HistoryError`] and
//! nothing of it is used. What concerns one row is a [`BadRow`]; [`BadRows`] decides between leaving it out and refusing the whole.

use std::fmt;

/// One row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// The file.
    pub file: String,
    /// Line of a text file, row of a Parquet file; the first is 1.
    pub line: u64,
    /// The column.
    pub column: String,
    /// What is there.
    pub value: String,
    /// What was expected.
    pub expected: String,
}

impl fmt::Display for BadRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, value, expected } = self;
        write!(f, "{file}, line {line}, column {column}: {value}; expected {expected}")
    }
}

/// What is wrong with a bad row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadKind {
    /// It has the time of the row before.
    Duplicate,
    /// Its time goes back, or leaps ahead of the rows after it.
    Disorder,
    /// Its time is no whole number of intervals after the row before.
    OffInterval,
    /// Its prices contradict each other.
    Contradiction,
    /// A price or quantity is negative, or zero where it must not be.
    NotPositive,
    /// A column cannot be read, or has another number of decimals than the instrument.
    Unreadable,
}

/// How many bad rows there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BadKinds {
    /// [`BadKind::Duplicate`].
    pub duplicates: u64,
    /// [`BadKind::Disorder`].
    pub disorder: u64,
    /// [`BadKind::OffInterval`].
    pub off_interval: u64,
    /// [`BadKind::Contradiction`].
    pub contradictions: u64,
    /// [`BadKind::NotPositive`].
    pub not_positive: u64,
    /// [`BadKind::Unreadable`].
    pub unreadable: u64,
}

impl BadKinds {
    /// Counts one more.
    pub(crate) const fn add(&mut self, kind: BadKind) {
        let count = match kind {
            BadKind::Duplicate => &mut self.duplicates,
            BadKind::Disorder => &mut self.disorder,
            BadKind::OffInterval => &mut self.off_interval,
            BadKind::Contradiction => &mut self.contradictions,
            BadKind::NotPositive => &mut self.not_positive,
            BadKind::Unreadable => &mut self.unreadable,
        };
        *count += 1;
    }

    /// Adds those of another reading.
    pub(crate) const fn add_all(&mut self, other: &Self) {
        self.duplicates += other.duplicates;
        self.disorder += other.disorder;
        self.off_interval += other.off_interval;
        self.contradictions += other.contradictions;
        self.not_positive += other.not_positive;
        self.unreadable += other.unreadable;
    }
}

/// What happens on a bad row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BadRows {
    /// It is left out, counted and listed in [`Findings`]; the rows before and after it are kept. The default: in years of market data
    /// one damaged row must not stop the stream. When more than 100 rows and more than one in a hundred are bad, the data or what was said
    /// about it is wrong as a whole, and the reading ends with [`HistoryError::TooManyBadRows`]; so it does at the end of a series with more
    /// bad rows than good ones, however few they are.
    #[default]
    Skip,
    /// As [`BadRows::Skip`], and however many they are: who asks for it has seen that. Only a series without any good row is refused.
    SkipAll,
    /// The first one ends the reading with [`HistoryError::BadRow`]: nothing of the series is to be used.
    Refuse,
}

impl BadRows {
    /// How many bad rows are left out before their share counts.
    pub const TOLERATED: u64 = 100;
    /// From then on at most one row in so many may be bad.
    pub const ONE_IN: u64 = 100;
}

/// A stretch without candles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Open time of the first missing candle, in nanoseconds since 1970.
    pub first_missing: domain::UnixNanos,
    /// How many are missing.
    pub candles: u64,
}

/// What reading a series found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Rows that passed.
    pub rows: u64,
    /// Rows that did not.
    pub bad: u64,
    /// The same by what is wrong with them.
    pub bad_kinds: BadKinds,
    /// The first of them, at most [`Findings::LISTED`].
    pub listed: Vec<BadRow>,
    /// Figures that were rounded to the decimals of a `generic` instrument.
    pub rounded: u64,
    /// Stretches without candles.
    pub gaps: u64,
    /// Candles missing in them.
    pub missing: u64,
    /// The first gaps, at most [`Findings::GAPS_LISTED`].
    pub gap_list: Vec<Gap>,
    /// Candles without volume.
    pub zero_volume: u64,
    /// Open time (candles) or time (trades, quotes) of the first row that passed.
    pub first: Option<domain::UnixNanos>,
    /// The same of the last.
    pub last: Option<domain::UnixNanos>,
    /// The same of the last row that was read, one that is outside the range of time that was asked for included.
    pub read_to: Option<domain::UnixNanos>,
}

impl Findings {
    /// How many bad rows are listed.
    pub const LISTED: usize = 20;
    /// How many gaps are listed.
    pub const GAPS_LISTED: usize = 1_000;
}

/// Why historical data cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The operating system refused.
    #[error("{file}: {what}")]
    Io {
        /// The file.
        file: String,
        /// Its message.
        what: String,
    },
    /// The file is damaged, cut off or of another form.
    #[error("{file}: {what}; expected {expected}")]
    Structure {
        /// The file.
        file: String,
        /// What is wrong.
        what: String,
        /// What was expected.
        expected: String,
    },
    /// The file has nothing in it.
    #[error("{file} is empty; expected {expected}")]
    Empty {
        /// The file.
        file: String,
        /// What was expected.
        expected: String,
    },
    /// A column that is needed is not there.
    #[error("{file} has no column {column}; it has {found}")]
    MissingColumn {
        /// The file.
        file: String,
        /// The name, or the names of which one is needed.
        column: String,
        /// The columns it has.
        found: String,
    },
    /// Nothing says what the file holds.
    #[error("{file}: its {missing} is not known: {hint}")]
    Undescribed {
        /// The file.
        file: String,
        /// What is not known: `venue`, `symbol`, `interval`, `time of the first row`.
        missing: &'static str,
        /// How to say it.
        hint: String,
    },
    /// The file says one thing and the options or its own columns another.
    #[error("{file}: {what}")]
    Contradiction {
        /// The file.
        file: String,
        /// What differs.
        what: String,
    },
    /// The rules of the instrument are not known.
    #[error(
        "no instrument data for {symbol} on {venue}; known there: {known}. For a series without any, say --instrument generic:PRICEDEC,QTYDEC"
    )]
    UnknownInstrument {
        /// Its symbol.
        symbol: String,
        /// The venue.
        venue: String,
        /// Symbols known on that venue, or the venues that are known.
        known: String,
    },
    /// No input, or the filters leave none.
    #[error("no data: {0}")]
    Nothing(String),
    /// Two files of one series cover the same time.
    #[error("{second} begins at {begins}, before {first} ends ({ends}): the files of one series must not overlap")]
    Overlap {
        /// The file that comes first.
        first: String,
        /// The one after it.
        second: String,
        /// Time of the second's first row.
        begins: String,
        /// Time of the first's last row.
        ends: String,
    },
    /// Steps of another length than the interval, one after the other: another interval, not gaps.
    #[error(
        "{file}, line {line}: mixed intervals: {times} rows in a row are {step} apart; expected {interval}, the interval of the series"
    )]
    MixedIntervals {
        /// The file.
        file: String,
        /// Where the run of steps was noticed.
        line: u64,
        /// How many.
        times: u32,
        /// Their length.
        step: String,
        /// The interval of the series.
        interval: String,
    },
    /// A bad row under [`BadRows::Refuse`].
    #[error("{0}")]
    BadRow(Box<BadRow>),
    /// So many bad rows that the whole is not to be trusted.
    #[error("{file}: {bad} of {rows} rows are bad, the first: {first}")]
    TooManyBadRows {
        /// The file.
        file: String,
        /// Bad rows so far.
        bad: u64,
        /// All rows so far.
        rows: u64,
        /// The first of them.
        first: Box<BadRow>,
    },
    /// No row passed.
    #[error("{file}: no row can be used, the first: {first}")]
    NoGoodRow {
        /// The file.
        file: String,
        /// The first bad row.
        first: Box<BadRow>,
    },
    /// The instrument's definition was refused.
    #[error("{0}")]
    Instrument(#[from] domain::instrument::InstrumentError),
}

impl HistoryError {
    /// An error of the operating system about a file.
    pub(crate) fn io(file: &str, error: &std::io::Error) -> Self {
        Self::Io { file: file.to_owned(), what: error.to_string() }
    }

    /// A damaged or misshapen file.
    pub(crate) fn structure(file: &str, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self::Structure { file: file.to_owned(), what: what.into(), expected: expected.into() }
    }
}
