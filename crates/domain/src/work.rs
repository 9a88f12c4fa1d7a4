//! Work: a large entry or exit that is to be traded in parts, and how.
//!
//! In:  a strategy's wish, beside the signal itself.
//! Out: plain data for `execution`, which makes child orders of it, one after the other.
//! Nothing here decides when a part is sent; the schedules do (`execution::schedule`). All spans count from the instant at which the work
//! begins.

use crate::digest::{Digest, Digestible};
use crate::quantity::Quantity;
use crate::rate::Rate;
use crate::signal::Signal;
use crate::time::{Nanos, UnixNanos};
use crate::{stored_enum, stored_struct};

/// A wish to trade that is to be worked: the signal says what, the style how.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkRequest {
    /// What is wanted.
    pub signal: Signal,
    /// How it is worked.
    pub style: WorkStyle,
}

/// How a large order is worked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WorkStyle {
    /// Equal parts at equal distances in time.
    Twap {
        /// How long it takes.
        over: Nanos,
        /// How many parts.
        slices: u16,
    },
    /// Parts at equal distances in time, each as large as the market's usual volume of its time.
    Vwap {
        /// How long it takes.
        over: Nanos,
        /// How many parts.
        slices: u16,
        /// The usual volume by time of day.
        profile: VolumeProfile,
    },
    /// A share of what the market trades, until a deadline.
    Pov {
        /// The share: above 0 and at most 1.
        share: Rate,
        /// When it ends.
        deadline: Nanos,
    },
    /// The trajectory of least cost and risk together (Almgren and Chriss).
    ImplementationShortfall {
        /// How long it takes.
        over: Nanos,
        /// How many parts.
        slices: u16,
        /// What that rests on.
        model: ImpactModel,
    },
    /// Rests at the best price of its own side; what is not filled when patience ends is taken from the market, or given up.
    PassiveThenAggressive {
        /// How long it rests.
        patience: Nanos,
        /// What becomes of the rest of an entry. The rest of an exit is always taken from the market.
        then: Rest,
    },
    /// Rests with a part of it shown at a time; the next part follows when the one before is filled.
    Iceberg {
        /// How much is shown.
        shown: Shown,
        /// When it ends; what is not filled by then becomes what `then` says.
        deadline: Nanos,
        /// What becomes of the rest of an entry. The rest of an exit is always taken from the market.
        then: Rest,
    },
    /// One of the above, chosen when the work begins.
    Auto {
        /// How much time counts.
        urgency: Urgency,
        /// What is known of the market beside its prices.
        flow: Flow,
        /// Where the choice turns.
        thresholds: Thresholds,
    },
}

/// What becomes of the part of an entry that is not filled at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It is taken from the market.
    Take,
    /// It is given up.
    GiveUp,
}

/// How much of an iceberg is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A quantity.
    Quantity(Quantity),
    /// A share of the whole: above 0 and at most 1.
    Share(Rate),
}

/// How much time counts beside cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Urgency {
    /// Cost counts more.
    Low,
    /// Both count.
    Normal,
    /// Time counts more.
    High,
}

/// What the trajectory of Almgren and Chriss rests on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImpactModel {
    /// How much variance of the cost is disliked, per unit of quote; 0 for not at all.
    pub risk_aversion: f64,
    /// Standard deviation of the price in quote, per square root of a second.
    pub volatility: f64,
    /// Temporary impact: quote by which the price is worse, per unit of base traded in a second.
    pub temporary: f64,
    /// Permanent impact: quote by which the price stays moved, per unit of base.
    pub permanent: f64,
}

/// How many times of day a profile has: half hours, the first from 00:00 UTC.
pub const TIMES_OF_DAY: usize = 48;

/// The market's usual volume in each half hour of the day (UTC), in any unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumeProfile(pub [u16; TIMES_OF_DAY]);

/// What a choice of schedule knows of the market beside its prices. What is `None` is not known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Flow {
    /// Units of base that the market usually trades in an hour.
    pub volume_per_hour: Option<f64>,
    /// For a trajectory of least cost and risk.
    pub model: Option<ImpactModel>,
    /// How toxic the flow is, from 0 to 1: how probably those who trade know more.
    pub toxicity: Option<f64>,
    /// When all of this was measured.
    pub as_of: UnixNanos,
}

/// Where the choice of a schedule turns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// Up to this share of an hour's volume an order is small.
    pub small: f64,
    /// From this share of an hour's volume on it is large.
    pub large: f64,
    /// From this fraction of the price on a spread is wide.
    pub wide: f64,
    /// From this toxicity on flow is toxic. `None`: toxicity is not looked at.
    pub toxic: Option<f64>,
    /// The oldest measurement of toxicity that counts.
    pub age_max: Nanos,
}

impl Thresholds {
    /// One and ten percent of an hour's volume, a spread of ten basis points; toxicity is not looked at.
    pub const STANDARD: Self =
        Self { small: 0.01, large: 0.1, wide: 0.001, toxic: None, age_max: Nanos::from_secs(300) };
}

/// Why work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WorkEnd {
    /// All of it is filled, but for less than the venue's smallest order.
    Filled,
    /// Its time is over; the rest was given up.
    Deadline,
    /// The strategy said something else of the position.
    Replaced,
    /// The position is being closed, by its own stop or target or because that was asked for.
    Closing,
    /// New risk is paused, or trading stopped.
    Paused,
    /// The gate or the venue refused its parts too often, one after the other; the rest was given up.
    Refused,
    /// Nothing is held any more.
    Flat,
    /// The rest of an exit goes at the market.
    Market,
}

impl WorkEnd {
    /// Its name in records and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filled => "filled",
            Self::Deadline => "deadline",
            Self::Replaced => "replaced",
            Self::Closing => "closing",
            Self::Paused => "paused",
            Self::Refused => "refused",
            Self::Flat => "flat",
            Self::Market => "market",
        }
    }
}

/// The most parts that a schedule may have.
pub const SLICES_MAX: u16 = 10_000;

impl WorkStyle {
    /// Its name in records and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Twap { .. } => "twap",
            Self::Vwap { .. } => "vwap",
            Self::Pov { .. } => "pov",
            Self::ImplementationShortfall { .. } => "implementation-shortfall",
            Self::PassiveThenAggressive { .. } => "passive-then-aggressive",
            Self::Iceberg { .. } => "iceberg",
            Self::Auto { .. } => "auto",
        }
    }

    /// How long it takes at most; nothing for one that is still to be chosen.
    #[must_use]
    pub const fn span(&self) -> Nanos {
        match self {
            Self::Twap { over, .. } | Self::Vwap { over, .. } | Self::ImplementationShortfall { over, .. } => *over,
            Self::Pov { deadline, .. } | Self::Iceberg { deadline, .. } => *deadline,
            Self::PassiveThenAggressive { patience, .. } => *patience,
            Self::Auto { .. } => Nanos(0),
        }
    }

    /// Holds its numbers to their ranges.
    ///
    /// # Errors
    /// What is wrong, and what was expected.
    pub fn validate(&self) -> Result<(), &'static str> {
        let parts = |over: Nanos, slices: u16| {
            if slices == 0 || slices > SLICES_MAX {
                Err("slices: expected from 1 to 10000")
            } else if over.0 / u64::from(slices) == 0 {
                Err("over: expected at least one nanosecond for each slice")
            } else {
                Ok(())
            }
        };
        let lasts = |span: Nanos| if span.0 == 0 { Err("a span of time: expected more than nothing") } else { Ok(()) };
        let share = |rate: Rate| {
            if rate > Rate::ZERO && rate <= Rate::ONE { Ok(()) } else { Err("a share: expected above 0 and at most 1") }
        };
        match *self {
            Self::Twap { over, slices } => parts(over, slices),
            Self::Vwap { over, slices, profile } => {
                parts(over, slices)?;
                if profile.0.iter().all(|volume| *volume == 0) { Err("profile: expected some volume") } else { Ok(()) }
            }
            Self::Pov { share: of, deadline } => share(of).and_then(|()| lasts(deadline)),
            Self::ImplementationShortfall { over, slices, model } => {
                parts(over, slices).and_then(|()| model.validate()).and_then(|()| {
                    let tau = over.0 as f64 / 1e9 / f64::from(slices);
                    // Else the cost would have no least: Almgren and Chriss ask for it, too.
                    if model.permanent * tau / 2.0 < model.temporary {
                        Ok(())
                    } else {
                        Err("permanent impact: expected less than twice the temporary one over the length of a slice")
                    }
                })
            }
            Self::PassiveThenAggressive { patience, .. } => lasts(patience),
            Self::Iceberg { shown, deadline, .. } => {
                lasts(deadline)?;
                match shown {
                    Shown::Share(of) => share(of),
                    Shown::Quantity(quantity) if quantity > Quantity::ZERO => Ok(()),
                    Shown::Quantity(_) => Err("shown: expected a quantity above 0"),
                }
            }
            Self::Auto { thresholds, .. } => thresholds.validate(),
        }
    }
}

impl ImpactModel {
    /// Holds its numbers to their ranges.
    ///
    /// # Errors
    /// What is wrong, and what was expected.
    pub fn validate(&self) -> Result<(), &'static str> {
        let least = |value: f64| value.is_finite() && value >= 0.0;
        if !least(self.risk_aversion) {
            Err("risk aversion: expected a number of at least 0")
        } else if !least(self.volatility) {
            Err("volatility: expected a number of at least 0")
        } else if !(self.temporary.is_finite() && self.temporary > 0.0) {
            Err("temporary impact: expected a number above 0")
        } else if !least(self.permanent) {
            Err("permanent impact: expected a number of at least 0")
        } else {
            Ok(())
        }
    }
}

impl Thresholds {
    /// Holds its numbers to their ranges.
    ///
    /// # Errors
    /// What is wrong, and what was expected.
    pub fn validate(&self) -> Result<(), &'static str> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        if !(positive(self.small) && positive(self.large) && self.small < self.large) {
            Err("small and large: expected shares of an hour's volume above 0, small below large")
        } else if !positive(self.wide) {
            Err("wide: expected a fraction of the price above 0")
        } else if self.toxic.is_some_and(|toxic| !positive(toxic) || toxic > 1.0) {
            Err("toxic: expected a number above 0 and at most 1")
        } else {
            Ok(())
        }
    }
}

/// Nanoseconds in a half hour, and in a day.
const TIME_OF_DAY: u64 = 1_800_000_000_000;
const DAY: u64 = TIME_OF_DAY * TIMES_OF_DAY as u64;

impl VolumeProfile {
    /// The same volume at all times.
    pub const FLAT: Self = Self([1; TIMES_OF_DAY]);

    /// The usual volume from one instant to a later one, in the profile's unit times nanoseconds; exact.
    #[must_use]
    pub fn between(&self, from: UnixNanos, to: UnixNanos) -> u128 {
        if to <= from {
            return 0;
        }
        let whole: u128 = self.0.iter().map(|v| u128::from(*v)).sum::<u128>() * u128::from(TIME_OF_DAY);
        let (days, rest) = ((to.0 - from.0) / DAY, (to.0 - from.0) % DAY);
        let (mut at, mut left, mut sum) = (from.0 % DAY, rest, whole * u128::from(days));
        // Within a day at most every time of day and a part of the first once more.
        while left > 0 {
            let time = at / TIME_OF_DAY;
            let here = left.min((time + 1) * TIME_OF_DAY - at);
            let volume = usize::try_from(time).ok().and_then(|time| self.0.get(time)).copied().unwrap_or(0);
            sum += u128::from(volume) * u128::from(here);
            (at, left) = ((at + here) % DAY, left - here);
        }
        sum
    }
}

stored_struct!(WorkRequest { signal, style });
stored_enum!(WorkEnd, "an end of work" {
    1 => Filled,
    2 => Deadline,
    3 => Replaced,
    4 => Closing,
    5 => Paused,
    6 => Refused,
    7 => Flat,
    8 => Market,
});
stored_enum!(Rest, "what becomes of the rest" { 1 => Take, 2 => GiveUp });
stored_enum!(Shown, "what is shown" { 1 => Quantity(quantity), 2 => Share(share) });
stored_enum!(Urgency, "an urgency" { 1 => Low, 2 => Normal, 3 => High });
stored_struct!(ImpactModel { risk_aversion, volatility, temporary, permanent });
stored_struct!(Flow { volume_per_hour, model, toxicity, as_of });
stored_struct!(Thresholds { small, large, wide, toxic, age_max });
stored_enum!(WorkStyle, "a style of work" {
    1 => Twap { over, slices },
    2 => Vwap { over, slices, profile },
    3 => Pov { share, deadline },
    4 => ImplementationShortfall { over, slices, model },
    5 => PassiveThenAggressive { patience, then },
    6 => Iceberg { shown, deadline, then },
    7 => Auto { urgency, flow, thresholds },
});

impl crate::codec::Stored for VolumeProfile {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut crate::codec::Reader<'_>) -> Result<Self, crate::codec::CodecError> {
        crate::codec::Stored::take(from).map(Self)
    }
}

impl Digestible for ImpactModel {
    fn digest(&self, d: &mut Digest) {
        [self.risk_aversion, self.volatility, self.temporary, self.permanent].iter().for_each(|x| d.float(*x));
    }
}

impl Digestible for WorkStyle {
    fn digest(&self, d: &mut Digest) {
        match *self {
            Self::Twap { over, slices } => {
                d.word(1 | u64::from(slices) << 8);
                d.word(over.0);
            }
            Self::Vwap { over, slices, profile } => {
                d.word(2 | u64::from(slices) << 8);
                d.word(over.0);
                for four in profile.0.chunks(4) {
                    d.word(four.iter().fold(0, |word, volume| word << 16 | u64::from(*volume)));
                }
            }
            Self::Pov { share, deadline } => {
                d.word(3);
                d.int(share.raw());
                d.word(deadline.0);
            }
            Self::ImplementationShortfall { over, slices, model } => {
                d.word(4 | u64::from(slices) << 8);
                d.word(over.0);
                model.digest(d);
            }
            Self::PassiveThenAggressive { patience, then } => {
                d.word(5 | (then as u64) << 8);
                d.word(patience.0);
            }
            Self::Iceberg { shown, deadline, then } => {
                d.word(6 | (then as u64) << 8);
                match shown {
                    Shown::Quantity(quantity) => d.wide(quantity.raw()),
                    Shown::Share(share) => d.int(share.raw()),
                }
                d.word(deadline.0);
            }
            Self::Auto { urgency, flow, thresholds } => {
                d.word(7 | (urgency as u64) << 8);
                let unknown = |value: Option<f64>| value.unwrap_or(f64::NAN);
                d.float(unknown(flow.volume_per_hour));
                d.word(u64::from(flow.model.is_some()));
                flow.model.iter().for_each(|model| model.digest(d));
                d.float(unknown(flow.toxicity));
                d.word(flow.as_of.0);
                [thresholds.small, thresholds.large, thresholds.wide].iter().for_each(|x| d.float(*x));
                d.float(unknown(thresholds.toxic));
                d.word(thresholds.age_max.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Reader, Stored, from_bytes, to_bytes};

    const HOUR: Nanos = Nanos::from_secs(3_600);
    const MODEL: ImpactModel = ImpactModel { risk_aversion: 1e-6, volatility: 4.0, temporary: 300.0, permanent: 0.01 };

    fn styles() -> Vec<WorkStyle> {
        let flow = Flow { volume_per_hour: Some(12.5), model: Some(MODEL), toxicity: None, as_of: UnixNanos(7) };
        let thresholds = Thresholds { toxic: Some(0.7), ..Thresholds::STANDARD };
        let mut profile = VolumeProfile::FLAT;
        profile.0[47] = 9;
        vec![
            WorkStyle::Twap { over: HOUR, slices: 6 },
            WorkStyle::Vwap { over: HOUR, slices: 6, profile },
            WorkStyle::Pov { share: Rate::from_bps(1_000), deadline: HOUR },
            WorkStyle::ImplementationShortfall { over: HOUR, slices: 12, model: MODEL },
            WorkStyle::PassiveThenAggressive { patience: HOUR, then: Rest::GiveUp },
            WorkStyle::PassiveThenAggressive { patience: HOUR, then: Rest::Take },
            WorkStyle::Iceberg { shown: Shown::Quantity(Quantity::from_units(2)), deadline: HOUR, then: Rest::Take },
            WorkStyle::Iceberg { shown: Shown::Share(Rate::from_bps(500)), deadline: HOUR, then: Rest::GiveUp },
            WorkStyle::Auto { urgency: Urgency::High, flow, thresholds },
        ]
    }

    fn digest(style: &WorkStyle) -> u128 {
        let mut d = Digest::default();
        style.digest(&mut d);
        d.value()
    }

    #[test]
    fn every_style_comes_back_and_differs_from_the_others() {
        let all = styles();
        for (at, style) in all.iter().enumerate() {
            assert_eq!(style.validate(), Ok(()), "{style:?}");
            let bytes = to_bytes(style);
            assert_eq!(from_bytes::<WorkStyle>(&bytes).as_ref(), Ok(style));
            for end in 0..bytes.len() {
                assert!(WorkStyle::take(&mut Reader::new(&bytes[..end])).is_err(), "{style:?}, {end} bytes");
            }
            assert!(all[..at].iter().all(|other| digest(other) != digest(style)), "{style:?}");
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let bad = [
            (WorkStyle::Twap { over: HOUR, slices: 0 }, "slices"),
            (WorkStyle::Twap { over: HOUR, slices: SLICES_MAX + 1 }, "slices"),
            (WorkStyle::Twap { over: Nanos(5), slices: 6 }, "over"),
            (WorkStyle::Vwap { over: HOUR, slices: 6, profile: VolumeProfile([0; TIMES_OF_DAY]) }, "profile"),
            (WorkStyle::Pov { share: Rate::ZERO, deadline: HOUR }, "share"),
            (WorkStyle::Pov { share: Rate::from_bps(10_001), deadline: HOUR }, "share"),
            (WorkStyle::Pov { share: Rate::ONE, deadline: Nanos(0) }, "span"),
            (WorkStyle::PassiveThenAggressive { patience: Nanos(0), then: Rest::Take }, "span"),
            (WorkStyle::Iceberg { shown: Shown::Quantity(Quantity::ZERO), deadline: HOUR, then: Rest::Take }, "shown"),
        ];
        for (style, expected) in bad {
            assert!(style.validate().unwrap_err().contains(expected), "{style:?}");
        }
        for (model, expected) in [
            (ImpactModel { volatility: f64::NAN, ..MODEL }, "volatility"),
            (ImpactModel { risk_aversion: -1.0, ..MODEL }, "risk aversion"),
            (ImpactModel { temporary: 0.0, ..MODEL }, "temporary"),
            (ImpactModel { permanent: f64::INFINITY, ..MODEL }, "permanent"),
        ] {
            let style = WorkStyle::ImplementationShortfall { over: HOUR, slices: 2, model };
            assert!(style.validate().unwrap_err().contains(expected), "{model:?}");
        }
        let steep = ImpactModel { permanent: 0.6, temporary: 300.0, ..MODEL };
        let style = WorkStyle::ImplementationShortfall { over: HOUR, slices: 3, model: steep };
        assert!(style.validate().unwrap_err().contains("twice the temporary"), "{style:?}");
        for (thresholds, expected) in [
            (Thresholds { small: 0.2, ..Thresholds::STANDARD }, "small"),
            (Thresholds { wide: f64::NAN, ..Thresholds::STANDARD }, "wide"),
            (Thresholds { toxic: Some(1.5), ..Thresholds::STANDARD }, "toxic"),
        ] {
            assert!(thresholds.validate().unwrap_err().contains(expected), "{thresholds:?}");
        }
    }

    #[test]
    fn volume_is_counted_over_half_hours_and_midnights() {
        let mut profile = VolumeProfile([0; TIMES_OF_DAY]);
        (profile.0[47], profile.0[0]) = (3, 5);
        let at = |half_hours: u64, rest: u64| UnixNanos(DAY * 100 + half_hours * TIME_OF_DAY + rest);
        assert_eq!(profile.between(at(46, 0), at(47, 0)), 0);
        assert_eq!(profile.between(at(46, 10), at(47, 4)), 12);
        // The last half hour of a day and the first of the next.
        assert_eq!(profile.between(at(47, 0), at(49, 0)), 8 * u128::from(TIME_OF_DAY));
        assert_eq!(profile.between(at(47, 5), at(47 + 96, 5)), 16 * u128::from(TIME_OF_DAY));
        assert_eq!(profile.between(at(3, 0), at(3, 0)), 0);
        assert_eq!(VolumeProfile::FLAT.between(at(3, 1), at(90, 3)), u128::from(87 * TIME_OF_DAY + 2));
    }
}
