//! The gate word: one number that says which orders may leave, compared with an order's class as the last act before it is sent.
//!
//! In:  raises by anybody, also by other processes; a sender with an order that is about to leave.
//! Out: the order leaves, or is [`Stopped`]. A stopped order is the caller's to report.
//!
//! The word is a level (all, only what reduces, only cancels) with the cause of its last change. It is raised by anybody and lowered only by
//! who re-arms, against the word that he saw. It lies in memory of one process, or in a page of a file that other processes map: then it
//! can be raised while this process hangs or is stopped. What stands in the page beside it lets them find out whose it is and whether its
//! engine still answers. Causes, modes and times are plain numbers here; this module knows no trading.

#[cfg(test)]
mod models;
mod page;
mod protocol;

pub use page::{About, GateWord, PageError, RUN_BYTES_MAX};

use std::fmt;

/// Which orders may leave. Ordered by strictness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// All orders.
    #[default]
    All = 0,
    /// Orders that reduce, and cancels.
    Reducing = 1,
    /// Cancels only.
    Cancels = 2,
}

impl Level {
    /// The level of this number; `None` for a number that is none.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::All),
            1 => Some(Self::Reducing),
            2 => Some(Self::Cancels),
            _ => None,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Whether an order of this class may leave.
    #[inline]
    #[must_use]
    pub const fn lets(self, class: Class) -> bool {
        match class {
            Class::Entry => matches!(self, Self::All),
            Class::Reducing => !matches!(self, Self::Cancels),
            Class::Cancel => true,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

/// What an order does to risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It may open or enlarge a position.
    Entry,
    /// It only reduces one.
    Reducing,
    /// It takes an order back.
    Cancel,
}

/// All positions are to be closed.
pub const FLATTEN: u8 = 1;
/// Protective stops are to be taken back too.
pub const INCLUDING_STOPS: u8 = 2;

/// The word as it was read: level, cause and flags of the raises, and a generation that every change increases.
///
/// Two words are equal only if nothing happened between them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Word(u64);

/// Bits of the generation: 10^12 changes until it begins anew.
const GENERATION_MAX: u64 = (1 << 40) - 1;

impl Word {
    const fn new(level: Level, cause: u8, flags: u8, generation: u64) -> Self {
        Self((level as u64) | ((cause as u64) << 8) | ((flags as u64) << 16) | ((generation & GENERATION_MAX) << 24))
    }

    const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    const fn bits(self) -> u64 {
        self.0
    }

    const fn byte(self, at: u32) -> u8 {
        (self.0 >> (8 * at)).to_le_bytes()[0]
    }

    /// Which orders may leave. A number that is no level stands for the strictest.
    #[inline]
    #[must_use]
    pub const fn level(self) -> Level {
        match Level::from_number(self.byte(0)) {
            Some(level) => level,
            None => Level::Cancels,
        }
    }

    /// Number of the cause of the last raise.
    #[must_use]
    pub const fn cause(self) -> u8 {
        self.byte(1)
    }

    /// [`FLATTEN`] and [`INCLUDING_STOPS`], as all raises since the gate was last open said together.
    #[must_use]
    pub const fn flags(self) -> u8 {
        self.byte(2)
    }

    /// Whether all positions are to be closed.
    #[must_use]
    pub const fn flatten(self) -> bool {
        self.flags() & FLATTEN != 0
    }

    /// Whether protective stops are to be taken back too.
    #[must_use]
    pub const fn including_stops(self) -> bool {
        self.flags() & INCLUDING_STOPS != 0
    }

    /// How many changes there were, modulo 2^40.
    #[must_use]
    pub const fn generation(self) -> u64 {
        self.0 >> 24
    }

    fn raised(self, level: Level, cause: u8, flags: u8) -> Self {
        Self::new(self.level().max(level), cause, self.flags() | flags, self.generation() + 1)
    }

    const fn lowered(self, to: Level) -> Self {
        match to {
            Level::All => Self::new(to, 0, 0, self.generation() + 1),
            Level::Reducing | Level::Cancels => Self::new(to, self.cause(), self.flags(), self.generation() + 1),
        }
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (level, cause, flags, generation) = (self.level(), self.cause(), self.flags(), self.generation());
        write!(f, "Word {{ level: {level}, cause: {cause}, flags: {flags}, generation: {generation} }}")
    }
}

/// A raise: the word that it found and the word that it left. Nothing happened between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// Before.
    pub before: Word,
    /// After.
    pub after: Word,
}

/// A raise that waited for what was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The word before.
    pub before: Word,
    /// The word after.
    pub word: Word,
    /// Sendings of the stopped classes that had begun before and did not end in the time that was given. With 0 none of these classes leaves
    /// from now on until somebody lowers the word; else so many may still leave, because their sender hangs between check and wire.
    pub in_flight: u64,
}

/// An order did not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sent: the gate is at level {}, which stops {}", .word.level(), match .class {
    Class::Entry => "entries",
    Class::Reducing => "reductions",
    Class::Cancel => "cancels",
})]
pub struct Stopped {
    /// The class of the order.
    pub class: Class,
    /// The word that stopped it.
    pub word: Word,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn private() -> GateWord {
        GateWord::private(About::of_this_process(None))
    }

    #[test]
    fn each_level_lets_what_it_says() {
        let lets = |number| {
            let level = Level::from_number(number).unwrap();
            [Class::Entry, Class::Reducing, Class::Cancel].map(|class| level.lets(class))
        };
        assert_eq!(lets(0), [true, true, true]);
        assert_eq!(lets(1), [false, true, true]);
        assert_eq!(lets(2), [false, false, true]);
        assert_eq!(Level::from_number(3), None);
        assert_eq!(Word::from_bits(0xFF).level(), Level::Cancels, "what is no level is the strictest");
    }

    #[test]
    fn a_raise_never_lowers_and_merges_flags() {
        let gate = private();
        assert_eq!((gate.level(), gate.read().generation()), (Level::All, 0));
        let first = gate.raise(Level::Reducing, 7, 0);
        assert_eq!((first.before.level(), first.after.level()), (Level::All, Level::Reducing));
        let second = gate.raise(Level::Cancels, 8, INCLUDING_STOPS);
        assert_eq!((second.before, second.after.cause()), (first.after, 8));
        let third = gate.raise(Level::Reducing, 9, FLATTEN).after;
        assert_eq!((third.level(), third.cause(), third.flags()), (Level::Cancels, 9, FLATTEN | INCLUDING_STOPS));
        assert_eq!(third.generation(), 3);
        assert!(third.flatten() && third.including_stops());
    }

    #[test]
    fn lowering_works_against_the_word_that_was_seen_only() {
        let gate = private();
        let seen = gate.raise(Level::Cancels, 1, FLATTEN).after;
        assert_eq!(gate.lower(seen, Level::Cancels), Err(seen), "that is no lowering");
        let lower = gate.lower(seen, Level::Reducing).unwrap();
        assert_eq!((lower.level(), lower.cause(), lower.flags()), (Level::Reducing, 1, FLATTEN));
        assert_eq!(gate.lower(seen, Level::All), Err(lower), "it was seen before");
        let raised = gate.raise(Level::Reducing, 2, 0).after;
        assert_eq!(gate.lower(lower, Level::All), Err(raised), "a raise that changes no level counts too");
        let open = gate.lower(raised, Level::All).unwrap();
        assert_eq!((open.level(), open.cause(), open.flags(), open.generation()), (Level::All, 0, 0, 4));
    }

    #[test]
    fn the_generation_begins_anew_without_touching_the_rest() {
        let last = Word::new(Level::Reducing, 255, 255, GENERATION_MAX);
        let next = last.raised(Level::Reducing, 255, 0);
        assert_eq!((next.level(), next.cause(), next.flags(), next.generation()), (Level::Reducing, 255, 255, 0));
    }

    #[test]
    fn a_stopped_order_is_not_sent_and_says_by_what() {
        let gate = private();
        assert_eq!(gate.send(Class::Entry, || 5), Ok(5));
        let word = gate.raise(Level::Reducing, 1, 0).after;
        let stopped = gate.send(Class::Entry, || panic!("it must not be sent")).unwrap_err();
        assert_eq!(stopped, Stopped { class: Class::Entry, word });
        assert_eq!(stopped.to_string(), "not sent: the gate is at level 1, which stops entries");
        assert_eq!(gate.send(Class::Reducing, || 6), Ok(6));
        gate.raise(Level::Cancels, 1, 0);
        assert!(gate.send(Class::Reducing, || ()).is_err());
        assert_eq!(gate.send(Class::Cancel, || 7), Ok(7));
    }

    #[test]
    fn closing_waits_for_what_is_under_way_and_says_what_hangs() {
        let gate = private();
        std::thread::scope(|threads| {
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let (begun, at_it) = std::sync::mpsc::channel::<()>();
            let gate = &gate;
            threads.spawn(move || {
                gate.send(Class::Entry, || {
                    begun.send(()).unwrap();
                    wait.recv().unwrap();
                })
                .unwrap();
            });
            at_it.recv().unwrap();
            let hangs = gate.close(Level::Reducing, 1, 0, Duration::from_millis(20));
            assert_eq!((hangs.in_flight, hangs.before.level(), hangs.word.level()), (1, Level::All, Level::Reducing));
            go.send(()).unwrap();
            assert_eq!(gate.close(Level::Reducing, 1, 0, Duration::from_secs(20)).in_flight, 0);
        });
    }

    #[test]
    fn a_sender_that_unwinds_is_not_under_way_any_more() {
        let gate = private();
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = gate.send(Class::Reducing, || panic!("the connection broke"));
        }));
        assert!(unwound.is_err());
        assert_eq!(gate.close(Level::Cancels, 1, 0, Duration::ZERO).in_flight, 0);
    }

    #[test]
    fn closing_to_one_does_not_wait_for_reductions() {
        let gate = private();
        let inside = gate.send(Class::Reducing, || {
            let one = gate.close(Level::Reducing, 1, 0, Duration::from_secs(20)).in_flight;
            (one, gate.close(Level::Cancels, 1, 0, Duration::ZERO).in_flight)
        });
        assert_eq!(inside, Ok((0, 1)));
    }
}
