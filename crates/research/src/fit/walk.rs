//! Estimates before against what came after: each order's estimate is made of the orders that were over when it was sent, and of no other.
//!
//! In:  orders by the time of their sending, each with the time from which its cost was known. Out: [`Calibration`].

use super::blocks::mean_with_error;
use super::law::{FEWEST, LawFit, Observation, Regressor, TwoParts, Value, fit_law, root};
use super::robust::huber;
use quant::stats::binomial_interval;
use serde::{Deserialize, Serialize};

/// An order that is over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// When it was sent.
    pub sent: u64,
    /// When its cost was known; later than the sending.
    pub known: u64,
    /// Its cost, with share and volatility as they were known at the sending.
    pub observation: Observation,
}

/// One estimate and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkStep {
    /// Place of the order.
    pub at: usize,
    /// `s sqrt(Q / V)` as known before.
    pub root: f64,
    /// The law as it was known before.
    pub law: TwoParts,
    /// Estimated cost, a fraction of the price.
    pub estimate: f64,
    /// Standard error of the estimate.
    pub error: f64,
    /// Standard deviation of one order about it: the error, the scatter and what is left of rounding to the tick.
    pub order_error: f64,
    /// Half the 95 % band of one order: that times Student's t, whose degrees of freedom are the orders that it is made of, less two.
    pub band: f64,
    /// Measured cost.
    pub measured: f64,
    /// Orders that the estimate was made of.
    pub from: usize,
}

/// How good estimates were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Estimates, by time.
    pub steps: Vec<WalkStep>,
    /// Orders before which too little was known.
    pub without: usize,
    /// Mean of measured less estimated; `None` under three estimates.
    pub bias: Option<Value>,
    /// Root of the mean square of measured less estimated.
    pub rmse: Option<f64>,
    /// Slope of measured on estimated: 1 for estimates that are neither too bold nor too flat; `None` where estimates hardly differ.
    pub slope: Option<Value>,
    /// Estimates whose 95 % band for one order held what was measured.
    pub held: usize,
    /// 95 % interval of the true share of those.
    pub held_interval: Option<(f64, f64)>,
}

/// Walks forward through the orders. Parameters are fitted anew whenever the orders that are over have become a twentieth more.
///
/// `past` is in the order of sending. Where spread and impact are not told apart yet, the estimate is the flat cost.
#[must_use]
pub fn walk_forward(past: &[Past], regressor: Regressor, seed: u64) -> Calibration {
    let mut by_known: Vec<usize> = (0..past.len()).collect();
    by_known.sort_by_key(|at| (past[*at].known, *at));
    let (mut over, mut known): (usize, Vec<Observation>) = (0, Vec::new());
    let mut fitted: Option<(usize, LawFit)> = None;
    let mut out = Calibration {
        steps: Vec::new(),
        without: 0,
        bias: None,
        rmse: None,
        slope: None,
        held: 0,
        held_interval: None,
    };
    for (at, order) in past.iter().enumerate() {
        while let Some(next) = by_known.get(over).filter(|next| past[**next].known < order.sent) {
            // What cannot be fitted teaches nothing.
            known.extend(Some(past[*next].observation).filter(|o| root(o, regressor).is_some() && o.cost.is_finite()));
            over += 1;
        }
        let stale = fitted.as_ref().is_none_or(|(from, _)| known.len() >= from + (from / 20).max(1));
        if stale && known.len() >= FEWEST {
            fitted = fit_law(&known, regressor, seed).ok().map(|fit| (known.len(), fit)).or(fitted);
        }
        let Some(((from, fit), root)) = fitted.as_ref().zip(root(&order.observation, regressor)) else {
            out.without += 1;
            continue;
        };
        let law = fit.law.unwrap_or_else(|| flat(fit, &known[..*from]));
        // What rounding to the order's own tick leaves is known before.
        let rounding = order.observation.tick * order.observation.tick / 12.0;
        let (estimate, error) = law.at(root, order.observation.pays_spread || fit.law.is_none());
        let order_error = (error * error + law.scatter * law.scatter + rounding).sqrt();
        let t = quant::stats::student::quantile(0.975, from.saturating_sub(2).max(1) as f64).unwrap_or(f64::INFINITY);
        out.steps.push(WalkStep {
            at,
            root,
            law,
            estimate,
            error,
            order_error,
            band: t * order_error,
            measured: order.observation.unrounded(),
            from: *from,
        });
    }
    out.judge(seed);
    out
}

/// One cost for all, as a law without impact.
fn flat(fit: &LawFit, known: &[Observation]) -> TwoParts {
    let off = |o: &Observation| o.unrounded() - fit.flat.value;
    let squares: f64 = known.iter().map(|o| off(o) * off(o)).sum();
    TwoParts {
        half_spread: Some(fit.flat),
        coefficient: Value::of(0.0, 0.0, 0.0),
        covariance: 0.0,
        scatter: (squares / known.len().saturating_sub(1).max(1) as f64).sqrt(),
    }
}

impl Calibration {
    fn judge(&mut self, seed: u64) {
        let differences: Vec<f64> = self.steps.iter().map(|s| s.measured - s.estimate).collect();
        self.bias = mean_with_error(&differences, seed);
        let count = differences.len();
        if count == 0 {
            return;
        }
        self.rmse = Some((differences.iter().map(|d| d * d).sum::<f64>() / count as f64).sqrt());
        // Rounding of doubles is no deviation.
        let within = |s: &&WalkStep| (s.measured - s.estimate).abs() <= s.band + 1e-12;
        self.held = self.steps.iter().filter(within).count();
        self.held_interval = binomial_interval(self.held as u64, count as u64, 0.95);
        let x: Vec<[f64; 2]> = self.steps.iter().map(|s| [1.0, s.estimate]).collect();
        let y: Vec<f64> = self.steps.iter().map(|s| s.measured).collect();
        if count >= FEWEST
            && let Ok(line) = huber(&x, &y, &vec![1.0; count], seed)
        {
            self.slope = Some(Value::of(line.coefficients[1], line.error(1), line.t95()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Seeded;

    fn orders(n: usize, seed: u64, noise: f64) -> Vec<Past> {
        let mut seeded = Seeded::new(seed);
        (0..n as u64)
            .map(|k| {
                let share = 0.05 * seeded.unit() * seeded.unit();
                let cost = 0.0002 + 0.01 * share.sqrt() + noise * seeded.normal();
                let observation =
                    Observation { share, volatility: None, cost, pays_spread: true, tick: 0.0, weight: 1.0 };
                Past { sent: 100 * k, known: 100 * k + 50, observation }
            })
            .collect()
    }

    #[test]
    fn no_estimate_knows_its_own_order_or_a_later_one() {
        let past = orders(80, 1, 0.0003);
        let before = walk_forward(&past, Regressor::VolumeShare, 1);
        assert_eq!((before.without, before.steps.len()), (10, 70));
        for changed in [10, 40, 79] {
            let mut other = past.clone();
            other[changed].observation.cost += 0.5;
            let after = walk_forward(&other, Regressor::VolumeShare, 1);
            for (a, b) in before.steps.iter().zip(&after.steps).take_while(|(a, _)| a.at <= changed) {
                assert_eq!((a.estimate, a.error), (b.estimate, b.error), "the estimate of {} knows {changed}", a.at);
            }
        }
        // An order whose cost is known late is not used before.
        let mut late = past.clone();
        late[5].known = u64::MAX;
        late[5].observation.cost = 9.0;
        assert!(walk_forward(&late, Regressor::VolumeShare, 1).steps.iter().all(|s| s.estimate < 1.0));
    }

    #[test]
    fn estimates_of_a_true_law_have_no_bias_and_bands_that_hold() {
        let (mut within, mut held, mut all) = (0, 0, 0);
        for seed in 0..100 {
            let c = walk_forward(&orders(150, seed, 0.0004), Regressor::VolumeShare, seed);
            within += u32::from(c.bias.unwrap().holds(0.0));
            held += c.held;
            all += c.steps.len();
        }
        // Early estimates share the luck of few orders, so a little less than 95 of 100.
        assert!((85..=100).contains(&within), "{within}");
        let share = held as f64 / f64::from(all as u32);
        assert!((0.92..=0.97).contains(&share), "{share}");
    }

    #[test]
    fn a_bias_is_found() {
        let mut past = orders(200, 3, 0.0001);
        // From the middle on the market costs 5 bps more than what was learnt.
        past.iter_mut().skip(100).for_each(|p| p.observation.cost += 0.0005);
        let c = walk_forward(&past, Regressor::VolumeShare, 1);
        assert!(c.bias.unwrap().low > 0.0, "{:?}", c.bias);
    }

    #[test]
    fn few_orders_give_no_verdict() {
        let c = walk_forward(&orders(11, 3, 0.0001), Regressor::VolumeShare, 1);
        assert_eq!((c.steps.len(), c.bias, c.slope), (1, None, None));
        assert!(c.rmse.is_some());
        let c = walk_forward(&[], Regressor::VolumeShare, 1);
        assert_eq!((c.steps.len(), c.without, c.rmse), (0, 0, None));
    }
}
