//! How long a snapshot holds the trading thread: the state of an engine and a venue with many instruments and orders, saved into a buffer
//! that has room, and loaded into fresh ones; and what it costs to append one command to a journal's buffer.
//!
//! Every strategy of a crowd has one limit order in every instrument, far below the market: each order is at the desk, with what it
//! reserves, and at the venue, which also remembers as many ended orders as it can.

use domain::codec::Reader;
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, Entry, Event, EventBody, InputId, Instrument, InstrumentIdx,
    InstrumentTable, Intent, Money, Nanos, Output, Rate, Signal, SizeRequest, StopPlan, StrategyIdx,
};
use engine::{Engine, EngineConfig, defined};
use risk::{Command, Profile};
use serde_json::json;
use sim::{Request, Venue, VenueConfig};
use std::hint::black_box;
use std::time::Instant;
use strategy::{Context, Reader as StateReader, StateError, Strategy};

const ACCOUNT: AccountId = AccountId(0);
/// More than the caches of one core hold: written between two saves, so that the second one finds nothing in them.
const OTHER_WORK_BYTES: usize = 64 << 20;

/// Saves and loads, and prints one line.
pub fn run(runs: usize, instruments: u16, orders: usize) -> Result<(), String> {
    let world = World { instruments, crowd: orders.div_ceil(usize::from(instruments.max(1))) };
    let (engine, venue, commands) = world.busy()?;
    let working = (engine.orders().len(), venue.working_orders());
    let expected = world.crowd * usize::from(instruments);
    if working != (expected, expected) {
        return Err(format!("{working:?} orders work at desk and venue, expected {expected} at each"));
    }
    let mut out = Vec::new();
    let save = |out: &mut Vec<u8>| {
        out.clear();
        engine.save(out);
        venue.save(out);
    };
    save(&mut out);
    let mut other_work = vec![0_u8; OTHER_WORK_BYTES];
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for _ in 0..runs.max(51) {
        warm.push(micros(|| save(black_box(&mut out))));
        other_work.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
        black_box(&mut other_work);
        cold.push(micros(|| save(black_box(&mut out))));
    }
    let mut load = Vec::new();
    for _ in 0..runs.max(1) {
        let (mut other, mut other_venue) = (world.engine()?, world.venue()?);
        let mut from = Reader::new(&out);
        let mut result = Ok(());
        load.push(micros(|| result = other.load(&mut from).and_then(|()| other_venue.load(&mut from))));
        result.and_then(|()| from.finish()).map_err(|e| e.to_string())?;
        if digest(&other, &other_venue) != digest(&engine, &venue) {
            return Err("another state came back".into());
        }
    }
    let mut journal = Vec::with_capacity(commands.len() * 256);
    let mut appended = Vec::new();
    for _ in 0..runs.max(51) {
        journal.clear();
        appended.push(micros(|| commands.iter().for_each(|command| command.put_record(black_box(&mut journal)))));
    }
    for times in [&mut warm, &mut cold, &mut load, &mut appended] {
        times.sort_by(f64::total_cmp);
    }
    let median = |times: &[f64]| times[times.len() / 2];
    println!(
        "{}",
        json!({"bench": "snapshot", "instruments": instruments, "orders": working.0, "bytes": out.len(), "save_us_min": warm[0],
               "save_us_median": median(&warm), "save_cold_us_min": cold[0], "save_cold_us_median": median(&cold),
               "load_us": load[0], "commands": commands.len(), "command_bytes": journal.len() / commands.len().max(1),
               "append_command_ns": appended[0] * 1e3 / commands.len().max(1) as f64})
    );
    Ok(())
}

/// Microseconds that `work` takes.
fn micros(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64() * 1e6
}

fn digest(engine: &Engine, venue: &Venue) -> u128 {
    let mut d: Digest = engine.state_digest();
    venue.digest(&mut d);
    d.value()
}

/// How large the state is.
struct World {
    instruments: u16,
    crowd: usize,
}

impl World {
    fn table(&self) -> InstrumentTable {
        let mut table = InstrumentTable::default();
        for number in 0..self.instruments {
            testkit::add_perpetual(&mut table, &format!("A{number}USDT"), 2, 3);
        }
        table
    }

    fn engine(&self) -> Result<Engine, String> {
        let table = self.table();
        let config = EngineConfig {
            profile: Profile::Off,
            report_currency: table.instruments().first().ok_or("at least one instrument is needed")?.quote,
            epoch: 1,
            correlation_every: Nanos::from_secs(60),
            correlation_lateness: Nanos::from_secs(1),
            accounts: vec![ACCOUNT],
            stops: engine::StopPolicy::AT_ONCE,
            asking: None,
            reconcile: None,
            guard: Some(risk::GuardConfig::default()),
            clamps: None,
        };
        let mut engine = Engine::new(config).map_err(|e| e.to_string())?;
        engine.define_assets(&table).map_err(|e| e.to_string())?;
        for _ in 0..self.crowd {
            let instruments = table.instruments().iter().map(|i| i.idx).collect();
            engine.add_strategy(Box::new(Bidder { instruments })).map_err(|e| e.to_string())?;
        }
        Ok(engine)
    }

    fn venue(&self) -> Result<Venue, String> {
        let mut venue = Venue::new(VenueConfig::frictionless());
        venue.define_table(&self.table()).map_err(|e| e.to_string())?;
        Ok(venue)
    }

    /// With all orders at work, and the commands that placed them.
    fn busy(&self) -> Result<(Engine, Venue, Vec<Command>), String> {
        let (mut engine, mut venue, mut events) = (self.engine()?, self.venue()?, 0);
        let mut step = |engine: &mut Engine, body: EventBody, out: &mut Vec<Command>| {
            events += 1;
            engine.step(testkit::T0, &Event { id: InputId::new(1, events), body }, out);
        };
        let (mut out, mut kept) = (Vec::new(), Vec::new());
        let table = self.table();
        for instrument in table.instruments() {
            step(&mut engine, defined(instrument.clone()), &mut out);
        }
        if let Some(first) = table.instruments().first() {
            venue.deposit(ACCOUNT, first.quote, Money::from_units(1_000_000_000));
            if let Some(transfer) = venue.take_report(testkit::T0) {
                step(&mut engine, EventBody::Report(transfer), &mut out);
            }
            ended(&mut venue, first);
        }
        for instrument in table.instruments() {
            let candle = testkit::candle(instrument, 0, [1_000_000; 4], 1_000);
            step(&mut engine, EventBody::Candle(candle), &mut out);
        }
        for command in out {
            if let Some(request) = sim::from_command::request_of_record(&command.record(), testkit::T0) {
                venue.submit(testkit::T0, request);
                kept.push(command);
            }
        }
        let mut ignored = Vec::new();
        while let Some(report) = venue.take_report(testkit::T0) {
            step(&mut engine, EventBody::Report(report), &mut ignored);
        }
        Ok((engine, venue, kept))
    }
}

/// Orders that the venue refused, as many as it remembers. Their reports are nobody's.
fn ended(venue: &mut Venue, instrument: &Instrument) {
    for ordinal in 0..5_000 {
        let order = domain::OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, 0, ordinal),
            kind: domain::OrderType::Market,
            quantity: domain::OrderQuantity::Base(domain::Quantity::ZERO),
            time_in_force: domain::TimeInForce::Gtc,
            account: ACCOUNT,
            instrument: instrument.idx,
            strategy: StrategyIdx(0),
            side: domain::Side::Buy,
            post_only: false,
            reduce_only: false,
        };
        venue.submit(testkit::T0, Request::Place { order, valid_until: None });
    }
    while venue.take_report(testkit::T0).is_some() {}
}

/// Bids far below the market on every candle.
struct Bidder {
    instruments: Vec<InstrumentIdx>,
}

impl Strategy for Bidder {
    fn name(&self) -> &'static str {
        "bidder"
    }
    fn version(&self) -> u32 {
        1
    }
    fn instruments(&self) -> &[InstrumentIdx] {
        &self.instruments
    }
    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        let EventBody::Candle(candle) = event else { return };
        let Some(price) = context.table.get(candle.instrument).map(|i| i.price(candle.close / 2)) else { return };
        out.push(Output::Signal(Signal {
            intent: Intent::EnterLong,
            size: SizeRequest::Base(domain::Quantity::from_units(1)),
            entry: Entry::Limit(price),
            stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: candle.close,
            tag: 0,
            account: context.account,
            instrument: candle.instrument,
            strategy: context.strategy,
        }));
    }
    fn parameters(&self, _: &mut Vec<u8>) {}
    fn save(&self, _: &mut Vec<u8>) {}
    fn load(&mut self, _: &mut StateReader<'_>) -> Result<(), StateError> {
        Ok(())
    }
}
