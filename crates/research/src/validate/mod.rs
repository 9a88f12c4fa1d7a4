//! Validation of risk models: how often losses passed the value at risk that was forecast for them, and whether that is as often as it
//! should be.
//!
//! In:  [`Series`] of returns, [`Settings`] (models, levels, window, seed).
//! Out: a [`RiskBacktest`]: for each series, model and level the breaches with their tests, and for each series its drawdowns against
//! what chance alone would have made of the same returns.
//! A forecast for a return is made of the returns before it and of nothing else.
//! Fitting of conditional volatility models and limits that act on a forecast are left out.

mod breaches;
mod clusters;
mod drawdowns;
mod model;
mod returns;
mod seeded;
mod shortfall;
mod sweep;
mod walk;

pub use breaches::{Coverage, Likelihood, Zone, coverage};
pub use clusters::{Clusters, clusters};
pub use drawdowns::{DrawdownCheck, Reference, drawdown_check};
pub use model::{Forecast, Level, Model, ModelError};
pub use returns::{Resampled, ReturnsError, Series, of_positions, resample, weighted};
pub use seeded::Seeded;
pub use shortfall::{Shortfall, shortfall};
pub use sweep::{RiskBacktest, SeriesLine, Settings, SettingsError, run};
pub use walk::{Breach, Outcome, Step, walk};
