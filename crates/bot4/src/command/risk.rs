//! `bot4 risk`: backtests of risk models, and risk reports of runs. Nothing here trades or changes a limit.

mod backtest;
mod files;
mod report;
mod series;
mod trail;

use super::CommandError;
use clap::{Args, Subcommand};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The command with its subcommands.
#[derive(Args, Clone, Debug)]
pub struct RiskCommand {
    #[command(subcommand)]
    command: Risk,
}

#[derive(Subcommand, Clone, Debug)]
enum Risk {
    /// Walks models of value at risk and expected shortfall through past returns and counts how often losses passed them.
    Backtest(Box<backtest::RiskBacktestArgs>),
    /// Reports a finished run day by day: profit, drawdown, leverage, forecast losses, refusals, modes, alerts, and what stood out.
    Report(report::RiskReportArgs),
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &RiskCommand, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    match &args.command {
        Risk::Backtest(args) => backtest::run(args, stop),
        Risk::Report(args) => report::run(args),
    }
}
