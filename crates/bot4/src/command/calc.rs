//! `bot4 calc`: bot4's own indicators, statistics and backtests on series that the user brings.
//!
//! In:  a file of cases, or a function's name with parameters and a table; see `bot4 calc --help`.
//! Out: one JSON object per line, or a table.
//! Three ways to ask: `--cases` for files of reference cases, a function's name for one table, `--list` for what there is. What a case
//! expects (`outputs`) is never read: who asks compares.

mod answer;
mod backtest_case;
mod cases;
mod json;
mod show;
mod table;

use super::{CommandError, Exit};
use answer::{CaseError, Column, Kind};
use quant::catalogue::{CalcError, Params};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Options of `bot4 calc`.
///
/// With `--cases`, exit code 1 says that at least one line is an error; every line is written all the same.
#[derive(clap::Args, Clone, Debug)]
pub struct CalcArgs {
    /// What to compute, in upper or lower case; `--list` names what there is.
    #[arg(value_name = "FUNCTION", required_unless_present_any = ["cases", "list"], conflicts_with_all = ["cases", "list"])]
    pub function: Option<String>,
    /// A table with a header, columns separated by comma, semicolon or tab, plain or gzipped.
    #[arg(value_name = "TABLE", requires = "function", required_unless_present_any = ["cases", "list"])]
    pub table: Option<PathBuf>,
    /// A parameter of the function.
    #[arg(long = "param", value_name = "NAME=VALUE", conflicts_with_all = ["cases", "list"])]
    pub params: Vec<String>,
    /// Column of the table that is an input, in the order of the function's inputs; those of the same names if not given.
    #[arg(long = "column", value_name = "NAME", value_delimiter = ',', conflicts_with_all = ["cases", "list"])]
    pub columns: Vec<String>,
    /// A JSON file (plain or gzipped) with `cases`, each with id, function, params and inputs: arrays in place, or
    /// {"csv": path relative to the file, "columns": [...]}. One JSON object per case is written: {"id", "outputs"} or {"id", "error"}.
    #[arg(long, value_name = "FILE")]
    pub cases: Option<PathBuf>,
    /// Only the case of this id.
    #[arg(long, value_name = "ID", conflicts_with_all = ["function", "list"], requires = "cases")]
    pub only: Option<String>,
    /// Lists the functions: names, parameters, inputs, outputs, rows before the first value, formula.
    #[arg(long, conflicts_with = "cases")]
    pub list: bool,
    /// One JSON object per line instead of a table; `--cases` always does.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Usage for what cannot be asked (no such file, not JSON, an unknown id, function or parameter), failure if a computation fails.
pub fn run(args: &CalcArgs) -> Result<(), CommandError> {
    match (&args.cases, &args.function, &args.table) {
        (Some(file), _, _) => run_cases(file, args.only.as_deref()),
        (None, Some(function), Some(table)) => run_one(function, table, args),
        _ if args.list && args.json => write_out(&show::list(true)?),
        _ if args.list => crate::term::print(&show::list(false)?).map_err(CommandError::failed),
        _ => Err(CommandError::usage("nothing is asked: expected FUNCTION TABLE, --cases FILE or --list")),
    }
}

fn write_out(text: &str) -> Result<(), CommandError> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        // Who reads only the first lines has what he wanted.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(CommandError::failed),
    }
}

/// Answers every case of a file, each on its own line.
fn run_cases(path: &Path, only: Option<&str>) -> Result<(), CommandError> {
    let mut file = cases::read(path)?;
    if let Some(id) = only {
        file.cases.retain(|case| case.id == id);
        if file.cases.is_empty() {
            return Err(CommandError::usage(format!("--only {id}: {} has no case of this id", path.display())));
        }
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut texts = table::Texts::new(folder);
    let mut out = BufWriter::new(std::io::stdout().lock());
    let (all, mut failed) = (file.cases.len(), 0usize);
    for case in file.cases {
        let result = case.answer(&mut texts);
        failed += usize::from(result.is_err());
        serde_json::to_writer(&mut out, &json::Line { id: &case.id, result: &result }).map_err(CommandError::failed)?;
        out.write_all(b"\n").map_err(CommandError::failed)?;
    }
    out.flush().map_err(CommandError::failed)?;
    match failed {
        0 => Ok(()),
        _ => Err(CommandError::failed(format!("{failed} of {all} cases could not be answered"))),
    }
}

/// Computes one function over the columns of a table.
fn run_one(function: &str, path: &Path, args: &CalcArgs) -> Result<(), CommandError> {
    let kind = Kind::find(function).map_err(CommandError::usage)?;
    let mut params = Params::new();
    for param in &args.params {
        let (name, value) = param
            .split_once('=')
            .filter(|(name, _)| !name.trim().is_empty())
            .ok_or_else(|| CommandError::usage(format!("--param {param}: expected NAME=VALUE")))?;
        params.push(name.trim(), value.trim());
    }
    let text = table::read_text(path).map_err(CommandError::usage)?;
    let table = table::Table::new(&text, &path.display().to_string()).map_err(CommandError::failed)?;
    let wanted: Vec<&str> = if args.columns.is_empty() {
        kind.inputs().to_vec()
    } else {
        args.columns.iter().map(String::as_str).collect()
    };
    let columns: Vec<Column<'_>> = table.columns(&wanted).map_err(|e| {
        CommandError::usage(format!(
            "{e}; {} takes {}, say --column to choose others",
            kind.name(),
            kind.inputs().join(", ")
        ))
    })?;
    let result = kind
        .answer(&params, &columns)
        .map_err(|error| CommandError { exit: exit_of(&error), message: error.to_string() })?;
    let text = if args.json {
        let object = json::Short { function: kind.name(), params: &params, inputs: &wanted, answer: &result };
        serde_json::to_string(&object).map_err(CommandError::failed)? + "\n"
    } else {
        show::answer(&table, &columns, &result)
    };
    write_out(&text)
}

/// What was asked wrongly is usage; what is wrong with the data is a failure.
fn exit_of(error: &CaseError) -> Exit {
    match error {
        CaseError::Calc(
            CalcError::UnknownFunction { .. }
            | CalcError::UnknownParameter { .. }
            | CalcError::Repeated { .. }
            | CalcError::MissingParameter { .. }
            | CalcError::Kind { .. }
            | CalcError::Range(_)
            | CalcError::Columns { .. },
        )
        | CaseError::Param { .. }
        | CaseError::MissingParam { .. }
        | CaseError::Strategy(_) => Exit::Usage,
        CaseError::Calc(_) | CaseError::Form(_) | CaseError::Table(_) | CaseError::Cell { .. } | CaseError::Run(_) => {
            Exit::Failed
        }
    }
}
