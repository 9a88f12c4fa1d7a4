//! Drawdown: how far an account is below its highest equity.
//!
//! In:  equity in report currency, as often as it is known; transfers; re-arms.
//! Out: the drawdown and its step (alert, halt); the deepest of a sliding window of days; the falls of the past.
//!
//! ```text
//! drawdown = 1 - equity / peak        peak = highest equity since the start or the last re-arm
//! ```
//!
//! A transfer is neither profit nor loss: it changes the peak in the proportion in which it changes equity, so that the drawdown after it
//! is the one before it (the unit value of a fund does the same). Added instead, a deposit would hide a loss and a withdrawal make one.
//! A step that was reached stays through small recoveries; a halt stays until it is re-armed.

use super::config::GuardConfig;
use super::{fraction, reaches, share_of};
use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, Money, Quantity, Rate, UnixNanos, stored_enum, stored_struct};

/// Most days of the sliding window.
pub(super) const DAYS: usize = 64;
/// How many falls are remembered.
pub const EPISODES: usize = 32;
/// Falls that did not get this deep are not remembered.
const EPISODE_MIN: Rate = Rate::from_bps(100);
/// An alert is over when the drawdown is below this share of where it began, so that it is not raised at each tick.
const ALERT_OVER: Rate = Rate::from_bps(8_000);

/// How far a measure of loss has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Below its alert.
    #[default]
    Calm,
    /// At or above its alert.
    Alert,
    /// At or above its limit.
    Limit,
}

/// A fall from a peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Episode {
    /// Equity at the peak, with later transfers.
    pub peak: Money,
    /// The lowest equity after it, with later transfers.
    pub trough: Money,
    /// When the peak was.
    pub peak_ts: UnixNanos,
    /// When the lowest equity was.
    pub trough_ts: UnixNanos,
    /// When equity was back at the peak.
    pub recovered_ts: UnixNanos,
}

impl Episode {
    /// How deep it was: a positive fraction of the peak.
    #[must_use]
    pub fn depth(&self) -> f64 {
        fraction(self.peak.checked_sub(self.trough).unwrap_or(Money::ZERO), self.peak).unwrap_or(0.0)
    }
}

/// The drawdown of one account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drawdown {
    peak: Option<Money>,
    equity: Money,
    trough: Money,
    peak_ts: UnixNanos,
    trough_ts: UnixNanos,
    step: Step,
    /// Highest equity of each of the last days: day number plus one (0 is none), and the equity.
    days: Vec<(u64, Money)>,
    episodes: Vec<Episode>,
}

impl Drawdown {
    pub(super) fn new() -> Self {
        Self { days: vec![(0, Money::ZERO); DAYS], episodes: Vec::with_capacity(EPISODES), ..Self::default() }
    }

    /// Takes in the equity at `ts`. Answers the step when it became a higher one.
    pub(super) fn update(&mut self, ts: UnixNanos, equity: Money, config: &GuardConfig) -> Option<Step> {
        self.equity = equity;
        let slot = &mut self.days[ts.day() as usize % DAYS];
        *slot = if slot.0 == ts.day() + 1 { (slot.0, slot.1.max(equity)) } else { (ts.day() + 1, equity) };
        if self.peak.is_none_or(|peak| equity >= peak) {
            self.end_episode(ts);
            (self.peak, self.peak_ts) = (Some(equity), ts);
            (self.trough, self.trough_ts) = (equity, ts);
            if self.step == Step::Alert {
                self.step = Step::Calm;
            }
            return None;
        }
        if equity < self.trough {
            (self.trough, self.trough_ts) = (equity, ts);
        }
        let before = self.step;
        let at = |rate: Rate| self.loss_reaches(rate);
        self.step = match before {
            Step::Limit => Step::Limit,
            _ if at(config.drawdown_halt) => Step::Limit,
            _ if at(config.drawdown_alert) => Step::Alert,
            Step::Alert if at(share_of(config.drawdown_alert, ALERT_OVER)) => Step::Alert,
            _ => Step::Calm,
        };
        (self.step > before).then_some(self.step)
    }

    fn loss_reaches(&self, rate: Rate) -> bool {
        let Some(peak) = self.peak.filter(|peak| *peak > Money::ZERO) else { return false };
        // A difference that cannot be held is a loss beyond all bounds.
        peak.checked_sub(self.equity).is_none_or(|loss| reaches(loss, peak, rate))
    }

    fn end_episode(&mut self, ts: UnixNanos) {
        let Some(peak) = self.peak else { return };
        let fallen = peak.checked_sub(self.trough).is_some_and(|fall| reaches(fall, peak, EPISODE_MIN));
        if peak > Money::ZERO && fallen {
            if self.episodes.len() == EPISODES {
                self.episodes.remove(0);
            }
            let (peak_ts, trough_ts) = (self.peak_ts, self.trough_ts);
            self.episodes.push(Episode { peak, trough: self.trough, peak_ts, trough_ts, recovered_ts: ts });
        }
    }

    /// A transfer made equity `after` of `before`: what was measured before it is counted in the new money.
    pub(super) fn transferred(&mut self, before: Money, after: Money) {
        if before <= Money::ZERO || after <= Money::ZERO {
            // No proportion leads from or to nothing: what comes now is a new beginning.
            self.restart();
            return;
        }
        let scale = |amount: Money| scaled(amount, before, after);
        self.peak = self.peak.map(scale);
        self.trough = scale(self.trough);
        self.equity = after;
        self.days.iter_mut().for_each(|day| day.1 = scale(day.1));
        for episode in &mut self.episodes {
            (episode.peak, episode.trough) = (scale(episode.peak), scale(episode.trough));
        }
    }

    /// A key holder re-armed the account: the next equity is the new peak.
    pub(super) fn rearm(&mut self) {
        self.restart();
        self.step = Step::Calm;
    }

    fn restart(&mut self) {
        self.peak = None;
        self.days.fill((0, Money::ZERO));
    }

    /// The highest equity. `None` before the first.
    #[must_use]
    pub const fn peak(&self) -> Option<Money> {
        self.peak
    }

    /// When it was.
    #[must_use]
    pub const fn peak_ts(&self) -> UnixNanos {
        self.peak_ts
    }

    /// How far equity is below the peak: a fraction, 0 at the peak, more than 1 where equity is negative. `None` before the first equity
    /// and where no peak was above zero.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        let peak = self.peak?;
        fraction(peak.checked_sub(self.equity)?, peak)
    }

    /// How far equity is below its highest of the last `days` UTC days.
    #[must_use]
    pub fn window_fraction(&self, ts: UnixNanos, days: u32) -> Option<f64> {
        let newest = ts.day() + 1;
        let recent = self.days.iter().filter(|d| d.0 != 0 && d.0 <= newest && d.0 + u64::from(days) > newest);
        let peak = recent.map(|d| d.1).max()?;
        fraction(peak.checked_sub(self.equity)?, peak)
    }

    /// How far it has gone.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// The last falls of 1 % and more from which equity came back, oldest first.
    #[must_use]
    pub fn episodes(&self) -> &[Episode] {
        &self.episodes
    }
}

/// `amount * after / before`, down; the amount itself where that cannot be held.
pub(super) fn scaled(amount: Money, before: Money, after: Money) -> Money {
    amount.share(Quantity::from_raw(after.raw()), Quantity::from_raw(before.raw())).unwrap_or(amount)
}

stored_enum!(Step, "a step of a loss" { 0 => Calm, 1 => Alert, 2 => Limit });
stored_struct!(Episode { peak, trough, peak_ts, trough_ts, recovered_ts });

impl Stored for Drawdown {
    fn put(&self, out: &mut Vec<u8>) {
        self.peak.put(out);
        self.equity.put(out);
        self.trough.put(out);
        self.peak_ts.put(out);
        self.trough_ts.put(out);
        self.step.put(out);
        self.days.put(out);
        self.episodes.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut taken = Self {
            peak: Stored::take(from)?,
            equity: Stored::take(from)?,
            trough: Stored::take(from)?,
            peak_ts: Stored::take(from)?,
            trough_ts: Stored::take(from)?,
            step: Stored::take(from)?,
            days: Stored::take(from)?,
            episodes: Stored::take(from)?,
        };
        if taken.days.len() != DAYS || taken.episodes.len() > EPISODES {
            return Err(CodecError::Invalid { what: "a drawdown" });
        }
        // Room for all of them, so that nothing is allocated later.
        taken.episodes.reserve_exact(EPISODES - taken.episodes.len());
        Ok(taken)
    }
}

impl Digestible for Drawdown {
    fn digest(&self, d: &mut Digest) {
        d.wide(self.peak.map_or(i128::MIN, Money::raw));
        [self.equity, self.trough].into_iter().for_each(|m| d.wide(m.raw()));
        d.word(self.peak_ts.0);
        d.word(self.trough_ts.0);
        d.word(self.step as u64);
        for (day, high) in &self.days {
            d.word(*day);
            d.wide(high.raw());
        }
        for e in &self.episodes {
            d.wide(e.peak.raw());
            d.wide(e.trough.raw());
            [e.peak_ts, e.trough_ts, e.recovered_ts].into_iter().for_each(|ts| d.word(ts.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::codec::{from_bytes, to_bytes};
    use domain::time::NANOS_PER_HOUR;
    use proptest::prelude::*;

    fn at(hour: u64) -> UnixNanos {
        UnixNanos(testkit::T0.0 + hour * NANOS_PER_HOUR)
    }

    fn run(equities: &[&str]) -> (Drawdown, Vec<Option<Step>>) {
        let (mut drawdown, config) = (Drawdown::new(), GuardConfig::default());
        let steps =
            (0u64..).zip(equities).map(|(hour, e)| drawdown.update(at(hour), testkit::money(e), &config)).collect();
        (drawdown, steps)
    }

    #[test]
    fn alert_at_ten_and_halt_at_fifteen_percent_inclusive_and_once() {
        let (_, steps) =
            run(&["10000", "9000.000000000001", "9000", "8999", "8500.000000000001", "8500", "8000", "9900"]);
        assert_eq!(steps, [None, None, Some(Step::Alert), None, None, Some(Step::Limit), None, None]);
        let (drawdown, _) = run(&["10000", "8500", "10001"]);
        assert_eq!(drawdown.step(), Step::Limit, "a halt stays though equity came back");
    }

    #[test]
    fn an_alert_is_over_after_a_real_recovery_only() {
        let (_, steps) = run(&["10000", "9000", "9100", "9000", "9200.000000000001", "9000"]);
        assert_eq!(steps, [None, Some(Step::Alert), None, None, None, Some(Step::Alert)]);
    }

    #[test]
    fn equity_of_nothing_and_less_is_a_loss_of_all() {
        let (drawdown, steps) = run(&["10000", "-500"]);
        assert_eq!(steps, [None, Some(Step::Limit)]);
        testkit::assert_close(drawdown.fraction().unwrap(), 1.05, 0.0, 1e-15);
        let (drawdown, steps) = run(&["-5", "-10"]);
        assert_eq!(
            (steps, drawdown.fraction()),
            (vec![None, None], None),
            "without a peak above zero nothing is known"
        );
    }

    #[test]
    fn transfers_are_neither_profit_nor_loss() {
        let config = GuardConfig::default();
        for amount in ["5000", "-4000", "1000000", "-8999"] {
            let (mut drawdown, _) = run(&["10000", "9100"]);
            let after = testkit::money("9100").checked_add(testkit::money(amount)).unwrap();
            drawdown.transferred(testkit::money("9100"), after);
            assert_eq!(drawdown.update(at(3), after, &config), None, "{amount}");
            testkit::assert_close(drawdown.fraction().unwrap(), 0.09, 0.0, 1e-9);
            testkit::assert_close(drawdown.window_fraction(at(3), 30).unwrap(), 0.09, 0.0, 1e-9);
        }
        let (mut drawdown, _) = run(&["10000", "9100"]);
        drawdown.transferred(testkit::money("9100"), Money::ZERO);
        assert_eq!(drawdown.peak(), None, "all is gone: the next equity is a beginning");
    }

    #[test]
    fn a_window_of_days_forgets_old_peaks() {
        let (mut drawdown, config) = (Drawdown::new(), GuardConfig::default());
        drawdown.update(at(0), Money::from_units(10_000), &config);
        for day in 1..40 {
            drawdown.update(at(day * 24), Money::from_units(9_500), &config);
        }
        assert_eq!(drawdown.window_fraction(at(39 * 24), 30), Some(0.0));
        testkit::assert_close(drawdown.window_fraction(at(39 * 24), 40).unwrap(), 0.05, 0.0, 1e-15);
        testkit::assert_close(drawdown.fraction().unwrap(), 0.05, 0.0, 1e-15);
    }

    #[test]
    fn falls_are_remembered_with_their_recovery() {
        let (drawdown, _) = run(&["100", "95", "90", "97", "100", "99.5", "101", "80", "102"]);
        let depths: Vec<f64> = drawdown.episodes().iter().map(Episode::depth).collect();
        assert_eq!(depths.len(), 2, "the fall of half a percent is too small");
        testkit::assert_close(depths[0], 0.1, 0.0, 1e-15);
        let first = drawdown.episodes()[0];
        assert_eq!((first.peak_ts, first.trough_ts, first.recovered_ts), (at(0), at(2), at(4)));
        let many: Vec<String> =
            (0..200).map(|k| if k % 2 == 0 { (100 + k).to_string() } else { "50".into() }).collect();
        let (drawdown, _) = run(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(drawdown.episodes().len(), EPISODES);
    }

    #[test]
    fn a_rearm_begins_anew() {
        let (mut drawdown, _) = run(&["10000", "8000"]);
        drawdown.rearm();
        let config = GuardConfig::default();
        assert_eq!(drawdown.update(at(5), Money::from_units(8_000), &config), None);
        assert_eq!((drawdown.step(), drawdown.peak()), (Step::Calm, Some(Money::from_units(8_000))));
        assert_eq!(drawdown.update(at(6), Money::from_units(6_800), &config), Some(Step::Limit));
    }

    proptest! {
        #[test]
        fn worse_equity_is_never_a_milder_step(path in prop::collection::vec(1i64..20_000, 1..40), end in 1i64..20_000, worse in 0i64..5_000) {
            let config = GuardConfig::default();
            let mut drawdown = Drawdown::new();
            for (hour, equity) in (0u64..).zip(&path) {
                drawdown.update(at(hour), Money::from_units(*equity), &config);
            }
            let mut other = drawdown.clone();
            drawdown.update(at(50), Money::from_units(end), &config);
            other.update(at(50), Money::from_units(end - worse), &config);
            prop_assert!(other.step() >= drawdown.step());
        }

        #[test]
        fn saved_and_loaded_it_goes_on_alike(path in prop::collection::vec(1i64..20_000, 1..40), cut in 0usize..40) {
            let config = GuardConfig::default();
            let mut drawdown = Drawdown::new();
            let mut loaded = None;
            for (hour, equity) in path.iter().enumerate() {
                if hour == cut {
                    loaded = Some(from_bytes::<Drawdown>(&to_bytes(&drawdown)).unwrap());
                }
                let step = drawdown.update(at(hour as u64), Money::from_units(*equity), &config);
                if let Some(loaded) = &mut loaded {
                    prop_assert_eq!(loaded.update(at(hour as u64), Money::from_units(*equity), &config), step);
                }
            }
        }
    }
}
