//! Which limits a run has: the standard ones, chosen ones, or none. Carried by every approval.

use super::{LimitError, Limits, TightenError};
use domain::{Digest, Digestible, LimitKey};

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
        match limits.first_looser_than(&Limits::default()) {
            None => Ok(Self(limits)),
            Some(field) => Err(LimitError {
                name: field.name,
                value: field.value.to_string(),
                expected: "at most the hard limit: standard limits can only be tightened",
            }),
        }
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

    /// Makes one limit tighter while running: see [`Limits::tighten`]. Where limits are off there is none to tighten.
    ///
    /// # Errors
    /// [`TightenError`]; then nothing changed.
    pub fn tighten(&mut self, key: LimitKey, to: i128) -> Result<(f64, f64), TightenError> {
        match self {
            // What is tighter than standard limits is standard.
            Self::Standard(StandardLimits(limits)) | Self::Research(limits) => limits.tighten(key, to),
            Self::Off => Err(TightenError::Off { key }),
        }
    }

    /// The same profile with these limits in force, which are nowhere looser. `None` where one is, or where limits are off.
    pub(crate) fn with_tighter(self, limits: Limits) -> Option<Self> {
        let tighter = limits.validate().is_ok() && limits.first_looser_than(self.limits()?).is_none();
        match self {
            Self::Standard(_) => tighter.then_some(Self::Standard(StandardLimits(limits))),
            Self::Research(_) => tighter.then_some(Self::Research(limits)),
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
        if let Some(limits) = self.limits() {
            limits.digest(d);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Money, Rate};

    #[test]
    fn standard_limits_can_only_be_tightened() {
        let hard = Limits::default();
        let more = |rate: Rate| Rate::from_raw(rate.raw() + 1);
        let less = |rate: Rate| Rate::from_raw(rate.raw() - 1);
        StandardLimits::tightened(hard).unwrap();
        StandardLimits::tightened(Limits { position_fraction_max: Rate::from_bps(100), positions_max: 3, ..hard })
            .unwrap();
        StandardLimits::tightened(Limits { deployment_step: 4, liquidity_ratio_min: Rate::from_bps(20_000), ..hard })
            .unwrap();
        let loose = [
            (Limits { position_fraction_max: Rate::from_bps(201), ..hard }, "position_fraction_max"),
            (Limits { positions_max: 11, ..hard }, "positions_max"),
            (Limits { correlation_max: 0.71, ..hard }, "correlation_max"),
            (Limits { leverage_max: more(hard.leverage_max), ..hard }, "leverage_max"),
            (Limits { stop_required: false, ..hard }, "stop_required"),
            (Limits { correlation_samples_min: 79, ..hard }, "correlation_samples_min"),
            (Limits { price_age_max_s: 301, ..hard }, "price_age_max_s"),
            (Limits { gross_exposure_max: more(hard.gross_exposure_max), ..hard }, "gross_exposure_max"),
            (Limits { net_exposure_max: more(hard.net_exposure_max), ..hard }, "net_exposure_max"),
            (Limits { long_exposure_max: more(hard.long_exposure_max), ..hard }, "long_exposure_max"),
            (Limits { short_exposure_max: more(hard.short_exposure_max), ..hard }, "short_exposure_max"),
            (Limits { order_value_max: Money::from_units(1_000_001), ..hard }, "order_value_max"),
            (Limits { order_volume_max: more(hard.order_volume_max), ..hard }, "order_volume_max"),
            (Limits { capital_max: Money::from_units(10_000_001), ..hard }, "capital_max"),
            (Limits { capital_total_max: Money::from_units(20_000_001), ..hard }, "capital_total_max"),
            (Limits { price_collar_max: more(hard.price_collar_max), ..hard }, "price_collar_max"),
            (Limits { price_jump_max: more(hard.price_jump_max), ..hard }, "price_jump_max"),
            (Limits { margin_buffer_min: less(hard.margin_buffer_min), ..hard }, "margin_buffer_min"),
            (Limits { liquidity_ratio_min: less(hard.liquidity_ratio_min), ..hard }, "liquidity_ratio_min"),
            (
                Limits { liquidation_distance_min: less(hard.liquidation_distance_min), ..hard },
                "liquidation_distance_min",
            ),
            (Limits { daily_loss_max: more(hard.daily_loss_max), ..hard }, "daily_loss_max"),
            (Limits { intraday_loss_max: more(hard.intraday_loss_max), ..hard }, "intraday_loss_max"),
            (Limits { drawdown_alert: more(hard.drawdown_alert), ..hard }, "drawdown_alert"),
            (Limits { drawdown_max: more(hard.drawdown_max), ..hard }, "drawdown_max"),
            (Limits { var_fraction_max: more(hard.var_fraction_max), ..hard }, "var_fraction_max"),
            (Limits { messages_max: 101, ..hard }, "messages_max"),
            (Limits { entry_messages_max: 61, ..hard }, "entry_messages_max"),
            (Limits { message_window_s: 9, ..hard }, "message_window_s"),
            (Limits { repeats_max: 11, ..hard }, "repeats_max"),
            (Limits { strategy_orders_max: 61, ..hard }, "strategy_orders_max"),
            (Limits { repeat_window_s: 59, ..hard }, "repeat_window_s"),
            (Limits { probe_fraction_max: more(hard.probe_fraction_max), ..hard }, "probe_fraction_max"),
        ];
        for (limits, name) in loose {
            assert_eq!(StandardLimits::tightened(limits).unwrap_err().name, name);
            assert_eq!(Profile::standard().with_tighter(limits), None, "{name}");
        }
        // All but the step of deployment, of which none is the loosest.
        assert_eq!(loose.len() + 1, hard.fields().len());
    }

    #[test]
    fn a_step_of_deployment_is_only_lowered() {
        let at = |deployment_step| Profile::Research(Limits { deployment_step, ..Limits::default() });
        let step = |deployment_step| Limits { deployment_step, ..Limits::default() };
        assert!(at(0).with_tighter(step(4)).is_some());
        assert!(at(4).with_tighter(step(1)).is_some());
        assert!(at(1).with_tighter(step(2)).is_none());
        assert!(at(4).with_tighter(step(0)).is_none());
        assert!(Profile::Off.with_tighter(step(1)).is_none());
    }
}
