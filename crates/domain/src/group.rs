//! Groups: entries that belong together, asked for as one wish. Either the whole of it passes the checks or none of it leaves.
//!
//! In:  what a strategy says ([`crate::Output::Group`]).
//! Out: plain data that `risk` validates leg by leg and checks as a unit, and that `execution` carries out.
//! Stops and targets of the position that a leg opens are the leg's own and say the same as those of a signal: once it is filled they are
//! a pair of which one takes the other off.

use crate::account::AccountId;
use crate::digest::{Digest, Digestible};
use crate::instrument::InstrumentIdx;
use crate::order::{Side, TimeInForce};
use crate::price::Price;
use crate::quantity::Quantity;
use crate::signal::{Entry, Intent, Signal, SizeRequest, StopPlan, StrategyIdx};
use crate::time::Nanos;
use crate::{stored_enum, stored_struct};
use serde::{Deserialize, Serialize};

/// The most legs that a group has.
pub const LEGS_MAX: usize = 4;

/// One entry of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Which way; never [`Intent::Exit`].
    pub intent: Intent,
    /// How large.
    pub size: SizeRequest,
    /// How it is made.
    pub entry: Entry,
    /// How long it works. A pair that takes each other off must rest: until it is filled, or until an instant.
    pub time_in_force: TimeInForce,
    /// Where the protective stop of the position goes.
    pub stop: Option<StopPlan>,
    /// Where profit is taken.
    pub target: Option<Price>,
    /// The price that the strategy saw, a mantissa.
    pub reference: i64,
    /// The instrument.
    pub instrument: InstrumentIdx,
}

impl Leg {
    /// The side of its order.
    #[must_use]
    pub const fn side(&self) -> Side {
        match self.intent {
            Intent::EnterShort => Side::Sell,
            Intent::EnterLong | Intent::Exit => Side::Buy,
        }
    }
}

/// When the second order of a pair leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// With the first fill of the first order.
    FirstFill,
    /// When the first order is filled as far as it will be: completely, or (where the second follows its size) at its end.
    Filled,
}

/// How large the second order of a pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildSize {
    /// As asked, however much of the first was filled.
    AsAsked,
    /// The same share of what was asked as was filled of the first order, rounded down to the lot.
    ToFilled,
}

/// In which order the legs of a combination leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sequence {
    /// All in one step.
    Together,
    /// Each when the one before it is filled.
    OneByOne,
}

/// What is done about a combination of which a leg was refused, ended, or is not filled in time, once something of it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LegRisk {
    /// What is missing is bought (or sold) at the market; where that cannot be, as [`LegRisk::Unwind`].
    Complete,
    /// What was filled is closed at the market.
    Unwind,
}

/// How the legs of a group belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// One entry with its stop and its target.
    Bracket,
    /// Two entries in one instrument: what fills first takes the other off.
    OneCancelsOther,
    /// Two entries: the second leaves when the first is filled.
    OneTriggersOther {
        /// When.
        when: Trigger,
        /// How large.
        size: ChildSize,
    },
    /// Two to four entries that are wanted all together or not at all.
    Legs {
        /// In which order they leave.
        sequence: Sequence,
        /// How long all of it may take, from the step in which it is asked for; `None` for no limit.
        within: Option<Nanos>,
        /// What is done when it cannot be had.
        risk: LegRisk,
    },
}

impl GroupKind {
    /// Its key in records.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Bracket => "bracket",
            Self::OneCancelsOther => "one_cancels_other",
            Self::OneTriggersOther { .. } => "one_triggers_other",
            Self::Legs { .. } => "legs",
        }
    }
}

/// A strategy's wish for several entries that belong together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupRequest {
    /// How they belong together.
    pub kind: GroupKind,
    /// The legs, in their order; those that are there come first.
    pub legs: [Option<Leg>; LEGS_MAX],
    /// How sure, from 0 to 1. NaN is refused.
    pub confidence: f64,
    /// The strategy's own number for its reason, shown by reports.
    pub tag: u32,
    /// The account.
    pub account: AccountId,
    /// The strategy.
    pub strategy: StrategyIdx,
}

impl GroupRequest {
    /// A request of these legs; `None` for none or more than four.
    #[must_use]
    pub fn new(kind: GroupKind, legs: &[Leg], account: AccountId, strategy: StrategyIdx) -> Option<Self> {
        let mut held = [None; LEGS_MAX];
        if legs.is_empty() || legs.len() > LEGS_MAX {
            return None;
        }
        held.iter_mut().zip(legs).for_each(|(to, leg)| *to = Some(*leg));
        Some(Self { kind, legs: held, confidence: 1.0, tag: 0, account, strategy })
    }

    /// The legs, in their order.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter().map_while(Option::as_ref)
    }

    /// How many legs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.legs().count()
    }

    /// Whether there is no leg.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.legs[0].is_none()
    }

    /// What a leg asks for, as a signal of its own: what `risk` validates and checks.
    #[must_use]
    pub const fn signal(&self, leg: &Leg) -> Signal {
        Signal {
            intent: leg.intent,
            size: leg.size,
            entry: leg.entry,
            stop: leg.stop,
            target: leg.target,
            confidence: self.confidence,
            statistics: None,
            reference: leg.reference,
            tag: self.tag,
            account: self.account,
            instrument: leg.instrument,
            strategy: self.strategy,
        }
    }

    /// Whether legs and kind fit together; the numbers of each leg are held to their ranges by `risk`.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let there = self.legs.iter().filter(|leg| leg.is_some()).count();
        if there != self.len() || self.legs().any(|leg| leg.intent == Intent::Exit) {
            return false;
        }
        let rests = |leg: &Leg| {
            leg.entry != Entry::Market && matches!(leg.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd(_))
        };
        match self.kind {
            GroupKind::Bracket => there == 1 && self.legs().all(|leg| leg.stop.is_some() && leg.target.is_some()),
            GroupKind::OneCancelsOther => {
                let mut instruments = self.legs().map(|leg| leg.instrument);
                there == 2 && instruments.next() == instruments.next() && self.legs().all(rests)
            }
            GroupKind::OneTriggersOther { .. } => there == 2,
            // Legs of one instrument would be one position, which is none of its own to be unwound.
            GroupKind::Legs { within, .. } => {
                let twice = |at: usize, of: InstrumentIdx| self.legs().skip(at + 1).any(|leg| leg.instrument == of);
                there >= 2
                    && within != Some(Nanos(0))
                    && !self.legs().enumerate().any(|(at, leg)| twice(at, leg.instrument))
            }
        }
    }
}

/// What happened to a group, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupStep {
    /// A leg was filled first: the other order is taken off.
    Chosen,
    /// A leg that waited leaves.
    Released,
    /// A leg that waited leaves no more.
    Dropped,
    /// A leg ended before it was filled, or time is over.
    Broken,
    /// What is missing is bought or sold at the market.
    Completing,
    /// What was filled is closed.
    Unwinding,
    /// More of a leg was filled than was to be: this much is closed.
    Excess {
        /// How much.
        quantity: Quantity,
    },
    /// Nothing more will be done for it.
    Over,
    /// None of it leaves.
    Refused,
}

impl GroupStep {
    /// Its key in records.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Released => "released",
            Self::Dropped => "dropped",
            Self::Broken => "broken",
            Self::Completing => "completing",
            Self::Unwinding => "unwinding",
            Self::Excess { .. } => "excess",
            Self::Over => "over",
            Self::Refused => "refused",
        }
    }
}

stored_enum!(Trigger, "when an order triggers another" { 1 => FirstFill, 2 => Filled });
stored_enum!(ChildSize, "the size of a triggered order" { 1 => AsAsked, 2 => ToFilled });
stored_enum!(Sequence, "the order of legs" { 1 => Together, 2 => OneByOne });
stored_enum!(LegRisk, "what is done about a broken combination" { 1 => Complete, 2 => Unwind });
stored_enum!(GroupKind, "a kind of group" {
    1 => Bracket,
    2 => OneCancelsOther,
    3 => OneTriggersOther { when, size },
    4 => Legs { sequence, within, risk },
});
stored_enum!(GroupStep, "what happened to a group" {
    1 => Chosen,
    2 => Released,
    3 => Dropped,
    4 => Broken,
    5 => Completing,
    6 => Unwinding,
    7 => Excess { quantity },
    8 => Over,
    9 => Refused,
});
stored_struct!(Leg { intent, size, entry, time_in_force, stop, target, reference, instrument });
stored_struct!(GroupRequest { kind, legs, confidence, tag, account, strategy });

impl Digestible for GroupKind {
    fn digest(&self, d: &mut Digest) {
        match *self {
            Self::Bracket => d.word(1),
            Self::OneCancelsOther => d.word(2),
            Self::OneTriggersOther { when, size } => d.word(3 | (when as u64) << 8 | (size as u64) << 16),
            Self::Legs { sequence, within, risk } => {
                d.word(4 | (sequence as u64) << 8 | (risk as u64) << 16);
                d.word(within.map_or(u64::MAX, |within| within.0));
            }
        }
    }
}

impl Digestible for GroupRequest {
    fn digest(&self, d: &mut Digest) {
        self.kind.digest(d);
        for leg in self.legs() {
            self.signal(leg).digest(d);
            leg.time_in_force.digest(d);
        }
        d.word(self.len() as u64);
    }
}

impl Digestible for GroupStep {
    fn digest(&self, d: &mut Digest) {
        match *self {
            Self::Chosen => d.word(1),
            Self::Released => d.word(2),
            Self::Dropped => d.word(3),
            Self::Broken => d.word(4),
            Self::Completing => d.word(5),
            Self::Unwinding => d.word(6),
            Self::Excess { quantity } => {
                d.word(7);
                d.wide(quantity.raw());
            }
            Self::Over => d.word(8),
            Self::Refused => d.word(9),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Stored, from_bytes, to_bytes};
    use crate::rate::Rate;
    use crate::time::UnixNanos;

    fn leg(instrument: u16) -> Leg {
        Leg {
            intent: Intent::EnterLong,
            size: SizeRequest::Base(Quantity::from_units(2)),
            entry: Entry::Stop(Price::from_units(110)),
            time_in_force: TimeInForce::Gtc,
            stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
            target: Some(Price::from_units(120)),
            reference: 7,
            instrument: InstrumentIdx(instrument),
        }
    }

    fn group(kind: GroupKind, legs: &[Leg]) -> GroupRequest {
        GroupRequest::new(kind, legs, AccountId(1), StrategyIdx(2)).unwrap()
    }

    const TOGETHER: GroupKind = GroupKind::Legs { sequence: Sequence::Together, within: None, risk: LegRisk::Unwind };
    const AFTER: GroupKind = GroupKind::OneTriggersOther { when: Trigger::FirstFill, size: ChildSize::ToFilled };

    #[test]
    fn a_group_comes_back_from_its_bytes_and_its_digest_sees_every_leg() {
        let of = |g: &GroupRequest| {
            let mut d = Digest::default();
            g.digest(&mut d);
            d
        };
        let two = group(TOGETHER, &[leg(0), leg(1)]);
        assert_eq!(from_bytes::<GroupRequest>(&to_bytes(&two)), Ok(two));
        let other = Leg { time_in_force: TimeInForce::Gtd(UnixNanos(9)), ..leg(1) };
        for changed in [
            group(TOGETHER, &[leg(0), other]),
            group(TOGETHER, &[leg(0), leg(1), leg(2)]),
            group(TOGETHER, &[leg(1), leg(0)]),
            group(AFTER, &[leg(0), leg(1)]),
        ] {
            assert_ne!(of(&changed), of(&two), "{changed:?}");
        }
        for step in [GroupStep::Chosen, GroupStep::Over, GroupStep::Excess { quantity: Quantity::from_units(3) }] {
            assert_eq!(GroupStep::take(&mut crate::codec::Reader::new(&to_bytes(&step))), Ok(step));
        }
    }

    #[test]
    fn legs_fit_their_kind_or_are_no_group() {
        let (market, ioc) = (Leg { entry: Entry::Market, ..leg(0) }, Leg { time_in_force: TimeInForce::Ioc, ..leg(0) });
        let bare = Leg { target: None, ..leg(0) };
        let exit = Leg { intent: Intent::Exit, ..leg(0) };
        let pair = GroupKind::OneCancelsOther;
        for (sound, kind, legs) in [
            (true, GroupKind::Bracket, vec![leg(0)]),
            (false, GroupKind::Bracket, vec![bare]),
            (false, GroupKind::Bracket, vec![leg(0), leg(0)]),
            (true, pair, vec![leg(0), leg(0)]),
            (false, pair, vec![leg(0), leg(1)]),
            (false, pair, vec![leg(0), market]),
            (false, pair, vec![leg(0), ioc]),
            (false, pair, vec![leg(0), exit]),
            (false, pair, vec![leg(0)]),
            (true, AFTER, vec![market, leg(0)]),
            (false, AFTER, vec![leg(0), leg(1), leg(2)]),
            (true, TOGETHER, vec![leg(0), leg(1), leg(2), leg(3)]),
            (false, TOGETHER, vec![leg(0), leg(1), leg(0)]),
            (false, TOGETHER, vec![leg(0)]),
        ] {
            assert_eq!(group(kind, &legs).is_sound(), sound, "{kind:?} {legs:?}");
        }
        let zero = GroupKind::Legs { sequence: Sequence::OneByOne, within: Some(Nanos(0)), risk: LegRisk::Complete };
        assert!(!group(zero, &[leg(0), leg(1)]).is_sound());
        let mut gap = group(TOGETHER, &[leg(0), leg(1)]);
        gap.legs[3] = gap.legs[1].take();
        assert!(!gap.is_sound(), "a hole is no leg");
        assert_eq!(GroupRequest::new(TOGETHER, &[], AccountId(0), StrategyIdx(0)), None);
        assert_eq!(GroupRequest::new(TOGETHER, &[leg(0); 5], AccountId(0), StrategyIdx(0)), None);
    }
}
