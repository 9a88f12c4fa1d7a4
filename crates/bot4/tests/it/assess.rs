//! `bot4 gate`, `bot4 live` and `bot4 self-assess` from outside: what does not pass is named, and what was recorded is read.

use crate::support::{Ran, folder};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The program with a home of its own: keys, runs and confirmations are below it.
fn with(home: &Path, holders: &str, args: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bot4"));
    command.args(args.split_whitespace()).env("BOT4_HOME", home).env("BOT4_SAFETY__HOLDERS", holders);
    command.env("BOT4_REGISTRY", home.join("registry")).env("BOT4_QUERY__DATABASE", "off");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", ran.stdout, ran.stderr))
}

/// State and evidence of an item.
#[track_caller]
fn item<'a>(list: &'a Value, key: &str) -> (&'a str, &'a str) {
    let items = list["items"].as_array().unwrap();
    let item = items.iter().find(|item| item["key"] == key).unwrap_or_else(|| panic!("{key} is not in {list}"));
    (item["state"].as_str().unwrap(), item["evidence"].as_str().unwrap())
}

#[test]
fn nothing_trades_live_and_what_is_missing_is_named() {
    let home = folder("gate_empty");
    let ran = with(&home, "", "gate --json");
    assert_eq!(ran.code, 1);
    let list = json(&ran);
    assert_eq!(list["passes"], false);
    for key in [
        "venue_conformance",
        "paper_days",
        "paper_profit",
        "limits_confirmed",
        "audit_key",
        "kill_credentials",
        "key_holders",
    ] {
        assert_eq!(item(&list, key).0, "fail", "{key}: {}", item(&list, key).1);
    }
    for key in ["capital", "cost_hurdle"] {
        assert_eq!(item(&list, key).0, "unknown", "{key}");
    }
    assert!(item(&list, "venue_conformance").1.contains("no venue can be connected yet"));
    // Without an audit key the self-tests do not pass, and say so.
    assert!(item(&list, "self_test").1.contains("audit_key: "), "{}", item(&list, "self_test").1);
    let ran = with(&home, "", "live");
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("live trading does not start: ") && ran.stderr.contains("paper_days"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("FAIL") && ran.stdout.contains("venue_conformance"), "{}", ran.stdout);
    // Fewer than sixty days cannot even be configured.
    std::fs::write(home.join("few.toml"), "[safety]\npaper_days_min = 59\n").unwrap();
    let ran = with(&home, "", &format!("gate --config {}", home.join("few.toml").display()));
    ran.refused(2, "safety.paper_days_min: found 59, expected a whole number from 60 to 3650");
    // Nothing is left behind.
    assert!(!home.join("runs").is_dir() || std::fs::read_dir(home.join("runs")).unwrap().count() == 0);
    let empty = json(&with(&home, "", "self-assess --json"));
    assert_eq!((&empty["totals"]["runs"], empty["controls"].as_array().unwrap().len()), (&0.into(), 21));
}

#[test]
fn recorded_runs_are_evidence_and_an_altered_one_is_told() {
    let home = folder("gate_runs");
    let run = home.join("runs/may");
    let paper = "--from 2021-05-10 --to 2021-05-14 --strategy sma-cross:bar=5m";
    let ran = with(&home, "", &format!("paper {paper} --json --out {}", run.display()));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let summary = json(&ran);
    let keygen = |name: &str, role: &str| {
        let key = home.join(format!("{name}.key"));
        let made = with(&home, "", &format!("override keygen --holder {name} --role {role} --out {}", key.display()));
        made.stdout.trim().to_owned()
    };
    let holders = format!("{};{}", keygen("anna", "operator"), keygen("ben", "rearm"));
    let confirmed =
        json(&with(&home, &holders, &format!("gate confirm --json --key {}", home.join("anna.key").display())));
    assert_eq!((&confirmed["holder"], &confirmed["holder_is_known"]), (&"anna".into(), &true.into()));
    assert_eq!(confirmed["limits"]["positions_max"], 10);
    with(&home, &holders, &format!("gate confirm --key {}", home.join("ben.key").display()))
        .refused(1, "confirms no limits");

    let list = json(&with(&home, &holders, "gate --json"));
    for key in ["audit_key", "limits_confirmed", "key_holders", "cost_hurdle", "self_test"] {
        assert_eq!(item(&list, key).0, "pass", "{key}: {}", item(&list, key).1);
    }
    let days = item(&list, "paper_days");
    assert_eq!(days.0, "fail");
    assert!(days.1.starts_with("0 of 90 days count; 4 do not: played from files"), "{}", days.1);
    // Turnover and costs are those of the run, over its length and cash.
    let hurdle = &list["cost_hurdle"];
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value}"));
    let months = number(&hurdle["days"]) / (365.25 / 12.0);
    let costs = &summary["costs"];
    let turnover = number(&costs["turnover_maker"]) + number(&costs["turnover_taker"]);
    testkit::assert_close(number(&hurdle["turnover"]), turnover / 10_000.0 / months, 1e-9, 0.0);
    testkit::assert_close(number(&hurdle["of_capital"]), number(&costs["fees"]) / 10_000.0 / months, 1e-9, 0.0);
    assert!(number(&hurdle["of_deployed"]) > number(&hurdle["of_capital"]), "less than all of it was deployed");

    let assessed = json(&with(&home, &holders, "self-assess --json"));
    let totals = &assessed["totals"];
    assert_eq!((&totals["runs"], &totals["verified"], &totals["complete"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!((&totals["orders"], &totals["fills"]), (&summary["orders"], &summary["fills"]));
    assert_eq!(totals["refusals"], summary["refusals"]);
    let facts = &assessed["evidence"]["found"][0];
    assert_eq!(
        (&facts["audit"]["sound"], &facts["audit"]["signed"], &facts["from_files"]),
        (&true.into(), &true.into(), &true.into())
    );
    assert_eq!(facts["strategies"][0], "sma-cross:bar=5m");
    let file = home.join("assessment.txt");
    let ran = with(&home, &holders, &format!("self-assess --out {}", file.display()));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let text = std::fs::read_to_string(&file).unwrap();
    for expected in
        ["Self-assessment", "W21", "not there yet", "no legal compliance is claimed", "may", "verified, signed"]
    {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    with(&home, &holders, &format!("self-assess --out {}", file.display())).refused(2, "is there already");

    // An alteration fails an item of the gate, and stands in the assessment.
    let log = run.join("audit/0000000001.jsonl");
    let whole = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, whole.replacen("\"side\":\"buy\"", "\"side\":\"sel\"", 1)).unwrap();
    let list = json(&with(&home, &holders, "gate --json"));
    assert!(item(&list, "records").0 == "fail" && item(&list, "records").1.contains("it was altered"), "{list}");
    let text = with(&home, &holders, "self-assess").stdout;
    assert!(text.contains("DOES NOT VERIFY") && text.contains("it was altered"), "{text}");
}
