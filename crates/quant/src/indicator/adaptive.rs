//! Kaufman's adaptive moving average. Ehlers' adaptive average stands in `mama`.

use super::{Indicator, period};
use crate::error::ParameterError;
use crate::state::state;
use crate::window::{Delay, WindowSum};

/// Smoothing constants of an EMA of 2 and of 30 bars, between which the average moves.
const FAST: f64 = 2.0 / (2.0 + 1.0);
const SLOW: f64 = 2.0 / (30.0 + 1.0);

/// Kaufman's adaptive moving average: fast where prices go somewhere, slow where they only move.
///
/// `er = |x[t] - x[t-period]| / sum(|x[k] - x[k-1]|)` over the last `period` changes, 1 where nothing moved;
/// `c = (er (2/3 - 2/31) + 2/31)^2`; `kama[t] = kama[t-1] + c (x[t] - kama[t-1])`, begun from the value before the first
/// answer. Lookback `period`. Where rounding would put the ratio of a straight rise above 1 it is 1, as in TA-Lib.
///
/// Source: Kaufman (1995), Smarter Trading.
#[derive(Clone, Debug)]
pub struct Kama {
    period: usize,
    back: Delay,
    path: WindowSum,
    previous: Option<f64>,
    value: Option<f64>,
}
state!(Kama, 1, fixed [period], moving [back, path, previous, value]);

impl Kama {
    /// # Errors
    /// [`ParameterError`] unless `2 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 2)?;
        Ok(Self { period, back: Delay::new(period), path: WindowSum::new(period), previous: None, value: None })
    }
}

impl Indicator for Kama {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.period
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        let back = self.back.push(x);
        let previous = self.previous.replace(x)?;
        let path = self.path.push((x - previous).abs())?;
        let change = x - back?;
        let efficiency = if path <= change || path == 0.0 { 1.0 } else { (change / path).abs() };
        let root = efficiency * (FAST - SLOW) + SLOW;
        let begun = self.value.unwrap_or(previous);
        self.value = Some((x - begun) * (root * root) + begun);
        self.value
    }
    fn reset(&mut self) {
        self.back.reset();
        self.path.reset();
        self.previous = None;
        self.value = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_straight_rise_is_followed_fast_and_a_sawtooth_slowly() {
        let mut kama = Kama::new(4).unwrap();
        let rise: Vec<f64> = (0..5).map(f64::from).collect();
        // Efficiency 1: c = (2/3)^2, from 3 towards 4.
        let answer = kama.batch(&rise)[4].unwrap();
        assert!((answer - (3.0 + 4.0 / 9.0)).abs() < 1e-15);

        let mut kama = Kama::new(4).unwrap();
        let answer = kama.batch(&[1.0, 2.0, 1.0, 2.0, 1.0])[4].unwrap();
        let slow = (2.0_f64 / 31.0) * (2.0 / 31.0);
        assert!((answer - (2.0 - slow)).abs() < 1e-15, "efficiency 0: from 2 towards 1 with the slow constant");
    }
}
