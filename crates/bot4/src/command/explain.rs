//! `bot4 explain`: why an order of a recorded run left, or why a signal was refused, and what became of it.
//!
//! The story is found by playing the run again from the nearest snapshot before it, with a listener; nothing in the folder is changed.

use super::CommandError;
use super::replay::recorded_start;
use crate::explain::scan::{Index, OrderLine, RefusalLine};
use crate::explain::story::Names;
use crate::explain::{Source, Told, picture, text};
use crate::runner::recorded::{self, At};
use crate::runner::run_folder::RunFolder;
use clap::Args;
use domain::ClientOrderId;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Options of an explanation.
#[derive(Args, Clone, Debug)]
pub struct ExplainArgs {
    /// Folder of the run.
    pub run: PathBuf,
    /// The order: its number (17), its client order id (32 hexadecimal digits), or `last`. Without one the orders are listed.
    #[arg(conflicts_with_all = ["refusal", "refusals", "seq"])]
    pub order: Option<String>,
    /// Explains a refusal instead: the number of its event; 1234.2 is the second one of event 1234.
    #[arg(long, value_name = "EVENT", conflicts_with_all = ["refusals", "seq"])]
    pub refusal: Option<String>,
    /// Lists the refusals.
    #[arg(long, conflicts_with = "seq")]
    pub refusals: bool,
    /// Tells everything that happened at the event of this number (they count from 1).
    #[arg(long, value_name = "EVENT")]
    pub seq: Option<u64>,
    /// Writes a page with a picture of the prices around it (explain-NUMBER.html in the folder of the run if no file is named).
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["refusals", "seq"])]
    pub html: Option<Option<PathBuf>>,
    /// Where the files that the run reads are now, if they were moved; their contents must be the same.
    #[arg(long = "data", value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// One JSON object on standard output; a list of orders or refusals is one array.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &ExplainArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let folder = RunFolder::at(&args.run);
    let start = recorded_start(&folder)?;
    let wants_refusals = args.refusals || args.refusal.is_some();
    let index = Index::read(&folder.journal(), wants_refusals).map_err(CommandError::failed)?;
    let source = Source { folder: &folder, start: &start, index: &index, data: &args.data, stop };
    if let Some(seq) = args.seq {
        if seq == 0 {
            return Err(CommandError::usage("--seq 0: events count from 1"));
        }
        let moment = source.moment(seq)?;
        return print(args.json, &moment, || text::moment(&moment));
    }
    if let Some(asked) = &args.refusal {
        let line = find_refusal(&index, asked)?;
        return tell(args, &source.refusal(line)?, &format!("refusal-{}", line.seq));
    }
    if let Some(asked) = &args.order {
        let line = find_order(&index, asked)?;
        return tell(args, &source.order(line)?, &line.ordinal().to_string());
    }
    if args.html.is_some() {
        return Err(CommandError::usage("--html: expected an order or --refusal to make a picture of"));
    }
    // Names are needed of what is listed; nothing is played.
    let opened = recorded::open(&folder, start.clone(), &args.data, At::Beginning, false)?;
    let names = Names::new(&opened, &index);
    if args.refusals {
        let facts: Vec<RefusalRow> = index.refusals.iter().map(|line| RefusalRow::new(&names, line)).collect();
        return print(args.json, &facts, || text::refusals(&names, &index.refusals));
    }
    let facts: Vec<OrderRow> = index.orders.iter().map(|line| OrderRow::new(&names, line)).collect();
    print(args.json, &facts, || text::orders(&names, &index))
}

/// An order in a list.
#[derive(Serialize)]
struct OrderRow {
    symbol: String,
    strategy: u16,
    #[serde(flatten)]
    order: crate::explain::facts::OrderFacts,
}

impl OrderRow {
    fn new(names: &Names<'_>, line: &OrderLine) -> Self {
        Self { symbol: names.symbol(line.spec.instrument), strategy: line.spec.strategy.0, order: names.order(line) }
    }
}

/// A refusal in a list.
#[derive(Serialize)]
struct RefusalRow {
    symbol: String,
    strategy: u16,
    intent: domain::Intent,
    #[serde(flatten)]
    refusal: crate::explain::facts::RefusalFacts,
}

impl RefusalRow {
    fn new(names: &Names<'_>, line: &RefusalLine) -> Self {
        Self {
            symbol: names.symbol(line.instrument),
            strategy: line.strategy.0,
            intent: line.intent,
            refusal: names.refusal(line),
        }
    }
}

/// The order that is asked for.
fn find_order<'a>(index: &'a Index, asked: &str) -> Result<&'a OrderLine, CommandError> {
    let (Some(first), Some(last)) = (index.orders.first(), index.orders.last()) else {
        return Err(CommandError::usage(format!("order {asked}: no order left in this run")));
    };
    let found = if asked == "last" {
        Some(last)
    } else if let Some(id) = ClientOrderId::parse(asked) {
        index.find(id)
    } else if let Ok(ordinal) = asked.parse::<u64>() {
        // Numbers begin anew with each start that may send live orders: the latest is meant.
        index.orders.iter().rfind(|line| line.ordinal() == ordinal)
    } else {
        return Err(CommandError::usage(format!(
            "order {asked}: expected a number from {} to {}, `last`, or a client order id of 32 hexadecimal digits",
            first.ordinal(),
            last.ordinal()
        )));
    };
    found.ok_or_else(|| {
        CommandError::usage(format!(
            "order {asked}: there is none; the orders of this run are {} to {}",
            first.ordinal(),
            last.ordinal()
        ))
    })
}

/// The refusal that is asked for: the first one of an event, or the one of that number there.
fn find_refusal<'a>(index: &'a Index, asked: &str) -> Result<&'a RefusalLine, CommandError> {
    let (event, number) = asked.split_once('.').unwrap_or((asked, "1"));
    let (Ok(seq), Ok(number)) = (event.parse::<u64>(), number.parse::<usize>()) else {
        return Err(CommandError::usage(format!(
            "--refusal {asked}: expected the number of an event, such as 1234 or 1234.2"
        )));
    };
    let found = number.checked_sub(1).and_then(|n| index.refusals.iter().filter(|line| line.seq == seq).nth(n));
    found.ok_or_else(|| {
        let nearest = index.refusals.iter().min_by_key(|line| line.seq.abs_diff(seq));
        let hint = nearest.map_or_else(
            || "nothing was refused in this run".to_owned(),
            |line| format!("the nearest of the {} refusals is at event {}", index.refusals.len(), line.seq),
        );
        CommandError::usage(format!("--refusal {asked}: nothing was refused there; {hint}"))
    })
}

/// Prints a story, and writes its page where one is asked for.
fn tell(args: &ExplainArgs, told: &Told, name: &str) -> Result<(), CommandError> {
    let story = text::explanation(&told.facts);
    if let Some(asked) = &args.html {
        let path = asked.clone().unwrap_or_else(|| args.run.join(format!("explain-{name}.html")));
        super::out_file::page("--html", &path)?;
        std::fs::write(&path, picture::page(told, &story))
            .map_err(|e| CommandError::failed(format!("{}: {e}", path.display())))?;
        eprintln!("picture in {}", path.display());
    }
    print(args.json, &told.facts, || story)
}

fn print<T: Serialize>(json: bool, facts: &T, text: impl FnOnce() -> String) -> Result<(), CommandError> {
    let text = if json { serde_json::to_string(facts).map_err(CommandError::failed)? + "\n" } else { text() };
    if json { super::write_out(&text) } else { crate::term::print(&text).map_err(CommandError::failed) }
}
