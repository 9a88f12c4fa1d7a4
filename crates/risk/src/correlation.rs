//! How alike instruments move: rolling Pearson correlation of minute returns.
//!
//! In:  a timer a little after each minute (the stated lateness), and whether each instrument printed in that minute.
//! Out: the correlation of a pair over the last 100 minutes, from those minutes in which both printed; `None` when too few.
//! A minute without a print has no return; neither has the minute after it, whose change spans both.

use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, InstrumentIdx, MarketView, UnixNanos, stored_struct};
use quant::stats::pearson;

/// How many samples the window holds.
pub const WINDOW: usize = 100;

/// One instrument's last returns; a sample that does not exist is NaN, inside this module only.
#[derive(Clone, Debug)]
struct Series {
    returns: [f64; WINDOW],
    last_price: Option<i64>,
}

/// The sampler of all instruments. Their windows move together, so equal slots are equal minutes.
#[derive(Clone, Debug, Default)]
pub struct CorrelationTracker {
    series: Vec<Series>,
    next: usize,
    previous: UnixNanos,
}

impl CorrelationTracker {
    /// Makes room for one more instrument, whose window is empty.
    pub fn add_instrument(&mut self, idx: InstrumentIdx) {
        while self.series.len() <= idx.index() {
            self.series.push(Series { returns: [f64::NAN; WINDOW], last_price: None });
        }
    }

    /// Takes one sample of every instrument: what printed after the previous sample, up to now.
    pub fn sample(&mut self, ts: UnixNanos, view: &MarketView) {
        for (number, series) in self.series.iter_mut().enumerate() {
            let Ok(number) = u16::try_from(number) else { break };
            let seen = view.get(InstrumentIdx(number));
            let price = seen.mark().filter(|&mark| mark > 0 && seen.ts > self.previous);
            series.returns[self.next] = match (series.last_price, price) {
                (Some(before), Some(now)) => now as f64 / before as f64 - 1.0,
                _ => f64::NAN,
            };
            series.last_price = price;
        }
        self.next = (self.next + 1) % WINDOW;
        self.previous = ts;
    }

    /// Pearson correlation of two instruments' returns over the window and from how many common samples it comes. `None` for fewer than
    /// `samples_min`, and where one of them did not move at all.
    #[must_use]
    pub fn correlation(&self, a: InstrumentIdx, b: InstrumentIdx, samples_min: u32) -> Option<f64> {
        let (x, y) = (self.series.get(a.index())?, self.series.get(b.index())?);
        // From the oldest minute to the newest, so that equal minutes give equal bits wherever in the ring they lie.
        let (mut both_x, mut both_y, mut n) = ([0.0; WINDOW], [0.0; WINDOW], 0);
        for at in (self.next..WINDOW).chain(0..self.next) {
            let (p, q) = (x.returns[at], y.returns[at]);
            if !p.is_nan() && !q.is_nan() {
                (both_x[n], both_y[n]) = (p, q);
                n += 1;
            }
        }
        if n < samples_min as usize {
            return None;
        }
        pearson(&both_x[..n], &both_y[..n])
    }
}

stored_struct!(Series { returns, last_price });

/// For snapshots.
impl CorrelationTracker {
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.next.put(out);
        self.previous.put(out);
        self.series.put(out);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.next = Stored::take(from)?;
        self.previous = Stored::take(from)?;
        self.series = Stored::take(from)?;
        if self.next < WINDOW { Ok(()) } else { Err(CodecError::Invalid { what: "the samples of correlations" }) }
    }
}

impl Digestible for CorrelationTracker {
    fn digest(&self, d: &mut Digest) {
        d.word(self.next as u64);
        d.word(self.previous.0);
        for series in &self.series {
            series.returns.iter().for_each(|&r| d.float(r));
            d.int(series.last_price.unwrap_or(i64::MIN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{EventBody, InstrumentTable};
    use testkit::generate::Seeded;

    const A: InstrumentIdx = InstrumentIdx(0);
    const B: InstrumentIdx = InstrumentIdx(1);

    fn run(minutes: u64, mut prices: impl FnMut(u64) -> (Option<i64>, Option<i64>)) -> CorrelationTracker {
        let mut table = InstrumentTable::default();
        let (a, b) = (testkit::add_spot(&mut table, "AUSDT", 2, 2), testkit::add_spot(&mut table, "BUSDT", 2, 2));
        let (mut view, mut tracker) = (MarketView::default(), CorrelationTracker::default());
        for idx in [A, B] {
            view.add_instrument(idx);
            tracker.add_instrument(idx);
        }
        for minute in 0..minutes {
            let close = UnixNanos(testkit::T0.0 + (minute + 1) * 60_000_000_000);
            let (pa, pb) = prices(minute);
            for (instrument, price) in [(&a, pa), (&b, pb)] {
                if let Some(p) = price {
                    view.apply(close, &EventBody::Candle(testkit::candle(instrument, minute, [p; 4], 1)));
                }
            }
            tracker.sample(UnixNanos(close.0 + 1_000_000_000), &view);
        }
        tracker
    }

    #[test]
    fn equal_and_opposite_moves_are_one_and_minus_one() {
        let mut random = Seeded::new(1);
        let mut p = 100_000_000.0f64;
        let mut q = 100_000_000.0f64;
        let tracker = run(150, |_| {
            let r = random.within(-100, 100) as f64 / 10_000.0;
            p *= 1.0 + r;
            q *= 1.0 - r;
            (Some(p as i64), Some(q as i64))
        });
        testkit::assert_close(tracker.correlation(A, A, 80).unwrap(), 1.0, 0.0, 1e-12);
        testkit::assert_close(tracker.correlation(A, B, 80).unwrap(), -1.0, 0.0, 1e-4);
    }

    #[test]
    fn only_minutes_in_which_both_printed_count() {
        let tracker =
            run(100, |m| (Some(1000 + (m * m % 7) as i64), (m % 2 == 0).then_some(1000 + (m * m % 5) as i64)));
        // B prints every second minute, so it never has a return.
        assert_eq!(tracker.correlation(A, B, 2), None);
        let tracker = run(101, |m| (Some(1000 + (m * m % 7) as i64), (m < 80).then_some(1000 + (m * m % 5) as i64)));
        assert!(tracker.correlation(A, B, 79).is_some());
        assert_eq!(tracker.correlation(A, B, 80), None, "79 common samples");
    }

    #[test]
    fn the_last_hundred_minutes_give_the_same_bits_wherever_the_ring_begins() {
        let price = |seed: u64, m: u64| Some(100_000 + (Seeded::new(seed ^ (m << 8)).within(-400, 400)));
        // Forty minutes more before the same hundred (and the one whose close their first return needs).
        let late = run(141, |m| (price(1, m + 1000), price(2, m + 1000)));
        let exact = run(101, |m| (price(1, m + 1040), price(2, m + 1040)));
        let bits = |t: &CorrelationTracker| t.correlation(A, B, 80).unwrap().to_bits();
        assert_eq!(bits(&late), bits(&exact));
        assert_eq!(late.correlation(A, InstrumentIdx(9), 2), None, "an instrument that was never added");
    }

    #[test]
    fn a_flat_series_has_no_correlation() {
        let tracker = run(120, |m| (Some(1000), Some(1000 + (m % 3) as i64)));
        assert_eq!(tracker.correlation(A, B, 80), None);
    }
}
