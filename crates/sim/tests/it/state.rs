//! What the venue says when it is asked how an account stands: orders, executions, movements, balances and positions of one instant.

use domain::codec::Reader;
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, Instrument, InstrumentTable, Money, MovementKind, Nanos,
    OrderQuantity, OrderSpec, OrderStatus, OrderType, Price, Quantity, Rate, Side, StrategyIdx, TimeInForce, UnixNanos,
};
use sim::{Latency, Request, Venue, VenueConfig};
use testkit::{T0, quantity};

const A: AccountId = AccountId(0);

fn at(millis: u64) -> UnixNanos {
    T0.saturating_add(Nanos::from_millis(millis))
}

fn made(latency: Latency) -> (Venue, Instrument) {
    let mut table = InstrumentTable::default();
    let perpetual = testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
    let fees = Some((Rate::ZERO, Rate::ZERO));
    let mut venue =
        Venue::new(VenueConfig { fees, latency, participation: Some(Rate::ONE), ..VenueConfig::frictionless() });
    venue.define_table(&table).unwrap();
    venue.advance(T0);
    venue.deposit(A, perpetual.quote, Money::from_units(1_000));
    (venue, perpetual)
}

fn order(ordinal: u64, side: Side, kind: OrderType, units: &str) -> OrderSpec {
    OrderSpec {
        client_id: ClientOrderId::new(A, 1, ordinal),
        kind,
        quantity: OrderQuantity::Base(quantity(units)),
        time_in_force: TimeInForce::Gtc,
        account: A,
        instrument: domain::InstrumentIdx(0),
        strategy: StrategyIdx(0),
        side,
        post_only: false,
        reduce_only: side == Side::Sell,
    }
}

fn place(venue: &mut Venue, now: UnixNanos, order: OrderSpec) {
    venue.submit(now, Request::Place { order, valid_until: None });
}

/// Long one at 100, with a stop at 90 that waits, and a bid for two at 80 of which half is filled.
fn busy() -> (Venue, Instrument) {
    let (mut venue, eth) = made(Latency::ZERO);
    let quote = |venue: &mut Venue, millis, bid: i64, ask: i64, depth| {
        venue.on_quote(at(millis), &testkit::quote(&eth, 0, (bid, 1_000_000), (ask, depth)));
    };
    quote(&mut venue, 1, 9_999, 10_000, 1_000_000);
    place(&mut venue, at(2), order(1, Side::Buy, OrderType::Market, "1"));
    place(&mut venue, at(3), order(2, Side::Sell, OrderType::StopMarket { trigger: Price::from_units(90) }, "1"));
    place(&mut venue, at(4), order(3, Side::Buy, OrderType::Limit { price: Price::from_units(95) }, "2"));
    quote(&mut venue, 5, 9_400, 9_450, 500);
    (venue, eth)
}

#[test]
fn it_says_what_works_what_was_executed_and_what_is_held() {
    let (mut venue, eth) = busy();
    let filled: i64 = std::iter::from_fn(|| venue.take_report(at(5)))
        .filter_map(|report| match report.body {
            domain::ReportBody::Filled { fill, .. } => Some(fill.quantity),
            _ => None,
        })
        .sum();
    let state = venue.state_of(A, T0);
    assert_eq!((state.account, state.as_of, state.complete), (A, at(5), true));
    let ids: Vec<u64> = state.orders.iter().map(|o| o.spec.client_id.ordinal()).collect();
    let bid = state.orders.iter().find(|o| o.spec.client_id.ordinal() == 3).unwrap();
    assert_eq!((bid.status, bid.filled), (OrderStatus::PartiallyFilled, 500));
    assert!(ids.contains(&2), "the stop waits: {ids:?}");
    assert!(state.orders.iter().all(|o| !o.set_off));
    assert_eq!(state.executions.iter().map(|e| e.fill.quantity).sum::<i64>(), filled, "as it was reported");
    assert_eq!(state.balances, [(eth.quote, venue.balance(A, eth.quote))]);
    let [position] = state.positions[..] else { panic!("{:?}", state.positions) };
    assert_eq!(position.quantity, venue.position(A, eth.idx));
    assert!(position.cost > Money::from_units(99) && position.quantity >= Quantity::from_units(1));
    let [deposit] = state.movements[..] else { panic!("{:?}", state.movements) };
    assert_eq!((deposit.kind, deposit.amount), (MovementKind::Transfer, Money::from_units(1_000)));
    // From later on nothing of it is said again, and another account has nothing.
    let later = venue.state_of(A, at(6));
    assert!(later.executions.is_empty() && later.movements.is_empty() && later.orders == state.orders);
    let other = venue.state_of(AccountId(7), T0);
    assert!(other.orders.is_empty() && other.balances.is_empty() && other.positions.is_empty());
}

#[test]
fn a_question_and_its_answer_travel_behind_what_was_said_before() {
    let ms = Nanos::from_millis;
    let (mut venue, eth) = made(Latency { feed: Nanos(0), order: ms(10), report: ms(20), jitter: None });
    venue.on_quote(at(0), &testkit::quote(&eth, 0, (9_999, 1_000_000), (10_001, 1_000_000)));
    while venue.take_report(at(0)).is_some() {}
    place(&mut venue, at(0), order(1, Side::Buy, OrderType::Market, "1"));
    venue.submit(at(1), Request::State { account: A, since: T0 });
    venue.advance(at(40));
    assert_eq!(venue.take_state(at(40)), None, "the reports are before it");
    let reports = std::iter::from_fn(|| venue.take_report(at(40))).count();
    assert_eq!(reports, 2, "accepted and filled");
    // A snapshot in between keeps the answer under way.
    let mut bytes = Vec::new();
    venue.save(&mut bytes);
    let mut loaded = Venue::new(*venue.config());
    let mut table = InstrumentTable::default();
    testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
    loaded.define_table(&table).unwrap();
    loaded.load(&mut Reader::new(&bytes)).unwrap();
    let digest = |venue: &Venue| {
        let mut d = Digest::default();
        venue.digest(&mut d);
        d.value()
    };
    assert_eq!(digest(&loaded), digest(&venue));
    for mut venue in [venue, loaded] {
        assert_eq!(venue.take_state(at(30)), None, "it takes thirty milliseconds there and back");
        let state = venue.take_state(at(31)).unwrap();
        assert_eq!((state.as_of, state.executions.len()), (at(11), 1), "as of when the question arrived");
        assert_eq!((venue.take_state(at(99)), venue.take_report(at(99))), (None, None));
    }
}

#[test]
fn a_memory_that_does_not_reach_back_says_so() {
    let (mut venue, eth) = made(Latency::ZERO);
    for n in 0..1_100 {
        venue.advance(at(n + 1));
        venue.deposit(A, eth.quote, Money::from_units(1));
    }
    let all = venue.state_of(A, T0);
    assert!(!all.complete && all.movements.len() == 1_024);
    assert!(venue.state_of(A, at(200)).complete);
}
