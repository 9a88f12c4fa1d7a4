//! An engine with a simulated venue, timers and questions, carried as a run carries them, and a strategy that does anything at random.

use crate::referee::Referee;
use domain::codec::{CodecError, Reader as Bytes, Stored};
use domain::{
    AccountId, AccountReport, AssetIdx, Candle, ClientOrderId, Control, Entry, Event, EventBody, Flow, GroupKind,
    GroupRequest, ImpactModel, InputId, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Intent, Leg,
    ModelOutput, Money, Nanos, NotSent, OrderClass, Output, Price, Quote, Rate, Rest, Rounding, Shown, Signal,
    SizeRequest, StopLevel, StopPlan, StrategyIdx, Thresholds, TimeInForce, TimerFired, TimerRequest, Trade, UnixNanos,
    Urgency, VolumeProfile, WorkRequest, WorkStyle,
};
use engine::{Engine, EngineConfig, defined};
use risk::{Command, Profile};
use sim::{Exec, FeeAsset, Funding, Jitter, Latency, LimitFill, Slippage, Venue, VenueConfig};
use std::collections::BTreeSet;
use std::sync::Arc;
use strategy::{Blueprint, Context, Params, Reader, StateError, StopRule, Strategy};
use testkit::generate::Seeded;

pub const ACCOUNT: AccountId = AccountId(0);

/// Says anything that a strategy can say, as its seed has it.
pub struct Gambler {
    pub instruments: Vec<InstrumentIdx>,
    pub state: u64,
    pub percent: i64,
    pub leverage_bps: i64,
}

impl Gambler {
    fn wish(&self, r: &mut Seeded, context: &Context<'_>, idx: InstrumentIdx) -> Option<Signal> {
        let i = context.table.get(idx)?;
        let price = i.price(context.view.get(idx).mark()?);
        let perpetual = i.kind == InstrumentKind::LinearPerpetual;
        let part = |r: &mut Seeded, low: i64, high: i64| {
            let bps = Rate::from_bps(r.within(low, high) as i32);
            Money::from_raw(price.raw()).times(bps, Rounding::HalfEven).map_or(price, |m| Price::from_raw(m.raw()))
        };
        let intent = match r.within(0, 9) {
            0..=2 => Intent::Exit,
            3..=6 if perpetual => Intent::EnterShort,
            _ => Intent::EnterLong,
        };
        let short = intent == Intent::EnterShort;
        let exit = intent == Intent::Exit;
        let entry = if r.chance(40) {
            Entry::Limit(part(r, 9_900, 10_100).round_to(i.tick, Rounding::Down)?)
        } else {
            Entry::Market
        };
        let size = match r.within(0, 3) {
            0 if !perpetual => SizeRequest::AllIn,
            1 => SizeRequest::Cap,
            2 => SizeRequest::Base(Money::from_units(r.within(50, 5_000)).quantity_at(price, Rounding::Up)?),
            _ => SizeRequest::EquityFraction(Rate::from_bps(r.within(1, self.leverage_bps) as i32)),
        };
        let stop = match r.within(0, 6) {
            0 => None,
            4 => Some(StopPlan::Trail(part(r, 20, 300))),
            5 => Some(StopPlan::TrailFraction(Rate::from_bps(r.within(20, 300) as i32))),
            6 => {
                let level = StopLevel::Fraction(Rate::from_bps(r.within(20, 300) as i32));
                Some(StopPlan::Timed { level, hold_max: Nanos::from_secs(r.within(30, 600) as u64) })
            }
            1 => Some(StopPlan::Fraction(Rate::from_bps(r.within(20, 300) as i32))),
            2 => Some(StopPlan::Distance(part(r, 20, 300))),
            _ if short => Some(StopPlan::Price(part(r, 10_020, 10_400))),
            _ => Some(StopPlan::Price(part(r, 9_600, 9_980))),
        };
        let target = r.chance(40).then(|| if short { part(r, 9_700, 9_990) } else { part(r, 10_010, 10_300) });
        Some(Signal {
            intent,
            size: if exit { SizeRequest::Position } else { size },
            entry: if exit { Entry::Market } else { entry },
            stop: stop.filter(|_| !exit),
            target: target.filter(|_| !exit),
            confidence: 0.5,
            statistics: None,
            reference: 1,
            tag: 3,
            account: ACCOUNT,
            instrument: idx,
            strategy: context.strategy,
        })
    }

    fn draw(&mut self) -> Seeded {
        let mut r = Seeded::new(self.state);
        self.state = r.bits();
        r
    }
}

/// Entries that belong together, around the price.
fn grouped(r: &mut Seeded, signal: &Signal, others: &[InstrumentIdx], context: &Context<'_>) -> Option<Output> {
    let leg = |r: &mut Seeded, idx: InstrumentIdx, intent, kind: i64| {
        let i = context.table.get(idx)?;
        let mark = context.view.mark(idx)?;
        let away = r.within(1, 60);
        let away = if intent == Intent::EnterLong { -away } else { away };
        let at = |bps: i64| {
            let price = i.price((mark + mark * bps / 10_000).max(1));
            price.round_to(i.tick, domain::Rounding::Up).filter(|p| *p > Price::ZERO)
        };
        let entry = match kind {
            0 => Entry::Market,
            1 => Entry::Limit(at(away)?),
            _ => Entry::Stop(at(-away)?),
        };
        Some(Leg {
            intent,
            size: signal.size,
            entry,
            time_in_force: if r.chance(20) {
                TimeInForce::Gtd(context.ts.saturating_add(Nanos::from_secs(r.within(1, 300).unsigned_abs())))
            } else {
                TimeInForce::Gtc
            },
            stop: Some(StopPlan::Fraction(Rate::from_bps(r.within(20, 300) as i32))),
            target: None,
            reference: mark,
            instrument: idx,
        })
    };
    let (idx, intent) = (signal.instrument, signal.intent);
    let back = if intent == Intent::EnterLong { Intent::EnterShort } else { Intent::EnterLong };
    let other = *r.pick(others);
    let perpetual = context.table.get(idx)?.kind == domain::InstrumentKind::LinearPerpetual;
    let (kind, legs) = match r.within(0, 4) {
        0 if perpetual => (GroupKind::OneCancelsOther, [leg(r, idx, intent, 2)?, leg(r, idx, back, 2)?]),
        0 | 1 => (GroupKind::OneCancelsOther, [leg(r, idx, intent, 1)?, leg(r, idx, intent, 2)?]),
        2 => {
            let when = *r.pick(&[domain::Trigger::FirstFill, domain::Trigger::Filled]);
            let size = *r.pick(&[domain::ChildSize::AsAsked, domain::ChildSize::ToFilled]);
            let kinds = (r.within(0, 2), r.within(0, 2));
            let legs = [leg(r, idx, intent, kinds.0)?, leg(r, other, intent, kinds.1)?];
            (GroupKind::OneTriggersOther { when, size }, legs)
        }
        _ => {
            let sequence = *r.pick(&[domain::Sequence::Together, domain::Sequence::OneByOne]);
            let risk = *r.pick(&[domain::LegRisk::Complete, domain::LegRisk::Unwind]);
            let within = r.chance(70).then(|| Nanos::from_secs(r.within(1, 200).unsigned_abs()));
            let kinds = (r.within(0, 2), r.within(0, 2));
            let legs = [leg(r, idx, intent, kinds.0)?, leg(r, other, intent, kinds.1)?];
            (GroupKind::Legs { sequence, within, risk }, legs)
        }
    };
    GroupRequest::new(kind, &legs, ACCOUNT, context.strategy).map(Output::Group)
}

/// Two of five wishes are worked, in any way there is.
fn worked(r: &mut Seeded, signal: Signal) -> Output {
    if !r.chance(40) {
        return Output::Signal(signal);
    }
    let over = Nanos::from_secs(r.within(20, 900).unsigned_abs());
    let slices = r.within(1, 12) as u16;
    let then = if r.chance(50) { Rest::Take } else { Rest::GiveUp };
    let model = ImpactModel { risk_aversion: 1e-4, volatility: 0.5, temporary: 3.0, permanent: 0.0 };
    let share = Rate::from_bps(r.within(50, 5_000) as i32);
    let flow = Flow { volume_per_hour: Some(40.0), model: Some(model), toxicity: None, as_of: UnixNanos(0) };
    let style = match r.within(0, 7) {
        0 => WorkStyle::Vwap { over, slices, profile: VolumeProfile::FLAT },
        1 => WorkStyle::Pov { share, deadline: over },
        2 => WorkStyle::ImplementationShortfall { over, slices, model },
        3 => WorkStyle::PassiveThenAggressive { patience: over, then },
        4 => WorkStyle::Iceberg { shown: Shown::Share(share), deadline: over, then },
        5 => WorkStyle::Auto { urgency: Urgency::Normal, flow, thresholds: Thresholds::STANDARD },
        _ => WorkStyle::Twap { over, slices },
    };
    Output::Work(WorkRequest { signal, style })
}

impl Strategy for Gambler {
    fn name(&self) -> &'static str {
        "gambler"
    }
    fn version(&self) -> u32 {
        4
    }
    fn instruments(&self) -> &[InstrumentIdx] {
        &self.instruments
    }
    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        let mut r = self.draw();
        let idx = match event {
            EventBody::Candle(c) => c.instrument,
            EventBody::Trade(t) => t.instrument,
            EventBody::Quote(q) => q.instrument,
            _ => return,
        };
        if r.chance(self.percent) {
            let wish = self.wish(&mut r, context, idx);
            match wish {
                Some(signal) if signal.intent != Intent::Exit && r.chance(15) => {
                    out.extend(grouped(&mut r, &signal, &self.instruments, context));
                }
                wish => out.extend(wish.map(|signal| worked(&mut r, signal))),
            }
        }
        if r.chance(4) {
            let at = context.ts.saturating_add(Nanos(r.within(0, 200_000_000_000).unsigned_abs()));
            out.push(Output::Timer(TimerRequest { strategy: context.strategy, id: r.bits() as u32, at }));
        }
        if r.chance(3) {
            let as_of = context.ts.saturating_add(Nanos::from_secs(90));
            out.push(Output::Infer(domain::InferRequest { strategy: context.strategy, model: 1, as_of }));
        }
    }
    fn on_timer(&mut self, context: &Context<'_>, _: u32, out: &mut Vec<Output>) {
        let mut r = self.draw();
        let idx = *r.pick(&self.instruments);
        let wish = self.wish(&mut r, context, idx);
        out.extend(wish.map(|signal| worked(&mut r, signal)));
    }
    fn parameters(&self, out: &mut Vec<u8>) {
        (self.percent, self.leverage_bps).put(out);
    }
    fn save(&self, out: &mut Vec<u8>) {
        self.state.put(out);
    }
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.state = from.u64()?;
        Ok(())
    }
}

/// What the world is given from outside.
#[derive(Clone)]
pub enum Given {
    Candle(Candle),
    Trade(Trade),
    Quote(Quote),
    /// Something for the engine alone.
    Tell(EventBody),
    /// New rules, for both.
    Rules(Box<Instrument>),
}

/// How a world is made: everything that must be the same for a saved state to go on.
#[derive(Clone)]
pub struct Recipe {
    pub table: InstrumentTable,
    pub venue: VenueConfig,
    pub config: EngineConfig,
    pub percent: i64,
    pub leverage_bps: i64,
    /// Name, parameters and stop of strategies of the catalogue, which trade the first instrument.
    pub rules: Vec<(&'static str, &'static str, &'static str)>,
}

impl Recipe {
    pub fn new(table: InstrumentTable, venue: VenueConfig, profile: Profile) -> Self {
        let config = EngineConfig {
            profile,
            report_currency: table.instruments()[0].quote,
            epoch: 1,
            correlation_every: Nanos::from_secs(60),
            correlation_lateness: Nanos::from_secs(1),
            accounts: vec![ACCOUNT],
            stops: engine::StopPolicy::AT_ONCE,
            asking: None,
            reconcile: None,
            guard: profile.is_standard().then(risk::GuardConfig::default),
            clamps: None,
        };
        let rules = vec![("donchian", "entry=7,exit=4,bar=3m", "atr:5:3"), ("ema-cross", "fast=3,slow=8", "trail:2")];
        Self { table, venue, config, percent: 25, leverage_bps: 3_000, rules }
    }

    /// An engine and a venue that have seen nothing.
    pub fn fresh(&self) -> World {
        let mut engine = Engine::new(self.config.clone()).unwrap();
        engine.define_assets(&self.table).unwrap();
        let instruments: Vec<InstrumentIdx> = self.table.instruments().iter().map(|i| i.idx).collect();
        let (percent, leverage_bps) = (self.percent, self.leverage_bps);
        engine.add_strategy(Box::new(Gambler { instruments, state: 9, percent, leverage_bps })).unwrap();
        for (at, (name, params, stop)) in self.rules.iter().enumerate() {
            let mut given = Params::default();
            params.split(',').for_each(|p| given.add(p).unwrap());
            let size = SizeRequest::EquityFraction(Rate::from_bps(200));
            let blueprint = Blueprint::new(name, given, size, StopRule::parse(stop).unwrap()).unwrap();
            let number = StrategyIdx(at as u16 + 1);
            engine
                .add_strategy(strategy::build(&blueprint, number, ACCOUNT, &self.table.instruments()[0], None).unwrap())
                .unwrap();
        }
        let mut venue = Venue::new(self.venue);
        venue.define_table(&self.table).unwrap();
        World {
            engine,
            venue,
            timers: BTreeSet::new(),
            answers: Vec::new(),
            out: Vec::new(),
            said: Vec::new(),
            reports: Vec::new(),
            events: 0,
            word: 0,
            raised: false,
            referee: None,
            seed: 0,
            stopped: 0,
            noise: None,
            late: Vec::new(),
            late_requests: Vec::new(),
        }
    }

    /// One that has begun: definitions and money.
    pub fn begun(&self) -> World {
        let mut world = self.fresh();
        self.begin(&mut world);
        world
    }

    /// Definitions and money.
    pub fn begin(&self, world: &mut World) {
        for instrument in self.table.instruments() {
            world.step(testkit::T0, defined(instrument.clone()));
        }
        world.venue.deposit(ACCOUNT, self.table.instruments()[0].quote, Money::from_units(100_000));
        world.settle(testkit::T0);
    }
}

/// An engine and a venue, wired.
pub struct World {
    pub engine: Engine,
    pub venue: Venue,
    timers: BTreeSet<(UnixNanos, TimerFired)>,
    answers: Vec<(UnixNanos, ModelOutput)>,
    out: Vec<Command>,
    /// Bytes of all commands since the beginning or the loading.
    pub said: Vec<u8>,
    /// What the venue reported since then.
    pub reports: Vec<AccountReport>,
    events: u64,
    /// The gate word.
    word: u8,
    /// Whether somebody else raised it since the engine heard of it.
    raised: bool,
    referee: Option<Box<Referee>>,
    seed: u64,
    /// Orders that the word stopped.
    pub stopped: u64,
    /// What happens to messages on their way, where something does.
    pub noise: Option<Noise>,
    /// Messages to the engine, and to the venue, that are late.
    late: Vec<(UnixNanos, EventBody)>,
    late_requests: Vec<(UnixNanos, sim::Request)>,
}

/// A network that loses, doubles and delays messages, as its seed has it.
pub struct Noise {
    pub random: Seeded,
    /// How many in a hundred are lost, come twice, come later than those after them.
    pub lost: i64,
    pub doubled: i64,
    pub late: i64,
    /// How many of each there were.
    pub counts: [u64; 3],
}

impl Noise {
    pub fn new(seed: u64) -> Self {
        let mut random = Seeded::new(seed ^ 0x5EED);
        let (lost, doubled, late) = (random.within(0, 15), random.within(0, 15), random.within(0, 20));
        Self { random, lost, doubled, late, counts: [0; 3] }
    }

    /// When copies of a message arrive: none, one or two, some of them later than now.
    fn fate(&mut self, ts: UnixNanos) -> Vec<UnixNanos> {
        if self.random.chance(self.lost) {
            self.counts[0] += 1;
            return Vec::new();
        }
        let copies = 1 + usize::from(self.random.chance(self.doubled));
        self.counts[1] += copies as u64 - 1;
        (0..copies)
            .map(|_| {
                if self.random.chance(self.late) {
                    self.counts[2] += 1;
                    ts.saturating_add(Nanos(self.random.within(1, 40_000_000_000).unsigned_abs()))
                } else {
                    ts
                }
            })
            .collect()
    }
}

impl World {
    pub fn give(&mut self, given: &Given) {
        match given {
            Given::Candle(c) => {
                let before_close = UnixNanos(c.ts_close().0 - 1);
                self.service(c.ts_open);
                self.venue.on_bar_open(c.ts_open, c);
                self.settle(c.ts_open);
                self.service(before_close);
                self.venue.on_bar_path(before_close, c);
                self.settle(before_close);
                self.service(c.ts_close());
                self.venue.on_bar_close(c.ts_close(), c);
                self.step(c.ts_close(), EventBody::Candle(*c));
                self.settle(c.ts_close());
            }
            Given::Trade(t) => {
                self.service(t.ts_event);
                self.venue.on_trade(t.ts_event, t);
                self.settle(t.ts_event);
                self.step(t.ts_event, EventBody::Trade(*t));
                self.settle(t.ts_event);
            }
            Given::Quote(q) => {
                self.service(q.ts_event);
                self.venue.on_quote(q.ts_event, q);
                self.settle(q.ts_event);
                self.step(q.ts_event, EventBody::Quote(*q));
                self.settle(q.ts_event);
            }
            Given::Tell(body) => {
                self.step(UnixNanos(0), body.clone());
                self.settle(testkit::T0);
            }
            Given::Rules(instrument) => {
                self.venue.define(instrument).unwrap();
                self.step(UnixNanos(0), defined(instrument.as_ref().clone()));
            }
        }
    }

    /// Time goes on and nothing else happens.
    pub fn pass(&mut self, until: UnixNanos) {
        self.service(until);
        self.settle(until);
    }

    /// From now on a referee looks at everything.
    pub fn watch(&mut self, referee: Referee, seed: u64) {
        (self.referee, self.seed) = (Some(Box::new(referee)), seed);
    }

    pub fn referee(&self) -> Option<&Referee> {
        self.referee.as_deref()
    }

    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Somebody raises the gate word.
    pub fn raise(&mut self, level: u8) {
        self.raised |= level > self.word;
        self.word = self.word.max(level);
    }

    /// The engine hears of a raise.
    pub fn hear(&mut self) {
        if std::mem::take(&mut self.raised) {
            let cause = domain::Cause::Kill;
            self.give(&Given::Tell(EventBody::Control(Control::Trip {
                cause,
                flatten: false,
                including_stops: false,
            })));
        }
    }

    fn holds(&self, what: Result<(), String>) {
        if let Err(broken) = what {
            let trail: Vec<&String> = self.referee.iter().flat_map(|r| &r.trail).collect();
            panic!("seed {}, event {}: {broken}\n{trail:#?}", self.seed, self.events);
        }
    }

    fn step(&mut self, ts: UnixNanos, body: EventBody) {
        self.events += 1;
        if let Some(referee) = &mut self.referee {
            let mark = match &body {
                EventBody::Candle(c) => Some((c.instrument, c.close)),
                EventBody::Trade(t) => Some((t.instrument, t.price)),
                EventBody::Quote(q) => Some((q.instrument, q.bid + (q.ask - q.bid) / 2)),
                _ => None,
            };
            if let Some((i, mantissa)) = mark {
                let price = referee.instruments[i.index()].price(mantissa).to_f64();
                referee.marks.insert(i, price);
            }
            if let EventBody::Report(report) = &body {
                referee.report(report);
            }
        }
        let event = Event { id: InputId::new(1, self.events), body };
        self.engine.step(ts, &event, &mut self.out);
    }

    /// All that is due up to a time.
    fn service(&mut self, ts: UnixNanos) {
        let begun = self.events;
        loop {
            if self.events > begun + 20_000 {
                self.holds(Err("a loop that feeds itself".into()));
            }
            let venue = self.venue.next_due().unwrap_or(UnixNanos::MAX);
            let answer = self.answers.iter().map(|a| a.0).min().unwrap_or(UnixNanos::MAX);
            let timer = self.timers.first().map_or(UnixNanos::MAX, |t| t.0);
            let late = self.late.iter().map(|l| l.0).chain(self.late_requests.iter().map(|l| l.0)).min();
            let late = late.unwrap_or(UnixNanos::MAX);
            let now = venue.min(answer).min(timer).min(late);
            if now > ts || now == UnixNanos::MAX {
                break;
            }
            if let Some(at) = self.late_requests.iter().position(|l| l.0 <= now) {
                let (_, request) = self.late_requests.remove(at);
                self.venue.submit(now, request);
            } else if let Some(at) = self.late.iter().position(|l| l.0 <= now) {
                let (_, body) = self.late.remove(at);
                self.step(now, body);
            } else if venue <= now {
                self.venue.advance(now);
            } else if let Some(at) = self.answers.iter().position(|a| a.0 <= now) {
                let (_, answer) = self.answers.remove(at);
                self.step(now, EventBody::ModelOutput(answer));
            } else if let Some((_, timer)) = self.timers.pop_first() {
                self.step(now, EventBody::Timer(timer));
            }
            self.settle(now);
        }
    }

    /// Carries commands to the venue and reports to the engine until nothing more follows at this time.
    pub fn settle(&mut self, ts: UnixNanos) {
        let begun = self.events;
        loop {
            if self.events > begun + 10_000 {
                self.holds(Err("a loop that feeds itself".into()));
            }
            let mut stopped: Vec<ClientOrderId> = Vec::new();
            let limits = self.engine.limits().copied().unwrap_or_default();
            for command in std::mem::take(&mut self.out) {
                command.put_record(&mut self.said);
                if let Some(referee) = &mut self.referee {
                    let held = referee.command(&command.record(), &limits);
                    self.holds(held);
                }
                match command {
                    Command::Timer { at, timer } => {
                        self.timers.insert((at.max(ts), timer));
                    }
                    Command::Infer(q) => {
                        let value = (q.as_of.0 % 3 != 0).then_some(0.5);
                        let answer = ModelOutput { strategy: q.strategy, model: q.model, as_of: q.as_of, value };
                        self.answers.push((q.as_of.max(ts), answer));
                    }
                    Command::Record(_) => {}
                    // Not lowered where somebody else raised it meanwhile.
                    Command::Gate { level } => {
                        if level > self.word || !self.raised {
                            self.word = level;
                        }
                    }
                    Command::Submit(approved) if self.word > u8::from(approved.class() == OrderClass::Reducing) => {
                        stopped.push(approved.client_id());
                    }
                    to_venue => {
                        // What was recorded of a command asks the venue for the same.
                        let record = to_venue.record();
                        let request = sim::from_command::request(to_venue, ts).unwrap();
                        assert_eq!(sim::from_command::request_of_record(&record, ts), request);
                        let request = request.unwrap();
                        match self.noise.as_mut().map(|noise| noise.fate(ts)) {
                            None => self.venue.submit(ts, request),
                            // A request that arrives twice is the venue's to refuse; one that is lost arrives never.
                            Some(times) => {
                                for at in times.into_iter().take(1) {
                                    if at > ts {
                                        self.late_requests.push((at, request));
                                    } else {
                                        self.venue.submit(ts, request);
                                    }
                                }
                            }
                        }
                    }
                }
            }
            if !stopped.is_empty() {
                self.stopped += stopped.len() as u64;
                if let Some(referee) = &mut self.referee {
                    stopped.iter().for_each(|id| referee.not_sent(*id));
                }
                self.step(ts, EventBody::NotSent(Arc::new(NotSent { level: self.word, orders: stopped })));
                continue;
            }
            if let Some(referee) = &mut self.referee {
                let held = referee.emergency_holds();
                self.holds(held);
            }
            if let Some(referee) = &self.referee {
                self.holds(referee.agrees(self.engine.equity(ACCOUNT).map(Money::to_f64)));
            }
            let body = if let Some(report) = self.venue.take_report(ts) {
                self.reports.push(report);
                EventBody::Report(report)
            } else if let Some(state) = self.venue.take_state(ts) {
                EventBody::VenueState(state)
            } else {
                break;
            };
            match self.noise.as_mut().map(|noise| noise.fate(ts)) {
                None => self.step(ts, body),
                Some(times) => {
                    for at in times {
                        if at > ts {
                            self.late.push((at, body.clone()));
                        } else {
                            self.step(ts, body.clone());
                        }
                    }
                }
            }
        }
    }

    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.engine.save(&mut out);
        self.venue.save(&mut out);
        out
    }

    /// Loads into this fresh world; timers and questions, which are the runner's, come from the one that was saved.
    pub fn load(mut self, bytes: &[u8], saved: Option<&Self>) -> Result<Self, CodecError> {
        let mut from = Bytes::new(bytes);
        self.engine.load(&mut from)?;
        self.venue.load(&mut from)?;
        from.finish()?;
        if let Some(saved) = saved {
            self.late.clone_from(&saved.late);
            self.late_requests.clone_from(&saved.late_requests);
            self.timers.clone_from(&saved.timers);
            self.answers.clone_from(&saved.answers);
            self.events = saved.events;
        }
        Ok(self)
    }

    /// Digests of state and of what was decided, and everything that reports show beside.
    pub fn seen(&self) -> Vec<String> {
        let mut venue = domain::Digest::default();
        domain::Digestible::digest(&self.venue, &mut venue);
        let engine = &self.engine;
        let estimate = engine.portfolio().equity_estimate(ACCOUNT, engine.view()).map(f64::to_bits);
        vec![
            engine.state_digest().to_string(),
            engine.digest().to_string(),
            venue.to_string(),
            format!("{:?} {:?} {}", engine.equity(ACCOUNT), estimate, engine.clamped()),
            format!("{:?} {:?}", engine.faults(), engine.round_trips()),
            format!("{:?} {:?}", engine.orders(), engine.portfolio()),
        ]
    }

    /// Positions, orders at the desk, and quantities filled so far.
    pub fn counts(&self) -> (usize, usize) {
        (self.engine.portfolio().positions().count(), self.engine.orders().len())
    }
}

/// A venue of some kind: slow or not, with partial fills or not, and in so many cases of a hundred with funding.
pub fn venue(r: &mut Seeded, seed: u64, feed: Nanos, funding: i64) -> VenueConfig {
    let latency = Latency {
        feed,
        order: Nanos(r.within(0, 4_000_000_000).unsigned_abs()),
        report: Nanos(r.within(0, 90_000_000_000).unsigned_abs()),
        jitter: r.chance(60).then_some(Jitter { max: Nanos(2_000_000_000), seed }),
    };
    VenueConfig {
        exec: Exec::NextOpen,
        slippage: *r.pick(&[Slippage::None, Slippage::Bps(Rate::from_bps(3))]),
        participation: *r.pick(&[None, Some(Rate::from_bps(300)), Some(Rate::ONE)]),
        fee_asset: *r.pick(&[FeeAsset::Quote, FeeAsset::Venue]),
        fees: None,
        latency: if r.chance(30) { Latency::ZERO } else { latency },
        limit_fill: *r.pick(&[LimitFill::Touch, LimitFill::Through]),
        funding: r.chance(funding).then_some(Funding { rate: Rate::from_bps(2), every: Nanos::from_secs(600) }),
        queue: r.chance(70),
        pairs: false,
    }
}

/// A fill that no venue can have reported.
pub fn bogus_fill(instrument: &Instrument) -> EventBody {
    let fill = domain::Fill {
        client_id: domain::ClientOrderId::new(ACCOUNT, 1, u64::MAX),
        fee_amount: Money::ZERO,
        venue_id: domain::VenueOrderId(1),
        trade_id: 1,
        price: 0,
        quantity: 5,
        instrument: instrument.idx,
        account: ACCOUNT,
        strategy: StrategyIdx(0),
        fee_asset: AssetIdx(0),
        side: domain::Side::Buy,
        liquidity: domain::Liquidity::Taker,
    };
    let body = domain::ReportBody::Filled { fill, complete: false };
    EventBody::Report(AccountReport { ts_event: testkit::T0, body })
}
