//! The pace of a run: as fast as it goes, or market time held to the clock of the machine, with pause and skipping ahead.
//!
//! In:  the time of the next row, the machine's clock, and what the user says while it runs.
//! Out: up to which market time rows may be played now. The pace decides when a row is played, never what follows from it.

use domain::UnixNanos;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How fast market time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as it goes.
    Max,
    /// So many seconds of the market in one second: 1 is true time.
    Times(f64),
}

impl Speed {
    /// Reads `max` or a multiple such as `1x`, `60x`, `0.5x`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text == "max" {
            return Some(Self::Max);
        }
        let times = text.strip_suffix('x')?.parse::<f64>().ok()?;
        (times.is_finite() && (0.001..=1e9).contains(&times)).then_some(Self::Times(times))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Max => f.write_str("max"),
            Self::Times(times) => write!(f, "{times}x"),
        }
    }
}

/// What the user may change while a run goes on; shared with whoever listens to him.
#[derive(Debug)]
pub struct Controls {
    paused: AtomicBool,
    /// Bits of the multiple; infinite for as fast as it goes.
    times: AtomicU64,
    /// Rows before this time are played as fast as they go.
    ahead: AtomicU64,
    /// Counts the changes, so that the clock is set anew after each.
    changes: AtomicU64,
}

impl Controls {
    /// Not paused, at this speed; rows before `ahead` as fast as they go.
    #[must_use]
    pub fn new(speed: Speed, ahead: Option<UnixNanos>) -> Self {
        let controls = Self {
            paused: AtomicBool::new(false),
            times: AtomicU64::new(0),
            ahead: AtomicU64::new(ahead.map_or(0, |t| t.0)),
            changes: AtomicU64::new(0),
        };
        controls.set_speed(speed);
        controls
    }

    /// The speed in force.
    #[must_use]
    pub fn speed(&self) -> Speed {
        let times = f64::from_bits(self.times.load(Ordering::Relaxed));
        if times.is_infinite() { Speed::Max } else { Speed::Times(times) }
    }

    /// Changes the speed.
    pub fn set_speed(&self, speed: Speed) {
        let times = match speed {
            Speed::Max => f64::INFINITY,
            Speed::Times(times) => times,
        };
        self.times.store(times.to_bits(), Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Whether it is paused.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed)
    }

    /// Pauses, or goes on.
    pub fn set_paused(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Release);
    }

    /// Plays as fast as it goes up to this time. A time that has passed changes nothing.
    pub fn skip_ahead(&self, to: UnixNanos) {
        self.ahead.store(to.0, Ordering::Relaxed);
        self.changes.fetch_add(1, Ordering::Release);
    }
}

/// The longest sleep at a time: an interrupt or a word of the user is noticed after so long.
const NAP: Duration = Duration::from_millis(20);

/// A machine that slept, or a process that was stopped, does not make the market rush after the clock.
const LAG_MAX: Duration = Duration::from_secs(2);

/// What came of waiting for a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// Rows before this time may be played now.
    Until(UnixNanos),
    /// The row is not due yet: whoever waits has other things to look at, and asks again.
    NotYet,
    /// The run is to end.
    Stopped,
}

/// How long one wait lasts at most: what comes from outside is heard as soon.
const TURN: Duration = Duration::from_millis(20);

/// Holds market time to the machine's clock.
#[derive(Debug)]
pub struct Pace<'a> {
    controls: &'a Controls,
    /// When the clock showed which market time, and after how many changes that was said.
    anchor: Option<(Instant, UnixNanos, u64)>,
}

impl<'a> Pace<'a> {
    /// A pace that obeys these controls.
    #[must_use]
    pub const fn new(controls: &'a Controls) -> Self {
        Self { controls, anchor: None }
    }

    /// The speed in force.
    #[must_use]
    pub fn speed(&self) -> Speed {
        self.controls.speed()
    }

    /// Waits until the row at `next` is due, but for no longer than a moment.
    pub fn wait(&mut self, next: UnixNanos, stop: &AtomicBool) -> Waited {
        let began = Instant::now();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Waited::Stopped;
            }
            if began.elapsed() >= TURN {
                return Waited::NotYet;
            }
            if self.controls.paused() {
                self.anchor = None;
                std::thread::sleep(NAP);
                continue;
            }
            let ahead = UnixNanos(self.controls.ahead.load(Ordering::Relaxed));
            if next < ahead {
                self.anchor = None;
                return Waited::Until(ahead);
            }
            let Speed::Times(times) = self.controls.speed() else { return Waited::Until(UnixNanos::MAX) };
            let changes = self.controls.changes.load(Ordering::Acquire);
            let now = Instant::now();
            let (since, market) = match self.anchor {
                Some((since, market, at)) if at == changes => (since, market),
                _ => {
                    self.anchor = Some((now, next, changes));
                    (now, next)
                }
            };
            let due = since + Duration::from_secs_f64(next.0.saturating_sub(market.0) as f64 / 1e9 / times);
            if due > now {
                std::thread::sleep((due - now).min(NAP));
                continue;
            }
            if now - due > LAG_MAX {
                self.anchor = Some((now, next, changes));
            }
            let passed = (now - since).as_secs_f64() * times * 1e9;
            let shown = UnixNanos(market.0.saturating_add(passed as u64));
            return Waited::Until(UnixNanos(shown.max(next).0.saturating_add(1)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks until the row is due; `None` if the run is to end.
    fn until(pace: &mut Pace<'_>, next: UnixNanos, stop: &AtomicBool) -> Option<UnixNanos> {
        loop {
            match pace.wait(next, stop) {
                Waited::Until(until) => return Some(until),
                Waited::NotYet => {}
                Waited::Stopped => return None,
            }
        }
    }

    #[test]
    fn a_wait_for_a_row_far_ahead_lets_others_have_their_turn() {
        let stop = AtomicBool::new(false);
        let controls = Controls::new(Speed::Times(1.0), None);
        let mut pace = Pace::new(&controls);
        assert!(until(&mut pace, UnixNanos(1), &stop).is_some());
        assert_eq!(pace.wait(UnixNanos(86_400_000_000_000), &stop), Waited::NotYet);
        controls.set_paused(true);
        assert_eq!(pace.wait(UnixNanos(1), &stop), Waited::NotYet, "a pause, too");
    }

    #[test]
    fn speeds_are_read_with_their_bounds() {
        assert_eq!(Speed::parse("max"), Some(Speed::Max));
        assert_eq!(Speed::parse("60x"), Some(Speed::Times(60.0)));
        assert_eq!(Speed::parse("0.5x"), Some(Speed::Times(0.5)));
        for bad in ["", "60", "x", "-1x", "0x", "infx", "NaNx", "1e10x", "fast"] {
            assert_eq!(Speed::parse(bad), None, "{bad}");
        }
        for text in ["max", "60x", "0.5x"] {
            assert_eq!(Speed::parse(text).map(|s| s.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn rows_that_are_due_are_played_and_later_ones_wait_for_the_clock() {
        let stop = AtomicBool::new(false);
        let controls = Controls::new(Speed::Times(1000.0), None);
        let mut pace = Pace::new(&controls);
        let start = UnixNanos(1_000_000_000_000);
        let began = Instant::now();
        assert!(until(&mut pace, start, &stop) > Some(start), "the first row is due at once");
        let later = UnixNanos(start.0 + 50_000_000_000);
        assert!(until(&mut pace, later, &stop) > Some(later));
        assert!(began.elapsed() >= Duration::from_millis(50), "50 s of the market at 1000x");
    }

    #[test]
    fn a_pause_holds_and_a_skip_does_not_wait() {
        let stop = AtomicBool::new(false);
        let controls = Controls::new(Speed::Times(1.0), None);
        let mut pace = Pace::new(&controls);
        assert!(until(&mut pace, UnixNanos(1), &stop).is_some());
        let year = UnixNanos(86_400_000_000_000 * 365);
        controls.skip_ahead(UnixNanos(year.0 + 1));
        assert_eq!(pace.wait(year, &stop), Waited::Until(UnixNanos(year.0 + 1)), "a year ahead at once");
        controls.set_paused(true);
        std::thread::scope(|scope| {
            let held = scope.spawn(|| {
                let began = Instant::now();
                let until = until(&mut pace, UnixNanos(year.0 + 2), &stop);
                (began.elapsed(), until)
            });
            std::thread::sleep(Duration::from_millis(60));
            controls.set_paused(false);
            let (took, until) = held.join().unwrap();
            assert!(took >= Duration::from_millis(50), "{took:?}");
            assert!(until.is_some());
        });
        controls.set_paused(true);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(pace.wait(UnixNanos(year.0 + 3), &stop), Waited::Stopped, "an interrupt ends a pause");
    }
}
