//! Our orders against those that work at the venue.
//!
//! In:  an answer of the venue, after its executions were booked.
//! Out: orders that are known to be there; those that are missing there, which are asked for; orders of ours that we did not know, taken over;
//! orders of others, told.
//! An answer speaks of an instant, and reports may have overtaken it: what was heard later than that counts more.

use super::Reconciler;
use crate::ask::query;
use crate::desk::{Alarm, Desk, World, cancel};
use crate::ended::asked;
use crate::order_state::OrderInput;
use crate::orders::Purpose;
use domain::{
    ClientOrderId, Difference, DifferenceKind, Money, Observer, OrderQuantity, OrderSpec, OrderStatus, OrderType,
    Quantity, StrategyIdx, UnixNanos, VenueOrder, VenueState,
};

impl Desk {
    /// Holds the orders of an account against those that work at the venue. Appends what differs; the first alarm of what that led to, and
    /// whether something has to be found out.
    pub fn on_venue_orders<O: Observer>(
        &mut self,
        state: &VenueState,
        watch: &mut Reconciler,
        differences: &mut Vec<Difference>,
        world: &mut World<'_, '_, O>,
    ) -> (Option<Alarm>, bool) {
        let (mut alarm, mut doubtful) = (None, false);
        for theirs in &state.orders {
            let id = theirs.spec.client_id;
            let alarmed = if id.is_foreign() {
                if watch.is_new_foreign(state.account, theirs.venue_id.0) {
                    differences.push(about(DifferenceKind::ForeignOrder, state, theirs, Quantity::ZERO));
                }
                None
            } else if self.orders.get(id).is_some() {
                self.compare_order(state, theirs, differences, &mut doubtful, world)
            } else {
                self.meet_stranger(state, theirs, differences, &mut doubtful, world)
            };
            alarm = alarm.or(alarmed);
        }
        self.take_over_fills(state, world);
        doubtful |= self.doubt_missing(state, world);
        self.finish(world);
        (alarm, doubtful)
    }

    /// Executions of an order that was not in the list when they were booked: the order has them all the same, or it would be asked for
    /// ever.
    fn take_over_fills<O: Observer>(&mut self, state: &VenueState, world: &World<'_, '_, O>) {
        for order in self.orders.iter_mut().filter(|w| w.spec.account == state.account) {
            let Some(rules) = world.scene.table.get(order.spec.instrument) else { continue };
            let mut of_it = state.executions.iter().filter(|e| e.fill.client_id == order.spec.client_id);
            let filled = of_it.try_fold(Quantity::ZERO, |sum, e| sum.checked_add(rules.quantity(e.fill.quantity)));
            let missed = filled.and_then(|filled| filled.checked_sub(order.state.filled()));
            if let Some(quantity) = missed.filter(|missed| *missed > Quantity::ZERO) {
                // An order that cannot be filled any more is not in the list.
                let _ = order.state.apply(OrderInput::Filled { quantity, complete: false });
            }
        }
    }

    /// An order of ours works there.
    fn compare_order<O: Observer>(
        &mut self,
        state: &VenueState,
        theirs: &VenueOrder,
        differences: &mut Vec<Difference>,
        doubtful: &mut bool,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let id = theirs.spec.client_id;
        let (now, due) = (world.scene.ts, self.answer_due(world.scene.ts));
        let filled =
            world.scene.table.get(theirs.spec.instrument).map_or(Quantity::ZERO, |rules| rules.quantity(theirs.filled));
        let order = self.orders.get_mut(id)?;
        let key = order.key();
        if filled > order.state.filled() {
            // Its executions did not come with the answer.
            *doubtful = true;
            return None;
        }
        let mut alarm = None;
        let unknown = matches!(order.state.status(), OrderStatus::Submitted | OrderStatus::OutcomeUnknown);
        if unknown && order.state.apply(OrderInput::Accepted).is_ok() {
            order.hear(now);
            order.due = None;
            order.venue_id = Some(theirs.venue_id);
            if order.unwanted {
                // Its cancel was lost.
                cancel(order, due, world.out);
            }
            alarm = self.settle(key, world).or_else(|| self.note_venue_id(id, key, theirs.venue_id));
        }
        let order = self.orders.get(id)?;
        if theirs.set_off && !order.set_off && !order.is_entry() {
            // That it was set off was missed.
            return alarm.or(self.on_set_off(id, world));
        }
        // What was asked for in base can be compared; a stop that was set off has become another order.
        let plain = !theirs.set_off && asked(&order.spec).is_some() && order.heard.is_none_or(|at| at <= state.as_of);
        if plain && (order.spec.kind != theirs.spec.kind || order.spec.quantity != theirs.spec.quantity) {
            let ours = asked(&order.spec).unwrap_or(Quantity::ZERO);
            differences.push(about(DifferenceKind::Terms, state, theirs, ours));
            if let Some(body) = replaced(theirs, world) {
                alarm = alarm.or(self.on_replaced(&body, world));
            }
        }
        alarm
    }

    /// An order with our prefix works there that is not in our list.
    fn meet_stranger<O: Observer>(
        &mut self,
        state: &VenueState,
        theirs: &VenueOrder,
        differences: &mut Vec<Difference>,
        doubtful: &mut bool,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let id = theirs.spec.client_id;
        if self.ended.find(id).is_some_and(|end| end.at >= state.as_of) {
            // Its end overtook the answer.
            return None;
        }
        *doubtful = true;
        differences.push(about(DifferenceKind::UnknownOrder, state, theirs, Quantity::ZERO));
        let booked = self.ended.filled_of(&theirs.spec);
        let (spec, purpose, filled) = match (self.ended.take_given_up(id), self.ended.find(id)) {
            (Some(order), _) => order,
            (None, Some(end)) => (OrderSpec { strategy: end.strategy, ..theirs.spec }, end.purpose, booked),
            (None, None) => (theirs.spec, guess(&theirs.spec), Quantity::ZERO),
        };
        self.adopt(spec, purpose, filled, world);
        let key = (spec.account, spec.instrument, spec.strategy);
        let alarm = self.settle(key, world);
        let stranger = spec.strategy == StrategyIdx::OUTSIDE;
        alarm.or(stranger.then_some(Alarm::UnknownOrder(id)))
    }

    /// Orders of ours that should work there and do not: their end was missed. The venue is asked, which says how they ended.
    fn doubt_missing<O: Observer>(&mut self, state: &VenueState, world: &mut World<'_, '_, O>) -> bool {
        let now = world.scene.ts;
        let mut doubtful = false;
        let there = |id: ClientOrderId| state.orders.iter().any(|theirs| theirs.spec.client_id == id);
        for order in self.orders.iter_mut().filter(|w| w.spec.account == state.account) {
            let works = matches!(order.state.status(), OrderStatus::Accepted | OrderStatus::PartiallyFilled);
            let heard_before = order.heard.is_some_and(|at: UnixNanos| at <= state.as_of);
            if works && heard_before && !there(order.spec.client_id) {
                if order.state.apply(OrderInput::AnswerOverdue).is_ok() {
                    query(order, now, world.out);
                }
                doubtful = true;
            }
            // What nobody has answered for longer than an answer takes is being found out, too.
            doubtful |= order.state.status() == OrderStatus::OutcomeUnknown;
        }
        doubtful
    }
}

/// What an order is for whose purpose is not known.
fn guess(spec: &OrderSpec) -> Purpose {
    match spec.kind {
        _ if !spec.reduce_only => Purpose::Entry { stop: None, target: None },
        OrderType::StopMarket { .. } | OrderType::StopLimit { .. } | OrderType::TrailingStop { .. } => Purpose::Stop,
        OrderType::TakeProfit { .. } => Purpose::Target,
        OrderType::Market | OrderType::Limit { .. } => Purpose::Exit,
    }
}

/// The terms of an order as the report of them would have told.
fn replaced<O: Observer>(theirs: &VenueOrder, world: &World<'_, '_, O>) -> Option<domain::ReportBody> {
    let rules = world.scene.table.get(theirs.spec.instrument)?;
    let OrderQuantity::Base(quantity) = theirs.spec.quantity else { return None };
    let mantissa = |price: Option<domain::Price>| price.and_then(|price| rules.price_mantissa(price));
    Some(domain::ReportBody::Replaced {
        client_id: theirs.spec.client_id,
        venue_id: theirs.venue_id,
        quantity: rules.quantity_mantissa(quantity)?,
        price: mantissa(theirs.spec.kind.limit_price()),
        trigger: mantissa(theirs.spec.kind.trigger()),
    })
}

fn about(kind: DifferenceKind, state: &VenueState, theirs: &VenueOrder, ours: Quantity) -> Difference {
    let id = theirs.spec.client_id;
    let quantity = asked(&theirs.spec).unwrap_or(Quantity::ZERO);
    Difference {
        kind,
        account: state.account,
        instrument: Some(theirs.spec.instrument),
        asset: None,
        order: (!id.is_foreign()).then_some(id),
        ours: Money::from_raw(ours.raw()),
        theirs: Money::from_raw(quantity.raw()),
    }
}
