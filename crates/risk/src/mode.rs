//! The trading mode of an account's engine: how it becomes stricter, and the only ways back.
//!
//! In:  what asks for a stricter mode, and why; resumes; re-arms by key holders.
//! Out: the mode in force, and each change of it for the record.
//! Anything may make the mode stricter. A reduced or paused mode that no trip brought about ends with a resume; an emergency ends by a
//! re-arm alone, and never while a fault stands.

use domain::{Cause, Digest, Digestible, Mode, stored_struct};

/// A change of the mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Before.
    pub from: Mode,
    /// From now on.
    pub to: Mode,
    /// What brought it about.
    pub cause: Cause,
}

/// The mode in force, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeMachine {
    mode: Mode,
    cause: Cause,
    /// Whether something stands that no resume and no re-arm lifts: a fault.
    stuck: bool,
}

impl Default for ModeMachine {
    fn default() -> Self {
        Self { mode: Mode::Normal, cause: Cause::Cleared, stuck: false }
    }
}

impl ModeMachine {
    /// The mode in force.
    #[must_use]
    #[inline]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// What brought it about.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Makes the mode at least as strict as `to`. `None` if it is already.
    pub fn restrict(&mut self, to: Mode, cause: Cause) -> Option<Change> {
        self.stuck |= cause == Cause::Fault;
        (to > self.mode).then(|| self.change(to, cause))
    }

    /// A resume: back to normal from what was asked for from outside. An emergency stays, and so does what a fault, a loss or the market
    /// brought about: those end by a re-arm, or when they are over.
    pub fn resume(&mut self) -> Option<Change> {
        let asked_for = matches!(self.cause, Cause::Override | Cause::Journal | Cause::Record | Cause::Cleared);
        let ends = matches!(self.mode, Mode::Reduced | Mode::Paused) && asked_for && !self.stuck;
        ends.then(|| self.change(Mode::Normal, Cause::Cleared))
    }

    /// What had led to a reduced mode is over, and `cause` was it. An emergency stays.
    pub fn cleared(&mut self, cause: Cause) -> Option<Change> {
        let ends = self.mode == Mode::Reduced && self.cause == cause && !self.stuck;
        ends.then(|| self.change(Mode::Normal, Cause::Cleared))
    }

    /// A re-arm by a key holder. `None` if there is nothing to re-arm, or a fault stands.
    pub fn rearm(&mut self) -> Option<Change> {
        let ends = self.mode != Mode::Normal && !self.stuck;
        ends.then(|| self.change(Mode::Normal, Cause::Override))
    }

    fn change(&mut self, to: Mode, cause: Cause) -> Change {
        let change = Change { from: self.mode, to, cause };
        (self.mode, self.cause) = (to, cause);
        change
    }
}

stored_struct!(ModeMachine { mode, cause, stuck });

impl Digestible for ModeMachine {
    fn digest(&self, d: &mut Digest) {
        d.word(self.mode as u64 | (self.cause as u64) << 8 | u64::from(self.stuck) << 16);
    }
}

impl ModeMachine {
    /// Whether a fault stands.
    #[must_use]
    pub const fn is_stuck(&self) -> bool {
        self.stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_only_becomes_stricter_until_it_is_ended() {
        let mut m = ModeMachine::default();
        assert_eq!(m.restrict(Mode::Normal, Cause::Drawdown), None);
        let change = m.restrict(Mode::Reduced, Cause::DailyLoss).unwrap();
        assert_eq!((change.from, change.to, change.cause), (Mode::Normal, Mode::Reduced, Cause::DailyLoss));
        assert_eq!(m.restrict(Mode::Reduced, Cause::Override), None);
        assert_eq!((m.mode(), m.cause()), (Mode::Reduced, Cause::DailyLoss), "the first cause stands");
        assert!(m.restrict(Mode::Emergency, Cause::Kill).is_some());
        assert_eq!(m.restrict(Mode::Paused, Cause::Override), None);
        assert_eq!(m.mode(), Mode::Emergency);
    }

    #[test]
    fn every_mode_and_cause_ends_only_in_its_way() {
        for to in [Mode::Reduced, Mode::Paused, Mode::Emergency] {
            for cause in Cause::ALL {
                let made = || {
                    let mut m = ModeMachine::default();
                    m.restrict(to, cause);
                    m
                };
                let outside = matches!(cause, Cause::Override | Cause::Journal | Cause::Record | Cause::Cleared);
                assert_eq!(made().resume().is_some(), to != Mode::Emergency && outside, "{to:?} {cause:?}");
                let cleared = to == Mode::Reduced && cause != Cause::Fault;
                assert_eq!(made().cleared(cause).is_some(), cleared, "{to:?} {cause:?}");
                assert_eq!(made().rearm().is_some(), cause != Cause::Fault, "{to:?} {cause:?}");
            }
        }
        assert_eq!(ModeMachine::default().rearm(), None, "nothing to re-arm");
    }

    #[test]
    fn every_part_is_in_the_digest() {
        let digest = |to, cause, fault: bool| {
            let mut m = ModeMachine::default();
            m.restrict(to, cause);
            if fault {
                m.restrict(Mode::Normal, Cause::Fault);
            }
            let mut d = Digest::default();
            m.digest(&mut d);
            d.value()
        };
        let all = [
            digest(Mode::Normal, Cause::Kill, false),
            digest(Mode::Reduced, Cause::Kill, false),
            digest(Mode::Emergency, Cause::Kill, false),
            digest(Mode::Emergency, Cause::Signal, false),
            digest(Mode::Emergency, Cause::Signal, true),
        ];
        for (at, one) in all.iter().enumerate() {
            assert!(!all[..at].contains(one), "{at}");
        }
    }

    #[test]
    fn a_fault_keeps_whatever_mode_there_is() {
        let mut m = ModeMachine::default();
        m.restrict(Mode::Emergency, Cause::Kill);
        assert!(!m.is_stuck());
        assert_eq!(m.restrict(Mode::Reduced, Cause::Fault), None);
        assert!(m.is_stuck());
        assert_eq!(m.rearm(), None);
    }
}
