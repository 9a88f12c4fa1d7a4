//! Runs the built program and looks at what it wrote.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a run of the program left.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program, with a folder of keys and a registry of running processes that are not the user's own.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bot4"));
    command.env("XDG_CONFIG_HOME", Path::new(env!("CARGO_TARGET_TMPDIR")).join("config"));
    command.env(bot4::kill::VARIABLE, Path::new(env!("CARGO_TARGET_TMPDIR")).join("registry"));
    // Runs are in a query store where a test looks at one.
    command.env("BOT4_QUERY__DATABASE", "off");
    command
}

/// Runs the program with these arguments.
pub fn bot4<A: AsRef<OsStr>>(args: &[A]) -> Ran {
    let output = program().args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ran {
    /// Standard output as one JSON object per line.
    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }

    /// Holds that the run ended with `code`, said `expected` on standard error, and wrote nothing to standard output.
    #[track_caller]
    pub fn refused(&self, code: i32, expected: &str) {
        assert_eq!(self.code, code, "{}", self.stderr);
        assert!(self.stderr.contains(expected), "{expected:?} is not in {:?}", self.stderr);
        assert_eq!(self.stdout, "");
    }
}

/// A file that comes with these tests.
pub fn beside(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

/// A folder of this test's own, empty.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Reference files beside the checkout, where they are present.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(name);
    path.exists().then_some(path)
}
