//! What is done when trading must stop: entries taken off, positions reduced and closed, and the question whether anything stands open.
//!
//! In:  the word of the engine: which account, how far.
//! Out: cancels and reductions, each through the gate like every other; which positions have neither a stop nor a close on its way.
//! When to do any of it is for `risk` and the engine to say. The order of things in an emergency: entries off, then positions closed if
//! that was asked for, then [`Desk::raise_naked`].
//!
//! Afterwards no entry order is open but those whose cancel is on its way, and every position above dust has a live stop, a close in
//! flight, or an alert that says that it has neither.

use crate::desk::{Desk, Key, World, cancel};
use crate::orders::{Purpose, Working};
use crate::protect;
use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountId, Alert, AlertKind, Digest, Digestible, InstrumentIdx, Intent, Mode, Observer, OrderType, Quantity, Rate,
    Rounding, stored_struct,
};
use risk::{Command, Decision, DenyReason, Refusal, Scene};

/// What was asked for in an account and stands until the emergency is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AccountStanding {
    account: AccountId,
    /// Whatever is held is closed.
    flattens: bool,
    /// Protective orders were taken off on purpose and are not placed again.
    stripped: bool,
}

/// What was asked for in all accounts. Empty in the usual case.
#[derive(Clone, Debug, Default)]
pub struct Standing(Vec<AccountStanding>);

impl Standing {
    /// Whether whatever is held is closed.
    #[must_use]
    #[inline]
    pub fn flattens(&self, account: AccountId) -> bool {
        self.0.iter().any(|s| s.account == account && s.flattens)
    }

    /// Whether protective orders were taken off on purpose.
    #[must_use]
    #[inline]
    pub fn is_stripped(&self, account: AccountId) -> bool {
        self.0.iter().any(|s| s.account == account && s.stripped)
    }

    fn of(&mut self, account: AccountId) -> &mut AccountStanding {
        let at = self.0.iter().position(|s| s.account == account).unwrap_or_else(|| {
            self.0.push(AccountStanding { account, flattens: false, stripped: false });
            self.0.len() - 1
        });
        &mut self.0[at]
    }

    /// Protective orders may be placed again.
    pub(crate) fn clothe(&mut self) {
        self.0.iter_mut().for_each(|s| s.stripped = false);
    }
}

impl Desk {
    /// Takes all entries of an account off, and drops those that wait; each dropped one is recorded as refused.
    pub fn cancel_entries<O: Observer>(&mut self, account: AccountId, world: &mut World<'_, '_, O>) {
        self.drop_waiting(account, world);
        let due = self.answer_due(world.scene.ts);
        self.withdraw_groups_of(account, world);
        for order in self.orders.iter_mut().filter(|w| w.spec.account == account && w.is_entry()) {
            cancel(order, due, world.out);
        }
        self.arm(world);
    }

    /// Takes every order of an account off, stops and closes included, and places none again before [`Desk::retry_unsent`],
    /// [`Desk::end_emergency`], or a word that closes something. Positions are then held without protection.
    pub fn cancel_all_including_stops<O: Observer>(&mut self, account: AccountId, world: &mut World<'_, '_, O>) {
        self.drop_waiting(account, world);
        self.withdraw_groups_of(account, world);
        let standing = self.standing.of(account);
        (standing.flattens, standing.stripped) = (false, true);
        let due = self.answer_due(world.scene.ts);
        for order in self.orders.iter_mut().filter(|w| w.spec.account == account) {
            cancel(order, due, world.out);
        }
        let scene = world.scene;
        open_in(account, &scene).for_each(|key| self.tell_stop(key, world));
        self.arm(world);
    }

    /// Closes every position of an account at the market, and goes on until nothing is held: what the venue refuses is tried again, what
    /// fills late is closed, too. Ends with [`Desk::end_emergency`].
    pub fn flatten<O: Observer>(&mut self, account: AccountId, world: &mut World<'_, '_, O>) {
        let standing = self.standing.of(account);
        (standing.flattens, standing.stripped) = (true, false);
        let scene = world.scene;
        for key in open_in(account, &scene) {
            self.close_one(key, world);
        }
        self.arm(world);
    }

    /// Closes one position at the market, and goes on until nothing of it is held.
    pub fn close<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        if self.standing.is_stripped(key.0) {
            self.standing.of(key.0).stripped = false;
        }
        self.close_one(key, world);
        self.arm(world);
    }

    /// Sells (or buys back) a fraction of each strategy's position in an instrument at the market, immediate or cancel: rounded down to the
    /// lot, at least the smallest order that the venue takes, and all of it where less than that would be left. Protective stops follow with
    /// the fill. A position that is being closed, or reduced by now, is left to that.
    pub fn reduce_part<O: Observer>(
        &mut self,
        account: AccountId,
        instrument: InstrumentIdx,
        fraction: Rate,
        world: &mut World<'_, '_, O>,
    ) {
        let scene = world.scene;
        for key in open_in(account, &scene).filter(|key| key.1 == instrument) {
            let reduces = self.orders.of(key.0, key.1, key.2).any(|w| {
                // One that rests because its schedule wants it to may never fill.
                w.purpose == Purpose::Part && w.spec.kind == OrderType::Market && w.stays()
            });
            if self.closing.is_closing(key) || reduces {
                continue;
            }
            if let Some(quantity) = protect::part(key, fraction, &scene) {
                self.parts.add(key, quantity);
                self.send_part(key, world);
            }
        }
        self.arm(world);
    }

    /// Closes the `count` positions of an account that lose most by their marks, in report currency. Those that are being closed count; one
    /// whose loss is not known counts as the worst.
    pub fn close_worst<O: Observer>(&mut self, account: AccountId, count: usize, world: &mut World<'_, '_, O>) {
        let scene = world.scene;
        let leaving = open_in(account, &scene).filter(|key| self.closing.is_closing(*key)).count();
        for _ in leaving..count {
            let others = open_in(account, &scene).filter(|key| !self.closing.is_closing(*key));
            // What is not known sorts before every number.
            let Some(worst) = others.min_by_key(|key| result_of(*key, &scene)) else { break };
            self.close(worst, world);
        }
    }

    /// The emergency of an account is over: nothing is closed any more but what was asked for besides, stops may be placed again, and what
    /// could not leave is tried again.
    pub fn end_emergency<O: Observer>(&mut self, account: AccountId, world: &mut World<'_, '_, O>) {
        self.standing.0.retain(|s| s.account != account);
        // The next emergency tells of everything anew.
        self.alerted.retain(|key| key.0 != account);
        self.retry_unsent(world);
    }

    /// Whether an account has no order, nothing that waits to become one, and no position above dust.
    #[must_use]
    pub fn is_quiet(&self, account: AccountId, scene: &Scene<'_>) -> bool {
        !self.orders.iter().any(|w| w.spec.account == account)
            && !self.waiting.iter().any(|w| w.signal().account == account)
            && !self.parents.any_of(account)
            && !self.unsent.any_of(account)
            && !self.groups.any_waiting(account)
            && open_in(account, scene).next().is_none()
    }

    /// Appends the positions above dust that have neither a live stop nor a close in flight for all of it.
    pub fn naked(&self, scene: &Scene<'_>, out: &mut Vec<Key>) {
        out.extend(open(scene).filter(|key| self.is_naked(*key, scene)));
    }

    /// Whether a position has neither a live stop nor a close in flight for all of it. A stop whose confirmation stays away is none, and an
    /// order whose cancel is on its way neither.
    #[must_use]
    pub fn is_naked(&self, key: Key, scene: &Scene<'_>) -> bool {
        if scene.table.get(key.1).is_none() {
            return is_open(key, scene);
        }
        let Some((side, _)) = protect::closable(key, scene) else { return false };
        let (mut stops, mut closes) = (Quantity::ZERO, Quantity::ZERO);
        for order in self.orders.of(key.0, key.1, key.2).filter(|w| w.is_live() && w.spec.side == side) {
            let left = order.left().unwrap_or(Quantity::ZERO);
            let add = |sum: &mut Quantity| *sum = sum.checked_add(left).unwrap_or(Quantity::MAX);
            match order.purpose {
                Purpose::Stop => {
                    add(&mut stops);
                    if order.set_off {
                        add(&mut closes);
                    }
                }
                Purpose::Target if order.set_off => add(&mut closes),
                Purpose::Exit | Purpose::Part => add(&mut closes),
                Purpose::Target | Purpose::Entry { .. } => {}
            }
        }
        protect::closable_beyond(key, stops.max(closes), scene).is_some()
    }

    /// Raises an alert for every position that is naked now and was not when it was last looked at.
    pub fn raise_naked<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        self.raise_naked_among(world, |_, _| true);
    }

    /// Forgets having told of positions that are no longer naked.
    pub(crate) fn forget_protected(&mut self, scene: &Scene<'_>) {
        let mut alerted = std::mem::take(&mut self.alerted);
        alerted.retain(|key| self.is_naked(*key, scene));
        self.alerted = alerted;
    }

    /// The same for some positions.
    pub(crate) fn raise_naked_among<O: Observer>(
        &mut self,
        world: &mut World<'_, '_, O>,
        among: impl Fn(&Self, Key) -> bool,
    ) {
        let scene = world.scene;
        self.forget_protected(&scene);
        let mut alerted = std::mem::take(&mut self.alerted);
        for key in open(&scene).filter(|key| among(self, *key)) {
            if self.is_naked(key, &scene) && !alerted.contains(&key) {
                alerted.push(key);
                alert(AlertKind::Naked, key, None, world.out);
            }
        }
        self.alerted = alerted;
    }

    /// Sends the part of a position that is to be reduced, if one is and nothing stands before it.
    pub(crate) fn send_part<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        let Some(wanted) = self.parts.get(key) else { return };
        let Some((side, all)) = protect::closable(key, &world.scene).filter(|_| !self.closing.is_closing(key)) else {
            return self.parts.remove(key);
        };
        if self.unsent.holds(key) || self.standing.is_stripped(key.0) {
            return;
        }
        match self.reduce(key, side, OrderType::Market, wanted.min(all), Purpose::Part, world) {
            Ok(()) => self.parts.remove(key),
            // The older entry is taken off first, and the part goes when that is done.
            Err(refusal) if refusal.reason == DenyReason::SelfMatch => {
                let entry = |w: &&mut Working| w.is_entry();
                let due = self.answer_due(world.scene.ts);
                self.orders
                    .crossing_mut(key.0, key.1, side, None)
                    .filter(entry)
                    .for_each(|w| cancel(w, due, world.out));
            }
            Err(refusal) => {
                self.parts.remove(key);
                world.out.push(refused(key, Intent::Exit, refusal));
            }
        }
    }

    /// Closes a position; one that is being closed goes on.
    pub(crate) fn close_one<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        let result = if self.closing.is_closing(key) {
            self.unsent.forget(key);
            self.go_on_closing(key, world)
        } else {
            self.exit(key, world)
        };
        if let Err(refusal) = result {
            // It stays to be closed and is tried again.
            world.out.push(refused(key, Intent::Exit, refusal));
        }
    }

    fn drop_waiting<O: Observer>(&mut self, account: AccountId, world: &mut World<'_, '_, O>) {
        let reason = if world.scene.mode == Mode::Emergency { DenyReason::Emergency } else { DenyReason::Paused };
        self.drop_work(account, reason, world);
        self.waiting.retain(|waiting| {
            let signal = waiting.signal();
            if signal.account != account {
                return true;
            }
            let key = (signal.account, signal.instrument, signal.strategy);
            world.out.push(refused(key, signal.intent, Refusal::because(reason)));
            false
        });
    }
}

/// All positions above dust.
pub(crate) fn open(scene: &Scene<'_>) -> impl Iterator<Item = Key> {
    let scene = *scene;
    scene
        .portfolio
        .positions()
        .map(|(account, instrument, strategy, _)| (account, instrument, strategy))
        .filter(move |key| is_open(*key, &scene))
}

/// The positions of an account above dust.
fn open_in(account: AccountId, scene: &Scene<'_>) -> impl Iterator<Item = Key> {
    open(scene).filter(move |key| key.0 == account)
}

/// Whether a position is above dust. One in an instrument that is not known is: nothing says that it is small.
fn is_open(key: Key, scene: &Scene<'_>) -> bool {
    match scene.table.get(key.1) {
        Some(_) => protect::closable(key, scene).is_some(),
        None => !scene.portfolio.position(key.0, key.1, key.2).is_flat(),
    }
}

/// What a position has won or lost by its mark, in report currency; `None` where a price or rate is missing.
fn result_of(key: Key, scene: &Scene<'_>) -> Option<domain::Money> {
    let quote = scene.table.get(key.1)?.quote;
    let amount = scene.portfolio.unrealised_of(key.0, key.1, key.2, scene.table, scene.view)?;
    scene.portfolio.in_report_currency(key.0, quote, amount, scene.table, scene.view, Rounding::Down)
}

/// An alert about a position. What was measured and its bound are in seconds.
pub(crate) fn alert(kind: AlertKind, key: Key, seconds: Option<(f64, f64)>, out: &mut Vec<Command>) {
    out.push(Command::Record(Decision::Alert(Alert {
        kind,
        account: key.0,
        instrument: Some(key.1),
        strategy: Some(key.2),
        value: seconds.map(|(value, _)| value),
        limit: seconds.map(|(_, limit)| limit),
    })));
}

/// A refusal for the record.
pub(crate) fn refused(key: Key, intent: Intent, refusal: Refusal) -> Command {
    Command::Record(Decision::Refused { strategy: key.2, instrument: key.1, intent, refusal })
}

stored_struct!(AccountStanding { account, flattens, stripped });

impl Stored for Standing {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Stored::take(from).map(Self)
    }
}

impl Digestible for Standing {
    fn digest(&self, d: &mut Digest) {
        for s in &self.0 {
            d.word(u64::from(s.account.0) | u64::from(s.flattens) << 16 | u64::from(s.stripped) << 17);
        }
    }
}
