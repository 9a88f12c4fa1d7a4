//! Statistics of an account's value in time, in doubles: drawdown over all samples, returns by UTC day, an hourly curve with exposure and
//! hourly bars of the marks for reports, and what buying and holding would have made of the same money.
//!
//! Per sample there is little to do; what a report needs beside is put together when an hour turns. The curve and the bars only grow: a
//! snapshot keeps the rest (`save`, `load`) and how long they were, and they themselves lie in logs of plain records (`runner::record`).

use domain::time::{NANOS_PER_DAY, NANOS_PER_HOUR};
use domain::{Instrument, InstrumentIdx, MarketView, UnixNanos};
use quant::state::{Reader, State, StateError};
use quant::stats::{DrawdownTracker, ReturnTracker};

/// Days of a year for annual figures: markets that never close.
pub const DAYS_PER_YEAR: f64 = 365.0;

/// Up to so many instruments have bars of an hour; more have bars of a day, so that what is kept stays bounded by
/// 40 bytes x 32 instruments x hours.
pub const HOURLY_BARS_MAX: usize = 32;

/// One point of the curve: the last value of an hour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EquityPoint {
    /// When.
    pub ts: UnixNanos,
    /// The account's value.
    pub equity: f64,
    /// What buying and holding is worth; NaN while no instrument has a price.
    pub hold: f64,
    /// The deepest fall from a peak within the hour: zero or a negative fraction.
    pub drawdown: f64,
    /// Sum of the absolute values of the net positions, as a fraction of equity; NaN where the account is worth nothing.
    pub gross: f64,
    /// Sum of the values of the net positions, long less short, as a fraction of equity; NaN where the account is worth nothing.
    pub net: f64,
}

/// The mark of one instrument within an hour (or a day): where it was at the beginning, and what the samples saw of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkBar {
    /// The last sample of the bar.
    pub ts: UnixNanos,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// The mark at the beginning: the last one of the bar before, or the first one there was.
    pub open: i64,
    /// The highest.
    pub high: i64,
    /// The lowest.
    pub low: i64,
    /// The last.
    pub close: i64,
}

/// What is held by the comparison: equal money in each instrument at its first price, that instrument's fee paid.
#[derive(Clone, Debug)]
struct Hold {
    cash_each: f64,
    legs: Vec<Leg>,
    drawdown: DrawdownTracker,
    last: f64,
}

/// One instrument: of the comparison, and as the account has it.
#[derive(Clone, Debug)]
struct Leg {
    idx: InstrumentIdx,
    /// Decimals of its prices.
    decimals: u8,
    /// A price's mantissa is divided by this.
    divisor: f64,
    /// Share of the money that is left to buy with when the fee comes on top.
    keep_after_fee: f64,
    /// Base of one unit of quantity.
    multiplier: f64,
    /// What the comparison holds, once bought.
    quantity: Option<f64>,
    /// What the account holds, signed, in base.
    held: f64,
    /// Beginning, extremes and end of the mark since the last bar.
    open: i64,
    high: i64,
    low: i64,
    close: i64,
}

/// The last sample.
#[derive(Clone, Copy, Debug)]
struct Sample {
    ts: UnixNanos,
    equity: f64,
    hold: f64,
}

/// Follows an account's value.
#[derive(Clone, Debug)]
pub struct EquityStatistics {
    drawdown: DrawdownTracker,
    /// Of the hour under way.
    deepest: f64,
    daily: ReturnTracker,
    day: u64,
    /// Where the hour under way ends, in nanoseconds.
    hour_end: u64,
    last: Option<Sample>,
    hold: Option<Hold>,
    bars_daily: bool,
    curve: Vec<EquityPoint>,
    bars: Vec<MarkBar>,
}

impl EquityStatistics {
    /// Without a curve and without a comparison: what the fastest run needs.
    #[must_use]
    pub fn lean() -> Self {
        Self {
            drawdown: DrawdownTracker::new(),
            deepest: 0.0,
            daily: ReturnTracker::new(),
            day: u64::MAX,
            hour_end: 0,
            last: None,
            hold: None,
            bars_daily: false,
            curve: Vec::new(),
            bars: Vec::new(),
        }
    }

    /// With a curve of one point an hour, bars of the marks, and the comparison with holding these instruments.
    #[must_use]
    pub fn full(cash: f64, instruments: &[Instrument]) -> Self {
        let n = instruments.len().max(1) as f64;
        let legs: Vec<Leg> = instruments
            .iter()
            .map(|i| Leg {
                idx: i.idx,
                decimals: i.price_decimals,
                divisor: domain::decimal::POW10_F64[usize::from(i.price_decimals.min(18))],
                keep_after_fee: 1.0 / (1.0 + i.fee_taker.to_f64()),
                multiplier: i.multiplier.to_f64(),
                quantity: None,
                held: 0.0,
                open: 0,
                high: 0,
                low: 0,
                close: 0,
            })
            .collect();
        // The cash is the first peak: the fee of buying is a fall from it.
        let mut drawdown = DrawdownTracker::new();
        drawdown.update(cash);
        let bars_daily = legs.len() > HOURLY_BARS_MAX;
        let hold = Hold { cash_each: cash / n, legs, drawdown, last: cash };
        Self { hold: Some(hold), bars_daily, ..Self::lean() }
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
            let drawdown = self.drawdown.update(equity);
            if drawdown < self.deepest {
                self.deepest = drawdown;
            }
        }
        let hold = match &mut self.hold {
            None => f64::NAN,
            Some(hold) => hold.value(view),
        };
        self.last = Some(Sample { ts, equity, hold });
    }

    /// What the account holds has changed: the signed net quantity of each instrument from now on.
    #[cold]
    pub fn positions(&mut self, quantity: impl Fn(InstrumentIdx) -> f64) {
        for leg in self.hold.iter_mut().flat_map(|hold| &mut hold.legs) {
            leg.held = quantity(leg.idx) * leg.multiplier;
        }
    }

    /// An hour (and perhaps a day) is over: its last value is a point of the curve (and of the daily returns).
    #[cold]
    fn turn(&mut self, inside: u64) {
        let new_day = inside / NANOS_PER_DAY != self.day;
        self.close(new_day);
        self.hour_end = (inside / NANOS_PER_HOUR + 1).saturating_mul(NANOS_PER_HOUR);
        self.day = inside / NANOS_PER_DAY;
    }

    /// The run is over: what is open of the last hour and day is closed. Call once.
    pub fn finish(&mut self) {
        self.close(true);
    }

    fn close(&mut self, day: bool) {
        let Some(last) = self.last else { return };
        if day {
            self.daily.push(last.equity);
        }
        if let Some(hold) = &mut self.hold {
            let (gross, net) = hold.exposure();
            let share = |value: f64| if last.equity > 0.0 { value / last.equity } else { f64::NAN };
            self.curve.push(EquityPoint {
                ts: last.ts,
                equity: last.equity,
                hold: last.hold,
                drawdown: self.deepest,
                gross: share(gross),
                net: share(net),
            });
            if day || !self.bars_daily {
                self.bars.extend(hold.legs.iter_mut().filter_map(|leg| leg.bar(last.ts)));
            }
        }
        self.deepest = self.drawdown.drawdown();
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

    /// The curve so far, one point for each hour that is over; empty if none is kept.
    #[must_use]
    pub fn curve(&self) -> &[EquityPoint] {
        &self.curve
    }

    /// The bars of the marks so far, those of one hour by instrument; empty if none are kept.
    #[must_use]
    pub fn bars(&self) -> &[MarkBar] {
        &self.bars
    }

    /// Decimals of the bars of an instrument.
    #[must_use]
    pub fn decimals(&self, instrument: InstrumentIdx) -> Option<u8> {
        self.hold.as_ref()?.legs.iter().find(|leg| leg.idx == instrument).map(|leg| leg.decimals)
    }

    /// Puts back the curve that belongs to a state that was loaded.
    pub fn put_back_curve(&mut self, curve: Vec<EquityPoint>) {
        self.curve = curve;
    }

    /// Puts back the bars that belong to a state that was loaded.
    pub fn put_back_bars(&mut self, bars: Vec<MarkBar>) {
        self.bars = bars;
    }

    /// What buying and holding ended with, and its deepest drawdown.
    #[must_use]
    pub fn hold(&self) -> Option<(f64, f64)> {
        self.hold.as_ref().map(|hold| (hold.last, hold.drawdown.max_drawdown()))
    }

    /// Appends what moves, without the curve and the bars.
    pub fn save(&self, out: &mut Vec<u8>) {
        VERSION.write(out);
        self.drawdown.write(out);
        self.deepest.write(out);
        self.daily.write(out);
        self.day.write(out);
        self.hour_end.write(out);
        let last = self.last.unwrap_or(Sample { ts: UnixNanos(0), equity: 0.0, hold: 0.0 });
        self.last.is_some().write(out);
        last.ts.0.write(out);
        [last.equity, last.hold].write(out);
        let legs = self.hold.as_ref().map_or(0, |hold| hold.legs.len());
        legs.write(out);
        let Some(hold) = &self.hold else { return };
        hold.drawdown.write(out);
        hold.last.write(out);
        for leg in &hold.legs {
            leg.quantity.write(out);
            leg.held.write(out);
            [leg.open, leg.high, leg.low, leg.close].map(i64::cast_unsigned).write(out);
        }
    }

    /// Takes in what [`EquityStatistics::save`] wrote, into an object made with the same instruments. The curve and the bars are put back
    /// apart.
    ///
    /// # Errors
    /// [`StateError`] for bytes that end early or belong to other instruments or another version; the object is then of no use.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        const NAME: &str = "EquityStatistics";
        let found = from.u64()?;
        if found != VERSION {
            let found = u8::try_from(found).unwrap_or(u8::MAX);
            return Err(StateError::Version { name: NAME, expected: VERSION as u8, found });
        }
        self.drawdown.read(from)?;
        self.deepest.read(from)?;
        self.daily.read(from)?;
        self.day.read(from)?;
        self.hour_end.read(from)?;
        let mut some = false;
        some.read(from)?;
        let sample = Sample { ts: UnixNanos(from.u64()?), equity: from.f64()?, hold: from.f64()? };
        self.last = some.then_some(sample);
        if from.u64()? != self.hold.as_ref().map_or(0, |hold| hold.legs.len()) as u64 {
            return Err(StateError::Parameter { name: NAME, parameter: "instruments" });
        }
        let Some(hold) = &mut self.hold else { return Ok(()) };
        hold.drawdown.read(from)?;
        hold.last.read(from)?;
        for leg in &mut hold.legs {
            leg.quantity.read(from)?;
            leg.held.read(from)?;
            let mut marks = [0u64; 4];
            marks.read(from)?;
            [leg.open, leg.high, leg.low, leg.close] = marks.map(u64::cast_signed);
        }
        Ok(())
    }
}

/// Version of what `save` writes.
const VERSION: u64 = 1;

impl Hold {
    #[inline]
    fn value(&mut self, view: &MarketView) -> f64 {
        let mut total = 0.0;
        for leg in &mut self.legs {
            let Some(mark) = view.mark(leg.idx) else {
                total += self.cash_each;
                continue;
            };
            let price = mark as f64 / leg.divisor;
            total += match leg.quantity {
                Some(quantity) => {
                    leg.high = leg.high.max(mark);
                    leg.low = leg.low.min(mark);
                    leg.close = mark;
                    quantity * price
                }
                None => {
                    (leg.open, leg.high, leg.low, leg.close) = (mark, mark, mark, mark);
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

    /// Gross and net value of what the account holds, at the marks of the last sample.
    fn exposure(&self) -> (f64, f64) {
        let (mut gross, mut net) = (0.0, 0.0);
        for leg in &self.legs {
            let value = leg.held * (leg.close as f64 / leg.divisor);
            gross += value.abs();
            net += value;
        }
        (gross, net)
    }
}

impl Leg {
    /// The bar that ends at `ts`, if there was a mark; the next one begins where it ended.
    fn bar(&mut self, ts: UnixNanos) -> Option<MarkBar> {
        self.quantity?;
        let bar =
            MarkBar { ts, instrument: self.idx, open: self.open, high: self.high, low: self.low, close: self.close };
        (self.open, self.high, self.low) = (self.close, self.close, self.close);
        Some(bar)
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
        let with_fee = |i: &Instrument, fee| Instrument { fee_taker: testkit::rate(fee), ..i.clone() };
        let mut statistics = EquityStatistics::full(1_000.0, &[with_fee(&a, "0.25"), with_fee(&b, "1")]);
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

    /// A statistics over one instrument, its hours played: the mark and the account's value at each quarter.
    fn quarters(marks: &[i64], equity: &[f64], held_from: usize) -> (EquityStatistics, Vec<Vec<u8>>) {
        let mut table = domain::InstrumentTable::default();
        let a = testkit::add_spot(&mut table, "AUSDT", 2, 2);
        let mut view = MarketView::default();
        view.add_instrument(a.idx);
        let mut statistics = EquityStatistics::full(1_000.0, std::slice::from_ref(&a));
        let mut saved = Vec::new();
        for (n, (mark, equity)) in marks.iter().zip(equity).enumerate() {
            let ts = UnixNanos((n as u64 + 1) * NANOS_PER_HOUR / 4);
            view.traded(ts, a.idx, *mark, domain::MarketFlags::default());
            statistics.push(ts, *equity, &view);
            if n == held_from {
                statistics.positions(|_| -2.0);
            }
            let mut bytes = Vec::new();
            statistics.save(&mut bytes);
            saved.push(bytes);
            // A snapshot anywhere goes on as if nothing had happened.
            let mut again = EquityStatistics::full(1_000.0, std::slice::from_ref(&a));
            let mut reader = Reader::new(saved.last().unwrap());
            again.load(&mut reader).unwrap();
            reader.finish().unwrap();
            again.put_back_curve(statistics.curve.clone());
            again.put_back_bars(statistics.bars.clone());
            assert_eq!(format!("{again:?}"), format!("{statistics:?}"), "at {n}");
            statistics = again;
        }
        statistics.finish();
        (statistics, saved)
    }

    #[test]
    fn an_hour_has_its_bar_its_exposure_and_its_deepest_fall() {
        let marks = [10_000, 10_500, 9_500, 10_000, 11_000, 12_000, 11_500, 11_500, 11_600];
        let equity = [1_000.0, 1_100.0, 990.0, 1_045.0, 1_045.0, 1_045.0, 1_150.0, 1_150.0, 1_150.0];
        let (statistics, _) = quarters(&marks, &equity, 4);
        let bar = |ts: u64, [open, high, low, close]: [i64; 4]| MarkBar {
            ts: UnixNanos(ts * NANOS_PER_HOUR / 4),
            instrument: InstrumentIdx(0),
            open,
            high,
            low,
            close,
        };
        assert_eq!(
            statistics.bars(),
            [
                bar(4, [10_000, 10_500, 9_500, 10_000]),
                bar(8, [10_000, 12_000, 10_000, 11_500]),
                bar(9, [11_500, 11_600, 11_500, 11_600]),
            ]
        );
        let [first, second, third] = statistics.curve() else { panic!("{:?}", statistics.curve()) };
        // From 1,100 to 990 and half of the way back.
        assert!((first.drawdown + 0.1).abs() < 1e-12, "{first:?}");
        assert_eq!((first.equity, first.gross, first.net), (1_045.0, 0.0, 0.0));
        // The second hour begins below the peak, and ends above it with two units sold short at 115.
        assert!((second.drawdown + 0.05).abs() < 1e-12, "{second:?}");
        assert_eq!((second.gross, second.net), (230.0 / 1_150.0, -230.0 / 1_150.0));
        assert_eq!((third.drawdown, third.gross), (0.0, 232.0 / 1_150.0));
    }

    #[test]
    fn a_saved_state_of_something_else_is_refused() {
        let (_, saved) = quarters(&[10_000, 10_100], &[1_000.0, 1_010.0], 0);
        let bytes = &saved[1];
        for cut in 0..bytes.len() {
            let mut table = domain::InstrumentTable::default();
            let a = testkit::add_spot(&mut table, "AUSDT", 2, 2);
            let mut fresh = EquityStatistics::full(1_000.0, &[a]);
            assert_eq!(fresh.load(&mut Reader::new(&bytes[..cut])), Err(StateError::Truncated), "{cut}");
        }
        let error = EquityStatistics::lean().load(&mut Reader::new(bytes)).unwrap_err();
        assert!(error.to_string().contains("instruments"), "{error}");
        let mut other = bytes.clone();
        other[0] = 9;
        let error = EquityStatistics::lean().load(&mut Reader::new(&other)).unwrap_err();
        assert!(error.to_string().contains("version 9"), "{error}");
    }
}
