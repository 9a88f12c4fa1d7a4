//! The observer: hears what strategies, risk and execution saw and decided, and changes nothing.
//!
//! It is a type parameter of the engine's step, so the default one costs nothing. Reports, `explain` and tests implement it.

use crate::event::Event;
use crate::fill::Fill;
use crate::money::Money;
use crate::order::{OrderClass, OrderSpec};
use crate::signal::{Signal, StrategyIdx};
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
