//! A running engine with its simulated venue: timers, messages in flight, and the carrying of commands and reports between the two.
//!
//! In:  market rows in phases, from `drive`.
//! Out: engine steps in the order that the style of the engine demands: control < account report < timer < market at equal times, and
//! reports directly after what caused them.

use crate::log::trail;
use crate::runner::record::Probe;
use crate::runner::sender::Sender;
use crate::runner::tape::Tape;
use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountReport, Candle, Control, Digest, Digestible, Event, EventBody, InferRequest, InputId, InstrumentIdx,
    ModelOutput, NotSent, Quote, TimerFired, Trade, UnixNanos, VenueState,
};
use engine::Engine;
use infra::gate_word::{GateWord, Level};
use risk::{Command, CommandRecord};
use sim::{Request, Venue};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many reports one instant may cause before the run is stopped: far above any real cascade, and a bound on a loop that feeds itself.
const REPORTS_PER_INSTANT_MAX: u32 = 1_000_000;

/// Why a session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionError {
    /// Commands and reports of one instant never ended.
    Endless(UnixNanos),
    /// The event after which it was to stop has been dealt with.
    Reached,
}

impl std::fmt::Display for SessionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Endless(ts) => write!(
                f,
                "more than {REPORTS_PER_INSTANT_MAX} reports at one instant ({} ns): a loop that feeds itself",
                ts.0
            ),
            Self::Reached => f.write_str("stopped after the event that was asked for"),
        }
    }
}

impl std::error::Error for SessionError {}

/// An engine and a simulated venue, wired to each other.
pub struct Session {
    /// The engine.
    pub engine: Engine,
    /// The venue.
    pub venue: Venue,
    /// Where events and commands are recorded, or the record that they are held against.
    pub tape: Tape,
    /// What orders leave by.
    sender: Sender,
    /// How many trips were told.
    trips: u64,
    /// Whether the latest commands were those of a record.
    followed: bool,
    timers: BTreeSet<(UnixNanos, TimerFired)>,
    answers: Vec<(UnixNanos, ModelOutput)>,
    out: Vec<Command>,
    /// The market event under way: one place that is written again and again.
    market: Event,
    /// The earliest of timers, model answers and what the venue has in flight.
    due: UnixNanos,
    reports: u64,
    timers_fired: u64,
    setup: u64,
    /// Number of the latest event, counted from 1.
    seq: u64,
    /// How often the venue was moved on since the latest event: what comes from outside between two events comes at one of these places.
    touches: u16,
    /// From this event on there is something to do even where the engine says nothing: the record goes on, or the end is reached.
    watch: u64,
    /// The event after which to stop.
    stop_after: u64,
    /// How many of the engine's faults the log was told.
    faults_told: usize,
}

impl Session {
    /// Wires an engine to a venue.
    #[must_use]
    pub fn new(engine: Engine, venue: Venue) -> Self {
        Self {
            engine,
            venue,
            tape: Tape::off(),
            sender: Sender::default(),
            trips: 0,
            followed: false,
            timers: BTreeSet::new(),
            answers: Vec::new(),
            out: Vec::with_capacity(64),
            market: Event { id: InputId::new(0, 0), body: EventBody::Control(domain::Control::Resume) },
            due: UnixNanos::MAX,
            reports: 0,
            timers_fired: 0,
            setup: 0,
            seq: 0,
            touches: 0,
            watch: u64::MAX,
            stop_after: u64::MAX,
            faults_told: 0,
        }
    }

    /// Records from now on, or holds what is said against a record.
    pub fn put_on_tape(&mut self, tape: Tape) {
        self.tape = tape;
        self.look_out();
    }

    /// Orders leave under this gate word from now on. The engine's level holds at once; what else the word says is told at the next look.
    pub fn send_under(&mut self, word: Arc<GateWord>) {
        self.sender = Sender::under(word);
        self.sender.set(self.engine.gate_level(), self.engine.mode().cause());
    }

    /// Tells the engine what others did to the gate word since the last look.
    ///
    /// # Errors
    /// As [`Session::settle`].
    pub fn look_at_gate<P: Probe>(&mut self, ts: UnixNanos, probe: &mut P) -> Result<(), SessionError> {
        self.sender.at_least(self.engine.gate_level(), self.engine.mode().cause());
        while let Some(control) = self.sender.look() {
            self.trips += 1;
            self.tell(ts, EventBody::Control(control), probe)?;
        }
        // Where a level could not be set because somebody else had raised the word meanwhile: now the engine has heard of that.
        self.sender.set(self.engine.gate_level(), self.engine.mode().cause());
        Ok(())
    }

    /// How many times the gate was closed by others, since this process plays the run.
    #[must_use]
    pub const fn trips(&self) -> u64 {
        self.trips
    }

    /// Stops, with [`SessionError::Reached`], when the event of this number has been dealt with.
    pub fn stop_after(&mut self, seq: u64) {
        self.stop_after = seq;
        self.look_out();
    }

    /// Number of the latest event given to the engine, counted from 1.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    fn look_out(&mut self) {
        self.watch = self.tape.next_seq().min(self.stop_after);
    }

    /// Appends the whole state to a snapshot: engine, venue, timers and answers that are due, numbers. What the tape holds is not part of it.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.engine.save(out);
        self.venue.save(out);
        let timers: Vec<(UnixNanos, TimerFired)> = self.timers.iter().copied().collect();
        timers.put(out);
        self.answers.put(out);
        for number in [self.due.0, self.reports, self.timers_fired, self.setup, self.seq] {
            number.put(out);
        }
        self.touches.put(out);
    }

    /// Loads a state into a session that was made with the same configuration. After an error the session is not to be used.
    ///
    /// # Errors
    /// [`CodecError`] if the bytes do not belong to it.
    pub fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.engine.load(from)?;
        self.venue.load(from)?;
        self.timers = Vec::<(UnixNanos, TimerFired)>::take(from)?.into_iter().collect();
        self.answers = Stored::take(from)?;
        self.due = Stored::take(from)?;
        for number in [&mut self.reports, &mut self.timers_fired, &mut self.setup, &mut self.seq] {
            *number = Stored::take(from)?;
        }
        self.touches = Stored::take(from)?;
        self.faults_told = self.engine.faults().len();
        self.look_out();
        Ok(())
    }

    /// Gives the engine a definition or control event.
    ///
    /// # Errors
    /// As [`Session::settle`].
    pub fn tell<P: Probe>(&mut self, ts: UnixNanos, body: EventBody, probe: &mut P) -> Result<(), SessionError> {
        let id = self.outside_id();
        self.setup += 1;
        self.step(ts, &Event { id, body }, probe);
        self.settle(ts, probe)
    }

    /// The id of what comes from outside: its number, and at which place since the latest event it came. The venue moves on between two
    /// events, inside of a bar: a replay tells it at the very place.
    fn outside_id(&self) -> InputId {
        InputId::new(InputId::SETUP, self.setup | u64::from(self.touches) << 32)
    }

    /// Digest of the whole state: engine, venue, timers and answers that are due.
    #[must_use]
    pub fn state_digest(&self) -> Digest {
        let mut d = self.engine.state_digest();
        self.venue.digest(&mut d);
        for (at, timer) in &self.timers {
            let key = match timer {
                TimerFired::Day => 1,
                TimerFired::Minute => 2,
                TimerFired::Strategy { strategy, id } => 3 | u64::from(strategy.0) << 8 | u64::from(*id) << 24,
                TimerFired::Desk => 4,
                TimerFired::Reconcile => 5,
            };
            d.word(at.0);
            d.word(key);
        }
        for (at, answer) in &self.answers {
            d.word(at.0);
            d.word(u64::from(answer.strategy.0) | u64::from(answer.model) << 16);
            d.word(answer.as_of.0);
        }
        d
    }

    /// Whether phases of a bar of this instrument have anything to do.
    #[inline]
    pub fn has_work(&self, instrument: InstrumentIdx) -> bool {
        self.venue.has_work(instrument)
    }

    /// The earliest thing that is due.
    #[inline]
    pub const fn due(&self) -> UnixNanos {
        self.due
    }

    /// The bar opens: what waited at the venue trades.
    ///
    /// # Errors
    /// As [`Session::settle`].
    pub fn bar_open<P: Probe>(&mut self, ts: UnixNanos, candle: &Candle, probe: &mut P) -> Result<(), SessionError> {
        self.venue.on_bar_open(ts, candle);
        self.touches = self.touches.saturating_add(1);
        self.settle(ts, probe)
    }

    /// The inside of the bar, pessimistically.
    ///
    /// # Errors
    /// As [`Session::settle`].
    pub fn bar_path<P: Probe>(&mut self, ts: UnixNanos, candle: &Candle, probe: &mut P) -> Result<(), SessionError> {
        self.venue.on_bar_path(ts, candle);
        self.touches = self.touches.saturating_add(1);
        self.settle(ts, probe)
    }

    /// The bar closes and reaches the engine.
    ///
    /// # Errors
    /// As [`Session::settle`].
    #[inline]
    pub fn bar_close<P: Probe>(
        &mut self,
        ts: UnixNanos,
        id: InputId,
        candle: &Candle,
        probe: &mut P,
    ) -> Result<(), SessionError> {
        self.venue.on_bar_close(ts, candle);
        match &mut self.market.body {
            EventBody::Candle(held) => *held = *candle,
            other => *other = EventBody::Candle(*candle),
        }
        self.market(ts, id, probe)
    }

    /// A trade: the venue's orders first, then the engine.
    ///
    /// # Errors
    /// As [`Session::settle`].
    #[inline]
    pub fn trade<P: Probe>(
        &mut self,
        ts: UnixNanos,
        id: InputId,
        trade: &Trade,
        probe: &mut P,
    ) -> Result<(), SessionError> {
        let work = self.venue.has_work(trade.instrument);
        self.venue.on_trade(ts, trade);
        if work {
            self.settle(ts, probe)?;
        }
        match &mut self.market.body {
            EventBody::Trade(held) => *held = *trade,
            other => *other = EventBody::Trade(*trade),
        }
        self.market(ts, id, probe)
    }

    /// A quote: the venue's orders first, then the engine.
    ///
    /// # Errors
    /// As [`Session::settle`].
    #[inline]
    pub fn quote<P: Probe>(
        &mut self,
        ts: UnixNanos,
        id: InputId,
        quote: &Quote,
        probe: &mut P,
    ) -> Result<(), SessionError> {
        let work = self.venue.has_work(quote.instrument);
        self.venue.on_quote(ts, quote);
        if work {
            self.settle(ts, probe)?;
        }
        match &mut self.market.body {
            EventBody::Quote(held) => *held = *quote,
            other => *other = EventBody::Quote(*quote),
        }
        self.market(ts, id, probe)
    }

    #[inline]
    fn market<P: Probe>(&mut self, ts: UnixNanos, id: InputId, probe: &mut P) -> Result<(), SessionError> {
        self.market.id = id;
        self.seq += 1;
        self.touches = 0;
        self.engine.step_observed(ts, &self.market, &mut self.out, probe);
        if self.out.is_empty() && self.seq < self.watch {
            return Ok(());
        }
        self.settle(ts, probe)
    }

    /// Performs all that is due at or before `ts`, in time order; at equal times what the venue reports comes before timers.
    ///
    /// # Errors
    /// As [`Session::settle`].
    #[cold]
    pub fn service<P: Probe>(&mut self, ts: UnixNanos, probe: &mut P) -> Result<(), SessionError> {
        while self.due <= ts {
            let now = self.due;
            if self.venue.next_due().is_some_and(|due| due <= now) {
                self.venue.advance(now);
                self.touches = self.touches.saturating_add(1);
                self.settle(now, probe)?;
                continue;
            }
            if let Some(at) = self.answers.iter().position(|(due, _)| *due <= now) {
                let (_, answer) = self.answers.remove(at);
                let id = self.timer_id();
                self.step(now, &Event { id, body: EventBody::ModelOutput(answer) }, probe);
            } else if let Some((_, timer)) = self.timers.pop_first() {
                let id = self.timer_id();
                self.step(now, &Event { id, body: EventBody::Timer(timer) }, probe);
            }
            self.settle(now, probe)?;
        }
        Ok(())
    }

    fn timer_id(&mut self) -> InputId {
        self.timers_fired += 1;
        InputId::new(InputId::TIMERS, self.timers_fired)
    }

    #[inline]
    fn step<P: Probe>(&mut self, ts: UnixNanos, event: &Event, probe: &mut P) {
        self.seq += 1;
        self.touches = 0;
        self.tape.event(self.seq, ts, event);
        self.engine.step_observed(ts, event, &mut self.out, probe);
    }

    /// Carries commands to the venue and reports back until both are silent.
    ///
    /// # Errors
    /// [`SessionError::Endless`] if they never are.
    pub fn settle<P: Probe>(&mut self, ts: UnixNanos, probe: &mut P) -> Result<(), SessionError> {
        let mut rounds = 0u32;
        loop {
            self.carry(ts, probe);
            if self.seq >= self.watch {
                self.watched(ts, probe)?;
            }
            rounds += 1;
            if rounds > REPORTS_PER_INSTANT_MAX {
                return Err(SessionError::Endless(ts));
            }
            if let Some(report) = self.venue.take_report(ts) {
                self.report(ts, report, probe);
            } else if let Some(state) = self.venue.take_state(ts) {
                self.state(ts, state, probe);
            } else {
                break;
            }
        }
        let venue_due = self.venue.next_due().unwrap_or(UnixNanos::MAX);
        let timer_due = self.timers.first().map_or(UnixNanos::MAX, |(at, _)| *at);
        let answer_due = self.answers.iter().map(|(at, _)| *at).min().unwrap_or(UnixNanos::MAX);
        self.due = venue_due.min(timer_due).min(answer_due);
        Ok(())
    }

    fn report<P: Probe>(&mut self, ts: UnixNanos, report: AccountReport, probe: &mut P) {
        self.reports += 1;
        let id = InputId::new(InputId::REPORTS, self.reports);
        self.step(ts, &Event { id, body: EventBody::Report(report) }, probe);
        trail::report(self.seq, ts, &report);
        // Faults come of reports.
        for fault in self.engine.faults().iter().skip(self.faults_told) {
            trail::fault(self.seq, fault);
        }
        self.faults_told = self.engine.faults().len();
        probe.report(ts, &report, &self.engine);
    }

    fn state<P: Probe>(&mut self, ts: UnixNanos, state: Arc<VenueState>, probe: &mut P) {
        self.reports += 1;
        let id = InputId::new(InputId::REPORTS, self.reports);
        self.step(ts, &Event { id, body: EventBody::VenueState(state) }, probe);
        for fault in self.engine.faults().iter().skip(self.faults_told) {
            trail::fault(self.seq, fault);
        }
        self.faults_told = self.engine.faults().len();
    }

    /// Something of the record, or the end, is due with the latest event, whose commands have been carried.
    #[cold]
    fn watched<P: Probe>(&mut self, ts: UnixNanos, probe: &mut P) -> Result<(), SessionError> {
        self.tape.settled(self.seq, self.engine.digest());
        if self.tape.calls_for_pause() {
            // The journal cannot be written, or this build decides otherwise than the record: no new risk. Reductions go on.
            let id = self.outside_id();
            self.tell_now(ts, &Event { id, body: EventBody::Control(Control::Pause) }, probe);
        }
        while let Some((ts, event)) = self.tape.external(self.seq + 1) {
            if place_of(event.id) != self.touches {
                break;
            }
            self.tell_now(ts, &event, probe);
            self.tape.settled(self.seq, self.engine.digest());
        }
        self.look_out();
        if self.seq >= self.stop_after || self.tape.ends() { Err(SessionError::Reached) } else { Ok(()) }
    }

    /// Something from outside, in the middle of what an event brings about.
    fn tell_now<P: Probe>(&mut self, ts: UnixNanos, event: &Event, probe: &mut P) {
        self.setup += 1;
        self.step(ts, event, probe);
        self.carry(ts, probe);
    }

    fn carry<P: Probe>(&mut self, ts: UnixNanos, probe: &mut P) {
        if self.tape.is_on() && !(self.out.is_empty() && self.seq < self.watch) {
            let recorded = self.tape.commands(self.seq, ts, &self.out);
            self.look_out();
            if let Some(recorded) = recorded {
                // What was recorded is what happened, whatever this build would have done.
                self.out.clear();
                let stopped = self.tape.stopped(self.seq + 1);
                for record in &recorded {
                    probe.recorded(ts, record);
                    if !is_among(record, stopped.as_deref()) {
                        self.carry_recorded(ts, record);
                    }
                }
                return;
            }
        }
        if self.out.is_empty() {
            return;
        }
        // A record says which orders did not leave; where there is none a failed journal and the gate word do.
        let follows = self.tape.follows();
        if std::mem::replace(&mut self.followed, follows) && !follows {
            // The record has ended: from here on the word is what the engine says it is.
            self.sender.set(self.engine.gate_level(), self.engine.mode().cause());
        }
        let recorded = if follows { self.tape.stopped(self.seq + 1) } else { None };
        let mut stopped: Option<NotSent> = None;
        let cause = self.engine.mode().cause();
        for command in self.out.drain(..) {
            trail::command(self.seq, ts, &command);
            probe.command(ts, &command);
            match command {
                Command::Timer { at, timer } => {
                    // A timer that is already due fires as soon as the present event is dealt with.
                    self.timers.insert((at.max(ts), timer));
                }
                Command::Infer(request) => self.answers.push(abstention(ts, &request)),
                Command::Record(decision) => trail::safety(self.seq, &decision),
                Command::Gate { level } if !follows => self.sender.set(level, cause),
                Command::Gate { .. } => {}
                Command::Submit(approved) => {
                    let (id, class) = (approved.client_id(), approved.class());
                    if follows {
                        if !recorded.as_ref().is_some_and(|r| r.orders.contains(&id)) {
                            place(&mut self.venue, ts, Command::Submit(approved), probe);
                        }
                        continue;
                    }
                    let by = if self.tape.withholds(class) {
                        Some(Level::Reducing)
                    } else {
                        let sent =
                            self.sender.send(class, || place(&mut self.venue, ts, Command::Submit(approved), probe));
                        sent.err().map(|by| by.word.level())
                    };
                    if let Some(level) = by {
                        let none = || NotSent { level: level.number(), orders: Vec::new() };
                        stopped.get_or_insert_with(none).orders.push(id);
                    }
                }
                Command::List { first, second } => {
                    // Both leave or neither.
                    let (ids, class) = ([first.client_id(), second.client_id()], first.class().min(second.class()));
                    if follows {
                        if !recorded.as_ref().is_some_and(|r| r.orders.contains(&ids[0])) {
                            place(&mut self.venue, ts, Command::List { first, second }, probe);
                        }
                        continue;
                    }
                    let by = if self.tape.withholds(class) {
                        Some(Level::Reducing)
                    } else {
                        let both = || place(&mut self.venue, ts, Command::List { first, second }, probe);
                        self.sender.send(class, both).err().map(|by| by.word.level())
                    };
                    if let Some(level) = by {
                        let none = || NotSent { level: level.number(), orders: Vec::new() };
                        stopped.get_or_insert_with(none).orders.extend(ids);
                    }
                }
                Command::Cancel { client_id, .. } => self.venue.submit(ts, Request::Cancel { client_id }),
                // Questions change nothing: no level of the gate word stops them.
                Command::Query { client_id, .. } => self.venue.submit(ts, Request::Query { client_id }),
                Command::Reconcile { account, since } => self.venue.submit(ts, Request::State { account, since }),
            }
        }
        if let Some(stopped) = stopped {
            // The engine has to know at once: what did not leave protects nothing and holds nothing.
            let id = self.outside_id();
            self.tell_now(ts, &Event { id, body: EventBody::NotSent(Arc::new(stopped)) }, probe);
        }
    }

    fn carry_recorded(&mut self, ts: UnixNanos, record: &CommandRecord) {
        trail::recorded(self.seq, ts, record);
        match record {
            CommandRecord::Timer { at, timer } => {
                self.timers.insert(((*at).max(ts), *timer));
            }
            CommandRecord::Infer(request) => self.answers.push(abstention(ts, request)),
            CommandRecord::Decision(_) | CommandRecord::Gate { .. } => {}
            CommandRecord::Submit { .. }
            | CommandRecord::List { .. }
            | CommandRecord::Cancel { .. }
            | CommandRecord::Query { .. }
            | CommandRecord::Reconcile { .. } => {
                if let Some(request) = sim::from_command::request_of_record(record, ts) {
                    self.venue.submit(ts, request);
                }
            }
        }
    }
}

/// At which place since the event before it something came from outside.
const fn place_of(id: InputId) -> u16 {
    (id.sequence() >> 32) as u16
}

/// Places an approved order, or a pair of them, at the venue.
fn place<P: Probe>(venue: &mut Venue, ts: UnixNanos, orders: Command, probe: &mut P) {
    match sim::from_command::request(orders, ts) {
        Ok(Some(request)) => venue.submit(ts, request),
        Ok(None) => {}
        Err(error) => probe.not_sent(ts, &error),
    }
}

/// Whether a recorded order is one that did not leave.
fn is_among(record: &CommandRecord, stopped: Option<&NotSent>) -> bool {
    match (record, stopped) {
        (CommandRecord::Submit { spec, .. }, Some(stopped)) => stopped.orders.contains(&spec.client_id),
        (CommandRecord::List { first, .. }, Some(stopped)) => stopped.orders.contains(&first.spec.client_id),
        _ => false,
    }
}

/// No model runs beside a simulated session yet: every question is answered by an abstention.
fn abstention(ts: UnixNanos, request: &InferRequest) -> (UnixNanos, ModelOutput) {
    let answer = ModelOutput { strategy: request.strategy, model: request.model, as_of: request.as_of, value: None };
    (request.as_of.max(ts), answer)
}
