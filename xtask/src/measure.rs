//! `cargo xtask bench` and `cargo xtask perf`: measuring the release build.
//!
//! `bench` prints the facts of the machine and runs the benchmark crate. `perf` runs the shipped binary under the
//! kernel's profiler, which comes with the system and not with this project.

use crate::outcome::TaskError;
use crate::{machine, workspace};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The shipped binary.
const BINARY: &str = "bot4";

/// `cargo xtask bench [-- ARGUMENTS]`
pub fn bench(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    machine::print(root);
    println!();
    let mut command = workspace::cargo();
    command.args(["run", "--release", "--locked", "--package", "bench", "--"]);
    command.args(after_dashes(arguments)).current_dir(root);
    workspace::run(&mut command, "cargo run --release --package bench")
}

/// `cargo xtask perf [stat|record] -- ARGUMENTS OF THE BINARY`
///
/// `stat` counts cycles, instructions and cache misses of the release build. `record` samples a build with line tables in
/// a folder of its own, so that the release build stays as it is, and leaves `perf.data` there.
pub fn perf(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let (mode, rest) = match arguments.split_first() {
        Some((mode, rest)) if mode == "stat" || mode == "record" => (mode.as_str(), rest),
        _ => ("stat", arguments),
    };
    if !on_path("perf") {
        let text = "perf: not on the PATH; it comes with the system (Debian: linux-perf, Ubuntu: linux-tools-generic, Fedora: perf)";
        return Err(TaskError::Environment(text.into()));
    }
    let metadata = workspace::members(root)?;
    let target = metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| TaskError::Environment("cargo metadata: no `target_directory` in the answer".into()))?;
    let folder = if mode == "record" { target.join("perf") } else { target };
    let mut build = workspace::cargo();
    build.args(["build", "--release", "--locked", "--package", BINARY, "--target-dir"]).arg(&folder).current_dir(root);
    if mode == "record" {
        build.env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only");
    }
    workspace::run(&mut build, "cargo build --release")?;
    let mut perf = Command::new("perf");
    let data = folder.join("perf.data");
    match mode {
        "record" => perf.args(["record", "--call-graph", "dwarf", "--output"]).arg(&data),
        _ => perf.args(["stat", "--detailed"]),
    };
    perf.arg("--").arg(folder.join("release").join(BINARY)).args(after_dashes(rest)).current_dir(root);
    workspace::run(&mut perf, "perf")?;
    if mode == "record" {
        eprintln!("perf: read it with `perf report --input {}`", data.display());
    }
    Ok(())
}

/// Arguments behind the separating `--`, or all of them without one.
fn after_dashes(arguments: &[String]) -> &[String] {
    match arguments.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => arguments,
    }
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_dashes_separate() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(after_dashes(&words("-- paper -- x")), words("paper -- x"));
        assert_eq!(after_dashes(&words("paper")), words("paper"));
        assert_eq!(after_dashes(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_on_the_path() {
        assert!(!on_path("no-such-program-of-bot4"));
    }
}
