//! `bot4 override` from outside: keys, tokens, the way into a run's inbox; and that nothing there is can place an order.

use crate::support::{bot4, folder, program};
use bot4::checklist::{Checklist, Item};
use bot4::overrides::{Answer, Holders, Inbox, run_name};
use domain::{Cause, Control, Mode, UnixNanos};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store::journal::{Kind, Options, Writer};

fn now() -> UnixNanos {
    UnixNanos(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos()).unwrap())
}

/// Makes a key; its file and its line for the configuration.
fn keygen(dir: &Path, name: &str, role: &str) -> (PathBuf, String) {
    let file = dir.join(format!("{name}-{role}.key"));
    let ran = bot4(&["override", "keygen", "--holder", name, "--role", role, "--out", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("keep it where bot4 does not run"), "{}", ran.stderr);
    (file, ran.stdout.trim().to_owned())
}

fn sign(key: &Path, more: &[&str]) -> String {
    let ran = bot4(&[&["override", "sign", "--key", key.to_str().unwrap()], more].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    ran.stdout.trim().to_owned()
}

/// A folder in which a run has begun.
fn begun(dir: &Path) -> PathBuf {
    let run = dir.join("run");
    let mut journal = Writer::create(&run.join("journal"), Options::default()).unwrap();
    journal.append(0, Kind::Start, 1, |out| out.extend_from_slice(b"{}"));
    journal.close().unwrap();
    run
}

#[test]
fn a_holder_makes_a_key_signs_and_is_heard_once() {
    let dir = folder("override_heard");
    let run = begun(&dir);
    let (operator, anna) = keygen(&dir, "anna", "operator");
    let (rearm, again) = keygen(&dir, "anna", "rearm");
    let holders = Holders::parse(&[anna, again]).unwrap();
    let passing = Arc::new(|| Checklist { items: vec![Item::new("all", "well", Ok("is".into()))] });
    // As a runner: asks between rows, tells, answers.
    let name = run_name(&run).unwrap();
    let mut inbox = Inbox::open(&run, name, holders, passing, now()).unwrap();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let runner = std::thread::spawn(move || {
        let mut told = Vec::new();
        while stopped.try_recv().is_err() {
            if let Some(accepted) = inbox.next(now()) {
                told.extend(accepted.controls);
                accepted.answering.done("told to the session");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        (told, inbox.counts())
    });
    let send = |token: &str, json: &[&str]| {
        let sent = bot4(&[&["override", "send", "--run", run.to_str().unwrap(), token], json].concat());
        (sent.code, sent.stdout, sent.stderr)
    };
    let token = sign(&operator, &["--act", "flatten"]);
    let (code, said, complained) = send(&token, &[]);
    assert_eq!((code, complained.as_str()), (0, ""));
    assert_eq!(said, "flatten of anna: accepted; told to the session\n");
    let (code, said, complained) = send(&token, &[]);
    assert_eq!((code, said.as_str()), (1, ""));
    assert!(complained.contains("flatten of anna was refused: was used before"), "{complained}");
    let token = sign(&operator, &["--act", "tighten", "positions_max=3", "--expires", "90s"]);
    let (code, said, _) = send(&token, &["--json"]);
    let answer: Answer = serde_json::from_str(&said).unwrap();
    assert_eq!((code, answer.accepted, answer.act.as_deref()), (0, true, Some("tighten positions_max=3")));
    let token = sign(&rearm, &["--act", "rearm", "--run", run.to_str().unwrap()]);
    assert_eq!(send(&token, &[]).0, 0);
    // Altered by one character of the signature.
    let token = sign(&operator, &["--act", "pause"]);
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    let (code, said, complained) = send(&format!("{}{last}", &token[..token.len() - 1]), &["--json"]);
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert!(
        code == 1 && answer["accepted"] == false && complained.contains("the token was refused"),
        "{said}{complained}"
    );
    let (code, _, complained) = send("hello", &[]);
    assert!(code == 1 && complained.contains("no token"), "{complained}");
    stop.send(()).unwrap();
    let (told, counts) = runner.join().unwrap();
    assert_eq!((counts.accepted, counts.refused), (3, 3));
    assert!(matches!(told[0], Control::Restrict { to: Mode::Paused, .. }), "{told:?}");
    assert_eq!(told[1], Control::Trip { cause: Cause::Override, flatten: true, including_stops: false });
    assert!(matches!(told[2..], [Control::Tighten { .. }, Control::Rearm { .. }]), "{told:?}");
    // Nobody listens any more.
    let ran = bot4(&["override", "send", "--run", run.to_str().unwrap(), "x", "--wait", "0s"]);
    ran.refused(1, "no answer within 0 s");
    assert_eq!(std::fs::read_dir(run.join("inbox")).unwrap().count(), 0);
}

/// A paper session that plays while it lives, as whoever has this home started it.
struct Session(std::process::Child);

impl Session {
    fn start(home: &Path, holders: &str, args: &[&str]) -> Self {
        let mut command = program();
        command.args(["paper", "--json", "--speed", "20000x"]).args(args).env("BOT4_HOME", home);
        command.env("BOT4_SAFETY__HOLDERS", holders).env("BOT4_REGISTRY", home.join("registry"));
        let silent = std::process::Stdio::null;
        Self(command.stdin(silent()).stdout(silent()).stderr(silent()).spawn().unwrap())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // As nobody can prepare for: nothing is closed or finished.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_session_is_halted_rearmed_and_killed_and_no_word_counts_twice() {
    let home = folder("override_session");
    let run = home.join("runs/may");
    let (anna, first) = keygen(&home, "anna", "operator");
    let (ben, second) = keygen(&home, "ben", "rearm");
    let holders = format!("{first};{second}");
    let place = run.to_str().unwrap();
    let three_weeks = ["--from", "2021-05-10", "--to", "2021-05-31", "--strategy", "sma-cross:bar=5m", "--out", place];
    let session = Session::start(&home, &holders, &three_weeks);
    let began = std::time::Instant::now();
    while !run.join("inbox").is_dir() {
        assert!(began.elapsed() < Duration::from_secs(20), "the session does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let send = |token: &str| {
        let sent = bot4(&["override", "send", "--run", place, token]);
        (sent.code, sent.stdout + &sent.stderr)
    };
    let halt = sign(&anna, &["--act", "halt"]);
    let (code, said) = send(&halt);
    assert!(code == 0 && said.contains("its mode is emergency"), "{said}");
    let (code, said) = send(&sign(&anna, &["--act", "tighten", "positions_max=3"]));
    assert_eq!(code, 0, "{said}");
    let (code, said) = send(&sign(&ben, &["--act", "rearm", "--run", place]));
    assert!(code == 0 && said.contains("its mode is normal"), "{said}");
    let (code, said) = send(&sign(&anna, &["--act", "reduce", "keep-entries"]));
    assert!(code == 0 && said.contains("its mode is reduced"), "{said}");
    let late = sign(&ben, &["--act", "rearm", "--run", place]);
    drop(session);
    // Killed and gone on with: what was said stands, what was used stays used, and no re-arm of before leads back.
    std::thread::sleep(Duration::from_millis(1_100));
    let resumed = Session::start(&home, &holders, &["--resume", place]);
    let (code, said) = send(&halt);
    assert!(code == 1 && said.contains("was used before"), "{said}");
    let (code, said) = send(&late);
    assert!(code == 1 && said.contains("signed before this process began"), "{said}");
    drop(resumed);

    let shown = |kind: &str| -> Vec<Value> {
        let ran = bot4(&["audit", "show", place, "--json", "--kind", kind]);
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("-").to_owned();
    let modes: Vec<[String; 4]> =
        shown("mode").iter().map(|e| ["from", "to", "cause", "holder"].map(|key| text(e, key))).collect();
    let expected = [
        ["normal", "paused", "override", "anna"],
        ["paused", "emergency", "override", "-"],
        ["emergency", "normal", "override", "ben"],
        ["normal", "reduced", "override", "anna"],
    ];
    assert_eq!(modes, expected.map(|words| words.map(str::to_owned)));
    let limits: Vec<[String; 4]> =
        shown("limit").iter().map(|e| ["limit", "from", "to", "holder"].map(|key| text(e, key))).collect();
    assert_eq!(limits, [["positions_max", "10", "3", "anna"].map(str::to_owned)]);
    let output = program().args(["self-assess", "--json"]).env("BOT4_HOME", &home).output().unwrap();
    let assessed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let totals = &assessed["totals"];
    assert_eq!((&totals["overrides"], &totals["limit_changes"]), (&4.into(), &1.into()), "{totals}");
    assert_eq!(totals["overrides_refused"], serde_json::json!({"before_start": 1, "used": 1}));
    assert_eq!(totals["modes"]["emergency by override"], 1);
}

#[test]
fn what_cannot_be_said_is_not_signed() {
    let dir = folder("override_refused");
    let (operator, _) = keygen(&dir, "anna", "operator");
    let (rearm, _) = keygen(&dir, "anna", "rearm");
    let key = operator.to_str().unwrap();
    let sign = |key: &str, more: &[&str]| bot4(&[&["override", "sign", "--key", key], more].concat());
    for act in ["buy", "sell", "submit", "resume", "close"] {
        sign(key, &["--act", act, "BTCUSDT", "1"]).refused(2, "expected one of reduce, pause");
    }
    sign(key, &["--act", "tighten", "leverage_max=4"]).refused(2, "would loosen the hard limit 3");
    sign(key, &["--act", "rearm"]).refused(2, "expected a key of the role rearm");
    sign(rearm.to_str().unwrap(), &["--act", "halt"]).refused(2, "expected a key of the role operator");
    sign(rearm.to_str().unwrap(), &["--act", "rearm"]).refused(2, "a re-arm is for one run");
    for life in ["16m", "901s", "0s", "1h", "-1s"] {
        let ran = sign(key, &["--act", "halt", &format!("--expires={life}")]);
        ran.refused(2, "expected");
    }
    sign(key, &["--act", "halt", "--run", dir.to_str().unwrap()]).refused(1, "no run");
    let keygen = |more: &[&str]| bot4(&[&["override", "keygen"], more].concat());
    keygen(&["--holder", "anna", "--role", "operator", "--out", key]).refused(2, "is there already");
    let new = dir.join("new.key");
    let new = new.to_str().unwrap();
    keygen(&["--holder", "a b", "--role", "operator", "--out", new]).refused(2, "--holder a b");
    keygen(&["--holder", "anna", "--role", "admin", "--out", new]).refused(2, "--role admin");
    assert!(!dir.join("new.key").exists());
    bot4(&["override", "send", "--run", dir.to_str().unwrap(), "x"]).refused(1, "no inbox");
    // Nor does a configuration take holders that are none, or twice the same.
    let line = std::fs::read_to_string(&operator).unwrap();
    for wrong in ["anna", line.trim()] {
        let output = program().args(["config", "show"]).env("BOT4_SAFETY__HOLDERS", wrong).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains("expected NAME:ROLE:KEY"), "{said}");
    }
}

/// The subcommands that a help page lists.
fn subcommands(path: &[String]) -> Vec<String> {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let help = bot4(&args).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// Every command and what it may say to a run. A new one has to be put somewhere here, and there is no place for orders.
const COMMANDS: [(&str, &[&str]); 6] = [
    ("plays strategies, which alone make signals", &["paper", "backtest", "replay", "live"]),
    (
        "reads what was recorded",
        &["report", "audit", "explain", "self-assess", "risk", "costs", "fees", "gap", "query", "backup"],
    ),
    ("computes and shows", &["calc", "strategies", "data", "config", "completions", "man", "init", "route"]),
    ("makes a run stricter, or re-arms it", &["override"]),
    ("stops a run", &["kill"]),
    ("looks at what must hold before a run", &["gate"]),
];

#[test]
fn no_command_places_an_order_by_hand() {
    let mut pages = vec![Vec::new()];
    let mut names = Vec::new();
    while let Some(path) = pages.pop() {
        for name in subcommands(&path) {
            let whole = [path.clone(), vec![name.clone()]].concat();
            if path.is_empty() {
                let known = COMMANDS.iter().any(|(_, commands)| commands.contains(&name.as_str()));
                assert!(known, "{name}: say in this test what it may say to a run");
            }
            names.push(name);
            pages.push(whole);
        }
    }
    assert!(names.len() > 20 && names.iter().any(|name| name == "keygen"), "{names:?}");
    for word in ["buy", "sell", "order", "submit", "place", "amend", "trade", "open", "enter", "position"] {
        assert!(!names.iter().any(|name| name.split('-').any(|part| part == word)), "{word}");
        bot4(&[word]).refused(2, "unrecognized subcommand");
    }
}
