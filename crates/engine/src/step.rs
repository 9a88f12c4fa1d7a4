//! The state transition.
//!
//! The branching is here; strategies, risk, execution and portfolio compute and return.

use crate::safety::alert;
use crate::setup::{EngineConfig, EngineError};
use domain::observe::Observer;
use domain::{
    AccountId, AccountReport, AlertKind, AssetIdx, Cause, Digest, Digestible, Event, EventBody, Execution, Fill,
    GroupRequest, GroupStep, InstrumentIdx, InstrumentTable, MarketFlags, MarketView, Mode, Money, NoObserver, Output,
    RejectReason, ReportBody, Signal, StrategyIdx, TimerFired, UnixNanos, WorkStyle,
};
use execution::{Alarm, Desk, Key, Reconciler};
use portfolio::{FillEffect, LedgerError, Portfolio, RoundTrip, RoundTrips};
use risk::verify::Breach;
use risk::{Action, Command, Decision, DenyReason, Gate, Guard, ModeMachine, Refusal, Scene, Standing};
use std::sync::Arc;
use strategy::{Context, Strategy};

/// What stopped the engine from taking new risk: it must be looked at before trading goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// The ledger could not book what the venue said.
    Ledger(LedgerError),
    /// An instrument's definition was refused.
    Instrument(String),
    /// Something happened to an order that cannot happen, or a position could not be protected.
    Alarm(Alarm),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ledger(error) => write!(f, "ledger: {error}"),
            Self::Instrument(error) => write!(f, "{error}"),
            Self::Alarm(alarm) => write!(f, "{alarm}"),
        }
    }
}

/// How many faults are kept.
pub(crate) const FAULTS_MAX: usize = 100;

/// The engine.
pub struct Engine {
    pub(crate) table: InstrumentTable,
    pub(crate) view: MarketView,
    pub(crate) portfolio: Portfolio,
    pub(crate) gate: Gate,
    pub(crate) desk: Desk,
    pub(crate) strategies: Vec<Box<dyn Strategy>>,
    /// Strategies by instrument, in the order in which they were added.
    pub(crate) subscribers: Vec<Vec<u16>>,
    outputs: Vec<Output>,
    pub(crate) config: EngineConfig,
    /// The account that strategies trade: the first one configured.
    pub(crate) account: AccountId,
    pub(crate) now: UnixNanos,
    pub(crate) clamped: u64,
    pub(crate) mode: ModeMachine,
    /// The level that the gate word was told to have.
    pub(crate) level: u8,
    /// Whether stops were told to be taken off, too.
    pub(crate) bare: bool,
    pub(crate) guard: Option<Box<Guard>>,
    /// Holds the accounts against what the venue says of them, where that is wanted.
    pub(crate) reconciler: Option<Box<Reconciler>>,
    /// How the account stands, as the guard sees it: made anew before it is looked at.
    pub(crate) standing: Standing,
    pub(crate) actions: Vec<Action>,
    pub(crate) breaches: Vec<Breach>,
    /// Positions that are to be closed, within a step.
    pub(crate) keys: Vec<Key>,
    pub(crate) sampler_armed: bool,
    pub(crate) day_armed: bool,
    /// Balances that were told to be below zero and are so still.
    pub(crate) negative: Vec<(AccountId, AssetIdx)>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) trips: RoundTrips,
    pub(crate) booked: Option<Booked>,
    pub(crate) digest: Digest,
}

/// What the last fill did to the ledger.
#[derive(Clone, Copy, Debug)]
pub struct Booked {
    /// Its effect.
    pub effect: FillEffect,
    /// The round trip that it ended, if it did.
    pub trip: Option<RoundTrip>,
}

impl Engine {
    /// An engine without instruments, strategies or money: all three come as events and additions.
    ///
    /// # Errors
    /// [`EngineError`] if the configuration cannot be.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        config.validate()?;
        Ok(Self {
            table: InstrumentTable::default(),
            view: MarketView::default(),
            portfolio: Portfolio::new(config.report_currency),
            gate: gate(&config),
            desk: Desk::new(config.epoch).with_stops(config.stops).with_asking(config.asking),
            strategies: Vec::new(),
            subscribers: Vec::new(),
            outputs: Vec::with_capacity(16),
            account: config.accounts.first().copied().unwrap_or_default(),
            now: UnixNanos(0),
            clamped: 0,
            mode: ModeMachine::default(),
            level: 0,
            bare: false,
            guard: config.guard.map(|guard| Box::new(Guard::new(guard))),
            reconciler: config.reconcile.map(|policy| Box::new(Reconciler::new(policy, &config.accounts))),
            standing: Standing::CALM,
            actions: Vec::with_capacity(16),
            breaches: Vec::with_capacity(16),
            keys: Vec::with_capacity(16),
            sampler_armed: false,
            day_armed: false,
            negative: Vec::new(),
            faults: Vec::new(),
            trips: RoundTrips::new(),
            booked: None,
            digest: begin(&config),
            config,
        })
    }

    /// Takes assets over before instruments that name them are defined.
    ///
    /// # Errors
    /// As [`InstrumentTable::asset`].
    pub fn define_assets(&mut self, table: &InstrumentTable) -> Result<(), domain::instrument::InstrumentError> {
        table.assets().iter().try_for_each(|asset| self.table.asset(&asset.code, asset.decimals).map(|_| ()))
    }

    /// The one state transition: what happened at `ts`, and what is to be done about it, appended to `out`.
    #[inline]
    pub fn step(&mut self, ts: UnixNanos, event: &Event, out: &mut Vec<Command>) {
        self.step_observed(ts, event, out, &mut NoObserver);
    }

    /// [`Engine::step`] with somebody listening. The observer changes nothing.
    #[inline]
    pub fn step_observed<O: Observer>(
        &mut self,
        ts: UnixNanos,
        event: &Event,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        // Engine time never goes back: a late stamp counts as now.
        let ts = if ts < self.now {
            self.clamped += 1;
            self.now
        } else {
            ts
        };
        self.now = ts;
        if O::ACTIVE {
            observer.event(ts, event);
        }
        let first = out.len();
        let market = match &event.body {
            EventBody::Candle(c) => {
                self.digest.word(event.id.raw() ^ c.fingerprint());
                self.view.traded(ts, c.instrument, c.close, c.flags);
                Some((c.instrument, c.flags))
            }
            EventBody::Trade(t) => {
                self.digest.word(event.id.raw() ^ t.fingerprint());
                self.view.traded(ts, t.instrument, t.price, t.flags);
                Some((t.instrument, t.flags))
            }
            EventBody::Quote(q) => {
                self.digest.word(event.id.raw() ^ q.fingerprint());
                self.view.quoted(ts, q.instrument, (q.bid, q.ask), q.flags);
                Some((q.instrument, q.flags))
            }
            EventBody::BookDelta(d) => {
                self.digest.word(event.id.raw() ^ d.fingerprint());
                Some((d.instrument, d.flags))
            }
            other => {
                self.digest.word(event.id.raw());
                self.on_other(ts, other, out, observer);
                None
            }
        };
        if let Some((instrument, flags)) = market {
            if self.desk.watches(instrument) {
                if self.desk.works_in(instrument) {
                    self.refresh_standing(ts);
                }
                // Protection first: what strategies say of this price comes after.
                self.at_desk(ts, out, observer, |desk, world| desk.on_market(&event.body, world));
            }
            self.on_market(ts, &event.body, instrument, flags, out, observer);
        }
        if out.len() != first {
            for command in out.iter().skip(first) {
                if let Command::Cancel { account, .. }
                | Command::Query { account, .. }
                | Command::Reconcile { account, .. } = command
                {
                    self.gate.count_message(*account, ts);
                }
            }
            out.extend(self.gate.take_alerts().map(|alert| Command::Record(Decision::Alert(alert))));
            out.iter().skip(first).for_each(|command| command.digest(&mut self.digest));
        }
    }

    /// Everything but market data.
    fn on_other<O: Observer>(&mut self, ts: UnixNanos, body: &EventBody, out: &mut Vec<Command>, observer: &mut O) {
        // Whatever this lets go that waited is held against how the account stands now.
        self.refresh_standing(ts);
        match body {
            EventBody::Candle(_) | EventBody::Trade(_) | EventBody::Quote(_) | EventBody::BookDelta(_) => {}
            EventBody::Report(report) => {
                self.digest.word(report.ts_event.0);
                report.body.digest(&mut self.digest);
                self.on_report(ts, report, out, observer);
            }
            EventBody::Timer(timer) => {
                self.digest.word(match timer {
                    TimerFired::Day => 1,
                    TimerFired::Minute => 2,
                    TimerFired::Strategy { strategy, id } => 3 | u64::from(strategy.0) << 8 | u64::from(*id) << 24,
                    TimerFired::Desk => 4,
                    TimerFired::Reconcile => 5,
                });
                self.on_timer(ts, *timer, out, observer);
            }
            EventBody::ModelOutput(answer) => {
                self.digest.word(u64::from(answer.strategy.0) | u64::from(answer.model) << 16);
                self.digest.float(answer.value.unwrap_or(f64::NAN));
                let strategy = answer.strategy;
                self.ask(ts, strategy, None, out, observer, |s, context, outputs| s.on_model(context, answer, outputs));
            }
            EventBody::InstrumentDefined(instrument) => {
                let idx = instrument.idx;
                instrument.digest(&mut self.digest);
                match self.table.define(instrument.as_ref().clone()) {
                    Ok(()) => {
                        self.view.add_instrument(idx);
                        self.gate.add_instrument(idx);
                        self.portfolio.define(instrument);
                        if self.subscribers.len() <= idx.index() {
                            self.subscribers.resize_with(idx.index() + 1, Vec::new);
                        }
                        self.arm_sampler(ts, out);
                        if !std::mem::replace(&mut self.day_armed, true) {
                            self.arm_day(ts, out);
                            self.begin_reconciling(ts, out, observer);
                        }
                    }
                    Err(error) => self.fault(Fault::Instrument(error.to_string()), out),
                }
            }
            EventBody::Control(control) => {
                control.digest(&mut self.digest);
                self.on_control(ts, control, out, observer);
            }
            EventBody::VenueState(state) => {
                state.digest(&mut self.digest);
                self.on_venue_state(ts, state, out, observer);
            }
            EventBody::NotSent(stopped) => {
                stopped.digest(&mut self.digest);
                self.on_not_sent(ts, stopped, out, observer);
            }
        }
    }

    #[inline]
    fn on_market<O: Observer>(
        &mut self,
        ts: UnixNanos,
        body: &EventBody,
        instrument: InstrumentIdx,
        flags: MarketFlags,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        if self.guard.is_some() {
            self.watch(ts, out, observer);
        }
        if self.mode.mode() == Mode::Emergency {
            self.look_after(ts, out, observer);
        }
        let at = instrument.index();
        // Strategies cannot subscribe while they speak, so the list stays as it is.
        for next in 0..self.subscribers.get(at).map_or(0, Vec::len) {
            let Some(&number) = self.subscribers.get(at).and_then(|list| list.get(next)) else { break };
            self.ask(ts, StrategyIdx(number), Some((instrument, flags)), out, observer, |s, context, outputs| {
                s.on_market(context, body, outputs);
            });
        }
    }

    /// Lets one strategy speak, and acts on what it says.
    #[inline]
    fn ask<O: Observer>(
        &mut self,
        ts: UnixNanos,
        number: StrategyIdx,
        about: Option<(InstrumentIdx, MarketFlags)>,
        out: &mut Vec<Command>,
        observer: &mut O,
        speak: impl FnOnce(&mut dyn Strategy, &Context<'_>, &mut Vec<Output>),
    ) {
        let Some(strategy) = self.strategies.get_mut(number.index()) else { return };
        let account = self.account;
        let entry_working = match about {
            Some((instrument, _)) => self.desk.entry_on_its_way(account, instrument, number),
            None => false,
        };
        let context = Context {
            ts,
            account,
            strategy: number,
            table: &self.table,
            view: &self.view,
            portfolio: &self.portfolio,
            entry_working,
        };
        speak(strategy.as_mut(), &context, &mut self.outputs);
        if O::ACTIVE {
            strategy.inspect(&mut |name, value| observer.indicator(ts, number, name, value));
        }
        if !self.outputs.is_empty() {
            self.act(ts, number, about.is_some_and(|(_, flags)| flags.has(MarketFlags::WARMUP)), out, observer);
        }
    }

    /// Acts on what a strategy said.
    fn act<O: Observer>(
        &mut self,
        ts: UnixNanos,
        number: StrategyIdx,
        warmup: bool,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        let mut outputs = std::mem::take(&mut self.outputs);
        for output in outputs.drain(..) {
            match output {
                // History that warms up causes no commands, of whatever kind.
                _ if warmup => {}
                // Paused strategies are silent; in an emergency only what closes is heard.
                Output::Signal(_) if self.mode.mode() == Mode::Paused => {}
                Output::Signal(signal)
                    if self.mode.mode() == Mode::Emergency && signal.intent != domain::Intent::Exit => {}
                Output::Signal(signal) if self.bare => {
                    // Stops are off because that was asked for; a strategy that wants out is let out.
                    self.let_out(ts, out);
                    self.on_signal(ts, &Signal { strategy: number, ..signal }, out, observer);
                }
                Output::Signal(signal) => self.on_signal(ts, &Signal { strategy: number, ..signal }, out, observer),
                Output::Work(_) if self.mode.mode() == Mode::Paused => {}
                Output::Work(work)
                    if self.mode.mode() == Mode::Emergency && work.signal.intent != domain::Intent::Exit => {}
                Output::Work(work) => {
                    if self.bare {
                        self.let_out(ts, out);
                    }
                    self.on_wish(ts, &Signal { strategy: number, ..work.signal }, Some(&work.style), out, observer);
                }
                // A group only enters: it is heard where any entry is.
                Output::Group(_) if matches!(self.mode.mode(), Mode::Paused | Mode::Emergency) => {}
                Output::Group(group) => {
                    self.on_group(ts, &GroupRequest { strategy: number, ..group }, out, observer);
                }
                Output::Timer(request) => out.push(Command::Timer {
                    at: request.at,
                    timer: TimerFired::Strategy { strategy: number, id: request.id },
                }),
                Output::Infer(request) => {
                    out.push(Command::Infer(domain::InferRequest { strategy: number, ..request }))
                }
            }
        }
        self.outputs = outputs;
    }

    fn on_signal<O: Observer>(&mut self, ts: UnixNanos, signal: &Signal, out: &mut Vec<Command>, observer: &mut O) {
        self.on_wish(ts, signal, None, out, observer);
    }

    /// A signal, to be acted on at once or to be worked in a style.
    fn on_wish<O: Observer>(
        &mut self,
        ts: UnixNanos,
        signal: &Signal,
        style: Option<&WorkStyle>,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        if O::ACTIVE {
            observer.signal(ts, signal);
        }
        let refused = |refusal: Refusal| {
            Command::Record(Decision::Refused {
                strategy: signal.strategy,
                instrument: signal.instrument,
                intent: signal.intent,
                refusal,
            })
        };
        if !self.config.accounts.contains(&signal.account) {
            out.push(refused(Refusal::because(DenyReason::AccountUnknown)));
            return;
        }
        let validated = match risk::validate::validate(signal) {
            Ok(validated) => validated,
            Err(refusal) => {
                out.push(refused(refusal));
                return;
            }
        };
        out.push(Command::Record(Decision::Signal(*signal)));
        self.refresh_standing(ts);
        let done = self.at_desk(ts, out, observer, |desk, world| match style {
            None => desk.on_signal(&validated, world),
            Some(style) => desk.on_work(&validated, style, world),
        });
        if let Err(refusal) = done {
            out.push(refused(refusal));
        }
    }

    /// A group is taken or refused as a whole: every leg passes validation, then all of them the checks in one step.
    fn on_group<O: Observer>(&mut self, ts: UnixNanos, group: &GroupRequest, out: &mut Vec<Command>, observer: &mut O) {
        let refused = |leg: u8, number: u64, refusal: Refusal| {
            let instrument = group.legs().nth(usize::from(leg)).map_or(InstrumentIdx(0), |leg| leg.instrument);
            Command::Record(Decision::GroupStep {
                group: number,
                leg,
                account: group.account,
                strategy: group.strategy,
                instrument,
                step: GroupStep::Refused,
                refusal: Some(refusal),
            })
        };
        let account_known = self.config.accounts.contains(&group.account);
        let unknown = Refusal::because(DenyReason::AccountUnknown);
        let result = if account_known { risk::group::validate_legs(group) } else { Err((0, unknown)) };
        let validated = match result {
            Ok(validated) => validated,
            Err((leg, refusal)) => {
                out.push(refused(leg, 0, refusal));
                return;
            }
        };
        if O::ACTIVE {
            validated.iter().for_each(|leg| observer.signal(ts, leg.signal()));
        }
        self.refresh_standing(ts);
        let number = self.desk.groups().next_number();
        if let Err((leg, refusal)) =
            self.at_desk(ts, out, observer, |desk, world| desk.on_group(group, &validated, world))
        {
            out.push(refused(leg, number, refusal));
        }
    }

    pub(crate) fn on_report<O: Observer>(
        &mut self,
        ts: UnixNanos,
        report: &AccountReport,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        if self.reconciler.as_mut().is_some_and(|reconciler| !reconciler.is_news(report)) {
            // Money that moved once is booked once, whoever told of it first.
            return;
        }
        if let Some(fill) = of_others(&report.body) {
            // What others do in the account is booked apart and told; what becomes of their orders is theirs.
            if let Some(fill) = fill {
                self.recover(ts, &Execution { ts_event: report.ts_event, fill }, out, observer);
            }
            return;
        }
        let mut report = *report;
        if let ReportBody::Filled { fill, complete } = &mut report.body {
            if self.desk.executions().knows(fill) {
                return self.on_repeated(ts, fill, *complete, out, observer);
            }
            self.attribute(fill, out);
        }
        let report = &report;
        let mut late = false;
        let booked = match &report.body {
            ReportBody::Filled { fill, .. } => {
                late = self.late_fill(fill.account, fill.instrument, fill.strategy, out);
                self.book(ts, report.ts_event, fill, out, observer)
            }
            ReportBody::Funding { account, instrument, asset, amount } => {
                self.portfolio.funding(*account, *instrument, *asset, *amount)
            }
            ReportBody::Transfer { account, asset, amount } => self.portfolio.transfer(*account, *asset, *amount),
            ReportBody::Charge { account, asset, amount } => self.portfolio.charge(*account, *asset, *amount),
            ReportBody::Accepted { .. }
            | ReportBody::Replaced { .. }
            | ReportBody::Triggered { .. }
            | ReportBody::Rejected { .. }
            | ReportBody::Canceled { .. }
            | ReportBody::Expired { .. }
            | ReportBody::CancelRejected { .. }
            | ReportBody::Amended { .. }
            | ReportBody::AmendRejected { .. }
            | ReportBody::Status { .. } => Ok(()),
        };
        if let Some(reconciler) = &mut self.reconciler
            && let Some((account, movement)) = execution::reconcile::movement_of(report)
        {
            reconciler.books_mut().on_money(movement.ts_event, account, movement.asset, movement.amount);
        }
        self.gate.invalidate();
        if let Err(error) = booked {
            self.fault(Fault::Ledger(error), out);
        } else {
            self.told_to_guard(ts, &report.body);
        }
        self.refresh_standing(ts);
        if let Some(alarm) =
            self.at_desk(ts, out, observer, |desk, world| desk.on_report_of(report.ts_event, &report.body, world))
        {
            self.fault(Fault::Alarm(alarm), out);
        }
        if let ReportBody::Rejected { client_id, reason: RejectReason::ReduceOnly } = report.body
            && self.reconciler.as_mut().is_some_and(|r| r.look_soon(client_id.account(), ts))
        {
            // It holds less than we know of.
            self.reconcile_due(ts, out, observer);
        }
        if late {
            // Stops were told to stay off for what was held then; what came after is protected.
            self.at_desk(ts, out, observer, |desk, world| desk.retry_unsent(world));
        }
        if matches!(report.body, ReportBody::Filled { .. }) {
            self.verify(ts, out);
        }
        self.carry_out(ts, out, observer);
        if self.mode.mode() != Mode::Normal {
            self.settle_level(ts, out);
        }
    }

    /// An execution that was booked before: it changes nothing.
    fn on_repeated<O: Observer>(
        &mut self,
        ts: UnixNanos,
        fill: &Fill,
        complete: bool,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) {
        self.desk.executions_mut().count_repeated();
        self.at_desk(ts, out, observer, |desk, world| desk.on_repeated(fill, complete, world));
    }

    /// Says whose an execution is. An adapter cannot always know that; one of an order that is known to nobody is booked apart, so that what
    /// we hold is what the venue says, and the fault that it is keeps new risk away.
    pub(crate) fn attribute(&self, fill: &mut Fill, out: &mut Vec<Command>) {
        if let Some(owner) = self.desk.owner_of(fill.client_id) {
            fill.strategy = owner;
        } else if fill.client_id.is_foreign() || fill.strategy.index() >= self.strategies.len() {
            fill.strategy = StrategyIdx::OUTSIDE;
            let quantity = self.table.get(fill.instrument).map(|i| i.quantity(fill.quantity).to_f64());
            let (account, instrument) = (fill.account, Some(fill.instrument));
            out.push(alert(AlertKind::Quarantined, account, instrument, Some(fill.strategy), quantity, None));
        }
    }

    pub(crate) fn book<O: Observer>(
        &mut self,
        ts: UnixNanos,
        ts_event: UnixNanos,
        fill: &Fill,
        out: &mut Vec<Command>,
        observer: &mut O,
    ) -> Result<(), LedgerError> {
        self.booked = None;
        let effect = match self.portfolio.apply_fill(&self.table, fill) {
            Err(LedgerError::ShortSpot { account, instrument, strategy, held, taken }) => {
                // What was executed is booked, and that it cannot be is the fault.
                let effect = self.portfolio.apply_fill_as_it_is(&self.table, fill)?;
                self.desk.executions_mut().note(ts_event, fill);
                self.booked = Some(Booked { effect, trip: None });
                self.keep_books(ts_event, fill, &effect);
                for posting in effect.postings.as_slice() {
                    self.look_at_balance(posting.account, posting.asset, out);
                }
                return Err(LedgerError::ShortSpot { account, instrument, strategy, held, taken });
            }
            effect => effect?,
        };
        self.desk.executions_mut().note(ts_event, fill);
        let trip = if fill.strategy == StrategyIdx::OUTSIDE {
            None
        } else {
            self.table.get(fill.instrument).and_then(|instrument| self.trips.on_fill(ts, instrument, fill, &effect))
        };
        self.booked = Some(Booked { effect, trip });
        self.keep_books(ts_event, fill, &effect);
        for posting in effect.postings.as_slice() {
            self.look_at_balance(posting.account, posting.asset, out);
        }
        if O::ACTIVE {
            observer.fill(ts, fill, effect.realised);
        }
        Ok(())
    }

    fn on_timer<O: Observer>(&mut self, ts: UnixNanos, timer: TimerFired, out: &mut Vec<Command>, observer: &mut O) {
        match timer {
            // The turn of the trading day is an input like any other: it is in the digest, and limits by day will begin anew here.
            TimerFired::Day => {
                if let Some(mut guard) = self.guard.take() {
                    let scene = scene(ts, &self.table, &self.view, &self.portfolio, self.mode.mode(), &self.standing);
                    guard.on_day(&scene, &mut self.actions);
                    self.guard = Some(guard);
                    self.carry_out(ts, out, observer);
                }
                self.arm_day(ts, out);
            }
            TimerFired::Minute => {
                self.gate.sample(ts, &self.view);
                self.verify(ts, out);
                if let Some(mut guard) = self.guard.take() {
                    let scene = scene(ts, &self.table, &self.view, &self.portfolio, self.mode.mode(), &self.standing);
                    guard.sample(&scene, &mut self.actions);
                    self.guard = Some(guard);
                    self.carry_out(ts, out, observer);
                }
                self.sampler_armed = false;
                self.arm_sampler(ts, out);
            }
            TimerFired::Strategy { strategy, id } => {
                self.ask(ts, strategy, None, out, observer, |s, context, outputs| s.on_timer(context, id, outputs));
            }
            TimerFired::Reconcile => self.reconcile_due(ts, out, observer),
            TimerFired::Desk => {
                self.at_desk(ts, out, observer, |desk, world| desk.on_time(world));
                if self.mode.mode() != Mode::Normal {
                    self.settle_level(ts, out);
                }
            }
        }
    }

    /// Asks for the next midnight (UTC), where the trading day turns.
    fn arm_day(&self, ts: UnixNanos, out: &mut Vec<Command>) {
        out.push(Command::Timer { at: UnixNanos::start_of_day(ts.day() + 1), timer: TimerFired::Day });
    }

    /// Asks for the next sample of prices. A single instrument has nothing to correlate with, but for the guard; no limits need none.
    fn arm_sampler(&mut self, ts: UnixNanos, out: &mut Vec<Command>) {
        let alone = self.table.len() < 2 && self.guard.is_none();
        if self.sampler_armed || alone || self.config.profile.limits().is_none() {
            return;
        }
        self.sampler_armed = true;
        let (every, lateness) = (self.config.correlation_every.0, self.config.correlation_lateness.0);
        // The first boundary whose sample lies after now.
        let boundary = (ts.0.saturating_sub(lateness) / every + 1).saturating_mul(every);
        out.push(Command::Timer { at: UnixNanos(boundary.saturating_add(lateness)), timer: TimerFired::Minute });
    }

    /// Records a fault: no new risk until it is resolved. The first [`FAULTS_MAX`] are kept; what follows is the same story.
    pub(crate) fn fault(&mut self, fault: Fault, out: &mut Vec<Command>) {
        if let Some(c) = self.mode.restrict(Mode::Reduced, Cause::Fault) {
            out.push(Command::Record(Decision::Mode { from: c.from, to: c.to, cause: c.cause, holder: None }));
            self.settle_level(self.now, out);
        }
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    /// Instruments and their rules.
    #[must_use]
    pub const fn table(&self) -> &InstrumentTable {
        &self.table
    }

    /// The market as it is known.
    #[must_use]
    pub const fn view(&self) -> &MarketView {
        &self.view
    }

    /// The ledger.
    #[must_use]
    pub const fn portfolio(&self) -> &Portfolio {
        &self.portfolio
    }

    /// Orders that work.
    #[must_use]
    pub const fn orders(&self) -> &execution::Orders {
        self.desk.orders()
    }

    /// What the last fill did to the ledger; `None` if it could not be booked.
    #[must_use]
    pub const fn booked(&self) -> Option<&Booked> {
        self.booked.as_ref()
    }

    /// Round trips: the open ones, and what dust left.
    #[must_use]
    pub const fn round_trips(&self) -> &RoundTrips {
        &self.trips
    }

    /// Exact equity of an account in the report currency; `None` if a price is missing.
    #[must_use]
    pub fn equity(&self, account: AccountId) -> Option<Money> {
        self.portfolio.equity(account, &self.table, &self.view)
    }

    /// Names of the strategies, by number.
    pub fn strategy_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.strategies.iter().map(|s| s.name())
    }

    /// Shows the present values of a strategy's indicators; nothing for a number that is not given.
    pub fn inspect(&self, strategy: StrategyIdx, each: &mut dyn FnMut(&'static str, f64)) {
        if let Some(strategy) = self.strategies.get(strategy.index()) {
            strategy.inspect(each);
        }
    }

    /// The mode in force, and why.
    #[must_use]
    pub const fn mode(&self) -> &ModeMachine {
        &self.mode
    }

    /// What is known of how the accounts stand at the venue, where they are reconciled.
    #[must_use]
    pub fn reconciler(&self) -> Option<&Reconciler> {
        self.reconciler.as_deref()
    }

    /// The desk.
    #[must_use]
    pub const fn desk(&self) -> &Desk {
        &self.desk
    }

    /// The guard of the account, where there is one.
    #[must_use]
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_deref()
    }

    /// The pre-trade gate.
    #[must_use]
    pub const fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The limits in force, unless they are off.
    #[must_use]
    pub const fn limits(&self) -> Option<&risk::Limits> {
        self.gate.profile().limits()
    }

    /// The level that the gate word was told to have.
    #[must_use]
    pub const fn gate_level(&self) -> u8 {
        self.level
    }

    /// What went wrong, oldest first.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// How many events came with a time before the engine's.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }

    /// Digest of all inputs, by value, and of all commands so far; it begins with limits and strategies.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Digest of the state that later behaviour depends on.
    #[must_use]
    pub fn state_digest(&self) -> Digest {
        let mut d = Digest::default();
        d.word(self.now.0);
        self.mode.digest(&mut d);
        d.word(u64::from(self.level) | u64::from(self.bare) << 8);
        let flags = [self.faults.is_empty(), self.sampler_armed, self.day_armed];
        flags.iter().for_each(|&flag| d.word(u64::from(flag)));
        self.negative.iter().for_each(|(account, asset)| d.word(u64::from(account.0) | u64::from(asset.0) << 16));
        // Amounts are rounded at the precision of their asset.
        self.table.assets().iter().for_each(|asset| d.word(u64::from(asset.decimals)));
        self.table.instruments().iter().for_each(|i| i.digest(&mut d));
        self.view.digest(&mut d);
        self.portfolio.digest(&mut d);
        self.gate.digest(&mut d);
        if let Some(guard) = &self.guard {
            guard.digest(&mut d);
        }
        if let Some(reconciler) = &self.reconciler {
            reconciler.digest(&mut d);
        }
        self.desk.digest(&mut d);
        let mut saved = Vec::new();
        for strategy in &self.strategies {
            saved.clear();
            strategy.save(&mut saved);
            d.bytes(strategy.name().as_bytes());
            d.word(u64::from(strategy.version()));
            d.bytes(&saved);
        }
        d
    }
}

/// Whether a report is about an order that is not ours, and the execution that it tells of.
fn of_others(body: &ReportBody) -> Option<Option<Fill>> {
    match body {
        ReportBody::Filled { fill, .. } => fill.client_id.is_foreign().then_some(Some(*fill)),
        ReportBody::Accepted { client_id, .. }
        | ReportBody::Replaced { client_id, .. }
        | ReportBody::Triggered { client_id }
        | ReportBody::Rejected { client_id, .. }
        | ReportBody::Canceled { client_id, .. }
        | ReportBody::Expired { client_id }
        | ReportBody::CancelRejected { client_id, .. }
        | ReportBody::Amended { client_id }
        | ReportBody::AmendRejected { client_id, .. }
        | ReportBody::Status { client_id, .. } => client_id.is_foreign().then_some(None),
        ReportBody::Funding { .. } | ReportBody::Transfer { .. } | ReportBody::Charge { .. } => None,
    }
}

/// The first words of a run's digest: what it is made with.
fn begin(config: &EngineConfig) -> Digest {
    let mut d = Digest::default();
    config.profile.digest(&mut d);
    d.word(u64::from(config.report_currency.0) | u64::from(config.epoch) << 16);
    d.word(config.correlation_every.0);
    d.word(config.correlation_lateness.0);
    match &config.guard {
        Some(guard) => guard.digest(&mut d),
        None => d.word(0),
    }
    d
}

/// The gate of a configuration.
fn gate(config: &EngineConfig) -> Gate {
    let mut gate = Gate::new(config.profile);
    gate.set_sampling(config.correlation_every);
    match config.clamps {
        Some(clamps) => gate.with_clamps(clamps),
        None => gate,
    }
}

/// What gate and desk look at in this step.
pub(crate) fn scene<'a>(
    ts: UnixNanos,
    table: &'a InstrumentTable,
    view: &'a MarketView,
    portfolio: &'a Portfolio,
    mode: Mode,
    standing: &'a Standing,
) -> Scene<'a> {
    Scene { ts, table, view, portfolio, mode, standing }
}

/// An instrument's definition as an event body.
#[must_use]
pub fn defined(instrument: domain::Instrument) -> EventBody {
    EventBody::InstrumentDefined(Arc::new(instrument))
}
