//! Table of statistics over whole columns.

use super::{Args, CalcError, Compute, Function, Param, Value};
use crate::indicator::PERIOD_MAX;
use crate::stats::{
    DrawdownTracker, RollingCorrelation, TradeStatistics, Year, performance, returns_from_equity, sharpe,
};

const PERIODS: Param = Param::number("periods_per_year", Some(365.0), f64::MIN_POSITIVE, 1e9);
const RISK_FREE: Param = Param::number("rf_per_period", Some(0.0), -1.0, 1.0);

/// One entry per function.
pub(super) static TABLE: &[Function] = &[
    Function {
        names: &["performance"],
        params: &[PERIODS, RISK_FREE, Param::scale("scale")],
        inputs: &["r"],
        outputs: &[
            "total_return",
            "cagr",
            "volatility",
            "sharpe",
            "sortino",
            "max_drawdown",
            "calmar",
            "omega",
            "tail_ratio",
            "ulcer",
            "pain",
            "longest_drawdown",
            "skew",
            "excess_kurtosis",
            "win_rate_nonzero",
            "profit_factor",
        ],
        lookback: "0",
        formula: "performance ratios of simple returns divided by scale (100 for percent)",
        source: "definitions in quant::stats::performance; equal to empyrical's",
        compute: Compute::Whole { rows_min: 1, run: performance_ratios },
    },
    Function {
        names: &["sharpe"],
        params: &[PERIODS, RISK_FREE, Param::scale("scale")],
        inputs: &["r"],
        outputs: &["sharpe"],
        lookback: "0",
        formula: "mean(r - rf) / std(r - rf, ddof 1) sqrt(periods_per_year)",
        source: "Sharpe (1994), Journal of Portfolio Management 21(1)",
        compute: Compute::Whole {
            rows_min: 1,
            run: |args, columns| Ok(vec![sharpe(&returns(args, columns)?, year(args)?).into()]),
        },
    },
    Function {
        names: &["equity_performance"],
        params: &[PERIODS, RISK_FREE],
        inputs: &["equity"],
        outputs: &["total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "calmar"],
        lookback: "0",
        formula: "the ratios of performance over equity[t] / equity[t-1] - 1",
        source: "definitions in quant::stats::performance",
        compute: Compute::Whole { rows_min: 2, run: equity_ratios },
    },
    Function {
        names: &["drawdown"],
        params: &[],
        inputs: &["equity"],
        outputs: &["drawdown", "max_drawdown", "longest_drawdown"],
        lookback: "0",
        formula: "equity / max(equity so far) - 1, its minimum, and the longest run of rows below the peak",
        source: "definition",
        compute: Compute::Whole { rows_min: 1, run: |_, columns| Ok(drawdown(column(columns, 0))) },
    },
    Function {
        names: &["trade_statistics"],
        params: &[],
        inputs: &["pnl"],
        outputs: &["trades", "win_rate", "profit_factor", "expectancy", "average_win", "average_loss"],
        lookback: "0",
        formula: "ratios over the net profits of closed trades",
        source: "definitions in quant::stats::trades",
        compute: Compute::Whole { rows_min: 0, run: |_, columns| Ok(trade_statistics(column(columns, 0))) },
    },
    Function {
        names: &["rolling_pearson"],
        params: &[Param::count("n", &["period", "window"], 100, 2, PERIOD_MAX)],
        inputs: &["x", "y"],
        outputs: &["corr", "cov_ddof1"],
        lookback: "n - 1",
        formula: "correlation and covariance (divisor n - 1) of the last n pairs",
        source: "pandas rolling(n).corr and .cov",
        compute: Compute::Whole { rows_min: 0, run: rolling_pearson },
    },
];

/// The i-th column; [`Function::call`] has checked how many there are.
fn column<'a>(columns: &[&'a [f64]], i: usize) -> &'a [f64] {
    columns.get(i).copied().unwrap_or_default()
}

fn year(args: &Args) -> Result<Year, CalcError> {
    Ok(Year::new(args.number("periods_per_year")?, args.number("rf_per_period")?)?)
}

/// The first column divided by the declared scale.
fn returns(args: &Args, columns: &[&[f64]]) -> Result<Vec<f64>, CalcError> {
    let scale = args.number("scale")?;
    Ok(column(columns, 0).iter().map(|r| r / scale).collect())
}

fn performance_ratios(args: &Args, columns: &[&[f64]]) -> Result<Vec<Value>, CalcError> {
    let p = performance(&returns(args, columns)?, year(args)?)?;
    Ok(vec![
        p.total_return.into(),
        p.cagr.into(),
        p.volatility.into(),
        p.sharpe.into(),
        p.sortino.into(),
        p.max_drawdown.into(),
        p.calmar.into(),
        p.omega.into(),
        p.tail_ratio.into(),
        p.ulcer.into(),
        p.pain.into(),
        p.longest_drawdown.into(),
        p.skew.into(),
        p.excess_kurtosis.into(),
        p.win_rate_nonzero.into(),
        p.profit_factor.into(),
    ])
}

fn equity_ratios(args: &Args, columns: &[&[f64]]) -> Result<Vec<Value>, CalcError> {
    let p = performance(&returns_from_equity(column(columns, 0))?, year(args)?)?;
    Ok(vec![
        p.total_return.into(),
        p.cagr.into(),
        p.volatility.into(),
        p.sharpe.into(),
        p.sortino.into(),
        p.max_drawdown.into(),
        p.calmar.into(),
    ])
}

fn drawdown(equity: &[f64]) -> Vec<Value> {
    let mut tracker = DrawdownTracker::new();
    let series: Vec<Option<f64>> = equity.iter().map(|&e| Some(tracker.update(e))).collect();
    vec![series.into(), tracker.max_drawdown().into(), tracker.longest_points().into()]
}

fn trade_statistics(profits: &[f64]) -> Vec<Value> {
    let mut s = TradeStatistics::new();
    s.extend(profits.iter().copied());
    vec![
        s.trades().into(),
        s.win_rate().into(),
        s.profit_factor().into(),
        s.expectancy().into(),
        s.average_win().into(),
        s.average_loss().into(),
    ]
}

fn rolling_pearson(args: &Args, columns: &[&[f64]]) -> Result<Vec<Value>, CalcError> {
    let n = args.count("n")?;
    let mut rolling = RollingCorrelation::new(n, n)?;
    let (mut correlations, mut covariances) = (Vec::new(), Vec::new());
    for (x, y) in column(columns, 0).iter().zip(column(columns, 1)) {
        rolling.push(*x, *y);
        correlations.push(rolling.correlation());
        covariances.push(rolling.covariance());
    }
    Ok(vec![correlations.into(), covariances.into()])
}
