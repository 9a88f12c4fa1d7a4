//! Rows of any kind as a few bars that fit a picture.
//!
//! In:  the rows of a series, once, in time order. Out: at most so many bars of one length, each a multiple of the one before it.
//! Figures are for the eye: doubles. Bars that hold a row made by a gap filler say so.

use domain::{BookDelta, MarketFlags, Price, Side, UnixNanos};
use std::collections::BTreeMap;
use store::history::{DataKind, Rows, Series};

/// One bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Where it begins, in seconds since 1970.
    pub ts_s: u64,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Traded quantity; of quotes and books the number of changes.
    pub volume: f64,
    /// Whether a row of it was made by a gap filler.
    pub synthetic: bool,
}

/// Lengths of bars in seconds: of each the next one that is a multiple is the longer one.
const LENGTHS: [u64; 17] = [
    1,
    5,
    15,
    60,
    300,
    900,
    1_800,
    3_600,
    7_200,
    14_400,
    28_800,
    86_400,
    604_800,
    2_419_200,
    9_676_800,
    38_707_200,
    154_828_800,
];

/// Collects bars and makes them longer when they become too many.
pub struct Bars {
    length_s: u64,
    most: usize,
    bars: Vec<Bar>,
    scale: (f64, f64),
    book: Book,
    /// Rows taken in.
    pub rows: u64,
}

impl Bars {
    /// For a series, at most `most` bars.
    #[must_use]
    pub fn new(series: &Series, most: usize) -> Self {
        let scale = |decimals: u8| 1.0 / domain::decimal::POW10_F64[usize::from(decimals.min(18))];
        let scale = (scale(series.listing.price_decimals), scale(series.listing.quantity_decimals));
        let length_s = u64::from(series.interval_s.max(1));
        Self { length_s, most: most.max(1), bars: Vec::new(), scale, book: Book::default(), rows: 0 }
    }

    /// Takes in a chunk.
    pub fn take(&mut self, rows: &Rows) {
        let (price, quantity) = self.scale;
        self.rows += rows.len() as u64;
        match rows {
            Rows::Candles(rows) => {
                for c in rows {
                    let [open, high, low, close] = [c.open, c.high, c.low, c.close].map(|m| m as f64 * price);
                    self.add(c.ts_open, [open, high, low, close], c.volume as f64 * quantity, c.flags);
                }
            }
            Rows::Trades(rows) => {
                for t in rows {
                    self.add(t.ts_event, [t.price as f64 * price; 4], t.quantity as f64 * quantity, t.flags);
                }
            }
            Rows::Quotes(rows) => {
                for q in rows {
                    let middle = (q.bid as f64 + q.ask as f64) / 2.0 * price;
                    self.add(q.ts_event, [middle; 4], 1.0, q.flags);
                }
            }
            Rows::Book(rows) => {
                for d in rows {
                    if let Some(middle) = self.book.take(d) {
                        self.add(d.ts_event, [middle * price; 4], 1.0, d.flags);
                    }
                }
            }
        }
    }

    /// The bars, and their length in seconds.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Bar>, u64) {
        while self.bars.len() > self.most {
            self.lengthen();
        }
        (self.bars, self.length_s)
    }

    fn add(&mut self, ts: UnixNanos, [open, high, low, close]: [f64; 4], volume: f64, flags: MarketFlags) {
        let synthetic = flags.has(MarketFlags::SYNTHETIC);
        let bar = Bar { ts_s: ts.0 / 1_000_000_000, open, high, low, close, volume, synthetic };
        join(&mut self.bars, bar, self.length_s);
        // Four times as many as wanted may wait, so that lengthening costs little.
        if self.bars.len() > 4 * self.most {
            self.lengthen();
        }
    }

    fn lengthen(&mut self) {
        let next = LENGTHS.into_iter().find(|l| *l > self.length_s && l.is_multiple_of(self.length_s));
        self.length_s = next.unwrap_or(self.length_s.saturating_mul(2));
        let mut longer = Vec::with_capacity(self.bars.len() / 2);
        for bar in &self.bars {
            join(&mut longer, *bar, self.length_s);
        }
        self.bars = longer;
    }
}

/// Adds a bar to those of a longer length.
fn join(bars: &mut Vec<Bar>, bar: Bar, length_s: u64) {
    // Weeks begin on Monday: 1970 began on a Thursday.
    let shift = if length_s.is_multiple_of(604_800) { 345_600 } else { 0 };
    let ts_s = bar.ts_s.saturating_sub(shift) / length_s * length_s + shift;
    match bars.last_mut() {
        Some(last) if last.ts_s >= ts_s => {
            last.high = last.high.max(bar.high);
            last.low = last.low.min(bar.low);
            last.close = bar.close;
            last.volume += bar.volume;
            last.synthetic |= bar.synthetic;
        }
        _ => bars.push(Bar { ts_s, ..bar }),
    }
}

/// Levels as they were told, for the middle of the best two.
#[derive(Default)]
struct Book {
    bids: BTreeMap<i64, i64>,
    asks: BTreeMap<i64, i64>,
}

impl Book {
    /// The middle after a change; `None` while a side is not known or the sides cross, as at the begin of a recording.
    fn take(&mut self, delta: &BookDelta) -> Option<f64> {
        let side = match delta.side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if delta.quantity == 0 {
            side.remove(&delta.price);
        } else {
            side.insert(delta.price, delta.quantity);
        }
        let (bid, ask) = (*self.bids.last_key_value()?.0, *self.asks.first_key_value()?.0);
        (bid < ask).then(|| (bid as f64 + ask as f64) / 2.0)
    }
}

/// What the bars of a kind show.
#[must_use]
pub const fn what(kind: DataKind) -> (&'static str, &'static str) {
    match kind {
        DataKind::Candles | DataKind::Trades => ("price", "volume"),
        DataKind::Quotes => ("middle of bid and ask", "changes"),
        DataKind::Book => ("middle of the best levels", "changes"),
    }
}

/// A price with as many decimals as its neighbours on a scale differ in, and no more than it has.
#[must_use]
pub fn price_text(value: f64, step: f64, decimals: u8) -> String {
    let places = if step > 0.0 { (-step.log10()).ceil().clamp(0.0, 12.0) as usize } else { usize::from(decimals) };
    format!("{value:.*}", places.min(usize::from(decimals)))
}

/// An exact price of the series nearest to a value, without zeros at its end.
#[must_use]
pub fn exact_text(value: f64, decimals: u8) -> String {
    let scale = domain::decimal::POW10_F64[usize::from(decimals.min(18))];
    Price::from_mantissa((value * scale).round() as i64, decimals.min(12)).to_string()
}

/// A quantity in few letters: `1.24k`, `35.2M`.
#[must_use]
pub fn short_text(value: f64) -> String {
    let (value, unit) = match value.abs() {
        v if v >= 1e12 => (value / 1e12, "T"),
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let places = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.places$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bars(length_s: u64, most: usize) -> Bars {
        Bars { length_s, most, bars: Vec::new(), scale: (1.0, 1.0), book: Book::default(), rows: 0 }
    }

    proptest! {
        /// Whatever comes: few bars, in order, aligned, with the extremes, ends and sum of what came.
        #[test]
        fn nothing_is_lost_in_longer_bars(
            steps in proptest::collection::vec((1u64..10_000, 1u32..1000), 1..800), most in 1usize..60,
        ) {
            let mut made = bars(60, most);
            let mut ts = 1_600_000_020u64 / 60 * 60;
            let mut all = Vec::new();
            for (step, price) in &steps {
                ts += step * 60;
                let price = f64::from(*price);
                all.push(price);
                made.add(UnixNanos(ts * 1_000_000_000), [price; 4], 1.0, MarketFlags(0));
            }
            let (found, length) = made.finish();
            prop_assert!(!found.is_empty() && found.len() <= most);
            prop_assert!(found.is_sorted_by(|a, b| a.ts_s < b.ts_s));
            prop_assert_eq!(length % 60, 0);
            prop_assert_eq!(found.iter().map(|b| b.volume).sum::<f64>(), all.len() as f64);
            let high = all.iter().copied().fold(0.0, f64::max);
            prop_assert_eq!(found.iter().map(|b| b.high).fold(0.0, f64::max), high);
            prop_assert_eq!((found[0].open, found[found.len() - 1].close), (all[0], all[all.len() - 1]));
        }
    }

    #[test]
    fn a_book_has_a_middle_once_both_sides_are_known() {
        let delta = |side, price, quantity| BookDelta {
            ts_event: UnixNanos(1),
            ts_recv: UnixNanos(1),
            sequence: 0,
            price,
            quantity,
            instrument: domain::InstrumentIdx(0),
            flags: MarketFlags(0),
            side,
        };
        let mut book = Book::default();
        assert_eq!(book.take(&delta(Side::Buy, 10, 1)), None);
        assert_eq!(book.take(&delta(Side::Sell, 12, 1)), Some(11.0));
        assert_eq!(book.take(&delta(Side::Buy, 13, 1)), None, "crossed");
        assert_eq!(book.take(&delta(Side::Buy, 13, 0)), Some(11.0));
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(
            [0.5, 12.34, 999.0, 1_240.0, 35_200_000.0].map(short_text),
            ["0.50", "12.3", "999", "1.24k", "35.2M"]
        );
        assert_eq!(
            [price_text(57_000.0, 500.0, 2), price_text(1.2345, 0.05, 4), price_text(1.5, 0.0001, 2)],
            ["57000", "1.23", "1.50"]
        );
        assert_eq!(exact_text(40_442.950000000004, 2), "40442.95");
    }
}
