//! The numbers that senders and those who stop them share, and the order in which they are touched.
//!
//! A sender **announces** itself (adds one to the count of its class), reads the word, sends, and takes the one away again. Who stops
//! **raises** the word, then reads the counts by a read-modify-write. All of them are read-modify-writes of one count, so they have one
//! order: an announcement that came before the reading is counted by it; one that came after has taken over what the reading published,
//! the raised word included. So no sender passes under the old word unseen. That needs acquire and release only, no total order over
//! different numbers, and costs the sender one locked addition each way.
//!
//! The code is written over [`Atomic`], so that the models (`models`) run these very lines on every order of events that the memory model
//! of the language allows.

use super::{Class, Closed, Level, Raised, Stopped, Word};
use std::sync::atomic::{AtomicU64, Ordering};

/// What is needed of an atomic number.
pub(super) trait Atomic {
    fn load(&self, order: Ordering) -> u64;
    fn add(&self, value: u64, order: Ordering) -> u64;
    fn sub(&self, value: u64, order: Ordering) -> u64;
    /// With acquire and release where it succeeds, acquire where not.
    fn exchange(&self, current: u64, new: u64) -> Result<u64, u64>;
}

impl Atomic for AtomicU64 {
    #[inline]
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }
    #[inline]
    fn add(&self, value: u64, order: Ordering) -> u64 {
        self.fetch_add(value, order)
    }
    #[inline]
    fn sub(&self, value: u64, order: Ordering) -> u64 {
        self.fetch_sub(value, order)
    }
    #[inline]
    fn exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

/// A number with a cache line of its own: who beats or counts does not disturb who reads the word.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Line<A>(pub(super) A);

/// The shared numbers, as they lie in the page.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Shared<A> {
    /// The [`Word`].
    word: Line<A>,
    /// Entries between announcement and end of sending.
    entries: Line<A>,
    /// Reductions between announcement and end of sending.
    reductions: Line<A>,
    /// How often the engine's heart has beaten.
    pub(super) beats: Line<A>,
    /// The mode as the engine last said, plus one; 0 where it has said none.
    pub(super) mode: Line<A>,
    /// Generation of the word that the engine has taken up.
    pub(super) answered: Line<A>,
}

/// Says on leaving its scope, by return or by unwinding, that the sending is over.
struct Announced<'a, A: Atomic>(&'a A);

impl<A: Atomic> Drop for Announced<'_, A> {
    #[inline]
    fn drop(&mut self) {
        // Release: who reads that nothing is in flight also sees what was sent.
        self.0.sub(1, Ordering::Release);
    }
}

impl<A: Atomic> Shared<A> {
    #[inline]
    pub(super) fn read(&self) -> Word {
        Word::from_bits(self.word.0.load(Ordering::Acquire))
    }

    #[inline]
    pub(super) fn send<R>(&self, class: Class, f: impl FnOnce() -> R) -> Result<R, Stopped> {
        let count = match class {
            Class::Cancel => return Ok(f()),
            Class::Entry => &self.entries.0,
            Class::Reducing => &self.reductions.0,
        };
        // A closed gate is seen without announcing anything: many senders that are all refused do not keep the count above zero.
        let word = self.read();
        if !word.level().lets(class) {
            return Err(Stopped { class, word });
        }
        count.add(1, Ordering::AcqRel);
        let announced = Announced(count);
        let word = self.read();
        if !word.level().lets(class) {
            return Err(Stopped { class, word });
        }
        let sent = f();
        drop(announced);
        Ok(sent)
    }

    /// Lock-free, without memory: a signal handler may call it.
    pub(super) fn raise(&self, level: Level, cause: u8, flags: u8) -> Raised {
        self.change(|before| before.raised(level, cause, flags))
    }

    pub(super) fn lower(&self, seen: Word, to: Level) -> Result<Word, Word> {
        if to >= seen.level() {
            return Err(self.read());
        }
        let after = seen.lowered(to);
        self.word.0.exchange(seen.bits(), after.bits()).map(|_| after).map_err(Word::from_bits)
    }

    fn change(&self, new: impl Fn(Word) -> Word) -> Raised {
        let mut before = self.read();
        loop {
            let after = new(before);
            match self.word.0.exchange(before.bits(), after.bits()) {
                Ok(_) => return Raised { before, after },
                // Somebody else changed it: his change counts, ours goes on top.
                Err(bits) => before = Word::from_bits(bits),
            }
        }
    }

    /// How many sendings of classes that this level stops are under way. By read-modify-write: see the head of this file.
    pub(super) fn in_flight(&self, level: Level) -> u64 {
        let mut count = 0;
        for (class, line) in [(Class::Entry, &self.entries), (Class::Reducing, &self.reductions)] {
            if !level.lets(class) {
                count += line.0.add(0, Ordering::AcqRel);
            }
        }
        count
    }

    /// Raises, then waits for what is under way as long as `wait` says to.
    pub(super) fn close(&self, level: Level, cause: u8, flags: u8, mut wait: impl FnMut() -> bool) -> Closed {
        let raised = self.raise(level, cause, flags);
        loop {
            let in_flight = self.in_flight(raised.after.level());
            if in_flight == 0 || !wait() {
                return Closed { before: raised.before, word: raised.after, in_flight };
            }
        }
    }

    pub(super) fn beat(&self) {
        self.beats.0.add(1, Ordering::Release);
    }
}
