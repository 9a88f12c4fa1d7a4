//! Where a command may write a file that the user names: not over what a run keeps, and not over what is none of ours.

use super::CommandError;
use std::io::Read as _;
use std::path::Path;

/// Folders of a run in which every byte is accounted for.
const KEPT: [&str; 4] = ["journal", "audit", "snapshots", "records"];

/// Files of a run that say what came of it.
const RESULT: [&str; 4] = ["summary.json", "trades.csv", "equity.csv", "prices.csv"];

/// Whether a page may be written here: a new file, or over an older page.
///
/// # Errors
/// Usage, saying what is there.
pub fn page(option: &str, path: &Path) -> Result<(), CommandError> {
    guard(option, path)?;
    let mut head = [0u8; 64];
    let Ok(mut file) = std::fs::File::open(path) else { return Ok(()) };
    let read = file.read(&mut head).unwrap_or(0);
    let head = String::from_utf8_lossy(head.get(..read).unwrap_or_default()).to_lowercase();
    if read == 0 || head.trim_start().starts_with("<!doctype html") {
        return Ok(());
    }
    Err(refused(option, path, "is there already and is no page"))
}

/// Whether a file may be written here that must never take the place of another.
///
/// # Errors
/// Usage, saying what is there.
pub fn fresh(option: &str, path: &Path) -> Result<(), CommandError> {
    guard(option, path)?;
    if path.exists() { Err(refused(option, path, "is there already, and is kept")) } else { Ok(()) }
}

/// What a run keeps is nobody's to write over.
fn guard(option: &str, path: &Path) -> Result<(), CommandError> {
    let whole = path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    let named = |part: &Path, names: &[&str]| names.iter().any(|name| part.file_name().is_some_and(|f| f == *name));
    for folder in whole.ancestors().skip(1) {
        let of_a_run = folder.parent().is_some_and(|run| run.join("journal").is_dir());
        if of_a_run && named(folder, &KEPT) {
            return Err(refused(option, path, "lies in what a run keeps"));
        }
    }
    if whole.parent().is_some_and(|run| run.join("summary.json").exists()) && named(&whole, &RESULT) {
        return Err(refused(option, path, "is part of the result of a run"));
    }
    Ok(())
}

fn refused(option: &str, path: &Path, why: &str) -> CommandError {
    CommandError::usage(format!("{option} {}: {why}: expected another name", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_are_written_over_and_nothing_within_a_run() {
        let dir = std::env::temp_dir().join(format!("bot4-out-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("run/journal")).unwrap();
        std::fs::create_dir_all(dir.join("run/audit")).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        write("old.html", "<!DOCTYPE html>\n<html>");
        write("mine.csv", "a,b\n1,2\n");
        write("run/summary.json", "{}");
        write("run/trades.csv", "a\n");
        let may = |name: &str| page("--out", &dir.join(name)).is_ok();
        assert!(may("new.html") && may("old.html") && may("run/explain-1.html"));
        for name in ["mine.csv", "run/journal/0000000001.seg.zst", "run/audit/x", "run/summary.json", "run/trades.csv"]
        {
            let error = page("--out", &dir.join(name)).unwrap_err();
            assert!(error.message.contains("expected another name"), "{}", error.message);
        }
        assert!(fresh("--out", &dir.join("new.anchor")).is_ok());
        assert!(fresh("--out", &dir.join("old.html")).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
