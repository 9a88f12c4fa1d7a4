//! `bot4 backup`: a copy of a run that can be gone on from, taken while it may be running.

use super::{CommandError, replay, write_out};
use crate::backup::{self, Backup};
use crate::runner::run_folder::RunFolder;
use crate::term::{self, Table};
use clap::Args;
use serde::Serialize;
use std::path::PathBuf;

/// What is copied where.
#[derive(Args, Clone, Debug)]
pub struct BackupArgs {
    /// Folder of the run.
    pub run: PathBuf,
    /// A new or empty folder, on another disk where it is to survive the loss of one.
    pub to: PathBuf,
    /// Decides the whole run again from the copy, and compares; needs the data that the run reads.
    #[arg(long)]
    pub verify: bool,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    backup: Backup,
    /// Whether a replay of the copy decided everything as recorded; null where none was asked for.
    verified: Option<bool>,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &BackupArgs) -> Result<(), CommandError> {
    let backup = backup::take(&args.run, &args.to)?;
    let replayed = match args.verify {
        true => Some(replay::verify(&RunFolder::at(&args.to))?),
        false => None,
    };
    let verified = replayed.as_ref().map(|replayed| replayed.equal);
    let answer = Answer { backup, verified };
    if args.json {
        write_out(&(serde_json::to_string(&answer).map_err(CommandError::failed)? + "\n"))?;
    } else {
        term::print(&text(&answer)).map_err(CommandError::failed)?;
    }
    match verified {
        Some(false) => Err(CommandError::failed(format!("{}: the copy is not as recorded", args.to.display()))),
        _ => Ok(()),
    }
}

fn text(answer: &Answer) -> String {
    let b = &answer.backup;
    let mut table = Table::new(0).left(12).text();
    table.row(["copy of".to_owned(), b.run.display().to_string()]);
    table.row(["in".to_owned(), b.backup.display().to_string()]);
    table.row(["files".to_owned(), format!("{} ({} bytes)", b.files, b.bytes)]);
    let torn = match b.torn_bytes {
        0 => String::new(),
        bytes => format!(", and {bytes} bytes of a record that was being written"),
    };
    let ended = if b.complete { ", complete" } else { "" };
    table.row(["journal".to_owned(), format!("to event {}{ended}{torn}", b.event)]);
    let snapshot =
        b.snapshot.map_or_else(|| "none: a resume begins at the beginning".to_owned(), |seq| format!("of event {seq}"));
    table.row(["snapshot".to_owned(), snapshot]);
    let verified = match answer.verified {
        None => "not asked for (--verify)",
        Some(true) => "every event and every command is as recorded",
        Some(false) => "NOT as recorded",
    };
    table.row(["replay".to_owned(), verified.to_owned()]);
    let restore = format!("bot4 paper --resume {}", b.backup.display());
    table.row(["restore with".to_owned(), if b.complete { "nothing: the run has ended".to_owned() } else { restore }]);
    table.render(term::width())
}
