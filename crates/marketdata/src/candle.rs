//! Candles of one instrument into longer ones.
//!
//! In:  closed candles of one instrument, in time order.
//! Out: candles of the longer interval, each at the moment at which it is known to be complete.
//! Intervals are aligned to 1970-01-01 00:00 UTC, so those that divide a day begin at midnight UTC. A longer candle is complete when
//! its last input candle arrives, or when the first input of a later interval does, whichever comes first. Gaps stay gaps: an
//! interval without input gives no candle, one with holes is made of what there is. The first interval of a stream gives none unless
//! its first input is there, because nothing tells what came before; nor does the unfinished one at the end.

use domain::time::NANOS_PER_SECOND;
use domain::{Candle, Digest, Digestible, MarketFlags, Nanos, UnixNanos};

/// Why a record was left out. State is as it was before the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CandleError {
    /// The configuration asks for something that cannot be made.
    #[error("a candle interval of {interval_s} s cannot be made of candles of {input_s} s: expected a multiple")]
    NotAMultiple {
        /// What was asked for, in seconds.
        interval_s: u32,
        /// What came in, in seconds.
        input_s: u32,
    },
    /// The interval is zero.
    #[error("a candle interval of 0 s has no end: expected at least 1 s")]
    NoInterval,
    /// The record is earlier than what was taken in before: a duplicate or disorder in the source.
    #[error("record of {} ns is before {} ns, where the next one could begin", got.0, expected.0)]
    Backwards {
        /// Its time.
        got: UnixNanos,
        /// The earliest time that would have been taken.
        expected: UnixNanos,
    },
    /// The candle does not lie within one longer interval: it is not aligned to its own interval.
    #[error("candle of {} ns reaches over {} ns, where an interval ends", ts_open.0, end.0)]
    Straddles {
        /// When it begins.
        ts_open: UnixNanos,
        /// Where the longer interval ends.
        end: UnixNanos,
    },
    /// The volume of an interval passes 64 bits.
    #[error("volume {volume} + {more} of the interval that begins at {} ns passes what a candle can hold", ts_open.0)]
    VolumeOverflow {
        /// When the interval begins.
        ts_open: UnixNanos,
        /// Volume so far, a mantissa.
        volume: i64,
        /// Volume of the record, a mantissa.
        more: i64,
    },
}

/// An interval that is being filled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Building {
    /// What it is so far.
    pub candle: Candle,
    /// Where it ends, in nanoseconds.
    pub end: u64,
    /// Whether it was seen from its start.
    pub whole: bool,
}

impl Building {
    /// Takes in what happened later in the interval.
    #[inline]
    pub fn add(&mut self, high: i64, low: i64, close: i64, volume: i64, flags: MarketFlags) -> Result<(), CandleError> {
        let c = &mut self.candle;
        c.volume = c.volume.checked_add(volume).ok_or(CandleError::VolumeOverflow {
            ts_open: c.ts_open,
            volume: c.volume,
            more: volume,
        })?;
        c.high = c.high.max(high);
        c.low = c.low.min(low);
        c.close = close;
        c.flags = carried(c.flags, flags);
        Ok(())
    }
}

/// Flags of an interval with one more record: once synthetic always synthetic; warm-up if its last record is, because a decision taken
/// at a live close is live.
#[inline]
pub(crate) const fn carried(so_far: MarketFlags, more: MarketFlags) -> MarketFlags {
    let sticky = MarketFlags(so_far.0 & !MarketFlags::WARMUP.0);
    sticky.with(more)
}

/// The interval of `interval_ns` that `ts` lies in: start and end.
#[inline]
pub(crate) const fn interval_of(ts: u64, interval_ns: u64) -> (u64, u64) {
    let start = ts - ts % interval_ns;
    (start, start.saturating_add(interval_ns))
}

/// Makes longer candles of shorter ones. Allocates nothing.
#[derive(Clone, Debug)]
pub struct CandleAggregator {
    pub(crate) interval_s: u32,
    pub(crate) interval_ns: u64,
    /// Interval of the input, once it was seen to divide the longer one; 0 before.
    pub(crate) input_s: u32,
    pub(crate) input_ns: u64,
    /// Where the next input candle may begin at the earliest.
    pub(crate) next: u64,
    pub(crate) building: Option<Building>,
}

impl CandleAggregator {
    /// For candles of `interval_s` seconds.
    ///
    /// # Errors
    /// [`CandleError::NoInterval`] if it is zero.
    pub const fn new(interval_s: u32) -> Result<Self, CandleError> {
        if interval_s == 0 {
            return Err(CandleError::NoInterval);
        }
        let interval_ns = interval_s as u64 * NANOS_PER_SECOND;
        Ok(Self { interval_s, interval_ns, input_s: 0, input_ns: 0, next: 0, building: None })
    }

    /// Seconds of the candles that come out.
    #[must_use]
    pub const fn interval_s(&self) -> u32 {
        self.interval_s
    }

    /// Takes in a closed candle and hands out what is complete with it: usually nothing, at most two (the interval that a gap left
    /// open, and the one whose last candle this is).
    ///
    /// A candle that has the interval asked for passes through untouched. `ts_recv` of a longer candle is that of the input that made
    /// it known.
    ///
    /// # Errors
    /// All of [`CandleError`] but `NoInterval`; the candle is left out then.
    #[inline]
    pub fn push(&mut self, candle: &Candle, mut emit: impl FnMut(&Candle)) -> Result<(), CandleError> {
        if candle.interval_s == self.interval_s {
            emit(candle);
            return Ok(());
        }
        self.fold(candle, emit)
    }

    #[inline]
    fn fold(&mut self, candle: &Candle, mut emit: impl FnMut(&Candle)) -> Result<(), CandleError> {
        if candle.interval_s != self.input_s {
            self.take_input_interval(candle.interval_s)?;
        }
        let ts = candle.ts_open.0;
        if ts < self.next {
            return Err(CandleError::Backwards { got: candle.ts_open, expected: UnixNanos(self.next) });
        }
        let until = ts.saturating_add(self.input_ns);
        match &mut self.building {
            Some(b) if ts < b.end => {
                if until > b.end {
                    return Err(CandleError::Straddles { ts_open: candle.ts_open, end: UnixNanos(b.end) });
                }
                b.add(candle.high, candle.low, candle.close, candle.volume, candle.flags)?;
            }
            building => {
                // The next interval begins where the last one ended unless there is a gap: no division then.
                let (start, end) = match building {
                    Some(b) if ts - b.end < self.interval_ns => (b.end, b.end.saturating_add(self.interval_ns)),
                    _ => interval_of(ts, self.interval_ns),
                };
                if until > end {
                    return Err(CandleError::Straddles { ts_open: candle.ts_open, end: UnixNanos(end) });
                }
                let mut whole = start == ts;
                if let Some(b) = building {
                    whole = true;
                    if b.whole && self.next < b.end {
                        b.candle.ts_recv = candle.ts_recv;
                        emit(&b.candle);
                    }
                }
                let first = Candle { ts_open: UnixNanos(start), interval_s: self.interval_s, ..*candle };
                *building = Some(Building { candle: first, end, whole });
            }
        }
        self.next = until;
        if let Some(b) = &mut self.building
            && until == b.end
            && b.whole
        {
            b.candle.ts_recv = candle.ts_recv;
            emit(&b.candle);
        }
        Ok(())
    }

    /// The interval that is being filled, with what is known of it; `None` between intervals and for one not seen from its start.
    #[must_use]
    pub fn unfinished(&self) -> Option<Candle> {
        self.building.filter(|b| b.whole && self.next < b.end).map(|b| b.candle)
    }

    #[cold]
    fn take_input_interval(&mut self, input_s: u32) -> Result<(), CandleError> {
        if input_s == 0 || !self.interval_s.is_multiple_of(input_s) {
            return Err(CandleError::NotAMultiple { interval_s: self.interval_s, input_s });
        }
        self.input_s = input_s;
        self.input_ns = Nanos::from_secs(u64::from(input_s)).0;
        Ok(())
    }
}

pub(crate) fn digest_building(building: Option<&Building>, d: &mut Digest) {
    let Some(b) = building else { return d.word(0) };
    let c = &b.candle;
    d.word(1 | u64::from(b.whole) << 1 | u64::from(c.flags.0) << 16 | u64::from(c.instrument.0) << 32);
    d.word(c.ts_open.0);
    d.word(c.ts_recv.0);
    d.word(b.end);
    for value in [c.open, c.high, c.low, c.close, c.volume] {
        d.int(value);
    }
}

impl Digestible for CandleAggregator {
    fn digest(&self, d: &mut Digest) {
        d.word(u64::from(self.interval_s) | u64::from(self.input_s) << 32);
        d.word(self.next);
        digest_building(self.building.as_ref(), d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Instrument, InstrumentTable};
    use proptest::prelude::*;
    use testkit::candle;

    fn btc() -> Instrument {
        testkit::add_spot(&mut InstrumentTable::default(), "BTCUSDT", 2, 5)
    }

    fn run(interval_s: u32, candles: &[Candle]) -> Vec<Candle> {
        let mut out = Vec::new();
        let mut bars = CandleAggregator::new(interval_s).unwrap();
        for c in candles {
            bars.push(c, |bar| out.push(*bar)).unwrap();
        }
        out
    }

    /// Minute and (open, high, low, close), volume of each candle.
    fn shown(candles: &[Candle]) -> Vec<(u64, [i64; 4], i64)> {
        let minute = |c: &Candle| (c.ts_open.0 - testkit::T0.0) / domain::time::NANOS_PER_MINUTE;
        candles.iter().map(|c| (minute(c), [c.open, c.high, c.low, c.close], c.volume)).collect()
    }

    #[test]
    fn five_minutes_become_one_at_the_last_of_them() {
        let i = btc();
        let input: Vec<_> = [
            (0, [100, 110, 95, 105], 1),
            (1, [105, 106, 90, 91], 2),
            (2, [91, 120, 91, 119], 3),
            (3, [119, 119, 100, 101], 4),
            (4, [101, 103, 99, 102], 5),
            (5, [102, 104, 101, 103], 6),
        ]
        .map(|(m, p, v)| candle(&i, m, p, v))
        .to_vec();
        assert_eq!(run(300, &input[..4]), []);
        let out = run(300, &input);
        assert_eq!(shown(&out), [(0, [100, 120, 90, 102], 15)]);
        assert_eq!(
            (out[0].interval_s, out[0].ts_close(), out[0].ts_recv),
            (300, input[4].ts_close(), input[4].ts_recv)
        );
    }

    #[test]
    fn a_gap_closes_an_interval_when_a_later_one_begins() {
        let i = btc();
        // Minutes 3 and 4 are missing, then a whole interval, then only the last minute of one, which makes two at once.
        let minutes = [0, 1, 2, 12, 19];
        let input: Vec<_> = minutes.iter().map(|&m| candle(&i, m, [m as i64 + 100; 4], 1)).collect();
        let mut bars = CandleAggregator::new(300).unwrap();
        let mut seen = Vec::new();
        for c in &input {
            let mut out = Vec::new();
            bars.push(c, |bar| out.push(*bar)).unwrap();
            seen.push(shown(&out));
        }
        assert_eq!(
            seen,
            [vec![], vec![], vec![], vec![(0, [100, 102, 100, 102], 3)], vec![(10, [112; 4], 1), (15, [119; 4], 1)],]
        );
        assert_eq!(bars.unfinished(), None);
    }

    #[test]
    fn the_first_interval_counts_only_from_its_start() {
        let i = btc();
        let input: Vec<_> = (2..11).map(|m| candle(&i, m, [m as i64; 4], 1)).collect();
        assert_eq!(shown(&run(300, &input)), [(5, [5, 9, 5, 9], 5)]);
    }

    #[test]
    fn equal_intervals_pass_untouched() {
        let i = btc();
        let input: Vec<_> = [3, 1, 1].map(|m| candle(&i, m, [7, 9, 5, 8], 3)).to_vec();
        assert_eq!(run(60, &input), input);
    }

    #[test]
    fn flags_are_carried() {
        let i = btc();
        let mut input: Vec<_> = (0..10).map(|m| candle(&i, m, [5; 4], 1)).collect();
        for c in &mut input[..7] {
            c.flags = MarketFlags::WARMUP;
        }
        input[1].flags = MarketFlags::WARMUP.with(MarketFlags::SYNTHETIC);
        let out = run(300, &input);
        assert_eq!(out[0].flags, MarketFlags::WARMUP.with(MarketFlags::SYNTHETIC));
        assert_eq!(out[1].flags, MarketFlags::default(), "its last candle is live");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_named() {
        let i = btc();
        let mut bars = CandleAggregator::new(300).unwrap();
        let mut push = |c: &Candle| {
            let mut out = Vec::new();
            bars.push(c, |bar| out.push(*bar)).map(|()| shown(&out))
        };
        push(&candle(&i, 0, [10; 4], i64::MAX - 1)).unwrap();
        assert!(matches!(push(&candle(&i, 1, [99; 4], 2)), Err(CandleError::VolumeOverflow { more: 2, .. })));
        assert!(matches!(push(&candle(&i, 0, [99; 4], 0)), Err(CandleError::Backwards { .. })));
        let odd = Candle { interval_s: 7, ..candle(&i, 1, [99; 4], 0) };
        assert_eq!(push(&odd), Err(CandleError::NotAMultiple { interval_s: 300, input_s: 7 }));
        let mut late = candle(&i, 4, [99; 4], 0);
        late.ts_open.0 += 1;
        assert!(matches!(push(&late), Err(CandleError::Straddles { .. })));
        push(&candle(&i, 1, [11; 4], 1)).unwrap();
        assert_eq!(push(&candle(&i, 4, [12; 4], 0)).unwrap(), [(0, [10, 12, 10, 12], i64::MAX)]);
        assert_eq!(CandleAggregator::new(0).unwrap_err(), CandleError::NoInterval);
    }

    /// All candles of each interval at once.
    fn batch(interval_s: u32, candles: &[Candle]) -> Vec<Candle> {
        let ns = u64::from(interval_s) * NANOS_PER_SECOND;
        let groups: Vec<&[Candle]> = candles.chunk_by(|a, b| a.ts_open.0 / ns == b.ts_open.0 / ns).collect();
        let mut out = Vec::new();
        for (at, group) in groups.iter().enumerate() {
            let (first, last) = (group[0], group[group.len() - 1]);
            let ended = last.ts_close().0.is_multiple_of(ns);
            let from_start = at > 0 || first.ts_open.0.is_multiple_of(ns);
            let trigger = if ended { Some(last) } else { groups.get(at + 1).map(|next| next[0]) };
            if let (Some(trigger), true) = (trigger, from_start) {
                out.push(Candle {
                    ts_open: UnixNanos(first.ts_open.0 / ns * ns),
                    ts_recv: trigger.ts_recv,
                    high: group.iter().map(|c| c.high).max().unwrap(),
                    low: group.iter().map(|c| c.low).min().unwrap(),
                    close: last.close,
                    volume: group.iter().map(|c| c.volume).sum(),
                    interval_s,
                    ..first
                });
            }
        }
        out
    }

    proptest! {
        #[test]
        fn streaming_equals_batch(seed in any::<u64>(), minutes in prop::sample::select(vec![2u32, 3, 5, 15, 60, 240]), keep in 5i64..=100) {
            let i = btc();
            let mut random = testkit::generate::Seeded::new(seed);
            let mut walk = testkit::generate::random_walk(&i, seed, 700, 10_000, 50);
            walk.retain(|_| random.chance(keep));
            prop_assert_eq!(run(minutes * 60, &walk), batch(minutes * 60, &walk));
        }

        #[test]
        fn two_steps_equal_one(seed in any::<u64>()) {
            let i = btc();
            let walk = testkit::generate::random_walk(&i, seed, 600, 10_000, 50);
            prop_assert_eq!(run(3600, &run(300, &walk)), run(3600, &walk));
        }
    }
}
