//! `bot4 risk` from outside: backtests of risk models, and the risk report of a run beside what the engine left.

use crate::support::{Ran, bot4, folder, shared};
use serde_json::Value;
use std::path::Path;

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stdout))
}

/// The rates of a model at a level, by series.
fn rates(object: &Value, model: &str, level: f64) -> Vec<(String, f64, u64)> {
    let outcomes = object["outcomes"].as_array().unwrap();
    let ours = outcomes.iter().filter(|o| o["model"] == model && o["level"] == level);
    ours.map(|o| {
        let c = &o["coverage"];
        (o["series"].as_str().unwrap().into(), c["rate"].as_f64().unwrap(), c["forecasts"].as_u64().unwrap())
    })
    .collect()
}

#[test]
fn the_bundled_candles_are_walked_through_and_the_result_is_stored() {
    let out = folder("risk_backtest").join("result");
    let said = out.display().to_string();
    let args = ["risk", "backtest", "--symbol", "BTCUSDT,ETHUSDT", "--level", "95,99", "--model", "historical,normal"];
    let ran = bot4(&[&args[..], &["--weights", "BTCUSDT=0.5,ETHUSDT=-0.5", "--out", &said, "--json"]].concat());
    let object = json(&ran);
    let found = rates(&object, "historical", 0.95);
    let names: Vec<&str> = found.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names, ["BTCUSDT", "ETHUSDT", "weights BTCUSDT=0.5,ETHUSDT=-0.5"]);
    // Years of days: historical value at risk is passed about as often as it says.
    for (name, rate, forecasts) in &found {
        assert!(*forecasts > 1_000 && (0.04..0.07).contains(rate), "{name}: {rate} of {forecasts}");
    }
    for file in ["risk-backtest.json", "risk-backtest.csv", "risk-backtest.html", "risk-breaches.csv"] {
        assert!(out.join(file).metadata().unwrap().len() > 500, "{file}");
    }
    let stored: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("risk-backtest.json")).unwrap()).unwrap();
    assert_eq!(stored, object);
    let csv = std::fs::read_to_string(out.join("risk-backtest.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 3 * 2 * 2);
    let breaches: usize =
        object["outcomes"].as_array().unwrap().iter().map(|o| o["breaches"].as_array().unwrap().len()).sum();
    assert_eq!(std::fs::read_to_string(out.join("risk-breaches.csv")).unwrap().lines().count(), 1 + breaches);
    // The same folder takes a later result; one thread gives the same bytes.
    let again = bot4(
        &[&args[..], &["--weights", "BTCUSDT=0.5,ETHUSDT=-0.5", "--out", &said, "--json", "--threads", "1"]].concat(),
    );
    assert_eq!(again.stdout, ran.stdout);
    let table = bot4(&args);
    assert!(
        table.stdout.contains("99.00 % level: 1.00 % nominal") && table.stdout.contains("together"),
        "{}",
        table.stdout
    );
    assert_eq!(table.stderr, "");
}

#[test]
fn minutes_become_the_days_that_daily_candles_have() {
    let walk = |data: &[&str]| {
        let args = ["risk", "backtest", "--from", "2021-01-01", "--to", "2021-12-31", "--window", "100", "--json"];
        json(&bot4(&[&args[..], data, &["--model", "historical", "--symbol", "BTCUSDT"]].concat()))
    };
    let (days, minutes) = (walk(&["--interval", "1d"]), walk(&["--interval", "1m"]));
    assert_eq!(days["series"][0]["returns"], 363);
    // The venue was halted within days, never over the end of one.
    assert_eq!(days, minutes);
    let hours = walk(&["--interval", "1m", "--horizon", "4h"]);
    assert!(hours["series"][0]["returns"].as_u64().unwrap() > 2_100, "{}", hours["series"][0]);
}

#[test]
fn what_cannot_be_walked_is_said() {
    bot4(&["risk", "backtest", "--horizon", "soon"]).refused(2, "--horizon soon: expected a length");
    bot4(&["risk", "backtest", "--model", "garch"]).refused(2, "expected one of historical, normal");
    bot4(&["risk", "backtest", "--level", "0.99"]).refused(2, "expected percent from 50 to below 100");
    bot4(&["risk", "backtest", "--window", "5"]).refused(2, "expected at least 20");
    bot4(&["risk", "backtest", "--horizon", "90s", "--interval", "1m"])
        .refused(2, "expected candles that it is a multiple of");
    bot4(&["risk", "backtest", "--from", "2021-01-01", "--to", "2021-03-01"])
        .refused(1, "expected more than the window");
    bot4(&["risk", "backtest", "--symbol", "BTCUSDT", "--weights", "ETHUSDT=1"])
        .refused(2, "is not in the data (BTCUSDT)");
    let foreign = folder("risk_foreign");
    std::fs::write(foreign.join("risk-backtest.csv"), "mine\n").unwrap();
    let said = foreign.display().to_string();
    bot4(&["risk", "backtest", "--out", &said]).refused(2, "not of an earlier backtest");
    assert_eq!(std::fs::read_to_string(foreign.join("risk-backtest.csv")).unwrap(), "mine\n");
    bot4(&["risk", "report", &said]).refused(1, "expected the folder of a run");
}

/// A paper run of some weeks of the bundled minutes.
fn paper(out: &Path, to: &str) -> Value {
    let out = out.display().to_string();
    let args = ["paper", "--from", "2021-05-01", "--to", to, "--out", &out, "--json"];
    let ran = bot4(
        &[&args[..], &["--strategy", "sma-cross:bar=1h,fast=5,slow=20", "--strategy", "donchian:bar=2h"]].concat(),
    );
    json(&ran)
}

#[test]
fn the_report_equals_the_engine_and_the_audit_log() {
    let home = folder("risk_report");
    let (run, other) = (home.join("may"), home.join("shorter"));
    let summary = paper(&run, "2021-06-10");
    paper(&other, "2021-06-01");
    let said = run.display().to_string();
    let ran = bot4(&["risk", "report", &said]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("losses beyond the forecast of 95 %"), "{}", ran.stdout);
    let page = std::fs::read_to_string(run.join("risk.html")).unwrap();
    assert!(page.contains(summary["digest"].as_str().unwrap()) && !page.contains("Not what the engine says"));

    let report = json(&bot4(&["risk", "report", &said, "--json", "--against", &other.display().to_string()]));
    // To the last bit.
    assert_eq!(report["closing_equity"], summary["final_equity"]);
    assert_eq!(report["max_drawdown"], summary["max_drawdown"]);
    assert_eq!(report["trades"], summary["trades_closed"]);
    assert_eq!(report["initial_cash"], summary["initial_cash"]);
    let float = |value: &Value| value.as_f64().unwrap();
    assert_eq!(float(&report["pnl"]), float(&summary["final_equity"]) - float(&summary["initial_cash"]));
    let days = report["days"].as_array().unwrap();
    assert_eq!(days.len(), 40);
    let of_trades: f64 = summary["trades"].as_array().unwrap().iter().map(|t| float(&t["pnl"])).sum();
    let of_days: f64 = days.iter().map(|d| float(&d["trades_pnl"])).sum();
    assert!(summary["trades_closed"].as_u64().unwrap() > 20);
    testkit::assert_close(of_days, of_trades, 1e-9, 1e-9);
    // Every figure that the engine counts is the sum of the days.
    let sum = |key: &str| days.iter().map(|d| d[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum("orders"), sum("fills")),
        (summary["orders"].as_u64().unwrap(), summary["fills"].as_u64().unwrap())
    );
    let mut refusals = std::collections::BTreeMap::<String, u64>::new();
    for (reason, n) in days.iter().flat_map(|d| d["refusals"].as_object().unwrap()) {
        *refusals.entry(reason.clone()).or_default() += n.as_u64().unwrap();
    }
    assert_eq!(serde_json::to_value(refusals).unwrap(), summary["refusals"]);
    let agreement = report["agreement"].as_array().unwrap();
    assert_eq!(agreement.len(), 7);
    assert!(agreement.iter().all(|a| a["equal"] == true), "{agreement:?}");
    assert_eq!(report["against"][1]["name"], "shorter");
    assert_eq!(report["against"][1]["shared"], 31);
    let mut lows = days.iter().map(|d| float(&d["drawdown"]));
    assert_eq!(lows.by_ref().fold(0.0, f64::min), float(&summary["max_drawdown"]));

    let csv = bot4(&["risk", "report", &said, "--csv"]);
    assert_eq!(csv.stdout.lines().count(), 41);
    assert_eq!(csv.stdout, std::fs::read_to_string(run.join("risk.csv")).unwrap());
    // The run stays what it was.
    let verified = bot4(&["audit", "verify", &said]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    // Its value can be walked through like a price.
    let walked = json(&bot4(&["risk", "backtest", "--run", &said, "--window", "20", "--model", "normal", "--json"]));
    assert_eq!(walked["series"][0]["name"], "run may");
    assert_eq!(walked["series"][0]["returns"], 39);
}

#[test]
fn a_backtest_without_an_audit_log_has_a_report_too() {
    let out = folder("risk_backtest_run").join("run");
    let said = out.display().to_string();
    let args = ["backtest", "--from", "2021-05-12", "--to", "2021-05-20", "--out", &said, "--json"];
    let summary = json(&bot4(&[&args[..], &["--strategy", "sma-cross:fast=5,slow=20,bar=15m"]].concat()));
    let report = json(&bot4(&["risk", "report", &said, "--json"]));
    assert_eq!(report["closing_equity"], summary["final_equity"]);
    assert_eq!((&report["audited"], &report["days"][0]["orders"]), (&Value::from(false), &Value::Null));
    let page = out.join("mine.html");
    let ran = bot4(&["risk", "report", &said, "--out", &page.display().to_string()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(page.exists() && !out.join("risk.html").exists());
    // A file that is no page is not written over.
    bot4(&["risk", "report", &said, "--out", &out.join("trades.csv").display().to_string()]).refused(2, "--out");
    // Equity of another run is told.
    let equity = std::fs::read_to_string(out.join("equity.csv")).unwrap();
    let shorter: Vec<&str> = equity.lines().take(100).collect();
    std::fs::write(out.join("equity.csv"), shorter.join("\n") + "\n").unwrap();
    let ran = bot4(&["risk", "report", &said, "--json"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stderr.contains("closing equity") && ran.stderr.contains("do not belong together"), "{}", ran.stderr);
}

#[test]
fn five_years_of_recorded_days_keep_to_their_level() {
    let Some(data) = shared("data/daily/binance_spot_1d_10_symbols_2017_2024.parquet") else {
        println!("0 recorded series: the data is not beside the checkout");
        return;
    };
    let data = data.display().to_string();
    // 250 days before 2020-01-01: the forecasts are those of 2020 to 2024.
    let args = ["risk", "backtest", "--data", &data, "--from", "2019-04-26", "--to", "2025-01-01", "--json"];
    let object = json(&bot4(&[&args[..], &["--model", "historical,student-t"]].concat()));
    for (name, rate, forecasts) in rates(&object, "historical", 0.95) {
        assert!((0.04..0.062).contains(&rate), "{name}: {rate} of {forecasts}");
    }
    let bitcoin = rates(&object, "historical", 0.95).into_iter().find(|(name, _, _)| name == "BTCUSDT").unwrap();
    assert_eq!((bitcoin.2, (bitcoin.1 * 1_826.0).round()), (1_826, 97.0));
    println!("{} recorded series", object["series"].as_array().unwrap().len());
}
