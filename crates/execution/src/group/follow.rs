//! What venues say of the orders of groups, and what is known at once: which order of a pair is chosen, which is taken off.
//!
//! Everything here happens before the desk protects what was filled; what is sent because of it follows in [`super::carry`], in the same
//! step.

use super::{Phase, Stage};
use crate::desk::{Desk, World, cancel};
use crate::held_back::TRY_AGAIN;
use crate::order_state::OrderInput;
use domain::{
    AccountId, ChildSize, ClientOrderId, Fill, GroupKind, GroupStep, LegRisk, Mode, Nanos, Observer, OrderStatus,
    Quantity,
};
use risk::{DenyReason, Refusal};

/// How long the missing part of a broken combination may take where nothing was said.
const COMPLETE_WITHIN: Nanos = Nanos::from_secs(5);

impl Desk {
    /// An order was filled, or ended before all of it was. Whether it closed the excess of a group.
    pub(crate) fn group_heard<O: Observer>(
        &mut self,
        id: ClientOrderId,
        input: OrderInput,
        world: &mut World<'_, '_, O>,
    ) -> bool {
        let filled = matches!(input, OrderInput::Filled { .. });
        let ended = matches!(input, OrderInput::Rejected | OrderInput::Canceled | OrderInput::Expired);
        if !filled && !ended {
            return false;
        }
        if let Some((at, leg)) = self.groups.closed_by(id) {
            self.excess_heard(at, leg, input, world);
            return true;
        }
        // A late fill makes a group live again that was over.
        let Some((at, leg)) = self.groups.find(id, filled) else { return false };
        if let OrderInput::Filled { quantity, complete } = input {
            let Some(state) = self.groups.live[at].leg_mut(leg) else { return false };
            state.filled = state.filled.checked_add(quantity).unwrap_or(Quantity::MAX);
            if complete && state.orders[0] == Some(id) {
                state.phase = Phase::Filled;
            }
            if self.groups.live[at].kind == GroupKind::OneCancelsOther {
                self.choose(at, leg, world);
            }
        } else if self.groups.live[at].leg(leg).is_some_and(|state| state.orders[0] == Some(id)) {
            self.leg_ended(at, leg, world);
        }
        false
    }

    /// The venue set an entry off: of a pair, the other one is taken off at once. Whether it is one of a group.
    pub(crate) fn group_set_off<O: Observer>(&mut self, id: ClientOrderId, world: &mut World<'_, '_, O>) -> bool {
        if self.groups.is_empty() {
            return false;
        }
        let Some((at, leg)) = self.groups.find(id, false) else { return false };
        let group = &mut self.groups.live[at];
        if group.kind == GroupKind::OneCancelsOther && group.chosen.is_none() && group.triggered.is_none() {
            group.triggered = u8::try_from(leg).ok();
            self.take_legs_off(at, |other| other != leg, world);
        }
        true
    }

    /// Whether a fill is of an order that was to be taken off, so that what protects the position stays as it is. Where that fill turned
    /// the position round, it does not: its own plan protects what is left of it until it is closed.
    pub(crate) fn is_surplus<O: Observer>(&mut self, fill: &Fill, world: &World<'_, '_, O>) -> bool {
        if self.groups.is_empty() {
            return false;
        }
        let Some((at, leg)) = self.groups.find(fill.client_id, false) else { return false };
        let group = &self.groups.live[at];
        let Some(chosen) = group.chosen.map(usize::from).filter(|chosen| *chosen != leg) else { return false };
        let key = (fill.account, fill.instrument, fill.strategy);
        let same_side = group.leg(chosen).is_some_and(|other| other.leg.side() == fill.side);
        let held = world.scene.portfolio.position(key.0, key.1, key.2).quantity;
        let turned = !same_side && held.raw().signum() * fill.side.sign() > 0;
        if turned {
            self.plans.begin_anew(key);
        }
        !turned
    }

    /// The first fill of a pair chooses its order: the other one leaves in this step. A fill of the other one came all the same where that
    /// was seen before: then nothing of the pair goes on, and what was filled second is closed.
    fn choose<O: Observer>(&mut self, at: usize, leg: usize, world: &mut World<'_, '_, O>) {
        let group = &mut self.groups.live[at];
        match group.chosen.map(usize::from) {
            None => {
                group.chosen = u8::try_from(leg).ok();
                group.legs.iter_mut().enumerate().filter(|(other, _)| *other != leg).for_each(|(_, other)| {
                    if let Some(other) = other {
                        other.most = Quantity::ZERO;
                    }
                });
                world.out.push(group.step(leg, GroupStep::Chosen, None));
                self.take_legs_off(at, |other| other != leg, world);
            }
            Some(chosen) if chosen == leg => {}
            Some(_) => self.take_legs_off(at, |_| true, world),
        }
    }

    /// Sends cancels for the orders of some legs of a group.
    pub(super) fn take_legs_off<O: Observer>(
        &mut self,
        at: usize,
        which: impl Fn(usize) -> bool,
        world: &mut World<'_, '_, O>,
    ) {
        let due = self.answer_due(world.scene.ts);
        let Self { groups, orders, .. } = self;
        for (_, leg) in groups.live[at].legs().enumerate().filter(|(leg, _)| which(*leg)) {
            for id in leg.orders.iter().flatten() {
                if let Some(order) = orders.get_mut(*id) {
                    cancel(order, due, world.out);
                }
            }
        }
    }

    /// An order of a leg ended before all of it was filled.
    pub(super) fn leg_ended<O: Observer>(&mut self, at: usize, leg: usize, world: &mut World<'_, '_, O>) {
        let group = &mut self.groups.live[at];
        let (kind, stage) = (group.kind, group.stage);
        let Some(state) = group.leg_mut(leg) else { return };
        state.phase = Phase::Ended;
        let again = state.sent() > 1;
        match kind {
            GroupKind::Bracket => {}
            // The pair is one: what ends of it ends all of it, but for what was chosen or is set off.
            GroupKind::OneCancelsOther => match group.chosen.or(group.triggered).map(usize::from) {
                Some(chosen) if chosen != leg => self.hold_rest(at, chosen, world),
                _ => self.take_legs_off(at, |other| other != leg, world),
            },
            // Whether the second one follows is seen at the end of the step.
            GroupKind::OneTriggersOther { .. } => {}
            GroupKind::Legs { .. } => match stage {
                Stage::Working => self.broken(at, leg, world),
                Stage::Completing if again => self.unwind(at, leg, world),
                Stage::Completing | Stage::Unwinding | Stage::Withdrawn => {}
            },
        }
    }

    /// The order that held of the limits for both of a pair is gone: the chosen one holds what its rest needs.
    fn hold_rest<O: Observer>(&mut self, at: usize, chosen: usize, world: &mut World<'_, '_, O>) {
        let Some(leg) = self.groups.live[at].leg(chosen) else { return };
        let Some(order) = leg.orders[0].and_then(|id| self.orders.get_mut(id)) else { return };
        let (Some(left), Some(whole)) = (order.left(), leg.asked) else { return };
        if let Some(reservation) = order.reservation.as_mut() {
            world.gate.hold_rest(reservation, leg.cost, left, whole);
        }
    }

    /// A combination cannot be had as it was asked for. Where nothing is held of it, none of it is wanted any more.
    pub(super) fn broken<O: Observer>(&mut self, at: usize, leg: usize, world: &mut World<'_, '_, O>) {
        let now = world.scene.ts;
        let group = &mut self.groups.live[at];
        let GroupKind::Legs { within, risk, .. } = group.kind else { return };
        world.out.push(group.step(leg, GroupStep::Broken, None));
        if group.legs().all(|leg| leg.filled.is_zero()) {
            group.legs_mut().for_each(|leg| leg.most = Quantity::ZERO);
            return self.withdraw(at, None, world);
        }
        self.tell_broken(at, leg, world);
        if risk == LegRisk::Unwind {
            return self.unwind(at, leg, world);
        }
        let group = &mut self.groups.live[at];
        group.stage = Stage::Completing;
        group.deadline = Some(now.saturating_add(within.unwrap_or(COMPLETE_WITHIN)));
        world.out.push(group.step(leg, GroupStep::Completing, None));
        self.take_legs_off(at, |_| true, world);
    }

    /// What was filled of a combination is closed, and nothing more of it is wanted.
    pub(super) fn unwind<O: Observer>(&mut self, at: usize, leg: usize, world: &mut World<'_, '_, O>) {
        let group = &mut self.groups.live[at];
        (group.stage, group.deadline) = (Stage::Unwinding, None);
        group.legs_mut().for_each(|leg| leg.most = Quantity::ZERO);
        world.out.push(group.step(leg, GroupStep::Unwinding, None));
        self.drop_waiting_legs(at, None, world);
        self.take_legs_off(at, |_| true, world);
    }

    /// Nothing more leaves for a group, and its orders are taken off. What was filled stays.
    pub(super) fn withdraw<O: Observer>(&mut self, at: usize, refusal: Option<Refusal>, world: &mut World<'_, '_, O>) {
        let group = &mut self.groups.live[at];
        if group.stage == Stage::Unwinding {
            return;
        }
        (group.stage, group.deadline) = (Stage::Withdrawn, None);
        self.drop_waiting_legs(at, refusal, world);
        self.take_legs_off(at, |_| true, world);
    }

    pub(super) fn drop_waiting_legs<O: Observer>(
        &mut self,
        at: usize,
        refusal: Option<Refusal>,
        world: &mut World<'_, '_, O>,
    ) {
        for leg in 0..domain::LEGS_MAX {
            let group = &mut self.groups.live[at];
            let Some(state) = group.leg_mut(leg).filter(|leg| leg.phase == Phase::Waiting) else { continue };
            state.phase = Phase::Ended;
            if let Some(held) = state.held.take() {
                world.gate.release(held);
            }
            world.out.push(group.step(leg, GroupStep::Dropped, refusal));
        }
    }

    /// Entries of an account are taken off: no leg that waits leaves any more.
    pub(crate) fn withdraw_groups_of<O: Observer>(&mut self, account: AccountId, world: &mut World<'_, '_, O>) {
        let reason = if world.scene.mode == Mode::Emergency { DenyReason::Emergency } else { DenyReason::Paused };
        for at in 0..self.groups.live.len() {
            if self.groups.live[at].account == account {
                self.withdraw(at, Some(Refusal::because(reason)), world);
            }
        }
    }

    /// The order that closes an excess was filled, or is over: what is left is tried again.
    fn excess_heard<O: Observer>(&mut self, at: usize, leg: usize, input: OrderInput, world: &World<'_, '_, O>) {
        let Some(state) = self.groups.live[at].leg_mut(leg) else { return };
        match input {
            OrderInput::Filled { quantity, complete } => {
                state.reduced = state.reduced.checked_add(quantity).unwrap_or(Quantity::MAX);
                if complete && state.closing.is_some() {
                    state.closed = state.closing.take();
                }
            }
            _ => {
                state.closed = state.closing.take();
                state.retry = Some(world.scene.ts.saturating_add(TRY_AGAIN));
            }
        }
    }

    /// Whether an order's outcome is not known: nothing that depends on it leaves.
    pub(super) fn is_unknown(&mut self, id: Option<ClientOrderId>) -> bool {
        let order = id.and_then(|id| self.orders.get_mut(id));
        order.is_some_and(|order| order.state.status() == OrderStatus::OutcomeUnknown)
    }

    /// How much of the second order of a pair is due by now; `None` where none is.
    pub(super) fn due_of_second(&self, at: usize) -> Option<Quantity> {
        use domain::Trigger;
        let group = &self.groups.live[at];
        let GroupKind::OneTriggersOther { when, size } = group.kind else { return None };
        let (first, second) = (group.leg(0)?, group.leg(1)?);
        let whole = first.phase == Phase::Filled;
        let reached = match when {
            Trigger::FirstFill => !first.filled.is_zero(),
            Trigger::Filled => whole || (size == ChildSize::ToFilled && first.is_over() && !first.filled.is_zero()),
        };
        let asked = second.asked.unwrap_or(Quantity::MAX);
        match size {
            _ if !reached => None,
            ChildSize::AsAsked => Some(asked),
            ChildSize::ToFilled if whole => Some(asked),
            // A share of an amount is not known before the venue has made a quantity of all of it.
            ChildSize::ToFilled => {
                let (all, of) = (second.asked?, first.asked?);
                let share = domain::Money::from_raw(all.raw()).share(first.filled.min(of), of)?;
                Some(Quantity::from_raw(share.raw()))
            }
        }
    }

    pub(super) fn tell_broken<O: Observer>(&self, at: usize, leg: usize, world: &mut World<'_, '_, O>) {
        let group = &self.groups.live[at];
        let Some(state) = group.leg(leg) else { return };
        let key = (group.account, state.leg.instrument, group.strategy);
        crate::emergency::alert(domain::AlertKind::GroupBroken, key, None, world.out);
    }
}
