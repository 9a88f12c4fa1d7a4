//! A strategy that is saved and loaded at any event goes on as if nothing had been.

use crate::stand::Stand;
use domain::{EventBody, InstrumentKind, Output, Side, UnixNanos};
use strategy::Reader;
use testkit::generate::{Seeded, random_walk};

const KINDS: [(&str, &[&str]); 5] = [
    ("sma-cross", &["fast=3", "slow=8"]),
    ("ema-cross", &["fast=3", "slow=8", "enter=level"]),
    ("donchian", &["entry=6", "exit=3"]),
    ("breakout-pair", &["entry=6", "target=1", "valid=15m"]),
    ("buy-and-hold", &["enter_bar=9"]),
];

#[derive(Clone, Copy, Debug)]
enum Feed {
    Candles,
    Trades,
    Quotes,
}

/// The same events for equal arguments.
fn events(stand: &Stand, feed: Feed, seed: u64) -> Vec<(UnixNanos, EventBody)> {
    let instrument = &stand.instrument;
    let mut random = Seeded::new(seed);
    let walk = random_walk(instrument, seed, 400, 1_000_000, 3_000);
    match feed {
        Feed::Candles => walk.into_iter().map(|c| (c.ts_close(), EventBody::Candle(c))).collect(),
        Feed::Trades | Feed::Quotes => {
            let mut nanos = 0;
            walk.into_iter()
                .map(|candle| {
                    nanos += random.within(1, 120_000_000_000).unsigned_abs();
                    let price = candle.close;
                    let body = match feed {
                        Feed::Quotes => {
                            EventBody::Quote(testkit::quote(instrument, nanos, (price - 1, 5), (price + 2, 5)))
                        }
                        _ => EventBody::Trade(testkit::trade(instrument, nanos, price, 7, Side::Buy)),
                    };
                    (UnixNanos(testkit::T0.0 + nanos), body)
                })
                .collect()
        }
    }
}

/// All that a strategy says, saved and loaded before each of the events in `cuts`.
fn run(make: impl Fn() -> Stand, feed: Feed, seed: u64, cuts: &[usize]) -> Vec<(usize, Output)> {
    let mut stand = make();
    let mut all = Vec::new();
    for (n, (ts, body)) in events(&stand, feed, seed).into_iter().enumerate() {
        if cuts.contains(&n) {
            stand.restart();
        }
        all.extend(stand.see(ts, &body).into_iter().map(|output| (n, output)));
    }
    all
}

#[test]
fn a_cut_at_any_event_changes_nothing() {
    let mut random = Seeded::new(11);
    for (name, params) in KINDS {
        for bar in [None, Some("bar=5m"), Some("bar=15m")] {
            for (kind, short) in [(InstrumentKind::Spot, None), (InstrumentKind::LinearPerpetual, Some("short=yes"))] {
                let mut params = params.to_vec();
                params.extend(bar);
                params.extend(short.filter(|_| name != "buy-and-hold"));
                for (feed, stop) in [(Feed::Candles, "atr:4:2"), (Feed::Trades, "pct:1"), (Feed::Quotes, "atr:4:2")] {
                    let make = || Stand::new(kind, name, &params, stop);
                    let whole = run(make, feed, 5, &[]);
                    assert!(!whole.is_empty(), "{name} {params:?} {feed:?} says nothing");
                    let cuts: Vec<usize> = (0..8).map(|_| random.within(0, 399) as usize).collect();
                    assert_eq!(run(make, feed, 5, &cuts), whole, "{name} {params:?} {feed:?} cut at {cuts:?}");
                }
            }
        }
    }
}

#[test]
fn bytes_that_do_not_belong_are_refused() {
    for (name, params) in KINDS {
        let mut params = params.to_vec();
        params.push("bar=15m");
        let make = || Stand::new(InstrumentKind::Spot, name, &params, "atr:4:2");
        let mut stand = make();
        for (ts, body) in events(&make(), Feed::Candles, 3).into_iter().take(200) {
            stand.see(ts, &body);
        }
        let mut bytes = Vec::new();
        stand.strategy.save(&mut bytes);
        for length in 0..bytes.len() {
            let cut = bytes.get(..length).unwrap();
            assert!(make().strategy.load(&mut Reader::new(cut)).is_err(), "{name}: {length} of {} bytes", bytes.len());
        }
        make().strategy.load(&mut Reader::new(&bytes)).unwrap();
    }
}
