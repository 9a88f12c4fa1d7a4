//! Saving and loading what aggregates candles, so that a strategy's snapshot continues bit for bit.

use crate::candle::{Building, CandleAggregator};
use crate::time_bar::TimeBars;
use domain::{Candle, InstrumentIdx, MarketFlags, UnixNanos};
use quant::state::{Reader, StateError};

/// The state of [`CandleAggregator`] and [`TimeBars`] is written in this version.
const VERSION: u64 = 1;

fn put(out: &mut Vec<u8>, words: &[u64]) {
    words.iter().for_each(|w| out.extend_from_slice(&w.to_le_bytes()));
}

fn head(from: &mut Reader<'_>, name: &'static str, interval_s: u32) -> Result<(), StateError> {
    let version = from.u64()?;
    if version != VERSION {
        return Err(StateError::Version { name, expected: VERSION as u8, found: version as u8 });
    }
    if from.u64()? != u64::from(interval_s) {
        return Err(StateError::Parameter { name, parameter: "interval_s" });
    }
    Ok(())
}

fn save_building(building: Option<&Building>, out: &mut Vec<u8>) {
    let Some(b) = building else { return put(out, &[0]) };
    let c = &b.candle;
    let prices = [c.open, c.high, c.low, c.close, c.volume].map(|v| v as u64);
    let small = u64::from(c.interval_s) | u64::from(c.instrument.0) << 32 | u64::from(c.flags.0) << 48;
    put(out, &[1, c.ts_open.0, c.ts_recv.0]);
    put(out, &prices);
    put(out, &[small, b.end, u64::from(b.whole)]);
}

fn load_building(from: &mut Reader<'_>, name: &'static str) -> Result<Option<Building>, StateError> {
    match from.u64()? {
        0 => return Ok(None),
        1 => {}
        _ => return Err(StateError::Invalid { name }),
    }
    let (ts_open, ts_recv) = (UnixNanos(from.u64()?), UnixNanos(from.u64()?));
    let mut price = || from.u64().map(|v| v as i64);
    let (open, high, low, close, volume) = (price()?, price()?, price()?, price()?, price()?);
    let small = from.u64()?;
    let (instrument, flags) = (InstrumentIdx((small >> 32) as u16), MarketFlags((small >> 48) as u16));
    let candle =
        Candle { ts_open, ts_recv, open, high, low, close, volume, interval_s: small as u32, instrument, flags };
    Ok(Some(Building { candle, end: from.u64()?, whole: from.u64()? == 1 }))
}

impl CandleAggregator {
    /// Appends the state to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        put(out, &[VERSION, u64::from(self.interval_s), u64::from(self.input_s), self.input_ns, self.next]);
        save_building(self.building.as_ref(), out);
    }

    /// Loads a state saved with the same interval; on an error nothing changes.
    ///
    /// # Errors
    /// [`StateError`] if the bytes do not belong to it.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        let name = "CandleAggregator";
        head(from, name, self.interval_s)?;
        let input_s = u32::try_from(from.u64()?).map_err(|_| StateError::Invalid { name })?;
        let (input_ns, next) = (from.u64()?, from.u64()?);
        let building = load_building(from, name)?;
        *self = Self { input_s, input_ns, next, building, ..self.clone() };
        Ok(())
    }
}

impl TimeBars {
    /// Appends the state to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        let since = [u64::from(self.complete_from.is_some()), self.complete_from.unwrap_or(0)];
        put(out, &[VERSION, u64::from(self.interval_s), since[0], since[1], self.ended]);
        save_building(self.building.as_ref(), out);
    }

    /// Loads a state saved with the same interval; on an error nothing changes.
    ///
    /// # Errors
    /// [`StateError`] if the bytes do not belong to it.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        let name = "TimeBars";
        head(from, name, self.interval_s)?;
        let (known, since, ended) = (from.u64()?, from.u64()?, from.u64()?);
        let building = load_building(from, name)?;
        *self = Self { complete_from: (known == 1).then_some(since), ended, building, ..self.clone() };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{InstrumentTable, Side};

    #[test]
    fn a_saved_aggregator_goes_on_where_it_was() {
        let mut table = InstrumentTable::default();
        let instrument = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let candles = testkit::generate::random_walk(&instrument, 7, 100, 10_000, 50);
        for cut in [0, 1, 17, 59, 60, 61] {
            let mut whole = CandleAggregator::new(900).unwrap();
            let mut first = whole.clone();
            let mut expected = Vec::new();
            candles.iter().for_each(|c| whole.push(c, |bar| expected.push(*bar)).unwrap());
            let mut got = Vec::new();
            candles[..cut].iter().for_each(|c| first.push(c, |bar| got.push(*bar)).unwrap());
            let mut bytes = Vec::new();
            first.save(&mut bytes);
            let mut second = CandleAggregator::new(900).unwrap();
            second.load(&mut Reader::new(&bytes)).unwrap();
            candles[cut..].iter().for_each(|c| second.push(c, |bar| got.push(*bar)).unwrap());
            assert_eq!(got, expected, "cut at {cut}");
            assert!(CandleAggregator::new(60).unwrap().load(&mut Reader::new(&bytes)).is_err(), "another interval");
            assert!(second.load(&mut Reader::new(&bytes[..bytes.len() - 1])).is_err(), "cut short");
        }
    }

    #[test]
    fn a_saved_time_bar_goes_on_where_it_was() {
        let mut table = InstrumentTable::default();
        let instrument = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let trades: Vec<_> = (0..500u64)
            .map(|n| testkit::trade(&instrument, n * 7_000_000_000, 100 + (n as i64 * 37) % 11, 3, Side::Buy))
            .collect();
        let mut whole = TimeBars::new(60).unwrap();
        let mut first = whole.clone();
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        trades.iter().for_each(|t| whole.trade(t, |bar| expected.push(*bar)).unwrap());
        trades[..211].iter().for_each(|t| first.trade(t, |bar| got.push(*bar)).unwrap());
        let mut bytes = Vec::new();
        first.save(&mut bytes);
        let mut second = TimeBars::new(60).unwrap();
        second.load(&mut Reader::new(&bytes)).unwrap();
        trades[211..].iter().for_each(|t| second.trade(t, |bar| got.push(*bar)).unwrap());
        assert_eq!(got, expected);
    }
}
