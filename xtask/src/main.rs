//! Development tasks of bot4, called as `cargo xtask TASK`. Nothing that ships depends on this program.
//!
//! Each task is a module with a `run` that takes the workspace root and the remaining arguments. Exit code 0 is success,
//! 1 a finding or a failed program, 2 a wrong command line.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod browser;
mod commit_message;
mod crash;
mod layer_table;
mod layers;
mod licences;
mod machine;
mod measure;
mod memory;
mod outcome;
mod packages;
mod postgres;
mod safety;
mod scan;
mod simulate;
mod simulate_mutants;
mod spdx;
mod test_run;
mod triggers;
mod workspace;

use outcome::TaskError;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask TASK

  test [--json]             all checks and tests, with the time of each part
  simulate [--seeds N] [--seed S]  the whole system with the venue inside, under faults [--jobs N] [--json] [--keep-going]
  simulate --mutants        planted bugs, and how many seeds each takes to be found [--seeds N] [--json] [NAME...]
  deep simulate             100,000 seeds, a process for each core [--seeds N] [--seed S] [--json]
  deep crash                kills and resumes of the release program [--kills N] [--seed S] [--json]
  deep memory               memory of a recorded run and of its replay, as a plot [--data PATH]... [--json]
  deep safety               limits and emergencies under random events [--steps N] [--seed S]
  deep triggers             every trigger on a running paper session [--json]
  deep mutants [FILE...]    changes of `risk` that no test notices (needs cargo-mutants)
  deep coverage             lines of risk, ledger and execution that tests reach (needs cargo-tarpaulin)
  ci                        what the CI runs: formatting, lints, then `test`
  layers [--write]          manifests against the layer table; --write renews the clippy.toml of the core crates
  no-fakes                  unfinished or pretended code, panics, ignored tests, paths of a machine
  licences                  licences of the whole dependency graph
  postgres                  a PostgreSQL server for the tests of the query store: installed where root and apt-get are
  browser                   a Chromium for the tests that look at pages: installed where root and apt-get are
  bench [-- ARGS]           facts of the machine, then the benchmarks
  perf [stat|record] -- ARGS  the release binary under the kernel's profiler
  cpu                       facts of the machine
  commit-msg FILE           form of a commit message
  hooks                     makes git run the hooks of .githooks in this checkout";

/// Parts of the long form.
const DEEP: &str = "simulate, crash, memory, safety, triggers, mutants, coverage";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match task(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            if let TaskError::Usage(_) = error {
                eprintln!("\n{USAGE}");
                return ExitCode::from(2);
            }
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: &[String]) -> Result<(), TaskError> {
    let Some((name, rest)) = arguments.split_first() else { return Err(TaskError::Usage("no task".into())) };
    let root = workspace::root()?;
    match name.as_str() {
        "test" => test_run::run(&root, rest),
        "simulate" => simulate::run(&root, rest),
        "deep" => match rest.split_first() {
            Some((part, rest)) if part == "simulate" => simulate::deep(&root, rest),
            Some((part, rest)) if part == "crash" => crash::run(&root, rest),
            Some((part, rest)) if part == "memory" => memory::run(&root, rest),
            Some((part, rest)) if part == "safety" => safety::safety(&root, rest),
            Some((part, rest)) if part == "triggers" => triggers::run(&root, rest),
            Some((part, rest)) if part == "mutants" => safety::mutants(&root, rest),
            Some((part, rest)) if part == "coverage" => safety::coverage(&root, rest),
            Some((part, _)) => Err(TaskError::Usage(format!("deep: no part `{part}`; there are: {DEEP}"))),
            None => Err(TaskError::Usage(format!("deep: no part; there are: {DEEP}"))),
        },
        "ci" => workspace::run(Command::new(root.join(".ci/run")).args(rest).current_dir(&root), ".ci/run"),
        "layers" => layers::run(&root, rest),
        "no-fakes" => scan::run(&root, rest),
        "browser" => browser::run(&root, rest),
        "postgres" => postgres::run(&root, rest),
        "licences" => licences::run(&root, rest),
        "bench" => measure::bench(&root, rest),
        "perf" => measure::perf(&root, rest),
        "cpu" => machine::run(&root, rest),
        "commit-msg" => commit_message::run(rest),
        "hooks" => {
            let mut git = Command::new("git");
            workspace::run(git.args(["config", "core.hooksPath", ".githooks"]).current_dir(&root), "git config")
        }
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => Err(TaskError::Usage(format!("no task `{other}`"))),
    }
}
