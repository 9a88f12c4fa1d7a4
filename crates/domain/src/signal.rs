//! Signals: what a strategy wants. Never an order: `risk` validates it, sizes it and may refuse it.

use crate::account::{AccountId, index};
use crate::digest::{Digest, Digestible};
use crate::group::GroupRequest;
use crate::instrument::InstrumentIdx;
use crate::order::TrailOffset;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::rate::Rate;
use crate::time::{Nanos, UnixNanos};
use crate::work::WorkRequest;
use serde::{Deserialize, Serialize};

index! {
    /// A strategy instance, numbered densely by the run's configuration.
    StrategyIdx(u16)
}

impl StrategyIdx {
    /// Whose a position is that no strategy of ours brought about: executions that belong to no order that we know.
    pub const OUTSIDE: Self = Self(u16::MAX);
}

/// What is wanted of the strategy's own position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Intent {
    /// Be long.
    EnterLong,
    /// Be short.
    EnterShort,
    /// Be flat.
    Exit,
}

/// How large an entry is asked to be. Limits may still refuse it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SizeRequest {
    /// All free quote currency.
    AllIn,
    /// A fraction of the account's equity.
    EquityFraction(Rate),
    /// A fixed quantity of base.
    Base(Quantity),
    /// As much as the strategy's share of the position limit allows.
    Cap,
    /// All that the strategy holds: exits.
    Position,
}

/// How the entry is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// At the market.
    Market,
    /// At a price or better.
    Limit(Price),
    /// At the market, once it trades at a price or worse: a buy at or above, a sell at or below.
    Stop(Price),
}

/// Where the protective stop goes, and how long the position may be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopPlan {
    /// At a price.
    Price(Price),
    /// At a distance from the average entry price.
    Distance(Price),
    /// At a fraction of the average entry price away from it.
    Fraction(Rate),
    /// At a distance behind the best price since the entry.
    Trail(Price),
    /// At a fraction of the best price since the entry behind it.
    TrailFraction(Rate),
    /// At a level, and out at the market when the position was held for that long.
    Timed {
        /// Where it goes.
        level: StopLevel,
        /// The longest time from the first fill; longer than nothing.
        hold_max: Nanos,
    },
}

/// Where a protective stop goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopLevel {
    /// At a price.
    Price(Price),
    /// At a distance from the average entry price.
    Distance(Price),
    /// At a fraction of the average entry price away from it.
    Fraction(Rate),
    /// At a distance behind the best price since the entry.
    Trail(Price),
    /// At a fraction of the best price since the entry behind it.
    TrailFraction(Rate),
}

impl StopPlan {
    /// A level, with a longest time or without.
    #[must_use]
    pub const fn new(level: StopLevel, hold_max: Option<Nanos>) -> Self {
        match (hold_max, level) {
            (Some(hold_max), level) => Self::Timed { level, hold_max },
            (None, StopLevel::Price(price)) => Self::Price(price),
            (None, StopLevel::Distance(distance)) => Self::Distance(distance),
            (None, StopLevel::Fraction(fraction)) => Self::Fraction(fraction),
            (None, StopLevel::Trail(distance)) => Self::Trail(distance),
            (None, StopLevel::TrailFraction(fraction)) => Self::TrailFraction(fraction),
        }
    }

    /// Where it goes.
    #[must_use]
    pub const fn level(self) -> StopLevel {
        match self {
            Self::Price(price) => StopLevel::Price(price),
            Self::Distance(distance) => StopLevel::Distance(distance),
            Self::Fraction(fraction) => StopLevel::Fraction(fraction),
            Self::Trail(distance) => StopLevel::Trail(distance),
            Self::TrailFraction(fraction) => StopLevel::TrailFraction(fraction),
            Self::Timed { level, .. } => level,
        }
    }

    /// How long the position may be held.
    #[must_use]
    pub const fn hold_max(self) -> Option<Nanos> {
        match self {
            Self::Timed { hold_max, .. } => Some(hold_max),
            Self::Price(_) | Self::Distance(_) | Self::Fraction(_) | Self::Trail(_) | Self::TrailFraction(_) => None,
        }
    }

    /// How far it follows behind the best price, if it does.
    #[must_use]
    pub const fn trail(self) -> Option<TrailOffset> {
        match self.level() {
            StopLevel::Trail(distance) => Some(TrailOffset::Distance(distance)),
            StopLevel::TrailFraction(fraction) => Some(TrailOffset::Fraction(fraction)),
            StopLevel::Price(_) | StopLevel::Distance(_) | StopLevel::Fraction(_) => None,
        }
    }
}

impl Digestible for StopPlan {
    fn digest(&self, d: &mut Digest) {
        if let Self::Timed { hold_max, .. } = self {
            d.word(6);
            d.word(hold_max.0);
        }
        match self.level() {
            StopLevel::Price(price) => {
                d.word(1);
                d.wide(price.raw());
            }
            StopLevel::Distance(distance) => {
                d.word(2);
                d.wide(distance.raw());
            }
            StopLevel::Fraction(fraction) => {
                d.word(3);
                d.int(fraction.raw());
            }
            StopLevel::Trail(distance) => {
                d.word(4);
                d.wide(distance.raw());
            }
            StopLevel::TrailFraction(fraction) => {
                d.word(5);
                d.int(fraction.raw());
            }
        }
    }
}

/// What the validator knows of a strategy's past. Filled from the strategy's own ledger, never invented by the strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignalStatistics {
    /// Share of past trades that won.
    pub win_probability: f64,
    /// Mean gain of those, as a fraction of the notional.
    pub mean_win: f64,
    /// Mean loss of the others, as a positive fraction of the notional.
    pub mean_loss: f64,
    /// Expected fees of a round trip, as a fraction of the notional.
    pub fees: f64,
    /// Expected slippage of a round trip, as a fraction of the notional.
    pub slippage: f64,
    /// Mean time in a position.
    pub holding_period: Nanos,
    /// How many past trades that rests on.
    pub samples: u32,
}

/// A strategy's wish, complete: a field that is missing here cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Signal {
    /// What is wanted.
    pub intent: Intent,
    /// How large.
    pub size: SizeRequest,
    /// How to enter.
    pub entry: Entry,
    /// Where the protective stop goes. An entry without one is refused while risk is on.
    pub stop: Option<StopPlan>,
    /// Where profit is taken.
    pub target: Option<Price>,
    /// How sure, from 0 to 1. NaN is refused.
    pub confidence: f64,
    /// What is known of the past; `None` passes as `no-statistics`, recorded as such.
    pub statistics: Option<SignalStatistics>,
    /// The price that the strategy saw, a mantissa.
    pub reference: i64,
    /// The strategy's own number for its reason, shown by reports.
    pub tag: u32,
    /// The account.
    pub account: AccountId,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// The strategy.
    pub strategy: StrategyIdx,
}

impl Digestible for Signal {
    fn digest(&self, d: &mut Digest) {
        d.word(
            self.intent as u64
                | u64::from(self.account.0) << 8
                | u64::from(self.instrument.0) << 24
                | u64::from(self.strategy.0) << 40,
        );
        d.word(u64::from(self.tag));
        d.int(self.reference);
        d.float(self.confidence);
        match self.size {
            SizeRequest::AllIn => d.word(1),
            SizeRequest::EquityFraction(rate) => {
                d.word(2);
                d.int(rate.raw());
            }
            SizeRequest::Base(quantity) => {
                d.word(3);
                d.wide(quantity.raw());
            }
            SizeRequest::Cap => d.word(4),
            SizeRequest::Position => d.word(5),
        }
        match self.entry {
            Entry::Market => d.word(1),
            Entry::Limit(price) => {
                d.word(2);
                d.wide(price.raw());
            }
            Entry::Stop(price) => {
                d.word(3);
                d.wide(price.raw());
            }
        }
        match self.stop {
            None => d.word(0),
            Some(plan) => plan.digest(d),
        }
        match self.target {
            None => d.word(0),
            Some(price) => {
                d.word(1);
                d.wide(price.raw());
            }
        }
        match self.statistics {
            None => d.word(0),
            Some(s) => {
                d.word(1);
                for value in [s.win_probability, s.mean_win, s.mean_loss, s.fees, s.slippage] {
                    d.float(value);
                }
                d.word(s.holding_period.0);
                d.word(u64::from(s.samples));
            }
        }
    }
}

/// A strategy asks to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerRequest {
    /// The strategy.
    pub strategy: StrategyIdx,
    /// Its own number for the timer, given back when it fires.
    pub id: u32,
    /// When.
    pub at: UnixNanos,
}

/// A strategy asks a model for its output, which comes back as a `ModelOutput` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InferRequest {
    /// The strategy.
    pub strategy: StrategyIdx,
    /// Which model.
    pub model: u32,
    /// The instant up to which the model may look.
    pub as_of: UnixNanos,
}

/// Everything that a strategy can say.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "outputs live in one reused buffer; a box would allocate on the hot path")]
pub enum Output {
    /// A wish to trade.
    Signal(Signal),
    /// A wish to be woken.
    Timer(TimerRequest),
    /// A wish for a model's output.
    Infer(InferRequest),
    /// A wish to trade that is to be worked in parts.
    Work(WorkRequest),
    /// A wish for entries that belong together.
    Group(GroupRequest),
}
