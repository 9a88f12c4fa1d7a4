//! Performance ratios over simple returns or equity.
//!
//! In:  returns as fractions per period, or the equity they come from. Out: [`Performance`], read by reports and `calc`;
//! [`ReturnTracker`] for the runner, which sees one equity per UTC day and keeps no series.
//! Profit and loss of single trades stand in `trades`.

use super::drawdown::DrawdownTracker;
use super::moments::Moments;
use super::quantile::sorted_quantile;
use crate::error::{ParameterError, SeriesError};
use crate::state::state;

/// How returns per period become figures per year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Year {
    /// Periods in a year: 365 for days of a market that never closes, 252 for exchange days.
    periods: f64,
    /// Risk-free return per period, as a fraction.
    risk_free: f64,
}

impl Year {
    /// Days of a market that never closes, without a risk-free return.
    pub const DAYS: Self = Self { periods: 365.0, risk_free: 0.0 };

    /// # Errors
    /// [`ParameterError`] unless `0 < periods <= 1e9` and the risk-free return lies within -1 to 1.
    pub fn new(periods: f64, risk_free: f64) -> Result<Self, ParameterError> {
        let periods = ParameterError::check_number("periods_per_year", periods, f64::MIN_POSITIVE, 1e9)?;
        let risk_free = ParameterError::check_number("rf_per_period", risk_free, -1.0, 1.0)?;
        Ok(Self { periods, risk_free })
    }
}

/// Performance ratios of a series of simple returns `r[1..=n]`; `A` is the number of periods per year, `rf` the risk-free
/// return per period, `W[t] = W[t-1] (1 + r[t])` with `W[0] = 1`. What is undefined is `None`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Performance {
    /// `W[n] - 1`.
    pub total_return: f64,
    /// `W[n]^(A / n) - 1`; undefined for a wealth below 0.
    pub cagr: Option<f64>,
    /// Standard deviation (divisor n - 1) times `sqrt(A)`.
    pub volatility: Option<f64>,
    /// `mean(r - rf) / std(r - rf) * sqrt(A)`, divisor n - 1.
    pub sharpe: Option<f64>,
    /// `mean(r - rf) A / (sqrt(mean(min(r - rf, 0)^2)) sqrt(A))`.
    pub sortino: Option<f64>,
    /// `min(W[t] / max(W[0..=t]) - 1)`: zero or a negative fraction.
    pub max_drawdown: f64,
    /// `cagr / |max_drawdown|`.
    pub calmar: Option<f64>,
    /// `sum(max(r - rf, 0)) / sum(max(rf - r, 0))`.
    pub omega: Option<f64>,
    /// `|q95| / |q5|` of the returns, quantiles linear between order statistics.
    pub tail_ratio: Option<f64>,
    /// `sqrt(mean(drawdown[1..=n]^2))`.
    pub ulcer: f64,
    /// `mean(|drawdown[1..=n]|)`.
    pub pain: f64,
    /// Longest run of consecutive points below the peak.
    pub longest_drawdown: usize,
    /// Third standardised moment, divisor n.
    pub skew: Option<f64>,
    /// Fourth standardised moment less 3, divisor n.
    pub excess_kurtosis: Option<f64>,
    /// Positive returns as a fraction of those that are not zero.
    pub win_rate_nonzero: Option<f64>,
    /// `sum(max(r, 0)) / sum(max(-r, 0))`.
    pub profit_factor: Option<f64>,
}

/// Computes [`Performance`] of simple returns, oldest first.
///
/// # Errors
/// [`SeriesError`] for an empty series or a value that is not finite.
pub fn performance(returns: &[f64], year: Year) -> Result<Performance, SeriesError> {
    SeriesError::check(returns, 1)?;
    let n = returns.len() as f64;
    let excess = || returns.iter().map(|r| r - year.risk_free);

    let mut wealth = 1.0;
    let mut tracker = DrawdownTracker::new();
    tracker.update(wealth);
    let (mut squares, mut depths) = (0.0, 0.0);
    for r in returns {
        wealth *= 1.0 + r;
        let drawdown = tracker.update(wealth);
        squares += drawdown * drawdown;
        depths -= drawdown;
    }
    let cagr = (wealth >= 0.0).then(|| libm::pow(wealth, year.periods / n) - 1.0);

    let mut moments = Moments::new();
    moments.extend(excess());
    let downside = (excess().map(|e| if e < 0.0 { e * e } else { 0.0 }).sum::<f64>() / n).sqrt();
    let sortino = ratio(mean(excess()) * year.periods, downside * year.periods.sqrt());
    let (skew, excess_kurtosis) = shape(returns);

    let mut sorted = returns.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quantile = |q| sorted_quantile(&sorted, q).map(f64::abs);
    let tail_ratio = quantile(0.95).zip(quantile(0.05)).and_then(|(high, low)| ratio(high, low));

    let wins = returns.iter().filter(|r| **r > 0.0).count();
    let moved = returns.iter().filter(|r| **r != 0.0).count();
    Ok(Performance {
        total_return: wealth - 1.0,
        cagr,
        volatility: moments.standard_deviation().map(|s| s * year.periods.sqrt()),
        sharpe: sharpe_of(&moments, year),
        sortino,
        max_drawdown: tracker.max_drawdown(),
        calmar: cagr.and_then(|c| ratio(c, -tracker.max_drawdown())),
        omega: gain_over_loss(excess()),
        tail_ratio,
        ulcer: (squares / n).sqrt(),
        pain: depths / n,
        longest_drawdown: tracker.longest_points(),
        skew,
        excess_kurtosis,
        win_rate_nonzero: ratio(wins as f64, moved as f64),
        profit_factor: gain_over_loss(returns.iter().copied()),
    })
}

/// Sharpe ratio of simple returns: `mean(r - rf) / std(r - rf) * sqrt(A)`, divisor n - 1.
///
/// `None` under two returns, where they do not vary, or where one is not finite.
#[must_use]
pub fn sharpe(returns: &[f64], year: Year) -> Option<f64> {
    let mut moments = Moments::new();
    moments.extend(returns.iter().map(|r| r - year.risk_free));
    sharpe_of(&moments, year).filter(|s| s.is_finite())
}

/// Simple returns of an equity series: `equity[t] / equity[t-1] - 1`, one fewer than the values.
///
/// # Errors
/// [`SeriesError`] for an empty series, a value that is not finite, or one from which no return can be computed because it is
/// not positive (the last may be).
pub fn returns_from_equity(equity: &[f64]) -> Result<Vec<f64>, SeriesError> {
    SeriesError::check(equity, 1)?;
    let pairs = equity.iter().zip(equity.iter().skip(1)).enumerate();
    pairs
        .map(
            |(index, (before, after))| {
                if *before > 0.0 { Ok(after / before - 1.0) } else { Err(SeriesError::NotPositive { index }) }
            },
        )
        .collect()
}

/// Returns between equities taken one at a time, for the Sharpe ratio of a run without keeping the series.
///
/// Gives the bits of [`sharpe`] over [`returns_from_equity`]. Once an equity was not positive the ratio is undefined for good.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReturnTracker {
    previous: Option<f64>,
    returns: Moments,
    broken: bool,
}
state!(ReturnTracker, 1, fixed [], moving [previous, returns, broken]);

impl ReturnTracker {
    /// Nothing seen.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the equity at the end of the next period, for example of a UTC day.
    pub fn push(&mut self, equity: f64) {
        if let Some(previous) = self.previous.replace(equity) {
            if previous > 0.0 && equity.is_finite() {
                self.returns.push(equity / previous - 1.0);
            } else {
                self.broken = true;
            }
        }
    }

    /// Returns seen so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.returns.count()
    }

    /// Sharpe ratio without a risk-free return; `None` under two returns or where they do not vary.
    #[must_use]
    pub fn sharpe(&self, periods_per_year: f64) -> Option<f64> {
        let year = Year::new(periods_per_year, 0.0).ok()?;
        if self.broken { None } else { sharpe_of(&self.returns, year) }
    }

    /// Standard deviation of the returns times the root of the periods per year.
    #[must_use]
    pub fn volatility(&self, periods_per_year: f64) -> Option<f64> {
        let year = Year::new(periods_per_year, 0.0).ok()?;
        if self.broken { None } else { self.returns.standard_deviation().map(|s| s * year.periods.sqrt()) }
    }
}

fn sharpe_of(excess: &Moments, year: Year) -> Option<f64> {
    ratio(excess.mean()?, excess.standard_deviation()?).map(|s| s * year.periods.sqrt())
}

fn ratio(numerator: f64, denominator: f64) -> Option<f64> {
    (denominator > 0.0).then(|| numerator / denominator)
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1);
    values.sum::<f64>() / count as f64
}

fn gain_over_loss(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut gain, mut loss) = (0.0, 0.0);
    for v in values {
        if v > 0.0 {
            gain += v;
        } else {
            loss -= v;
        }
    }
    ratio(gain, loss)
}

/// Skewness and excess kurtosis with divisor n; `None` where nothing varies.
fn shape(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    let centre = mean(values.iter().copied());
    let (mut second, mut third, mut fourth) = (0.0, 0.0, 0.0);
    for v in values {
        let d = v - centre;
        second += d * d;
        third += d * d * d;
        fourth += d * d * d * d;
    }
    let variance = second / n;
    let skew = ratio(third / n, variance * variance.sqrt());
    let kurtosis = ratio(fourth / n, variance * variance);
    (skew, kurtosis.map(|k| k - 3.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hand_computed_series() {
        let p = performance(&[0.1, -0.5, 0.0, 1.0], Year::new(4.0, 0.0).unwrap()).unwrap();
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-14, "{a} for {b}");
        close(p.total_return, 0.1);
        close(p.cagr.unwrap(), 0.1);
        close(p.max_drawdown, -0.5);
        close(p.calmar.unwrap(), 0.2);
        close(p.profit_factor.unwrap(), 2.2);
        close(p.win_rate_nonzero.unwrap(), 2.0 / 3.0);
        close(p.sortino.unwrap(), 0.15 * 4.0 / (0.25 * 2.0));
        assert_eq!(p.longest_drawdown, 2);
    }

    #[test]
    fn what_is_undefined_is_none() {
        let flat = performance(&[0.0; 5], Year::DAYS).unwrap();
        assert_eq!((flat.sharpe, flat.sortino, flat.calmar, flat.omega), (None, None, None, None));
        assert_eq!((flat.skew, flat.tail_ratio, flat.win_rate_nonzero), (None, None, None));
        assert_eq!(flat.total_return, 0.0);
        let one = performance(&[0.01], Year::DAYS).unwrap();
        assert_eq!((one.volatility, one.sharpe), (None, None));
        let ruined = performance(&[-1.5], Year::DAYS).unwrap();
        assert_eq!((ruined.cagr, ruined.max_drawdown), (None, -1.5));
        assert_eq!(performance(&[], Year::DAYS), Err(SeriesError::TooFew { needed: 1, given: 0 }));
        assert_eq!(performance(&[0.0, f64::NAN], Year::DAYS), Err(SeriesError::NotFinite { index: 1 }));
        assert!(Year::new(0.0, 0.0).is_err());
    }

    #[test]
    fn the_tracker_equals_the_series_form() {
        let equity: Vec<f64> = (0..400).map(|i| 10_000.0 + f64::from((i * 7919) % 613)).collect();
        let mut tracker = ReturnTracker::new();
        for (t, &e) in equity.iter().enumerate() {
            tracker.push(e);
            let returns = returns_from_equity(&equity[..=t]).unwrap();
            assert_eq!(tracker.sharpe(365.0), sharpe(&returns, Year::DAYS), "t {t}");
            assert_eq!(tracker.count(), t);
        }
        tracker.push(0.0);
        tracker.push(5.0);
        assert_eq!(tracker.sharpe(365.0), None);
    }

    #[test]
    fn a_return_needs_a_positive_equity() {
        assert_eq!(returns_from_equity(&[2.0, 3.0, 0.0]), Ok(vec![0.5, -1.0]));
        assert_eq!(returns_from_equity(&[2.0, 0.0, 1.0]), Err(SeriesError::NotPositive { index: 1 }));
    }
}
