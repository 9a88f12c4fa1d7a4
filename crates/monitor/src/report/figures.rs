//! The figures of a run: computed from its curve, its trades and its own summary.
//!
//! In:  [`RunReport`]. Out: [`Figures`], which the page and `--json` show. What is undefined is `None`.
//! Definitions with formulas and sources stand in `definitions` and in `docs/statistics.md`.

use super::run_report::{EquityRow, RunReport, Trade};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use quant::stats::quantile::sorted_quantile;
use quant::stats::{DrawdownTracker, TradeStatistics, Year, performance, returns_from_equity, sharpe};
use serde::Serialize;

const DAY_MS: i64 = 86_400_000;
const DAYS_PER_YEAR: f64 = 365.0;
/// Windows of the rolling Sharpe ratio in days, each with the daily returns that a run must have for it.
pub const SHARPE_WINDOWS: [(usize, usize); 3] = [(180, 720), (90, 270), (30, 60)];
/// A smaller part of equity counts as no position: dust.
const IN_MARKET_MIN: f64 = 0.001;

/// All figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Length of the data in days.
    pub days: Option<f64>,
    /// Of the account.
    pub account: CurveFigures,
    /// Of buying and holding.
    pub hold: Option<CurveFigures>,
    /// Of the closed trades.
    pub trades: TradeFigures,
    /// Of what was held.
    pub exposure: Option<ExposureFigures>,
    /// What trading cost.
    pub costs: CostFigures,
    /// Returns by month.
    pub monthly: Vec<Month>,
    /// The rolling Sharpe ratio, where the run is long enough.
    pub rolling: Option<Rolling>,
    /// How profits are distributed.
    pub profit_bins: Vec<Bin>,
    /// How long trades were held.
    pub holding_bins: Vec<Bin>,
}

/// Figures of a curve of values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CurveFigures {
    /// Value at the end.
    pub final_equity: Option<f64>,
    /// Return over the run.
    pub total_return: Option<f64>,
    /// Return a year; only for runs of a year and more.
    pub cagr: Option<f64>,
    /// Volatility a year.
    pub volatility: Option<f64>,
    /// Sharpe ratio a year.
    pub sharpe: Option<f64>,
    /// Half of its 95 % interval.
    pub sharpe_error: Option<f64>,
    /// Sortino ratio a year.
    pub sortino: Option<f64>,
    /// Calmar ratio; only for runs of a year and more.
    pub calmar: Option<f64>,
    /// Deepest fall from a peak: zero or a negative fraction.
    pub max_drawdown: Option<f64>,
    /// Longest time below a peak, in days.
    pub longest_drawdown_days: Option<f64>,
    /// Largest return of a UTC day.
    pub best_day: Option<f64>,
    /// Smallest return of a UTC day.
    pub worst_day: Option<f64>,
    /// Returns of UTC days that the ratios are made of.
    pub daily_returns: usize,
}

/// Figures of closed trades.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct TradeFigures {
    /// How many.
    pub closed: u64,
    /// Share with a profit after fees.
    pub win_rate: Option<f64>,
    /// Profits over losses.
    pub profit_factor: Option<f64>,
    /// Mean profit.
    pub expectancy: Option<f64>,
    /// Mean profit of those won.
    pub average_win: Option<f64>,
    /// Mean loss of those lost, a positive amount.
    pub average_loss: Option<f64>,
    /// Largest profit.
    pub best: Option<f64>,
    /// Largest loss, or smallest profit.
    pub worst: Option<f64>,
    /// Median time held, in seconds.
    pub median_holding_s: Option<f64>,
    /// Longest time held, in seconds.
    pub longest_holding_s: Option<f64>,
    /// Most losing trades in a row.
    pub losses_in_a_row: usize,
}

/// Figures of what was held, over the hours of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct ExposureFigures {
    /// Share of the hours at whose end something was held.
    pub time_in_market: f64,
    /// Mean of the gross exposure.
    pub mean_gross: f64,
    /// Largest gross exposure.
    pub max_gross: f64,
    /// Mean of the net exposure.
    pub mean_net: f64,
}

/// What trading cost, in quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct CostFigures {
    /// Fees.
    pub fees: f64,
    /// Funding paid less received.
    pub funding: f64,
    /// Slippage, where it is known apart from the prices.
    pub slippage: Option<f64>,
    /// All that is known.
    pub total: f64,
    /// As a fraction of the cash at the start.
    pub of_cash: Option<f64>,
    /// As a fraction of what would have been earned without them, where that is a profit.
    pub of_gross_profit: Option<f64>,
    /// Value traded.
    pub turnover: f64,
    /// Value traded as a multiple of the cash at the start.
    pub turnover_of_cash: Option<f64>,
}

/// The return of a calendar month, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Month {
    /// Year.
    pub year: i16,
    /// Month, 1 to 12.
    pub month: i8,
    /// Of the account.
    pub account: f64,
    /// Of buying and holding.
    pub hold: Option<f64>,
}

/// Sharpe ratio over the latest days, at each day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rolling {
    /// Days.
    pub window: usize,
    /// End of each day in ms since 1970 UTC, and the ratio.
    pub points: Vec<(i64, Option<f64>)>,
}

/// One bar of a histogram.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bin {
    /// In words.
    pub label: String,
    /// Where it begins; `None` for all below.
    pub from: Option<f64>,
    /// Where it ends; `None` for all above.
    pub to: Option<f64>,
    /// Trades in it.
    pub trades: usize,
    /// Their profit.
    pub pnl: f64,
}

/// Computes the figures of a run.
#[must_use]
pub fn figures(run: &RunReport) -> Figures {
    let s = &run.summary;
    let days = s.start_ts.zip(s.end_ts).map(|(from, to)| (to - from) as f64 / DAY_MS as f64).filter(|d| *d > 0.0);
    let account_rows: Vec<(i64, f64)> = run.equity.iter().map(|r| (r.ts, r.equity)).collect();
    let mut account = curve_figures(&account_rows, s.initial_cash, days);
    account.final_equity = s.final_equity;
    account.total_return = s.total_return;
    // The run has seen every sample: its own figures stand.
    account.max_drawdown = Some(s.max_drawdown);
    account.sharpe = s.sharpe;
    account.volatility = s.volatility;
    account.cagr = s.total_return.and_then(|total| cagr(total, days));
    account.calmar = calmar(account.cagr, account.max_drawdown);
    account.sharpe_error = account.sharpe.and_then(|sharpe| sharpe_error(sharpe, account.daily_returns));
    let hold = s.buy_and_hold.map(|h| {
        let rows: Vec<(i64, f64)> = run.equity.iter().filter_map(|r| Some((r.ts, r.hold?))).collect();
        let mut figures = curve_figures(&rows, s.initial_cash, days);
        figures.final_equity = Some(h.final_equity);
        figures.total_return = Some(h.total_return);
        figures.max_drawdown = Some(h.max_drawdown);
        figures.cagr = cagr(h.total_return, days);
        figures.calmar = calmar(figures.cagr, figures.max_drawdown);
        figures
    });
    Figures {
        days,
        account,
        hold,
        trades: trade_figures(run),
        exposure: exposure_figures(&run.equity),
        costs: cost_figures(run),
        monthly: monthly(&run.equity, s.initial_cash),
        rolling: rolling(&account_rows),
        profit_bins: profit_bins(&run.trades),
        holding_bins: holding_bins(&run.trades),
    }
}

/// `(1 + total)^(365 / days) - 1`; `None` under a year, where it would promise what was not seen.
fn cagr(total: f64, days: Option<f64>) -> Option<f64> {
    let days = days.filter(|d| *d >= DAYS_PER_YEAR)?;
    (total > -1.0).then(|| (1.0 + total).powf(DAYS_PER_YEAR / days) - 1.0)
}

fn calmar(cagr: Option<f64>, max_drawdown: Option<f64>) -> Option<f64> {
    let (cagr, deepest) = cagr.zip(max_drawdown)?;
    (deepest < 0.0).then(|| cagr / -deepest)
}

/// `1.96 sqrt((365 + SR^2 / 2) / n)`: the daily ratio has the variance `(1 + SR_day^2 / 2) / n`, and `SR = SR_day sqrt(365)`.
fn sharpe_error(sharpe: f64, returns: usize) -> Option<f64> {
    (returns > 1).then(|| 1.96 * ((DAYS_PER_YEAR + sharpe * sharpe / 2.0) / returns as f64).sqrt())
}

/// The UTC day that a time belongs to: midnight ends a day.
fn day_of(ts: i64) -> i64 {
    (ts - 1).div_euclid(DAY_MS)
}

/// The last value of each UTC day.
fn daily(rows: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let mut days: Vec<(i64, f64)> = Vec::new();
    for &(ts, value) in rows {
        match days.last_mut() {
            Some((day, last)) if *day == day_of(ts) => *last = value,
            _ => days.push((day_of(ts), value)),
        }
    }
    days
}

fn daily_returns(rows: &[(i64, f64)]) -> (Vec<i64>, Vec<f64>) {
    let days = daily(rows);
    let values: Vec<f64> = days.iter().map(|(_, value)| *value).collect();
    let returns = returns_from_equity(&values).unwrap_or_default();
    (days.iter().skip(1).map(|(day, _)| *day).take(returns.len()).collect(), returns)
}

fn curve_figures(rows: &[(i64, f64)], cash: f64, days: Option<f64>) -> CurveFigures {
    let (_, returns) = daily_returns(rows);
    let mut figures = CurveFigures { daily_returns: returns.len(), ..CurveFigures::default() };
    if returns.len() > 1
        && let Ok(p) = performance(&returns, Year::DAYS)
    {
        figures.volatility = p.volatility;
        figures.sharpe = p.sharpe;
        figures.sharpe_error = p.sharpe.and_then(|sharpe| sharpe_error(sharpe, returns.len()));
        figures.sortino = p.sortino;
    }
    figures.best_day = returns.iter().copied().max_by(f64::total_cmp);
    figures.worst_day = returns.iter().copied().min_by(f64::total_cmp);
    let mut tracker = DrawdownTracker::new();
    tracker.update(cash);
    let (mut peak_at, mut longest) = (rows.first().map_or(0, |(ts, _)| *ts), 0i64);
    for &(ts, value) in rows {
        if tracker.update(value) < 0.0 {
            longest = longest.max(ts - peak_at);
        } else {
            peak_at = ts;
        }
    }
    if let Some((_, last)) = rows.last() {
        figures.max_drawdown = Some(tracker.max_drawdown());
        figures.longest_drawdown_days = Some(longest as f64 / DAY_MS as f64);
        figures.final_equity = Some(*last);
        figures.total_return = (cash > 0.0).then(|| last / cash - 1.0);
    }
    figures.cagr = figures.total_return.and_then(|total| cagr(total, days));
    figures.calmar = calmar(figures.cagr, figures.max_drawdown);
    figures
}

fn trade_figures(run: &RunReport) -> TradeFigures {
    let mut statistics = TradeStatistics::new();
    statistics.extend(run.trades.iter().map(|t| t.pnl));
    let mut held: Vec<f64> = run.trades.iter().map(|t| (t.exit_ts - t.entry_ts) as f64 / 1_000.0).collect();
    held.sort_by(f64::total_cmp);
    let (mut in_a_row, mut most) = (0, 0);
    for trade in &run.trades {
        in_a_row = if trade.pnl < 0.0 { in_a_row + 1 } else { 0 };
        most = most.max(in_a_row);
    }
    let profits = || run.trades.iter().map(|t| t.pnl);
    TradeFigures {
        closed: run.summary.trades_closed,
        win_rate: run.summary.win_rate,
        profit_factor: statistics.profit_factor(),
        expectancy: statistics.expectancy(),
        average_win: statistics.average_win(),
        average_loss: statistics.average_loss(),
        best: profits().max_by(f64::total_cmp),
        worst: profits().min_by(f64::total_cmp),
        median_holding_s: sorted_quantile(&held, 0.5),
        longest_holding_s: held.last().copied(),
        losses_in_a_row: most,
    }
}

fn exposure_figures(rows: &[EquityRow]) -> Option<ExposureFigures> {
    let known: Vec<(f64, f64)> = rows.iter().filter_map(|r| r.gross.zip(r.net)).collect();
    if known.is_empty() {
        return None;
    }
    let n = known.len() as f64;
    Some(ExposureFigures {
        time_in_market: known.iter().filter(|(gross, _)| *gross > IN_MARKET_MIN).count() as f64 / n,
        mean_gross: known.iter().map(|(gross, _)| gross).sum::<f64>() / n,
        max_gross: known.iter().map(|(gross, _)| *gross).fold(0.0, f64::max),
        mean_net: known.iter().map(|(_, net)| net).sum::<f64>() / n,
    })
}

fn cost_figures(run: &RunReport) -> CostFigures {
    let s = &run.summary;
    // What older runs did not split is in their totals.
    let (fees, funding, slippage) = (s.fees_paid, -s.funding, s.costs.slippage);
    let total = fees + funding + slippage.unwrap_or(0.0);
    let turnover = s.costs.turnover_maker + s.costs.turnover_taker;
    let of_cash = |x: f64| (s.initial_cash > 0.0).then(|| x / s.initial_cash);
    let gross = s.final_equity.map(|end| end - s.initial_cash + total);
    CostFigures {
        fees,
        funding,
        slippage,
        total,
        of_cash: of_cash(total),
        of_gross_profit: gross.filter(|g| *g > 0.0).map(|g| total / g),
        turnover,
        turnover_of_cash: of_cash(turnover).filter(|_| turnover > 0.0),
    }
}

/// The date of the UTC day that a time belongs to.
fn date_of(ts: i64) -> Option<Date> {
    let timestamp = Timestamp::from_millisecond(ts - 1).ok()?;
    Some(TimeZone::UTC.to_datetime(timestamp).date())
}

/// `last value of the month / last value of the month before - 1`; the first month begins with the cash.
fn monthly(rows: &[EquityRow], cash: f64) -> Vec<Month> {
    let mut ends: Vec<(i16, i8, f64, Option<f64>)> = Vec::new();
    for row in rows {
        let Some(date) = date_of(row.ts) else { continue };
        let this = (date.year(), date.month(), row.equity, row.hold);
        match ends.last_mut() {
            Some(last) if (last.0, last.1) == (this.0, this.1) => *last = this,
            _ => ends.push(this),
        }
    }
    let (mut before, mut hold_before) = (cash, Some(cash));
    let mut months = Vec::with_capacity(ends.len());
    for (year, month, end, hold) in ends {
        if before > 0.0 {
            let of_hold = hold.zip(hold_before).filter(|(_, b)| *b > 0.0).map(|(h, b)| h / b - 1.0);
            months.push(Month { year, month, account: end / before - 1.0, hold: of_hold });
        }
        (before, hold_before) = (end, hold.or(hold_before));
    }
    months
}

fn rolling(rows: &[(i64, f64)]) -> Option<Rolling> {
    let (days, returns) = daily_returns(rows);
    let (window, _) = SHARPE_WINDOWS.into_iter().find(|(_, least)| returns.len() >= *least)?;
    let points = returns
        .windows(window)
        .zip(days.iter().skip(window - 1))
        .map(|(r, day)| ((day + 1) * DAY_MS, sharpe(r, Year::DAYS)))
        .collect();
    Some(Rolling { window, points })
}

/// 1, 2 or 5 times a power of ten, not below `x`.
fn nice(x: f64) -> f64 {
    let unit = 10f64.powf(x.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * unit).find(|v| *v >= x * (1.0 - 1e-12)).unwrap_or(10.0 * unit)
}

/// Bars of equal, round width with zero at an edge. The width follows Freedman and Diaconis, `2 IQR n^(-1/3)`; what lies beyond the outer
/// bars is in two open ones.
fn profit_bins(trades: &[Trade]) -> Vec<Bin> {
    const SIDE_MAX: f64 = 20.0;
    let mut sorted: Vec<f64> = trades.iter().map(|t| t.pnl).filter(|p| p.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let quantile = |q| sorted_quantile(&sorted, q).unwrap_or(0.0);
    let (Some(lowest), Some(highest)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let spread = quantile(0.75) - quantile(0.25);
    let largest = lowest.abs().max(highest.abs());
    if largest == 0.0 {
        return vec![Bin { label: "0".into(), from: Some(0.0), to: Some(0.0), trades: sorted.len(), pnl: 0.0 }];
    }
    let wanted = if spread > 0.0 { 2.0 * spread / (sorted.len() as f64).cbrt() } else { largest / 5.0 };
    let reach = quantile(0.99).abs().max(quantile(0.01).abs()).max(wanted);
    let width = nice(wanted.max(reach / SIDE_MAX));
    let first = (lowest / width).floor().max(-(reach / width).ceil());
    let last = (highest / width).floor().min((reach / width).ceil() - 1.0);
    let mut bins = Vec::new();
    let mut at = first;
    // At most 2 x 20 bars and one: the width is at least a twentieth of the reach on each side.
    while at <= last.max(first) {
        let (from, to) = (at * width, (at + 1.0) * width);
        let (from, to) = (Some(from).filter(|_| at > first), Some(to).filter(|_| at < last));
        bins.push(Bin { label: String::new(), from, to, trades: 0, pnl: 0.0 });
        at += 1.0;
    }
    for pnl in sorted {
        let number = (((pnl / width).floor() - first).max(0.0) as usize).min(bins.len() - 1);
        if let Some(bin) = bins.get_mut(number) {
            bin.trades += 1;
            bin.pnl += pnl;
        }
    }
    let digits = if width >= 1.0 { 0 } else { (-width.log10()).ceil() as usize };
    for (n, bin) in bins.iter_mut().enumerate() {
        let from = (first + n as f64) * width;
        bin.label = match (bin.from, bin.to) {
            (None, None) => "all".into(),
            (None, Some(to)) => format!("below {to:.digits$}"),
            (Some(from), None) => format!("{from:.digits$} and more"),
            (Some(_), Some(to)) => format!("{from:.digits$} to {to:.digits$}"),
        };
    }
    bins
}

/// Edges of the holding times in seconds, each with the words for what is shorter.
const HOLDING: [(f64, &str); 11] = [
    (60.0, "1 min"),
    (300.0, "5 min"),
    (900.0, "15 min"),
    (3_600.0, "1 h"),
    (14_400.0, "4 h"),
    (43_200.0, "12 h"),
    (86_400.0, "1 d"),
    (259_200.0, "3 d"),
    (604_800.0, "1 wk"),
    (2_592_000.0, "30 d"),
    (7_776_000.0, "90 d"),
];

fn holding_bins(trades: &[Trade]) -> Vec<Bin> {
    if trades.is_empty() {
        return Vec::new();
    }
    let mut bins: Vec<Bin> = (0..=HOLDING.len())
        .map(|n| {
            let (from, to) = (n.checked_sub(1).and_then(|n| HOLDING.get(n)), HOLDING.get(n));
            let label = match (from, to) {
                (_, Some((_, to))) => format!("< {to}"),
                (Some((_, from)), None) => format!("≥ {from}"),
                (None, None) => String::new(),
            };
            Bin { label, from: from.map(|f| f.0), to: to.map(|t| t.0), trades: 0, pnl: 0.0 }
        })
        .collect();
    for trade in trades {
        let held = (trade.exit_ts - trade.entry_ts) as f64 / 1_000.0;
        let number = HOLDING.partition_point(|(edge, _)| *edge <= held);
        if let Some(bin) = bins.get_mut(number) {
            bin.trades += 1;
            bin.pnl += trade.pnl;
        }
    }
    // Empty ones at the ends say nothing.
    while bins.last().is_some_and(|b| b.trades == 0) {
        bins.pop();
    }
    let empty = bins.iter().take_while(|b| b.trades == 0).count();
    bins.drain(..empty);
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run_report::{Hold, RunSummary};

    const HOUR: i64 = 3_600_000;
    /// 2021-01-01 00:00 UTC.
    const START: i64 = 1_609_459_200_000;

    fn close(a: Option<f64>, b: f64) {
        let a = a.unwrap_or(f64::NAN);
        assert!((a - b).abs() < 1e-12 * b.abs().max(1.0), "{a} for {b}");
    }

    /// A run whose account has these values at the ends of days.
    fn days(values: &[f64]) -> RunReport {
        let equity: Vec<EquityRow> = values
            .iter()
            .zip(1..)
            .map(|(&equity, n)| EquityRow {
                ts: START + n * DAY_MS,
                equity,
                hold: Some(equity * 2.0),
                ..Default::default()
            })
            .collect();
        let end = START + values.len() as i64 * DAY_MS;
        let summary = RunSummary {
            start_ts: Some(START),
            end_ts: Some(end),
            initial_cash: 100.0,
            final_equity: values.last().copied(),
            total_return: values.last().map(|v| v / 100.0 - 1.0),
            ..Default::default()
        };
        RunReport { summary, equity, ..Default::default() }
    }

    #[test]
    fn a_curve_by_hand() {
        let mut run = days(&[110.0, 99.0, 99.0, 118.8]);
        run.summary.buy_and_hold = Some(Hold { final_equity: 237.6, total_return: 1.376, max_drawdown: -0.1 });
        let f = figures(&run);
        assert_eq!(f.days, Some(4.0));
        let hold = f.hold.unwrap();
        // Returns -10 %, 0, +20 %: mean 1/30, squared differences (-4/30)^2, (1/30)^2, (5/30)^2 wait for the divisor 2.
        let mean = 0.1 / 3.0;
        let variance = ((-0.1 - mean) * (-0.1 - mean) + mean * mean + (0.2 - mean) * (0.2 - mean)) / 2.0;
        close(hold.sharpe, mean / f64::sqrt(variance) * 365f64.sqrt());
        close(hold.volatility, f64::sqrt(variance) * 365f64.sqrt());
        close(hold.sortino, mean * 365.0 / ((0.01f64 / 3.0).sqrt() * 365f64.sqrt()));
        close(hold.sharpe_error, 1.96 * ((365.0 + hold.sharpe.unwrap() * hold.sharpe.unwrap() / 2.0) / 3.0).sqrt());
        assert_eq!((hold.daily_returns, hold.cagr, hold.calmar), (3, None, None), "four days promise no year");
        close(hold.best_day, 0.2);
        close(hold.worst_day, -0.1);
        // Below the peak of the first day until the third.
        close(f.account.longest_drawdown_days, 2.0);
        assert_eq!(f.rolling, None);
    }

    #[test]
    fn a_year_has_a_yearly_return() {
        let values: Vec<f64> = (1..=730).map(|n| 100.0 + 44.0 * f64::from(n) / 730.0).collect();
        let mut run = days(&values);
        run.summary.max_drawdown = -0.5;
        let f = figures(&run);
        close(f.account.cagr, 0.2);
        close(f.account.calmar, 0.4);
        let rolling = f.rolling.unwrap();
        assert_eq!((rolling.window, rolling.points.len()), (180, 729 - 179));
        // The first window ends with the 181st day.
        assert_eq!(rolling.points[0].0, START + 181 * DAY_MS);
        let returns: Vec<f64> = values.windows(2).take(180).map(|w| w[1] / w[0] - 1.0).collect();
        assert_eq!(rolling.points[0].1, sharpe(&returns, Year::DAYS));
    }

    #[test]
    fn months_begin_where_the_month_before_ended() {
        let row = |day: i64, equity: f64, hold: f64| EquityRow {
            ts: START + day * DAY_MS,
            equity,
            hold: Some(hold),
            ..Default::default()
        };
        // The end of January is the midnight that begins February.
        let rows = [
            row(10, 150.0, 90.0),
            row(31, 120.0, 80.0),
            row(40, 60.0, 80.0),
            row(59, 90.0, 100.0),
            row(60, 99.0, 100.0),
        ];
        let months = monthly(&rows, 100.0);
        let got: Vec<_> = months.iter().map(|m| (m.year, m.month)).collect();
        assert_eq!(got, [(2021, 1), (2021, 2), (2021, 3)]);
        close(Some(months[0].account), 0.2);
        close(months[0].hold, -0.2);
        close(Some(months[1].account), -0.25);
        close(months[1].hold, 0.25);
        close(Some(months[2].account), 0.1);
    }

    fn trade(pnl: f64, held_s: i64) -> Trade {
        Trade { pnl, entry_ts: START, exit_ts: START + held_s * 1_000, ..Default::default() }
    }

    #[test]
    fn trades_by_hand() {
        let mut run = days(&[100.0]);
        run.trades = vec![trade(30.0, 60), trade(-10.0, 120), trade(-5.0, 3_600), trade(0.0, 7_200)];
        (run.summary.trades_closed, run.summary.win_rate) = (4, Some(0.25));
        let t = figures(&run).trades;
        close(t.profit_factor, 2.0);
        close(t.expectancy, 3.75);
        close(t.average_win, 30.0);
        close(t.average_loss, 7.5);
        assert_eq!((t.best, t.worst, t.losses_in_a_row), (Some(30.0), Some(-10.0), 2));
        close(t.median_holding_s, 1_860.0);
        let bins = figures(&run).holding_bins;
        let got: Vec<_> = bins.iter().map(|b| (b.label.as_str(), b.trades)).collect();
        assert_eq!(got, [("< 5 min", 2), ("< 15 min", 0), ("< 1 h", 0), ("< 4 h", 2)]);
    }

    #[test]
    fn every_profit_is_in_one_bar_and_zero_is_an_edge() {
        for count in [1usize, 2, 7, 100, 5_000] {
            let trades: Vec<Trade> = (0..count)
                .map(|n| trade(((n * 7_919) % 1_000) as f64 - 450.0 + if n == 3 { 1e6 } else { 0.0 }, 1))
                .collect();
            let bins = profit_bins(&trades);
            assert!(bins.len() <= 42, "{count}: {}", bins.len());
            assert_eq!(bins.iter().map(|b| b.trades).sum::<usize>(), count);
            let sum: f64 = trades.iter().map(|t| t.pnl).sum();
            assert!((bins.iter().map(|b| b.pnl).sum::<f64>() - sum).abs() < 1e-6);
            for pair in bins.windows(2) {
                assert_eq!(pair[0].to, pair[1].from, "{count}: {pair:?}");
            }
            let profit: usize = bins.iter().filter(|b| b.from.is_some_and(|f| f >= 0.0)).map(|b| b.trades).sum();
            if bins.iter().any(|b| b.from == Some(0.0)) {
                assert_eq!(profit, trades.iter().filter(|t| t.pnl >= 0.0).count(), "{count}");
            }
        }
        assert_eq!(profit_bins(&[trade(0.0, 1)]).len(), 1);
        assert_eq!(profit_bins(&[]), []);
    }

    #[test]
    fn costs_and_exposure_by_hand() {
        let mut run = days(&[100.0, 130.0]);
        let s = &mut run.summary;
        (s.fees_paid, s.funding, s.costs.slippage) = (8.0, -2.0, Some(10.0));
        (s.costs.turnover_maker, s.costs.turnover_taker) = (100.0, 300.0);
        let c = figures(&run).costs;
        assert_eq!((c.total, c.turnover, c.turnover_of_cash), (20.0, 400.0, Some(4.0)));
        // 30 were left of 50.
        close(c.of_gross_profit, 0.4);
        let row =
            |gross: f64, net: f64| EquityRow { gross: Some(gross), net: Some(net), ts: HOUR, ..Default::default() };
        let e = exposure_figures(&[row(0.5, -0.5), row(0.0005, 0.0005), row(1.0, 1.0)]).unwrap();
        close(Some(e.time_in_market), 2.0 / 3.0);
        close(Some(e.mean_gross), 1.5005 / 3.0);
        close(Some(e.mean_net), 0.5005 / 3.0);
        assert_eq!(e.max_gross, 1.0);
    }

    #[test]
    fn an_empty_run_has_no_figures_and_no_trouble() {
        let f = figures(&RunReport::default());
        assert_eq!((f.days, f.hold, f.exposure), (None, None, None));
        assert_eq!((f.monthly.len(), f.profit_bins.len(), f.holding_bins.len()), (0, 0, 0));
        assert_eq!(f.account.total_return, None);
    }
}
