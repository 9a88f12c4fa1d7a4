//! Configuration: everything that a run can be told, from five places, checked, with the place of every value.
//!
//! In:  defaults, a TOML file, `BOT4_*` variables, command-line arguments; the later one wins.
//! Out: [`RunSettings`], plain data that goes through JSON unchanged: a journal begins with it, and a resumed run is rebuilt from it alone.
//! [`KEYS`] is the one table of what can be said: it validates, it fills in defaults, and the commented file of `bot4 init` is written from
//! it. [`configure`] makes of the settings what a run is made of; files of limits are read while resolving, so nothing outside is needed then.

mod args;
mod check;
mod configure;
mod environment;
mod file;
mod key;
mod keys;
mod parse;
mod problem;
mod resolve;
mod settings;
mod strategies;
mod template;
#[cfg(test)]
mod tests;

pub use args::RunArgs;
pub(crate) use check::levels as are_levels;
pub use configure::{BACKTEST, Defaults, PAPER, configure};
pub use key::{Key, Kind, Preset, Value};
pub use keys::{KEYS, find};
pub use problem::{Origin, Problem, Problems};
pub use resolve::{FILE_NAME, Resolved, Sources, resolve};
pub use settings::{
    Durability, JournalSection, LogSection, PathsSection, QuerySection, RunSection, RunSettings, SafetySection,
    SettingsError, VenueSection,
};
pub use template::template;
