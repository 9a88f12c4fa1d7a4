//! What comes before what: closes, opens, timers, reports, and that nothing is known before its time.

use crate::harness::{Log, Scripted, buy, candles, exit, input, mantissa, place, run, session, signal};
use domain::{
    Candle, Event, EventBody, Instrument, InstrumentTable, Intent, Nanos, OrderQuantity, Output, Rate, ReportBody,
    Side, Signal, SizeRequest, StopPlan, StrategyIdx, TimerFired, TimerRequest, UnixNanos,
};
use risk::Profile;
use sim::{Exec, Latency, VenueConfig};
use store::history::Rows;
use testkit::T0;

fn minute(n: u64) -> UnixNanos {
    UnixNanos(T0.0 + n * 60_000_000_000)
}

/// Flat bars at these prices, wide of range only where a test says so.
fn bars(i: &Instrument, prices: &[i64]) -> Vec<Candle> {
    (0u64..).zip(prices).map(|(n, p)| testkit::candle(i, n, [*p, *p + 5, *p - 5, *p], 1_000_000)).collect()
}

fn pair() -> (InstrumentTable, Instrument, Instrument) {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let eth = testkit::add_spot(&mut table, "ETHUSDT", 2, 4);
    (table, btc, eth)
}

#[test]
fn decisions_on_closes_of_one_time_fill_at_the_opens_of_that_time_whichever_source_is_first() {
    let (table, btc, eth) = pair();
    let rows = [bars(&btc, &[10_000, 10_100, 10_200, 10_300]), bars(&eth, &[2_000, 2_010, 2_020, 2_030])];
    let go = |swapped: bool| {
        // The first strategy trades BTC and ETH on the close of the other one, too: it must see the same world.
        let script = vec![
            (minute(2), btc.idx, buy(btc.idx, "1")),
            (minute(2), eth.idx, buy(eth.idx, "2")),
            (minute(3), eth.idx, exit(btc.idx)),
            (minute(3), btc.idx, exit(eth.idx)),
        ];
        let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, vec![Scripted::new(script)]);
        let mut log = Log::default();
        let mut inputs = vec![candles(&btc, &rows[0]), candles(&eth, &rows[1])];
        if swapped {
            inputs.reverse();
        }
        run(&mut session, &table, "100000", inputs, &mut log);
        (session, log)
    };
    let mut results = Vec::new();
    for swapped in [false, true] {
        let (session, log) = go(swapped);
        let mut fills: Vec<_> =
            log.fills.iter().map(|(ts, f)| (*ts, f.instrument, f.side, f.price, f.quantity, f.fee_amount)).collect();
        // Bars open where the one before closed plus the step, so an open cannot be taken for a close.
        assert_eq!(fills.len(), 4, "{fills:?}");
        for (ts, instrument, _, price, ..) in &fills {
            let bars = &rows[instrument.index()];
            let bar = bars.iter().find(|c| c.ts_open == *ts).unwrap();
            assert_eq!(*price, bar.open, "swapped {swapped}");
        }
        assert_eq!(fills.iter().map(|f| f.0).collect::<Vec<_>>(), [minute(2), minute(2), minute(3), minute(3)]);
        // Every close of a time reaches the engine before the first report of an open of that time.
        for at in [minute(2), minute(3)] {
            let of_time: Vec<&Event> = log.inputs.iter().filter(|(ts, _)| *ts == at).map(|(_, e)| e).collect();
            let last_close = of_time.iter().rposition(|e| matches!(e.body, EventBody::Candle(_))).unwrap();
            let first_fill = of_time
                .iter()
                .position(|e| matches!(&e.body, EventBody::Report(r) if matches!(r.body, ReportBody::Filled { .. })))
                .unwrap();
            assert!(last_close < first_fill, "swapped {swapped}: {of_time:?}");
        }
        fills.sort_unstable_by_key(|f| (f.0, f.1));
        let mut seen: Vec<_> = log
            .inputs
            .iter()
            .filter(|(_, e)| matches!(e.body, EventBody::Candle(_)))
            .map(|(ts, e)| (*ts, place(e.id)))
            .collect();
        assert!(seen.is_sorted_by_key(|(ts, (source, _))| (*ts, *source)), "equal times go by source");
        seen.dedup();
        results.push((fills, session.engine.equity(bot4::runner::plan::ACCOUNT), crate::harness::digest(&session)));
    }
    assert_eq!(results[0].0, results[1].0);
    assert_eq!(results[0].1, results[1].1);
    assert_ne!(results[0].2, results[1].2, "ids of inputs and orders are in the digest, and they changed places");
}

#[test]
fn a_decision_inside_a_longer_bar_waits_for_the_next_open() {
    let (table, btc, eth) = pair();
    let short = bars(&btc, &[10_000, 10_100, 10_200, 10_300, 10_400, 10_500, 10_600]);
    // Three-minute bars of ETH: the first closes at minute 3, the third opens at minute 6. A decision on the minute that closes at 4 is
    // made inside ETH's second bar: it may not have that bar's open any more.
    let long: Vec<Candle> = (0..3u64)
        .map(|n| Candle {
            ts_open: minute(3 * n),
            interval_s: 180,
            ..testkit::candle(&eth, 0, [2_000 + 100 * n as i64, 2_300, 1_900, 2_050], 1_000_000)
        })
        .collect();
    let script = vec![(minute(3), eth.idx, buy(btc.idx, "1")), (minute(4), btc.idx, buy(eth.idx, "1"))];
    for reversed in [false, true] {
        let strategies: Vec<Box<dyn strategy::Strategy>> = vec![Scripted::new(script.clone())];
        let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, strategies);
        let mut log = Log::default();
        let mut inputs = vec![candles(&btc, &short), candles(&eth, &long)];
        if reversed {
            inputs.reverse();
        }
        run(&mut session, &table, "100000", inputs, &mut log);
        let mut fills: Vec<_> = log.fills.iter().map(|(ts, f)| (f.instrument, *ts, f.price)).collect();
        fills.sort_unstable();
        assert_eq!(fills, [(btc.idx, minute(3), 10_300), (eth.idx, minute(6), 2_200)], "reversed {reversed}");
    }
}

#[test]
fn timers_come_before_market_events_of_their_time_and_after_reports() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let timer = |id, at| Output::Timer(TimerRequest { strategy: StrategyIdx(0), id, at });
    // On candles: asked for at minute 1, due exactly at the close of minute 2; and one between two events; and one in the past.
    let inside = UnixNanos(minute(2).0 + 7);
    let script = vec![
        (minute(1), btc.idx, timer(1, minute(2))),
        (minute(1), btc.idx, timer(2, inside)),
        (minute(1), btc.idx, timer(3, minute(0))),
    ];
    let mut first = session(&table, VenueConfig::frictionless(), Profile::Off, vec![Scripted::new(script)]);
    let mut log = Log::default();
    run(&mut first, &table, "100000", vec![candles(&btc, &bars(&btc, &[10_000; 4]))], &mut log);
    let told: Vec<String> = log
        .inputs
        .iter()
        .filter_map(|(ts, e)| match &e.body {
            EventBody::Candle(_) => Some(format!("close {}", (ts.0 - T0.0) / 60_000_000_000)),
            EventBody::Timer(TimerFired::Strategy { id, .. }) => {
                assert_eq!(*ts, [minute(2), inside, minute(1)][*id as usize - 1]);
                Some(format!("timer {id}"))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, ["close 1", "timer 3", "timer 1", "close 2", "timer 2", "close 3", "close 4"]);

    // On trades: a report that reaches us at the very time of a timer and of a trade comes first, then the timer, then the trade.
    let due = UnixNanos(T0.0 + 2_000);
    let script =
        vec![(UnixNanos(T0.0 + 1_000), btc.idx, timer(1, due)), (UnixNanos(T0.0 + 1_000), btc.idx, buy(btc.idx, "1"))];
    let latency = Latency { feed: Nanos(0), order: Nanos(400), report: Nanos(600), jitter: None };
    let config = VenueConfig { latency, ..VenueConfig::frictionless() };
    let mut second = session(&table, config, Profile::Off, vec![Scripted::new(script)]);
    let mut log = Log::default();
    let trades = [1_000, 2_000, 3_000].map(|n| testkit::trade(&btc, n, 10_000, 1_000_000, domain::Side::Buy)).to_vec();
    run(&mut second, &table, "100000", vec![input(btc.idx, Rows::Trades(trades))], &mut log);
    let told: Vec<&str> = (log.inputs.iter().filter(|(ts, _)| *ts == due))
        .map(|(_, e)| match &e.body {
            EventBody::Report(_) => "report",
            EventBody::Timer(_) => "timer",
            EventBody::Trade(_) => "trade",
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["report", "timer", "trade"]);
}

#[test]
fn engine_time_never_goes_back() {
    let (table, btc, eth) = pair();
    let script = vec![(minute(2), btc.idx, buy(btc.idx, "1")), (minute(3), eth.idx, exit(btc.idx))];
    let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, vec![Scripted::new(script)]);
    let mut log = Log::default();
    let inputs = vec![candles(&btc, &bars(&btc, &[10_000; 9])), candles(&eth, &bars(&eth, &[2_000; 7]))];
    run(&mut session, &table, "100000", inputs, &mut log);
    assert!(log.inputs.is_sorted_by_key(|(ts, _)| *ts));
    assert_eq!(session.engine.clamped(), 0);
}

/// A buy of one at the close of minute 1 with this stop, on bars that open at 100 and fall to 90 in the bar of the fill.
fn stopped(stop: StopPlan) -> (Log, Vec<Candle>) {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let rows = vec![
        testkit::candle(&btc, 0, [10_000, 10_000, 10_000, 10_000], 1_000_000),
        testkit::candle(&btc, 1, [10_000, 10_050, 9_000, 9_500], 1_000_000),
        testkit::candle(&btc, 2, [9_500, 9_500, 9_500, 9_500], 1_000_000),
    ];
    let size = SizeRequest::Base(testkit::quantity("1"));
    let entry = Signal { stop: Some(stop), ..signal(Intent::EnterLong, size, btc.idx) };
    let script = vec![(minute(1), btc.idx, Output::Signal(entry))];
    let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, vec![Scripted::new(script)]);
    let mut log = Log::default();
    run(&mut session, &table, "100000", vec![candles(&btc, &rows)], &mut log);
    (log, rows)
}

#[test]
fn a_stop_placed_because_of_a_fill_at_the_open_is_live_in_the_same_bar() {
    let (log, rows) = stopped(StopPlan::Price(testkit::price("95")));
    let fills: Vec<_> = log.fills.iter().map(|(ts, f)| (*ts, f.price)).collect();
    assert_eq!(fills[0], (minute(1), 10_000));
    assert_eq!(fills[1].1, 9_500);
    assert!(fills[1].0 > minute(1) && fills[1].0 < rows[1].ts_close(), "inside the bar of the entry: {fills:?}");
    // A stop that the bar does not reach does nothing.
    assert_eq!(stopped(StopPlan::Price(testkit::price("89"))).0.fills.len(), 1);
}

#[test]
fn an_all_in_order_follows_the_open_that_came_and_foresees_nothing() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let go = |open: i64| {
        let rows = vec![
            testkit::candle(&btc, 0, [10_000, 10_000, 10_000, 10_000], 1_000_000_000),
            testkit::candle(&btc, 1, [open, open, open, open], 1_000_000_000),
        ];
        let all = Output::Signal(signal(Intent::EnterLong, SizeRequest::AllIn, btc.idx));
        let strategies: Vec<Box<dyn strategy::Strategy>> = vec![Scripted::new(vec![(minute(1), btc.idx, all)])];
        let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, strategies);
        let mut log = Log::default();
        run(&mut session, &table, "10000", vec![candles(&btc, &rows)], &mut log);
        assert_eq!((log.orders.len(), log.fills.len()), (1, 1));
        (log.orders[0].1, log.fills[0].1)
    };
    let mut quantities = Vec::new();
    let (reference, _) = go(10_000);
    for open in [8_000, 10_000, 12_500, 33_333] {
        let (order, fill) = go(open);
        assert_eq!(order, reference, "the order is made before the open is known");
        assert_eq!(order.quantity, OrderQuantity::QuoteAmount(testkit::money("10000")));
        assert_eq!(fill.price, open);
        // The largest number of lots whose cost with a fee of 0.1 %, both rounded up at eight decimals, is no more than the cash.
        let cost = |lots: i128| {
            let amount = i128::from(open) * lots * 10; // 1e-8 of quote: two decimals of price, five of quantity
            amount + (amount + 999) / 1_000
        };
        let cash = 10_000 * 100_000_000i128;
        let lots = i128::from(fill.quantity);
        assert!(cost(lots) <= cash && cost(lots + 1) > cash, "open {open}: {lots} lots");
        quantities.push(fill.quantity);
    }
    assert!(quantities.is_sorted_by(|a, b| a > b), "{quantities:?}");
}

#[test]
fn on_signal_close_market_orders_fill_at_the_close_that_decided() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let rows = bars(&btc, &[10_000, 11_000, 12_000, 13_000]);
    let script = vec![(minute(2), btc.idx, buy(btc.idx, "1")), (minute(3), btc.idx, exit(btc.idx))];
    for (exec, prices) in [(Exec::SignalClose, [11_000, 12_000]), (Exec::NextOpen, [12_000, 13_000])] {
        let config = VenueConfig { exec, ..VenueConfig::frictionless() };
        let strategies: Vec<Box<dyn strategy::Strategy>> = vec![Scripted::new(script.clone())];
        let mut session = session(&table, config, Profile::Off, strategies);
        let mut log = Log::default();
        run(&mut session, &table, "100000", vec![candles(&btc, &rows)], &mut log);
        let fills: Vec<_> = log.fills.iter().map(|(ts, f)| (*ts, f.price, f.quantity)).collect();
        let one = mantissa(&btc, testkit::quantity("1"));
        assert_eq!(fills, [(minute(2), prices[0], one), (minute(3), prices[1], one)], "{exec:?}");
    }
}

/// Plays bars of one instrument under a cap of a tenth of the volume, for a strategy that buys five units once with a
/// stop of 5 %. Prices are whole, volumes hundredths.
fn capped(bars: &[([i64; 4], i64)]) -> Vec<(UnixNanos, Side, String, i64)> {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let wish = Signal {
        stop: Some(StopPlan::Fraction(Rate::from_bps(500))),
        ..signal(Intent::EnterLong, SizeRequest::Base(testkit::quantity("5")), btc.idx)
    };
    let config = VenueConfig { participation: Some(Rate::from_bps(1_000)), ..VenueConfig::frictionless() };
    let script = vec![(minute(1), btc.idx, Output::Signal(wish))];
    let mut session = session(&table, config, Profile::Off, vec![Scripted::new(script)]);
    let rows: Vec<Candle> = (0u64..)
        .zip(bars)
        .map(|(n, (prices, volume))| testkit::candle(&btc, n, prices.map(|p| p * 100), volume * 1_000))
        .collect();
    let mut log = Log::default();
    run(&mut session, &table, "10000", vec![candles(&btc, &rows)], &mut log);
    assert_eq!(session.engine.faults(), []);
    assert!(session.venue.position(bot4::runner::plan::ACCOUNT, btc.idx).is_zero(), "{:?}", log.fills);
    assert!(session.engine.portfolio().positions().all(|p| p.3.is_flat()), "{:?}", log.fills);
    log.assert_reconciled(&session, "capped");
    log.fills.iter().map(|(ts, f)| (*ts, f.side, btc.quantity(f.quantity).to_string(), f.price / 100)).collect()
}

#[test]
fn nothing_is_bought_any_more_after_a_stop_was_set_off_under_a_cap() {
    let calm = ([100, 101, 99, 100], 1_000);
    // One unit each bar; in the second of them the stop is reached, after its open took the cap.
    let fills = capped(&[
        calm,
        calm,
        ([100, 101, 90, 91], 1_000),
        ([91, 92, 90, 91], 1_000),
        ([91, 92, 80, 81], 1_000),
        ([81, 82, 80, 81], 1_000),
        ([81, 82, 70, 71], 1_000),
    ]);
    let one = || "1".to_owned();
    assert_eq!(
        fills,
        [
            (minute(1), Side::Buy, one(), 100),
            (minute(2), Side::Buy, one(), 100),
            (minute(3), Side::Sell, one(), 91),
            (minute(4), Side::Sell, one(), 91),
        ]
    );
    // The open itself sets the stop off: it trades before the older entry does, which is gone by the next open.
    let gap = ([90, 91, 89, 90], 1_000);
    let fills = capped(&[calm, calm, gap, gap, gap]);
    assert_eq!(fills, [(minute(1), Side::Buy, one(), 100), (minute(2), Side::Sell, one(), 90)]);
}

#[test]
fn what_a_cap_left_of_a_stop_is_sold_at_the_next_opens_though_the_market_is_back() {
    let fills = capped(&[
        ([100, 101, 99, 100], 100_000),
        ([100, 101, 99, 100], 100_000),
        ([100, 100, 90, 91], 1_000),
        ([99, 105, 98, 104], 100_000),
        ([104, 110, 103, 109], 100_000),
    ]);
    let expected = [
        (minute(1), Side::Buy, "5".to_owned(), 100),
        // Inside of a bar is at its last instant.
        (UnixNanos(minute(3).0 - 1), Side::Sell, "1".to_owned(), 95),
        (minute(3), Side::Sell, "4".to_owned(), 99),
    ];
    assert_eq!(fills, expected);
}

#[test]
fn the_rest_of_a_stop_below_the_minimum_notional_is_sold_too() {
    // A cap of 4.96 leaves 0.04 of five units: less than five USDT.
    let fills = capped(&[
        ([100, 101, 99, 100], 100_000),
        ([100, 101, 99, 100], 100_000),
        ([100, 101, 99, 100], 100_000),
        ([90, 91, 89, 90], 4_960),
        ([90, 91, 89, 90], 20),
        ([90, 91, 89, 90], 100_000),
    ]);
    let sold: Vec<_> = fills.iter().filter(|f| f.1 == Side::Sell).map(|f| f.2.as_str()).collect();
    assert_eq!(sold, ["4.96", "0.02", "0.02"]);
}
