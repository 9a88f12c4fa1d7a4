//! `bot4 costs`: what the orders of a recorded run cost, estimated before and measured after; and the settings that fills recover.

use super::replay::recorded_start;
use super::{CommandError, out_file, write_out};
use crate::costs::calibrate::{Fitted, Sample, fit_venue};
use crate::costs::groups::BY;
use crate::costs::{self, RunCosts, page, text};
use crate::runner::run_folder::RunFolder;
use clap::{Args, Subcommand, ValueEnum};
use research::fit::Regressor;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Options of the cost analysis.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub struct CostsCommand {
    #[command(subcommand)]
    fit: Option<Costs>,
    #[command(flatten)]
    run: Option<CostsArgs>,
}

#[derive(Subcommand, Clone, Debug)]
enum Costs {
    /// Fits slippage settings of the simulated venue to the fills of one run or of several, with error bars.
    Fit(FitArgs),
}

/// What impact is proportional to, beside the root of the share of the volume.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum LawName {
    /// Nothing: the law of the simulated venue.
    Share,
    /// The volatility of the price.
    Volatility,
}

impl LawName {
    const fn regressor(self) -> Regressor {
        match self {
            Self::Share => Regressor::VolumeShare,
            Self::Volatility => Regressor::Volatility,
        }
    }
}

/// Options of one run.
#[derive(Args, Clone, Debug)]
pub struct CostsArgs {
    /// Folder of the run.
    run: PathBuf,
    /// Groups to show: strategy, venue, symbol, hour, type, liquidity, purpose.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', default_value = "strategy,type,liquidity", value_parser = BY)]
    by: Vec<String>,
    /// Lists each order.
    #[arg(long)]
    orders: bool,
    /// What impact is estimated from: the share of the volume, or that times the volatility.
    #[arg(long, value_name = "LAW", default_value = "share")]
    law: LawName,
    /// Writes a page with charts (costs.html in the folder of the run if no file is named).
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    html: Option<Option<PathBuf>>,
    /// Where the files that the run reads are now, if they were moved; their contents must be the same.
    #[arg(long = "data", value_name = "PATH", num_args = 1..)]
    data: Vec<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// The orders as CSV on standard output.
    #[arg(long)]
    csv: bool,
}

/// Options of a fit.
#[derive(Args, Clone, Debug)]
pub struct FitArgs {
    /// Folders of runs.
    #[arg(required = true)]
    runs: Vec<PathBuf>,
    /// Where the files that the runs read are now, if they were moved; their contents must be the same.
    #[arg(long = "data", value_name = "PATH", num_args = 1..)]
    data: Vec<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code: a folder without a recorded run, a damaged journal, inputs that are missing or have changed.
pub fn run(command: &CostsCommand) -> Result<(), CommandError> {
    match (&command.fit, &command.run) {
        (Some(Costs::Fit(args)), _) => fit(args),
        (None, Some(args)) => show(args),
        (None, None) => Err(CommandError::usage("costs: expected the folder of a run, or `fit` and folders of runs")),
    }
}

fn read(run: &Path, data: &[PathBuf], law: LawName) -> Result<RunCosts, CommandError> {
    let folder = RunFolder::at(run);
    let start = recorded_start(&folder)?;
    costs::read(&folder, start, data, law.regressor())
}

fn show(args: &CostsArgs) -> Result<(), CommandError> {
    let costs = read(&args.run, &args.data, args.law)?;
    if let Some(asked) = &args.html {
        let path = asked.clone().unwrap_or_else(|| args.run.join("costs.html"));
        out_file::page("--html", &path)?;
        std::fs::write(&path, page::page(&costs))
            .map_err(|e| CommandError::failed(format!("{}: {e}", path.display())))?;
        eprintln!("page in {}", path.display());
    }
    if args.json {
        return write_out(&(serde_json::to_string(&costs).map_err(CommandError::failed)? + "\n"));
    }
    if args.csv {
        return write_out(&text::csv(&costs.orders));
    }
    crate::term::print(&text::costs(&costs, &args.by, args.orders)).map_err(CommandError::failed)
}

/// What several runs teach together.
#[derive(Serialize)]
struct FittedRuns {
    runs: Vec<PathBuf>,
    configured: Vec<String>,
    #[serde(flatten)]
    fitted: Fitted,
}

fn fit(args: &FitArgs) -> Result<(), CommandError> {
    let mut samples: Vec<Sample> = Vec::new();
    let (mut left_out, mut configured) = (Vec::<(&'static str, usize)>::new(), Vec::new());
    for run in &args.runs {
        let costs = read(run, &args.data, LawName::Share)?;
        samples.extend(costs.samples);
        configured.push(costs.configured);
        for (reason, count) in costs.calibrated.venue.left_out {
            match left_out.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, sum)) => *sum += count,
                None => left_out.push((reason, count)),
            }
        }
    }
    configured.sort();
    configured.dedup();
    let mut fitted = fit_venue(&samples, left_out, Regressor::VolumeShare);
    if configured.len() > 1 {
        fitted.says += "; the runs were told different slippages, so this is a mean of venues that differ";
    }
    if args.json {
        let all = FittedRuns { runs: args.runs.clone(), configured, fitted };
        return write_out(&(serde_json::to_string(&all).map_err(CommandError::failed)? + "\n"));
    }
    let names: Vec<String> = args.runs.iter().map(|run| run.display().to_string()).collect();
    let body = text::fitted(&fitted, Some(&configured.join(", ")));
    crate::term::print(&format!("slippage fitted to the fills of {}\n{body}", names.join(", ")))
        .map_err(CommandError::failed)
}
