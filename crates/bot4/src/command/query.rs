//! `bot4 query`: asks the query store, brings it up to date, and takes SQL that only reads.

use super::inputs::parse_time;
use super::{CommandError, write_out};
use crate::config::{PAPER, RunArgs, RunSettings};
use crate::query::questions::{self, By, Filter, Question};
use crate::query::sync::{Done, Sync, SyncError};
use crate::query::{FILE, place, place_of};
use crate::runner::run_folder::{Contents, RunFolder};
use crate::term::{self, Table};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::query::{Access, Answer, Place, QueryError, open, put_aside};

/// The command with its subcommands.
#[derive(Args, Clone, Debug)]
pub struct QueryCommand {
    #[command(subcommand)]
    command: Query,
}

#[derive(Subcommand, Clone, Debug)]
enum Query {
    /// Runs in the database, with counts.
    Runs(Ask),
    /// Orders as they stand.
    Orders(Ask),
    /// Executions, with what each realised.
    Fills(Ask),
    /// Positions as they stand, with what each brought.
    Positions(Ask),
    /// Realised profit and loss, fees and funding: of each run, or by day, strategy or instrument.
    Pnl(PnlAsk),
    /// The value of the account by the hour.
    Equity(Ask),
    /// Signals and refusals with their numbers.
    Signals(Ask),
    /// Modes, alerts, limits, controls, recoveries.
    Events(Ask),
    /// Which entry of the audit log says what.
    Audit(Ask),
    /// Brings runs up to date from their journals: those named, or all in the folder of run folders.
    Sync(SyncArgs),
    /// One statement of SQL that reads. Tables: runs, orders, fills, positions, cash, equity, signals, events, audit_index, daily_pnl.
    Sql(SqlArgs),
}

/// Which rows, and how they are shown.
#[derive(Args, Clone, Debug)]
pub struct Ask {
    /// Of this run only: its name, its folder, or the beginning of its number.
    #[arg(long, value_name = "R")]
    pub run: Option<String>,
    /// Of this strategy only: its number, or (the beginning of) its name.
    #[arg(long, value_name = "S")]
    pub strategy: Option<String>,
    /// In this instrument only.
    #[arg(long, value_name = "SYMBOL")]
    pub instrument: Option<String>,
    /// From this time on.
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub to: Option<String>,
    /// Where, how many, and in which form.
    #[command(flatten)]
    pub show: Show,
}

/// The same, with what the result is split by.
#[derive(Args, Clone, Debug)]
pub struct PnlAsk {
    /// What it is split by.
    #[arg(long, value_name = "day|strategy|instrument", hide_possible_values = true)]
    pub by: Option<Split>,
    /// Which rows, and how they are shown.
    #[command(flatten)]
    pub ask: Ask,
}

/// What a result is split by.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Split {
    /// UTC days.
    Day,
    /// Strategies.
    Strategy,
    /// Instruments.
    Instrument,
}

/// Where, how many, and in which form.
#[derive(Args, Clone, Debug)]
pub struct Show {
    /// The database: sqlite, sqlite:FILE or a URL of PostgreSQL; the one of the configuration if not given.
    #[arg(long, value_name = "DATABASE")]
    pub database: Option<String>,
    /// At most so many rows.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    pub limit: usize,
    /// Rows with commas between the values.
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// One JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Options of `sync`.
#[derive(Args, Clone, Debug)]
pub struct SyncArgs {
    /// Folders of runs; all in the folder of run folders if none is named.
    #[arg(value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Takes the rows of these runs out first, and puts a damaged file of SQLite aside.
    #[arg(long)]
    pub rebuild: bool,
    /// The database: sqlite, sqlite:FILE or a URL of PostgreSQL; the one of the configuration if not given.
    #[arg(long, value_name = "DATABASE")]
    pub database: Option<String>,
    /// One JSON object, with times.
    #[arg(long)]
    pub json: bool,
}

/// Options of `sql`.
#[derive(Args, Clone, Debug)]
pub struct SqlArgs {
    /// The statement.
    pub statement: String,
    /// Where, how many, and in which form.
    #[command(flatten)]
    pub show: Show,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(command: &QueryCommand) -> Result<(), CommandError> {
    match &command.command {
        Query::Runs(ask) => answer(Question::Runs, ask, None),
        Query::Orders(ask) => answer(Question::Orders, ask, None),
        Query::Fills(ask) => answer(Question::Fills, ask, None),
        Query::Positions(ask) => answer(Question::Positions, ask, None),
        Query::Equity(ask) => answer(Question::Equity, ask, None),
        Query::Signals(ask) => answer(Question::Signals, ask, None),
        Query::Events(ask) => answer(Question::Events, ask, None),
        Query::Audit(ask) => answer(Question::Audit, ask, None),
        Query::Pnl(pnl) => {
            let by = pnl.by.map(|by| match by {
                Split::Day => By::Day,
                Split::Strategy => By::Strategy,
                Split::Instrument => By::Instrument,
            });
            answer(Question::Pnl, &pnl.ask, by)
        }
        Query::Sync(args) => sync(args),
        Query::Sql(args) => sql(args),
    }
}

/// Settings as a paper run in this folder would have them.
fn settings() -> Result<RunSettings, CommandError> {
    Ok(RunArgs::default().resolve(&PAPER)?.settings)
}

fn database(named: Option<&str>, settings: &RunSettings) -> Result<Place, CommandError> {
    let found = match named {
        Some(text) => place(text, settings.paths.runs().join(FILE)),
        None => place_of(settings),
    };
    found
        .map_err(CommandError::usage)?
        .ok_or_else(|| CommandError::usage("the query database is off (query.database): expected one, or --database"))
}

fn refused(error: QueryError) -> CommandError {
    match error {
        QueryError::Statement { .. } | QueryError::Place { .. } => CommandError::usage(error),
        _ => CommandError::failed(error),
    }
}

fn answer(question: Question, ask: &Ask, by: Option<By>) -> Result<(), CommandError> {
    let time = |name: &str, text: &Option<String>| text.as_deref().map(|t| parse_time(name, t)).transpose();
    let filter = Filter {
        run: ask.run.as_deref().map(run_name).transpose()?,
        strategy: ask.strategy.clone(),
        instrument: ask.instrument.clone(),
        from: time("--from", &ask.from)?,
        to: time("--to", &ask.to)?,
    };
    let place = database(ask.show.database.as_deref(), &settings()?)?;
    let began = Instant::now();
    let mut open = open(&place, Access::Read).map_err(refused)?;
    let found = questions::ask(open.as_mut(), question, &filter, by, ask.show.limit).map_err(refused)?;
    let totals = if question == Question::Pnl { totals(&found).map_err(refused)? } else { Vec::new() };
    show(&ask.show, &place, &found, &totals, began)
}

/// A folder of a run as the number of the run; any other text is a name or the beginning of a number.
fn run_name(text: &str) -> Result<String, CommandError> {
    let journal = RunFolder::at(Path::new(text)).journal();
    if !journal.is_dir() {
        return Ok(text.to_owned());
    }
    let mut reader = store::journal::Reader::open(&journal).map_err(CommandError::failed)?;
    let first = reader.next().map_err(CommandError::failed)?;
    first.map(|record| crate::query::records::run_id(record.body)).ok_or_else(|| {
        CommandError::usage(format!("--run {text}: its journal is empty: expected a run that has begun"))
    })
}

/// Sums of a result, one for each quote asset.
fn totals(answer: &Answer) -> Result<Vec<(String, [String; 4])>, QueryError> {
    let Some(at) = answer.columns.iter().position(|c| c == "quote") else { return Ok(Vec::new()) };
    let quotes: std::collections::BTreeSet<&str> =
        answer.rows.iter().filter_map(|row| row.get(at)?.as_deref()).collect();
    let sums = |quote: &str| {
        let [realised, fees, funding, net] =
            ["realised", "fees", "funding", "net"].map(|column| questions::total(answer, column, quote));
        Ok((quote.to_owned(), [realised?.to_string(), fees?.to_string(), funding?.to_string(), net?.to_string()]))
    };
    quotes.into_iter().map(sums).collect()
}

fn sql(args: &SqlArgs) -> Result<(), CommandError> {
    let place = database(args.show.database.as_deref(), &settings()?)?;
    let began = Instant::now();
    let mut open = open(&place, Access::Read).map_err(refused)?;
    let found = open.select(&args.statement, &[], args.show.limit).map_err(refused)?;
    show(&args.show, &place, &found, &[], began)
}

fn show(
    how: &Show,
    place: &Place,
    answer: &Answer,
    totals: &[(String, [String; 4])],
    began: Instant,
) -> Result<(), CommandError> {
    if how.json {
        let rows: Vec<Value> = answer.rows.iter().map(|row| object(answer, row)).collect();
        let totals: Map<String, Value> = (totals.iter())
            .map(|(quote, [realised, fees, funding, net])| {
                (quote.clone(), json!({"realised": realised, "fees": fees, "funding": funding, "net": net}))
            })
            .collect();
        let mut whole = json!({
            "database": place.to_string(), "columns": answer.columns, "rows": rows, "cut": answer.cut,
            "seconds": began.elapsed().as_secs_f64(),
        });
        if let (false, Some(object)) = (totals.is_empty(), whole.as_object_mut()) {
            object.insert("totals".into(), Value::Object(totals));
        }
        return write_out(&(whole.to_string() + "\n"));
    }
    if answer.cut {
        eprintln!("bot4: only the first {} rows are shown: --limit N shows more", how.limit);
    }
    if how.csv {
        return write_out(&csv(answer));
    }
    let mut table = answer.numeric.iter().fold(Table::new(0), |t, n| if *n { t.right(0) } else { t.left(0) });
    table.row(answer.columns.iter().map(|name| term::styled(term::HEADING, name)));
    for row in &answer.rows {
        table.row(row.iter().map(|cell| cell.as_deref().unwrap_or("-")));
    }
    let mut text = table.render(term::width());
    for (quote, [realised, fees, funding, net]) in totals {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "total {quote}: realised {realised}, fees {fees}, funding {funding}, net {net}");
    }
    term::print(&text).map_err(CommandError::failed)
}

fn object(answer: &Answer, row: &[Option<String>]) -> Value {
    let value = |(cell, whole): (&Option<String>, &bool)| match cell {
        None => Value::Null,
        // Decimals stay text: a number of JSON would be read as a double.
        Some(text) => match text.parse::<i64>() {
            Ok(number) if *whole => number.into(),
            _ => text.as_str().into(),
        },
    };
    Value::Object(answer.columns.iter().cloned().zip(row.iter().zip(&answer.whole).map(value)).collect())
}

fn csv(answer: &Answer) -> String {
    let field = |text: &str| {
        if text.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text.to_owned()
        }
    };
    let mut out = answer.columns.iter().map(|name| field(name)).collect::<Vec<_>>().join(",") + "\n";
    for row in &answer.rows {
        let cells: Vec<String> = row.iter().map(|cell| field(cell.as_deref().unwrap_or_default())).collect();
        out += &(cells.join(",") + "\n");
    }
    out
}

fn sync(args: &SyncArgs) -> Result<(), CommandError> {
    let settings = settings()?;
    let place = database(args.database.as_deref(), &settings)?;
    let runs = if args.runs.is_empty() { all_runs(&settings.paths.runs())? } else { args.runs.clone() };
    if args.rebuild {
        mend(&place).map_err(refused)?;
    }
    let (mut lines, mut failed) = (Vec::new(), None);
    for path in &runs {
        let folder = RunFolder::at(path);
        let outcome = match folder.contents() {
            Ok(Contents::Run(_)) => bring(&folder, &place, args.rebuild, settings.query.signal_days),
            Ok(Contents::Nothing) => Err(format!("{}: no run has begun there", path.display())),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = &outcome {
            eprintln!("bot4: {error}");
            failed.get_or_insert_with(|| error.clone());
        }
        lines.push((path, outcome));
    }
    if args.json {
        let lines: Vec<Value> = lines.iter().map(|(path, outcome)| line(path, outcome)).collect();
        write_out(&(json!({"database": place.to_string(), "runs": lines}).to_string() + "\n"))?;
    } else {
        let mut table = Table::new(0).left(0).right(0).right(0).right(0).left(0);
        table.row(["run", "rows", "records", "rows/s", "state"].map(|name| term::styled(term::HEADING, name)));
        for (path, outcome) in &lines {
            let name = path.display().to_string();
            match outcome {
                Ok(done) => table.row([
                    name,
                    done.rows.to_string(),
                    done.records.to_string(),
                    format!("{:.0}", rate(done)),
                    (if done.complete { "complete" } else { "open" }).to_owned(),
                ]),
                Err(_) => table.row([name, String::new(), String::new(), String::new(), "failed".to_owned()]),
            }
        }
        let text = table.render(term::width()) + &format!("database {place}\n");
        term::print(&text).map_err(CommandError::failed)?;
    }
    failed.map_or(Ok(()), |first| Err(CommandError::failed(format!("not all runs are up to date: {first}"))))
}

/// Rows per second of the time in the database; 0 where nothing was written.
fn rate(done: &Done) -> f64 {
    if done.rows == 0 { 0.0 } else { done.rows as f64 / done.in_database.as_secs_f64().max(1e-9) }
}

fn line(path: &Path, outcome: &Result<Done, String>) -> Value {
    match outcome {
        Ok(done) => json!({
            "run": path, "rows": done.rows, "batches": done.batches, "records": done.records, "complete": done.complete,
            "busy_s": done.busy.as_secs_f64(), "database_s": done.in_database.as_secs_f64(), "rows_per_s": rate(done), "error": null,
        }),
        Err(error) => json!({"run": path, "error": error}),
    }
}

fn bring(folder: &RunFolder, place: &Place, rebuild: bool, signal_days: u64) -> Result<Done, String> {
    let mut sync = Sync::new(folder, place, signal_days);
    let mut all = || -> Result<(), SyncError> {
        if rebuild {
            sync.forget()?;
        }
        sync.step()?;
        sync.expire().map(|_| ())
    };
    all().map_err(|error| format!("{}: {error}", folder.path().display()))?;
    Ok(*sync.done())
}

/// Puts a damaged file aside; what it held is made again from the journals.
fn mend(place: &Place) -> Result<(), QueryError> {
    let looked = open(place, Access::Write).and_then(|mut database| database.check());
    let Err(QueryError::Damaged { what, .. }) = looked else { return looked };
    if let Some(aside) = put_aside(place)? {
        eprintln!("bot4: {place} is damaged ({what}) and lies in {} now; a new one is made", aside.display());
        return Ok(());
    }
    Err(QueryError::Damaged { place: place.to_string(), what })
}

/// Folders of runs in a folder, by name.
fn all_runs(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let entries = std::fs::read_dir(folder).map_err(|e| CommandError::failed(format!("{}: {e}", folder.display())))?;
    let mut runs: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|e| e.path()).filter(|path| path.join("journal").is_dir()).collect();
    runs.sort();
    Ok(runs)
}
