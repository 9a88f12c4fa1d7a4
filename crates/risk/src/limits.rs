//! Hard limits, and which profile of them a run has.
//!
//! In:  the defaults below, a configuration, or a key holder who tightens one while running.
//! Out: the limits in force, for the gate, for `verify` and for whoever watches the account.
//! The default limits are the ones that paper and live runs have: a configuration may make them tighter, nothing makes them looser. A
//! research run may have others, or none; its orders carry that fact and real venues' gateways refuse them.

mod deployment;
mod field;
mod profile;
mod tighten;

pub use deployment::{DEPLOYMENT, Deployment};
pub use field::LimitError;
pub use profile::{Profile, StandardLimits};
pub use tighten::TightenError;

use domain::{Money, Nanos, Rate};
use serde::{Deserialize, Serialize};

/// Limits that no order may cross. Fractions and multiples are of the account's equity unless said otherwise; amounts are in quote.
///
/// With 10 positions of 2 % the gross exposure is 20 %, so most of the others cannot bind beside the first two. They are kept as further
/// lines of defence, and each is tested with the others relaxed ([`Limits::relaxed`]).
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
    /// Largest gross exposure over equity; the leverage controller may hold it lower.
    pub leverage_max: Rate,
    /// Fewest common samples of the last 100 from which a correlation counts as known.
    pub correlation_samples_min: u32,
    /// Oldest price that an entry may rest on, in seconds. A run on longer candles widens it to twice their interval.
    pub price_age_max_s: u64,
    /// Largest sum of the sizes of all positions and entries on their way, over equity.
    pub gross_exposure_max: Rate,
    /// Largest difference between long and short exposure, entries on their way counted where they enlarge it, over equity.
    pub net_exposure_max: Rate,
    /// Largest long exposure over equity.
    pub long_exposure_max: Rate,
    /// Largest short exposure over equity. Lower than the long one: what a short can lose has no bound.
    pub short_exposure_max: Rate,
    /// Largest value of one order, in quote.
    pub order_value_max: Money,
    /// Largest quantity of one order, as a fraction of the largest that the venue takes.
    pub order_volume_max: Rate,
    /// Most capital at stake in one account (its gross exposure), in quote.
    pub capital_max: Money,
    /// Most capital at stake in all accounts together, in quote.
    pub capital_total_max: Money,
    /// Furthest that an order's price may be from the last price, the mark and the book, as a fraction of those.
    pub price_collar_max: Rate,
    /// Largest step between two prints that is believed at once, as a fraction of the smaller: an entry waits for the print that confirms it.
    pub price_jump_max: Rate,
    /// Least margin that is available, over what the order and those on their way require.
    pub margin_buffer_min: Rate,
    /// Least liquid funds over what is bound as margin.
    pub liquidity_ratio_min: Rate,
    /// Least move of the price, as a fraction, that would liquidate a position of the account.
    pub liquidation_distance_min: Rate,
    /// Largest loss since the day began (UTC), as a fraction of the equity then.
    pub daily_loss_max: Rate,
    /// Largest loss within the window of the intraday monitor, as a fraction of the equity at its start.
    pub intraday_loss_max: Rate,
    /// Drawdown from the peak that is alerted.
    pub drawdown_alert: Rate,
    /// Drawdown from the peak that halts trading.
    pub drawdown_max: Rate,
    /// Largest one-day value at risk, as a fraction of equity.
    pub var_fraction_max: Rate,
    /// Most messages (orders, amends, cancels) of an account within the window.
    pub messages_max: u32,
    /// How many of them entries may use: what is left is kept for reductions, which nothing stops.
    pub entry_messages_max: u32,
    /// That window, in seconds.
    pub message_window_s: u64,
    /// Most entries of a strategy in one instrument and direction within the window, then it is disabled.
    pub repeats_max: u32,
    /// Most entries of a strategy, of whatever kind, within the window, then it is disabled.
    pub strategy_orders_max: u32,
    /// That window, in seconds.
    pub repeat_window_s: u64,
    /// Largest probe of a half-open breaker, as a fraction of what the position limit allows.
    pub probe_fraction_max: Rate,
    /// The step of deployment in force, from 1 (narrowest); 0 for none. See [`DEPLOYMENT`].
    pub deployment_step: u32,
}

const fn times(n: i64) -> Rate {
    Rate::from_raw(n * Rate::ONE.raw())
}

impl Default for Limits {
    /// The hard limits of paper and live: 2 % a position, 10 positions, correlation 0.7, a stop always, leverage 3.
    ///
    /// The day's loss of 3 % lies above what ten positions of 2 % lose when each stop is hit at 10 % (2 %), and below the 5 % at which the
    /// account's loss breaker opens. Ten positions turned at one instant (stops off, exits, entries, new stops) take 40 messages: of 100 in
    /// 10 s entries may use 60.
    fn default() -> Self {
        Self {
            position_fraction_max: Rate::from_bps(200),
            positions_max: 10,
            correlation_max: 0.7,
            stop_required: true,
            leverage_max: times(3),
            correlation_samples_min: 80,
            price_age_max_s: 300,
            gross_exposure_max: times(3),
            net_exposure_max: times(2),
            long_exposure_max: times(2),
            short_exposure_max: times(1),
            order_value_max: Money::from_units(1_000_000),
            order_volume_max: Rate::from_bps(5_000),
            capital_max: Money::from_units(10_000_000),
            capital_total_max: Money::from_units(20_000_000),
            price_collar_max: Rate::from_bps(500),
            price_jump_max: Rate::from_bps(5_000),
            margin_buffer_min: Rate::from_bps(11_000),
            liquidity_ratio_min: Rate::from_bps(15_000),
            liquidation_distance_min: Rate::from_bps(500),
            daily_loss_max: Rate::from_bps(300),
            intraday_loss_max: Rate::from_bps(200),
            drawdown_alert: Rate::from_bps(1_000),
            drawdown_max: Rate::from_bps(1_500),
            var_fraction_max: Rate::from_bps(200),
            messages_max: 100,
            entry_messages_max: 60,
            message_window_s: 10,
            repeats_max: 10,
            strategy_orders_max: 60,
            repeat_window_s: 60,
            probe_fraction_max: Rate::from_bps(2_500),
            deployment_step: 0,
        }
    }
}

impl Limits {
    /// Limits that are in force and do not bind: what a test configuration starts from when it holds one limit alone. Never the limits of
    /// paper or live.
    #[must_use]
    pub const fn relaxed() -> Self {
        let (many, amount) = (times(1_000), Money::from_units(1_000_000_000_000_000));
        Self {
            position_fraction_max: many,
            positions_max: 1_000_000,
            correlation_max: 1.0,
            stop_required: false,
            leverage_max: many,
            correlation_samples_min: 2,
            price_age_max_s: 31_622_400,
            gross_exposure_max: many,
            net_exposure_max: many,
            long_exposure_max: many,
            short_exposure_max: many,
            order_value_max: amount,
            order_volume_max: times(1),
            capital_max: amount,
            capital_total_max: amount,
            price_collar_max: many,
            price_jump_max: many,
            margin_buffer_min: times(1),
            liquidity_ratio_min: Rate::from_raw(1),
            liquidation_distance_min: Rate::from_raw(1),
            daily_loss_max: times(1),
            intraday_loss_max: times(1),
            drawdown_alert: times(1),
            drawdown_max: times(1),
            var_fraction_max: times(1),
            messages_max: u32::MAX,
            entry_messages_max: u32::MAX,
            message_window_s: 1,
            repeats_max: u32::MAX,
            strategy_orders_max: u32::MAX,
            repeat_window_s: 1,
            probe_fraction_max: times(1),
            deployment_step: 0,
        }
    }

    /// The oldest price that an entry may rest on.
    #[must_use]
    pub const fn price_age_max(&self) -> Nanos {
        Nanos::from_secs(self.price_age_max_s)
    }

    /// The step of deployment in force; `None` for no bounds beside the limits.
    #[must_use]
    pub fn deployment(&self) -> Option<&'static Deployment> {
        DEPLOYMENT.get((self.deployment_step as usize).checked_sub(1)?)
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
        assert_eq!((limits.margin_buffer_min.to_f64(), limits.liquidity_ratio_min.to_f64()), (1.1, 1.5));
        assert_eq!((limits.liquidation_distance_min.to_f64(), limits.var_fraction_max.to_f64()), (0.05, 0.02));
        assert_eq!((limits.drawdown_alert.to_f64(), limits.drawdown_max.to_f64()), (0.1, 0.15));
    }

    #[test]
    fn relaxed_limits_are_limits_and_looser_than_the_hard_ones_in_every_point() {
        let (relaxed, hard) = (Limits::relaxed(), Limits::default());
        relaxed.validate().unwrap();
        // The windows are shorter, which is tighter or looser only beside their counts.
        for (mine, theirs) in relaxed.fields().iter().zip(&hard.fields()) {
            let same = mine.value == theirs.value || mine.name.ends_with("window_s");
            assert!(same || mine.is_looser_than(theirs), "{}", mine.name);
        }
    }

    #[test]
    fn a_configuration_of_an_earlier_build_has_the_limits_that_it_does_not_name() {
        let read: Limits = serde_json::from_str("{\"positions_max\": 3, \"order_value_max\": \"500\"}").unwrap();
        let named = Limits { positions_max: 3, order_value_max: Money::from_units(500), ..Limits::default() };
        assert_eq!(read, named);
        assert!(serde_json::from_str::<Limits>("{\"positions_mx\": 3}").is_err());
    }
}
