//! Laws of every indicator: batch equals streaming bit for bit, exact lookback, no look-ahead, snapshots continue.

use proptest::prelude::*;
use quant::catalogue::{self, Params, Value};
use quant::indicator::{
    Atr, Bar, Dema, Donchian, Ema, Hma, Indicator, Kama, Mama, Natr, Rma, Sma, T3, Tema, Trima, TrueRange, Wma,
};
use quant::state::Reader;

/// Bits of every output, so that equality is of bits and not of numbers.
fn bits<O: quant::indicator::Output>(answers: &[Option<O>]) -> Vec<Option<Vec<u64>>> {
    let all = |o: &O| {
        let mut bits = Vec::new();
        o.for_each(&mut |v| bits.push(v.to_bits()));
        bits
    };
    answers.iter().map(|o| o.as_ref().map(all)).collect()
}

/// `cut` lies inside the series; `other` replaces the input there.
fn laws<I: Indicator>(fresh: &I, inputs: &[I::Input], cut: usize, other: I::Input) {
    let streamed: Vec<_> = {
        let mut indicator = fresh.clone();
        inputs.iter().map(|&x| indicator.update(x)).collect()
    };
    let batch = fresh.clone().batch(inputs);
    assert_eq!(bits(&batch), bits(&streamed), "batch and streaming differ: {fresh:?}");

    for (t, answer) in streamed.iter().enumerate() {
        assert_eq!(answer.is_some(), t >= fresh.lookback(), "lookback {} at {t}: {fresh:?}", fresh.lookback());
    }

    let mut changed = inputs.to_vec();
    changed[cut] = other;
    let after_change = fresh.clone().batch(&changed);
    assert_eq!(bits(&after_change[..cut]), bits(&streamed[..cut]), "an answer saw the future: {fresh:?}");

    let mut first = fresh.clone();
    first.batch(&inputs[..cut]);
    let mut saved = Vec::new();
    first.save(&mut saved);
    let mut second = fresh.clone();
    second.batch(&changed);
    let mut reader = Reader::new(&saved);
    second.load(&mut reader).unwrap();
    reader.finish().unwrap();
    assert_eq!(bits(&second.batch(&inputs[cut..])), bits(&streamed[cut..]), "a snapshot went on otherwise: {fresh:?}");
    for end in 0..saved.len() {
        assert!(second.load(&mut Reader::new(&saved[..end])).is_err(), "a snapshot cut at {end} was taken");
    }

    second.reset();
    assert_eq!(bits(&second.batch(inputs)), bits(&streamed), "reset left something: {fresh:?}");
}

fn price() -> impl Strategy<Value = f64> {
    prop_oneof![4 => 1.0..100_000.0_f64, 1 => 1e-8..1e-3_f64, 1 => Just(100.0)]
}

fn prices() -> impl Strategy<Value = (Vec<f64>, usize, f64)> {
    prop::collection::vec(price(), 1..140).prop_flat_map(|xs| {
        let length = xs.len();
        (Just(xs), 0..length, price())
    })
}

fn bar(a: f64, b: f64, share: f64) -> Bar {
    let (low, high) = (a.min(b), a.max(b));
    Bar { open: low, high, low, close: low + share * (high - low), volume: share }
}

fn bars() -> impl Strategy<Value = (Vec<Bar>, usize, Bar)> {
    let one = || (price(), price(), 0.0..1.0_f64).prop_map(|(a, b, share)| bar(a, b, share));
    prop::collection::vec(one(), 1..140).prop_flat_map(move |bars| {
        let length = bars.len();
        (Just(bars), 0..length, one())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn averages_obey_the_laws((xs, cut, other) in prices(), period in 1_usize..30, vfactor in 0.0..=1.0_f64) {
        laws(&Sma::new(period).unwrap(), &xs, cut, other);
        laws(&Ema::new(period).unwrap(), &xs, cut, other);
        laws(&Ema::seeded_by_first(period).unwrap(), &xs, cut, other);
        laws(&Rma::new(period).unwrap(), &xs, cut, other);
        laws(&Wma::new(period).unwrap(), &xs, cut, other);
        laws(&Dema::new(period).unwrap(), &xs, cut, other);
        laws(&Tema::new(period).unwrap(), &xs, cut, other);
        laws(&Trima::new(period).unwrap(), &xs, cut, other);
        laws(&T3::new(period, vfactor).unwrap(), &xs, cut, other);
        laws(&Kama::new(period + 1).unwrap(), &xs, cut, other);
        laws(&Hma::new(period + 1).unwrap(), &xs, cut, other);
        laws(&Mama::new(0.5, 0.05).unwrap(), &xs, cut, other);
    }

    #[test]
    fn ranges_obey_the_laws((bars, cut, other) in bars(), period in 1_usize..30) {
        laws(&TrueRange::new(), &bars, cut, other);
        laws(&Atr::new(period).unwrap(), &bars, cut, other);
        laws(&Natr::new(period).unwrap(), &bars, cut, other);
        laws(&Donchian::new(period).unwrap(), &bars, cut, other);
    }

    /// Plain slow forms: every value from its window alone.
    #[test]
    fn window_averages_equal_their_definitions((xs, _, _) in prices(), period in 1_usize..30) {
        let sma = Sma::new(period).unwrap().batch(&xs);
        let wma = Wma::new(period).unwrap().batch(&xs);
        let weights = (1..=period).map(|k| k as f64);
        for (t, (sma, wma)) in sma.iter().zip(&wma).enumerate().skip(period - 1) {
            let window = &xs[t + 1 - period..=t];
            let mean = window.iter().sum::<f64>() / period as f64;
            let weighted = window.iter().zip(weights.clone()).map(|(x, w)| x * w).sum::<f64>();
            let weighted = weighted / (period * (period + 1) / 2) as f64;
            // Prices are positive, so both forms err by at most a few times `period` rounding units.
            let bound = 4.0 * (period as f64 + 4.0) * f64::EPSILON;
            prop_assert!((sma.unwrap() - mean).abs() <= bound * mean, "sma {sma:?} for {mean}");
            prop_assert!((wma.unwrap() - weighted).abs() <= bound * weighted, "wma {wma:?} for {weighted}");
        }
    }

    #[test]
    fn averages_lie_within_their_window((xs, _, _) in prices(), period in 1_usize..30) {
        let averages = [
            Sma::new(period).unwrap().batch(&xs),
            Wma::new(period).unwrap().batch(&xs),
            Trima::new(period).unwrap().batch(&xs),
        ];
        for average in averages {
            for (t, value) in average.iter().enumerate().skip(period - 1) {
                let window = &xs[t + 1 - period..=t];
                let low = window.iter().copied().fold(f64::INFINITY, f64::min);
                let high = window.iter().copied().fold(0.0, f64::max);
                let value = value.unwrap();
                prop_assert!(value >= low * (1.0 - 1e-13) && value <= high * (1.0 + 1e-13));
            }
        }
    }

    /// Loading foreign or damaged bytes answers an error or a usable state; it never panics, then or later.
    #[test]
    fn damaged_snapshots_never_panic((xs, cut, _) in prices(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut hma = Hma::new(9).unwrap();
        hma.batch(&xs[..cut]);
        let mut saved = Vec::new();
        hma.save(&mut saved);
        let at = at.index(saved.len());
        saved[at] = byte;
        let mut other = Hma::new(9).unwrap();
        let _ = other.load(&mut Reader::new(&saved));
        other.batch(&xs);
    }
}

#[test]
fn a_flat_series_gives_the_price_and_no_range() {
    let flat = vec![250.5; 300];
    for function in catalogue::functions() {
        let params = Params::new();
        if function.stream(&params).unwrap().is_none() {
            continue;
        }
        let columns: Vec<&[f64]> = function.inputs.iter().map(|_| flat.as_slice()).collect();
        let lookback = function.lookback_rows(&params).unwrap();
        for (output, value) in function.call(&params, &columns).unwrap() {
            let Value::Series(series) = value else { panic!("{} answers a series", function.name()) };
            let expected = if function.inputs.contains(&"close") && function.inputs.len() == 3 { 0.0 } else { 250.5 };
            // MAMA begins at zero and comes near the price only.
            let tolerance = if function.name() == "MAMA" { 0.5 } else { 1e-11 };
            for (t, value) in series.iter().enumerate() {
                assert_eq!(value.is_some(), t >= lookback, "{} {output} at {t}", function.name());
                if let Some(value) = value.filter(|_| t >= 200) {
                    assert!((value - expected).abs() <= tolerance, "{} {output} {value} at {t}", function.name());
                }
            }
        }
    }
}
