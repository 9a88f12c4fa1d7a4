//! Tests of the expected shortfall: whether losses beyond the value at risk are as large as they were forecast to be.
//!
//! In:  steps of a walk forward. Out: [`Shortfall`]. How many breaches there are is left to `breaches`.

use super::seeded::Seeded;
use super::walk::Step;
use serde::{Deserialize, Serialize};

/// Critical value of the second statistic at 5 %: for tails from the normal to Student's with three degrees of freedom it lies between
/// -0.70 and -0.82; the milder end is the one published for use.
pub const Z2_CRITICAL: f64 = -0.70;
/// Resamples of the test of exceedances.
const RESAMPLES: usize = 2_000;

/// How losses beyond the value at risk compare with the expected shortfall.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shortfall {
    /// Acerbi and Szekely's second statistic, `1 - sum(L I / ES) / (n p)`: 0 is expected of a right model, below it risk was forecast too
    /// small, in frequency and size together.
    pub z2: f64,
    /// Whether it is below -0.70, the published critical value at 5 % for p = 2.5 % and 250 forecasts; for other levels and lengths it is
    /// an orientation.
    pub z2_rejects: bool,
    /// Mean loss of the breaches over the mean expected shortfall forecast for them: 1 is expected; `None` without a breach.
    pub mean_ratio: Option<f64>,
    /// McNeil and Frey's test: mean of `(L - ES) / VaR` over the breaches, 0 is expected; `None` without a breach.
    pub mean_exceedance: Option<f64>,
    /// Probability of such a mean or a larger one if the true mean is 0, by a seeded bootstrap; `None` under five breaches.
    pub exceedance_p_value: Option<f64>,
}

/// Tests the expected shortfall of the steps of a walk at the tail probability `tail`.
///
/// - `Z2 = 1 - (1 / (n p)) sum over t of L[t] I[t] / ES[t]`, with the loss `L = -r` and `I` 1 for a breach. (The authors write it with
///   returns: `Z2 = sum(X I / (n p ES)) + 1`.)
/// - Exceedance residuals `e = (L - ES) / VaR` of the breaches. Their scale is the forecast itself, where the authors take the conditional
///   volatility, which not every model here has. The test is one-sided (losses larger than forecast), by a bootstrap of the residuals
///   with their mean taken out: `P(mean* >= mean)`, on the studentised mean.
///
/// `None` without a step.
///
/// Sources: Acerbi, Szekely (2014), Backtesting expected shortfall, Risk; McNeil, Frey (2000), Journal of Empirical Finance 7, 271-300;
/// Efron, Tibshirani (1993), An introduction to the bootstrap, 16.4.
#[must_use]
pub fn shortfall(steps: &[Step], tail: f64, seed: u64) -> Option<Shortfall> {
    if steps.is_empty() {
        return None;
    }
    let breached = || steps.iter().filter(|s| s.hit);
    let sum: f64 = breached().map(|s| s.loss / s.forecast.es).sum();
    let z2 = 1.0 - sum / (steps.len() as f64 * tail);
    let residuals: Vec<f64> = breached().map(|s| (s.loss - s.forecast.es) / s.forecast.var).collect();
    let count = residuals.len() as f64;
    let total = |value: fn(&Step) -> f64| breached().map(value).sum::<f64>();
    let mean = residuals.iter().sum::<f64>() / count;
    Some(Shortfall {
        z2,
        z2_rejects: z2 < Z2_CRITICAL,
        mean_ratio: (count > 0.0).then(|| total(|s| s.loss) / total(|s| s.forecast.es)),
        mean_exceedance: (count > 0.0).then_some(mean),
        exceedance_p_value: bootstrap(&residuals, seed),
    })
}

/// Mean over its standard error; `None` where nothing varies.
fn studentised(values: &[f64], centre: f64) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    (error > 0.0).then(|| (mean - centre) / error)
}

fn bootstrap(residuals: &[f64], seed: u64) -> Option<f64> {
    if residuals.len() < 5 {
        return None;
    }
    let observed = studentised(residuals, 0.0)?;
    let centre = residuals.iter().sum::<f64>() / residuals.len() as f64;
    let mut seeded = Seeded::new(seed);
    let mut again = vec![0.0; residuals.len()];
    let (mut larger, mut drawn) = (0usize, 0usize);
    for _ in 0..RESAMPLES {
        for value in &mut again {
            *value = residuals[seeded.below(residuals.len())];
        }
        // A resample of one value alone has no standard error and says nothing.
        if let Some(t) = studentised(&again, centre) {
            drawn += 1;
            larger += usize::from(t >= observed);
        }
    }
    // The observed one counts as one of them, so that no probability is 0.
    Some((larger + 1) as f64 / (drawn + 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::super::model::Forecast;
    use super::*;

    fn step(loss: f64) -> Step {
        Step { at: 0, loss, forecast: Forecast { var: 1.0, es: 1.25 }, hit: loss > 1.0 }
    }

    /// 1,000 forecasts with 25 breaches: as many as at 2.5 %.
    fn steps(size: f64) -> Vec<Step> {
        (0..1_000u32).map(|n| step(if n % 40 == 0 { size + 0.01 * f64::from(n % 7) } else { 0.2 })).collect()
    }

    #[test]
    fn losses_as_forecast_pass_and_larger_ones_do_not() {
        let right = shortfall(&steps(1.22), 0.025, 1).unwrap();
        assert!(right.z2.abs() < 0.02 && !right.z2_rejects, "{right:?}");
        assert!(right.exceedance_p_value.unwrap() > 0.3, "{right:?}");
        assert!((right.mean_ratio.unwrap() - 1.0).abs() < 0.01);
        let larger = shortfall(&steps(2.5), 0.025, 1).unwrap();
        // 25 losses of twice the forecast: 1 - 2.
        assert!((larger.z2 + 1.02).abs() < 0.02 && larger.z2_rejects, "{larger:?}");
        assert!(larger.exceedance_p_value.unwrap() < 0.001);
        let none = shortfall(&[step(0.1)], 0.01, 1).unwrap();
        assert_eq!((none.z2, none.mean_ratio, none.exceedance_p_value), (1.0, None, None));
        assert!(shortfall(&[], 0.01, 1).is_none());
    }

    #[test]
    fn one_seed_is_one_answer() {
        let steps = steps(1.24);
        assert_eq!(shortfall(&steps, 0.025, 9), shortfall(&steps, 0.025, 9));
    }
}
