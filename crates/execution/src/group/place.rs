//! A group comes in: all of it is checked in one step, and what does not wait leaves in that step.

use super::{Group, LegState, Phase, Stage};
use crate::desk::{Desk, Key, World, holds_against};
use crate::orders::{Purpose, Working};
use domain::{
    Entry, GroupKind, GroupRequest, LEGS_MAX, Leg, Observer, OrderClass, OrderQuantity, OrderSpec, OrderType, Quantity,
    Sequence, Side, TimeInForce,
};
use risk::check::OwnOrders;
use risk::gate::ApprovedEntry;
use risk::group::ValidatedLegs;
use risk::{Command, Counted, Decision, DenyReason, EntryIntent, GroupAsk, Refusal};

impl Desk {
    /// Acts on a group whose legs passed validation. Answers the number of the group.
    ///
    /// # Errors
    /// The leg that a check stands against, and the [`Refusal`]; nothing left, and nothing is held of the limits.
    pub fn on_group<O: Observer>(
        &mut self,
        request: &GroupRequest,
        validated: &ValidatedLegs,
        world: &mut World<'_, '_, O>,
    ) -> Result<u64, (u8, Refusal)> {
        let number = self.groups.next;
        self.groups.next += 1;
        let (kind, account, strategy) = (request.kind, request.account, request.strategy);
        let legs = u8::try_from(request.len()).unwrap_or(u8::MAX);
        world.out.push(Command::Record(Decision::Group { group: number, kind, account, strategy, legs }));
        for one in validated.iter() {
            world.out.push(Command::Record(Decision::Signal(*one.signal())));
        }
        let result = self.bring_in(number, request, validated, world);
        self.finish(world);
        result.map(|()| number).map_err(|(leg, refusal)| (u8::try_from(leg).unwrap_or(u8::MAX), refusal))
    }

    fn bring_in<O: Observer>(
        &mut self,
        number: u64,
        request: &GroupRequest,
        validated: &ValidatedLegs,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), (usize, Refusal)> {
        for (at, leg) in request.legs().enumerate() {
            self.is_free(request, leg, world).map_err(|refusal| (at, refusal))?;
        }
        let mut specs = [None; LEGS_MAX];
        let leaves = |at: usize| at == 0 || together(request.kind);
        let mut ordinal = self.next_ordinal;
        for (at, (slot, leg)) in specs.iter_mut().zip(request.legs()).enumerate() {
            let id = domain::ClientOrderId::new(request.account, self.epoch, ordinal);
            *slot = Some((spec_of(request, leg, id), self.own_orders(request, leg)));
            ordinal += u64::from(leaves(at));
        }
        let asks = std::array::from_fn::<_, LEGS_MAX, _>(|at| {
            let (spec, own) = specs.get(at).copied().flatten()?;
            let intent = EntryIntent { spec, own };
            Some(GroupAsk { validated: validated.get(at)?, intent, leaves: leaves(at) })
        });
        // The legs that are there come first, so all that is flattened away is behind them.
        let mut there = [const { None }; LEGS_MAX];
        there.iter_mut().zip(asks.iter().flatten()).for_each(|(to, ask)| *to = Some(*ask));
        let counted = if request.kind == GroupKind::OneCancelsOther { Counted::Worse } else { Counted::Each };
        let approvals = match &there {
            [Some(a), None, ..] => world.gate.check_group(&[*a], counted, &world.scene, world.observer),
            [Some(a), Some(b), None, ..] => world.gate.check_group(&[*a, *b], counted, &world.scene, world.observer),
            [Some(a), Some(b), Some(c), None] => {
                world.gate.check_group(&[*a, *b, *c], counted, &world.scene, world.observer)
            }
            [Some(a), Some(b), Some(c), Some(d)] => {
                world.gate.check_group(&[*a, *b, *c, *d], counted, &world.scene, world.observer)
            }
            [None, ..] => return Err((0, Refusal::because(DenyReason::SignalInvalid))),
        }?;
        let mut group = new_group(number, request, world.scene.ts);
        let mut pair = [const { None }; 2];
        for (at, ((slot, approved), leg)) in
            group.legs.iter_mut().zip(approvals.into_iter().flatten()).zip(request.legs()).enumerate()
        {
            let mut state = state_of(leg, &approved);
            if leaves(at) {
                (state.phase, state.orders[0]) = (Phase::Working, Some(approved.spec.client_id));
                let list = self.policy.lists && request.kind == GroupKind::OneCancelsOther;
                let approval = self.track(approved, leg, world);
                match pair.get_mut(at).filter(|_| list) {
                    Some(place) => *place = Some(approval),
                    None => world.out.push(Command::Submit(approval)),
                }
            } else {
                // It leaves later, when it is checked again: until then it holds what it was checked for.
                state.held = Some(approved.reservation);
            }
            *slot = Some(state);
        }
        if let [Some(first), Some(second)] = pair {
            world.out.push(Command::List { first, second });
        }
        self.groups.live.push(group);
        Ok(())
    }

    /// Takes an approved entry into the list of orders; what is left is the approval, to be sent.
    pub(super) fn track<O: Observer>(
        &mut self,
        entry: ApprovedEntry,
        leg: &Leg,
        world: &mut World<'_, '_, O>,
    ) -> risk::Approved {
        self.next_ordinal += 1;
        self.closing.end((entry.spec.account, entry.spec.instrument, entry.spec.strategy));
        let purpose = Purpose::Entry { stop: leg.stop, target: leg.target };
        let due = self.answer_due(world.scene.ts);
        self.orders.add(Working::submitted(entry.spec, purpose, Some(entry.reservation)).leaving(world.scene.ts, due));
        if O::ACTIVE {
            world.observer.order(world.scene.ts, &entry.spec, OrderClass::Entry);
        }
        entry.approved
    }

    /// Whether nothing of the strategy stands in the way of a leg in its instrument.
    fn is_free<O: Observer>(
        &mut self,
        request: &GroupRequest,
        leg: &Leg,
        world: &World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let key: Key = (request.account, leg.instrument, request.strategy);
        // The newest word of a strategy replaces what of its own still waits.
        self.waiting.retain(|w| (w.signal().account, w.signal().instrument, w.signal().strategy) != key);
        let busy = self.entry_on_its_way(key.0, key.1, key.2)
            || self.orders.any_set_off(key.0, key.1, key.2)
            || self.closing.is_closing(key)
            || self.groups.live.iter().any(|group| group.touches(key))
            || holds_against(key, leg.side(), &world.scene);
        if busy { Err(Refusal::because(DenyReason::Busy)) } else { Ok(()) }
    }

    /// What other orders of ours say about a leg. Those of its own group are no doubles of it; one that would trade with it is.
    fn own_orders(&self, request: &GroupRequest, leg: &Leg) -> OwnOrders {
        let side = leg.side();
        OwnOrders {
            duplicate: false,
            crossing: self.orders.would_cross(request.account, leg.instrument, side, price_of(leg.entry))
                || request.legs().any(|other| crosses(leg, other)),
            opposing: self.orders.entry_opposing(request.account, leg.instrument, request.strategy, side),
        }
    }
}

/// Whether the legs of a group leave in one step.
const fn together(kind: GroupKind) -> bool {
    match kind {
        GroupKind::Bracket | GroupKind::OneCancelsOther | GroupKind::Legs { sequence: Sequence::Together, .. } => true,
        GroupKind::OneTriggersOther { .. } | GroupKind::Legs { sequence: Sequence::OneByOne, .. } => false,
    }
}

/// The price at which an entry trades at worst, or from which on; `None` for the market.
pub(super) const fn price_of(entry: Entry) -> Option<domain::Price> {
    match entry {
        Entry::Market => None,
        Entry::Limit(price) | Entry::Stop(price) => Some(price),
    }
}

/// Whether one leg would trade with another that rests in the same instrument.
fn crosses(leg: &Leg, other: &Leg) -> bool {
    if leg.instrument != other.instrument || leg.side() == other.side() {
        return false;
    }
    let rests = |leg: &Leg| matches!(leg.entry, Entry::Limit(_));
    let (buy, sell) = if leg.side() == Side::Buy { (leg, other) } else { (other, leg) };
    match (price_of(buy.entry), price_of(sell.entry)) {
        (Some(buys), Some(sells)) => (rests(buy) || rests(sell)) && buys >= sells,
        (None, _) | (_, None) => true,
    }
}

fn spec_of(request: &GroupRequest, leg: &Leg, client_id: domain::ClientOrderId) -> OrderSpec {
    spec(client_id, leg, leg.entry, leg.time_in_force, (request.account, leg.instrument, request.strategy))
}

/// The order of a leg, its quantity still to be said by the gate.
pub(super) fn spec(
    client_id: domain::ClientOrderId,
    leg: &Leg,
    entry: Entry,
    time_in_force: TimeInForce,
    (account, instrument, strategy): Key,
) -> OrderSpec {
    OrderSpec {
        client_id,
        kind: match entry {
            Entry::Market => OrderType::Market,
            Entry::Limit(price) => OrderType::Limit { price },
            Entry::Stop(trigger) => OrderType::StopMarket { trigger },
        },
        quantity: OrderQuantity::Base(Quantity::ZERO),
        time_in_force,
        account,
        instrument,
        strategy,
        side: leg.side(),
        post_only: false,
        reduce_only: false,
    }
}

fn state_of(leg: &Leg, approved: &ApprovedEntry) -> LegState {
    let asked = risk::group::quantity_of(approved.spec.quantity);
    LegState {
        leg: *leg,
        phase: Phase::Waiting,
        orders: [None; 2],
        asked,
        most: asked.unwrap_or(Quantity::MAX),
        filled: Quantity::ZERO,
        reduced: Quantity::ZERO,
        told: Quantity::ZERO,
        cost: approved.cost,
        held: None,
        closing: None,
        closed: None,
        retry: None,
    }
}

fn new_group(number: u64, request: &GroupRequest, now: domain::UnixNanos) -> Group {
    let within = match request.kind {
        GroupKind::Legs { within, .. } => within,
        GroupKind::Bracket | GroupKind::OneCancelsOther | GroupKind::OneTriggersOther { .. } => None,
    };
    Group {
        number,
        kind: request.kind,
        stage: Stage::Working,
        account: request.account,
        strategy: request.strategy,
        confidence: request.confidence,
        tag: request.tag,
        chosen: None,
        triggered: None,
        deadline: within.map(|within| now.saturating_add(within)),
        stopped: false,
        legs: [const { None }; LEGS_MAX],
    }
}
