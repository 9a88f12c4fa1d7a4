//! Profit and loss of the UTC day and of the last hour.
//!
//! In:  equity in report currency (so realised and unrealised together, fees and funding included); transfers; the turn of the day.
//! Out: the loss of the day and of the hour, and whether a limit was reached; a reached one stays until the next day.
//!
//! ```text
//! loss of the day  = 1 - equity / equity at 00:00 UTC (or at the first known equity after it)
//! loss of the hour = 1 - equity / equity 60 minutes ago (or at 00:00 UTC where that is later)
//! ```
//!
//! The hour does not reach back over midnight: yesterday's loss has had its day. Transfers change what was before in proportion, as in
//! [`drawdown`](super::drawdown).

use super::config::GuardConfig;
use super::drawdown::{Step, scaled};
use super::ring::Ring;
use super::{fraction, reaches, share_of};
use domain::time::{NANOS_PER_DAY, NANOS_PER_MINUTE};
use domain::{Digest, Digestible, Money, Rate, UnixNanos, stored_struct};

/// Alerts are raised at this share of a limit.
const ALERT_AT: Rate = Rate::from_bps(8_000);
/// Length of the shorter window, in minutes.
const HOUR: u64 = 60;

/// Profit and loss of an account's day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// Number of the day.
    day: u64,
    /// Equity at its beginning, in proportion to transfers since.
    base: Option<Money>,
    /// Equity at its beginning plus the sum of the transfers since.
    start: Option<Money>,
    equity: Money,
    hour_base: Option<Money>,
    step: Step,
}

/// A step that was reached, with its numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reached {
    pub step: Step,
    pub loss: f64,
    pub limit: Rate,
}

impl Day {
    /// Takes in the equity at `ts`, which `hour` holds already. Answers the step when it became a higher one.
    pub(super) fn update(
        &mut self,
        ts: UnixNanos,
        equity: Money,
        hour: &Ring,
        config: &GuardConfig,
    ) -> Option<Reached> {
        if ts.day() > self.day {
            self.turn(ts, Some(equity));
        }
        self.equity = equity;
        (self.base, self.start) = (self.base.or(Some(equity)), self.start.or(Some(equity)));
        let minutes = (ts.0 % NANOS_PER_DAY / NANOS_PER_MINUTE).min(HOUR);
        self.hour_base = hour.earliest(ts, minutes).map(Money::from_raw);
        let windows = [(self.base, config.daily_loss_max), (self.hour_base, config.hourly_loss_max)];
        let mut worst = Reached { step: Step::Calm, loss: 0.0, limit: config.daily_loss_max };
        for (base, limit) in windows {
            let Some(base) = base.filter(|base| *base > Money::ZERO) else { continue };
            let Some(loss) = base.checked_sub(equity) else { continue };
            let step = match () {
                () if reaches(loss, base, limit) => Step::Limit,
                () if reaches(loss, base, share_of(limit, ALERT_AT)) => Step::Alert,
                () => Step::Calm,
            };
            if step > worst.step {
                worst = Reached { step, loss: fraction(loss, base).unwrap_or(0.0), limit };
            }
        }
        if worst.step > self.step {
            self.step = worst.step;
            return Some(worst);
        }
        None
    }

    /// A new day begins with that equity, if it is known. Nothing changes on a day that has begun, or is over.
    pub(super) fn turn(&mut self, ts: UnixNanos, equity: Option<Money>) {
        if ts.day() <= self.day {
            return;
        }
        *self = Self {
            day: ts.day(),
            base: equity,
            start: equity,
            equity: equity.unwrap_or(self.equity),
            ..Self::default()
        };
    }

    /// A transfer made equity `after` of `before`.
    pub(super) fn transferred(&mut self, before: Money, after: Money) {
        let amount = after.checked_sub(before);
        self.start = self.start.and_then(|start| start.checked_add(amount?));
        self.base = match self.base {
            Some(base) if before > Money::ZERO && after > Money::ZERO => Some(scaled(base, before, after)),
            // No proportion leads from or to nothing: what comes now is a new beginning.
            _ => None,
        };
        self.equity = after;
    }

    /// Profit (positive) or loss since the day began, in report currency, transfers excluded. `None` before the first equity of the day.
    #[must_use]
    pub fn profit(&self) -> Option<Money> {
        self.equity.checked_sub(self.start?)
    }

    /// The loss of the day as a fraction of equity at its beginning; negative for a profit.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        let base = self.base?;
        fraction(base.checked_sub(self.equity)?, base)
    }

    /// The loss of the last hour of this day as a fraction of equity at its beginning; negative for a profit.
    #[must_use]
    pub fn hour_loss(&self) -> Option<f64> {
        let base = self.hour_base?;
        fraction(base.checked_sub(self.equity)?, base)
    }

    /// How far it has gone today: it never goes back before the next day.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }
}

stored_struct!(Day { day, base, start, equity, hour_base, step });

impl Digestible for Day {
    fn digest(&self, d: &mut Digest) {
        d.word(self.day);
        d.word(self.step as u64);
        for m in [self.base, self.start, Some(self.equity), self.hour_base] {
            d.wide(m.map_or(i128::MIN, Money::raw));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A day and its hour, fed together.
    #[derive(Default)]
    struct Fed {
        day: Day,
        hour: Ring,
    }

    impl Fed {
        fn at(&mut self, minute: u64, equity: &str) -> Option<Step> {
            let (ts, equity) = (UnixNanos(testkit::T0.0 + minute * NANOS_PER_MINUTE), testkit::money(equity));
            self.hour.push(ts, equity.raw());
            self.day.update(ts, equity, &self.hour, &GuardConfig::default()).map(|reached| reached.step)
        }
    }

    #[test]
    fn a_day_that_lost_five_percent_is_over() {
        let mut fed = Fed::default();
        assert_eq!(fed.at(0, "10000"), None);
        assert_eq!(fed.at(100, "9800"), None);
        assert_eq!(fed.at(200, "9600"), Some(Step::Alert), "four fifths of five percent");
        assert_eq!(fed.at(300, "9500.000000000001"), None);
        assert_eq!(fed.at(400, "9500"), Some(Step::Limit));
        assert_eq!(fed.at(500, "10500"), None);
        assert_eq!(fed.day.step(), Step::Limit, "until the next day, whatever comes");
        assert_eq!(fed.day.profit(), Some(Money::from_units(500)));
        assert_eq!(fed.at(1440, "10500"), None);
        assert_eq!((fed.day.step(), fed.day.profit()), (Step::Calm, Some(Money::ZERO)));
    }

    #[test]
    fn three_percent_within_an_hour_are_enough() {
        let mut fed = Fed::default();
        fed.at(0, "10000");
        fed.at(600, "10000");
        assert_eq!(fed.at(659, "9700"), Some(Step::Limit));
        let mut slow = Fed::default();
        slow.at(0, "10000");
        slow.at(600, "10000");
        slow.at(640, "9850");
        assert_eq!(slow.at(661, "9700"), None, "one and a half in each of two hours");
        testkit::assert_close(slow.day.hour_loss().unwrap(), 150.0 / 9850.0, 0.0, 1e-12);
    }

    #[test]
    fn the_hour_does_not_reach_over_midnight() {
        let mut fed = Fed::default();
        fed.at(1400, "10000");
        assert_eq!(fed.at(1439, "9600"), Some(Step::Limit));
        assert_eq!(fed.at(1445, "9600"), None);
        assert_eq!(fed.at(1450, "9500"), None, "1 % since midnight");
    }

    #[test]
    fn transfers_do_not_count() {
        for amount in ["3000", "-3000"] {
            let mut fed = Fed::default();
            fed.at(0, "10000");
            fed.at(10, "9800");
            let (before, after) =
                (testkit::money("9800"), testkit::money("9800").checked_add(testkit::money(amount)).unwrap());
            fed.day.transferred(before, after);
            fed.hour.rescale(|raw| scaled(Money::from_raw(raw), before, after).raw());
            assert_eq!(fed.at(11, &after.to_string()), None);
            testkit::assert_close(fed.day.loss().unwrap(), 0.02, 0.0, 1e-9);
            testkit::assert_close(fed.day.hour_loss().unwrap(), 0.02, 0.0, 1e-9);
            assert_eq!(fed.day.profit(), Some(Money::from_units(-200)), "{amount}");
        }
    }

    proptest! {
        #[test]
        fn worse_equity_is_never_a_milder_step(path in prop::collection::vec((0u64..30, 1i64..20_000), 1..40), end in 1i64..20_000, worse in 0i64..5_000) {
            let (mut fed, mut minute) = (Fed::default(), 0);
            for (wait, equity) in path {
                minute += wait;
                fed.at(minute, &equity.to_string());
            }
            let mut other = Fed { day: fed.day.clone(), hour: fed.hour.clone() };
            // A minute later, so that both measure against the same past.
            fed.at(minute + 1, &end.to_string());
            other.at(minute + 1, &(end - worse).to_string());
            prop_assert!(other.day.step() >= fed.day.step());
        }
    }
}
