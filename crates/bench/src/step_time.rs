//! Time of single steps with risk on, as a distribution.

use crate::data;
use bot4::runner::drive::{Silent, drive};
use bot4::runner::plan::{ACCOUNT, Listed, Plan, RunConfig, Units};
use bot4::runner::record::{Probe, Recorder};
use bot4::runner::source::{InMemory, Input};
use bot4::runner::statistics::EquityStatistics;
use domain::{
    AccountReport, Event, EventBody, InstrumentTable, Money, Observer, OrderClass, Quantity, Rate, ReportBody,
    SizeRequest, UnixNanos,
};
use risk::{Command, Limits, Profile};
use serde_json::json;
use sim::VenueConfig;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use store::history::Rows;
use strategy::{Blueprint, Params, StopRule};

/// Feeds recorded steps to a second engine, timing each: the first run says which events come in which order.
struct Tape {
    recorder: Recorder,
    events: Vec<(UnixNanos, Event)>,
}

impl Observer for Tape {
    fn event(&mut self, ts: UnixNanos, event: &Event) {
        self.events.push((ts, event.clone()));
    }
}

impl Probe for Tape {
    fn command(&mut self, ts: UnixNanos, command: &Command) {
        self.recorder.command(ts, command);
    }
}

/// Runs it and prints the percentiles.
pub fn run() -> Result<(), String> {
    let mut table = InstrumentTable::default();
    let instrument = data::instrument(&mut table, "BTCUSDT");
    let listed = [Listed { instrument: instrument.clone(), interval_s: Some(60) }];
    let mut params = Params::default();
    ["enter=level", "fast=5", "slow=13"].iter().try_for_each(|p| params.add(p)).map_err(|e| e.to_string())?;
    let stop = StopRule::Atr { period: 14, multiple: Rate::from_raw(3 * Rate::ONE.raw()) };
    let size = SizeRequest::Base(Quantity::from_mantissa(1, 1));
    let blueprint = Blueprint::new("ema-cross", params, size, stop).map_err(|e| e.to_string())?;
    let config = RunConfig {
        cash: Money::from_units(1_000_000),
        strategies: vec![blueprint],
        venue: VenueConfig::frictionless(),
        profile: Profile::Research(Limits { position_fraction_max: Rate::ONE, ..Limits::default() }),
        restricted: Vec::new(),
        units: Units::Lot,
        schedule: None,
        fees: (None, None),
        keep: false,
        reconcile_every: None,
    };
    let plan = || Plan::new(&config, &table, &listed).map_err(|e| e.to_string());
    let rows = Rows::Candles(testkit::generate::random_walk(&instrument, 3, 300_000, 3_000_000, 2_000));
    let mut first = plan()?;
    let mut tape = Tape { recorder: Recorder::new(ACCOUNT, false, EquityStatistics::lean()), events: Vec::new() };
    let mut begin_tape = first.begin_for::<Tape>();
    let inputs = vec![Input { source: Box::new(InMemory::new(rows)), instrument: instrument.idx }];
    drive(&mut first.session, inputs, &mut tape, &mut Silent, &AtomicBool::new(false), &mut begin_tape)
        .map_err(|e| e.to_string())?;
    let mut best: Option<Vec<(u64, Kind)>> = None;
    for _ in 0..5 {
        let mut engine = plan()?.session.engine;
        let mut out: Vec<Command> = Vec::with_capacity(64);
        let mut times = Vec::with_capacity(tape.events.len());
        for (ts, event) in &tape.events {
            let before = Instant::now();
            engine.step(*ts, event, &mut out);
            times.push((before.elapsed().as_nanos() as u64, Kind::of(event, &out)));
            out.clear();
        }
        if engine.digest() != first.session.engine.digest() {
            return Err("the replayed steps decided otherwise".into());
        }
        times.sort_unstable();
        let p99 = |t: &[(u64, Kind)]| t[t.len() * 99 / 100].0;
        if best.as_ref().is_none_or(|b| p99(&times) < p99(b)) {
            best = Some(times);
        }
    }
    let times = best.ok_or("nothing was timed")?;
    let mut clock: Vec<u64> = (0..100_000).map(|_| Instant::now().elapsed().as_nanos() as u64).collect();
    clock.sort_unstable();
    let clock = clock[clock.len() / 2];
    let all: Vec<u64> = times.iter().map(|(ns, _)| *ns).collect();
    line("one step, risk on", &all, tape.recorder.orders, clock);
    for (kind, name) in [
        (Kind::Entry, "step from a bar to an entry order"),
        (Kind::Exit, "step from a bar to an exit order"),
        (Kind::Fill, "step of a fill, its stop sent or taken off"),
        (Kind::Other, "any other step"),
    ] {
        let of: Vec<u64> = times.iter().filter(|(_, k)| *k == kind).map(|(ns, _)| *ns).collect();
        line(name, &of, tape.recorder.orders, clock);
    }
    Ok(())
}

/// What a step did, as far as its time depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Market data led to an entry.
    Entry,
    /// Market data led to a reduction.
    Exit,
    /// A fill was booked.
    Fill,
    /// Anything else.
    Other,
}

impl Kind {
    fn of(event: &Event, out: &[Command]) -> Self {
        let left = out.iter().find_map(|command| match command {
            Command::Submit(approved) => Some(approved.class()),
            _ => None,
        });
        match (&event.body, left) {
            (EventBody::Report(AccountReport { body: ReportBody::Filled { .. }, .. }), _) => Self::Fill,
            (EventBody::Candle(_) | EventBody::Trade(_) | EventBody::Quote(_), Some(OrderClass::Entry)) => Self::Entry,
            (EventBody::Candle(_) | EventBody::Trade(_) | EventBody::Quote(_), Some(OrderClass::Reducing)) => {
                Self::Exit
            }
            _ => Self::Other,
        }
    }
}

/// Prints the distribution of sorted times.
fn line(name: &str, times: &[u64], orders: u64, clock: u64) {
    let Some(last) = times.len().checked_sub(1) else { return };
    let at = |per_mille: usize| times[last * per_mille / 1000];
    println!(
        "{}",
        json!({"bench": name, "steps": times.len(), "orders": orders, "p50_ns": at(500), "p95_ns": at(950),
               "p99_ns": at(990), "p999_ns": at(999), "max_ns": at(1000), "of_which_clock_p50_ns": clock})
    );
}
