//! Black swans: falls of an asset or of the whole account that no normal day has, and the response to them in steps.
//!
//! In:  believed marks and equity as they come, kept in one-minute buckets of the last hour.
//! Out: a level per asset and direction and one per account.
//!
//! | window | fall that is a black swan |
//! |---|---|
//! | asset, 60 minutes | 20 % from the highest mark |
//! | asset, 10 minutes | 10 % from the highest mark |
//! | equity, 60 minutes | 10 % from the highest equity, transfers excluded |
//!
//! For a short position the rise from the lowest mark counts instead. The response grows with the move, measured in the fall that is a
//! black swan: half of it is an alert, three quarters mean no new risk, all of it halves the positions (of that asset, or all) and takes
//! leverage off (cap 1), five quarters close them; for the account as a whole the last step is mode emergency. A level only rises until it
//! has been calm (below the alert) for an hour.
//!
//! A move between two prints that lie farther apart than a window is not seen as one within it: candles longer than an hour show none.

use super::config::GuardConfig;
use super::ring::Ring;
use domain::time::NANOS_PER_MINUTE;
use domain::{Digest, InstrumentIdx, Nanos, Rate, UnixNanos, stored_enum, stored_struct};

/// How far a response has gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing unusual.
    #[default]
    Calm,
    /// Half of a black swan: somebody must hear of it.
    Alert,
    /// Three quarters: no new risk.
    NoNewRisk,
    /// A black swan: positions are halved, leverage is taken off.
    Halve,
    /// Five quarters: positions are closed.
    Close,
}

impl Level {
    /// The level of a move, both as positive fractions. A move that is not a number is none.
    pub(super) fn of(moved: f64, swan: Rate) -> Self {
        // A hair below, so that a move of exactly the bound reaches it whichever way its quotient was rounded.
        let score = moved / swan.to_f64() + 1e-12;
        match () {
            () if score >= 1.25 => Self::Close,
            () if score >= 1.0 => Self::Halve,
            () if score >= 0.75 => Self::NoNewRisk,
            () if score >= 0.5 => Self::Alert,
            () => Self::Calm,
        }
    }
}

/// A level that rises with the moves and ends after calm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swan {
    level: Level,
    /// When it was last not calm.
    restless: UnixNanos,
}

impl Swan {
    /// Takes in the level of the present move. Answers the level where it rose.
    pub(super) fn update(&mut self, ts: UnixNanos, now: Level, config: &GuardConfig) -> Option<Level> {
        if now > Level::Calm {
            self.restless = ts;
        } else if ts.since(self.restless) >= Nanos::from_secs(config.swan_calm_s) {
            self.level = Level::Calm;
        }
        let rose = now > self.level;
        self.level = self.level.max(now);
        rose.then_some(now)
    }

    pub(super) const fn level(&self) -> Level {
        self.level
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        d.word(self.level as u64);
        d.word(self.restless.0);
    }
}

/// One asset.
#[derive(Clone, Debug, Default)]
struct Asset {
    ring: Ring,
    fall: Swan,
    rise: Swan,
    last: i64,
    /// The minute of the last mark.
    minute: u64,
}

/// A rise of a level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rose {
    pub level: Level,
    pub moved: f64,
    pub swan: Rate,
}

/// The levels of all assets, by instrument.
#[derive(Clone, Debug, Default)]
pub(super) struct Assets {
    assets: Vec<Asset>,
}

impl Assets {
    /// Takes in a believed mark. Answers where the level of the fall rose.
    pub(super) fn push(&mut self, ts: UnixNanos, idx: InstrumentIdx, mark: i64, config: &GuardConfig) -> Option<Rose> {
        if self.assets.len() <= idx.index() {
            self.assets.resize_with(idx.index() + 1, Asset::default);
        }
        let asset = &mut self.assets[idx.index()];
        let minute = ts.0 / NANOS_PER_MINUTE;
        if asset.last == mark && asset.minute == minute {
            return None;
        }
        (asset.last, asset.minute) = (mark, minute);
        let value = i128::from(mark);
        asset.ring.push(ts, value);
        let windows = [(asset.ring.hour(), config.swan_asset_hour), (asset.ring.ten(), config.swan_asset_ten_minutes)];
        let (mut fall, mut rise) = (Rose { level: Level::Calm, moved: 0.0, swan: config.swan_asset_hour }, Level::Calm);
        for (span, swan) in windows {
            let (high, low) = span.unwrap_or((value, value));
            // Believed marks are positive.
            let moved = 1.0 - mark as f64 / high as f64;
            let level = Level::of(moved, swan);
            if level > fall.level {
                fall = Rose { level, moved, swan };
            }
            rise = rise.max(Level::of(mark as f64 / low as f64 - 1.0, swan));
        }
        asset.rise.update(ts, rise, config);
        asset.fall.update(ts, fall.level, config).map(|_| fall)
    }

    /// The level of an asset for a long position and for none.
    pub(super) fn fall(&self, idx: InstrumentIdx) -> Level {
        self.assets.get(idx.index()).map_or(Level::Calm, |asset| asset.fall.level())
    }

    /// The level of an asset for a short position.
    pub(super) fn rise(&self, idx: InstrumentIdx) -> Level {
        self.assets.get(idx.index()).map_or(Level::Calm, |asset| asset.rise.level())
    }

    /// The highest level of a fall.
    pub(super) fn worst_fall(&self) -> Level {
        self.assets.iter().map(|asset| asset.fall.level()).max().unwrap_or_default()
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        for asset in &self.assets {
            asset.ring.digest(d);
            asset.fall.digest(d);
            asset.rise.digest(d);
            d.int(asset.last);
            d.word(asset.minute);
        }
    }
}

stored_enum!(Level, "a level of a black swan" { 0 => Calm, 1 => Alert, 2 => NoNewRisk, 3 => Halve, 4 => Close });
stored_struct!(Swan { level, restless });
stored_struct!(Asset { ring, fall, rise, last, minute });
stored_struct!(Assets { assets });

#[cfg(test)]
mod tests {
    use super::*;
    use domain::codec::{from_bytes, to_bytes};
    use proptest::prelude::*;

    const A: InstrumentIdx = InstrumentIdx(0);

    fn at(minute: u64) -> UnixNanos {
        UnixNanos(testkit::T0.0 + minute * NANOS_PER_MINUTE)
    }

    /// The level of the fall after each of (minute, mark).
    fn falls(path: &[(u64, i64)]) -> Vec<Level> {
        let (mut assets, config) = (Assets::default(), GuardConfig::default());
        let mut level = |(minute, mark)| {
            assets.push(at(minute), A, mark, &config);
            assets.fall(A)
        };
        path.iter().map(|step| level(*step)).collect()
    }

    #[test]
    fn an_asset_that_falls_twenty_percent_within_an_hour_goes_through_the_steps() {
        let path: Vec<(u64, i64)> = (0..=50).map(|k| (k, 10_000 - 40 * k as i64)).collect();
        let levels = falls(&path);
        let reached = |level| levels.iter().position(|l| *l >= level).unwrap();
        assert_eq!(reached(Level::Alert), 25, "10 %");
        assert_eq!(reached(Level::NoNewRisk), 38, "15 %");
        assert_eq!(reached(Level::Halve), 50, "20 %");
    }

    #[test]
    fn ten_percent_within_ten_minutes_are_enough_and_within_an_hour_are_not() {
        assert_eq!(falls(&[(0, 1_000), (10, 900)])[1], Level::Halve);
        assert_eq!(falls(&[(0, 1_000), (11, 900)])[1], Level::Alert);
        assert_eq!(falls(&[(0, 1_000), (60, 800)])[1], Level::Halve);
        assert_eq!(falls(&[(0, 1_000), (61, 800)])[1], Level::Calm, "no move within a window");
    }

    #[test]
    fn a_level_stays_until_an_hour_of_calm() {
        let mut path = vec![(0, 1_000), (5, 880)];
        path.extend((6..=200).map(|minute| (minute, 880)));
        let levels = falls(&path);
        // The fall leaves the longer window after minute 60; then an hour of calm.
        assert_eq!(levels[1], Level::Halve);
        let over = path.iter().zip(&levels).find(|(_, level)| **level == Level::Calm && **level != levels[0]);
        assert!(over.is_none());
        let last_restless = path.iter().zip(&levels).filter(|(_, l)| **l > Level::Calm).map(|(p, _)| p.0).max();
        assert_eq!(last_restless, Some(60 + 60 - 1));
    }

    #[test]
    fn a_rise_counts_for_shorts_only() {
        let (mut assets, config) = (Assets::default(), GuardConfig::default());
        assets.push(at(0), A, 1_000, &config);
        assert_eq!(assets.push(at(30), A, 1_200, &config), None);
        assert_eq!((assets.fall(A), assets.rise(A)), (Level::Calm, Level::Halve));
    }

    #[test]
    fn numbers_that_are_none_move_nothing() {
        for moved in [f64::NAN, f64::NEG_INFINITY, -1.0, 0.0] {
            assert_eq!(Level::of(moved, Rate::from_bps(1_000)), Level::Calm);
        }
        assert_eq!(Level::of(f64::INFINITY, Rate::from_bps(1_000)), Level::Close);
    }

    proptest! {
        #[test]
        fn a_deeper_fall_is_never_a_lower_level(path in prop::collection::vec((0u64..8, 500i64..1_500), 1..60), end in 400i64..1_500, deeper in 0i64..400) {
            let (mut assets, config) = (Assets::default(), GuardConfig::default());
            let mut minute = 0;
            for (wait, mark) in path {
                minute += wait;
                assets.push(at(minute), A, mark, &config);
            }
            let mut other = assets.clone();
            assets.push(at(minute), A, end, &config);
            other.push(at(minute), A, end - deeper, &config);
            prop_assert!(other.fall(A) >= assets.fall(A));
        }

        #[test]
        fn saved_and_loaded_it_goes_on_alike(path in prop::collection::vec((0u64..8, 500i64..1_500), 1..60), cut in 0usize..60) {
            let (mut assets, config) = (Assets::default(), GuardConfig::default());
            let (mut loaded, mut minute): (Option<Assets>, u64) = (None, 0);
            for (k, (wait, mark)) in path.into_iter().enumerate() {
                if k == cut {
                    loaded = Some(from_bytes(&to_bytes(&assets)).unwrap());
                }
                minute += wait;
                let rose = assets.push(at(minute), A, mark, &config);
                if let Some(loaded) = &mut loaded {
                    prop_assert_eq!(loaded.push(at(minute), A, mark, &config), rose);
                    prop_assert_eq!((loaded.fall(A), loaded.rise(A)), (assets.fall(A), assets.rise(A)));
                }
            }
        }
    }
}
