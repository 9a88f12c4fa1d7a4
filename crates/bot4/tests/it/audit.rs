//! `bot4 audit` from outside: a run's log is there when it ends, is held against the journal, shown, anchored; nothing of it stops a run.

use crate::support::{Ran, folder};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A few days of the bundled minutes with enough to do.
const RUN: &str = "--from 2021-05-10 --to 2021-05-17 --strategy sma-cross:bar=5m --strategy donchian:bar=15m";

/// Three weeks of the same: several snapshots long.
const LONGER: &str = "--from 2021-05-10 --to 2021-05-31 --strategy sma-cross:bar=5m --strategy donchian:bar=15m";

/// The program with the user's key in this folder.
fn bot4(home: &Path, args: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bot4"));
    command
        .args(args.split_whitespace())
        .env("BOT4_HOME", home)
        .env("BOT4_QUERY__DATABASE", "off")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[track_caller]
fn done(ran: Ran) -> String {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{}", ran.stdout);
    ran.stdout
}

fn verify(home: &Path, run: &Path, more: &str) -> (i32, Value) {
    let ran = bot4(home, &format!("audit verify {} --json {more}", run.display()), &[]);
    (ran.code, serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.stderr)))
}

/// A finished run, with its home.
fn finished(name: &str) -> (PathBuf, PathBuf) {
    let dir = folder(name);
    let (home, run) = (dir.join("home"), dir.join("run"));
    done(bot4(&home, &format!("paper {RUN} --json --out {}", run.display()), &[]));
    (home, run)
}

#[test]
fn a_run_leaves_a_log_that_verifies_is_shown_and_anchored() {
    let (home, run) = finished("audit_run");
    assert!(home.join("audit.key").is_file() && home.join("audit.pub").is_file());
    let (code, verified) = verify(&home, &run, "");
    assert_eq!(
        (code, &verified["sound"], &verified["complete"], &verified["key_is_known"]),
        (0, &true.into(), &true.into(), &true.into()),
        "{verified}"
    );
    assert!(verified["entries_signed"].as_u64() > Some(200), "{verified}");
    assert_eq!((&verified["entries"], &verified["notes"]), (&verified["entries_signed"], &Value::Array(vec![])));
    let says = done(bot4(&home, &format!("audit verify {}", run.display()), &[]));
    assert!(
        says.contains("truncation of journal and log together is found only back to the last exported anchor"),
        "{says}"
    );

    // What the log says is what the result says.
    let lines = done(bot4(&home, &format!("audit show {} --json", run.display()), &[]));
    let raw = std::fs::read_to_string(run.join("audit/0000000001.jsonl")).unwrap();
    assert_eq!(lines, raw);
    let entries: Vec<Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(run.join("summary.json")).unwrap()).unwrap();
    let count = |kind: &str| entries.iter().filter(|e| e["kind"] == kind).count() as u64;
    assert_eq!((Some(count("order")), Some(count("filled"))), (summary["orders"].as_u64(), summary["fills"].as_u64()));
    let refused: u64 = summary["refusals"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(count("refused"), refused);
    assert_eq!(entries[0]["start"]["config"], summary["config"]);
    assert_eq!(entries.last().unwrap()["digest"], summary["digest"]);
    assert_eq!(entries.last().unwrap()["state_digest"], summary["state_digest"]);
    let names: BTreeSet<&str> = entries.iter().filter_map(|e| e["name"].as_str()).collect();
    assert_eq!(names, BTreeSet::from(["donchian:bar=15m", "sma-cross:bar=5m"]));

    let shown = |filter: &str| -> Vec<Value> {
        let text = done(bot4(&home, &format!("audit show {} --json {filter}", run.display()), &[]));
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
    };
    let first = shown("--order 1");
    assert!(first.len() >= 3 && first.iter().all(|e| e["order"] == first[0]["order"]), "{first:?}");
    assert_eq!(shown(&format!("--order {}", first[0]["order"].as_str().unwrap())), first);
    let eth = shown("--kind filled --symbol ETHUSDT --strategy donchian --from 2021-05-12 --to 2021-05-14");
    assert!(!eth.is_empty());
    for entry in &eth {
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        assert_eq!((text("kind").as_str(), text("symbol").as_str()), ("filled", "ETHUSDT"));
        assert!(
            text("name").starts_with("donchian") && *text("ts") >= *"2021-05-12" && *text("ts") < *"2021-05-14",
            "{entry}"
        );
    }
    let seq = eth[0]["seq"].as_u64().unwrap();
    assert!(shown(&format!("--seq {seq}")).iter().all(|e| e["seq"].as_u64() == Some(seq)));
    let table = done(bot4(&home, &format!("audit show {} --order 1", run.display()), &[("COLUMNS", "80")]));
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    assert!(table.contains("side=buy") && table.contains("accepted"), "{table}");

    // An anchor, kept elsewhere, and the run moved.
    let anchor = home.join("may.anchor");
    let ran = bot4(&home, &format!("audit anchor {} --out {}", run.display(), anchor.display()), &[]);
    assert!(
        ran.code == 0 && ran.stderr.contains("keep it where nobody who can write this folder can write"),
        "{}",
        ran.stderr
    );
    let moved = run.with_file_name("moved");
    std::fs::rename(&run, &moved).unwrap();
    let (code, verified) = verify(&home, &moved, &format!("--anchor {}", anchor.display()));
    assert_eq!((code, &verified["entries_anchored"]), (0, &verified["entries"]));

    // Somebody else's key.
    let (code, verified) = verify(&home.join("other"), &moved, "");
    assert_eq!((code, &verified["key_is_known"]), (0, &false.into()));
    assert!(verified["notes"][0].as_str().unwrap().contains("prove only that one key signed everything"), "{verified}");
    let (code, verified) = verify(&home.join("other"), &moved, &format!("--key {}", home.join("audit.pub").display()));
    assert_eq!((code, &verified["key_is_known"]), (0, &true.into()));

    // An alteration.
    let path = moved.join("audit/0000000001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"side\":\"buy\"", "\"side\":\"sel\"", 1)).unwrap();
    let ran = bot4(&home, &format!("audit verify {}", moved.display()), &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("0000000001.jsonl: line") && ran.stderr.contains("it was altered"), "{}", ran.stderr);
    assert!(ran.stdout.contains("NOT as it was written") && ran.stdout.contains("expected: "), "{}", ran.stdout);
}

#[test]
fn a_run_that_was_killed_verifies_and_its_log_is_completed() {
    let dir = folder("audit_killed");
    let (home, run) = (dir.join("home"), dir.join("run"));
    let small = [("BOT4_JOURNAL__SNAPSHOT_EVERY_EVENTS", "5000"), ("BOT4_JOURNAL__SEGMENT_BYTES", "262144")];
    let kill = [small[0], small[1], ("BOT4_FAILPOINT", "snapshot.rename:1")];
    let ran = bot4(&home, &format!("paper {LONGER} --json --out {}", run.display()), &kill);
    assert_eq!(ran.code, -1, "killed: {}", ran.stderr);
    let (code, verified) = verify(&home, &run, "");
    assert_eq!((code, &verified["complete"], &verified["entries_in_log"]), (0, &false.into(), &0.into()), "{verified}");
    assert!(verified["entries"].as_u64() > Some(10));
    let shown = done(bot4(&home, &format!("audit show {} --json", run.display()), &[]));
    assert_eq!(
        Some(shown.lines().count() as u64),
        verified["entries"].as_u64(),
        "what is not in the log yet is shown too"
    );
    assert!(!run.join("audit").exists(), "looking writes nothing");
    // Killed a second time, after the log was brought up to date, and resumed to the end.
    let kill = [small[0], small[1], ("BOT4_FAILPOINT", "snapshot.rename:1")];
    assert_eq!(bot4(&home, &format!("paper --json --resume {}", run.display()), &kill).code, -1);
    let (code, again) = verify(&home, &run, "");
    assert_eq!((code, &again["complete"]), (0, &false.into()), "{again}");
    assert!(again["entries_in_log"].as_u64() > verified["entries"].as_u64(), "{again}");
    assert_eq!(bot4(&home, &format!("paper --json --resume {}", run.display()), &small).code, 0);
    let (code, last) = verify(&home, &run, "");
    assert_eq!((code, &last["complete"], &last["entries_in_log"]), (0, &true.into(), &last["entries"]), "{last}");
    let recoveries = done(bot4(&home, &format!("audit show {} --json --kind recovery", run.display()), &[]));
    assert_eq!(recoveries.lines().count(), 2);

    // A process that dies between the seal and the log: the finished run's resume completes it, to the same bytes.
    let path = run.join("audit/checkpoints.jsonl");
    let checkpoints = std::fs::read(&path).unwrap();
    std::fs::write(&path, &checkpoints[..checkpoints.len() - 10]).unwrap();
    let (code, cut) = verify(&home, &run, "");
    assert_eq!(code, 1, "{cut}");
    let ran = bot4(&home, &format!("paper --json --resume {}", run.display()), &[]);
    assert!(ran.code == 0 && ran.stderr.contains("had broken off and were written anew"), "{}", ran.stderr);
    assert_eq!(std::fs::read(&path).unwrap(), checkpoints);
}

#[test]
fn a_home_that_cannot_be_written_stops_no_run_and_is_told() {
    let dir = folder("audit_no_home");
    let run = dir.join("run");
    let file = dir.join("file");
    std::fs::write(&file, "").unwrap();
    let nowhere = file.join("home");
    let ran = bot4(&nowhere, &format!("paper {RUN} --json --out {}", run.display()), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the audit log is not signed from entry 1 on"), "{}", ran.stderr);
    let (code, verified) = verify(&dir.join("home"), &run, "");
    assert_eq!(code, 1);
    assert!(verified["findings"][0]["what"].as_str().unwrap().contains("are under no signature"), "{verified}");
    // Nor one inside of the run's own folder.
    let ran = bot4(&run, &format!("audit anchor {}", run.display()), &[]);
    assert!(ran.code == 1 && ran.stderr.contains("must not lie in the folder of a run"), "{}", ran.stderr);
    // A key that comes later signs.
    let ran = bot4(&dir.join("home"), &format!("audit anchor {} --json", run.display()), &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_eq!(verify(&dir.join("home"), &run, "").0, 0);
}

#[test]
fn what_is_no_run_or_no_anchor_is_refused() {
    let dir = folder("audit_refused");
    let home = dir.join("home");
    bot4(&home, &format!("audit verify {}", dir.display()), &[]).refused(1, "no run");
    bot4(&home, &format!("audit show {}/nothing", dir.display()), &[]).refused(1, "no run");
    std::fs::create_dir_all(dir.join("run/journal")).unwrap();
    let file = dir.join("file");
    std::fs::write(&file, "hello").unwrap();
    let verify = |option: &str| bot4(&home, &format!("audit verify {0}/run {option} {0}/file", dir.display()), &[]);
    verify("--anchor").refused(2, "no anchor: expected the one line that `bot4 audit anchor` writes");
    verify("--key").refused(2, "no key: expected one line");
    bot4(&home, &format!("audit anchor {}/run", dir.display()), &[]).refused(1, "no run");
    bot4(&home, &format!("audit show {}/run --from soon", dir.display()), &[]).refused(2, "--from");
}
