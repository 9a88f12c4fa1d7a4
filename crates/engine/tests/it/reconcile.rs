//! Held against what the venue says: whatever is lost, doubled or late, both sides agree when that ends, and no fill is invented.

use crate::hall::{ACCOUNT, BTC, Hall, Script, report, signal, words};
use crate::world::{Given, Noise, Recipe, World, venue};
use domain::{
    AccountReport, AssetIdx, Cause, ClientOrderId, Control, DifferenceKind, EventBody, Execution, Fill, Holder,
    InstrumentTable, Intent, Mode, Money, Movement, MovementKind, Nanos, OrderQuantity, OrderSpec, OrderStatus,
    OrderType, Output, Quantity, Quote, Rate, Rearm, ReportBody, Side, StrategyIdx, TimeInForce, TimerFired, Trade,
    UnixNanos, VenueOrder, VenueOrderId, VenueState,
};
use engine::{AskPolicy, EngineConfig, ReconcilePolicy};
use risk::{Limits, Profile};
use std::collections::BTreeSet;
use std::sync::Arc;
use testkit::generate::{Seeded, random_walk};

fn asking() -> AskPolicy {
    AskPolicy { answer_within: Nanos::from_secs(20), grace: Nanos::from_secs(60), denials: 3 }
}

/// A story with a network that loses, doubles and delays, then time without any of that.
fn play(seed: u64, bars: u64, sum: &mut Sum) -> World {
    let mut r = Seeded::new(seed);
    let mut table = InstrumentTable::default();
    let spot = testkit::add_spot(&mut table, "BTCUSDT", 2, 4);
    let mut perpetual = testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
    perpetual.margin_initial = Rate::from_bps(500);
    perpetual.margin_maintenance = Rate::from_bps(400);
    table.define(perpetual.clone()).unwrap();
    let mut config = venue(&mut r, seed, Nanos(0), 50);
    // Slow, but not slower than what the policy allows for.
    config.latency.report = Nanos(config.latency.report.0.min(5_000_000_000));
    let wide = Limits {
        position_fraction_max: Rate::from_raw(2 * Rate::ONE.raw()),
        correlation_max: 1.0,
        correlation_samples_min: 2,
        ..Limits::default()
    };
    let mut recipe = Recipe::new(table, config, Profile::Research(wide));
    recipe.leverage_bps = 20_000;
    recipe.config.asking = Some(asking());
    recipe.config.reconcile = Some(ReconcilePolicy::every(Nanos::from_secs(60)));
    let confirm_within = r.chance(50).then(|| Nanos::from_secs(20));
    recipe.config.stops = engine::StopPolicy { confirm_within, slippage: Rate::from_bps(10) };
    let instruments = [spot, perpetual];
    let walks: Vec<_> =
        instruments.iter().zip(0..).map(|(i, n)| random_walk(i, seed ^ n << 32, bars, 10_000, 40)).collect();
    let mut world = recipe.begun();
    world.noise = Some(Noise::new(seed));
    let mut last = testkit::T0;
    for bar in 0..bars as usize {
        for (i, walk) in instruments.iter().zip(&walks) {
            let c = walk[bar];
            last = c.ts_close();
            let given = if seed.is_multiple_of(2) {
                let side = *r.pick(&[Side::Buy, Side::Sell]);
                Given::Trade(Trade { ts_event: last, ..testkit::trade(i, 0, c.close, r.within(1, 300_000), side) })
            } else {
                let quote =
                    testkit::quote(i, 0, (c.close - 2, r.within(1, 90_000)), (c.close + 2, r.within(1, 90_000)));
                Given::Quote(Quote { ts_event: last, ..quote })
            };
            world.give(&given);
        }
    }
    let noise = world.noise.take().unwrap();
    sum.lost += noise.counts[0];
    sum.doubled += noise.counts[1];
    sum.late += noise.counts[2];
    // Strategies say nothing any more; everything that is under way comes to its end.
    // Half a minute after the last funding.
    world.pass(last.saturating_add(Nanos::from_secs(3_630)));
    world
}

#[derive(Default, Debug)]
struct Sum {
    lost: u64,
    doubled: u64,
    late: u64,
    fills: u64,
    recovered: u64,
    ends: u64,
    adopted: u64,
    unexplained: u64,
    repeated: u64,
}

#[test]
fn both_sides_agree_when_the_faults_cease() {
    let mut sum = Sum::default();
    let seeds = std::env::var("BOT4_RECONCILE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let first = std::env::var("FIRST").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for seed in first..seeds {
        let world = play(seed, 120, &mut sum);
        let (engine, venue) = (&world.engine, &world.venue);
        if std::env::var("DBG").is_ok() {
            let st = venue.state_of(ACCOUNT, UnixNanos(0));
            for e in &st.executions {
                if !engine.desk().executions().knows(&e.fill) {
                    println!("MISSED {e:?}");
                }
            }
            for m in &st.movements {
                if !engine.reconciler().unwrap().knows_movement(ACCOUNT, m) {
                    println!("MISSED {m:?}");
                }
            }
            println!("{:?} {:?}", st.positions, engine.portfolio().positions().collect::<Vec<_>>());
            println!("{} {:?} {:?}", st.complete, engine.mode(), engine.reconciler().unwrap());
        }
        for (n, asset) in (0u16..).zip(engine.table().assets()) {
            let asset_idx = AssetIdx(n);
            assert_eq!(
                engine.portfolio().balance(ACCOUNT, asset_idx),
                venue.balance(ACCOUNT, asset_idx),
                "seed {seed}: {}, faults {:?}",
                asset.code,
                engine.faults()
            );
        }
        for i in engine.table().instruments() {
            let ours = engine.portfolio().net_quantity(ACCOUNT, i.idx);
            assert_eq!(ours, venue.position(ACCOUNT, i.idx), "seed {seed}: {}", i.symbol);
        }
        let ours: BTreeSet<ClientOrderId> = engine.orders().iter().map(|w| w.spec.client_id).collect();
        let state = venue.state_of(ACCOUNT, UnixNanos(0));
        let theirs: BTreeSet<ClientOrderId> = state.orders.iter().map(|o| o.spec.client_id).collect();
        assert_eq!(
            ours,
            theirs,
            "seed {seed}: orders that one side does not know: {:#?}",
            engine.orders().iter().filter(|w| !theirs.contains(&w.spec.client_id)).collect::<Vec<_>>()
        );
        assert!(!engine.reconciler().unwrap().differs(), "seed {seed}");
        sum.repeated += engine.desk().executions().repeated();
        sum.fills += world.reports.iter().filter(|r| matches!(r.body, ReportBody::Filled { .. })).count() as u64;
        let mut said = domain::codec::Reader::new(&world.said);
        while !said.rest().is_empty() {
            let record = <risk::CommandRecord as domain::codec::Stored>::take(&mut said).unwrap();
            let risk::CommandRecord::Decision(decision) = record else { continue };
            match decision {
                risk::Decision::Difference(d) => match d.kind {
                    DifferenceKind::MissedFill => sum.recovered += 1,
                    DifferenceKind::MissedEnd => sum.ends += 1,
                    kind if kind.is_unexplained() => {
                        if std::env::var("DBG2").is_ok() {
                            println!("seed {seed}: {d:?}");
                        }
                        sum.unexplained += 1;
                    }
                    _ => {}
                },
                risk::Decision::Alert(alert) if alert.kind == domain::AlertKind::Adopted => sum.adopted += 1,
                _ => {}
            }
        }
    }
    assert_eq!(sum.unexplained, 0, "all of it can be found out: {sum:?}");
    let shows = sum.lost > 500 && sum.doubled > 500 && sum.late > 500 && sum.recovered > 100 && sum.ends > 20;
    assert!(shows && sum.repeated > 100, "the run shows too little: {sum:?}");
}
