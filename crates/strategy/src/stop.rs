//! How positions are protected: the rule of a strategy for its stops, its measure of volatility, and the longest time that it holds.

use crate::params::parse_seconds;
use domain::{Nanos, Price, Rate, StopLevel, StopPlan, stored_enum, stored_struct};
use quant::indicator::{Atr, Bar, Indicator};
use quant::state::{Reader, StateError};

/// Rule for the protective stop of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRule {
    /// No stop. Entries are refused while risk is on.
    None,
    /// At a fraction of the entry price.
    Fraction(Rate),
    /// At `multiple` average true ranges of `period` bars from the entry price.
    Atr {
        /// Bars of the average.
        period: usize,
        /// How many of them.
        multiple: Rate,
    },
    /// At a fraction behind the best price since the entry.
    Trail(Rate),
    /// At `multiple` average true ranges of `period` bars, as they are at the entry, behind the best price since then.
    TrailAtr {
        /// Bars of the average.
        period: usize,
        /// How many of them.
        multiple: Rate,
    },
}

/// How positions are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protection {
    /// Where stops go.
    pub stop: StopRule,
    /// How long a position is held at most. Only beside a stop: time alone protects nothing.
    pub hold_max: Option<Nanos>,
}

stored_enum!(StopRule, "a rule of stops" {
    0 => None,
    1 => Fraction(fraction),
    2 => Atr { period, multiple },
    3 => Trail(fraction),
    4 => TrailAtr { period, multiple },
});
stored_struct!(Protection { stop, hold_max });

impl From<StopRule> for Protection {
    fn from(stop: StopRule) -> Self {
        Self { stop, hold_max: None }
    }
}

/// What [`Protection::parse`] reads, in words.
pub const FORMS: &str = "none, pct:X (0 < X < 100 percent of the entry), atr:N:K (K > 0 average true ranges of N bars), trail:X or trail-atr:N:K \
                         (the same behind the best price since the entry), each but none also with +hold:T (out after T, such as 4h or 2d)";

impl StopRule {
    /// Reads `none`, `pct:X` (percent), `atr:N:K`, `trail:X` or `trail-atr:N:K`.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("stop `{text}`: expected {FORMS}");
        let positive = |t: &str| Rate::parse(t).ok().filter(|r| *r > Rate::ZERO);
        let percent =
            |t: &str| positive(t).and_then(|r| r.divided_by(100)).filter(|r| *r < Rate::ONE && *r > Rate::ZERO);
        let ranges = |period: &str, multiple: &str| {
            let period = period.parse::<usize>().ok().filter(|p| (1..=quant::indicator::PERIOD_MAX).contains(p))?;
            Some((period, positive(multiple)?))
        };
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["none"] => Some(Self::None),
            ["pct", x] => percent(x).map(Self::Fraction),
            ["atr", n, k] => ranges(n, k).map(|(period, multiple)| Self::Atr { period, multiple }),
            ["trail", x] => percent(x).map(Self::Trail),
            ["trail-atr", n, k] => ranges(n, k).map(|(period, multiple)| Self::TrailAtr { period, multiple }),
            _ => None,
        }
        .ok_or_else(expected)
    }
}

impl Protection {
    /// Reads a [`StopRule`], alone or with `+hold:T` behind it.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("stop `{text}`: expected {FORMS}");
        let (stop, hold) = match text.split_once('+') {
            None => (text, None),
            Some((stop, hold)) => (stop, Some(hold)),
        };
        let hold_max = match hold {
            None => None,
            Some(hold) => {
                let seconds = hold.strip_prefix("hold:").and_then(parse_seconds).ok_or_else(expected)?;
                Some(Nanos::from_secs(u64::from(seconds)))
            }
        };
        let stop = StopRule::parse(stop).map_err(|_| expected())?;
        if stop == StopRule::None && hold_max.is_some() {
            return Err(expected());
        }
        Ok(Self { stop, hold_max })
    }
}

/// A stop rule with the state that it needs.
#[derive(Clone, Debug)]
pub struct StopPlanner {
    rule: Protection,
    atr: Option<Atr>,
    last: Option<f64>,
}

impl StopPlanner {
    /// For a rule.
    #[must_use]
    pub fn new(rule: impl Into<Protection>) -> Self {
        let rule = rule.into();
        let atr = match rule.stop {
            // The period was held to its range when the rule was read.
            StopRule::Atr { period, .. } | StopRule::TrailAtr { period, .. } => Atr::new(period).ok(),
            StopRule::None | StopRule::Fraction(_) | StopRule::Trail(_) => None,
        };
        Self { rule, atr, last: None }
    }

    /// Whether it needs the bars' ranges.
    #[must_use]
    pub const fn needs_range(&self) -> bool {
        self.atr.is_some()
    }

    /// Takes the next bar.
    #[inline]
    pub fn update(&mut self, bar: Bar) {
        if let Some(atr) = &mut self.atr {
            self.last = atr.update(bar);
        }
    }

    /// The stop of an entry made now; `None` without a rule or while the average true range is not known yet.
    #[must_use]
    pub fn plan(&self) -> Option<StopPlan> {
        let ranges = |multiple: Rate| Price::from_f64(self.last? * multiple.to_f64());
        let level = match self.rule.stop {
            StopRule::None => None,
            StopRule::Fraction(fraction) => Some(StopLevel::Fraction(fraction)),
            StopRule::Atr { multiple, .. } => ranges(multiple).map(StopLevel::Distance),
            StopRule::Trail(fraction) => Some(StopLevel::TrailFraction(fraction)),
            StopRule::TrailAtr { multiple, .. } => ranges(multiple).map(StopLevel::Trail),
        };
        level.map(|level| StopPlan::new(level, self.rule.hold_max))
    }

    /// The present average true range.
    #[must_use]
    pub const fn atr(&self) -> Option<f64> {
        self.last
    }

    /// Appends the state to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        if let Some(atr) = &self.atr {
            atr.save(out);
            out.extend_from_slice(&self.last.unwrap_or(f64::NAN).to_le_bytes());
        }
    }

    /// Loads a saved state.
    ///
    /// # Errors
    /// [`StateError`] if the bytes do not belong to it.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        if let Some(atr) = &mut self.atr {
            atr.load(from)?;
            let last = from.f64()?;
            self.last = (!last.is_nan()).then_some(last);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_with_their_bounds() {
        assert_eq!(StopRule::parse("none"), Ok(StopRule::None));
        assert_eq!(StopRule::parse("pct:2.5"), Ok(StopRule::Fraction(testkit::rate("0.025"))));
        assert_eq!(StopRule::parse("atr:14:3"), Ok(StopRule::Atr { period: 14, multiple: testkit::rate("3") }));
        assert_eq!(StopRule::parse("trail:5"), Ok(StopRule::Trail(testkit::rate("0.05"))));
        let ranges = StopRule::TrailAtr { period: 7, multiple: testkit::rate("1.5") };
        assert_eq!(StopRule::parse("trail-atr:7:1.5"), Ok(ranges));
        for bad in [
            "",
            "pct",
            "pct:0",
            "pct:100",
            "pct:-1",
            "pct:x",
            "atr:14",
            "atr:0:3",
            "atr:14:0",
            "atr:14:NaN",
            "atr:1:2:3",
            "trail",
            "trail:0",
            "trail:100",
            "trail-atr:0:1",
            "hold:4h",
        ] {
            assert!(StopRule::parse(bad).unwrap_err().contains("expected none"), "{bad}");
        }
    }

    #[test]
    fn a_longest_time_stands_beside_a_stop() {
        let hold_max = Some(Nanos::from_secs(4 * 3_600));
        let fraction = StopRule::Fraction(testkit::rate("0.02"));
        assert_eq!(Protection::parse("pct:2+hold:4h"), Ok(Protection { stop: fraction, hold_max }));
        assert_eq!(Protection::parse("pct:2"), Ok(fraction.into()));
        assert_eq!(Protection::parse("none"), Ok(StopRule::None.into()));
        for bad in
            ["none+hold:4h", "hold:4h", "pct:2+hold:0h", "pct:2+4h", "pct:2+hold:4h+hold:5h", "pct:2+", "+hold:4h"]
        {
            let error = Protection::parse(bad).unwrap_err();
            assert!(error.contains(bad) && error.contains("expected none"), "{bad}: {error}");
        }
        let plan = StopPlanner::new(Protection::parse("trail:5+hold:4h").unwrap()).plan().unwrap();
        assert_eq!((plan.level(), plan.hold_max()), (StopLevel::TrailFraction(testkit::rate("0.05")), hold_max));
    }

    #[test]
    fn a_range_stop_waits_for_its_average() {
        let mut planner = StopPlanner::new(StopRule::parse("atr:2:3").unwrap());
        let bar = |high: f64, low: f64| Bar { open: low, high, low, close: low, volume: 1.0 };
        for b in [bar(12.0, 10.0), bar(12.0, 10.0)] {
            planner.update(b);
            assert_eq!(planner.plan(), None);
        }
        planner.update(bar(12.0, 10.0));
        assert_eq!(planner.plan(), Some(StopPlan::Distance(testkit::price("6"))));
    }
}
