//! Price channels: the highest high and the lowest low of the last bars.

use super::{Bands, Bar, Indicator, period};
use crate::error::ParameterError;
use crate::state::state;
use crate::window::{WindowMax, WindowMin};

/// Donchian channel: highest high and lowest low of the last `period` bars, the current one included.
///
/// `upper[t] = max(high[t-period+1..=t])`, `lower[t] = min(low[...])`, `middle = (upper + lower) / 2`; reads high and low;
/// lookback `period - 1`. A breakout rule compares the price with the channel of the bar before.
#[derive(Clone, Debug)]
pub struct Donchian {
    period: usize,
    highest: WindowMax,
    lowest: WindowMin,
}
state!(Donchian, 1, fixed [period], moving [highest, lowest]);

impl Donchian {
    /// # Errors
    /// [`ParameterError`] unless `1 <= period <= 100000`.
    pub fn new(period: usize) -> Result<Self, ParameterError> {
        let period = self::period(period, 1)?;
        Ok(Self { period, highest: WindowMax::new(period), lowest: WindowMin::new(period) })
    }
}

impl Indicator for Donchian {
    type Input = Bar;
    type Output = Bands;
    fn lookback(&self) -> usize {
        self.period - 1
    }
    #[inline]
    fn update(&mut self, bar: Bar) -> Option<Bands> {
        let upper = self.highest.push(bar.high);
        let lower = self.lowest.push(bar.low);
        let (upper, lower) = (upper?, lower?);
        Some(Bands { upper, middle: (upper + lower) / 2.0, lower })
    }
    fn reset(&mut self) {
        self.highest.reset();
        self.lowest.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_channel_holds_the_current_bar() {
        let bars =
            [(5.0, 1.0), (4.0, 2.0), (9.0, 3.0), (3.0, 2.5)].map(|(high, low)| Bar { high, low, ..Bar::default() });
        let mut donchian = Donchian::new(2).unwrap();
        let answers = donchian.batch(&bars);
        assert_eq!(answers[0], None);
        assert_eq!(answers[2], Some(Bands { upper: 9.0, middle: 5.5, lower: 2.0 }));
        assert_eq!(answers[3], Some(Bands { upper: 9.0, middle: 5.75, lower: 2.5 }));
    }
}
