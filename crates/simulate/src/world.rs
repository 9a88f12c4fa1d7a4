//! One world: the program, the wire and the venue, one thing after the other in the order that the seed gives.
//!
//! In:  a seed and the faults to be injected.
//! Out: the first invariant that is broken, or none; counts; the last things that happened.
//!
//! A world begins with definitions and money, trades while faults happen, then goes on without faults while strategies only close, and ends
//! with both sides being compared. Time is simulated: what is due next is done next, at one instant in a fixed order.

use crate::disk::{Death, SimDisk};
use crate::exchange::{Exchange, Said, is_foreign};
use crate::fault::{Fault, Kind, plan};
use crate::market::Market;
use crate::network::Network;
use crate::referee::{Broken, Held, Referee, broken};
use crate::session::{Happened, Session, journal_dir};
use crate::stats::Counts;
use crate::trader::{ACCOUNT, Trader};
use domain::{
    AssetIdx, Cause, Control, EventBody, InstrumentIdx, InstrumentTable, Money, Nanos, OrderClass, Rate, UnixNanos,
};
use engine::{Engine, EngineConfig, StopPolicy, defined};
use execution::ReconcilePolicy;
use infra::gate_word::{FLATTEN, Level};
use risk::{CommandRecord, Limits, Profile};
use sim::{Exec, FeeAsset, Funding, Latency, LimitFill, Request, Slippage, VenueConfig};
use std::collections::VecDeque;
use testkit::generate::Seeded;

const SECOND: u64 = 1_000_000_000;
/// How long a world trades while faults happen.
const TRADES: Nanos = Nanos::from_secs(35 * 60);
/// How long it goes on after the last fault.
const SETTLES: Nanos = Nanos::from_secs(25 * 60);
/// How many lines of what happened are kept.
const TRAIL: usize = 60;

/// How a world ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// What was broken first.
    pub broken: Option<Broken>,
    /// The faults that it was given.
    pub faults: Vec<Fault>,
    /// Counts.
    pub counts: Counts,
    /// The last things that happened.
    pub trail: Vec<String>,
    /// Faults that the engine recorded, without the numbers of orders.
    pub alarms: Vec<String>,
}

/// Plays a seed with all its faults.
#[must_use]
pub fn play(seed: u64) -> Outcome {
    play_with(seed, faults_of(seed))
}

/// The faults that a seed has.
#[must_use]
pub fn faults_of(seed: u64) -> Vec<Fault> {
    plan(seed, Nanos::from_secs(60), TRADES)
}

/// Plays a seed with these faults.
#[must_use]
pub fn play_with(seed: u64, faults: Vec<Fault>) -> Outcome {
    let outcome =
        |broken, counts, trail, alarms| Outcome { seed, broken, faults: faults.clone(), counts, trail, alarms };
    match World::new(seed, &faults) {
        Ok(mut world) => {
            let broken = world.run().err();
            let mut counts = std::mem::take(&mut world.counts);
            counts.worlds = 1;
            counts.nanos = world.now.since(testkit::T0).0;
            counts.fundings = world.exchange.fundings;
            counts.fills = world.referee.fills;
            let mut alarms = Vec::new();
            if let Some(session) = &world.session {
                alarms = session.engine.faults().iter().map(|f| without_numbers(&f.to_string())).collect();
                counts.not_normal = u64::from(session.engine.mode().mode() != domain::Mode::Normal);
                counts.alarms = session.engine.faults().len() as u64;
                if broken.is_some() {
                    let of = |f: &engine::Fault| format!("fault recorded by the engine: {f}");
                    let faults: Vec<String> = session.engine.faults().iter().map(of).collect();
                    world.trail.extend(faults);
                }
            }
            outcome(broken, counts, world.trail.into_iter().collect(), alarms)
        }
        Err(what) => {
            outcome(Some(Broken { invariant: "the world begins", what }), Counts::default(), Vec::new(), Vec::new())
        }
    }
}

struct World<'a> {
    seed: u64,
    now: UnixNanos,
    table: InstrumentTable,
    session: Option<Session>,
    /// When a process that is down is started again.
    back_at: UnixNanos,
    /// How it went down.
    death: Death,
    /// Which death is armed in the disk.
    armed: Option<Kind>,
    exchange: Exchange,
    network: Network,
    markets: Vec<Market>,
    disk: SimDisk,
    referee: Referee,
    faults: &'a [Fault],
    next_fault: usize,
    healed: bool,
    ends: UnixNanos,
    stale: [UnixNanos; 3],
    /// Until when stamps of the machine's clock are off, and by how much (seconds).
    skew: (UnixNanos, i64),
    full_until: UnixNanos,
    venue_back: UnixNanos,
    gap_since: Option<(UnixNanos, UnixNanos)>,
    partial_wanted: bool,
    next_sync: UnixNanos,
    next_snapshot: UnixNanos,
    round_trip: Nanos,
    said: Vec<Said>,
    counts: Counts,
    trail: VecDeque<String>,
}

fn at(offset: Nanos) -> UnixNanos {
    testkit::T0.saturating_add(offset)
}

/// The instruments of every world.
fn instruments() -> InstrumentTable {
    let mut table = InstrumentTable::default();
    testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
    testkit::add_perpetual(&mut table, "SOLUSDT", 3, 1);
    table
}

fn limits() -> Limits {
    let relaxed = Limits::relaxed();
    let hard = Limits::default();
    Limits {
        position_fraction_max: Rate::from_bps(1_000),
        correlation_max: relaxed.correlation_max,
        correlation_samples_min: relaxed.correlation_samples_min,
        price_age_max_s: 60,
        gross_exposure_max: relaxed.gross_exposure_max,
        net_exposure_max: relaxed.net_exposure_max,
        long_exposure_max: relaxed.long_exposure_max,
        short_exposure_max: relaxed.short_exposure_max,
        order_value_max: relaxed.order_value_max,
        capital_max: relaxed.capital_max,
        capital_total_max: relaxed.capital_total_max,
        var_fraction_max: relaxed.var_fraction_max,
        messages_max: relaxed.messages_max,
        entry_messages_max: relaxed.entry_messages_max,
        repeats_max: relaxed.repeats_max,
        strategy_orders_max: relaxed.strategy_orders_max,
        ..hard
    }
}

fn config(round_trip: Nanos) -> EngineConfig {
    let answer = Nanos((round_trip.0 * 4).max(10 * SECOND));
    EngineConfig {
        profile: Profile::Research(limits()),
        report_currency: AssetIdx(1),
        epoch: 1,
        correlation_every: Nanos::from_secs(60),
        correlation_lateness: Nanos::from_secs(1),
        accounts: vec![ACCOUNT],
        stops: StopPolicy { confirm_within: Some(answer), slippage: Rate::from_bps(50), lists: false },
        asking: Some(execution::AskPolicy::for_round_trip(round_trip)),
        reconcile: Some(ReconcilePolicy { answer_within: answer, ..ReconcilePolicy::every(Nanos::from_secs(60)) }),
        guard: Some(risk::GuardConfig::default()),
        clamps: None,
    }
}

fn engine(seed: u64, table: &InstrumentTable, round_trip: Nanos) -> Result<Engine, String> {
    let mut engine = Engine::new(config(round_trip)).map_err(|e| e.to_string())?;
    engine.define_assets(table).map_err(|e| format!("{e:?}"))?;
    for (n, list) in [&[0_u16, 1][..], &[0], &[2]].into_iter().enumerate() {
        let instruments = list.iter().map(|i| InstrumentIdx(*i)).collect();
        let state = seed.wrapping_mul(31).wrapping_add(n as u64);
        let trader = Trader { instruments, state, until: at(TRADES) };
        engine.add_strategy(Box::new(trader)).map_err(|e| e.to_string())?;
    }
    Ok(engine)
}

fn venue_config(random: &mut Seeded) -> VenueConfig {
    VenueConfig {
        exec: Exec::NextOpen,
        slippage: *random.pick(&[Slippage::None, Slippage::Bps(Rate::from_bps(2))]),
        participation: *random.pick(&[None, Some(Rate::ONE), Some(Rate::ONE)]),
        fee_asset: if random.chance(80) { FeeAsset::Venue } else { FeeAsset::Quote },
        fees: None,
        latency: Latency::ZERO,
        limit_fill: *random.pick(&[LimitFill::Touch, LimitFill::Through]),
        funding: random.chance(70).then_some(Funding { rate: Rate::from_bps(1), every: Nanos::from_secs(600) }),
        queue: random.chance(50),
        pairs: false,
    }
}

impl<'a> World<'a> {
    fn new(seed: u64, faults: &'a [Fault]) -> Result<Self, String> {
        let mut random = Seeded::new(seed);
        let table = instruments();
        let now = testkit::T0;
        let network = Network::new(random.bits());
        let round_trip = network.round_trip();
        let exchange = Exchange::new(venue_config(&mut random), &table)?;
        let disk = SimDisk::new(random.bits());
        let mut session = Session::begin(engine(seed, &table, round_trip)?, &disk, now)?;
        for instrument in table.instruments() {
            session.give(now, defined(instrument.clone()));
        }
        let start = [3_000_000, 200_000, 20_000];
        let markets = (table.instruments().iter().zip(start))
            .map(|(rules, middle)| Market::new(rules.clone(), random.bits(), middle, now))
            .collect();
        Ok(Self {
            seed,
            now,
            referee: Referee::new(table.clone(), limits()),
            table,
            session: Some(session),
            back_at: UnixNanos::MAX,
            death: Death::Process,
            armed: None,
            exchange,
            network,
            markets,
            disk,
            faults,
            next_fault: 0,
            healed: false,
            ends: at(Nanos(TRADES.0 + SETTLES.0)),
            stale: [UnixNanos(0); 3],
            skew: (UnixNanos(0), 0),
            full_until: UnixNanos::MAX,
            venue_back: UnixNanos(0),
            gap_since: None,
            partial_wanted: false,
            next_sync: now,
            next_snapshot: at(Nanos::from_secs(60)),
            round_trip,
            said: Vec::new(),
            counts: Counts::default(),
            trail: VecDeque::with_capacity(TRAIL),
        })
    }

    fn note(&mut self, text: impl FnOnce() -> String) {
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        let seconds = self.now.since(testkit::T0).0 as f64 / 1e9;
        self.trail.push_back(format!("{seconds:>9.3} {}", text()));
    }

    fn run(&mut self) -> Held {
        self.after()?;
        self.exchange.transfer(self.now, AssetIdx(1), Money::from_units(100_000));
        self.heard()?;
        let gap = Control::Gap { account: ACCOUNT, since: self.now };
        self.give(EventBody::Control(gap))?;
        let mut steps = 0_u64;
        while self.now < self.ends {
            steps += 1;
            if steps > 30_000 {
                return broken("the world comes to rest", "more than 30,000 things happened");
            }
            self.one()?;
        }
        self.compare()
    }

    /// Does what is due next.
    fn one(&mut self) -> Held {
        let fault = self.faults.get(self.next_fault).map_or(UnixNanos::MAX, |f| at(f.at));
        let heal = if self.healed { UnixNanos::MAX } else { at(TRADES) };
        let market = self.markets.iter().map(|m| m.next).min().unwrap_or(UnixNanos::MAX);
        let up = if self.network.up_due() == UnixNanos::MAX {
            UnixNanos::MAX
        } else {
            self.network.up_due().max(self.venue_back)
        };
        let venue = self.exchange.next_due().unwrap_or(UnixNanos::MAX);
        let down = self.network.down_due();
        let gap = self.gap_since.map_or(UnixNanos::MAX, |g| g.0);
        let timer = self.session.as_ref().map_or(UnixNanos::MAX, Session::due);
        let due = [
            fault,
            heal,
            self.back_at,
            self.full_until,
            gap,
            up,
            venue,
            down,
            timer,
            market,
            self.next_sync,
            self.next_snapshot,
        ];
        let next = due.into_iter().min().unwrap_or(UnixNanos::MAX).min(self.ends);
        self.now = self.now.max(next);
        let now = self.now;
        if self.ends <= now {
            return Ok(());
        }
        if fault <= now {
            return self.begin_fault();
        }
        if heal <= now {
            return self.heal();
        }
        if self.back_at <= now {
            return self.restart();
        }
        if self.full_until <= now {
            // Somebody makes room and starts the process again.
            self.full_until = UnixNanos::MAX;
            return self.die(Death::Process, "started again after the disk was full");
        }
        if gap <= now {
            return self.reconnect();
        }
        if up <= now
            && let Some(request) = self.network.take_request(now)
        {
            self.note(|| format!("venue <- {request:?}"));
            self.exchange.receive(now, request);
            return self.heard();
        }
        if venue <= now {
            self.exchange.advance(now);
            return self.heard();
        }
        if down <= now {
            return match self.network.take_said(now) {
                Some(Said::Report(report)) => {
                    let mut report = report;
                    self.forget_strategy(&mut report.body);
                    self.give(EventBody::Report(report))
                }
                Some(Said::State(state)) => self.give(EventBody::VenueState(state)),
                None => Ok(()),
            };
        }
        if timer <= now {
            if let Some(session) = &mut self.session {
                session.fire(now);
            }
            return self.after();
        }
        if self.next_sync <= now {
            self.next_sync = now.saturating_add(Nanos(SECOND));
            if let Some(session) = &mut self.session {
                session.sync();
                session.look(now);
            }
            return self.after();
        }
        if self.next_snapshot <= now {
            self.next_snapshot = now.saturating_add(Nanos::from_secs(97));
            if let Some(session) = &mut self.session {
                session.snapshot();
            }
            return self.after();
        }
        self.market(market)
    }

    /// The adapter knows whose an order is only while it remembers having sent it: it never learned that of others.
    fn forget_strategy(&self, body: &mut domain::ReportBody) {
        if let domain::ReportBody::Filled { fill, .. } = body
            && is_foreign(fill.client_id)
        {
            fill.strategy = domain::StrategyIdx::OUTSIDE;
        }
    }

    fn market(&mut self, due: UnixNanos) -> Held {
        let Some(which) = self.markets.iter().position(|m| m.next == due) else { return Ok(()) };
        let mut quote = self.markets[which].quote();
        self.exchange.quote(&quote);
        self.heard()?;
        if self.now < self.stale[which] || self.session.is_none() {
            return Ok(());
        }
        let ts = self.stamp();
        quote.ts_recv = ts;
        self.give_at(ts, EventBody::Quote(quote))
    }

    /// The stamp of the machine's clock.
    fn stamp(&self) -> UnixNanos {
        let even = self.session.as_ref().map_or(self.now, |s| s.clock(self.now));
        let (until, by) = self.skew;
        if self.now >= until { even } else { UnixNanos(even.0.saturating_add_signed(by * SECOND as i64)) }
    }

    fn give(&mut self, body: EventBody) -> Held {
        let ts = self.stamp();
        self.give_at(ts, body)
    }

    fn give_at(&mut self, ts: UnixNanos, body: EventBody) -> Held {
        if let Some(session) = &mut self.session {
            session.give(ts, body);
        }
        self.after()
    }

    /// The venue may have said something.
    fn heard(&mut self) -> Held {
        let mut said = std::mem::take(&mut self.said);
        let books = self.exchange.says(self.now, &mut said);
        for message in said.drain(..) {
            self.note(|| match &message {
                Said::Report(report) => format!("venue -> {:?}", report.body),
                Said::State(state) => {
                    format!("venue -> state with {} orders, {} executions", state.orders.len(), state.executions.len())
                }
            });
            if self.now >= self.venue_back {
                self.network.say(self.now, message, &mut self.counts);
            }
        }
        self.said = said;
        books.or_else(|what| broken("money is conserved at the venue", what))?;
        if self.partial_wanted
            && let Some(id) = self.exchange.partial.take().filter(|id| self.exchange.working.contains_key(id))
        {
            self.partial_wanted = false;
            self.counts.fault(Kind::PartialThenCancel);
            self.exchange.take_off(self.now, id);
            return self.heard();
        }
        Ok(())
    }

    /// The session did something: the referee looks, what left goes on the wire, and a machine that died is noticed.
    fn after(&mut self) -> Held {
        let Some(session) = &mut self.session else { return Ok(()) };
        let happened = std::mem::take(&mut session.happened);
        let outgoing = std::mem::take(&mut session.outgoing);
        let dead = self.disk.is_dead();
        for what in &happened {
            match what {
                Happened::Event(ts, event) => {
                    self.counts.steps += 1;
                    if !matches!(event.body, EventBody::Quote(_) | EventBody::Timer(_)) {
                        let seq = event.id.sequence();
                        let body = format!("{:?}", event.body);
                        self.note(|| {
                            format!("engine <- {seq} {:.3} {}", ts.since(testkit::T0).0 as f64 / 1e9, short(&body))
                        });
                    }
                }
                Happened::Said(_, record) if !matches!(record, CommandRecord::Timer { .. }) => {
                    self.note(|| format!("engine -> {record:?}"));
                }
                Happened::Said(..) | Happened::Settled => {}
            }
            // What a dying machine still reckoned nobody saw.
            if !dead && let Some(session) = &self.session {
                self.referee.see(what, Some(&session.engine))?;
            }
        }
        for request in outgoing {
            if let Request::Place { order, .. } = &request {
                self.counts.orders += 1;
                if let Some(id) = self.session.as_ref().and_then(|s| s.leaked) {
                    return broken("nothing leaves against the gate word", format!("order {id} left"));
                }
                self.is_in_journal(order)?;
            }
            self.network.request(self.now, request, &mut self.counts);
        }
        if dead && self.session.is_some() {
            let (kind, death) = match self.armed.take() {
                Some(Kind::PowerCut) => (Kind::PowerCut, Death::Power),
                _ => (Kind::Crash, Death::Process),
            };
            self.counts.fault(kind);
            self.note(|| kind.name().into());
            self.go_down(death);
        }
        Ok(())
    }

    /// What leaves stands in the journal, as the system has it.
    fn is_in_journal(&self, order: &domain::OrderSpec) -> Held {
        use domain::codec::Stored;
        let Some(session) = &self.session else { return Ok(()) };
        // A journal that cannot be written blocks no reduction.
        if session.withholds() {
            return if order.reduce_only {
                Ok(())
            } else {
                broken("every order in the journal", format!("an entry left without: {order:?}"))
            };
        }
        let mut bytes = Vec::new();
        order.put(&mut bytes);
        if self.disk.ends_with_record(&journal_dir(), &bytes) {
            return Ok(());
        }
        broken("every order in the journal", format!("{order:?} left before it was written"))
    }

    fn go_down(&mut self, death: Death) {
        self.session = None;
        self.death = death;
        let mut random = Seeded::new(self.seed ^ self.now.0);
        let wait = if random.chance(70) { random.within(1, 8) } else { random.within(8, 120) };
        self.back_at = self.now.saturating_add(Nanos::from_secs(wait.unsigned_abs()));
        // What is said to nobody is lost.
        self.network.break_until(self.back_at);
    }

    fn die(&mut self, death: Death, why: &str) -> Held {
        if self.session.is_none() {
            return Ok(());
        }
        self.note(|| why.into());
        self.disk.die();
        self.go_down(death);
        Ok(())
    }

    fn restart(&mut self) -> Held {
        self.back_at = UnixNanos::MAX;
        self.disk.revive(self.death);
        self.armed = None;
        self.full_until = UnixNanos::MAX;
        let (seed, table, round_trip) = (self.seed, self.table.clone(), self.round_trip);
        let fresh = || engine(seed, &table, round_trip);
        let started = Session::restart(fresh, &self.disk, self.now)
            .map_err(|what| Broken { invariant: "state after a restart = state by replay", what })?;
        self.counts.restarts += 1;
        self.counts.from_snapshot += u64::from(started.from_snapshot);
        let fills = self.referee.fills;
        self.referee = Referee::new(self.table.clone(), limits());
        for what in &started.past {
            self.referee.see(what, None)?;
        }
        self.referee.begin(&started.session.engine);
        self.referee.fills = self.referee.fills.max(fills);
        let since = started.session.reached();
        let seq = started.session.seq;
        // The durable counter of starts that a program keeps beside its run.
        let epoch = 1 + u32::try_from(self.counts.restarts).unwrap_or(u32::MAX - 2);
        self.session = Some(started.session);
        self.note(|| format!("started again at event {seq}"));
        if let Some(session) = &mut self.session {
            session.say_rest();
        }
        self.after()?;
        self.give(EventBody::Control(Control::Epoch { epoch }))?;
        self.give(EventBody::Control(Control::Gap { account: ACCOUNT, since }))
    }

    fn reconnect(&mut self) -> Held {
        let Some((_, since)) = self.gap_since.take() else { return Ok(()) };
        self.note(|| "connection is there again".into());
        self.give(EventBody::Control(Control::Gap { account: ACCOUNT, since }))
    }

    fn begin_fault(&mut self) -> Held {
        let Some(fault) = self.faults.get(self.next_fault).copied() else { return Ok(()) };
        self.next_fault += 1;
        self.note(|| format!("fault: {}", fault.kind.name()));
        let (now, draw) = (self.now, fault.draw);
        let seconds = |n: u64| Nanos::from_secs(n);
        let running = self.session.is_some();
        match fault.kind {
            Kind::LostRequest
            | Kind::LostReport
            | Kind::LateReport
            | Kind::DuplicateReport
            | Kind::Reordered
            | Kind::AcceptThenTimeout
            | Kind::EdgeRefuses
            | Kind::EdgeFailsAfter
            | Kind::EdgeFailsBefore => self.network.arm(fault.kind, draw),
            Kind::PartialThenCancel => {
                self.partial_wanted = true;
                self.exchange.partial = None;
            }
            Kind::Disconnect if running => {
                self.counts.fault(fault.kind);
                let until = now.saturating_add(seconds(1 + draw % 90));
                self.network.break_until(until);
                self.gap_since = Some((until, now));
            }
            Kind::StaleFeed => {
                self.counts.fault(fault.kind);
                let until = now.saturating_add(seconds(20 + draw % 280));
                for (at, stale) in self.stale.iter_mut().enumerate() {
                    if draw >> (32 + at) & 1 == 1 {
                        *stale = until;
                    }
                }
            }
            Kind::ClockJump if running => {
                self.counts.fault(fault.kind);
                if draw & 1 == 0 {
                    // Ahead, and it stays there: ours follows.
                    let by = Nanos(SECOND * (1 + (draw >> 8) % 600));
                    if let Some(session) = &mut self.session {
                        session.leap(now, by);
                    }
                } else {
                    // Stamps lie back for a while, ours goes on evenly.
                    self.skew =
                        (now.saturating_add(seconds(10 + (draw >> 8) % 300)), -(1 + ((draw >> 24) % 3_600) as i64));
                }
            }
            Kind::DiskFull if running => {
                self.counts.fault(fault.kind);
                self.disk.set_room(Some((draw % 3_000) as usize));
                self.full_until = now.saturating_add(seconds(10 + (draw >> 16) % 200));
            }
            Kind::Crash | Kind::PowerCut if running && self.armed.is_none() => {
                self.armed = Some(fault.kind);
                self.disk.die_after(draw % 12);
            }
            Kind::VenueRestart | Kind::VenueRestartCancels if running => {
                self.counts.fault(fault.kind);
                let until = now.saturating_add(seconds(2 + draw % 60));
                if fault.kind == Kind::VenueRestartCancels {
                    let all: Vec<_> = self.exchange.working.keys().copied().collect();
                    self.venue_back = until;
                    for id in all {
                        self.exchange.take_off(now, id);
                        self.heard()?;
                    }
                }
                self.venue_back = until;
                self.network.break_until(until);
                self.gap_since = Some((until, now));
            }
            Kind::OutsideTransfer => {
                self.counts.fault(fault.kind);
                let amount = Money::from_units(1 + (draw % 3_000) as i64);
                let amount = if draw >> 32 & 1 == 0 { amount } else { Money::from_raw(-amount.raw()) };
                self.exchange.transfer(now, AssetIdx(1), amount);
                return self.heard();
            }
            Kind::ForeignTrade => {
                self.counts.fault(fault.kind);
                self.exchange.foreign_trade(now, draw);
                return self.heard();
            }
            Kind::Kill | Kind::KillFlatten => {
                if let Some(session) = &self.session {
                    self.counts.fault(fault.kind);
                    let flags = if fault.kind == Kind::KillFlatten { FLATTEN } else { 0 };
                    session.word.raise(Level::Reducing, Cause::Kill as u8, flags);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Faults cease.
    fn heal(&mut self) -> Held {
        self.healed = true;
        self.next_fault = self.faults.len();
        self.note(|| "faults cease".into());
        self.network.heal();
        self.stale = [UnixNanos(0); 3];
        self.skew = (self.now, 0);
        self.partial_wanted = false;
        if self.armed.take().is_some() {
            self.disk.spare();
        }
        let cut = self.venue_back > self.now || self.gap_since.is_some();
        self.venue_back = UnixNanos(0);
        if cut && let Some(gap) = &mut self.gap_since {
            gap.0 = self.now;
        }
        Ok(())
    }

    /// Both sides agree.
    fn compare(&mut self) -> Held {
        const AGREE: &str = "both sides agree once faults cease";
        let Some(session) = &self.session else { return broken(AGREE, "the process is not running") };
        let engine = &session.engine;
        self.counts.compared = 1;
        for (at, asset) in self.table.assets().iter().enumerate() {
            let idx = AssetIdx(at as u16);
            let (ours, theirs) = (self.referee.books.free_of_order(idx), self.exchange.books.free_of_order(idx));
            if ours != theirs {
                return broken(
                    AGREE,
                    format!("{} {} here (positions at cost taken out), {} at the venue", ours, asset.code, theirs),
                );
            }
            let (ours, theirs) = (engine.portfolio().balance(ACCOUNT, idx), self.exchange.books.balance(idx));
            if ours != theirs {
                return broken(AGREE, format!("{ours} {} in the ledger, {theirs} at the venue", asset.code));
            }
        }
        for rules in self.table.instruments() {
            let ours = engine.portfolio().net_quantity(ACCOUNT, rules.idx);
            let theirs: i128 = self.exchange.books.positions().filter(|p| p.0 == rules.idx).map(|p| p.2.raw()).sum();
            if ours.raw() != theirs {
                return broken(
                    AGREE,
                    format!("{} of {} here, {} at the venue", ours, rules.symbol, domain::Quantity::from_raw(theirs)),
                );
            }
        }
        let theirs: Vec<_> = self.exchange.working.keys().filter(|id| !is_foreign(**id)).copied().collect();
        for working in engine.orders().iter() {
            let id = working.spec.client_id;
            if !theirs.contains(&id) && !self.network_has(id) {
                return broken(
                    AGREE,
                    format!(
                        "order {id} ({:?}, {:?}) works here and not at the venue",
                        working.purpose,
                        working.state.status()
                    ),
                );
            }
        }
        for id in theirs {
            if !engine.orders().iter().any(|w| w.spec.client_id == id) && !self.network_has(id) {
                return broken(AGREE, format!("order {id} works at the venue and not here"));
            }
            let resting = self.exchange.working.get(&id);
            let ours = engine.orders().iter().find(|w| w.spec.client_id == id);
            if let (Some(resting), Some(ours)) = (resting, ours)
                && let Some(rules) = self.table.get(resting.spec.instrument)
                && rules.quantity(resting.filled) != ours.state.filled()
                && !self.network_has(id)
            {
                return broken(
                    AGREE,
                    format!(
                        "order {id} is filled by {} here, {} at the venue",
                        ours.state.filled(),
                        rules.quantity(resting.filled)
                    ),
                );
            }
            let class =
                if resting.is_some_and(|r| r.spec.reduce_only) { OrderClass::Reducing } else { OrderClass::Entry };
            if engine.mode().mode() == domain::Mode::Emergency && class == OrderClass::Entry && !self.network_has(id) {
                return broken("after a kill no entry open", format!("order {id} works at the venue"));
            }
        }
        Ok(())
    }

    /// Whether something about an order is under way at the very end: both sides may differ by it.
    fn network_has(&self, id: domain::ClientOrderId) -> bool {
        self.network.has(id)
    }
}

/// A text without the words that hold a digit.
fn without_numbers(text: &str) -> String {
    let plain = |word: &&str| !word.contains(|c: char| c.is_ascii_digit());
    text.split_whitespace().filter(plain).collect::<Vec<_>>().join(" ")
}

fn short(text: &str) -> String {
    if text.len() <= 700 { text.to_owned() } else { text.chars().take(700).collect() }
}
