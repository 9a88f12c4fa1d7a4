//! The same inputs give the same state, and every part of the state shows in its digest.

use domain::{
    AccountId, ClientOrderId, Digest, Digestible, InstrumentTable, Money, Nanos, OrderQuantity, OrderSpec, OrderType,
    Price, Rate, Side, StrategyIdx, TimeInForce, TrailOffset, UnixNanos,
};
use sim::{Jitter, Latency, Request, Slippage, Venue, VenueConfig};
use testkit::generate::{Seeded, random_walk};
use testkit::{T0, price, quantity};

const ACCOUNT: AccountId = AccountId(3);

fn digest(venue: &Venue) -> u128 {
    let mut d = Digest::default();
    venue.digest(&mut d);
    d.value()
}

fn order(ordinal: u64, side: Side, kind: OrderType) -> OrderSpec {
    OrderSpec {
        client_id: ClientOrderId::new(ACCOUNT, 1, ordinal),
        kind,
        quantity: OrderQuantity::Base(quantity("0.5")),
        time_in_force: TimeInForce::Gtc,
        account: ACCOUNT,
        instrument: domain::InstrumentIdx(0),
        strategy: StrategyIdx(0),
        side,
        post_only: false,
        reduce_only: false,
    }
}

fn venue(config: VenueConfig) -> (Venue, domain::Instrument) {
    let mut table = InstrumentTable::default();
    let instrument = testkit::add_spot(&mut table, "BTCUSDT", 2, 3);
    let mut venue = Venue::new(config);
    venue.define_table(&table).unwrap();
    venue.deposit(ACCOUNT, instrument.quote, Money::from_units(10_000));
    venue.deposit(ACCOUNT, instrument.base, Money::from_units(10));
    (venue, instrument)
}

/// A run with resting orders at its end, one of them at `resting`.
fn run(seed: u64, resting: &str) -> u128 {
    let (mut venue, instrument) = venue(VenueConfig {
        slippage: Slippage::Bps(Rate::from_bps(3)),
        participation: Some(Rate::from_bps(1_000)),
        ..VenueConfig::frictionless()
    });
    let mut random = Seeded::new(seed);
    let place = |venue: &mut Venue, now, order| venue.submit(now, Request::Place { order, valid_until: None });
    place(&mut venue, T0, order(1, Side::Buy, OrderType::Limit { price: price(resting) }));
    place(&mut venue, T0, order(2, Side::Sell, OrderType::TrailingStop { offset: TrailOffset::Distance(price("90")) }));
    for (n, candle) in random_walk(&instrument, seed, 100, 10_000, 100).iter().enumerate() {
        venue.advance(candle.ts_open);
        venue.on_bar_open(candle.ts_open, candle);
        venue.on_bar_path(candle.ts_open, candle);
        venue.on_bar_close(candle.ts_close(), candle);
        let side = *random.pick(&[Side::Buy, Side::Sell]);
        place(&mut venue, candle.ts_close(), order(10 + n as u64, side, OrderType::Market));
        while venue.take_report(candle.ts_close()).is_some() {}
    }
    digest(&venue)
}

#[test]
fn the_same_run_twice_has_one_digest() {
    for seed in 0..20 {
        assert_eq!(run(seed, "10"), run(seed, "10"), "seed {seed}");
        assert_ne!(run(seed, "10"), run(seed + 1, "10"), "seed {seed}");
    }
}

#[test]
fn one_resting_order_moves_the_digest() {
    for seed in 0..20 {
        assert_ne!(run(seed, "10"), run(seed, "10.01"), "seed {seed}");
    }
}

#[test]
fn every_kind_of_state_moves_the_digest() {
    let latency = Latency {
        feed: Nanos(0),
        order: Nanos::from_millis(5),
        report: Nanos::from_millis(5),
        jitter: Some(Jitter { max: Nanos::from_millis(1), seed: 7 }),
    };
    type Change = (&'static str, fn(&mut Venue, &domain::Instrument));
    let changes: [Change; 7] = [
        ("nothing", |_, _| {}),
        ("a request in flight", |v, _| {
            let spec = order(1, Side::Buy, OrderType::Limit { price: Price::from_units(90) });
            v.submit(T0, Request::Place { order: spec, valid_until: None });
        }),
        ("another request in flight", |v, _| {
            let spec = order(1, Side::Buy, OrderType::Limit { price: Price::from_units(91) });
            v.submit(T0, Request::Place { order: spec, valid_until: None });
        }),
        ("a report taken", |v, _| {
            assert!(v.take_report(T0).is_some());
        }),
        ("a trade seen", |v, i| v.on_trade(T0, &testkit::trade(i, 0, 10_000, 5, Side::Buy))),
        ("a quote seen", |v, i| v.on_quote(T0, &testkit::quote(i, 0, (10_000, 5), (10_001, 5)))),
        ("a deposit", |v, i| v.deposit(ACCOUNT, i.quote, Money::from_raw(10_000))),
    ];
    let mut seen = Vec::new();
    for (what, change) in changes {
        let (mut venue, instrument) = venue(VenueConfig { latency, ..VenueConfig::frictionless() });
        change(&mut venue, &instrument);
        let now = digest(&venue);
        assert!(seen.iter().all(|(_, d)| *d != now), "{what} looks like another state: {seen:?}");
        seen.push((what, now));
    }
}

#[test]
fn a_trailing_stops_best_price_and_a_queue_are_state() {
    let at = |ms: u64| UnixNanos(T0.0 + ms * 1_000_000);
    // The same last quote, after a higher one in between: only the trailing stop and the queue remember it.
    let path = |between: (i64, i64)| {
        let (mut venue, i) = venue(VenueConfig::frictionless());
        venue.on_quote(at(0), &testkit::quote(&i, 0, (9_900, 5_000), (10_100, 5)));
        let trailing = OrderType::TrailingStop { offset: TrailOffset::Distance(Price::from_units(50)) };
        venue.submit(at(0), Request::Place { order: order(1, Side::Sell, trailing), valid_until: None });
        let limit = OrderType::Limit { price: Price::from_units(99) };
        venue.submit(at(0), Request::Place { order: order(2, Side::Buy, limit), valid_until: None });
        venue.on_quote(at(1), &testkit::quote(&i, 0, between, (10_100, 5)));
        venue.on_quote(at(2), &testkit::quote(&i, 0, (9_900, 5_000), (10_100, 5)));
        digest(&venue)
    };
    let plain = path((9_900, 5_000));
    assert_eq!(plain, path((9_900, 5_000)));
    assert_ne!(plain, path((9_950, 5_000)), "best price of the trailing stop");
    assert_ne!(plain, path((9_900, 2_000)), "quantity ahead in the queue");
}

#[test]
fn a_copy_goes_on_like_the_original() {
    let (mut original, i) = venue(VenueConfig::frictionless());
    let limit = OrderType::Limit { price: Price::from_units(99) };
    original.submit(T0, Request::Place { order: order(1, Side::Buy, limit), valid_until: None });
    let mut copy = original.clone();
    for (n, candle) in random_walk(&i, 5, 30, 10_000, 100).iter().enumerate() {
        for venue in [&mut original, &mut copy] {
            venue.on_bar_open(candle.ts_open, candle);
            venue.on_bar_path(candle.ts_open, candle);
            venue.on_bar_close(candle.ts_close(), candle);
        }
        assert_eq!(digest(&original), digest(&copy), "bar {n}");
    }
}
