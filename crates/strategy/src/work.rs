//! How a strategy's orders are worked: the rule as it is asked for, and what it has to know of the market.
//!
//! In:  the rule; bars of the instrument, where it rests on volume or volatility.
//! Out: the style of the next order. What is not known yet is left out, and the style is the one that does without it.

use crate::params::parse_seconds;
use domain::{
    Flow, ImpactModel, Nanos, Quantity, Rate, Rest, Shown, TIMES_OF_DAY, Thresholds, UnixNanos, Urgency, VolumeProfile,
    WorkStyle, stored_enum,
};
use quant::state::{Reader, StateError};

/// Rule for how orders are worked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WorkRule {
    /// Equal parts at equal distances in time.
    Twap {
        /// How long it takes.
        over: Nanos,
        /// How many parts.
        slices: u16,
    },
    /// Parts as large as the usual volume of their time of day, as the strategy has seen it so far.
    Vwap {
        /// How long it takes.
        over: Nanos,
        /// How many parts.
        slices: u16,
    },
    /// A share of what the market trades.
    Pov {
        /// The share.
        share: Rate,
        /// When it ends.
        deadline: Nanos,
    },
    /// The trajectory of least cost and risk, from the volatility and volume that the strategy has seen.
    Shortfall {
        /// How long it takes.
        over: Nanos,
        /// How many parts.
        slices: u16,
        /// How much variance of the cost is disliked, per unit of quote.
        risk_aversion: f64,
        /// By what fraction of the price the price is worse while trading as fast as the whole market.
        impact: f64,
    },
    /// Rests first.
    Passive {
        /// How long.
        patience: Nanos,
        /// What becomes of the rest of an entry.
        then: Rest,
    },
    /// Rests with a part shown at a time.
    Iceberg {
        /// How much.
        shown: Shown,
        /// When it ends.
        deadline: Nanos,
        /// What becomes of the rest of an entry.
        then: Rest,
    },
    /// Chosen when it begins.
    Auto {
        /// How much time counts.
        urgency: Urgency,
        /// Where the choice turns.
        thresholds: Thresholds,
    },
}

/// What [`WorkRule::parse`] reads, in words.
pub const FORMS: &str = "none, twap:OVER[:SLICES], vwap:OVER[:SLICES], pov:SHARE%[:DEADLINE], is:OVER[:SLICES[:RISK_AVERSION[:IMPACT_BPS]]], \
                         passive:PATIENCE[:take|give-up], iceberg:SHOWN[:DEADLINE[:take|give-up]] (SHOWN a quantity or a share such as \
                         10%), or auto[:low|normal|high[:SMALL%:LARGE%:WIDE_BPS]], with times such as 30m or 4h";

const SLICES: u16 = 10;
const DEADLINE: Nanos = Nanos::from_secs(4 * 3_600);
const RISK_AVERSION: f64 = 1e-6;
const IMPACT: f64 = 0.01;

impl WorkRule {
    /// Reads one of [`FORMS`]; `None` for `none`.
    ///
    /// # Errors
    /// What was expected, in words.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if text == "none" {
            return Ok(None);
        }
        let expected = || format!("work `{text}`: expected {FORMS}");
        let rule = Self::read(text).ok_or_else(expected)?;
        // What it becomes when nothing is known yet must be a style, too.
        let style = Planner::new(rule).style(UnixNanos(0), 1.0);
        style.validate().map_err(|wrong| format!("work `{text}`: {wrong}"))?;
        Ok(Some(rule))
    }

    fn read(text: &str) -> Option<Self> {
        let (name, rest) = text.split_once(':').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let words: Vec<&str> = rest.map_or_else(Vec::new, |rest| rest.split(':').collect());
        let span = |text: &&str| parse_seconds(text).map(|s| Nanos::from_secs(u64::from(s)));
        let slices = |text: Option<&&str>| match text {
            None => Some(SLICES),
            Some(text) => text.parse::<u16>().ok().filter(|n| *n > 0),
        };
        let percent = |text: &str| {
            let rate = Rate::parse(text.strip_suffix('%')?).ok()?.divided_by(100)?;
            (rate > Rate::ZERO && rate <= Rate::ONE).then_some(rate)
        };
        let then = |text: Option<&&str>, usual: Rest| match text.copied() {
            None => Some(usual),
            Some("take") => Some(Rest::Take),
            Some("give-up") => Some(Rest::GiveUp),
            Some(_) => None,
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0);
        let at_most = |most: usize| (words.len() <= most).then_some(());
        match name {
            "twap" | "vwap" => {
                at_most(2)?;
                let (over, slices) = (span(words.first()?)?, slices(words.get(1))?);
                Some(if name == "twap" { Self::Twap { over, slices } } else { Self::Vwap { over, slices } })
            }
            "pov" => {
                at_most(2)?;
                let deadline = words.get(1).map_or(Some(DEADLINE), span)?;
                Some(Self::Pov { share: percent(words.first()?)?, deadline })
            }
            "is" => {
                at_most(4)?;
                let (over, slices) = (span(words.first()?)?, slices(words.get(1))?);
                let risk_aversion = words.get(2).map_or(Some(RISK_AVERSION), |text| number(text))?;
                let impact = match words.get(3) {
                    None => IMPACT,
                    Some(text) => number(text).filter(|bps| *bps > 0.0)? / 1e4,
                };
                Some(Self::Shortfall { over, slices, risk_aversion, impact })
            }
            "passive" => {
                at_most(2)?;
                Some(Self::Passive { patience: span(words.first()?)?, then: then(words.get(1), Rest::Take)? })
            }
            "iceberg" => {
                at_most(3)?;
                let shown = words.first()?;
                let shown = match percent(shown) {
                    Some(share) => Shown::Share(share),
                    None => Shown::Quantity(Quantity::parse(shown).ok().filter(|q| *q > Quantity::ZERO)?),
                };
                let deadline = words.get(1).map_or(Some(DEADLINE), span)?;
                Some(Self::Iceberg { shown, deadline, then: then(words.get(2), Rest::GiveUp)? })
            }
            "auto" => {
                let urgency = match words.first().copied() {
                    None | Some("normal") => Urgency::Normal,
                    Some("low") => Urgency::Low,
                    Some("high") => Urgency::High,
                    Some(_) => return None,
                };
                let thresholds = match words.get(1..).unwrap_or_default() {
                    [] => Thresholds::STANDARD,
                    [small, large, wide] => Thresholds {
                        small: percent(small)?.to_f64(),
                        large: percent(large)?.to_f64(),
                        wide: number(wide)? / 1e4,
                        ..Thresholds::STANDARD
                    },
                    _ => return None,
                };
                Some(Self::Auto { urgency, thresholds })
            }
            _ => None,
        }
    }

    /// Whether it rests on the market's volume or volatility.
    #[must_use]
    pub const fn needs_flow(&self) -> bool {
        matches!(self, Self::Vwap { .. } | Self::Shortfall { .. } | Self::Auto { .. })
    }
}

stored_enum!(WorkRule, "a rule of work" {
    1 => Twap { over, slices },
    2 => Vwap { over, slices },
    3 => Pov { share, deadline },
    4 => Shortfall { over, slices, risk_aversion, impact },
    5 => Passive { patience, then },
    6 => Iceberg { shown, deadline, then },
    7 => Auto { urgency, thresholds },
});

/// A rule with what it has seen of the market.
#[derive(Clone, Debug)]
pub struct Planner {
    rule: WorkRule,
    /// The last bar: when, and its close.
    last: Option<(UnixNanos, f64)>,
    /// Bars that were seen.
    bars: u64,
    /// Averages over about the last 64 bars: squared return, volume, seconds.
    squared: f64,
    volume: f64,
    seconds: f64,
    /// The usual volume of each half hour of the day; NaN before the first.
    usual: [f64; TIMES_OF_DAY],
    /// The half hour that goes on, and its volume so far.
    now: Option<(u64, f64)>,
}

/// The weight of the newest bar.
const NEWEST: f64 = 1.0 / 64.0;
/// The weight of the newest day in the usual volume of a half hour.
const NEWEST_DAY: f64 = 0.2;
/// From so many bars on averages count as known.
const BARS_MIN: u64 = 16;
/// Half hours.
const HALF_HOUR: u64 = 1_800_000_000_000;

impl Planner {
    /// For a rule; nothing is seen yet.
    #[must_use]
    pub const fn new(rule: WorkRule) -> Self {
        Self {
            rule,
            last: None,
            bars: 0,
            squared: 0.0,
            volume: 0.0,
            seconds: 0.0,
            usual: [f64::NAN; TIMES_OF_DAY],
            now: None,
        }
    }

    /// Takes the next bar, which ended at `ts`. Volume in units of base.
    #[inline]
    pub fn update(&mut self, ts: UnixNanos, close: f64, volume: f64) {
        if !self.rule.needs_flow() {
            return;
        }
        let before = self.last.replace((ts, close));
        // The volume of a bar belongs to the half hour that it lies in, which its last nanosecond tells.
        let half_hour = ts.0.saturating_sub(1) / HALF_HOUR;
        match &mut self.now {
            Some((at, sum)) if *at == half_hour => *sum += volume,
            now => {
                if let Some((done, sum)) = now.replace((half_hour, volume))
                    && let Some(usual) =
                        usize::try_from(done % TIMES_OF_DAY as u64).ok().and_then(|at| self.usual.get_mut(at))
                {
                    *usual = if usual.is_nan() { sum } else { *usual + NEWEST_DAY * (sum - *usual) };
                }
            }
        }
        let Some((then, price)) = before.filter(|(then, price)| *then < ts && *price > 0.0) else { return };
        let (change, seconds) = (close / price - 1.0, ts.since(then).0 as f64 / 1e9);
        // The first bars are averaged as they are, so that the beginning does not count for nothing.
        self.bars += 1;
        let weight = NEWEST.max(1.0 / self.bars as f64);
        self.squared += weight * (change * change - self.squared);
        self.volume += weight * (volume - self.volume);
        self.seconds += weight * (seconds - self.seconds);
    }

    /// How an order is worked that is sent at `now` with the market at `price`.
    #[must_use]
    pub fn style(&self, now: UnixNanos, price: f64) -> WorkStyle {
        match self.rule {
            WorkRule::Twap { over, slices } => WorkStyle::Twap { over, slices },
            WorkRule::Vwap { over, slices } => match self.profile() {
                Some(profile) => WorkStyle::Vwap { over, slices, profile },
                None => WorkStyle::Twap { over, slices },
            },
            WorkRule::Pov { share, deadline } => WorkStyle::Pov { share, deadline },
            WorkRule::Shortfall { over, slices, risk_aversion, impact } => {
                let bent = self.model(price, risk_aversion, impact);
                let bent = bent.map(|model| WorkStyle::ImplementationShortfall { over, slices, model });
                bent.unwrap_or(WorkStyle::Twap { over, slices })
            }
            WorkRule::Passive { patience, then } => WorkStyle::PassiveThenAggressive { patience, then },
            WorkRule::Iceberg { shown, deadline, then } => WorkStyle::Iceberg { shown, deadline, then },
            WorkRule::Auto { urgency, thresholds } => {
                let volume_per_hour = self.volume_per_second().map(|volume| volume * 3_600.0);
                let model = self.model(price, RISK_AVERSION, IMPACT);
                // Nothing measures toxicity yet.
                let flow = Flow { volume_per_hour, model, toxicity: None, as_of: now };
                WorkStyle::Auto { urgency, flow, thresholds }
            }
        }
    }

    fn volume_per_second(&self) -> Option<f64> {
        let known = self.bars >= BARS_MIN && self.seconds > 0.0 && self.volume > 0.0;
        known.then(|| self.volume / self.seconds)
    }

    /// What impact costs at the market's own pace, spread linearly over all paces.
    fn model(&self, price: f64, risk_aversion: f64, impact: f64) -> Option<ImpactModel> {
        let pace = self.volume_per_second()?;
        let volatility = price * (self.squared / self.seconds).sqrt();
        let model = ImpactModel { risk_aversion, volatility, temporary: impact * price / pace, permanent: 0.0 };
        model.validate().is_ok().then_some(model)
    }

    /// The usual volume by time of day, scaled so that the largest fills its number. A half hour that was never seen counts as the mean of
    /// those that were. `None` before the first.
    fn profile(&self) -> Option<VolumeProfile> {
        let (mut sum, mut seen, mut largest) = (0.0, 0.0, 0.0_f64);
        for usual in self.usual.iter().filter(|usual| !usual.is_nan()) {
            (sum, seen, largest) = (sum + usual, seen + 1.0, largest.max(*usual));
        }
        if largest <= 0.0 {
            return None;
        }
        let mut profile = VolumeProfile([0; TIMES_OF_DAY]);
        for (at, usual) in profile.0.iter_mut().zip(&self.usual) {
            let usual = if usual.is_nan() { sum / seen } else { *usual };
            *at = (usual / largest * f64::from(u16::MAX)) as u16;
        }
        Some(profile)
    }

    /// Appends the state to a snapshot.
    pub fn save(&self, out: &mut Vec<u8>) {
        if !self.rule.needs_flow() {
            return;
        }
        let mut word = |word: u64| out.extend_from_slice(&word.to_le_bytes());
        let (ts, close) = self.last.unwrap_or((UnixNanos(0), f64::NAN));
        let (half_hour, sum) = self.now.unwrap_or((0, f64::NAN));
        [ts.0, close.to_bits(), self.bars, half_hour, sum.to_bits()].into_iter().for_each(&mut word);
        [self.squared, self.volume, self.seconds].iter().chain(&self.usual).for_each(|x| word(x.to_bits()));
    }

    /// Loads a saved state.
    ///
    /// # Errors
    /// [`StateError`] if the bytes do not belong to it.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        if !self.rule.needs_flow() {
            return Ok(());
        }
        let (ts, close) = (UnixNanos(from.u64()?), from.f64()?);
        self.last = (!close.is_nan()).then_some((ts, close));
        self.bars = from.u64()?;
        let (half_hour, sum) = (from.u64()?, from.f64()?);
        self.now = (!sum.is_nan()).then_some((half_hour, sum));
        (self.squared, self.volume, self.seconds) = (from.f64()?, from.f64()?, from.f64()?);
        for usual in &mut self.usual {
            *usual = from.f64()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(n: u64) -> Nanos {
        Nanos::from_secs(3_600 * n)
    }

    #[test]
    fn rules_are_read_with_their_bounds() {
        let rule = |text: &str| WorkRule::parse(text).unwrap();
        let minutes = Nanos::from_secs(1_800);
        assert_eq!(rule("none"), None);
        assert_eq!(rule("twap:30m:6"), Some(WorkRule::Twap { over: minutes, slices: 6 }));
        assert_eq!(rule("vwap:1h"), Some(WorkRule::Vwap { over: hours(1), slices: 10 }));
        assert_eq!(rule("pov:10%"), Some(WorkRule::Pov { share: Rate::from_bps(1_000), deadline: hours(4) }));
        assert_eq!(rule("pov:2.5%:2h"), Some(WorkRule::Pov { share: Rate::from_bps(250), deadline: hours(2) }));
        let shortfall =
            |slices, risk_aversion, impact| Some(WorkRule::Shortfall { over: hours(1), slices, risk_aversion, impact });
        assert_eq!(rule("is:1h"), shortfall(10, 1e-6, 0.01));
        assert_eq!(rule("is:1h:6:1e-5:50"), shortfall(6, 1e-5, 0.005));
        assert_eq!(rule("passive:1h"), Some(WorkRule::Passive { patience: hours(1), then: Rest::Take }));
        assert_eq!(rule("passive:1h:give-up"), Some(WorkRule::Passive { patience: hours(1), then: Rest::GiveUp }));
        let iceberg = |shown, deadline, then| Some(WorkRule::Iceberg { shown, deadline, then });
        let half = Shown::Quantity(testkit::quantity("0.5"));
        assert_eq!(rule("iceberg:0.5"), iceberg(half, hours(4), Rest::GiveUp));
        assert_eq!(rule("iceberg:5%:1h:take"), iceberg(Shown::Share(Rate::from_bps(500)), hours(1), Rest::Take));
        let auto = |urgency, thresholds| Some(WorkRule::Auto { urgency, thresholds });
        assert_eq!(rule("auto"), auto(Urgency::Normal, Thresholds::STANDARD));
        let moved = Thresholds { small: 0.02, large: 0.2, wide: 0.0005, ..Thresholds::STANDARD };
        assert_eq!(rule("auto:high:2%:20%:5"), auto(Urgency::High, moved));
        for bad in [
            "",
            "twap",
            "twap:30",
            "twap:0m",
            "twap:30m:0",
            "twap:30m:6:1",
            "twap:30m:99999",
            "vwap:1h:x",
            "pov",
            "pov:10",
            "pov:0%",
            "pov:101%",
            "pov:10%:1",
            "is",
            "is:1h:0",
            "is:1h:5:-1",
            "is:1h:5:NaN",
            "is:1h:5:1:0",
            "passive",
            "passive:1h:keep",
            "iceberg",
            "iceberg:0",
            "iceberg:-1",
            "iceberg:0%",
            "iceberg:1:1h:keep",
            "auto:",
            "auto:soon",
            "auto:low:1%",
            "hold:1h",
            "TWAP:30m",
        ] {
            let error = WorkRule::parse(bad).unwrap_err();
            assert!(error.contains(bad) && error.contains("expected none, twap:OVER"), "{bad}: {error}");
        }
        for (bad, expected) in [
            ("twap:30m:20000", "slices: expected"),
            ("auto:low:20%:10%:5", "small and large"),
            ("auto:low:1%:10%:0", "wide"),
        ] {
            let error = WorkRule::parse(bad).unwrap_err();
            assert!(error.contains(bad) && error.contains(expected), "{bad}: {error}");
        }
    }

    #[test]
    fn volume_and_volatility_are_what_was_seen() {
        let mut planner = Planner::new(WorkRule::parse("is:1h:6").unwrap().unwrap());
        assert_eq!(planner.style(UnixNanos(0), 100.0).name(), "twap", "nothing is known yet");
        let mut close = 100.0;
        for minute in 0..200u64 {
            close *= if minute % 2 == 0 { 1.01 } else { 1.0 / 1.01 };
            planner.update(UnixNanos((minute + 1) * 60_000_000_000), close, 30.0);
        }
        let WorkStyle::ImplementationShortfall { model, .. } = planner.style(UnixNanos(0), 200.0) else {
            panic!("known")
        };
        // One per cent a minute; half a unit a second; one per cent of 200 at that pace.
        let volatility = 200.0 * (0.01 * 0.01 / 60.0_f64).sqrt();
        assert!((model.volatility / volatility - 1.0).abs() < 0.02, "{model:?}");
        assert!((model.temporary - 0.01 * 200.0 / 0.5).abs() < 1e-9, "{model:?}");
        let auto = Planner { rule: WorkRule::parse("auto").unwrap().unwrap(), ..planner.clone() };
        let WorkStyle::Auto { flow, .. } = auto.style(UnixNanos(9), 200.0) else { panic!("auto") };
        assert!((flow.volume_per_hour.unwrap() - 1_800.0).abs() < 1e-6);
        let still = Planner { volume: 0.0, ..planner };
        assert_eq!(still.style(UnixNanos(0), 200.0).name(), "twap", "no volume, no pace");
    }

    #[test]
    fn the_usual_volume_is_learned_by_time_of_day() {
        let rule = WorkRule::parse("vwap:1h:6").unwrap().unwrap();
        let mut planner = Planner::new(rule);
        assert_eq!(planner.style(UnixNanos(0), 1.0).name(), "twap");
        // Two days of minutes: twice as much from 12:00 to 12:30 as at any other time.
        for minute in 0..2 * 1_440u64 {
            let noon = (720..750).contains(&(minute % 1_440));
            planner.update(UnixNanos((minute + 1) * 60_000_000_000), 100.0, if noon { 2.0 } else { 1.0 });
        }
        let WorkStyle::Vwap { profile, .. } = planner.style(UnixNanos(0), 100.0) else { panic!("learned") };
        assert_eq!(profile.0[24], u16::MAX);
        assert!((0..48).filter(|at| *at != 24).all(|at| profile.0[at] == u16::MAX / 2), "{profile:?}");
        let mut bytes = Vec::new();
        planner.save(&mut bytes);
        let mut again = Planner::new(rule);
        again.load(&mut Reader::new(&bytes)).unwrap();
        let mut saved = Vec::new();
        again.save(&mut saved);
        assert_eq!((bytes == saved, again.style(UnixNanos(0), 100.0)), (true, planner.style(UnixNanos(0), 100.0)));
        // One half hour of a day was seen: the others count as that one.
        let mut young = Planner::new(rule);
        for minute in 0..31u64 {
            young.update(UnixNanos((minute + 1) * 60_000_000_000), 100.0, 1.0);
        }
        let WorkStyle::Vwap { profile, .. } = young.style(UnixNanos(0), 100.0) else { panic!("learned") };
        assert_eq!(profile, VolumeProfile([u16::MAX; TIMES_OF_DAY]));
    }
}
