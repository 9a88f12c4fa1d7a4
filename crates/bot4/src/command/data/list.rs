//! `bot4 data list`: what a catalogue holds, series by series.

use crate::command::CommandError;
use crate::command::inputs::time_text;
use crate::term::{self, HEADING, NAME, Table, styled};
use clap::Args;
use domain::UnixNanos;
use serde::Serialize;
use std::io::Write as _;
use std::path::PathBuf;
use store::catalogue::{Catalogue, Entry, RulesTable};
use store::history::DataKind;

/// Options of `bot4 data list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// Folder of the catalogue.
    #[arg(value_name = "CATALOGUE")]
    pub catalogue: PathBuf,
    /// One JSON object on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Serialize)]
struct Listing {
    catalogue: String,
    series: Vec<Line>,
}

/// One series. Times are integer ms since 1970 UTC.
#[derive(Serialize)]
struct Line {
    venue: String,
    symbol: String,
    kind: String,
    from: i64,
    to: i64,
    rows: u64,
    files: usize,
    bytes: u64,
    /// Stretches without candles and the candles missing in them; `null` for other kinds.
    gaps: Option<u64>,
    missing: Option<u64>,
    /// Since when the rules of the instrument are known; `null` where only today's are.
    rules_valid_from: Option<i64>,
}

/// Runs the command.
///
/// # Errors
/// Failure if there is no catalogue or it cannot be read.
pub fn run(args: &ListArgs) -> Result<(), CommandError> {
    let root = &args.catalogue;
    if !Catalogue::is_at(root) {
        let shown = root.display();
        return Err(CommandError::failed(format!(
            "{shown} is no catalogue; expected a folder that `bot4 data import --to {shown}` made"
        )));
    }
    let catalogue = Catalogue::at(root);
    let index = catalogue.index().map_err(CommandError::failed)?;
    let rules = catalogue.rules().map_err(CommandError::failed)?;
    // Reading the files again next time costs time only: a catalogue that cannot be written to can be listed.
    drop(index.save(root));
    let series: Vec<Line> =
        index.entries().chunk_by(|a, b| a.key == b.key).filter_map(|files| Line::new(files, &rules)).collect();
    let listing = Listing { catalogue: root.display().to_string(), series };
    if args.json {
        let text = serde_json::to_string(&listing).map_err(CommandError::failed)? + "\n";
        return std::io::stdout().lock().write_all(text.as_bytes()).map_err(CommandError::failed);
    }
    term::print(&listing.table()).map_err(CommandError::failed)
}

impl Line {
    fn new(files: &[Entry], rules: &RulesTable) -> Option<Self> {
        let (first, last) = (files.first()?, files.last()?);
        let key = &first.key;
        let step = u64::from(key.interval_s) * 1_000_000_000;
        let (mut gaps, mut missing) = (0, 0);
        for (at, file) in files.iter().enumerate() {
            gaps += file.gaps;
            missing += file.missing;
            if let Some(next) = files.get(at + 1).filter(|_| step > 0) {
                let between = (next.first.0.saturating_sub(file.last.0) / step).saturating_sub(1);
                gaps += u64::from(between > 0);
                missing += between;
            }
        }
        let candles = key.kind == DataKind::Candles;
        let own = |r: &&store::catalogue::Rules| r.listing.venue == key.venue && r.listing.symbol == key.symbol;
        let known = rules.rows().iter().filter(own).filter_map(|r| r.valid_from).min();
        Some(Self {
            venue: key.venue.clone(),
            symbol: key.symbol.clone(),
            kind: key.kind_name(),
            from: first.first.as_millis(),
            to: last.last.as_millis(),
            rows: files.iter().map(|f| f.rows).sum(),
            files: files.len(),
            bytes: files.iter().map(|f| f.bytes).sum(),
            gaps: candles.then_some(gaps),
            missing: candles.then_some(missing),
            rules_valid_from: known.map(UnixNanos::as_millis),
        })
    }
}

impl Listing {
    fn table(&self) -> String {
        let when = |ts: i64| UnixNanos::from_millis(ts).map_or_else(|| "-".into(), time_text);
        let mut table =
            Table::new(0).left(0).left(0).left(0).left(0).left(0).right(0).right(0).right(0).right(0).left(0);
        let head = ["venue", "symbol", "kind", "from", "to", "rows", "files", "size", "gaps (missing)", "rules"];
        table.row(head.map(|name| styled(HEADING, name)));
        for s in &self.series {
            let gaps =
                s.gaps.zip(s.missing).map_or_else(|| "-".into(), |(gaps, missing)| format!("{gaps} ({missing})"));
            let rules = s.rules_valid_from.map_or_else(|| "today's".into(), |ts| format!("since {}", when(ts)));
            let names = [styled(NAME, &s.venue), styled(NAME, &s.symbol), s.kind.clone(), when(s.from), when(s.to)];
            let numbers = [s.rows.to_string(), s.files.to_string(), size_text(s.bytes), gaps, rules];
            table.row(names.into_iter().chain(numbers));
        }
        if self.series.is_empty() {
            return format!("{}: nothing yet\n", self.catalogue);
        }
        table.render(term::width())
    }
}

/// A size in the unit that leaves few digits: `13.4 MB`.
fn size_text(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 1000.0 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_few_digits() {
        for (bytes, text) in
            [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (13_400_000, "13.4 MB"), (2_000_000_000, "2.0 GB")]
        {
            assert_eq!(size_text(bytes), text);
        }
    }
}
