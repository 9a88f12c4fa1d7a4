//! Recorded runs that are asked to stop: every step is told, nothing open is left off the list, the exit code says what went wrong, and what
//! goes on afterwards is what it would have been.

#![cfg(unix)]

use crate::support::{Ran, folder};
use bot4::runner::cursor::{Cursor, command_of, event_of};
use bot4::runner::run_folder::RunFolder;
use domain::{Control, EventBody, OrderClass};
use risk::CommandRecord;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use store::journal::Kind;

/// Two weeks of the bundled minutes; at the pace of these tests they take a little more than a second.
const FORTNIGHT: &str = "--from 2021-05-10 --to 2021-05-24 --strategy sma-cross:bar=5m --strategy donchian:bar=15m";
const PACE: &str = "--speed 1000000x";

const STEPS: [&str; 9] = ["new-risk", "entries", "stops", "unknown", "journal", "snapshot", "audit", "list", "release"];

fn command(args: &str) -> Command {
    let mut command = crate::support::program();
    command.args(args.split_whitespace()).stdin(Stdio::null());
    command.env("BOT4_JOURNAL__SNAPSHOT_EVERY_EVENTS", "10000").env("BOT4_JOURNAL__SEGMENT_BYTES", "262144");
    command
}

fn run(args: &str) -> Ran {
    ended(command(args).output().unwrap())
}

fn ended(output: std::process::Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[track_caller]
fn result(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[track_caller]
fn same(a: &Value, b: &Value) {
    for field in ["digest", "state_digest", "events", "orders", "fills", "trades", "final_equity", "open_positions"] {
        assert_eq!(a[field], b[field], "{field}");
    }
}

fn undisturbed(dir: &Path) -> Value {
    result(&run(&format!("paper {FORTNIGHT} --journal off --json --out {}", dir.join("plain").display())))
}

/// Starts a run and waits until its journal is there.
fn started(mut command: Command, out: &Path) -> Child {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let begun = || std::fs::read_dir(out.join("journal")).is_ok_and(|mut files| files.next().is_some());
    while !begun() {
        assert!(began.elapsed() < Duration::from_secs(60), "the run has not begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn signal(name: &str, child: &Child) {
    // A process that has ended meanwhile is no failure of a test.
    let _ = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).stderr(Stdio::null()).status();
}

/// What a stopped run said, with all nine steps in order and within their time.
#[track_caller]
fn report(ran: &Ran) -> Value {
    let report: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", ran.stdout, ran.stderr));
    let steps = report["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(names, STEPS, "{report}");
    assert!(report["seconds"].as_f64().unwrap() < 30.0, "{report}");
    report
}

fn outcome<'a>(report: &'a Value, step: &str) -> &'a str {
    let at = STEPS.iter().position(|name| *name == step).unwrap();
    report["steps"][at]["outcome"].as_str().unwrap()
}

/// The list in the folder names every order and position that the printed one does.
#[track_caller]
fn listed(out: &Path, report: &Value) {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(out.join("shutdown.json")).unwrap()).unwrap();
    for field in ["event", "orders", "positions", "untracked", "policy", "mode"] {
        assert_eq!(file[field], report[field], "{field}");
    }
    assert_eq!(report["untracked"], 0);
}

/// Numbers that look like chance and are the same in every run of the test.
fn seeded(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

#[test]
fn a_run_stopped_at_any_moment_is_left_in_order_and_goes_on_as_if_undisturbed() {
    let dir = folder("shutdown_any");
    let plain = undisturbed(&dir);
    let mut random = seeded(5);
    let mut open = 0;
    for n in 0..6 {
        let out = dir.join(format!("run-{n}"));
        let (name, code) = if n % 2 == 0 { ("TERM", 143) } else { ("INT", 130) };
        let mut stops = 0;
        let mut args = format!("paper {FORTNIGHT} {PACE} --json --out {}", out.display());
        // Up to two stops of one run; the last start plays to its end.
        let ended = loop {
            let child = started(command(&args), &out);
            if stops < 2 {
                std::thread::sleep(Duration::from_millis(150 + random(700)));
                signal(name, &child);
            }
            let asked = Instant::now();
            let ran = ended(child.wait_with_output().unwrap());
            if stops == 2 || ran.code == 0 {
                break ran;
            }
            stops += 1;
            args = format!("paper --resume {} {PACE} --json", out.display());
            assert!(asked.elapsed() < Duration::from_secs(30));
            assert_eq!(ran.code, code, "{}", ran.stderr);
            assert!(ran.stderr.contains("--resume") && ran.stderr.contains("stay open"), "{}", ran.stderr);
            if ran.stderr.contains("played again") {
                continue;
            }
            let report = report(&ran);
            for step in ["journal", "snapshot", "audit", "list", "release"] {
                assert_eq!(outcome(&report, step), "done", "{report}");
            }
            assert_eq!((outcome(&report, "new-risk"), outcome(&report, "entries")), ("kept", "kept"));
            listed(&out, &report);
            let positions = report["positions"].as_array().unwrap();
            open += positions.len();
            for position in positions {
                let stops = position["stops"].as_array().unwrap();
                assert!(position["dust"] == true || !stops.is_empty(), "limits of paper demand a stop: {position}");
                for stop in stops {
                    let orders = report["orders"].as_array().unwrap();
                    assert!(orders.iter().any(|order| order["client_id"] == *stop), "{stop} is on the list");
                }
            }
        };
        same(&plain, &result(&ended));
        let verified = result(&run(&format!("replay {} --verify --json", out.display())));
        assert_eq!((&verified["equal"], &verified["complete"]), (&Value::Bool(true), &Value::Bool(true)));
    }
    assert!(open > 0, "no position was open at any of the stops");
}

/// Things that happened, each with the number of its event.
type Numbered<T> = Vec<(u64, T)>;

/// Control events and the classes of orders in a journal, in order.
fn told(out: &Path) -> (Numbered<Control>, Numbered<OrderClass>) {
    let (mut controls, mut orders) = (Vec::new(), Vec::new());
    let mut cursor = Cursor::after(&RunFolder::at(out).journal(), 0).unwrap();
    while let Some(view) = cursor.peek() {
        if view.kind == Kind::Control
            && let EventBody::Control(control) = event_of(view.body).unwrap().1.body
        {
            controls.push((view.seq, control));
        } else if view.kind == Kind::Order
            && let (_, CommandRecord::Submit { class, .. }) = command_of(view.body).unwrap()
        {
            orders.push((view.seq, class));
        }
        cursor.advance();
    }
    (controls, orders)
}

#[test]
fn entries_are_taken_off_where_asked_for_and_new_risk_is_allowed_again_by_the_resume() {
    let dir = folder("shutdown_cancel");
    let out = dir.join("run");
    let child =
        started(command(&format!("paper {FORTNIGHT} {PACE} --on-stop cancel --json --out {}", out.display())), &out);
    std::thread::sleep(Duration::from_millis(400));
    signal("TERM", &child);
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 143, "{}", ran.stderr);
    let stop = report(&ran);
    assert_eq!((outcome(&stop, "new-risk"), outcome(&stop, "entries")), ("done", "done"), "{stop}");
    assert_eq!((&stop["policy"], &stop["mode"]), (&Value::from("cancel"), &Value::from("reduced")));
    listed(&out, &stop);
    assert!(stop["orders"].as_array().unwrap().iter().all(|order| order["purpose"] != "entry"), "{stop}");
    let resumed = result(&run(&format!("paper --resume {} --json", out.display())));
    assert_eq!(resumed["recoveries"].as_array().map(Vec::len), Some(1));
    let (controls, orders) = told(&out);
    let kinds: Vec<bool> = controls.iter().map(|(_, c)| matches!(c, Control::Resume)).collect();
    assert_eq!(kinds, [false, false, true], "{controls:?}");
    let (first, last) = (controls[0].0, controls[2].0);
    let entries = |from: u64, to: u64| {
        orders.iter().filter(|(seq, class)| (from..to).contains(seq) && *class == OrderClass::Entry).count()
    };
    assert_eq!(entries(first, last), 0, "no new risk while it stops");
    assert!(entries(last, u64::MAX) > 0, "and again afterwards");
    let verified = result(&run(&format!("replay {} --verify --json", out.display())));
    assert_eq!(verified["equal"], true, "{verified}");
}

#[test]
fn everything_is_closed_where_asked_for() {
    let dir = folder("shutdown_flatten");
    let out = dir.join("run");
    let child =
        started(command(&format!("paper {FORTNIGHT} {PACE} --on-stop flatten --json --out {}", out.display())), &out);
    std::thread::sleep(Duration::from_millis(400));
    signal("INT", &child);
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}", ran.stderr);
    let stop = report(&ran);
    assert_eq!((outcome(&stop, "entries"), &stop["mode"]), ("done", &Value::from("emergency")), "{stop}");
    assert_eq!(stop["orders"], serde_json::json!([]));
    assert!(stop["positions"].as_array().unwrap().iter().all(|position| position["dust"] == true), "{stop}");
    // A resume takes no new risk: nobody has re-armed it.
    let resumed = result(&run(&format!("paper --resume {} --json", out.display())));
    let (controls, orders) = told(&out);
    assert_eq!(controls.len(), 1, "{controls:?}");
    assert!(orders.iter().all(|(seq, class)| *seq <= controls[0].0 || *class == OrderClass::Reducing));
    assert!(resumed["refusals"].as_object().is_some_and(|refusals| !refusals.is_empty()));
}

#[test]
fn a_full_disk_while_it_stops_is_told_and_loses_nothing() {
    let dir = folder("shutdown_full");
    let plain = undisturbed(&dir);
    let out = dir.join("run");
    // The shell lets no file grow beyond 60 blocks of 512 bytes: enough to begin with, not enough for journal and snapshot.
    let script = format!(
        "trap '' XFSZ; ulimit -f 60; exec {} paper {FORTNIGHT} {PACE} --json --out {}",
        env!("CARGO_BIN_EXE_bot4"),
        out.display()
    );
    let mut shell = crate::support::program();
    let environment: Vec<_> = shell.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    shell = Command::new("sh");
    shell.args(["-c", &script]).envs(environment.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))));
    let child = started(shell, &out);
    std::thread::sleep(Duration::from_millis(600));
    signal("TERM", &child);
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("not in order") && ran.stderr.contains("--resume"), "{}", ran.stderr);
    let stop = report(&ran);
    let bad = stop["steps"].as_array().unwrap().iter().filter(|step| step["outcome"] == "failed").count();
    assert!(bad > 0, "{stop}");
    // What failed did not keep the later steps from being done.
    assert_eq!((outcome(&stop, "list"), outcome(&stop, "release")), ("done", "done"), "{stop}");
    listed(&out, &stop);
    same(&plain, &result(&run(&format!("paper --resume {} --json", out.display()))));
}

#[test]
fn a_second_signal_ends_at_once_and_loses_nothing() {
    let dir = folder("shutdown_twice");
    let plain = undisturbed(&dir);
    for n in 0..3 {
        let out = dir.join(format!("run-{n}"));
        let child = started(command(&format!("paper {FORTNIGHT} {PACE} --json --out {}", out.display())), &out);
        std::thread::sleep(Duration::from_millis(150 + 170 * n));
        signal("TERM", &child);
        signal("TERM", &child);
        let asked = Instant::now();
        let ran = ended(child.wait_with_output().unwrap());
        assert!(asked.elapsed() < Duration::from_secs(10));
        assert_eq!(ran.code, 143, "{}", ran.stderr);
        same(&plain, &result(&run(&format!("paper --resume {} --json", out.display()))));
    }
}

#[test]
fn people_are_shown_the_steps_and_what_stays_open() {
    let dir = folder("shutdown_text");
    let out = dir.join("run");
    let child = started(command(&format!("paper {FORTNIGHT} {PACE} --out {}", out.display())), &out);
    std::thread::sleep(Duration::from_millis(500));
    signal("TERM", &child);
    let ran = ended(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 143, "{}", ran.stderr);
    for step in STEPS {
        assert!(ran.stdout.contains(step), "{step}: {}", ran.stdout);
    }
    assert!(ran.stdout.contains("policy keep") && ran.stdout.contains("stay open"), "{}", ran.stdout);
    // A resume takes the old list away: what is open then is another thing.
    result(&run(&format!("paper --resume {} --json", out.display())));
    assert!(!out.join("shutdown.json").exists());
    run(&format!("paper {FORTNIGHT} --on-stop sometimes")).refused(2, "keep");
}

/// A backup taken while a run is running, and what can be done with it.
#[test]
fn a_copy_of_a_running_run_goes_on_to_the_same_end() {
    let dir = folder("shutdown_backup");
    let plain = undisturbed(&dir);
    let out = dir.join("run");
    let child = started(command(&format!("paper {FORTNIGHT} {PACE} --json --out {}", out.display())), &out);
    let mut copies = Vec::new();
    for n in 0..4 {
        std::thread::sleep(Duration::from_millis(120));
        let to = dir.join(format!("copy-{n}"));
        let ran = run(&format!("backup {} {} --json", out.display(), to.display()));
        copies.push((to, result(&ran)));
    }
    let ended = ended(child.wait_with_output().unwrap());
    same(&plain, &result(&ended));
    assert!(copies.iter().any(|(_, said)| said["complete"] == false), "none was taken while it ran: {copies:?}");
    assert!(copies.iter().any(|(_, said)| said["snapshot"].is_u64()), "none has a snapshot: {copies:?}");
    // The run is lost; each copy goes on to the same end, and proves it.
    std::fs::remove_dir_all(&out).unwrap();
    for (to, said) in copies {
        let resumed = result(&run(&format!("paper --resume {} --json", to.display())));
        same(&plain, &resumed);
        if said["complete"] == false {
            assert_eq!(resumed["recoveries"].as_array().map(Vec::len), Some(1), "{said}");
        }
        let verified = result(&run(&format!("replay {} --verify --json", to.display())));
        assert_eq!((&verified["equal"], &verified["complete"]), (&Value::Bool(true), &Value::Bool(true)));
    }
}

#[test]
fn copies_of_ended_runs_are_verified_and_places_that_are_taken_are_left_alone() {
    let dir = folder("shutdown_backup_ended");
    let out = dir.join("run");
    result(&run(&format!("paper {FORTNIGHT} --json --out {}", out.display())));
    let to = dir.join("safe/copy");
    let said = result(&run(&format!("backup {} {} --verify --json", out.display(), to.display())));
    assert_eq!((&said["complete"], &said["verified"]), (&Value::Bool(true), &Value::Bool(true)));
    for file in ["summary.json", "trades.csv", "audit/checkpoints.jsonl"] {
        assert_eq!(std::fs::read(out.join(file)).unwrap(), std::fs::read(to.join(file)).unwrap(), "{file}");
    }
    assert!(!to.join("lock").exists(), "the lock is the process's");
    let text = run(&format!("backup {} {}", out.display(), dir.join("second").display()));
    assert!(text.code == 0 && text.stdout.contains("complete"), "{}", text.stderr);
    let backup = |to: &Path| run(&format!("backup {} {}", out.display(), to.display()));
    backup(&to).refused(2, "is not empty");
    backup(&out.join("inside")).refused(2, "lies in the folder of the run");
    run(&format!("backup {} {}", dir.join("nowhere").display(), dir.join("third").display())).refused(1, "no run");
    // A damaged run gives no copy that looks sound.
    let segment = std::fs::read_dir(out.join("journal")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    backup(&dir.join("fourth")).refused(1, "not sound");
    assert!(!dir.join("fourth").exists() && !dir.join(".fourth.part").exists());
}
