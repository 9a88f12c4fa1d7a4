//! Table of risk figures over whole columns: value at risk and shortfall, covariance, Kelly's fraction.

use super::{Args, CalcError, Compute, Function, Param, Value};
use crate::error::SeriesError;
use crate::stats::value_at_risk::{cornish_fisher, historical, normal_tail, shape, student_tail};
use crate::stats::{EwmaCentred, EwmaCovariance, kelly, student};

/// Tail probabilities that can be asked for, beside the names of their outputs.
const ALPHAS: &[f64] = &[0.1, 0.05, 0.025, 0.01, 0.005, 0.001];

/// One entry per function.
pub(super) static TABLE: &[Function] = &[
    Function {
        names: &["var_cvar", "value_at_risk"],
        params: &[Param::choice("alphas", &["alpha"], ALPHAS), Param::scale("scale")],
        inputs: &["r"],
        outputs: &[
            "n",
            "mean",
            "sd",
            "skew",
            "excess_kurtosis",
            "t_fit",
            "alpha_0.1",
            "alpha_0.05",
            "alpha_0.025",
            "alpha_0.01",
            "alpha_0.005",
            "alpha_0.001",
        ],
        lookback: "0",
        formula: "value at risk and expected shortfall as positive losses: of the sample (order statistic, linear), normal, Cornish-Fisher, fitted Student-t",
        source: "definitions in quant::stats::value_at_risk; Rockafellar & Uryasev (2002), Boudt, Peterson & Croux (2008), Liu & Rubin (1995)",
        compute: Compute::Whole { rows_min: 10, run: var_cvar },
    },
    Function {
        names: &["ewma_correlation"],
        params: &[Param::number("lambda", Some(0.94), 0.0, 1.0 - f64::EPSILON)],
        inputs: &["x", "y"],
        outputs: &["riskmetrics_zero_mean", "pandas_ewm_adjust_true"],
        lookback: "0",
        formula: "c = lambda c + (1 - lambda) x y over root of both variances; beside it with weighted means removed",
        source: "RiskMetrics Technical Document, 4th ed. (1996); pandas ewm(alpha = 1 - lambda).corr",
        compute: Compute::Whole { rows_min: 0, run: ewma_correlation },
    },
    Function {
        names: &["kelly_binary"],
        params: &[Param::note("win"), Param::note("loss")],
        inputs: &["p", "win", "loss"],
        outputs: &["f"],
        lookback: "0",
        formula: "p / loss - (1 - p) / win, 0 where negative; half and quarter of it are more cautious",
        source: "Kelly (1956), Bell System Technical Journal 35; Thorp (2006)",
        compute: Compute::Whole { rows_min: 0, run: kelly_binary },
    },
];

fn column<'a>(columns: &[&'a [f64]], i: usize) -> &'a [f64] {
    columns.get(i).copied().unwrap_or_default()
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn var_cvar(args: &Args, columns: &[&[f64]]) -> Result<Vec<Value>, CalcError> {
    let scale = args.number("scale")?;
    let r: Vec<f64> = column(columns, 0).iter().map(|v| v / scale).collect();
    let fit = student::fit(&r)?;
    // A series that does not move has been refused by the fit.
    let shape = shape(&r).ok_or(SeriesError::TooFew { needed: 2, given: r.len() })?;
    let mut sorted = r;
    sorted.sort_by(f64::total_cmp);
    let mut values = vec![
        sorted.len().into(),
        shape.mean.into(),
        shape.sigma.into(),
        shape.skew.into(),
        shape.excess_kurtosis.into(),
        map(&[
            ("nu", fit.nu.into()),
            ("loc", fit.location.into()),
            ("scale", fit.scale.into()),
            ("loglik", fit.log_likelihood.into()),
        ]),
    ];
    let asked = args.chosen("alphas")?;
    for alpha in ALPHAS.iter().copied() {
        let figures = || {
            let (h, n) = (historical(&sorted, alpha)?, normal_tail(shape.mean, shape.sigma, alpha)?);
            let (c, t) = (cornish_fisher(&shape, alpha)?, student_tail(&fit, alpha)?);
            Some(map(&[
                ("var_hist_linear", h.var_linear.into()),
                ("var_hist_order", h.var_order.into()),
                ("cvar_hist_mean_below", h.es_mean_below.into()),
                ("cvar_hist_ru", h.es_weighted.into()),
                ("var_normal", n.var.into()),
                ("cvar_normal", n.es.into()),
                ("var_cf", c.var.into()),
                ("cvar_cf_integral", c.es_integral.into()),
                ("cvar_cf_boudt", c.es_modified.into()),
                ("cvar_cf_boudt_operational", c.es_operational.into()),
                ("cf_monotone", Value::Bool(c.monotone)),
                ("var_t", t.var.into()),
                ("cvar_t", t.es.into()),
            ]))
        };
        let figures = asked.contains(&alpha).then(figures).flatten();
        values.push(figures.unwrap_or(Value::Missing));
    }
    Ok(values)
}

fn ewma_correlation(args: &Args, columns: &[&[f64]]) -> Result<Vec<Value>, CalcError> {
    let lambda = args.number("lambda")?;
    let (mut plain, mut centred) = (EwmaCovariance::new(lambda)?, EwmaCentred::new(lambda)?);
    let (mut zero_mean, mut means_removed) = (Vec::new(), Vec::new());
    for (x, y) in column(columns, 0).iter().zip(column(columns, 1)) {
        plain.push(*x, *y);
        centred.push(*x, *y);
        zero_mean.push(plain.correlation());
        means_removed.push(centred.correlation());
    }
    Ok(vec![zero_mean.into(), means_removed.into()])
}

fn kelly_binary(args: &Args, columns: &[&[f64]]) -> Result<Vec<Value>, CalcError> {
    // It has no parameters; one that is given was refused before.
    let Args { .. } = args;
    let rows = column(columns, 0).iter().zip(column(columns, 1)).zip(column(columns, 2));
    Ok(vec![rows.map(|((p, win), loss)| kelly::binary(*p, *win, *loss)).collect::<Vec<_>>().into()])
}
