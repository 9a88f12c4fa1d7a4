//! Columns of integers: what every format is decoded into before its rows are checked.

use super::column_map::ColumnMap;
use super::error::{BadRow, HistoryError};
use super::rows::DataKind;
use domain::MarketFlags;
use domain::decimal::{DecimalError, FloatPolicy};

/// Rows decoded at a time: columns and records of a chunk (some 230 kB) stay in the second-level cache.
pub(crate) const CHUNK: usize = 2_048;

/// What stands in a column where the value could not be read. No check lets it pass, so the good path needs no flag of its own.
pub(crate) const UNREADABLE: i64 = i64::MIN;

/// What a column means and at which decimals it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Price,
    Quantity,
    /// 0 buy, 1 sell.
    Side,
    /// A number of the venue; absent columns are 0.
    Id,
}

/// A column that a kind of data needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Names it may have, lower case, the preferred first.
    pub names: &'static [&'static str],
    pub meaning: Meaning,
}

const fn field(names: &'static [&'static str], meaning: Meaning) -> Field {
    Field { names, meaning }
}

const CANDLE_FIELDS: [Field; 5] = [
    field(&["open", "o"], Meaning::Price),
    field(&["high", "h"], Meaning::Price),
    field(&["low", "l"], Meaning::Price),
    field(&["close", "c"], Meaning::Price),
    field(&["volume", "vol", "v"], Meaning::Quantity),
];
const TRADE_FIELDS: [Field; 4] = [
    field(&["price"], Meaning::Price),
    field(&["quantity", "qty", "size", "amount"], Meaning::Quantity),
    field(&["side", "is_buyer_maker", "isbuyermaker"], Meaning::Side),
    field(&["trade_id", "id", "agg_trade_id"], Meaning::Id),
];
const QUOTE_FIELDS: [Field; 4] = [
    field(&["bid", "bid_price", "best_bid_price"], Meaning::Price),
    field(&["bid_quantity", "bid_qty", "bid_size", "best_bid_qty"], Meaning::Quantity),
    field(&["ask", "ask_price", "best_ask_price"], Meaning::Price),
    field(&["ask_quantity", "ask_qty", "ask_size", "best_ask_qty"], Meaning::Quantity),
];

const BOOK_FIELDS: [Field; 4] = [
    field(&["price", "level_price"], Meaning::Price),
    field(&["quantity", "qty", "size", "amount"], Meaning::Quantity),
    field(&["side"], Meaning::Side),
    field(&["sequence", "update_id", "final_update_id", "last_update_id", "seq"], Meaning::Id),
];

/// The columns of a kind besides its time, in the order of [`Columns::values`].
pub(crate) const fn fields(kind: DataKind) -> &'static [Field] {
    match kind {
        DataKind::Candles => &CANDLE_FIELDS,
        DataKind::Trades => &TRADE_FIELDS,
        DataKind::Quotes => &QUOTE_FIELDS,
        DataKind::Book => &BOOK_FIELDS,
    }
}

/// The kind whose needed columns are all among `names` (lower case); `said` is what the file's name or the user says it is.
///
/// Trades and changes of a book have the same columns: without a word from outside it is a book only where updates are numbered.
pub(crate) fn kind_of(names: &[String], said: Option<DataKind>) -> Option<DataKind> {
    let has = |f: &Field| f.names.iter().any(|n| names.iter().any(|have| have == n));
    let complete = |kind: &DataKind| fields(*kind).iter().filter(|f| f.meaning != Meaning::Id).all(has);
    let numbered = |kind: DataKind| fields(kind).iter().any(|f| f.meaning == Meaning::Id && has(f));
    if let Some(kind) = said.filter(complete) {
        return Some(kind);
    }
    let book = [DataKind::Book].into_iter().filter(|kind| numbered(*kind) && !numbered(DataKind::Trades));
    [DataKind::Quotes, DataKind::Candles].into_iter().chain(book).chain([DataKind::Trades]).find(complete)
}

/// Names of a time column, lower case, with nanoseconds per unit; 0 where the magnitude tells.
pub(crate) const TIME_NAMES: [(&str, i64); 14] = [
    ("ts_ns", 1),
    ("ts_us", 1_000),
    ("ts_ms", 1_000_000),
    ("ts_s", 1_000_000_000),
    ("ts_event", 1),
    ("open_time", 0),
    ("timestamp", 0),
    ("time", 0),
    ("ts", 0),
    ("datetime", 0),
    ("date", 0),
    ("transact_time", 0),
    ("opentime", 0),
    ("event_time", 0),
];

/// Nanoseconds per unit of a stamp whose unit is not said. Seconds, milliseconds, microseconds and nanoseconds between the years 1973 and
/// 2286 differ in their number of digits, so the magnitude of one stamp tells.
pub(crate) const fn unit_by_magnitude(stamp: i64) -> Option<i64> {
    match stamp {
        100_000_000..=9_999_999_999 => Some(1_000_000_000),
        100_000_000_000..=9_999_999_999_999 => Some(1_000_000),
        100_000_000_000_000..=9_999_999_999_999_999 => Some(1_000),
        100_000_000_000_000_000..=9_223_372_036_854_775_807 => Some(1),
        _ => None,
    }
}

/// How numbers of a file become mantissas.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub kind: DataKind,
    pub price_decimals: u8,
    pub quantity_decimals: u8,
    pub policy: FloatPolicy,
    /// Nanoseconds of a candle; 0 for trades and quotes.
    pub interval_ns: i64,
    /// Time of the first row where the file has no times.
    pub start_ns: Option<i64>,
    /// What the user says about the names of columns.
    pub map: ColumnMap,
}

impl Spec {
    /// Decimals at which a column is kept.
    pub const fn decimals(&self, meaning: Meaning) -> u8 {
        match meaning {
            Meaning::Price => self.price_decimals,
            Meaning::Quantity => self.quantity_decimals,
            Meaning::Side | Meaning::Id => 0,
        }
    }
}

/// Numbers of the rows of a chunk in their file.
#[derive(Debug)]
pub(crate) enum Lines {
    /// Counted on from this one.
    From(u64),
    /// One for each.
    Each(Vec<u64>),
}

/// A chunk of decoded rows, as columns.
#[derive(Debug)]
pub(crate) struct Columns {
    /// Nanoseconds since 1970.
    pub ts: Vec<i64>,
    /// As [`fields`] orders them; only as many are filled as the kind has.
    pub values: [Vec<i64>; 5],
    /// What is special about each row; empty where nothing is.
    pub flags: Vec<i64>,
    pub lines: Lines,
    /// Rows that could not be decoded, by position in the chunk, in rising order after [`Columns::settle`].
    pub bad: Vec<(usize, BadRow)>,
    /// Figures that lost digits under [`FloatPolicy::Round`].
    pub rounded: u64,
}

impl Columns {
    pub fn new() -> Self {
        Self {
            ts: Vec::with_capacity(CHUNK),
            values: Default::default(),
            flags: Vec::new(),
            lines: Lines::From(1),
            bad: Vec::new(),
            rounded: 0,
        }
    }

    pub fn clear(&mut self) {
        self.ts.clear();
        self.values.iter_mut().for_each(Vec::clear);
        self.flags.clear();
        self.bad.clear();
        self.rounded = 0;
        if let Lines::Each(lines) = &mut self.lines {
            lines.clear();
        }
    }

    /// The number of a row in its file.
    pub fn line(&self, at: usize) -> u64 {
        match &self.lines {
            Lines::From(first) => first + at as u64,
            Lines::Each(lines) => lines.get(at).copied().unwrap_or(0),
        }
    }

    /// What is special about a row.
    pub fn flags(&self, at: usize) -> MarketFlags {
        MarketFlags(self.flags.get(at).map_or(0, |f| *f as u16))
    }

    /// Orders the bad rows by position and keeps the first finding of each.
    pub fn settle(&mut self) {
        if self.bad.len() > 1 {
            self.bad.sort_by_key(|(at, _)| *at);
            self.bad.dedup_by_key(|(at, _)| *at);
        }
    }
}

/// A format's decoder: fills the columns with the next rows.
pub(crate) trait Decode: Send {
    /// The next rows, at most [`CHUNK`]; `false` when there are no more. `out` is cleared by the caller.
    fn fill(&mut self, out: &mut Columns) -> Result<bool, HistoryError>;
}

/// What was expected of a number that is not one.
pub(crate) fn expected(error: &DecimalError) -> String {
    match error {
        DecimalError::NotFinite => "a finite number".into(),
        DecimalError::Syntax(_) => "a plain decimal number such as 12.5".into(),
        DecimalError::OutOfRange(_) => "a number whose mantissa fits 64 bits".into(),
        DecimalError::TooManyDecimals { allowed, .. } | DecimalError::Residue { allowed, .. } => {
            format!("at most {allowed} decimals, as the instrument has")
        }
    }
}

/// An instant as text, for messages.
pub(crate) fn time_text(ns: i64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ns)).map_or_else(|_| format!("{ns} ns"), |t| t.to_string())
}
