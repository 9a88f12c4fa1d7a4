//! `bot4 costs` from outside: amounts against the journal and the bundled candles, parameters against the ones that the venue was told, and
//! what cannot be analysed.

use crate::support::{Ran, bot4, folder};
use bot4::costs::calibrate::{Sample, fit_venue};
use bot4::explain::scan::Index;
use domain::decimal::mantissa_to_f64;
use domain::{
    AccountId, ClientOrderId, InstrumentTable, Money, OrderQuantity, OrderSpec, OrderType, Quantity, Rate, ReportBody,
    Side, StrategyIdx, TimeInForce, UnixNanos,
};
use research::fit::{Observation, Regressor};
use serde_json::Value;
use sim::{Request, Slippage, Venue, VenueConfig};
use std::path::{Path, PathBuf};
use testkit::candle;
use testkit::generate::Seeded;

const STRATEGIES: &str = "--strategy sma-cross:fast=10,slow=30,bar=15m --strategy donchian:bar=1h";

fn paper(out: &Path, more: &str) -> Ran {
    let out = out.display().to_string();
    let mut args = vec!["paper", "--json", "--out", &out];
    args.extend(more.split_whitespace());
    let ran = bot4(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran
}

fn costs(run: &Path, more: &[&str]) -> Ran {
    let run = run.display().to_string();
    let mut args = vec!["costs", &run];
    args.extend(more);
    bot4(&args)
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// An amount of the report, exactly.
#[track_caller]
fn money(value: &Value) -> Money {
    Money::parse(value.as_str().unwrap_or_else(|| panic!("{value} is no amount"))).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// A fortnight with an impact of 60 bps and a spread of 4.
fn fortnight(name: &str) -> (PathBuf, Value) {
    let run = folder(name).join("run");
    let said = paper(&run, &format!("--from 2021-05-10 --to 2021-05-24 {STRATEGIES} --slippage impact:4:60"));
    (run, json(&said))
}

/// Opens and volumes of the bundled minutes of a symbol by time in ms.
fn bars(symbol: &str) -> std::collections::BTreeMap<i64, (i64, i64)> {
    let data = bot4::command::inputs::DataArgs { symbol: Some(symbol.into()), ..Default::default() };
    let series = data.series().unwrap();
    let mut reader = store::history::SeriesReader::open(&series[0], domain::InstrumentIdx(0)).unwrap();
    let (mut rows, mut all) = (store::history::Rows::Candles(Vec::new()), std::collections::BTreeMap::new());
    while reader.next_chunk(&mut rows).unwrap() {
        let store::history::Rows::Candles(candles) = &rows else { panic!("candles") };
        all.extend(candles.iter().map(|c| (c.ts_open.as_millis(), (c.open, c.volume))));
    }
    all
}

#[test]
fn parts_sum_to_the_whole_and_the_whole_is_the_journals() {
    let (run, said) = fortnight("costs_sums");
    let report = json(&costs(&run, &["--json"]));
    let orders = report["orders"].as_array().unwrap();
    assert_eq!(orders.len() as u64, said["fills"].as_u64().unwrap(), "every fill is an order here");
    let index = Index::read(&run.join("journal"), false).unwrap();
    let bars = [bars("BTCUSDT"), bars("ETHUSDT")];
    let (mut fees, mut looked) = (Money::ZERO, 0);
    for o in orders {
        let parts = ["delay", "timing", "spread", "impact", "fees", "opportunity", "unattributed", "residual"];
        let sum = parts.iter().filter(|p| !o[**p].is_null()).map(|p| money(&o[*p]).raw()).sum::<i128>();
        assert_eq!(money(&o["cost"]).raw(), sum, "{o}");
        assert_eq!(money(&o["residual"]), Money::ZERO, "{o}");
        fees = fees.checked_add(money(&o["fees"])).unwrap();
        // An order sent at a close, against the open of the bar that it filled in: impact and timing by hand, in whole mantissas.
        let line = index.orders.iter().find(|l| l.ordinal() == o["order"].as_u64().unwrap()).unwrap();
        if o["type"].is_string() || line.spec.kind != OrderType::Market {
            continue;
        }
        let (open, volume) = bars[line.spec.instrument.index()][&line.ts.as_millis()];
        let sign = line.spec.side.sign();
        let paid = sign * (line.weighted - i128::from(open) * i128::from(line.filled));
        // Two decimals of the price and five or six of the quantity make a mantissa of 1e-7 or 1e-8.
        let decimals = [8, 7][line.spec.instrument.index()];
        assert_eq!(money(&o["impact"]).raw(), paid * 10i128.pow(12 - decimals), "{o}");
        let law = 2e-4 + 60e-4 * (line.filled as f64 / volume as f64).sqrt();
        let tick = 1.0 / open as f64;
        let measured = paid as f64 / (open as f64 * line.filled as f64);
        assert!((law..=law + tick * 1.000_1).contains(&measured), "{law} {measured} of {o}");
        looked += 1;
    }
    assert!(looked > 30, "{looked} market orders");
    // The ledger rounds each fee once more, at the precision of its asset.
    testkit::assert_close(fees.to_f64(), number(&said["fees_paid"]), 0.0, 1e-8 * orders.len() as f64);
    // Sums of groups are the sums of all, exactly.
    let all = &report["all"];
    for group in report["groups"].as_array().unwrap() {
        let sum = |key: &str| group[1].as_array().unwrap().iter().map(|g| money(&g[key]).raw()).sum::<i128>();
        assert_eq!(sum("cost"), money(&all["cost"]).raw(), "{}", group[0]);
        assert_eq!(sum("traded"), money(&all["traded"]).raw(), "{}", group[0]);
    }
    let turnover = number(&said["costs"]["turnover_taker"]) + number(&said["costs"]["turnover_maker"]);
    testkit::assert_close(money(&all["traded"]).to_f64(), turnover, 1e-9, 0.0);
}

#[test]
fn the_fills_of_a_run_recover_what_its_venue_was_told() {
    let (run, _) = fortnight("costs_recovered");
    let report = json(&costs(&run, &["--json"]));
    let law = &report["calibrated"]["venue"]["fit"]["law"];
    let holds = |v: &Value, truth: f64| (number(&v["low"])..=number(&v["high"])).contains(&truth);
    // Wide enough to be honest, narrow enough to be of use; coverage over many seeds is held elsewhere.
    let near = |v: &Value, truth: f64| holds(v, truth) || (number(&v["value"]) / truth - 1.0).abs() < 0.005;
    assert!(near(&law["half_spread"], 2e-4) && near(&law["coefficient"], 60e-4), "{law}");
    let setting = report["calibrated"]["venue"]["slippage"].as_str().unwrap();
    assert!(setting.starts_with("impact:"), "{setting}");
    // The setting is one that a run takes.
    let again = folder("costs_recovered_again").join("run");
    paper(&again, &format!("--from 2021-05-10 --to 2021-05-12 {STRATEGIES} --slippage {setting}"));
    // Estimates before against what came after: a tenth of a basis point at most.
    let bias = &report["calibrated"]["crossing"]["bias"];
    assert!(number(&bias["value"]).abs() < 1e-5 && number(&bias["low"]) < number(&bias["high"]), "{bias}");
    let walked = report["calibrated"]["crossing"]["steps"].as_array().unwrap().len();
    let estimated = report["orders"].as_array().unwrap().iter().filter(|o| !o["estimate"].is_null()).count();
    assert!(walked > 40 && walked == estimated, "{walked} {estimated}");
    let mut estimates = report["orders"].as_array().unwrap().iter().map(|o| &o["estimate"]).filter(|e| !e.is_null());
    assert!(estimates.all(|e| e["toxicity"] == "no input" && number(&e["error_bps"]) > 0.0));
    // The same through the command for several runs.
    let path = run.display().to_string();
    let fit = json(&bot4(&["costs", "fit", &path, &path, "--json"]));
    assert_eq!(number(&fit["fills"]), 2.0 * number(&report["calibrated"]["venue"]["fills"]));
    assert!(bot4(&["costs", "fit", &path]).stdout.contains("--slippage impact:"));
}

#[test]
fn no_slippage_and_a_flat_one_are_told_apart_from_impact() {
    let span = "--from 2021-05-10 --to 2021-05-17 --strategy sma-cross:fast=10,slow=30,bar=15m";
    for (told, found) in [("none", "none"), ("bps:5", "bps:")] {
        let run = folder(&format!("costs_{}", told.replace(':', "_"))).join("run");
        paper(&run, &format!("{span} --slippage {told}"));
        let report = json(&costs(&run, &["--json"]));
        let setting = report["calibrated"]["venue"]["slippage"].as_str().unwrap();
        assert!(setting.starts_with(found), "{told}: {setting}");
        if let Some(bps) = setting.strip_prefix("bps:") {
            testkit::assert_close(bps.parse().unwrap(), 5.0, 0.0, 0.02);
        }
    }
}

#[test]
fn the_page_the_csv_and_the_table_say_the_same() {
    let (run, _) = fortnight("costs_page");
    let report = json(&costs(&run, &["--json"]));
    let ran = costs(&run, &["--html", "--by", "hour,symbol", "--orders"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("page in ") && ran.stdout.contains("by hour") && ran.stdout.contains("by symbol"));
    let page = std::fs::read_to_string(run.join("costs.html")).unwrap();
    let bps = format!("{:.2}", number(&report["all"]["cost_bps"]));
    assert!(page.contains(&bps) && ran.stdout.contains(&bps), "{bps}");
    for part in ["fitted law", "measured as estimated", "By strategy", "By hour of the day", "--slippage impact:"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(!page.contains("NaN") && !page.contains("http://"));
    let csv = costs(&run, &["--csv"]).stdout;
    let mut lines = csv.lines();
    let heads: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
    assert!(rows.iter().all(|r| r.len() == heads.len()));
    let at = heads.iter().position(|h| *h == "cost").unwrap();
    let sum = rows.iter().map(|r| Money::parse(r[at]).unwrap().raw()).sum::<i128>();
    assert_eq!(sum, money(&report["all"]["cost"]).raw());
    // A page is not written over what a run keeps.
    costs(&run, &["--html", &run.join("summary.json").display().to_string()]).refused(2, "is part of the result");
}

#[test]
fn quotes_give_the_spread_its_own_part_and_latency_shows() {
    let dir = folder("costs_quotes");
    let (mut random, mut middle) = (Seeded::new(7), 3_000_000i64);
    let mut rows = String::from("ts_ms,bid,bid_quantity,ask,ask_quantity\n");
    let price = |mantissa: i64| format!("{}.{:02}", mantissa / 100, mantissa % 100);
    for n in 0..30_000i64 {
        middle += random.within(-400, 400);
        let half = random.within(50, 350);
        let shown = random.within(1, 8);
        rows += &format!(
            "{},{},{shown},{},{shown}\n",
            1_609_459_200_000i64 + n * 1_000,
            price(middle - half),
            price(middle + half)
        );
    }
    std::fs::write(dir.join("binance_spot_BTCUSDT_quotes.csv"), rows).unwrap();
    let run = dir.join("run");
    let data = dir.display().to_string();
    paper(
        &run,
        &format!(
            "--data {data} --kind quotes --strategy sma-cross:fast=3,slow=8,bar=1m --latency 120 --slippage impact:4:60"
        ),
    );
    let report =
        json(&costs(&run, &["--json", "--data", &dir.join("binance_spot_BTCUSDT_quotes.csv").display().to_string()]));
    let orders = report["orders"].as_array().unwrap();
    assert!(orders.len() >= 5, "{}", orders.len());
    for o in orders {
        assert!(money(&o["spread"]) > Money::ZERO && money(&o["impact"]) > Money::ZERO, "{o}");
        assert_eq!((number(&o["sent_to_accepted_ms"]), number(&o["sent_to_first_fill_ms"])), (240.0, 240.0));
        assert_eq!(money(&o["unattributed"]), Money::ZERO);
    }
    // Fills against quotes say nothing of a spread beyond the quoted one.
    if let Some(law) = report["calibrated"]["venue"]["fit"]["law"].as_object() {
        assert!(law["half_spread"].is_null(), "{law:?}");
    }
}

#[test]
fn nothing_one_fill_and_what_cannot_be_read() {
    // Too short for a bar: no order.
    let dir = folder("costs_edges");
    let (none, one) = (dir.join("none"), dir.join("one"));
    paper(&none, &format!("--from 2021-05-01 --to 2021-05-01T00:30:00Z {STRATEGIES}"));
    let ran = costs(&none, &["--html"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("no order was meant to trade: nothing was paid"), "{}", ran.stdout);
    assert!(std::fs::read_to_string(none.join("costs.html")).unwrap().contains("nothing to analyse"));
    assert!(costs(&none, &["--csv"]).stdout.lines().count() == 1);
    let fit = json(&bot4(&["costs", "fit", &none.display().to_string(), "--json"]));
    assert_eq!((&fit["slippage"], &fit["why_not"]), (&Value::Null, &"0 observations, expected at least 10".into()));

    // One entry, whose stop still works: the price half an hour later lies beyond the data.
    paper(&one, &format!("--from 2021-05-01 --to 2021-05-01T12:40:00Z {STRATEGIES} --slippage impact:4:60"));
    let report = json(&costs(&one, &["--json"]));
    let orders = report["orders"].as_array().unwrap();
    assert_eq!((orders.len(), &report["not_set_off"]), (1, &Value::from(1)));
    let o = &orders[0];
    assert!(!o["cost"].is_null() && o["estimate"].is_null() && o["markout_bps"][2].is_null(), "{o}");
    assert!(!o["markout_bps"][0].is_null() && !o["markout_bps"][1].is_null(), "{o}");
    assert!(costs(&one, &[]).stdout.contains("1 fills took at the market's price: no fit: 1 observations"));

    // What is no recorded run, and usage.
    let nowhere = dir.join("nowhere");
    costs(&nowhere, &[]).refused(1, "nowhere");
    costs(&one, &["--by", "moon"]).refused(2, "moon");
    costs(&one, &["--json", "--csv"]).refused(2, "cannot be used with");
    assert_eq!(bot4(&["costs"]).code, 2);

    // A damaged journal says where.
    let segment = std::fs::read_dir(one.join("journal")).unwrap().map(|e| e.unwrap().path()).next().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    std::fs::write(&segment, &bytes).unwrap();
    costs(&one, &[]).refused(1, "journal");
}

#[test]
fn inputs_that_are_gone_or_changed_are_said() {
    let dir = folder("costs_inputs");
    let file = dir.join("binance_spot_BTCUSDT_1m.csv");
    let mut rows = String::from("open_time,open,high,low,close,volume\n");
    for n in 0..2_000i64 {
        let price = 30_000 + (n / 40 % 2) * 300 + n % 40 * 10;
        rows += &format!("{},{price},{},{},{price},5\n", 1_609_459_200_000i64 + n * 60_000, price + 20, price - 20);
    }
    std::fs::write(&file, &rows).unwrap();
    let run = dir.join("run");
    let data = file.display().to_string();
    paper(&run, &format!("--data {data} --strategy sma-cross:fast=3,slow=8,bar=5m --slippage bps:5"));
    assert_eq!(costs(&run, &[]).code, 0);
    let moved = dir.join("moved");
    std::fs::create_dir(&moved).unwrap();
    let there = moved.join("binance_spot_BTCUSDT_1m.csv");
    std::fs::rename(&file, &there).unwrap();
    costs(&run, &[]).refused(1, "BTCUSDT_1m.csv");
    assert_eq!(costs(&run, &["--data", &there.display().to_string()]).code, 0);
    std::fs::write(&there, rows.replace(",5\n", ",6\n")).unwrap();
    costs(&run, &["--data", &there.display().to_string()]).refused(1, "has changed since the run began");
}

/// Fills of market orders of random size at the opens of random bars, from the simulated venue itself.
fn fills(seed: u64, slippage: Slippage, orders: usize) -> Vec<Sample> {
    let mut random = Seeded::new(seed);
    let mut table = InstrumentTable::default();
    let instrument = testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3);
    let mut venue = Venue::new(VenueConfig { slippage, ..VenueConfig::frictionless() });
    venue.define_table(&table).unwrap();
    venue.deposit(AccountId(0), instrument.quote, Money::from_units(1_000_000_000));
    let mut samples = Vec::new();
    for n in 0..orders as u64 {
        let side = if random.chance(50) { Side::Buy } else { Side::Sell };
        let quantity = random.within(100, 3_000);
        let order = OrderSpec {
            client_id: ClientOrderId::new(AccountId(0), 1, n + 1),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(Quantity::from_mantissa(quantity, 3)),
            time_in_force: TimeInForce::Gtc,
            account: AccountId(0),
            instrument: instrument.idx,
            strategy: StrategyIdx(0),
            side,
            post_only: false,
            reduce_only: false,
        };
        let open = random.within(20_000, 100_000);
        let mut bar = candle(&instrument, n, [open; 4], 0);
        bar.volume = random.within(20_000, 520_000);
        venue.submit(bar.ts_open, Request::Place { order, valid_until: None });
        venue.advance(bar.ts_open);
        venue.on_bar_open(bar.ts_open, &bar);
        while let Some(report) = venue.take_report(UnixNanos::MAX) {
            let ReportBody::Filled { fill, .. } = report.body else { continue };
            samples.push(Sample {
                quantity: mantissa_to_f64(fill.quantity, 3),
                observation: Observation {
                    share: fill.quantity as f64 / bar.volume as f64,
                    volatility: None,
                    cost: side.sign() as f64 * (fill.price - open) as f64 / open as f64,
                    pays_spread: true,
                    tick: 1.0 / open as f64,
                    weight: 1.0,
                },
            });
        }
    }
    samples
}

/// V07: over 200 seeds the 95 % interval of each parameter holds what the venue was told in 90 to 99 % of the cases.
#[test]
fn intervals_hold_what_the_simulated_venue_was_told() {
    let told = Slippage::Impact { spread: Rate::from_bps(4), coefficient: Rate::from_bps(60) };
    let (mut spread, mut coefficient, mut impact_seen) = (0, 0, 0);
    for seed in 0..200 {
        let samples = fills(seed, told, 60);
        assert_eq!(samples.len(), 60, "seed {seed}");
        let fitted = fit_venue(&samples, Vec::new(), Regressor::VolumeShare);
        let law = fitted.fit.unwrap().law.unwrap();
        spread += u32::from(law.half_spread.unwrap().holds(2e-4));
        coefficient += u32::from(law.coefficient.holds(60e-4));
        impact_seen += u32::from(fitted.slippage.unwrap().starts_with("impact:"));
    }
    println!("of 200 seeds: spread held in {spread}, coefficient in {coefficient}, impact seen in {impact_seen}");
    assert!((180..=198).contains(&spread) && (180..=198).contains(&coefficient), "{spread} {coefficient}");
    assert_eq!(impact_seen, 200);
    // A flat slippage: its rate is held as often, and no impact is invented in more than a few.
    let (mut flat, mut invented) = (0, 0);
    for seed in 0..200 {
        let fitted = fit_venue(&fills(seed, Slippage::Bps(Rate::from_bps(5)), 60), Vec::new(), Regressor::VolumeShare);
        flat += u32::from(fitted.fit.as_ref().unwrap().flat.holds(5e-4));
        invented += u32::from(!fitted.slippage.unwrap().starts_with("bps:"));
    }
    println!("of 200 seeds: flat rate held in {flat}, impact invented in {invented}");
    assert!((180..=199).contains(&flat) && invented <= 12, "{flat} {invented}");
    // Nothing told, nothing found.
    let fitted = fit_venue(&fills(1, Slippage::None, 60), Vec::new(), Regressor::VolumeShare);
    assert_eq!(fitted.slippage.as_deref(), Some("none"));
}
