//! `engine::step` with risk on allocates nothing once it is warm, and a fill leaves nothing behind that the next one would have to carry.

use crate::harness::{Log, begin, candles, go_on, session, signal};
use bot4::runner::plan::ACCOUNT;
use bot4::runner::record::Probe;
use domain::{
    Candle, Entry, Event, EventBody, GroupKind, GroupRequest, ImpactModel, InputId, Instrument, InstrumentIdx,
    InstrumentTable, Intent, Leg, Nanos, Output, Rate, ReportBody, Rest, Shown, Signal, SizeRequest, StopPlan,
    StrategyIdx, TimeInForce, TimerFired, UnixNanos, VolumeProfile, WorkRequest, WorkStyle,
};
use engine::{Engine, EngineConfig};
use risk::{Command, Decision, Limits, Profile};
use sim::{Venue, VenueConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use strategy::{Blueprint, Context, Params, Reader, StateError, StopRule, Strategy};
use testkit::generate::random_walk;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<i64> = const { Cell::new(0) };
}

/// The system's allocator, which counts what this thread does.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counts are plain thread-local cells that allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        LIVE.with(|live| live.set(live.get() + layout.size() as i64));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.with(|live| live.set(live.get() - layout.size() as i64));
        // SAFETY: `at` came from the same allocator with the same layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn calls() -> u64 {
    CALLS.with(Cell::get)
}

fn live() -> i64 {
    LIVE.with(Cell::get)
}

/// Enters, asks for what must be refused, and leaves, in turns: without an allocation of its own.
struct Turns {
    instrument: InstrumentIdx,
    bar: u64,
}

impl Strategy for Turns {
    fn name(&self) -> &'static str {
        "turns"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        std::slice::from_ref(&self.instrument)
    }

    fn on_market(&mut self, _: &Context<'_>, _: &EventBody, out: &mut Vec<Output>) {
        self.bar += 1;
        let stop = Some(StopPlan::Fraction(Rate::from_bps(300)));
        let enter = |size, stop| Signal { stop, ..signal(Intent::EnterLong, size, self.instrument) };
        out.push(Output::Signal(match self.bar % 4 {
            0 => enter(SizeRequest::EquityFraction(Rate::from_bps(100)), stop),
            1 => enter(SizeRequest::AllIn, stop),
            2 => signal(Intent::Exit, SizeRequest::Position, self.instrument),
            _ => enter(SizeRequest::EquityFraction(Rate::from_bps(100)), None),
        }));
    }

    fn parameters(&self, _: &mut Vec<u8>) {}

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bar.to_le_bytes());
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.bar = from.u64()?;
        Ok(())
    }
}

/// Has its entries and exits worked, in one style after the other: without an allocation of its own.
struct Worked {
    instrument: InstrumentIdx,
    bar: u64,
}

impl Strategy for Worked {
    fn name(&self) -> &'static str {
        "worked"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        std::slice::from_ref(&self.instrument)
    }

    fn on_market(&mut self, _: &Context<'_>, _: &EventBody, out: &mut Vec<Output>) {
        self.bar += 1;
        let over = Nanos::from_secs(600);
        let model = ImpactModel { risk_aversion: 1e-3, volatility: 4.0, temporary: 300.0, permanent: 0.0 };
        let style = match self.bar / 30 % 6 {
            0 => WorkStyle::Twap { over, slices: 10 },
            1 => WorkStyle::Vwap { over, slices: 10, profile: VolumeProfile::FLAT },
            2 => WorkStyle::Pov { share: Rate::from_bps(100), deadline: over },
            3 => WorkStyle::ImplementationShortfall { over, slices: 10, model },
            4 => WorkStyle::PassiveThenAggressive { patience: over, then: Rest::Take },
            _ => WorkStyle::Iceberg { shown: Shown::Share(Rate::from_bps(2_000)), deadline: over, then: Rest::Take },
        };
        let stop = Some(StopPlan::Fraction(Rate::from_bps(300)));
        let size = SizeRequest::EquityFraction(Rate::from_bps(200));
        let signal = match self.bar % 30 {
            0 => Signal { stop, ..signal(Intent::EnterLong, size, self.instrument) },
            15 => signal(Intent::Exit, SizeRequest::Position, self.instrument),
            _ => return,
        };
        out.push(Output::Work(WorkRequest { signal, style }));
    }

    fn parameters(&self, _: &mut Vec<u8>) {}

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bar.to_le_bytes());
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.bar = from.u64()?;
        Ok(())
    }
}

/// Engine and venue with the allocations of each counted apart.
struct Counted {
    engine: Engine,
    venue: Venue,
    out: Vec<Command>,
    spare: Vec<Command>,
    timers: BTreeSet<(UnixNanos, TimerFired)>,
    ids: u64,
    steps: u64,
    fills: u64,
    refusals: u64,
    worked: u64,
    in_steps: u64,
    in_venue: u64,
}

impl Counted {
    fn step(&mut self, ts: UnixNanos, body: EventBody) {
        self.ids += 1;
        let event = Event { id: InputId::new(0, self.ids), body };
        let before = calls();
        self.engine.step(ts, &event, &mut self.out);
        self.in_steps += calls() - before;
        self.steps += 1;
    }

    fn at_venue<T>(&mut self, f: impl FnOnce(&mut Venue) -> T) -> T {
        let before = calls();
        let result = f(&mut self.venue);
        self.in_venue += calls() - before;
        result
    }

    fn settle(&mut self, ts: UnixNanos) {
        loop {
            let mut commands = std::mem::take(&mut self.spare);
            std::mem::swap(&mut commands, &mut self.out);
            for command in commands.drain(..) {
                match command {
                    Command::Timer { at, timer } => {
                        self.timers.insert((at, timer));
                    }
                    Command::Record(Decision::Refused { .. }) => self.refusals += 1,
                    Command::Record(Decision::WorkEnded { .. }) => self.worked += 1,
                    Command::Record(_) | Command::Infer(_) => {}
                    command => {
                        let request = sim::from_command::request(command, ts).unwrap().unwrap();
                        self.at_venue(|venue| venue.submit(ts, request));
                    }
                }
            }
            self.spare = commands;
            let Some(report) = self.at_venue(|venue| venue.take_report(ts)) else { break };
            self.fills += u64::from(matches!(report.body, ReportBody::Filled { .. }));
            self.step(ts, EventBody::Report(report));
        }
    }

    fn minute(&mut self, rows: &[Vec<Candle>], n: usize) {
        for row in rows {
            self.at_venue(|venue| venue.on_bar_open(row[n].ts_open, &row[n]));
            self.settle(row[n].ts_open);
        }
        while let Some((at, timer)) = self.timers.first().copied().filter(|(at, _)| *at < rows[0][n].ts_close()) {
            self.timers.pop_first();
            self.step(at, EventBody::Timer(timer));
            self.settle(at);
        }
        for row in rows {
            let inside = UnixNanos(row[n].ts_close().0 - 1);
            self.at_venue(|venue| venue.on_bar_path(inside, &row[n]));
            self.settle(inside);
        }
        for row in rows {
            let close = row[n].ts_close();
            self.at_venue(|venue| venue.on_bar_close(close, &row[n]));
            self.step(close, EventBody::Candle(row[n]));
            self.settle(close);
        }
    }
}

fn wide() -> Limits {
    Limits {
        position_fraction_max: Rate::from_bps(1_000),
        correlation_max: 1.0,
        correlation_samples_min: 2,
        ..Limits::default()
    }
}

#[test]
fn steps_with_risk_on_allocate_nothing() {
    let mut table = InstrumentTable::default();
    let instruments: Vec<Instrument> = vec![
        testkit::add_spot(&mut table, "BTCUSDT", 2, 5),
        testkit::add_spot(&mut table, "ETHUSDT", 2, 4),
        testkit::add_perpetual(&mut table, "SOLUSDT", 3, 2),
    ];
    let config = EngineConfig {
        profile: Profile::Research(wide()),
        report_currency: instruments[0].quote,
        epoch: 1,
        correlation_every: Nanos::from_secs(60),
        correlation_lateness: Nanos::from_secs(1),
        accounts: vec![ACCOUNT],
        stops: engine::StopPolicy::AT_ONCE,
        asking: Some(engine::AskPolicy::for_round_trip(Nanos(0))),
        reconcile: None,
        // It watches, and lets losses pass: there have to be orders.
        guard: Some(risk::GuardConfig {
            breaker_losses: 1_000,
            breaker_loss_max: Rate::ONE,
            daily_loss_max: Rate::ONE,
            hourly_loss_max: Rate::ONE,
            drawdown_alert: Rate::ONE,
            drawdown_halt: Rate::ONE,
            ..risk::GuardConfig::default()
        }),
        clamps: None,
    };
    let mut engine = Engine::new(config).unwrap();
    engine.define_assets(&table).unwrap();
    let mut number = 0;
    for i in &instruments {
        engine.add_strategy(Box::new(Turns { instrument: i.idx, bar: u64::from(i.idx.0) })).unwrap();
        engine.add_strategy(Box::new(Worked { instrument: i.idx, bar: u64::from(i.idx.0) })).unwrap();
        number += 2;
        for (name, params) in
            [("ema-cross", "fast=3,slow=8"), ("sma-cross", "fast=2,slow=5,enter=level"), ("donchian", "bar=5m")]
        {
            let mut given = Params::default();
            params.split(',').for_each(|p| given.add(p).unwrap());
            let size = SizeRequest::EquityFraction(Rate::from_bps(50));
            let blueprint = Blueprint::new(name, given, size, StopRule::parse("atr:14:2").unwrap()).unwrap();
            engine
                .add_strategy(strategy::build(&blueprint, StrategyIdx(number), ACCOUNT, i, Some(60)).unwrap())
                .unwrap();
            number += 1;
        }
    }
    let participation = Some(Rate::from_bps(2_000));
    let mut venue = Venue::new(VenueConfig { participation, ..VenueConfig::frictionless() });
    venue.define_table(&table).unwrap();
    let room = || Vec::with_capacity(256);
    let mut run = Counted {
        engine,
        venue,
        out: room(),
        spare: room(),
        timers: BTreeSet::new(),
        ids: 0,
        steps: 0,
        fills: 0,
        refusals: 0,
        worked: 0,
        in_steps: 0,
        in_venue: 0,
    };
    for i in &instruments {
        run.step(testkit::T0, EventBody::InstrumentDefined(Arc::new(i.clone())));
    }
    run.venue.deposit(ACCOUNT, instruments[0].quote, testkit::money("1000000"));
    run.settle(testkit::T0);
    let rows: Vec<Vec<Candle>> = (instruments.iter().zip([4_000_000, 250_000, 150_000]))
        .map(|(i, start)| random_walk(i, 77, 9_000, start, start / 300))
        .collect();
    let (warm, hot) = (0..6_000, 6_000..9_000);
    warm.for_each(|n| run.minute(&rows, n));
    let warmed = run.in_steps;
    (run.steps, run.fills, run.refusals, run.in_steps, run.in_venue) = (0, 0, 0, 0, 0);
    run.worked = 0;
    hot.for_each(|n| run.minute(&rows, n));
    assert_eq!(run.engine.faults(), []);
    assert!(warmed > 0, "the counter counts: the first events make room");
    assert!(run.fills >= 1_000 && run.refusals >= 1_000, "{} fills, {} refusals", run.fills, run.refusals);
    assert!(run.worked >= 300, "{} worked", run.worked);
    println!(
        "{} steps, {} fills, {} refusals; allocations: {} in steps, {} at the venue",
        run.steps, run.fills, run.refusals, run.in_steps, run.in_venue
    );
    assert_eq!(run.in_steps, 0, "allocations in {} steps", run.steps);
    assert_eq!(run.in_venue, 0, "allocations at the venue");
}

/// Asks for a pair around the price, for a bracket, or leaves, in turns.
struct Pairs {
    instrument: InstrumentIdx,
    bar: u64,
}

impl Strategy for Pairs {
    fn name(&self) -> &'static str {
        "pairs"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        std::slice::from_ref(&self.instrument)
    }

    fn on_market(&mut self, context: &Context<'_>, _: &EventBody, out: &mut Vec<Output>) {
        self.bar += 1;
        let (Some(rules), Some(mark)) = (context.table.get(self.instrument), context.view.mark(self.instrument)) else {
            return;
        };
        let leg = |entry, target: i64| Leg {
            intent: Intent::EnterLong,
            size: SizeRequest::EquityFraction(Rate::from_bps(100)),
            entry,
            time_in_force: TimeInForce::Gtc,
            stop: Some(StopPlan::Fraction(Rate::from_bps(300))),
            target: Some(rules.price(mark + mark * target / 1_000)),
            reference: mark,
            instrument: self.instrument,
        };
        let near = |parts: i64| rules.price(mark + mark * parts / 10_000);
        let group = |kind, legs: &[Leg]| GroupRequest::new(kind, legs, context.account, context.strategy).unwrap();
        match self.bar % 4 {
            0 => {
                let pair = [leg(Entry::Limit(near(-5)), 20), leg(Entry::Stop(near(5)), 30)];
                out.push(Output::Group(group(GroupKind::OneCancelsOther, &pair)));
            }
            2 => out.push(Output::Group(group(GroupKind::Bracket, &[leg(Entry::Market, 20)]))),
            _ => out.push(Output::Signal(signal(Intent::Exit, SizeRequest::Position, self.instrument))),
        }
    }

    fn parameters(&self, _: &mut Vec<u8>) {}

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bar.to_le_bytes());
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.bar = from.u64()?;
        Ok(())
    }
}

#[test]
fn groups_allocate_nothing() {
    let mut table = InstrumentTable::default();
    let i = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    for pairs in [false, true] {
        let config = VenueConfig { pairs, ..VenueConfig::frictionless() };
        let session =
            session(&table, config, Profile::Research(wide()), vec![Box::new(Pairs { instrument: i.idx, bar: 0 })]);
        let room = || Vec::with_capacity(256);
        let mut run = Counted {
            engine: session.engine,
            venue: session.venue,
            out: room(),
            spare: room(),
            timers: BTreeSet::new(),
            ids: 0,
            steps: 0,
            fills: 0,
            refusals: 0,
            worked: 0,
            in_steps: 0,
            in_venue: 0,
        };
        run.step(testkit::T0, EventBody::InstrumentDefined(Arc::new(i.clone())));
        run.venue.deposit(ACCOUNT, i.quote, testkit::money("1000000"));
        run.settle(testkit::T0);
        let rows = vec![random_walk(&i, 78, 9_000, 4_000_000, 20_000)];
        (0..6_000).for_each(|n| run.minute(&rows, n));
        (run.steps, run.fills, run.in_steps, run.in_venue) = (0, 0, 0, 0);
        (6_000..9_000).for_each(|n| run.minute(&rows, n));
        assert_eq!(run.engine.faults(), []);
        assert!(run.fills >= 1_000, "{} fills", run.fills);
        assert_eq!((run.in_steps, run.in_venue), (0, 0), "allocations in {} steps and at the venue", run.steps);
    }
}

/// A probe that keeps nothing.
struct Nothing;

impl domain::Observer for Nothing {
    const ACTIVE: bool = false;
}

impl Probe for Nothing {}

/// Bytes that engine and venue hold after so many bars on which something trades all the time, and allocations on the way.
fn held_after(bars: usize) -> (i64, u64, usize) {
    let mut table = InstrumentTable::default();
    let i = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let rows = random_walk(&i, 5, bars as u64, 4_000_000, 12_000);
    // Counted apart, so that the records of the count itself are not counted.
    let mut log = Log::default();
    let make = || {
        let mut s = session(
            &table,
            VenueConfig::frictionless(),
            Profile::Research(wide()),
            vec![Box::new(Turns { instrument: i.idx, bar: 0 })],
        );
        begin(&mut s, testkit::T0, &table, "1000000", &mut Nothing);
        s
    };
    go_on(&mut make(), vec![candles(&i, &rows)], &mut log);
    let fills = log.fills.len();
    let (bytes, count) = (live(), calls());
    let mut counted = make();
    go_on(&mut counted, vec![candles(&i, &rows)], &mut Nothing);
    assert_eq!(counted.engine.faults(), []);
    (live() - bytes, calls() - count, fills)
}

#[test]
fn what_a_run_holds_does_not_grow_with_its_fills() {
    // Work per fill can only grow with the number of fills if something that is looked through grows with it, and nothing does.
    let (once, twice) = (held_after(12_000), held_after(24_000));
    assert!(once.2 > 5_000 && twice.2 > 2 * once.2 - 100, "{once:?} {twice:?}");
    assert_eq!(once.0, twice.0, "bytes held: {once:?} {twice:?}");
    assert_eq!(once.1, twice.1, "allocations: {once:?} {twice:?}");
}
