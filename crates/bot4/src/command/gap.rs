//! `bot4 gap`: a recorded session beside the backtest that would have been believed, and what made the difference.
//!
//! The session's data are played again under each set of assumptions; the record itself is the last word. Nothing in the folder is changed.

use super::replay::recorded_start;
use super::{CommandError, out_file, write_out};
use crate::gap::{self, Asked, text};
use crate::runner::run_folder::RunFolder;
use crate::term;
use clap::Args;
use monitor::report::gap_page;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What is reported on.
#[derive(Args, Clone, Debug)]
pub struct GapArgs {
    /// Folder of the recorded run.
    pub run: PathBuf,
    /// Plays the ladder of assumptions from both ends only: fewer playings, a range of two orders, no mean.
    #[arg(long)]
    pub quick: bool,
    /// How many of the largest differences of single orders the page and the JSON object hold.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub differences: usize,
    /// Where the files that the run reads are now, if they were moved; their contents must be the same.
    #[arg(long = "data", value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Writes a page with pictures of the parts and of both curves.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Playings at a time: each holds a run's data in memory.
const THREADS_MAX: usize = 4;

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &GapArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    if let Some(path) = &args.html {
        out_file::page("--html", path)?;
    }
    let folder = RunFolder::at(&args.run);
    let start = recorded_start(&folder)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let asked = Asked { data: &args.data, every_order: !args.quick, differences: args.differences, threads };
    let report = gap::report(&folder, start, asked, stop)?;
    if let Some(path) = &args.html {
        std::fs::write(path, gap_page(&report))
            .map_err(|error| CommandError::failed(format!("--html {}: {error}", path.display())))?;
    }
    if args.json {
        return write_out(&(serde_json::to_string(&report).map_err(CommandError::failed)? + "\n"));
    }
    let page = args.html.as_ref().map_or_else(String::new, |path| format!("\npage in {}\n", path.display()));
    term::print(&(text::text(&report, term::width()) + &page)).map_err(CommandError::failed)
}
