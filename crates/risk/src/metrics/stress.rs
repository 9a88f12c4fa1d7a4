//! Stress: what positions would lose in named shocks, at once and without a stop.
//!
//! In:  exposures, instruments' assets, one-day standard deviations. Out: a loss per scenario, in the currency of the exposures.
//! Falls of days past are those of the highest price to the lowest after it within the days named, on Binance spot.

use super::{ALPHA, Line, Metrics, Unknown};
use domain::InstrumentTable;
use quant::stats::normal;

/// How prices move.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shock {
    /// All by this fraction.
    Uniform(f64),
    /// The instrument with the largest exposure by this fraction, against the position; the others stay.
    Largest(f64),
    /// Bitcoin, ether, and all others by these fractions: others as the worse of the two.
    Crash {
        /// Bitcoin.
        btc: f64,
        /// Ether.
        eth: f64,
    },
    /// All correlations one, every position on the wrong side: each loses its own one-day 99 % move of a normal distribution.
    CorrelationOne,
}

/// A named shock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    /// Its key.
    pub name: &'static str,
    /// How prices move.
    pub shock: Shock,
}

/// All scenarios, in the order of reports.
pub const SCENARIOS: [Scenario; 11] = [
    Scenario { name: "all_down_10", shock: Shock::Uniform(-0.10) },
    Scenario { name: "all_down_20", shock: Shock::Uniform(-0.20) },
    Scenario { name: "all_down_50", shock: Shock::Uniform(-0.50) },
    Scenario { name: "all_up_20", shock: Shock::Uniform(0.20) },
    Scenario { name: "all_up_50", shock: Shock::Uniform(0.50) },
    Scenario { name: "covid_2020_03_12", shock: Shock::Crash { btc: -0.525, eth: -0.560 } },
    Scenario { name: "crash_2021_05_19", shock: Shock::Crash { btc: -0.312, eth: -0.451 } },
    Scenario { name: "luna_2022_05", shock: Shock::Crash { btc: -0.330, eth: -0.391 } },
    Scenario { name: "ftx_2022_11", shock: Shock::Crash { btc: -0.260, eth: -0.332 } },
    Scenario { name: "largest_against_30", shock: Shock::Largest(0.30) },
    Scenario { name: "correlation_one", shock: Shock::CorrelationOne },
];

/// What one scenario would cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StressLoss {
    /// Which scenario.
    pub name: &'static str,
    /// The loss; negative for a gain.
    pub loss: f64,
    /// The loss over equity.
    pub fraction: f64,
}

impl Metrics {
    /// The loss of positions in one scenario.
    ///
    /// # Errors
    /// [`Unknown::Samples`] where it rests on standard deviations that are not known.
    pub fn stress(&self, scenario: &Scenario, lines: &[Line], table: &InstrumentTable) -> Result<f64, Unknown> {
        match scenario.shock {
            Shock::Uniform(shift) => Ok(lines.iter().map(|line| -line.exposure * shift).sum()),
            Shock::Largest(shift) => Ok(lines.iter().map(|line| line.exposure.abs()).fold(0.0, f64::max) * shift),
            Shock::Crash { btc, eth } => {
                let shift = |line: &Line| match table.get(line.instrument).map(|i| table.assets().get(i.base.index())) {
                    Some(Some(asset)) if asset.code == "BTC" => btc,
                    Some(Some(asset)) if asset.code == "ETH" => eth,
                    _ => btc.min(eth),
                };
                Ok(lines.iter().map(|line| -line.exposure * shift(line)).sum())
            }
            Shock::CorrelationOne => {
                let quantile = -normal::quantile(ALPHA).ok_or(Unknown::Overflow)?;
                lines
                    .iter()
                    .try_fold(0.0, |sum, line| Ok(sum + line.exposure.abs() * self.sigma(line.instrument)? * quantile))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::tests::Market;
    use domain::InstrumentIdx;

    fn line(instrument: u16, exposure: f64) -> Line {
        Line { instrument: InstrumentIdx(instrument), exposure }
    }

    #[test]
    fn shocks_by_hand() {
        let mut market = Market::new(&["BTCUSDT", "ETHUSDT", "SOLUSDT"]);
        let lines = [line(0, 1000.0), line(1, -400.0), line(2, 100.0)];
        let loss = |market: &Market, name: &str| {
            let scenario = SCENARIOS.iter().find(|s| s.name == name).unwrap();
            market.metrics.stress(scenario, &lines, &market.table)
        };
        let close = |got: Result<f64, Unknown>, expected| testkit::assert_close(got.unwrap(), expected, 1e-9, 0.0);
        close(loss(&market, "all_down_10"), 70.0);
        close(loss(&market, "all_up_20"), -140.0);
        close(loss(&market, "largest_against_30"), 300.0);
        close(loss(&market, "crash_2021_05_19"), 312.0 - 400.0 * 0.451 + 45.1);
        assert!(matches!(loss(&market, "correlation_one"), Err(Unknown::Samples { have: 0, .. })));
        market.run(200, 0.001, 0.5);
        let sigma = |i| market.metrics.sigma(InstrumentIdx(i)).unwrap();
        let expected = 2.326_347_874_040_841 * (1000.0 * sigma(0) + 400.0 * sigma(1) + 100.0 * sigma(2));
        close(loss(&market, "correlation_one"), expected);
    }
}
