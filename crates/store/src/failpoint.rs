//! Named places at which a test lets the process die, as if the power of its machine or a signal had ended it.
//!
//! `BOT4_FAILPOINT=name` or `name:n` ends the process by SIGKILL when it reaches the place for the first or the `n`-th time. The program
//! reads the variable once, by [`arm_from_env`]; until then, and without it, a place costs one relaxed load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// All places, by name.
pub const PLACES: [&str; 6] =
    ["journal.start", "journal.write", "journal.sync", "journal.roll", "journal.compress", "snapshot.rename"];

/// The variable that names the place.
pub const VARIABLE: &str = "BOT4_FAILPOINT";

static ARMED: AtomicBool = AtomicBool::new(false);
static PLACE: OnceLock<Place> = OnceLock::new();

struct Place {
    name: &'static str,
    left: AtomicU64,
}

/// The variable names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}={value}: expected one of {}, with :n for the n-th time", PLACES.join(", "))]
pub struct FailpointError {
    /// What it holds.
    pub value: String,
}

/// Arms the place that the variable names, if it is set. Called once, by the program, at its start.
///
/// # Errors
/// [`FailpointError`] when it names none.
pub fn arm_from_env() -> Result<(), FailpointError> {
    match std::env::var(VARIABLE) {
        Ok(value) => arm(&value),
        Err(_) => Ok(()),
    }
}

fn arm(value: &str) -> Result<(), FailpointError> {
    let (name, times) = parse(value).ok_or_else(|| FailpointError { value: value.to_owned() })?;
    // A second arming in one process keeps the first.
    PLACE.get_or_init(|| Place { name, left: AtomicU64::new(times) });
    ARMED.store(true, Ordering::Release);
    Ok(())
}

fn parse(value: &str) -> Option<(&'static str, u64)> {
    let (name, times) = match value.split_once(':') {
        Some((name, times)) => (name, times.parse().ok().filter(|&n| n > 0)?),
        None => (value, 1),
    };
    PLACES.iter().find(|p| **p == name).map(|p| (*p, times))
}

/// Ends the process if it is here for the time that was asked for.
#[inline]
pub fn reach(name: &str) {
    if is_due(name) {
        end_process();
    }
}

/// Counts being here, and tells whether this is the time that was asked for.
#[inline]
#[must_use]
pub fn is_due(name: &str) -> bool {
    ARMED.load(Ordering::Relaxed) && is_due_armed(name)
}

#[cold]
fn is_due_armed(name: &str) -> bool {
    PLACE.get().is_some_and(|place| place.name == name && place.left.fetch_sub(1, Ordering::Relaxed) == 1)
}

/// Ends this process as a signal from outside would: nothing is flushed, nothing is unwound.
#[allow(unsafe_code, reason = "a system call without memory")]
pub fn end_process() {
    // SAFETY: both calls take and give plain numbers.
    unsafe {
        libc::kill(libc::getpid(), libc::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_counts() {
        assert_eq!(parse("journal.write"), Some(("journal.write", 1)));
        assert_eq!(parse("snapshot.rename:12"), Some(("snapshot.rename", 12)));
        for wrong in ["", "journal", "journal.write:", "journal.write:0", "journal.write:x", "journal.write:1:2"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        let error = FailpointError { value: "here".into() }.to_string();
        assert!(error.contains("BOT4_FAILPOINT=here") && error.contains("journal.roll"), "{error}");
    }

    #[test]
    fn a_place_that_is_not_armed_lets_pass() {
        reach("journal.write");
        assert!(!is_due("journal.write"));
    }
}
