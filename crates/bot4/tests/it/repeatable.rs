//! The same inputs give the same run, however they are cut and whoever listens; other inputs give another.

use crate::harness::{Chunked, Gambler, Log, Scripted, candles, digest, run, session, signal, state};
use bot4::runner::drive::{Silent, drive};
use bot4::runner::plan::{ACCOUNT, Listed, Plan, RunConfig, Units};
use bot4::runner::source::Input;
use domain::{
    Candle, Digest, Digestible, Entry, Instrument, InstrumentTable, Intent, Output, Signal, SizeRequest, UnixNanos,
};
use risk::Profile;
use sim::{Request, VenueConfig};
use std::sync::atomic::AtomicBool;
use strategy::{Blueprint, Params, StopRule};
use testkit::generate::random_walk;

fn market() -> (InstrumentTable, Vec<Instrument>, Vec<Vec<Candle>>) {
    let mut table = InstrumentTable::default();
    let instruments =
        vec![testkit::add_spot(&mut table, "BTCUSDT", 2, 5), testkit::add_spot(&mut table, "ETHUSDT", 2, 4)];
    let rows = vec![
        random_walk(&instruments[0], 11, 9_000, 4_000_000, 12_000),
        random_walk(&instruments[1], 12, 9_000, 250_000, 900),
    ];
    (table, instruments, rows)
}

fn config(strategies: &[(&str, &str)], profile: Profile, keep: bool) -> RunConfig {
    let blueprint = |(name, params): &(&str, &str)| {
        let mut given = Params::default();
        params.split(',').filter(|p| !p.is_empty()).for_each(|p| given.add(p).unwrap());
        Blueprint::new(
            name,
            given,
            SizeRequest::EquityFraction(testkit::rate("0.01")),
            StopRule::parse("atr:14:3").unwrap(),
        )
        .unwrap()
    };
    RunConfig {
        cash: testkit::money("100000"),
        strategies: strategies.iter().map(blueprint).collect(),
        venue: VenueConfig::frictionless(),
        profile,
        restricted: Vec::new(),
        units: Units::Lot,
        schedule: None,
        fees: (None, None),
        keep,
        reconcile_every: None,
    }
}

const STRATEGIES: [(&str, &str); 2] = [("sma-cross", "fast=5,slow=20"), ("donchian", "bar=15m")];

/// What a planned run ends with: digest, state, orders, fills, equity.
type End = (Digest, String, u64, u64, Option<domain::Money>);

fn planned(config: &RunConfig, rows: &[Vec<Candle>], chunk: Option<usize>) -> End {
    let (table, instruments, _) = market();
    let listed: Vec<Listed> =
        instruments.iter().map(|i| Listed { instrument: i.clone(), interval_s: Some(60) }).collect();
    let mut empty = InstrumentTable::default();
    table.assets().iter().for_each(|a| {
        empty.asset(&a.code, a.decimals).unwrap();
    });
    let mut plan = Plan::new(config, &empty, &listed).unwrap();
    let inputs: Vec<Input> = (instruments.iter().zip(rows))
        .map(|(i, rows)| match chunk {
            None => candles(i, rows),
            Some(chunk) => Input { source: Box::new(Chunked { rows: rows.clone(), chunk, at: 0 }), instrument: i.idx },
        })
        .collect();
    let mut begin = plan.begin();
    let stop = AtomicBool::new(false);
    drive(&mut plan.session, inputs, &mut plan.recorder, &mut Silent, &stop, &mut begin).unwrap();
    assert_eq!(plan.session.engine.faults(), []);
    let end = &plan.session;
    (digest(end), state(end), plan.recorder.orders, plan.recorder.fills, end.engine.equity(ACCOUNT))
}

#[test]
fn a_run_with_somebody_listening_to_everything_is_the_same_run() {
    let (table, instruments, rows) = market();
    let config = config(&STRATEGIES, Profile::standard(), true);
    let quiet = planned(&config, &rows, None);
    let listed: Vec<Listed> =
        instruments.iter().map(|i| Listed { instrument: i.clone(), interval_s: Some(60) }).collect();
    let mut plan = Plan::new(&config, &table, &listed).unwrap();
    let mut log = Log::default();
    let inputs = instruments.iter().zip(&rows).map(|(i, rows)| candles(i, rows)).collect();
    let mut begin = plan.begin_for::<Log>();
    drive(&mut plan.session, inputs, &mut log, &mut Silent, &AtomicBool::new(false), &mut begin).unwrap();
    assert_eq!((digest(&plan.session), state(&plan.session)), (quiet.0, quiet.1));
    assert_eq!((log.orders.len() as u64, log.fills.len() as u64), (quiet.2, quiet.3));
    // It did listen: indicators, checks, orders, fills and samples, and every input of the engine.
    assert!(log.seen.iter().all(|n| *n > 30), "{:?}", log.seen);
    assert_eq!((log.seen[2], log.seen[3]), (quiet.2, quiet.3));
    let market_events = log.inputs.iter().filter(|(_, e)| matches!(e.body, domain::EventBody::Candle(_))).count();
    assert_eq!(market_events, rows.iter().map(Vec::len).sum::<usize>());
    log.assert_reconciled(&plan.session, "listened");
}

#[test]
fn the_same_run_twice_with_or_without_records_and_in_any_chunks() {
    let (_, _, rows) = market();
    for profile in [Profile::Off, Profile::standard()] {
        let kept = config(&STRATEGIES, profile, true);
        let first = planned(&kept, &rows, None);
        assert!(first.3 > if profile == Profile::Off { 100 } else { 30 }, "{first:?}");
        assert_eq!(planned(&kept, &rows, None), first);
        assert_eq!(planned(&config(&STRATEGIES, profile, false), &rows, None), first, "records");
        for chunk in [1, 7, 1_000, 100_000] {
            assert_eq!(planned(&kept, &rows, Some(chunk)), first, "chunks of {chunk}");
        }
    }
}

#[test]
fn another_constant_price_or_seed_is_another_run() {
    let (table, instruments, rows) = market();
    let base = planned(&config(&STRATEGIES, Profile::Off, false), &rows, None);
    let other = [("sma-cross", "fast=5,slow=21"), ("donchian", "bar=15m")];
    assert_ne!(planned(&config(&other, Profile::Off, false), &rows, None).0, base.0, "a constant of a strategy");
    // One tick more in the close of one bar in the middle: what was traded need not change, the state must not be the same.
    let mut changed = rows.clone();
    changed[0].last_mut().unwrap().close += 1;
    assert_ne!(planned(&config(&STRATEGIES, Profile::Off, false), &changed, None).1, base.1, "the last price");
    let gamble = |seed| {
        let strategies: Vec<Box<dyn strategy::Strategy>> =
            vec![Gambler::new(instruments.iter().map(|i| i.idx).collect(), seed, 20)];
        let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, strategies);
        let inputs = instruments.iter().zip(&rows).map(|(i, rows)| candles(i, &rows[..500])).collect();
        run(&mut session, &table, "100000", inputs, &mut Log::default());
        digest(&session)
    };
    assert_eq!(gamble(1), gamble(1));
    assert_ne!(gamble(1), gamble(2));
}

/// A session with one limit buy resting at this price.
fn resting(price: &str) -> bot4::runner::session::Session {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let rows: Vec<Candle> =
        (0..3).map(|n| testkit::candle(&btc, n, [10_000, 10_100, 9_900, 10_000], 1_000_000)).collect();
    let size = SizeRequest::Base(testkit::quantity("1"));
    let wish = Signal { entry: Entry::Limit(testkit::price(price)), ..signal(Intent::EnterLong, size, btc.idx) };
    let script = vec![(UnixNanos(testkit::T0.0 + 60_000_000_000), btc.idx, Output::Signal(wish))];
    let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, vec![Scripted::new(script)]);
    run(&mut session, &table, "100000", vec![candles(&btc, &rows)], &mut Log::default());
    assert_eq!((session.engine.orders().len(), session.venue.working_orders()), (1, 1));
    session
}

#[test]
fn the_state_digest_moves_with_one_tick_of_one_resting_order() {
    let (a, b) = (resting("90"), resting("90.01"));
    assert_ne!(a.engine.state_digest(), b.engine.state_digest(), "the desk's order");
    let of = |venue: &sim::Venue| {
        let mut d = Digest::default();
        venue.digest(&mut d);
        d.value()
    };
    assert_ne!(of(&a.venue), of(&b.venue), "the venue's order");
    assert_eq!(state(&a), state(&resting("90")));
    // The same venue, and nothing but the price of its one order told to be another.
    let id = a.engine.orders().iter().next().unwrap().spec.client_id;
    let amended = |price: &str| {
        let mut venue = a.venue.clone();
        let request =
            Request::Amend { client_id: id, price: Some(testkit::price(price)), trigger: None, quantity: None };
        venue.submit(UnixNanos(testkit::T0.0 + 200_000_000_000), request);
        venue
    };
    assert_eq!(of(&amended("90.5")), of(&amended("90.5")));
    assert_ne!(of(&amended("90.5")), of(&amended("90.51")));
}
