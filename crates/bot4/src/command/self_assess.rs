//! `bot4 self-assess`: the report on controls, from recorded evidence alone.

use super::gate::{Scratch, now_s, settings};
use super::{CommandError, write_out};
use crate::assess::{assess, gather};
use crate::term;
use clap::Args;
use std::path::PathBuf;

/// Options of the self-assessment.
#[derive(Args, Clone, Debug)]
pub struct SelfAssessArgs {
    /// Folder of run folders; that of the configuration if not given.
    #[arg(long, value_name = "DIR")]
    pub runs: Option<PathBuf>,
    /// Writes the text (or with --json the JSON) into a new file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Configuration file; as for a run if not given.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// If the configuration is none, or the report cannot be written. What the report says is no failure.
pub fn run(args: &SelfAssessArgs) -> Result<(), CommandError> {
    if let Some(path) = &args.out {
        // An older assessment is a record: it is never written over.
        super::out_file::fresh("--out", path)?;
    }
    let settings = settings(args.config.as_ref())?;
    let runs = args.runs.clone().unwrap_or_else(|| settings.paths.runs());
    if args.runs.is_some() && !runs.is_dir() {
        return Err(CommandError::usage(format!("--runs {}: expected a folder", runs.display())));
    }
    let scratch = Scratch::of(&settings);
    let assessment = assess(&settings, gather(&runs), &scratch.0, now_s()?)?;
    let text = |width| {
        if args.json {
            serde_json::to_string(&assessment).map(|json| json + "\n").map_err(CommandError::failed)
        } else {
            Ok(assessment.text(width))
        }
    };
    let Some(path) = &args.out else {
        return if args.json {
            write_out(&text(None)?)
        } else {
            term::print(&text(term::width())?).map_err(CommandError::failed)
        };
    };
    // A file has no colours, and lines of a width that can be read everywhere.
    let plain = anstream::adapter::strip_str(&text(Some(FILE_WIDTH))?).to_string();
    std::fs::write(path, plain).map_err(|e| CommandError::failed(format!("{}: {e}", path.display())))?;
    write_out(&format!("self-assessment of {} recorded runs in {}\n", assessment.totals.runs, path.display()))
}

/// Characters in a line of a report's file.
const FILE_WIDTH: usize = 120;
