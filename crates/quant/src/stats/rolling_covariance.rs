//! Covariance of many series over their latest values, kept up to date value by value.
//!
//! In:  one row per period, a value per series; NaN where a series has none. Out: covariance and correlation of any pair over the periods
//! in which both had one, and the values themselves.
//!
//! Adding the newest row and dropping the oldest is `O(n^2)`. Sums that are added to and taken from drift by rounding, so they are made
//! anew from the window once every window: at a fixed count, so that equal inputs give equal bits.
//!
//! The mean is taken to be zero: over minutes it is far below its own standard error, and leaving it out is the usual choice for
//! risk (RiskMetrics Technical Document, 4th ed. 1996, section 5.3). Covariances of pairs over different periods need not form a positive
//! semi-definite matrix: whoever combines them asks [`super::matrix::loading`] first where counts differ.

use crate::error::ParameterError;
use crate::state::{Reader, State, StateError, read_head, write_head};

/// Sums of products of many series over the latest rows.
#[derive(Clone, Debug)]
pub struct RollingCovariance {
    window: usize,
    series: usize,
    /// Series by series, each a ring of `window`; 0 where there is none.
    values: Vec<f64>,
    /// 1 where there is a value.
    seen: Vec<u8>,
    next: usize,
    rows: u64,
    /// Lower triangle row by row: sums of products, and of how many.
    products: Vec<f64>,
    counts: Vec<u16>,
    /// Scratch: the new row, the one that leaves, and which of both are there.
    newest: Vec<f64>,
    oldest: Vec<f64>,
    presence: Vec<u8>,
}

/// Largest window: counts are 16 bits wide.
pub const WINDOW_MAX: usize = 65_535;

impl RollingCovariance {
    /// Over the latest `window` rows, without a series yet.
    ///
    /// # Errors
    /// [`ParameterError`] unless `2 <= window <= 65535`.
    pub fn new(window: usize) -> Result<Self, ParameterError> {
        let window = ParameterError::check_count("window", window, 2, WINDOW_MAX)?;
        Ok(Self {
            window,
            series: 0,
            values: Vec::new(),
            seen: Vec::new(),
            next: 0,
            rows: 0,
            products: Vec::new(),
            counts: Vec::new(),
            newest: Vec::new(),
            oldest: Vec::new(),
            presence: Vec::new(),
        })
    }

    /// One more series, without values so far.
    pub fn add_series(&mut self) {
        self.series += 1;
        self.values.resize(self.series * self.window, 0.0);
        self.seen.resize(self.series * self.window, 0);
        self.products.resize(triangle(self.series), 0.0);
        self.counts.resize(triangle(self.series), 0);
        self.newest.resize(self.series, 0.0);
        self.oldest.resize(self.series, 0.0);
        self.presence.resize(2 * self.series, 0);
    }

    /// How many series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series
    }

    /// How many rows were taken, ever.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Takes the next row: `value(i)` is asked once for each series in order; what is not finite is missing.
    pub fn push(&mut self, mut value: impl FnMut(usize) -> f64) {
        let slot = self.next;
        // Whether every series is there (or not) in the new row as in the one that leaves: then no count changes.
        let mut counts_stay = true;
        for i in 0..self.series {
            let at = i * self.window + slot;
            let given = value(i);
            let there = given.is_finite();
            let kept = if there { given } else { 0.0 };
            counts_stay &= (self.seen[at] == 1) == there;
            self.presence[i] = u8::from(there);
            self.oldest[i] = self.values[at];
            self.newest[i] = kept;
            self.values[at] = kept;
        }
        let mut from = 0;
        for i in 0..self.series {
            let (new, old) = (self.newest[i], self.oldest[i]);
            let row = &mut self.products[from..=from + i];
            for (sum, (x, y)) in row.iter_mut().zip(self.newest.iter().zip(&self.oldest)) {
                *sum += new * x - old * y;
            }
            from += i + 1;
        }
        if !counts_stay {
            self.recount(slot);
        }
        self.next = if slot + 1 == self.window { 0 } else { slot + 1 };
        self.rows += 1;
        if self.rows.is_multiple_of(self.window as u64) {
            self.renew();
        }
    }

    /// Counts of pairs after the row in `slot` changed.
    fn recount(&mut self, slot: usize) {
        for i in 0..self.series {
            // What was there before goes into the second half of the scratch.
            self.presence[self.series + i] = self.seen[i * self.window + slot];
        }
        let (new, old) = self.presence.split_at(self.series);
        let mut from = 0;
        for i in 0..self.series {
            let row = &mut self.counts[from..=from + i];
            for (count, (x, y)) in row.iter_mut().zip(new.iter().zip(old)) {
                // A pair that leaves was counted when it came, so this never goes below zero.
                *count = count.wrapping_add(u16::from(new[i] & x)).wrapping_sub(u16::from(old[i] & y));
            }
            from += i + 1;
        }
        for i in 0..self.series {
            self.seen[i * self.window + slot] = self.presence[i];
        }
    }

    /// In how many of the latest rows both series have a value; 0 for a series that is not there.
    #[must_use]
    #[inline]
    pub fn count(&self, a: usize, b: usize) -> u32 {
        self.counts.get(pair(a, b)).map_or(0, |count| u32::from(*count))
    }

    /// Mean product over the rows in which both have a value: their covariance with means of zero. `None` where there is no such row.
    #[must_use]
    #[inline]
    pub fn covariance(&self, a: usize, b: usize) -> Option<f64> {
        let count = self.count(a, b);
        (count > 0).then(|| self.products[pair(a, b)] / f64::from(count))
    }

    /// Sum of products over root of the sums of squares, each over the rows that its own pair has; within -1 and 1. `None` where one does
    /// not move.
    #[must_use]
    pub fn correlation(&self, a: usize, b: usize) -> Option<f64> {
        let scale = self.covariance(a, a)?.max(0.0).sqrt() * self.covariance(b, b)?.max(0.0).sqrt();
        (scale > 0.0).then(|| (self.covariance(a, b).unwrap_or(0.0) / scale).clamp(-1.0, 1.0))
    }

    /// The values of a series, in the ring's own order, and by 1 which of them are there: equal places are equal rows. Nothing for a
    /// series that is not there.
    #[must_use]
    pub fn values(&self, series: usize) -> (&[f64], &[u8]) {
        if series < self.series { (self.ring(series), self.ring_seen(series)) } else { (&[], &[]) }
    }

    /// All sums of products and of counts, the lower triangle row by row, for a fingerprint of the state.
    #[must_use]
    pub fn sums(&self) -> (&[f64], &[u16]) {
        (&self.products, &self.counts)
    }

    /// Places in [`RollingCovariance::values`] from the oldest row to the newest, those never written included.
    pub fn places(&self) -> impl DoubleEndedIterator<Item = usize> + use<> {
        (self.next..self.window).chain(0..self.next)
    }

    /// Makes all sums anew from the window.
    pub fn renew(&mut self) {
        let Self { window, series, values, seen, products, counts, .. } = self;
        let window = *window;
        let ring = |i: usize| (&values[i * window..][..window], &seen[i * window..][..window]);
        // How many each series has: where the other one of a pair is whole, that is how many both have. At most the window, which fits.
        for i in 0..*series {
            counts[pair(i, i)] = ring(i).1.iter().map(|s| u16::from(*s)).sum();
        }
        // Four series at a time against all before them: each ring is then read from near memory three times out of four.
        const TILE: usize = 4;
        for first in (0..*series).step_by(TILE) {
            let tile = first..(first + TILE).min(*series);
            for j in 0..tile.end {
                let (y, y_seen) = ring(j);
                let y_count = counts[pair(j, j)];
                for i in tile.clone().filter(|i| *i >= j) {
                    let (x, x_seen) = ring(i);
                    let x_count = counts[pair(i, i)];
                    products[pair(i, j)] = dot(x, y);
                    counts[pair(i, j)] = if usize::from(x_count.max(y_count)) == window {
                        x_count.min(y_count)
                    } else {
                        x_seen.iter().zip(y_seen).map(|(a, b)| u16::from(a & b)).sum()
                    };
                }
            }
        }
    }

    /// How many rows of the window were taken.
    fn filled(&self) -> usize {
        usize::try_from(self.rows).map_or(self.window, |rows| rows.min(self.window))
    }

    fn ring(&self, i: usize) -> &[f64] {
        &self.values[i * self.window..][..self.window]
    }

    fn ring_seen(&self, i: usize) -> &[u8] {
        &self.seen[i * self.window..][..self.window]
    }
}

/// Where a pair lies in the lower triangle.
const fn pair(a: usize, b: usize) -> usize {
    if a >= b { triangle(a) + b } else { triangle(b) + a }
}

/// How many pairs `n` series form, each with itself included.
const fn triangle(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Sum of products in eight lanes, which are added in pairs at the end: the order that wide kernels have, too.
#[must_use]
pub fn dot(x: &[f64], y: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (x_blocks, y_blocks) = (x.chunks_exact(8), y.chunks_exact(8));
    let rest = x_blocks.remainder().iter().zip(y_blocks.remainder());
    for (lane, (a, b)) in lanes.iter_mut().zip(rest) {
        *lane += a * b;
    }
    for (a, b) in x_blocks.zip(y_blocks) {
        for lane in 0..8 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]))
}

/// The number of series is state, for series may be added while running; the window is a parameter. Rows that were never taken are left out.
impl State for RollingCovariance {
    fn write(&self, out: &mut Vec<u8>) {
        write_head("RollingCovariance", 2, out);
        self.window.write(out);
        self.series.write(out);
        self.rows.write(out);
        for i in 0..self.series {
            let values = self.ring(i).iter().zip(self.ring_seen(i)).take(self.filled());
            values.for_each(|(value, seen)| if *seen == 1 { *value } else { f64::NAN }.write(out));
        }
        self.products.iter().for_each(|sum| sum.write(out));
    }

    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        const NAME: &str = "RollingCovariance";
        read_head(NAME, 2, from)?;
        let invalid = StateError::Invalid { name: NAME };
        let (mut window, mut series, mut rows) = (0_usize, 0_usize, 0_u64);
        window.read(from)?;
        if window != self.window {
            return Err(StateError::Parameter { name: NAME, parameter: "window" });
        }
        series.read(from)?;
        rows.read(from)?;
        // As many series as 16 bits can number, and no room for more sums than there are: a count that is damaged must not take all memory.
        if series > 65_536 {
            return Err(invalid);
        }
        if from.left() / size_of::<f64>() < triangle(series) {
            return Err(StateError::Truncated);
        }
        let mut fresh = Self::new(window).map_err(|_| invalid.clone())?;
        fresh.rows = rows;
        // Less than the window, which is a usize.
        fresh.next = (rows % window as u64) as usize;
        for i in 0..series {
            fresh.add_series();
            for at in i * window..i * window + fresh.filled() {
                let mut value = 0.0_f64;
                value.read(from)?;
                fresh.seen[at] = u8::from(!value.is_nan());
                fresh.values[at] = if value.is_nan() { 0.0 } else { value };
            }
        }
        fresh.renew();
        let mut sound = true;
        for sum in &mut fresh.products {
            sum.read(from)?;
            sound &= sum.is_finite();
        }
        if !sound || fresh.values.iter().any(|v| !v.is_finite()) {
            return Err(invalid);
        }
        *self = fresh;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A value of series `i` in row `t`, missing now and then if `gaps`.
    fn value(i: usize, t: usize, gaps: bool) -> f64 {
        let x = ((i * 7919 + t * 104_729 + i * t * 31) % 1009) as f64 / 1009.0 - 0.5;
        if gaps && (i * 13 + t * 7).is_multiple_of(11) { f64::NAN } else { x * 1e-3 }
    }

    #[test]
    fn a_count_of_series_that_the_bytes_cannot_hold_takes_no_room() {
        let mut bytes = Vec::new();
        write_head("RollingCovariance", 2, &mut bytes);
        for number in [8_usize, 65_536] {
            number.write(&mut bytes);
        }
        0_u64.write(&mut bytes);
        let mut read = RollingCovariance::new(8).unwrap();
        assert_eq!(read.read(&mut Reader::new(&bytes)), Err(StateError::Truncated));
        assert_eq!(read.series(), 0);
    }

    /// The plain form: sums over the window for each pair.
    fn plain(a: usize, b: usize, rows: usize, window: usize, gaps: bool) -> (u32, f64) {
        let both = (rows.saturating_sub(window)..rows)
            .map(|t| (value(a, t, gaps), value(b, t, gaps)))
            .filter(|(x, y)| !x.is_nan() && !y.is_nan());
        both.fold((0, 0.0), |(n, sum), (x, y)| (n + 1, sum + x * y))
    }

    #[test]
    fn incremental_equals_the_plain_form_with_and_without_gaps() {
        for gaps in [false, true] {
            let (window, series) = (50, 7);
            let mut rolling = RollingCovariance::new(window).unwrap();
            (0..series).for_each(|_| rolling.add_series());
            for t in 0..400 {
                rolling.push(|i| value(i, t, gaps));
                for a in 0..series {
                    for b in 0..series {
                        let (count, sum) = plain(a, b, t + 1, window, gaps);
                        assert_eq!(rolling.count(a, b), count, "{a} {b} {t}");
                        let Some(got) = rolling.covariance(a, b) else { continue };
                        assert!((got - sum / f64::from(count)).abs() < 1e-18, "{a} {b} {t}: {got}");
                    }
                }
            }
            assert!((rolling.correlation(3, 3).unwrap() - 1.0).abs() < 1e-12);
            assert_eq!(rolling.covariance(0, series), None);
        }
    }

    #[test]
    fn a_million_rows_do_not_drift() {
        let mut rolling = RollingCovariance::new(64).unwrap();
        rolling.add_series();
        rolling.add_series();
        // A huge value now and then leaves rounding behind; the renewal takes it away.
        let x = |i: usize, t: usize| if t.is_multiple_of(997) { 1e6 } else { value(i, t, false) };
        (0..1_000_000).for_each(|t| rolling.push(|i| x(i, t)));
        let mut fresh = rolling.clone();
        fresh.renew();
        assert!((rolling.covariance(0, 1).unwrap() - fresh.covariance(0, 1).unwrap()).abs() < 1e-6);
        (0..64).for_each(|t| rolling.push(|i| value(i, t, false)));
        rolling.renew();
        assert!(rolling.covariance(0, 1).unwrap().abs() < 1e-6);
    }

    #[test]
    fn a_series_may_come_later() {
        let mut rolling = RollingCovariance::new(10).unwrap();
        rolling.add_series();
        (0..7).for_each(|t| rolling.push(|i| value(i, t, false)));
        rolling.add_series();
        (7..12).for_each(|t| rolling.push(|i| value(i, t, false)));
        assert_eq!((rolling.count(0, 0), rolling.count(0, 1), rolling.count(1, 1)), (10, 5, 5));
    }

    proptest! {
        /// A saved one continues bit for bit, and damaged bytes never panic.
        #[test]
        fn snapshots_continue(cut in 0..120_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut first = RollingCovariance::new(32).unwrap();
            (0..4).for_each(|_| first.add_series());
            (0..cut).for_each(|t| first.push(|i| value(i, t, true)));
            let mut saved = Vec::new();
            first.write(&mut saved);
            let mut second = RollingCovariance::new(32).unwrap();
            let mut reader = Reader::new(&saved);
            second.read(&mut reader).unwrap();
            reader.finish().unwrap();
            for t in cut..cut + 70 {
                first.push(|i| value(i, t, true));
                second.push(|i| value(i, t, true));
            }
            for a in 0..4 { for b in 0..4 {
                prop_assert_eq!(first.count(a, b), second.count(a, b));
                prop_assert_eq!(first.covariance(a, b).map(f64::to_bits), second.covariance(a, b).map(f64::to_bits));
            } }
            let at = at.index(saved.len());
            saved[at] = byte;
            let mut third = RollingCovariance::new(32).unwrap();
            if third.read(&mut Reader::new(&saved)).is_ok() {
                (0..70).for_each(|t| third.push(|i| value(i, t, true)));
            }
        }
    }
}
