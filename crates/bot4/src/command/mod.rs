//! The commands, one file each, and what they share: exit codes, data options, progress.

pub mod audit;
pub mod backtest;
pub mod backup;
pub mod calc;
pub mod completions;
pub mod config;
pub mod costs;
pub mod data;
pub mod explain;
pub mod fees;
pub mod gap;
pub mod gate;
pub mod init;
pub mod inputs;
pub mod keys;
pub mod kill;
pub mod live;
pub mod out_file;
pub mod overrides;
pub mod paper;
pub mod progress;
pub mod query;
pub mod replay;
pub mod report;
pub mod risk;
pub mod route;
pub mod self_assess;
pub mod strategies;

use std::fmt;
use std::io::Write as _;

/// How a command ends, as an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed.
    Failed,
    /// 2: wrong usage or configuration.
    Usage,
    /// 130: stopped by the user (SIGINT).
    Interrupted,
    /// 143: stopped by the system (SIGTERM).
    Terminated,
}

impl Exit {
    /// The code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandError {
    /// The exit code.
    pub exit: Exit,
    /// What was wrong, where, and what was expected.
    pub message: String,
}

impl CommandError {
    /// The command failed.
    #[must_use]
    pub fn failed(error: impl fmt::Display) -> Self {
        Self { exit: Exit::Failed, message: error.to_string() }
    }

    /// The command was asked for something that cannot be.
    #[must_use]
    pub fn usage(error: impl fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: error.to_string() }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CommandError {}

/// Writes to standard output; who reads only the first lines has what he wanted.
fn write_out(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(CommandError::failed),
    }
}
