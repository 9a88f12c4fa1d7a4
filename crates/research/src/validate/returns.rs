//! Returns of one length from prices, of one instrument, of fixed weights, or of positions.
//!
//! In:  times and prices, or positions and prices. Out: a [`Series`] of simple returns.
//! A return is taken between the ends of neighbouring periods only: over a hole in the data there is none, rather than one of another
//! length.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Seconds of a week, and from the Thursday on which 1970 began to its first Monday.
const WEEK_S: i64 = 604_800;
const TO_MONDAY_S: i64 = 345_600;

/// Returns of one length, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is the return of.
    pub name: String,
    /// End of each return's period, in ms since 1970 UTC, ascending.
    pub ts: Vec<i64>,
    /// Simple returns as fractions (0.01 = 1 %), as many as times.
    pub returns: Vec<f64>,
    /// Periods that are missing inside of the series; there is no return over them.
    pub gaps: u64,
}

/// Why there are no returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnsError {
    /// A period of no length.
    NoLength,
    /// Columns of different lengths.
    Lengths {
        /// Of the first column.
        expected: usize,
        /// Of another one.
        found: usize,
    },
    /// Times that do not ascend.
    Order {
        /// Index of the first time that is not later than the one before.
        index: usize,
    },
    /// A price that is none.
    Price {
        /// Index of the first price that is not a positive number.
        index: usize,
    },
    /// A weight or a position that is not a number.
    Weight {
        /// Its index.
        index: usize,
    },
}

impl fmt::Display for ReturnsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLength => write!(f, "the period has no length: expected at least a second"),
            Self::Lengths { expected, found } => {
                write!(f, "a column of {found} values beside one of {expected}: expected equal lengths")
            }
            Self::Order { index } => write!(f, "the time at index {index} is not later than the one before it"),
            Self::Price { index } => write!(f, "the price at index {index} is not a positive number"),
            Self::Weight { index } => write!(f, "the weight or position at index {index} is not a finite number"),
        }
    }
}

impl std::error::Error for ReturnsError {}

/// Prices at the ends of periods, collected row by row.
#[derive(Clone, Debug)]
pub struct Resampled {
    period_ms: i64,
    shift_ms: i64,
    /// End of each period and the last price known in it.
    closes: Vec<(i64, f64)>,
    last_ts: i64,
    rows: usize,
}

/// Begins to collect prices at the ends of periods of `period_s` seconds, which are counted from 1970-01-01 UTC; whole weeks begin on
/// Mondays.
///
/// # Errors
/// [`ReturnsError::NoLength`].
pub fn resample(period_s: u32) -> Result<Resampled, ReturnsError> {
    let period = i64::from(period_s);
    if period == 0 {
        return Err(ReturnsError::NoLength);
    }
    let shift = if period % WEEK_S == 0 { TO_MONDAY_S } else { 0 };
    Ok(Resampled { period_ms: 1_000 * period, shift_ms: 1_000 * shift, closes: Vec::new(), last_ts: i64::MIN, rows: 0 })
}

impl Resampled {
    /// Takes the next price, known at `ts` ms since 1970 UTC. One that is known exactly at the end of a period belongs to that period.
    ///
    /// # Errors
    /// [`ReturnsError::Order`] for a time before the last one, [`ReturnsError::Price`].
    pub fn push(&mut self, ts: i64, price: f64) -> Result<(), ReturnsError> {
        if ts < self.last_ts {
            return Err(ReturnsError::Order { index: self.rows });
        }
        if !(price > 0.0 && price.is_finite()) {
            return Err(ReturnsError::Price { index: self.rows });
        }
        self.rows += 1;
        self.last_ts = ts;
        let inside = ts.saturating_sub(1).saturating_sub(self.shift_ms);
        let end = (inside.div_euclid(self.period_ms) + 1) * self.period_ms + self.shift_ms;
        match self.closes.last_mut() {
            Some(last) if last.0 == end => last.1 = price,
            _ => self.closes.push((end, price)),
        }
        Ok(())
    }

    /// Ends of the periods with the price at each; a last period that has not ended is left out.
    #[must_use]
    pub fn closes(&self) -> &[(i64, f64)] {
        match self.closes.last() {
            Some(last) if last.0 > self.last_ts => &self.closes[..self.closes.len() - 1],
            _ => &self.closes,
        }
    }

    /// The returns between neighbouring periods.
    #[must_use]
    pub fn series(&self, name: impl Into<String>) -> Series {
        let mut out = Series { name: name.into(), ..Series::default() };
        for pair in self.closes().windows(2) {
            let ((before_ts, before), (ts, price)) = (pair[0], pair[1]);
            let periods = (ts - before_ts) / self.period_ms;
            if periods == 1 {
                out.ts.push(ts);
                out.returns.push(price / before - 1.0);
            } else {
                out.gaps += periods.unsigned_abs() - 1;
            }
        }
        out
    }
}

/// Returns of fixed weights, rebalanced every period: `r[t] = sum over i of w[i] r[i][t]`, at the times that all series have.
///
/// Weights are fractions of equity, negative for a short position; what they leave of 1 is cash without a return.
///
/// # Errors
/// [`ReturnsError::Lengths`] unless there are as many weights as series, [`ReturnsError::Weight`].
pub fn weighted(name: impl Into<String>, weights: &[f64], series: &[&Series]) -> Result<Series, ReturnsError> {
    if weights.len() != series.len() {
        return Err(ReturnsError::Lengths { expected: series.len(), found: weights.len() });
    }
    if let Some(index) = weights.iter().position(|w| !w.is_finite()) {
        return Err(ReturnsError::Weight { index });
    }
    let mut out = Series { name: name.into(), ..Series::default() };
    let Some(first) = series.first() else { return Ok(out) };
    let mut at = vec![0usize; series.len()];
    for ts in &first.ts {
        let mut sum = Some(0.0);
        for ((one, weight), at) in series.iter().zip(weights).zip(&mut at) {
            while one.ts.get(*at).is_some_and(|t| t < ts) {
                *at += 1;
            }
            let here = one.ts.get(*at).filter(|t| *t == ts).and_then(|_| one.returns.get(*at));
            sum = sum.zip(here).map(|(sum, r)| sum + weight * r);
        }
        match sum {
            Some(r) => {
                out.ts.push(*ts);
                out.returns.push(r);
            }
            None => out.gaps += 1,
        }
    }
    Ok(out)
}

/// Returns of positions on their prices, as fractions of equity.
///
/// `pnl[t] = sum over i of q[i][t-1] (p[i][t] - p[i][t-1])`, `r[t] = pnl[t] / E[t-1]`, `E[t] = E[t-1] + pnl[t]`: what is held over a
/// period is what was held at its beginning. A series of `n` times gives `n - 1` returns; it ends where nothing is left.
///
/// - `ts`: ms since 1970 UTC, ascending, length `n`.
/// - `quantities`, `prices`: for each instrument `n` values, quantities signed, prices in quote.
/// - `equity`: at the first time, in quote.
///
/// # Errors
/// [`ReturnsError`] with the first bad index.
pub fn of_positions(
    name: impl Into<String>,
    ts: &[i64],
    quantities: &[Vec<f64>],
    prices: &[Vec<f64>],
    equity: f64,
) -> Result<Series, ReturnsError> {
    let n = ts.len();
    if prices.len() != quantities.len() {
        return Err(ReturnsError::Lengths { expected: quantities.len(), found: prices.len() });
    }
    if let Some(column) = quantities.iter().chain(prices).find(|column| column.len() != n) {
        return Err(ReturnsError::Lengths { expected: n, found: column.len() });
    }
    if let Some(index) = ts.windows(2).position(|pair| pair[1] <= pair[0]) {
        return Err(ReturnsError::Order { index: index + 1 });
    }
    if let Some(index) = prices.iter().find_map(|c| c.iter().position(|p| !(*p > 0.0 && p.is_finite()))) {
        return Err(ReturnsError::Price { index });
    }
    if let Some(index) = quantities.iter().find_map(|c| c.iter().position(|q| !q.is_finite())) {
        return Err(ReturnsError::Weight { index });
    }
    if !(equity > 0.0 && equity.is_finite()) {
        return Err(ReturnsError::Price { index: 0 });
    }
    let mut out = Series { name: name.into(), ..Series::default() };
    let mut worth = equity;
    for t in 1..n {
        let pnl: f64 = quantities.iter().zip(prices).map(|(q, p)| q[t - 1] * (p[t] - p[t - 1])).sum();
        out.ts.push(ts[t]);
        out.returns.push(pnl / worth);
        worth += pnl;
        if worth <= 0.0 {
            break;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn minutes_become_days_and_nothing_spans_a_hole() {
        let mut days = resample(86_400).unwrap();
        // Noon and midnight of five days, the third one missing.
        for (day, price) in [(0, 100.0), (1, 110.0), (3, 200.0), (4, 100.0)] {
            days.push(day * DAY + DAY / 2, price * 5.0).unwrap();
            days.push((day + 1) * DAY, price).unwrap();
        }
        // A day that has only begun.
        days.push(5 * DAY + 60_000, 1.0).unwrap();
        let series = days.series("x");
        assert_eq!(series.ts, [2 * DAY, 5 * DAY]);
        assert_eq!(series.gaps, 1);
        assert!((series.returns[0] - 0.1).abs() < 1e-15 && series.returns[1] == -0.5);
        assert_eq!(days.push(0, 1.0), Err(ReturnsError::Order { index: 9 }));
        assert_eq!(days.push(9 * DAY, 0.0), Err(ReturnsError::Price { index: 9 }));
        assert_eq!(resample(0).unwrap_err(), ReturnsError::NoLength);
    }

    #[test]
    fn weeks_end_on_mondays() {
        let mut weeks = resample(604_800).unwrap();
        // 2021-01-04 is a Monday.
        for n in 0..=21 {
            weeks.push(1_609_718_400_000 + n * DAY, 1.0 + n as f64).unwrap();
        }
        let ends: Vec<i64> = weeks.closes().iter().map(|(end, _)| (end - 1_609_718_400_000) / DAY).collect();
        assert_eq!(ends, [0, 7, 14, 21]);
    }

    #[test]
    fn weights_need_all_of_a_time() {
        let one = |ts: &[i64], r: &[f64]| Series { ts: ts.into(), returns: r.into(), ..Series::default() };
        let (a, b) = (one(&[1, 2, 3], &[0.1, 0.2, 0.3]), one(&[1, 3, 4], &[0.5, 0.1, 0.9]));
        let both = weighted("both", &[0.5, -1.0], &[&a, &b]).unwrap();
        assert_eq!((both.ts.as_slice(), both.gaps), (&[1, 3][..], 1));
        assert!((both.returns[0] + 0.45).abs() < 1e-15 && (both.returns[1] - 0.05).abs() < 1e-15);
        assert!(weighted("x", &[1.0], &[&a, &b]).is_err() && weighted("x", &[f64::NAN], &[&a]).is_err());
    }

    #[test]
    fn positions_are_those_of_the_beginning() {
        let prices = [vec![100.0, 110.0, 99.0]];
        let series = of_positions("p", &[1, 2, 3], &[vec![2.0, -1.0, 50.0]], &prices, 1_000.0).unwrap();
        assert_eq!(series.returns, [0.02, 11.0 / 1_020.0]);
        let ruined = of_positions("p", &[1, 2, 3], &[vec![-200.0, 1.0, 1.0]], &prices, 1_000.0).unwrap();
        assert_eq!(ruined.returns, [-2.0]);
        assert_eq!(of_positions("p", &[1, 1, 3], &[vec![1.0; 3]], &prices, 1.0), Err(ReturnsError::Order { index: 1 }));
        assert_eq!(of_positions("p", &[1], &[vec![1.0]], &[vec![-1.0]], 1.0), Err(ReturnsError::Price { index: 0 }));
    }
}
