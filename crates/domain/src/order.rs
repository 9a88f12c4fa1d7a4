//! Orders: the vocabulary in which they are asked for, sent and reported.
//!
//! The machine that moves an order from status to status is `execution::order_state`; the simulated venue has one of its own.

use crate::account::AccountId;
use crate::digest::{Digest, Digestible};
use crate::instrument::InstrumentIdx;
use crate::money::Money;
use crate::price::Price;
use crate::quantity::Quantity;
use crate::rate::Rate;
use crate::signal::StrategyIdx;
use crate::time::UnixNanos;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Buy or sell. (Long and short are positions.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Side {
    /// Gives quote, receives base.
    Buy,
    /// Gives base, receives quote.
    Sell,
}

impl Side {
    /// The other side.
    #[must_use]
    #[inline]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// +1 for buy, -1 for sell.
    #[must_use]
    #[inline]
    pub const fn sign(self) -> i128 {
        match self {
            Self::Buy => 1,
            Self::Sell => -1,
        }
    }
}

/// Our number of an order: prefix, account, epoch and ordinal in 128 bits, sent as 32 hexadecimal digits (fits every venue).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientOrderId(u128);

impl ClientOrderId {
    /// The first 16 bits of every order of ours: "b4" in ASCII.
    pub const PREFIX: u16 = 0x6234;

    /// The id of order number `ordinal` of an epoch (a start of the system that may send live orders).
    #[must_use]
    #[inline]
    pub const fn new(account: AccountId, epoch: u32, ordinal: u64) -> Self {
        Self((Self::PREFIX as u128) << 112 | (account.0 as u128) << 96 | (epoch as u128) << 64 | ordinal as u128)
    }

    /// Reads 32 hexadecimal digits; `None` for anything else and for ids that are not ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let id = Self(u128::from_str_radix(text, 16).ok()?);
        ((id.0 >> 112) as u16 == Self::PREFIX).then_some(id)
    }

    /// What stands for the id of an order that is not ours, in what a venue says of an account: every such order has this one.
    #[must_use]
    pub const fn foreign(account: AccountId) -> Self {
        Self::new(account, u32::MAX, 0)
    }

    /// Whether it stands for an order that is not ours.
    #[must_use]
    pub const fn is_foreign(self) -> bool {
        self.epoch() == u32::MAX && self.ordinal() == 0
    }

    /// The whole number.
    #[must_use]
    #[inline]
    pub const fn raw(self) -> u128 {
        self.0
    }

    /// The account that sent it.
    #[must_use]
    #[inline]
    pub const fn account(self) -> AccountId {
        AccountId((self.0 >> 96) as u16)
    }

    /// The epoch in which it was sent.
    #[must_use]
    #[inline]
    pub const fn epoch(self) -> u32 {
        (self.0 >> 64) as u32
    }

    /// Its number within the epoch.
    #[must_use]
    #[inline]
    pub const fn ordinal(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ClientOrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for ClientOrderId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClientOrderId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom("expected 32 hexadecimal digits that begin with 6234"))
    }
}

/// The venue's number of an order (text ids are interned at the edge).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VenueOrderId(pub u64);

/// How far a trailing stop follows behind the best price seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrailOffset {
    /// A distance in quote currency.
    Distance(Price),
    /// A fraction of the best price.
    Fraction(Rate),
}

/// What an order does at the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderType {
    /// Takes what the market offers.
    Market,
    /// Trades at `price` or better.
    Limit {
        /// The worst acceptable price.
        price: Price,
    },
    /// Becomes a market order when the market trades at `trigger` or worse (a sell at or below, a buy at or above).
    StopMarket {
        /// The price that sets it off.
        trigger: Price,
    },
    /// Becomes a limit order when the market trades at `trigger` or worse.
    StopLimit {
        /// The price that sets it off.
        trigger: Price,
        /// The limit of the order it becomes.
        price: Price,
    },
    /// Becomes a market order when the market trades at `trigger` or better (a sell at or above, a buy at or below).
    TakeProfit {
        /// The price that sets it off.
        trigger: Price,
    },
    /// A stop whose trigger follows the best price since its acceptance.
    TrailingStop {
        /// How far behind.
        offset: TrailOffset,
    },
}

impl OrderType {
    /// The limit price, where the type has one.
    #[must_use]
    pub const fn limit_price(&self) -> Option<Price> {
        match *self {
            Self::Limit { price } | Self::StopLimit { price, .. } => Some(price),
            Self::Market | Self::StopMarket { .. } | Self::TakeProfit { .. } | Self::TrailingStop { .. } => None,
        }
    }

    /// The trigger price, where the type has a fixed one.
    #[must_use]
    pub const fn trigger(&self) -> Option<Price> {
        match *self {
            Self::StopMarket { trigger } | Self::StopLimit { trigger, .. } | Self::TakeProfit { trigger } => {
                Some(trigger)
            }
            Self::Market | Self::Limit { .. } | Self::TrailingStop { .. } => None,
        }
    }

    /// Its name in reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Limit { .. } => "limit",
            Self::StopMarket { .. } => "stop-market",
            Self::StopLimit { .. } => "stop-limit",
            Self::TakeProfit { .. } => "take-profit",
            Self::TrailingStop { .. } => "trailing-stop",
        }
    }
}

/// How long an order works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeInForce {
    /// Until it is filled or cancelled.
    Gtc,
    /// What fills at once is kept, the rest is cancelled.
    Ioc,
    /// All of it at once, or nothing.
    Fok,
    /// Until an instant.
    Gtd(UnixNanos),
}

impl Digestible for TimeInForce {
    fn digest(&self, d: &mut Digest) {
        match self {
            Self::Gtc => d.word(1),
            Self::Ioc => d.word(2),
            Self::Fok => d.word(3),
            Self::Gtd(until) => {
                d.word(4);
                d.word(until.0);
            }
        }
    }
}

/// How much an order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderQuantity {
    /// Units of the base asset.
    Base(Quantity),
    /// A number of contracts, each of the instrument's multiplier.
    Contracts(Quantity),
    /// What may be spent in quote, fee included; the venue makes a quantity of it at the fill. Market buys only.
    QuoteAmount(Money),
}

/// What an order does to the account's risk, decided by `risk`. The order of the variants is the order in which the gate word closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum OrderClass {
    /// May open or enlarge a position.
    Entry,
    /// Only reduces one: exits, stops, targets.
    Reducing,
}

/// One order as it is sent: plain data. Whether it may be sent is said by `risk::Approved` alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSpec {
    /// Our number.
    pub client_id: ClientOrderId,
    /// What it does.
    pub kind: OrderType,
    /// How much.
    pub quantity: OrderQuantity,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// The account.
    pub account: AccountId,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// The strategy that it belongs to.
    pub strategy: StrategyIdx,
    /// Buy or sell.
    pub side: Side,
    /// Refused rather than filled as a taker.
    pub post_only: bool,
    /// Never opens or enlarges a position.
    pub reduce_only: bool,
}

impl Digestible for OrderSpec {
    fn digest(&self, d: &mut Digest) {
        d.word(self.client_id.0 as u64);
        d.word((self.client_id.0 >> 64) as u64);
        let flags = self.side as u64 | u64::from(self.post_only) << 1 | u64::from(self.reduce_only) << 2;
        d.word(
            flags
                | u64::from(self.account.0) << 8
                | u64::from(self.instrument.0) << 24
                | u64::from(self.strategy.0) << 40,
        );
        match self.kind {
            OrderType::Market => d.word(1),
            OrderType::Limit { price } => {
                d.word(2);
                d.wide(price.raw());
            }
            OrderType::StopMarket { trigger } => {
                d.word(3);
                d.wide(trigger.raw());
            }
            OrderType::StopLimit { trigger, price } => {
                d.word(4);
                d.wide(trigger.raw());
                d.wide(price.raw());
            }
            OrderType::TakeProfit { trigger } => {
                d.word(5);
                d.wide(trigger.raw());
            }
            OrderType::TrailingStop { offset: TrailOffset::Distance(distance) } => {
                d.word(6);
                d.wide(distance.raw());
            }
            OrderType::TrailingStop { offset: TrailOffset::Fraction(fraction) } => {
                d.word(7);
                d.int(fraction.raw());
            }
        }
        match self.quantity {
            OrderQuantity::Base(quantity) => {
                d.word(1);
                d.wide(quantity.raw());
            }
            OrderQuantity::Contracts(contracts) => {
                d.word(2);
                d.wide(contracts.raw());
            }
            OrderQuantity::QuoteAmount(amount) => {
                d.word(3);
                d.wide(amount.raw());
            }
        }
        self.time_in_force.digest(d);
    }
}

/// Where an order is in its life, as far as we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderStatus {
    /// Left us; nothing heard yet.
    Submitted,
    /// The venue has it.
    Accepted,
    /// Some of it is filled, the rest works.
    PartiallyFilled,
    /// A cancel left us; nothing heard yet.
    CancelPending,
    /// Something left us and no answer came in time: it may be live. Queried, never assumed.
    OutcomeUnknown,
    /// All of it is filled.
    Filled,
    /// Taken off; what was filled before stays filled.
    Canceled,
    /// Its time ended.
    Expired,
    /// The venue never took it.
    Rejected,
}

impl OrderStatus {
    /// Whether nothing can follow but a late fill.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Filled | Self::Canceled | Self::Expired | Self::Rejected => true,
            Self::Submitted | Self::Accepted | Self::PartiallyFilled | Self::CancelPending | Self::OutcomeUnknown => {
                false
            }
        }
    }
}

/// Why a venue refused or ended an order, in the field's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum RejectReason {
    /// No such instrument.
    UnknownInstrument,
    /// No such order.
    UnknownOrder,
    /// The client order id was used before.
    DuplicateOrder,
    /// The price is not a multiple of the tick size, or not positive.
    PriceFilter,
    /// The quantity is not a multiple of the lot size, or outside its range.
    LotFilter,
    /// Price x quantity is below the minimum.
    MinNotional,
    /// Not enough of the asset that the order gives.
    InsufficientBalance,
    /// Not enough free margin.
    InsufficientMargin,
    /// Post-only, and it would have taken liquidity.
    WouldCross,
    /// A trigger on the wrong side of the market.
    WouldTrigger,
    /// Reduce-only, and there is nothing to reduce.
    ReduceOnly,
    /// Fill-or-kill, and not all of it could be filled.
    NotFilledAtOnce,
    /// The venue cannot hold that combination of type, quantity and time in force.
    Unsupported,
    /// The approval to send it had run out.
    ApprovalExpired,
    /// Too many messages.
    RateLimit,
    /// There is no price to trade at.
    NoMarket,
    /// Crossed another order of the same account.
    SelfMatch,
    /// Position liquidated by the venue.
    Liquidation,
    /// The other order of its pair was filled, set off or ended.
    OneCancelsOther,
}

impl RejectReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; Self::OneCancelsOther as usize + 1] = [
        Self::UnknownInstrument,
        Self::UnknownOrder,
        Self::DuplicateOrder,
        Self::PriceFilter,
        Self::LotFilter,
        Self::MinNotional,
        Self::InsufficientBalance,
        Self::InsufficientMargin,
        Self::WouldCross,
        Self::WouldTrigger,
        Self::ReduceOnly,
        Self::NotFilledAtOnce,
        Self::Unsupported,
        Self::ApprovalExpired,
        Self::RateLimit,
        Self::NoMarket,
        Self::SelfMatch,
        Self::Liquidation,
        Self::OneCancelsOther,
    ];

    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UnknownInstrument => "unknown_instrument",
            Self::UnknownOrder => "unknown_order",
            Self::DuplicateOrder => "duplicate_order",
            Self::PriceFilter => "price_filter",
            Self::LotFilter => "lot_filter",
            Self::MinNotional => "min_notional",
            Self::InsufficientBalance => "insufficient_balance",
            Self::InsufficientMargin => "insufficient_margin",
            Self::WouldCross => "would_cross",
            Self::WouldTrigger => "would_trigger",
            Self::ReduceOnly => "reduce_only",
            Self::NotFilledAtOnce => "not_filled_at_once",
            Self::Unsupported => "unsupported",
            Self::ApprovalExpired => "approval_expired",
            Self::RateLimit => "rate_limit",
            Self::NoMarket => "no_market",
            Self::SelfMatch => "self_match",
            Self::Liquidation => "liquidation",
            Self::OneCancelsOther => "one_cancels_other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_order_id_keeps_its_parts_and_is_known_as_ours() {
        let id = ClientOrderId::new(AccountId(7), 3, 123_456_789_012);
        let text = id.to_string();
        assert_eq!(text.len(), 32);
        assert!(text.starts_with("6234"));
        assert_eq!(ClientOrderId::parse(&text), Some(id));
        assert_eq!((id.account(), id.epoch(), id.ordinal()), (AccountId(7), 3, 123_456_789_012));
        for foreign in ["", "6234", &"0".repeat(32), &"z".repeat(32), &format!("+{}", &text[1..])] {
            assert_eq!(ClientOrderId::parse(foreign), None, "{foreign}");
        }
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<ClientOrderId>(&json).unwrap(), id);
    }

    #[test]
    fn an_order_goes_through_json_unchanged() {
        let spec = OrderSpec {
            client_id: ClientOrderId::new(AccountId(1), 1, 1),
            kind: OrderType::StopLimit { trigger: Price::parse("99.5").unwrap(), price: Price::parse("99").unwrap() },
            quantity: OrderQuantity::Base(Quantity::parse("0.1").unwrap()),
            time_in_force: TimeInForce::Gtd(UnixNanos(5)),
            account: AccountId(1),
            instrument: InstrumentIdx(2),
            strategy: StrategyIdx(3),
            side: Side::Sell,
            post_only: false,
            reduce_only: true,
        };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<OrderSpec>(&json).unwrap(), spec);
    }
}
