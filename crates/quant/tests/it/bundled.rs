//! The reference numbers in `tests/data`, so that a clone alone still checks against independent packages.

use quant::catalogue::{self, Outputs, Params, Value};
use std::collections::BTreeMap;

const INDICATORS: &str = include_str!("../data/indicators.csv");
const PERFORMANCE: &str = include_str!("../data/performance.csv");
const RISK: &str = include_str!("../data/risk.csv");

fn series(name: &str, column: &str) -> Vec<f64> {
    let text = match name {
        "synth_garch_jump" => include_str!("../data/synth_garch_jump.csv"),
        "tiny_price" => include_str!("../data/tiny_price.csv"),
        "ret_heavy" => include_str!("../data/ret_heavy.csv"),
        other => panic!("no series {other}"),
    };
    let at = text.lines().next().unwrap().split(',').position(|c| c == column).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().parse().unwrap()).collect()
}

fn compute(name: &str, function: &str, params: &str) -> Outputs {
    let function = catalogue::find(function).unwrap_or_else(|| panic!("no function {function}"));
    let mut given = Params::new();
    for (key, value) in params.split(' ').filter_map(|p| p.split_once('=')) {
        given.push(key, value);
    }
    let columns: Vec<Vec<f64>> = function.inputs.iter().map(|c| series(name, c)).collect();
    function.call(&given, &columns.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
}

fn check(table: &str) -> usize {
    let mut computed: BTreeMap<String, Outputs> = BTreeMap::new();
    let mut count = 0;
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let [name, function, params, output, index, value] = cells[..] else { panic!("{line}") };
        let key = format!("{name} {function} {params}");
        let outputs = computed.entry(key).or_insert_with(|| compute(name, function, params));
        // `alpha_0.01/var_t` is the value `var_t` within the output `alpha_0.01`.
        let (output, inner) = output.split_once('/').unwrap_or((output, ""));
        let (_, got) = outputs.iter().find(|(name, _)| *name == output).unwrap_or_else(|| panic!("{line}: no output"));
        let got = match got {
            Value::Map(map) => &map.iter().find(|(name, _)| name == inner).unwrap_or_else(|| panic!("{line}: none")).1,
            other => other,
        };
        // What a likelihood's maximum gives is as near as two optimisers come.
        let rel = if inner.ends_with("_t") || output == "t_fit" { 1e-4 } else { 1e-9 };
        let got = match got {
            Value::Series(series) => series[index.parse::<usize>().unwrap()],
            other => other.as_number(),
        };
        match (value.parse::<f64>().ok(), got) {
            (None, None) => {}
            (Some(e), Some(g)) => assert!((g - e).abs() <= rel * e.abs() + 1e-15, "{line}: {g}"),
            (_, got) => panic!("{line}: {got:?}"),
        }
        count += 1;
    }
    count
}

#[test]
fn bundled_reference_numbers_hold() {
    let count = check(INDICATORS) + check(PERFORMANCE) + check(RISK);
    println!("bundled reference numbers: {count}");
    assert!(count > 400, "only {count} numbers");
}
