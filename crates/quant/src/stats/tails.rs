//! Tails of distributions that tests of significance need: chi-square, and the binomial with its exact interval.
//!
//! In:  a statistic, or a count of successes; out: probabilities from 0 to 1. `None` where the arguments are no distribution.
//! Quantiles of the normal and of Student's distribution are left out.

/// Probability that a chi-square variable with `dof` degrees of freedom is at least `x`.
///
/// `Q(1) = erfc(sqrt(x / 2))`, `Q(2) = exp(-x / 2)`, `Q(k + 2) = Q(k) + (x / 2)^(k / 2) exp(-x / 2) / Gamma(k / 2 + 1)`.
/// `None` for NaN or without a degree of freedom; 1 for `x <= 0`.
///
/// Source: Abramowitz, Stegun (1964), 26.4.4 to 26.4.8.
#[must_use]
pub fn chi_square_tail(x: f64, dof: u32) -> Option<f64> {
    if x.is_nan() || dof == 0 {
        return None;
    }
    if x <= 0.0 {
        return Some(1.0);
    }
    let half = 0.5 * x;
    let (mut tail, mut k) = if dof.is_multiple_of(2) { (libm::exp(-half), 2) } else { (libm::erfc(half.sqrt()), 1) };
    while k < dof {
        let order = 0.5 * f64::from(k);
        // In logarithms: power and factorial pass the range of a double long before their ratio does.
        tail += libm::exp(order * libm::log(half) - half - libm::lgamma(order + 1.0));
        k += 2;
    }
    Some(tail.clamp(0.0, 1.0))
}

/// Probability of at most `x` successes in `n` trials of probability `p` each.
///
/// `None` for a `p` outside 0 to 1.
#[must_use]
pub fn binomial_at_most(x: u64, n: u64, p: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    if x >= n {
        return Some(1.0);
    }
    // The tail that holds less is summed, so that its terms shrink from the first one on and its digits are right.
    Some(if (x as f64) < n as f64 * p { lower(x, n, p) } else { 1.0 - upper(x + 1, n, p) }.clamp(0.0, 1.0))
}

/// Probability of at least `x` successes in `n` trials of probability `p` each.
///
/// `None` for a `p` outside 0 to 1.
#[must_use]
pub fn binomial_at_least(x: u64, n: u64, p: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&p) {
        return None;
    }
    if x > n {
        return Some(0.0);
    }
    let Some(before) = x.checked_sub(1) else { return Some(1.0) };
    Some(if x as f64 > n as f64 * p { upper(x, n, p) } else { 1.0 - lower(before, n, p) }.clamp(0.0, 1.0))
}

/// Exact confidence interval of the probability of success after `x` successes in `n` trials: the Clopper-Pearson interval.
///
/// With `a = 1 - confidence`: the lower end is the `p` with `P(X >= x) = a / 2`, 0 for `x = 0`; the upper end the `p` with
/// `P(X <= x) = a / 2`, 1 for `x = n`. It covers the true probability at least as often as it says.
/// `None` without a trial, for `x > n`, or for a confidence outside 0 to 1.
///
/// Source: Clopper, Pearson (1934), Biometrika 26(4), 404-413.
#[must_use]
pub fn binomial_interval(x: u64, n: u64, confidence: f64) -> Option<(f64, f64)> {
    if n == 0 || x > n || !(confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let each = 0.5 * (1.0 - confidence);
    // P(X >= x) grows with p, P(X <= x) shrinks.
    let low = if x == 0 { 0.0 } else { bisect(|p| binomial_at_least(x, n, p).is_some_and(|tail| tail < each)) };
    let high = if x == n { 1.0 } else { bisect(|p| binomial_at_most(x, n, p).is_some_and(|tail| tail > each)) };
    Some((low, high))
}

/// Where `is_below` turns from true to false between 0 and 1.
fn bisect(is_below: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // 60 halvings end at neighbouring doubles around any probability above 1e-3; smaller ones keep an absolute error of 1e-18.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// Probability of exactly `x`.
fn exactly(x: u64, n: u64, p: f64) -> f64 {
    if p <= 0.0 {
        return f64::from(u8::from(x == 0));
    }
    if p >= 1.0 {
        return f64::from(u8::from(x == n));
    }
    let (x, n) = (x as f64, n as f64);
    let ways = libm::lgamma(n + 1.0) - libm::lgamma(x + 1.0) - libm::lgamma(n - x + 1.0);
    libm::exp(ways + x * libm::log(p) + (n - x) * libm::log1p(-p))
}

/// `P(X <= x)` for an `x` below the mean: terms shrink from `x` down.
fn lower(x: u64, n: u64, p: f64) -> f64 {
    let mut term = exactly(x, n, p);
    let mut sum = term;
    for k in (1..=x).rev() {
        term *= k as f64 / (n - k + 1) as f64 * (1.0 - p) / p;
        sum += term;
        if term <= sum * 1e-18 {
            break;
        }
    }
    sum
}

/// `P(X >= x)` for an `x` above the mean: terms shrink from `x` up.
fn upper(x: u64, n: u64, p: f64) -> f64 {
    let mut term = exactly(x, n, p);
    let mut sum = term;
    for k in x..n {
        term *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        sum += term;
        if term <= sum * 1e-18 {
            break;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: Option<f64>, expected: f64, relative: f64) {
        let got = got.unwrap();
        assert!((got - expected).abs() <= relative * expected.abs(), "{got} for {expected}");
    }

    /// Values of scipy.stats.chi2.sf, and the 5 % points of printed tables.
    #[test]
    fn chi_square_tails_of_tables() {
        close(chi_square_tail(3.841_458_820_694_124, 1), 0.05, 1e-12);
        close(chi_square_tail(5.991_464_547_107_979, 2), 0.05, 1e-12);
        close(chi_square_tail(82.117_094_675_805_02, 1), 1.282_584_849_991_153e-19, 1e-10);
        close(chi_square_tail(7.814_727_903_251_179, 3), 0.05, 1e-12);
        close(chi_square_tail(18.307_038_053_275_14, 10), 0.05, 1e-12);
        assert_eq!(chi_square_tail(-0.0, 1), Some(1.0));
        assert_eq!((chi_square_tail(f64::NAN, 1), chi_square_tail(1.0, 0)), (None, None));
        assert_eq!(chi_square_tail(f64::INFINITY, 2), Some(0.0));
    }

    /// The plain sum over all terms.
    fn plain(from: u64, to: u64, n: u64, p: f64) -> f64 {
        (from..=to).map(|k| exactly(k, n, p)).sum()
    }

    #[test]
    fn binomial_tails_are_the_plain_sums() {
        for (n, p) in [(10, 0.5), (250, 0.01), (250, 0.05), (1_000, 0.3), (7, 0.999)] {
            for x in 0..=n.min(60) {
                let (most, least) = (plain(0, x, n, p), plain(x, n, n, p));
                assert!((binomial_at_most(x, n, p).unwrap() - most).abs() < 1e-11, "{x} of {n} at {p}");
                assert!((binomial_at_least(x, n, p).unwrap() - least).abs() < 1e-11, "{x} of {n} at {p}");
            }
        }
        assert_eq!((binomial_at_most(5, 5, 0.3), binomial_at_least(0, 5, 0.3)), (Some(1.0), Some(1.0)));
        assert_eq!((binomial_at_least(6, 5, 0.3), binomial_at_most(1, 5, f64::NAN)), (Some(0.0), None));
        assert_eq!((binomial_at_most(0, 5, 1.0), binomial_at_least(5, 5, 1.0)), (Some(0.0), Some(1.0)));
    }

    /// The cumulative probabilities of the supervisory framework for backtesting (Basel Committee, January 1996, table 2).
    #[test]
    fn the_zones_of_the_basel_table() {
        for (breaches, percent) in [(0, 8.11), (4, 89.22), (5, 95.88), (9, 99.97), (10, 99.99)] {
            let got = 100.0 * binomial_at_most(breaches, 250, 0.01).unwrap();
            assert!((got - percent).abs() < 0.006, "{got} for {percent}");
        }
    }

    #[test]
    fn exact_intervals_of_printed_examples() {
        // 0 of 10 has the closed form 1 - (a / 2)^(1 / n); 5 of 10 is in every table.
        let (low, high) = binomial_interval(0, 10, 0.95).unwrap();
        assert_eq!(low, 0.0);
        assert!((high - (1.0 - libm::pow(0.025, 0.1))).abs() < 1e-14, "{high}");
        let (low, high) = binomial_interval(5, 10, 0.95).unwrap();
        assert!((low - 0.187_086_03).abs() < 1e-8 && (high - 0.812_913_97).abs() < 1e-8, "{low} {high}");
        assert_eq!(binomial_interval(10, 10, 0.95).unwrap().1, 1.0);
        assert_eq!(
            (binomial_interval(1, 0, 0.95), binomial_interval(3, 2, 0.95), binomial_interval(1, 2, 1.0)),
            (None, None, None)
        );
        // At its ends the tails are half of what is left.
        let (low, high) = binomial_interval(15, 1_500, 0.95).unwrap();
        assert!(
            (plain(15, 1_500, 1_500, low) - 0.025).abs() < 1e-10 && (plain(0, 15, 1_500, high) - 0.025).abs() < 1e-10
        );
    }
}
