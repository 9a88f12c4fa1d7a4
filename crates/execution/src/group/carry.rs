//! What follows from all that is known of groups, at the end of each step of the desk: legs whose turn has come leave, what is missing is
//! had at the market, what is too much is closed.

use super::{Phase, Stage, place};
use crate::desk::{Desk, Key, World, cancel, holds_against};
use crate::emergency::refused;
use crate::held_back::TRY_AGAIN;
use crate::orders::{Purpose, Working};
use crate::protect;
use domain::{
    Alert, AlertKind, Entry, GroupKind, GroupStep, Intent, LEGS_MAX, Observer, OrderStatus, OrderType, Quantity,
    Sequence, SizeRequest, TimeInForce, UnixNanos,
};
use risk::check::OwnOrders;
use risk::{Command, Decision, DenyReason, EntryIntent, Refusal};

impl Desk {
    /// Carries all groups on.
    pub(crate) fn carry_groups<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        let mut at = 0;
        while at < self.groups.live.len() {
            self.find_gone(at, world);
            self.carry_on(at, world);
            self.close_excess(at, world);
            if self.groups.live[at].is_over() && !self.any_working(at) {
                world.out.push(self.groups.live[at].step(0, GroupStep::Over, None));
                self.groups.put_away(at);
            } else {
                at += 1;
            }
        }
    }

    /// Time passed: combinations that are not complete by now are broken.
    pub(crate) fn groups_due<O: Observer>(&mut self, now: UnixNanos, world: &mut World<'_, '_, O>) {
        for at in 0..self.groups.live.len() {
            let group = &mut self.groups.live[at];
            if group.deadline.is_none_or(|deadline| deadline > now) {
                continue;
            }
            group.deadline = None;
            let Some(open) = group.legs().position(|leg| leg.phase != Phase::Filled) else { continue };
            match group.stage {
                Stage::Working => self.broken(at, open, world),
                Stage::Completing => self.unwind(at, open, world),
                Stage::Unwinding | Stage::Withdrawn => {}
            }
        }
    }

    /// Orders may leave the list without a report of their own: one that the venue does not know, one whose end was found out by asking.
    fn find_gone<O: Observer>(&mut self, at: usize, world: &mut World<'_, '_, O>) {
        for leg in 0..LEGS_MAX {
            let Some(state) = self.groups.live[at].leg(leg) else { break };
            let (phase, latest, closing) = (state.phase, state.orders[0], state.closing);
            let all = state.most > Quantity::ZERO && state.filled >= state.most;
            if let Some(id) = latest.filter(|id| phase == Phase::Working && self.orders.get(*id).is_none()) {
                let filled = self.ended.find(id).is_some_and(|end| end.status == OrderStatus::Filled);
                if !filled && !all {
                    self.leg_ended(at, leg, world);
                } else if let Some(state) = self.groups.live[at].leg_mut(leg) {
                    state.phase = Phase::Filled;
                }
            }
            if closing.is_some_and(|id| self.orders.get(id).is_none())
                && let Some(state) = self.groups.live[at].leg_mut(leg)
            {
                state.closed = state.closing.take();
                state.retry = Some(world.scene.ts.saturating_add(TRY_AGAIN));
            }
        }
    }

    fn any_working(&mut self, at: usize) -> bool {
        let Self { groups, orders, .. } = self;
        groups.live[at].legs().any(|leg| leg.orders.iter().flatten().any(|id| orders.get_mut(*id).is_some()))
    }

    fn carry_on<O: Observer>(&mut self, at: usize, world: &mut World<'_, '_, O>) {
        let group = &self.groups.live[at];
        let (kind, stage, stopped) = (group.kind, group.stage, group.stopped);
        if stopped && !group.legs().all(|leg| leg.is_over()) {
            self.groups.live[at].stopped = false;
            return match kind {
                // One leg is gone: what the others hold is no combination any more.
                GroupKind::Legs { .. } if matches!(stage, Stage::Working | Stage::Completing) => {
                    self.tell_broken(at, 0, world);
                    self.unwind(at, 0, world);
                }
                _ => self.withdraw(at, None, world),
            };
        }
        match (kind, stage) {
            (GroupKind::OneTriggersOther { .. }, Stage::Working) => self.trigger(at, world),
            (GroupKind::Legs { sequence: Sequence::OneByOne, .. }, Stage::Working) => self.next_leg(at, world),
            (GroupKind::Legs { .. }, Stage::Completing) => self.complete(at, world),
            _ => {}
        }
    }

    /// The second order of a pair leaves if its turn has come, or never if that cannot come any more.
    fn trigger<O: Observer>(&mut self, at: usize, world: &mut World<'_, '_, O>) {
        let due = self.due_of_second(at);
        let group = &self.groups.live[at];
        let (Some(first), Some(second)) = (group.leg(0), group.leg(1)) else { return };
        let (over, sent, phase, instrument) = (first.is_over(), second.sent(), second.phase, second.leg.instrument);
        let (parent, asked, whole) = (first.orders[0], second.most, second.asked);
        let ready = match (phase, sent) {
            (Phase::Waiting, 0) => due.is_some(),
            // The rest of it follows when all of the first is known, and what left before is filled.
            (Phase::Filled, 1) => over && due.is_some_and(|due| due > asked),
            _ => false,
        };
        if ready && !self.is_unknown(parent) {
            let more = due.and_then(|due| if sent == 0 { Some(due) } else { due.checked_sub(asked) });
            let quantity = more.unwrap_or(Quantity::ZERO);
            let rules = world.scene.table.get(instrument);
            let lots = rules.map_or(Quantity::ZERO, |rules| rules.floor_to_lot(quantity));
            if quantity == Quantity::MAX || whole == Some(quantity) {
                self.release_leg(at, 1, None, world);
            } else if !lots.is_zero() && rules.is_some_and(|rules| lots >= rules.min_quantity) {
                self.release_leg(at, 1, Some(lots), world);
            } else if over && sent == 0 {
                self.drop_waiting_legs(at, Some(Refusal::because(DenyReason::Lot)), world);
            }
        } else if over && phase == Phase::Waiting && due.is_none() {
            self.drop_waiting_legs(at, None, world);
        }
    }

    /// The next leg leaves when all before it are filled.
    fn next_leg<O: Observer>(&mut self, at: usize, world: &mut World<'_, '_, O>) {
        let group = &self.groups.live[at];
        let Some(next) = group.legs().position(|leg| leg.phase != Phase::Filled) else { return };
        if group.leg(next).is_some_and(|leg| leg.phase == Phase::Waiting) && !self.release_leg(at, next, None, world) {
            self.broken(at, next, world);
        }
    }

    /// What is missing of a broken combination is had at the market, leg by leg, as soon as nothing of the leg works any more.
    fn complete<O: Observer>(&mut self, at: usize, world: &mut World<'_, '_, O>) {
        for leg in 0..LEGS_MAX {
            let Some(state) = self.groups.live[at].leg(leg) else { break };
            let (phase, latest) = (state.phase, state.orders[0]);
            if !matches!(phase, Phase::Waiting | Phase::Ended) || self.is_unknown(latest) {
                continue;
            }
            let Some(state) = self.groups.live[at].leg(leg) else { break };
            let rest = state.asked.and_then(|asked| asked.checked_sub(state.filled));
            let rules = world.scene.table.get(state.leg.instrument);
            let lots = rest.zip(rules).map(|(rest, rules)| (rules.floor_to_lot(rest), rules));
            if phase == Phase::Ended && lots.is_some_and(|(lots, rules)| lots.is_zero() || lots < rules.min_quantity) {
                // Less than the venue takes is as good as all.
                if let Some(state) = self.groups.live[at].leg_mut(leg) {
                    state.phase = Phase::Filled;
                }
                continue;
            }
            if !self.release_at_market(at, leg, lots.map(|(lots, _)| lots), world) {
                return self.unwind(at, leg, world);
            }
        }
    }

    /// A leg leaves as it was asked for, or for `quantity` where that is less. Whether it did.
    fn release_leg<O: Observer>(
        &mut self,
        at: usize,
        leg: usize,
        quantity: Option<Quantity>,
        world: &mut World<'_, '_, O>,
    ) -> bool {
        let Some(state) = self.groups.live[at].leg(leg) else { return false };
        let (entry, force) = (state.leg.entry, state.leg.time_in_force);
        let size = quantity.or(state.asked).map_or(state.leg.size, SizeRequest::Base);
        self.send_leg(at, leg, (size, entry, force), world)
    }

    fn release_at_market<O: Observer>(
        &mut self,
        at: usize,
        leg: usize,
        rest: Option<Quantity>,
        world: &mut World<'_, '_, O>,
    ) -> bool {
        let Some(state) = self.groups.live[at].leg(leg) else { return false };
        let size = match (rest, state.phase) {
            (Some(rest), _) => SizeRequest::Base(rest),
            (None, Phase::Waiting) => state.leg.size,
            // How much of an amount is missing only the venue knows.
            (None, _) => return false,
        };
        state.sent() < 2 && self.send_leg(at, leg, (size, Entry::Market, TimeInForce::Gtc), world)
    }

    /// Checks a leg again and sends it. Whether it left; if not, it does not any more, and the record says why.
    fn send_leg<O: Observer>(
        &mut self,
        at: usize,
        leg: usize,
        (size, entry, force): (SizeRequest, Entry, TimeInForce),
        world: &mut World<'_, '_, O>,
    ) -> bool {
        let Some(held) = self.groups.live[at].leg_mut(leg).map(|state| state.held.take()) else { return false };
        if let Some(held) = held {
            // What it held is its own to use: the check in this step finds it free.
            world.gate.release(held);
        }
        let result = self.check_leg(at, leg, (size, entry, force), world);
        let group = &mut self.groups.live[at];
        match result {
            Ok(approved) => {
                let (id, cost) = (approved.spec.client_id, approved.cost);
                let quantity = risk::group::quantity_of(approved.spec.quantity);
                let Some(state) = group.leg_mut(leg) else { return false };
                let earlier = if state.sent() == 0 { Some(Quantity::ZERO) } else { Some(state.filled) };
                state.orders = [Some(id), state.orders[0]];
                (state.phase, state.cost) = (Phase::Working, cost);
                state.most = quantity.zip(earlier).and_then(|(q, e)| q.checked_add(e)).unwrap_or(Quantity::MAX);
                let wanted = state.leg;
                world.out.push(group.step(leg, GroupStep::Released, None));
                let approval = self.track(approved, &wanted, world);
                world.out.push(Command::Submit(approval));
                true
            }
            Err(refusal) => {
                if let Some(state) = group.leg_mut(leg) {
                    state.phase = if state.filled.is_zero() { Phase::Ended } else { state.phase };
                }
                world.out.push(group.step(leg, GroupStep::Dropped, Some(refusal)));
                false
            }
        }
    }

    fn check_leg<O: Observer>(
        &mut self,
        at: usize,
        leg: usize,
        (size, entry, force): (SizeRequest, Entry, TimeInForce),
        world: &mut World<'_, '_, O>,
    ) -> Result<risk::gate::ApprovedEntry, Refusal> {
        let group = &self.groups.live[at];
        let Some(state) = group.leg(leg) else { return Err(Refusal::because(DenyReason::SignalInvalid)) };
        let signal = domain::Signal { size, entry, ..group.signal(&state.leg) };
        let key: Key = (group.account, signal.instrument, group.strategy);
        let side = state.leg.side();
        let busy = self.closing.is_closing(key)
            || self.orders.any_set_off(key.0, key.1, key.2)
            || holds_against(key, side, &world.scene);
        if busy {
            return Err(Refusal::because(DenyReason::Busy));
        }
        let validated = risk::validate::validate(&signal)?;
        let own = |id| group.legs().any(|leg| leg.has(id));
        let doubled = |w: &Working| w.is_entry() && !own(w.spec.client_id);
        let own = OwnOrders {
            duplicate: self.orders.of(key.0, key.1, key.2).any(doubled),
            crossing: self.orders.would_cross(key.0, key.1, side, place::price_of(entry)),
            opposing: self.orders.entry_opposing(key.0, key.1, key.2, side),
        };
        let spec = place::spec(self.next_id(key.0), &state.leg, entry, force, key);
        world.gate.check_entry(&validated, EntryIntent { spec, own }, &world.scene, world.observer)
    }

    /// Closes what was filled of a group beyond what it may hold.
    fn close_excess<O: Observer>(&mut self, at: usize, world: &mut World<'_, '_, O>) {
        for leg in 0..LEGS_MAX {
            let group = &self.groups.live[at];
            let (account, strategy) = (group.account, group.strategy);
            let Some(state) = group.leg(leg) else { break };
            let excess = state.excess();
            if excess.is_zero() {
                continue;
            }
            if state.filled > state.told {
                self.tell_excess(at, leg, excess, world);
            }
            let Some(state) = self.groups.live[at].leg_mut(leg) else { break };
            let held = world.scene.portfolio.position(account, state.leg.instrument, strategy).quantity;
            // Nothing is left to be closed where another order of ours took it back: that is not waited for.
            let gone = held.raw().signum() * state.leg.side().sign() <= 0;
            let waits = state.retry.is_some_and(|retry| retry > world.scene.ts);
            if state.closing.is_none() && (gone || !waits) {
                state.retry = None;
                self.close_part(at, leg, excess, world);
            }
        }
    }

    fn close_part<O: Observer>(&mut self, at: usize, leg: usize, excess: Quantity, world: &mut World<'_, '_, O>) {
        let group = &self.groups.live[at];
        let Some(state) = group.leg(leg) else { return };
        let (key, side): (Key, _) =
            ((group.account, state.leg.instrument, group.strategy), state.leg.side().opposite());
        let closes = protect::closable(key, &world.scene).filter(|(closes, _)| *closes == side);
        let rules = world.scene.table.get(key.1);
        let least = rules.map(|rules| protect::smallest(rules, world.scene.view.mark(key.1).map(|m| rules.price(m))));
        let quantity = closes.zip(rules).map(|((_, all), rules)| rules.floor_to_lot(excess.min(all)));
        let quantity = quantity.filter(|quantity| least.is_some_and(|least| *quantity >= least));
        let Some(quantity) = quantity else {
            // Another order of ours took it back, or it is too little to be traded: its stop is all there is to be done for it.
            if let Some(state) = self.groups.live[at].leg_mut(leg) {
                state.reduced = state.reduced.checked_add(excess).unwrap_or(Quantity::MAX);
            }
            return;
        };
        let later = Some(world.scene.ts.saturating_add(TRY_AGAIN));
        let result = if self.closing.is_closing(key) || self.holds_back(key) {
            // What closes all of it closes this, too.
            Ok(None)
        } else {
            let id = self.next_id(key.0);
            self.reduce(key, side, OrderType::Market, quantity, Purpose::Part, world).map(|()| Some(id))
        };
        let (closing, retry) = match result {
            Ok(Some(id)) => (Some(id), None),
            Ok(None) => (None, later),
            Err(refusal) => {
                if refusal.reason == DenyReason::SelfMatch {
                    let due = self.answer_due(world.scene.ts);
                    let entry = |w: &&mut Working| w.is_entry();
                    self.orders
                        .crossing_mut(key.0, key.1, side, None)
                        .filter(entry)
                        .for_each(|w| cancel(w, due, world.out));
                } else if refusal.reason != DenyReason::Duplicate {
                    world.out.push(refused(key, Intent::Exit, refusal));
                }
                (None, later)
            }
        };
        if let Some(state) = self.groups.live[at].leg_mut(leg) {
            (state.closing, state.retry) = (closing, retry);
            if closing.is_some() {
                state.closed = None;
            }
        }
    }

    /// More was filled than was to be. What an unwinding closes was told before.
    fn tell_excess<O: Observer>(&mut self, at: usize, leg: usize, quantity: Quantity, world: &mut World<'_, '_, O>) {
        let group = &mut self.groups.live[at];
        let (account, strategy, unwinds) = (group.account, group.strategy, group.stage == Stage::Unwinding);
        let Some(state) = group.leg_mut(leg) else { return };
        state.told = state.filled;
        let instrument = state.leg.instrument;
        world.out.push(group.step(leg, GroupStep::Excess { quantity }, None));
        if !unwinds {
            world.out.push(Command::Record(Decision::Alert(Alert {
                kind: AlertKind::GroupExcess,
                account,
                instrument: Some(instrument),
                strategy: Some(strategy),
                value: Some(quantity.to_f64()),
                limit: Some(0.0),
            })));
        }
    }
}
