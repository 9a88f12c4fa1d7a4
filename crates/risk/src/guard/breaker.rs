//! Loss breakers: one per strategy, which counts losing round trips in a row, and one per account, which adds up what was lost.
//!
//! In:  round trips that ended; fills that opened positions; time.
//! Out: whether new positions are allowed: all, one probe at a share of the size, or none until a time.
//!
//! ```text
//! closed --losses--> open --cool-down over--> half-open --probe won--> closed
//!                     ^------------------------probe lost----'         (cool-down twice as long, up to its longest)
//! ```
//!
//! A probe is a round trip that was entered after the cool-down. Trips that were open before end as they end: they count as losses of the
//! account, and decide about no breaker that is not closed. A trip that brought nothing decides nothing.

use super::config::GuardConfig;
use super::reaches_over;
use domain::{Digest, Digestible, Money, Nanos, Rate, UnixNanos, stored_enum, stored_struct};

/// Where a breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// New positions are allowed.
    #[default]
    Closed,
    /// No new position before that time.
    Open {
        /// When the cool-down is over.
        until: UnixNanos,
    },
    /// One probe is allowed.
    HalfOpen {
        /// Since when.
        since: UnixNanos,
        /// Whether a position was opened since: the probe.
        probing: bool,
    },
}

/// What a breaker allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Everything that limits allow.
    Full,
    /// One position of at most that share of the size that would be allowed.
    Probe {
        /// The share.
        size: Rate,
        /// Whether the probe is open already, so that nothing more may be opened.
        taken: bool,
    },
    /// Nothing.
    Refused {
        /// Before that time; then a probe.
        until: UnixNanos,
    },
}

impl Permit {
    /// The stricter of two.
    #[must_use]
    pub fn stricter(self, other: Self) -> Self {
        let rank = |permit: Self| match permit {
            Self::Full => (0, 0, UnixNanos(0)),
            Self::Probe { size, taken } => (if taken { 2 } else { 1 }, -size.raw(), UnixNanos(0)),
            Self::Refused { until } => (3, 0, until),
        };
        if rank(other) > rank(self) { other } else { self }
    }
}

/// What both kinds of breaker share: the state and how often in a row it opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Switch {
    state: State,
    opened: u32,
}

impl Switch {
    /// Time passes. Answers whether a cool-down ended.
    fn tick(&mut self, ts: UnixNanos) -> bool {
        match self.state {
            State::Open { until } if ts >= until => {
                self.state = State::HalfOpen { since: until, probing: false };
                true
            }
            _ => false,
        }
    }

    fn open(&mut self, ts: UnixNanos, config: &GuardConfig) {
        let longest = config.breaker_cool_down_max_s;
        let seconds = (0..self.opened.min(63))
            .fold(config.breaker_cool_down_s, |s, _| s.saturating_mul(2).min(longest))
            .min(longest);
        self.opened = self.opened.saturating_add(1);
        self.state = State::Open { until: ts.saturating_add(Nanos::from_secs(seconds)) };
    }

    /// A trip ended while half-open. Answers whether that changed the state.
    fn judge(&mut self, ts: UnixNanos, entered: UnixNanos, pnl: Money, config: &GuardConfig) -> bool {
        let State::HalfOpen { since, .. } = self.state else { return false };
        if entered < since {
            return false;
        }
        if pnl > Money::ZERO {
            *self = Self::default();
        } else if pnl < Money::ZERO {
            self.open(ts, config);
        } else {
            self.state = State::HalfOpen { since, probing: false };
            return false;
        }
        true
    }

    const fn opened_position(&mut self) {
        if let State::HalfOpen { probing, .. } = &mut self.state {
            *probing = true;
        }
    }

    fn permit(&self, ts: UnixNanos, config: &GuardConfig) -> Permit {
        match self.state {
            State::Closed => Permit::Full,
            State::Open { until } if ts < until => Permit::Refused { until },
            State::Open { .. } => Permit::Probe { size: config.breaker_probe, taken: false },
            State::HalfOpen { probing, .. } => Permit::Probe { size: config.breaker_probe, taken: probing },
        }
    }

    fn rearm(&mut self, ts: UnixNanos) -> bool {
        let is_open = matches!(self.state, State::Open { .. });
        if is_open {
            self.state = State::HalfOpen { since: ts, probing: false };
        }
        is_open
    }
}

/// The breaker of one strategy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StrategyBreaker {
    switch: Switch,
    losses: u32,
}

impl StrategyBreaker {
    /// A round trip of the strategy ended. Answers whether the state changed.
    pub(super) fn on_trip(&mut self, ts: UnixNanos, entered: UnixNanos, pnl: Money, config: &GuardConfig) -> bool {
        self.switch.tick(ts);
        if self.switch.state != State::Closed {
            let changed = self.switch.judge(ts, entered, pnl, config);
            if self.switch.state == State::Closed {
                self.losses = 0;
            }
            return changed;
        }
        self.losses = if pnl < Money::ZERO { self.losses.saturating_add(1) } else { 0 };
        let trips = self.losses >= config.breaker_losses;
        if trips {
            self.switch.open(ts, config);
        }
        trips
    }

    pub(super) fn tick(&mut self, ts: UnixNanos) -> bool {
        self.switch.tick(ts)
    }

    pub(super) const fn opened_position(&mut self) {
        self.switch.opened_position();
    }

    pub(super) fn permit(&self, ts: UnixNanos, config: &GuardConfig) -> Permit {
        self.switch.permit(ts, config)
    }

    /// A key holder ends the cool-down: a probe is allowed.
    pub(super) fn rearm(&mut self, ts: UnixNanos) -> bool {
        self.switch.rearm(ts)
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.switch.state
    }

    /// Losing round trips in a row.
    #[must_use]
    pub const fn losses(&self) -> u32 {
        self.losses
    }
}

/// The breaker of an account: how far the sum of what its round trips brought is below its highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountBreaker {
    switch: Switch,
    sum: Money,
    high: Money,
}

impl AccountBreaker {
    /// A round trip brought `pnl` in report currency; `before` is the equity that there was before the losses that are added up. Answers
    /// whether the state changed.
    pub(super) fn on_trip(
        &mut self,
        ts: UnixNanos,
        entered: UnixNanos,
        pnl: Money,
        before: Money,
        config: &GuardConfig,
    ) -> bool {
        self.switch.tick(ts);
        // Sums that pass what money can hold stay at the end of the range, where the loss is beyond all bounds.
        let end = if pnl < Money::ZERO { Money::from_raw(i128::MIN / 2) } else { Money::from_raw(i128::MAX / 2) };
        self.sum = self.sum.checked_add(pnl).unwrap_or(end);
        self.high = self.high.max(self.sum);
        if self.switch.state != State::Closed {
            let changed = self.switch.judge(ts, entered, pnl, config);
            if self.switch.state == State::Closed {
                (self.sum, self.high) = (Money::ZERO, Money::ZERO);
            }
            return changed;
        }
        let loss = self.loss();
        let trips = loss > Money::ZERO && reaches_over(loss, before, config.breaker_loss_max);
        if trips {
            self.switch.open(ts, config);
        }
        trips
    }

    pub(super) fn tick(&mut self, ts: UnixNanos) -> bool {
        self.switch.tick(ts)
    }

    pub(super) const fn opened_position(&mut self) {
        self.switch.opened_position();
    }

    pub(super) fn permit(&self, ts: UnixNanos, config: &GuardConfig) -> Permit {
        self.switch.permit(ts, config)
    }

    /// A key holder ends the cool-down: a probe is allowed.
    pub(super) fn rearm(&mut self, ts: UnixNanos) -> bool {
        self.switch.rearm(ts)
    }

    /// What the round trips lost since they had brought most, in report currency: zero or positive.
    #[must_use]
    pub fn loss(&self) -> Money {
        self.high.checked_sub(self.sum).unwrap_or(Money::from_raw(i128::MAX / 2))
    }

    /// Where it stands.
    #[must_use]
    pub const fn state(&self) -> State {
        self.switch.state
    }
}

stored_enum!(State, "the state of a loss breaker" { 0 => Closed, 1 => Open { until }, 2 => HalfOpen { since, probing } });
stored_struct!(Switch { state, opened });
stored_struct!(StrategyBreaker { switch, losses });
stored_struct!(AccountBreaker { switch, sum, high });

impl Switch {
    fn digest(&self, d: &mut Digest) {
        let (number, ts, probing) = match self.state {
            State::Closed => (0, 0, false),
            State::Open { until } => (1, until.0, false),
            State::HalfOpen { since, probing } => (2, since.0, probing),
        };
        d.word(number | u64::from(probing) << 8 | u64::from(self.opened) << 16);
        d.word(ts);
    }
}

impl Digestible for StrategyBreaker {
    fn digest(&self, d: &mut Digest) {
        self.switch.digest(d);
        d.word(u64::from(self.losses));
    }
}

impl Digestible for AccountBreaker {
    fn digest(&self, d: &mut Digest) {
        self.switch.digest(d);
        d.wide(self.sum.raw());
        d.wide(self.high.raw());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u64) -> UnixNanos {
        UnixNanos(testkit::T0.0 + minute * domain::time::NANOS_PER_MINUTE)
    }

    const WON: Money = Money::from_units(1);
    const LOST: Money = Money::from_units(-1);

    #[test]
    fn three_losses_in_a_row_open_it_and_a_win_between_does_not() {
        let config = GuardConfig::default();
        let mut breaker = StrategyBreaker::default();
        for (minute, pnl, opens) in
            [(1, LOST, false), (2, LOST, false), (3, WON, false), (4, LOST, false), (5, LOST, false), (6, LOST, true)]
        {
            assert_eq!(breaker.on_trip(at(minute), at(minute - 1), pnl, &config), opens, "{minute}");
        }
        assert_eq!(breaker.permit(at(7), &config), Permit::Refused { until: at(66) });
        assert_eq!(breaker.permit(at(66), &config), Permit::Probe { size: config.breaker_probe, taken: false });
    }

    fn opened(config: &GuardConfig) -> StrategyBreaker {
        let mut breaker = StrategyBreaker::default();
        (1..=3).for_each(|minute| {
            breaker.on_trip(at(minute), at(0), LOST, config);
        });
        breaker
    }

    #[test]
    fn a_winning_probe_closes_it() {
        let config = GuardConfig::default();
        let mut breaker = opened(&config);
        breaker.tick(at(63));
        breaker.opened_position();
        assert_eq!(breaker.permit(at(70), &config), Permit::Probe { size: config.breaker_probe, taken: true });
        assert!(breaker.on_trip(at(80), at(70), WON, &config));
        assert_eq!((breaker.permit(at(80), &config), breaker.losses()), (Permit::Full, 0));
    }

    #[test]
    fn a_losing_probe_opens_it_for_twice_as_long_up_to_a_day() {
        let config = GuardConfig::default();
        let mut breaker = opened(&config);
        let mut waits = Vec::new();
        let mut now = 63;
        for _ in 0..7 {
            assert!(breaker.on_trip(at(now + 1), at(now), LOST, &config));
            let State::Open { until } = breaker.state() else { panic!("{:?}", breaker.state()) };
            waits.push(until.since(at(now + 1)).0 / domain::time::NANOS_PER_HOUR);
            now = until.since(testkit::T0).0 / domain::time::NANOS_PER_MINUTE;
        }
        assert_eq!(waits, [2, 4, 8, 16, 24, 24, 24]);
        assert!(breaker.on_trip(at(now + 1), at(now), WON, &config));
        assert!(!breaker.on_trip(at(now + 2), at(now), LOST, &config), "counted from none again");
    }

    #[test]
    fn what_was_open_before_the_cool_down_ended_is_no_probe() {
        let config = GuardConfig::default();
        for pnl in [WON, LOST] {
            let mut breaker = opened(&config);
            assert!(!breaker.on_trip(at(10), at(0), pnl, &config), "while open");
            assert!(!breaker.on_trip(at(70), at(5), pnl, &config), "while half-open");
            assert!(matches!(breaker.state(), State::HalfOpen { probing: false, .. }));
        }
        let mut breaker = opened(&config);
        breaker.tick(at(64));
        breaker.opened_position();
        assert!(!breaker.on_trip(at(70), at(65), Money::ZERO, &config));
        assert!(
            matches!(breaker.state(), State::HalfOpen { probing: false, .. }),
            "nothing won or lost: another probe"
        );
    }

    #[test]
    fn an_account_opens_above_five_percent_only() {
        let config = GuardConfig::default();
        let trip = |breaker: &mut AccountBreaker, pnl: &str, before: &str| {
            breaker.on_trip(at(1), at(0), testkit::money(pnl), testkit::money(before), &config)
        };
        let mut breaker = AccountBreaker::default();
        assert!(!trip(&mut breaker, "-500", "10000"), "five percent are not more than five");
        assert!(trip(&mut breaker, "-0.01", "10000"));
        let mut breaker = AccountBreaker::default();
        assert!(!trip(&mut breaker, "1000", "10000"));
        assert!(!trip(&mut breaker, "-300", "11000"));
        assert!(trip(&mut breaker, "-300", "11000"), "measured from the highest sum");
        assert_eq!(breaker.loss(), Money::from_units(600));
        for nothing in ["0", "-100"] {
            assert!(trip(&mut AccountBreaker::default(), "-1", nothing), "nothing was there, and it was lost");
        }
    }

    #[test]
    fn a_rearm_ends_the_cool_down_with_a_probe() {
        let config = GuardConfig::default();
        let mut breaker = opened(&config);
        assert!(breaker.rearm(at(10)));
        assert_eq!(breaker.permit(at(10), &config), Permit::Probe { size: config.breaker_probe, taken: false });
        assert!(!breaker.rearm(at(11)), "nothing to re-arm");
    }

    #[test]
    fn the_stricter_permit_wins() {
        let probe = |taken| Permit::Probe { size: Rate::from_bps(2_500), taken };
        let refused = |minute| Permit::Refused { until: at(minute) };
        let order = [Permit::Full, probe(false), probe(true), refused(1), refused(2)];
        for (i, a) in order.iter().enumerate() {
            for (j, b) in order.iter().enumerate() {
                assert_eq!(a.stricter(*b), order[i.max(j)]);
            }
        }
    }
}
