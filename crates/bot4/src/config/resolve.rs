//! The layers on top of each other: defaults, file, variables, arguments.

use super::args::RunArgs;
use super::configure::{Defaults, STANDARD_ONLY, configure, risk_is_allowed};
use super::key::{Key, Value};
use super::keys::{KEYS, find};
use super::problem::{Origin, Problem, Problems, shown};
use super::settings::RunSettings;
use super::{environment, file};
use crate::command::CommandError;
use crate::runner::plan::RunConfig;
use risk::Limits;
use serde_json::{Map, Value as Json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Checked values by key, each with its place.
pub(super) type Layer = BTreeMap<&'static str, (Value, Origin)>;

/// The name of the configuration file of a working directory.
pub const FILE_NAME: &str = "bot4.toml";

/// Where configuration comes from, beside the arguments.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The file.
    pub file: Option<PathBuf>,
    /// Variables of the environment.
    pub variables: Vec<(OsString, OsString)>,
}

impl Sources {
    /// Those of this process: the file that is named, else `bot4.toml` of the working directory if there is one, else the one that
    /// `BOT4_CONFIG` names.
    #[must_use]
    pub fn of_process(named: Option<&Path>) -> Self {
        let variables: Vec<(OsString, OsString)> = std::env::vars_os().collect();
        let here = || Path::new(FILE_NAME).exists().then(|| PathBuf::from(FILE_NAME));
        let by_variable = || variables.iter().find(|(name, _)| name == "BOT4_CONFIG").map(|(_, v)| PathBuf::from(v));
        let file = named.map(Path::to_owned).or_else(here).or_else(by_variable);
        Self { file, variables }
    }
}

/// Settings in force, and where each value comes from.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The settings.
    pub settings: RunSettings,
    /// The place of every key's value; keys that nobody set and that have no default are not in it.
    pub origins: BTreeMap<&'static str, Origin>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

impl Resolved {
    /// [`configure`], and where it refuses a value of a file or a variable, that place instead of the option.
    ///
    /// # Errors
    /// As [`configure`].
    pub fn configure(&self, defaults: &Defaults) -> Result<RunConfig, CommandError> {
        configure(&self.settings, defaults).map_err(|error| self.placed(error))
    }

    /// An error that speaks of an option and its value (`--cash 0: expected ...`), with the place where the value was really said.
    #[must_use]
    pub fn placed(&self, error: CommandError) -> CommandError {
        let Some((said, rest)) = error.message.split_once(": ") else { return error };
        let (option, value) = said.split_once(' ').unwrap_or((said, ""));
        let Some(key) = KEYS.iter().find(|key| key.argument == Some(option)) else { return error };
        let place = match self.origins.get(key.path) {
            Some(Origin::File { file, line, column }) => format!("{}:{line}:{column}", file.display()),
            Some(Origin::Variable(name)) => name.clone(),
            Some(Origin::Default | Origin::Argument(_)) | None => return error,
        };
        let message = match value {
            "" => format!("{place}: {}: {rest}", key.path),
            value if self.says(key, value) => format!("{place}: {}: found {}, {rest}", key.path, shown(value)),
            // The option is part of a sentence.
            _ => format!("{place}: {}", error.message),
        };
        CommandError { exit: error.exit, message }
    }

    /// Whether this is the key's value, or one of them.
    fn says(&self, key: &Key, value: &str) -> bool {
        let whole = serde_json::to_value(&self.settings).unwrap_or_default();
        match whole.get(key.section()).and_then(|section| section.get(key.name())) {
            Some(Json::Array(items)) => items.iter().any(|item| item == value),
            Some(single) => single == value,
            None => false,
        }
    }
}

impl RunArgs {
    /// The settings that are in force with these arguments, in this process.
    ///
    /// # Errors
    /// Usage, with everything that is wrong.
    pub fn resolve(&self, defaults: &Defaults) -> Result<Resolved, CommandError> {
        resolve(self, defaults, &Sources::of_process(self.config.as_deref()))
    }
}

/// Puts the layers on top of each other.
///
/// # Errors
/// Usage, with everything that is wrong in file and variables. What is wrong with an argument is said by [`configure`](super::configure)
/// and by the commands, so that it is said once and as it was typed.
pub fn resolve(args: &RunArgs, defaults: &Defaults, sources: &Sources) -> Result<Resolved, CommandError> {
    let mut problems = Vec::new();
    let mut layers = vec![presets(defaults)];
    if let Some(path) = &sources.file {
        let text = std::fs::read_to_string(path).map_err(|e| {
            CommandError::usage(format!("{}: {e}: expected a configuration file in TOML", path.display()))
        })?;
        layers.push(file::read(path, &text, &mut problems));
    }
    layers.push(environment::read(&sources.variables, &mut problems));
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let arguments = args.layer()?.into_iter().filter_map(|(path, value)| {
        let argument = find(path)?.argument?;
        Some((path, (value, Origin::Argument(argument))))
    });
    layers.push(arguments.collect());
    let mut all = Layer::new();
    for layer in layers {
        all.extend(layer);
    }
    let limits = choose_limits(&mut all, defaults)?;
    complete(&mut all);
    let settings = build(&all, limits.as_ref())?;
    let origins = all.into_iter().map(|(path, (_, origin))| (path, origin)).collect();
    Ok(Resolved { settings, origins, file: sources.file.clone() })
}

/// What is said when nobody says anything.
fn presets(defaults: &Defaults) -> Layer {
    let mut layer = Layer::new();
    for key in KEYS {
        if let Some(value) = key.preset() {
            layer.insert(key.path, (value, Origin::Default));
        }
    }
    let strategies = defaults.strategies.iter().map(|s| (*s).to_owned()).collect();
    layer.insert("run.strategies", (Value::List(strategies), Origin::Default));
    layer.insert("venue.fee_asset", (Value::Text(defaults.fee_asset.to_owned()), Origin::Default));
    layer.insert("venue.participation", (Value::Text(defaults.participation.to_owned()), Origin::Default));
    layer
}

/// Which limits hold, of those that the section `limits`, a file and the word `risk` name. `None` where the word says it all.
fn choose_limits(all: &mut Layer, defaults: &Defaults) -> Result<Option<Limits>, CommandError> {
    let inline: Vec<(&'static str, Value, Origin)> = (all.iter())
        .filter(|(path, _)| path.starts_with("limits."))
        .map(|(path, (value, origin))| (*path, value.clone(), origin.clone()))
        .collect();
    let Some((Value::Text(risk), origin)) = all.get("run.risk").cloned() else { return Ok(None) };
    let highest = inline.iter().max_by_key(|(_, _, origin)| origin.layer());
    let (mut risk, mut origin) = (risk, origin);
    if let Some((path, value, at)) = highest
        && risk != "inline"
    {
        // Said in one place they contradict each other; else what is said later holds.
        if at.layer() == origin.layer() {
            return Err(Problems(vec![Problem {
                origin: at.clone(),
                key: (*path).to_owned(),
                found: value.toml(),
                expected: format!("no limits of one's own beside risk = \"{risk}\", or risk = \"inline\""),
                near: None,
            }])
            .into());
        }
        if at.layer() > origin.layer() {
            risk = "inline".to_owned();
            origin = at.clone();
            all.insert("run.risk", (Value::Text(risk.clone()), origin.clone()));
        }
    }
    if !risk_is_allowed(&risk, defaults) {
        let (found, expected) = (shown(&risk), STANDARD_ONLY.to_owned());
        return Err(Problems(vec![Problem { origin, key: "run.risk".to_owned(), found, expected, near: None }]).into());
    }
    match risk.as_str() {
        "default" | "off" => Ok(None),
        "inline" => {
            let mut object = Map::new();
            for (path, value, _) in &inline {
                object.insert(path.trim_start_matches("limits.").to_owned(), value.json());
            }
            if object.is_empty() {
                return Err(CommandError::usage("--risk inline: expected limits in the section [limits]"));
            }
            serde_json::from_value(Json::Object(object)).map(Some).map_err(CommandError::usage)
        }
        file => read_limits(Path::new(file)).map(Some),
    }
}

fn read_limits(path: &Path) -> Result<Limits, CommandError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| CommandError::usage(format!("--risk {shown}: {e}: expected default, off or a TOML file")))?;
    let limits: Limits = toml::from_str(&text).map_err(|e| CommandError::usage(format!("{shown}: {e}")))?;
    limits.validate().map_err(|e| CommandError::usage(format!("{shown}: {e}")))?;
    Ok(limits)
}

/// Fills in what depends on other keys.
fn complete(all: &mut Layer) {
    let off = matches!(all.get("run.risk"), Some((Value::Text(risk), _)) if risk == "off");
    for (path, with_risk, without) in [("run.size", "cap", "all-in"), ("run.stop", "atr:14:3", "none")] {
        let text = if off { without } else { with_risk };
        all.entry(path).or_insert_with(|| (Value::Text(text.to_owned()), Origin::Default));
    }
}

/// Makes the settings of the values. The table of keys and the settings have the same names, which a test holds.
fn build(all: &Layer, limits: Option<&Limits>) -> Result<RunSettings, CommandError> {
    let mut sections = Map::new();
    for key in KEYS {
        if let Some((value, _)) = all.get(key.path)
            && key.section() != "limits"
        {
            insert(&mut sections, key, value.clone(), true);
        }
    }
    let limits = serde_json::to_value(limits).map_err(CommandError::failed)?;
    sections.insert("limits".to_owned(), limits);
    serde_json::from_value(Json::Object(sections)).map_err(CommandError::failed)
}

/// Puts a value into its section, over what is there or not.
pub(super) fn insert(sections: &mut Map<String, Json>, key: &Key, value: Value, over: bool) {
    let section = sections.entry(key.section()).or_insert_with(|| Json::Object(Map::new()));
    if let Json::Object(section) = section
        && (over || !section.contains_key(key.name()))
    {
        section.insert(key.name().to_owned(), value.json());
    }
}
