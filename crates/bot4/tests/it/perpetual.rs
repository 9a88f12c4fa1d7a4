//! A perpetual on real days, with margin and funding, from the file to the last unit of the result.

use crate::harness::{Log, Scripted, assert_agree, assert_identity, buy, candles, exit, run, session};
use crate::support::{beside, bot4, shared};
use bot4::config::{BACKTEST, RunArgs, Sources, configure, resolve};
use bot4::runner::drive::{Silent, drive};
use bot4::runner::plan::{self, ACCOUNT, Plan};
use bot4::runner::record::{Probe, Recorder};
use bot4::runner::session::Session;
use clap::Parser;
use domain::{AccountReport, Candle, Fill, Instrument, InstrumentTable, Money, Observer, ReportBody, UnixNanos};
use engine::Engine;
use risk::{Command, Profile};
use sim::VenueConfig;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use store::history::Rows;
use testkit::T0;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    run: RunArgs,
}

const HOURS_8: u64 = 8 * 3_600_000_000_000;
/// Balances are kept at eight decimals: 1e-12 per unit.
const UNIT: i128 = 10_000;

fn arguments(data: &Path, symbol: &str, size: &str) -> Vec<String> {
    let list = [
        "backtest",
        "--data",
        &data.display().to_string(),
        "--symbol",
        symbol,
        "--strategy",
        "ema-cross:fast=3,slow=8,enter=level,short=yes",
        "--risk",
        "off",
        "--size",
        size,
        "--stop",
        "pct:4",
        "--funding",
        "0.0001:8",
        "--slippage",
        "bps:3",
        "--cash",
        "10000",
    ];
    list.map(str::to_owned).to_vec()
}

/// What a run ended with, beside what the fills and the candles say it must have ended with.
struct Compared {
    equity: Money,
    expected: i128,
    funding: Money,
    funding_expected: i128,
    fills: usize,
    shorts: usize,
    digest: String,
}

/// Watches a run as every recorder does, and keeps its fills.
struct WithFills {
    recorder: Recorder,
    fills: Vec<(UnixNanos, Fill)>,
}

impl Observer for WithFills {
    const ACTIVE: bool = false;
}

impl Probe for WithFills {
    fn sample(&mut self, ts: UnixNanos, engine: &Engine) {
        self.recorder.sample(ts, engine);
    }

    fn command(&mut self, ts: UnixNanos, command: &Command) {
        self.recorder.command(ts, command);
    }

    fn report(&mut self, ts: UnixNanos, report: &AccountReport, engine: &Engine) {
        if let ReportBody::Filled { fill, .. } = report.body {
            self.fills.push((ts, fill));
        }
        self.recorder.report(ts, report, engine);
    }
}

/// Runs the backtest that the arguments ask for, and computes its end again from its fills with nothing but integers.
fn compare(arguments: &[String]) -> Compared {
    let args = Cli::try_parse_from(arguments).unwrap().run;
    let settings = resolve(&args, &BACKTEST, &Sources::default()).unwrap().settings;
    let config = configure(&settings, &BACKTEST).unwrap();
    let series = settings.data.series().unwrap();
    let (table, listed) = plan::list(&series).unwrap();
    let mut days: Vec<Vec<Candle>> = Vec::new();
    for mut input in plan::open(&series).unwrap() {
        let (mut rows, mut all) = (Rows::Candles(Vec::new()), Vec::new());
        while input.source.next_chunk(&mut rows).unwrap() {
            let Rows::Candles(rows) = &rows else { panic!("candles are expected") };
            all.extend_from_slice(rows);
        }
        days.push(all);
    }
    let mut plan = Plan::new(&config, &table, &listed).unwrap();
    let instruments = plan.instruments().to_vec();
    let mut begin = plan.begin();
    let inputs = plan::open(&series).unwrap();
    let mut probe = WithFills { recorder: plan.recorder, fills: Vec::new() };
    let mut begin = |session: &mut Session, ts, probe: &mut WithFills| begin(session, ts, &mut probe.recorder);
    drive(&mut plan.session, inputs, &mut probe, &mut Silent, &AtomicBool::new(false), &mut begin).unwrap();
    let WithFills { recorder, fills } = probe;
    let engine = &plan.session.engine;
    assert_eq!(engine.faults(), []);
    assert_agree(&plan.session, engine.table(), "daily perpetuals");
    assert_identity(&plan.session, engine.table(), "daily perpetuals");
    let mut cash = 10_000 * 1_000_000_000_000i128;
    let mut funding = 0;
    for (i, days) in instruments.iter().zip(&days) {
        let own: Vec<_> = fills.iter().filter(|(_, f)| f.instrument == i.idx).copied().collect();
        let (moved, funded) = recompute(i, days, &own);
        cash += moved + funded;
        funding += funded;
    }
    Compared {
        equity: engine.equity(ACCOUNT).unwrap(),
        expected: cash,
        funding: engine.portfolio().funding_in(ACCOUNT, instruments[0].settle),
        funding_expected: funding,
        fills: fills.len(),
        shorts: recorder.trips.iter().filter(|t| t.side == portfolio::Direction::Short).count(),
        digest: engine.digest().to_string(),
    }
}

/// What one instrument's fills changed in 1e-12 of quote, open quantity at the last close included, and its funding.
fn recompute(i: &Instrument, days: &[Candle], fills: &[(UnixNanos, Fill)]) -> (i128, i128) {
    let scale = 10i128.pow(12 - u32::from(i.price_decimals + i.quantity_decimals));
    let up = |x: i128, unit: i128| x.div_euclid(unit) + i128::from(x.rem_euclid(unit) != 0);
    let (mut moved, mut held, mut funded) = (0i128, 0i128, 0i128);
    let mut fills = fills.iter().peekable();
    let mut open = 0;
    for day in days {
        let (from, to) = (day.ts_open, day.ts_close());
        // What trades from the open on, each funding time (the day's end included) with what is held then, at the last price known: the
        // open within the day, the close at its end.
        let mut next = (from.0 / HOURS_8 + 1) * HOURS_8;
        loop {
            let due = fills.peek().map_or(u64::MAX, |(ts, _)| ts.0);
            if due < next && due < to.0 {
                let (_, f) = fills.next().unwrap();
                let value = i128::from(f.price) * i128::from(f.quantity) * scale;
                assert_eq!(value % UNIT, 0, "{}: exact at eight decimals", i.symbol);
                let sign = f.side.sign();
                moved -= sign * value;
                // 0.05 % of the value, rounded up at eight decimals.
                let fee = up(value * 5, 10_000 * UNIT) * UNIT;
                assert_eq!(f.fee_amount.raw(), fee, "{f:?}");
                moved -= fee;
                held += sign * i128::from(f.quantity);
            } else if next <= to.0 {
                // 0.01 % of the value, paid by longs and rounded against us.
                let mark = if next == to.0 { day.close } else { day.open };
                funded -= up(held * i128::from(mark) * scale, 10_000 * UNIT) * UNIT;
                open += u64::from(held != 0);
                next += HOURS_8;
            } else {
                break;
            }
        }
    }
    assert_eq!(fills.next(), None, "{}: every fill lies within a day", i.symbol);
    assert!(open > 0 || moved == 0, "{}", i.symbol);
    (moved + held * i128::from(days.last().unwrap().close) * scale, funded)
}

#[test]
fn days_of_a_perpetual_end_where_their_fills_and_funding_say() {
    let data = beside("binance_usdm_BTCUSDT_1d_2021.csv");
    for size in ["50%", "100%", "qty:0.35"] {
        let arguments = arguments(&data, "BTCUSDT", size);
        let run = compare(&arguments);
        assert_eq!(run.equity.raw(), run.expected, "size {size}");
        assert_eq!(run.funding.raw(), run.funding_expected, "size {size}");
        assert!(
            run.fills > 40 && run.shorts > 5 && !run.funding.is_zero(),
            "{} fills, {} shorts",
            run.fills,
            run.shorts
        );
        // The program says the same.
        let mut arguments = arguments;
        arguments.push("--json".into());
        let ran = bot4(&arguments);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(json["digest"], run.digest);
        assert_eq!(json["final_equity"].as_f64(), Some(run.equity.to_f64()));
        assert_eq!(json["funding"].as_f64(), Some(run.funding.to_f64()));
        assert_eq!(json["fills"].as_u64(), Some(run.fills as u64));
    }
}

#[test]
fn all_days_of_all_perpetuals_where_they_are_present() {
    let Some(data) = shared("data/daily/binance_usdm_perp_1d_31_symbols_2020_2024.parquet") else {
        println!("0 recorded files of perpetuals");
        return;
    };
    for (symbol, size) in [("BTCUSDT", "100%"), ("all", "2%")] {
        let run = compare(&arguments(&data, symbol, size));
        assert_eq!(run.equity.raw(), run.expected, "{symbol}");
        assert_eq!(run.funding.raw(), run.funding_expected, "{symbol}");
        println!(
            "{symbol}: {} fills, {} short round trips, funding {}, equity {}",
            run.fills, run.shorts, run.funding, run.equity
        );
    }
}

#[test]
fn an_account_below_maintenance_margin_is_closed_and_the_run_says_so() {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3);
    let minute = |n: u64| UnixNanos(T0.0 + n * 60_000_000_000);
    let rows: Vec<Candle> = [10_000, 10_000, 9_900, 9_400, 9_000, 9_000, 9_500]
        .windows(2)
        .zip(0u64..)
        .map(|(p, n)| testkit::candle(&btc, n, [p[0], p[0], p[1].min(p[0]), p[1]], 1_000_000_000))
        .collect();
    // 180 at 100 on 1,000 of cash: 18 times the account. What falls by 6 % leaves less than 2.5 % of the value.
    let script = vec![
        (minute(1), btc.idx, buy(btc.idx, "180")),
        (minute(5), btc.idx, buy(btc.idx, "1")),
        (minute(6), btc.idx, exit(btc.idx)),
    ];
    let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, vec![Scripted::new(script)]);
    let mut log = Log::default();
    run(&mut session, &table, "1000", vec![candles(&btc, &rows)], &mut log);
    assert_agree(&session, &table, "liquidated");
    assert_identity(&session, &table, "liquidated");
    assert_eq!(log.fills.len(), 2, "{:?}", log.fills);
    assert_eq!(session.venue.position(ACCOUNT, btc.idx), domain::Quantity::ZERO);
    // It must be looked at before anything is risked again.
    assert!(!session.engine.faults().is_empty());
    assert_eq!(log.refusals.iter().map(|(_, r)| r.reason).collect::<Vec<_>>(), [risk::DenyReason::Paused]);
}
