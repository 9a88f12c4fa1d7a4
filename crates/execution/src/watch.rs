//! What the desk waits for: confirmations of stops, answers, cancels that were refused, tries that were put off, orders that did not leave.
//!
//! In:  engine time, through the timer that the desk asks for; orders that the gate word stopped.
//! Out: a market exit for a stop that nobody confirmed in time, another try for what is due, alerts.
//! The desk asks for one timer at a time, for the earliest instant that it waits for; one that comes early or twice does no harm.

use crate::ask::query;
use crate::desk::{Alarm, Desk, Key, World, cancel};
use crate::emergency::{alert, open, refused};
use crate::order_state::OrderInput;
use crate::orders::Purpose;
use crate::plans::Overdue;
use crate::protect;
use domain::{
    AlertKind, ClientOrderId, EventBody, InstrumentIdx, Intent, Money, Nanos, Observer, OrderStatus, OrderType, Price,
    Rate, Rounding, Side, StopPlan, TimerFired, UnixNanos,
};
use risk::{Command, Refusal, Scene};

/// How the desk watches over stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopPolicy {
    /// How long the venue may take to confirm a protective stop, to answer a close, or to set a stop off that the market is beyond, in engine
    /// time. After it a stop counts as none and the position is closed at the market. `None` for a venue that answers within the step, where
    /// nothing is waited for.
    pub confirm_within: Option<Nanos>,
    /// What a stop may slip beyond its level, as a fraction of the level. Stops are market orders, so that a gap cannot leave them behind:
    /// the allowance is no limit price, it is counted in what a position may lose ([`Desk::at_risk`]).
    pub slippage: Rate,
    /// Whether the venue holds pairs of entries of which one takes the other off: they leave as one list then, and the venue does it before
    /// we hear of it.
    pub lists: bool,
}

impl StopPolicy {
    /// For a simulated venue that answers within the step and fills as its own model of slippage says.
    pub const AT_ONCE: Self = Self { confirm_within: None, slippage: Rate::ZERO, lists: false };
}

impl Desk {
    /// When the desk must be woken, if it waits for anything.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        let groups = if self.groups.is_empty() { None } else { self.groups.next_due() };
        let desk = [self.plans.next_due(), self.orders.next_due(), self.closing.next_due(), self.unsent.next_due()];
        desk.into_iter().chain([self.parents.next_due(), groups]).flatten().min()
    }

    /// A timer of the desk fired: does what is due by now.
    pub fn on_time<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        let now = world.scene.ts;
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        // Each of these takes what is due out of its list or moves it behind now, so all end.
        let mut overdue = std::mem::take(&mut self.overdue);
        self.orders.take_overdue(now, &mut overdue);
        for id in overdue.drain(..) {
            // One of them may have dealt with others.
            if self.orders.get(id).is_some_and(|w| w.due.is_some_and(|due| due <= now)) {
                self.on_overdue(id, world);
            }
        }
        self.overdue = overdue;
        while let Some((key, overdue)) = self.plans.take_due(now) {
            self.on_plan_due(key, overdue, world);
        }
        while let Some(key) = self.unsent.take_due(now) {
            self.try_again(key, world);
        }
        while let Some(key) = self.closing.take_due(now) {
            self.try_again(key, world);
        }
        self.groups_due(now, world);
        self.finish(world);
    }

    /// Orders that the gate word stopped: they never left. An entry is over, and what it held of the limits is free; a reduction is tried
    /// again with [`Desk::retry_unsent`], with the next fill or after a second. Until then its position is naked, and told to be.
    pub fn not_sent<O: Observer>(&mut self, orders: &[ClientOrderId], world: &mut World<'_, '_, O>) {
        for &id in orders {
            let Some(order) = self.orders.remove(id) else { continue };
            let (key, left) = (order.key(), order.left());
            self.parents.never_left(id, world.scene.ts);
            if let Some(reservation) = order.reservation {
                world.gate.release(reservation);
            }
            let of_group = self.group_heard(id, OrderInput::Rejected, world);
            match order.purpose {
                Purpose::Entry { .. } => {}
                Purpose::Part => {
                    self.unsent.add(key, world.scene.ts);
                    // What closes the excess of a group is that group's to send again.
                    left.into_iter().filter(|_| !of_group).for_each(|left| self.parts.add(key, left));
                }
                Purpose::Exit | Purpose::Stop | Purpose::Target => self.unsent.add(key, world.scene.ts),
            }
            self.try_again(key, world);
            self.release_crossed(key, world);
        }
        self.raise_naked_among(world, |desk, key| desk.unsent.holds(key));
        self.finish(world);
    }

    /// The gate word lets reductions leave again: tries all that were stopped, and protects what was left without protection.
    pub fn retry_unsent<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        self.standing.clothe();
        while let Some(key) = self.unsent.take_any() {
            self.try_again(key, world);
        }
        let scene = world.scene;
        for key in open(&scene) {
            self.try_again(key, world);
        }
        self.finish(world);
    }

    /// Looks after positions without a stop and without a close: what can be placed is placed, and what stays naked is told. A position comes
    /// to be so without any order of ours ending: dust that a move of the price makes worth trading.
    pub fn look_after<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        let scene = world.scene;
        for key in open(&scene) {
            if self.is_naked(key, &scene) {
                self.try_again(key, world);
            }
        }
        self.raise_naked(world);
        self.arm(world);
    }

    /// Whether prices of an instrument mean anything to the desk: a position in it has a stop, or something is worked that follows them.
    #[must_use]
    #[inline]
    pub fn watches(&self, instrument: InstrumentIdx) -> bool {
        self.plans.any_stop_in(instrument) || self.works_in(instrument)
    }

    /// Prices of an instrument: stops that follow them are moved where the venue does not do that, and a stop that the market is beyond
    /// must be set off by the venue in time. History that warms up and what a gap filler made are no prices.
    #[inline]
    pub fn on_market<O: Observer>(&mut self, body: &EventBody, world: &mut World<'_, '_, O>) {
        if !self.parents.is_empty() {
            self.work_saw(body, world);
        }
        // What a long and a short position could at best have been closed at, and at last.
        let (instrument, best, last) = match body {
            EventBody::Candle(c) => (c.instrument, (c.high, c.low), (c.close, c.close)),
            EventBody::Trade(t) => (t.instrument, (t.price, t.price), (t.price, t.price)),
            EventBody::Quote(q) => (q.instrument, (q.bid, q.ask), (q.bid, q.ask)),
            _ => return,
        };
        if self.watches(instrument) && !world.scene.view.get(instrument).warmup {
            self.on_prices(instrument, best, last, world);
        }
    }

    fn on_prices<O: Observer>(
        &mut self,
        instrument: InstrumentIdx,
        best: (i64, i64),
        last: (i64, i64),
        world: &mut World<'_, '_, O>,
    ) {
        let scene = world.scene;
        let Some(rules) = scene.table.get(instrument) else { return };
        let (mut at, mut watches) = (0, false);
        while let Some(plan) = self.plans.nth_mut(at) {
            at += 1;
            let key = plan.key;
            let held = scene.portfolio.position(key.0, key.1, key.2);
            if key.1 != instrument || plan.stop.is_none() || held.is_flat() {
                continue;
            }
            let (entry, best, last) =
                if held.is_long() { (Side::Buy, best.0, last.0) } else { (Side::Sell, best.1, last.1) };
            let better = plan.follow(entry, best, last);
            let stop = self.orders.of(key.0, key.1, key.2).find(|w| w.protects()).map(|w| w.spec.kind);
            if let Some(within) = self.policy.confirm_within {
                let level = stop.and_then(|kind| protect::level(kind, Some(plan), entry, rules));
                let beyond = level.is_some_and(|level| (rules.price(last).raw() - level.raw()) * entry.sign() <= 0);
                if !beyond {
                    plan.beyond_until = None;
                } else if plan.beyond_until.is_none() {
                    plan.beyond_until = Some(scene.ts.saturating_add(within));
                    watches = true;
                }
            }
            if plan.faded && protect::closable(key, &scene).is_some() {
                // The price that made dust of it is gone.
                self.try_again(key, world);
                watches = true;
                continue;
            }
            let follows = better && plan.stop.is_some_and(|stop| stop.trail().is_some());
            if follows && matches!(stop, Some(OrderType::StopMarket { .. })) {
                self.try_again(key, world);
                watches = true;
            } else if follows {
                self.tell_stop(key, world);
            }
        }
        if watches {
            self.finish(world);
        }
    }

    /// Something about a position is due.
    fn on_plan_due<O: Observer>(&mut self, key: Key, overdue: Overdue, world: &mut World<'_, '_, O>) {
        let seconds = |span: Nanos| span.0 as f64 / 1e9;
        let now = world.scene.ts;
        if protect::closable(key, &world.scene).is_none() {
            return;
        }
        let (kind, numbers) = match overdue {
            Overdue::Held { since } => {
                let allowed = self.plans.get(key).and_then(|plan| plan.stop).and_then(StopPlan::hold_max);
                (AlertKind::TimeStop, allowed.map(|allowed| (seconds(now.since(since)), seconds(allowed))))
            }
            Overdue::Beyond => {
                (AlertKind::StopUnconfirmed, self.policy.confirm_within.map(|w| (seconds(w), seconds(w))))
            }
        };
        if !self.closing.is_closing(key) {
            alert(kind, key, numbers, world.out);
        }
        self.close_one(key, world);
    }

    /// An order that was to be heard of by now.
    fn on_overdue<O: Observer>(&mut self, id: ClientOrderId, world: &mut World<'_, '_, O>) {
        let (now, asks) = (world.scene.ts, self.asking.is_some());
        let due = self.answer_due(now);
        let Some(order) = self.orders.get_mut(id) else { return };
        order.due = None;
        let (key, status) = (order.key(), order.state.status());
        if asks && matches!(status, OrderStatus::CancelPending | OrderStatus::OutcomeUnknown) {
            if status == OrderStatus::CancelPending && order.state.apply(OrderInput::AnswerOverdue).is_ok() {
                alert(AlertKind::OutcomeUnknown, key, None, world.out);
            }
            return query(order, now, world.out);
        }
        if order.unwanted {
            if order.is_entry() || self.standing.is_stripped(key.0) {
                cancel(order, due, world.out);
            } else {
                self.try_again(key, world);
            }
            return;
        }
        if status != OrderStatus::Submitted || order.state.apply(OrderInput::AnswerOverdue).is_err() {
            return;
        }
        if asks {
            if order.purpose != Purpose::Stop {
                let waited = now.since(order.sent).0 as f64 / 1e9;
                alert(AlertKind::OutcomeUnknown, key, Some((waited, waited)), world.out);
            }
            query(order, now, world.out);
        }
        if order.purpose != Purpose::Stop {
            // Whether a close arrived only the venue knows; a second one could close what belongs to another strategy.
            return self.try_again(key, world);
        }
        let waited = self.policy.confirm_within.map(|within| within.0 as f64 / 1e9);
        alert(AlertKind::StopUnconfirmed, key, waited.map(|s| (s, s)), world.out);
        // It stays in the list: the venue may hold it after all.
        self.tell_stop(key, world);
        self.close_one(key, world);
    }

    /// Protects, closes and reduces a position as it should be by now. What the gate refuses is recorded.
    fn try_again<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        if let Some(Alarm::Unprotected(reason)) = self.settle(key, world) {
            world.out.push(refused(key, Intent::Exit, Refusal::because(reason)));
        }
    }

    /// The price at which a position's stop is counted to trade: its level, and the allowance for slippage beyond it. `None` without a live
    /// stop for all of the position.
    #[must_use]
    pub fn stop_level(&self, key: Key, scene: &Scene<'_>) -> Option<Price> {
        let instrument = scene.table.get(key.1)?;
        let (side, _) = protect::closable(key, scene)?;
        let mut stops = self.orders.of(key.0, key.1, key.2).filter(|w| w.protects());
        let first = stops.next()?;
        let sum = stops.try_fold(first.left()?, |sum, w| sum.checked_add(w.left()?))?;
        if protect::closable_beyond(key, sum, scene).is_some() {
            return None;
        }
        let level = protect::level(first.spec.kind, self.plans.get(key), side.opposite(), instrument)?;
        let slip = Money::from_raw(level.raw()).times(self.policy.slippage, Rounding::Up)?;
        let beyond = Price::from_raw(slip.raw());
        if side == Side::Sell { level.checked_sub(beyond) } else { level.checked_add(beyond) }
    }

    /// What stops would lose is measured by risk: it hears where this one is, with what it may slip, or that there is none.
    pub(crate) fn tell_stop<O: Observer>(&self, key: Key, world: &mut World<'_, '_, O>) {
        let level = self.stop_level(key, &world.scene);
        world.gate.set_stop(key, level);
    }

    /// What a position still loses if its stop is set off now, in quote: from the last price to [`Desk::stop_level`], rounded up; less than
    /// nothing where the market is beyond that. `None` without a live stop for all of it, or without a price.
    #[must_use]
    pub fn at_risk(&self, key: Key, scene: &Scene<'_>) -> Option<Money> {
        let instrument = scene.table.get(key.1)?;
        let position = scene.portfolio.position(key.0, key.1, key.2);
        let (now, then) = (instrument.price(scene.view.mark(key.1)?), self.stop_level(key, scene)?);
        let distance = if position.is_long() { now.checked_sub(then)? } else { then.checked_sub(now)? };
        instrument.notional(distance, position.quantity.checked_abs()?, Rounding::Up)
    }

    /// Asks for a timer at the next instant that the desk waits for, unless one comes earlier.
    pub(crate) fn arm<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        self.orders.settle_dues();
        let Some(due) = self.next_due() else { return };
        if self.armed.is_none_or(|armed| due < armed) {
            self.armed = Some(due);
            let at = due.max(world.scene.ts);
            world.out.push(Command::Timer { at, timer: TimerFired::Desk });
        }
    }
}
