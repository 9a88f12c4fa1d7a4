//! True range and its Wilder average.

use super::{Bar, Indicator};
use crate::error::ParameterError;
use crate::indicator::Rma;
use crate::state::state;

/// True range: how far the price went since the previous close.
///
/// `tr[t] = max(high - low, |high - close[t-1]|, |low - close[t-1]|)`; reads high, low and close; lookback 1: the first bar
/// has no previous close and no answer.
#[derive(Clone, Debug, Default)]
pub struct TrueRange {
    close: Option<f64>,
}
state!(TrueRange, 1, fixed [], moving [close]);

impl TrueRange {
    /// Without parameters.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Indicator for TrueRange {
    type Input = Bar;
    type Output = f64;
    fn lookback(&self) -> usize {
        1
    }
    #[inline]
    fn update(&mut self, bar: Bar) -> Option<f64> {
        let close = self.close.replace(bar.close)?;
        let mut widest = bar.high - bar.low;
        for gap in [(bar.high - close).abs(), (bar.low - close).abs()] {
            if gap > widest {
                widest = gap;
            }
        }
        Some(widest)
    }
    fn reset(&mut self) {
        self.close = None;
    }
}

/// Average true range: Wilder's average of the true range, in units of the price.
///
/// `atr[t] = (atr[t-1] (period - 1) + tr[t]) / period`, seeded with the mean of `tr[1..=period]`; lookback `period`.
///
/// Source: Wilder (1978), New Concepts in Technical Trading Systems.
#[derive(Clone, Debug)]
pub struct Atr {
    range: TrueRange,
    mean: Rma,
}
state!(Atr, 1, fixed [], moving [range, mean]);

impl Atr {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        Ok(Self { range: TrueRange::new(), mean: Rma::new(period)? })
    }
}

impl Indicator for Atr {
    type Input = Bar;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.range.lookback() + self.mean.lookback()
    }
    #[inline]
    fn update(&mut self, bar: Bar) -> Option<f64> {
        let range = self.range.update(bar)?;
        self.mean.update(range)
    }
    fn reset(&mut self) {
        self.range.reset();
        self.mean.reset();
    }
}

/// Average true range as a percentage of the close: `100 atr / close`, 0 where the close is 0; lookback `period`.
#[derive(Clone, Debug)]
pub struct Natr {
    atr: Atr,
}
state!(Natr, 1, fixed [], moving [atr]);

impl Natr {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        Ok(Self { atr: Atr::new(period)? })
    }
}

impl Indicator for Natr {
    type Input = Bar;
    type Output = f64;
    fn lookback(&self) -> usize {
        self.atr.lookback()
    }
    #[inline]
    fn update(&mut self, bar: Bar) -> Option<f64> {
        let atr = self.atr.update(bar)?;
        Some(if bar.close == 0.0 { 0.0 } else { atr / bar.close * 100.0 })
    }
    fn reset(&mut self) {
        self.atr.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(high: f64, low: f64, close: f64) -> Bar {
        Bar { high, low, close, ..Bar::default() }
    }

    #[test]
    fn a_gap_belongs_to_the_true_range() {
        let mut range = TrueRange::new();
        let bars = [bar(10.0, 9.0, 9.5), bar(13.0, 12.0, 12.5), bar(11.0, 10.5, 11.0), bar(14.0, 10.0, 12.0)];
        assert_eq!(range.batch(&bars), [None, Some(3.5), Some(2.0), Some(4.0)]);
    }

    #[test]
    fn atr_averages_by_wilder() {
        let mut atr = Atr::new(2).unwrap();
        let bars = [bar(10.0, 9.0, 9.5), bar(13.0, 12.0, 12.5), bar(11.0, 10.5, 11.0), bar(14.0, 10.0, 12.0)];
        assert_eq!(atr.batch(&bars), [None, None, Some(2.75), Some(3.375)]);
        let mut natr = Natr::new(2).unwrap();
        assert_eq!(natr.batch(&bars)[2], Some(25.0));
    }
}
