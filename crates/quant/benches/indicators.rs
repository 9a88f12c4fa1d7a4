//! Time per update of the indicators on the hot path. `cargo bench -p quant`

#![allow(clippy::disallowed_types, clippy::disallowed_macros, clippy::unwrap_used, missing_docs)]

use quant::indicator::{Atr, Bar, Donchian, Ema, Hma, Indicator, Kama, Mama, Sma, Trima, Wma};
use quant::stats::{DrawdownTracker, RollingCorrelation};
use std::hint::black_box;
use std::time::Instant;

const COUNT: usize = 1_000_000;
const ROUNDS: usize = 7;

/// Best of a few rounds, in nanoseconds per update.
fn measure<T: Copy>(name: &str, inputs: &[T], mut update: impl FnMut(T)) {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        inputs.iter().for_each(|&x| update(x));
        best = best.min(start.elapsed().as_secs_f64() / inputs.len() as f64 * 1e9);
    }
    println!("{name:<24} {best:6.2} ns");
}

fn indicator<I: Indicator>(name: &str, mut indicator: I, inputs: &[I::Input]) {
    measure(name, inputs, |x| {
        black_box(indicator.update(x));
    });
}

fn main() {
    let price = |t: usize| 60_000.0 + (t.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50) as f64 / 3.0;
    let prices: Vec<f64> = (0..COUNT).map(price).collect();
    let bars: Vec<Bar> = prices
        .iter()
        .map(|&close| Bar { open: close, high: close + 20.0, low: close - 20.0, close, volume: 1.0 })
        .collect();
    indicator("ema 20", Ema::new(20).unwrap(), &prices);
    indicator("sma 20", Sma::new(20).unwrap(), &prices);
    indicator("sma 200", Sma::new(200).unwrap(), &prices);
    indicator("wma 50", Wma::new(50).unwrap(), &prices);
    indicator("trima 50", Trima::new(50).unwrap(), &prices);
    indicator("hma 50", Hma::new(50).unwrap(), &prices);
    indicator("kama 30", Kama::new(30).unwrap(), &prices);
    indicator("mama", Mama::new(0.5, 0.05).unwrap(), &prices);
    indicator("atr 14", Atr::new(14).unwrap(), &bars);
    indicator("donchian 20", Donchian::new(20).unwrap(), &bars);
    indicator("donchian 200", Donchian::new(200).unwrap(), &bars);
    let mut tracker = DrawdownTracker::new();
    measure("drawdown", &prices, |x| {
        black_box(tracker.update(x));
    });
    let mut rolling = RollingCorrelation::new(100, 80).unwrap();
    measure("correlation 100", &prices[..COUNT / 100], |x| {
        rolling.push(x, x * x);
        black_box(rolling.correlation());
    });
}
