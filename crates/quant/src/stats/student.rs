//! The Student-t distribution: density, distribution function, quantile, and its fit to returns.
//!
//! In:  degrees of freedom above 0; for the fit a series of returns.
//! Out: quantiles for value at risk, and location, scale and degrees of freedom of greatest likelihood.

use super::normal;
use crate::error::SeriesError;
use libm::{exp, lgamma, log, log1p};
use std::f64::consts::PI;

/// Logarithm of the density's constant: `ln Gamma((nu+1)/2) - ln Gamma(nu/2) - ln(nu pi)/2`.
fn log_constant(nu: f64) -> f64 {
    lgamma(0.5 * (nu + 1.0)) - lgamma(0.5 * nu) - 0.5 * log(nu * PI)
}

/// Density of the standard Student-t distribution with `nu` degrees of freedom.
#[must_use]
pub fn density(t: f64, nu: f64) -> f64 {
    exp(log_constant(nu) - 0.5 * (nu + 1.0) * log1p(t * t / nu))
}

/// Probability that a Student-t variable with `nu` degrees of freedom is at most `t`.
///
/// `I(nu / (nu + t^2); nu/2, 1/2) / 2` below zero, by the continued fraction of the incomplete beta function.
#[must_use]
pub fn probability(t: f64, nu: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(0.5 * nu, 0.5, nu / (nu + t * t));
    if t < 0.0 { tail } else { 1.0 - tail }
}

/// The value below which a Student-t variable with `nu` degrees of freedom lies with probability `p`; `None` unless `0 < p < 1` and
/// `nu > 0`.
///
/// Newton's method on `ln P(-e^u) = ln p`, which is nearly a straight line in a power-law tail; kept within a bracket.
#[must_use]
pub fn quantile(p: f64, nu: f64) -> Option<f64> {
    if !(p > 0.0 && p < 1.0 && nu > 0.0 && nu.is_finite()) {
        return None;
    }
    let tail = p.min(1.0 - p);
    if tail == 0.5 {
        return Some(0.0);
    }
    let target = log(tail);
    let (mut low, mut high) = (-60.0_f64, 700.0_f64);
    let mut u = log((-normal::quantile(tail)?).max(1e-12));
    for _ in 0..200 {
        let t = exp(u);
        let below = probability(-t, nu);
        let miss = log(below) - target;
        if miss > 0.0 {
            low = u;
        } else {
            high = u;
        }
        let step = miss * below / (density(t, nu) * t);
        let next = u + step;
        // Each step squares the error: after one of a thousandth of a millionth nothing is left but rounding, which another would only move.
        if step.abs() <= 1e-9 {
            u = if next > low && next < high { next } else { u };
            break;
        }
        u = if next > low && next < high { next } else { 0.5 * (low + high) };
    }
    let t = exp(u);
    Some(if p < 0.5 { -t } else { t })
}

/// Regularised incomplete beta function `I(x; a, b)`, for `0 <= x <= 1`.
///
/// Source: Press et al., Numerical Recipes, "Incomplete Beta Function" (modified Lentz method).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut h = d;
    // Converges within the square root of the larger parameter; the bound ends what cannot.
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let factor = d * c;
        h *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    h
}

/// A Student-t distribution with location and scale, fitted to a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StudentFit {
    /// Degrees of freedom, from [`NU_MIN`] to [`NU_MAX`].
    pub nu: f64,
    /// Location.
    pub location: f64,
    /// Scale; the standard deviation is `scale sqrt(nu / (nu - 2))`.
    pub scale: f64,
    /// Logarithm of the likelihood there.
    pub log_likelihood: f64,
}

/// Fewest degrees of freedom that a fit answers: the variance exists above 2.
pub const NU_MIN: f64 = 2.01;
/// Most degrees of freedom that a fit answers; beyond it the distribution is normal for all that returns can tell.
pub const NU_MAX: f64 = 200.0;
/// Degrees of freedom from which a search begins.
pub const NU_START: f64 = 4.0;

/// Location, scale and degrees of freedom of greatest likelihood.
///
/// For given degrees of freedom, expectation and maximisation: weights `w = (nu + 1) / (nu + z^2)`, location `sum(w x) / sum(w)`,
/// squared scale `sum(w (x - location)^2) / sum(w)`. Over the degrees of freedom, a golden-section search of the likelihood so maximised
/// in `ln nu`, from the location and scale that 4 degrees of freedom give. No allocation.
///
/// # Errors
/// [`SeriesError`] for fewer than 10 values or one that is not finite; a series that does not move counts as too few.
///
/// Source: Liu & Rubin (1995), Statistica Sinica 5, 19-39; the form with `sum(w)`: Kent, Tyler & Vardi (1994).
pub fn fit(x: &[f64]) -> Result<StudentFit, SeriesError> {
    fit_within(x, 1e-7)
}

/// [`fit`], ending where `ln nu` lies within `tolerance`: a hundredth is enough where the tail alone is wanted.
///
/// # Errors
/// As [`fit`].
pub fn fit_within(x: &[f64], tolerance: f64) -> Result<StudentFit, SeriesError> {
    SeriesError::check(x, 10)?;
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    if variance <= 0.0 {
        return Err(SeriesError::TooFew { needed: 2, given: 1 });
    }
    // Location and scale have to be nearer than the degrees of freedom that are told by them.
    let near = (tolerance * 1e-2).max(1e-9);
    let mut at = inner(x, NU_START, (mean, 0.5 * variance), near);
    let mut value = |ln_nu: f64| {
        let nu = exp(ln_nu);
        at = inner(x, nu, at, near);
        (likelihood(x, nu, at), at)
    };
    // Golden section: keeps a bracket around the maximum, one new evaluation a step. Every step cuts off the same part of the bracket, so
    // the bound is never reached.
    const RATIO: f64 = 0.618_033_988_749_894_8;
    let (mut low, mut high) = (log(NU_MIN), log(NU_MAX));
    let (mut left, mut right) = (high - RATIO * (high - low), low + RATIO * (high - low));
    let (mut f_left, mut f_right) = (value(left), value(right));
    for _ in 0..200 {
        if high - low <= tolerance {
            break;
        }
        if f_left.0 >= f_right.0 {
            high = right;
            (right, f_right) = (left, f_left);
            left = high - RATIO * (high - low);
            f_left = value(left);
        } else {
            low = left;
            (left, f_left) = (right, f_right);
            right = low + RATIO * (high - low);
            f_right = value(right);
        }
    }
    let (ln_nu, (log_likelihood, (location, square))) =
        if f_left.0 >= f_right.0 { (left, f_left) } else { (right, f_right) };
    Ok(StudentFit { nu: exp(ln_nu), location, scale: square.sqrt(), log_likelihood })
}

/// Location and squared scale for given degrees of freedom, from where the neighbour ended. One pass a turn, around the last location.
fn inner(x: &[f64], nu: f64, (mut location, mut square): (f64, f64), tolerance: f64) -> (f64, f64) {
    for _ in 0..1000 {
        let (mut sw, mut swd, mut swdd) = (0.0, 0.0, 0.0);
        for v in x {
            let d = v - location;
            let w = (nu + 1.0) / (nu + d * d / square);
            sw += w;
            swd += w * d;
            swdd += w * d * d;
        }
        let shift = swd / sw;
        let next_square = (swdd / sw - shift * shift).max(f64::MIN_POSITIVE);
        let still = shift.abs() <= tolerance * square.sqrt() && (next_square / square - 1.0).abs() <= tolerance;
        (location, square) = (location + shift, next_square);
        if still {
            break;
        }
    }
    (location, square)
}

/// Logarithm of the likelihood. The terms `1 + z^2 / nu` are multiplied in eights before the logarithm is taken: each is far from the
/// largest double.
fn likelihood(x: &[f64], nu: f64, (location, square): (f64, f64)) -> f64 {
    let n = x.len() as f64;
    let mut sum = 0.0;
    for block in x.chunks(8) {
        let product = block.iter().fold(1.0, |p, v| p * (1.0 + (v - location) * (v - location) / (square * nu)));
        sum += if product.is_finite() {
            log(product)
        } else {
            block.iter().map(|v| log1p((v - location) * (v - location) / (square * nu))).sum()
        };
    }
    n * (log_constant(nu) - 0.5 * log(square)) - 0.5 * (nu + 1.0) * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_quantiles() {
        // Tables of Student's distribution; nu = 1 is Cauchy's, nu = 2 has a closed form.
        for (p, nu, t) in [
            (0.99, 4.0, 3.746_947_387_979_196),
            (0.01, 4.0, -3.746_947_387_979_196),
            (0.975, 10.0, 2.228_138_851_964_938_5),
            (0.75, 1.0, 1.0),
            (0.9, 2.0, 1.885_618_083_164_127),
            (0.99, 200.0, 2.345_137_082_259_45),
        ] {
            let got = quantile(p, nu).unwrap();
            assert!((got - t).abs() <= 1e-11 * t.abs(), "{p} {nu}: {got} for {t}");
        }
        assert_eq!(quantile(0.5, 3.0), Some(0.0));
        for (p, nu) in [(0.0, 3.0), (1.0, 3.0), (0.5, 0.0), (0.5, f64::NAN), (f64::NAN, 3.0)] {
            assert_eq!(quantile(p, nu), None);
        }
    }

    #[test]
    fn the_quantile_inverts_the_probability() {
        for nu in [1.0, 2.1, 3.0, 7.5, 30.0, 200.0] {
            for i in 1..200 {
                let p = f64::from(i) / 200.0;
                let back = probability(quantile(p, nu).unwrap(), nu);
                assert!((back - p).abs() < 1e-12, "{nu} {p}: {back}");
            }
            assert!((probability(quantile(1e-9, nu).unwrap(), nu) / 1e-9 - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn quantiles_of_a_student_sample_give_the_student_back() {
        let sample = |nu: f64| -> Vec<f64> {
            (0..4000).map(|i| 0.1 + 2.0 * quantile((f64::from(i) + 0.5) / 4000.0, nu).unwrap()).collect()
        };
        for nu in [2.5, 4.0, 8.0] {
            let fit = fit(&sample(nu)).unwrap();
            assert!((fit.nu / nu - 1.0).abs() < 0.05, "{fit:?} for {nu}");
            assert!((fit.location - 0.1).abs() < 1e-6 && (fit.scale / 2.0 - 1.0).abs() < 0.01, "{fit:?}");
        }
        let normal: Vec<f64> =
            (0..4000).map(|i| super::normal::quantile((f64::from(i) + 0.5) / 4000.0).unwrap()).collect();
        assert!(fit(&normal).unwrap().nu > 100.0);
    }

    #[test]
    fn what_cannot_be_fitted_is_an_error() {
        assert!(fit(&[1.0; 9]).is_err());
        assert!(fit(&[1.0; 50]).is_err());
        let mut bad = vec![0.1; 50];
        bad[7] = f64::NAN;
        assert_eq!(fit(&bad), Err(SeriesError::NotFinite { index: 7 }));
    }
}
