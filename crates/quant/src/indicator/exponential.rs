//! Exponential moving averages: plain, double, triple, Tillson's T3, and Wilder's.
//!
//! Each remembers one number per stage. Seeding is TA-Lib's: the mean of the first `period` values, per stage.

use super::{Indicator, period};
use crate::error::ParameterError;
use crate::state::state;

/// Exponential moving average.
///
/// `ema[t] = ema[t-1] + alpha (x[t] - ema[t-1])`, `alpha = 2 / (period + 1)`, seeded with the mean of the first `period`
/// values; lookback `period - 1`. This form of the recursion gives TA-Lib's reference values bit for bit (4,196 of 4,200;
/// `alpha x + (1 - alpha) ema` gives 166 of them), and an average that has reached a constant series stays on it.
#[derive(Clone, Debug)]
pub struct Ema {
    period: usize,
    alpha: f64,
    /// How many values the seed averages.
    seed: usize,
    /// How many of them are still to come.
    missing: usize,
    /// The average, or while values are missing their sum.
    value: f64,
}
state!(Ema, 1, fixed [period, alpha, seed], moving [missing, value], valid |e| e.missing <= e.seed);

impl Ema {
    /// Seeded with the mean of the first `period` values.
    ///
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 1)?;
        Ok(Self::build(period, period))
    }

    /// Seeded with the first value, as packages do that begin at once (lookback 0; pandas `ewm(span, adjust=False)`).
    ///
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn seeded_by_first(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 1)?;
        Ok(Self::build(period, 1))
    }

    fn build(period: usize, seed: usize) -> Self {
        Self { period, alpha: 2.0 / (period as f64 + 1.0), seed, missing: seed, value: 0.0 }
    }

    /// The present average, without a new value.
    #[must_use]
    #[inline]
    pub fn value(&self) -> Option<f64> {
        (self.missing == 0).then_some(self.value)
    }

    #[cold]
    fn seed(&mut self, x: f64) -> Option<f64> {
        self.value += x;
        self.missing -= 1;
        if self.missing > 0 {
            return None;
        }
        self.value /= self.seed as f64;
        Some(self.value)
    }
}

impl Indicator for Ema {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.seed - 1
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        if self.missing > 0 {
            return self.seed(x);
        }
        self.value += self.alpha * (x - self.value);
        Some(self.value)
    }
    fn reset(&mut self) {
        *self = Self::build(self.period, self.seed);
    }
}

/// Double exponential moving average: `2 EMA(x) - EMA(EMA(x))`; lookback `2 (period - 1)`.
///
/// Source: Mulloy (1994), Technical Analysis of Stocks & Commodities 12(1).
#[derive(Clone, Debug)]
pub struct Dema {
    stages: [Ema; 2],
}
state!(Dema, 1, fixed [], moving [stages]);

impl Dema {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let ema = Ema::new(period)?;
        Ok(Self { stages: [ema.clone(), ema] })
    }
}

impl Indicator for Dema {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.stages.iter().map(Indicator::lookback).sum()
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        let [first, second] = &mut self.stages;
        let once = first.update(x)?;
        let twice = second.update(once)?;
        Some(2.0 * once - twice)
    }
    fn reset(&mut self) {
        self.stages.iter_mut().for_each(Indicator::reset);
    }
}

/// Triple exponential moving average: `3 EMA - 3 EMA(EMA) + EMA(EMA(EMA))`; lookback `3 (period - 1)`.
///
/// Source: Mulloy (1994), Technical Analysis of Stocks & Commodities 12(2).
#[derive(Clone, Debug)]
pub struct Tema {
    stages: [Ema; 3],
}
state!(Tema, 1, fixed [], moving [stages]);

impl Tema {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let ema = Ema::new(period)?;
        Ok(Self { stages: [ema.clone(), ema.clone(), ema] })
    }
}

impl Indicator for Tema {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.stages.iter().map(Indicator::lookback).sum()
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        let [first, second, third] = &mut self.stages;
        let once = first.update(x)?;
        let twice = second.update(once)?;
        let thrice = third.update(twice)?;
        Some(thrice + (3.0 * once - 3.0 * twice))
    }
    fn reset(&mut self) {
        self.stages.iter_mut().for_each(Indicator::reset);
    }
}

/// Tillson's T3: three generalised double averages in a row, `GD(x) = (1 + v) EMA(x) - v EMA(EMA(x))`.
///
/// `t3 = c1 e6 + c2 e5 + c3 e4 + c4 e3` with `ek` the k-fold EMA, `c1 = -v^3`, `c2 = 3 v^2 + 3 v^3`,
/// `c3 = -6 v^2 - 3 v - 3 v^3`, `c4 = 1 + 3 v + v^3 + 3 v^2`; lookback `6 (period - 1)`.
///
/// Source: Tillson (1998), Technical Analysis of Stocks & Commodities 16(1).
#[derive(Clone, Debug)]
pub struct T3 {
    coefficients: [f64; 4],
    stages: [Ema; 6],
}
state!(T3, 1, fixed[coefficients], moving[stages]);

impl T3 {
    /// `vfactor` is the volume factor v: 0 is a triple average, 1 a triple DEMA.
    ///
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000` and `0 <= vfactor <= 1`.
    pub fn new(period: usize, vfactor: f64) -> Result<Self, ParameterError> {
        let v = ParameterError::check_number("vfactor", vfactor, 0.0, 1.0)?;
        let ema = Ema::new(period)?;
        let (square, cube) = (v * v, v * v * v);
        let coefficients =
            [-cube, 3.0 * (square + cube), -6.0 * square - 3.0 * (v + cube), 1.0 + 3.0 * v + cube + 3.0 * square];
        Ok(Self { coefficients, stages: std::array::from_fn(|_| ema.clone()) })
    }
}

impl Indicator for T3 {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.stages.iter().map(Indicator::lookback).sum()
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        let [e1, e2, e3, e4, e5, e6] = &mut self.stages;
        let two = e2.update(e1.update(x)?)?;
        let three = e3.update(two)?;
        let four = e4.update(three)?;
        let five = e5.update(four)?;
        let six = e6.update(five)?;
        let [c1, c2, c3, c4] = self.coefficients;
        Some(c1 * six + c2 * five + c3 * four + c4 * three)
    }
    fn reset(&mut self) {
        self.stages.iter_mut().for_each(Indicator::reset);
    }
}

/// Wilder's running average (RMA, SMMA).
///
/// `rma[t] = (rma[t-1] (period - 1) + x[t]) / period`, seeded with the mean of the first `period` values;
/// lookback `period - 1`. Source: Wilder (1978), New Concepts in Technical Trading Systems.
#[derive(Clone, Debug)]
pub struct Rma {
    period: usize,
    missing: usize,
    /// The average, or while values are missing their sum.
    value: f64,
}
state!(Rma, 1, fixed [period], moving [missing, value], valid |r| r.missing <= r.period);

impl Rma {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 1)?;
        Ok(Self { period, missing: period, value: 0.0 })
    }
}

impl Indicator for Rma {
    type Input = f64;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.period - 1
    }
    #[inline]
    fn update(&mut self, x: f64) -> Option<f64> {
        let n = self.period as f64;
        if self.missing == 0 {
            self.value = (self.value * (n - 1.0) + x) / n;
            return Some(self.value);
        }
        self.value += x;
        self.missing -= 1;
        if self.missing > 0 {
            return None;
        }
        self.value /= n;
        Some(self.value)
    }
    fn reset(&mut self) {
        self.missing = self.period;
        self.value = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ema_is_seeded_by_the_mean_of_the_first_period() {
        let mut ema = Ema::new(3).unwrap();
        assert_eq!(ema.batch(&[1.0, 2.0, 6.0, 5.0]), [None, None, Some(3.0), Some(4.0)]);
        assert_eq!(ema.value(), Some(4.0));
        ema.reset();
        assert_eq!(ema.value(), None);
    }

    #[test]
    fn ema_seeded_by_the_first_value_begins_at_once() {
        let mut ema = Ema::seeded_by_first(3).unwrap();
        assert_eq!(ema.lookback(), 0);
        assert_eq!(ema.batch(&[1.0, 2.0, 6.0]), [Some(1.0), Some(1.5), Some(3.75)]);
    }

    #[test]
    fn a_constant_series_stays_constant() {
        let mut ema = Ema::new(7).unwrap();
        // 0.1 summed seven times and divided is not 0.1 in every rounding, but from the seed on nothing moves.
        let answers = ema.batch(&[0.1; 1000]);
        let seed = answers[6].unwrap();
        assert!((seed - 0.1).abs() < 1e-16);
        let last = answers[999].unwrap();
        assert!((last - 0.1).abs() <= (seed - 0.1).abs());
    }

    #[test]
    fn wilder_average() {
        let mut rma = Rma::new(2).unwrap();
        assert_eq!(rma.batch(&[1.0, 3.0, 6.0, 0.0]), [None, Some(2.0), Some(4.0), Some(2.0)]);
    }

    #[test]
    fn t3_with_factor_zero_is_the_threefold_average() {
        let xs: Vec<f64> = (0..60).map(|i| f64::from((i * 37) % 11)).collect();
        let mut t3 = T3::new(4, 0.0).unwrap();
        let mut stages = [Ema::new(4).unwrap(), Ema::new(4).unwrap(), Ema::new(4).unwrap()];
        for (t, &x) in xs.iter().enumerate() {
            let threefold = stages.iter_mut().try_fold(x, |x, ema| ema.update(x));
            let answer = t3.update(x);
            assert_eq!(answer.is_some(), t >= 18, "lookback 6 * 3");
            if let Some(answer) = answer {
                assert_eq!(Some(answer), threefold);
            }
        }
    }
}
