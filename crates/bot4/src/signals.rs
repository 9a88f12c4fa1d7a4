//! SIGINT and SIGTERM: the first one asks the run to stop, the second one ends the program at once.
//!
//! Which one came decides the exit code (130 or 143), so it is kept. Everything that happens inside the handlers is a store into a number;
//! the loops look at the flag.

use crate::command::{CommandError, Exit};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

static CAME: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Begins to listen. `stop` becomes true at the first signal.
///
/// # Errors
/// If the system does not allow it.
pub fn listen(stop: &Arc<AtomicBool>) -> io::Result<()> {
    let came = CAME.get_or_init(|| Arc::new(AtomicUsize::new(0)));
    for (signal, exit) in [(SIGINT, Exit::Interrupted), (SIGTERM, Exit::Terminated)] {
        // In this order: the flag that the first looks at is set by the last, so that it takes a second signal to end at once.
        flag::register_conditional_shutdown(signal, i32::from(exit.code()), Arc::clone(stop))?;
        flag::register_usize(signal, Arc::clone(came), usize::from(exit.code()))?;
        flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}

/// What a command answers that was stopped: the exit code of the signal that came, and what became of its work.
#[must_use]
pub fn stopped(what_became: &str) -> CommandError {
    let came = CAME.get().map_or(0, |came| came.load(Ordering::Relaxed));
    let (exit, word) = if came == usize::from(Exit::Terminated.code()) {
        (Exit::Terminated, "terminated")
    } else {
        (Exit::Interrupted, "interrupted")
    };
    let message = if what_became.is_empty() { word.to_owned() } else { format!("{word}: {what_became}") };
    CommandError { exit, message }
}
