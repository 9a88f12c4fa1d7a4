//! Digests of three reference runs, as constants.
//!
//! A digest moves when any input, order or decision of the run does. A change that is only meant to make things faster, shorter or
//! clearer must leave them alone. Where a digest does move, the question is which decision changed and whether that was wanted: put the
//! new value here only with that answer, in a commit that says it, because every result ever reported moves with it.
//! The failing test prints the new value.

use crate::harness::{candles, digest, input};
use bot4::runner::drive::{Silent, drive};
use bot4::runner::plan::{Listed, Plan, RunConfig, Units};
use bot4::runner::source::Input;
use domain::{Instrument, InstrumentTable, Nanos, Rate, Side, SizeRequest};
use risk::{Limits, Profile};
use sim::{FeeAsset, Funding, Jitter, Latency, Slippage, VenueConfig};
use std::sync::atomic::AtomicBool;
use store::history::Rows;
use strategy::{Blueprint, Params, StopRule};
use testkit::generate::{Seeded, random_walk};

fn config(
    strategies: &[(&str, &str)],
    size: SizeRequest,
    stop: &str,
    profile: Profile,
    venue: VenueConfig,
) -> RunConfig {
    let blueprint = |(name, params): &(&str, &str)| {
        let mut given = Params::default();
        params.split(',').filter(|p| !p.is_empty()).for_each(|p| given.add(p).unwrap());
        Blueprint::new(name, given, size, StopRule::parse(stop).unwrap()).unwrap()
    };
    let strategies = strategies.iter().map(blueprint).collect();
    RunConfig {
        cash: testkit::money("10000"),
        strategies,
        venue,
        profile,
        restricted: Vec::new(),
        units: Units::Lot,
        schedule: None,
        fees: (None, None),
        keep: false,
        reconcile_every: None,
    }
}

/// Holds the digest of a run, with its numbers of orders and fills so that a moved digest is easier to read.
#[track_caller]
fn hold(
    config: &RunConfig,
    table: &InstrumentTable,
    interval_s: Option<u32>,
    inputs: Vec<Input>,
    expected: (u64, u64, &str),
) {
    let instruments = table.instruments();
    let listed: Vec<Listed> = instruments.iter().map(|i| Listed { instrument: i.clone(), interval_s }).collect();
    let mut plan = Plan::new(config, table, &listed).unwrap();
    let mut begin = plan.begin();
    drive(&mut plan.session, inputs, &mut plan.recorder, &mut Silent, &AtomicBool::new(false), &mut begin).unwrap();
    assert_eq!(plan.session.engine.faults(), []);
    let digest = digest(&plan.session).to_string();
    assert_eq!((plan.recorder.orders, plan.recorder.fills, digest.as_str()), expected);
}

#[test]
fn two_strategies_on_minutes_of_two_instruments_with_default_risk() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let eth = testkit::add_spot(&mut table, "ETHUSDT", 2, 4);
    let venue = VenueConfig {
        participation: Some(Rate::from_bps(1_000)),
        fee_asset: FeeAsset::Venue,
        ..VenueConfig::frictionless()
    };
    let strategies = [("sma-cross", "bar=15m"), ("donchian", "bar=1h")];
    let config = config(&strategies, SizeRequest::Cap, "atr:14:3", Profile::standard(), venue);
    let walk = |i: &Instrument, seed, start: i64| candles(i, &random_walk(i, seed, 20_000, start, start / 400));
    let inputs = vec![walk(&btc, 1, 4_000_000), walk(&eth, 2, 250_000)];
    hold(&config, &table, Some(60), inputs, (93, 64, "daa25af9addec110f6abeb5a7093918b"));
}

#[test]
fn trades_with_latency_and_slippage() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let mut random = Seeded::new(3);
    let (mut nanos, mut price) = (0, 4_000_000);
    let trades = (0..20_000)
        .map(|_| {
            nanos += random.within(1, 400_000_000).unsigned_abs();
            price += random.within(-300, 300);
            let side = *random.pick(&[Side::Buy, Side::Sell]);
            testkit::trade(&btc, nanos, price, random.within(1, 500_000), side)
        })
        .collect();
    let venue = VenueConfig {
        slippage: Slippage::Impact { spread: Rate::from_bps(2), coefficient: Rate::from_bps(50) },
        latency: Latency {
            feed: Nanos(1_000_000),
            order: Nanos(2_000_000),
            report: Nanos(3_000_000),
            jitter: Some(Jitter { max: Nanos(5_000_000), seed: 9 }),
        },
        ..VenueConfig::frictionless()
    };
    let strategies = [("ema-cross", "fast=5,slow=20"), ("donchian", "bar=1m")];
    let size = SizeRequest::EquityFraction(Rate::from_bps(1_000));
    let config = config(&strategies, size, "pct:1", Profile::Off, venue);
    hold(
        &config,
        &table,
        None,
        vec![input(btc.idx, Rows::Trades(trades))],
        (1653, 1100, "cbfe0285ef1182bd286287376f95aef0"),
    );
}

#[test]
fn a_perpetual_both_ways_with_funding() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3);
    let funding = Some(Funding { rate: Rate::from_bps(1), every: Nanos::from_secs(8 * 3_600) });
    let venue = VenueConfig { funding, slippage: Slippage::Bps(Rate::from_bps(2)), ..VenueConfig::frictionless() };
    let strategies = [("ema-cross", "fast=10,slow=30,short=yes"), ("sma-cross", "fast=10,slow=40,bar=5m,short=yes")];
    let size = SizeRequest::EquityFraction(Rate::from_bps(5_000));
    let limits = Limits { position_fraction_max: Rate::from_bps(30_000), ..Limits::default() };
    let config = config(&strategies, size, "atr:14:4", Profile::Research(limits), venue);
    let inputs = vec![candles(&btc, &random_walk(&btc, 4, 20_000, 4_000_000, 8_000))];
    hold(&config, &table, Some(60), inputs, (1331, 887, "8d311b9d275ed584e3a7b25420f2f6c9"));
}
