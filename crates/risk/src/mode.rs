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
///
/// For each mode the causes that stand are kept: what one of them brought about ends only when none is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModeMachine {
    mode: Mode,
    cause: Cause,
    /// Causes that stand for a reduced mode, a bit each.
    reduced: u32,
    /// Causes that stand for a pause.
    paused: u32,
    /// Causes that stand for an emergency.
    emergency: u32,
    /// Whether something stands that no resume and no re-arm lifts: a fault.
    stuck: bool,
}

impl Default for ModeMachine {
    fn default() -> Self {
        Self { mode: Mode::Normal, cause: Cause::Cleared, reduced: 0, paused: 0, emergency: 0, stuck: false }
    }
}

const fn bit(cause: Cause) -> u32 {
    1 << cause as u32
}

/// What was asked for from outside, and ends by a resume.
const ASKED_FOR: u32 = bit(Cause::Override) | bit(Cause::Journal) | bit(Cause::Record) | bit(Cause::Cleared);

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

    /// Makes the mode at least as strict as `to`. `None` if it is already; the cause stands all the same.
    pub fn restrict(&mut self, to: Mode, cause: Cause) -> Option<Change> {
        self.stuck |= cause == Cause::Fault;
        match to {
            Mode::Normal => {}
            Mode::Reduced => self.reduced |= bit(cause),
            Mode::Paused => self.paused |= bit(cause),
            Mode::Emergency => self.emergency |= bit(cause),
        }
        (to > self.mode).then(|| self.change(to, cause))
    }

    /// A resume: takes back what was asked for from outside. An emergency stays, and so does what a fault, a loss or the market brought
    /// about: those end by a re-arm, or when they are over.
    pub fn resume(&mut self) -> Option<Change> {
        if self.mode == Mode::Emergency || self.stuck {
            return None;
        }
        self.reduced &= !ASKED_FOR;
        self.paused &= !ASKED_FOR;
        self.relax(Cause::Cleared)
    }

    /// What had led to a reduced mode is over, and `cause` was it. Whatever else stands keeps the mode.
    pub fn cleared(&mut self, cause: Cause) -> Option<Change> {
        if self.stuck {
            return None;
        }
        self.reduced &= !bit(cause);
        self.relax(Cause::Cleared)
    }

    /// A re-arm by a key holder. `None` if there is nothing to re-arm, or a fault stands. A journal that cannot be written keeps the mode
    /// reduced.
    pub fn rearm(&mut self) -> Option<Change> {
        if self.mode == Mode::Normal || self.stuck {
            return None;
        }
        let unwritten = (self.reduced | self.paused | self.emergency) & bit(Cause::Journal);
        (self.reduced, self.paused, self.emergency) = (unwritten, 0, 0);
        self.relax(Cause::Override)
    }

    /// The mode that the causes left ask for, if it is milder than the one in force.
    fn relax(&mut self, because: Cause) -> Option<Change> {
        let (to, left) = match (self.emergency, self.paused, self.reduced) {
            (0, 0, 0) => (Mode::Normal, 0),
            (0, 0, reduced) => (Mode::Reduced, reduced),
            (0, paused, _) => (Mode::Paused, paused),
            (emergency, _, _) => (Mode::Emergency, emergency),
        };
        if to >= self.mode {
            // The same mode for another cause, where the first is over.
            if left & bit(self.cause) == 0 && left != 0 {
                self.cause = lowest(left);
            }
            return None;
        }
        let change = self.change(to, because);
        if left != 0 {
            self.cause = lowest(left);
        }
        Some(change)
    }

    fn change(&mut self, to: Mode, cause: Cause) -> Change {
        let change = Change { from: self.mode, to, cause };
        (self.mode, self.cause) = (to, cause);
        change
    }
}

/// The first cause of a set that is not empty.
fn lowest(causes: u32) -> Cause {
    Cause::ALL.get(causes.trailing_zeros() as usize).copied().unwrap_or(Cause::Cleared)
}

stored_struct!(ModeMachine { mode, cause, reduced, paused, emergency, stuck });

impl Digestible for ModeMachine {
    fn digest(&self, d: &mut Digest) {
        d.word(
            self.mode as u64 | (self.cause as u64) << 8 | u64::from(self.stuck) << 16 | u64::from(self.reduced) << 32,
        );
        d.word(u64::from(self.paused) | u64::from(self.emergency) << 32);
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
                let unwritten = cause == Cause::Journal && to == Mode::Reduced;
                assert_eq!(made().cleared(cause).is_some(), cleared, "{to:?} {cause:?}");
                assert_eq!(made().rearm().is_some(), cause != Cause::Fault && !unwritten, "{to:?} {cause:?}");
            }
        }
        assert_eq!(ModeMachine::default().rearm(), None, "nothing to re-arm");
    }

    #[test]
    fn a_mode_ends_only_when_every_cause_of_it_is_over() {
        let mut m = ModeMachine::default();
        m.restrict(Mode::Reduced, Cause::BlackSwan);
        assert_eq!(m.restrict(Mode::Reduced, Cause::Override), None, "it is reduced already, and the wish stands");
        assert_eq!((m.cleared(Cause::BlackSwan), m.mode(), m.cause()), (None, Mode::Reduced, Cause::Override));
        assert_eq!(m.resume().map(|c| c.to), Some(Mode::Normal));
        m.restrict(Mode::Reduced, Cause::DailyLoss);
        m.restrict(Mode::Paused, Cause::Override);
        assert_eq!((m.resume().map(|c| c.to), m.cause()), (Some(Mode::Reduced), Cause::DailyLoss));
        m.restrict(Mode::Reduced, Cause::Journal);
        m.restrict(Mode::Emergency, Cause::Kill);
        assert_eq!((m.rearm().map(|c| c.to), m.cause()), (Some(Mode::Reduced), Cause::Journal), "nothing is recorded");
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
