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
    let numbers = |name: &&str| given[*name].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    function.inputs.iter().map(numbers).collect()
}

fn params(case: &Json) -> Params {
    let mut params = Params::new();
    for (name, value) in case["params"].as_object().unwrap() {
        match value {
            Json::Number(n) => params.push(name, n.as_f64().unwrap()),
            Json::String(s) => params.push(name, s.as_str()),
            other => panic!("parameter {name} is {other}"),
        }
    }
    params
}

/// The largest error in units of what is allowed.
fn compare(expected: &Json, got: &Value, rel: f64, abs: f64) -> Result<f64, String> {
    match (expected, got) {
        (Json::Null, Value::Missing) => Ok(0.0),
        (Json::Number(e), Value::Number(g)) => number(e.as_f64().unwrap(), *g, rel, abs),
        (Json::Number(e), Value::Integer(g)) => number(e.as_f64().unwrap(), *g as f64, 0.0, 0.0),
        (Json::Array(e), Value::Series(g)) if e.len() == g.len() => {
            let mut worst = 0.0_f64;
            for (i, (e, g)) in e.iter().zip(g).enumerate() {
                let error = compare(e, &Value::from(*g), rel, abs).map_err(|m| format!("[{i}] {m}"))?;
                worst = worst.max(error);
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
    let files =
        ["01_indicators_core.json.gz", "01_indicators_more.json.gz", "01_indicators_defined.json.gz", "06_risk.json"];
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
            let (rel, abs) = (case["tolerance"]["rel"].as_f64().unwrap(), case["tolerance"]["abs"].as_f64().unwrap());
            for (key, expected) in case["outputs"].as_object().unwrap() {
                // For information only, says the file: another package's variants of the same figures.
                if key.starts_with("quantstats_") || key == "ulcer_qs" {
                    continue;
                }
                let got = outputs.iter().find(|(name, _)| name == key);
                let got = got.unwrap_or_else(|| panic!("{}: no output {key}", case["id"]));
                match compare(expected, &got.1, rel, abs) {
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
        for name in ["talib.SMA", "talib.MAMA", "talib.ATR", "hma", "donchian", "performance", "rolling_pearson"] {
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
