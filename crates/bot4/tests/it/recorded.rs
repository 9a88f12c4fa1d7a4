//! Runs that are recorded: the same with and without a journal and at any pace, resumed as if undisturbed, held against their record, and
//! refused where the folder is not theirs.
//!
//! Kills of the release program at random moments and places are `cargo xtask deep crash`; here the debug program dies at named places.

use crate::harness::{Log, Scripted, begin, buy, candles, go_on, session};
use crate::support::{Ran, folder};
use bot4::command::replay;
use bot4::runner::cursor::{Cursor, command_of};
use bot4::runner::drive::{DriveError, Plain, Silent};
use bot4::runner::record::Recorder;
use bot4::runner::recorded::{self, At, Opened};
use bot4::runner::run_folder::{Contents, RunFolder, Start};
use bot4::runner::session::SessionError;
use bot4::runner::tape::{Compared, Tape, Then, describe};
use domain::{EventBody, InstrumentTable, OrderClass, UnixNanos};
use risk::{CommandRecord, Profile};
use serde_json::Value;
use sim::VenueConfig;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use store::journal::{Kind, Options, Writer};

/// Two weeks of the bundled minutes with enough to do, in few snapshots and segments.
const FORTNIGHT: &str = "--from 2021-05-10 --to 2021-05-24 --strategy sma-cross:bar=5m --strategy donchian:bar=15m";

/// The program with these arguments, separated by blanks, and variables.
fn command(args: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = crate::support::program();
    command.args(args.split_whitespace()).envs(variables.iter().copied()).stdin(Stdio::null());
    command.env("BOT4_JOURNAL__SNAPSHOT_EVERY_EVENTS", "10000").env("BOT4_JOURNAL__SEGMENT_BYTES", "262144");
    command
}

/// Runs the program; a death by signal has code -1.
fn run(args: &str, variables: &[(&str, &str)]) -> Ran {
    let output = command(args, variables).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[track_caller]
fn result(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn file(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What must not depend on how a run was recorded, interrupted or paced.
#[track_caller]
fn same(a: &Value, b: &Value) {
    let fields = ["digest", "state_digest", "events", "orders", "fills", "trades", "final_equity", "max_drawdown"];
    for field in fields.into_iter().chain(["sharpe", "refusals", "open_positions", "buy_and_hold", "fees_paid"]) {
        assert_eq!(a[field], b[field], "{field}");
    }
}

#[track_caller]
fn verified(out: &Path) -> Value {
    result(&run(&format!("replay {} --verify --json", out.display()), &[]))
}

fn undisturbed(dir: &Path) -> Value {
    let ran = run(&format!("paper {FORTNIGHT} --journal off --json --out {}", dir.join("plain").display()), &[]);
    result(&ran)
}

#[test]
fn a_journal_and_a_pace_change_nothing() {
    let dir = folder("recorded_same");
    let plain = undisturbed(&dir);
    assert!(plain["orders"].as_u64().unwrap() > 50, "there is something to compare: {}", plain["orders"]);
    let out = dir.join("on");
    let on = result(&run(&format!("paper {FORTNIGHT} --json --out {}", out.display()), &[]));
    same(&plain, &on);
    assert_eq!(on["recoveries"], serde_json::json!([]));
    assert_eq!(on["started_afresh"], false);
    let verify = verified(&out);
    assert_eq!((&verify["equal"], &verify["complete"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(verify["digest"], plain["digest"]);
    // A fortnight in about a second, on the clock.
    let paced = dir.join("paced");
    let args = format!("paper {FORTNIGHT} --speed 1000000x --json --out {}", paced.display());
    let began = Instant::now();
    same(&plain, &result(&run(&args, &[("BOT4_JOURNAL__DURABILITY", "strict")])));
    assert!(began.elapsed() >= Duration::from_secs(1), "14 days at a million to one take 1.2 s");
    verified(&paced);
    // A replay is watched at a pace too, and skips ahead.
    let began = Instant::now();
    let slow = result(&run(&format!("replay {} --json --speed 1000000x", out.display()), &[]));
    assert!(began.elapsed() >= Duration::from_secs(1), "a replay at the same pace: {:?}", began.elapsed());
    assert_eq!(slow["digest"], plain["digest"]);
    // At true time it would take two weeks: what is skipped is not waited for.
    result(&run(&format!("replay {} --json --speed 1x --seek 2021-06-01", out.display()), &[]));
    // A backtest does not write its result over that of a recorded run.
    run(&format!("backtest --strategy donchian --out {}", out.display()), &[]).refused(2, "holds a recorded run");
}

#[test]
fn a_run_that_died_at_any_place_goes_on_as_if_undisturbed() {
    let dir = folder("recorded_killed");
    let plain = undisturbed(&dir);
    for place in [
        "journal.start",
        "journal.write:2",
        "journal.sync:2",
        "snapshot.rename:1",
        "journal.roll:1",
        "journal.compress:1",
    ] {
        let out = dir.join(place.replace([':', '.'], "-"));
        let shown = out.display();
        let killed = run(&format!("paper {FORTNIGHT} --json --out {shown}"), &[("BOT4_FAILPOINT", place)]);
        assert_eq!(killed.code, -1, "{place}: {}", killed.stderr);
        // What is there of an unfinished run can be verified too.
        if place != "journal.start" {
            assert_eq!(verified(&out)["complete"], false, "{place}");
        }
        let options = if place == "journal.start" { FORTNIGHT } else { "" };
        let resumed = result(&run(&format!("paper --resume {shown} {options} --json"), &[]));
        same(&plain, &resumed);
        let summary = file(&out.join("summary.json"));
        let recoveries = summary["recoveries"].as_array().unwrap();
        if place == "journal.start" {
            assert_eq!((recoveries.len(), &summary["started_afresh"]), (0, &Value::Bool(true)));
        } else {
            assert_eq!(recoveries.len(), 1, "{place}");
            let number = |name: &str| recoveries[0][name].as_u64().unwrap();
            assert_eq!(number("resumed_at"), number("snapshot_seq") + number("tail_events") + 1, "{place}");
        }
        assert_eq!(verified(&out)["complete"], true, "{place}");
        // Resuming what is finished tells the same once more.
        let again = run(&format!("paper --resume {shown} --json"), &[]);
        assert_eq!(result(&again), summary);
        let table = run(&format!("paper --resume {shown}"), &[]);
        assert!(table.code == 0 && table.stdout.contains("final equity"), "{}", table.stderr);
    }
}

#[test]
fn what_is_worked_goes_on_after_a_death_in_the_middle() {
    let dir = folder("recorded_worked");
    let schedules = ["twap:30m:6", "vwap:30m", "is:30m", "pov:5%:2h", "passive:10m", "iceberg:20%:1h", "auto:low"];
    for work in schedules {
        let name = work.replace([':', '%'], "-");
        let args = format!("{FORTNIGHT} --work {work}");
        let plain =
            result(&run(&format!("paper {args} --journal off --json --out {}", dir.join("plain").display()), &[]));
        let out = dir.join(name);
        let shown = out.display();
        let killed = run(&format!("paper {args} --json --out {shown}"), &[("BOT4_FAILPOINT", "snapshot.rename:2")]);
        assert_eq!(killed.code, -1, "{work}: {}", killed.stderr);
        let resumed = result(&run(&format!("paper --resume {shown} --json"), &[]));
        same(&plain, &resumed);
        assert_eq!(resumed["recoveries"].as_array().unwrap().len(), 1, "{work}");
        assert_eq!(verified(&out)["complete"], true, "{work}");
        let audited = run(&format!("audit verify {shown}"), &[]);
        assert_eq!(audited.code, 0, "{work}: {}", audited.stderr);
    }
    // How orders are worked is part of the configuration, which a run keeps.
    let shown = dir.join("twap-30m-6").display().to_string();
    run(&format!("paper --resume {shown} --work none"), &[]).refused(2, "run.work cannot be changed");
}

#[test]
fn folders_that_are_not_a_runs_own_are_left_alone() {
    let dir = folder("recorded_folders");
    let shown = |name: &str| dir.join(name).display().to_string();
    // Missing and empty ones start afresh.
    std::fs::create_dir(dir.join("empty")).unwrap();
    for name in ["missing", "empty"] {
        let ran = run(&format!("paper --resume {} {FORTNIGHT} --json", shown(name)), &[]);
        assert_eq!(result(&ran)["started_afresh"], true, "{name}");
    }
    // Another one's files.
    std::fs::create_dir(dir.join("foreign")).unwrap();
    std::fs::write(dir.join("foreign/novel.txt"), "chapter one").unwrap();
    for args in ["--resume", "--out"] {
        run(&format!("paper {args} {} --json", shown("foreign")), &[]).refused(1, "no run: expected");
    }
    // A run is not begun over another one, and keeps its configuration.
    run(&format!("paper --out {}", shown("missing")), &[]).refused(2, "holds a run already");
    run(&format!("paper --resume {} --cash 5", shown("missing")), &[]).refused(2, "run.cash cannot be changed");
    // One process at a time.
    let lock = RunFolder::at(&dir.join("busy")).lock().unwrap();
    run(&format!("paper --resume {}", shown("busy")), &[]).refused(1, "another");
    run(&format!("paper --out {}", shown("busy")), &[]).refused(1, "another");
    drop(lock);
    // A run folder may be moved.
    std::fs::rename(dir.join("missing"), dir.join("moved")).unwrap();
    verified(&dir.join("moved"));
    run(&format!("replay {}", shown("nowhere")), &[]).refused(1, "no run");
}

/// Name of a small file of candles.
const SMALL: &str = "binance_spot_BTCUSDT_1m.csv";

/// So many minutes that go up and down.
fn minutes(price: u32, n: u64) -> String {
    let line = |n: u64| {
        let p = price + (n * n % 37) as u32;
        format!("{},{p},{},{},{p},50\n", 1_609_459_200_000 + n * 60_000, p + 2, p - 2)
    };
    (0..n).map(line).collect()
}

#[test]
fn inputs_that_changed_are_refused_and_moved_ones_are_found() {
    let dir = folder("recorded_inputs");
    let write = |place: &Path, price| {
        std::fs::create_dir_all(place).unwrap();
        std::fs::write(place.join(SMALL), format!("time,open,high,low,close,volume\n{}", minutes(price, 3_000)))
            .unwrap();
    };
    write(&dir.join("data"), 30_000);
    let out = dir.join("run");
    let args = format!("--data {} --strategy sma-cross:fast=3,slow=9", dir.join("data").display());
    let killed = run(&format!("paper {args} --out {}", out.display()), &[("BOT4_FAILPOINT", "journal.sync:1")]);
    assert_eq!(killed.code, -1);
    write(&dir.join("data"), 30_001);
    run(&format!("paper --resume {}", out.display()), &[]).refused(1, "has changed since the run began");
    std::fs::remove_dir_all(dir.join("data")).unwrap();
    run(&format!("paper --resume {}", out.display()), &[]).refused(1, SMALL);
    write(&dir.join("elsewhere"), 30_000);
    let moved = format!("paper --resume {} --data {} --json", out.display(), dir.join("elsewhere").display());
    let resumed = result(&run(&moved, &[]));
    let fresh = run(
        &format!("paper {args} --journal off --json --out {}", dir.join("fresh").display())
            .replace("/data ", "/elsewhere "),
        &[],
    );
    same(&resumed, &result(&fresh));
}

#[test]
fn a_full_disk_stops_new_risk_and_the_run_goes_on_when_there_is_space() {
    let dir = folder("recorded_full_disk");
    let plain = undisturbed(&dir);
    let out = dir.join("run");
    // The shell lets no file grow beyond 120 blocks of 512 bytes, and lets the program see the error instead of dying of the signal.
    let program = env!("CARGO_BIN_EXE_bot4");
    let script =
        format!("trap '' XFSZ; ulimit -f 120; exec {program} paper {FORTNIGHT} --json --out {}", out.display());
    let ran = Command::new("sh").args(["-c", &script]).output().unwrap();
    let told = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("no new risk") && told.contains("--resume"), "{told}");
    assert_eq!(told.matches("no new risk is taken from now on").count(), 1, "told at once, and once: {told}");
    assert!(
        ran.stdout.is_empty() && !out.join("summary.json").exists(),
        "no result is shown for a run that was not recorded"
    );
    let resumed = result(&run(&format!("paper --resume {} --json", out.display()), &[]));
    same(&plain, &resumed);
    assert_eq!(resumed["recoveries"].as_array().map(Vec::len), Some(1));
    verified(&out);
}

/// The journal fails in the very step that decides to enter, or not at all.
#[test]
fn an_entry_whose_own_record_fails_does_not_leave() {
    let dir = folder("recorded_entry");
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let rows: Vec<_> = (0..6).map(|n| testkit::candle(&btc, n, [10_000, 10_005, 9_995, 10_000], 1_000_000)).collect();
    let at = UnixNanos(testkit::T0.0 + 2 * 60_000_000_000);
    for (name, strict, fails) in [("whole", false, false), ("group", false, true), ("strict", true, true)] {
        let script = vec![(at, btc.idx, buy(btc.idx, "1"))];
        let mut session = session(&table, VenueConfig::frictionless(), Profile::Off, vec![Scripted::new(script)]);
        let mut journal = Writer::create(&dir.join(name), Options::default()).unwrap();
        let mut log = Log::default();
        begin(&mut session, testkit::T0, &table, "100000", &mut log);
        if fails {
            // What comes next has a lower number, which the journal does not take.
            journal.append(u64::MAX, Kind::Mark, 1, |_| ());
        }
        assert!(journal.failed().is_none());
        session.put_on_tape(Tape::writing(Then { journal, strict }));
        go_on(&mut session, vec![candles(&btc, &rows)], &mut log);
        let stopped = log.inputs.iter().find_map(|(ts, event)| match &event.body {
            EventBody::NotSent(stopped) => Some((*ts, stopped.orders.len())),
            _ => None,
        });
        assert_eq!(log.orders.len(), 1, "{name}: it was decided");
        assert_eq!(log.fills.len(), usize::from(!fails), "{name}");
        assert_eq!(stopped, fails.then_some((at, 1)), "{name}: the engine is told in the same step");
        assert_eq!(session.tape.withholds(OrderClass::Entry), fails, "{name}");
        assert!(!session.tape.withholds(OrderClass::Reducing), "{name}: what protects leaves, recorded or not");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_says_how_to_go_on_and_does() {
    let dir = folder("recorded_interrupted");
    let plain = undisturbed(&dir);
    let out = dir.join("run");
    let child = command(&format!("paper {FORTNIGHT} --speed 20000x --out {}", out.display()), &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    while !out.join("journal/0000000001.seg").exists() {
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(130), "{told}");
    assert!(told.contains("--resume"), "{told}");
    let resumed = result(&run(&format!("paper --resume {} --json", out.display()), &[]));
    same(&plain, &resumed);
    let recovery = &resumed["recoveries"][0];
    assert_eq!(recovery["tail_events"], 0, "what was done is in the snapshot that was taken at the end: {recovery}");
    assert!(recovery["snapshot_seq"].as_u64().unwrap() > 0);
}

/// A short run on a small file: every byte of its journal can be tried.
fn short_run(dir: &Path) -> RunFolder {
    let (out, data) = (dir.join("short"), dir.join(SMALL));
    std::fs::write(&data, format!("time,open,high,low,close,volume\n{}", minutes(30_000, 120))).unwrap();
    let args = format!("--data {} --strategy sma-cross:fast=2,slow=4", data.display());
    result(&run(&format!("paper {args} --json --out {}", out.display()), &[]));
    RunFolder::at(&out)
}

#[test]
fn every_flipped_byte_of_a_sealed_journal_is_found() {
    let dir = folder("recorded_flips");
    let run = short_run(&dir);
    assert!(replay::verify(&run).unwrap().equal);
    let mut flips = 0;
    for entry in std::fs::read_dir(run.journal()).unwrap() {
        let path = entry.unwrap().path();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).unwrap();
            let found = replay::verify(&run).map_or(true, |replayed| !replayed.equal);
            assert!(found, "byte {at} of {}", path.display());
            flips += 1;
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(flips > 1_000, "{flips} flips");
    assert!(replay::verify(&run).unwrap().equal, "and as it was it is equal");
    std::fs::write(run.journal().join("stranger"), "x").unwrap();
    assert!(!replay::verify(&run).unwrap().equal, "a file that is no part of the journal is found");
    std::fs::remove_file(run.journal().join("stranger")).unwrap();
    // The audit log is covered too; its own tests flip every byte of it.
    let log = run.audit().join("0000000001.jsonl");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::write(&log, text.replacen("\"side\":\"buy\"", "\"side\":\"sel\"", 1)).unwrap();
    assert!(!replay::verify(&run).unwrap().equal, "an altered audit log is found");
    std::fs::write(&log, text).unwrap();
    assert!(replay::verify(&run).unwrap().equal);
}

fn started(run: &RunFolder) -> Start {
    match run.contents().unwrap() {
        Contents::Run(start) => *start,
        Contents::Nothing => panic!("no run"),
    }
}

/// The same run as another build would make it, in which a constant of a strategy is another one.
fn other_build(run: &RunFolder) -> Start {
    let mut start = started(run);
    let text = start.config.to_string();
    let changed = text.replace("sma-cross:bar=5m", "sma-cross:bar=5m,fast=19");
    assert_ne!(changed, text);
    start.config = serde_json::from_str(&changed).unwrap();
    start
}

/// Drives to the end, or to where the session stops.
fn drive(opened: &mut Opened) -> Compared {
    let (mut silent, never) = (Silent, AtomicBool::new(false));
    opened.begin().unwrap();
    let mut keeper = Plain { progress: &mut silent, stop: &never };
    let ended = opened.driver.run::<Recorder>(&mut opened.plan.session, &mut opened.plan.recorder, &mut keeper);
    assert!(matches!(ended, Ok(()) | Err(DriveError::Session(SessionError::Reached))), "{ended:?}");
    opened.plan.session.tape.compared()
}

#[test]
fn a_build_that_decides_otherwise_is_named_by_its_first_differing_command() {
    let dir = folder("recorded_otherwise");
    let out = dir.join("run");
    let recorded = result(&run(&format!("paper {FORTNIGHT} --json --out {}", out.display()), &[]));
    let run = RunFolder::at(&out);
    let journal = run.journal();
    let mut opened = recorded::open(&run, other_build(&run), &[], At::Beginning, false).unwrap();
    opened.plan.session.put_on_tape(Tape::following(Cursor::after(&journal, 0).unwrap(), None, true));
    let compared = drive(&mut opened);
    let difference = compared.difference.expect("another constant decides otherwise somewhere in a fortnight");
    assert_eq!(difference.seq, opened.plan.session.seq(), "it ends where it differs");
    // The record really has there what is told, and nothing earlier differs: the runs of both builds agree up to that event.
    let mut cursor = Cursor::after(&journal, difference.seq - 1).unwrap();
    let mut there = Vec::new();
    while let Some(view) = cursor.peek().filter(|view| view.seq == difference.seq) {
        there.push(describe(view));
        cursor.advance();
    }
    assert!(difference.recorded.iter().all(|text| there.contains(text)), "{difference} among {there:?}");
    assert!(difference.decided.iter().all(|text| !there.contains(text)), "{difference} among {there:?}");
    assert!(difference.recorded.is_some() || difference.decided.is_some());

    // Followed and not verified, the record wins: what happened to the account is what was recorded.
    let mut opened = recorded::open(&run, other_build(&run), &[], At::Beginning, false).unwrap();
    opened.plan.session.put_on_tape(Tape::following(Cursor::after(&journal, 0).unwrap(), None, false));
    let compared = drive(&mut opened);
    assert_eq!(compared.difference, Some(difference));
    let summary = bot4::command::backtest::summarise(
        &opened.plan,
        opened.driver.driven(),
        &opened.config,
        "replay",
        bot4::report::DataLine::default(),
    );
    assert_eq!(Some(summary.fills), recorded["fills"].as_u64());
    assert_eq!(Some(summary.orders), recorded["orders"].as_u64());
    assert_eq!(summary.final_equity, recorded["final_equity"].as_f64());
}

#[test]
fn a_resumed_run_that_decides_otherwise_follows_the_record_and_then_takes_no_new_risk() {
    let dir = folder("recorded_reduced");
    let out = dir.join("run");
    let killed =
        run(&format!("paper {FORTNIGHT} --json --out {}", out.display()), &[("BOT4_FAILPOINT", "journal.write:4")]);
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let run = RunFolder::at(&out);
    let lock = run.lock().unwrap();
    let resumed = recorded::resume(&run, other_build(&run), &[]).unwrap();
    let (mut opened, at) = (resumed.opened, resumed.recovery.resumed_at);
    assert_eq!(opened.snapshot_seq, 0, "a snapshot of another constant is not used: {:?}", opened.unusable);
    let compared = drive(&mut opened);
    let difference = compared.difference.expect("decides otherwise within the tail");
    assert!(difference.seq < at);
    opened.plan.session.tape.take_journal().unwrap().close().unwrap();
    drop(lock);
    // After the tail: a pause on the record, and no entry any more.
    let (mut paused, mut entries, mut later) = (None, 0, 0);
    let mut cursor = Cursor::after(&run.journal(), at - 1).unwrap();
    while let Some(view) = cursor.peek() {
        if view.kind == Kind::Control {
            paused = Some(view.seq);
        }
        if view.kind == Kind::Order
            && let (_, CommandRecord::Submit { class, .. }) = command_of(view.body).unwrap()
        {
            entries += usize::from(class == OrderClass::Entry);
        }
        later += 1;
        cursor.advance();
    }
    assert_eq!(paused, Some(at), "the pause is the first event that is new");
    assert!(later > 100, "the run went on: {later} records");
    assert_eq!(entries, 0, "no new risk");
}

#[test]
fn what_broke_off_is_told_in_bytes_and_what_is_lost_is_not_started_over() {
    let dir = folder("recorded_torn");
    let plain = undisturbed(&dir);
    let out = dir.join("run");
    let shown = out.display();
    let killed = run(&format!("paper {FORTNIGHT} --json --out {shown}"), &[("BOT4_FAILPOINT", "journal.write:2")]);
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let told = verified(&out)["torn_bytes"].as_u64().unwrap();
    assert!(told > 0, "half of a write ends within a record");
    let resumed = run(&format!("paper --resume {shown} --json"), &[]);
    assert!(resumed.stderr.contains(&format!("{told} bytes of a record that had broken off")), "{}", resumed.stderr);
    let resumed = result(&resumed);
    assert_eq!(resumed["recoveries"][0]["torn_bytes"].as_u64(), Some(told));
    same(&plain, &resumed);
    // A result that is lost, or not of this run, is made again from the record.
    std::fs::remove_file(out.join("trades.csv")).unwrap();
    same(&plain, &result(&run(&format!("paper --resume {shown} --json"), &[])));
    assert!(out.join("trades.csv").exists());
    let lie = std::fs::read_to_string(out.join("summary.json")).unwrap().replace("\"digest\": \"", "\"digest\": \"f");
    std::fs::write(out.join("summary.json"), lie).unwrap();
    same(&plain, &result(&run(&format!("paper --resume {shown} --json"), &[])));
    // The end of the journal is gone: found, and played again.
    let last = std::fs::read_dir(out.join("journal")).unwrap().map(|e| e.unwrap().path()).max().unwrap();
    std::fs::remove_file(last).unwrap();
    let ran = run(&format!("replay {shown} --verify"), &[]);
    assert_eq!(ran.code, 1, "{}", ran.stdout);
    assert!(ran.stdout.contains("the end of the journal is missing"), "{}", ran.stdout);
    same(&plain, &result(&run(&format!("paper --resume {shown} --json"), &[])));
    // All of it is gone: nothing is started over it.
    std::fs::remove_dir_all(out.join("journal")).unwrap();
    run(&format!("paper --resume {shown}"), &[]).refused(1, "no journal of it");
}

#[test]
fn a_snapshot_whose_event_is_no_longer_whole_in_the_journal_is_not_used() {
    let dir = folder("recorded_mark");
    let out = dir.join("run");
    let killed =
        run(&format!("paper {FORTNIGHT} --json --out {}", out.display()), &[("BOT4_FAILPOINT", "snapshot.rename:2")]);
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let run_folder = RunFolder::at(&out);
    let newest = |dir: &Path| -> u64 {
        let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.filter_map(|n| n.strip_suffix(".snap").and_then(|n| n.parse().ok())).max().unwrap()
    };
    let snapshot = newest(&run_folder.snapshots());
    // The journal of another course of things: everything from the snapshot's mark on is cut away, record by record.
    let mut kept = Vec::new();
    let mut reader = store::journal::Reader::open(&run_folder.journal()).unwrap();
    while let Some(record) = reader.next().unwrap() {
        if record.seq > snapshot || (record.seq == snapshot && record.kind == Kind::Mark) {
            break;
        }
        kept.push((record.seq, record.kind, record.version, record.body.to_vec()));
    }
    drop(reader);
    std::fs::remove_dir_all(run_folder.journal()).unwrap();
    let mut writer = store::journal::Writer::create(&run_folder.journal(), store::journal::Options::default()).unwrap();
    for (seq, kind, version, body) in kept {
        writer.append(seq, kind, version, |out| out.extend_from_slice(&body));
    }
    writer.append(snapshot, Kind::Recovery, 1, |out| out.extend_from_slice(b"{}"));
    writer.close().unwrap();
    let resumed = result(&run(&format!("paper --resume {} --json", out.display()), &[]));
    same(&undisturbed(&dir), &resumed);
    let recovery = &resumed["recoveries"][0];
    assert!(recovery["snapshot_seq"].as_u64().unwrap() < snapshot, "{recovery}");
    assert!(recovery["unusable"].to_string().contains("no mark"), "{recovery}");
    verified(&out);
}

/// A run recorded in format 1, as the first build with journals wrote it. It is never made anew: what it holds must stay readable. A later
/// build that decides otherwise on purpose says here where it differs first, and still follows the record to the same end.
#[test]
fn a_run_of_format_1_is_still_replayed() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/run-v1");
    let run_again = |more: &str| {
        let data = kept.join(SMALL);
        result(&run(&format!("replay {} --data {} --json {more}", kept.display(), data.display()), &[]))
    };
    let followed = run_again("");
    assert_eq!((&followed["complete"], followed["torn_bytes"].as_u64()), (&Value::Bool(true), Some(0)));
    assert_eq!(followed["summary"]["orders"].as_u64(), Some(116));
    assert_eq!(followed["summary"]["fills"].as_u64(), Some(77));
    assert_eq!(followed["summary"]["final_equity"].as_f64(), Some(9981.56372834));
    // Since there is a guard, prices are sampled for a single instrument, too: the first word of the record is another one.
    let data = kept.join(SMALL);
    let verified = run(&format!("replay {} --data {} --json --verify", kept.display(), data.display()), &[]);
    assert_eq!(verified.code, 1);
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((&verified["equal"], verified["difference"]["seq"].as_u64()), (&Value::Bool(false), Some(1)));
    let said = |side: &str| verified["difference"][side].to_string();
    assert!(said("recorded").contains("timer: Day") && said("decided").contains("timer: Minute"), "{verified}");
}
