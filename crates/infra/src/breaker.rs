//! Circuit breakers of connections: a component that fails again and again is left alone for a while.
//!
//! In:  successes and failures of calls to a component (a venue's stream, a database), with the time of each.
//! Out: a [`Permit`] for the next call, or a refusal that says until when.
//!
//! Closed: calls go through; so many failures in a row open it. Open: calls are refused until the time to wait is over, which doubles with
//! each opening in a row, up to a cap. Half-open: one call is let through; its success closes the breaker, its failure opens it again. It
//! retries nothing, has no clock and stops no orders: that is the gate word's.
//!
//! Source of the pattern: Nygard, Release It! (2nd edition, 2018), section 5.2 "Circuit Breaker".

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

/// When a breaker opens and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Failures in a row that open it; 0 counts as 1.
    pub failures: u32,
    /// A failure that long after the last one begins a new row.
    pub forget: Duration,
    /// How long it stays open at first.
    pub wait: Duration,
    /// How long it stays open at most.
    pub wait_max: Duration,
    /// How long the one call of half-open may take; after that another one is let through.
    pub probe: Duration,
}

impl Default for Settings {
    /// Three failures within a minute of each other; 1 s, 2 s, 4 s ... up to 60 s; 10 s for a probe.
    fn default() -> Self {
        Self {
            failures: 3,
            forget: Duration::from_secs(60),
            wait: Duration::from_secs(1),
            wait_max: Duration::from_secs(60),
            probe: Duration::from_secs(10),
        }
    }
}

/// What a breaker does with the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It lets calls through.
    Closed,
    /// It refuses calls until then.
    Open {
        /// Time of the caller's clock.
        until: Duration,
    },
    /// It lets one call through and waits for what becomes of it.
    HalfOpen,
}

impl State {
    /// Its key in records.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A call that was let through. Its end is told to the breaker with it: a call that began before the breaker opened says nothing about the
/// time after.
#[must_use = "the end of the call is told to the breaker with it"]
#[derive(Debug)]
pub struct Permit {
    era: u64,
}

/// A call that was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When to ask again, on the caller's clock.
    pub until: Duration,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the breaker is open until {:.3} s", self.until.as_secs_f64())
    }
}

impl std::error::Error for Refused {}

/// What a breaker has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Openings.
    pub trips: u64,
    /// Calls that ended well.
    pub successes: u64,
    /// Calls that failed.
    pub failures: u64,
    /// Closings after an opening, by a good probe or by hand.
    pub resets: u64,
    /// Calls that were refused.
    pub refused: u64,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Counts changes of the state: who has a permit of an earlier era says nothing about this one.
    era: u64,
    failures_in_row: u32,
    last_failure: Duration,
    /// Openings since it was last closed.
    trips_in_row: u32,
    /// When the probe under way, if there is one, counts as lost.
    probe_until: Option<Duration>,
    /// The latest time that anybody said: time never goes back here.
    now: Duration,
    metrics: Metrics,
}

/// The breaker of one component. Any thread may use it; times are of one clock that only goes forwards, since any beginning.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    inner: Mutex<Inner>,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let inner = Inner {
            state: State::Closed,
            era: 0,
            failures_in_row: 0,
            last_failure: Duration::ZERO,
            trips_in_row: 0,
            probe_until: None,
            now: Duration::ZERO,
            metrics: Metrics::default(),
        };
        Self { settings, inner: Mutex::new(inner) }
    }

    /// Asks for a call.
    ///
    /// # Errors
    /// [`Refused`] while it is open, and in half-open while another call is under way.
    pub fn permit(&self, now: Duration) -> Result<Permit, Refused> {
        let mut inner = self.lock(now);
        let now = inner.now;
        let refused = match inner.state {
            State::Closed => None,
            State::Open { until } if now < until => Some(until),
            State::Open { .. } => {
                inner.become_state(State::HalfOpen);
                inner.probe_until = Some(now.saturating_add(self.settings.probe));
                None
            }
            State::HalfOpen => match inner.probe_until.filter(|until| now < *until) {
                Some(until) => Some(until),
                None => {
                    // The probe before never came back; its end, if it comes yet, says nothing any more.
                    inner.era += 1;
                    inner.probe_until = Some(now.saturating_add(self.settings.probe));
                    None
                }
            },
        };
        match refused {
            None => Ok(Permit { era: inner.era }),
            Some(until) => {
                inner.metrics.refused += 1;
                Err(Refused { until })
            }
        }
    }

    /// The call ended well.
    pub fn success(&self, permit: Permit, now: Duration) {
        let mut inner = self.lock(now);
        inner.metrics.successes += 1;
        if permit.era != inner.era {
            return;
        }
        inner.failures_in_row = 0;
        if inner.state == State::HalfOpen {
            inner.close();
        }
    }

    /// The call failed.
    pub fn failure(&self, permit: Permit, now: Duration) {
        let mut inner = self.lock(now);
        let now = inner.now;
        inner.metrics.failures += 1;
        if permit.era != inner.era {
            return;
        }
        match inner.state {
            State::Closed => {
                if now.saturating_sub(inner.last_failure) >= self.settings.forget {
                    inner.failures_in_row = 0;
                }
                inner.failures_in_row = inner.failures_in_row.saturating_add(1);
                inner.last_failure = now;
                if inner.failures_in_row >= self.settings.failures.max(1) {
                    self.open(&mut inner);
                }
            }
            State::HalfOpen => self.open(&mut inner),
            // No permit of an open breaker exists: opening begins an era, and so does the permit that ends it.
            State::Open { .. } => {}
        }
    }

    /// Opens it by hand, or because somebody else knows that the component is gone.
    pub fn trip(&self, now: Duration) {
        let mut inner = self.lock(now);
        if !matches!(inner.state, State::Open { .. }) {
            self.open(&mut inner);
        }
    }

    /// Closes it by hand.
    pub fn reset(&self, now: Duration) {
        let mut inner = self.lock(now);
        if inner.state != State::Closed {
            inner.close();
        }
    }

    /// What it would do with a call at this time; it is not asked for one.
    #[must_use]
    pub fn state(&self, now: Duration) -> State {
        let inner = self.lock(now);
        match inner.state {
            State::Open { until } if inner.now >= until => State::HalfOpen,
            state => state,
        }
    }

    /// What it has counted.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.lock(Duration::ZERO).metrics
    }

    fn open(&self, inner: &mut Inner) {
        let doublings = inner.trips_in_row.min(31);
        let wait = self.settings.wait.saturating_mul(1 << doublings).min(self.settings.wait_max);
        inner.trips_in_row = inner.trips_in_row.saturating_add(1);
        inner.metrics.trips += 1;
        inner.probe_until = None;
        let until = inner.now.saturating_add(wait);
        inner.become_state(State::Open { until });
    }

    fn lock(&self, now: Duration) -> MutexGuard<'_, Inner> {
        // Nothing below the lock can be left half done by a panic: the numbers of a poisoned one are as good.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.now = inner.now.max(now);
        inner
    }
}

impl Inner {
    fn become_state(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }

    fn close(&mut self) {
        self.become_state(State::Closed);
        self.failures_in_row = 0;
        self.trips_in_row = 0;
        self.probe_until = None;
        self.metrics.resets += 1;
    }
}

/// The breakers of a process by the name of their component.
#[derive(Debug, Default)]
pub struct Breakers {
    by_name: RwLock<BTreeMap<String, Arc<Breaker>>>,
}

impl Breakers {
    /// Without any.
    #[must_use]
    pub const fn new() -> Self {
        Self { by_name: RwLock::new(BTreeMap::new()) }
    }

    /// The breaker of a component; made with these settings where there is none. One that is there keeps its own.
    pub fn component(&self, name: &str, settings: Settings) -> Arc<Breaker> {
        if let Some(found) = self.by_name.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(found);
        }
        let mut all = self.by_name.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(name.to_owned()).or_insert_with(|| Arc::new(Breaker::new(settings))))
    }

    /// All components, by name, with their state at this time and what they have counted.
    #[must_use]
    pub fn report(&self, now: Duration) -> Vec<(String, State, Metrics)> {
        let all = self.by_name.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|(name, breaker)| (name.clone(), breaker.state(now), breaker.metrics())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn breaker() -> Breaker {
        Breaker::new(Settings::default())
    }

    #[track_caller]
    fn fail(breaker: &Breaker, ms: u64) {
        let permit = breaker.permit(at(ms)).unwrap();
        breaker.failure(permit, at(ms));
    }

    #[test]
    fn three_failures_open_it_and_a_success_between_begins_anew() {
        let breaker = breaker();
        fail(&breaker, 1);
        fail(&breaker, 2);
        let permit = breaker.permit(at(3)).unwrap();
        breaker.success(permit, at(3));
        fail(&breaker, 4);
        fail(&breaker, 5);
        assert_eq!(breaker.state(at(5)), State::Closed);
        fail(&breaker, 6);
        assert_eq!(breaker.state(at(6)), State::Open { until: at(1_006) });
        assert_eq!(breaker.permit(at(1_005)).unwrap_err(), Refused { until: at(1_006) });
        let expected = Metrics { trips: 1, successes: 1, failures: 5, resets: 0, refused: 1 };
        assert_eq!(breaker.metrics(), expected);
    }

    #[test]
    fn failures_far_apart_are_no_row() {
        let breaker = breaker();
        for ms in [0, 60_000, 120_000, 180_000] {
            fail(&breaker, ms);
        }
        assert_eq!(breaker.state(at(180_000)), State::Closed);
        fail(&breaker, 180_001);
        fail(&breaker, 180_002);
        assert!(matches!(breaker.state(at(180_002)), State::Open { .. }));
    }

    #[test]
    fn the_wait_doubles_up_to_its_cap_and_begins_anew_after_a_closing() {
        let breaker = breaker();
        let mut now = 0;
        for _ in 0..3 {
            fail(&breaker, now);
        }
        for wait in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000] {
            assert_eq!(breaker.state(at(now)), State::Open { until: at(now + wait) });
            now += wait;
            assert_eq!(breaker.state(at(now)), State::HalfOpen);
            fail(&breaker, now);
        }
        now += 60_000;
        let permit = breaker.permit(at(now)).unwrap();
        breaker.success(permit, at(now));
        assert_eq!(breaker.state(at(now)), State::Closed);
        for _ in 0..3 {
            fail(&breaker, now);
        }
        assert_eq!(breaker.state(at(now)), State::Open { until: at(now + 1_000) });
        assert_eq!((breaker.metrics().trips, breaker.metrics().resets), (10, 1));
    }

    #[test]
    fn half_open_lets_one_call_through_and_another_one_when_it_is_lost() {
        let breaker = breaker();
        breaker.trip(at(0));
        let lost = breaker.permit(at(1_000)).unwrap();
        assert_eq!(breaker.permit(at(1_001)).unwrap_err(), Refused { until: at(11_000) });
        let second = breaker.permit(at(11_000)).unwrap();
        breaker.success(lost, at(11_001));
        assert_eq!(breaker.state(at(11_001)), State::HalfOpen, "it came too late to count");
        breaker.success(second, at(11_002));
        assert_eq!(breaker.state(at(11_002)), State::Closed);
    }

    #[test]
    fn what_began_before_the_opening_says_nothing_afterwards() {
        let breaker = breaker();
        let early: Vec<Permit> = (0..2).map(|_| breaker.permit(at(0)).unwrap()).collect();
        for _ in 0..3 {
            fail(&breaker, 1);
        }
        let [one, two]: [Permit; 2] = early.try_into().unwrap();
        breaker.success(one, at(2));
        assert!(matches!(breaker.state(at(2)), State::Open { .. }));
        let probe = breaker.permit(at(2_000)).unwrap();
        breaker.failure(two, at(2_001));
        assert_eq!(breaker.state(at(2_001)), State::HalfOpen);
        breaker.success(probe, at(2_002));
        assert_eq!(breaker.metrics().trips, 1);
    }

    #[test]
    fn a_clock_that_goes_back_stands_still() {
        let breaker = breaker();
        breaker.trip(at(10_000));
        assert_eq!(breaker.state(at(5)), State::Open { until: at(11_000) });
        assert!(breaker.permit(Duration::MAX).is_ok());
    }

    #[test]
    fn by_hand() {
        let breaker = breaker();
        breaker.trip(at(0));
        breaker.trip(at(1));
        breaker.reset(at(2));
        breaker.reset(at(3));
        assert_eq!((breaker.metrics().trips, breaker.metrics().resets), (1, 1));
        let never = Breaker::new(Settings { failures: 0, wait: Duration::MAX, ..Settings::default() });
        fail(&never, 1);
        assert_eq!(never.state(at(1)), State::Open { until: at(60_001) }, "the cap holds for the first wait too");
    }

    #[test]
    fn one_component_is_refused_and_the_others_live() {
        let all = Breakers::new();
        let (venue, base) = (all.component("venue", Settings::default()), all.component("base", Settings::default()));
        assert!(Arc::ptr_eq(&venue, &all.component("venue", Settings { failures: 9, ..Settings::default() })));
        for _ in 0..3 {
            fail(&venue, 1);
        }
        assert!(venue.permit(at(2)).is_err());
        assert!(base.permit(at(2)).is_ok());
        let report = all.report(at(2));
        assert_eq!(
            report.iter().map(|(name, state, _)| (name.as_str(), state.key())).collect::<Vec<_>>(),
            [("base", "closed"), ("venue", "open")]
        );
    }

    #[test]
    fn many_threads_get_one_probe_and_no_count_is_lost() {
        let breaker = breaker();
        let threads = 8;
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        if let Ok(permit) = breaker.permit(at(0)) {
                            breaker.failure(permit, at(0));
                        }
                    }
                });
            }
        });
        let counted = breaker.metrics();
        assert_eq!(counted.failures + counted.refused, threads * 1_000);
        assert_eq!(counted.trips, 1, "it opens once, however many fail at a time");
        let probes = std::thread::scope(|scope| {
            let asked: Vec<_> = (0..threads).map(|_| scope.spawn(|| breaker.permit(at(1_000)).ok())).collect();
            asked.into_iter().filter_map(|thread| thread.join().unwrap()).count()
        });
        assert_eq!(probes, 1);
    }
}
