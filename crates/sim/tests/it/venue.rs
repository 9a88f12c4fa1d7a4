//! What no single scenario shows: several instruments and accounts, definitions, limits of numbers, liquidations by strategy.

use domain::{
    AccountId, Candle, ClientOrderId, Instrument, InstrumentIdx, InstrumentTable, Money, OrderQuantity, OrderSpec,
    OrderType, Price, Quantity, Rate, RejectReason, ReportBody, Side, StrategyIdx, TimeInForce, UnixNanos,
};
use sim::{Funding, Request, Slippage, Venue, VenueConfig};
use testkit::{T0, candle, money, quantity};

const A: AccountId = AccountId(0);
const B: AccountId = AccountId(5);

fn plain() -> VenueConfig {
    VenueConfig { fees: Some((Rate::ZERO, Rate::ZERO)), ..VenueConfig::frictionless() }
}

struct Two {
    venue: Venue,
    btc: Instrument,
    eth: Instrument,
    ordinal: u64,
}

impl Two {
    fn new(perpetual: bool) -> Self {
        let mut table = InstrumentTable::default();
        let add = if perpetual { testkit::add_perpetual } else { testkit::add_spot };
        let btc = add(&mut table, "BTCUSDT", 2, 3);
        let eth = add(&mut table, "ETHUSDT", 2, 3);
        let mut venue = Venue::new(plain());
        venue.define_table(&table).unwrap();
        for account in [A, B] {
            venue.deposit(account, btc.quote, Money::from_units(1_000));
        }
        let mut two = Self { venue, btc, eth, ordinal: 0 };
        two.reports();
        two
    }

    fn order(&mut self, account: AccountId, instrument: InstrumentIdx, side: Side, kind: OrderType) -> OrderSpec {
        self.ordinal += 1;
        OrderSpec {
            client_id: ClientOrderId::new(account, 1, self.ordinal),
            kind,
            quantity: OrderQuantity::Base(quantity("1")),
            time_in_force: TimeInForce::Gtc,
            account,
            instrument,
            strategy: StrategyIdx(0),
            side,
            post_only: false,
            reduce_only: false,
        }
    }

    fn place(&mut self, order: OrderSpec) {
        self.venue.submit(T0, Request::Place { order, valid_until: None });
    }

    fn reports(&mut self) -> Vec<ReportBody> {
        std::iter::from_fn(|| self.venue.take_report(UnixNanos::MAX)).map(|r| r.body).collect()
    }

    fn fills(&mut self) -> Vec<(u16, u16, i64, i64)> {
        self.reports()
            .iter()
            .filter_map(|body| match body {
                ReportBody::Filled { fill, .. } => Some((fill.account.0, fill.instrument.0, fill.price, fill.quantity)),
                _ => None,
            })
            .collect()
    }

    fn bar(&self, instrument: &Instrument, minute: u64, ohlc: [i64; 4]) -> Candle {
        candle(instrument, minute, ohlc, 0)
    }
}

#[test]
fn what_answers_one_instruments_path_is_not_live_in_anothers() {
    let mut two = Two::new(false);
    let (btc, eth) = (two.btc.clone(), two.eth.clone());
    let [first, second] =
        [two.bar(&btc, 0, [10_000, 10_500, 9_000, 10_000]), two.bar(&eth, 0, [5_000, 5_500, 4_000, 5_000])];
    let early = two.order(A, eth.idx, Side::Buy, OrderType::Limit { price: Price::from_units(45) });
    two.place(early);
    two.venue.on_bar_open(first.ts_open, &first);
    two.venue.on_bar_open(second.ts_open, &second);
    two.venue.on_bar_path(first.ts_open, &first);
    // These come after a path of that time was played: neither the open nor the path of the other instrument is theirs.
    let market = two.order(A, eth.idx, Side::Buy, OrderType::Market);
    let limit = two.order(A, eth.idx, Side::Buy, OrderType::Limit { price: Price::from_units(44) });
    two.place(market);
    two.place(limit);
    two.venue.on_bar_path(second.ts_open, &second);
    assert_eq!(two.fills(), [(0, 1, 4_500, 1_000)]);
    two.venue.on_bar_close(second.ts_close(), &second);
    let next = two.bar(&eth, 1, [4_800, 5_000, 4_300, 4_700]);
    two.venue.on_bar_open(next.ts_open, &next);
    two.venue.on_bar_path(next.ts_open, &next);
    assert_eq!(two.fills(), [(0, 1, 4_800, 1_000), (0, 1, 4_400, 1_000)]);
}

#[test]
fn an_open_that_was_passed_over_is_met_before_the_path() {
    let mut two = Two::new(false);
    let (btc, eth) = (two.btc.clone(), two.eth.clone());
    let second = two.bar(&eth, 0, [5_000, 5_500, 4_000, 5_000]);
    let first = two.bar(&btc, 0, [10_000, 10_500, 9_000, 10_000]);
    two.venue.on_bar_open(first.ts_open, &first);
    assert!(!two.venue.has_work(eth.idx));
    // Sent because of a fill at the first instrument's open: the second one opens at the same time.
    let market = two.order(A, eth.idx, Side::Buy, OrderType::Market);
    two.place(market);
    assert!(two.venue.has_work(eth.idx));
    two.venue.on_bar_path(second.ts_open, &second);
    assert_eq!(two.fills(), [(0, 1, 5_000, 1_000)]);
}

#[test]
fn a_late_order_does_not_meet_an_open_that_was_passed_over() {
    let mut two = Two::new(false);
    let (btc, eth) = (two.btc.clone(), two.eth.clone());
    let second = two.bar(&eth, 0, [5_000, 5_500, 4_000, 5_000]);
    let first = two.bar(&btc, 0, [10_000, 10_500, 9_000, 10_000]);
    two.venue.on_bar_open(first.ts_open, &first);
    two.venue.on_bar_path(first.ts_open, &first);
    let market = two.order(A, eth.idx, Side::Buy, OrderType::Market);
    let stop = two.order(A, eth.idx, Side::Buy, OrderType::StopMarket { trigger: Price::from_units(52) });
    two.place(market);
    two.place(stop);
    two.venue.on_bar_path(second.ts_open, &second);
    assert_eq!(two.fills(), []);
}

#[test]
fn accounts_are_apart() {
    let mut two = Two::new(false);
    let btc = two.btc.clone();
    let buy = two.order(A, btc.idx, Side::Buy, OrderType::Market);
    two.place(buy);
    // The other account has nothing to sell, and a third was never opened.
    let sell = two.order(B, btc.idx, Side::Sell, OrderType::Market);
    let stranger = two.order(AccountId(3), btc.idx, Side::Buy, OrderType::Market);
    two.place(sell);
    two.place(stranger);
    let bar = two.bar(&btc, 0, [10_000; 4]);
    two.venue.on_bar_open(bar.ts_open, &bar);
    let reports = two.reports();
    let rejected =
        |spec: OrderSpec| ReportBody::Rejected { client_id: spec.client_id, reason: RejectReason::InsufficientBalance };
    assert!(reports.contains(&rejected(sell)) && reports.contains(&rejected(stranger)), "{reports:?}");
    assert_eq!(two.venue.balance(A, btc.quote), Money::from_units(900));
    assert_eq!(two.venue.balance(B, btc.quote), Money::from_units(1_000));
    assert_eq!(two.venue.position(A, btc.idx), Quantity::from_units(1));
    assert_eq!(two.venue.position(AccountId(3), btc.idx), Quantity::ZERO);
}

#[test]
fn a_liquidation_closes_each_strategys_part() {
    let mut two = Two::new(true);
    let (btc, eth) = (two.btc.clone(), two.eth.clone());
    let mut send = |instrument, side, size: &str, strategy| {
        let mut order = two.order(A, instrument, side, OrderType::Market);
        order.quantity = OrderQuantity::Base(quantity(size));
        order.strategy = StrategyIdx(strategy);
        two.place(order);
    };
    send(btc.idx, Side::Buy, "120", 0);
    send(btc.idx, Side::Sell, "20", 1);
    send(eth.idx, Side::Buy, "60", 1);
    let resting = two.order(A, eth.idx, Side::Sell, OrderType::Limit { price: Price::from_units(200) });
    two.place(resting);
    for i in [&btc, &eth] {
        let bar = two.bar(i, 0, [10_000; 4]);
        two.venue.on_bar_open(bar.ts_open, &bar);
        two.venue.on_bar_close(bar.ts_close(), &bar);
    }
    assert_eq!(two.fills().len(), 3);
    // 100 and 60 long at 100 with 1000: at 93 of the first, equity is 300 and maintenance 2.5 % of 9300 and 6000: 382.5.
    let bar = two.bar(&btc, 1, [10_000, 10_000, 9_300, 10_000]);
    two.venue.on_bar_open(bar.ts_open, &bar);
    two.venue.on_bar_path(bar.ts_open, &bar);
    let reports = two.reports();
    let closes: Vec<_> = reports
        .iter()
        .filter_map(|body| match body {
            ReportBody::Filled { fill, .. } => {
                assert_eq!(fill.client_id.epoch(), u32::MAX);
                Some((fill.instrument.0, fill.strategy.0, fill.side, fill.quantity, fill.price))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        closes,
        [(0, 0, Side::Sell, 120_000, 9_300), (0, 1, Side::Buy, 20_000, 9_300), (1, 1, Side::Sell, 60_000, 10_000)]
    );
    assert!(
        reports
            .contains(&ReportBody::Canceled { client_id: resting.client_id, reason: Some(RejectReason::Liquidation) })
    );
    assert_eq!(two.venue.balance(A, btc.quote), Money::from_units(300));
    assert!(!two.venue.has_work(btc.idx) && !two.venue.has_work(eth.idx));
}

#[test]
fn a_spot_buy_leaves_the_margin_of_perpetuals() {
    let mut table = InstrumentTable::default();
    let spot = testkit::add_spot(&mut table, "ETHUSDT", 2, 3);
    let perpetual = testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3);
    let mut venue = Venue::new(plain());
    venue.define_table(&table).unwrap();
    venue.deposit(A, spot.quote, Money::from_units(1_000));
    let mut two = Two { venue, btc: perpetual.clone(), eth: spot.clone(), ordinal: 0 };
    // 100 at 100 need 500 of margin: of 1000, 500 may be spent.
    for (i, size) in [(&perpetual, "100"), (&spot, "5.001"), (&spot, "5")] {
        let mut order = two.order(A, i.idx, Side::Buy, OrderType::Market);
        order.quantity = OrderQuantity::Base(quantity(size));
        two.place(order);
    }
    for i in [&perpetual, &spot] {
        let bar = two.bar(i, 0, [10_000; 4]);
        two.venue.on_bar_open(bar.ts_open, &bar);
    }
    assert_eq!(two.fills(), [(0, 1, 10_000, 100_000), (0, 0, 10_000, 5_000)]);
}

#[test]
fn numbers_too_large_are_refused_and_nothing_wraps() {
    let mut table = InstrumentTable::default();
    let mut i = testkit::add_spot(&mut table, "BTCUSDT", 0, 0);
    i.max_quantity = Quantity::MAX;
    table.define(i.clone()).unwrap();
    let mut venue = Venue::new(plain());
    venue.define_table(&table).unwrap();
    venue.deposit(A, i.quote, Money::MAX);
    venue.deposit(A, i.quote, Money::MAX);
    let mut two = Two { venue, btc: i.clone(), eth: i.clone(), ordinal: 0 };
    assert_eq!(two.reports().len(), 1, "the second deposit passes the largest balance and is not made");
    let huge = i64::MAX - 7;
    let mut limit = two.order(A, i.idx, Side::Buy, OrderType::Limit { price: Price::from_mantissa(huge, 0) });
    limit.quantity = OrderQuantity::Base(Quantity::from_mantissa(huge, 0));
    two.place(limit);
    let mut market = two.order(A, i.idx, Side::Buy, OrderType::Market);
    market.quantity = OrderQuantity::Base(Quantity::from_mantissa(huge, 0));
    two.place(market);
    let mut amount = two.order(A, i.idx, Side::Buy, OrderType::Market);
    amount.quantity = OrderQuantity::QuoteAmount(Money::MAX);
    two.place(amount);
    let bar = two.bar(&i, 0, [huge; 4]);
    two.venue.on_bar_open(bar.ts_open, &bar);
    let ends: Vec<_> = two
        .reports()
        .iter()
        .filter_map(|body| match body {
            ReportBody::Rejected { reason, .. } => Some(*reason),
            ReportBody::Canceled { reason, .. } => *reason,
            ReportBody::Filled { .. } => Some(RejectReason::SelfMatch),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [RejectReason::Unsupported; 3]);
}

#[test]
fn definitions_are_checked() {
    let mut table = InstrumentTable::default();
    let i = testkit::add_spot(&mut table, "BTCUSDT", 2, 3);
    let mut venue = Venue::new(plain());
    let later = Instrument { idx: InstrumentIdx(1), ..i.clone() };
    assert_eq!(venue.define(&later).unwrap_err().to_string(), "instrument BTCUSDT: its number is 1, the next is 0");
    venue.define_table(&table).unwrap();
    let other = Instrument { quantity_decimals: 5, ..i.clone() };
    assert!(venue.define(&other).unwrap_err().to_string().contains("cannot change"));
    // New rules count from then on; what rests stays.
    venue.deposit(A, i.quote, Money::from_units(1_000));
    let mut two = Two { venue, btc: i.clone(), eth: i.clone(), ordinal: 0 };
    let old = two.order(A, i.idx, Side::Buy, OrderType::Limit { price: testkit::price("99.99") });
    two.place(old);
    two.venue.define(&Instrument { tick: testkit::price("0.5"), ..i.clone() }).unwrap();
    let new = two.order(A, i.idx, Side::Buy, OrderType::Limit { price: testkit::price("99.99") });
    two.place(new);
    let unknown = two.order(A, InstrumentIdx(9), Side::Buy, OrderType::Market);
    two.place(unknown);
    let bar = two.bar(&i, 0, [9_900; 4]);
    two.venue.on_bar_open(bar.ts_open, &bar);
    let reports = two.reports();
    for (client_id, reason) in
        [(new.client_id, RejectReason::PriceFilter), (unknown.client_id, RejectReason::UnknownInstrument)]
    {
        assert!(reports.contains(&ReportBody::Rejected { client_id, reason }), "{reports:?}");
    }
    assert!(matches!(reports.last(), Some(ReportBody::Filled { fill, .. }) if fill.client_id == old.client_id));
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let over = Rate::from_raw(Rate::ONE.raw() + 1);
    for (config, named) in [
        (VenueConfig { slippage: Slippage::Bps(over), ..plain() }, "slippage is 1.000000000001, expected a fraction"),
        (VenueConfig { participation: Some(Rate::ZERO), ..plain() }, "participation is 0"),
        (VenueConfig { fees: Some((over, Rate::ZERO)), ..plain() }, "maker fee is"),
        (
            VenueConfig { funding: Some(Funding { rate: Rate::ZERO, every: domain::Nanos(0) }), ..plain() },
            "funding period",
        ),
    ] {
        let told = config.validate().unwrap_err().to_string();
        assert!(told.contains(named), "{told}");
    }
    assert_eq!(plain().validate(), Ok(()));
}

#[test]
fn money_that_leaves_is_a_negative_transfer() {
    let mut two = Two::new(false);
    let quote = two.btc.quote;
    two.venue.deposit(A, quote, money("-0.5"));
    assert_eq!(two.reports(), [ReportBody::Transfer { account: A, asset: quote, amount: money("-0.5") }]);
    assert_eq!(two.venue.balance(A, quote), money("999.5"));
}

#[test]
fn every_assumption_is_a_line() {
    let two = Two::new(true);
    let lines = two.venue.assumptions();
    assert!(lines.iter().all(|l| l.len() > 10 && !l.contains('\n')), "{lines:#?}");
    for word in [
        "next bar",
        "every stop is tried before every limit",
        "trades beyond its price",
        "no slippage",
        "volume is ignored",
        "quote asset",
        "no time",
        "margin",
        "no funding",
    ] {
        assert!(lines.iter().any(|l| l.contains(word)), "no line says `{word}`: {lines:#?}");
    }
}

#[test]
fn assumptions_are_of_the_kind_of_data_that_was_seen() {
    let said = |venue: &Venue, word: &str| venue.assumptions().iter().any(|l| l.contains(word));
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 3);
    let fresh = || {
        let config = VenueConfig { participation: Some(testkit::rate("0.1")), ..VenueConfig::frictionless() };
        let mut venue = Venue::new(config);
        venue.define_table(&table).unwrap();
        venue
    };
    let mut on_candles = fresh();
    assert!(said(&on_candles, "queue") && said(&on_candles, "whole bar"), "all is possible yet");
    on_candles.on_bar_open(T0, &testkit::candle(&btc, 0, [10_000; 4], 1));
    assert!(!said(&on_candles, "queue") && said(&on_candles, "whole bar"));
    let mut on_trades = fresh();
    on_trades.on_trade(T0, &testkit::trade(&btc, 0, 10_000, 1, domain::Side::Buy));
    assert!(said(&on_trades, "do not queue") && !said(&on_trades, "whole bar"));
    let mut on_quotes = fresh();
    on_quotes.on_quote(T0, &testkit::quote(&btc, 0, (10_000, 1), (10_001, 1)));
    assert!(said(&on_quotes, "shorten the queue") && !said(&on_quotes, "whole bar"));
}
