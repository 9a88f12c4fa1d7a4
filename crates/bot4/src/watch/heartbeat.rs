//! The watchdog: an engine that gives no sign of life is stopped from opening risk.
//!
//! It begins with the first sign of life: before it nothing is traded. A process that was stopped and goes on is caught by it too, since the
//! market went on without it.

use domain::Cause;
use infra::gate_word::{GateWord, Level};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Looks within the time that is allowed.
const LOOKS: u32 = 8;

/// The watching thread; ends when dropped.
#[derive(Debug)]
pub(super) struct Thread {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Thread {
    pub(super) fn start(gate: &Arc<GateWord>, allowed: Duration) -> io::Result<Self> {
        let gate = Arc::clone(gate);
        let (stop, stopped) = channel();
        let every = (allowed / LOOKS).max(Duration::from_millis(1));
        let watch = move || {
            let began = Instant::now();
            let mut pulse = Pulse::new(allowed);
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
                if pulse.look(gate.beats(), began.elapsed()) {
                    gate.raise(Level::Reducing, Cause::Heartbeat as u8, 0);
                    tracing::error!(allowed_s = allowed.as_secs_f64(), "the engine gives no sign of life: gate closed");
                }
            }
        };
        let thread = std::thread::Builder::new().name("watchdog".into()).spawn(watch)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to end.
            let _ = thread.join();
        }
    }
}

/// Whether a count goes on, as seen at some times.
struct Pulse {
    allowed: Duration,
    beats: u64,
    changed: Duration,
    told: bool,
}

impl Pulse {
    const fn new(allowed: Duration) -> Self {
        Self { allowed, beats: 0, changed: Duration::ZERO, told: false }
    }

    /// Whether it is found to have stopped: once each time.
    fn look(&mut self, beats: u64, now: Duration) -> bool {
        if beats != self.beats {
            (self.beats, self.changed, self.told) = (beats, now, false);
            return false;
        }
        let silent = beats > 0 && now.saturating_sub(self.changed) >= self.allowed;
        let found = silent && !self.told;
        self.told |= found;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use infra::gate_word::About;

    #[test]
    fn silence_is_found_once_and_only_after_a_first_beat() {
        let s = Duration::from_secs;
        let mut pulse = Pulse::new(s(10));
        assert!(!pulse.look(0, s(100)), "it has not begun");
        assert!(!pulse.look(1, s(101)));
        assert!(!pulse.look(1, s(110)));
        assert!(pulse.look(1, s(111)));
        assert!(!pulse.look(1, s(500)), "once");
        assert!(!pulse.look(2, s(501)));
        assert!(pulse.look(2, s(511)), "and anew after a sign of life");
    }

    #[test]
    fn an_engine_that_falls_silent_is_stopped() {
        let gate = Arc::new(GateWord::private(About::of_this_process(None)));
        let watchdog = Thread::start(&gate, Duration::from_millis(40)).unwrap();
        gate.beat();
        let began = Instant::now();
        while gate.level() == Level::All && began.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!((gate.level(), gate.read().cause()), (Level::Reducing, Cause::Heartbeat as u8));
        assert!(began.elapsed() >= Duration::from_millis(40));
        drop(watchdog);
    }
}
