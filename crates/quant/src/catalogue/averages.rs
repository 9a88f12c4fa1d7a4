//! Table of the moving averages.

use super::{Args, CalcError, Compute, Function, Param, Stream, TALIB, boxed};
use crate::indicator::{Dema, Ema, Hma, Kama, Mama, PERIOD_MAX, Rma, Sma, T3, Tema, Trima, Wma};

const CLOSE: &[&str] = &["close"];
const REAL: &[&str] = &["real"];
const VFACTOR: Param = Param::number("vfactor", Some(0.7), 0.0, 1.0);
const MAMA: &[Param] =
    &[Param::number("fastlimit", Some(0.5), 0.01, 0.99), Param::number("slowlimit", Some(0.05), 0.01, 0.99)];

const fn period(default: usize, min: usize) -> Param {
    Param::count("period", &["timeperiod", "n"], default, min, PERIOD_MAX)
}

/// One entry per average.
pub(super) static TABLE: &[Function] = &[
    Function {
        names: &["SMA", "talib.SMA"],
        params: &[period(30, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "period - 1",
        formula: "sum(x[t-period+1..=t]) / period",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Sma::new(a.count("period")?))),
    },
    Function {
        names: &["EMA", "talib.EMA"],
        params: &[period(30, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "period - 1",
        formula: "ema += 2 / (period + 1) (x - ema), seeded with the mean of the first period values",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Ema::new(a.count("period")?))),
    },
    Function {
        names: &["EMA_FIRST"],
        params: &[period(30, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "0",
        formula: "ema += 2 / (period + 1) (x - ema), seeded with the first value",
        source: "pandas ewm(span=period, adjust=False)",
        compute: Compute::Stream(|a| boxed(Ema::seeded_by_first(a.count("period")?))),
    },
    Function {
        names: &["WMA", "talib.WMA"],
        params: &[period(30, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "period - 1",
        formula: "sum(k x[t-period+k], k = 1..period) / (period (period + 1) / 2)",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Wma::new(a.count("period")?))),
    },
    Function {
        names: &["DEMA", "talib.DEMA"],
        params: &[period(30, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "2 (period - 1)",
        formula: "2 EMA(x) - EMA(EMA(x))",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Dema::new(a.count("period")?))),
    },
    Function {
        names: &["TEMA", "talib.TEMA"],
        params: &[period(30, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "3 (period - 1)",
        formula: "3 EMA(x) - 3 EMA(EMA(x)) + EMA(EMA(EMA(x)))",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Tema::new(a.count("period")?))),
    },
    Function {
        names: &["TRIMA", "talib.TRIMA"],
        params: &[period(30, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "period - 1",
        formula: "SMA(SMA(x, period / 2 + 1), (period + 1) / 2), halves rounded down",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Trima::new(a.count("period")?))),
    },
    Function {
        names: &["KAMA", "talib.KAMA"],
        params: &[period(30, 2)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "period",
        formula: "kama += (|x[t] - x[t-period]| / sum|dx| (2/3 - 2/31) + 2/31)^2 (x - kama)",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Kama::new(a.count("period")?))),
    },
    Function {
        names: &["T3", "talib.T3"],
        params: &[period(5, 1), VFACTOR],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "6 (period - 1)",
        formula: "GD(GD(GD(x))), GD(x) = (1 + vfactor) EMA(x) - vfactor EMA(EMA(x))",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(T3::new(a.count("period")?, a.number("vfactor")?))),
    },
    Function {
        names: &["HMA"],
        params: &[period(20, 2)],
        inputs: CLOSE,
        outputs: &["hma"],
        lookback: "period - 1 + floor(sqrt(period)) - 1",
        formula: "WMA(2 WMA(x, period / 2) - WMA(x, period), floor(sqrt(period)))",
        source: "Hull; equal to TA-Lib's",
        compute: Compute::Stream(hma),
    },
    Function {
        names: &["talib.HMA"],
        params: &[period(20, 2)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "period - 1 + floor(sqrt(period)) - 1",
        formula: "WMA(2 WMA(x, period / 2) - WMA(x, period), floor(sqrt(period)))",
        source: TALIB,
        compute: Compute::Stream(hma),
    },
    Function {
        names: &["MAMA", "talib.MAMA"],
        params: MAMA,
        inputs: CLOSE,
        outputs: &["mama", "fama"],
        lookback: "32",
        formula: "mama += alpha (x - mama), alpha = fastlimit / change of phase, at least slowlimit; fama with alpha / 2",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Mama::new(a.number("fastlimit")?, a.number("slowlimit")?))),
    },
    Function {
        names: &["MA", "talib.MA"],
        params: &[period(30, 1), Param::count("matype", &[], 0, 0, 13)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "that of the average chosen",
        formula: "the average of kind matype: 0 SMA, 1 EMA, 2 WMA, 3 DEMA, 4 TEMA, 5 TRIMA, 6 KAMA, 8 T3 (vfactor 0.7), 13 RMA",
        source: TALIB,
        compute: Compute::Stream(by_kind),
    },
    Function {
        names: &["RMA", "talib.RMA"],
        params: &[period(14, 1)],
        inputs: CLOSE,
        outputs: REAL,
        lookback: "period - 1",
        formula: "rma = (rma (period - 1) + x) / period, seeded with the mean of the first period values",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Rma::new(a.count("period")?))),
    },
];

fn hma(args: &Args) -> Result<Box<dyn Stream>, CalcError> {
    boxed(Hma::new(args.count("period")?))
}

fn by_kind(args: &Args) -> Result<Box<dyn Stream>, CalcError> {
    let period = args.count("period")?;
    match args.count("matype")? {
        0 => boxed(Sma::new(period)),
        1 => boxed(Ema::new(period)),
        2 => boxed(Wma::new(period)),
        3 => boxed(Dema::new(period)),
        4 => boxed(Tema::new(period)),
        5 => boxed(Trima::new(period)),
        6 => boxed(Kama::new(period)),
        8 => boxed(T3::new(period, 0.7)),
        13 => boxed(Rma::new(period)),
        _ => Err(CalcError::Kind { parameter: "matype", expected: "one of 0 to 6, 8, 13" }),
    }
}
