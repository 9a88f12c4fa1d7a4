//! Seeded random numbers and candles.

use crate::candle;
use domain::{Candle, Instrument};

/// SplitMix64: a small seeded generator with good enough bits for test data.
///
/// Source: Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
#[derive(Clone, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// From a seed, which belongs in the message of every failure.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number of `low..=high`.
    pub fn within(&mut self, low: i64, high: i64) -> i64 {
        let span = high.abs_diff(low) + 1;
        low + ((u128::from(self.bits()) * u128::from(span)) >> 64) as i64
    }

    /// True with probability `percent` in a hundred.
    pub fn chance(&mut self, percent: i64) -> bool {
        self.within(0, 99) < percent
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.within(0, items.len() as i64 - 1) as usize]
    }
}

/// `n` one-minute candles of a random walk that starts at mantissa `start` with steps of up to `step`, never below 100.
#[must_use]
pub fn random_walk(instrument: &Instrument, seed: u64, n: u64, start: i64, step: i64) -> Vec<Candle> {
    let mut random = Seeded::new(seed);
    let mut last = start;
    (0..n)
        .map(|minute| {
            let open = last;
            let close = (open + random.within(-step, step)).max(100);
            let high = open.max(close) + random.within(0, step);
            let low = (open.min(close) - random.within(0, step)).max(50);
            last = close;
            candle(instrument, minute, [open, high, low, close], random.within(0, 2_000_000))
        })
        .collect()
}
