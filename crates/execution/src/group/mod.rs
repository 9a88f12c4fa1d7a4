//! Complex orders: entries that belong together, from the step in which they are asked for to the last fill that can still come.
//!
//! In:  groups of a strategy, checked as a unit; what venues say of their orders, through the desk; time.
//! Out: orders of legs whose turn it is, cancels of those that are not wanted any more, reductions of what was filled beyond the request.
//! `place` brings a group in, `follow` hears reports, `carry` does at the end of each step of the desk what follows from them.
//! A leg that waits is plain data with what it holds of the limits, and is checked again when it leaves. Protective stops and targets of
//! what legs open are the desk's, as for every entry.
//!
//! How much a leg may hold is one number, [`LegState::most`]: what it was asked for, nothing once the other order of its pair was filled or
//! once the group is unwound. Whatever is filled beyond it is closed in the step in which it is seen.

mod carry;
mod follow;
mod place;
mod saved;

use domain::{
    AccountId, ClientOrderId, GroupKind, GroupStep, InstrumentIdx, LEGS_MAX, Leg, Money, Quantity, Signal, StrategyIdx,
    UnixNanos,
};
use risk::{Command, Decision, Refusal, Reservation};
use std::collections::VecDeque;

/// Where a leg is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Its turn has not come.
    Waiting,
    /// An order of it works, or is being taken off.
    Working,
    /// It is filled.
    Filled,
    /// Nothing of it works, and not all of it was filled.
    Ended,
}

/// What is being done about a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// What was asked for.
    Working,
    /// It is broken: what is missing is had at the market.
    Completing,
    /// It is broken: what was filled is closed.
    Unwinding,
    /// Nothing more leaves; what was filled stays as it is protected.
    Withdrawn,
}

/// One leg of a group.
#[derive(Debug)]
pub struct LegState {
    /// What was asked for.
    pub leg: Leg,
    /// Where it is.
    pub phase: Phase,
    /// Its orders, the latest first. Fills of both are its own, however late they come.
    pub orders: [Option<ClientOrderId>; 2],
    /// What its orders ask for together; `None` for an amount, whose quantity the venue makes.
    pub asked: Option<Quantity>,
    /// What it may hold.
    pub most: Quantity,
    /// What was filled.
    pub filled: Quantity,
    /// What of that was closed again because it was too much.
    pub reduced: Quantity,
    /// How much had been filled when its excess was last told.
    pub told: Quantity,
    /// What the order of it was measured at: its worth, and what it may take of the quote (or settle) asset.
    pub cost: (Money, Money),
    /// What it holds of the limits while it waits.
    pub held: Option<Reservation>,
    /// The order that closes its excess.
    pub closing: Option<ClientOrderId>,
    /// The one before, whose fill may come after its end.
    pub closed: Option<ClientOrderId>,
    /// When closing its excess is tried again.
    pub retry: Option<UnixNanos>,
}

impl LegState {
    /// What is held of it beyond what may be.
    #[must_use]
    pub fn excess(&self) -> Quantity {
        let held = self.filled.checked_sub(self.reduced).unwrap_or(Quantity::ZERO);
        held.checked_sub(self.most).unwrap_or(Quantity::ZERO).max(Quantity::ZERO)
    }

    /// How many orders were sent for it.
    fn sent(&self) -> usize {
        self.orders.iter().flatten().count()
    }

    fn has(&self, id: ClientOrderId) -> bool {
        self.orders.contains(&Some(id))
    }

    const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Filled | Phase::Ended)
    }
}

/// One group.
#[derive(Debug)]
pub struct Group {
    /// The desk's number of it.
    pub number: u64,
    /// How its legs belong together.
    pub kind: GroupKind,
    /// What is being done about it.
    pub stage: Stage,
    /// The account.
    pub account: AccountId,
    /// Whose it is.
    pub strategy: StrategyIdx,
    /// How sure the strategy was.
    pub confidence: f64,
    /// The strategy's number for its reason.
    pub tag: u32,
    /// Of a pair, the leg that was filled first.
    pub chosen: Option<u8>,
    /// Of a pair, the leg that the venue set off before any fill.
    pub triggered: Option<u8>,
    /// By when the present stage must have come to its end.
    pub deadline: Option<UnixNanos>,
    /// Whether the position of a leg is being closed before all of the group was there.
    pub stopped: bool,
    /// The legs; those that are there come first.
    pub legs: [Option<LegState>; LEGS_MAX],
}

impl Group {
    fn leg(&self, at: usize) -> Option<&LegState> {
        self.legs.get(at)?.as_ref()
    }

    fn leg_mut(&mut self, at: usize) -> Option<&mut LegState> {
        self.legs.get_mut(at)?.as_mut()
    }

    fn legs(&self) -> impl Iterator<Item = &LegState> {
        self.legs.iter().flatten()
    }

    fn legs_mut(&mut self) -> impl Iterator<Item = &mut LegState> {
        self.legs.iter_mut().flatten()
    }

    /// What a leg asks for, as a signal.
    const fn signal(&self, leg: &Leg) -> Signal {
        Signal {
            intent: leg.intent,
            size: leg.size,
            entry: leg.entry,
            stop: leg.stop,
            target: leg.target,
            confidence: self.confidence,
            statistics: None,
            reference: leg.reference,
            tag: self.tag,
            account: self.account,
            instrument: leg.instrument,
            strategy: self.strategy,
        }
    }

    /// Whether nothing works, waits, or is to be closed.
    fn is_over(&self) -> bool {
        self.legs().all(|leg| leg.is_over() && leg.excess().is_zero() && leg.closing.is_none())
    }

    fn touches(&self, key: crate::desk::Key) -> bool {
        (self.account, self.strategy) == (key.0, key.2) && self.legs().any(|leg| leg.leg.instrument == key.1)
    }

    /// A step of it, for the record.
    fn step(&self, at: usize, step: GroupStep, refusal: Option<Refusal>) -> Command {
        let instrument = self.leg(at).map_or(InstrumentIdx(0), |leg| leg.leg.instrument);
        // There are at most four legs.
        let leg = u8::try_from(at).unwrap_or(u8::MAX);
        let (group, account, strategy) = (self.number, self.account, self.strategy);
        Command::Record(Decision::GroupStep { group, leg, account, strategy, instrument, step, refusal })
    }
}

/// How many groups that are over are kept, so that a fill that comes late is known as what it is.
const OVER_MAX: usize = 32;

/// All groups that are not over, oldest first, and the last ones that are.
#[derive(Debug)]
pub struct Groups {
    live: Vec<Group>,
    over: VecDeque<Group>,
    /// The number of the next one.
    next: u64,
}

impl Default for Groups {
    fn default() -> Self {
        Self { live: Vec::with_capacity(8), over: VecDeque::with_capacity(OVER_MAX), next: 1 }
    }
}

impl Groups {
    /// Whether there is none that is not over: the usual case.
    #[must_use]
    #[inline]
    pub const fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// The groups that are not over, oldest first.
    pub fn live(&self) -> impl Iterator<Item = &Group> {
        self.live.iter()
    }

    /// The number that the next group has.
    #[must_use]
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// Whether a leg of an account waits to become an order.
    #[must_use]
    pub fn any_waiting(&self, account: AccountId) -> bool {
        self.live.iter().any(|g| g.account == account && g.legs().any(|leg| leg.phase == Phase::Waiting))
    }

    /// Which leg an order belongs to. A group that is over and is filled late is live again.
    fn find(&mut self, id: ClientOrderId, revive: bool) -> Option<(usize, usize)> {
        let of = |group: &Group| group.legs().position(|leg| leg.has(id));
        let found = self.live.iter().enumerate().find_map(|(at, group)| Some((at, of(group)?)));
        if found.is_some() || !revive {
            return found;
        }
        let (at, leg) = self.over.iter().enumerate().find_map(|(at, group)| Some((at, of(group)?)))?;
        self.live.push(self.over.remove(at)?);
        Some((self.live.len() - 1, leg))
    }

    /// Which leg's excess an order closes.
    fn closed_by(&self, id: ClientOrderId) -> Option<(usize, usize)> {
        let of = |group: &Group| group.legs().position(|leg| leg.closing == Some(id) || leg.closed == Some(id));
        self.live.iter().enumerate().find_map(|(at, group)| Some((at, of(group)?)))
    }

    /// The next instant at which something of a group is due.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        let legs = self.live.iter().flat_map(|group| group.legs().filter_map(|leg| leg.retry));
        self.live.iter().filter_map(|group| group.deadline).chain(legs).min()
    }

    /// A position is being closed: by its stop or target, because its strategy wants out, or because it cannot be protected.
    pub(crate) fn stopped(&mut self, key: crate::desk::Key) {
        self.live.iter_mut().filter(|group| group.touches(key)).for_each(|group| group.stopped = true);
    }

    /// Puts a group away that is over.
    fn put_away(&mut self, at: usize) {
        if self.over.len() == OVER_MAX {
            self.over.pop_front();
        }
        let group = self.live.remove(at);
        self.over.push_back(group);
    }
}
