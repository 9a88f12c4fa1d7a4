//! `cargo xtask deep triggers`: pulls every trigger on a running paper session of the release program, and tells what came of it.
//!
//! Each row is a run of its own on the bundled minutes at a pace, begun with an entry already behind it. After the trigger it goes on for two
//! seconds of wall time (half a market day), and ends by SIGINT. Shown is what the audit log has: the cause of the emergency, orders that
//! open risk before it and after it, positions closed after it, and whether record and log verify. A row with an entry after the emergency fails the command.

use crate::outcome::TaskError;
use crate::workspace;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Market seconds per second: six hours of the bundled year, in which four rules trade.
const SPEED: &str = "21600x";

/// How long a run goes on after its trigger.
const AFTER: Duration = Duration::from_secs(2);

/// The triggers, and what the record must name as their cause.
const TRIGGERS: [(&str, &str); 8] = [
    ("SIGUSR1", "signal"),
    ("SIGUSR2 (flatten)", "signal"),
    ("bot4 kill --run", "kill"),
    ("bot4 kill --run --flatten", "kill"),
    ("SIGSTOP, kill, SIGCONT", "kill"),
    ("simulated switch: edge", "hardware"),
    ("simulated switch: cut", "tamper"),
    ("kill -9, kill --run, resume", "kill"),
];

/// `cargo xtask deep triggers [--json]`
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let as_json = match arguments {
        [] => false,
        [one] if one == "--json" => true,
        other => return Err(TaskError::Usage(format!("deep triggers: {other:?}: expected --json or nothing"))),
    };
    let binary = workspace::release_binary(root)?;
    let folder = std::env::temp_dir().join(format!("bot4-triggers-{}", std::process::id()));
    let rows: Result<Vec<Row>, TaskError> = (TRIGGERS.iter().enumerate())
        .map(|(n, (trigger, cause))| Stage::new(&binary, &folder.join(n.to_string()))?.play(trigger, cause))
        .collect();
    let _ = std::fs::remove_dir_all(&folder);
    let rows = rows?;
    if as_json {
        println!("{}", Value::from(rows.iter().map(Row::json).collect::<Vec<_>>()));
    } else {
        println!("{}", table(&rows));
    }
    match rows.iter().find(|row| !row.holds()) {
        None => Ok(()),
        Some(row) => Err(TaskError::Environment(format!("{}: did not hold", row.trigger))),
    }
}

/// What came of one trigger.
struct Row {
    trigger: &'static str,
    expected: &'static str,
    cause: String,
    /// From pulling it to the first look that found the level raised, where somebody looks.
    level: String,
    entries_before: usize,
    entries_after: usize,
    reductions_after: usize,
    cancels_after: usize,
    verified: bool,
}

impl Row {
    fn holds(&self) -> bool {
        self.cause == self.expected && self.entries_after == 0 && self.verified
    }

    fn json(&self) -> Value {
        json!({
            "trigger": self.trigger, "cause": self.cause, "level": self.level, "entries_before": self.entries_before,
            "entries_after": self.entries_after, "reductions_after": self.reductions_after, "cancels_after": self.cancels_after,
            "verified": self.verified, "holds": self.holds(),
        })
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<28} {:<9} {:<8} {:>14} {:>13} {:>16} {:>8}",
        "trigger", "cause", "level", "entries before", "entries after", "reductions after", "verified"
    );
    for r in rows {
        let _ = write!(
            text,
            "\n{:<28} {:<9} {:<8} {:>14} {:>13} {:>16} {:>8}",
            r.trigger,
            r.cause,
            r.level,
            r.entries_before,
            r.entries_after,
            r.reductions_after,
            if r.verified { "yes" } else { "no" }
        );
    }
    text
}

/// One run with its folder.
struct Stage {
    binary: PathBuf,
    folder: PathBuf,
    run: PathBuf,
    pipe: PathBuf,
}

impl Stage {
    fn new(binary: &Path, folder: &Path) -> Result<Self, TaskError> {
        let failed = |e: std::io::Error| TaskError::Environment(format!("{}: {e}", folder.display()));
        std::fs::create_dir_all(folder.join("registry")).map_err(failed)?;
        let pipe = folder.join("switch.pipe");
        let settings = format!("[safety]\ngpio_simulated = {:?}\n", pipe.display().to_string());
        std::fs::write(folder.join("bot4.toml"), settings).map_err(failed)?;
        Ok(Self { binary: binary.to_owned(), folder: folder.to_owned(), run: folder.join("run"), pipe })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).current_dir(&self.folder);
        command.env("BOT4_HOME", &self.folder).env("BOT4_REGISTRY", self.folder.join("registry"));
        command
    }

    fn start(&self, more: &[&str]) -> Result<Child, TaskError> {
        let mut command = self.command(&["paper", "--config", "bot4.toml", "--speed", SPEED, "--json"]);
        command.args(more).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map_err(|e| TaskError::Environment(format!("the program does not start: {e}")))
    }

    fn play(&self, trigger: &'static str, expected: &'static str) -> Result<Row, TaskError> {
        let run = self.run.display().to_string();
        let mut child = self.start(&["--seek", "2021-01-20", "--out", &run])?;
        self.wait_for_entries();
        let mut level = "-".to_owned();
        match trigger {
            "SIGUSR1" => signal(&child, "USR1"),
            "SIGUSR2 (flatten)" => signal(&child, "USR2"),
            "bot4 kill --run" => level = self.kill(&[]),
            "bot4 kill --run --flatten" => level = self.kill(&["--flatten"]),
            "SIGSTOP, kill, SIGCONT" => {
                signal(&child, "STOP");
                level = self.kill(&[]);
                signal(&child, "CONT");
            }
            "simulated switch: edge" => self.press("f"),
            "simulated switch: cut" => self.press("c"),
            _ => {
                signal(&child, "KILL");
                let _ = child.wait();
                level = self.kill(&[]);
                child = self.start(&["--resume", &run])?;
            }
        }
        std::thread::sleep(AFTER);
        signal(&child, "INT");
        let _ = child.wait();
        self.look(trigger, expected, level)
    }

    /// Until the run has a record of orders, or long enough.
    fn wait_for_entries(&self) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) && !self.run.join("journal").is_dir() {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(Duration::from_secs(4));
    }

    fn press(&self, what: &str) {
        let _ = std::fs::write(&self.pipe, what);
    }

    /// Pulls the kill from another process; the level before and after as it says.
    fn kill(&self, more: &[&str]) -> String {
        let run = self.run.display().to_string();
        let arguments = [&["kill", "--json", "--run", &run], more].concat();
        let Ok(output) = self.command(&arguments).output() else { return "?".into() };
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        let one = said.as_array().and_then(|all| all.first()).or_else(|| said["processes"].as_array()?.first());
        match one.and_then(|p| Some((p["level_before"].as_u64()?, p["level_after"].as_u64()?))) {
            Some((before, after)) => format!("{before} -> {after}"),
            None => "left".into(),
        }
    }

    fn look(&self, trigger: &'static str, expected: &'static str, level: String) -> Result<Row, TaskError> {
        let run = self.run.display().to_string();
        let verified = [&["replay", &run, "--verify"][..], &["audit", "verify", &run][..]]
            .iter()
            .all(|arguments| self.command(arguments).output().is_ok_and(|o| o.status.success()));
        let log = workspace::output(&mut self.command(&["audit", "show", &run, "--json"]), "audit show")?;
        let mut row = Row {
            trigger,
            expected,
            cause: "-".into(),
            level,
            entries_before: 0,
            entries_after: 0,
            reductions_after: 0,
            cancels_after: 0,
            verified,
        };
        let mut closed = false;
        for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            match (line["kind"].as_str(), line["class"].as_str()) {
                (Some("mode"), _) if line["to"] == "emergency" => {
                    closed = true;
                    row.cause = line["cause"].as_str().unwrap_or("-").into();
                }
                (Some("order"), Some("entry")) if closed => row.entries_after += 1,
                (Some("order"), Some("entry")) => row.entries_before += 1,
                (Some("order"), Some(_)) if closed => row.reductions_after += 1,
                (Some("cancel"), _) if closed => row.cancels_after += 1,
                _ => {}
            }
        }
        Ok(row)
    }
}

/// Sends a signal to the run, as a shell would.
fn signal(child: &Child, name: &str) {
    let _ = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
}
