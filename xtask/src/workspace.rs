//! The workspace as it lies on disk: its root, its files, and what `cargo metadata` says of it.

use crate::outcome::TaskError;
use serde_json::Value;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace root, from the manifest folder that cargo names when it runs this program.
pub fn root() -> Result<PathBuf, TaskError> {
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .and_then(|dir| dir.parent().map(Path::to_path_buf))
        .ok_or_else(|| TaskError::Environment("CARGO_MANIFEST_DIR is not set: run this as `cargo xtask`".into()))
}

/// The cargo that runs this program, so that a toolchain chosen on the command line holds for what is started from here.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    Command::new(program)
}

/// Reads a text file below the root.
pub fn read(root: &Path, relative: &str) -> Result<String, TaskError> {
    std::fs::read_to_string(root.join(relative))
        .map_err(|error| TaskError::Environment(format!("{relative}: cannot be read: {error}")))
}

/// `cargo metadata` of the members alone: manifests and their dependency lists, no network.
pub fn members(root: &Path) -> Result<Value, TaskError> {
    metadata(root, &["--no-deps", "--offline"])
}

/// `cargo metadata` with the whole locked graph. The first try stays offline; the second may fetch what is missing.
pub fn graph(root: &Path) -> Result<Value, TaskError> {
    metadata(root, &["--locked", "--offline"]).or_else(|_| metadata(root, &["--locked"]))
}

fn metadata(root: &Path, options: &[&str]) -> Result<Value, TaskError> {
    let mut command = cargo();
    command.args(["metadata", "--format-version", "1"]).args(options).current_dir(root);
    let text = output(&mut command, "cargo metadata")?;
    serde_json::from_str(&text)
        .map_err(|error| TaskError::Environment(format!("cargo metadata: the answer is not JSON: {error}")))
}

/// Files that git tracks or would track (new files that are not ignored), relative to the root, in order.
pub fn files(root: &Path) -> Result<Vec<String>, TaskError> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let text = output(&mut command, "git ls-files")?;
    let mut files: Vec<String> =
        text.split('\0').filter(|f| !f.is_empty() && root.join(f).is_file()).map(str::to_owned).collect();
    files.sort();
    files.dedup();
    Ok(files)
}

/// Standard output of a program that must succeed.
pub fn output(command: &mut Command, name: &str) -> Result<String, TaskError> {
    let result = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| TaskError::Environment(format!("{name}: cannot be started: {error}")))?;
    if !result.status.success() {
        let text = String::from_utf8_lossy(&result.stderr);
        return Err(TaskError::Program(format!("{name}: {}\n{}", result.status, text.trim_end())));
    }
    String::from_utf8(result.stdout)
        .map_err(|error| TaskError::Environment(format!("{name}: the answer is not UTF-8: {error}")))
}

/// Runs a program with this program's standard output and error, and fails where it fails.
pub fn run(command: &mut Command, name: &str) -> Result<(), TaskError> {
    let status =
        command.status().map_err(|error| TaskError::Environment(format!("{name}: cannot be started: {error}")))?;
    if status.success() { Ok(()) } else { Err(TaskError::Program(format!("{name}: {status}"))) }
}

/// The shipped program in its release form, built if it is not up to date.
pub fn release_binary(root: &Path) -> Result<PathBuf, TaskError> {
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--quiet", "--package", "bot4"]).current_dir(root);
    run(&mut build, "cargo build --release")?;
    let metadata = members(root)?;
    let target = metadata["target_directory"]
        .as_str()
        .ok_or_else(|| TaskError::Environment("cargo metadata: no `target_directory` in the answer".into()))?;
    Ok(Path::new(target).join("release").join("bot4"))
}
