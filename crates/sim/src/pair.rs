//! Pairs of orders that the venue holds: what is traded or set off first takes the other one off.
//!
//! In:  a list of two orders, placed together; trades, triggers and ends of either.
//! Out: both accepted or both refused; the cancel of the other one, with its reason, in the same instant.
//! On spot two orders of one side reserve together what the larger of them needs. The one that goes on reserves what its rest needs.
//! The rules are those of "one cancels the other" lists as venues document them: Binance, Spot API, "Order lists (OCO)".

use crate::ids::Finished;
use crate::market::Feed;
use crate::order::{Kind, Order};
use crate::venue::Venue;
use domain::{OrderSpec, OrderStatus, RejectReason, ReportBody, UnixNanos};

impl Venue {
    /// Takes both orders or refuses both. Refused ids count as used.
    pub(crate) fn place_pair(&mut self, first: &OrderSpec, second: &OrderSpec, valid_until: Option<UnixNanos>) {
        let instant = self.markets.get(first.instrument.index()).is_some_and(|m| m.feed == Feed::Candles);
        let alike = (first.account, first.instrument, first.strategy)
            == (second.account, second.instrument, second.strategy)
            && first.client_id != second.client_id;
        let used = |spec: &OrderSpec| self.ids.find(spec.client_id).is_some();
        let checked = match (used(first), used(second)) {
            _ if !alike || !self.config.pairs => Err(RejectReason::Unsupported),
            (true, _) | (_, true) => Err(RejectReason::DuplicateOrder),
            (false, false) => self.check(first, valid_until).and_then(|a| Ok((a, self.check(second, valid_until)?))),
        };
        let (mut one, mut other) = match checked {
            Ok(pair) => pair,
            Err(reason) => return self.refuse_pair(first, second, reason, instant),
        };
        if one.kind == Kind::Market || other.kind == Kind::Market || one.at_once() || other.at_once() {
            // What does not rest takes nothing off.
            return self.refuse_pair(first, second, RejectReason::Unsupported, instant);
        }
        if one.side() == other.side() {
            // One reservation is there for both.
            let smaller = if one.lock >= other.lock { &mut other } else { &mut one };
            smaller.lock = 0;
        }
        (one.pair, other.pair) = (Some(self.venue_ids + 2), Some(self.venue_ids + 1));
        let slots = [self.take_in(one, instant), self.take_in(other, instant)];
        for slot in slots {
            self.begin(slot);
        }
    }

    fn refuse_pair(&mut self, first: &OrderSpec, second: &OrderSpec, reason: RejectReason, instant: bool) {
        for client_id in [first.client_id, second.client_id] {
            if self.ids.find(client_id).is_none() {
                self.ids.finish(Finished { id: client_id, status: OrderStatus::Rejected, filled: 0 });
            }
            self.report(instant, ReportBody::Rejected { client_id, reason });
        }
    }

    /// Takes the link off an order, and gives the slot of the one that it was linked to.
    pub(crate) fn unpair(&mut self, slot: u32) -> Option<(u32, u32)> {
        let order = self.orders.get_mut(slot as usize)?;
        let (number, at) = (order.pair.take()?, order.spec.instrument.index());
        let other = self.slot_of(at, number)?;
        self.orders.get_mut(other as usize)?.pair = None;
        Some((slot, other))
    }

    fn slot_of(&self, at: usize, number: u64) -> Option<u32> {
        let of = |slot: &&u32| self.orders.get(**slot as usize).is_some_and(|o| o.alive && o.venue_id == number);
        self.markets.get(at)?.working.iter().find(of).copied()
    }

    /// What the other order of a pair has reserved on the same side: it is there for this one as well.
    pub(crate) fn reserved_by_pair(&self, order: &Order) -> i128 {
        let other = order.pair.and_then(|number| self.slot_of(order.spec.instrument.index(), number));
        let other = other.and_then(|slot| self.orders.get(slot as usize));
        other.filter(|other| other.side() == order.side()).map_or(0, |other| other.lock)
    }

    /// Takes the other order of a pair off; what goes on reserves for itself from now on.
    pub(crate) fn end_pair(&mut self, pair: Option<(u32, u32)>) {
        let Some((slot, other)) = pair else { return };
        self.cancel(other, Some(RejectReason::OneCancelsOther));
        let Some(order) = self.orders.get(slot as usize).copied().filter(|order| order.alive) else { return };
        let at = order.spec.instrument.index();
        let Some(needed) = self.markets.get(at).and_then(|market| self.needed(&order, market)) else { return };
        if needed > order.lock {
            let gives = self.markets[at].gives(order.side());
            self.orders[slot as usize].lock = needed;
            self.accounts[order.account().index()].lock(gives, needed - order.lock);
        }
    }
}
