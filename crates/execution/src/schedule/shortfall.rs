//! Implementation shortfall: the trajectory that makes expected cost plus risk aversion times its variance least.
//!
//! With linear temporary and permanent impact, price noise of variance `sigma^2` per second, and `N` slices of `tau = T / N` seconds, what is
//! left after slice `j` is
//!
//! `x_j = X sinh(kappa (T - t_j)) / sinh(kappa T)`, `(2 / tau^2) (cosh(kappa tau) - 1) = lambda sigma^2 / (eta - gamma tau / 2)`.
//!
//! Without risk aversion or noise `kappa` is 0 and the trajectory is a straight line: time-weighted. The more risk is disliked, the more is
//! traded early.
//!
//! Source: Almgren and Chriss (2000), Optimal execution of portfolio transactions, Journal of Risk 3(2), 5-39, equations 16 to 20.

use super::slices::{Share, Slice};
use domain::{ImpactModel, Nanos};

/// The share that is filled by the end of a slice.
#[must_use]
pub fn share(model: &ImpactModel, over: Nanos, slices: u16, slice: Slice) -> Share {
    /// Fractions are counted in this many parts.
    const PARTS: f64 = 9_007_199_254_740_992.0;
    let left = remaining(model, over, slices, slice.number).clamp(0.0, 1.0);
    // Not a number cannot come of a model that was held to its ranges; should it, all is due rather than nothing.
    let done = if left.is_nan() { 1.0 } else { 1.0 - left };
    ((done * PARTS) as u128, PARTS as u128)
}

/// What is left of the whole after slice `j` of `slices`, as a fraction.
///
/// - `model`: units as [`ImpactModel`] says, held to its ranges.
/// - `over`: the whole span `T`.
#[must_use]
pub fn remaining(model: &ImpactModel, over: Nanos, slices: u16, j: u64) -> f64 {
    let n = f64::from(slices.max(1));
    let j = (j as f64).min(n);
    let step = kappa_tau(model, over, slices);
    // Below this the hyperbolic sines are straight lines to the last bit.
    if step * n < 1e-8 {
        return (n - j) / n;
    }
    let (left, whole) = (step * (n - j), step * n);
    // sinh a / sinh b = e^(a - b) (1 - e^(-2a)) / (1 - e^(-2b)): large arguments do not overflow.
    libm::exp(left - whole) * libm::expm1(-2.0 * left) / libm::expm1(-2.0 * whole)
}

/// `kappa tau`, how much the trajectory bends in one slice: `2 asinh(sqrt(lambda sigma^2 / (eta - gamma tau / 2)) tau / 2)`, which is the
/// equation for `kappa` solved with `cosh x - 1 = 2 sinh^2(x / 2)`.
fn kappa_tau(model: &ImpactModel, over: Nanos, slices: u16) -> f64 {
    let tau = over.0 as f64 / 1e9 / f64::from(slices.max(1));
    let eta = model.temporary - model.permanent * tau / 2.0;
    let variance = model.volatility * model.volatility;
    2.0 * libm::asinh(libm::sqrt(model.risk_aversion * variance / eta) * tau / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: ImpactModel = ImpactModel { risk_aversion: 1e-6, volatility: 4.0, temporary: 300.0, permanent: 0.01 };

    /// Expected cost plus risk aversion times variance of selling `n[0..]` one slice after the other, straight from the definitions: each
    /// part is hit by its own temporary impact, all that is held later by every permanent one and by the noise.
    fn utility(model: &ImpactModel, tau: f64, parts: &[f64]) -> f64 {
        let (mut left, mut moved, mut cost, mut variance) = (parts.iter().sum::<f64>(), 0.0, 0.0, 0.0);
        for part in parts {
            cost += part * (moved + model.temporary * part / tau);
            moved += model.permanent * part;
            left -= part;
            variance += model.volatility * model.volatility * tau * left * left;
        }
        cost + model.risk_aversion * variance
    }

    /// The least of it, by moving quantity between every pair of slices until that no longer helps. A pair's best move is found from three
    /// values, for the utility is a parabola along it.
    fn minimised(model: &ImpactModel, tau: f64, slices: usize) -> Vec<f64> {
        let mut parts = vec![1.0 / slices as f64; slices];
        for _ in 0..4_000 {
            for a in 0..slices {
                for b in 0..a {
                    let at = |by: f64| {
                        let mut moved = parts.clone();
                        (moved[a], moved[b]) = (moved[a] + by, moved[b] - by);
                        utility(model, tau, &moved)
                    };
                    let h = 1e-3;
                    let (low, here, high) = (at(-h), at(0.0), at(h));
                    let step = h * (low - high) / (2.0 * (low - 2.0 * here + high));
                    (parts[a], parts[b]) = (parts[a] + step, parts[b] - step);
                }
            }
        }
        parts
    }

    #[test]
    fn the_trajectory_is_the_least_of_cost_and_risk() {
        let over = Nanos::from_secs(3_600);
        for (aversion, slices) in [(1e-7, 5u16), (1e-6, 6), (1e-5, 4), (1e-4, 7)] {
            // Permanent impact large enough to matter within a slice.
            let model = ImpactModel { risk_aversion: aversion, permanent: 0.1, ..MODEL };
            let tau = 3_600.0 / f64::from(slices);
            let mut left = 1.0;
            for (j, part) in minimised(&model, tau, usize::from(slices)).iter().enumerate() {
                left -= part;
                let formula = remaining(&model, over, slices, j as u64 + 1);
                assert!((formula - left).abs() < 1e-6, "{aversion}, slice {j}: {formula} against {left}");
            }
        }
    }

    #[test]
    fn the_papers_own_example() {
        // The example with which the paper draws its trajectories: 10^6 shares over 5 days in 5 slices, sigma 0.95 $ per square root of a day, gamma
        // 2.5e-7, eta 2.5e-6, lambda 1e-6 give kappa of about 0.6 per day. In our units a day is 86,400 s.
        let day = 86_400.0_f64;
        let model = ImpactModel {
            risk_aversion: 1e-6,
            volatility: 0.95 / libm::sqrt(day),
            temporary: 2.5e-6 * day,
            permanent: 2.5e-7,
        };
        let kappa = kappa_tau(&model, Nanos::from_secs(5 * 86_400), 5);
        assert!((kappa - 0.607).abs() < 0.005, "{kappa}");
        let left: Vec<f64> = (0..=5).map(|j| remaining(&model, Nanos::from_secs(5 * 86_400), 5, j)).collect();
        assert!((left[0] - 1.0).abs() < 1e-15 && left[5] == 0.0, "{left:?}");
        let plain = |x: f64| (libm::exp(x) - libm::exp(-x)) / 2.0;
        for (j, left) in left.iter().enumerate() {
            let formula = plain(kappa * (5.0 - j as f64)) / plain(kappa * 5.0);
            assert!((left - formula).abs() < 1e-14, "{j}: {left} against {formula}");
        }
    }

    #[test]
    fn without_risk_aversion_it_is_a_straight_line_and_with_much_of_it_all_goes_at_once() {
        let over = Nanos::from_secs(600);
        for (aversion, volatility) in [(0.0, 4.0), (1e-6, 0.0), (1e-30, 4.0)] {
            let model = ImpactModel { risk_aversion: aversion, volatility, ..MODEL };
            for j in 0..=10u32 {
                let line = 1.0 - f64::from(j) / 10.0;
                assert!((remaining(&model, over, 10, u64::from(j)) - line).abs() < 1e-12, "{aversion} {j}");
            }
        }
        let afraid = ImpactModel { risk_aversion: 1e12, ..MODEL };
        assert!(remaining(&afraid, over, 10, 1) < 1e-6);
        // More aversion never leaves more.
        for j in 1..10 {
            let mut before = 1.0;
            for exponent in -9..3 {
                let model = ImpactModel { risk_aversion: libm::pow(10.0, f64::from(exponent)), ..MODEL };
                let left = remaining(&model, over, 10, j);
                assert!(left <= before + 1e-15, "{j} {exponent}: {left} after {before}");
                before = left;
            }
        }
    }
}
