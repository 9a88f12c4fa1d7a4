//! The listener of a re-run: keeps all that happened within the few events that a story is made of, and nothing of the others.

use crate::runner::record::Probe;
use domain::observe::{CheckSeen, ClampSeen, SizeSeen};
use domain::{
    AccountReport, Event, EventBody, Money, Observer, OrderClass, OrderSpec, PositionView, ReportBody, Signal,
    StrategyIdx, UnixNanos,
};
use engine::Engine;
use portfolio::{OpenTrip, RoundTrip};
use risk::{Command, CommandRecord};
use std::collections::{BTreeMap, BTreeSet};

/// An indicator as a strategy saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IndicatorSeen {
    /// Whose.
    pub strategy: StrategyIdx,
    /// Its name.
    pub name: &'static str,
    /// Its value when the strategy had looked before: on the bar before.
    pub before: Option<f64>,
    /// Its value after the event.
    pub now: f64,
}

/// One order at the pre-trade gate.
#[derive(Clone, Debug)]
pub struct Pass {
    /// The order as it was checked.
    pub order: OrderSpec,
    /// Whether it opens risk.
    pub class: OrderClass,
    /// How an entry's size was arrived at.
    pub size: Option<SizeSeen>,
    /// The clamps that its size went through, in order.
    pub clamps: Vec<ClampSeen>,
    /// The checks in order, up to the one that refused.
    pub checks: Vec<CheckSeen>,
    /// Whether it left.
    pub approved: bool,
}

/// What a fill did to the ledger.
#[derive(Clone, Copy, Debug)]
pub struct BookedSeen {
    /// Profit realised, before fees, in quote.
    pub realised: Money,
    /// The fee, valued in quote.
    pub fee: Money,
    /// The strategy's position after it.
    pub position: PositionView,
    /// The round trip that it ended.
    pub trip: Option<RoundTrip>,
    /// The round trip that is open after it.
    pub open: Option<OpenTrip>,
}

/// All that happened within one event.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its number.
    pub seq: u64,
    /// Engine time.
    pub ts: UnixNanos,
    /// What happened.
    pub event: EventBody,
    /// Indicators of the strategies that looked.
    pub indicators: Vec<IndicatorSeen>,
    /// What strategies said.
    pub signals: Vec<Signal>,
    /// Orders at the gate.
    pub passes: Vec<Pass>,
    /// What this build said.
    pub said: Vec<CommandRecord>,
    /// What a fill did.
    pub booked: Option<BookedSeen>,
}

/// Values of one strategy's indicators by name.
type Values = Vec<(&'static str, f64)>;

/// Listens to a session.
#[derive(Debug, Default)]
pub struct Collector {
    wanted: BTreeSet<u64>,
    seq: u64,
    current: Option<Step>,
    /// Clamps of the order whose checks come next.
    clamps: Vec<ClampSeen>,
    /// By strategy: after the present event, and after the event before on which it looked.
    now: Vec<Values>,
    before: Vec<Values>,
    /// What was kept, by event.
    pub steps: BTreeMap<u64, Step>,
}

impl Collector {
    /// Keeps what happens within these events.
    #[must_use]
    pub fn new(wanted: BTreeSet<u64>) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// The session stands after this event: what its strategies see there is what they saw before.
    pub fn stand_at(&mut self, seq: u64, engine: &Engine) {
        self.end();
        self.seq = seq;
        let strategies = engine.strategy_names().count();
        self.now = vec![Values::new(); strategies];
        self.before = vec![Values::new(); strategies];
        for (number, values) in (0u16..).zip(&mut self.before) {
            engine.inspect(StrategyIdx(number), &mut |name, value| values.push((name, value)));
        }
    }

    /// The present event is over.
    pub fn end(&mut self) {
        let step = self.current.take();
        if let Some(mut step) = step {
            for (number, values) in (0u16..).zip(&self.now) {
                let before = self.before.get(usize::from(number));
                for (name, now) in values.iter().copied() {
                    let known = before.and_then(|values| values.iter().find(|(n, _)| *n == name));
                    let before = known.map(|(_, value)| *value);
                    step.indicators.push(IndicatorSeen { strategy: StrategyIdx(number), name, before, now });
                }
            }
            self.steps.insert(step.seq, step);
        }
        for (now, before) in self.now.iter_mut().zip(&mut self.before) {
            if !now.is_empty() {
                std::mem::swap(now, before);
                now.clear();
            }
        }
    }
}

impl Observer for Collector {
    fn event(&mut self, ts: UnixNanos, event: &Event) {
        self.end();
        self.clamps.clear();
        self.seq += 1;
        if self.wanted.contains(&self.seq) {
            self.current = Some(Step {
                seq: self.seq,
                ts,
                event: event.body.clone(),
                indicators: Vec::new(),
                signals: Vec::new(),
                passes: Vec::new(),
                said: Vec::new(),
                booked: None,
            });
        }
    }

    fn indicator(&mut self, _: UnixNanos, strategy: StrategyIdx, name: &'static str, value: f64) {
        if let Some(values) = self.now.get_mut(strategy.index()) {
            values.push((name, value));
        }
    }

    fn signal(&mut self, _: UnixNanos, signal: &Signal) {
        if let Some(step) = &mut self.current {
            step.signals.push(*signal);
        }
    }

    fn checking(&mut self, _: UnixNanos, order: &OrderSpec, class: OrderClass, size: Option<&SizeSeen>) {
        let clamps = std::mem::take(&mut self.clamps);
        if let Some(step) = &mut self.current {
            let size = size.copied();
            step.passes.push(Pass { order: *order, class, size, clamps, checks: Vec::new(), approved: false });
        }
    }

    fn clamp(&mut self, _: UnixNanos, seen: &ClampSeen) {
        if self.current.is_some() {
            self.clamps.push(*seen);
        }
    }

    fn check(&mut self, _: UnixNanos, seen: &CheckSeen) {
        if let Some(pass) = self.current.as_mut().and_then(|step| step.passes.last_mut()) {
            pass.checks.push(*seen);
        }
    }

    fn order(&mut self, _: UnixNanos, order: &OrderSpec, _: OrderClass) {
        let passes = self.current.as_mut().map(|step| &mut step.passes);
        if let Some(pass) = passes.and_then(|p| p.iter_mut().rfind(|pass| pass.order.client_id == order.client_id)) {
            pass.order = *order;
            pass.approved = true;
        }
    }
}

impl Probe for Collector {
    fn command(&mut self, _: UnixNanos, command: &Command) {
        if let Some(step) = &mut self.current {
            step.said.push(command.record());
        }
    }

    fn report(&mut self, _: UnixNanos, report: &AccountReport, engine: &Engine) {
        let Some(step) = &mut self.current else { return };
        let ReportBody::Filled { fill, .. } = report.body else { return };
        let Some(booked) = engine.booked() else { return };
        let key = (fill.account, fill.instrument, fill.strategy);
        step.booked = Some(BookedSeen {
            realised: booked.effect.realised,
            fee: booked.effect.fee_value,
            position: booked.effect.position,
            trip: booked.trip,
            open: engine.round_trips().open().find(|t| (t.account, t.instrument, t.strategy) == key),
        });
    }
}
