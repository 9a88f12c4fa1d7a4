//! `cargo xtask deep crash`: kills the release program again and again while it trades on paper, and holds what it resumes to against a run
//! that nobody disturbed.
//!
//! A kill is SIGKILL: at a random moment, or at a named place (inside a write, between write and sync, before a rename, at the roll of a
//! segment, before the first record) that the program is told by `BOT4_FAILPOINT`. One in ten is SIGINT or SIGTERM instead. After one to
//! four of them in a row the run is resumed to its end. Its digests, figures and files must be those of the undisturbed run, every
//! recovery must be listed with where it went on, and `bot4 replay --verify` and `bot4 audit verify` must find everything as recorded.
//!
//! Two runs are disturbed: the bundled minutes, and made-up trades with latency, where orders and reports are in flight at every snapshot.

use crate::outcome::TaskError;
use crate::workspace;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Kills in the test command; `deep` makes ten times as many.
pub const KILLS_TEST: u64 = 20;

/// Kills of the long form.
pub const KILLS_DEEP: u64 = 200;

/// Places at which the program can be told to die, and up to which time of passing there.
const PLACES: [(&str, u64); 6] = [
    ("journal.start", 1),
    ("journal.write", 12),
    ("journal.sync", 4),
    ("journal.roll", 5),
    ("journal.compress", 4),
    ("snapshot.rename", 5),
];

/// What is the same in every run of the same inputs: all but times, and how it was recorded.
const SAME: [&str; 16] = [
    "digest",
    "state_digest",
    "events",
    "orders",
    "fills",
    "trades",
    "trades_closed",
    "open_positions",
    "final_equity",
    "total_return",
    "max_drawdown",
    "sharpe",
    "volatility",
    "buy_and_hold",
    "refusals",
    "fees_paid",
];

/// `cargo xtask deep crash [--kills N] [--seed S] [--json]`
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let options = Options::read(arguments)?;
    let binary = workspace::release_binary(root)?;
    let folder = std::env::temp_dir().join(format!("bot4-crash-{}", std::process::id()));
    let result = Harness::new(&binary, &folder, &options).and_then(|mut harness| harness.all());
    let _ = std::fs::remove_dir_all(&folder);
    let report = result?;
    if options.json {
        println!("{report}");
    } else {
        println!("{}", text(&report));
    }
    Ok(())
}

/// The short form, as a part of the test command.
pub fn test(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let short = ["--kills".to_owned(), KILLS_TEST.to_string()];
    run(root, &[&short[..], arguments].concat())
}

struct Options {
    kills: u64,
    seed: u64,
    json: bool,
}

impl Options {
    fn read(arguments: &[String]) -> Result<Self, TaskError> {
        let mut options = Self { kills: KILLS_DEEP, seed: 1, json: false };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let number = |value: Option<&String>| {
                value
                    .and_then(|v| v.parse::<u64>().ok())
                    .ok_or_else(|| TaskError::Usage(format!("{argument}: expected a whole number after it")))
            };
            match argument.as_str() {
                "--kills" => options.kills = number(rest.next())?,
                "--seed" => options.seed = number(rest.next())?,
                "--json" => options.json = true,
                other => return Err(TaskError::Usage(format!("crash: no option `{other}`"))),
            }
        }
        Ok(options)
    }
}

/// A small seeded generator (splitmix64): the choices of a run can be made again by its seed, the moments of the clock cannot.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }
}

struct Harness<'a> {
    binary: &'a Path,
    folder: &'a Path,
    options: &'a Options,
    chance: Chance,
    cases: Vec<Case>,
}

/// A run that is disturbed.
struct Case {
    name: &'static str,
    /// Its options.
    options: Vec<String>,
    /// Its result when nobody disturbs it, and where its files are.
    undisturbed: Value,
    out: PathBuf,
    took: Duration,
}

/// Files of a result that must be the same, byte for byte.
const FILES: [&str; 3] = ["trades.csv", "equity.csv", "prices.csv"];

/// How one start of the program ended.
enum Ended {
    Killed,
    Done(Value),
}

#[derive(Default)]
struct Tally {
    kills: u64,
    runs: u64,
    recoveries: u64,
    afresh: u64,
    resumed_at: Vec<u64>,
    tails: Vec<u64>,
    places: BTreeMap<String, u64>,
}

impl<'a> Harness<'a> {
    fn new(binary: &'a Path, folder: &'a Path, options: &'a Options) -> Result<Self, TaskError> {
        std::fs::create_dir_all(folder).map_err(|e| TaskError::Environment(format!("{}: {e}", folder.display())))?;
        let mut harness = Self { binary, folder, options, chance: Chance(options.seed), cases: Vec::new() };
        let trades = folder.join("binance_spot_BTCUSDT_trades.csv");
        std::fs::write(&trades, made_up_trades())
            .map_err(|e| TaskError::Environment(format!("{}: {e}", trades.display())))?;
        let mut ticks = vec!["--data".to_owned(), trades.display().to_string()];
        ticks.extend(["--latency", "700:300:7", "--strategy", "ema-cross:bar=1m,fast=3,slow=8"].map(str::to_owned));
        harness.case("minutes", Vec::new())?;
        harness.case("trades with latency", ticks)?;
        Ok(harness)
    }

    /// Runs a case once without disturbing it.
    fn case(&mut self, name: &'static str, options: Vec<String>) -> Result<(), TaskError> {
        let out = self.folder.join(format!("undisturbed-{}", self.cases.len()));
        let mut arguments = vec!["--out".to_owned(), out.display().to_string()];
        arguments.extend_from_slice(&options);
        let began = Instant::now();
        let Ended::Done(undisturbed) = self.start(&arguments, None, None)? else {
            return Err(TaskError::Program(format!("{name}: the undisturbed run did not end by itself")));
        };
        if undisturbed["orders"].as_u64().unwrap_or(0) < 20 {
            return Err(TaskError::Program(format!("{name}: only {} orders to compare", undisturbed["orders"])));
        }
        self.cases.push(Case { name, options, undisturbed, out, took: began.elapsed() });
        Ok(())
    }

    /// One start of the program, killed at a place or after a time if asked for.
    fn start(
        &self,
        arguments: &[String],
        place: Option<&str>,
        after: Option<(Duration, &str)>,
    ) -> Result<Ended, TaskError> {
        let mut command = Command::new(self.binary);
        command.arg("paper").args(arguments).arg("--json").stdin(Stdio::null());
        // Small segments and many snapshots, so that every place is passed several times. Nothing of the run follows from either.
        command.env("BOT4_JOURNAL__SEGMENT_BYTES", "4194304").env("BOT4_JOURNAL__SNAPSHOT_EVERY_EVENTS", "100000");
        command.env_remove("BOT4_FAILPOINT").env("BOT4_HOME", self.folder.join("home"));
        if let Some(place) = place {
            command.env("BOT4_FAILPOINT", place);
        }
        let fail = |e: std::io::Error| TaskError::Environment(format!("{}: {e}", self.binary.display()));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(fail)?;
        if let Some((after, signal)) = after {
            std::thread::sleep(after);
            // A run that has ended by then is not killed, and its result counts.
            let _ = match signal {
                "-KILL" => child.kill(),
                signal => Command::new("kill").args([signal, &child.id().to_string()]).status().map(|_| ()),
            };
        }
        let output = child.wait_with_output().map_err(fail)?;
        match output.status.code() {
            Some(0) => serde_json::from_slice(&output.stdout)
                .map(Ended::Done)
                .map_err(|e| TaskError::Program(format!("the result is no JSON: {e}"))),
            None | Some(130 | 143) => Ok(Ended::Killed),
            Some(code) => Err(TaskError::Program(format!(
                "bot4 paper {} ended with {code}: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    }

    fn all(&mut self) -> Result<Value, TaskError> {
        let mut tally = Tally::default();
        while tally.kills < self.options.kills {
            self.one(&mut tally)?;
        }
        Ok(json!({
            "result": "passed",
            "kills": tally.kills,
            "runs": tally.runs,
            "recoveries": tally.recoveries,
            "started_afresh": tally.afresh,
            "resumed_at_min": tally.resumed_at.iter().min(),
            "resumed_at_max": tally.resumed_at.iter().max(),
            "tail_events_max": tally.tails.iter().max(),
            "places": tally.places,
            "digests": self.cases.iter().map(|case| case.undisturbed["digest"].clone()).collect::<Vec<_>>(),
            "seed": self.options.seed,
        }))
    }

    /// One run: killed up to four times, resumed to its end, compared.
    fn one(&mut self, tally: &mut Tally) -> Result<(), TaskError> {
        let out = self.folder.join("killed");
        let _ = std::fs::remove_dir_all(&out);
        let shown = out.display().to_string();
        let at = self.chance.below(self.cases.len() as u64) as usize;
        let Some((name, options, took)) = self.cases.get(at).map(|c| (c.name, c.options.clone(), c.took)) else {
            return Err(TaskError::Program("no run to disturb".into()));
        };
        let mut arguments = vec!["--out".to_owned(), shown.clone()];
        arguments.extend_from_slice(&options);
        let mut story = Vec::new();
        let planned = 1 + self.chance.below(4);
        let (mut summary, mut was_complete) = (None, false);
        while (story.len() as u64) < planned && tally.kills < self.options.kills {
            let (place, after) = self.choose(took);
            let how = match (&place, after) {
                (Some(place), _) => place.clone(),
                (None, Some((_, "-KILL")) | None) => "at a random moment".into(),
                (None, Some((_, signal))) => format!("SIG{} at a random moment", signal.trim_start_matches('-')),
            };
            match self.start(&arguments, place.as_deref(), after)? {
                Ended::Killed => {
                    tally.kills += 1;
                    *tally.places.entry(how.split(':').next().unwrap_or_default().to_owned()).or_default() += 1;
                    story.push(how);
                }
                Ended::Done(done) => {
                    summary = Some(done);
                    break;
                }
            }
            was_complete = self.is_complete(&out);
            arguments = vec!["--resume".to_owned(), shown.clone()];
            // What has recorded nothing starts afresh, and has to be told again what it is.
            if !out.join("records").exists() {
                arguments.extend_from_slice(&options);
            }
        }
        let summary = match summary {
            Some(summary) => summary,
            None => match self.start(&arguments, None, None)? {
                Ended::Done(done) => done,
                Ended::Killed => return Err(TaskError::Program(format!("killed by nobody, after {story:?}"))),
            },
        };
        tally.runs += 1;
        // A run that was killed after its seal has nothing to go on with: only its result is made again.
        let story = if was_complete { Vec::new() } else { story };
        self.compare(at, &out, &summary, (name, &story), tally)
    }

    /// Whether the record of a run has its seal.
    fn is_complete(&self, out: &Path) -> bool {
        let mut replay = Command::new(self.binary);
        let output = replay.arg("replay").arg(out).args(["--until", "1", "--json"]).output();
        let said = output.ok().and_then(|o| serde_json::from_slice::<Value>(&o.stdout).ok());
        said.is_some_and(|said| said["complete"] == true)
    }

    /// A place, or a moment.
    fn choose(&mut self, took: Duration) -> (Option<String>, Option<(Duration, &'static str)>) {
        if self.chance.below(2) == 0 {
            let after = Duration::from_micros(self.chance.below(took.as_micros() as u64));
            let signal = match self.chance.below(10) {
                0 => "-INT",
                1 => "-TERM",
                _ => "-KILL",
            };
            return (None, Some((after, signal)));
        }
        let (name, times) = PLACES[self.chance.below(PLACES.len() as u64) as usize];
        (Some(format!("{name}:{}", 1 + self.chance.below(times))), None)
    }

    fn compare(
        &self,
        at: usize,
        out: &Path,
        summary: &Value,
        (name, story): (&str, &[String]),
        tally: &mut Tally,
    ) -> Result<(), TaskError> {
        let broken =
            |what: String| TaskError::Program(format!("{name} after {story:?} (seed {}): {what}", self.options.seed));
        let Some(case) = self.cases.get(at) else { return Err(broken("no such run".into())) };
        for field in SAME {
            if summary[field] != case.undisturbed[field] {
                return Err(broken(format!("{field} differs from that of the undisturbed run")));
            }
        }
        for file in FILES {
            let read = |folder: &Path| std::fs::read(folder.join(file)).map_err(|e| broken(format!("{file}: {e}")));
            if read(out)? != read(&case.out)? {
                return Err(broken(format!("{file} differs from that of the undisturbed run")));
            }
        }
        let path = out.join("summary.json");
        let file = std::fs::read_to_string(&path).map_err(|e| broken(format!("{}: {e}", path.display())))?;
        let stored: Value = serde_json::from_str(&file).map_err(|e| broken(format!("{}: {e}", path.display())))?;
        let Some(recoveries) = stored["recoveries"].as_array() else {
            return Err(broken("summary.json lists no recoveries".into()));
        };
        for recovery in recoveries {
            let number = |name: &str| recovery[name].as_u64().unwrap_or(u64::MAX);
            let (snapshot, tail, resumed) = (number("snapshot_seq"), number("tail_events"), number("resumed_at"));
            if resumed == 0 || resumed != snapshot.saturating_add(tail).saturating_add(1) {
                return Err(broken(format!("recovery {recovery}: not where snapshot and tail end")));
            }
            tally.resumed_at.push(resumed);
            tally.tails.push(tail);
        }
        tally.recoveries += recoveries.len() as u64;
        let afresh = stored["started_afresh"] == true;
        tally.afresh += u64::from(afresh);
        if recoveries.is_empty() && !afresh && !story.is_empty() {
            return Err(broken("neither a recovery nor a fresh start is told".into()));
        }
        for arguments in [["replay", "--verify"], ["audit", "verify"]] {
            let verified = Command::new(self.binary)
                .args(arguments)
                .arg(out)
                .env("BOT4_HOME", self.folder.join("home"))
                .output()
                .map_err(|e| TaskError::Environment(e.to_string()))?;
            if verified.status.code() != Some(0) {
                let said = String::from_utf8_lossy(&verified.stdout);
                let why = String::from_utf8_lossy(&verified.stderr);
                return Err(broken(format!("bot4 {}: {said}{why}", arguments.join(" "))));
            }
        }
        Ok(())
    }
}

/// Trades of two days that go up and down, eight a minute, made by a seed.
fn made_up_trades() -> String {
    let mut chance = Chance(42);
    let mut text = String::from("ts_ns,price,quantity,side\n");
    let (mut cents, mut ts) = (3_000_000u64, 1_609_459_200_000_000_000u64);
    for _ in 0..2 * 1_440 * 8 {
        ts += 1 + chance.below(15_000_000_000);
        cents = cents + chance.below(2_001) - 1_000;
        let side = if chance.below(2) == 0 { "buy" } else { "sell" };
        let lots = 1_000 + chance.below(90_000);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{ts},{}.{:02},0.{lots:05},{side}", cents / 100, cents % 100);
    }
    text
}

fn text(report: &Value) -> String {
    let places: Vec<String> = (report["places"].as_object().into_iter().flatten())
        .map(|(place, kills)| format!("  {place:<22} {kills:>5}"))
        .collect();
    format!(
        "{} kills in {} runs, every run with the digests, figures and files of the undisturbed one, record and audit log verified\n{}\n\
         {} recoveries listed, resumed at events {} to {}, tails of up to {} events; {} runs started afresh",
        report["kills"],
        report["runs"],
        places.join("\n"),
        report["recoveries"],
        report["resumed_at_min"],
        report["resumed_at_max"],
        report["tail_events_max"],
        report["started_afresh"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_and_others_refused() {
        let read = |text: &str| {
            Options::read(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).map(|o| (o.kills, o.seed))
        };
        assert_eq!(read("").unwrap(), (KILLS_DEEP, 1));
        assert_eq!(read("--kills 3 --seed 7").unwrap(), (3, 7));
        assert!(read("--kills").is_err() && read("--kills many").is_err() && read("--fast").is_err());
    }

    #[test]
    fn equal_seeds_choose_equally() {
        let draw = |seed| {
            let mut chance = Chance(seed);
            (0..50).map(|_| chance.below(10)).collect::<Vec<_>>()
        };
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
        assert!(draw(5).iter().all(|n| *n < 10));
    }
}
