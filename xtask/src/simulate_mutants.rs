//! `cargo xtask simulate --mutants`: bugs planted in a copy of the tree, and how many seeds the simulation takes to find each.
//!
//! Every file of `crates/simulate/mutants` is one bug, as a patch that begins with a line of what it is. The copy lies below `target`; the
//! code that ships has no switch for any of them. Exit code 1 if one is not found, or if the tree without a bug is found wanting.

use crate::outcome::TaskError;
use crate::workspace;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Seeds after which a bug counts as not found.
const SEEDS: u64 = 2_000;

struct Found {
    name: String,
    what: String,
    /// Seeds that it took, and the invariant that broke.
    by: Option<(u64, String)>,
    seconds: f64,
}

/// `--mutants [--seeds N] [--json] [NAME...]`
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let (mut seeds, mut json, mut names) = (SEEDS, false, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--seeds" => {
                let number = rest.next().and_then(|n| n.parse().ok());
                seeds = number.ok_or_else(|| TaskError::Usage("--seeds: expected a number after it".into()))?;
            }
            "--json" => json = true,
            other if other.starts_with('-') => {
                return Err(TaskError::Usage(format!("simulate --mutants: no option `{other}`")));
            }
            name => names.push(name.to_owned()),
        }
    }
    let tree = root.join("target/mutants");
    copy(root, &tree)?;
    let clean = play(&tree, root, seeds.min(200))?;
    if let Some((seed, invariant)) = clean {
        return Err(TaskError::Program(format!("without a bug, seed {seed} already breaks: {invariant}")));
    }
    let mut found = Vec::new();
    for patch in patches(root, &names)? {
        let text = std::fs::read_to_string(&patch).unwrap_or_default();
        let what = text.lines().next().unwrap_or_default().to_owned();
        let name = patch.file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        apply(&tree, &patch, false)?;
        let began = Instant::now();
        let by = play(&tree, root, seeds);
        apply(&tree, &patch, true)?;
        let by = by?.map(|(seed, invariant)| (seed + 1, invariant));
        let line = Found { name, what, by, seconds: began.elapsed().as_secs_f64() };
        eprintln!("{}", text_of(&line));
        found.push(line);
    }
    if json {
        println!("{}", object(&found));
    } else {
        println!("\n{:<34} {:>6}  {:<44} the bug", "mutant", "seeds", "found by");
        found.iter().for_each(|line| println!("{}", text_of(line)));
    }
    let missed: Vec<&str> = found.iter().filter(|f| f.by.is_none()).map(|f| f.name.as_str()).collect();
    if missed.is_empty() { Ok(()) } else { Err(TaskError::Program(format!("not found: {}", missed.join(", ")))) }
}

fn text_of(found: &Found) -> String {
    let (seeds, by) = match &found.by {
        Some((seeds, invariant)) => (seeds.to_string(), invariant.as_str()),
        None => ("-".into(), "NOT FOUND"),
    };
    format!("{:<34} {seeds:>6}  {by:<44} {}", found.name, found.what)
}

fn object(found: &[Found]) -> Value {
    let rows: Vec<Value> = (found.iter())
        .map(|f| {
            json!({
                "mutant": f.name,
                "what": f.what,
                "seeds": f.by.as_ref().map(|by| by.0),
                "invariant": f.by.as_ref().map(|by| by.1.clone()),
                "seconds": f.seconds,
            })
        })
        .collect();
    json!({ "mutants": rows })
}

/// The patches, by name; all if none is named.
fn patches(root: &Path, names: &[String]) -> Result<Vec<PathBuf>, TaskError> {
    let folder = root.join("crates/simulate/mutants");
    let entries = std::fs::read_dir(&folder)
        .map_err(|error| TaskError::Environment(format!("{}: cannot be read: {error}", folder.display())))?;
    let mut all: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    all.retain(|path| {
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        path.extension().is_some_and(|e| e == "patch") && (names.is_empty() || names.contains(&stem))
    });
    all.sort();
    if all.is_empty() { Err(TaskError::Usage("no such mutant".into())) } else { Ok(all) }
}

/// Copies what git tracks; files that are the same already are left alone, so that nothing is built again for them.
fn copy(root: &Path, tree: &Path) -> Result<(), TaskError> {
    for file in workspace::files(root)? {
        let (from, to) = (root.join(&file), tree.join(&file));
        let wrong = |error| TaskError::Environment(format!("{file}: cannot be copied: {error}"));
        let bytes = std::fs::read(&from).map_err(wrong)?;
        if std::fs::read(&to).is_ok_and(|there| there == bytes) {
            continue;
        }
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).map_err(wrong)?;
        }
        std::fs::write(&to, bytes).map_err(wrong)?;
    }
    Ok(())
}

fn apply(tree: &Path, patch: &Path, reverse: bool) -> Result<(), TaskError> {
    let mut git = Command::new("git");
    git.arg("apply").args(reverse.then_some("--reverse")).arg(patch).current_dir(tree);
    // The copy is no checkout, though it lies in one.
    git.env("GIT_CEILING_DIRECTORIES", tree.parent().unwrap_or(tree));
    workspace::run(&mut git, &format!("git apply {}", patch.display()))
}

/// Builds the tree and plays seeds. The first that fails, with the invariant that broke.
fn play(tree: &Path, root: &Path, seeds: u64) -> Result<Option<(u64, String)>, TaskError> {
    let mut cargo = workspace::cargo();
    cargo.args(["run", "--locked", "--quiet", "--package", "simulate", "--profile", "simulate", "--"]);
    cargo.args(["--seeds", &seeds.to_string(), "--no-shrink", "--json"]).current_dir(tree);
    // What lies outside of the workspace need not be built again.
    cargo.env("CARGO_TARGET_DIR", root.join("target")).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = cargo.output().map_err(|error| TaskError::Environment(format!("cargo cannot be started: {error}")))?;
    let answer: Value = serde_json::from_slice(&output.stdout).map_err(|_| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        TaskError::Program(format!("the simulation gave no answer:\n{text}"))
    })?;
    let failure = &answer["failures"][0];
    Ok(failure["seed"].as_u64().map(|seed| (seed, failure["invariant"].as_str().unwrap_or_default().to_owned())))
}
