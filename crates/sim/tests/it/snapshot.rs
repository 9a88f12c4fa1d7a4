//! A saved venue goes on like the one it was saved from, and nothing else can be loaded.

use domain::codec::{CodecError, Reader};
use domain::{
    AccountId, Candle, ClientOrderId, Digest, Digestible, Instrument, InstrumentTable, Money, Nanos, OrderQuantity,
    OrderSpec, OrderType, Price, Rate, Rounding, Side, StrategyIdx, TimeInForce, TrailOffset, UnixNanos,
};
use sim::{Exec, FeeAsset, Funding, Jitter, Latency, LimitFill, Request, Slippage, Venue, VenueConfig};
use testkit::T0;
use testkit::generate::{Seeded, random_walk};

const ACCOUNTS: [AccountId; 2] = [AccountId(0), AccountId(2)];

/// What a venue is given: the same for all that follow one story.
enum Given {
    Deposit(AccountId, domain::AssetIdx, Money),
    Submit(UnixNanos, Request),
    Open(Candle),
    Path(Candle),
    Close(Candle),
    Trade(UnixNanos, domain::Trade),
    Quote(UnixNanos, domain::Quote),
    Rules(Instrument),
    Advance(UnixNanos),
}

fn give(venue: &mut Venue, given: &Given) {
    match given {
        Given::Deposit(account, asset, amount) => venue.deposit(*account, *asset, *amount),
        Given::Submit(now, request) => venue.submit(*now, *request),
        Given::Open(candle) => venue.on_bar_open(candle.ts_open, candle),
        Given::Path(candle) => venue.on_bar_path(UnixNanos(candle.ts_close().0 - 1), candle),
        Given::Close(candle) => venue.on_bar_close(candle.ts_close(), candle),
        Given::Trade(now, trade) => venue.on_trade(*now, trade),
        Given::Quote(now, quote) => venue.on_quote(*now, quote),
        Given::Rules(instrument) => venue.define(instrument).unwrap(),
        Given::Advance(now) => venue.advance(*now),
    }
}

fn digest(venue: &Venue) -> u128 {
    let mut d = Digest::default();
    venue.digest(&mut d);
    d.value()
}

fn save(venue: &Venue) -> Vec<u8> {
    let mut out = Vec::new();
    venue.save(&mut out);
    out
}

fn load(mut venue: Venue, bytes: &[u8]) -> Result<Venue, CodecError> {
    let mut from = Reader::new(bytes);
    venue.load(&mut from)?;
    from.finish()?;
    Ok(venue)
}

/// One story: how the venue is made, and what it is given, by seed.
struct Story {
    table: InstrumentTable,
    config: VenueConfig,
    given: Vec<Given>,
}

impl Story {
    fn fresh(&self) -> Venue {
        let mut venue = Venue::new(self.config);
        venue.define_table(&self.table).unwrap();
        venue
    }

    fn new(seed: u64, bars: u64) -> Self {
        let mut r = Seeded::new(seed);
        let mut table = InstrumentTable::default();
        let spot = testkit::add_spot(&mut table, "BTCUSDT", 2, 3);
        let mut perpetual = testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
        perpetual.margin_initial = Rate::from_bps(500);
        perpetual.margin_maintenance = Rate::from_bps(400);
        table.define(perpetual.clone()).unwrap();
        let feed = r.within(0, 2);
        let latency = Latency {
            feed: Nanos(r.within(0, 2_000_000).unsigned_abs()),
            order: Nanos(r.within(0, 5_000_000_000).unsigned_abs()),
            report: Nanos(r.within(0, 5_000_000_000).unsigned_abs()),
            jitter: r.chance(60).then_some(Jitter { max: Nanos(2_000_000_000), seed }),
        };
        let config = VenueConfig {
            exec: *r.pick(&[Exec::NextOpen, Exec::SignalClose]),
            slippage: *r.pick(&[
                Slippage::None,
                Slippage::Bps(Rate::from_bps(3)),
                Slippage::Impact { spread: Rate::from_bps(2), coefficient: Rate::from_bps(40) },
            ]),
            participation: *r.pick(&[None, Some(Rate::from_bps(500)), Some(Rate::ONE)]),
            fee_asset: *r.pick(&[FeeAsset::Quote, FeeAsset::Venue]),
            fees: *r.pick(&[None, Some((Rate::from_bps(-1), Rate::from_bps(7)))]),
            latency: if r.chance(30) { Latency::ZERO } else { latency },
            limit_fill: *r.pick(&[LimitFill::Touch, LimitFill::Through]),
            funding: r.chance(70).then_some(Funding { rate: Rate::from_bps(2), every: Nanos::from_secs(600) }),
            queue: r.chance(70),
            pairs: r.chance(60),
        };
        let mut given = Vec::new();
        for account in ACCOUNTS {
            given.push(Given::Deposit(account, spot.quote, Money::from_units(20_000)));
            given.push(Given::Deposit(account, spot.base, Money::from_units(50)));
        }
        let instruments = [spot, perpetual];
        let walks: Vec<Vec<Candle>> = (instruments.iter().zip([seed, seed + 7]))
            .map(|(i, seed)| random_walk(i, seed, bars, 10_000, 150))
            .collect();
        let mut ordinal = 0;
        for bar in 0..bars as usize {
            for (i, walk) in instruments.iter().zip(&walks) {
                let candle = walk[bar];
                let (open, close) = (candle.ts_open, candle.ts_close());
                match feed {
                    0 => {
                        given.push(Given::Advance(open));
                        given.push(Given::Open(candle));
                        given.push(Given::Path(candle));
                        given.push(Given::Close(candle));
                    }
                    1 => {
                        let side = *r.pick(&[Side::Buy, Side::Sell]);
                        let trade = testkit::trade(i, 0, candle.close, r.within(1, 3_000), side);
                        given.push(Given::Advance(close));
                        given.push(Given::Trade(close, domain::Trade { ts_event: close, ..trade }));
                    }
                    _ => {
                        let (low, high) = (candle.close - r.within(1, 20), candle.close + r.within(1, 20));
                        let quote = testkit::quote(i, 0, (low, r.within(1, 5_000)), (high, r.within(1, 5_000)));
                        given.push(Given::Advance(close));
                        given.push(Given::Quote(close, domain::Quote { ts_event: close, ..quote }));
                        if r.chance(30) {
                            let trade = testkit::trade(i, 0, low, r.within(1, 3_000), Side::Sell);
                            given.push(Given::Trade(close, domain::Trade { ts_event: close, ..trade }));
                        }
                    }
                }
                for _ in 0..r.within(0, 2) {
                    given.push(Given::Submit(close, request(&mut r, i, candle.close, close, &mut ordinal)));
                }
                if r.chance(2) {
                    let fee_taker = Rate::from_bps(r.within(0, 12) as i32);
                    let rules = Instrument { fee_taker, tick: i.price(5), effective_from: close, ..i.clone() };
                    given.push(Given::Rules(rules));
                }
            }
        }
        Self { table, config, given }
    }
}

fn request(r: &mut Seeded, i: &Instrument, around: i64, now: UnixNanos, ordinal: &mut u64) -> Request {
    let price = |r: &mut Seeded| i.price((around + r.within(-300, 300)) / 5 * 5);
    let account = *r.pick(&ACCOUNTS);
    let older = ClientOrderId::new(account, 1, r.within(0, *ordinal as i64).unsigned_abs());
    match r.within(0, 9) {
        0 => return Request::Cancel { client_id: older },
        1 => return Request::Query { client_id: older },
        2 => {
            let (price, trigger) = (r.chance(60).then(|| price(r)), r.chance(20).then(|| price(r)));
            let quantity = r.chance(40).then(|| i.quantity(r.within(1, 2_000)));
            return Request::Amend { client_id: older, price, trigger, quantity };
        }
        _ => {}
    }
    *ordinal += 1;
    let (trigger, limit) = (price(r), price(r));
    let kind = *r.pick(&[
        OrderType::Market,
        OrderType::Market,
        OrderType::Limit { price: limit },
        OrderType::Limit { price: limit },
        OrderType::StopMarket { trigger },
        OrderType::StopLimit { trigger, price: limit },
        OrderType::TakeProfit { trigger },
        OrderType::TrailingStop { offset: TrailOffset::Distance(Price::from_units(1)) },
        OrderType::TrailingStop { offset: TrailOffset::Fraction(Rate::from_bps(70)) },
    ]);
    let side = *r.pick(&[Side::Buy, Side::Sell]);
    let amount = kind == OrderType::Market && side == Side::Buy && r.chance(30);
    let order = OrderSpec {
        client_id: ClientOrderId::new(account, 1, *ordinal),
        kind,
        quantity: if amount {
            OrderQuantity::QuoteAmount(Money::from_units(r.within(10, 3_000)).at_precision(2, Rounding::Down))
        } else {
            // Now and then so much that the account is taken apart later.
            OrderQuantity::Base(i.quantity(if r.chance(10) { 1_500_000 } else { r.within(100, 9_000) }))
        },
        time_in_force: *r.pick(&[
            TimeInForce::Gtc,
            TimeInForce::Gtc,
            TimeInForce::Ioc,
            TimeInForce::Fok,
            TimeInForce::Gtd(UnixNanos(now.0 + 400_000_000_000)),
        ]),
        account,
        instrument: i.idx,
        strategy: StrategyIdx(r.within(0, 2) as u16),
        side,
        post_only: r.chance(10),
        reduce_only: r.chance(20) && !amount,
    };
    let valid_until = r.chance(30).then_some(UnixNanos(now.0 + 3_000_000_000));
    if r.chance(15) {
        // The other one of a pair, a little away on either side.
        *ordinal += 1;
        let (client_id, price) = (ClientOrderId::new(account, 1, *ordinal), price(r));
        let kind = *r.pick(&[OrderType::Limit { price }, OrderType::StopMarket { trigger: price }]);
        let second = OrderSpec { client_id, kind, side: *r.pick(&[Side::Buy, Side::Sell]), ..order };
        return Request::List { first: order, second, valid_until };
    }
    Request::Place { order, valid_until }
}

#[test]
fn a_loaded_venue_goes_on_like_the_saved_one() {
    let (mut orders, mut ends, mut in_flight, mut fills, mut liquidations) = (0, 0, 0, 0, 0);
    for seed in 0..60 {
        let story = Story::new(seed, 150);
        let mut r = Seeded::new(seed ^ 0xF00D);
        let at: Vec<usize> = (0..4).map(|_| r.within(4, story.given.len() as i64 - 1) as usize).collect();
        let mut original = story.fresh();
        let mut loaded: Vec<(usize, Venue)> = Vec::new();
        for (n, given) in story.given.iter().enumerate() {
            give(&mut original, given);
            loaded.iter_mut().for_each(|(_, copy)| give(copy, given));
            // Reports are taken now and then, so that some are in flight when the venue is saved.
            while n % 3 == 0
                && let Some(report) = original.take_report(UnixNanos(T0.0 + u64::MAX / 4))
            {
                let forced = matches!(report.body, domain::ReportBody::Accepted { client_id, .. } if client_id.epoch() == u32::MAX);
                liquidations += u64::from(forced);
                fills += u64::from(matches!(report.body, domain::ReportBody::Filled { .. }));
                for (from, copy) in &mut loaded {
                    let heard = copy.take_report(UnixNanos(T0.0 + u64::MAX / 4));
                    assert_eq!(heard, Some(report), "seed {seed}, saved after {from}, at {n}");
                }
            }
            for (from, copy) in &loaded {
                assert_eq!(copy.next_due(), original.next_due(), "seed {seed}, saved after {from}, at {n}");
            }
            if at.contains(&n) {
                let bytes = save(&original);
                let copy = load(story.fresh(), &bytes).unwrap();
                assert_eq!(digest(&copy), digest(&original), "seed {seed}, saved after {n}");
                assert_eq!(save(&copy), bytes, "seed {seed}, saved after {n}");
                orders += copy.working_orders();
                ends += usize::from(copy.working_orders() > 0);
                in_flight += usize::from(copy.next_due().is_some());
                loaded.push((n, copy));
            }
        }
        for (from, copy) in &loaded {
            assert_eq!(digest(copy), digest(&original), "seed {seed}, saved after {from}");
            assert_eq!(save(copy), save(&original), "seed {seed}, saved after {from}");
        }
    }
    // The runs did what they are for.
    assert!(orders > 500 && ends > 100 && in_flight > 100, "{orders} {ends} {in_flight}");
    assert!(fills > 2_000 && liquidations > 5, "{fills} fills, {liquidations} liquidations");
}

/// A small state with something of everything: orders that work, ends, messages in both directions.
fn small() -> (Story, Vec<u8>) {
    let story_of = |seed| {
        let story = Story::new(seed, 14);
        let mut venue = story.fresh();
        story.given.iter().for_each(|given| give(&mut venue, given));
        (venue.working_orders() > 5 && venue.next_due().is_some()).then(|| (story, save(&venue)))
    };
    (0..200).find_map(story_of).unwrap()
}

#[test]
fn every_truncation_is_refused() {
    let (story, bytes) = small();
    for end in 0..bytes.len() {
        assert!(load(story.fresh(), &bytes[..end]).is_err(), "{end} of {} bytes", bytes.len());
    }
    let more = [bytes.as_slice(), &[0]].concat();
    assert_eq!(load(story.fresh(), &more).unwrap_err(), CodecError::LeftOver { bytes: 1 });
}

#[test]
fn damage_is_an_error_or_another_state_and_never_a_panic() {
    let (story, bytes) = small();
    let mut r = Seeded::new(5);
    let mut refused = 0;
    for _ in 0..10_000 {
        let mut damaged = bytes.clone();
        for _ in 0..r.within(1, 3) {
            let at = r.within(0, bytes.len() as i64 - 1) as usize;
            damaged[at] = if r.chance(50) { r.bits() as u8 } else { damaged[at] ^ 1 << r.within(0, 7) };
        }
        match load(story.fresh(), &damaged) {
            Err(_) => refused += 1,
            Ok(venue) => {
                digest(&venue);
                assert_eq!(save(&venue), damaged);
            }
        }
    }
    assert!(refused > 3_000, "{refused}");
}

#[test]
fn another_configuration_is_refused_by_name() {
    let (story, bytes) = small();
    let c = story.config;
    let latency = Latency { order: Nanos(c.latency.order.0 + 1), ..c.latency };
    let exec = if c.exec == Exec::NextOpen { Exec::SignalClose } else { Exec::NextOpen };
    let fill = if c.limit_fill == LimitFill::Touch { LimitFill::Through } else { LimitFill::Touch };
    let fee = if c.fee_asset == FeeAsset::Quote { FeeAsset::Venue } else { FeeAsset::Quote };
    let other = Funding { rate: Rate::from_bps(9), every: Nanos::from_secs(1) };
    for (config, what) in [
        (VenueConfig { exec, ..c }, "when market orders trade"),
        (VenueConfig { slippage: Slippage::Bps(Rate::from_bps(99)), ..c }, "the slippage"),
        (VenueConfig { participation: Some(Rate::from_bps(1)), ..c }, "the cap of participation"),
        (VenueConfig { fee_asset: fee, ..c }, "the asset of fees"),
        (VenueConfig { fees: Some((Rate::ZERO, Rate::ZERO)), ..c }, "the fees"),
        (VenueConfig { latency, ..c }, "the latency"),
        (VenueConfig { limit_fill: fill, ..c }, "when limit orders are filled"),
        (VenueConfig { funding: Some(other), ..c }, "the funding"),
        (VenueConfig { queue: !c.queue, ..c }, "whether orders queue"),
        (VenueConfig { pairs: !c.pairs, ..c }, "whether pairs of orders are held"),
    ] {
        let story = Story { config, table: story.table.clone(), given: Vec::new() };
        assert_eq!(load(story.fresh(), &bytes).unwrap_err(), CodecError::Parameter { what });
    }
    let mut table = InstrumentTable::default();
    testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3);
    let perpetual = Story { table: table.clone(), config: c, given: Vec::new() };
    let what = "instruments at the venue";
    assert_eq!(load(perpetual.fresh(), &bytes).unwrap_err(), CodecError::Parameter { what });
    let mut more = story.table.clone();
    testkit::add_spot(&mut more, "SOLUSDT", 2, 3);
    let more = Story { table: more, config: c, given: Vec::new() };
    assert!(matches!(load(more.fresh(), &bytes), Err(CodecError::Parameter { .. })));
    let used = load(load(story.fresh(), &bytes).unwrap(), &bytes).unwrap_err();
    assert!(used.to_string().contains("a fresh venue"), "{used}");
}
