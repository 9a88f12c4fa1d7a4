//! A limit made tighter while running. There is no way to make one looser: that takes a new start with another configuration.

use super::Limits;
use domain::decimal::ONE;
use domain::{LimitKey, Money, Rate};
use std::fmt;

/// Why a limit was not tightened. Nothing changed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TightenError {
    /// It would have allowed more than before.
    Looser {
        /// Which limit.
        key: LimitKey,
        /// What it is and stays.
        from: f64,
        /// What was asked for.
        to: f64,
    },
    /// It would not have been a limit: out of its range, or no whole number where one is needed.
    Invalid {
        /// Which limit.
        key: LimitKey,
        /// What it is and stays.
        from: f64,
        /// What was asked for.
        to: f64,
    },
    /// The run has no limits.
    Off {
        /// Which limit was asked for.
        key: LimitKey,
    },
}

impl fmt::Display for TightenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Looser { key, from, to } => {
                write!(f, "limit {} is {from}, and {to} would allow more: expected a tighter one", key.key())
            }
            Self::Invalid { key, from, to } => {
                write!(f, "limit {} is {from}, and {to} is no such limit: expected one that is tighter", key.key())
            }
            Self::Off { key } => write!(f, "limit {}: this run has no limits", key.key()),
        }
    }
}

impl std::error::Error for TightenError {}

impl Limits {
    /// Makes one limit tighter. `to` is a count of 1e-12 of the limit's unit (a fraction, a number of positions, quote). Returns what it was
    /// and what it is; the same value is tight enough.
    ///
    /// # Errors
    /// [`TightenError`] for a value that would allow more, or that is none; then nothing changed.
    pub fn tighten(&mut self, key: LimitKey, to: i128) -> Result<(f64, f64), TightenError> {
        let (from, asked) = (self.of(key), to as f64 / ONE as f64);
        let invalid = TightenError::Invalid { key, from, to: asked };
        let mut next = *self;
        let rate = || i64::try_from(to).map(Rate::from_raw).map_err(|_| invalid);
        match key {
            LimitKey::PositionFraction => next.position_fraction_max = rate()?,
            LimitKey::Leverage => next.leverage_max = rate()?,
            LimitKey::DailyLoss => next.daily_loss_max = rate()?,
            LimitKey::VarBudget => next.var_fraction_max = rate()?,
            LimitKey::OrderValue => next.order_value_max = Money::from_raw(to),
            LimitKey::Correlation => next.correlation_max = asked,
            LimitKey::Positions => {
                let whole = (to.rem_euclid(ONE) == 0).then(|| u32::try_from(to.div_euclid(ONE)).ok()).flatten();
                next.positions_max = whole.ok_or(invalid)?;
            }
        }
        if next.first_looser_than(self).is_some() {
            return Err(TightenError::Looser { key, from, to: asked });
        }
        if next.validate().is_err() {
            return Err(invalid);
        }
        *self = next;
        Ok((from, self.of(key)))
    }

    /// A limit's value, in its unit.
    #[must_use]
    pub fn of(&self, key: LimitKey) -> f64 {
        match key {
            LimitKey::PositionFraction => self.position_fraction_max.to_f64(),
            LimitKey::Positions => f64::from(self.positions_max),
            LimitKey::Leverage => self.leverage_max.to_f64(),
            LimitKey::Correlation => self.correlation_max,
            LimitKey::DailyLoss => self.daily_loss_max.to_f64(),
            LimitKey::OrderValue => self.order_value_max.to_f64(),
            LimitKey::VarBudget => self.var_fraction_max.to_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;

    /// A tighter value, a looser one, and one that is none.
    fn cases(key: LimitKey) -> [i128; 3] {
        let unit = |x: f64| (x * 1e12) as i128;
        match key {
            LimitKey::PositionFraction => [unit(0.01), unit(0.021), 0],
            LimitKey::Positions => [unit(3.0), unit(11.0), unit(2.5)],
            LimitKey::Leverage => [unit(1.5), unit(3.1), unit(-1.0)],
            LimitKey::Correlation => [unit(0.5), unit(0.8), unit(-1.0)],
            LimitKey::DailyLoss => [unit(0.01), unit(0.04), 0],
            LimitKey::OrderValue => [unit(500.0), unit(1_000_001.0), 0],
            LimitKey::VarBudget => [unit(0.01), unit(0.03), unit(-0.1)],
        }
    }

    #[test]
    fn every_limit_that_can_be_tightened_only_tightens() {
        for key in LimitKey::ALL {
            let mut limits = Limits::default();
            let hard = limits.of(key);
            let [tighter, looser, none] = cases(key);
            let refused = limits.tighten(key, looser).unwrap_err();
            assert!(matches!(refused, TightenError::Looser { from, .. } if from == hard), "{refused}");
            assert!(refused.to_string().contains(key.key()), "{refused}");
            assert!(matches!(limits.tighten(key, none), Err(TightenError::Invalid { .. })), "{}", key.key());
            assert_eq!(limits, Limits::default(), "nothing changed");
            let (from, to) = limits.tighten(key, tighter).unwrap();
            assert_eq!((from, to), (hard, tighter as f64 / 1e12));
            assert_eq!(limits.tighten(key, tighter), Ok((to, to)), "as tight as it is");
            assert!(limits.tighten(key, (hard * 1e12) as i128).is_err(), "there is no way back");
            assert!(limits.tighten(key, i128::MAX).is_err());
            assert!(limits.tighten(key, i128::MIN).is_err());
        }
    }

    #[test]
    fn a_profile_tightens_its_limits_and_stays_what_it_is() {
        let mut profile = Profile::standard();
        profile.tighten(LimitKey::Positions, 4 * ONE).unwrap();
        assert!(profile.is_standard());
        assert_eq!(profile.limits().unwrap().positions_max, 4);
        assert_eq!(Profile::Off.tighten(LimitKey::Positions, ONE), Err(TightenError::Off { key: LimitKey::Positions }));
    }
}
