//! The last orders that ended: a venue may report a fill after the end, say the end twice, or show an order that was given up.
//!
//! In:  orders at their end.
//! Out: whose an order was, what it was for, how it ended and how much of it was never filled; the order itself where it was given up.

use crate::desk::Key;
use crate::orders::{Purpose, Working};
use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, InstrumentIdx, Nanos, OrderQuantity, OrderSpec, OrderStatus,
    Quantity, StrategyIdx, UnixNanos, stored_struct,
};
use std::collections::VecDeque;

/// How many are kept at least, however long ago they ended.
const ENDED_MIN: usize = 512;

/// For how long more than those are kept: what a venue still says of an order after that is about one that is not known.
const KEPT_FOR: Nanos = Nanos::from_secs(600);

/// How many are kept at most.
const ENDED_MAX: usize = 8_192;

/// How many orders are kept that were given up.
const GIVEN_UP_MAX: usize = 64;

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Our number.
    pub id: ClientOrderId,
    /// Its instrument.
    pub instrument: InstrumentIdx,
    /// Whose it was.
    pub strategy: StrategyIdx,
    /// What it was for.
    pub purpose: Purpose,
    /// How it ended.
    pub status: OrderStatus,
    /// How much of it was not filled, as far as that is known.
    pub left: Option<Quantity>,
    /// When we heard of the end.
    pub at: UnixNanos,
}

impl End {
    /// Whose it was, in what.
    #[must_use]
    pub const fn key(&self) -> Key {
        (self.id.account(), self.instrument, self.strategy)
    }
}

/// The last orders that ended, oldest first.
#[derive(Clone, Debug)]
pub struct Ended {
    ends: VecDeque<End>,
    given_up: VecDeque<(OrderSpec, Purpose)>,
}

impl Default for Ended {
    fn default() -> Self {
        Self { ends: VecDeque::with_capacity(ENDED_MAX), given_up: VecDeque::with_capacity(GIVEN_UP_MAX) }
    }
}

impl Ended {
    /// An order ended.
    pub fn push(&mut self, order: &Working, status: OrderStatus, at: UnixNanos) {
        // Thousands may end within one silence of the venue, and a late fill has to find its strategy and its stop.
        let old = |end: &End| end.at.saturating_add(KEPT_FOR) < at;
        while self.ends.len() >= ENDED_MAX || (self.ends.len() >= ENDED_MIN && self.ends.front().is_some_and(old)) {
            self.ends.pop_front();
        }
        let OrderSpec { client_id: id, instrument, strategy, .. } = order.spec;
        let (purpose, left) = (order.purpose, order.left());
        self.ends.push_back(End { id, instrument, strategy, purpose, status, left, at });
    }

    /// An order was given up: the venue says that it does not know it.
    pub fn give_up(&mut self, order: &Working, at: UnixNanos) {
        self.push(order, OrderStatus::Expired, at);
        if self.given_up.len() == GIVEN_UP_MAX {
            self.given_up.pop_front();
        }
        self.given_up.push_back((order.spec, order.purpose));
    }

    /// How an order ended.
    #[must_use]
    pub fn find(&self, id: ClientOrderId) -> Option<&End> {
        self.ends.iter().rev().find(|end| end.id == id)
    }

    /// More of an order was filled after its end. How much of it is left now, where that is known.
    pub fn filled(&mut self, id: ClientOrderId, quantity: Quantity) -> Option<Quantity> {
        let end = self.ends.iter_mut().rev().find(|end| end.id == id)?;
        end.left = end.left.and_then(|left| left.checked_sub(quantity));
        end.left
    }

    /// Takes an order that was given up: it works after all. With how much of it was filled.
    pub fn take_given_up(&mut self, id: ClientOrderId) -> Option<(OrderSpec, Purpose, Quantity)> {
        let at = self.given_up.iter().position(|(spec, _)| spec.client_id == id)?;
        let (spec, purpose) = self.given_up.remove(at)?;
        let filled = self.filled_of(&spec);
        self.ends.retain(|end| end.id != id);
        Some((spec, purpose, filled))
    }

    /// How much is known to be filled of an order that ended.
    #[must_use]
    pub fn filled_of(&self, spec: &OrderSpec) -> Quantity {
        let left = self.find(spec.client_id).and_then(|end| end.left);
        let filled = asked(spec).zip(left).and_then(|(asked, left)| asked.checked_sub(left));
        filled.filter(|filled| *filled > Quantity::ZERO).unwrap_or(Quantity::ZERO)
    }
}

stored_struct!(End { id, instrument, strategy, purpose, status, left, at });

impl Stored for Ended {
    fn put(&self, out: &mut Vec<u8>) {
        (self.ends.len() as u64).put(out);
        self.ends.iter().for_each(|end| end.put(out));
        (self.given_up.len() as u64).put(out);
        self.given_up.iter().for_each(|order| order.put(out));
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let (ends, given_up) = (Vec::<End>::take(from)?, Vec::<(OrderSpec, Purpose)>::take(from)?);
        if ends.len() > ENDED_MAX || given_up.len() > GIVEN_UP_MAX || ends.iter().any(|end| !end.status.is_terminal()) {
            return Err(CodecError::Invalid { what: "the orders that ended last" });
        }
        let mut ended = Self::default();
        ended.ends.extend(ends);
        ended.given_up.extend(given_up);
        Ok(ended)
    }
}

impl Digestible for Ended {
    fn digest(&self, d: &mut Digest) {
        for end in &self.ends {
            d.wide(end.id.raw() as i128);
            let AccountId(account) = end.id.account();
            d.word(u64::from(account) | u64::from(end.instrument.0) << 16 | u64::from(end.strategy.0) << 32);
            end.purpose.digest(d);
            d.word(end.status as u64);
            d.word(end.at.0);
            d.wide(end.left.map_or(i128::MIN, Quantity::raw));
        }
        for (spec, purpose) in &self.given_up {
            spec.digest(d);
            purpose.digest(d);
        }
    }
}

/// Whether an order asks for a quantity that is known before it is filled, and how much.
pub(crate) const fn asked(spec: &OrderSpec) -> Option<Quantity> {
    match spec.quantity {
        OrderQuantity::Base(quantity) => Some(quantity),
        OrderQuantity::Contracts(_) | OrderQuantity::QuoteAmount(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{OrderType, Side, TimeInForce};

    fn order(ordinal: u64) -> Working {
        let spec = OrderSpec {
            client_id: ClientOrderId::new(AccountId(0), 1, ordinal),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(Quantity::from_units(2)),
            time_in_force: TimeInForce::Gtc,
            account: AccountId(0),
            instrument: InstrumentIdx(1),
            strategy: StrategyIdx(2),
            side: Side::Sell,
            post_only: false,
            reduce_only: true,
        };
        Working::submitted(spec, Purpose::Exit, None)
    }

    fn id(n: u64) -> ClientOrderId {
        ClientOrderId::new(AccountId(0), 1, n)
    }

    #[test]
    fn the_last_ends_are_kept_and_older_ones_leave() {
        let mut ended = Ended::default();
        for n in 0..=ENDED_MIN as u64 {
            ended.push(&order(n), OrderStatus::Canceled, UnixNanos(n * 2 * KEPT_FOR.0));
        }
        assert_eq!(ended.find(id(0)), None);
        assert_eq!(
            ended.find(id(1)).map(|end| (end.purpose, end.status)),
            Some((Purpose::Exit, OrderStatus::Canceled))
        );
        assert_eq!(ended.filled(id(1), Quantity::from_units(3)), Some(Quantity::from_units(-1)), "more than it asked");
    }

    #[test]
    fn what_ended_a_moment_ago_is_known_however_much_ends() {
        let mut ended = Ended::default();
        for n in 0..=ENDED_MAX as u64 {
            ended.push(&order(n), OrderStatus::Canceled, UnixNanos(n));
        }
        assert_eq!(ended.find(id(0)), None, "memory is bounded");
        assert!(ended.find(id(1)).is_some());
        assert_eq!(domain::codec::from_bytes::<Ended>(&domain::codec::to_bytes(&ended)).unwrap().ends.len(), ENDED_MAX);
        // Later only the last ones count.
        ended.push(&order(ENDED_MAX as u64 + 1), OrderStatus::Canceled, UnixNanos(2 * KEPT_FOR.0));
        assert_eq!(ended.ends.len(), ENDED_MIN);
    }

    #[test]
    fn what_was_given_up_comes_back_once() {
        let mut ended = Ended::default();
        let id = id(7);
        ended.give_up(&order(7), UnixNanos(1));
        assert_eq!(ended.find(id).map(|end| end.status), Some(OrderStatus::Expired));
        assert!(ended.take_given_up(id).is_some());
        assert_eq!((ended.take_given_up(id), ended.find(id)), (None, None));
    }
}
