//! Table of ranges and channels.

use super::{Args, CalcError, Compute, Function, Param, Stream, TALIB, boxed};
use crate::indicator::{Atr, Donchian, Natr, PERIOD_MAX, TrueRange};

const HLC: &[&str] = &["high", "low", "close"];
const HIGH_LOW: &[&str] = &["high", "low"];
const REAL: &[&str] = &["real"];

const fn period(default: usize) -> Param {
    Param::count("period", &["timeperiod", "n"], default, 1, PERIOD_MAX)
}

/// One entry per function.
pub(super) static TABLE: &[Function] = &[
    Function {
        names: &["TRANGE", "talib.TRANGE"],
        params: &[],
        inputs: HLC,
        outputs: REAL,
        lookback: "1",
        formula: "max(high - low, |high - close[t-1]|, |low - close[t-1]|)",
        source: TALIB,
        compute: Compute::Stream(|_| Ok(Box::new(TrueRange::new()))),
    },
    Function {
        names: &["ATR", "talib.ATR"],
        params: &[period(14)],
        inputs: HLC,
        outputs: REAL,
        lookback: "period",
        formula: "atr = (atr (period - 1) + tr) / period, seeded with mean(tr[1..=period])",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Atr::new(a.count("period")?))),
    },
    Function {
        names: &["NATR", "talib.NATR"],
        params: &[period(14)],
        inputs: HLC,
        outputs: REAL,
        lookback: "period",
        formula: "100 ATR / close",
        source: TALIB,
        compute: Compute::Stream(|a| boxed(Natr::new(a.count("period")?))),
    },
    Function {
        names: &["DONCHIAN"],
        params: &[period(20)],
        inputs: HIGH_LOW,
        outputs: &["upper", "middle", "lower"],
        lookback: "period - 1",
        formula: "max(high), (upper + lower) / 2, min(low) over the last period bars, the current one included",
        source: "Donchian; equal to TA-Lib's",
        compute: Compute::Stream(donchian),
    },
    Function {
        names: &["talib.DONCHIAN"],
        params: &[period(20)],
        inputs: HIGH_LOW,
        outputs: &["upperband", "middleband", "lowerband"],
        lookback: "period - 1",
        formula: "max(high), (upper + lower) / 2, min(low) over the last period bars, the current one included",
        source: TALIB,
        compute: Compute::Stream(donchian),
    },
];

fn donchian(args: &Args) -> Result<Box<dyn Stream>, CalcError> {
    boxed(Donchian::new(args.count("period")?))
}
