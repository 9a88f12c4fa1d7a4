//! The models that forecast a loss from past returns, by name.
//!
//! In:  the returns of a window, oldest first. Out: value at risk and expected shortfall of the next one.
//! The numbers are those of `quant`; what is here is what each model does with a window. Models fitted with a conditional variance of their
//! own (GARCH) are left out.

use quant::stats::student::{self, StudentFit};
use quant::stats::value_at_risk::{Shape, Tail, cornish_fisher, historical, normal_tail, shape, student_tail};
use std::fmt;

/// Weight of what came before in an exponentially weighted variance of daily returns (RiskMetrics 1996).
pub const LAMBDA: f64 = 0.94;

/// A forecast of a loss: fractions of what is held, positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Value at risk: the loss that is passed with the tail probability.
    pub var: f64,
    /// Expected shortfall: the mean of losses beyond it.
    pub es: f64,
}

/// A tail probability: 1 % for a level of 99 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    tail: f64,
}

impl Level {
    /// 95 %.
    pub const FIVE_PERCENT: Self = Self { tail: 0.05 };
    /// 97.5 %.
    pub const TWO_AND_A_HALF_PERCENT: Self = Self { tail: 0.025 };
    /// 99 %.
    pub const ONE_PERCENT: Self = Self { tail: 0.01 };

    /// A level in percent, from 50 to below 100.
    ///
    /// # Errors
    /// [`ModelError::Level`].
    pub fn percent(percent: f64) -> Result<Self, ModelError> {
        if (50.0..100.0).contains(&percent) {
            // 100 - 99 is exact, where 1 - 0.99 is not.
            Ok(Self { tail: (100.0 - percent) / 100.0 })
        } else {
            Err(ModelError::Level { percent })
        }
    }

    /// The tail probability.
    #[must_use]
    pub const fn tail(self) -> f64 {
        self.tail
    }

    /// `1 - tail`.
    #[must_use]
    pub fn confidence(self) -> f64 {
        1.0 - self.tail
    }
}

/// A model or a level that is not known.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelError {
    /// No such model.
    Name {
        /// What was asked for.
        name: String,
    },
    /// No such level.
    Level {
        /// What was asked for.
        percent: f64,
    },
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { name } => {
                let names: Vec<&str> = Model::all().iter().map(|m| m.name()).collect();
                write!(f, "model {name}: expected one of {}", names.join(", "))
            }
            Self::Level { percent } => write!(f, "level {percent}: expected percent from 50 to below 100, such as 99"),
        }
    }
}

impl std::error::Error for ModelError {}

/// How a loss is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// The quantile of the window itself, linear between order statistics, and the weighted mean beyond the order statistic.
    Historical,
    /// A normal distribution with mean and standard deviation of the window.
    Normal,
    /// Student's distribution, fitted to the window by likelihood.
    StudentT,
    /// The normal quantile corrected by skewness and kurtosis of the window (Cornish-Fisher), with the modified shortfall held at the value
    /// at risk from below. Where the expansion is outside of its domain (it does not rise, or its tail is a gain) the normal distribution is
    /// used.
    CornishFisher,
    /// A normal distribution without a mean, with an exponentially weighted variance of the window.
    Ewma,
    /// The quantile of the window's returns, each divided by the exponentially weighted deviation before it, times the deviation of now.
    Filtered,
}

impl Model {
    /// All of them.
    #[must_use]
    pub const fn all() -> [Self; 6] {
        [Self::Historical, Self::Normal, Self::StudentT, Self::CornishFisher, Self::Ewma, Self::Filtered]
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Historical => "historical",
            Self::Normal => "normal",
            Self::StudentT => "student-t",
            Self::CornishFisher => "cornish-fisher",
            Self::Ewma => "ewma",
            Self::Filtered => "filtered",
        }
    }

    /// A model by its name.
    ///
    /// # Errors
    /// [`ModelError::Name`].
    pub fn parse(name: &str) -> Result<Self, ModelError> {
        let unknown = || ModelError::Name { name: name.to_owned() };
        Self::all().into_iter().find(|model| model.name() == name).ok_or_else(unknown)
    }

    /// What it forecasts for the return after those of `window`; `None` where the window does not vary, holds what is no number, or where no
    /// loss would be forecast.
    #[must_use]
    pub fn forecast(self, window: &[f64], level: Level) -> Option<Forecast> {
        let mut scratch = Scratch::default();
        self.look(window, &mut scratch)?.forecast(level)
    }

    /// What it makes of a window, for any level.
    pub(super) fn look<'a>(self, window: &[f64], scratch: &'a mut Scratch) -> Option<Look<'a>> {
        // Equal returns differ from their own mean by the rounding of the sum, and that is no movement.
        let largest = window.iter().fold(0.0, |m: f64, r| m.max(r.abs()));
        let shape = shape(window).filter(|s| s.sigma.is_finite() && s.sigma > 1e-12 * largest)?;
        Some(match self {
            Self::Historical => Look::Sample { sorted: scratch.sorted(window.iter().copied()), scale: 1.0 },
            Self::Normal => Look::Normal { mean: shape.mean, sigma: shape.sigma },
            Self::StudentT => Look::Student(student::fit(window).ok()?),
            Self::CornishFisher => Look::Expansion(shape),
            Self::Ewma => Look::Normal { mean: 0.0, sigma: deviations(window, |_, _| ())? },
            Self::Filtered => {
                scratch.sample.clear();
                let now = deviations(window, |r, before| scratch.sample.push(r / before))?;
                scratch.sample.sort_by(f64::total_cmp);
                Look::Sample { sorted: &scratch.sample, scale: now }
            }
        })
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Room that is used again from window to window.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    sample: Vec<f64>,
}

impl Scratch {
    fn sorted(&mut self, values: impl Iterator<Item = f64>) -> &[f64] {
        self.sample.clear();
        self.sample.extend(values);
        self.sample.sort_by(f64::total_cmp);
        &self.sample
    }
}

/// A window as a model sees it.
pub(super) enum Look<'a> {
    /// A sample and what it is multiplied with.
    Sample { sorted: &'a [f64], scale: f64 },
    /// A normal distribution.
    Normal { mean: f64, sigma: f64 },
    /// Student's distribution.
    Student(StudentFit),
    /// A normal distribution corrected by the shape.
    Expansion(Shape),
}

impl Look<'_> {
    /// The forecast at a level; `None` where it is no loss.
    pub(super) fn forecast(&self, level: Level) -> Option<Forecast> {
        let alpha = level.tail();
        let tail = match self {
            Self::Sample { sorted, scale } => {
                let h = historical(sorted, alpha)?;
                // The interpolated quantile lies at or inside of the order statistic that the shortfall begins at.
                Tail { var: h.var_linear, es: h.es_weighted }.scaled(*scale)
            }
            Self::Normal { mean, sigma } => normal_tail(*mean, *sigma, alpha)?,
            Self::Student(fit) => student_tail(fit, alpha)?,
            Self::Expansion(shape) => match cornish_fisher(shape, alpha)? {
                cf if cf.monotone && cf.var > 0.0 => Tail { var: cf.var, es: cf.es_operational },
                _ => normal_tail(shape.mean, shape.sigma, alpha)?,
            },
        };
        let is_loss = tail.var > 0.0 && tail.var.is_finite() && tail.es.is_finite();
        is_loss.then(|| Forecast { var: tail.var, es: tail.es.max(tail.var) })
    }
}

/// Exponentially weighted deviations through a window: `v[0] = mean of r^2`, `v[t+1] = lambda v[t] + (1 - lambda) r[t]^2`, means of zero.
/// `seen` is told each return with the deviation that was known before it; the answer is the one for the next return.
///
/// The start is the mean of the whole window, which lies before what is forecast. Source: RiskMetrics Technical Document, 4th ed. (1996),
/// section 5.2; filtered sample: Hull, White (1998), Journal of Risk 1(1), 5-19.
fn deviations(window: &[f64], mut seen: impl FnMut(f64, f64)) -> Option<f64> {
    let mut variance = window.iter().map(|r| r * r).sum::<f64>() / window.len() as f64;
    for r in window {
        seen(*r, variance.sqrt());
        variance = LAMBDA * variance + (1.0 - LAMBDA) * r * r;
    }
    Some(variance.sqrt()).filter(|s| *s > 0.0 && s.is_finite())
}

#[cfg(test)]
mod tests {
    use super::super::seeded::Seeded;
    use super::*;

    fn window(n: usize, deviation: f64) -> Vec<f64> {
        let mut seeded = Seeded::new(8);
        (0..n).map(|_| deviation * seeded.normal()).collect()
    }

    #[test]
    fn names_and_levels() {
        for model in Model::all() {
            assert_eq!(Model::parse(model.name()), Ok(model));
        }
        assert!(Model::parse("garch").unwrap_err().to_string().contains("historical, normal, student-t"));
        assert_eq!(Level::percent(99.0).unwrap(), Level::ONE_PERCENT);
        assert_eq!(Level::percent(97.5).unwrap(), Level::TWO_AND_A_HALF_PERCENT);
        assert!(Level::percent(100.0).is_err() && Level::percent(f64::NAN).is_err() && Level::percent(5.0).is_err());
    }

    #[test]
    fn all_models_agree_on_normal_noise() {
        let window = window(4_000, 0.02);
        for model in Model::all() {
            let f = model.forecast(&window, Level::ONE_PERCENT).unwrap();
            // The weighted deviation of the last days is one of few numbers.
            let room = if matches!(model, Model::Ewma | Model::Filtered) { 0.25 } else { 0.07 };
            assert!((f.var / (2.326_348 * 0.02) - 1.0).abs() < room, "{model} {f:?}");
            assert!((f.es / f.var - 2.665_214 / 2.326_348).abs() < room, "{model} {f:?}");
        }
    }

    #[test]
    fn weighted_models_follow_the_latest_returns_and_others_do_not() {
        let mut window = window(250, 0.01);
        let calm: Vec<Forecast> =
            Model::all().iter().map(|m| m.forecast(&window, Level::FIVE_PERCENT).unwrap()).collect();
        window[230..].iter_mut().for_each(|r| *r *= 4.0);
        for (model, before) in Model::all().iter().zip(calm) {
            let after = model.forecast(&window, Level::FIVE_PERCENT).unwrap();
            let follows = matches!(model, Model::Ewma | Model::Filtered);
            assert_eq!(after.var > 2.0 * before.var, follows, "{model} {before:?} {after:?}");
        }
    }

    #[test]
    fn what_is_no_sample_has_no_forecast() {
        for model in Model::all() {
            assert_eq!(model.forecast(&[], Level::ONE_PERCENT), None, "{model}");
            assert_eq!(model.forecast(&[0.01; 50], Level::ONE_PERCENT), None, "{model}");
            let mut bad = window(50, 0.01);
            bad[3] = f64::NAN;
            assert_eq!(model.forecast(&bad, Level::ONE_PERCENT), None, "{model}");
        }
        // Returns that only rise forecast no loss.
        let rising: Vec<f64> = (1..60).map(|n| 0.01 + 0.0001 * f64::from(n)).collect();
        assert_eq!(Model::Historical.forecast(&rising, Level::FIVE_PERCENT), None);
    }
}
