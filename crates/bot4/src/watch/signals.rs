//! SIGUSR1 raises the gate word, SIGUSR2 does and asks for all positions to be closed. It happens in the handler itself, by a change of one
//! number, so that it works while every thread hangs.

use domain::Cause;
use infra::gate_word::{FLATTEN, GateWord, Level};
use signal_hook::SigId;
use signal_hook::consts::{SIGUSR1, SIGUSR2};
use signal_hook::low_level;
use std::io;
use std::sync::Arc;

/// The handlers of one gate, taken away when dropped. A signal that comes after that is ignored.
#[derive(Debug)]
pub(super) struct Handlers(Vec<SigId>);

impl Handlers {
    pub(super) fn install(gate: &Arc<GateWord>) -> io::Result<Self> {
        let mut handlers = Self(Vec::with_capacity(2));
        for (signal, flags) in [(SIGUSR1, 0), (SIGUSR2, FLATTEN)] {
            let gate = Arc::clone(gate);
            let raise = move || {
                gate.raise(Level::Reducing, Cause::Signal as u8, flags);
            };
            #[allow(unsafe_code, reason = "a handler runs between any two instructions of the program")]
            // SAFETY: what may be called in a handler must not take locks, memory or panic. The raise is a loop of loads and
            // compare-exchanges on one number in memory that the gate holds; the closure owns a reference, so that the memory is there
            // for as long as the handler is.
            let id = unsafe { low_level::register(signal, raise)? };
            handlers.0.push(id);
        }
        Ok(handlers)
    }
}

impl Drop for Handlers {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            low_level::unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::gate_word::{About, Class};

    /// One test for both signals: they are the whole process's.
    #[test]
    fn a_signal_closes_the_gate_before_the_next_instruction() {
        let gate = Arc::new(GateWord::private(About::of_this_process(None)));
        let handlers = Handlers::install(&gate).unwrap();
        low_level::raise(SIGUSR1).unwrap();
        let word = gate.read();
        assert_eq!((word.level(), word.cause(), word.flatten()), (Level::Reducing, Cause::Signal as u8, false));
        assert!(gate.send(Class::Entry, || ()).is_err());
        low_level::raise(SIGUSR2).unwrap();
        assert!(gate.read().flatten());
        drop(handlers);
        let before = gate.read();
        low_level::raise(SIGUSR1).unwrap();
        assert_eq!(gate.read(), before, "whose watch is over is not raised any more");
    }
}
