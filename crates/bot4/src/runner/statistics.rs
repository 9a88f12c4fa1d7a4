//! Statistics of an account's value in time, in doubles: drawdown over all samples, returns by UTC day, a thinned curve for reports, and
//! what buying and holding would have made of the same money.

use domain::time::{NANOS_PER_DAY, NANOS_PER_HOUR};
use domain::{InstrumentIdx, MarketView, UnixNanos};
use quant::stats::{DrawdownTracker, ReturnTracker};

/// Days of a year for annual figures: markets that never close.
pub const DAYS_PER_YEAR: f64 = 365.0;

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EquityPoint {
    /// When.
    pub ts: UnixNanos,
    /// The account's value.
    pub equity: f64,
    /// What buying and holding is worth; NaN while no instrument has a price.
    pub hold: f64,
}

/// What is held by the comparison: equal money in each instrument at its first price, that instrument's fee paid.
#[derive(Clone, Debug)]
struct Hold {
    cash_each: f64,
    legs: Vec<Leg>,
    drawdown: DrawdownTracker,
    last: f64,
}

/// One instrument of the comparison.
#[derive(Clone, Debug)]
struct Leg {
    idx: InstrumentIdx,
    /// A price's mantissa is divided by this.
    divisor: f64,
    /// Share of the money that is left to buy with when the fee comes on top.
    keep_after_fee: f64,
    /// Once bought.
    quantity: Option<f64>,
}

/// Follows an account's value.
#[derive(Clone, Debug)]
pub struct EquityStatistics {
    drawdown: DrawdownTracker,
    daily: ReturnTracker,
    day: u64,
    /// Where the hour under way ends, in nanoseconds.
    hour_end: u64,
    last: Option<EquityPoint>,
    curve: Option<Vec<EquityPoint>>,
    hold: Option<Hold>,
}

impl EquityStatistics {
    /// Without a curve and without a comparison: what the fastest run needs.
    #[must_use]
    pub fn lean() -> Self {
        Self {
            drawdown: DrawdownTracker::new(),
            daily: ReturnTracker::new(),
            day: u64::MAX,
            hour_end: 0,
            last: None,
            curve: None,
            hold: None,
        }
    }

    /// With a curve of one point an hour, and the comparison with holding `instruments` (number, price decimals, taker fee).
    #[must_use]
    pub fn full(cash: f64, instruments: &[(InstrumentIdx, u8, f64)]) -> Self {
        let n = instruments.len().max(1) as f64;
        let legs = instruments
            .iter()
            .map(|&(idx, decimals, fee)| Leg {
                idx,
                divisor: domain::decimal::POW10_F64[usize::from(decimals.min(18))],
                keep_after_fee: 1.0 / (1.0 + fee),
                quantity: None,
            })
            .collect();
        // The cash is the first peak: the fee of buying is a fall from it.
        let mut drawdown = DrawdownTracker::new();
        drawdown.update(cash);
        let hold = Hold { cash_each: cash / n, legs, drawdown, last: cash };
        Self { curve: Some(Vec::new()), hold: Some(hold), ..Self::lean() }
    }

    /// Takes the account's value at a time when all market events of that time are in.
    #[inline]
    pub fn push(&mut self, ts: UnixNanos, equity: f64, view: &MarketView) {
        // A bar that closes at midnight belongs to the day that ends there.
        let inside = ts.0.saturating_sub(1);
        if inside >= self.hour_end {
            self.turn(inside);
        }
        // A value that stays the same (nothing is held) neither falls nor rises.
        if self.last.is_none_or(|last| last.equity != equity) {
            self.drawdown.update(equity);
        }
        let hold = match &mut self.hold {
            None => f64::NAN,
            Some(hold) => hold.value(view),
        };
        self.last = Some(EquityPoint { ts, equity, hold });
    }

    /// An hour (and perhaps a day) is over: its last value is a point of the curve (and of the daily returns).
    #[cold]
    fn turn(&mut self, inside: u64) {
        if let Some(last) = self.last {
            if let Some(curve) = &mut self.curve {
                curve.push(last);
            }
            if inside / NANOS_PER_DAY != self.day {
                self.daily.push(last.equity);
            }
        }
        self.hour_end = (inside / NANOS_PER_HOUR + 1).saturating_mul(NANOS_PER_HOUR);
        self.day = inside / NANOS_PER_DAY;
    }

    /// The run is over: what is open of the last hour and day is closed. Call once.
    pub fn finish(&mut self) {
        if let Some(last) = self.last {
            if let Some(curve) = &mut self.curve {
                curve.push(last);
            }
            self.daily.push(last.equity);
        }
    }

    /// Deepest fall from a peak over all samples: zero or a negative fraction.
    #[must_use]
    pub fn max_drawdown(&self) -> f64 {
        self.drawdown.max_drawdown()
    }

    /// Sharpe ratio of UTC-day returns, annualised by the root of 365; `None` under two returns.
    #[must_use]
    pub fn sharpe(&self) -> Option<f64> {
        self.daily.sharpe(DAYS_PER_YEAR)
    }

    /// Annualised volatility of UTC-day returns.
    #[must_use]
    pub fn volatility(&self) -> Option<f64> {
        self.daily.volatility(DAYS_PER_YEAR)
    }

    /// The last value.
    #[must_use]
    pub const fn last(&self) -> Option<EquityPoint> {
        self.last
    }

    /// The curve, if it is kept.
    #[must_use]
    pub fn curve(&self) -> &[EquityPoint] {
        self.curve.as_deref().unwrap_or_default()
    }

    /// What buying and holding ended with, and its deepest drawdown.
    #[must_use]
    pub fn hold(&self) -> Option<(f64, f64)> {
        self.hold.as_ref().map(|hold| (hold.last, hold.drawdown.max_drawdown()))
    }
}

impl Hold {
    fn value(&mut self, view: &MarketView) -> f64 {
        let mut total = 0.0;
        for leg in &mut self.legs {
            total += match (view.mark(leg.idx), leg.quantity) {
                (None, _) => self.cash_each,
                (Some(mark), Some(quantity)) => quantity * (mark as f64 / leg.divisor),
                (Some(mark), None) => {
                    let price = mark as f64 / leg.divisor;
                    let bought = self.cash_each * leg.keep_after_fee / price;
                    leg.quantity = Some(bought);
                    bought * price
                }
            };
        }
        self.drawdown.update(total);
        self.last = total;
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::EventBody;

    fn days(values: &[f64]) -> EquityStatistics {
        let mut statistics = EquityStatistics::lean();
        let view = MarketView::default();
        for (day, value) in values.iter().enumerate() {
            // One sample inside the day and one at its very end, which is the next midnight.
            statistics.push(UnixNanos((day as u64 * 24 + 5) * NANOS_PER_HOUR), value * 2.0, &view);
            statistics.push(UnixNanos((day as u64 + 1) * NANOS_PER_DAY), *value, &view);
        }
        statistics.finish();
        statistics
    }

    #[test]
    fn a_close_at_midnight_belongs_to_the_day_that_ends() {
        let statistics = days(&[100.0, 110.0, 99.0]);
        // Returns +10 % and -10 %: mean 0, so the ratio is 0 up to rounding.
        assert!(statistics.sharpe().unwrap().abs() < 1e-12);
        assert_eq!(days(&[100.0, 110.0]).sharpe(), None, "one return is too few");
    }

    #[test]
    fn the_drawdown_sees_every_sample() {
        assert_eq!(days(&[100.0]).max_drawdown(), -0.5);
    }

    #[test]
    fn holding_buys_each_instrument_once_with_its_fee() {
        let mut table = domain::InstrumentTable::default();
        let a = testkit::add_spot(&mut table, "AUSDT", 2, 2);
        let b = testkit::add_spot(&mut table, "BUSDT", 2, 2);
        let mut view = MarketView::default();
        view.add_instrument(a.idx);
        view.add_instrument(b.idx);
        let mut statistics = EquityStatistics::full(1_000.0, &[(a.idx, 2, 0.25), (b.idx, 2, 1.0)]);
        let mut at = |minute: u64, instrument: &domain::Instrument, price: i64| {
            let ts = UnixNanos((minute + 1) * 60_000_000_000);
            view.apply(ts, &EventBody::Candle(testkit::candle(instrument, minute, [price; 4], 1)));
            statistics.push(ts, 1_000.0, &view);
            statistics.hold().unwrap()
        };
        // 500 buys 4 units at 100 with a quarter of a fee; the other half waits for its price. The fee is a fall from the cash.
        let (bought, fallen) = at(0, &a, 10_000);
        assert_eq!(bought, 900.0);
        assert!((fallen + 0.1).abs() < 1e-12, "{fallen}");
        // The second instrument's own fee is as large as what is bought: 5 units at 50.
        let (bought, fallen) = at(1, &b, 5_000);
        assert_eq!(bought, 650.0);
        assert!((fallen + 0.35).abs() < 1e-12, "{fallen}");
        assert_eq!(at(2, &a, 20_000).0, 1_050.0);
        let (end, drawdown) = at(3, &a, 5_000);
        assert_eq!(end, 450.0);
        assert!((drawdown + 600.0 / 1_050.0).abs() < 1e-12, "{drawdown}");
    }
}
