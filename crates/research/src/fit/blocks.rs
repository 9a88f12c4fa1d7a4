//! Errors of statistics of a series whose values follow each other: moving blocks.
//!
//! In:  a series in the order of time, and what is computed of it. Out: its standard error.
//!
//! Source: Kuensch (1989), The jackknife and the bootstrap for general stationary observations, Annals of Statistics 17(3), 1217-1241; the
//! length of a block grows with the cube root of the number of values: Hall, Horowitz, Jing (1995), Biometrika 82(3), 561-574.

use super::law::Value;
use super::robust::add_outer;
use crate::validate::Seeded;
use quant::stats::chi_square_tail;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 499;

/// Values in a block.
pub(super) fn length(count: usize) -> usize {
    // Twice the cube root: dependence of a few values' reach is inside a block.
    (2.0 * libm::cbrt(count as f64)).ceil().max(1.0) as usize
}

/// Whether values follow each other: Ljung and Box's test at 5 %, over as many lags as a fifth of the values allows, ten at most.
///
/// `Q = n (n + 2) sum over k of r_k^2 / (n - k)`, chi-square with as many degrees of freedom as lags.
pub(super) fn follow_each_other(values: &[f64]) -> bool {
    let n = values.len();
    let lags = (n / 5).min(10);
    let mean = values.iter().sum::<f64>() / n.max(1) as f64;
    let variance: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    if lags == 0 || variance.is_nan() || variance <= 0.0 {
        return false;
    }
    let statistic: f64 = (1..=lags)
        .map(|lag| {
            let pairs = values.iter().zip(values.iter().skip(lag));
            let r = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / variance;
            r * r / (n - lag) as f64
        })
        .sum();
    let q = n as f64 * (n as f64 + 2.0) * statistic;
    chi_square_tail(q, lags as u32).is_some_and(|p| p < 0.05)
}

/// What `of` makes of resamples: places `0..count`, drawn in blocks until there are `count`.
pub(super) fn resampled<T>(
    count: usize,
    length: usize,
    seed: u64,
    mut of: impl FnMut(&[usize]) -> Option<T>,
) -> Vec<T> {
    let mut seeded = Seeded::new(seed);
    let length = length.clamp(1, count.max(1));
    let mut picked = Vec::with_capacity(count + length);
    (0..RESAMPLES)
        .filter_map(|_| {
            picked.clear();
            while picked.len() < count {
                let from = seeded.below(count + 1 - length);
                picked.extend(from..from + length);
            }
            picked.truncate(count);
            of(&picked)
        })
        .collect()
}

/// Covariance of vectors about their mean; `None` under thirty of them.
pub(super) fn covariance<const P: usize>(vectors: &[[f64; P]]) -> Option<[[f64; P]; P]> {
    if vectors.len() < 30 {
        return None;
    }
    let n = vectors.len() as f64;
    let mean: [f64; P] = std::array::from_fn(|i| vectors.iter().map(|v| v[i]).sum::<f64>() / n);
    let mut out = [[0.0; P]; P];
    for v in vectors {
        let off: [f64; P] = std::array::from_fn(|i| v[i] - mean[i]);
        add_outer(&mut out, 1.0 / (n - 1.0), &off);
    }
    Some(out)
}

/// The mean of a series with a 95 % interval by Student's t; its error is that of resampled blocks where values follow each other and that
/// is larger. `None` under three values or for one that is not finite.
#[must_use]
pub fn mean_with_error(values: &[f64], seed: u64) -> Option<Value> {
    mean_with_error_of(values, values, seed)
}

/// The same, where it is other numbers (residuals of the values, in their order) that say whether values follow each other.
#[must_use]
pub fn mean_with_error_of(values: &[f64], residuals: &[f64], seed: u64) -> Option<Value> {
    let n = values.len();
    if n < 3 || values.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let count = n as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let mut error = (squares / (count - 1.0) / count).sqrt();
    if follow_each_other(residuals) {
        let means =
            resampled(n, length(n), seed, |picked| Some([picked.iter().map(|at| values[*at]).sum::<f64>() / count]));
        if let Some(blocks) = covariance(&means) {
            error = error.max(blocks[0][0].sqrt());
        }
    }
    Some(Value::of(mean, error, quant::stats::student::quantile(0.975, count - 1.0)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_does_not_follow_itself_and_an_autoregression_does() {
        let found = (0..300).filter(|seed| {
            let mut seeded = Seeded::new(*seed);
            follow_each_other(&(0..100).map(|_| seeded.normal()).collect::<Vec<_>>())
        });
        let share = found.count() as f64 / 300.0;
        assert!((0.01..0.11).contains(&share), "{share}");
        let mut seeded = Seeded::new(1);
        let mut at = 0.0;
        let follows: Vec<f64> = (0..100)
            .map(|_| {
                at = 0.7 * at + seeded.normal();
                at
            })
            .collect();
        assert!(follow_each_other(&follows));
        assert!(!follow_each_other(&[1.0; 50]) && !follow_each_other(&[]) && !follow_each_other(&[1.0, 2.0]));
    }

    #[test]
    fn a_mean_has_the_textbook_error_where_values_are_apart() {
        let values: Vec<f64> = [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0].into();
        let mean = mean_with_error(&values, 1).unwrap();
        assert!((mean.value - 5.0).abs() < 1e-12);
        // s^2 = 32 / 7, error = sqrt(s^2 / 8), t(0.975, 7) = 2.364624.
        assert!((mean.error - (32.0f64 / 56.0).sqrt()).abs() < 1e-12);
        assert!((mean.high - 5.0 - 2.364_624 * mean.error).abs() < 1e-5, "{mean:?}");
        assert_eq!(mean_with_error(&[1.0, 2.0], 1), None);
        assert_eq!(mean_with_error(&[1.0, f64::NAN, 2.0], 1), None);
    }

    #[test]
    fn blocks_widen_the_error_of_what_follows_itself() {
        // The long-run error of an autoregression with 0.7 is 1 / (1 - 0.7) / sqrt(n) per unit of innovation.
        let expected = 1.0 / 0.3 / 1_000f64.sqrt();
        let errors: Vec<f64> = (0..20)
            .map(|seed| {
                let (mut seeded, mut at) = (Seeded::new(seed), 0.0);
                let values: Vec<f64> = (0..1_000)
                    .map(|_| {
                        at = 0.7 * at + seeded.normal();
                        at
                    })
                    .collect();
                mean_with_error(&values, seed).unwrap().error
            })
            .collect();
        let mean = errors.iter().sum::<f64>() / 20.0;
        assert!((0.8..1.1).contains(&(mean / expected)), "{mean} of {expected}");
    }
}
