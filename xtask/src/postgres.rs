//! `cargo xtask postgres`: sees to it that a PostgreSQL server is there for the tests of the query store.
//!
//! The tests start servers of their own, each on its folder and port, and stop them; here only the programs are looked for, and installed
//! where the user is root and the system has `apt-get`. Where there are none it is said plainly that those tests will not run: that is no
//! finding, a machine without a server still tests all else.

use crate::outcome::TaskError;
use crate::packages;
use std::path::{Path, PathBuf};

/// What the tests start, and what they ask the server with.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];
const CLIENT: &str = "psql";

/// The command.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    if !arguments.is_empty() {
        return Err(TaskError::Usage("postgres takes no arguments".into()));
    }
    if found().is_none() {
        let left_out =
            |why: &str| eprintln!("postgres: NO TEST WRITES INTO A SERVER: no PostgreSQL is installed, and {why}");
        if let Err(why) = packages::install(root, "postgresql") {
            left_out(&why);
            return Ok(());
        }
        if found().is_none() {
            left_out("its package has no programs in a known place");
            return Ok(());
        }
    }
    if let Some(path) = found() {
        eprintln!("postgres: {}", path.display());
    }
    Ok(())
}

/// The folder of the server's programs, if the client is there too: named, packaged, or on the path.
fn found() -> Option<PathBuf> {
    let path: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let named = std::env::var_os("BOT4_POSTGRES").map(PathBuf::from);
    let packaged = Path::new("/usr/lib/postgresql");
    path.iter().any(|folder| folder.join(CLIENT).is_file()).then(|| search(named, packaged, &path))?
}

fn search(named: Option<PathBuf>, packaged: &Path, path: &[PathBuf]) -> Option<PathBuf> {
    let versions = std::fs::read_dir(packaged).into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    versions.sort();
    versions.reverse();
    let all = named.into_iter().chain(versions).chain(path.iter().cloned());
    all.into_iter().find(|folder| PROGRAMS.iter().all(|program| folder.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_packaged_server_comes_before_the_path() {
        let folder = std::env::temp_dir().join(format!("bot4-postgres-{}", std::process::id()));
        let bin = |name: &str| folder.join("lib").join(name).join("bin");
        let path = [folder.join("path")];
        assert_eq!(search(None, &folder.join("lib"), &path), None);
        for place in [path[0].clone(), bin("15"), bin("17")] {
            std::fs::create_dir_all(&place).unwrap();
            PROGRAMS.iter().for_each(|program| std::fs::write(place.join(program), "").unwrap());
        }
        assert_eq!(search(None, &folder.join("lib"), &path), Some(bin("17")));
        assert_eq!(search(None, &folder.join("nowhere"), &path), Some(path[0].clone()));
        assert_eq!(search(Some(bin("15")), &folder.join("lib"), &path), Some(bin("15")));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
