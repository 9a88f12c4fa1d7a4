//! `bot4 calc` against references, and what it says when it cannot answer.

use crate::support::{Ran, beside, bot4, folder, shared};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

fn read(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap();
    let mut text = Vec::new();
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
    } else {
        text = bytes;
    }
    serde_json::from_slice(&text).unwrap()
}

fn cases(path: &Path) -> Ran {
    bot4(&["calc".as_ref(), "--cases".as_ref(), path.as_os_str()])
}

/// The answer to a reference key: some are only every so many rows of a whole series.
fn picked(key: &str, outputs: &Value, expected: &Value) -> Value {
    let every = |n: usize, of: &str| Value::Array(outputs[of].as_array().unwrap().iter().step_by(n).cloned().collect());
    match key {
        "equity_every_10th" => every(10, "equity"),
        "equity" if expected["equity_bars"].as_str().is_some_and(|rows| rows.starts_with("0,5,")) => every(5, "equity"),
        _ => outputs.get(key).cloned().unwrap_or_else(|| panic!("{key} is missing")),
    }
}

/// Holds every number of `expected` against `got`; `skip` are rows that rounding decides.
fn hold(expected: &Value, got: &Value, (rel, abs): (f64, f64), skip: &[u64], place: &str) {
    match expected {
        Value::Object(map) => {
            for (key, value) in map {
                // Provenance, and what a case says about another key.
                if value.is_string() || key == "backtesting_py" || key.starts_with("quantstats_") || key == "ulcer_qs" {
                    continue;
                }
                hold(value, &picked(key, got, expected), (rel, abs), skip, &format!("{place}/{key}"));
            }
        }
        Value::Array(items) => {
            let answered = got.as_array().unwrap_or_else(|| panic!("{place}: {got} is no list"));
            assert_eq!(answered.len(), items.len(), "{place}: length");
            for (at, (item, answer)) in items.iter().zip(answered).enumerate() {
                if !skip.contains(&(at as u64)) {
                    hold(item, answer, (rel, abs), &[], &format!("{place}[{at}]"));
                }
            }
        }
        Value::Number(number) => {
            let expected = number.as_f64().unwrap();
            let got = got.as_f64().unwrap_or_else(|| panic!("{place}: {got} for {expected}"));
            assert!((got - expected).abs() <= abs + rel * expected.abs(), "{place}: {got} for {expected}");
        }
        other => assert_eq!(got, other, "{place}"),
    }
}

/// Holds the answers of a file of cases; those of functions that do not exist are left out. Returns how many were held.
fn hold_file(path: &Path) -> usize {
    let file = read(path);
    let lines = cases(path).lines();
    let asked = file["cases"].as_array().unwrap();
    assert_eq!(lines.len(), asked.len(), "a line for every case");
    let mut held = 0;
    for (case, line) in asked.iter().zip(&lines) {
        let id = case["id"].as_str().unwrap();
        assert_eq!(line["id"], id);
        if let Some(error) = line.get("error") {
            assert!(error.as_str().unwrap().starts_with("unknown function"), "{id}: {error}");
            continue;
        }
        // One tolerance, or one for each group of figures: then the widest, for which figure is whose is told with the functions.
        let tolerance = |key: &str| {
            let of = |value: &Value| value[key].as_f64();
            let groups = case["tolerance"].as_object().into_iter().flat_map(|groups| groups.values().filter_map(of));
            of(&case["tolerance"]).or_else(|| groups.reduce(f64::max)).unwrap_or(0.0)
        };
        let (rel, abs) = (tolerance("rel"), tolerance("abs"));
        let ill: Vec<u64> = match &case["ill_conditioned_index"] {
            Value::Array(rows) => rows.iter().filter_map(Value::as_u64).collect(),
            Value::Object(map) => {
                map.values().filter_map(Value::as_array).flatten().filter_map(Value::as_u64).collect()
            }
            _ => Vec::new(),
        };
        hold(&case["outputs"], &line["outputs"], (rel, abs), &ill, id);
        held += 1;
    }
    held
}

#[test]
fn the_bundled_backtests_hold() {
    assert_eq!(hold_file(&beside("backtest_cases.json")), 7);
}

#[test]
fn the_reference_backtests_hold_where_they_are_present() {
    let held = shared("golden/13_backtests.json").map_or(0, |path| {
        let held = hold_file(&path);
        assert_eq!(held, 40);
        held
    });
    println!("reference backtests held: {held}");
}

#[test]
fn the_reference_functions_that_exist_hold_where_they_are_present() {
    let mut held = 0;
    for file in
        ["01_indicators_core.json.gz", "01_indicators_defined.json.gz", "01_indicators_more.json.gz", "06_risk.json"]
    {
        held += shared(&format!("golden/{file}")).map_or(0, |path| hold_file(&path));
    }
    println!("reference cases of functions held: {held}");
    assert!(held == 0 || held >= 202, "{held} cases were answered, fewer than when this test was written");
}

/// The bars that a case plays which names only open and close: their larger as the high, their smaller as the low, no volume.
fn bars_of_a_case(table: &str) -> String {
    let mut lines = table.lines();
    let mut text = lines.next().unwrap().to_owned() + "\n";
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let [open, _, _, close, _] = cells[..] else { panic!("{line}: expected five columns") };
        let rises = open.parse::<f64>().unwrap() < close.parse::<f64>().unwrap();
        let (high, low) = if rises { (close, open) } else { (open, close) };
        text += &format!("{open},{high},{low},{close},0\n");
    }
    text
}

#[test]
fn a_case_has_the_digest_of_the_same_backtest() {
    let file = beside("backtest_cases.json");
    let lines = cases(&file).lines();
    let digest_of = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap()["run"]["digest"].clone();
    let folder = crate::support::folder("case_bars");
    let backtest = |series: &str, strategy: &str, more: &[&str]| {
        let data = folder.join(series.rsplit('/').next().unwrap());
        std::fs::write(&data, bars_of_a_case(&std::fs::read_to_string(beside(series)).unwrap())).unwrap();
        let mut args = vec!["backtest", "--data", data.to_str().unwrap(), "--strategy", strategy, "--json"];
        args.extend(["--instrument", "generic:11,11", "--start", "2000-01-01", "--interval", "1d"]);
        // The digest begins with the instrument's definition: its name counts, too.
        args.extend(["--risk", "off", "--size", "all-in", "--symbol", "CASE"]);
        args.extend(more);
        let ran = bot4(&args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let mut lines = ran.lines();
        assert_eq!(lines.len(), 1, "one object on standard output");
        lines.remove(0)
    };
    let mut digests = Vec::new();
    for (id, series, strategy, more) in [
        (
            "short/sma_cross/fractional",
            "series/short_digits.csv",
            "sma-cross:fast=3,slow=8",
            ["10000", "0.001", "fractional"],
        ),
        ("short/sma_cross/whole", "series/short_digits.csv", "sma-cross:fast=3,slow=8", ["10000", "0.001", "whole"]),
        (
            "long/sma_cross/fractional",
            "series/long_digits.csv",
            "sma-cross:fast=5,slow=20",
            ["1000000", "0.001", "fractional"],
        ),
        (
            "long/buy_and_hold/fractional",
            "series/long_digits.csv",
            "buy-and-hold:enter_bar=0",
            ["1000000", "0.001", "fractional"],
        ),
    ] {
        let [cash, fee, units] = more;
        let summary =
            backtest(series, strategy, &["--cash", cash, "--fee-taker", fee, "--fee-maker", fee, "--units", units]);
        assert_eq!(summary["digest"], digest_of(id), "{id}");
        digests.push(summary["digest"].to_string());
    }
    // The digest tells runs apart: another strategy or another series gives another one.
    digests.sort();
    digests.dedup();
    assert!(digests.len() >= 3, "{digests:?}");
}

#[test]
fn digits_past_the_instruments_are_rounded_and_counted() {
    let lines = cases(&beside("backtest_cases.json")).lines();
    let rounded = |id: &str| lines.iter().find(|line| line["id"] == id).unwrap()["run"]["rounded"].as_u64().unwrap();
    assert_eq!(rounded("short/sma_cross/whole"), 0);
    assert!(rounded("long/sma_cross/free") > 100);
}

/// A file of cases in a folder of its own.
fn written(name: &str, content: &Value) -> PathBuf {
    let path = folder(name).join("cases.json");
    std::fs::write(&path, content.to_string()).unwrap();
    path
}

#[test]
fn every_line_is_written_and_one_error_is_a_failure() {
    let close = json!({"close": [1.0, 2.0, 4.0]});
    let path = written(
        "every_line",
        &json!({"family": "x", "cases": [
            {"id": "a", "function": "sma", "params": {"period": 2}, "inputs": close},
            {"id": "b", "function": "smma", "params": {}, "inputs": close},
            {"id": "c", "function": "sma", "params": {"period": 0}, "inputs": close},
            {"id": "d", "function": "sma", "params": {}, "inputs": {"csv": "nowhere.csv", "columns": ["close"]}},
            {"id": "e", "function": "sma", "params": {"period": 2}, "inputs": {"close": [1.0, null]}},
            {"id": "f", "function": "sma", "params": {"period": 2}, "inputs": {"close": [1.0, "x"]}},
            {"id": "g", "inputs": close},
            {"id": "h", "function": "sma", "params": 5, "inputs": close},
            {"id": "i", "function": "sma", "params": {"period": 2}, "inputs": 5},
            {"id": "j", "function": "sharpe", "params": {}, "inputs": {"r": [0.1, 0.1]}},
            {"id": "k", "function": "buy_and_hold", "params": {"fee": 0}, "inputs": close},
        ]}),
    );
    let ran = cases(&path);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("9 of 11 cases could not be answered"), "{}", ran.stderr);
    let lines = ran.lines();
    assert_eq!(lines.len(), 11);
    assert_eq!(lines[0], json!({"id": "a", "outputs": {"real": [null, 1.5, 3.0]}}));
    assert_eq!(lines[9], json!({"id": "j", "outputs": {"sharpe": null}}));
    let errors = [
        (1, "unknown function \"smma\"; these exist: SMA, talib.SMA, EMA"),
        (2, "parameter period = 0: allowed are 1 to 100000"),
        (3, "nowhere.csv"),
        (4, "input close: the value at index 1 is not a finite number"),
        (5, "input close: the value at index 1 is `\"x\"`; expected a number"),
        (6, "function: expected a name"),
        (7, "params: expected an object"),
        (8, "inputs: expected an object"),
        (10, "parameter enter_signal_bar is missing"),
    ];
    for (at, expected) in errors {
        let error = lines[at]["error"].as_str().unwrap();
        assert!(error.contains(expected), "{expected:?} is not in {error:?}");
        assert_eq!(lines[at].as_object().unwrap().len(), 2, "an error has no outputs");
    }
    assert!(lines[1]["error"].as_str().unwrap().contains("sma_cross, buy_and_hold"));
}

#[test]
fn only_one_case_is_answered_and_outputs_are_never_read() {
    let mut file = read(&beside("backtest_cases.json"));
    let expected = cases(&beside("backtest_cases.json")).lines();
    // Paths are relative to the file: the series must be beside the copy.
    for case in file["cases"].as_array_mut().unwrap() {
        case["outputs"] = json!({"final_equity": "nonsense", "equity": 1});
    }
    let path = written("outputs", &file);
    let series = path.parent().unwrap().join("series");
    std::fs::create_dir(&series).unwrap();
    for name in ["short_digits.csv", "long_digits.csv"] {
        std::fs::copy(beside("series").join(name), series.join(name)).unwrap();
    }
    assert_eq!(cases(&path).lines(), expected);
    let packed = path.with_extension("json.gz");
    let mut gz = flate2::write::GzEncoder::new(std::fs::File::create(&packed).unwrap(), flate2::Compression::fast());
    gz.write_all(file.to_string().as_bytes()).unwrap();
    gz.finish().unwrap();
    let only = bot4(&["calc", "--cases", packed.to_str().unwrap(), "--only", "long/sma_cross/free"]);
    assert_eq!((only.code, only.stderr.as_str()), (0, ""));
    assert_eq!(only.lines(), [expected[4].clone()]);
}

#[test]
fn what_cannot_be_asked_is_usage_and_writes_no_line() {
    let calc = |args: &[&str]| bot4(&[&["calc"], args].concat());
    calc(&[]).refused(2, "required");
    calc(&["sma"]).refused(2, "required");
    calc(&["--cases", "nowhere.json"]).refused(2, "nowhere.json: ");
    calc(&["--only", "x"]).refused(2, "required");
    calc(&["--cases", "x", "sma", "t.csv"]).refused(2, "cannot be used with");
    calc(&["--cases", "x", "--param", "a=1"]).refused(2, "cannot be used with");
    let bundled = beside("backtest_cases.json");
    calc(&["--cases", bundled.to_str().unwrap(), "--only", "x"]).refused(2, "--only x: ");
    let folder = folder("bad_files");
    let packed = &[0x1f, 0x8b, 8, 0, 0, 0][..];
    for (name, content, expected) in [
        ("no.json", &b"id,function\n"[..], "expected JSON with cases"),
        ("cut.json", &b"{\"cases\": [{\"id\": \"a\""[..], "expected JSON with cases"),
        ("other.json", &b"{\"rows\": []}"[..], "missing field `cases`"),
        ("nameless.json", &b"{\"cases\": [{\"function\": \"sma\"}]}"[..], "missing field `id`"),
        ("cut.json.gz", packed, "cannot be unpacked"),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        calc(&["--cases", path.to_str().unwrap()]).refused(2, expected);
    }
}

#[test]
fn a_table_is_computed_by_name() {
    let path = folder("short_form").join("prices.csv");
    std::fs::write(&path, "date,Close,other\n2021-01-01,1,x\n2021-01-02,2,\n2021-01-03,4.5,7\n").unwrap();
    let file = path.to_str().unwrap();
    let table = bot4(&["calc", "SMA", "--param", "period=2", file]);
    assert_eq!((table.code, table.stderr.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let expected: [[&str; 4]; 4] = [
        ["row", "date", "close", "real"],
        ["0", "2021-01-01", "1", "-"],
        ["1", "2021-01-02", "2", "1.5"],
        ["2", "2021-01-03", "4.5", "3.25"],
    ];
    assert_eq!(rows, expected);
    let json = bot4(&["calc", "sma", "--param", "n=2", file, "--json"]);
    let answer =
        json!({"function": "SMA", "params": {"n": 2}, "inputs": ["close"], "outputs": {"real": [null, 1.5, 3.25]}});
    assert_eq!(json.lines(), [answer]);
    // A statistic is one value per line; another column stands in for the input.
    let equity = bot4(&["calc", "drawdown", file, "--column", "close"]);
    assert!(equity.stdout.lines().any(|line| line.split_whitespace().eq(["max_drawdown", "0"])), "{}", equity.stdout);
    bot4(&["calc", "drawdown", file])
        .refused(2, "has no column equity; it has date, Close, other; drawdown takes equity");
    bot4(&["calc", "smma", file]).refused(2, "these exist: SMA");
    bot4(&["calc", "sma", file, "--param", "window=2"]).refused(2, "these exist: period");
    bot4(&["calc", "sma", file, "--param", "period"]).refused(2, "--param period: expected NAME=VALUE");
    bot4(&["calc", "atr", file, "--column", "close"]).refused(2, "1 input columns given, expected 3: high, low, close");
    bot4(&["calc", "sma", "nowhere.csv"]).refused(2, "nowhere.csv: ");
    bot4(&["calc", "sma", "--param", "period=2", file, "--column", "other"]).refused(1, "the value at index 0 is `x`");
}

#[test]
fn a_backtest_is_computed_by_name_too() {
    let series = beside("series/short_digits.csv");
    let args = ["calc", "buy_and_hold", series.to_str().unwrap(), "--param", "fee=0.0025", "--param", "cash=10000"];
    let more = ["--param", "size=whole units", "--param", "enter_signal_bar=8"];
    let ran = bot4(&[&args[..], &more[..]].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("entry_bar 9, entry_price 230.22, size 43"), "{}", ran.stdout);
    bot4(&args).refused(2, "parameter enter_signal_bar is missing");
}

#[test]
fn the_list_names_every_function_with_its_parameters() {
    let list = bot4(&["calc", "--list", "--json"]);
    let lines = list.lines();
    let find =
        |name: &str| lines.iter().find(|line| line["name"] == name).unwrap_or_else(|| panic!("{name} is not listed"));
    assert_eq!(find("ATR")["inputs"], json!(["high", "low", "close"]));
    assert_eq!(find("SMA")["params"][0]["name"], "period");
    assert_eq!(find("sma_cross")["outputs"][0], "trades");
    for line in &lines {
        for key in ["formula", "lookback", "source"] {
            assert!(!line[key].as_str().unwrap().is_empty(), "{line}");
        }
    }
    let table = bot4(&["calc", "--list"]).stdout;
    assert!(lines.iter().all(|line| table.contains(line["name"].as_str().unwrap())));
}
