//! Benchmarks: the same runner, engine and venue as `bot4 backtest`, on data in memory, as CPU time (minimum over runs).
//!
//! `cargo xtask bench` prints the machine's facts first and then runs this. Data are seeded candles, trades and quotes; with `--npy DIR`
//! the files of other programs' measurements (`bars.npy`, `trades.npy`, `quotes.npy`) are read instead, so that both sides see the same.

mod catalogue;
mod counting;
mod data;
mod engine_run;
mod gate;
mod gate_edge;
mod groups;
mod guard;
mod journal;
mod loading;
mod measure;
mod metrics;
mod orders;
mod query;
mod recorded;
mod routing;
mod schedule;
mod snapshot;
mod step_time;

use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Benchmarks of bot4.
#[derive(Parser)]
#[command(name = "bench")]
struct Cli {
    /// Folder with bars.npy, trades.npy and quotes.npy; seeded data of the same shape if not given.
    #[arg(long, global = true)]
    npy: Option<PathBuf>,
    /// Runs of each measurement; the fastest counts.
    #[arg(long, global = true, default_value_t = 7)]
    runs: usize,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The engine end to end: candles, trades, quotes; with and without records; risk off and on; twice the fills.
    Engine {
        /// Only the measurements whose name contains this.
        #[arg(long, default_value = "")]
        only: String,
        /// How many candles.
        #[arg(long, default_value_t = 1_000_000)]
        bars: usize,
    },
    /// Two instruments, three strategies, risk and ledger on.
    Combined,
    /// Time of single steps with risk on: median, p99, p99.9.
    Step,
    /// The pre-trade gate: the cached gate, the full check of entries and reductions, verification; with allocations counted.
    Gate,
    /// Orders that are worked: one answer of each schedule, one choice, timer to the part that leaves; with allocations counted.
    Schedule,
    /// Complex orders at the desk: pairs, triggered orders, combinations; with allocations counted.
    Groups,
    /// The guard: a look at an account with 1, 10 and 100 positions.
    Guard,
    /// A snapshot of engine and venue: its size, how long saving and loading take, and appending one command to a journal.
    Snapshot {
        /// How many instruments.
        #[arg(long, default_value_t = 100)]
        instruments: u16,
        /// How many orders work, each at the desk and at the venue.
        #[arg(long, default_value_t = 10_000)]
        orders: usize,
    },
    /// The combined run without a journal, recorded, and held against its record.
    Recorded {
        /// Folder on the file system to measure; the system's folder for temporary files if not given.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// The query store: what following a run costs it, and rows per second into each kind of database.
    Query {
        /// Folder on the file system to measure; the system's folder for temporary files if not given.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// URL of an empty PostgreSQL database to be written into as well.
        #[arg(long)]
        postgres: Option<String>,
    },
    /// The journal: append, group commit beside bare fdatasync, reading.
    Journal {
        /// Folder on the file system to measure; the system's folder for temporary files if not given.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Reading: own files and foreign Parquet, rows a second.
    Load {
        /// Files or folders to read as they are.
        paths: Vec<PathBuf>,
    },
    /// Catalogues: import of CSV rows on one thread, one day and five years of daily bars out of five years of minutes.
    Catalogue {
        /// A catalogue to ask instead of a seeded one; it has to hold minutes of one symbol.
        #[arg(long)]
        root: Option<PathBuf>,
        /// A CSV file of minutes to import instead of a seeded one (Binance's archive without a header).
        #[arg(long)]
        csv: Option<PathBuf>,
    },
    /// From the edge of the kill switch, and from a raise by another process, to the closed gate; what a send under the gate costs.
    GateEdge {
        /// Trials of each.
        #[arg(long, default_value_t = 100_000)]
        trials: usize,
        /// Busy threads beside; measured with none and with as many as there are processors if not given.
        #[arg(long)]
        busy: Option<usize>,
    },
    /// The other process of gate-edge.
    #[command(hide = true)]
    GateRaiser {
        /// The page.
        page: PathBuf,
    },
    /// Risk metrics and clamps: sample, recompute, one order, the chain, an entry at the gate; with allocations counted.
    Metrics,
    /// Fees, order books and routing: lookup, fee of a fill, updates, splits over several books; with allocations counted.
    Routing,
    /// Entries, stops, exits and cancels through order management with journal and audit on, beside so many other orders.
    Orders {
        /// Folder on the file system to measure; the system's folder for temporary files if not given.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Quotes, each of which enters or leaves a position.
        #[arg(long, default_value_t = 40_000)]
        rounds: u64,
        /// Other orders at work, one measurement for each number.
        #[arg(long, value_delimiter = ',', default_value = "0,100,1000,5000")]
        others: Vec<usize>,
    },
    /// Writes the candles as bot4's own file, for measuring the program from its start.
    Export {
        /// The file.
        out: PathBuf,
    },
}

fn main() {
    let cli = Cli::parse();
    let result = match &cli.what {
        What::Engine { only, bars } => engine_run::all(cli.npy.as_deref(), cli.runs, only, *bars),
        What::Combined => engine_run::combined(cli.runs),
        What::Step => step_time::run(),
        What::Gate => gate::run(),
        What::Schedule => schedule::run(),
        What::Groups => groups::run(),
        What::Guard => guard::run(cli.runs),
        What::Snapshot { instruments, orders } => snapshot::run(cli.runs, *instruments, *orders),
        What::Recorded { dir } => recorded::run(dir.as_deref(), cli.runs),
        What::Query { dir, postgres } => query::run(dir.as_deref(), postgres.as_deref(), cli.runs),
        What::Journal { dir } => journal::run(dir.as_deref(), cli.runs),
        What::Load { paths } => loading::run(paths, cli.runs),
        What::Catalogue { root, csv } => catalogue::run(root.as_deref(), csv.as_deref(), cli.runs),
        What::GateEdge { trials, busy } => gate_edge::run(*trials, *busy),
        What::GateRaiser { page } => gate_edge::raiser(page),
        What::Metrics => metrics::run(),
        What::Routing => routing::run(),
        What::Orders { dir, rounds, others } => orders::run(dir.as_deref(), *rounds, others),
        What::Export { out } => loading::export(cli.npy.as_deref(), out),
    };
    if let Err(error) = result {
        eprintln!("bench: {error}");
        std::process::exit(1);
    }
}
