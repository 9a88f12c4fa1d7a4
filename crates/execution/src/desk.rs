//! The desk: makes orders of validated signals, follows every order to its end, and keeps positions protected.
//!
//! In:  validated signals; reports of venues, after the ledger has booked them.
//! Out: commands. Every submit passed the gate in this step; what waits, waits unapproved and is checked again.

use crate::order_state::{IllegalTransition, OrderInput, OrderState};
use crate::orders::{Orders, Purpose, Working};
use crate::protect::{self, Plans};
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, Entry, InstrumentIdx, Intent, Money, Observer, OrderClass,
    OrderQuantity, OrderSpec, OrderStatus, OrderType, Quantity, RejectReason, ReportBody, Rounding, Side, StrategyIdx,
    TimeInForce,
};
use risk::check::OwnOrders;
use risk::{Command, DenyReason, EntryIntent, Gate, Refusal, Scene, Validated};
use std::fmt;

/// What a step works with beside the desk itself.
pub struct World<'a, 's, O> {
    /// The world in this step.
    pub scene: Scene<'s>,
    /// The pre-trade gate.
    pub gate: &'a mut Gate,
    /// Where commands go.
    pub out: &'a mut Vec<Command>,
    /// Who listens.
    pub observer: &'a mut O,
}

/// Something that should not happen and must be looked at. The state stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// A report on an order that is not ours or is long gone.
    UnknownOrder(ClientOrderId),
    /// A report that cannot follow what was known.
    Illegal(ClientOrderId, IllegalTransition),
    /// The venue refused an order that reduces a position.
    ReductionRejected(ClientOrderId, RejectReason),
    /// A position could not be given its stop; it is closed at the market.
    Unprotected(DenyReason),
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOrder(id) => write!(f, "report on an order that is not known: {id}"),
            Self::Illegal(id, error) => write!(f, "order {id}: {error}"),
            Self::ReductionRejected(id, reason) => write!(f, "the venue refused reduction {id}: {}", reason.name()),
            Self::Unprotected(reason) => write!(f, "a position could not be given its stop: {}", reason.key()),
        }
    }
}

/// A strategy's position: whose, in what.
pub type Key = (AccountId, InstrumentIdx, StrategyIdx);

/// The desk.
#[derive(Debug)]
pub struct Desk {
    orders: Orders,
    plans: Plans,
    waiting: Vec<Validated>,
    epoch: u32,
    next_ordinal: u64,
}

impl Desk {
    /// A desk whose orders carry this epoch.
    #[must_use]
    pub fn new(epoch: u32) -> Self {
        Self { orders: Orders::default(), plans: Plans::default(), waiting: Vec::new(), epoch, next_ordinal: 1 }
    }

    /// The orders that work.
    #[must_use]
    pub const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Acts on a signal that passed validation.
    ///
    /// # Errors
    /// The [`Refusal`] of the gate; nothing left, but what had to be taken off for it.
    pub fn on_signal<O: Observer>(
        &mut self,
        validated: &Validated,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let signal = validated.signal();
        let key = (signal.account, signal.instrument, signal.strategy);
        // The newest word of a strategy replaces what of its own still waits.
        self.waiting.retain(|w| (w.signal().account, w.signal().instrument, w.signal().strategy) != key);
        match signal.intent {
            Intent::Exit => self.exit(key, world),
            Intent::EnterLong | Intent::EnterShort => {
                let side = if signal.intent == Intent::EnterLong { Side::Buy } else { Side::Sell };
                let held = world.scene.portfolio.position(key.0, key.1, key.2).quantity;
                if held.raw() * side.sign() < 0 && protect::closable(key, &world.scene).is_some() {
                    // A reversal: first flat, then the entry, which is checked when it can go.
                    self.exit(key, world)?;
                    self.waiting.push(*validated);
                    return Ok(());
                }
                self.enter(validated, side, world)
            }
        }
    }

    /// Acts on what a venue said of an order. Fills must have been booked in the ledger before.
    pub fn on_report<O: Observer>(&mut self, body: &ReportBody, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        let (id, input, cause) = match *body {
            ReportBody::Accepted { client_id, .. } => (client_id, OrderInput::Accepted, None),
            ReportBody::Rejected { client_id, reason } => (client_id, OrderInput::Rejected, Some(reason)),
            ReportBody::Filled { ref fill, complete } => {
                let quantity =
                    world.scene.table.get(fill.instrument).map_or(Quantity::ZERO, |i| i.quantity(fill.quantity));
                (fill.client_id, OrderInput::Filled { quantity, complete }, None)
            }
            ReportBody::Canceled { client_id, reason } => (client_id, OrderInput::Canceled, reason),
            ReportBody::Expired { client_id } => (client_id, OrderInput::Expired, None),
            // An order that ended while our cancel was on its way is no longer in the list, and that is all there is to know.
            ReportBody::CancelRejected { client_id, .. } => {
                let order = self.orders.get_mut(client_id)?;
                return order.state.apply(OrderInput::CancelRejected).err().map(|e| Alarm::Illegal(client_id, e));
            }
            ReportBody::Amended { .. }
            | ReportBody::AmendRejected { .. }
            | ReportBody::Status { .. }
            | ReportBody::Funding { .. }
            | ReportBody::Transfer { .. } => return None,
        };
        let Some(order) = self.orders.get_mut(id) else {
            // A fill of an order that is not in the list still changed a position: what protects it must follow.
            if let ReportBody::Filled { fill, .. } = body {
                self.protect((fill.account, fill.instrument, fill.strategy), world);
            }
            return Some(Alarm::UnknownOrder(id));
        };
        let status = match order.state.apply(input) {
            Ok(status) => status,
            Err(error) => return Some(Alarm::Illegal(id, error)),
        };
        let key = (order.spec.account, order.spec.instrument, order.spec.strategy);
        let purpose = order.purpose;
        if let (ReportBody::Filled { fill, .. }, Some(reservation)) = (body, order.reservation.as_mut()) {
            let notional = (world.scene.table.get(fill.instrument))
                .and_then(|i| i.notional(i.price(fill.price), i.quantity(fill.quantity), Rounding::Up))
                .unwrap_or(Money::ZERO);
            world.gate.exposure_mut().use_part(reservation, notional);
        }
        if status.is_terminal()
            && let Some(done) = self.orders.remove(id)
            && let Some(reservation) = done.reservation
        {
            world.gate.exposure_mut().release(reservation);
        }
        let mut alarm = None;
        match (input, purpose) {
            (OrderInput::Filled { .. }, Purpose::Entry { stop, target }) => {
                self.plans.set(key, stop, target);
                alarm = self.protect(key, world);
            }
            (OrderInput::Filled { .. }, Purpose::Exit | Purpose::Stop | Purpose::Target) => {
                alarm = self.protect(key, world);
                self.release_waiting(key, world);
            }
            // Another order of ours closed the position before this one arrived: there is nothing left to reduce, and nothing wrong.
            (OrderInput::Rejected, Purpose::Exit | Purpose::Stop | Purpose::Target)
                if cause == Some(RejectReason::ReduceOnly) && protect::closable(key, &world.scene).is_none() =>
            {
                alarm = self.protect(key, world);
                self.release_waiting(key, world);
            }
            // Less than the venue takes at that price. While the entry still fills, its next fill or its end asks again; after that what
            // cannot be protected is closed at the market, and what cannot even be closed is dust.
            (OrderInput::Rejected, Purpose::Exit | Purpose::Stop | Purpose::Target)
                if cause == Some(RejectReason::MinNotional) =>
            {
                if purpose == Purpose::Stop && !self.orders.entry_working(key.0, key.1, key.2) {
                    self.plans.drop_stop(key);
                    alarm = self.exit(key, world).err().map(|refusal| Alarm::Unprotected(refusal.reason));
                }
            }
            (OrderInput::Canceled | OrderInput::Expired, Purpose::Entry { .. }) => alarm = self.protect(key, world),
            // What protected a position is gone and nobody asked for it: a new one, or out.
            (OrderInput::Rejected | OrderInput::Canceled | OrderInput::Expired, Purpose::Stop) => {
                if let (OrderInput::Rejected, Some(reason)) = (input, cause) {
                    self.plans.drop_stop(key);
                    alarm = Some(Alarm::ReductionRejected(id, reason));
                    if let Err(refusal) = self.exit(key, world) {
                        alarm = Some(Alarm::Unprotected(refusal.reason));
                    }
                } else {
                    alarm = self.protect(key, world);
                }
            }
            (OrderInput::Rejected, Purpose::Exit | Purpose::Target) => {
                alarm = cause.map(|reason| Alarm::ReductionRejected(id, reason));
            }
            _ => {}
        }
        alarm
    }

    /// Sends an entry, if the gate lets it.
    fn enter<O: Observer>(
        &mut self,
        validated: &Validated,
        side: Side,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let signal = validated.signal();
        let limit = match signal.entry {
            Entry::Market => None,
            Entry::Limit(price) => Some(price),
        };
        let spec = OrderSpec {
            client_id: self.next_id(signal.account),
            kind: limit.map_or(OrderType::Market, |price| OrderType::Limit { price }),
            quantity: OrderQuantity::Base(Quantity::ZERO),
            time_in_force: TimeInForce::Gtc,
            account: signal.account,
            instrument: signal.instrument,
            strategy: signal.strategy,
            side,
            post_only: false,
            reduce_only: false,
        };
        let own = OwnOrders {
            duplicate: self.orders.entry_working(signal.account, signal.instrument, signal.strategy),
            crossing: self.orders.would_cross(signal.account, signal.instrument, side, limit),
            opposing: self.orders.entry_opposing(signal.account, signal.instrument, signal.strategy, side),
        };
        let entry = world.gate.check_entry(validated, EntryIntent { spec, own }, &world.scene, world.observer)?;
        self.next_ordinal += 1;
        let purpose = Purpose::Entry { stop: signal.stop, target: signal.target };
        self.orders.add(Working {
            spec: entry.spec,
            purpose,
            state: OrderState::submitted(),
            reservation: Some(entry.reservation),
        });
        if O::ACTIVE {
            world.observer.order(world.scene.ts, &entry.spec, OrderClass::Entry);
        }
        world.out.push(Command::Submit(entry.approved));
        Ok(())
    }

    /// Takes entries off and closes what is held. Stops stay until the position is gone.
    fn exit<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) -> Result<(), Refusal> {
        let mut exit_working = false;
        for order in self.orders.of_mut(key.0, key.1, key.2) {
            match order.purpose {
                Purpose::Entry { .. } => cancel(order, world.out),
                Purpose::Exit => exit_working = true,
                Purpose::Stop | Purpose::Target => {}
            }
        }
        let Some((side, quantity)) = protect::closable(key, &world.scene) else { return Ok(()) };
        if exit_working {
            return Ok(());
        }
        self.reduce(key, side, OrderType::Market, quantity, Purpose::Exit, world)
    }

    /// Sends an order that only reduces a position.
    fn reduce<O: Observer>(
        &mut self,
        (account, instrument, strategy): Key,
        side: Side,
        kind: OrderType,
        quantity: Quantity,
        purpose: Purpose,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let spec = OrderSpec {
            client_id: self.next_id(account),
            kind,
            quantity: OrderQuantity::Base(quantity),
            time_in_force: TimeInForce::Gtc,
            account,
            instrument,
            strategy,
            side,
            post_only: false,
            reduce_only: true,
        };
        let own = OwnOrders {
            duplicate: self.orders.iter().any(|w| {
                w.purpose == purpose
                    && (w.spec.account, w.spec.instrument, w.spec.strategy) == (account, instrument, strategy)
                    && w.state.status() != OrderStatus::CancelPending
            }),
            crossing: kind == OrderType::Market && self.orders.would_cross(account, instrument, side, None),
            opposing: false,
        };
        let approved = world.gate.check_reduction(spec, own, &world.scene, world.observer)?;
        self.next_ordinal += 1;
        self.orders.add(Working { spec, purpose, state: OrderState::submitted(), reservation: None });
        if O::ACTIVE {
            world.observer.order(world.scene.ts, &spec, OrderClass::Reducing);
        }
        world.out.push(Command::Submit(approved));
        Ok(())
    }

    /// Gives a position the stop and target of its plan, resized and repriced; takes them off where nothing is held.
    fn protect<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        let wanted = protect::wanted(key, &self.plans, &world.scene);
        let mut have = [false; 2];
        for order in self.orders.of_mut(key.0, key.1, key.2) {
            let slot = match order.purpose {
                Purpose::Stop => 0,
                Purpose::Target => 1,
                Purpose::Entry { .. } | Purpose::Exit => continue,
            };
            let Some((_, levels)) = &wanted else {
                cancel(order, world.out);
                continue;
            };
            let fits = levels[slot].is_some_and(|(kind, quantity)| {
                kind == order.spec.kind
                    && OrderQuantity::Base(quantity) == order.spec.quantity
                    && order.state.filled().is_zero()
            });
            if fits && order.state.status() != OrderStatus::CancelPending {
                have[slot] = true;
            } else {
                cancel(order, world.out);
            }
        }
        let Some((side, levels)) = wanted else {
            if protect::closable(key, &world.scene).is_none() && !self.orders.entry_working(key.0, key.1, key.2) {
                self.plans.remove(key);
            }
            return None;
        };
        let mut alarm = None;
        for (slot, purpose) in [(0, Purpose::Stop), (1, Purpose::Target)] {
            let Some((kind, quantity)) = levels[slot].filter(|_| !have[slot]) else { continue };
            if let Err(refusal) = self.reduce(key, side, kind, quantity, purpose, world)
                && purpose == Purpose::Stop
            {
                alarm = Some(Alarm::Unprotected(refusal.reason));
            }
        }
        if alarm.is_some() {
            // Nothing protects the position: out of it. A refusal here leaves the alarm as it is.
            let _refused = self.exit(key, world).is_err();
        }
        alarm
    }

    /// A reversal's second half, once nothing is held.
    fn release_waiting<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        if protect::closable(key, &world.scene).is_some() {
            return;
        }
        let Some(at) =
            self.waiting.iter().position(|w| (w.signal().account, w.signal().instrument, w.signal().strategy) == key)
        else {
            return;
        };
        let validated = self.waiting.remove(at);
        let signal = *validated.signal();
        let side = if signal.intent == Intent::EnterLong { Side::Buy } else { Side::Sell };
        if let Err(refusal) = self.enter(&validated, side, world) {
            let decision = risk::Decision::Refused {
                strategy: signal.strategy,
                instrument: signal.instrument,
                intent: signal.intent,
                refusal,
            };
            world.out.push(Command::Record(decision));
        }
    }

    const fn next_id(&self, account: AccountId) -> ClientOrderId {
        ClientOrderId::new(account, self.epoch, self.next_ordinal)
    }
}

/// Sends a cancel, unless one is on its way.
fn cancel(order: &mut Working, out: &mut Vec<Command>) {
    if order.state.apply(OrderInput::CancelSent).is_ok() {
        out.push(Command::Cancel {
            client_id: order.spec.client_id,
            account: order.spec.account,
            instrument: order.spec.instrument,
        });
    }
}

impl Digestible for Desk {
    fn digest(&self, d: &mut Digest) {
        self.orders.digest(d);
        self.plans.digest(d);
        for waiting in &self.waiting {
            waiting.signal().digest(d);
        }
        d.word(self.next_ordinal);
        d.word(u64::from(self.epoch));
    }
}
