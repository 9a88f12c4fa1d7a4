//! Files that the commands write: whole or not at all.

use crate::command::CommandError;
use std::path::Path;

/// Writes a text beside its place, and puts it there when it is whole.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CommandError> {
    let failed = |e: std::io::Error| CommandError::failed(format!("{}: {e}", path.display()));
    let name = path.file_name().ok_or_else(|| failed(std::io::Error::from(std::io::ErrorKind::InvalidInput)))?;
    let aside = path.with_file_name(format!(".{}.part", name.to_string_lossy()));
    std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, path)).map_err(failed)
}

/// Makes a folder for the results of `names`: new, empty, or with results of before.
pub(super) fn prepare(folder: &Path, names: &[&str]) -> Result<(), CommandError> {
    let failed = |e: std::io::Error| {
        CommandError::failed(format!("{}: {e}: expected a folder that can be written", folder.display()))
    };
    if folder.join("journal").is_dir() || folder.join("summary.json").exists() {
        return Err(CommandError::usage(format!("--out {}: holds a run: expected another folder", folder.display())));
    }
    std::fs::create_dir_all(folder).map_err(failed)?;
    let ours = |name: &std::ffi::OsStr| names.iter().any(|known| name == *known);
    let held = std::fs::read_dir(folder).map_err(failed)?.flatten().find(|entry| ours(&entry.file_name()));
    // Files of these names without the first of them are somebody else's.
    let first = names.first().map(|name| folder.join(name));
    if let (Some(held), Some(first)) = (held, first)
        && !first.exists()
    {
        return Err(CommandError::usage(format!(
            "--out {}: {} is there and is not of an earlier backtest: expected another folder",
            folder.display(),
            held.file_name().to_string_lossy()
        )));
    }
    let probe = folder.join(".probe");
    std::fs::write(&probe, b"").and_then(|()| std::fs::remove_file(&probe)).map_err(failed)
}
