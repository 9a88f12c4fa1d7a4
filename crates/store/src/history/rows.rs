//! Chunks of market records, one kind at a time, and the lengths of candles.

use domain::{BookDelta, Candle, Quote, Trade, UnixNanos};

/// What a series is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataKind {
    /// Open, high, low, close, volume per interval.
    Candles,
    /// Trades, in the order the venue printed them.
    Trades,
    /// Best bid and ask.
    Quotes,
    /// Changes of the levels of an order book.
    Book,
}

impl DataKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Candles, Self::Trades, Self::Quotes, Self::Book];

    /// Its name: `candles`, `trades`, `quotes`, `book`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Candles => "candles",
            Self::Trades => "trades",
            Self::Quotes => "quotes",
            Self::Book => "book",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One market record where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row<'a> {
    /// A candle, known at its close.
    Candle(&'a Candle),
    /// A trade.
    Trade(&'a Trade),
    /// A quote.
    Quote(&'a Quote),
    /// A change of one level of the book.
    Book(&'a BookDelta),
}

impl Row<'_> {
    /// When it is known: close of a candle, time of a trade, quote or change of the book.
    #[must_use]
    #[inline]
    pub const fn ts(&self) -> UnixNanos {
        match self {
            Self::Candle(candle) => candle.ts_close(),
            Self::Trade(trade) => trade.ts_event,
            Self::Quote(quote) => quote.ts_event,
            Self::Book(delta) => delta.ts_event,
        }
    }
}

/// Records of one kind in a buffer that is filled again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Candles.
    Candles(Vec<Candle>),
    /// Trades.
    Trades(Vec<Trade>),
    /// Quotes.
    Quotes(Vec<Quote>),
    /// Changes of book levels.
    Book(Vec<BookDelta>),
}

impl Rows {
    /// An empty buffer for that kind.
    #[must_use]
    pub const fn new(kind: DataKind) -> Self {
        match kind {
            DataKind::Candles => Self::Candles(Vec::new()),
            DataKind::Trades => Self::Trades(Vec::new()),
            DataKind::Quotes => Self::Quotes(Vec::new()),
            DataKind::Book => Self::Book(Vec::new()),
        }
    }

    /// The kind of its records.
    #[must_use]
    pub const fn kind(&self) -> DataKind {
        match self {
            Self::Candles(_) => DataKind::Candles,
            Self::Trades(_) => DataKind::Trades,
            Self::Quotes(_) => DataKind::Quotes,
            Self::Book(_) => DataKind::Book,
        }
    }

    /// How many records it holds.
    #[must_use]
    #[inline]
    pub const fn len(&self) -> usize {
        match self {
            Self::Candles(rows) => rows.len(),
            Self::Trades(rows) => rows.len(),
            Self::Quotes(rows) => rows.len(),
            Self::Book(rows) => rows.len(),
        }
    }

    /// Whether it holds none.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        match self {
            Self::Candles(rows) => rows.clear(),
            Self::Trades(rows) => rows.clear(),
            Self::Quotes(rows) => rows.clear(),
            Self::Book(rows) => rows.clear(),
        }
    }

    /// The record at a position.
    #[must_use]
    #[inline]
    pub fn get(&self, at: usize) -> Option<Row<'_>> {
        match self {
            Self::Candles(rows) => rows.get(at).map(Row::Candle),
            Self::Trades(rows) => rows.get(at).map(Row::Trade),
            Self::Quotes(rows) => rows.get(at).map(Row::Quote),
            Self::Book(rows) => rows.get(at).map(Row::Book),
        }
    }

    /// The candles, if that is what it holds.
    #[must_use]
    pub fn candles(&self) -> Option<&[Candle]> {
        if let Self::Candles(rows) = self { Some(rows) } else { None }
    }

    /// The trades, if that is what it holds.
    #[must_use]
    pub fn trades(&self) -> Option<&[Trade]> {
        if let Self::Trades(rows) = self { Some(rows) } else { None }
    }

    /// The quotes, if that is what it holds.
    #[must_use]
    pub fn quotes(&self) -> Option<&[Quote]> {
        if let Self::Quotes(rows) = self { Some(rows) } else { None }
    }

    /// The changes of book levels, if that is what it holds.
    #[must_use]
    pub fn book(&self) -> Option<&[BookDelta]> {
        if let Self::Book(rows) = self { Some(rows) } else { None }
    }
}

/// Reads the length of a candle: `30s`, `1m`, `4h`, `1d`, `1w`. In seconds. Months have no fixed length and are not taken.
#[must_use]
pub fn parse_interval(text: &str) -> Option<u32> {
    let unit = text.chars().last()?;
    let number: u32 = text.strip_suffix(unit)?.parse().ok().filter(|n| *n > 0)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 604_800,
        _ => return None,
    };
    number.checked_mul(seconds)
}

/// Writes the length of a candle, given in seconds, in the largest unit that divides it.
#[must_use]
pub fn interval_text(seconds: u32) -> String {
    match seconds {
        0 => "0s".to_owned(),
        s if s % 604_800 == 0 => format!("{}w", s / 604_800),
        s if s % 86_400 == 0 => format!("{}d", s / 86_400),
        s if s % 3_600 == 0 => format!("{}h", s / 3_600),
        s if s % 60 == 0 => format!("{}m", s / 60),
        s => format!("{s}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_candles_are_read_and_written() {
        for text in ["1s", "1m", "15m", "4h", "1d", "1w", "90m"] {
            let seconds = parse_interval(text).unwrap();
            assert_eq!(parse_interval(&interval_text(seconds)), Some(seconds), "{text}");
        }
        assert_eq!(interval_text(14_400), "4h");
        for text in ["", "m", "0m", "1M", "-1m", "1", "x1m", "99999999w", "1µ"] {
            assert_eq!(parse_interval(text), None, "{text}");
        }
    }
}
