//! `cargo xtask browser`: sees to it that a Chromium is there for the tests that look at pages.
//!
//! Where none is found, the user is root and the system has `apt-get`, it is installed; otherwise it is said plainly that those tests will
//! look at nothing. Neither is a finding: a machine without a browser still tests all else.

use crate::outcome::TaskError;
use crate::packages;
use std::path::{Path, PathBuf};

/// Names of the program, as the tests look for it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The command.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    if !arguments.is_empty() {
        return Err(TaskError::Usage("browser takes no arguments".into()));
    }
    if let Some(path) = found() {
        eprintln!("browser: {}", path.display());
        return Ok(());
    }
    let left_out = |why: &str| eprintln!("browser: NO TEST LOOKS AT PAGES: no Chromium is installed, and {why}");
    if let Err(why) = packages::install(root, "chromium") {
        left_out(&why);
        return Ok(());
    }
    match found() {
        Some(path) => eprintln!("browser: installed {}", path.display()),
        None => left_out("its package has no program of a known name"),
    }
    Ok(())
}

/// Where the program is.
fn found() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("BOT4_CHROMIUM") {
        return Some(path.into());
    }
    search(&std::env::var_os("PATH")?)
}

fn search(path: &std::ffi::OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_on_the_path_by_any_of_its_names() {
        let folder = std::env::temp_dir().join(format!("bot4-browser-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = std::env::join_paths([Path::new("nowhere"), &folder]).unwrap();
        assert_eq!(search(&path), None);
        std::fs::write(folder.join("google-chrome"), "").unwrap();
        assert_eq!(search(&path), Some(folder.join("google-chrome")));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
