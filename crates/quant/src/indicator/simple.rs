//! Moving averages with a finite window: simple, weighted, triangular, Hull.
//!
//! All rest on [`crate::window`], whose sums do not drift. Averages that never forget stand in `exponential`.

use super::{Indicator, period};
use crate::error::ParameterError;
use crate::state::state;
use crate::window::{WindowSum, WindowWeighted};

/// Simple moving average: the mean of the last `period` values.
///
/// `sma[t] = (x[t-period+1] + ... + x[t]) / period`; lookback `period - 1`. The error is at most `period` rounding units
/// of the mean absolute value in the window, after ten values or ten million: see [`crate::window`].
#[derive(Clone, Debug)]
pub struct Sma {
    period: usize,
    divisor: f64,
    sum: WindowSum,
}
state!(Sma, 1, fixed[period], moving[sum]);

impl Sma {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 1)?;
        Ok(Self { period, divisor: period as f64, sum: WindowSum::new(period) })
    }
}

impl Indicator for Sma {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.period - 1
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        Some(self.sum.push(x)? / self.divisor)
    }
    fn reset(&mut self) {
        self.sum.reset();
    }
}

/// Linearly weighted moving average: the newest value counts `period` times, the oldest once.
///
/// `wma[t] = sum(k * x[t-period+k], k = 1..period) / (period (period + 1) / 2)`; lookback `period - 1`.
#[derive(Clone, Debug)]
pub struct Wma {
    period: usize,
    divisor: f64,
    sum: WindowWeighted,
}
state!(Wma, 1, fixed[period], moving[sum]);

impl Wma {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 1)?;
        let divisor = period as f64 * (period as f64 + 1.0) / 2.0;
        Ok(Self { period, divisor, sum: WindowWeighted::new(period) })
    }
}

impl Indicator for Wma {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.period - 1
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        Some(self.sum.push(x)? / self.divisor)
    }
    fn reset(&mut self) {
        self.sum.reset();
    }
}

/// Triangular moving average: a simple average of a simple average, so that the middle of the window weighs most.
///
/// `trima = SMA(SMA(x, a), b)` with `a = b = (period + 1) / 2` for an odd period, `a = period / 2 + 1`, `b = period / 2`
/// for an even one; lookback `period - 1`.
#[derive(Clone, Debug)]
pub struct Trima {
    period: usize,
    divisor: f64,
    inner: WindowSum,
    outer: WindowSum,
}
state!(Trima, 1, fixed [period], moving [inner, outer]);

impl Trima {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 1)?;
        let (a, b) = (period / 2 + 1, period.div_ceil(2));
        Ok(Self { period, divisor: a as f64 * b as f64, inner: WindowSum::new(a), outer: WindowSum::new(b) })
    }
}

impl Indicator for Trima {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.period - 1
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        let inner = self.inner.push(x)?;
        Some(self.outer.push(inner)? / self.divisor)
    }
    fn reset(&mut self) {
        self.inner.reset();
        self.outer.reset();
    }
}

/// Hull moving average: a weighted average that takes most of its own lag back.
///
/// `hma = WMA(2 WMA(x, period/2) - WMA(x, period), floor(sqrt(period)))`, halves rounded down;
/// lookback `period - 1 + floor(sqrt(period)) - 1`.
#[derive(Clone, Debug)]
pub struct Hma {
    period: usize,
    half: Wma,
    whole: Wma,
    smooth: Wma,
}
state!(Hma, 1, fixed [period], moving [half, whole, smooth]);

impl Hma {
    /// # Errors
    /// [`ParameterError`] unless `2 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 2)?;
        Ok(Self { period, half: Wma::new(period / 2)?, whole: Wma::new(period)?, smooth: Wma::new(period.isqrt())? })
    }
}

impl Indicator for Hma {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.whole.lookback() + self.smooth.lookback()
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        // Both take every value; the half-length one is defined earlier and waits for the other.
        let half = self.half.update(x);
        let whole = self.whole.update(x)?;
        self.smooth.update(2.0 * half? - whole)
    }
    fn reset(&mut self) {
        self.half.reset();
        self.whole.reset();
        self.smooth.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sma_of_a_short_series() {
        let mut sma = Sma::new(3).unwrap();
        assert_eq!(sma.batch(&[1.0, 2.0, 6.0, 4.0]), [None, None, Some(3.0), Some(4.0)]);
        assert!(Sma::new(0).is_err());
        assert!(Sma::new(PERIOD_TOO_LONG).is_err());
    }
    const PERIOD_TOO_LONG: usize = super::super::PERIOD_MAX + 1;

    #[test]
    fn wma_weighs_the_newest_most() {
        let mut wma = Wma::new(3).unwrap();
        assert_eq!(wma.batch(&[6.0, 6.0, 12.0]), [None, None, Some(9.0)]);
    }

    #[test]
    fn trima_weights_are_triangular() {
        // Period 5: weights 1 2 3 2 1 over 9; period 4: 1 2 2 1 over 6.
        let mut five = Trima::new(5).unwrap();
        assert_eq!(five.batch(&[0.0, 0.0, 9.0, 0.0, 0.0]).last(), Some(&Some(3.0)));
        let mut four = Trima::new(4).unwrap();
        assert_eq!(four.batch(&[6.0, 0.0, 0.0, 0.0]).last(), Some(&Some(1.0)));
    }

    /// Ten million prices around 60,000: the average stays within the stated bound of the exact window mean.
    #[test]
    fn sma_does_not_drift_over_ten_million_points() {
        const PERIOD: usize = 50;
        const COUNT: u64 = 10_000_000;
        // Window sums of the mantissas are exact in i64; the prices are thirds of them, so that every addition rounds.
        let mantissa = |t: u64| {
            let mix = (t ^ 0x9E37_79B9).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            (60_000 << 7) + (mix >> 44) as i64 % 300_000
        };
        let mut sma = Sma::new(PERIOD).unwrap();
        let mut exact = 0_i64;
        // A price of 1e15 goes through the window once and must leave nothing behind.
        let spike = 1000_u64;
        let mut worst = 0.0_f64;
        for t in 0..COUNT {
            let price = if t == spike { 1e15 } else { mantissa(t) as f64 / 128.0 / 3.0 };
            let answer = sma.update(price);
            exact += mantissa(t);
            if t >= PERIOD as u64 {
                exact -= mantissa(t - PERIOD as u64);
            }
            if t >= spike + PERIOD as u64 {
                let mean = exact as f64 / 128.0 / 3.0 / PERIOD as f64;
                worst = worst.max((answer.unwrap() - mean).abs() / mean);
            }
        }
        let bound = (PERIOD as f64 + 4.0) * f64::EPSILON / 2.0;
        assert!(worst <= bound, "relative error {worst:e} above {bound:e}");
    }
}
