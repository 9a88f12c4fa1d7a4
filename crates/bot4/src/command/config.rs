//! `bot4 config`: what is in force and where it comes from, whether a file is right, and how two configurations differ.

use super::{CommandError, write_out};
use crate::config::{
    self, BACKTEST, Defaults, KEYS, Key, Origin, PAPER, Problem, Problems, Resolved, RunArgs, RunSettings, Sources,
    resolve,
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// `bot4 config`.
#[derive(Args, Clone, Debug)]
pub struct ConfigCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Clone, Debug)]
enum Command {
    /// Shows the configuration in force, every value with where it comes from: default, file and line, variable, argument.
    #[command(after_help = "\
Examples:
  bot4 config show
  bot4 config show --for backtest --config other.toml --cash 5000
  BOT4_RUN__CASH=5000 bot4 config show --json")]
    Show(Box<ShowArgs>),
    /// Checks a configuration file and tells everything that is wrong with it. Exit code 2 if something is.
    #[command(after_help = "\
Examples:
  bot4 config check bot4.toml")]
    Check {
        /// The file.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Compares two configurations: files, or what run folders have recorded. Exit code 1 if they differ, as of `diff`.
    #[command(after_help = "\
Examples:
  bot4 config diff bot4.toml other.toml
  bot4 config diff runs/20260101-120000-7 bot4.toml")]
    Diff {
        /// A configuration file, or the folder of a run.
        #[arg(value_name = "A")]
        a: PathBuf,
        /// A configuration file, or the folder of a run.
        #[arg(value_name = "B")]
        b: PathBuf,
    },
}

/// The run whose defaults are meant.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunKind {
    /// `bot4 paper`.
    Paper,
    /// `bot4 backtest`.
    Backtest,
}

impl RunKind {
    const fn defaults(self) -> &'static Defaults {
        match self {
            Self::Paper => &PAPER,
            Self::Backtest => &BACKTEST,
        }
    }
}

/// Options of `bot4 config show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The run whose defaults are meant.
    #[arg(long = "for", value_name = "RUN", default_value = "paper")]
    pub run: RunKind,
    /// Options of the run.
    #[command(flatten)]
    pub args: RunArgs,
}

/// Runs the command.
///
/// # Errors
/// Usage for what is wrong with a configuration, failure if two differ or one cannot be read.
pub fn run(command: &ConfigCommand, log: Option<&str>) -> Result<(), CommandError> {
    match &command.command {
        Command::Show(show) => {
            let mut args = show.args.clone();
            args.log = args.log.or_else(|| log.map(str::to_owned));
            let resolved = args.resolve(show.run.defaults())?;
            arguments_hold(&args)?;
            let flat = flat(&resolved.settings)?;
            let text =
                if args.json { as_json(show.run, &resolved, &flat)? } else { as_toml(show.run, &resolved, &flat) };
            write_out(&text)
        }
        Command::Check { file } => check(file),
        Command::Diff { a, b } => diff(a, b),
    }
}

/// Checks the arguments: a run says by itself what is wrong with them, here nothing is run.
fn arguments_hold(args: &RunArgs) -> Result<(), CommandError> {
    let mut problems = Vec::new();
    for (path, value) in args.layer()? {
        let Some((key, argument)) = config::find(path).and_then(|key| Some((key, key.argument?))) else { continue };
        if let Err((found, expected)) = key.check(value) {
            let origin = Origin::Argument(argument);
            problems.push(Problem { origin, key: key.path.to_owned(), found, expected, near: None });
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems).into()) }
}

/// The settings as values by key; keys without a value are left out.
fn flat(settings: &RunSettings) -> Result<BTreeMap<String, Json>, CommandError> {
    let text = settings.to_json().map_err(CommandError::failed)?;
    let whole: Json = serde_json::from_str(&text).map_err(CommandError::failed)?;
    Ok(flatten(&whole))
}

fn flatten(whole: &Json) -> BTreeMap<String, Json> {
    let mut flat = BTreeMap::new();
    for (section, keys) in whole.as_object().into_iter().flatten() {
        for (name, value) in keys.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            flat.insert(format!("{section}.{name}"), value.clone());
        }
    }
    flat
}

fn as_toml(run: RunKind, resolved: &Resolved, flat: &BTreeMap<String, Json>) -> String {
    let name = run.defaults().run;
    let mut text = match &resolved.file {
        Some(file) => format!("# bot4 {name} with {}\n", file.display()),
        None => format!("# bot4 {name}, no configuration file\n"),
    };
    let lines: Vec<(&Key, String, String)> = KEYS
        .iter()
        .map(|key| match flat.get(key.path) {
            Some(value) => (key, format!("{} = {}", key.name(), toml(value)), origin_text(key, resolved)),
            None => (key, format!("# {}", key.name()), unset_text(key).to_owned()),
        })
        .collect();
    // Long lists stand out to the right of the column of places.
    let width = lines.iter().map(|(_, line, _)| line.chars().count()).filter(|n| *n <= 48).max().unwrap_or(0);
    let mut section = "";
    for (key, line, origin) in &lines {
        if key.section() != section {
            section = key.section();
            let _ = writeln!(text, "\n[{section}]");
        }
        let _ = writeln!(text, "{line:<width$}  # {origin}");
    }
    text
}

fn as_json(run: RunKind, resolved: &Resolved, flat: &BTreeMap<String, Json>) -> Result<String, CommandError> {
    let keys: Vec<Json> = KEYS
        .iter()
        .map(|key| {
            let value = flat.get(key.path).cloned().unwrap_or(Json::Null);
            let origin = match resolved.origins.get(key.path) {
                None | Some(Origin::Default) => json!({"from": "default"}),
                Some(Origin::File { file, line, column }) => {
                    json!({"from": "file", "file": file.display().to_string(), "line": line, "column": column})
                }
                Some(Origin::Variable(name)) => json!({"from": "variable", "name": name}),
                Some(Origin::Argument(name)) => json!({"from": "argument", "name": name}),
            };
            json!({"key": key.path, "value": value, "origin": origin})
        })
        .collect();
    let file = resolved.file.as_ref().map(|file| file.display().to_string());
    let whole = json!({"run": run.defaults().run, "file": file, "keys": keys});
    Ok(serde_json::to_string(&whole).map_err(CommandError::failed)? + "\n")
}

fn origin_text(key: &Key, resolved: &Resolved) -> String {
    match resolved.origins.get(key.path) {
        Some(origin) => origin.to_string(),
        // Limits that the file of limits says, or leaves as they are.
        None if resolved.settings.run.risk == "inline" => "standard limit".to_owned(),
        None => resolved.settings.run.risk.clone(),
    }
}

fn unset_text(key: &Key) -> &'static str {
    match key.preset {
        config::Preset::Unset { means, .. } => means,
        config::Preset::Depends { how, .. } => how,
        config::Preset::Is(_) => "",
    }
}

/// A JSON value of a setting as TOML.
fn toml(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("[{}]", items.iter().map(toml).collect::<Vec<_>>().join(", ")),
        other => other.to_string().replace('\u{7f}', "\\u007f"),
    }
}

/// Checks a file as both kinds of run would read it.
fn check(file: &Path) -> Result<(), CommandError> {
    let sources = Sources { file: Some(file.to_owned()), variables: Vec::new() };
    let args = RunArgs::default();
    // What was not given a place within the file is at least in it.
    let named = |e: CommandError| {
        let message =
            if e.message.starts_with("--") { format!("{}: {}", file.display(), e.message) } else { e.message };
        CommandError { exit: e.exit, message }
    };
    // A backtest without strategies gets them by arguments.
    let defaults = Defaults { strategies: PAPER.strategies, ..BACKTEST };
    let resolved = resolve(&args, &defaults, &sources)?;
    let data = resolved.settings.data.options().map(drop).map_err(|e| resolved.placed(e));
    data.and_then(|()| resolved.configure(&defaults).map(drop)).map_err(named)?;
    let said = resolved.origins.values().filter(|origin| **origin != Origin::Default).count();
    let keys = if said == 1 { "1 key".to_owned() } else { format!("{said} keys") };
    let mut text = format!("{}: good, {keys} set\n", file.display());
    if let Err(refusal) = resolve(&args, &PAPER, &sources).and_then(|paper| paper.configure(&PAPER).map(drop)) {
        let _ = writeln!(text, "for backtests only; paper says: {refusal}");
    }
    write_out(&text)
}

fn diff(a: &Path, b: &Path) -> Result<(), CommandError> {
    let (left, right) = (load(a)?, load(b)?);
    // A file is read with the defaults of the run that it is compared with.
    let kind = left.kind.or(right.kind).unwrap_or(RunKind::Paper);
    let (left, right) = (left.flat(kind)?, right.flat(kind)?);
    let mut text = String::new();
    let mut differ = 0;
    let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    let shown = |value: Option<&Json>| value.map_or_else(|| "not set".to_owned(), toml);
    let place = |name: &str| KEYS.iter().position(|key| key.path == name);
    let mut names: Vec<&String> = names.into_iter().filter(|name| left.get(*name) != right.get(*name)).collect();
    names.sort_by_key(|name| place(name));
    for name in names {
        let _ = writeln!(text, "{name}: {} -> {}", shown(left.get(name)), shown(right.get(name)));
        differ += 1;
    }
    write_out(&text)?;
    match differ {
        0 => Ok(()),
        1 => Err(CommandError::failed("1 key differs")),
        n => Err(CommandError::failed(format!("{n} keys differ"))),
    }
}

/// One side of a comparison.
struct Side {
    file: Option<PathBuf>,
    recorded: Option<BTreeMap<String, Json>>,
    kind: Option<RunKind>,
}

impl Side {
    fn flat(self, kind: RunKind) -> Result<BTreeMap<String, Json>, CommandError> {
        if let Some(recorded) = self.recorded {
            return Ok(recorded);
        }
        let sources = Sources { file: self.file, variables: Vec::new() };
        // Nothing is run: limits that paper must not have can be compared.
        let defaults = Defaults { research: true, ..*kind.defaults() };
        flat(&resolve(&RunArgs::default(), &defaults, &sources)?.settings)
    }
}

fn load(path: &Path) -> Result<Side, CommandError> {
    if !path.is_dir() {
        return Ok(Side { file: Some(path.to_owned()), recorded: None, kind: None });
    }
    let summary = path.join("summary.json");
    let fail = |what: String| {
        CommandError::usage(format!(
            "{}: {what}: expected the summary of a run with its configuration",
            summary.display()
        ))
    };
    let text = std::fs::read_to_string(&summary).map_err(|e| fail(e.to_string()))?;
    let whole: Json = serde_json::from_str(&text).map_err(|e| fail(e.to_string()))?;
    let config = whole.get("config").filter(|c| c.is_object()).ok_or_else(|| fail("no key \"config\"".into()))?;
    let settings = RunSettings::from_json(&config.to_string()).map_err(|e| fail(e.to_string()))?;
    let kind = match whole.get("run").and_then(Json::as_str) {
        Some("backtest") => Some(RunKind::Backtest),
        Some("paper") => Some(RunKind::Paper),
        _ => None,
    };
    Ok(Side { file: None, recorded: Some(flat(&settings)?), kind })
}
