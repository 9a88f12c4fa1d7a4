//! `bot4 report`: the report of a run that has ended, or several runs laid over each other.

use super::CommandError;
use crate::run_files::{REPORT, read, write_report};
use clap::Args;
use monitor::report::{RunReport, figures};
use serde_json::json;
use std::io::Write as _;
use std::path::PathBuf;

/// What to report on.
#[derive(Args, Clone, Debug)]
pub struct ReportArgs {
    /// Folders of runs that have ended. Several are laid over each other.
    #[arg(value_name = "RUN", required = true)]
    pub runs: Vec<PathBuf>,
    /// Where the report goes: report.html in the run's folder, or comparison.html here for several runs, if not said.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// The figures as one JSON object on standard output; a report is written only with --out.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`]: a folder that gives no report, or a file that cannot be written.
pub fn run(args: &ReportArgs) -> Result<(), CommandError> {
    let runs = args.runs.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>().map_err(CommandError::failed)?;
    if let Some(path) = &args.out {
        super::out_file::page("--out", path)?;
    }
    let path = match (&args.out, args.runs.as_slice(), args.json) {
        (Some(out), _, _) => Some(out.clone()),
        (None, _, true) => None,
        (None, [folder], false) => Some(folder.join(REPORT)),
        (None, _, false) => Some(PathBuf::from("comparison.html")),
    };
    if let Some(path) = &path {
        write_report(path, &runs).map_err(CommandError::failed)?;
    }
    let text = if args.json {
        let list: Vec<_> =
            runs.iter().zip(&args.runs).map(|(run, folder)| object(run, &folder.display().to_string())).collect();
        format!("{}\n", json!({ "runs": list }))
    } else {
        let of =
            if runs.len() == 1 { "report of 1 run".to_owned() } else { format!("comparison of {} runs", runs.len()) };
        format!("{of} in {}\n", path.unwrap_or_default().display())
    };
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed)
}

fn object(run: &RunReport, folder: &str) -> serde_json::Value {
    let s = &run.summary;
    json!({
        "name": run.name,
        "folder": folder,
        "run": s.run,
        "risk_profile": s.risk_profile,
        "start_ts": s.start_ts,
        "end_ts": s.end_ts,
        "symbols": s.symbols,
        "strategies": s.strategies,
        "quote": s.quote,
        "digest": s.digest,
        "faults": s.faults,
        "figures": figures(run),
    })
}
