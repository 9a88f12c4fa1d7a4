//! Bad data through the program: what is left out is counted and named, what cannot be used ends the run with its reason.

use crate::support::{Ran, bot4, folder};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// 2021-01-01 00:00 UTC in milliseconds.
const START_MS: i64 = 1_609_459_200_000;
const NAME: &str = "binance_spot_BTCUSDT_1m.csv";
const HEADER: &str = "time,open,high,low,close,volume\n";

fn row(n: i64) -> String {
    format!("{},100.00,101.00,99.00,100.50,1.5\n", START_MS + n * 60_000)
}

fn rows(n: i64) -> String {
    (0..n).map(row).collect()
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn backtest(data: &Path, more: &[&str]) -> Ran {
    let data = data.display().to_string();
    let mut args = vec!["backtest", "--strategy", "donchian", "--data", &data];
    args.extend(more);
    bot4(&args)
}

/// One bad row among 200 good ones: it is left out, counted and named with its line; `--bad-rows refuse` ends the run there.
#[track_caller]
fn one_bad_row(folder: &Path, bad: &str, told: &str) {
    let text = HEADER.to_owned() + &rows(100) + bad + "\n" + &(101..=200).map(row).collect::<String>();
    let data = write(folder, NAME, text);
    let ran = backtest(&data, &["--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{bad}");
    let r: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&r["events"], &r["data"]["bad_rows"]), (&Value::from(200), &Value::from(1)), "{bad}");
    let named = r["data"]["first_bad_rows"][0].as_str().unwrap();
    assert!(named.contains(&format!("{NAME}, line 102, column ")) && named.contains(told), "{named}");
    // People are told, too.
    let ran = backtest(&data, &[]);
    assert!(ran.stdout.contains("\n1 bad row was left out:") && ran.stdout.contains(named), "{}", ran.stdout);
    let refused = backtest(&data, &["--bad-rows", "refuse", "--json"]);
    refused.refused(1, named);
}

#[test]
fn numbers_that_are_none() {
    let folder = folder("bad_numbers");
    let with = |close: &str| format!("{},100.00,101.00,99.00,{close},1.5", START_MS + 100 * 60_000);
    for (close, told) in [
        ("NaN", "column close: NaN; expected"),
        ("inf", "column close: inf; expected"),
        ("-100.50", "column close: -100.5; expected a price above 0"),
        ("0", "column close: 0; expected"),
        ("1e300", "column close: 1e300; expected"),
        ("99999999999999999999", "column close: 99999999999999999999; expected"),
        ("", "column close: nothing; expected"),
        ("100.505", "column close: 100.505; expected at most 2 decimals, as the instrument has"),
    ] {
        one_bad_row(&folder, &with(close), told);
    }
}

#[test]
fn times_that_go_back_or_lie_between() {
    let folder = folder("bad_times");
    one_bad_row(&folder, row(50).trim_end(), "this row goes back");
    one_bad_row(&folder, row(99).trim_end(), "this row repeats its time");
    let between =
        row(100).replace(&(START_MS + 100 * 60_000).to_string(), &(START_MS + 100 * 60_000 - 30_000).to_string());
    one_bad_row(&folder, between.trim_end(), "expected whole steps of 1m");
}

#[test]
fn mixed_intervals_end_the_run() {
    let folder = folder("mixed");
    let text =
        HEADER.to_owned() + &(0..60).map(|n| row(if n < 30 { n } else { 30 + (n - 30) * 5 })).collect::<String>();
    backtest(&write(&folder, NAME, text), &["--json"])
        .refused(1, "mixed intervals: 16 rows in a row are 5m apart; expected 1m");
}

#[test]
fn files_that_are_none() {
    let folder = folder("no_files");
    let piped = (HEADER.to_owned() + &rows(20)).replace(',', "|");
    let whole = std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample/daily/binance_spot_BTCUSDT_1d.parquet"),
    )
    .unwrap();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        (NAME, piped.into_bytes(), "wrong delimiter; expected columns separated by comma, semicolon or tab"),
        (NAME, Vec::new(), "is empty; expected rows of candles, trades or quotes"),
        (NAME, HEADER.into(), "is empty; expected at least one row after the header"),
        ("binance_spot_BTCUSDT_1d.parquet", whole[..whole.len() / 2].to_vec(), "it is damaged or cut off"),
        ("binance_spot_BTCUSDT_1d.parquet", whole[..whole.len() - 1].to_vec(), "it is damaged or cut off"),
        ("binance_spot_BTCUSDT_1d.parquet", Vec::new(), "is empty; expected a Parquet file"),
        ("binance_spot_BTCUSDT_1d.parquet", b"time,open\n".to_vec(), "it does not begin as a Parquet file does"),
    ];
    for (name, bytes, told) in cases {
        let data = write(&folder, name, bytes);
        let ran = backtest(&data, &["--json"]);
        ran.refused(1, told);
        ran.refused(1, name);
    }
    backtest(&folder.join("none.csv"), &[]).refused(1, "none.csv: No such file");
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).unwrap();
    backtest(&empty, &[]).refused(1, "has no .parquet, .feather, .csv, .csv.gz, .json, .json.gz or .zip file");
}

#[test]
fn damage_in_the_middle_of_a_file_leaves_no_result() {
    let folder = folder("damaged");
    let sample =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample/minutes/binance_spot_ETHUSDT_1m.parquet");
    let mut bytes = std::fs::read(sample).unwrap();
    let (from, to) = (bytes.len() / 2, bytes.len() / 2 + 400_000);
    bytes[from..to].fill(0);
    let data = write(&folder, "binance_spot_ETHUSDT_1m.parquet", bytes);
    let out = folder.join("out").display().to_string();
    let ran = backtest(&data, &["--json", "--out", &out]);
    ran.refused(1, "binance_spot_ETHUSDT_1m.parquet");
    assert!(!folder.join("out/summary.json").exists());
}

#[test]
fn symbols_and_names_that_say_too_little() {
    let folder = folder("unknown");
    let data = write(&folder, "binance_spot_XYZUSDT_1m.csv", HEADER.to_owned() + &rows(50));
    backtest(&data, &[]).refused(1, "no instrument data for XYZUSDT on binance_spot; known there: ADAUSDT, ");
    let ran = backtest(&data, &["--instrument", "generic:2,3", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let data = write(&folder, "prices.csv", HEADER.to_owned() + &rows(50));
    backtest(&data, &[]).refused(1, "prices.csv: its venue is not known");
    backtest(&data, &["--venue", "binance_spot", "--interval", "1m"])
        .refused(1, "prices.csv: its symbol is not known: say --symbol BTCUSDT");
    let ran = backtest(&data, &["--venue", "binance_spot", "--symbol", "BTCUSDT", "--interval", "1m", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn rows_that_contradict_the_interval_are_no_series_however_few() {
    let folder = folder("wrong_interval");
    let data = write(&folder, "prices.csv", HEADER.to_owned() + &rows(7));
    let with = |interval| {
        backtest(&data, &["--venue", "binance_spot", "--symbol", "BTCUSDT", "--interval", interval, "--json"])
    };
    with("4h").refused(1, "prices.csv: 6 of 7 rows are bad, the first: ");
    assert_eq!(with("1m").code, 0);
}

#[test]
fn a_run_on_no_rows_fails_and_says_what_is_there() {
    let folder = folder("no_rows");
    let data = write(&folder, NAME, HEADER.to_owned() + &rows(50));
    for json in [&["--json"][..], &[]] {
        let with = |more: &[&str]| backtest(&data, &[more, json].concat());
        with(&["--from", "2030-01-01"]).refused(
            1,
            "no row of the data is left with --from 2030-01-01; the data has rows from 2021-01-01 00:00 to 2021-01-01 00:49",
        );
        with(&["--to", "2015-01-01"])
            .refused(1, "no row of the data is left with --to 2015-01-01; the data begins at 2021-01-01 00:00");
        with(&["--from", "2021-01-02", "--to", "2021-01-03"])
            .refused(1, "no row of the data is left with --from 2021-01-02 --to 2021-01-03");
    }
}

#[test]
fn a_symbol_in_two_series_is_told_with_the_way_out() {
    let folder = folder("twice");
    write(&folder, NAME, HEADER.to_owned() + &rows(50));
    let hours = write(&folder, "binance_spot_BTCUSDT_1h.csv", HEADER.to_owned() + &row(0));
    backtest(&folder, &[]).refused(1, "BTCUSDT comes twice, as binance_spot BTCUSDT 1");
    backtest(&folder, &[]).refused(1, "choose one of the lengths with --interval");
    assert_eq!(backtest(&folder, &["--interval", "1m"]).code, 0);
    std::fs::remove_file(hours).unwrap();
    std::fs::remove_file(folder.join(NAME)).unwrap();
    let trades = "ts_ns,price,quantity,side\n1609459200000000000,100,1,buy\n";
    let quotes = "ts_ns,bid,bid_quantity,ask,ask_quantity\n1609459200000000000,100,1,101,1\n";
    let trades = write(&folder, "trades.csv", trades);
    let said = ["--venue", "binance_spot", "--symbol", "BTCUSDT"];
    write(&folder, "quotes.csv", quotes);
    backtest(&folder, &said).refused(1, "of one symbol together are not supported yet; choose one of them with --kind");
    assert_eq!(backtest(&trades, &said).code, 0);
}

#[test]
fn too_many_bad_rows_are_no_series() {
    let folder = folder("too_many");
    let bad = |n: i64| row(n).replace("101.00", "1.00");
    let text = HEADER.to_owned() + &(0..2_000).map(|n| if n % 3 == 1 { bad(n) } else { row(n) }).collect::<String>();
    let data = write(&folder, NAME, text);
    backtest(&data, &["--json"]).refused(1, "rows are bad, the first: ");
}
