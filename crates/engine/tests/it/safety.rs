//! Whatever happens in whatever order: no approved order breaches a hard limit together with all that is on its way, no reduction is
//! refused but for its reasons, and in an emergency nothing is open that should not be.
//!
//! `BOT4_SAFETY_STEPS` sets how many steps are made (the command of the long form sets ten million).

use crate::referee::Referee;
use crate::world::{Given, Recipe, venue};
use domain::{
    Candle, Cause, Control, EventBody, Holder, Instrument, InstrumentTable, LimitKey, Mode, Money, Nanos, Quote, Rate,
    Rearm, Side, Trade,
};
use engine::StopPolicy;
use risk::{Limits, Profile};
use std::collections::BTreeMap;
use testkit::generate::{Seeded, random_walk};

/// A way to make a world, by seed: several instruments, latency, partial fills.
fn recipe(r: &mut Seeded, seed: u64) -> (Recipe, Vec<Instrument>) {
    let mut table = InstrumentTable::default();
    let mut instruments = vec![testkit::add_spot(&mut table, "BTCUSDT", 2, 4)];
    for symbol in ["ETHUSDT", "SOLUSDT", "XRPUSDT"].iter().take(r.within(1, 3) as usize) {
        let mut perpetual = testkit::add_perpetual(&mut table, symbol, 2, 3);
        perpetual.margin_initial = Rate::from_bps(500);
        perpetual.margin_maintenance = Rate::from_bps(400);
        table.define(perpetual.clone()).unwrap();
        instruments.push(perpetual);
    }
    let venue = venue(r, seed, Nanos(0), 0);
    let wide = Limits {
        position_fraction_max: Rate::from_raw(2 * Rate::ONE.raw()),
        correlation_max: 1.0,
        correlation_samples_min: 2,
        ..Limits::default()
    };
    let profile = *r.pick(&[Profile::standard(), Profile::Research(wide), Profile::Research(wide)]);
    let mut recipe = Recipe::new(table, venue, profile);
    recipe.leverage_bps = 30_000;
    if r.chance(50) {
        recipe.config.guard = Some(risk::GuardConfig::default());
    }
    // The venue is often slower than that: stops are then taken for lost, closed at the market, and come after all.
    let confirm_within = r.chance(60).then(|| Nanos::from_secs(r.within(1, 150).unsigned_abs()));
    recipe.config.stops = StopPolicy { confirm_within, slippage: Rate::from_bps(10), lists: false };
    (recipe, instruments)
}

fn market(r: &mut Seeded, feed: i64, i: &Instrument, c: &Candle) -> Given {
    match feed {
        0 => Given::Candle(*c),
        1 => {
            let side = *r.pick(&[Side::Buy, Side::Sell]);
            Given::Trade(Trade { ts_event: c.ts_close(), ..testkit::trade(i, 0, c.close, r.within(1, 300_000), side) })
        }
        _ => {
            let (low, high) = (c.close - r.within(1, 9), c.close + r.within(1, 9));
            let quote = testkit::quote(i, 0, (low, r.within(1, 90_000)), (high, r.within(1, 90_000)));
            Given::Quote(Quote { ts_event: c.ts_close(), ..quote })
        }
    }
}

fn from_outside(r: &mut Seeded) -> Control {
    let holder = Holder::new("anna").unwrap();
    match r.within(0, 6) {
        0 => Control::Trip {
            cause: *r.pick(&[Cause::Kill, Cause::Hardware, Cause::Signal]),
            flatten: r.chance(40),
            including_stops: r.chance(20),
        },
        1 => Control::Restrict { to: *r.pick(&[Mode::Reduced, Mode::Paused]), cancel_entries: r.chance(50), holder },
        2 => Control::Pause,
        3 => Control::Resume,
        4 => {
            Control::Tighten { limit: *r.pick(&LimitKey::ALL), to: Money::from_units(r.within(0, 4)).raw() / 2, holder }
        }
        _ => Control::Rearm { what: Rearm::Account, holder },
    }
}

/// Plays one story; how many events the engine was given.
fn play(seed: u64, bars: u64, sum: &mut [u64; 6], worked: &mut BTreeMap<&'static str, u64>) -> u64 {
    let mut r = Seeded::new(seed);
    let (recipe, instruments) = recipe(&mut r, seed);
    let feed = r.within(0, 2);
    let wild = *r.pick(&[60, 200, 700]);
    let walks: Vec<_> =
        instruments.iter().zip(0..).map(|(i, n)| random_walk(i, seed ^ n << 32, bars, 10_000, wild)).collect();
    let mut world = recipe.fresh();
    world.watch(Referee::of(instruments.clone()), seed);
    recipe.begin(&mut world);
    for bar in 0..bars as usize {
        for (i, walk) in instruments.iter().zip(&walks) {
            let mut candle = walk[bar];
            if r.chance(1) {
                // A print that cannot be: far off, or nothing.
                candle.close = *r.pick(&[candle.close * 1_000, 1, candle.close / 1_000 + 1]);
                (candle.high, candle.low) = (candle.high.max(candle.close), candle.low.min(candle.close));
            }
            world.give(&market(&mut r, feed, i, &candle));
        }
        if r.chance(3) {
            world.give(&Given::Tell(EventBody::Control(from_outside(&mut r))));
        }
        if r.chance(1) {
            // Somebody else raises the word: the engine hears of it later.
            world.raise(1);
        }
        if r.chance(2) {
            world.hear();
        }
    }
    let events = world.events();
    let seen = world.referee().unwrap();
    seen.worked.iter().chain(&seen.groups).for_each(|(name, n)| *worked.entry(name).or_default() += n);
    for (sum, n) in
        sum.iter_mut().zip([seen.entries, seen.reductions, seen.emergencies, seen.refused, world.stopped, events])
    {
        *sum += n;
    }
    events
}

#[test]
#[expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test is told how long to be, and says what it did"
)]
fn no_sequence_of_events_crosses_a_limit_or_leaves_an_emergency_unprotected() {
    let steps: u64 = std::env::var("BOT4_SAFETY_STEPS").ok().and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let first: u64 = std::env::var("BOT4_SAFETY_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let (mut done, mut seed, mut sum, mut worked) = (0, first, [0; 6], BTreeMap::new());
    while done < steps {
        done += play(seed, 400, &mut sum, &mut worked);
        seed += 1;
    }
    println!("worked: {worked:?}");
    let all = [
        "twap",
        "vwap",
        "pov",
        "implementation-shortfall",
        "passive-then-aggressive",
        "iceberg",
        "filled",
        "deadline",
        "replaced",
        "closing",
        "paused",
        "refused",
        "market",
    ];
    assert!(all.iter().all(|name| worked.contains_key(name)), "{worked:?}");
    let groups = [
        "one_cancels_other",
        "one_triggers_other",
        "legs",
        "chosen",
        "released",
        "dropped",
        "broken",
        "unwinding",
        "excess",
        "over",
        "refused",
    ];
    assert!(groups.iter().all(|name| worked.contains_key(name)), "{worked:?}");
    let [entries, reductions, emergencies, refused, stopped, events] = sum;
    println!(
        "{events} events, {entries} entries, {reductions} reductions, {emergencies} emergencies, {refused} refusals, {stopped} orders stopped \
         by the word, seeds {first}..{seed}"
    );
    // Each of the things that are held must have happened.
    for (what, n) in [
        ("entries", entries),
        ("reductions", reductions),
        ("emergencies", emergencies),
        ("refusals", refused),
        ("stopped", stopped),
    ] {
        assert!(n >= steps / 10_000, "{n} {what} in {steps} steps");
    }
}
