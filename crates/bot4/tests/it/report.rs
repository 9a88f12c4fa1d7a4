//! `bot4 report` from outside: the page of a run, figures as JSON, comparison, and folders that give no report.

use crate::support::{Ran, bot4, folder};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A run of half a month of the bundled minutes, in a folder.
fn run_into(out: &Path, more: &str) -> Value {
    let out = out.display().to_string();
    let mut args = vec!["backtest", "--from", "2021-05-12", "--to", "2021-05-26", "--out", &out, "--json"];
    args.extend(more.split_whitespace());
    let ran = bot4(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn report(folders: &[&Path], more: &[&str]) -> Ran {
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    let mut args = vec!["report"];
    args.extend(folders.iter().map(String::as_str));
    args.extend(more);
    bot4(&args)
}

const CROSS: &str = "--strategy sma-cross:fast=5,slow=20,bar=15m --risk off --size 20%";

#[test]
fn the_report_says_what_the_run_said() {
    let folder = folder("report_one");
    let out = folder.join("first");
    let said = run_into(&out, CROSS);
    let page = std::fs::read_to_string(out.join("report.html")).unwrap();
    for part in
        [said["digest"].as_str().unwrap(), "research: risk is off", "BTCUSDT", "sma-cross", "What the result rests on"]
    {
        assert!(page.contains(part), "{part}");
    }
    // Made again from the files it is the same page.
    let ran = report(&[&out], &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("report of 1 run in "), "{}", ran.stdout);
    assert_eq!(std::fs::read_to_string(out.join("report.html")).unwrap(), page);

    let ran = report(&[&out], &["--json"]);
    let object: Value = serde_json::from_str(&ran.stdout).unwrap();
    let run = &object["runs"][0];
    assert_eq!((&run["name"], &run["digest"]), (&Value::from("first"), &said["digest"]));
    let account = &run["figures"]["account"];
    assert_eq!(account["final_equity"], said["final_equity"]);
    assert_eq!(account["total_return"], said["total_return"]);
    assert_eq!(account["max_drawdown"], said["max_drawdown"]);
    assert_eq!(run["figures"]["trades"]["closed"], said["trades_closed"]);
    assert_eq!(account["cagr"], Value::Null, "two weeks promise no year");
    let close = |a: f64, b: f64| testkit::assert_close(a, b, 1e-9, 1e-9);
    let pnl: f64 = said["trades"].as_array().unwrap().iter().map(|t| t["pnl"].as_f64().unwrap()).sum();
    let closed = said["trades_closed"].as_f64().unwrap();
    close(run["figures"]["trades"]["expectancy"].as_f64().unwrap(), pnl / closed);
}

#[test]
fn strategies_add_up_to_the_account_and_exposure_to_what_was_held() {
    let folder = folder("report_sums");
    let out = folder.join("run");
    let said = run_into(&out, &format!("{CROSS} --strategy donchian:bar=1h --slippage bps:3"));
    let number = |v: &Value| v.as_f64().unwrap();
    let lines = said["by_strategy"].as_array().unwrap();
    assert_eq!(lines.len(), 4, "two strategies on two instruments");
    let total: f64 = lines.iter().map(|l| number(&l["realised"]) - number(&l["fees"]) + number(&l["unrealised"])).sum();
    testkit::assert_close(total, number(&said["final_equity"]) - 10_000.0, 1e-9, 1e-6);
    let sum = |key: &str| lines.iter().map(|l| l[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum("trades"), sum("fills")),
        (said["trades_closed"].as_u64().unwrap(), said["fills"].as_u64().unwrap())
    );
    let costs = &said["costs"];
    assert_eq!(
        (&costs["fees"], &costs["slippage"]),
        (&said["fees_paid"], &Value::Null),
        "slippage is inside the prices"
    );
    // All fills take, at a tenth of a percent.
    testkit::assert_close(number(&costs["turnover_taker"]) * 0.001, number(&costs["fees"]), 1e-6, 0.0);
    assert_eq!(costs["turnover_maker"], 0.0);

    let rows: Vec<Vec<f64>> = std::fs::read_to_string(out.join("equity.csv"))
        .unwrap()
        .lines()
        .skip(1)
        .map(|l| l.split(',').map(|x| x.parse().unwrap()).collect())
        .collect();
    let deepest = rows.iter().map(|r| r[3]).fold(0.0, f64::min);
    testkit::assert_close(deepest, number(&said["max_drawdown"]), 1e-12, 0.0);
    assert!(rows.iter().all(|r| (r[4] - r[5].abs()).abs() < 1e-9 || r[4] > r[5].abs()), "net is never more than gross");
    assert!(rows.iter().any(|r| r[4] > 0.3) && rows.iter().any(|r| r[4] < 0.01));
    // What is open at the end is the last exposure.
    let open: f64 = said["open_positions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| number(&p["quantity"]) * number(&p["mark_price"]))
        .sum();
    let last = rows.last().unwrap();
    testkit::assert_close(last[5] * last[1], open, 1e-9, 1e-6);

    // Prices: one bar an hour of each instrument, each beginning where the one before ended.
    let text = std::fs::read_to_string(out.join("prices.csv")).unwrap();
    let bars: Vec<Vec<&str>> = text.lines().skip(1).map(|l| l.split(',').collect()).collect();
    assert_eq!(bars.len(), 2 * rows.len());
    for (before, after) in bars.iter().zip(bars.iter().skip(2)) {
        assert_eq!((before[1], before[5]), (after[1], after[2]));
    }
}

#[test]
fn several_runs_are_compared_in_a_file_of_choice() {
    let folder = folder("report_several");
    let (a, b) = (folder.join("a"), folder.join("b"));
    run_into(&a, CROSS);
    run_into(&b, "--strategy donchian:bar=1h --records none");
    let out = folder.join("both.html");
    let ran = report(&[&a, &b], &["--out", &out.display().to_string()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let page = std::fs::read_to_string(&out).unwrap();
    assert!(page.contains("Comparison of 2 runs") && page.contains("under different limits"));
}

#[test]
fn a_folder_that_gives_no_report_is_refused_with_what_was_expected() {
    let folder = folder("report_bad");
    report(&[], &[]).refused(2, "<RUN>");
    report(&[&folder.join("nowhere")], &[]).refused(1, "expected the folder of a run");
    report(&[&folder], &[]).refused(1, "no summary.json in it");
    let unfinished = folder.join("unfinished");
    std::fs::create_dir_all(unfinished.join("journal")).unwrap();
    report(&[&unfinished], &[]).refused(1, "the run has not ended");

    let good = folder.join("good");
    run_into(&good, CROSS);
    let damaged = |name: &str, change: &dyn Fn(String) -> String| -> PathBuf {
        let copy = folder.join("damaged");
        let _ = std::fs::remove_dir_all(&copy);
        std::fs::create_dir_all(&copy).unwrap();
        for file in ["summary.json", "trades.csv", "equity.csv", "prices.csv"] {
            let text = std::fs::read_to_string(good.join(file)).unwrap();
            std::fs::write(copy.join(file), if file == name { change(text) } else { text }).unwrap();
        }
        copy
    };
    type Change<'a> = &'a dyn Fn(String) -> String;
    let cases: [(&str, Change, &str); 8] = [
        ("summary.json", &|t| t[..t.len() / 2].to_owned(), "summary.json, line"),
        ("summary.json", &|_| "{}".into(), "expected the summary of a run"),
        ("trades.csv", &|t| t.replacen("strategy,", "other,", 1), "trades.csv, line 1: expected the columns"),
        ("trades.csv", &|t| t.replacen(",long,", ",up,", 1), "side \"up\": expected long or short"),
        (
            "trades.csv",
            &|t| t.lines().take(4).map(|l| l.to_owned() + "\n").collect(),
            "3 trades, and summary.json says",
        ),
        ("equity.csv", &|t| t[..t.len() - 3].to_owned(), "ends within a line"),
        ("equity.csv", &|t| t.replacen("\n16", "\nx16", 1), "equity.csv, line 2: ts \"x16"),
        (
            "prices.csv",
            &|t| t.replacen("BTCUSDT", "XRPUSDT", 1),
            "prices.csv, line 2: symbol \"XRPUSDT\": expected one of",
        ),
    ];
    for (name, change, expected) in cases {
        report(&[&damaged(name, change)], &[]).refused(1, expected);
    }
    std::fs::remove_file(damaged("none", &|t| t).join("equity.csv")).unwrap();
    report(&[&folder.join("damaged")], &[]).refused(1, "equity.csv");
    // A run of an earlier version has no prices.
    std::fs::remove_file(damaged("none", &|t| t).join("prices.csv")).unwrap();
    assert_eq!(report(&[&folder.join("damaged")], &[]).code, 0);
    // A place that cannot be written.
    report(&[&good], &["--out", &folder.join("no/such/file.html").display().to_string()]).refused(1, "file.html");
}
