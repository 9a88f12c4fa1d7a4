//! Drawdowns against expectation: how deep the fall was, and how deep chance alone makes it with the same returns.
//!
//! In:  returns in time order. Out: [`DrawdownCheck`]. What a position does about a drawdown is left to `risk`.

use super::seeded::Seeded;
use quant::stats::DrawdownTracker;
use quant::stats::quantile::sorted_quantile;
use serde::{Deserialize, Serialize};

/// Paths drawn for each reference.
const PATHS: usize = 1_000;
/// Mean length of a block of the stationary bootstrap, in returns.
const BLOCK: f64 = 20.0;

/// Largest drawdowns of many paths of one length: zero or negative fractions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// Half of the paths fall deeper.
    pub median: f64,
    /// One path in twenty falls deeper.
    pub deep: f64,
    /// Share of the paths that fall at least as deep as what was seen.
    pub at_least_as_deep: f64,
}

/// The largest drawdown of a series beside what was to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DrawdownCheck {
    /// Deepest fall from a peak, a negative fraction.
    pub observed: f64,
    /// Longest time below a peak, in returns.
    pub longest: u64,
    /// Independent normal returns of the same mean and standard deviation: what a model without fat tails and trends expects.
    pub normal: Reference,
    /// Blocks of the returns themselves put together anew: fat tails and neighbourhoods stay, the order of events does not.
    pub resampled: Reference,
}

/// Holds the largest drawdown of `returns` against two references of 1,000 seeded paths of the same length each.
///
/// The resampled paths are a stationary bootstrap: blocks of geometric length, 20 returns in the mean, from random places of the series,
/// which is closed to a ring. `None` under two returns, or for one that is not finite.
///
/// Source: Politis, Romano (1994), Journal of the American Statistical Association 89, 1303-1313.
#[must_use]
pub fn drawdown_check(returns: &[f64], seed: u64) -> Option<DrawdownCheck> {
    if returns.len() < 2 || returns.iter().any(|r| !r.is_finite()) {
        return None;
    }
    let seen = fall(returns.iter().copied());
    let n = returns.len() as f64;
    let mean = returns.iter().sum::<f64>() / n;
    let deviation = (returns.iter().map(|r| (r - mean) * (r - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    let mut seeded = Seeded::new(seed);
    let normal = paths(seen.max_drawdown(), |_| {
        fall((0..returns.len()).map(|_| mean + deviation * seeded.normal())).max_drawdown()
    });
    let mut seeded = Seeded::new(seed ^ 0x005E_ED0B_10C5);
    let resampled = paths(seen.max_drawdown(), |_| {
        let mut at = seeded.below(returns.len());
        let path = (0..returns.len()).map(|_| {
            let value = returns[at];
            // A new block begins with probability 1 / mean length.
            at = if seeded.unit() * BLOCK < 1.0 { seeded.below(returns.len()) } else { (at + 1) % returns.len() };
            value
        });
        fall(path).max_drawdown()
    });
    Some(DrawdownCheck { observed: seen.max_drawdown(), longest: seen.longest_points() as u64, normal, resampled })
}

/// Follows a wealth of 1 through returns; one that falls to nothing stays there.
fn fall(returns: impl Iterator<Item = f64>) -> DrawdownTracker {
    let mut tracker = DrawdownTracker::new();
    let mut wealth = 1.0;
    tracker.update(wealth);
    for r in returns {
        wealth = f64::max(wealth * (1.0 + r), 0.0);
        tracker.update(wealth);
    }
    tracker
}

fn paths(seen: f64, mut one: impl FnMut(usize) -> f64) -> Reference {
    let mut falls: Vec<f64> = (0..PATHS).map(&mut one).collect();
    falls.sort_by(f64::total_cmp);
    let deeper = falls.iter().filter(|fall| **fall <= seen).count();
    Reference {
        median: sorted_quantile(&falls, 0.5).unwrap_or_default(),
        deep: sorted_quantile(&falls, 0.05).unwrap_or_default(),
        at_least_as_deep: deeper as f64 / PATHS as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_that_chance_explains_and_falls_that_it_does_not() {
        let mut seeded = Seeded::new(3);
        let noise: Vec<f64> = (0..500).map(|_| 0.01 * seeded.normal()).collect();
        let check = drawdown_check(&noise, 11).unwrap();
        assert!((0.02..0.98).contains(&check.normal.at_least_as_deep), "{check:?}");
        assert!(check.normal.deep < check.normal.median && check.normal.median < 0.0, "{check:?}");
        // The same returns sorted: all losses first.
        let mut sorted = noise;
        sorted.sort_by(f64::total_cmp);
        let sorted = drawdown_check(&sorted, 11).unwrap();
        assert!(sorted.observed < -0.8 && sorted.normal.at_least_as_deep == 0.0, "{sorted:?}");
    }

    /// Without a drift the expected largest drawdown of a random walk is sqrt(pi / 2) times deviation times root of time (Magdon-Ismail
    /// and others, 2004, Journal of Applied Probability 41); small steps keep the wealth near its logarithm.
    #[test]
    fn the_normal_reference_has_the_published_size() {
        let alternating: Vec<f64> = (0..2_000).map(|n| if n % 2 == 0 { 0.001 } else { -0.001 }).collect();
        let check = drawdown_check(&alternating, 5).unwrap();
        let published = -(std::f64::consts::PI / 2.0).sqrt() * 0.001 * 2_000f64.sqrt();
        // The median lies some percent above the mean of a skewed distribution.
        assert!((check.normal.median / published - 0.95).abs() < 0.08, "{check:?} for {published}");
    }

    #[test]
    fn a_seed_is_an_answer_and_bad_returns_have_none() {
        let returns: Vec<f64> = (0..300).map(|n| f64::from((n * 7919) % 613) / 30_000.0 - 0.01).collect();
        assert_eq!(drawdown_check(&returns, 1), drawdown_check(&returns, 1));
        assert_ne!(drawdown_check(&returns, 1), drawdown_check(&returns, 2));
        assert!(drawdown_check(&[0.1], 1).is_none() && drawdown_check(&[0.1, f64::NAN], 1).is_none());
        let ruin = drawdown_check(&[-2.0, 0.5, 0.1], 1).unwrap();
        assert_eq!((ruin.observed, ruin.longest), (-1.0, 3));
    }
}
