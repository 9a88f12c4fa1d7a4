//! How the account stands: what the watchers of losses say, as plain data for the checks.
//!
//! In:  the guard, which writes it between orders; [`Standing::CALM`] where nobody watches.
//! Out: the loss breakers, the losses of the day and of a shorter window, the drawdown, the leverage that the present market allows, and
//! the value at risk of a unit of each instrument.
//! Nothing here refuses: the checks hold it against the limits.

use crate::deny_reason::DenyReason;
use domain::{InstrumentIdx, Rate, StrategyIdx};

/// A number that somebody watches.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Reading {
    /// Nobody watches it: no limit rests on it.
    #[default]
    NotConfigured,
    /// It is watched and not known now (missing, stale, not a number): new risk is refused.
    Unknown,
    /// It is this.
    Is(f64),
}

impl Reading {
    /// Of a number: NaN and infinities are not known.
    #[must_use]
    pub fn of(value: f64) -> Self {
        if value.is_finite() { Self::Is(value) } else { Self::Unknown }
    }

    /// Of a number that may be missing.
    #[must_use]
    pub fn known(value: Option<f64>) -> Self {
        value.map_or(Self::Unknown, Self::of)
    }
}

/// A loss breaker, as far as entries are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaker {
    /// Entries pass.
    #[default]
    Closed,
    /// No entry passes.
    Open,
    /// One probe passes, of no more than [`Limits::probe_fraction_max`](crate::Limits::probe_fraction_max) of the size.
    HalfOpen {
        /// Whether the probe is still to be had.
        probe_free: bool,
    },
}

/// How the account stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// What is not known to the guard and new risk would rest on, as the refusal says it.
    pub unknown: Option<DenyReason>,
    /// The breaker of the whole account.
    pub account: Breaker,
    /// The breakers of strategies, by number; a strategy beyond the end has a closed one.
    pub strategies: Vec<Breaker>,
    /// What was lost since the day began (UTC), as a fraction of the equity then; negative for a gain.
    pub day_loss: Reading,
    /// What was lost within the window of the intraday monitor, as a fraction of the equity at its start.
    pub intraday_loss: Reading,
    /// The limit of the day was reached, and holds to the end of the day whatever the loss is now.
    pub day_over: bool,
    /// How far equity is below its peak, as a fraction of the peak.
    pub drawdown: Reading,
    /// The drawdown reached its halt and nobody re-armed since, whatever it is now.
    pub halted: bool,
    /// A position of the account is on the ladder towards its liquidation.
    pub liquidation_near: bool,
    /// Gross exposure over equity that the leverage controller allows now, if that is less than the limit.
    pub leverage_max: Option<Rate>,
    /// Why nothing new may be opened, whatever its size: a position near its liquidation, an input of the leverage that is not known.
    pub nothing_new: Option<DenyReason>,
    /// One-day value at risk of one unit of notional, as a positive fraction, by instrument. Empty: nobody estimates it. An instrument beyond
    /// the end of a list that is not empty has none that is known.
    pub var_rates: Vec<Reading>,
}

impl Standing {
    /// Nobody watches anything, and nothing is wrong.
    pub const CALM: Self = Self {
        unknown: None,
        account: Breaker::Closed,
        strategies: Vec::new(),
        day_loss: Reading::NotConfigured,
        intraday_loss: Reading::NotConfigured,
        day_over: false,
        drawdown: Reading::NotConfigured,
        halted: false,
        liquidation_near: false,
        leverage_max: None,
        nothing_new: None,
        var_rates: Vec::new(),
    };

    /// [`Standing::CALM`] to borrow, where a scene needs one.
    pub const CALM_REF: &'static Self = &Self::CALM;

    /// The breaker of a strategy: the stricter of its own and the account's.
    #[must_use]
    pub fn breaker(&self, strategy: StrategyIdx) -> Breaker {
        let own = self.strategies.get(strategy.index()).copied().unwrap_or_default();
        match (self.account, own) {
            (Breaker::Open, _) | (_, Breaker::Open) => Breaker::Open,
            (Breaker::Closed, other) | (other, Breaker::Closed) => other,
            (Breaker::HalfOpen { probe_free: a }, Breaker::HalfOpen { probe_free: b }) => {
                Breaker::HalfOpen { probe_free: a && b }
            }
        }
    }

    /// One-day value at risk of one unit of notional of an instrument.
    #[must_use]
    pub fn var_rate(&self, instrument: InstrumentIdx) -> Reading {
        if self.var_rates.is_empty() {
            return Reading::NotConfigured;
        }
        match self.var_rates.get(instrument.index()) {
            Some(Reading::Is(rate)) if rate.is_finite() && *rate >= 0.0 => Reading::Is(*rate),
            _ => Reading::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stricter_breaker_counts() {
        let standing = |account, own| Standing { account, strategies: vec![Breaker::Closed, own], ..Standing::CALM };
        let (free, taken) = (Breaker::HalfOpen { probe_free: true }, Breaker::HalfOpen { probe_free: false });
        for (account, own, result) in [
            (Breaker::Closed, Breaker::Closed, Breaker::Closed),
            (Breaker::Open, Breaker::Closed, Breaker::Open),
            (Breaker::Closed, Breaker::Open, Breaker::Open),
            (free, Breaker::Closed, free),
            (Breaker::Closed, taken, taken),
            (free, taken, taken),
            (free, Breaker::Open, Breaker::Open),
        ] {
            assert_eq!(standing(account, own).breaker(StrategyIdx(1)), result);
        }
        assert_eq!(standing(free, Breaker::Open).breaker(StrategyIdx(9)), free, "beyond the end it is closed");
    }

    #[test]
    fn what_is_no_number_is_not_known() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Reading::of(bad), Reading::Unknown);
        }
        assert_eq!((Reading::known(None), Reading::known(Some(0.1))), (Reading::Unknown, Reading::Is(0.1)));
        let rates =
            vec![Reading::Is(0.05), Reading::Is(f64::NAN), Reading::Is(-0.1), Reading::Unknown, Reading::NotConfigured];
        let standing = Standing { var_rates: rates, ..Standing::CALM };
        assert_eq!(standing.var_rate(InstrumentIdx(0)), Reading::Is(0.05));
        for at in 1..7 {
            assert_eq!(standing.var_rate(InstrumentIdx(at)), Reading::Unknown, "{at}");
        }
        assert_eq!(Standing::CALM.var_rate(InstrumentIdx(0)), Reading::NotConfigured);
    }
}
