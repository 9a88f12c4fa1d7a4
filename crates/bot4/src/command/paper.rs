//! `bot4 paper`: the whole pipeline on simulated money, with the limits of live trading; runs without any configuration.

use super::CommandError;
use super::backtest::{execute, run_id};
use crate::config::{PAPER, RunArgs};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Runs the command: on the bundled minutes of BTC and ETH if no data is named, into `runs/<id>` if no folder is.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &RunArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let mut args = args.clone();
    if args.out.is_none() {
        args.out = Some(PathBuf::from("runs").join(run_id()));
    }
    execute(&args, &PAPER, stop)
}
