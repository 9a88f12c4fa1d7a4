//! The ledger against the venue: whatever strategies do, both hold the same to the last unit, and no order is lost.

use crate::harness::{
    Gambler, Log, Scripted, assert_agree, assert_identity, begin, candles, go_on, input, run, session, signal,
};
use bot4::runner::session::Session;
use bot4::runner::source::Input;
use domain::{
    Candle, Instrument, InstrumentTable, Intent, Nanos, Output, Quote, Rate, Side, Signal, SizeRequest, StopPlan,
    Trade, UnixNanos,
};
use risk::{DenyReason, Limits, Profile};
use sim::{Exec, FeeAsset, Funding, Jitter, Latency, LimitFill, Slippage, VenueConfig};
use std::collections::BTreeMap;
use store::history::{DataKind, Row, Rows};
use strategy::Strategy;
use testkit::generate::{Seeded, random_walk};

/// Rows cut so that those of one instant come together: between two of them nothing is half done.
fn by_instant(inputs: &[(Instrument, Rows)]) -> Vec<(UnixNanos, Vec<Input>)> {
    let mut instants: BTreeMap<UnixNanos, Vec<Rows>> = BTreeMap::new();
    for (source, (_, rows)) in inputs.iter().enumerate() {
        for at in 0..rows.len() {
            let row = rows.get(at).unwrap();
            let empty = || inputs.iter().map(|(_, rows)| Rows::new(rows.kind())).collect();
            let slot = &mut instants.entry(row.ts()).or_insert_with(empty)[source];
            match (row, slot) {
                (Row::Candle(c), Rows::Candles(out)) => out.push(*c),
                (Row::Trade(t), Rows::Trades(out)) => out.push(*t),
                (Row::Quote(q), Rows::Quotes(out)) => out.push(*q),
                (_, slot) => unreachable!("a source has one kind of rows, not {:?}", slot.kind()),
            }
        }
    }
    let inputs = |rows: Vec<Rows>| inputs.iter().zip(rows).map(|((i, _), rows)| input(i.idx, rows)).collect();
    instants.into_iter().map(|(ts, rows)| (ts, inputs(rows))).collect()
}

/// Limits so wide that most orders pass and every check is made.
fn wide() -> Profile {
    Profile::Research(Limits {
        position_fraction_max: Rate::from_bps(6_000),
        positions_max: 10,
        correlation_max: 1.0,
        stop_required: false,
        correlation_samples_min: 2,
        ..Limits::default()
    })
}

fn venue(random: &mut Seeded) -> VenueConfig {
    VenueConfig {
        exec: *random.pick(&[Exec::NextOpen, Exec::NextOpen, Exec::SignalClose]),
        slippage: *random.pick(&[
            Slippage::None,
            Slippage::Bps(Rate::from_bps(7)),
            Slippage::Impact { spread: Rate::from_bps(3), coefficient: Rate::from_bps(80) },
        ]),
        participation: *random.pick(&[None, Some(Rate::from_bps(2_000)), Some(Rate::from_bps(50))]),
        fee_asset: *random.pick(&[FeeAsset::Quote, FeeAsset::Venue]),
        limit_fill: *random.pick(&[LimitFill::Through, LimitFill::Touch]),
        ..VenueConfig::frictionless()
    }
}

fn gamblers(random: &mut Seeded, table: &InstrumentTable, percent: i64) -> Vec<Box<dyn Strategy>> {
    let all: Vec<_> = table.instruments().iter().map(|i| i.idx).collect();
    let mut strategies: Vec<Box<dyn Strategy>> = vec![Gambler::new(all.clone(), random.bits(), percent)];
    for _ in 0..random.within(0, 3) {
        strategies.push(Gambler::new(vec![*random.pick(&all)], random.bits(), percent));
    }
    strategies
}

/// What a run did, so that a test can show that it tested something.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    fills: usize,
    partly: usize,
    refusals: usize,
    funding: usize,
    compared: usize,
}

impl Done {
    fn add(&mut self, other: Self) {
        self.fills += other.fills;
        self.partly += other.partly;
        self.refusals += other.refusals;
        self.funding += other.funding;
        self.compared += other.compared;
    }
}

/// Plays all rows and compares whenever nothing is on its way.
fn play(session: &mut Session, table: &InstrumentTable, inputs: &[(Instrument, Rows)], about: &str) -> Done {
    let mut log = Log::default();
    let mut done = Done::default();
    let mut last = UnixNanos(0);
    for (ts, instant) in by_instant(inputs) {
        if last == UnixNanos(0) {
            begin(session, testkit::T0, table, "100000", &mut log);
        }
        last = ts;
        go_on(session, instant, &mut log);
        assert_eq!(session.engine.faults(), [], "{about} at {}", ts.0);
        // Funding is due at a later time and changes nothing before.
        if session.venue.next_due().is_none() || session.venue.config().funding.is_some() {
            done.compared += 1;
            assert_agree(session, table, about);
        }
    }
    session.service(last.saturating_add(Nanos::from_secs(600)), &mut log).unwrap();
    assert_eq!(session.engine.faults(), [], "{about}");
    assert_agree(session, table, about);
    assert_identity(session, table, about);
    log.assert_reconciled(session, about);
    done.fills = log.fills.len();
    done.partly = log.lives.values().filter(|life| life.filled > 0).count();
    done.refusals = log.refusals.len();
    done.funding = log.funding.len();
    done
}

#[test]
fn on_candles_the_ledger_and_the_venue_agree_after_every_instant() {
    let mut all = Done::default();
    for seed in 0..100 {
        let mut random = Seeded::new(seed);
        let mut table = InstrumentTable::default();
        let mut instruments = vec![testkit::add_spot(&mut table, "BTCUSDT", 2, 5)];
        if random.chance(70) {
            // Ten decimals of price x quantity: finer than the quote asset, so that every fill is rounded.
            instruments.push(testkit::add_spot(&mut table, "ETHUSDT", 4, 6));
        }
        let mut config = venue(&mut random);
        if seed % 2 == 1 {
            instruments.push(testkit::add_perpetual(&mut table, "SOLUSDT", 4, 5));
            config.funding = Some(Funding {
                rate: Rate::from_bps(i32::try_from(random.within(-9, 9)).unwrap()),
                every: Nanos::from_secs(3_600),
            });
        }
        let profile = if random.chance(50) { wide() } else { Profile::Off };
        let strategies = gamblers(&mut random, &table, 25);
        let start = |i: &Instrument| match i.symbol.as_str() {
            "BTCUSDT" => 4_000_000,
            "ETHUSDT" => 25_000_000,
            _ => 1_500_000,
        };
        let rows: Vec<(Instrument, Rows)> = (instruments.iter())
            .map(|i| {
                let start = start(i);
                let mut rows = random_walk(i, random.bits(), 240, start, start / 250);
                // Gaps and bars without volume, as real series have.
                rows.retain(|_| !random.chance(2));
                rows.iter_mut().for_each(|c: &mut Candle| c.volume *= i64::from(!random.chance(5)));
                (i.clone(), Rows::Candles(rows))
            })
            .collect();
        let about = format!("seed {seed}, {config:?}");
        let mut session = session(&table, config, profile, strategies);
        all.add(play(&mut session, &table, &rows, &about));
    }
    assert!(all.fills > 5_000 && all.refusals > 1_000 && all.funding > 50 && all.compared > 20_000, "{all:?}");
}

/// Seconds of quotes around a walking price, with trades in between.
fn ticks(i: &Instrument, random: &mut Seeded, n: u64, start: i64) -> (Vec<Quote>, Vec<Trade>) {
    let (mut quotes, mut trades) = (Vec::new(), Vec::new());
    let mut middle = start;
    let mut nanos = 0;
    for _ in 0..n {
        nanos += random.within(0, 900_000_000).unsigned_abs();
        middle = (middle + random.within(-start / 2_000, start / 2_000)).max(1_000);
        if random.chance(50) {
            let half = random.within(1, 20);
            let size = |random: &mut Seeded| random.within(0, 300_000);
            let (bid, ask) = (size(random), size(random));
            quotes.push(testkit::quote(i, nanos, (middle - half, bid), (middle + half, ask)));
        } else {
            let side = *random.pick(&[Side::Buy, Side::Sell]);
            let price = middle + random.within(-15, 15);
            trades.push(testkit::trade(i, nanos, price, random.within(1, 400_000), side));
        }
    }
    (quotes, trades)
}

#[test]
fn on_trades_and_quotes_with_latency_they_agree_whenever_nothing_is_on_its_way() {
    let mut all = Done::default();
    for seed in 0..60 {
        let mut random = Seeded::new(1_000 + seed);
        let mut table = InstrumentTable::default();
        let a = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let b = if seed % 3 == 0 {
            testkit::add_perpetual(&mut table, "ETHUSDT", 3, 3)
        } else {
            testkit::add_spot(&mut table, "ETHUSDT", 3, 3)
        };
        let mut config = VenueConfig { queue: random.chance(50), ..venue(&mut random) };
        let some = |random: &mut Seeded| Nanos(random.within(0, 300_000_000).unsigned_abs());
        config.latency = match seed % 3 {
            0 => Latency::ZERO,
            1 => Latency { feed: some(&mut random), order: some(&mut random), report: some(&mut random), jitter: None },
            _ => Latency {
                feed: Nanos(0),
                order: some(&mut random),
                report: some(&mut random),
                jitter: Some(Jitter { max: some(&mut random), seed }),
            },
        };
        let (a_quotes, a_trades) = ticks(&a, &mut random, 600, 4_000_000);
        let (b_quotes, b_trades) = ticks(&b, &mut random, 600, 2_500_000);
        let mut rows = vec![(a.clone(), Rows::Trades(a_trades)), (b.clone(), Rows::Trades(b_trades))];
        if random.chance(70) {
            rows.push((a, Rows::Quotes(a_quotes)));
            rows.push((b, Rows::Quotes(b_quotes)));
        }
        assert_eq!(rows[0].1.kind(), DataKind::Trades);
        let profile = if random.chance(50) { wide() } else { Profile::Off };
        let strategies = gamblers(&mut random, &table, 8);
        let about = format!("seed {seed}, {config:?}");
        let mut session = session(&table, config, profile, strategies);
        all.add(play(&mut session, &table, &rows, &about));
    }
    assert!(all.fills > 2_000 && all.refusals > 300 && all.compared > 10_000, "{all:?}");
}

#[test]
fn an_entry_that_is_too_large_is_refused_with_the_largest_safe_size() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let wish = |size| Signal {
        stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
        ..signal(Intent::EnterLong, size, btc.idx)
    };
    let minute = |n: u64| UnixNanos(testkit::T0.0 + n * 60_000_000_000);
    // 2 % of 10,000 is 200: two units at 100 are just within, and one more lot is not.
    let sizes = [
        SizeRequest::AllIn,
        SizeRequest::Base(testkit::quantity("2.00001")),
        SizeRequest::Base(testkit::quantity("2")),
    ];
    let script = (1..).zip(sizes).map(|(n, size)| (minute(n), btc.idx, Output::Signal(wish(size)))).collect();
    let profile = Profile::standard();
    let mut session = session(&table, VenueConfig::frictionless(), profile, vec![Scripted::new(script)]);
    let rows: Vec<Candle> = (0..5).map(|n| testkit::candle(&btc, n, [10_000; 4], 1_000_000)).collect();
    let mut log = Log::default();
    run(&mut session, &table, "10000", vec![candles(&btc, &rows)], &mut log);
    let refused: Vec<_> = log.refusals.iter().map(|(_, r)| (r.reason, r.largest_safe)).collect();
    assert_eq!(refused, [(DenyReason::PositionSize, Some(testkit::money("200"))); 2]);
    assert_eq!(log.refusals[0].1.limit, Some(0.02));
    assert_eq!(log.fills.len(), 1);
}
