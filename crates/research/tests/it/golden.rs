//! Tests of coverage against reference results: those bundled here, and every case of the file beside the checkout where it is present.

use research::validate::{Coverage, coverage};
use serde_json::Value;
use std::path::Path;

/// What a case has, from either form of file.
struct Case {
    id: String,
    tail: f64,
    hits: Vec<bool>,
    expected: Value,
    relative: f64,
    absolute: f64,
}

fn bundled() -> Vec<Case> {
    let cases: Vec<Value> = serde_json::from_str(include_str!("coverage_cases.json")).unwrap();
    cases
        .into_iter()
        .map(|case| {
            let mut hits = vec![false; case["n"].as_u64().unwrap() as usize];
            for at in case["hits"].as_array().unwrap() {
                hits[at.as_u64().unwrap() as usize] = true;
            }
            let number = |key: &str| case[key].as_f64().unwrap();
            Case {
                id: case["id"].as_str().unwrap().to_owned(),
                tail: number("p"),
                hits,
                relative: number("rel"),
                absolute: number("abs"),
                expected: case,
            }
        })
        .collect()
}

fn beside_the_checkout() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/golden/06_risk.json");
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    let golden: Value = serde_json::from_str(&text).unwrap();
    let of_ours = |case: &&Value| case["function"] == "kupiec_christoffersen";
    golden["cases"]
        .as_array()
        .unwrap()
        .iter()
        .filter(of_ours)
        .map(|case| {
            let mut expected = case["outputs"].clone();
            expected["n_ij"] = expected["n00_n01_n10_n11"].clone();
            Case {
                id: case["id"].as_str().unwrap().to_owned(),
                tail: case["params"]["p"].as_f64().unwrap(),
                hits: case["inputs"]["hits"].as_array().unwrap().iter().map(|hit| hit == 1).collect(),
                expected,
                relative: case["tolerance"]["rel"].as_f64().unwrap(),
                absolute: case["tolerance"]["abs"].as_f64().unwrap(),
            }
        })
        .collect()
}

fn hold(case: &Case) {
    let got: Coverage = coverage(&case.hits, case.tail).unwrap();
    let figures = [
        ("lr_pof", got.proportion.ratio),
        ("p_pof", got.proportion.p_value),
        ("lr_ind", got.independence.ratio),
        ("p_ind", got.independence.p_value),
        ("lr_cc", got.conditional.ratio),
        ("p_cc", got.conditional.p_value),
    ];
    for (key, value) in figures {
        let expected = case.expected[key].as_f64().unwrap();
        let allowed = case.absolute + case.relative * expected.abs();
        assert!((value - expected).abs() <= allowed, "{} {key}: {value} for {expected}", case.id);
    }
    let pairs: Vec<f64> = case.expected["n_ij"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    assert_eq!(got.transitions.map(|n| n as f64).as_slice(), pairs, "{}", case.id);
    assert_eq!(got.forecasts as f64, case.expected["n"].as_f64().unwrap(), "{}", case.id);
}

#[test]
fn kupiec_and_christoffersen_are_those_of_the_references() {
    let (here, beside) = (bundled(), beside_the_checkout());
    assert_eq!(here.len(), 12);
    here.iter().chain(&beside).for_each(hold);
    println!("{} bundled cases and {} recorded ones hold", here.len(), beside.len());
}
