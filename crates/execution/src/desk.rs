//! The desk: makes orders of validated signals, follows every order to its end, and keeps positions protected.
//!
//! In:  validated signals; reports of venues, after the ledger has booked them.
//! Out: commands. Every submit passed the gate in this step; what waits, waits unapproved and is checked again.

use crate::ask::{AskPolicy, query};
use crate::closing::Closing;
use crate::emergency::{Standing, alert};
use crate::ended::{Ended, asked};
use crate::executions::Executions;
use crate::group::Groups;
use crate::held_back::{Parts, TRY_AGAIN, Unsent};
use crate::order_state::{IllegalTransition, OrderInput};
use crate::orders::{Orders, Purpose, Working};
use crate::parents::Parents;
use crate::plans::Plans;
use crate::protect;
use crate::recent::Recent;
use crate::watch::StopPolicy;
use domain::{
    AccountId, AlertKind, ClientOrderId, Entry, InstrumentIdx, Intent, Mode, Money, Observer, OrderClass,
    OrderQuantity, OrderSpec, OrderStatus, OrderType, Quantity, RejectReason, ReportBody, Rounding, Side, StrategyIdx,
    TimeInForce, UnixNanos, VenueOrderId,
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
    /// The venue ended one order after the other that reduces a position: it stays as it is.
    EndedByVenue(ClientOrderId),
    /// A position could not be given its stop; it is closed at the market.
    Unprotected(DenyReason),
    /// The venue filled more of an order than it asked for. It is booked, for the venue is the truth.
    Overfilled(ClientOrderId),
    /// The venue's number of an order is one that another order had.
    VenueIdReused(ClientOrderId, VenueOrderId),
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownOrder(id) => write!(f, "report on an order that is not known: {id}"),
            Self::Illegal(id, error) => write!(f, "order {id}: {error}"),
            Self::ReductionRejected(id, reason) => write!(f, "the venue refused reduction {id}: {}", reason.name()),
            Self::EndedByVenue(id) => write!(f, "the venue ended reduction {id}, and those before it"),
            Self::Unprotected(reason) => write!(f, "a position could not be given its stop: {}", reason.key()),
            Self::Overfilled(id) => write!(f, "the venue filled more of order {id} than it asked for"),
            Self::VenueIdReused(id, venue_id) => {
                write!(f, "the venue gave order {id} the number {}, which another order had", venue_id.0)
            }
        }
    }
}

/// A strategy's position: whose, in what.
pub type Key = (AccountId, InstrumentIdx, StrategyIdx);

/// The desk.
#[derive(Debug)]
pub struct Desk {
    pub(crate) orders: Orders,
    pub(crate) plans: Plans,
    pub(crate) closing: Closing,
    pub(crate) ended: Ended,
    pub(crate) waiting: Vec<Validated>,
    /// What is worked in parts.
    pub(crate) parents: Parents,
    pub(crate) epoch: u32,
    pub(crate) next_ordinal: u64,
    pub(crate) policy: StopPolicy,
    pub(crate) asking: Option<AskPolicy>,
    pub(crate) executions: Executions,
    /// Orders by the venue's number, within account and instrument.
    pub(crate) venue_ids: Recent<ClientOrderId>,
    pub(crate) standing: Standing,
    pub(crate) unsent: Unsent,
    pub(crate) parts: Parts,
    /// Orders that are due, within a step.
    pub(crate) overdue: Vec<ClientOrderId>,
    pub(crate) groups: Groups,
    /// Positions whose lack of protection was told.
    pub(crate) alerted: Vec<Key>,
    /// The earliest timer that was asked for and has not fired.
    pub(crate) armed: Option<UnixNanos>,
    /// Positions that several executions of one answer changed: what follows for them follows when all are booked. Within a step only.
    pub(crate) held_up: Option<Vec<Key>>,
}

/// How many of the venue's numbers of orders are kept.
const VENUE_IDS_KEPT: usize = 4_096;

/// The most stops (and targets) that are sent for one position in one step.
const BATCH_MAX: usize = 32;

/// How often a cancel of an entry that the venue refused is sent again at once; after that it is tried once a second.
const CANCELS_AT_ONCE: u8 = 2;

impl Desk {
    /// A desk whose orders carry this epoch, at a venue that answers within the step.
    #[must_use]
    pub fn new(epoch: u32) -> Self {
        Self {
            orders: Orders::default(),
            plans: Plans::default(),
            closing: Closing::default(),
            ended: Ended::default(),
            waiting: Vec::new(),
            parents: Parents::default(),
            epoch,
            next_ordinal: 1,
            policy: StopPolicy::AT_ONCE,
            asking: None,
            executions: Executions::default(),
            venue_ids: Recent::with_capacity(VENUE_IDS_KEPT),
            standing: Standing::default(),
            unsent: Unsent::default(),
            parts: Parts::default(),
            overdue: Vec::new(),
            groups: Groups::default(),
            alerted: Vec::new(),
            armed: None,
            held_up: None,
        }
    }

    /// The same desk with another policy for its stops.
    #[must_use]
    pub fn with_stops(self, policy: StopPolicy) -> Self {
        Self { policy, ..self }
    }

    /// The same desk that asks where orders are whose answers stay away.
    #[must_use]
    pub fn with_asking(self, asking: Option<AskPolicy>) -> Self {
        Self { asking, ..self }
    }

    /// Executions that were booked.
    #[must_use]
    pub const fn executions(&self) -> &Executions {
        &self.executions
    }

    /// Executions that were booked, to be added to.
    pub const fn executions_mut(&mut self) -> &mut Executions {
        &mut self.executions
    }

    /// Whose an order is, as far as that is known here.
    #[must_use]
    pub fn owner_of(&self, id: ClientOrderId) -> Option<StrategyIdx> {
        self.orders.get(id).map(|w| w.spec.strategy).or_else(|| self.ended.find(id).map(|end| end.strategy))
    }

    /// Several executions follow, all of the past: what they lead to waits for [`Desk::go_on`], so that nothing is sent for a position that was
    /// held between two of them.
    pub fn hold_up(&mut self) {
        self.held_up.get_or_insert_default();
    }

    /// All of them are booked: what follows from them follows now. The first alarm.
    pub fn go_on<O: Observer>(&mut self, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        let mut alarm = None;
        for key in self.held_up.take().unwrap_or_default() {
            alarm = alarm.or(self.settle(key, world));
            self.release_crossed(key, world);
        }
        self.finish(world);
        alarm
    }

    /// Whether what follows for a position waits.
    fn waits(&mut self, key: Key) -> bool {
        let Some(keys) = &mut self.held_up else { return false };
        if !keys.contains(&key) {
            keys.push(key);
        }
        true
    }

    /// From now on orders carry this epoch: numbers that a process gave before it died, and of which nothing is known any more, are never
    /// given again. An epoch that is not later changes nothing.
    pub const fn begin_epoch(&mut self, epoch: u32) {
        if epoch > self.epoch {
            (self.epoch, self.next_ordinal) = (epoch, 1);
        }
    }

    /// The orders that work.
    #[must_use]
    pub const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// The groups of entries that belong together.
    #[must_use]
    pub const fn groups(&self) -> &Groups {
        &self.groups
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
        let result = self.act_on(validated, world);
        self.finish(world);
        result
    }

    pub(crate) fn act_on<O: Observer>(
        &mut self,
        validated: &Validated,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let signal = validated.signal();
        let key = (signal.account, signal.instrument, signal.strategy);
        // The newest word of a strategy replaces what of its own still waits.
        self.waiting.retain(|w| (w.signal().account, w.signal().instrument, w.signal().strategy) != key);
        let side = match signal.intent {
            Intent::Exit => return self.exit(key, world),
            Intent::EnterLong => Side::Buy,
            Intent::EnterShort => Side::Sell,
        };
        self.replace_work(key, side, world)?;
        let (mut opposite, mut leaving) = (holds_against(key, side, &world.scene), false);
        for entry in self.orders.of_mut(key.0, key.1, key.2).filter(|w| w.is_entry()) {
            opposite |= entry.spec.side != side;
            leaving |= !entry.stays();
        }
        // What a stop or target is closing by now is not enlarged.
        leaving |= self.orders.any_set_off(key.0, key.1, key.2);
        if opposite {
            // A reversal: first flat, then the entry, which is checked when it can go.
            self.exit(key, world)?;
        }
        if opposite || leaving {
            self.waiting.push(*validated);
            return Ok(());
        }
        self.enter_or_wait(validated, side, world)
    }

    /// Acts on what a venue said of an order. Fills must have been booked in the ledger before.
    pub fn on_report<O: Observer>(&mut self, body: &ReportBody, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        self.on_report_of(world.scene.ts, body, world)
    }

    /// The same for something that the venue said at `ts_event`, on its clock.
    pub fn on_report_of<O: Observer>(
        &mut self,
        ts_event: UnixNanos,
        body: &ReportBody,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let alarm = match *body {
            ReportBody::Status { client_id, status, filled } => {
                self.on_status(ts_event, client_id, status, filled, world)
            }
            ReportBody::Replaced { .. } => self.on_replaced(body, world),
            _ => self.take_report(body, world),
        };
        self.finish(world);
        alarm
    }

    /// An execution that was booked before came again, and this time the venue says that nothing of the order is left.
    pub fn on_repeated<O: Observer>(&mut self, fill: &domain::Fill, complete: bool, world: &mut World<'_, '_, O>) {
        let Some(order) = self.orders.get(fill.client_id).filter(|_| complete) else { return };
        // Of one that asks for a quantity the sum says whether it is complete.
        if asked(&order.spec).is_none() {
            let key = order.key();
            self.end(fill.client_id, OrderStatus::Filled, world);
            self.settle(key, world);
            self.release_crossed(key, world);
            self.finish(world);
        }
    }

    /// What every step of the desk ends with.
    pub(crate) fn finish<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        if self.held_up.is_some() {
            return;
        }
        if !self.parents.is_empty() {
            self.work_on(world);
        }
        if !self.groups.is_empty() {
            self.carry_groups(world);
        }
        if world.scene.mode == Mode::Emergency {
            self.raise_naked(world);
        } else if !self.alerted.is_empty() {
            // One that is protected meanwhile is told again when it no longer is.
            self.forget_protected(&world.scene);
        }
        self.arm(world);
    }

    pub(crate) fn take_report<O: Observer>(
        &mut self,
        body: &ReportBody,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
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
            ReportBody::CancelRejected { client_id, reason } => {
                return self.on_cancel_refused(client_id, reason, world);
            }
            // Of an order that ended, a report that comes late, its fill having overtaken it, says nothing new.
            ReportBody::Triggered { client_id } => return self.on_set_off(client_id, world),
            ReportBody::Amended { .. }
            | ReportBody::Replaced { .. }
            | ReportBody::Charge { .. }
            | ReportBody::AmendRejected { .. }
            | ReportBody::Status { .. }
            | ReportBody::Funding { .. }
            | ReportBody::Transfer { .. } => return None,
        };
        let (now, asks) = (world.scene.ts, self.asking.is_some());
        let Some(order) = self.orders.get_mut(id) else { return self.on_stranger(id, input, body, world) };
        let (mut over, mut short) = (false, false);
        let mut input = input;
        if let OrderInput::Filled { quantity, complete } = &mut input
            && let Some(left) =
                asked(&order.spec).and_then(|asked| asked.checked_sub(order.state.filled())?.checked_sub(*quantity))
        {
            // The sum says whether something is left: an execution that was recovered does not know, and one may come before earlier ones.
            (over, short) = (left < Quantity::ZERO, left > Quantity::ZERO && *complete);
            *complete = left <= Quantity::ZERO || (*complete && !asks);
        }
        let asked_for = order.unwanted || order.state.status() == OrderStatus::CancelPending;
        let status = match order.state.apply(input) {
            Ok(status) => status,
            Err(error) => return Some(Alarm::Illegal(id, error)),
        };
        order.hear(now);
        if !order.unwanted {
            // The venue answered.
            order.due = None;
        }
        if !self.parents.is_empty() {
            let (rules, now) = (world.scene.table.get(order.spec.instrument), world.scene.ts);
            self.parents.heard(id, input, (status.is_terminal(), asked_for), cause, (rules, now));
        }
        let key = order.key();
        let purpose = order.purpose;
        if short && asks && order.state.apply(OrderInput::AnswerOverdue).is_ok() {
            // Its earlier fills are on their way, or were missed: then the venue is asked.
            order.due = Some(now.saturating_add(TRY_AGAIN));
        }
        let mut reused = None;
        if let ReportBody::Accepted { venue_id, .. } = *body {
            order.venue_id = Some(venue_id);
            reused = self.note_venue_id(id, key, venue_id);
        }
        let Some(order) = self.orders.get_mut(id) else { return reused };
        if let (ReportBody::Filled { fill, .. }, Some(reservation)) = (body, order.reservation.as_mut()) {
            let notional = (world.scene.table.get(fill.instrument))
                .and_then(|i| i.notional(i.price(fill.price), i.quantity(fill.quantity), Rounding::Up))
                .unwrap_or(Money::ZERO);
            world.gate.use_part(reservation, notional);
        }
        let ended = status.is_terminal();
        let protective = matches!(purpose, Purpose::Stop | Purpose::Target);
        if protective && matches!(input, OrderInput::Filled { .. }) {
            // What is filled was set off, whether or not the venue said so.
            order.set_off = true;
            self.leave(key, world);
        }
        if ended {
            self.end(id, status, world);
        }
        if over {
            alert(AlertKind::Overfilled, key, None, world.out);
        }
        if !self.groups.is_empty() {
            self.group_heard(id, input, world);
        }
        let alarm = match input {
            OrderInput::Filled { .. } => {
                if let (Purpose::Entry { stop, target }, ReportBody::Filled { fill, .. }) = (purpose, body)
                    && !self.is_surplus(fill, world)
                {
                    self.plans.set(key, stop, target, fill.side, (world.scene.ts, fill.price));
                }
                self.closing.filled(key);
                self.unsent.forget(key);
                self.settle(key, world)
            }
            OrderInput::Rejected | OrderInput::Canceled | OrderInput::Expired => {
                if asked_for || matches!(purpose, Purpose::Entry { .. }) {
                    self.settle(key, world)
                } else {
                    let rejected = cause.filter(|_| input == OrderInput::Rejected);
                    self.on_lost(id, key, purpose, rejected, world)
                }
            }
            OrderInput::Accepted
            | OrderInput::CancelSent
            | OrderInput::CancelRejected
            | OrderInput::AnswerOverdue
            | OrderInput::Completed => None,
        };
        if ended {
            self.release_crossed(key, world);
        }
        alarm.or(over.then_some(Alarm::Overfilled(id))).or(reused)
    }

    /// The venue refused to take an order off that is to go: it is asked again, an entry at once.
    fn on_cancel_refused<O: Observer>(
        &mut self,
        id: ClientOrderId,
        reason: RejectReason,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let due = self.answer_due(world.scene.ts);
        let order = self.orders.get_mut(id)?;
        if order.state.status() != OrderStatus::CancelPending {
            // Said twice, or of a cancel that nobody waits for any more.
            return None;
        }
        if self.asking.is_some() && (reason == RejectReason::UnknownOrder || !order.state.is_known()) {
            // It ended and its end was missed, it never arrived, or it is on its way still: the venue is asked which.
            if order.state.apply(OrderInput::AnswerOverdue).is_ok() {
                query(order, world.scene.ts, world.out);
            }
            return None;
        }
        if let Err(error) = order.state.apply(OrderInput::CancelRejected) {
            return Some(Alarm::Illegal(id, error));
        }
        if order.unwanted {
            order.refused = order.refused.saturating_add(1);
            if order.is_entry() && order.refused <= CANCELS_AT_ONCE {
                cancel(order, due, world.out);
            } else {
                order.due = Some(world.scene.ts.saturating_add(TRY_AGAIN));
            }
        }
        None
    }

    /// The venue set a stop or target off. It closes the position from now on, and nothing may enlarge that again.
    pub(crate) fn on_set_off<O: Observer>(&mut self, id: ClientOrderId, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        if self.group_set_off(id, world) {
            return None;
        }
        let now = world.scene.ts;
        let order = self.orders.get_mut(id).filter(|w| !w.is_entry())?;
        order.set_off = true;
        order.hear(now);
        if !order.unwanted || self.asking.is_none() {
            order.due = None;
        }
        if matches!(order.state.status(), OrderStatus::Submitted | OrderStatus::OutcomeUnknown)
            && let Err(error) = order.state.apply(OrderInput::Accepted)
        {
            // What is set off is there, whether or not its acceptance was heard of.
            return Some(Alarm::Illegal(id, error));
        }
        let key = order.key();
        self.leave(key, world);
        self.settle(key, world)
    }

    /// A position is being closed by its own stop or target: its entries are taken off, and what is held beyond will be closed, too.
    fn leave<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        let due = self.answer_due(world.scene.ts);
        for entry in self.orders.of_mut(key.0, key.1, key.2).filter(|w| w.is_entry()) {
            cancel(entry, due, world.out);
        }
        self.groups.stopped(key);
        self.closing.go_on(key);
        self.parents.close(key);
    }

    /// A report on an order that is not in the list. A fill that comes after the end of one of ours is a fill; anything else is strange.
    fn on_stranger<O: Observer>(
        &mut self,
        id: ClientOrderId,
        input: OrderInput,
        body: &ReportBody,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        if matches!(input, OrderInput::Accepted | OrderInput::Filled { .. })
            && let Some((spec, purpose, filled)) = self.ended.take_given_up(id)
        {
            // The venue did not know it, and now it is there.
            self.adopt(spec, purpose, filled, world);
            return self.take_report(body, world);
        }
        let end = self.ended.find(id).copied();
        let ReportBody::Filled { fill, .. } = body else {
            // Said twice, or overtaken by its own end: nothing new.
            return if end.is_some() { None } else { Some(Alarm::UnknownOrder(id)) };
        };
        let key = (fill.account, fill.instrument, fill.strategy);
        self.group_heard(id, input, world);
        if let Some(Purpose::Entry { stop, target }) = end.map(|end| end.purpose)
            && !self.is_surplus(fill, world)
        {
            self.plans.set(key, stop, target, fill.side, (world.scene.ts, fill.price));
        }
        let quantity = world.scene.table.get(fill.instrument).map_or(Quantity::ZERO, |i| i.quantity(fill.quantity));
        self.parents.late(id, end.as_ref(), quantity);
        // Known or not, it changed a position: what protects that must follow.
        self.unsent.forget(key);
        let alarm = self.settle(key, world);
        let OrderInput::Filled { quantity, .. } = input else { return alarm };
        match end.map(|end| end.status) {
            None => Some(Alarm::UnknownOrder(id)),
            Some(from @ OrderStatus::Rejected) => Some(Alarm::Illegal(id, IllegalTransition { from, input })),
            Some(_) => {
                let over = self.ended.filled(id, quantity).is_some_and(|left| left < Quantity::ZERO);
                if over {
                    alert(AlertKind::Overfilled, key, None, world.out);
                }
                alarm.or(over.then_some(Alarm::Overfilled(id)))
            }
        }
    }

    /// The venue refused or ended an order that reduces a position, and nobody asked for it.
    fn on_lost<O: Observer>(
        &mut self,
        id: ClientOrderId,
        key: Key,
        purpose: Purpose,
        rejected: Option<RejectReason>,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        if protect::closable(key, &world.scene).is_none() {
            // Another order of ours closed the position before: there is nothing left to reduce, and nothing wrong.
            return self.settle(key, world);
        }
        match (purpose, rejected) {
            // It holds less of the position than we know of, for a fill was missed: the venue is asked, and its answer is there before the last
            // of these tries.
            (Purpose::Stop, Some(RejectReason::ReduceOnly)) if self.asking.is_some() => {
                self.on_failed(id, key, purpose, rejected, world)
            }
            // A profit is not worth a second try before that answer: one would follow the other without an end.
            (Purpose::Target, Some(RejectReason::ReduceOnly)) if self.asking.is_some() => None,
            // Less than the venue takes at that price. While the entry still fills, its next fill or its end asks again; after that what
            // cannot be protected is closed at the market, and what cannot even be closed is dust.
            (Purpose::Stop, Some(RejectReason::MinNotional)) => {
                if self.orders.entry_working(key.0, key.1, key.2) {
                    return None;
                }
                self.flee(key, world)
            }
            (Purpose::Exit, Some(RejectReason::MinNotional)) => {
                self.closing.end(key);
                None
            }
            (Purpose::Target, Some(RejectReason::MinNotional)) => None,
            // A part is reduced at once or not at all; whoever asked for it looks at the position again.
            (
                Purpose::Part,
                None
                | Some(
                    RejectReason::MinNotional
                    | RejectReason::NoMarket
                    | RejectReason::NotFilledAtOnce
                    | RejectReason::ReduceOnly,
                ),
            ) => self.settle(key, world),
            (Purpose::Part, Some(reason)) => self.settle(key, world).or(Some(Alarm::ReductionRejected(id, reason))),
            // The market is at that price already: what the order was for happens now.
            (Purpose::Stop, Some(RejectReason::WouldTrigger)) => self.flee(key, world),
            (Purpose::Target, Some(RejectReason::WouldTrigger)) => {
                self.exit(key, world).err().map(|refusal| Alarm::Unprotected(refusal.reason))
            }
            // The venue cannot hold a stop that follows the price: a fixed one is moved after it.
            (Purpose::Stop, Some(RejectReason::Unsupported)) if self.plans.move_by_us(key) => self.settle(key, world),
            // A stop that the venue will not hold protects nothing: out of the position.
            (Purpose::Stop, Some(reason)) => self.flee(key, world).or(Some(Alarm::ReductionRejected(id, reason))),
            (Purpose::Target, Some(reason)) => Some(Alarm::ReductionRejected(id, reason)),
            _ => self.on_failed(id, key, purpose, rejected, world),
        }
    }

    /// Another one is sent at once, unless too many ended in a row.
    fn on_failed<O: Observer>(
        &mut self,
        id: ClientOrderId,
        key: Key,
        purpose: Purpose,
        rejected: Option<RejectReason>,
        world: &mut World<'_, '_, O>,
    ) -> Option<Alarm> {
        let again = self.closing.failed(key, world.scene.ts);
        let alarm = if again || purpose != Purpose::Stop { self.settle(key, world) } else { self.flee(key, world) };
        let given_up = rejected.map_or(Alarm::EndedByVenue(id), |reason| Alarm::ReductionRejected(id, reason));
        alarm.or((!again).then_some(given_up))
    }

    /// Closes a position that cannot have its stop.
    pub(crate) fn flee<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        self.plans.drop_stop(key);
        self.exit(key, world).err().map(|refusal| Alarm::Unprotected(refusal.reason))
    }

    /// After anything that may have changed a position: protects it, goes on closing it, and lets go what waited for that.
    pub(crate) fn settle<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        if self.waits(key) {
            return None;
        }
        if self.standing.flattens(key.0)
            && !self.closing.is_closing(key)
            && protect::closable(key, &world.scene).is_some()
        {
            // What comes late is closed, too.
            self.closing.begin(key);
        }
        let alarm = self.protect(key, world);
        self.tell_stop(key, world);
        let closing = self.go_on_closing(key, world).err().map(|refusal| Alarm::Unprotected(refusal.reason));
        self.send_part(key, world);
        self.release_waiting(key, world);
        alarm.or(closing)
    }

    /// Sends an entry, if the gate lets it.
    pub(crate) fn enter<O: Observer>(
        &mut self,
        validated: &Validated,
        side: Side,
        post_only: bool,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let signal = validated.signal();
        let limit = match signal.entry {
            Entry::Market => None,
            Entry::Limit(price) | Entry::Stop(price) => Some(price),
        };
        let spec = OrderSpec {
            client_id: self.next_id(signal.account),
            kind: match signal.entry {
                Entry::Market => OrderType::Market,
                Entry::Limit(price) => OrderType::Limit { price },
                Entry::Stop(trigger) => OrderType::StopMarket { trigger },
            },
            quantity: OrderQuantity::Base(Quantity::ZERO),
            time_in_force: TimeInForce::Gtc,
            account: signal.account,
            instrument: signal.instrument,
            strategy: signal.strategy,
            side,
            post_only,
            reduce_only: false,
        };
        let own = OwnOrders {
            duplicate: self.orders.entry_working(signal.account, signal.instrument, signal.strategy),
            crossing: self.orders.would_cross(signal.account, signal.instrument, side, limit),
            opposing: self.orders.entry_opposing(signal.account, signal.instrument, signal.strategy, side),
        };
        let entry = world.gate.check_entry(validated, EntryIntent { spec, own }, &world.scene, world.observer)?;
        self.next_ordinal += 1;
        self.closing.end((signal.account, signal.instrument, signal.strategy));
        let purpose = Purpose::Entry { stop: signal.stop, target: signal.target };
        let due = self.answer_due(world.scene.ts);
        self.orders.add(Working::submitted(entry.spec, purpose, Some(entry.reservation)).leaving(world.scene.ts, due));
        if O::ACTIVE {
            world.observer.order(world.scene.ts, &entry.spec, OrderClass::Entry);
        }
        world.out.push(Command::Submit(entry.approved));
        Ok(())
    }

    /// Sends an entry; one that would trade with an older order of ours waits until that is gone.
    pub(crate) fn enter_or_wait<O: Observer>(
        &mut self,
        validated: &Validated,
        side: Side,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        match self.enter(validated, side, false, world) {
            Err(refusal) if refusal.reason == DenyReason::SelfMatch => {
                self.waiting.push(*validated);
                Ok(())
            }
            result => result,
        }
    }

    /// Takes entries off and closes what is held. Stops stay until the position is gone.
    pub(crate) fn exit<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) -> Result<(), Refusal> {
        self.close_work(key, world);
        let due = self.answer_due(world.scene.ts);
        for order in self.orders.of_mut(key.0, key.1, key.2).filter(|order| order.is_entry()) {
            cancel(order, due, world.out);
        }
        self.groups.stopped(key);
        self.closing.begin(key);
        self.go_on_closing(key, world)
    }

    /// Goes on closing a position that is to be closed: until nothing is held and no entry can still fill, an exit works.
    pub(crate) fn go_on_closing<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) -> Result<(), Refusal> {
        if self.closing.is_empty() {
            return Ok(());
        }
        if protect::closable(key, &world.scene).is_none() {
            let (entry, leaves) =
                (self.orders.entry_working(key.0, key.1, key.2), self.orders.any_set_off(key.0, key.1, key.2));
            if !entry && !leaves {
                self.closing.end(key);
            }
            return Ok(());
        }
        if !self.closing.wants_exit(key) || self.holds_back(key) {
            return Ok(());
        }
        // What the venue set off closes its part, and so does a part that is on its way; an exit is for what is held beyond. A rest too small
        // for one waits for the end of that.
        let leaves = |w: &&Working| (w.set_off || w.purpose == Purpose::Part) && w.stays();
        let covered = (self.orders.of(key.0, key.1, key.2).filter(leaves))
            .try_fold(Quantity::ZERO, |sum, w| sum.checked_add(w.left()?))
            .unwrap_or(Quantity::ZERO);
        let Some((side, quantity)) = protect::closable_beyond(key, covered, &world.scene) else { return Ok(()) };
        let protected = self.orders.of(key.0, key.1, key.2).any(Working::protects);
        let due = self.answer_due(world.scene.ts);
        for exit in self.orders.of_mut(key.0, key.1, key.2).filter(|w| w.purpose == Purpose::Exit && w.stays()) {
            if protected || exit.left() >= Some(quantity) {
                return Ok(());
            }
            // It left when less was held, and nothing protects the rest: one for all of it takes its place.
            cancel(exit, due, world.out);
        }
        match self.reduce(key, side, OrderType::Market, quantity, Purpose::Exit, world) {
            // The older entry is taken off first, and the reduction goes when that is done.
            Err(refusal) if refusal.reason == DenyReason::SelfMatch => {
                for order in self.orders.crossing_mut(key.0, key.1, side, None).filter(|order| order.is_entry()) {
                    cancel(order, due, world.out);
                }
                Ok(())
            }
            Err(refusal) => {
                self.closing.put_off(key, world.scene.ts);
                Err(refusal)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Whether nothing that reduces a position is sent now: the gate word stopped the last one, or all orders were taken off on purpose.
    pub(crate) fn holds_back(&self, key: Key) -> bool {
        self.unsent.holds(key) || self.standing.is_stripped(key.0)
    }

    /// Sends an order that only reduces a position.
    pub(crate) fn reduce<O: Observer>(
        &mut self,
        (account, instrument, strategy): Key,
        side: Side,
        kind: OrderType,
        quantity: Quantity,
        purpose: Purpose,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        // A part goes at once or not at all, but for one that rests because its schedule wants it to.
        let at_once = purpose == Purpose::Part && kind == OrderType::Market;
        let spec = OrderSpec {
            client_id: self.next_id(account),
            kind,
            quantity: OrderQuantity::Base(quantity),
            time_in_force: if at_once { TimeInForce::Ioc } else { TimeInForce::Gtc },
            account,
            instrument,
            strategy,
            side,
            post_only: false,
            reduce_only: true,
        };
        let own = OwnOrders {
            duplicate: self.is_doubled((account, instrument, strategy), quantity, (purpose, kind), &world.scene),
            crossing: kind == OrderType::Market && self.orders.would_cross(account, instrument, side, None),
            opposing: false,
        };
        let approved = world.gate.check_reduction(spec, own, &world.scene, world.observer)?;
        self.next_ordinal += 1;
        let within = self.policy.confirm_within.filter(|_| purpose != Purpose::Target);
        let due =
            within.map(|within| world.scene.ts.saturating_add(within)).or_else(|| self.answer_due(world.scene.ts));
        self.orders.add(Working::submitted(spec, purpose, None).leaving(world.scene.ts, due));
        if O::ACTIVE {
            world.observer.order(world.scene.ts, &spec, OrderClass::Reducing);
        }
        world.out.push(Command::Submit(approved));
        Ok(())
    }

    /// Whether an order of the same purpose does the same already. Stops and targets are several where one order cannot hold the whole
    /// position: together they must not be more than it.
    fn is_doubled(
        &self,
        key: Key,
        quantity: Quantity,
        (purpose, kind): (Purpose, OrderType),
        scene: &Scene<'_>,
    ) -> bool {
        let mut same = self.orders.of(key.0, key.1, key.2).filter(|w| w.purpose == purpose && w.stays());
        if !matches!(purpose, Purpose::Stop | Purpose::Target) {
            // A part that rests stands against none that goes at once.
            return same.any(|w| w.spec.kind == OrderType::Market || kind != OrderType::Market);
        }
        let held = scene.portfolio.position(key.0, key.1, key.2).quantity.checked_abs();
        let sum = same.try_fold(quantity, |sum, w| sum.checked_add(w.left()?));
        held.is_none() || sum.is_none() || sum > held
    }

    /// Gives a position the stop and target of its plan, resized and repriced; takes them off where nothing is held. What is filling by now
    /// is left alone.
    fn protect<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) -> Option<Alarm> {
        let resting = protect::resting(key, &self.orders, &world.scene);
        let mut wanted = protect::wanted(key, &self.plans, resting, &world.scene);
        if wanted.is_some() && self.holds_back(key) {
            return None;
        }
        let stopped =
            (self.orders.of(key.0, key.1, key.2)).any(|w| w.purpose == Purpose::Stop && w.set_off && w.stays());
        if let Some((_, levels)) = wanted.as_mut().filter(|_| stopped) {
            // The position leaves at the market: there is no profit to be taken any more.
            levels[1] = None;
        }
        // How much of the position the orders that stay cover, by purpose.
        let mut covered = [Quantity::ZERO; 2];
        // A price that makes dust of a position may be a bad print: what covers all of it stays until something of it is traded.
        let due = self.answer_due(world.scene.ts);
        let cheap = if wanted.is_none() { protect::dust_by_value(key, &world.scene) } else { None };
        for order in self.orders.of_mut(key.0, key.1, key.2) {
            let slot = match order.purpose {
                Purpose::Stop => 0,
                Purpose::Target => 1,
                Purpose::Exit | Purpose::Part if protect::goes_on(order, key, &world.scene) => continue,
                // An exit that finds nothing left, or the other side, must not meet the next position.
                Purpose::Exit | Purpose::Part if wanted.as_ref().is_none_or(|(side, _)| *side != order.spec.side) => {
                    cancel(order, due, world.out);
                    continue;
                }
                Purpose::Entry { .. } | Purpose::Exit | Purpose::Part => continue,
            };
            if order.stays() && protect::goes_on(order, key, &world.scene) {
                // What is at it is left to it; what is held beyond is closed.
                covered[slot] = Quantity::MAX;
                continue;
            }
            let Some((side, levels)) = &wanted else {
                let covers = |(side, quantity)| side == order.spec.side && order.left() == Some(quantity);
                if !order.stays() || !cheap.is_some_and(covers) {
                    cancel(order, due, world.out);
                }
                continue;
            };
            // The largest order that the rest of the position allows. One that is filled in part still covers what is left.
            let next = protect::closable_beyond(key, covered[slot], &world.scene).map(|(_, quantity)| quantity);
            let fits = levels[slot] == Some(order.spec.kind) && *side == order.spec.side && order.left() == next;
            match order.left().and_then(|left| covered[slot].checked_add(left)).filter(|_| fits && order.stays()) {
                Some(sum) => (covered[slot], order.unwanted) = (sum, false),
                None => cancel(order, due, world.out),
            }
        }
        let Some((side, levels)) = wanted else {
            if cheap.is_some() {
                self.plans.fade(key, true);
            } else if protect::closable(key, &world.scene).is_none() {
                if self.orders.entry_working(key.0, key.1, key.2) {
                    self.plans.begin_anew(key);
                } else {
                    self.plans.remove(key);
                }
            }
            return None;
        };
        self.plans.fade(key, false);
        let mut alarm = None;
        for (slot, purpose) in [(0, Purpose::Stop), (1, Purpose::Target)] {
            let Some(kind) = levels[slot] else { continue };
            // More than one order can hold is covered by several.
            for _ in 0..BATCH_MAX {
                let Some((_, quantity)) = protect::closable_beyond(key, covered[slot], &world.scene) else { break };
                match self.reduce(key, side, kind, quantity, purpose, world) {
                    Ok(()) => covered[slot] = covered[slot].checked_add(quantity).unwrap_or(Quantity::MAX),
                    Err(refusal) => {
                        if purpose == Purpose::Stop {
                            alarm = Some(Alarm::Unprotected(refusal.reason));
                        }
                        break;
                    }
                }
            }
        }
        if alarm.is_some() {
            // Nothing protects the position: out of it. A refusal here leaves the alarm as it is.
            let _refused = self.exit(key, world).is_err();
        }
        alarm
    }

    /// Lets an entry of this strategy go that waited: for the end of the position it reverses, of an entry that is being taken off, or of
    /// an order that it would have traded with.
    fn release_waiting<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        let of = |w: &Validated| (w.signal().account, w.signal().instrument, w.signal().strategy);
        let Some(at) = self.waiting.iter().position(|w| of(w) == key) else { return };
        let signal = *self.waiting[at].signal();
        let side = if signal.intent == Intent::EnterLong { Side::Buy } else { Side::Sell };
        let (busy, leaves) =
            (self.orders.entry_working(key.0, key.1, key.2), self.orders.any_set_off(key.0, key.1, key.2));
        if busy || leaves || holds_against(key, side, &world.scene) {
            return;
        }
        let validated = self.waiting.remove(at);
        if let Err(refusal) = self.enter_or_wait(&validated, side, world) {
            let decision = risk::Decision::Refused {
                strategy: signal.strategy,
                instrument: signal.instrument,
                intent: signal.intent,
                refusal,
            };
            world.out.push(Command::Record(decision));
        }
    }

    /// An order ended: what of other strategies in its instrument waited for it goes on.
    pub(crate) fn release_crossed<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        if self.waits(key) {
            return;
        }
        let (account, instrument, _) = key;
        let mut at = 0;
        while let Some(key) = self.closing.nth(at) {
            if (key.0, key.1) == (account, instrument) {
                // What is refused here stays to be closed, and is asked for again.
                let _refused = self.go_on_closing(key, world).is_err();
            }
            at += usize::from(self.closing.nth(at) == Some(key));
        }
        let mut at = 0;
        while let Some(key) = self.parts.nth(at) {
            if (key.0, key.1) == (account, instrument) {
                self.send_part(key, world);
            }
            at += usize::from(self.parts.nth(at) == Some(key));
        }
        // What waits again goes to the end of the list, so each is asked once.
        let mut at = 0;
        for _ in 0..self.waiting.len() {
            let Some(signal) = self.waiting.get(at).map(Validated::signal) else { break };
            let key = (signal.account, signal.instrument, signal.strategy);
            let before = self.waiting.len();
            if (key.0, key.1) == (account, instrument) {
                self.release_waiting(key, world);
            }
            let same_place =
                self.waiting.get(at).map(|w| (w.signal().account, w.signal().instrument, w.signal().strategy));
            at += usize::from(self.waiting.len() == before && same_place == Some(key));
        }
    }

    pub(crate) const fn next_id(&self, account: AccountId) -> ClientOrderId {
        ClientOrderId::new(account, self.epoch, self.next_ordinal)
    }
}

/// Whether a strategy holds what an entry on `side` would have to close first.
pub(crate) fn holds_against(key: Key, side: Side, scene: &Scene<'_>) -> bool {
    let held = scene.portfolio.position(key.0, key.1, key.2).quantity;
    held.raw().signum() * side.sign() < 0 && protect::closable(key, scene).is_some()
}

/// Sends a cancel, unless one is on its way. `due` is when it must have been answered.
pub(crate) fn cancel(order: &mut Working, due: Option<UnixNanos>, out: &mut Vec<Command>) {
    if !order.stays() {
        return;
    }
    if order.state.apply(OrderInput::CancelSent).is_ok() {
        (order.unwanted, order.due) = (true, due);
        out.push(Command::Cancel {
            client_id: order.spec.client_id,
            account: order.spec.account,
            instrument: order.spec.instrument,
        });
    }
}
