//! Orders whose outcome is not known: the venue is asked where they are until it is known, and nothing is assumed meanwhile.
//!
//! In:  answers that stay away; what the venue says when it is asked.
//! Out: queries, each after a longer wait; the end of an order that the venue does not know and that can arrive no more; orders taken over
//! that show up after all.
//! While the outcome of an order is unknown it stays in the list: an entry keeps what it holds of the limits and stands against another one,
//! an exit stands against another exit, and nothing is ever sent again. A status is no execution: where the venue says that more is filled
//! than we know of, it is asked for the executions, and they alone change a position.

use crate::desk::{Alarm, Desk, Key, World, cancel};
use crate::emergency::alert;
use crate::ended::asked;
use crate::order_state::OrderInput;
use crate::orders::{Purpose, Working};
use domain::{
    AlertKind, ClientOrderId, Difference, DifferenceKind, InstrumentIdx, Money, Nanos, Observer, OrderQuantity,
    OrderSpec, OrderStatus, OrderType, Price, Quantity, ReportBody, UnixNanos, VenueOrderId,
};
use risk::gate::APPROVAL_VALID;
use risk::{Command, Decision};

/// How the desk follows orders whose answers stay away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskPolicy {
    /// How long the venue may take to answer an order or a cancel, in engine time. A stop has [`crate::StopPolicy::confirm_within`], where
    /// there is one.
    pub answer_within: Nanos,
    /// How long after its approval has run out an order may still arrive at the venue: the longest that a request can be under way.
    pub grace: Nanos,
    /// How often the venue must say that it does not know an order, each time asked anew and after it can arrive no more, until that is
    /// believed.
    pub denials: u8,
}

impl AskPolicy {
    /// For a venue that answers within `round_trip`: five times that, at least five seconds; a minute of grace; three answers.
    #[must_use]
    pub fn for_round_trip(round_trip: Nanos) -> Self {
        let answer_within = Nanos(round_trip.0.saturating_mul(5)).max(Nanos::from_secs(5));
        Self { answer_within, grace: Nanos::from_secs(60).max(answer_within), denials: 3 }
    }
}

/// How long the first question waits for its answer before it is asked again; each further one twice as long, up to the longest.
const WAIT_FIRST: Nanos = Nanos::from_secs(1);
const WAIT_MAX: Nanos = Nanos::from_secs(60);

/// How long the n-th question waits.
fn wait(asks: u8) -> Nanos {
    Nanos((WAIT_FIRST.0 << asks.min(6)).min(WAIT_MAX.0))
}

/// How far its clock may lie behind ours, and an order have been there before we took it over.
const EARLIER: Nanos = Nanos::from_secs(60);

/// From when on the executions of an order are asked for, on the venue's clock.
const fn asked_from(order: &Working) -> UnixNanos {
    order.sent.saturating_sub(EARLIER)
}

/// Asks the venue where an order is, and looks again after a while.
pub(crate) fn query(order: &mut Working, now: UnixNanos, out: &mut Vec<Command>) {
    order.due = Some(now.saturating_add(wait(order.asks)));
    order.asks = order.asks.saturating_add(1);
    let OrderSpec { client_id, account, instrument, .. } = order.spec;
    out.push(Command::Query { client_id, account, instrument });
}

impl Desk {
    /// When something that leaves now must have been answered.
    pub(crate) fn answer_due(&self, now: UnixNanos) -> Option<UnixNanos> {
        self.asking.map(|policy| now.saturating_add(policy.answer_within))
    }

    /// The venue says where an order is. `ts_event` is when it said so, on its clock.
    pub(crate) fn on_status<O: Observer>(
        &mut self,
        ts_event: UnixNanos,
        id: ClientOrderId,
        status: Option<OrderStatus>,
        filled: i64,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let policy = self.asking?;
        let working = status.is_some_and(|status| !status.is_terminal() && status != OrderStatus::OutcomeUnknown);
        if self.orders.get(id).is_none() {
            // An answer that its own end overtook says nothing new, unless it shows an order that was given up.
            let (spec, purpose, filled) = if working { self.ended.take_given_up(id)? } else { return None };
            self.adopt(spec, purpose, filled, world);
        }
        let now = world.scene.ts;
        let order = self.orders.get_mut(id)?;
        let key = order.key();
        // What was heard of it since the question was asked counts more than the answer.
        let doubted = matches!(order.state.status(), OrderStatus::OutcomeUnknown | OrderStatus::Submitted);
        let Some(status) = status else {
            return if doubted { self.on_denied(ts_event, id, policy, world) } else { None };
        };
        if status == OrderStatus::OutcomeUnknown {
            alert(AlertKind::StatusUnknown, key, None, world.out);
            return None;
        }
        let theirs = world.scene.table.get(key.1).map_or(Quantity::ZERO, |rules| rules.quantity(filled));
        if theirs > order.state.filled() {
            // Fills were missed. They are asked for; a status is none.
            world.out.push(Command::Reconcile { account: key.0, since: asked_from(order) });
            if order.state.apply(OrderInput::AnswerOverdue).is_ok() && order.due.is_none() {
                order.due = Some(now.saturating_add(wait(order.asks)));
            }
            return None;
        }
        if !doubted {
            return if status.is_terminal() { self.end_as(id, status, world) } else { None };
        }
        match status {
            OrderStatus::Accepted | OrderStatus::PartiallyFilled => {
                order.hear(now);
                order.due = None;
                if order.state.apply(OrderInput::Accepted).is_err() {
                    return None;
                }
                if order.unwanted {
                    // The cancel was lost.
                    let due = self.asking.map(|policy| now.saturating_add(policy.answer_within));
                    cancel(order, due, world.out);
                }
                self.settle(key, world)
            }
            // It is on its way there, or away from there: it is asked for again.
            OrderStatus::Submitted | OrderStatus::CancelPending | OrderStatus::OutcomeUnknown => None,
            OrderStatus::Filled | OrderStatus::Canceled | OrderStatus::Expired | OrderStatus::Rejected => {
                self.end_as(id, status, world)
            }
        }
    }

    /// The venue says that an order has ended, and all its fills are known: the report of that was missed.
    fn end_as<O: Observer>(
        &mut self,
        id: ClientOrderId,
        status: OrderStatus,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let order = self.orders.get_mut(id)?;
        if status != OrderStatus::Filled {
            let reason = None;
            let missed = missed_end(order);
            world.out.push(missed);
            return self.take_report(&ReportBody::Canceled { client_id: id, reason }, world);
        }
        if asked(&order.spec).is_some_and(|asked| order.state.filled() < asked) {
            // Filled, and the venue itself does not say how much: the executions will.
            world.out.push(Command::Reconcile { account: order.spec.account, since: asked_from(order) });
            if order.due.is_none() && order.state.apply(OrderInput::AnswerOverdue).is_ok() {
                order.due = Some(world.scene.ts.saturating_add(wait(order.asks)));
            }
            return None;
        }
        if order.state.apply(OrderInput::Completed).is_err() {
            return None;
        }
        world.out.push(missed_end(order));
        let key = order.key();
        self.end(id, OrderStatus::Filled, world);
        let alarm = self.settle(key, world);
        self.release_crossed(key, world);
        alarm
    }

    /// Takes an order that ended out of the list; what it held of the limits is free.
    pub(crate) fn end<O: Observer>(&mut self, id: ClientOrderId, status: OrderStatus, world: &mut World<'_, '_, O>) {
        let Some(done) = self.orders.remove(id) else { return };
        self.ended.push(&done, status, world.scene.ts);
        if let Some(reservation) = done.reservation {
            world.gate.release(reservation);
        }
    }

    /// The venue does not know an order. That is believed when it can arrive no more, and was said often enough.
    fn on_denied<O: Observer>(
        &mut self,
        ts_event: UnixNanos,
        id: ClientOrderId,
        policy: AskPolicy,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let order = self.orders.get_mut(id)?;
        let known = order.state.is_known() || order.heard.is_some();
        let may_arrive = order.sent.saturating_add(APPROVAL_VALID).saturating_add(policy.grace);
        if (!known && ts_event < may_arrive) || order.asks == order.denied_at {
            return None;
        }
        order.denied_at = order.asks;
        order.denials = order.denials.saturating_add(1);
        if known && order.denials == 1 {
            // It was there: what it traded before it was forgotten has to be found out.
            world.out.push(Command::Reconcile { account: order.spec.account, since: asked_from(order) });
        }
        if order.denials < policy.denials.max(1) {
            return None;
        }
        let (key, times) = (order.key(), f64::from(order.denials));
        alert(AlertKind::NeverArrived, key, Some((times, f64::from(policy.denials))), world.out);
        let done = self.orders.remove(id)?;
        self.ended.give_up(&done, world.scene.ts);
        if let Some(reservation) = done.reservation {
            world.gate.release(reservation);
        }
        let alarm = self.settle(key, world);
        self.release_crossed(key, world);
        alarm
    }

    /// Takes over an order that is at the venue and that we did not know, or had given up: an entry is taken off, anything else is kept as
    /// far as the position needs it. Its outcome is unknown until the venue says where it is. `filled` of it was booked before.
    pub(crate) fn adopt<O: Observer>(
        &mut self,
        spec: OrderSpec,
        purpose: Purpose,
        filled: Quantity,
        world: &mut World<'_, '_, O>,
    ) {
        if self.orders.get(spec.client_id).is_some() {
            return;
        }
        let now = world.scene.ts;
        let entry = matches!(purpose, Purpose::Entry { .. });
        let reservation = if entry { world.gate.adopt(&spec, &world.scene) } else { None };
        let mut order = Working::submitted(spec, purpose, reservation).leaving(now, None);
        order.heard = Some(now);
        // What was booked of it is never told again: without it the venue would be asked for ever.
        let booked = OrderInput::Filled { quantity: filled, complete: false };
        if (!filled.is_zero() && order.state.apply(booked).is_err())
            || order.state.apply(OrderInput::AnswerOverdue).is_err()
        {
            return;
        }
        let key = order.key();
        alert(AlertKind::Adopted, key, None, world.out);
        if entry {
            cancel(&mut order, self.answer_due(now), world.out);
        } else {
            query(&mut order, now, world.out);
        }
        self.orders.adopt(order);
        if spec.client_id.epoch() == self.epoch {
            // Nothing of ours may ever have its number again.
            self.next_ordinal = self.next_ordinal.max(spec.client_id.ordinal().saturating_add(1));
        }
    }

    /// The venue, or somebody with access to the account, gave an order other terms.
    pub(crate) fn on_replaced<O: Observer>(
        &mut self,
        body: &ReportBody,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let ReportBody::Replaced { client_id, venue_id, quantity, price, trigger } = *body else { return None };
        let now = world.scene.ts;
        let due = self.answer_due(now);
        let Some(order) = self.orders.get_mut(client_id) else {
            return if self.ended.find(client_id).is_some() { None } else { Some(Alarm::UnknownOrder(client_id)) };
        };
        let rules = world.scene.table.get(order.spec.instrument)?;
        let key = order.key();
        let (of_price, of_trigger) = (price.map(|p| rules.price(p)), trigger.map(|p| rules.price(p)));
        order.spec.kind = with_terms(order.spec.kind, of_price, of_trigger);
        if let OrderQuantity::Base(_) = order.spec.quantity {
            order.spec.quantity = OrderQuantity::Base(rules.quantity(quantity));
        }
        order.hear(now);
        order.venue_id = Some(venue_id);
        alert(AlertKind::Replaced, key, None, world.out);
        if order.is_entry() {
            // It was approved with other terms.
            cancel(order, due, world.out);
        }
        let reused = self.note_venue_id(client_id, key, venue_id);
        self.settle(key, world).or(reused)
    }

    /// The venue's number of an order. One that another order had before cannot be.
    pub(crate) fn note_venue_id(&mut self, id: ClientOrderId, key: Key, venue_id: VenueOrderId) -> Option<Alarm> {
        let number = venue_key(key.1, key.0.0, venue_id);
        match self.venue_ids.note(number, id) {
            crate::recent::Noted::Known(other) if other != id => Some(Alarm::VenueIdReused(id, venue_id)),
            crate::recent::Noted::Known(_) | crate::recent::Noted::New(_) => None,
        }
    }
}

fn venue_key(instrument: InstrumentIdx, account: u16, venue_id: VenueOrderId) -> u128 {
    u128::from(account) << 80 | u128::from(instrument.0) << 64 | u128::from(venue_id.0)
}

/// The end of an order that no report had told, for the record: what is known to be filled of what it asked for.
fn missed_end(order: &Working) -> Command {
    let spec = &order.spec;
    Command::Record(Decision::Difference(Difference {
        kind: DifferenceKind::MissedEnd,
        account: spec.account,
        instrument: Some(spec.instrument),
        asset: None,
        order: Some(spec.client_id),
        ours: Money::from_raw(asked(spec).map_or(0, Quantity::raw)),
        theirs: Money::from_raw(order.state.filled().raw()),
    }))
}

/// An order type with other prices.
fn with_terms(kind: OrderType, price: Option<Price>, trigger: Option<Price>) -> OrderType {
    match kind {
        OrderType::Limit { price: old } => OrderType::Limit { price: price.unwrap_or(old) },
        OrderType::StopMarket { trigger: old } => OrderType::StopMarket { trigger: trigger.unwrap_or(old) },
        OrderType::StopLimit { trigger: at, price: old } => {
            OrderType::StopLimit { trigger: trigger.unwrap_or(at), price: price.unwrap_or(old) }
        }
        OrderType::TakeProfit { trigger: old } => OrderType::TakeProfit { trigger: trigger.unwrap_or(old) },
        OrderType::Market | OrderType::TrailingStop { .. } => kind,
    }
}
