//! What the guard has asked for a position, so that it asks once.
//!
//! An asked-for reduction is under way until the position is as small as it would be then, or until it has taken too long. Meanwhile the
//! same is not asked for again; more is. What is asked for is the largest of what all monitors want.

use super::black_swan::Level;
use super::config::GuardConfig;
use super::liquidation::{DistanceStep, Margin, RatioStep};
use domain::{Digest, Money, Nanos, Quantity, Rate, Rounding, UnixNanos, stored_enum, stored_struct};

/// A reduction that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flight {
    /// Share of the position that was to go; 0 where margin was to be added.
    fraction: Rate,
    /// How large the position is at most when it is done.
    target: Quantity,
    at: UnixNanos,
}

/// One position of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PositionWatch {
    /// Whether it is long. `None` while flat.
    long: Option<bool>,
    flight: Option<Flight>,
    /// Margin bound to it, where it is isolated.
    pub isolated: Option<Money>,
    /// Margin was added to this position: never a second time.
    pub margin_added: bool,
    /// How much of it a black swan leaves, and at which level that was decided.
    keep: Option<Quantity>,
    keep_level: Level,
    /// The step of distance that was told.
    pub told: DistanceStep,
    /// The ladder of ratios, where it is isolated.
    pub ratio: RatioWatch,
}

impl PositionWatch {
    /// The position as it is now: forgets what was about another one, and what is done or took too long.
    pub(super) fn see(&mut self, ts: UnixNanos, long: Option<bool>, size: Quantity, lot: Quantity, timeout: Nanos) {
        if self.long != long {
            let isolated = self.isolated;
            *self = Self { long, isolated, ..Self::default() };
            return;
        }
        let Some(flight) = self.flight else { return };
        let done = flight.fraction > Rate::ZERO && flight.target.checked_add(lot).is_none_or(|most| size <= most);
        if done || ts.since(flight.at) >= timeout || ts < flight.at {
            self.flight = None;
        }
    }

    pub(super) const fn is_flat(&self) -> bool {
        self.long.is_none()
    }

    pub(super) const fn in_flight(&self) -> bool {
        self.flight.is_some()
    }

    /// What was asked for was confirmed: margin was added.
    pub(super) const fn confirmed(&mut self) {
        self.flight = None;
    }

    /// Whether a share of the position is to be asked for now.
    pub(super) fn request(&mut self, ts: UnixNanos, size: Quantity, fraction: Rate) -> bool {
        if self.flight.is_some_and(|flight| flight.fraction >= fraction) {
            return false;
        }
        let rest = Money::from_raw(size.raw()).times(Rate::from_raw(Rate::ONE.raw() - fraction.raw()), Rounding::Up);
        let target = Quantity::from_raw(rest.map_or(0, Money::raw));
        self.flight = Some(Flight { fraction, target, at: ts });
        true
    }

    /// Whether adding margin is to be asked for now; it is asked for once.
    pub(super) const fn request_margin(&mut self, ts: UnixNanos) -> bool {
        if self.flight.is_some() || self.margin_added {
            return false;
        }
        self.margin_added = true;
        self.flight = Some(Flight { fraction: Rate::ZERO, target: Quantity::ZERO, at: ts });
        true
    }

    /// The share of the position that must go for a black swan of that level.
    pub(super) fn swan(&mut self, level: Level, size: Quantity) -> Rate {
        if level < Level::Alert {
            (self.keep, self.keep_level) = (None, Level::Calm);
        } else if level >= Level::Halve && level > self.keep_level {
            let half = Quantity::from_raw(size.raw() / 2);
            self.keep = Some(if level == Level::Close { Quantity::ZERO } else { half });
            self.keep_level = level;
        }
        match self.keep {
            Some(keep) if keep.is_zero() => Rate::ONE,
            Some(keep) if size > keep => {
                // The rest of a position as a share of it is at most one.
                let share = domain::decimal::div_money(size.raw() - keep.raw(), size.raw(), Rounding::Up);
                Rate::from_raw(share.and_then(|s| i64::try_from(s).ok()).unwrap_or(Rate::ONE.raw()))
            }
            _ => Rate::ZERO,
        }
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        let direction = match self.long {
            None => 0,
            Some(false) => 1,
            Some(true) => 2,
        };
        d.word(
            direction
                | u64::from(self.margin_added) << 8
                | (self.keep_level as u64) << 16
                | (self.told as u64) << 24
                | u64::from(self.flight.is_some()) << 32,
        );
        d.wide(self.isolated.map_or(i128::MIN, Money::raw));
        d.wide(self.keep.map_or(i128::MIN, Quantity::raw));
        if let Some(flight) = self.flight {
            d.int(flight.fraction.raw());
            d.wide(flight.target.raw());
            d.word(flight.at.0);
        }
        self.ratio.digest(d);
    }
}

/// What the ladder of margin ratios does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Nothing,
    Cut,
    AddMargin,
    CloseWorst,
}

/// The ladder of margin ratios of one wallet: all cross positions that settle in an asset, or one isolated position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RatioWatch {
    told: RatioStep,
    /// How many measures were taken since the ratio was last calm, and whether the last one is still to take effect.
    measures: u8,
    acted: bool,
    /// What there was at the check before.
    pub before: Option<Margin>,
}

impl RatioWatch {
    /// Takes in the margin of a check. Answers the step, and whether it is one that was not told yet.
    pub(super) fn look(&mut self, margin: Margin, config: &GuardConfig) -> (RatioStep, bool) {
        let step = margin.step(self.before, config);
        self.before = Some(margin);
        let news = step > self.told;
        // A little below the alert only is it over, so that it is not told at each tick.
        let over = margin.ratio() < config.margin_ratio_alert.to_f64() * 0.95;
        self.told = if over { step } else { self.told.max(step) };
        if step < RatioStep::Alert {
            (self.measures, self.acted) = (0, false);
        }
        (step, news)
    }

    /// The next measure: cut, then add margin, then close the worst; each only when the one before has taken effect and was not enough.
    pub(super) const fn measure(&mut self, step: RatioStep, in_flight: bool, can_add: bool) -> Measure {
        match step {
            RatioStep::Calm | RatioStep::Alert => Measure::Nothing,
            RatioStep::Critical => Measure::CloseWorst,
            RatioStep::Act => {
                if self.acted && !in_flight {
                    self.measures = self.measures.saturating_add(1);
                }
                self.acted = true;
                match self.measures {
                    0 => Measure::Cut,
                    1 if can_add => Measure::AddMargin,
                    _ => Measure::CloseWorst,
                }
            }
        }
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        d.word(self.told as u64 | u64::from(self.measures) << 8 | u64::from(self.acted) << 16);
        let m = self.before.unwrap_or_default();
        [m.wallet, m.equity, m.maintenance].into_iter().for_each(|money| d.wide(money.raw()));
    }
}

stored_enum!(DistanceStep, "a step of distance" { 0 => Far, 1 => Add, 2 => Halve, 3 => Close });
stored_enum!(RatioStep, "a step of margin" { 0 => Calm, 1 => Alert, 2 => Act, 3 => Critical });
stored_struct!(Flight { fraction, target, at });
stored_struct!(RatioWatch { told, measures, acted, before });
stored_struct!(PositionWatch { long, flight, isolated, margin_added, keep, keep_level, told, ratio });
