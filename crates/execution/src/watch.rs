//! What the desk waits for: confirmations of stops, answers, cancels that were refused, tries that were put off, orders that did not leave.
//!
//! In:  engine time, through the timer that the desk asks for; orders that the gate word stopped.
//! Out: a market exit for a stop that nobody confirmed in time, another try for what is due, alerts.
//! The desk asks for one timer at a time, for the earliest instant that it waits for; one that comes early or twice does no harm.

use crate::desk::{Alarm, Desk, Key, World, cancel};
use crate::emergency::{alert, open, refused};
use crate::order_state::OrderInput;
use crate::orders::Purpose;
use domain::{AlertKind, ClientOrderId, Intent, Nanos, Observer, OrderStatus, TimerFired, UnixNanos};
use risk::{Command, Refusal};

/// How the desk watches over stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StopPolicy {
    /// How long the venue may take to confirm a protective stop, or to answer a close, in engine time. After it a stop counts as none and
    /// the position is closed at the market. `None` for a venue that answers within the step, where nothing is waited for.
    pub confirm_within: Option<Nanos>,
}

impl Desk {
    /// When the desk must be woken, if it waits for anything.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        [self.orders.next_due(), self.closing.next_due(), self.unsent.next_due()].into_iter().flatten().min()
    }

    /// A timer of the desk fired: does what is due by now.
    pub fn on_time<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        let now = world.scene.ts;
        if self.armed.is_some_and(|armed| armed <= now) {
            self.armed = None;
        }
        // Each of these takes what is due out of its list or moves it behind now, so all end.
        while let Some(id) = self.orders.overdue(now) {
            self.on_overdue(id, world);
        }
        while let Some(key) = self.unsent.take_due(now) {
            self.try_again(key, world);
        }
        while let Some(key) = self.closing.take_due(now) {
            self.try_again(key, world);
        }
        self.finish(world);
    }

    /// Orders that the gate word stopped: they never left. An entry is over, and what it held of the limits is free; a reduction is tried
    /// again with [`Desk::retry_unsent`], with the next fill or after a second. Until then its position is naked, and told to be.
    pub fn not_sent<O: Observer>(&mut self, orders: &[ClientOrderId], world: &mut World<'_, '_, O>) {
        for &id in orders {
            let Some(order) = self.orders.remove(id) else { continue };
            let (key, left) = (order.key(), order.left());
            if let Some(reservation) = order.reservation {
                world.gate.release(reservation);
            }
            match order.purpose {
                Purpose::Entry { .. } => {}
                Purpose::Part => {
                    self.unsent.add(key, world.scene.ts);
                    left.into_iter().for_each(|left| self.parts.add(key, left));
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

    /// An order that was to be heard of by now.
    fn on_overdue<O: Observer>(&mut self, id: ClientOrderId, world: &mut World<'_, '_, O>) {
        let Some(order) = self.orders.get_mut(id) else { return };
        order.due = None;
        let key = order.key();
        if order.unwanted {
            if order.is_entry() || self.standing.is_stripped(key.0) {
                cancel(order, world.out);
            } else {
                self.try_again(key, world);
            }
            return;
        }
        if order.state.status() != OrderStatus::Submitted || order.state.apply(OrderInput::AnswerOverdue).is_err() {
            return;
        }
        if order.purpose != Purpose::Stop {
            // Whether a close arrived only the venue knows; a second one could close what belongs to another strategy.
            return self.try_again(key, world);
        }
        let waited = self.policy.confirm_within.map(|within| within.0 as f64 / 1e9);
        alert(AlertKind::StopUnconfirmed, key, waited.map(|s| (s, s)), world.out);
        // It stays in the list: the venue may hold it after all.
        self.close_one(key, world);
    }

    /// Protects, closes and reduces a position as it should be by now. What the gate refuses is recorded.
    fn try_again<O: Observer>(&mut self, key: Key, world: &mut World<'_, '_, O>) {
        if let Some(Alarm::Unprotected(reason)) = self.settle(key, world) {
            world.out.push(refused(key, Intent::Exit, Refusal::because(reason)));
        }
    }

    /// Asks for a timer at the next instant that the desk waits for, unless one comes earlier.
    pub(crate) fn arm<O: Observer>(&mut self, world: &mut World<'_, '_, O>) {
        let Some(due) = self.next_due() else { return };
        if self.armed.is_none_or(|armed| due < armed) {
            self.armed = Some(due);
            world.out.push(Command::Timer { at: due, timer: TimerFired::Desk });
        }
    }
}
