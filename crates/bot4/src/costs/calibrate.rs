//! What the orders of a run teach: parameters with error bars, and how good estimates before would have been.
//!
//! In:  fills and orders as measured. Out: [`Fitted`], the settings of the simulated venue that its fills recover; [`Calibrated`], the walk
//! forward through the orders, and an estimate for each order that had enough orders before it.

use crate::costs::measure::{EstimateFacts, Measured};
use domain::Rate;
use execution::cost::{CostParameters, Covariance, Drift, Law, Planned, Toxicity, estimate};
use research::fit::{
    Calibration, LawFit, Observation, Past, Regressor, TwoParts, Value, fit_law, mean_with_error, walk_forward,
};
use serde::Serialize;

/// Seed of resampled errors: the same record gives the same intervals.
const SEED: u64 = 1;
/// Fewest orders of a mean of delay and timing.
const DRIFT_MIN: usize = 10;

/// A fill that took liquidity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Its quantity.
    pub quantity: f64,
    /// What it paid beyond the market's price, against its share of the volume that it met.
    pub observation: Observation,
}

/// An order with what was known before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    /// When it was sent.
    pub sent: u64,
    /// When it was over.
    pub known: u64,
    /// Whether it took liquidity.
    pub takes: bool,
    /// The rate of its fee.
    pub fee: Rate,
    /// Half of the spread that was quoted.
    pub half_spread: Option<f64>,
    /// Delay and timing over what was traded, once known.
    pub moved: Option<f64>,
    /// The whole cost over what was traded, for a complete order.
    pub whole: Option<f64>,
    /// Minutes that it waited.
    pub wait: f64,
    /// Its share as expected, and what it paid beyond the market's price.
    pub observation: Observation,
}

/// Parameters that fills recover, as settings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fitted {
    /// Fills that it is fitted to.
    pub fills: usize,
    /// Fills that say nothing of slippage, by the reason.
    pub left_out: Vec<(&'static str, usize)>,
    /// The fit; null where there is none.
    pub fit: Option<LawFit>,
    /// Why there is none.
    pub why_not: Option<String>,
    /// The setting to paste: `venue.slippage`, or `--slippage`.
    pub slippage: Option<String>,
    /// In words: what is told apart and what is not.
    pub says: String,
}

/// How good estimates were, and what they are made of at the end.
#[derive(Clone, Debug, Serialize)]
pub struct Calibrated {
    /// What impact is fitted to.
    pub regressor: Regressor,
    /// The settings that the fills recover, fitted to the volume that each met.
    pub venue: Fitted,
    /// The law as known before: fitted to the volume that was expected; null where there is none.
    pub expected: Option<LawFit>,
    /// Spread and impact walked forward.
    pub crossing: Calibration,
    /// Bias of the whole estimate (spread, impact, timing and fees) against the whole cost; null under three.
    pub whole_bias: Option<Value>,
    /// Orders in it.
    pub whole_count: usize,
}

/// Fits samples, of one run or of several.
#[must_use]
pub fn fit_venue(samples: &[Sample], left_out: Vec<(&'static str, usize)>, regressor: Regressor) -> Fitted {
    let observations: Vec<Observation> = samples.iter().map(|s| s.observation).collect();
    let mut out =
        Fitted { fills: samples.len(), left_out, fit: None, why_not: None, slippage: None, says: String::new() };
    match fit_law(&observations, regressor, SEED) {
        Ok(fit) => {
            let (slippage, says) = setting(&fit);
            (out.slippage, out.says, out.fit) = (slippage, says, Some(fit));
        }
        Err(error) => {
            out.says = format!("no fit: {error}");
            out.why_not = Some(error.to_string());
        }
    }
    out
}

/// The setting of the simulated venue that a fit recommends, and why.
fn setting(fit: &LawFit) -> (Option<String>, String) {
    if fit.free {
        return (Some("none".into()), "every fill was made at the market's price exactly".into());
    }
    // A setting is never negative, and no digits are written that the error bars do not have.
    let bps = |value: f64, error: f64| {
        let decimals = if error > 0.0 { (1.0 - (1e4 * error).log10().floor()).clamp(2.0, 6.0) as usize } else { 4 };
        let text = format!("{:.decimals$}", (1e4 * value).max(0.0));
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let flat = || format!("bps:{}", bps(fit.flat.value, fit.flat.error));
    if fit.regressor == Regressor::Volatility {
        return (None, "the simulated venue has no law with volatility: fit the volume share for its setting".into());
    }
    match fit.law {
        None => (
            Some(flat()),
            "the fills have one share of the volume: spread and impact are not told apart, one cost for all is".into(),
        ),
        Some(law) if law.coefficient.low > 0.0 => {
            let spread = law.half_spread.map_or((0.0, 0.0), |h| (2.0 * h.value, 2.0 * h.error));
            let text =
                format!("impact:{}:{}", bps(spread.0, spread.1), bps(law.coefficient.value, law.coefficient.error));
            let says = if law.half_spread.is_some() {
                "spread and impact are told apart"
            } else {
                "impact alone: the spread is quoted, and no fill pays it beyond the best price"
            };
            (Some(text), says.into())
        }
        Some(_) => (Some(flat()), "no impact is seen within the error bars: one cost for all".into()),
    }
}

/// Walks through the orders of a run, and answers the estimate of each.
#[must_use]
pub fn calibrate(measured: &Measured, regressor: Regressor) -> (Calibrated, Vec<Option<EstimateFacts>>) {
    let samples: Vec<Sample> = measured.samples.iter().flatten().copied().collect();
    let mut at: Vec<usize> = (0..measured.before.len()).filter(|n| measured.before[*n].is_some()).collect();
    let before = |n: usize| measured.before.get(n).and_then(Option::as_ref);
    at.sort_by_key(|n| before(*n).map(|b| b.sent));
    let past: Vec<Past> = at
        .iter()
        .filter_map(|n| before(*n))
        .map(|b| Past { sent: b.sent, known: b.known, observation: b.observation })
        .collect();
    let crossing = walk_forward(&past, regressor, SEED);
    let drifts = drifts(at.iter().filter_map(|n| before(*n)));
    let mut estimates = vec![None; measured.orders.len()];
    let mut differences = Vec::new();
    for step in &crossing.steps {
        let Some((order, before)) = at.get(step.at).and_then(|n| before(*n).map(|b| (*n, b))) else { continue };
        let (drift, wait) = drifts.get(step.at).copied().unwrap_or_default();
        let parameters = parameters(&step.law, regressor, drift);
        let planned = Planned {
            share: before.observation.share,
            volatility: before.observation.volatility,
            quoted_half_spread: before.half_spread,
            wait,
            fee: before.fee,
            takes: before.takes,
            toxicity: Toxicity::NoInput,
        };
        let Ok(e) = estimate(&parameters, &planned) else { continue };
        if let Some(whole) = before.whole {
            differences.push(whole - e.total);
        }
        let bps = |x: f64| 1e4 * x;
        if let Some(slot) = estimates.get_mut(order) {
            *slot = Some(EstimateFacts {
                spread_bps: bps(e.spread),
                impact_bps: bps(e.impact),
                timing_bps: e.timing.map(bps),
                fees_bps: bps(e.fees),
                total_bps: bps(e.total),
                error_bps: e.error.map(bps),
                order_error_bps: Some(bps(step.order_error)),
                timing_risk_bps: e.timing_risk.map(bps),
                toxicity: e.toxicity.name(),
                from: step.from,
            });
        }
    }
    let observations: Vec<Observation> = past.iter().map(|p| p.observation).collect();
    let calibrated = Calibrated {
        regressor,
        venue: fit_venue(&samples, measured.left_out.clone(), Regressor::VolumeShare),
        expected: fit_law(&observations, regressor, SEED).ok(),
        whole_bias: mean_with_error(&differences, SEED),
        whole_count: differences.len(),
        crossing,
    };
    (calibrated, estimates)
}

/// What the orders that were over before each order say beside spread and impact: the mean of delay and timing, where they are enough, and
/// the mean wait in minutes.
fn drifts<'a>(orders: impl Iterator<Item = &'a Before> + Clone) -> Vec<(Option<Drift>, f64)> {
    let mut by_known: Vec<&Before> = orders.clone().collect();
    by_known.sort_by_key(|b| b.known);
    let (mut next, mut count, mut mean, mut squares) = (0usize, 0.0f64, 0.0f64, 0.0f64);
    let mut waited = 0.0f64;
    let mut out = Vec::new();
    for order in orders {
        while let Some(over) = by_known.get(next).filter(|b| b.known < order.sent) {
            if let Some(moved) = over.moved.filter(|m| m.is_finite()) {
                count += 1.0;
                let off = moved - mean;
                mean += off / count;
                squares += off * (moved - mean);
            }
            waited += over.wait;
            next += 1;
        }
        let enough = count >= DRIFT_MIN as f64;
        let drift = enough.then(|| Drift { mean, error: (squares / (count - 1.0) / count).sqrt() });
        out.push((drift, if next > 0 { waited / next as f64 } else { 0.0 }));
    }
    out
}

/// A fitted law as the core takes it.
#[must_use]
pub fn parameters(law: &TwoParts, regressor: Regressor, drift: Option<Drift>) -> CostParameters {
    let half = law.half_spread.unwrap_or(Value { value: 0.0, error: 0.0, low: 0.0, high: 0.0 });
    CostParameters {
        law: match regressor {
            Regressor::VolumeShare => Law::VolumeShare,
            Regressor::Volatility => Law::Volatility,
        },
        half_spread: half.value,
        coefficient: law.coefficient.value,
        covariance: Some(Covariance {
            half_spread: half.error * half.error,
            both: law.covariance,
            coefficient: law.coefficient.error * law.coefficient.error,
        }),
        scatter: Some(law.scatter),
        drift,
    }
}
