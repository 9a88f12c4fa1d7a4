//! Pearson correlation of two series, over a whole sample or the latest pairs.
//!
//! In:  pairs of returns; out: the correlation that `risk` compares with its limit. Sums run from the oldest pair to the newest,
//! so equal windows give equal bits whatever came before them.

use crate::error::ParameterError;
use crate::state::state;

/// Mean and centred sums of a sample of pairs.
struct Centred {
    count: usize,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl Centred {
    /// Two passes: means first, then products of differences from them.
    fn of(pairs: impl Iterator<Item = (f64, f64)> + Clone) -> Self {
        let (mut count, mut sum_x, mut sum_y) = (0_usize, 0.0, 0.0);
        for (x, y) in pairs.clone() {
            count += 1;
            sum_x += x;
            sum_y += y;
        }
        let n = count.max(1) as f64;
        let (mean_x, mean_y) = (sum_x / n, sum_y / n);
        let mut centred = Self { count, xx: 0.0, yy: 0.0, xy: 0.0 };
        for (x, y) in pairs {
            let (dx, dy) = (x - mean_x, y - mean_y);
            centred.xx += dx * dx;
            centred.yy += dy * dy;
            centred.xy += dx * dy;
        }
        centred
    }

    fn correlation(&self) -> Option<f64> {
        let scale = self.xx.sqrt() * self.yy.sqrt();
        // Rounding may put a perfect correlation a unit beyond 1. A scale that is zero or not finite has no correlation.
        (self.count > 1 && scale > 0.0 && scale.is_finite()).then(|| (self.xy / scale).clamp(-1.0, 1.0))
    }
}

/// Correlation of two samples: `sum(dx dy) / sqrt(sum(dx^2) sum(dy^2))`, with `dx`, `dy` the differences from the means.
///
/// The shorter length counts. `None` under two pairs or where a series does not move.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    Centred::of(x.iter().copied().zip(y.iter().copied())).correlation()
}

/// Covariance of two samples with divisor `n - 1`; the shorter length counts. `None` under two pairs.
#[must_use]
pub fn covariance(x: &[f64], y: &[f64]) -> Option<f64> {
    let centred = Centred::of(x.iter().copied().zip(y.iter().copied()));
    (centred.count > 1).then(|| centred.xy / (centred.count - 1) as f64)
}

/// Correlation of the latest pairs.
///
/// Taking a pair is constant time; the correlation is computed when asked for, in time proportional to the window. It
/// carries no running sums, so it cannot drift. `None` while fewer than `count_min` pairs are held, or where a series does not
/// move: unknown is not zero.
#[derive(Clone, Debug)]
pub struct RollingCorrelation {
    window: usize,
    count_min: usize,
    pairs: Box<[[f64; 2]]>,
    next: usize,
    held: usize,
}
state!(
    RollingCorrelation, 1, fixed [window, count_min], moving [pairs, next, held],
    valid |c| c.next < c.window && c.held <= c.window && (c.held == c.window || c.held == c.next)
);

impl RollingCorrelation {
    /// Over the latest `window` pairs, answering from `count_min` pairs on.
    ///
    /// # Errors
    /// [`ParameterError`] unless `2 <= window <= 100000` and `2 <= count_min <= window`.
    pub fn new(window: usize, count_min: usize) -> Result<Self, ParameterError> {
        let window = ParameterError::check_count("window", window, 2, crate::indicator::PERIOD_MAX)?;
        let count_min = ParameterError::check_count("count_min", count_min, 2, window)?;
        Ok(Self { window, count_min, pairs: vec![[0.0; 2]; window].into(), next: 0, held: 0 })
    }

    /// Takes the next pair; both must be finite.
    #[inline]
    pub fn push(&mut self, x: f64, y: f64) {
        // `next < window` holds from construction, after every push and after loading.
        self.pairs[self.next] = [x, y];
        self.next += 1;
        if self.next == self.window {
            self.next = 0;
        }
        self.held = (self.held + 1).min(self.window);
    }

    /// How many pairs are held, at most the window.
    #[must_use]
    pub fn count(&self) -> usize {
        self.held
    }

    /// Correlation of the pairs held.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        if self.held < self.count_min {
            return None;
        }
        self.centred().correlation()
    }

    /// Covariance of the pairs held, divisor `n - 1`.
    #[must_use]
    pub fn covariance(&self) -> Option<f64> {
        if self.held < self.count_min {
            return None;
        }
        let centred = self.centred();
        Some(centred.xy / (centred.count - 1) as f64)
    }

    /// Forgets every pair.
    pub fn reset(&mut self) {
        self.next = 0;
        self.held = 0;
    }

    fn centred(&self) -> Centred {
        let (newer, older) = self.pairs.split_at(self.next);
        // Before the window is full, what lies behind `next` was never written.
        let older = if self.held == self.window { older } else { &[] };
        Centred::of(older.iter().chain(newer).map(|&[x, y]| (x, y)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfect_opposite_and_unknown() {
        let x = [1.0, 2.0, 3.0, 4.0];
        assert!((pearson(&x, &[2.0, 4.0, 6.0, 8.0]).unwrap() - 1.0).abs() < 1e-15);
        assert!((pearson(&x, &[4.0, 3.0, 2.0, 1.0]).unwrap() + 1.0).abs() < 1e-15);
        assert_eq!(pearson(&x, &[5.0; 4]), None);
        assert_eq!(pearson(&x[..1], &x[..1]), None);
        assert_eq!(covariance(&x, &[2.0, 4.0, 6.0, 8.0]), Some(10.0 / 3.0));
    }

    #[test]
    fn the_window_forgets_and_equals_the_plain_form_bit_for_bit() {
        let xs: Vec<f64> = (0..300).map(|i| f64::from((i * 7919) % 613) / 613.0).collect();
        let ys: Vec<f64> = (0..300).map(|i| f64::from((i * 104_729) % 997) / 997.0).collect();
        let mut rolling = RollingCorrelation::new(100, 80).unwrap();
        for t in 0..300 {
            rolling.push(xs[t], ys[t]);
            let from = (t + 1).saturating_sub(100);
            let expected = if t + 1 < 80 { None } else { pearson(&xs[from..=t], &ys[from..=t]) };
            assert_eq!(rolling.correlation(), expected, "t {t}");
            assert_eq!(rolling.count(), (t + 1).min(100));
        }
        rolling.reset();
        assert_eq!(rolling.correlation(), None);
    }
}
