//! The facts of recorded runs, from their own records.

use crate::audit::{Entries, key_folder};
use crate::overrides::{RefusedLine, UsedLine, refused_lines, run_name, used_lines};
use crate::run_files;
use crate::runner::run_folder::{Contents, RunFolder, Start};
use monitor::report::RunReport;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use store::audit::{Expect, Layout, LogLines, PublicKey, pending, verify};

/// All that is recorded below a folder of runs.
#[derive(Debug, Default, Serialize)]
pub struct Evidence {
    /// The folder.
    pub runs: PathBuf,
    /// Recorded runs, by name.
    pub found: Vec<RunFacts>,
    /// Folders of results without a record: backtests, and runs with the journal off. They prove nothing.
    pub unrecorded: Vec<PathBuf>,
    /// What is there and cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// One recorded run.
#[derive(Debug, Serialize)]
pub struct RunFacts {
    /// Its folder.
    pub folder: PathBuf,
    /// The name by which tokens mean it.
    pub name: String,
    /// `paper`.
    pub run: String,
    /// When it began, on the machine's clock.
    pub started_at: String,
    /// Version of the build that began it.
    pub build: String,
    /// SHA-256 of that build's program; none if it could not be read.
    pub program: Option<String>,
    /// The strategies with their parameters.
    pub strategies: Vec<String>,
    /// Hash of what the configuration says about trading.
    pub config_hash: String,
    /// Whether every input was a file (bundled data are one): no venue spoke live.
    pub from_files: bool,
    /// Whether it ended and was sealed.
    pub complete: bool,
    /// First and last engine time of what was decided.
    pub span: Option<(String, String)>,
    /// UTC dates of the market that its records touch.
    #[serde(skip)]
    pub dates: Vec<String>,
    /// How many they are.
    pub days: u64,
    /// What the verification of its audit log says.
    pub audit: AuditFacts,
    /// Entries by kind.
    pub entries: BTreeMap<String, u64>,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Alerts by kind.
    pub alerts: BTreeMap<String, u64>,
    /// Changes of the mode.
    pub modes: Vec<Switched>,
    /// Changes of limits while it ran, and what was refused of it.
    pub limits: Vec<Change>,
    /// What the session was told from outside.
    pub controls: Vec<Value>,
    /// Re-arms, and whether they were carried out.
    pub rearmed: Vec<Value>,
    /// Orders that the gate word stopped.
    pub not_sent: u64,
    /// Tokens that were used.
    pub overrides: Vec<UsedLine>,
    /// Tokens that were refused.
    pub overrides_refused: Vec<RefusedLine>,
    /// Lines of the two that cannot be read.
    pub override_lines_unreadable: usize,
    /// Why it has no result; none if it has one.
    pub without_result: Option<String>,
    /// Its result.
    #[serde(skip)]
    pub report: Option<RunReport>,
}

/// What the verification of an audit log says.
#[derive(Debug, Default, Serialize)]
pub struct AuditFacts {
    /// Whether nothing is wrong.
    pub sound: bool,
    /// Whether everything that was audited is under a signature of the user's own key.
    pub signed: bool,
    /// Entries.
    pub entries: u64,
    /// What is wrong.
    pub findings: Vec<String>,
}

/// A change of the mode.
#[derive(Debug, Serialize)]
pub struct Switched {
    /// Engine time.
    pub ts: String,
    /// Number of the event.
    pub seq: u64,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
    /// What brought it about.
    pub cause: String,
    /// Who asked for it, where somebody did.
    pub holder: Option<String>,
    /// Engine time until the last entry was off the venue, where there was one to be taken off, in milliseconds; emergencies only.
    pub entries_off_ms: Option<f64>,
}

/// A limit that somebody changed, or wanted to.
#[derive(Debug, Serialize)]
pub struct Change {
    /// Engine time.
    pub ts: String,
    /// Number of the event.
    pub seq: u64,
    /// Who.
    pub holder: String,
    /// Which limit.
    pub limit: String,
    /// From what.
    pub from: String,
    /// To what; the same where a looser one was asked for.
    pub to: String,
}

/// Reads all runs below a folder. What cannot be read is in the result.
#[must_use]
pub fn gather(runs: &Path) -> Evidence {
    let mut evidence = Evidence { runs: runs.to_owned(), ..Evidence::default() };
    let mut folders: Vec<PathBuf> = match std::fs::read_dir(runs) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            evidence.unreadable.push((runs.to_owned(), error.to_string()));
            Vec::new()
        }
    };
    // Folders of other things, such as those that the gate tries its tests in.
    folders.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    folders.sort();
    for folder in folders {
        match read(&folder) {
            Ok(Some(facts)) => evidence.found.push(facts),
            Ok(None) if folder.join("summary.json").is_file() => evidence.unrecorded.push(folder),
            Ok(None) => {}
            Err(why) => evidence.unreadable.push((folder, why)),
        }
    }
    evidence
}

/// Reads one run; `None` for a folder without a record.
fn read(path: &Path) -> Result<Option<RunFacts>, String> {
    let folder = RunFolder::at(path);
    if !folder.journal().is_dir() {
        return Ok(None);
    }
    let Contents::Run(start) = folder.contents().map_err(|e| e.to_string())? else { return Ok(None) };
    let name = run_name(path).map_err(|e| e.to_string())?.unwrap_or_default();
    let own = key_folder().and_then(|keys| PublicKey::own(&keys).ok().flatten());
    let has_key = own.is_some();
    let expect = Expect { own, ..Expect::default() };
    let verified = verify(&folder.audit(), &folder.journal(), &mut Entries::default(), &expect, Layout::STANDARD)
        .map_err(|e| e.to_string())?;
    let (used, bad_used) = used_lines(path).map_err(|e| e.to_string())?;
    let (refused, bad_refused) = refused_lines(path).map_err(|e| e.to_string())?;
    let (report, without_result) = match run_files::read(path) {
        Ok(report) => (Some(report), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let mut facts = RunFacts {
        folder: path.to_owned(),
        name,
        complete: verified.complete,
        audit: AuditFacts {
            sound: verified.is_sound(),
            signed: has_key && verified.known_keys && verified.signed == verified.entries,
            entries: verified.entries,
            findings: verified.findings.iter().map(ToString::to_string).collect(),
        },
        overrides: used,
        overrides_refused: refused,
        override_lines_unreadable: bad_used + bad_refused,
        report,
        without_result,
        ..RunFacts::of(&start)
    };
    facts.take_entries(&folder)?;
    Ok(Some(facts))
}

/// Sections of a configuration that decide what is traded; the others say where files go and what is told.
const TRADING: [&str; 5] = ["run", "venue", "data", "limits", "safety"];

/// A hash of what a configuration says about trading.
#[must_use]
pub fn config_hash(config: &Value) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"bot4 configuration 1\n");
    for section in TRADING {
        // Objects are ordered by name, so the same values give the same text.
        hasher.update(format!("{section}={}\n", config[section]).as_bytes());
    }
    hasher.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl RunFacts {
    fn of(start: &Start) -> Self {
        let strategies = start.config["run"]["strategies"].as_array().into_iter().flatten();
        Self {
            folder: PathBuf::new(),
            name: String::new(),
            run: start.run.clone(),
            started_at: start.started_at.clone(),
            build: start.build.version.clone(),
            program: start.build.sha256.clone(),
            strategies: strategies.filter_map(Value::as_str).map(str::to_owned).collect(),
            config_hash: config_hash(&start.config),
            from_files: !start.inputs.is_empty(),
            complete: false,
            span: None,
            dates: Vec::new(),
            days: 0,
            audit: AuditFacts::default(),
            entries: BTreeMap::new(),
            refusals: BTreeMap::new(),
            alerts: BTreeMap::new(),
            modes: Vec::new(),
            limits: Vec::new(),
            controls: Vec::new(),
            rearmed: Vec::new(),
            not_sent: 0,
            overrides: Vec::new(),
            overrides_refused: Vec::new(),
            override_lines_unreadable: 0,
            without_result: None,
            report: None,
        }
    }

    /// Takes in every entry of the audit log, and what the journal has beyond it.
    fn take_entries(&mut self, folder: &RunFolder) -> Result<(), String> {
        let audit = folder.audit();
        let rest =
            pending(&audit, &folder.journal(), &mut Entries::default(), Layout::STANDARD).map_err(|e| e.to_string())?;
        let mut taken = Taken::default();
        let mut lines = LogLines::open(&audit).map_err(|e| e.to_string())?;
        while let Some(line) = lines.next().map_err(|e| e.to_string())? {
            if line.whole {
                self.take(line.bytes, &mut taken);
            }
        }
        for line in rest.lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            self.take(line, &mut taken);
        }
        self.days = taken.dates.len() as u64;
        self.dates = taken.dates;
        self.span = taken.first.zip(taken.last);
        Ok(())
    }

    fn take(&mut self, line: &[u8], taken: &mut Taken) {
        // What is no entry is a finding of the verification.
        let Ok(entry) = serde_json::from_slice::<Value>(line) else { return };
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let kind = text("kind");
        *self.entries.entry(kind.clone()).or_default() += 1;
        let (ts, seq) = (text("ts"), entry["seq"].as_u64().unwrap_or_default());
        taken.time(&ts);
        match kind.as_str() {
            "refused" => *self.refusals.entry(text("reason")).or_default() += 1,
            "alert" => *self.alerts.entry(text("alert")).or_default() += 1,
            "mode" => self.modes.push(Switched {
                from: text("from"),
                to: text("to"),
                cause: text("cause"),
                holder: entry["holder"].as_str().map(str::to_owned),
                entries_off_ms: None,
                ts,
                seq,
            }),
            "limit" => self.limits.push(Change {
                holder: text("holder"),
                limit: text("limit"),
                from: text("from"),
                to: text("to"),
                ts,
                seq,
            }),
            "control" => self.controls.push(entry),
            "rearmed" => self.rearmed.push(entry),
            "not_sent" => {
                let orders = text("orders");
                self.not_sent += orders.split_whitespace().count() as u64;
            }
            "order" if entry["class"] == "entry" => drop(taken.open.insert(text("order"))),
            "canceled" | "expired" | "rejected" => {
                // The last entry that was taken off since the emergency began: how long that took, in engine time.
                if taken.open.remove(&text("order"))
                    && let Some(last) = self.modes.last_mut().filter(|m| m.to == "emergency")
                {
                    last.entries_off_ms = milliseconds(&last.ts, &ts).or(last.entries_off_ms);
                }
            }
            "filled" if entry["complete"] == "yes" => drop(taken.open.remove(&text("order"))),
            _ => {}
        }
    }
}

/// What is kept while entries are read.
#[derive(Default)]
struct Taken {
    first: Option<String>,
    last: Option<String>,
    dates: Vec<String>,
    /// Entry orders that are open.
    open: BTreeSet<String>,
}

impl Taken {
    /// Counts the UTC day of an entry; entries come in the order of their times.
    fn time(&mut self, ts: &str) {
        let Some(day) = ts.get(..10) else { return };
        if self.last.as_deref().and_then(|last| last.get(..10)) != Some(day) {
            self.dates.push(day.to_owned());
        }
        self.first.get_or_insert_with(|| ts.to_owned());
        self.last = Some(ts.to_owned());
    }
}

fn milliseconds(from: &str, to: &str) -> Option<f64> {
    let (from, to) = (from.parse::<jiff::Timestamp>().ok()?, to.parse::<jiff::Timestamp>().ok()?);
    let nanoseconds = to.as_nanosecond() - from.as_nanosecond();
    (nanoseconds >= 0).then_some(nanoseconds as f64 / 1e6)
}
