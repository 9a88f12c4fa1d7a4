//! Where protective stops go: the rule of a strategy, and its measure of volatility.

use domain::{Price, Rate, StopPlan, stored_enum};
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
}

stored_enum!(StopRule, "a rule of stops" { 0 => None, 1 => Fraction(fraction), 2 => Atr { period, multiple } });

impl StopRule {
    /// Reads `none`, `pct:X` (percent) or `atr:N:K`.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || {
            format!("stop `{text}`: expected none, pct:X (0 < X < 100 percent) or atr:N:K (N bars from 1, K above 0)")
        };
        let positive = |t: &str| Rate::parse(t).ok().filter(|r| *r > Rate::ZERO);
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["none"] => Ok(Self::None),
            ["pct", percent] => {
                let rate =
                    positive(percent).and_then(|r| r.divided_by(100)).filter(|r| *r < Rate::ONE && *r > Rate::ZERO);
                rate.map(Self::Fraction).ok_or_else(expected)
            }
            ["atr", period, multiple] => {
                let period = period.parse::<usize>().ok().filter(|p| (1..=quant::indicator::PERIOD_MAX).contains(p));
                match (period, positive(multiple)) {
                    (Some(period), Some(multiple)) => Ok(Self::Atr { period, multiple }),
                    _ => Err(expected()),
                }
            }
            _ => Err(expected()),
        }
    }
}

/// A stop rule with the state that it needs.
#[derive(Clone, Debug)]
pub struct StopPlanner {
    rule: StopRule,
    atr: Option<Atr>,
    last: Option<f64>,
}

impl StopPlanner {
    /// For a rule.
    #[must_use]
    pub fn new(rule: StopRule) -> Self {
        let atr = match rule {
            // The period was held to its range when the rule was read.
            StopRule::Atr { period, .. } => Atr::new(period).ok(),
            StopRule::None | StopRule::Fraction(_) => None,
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
        match self.rule {
            StopRule::None => None,
            StopRule::Fraction(fraction) => Some(StopPlan::Fraction(fraction)),
            StopRule::Atr { multiple, .. } => {
                let distance = Price::from_f64(self.last? * multiple.to_f64())?;
                Some(StopPlan::Distance(distance))
            }
        }
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
        ] {
            assert!(StopRule::parse(bad).unwrap_err().contains("expected none"), "{bad}");
        }
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
