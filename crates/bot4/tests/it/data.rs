//! `bot4 data check` on good and bad files.

use crate::support::{Ran, bot4, folder};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;

const MINUTE: i64 = 60_000;
/// 2021-01-01.
const START: i64 = 1_609_459_200_000;

/// Minutes with small moves in turn, from `START`; the rows that `change` gives are written in their place.
fn minutes(rows: i64, change: impl Fn(i64) -> Option<String>) -> String {
    let mut text = String::from("open_time,open,high,low,close,volume\n");
    for row in 0..rows {
        let price = 100.0 + [0.0, 0.05, 0.11, 0.06][(row % 4) as usize];
        let plain = || format!("{},{price},{},{},{price},5", START + row * MINUTE, price + 0.02, price - 0.02);
        let line = change(row).unwrap_or_else(plain);
        if !line.is_empty() {
            writeln!(text, "{line}").unwrap();
        }
    }
    text
}

fn check(path: &Path, more: &[&str]) -> Ran {
    let mut args =
        vec!["data", "check", path.to_str().unwrap(), "--venue", "generic", "--symbol", "TEST", "--interval", "1m"];
    args.extend(["--instrument", "generic:8,8"]);
    args.extend(more);
    bot4(&args)
}

fn report(ran: &Ran) -> Value {
    let mut lines = ran.lines();
    assert_eq!(lines.len(), 1, "one object");
    lines.remove(0)
}

#[test]
fn gaps_silence_and_outliers_are_told_and_are_no_failure() {
    let path = folder("data_good").join("good.csv");
    let text = minutes(1_000, |row| match row {
        // Three minutes are missing.
        500..=502 => Some(String::new()),
        600 => Some(format!("{},100,100,100,100,0", START + 600 * MINUTE)),
        800 => Some(format!("{},100,150,100,100,5", START + 800 * MINUTE)),
        _ => None,
    });
    std::fs::write(&path, text).unwrap();
    let ran = check(&path, &["--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let report = report(&ran);
    let series = &report["series"][0];
    assert_eq!(report["ok"], true);
    assert_eq!((&series["rows"], &series["bad_rows"], &series["interval"]), (&json!(997), &json!(0), &json!("1m")));
    assert_eq!((&series["first_ts"], &series["last_ts"]), (&json!(START), &json!(START + 999 * MINUTE)));
    assert_eq!((&series["gaps"], &series["missing"]), (&json!(1), &json!(3)));
    assert_eq!(series["first_gaps"], json!([{"ts": START + 500 * MINUTE, "candles": 3, "seconds": 180}]));
    assert_eq!(series["zero_volume"], 1);
    assert_eq!(series["outliers"], 1);
    assert_eq!(series["first_outliers"][0]["ts"], START + 800 * MINUTE);
    assert!(series["first_outliers"][0]["change"].as_f64().unwrap() > 0.49);
    let table = check(&path, &[]);
    assert_eq!(table.code, 0);
    for expected in [
        "generic TEST 1m",
        "2021-01-01 08:20  3 candles, 3 min",
        "2021-01-01 13:20  +49.",
        "result                good",
    ] {
        assert!(table.stdout.contains(expected), "{expected:?} is not in {}", table.stdout);
    }
}

#[test]
fn rows_that_cannot_be_used_are_listed_by_kind_and_fail() {
    let path = folder("data_bad").join("bad.csv");
    let at = |row: i64, rest: &str| Some(format!("{},{rest}", START + row * MINUTE));
    let text = minutes(1_000, |row| match row {
        10 => at(9, "100,101,99,100,5"),
        20 => at(15, "100,101,99,100,5"),
        30 => at(30, "100,101,99,102,5"),
        40 => at(40, "100,101,0,100,5"),
        50 => at(50, "100,101,nan,100,5"),
        60 => at(60, "100,101,99,100,-1"),
        70 => Some(format!("{},100,101,99,100,5", START + 70 * MINUTE + 7_000)),
        _ => None,
    });
    std::fs::write(&path, text).unwrap();
    let ran = check(&path, &["--json"]);
    assert_eq!(ran.code, 1);
    assert_eq!(ran.stderr, "bot4: 1 of 1 series has rows that cannot be used\n");
    let report = report(&ran);
    let series = &report["series"][0];
    assert_eq!((&report["ok"], &series["bad_rows"], &series["rows"]), (&json!(false), &json!(7), &json!(993)));
    let kinds =
        json!({"duplicates": 1, "disorder": 1, "off_interval": 1, "ohlc": 1, "not_positive": 2, "unreadable": 1});
    assert_eq!(series["bad_rows_by_kind"], kinds);
    let third = &series["first_bad_rows"][2];
    assert_eq!((&third["line"], &third["column"], &third["value"]), (&json!(32), &json!("close"), &json!("102")));
    assert_eq!(third["expected"], "low <= close <= high, that is from 99 to 101");
    // Rows before and after a bad one are kept; the table says the same.
    let table = check(&path, &["--first", "1"]);
    assert_eq!(table.code, 1);
    let listed = |line: &str| table.stdout.contains(&format!("line {line},"));
    assert!(listed("12") && !listed("22"), "{}", table.stdout);
    assert!(
        table.stdout.contains("1 duplicate\n") && table.stdout.contains("rows that cannot be used"),
        "{}",
        table.stdout
    );
}

#[test]
fn many_bad_rows_are_all_counted() {
    let path = folder("data_many").join("many.csv");
    // Every two hundredth row repeats the time before it: more than are listed, less than one in a hundred.
    let text =
        minutes(10_000, |row| (row % 200 == 199).then(|| format!("{},100,101,99,100,5", START + (row - 1) * MINUTE)));
    std::fs::write(&path, text).unwrap();
    let ran = check(&path, &["--json"]);
    assert_eq!(ran.code, 1);
    let series = &report(&ran)["series"][0];
    assert_eq!((&series["bad_rows"], &series["bad_rows_by_kind"]["duplicates"]), (&json!(50), &json!(50)));
    assert_eq!(series["first_bad_rows"].as_array().unwrap().len(), 10);
}

#[test]
fn what_cannot_be_read_to_its_end_fails_with_the_reason() {
    let path = folder("data_cut").join("mixed.csv");
    // Minutes, and then rows five minutes apart: another interval.
    let text = minutes(400, |row| (row >= 100 && row % 5 != 0).then(String::new));
    std::fs::write(&path, text).unwrap();
    let ran = check(&path, &["--json"]);
    assert_eq!(ran.code, 1);
    let series = &report(&ran)["series"][0];
    assert!(series["error"].as_str().unwrap().contains("mixed intervals"), "{series}");

    let empty = folder("data_empty").join("empty.csv");
    std::fs::write(&empty, "").unwrap();
    check(&empty, &[]).refused(1, "is empty");
    check(Path::new("nowhere.csv"), &[]).refused(1, "nowhere.csv");
}

#[test]
fn trades_are_checked_as_rows() {
    let path = folder("data_trades").join("trades.csv");
    let text =
        "ts_ms,price,quantity,side\n1609459200000,100,1,buy\n1609459201000,101,0,sell\n1609459202000,101,2,sell\n";
    std::fs::write(&path, text).unwrap();
    let ran = check(&path, &["--json"]);
    assert_eq!(ran.code, 1);
    let series = &report(&ran)["series"][0];
    assert_eq!((&series["kind"], &series["interval"]), (&json!("trades"), &json!(null)));
    assert_eq!((&series["rows"], &series["bad_rows"]), (&json!(2), &json!(1)));
    assert_eq!(series["first_bad_rows"][0]["line"], 3);
}

#[test]
fn one_is_told_in_the_singular_and_two_in_the_plural() {
    let folder = folder("data_one");
    let text = |missing: i64| minutes(100, |row| (50..50 + missing).contains(&row).then(String::new));
    for (missing, total, listed) in
        [(1, "1 (1 candle missing)", "  1 candle, 1 min"), (2, "1 (2 candles missing)", "  2 candles, 2 min")]
    {
        let path = folder.join("gap.csv");
        std::fs::write(&path, text(missing)).unwrap();
        let ran = check(&path, &[]);
        assert!(ran.code == 0 && ran.stdout.contains(total) && ran.stdout.contains(listed), "{}", ran.stdout);
    }
    for (symbol, close) in [("BTCUSDT", "102"), ("ETHUSDT", "103")] {
        let bad = minutes(100, |row| (row == 5).then(|| format!("{},100,101,99,{close},5", START + row * MINUTE)));
        std::fs::write(folder.join(format!("binance_spot_{symbol}_1m.csv")), bad).unwrap();
    }
    std::fs::remove_file(folder.join("gap.csv")).unwrap();
    let path = folder.display().to_string();
    let ran = bot4(&["data", "check", &path, "--instrument", "generic:8,8"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, "bot4: 2 of 2 series have rows that cannot be used\n"));
}

#[test]
fn wrong_options_are_usage() {
    let path = folder("data_usage").join("a.csv");
    std::fs::write(&path, minutes(3, |_| None)).unwrap();
    check(&path, &["--from", "yesterday"]).refused(2, "--from yesterday");
    check(&path, &["--frist", "3"]).refused(2, "--frist");
    bot4(&["data"]).refused(2, "check");
}

#[test]
fn the_bundled_minutes_are_good() {
    let ran = bot4(&["data", "check", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report = report(&ran);
    let series = report["series"].as_array().unwrap();
    assert!(
        series.len() >= 2 && series.iter().all(|s| s["rows"].as_u64().unwrap() > 100_000 && s["bad_rows"] == 0),
        "{report}"
    );
}
