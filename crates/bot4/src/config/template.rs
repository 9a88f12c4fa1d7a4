//! The commented configuration file that `bot4 init` writes, made from the table of keys.

use super::key::{Key, Preset};
use super::keys::KEYS;
use std::fmt::Write as _;

const HEAD: &str = "\
# bot4: configuration of the runs that are started in this folder.
#
# A key behind a # is not said: its line shows the default, or an example where there is none. Take the # away to say it.
# What is said later holds: this file, then BOT4_ variables (BOT4_RUN__CASH=5000 says run.cash), then command-line arguments.
# Check this file with `bot4 config check bot4.toml`; see what is in force, and why, with `bot4 config show`.
";

/// What the sections are about, in the order in which they stand.
const SECTIONS: &[(&str, &str)] = &[
    ("run", "What is traded, with how much, within which limits."),
    ("venue", "How the simulated venue behaves."),
    ("data", "What data is read."),
    ("limits", "Limits of one's own instead of the standard ones: any for backtests, tighter ones for paper."),
    ("journal", "Journal and snapshots."),
    (
        "safety",
        "What watches over the run and closes the gate for new risk: key holders, heartbeat, hardware kill switch.",
    ),
    ("log", "Logs."),
    ("paths", "Where files go."),
];

/// The text of the file.
#[must_use]
pub fn template() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            let about = SECTIONS.iter().find(|(name, _)| *name == section).map_or("", |(_, about)| about);
            // Writing into a String cannot fail.
            let _ = write!(text, "\n# {about}\n[{section}]\n");
        }
        text += &entry(key);
    }
    text
}

/// One key: what it does; its unit, what it is when nothing is said, its option; and the line to be changed.
fn entry(key: &Key) -> String {
    let (default, shown) = match key.preset {
        Preset::Is(value) => (None, value),
        Preset::Depends { how, example } => (Some(how), example),
        Preset::Unset { means, example } => (Some(means), example),
    };
    let unit = Some(key.unit).filter(|unit| !unit.is_empty()).map(|unit| format!("unit: {unit}"));
    let default = default.map(|default| format!("default: {default}"));
    let option = key.argument.map(|argument| format!("option: {argument}"));
    let facts: Vec<String> = [unit, default, option].into_iter().flatten().collect();
    let facts = if facts.is_empty() { String::new() } else { format!("# [{}]\n", facts.join("; ")) };
    // A test holds every default and example to its own key.
    let value = key.read(shown).map(|value| value.toml()).unwrap_or_default();
    format!("\n# {}\n{facts}#{} = {value}\n", key.help, key.name())
}
