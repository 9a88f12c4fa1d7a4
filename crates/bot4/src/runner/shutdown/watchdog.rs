//! The end of all patience: a process that was asked to stop and has not ended within [`TOTAL`] is ended.
//!
//! A system call on a dead disk cannot be given up by the thread that is in it. Nothing is lost by this end that a kill would not lose: the
//! run goes on from its journal.

use super::steps::{STEPS, TOTAL};
use crate::command::Exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Between two looks at whether the run was asked to stop.
const EVERY: Duration = Duration::from_millis(100);

/// Watches the time of a stop, as long as it lives.
#[derive(Debug)]
pub struct Watchdog {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Begins to watch: the time runs from when `stop` is set. `steps` counts those that are done.
    #[must_use]
    pub fn start(stop: &Arc<AtomicBool>, steps: Arc<AtomicUsize>) -> Self {
        let end = move |step: usize| {
            let name = STEPS.get(step).map_or("the end", |(_, what, _)| *what);
            eprintln!(
                "bot4: stopping took longer than {} s, at: {name}; the process is ended, and the run goes on from its journal",
                TOTAL.as_secs()
            );
            signal_hook::low_level::exit(i32::from(Exit::Failed.code()));
        };
        Self::with(stop, steps, TOTAL, end)
    }

    fn with(
        stop: &Arc<AtomicBool>,
        steps: Arc<AtomicUsize>,
        limit: Duration,
        end: impl FnOnce(usize) + Send + 'static,
    ) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (stop, quiet) = (Arc::clone(stop), Arc::clone(&over));
        let watch = move || {
            let mut since: Option<Instant> = None;
            while !quiet.load(Ordering::Acquire) {
                if stop.load(Ordering::Relaxed) {
                    let since = *since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= limit {
                        return end(steps.load(Ordering::Acquire));
                    }
                }
                std::thread::park_timeout(EVERY.min(limit));
            }
        };
        // Without a thread for it the steps keep their own times.
        let thread = std::thread::Builder::new().name("stop-watch".into()).spawn(watch).ok();
        Self { over, thread }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn the_time_runs_from_the_stop_and_names_the_step() {
        let (stop, steps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(4)));
        let (tell, hear) = channel();
        let dog =
            Watchdog::with(&stop, steps, Duration::from_millis(10), move |step| tell.send(step).unwrap_or_default());
        assert!(hear.recv_timeout(Duration::from_millis(100)).is_err(), "nobody has asked for a stop");
        stop.store(true, Ordering::Relaxed);
        assert_eq!(hear.recv_timeout(Duration::from_secs(10)), Ok(4));
        drop(dog);
    }

    #[test]
    fn a_stop_that_ends_in_time_is_left_alone() {
        let stop = Arc::new(AtomicBool::new(true));
        let (tell, hear) = channel();
        let long = Duration::from_secs(3_600);
        let dog = Watchdog::with(&stop, Arc::default(), long, move |step| tell.send(step).unwrap_or_default());
        let began = Instant::now();
        drop(dog);
        assert!(hear.recv().is_err() && began.elapsed() < Duration::from_secs(30));
    }
}
