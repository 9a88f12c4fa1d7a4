//! At which numbers the guard speaks, and what it then asks for.
//!
//! The defaults are the hard values: a standard run may have them tighter, never looser, and the one that is looser is named.

use crate::limits::LimitError;
use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, Nanos, Rate};
use serde::{Deserialize, Serialize};

const fn percent(n: i32) -> Rate {
    Rate::from_bps(n * 100)
}

const fn times(n: i64) -> Rate {
    Rate::from_raw(n * Rate::ONE.raw())
}

/// What the guard watches for. Fractions are of equity unless said otherwise, inclusive unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GuardConfig {
    /// Shortest time between two checks of an account, in milliseconds of engine time. 100.
    pub check_interval_ms: u64,
    /// Drawdown from the peak at which an alert is raised. 10 %.
    pub drawdown_alert: Rate,
    /// Drawdown from the peak at which trading halts (mode emergency). 15 %.
    pub drawdown_halt: Rate,
    /// Whether a halt also closes what is open: strategies are silent afterwards, and nobody else would. Yes.
    pub drawdown_flatten: bool,
    /// Length of the sliding window of the second drawdown that is told, in days. 30.
    pub drawdown_window_days: u32,
    /// Loss of a UTC day, realised and unrealised, at which no new risk is taken until the next day. 5 %.
    pub daily_loss_max: Rate,
    /// The same within the last 60 minutes. 3 %.
    pub hourly_loss_max: Rate,
    /// Losing round trips of a strategy in a row that open its breaker. 3.
    pub breaker_losses: u32,
    /// Loss of an account over its round trips that opens its breaker: more than this. 5 %.
    pub breaker_loss_max: Rate,
    /// How long a breaker stays open the first time, in seconds; each time in a row twice as long. 3600.
    pub breaker_cool_down_s: u64,
    /// How long a breaker stays open at most, in seconds. 86400.
    pub breaker_cool_down_max_s: u64,
    /// Size of the probe of a half-open breaker, as a share of what would be allowed. 25 %.
    pub breaker_probe: Rate,
    /// Maintenance margin / margin balance at which an alert is raised. 80 %.
    pub margin_ratio_alert: Rate,
    /// The same at which the ladder acts, on the present ratio or the one projected by one check. 90 %.
    pub margin_ratio_act: Rate,
    /// The same at which the worst positions are closed without trying anything milder. 95 %.
    pub margin_ratio_critical: Rate,
    /// Share of a position that the ladder of margin ratios cuts first. 20 %.
    pub margin_cut: Rate,
    /// How many of the worst positions are closed. 2.
    pub margin_close_worst: u32,
    /// Largest share of the free funds that may be added as margin to an isolated position. 50 %.
    pub margin_add_max: Rate,
    /// Largest sum of margins bound to isolated positions that adding may lead to. 6 %.
    pub margin_heat_max: Rate,
    /// Distance to liquidation / mark at which a position is closed. 4 %.
    pub distance_close: Rate,
    /// The same below which a position is halved. 5 %.
    pub distance_halve: Rate,
    /// The same below which margin is added. 10 %.
    pub distance_add: Rate,
    /// How long an asked-for action may take before it is asked for again, in milliseconds. 5000.
    pub action_timeout_ms: u64,
    /// Largest gross exposure / equity. 3.
    pub leverage_max: Rate,
    /// The same in a volatile regime. 2.
    pub leverage_volatile: Rate,
    /// The same in a crisis, and from a black swan on. 1.
    pub leverage_crisis: Rate,
    /// Daily volatility (standard deviation of daily returns) up to which the largest leverage holds; above it the cap falls in
    /// proportion. 4 %.
    pub volatility_reference: Rate,
    /// How far above its cap leverage may drift before positions are reduced, as a share of the cap. 5 %.
    pub leverage_band: Rate,
    /// Largest move of a mark within a minute that is believed without a second print or the book, as a fraction. 10 %.
    pub jump_max: Rate,
    /// Age of a held instrument's price from which on no new risk is taken, in seconds. A run on longer candles widens it to twice their
    /// interval. 300.
    pub mark_age_max_s: u64,
    /// Fall of an asset within 60 minutes that is a black swan. 20 %.
    pub swan_asset_hour: Rate,
    /// Fall of an asset within 10 minutes that is a black swan. 10 %.
    pub swan_asset_ten_minutes: Rate,
    /// Loss of equity within 60 minutes that is a black swan. 10 %.
    pub swan_portfolio_hour: Rate,
    /// How long it must have been calm before a black swan is over, in seconds. 3600.
    pub swan_calm_s: u64,
}

impl Default for GuardConfig {
    fn default() -> Self {
        Self {
            check_interval_ms: 100,
            drawdown_alert: percent(10),
            drawdown_halt: percent(15),
            drawdown_flatten: true,
            drawdown_window_days: 30,
            daily_loss_max: percent(5),
            hourly_loss_max: percent(3),
            breaker_losses: 3,
            breaker_loss_max: percent(5),
            breaker_cool_down_s: 3_600,
            breaker_cool_down_max_s: 86_400,
            breaker_probe: percent(25),
            margin_ratio_alert: percent(80),
            margin_ratio_act: percent(90),
            margin_ratio_critical: percent(95),
            margin_cut: percent(20),
            margin_close_worst: 2,
            margin_add_max: percent(50),
            margin_heat_max: percent(6),
            distance_close: percent(4),
            distance_halve: percent(5),
            distance_add: percent(10),
            action_timeout_ms: 5_000,
            leverage_max: times(3),
            leverage_volatile: times(2),
            leverage_crisis: times(1),
            volatility_reference: percent(4),
            leverage_band: percent(5),
            jump_max: percent(10),
            mark_age_max_s: 300,
            swan_asset_hour: percent(20),
            swan_asset_ten_minutes: percent(10),
            swan_portfolio_hour: percent(10),
            swan_calm_s: 3_600,
        }
    }
}

/// One number of the configuration as the checks and the codec see it.
#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    /// A rate as its count of 1e-12, else the number itself.
    value: i64,
    is_rate: bool,
    /// From and to, both allowed.
    range: (i64, i64),
    expected: &'static str,
    /// Which way is tighter.
    tighter: Tighter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tighter {
    Lower,
    Higher,
}

impl Row {
    fn shown(&self) -> String {
        if self.is_rate { Rate::from_raw(self.value).to_string() } else { self.value.to_string() }
    }
}

impl GuardConfig {
    fn rows(&self) -> [Row; 33] {
        use Tighter::{Higher, Lower};
        let rate = |name, value: Rate, (low, high): (Rate, Rate), expected, tighter| Row {
            name,
            value: value.raw(),
            is_rate: true,
            range: (low.raw(), high.raw()),
            expected,
            tighter,
        };
        let fraction =
            |name, value, tighter| rate(name, value, (Rate::from_raw(1), Rate::ONE), "above 0 and up to 1", tighter);
        let ratio =
            |name, value, tighter| rate(name, value, (Rate::from_raw(1), times(100)), "above 0 and up to 100", tighter);
        let count = |name, value: u64, range, expected, tighter| Row {
            name,
            value: i64::try_from(value).unwrap_or(i64::MAX),
            is_rate: false,
            range,
            expected,
            tighter,
        };
        let days = |name, value, tighter| count(name, value, (1, 31 * 86_400), "1 to 2678400 seconds", tighter);
        [
            count("check_interval_ms", self.check_interval_ms, (1, 60_000), "1 to 60000", Lower),
            fraction("drawdown_alert", self.drawdown_alert, Lower),
            fraction("drawdown_halt", self.drawdown_halt, Lower),
            count("drawdown_flatten", u64::from(self.drawdown_flatten), (0, 1), "true or false", Higher),
            count(
                "drawdown_window_days",
                u64::from(self.drawdown_window_days),
                (1, super::drawdown::DAYS as i64),
                "1 to 64",
                Higher,
            ),
            fraction("daily_loss_max", self.daily_loss_max, Lower),
            fraction("hourly_loss_max", self.hourly_loss_max, Lower),
            count("breaker_losses", u64::from(self.breaker_losses), (1, 1_000), "1 to 1000", Lower),
            fraction("breaker_loss_max", self.breaker_loss_max, Lower),
            days("breaker_cool_down_s", self.breaker_cool_down_s, Higher),
            days("breaker_cool_down_max_s", self.breaker_cool_down_max_s, Higher),
            fraction("breaker_probe", self.breaker_probe, Lower),
            fraction("margin_ratio_alert", self.margin_ratio_alert, Lower),
            fraction("margin_ratio_act", self.margin_ratio_act, Lower),
            fraction("margin_ratio_critical", self.margin_ratio_critical, Lower),
            fraction("margin_cut", self.margin_cut, Higher),
            count("margin_close_worst", u64::from(self.margin_close_worst), (1, 1_000), "1 to 1000", Higher),
            fraction("margin_add_max", self.margin_add_max, Lower),
            fraction("margin_heat_max", self.margin_heat_max, Lower),
            fraction("distance_close", self.distance_close, Higher),
            fraction("distance_halve", self.distance_halve, Higher),
            fraction("distance_add", self.distance_add, Higher),
            count("action_timeout_ms", self.action_timeout_ms, (1, 600_000), "1 to 600000", Lower),
            ratio("leverage_max", self.leverage_max, Lower),
            ratio("leverage_volatile", self.leverage_volatile, Lower),
            ratio("leverage_crisis", self.leverage_crisis, Lower),
            ratio("volatility_reference", self.volatility_reference, Lower),
            fraction("leverage_band", self.leverage_band, Lower),
            fraction("jump_max", self.jump_max, Lower),
            days("mark_age_max_s", self.mark_age_max_s, Lower),
            fraction("swan_asset_hour", self.swan_asset_hour, Lower),
            fraction("swan_asset_ten_minutes", self.swan_asset_ten_minutes, Lower),
            fraction("swan_portfolio_hour", self.swan_portfolio_hour, Lower),
        ]
    }

    /// Checks that every number is one that can be watched for, and that the steps of each ladder are in order.
    ///
    /// # Errors
    /// [`LimitError`] names the first that is not.
    pub fn validate(&self) -> Result<(), LimitError> {
        for row in self.rows() {
            if !(row.range.0..=row.range.1).contains(&row.value) {
                return Err(LimitError { name: row.name, value: row.shown(), expected: row.expected });
            }
        }
        if !(1..=31 * 86_400).contains(&self.swan_calm_s) {
            let value = self.swan_calm_s.to_string();
            return Err(LimitError { name: "swan_calm_s", value, expected: "1 to 2678400 seconds" });
        }
        let order = [
            ("drawdown_alert", self.drawdown_alert, self.drawdown_halt, "at most drawdown_halt"),
            ("margin_ratio_alert", self.margin_ratio_alert, self.margin_ratio_act, "at most margin_ratio_act"),
            ("margin_ratio_act", self.margin_ratio_act, self.margin_ratio_critical, "at most margin_ratio_critical"),
            ("distance_close", self.distance_close, self.distance_halve, "at most distance_halve"),
            ("distance_halve", self.distance_halve, self.distance_add, "at most distance_add"),
            ("leverage_volatile", self.leverage_volatile, self.leverage_max, "at most leverage_max"),
            ("leverage_crisis", self.leverage_crisis, self.leverage_volatile, "at most leverage_volatile"),
        ];
        for (name, value, bound, expected) in order {
            if value > bound {
                return Err(LimitError { name, value: value.to_string(), expected });
            }
        }
        if self.breaker_cool_down_s > self.breaker_cool_down_max_s {
            let value = self.breaker_cool_down_s.to_string();
            return Err(LimitError { name: "breaker_cool_down_s", value, expected: "at most breaker_cool_down_max_s" });
        }
        Ok(())
    }

    /// Checks that nothing is looser than the hard values: what a standard run must be.
    ///
    /// # Errors
    /// [`LimitError`] names the first number that is none, or that is looser than the hard one.
    pub fn tightened(self) -> Result<Self, LimitError> {
        self.validate()?;
        for (row, hard) in self.rows().into_iter().zip(Self::default().rows()) {
            let (looser, expected) = match row.tighter {
                Tighter::Lower => (row.value > hard.value, "at most the hard value: it can only be tightened"),
                Tighter::Higher => (row.value < hard.value, "at least the hard value: it can only be tightened"),
            };
            if looser {
                return Err(LimitError { name: row.name, value: row.shown(), expected });
            }
        }
        if self.swan_calm_s < Self::default().swan_calm_s {
            let value = self.swan_calm_s.to_string();
            let expected = "at least the hard value: it can only be tightened";
            return Err(LimitError { name: "swan_calm_s", value, expected });
        }
        Ok(self)
    }

    /// The same with prices that may be at least so old: a price of candles is as old as they are long.
    #[must_use]
    pub fn with_mark_age(mut self, seconds: u64) -> Self {
        self.mark_age_max_s = self.mark_age_max_s.max(seconds);
        self
    }

    pub(super) const fn mark_age_max(&self) -> Nanos {
        Nanos::from_secs(self.mark_age_max_s)
    }

    pub(super) const fn check_interval(&self) -> Nanos {
        Nanos::from_millis(self.check_interval_ms)
    }

    pub(super) const fn action_timeout(&self) -> Nanos {
        Nanos::from_millis(self.action_timeout_ms)
    }

    /// Appends the configuration to a snapshot, for comparison.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.rows().iter().for_each(|row| row.value.put(out));
        self.swan_calm_s.put(out);
    }

    /// Compares with what was saved, so that the error can name the number that differs.
    pub(super) fn compare(&self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        for row in self.rows() {
            from.same(&row.value, row.name)?;
        }
        from.same(&self.swan_calm_s, "swan_calm_s")
    }
}

impl Digestible for GuardConfig {
    fn digest(&self, d: &mut Digest) {
        self.rows().iter().for_each(|row| d.int(row.value));
        d.word(self.swan_calm_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_hard_values() {
        let hard = GuardConfig::default();
        hard.validate().unwrap();
        assert_eq!(hard.tightened(), Ok(hard));
        let shown = |rate: Rate| rate.to_string();
        assert_eq!((shown(hard.drawdown_alert), shown(hard.drawdown_halt)), ("0.1".into(), "0.15".into()));
        assert_eq!((shown(hard.margin_ratio_alert), shown(hard.margin_ratio_act)), ("0.8".into(), "0.9".into()));
        assert_eq!((shown(hard.leverage_max), hard.breaker_losses), ("3".into(), 3));
    }

    #[test]
    fn every_number_can_be_tightened_and_none_loosened() {
        let hard = GuardConfig::default();
        let json = serde_json::to_value(hard).unwrap();
        let names: Vec<String> = json.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names.len(), hard.rows().len() + 1, "every field has its row, and the one beside them");
        let mut tried = 0;
        for name in names {
            let with = |value: serde_json::Value| {
                let mut changed = json.clone();
                changed[&name] = value;
                serde_json::from_value::<GuardConfig>(changed).unwrap()
            };
            let factor = |f: f64| match &json[&name] {
                serde_json::Value::Bool(b) => serde_json::Value::Bool(*b == (f > 0.0)),
                serde_json::Value::String(text) => format!("{:.6}", text.parse::<f64>().unwrap() * f).into(),
                number if f > 1.0 => (number.as_u64().unwrap() + 1).into(),
                number => (number.as_u64().unwrap() - 1).into(),
            };
            // One of a little more and a little less is looser and must be named.
            let named = [1.05, 0.95].into_iter().filter(|f| {
                with(factor(*f)).tightened().is_err_and(|error| error.name == name && error.expected.contains("hard"))
            });
            let count = named.count();
            let toggled = with(factor(-1.0)).tightened();
            let expected = usize::from(name != "drawdown_flatten");
            assert_eq!(count, expected, "{name}");
            if name == "drawdown_flatten" {
                assert_eq!(toggled.unwrap_err().name, name);
            }
            tried += 1;
        }
        assert_eq!(tried, 34);
    }

    #[test]
    fn numbers_that_are_none_are_named() {
        let hard = GuardConfig::default();
        for (bad, name) in [
            (GuardConfig { drawdown_halt: Rate::ZERO, ..hard }, "drawdown_halt"),
            (GuardConfig { drawdown_alert: percent(16), ..hard }, "drawdown_alert"),
            (GuardConfig { check_interval_ms: 0, ..hard }, "check_interval_ms"),
            (GuardConfig { breaker_losses: 0, ..hard }, "breaker_losses"),
            (GuardConfig { margin_cut: Rate::from_raw(-1), ..hard }, "margin_cut"),
            (GuardConfig { distance_close: percent(6), ..hard }, "distance_close"),
            (GuardConfig { leverage_crisis: times(4), ..hard }, "leverage_crisis"),
            (GuardConfig { breaker_cool_down_s: 86_401, ..hard }, "breaker_cool_down_s"),
            (GuardConfig { swan_calm_s: 0, ..hard }, "swan_calm_s"),
        ] {
            assert_eq!(bad.validate().unwrap_err().name, name);
        }
        assert!(serde_json::from_str::<GuardConfig>("{\"drawdown\":\"0.1\"}").is_err(), "a key that is none");
    }
}
