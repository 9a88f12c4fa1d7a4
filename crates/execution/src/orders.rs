//! Our orders that are not at their end, by client order id.
//!
//! Ordinals grow over all accounts, so the list is sorted by appending and found by bisection; the few orders that work at a time make removal cheap.
//! Orders at their end leave the list: their records are the journal's.

use crate::order_state::OrderState;
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, InstrumentIdx, OrderQuantity, OrderSpec, OrderStatus, Price,
    Quantity, Side, StopPlan, StrategyIdx,
};
use risk::Reservation;

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Opens or enlarges a position; carries what protects it once it is filled.
    Entry {
        /// Where the stop goes.
        stop: Option<StopPlan>,
        /// Where profit is taken.
        target: Option<Price>,
    },
    /// Closes a position.
    Exit,
    /// Protects a position.
    Stop,
    /// Takes profit.
    Target,
}

/// One order that works.
#[derive(Debug)]
pub struct Working {
    /// The order.
    pub spec: OrderSpec,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is.
    pub state: OrderState,
    /// Whether the venue set it off: a stop or target that trades by now, and is neither moved nor taken off any more.
    pub set_off: bool,
    /// What it holds of the limits; entries only.
    pub reservation: Option<Reservation>,
}

impl Working {
    /// Whether it is an entry.
    #[must_use]
    pub const fn is_entry(&self) -> bool {
        matches!(self.purpose, Purpose::Entry { .. })
    }

    /// Whether nobody has asked for it to be taken off.
    #[must_use]
    pub fn stays(&self) -> bool {
        self.state.status() != OrderStatus::CancelPending
    }

    /// Whether it reduces a position and is at it: set off, or filled in part.
    #[must_use]
    pub fn reduces_now(&self) -> bool {
        !self.is_entry() && (self.set_off || !self.state.filled().is_zero())
    }

    /// How much of it is not filled; `None` for an amount to spend, whose quantity only the venue knows.
    #[must_use]
    pub fn left(&self) -> Option<Quantity> {
        match self.spec.quantity {
            OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => {
                quantity.checked_sub(self.state.filled())
            }
            OrderQuantity::QuoteAmount(_) => None,
        }
    }

    /// Whether it rests with a limit on the other side, where an order of `side` at `price` would trade with it.
    fn crosses(&self, account: AccountId, instrument: InstrumentIdx, side: Side, price: Option<Price>) -> bool {
        let rests =
            self.spec.account == account && self.spec.instrument == instrument && self.spec.side == side.opposite();
        let Some(resting) = self.spec.kind.limit_price().filter(|_| rests && self.spec.kind.trigger().is_none()) else {
            return false;
        };
        match (side, price) {
            (_, None) => true,
            (Side::Buy, Some(price)) => price >= resting,
            (Side::Sell, Some(price)) => price <= resting,
        }
    }
}

/// All orders that work, oldest first.
#[derive(Debug, Default)]
pub struct Orders {
    working: Vec<Working>,
}

impl Orders {
    /// Adds an order; its epoch and ordinal are larger than all before it.
    pub fn add(&mut self, order: Working) {
        debug_assert!(
            self.working.last().is_none_or(|last| age(last.spec.client_id) < age(order.spec.client_id)),
            "epoch and ordinal grow"
        );
        self.working.push(order);
    }

    /// The order of an id.
    #[must_use]
    pub fn get_mut(&mut self, id: ClientOrderId) -> Option<&mut Working> {
        let at = self.find(id)?;
        self.working.get_mut(at)
    }

    /// Takes an order out, at its end.
    pub fn remove(&mut self, id: ClientOrderId) -> Option<Working> {
        let at = self.find(id)?;
        Some(self.working.remove(at))
    }

    /// All orders, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Working> {
        self.working.iter()
    }

    /// All orders of a strategy in an instrument, oldest first.
    pub fn of_mut(
        &mut self,
        account: AccountId,
        instrument: InstrumentIdx,
        strategy: StrategyIdx,
    ) -> impl Iterator<Item = &mut Working> {
        (self.working.iter_mut()).filter(move |w| {
            w.spec.account == account && w.spec.instrument == instrument && w.spec.strategy == strategy
        })
    }

    /// Whether a strategy has an entry on its way in an instrument.
    #[must_use]
    #[inline]
    pub fn entry_working(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> bool {
        (self.working.iter()).any(|w| {
            w.is_entry() && w.spec.instrument == instrument && w.spec.strategy == strategy && w.spec.account == account
        })
    }

    /// Whether the venue set a stop or target of a strategy off that still works.
    #[must_use]
    #[inline]
    pub fn any_set_off(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> bool {
        (self.working.iter()).any(|w| {
            w.set_off && w.spec.instrument == instrument && w.spec.strategy == strategy && w.spec.account == account
        })
    }

    /// Whether another strategy has an entry on the other side on its way in an instrument.
    #[must_use]
    pub fn entry_opposing(
        &self,
        account: AccountId,
        instrument: InstrumentIdx,
        strategy: StrategyIdx,
        side: Side,
    ) -> bool {
        self.working.iter().any(|w| {
            w.is_entry()
                && w.spec.instrument == instrument
                && w.spec.account == account
                && w.spec.strategy != strategy
                && w.spec.side != side
        })
    }

    /// Whether a limit order of ours rests on the other side of an instrument, where an order of `side` at `price` (`None` for the market)
    /// would trade with it.
    #[must_use]
    pub fn would_cross(&self, account: AccountId, instrument: InstrumentIdx, side: Side, price: Option<Price>) -> bool {
        self.working.iter().any(|w| w.crosses(account, instrument, side, price))
    }

    /// The orders that [`Orders::would_cross`] is about, oldest first.
    pub fn crossing_mut(
        &mut self,
        account: AccountId,
        instrument: InstrumentIdx,
        side: Side,
        price: Option<Price>,
    ) -> impl Iterator<Item = &mut Working> {
        self.working.iter_mut().filter(move |w| w.crosses(account, instrument, side, price))
    }

    /// How many orders work.
    #[must_use]
    pub fn len(&self) -> usize {
        self.working.len()
    }

    /// Whether none works.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.working.is_empty()
    }

    fn find(&self, id: ClientOrderId) -> Option<usize> {
        let at = self.working.binary_search_by_key(&age(id), |w| age(w.spec.client_id)).ok()?;
        self.working.get(at).filter(|w| w.spec.client_id == id).map(|_| at)
    }
}

/// What orders are sorted by: the account, which stands before it in an id, is not part of it.
const fn age(id: ClientOrderId) -> (u32, u64) {
    (id.epoch(), id.ordinal())
}

impl Digestible for Purpose {
    fn digest(&self, d: &mut Digest) {
        match *self {
            Self::Entry { stop, target } => {
                d.word(1);
                d.wide(target.map_or(i128::MIN, Price::raw));
                match stop {
                    None => d.word(0),
                    Some(StopPlan::Price(price)) => d.wide(price.raw()),
                    Some(StopPlan::Distance(distance)) => d.wide(!distance.raw()),
                    Some(StopPlan::Fraction(fraction)) => d.int(fraction.raw()),
                }
            }
            Self::Exit => d.word(2),
            Self::Stop => d.word(3),
            Self::Target => d.word(4),
        }
    }
}

impl Digestible for Orders {
    fn digest(&self, d: &mut Digest) {
        for w in &self.working {
            w.spec.digest(d);
            d.word(w.state.status() as u64 | u64::from(w.set_off) << 8);
            d.wide(w.state.filled().raw());
            w.purpose.digest(d);
            if let Some(reservation) = &w.reservation {
                reservation.digest(d);
            }
        }
    }
}
