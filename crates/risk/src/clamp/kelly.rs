//! Before the clamps: no more than a quarter of what Kelly's criterion says, and no more than an inner cap of equity.
//!
//! The fraction is taken net of costs: gains are smaller by fees and slippage of a round trip, losses larger. An edge that is none gets
//! nothing. The position limit (2 % of equity) comes after it and is the smaller one by far; the cap is a bound of its own.

use super::Input;
use domain::{Money, Rounding, SignalStatistics};
use quant::stats::kelly;
use serde::{Deserialize, Serialize};

/// How Kelly's criterion sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KellyConfig {
    /// Part of Kelly's fraction that is used.
    pub fraction: f64,
    /// Most of equity that it may come to.
    pub cap: f64,
    /// Fewest trades that the statistics may rest on.
    pub samples_min: u32,
}

impl Default for KellyConfig {
    fn default() -> Self {
        Self { fraction: kelly::SAFETY, cap: 0.10, samples_min: 30 }
    }
}

/// Kelly's whole fraction of equity from a strategy's statistics; not known without them, with too few trades, or with numbers that are
/// none.
pub(super) fn input(statistics: Option<&SignalStatistics>, config: &KellyConfig) -> Input {
    let Some(s) = statistics.filter(|s| s.samples >= config.samples_min) else { return Input::Unknown };
    let numbers = [s.win_probability, s.mean_win, s.mean_loss, s.fees, s.slippage];
    if numbers.iter().any(|n| !n.is_finite()) || s.fees < 0.0 || s.slippage < 0.0 {
        return Input::Unknown;
    }
    let costs = s.fees + s.slippage;
    let (win, loss) = (s.mean_win - costs, s.mean_loss + costs);
    if win <= 0.0 && loss > 0.0 {
        // What is won does not pay for itself.
        return Input::Known(0.0);
    }
    Input::of(kelly::binary(s.win_probability, win, loss))
}

/// The most that an entry may be worth.
pub(super) fn cap(input: Input, config: &KellyConfig, equity: Money) -> Money {
    let Input::Known(fraction) = input else { return Money::ZERO };
    let share = (fraction * config.fraction).min(config.cap);
    equity.max(Money::ZERO).times(super::rate_down(share), Rounding::Down).unwrap_or(Money::ZERO)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Nanos;

    fn statistics(p: f64, win: f64, loss: f64, costs: f64) -> SignalStatistics {
        SignalStatistics {
            win_probability: p,
            mean_win: win,
            mean_loss: loss,
            fees: costs / 2.0,
            slippage: costs / 2.0,
            holding_period: Nanos::from_secs(60),
            samples: 50,
        }
    }

    #[test]
    fn a_quarter_of_kelly_under_its_cap() {
        let config = KellyConfig::default();
        let equity = Money::from_units(10_000);
        // 0.6 / 1 - 0.4 / 1 = 0.2; a quarter of it is 5 %.
        let even = input(Some(&statistics(0.6, 1.0, 1.0, 0.0)), &config);
        let Input::Known(f) = even else { panic!("{even:?}") };
        testkit::assert_close(f, 0.2, 1e-12, 0.0);
        testkit::assert_close(cap(even, &config, equity).to_f64(), 500.0, 1e-9, 0.0);
        // 0.52 / 0.02 - 0.48 / 0.03 = 10: the cap of 10 % of equity is less.
        let large = input(Some(&statistics(0.52, 0.03, 0.02, 0.0)), &config);
        assert_eq!(cap(large, &config, equity), Money::from_units(1_000));
        let costly = input(Some(&statistics(0.52, 0.03, 0.02, 0.01)), &config);
        assert!(cap(costly, &config, equity) < cap(large, &config, equity).max(Money::from_units(1)));
    }

    #[test]
    fn no_edge_gets_nothing_and_no_statistics_are_not_known() {
        let config = KellyConfig::default();
        assert_eq!(input(Some(&statistics(0.3, 1.0, 1.0, 0.0)), &config), Input::Known(0.0));
        assert_eq!(input(Some(&statistics(0.9, 0.001, 0.01, 0.002)), &config), Input::Known(0.0));
        assert_eq!(input(None, &config), Input::Unknown);
        let few = SignalStatistics { samples: 29, ..statistics(0.6, 1.0, 1.0, 0.0) };
        assert_eq!(input(Some(&few), &config), Input::Unknown);
        for bad in [
            statistics(f64::NAN, 1.0, 1.0, 0.0),
            statistics(0.6, f64::INFINITY, 1.0, 0.0),
            statistics(0.6, 1.0, -1.0, 0.0),
            statistics(0.6, 1.0, 1.0, -0.5),
            statistics(1.5, 1.0, 1.0, 0.0),
            statistics(0.6, 0.0, 0.0, 0.0),
        ] {
            assert_eq!(input(Some(&bad), &config), Input::Unknown, "{bad:?}");
        }
    }
}
