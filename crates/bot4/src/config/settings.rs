//! The settings of a run as plain data.

use super::keys::KEYS;
use super::resolve::insert;
use crate::command::inputs::DataArgs;
use risk::Limits;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

/// Everything that a run was told, complete: no default is filled in after it.
///
/// Values with a small language of their own (`10%`, `atr:14:3`) stay text here and are read by [`configure`](super::configure).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// What is traded, with how much, within which limits.
    pub run: RunSection,
    /// How the simulated venue behaves.
    pub venue: VenueSection,
    /// What data is read.
    pub data: DataArgs,
    /// Limits other than the standard ones, complete; `None` unless `run.risk` asks for them.
    #[serde(default)]
    pub limits: Option<Limits>,
    /// Journal and snapshots.
    pub journal: JournalSection,
    /// What watches over the run.
    pub safety: SafetySection,
    /// Where a run can be asked about.
    pub query: QuerySection,
    /// Logs.
    pub log: LogSection,
    /// Where files go.
    pub paths: PathsSection,
}

/// What is traded, with how much, within which limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSection {
    /// Strategies with their parameters: `NAME[:k=v,...]`.
    pub strategies: Vec<String>,
    /// Parameters for every strategy that has them and does not set them itself.
    pub params: Vec<String>,
    /// Cash at the start, in the quote asset.
    pub cash: String,
    /// Size of entries.
    pub size: String,
    /// Multiples of orders.
    pub units: String,
    /// Protective stop of entries.
    pub stop: String,
    /// How entries and exits are worked.
    pub work: String,
    /// `default`, `off`, `inline` (the limits of the configuration) or the file that the limits came from.
    pub risk: String,
    /// Symbols in which nothing is entered.
    #[serde(default)]
    pub restricted: Vec<String>,
    /// What is kept: `all` or `none`.
    pub records: String,
}

/// How the simulated venue behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VenueSection {
    /// Taker fee rate; the instrument's own if `None`.
    #[serde(default)]
    pub fee_taker: Option<String>,
    /// Maker fee rate; the instrument's own if `None`.
    #[serde(default)]
    pub fee_maker: Option<String>,
    /// Fee schedule that rates come from; the instrument's own if `None`.
    #[serde(default)]
    pub fee_schedule: Option<String>,
    /// Tier of that schedule; the lowest if `None`.
    #[serde(default)]
    pub fee_tier: Option<String>,
    /// Whether the schedule's discount comes off.
    pub fee_discount: bool,
    /// Asset of spot fees.
    pub fee_asset: String,
    /// Slippage of orders that take.
    pub slippage: String,
    /// Largest share of a bar's volume.
    pub participation: String,
    /// When market orders fill.
    pub exec: String,
    /// Funding of perpetuals per period.
    #[serde(default)]
    pub funding: Option<String>,
    /// Latency of orders and of reports.
    pub latency: String,
    /// Seconds between two questions how the account stands; it is not asked if `None`.
    #[serde(default)]
    pub reconcile_every: Option<String>,
    /// Whether the venue holds pairs of orders.
    #[serde(default)]
    pub pairs: bool,
}

/// When what is written must be on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Synchronised in groups, every few milliseconds.
    Group,
    /// Orders that open risk wait until they are.
    Strict,
}

/// Journal and snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalSection {
    /// Whether a journal is kept.
    pub enabled: bool,
    /// Events between snapshots.
    pub snapshot_every_events: u64,
    /// Seconds between snapshots.
    pub snapshot_every_s: u64,
    /// Bytes after which a new segment begins.
    pub segment_bytes: u64,
    /// Milliseconds between synchronisations with the disk.
    pub sync_ms: u64,
    /// When what is written must be on the disk.
    pub durability: Durability,
    /// Days for which records that may expire are kept; 0 keeps all.
    pub retention_days: u64,
}

/// What watches over the run and closes the gate for new risk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SafetySection {
    /// Public keys of key holders: `NAME:ROLE:KEY`.
    pub holders: Vec<String>,
    /// Days on paper before live trading.
    pub paper_days_min: u64,
    /// Seconds without a sign of life of the engine after which the gate is closed; 0 watches nothing.
    pub heartbeat_s: u64,
    /// GPIO chip of the hardware kill switch.
    #[serde(default)]
    pub gpio_chip: Option<PathBuf>,
    /// Line of the switch.
    pub gpio_line: u32,
    /// Line of the loop through the switch's cable.
    #[serde(default)]
    pub gpio_monitor_line: Option<u32>,
    /// Whether LEDs show the mode.
    pub gpio_leds: bool,
    /// Line of the red LED.
    pub gpio_led_red: u32,
    /// Line of the yellow LED.
    pub gpio_led_yellow: u32,
    /// Line of the green LED.
    pub gpio_led_green: u32,
    /// Named pipe that takes the place of a chip.
    #[serde(default)]
    pub gpio_simulated: Option<PathBuf>,
    /// Milliseconds for which edges after an acting one are bounces.
    pub debounce_ms: u64,
    /// Most edges in the window.
    pub chatter_edges: u32,
    /// Milliseconds of the window.
    pub chatter_window_ms: u64,
}

/// Where a run can be asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuerySection {
    /// `off`, `sqlite`, `sqlite:FILE`, or the URL of a PostgreSQL database.
    pub database: String,
    /// Days for which signals and refusals are kept there; 0 keeps all.
    pub signal_days: u64,
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// Levels of what goes to standard error: `info,bot4::orders=debug`.
    pub level: String,
    /// Levels of what goes to the run's folder.
    pub file_level: String,
    /// Bytes after which a new log file begins.
    pub file_bytes: u64,
    /// How many log files are kept.
    pub files: u64,
}

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PathsSection {
    /// Folder from which the other paths are taken if they are relative.
    pub home: PathBuf,
    /// Folder of run folders.
    pub runs: PathBuf,
    /// Folder of imported data.
    pub catalogue: PathBuf,
}

impl PathsSection {
    /// The folder of run folders.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.below_home(&self.runs)
    }

    /// The file in which a key holder has confirmed the limits of live trading.
    #[must_use]
    pub fn limits_confirmed(&self) -> PathBuf {
        self.below_home(Path::new("limits.confirmed"))
    }

    /// The folder of imported data.
    #[must_use]
    pub fn catalogue(&self) -> PathBuf {
        self.below_home(&self.catalogue)
    }

    fn below_home(&self, path: &Path) -> PathBuf {
        // The working directory is left out: `runs/x` is what people type.
        if self.home == Path::new(".") { path.to_owned() } else { self.home.join(path) }
    }
}

/// Why recorded settings cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(String);

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recorded configuration: {}: expected the settings of a run as JSON", self.0)
    }
}

impl std::error::Error for SettingsError {}

impl RunSettings {
    /// The settings as one line of JSON.
    ///
    /// # Errors
    /// [`SettingsError`] for a path that is not Unicode.
    pub fn to_json(&self) -> Result<String, SettingsError> {
        serde_json::to_string(self).map_err(|e| SettingsError(e.to_string()))
    }

    /// Reads what [`RunSettings::to_json`] wrote, now or in an earlier version: keys that are not there have their defaults, which are
    /// always what was done before there was the key.
    ///
    /// # Errors
    /// [`SettingsError`] for anything else, a key that is not known included.
    pub fn from_json(text: &str) -> Result<Self, SettingsError> {
        let fail = |e: serde_json::Error| SettingsError(e.to_string());
        let mut whole: serde_json::Value = serde_json::from_str(text).map_err(fail)?;
        if let serde_json::Value::Object(sections) = &mut whole {
            for key in KEYS {
                if let Some(value) = key.preset() {
                    insert(sections, key, value, false);
                }
            }
        }
        serde_json::from_value(whole).map_err(fail)
    }
}
