//! Drawdown of an equity series.

use crate::state::state;

/// Follows an equity series and its highest value so far.
///
/// `drawdown[t] = equity[t] / max(equity[0..=t]) - 1`, zero or negative. Until an equity above zero has been seen there is no
/// peak to fall from, and the drawdown is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DrawdownTracker {
    peak: f64,
    drawdown: f64,
    deepest: f64,
    below: usize,
    longest: usize,
}
state!(DrawdownTracker, 1, fixed [], moving [peak, drawdown, deepest, below, longest]);

impl DrawdownTracker {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next equity, which must be finite, and answers the drawdown there.
    #[inline]
    pub fn update(&mut self, equity: f64) -> f64 {
        if equity >= self.peak {
            self.peak = equity;
            self.drawdown = 0.0;
            self.below = 0;
        } else if self.peak > 0.0 {
            self.drawdown = equity / self.peak - 1.0;
            if self.drawdown < self.deepest {
                self.deepest = self.drawdown;
            }
            // A fall smaller than the rounding of the ratio is none.
            self.below = if self.drawdown < 0.0 { self.below + 1 } else { 0 };
            self.longest = self.longest.max(self.below);
        }
        self.drawdown
    }

    /// Highest equity so far, 0 before a positive one.
    #[must_use]
    pub fn peak(&self) -> f64 {
        self.peak
    }

    /// Drawdown at the latest equity: zero or a negative fraction.
    #[must_use]
    pub fn drawdown(&self) -> f64 {
        self.drawdown
    }

    /// Deepest drawdown so far: zero or a negative fraction.
    #[must_use]
    pub fn max_drawdown(&self) -> f64 {
        self.deepest
    }

    /// How many of the latest values in a row lie below the peak.
    #[must_use]
    pub fn points_below_peak(&self) -> usize {
        self.below
    }

    /// Longest run of consecutive values below their peak.
    #[must_use]
    pub fn longest_points(&self) -> usize {
        self.longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_duration() {
        let mut tracker = DrawdownTracker::new();
        let drawdowns: Vec<f64> =
            [100.0, 120.0, 90.0, 105.0, 121.0, 60.5].into_iter().map(|e| tracker.update(e)).collect();
        assert_eq!(drawdowns, [0.0, 0.0, -0.25, -0.125, 0.0, -0.5]);
        assert_eq!((tracker.max_drawdown(), tracker.peak()), (-0.5, 121.0));
        assert_eq!((tracker.points_below_peak(), tracker.longest_points()), (1, 2));
    }

    #[test]
    fn without_a_positive_peak_nothing_falls() {
        let mut tracker = DrawdownTracker::new();
        assert_eq!(tracker.update(-5.0), 0.0);
        assert_eq!(tracker.update(0.0), 0.0);
        assert_eq!(tracker.update(4.0), 0.0);
        assert_eq!(tracker.update(-4.0), -2.0);
    }
}
