//! `cargo xtask simulate` and `cargo xtask deep simulate`: worlds under a seed with the venue inside, and every fault that the seed draws.
//!
//! The program is the crate `simulate`; this builds and starts it. With `--mutants` bugs are planted in a copy of the tree (`mutants`).

use crate::outcome::TaskError;
use crate::{simulate_mutants, workspace};
use std::path::Path;

/// Seeds in the test command.
const SEEDS_TEST: u64 = 500;

/// Seeds of the long form.
const SEEDS_DEEP: u64 = 100_000;

/// `cargo xtask simulate [--seeds N] [--seed FIRST] [--jobs N] [--json] [--keep-going] [--no-shrink] [--alarms] | --mutants [--seeds N]`
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    if arguments.iter().any(|a| a == "--mutants") {
        let rest: Vec<String> = arguments.iter().filter(|a| *a != "--mutants").cloned().collect();
        return simulate_mutants::run(root, &rest);
    }
    start(root, &["--profile", "simulate"], arguments)
}

/// `cargo xtask deep simulate [as above]`: 100,000 seeds if not said otherwise, in as many processes as there are cores.
pub fn deep(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let long =
        ["--seeds".to_owned(), SEEDS_DEEP.to_string(), "--jobs".to_owned(), cores.to_string(), "--keep-going".into()];
    start(root, &["--profile", "simulate"], &[&long[..], arguments].concat())
}

/// The short form, as a part of the test command: in the profile that the tests are compiled in, so that nothing is compiled twice.
pub fn test(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let short = ["--seeds".to_owned(), SEEDS_TEST.to_string(), "--jobs".to_owned(), cores.to_string()];
    start(root, &[], &[&short[..], arguments].concat())
}

fn start(root: &Path, profile: &[&str], arguments: &[String]) -> Result<(), TaskError> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--locked", "--quiet", "--package", "simulate"]).args(profile).arg("--").args(arguments);
    workspace::run(cargo.current_dir(root), "simulate")
}
