//! The audit log of a run: which records of the journal are audited, with which key they are signed, and when.
//!
//! In:  the journal of a run, at its end, at an interruption, or when it goes on after one.
//! Out: the folder `audit/` of the run (`store::audit`), complete up to there.
//! Trading never waits for it and never stops for it: what goes wrong is told.

mod entries;

pub use entries::{Entries, is_audited};

use crate::runner::run_folder::RunFolder;
use std::path::{Path, PathBuf};
use store::audit::{AuditError, Brought, Copies, Expect, Layout, Signer, verify};

/// Where the user's key is: `BOT4_HOME`, or `bot4` in the folder of configurations. `None` where the system names neither.
#[must_use]
pub fn key_folder() -> Option<PathBuf> {
    let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    said("BOT4_HOME")
        .or_else(|| said("XDG_CONFIG_HOME").map(|path| path.join("bot4")))
        .or_else(|| said("HOME").map(|path| path.join(".config").join("bot4")))
}

/// The user's key, which is made if there is none.
///
/// # Errors
/// Why there is none, for people.
pub fn signer(run: &Path) -> Result<Signer, String> {
    let folder = key_folder().ok_or("neither BOT4_HOME nor XDG_CONFIG_HOME nor HOME says where the key is")?;
    if is_within(&folder, run) {
        return Err(format!(
            "{}: the private key must not lie in the folder of a run: set BOT4_HOME to another folder",
            folder.display()
        ));
    }
    Signer::own(&folder).map_err(|error| error.to_string())
}

/// Whether a path leads into a folder; neither need exist.
fn is_within(path: &Path, folder: &Path) -> bool {
    let real =
        |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    real(path).starts_with(real(folder))
}

/// What is wrong with the audit log of a run, held against its journal. Whose key signed it is not asked here, nor whether the end of a
/// complete run was signed: `bot4 audit verify` asks both.
///
/// # Errors
/// If a file cannot be read.
pub fn findings(folder: &RunFolder) -> Result<Vec<String>, AuditError> {
    let verified =
        verify(&folder.audit(), &folder.journal(), &mut Entries::default(), &Expect::default(), Layout::STANDARD)?;
    let texts = verified.findings.iter().map(ToString::to_string);
    // A run that ended without a key has entries that nobody signed: they are what they were all the same.
    Ok(texts.filter(|text| !text.contains("are under no signature")).collect())
}

/// What came of bringing a log up to date.
#[derive(Debug)]
pub struct Outcome {
    /// What was done.
    pub brought: Brought,
    /// What should be known.
    pub warnings: Vec<String>,
}

/// Brings the audit log of a run up to date with its journal. Whoever calls this holds the lock of the folder.
///
/// # Errors
/// If it cannot be written, or is not what it was.
pub fn update(folder: &RunFolder, copies: Option<&Copies>) -> Result<Outcome, AuditError> {
    let signer = signer(folder.path());
    let brought = store::audit::bring_up_to_date(
        &folder.audit(),
        &folder.journal(),
        copies,
        &mut Entries::default(),
        signer.as_ref().ok(),
        Layout::STANDARD,
    )?;
    let mut warnings = Vec::new();
    if let (Err(reason), true) = (&signer, brought.unsigned > 0) {
        warnings.push(format!(
            "the audit log is not signed from entry {} on: {reason}",
            brought.entries - brought.unsigned + 1
        ));
    }
    if brought.mended > 0 {
        warnings
            .push(format!("{} bytes at the end of the audit log had broken off and were written anew", brought.mended));
    }
    if let Some(key) = brought.other_key {
        let before = key.fingerprint();
        warnings.push(format!("the audit log was signed by the key {before} before, and goes on with yours"));
    }
    Ok(Outcome { brought, warnings })
}

/// [`update`], with everything that should be known told on standard error: nothing here stops a run.
pub fn bring_up_to_date(folder: &RunFolder, copies: Option<&Copies>) {
    match update(folder, copies) {
        Ok(outcome) => outcome.warnings.iter().for_each(|text| eprintln!("bot4: {text}")),
        Err(error) => eprintln!("bot4: the audit log was not brought up to date: {error}"),
    }
}

/// Finishes what a process left behind that died while it ended its run: the journal is sealed, and perhaps not compressed to its end, or
/// its audit log not complete. A folder that is complete is only read; one that cannot be written stays as it is.
pub fn complete(folder: &RunFolder) {
    let Ok(_lock) = folder.lock() else { return };
    let journal = folder.journal();
    let is_left = |path: PathBuf| path.extension().is_some_and(|end| end == "seg" || end == "part");
    let left = std::fs::read_dir(&journal).is_ok_and(|files| files.flatten().any(|file| is_left(file.path())));
    if left && let Err(error) = store::journal::recover(&journal) {
        eprintln!("bot4: {error}");
        return;
    }
    bring_up_to_date(folder, None);
}
