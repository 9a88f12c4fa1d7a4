//! Large orders, worked in whole runs: what each schedule costs beside one order at once, under the simulated venue's own impact.

use crate::harness::{Log, Scripted, assert_agree, assert_identity, candles, input, run, session, signal};
use domain::{
    Candle, Flow, ImpactModel, Instrument, InstrumentIdx, InstrumentTable, Intent, Nanos, Output, Rate, Rest, Shown,
    Side, Signal, SizeRequest, StopPlan, Thresholds, Trade, UnixNanos, Urgency, VolumeProfile, WorkRequest, WorkStyle,
};
use risk::{Limits, Profile};
use sim::{Slippage, VenueConfig};
use store::history::Rows;
use testkit::T0;
use testkit::generate::random_walk;

const MINUTE: u64 = 60_000_000_000;
/// Minutes before the order, and after it until the exit, and in all.
const BEFORE: u64 = 5;
const HELD: u64 = 300;
const BARS: u64 = 620;
/// The order: what the market trades in two minutes on average.
const UNITS: &str = "20";
const PATHS: u64 = 24;

fn at(minute: u64) -> UnixNanos {
    UnixNanos(T0.0 + minute * MINUTE)
}

fn minutes(n: u64) -> Nanos {
    Nanos(n * MINUTE)
}

/// Half a spread of 2 basis points, and a per cent for as much as was traded.
fn venue() -> VenueConfig {
    let slippage = Slippage::Impact { spread: Rate::from_bps(4), coefficient: Rate::from_bps(100) };
    VenueConfig { slippage, ..VenueConfig::frictionless() }
}

fn model() -> ImpactModel {
    // 0.02 % a minute on 40,000; a per cent of it at the market's own pace of ten units a minute.
    let volatility = 8.0 / (60.0_f64).sqrt();
    ImpactModel { risk_aversion: 1e-3, volatility, temporary: 0.01 * 40_000.0 / (10.0 / 60.0), permanent: 0.0 }
}

/// All schedules beside one order at once (`None`).
fn styles() -> Vec<(&'static str, Option<WorkStyle>)> {
    let twap = |n, slices| Some(WorkStyle::Twap { over: minutes(n), slices });
    let flow = Flow { volume_per_hour: Some(600.0), model: Some(model()), toxicity: None, as_of: at(0) };
    let auto = |urgency| Some(WorkStyle::Auto { urgency, flow, thresholds: Thresholds::STANDARD });
    let pov = |bps| Some(WorkStyle::Pov { share: Rate::from_bps(bps), deadline: minutes(240) });
    vec![
        ("at once", None),
        ("twap:10m:10", twap(10, 10)),
        ("twap:30m:6", twap(30, 6)),
        ("twap:60m:60", twap(60, 60)),
        ("vwap:60m:60", Some(WorkStyle::Vwap { over: minutes(60), slices: 60, profile: VolumeProfile::FLAT })),
        ("pov:20%", pov(2_000)),
        ("pov:10%", pov(1_000)),
        ("is:60m:60", Some(WorkStyle::ImplementationShortfall { over: minutes(60), slices: 60, model: model() })),
        ("passive:30m", Some(WorkStyle::PassiveThenAggressive { patience: minutes(30), then: Rest::Take })),
        (
            "iceberg:10%:4h",
            Some(WorkStyle::Iceberg {
                shown: Shown::Share(Rate::from_bps(1_000)),
                deadline: minutes(240),
                then: Rest::Take,
            }),
        ),
        ("auto:high", auto(Urgency::High)),
        ("auto:normal", auto(Urgency::Normal)),
    ]
}

/// What one worked order came to.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// How much worse than the price at the decision the fills were on average, in basis points.
    bps: f64,
    /// How much was filled.
    filled: f64,
    /// How many orders it took.
    orders: u64,
    /// Minutes from the decision to the last fill.
    minutes: f64,
}

/// Buys and later sells `UNITS`, worked in a style, and says what each way cost.
fn play(style: Option<WorkStyle>, table: &InstrumentTable, rows: Rows, closes: &[i64], about: &str) -> [Cost; 2] {
    let btc = &table.instruments()[0];
    let wish = |signal: Signal| match style {
        None => Output::Signal(signal),
        Some(style) => Output::Work(WorkRequest { signal, style }),
    };
    let size = SizeRequest::Base(testkit::quantity(UNITS));
    let stop = Some(StopPlan::Fraction(Rate::from_bps(2_000)));
    let enter = Signal { stop, ..signal(Intent::EnterLong, size, btc.idx) };
    let leave = signal(Intent::Exit, SizeRequest::Position, btc.idx);
    let script = vec![(at(BEFORE), btc.idx, wish(enter)), (at(BEFORE + HELD), btc.idx, wish(leave))];
    // Everything is checked but how large a position may be: this is about large ones.
    let limits = Limits { stop_required: true, ..Limits::relaxed() };
    let mut session = session(table, venue(), Profile::Research(limits), vec![Scripted::new(script)]);
    let mut log = Log::default();
    run(&mut session, table, "10000000", vec![input(btc.idx, rows)], &mut log);
    assert_eq!(session.engine.faults(), [], "{about}");
    assert_agree(&session, table, about);
    assert_identity(&session, table, about);
    log.assert_reconciled(&session, about);
    assert!(session.venue.position(bot4::runner::plan::ACCOUNT, btc.idx).is_zero(), "{about}: flat at the end");
    let mut costs = [Cost::default(); 2];
    for (cost, (side, decided)) in costs.iter_mut().zip([(Side::Buy, BEFORE), (Side::Sell, BEFORE + HELD)]) {
        // The close of the minute before the decision's instant.
        let arrival = closes[usize::try_from(decided - 1).unwrap()] as f64;
        let (mut paid, mut last) = (0.0, at(decided));
        for (ts, fill) in log.fills.iter().filter(|(_, fill)| fill.side == side) {
            paid += fill.price as f64 * fill.quantity as f64;
            cost.filled += fill.quantity as f64;
            last = *ts;
        }
        let sign = if side == Side::Buy { 1.0 } else { -1.0 };
        cost.bps = sign * (paid / cost.filled / arrival - 1.0) * 1e4;
        cost.filled /= 1e5;
        // Stops are orders of their own.
        let market_or_limit = |spec: &domain::OrderSpec| spec.side == side && spec.kind.trigger().is_none();
        cost.orders = log.orders.iter().filter(|(_, spec)| market_or_limit(spec)).count() as u64;
        cost.minutes = last.since(at(decided)).0 as f64 / MINUTE as f64;
    }
    costs
}

fn instrument() -> (InstrumentTable, Instrument) {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    (table, btc)
}

fn path(btc: &Instrument, seed: u64) -> Vec<Candle> {
    let walk = random_walk(btc, seed, BARS, 4_000_000, 1_400).into_iter();
    // From five to fifteen units a minute.
    walk.map(|candle| Candle { volume: 500_000 + candle.volume / 2, ..candle }).collect()
}

#[test]
fn every_schedule_costs_less_than_one_order_at_once() {
    let (table, btc) = instrument();
    println!("| schedule | orders | minutes | entry bps | exit bps |");
    println!("|---|---:|---:|---:|---:|");
    let mut means = Vec::new();
    for (name, style) in styles() {
        let mut mean = [Cost::default(); 2];
        for seed in 0..PATHS {
            let rows = path(&btc, seed);
            let closes: Vec<i64> = rows.iter().map(|c| c.close).collect();
            let costs = play(style, &table, Rows::Candles(rows), &closes, &format!("{name}, seed {seed}"));
            for (sum, cost) in mean.iter_mut().zip(costs) {
                assert!((cost.filled - 20.0).abs() < 1e-9, "{name}, seed {seed}: {cost:?}");
                sum.bps += cost.bps / PATHS as f64;
                sum.orders += cost.orders;
                sum.minutes += cost.minutes / PATHS as f64;
            }
        }
        let orders = mean[0].orders as f64 / PATHS as f64;
        println!("| {name} | {orders:.1} | {:.1} | {:.1} | {:.1} |", mean[0].minutes, mean[0].bps, mean[1].bps);
        means.push((name, [mean[0].bps, mean[1].bps]));
    }
    let of = |name: &str| means.iter().find(|(n, _)| *n == name).unwrap().1;
    for side in 0..2 {
        for (name, cost) in &means[1..] {
            assert!(cost[side] < of("at once")[side], "{name}, side {side}: {means:?}");
        }
        // Impact grows with the root of a part: more and smaller parts cost less, and what rests costs least.
        assert!(of("twap:60m:60")[side] < of("twap:30m:6")[side], "{means:?}");
        assert!(of("pov:10%")[side] < of("pov:20%")[side], "{means:?}");
        assert!(of("passive:30m")[side] < of("pov:10%")[side], "{means:?}");
        assert!((of("vwap:60m:60")[side] - of("twap:60m:60")[side]).abs() < 1e-9, "a flat profile is time-weighted");
        assert!(of("auto:normal")[side] < of("auto:high")[side], "{means:?}");
    }
}

#[test]
fn a_share_of_the_volume_is_what_is_traded() {
    let (table, btc) = instrument();
    for seed in 0..8 {
        let rows = path(&btc, seed);
        let closes: Vec<i64> = rows.iter().map(|c| c.close).collect();
        let style = WorkStyle::Pov { share: Rate::from_bps(1_000), deadline: minutes(240) };
        let [entry, _] = play(Some(style), &table, Rows::Candles(rows.clone()), &closes, "pov");
        let last = BEFORE + entry.minutes.ceil() as u64;
        let bars = rows.iter().filter(|c| c.ts_open >= at(BEFORE) && c.ts_close() <= at(last));
        let traded = bars.map(|c| c.volume as f64 / 1e5).sum::<f64>();
        // A part is due for what has traded, and fills in the minute after: the share holds from the beginning to the last part but one.
        assert!(20.0 / traded < 0.14 && 20.0 / traded > 0.06, "seed {seed}: 20 of {traded}");
    }
}

/// A trade every five seconds instead of the candles.
fn trades(rows: &[Candle], btc: &Instrument) -> Rows {
    let mut all: Vec<Trade> = Vec::new();
    for candle in rows {
        for n in 1..=12u64 {
            let ts = UnixNanos(candle.ts_open.0 + n * 5_000_000_000);
            let price = candle.open + (candle.close - candle.open) * n as i64 / 12;
            let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
            let trade = testkit::trade(btc, ts.0 - T0.0, price, candle.volume / 12 + 1, side);
            all.push(trade);
        }
    }
    Rows::Trades(all)
}

#[test]
fn on_trades_schedules_do_the_same() {
    let (table, btc) = instrument();
    let rows = path(&btc, 3);
    let closes: Vec<i64> = rows.iter().map(|c| c.close).collect();
    let mut at_once = 0.0;
    for (name, style) in styles() {
        let [entry, exit] = play(style, &table, trades(&rows, &btc), &closes, name);
        assert!((entry.filled - 20.0).abs() < 1e-9 && (exit.filled - 20.0).abs() < 1e-9, "{name}: {entry:?} {exit:?}");
        match style {
            None => at_once = entry.bps,
            Some(_) => assert!(entry.bps < at_once, "{name}: {} against {at_once}", entry.bps),
        }
    }
}

#[test]
fn a_worked_run_is_the_same_every_time() {
    let (table, btc) = instrument();
    let digest = || {
        let style = WorkStyle::PassiveThenAggressive { patience: minutes(20), then: Rest::Take };
        let size = SizeRequest::Base(testkit::quantity(UNITS));
        let enter = Signal {
            stop: Some(StopPlan::Fraction(Rate::from_bps(2_000))),
            ..signal(Intent::EnterLong, size, InstrumentIdx(0))
        };
        let script = vec![(at(BEFORE), btc.idx, Output::Work(WorkRequest { signal: enter, style }))];
        let limits = Limits { stop_required: true, ..Limits::relaxed() };
        let mut session = session(&table, venue(), Profile::Research(limits), vec![Scripted::new(script)]);
        let mut log = Log::default();
        run(&mut session, &table, "10000000", vec![candles(&btc, &path(&btc, 5))], &mut log);
        (crate::harness::digest(&session), crate::harness::state(&session))
    };
    assert_eq!(digest(), digest());
}
