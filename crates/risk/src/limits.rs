//! Hard limits, and which profile of them a run has.
//!
//! The default limits are the ones that paper and live runs have. A research run may have others, or none; its orders carry that fact and
//! real venues' gateways refuse them.

use domain::{Digest, Digestible, Nanos, Rate};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Limits that no order may cross.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest position in one instrument, as a fraction of equity.
    pub position_fraction_max: Rate,
    /// Most positions at a time.
    pub positions_max: u32,
    /// Largest correlation with any other position, signed by direction.
    pub correlation_max: f64,
    /// Whether an entry must carry a protective stop.
    pub stop_required: bool,
    /// Largest gross exposure over equity.
    pub leverage_max: Rate,
    /// Fewest common samples of the last 100 from which a correlation counts as known.
    pub correlation_samples_min: u32,
    /// Oldest price that an entry may rest on, in seconds. A run on longer candles widens it to twice their interval.
    pub price_age_max_s: u64,
}

impl Default for Limits {
    /// The hard limits of paper and live: 2 % a position, 10 positions, correlation 0.7, a stop always, leverage 3.
    fn default() -> Self {
        Self {
            position_fraction_max: Rate::from_bps(200),
            positions_max: 10,
            correlation_max: 0.7,
            stop_required: true,
            leverage_max: Rate::from_raw(3 * Rate::ONE.raw()),
            correlation_samples_min: 80,
            price_age_max_s: 300,
        }
    }
}

/// Why limits cannot be used.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitError {
    /// Which limit.
    pub name: &'static str,
    /// What it is.
    pub value: String,
    /// What was expected.
    pub expected: &'static str,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "limit {} is {}, expected {}", self.name, self.value, self.expected)
    }
}

impl std::error::Error for LimitError {}

impl Limits {
    /// Checks that every limit is one.
    ///
    /// # Errors
    /// [`LimitError`] names the first that is not.
    pub fn validate(&self) -> Result<(), LimitError> {
        let fail = |name, value: String, expected| Err(LimitError { name, value, expected });
        if self.position_fraction_max <= Rate::ZERO {
            return fail("position_fraction_max", self.position_fraction_max.to_string(), "a fraction above 0");
        }
        if self.positions_max == 0 {
            return fail("positions_max", "0".into(), "at least 1");
        }
        if !(self.correlation_max > -1.0 && self.correlation_max <= 1.0) {
            return fail("correlation_max", self.correlation_max.to_string(), "a number above -1 and up to 1");
        }
        if self.leverage_max <= Rate::ZERO {
            return fail("leverage_max", self.leverage_max.to_string(), "a ratio above 0");
        }
        if !(2..=100).contains(&self.correlation_samples_min) {
            return fail("correlation_samples_min", self.correlation_samples_min.to_string(), "2 to 100");
        }
        if self.price_age_max_s == 0 {
            return fail("price_age_max_s", "0".into(), "at least one second");
        }
        Ok(())
    }

    /// The oldest price that an entry may rest on.
    #[must_use]
    pub const fn price_age_max(&self) -> Nanos {
        Nanos::from_secs(self.price_age_max_s)
    }
}

/// The limits of paper and live: the hard ones or tighter. Nothing else can be put in here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StandardLimits(Limits);

impl StandardLimits {
    /// Tighter limits.
    ///
    /// # Errors
    /// [`LimitError`] names the first limit that is looser than the hard one, or none.
    pub fn tightened(limits: Limits) -> Result<Self, LimitError> {
        limits.validate()?;
        let hard = Limits::default();
        let looser = |name, value: String| {
            Err(LimitError { name, value, expected: "at most the hard limit: standard limits can only be tightened" })
        };
        if limits.position_fraction_max > hard.position_fraction_max {
            return looser("position_fraction_max", limits.position_fraction_max.to_string());
        }
        if limits.positions_max > hard.positions_max {
            return looser("positions_max", limits.positions_max.to_string());
        }
        if limits.correlation_max > hard.correlation_max {
            return looser("correlation_max", limits.correlation_max.to_string());
        }
        if limits.leverage_max > hard.leverage_max {
            return looser("leverage_max", limits.leverage_max.to_string());
        }
        if !limits.stop_required {
            return looser("stop_required", "false".into());
        }
        if limits.correlation_samples_min < hard.correlation_samples_min {
            return looser("correlation_samples_min", limits.correlation_samples_min.to_string());
        }
        if limits.price_age_max_s > hard.price_age_max_s {
            return looser("price_age_max_s", limits.price_age_max_s.to_string());
        }
        Ok(Self(limits))
    }
}

/// Which limits a run has. Carried by every approval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    /// The limits of paper and live.
    Standard(StandardLimits),
    /// Limits chosen for a backtest; real venues refuse the orders.
    Research(Limits),
    /// No limits, for comparing with packages that have none; real venues refuse the orders. The venue's own rules still hold.
    Off,
}

impl Profile {
    /// The hard limits.
    #[must_use]
    pub fn standard() -> Self {
        Self::Standard(StandardLimits(Limits::default()))
    }

    /// The same profile with prices that may be at least so old: a price of candles is as old as they are long.
    #[must_use]
    pub fn with_price_age(mut self, seconds: u64) -> Self {
        match &mut self {
            Self::Standard(StandardLimits(limits)) | Self::Research(limits) => {
                limits.price_age_max_s = limits.price_age_max_s.max(seconds);
            }
            Self::Off => {}
        }
        self
    }

    /// The limits, unless they are off.
    #[must_use]
    pub const fn limits(&self) -> Option<&Limits> {
        match self {
            Self::Standard(StandardLimits(limits)) | Self::Research(limits) => Some(limits),
            Self::Off => None,
        }
    }

    /// Whether orders under this profile may go to a real venue.
    #[must_use]
    pub const fn is_standard(&self) -> bool {
        matches!(self, Self::Standard(_))
    }

    /// Its name in reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Standard(_) => "standard",
            Self::Research(_) => "research",
            Self::Off => "off",
        }
    }
}

impl Digestible for Profile {
    fn digest(&self, d: &mut Digest) {
        d.bytes(self.name().as_bytes());
        let Some(l) = self.limits() else { return };
        d.int(l.position_fraction_max.raw());
        d.word(u64::from(l.positions_max) | u64::from(l.stop_required) << 32);
        d.float(l.correlation_max);
        d.int(l.leverage_max.raw());
        d.word(u64::from(l.correlation_samples_min));
        d.word(l.price_age_max_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limits_are_the_hard_ones() {
        let limits = Limits::default();
        limits.validate().unwrap();
        assert_eq!(limits.position_fraction_max.to_string(), "0.02");
        assert_eq!((limits.positions_max, limits.correlation_max, limits.leverage_max.to_f64()), (10, 0.7, 3.0));
        assert!(limits.stop_required);
    }

    #[test]
    fn a_limit_that_is_none_is_named() {
        let good = Limits::default();
        for (bad, name) in [
            (Limits { position_fraction_max: Rate::ZERO, ..good }, "position_fraction_max"),
            (Limits { positions_max: 0, ..good }, "positions_max"),
            (Limits { correlation_max: f64::NAN, ..good }, "correlation_max"),
            (Limits { leverage_max: Rate::from_raw(-1), ..good }, "leverage_max"),
            (Limits { correlation_samples_min: 101, ..good }, "correlation_samples_min"),
            (Limits { price_age_max_s: 0, ..good }, "price_age_max_s"),
        ] {
            assert_eq!(bad.validate().unwrap_err().name, name);
        }
    }

    #[test]
    fn standard_limits_can_only_be_tightened() {
        let hard = Limits::default();
        StandardLimits::tightened(hard).unwrap();
        StandardLimits::tightened(Limits { position_fraction_max: Rate::from_bps(100), positions_max: 3, ..hard })
            .unwrap();
        for (loose, name) in [
            (Limits { position_fraction_max: Rate::from_bps(201), ..hard }, "position_fraction_max"),
            (Limits { positions_max: 11, ..hard }, "positions_max"),
            (Limits { correlation_max: 0.71, ..hard }, "correlation_max"),
            (Limits { leverage_max: Rate::from_raw(hard.leverage_max.raw() + 1), ..hard }, "leverage_max"),
            (Limits { stop_required: false, ..hard }, "stop_required"),
            (Limits { correlation_samples_min: 79, ..hard }, "correlation_samples_min"),
            (Limits { price_age_max_s: 301, ..hard }, "price_age_max_s"),
        ] {
            assert_eq!(StandardLimits::tightened(loose).unwrap_err().name, name);
        }
    }
}
