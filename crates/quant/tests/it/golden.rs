//! The golden files beside the checkout: every case whose function is in the catalogue must hold.

use quant::catalogue::{self, Params, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden")
}

fn load(name: &str) -> Option<Json> {
    let bytes = std::fs::read(folder().join(name)).ok()?;
    let mut text = String::new();
    if name.ends_with(".gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    Some(serde_json::from_str(&text).unwrap())
}

/// Columns of a CSV file by header name.
fn columns(file: &str, names: &[String]) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(folder().join(file)).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let at: Vec<usize> = names.iter().map(|n| header.iter().position(|h| h == n).unwrap()).collect();
    let mut columns = vec![Vec::new(); names.len()];
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        for (column, &i) in columns.iter_mut().zip(&at) {
            column.push(cells[i].parse().unwrap());
        }
    }
    columns
}

fn inputs(case: &Json, function: &catalogue::Function) -> Vec<Vec<f64>> {
    let given = &case["inputs"];
    if let Some(file) = given["csv"].as_str() {
        let names: Vec<String> =
            given["columns"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().into()).collect();
        return columns(file, &names);
    }
    if let Some(rows) = given["rows"].as_array() {
        let cell = |row: &Json, i: usize| row[i].as_f64().unwrap();
        return (0..function.inputs.len()).map(|i| rows.iter().map(|row| cell(row, i)).collect()).collect();
    }
    let numbers = |name: &&str| given[*name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    function.inputs.iter().map(numbers).collect()
}

fn params(case: &Json) -> Params {
    let mut params = Params::new();
    for (name, value) in case["params"].as_object().unwrap() {
        match value {
            Json::Number(n) => params.push(name, n.as_f64().unwrap()),
            Json::String(s) => params.push(name, s.as_str()),
            Json::Array(list) => {
                params.push(name, Value::List(list.iter().map(|v| Value::Number(v.as_f64().unwrap())).collect()));
            }
            other => panic!("parameter {name} is {other}"),
        }
    }
    params
}

/// What may differ: of the whole case, or of the outputs that a key names or begins (`hist,normal,cf`); else the loosest.
fn tolerance(path: &[&str], of: &Json) -> (f64, f64) {
    let pair = |t: &Json| Some((t["rel"].as_f64()?, t["abs"].as_f64()?));
    if let Some(all) = pair(of) {
        return all;
    }
    let rows = || of.as_object().unwrap().iter().flat_map(|(k, t)| k.split(',').map(move |k| (k.trim(), t)));
    let named = path.iter().rev().find_map(|p| {
        rows().find(|(k, _)| p == k || p.split('_').skip(1).any(|word| word == *k) || p.starts_with(&format!("{k}_")))
    });
    match named {
        Some((_, t)) => pair(t).unwrap(),
        None => rows().filter_map(|(_, t)| pair(t)).fold((0.0, 0.0), |a, b| (a.0.max(b.0), a.1.max(b.1))),
    }
}

/// The largest error in units of what is allowed.
fn compare(expected: &Json, got: &Value, path: &[&str], allowed: &Json) -> Result<f64, String> {
    match (expected, got) {
        (Json::Null, Value::Missing) => Ok(0.0),
        (Json::Bool(e), Value::Bool(g)) if e == g => Ok(0.0),
        (Json::Number(e), Value::Number(g)) => {
            let (rel, abs) = tolerance(path, allowed);
            number(e.as_f64().unwrap(), *g, rel, abs)
        }
        (Json::Number(e), Value::Integer(g)) => number(e.as_f64().unwrap(), *g as f64, 0.0, 0.0),
        (Json::Array(e), Value::Series(g)) if e.len() == g.len() => {
            let mut worst = 0.0_f64;
            for (i, (e, g)) in e.iter().zip(g).enumerate() {
                let error = compare(e, &Value::from(*g), path, allowed).map_err(|m| format!("[{i}] {m}"))?;
                worst = worst.max(error);
            }
            Ok(worst)
        }
        (Json::Object(e), Value::Map(g)) => {
            let mut worst = 0.0_f64;
            for (name, e) in e {
                let got = g.iter().find(|(n, _)| n == name).ok_or_else(|| format!("no {name}"))?;
                let deeper: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
                worst = worst.max(compare(e, &got.1, &deeper, allowed).map_err(|m| format!("{name} {m}"))?);
            }
            Ok(worst)
        }
        (expected, got) => Err(format!("{got:?} for {expected}")),
    }
}

fn number(expected: f64, got: f64, rel: f64, abs: f64) -> Result<f64, String> {
    let (error, allowed) = ((got - expected).abs(), abs + rel * expected.abs() + 1e-300);
    if error <= allowed { Ok(error / allowed) } else { Err(format!("{got} for {expected} (allowed {allowed:e})")) }
}

#[test]
fn every_golden_case_of_a_known_function_holds() {
    let files = [
        "01_indicators_core.json.gz",
        "01_indicators_more.json.gz",
        "01_indicators_defined.json.gz",
        "06_risk.json",
        "07_portfolio.json",
    ];
    let mut run: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    let mut failures = Vec::new();
    for file in files {
        let Some(golden) = load(file) else { continue };
        for case in golden["cases"].as_array().unwrap() {
            let name = case["function"].as_str().unwrap();
            let Some(function) = catalogue::find(name) else { continue };
            assert!(case.get("ill_conditioned_index").is_none(), "{}: not handled here", case["id"]);
            let columns = inputs(case, function);
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let outputs = function.call(&params(case), &columns).unwrap_or_else(|e| panic!("{}: {e}", case["id"]));
            for (key, expected) in case["outputs"].as_object().unwrap() {
                // For information only, says the file: another package's variants of the same figures.
                if key.starts_with("quantstats_") || key == "ulcer_qs" {
                    continue;
                }
                let got = outputs.iter().find(|(name, _)| name == key);
                let got = got.unwrap_or_else(|| panic!("{}: no output {key}", case["id"]));
                match compare(expected, &got.1, &[key], &case["tolerance"]) {
                    Ok(error) => {
                        let entry = run.entry(name.to_owned()).or_default();
                        entry.1 = entry.1.max(error);
                    }
                    Err(message) => failures.push(format!("{} {key} {message}", case["id"])),
                }
            }
            run.entry(name.to_owned()).or_default().0 += 1;
        }
    }
    for (name, (cases, worst)) in &run {
        println!("golden {name}: {cases} cases, worst error {worst:.1e} of what is allowed");
    }
    println!("golden cases run: {}", run.values().map(|(cases, _)| cases).sum::<usize>());
    assert!(failures.is_empty(), "{} outputs differ:\n{}", failures.len(), failures.join("\n"));
    if folder().is_dir() {
        for name in [
            "talib.SMA",
            "talib.MAMA",
            "talib.ATR",
            "hma",
            "donchian",
            "performance",
            "rolling_pearson",
            "var_cvar",
            "ewma_correlation",
            "kelly_binary",
        ] {
            assert!(run.contains_key(name), "{name} has no case in the golden files");
        }
    }
}

/// The chosen form of the recursion gives TA-Lib's bits, not only its digits; the weighted form does not.
#[test]
fn the_ema_recursion_has_the_bits_of_the_reference() {
    let Some(golden) = load("01_indicators_core.json.gz") else {
        println!("golden cases run: 0");
        return;
    };
    let (mut same, mut other_form, mut all) = (0, 0, 0);
    for case in golden["cases"].as_array().unwrap().iter().filter(|c| c["function"] == "talib.EMA") {
        let xs = inputs(case, catalogue::find("EMA").unwrap()).remove(0);
        let outputs = catalogue::call("EMA", &params(case), &[&xs]).unwrap();
        let Value::Series(series) = &outputs[0].1 else { panic!("EMA answers a series") };
        let alpha = 2.0 / (case["params"]["timeperiod"].as_f64().unwrap() + 1.0);
        let mut other: Option<f64> = None;
        for ((expected, got), x) in case["outputs"]["real"].as_array().unwrap().iter().zip(series).zip(&xs) {
            let Some(expected) = expected.as_f64() else { continue };
            let weighted = other.map_or(expected, |e| alpha * x + (1.0 - alpha) * e);
            other = Some(weighted);
            all += 1;
            same += usize::from(*got == Some(expected));
            other_form += usize::from(weighted == expected);
        }
    }
    println!("EMA values equal to the reference bit for bit: {same} of {all}; by the weighted form {other_form}");
    // Four values of one series differ by a rounding unit, where the reference build rounded otherwise.
    assert!(all > 0 && all - same <= 4, "{} of {all} differ", all - same);
}

/// Linear algebra beside the catalogue: fractions of several assets, the covariance that they come from, and its repair.
#[test]
fn kelly_fractions_of_portfolios_hold() {
    let Some(golden) = load("07_portfolio.json") else {
        println!("golden cases run: 0");
        return;
    };
    let numbers = |v: &Json| -> Vec<f64> { v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    let mut run = 0;
    for case in golden["cases"].as_array().unwrap().iter().filter(|c| c["function"] == "kelly_continuous") {
        let params = &case["params"];
        let (mu, rf) = (numbers(&params["mu"]), params["rf"].as_f64().unwrap());
        let cov: Vec<f64> = params["cov"].as_array().unwrap().iter().flat_map(numbers).collect();
        let (rel, abs) = tolerance(&[], &case["tolerance"]);
        let f = quant::stats::kelly::portfolio(&mu, rf, &cov).unwrap();
        for (got, expected) in f.iter().zip(numbers(&case["outputs"]["f"])) {
            number(expected, *got, rel, abs).unwrap();
        }
        let n = mu.len();
        for (i, expected) in numbers(&case["outputs"]["single_asset_f"]).into_iter().enumerate() {
            let got = quant::stats::kelly::continuous(mu[i] - rf, cov[i * n + i]).unwrap();
            number(expected.max(0.0), got, rel, abs).unwrap();
        }
        let (repaired, removed) = quant::stats::matrix::clipped(&cov, n).unwrap();
        assert_eq!((repaired, removed), (cov, 0.0), "a covariance stays as it is");
        run += 1;
    }
    println!("golden cases run: {run} of kelly_continuous");
    assert!(run > 0);
}
