//! Market data records: candles, trades, quotes and book levels of one instrument on one venue.
//!
//! Prices and quantities are `i64` mantissas at the instrument's fixed decimals. Each record is at most 64 bytes, one cache line.

use crate::instrument::InstrumentIdx;
use crate::order::Side;
use crate::time::{Nanos, UnixNanos};

/// Odd multipliers that keep the fields of a record apart in its fingerprint (fractions of square roots of primes).
const KEYS: [u64; 8] = [
    0x9E37_79B9_7F4A_7C15,
    0xBB67_AE85_84CA_A73B,
    0x3C6E_F372_FE94_F82B,
    0xA54F_F53A_5F1D_36F1,
    0x510E_527F_ADE6_82D1,
    0x9B05_688C_2B3E_6C1F,
    0x1F83_D9AB_FB41_BD6B,
    0x5BE0_CD19_137E_2179,
];

/// One word that depends on every field. The products do not wait for each other, so it costs the digest of a run only one word.
#[inline]
const fn fingerprint(fields: [u64; 8]) -> u64 {
    let mut sum = 0u64;
    let mut at = 0;
    while at < 8 {
        sum = sum.wrapping_add(fields[at].wrapping_mul(KEYS[at]));
        at += 1;
    }
    sum
}

/// What is special about a market record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarketFlags(pub u16);

impl MarketFlags {
    /// History that warms indicators up; nothing may be traded on it.
    pub const WARMUP: Self = Self(1);
    /// Made by a gap filler; never traded on as real.
    pub const SYNTHETIC: Self = Self(2);
    /// Of a book level: part of a snapshot. The first one takes away what the book held before.
    pub const BOOK_SNAPSHOT: Self = Self(4);
    /// Of a book level: the last one of its snapshot or update.
    pub const BOOK_LAST: Self = Self(8);

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

    /// One word of all that it says, for digests. When it reached us is not in it.
    #[must_use]
    #[inline]
    pub const fn fingerprint(&self) -> u64 {
        let small = self.interval_s as u64 | (self.instrument.0 as u64) << 32 | (self.flags.0 as u64) << 48;
        let (open, high, low) = (self.open as u64, self.high as u64, self.low as u64);
        fingerprint([self.ts_open.0, open, high, low, self.close as u64, self.volume as u64, small, 0])
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

impl Trade {
    /// One word of all that it says, for digests. When it reached us is not in it.
    #[must_use]
    #[inline]
    pub const fn fingerprint(&self) -> u64 {
        let small = self.instrument.0 as u64 | (self.flags.0 as u64) << 16 | (self.aggressor as u64) << 32;
        fingerprint([self.ts_event.0, self.price as u64, self.quantity as u64, self.trade_id, small, 0, 0, 0])
    }
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

impl Quote {
    /// One word of all that it says, for digests. When it reached us is not in it.
    #[must_use]
    #[inline]
    pub const fn fingerprint(&self) -> u64 {
        let small = self.instrument.0 as u64 | (self.flags.0 as u64) << 16;
        let (bids, asks) = (self.bid_quantity as u64, self.ask_quantity as u64);
        fingerprint([self.ts_event.0, self.bid as u64, bids, self.ask as u64, asks, small, 0, 0])
    }
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

impl BookDelta {
    /// One word of all that it says, for digests. When it reached us is not in it.
    #[must_use]
    #[inline]
    pub const fn fingerprint(&self) -> u64 {
        let small = self.instrument.0 as u64 | (self.flags.0 as u64) << 16 | (self.side as u64) << 32;
        fingerprint([self.ts_event.0, self.sequence, self.price as u64, self.quantity as u64, small, 0, 0, 0])
    }
}

const _: () = assert!(size_of::<Candle>() <= 64);
const _: () = assert!(size_of::<Trade>() <= 64);
const _: () = assert!(size_of::<Quote>() <= 64);
const _: () = assert!(size_of::<BookDelta>() <= 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_candle_counts_in_its_fingerprint() {
        let base = Candle {
            ts_open: UnixNanos(60),
            ts_recv: UnixNanos(120),
            open: 10,
            high: 12,
            low: 9,
            close: 11,
            volume: 5,
            interval_s: 60,
            instrument: InstrumentIdx(0),
            flags: MarketFlags::default(),
        };
        let others = [
            Candle { ts_open: UnixNanos(61), ..base },
            Candle { open: 11, ..base },
            Candle { high: 13, ..base },
            Candle { low: 8, ..base },
            Candle { close: 10, ..base },
            Candle { volume: 6, ..base },
            Candle { interval_s: 61, ..base },
            Candle { instrument: InstrumentIdx(1), ..base },
            Candle { flags: MarketFlags::WARMUP, ..base },
            Candle { open: 12, high: 10, ..base },
        ];
        for other in others {
            assert_ne!(other.fingerprint(), base.fingerprint(), "{other:?}");
        }
        assert_eq!(Candle { ts_recv: UnixNanos(0), ..base }.fingerprint(), base.fingerprint());
    }
}
