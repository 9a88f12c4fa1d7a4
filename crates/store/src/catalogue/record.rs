//! What the four kinds of record have in common where they are merged.

use crate::history::{
    DataKind, HistoryError, Listing, Rows, Written, write_book, write_candles, write_quotes, write_trades,
};
use domain::{BookDelta, Candle, InstrumentIdx, MarketFlags, Price, Quote, Trade};
use std::path::Path;

/// What makes a record the same one as another of its time.
pub(super) type Id = [i64; 3];
/// All figures of a record besides its time.
pub(super) type Content = [i64; 6];

/// A record of a catalogue. While it waits to be written its instrument is the number of the file it came from.
pub(super) trait Record: Copy + 'static {
    const KIND: DataKind;
    /// Whether a number belongs to one record only, at one time.
    const NUMBERED: bool = false;
    /// The records in a chunk of this kind.
    fn of(rows: &Rows) -> &[Self];
    /// Its time: open of a candle.
    fn ts(&self) -> u64;
    /// What it is known by among those of its time. `None`: only by all of its figures, and two may be alike.
    fn id(&self) -> Option<Id>;
    /// A number that rises over the whole stream, where its venue gives one: 0 elsewhere.
    fn number(&self) -> u64;
    fn content(&self) -> Content;
    /// Which file it came from.
    fn file(&self) -> u16;
    fn flags(&self) -> MarketFlags;
    /// Its figures in words.
    fn show(&self, listing: &Listing) -> String;
    fn write(
        path: &Path,
        listing: &Listing,
        interval_s: u32,
        rows: impl Iterator<Item = Result<Self, HistoryError>>,
    ) -> Result<Written, HistoryError>;
}

fn price(mantissa: i64, listing: &Listing) -> Price {
    Price::from_mantissa(mantissa, listing.price_decimals)
}

fn quantity(mantissa: i64, listing: &Listing) -> Price {
    Price::from_mantissa(mantissa, listing.quantity_decimals)
}

const fn number(idx: InstrumentIdx) -> u16 {
    idx.0
}

impl Record for Candle {
    const KIND: DataKind = DataKind::Candles;
    fn of(rows: &Rows) -> &[Self] {
        rows.candles().unwrap_or_default()
    }
    #[inline]
    fn ts(&self) -> u64 {
        self.ts_open.0
    }
    #[inline]
    fn id(&self) -> Option<Id> {
        Some([0; 3])
    }
    fn number(&self) -> u64 {
        0
    }
    #[inline]
    fn content(&self) -> Content {
        [self.open, self.high, self.low, self.close, self.volume, i64::from(self.flags.0)]
    }
    fn file(&self) -> u16 {
        number(self.instrument)
    }
    fn flags(&self) -> MarketFlags {
        self.flags
    }
    fn show(&self, listing: &Listing) -> String {
        let [open, high, low, close] = [self.open, self.high, self.low, self.close].map(|m| price(m, listing));
        format!("{open} {high} {low} {close} volume {}", quantity(self.volume, listing))
    }
    fn write(
        path: &Path,
        listing: &Listing,
        interval_s: u32,
        rows: impl Iterator<Item = Result<Self, HistoryError>>,
    ) -> Result<Written, HistoryError> {
        write_candles(path, listing, interval_s, rows)
    }
}

impl Record for Trade {
    const KIND: DataKind = DataKind::Trades;
    const NUMBERED: bool = true;
    fn of(rows: &Rows) -> &[Self] {
        rows.trades().unwrap_or_default()
    }
    #[inline]
    fn ts(&self) -> u64 {
        self.ts_event.0
    }
    fn id(&self) -> Option<Id> {
        (self.trade_id != 0).then_some([self.trade_id as i64, 0, 0])
    }
    fn number(&self) -> u64 {
        self.trade_id
    }
    fn content(&self) -> Content {
        let side = self.aggressor as i64;
        [self.price, self.quantity, side, self.trade_id as i64, i64::from(self.flags.0), 0]
    }
    fn file(&self) -> u16 {
        number(self.instrument)
    }
    fn flags(&self) -> MarketFlags {
        self.flags
    }
    fn show(&self, listing: &Listing) -> String {
        let (price, quantity) = (price(self.price, listing), quantity(self.quantity, listing));
        format!("{:?} {quantity} at {price}, id {}", self.aggressor, self.trade_id)
    }
    fn write(
        path: &Path,
        listing: &Listing,
        _interval_s: u32,
        rows: impl Iterator<Item = Result<Self, HistoryError>>,
    ) -> Result<Written, HistoryError> {
        write_trades(path, listing, rows)
    }
}

impl Record for Quote {
    const KIND: DataKind = DataKind::Quotes;
    fn of(rows: &Rows) -> &[Self] {
        rows.quotes().unwrap_or_default()
    }
    #[inline]
    fn ts(&self) -> u64 {
        self.ts_event.0
    }
    fn id(&self) -> Option<Id> {
        None
    }
    fn number(&self) -> u64 {
        0
    }
    fn content(&self) -> Content {
        [self.bid, self.bid_quantity, self.ask, self.ask_quantity, i64::from(self.flags.0), 0]
    }
    fn file(&self) -> u16 {
        number(self.instrument)
    }
    fn flags(&self) -> MarketFlags {
        self.flags
    }
    fn show(&self, listing: &Listing) -> String {
        let (bid, ask) = (price(self.bid, listing), price(self.ask, listing));
        format!(
            "bid {bid} x {}, ask {ask} x {}",
            quantity(self.bid_quantity, listing),
            quantity(self.ask_quantity, listing)
        )
    }
    fn write(
        path: &Path,
        listing: &Listing,
        _interval_s: u32,
        rows: impl Iterator<Item = Result<Self, HistoryError>>,
    ) -> Result<Written, HistoryError> {
        write_quotes(path, listing, rows)
    }
}

impl Record for BookDelta {
    const KIND: DataKind = DataKind::Book;
    fn of(rows: &Rows) -> &[Self] {
        rows.book().unwrap_or_default()
    }
    #[inline]
    fn ts(&self) -> u64 {
        self.ts_event.0
    }
    fn id(&self) -> Option<Id> {
        (self.sequence != 0).then_some([self.sequence as i64, self.price, self.side as i64])
    }
    fn number(&self) -> u64 {
        self.sequence
    }
    fn content(&self) -> Content {
        [self.price, self.quantity, self.side as i64, self.sequence as i64, i64::from(self.flags.0), 0]
    }
    fn file(&self) -> u16 {
        number(self.instrument)
    }
    fn flags(&self) -> MarketFlags {
        self.flags
    }
    fn show(&self, listing: &Listing) -> String {
        let (price, quantity) = (price(self.price, listing), quantity(self.quantity, listing));
        format!("{:?} level {price} is {quantity}, update {}", self.side, self.sequence)
    }
    fn write(
        path: &Path,
        listing: &Listing,
        _interval_s: u32,
        rows: impl Iterator<Item = Result<Self, HistoryError>>,
    ) -> Result<Written, HistoryError> {
        write_book(path, listing, rows)
    }
}
