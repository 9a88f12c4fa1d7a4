//! `bot4 kill` and the other triggers against processes that have a gate: one that answers, one that hangs, one that is gone.
//!
//! The other process is this test program, started again with [`HELPER`] set: it registers a gate or watches over one, sends entries as fast
//! as it can, and writes down how many left.

use crate::support::folder;
use bot4::config::{KEYS, SafetySection};
use bot4::kill::{self, FILE};
use bot4::watch::Watch;
use domain::{Cause, Mode};
use infra::gate_word::{Class, GateWord, Level};
use serde_json::Value;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Names the run's folder to the helper.
const HELPER: &str = "KILL_TEST_RUN";
/// What the helper does with a raise: `answers`, `hangs`, or `watches` (answers, and has signals, switch and watchdog).
const MANNER: &str = "KILL_TEST_MANNER";

/// Does nothing in a test run of its own; as helper it sends entries until its run's folder says `end`.
#[test]
fn helper() {
    let Some(run) = std::env::var_os(HELPER).map(PathBuf::from) else { return };
    let manner = std::env::var(MANNER).unwrap();
    let (watch, registered);
    let gate = if manner == "watches" {
        watch = Watch::start(&watched(&run), Some(&run)).unwrap();
        watch.word()
    } else {
        registered = kill::register(Some(&run)).unwrap();
        registered.gate()
    };
    gate.show_mode(Mode::Normal as u8);
    let (mut sent, mut told) = (0_u64, 0);
    while !run.join("end").exists() {
        for _ in 0..1_000 {
            if gate.send(Class::Entry, || ()).is_ok() {
                sent += 1;
            }
        }
        if manner != "hangs" && !run.join("silent").exists() {
            gate.beat();
            if gate.level() > Level::All {
                std::fs::write(run.join("cause"), gate.read().cause().to_string()).unwrap();
                gate.show_mode(Mode::Emergency as u8);
                gate.answer(gate.read());
            }
        }
        if sent != told {
            std::fs::write(run.join("sent.part"), sent.to_string()).unwrap();
            std::fs::rename(run.join("sent.part"), run.join("sent")).unwrap();
            told = sent;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}

/// A switch by a pipe in the run's folder, and an engine that may be silent for a second.
fn watched(run: &Path) -> SafetySection {
    let section = KEYS.iter().filter(|key| key.section() == "safety");
    let presets = section.filter_map(|key| Some((key.name().to_owned(), key.preset()?.json())));
    let mut settings: Value = presets.collect::<serde_json::Map<_, _>>().into();
    settings["heartbeat_s"] = 1.into();
    settings["gpio_simulated"] = run.join("switch.pipe").to_str().into();
    serde_json::from_value(settings).unwrap()
}

/// A registry and runs of the test's own.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let folder = folder(&format!("kill-{name}"));
        Self(std::fs::canonicalize(folder).unwrap())
    }

    fn registry(&self) -> PathBuf {
        self.0.join("registry")
    }

    /// The folder of a run that was begun.
    fn run(&self, name: &str) -> PathBuf {
        let run = self.0.join(name);
        std::fs::create_dir_all(run.join("journal")).unwrap();
        run
    }

    fn start(&self, run: &Path, manner: &str) -> Helper {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::helper", "--nocapture"])
            .env(HELPER, run)
            .env(MANNER, manner)
            .env(kill::VARIABLE, self.registry())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let helper = Helper { child, run: run.to_owned() };
        until(|| helper.sent() > 0);
        helper
    }

    fn kill(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_bot4"))
            .arg("kill")
            .args(args)
            .env(kill::VARIABLE, self.registry())
            .output()
            .unwrap()
    }

    /// The answer as JSON, with the exit code.
    fn kill_json(&self, args: &[&str]) -> (Value, i32) {
        let output = self.kill(&[args, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
        (value, output.status.code().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Helper {
    child: Child,
    run: PathBuf,
}

impl Helper {
    fn sent(&self) -> u64 {
        std::fs::read_to_string(self.run.join("sent")).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Lets it end in order.
    fn end(mut self) {
        std::fs::write(self.run.join("end"), "").unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
fn until(what: impl Fn() -> bool) {
    let began = Instant::now();
    while !what() {
        assert!(began.elapsed() < Duration::from_secs(60), "it did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn one_that_answers_is_stopped_and_says_so() {
    let place = Place::new("answers");
    let run = place.run("a");
    let helper = place.start(&run, "answers");
    let (said, code) = place.kill_json(&["--flatten"]);
    assert_eq!(code, 0, "{said}");
    let process = &said["processes"][0];
    assert_eq!(process["pid"], helper.child.id());
    assert_eq!(process["run"], run.to_str().unwrap());
    assert_eq!((&process["level_before"], &process["level_after"]), (&0.into(), &1.into()));
    assert_eq!((&process["engine_answered"], &process["heartbeat_seen"]), (&true.into(), &true.into()));
    assert_eq!((&process["mode"], &process["in_flight"]), (&"emergency".into(), &0.into()));
    let request = kill::pending(&run).unwrap();
    assert!(request.flatten && !request.including_stops && request.damaged.is_none());
    let (again, code) = place.kill_json(&[]);
    assert_eq!((&again["processes"][0]["level_before"], code), (&1.into(), 0), "a second kill is a kill too");
    helper.end();
    assert_eq!(std::fs::read_dir(place.registry()).unwrap().count(), 0, "who ends in order takes his page away");
}

#[test]
fn one_that_is_stopped_by_a_signal_sends_nothing_more_when_it_goes_on() {
    let place = Place::new("stopped");
    let run = place.run("a");
    let helper = place.start(&run, "hangs");
    helper.signal("STOP");
    let (said, code) = place.kill_json(&[]);
    assert_eq!(code, 0, "{said}");
    let process = &said["processes"][0];
    assert_eq!((&process["engine_answered"], &process["level_after"]), (&false.into(), &1.into()));
    helper.signal("CONT");
    // What it had counted before is written once; from there on nothing leaves.
    until(|| helper.sent() > 0);
    std::thread::sleep(Duration::from_millis(50));
    let then = helper.sent();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(helper.sent(), then, "an entry left under the raised word");
    helper.end();
}

/// The one gate, closed by each trigger: entries stop, and the word says why.
#[test]
fn every_trigger_closes_the_same_gate() {
    let place = Place::new("triggers");
    let press = |run: &Path, bytes: &str| std::fs::write(run.join("switch.pipe"), bytes).unwrap();
    type Pull<'a> = &'a dyn Fn(&Helper);
    let triggers: [(&str, Cause, Pull<'_>); 8] = [
        ("signal", Cause::Signal, &|helper| helper.signal("USR1")),
        ("flatten", Cause::Signal, &|helper| helper.signal("USR2")),
        ("kill", Cause::Kill, &|_| assert_eq!(place.kill_json(&[]).1, 0)),
        ("edge", Cause::Hardware, &|helper| press(&helper.run, "f")),
        ("cut", Cause::Tamper, &|helper| press(&helper.run, "c")),
        ("chatter", Cause::Tamper, &|helper| press(&helper.run, &"r".repeat(60))),
        ("taken away", Cause::Tamper, &|helper| std::fs::remove_file(helper.run.join("switch.pipe")).unwrap()),
        ("silence", Cause::Heartbeat, &|helper| {
            std::fs::write(helper.run.join("silent"), "").unwrap();
            let gate = || GateWord::open(&only_page(&place.registry())).unwrap();
            until(|| gate().level() == Level::Reducing);
            std::fs::remove_file(helper.run.join("silent")).unwrap();
        }),
    ];
    for (name, cause, pull) in triggers {
        let run = place.run(name);
        let helper = place.start(&run, "watches");
        let leds = || std::fs::read_to_string(run.join("switch.pipe.leds")).unwrap();
        until(|| leds().ends_with("green\n"));
        pull(&helper);
        let said = || std::fs::read_to_string(run.join("cause")).ok().and_then(|text| text.parse().ok());
        until(|| said() == Some(cause as u8));
        until(|| leds().ends_with("red\n"));
        let gate = GateWord::open(&only_page(&place.registry())).unwrap();
        assert_eq!((gate.level(), gate.read().flatten()), (Level::Reducing, name == "flatten"), "{name}");
        let then = helper.sent();
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(helper.sent(), then, "{name}: an entry left under the raised word");
        helper.end();
        assert!(leds().ends_with("dark\n"), "{name}");
    }
}

fn only_page(registry: &Path) -> PathBuf {
    std::fs::read_dir(registry).unwrap().next().unwrap().unwrap().path()
}

#[test]
fn the_named_run_is_stopped_and_the_other_goes_on() {
    let place = Place::new("named");
    let (a, b) = (place.run("a"), place.run("b"));
    let (stopped, other) = (place.start(&a, "answers"), place.start(&b, "answers"));
    let (said, code) = place.kill_json(&["--run", a.to_str().unwrap()]);
    assert_eq!((said["processes"].as_array().unwrap().len(), code), (1, 0), "{said}");
    let before = other.sent();
    until(|| other.sent() > before);
    assert!(kill::pending(&a).is_some() && kill::pending(&b).is_none());
    let text = place.kill(&[]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("1 -> 1") && text.contains("0 -> 1"), "{text}");
    stopped.end();
    other.end();
}

#[test]
fn a_run_that_is_not_running_will_start_in_emergency() {
    let place = Place::new("rest");
    let run = place.run("a");
    let (said, code) = place.kill_json(&["--run", run.to_str().unwrap(), "--including-stops"]);
    assert_eq!((&said["run_at_rest"]["starts_in_emergency"], code), (&true.into(), 0), "{said}");
    assert!(kill::pending(&run).unwrap().including_stops);
    let output = place.kill(&["--run", run.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("is not running; it will start in emergency"), "{text}");
    kill::done(&run).unwrap();
    // Somebody who works on it without a gate is not stopped by a file, and that is said.
    let lock = store::lock::RunLock::take(&run).unwrap();
    let (said, code) = place.kill_json(&["--run", run.to_str().unwrap()]);
    assert_eq!(code, 1, "{said}");
    assert!(said["failed"][0].as_str().unwrap().contains("was not stopped"), "{said}");
    assert!(kill::pending(&run).is_some(), "but its next start is in emergency");
    drop(lock);
    let (said, code) = place.kill_json(&["--run", place.0.join("nothing").to_str().unwrap()]);
    assert!(code == 1 && said["failed"][0].as_str().unwrap().contains("no run"), "{said}");
}

#[test]
fn what_a_killed_process_left_is_no_running_one() {
    let place = Place::new("gone");
    let run = place.run("a");
    let mut helper = place.start(&run, "answers");
    helper.child.kill().unwrap();
    assert_eq!(helper.child.wait().unwrap().signal(), Some(9));
    assert_eq!(std::fs::read_dir(place.registry()).unwrap().count(), 1);
    let (said, code) = place.kill_json(&[]);
    assert_eq!((&said["processes"][0]["alive"], code), (&false.into(), 1), "{said}");
    assert!(kill::pending(&run).is_none());
    let (said, code) = place.kill_json(&["--run", run.to_str().unwrap()]);
    assert_eq!((&said["run_at_rest"]["starts_in_emergency"], code), (&true.into(), 0), "{said}");
    // The next one sweeps.
    std::fs::remove_file(run.join("sent")).unwrap();
    let next = place.start(&run, "answers");
    assert_eq!(std::fs::read_dir(place.registry()).unwrap().count(), 1);
    next.end();
}

#[test]
fn a_page_of_another_version_is_said_and_the_others_are_stopped() {
    let place = Place::new("version");
    let run = place.run("a");
    let helper = place.start(&run, "answers");
    let mut other = std::fs::read(only_page(&place.registry())).unwrap();
    other[8] = 9;
    std::fs::write(place.registry().join("1-0.gate"), other).unwrap();
    let (said, code) = place.kill_json(&[]);
    assert_eq!((&said["processes"][0]["level_after"], code), (&1.into(), 1), "{said}");
    assert!(said["failed"][0].as_str().unwrap().contains("layout 9"), "{said}");
    helper.end();
}

#[test]
fn with_nobody_there_it_fails_and_says_so() {
    let place = Place::new("nobody");
    let output = place.kill(&[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("no running bot4 of this user was found"), "{said}");
}

/// A full disk: the word is raised all the same.
#[test]
fn a_disk_that_takes_nothing_does_not_stop_the_kill() {
    let place = Place::new("disk");
    let run = place.run("a");
    let helper = place.start(&run, "answers");
    // A folder in the place of the file: nothing can be written there, not even by root.
    std::fs::create_dir(run.join(FILE)).unwrap();
    let (said, code) = place.kill_json(&[]);
    let process = &said["processes"][0];
    assert_eq!((&process["level_after"], &process["kept_for_resume"], code), (&1.into(), &false.into(), 0), "{said}");
    assert!(process["not_kept"].as_str().is_some(), "{said}");
    helper.end();
}

#[test]
fn a_registry_of_somebody_else_is_refused() {
    let place = Place::new("foreign");
    std::fs::create_dir(place.registry()).unwrap();
    if std::os::unix::fs::chown(place.registry(), Some(12_345), None).is_err() {
        eprintln!("skipped: only root can give a folder away");
        return;
    }
    let output = place.kill(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("belongs to user 12345"));
    assert_eq!(std::fs::metadata(place.registry()).unwrap().uid(), 12_345);
}

/// A page that is mapped twice is one page: the raise of another process is the word that a sender looks at.
#[test]
fn a_raise_through_the_file_is_seen_by_the_sender() {
    let place = Place::new("page");
    std::fs::create_dir(place.registry()).unwrap();
    let path = place.registry().join("1-0.gate");
    let ours = GateWord::create(&path, infra::gate_word::About::of_this_process(None)).unwrap();
    assert!(ours.send(Class::Entry, || ()).is_ok());
    let (said, code) = place.kill_json(&[]);
    assert_eq!((&said["processes"][0]["pid"], code), (&std::process::id().into(), 0), "{said}");
    assert!(ours.send(Class::Entry, || ()).is_err());
    assert!(ours.send(Class::Reducing, || ()).is_ok());
}

/// A run of the program itself, a day of the market a second.
struct Paper {
    child: Child,
    run: PathBuf,
    registry: PathBuf,
}

impl Paper {
    fn start(place: &Place, args: &[&str], run: &Path) -> Self {
        let mut command = crate::support::program();
        command.arg("paper").args(args).arg(run).args(["--speed", "86400x", "--json"]);
        let child = command
            .env(kill::VARIABLE, place.registry())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let paper = Self { child, run: run.to_owned(), registry: place.registry() };
        // It has begun when it says a mode.
        until(|| {
            let pages = std::fs::read_dir(&paper.registry).into_iter().flatten().flatten();
            pages.filter_map(|page| GateWord::open(&page.path()).ok()).any(|gate| gate.beats() > 0 && gate.is_held())
        });
        paper
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    fn end(&mut self, name: &str) {
        self.signal(name);
        self.child.wait().unwrap();
    }

    /// Changes of the mode in its audit log, as to and cause.
    fn modes(&self) -> Vec<(String, String)> {
        let shown = crate::support::bot4(&["audit", "show", self.run.to_str().unwrap(), "--kind", "mode", "--json"]);
        let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        shown.lines().iter().map(|line| (text(line, "to"), text(line, "cause"))).collect()
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn emergency(cause: &str) -> Vec<(String, String)> {
    vec![("emergency".to_owned(), cause.to_owned())]
}

#[test]
fn a_run_records_the_kill_and_keeps_nothing_of_it_for_its_next_start() {
    let place = Place::new("paper");
    let run = place.0.join("run");
    let mut paper = Paper::start(&place, &["--out"], &run);
    let (said, code) = place.kill_json(&["--run", run.to_str().unwrap()]);
    assert_eq!((&said["processes"][0]["engine_answered"], code), (&true.into(), 0), "{said}");
    assert_eq!(said["processes"][0]["mode"], "emergency", "{said}");
    until(|| kill::pending(&run).is_none());
    paper.end("INT");
    assert_eq!(paper.modes(), emergency("kill"));
    assert_eq!(kill::pending(&run), None);
}

#[test]
fn a_run_that_dies_before_it_heard_of_the_kill_goes_on_in_emergency() {
    let place = Place::new("dies");
    let run = place.0.join("run");
    let mut paper = Paper::start(&place, &["--out"], &run);
    paper.signal("STOP");
    let (said, code) = place.kill_json(&["--flatten"]);
    assert_eq!((&said["processes"][0]["engine_answered"], code), (&false.into(), 0), "{said}");
    paper.end("KILL");
    assert!(kill::pending(&run).unwrap().flatten);
    let mut again = Paper::start(&place, &["--resume"], &run);
    until(|| kill::pending(&run).is_none());
    let gate = GateWord::open(&only_page(&place.registry())).unwrap();
    assert!(gate.level() > Level::All && gate.mode() == Some(Mode::Emergency as u8));
    again.end("INT");
    assert_eq!(again.modes(), emergency("kill"));
}
