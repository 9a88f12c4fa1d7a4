//! Installs a package of the system for tests that need a program, where the user is root and there is `apt-get`.

use std::path::Path;
use std::process::{Command, Stdio};

/// Installs it; why not, where that is not possible.
pub fn install(root: &Path, package: &str) -> Result<(), String> {
    if !is_root() {
        return Err(format!("only root can install it (apt-get install {package})"));
    }
    for step in [&["update"] as &[&str], &["install", "-y", "--no-install-recommends", package]] {
        let mut apt = Command::new("apt-get");
        apt.args(step)
            .current_dir(root)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        match apt.status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("`apt-get {}` failed ({status})", step.join(" "))),
            Err(error) => return Err(format!("apt-get cannot be run: {error}")),
        }
    }
    Ok(())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
