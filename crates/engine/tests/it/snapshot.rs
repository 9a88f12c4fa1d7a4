//! A saved engine goes on like the one it was saved from, and nothing else can be loaded.

use crate::world::{Given, Recipe, World, bogus_fill, venue};
use domain::codec::CodecError;
use domain::{
    Candle, Control, EventBody, Instrument, InstrumentTable, MarketFlags, Nanos, Quote, Rate, Side, Trade, UnixNanos,
};
use risk::{Limits, Profile};
use testkit::generate::{Seeded, random_walk};

/// A way to make a world, and what it is given, by seed.
fn story(seed: u64, bars: u64) -> (Recipe, Vec<Given>) {
    let mut r = Seeded::new(seed);
    let mut table = InstrumentTable::default();
    let spot = testkit::add_spot(&mut table, "BTCUSDT", 2, 4);
    let mut perpetual = testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
    perpetual.margin_initial = Rate::from_bps(500);
    perpetual.margin_maintenance = Rate::from_bps(400);
    table.define(perpetual.clone()).unwrap();
    let feed = Nanos(r.within(0, 2_000_000).unsigned_abs());
    let venue = venue(&mut r, seed, feed, 70);
    let hard = Limits::default();
    let loose = Limits {
        position_fraction_max: Rate::from_raw(5 * Rate::ONE.raw()),
        stop_required: false,
        leverage_max: Rate::from_raw(15 * Rate::ONE.raw()),
        correlation_max: 1.0,
        ..hard
    };
    let profile = *r.pick(&[Profile::standard(), Profile::Research(loose), Profile::Off, Profile::Off]);
    let mut recipe = Recipe::new(table, venue, profile);
    if !profile.is_standard() && r.chance(70) {
        recipe.leverage_bps = 160_000;
    }
    if seed.is_multiple_of(3) {
        recipe.config.asking = Some(engine::AskPolicy::for_round_trip(Nanos::from_secs(2)));
        recipe.config.reconcile = Some(engine::ReconcilePolicy::every(Nanos::from_secs(120)));
    }
    let feed = r.within(0, 2);
    let instruments = [spot, perpetual];
    let walks = [
        random_walk(&instruments[0], seed, bars, 10_000, 90),
        random_walk(&instruments[1], seed + 7, bars, 10_000, 200),
    ];
    let mut given = Vec::new();
    for bar in 0..bars as usize {
        for (i, walk) in instruments.iter().zip(&walks) {
            let flags = if bar < 10 { MarketFlags::WARMUP } else { MarketFlags::default() };
            given.push(market(&mut r, feed, i, &Candle { flags, ..walk[bar] }));
        }
        if r.chance(2) {
            given.push(Given::Tell(EventBody::Control(*r.pick(&[Control::Pause, Control::Resume]))));
        }
        if r.chance(2) {
            let fee_taker = Rate::from_bps(r.within(0, 12) as i32);
            given
                .push(Given::Rules(Box::new(Instrument { fee_taker, ..instruments[r.within(0, 1) as usize].clone() })));
        }
    }
    // Near the end of some stories things happen that cannot.
    if r.chance(40) {
        let late = given.len() * 3 / 4;
        given.insert(late, Given::Tell(bogus_fill(&instruments[0])));
        let wrong = Instrument { price_decimals: 3, ..instruments[0].clone() };
        given.insert(late + 9, Given::Tell(engine::defined(wrong)));
        given.insert(late + 12, Given::Tell(EventBody::Control(Control::Resume)));
    }
    (recipe, given)
}

fn market(r: &mut Seeded, feed: i64, i: &Instrument, c: &Candle) -> Given {
    let close = c.ts_close();
    match feed {
        0 => Given::Candle(*c),
        1 => {
            let side = *r.pick(&[Side::Buy, Side::Sell]);
            let trade = testkit::trade(i, 0, c.close, r.within(1, 300_000), side);
            Given::Trade(Trade { ts_event: close, flags: c.flags, ..trade })
        }
        _ => {
            let (low, high) = (c.close - r.within(1, 9), c.close + r.within(1, 9));
            let quote = testkit::quote(i, 0, (low, r.within(1, 90_000)), (high, r.within(1, 90_000)));
            Given::Quote(Quote { ts_event: close, flags: c.flags, ..quote })
        }
    }
}

#[test]
fn a_loaded_engine_goes_on_like_the_saved_one() {
    let (mut orders, mut positions, mut faults, mut fills, mut forced, mut funding, mut partial) =
        (0, 0, 0, 0, 0, 0, 0);
    for seed in 0..48 {
        let (recipe, given) = story(seed, 220);
        let mut r = Seeded::new(seed ^ 0xBEEF);
        let at: Vec<usize> = (0..4).map(|_| r.within(0, given.len() as i64 - 1) as usize).collect();
        let mut original = recipe.begun();
        let mut loaded: Vec<(usize, usize, World)> = Vec::new();
        for (n, given) in given.iter().enumerate() {
            original.give(given);
            for (from, said, copy) in &mut loaded {
                copy.give(given);
                assert_eq!(copy.said, original.said[*said..], "seed {seed}, saved after {from}, commands at {n}");
                assert_eq!(copy.engine.digest(), original.engine.digest(), "seed {seed}, saved after {from}, at {n}");
            }
            if at.contains(&n) {
                let bytes = original.save();
                let copy = recipe.fresh().load(&bytes, Some(&original)).unwrap();
                assert_eq!(copy.seen(), original.seen(), "seed {seed}, saved after {n}");
                assert_eq!(copy.save(), bytes, "seed {seed}, saved after {n}");
                let (held, working) = copy.counts();
                positions += held;
                orders += working;
                faults += copy.engine.faults().len();
                loaded.push((n, original.said.len(), copy));
            }
        }
        for (from, _, copy) in &loaded {
            assert_eq!(copy.seen(), original.seen(), "seed {seed}, saved after {from}, at the end");
            assert_eq!(copy.save(), original.save(), "seed {seed}, saved after {from}, at the end");
        }
        for report in &original.reports {
            match report.body {
                domain::ReportBody::Filled { fill, complete } => {
                    fills += 1;
                    partial += u64::from(!complete);
                    forced += u64::from(fill.client_id.epoch() == u32::MAX);
                }
                domain::ReportBody::Funding { .. } => funding += 1,
                _ => {}
            }
        }
    }
    // The runs did what they are for.
    assert!(orders > 100 && positions > 100 && faults > 5, "{orders} orders, {positions} positions, {faults} faults");
    assert!(fills > 2_000 && partial > 100 && forced > 2 && funding > 100, "{fills} {partial} {forced} {funding}");
}

/// A small state with something of everything: positions, orders that work, one that waits, a fault.
fn small() -> (Recipe, Vec<u8>) {
    (0..400)
        .find_map(|seed| {
            let (recipe, given) = story(seed, 40);
            let mut world = recipe.begun();
            given.iter().for_each(|g| world.give(g));
            let (held, working) = world.counts();
            (held > 1 && working > 3 && !world.engine.faults().is_empty()).then(|| (recipe, world.save()))
        })
        .unwrap()
}

#[test]
fn every_truncation_is_refused() {
    let (recipe, bytes) = small();
    for end in 0..bytes.len() {
        assert!(recipe.fresh().load(&bytes[..end], None).is_err(), "{end} of {} bytes", bytes.len());
    }
}

#[test]
fn damage_is_an_error_or_another_state_and_never_a_panic() {
    let (recipe, bytes) = small();
    let mut r = Seeded::new(5);
    let mut refused = 0;
    for _ in 0..1_000 {
        let mut damaged = bytes.clone();
        for _ in 0..r.within(1, 3) {
            let at = r.within(0, bytes.len() as i64 - 1) as usize;
            damaged[at] = if r.chance(50) { r.bits() as u8 } else { damaged[at] ^ 1 << r.within(0, 7) };
        }
        match recipe.fresh().load(&damaged, None) {
            Err(_) => refused += 1,
            Ok(world) => {
                // Whatever it is, it can be looked at, and saved and loaded again.
                let again = recipe.fresh().load(&world.save(), None).unwrap();
                assert_eq!(again.engine.state_digest(), world.engine.state_digest());
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[track_caller]
fn refused(recipe: &Recipe, bytes: &[u8], by: &str) {
    let error = recipe.fresh().load(bytes, None).err().unwrap().to_string();
    assert!(error.contains(by), "{error}, expected {by}");
}

#[test]
fn another_configuration_is_refused_by_name() {
    let (recipe, bytes) = (0..100)
        .find_map(|seed| {
            let (recipe, given) = story(seed, 30);
            let mut world = recipe.begun();
            given.iter().for_each(|g| world.give(g));
            recipe.config.profile.limits().is_some().then(|| (recipe, world.save()))
        })
        .unwrap();
    let with = |change: &dyn Fn(&mut Recipe)| {
        let mut other = recipe.clone();
        change(&mut other);
        other
    };
    let limits = *recipe.config.profile.limits().unwrap();
    let tighter = Limits { positions_max: limits.positions_max - 1, ..limits };
    refused(&with(&|r| r.config.profile = Profile::Off), &bytes, "the profile of the limits differs");
    refused(&with(&|r| r.config.profile = Profile::Research(tighter)), &bytes, "limit");
    refused(&with(&|r| r.config.epoch = 2), &bytes, "the epoch of orders");
    refused(&with(&|r| r.config.correlation_every = Nanos::from_secs(120)), &bytes, "how often correlations");
    refused(&with(&|r| r.config.correlation_lateness = Nanos(5)), &bytes, "how late correlations");
    refused(&with(&|r| r.config.accounts.push(domain::AccountId(1))), &bytes, "the accounts");
    refused(
        &with(&|r| r.percent = 26),
        &bytes,
        "strategy 0: gambler is configured, and the one that was saved has other parameters",
    );
    refused(&with(&|r| r.rules[1].1 = "fast=3,slow=9"), &bytes, "strategy 2: ema-cross");
    refused(&with(&|r| r.rules[1].1 = "fast=3,slow=8,enter=level"), &bytes, "strategy 2: ema-cross");
    refused(&with(&|r| r.rules[1].2 = "pct:3"), &bytes, "strategy 2: ema-cross");
    refused(&with(&|r| r.rules[0].2 = "atr:5:2"), &bytes, "strategy 1: donchian");
    refused(&with(&|r| r.rules[0].1 = "entry=7,exit=4,bar=2m"), &bytes, "strategy 1: donchian");
    refused(
        &with(&|r| r.rules[0] = ("sma-cross", "fast=3", "atr:5:3")),
        &bytes,
        "the strategy that was saved is donchian",
    );
    refused(&with(&|r| r.rules.truncate(1)), &bytes, "the number of strategies");
    refused(&with(&|r| r.venue.queue = !r.venue.queue), &bytes, "whether orders queue");
    let more_precise = |r: &mut Recipe| {
        let mut table = InstrumentTable::default();
        table.asset("BTC", 7).unwrap();
        for asset in r.table.assets() {
            if asset.code != "BTC" {
                table.asset(&asset.code, asset.decimals).unwrap();
            }
        }
        r.table.instruments().iter().for_each(|i| table.define(i.clone()).unwrap());
        r.table = table;
    };
    refused(&with(&more_precise), &bytes, "assets or their precision");
    let error = recipe.fresh().load(&[9, 0, 0, 0], None).err().unwrap();
    assert_eq!(error, CodecError::Version { what: "an engine", expected: 3, found: 9 });
    let error = recipe.begun().load(&bytes, None).err().unwrap().to_string();
    assert!(error.contains("a fresh engine"), "{error}");
}

#[test]
fn a_late_stamp_after_loading_is_clamped_to_the_saved_time() {
    let (recipe, given) = story(3, 30);
    let mut world = recipe.begun();
    given.iter().for_each(|g| world.give(g));
    let mut copy = recipe.fresh().load(&world.save(), Some(&world)).unwrap();
    let late = testkit::trade(&recipe.table.instruments()[0], 0, 10_000, 1, Side::Buy);
    for world in [&mut world, &mut copy] {
        let clamped = world.engine.clamped();
        world.give(&Given::Tell(EventBody::Trade(Trade { ts_event: UnixNanos(1), ..late })));
        assert_eq!(world.engine.clamped(), clamped + 1);
    }
    assert_eq!(copy.seen(), world.seen());
}
