//! Value at risk and expected shortfall of a series of returns, by several definitions.
//!
//! In:  returns as fractions (0.01 = 1 %) and a tail probability `alpha` (0.01 for 99 %).
//! Out: losses as positive fractions over the period of one return. The scaling to another period is the caller's, who says how.

use super::normal;
use super::quantile::sorted_quantile;
use super::student::{self, StudentFit};

/// A loss that is passed with the tail probability, and the mean loss where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tail {
    /// Value at risk.
    pub var: f64,
    /// Expected shortfall, never below the value at risk.
    pub es: f64,
}

impl Tail {
    /// The larger of both, figure by figure: the stricter one.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        Self { var: self.var.max(other.var), es: self.es.max(other.es) }
    }

    /// Both times a positive factor.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Self { var: self.var * factor, es: self.es * factor }
    }
}

/// Value at risk and expected shortfall of the sample itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Historical {
    /// The `ceil(alpha n)`-th smallest return, as a loss.
    pub var_order: f64,
    /// The `alpha`-quantile, linear between order statistics, as a loss.
    pub var_linear: f64,
    /// Mean loss of the `floor((n - 1) alpha) + 1` smallest returns.
    pub es_mean_below: f64,
    /// `var_order + sum(-r - var_order over r < -var_order) / (alpha n)`, exact also where `alpha n` is no whole number.
    pub es_weighted: f64,
}

fn tail_probability(alpha: f64) -> bool {
    alpha > 0.0 && alpha < 1.0
}

/// The historical figures of returns sorted upwards; `None` for none, or an `alpha` outside 0 to 1.
///
/// Source of the weighted shortfall: Rockafellar & Uryasev (2002), Journal of Banking & Finance 26, 1443-1471.
#[must_use]
pub fn historical(sorted: &[f64], alpha: f64) -> Option<Historical> {
    if !tail_probability(alpha) || sorted.is_empty() {
        return None;
    }
    let n = sorted.len();
    let below = sorted.get(..order_statistic(n, alpha))?;
    let tail = weighted(below, alpha * n as f64)?;
    // 0 < alpha < 1, so this is at most n.
    let worst = sorted.get(..((n - 1) as f64 * alpha) as usize + 1)?;
    let mean = worst.iter().sum::<f64>() / worst.len() as f64;
    Some(Historical {
        var_order: tail.var,
        var_linear: -sorted_quantile(sorted, alpha)?,
        es_mean_below: -mean,
        es_weighted: tail.es,
    })
}

/// How many of `n` returns lie in the tail, the one at its edge included: `ceil(alpha n)`, at least 1.
#[must_use]
pub fn order_statistic(n: usize, alpha: f64) -> usize {
    // alpha n may come out a rounding unit above a whole number.
    let product = alpha * n as f64;
    let near = product.round();
    let count = if (product - near).abs() <= 1e-9 * near { near } else { product.ceil() };
    (count as usize).clamp(1, n.max(1))
}

fn weighted(worst: &[f64], weight: f64) -> Option<Tail> {
    let var = -*worst.last()?;
    let beyond: f64 = worst.iter().filter(|r| **r < -var).map(|r| -r - var).sum();
    Some(Tail { var, es: var + beyond / weight })
}

/// Order-statistic value at risk and weighted shortfall of returns in any order, without sorting them: `worst` keeps those in the tail. It
/// allocates nothing once `worst` has room for `ceil(alpha n)`. `None` for no returns, one that is not finite, or an `alpha` outside 0 to 1.
#[must_use]
pub fn historical_tail(returns: &[f64], alpha: f64, worst: &mut Vec<f64>) -> Option<Tail> {
    if !tail_probability(alpha) || returns.is_empty() {
        return None;
    }
    let keep = order_statistic(returns.len(), alpha);
    worst.clear();
    let mut bound = f64::INFINITY;
    for &r in returns {
        if r < bound {
            let at = worst.partition_point(|w| *w <= r);
            if worst.len() == keep {
                worst.pop();
            }
            worst.insert(at, r);
            if worst.len() == keep {
                bound = worst.last().copied().unwrap_or(bound);
            }
        } else if !r.is_finite() {
            return None;
        }
    }
    if worst.len() < keep || worst.first().is_some_and(|r| !r.is_finite()) {
        return None;
    }
    weighted(worst, alpha * returns.len() as f64)
}

/// Tail of a normal distribution: `VaR = -(mean + sigma z)`, `ES = -mean + sigma density(z) / alpha`, `z` the `alpha`-quantile.
#[must_use]
pub fn normal_tail(mean: f64, sigma: f64, alpha: f64) -> Option<Tail> {
    let z = normal::quantile(alpha)?;
    Some(Tail { var: -(mean + sigma * z), es: -mean + sigma * normal::density(z) / alpha })
}

/// Tail of a fitted Student-t distribution: `VaR = -(location + scale t)`,
/// `ES = -location + scale density(t) / alpha (nu + t^2) / (nu - 1)`, `t` the `alpha`-quantile for `nu` degrees of freedom. `None` also
/// where `nu <= 1`: there the mean of the tail does not exist.
#[must_use]
pub fn student_tail(fit: &StudentFit, alpha: f64) -> Option<Tail> {
    let t = student::quantile(alpha, fit.nu)?;
    if fit.nu <= 1.0 {
        return None;
    }
    let es = student::density(t, fit.nu) / alpha * (fit.nu + t * t) / (fit.nu - 1.0);
    Some(Tail { var: -(fit.location + fit.scale * t), es: -fit.location + fit.scale * es })
}

/// The tail of a Student-t distribution with mean 0 and standard deviation 1. `None` where `nu <= 2`: it has no variance.
#[must_use]
pub fn standardised_student_tail(nu: f64, alpha: f64) -> Option<Tail> {
    if nu <= 2.0 {
        return None;
    }
    let scale = ((nu - 2.0) / nu).sqrt();
    student_tail(&StudentFit { nu, location: 0.0, scale, log_likelihood: 0.0 }, alpha)
}

/// Mean, standard deviation (divisor `n - 1`), skewness and excess kurtosis (both with divisor `n`) of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, divisor `n - 1`.
    pub sigma: f64,
    /// `m3 / m2^1.5`.
    pub skew: f64,
    /// `m4 / m2^2 - 3`.
    pub excess_kurtosis: f64,
}

/// The shape of a sample; `None` under two values or where it does not move.
#[must_use]
pub fn shape(r: &[f64]) -> Option<Shape> {
    if r.len() < 2 {
        return None;
    }
    let n = r.len() as f64;
    let mean = r.iter().sum::<f64>() / n;
    let (mut s2, mut s3, mut s4) = (0.0, 0.0, 0.0);
    for v in r {
        let d = v - mean;
        s2 += d * d;
        s3 += d * d * d;
        s4 += d * d * d * d;
    }
    let m2 = s2 / n;
    if !(m2 > 0.0 && m2.is_finite()) {
        return None;
    }
    Some(Shape {
        mean,
        sigma: (s2 / (n - 1.0)).sqrt(),
        skew: s3 / n / (m2 * m2.sqrt()),
        excess_kurtosis: s4 / n / (m2 * m2) - 3.0,
    })
}

/// Figures of the Cornish-Fisher expansion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CornishFisher {
    /// `-(mean + sigma z_cf)`.
    pub var: f64,
    /// Mean of the expansion's quantile over the tail, as a loss.
    pub es_integral: f64,
    /// Modified expected shortfall over the Edgeworth density; it may fall below the value at risk, even below zero, for very heavy tails.
    pub es_modified: f64,
    /// The same held at the value at risk from below: what may be used.
    pub es_operational: f64,
    /// Whether the expansion rises with `z` over the tail: where it does not, the figures mean nothing.
    pub monotone: bool,
}

/// Value at risk and shortfall with the sample's skewness `S` and excess kurtosis `K`:
/// `z_cf = z + (z^2 - 1) S / 6 + (z^3 - 3 z) K / 24 - (2 z^3 - 5 z) S^2 / 36`. `None` for an `alpha` outside 0 to 1.
///
/// Source: Cornish & Fisher (1938); shortfall: Boudt, Peterson & Croux (2008), Journal of Risk 11(2), 79-103.
#[must_use]
pub fn cornish_fisher(shape: &Shape, alpha: f64) -> Option<CornishFisher> {
    let z = normal::quantile(alpha)?;
    let (s, k) = (shape.skew, shape.excess_kurtosis);
    let z_cf =
        z + (z * z - 1.0) * s / 6.0 + (z * z * z - 3.0 * z) * k / 24.0 - (2.0 * z * z * z - 5.0 * z) * s * s / 36.0;
    let var = -(shape.mean + shape.sigma * z_cf);
    // Means over the tail of the Hermite polynomials in the expansion, from their antiderivatives.
    let phi = normal::density(z) / alpha;
    let mean_z =
        -phi + (-z * phi) * s / 6.0 + (-(z * z - 1.0) * phi) * k / 24.0 - (-(2.0 * z * z - 1.0) * phi) * s * s / 36.0;
    let g = z_cf;
    let he3 = g * g * g - 3.0 * g;
    let he4 = g * g * g * g - 6.0 * g * g + 3.0;
    let he6 = g * g * g * g * g * g - 15.0 * g * g * g * g + 45.0 * g * g - 15.0;
    let edgeworth =
        1.0 + s / 6.0 * (he3 + 3.0 * g) + k / 24.0 * (he4 + 4.0 * (g * g - 1.0)) + s * s / 72.0 * (he6 + 6.0 * he4);
    let m = normal::density(g) / alpha * edgeworth;
    let slope = |z: f64| 1.0 + z * s / 3.0 + (z * z - 1.0) * k / 8.0 - (6.0 * z * z - 5.0) * s * s / 36.0;
    let far = normal::quantile(alpha / 100.0)?;
    let curve = k / 8.0 - s * s / 6.0;
    let vertex = -(s / 3.0) / (2.0 * curve);
    let inside = vertex > far && vertex < z;
    Some(CornishFisher {
        var,
        es_integral: -(shape.mean + shape.sigma * mean_z),
        es_modified: -shape.mean + shape.sigma * m,
        es_operational: -shape.mean + shape.sigma * m.max(-z_cf),
        monotone: slope(z) > 0.0 && slope(far) > 0.0 && (!inside || slope(vertex) > 0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_hundred_returns_by_hand() {
        // -50..=49 per mille: the worst five are -50, -49, -48, -47, -46.
        let sorted: Vec<f64> = (-50..50).map(|i| f64::from(i) / 1000.0).collect();
        let h = historical(&sorted, 0.05).unwrap();
        assert_eq!(h.var_order, 0.046);
        assert!((h.es_weighted - 0.048).abs() < 1e-15, "{h:?}");
        assert!((h.var_linear - 0.04505).abs() < 1e-15, "{h:?}");
        assert!((h.es_mean_below - 0.048).abs() < 1e-15, "{h:?}");
        assert_eq!(historical(&[], 0.05), None);
        assert_eq!(historical(&sorted, 0.0), None);
        assert_eq!(historical(&sorted, f64::NAN), None);
    }

    #[test]
    fn normal_and_student_factors_at_99_percent() {
        let n = normal_tail(0.0, 1.0, 0.01).unwrap();
        assert!((n.var - 2.326_347_874_040_841).abs() < 1e-12 && (n.es - 2.665_214_220_345_806).abs() < 1e-12);
        let t = standardised_student_tail(4.0, 0.01).unwrap();
        // 3.746947... sqrt(1/2); a normal distribution is the limit of many degrees of freedom.
        assert!((t.var - 3.746_947_387_979_196 * 0.5_f64.sqrt()).abs() < 1e-10 && t.es > t.var);
        let far = standardised_student_tail(1e6, 0.01).unwrap();
        assert!((far.var - n.var).abs() < 1e-4 && (far.es - n.es).abs() < 1e-4);
        assert_eq!(standardised_student_tail(2.0, 0.01), None);
    }

    #[test]
    fn without_skew_and_kurtosis_cornish_fisher_is_normal() {
        let plain = Shape { mean: 0.001, sigma: 0.02, skew: 0.0, excess_kurtosis: 0.0 };
        let (cf, n) = (cornish_fisher(&plain, 0.01).unwrap(), normal_tail(0.001, 0.02, 0.01).unwrap());
        for es in [cf.es_integral, cf.es_modified, cf.es_operational] {
            assert!((es - n.es).abs() < 1e-14);
        }
        assert!((cf.var - n.var).abs() < 1e-15 && cf.monotone);
        let left = cornish_fisher(&Shape { skew: -1.0, ..plain }, 0.01).unwrap();
        assert!(left.var > cf.var, "a longer left tail has more risk");
    }

    proptest! {
        #[test]
        fn the_tail_kept_while_reading_is_the_sorted_one(r in prop::collection::vec(-0.2..0.2_f64, 1..400), percent in 1..50_u32) {
            let alpha = f64::from(percent) / 100.0;
            let mut worst = Vec::new();
            let tail = historical_tail(&r, alpha, &mut worst).unwrap();
            let mut sorted = r.clone();
            sorted.sort_by(f64::total_cmp);
            let h = historical(&sorted, alpha).unwrap();
            prop_assert_eq!((tail.var, tail.es), (h.var_order, h.es_weighted));
            prop_assert!(tail.es >= tail.var);
        }

        #[test]
        fn what_is_not_finite_has_no_tail(mut r in prop::collection::vec(-0.2..0.2_f64, 1..50), at in any::<prop::sample::Index>(), which in 0..3_usize) {
            let at = at.index(r.len());
            r[at] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][which];
            let mut worst = Vec::new();
            prop_assert_eq!(historical_tail(&r, 0.01, &mut worst), None);
        }
    }
}
