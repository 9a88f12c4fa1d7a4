//! The engine end to end, through the one runner.

use crate::data;
use crate::measure::{cpu_s, fastest, line};
use bot4::runner::drive::{Silent, drive};
use bot4::runner::plan::{Listed, Plan, RunConfig, Units};
use bot4::runner::source::{InMemory, Input};
use bot4::runner::tape::Tape;
use domain::{Instrument, InstrumentTable, Money, Quantity, Rate, SizeRequest};
use risk::{Limits, Profile};
use serde_json::json;
use sim::VenueConfig;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use store::history::Rows;
use strategy::{Blueprint, Params, StopRule};

/// What a run has counted.
#[derive(Clone, Debug)]
pub struct Counted {
    pub events: u64,
    orders: u64,
    fills: u64,
    refusals: u64,
    pub digest: String,
    equity: f64,
}

fn blueprint(name: &str, params: &[&str], size: SizeRequest, stop: StopRule) -> Result<Blueprint, String> {
    let mut given = Params::default();
    params.iter().try_for_each(|p| given.add(p)).map_err(|e| e.to_string())?;
    Blueprint::new(name, given, size, stop).map_err(|e| e.to_string())
}

fn tenth() -> SizeRequest {
    SizeRequest::Base(Quantity::from_mantissa(1, 1))
}

/// Limits so wide that they are checked and nearly never refuse.
fn wide() -> Profile {
    let one = Rate::ONE.raw();
    Profile::Research(Limits {
        position_fraction_max: Rate::from_raw(one),
        positions_max: 1_000,
        correlation_max: 1.0,
        leverage_max: Rate::from_raw(100 * one),
        ..Limits::default()
    })
}

fn config(strategies: Vec<Blueprint>, profile: Profile, keep: bool) -> RunConfig {
    let fee = Some(Rate::from_bps(10));
    RunConfig {
        cash: Money::from_units(1_000_000_000),
        strategies,
        venue: VenueConfig::frictionless(),
        profile,
        restricted: Vec::new(),
        units: Units::Lot,
        schedule: None,
        fees: (fee, fee),
        keep,
        reconcile_every: None,
    }
}

/// One run over rows in memory: CPU seconds of the drive and what was counted.
fn once(
    table: &InstrumentTable,
    listed: &[Listed],
    rows: &[Rows],
    config: &RunConfig,
) -> Result<(f64, Counted), String> {
    drive_once(table, listed, rows, config, Tape::off()).map(|(cpu, counted, _)| (cpu, counted))
}

fn drive_once(
    table: &InstrumentTable,
    listed: &[Listed],
    rows: &[Rows],
    config: &RunConfig,
    tape: Tape,
) -> Result<(f64, Counted, Plan), String> {
    let mut plan = Plan::new(config, table, listed).map_err(|e| e.to_string())?;
    plan.session.put_on_tape(tape);
    let inputs = (listed.iter().zip(rows))
        .map(|(l, rows)| Input { source: Box::new(InMemory::new(rows.clone())), instrument: l.instrument.idx })
        .collect();
    let mut begin = plan.begin();
    let before = cpu_s();
    let driven = drive(&mut plan.session, inputs, &mut plan.recorder, &mut Silent, &AtomicBool::new(false), &mut begin)
        .map_err(|e| e.to_string())?;
    // Copying rows into chunks is in it: the clock of the reading is not the clock of the processor.
    let cpu = cpu_s() - before;
    let equity = plan.session.engine.equity(bot4::runner::plan::ACCOUNT).ok_or("the account has no value")?;
    let r = &plan.recorder;
    let refusals = r.refusals().map(|(_, n)| n).sum();
    if let Some(fault) = plan.session.engine.faults().first() {
        return Err(format!("fault: {fault}"));
    }
    let digest = plan.session.engine.digest().to_string();
    let (orders, fills) = (r.orders, r.fills);
    let counted = Counted { events: driven.events, orders, fills, refusals, digest, equity: equity.to_f64() };
    Ok((cpu, counted, plan))
}

fn report(name: &str, runs: usize, mut run: impl FnMut() -> Result<(f64, Counted), String>) -> Result<f64, String> {
    let (cpu, c) = fastest(runs, &mut run)?;
    line(
        name,
        c.events,
        cpu,
        json!({"orders": c.orders, "fills": c.fills, "refusals": c.refusals, "final_equity": c.equity, "digest": c.digest}),
    );
    Ok(cpu)
}

/// All single-instrument runs.
pub fn all(npy: Option<&Path>, runs: usize, only: &str, candles: usize) -> Result<(), String> {
    let report = |name: &str, runs: usize, run: &mut dyn FnMut() -> Result<(f64, Counted), String>| {
        if name.contains(only) { report(name, runs, run).map(|_| ()) } else { Ok(()) }
    };
    let mut table = InstrumentTable::default();
    let instrument = data::instrument(&mut table, "BTCUSDT");
    let listed = |interval_s| [Listed { instrument: instrument.clone(), interval_s }];
    let level = ["enter=level", "fast=20", "slow=50"];
    let ema = |stop| blueprint("ema-cross", &level, tenth(), stop);
    let stop = StopRule::Atr { period: 14, multiple: Rate::from_raw(50 * Rate::ONE.raw()) };
    let bars = Rows::Candles(data::candles(npy, &instrument, candles)?);
    let minute = listed(Some(60));
    let run = |rows: &Rows, listed: &[Listed], profile: Profile, keep: bool, stop: StopRule| {
        once(&table, listed, std::slice::from_ref(rows), &config(vec![ema(stop)?], profile, keep))
    };
    report("candles, records", runs, &mut || run(&bars, &minute, Profile::Off, true, StopRule::None))?;
    report("candles, no records", runs, &mut || run(&bars, &minute, Profile::Off, false, StopRule::None))?;
    report("candles, risk on, records", runs, &mut || run(&bars, &minute, wide(), true, stop))?;
    let quiet = || blueprint("buy-and-hold", &["enter_bar=999999999"], tenth(), StopRule::None);
    report("candles, no orders", runs, &mut || {
        once(&table, &minute, std::slice::from_ref(&bars), &config(vec![quiet()?], Profile::Off, false))
    })?;
    if "many fills".contains(only) {
        linear(&table, &minute, &instrument, &bars, runs)?;
    }
    drop(bars);
    if !only.is_empty() && !only.contains("trades") && !only.contains("quotes") {
        return Ok(());
    }
    let ticks = listed(None);
    let trades = Rows::Trades(data::trades(npy, &instrument, 5_000_000)?);
    report("trades, records", runs, &mut || run(&trades, &ticks, Profile::Off, true, StopRule::None))?;
    report("trades, no records", runs, &mut || run(&trades, &ticks, Profile::Off, false, StopRule::None))?;
    drop(trades);
    let quotes = Rows::Quotes(data::quotes(npy, &instrument, 5_000_000)?);
    report("quotes, records", runs, &mut || run(&quotes, &ticks, Profile::Off, true, StopRule::None))?;
    report("quotes, no records", runs, &mut || run(&quotes, &ticks, Profile::Off, false, StopRule::None))?;
    Ok(())
}

/// Twice the bars with twice the fills: CPU time has to grow in proportion.
fn linear(table: &InstrumentTable, listed: &[Listed], i: &Instrument, bars: &Rows, runs: usize) -> Result<(), String> {
    let Rows::Candles(once_over) = bars else { return Err("no candles".into()) };
    let span = once_over.last().zip(once_over.first()).map_or(0, |(l, f)| l.ts_close().0 - f.ts_open.0);
    let mut twice = once_over.clone();
    twice.extend(once_over.iter().map(|c| {
        let later = |ts: domain::UnixNanos| domain::UnixNanos(ts.0 + span);
        domain::Candle { ts_open: later(c.ts_open), ts_recv: later(c.ts_recv), instrument: i.idx, ..*c }
    }));
    // Short averages cross often, so that orders are most of the work.
    let busy = || blueprint("ema-cross", &["enter=level", "fast=2", "slow=3"], tenth(), StopRule::None);
    let run = |rows: &Rows| once(table, listed, std::slice::from_ref(rows), &config(vec![busy()?], Profile::Off, true));
    let single = report("candles, many fills, N", runs, || run(bars))?;
    let twice = Rows::Candles(twice);
    let double = report("candles, many fills, 2N", runs, || run(&twice))?;
    println!("{}", json!({"bench": "CPU of 2N over N", "ratio": double / single}));
    Ok(())
}

/// Two instruments, three strategies, risk and ledger on, at least 20,000 fills.
pub struct Combined {
    table: InstrumentTable,
    listed: Vec<Listed>,
    rows: Vec<Rows>,
    config: RunConfig,
}

impl Combined {
    /// Seeded rows, the same every time.
    pub fn new() -> Result<Self, String> {
        let mut table = InstrumentTable::default();
        let (a, b) = (data::instrument(&mut table, "BTCUSDT"), data::instrument(&mut table, "ETHUSDT"));
        let listed = vec![
            Listed { instrument: a.clone(), interval_s: Some(60) },
            Listed { instrument: b.clone(), interval_s: Some(60) },
        ];
        let rows = vec![
            Rows::Candles(testkit::generate::random_walk(&a, 1, 500_000, 3_000_000, 2_000)),
            Rows::Candles(testkit::generate::random_walk(&b, 2, 500_000, 200_000, 150)),
        ];
        let stop = StopRule::Atr { period: 14, multiple: Rate::from_raw(3 * Rate::ONE.raw()) };
        let strategies = vec![
            blueprint("ema-cross", &["enter=level", "fast=5", "slow=13", "instrument=BTCUSDT"], tenth(), stop)?,
            blueprint("sma-cross", &["enter=level", "fast=5", "slow=13", "instrument=ETHUSDT"], tenth(), stop)?,
            blueprint("donchian", &["entry=10", "exit=5", "instrument=BTCUSDT"], tenth(), stop)?,
        ];
        Ok(Self { table, listed, rows, config: config(strategies, wide(), true) })
    }

    /// One run with this tape: CPU seconds of the whole process, what was counted, and the session at its end.
    pub fn run(&self, tape: Tape) -> Result<(f64, Counted, Plan), String> {
        drive_once(&self.table, &self.listed, &self.rows, &self.config, tape)
    }
}

/// The combined run without a journal.
pub fn combined(runs: usize) -> Result<(), String> {
    let case = Combined::new()?;
    report("combined: 2 instruments, 3 strategies, risk on", runs, || {
        case.run(Tape::off()).map(|(cpu, counted, _)| (cpu, counted))
    })?;
    Ok(())
}
