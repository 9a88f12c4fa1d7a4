//! `cargo xtask deep safety`, `deep mutants` and `deep coverage`: the long forms of what holds risk and safety to its word.
//!
//! *safety*: the random worlds of the engine's tests, with as many events as asked for (ten million if not said): no approved order breaches a
//! limit, no reduction is refused but for its reasons, nothing is open in an emergency that should not be.
//! *mutants*: changes the code of `risk` and of the modes one place at a time, and lists the changes that no test noticed.
//! *coverage*: lines of `risk`, `portfolio` and `execution` that the tests reach.

use crate::outcome::TaskError;
use crate::workspace;
use std::path::Path;
use std::process::Command;

/// Events of the long form.
const STEPS: u64 = 10_000_000;

/// `cargo xtask deep safety [--steps N] [--seed S]`
pub fn safety(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let (mut steps, mut seed) = (STEPS, 0);
    for pair in arguments.chunks(2) {
        let number = |text: &String| text.parse::<u64>().ok();
        match (pair[0].as_str(), pair.get(1).and_then(number)) {
            ("--steps", Some(n)) => steps = n,
            ("--seed", Some(n)) => seed = n,
            (other, _) => {
                return Err(TaskError::Usage(format!("deep safety: {other}: expected --steps N or --seed S")));
            }
        }
    }
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--release", "-p", "engine", "--test", "it", "--", "safety", "--nocapture"]);
    cargo.env("BOT4_SAFETY_STEPS", steps.to_string()).env("BOT4_SAFETY_SEED", seed.to_string()).current_dir(root);
    workspace::run(&mut cargo, "the random worlds")
}

/// `cargo xtask deep mutants [FILE...]`: all of `risk` if no file is named.
pub fn mutants(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let mut cargo = tool(root, "mutants", "cargo install cargo-mutants --locked")?;
    cargo.args(["mutants", "--package", "risk", "--timeout", "60", "--no-shuffle"]);
    arguments.iter().for_each(|file| {
        cargo.args(["--file", file]);
    });
    // The tests beside the code and the integration tests; the door is a compiler's work and takes longest.
    cargo.args(["--", "--lib"]);
    workspace::run(&mut cargo, "cargo mutants")
}

/// `cargo xtask deep coverage`
pub fn coverage(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    if let Some(other) = arguments.first() {
        return Err(TaskError::Usage(format!("deep coverage: {other}: expected nothing more")));
    }
    let mut cargo = tool(root, "tarpaulin", "cargo install cargo-tarpaulin --locked")?;
    cargo.args(["tarpaulin", "--skip-clean", "--out", "stdout"]);
    for package in ["risk", "portfolio", "execution", "engine"] {
        cargo.args(["--packages", package]);
    }
    for files in ["crates/risk/src/*", "crates/risk/src/**/*", "crates/portfolio/src/*", "crates/execution/src/*"] {
        cargo.args(["--include-files", files]);
    }
    workspace::run(&mut cargo, "cargo tarpaulin")
}

/// A cargo with a subcommand that is installed.
fn tool(root: &Path, name: &str, install: &str) -> Result<Command, TaskError> {
    let there = workspace::cargo().args([name, "--version"]).output().is_ok_and(|output| output.status.success());
    if !there {
        return Err(TaskError::Usage(format!("deep {name}: cargo {name} is not installed: {install}")));
    }
    let mut cargo = workspace::cargo();
    cargo.current_dir(root);
    Ok(cargo)
}
