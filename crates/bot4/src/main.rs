//! The program: reads the command line, runs a command, and says by its exit code how it went.
//!
//! 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted, 143 terminated. Results go to standard output, errors to standard error.

use bot4::command::{self, CommandError, Exit};
use bot4::config::RunArgs;
use bot4::{log, signals, term};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A deterministic crypto trading engine: backtest, replay, paper and live are one.
#[derive(Parser)]
#[command(
    name = "bot4",
    version,
    after_help = "\
Examples:
  bot4 paper                                   trades the bundled minutes, without any configuration
  bot4 backtest --strategy sma-cross           a strategy on the bundled minutes
  bot4 init                                    writes a commented bot4.toml
  bot4 help backtest                           all options of a command

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 130 interrupted, 143 terminated."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Colours: auto (on terminals, unless NO_COLOR is set), always or never.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    color: term::Colour,
    /// Levels of the log on standard error: off, error, warn (the default), info, debug or trace, and by module: info,bot4::orders=debug.
    #[arg(long, global = true, value_name = "LEVELS")]
    log: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Trades the bundled (or other) data on paper, through the whole pipeline, with the limits of live trading.
    #[command(after_help = "\
Examples:
  bot4 paper
  bot4 paper --from 2021-05-01 --to 2021-06-01 --out runs/may
  bot4 paper --strategy donchian:bar=4h,entry=30 --cash 50000 --speed 60x
  bot4 paper --resume runs/may
  BOT4_RUN__CASH=50000 bot4 paper --config bot4.toml --json")]
    Paper(Box<command::paper::PaperArgs>),
    /// Runs strategies on stored data.
    #[command(after_help = "\
Examples:
  bot4 backtest --strategy sma-cross:fast=20,slow=50
  bot4 backtest --data candles.csv --symbol BTCUSDT --interval 1m --strategy donchian --slippage bps:5
  bot4 backtest --strategy sma-cross --risk off --size all-in --json
  bot4 backtest --config bot4.toml --out runs/first")]
    Backtest(Box<RunArgs>),
    /// Stops running bot4 processes of this user from opening risk, also where their engines hang.
    #[command(after_help = "\
Examples:
  bot4 kill                                  every running bot4 of this user
  bot4 kill --run runs/may --flatten         one run; its positions are closed
  bot4 kill --json

It raises the gate word of each process: from then on only orders that reduce positions, and cancels, leave it, whether its engine
answers or hangs. An engine that answers takes back its entries and, with --flatten, closes positions; protective stops stay unless
--including-stops is given. A run that dies before it has recorded this starts in emergency when it is resumed. Only a re-arm opens
the gate again. It takes no lock and reads no configuration. SIGUSR1 to a process does the same, SIGUSR2 with --flatten.

It reaches processes on this machine. What lies at a venue it cannot take back by itself: that arrives with the gateways.

Exit codes: 0 all that was meant is stopped; 1 nothing was found, or something could not be reached (the rest is stopped all the same).")]
    Kill(command::kill::KillArgs),
    /// Plays a recorded run again, and holds every decision against the record.
    #[command(after_help = "\
Examples:
  bot4 replay runs/may
  bot4 replay runs/may --verify
  bot4 replay runs/may --until 120000 --json")]
    Replay(command::replay::ReplayArgs),
    /// Writes the report of a run, or lays several runs over each other.
    #[command(after_help = "\
Examples:
  bot4 report runs/may
  bot4 report runs/april runs/may --out comparison.html
  bot4 report runs/may --json")]
    Report(command::report::ReportArgs),
    /// Says how far a recorded run and its backtest are apart, and what made the difference: fees, slippage, latency, queue, rejects, signal.
    #[command(after_help = "\
Examples:
  bot4 gap runs/may
  bot4 gap runs/may --html gap.html
  bot4 gap runs/may --quick --json")]
    Gap(command::gap::GapArgs),
    /// Backtests risk models on past prices, and reports the risk of a run day by day.
    #[command(after_help = "\
Examples:
  bot4 risk backtest
  bot4 risk backtest --data data/catalogue --symbol BTCUSDT,ETHUSDT --from 2020-01-01 --level 95,99 --out risk/
  bot4 risk backtest --weights BTCUSDT=0.6,ETHUSDT=0.4 --model historical,filtered --horizon 4h
  bot4 risk report runs/may
  bot4 risk report runs/may --against runs/april --json")]
    Risk(command::risk::RiskCommand),
    /// Copies a run, also while it runs, so that the copy can be gone on from.
    #[command(after_help = "\
Examples:
  bot4 backup runs/may ../backup/may
  bot4 backup runs/may ../backup/may --verify --json")]
    Backup(command::backup::BackupArgs),
    /// Looks at the audit log of a run, verifies it, and takes an anchor of it.
    #[command(after_help = "\
Examples:
  bot4 audit verify runs/may
  bot4 audit show runs/may --kind refused --symbol BTCUSDT
  bot4 audit anchor runs/may --out may.anchor
  bot4 audit verify runs/may --anchor may.anchor")]
    Audit(command::audit::AuditCommand),
    /// Asks orders, fills, positions, results and the rest of all runs, as tables, CSV or JSON, or with SQL.
    #[command(after_help = "\
Examples:
  bot4 query runs
  bot4 query pnl --run may --by day
  bot4 query fills --instrument BTCUSDT --from 2021-05-19 --to 2021-05-20 --csv
  bot4 query sql \"SELECT reason, count(*) FROM signals WHERE kind = 'refusal' GROUP BY reason\"
  bot4 query sync runs/may
  bot4 query sync --rebuild")]
    Query(command::query::QueryCommand),
    /// What a named key holder says to a running bot4: signed, once, for a few minutes, and only to make it stricter or to re-arm it.
    #[command(after_help = "\
Examples:
  bot4 override keygen --holder anna --role operator --out anna.key
  bot4 override sign --key anna.key --act halt | bot4 override send --run runs/may -")]
    Override(command::overrides::OverrideCommand),
    /// Looks at everything that must hold before live trading. Exit code 1 if something does not.
    #[command(after_help = "\
Examples:
  bot4 gate
  bot4 gate --json
  bot4 gate confirm --key anna.key")]
    Gate(command::gate::GateCommand),
    /// Trades live, once the gate passes and a venue can be connected: today it says what is missing.
    #[command(after_help = "\
Examples:
  bot4 live
  bot4 live --json")]
    Live(command::gate::LookArgs),
    /// Writes a report on what was run, who had a word in it, and how each control stands, from recorded evidence.
    #[command(after_help = "\
Examples:
  bot4 self-assess
  bot4 self-assess --json --out assessment.json")]
    SelfAssess(command::self_assess::SelfAssessArgs),
    /// Says why an order left, or why a signal was refused, and what became of it.
    #[command(after_help = "\
Examples:
  bot4 explain runs/may                      the orders of the run
  bot4 explain runs/may 17                   why order 17 left, and what became of it
  bot4 explain runs/may last --html          the same with a picture
  bot4 explain runs/may --refusals           what was refused
  bot4 explain runs/may --refusal 40721      why
  bot4 explain runs/may --seq 40721 --json   everything that happened at one event")]
    Explain(command::explain::ExplainArgs),
    /// What venues charge by tier, and what a recorded run paid and would have paid elsewhere.
    #[command(after_help = "\
Examples:
  bot4 fees                                            the schedules that are known
  bot4 fees --venue binance_spot,kraken_spot --volume 2000000 --held 30
  bot4 fees --pair BTCUSDT --price 60000 --quantity 0.5 --discount
  bot4 fees --schedule mine.json --venue mine
  bot4 fees runs/may                                   the fees of a run, held against its ledger
  bot4 fees runs/may --venue okx_spot --json")]
    Fees(command::fees::FeesArgs),
    /// Splits an order over the books of several venues at least cost, fees, lots and minima reckoned in.
    #[command(after_help = "\
Examples:
  bot4 route --side buy --quantity 2.5 --book binance_spot=binance.json --book okx_spot=okx.json,tier=VIP1
  bot4 route --side sell --quantity 10 --book binance_spot=ticks.txt.gz@2024-08-08T23:58:00Z,lot=0.00001,notional=5
  bot4 route --side buy --quantity 1 --book a=a.csv,taker=0.001 --book b=b.csv,taker=0.0008,penalty=0.0002 --fill 0.6:1:3

Books come from files; nothing is sent. Exit code 1 if no venue is usable.")]
    Route(command::route::RouteArgs),
    /// Says what the orders of a recorded run cost, what they were estimated to cost before, and which settings their fills recover.
    #[command(after_help = "\
Examples:
  bot4 costs runs/may                              parts of the cost, groups, how good estimates were
  bot4 costs runs/may --by hour,symbol --orders    each order
  bot4 costs runs/may --html                       the same as a page with charts
  bot4 costs runs/may --csv > costs.csv
  bot4 costs fit runs/april runs/may               slippage settings with error bars, to paste into a run")]
    Costs(command::costs::CostsCommand),
    /// Computes indicators, statistics and reference cases.
    #[command(after_help = "\
Examples:
  bot4 calc --list
  bot4 calc sma prices.csv --param period=20 --column close
  bot4 calc --cases cases.json")]
    Calc(command::calc::CalcArgs),
    /// Lists the strategies and their parameters.
    #[command(after_help = "\
Examples:
  bot4 strategies
  bot4 strategies --json")]
    Strategies {
        /// One JSON array on standard output.
        #[arg(long)]
        json: bool,
    },
    /// Takes data in, lists it, shows it, checks it.
    #[command(after_help = "\
Examples:
  bot4 data import BTCUSDT-1m-2024-*.zip --to data/catalogue
  bot4 data import user_data/data/binance --to data/catalogue
  bot4 data import prices.csv --to data/catalogue --venue binance_spot --symbol BTCUSDT --interval 1h --map time=Date,volume=Vol
  bot4 data list data/catalogue
  bot4 data show data/catalogue --symbol BTCUSDT --scenario crash-2021-05-19
  bot4 data check candles/ --symbol BTCUSDT --json
  bot4 backtest --data data/catalogue --symbol BTCUSDT --kind candles --interval 1m --strategy sma-cross")]
    Data(command::data::DataCommand),
    /// Shows, checks and compares configurations.
    #[command(after_help = "\
Examples:
  bot4 config show
  bot4 config check bot4.toml
  bot4 config diff bot4.toml other.toml

Values come from defaults, then a file (--config, else bot4.toml here, else the one named by BOT4_CONFIG), then variables
(BOT4_RUN__CASH=5000 says run.cash), then arguments; the later one holds.")]
    Config(command::config::ConfigCommand),
    /// Writes a commented configuration file with every key and its default.
    #[command(after_help = "\
Examples:
  bot4 init
  bot4 init my-runs --force")]
    Init(command::init::InitArgs),
    /// Writes the completions of a shell to standard output.
    #[command(after_help = "\
Examples:
  bot4 completions bash > ~/.local/share/bash-completion/completions/bot4
  bot4 completions zsh > ~/.zfunc/_bot4
  bot4 completions fish > ~/.config/fish/completions/bot4.fish")]
    Completions(command::completions::CompletionsArgs),
    /// Writes the manual pages.
    #[command(after_help = "\
Examples:
  bot4 man | man -l -
  bot4 man ~/.local/share/man/man1")]
    Man(command::completions::ManArgs),
}

fn main() -> ExitCode {
    let colour = term::Colour::of_arguments(std::env::args_os().filter_map(|a| a.into_string().ok()));
    colour.apply();
    let parsed = Cli::command().color(colour.of_help()).try_get_matches().and_then(|m| Cli::from_arg_matches(&m));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and are no error.
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            let _ = error.print();
            return ExitCode::from(code.code());
        }
    };
    if let Err(error) = store::failpoint::arm_from_env() {
        term::complain(&error.to_string());
        return ExitCode::from(Exit::Usage.code());
    }
    cli.color.apply();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            term::complain(&error.to_string());
            ExitCode::from(error.exit.code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CommandError> {
    let stop = Arc::new(AtomicBool::new(false));
    signals::listen(&stop).map_err(CommandError::failed)?;
    let levels = cli.log;
    let said = levels.clone();
    let plain = || log::start_plain(said.as_deref());
    match cli.command {
        // A run's log has its folder and levels from the run's settings.
        Command::Paper(mut args) => {
            args.run.log = levels;
            command::paper::run(&args, &stop)
        }
        Command::Backtest(mut args) => {
            args.log = levels;
            command::backtest::run(&args, &stop)
        }
        // Nothing that can be wrong with a log or a configuration is in its way.
        Command::Kill(args) => command::kill::run(&args),
        Command::Replay(args) => plain().and_then(|_log| command::replay::run(&args, &stop)),
        Command::Costs(args) => plain().and_then(|_log| command::costs::run(&args)),
        Command::Explain(args) => plain().and_then(|_log| command::explain::run(&args, &stop)),
        Command::Report(args) => plain().and_then(|_log| command::report::run(&args)),
        Command::Backup(args) => plain().and_then(|_log| command::backup::run(&args)),
        Command::Gap(args) => plain().and_then(|_log| command::gap::run(&args, &stop)),
        Command::Risk(args) => plain().and_then(|_log| command::risk::run(&args, &stop)),
        Command::Override(args) => plain().and_then(|_log| command::overrides::run(&args)),
        Command::Gate(args) => plain().and_then(|_log| command::gate::run(&args)),
        Command::Live(args) => plain().and_then(|_log| command::live::run(&args)),
        Command::SelfAssess(args) => plain().and_then(|_log| command::self_assess::run(&args)),
        Command::Query(args) => plain().and_then(|_log| command::query::run(&args)),
        Command::Audit(args) => plain().and_then(|_log| command::audit::run(&args)),
        Command::Fees(args) => plain().and_then(|_log| command::fees::run(&args)),
        Command::Route(args) => plain().and_then(|_log| command::route::run(&args)),
        Command::Calc(args) => plain().and_then(|_log| command::calc::run(&args)),
        Command::Strategies { json } => plain().and_then(|_log| command::strategies::run(json)),
        Command::Data(args) => plain().and_then(|_log| command::data::run(&args, &stop)),
        Command::Config(args) => plain().and_then(|_log| command::config::run(&args, said.as_deref())),
        Command::Init(args) => plain().and_then(|_log| command::init::run(&args)),
        Command::Completions(args) => plain().and_then(|_log| command::completions::completions(&args, Cli::command())),
        Command::Man(args) => plain().and_then(|_log| command::completions::man(&args, Cli::command())),
    }
}
