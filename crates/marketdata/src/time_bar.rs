//! Trades or quotes of one instrument into candles.
//!
//! In:  trades, or quotes, of one instrument in time order; the time, when nothing trades.
//! Out: candles of one interval, each when the first record of a later interval arrives or [`TimeBars::advance`] passes its end.
//! Intervals are aligned to 1970-01-01 00:00 UTC. An interval in which nothing happened gives no candle. The interval in which the
//! stream begins gives none either, because nothing tells what came before, unless [`TimeBars::complete_from`] says so.

use crate::candle::{Building, CandleError, digest_building, interval_of};
use domain::time::NANOS_PER_SECOND;
use domain::{Candle, Digest, Digestible, InstrumentIdx, MarketFlags, Quote, Trade, UnixNanos};

/// Makes candles of trades, or of the middle of bid and ask. Allocates nothing.
#[derive(Clone, Debug)]
pub struct TimeBars {
    pub(crate) interval_s: u32,
    pub(crate) interval_ns: u64,
    /// Intervals that begin before this were not seen from their start. `None` until the first record or promise.
    pub(crate) complete_from: Option<u64>,
    /// Where the interval that ended last ended: what is earlier comes too late.
    pub(crate) ended: u64,
    pub(crate) building: Option<Building>,
}

impl TimeBars {
    /// For candles of `interval_s` seconds.
    ///
    /// # Errors
    /// [`CandleError::NoInterval`] if it is zero.
    pub const fn new(interval_s: u32) -> Result<Self, CandleError> {
        if interval_s == 0 {
            return Err(CandleError::NoInterval);
        }
        let interval_ns = interval_s as u64 * NANOS_PER_SECOND;
        Ok(Self { interval_s, interval_ns, complete_from: None, ended: 0, building: None })
    }

    /// Promises that every record from `since` on is given, so that an interval beginning then or later is whole although its first
    /// record comes later.
    #[must_use]
    pub const fn complete_from(mut self, since: UnixNanos) -> Self {
        self.complete_from = Some(since.0);
        self
    }

    /// Takes in a trade and hands out the candle that it ends, if it does.
    ///
    /// # Errors
    /// [`CandleError::Backwards`] if its interval has ended, [`CandleError::VolumeOverflow`]; the trade is left out then.
    #[inline]
    pub fn trade(&mut self, t: &Trade, emit: impl FnMut(&Candle)) -> Result<(), CandleError> {
        self.take(t.ts_event, t.ts_recv, t.price, t.quantity, t.instrument, t.flags, emit)
    }

    /// Takes in a quote by its middle, `bid + (ask - bid) / 2` rounded down to a mantissa, with no volume, and hands out the candle
    /// that it ends, if it does.
    ///
    /// # Errors
    /// [`CandleError::Backwards`] if its interval has ended; the quote is left out then.
    #[inline]
    pub fn quote(&mut self, q: &Quote, emit: impl FnMut(&Candle)) -> Result<(), CandleError> {
        let mid = (i128::from(q.bid) + i128::from(q.ask)).div_euclid(2) as i64;
        self.take(q.ts_event, q.ts_recv, mid, 0, q.instrument, q.flags, emit)
    }

    /// Says that it is `ts` now: hands out the candle whose interval is over, if there is one. Records of that interval that come later
    /// are refused.
    pub fn advance(&mut self, ts: UnixNanos, mut emit: impl FnMut(&Candle)) {
        if let Some(b) = &mut self.building
            && ts.0 >= b.end
        {
            self.ended = b.end;
            if b.whole {
                b.candle.ts_recv = ts;
                emit(&b.candle);
            }
            self.building = None;
        }
    }

    /// The interval that is being filled; `None` where there is none or it was not seen from its start.
    #[must_use]
    pub fn unfinished(&self) -> Option<Candle> {
        self.building.filter(|b| b.whole).map(|b| b.candle)
    }

    #[allow(clippy::too_many_arguments)] // The fields that a trade and a quote share; a struct would be built and taken apart at once.
    #[inline]
    fn take(
        &mut self,
        ts_event: UnixNanos,
        ts_recv: UnixNanos,
        price: i64,
        volume: i64,
        instrument: InstrumentIdx,
        flags: MarketFlags,
        mut emit: impl FnMut(&Candle),
    ) -> Result<(), CandleError> {
        let ts = ts_event.0;
        if let Some(b) = &mut self.building
            && ts < b.end
            && ts >= b.candle.ts_open.0
        {
            return b.add(price, price, price, volume, flags);
        }
        let earliest = self.building.map_or(self.ended, |b| b.candle.ts_open.0);
        if ts < earliest {
            return Err(CandleError::Backwards { got: ts_event, expected: UnixNanos(earliest) });
        }
        if let Some(b) = &mut self.building {
            self.ended = b.end;
            if b.whole {
                b.candle.ts_recv = ts_recv;
                emit(&b.candle);
            }
        }
        let (start, end) = interval_of(ts, self.interval_ns);
        let whole = start >= *self.complete_from.get_or_insert(ts);
        let candle = Candle {
            ts_open: UnixNanos(start),
            ts_recv,
            open: price,
            high: price,
            low: price,
            close: price,
            volume,
            interval_s: self.interval_s,
            instrument,
            flags,
        };
        self.building = Some(Building { candle, end, whole });
        Ok(())
    }
}

impl Digestible for TimeBars {
    fn digest(&self, d: &mut Digest) {
        d.word(u64::from(self.interval_s));
        d.word(self.complete_from.map_or(u64::MAX, |ts| ts));
        d.word(self.ended);
        digest_building(self.building.as_ref(), d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Instrument, InstrumentTable, Side};
    use testkit::{T0, quote, trade};

    const S: u64 = NANOS_PER_SECOND;

    fn btc() -> Instrument {
        testkit::add_spot(&mut InstrumentTable::default(), "BTCUSDT", 2, 5)
    }

    fn shown(candles: &[Candle]) -> Vec<(u64, [i64; 4], i64)> {
        candles.iter().map(|c| ((c.ts_open.0 - T0.0) / S, [c.open, c.high, c.low, c.close], c.volume)).collect()
    }

    #[test]
    fn trades_become_candles_when_a_later_interval_begins() {
        let i = btc();
        let mut bars = TimeBars::new(60).unwrap().complete_from(T0);
        let mut out = Vec::new();
        for (s, price, quantity) in [(5, 100, 1), (20, 130, 2), (59, 90, 3), (60, 95, 4), (200, 99, 5)] {
            bars.trade(&trade(&i, s * S, price, quantity, Side::Buy), |c| out.push(*c)).unwrap();
        }
        assert_eq!(shown(&out), [(0, [100, 130, 90, 90], 6), (60, [95; 4], 4)]);
        assert_eq!(out[0].ts_recv.0, T0.0 + 60 * S);
        let late = bars.trade(&trade(&i, 100 * S, 1, 1, Side::Buy), |_| ());
        assert!(matches!(late, Err(CandleError::Backwards { .. })));
        bars.advance(UnixNanos(T0.0 + 239 * S), |c| out.push(*c));
        assert_eq!(out.len(), 2);
        bars.advance(UnixNanos(T0.0 + 240 * S), |c| out.push(*c));
        assert_eq!(shown(&out)[2], (180, [99; 4], 5));
        let late = bars.trade(&trade(&i, 230 * S, 1, 1, Side::Buy), |_| ());
        assert!(matches!(late, Err(CandleError::Backwards { .. })));
    }

    #[test]
    fn a_stream_that_begins_inside_an_interval_leaves_it_out() {
        let i = btc();
        let mut bars = TimeBars::new(60).unwrap();
        let mut out = Vec::new();
        for s in [5, 61, 121] {
            bars.trade(&trade(&i, s * S, 100, 1, Side::Buy), |c| out.push(*c)).unwrap();
        }
        assert_eq!(shown(&out), [(60, [100; 4], 1)]);
    }

    #[test]
    fn quotes_count_by_their_middle_without_volume() {
        let i = btc();
        let mut bars = TimeBars::new(60).unwrap().complete_from(T0);
        let mut out = Vec::new();
        for (s, bid, ask) in [(0, 100, 103), (30, 110, 120), (60, 1, 2)] {
            bars.quote(&quote(&i, s * S, (bid, 7), (ask, 7)), |c| out.push(*c)).unwrap();
        }
        assert_eq!(shown(&out), [(0, [101, 115, 101, 115], 0)]);
    }

    #[test]
    fn volume_that_passes_64_bits_is_refused() {
        let i = btc();
        let mut bars = TimeBars::new(60).unwrap().complete_from(T0);
        bars.trade(&trade(&i, 0, 100, i64::MAX, Side::Buy), |_| ()).unwrap();
        let error = bars.trade(&trade(&i, 1, 999, 1, Side::Buy), |_| ()).unwrap_err();
        assert!(matches!(error, CandleError::VolumeOverflow { more: 1, .. }), "{error}");
        assert_eq!(shown(&[bars.unfinished().unwrap()]), [(0, [100; 4], i64::MAX)]);
    }
}
