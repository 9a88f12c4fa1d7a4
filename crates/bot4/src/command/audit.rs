//! `bot4 audit`: looks at the audit log of a run, holds it against journal and signatures, and takes an anchor of it.

use super::inputs::parse_time;
use super::{CommandError, write_out};
use crate::audit::{Entries, key_folder, update};
use crate::runner::run_folder::{Contents, FolderError, RunFolder};
use crate::term::{self, Table};
use clap::{Args, Subcommand};
use domain::{ClientOrderId, UnixNanos};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};
use store::audit::{Checkpoint, Expect, Finding, Layout, LogLines, PublicKey, Verified, pending, verify};

/// The command with its subcommands.
#[derive(Args, Clone, Debug)]
pub struct AuditCommand {
    #[command(subcommand)]
    command: Audit,
}

#[derive(Subcommand, Clone, Debug)]
enum Audit {
    /// Holds the log against its chain, the journal, the signatures and, if one is given, an anchor.
    Verify(VerifyArgs),
    /// Shows entries of the log.
    Show(ShowArgs),
    /// Takes a short anchor of the log, to be kept elsewhere: with it a verification finds what was cut off or written anew.
    Anchor(AnchorArgs),
}

/// Options of `verify`.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// Folder of the run.
    pub run: PathBuf,
    /// An anchor that was taken before and kept elsewhere.
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// A public key that may have signed, instead of your own; may be given more than once.
    #[arg(long, value_name = "PUBKEYFILE")]
    pub key: Vec<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Options of `show`.
#[derive(Args, Clone, Debug, Default)]
pub struct ShowArgs {
    /// Folder of the run.
    pub run: PathBuf,
    /// Of this event of the journal only.
    #[arg(long, value_name = "N")]
    pub seq: Option<u64>,
    /// Of this order only: its number, or the whole id.
    #[arg(long, value_name = "ID")]
    pub order: Option<String>,
    /// Of this kind only: start, definition, signal, refused, order, cancel, accepted, filled, ..., mode, alert, limit, rearmed, not_sent,
    /// recovery, end.
    #[arg(long, value_name = "K")]
    pub kind: Option<String>,
    /// From this time on.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Of this strategy only: its number or (the beginning of) its name.
    #[arg(long, value_name = "S")]
    pub strategy: Option<String>,
    /// In this symbol only.
    #[arg(long, value_name = "X")]
    pub symbol: Option<String>,
    /// The lines of the log as they are: one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `anchor`.
#[derive(Args, Clone, Debug)]
pub struct AnchorArgs {
    /// Folder of the run.
    pub run: PathBuf,
    /// Writes it into this file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The anchor alone on standard output, without a word about it on standard error.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code; a finding is a failure.
pub fn run(args: &AuditCommand) -> Result<(), CommandError> {
    match &args.command {
        Audit::Verify(args) => run_verify(args),
        Audit::Show(args) => run_show(args),
        Audit::Anchor(args) => run_anchor(args),
    }
}

/// The folder of a run; a run that is damaged has one too.
fn run_folder(path: &Path) -> Result<RunFolder, CommandError> {
    let folder = RunFolder::at(path);
    if folder.journal().is_dir() || folder.audit().is_dir() {
        Ok(folder)
    } else {
        Err(CommandError::failed(FolderError::NoRun(path.to_owned())))
    }
}

/// JSON as it is, text for people within the width of the terminal.
fn show(json: bool, text: &str) -> Result<(), CommandError> {
    if json { write_out(text) } else { term::print(text).map_err(CommandError::failed) }
}

fn run_verify(args: &VerifyArgs) -> Result<(), CommandError> {
    let folder = run_folder(&args.run)?;
    let anchor = args.anchor.as_deref().map(read_anchor).transpose()?;
    let own = match key_folder() {
        Some(folder) => PublicKey::own(&folder).map_err(CommandError::failed)?,
        None => None,
    };
    let keys: Result<Vec<PublicKey>, CommandError> =
        args.key.iter().map(|path| PublicKey::read(path).map_err(CommandError::usage)).collect();
    let expect = Expect { own, keys: keys?, anchor };
    let verified = verify(&folder.audit(), &folder.journal(), &mut Entries::default(), &expect, Layout::STANDARD)
        .map_err(CommandError::failed)?;
    let report = Report::of(&args.run, &verified);
    let text = if args.json {
        serde_json::to_string(&report).map_err(CommandError::failed)? + "\n"
    } else {
        report.text(&verified)
    };
    show(args.json, &text)?;
    match verified.findings.first() {
        None => Ok(()),
        Some(first) => Err(CommandError::failed(first)),
    }
}

/// Reads an anchor: one checkpoint, as `bot4 audit anchor` wrote it.
fn read_anchor(path: &Path) -> Result<Checkpoint, CommandError> {
    let refused = |what: &str| CommandError::usage(format!("--anchor {}: {what}", path.display()));
    let text = std::fs::read(path).map_err(|e| refused(&e.to_string()))?;
    let anchor = Checkpoint::parse(text.trim_ascii())
        .ok_or_else(|| refused("no anchor: expected the one line that `bot4 audit anchor` writes"))?;
    if anchor.is_signed() {
        Ok(anchor)
    } else {
        Err(refused("its signature does not fit: the anchor itself was altered"))
    }
}

/// What a verification says, for programs.
#[derive(Serialize)]
struct Report {
    run: PathBuf,
    run_id: String,
    sound: bool,
    complete: bool,
    entries: u64,
    entries_in_log: u64,
    entries_signed: u64,
    entries_anchored: Option<u64>,
    checkpoints: u64,
    journal_records: u64,
    keys: Vec<Key>,
    key_is_known: bool,
    findings: Vec<Found>,
    notes: Vec<String>,
    not_found: &'static str,
}

#[derive(Serialize)]
struct Key {
    public: String,
    fingerprint: String,
}

#[derive(Serialize)]
struct Found {
    file: PathBuf,
    line: Option<u64>,
    offset: Option<u64>,
    entry: Option<u64>,
    what: String,
    expected: Option<String>,
    found: Option<String>,
}

impl From<&Finding> for Found {
    fn from(f: &Finding) -> Self {
        Self {
            file: f.file.clone(),
            line: f.line,
            offset: f.offset,
            entry: f.entry,
            what: f.what.clone(),
            expected: f.expected.clone(),
            found: f.found.clone(),
        }
    }
}

/// What no verification can find without an anchor.
const WITHOUT_ANCHOR: &str = "alteration, deletion and reordering are found; truncation of journal and log together is found only back to \
                              the last exported anchor, and none was given";
/// What is left with one.
const WITH_ANCHOR: &str = "alteration, deletion and reordering are found, and truncation back to this anchor; what is newer than it could have been cut off";

impl Report {
    fn of(run: &Path, v: &Verified) -> Self {
        Self {
            run: run.to_owned(),
            run_id: v.run.clone(),
            sound: v.is_sound(),
            complete: v.complete,
            entries: v.entries,
            entries_in_log: v.in_log,
            entries_signed: v.signed,
            entries_anchored: v.anchored,
            checkpoints: v.checkpoints,
            journal_records: v.records,
            keys: v.keys.iter().map(|k| Key { public: k.to_string(), fingerprint: k.fingerprint() }).collect(),
            key_is_known: v.known_keys,
            findings: v.findings.iter().map(Found::from).collect(),
            notes: v.notes.clone(),
            not_found: if v.anchored.is_some() { WITH_ANCHOR } else { WITHOUT_ANCHOR },
        }
    }

    /// For people.
    fn text(&self, v: &Verified) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let state = if self.complete { "complete, sealed" } else { "unfinished: no seal" };
        let run = self.run_id.get(..32).unwrap_or("of no entry");
        let _ = writeln!(text, "run         {run} ({state})");
        let _ = writeln!(text, "journal     {} records, {} of them audited", self.journal_records, self.entries);
        let _ = writeln!(
            text,
            "log         {} entries, {} under {} signed checkpoints",
            self.entries_in_log, self.entries_signed, self.checkpoints
        );
        let whose = if self.key_is_known { "yours, or named with --key" } else { "not yours" };
        for key in &self.keys {
            let _ = writeln!(text, "key         {} ({whose})", key.fingerprint);
        }
        if let Some(entries) = self.entries_anchored {
            let _ = writeln!(text, "anchor      fits, and covers {entries} entries");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        for (finding, at) in v.findings.iter().zip(1..) {
            let _ = writeln!(text, "\nFINDING {at}: {finding}");
            for (name, shown) in [("expected", &finding.expected), ("found", &finding.found)] {
                if let Some(shown) = shown {
                    let _ = writeln!(text, "  {name}: {shown}");
                }
            }
        }
        let verdict = if self.sound { "verified" } else { "NOT as it was written" };
        let _ = writeln!(text, "{verdict}: {}", self.not_found);
        text
    }
}

fn run_show(args: &ShowArgs) -> Result<(), CommandError> {
    let folder = run_folder(&args.run)?;
    let filter = Filter::of(args)?;
    let audit = folder.audit();
    let rest =
        pending(&audit, &folder.journal(), &mut Entries::default(), Layout::STANDARD).map_err(CommandError::failed)?;
    let mut table = Rows::default();
    let mut lines = LogLines::open(&audit).map_err(CommandError::failed)?;
    let mut unreadable = 0;
    while let Some(line) = lines.next().map_err(CommandError::failed)? {
        if line.whole {
            unreadable += u64::from(!table.take(line.bytes, &filter, args.json));
        }
    }
    for line in rest.lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
        table.take(line, &filter, args.json);
    }
    show(args.json, &table.text(args.json))?;
    if let Some(finding) = rest.differs {
        eprintln!(
            "bot4: the log is not what the journal says ({finding}): see `bot4 audit verify {}`",
            args.run.display()
        );
    }
    if unreadable > 0 {
        eprintln!("bot4: {unreadable} lines are no entries");
    }
    Ok(())
}

/// Kinds of entries.
const KINDS: [&str; 34] = [
    "start",
    "input",
    "definition",
    "control",
    "recovery",
    "end",
    "signal",
    "refused",
    "order",
    "cancel",
    "accepted",
    "triggered",
    "rejected",
    "filled",
    "canceled",
    "expired",
    "cancel-rejected",
    "amended",
    "amend-rejected",
    "status",
    "funding",
    "transfer",
    "mode",
    "alert",
    "limit",
    "rearmed",
    "not_sent",
    "query",
    "reconcile",
    "venue_state",
    "difference",
    "reconciled",
    "replaced",
    "charge",
];

/// Which entries are shown.
struct Filter {
    seq: Option<u64>,
    order: Option<String>,
    ordinal: Option<u64>,
    kind: Option<String>,
    from: Option<UnixNanos>,
    to: Option<UnixNanos>,
    strategy: Option<String>,
    symbol: Option<String>,
}

impl Filter {
    fn of(args: &ShowArgs) -> Result<Self, CommandError> {
        let time = |name: &str, text: &Option<String>| text.as_deref().map(|t| parse_time(name, t)).transpose();
        if let Some(kind) = args.kind.as_ref().filter(|kind| !KINDS.contains(&kind.as_str())) {
            return Err(CommandError::usage(format!("--kind {kind}: expected one of {}", KINDS.join(", "))));
        }
        Ok(Self {
            seq: args.seq,
            order: args.order.as_ref().map(|id| id.to_ascii_lowercase()),
            ordinal: args.order.as_ref().and_then(|id| id.parse().ok()),
            kind: args.kind.clone(),
            from: time("--from", &args.from)?,
            to: time("--to", &args.to)?,
            strategy: args.strategy.clone(),
            symbol: args.symbol.clone(),
        })
    }

    fn takes(&self, entry: &Value) -> bool {
        let text = |key: &str| entry[key].as_str();
        let same = |wanted: &Option<String>, key: &str| wanted.as_deref().is_none_or(|w| text(key) == Some(w));
        let order = || match (&self.order, text("order")) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(id)) => {
                let ordinal = ClientOrderId::parse(id).map(ClientOrderId::ordinal);
                id == wanted || (self.ordinal.is_some() && ordinal == self.ordinal)
            }
        };
        let strategy = || {
            let Some(wanted) = self.strategy.as_deref() else { return true };
            text("strategy") == Some(wanted) || text("name").is_some_and(|name| name.starts_with(wanted))
        };
        let ts = || {
            if self.from.is_none() && self.to.is_none() {
                return true;
            }
            // What has no engine time belongs to no span of it.
            let Some(ts) = text("ts").and_then(|t| t.parse::<jiff::Timestamp>().ok()) else { return false };
            let ns = ts.as_nanosecond();
            self.from.is_none_or(|from| ns >= i128::from(from.0)) && self.to.is_none_or(|to| ns < i128::from(to.0))
        };
        self.seq.is_none_or(|seq| entry["seq"].as_u64() == Some(seq))
            && same(&self.kind, "kind")
            && same(&self.symbol, "symbol")
            && order()
            && strategy()
            && ts()
    }
}

/// Entries that were taken, as rows or as they are.
#[derive(Default)]
struct Rows {
    rows: Vec<[String; 6]>,
    raw: String,
}

/// Members that have columns of their own, or are the chain's.
const COLUMNS: [&str; 9] = ["entry", "seq", "ts", "kind", "symbol", "order", "prev", "hash", "account"];
const HEADS: [&str; 6] = ["entry", "event", "time", "kind", "symbol", "what"];

impl Rows {
    /// Takes a line if the filter does; whether it is an entry.
    fn take(&mut self, line: &[u8], filter: &Filter, json: bool) -> bool {
        let Ok(entry) = serde_json::from_slice::<Value>(line) else { return false };
        if !filter.takes(&entry) {
            return true;
        }
        if json {
            self.raw += &String::from_utf8_lossy(line);
            self.raw.push('\n');
            return true;
        }
        let plain = |key: &str| match &entry[key] {
            Value::String(text) => text.clone(),
            Value::Null => "-".to_owned(),
            other => other.to_string(),
        };
        let members: Members = serde_json::from_slice(line).unwrap_or_default();
        let order = entry["order"].as_str().and_then(ClientOrderId::parse).map(|id| format!("order {} ", id.ordinal()));
        let mut what = order.unwrap_or_default();
        for (key, value) in &members.0 {
            match value {
                _ if COLUMNS.contains(&key.as_str()) => {}
                Value::String(text) => {
                    let _ = write!(what, "{key}={text} ");
                }
                Value::Object(_) => what += &shown_object(value),
                other => {
                    let _ = write!(what, "{key}={other} ");
                }
            }
        }
        let what = what.trim_end().to_owned();
        self.rows.push([plain("entry"), plain("seq"), plain("ts"), plain("kind"), plain("symbol"), what]);
        true
    }

    fn text(&self, json: bool) -> String {
        if json {
            return self.raw.clone();
        }
        if self.rows.is_empty() {
            return "no entries\n".to_owned();
        }
        let mut table = Table::new(0).right(1).right(1).left(1).left(1).left(1).text();
        table.row(HEADS.map(|head| term::styled(term::HEADING, head)));
        for row in &self.rows {
            table.row(row.clone());
        }
        table.render(term::width())
    }
}

/// The members of an object in the order in which they are written.
#[derive(Default)]
pub(super) struct Members(pub Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

/// The parts of a nested object that people look at: numbers and short texts.
fn shown_object(value: &Value) -> String {
    let mut out = String::new();
    for (key, value) in value.as_object().into_iter().flatten() {
        let _ = match value {
            Value::String(text) => write!(out, "{key}={text} "),
            Value::Number(number) => write!(out, "{key}={number} "),
            Value::Object(inner) if key == "build" => {
                write!(out, "build={} ", inner.get("version").and_then(Value::as_str).unwrap_or_default())
            }
            Value::Object(_) | Value::Array(_) => write!(out, "{key}=(see --json) "),
            Value::Bool(_) | Value::Null => Ok(()),
        };
    }
    out
}

fn run_anchor(args: &AnchorArgs) -> Result<(), CommandError> {
    let folder = run_folder(&args.run)?;
    if !matches!(folder.contents().map_err(CommandError::failed)?, Contents::Run(_)) {
        return Err(CommandError::failed(FolderError::NoRun(args.run.clone())));
    }
    // A run that is being played is brought up to date when it ends; until then its last checkpoint is what there is.
    match folder.lock() {
        Ok(_lock) => {
            let outcome = update(&folder, None).map_err(CommandError::failed)?;
            outcome.warnings.iter().for_each(|text| eprintln!("bot4: {text}"));
        }
        Err(FolderError::Locked(error)) => eprintln!("bot4: {error}: the anchor is of the last checkpoint"),
        Err(other) => return Err(CommandError::failed(other)),
    }
    let Some(anchor) = store::audit::last_checkpoint(&folder.audit()).map_err(CommandError::failed)? else {
        return Err(CommandError::failed(format!(
            "{}: the log has no signed checkpoint, so there is nothing to take an anchor of",
            folder.audit().display()
        )));
    };
    let mut line = anchor.line();
    line.push(b'\n');
    match &args.out {
        Some(path) => {
            // An older anchor is what would show that this log was cut: it is never written over.
            super::out_file::fresh("--out", path)?;
            std::fs::write(path, &line).map_err(|e| CommandError::failed(format!("{}: {e}", path.display())))?;
            if args.json {
                write_out(&String::from_utf8_lossy(&line))?;
            }
        }
        None => write_out(&String::from_utf8_lossy(&line))?,
    }
    if !args.json {
        eprintln!(
            "anchor of {} entries (event {}), signed by the key {}: keep it where nobody who can write this folder can write; \
             `bot4 audit verify {} --anchor FILE` finds what was cut off below it or written anew",
            anchor.entries,
            anchor.seq,
            anchor.key.fingerprint(),
            args.run.display()
        );
    }
    Ok(())
}
