//! Market data records: candles, trades, quotes and book levels of one instrument on one venue.
//!
//! Prices and quantities are `i64` mantissas at the instrument's fixed decimals. Each record is at most 64 bytes, one cache line.

use crate::instrument::InstrumentIdx;
use crate::order::Side;
use crate::time::{Nanos, UnixNanos};

/// What is special about a market record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketFlags(pub u16);

impl MarketFlags {
    /// History that warms indicators up; nothing may be traded on it.
    pub const WARMUP: Self = Self(1);
    /// Made by a gap filler; never traded on as real.
    pub const SYNTHETIC: Self = Self(2);

    /// Whether all flags of `other` are set.
    #[must_use]
    #[inline]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both sets of flags.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Open, high, low, close and volume of one interval. Known at its close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Candle {
    /// When the interval began, on the venue's clock.
    pub ts_open: UnixNanos,
    /// When it reached us; in stored data the close of the interval.
    pub ts_recv: UnixNanos,
    /// First price, a mantissa.
    pub open: i64,
    /// Highest price, a mantissa.
    pub high: i64,
    /// Lowest price, a mantissa.
    pub low: i64,
    /// Last price, a mantissa.
    pub close: i64,
    /// Traded quantity, a mantissa at the quantity decimals.
    pub volume: i64,
    /// Length of the interval in seconds.
    pub interval_s: u32,
    /// Which instrument.
    pub instrument: InstrumentIdx,
    /// What is special about it.
    pub flags: MarketFlags,
}

impl Candle {
    /// When the interval ends and the candle is known: its `ts_event`.
    #[must_use]
    #[inline]
    pub const fn ts_close(&self) -> UnixNanos {
        self.ts_open.saturating_add(Nanos::from_secs(self.interval_s as u64))
    }
}

/// One trade printed by the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Trade {
    /// Time of the trade on the venue's clock.
    pub ts_event: UnixNanos,
    /// When it reached us.
    pub ts_recv: UnixNanos,
    /// Price, a mantissa.
    pub price: i64,
    /// Quantity, a mantissa at the quantity decimals.
    pub quantity: i64,
    /// The venue's number of the trade; 0 where there is none.
    pub trade_id: u64,
    /// Which instrument.
    pub instrument: InstrumentIdx,
    /// What is special about it.
    pub flags: MarketFlags,
    /// Side of the order that took liquidity.
    pub aggressor: Side,
}

/// Best bid and ask with their quantities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Quote {
    /// Time of the change on the venue's clock.
    pub ts_event: UnixNanos,
    /// When it reached us.
    pub ts_recv: UnixNanos,
    /// Best bid, a mantissa.
    pub bid: i64,
    /// Quantity at the best bid, a mantissa at the quantity decimals.
    pub bid_quantity: i64,
    /// Best ask, a mantissa.
    pub ask: i64,
    /// Quantity at the best ask, a mantissa at the quantity decimals.
    pub ask_quantity: i64,
    /// Which instrument.
    pub instrument: InstrumentIdx,
    /// What is special about it.
    pub flags: MarketFlags,
}

/// A new total quantity at one price level of a book; zero takes the level away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct BookDelta {
    /// Time of the change on the venue's clock.
    pub ts_event: UnixNanos,
    /// When it reached us.
    pub ts_recv: UnixNanos,
    /// The venue's update number.
    pub sequence: u64,
    /// Price of the level, a mantissa.
    pub price: i64,
    /// New total quantity, a mantissa at the quantity decimals.
    pub quantity: i64,
    /// Which instrument.
    pub instrument: InstrumentIdx,
    /// What is special about it.
    pub flags: MarketFlags,
    /// Buy for the bid side, sell for the ask side.
    pub side: Side,
}

const _: () = assert!(size_of::<Candle>() <= 64);
const _: () = assert!(size_of::<Trade>() <= 64);
const _: () = assert!(size_of::<Quote>() <= 64);
const _: () = assert!(size_of::<BookDelta>() <= 64);
