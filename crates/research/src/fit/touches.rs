//! How often a resting limit order was filled when the market just touched its price.
//!
//! In:  for every price row (bar, trade) during which an order rested: whether the market came to its price exactly or beyond it, and
//! whether it was filled then. Out: [`Touches`].
//!
//! What candles can tell: a bar whose extreme equals the limit was a touch, and the share of touches that filled is the probability that a
//! simulated venue should give them. What they cannot: the place in the queue, and what traded at the price, so that the share is an average over
//! queues and says nothing of a single order.

use quant::stats::binomial_interval;
use serde::{Deserialize, Serialize};

/// Touches and what came of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Touches {
    /// Rows in which the market's best came to the limit and no further.
    pub touched: u64,
    /// Those in which the order was filled.
    pub touched_filled: u64,
    /// Rows in which the market went beyond the limit.
    pub through: u64,
    /// Those in which the order was filled.
    pub through_filled: u64,
    /// Share of touches that filled; `None` without one.
    pub share: Option<f64>,
    /// Exact 95 % interval of the probability behind it (Clopper-Pearson).
    pub interval: Option<(f64, f64)>,
}

/// Counts rows: whether the market went beyond the limit (else it touched it), and whether the order was filled.
pub fn touches(rows: impl IntoIterator<Item = (bool, bool)>) -> Touches {
    let mut t = Touches { touched: 0, touched_filled: 0, through: 0, through_filled: 0, share: None, interval: None };
    for (beyond, filled) in rows {
        let (all, hits) =
            if beyond { (&mut t.through, &mut t.through_filled) } else { (&mut t.touched, &mut t.touched_filled) };
        *all += 1;
        *hits += u64::from(filled);
    }
    t.share = (t.touched > 0).then(|| t.touched_filled as f64 / t.touched as f64);
    t.interval = binomial_interval(t.touched_filled, t.touched, 0.95);
    t
}

impl Touches {
    /// The setting that comes nearest: whether a touch fills. `None` while the interval has one half inside.
    #[must_use]
    pub fn fills(&self) -> Option<bool> {
        let (low, high) = self.interval?;
        if low > 0.5 {
            Some(true)
        } else if high < 0.5 {
            Some(false)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_exact_intervals_and_few_touches_decide_nothing() {
        let t = touches([(false, true), (false, false), (true, true), (false, false)]);
        assert_eq!((t.touched, t.touched_filled, t.through, t.through_filled), (3, 1, 1, 1));
        assert!((t.share.unwrap() - 1.0 / 3.0).abs() < 1e-15);
        assert_eq!(t.fills(), None);
        assert_eq!(touches((0..20).map(|_| (false, false))).fills(), Some(false));
        assert_eq!(touches((0..20).map(|_| (false, true))).fills(), Some(true));
        let none = touches([(true, true)]);
        assert_eq!((none.share, none.interval, none.fills()), (None, None, None));
    }
}
