//! The repeated-execution throttle: a strategy that repeats itself too often is disabled until a key holder re-arms it.
//!
//! In:  every entry that the gate approves: one application of its strategy.
//! Out: which strategies are disabled. Their entries are refused; what they hold is reduced as ever.
//! Counted are entries in the same instrument and direction, and all entries of a strategy, each within a window. The count that reaches
//! its limit disables: what was approved stands, and nothing follows it (Commission Delegated Regulation (EU) 2017/589, article 15(3)).

use crate::limits::Limits;
use crate::window::WindowCount;
use domain::{Digest, Digestible, InstrumentIdx, Nanos, Side, StrategyIdx, UnixNanos, stored_struct};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Repeats {
    disabled: bool,
    all: WindowCount,
    /// By instrument and direction, in the order in which they were first used.
    same: Vec<Same>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Same {
    instrument: InstrumentIdx,
    buys: bool,
    count: WindowCount,
}

/// The throttle of all strategies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Throttle {
    strategies: Vec<Repeats>,
}

impl Throttle {
    /// Counts an approved entry. Returns the count that reached its limit, and the limit, if this entry disabled its strategy.
    pub(crate) fn record(
        &mut self,
        strategy: StrategyIdx,
        instrument: InstrumentIdx,
        side: Side,
        ts: UnixNanos,
        limits: &Limits,
    ) -> Option<(u32, u32)> {
        if self.strategies.len() <= strategy.index() {
            self.strategies.resize_with(strategy.index() + 1, Repeats::default);
        }
        let window = Nanos::from_secs(limits.repeat_window_s);
        let of = self.strategies.get_mut(strategy.index())?;
        of.all.add(ts, window, 1);
        let buys = side == Side::Buy;
        let at = of.same.iter().position(|s| s.instrument == instrument && s.buys == buys).unwrap_or_else(|| {
            of.same.push(Same { instrument, buys, count: WindowCount::default() });
            of.same.len() - 1
        });
        let same = of.same.get_mut(at)?;
        same.count.add(ts, window, 1);
        let counts = [
            (same.count.count(ts, window), limits.repeats_max),
            (of.all.count(ts, window), limits.strategy_orders_max),
        ];
        let reached = counts.into_iter().find(|(count, max)| count >= max);
        (reached.is_some() && !std::mem::replace(&mut of.disabled, reached.is_some())).then_some(reached).flatten()
    }

    /// Whether a strategy is disabled.
    #[must_use]
    pub fn is_disabled(&self, strategy: StrategyIdx) -> bool {
        self.strategies.get(strategy.index()).is_some_and(|of| of.disabled)
    }

    /// Entries of a strategy in an instrument and direction within the window.
    #[must_use]
    pub fn repeats(
        &self,
        strategy: StrategyIdx,
        instrument: InstrumentIdx,
        side: Side,
        ts: UnixNanos,
        limits: &Limits,
    ) -> u32 {
        let window = Nanos::from_secs(limits.repeat_window_s);
        let same = |s: &&Same| s.instrument == instrument && s.buys == (side == Side::Buy);
        let of = self.strategies.get(strategy.index());
        of.and_then(|of| of.same.iter().find(same)).map_or(0, |s| s.count.count(ts, window))
    }

    /// Enables a strategy again, and forgets what it had repeated. Whether it was disabled.
    pub(crate) fn rearm(&mut self, strategy: StrategyIdx) -> bool {
        let Some(of) = self.strategies.get_mut(strategy.index()).filter(|of| of.disabled) else { return false };
        of.disabled = false;
        of.all = WindowCount::default();
        of.same.iter_mut().for_each(|same| same.count = WindowCount::default());
        true
    }
}

stored_struct!(Same { instrument, buys, count });
stored_struct!(Repeats { disabled, all, same });
stored_struct!(Throttle { strategies });

impl Digestible for Throttle {
    fn digest(&self, d: &mut Digest) {
        for of in &self.strategies {
            d.word(u64::from(of.disabled));
            of.all.digest(d);
            for same in &of.same {
                d.word(u64::from(same.instrument.0) | u64::from(same.buys) << 16);
                same.count.digest(d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: StrategyIdx = StrategyIdx(0);
    const BTC: InstrumentIdx = InstrumentIdx(0);
    const ETH: InstrumentIdx = InstrumentIdx(1);

    fn at(s: u64) -> UnixNanos {
        UnixNanos(testkit::T0.0 + s * 1_000_000_000)
    }

    #[test]
    fn the_repeat_that_reaches_the_limit_disables_until_a_re_arm() {
        let limits = Limits { repeats_max: 3, ..Limits::default() };
        let mut throttle = Throttle::default();
        assert_eq!(throttle.record(FIRST, BTC, Side::Buy, at(0), &limits), None);
        assert_eq!(throttle.record(FIRST, BTC, Side::Sell, at(1), &limits), None);
        assert_eq!(throttle.record(FIRST, ETH, Side::Buy, at(1), &limits), None);
        assert_eq!(throttle.record(FIRST, BTC, Side::Buy, at(2), &limits), None);
        assert_eq!(throttle.repeats(FIRST, BTC, Side::Buy, at(2), &limits), 2);
        assert!(!throttle.is_disabled(FIRST));
        assert_eq!(throttle.record(FIRST, BTC, Side::Buy, at(3), &limits), Some((3, 3)));
        assert!(throttle.is_disabled(FIRST) && !throttle.is_disabled(StrategyIdx(1)));
        assert!(throttle.is_disabled(FIRST), "time alone lifts nothing");
        assert!(throttle.rearm(FIRST) && !throttle.rearm(FIRST) && !throttle.rearm(StrategyIdx(7)));
        assert!(!throttle.is_disabled(FIRST));
        assert_eq!(throttle.record(FIRST, BTC, Side::Buy, at(3), &limits), None, "and it begins anew");
    }

    #[test]
    fn repeats_far_enough_apart_are_none() {
        let limits = Limits { repeats_max: 2, repeat_window_s: 60, ..Limits::default() };
        let mut throttle = Throttle::default();
        for n in 0..20 {
            assert_eq!(throttle.record(FIRST, BTC, Side::Buy, at(n * 64), &limits), None, "{n}");
        }
        assert_eq!(throttle.record(FIRST, BTC, Side::Buy, at(19 * 64 + 59), &limits), Some((2, 2)));
    }

    #[test]
    fn orders_of_all_kinds_count_together() {
        let limits = Limits { strategy_orders_max: 4, ..Limits::default() };
        let mut throttle = Throttle::default();
        for (n, side) in [Side::Buy, Side::Sell, Side::Buy].into_iter().enumerate() {
            assert_eq!(throttle.record(FIRST, InstrumentIdx(n as u16), side, at(0), &limits), None);
        }
        assert_eq!(throttle.record(FIRST, InstrumentIdx(9), Side::Sell, at(5), &limits), Some((4, 4)));
    }
}
