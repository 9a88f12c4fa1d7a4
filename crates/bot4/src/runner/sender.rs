//! The last door before a venue: compares the gate word with the order's class as the last act before sending.
//!
//! In:  orders on their way out; levels that the engine sets.
//! Out: whether an order left; and, between two rows, what others did to the word since it was looked at last.
//! A replay has a word of its own that nobody raises: what was stopped then is in the record.

use domain::{Cause, Control, OrderClass};
use infra::gate_word::{About, Class, GateWord, Level, Stopped, Word};
use std::sync::Arc;

/// Sends under the gate word.
pub struct Sender {
    word: Arc<GateWord>,
    /// The word as the engine knows it.
    seen: Word,
    /// What somebody else did under a raise of the engine's own: the word has the engine's cause since.
    untold: Option<Control>,
}

impl Default for Sender {
    fn default() -> Self {
        Self::under(Arc::new(GateWord::private(About::of_this_process(None))))
    }
}

impl Sender {
    /// Under this word. What it says already is told at the next look.
    #[must_use]
    pub fn under(word: Arc<GateWord>) -> Self {
        Self { word, seen: Word::default(), untold: None }
    }

    /// Sends, unless the word stands against it.
    ///
    /// # Errors
    /// [`Stopped`] where it does; then nothing was sent.
    pub fn send<R>(&self, class: OrderClass, send: impl FnOnce() -> R) -> Result<R, Stopped> {
        let class = match class {
            OrderClass::Entry => Class::Entry,
            OrderClass::Reducing => Class::Reducing,
        };
        self.word.send(class, send)
    }

    /// Sets the word to what the engine says. A word that others raised since the engine heard of it last is not lowered.
    pub fn set(&mut self, level: u8, cause: Cause) {
        let level = Level::from_number(level).unwrap_or(Level::Cancels);
        if level > self.word.level() {
            let raised = self.word.raise(level, cause as u8, 0);
            // What somebody else did before is still to be told.
            if raised.before != self.seen {
                self.untold = trip_of(raised.before).or_else(|| self.untold.take());
            }
            self.seen = raised.after;
        } else if level < self.word.level()
            && self.untold.is_none()
            && let Ok(now) = self.word.lower(self.seen, level)
        {
            self.seen = now;
        }
    }

    /// Makes the word at least as strict as the engine: a run that goes on finds a word of its own.
    pub fn at_least(&mut self, level: u8, cause: Cause) {
        if Level::from_number(level).is_some_and(|level| level > self.word.level()) {
            self.set(level, cause);
        }
    }

    /// What somebody else did to the word since the last look. Looking again says to others that the engine has taken up and recorded what
    /// it was told before.
    pub fn look(&mut self) -> Option<Control> {
        if let Some(trip) = self.untold.take() {
            return Some(trip);
        }
        self.word.answer(self.seen);
        let now = self.word.read();
        if now == self.seen {
            return None;
        }
        self.seen = now;
        trip_of(now)
    }
}

/// What a word that others raised says; `None` for an open gate.
fn trip_of(word: Word) -> Option<Control> {
    let cause = Cause::ALL.get(usize::from(word.cause())).copied().unwrap_or(Cause::GateWord);
    let (flatten, including_stops) = (word.flatten(), word.including_stops());
    (word.level() > Level::All).then_some(Control::Trip { cause, flatten, including_stops })
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::gate_word::FLATTEN;

    fn pair() -> (Arc<GateWord>, Sender) {
        let word = Arc::new(GateWord::private(About::of_this_process(None)));
        (Arc::clone(&word), Sender::under(word))
    }

    #[test]
    fn what_others_raise_is_told_once_with_its_cause() {
        let (word, mut sender) = pair();
        assert_eq!(sender.look(), None);
        word.raise(Level::Reducing, Cause::Kill as u8, FLATTEN);
        assert!(sender.send(OrderClass::Entry, || ()).is_err(), "it holds before it is told");
        let trip = Control::Trip { cause: Cause::Kill, flatten: true, including_stops: false };
        assert_eq!((sender.look(), sender.look()), (Some(trip), None));
        word.raise(Level::Reducing, 200, 0);
        let again = Control::Trip { cause: Cause::GateWord, flatten: true, including_stops: false };
        assert_eq!(sender.look(), Some(again), "a cause that this build does not know");
    }

    #[test]
    fn what_the_engine_sets_is_not_told_back_to_it() {
        let (word, mut sender) = pair();
        sender.set(2, Cause::Drawdown);
        assert_eq!((word.level(), sender.look()), (Level::Cancels, None));
        sender.set(1, Cause::Drawdown);
        sender.set(0, Cause::Override);
        assert_eq!((word.level(), sender.look()), (Level::All, None));
    }

    #[test]
    fn a_raise_in_between_is_neither_lowered_nor_lost() {
        let (word, mut sender) = pair();
        sender.set(1, Cause::Override);
        word.raise(Level::Reducing, Cause::Hardware as u8, 0);
        sender.set(0, Cause::Override);
        assert_eq!(word.level(), Level::Reducing, "the engine had not heard of it");
        assert!(matches!(sender.look(), Some(Control::Trip { cause: Cause::Hardware, .. })));
        sender.set(0, Cause::Override);
        assert_eq!(word.level(), Level::All, "now it had");
        word.raise(Level::Reducing, Cause::Kill as u8, 0);
        sender.set(2, Cause::Drawdown);
        sender.set(0, Cause::Override);
        assert_eq!(word.level(), Level::Cancels, "a raise under one of the engine's own is not lowered away");
        let kill = Control::Trip { cause: Cause::Kill, flatten: false, including_stops: false };
        assert_eq!((sender.look(), sender.look()), (Some(kill), None), "and is told with its own cause");
    }

    #[test]
    fn a_raise_is_answered_when_the_engine_has_come_around() {
        let (word, mut sender) = pair();
        word.raise(Level::Reducing, Cause::Kill as u8, 0);
        assert!(sender.look().is_some());
        assert_eq!(word.answered(), 0, "it was told, and may not be recorded yet");
        assert!(sender.look().is_none());
        assert_eq!(word.answered(), 1);
    }
}
