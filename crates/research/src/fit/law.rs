//! Half spread and impact from what own orders paid beyond the market's price.
//!
//! In:  [`Observation`]s: share of the volume and cost of fills or orders that took liquidity. Out: [`LawFit`].
//!
//! `cost = h + Y s sqrt(Q / V) + noise`, `s` 1 or the volatility. What is fitted beside it is one constant for all, and whether the root of
//! the share tells anything.

use super::robust::{Errors, FitError, Regression, huber};
use serde::{Deserialize, Serialize};

/// Fewest observations of a fit.
pub const FEWEST: usize = 10;

/// One fill or order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Quantity over volume.
    pub share: f64,
    /// Volatility of the price over the period of the volume, a fraction; needed by [`Regressor::Volatility`].
    pub volatility: Option<f64>,
    /// What was paid beyond the market's price, a fraction of it.
    pub cost: f64,
    /// Whether half a spread is in the cost: not where it was measured against the best price.
    pub pays_spread: bool,
    /// The tick as a fraction of the price, where the price was rounded against the order to it; 0 where it was not.
    pub tick: f64,
    /// How much it counts beside that: the inverse of the variance of its noise, up to a common factor.
    pub weight: f64,
}

/// What impact is fitted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Regressor {
    /// `sqrt(Q / V)`.
    VolumeShare,
    /// `sigma sqrt(Q / V)`.
    Volatility,
}

/// A value with its standard error and 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The value.
    pub value: f64,
    /// Its standard error.
    pub error: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Value {
    /// With `t` standard errors to each side.
    #[must_use]
    pub fn of(value: f64, error: f64, t: f64) -> Self {
        Self { value, error, low: value - t * error, high: value + t * error }
    }

    /// Whether the interval has the number.
    #[must_use]
    pub fn holds(&self, number: f64) -> bool {
        (self.low..=self.high).contains(&number)
    }
}

/// Both parameters of the law.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TwoParts {
    /// Half of the spread; `None` where no observation pays it (the spread is quoted).
    pub half_spread: Option<Value>,
    /// `Y`.
    pub coefficient: Value,
    /// Covariance of both; 0 without a half spread.
    pub covariance: f64,
    /// Standard deviation of observations about the law.
    pub scatter: f64,
}

impl TwoParts {
    /// The law at `s sqrt(Q / V)`, with its standard error.
    #[must_use]
    pub fn at(&self, root: f64, pays_spread: bool) -> (f64, f64) {
        let half = self.half_spread.filter(|_| pays_spread);
        let value = half.map_or(0.0, |h| h.value) + self.coefficient.value * root;
        let own = self.coefficient.error * root;
        let variance = own * own + half.map_or(0.0, |h| h.error * h.error + 2.0 * root * self.covariance);
        (value, variance.max(0.0).sqrt())
    }
}

/// What a fit found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LawFit {
    /// What impact was fitted to.
    pub regressor: Regressor,
    /// Observations.
    pub count: usize,
    /// Those held down as outliers.
    pub outliers: usize,
    /// One cost for all, whatever their size.
    pub flat: Value,
    /// The law; `None` where sizes are too alike to tell spread and impact apart.
    pub law: Option<TwoParts>,
    /// Where the standard errors are from, in words.
    pub errors: String,
    /// Whether every order traded at the market's price exactly.
    pub free: bool,
}

/// Fits the law to observations in the order of time.
///
/// A price that was rounded against us to the tick is on average half a tick worse than the law says: half a tick is taken off where the
/// observation says so and something was paid at all. What is left of the rounding has the variance `tick^2 / 12`: an observation counts by
/// the inverse of that and of the variance of the other noise, which a first fit with equal weights finds; it is taken as none where half
/// of the residuals are no larger than the rounding leaves.
///
/// # Errors
/// [`FitError`]: fewer than ten observations, numbers that are not finite, a volatility that is missing.
pub fn fit_law(observations: &[Observation], regressor: Regressor, seed: u64) -> Result<LawFit, FitError> {
    let count = observations.len();
    if count < FEWEST {
        return Err(FitError::TooFew { count, expected: FEWEST });
    }
    let roots =
        observations.iter().enumerate().map(|(index, o)| root(o, regressor).ok_or(FitError::NotFinite { index }));
    let roots: Vec<f64> = roots.collect::<Result<_, _>>()?;
    let y: Vec<f64> = observations.iter().map(Observation::unrounded).collect();
    let w: Vec<f64> = observations.iter().map(|o| o.weight).collect();
    let flat = huber(&vec![[1.0]; count], &y, &w, seed)?;
    let free = observations.iter().all(|o| o.cost == 0.0);
    let paying = observations.iter().filter(|o| o.pays_spread).count();
    let (law, regression) = if paying == 0 {
        let x: Vec<[f64; 1]> = roots.iter().map(|root| [*root]).collect();
        let fit = weighed(&x, &y, observations, seed);
        (fit.as_ref().ok().map(one_part), fit.map(|(f, _)| (f.errors, f.outliers)))
    } else {
        let pays = |o: &Observation| f64::from(u8::from(o.pays_spread));
        let x: Vec<[f64; 2]> = observations.iter().zip(&roots).map(|(o, root)| [pays(o), *root]).collect();
        let fit = weighed(&x, &y, observations, seed);
        (fit.as_ref().ok().map(two_parts), fit.map(|(f, _)| (f.errors, f.outliers)))
    };
    let (errors, outliers) = match regression {
        Ok(of_law) => of_law,
        Err(FitError::NotIdentified) => (flat.errors, flat.outliers),
        Err(other) => return Err(other),
    };
    Ok(LawFit { regressor, count, outliers, flat: value(&flat, 0), law, errors: Errors::words(errors), free })
}

/// A fit with weights of its own finding, and the standard deviation of observations about it.
fn weighed<const P: usize>(
    x: &[[f64; P]],
    y: &[f64],
    observations: &[Observation],
    seed: u64,
) -> Result<(Regression<P>, f64), FitError> {
    let given: Vec<f64> = observations.iter().map(|o| o.weight).collect();
    let first = huber(x, y, &given, seed)?;
    let off = |fit: &Regression<P>| -> Vec<f64> {
        let value = |row: &[f64; P]| row.iter().zip(&fit.coefficients).map(|(x, b)| x * b).sum::<f64>();
        x.iter().zip(y).map(|(row, y)| (y - value(row)).abs()).collect()
    };
    let typical = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        quant::stats::quantile::sorted_quantile(values, 0.5).unwrap_or(0.0)
    };
    let rounding = |o: &Observation| o.tick * o.tick / 12.0;
    let mut in_roundings: Vec<f64> =
        off(&first).iter().zip(observations).map(|(r, o)| r / rounding(o).sqrt().max(f64::MIN_POSITIVE)).collect();
    let other = if typical(&mut in_roundings) < 1.5 { 0.0 } else { first.scale * first.scale };
    let variance = |o: &Observation| (other + rounding(o)) / o.weight;
    // Nothing paid is not rounded, and what fits exactly needs no weights.
    let plain = first.scale <= 0.0 || observations.iter().any(|o| o.cost == 0.0 || variance(o) <= 0.0);
    if plain {
        return Ok((first, deviation(&off(&first), P)));
    }
    let mean = observations.iter().map(|o| 1.0 / variance(o)).sum::<f64>() / observations.len() as f64;
    let weights: Vec<f64> = observations.iter().map(|o| 1.0 / variance(o) / mean).collect();
    let second = huber(x, y, &weights, seed)?;
    Ok((second, deviation(&off(&second), P)))
}

/// Standard deviation of residuals of a fit with so many parameters: of all of them, outliers too, for the next order may be one.
fn deviation(residuals: &[f64], parameters: usize) -> f64 {
    let freedom = residuals.len().saturating_sub(parameters).max(1);
    (residuals.iter().map(|r| r * r).sum::<f64>() / freedom as f64).sqrt()
}

/// `s sqrt(Q / V)`; `None` where that is not known.
pub(super) fn root(o: &Observation, regressor: Regressor) -> Option<f64> {
    let root = match regressor {
        Regressor::VolumeShare => o.share.sqrt(),
        Regressor::Volatility => o.volatility? * o.share.sqrt(),
    };
    root.is_finite().then_some(root)
}

impl Observation {
    /// The cost without the half tick that rounding against us adds on average; nothing paid is not rounded.
    #[must_use]
    pub fn unrounded(&self) -> f64 {
        if self.cost == 0.0 { 0.0 } else { self.cost - 0.5 * self.tick }
    }
}

fn value<const P: usize>(fit: &Regression<P>, at: usize) -> Value {
    Value::of(fit.coefficients[at], fit.error(at), fit.t95())
}

fn one_part((fit, scatter): &(Regression<1>, f64)) -> TwoParts {
    TwoParts { half_spread: None, coefficient: value(fit, 0), covariance: 0.0, scatter: *scatter }
}

fn two_parts((fit, scatter): &(Regression<2>, f64)) -> TwoParts {
    TwoParts {
        half_spread: Some(value(fit, 0)),
        coefficient: value(fit, 1),
        covariance: fit.covariance[0][1],
        scatter: *scatter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Seeded;

    fn observations(n: usize, seed: u64, half: f64, y: f64, noise: f64, tick: f64) -> Vec<Observation> {
        let mut seeded = Seeded::new(seed);
        (0..n)
            .map(|_| {
                let share = 0.05 * seeded.unit() * seeded.unit();
                let exact = half + y * share.sqrt() + noise * seeded.normal();
                // The tick is a fraction of a price that moves.
                let tick = tick * (0.8 + 0.4 * seeded.unit());
                let cost = if tick > 0.0 { (exact / tick).ceil() * tick } else { exact };
                Observation { share, volatility: Some(0.001), cost, pays_spread: true, tick, weight: 1.0 }
            })
            .collect()
    }

    #[test]
    fn the_law_is_recovered_within_its_error_bars() {
        let mut covered = [0u32; 2];
        for seed in 0..200 {
            let fit =
                fit_law(&observations(60, seed, 0.0002, 0.01, 0.0005, 0.0), Regressor::VolumeShare, seed).unwrap();
            let law = fit.law.unwrap();
            covered[0] += u32::from(law.half_spread.unwrap().holds(0.0002));
            covered[1] += u32::from(law.coefficient.holds(0.01));
        }
        assert!(covered.iter().all(|n| (180..=198).contains(n)), "{covered:?} of 200");
    }

    #[test]
    fn rounding_to_a_coarse_tick_is_no_bias() {
        let fit = fit_law(&observations(5_000, 1, 0.0002, 0.01, 0.0, 0.0004), Regressor::VolumeShare, 1).unwrap();
        let law = fit.law.unwrap();
        assert!(law.half_spread.unwrap().holds(0.0002) && law.coefficient.holds(0.01), "{law:?}");
        let ignored: Vec<Observation> = observations(5_000, 1, 0.0002, 0.01, 0.0, 0.0004)
            .into_iter()
            .map(|o| Observation { tick: 0.0, ..o })
            .collect();
        let biased = fit_law(&ignored, Regressor::VolumeShare, 1).unwrap().law.unwrap();
        assert!(
            !biased.half_spread.unwrap().holds(0.0002),
            "half a tick of 4 bps would be taken for spread: {biased:?}"
        );
    }

    #[test]
    fn sizes_that_are_alike_give_one_number() {
        let same: Vec<Observation> = observations(40, 2, 0.0002, 0.01, 0.0001, 0.0)
            .into_iter()
            .map(|o| Observation { share: 0.01, cost: 0.0012 + o.cost - o.cost, ..o })
            .collect();
        let fit = fit_law(&same, Regressor::VolumeShare, 1).unwrap();
        assert_eq!((fit.law, fit.free), (None, false));
        assert!((fit.flat.value - 0.0012).abs() < 1e-12);
    }

    #[test]
    fn a_quoted_spread_leaves_the_coefficient_alone() {
        let quoted: Vec<Observation> = observations(80, 3, 0.0, 0.01, 0.0001, 0.0)
            .into_iter()
            .map(|o| Observation { pays_spread: false, ..o })
            .collect();
        let law = fit_law(&quoted, Regressor::VolumeShare, 1).unwrap().law.unwrap();
        assert!(law.half_spread.is_none() && law.coefficient.holds(0.01));
        assert!((law.at(0.1, true).0 - 0.1 * law.coefficient.value).abs() < 1e-15);
    }

    #[test]
    fn what_is_missing_is_an_error_and_nothing_paid_is_free() {
        let mut few = observations(9, 4, 0.0, 0.0, 0.0, 0.0);
        assert_eq!(fit_law(&few, Regressor::VolumeShare, 1), Err(FitError::TooFew { count: 9, expected: 10 }));
        few.extend(observations(9, 5, 0.0, 0.0, 0.0, 0.0));
        let fit = fit_law(&few, Regressor::VolumeShare, 1).unwrap();
        assert!(fit.free && fit.flat.value == 0.0 && fit.law.unwrap().coefficient.error == 0.0);
        few[3].volatility = None;
        assert_eq!(fit_law(&few, Regressor::Volatility, 1), Err(FitError::NotFinite { index: 3 }));
        few[4].share = -1.0;
        assert_eq!(fit_law(&few, Regressor::VolumeShare, 1), Err(FitError::NotFinite { index: 4 }));
    }
}
