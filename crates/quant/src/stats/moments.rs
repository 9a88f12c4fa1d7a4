//! Running mean and variance.

use crate::state::state;

/// Mean and variance of a stream, one value at a time.
///
/// `mean += (x - mean) / n`, `m2 += (x - mean_before) (x - mean)`: no difference of large sums is taken, so returns of
/// 1e-6 around 1e-3 keep their digits. A constant stream has variance exactly 0.
///
/// Source: Welford (1962), Technometrics 4(3), 419-420.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    count: usize,
    mean: f64,
    m2: f64,
}
state!(Moments, 1, fixed [], moving [count, mean, m2]);

impl Moments {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next value, which must be finite.
    #[inline]
    pub fn push(&mut self, x: f64) {
        self.count += 1;
        let before = x - self.mean;
        self.mean += before / self.count as f64;
        self.m2 += before * (x - self.mean);
    }

    /// How many values were taken.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Mean; `None` before the first value.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Variance with divisor `n - 1`; `None` under two values.
    #[must_use]
    pub fn variance(&self) -> Option<f64> {
        (self.count > 1).then(|| self.m2 / (self.count - 1) as f64)
    }

    /// Square root of [`Moments::variance`].
    #[must_use]
    pub fn standard_deviation(&self) -> Option<f64> {
        self.variance().map(f64::sqrt)
    }
}

impl Extend<f64> for Moments {
    fn extend<T: IntoIterator<Item = f64>>(&mut self, values: T) {
        values.into_iter().for_each(|x| self.push(x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_sample() {
        let mut moments = Moments::new();
        assert_eq!((moments.mean(), moments.variance()), (None, None));
        moments.extend([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert_eq!(moments.mean(), Some(5.0));
        assert!((moments.variance().unwrap() - 32.0 / 7.0).abs() < 1e-14);
    }

    #[test]
    fn a_large_offset_costs_no_digits() {
        let mut moments = Moments::new();
        moments.extend([1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]);
        assert_eq!(moments.variance(), Some(30.0));
        let mut flat = Moments::new();
        flat.extend([0.1; 1000]);
        assert_eq!(flat.variance(), Some(0.0));
    }
}
