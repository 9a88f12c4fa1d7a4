//! Large orders, worked in parts: the desk sends what a schedule says, one part at a time, each through the gate in its step.
//!
//! In:  validated signals with a style of work; what the venue says of parts; engine time, and the market where a schedule follows it.
//! Out: parts as entries or reductions like any other, protected with each fill; what was begun and how it ended, for the record.
//!
//! - An entry is checked as a whole when it begins, and refused as a whole. Each part is checked again, sized to itself, and the sum of the
//!   parts is never more than what was approved.
//! - While a part works, or nobody knows whether it does, no other one leaves.
//! - An entry ends when its strategy says otherwise, its position is being closed, or new risk is paused. An exit goes on through that; in an
//!   emergency, and at its end, the rest goes at the market.
//! - What the gate refuses three times in a row is given up; the rest of an exit then goes at the market.

use crate::desk::{Desk, Key, World, cancel, holds_against};
use crate::emergency::refused;
use crate::held_back;
use crate::orders::{Purpose, Working};
use crate::parents::{Child, FAILURES_MAX, PACE, Parent, What};
use crate::protect;
use crate::schedule::choose::{Choice, Order, choose};
use crate::schedule::{self, Market, Next, Part};
use domain::{
    AccountId, Entry, EventBody, Instrument, InstrumentIdx, Intent, Mode, Observer, OrderQuantity, OrderSpec,
    OrderType, Price, Quantity, Rounding, Side, Signal, StrategyIdx, TimeInForce, WorkEnd, WorkStyle,
};
use risk::check::OwnOrders;
use risk::gate::stop_price;
use risk::{Command, Decision, DenyReason, EntryIntent, Refusal, Scene, Validated};

impl Desk {
    /// Acts on a signal that passed validation and is to be worked.
    ///
    /// # Errors
    /// The [`Refusal`] of the gate; nothing left, but what had to be taken off for it.
    pub fn on_work<O: Observer>(
        &mut self,
        validated: &Validated,
        style: &WorkStyle,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let result = self.work(validated, style, world);
        self.finish(world);
        result
    }

    /// Whether an entry of a strategy is on its way: an order, or one that is worked.
    #[must_use]
    #[inline]
    pub fn entry_on_its_way(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> bool {
        (!self.orders.is_empty() && self.orders.entry_working(account, instrument, strategy))
            || (!self.parents.is_empty() && self.parents.enters((account, instrument, strategy)))
    }

    /// Whether what an instrument trades makes parts of something due.
    #[must_use]
    #[inline]
    pub fn works_in(&self, instrument: InstrumentIdx) -> bool {
        !self.parents.is_empty() && self.parents.watches(instrument)
    }

    fn work<O: Observer>(
        &mut self,
        validated: &Validated,
        style: &WorkStyle,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let signal = *validated.signal();
        let key = (signal.account, signal.instrument, signal.strategy);
        let side = match signal.intent {
            Intent::Exit => return self.work_exit(validated, style, world),
            Intent::EnterLong => Side::Buy,
            Intent::EnterShort => Side::Sell,
        };
        if style.validate().is_err() {
            return Err(Refusal::because(DenyReason::SignalInvalid));
        }
        self.waiting.retain(|w| (w.signal().account, w.signal().instrument, w.signal().strategy) != key);
        self.replace_work(key, side, world)?;
        if !self.is_free_for(key, side, &world.scene) {
            let opposite = holds_against(key, side, &world.scene)
                || self.orders.of(key.0, key.1, key.2).any(|w| w.is_entry() && w.spec.side != side);
            if opposite {
                // A reversal: first flat, at the market, then the entry, which is checked when it can go.
                self.exit(key, world)?;
            }
            let same = |w: &Working| w.is_entry() && w.spec.side == side && w.stays();
            if !opposite && self.orders.of(key.0, key.1, key.2).any(same) {
                return Err(Refusal::because(DenyReason::Duplicate));
            }
            let (what, now) = (What::Waiting(*validated), world.scene.ts);
            self.parents.0.push(Parent::new(key, side, what, *style, Quantity::ZERO, now));
            return Ok(());
        }
        self.begin_entry(validated, side, style, world)
    }

    /// Whether nothing of a strategy stands before an entry.
    fn is_free_for(&self, key: Key, side: Side, scene: &Scene<'_>) -> bool {
        !self.orders.entry_working(key.0, key.1, key.2)
            && !self.orders.any_set_off(key.0, key.1, key.2)
            && !holds_against(key, side, scene)
    }

    /// A strategy says an entry: what of its own is worked in that instrument makes room, or stands against it.
    ///
    /// # Errors
    /// [`DenyReason::Duplicate`] while an entry on the same side is worked.
    pub(crate) fn replace_work<O: Observer>(
        &mut self,
        key: Key,
        side: Side,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let Some(at) = self.parents.find(key) else { return Ok(()) };
        let parent = &self.parents.0[at];
        match parent.what {
            What::Entry(_) if parent.side == side => return Err(Refusal::because(DenyReason::Duplicate)),
            What::Entry(_) | What::Exit => self.end_work(at, WorkEnd::Replaced, world),
            // The newest word of a strategy replaces what of its own still waits.
            What::Waiting(_) => {
                self.parents.0.remove(at);
            }
        }
        Ok(())
    }

    /// What is worked of a position ends: it is closed as a whole.
    pub(crate) fn close_work<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        let Some(at) = self.parents.find(key) else { return };
        if let What::Waiting(_) = self.parents.0[at].what {
            self.parents.0.remove(at);
        } else {
            self.end_work(at, WorkEnd::Closing, world);
        }
    }

    /// Entries of an account that are worked end: new risk is paused. What still waits is recorded as refused.
    pub(crate) fn drop_work<O: Observer>(
        &mut self,
        account: AccountId,
        reason: DenyReason,
        world: &mut World<'_, '_, O>,
    ) {
        let mut at = 0;
        while let Some(parent) = self.parents.0.get(at) {
            if parent.key.0 != account || !parent.enters() {
                at += 1;
                continue;
            }
            if let What::Waiting(_) = parent.what {
                let parent = self.parents.0.remove(at);
                world.out.push(refused(parent.key, parent.intent(), Refusal::because(reason)));
            } else {
                self.end_work(at, WorkEnd::Paused, world);
            }
        }
    }

    /// An entry that nothing stands before: checked as a whole, and begun.
    fn begin_entry<O: Observer>(
        &mut self,
        validated: &Validated,
        side: Side,
        style: &WorkStyle,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let signal = validated.signal();
        let key = (signal.account, signal.instrument, signal.strategy);
        let own = OwnOrders {
            duplicate: false,
            crossing: false,
            opposing: self.orders.entry_opposing(key.0, key.1, key.2, side),
        };
        let spec = unsized_order(signal, side, self.next_id(key.0));
        let whole = world.gate.check_whole(validated, EntryIntent { spec, own }, &world.scene, world.observer)?;
        let target = whole.approved();
        let style = match chosen(style, target, false, key.1, &world.scene)? {
            Choice::Work(style) => style,
            // Small enough to go as it is.
            Choice::AtOnce => return self.enter_or_wait(validated, side, world),
        };
        self.closing.end(key);
        self.begin(key, side, What::Entry(whole), style, target, world);
        Ok(())
    }

    /// The position is closed in parts, while its stop goes on protecting what is left.
    fn work_exit<O: Observer>(
        &mut self,
        validated: &Validated,
        style: &WorkStyle,
        world: &mut World<'_, '_, O>,
    ) -> Result<(), Refusal> {
        let signal = validated.signal();
        let key = (signal.account, signal.instrument, signal.strategy);
        if self.parents.find(key).is_some_and(|at| !self.parents.0[at].enters()) {
            // Said twice, done once.
            return Ok(());
        }
        let held = held_to_close(key, &world.scene);
        let plain = style.validate().is_err()
            || world.scene.mode == Mode::Emergency
            || self.closing.is_closing(key)
            || self.orders.any_set_off(key.0, key.1, key.2)
            || self.standing.flattens(key.0);
        // Nothing stands against a reduction: what cannot be worked goes at once.
        let (Some((side, target)), false) = (held, plain) else { return self.act_on(validated, world) };
        // Of an exit nothing is refused.
        let Ok(Choice::Work(style)) = chosen(style, target, true, key.1, &world.scene) else {
            return self.act_on(validated, world);
        };
        self.waiting.retain(|w| (w.signal().account, w.signal().instrument, w.signal().strategy) != key);
        if let Some(at) = self.parents.find(key) {
            self.end_work(at, WorkEnd::Replaced, world);
        }
        let due = self.answer_due(world.scene.ts);
        for order in self.orders.of_mut(key.0, key.1, key.2).filter(|order| order.is_entry()) {
            cancel(order, due, world.out);
        }
        self.begin(key, side, What::Exit, style, target, world);
        Ok(())
    }

    fn begin<O: Observer>(
        &mut self,
        key: Key,
        side: Side,
        what: What,
        style: WorkStyle,
        target: Quantity,
        world: &mut World<'_, '_, O>,
    ) {
        let parent = Parent::new(key, side, what, style, target, world.scene.ts);
        world.out.push(Command::Record(Decision::Worked {
            strategy: key.2,
            instrument: key.1,
            intent: parent.intent(),
            style,
            target,
            arrival: world.scene.view.mark(key.1),
        }));
        self.parents.0.push(parent);
    }

    /// The market traded in an instrument.
    pub(crate) fn work_saw<O: Observer>(&mut self, body: &EventBody, world: &mut World<'_, '_, O>) {
        let (EventBody::Trade(domain::Trade { instrument, .. }) | EventBody::Candle(domain::Candle { instrument, .. })) =
            body
        else {
            return;
        };
        let Some(rules) = world.scene.table.get(*instrument) else { return };
        if !self.works_in(*instrument) || world.scene.view.get(*instrument).warmup {
            return;
        }
        self.parents.saw(body, rules);
        self.work_on(world);
        self.arm(world);
    }

    /// Goes on with everything that is worked: sends what is due, takes off what does not stay, ends what is over.
    pub(crate) fn work_on<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        let mut at = 0;
        while at < self.parents.0.len() {
            // One that ends leaves its place to the next.
            at += usize::from(self.work_on_one(at, world));
        }
    }

    /// Whether it is still there afterwards.
    fn work_on_one<O: Observer>(&mut self, at: usize, world: &mut World<'_, '_, O>) -> bool {
        let now = world.scene.ts;
        if let Some(end) = self.is_over(at, &world.scene) {
            self.end_work(at, end, world);
            return false;
        }
        let Some(parent) = self.parents.0.get_mut(at) else { return false };
        let key = parent.key;
        if let What::Waiting(validated) = parent.what {
            let (side, style) = (parent.side, parent.style);
            parent.due = None;
            if !self.is_free_for(key, side, &world.scene) {
                return true;
            }
            self.parents.0.remove(at);
            if let Err(refusal) = self.begin_entry(&validated, side, &style, world) {
                world.out.push(refused(key, validated.signal().intent, refusal));
            }
            return false;
        }
        let Some(rules) = world.scene.table.get(key.1) else { return true };
        let market = market(parent, rules, &world.scene);
        if !parent.enters() {
            // Of an exit the target is what is held, whatever became of the position meanwhile.
            let held = held_to_close(key, &world.scene).map_or(Quantity::ZERO, |(_, held)| held);
            parent.target = parent.filled.checked_add(held).unwrap_or(parent.target);
        }
        if let Some(child) = parent.child.filter(|child| self.orders.get_mut(child.id).is_none()) {
            // It left the list of what works without an end of which this would have heard.
            (parent.child, parent.last) = (None, Some(child.id));
            parent.fail(false, None, now);
        }
        if let Some(child) = parent.child {
            parent.due = child.until;
            let rest = parent.task().rest();
            let too_much = |w: &Working| w.stays() && w.left().is_some_and(|left| left > rest);
            if parent.enters() && self.orders.get(child.id).is_some_and(too_much) {
                // Fills that came late leave less to be done than it would do.
                self.take_off(child, world);
                return true;
            }
            if child.until.is_some_and(|until| until <= now) {
                self.look_at_child(at, child, &market, world);
            }
            return true;
        }
        if parent.failures >= FAILURES_MAX {
            self.end_work(at, WorkEnd::Refused, world);
            return false;
        }
        match schedule::next(&parent.style, &parent.task(), &market) {
            Next::Wait(until) => parent.due = until.filter(|until| *until > now),
            Next::Send(_) if now < parent.not_before => parent.due = Some(parent.not_before),
            Next::Send(part) => self.send_work(at, &part, world),
            Next::End(end) => {
                self.end_work(at, end, world);
                return false;
            }
        }
        true
    }

    /// Why it does not go on, if it does not.
    fn is_over(&self, at: usize, scene: &Scene<'_>) -> Option<WorkEnd> {
        let parent = self.parents.0.get(at)?;
        let key = parent.key;
        let closing = parent.closed || self.closing.is_closing(key) || self.orders.any_set_off(key.0, key.1, key.2);
        match parent.what {
            What::Waiting(_) => (scene.mode != Mode::Normal).then_some(WorkEnd::Paused),
            What::Entry(_) if closing || self.standing.flattens(key.0) => Some(WorkEnd::Closing),
            What::Entry(_) => (scene.mode != Mode::Normal).then_some(WorkEnd::Paused),
            What::Exit if closing => Some(WorkEnd::Closing),
            What::Exit if scene.mode == Mode::Emergency => Some(WorkEnd::Market),
            What::Exit if parent.child.is_none() && protect::closable(key, scene).is_none() => {
                Some(if parent.filled.is_zero() { WorkEnd::Flat } else { WorkEnd::Filled })
            }
            What::Exit => None,
        }
    }

    /// It is over: what works of it is taken off, and the rest of an exit goes at the market.
    fn end_work<O: Observer>(&mut self, at: usize, end: WorkEnd, world: &mut World<'_, '_, O>) {
        if at >= self.parents.0.len() {
            return;
        }
        let parent = self.parents.0.remove(at);
        let (key, intent) = (parent.key, parent.intent());
        if let What::Waiting(_) = parent.what {
            return world.out.push(refused(key, intent, Refusal::because(DenyReason::Paused)));
        }
        // A reduction at the market is left to its end: what closes the rest counts on it.
        let child = parent.child.filter(|child| parent.enters() || child.price.is_some());
        let due = self.answer_due(world.scene.ts);
        if let Some(order) = child.and_then(|child| self.orders.get_mut(child.id)) {
            cancel(order, due, world.out);
        }
        world.out.push(Command::Record(Decision::WorkEnded {
            strategy: key.2,
            instrument: key.1,
            intent,
            target: parent.target,
            filled: parent.filled,
            end,
        }));
        let goes_on = matches!(end, WorkEnd::Filled | WorkEnd::Market | WorkEnd::Refused | WorkEnd::Deadline);
        if intent == Intent::Exit
            && goes_on
            && protect::closable(key, &world.scene).is_some()
            && let Err(refusal) = self.exit(key, world)
        {
            // It stays to be closed and is tried again.
            world.out.push(refused(key, intent, refusal));
        }
    }

    /// A part whose time has come stays where it is, or is taken off to make room for the next.
    fn look_at_child<O: Observer>(&mut self, at: usize, child: Child, market: &Market, world: &mut World<'_, '_, O>) {
        let Some(parent) = self.parents.0.get_mut(at) else { return };
        let stays = child.price.and_then(|price| schedule::stays(&parent.style, &parent.task(), market, price));
        parent.child = Some(Child { until: stays, ..child });
        parent.due = stays;
        if stays.is_none() {
            self.take_off(child, world);
        }
    }

    /// Its end is told, and then the next one follows.
    fn take_off<O: Observer>(&mut self, child: Child, world: &mut World<'_, '_, O>) {
        let due = self.answer_due(world.scene.ts);
        if let Some(order) = self.orders.get_mut(child.id) {
            cancel(order, due, world.out);
        }
    }

    /// Sends a part, if the gate lets it.
    fn send_work<O: Observer>(&mut self, at: usize, part: &Part, world: &mut World<'_, '_, O>) {
        let now = world.scene.ts;
        let Some(parent) = self.parents.0.get(at) else { return };
        let (key, side, intent, enters) = (parent.key, parent.side, parent.intent(), parent.enters());
        let id = self.next_id(key.0);
        let price = part.kind.limit_price();
        let sent = match &parent.what {
            What::Waiting(_) => return,
            What::Entry(whole) => {
                let entry = price.map_or(Entry::Market, Entry::Limit);
                let validated = whole.part(part.quantity, entry);
                validated.and_then(|validated| self.enter(&validated, side, part.post_only, world))
            }
            What::Exit if self.holds_back(key) => {
                // The gate word stopped its last reduction: this one waits like any other.
                let due = Some(now.saturating_add(held_back::TRY_AGAIN));
                self.parents.0[at].due = due;
                return;
            }
            What::Exit => self.reduce(key, side, part.kind, part.quantity, Purpose::Part, world),
        };
        let Some(parent) = self.parents.0.get_mut(at) else { return };
        match sent {
            Ok(()) => {
                parent.child = Some(Child { id, price, until: part.until });
                parent.due = part.until;
                if enters {
                    parent.not_before = now.saturating_add(PACE);
                }
            }
            Err(refusal) => {
                let funds = refusal.reason == DenyReason::InsufficientFunds;
                parent.fail(funds, world.scene.table.get(key.1), now);
                // Given up at once after the last try, when it is looked at next.
                parent.due = Some(parent.not_before);
                world.out.push(refused(key, intent, refusal));
            }
        }
    }
}

/// The style that is asked for, or the one that is chosen now.
fn chosen(
    style: &WorkStyle,
    quantity: Quantity,
    reduces: bool,
    instrument: InstrumentIdx,
    scene: &Scene<'_>,
) -> Result<Choice, Refusal> {
    let WorkStyle::Auto { urgency, flow, thresholds } = style else { return Ok(Choice::Work(*style)) };
    let spread = scene.view.get(instrument).best.filter(|(bid, ask)| *bid > 0 && ask >= bid);
    let spread = spread.map(|(bid, ask)| (ask - bid) as f64 / (bid as f64 + (ask - bid) as f64 / 2.0));
    choose(*urgency, flow, thresholds, &Order { quantity, reduces, spread, now: scene.ts })
}

/// The side that closes a position, and all of it in whole lots; `None` where nothing is held that the venue would take.
fn held_to_close(key: Key, scene: &Scene<'_>) -> Option<(Side, Quantity)> {
    let (side, _) = protect::closable(key, scene)?;
    let held = scene.portfolio.position(key.0, key.1, key.2).quantity.checked_abs()?;
    Some((side, scene.table.get(key.1)?.floor_to_lot(held)))
}

/// The market as a schedule sees it.
fn market(parent: &Parent, rules: &Instrument, scene: &Scene<'_>) -> Market {
    let view = scene.view.get(parent.key.1);
    let touch = match (view.best, parent.side) {
        (Some((bid, _)), Side::Buy) => Some(rules.price(bid)),
        (Some((_, ask)), Side::Sell) => Some(rules.price(ask)),
        // Without quotes the last price is one at which an order could be taken: a tick on the safe side of it rests.
        (None, Side::Buy) => view.last.and_then(|last| rules.price(last).checked_sub(rules.tick)),
        (None, Side::Sell) => view.last.and_then(|last| rules.price(last).checked_add(rules.tick)),
    };
    let rounding = if parent.side == Side::Buy { Rounding::Down } else { Rounding::Up };
    let touch = touch.and_then(|price| price.round_to(rules.tick, rounding)).filter(|price| *price > Price::ZERO);
    Market::of(rules, smallest(parent, rules, scene), scene.ts, touch)
}

/// The smallest part. One of an entry must be worth the venue's minimum where its stop would trade, too, net of fees, and is a quarter more
/// than that: prices move.
fn smallest(parent: &Parent, rules: &Instrument, scene: &Scene<'_>) -> Quantity {
    let mark = scene.view.mark(parent.key.1).map(|mark| rules.price(mark));
    let What::Entry(whole) = &parent.what else { return protect::smallest(rules, mark) };
    let stop = mark.and_then(|mark| stop_price(whole.signal().stop, parent.side, mark, rules));
    let lower = [mark, stop, parent.task().limit].into_iter().flatten().min();
    let least = protect::smallest(rules, lower);
    let more = Quantity::from_raw(least.raw().saturating_add(least.raw() / 4));
    more.round_to(rules.lot, Rounding::Up).unwrap_or(least)
}

/// An entry as it is handed to the gate: sized there.
const fn unsized_order(signal: &Signal, side: Side, client_id: domain::ClientOrderId) -> OrderSpec {
    OrderSpec {
        client_id,
        kind: OrderType::Market,
        quantity: OrderQuantity::Base(Quantity::ZERO),
        time_in_force: TimeInForce::Gtc,
        account: signal.account,
        instrument: signal.instrument,
        strategy: signal.strategy,
        side,
        post_only: false,
        reduce_only: false,
    }
}
