//! Walks a model through a series: a forecast for each return, made of the returns before it, and what became of it.
//!
//! In:  returns, a model, a level, a window. Out: [`Step`]s, and an [`Outcome`] with every test over them.

use super::breaches::{Coverage, coverage};
use super::clusters::{Clusters, clusters};
use super::model::{Forecast, Level, Model, Scratch};
use super::returns::Series;
use super::shortfall::{Shortfall, shortfall};
use serde::{Deserialize, Serialize};

/// A forecast and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Index of the return that was forecast.
    pub at: usize,
    /// The loss: the return with its sign turned.
    pub loss: f64,
    /// What was forecast for it.
    pub forecast: Forecast,
    /// Whether the loss was larger than the value at risk.
    pub hit: bool,
}

/// A loss that passed its forecast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// End of its period, ms since 1970 UTC.
    pub ts: i64,
    /// The loss, a positive fraction.
    pub loss: f64,
    /// The value at risk that was forecast.
    pub var: f64,
    /// The expected shortfall that was forecast.
    pub es: f64,
}

/// What a model did on a series at a level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Name of the series.
    pub series: String,
    /// Name of the model.
    pub model: String,
    /// Confidence of the forecast: 0.99 for a loss that is passed in one of a hundred periods.
    pub level: f64,
    /// First and last time that was forecast, ms since 1970 UTC; `None` without a forecast.
    pub span: Option<[i64; 2]>,
    /// Returns behind the first window for which the model had no forecast, because the window did not vary or it forecast no loss.
    pub without_forecast: u64,
    /// Mean value at risk that was forecast.
    pub mean_var: Option<f64>,
    /// How often it was passed; `None` without a forecast, as everything below.
    pub coverage: Option<Coverage>,
    /// How losses beyond it compare with the expected shortfall.
    pub shortfall: Option<Shortfall>,
    /// How breaches follow each other.
    pub clusters: Clusters,
    /// Largest loss as a multiple of the value at risk that was forecast for it.
    pub worst_over_var: Option<f64>,
    /// Mean of `(p - I) (r + VaR)`, with `I` 1 for a breach: the smaller, the better the forecast; it orders models on one series and level.
    /// (Koenker, Bassett 1978, Econometrica 46(1).)
    pub quantile_loss: Option<f64>,
    /// The losses that passed it, by time.
    pub breaches: Vec<Breach>,
}

/// Walks forward: for every `t` from `window` on a forecast from `returns[t - window..t]`, held against `returns[t]`.
///
/// Where the model has no forecast there is no step.
#[must_use]
pub fn walk(returns: &[f64], model: Model, level: Level, window: usize) -> Vec<Step> {
    walk_levels(returns, model, &[level], window).pop().unwrap_or_default()
}

/// The same at several levels: what a model makes of a window serves all of them.
fn walk_levels(returns: &[f64], model: Model, levels: &[Level], window: usize) -> Vec<Vec<Step>> {
    let mut scratch = Scratch::default();
    let mut all = vec![Vec::with_capacity(returns.len().saturating_sub(window)); levels.len()];
    for at in window..returns.len() {
        let Some(look) = model.look(&returns[at - window..at], &mut scratch) else { continue };
        let loss = -returns[at];
        for (level, steps) in levels.iter().zip(&mut all) {
            if let Some(forecast) = look.forecast(*level) {
                steps.push(Step { at, loss, forecast, hit: loss > forecast.var });
            }
        }
    }
    all
}

impl Outcome {
    /// Every test over a walk, for each level. `seed` is for the bootstrap of the shortfall test.
    #[must_use]
    pub fn of(series: &Series, model: Model, levels: &[Level], window: usize, seed: u64) -> Vec<Self> {
        let walks = walk_levels(&series.returns, model, levels, window);
        walks
            .iter()
            .zip(levels)
            .map(|(steps, level)| Self::of_walk(series, model, *level, window, seed, steps))
            .collect()
    }

    fn of_walk(series: &Series, model: Model, level: Level, window: usize, seed: u64, steps: &[Step]) -> Self {
        let hits: Vec<bool> = steps.iter().map(|s| s.hit).collect();
        let tail = level.tail();
        let count = steps.len() as f64;
        let mean =
            |value: &dyn Fn(&Step) -> f64| (!steps.is_empty()).then(|| steps.iter().map(value).sum::<f64>() / count);
        let ts = |step: &Step| series.ts.get(step.at).copied().unwrap_or_default();
        let breach = |s: &Step| Breach { ts: ts(s), loss: s.loss, var: s.forecast.var, es: s.forecast.es };
        Self {
            series: series.name.clone(),
            model: model.name().to_owned(),
            level: level.confidence(),
            span: steps.first().zip(steps.last()).map(|(first, last)| [ts(first), ts(last)]),
            without_forecast: (series.returns.len().saturating_sub(window) - steps.len()) as u64,
            mean_var: mean(&|s| s.forecast.var),
            coverage: coverage(&hits, tail),
            shortfall: shortfall(steps, tail, seed),
            clusters: clusters(&hits),
            worst_over_var: steps.iter().map(|s| s.loss / s.forecast.var).reduce(f64::max),
            quantile_loss: mean(&|s| (tail - f64::from(u8::from(s.hit))) * (s.forecast.var - s.loss)),
            breaches: steps.iter().filter(|s| s.hit).map(breach).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::seeded::Seeded;
    use super::*;

    fn noise(n: usize, seed: u64) -> Vec<f64> {
        let mut seeded = Seeded::new(seed);
        (0..n).map(|_| 0.02 * seeded.normal() + 0.0005).collect()
    }

    fn level(percent: f64) -> Level {
        Level::percent(percent).unwrap()
    }

    #[test]
    fn no_forecast_knows_its_return_or_a_later_one() {
        let returns = noise(140, 1);
        for model in Model::all() {
            let before = walk(&returns, model, level(95.0), 100);
            assert_eq!(before.len(), 40, "{model}");
            for changed in [100, 117, 139] {
                let mut other = returns.clone();
                other[changed] = -0.5;
                let after = walk(&other, model, level(95.0), 100);
                for (a, b) in before.iter().zip(&after).take_while(|(a, _)| a.at <= changed) {
                    assert_eq!(a.forecast, b.forecast, "{model}: the forecast for {} knows {changed}", a.at);
                }
                if changed < 139 {
                    assert_ne!(
                        before[changed - 99].forecast,
                        after[changed - 99].forecast,
                        "{model} does not look at it"
                    );
                }
            }
        }
    }

    #[test]
    fn right_models_on_their_own_noise_are_passed_as_often_as_they_say() {
        let returns = noise(5_250, 42);
        let series = Series { name: "noise".into(), ts: (0..5_250).collect(), returns, gaps: 0 };
        for model in [Model::Historical, Model::Normal, Model::CornishFisher] {
            let out = Outcome::of(&series, model, &[level(95.0)], 250, 1).remove(0);
            let coverage = out.coverage.unwrap();
            assert_eq!(coverage.forecasts, 5_000);
            assert!((0.045..0.058).contains(&coverage.rate), "{model} {}", coverage.rate);
            assert!(coverage.independence.p_value > 0.001, "{model}");
            assert!(out.shortfall.unwrap().z2.abs() < 0.2, "{model} {:?}", out.shortfall);
            assert_eq!(out.breaches.len() as u64, coverage.breaches);
            assert_eq!(out.span, Some([250, 5_249]));
        }
    }

    /// A simulated GARCH(1,1) series, whose true value at risk is known at every step.
    #[test]
    fn where_variance_clusters_weighted_models_come_nearer_to_the_truth() {
        let mut seeded = Seeded::new(12);
        let (mut variance, mut returns, mut truth) = (1e-4, Vec::new(), Vec::new());
        for _ in 0..6_000 {
            truth.push(2.326_347_874_040_841 * f64::sqrt(variance));
            let r = f64::sqrt(variance) * seeded.normal();
            variance = 5e-6 + 0.15 * r * r + 0.80 * variance;
            returns.push(r);
        }
        let series = Series { name: "garch".into(), ts: (0..6_000).collect(), returns, gaps: 0 };
        let one = |model| Outcome::of(&series, model, &[level(99.0)], 250, 1).remove(0);
        let error = |model| {
            let steps = walk(&series.returns, model, level(99.0), 250);
            steps.iter().map(|s| (s.forecast.var / truth[s.at] - 1.0).abs()).sum::<f64>() / steps.len() as f64
        };
        let (plain, weighted) = (error(Model::Historical), error(Model::Filtered));
        assert!(weighted < 0.7 * plain, "{weighted} for {plain}");
        let (plain, weighted) = (one(Model::Historical), one(Model::Filtered));
        assert!(weighted.quantile_loss.unwrap() < plain.quantile_loss.unwrap());
        // Breaches of the plain quantile come together, and the tests find it.
        assert!(plain.clusters.close_share.unwrap() > 2.0 * plain.clusters.close_share_expected.unwrap());
        assert!(plain.coverage.unwrap().independence.p_value < 0.01, "{:?}", plain.coverage);
        assert!(weighted.coverage.unwrap().independence.p_value > 0.01, "{:?}", weighted.coverage);
    }

    #[test]
    fn a_series_that_stands_still_has_no_forecast() {
        let series = Series { ts: (0..20).collect(), returns: vec![0.0; 20], ..Series::default() };
        for model in Model::all() {
            let out = Outcome::of(&series, model, &[level(99.0)], 10, 1).remove(0);
            assert_eq!((out.without_forecast, out.coverage.is_none(), out.span), (10, true, None), "{model}");
        }
        let short = Outcome::of(&series, Model::Normal, &[level(99.0)], 40, 1).remove(0);
        assert_eq!((short.without_forecast, short.breaches.len()), (0, 0));
    }
}
