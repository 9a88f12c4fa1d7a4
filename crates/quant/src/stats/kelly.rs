//! The Kelly criterion: the fraction of capital that makes it grow fastest.
//!
//! Fractions are never negative here: an edge that is none is staked nothing.

use super::matrix::{self, MatrixError};

/// Safety factor that bot4 sizes with: a quarter of what the criterion says.
pub const SAFETY: f64 = 0.25;

/// Fraction of capital for a bet that wins `win` per unit staked with probability `p` and loses `loss` per unit otherwise:
/// `f = p / loss - (1 - p) / win`, and 0 where that is negative. `None` unless `0 <= p <= 1` and both amounts are positive and finite.
///
/// With `loss = 1` it is `p - (1 - p) / win`. Above 1 it asks for leverage; whoever sizes with it caps it.
///
/// Source: Kelly (1956), Bell System Technical Journal 35, 917-926; with partial losses: Thorp (2006).
#[must_use]
pub fn binary(p: f64, win: f64, loss: f64) -> Option<f64> {
    let amount = |v: f64| v > 0.0 && v.is_finite();
    if !((0.0..=1.0).contains(&p) && amount(win) && amount(loss)) {
        return None;
    }
    let fraction = p / loss - (1.0 - p) / win;
    fraction.is_finite().then_some(fraction.max(0.0))
}

/// Fraction of capital in one asset with mean excess return `mean` and variance `variance` per period: `mean / variance`, and 0 where
/// that is negative. `None` unless the variance is positive and both are finite.
///
/// Source: Merton (1969), Review of Economics and Statistics 51(3); Thorp (2006).
#[must_use]
pub fn continuous(mean: f64, variance: f64) -> Option<f64> {
    if !(variance > 0.0 && mean.is_finite()) {
        return None;
    }
    let fraction = mean / variance;
    fraction.is_finite().then_some(fraction.max(0.0))
}

/// Fractions in several assets, signed and without a cap: the solution of `covariance f = mean - rate`.
///
/// `covariance` is row by row, `n x n`.
///
/// # Errors
/// [`MatrixError`] where the covariance is not positive definite or the sizes do not agree.
pub fn portfolio(mean: &[f64], rate: f64, covariance: &[f64]) -> Result<Vec<f64>, MatrixError> {
    let mut fractions: Vec<f64> = mean.iter().map(|m| m - rate).collect();
    let mut factor = covariance.to_vec();
    matrix::cholesky(&mut factor, mean.len())?;
    matrix::solve(&factor, &mut fractions)?;
    Ok(fractions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn textbook_bets() {
        assert!((binary(0.6, 1.0, 1.0).unwrap() - 0.2).abs() < 1e-15);
        assert!((binary(0.52, 0.03, 0.02).unwrap() - 10.0).abs() < 1e-12);
        assert_eq!(binary(0.3, 1.0, 1.0), Some(0.0), "never negative");
        assert_eq!(continuous(-0.1, 0.04), Some(0.0));
        assert!((continuous(0.05, 0.04).unwrap() - 1.25).abs() < 1e-15);
    }

    #[test]
    fn what_is_no_bet_has_no_fraction() {
        for (p, win, loss) in [
            (-0.1, 1.0, 1.0),
            (1.1, 1.0, 1.0),
            (f64::NAN, 1.0, 1.0),
            (0.5, 0.0, 1.0),
            (0.5, 1.0, 0.0),
            (0.5, -1.0, 1.0),
            (0.5, f64::INFINITY, 1.0),
            (0.5, 1.0, f64::NAN),
            (1.0, 1.0, 1e-320),
        ] {
            assert_eq!(binary(p, win, loss), None, "{p} {win} {loss}");
        }
        assert_eq!(continuous(0.1, 0.0), None);
        assert_eq!(continuous(f64::INFINITY, 1.0), None);
    }
}
