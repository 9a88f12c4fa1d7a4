//! The observer: hears what strategies, risk and execution saw and decided, and changes nothing.
//!
//! It is a type parameter of the engine's step, so the default one costs nothing. Reports, `explain` and tests implement it.

use crate::event::Event;
use crate::fill::Fill;
use crate::money::Money;
use crate::order::{OrderClass, OrderSpec};
use crate::price::Price;
use crate::signal::{Signal, SizeRequest, StrategyIdx};
use crate::time::UnixNanos;

/// One pre-trade check and its numbers. Units are the check's own (quote currency, a fraction, a count).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckSeen {
    /// Its key, as in refusals.
    pub name: &'static str,
    /// What was measured.
    pub value: f64,
    /// What is allowed.
    pub limit: f64,
    /// Whether it passed.
    pub passed: bool,
}

/// How the size of an entry was arrived at. Amounts are in quote; `None` is what was not known or not needed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeSeen {
    /// What the strategy asked for.
    pub asked: SizeRequest,
    /// The price that it is measured at.
    pub price: Option<Price>,
    /// The account's equity.
    pub equity: Option<Money>,
    /// What no order has reserved and no margin binds.
    pub free: Option<Money>,
    /// Gross exposure in the instrument, entries on their way included.
    pub held_instrument: Option<Money>,
    /// The strategy's part of that.
    pub held_strategy: Option<Money>,
    /// How many strategies share the instrument's position limit.
    pub sharers: u32,
    /// What the position limits still allow.
    pub room: Option<Money>,
}

/// One clamp of the size of an entry. Amounts are in quote; a clamp never makes one larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClampSeen {
    /// Its key.
    pub name: &'static str,
    /// What it rests on, in its own unit; `None` where the input is not configured: then it changes nothing.
    pub input: Option<f64>,
    /// The size before it.
    pub before: Money,
    /// The size after it.
    pub after: Money,
}

/// Hears what happens inside a step.
pub trait Observer {
    /// Whether anything listens: work done only for the observer is left out when not.
    const ACTIVE: bool = true;

    /// The step begins.
    fn event(&mut self, _ts: UnixNanos, _event: &Event) {}
    /// A strategy's indicator has this value after the event.
    fn indicator(&mut self, _ts: UnixNanos, _strategy: StrategyIdx, _name: &'static str, _value: f64) {}
    /// A strategy said this.
    fn signal(&mut self, _ts: UnixNanos, _signal: &Signal) {}
    /// The pre-trade checks of this order begin; for an entry with how its size was arrived at. [`Observer::order`] follows if it passes them.
    fn checking(&mut self, _ts: UnixNanos, _order: &OrderSpec, _class: OrderClass, _size: Option<&SizeSeen>) {}
    /// The size that is asked for went through this clamp. Comes before [`Observer::checking`] of the same order.
    fn clamp(&mut self, _ts: UnixNanos, _seen: &ClampSeen) {}
    /// A check was made.
    fn check(&mut self, _ts: UnixNanos, _seen: &CheckSeen) {}
    /// An order was approved and leaves.
    fn order(&mut self, _ts: UnixNanos, _order: &OrderSpec, _class: OrderClass) {}
    /// A fill was booked, with what it realised (in quote, before fees).
    fn fill(&mut self, _ts: UnixNanos, _fill: &Fill, _realised: Money) {}
}

/// The observer that hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    const ACTIVE: bool = false;
}
