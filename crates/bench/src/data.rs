//! Data in memory: seeded candles, trades and quotes, or the same from `.npy` files.

use domain::{Candle, Instrument, InstrumentTable, MarketFlags, Quote, Side, Trade, UnixNanos};
use std::fs;
use std::path::Path;
use testkit::generate::Seeded;

/// The instrument of all benchmarks: two price decimals, three of quantity, no minimum that an order of 0.1 could miss.
pub fn instrument(table: &mut InstrumentTable, symbol: &str) -> Instrument {
    testkit::add_spot(table, symbol, 2, 3)
}

/// `n` one-minute candles.
pub fn candles(npy: Option<&Path>, i: &Instrument, n: usize) -> Result<Vec<Candle>, String> {
    let Some(folder) = npy else { return Ok(testkit::generate::random_walk(i, 42, n as u64, 3_000_000, 2_000)) };
    let mut rows = Vec::with_capacity(n);
    records(&folder.join("bars.npy"), 48, n, |b| {
        let cents = |at: usize| (f64_at(b, at) * 100.0).round() as i64;
        let ts_open = UnixNanos(f64_at(b, 0) as u64 * 1_000_000);
        rows.push(Candle {
            ts_open,
            ts_recv: UnixNanos(ts_open.0 + 60_000_000_000),
            open: cents(8),
            high: cents(16),
            low: cents(24),
            close: cents(32),
            volume: (f64_at(b, 40) * 1000.0).round() as i64,
            interval_s: 60,
            instrument: i.idx,
            flags: MarketFlags::default(),
        });
    })?;
    Ok(rows)
}

/// `n` trades.
pub fn trades(npy: Option<&Path>, i: &Instrument, n: usize) -> Result<Vec<Trade>, String> {
    let mut rows = Vec::with_capacity(n);
    let mut push = |ts: u64, price: i64, quantity: i64, buy: bool| {
        let ts = UnixNanos(ts);
        let aggressor = if buy { Side::Buy } else { Side::Sell };
        let trade_id = rows.len() as u64;
        rows.push(Trade {
            ts_event: ts,
            ts_recv: ts,
            price,
            quantity,
            trade_id,
            instrument: i.idx,
            flags: MarketFlags::default(),
            aggressor,
        });
    };
    match npy {
        Some(folder) => records(&folder.join("trades.npy"), 25, n, |b| {
            push(
                u64_at(b, 0),
                (f64_at(b, 8) * 100.0).round() as i64,
                (f64_at(b, 16) * 1000.0).round() as i64,
                b[24] != 0,
            );
        })?,
        None => {
            let mut random = Seeded::new(43);
            let (mut ts, mut middle) = (testkit::T0.0, 3_000_000i64);
            for _ in 0..n {
                ts += random.within(1, 40_000_000) as u64;
                middle = (middle + 10 * random.within(-1, 1)).max(10_000);
                let buy = random.chance(50);
                push(ts, if buy { middle + 10 } else { middle }, random.within(1, 400), buy);
            }
        }
    }
    Ok(rows)
}

/// `n` quotes.
pub fn quotes(npy: Option<&Path>, i: &Instrument, n: usize) -> Result<Vec<Quote>, String> {
    let mut rows = Vec::with_capacity(n);
    let mut push = |ts: u64, bid: i64, ask: i64, sizes: (i64, i64)| {
        let ts = UnixNanos(ts);
        let (bid_quantity, ask_quantity) = sizes;
        rows.push(Quote {
            ts_event: ts,
            ts_recv: ts,
            bid,
            bid_quantity,
            ask,
            ask_quantity,
            instrument: i.idx,
            flags: MarketFlags::default(),
        });
    };
    match npy {
        Some(folder) => records(&folder.join("quotes.npy"), 40, n, |b| {
            let cents = |at: usize| (f64_at(b, at) * 100.0).round() as i64;
            let size = |at: usize| (f64_at(b, at) * 1000.0).round() as i64;
            push(u64_at(b, 0), cents(8), cents(16), (size(24), size(32)));
        })?,
        None => {
            let mut random = Seeded::new(44);
            let (mut ts, mut middle) = (testkit::T0.0, 3_000_000i64);
            for _ in 0..n {
                ts += random.within(1, 40_000_000) as u64;
                middle = (middle + 10 * random.within(-1, 1)).max(10_000);
                push(ts, middle, middle + 10, (random.within(1, 4_000), random.within(1, 4_000)));
            }
        }
    }
    Ok(rows)
}

/// Calls `each` with the first `n` records of a `.npy` file.
fn records(path: &Path, size: usize, n: usize, mut each: impl FnMut(&[u8])) -> Result<(), String> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let header = bytes.get(8..10).map_or(0, |h| usize::from(u16::from_le_bytes([h[0], h[1]])));
    let rows = bytes.get(10 + header..).ok_or_else(|| format!("{}: cut off", path.display()))?;
    rows.chunks_exact(size).take(n).for_each(&mut each);
    Ok(())
}

fn u64_at(b: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&b[at..at + 8]);
    u64::from_le_bytes(word)
}

fn f64_at(b: &[u8], at: usize) -> f64 {
    f64::from_bits(u64_at(b, at))
}
