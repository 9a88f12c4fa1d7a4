//! The bars that a strategy asked for, made of whatever comes: candles, trades or quotes.

use domain::{Candle, EventBody};
use marketdata::{CandleAggregator, TimeBars};
use quant::state::{Reader, StateError};

/// Aggregates the events of one instrument into bars.
#[derive(Clone, Debug)]
pub struct Bars {
    of_candles: CandleAggregator,
    of_ticks: TimeBars,
    left_out: u64,
}

impl Bars {
    /// Bars of that many seconds; `None` for zero.
    pub fn new(seconds: u32) -> Option<Self> {
        Some(Self {
            of_candles: CandleAggregator::new(seconds).ok()?,
            of_ticks: TimeBars::new(seconds).ok()?,
            left_out: 0,
        })
    }

    /// Takes an event and hands out what it finished. A record that fits no bar (late, or overlapping two) is left out and counted: one
    /// bad record does not stop a strategy.
    #[inline]
    pub fn push(&mut self, event: &EventBody, finished: &mut impl FnMut(&Candle)) {
        let taken = match event {
            EventBody::Candle(candle) => self.of_candles.push(candle, finished),
            EventBody::Trade(trade) => self.of_ticks.trade(trade, finished),
            EventBody::Quote(quote) => self.of_ticks.quote(quote, finished),
            _ => Ok(()),
        };
        self.left_out += u64::from(taken.is_err());
    }

    /// Records that fitted no bar.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Appends the state to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.of_candles.save(out);
        self.of_ticks.save(out);
        out.extend_from_slice(&self.left_out.to_le_bytes());
    }

    /// Loads a saved state; on an error nothing changes.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        let mut next = self.clone();
        next.of_candles.load(from)?;
        next.of_ticks.load(from)?;
        next.left_out = from.u64()?;
        *self = next;
        Ok(())
    }
}
