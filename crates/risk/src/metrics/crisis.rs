//! Signs of a crisis in the whole market: turbulence, everything moving together, a deep fall.
//!
//! In:  once a minute, the returns of all instruments that printed. Out: [`CrisisFacts`], and whether they amount to a crisis.
//!
//! Three facts, each from sums of one minute that are kept in a ring, so that a minute costs as much as there are instruments:
//! - turbulence: root mean square return of the last 15 minutes over the median of that of the window's blocks of 30 before;
//! - correlation: the average correlation over the last 15 minutes that the variance of the equally weighted market implies, as an
//!   index's and its parts' variances imply one (Cboe's implied correlation index uses the same identity);
//! - fall: how far the equally weighted market is below its highest of the window.
//!
//! A crisis begins where two facts are beyond their bounds or one (correlation excepted) is beyond twice its bound, and ends after an hour
//! of minutes in which that is not so.

use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Digestible, stored_struct};
use serde::{Deserialize, Serialize};

/// Minutes that speak of now.
const RECENT: usize = 15;
/// Minutes of a block that speaks of what is usual.
const BLOCK: usize = 30;
/// Blocks that the window holds.
const BLOCKS: usize = 17;
/// Minutes that the window holds.
const MINUTES: usize = BLOCK * BLOCKS;

/// Bounds of the facts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrisisConfig {
    /// Turbulence over its median.
    pub turbulence: f64,
    /// Average correlation.
    pub correlation: f64,
    /// Fall of the market, as a fraction.
    pub fall: f64,
    /// Minutes without a sign that end it.
    pub calm_minutes: u32,
}

impl Default for CrisisConfig {
    fn default() -> Self {
        Self { turbulence: 3.0, correlation: 0.8, fall: 0.08, calm_minutes: 60 }
    }
}

/// The facts after a minute; `None` where too little was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrisisFacts {
    /// Turbulence of the last 15 minutes over its median.
    pub turbulence: Option<f64>,
    /// Average correlation over the last 15 minutes; never known with one instrument.
    pub correlation: Option<f64>,
    /// Fall of the market from its highest, as a positive fraction.
    pub fall: Option<f64>,
}

impl CrisisFacts {
    /// Whether they are those of a crisis.
    #[must_use]
    pub fn speak_of(&self, bounds: &CrisisConfig) -> bool {
        let over = |fact: Option<f64>, bound: f64| fact.is_some_and(|f| f >= bound);
        let signs = [
            over(self.turbulence, bounds.turbulence),
            over(self.correlation, bounds.correlation),
            over(self.fall, bounds.fall),
        ];
        signs.iter().filter(|s| **s).count() >= 2
            || over(self.turbulence, 2.0 * bounds.turbulence)
            || over(self.fall, 2.0 * bounds.fall)
    }
}

/// Sums of one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Minute {
    sum: f64,
    squares: f64,
    count: f64,
}
stored_struct!(Minute { sum, squares, count });

impl Minute {
    /// Takes the return of one instrument; one that did not print has none.
    pub fn add(&mut self, change: f64) {
        if change.is_finite() {
            self.sum += change;
            self.squares += change * change;
            self.count += 1.0;
        }
    }

    /// Whether it can be the sums of some minute.
    fn is_sound(&self) -> bool {
        let whole = self.count >= 0.0 && self.count <= 65_536.0 && self.count.fract() == 0.0;
        whole && self.sum.is_finite() && self.squares >= 0.0 && self.squares.is_finite()
    }

    fn mean(&self) -> f64 {
        if self.count > 0.0 { self.sum / self.count } else { 0.0 }
    }
}

/// Follows the market and says whether it is in crisis.
#[derive(Clone, Debug, PartialEq)]
pub struct CrisisDetector {
    config: CrisisConfig,
    ring: Box<[Minute]>,
    /// The market's level after each minute of the ring; begins at 1.
    levels: Box<[f64]>,
    level: f64,
    next: usize,
    minutes: u64,
    facts: CrisisFacts,
    active: bool,
    calm: u32,
}

impl Default for CrisisDetector {
    fn default() -> Self {
        Self {
            config: CrisisConfig::default(),
            ring: vec![Minute::default(); MINUTES].into(),
            levels: vec![1.0; MINUTES].into(),
            level: 1.0,
            next: 0,
            minutes: 0,
            facts: CrisisFacts::default(),
            active: false,
            calm: 0,
        }
    }
}

impl CrisisDetector {
    pub(super) fn set(&mut self, config: CrisisConfig) {
        self.config = config;
    }

    /// Whether the market is in crisis.
    #[must_use]
    pub const fn active(&self) -> bool {
        self.active
    }

    /// The facts after the last minute.
    #[must_use]
    pub const fn facts(&self) -> &CrisisFacts {
        &self.facts
    }

    /// Whether enough was seen to tell: turbulence is known.
    #[must_use]
    pub const fn known(&self) -> bool {
        self.facts.turbulence.is_some()
    }

    pub(super) fn minute(&self) -> Minute {
        Minute::default()
    }

    pub(super) fn end_minute(&mut self, minute: &Minute) {
        self.level *= 1.0 + minute.mean();
        if !(self.level > 1e-100 && self.level < 1e100) {
            // A market that went to nothing, or for ever up, is counted from one again.
            self.level = 1.0;
            self.levels.fill(1.0);
        }
        self.ring[self.next] = *minute;
        self.levels[self.next] = self.level;
        self.next = (self.next + 1) % MINUTES;
        self.minutes += 1;
        self.facts = self.measure();
        let sign = self.facts.speak_of(&self.config);
        self.calm = if sign { 0 } else { self.calm.saturating_add(1) };
        self.active = sign || (self.active && self.calm < self.config.calm_minutes);
    }

    /// Sums of minutes, counted back from the newest, and of the squared returns of the market.
    fn sums(&self, ago: std::ops::Range<usize>) -> (Minute, f64) {
        let mut all = Minute::default();
        let mut market_squares = 0.0;
        for ago in ago {
            let minute = &self.ring[(self.next + MINUTES - 1 - ago) % MINUTES];
            all.squares += minute.squares;
            all.count += minute.count;
            market_squares += minute.mean() * minute.mean();
        }
        (all, market_squares)
    }

    fn measure(&self) -> CrisisFacts {
        let (now, market) = self.sums(0..RECENT);
        let market = market / RECENT as f64;
        if now.count < RECENT as f64 * 0.5 {
            return CrisisFacts::default();
        }
        let variance = now.squares / now.count;
        let per_minute = now.count / RECENT as f64;
        // Var(market) = variance (1 + (n - 1) rho) / n, solved for rho.
        let correlation = (per_minute >= 1.5 && variance > 0.0)
            .then(|| ((per_minute * market / variance - 1.0) / (per_minute - 1.0)).clamp(-1.0, 1.0));
        let mut calm = [f64::INFINITY; BLOCKS - 1];
        let mut known = 0;
        for back in 1..BLOCKS {
            let (block, _) = self.sums(back * BLOCK..(back + 1) * BLOCK);
            if block.count > 0.0 {
                calm[known] = block.squares / block.count;
                known += 1;
            }
        }
        // Four blocks, two hours, are needed to say what is usual.
        let turbulence = (known >= 4).then(|| {
            calm[..known].sort_by(f64::total_cmp);
            let usual = calm[(known - 1) / 2];
            if usual > 0.0 { (variance / usual).sqrt() } else { f64::NAN }
        });
        let highest = self.levels.iter().copied().fold(self.level, f64::max);
        let fall = (self.minutes >= BLOCK as u64).then(|| 1.0 - self.level / highest);
        CrisisFacts { turbulence: turbulence.filter(|t| t.is_finite()), correlation, fall }
    }

    /// How many minutes of the ring were taken.
    fn filled(&self) -> usize {
        usize::try_from(self.minutes).map_or(MINUTES, |minutes| minutes.min(MINUTES))
    }

    /// Minutes that were never taken are left out.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.minutes.put(out);
        self.ring.iter().zip(&self.levels).take(self.filled()).for_each(|(minute, level)| {
            minute.put(out);
            level.put(out);
        });
        self.level.put(out);
        self.active.put(out);
        self.calm.put(out);
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        let mut fresh = Self { config: self.config, minutes: Stored::take(from)?, ..Self::default() };
        // Less than the ring's length.
        fresh.next = (fresh.minutes % MINUTES as u64) as usize;
        let filled = fresh.filled();
        let level = |level: f64| level > 0.0 && level.is_finite();
        let mut sound = true;
        for (minute, after) in fresh.ring.iter_mut().zip(&mut fresh.levels).take(filled) {
            *minute = Stored::take(from)?;
            *after = Stored::take(from)?;
            sound &= minute.is_sound() && level(*after);
        }
        fresh.level = Stored::take(from)?;
        fresh.active = Stored::take(from)?;
        fresh.calm = Stored::take(from)?;
        if !sound || !level(fresh.level) {
            return Err(CodecError::Invalid { what: "the minutes that signs of a crisis are read from" });
        }
        fresh.facts = if fresh.minutes > 0 { fresh.measure() } else { CrisisFacts::default() };
        *self = fresh;
        Ok(())
    }
}

impl Digestible for CrisisDetector {
    fn digest(&self, d: &mut Digest) {
        for (minute, level) in self.ring.iter().zip(&self.levels) {
            [minute.sum, minute.squares, minute.count, *level].iter().for_each(|v| d.float(*v));
        }
        d.float(self.level);
        d.word(self.next as u64);
        d.word(self.minutes);
        d.word(u64::from(self.active) | u64::from(self.calm) << 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::generate::Seeded;

    /// A market of ten instruments that changes between calm and crisis; each minute's label is known.
    struct Simulated {
        random: Seeded,
        crisis: bool,
        left: u32,
    }

    impl Simulated {
        fn new(seed: u64) -> Self {
            Self { random: Seeded::new(seed), crisis: false, left: 900 }
        }

        /// Nearly normal: twelve uniform numbers.
        fn shock(&mut self) -> f64 {
            (0..12).map(|_| self.random.within(0, 1_000_000) as f64 / 1e6).sum::<f64>() - 6.0
        }

        /// One minute: its returns and its label.
        fn minute(&mut self) -> (Minute, bool) {
            if self.left == 0 {
                self.crisis = !self.crisis;
                self.left =
                    self.random.within(if self.crisis { 90 } else { 620 }, if self.crisis { 240 } else { 1200 }) as u32;
            }
            self.left -= 1;
            let (sigma, rho, drift) = if self.crisis { (0.003, 0.9, -0.0005) } else { (0.0006, 0.4, 0.0) };
            let common = self.shock();
            let mut minute = Minute::default();
            for _ in 0..10 {
                let own = self.shock();
                minute.add(drift + sigma * (f64::sqrt(rho) * common + f64::sqrt(1.0 - rho) * own));
            }
            (minute, self.crisis)
        }
    }

    /// Sensitivity by minute (after the first 15 of an episode, in which it must be found), episodes found within 15 minutes, and the share
    /// of calm minutes flagged (those of the hour after an episode excepted: it ends after an hour without a sign).
    #[test]
    fn crises_are_found_within_minutes_and_calm_is_left_alone() {
        let (mut in_crisis, mut found, mut calm, mut false_alarms) = (0u32, 0u32, 0u32, 0u32);
        let (mut episodes, mut caught) = (0u32, 0u32);
        for seed in 0..5 {
            let mut market = Simulated::new(seed);
            let mut detector = CrisisDetector::default();
            let (mut since_crisis, mut since_calm) = (10_000u32, 0u32);
            for minute in 0..12_000u32 {
                let (sums, crisis) = market.minute();
                detector.end_minute(&sums);
                (since_crisis, since_calm) = if crisis { (0, since_calm + 1) } else { (since_crisis + 1, 0) };
                if minute < 600 {
                    continue;
                }
                episodes += u32::from(since_calm == 15);
                caught += u32::from(since_calm == 15 && detector.active());
                in_crisis += u32::from(since_calm > 15);
                found += u32::from(since_calm > 15 && detector.active());
                // The hour of calm, and the fall that stays in the window.
                let counted = !crisis && since_crisis > 600;
                calm += u32::from(counted);
                false_alarms += u32::from(counted && detector.active());
            }
        }
        assert!(episodes > 40 && calm > 10_000);
        assert!(f64::from(caught) >= 0.95 * f64::from(episodes), "{caught} of {episodes}");
        assert!(f64::from(found) >= 0.98 * f64::from(in_crisis), "{found} of {in_crisis}");
        assert!(f64::from(false_alarms) <= 0.002 * f64::from(calm), "{false_alarms} of {calm}");
    }

    #[test]
    fn facts_by_hand() {
        let mut detector = CrisisDetector::default();
        let minute = |r: &[f64]| {
            let mut minute = Minute::default();
            r.iter().for_each(|r| minute.add(*r));
            minute
        };
        assert_eq!(*detector.facts(), CrisisFacts::default());
        // Two instruments that move as one, ten times as far in the end; one that does not print changes nothing.
        for t in 0..240 {
            let x = if t % 2 == 0 { 0.001 } else { -0.001 };
            detector.end_minute(&minute(&[x, x, f64::NAN]));
        }
        let calm = *detector.facts();
        testkit::assert_close(calm.turbulence.unwrap(), 1.0, 1e-9, 0.0);
        testkit::assert_close(calm.correlation.unwrap(), 1.0, 1e-9, 0.0);
        assert!(calm.fall.unwrap() < 0.002 && !detector.active(), "one sign alone is none");
        for t in 0..30 {
            let x = if t % 2 == 0 { 0.01 } else { -0.01 };
            detector.end_minute(&minute(&[x, -x]));
        }
        testkit::assert_close(detector.facts().turbulence.unwrap(), 10.0, 1e-9, 0.0);
        testkit::assert_close(detector.facts().correlation.unwrap(), -1.0, 1e-9, 0.0);
        assert!(detector.active(), "turbulence beyond twice its bound is enough");
        for _ in 0..30 {
            detector.end_minute(&minute(&[-0.01, -0.01]));
        }
        testkit::assert_close(
            detector.facts().fall.unwrap(),
            1.0 - (0..30).fold(1.0, |level, _| level * 0.99),
            1e-2,
            0.0,
        );
    }

    #[test]
    fn with_one_instrument_correlation_is_not_known() {
        let mut detector = CrisisDetector::default();
        for t in 0..300 {
            let mut minute = Minute::default();
            minute.add(if t % 2 == 0 { 0.001 } else { -0.001 });
            detector.end_minute(&minute);
        }
        assert_eq!(detector.facts().correlation, None);
        assert!(detector.known());
        let mut bytes = Vec::new();
        detector.save(&mut bytes);
        let mut loaded = CrisisDetector::default();
        loaded.load(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(loaded, detector);
    }
}
