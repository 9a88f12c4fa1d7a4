//! The program: reads the command line, runs a command, and says by its exit code how it went.
//!
//! 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted. Results go to standard output, errors to standard error.

use bot4::command::{self, CommandError, Exit};
use bot4::config::RunArgs;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A deterministic crypto trading engine: backtest, replay, paper and live are one.
#[derive(Parser)]
#[command(name = "bot4", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trades the bundled (or other) data on paper, through the whole pipeline, with the limits of live trading.
    Paper(Box<command::paper::PaperArgs>),
    /// Runs strategies on stored data.
    Backtest(Box<RunArgs>),
    /// Plays a recorded run again, and holds every decision against the record.
    Replay(command::replay::ReplayArgs),
    /// Writes the report of a run, or lays several runs over each other.
    Report(command::report::ReportArgs),
    /// Computes indicators, statistics and reference cases.
    Calc(command::calc::CalcArgs),
    /// Lists the strategies and their parameters.
    Strategies {
        /// One JSON array on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Looks at data files.
    Data(command::data::DataCommand),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and are no error.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return ExitCode::from(code.code());
        }
    };
    if let Err(error) = store::failpoint::arm_from_env() {
        eprintln!("bot4: {error}");
        return ExitCode::from(Exit::Usage.code());
    }
    let stop = Arc::new(AtomicBool::new(false));
    let result = on_interrupt(&stop).and_then(|()| match &cli.command {
        Command::Paper(args) => command::paper::run(args, &stop),
        Command::Backtest(args) => command::backtest::run(args, &stop),
        Command::Replay(args) => command::replay::run(args, &stop),
        Command::Report(args) => command::report::run(args),
        Command::Calc(args) => command::calc::run(args),
        Command::Strategies { json } => command::strategies::run(*json),
        Command::Data(args) => command::data::run(args, &stop),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bot4: {error}");
            ExitCode::from(error.exit.code())
        }
    }
}

/// The first interrupt asks the run to stop; the second ends the program at once.
fn on_interrupt(stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let stop = Arc::clone(stop);
    ctrlc::set_handler(move || {
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(Exit::Interrupted.code()));
        }
    })
    .map_err(CommandError::failed)
}
