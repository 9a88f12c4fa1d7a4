//! The files of a run: written at its end, and read back for reports.
//!
//! In:  summary and recorder of a finished run; or a folder that may be of another program, of an unfinished run, or damaged.
//! Out: `summary.json`, `trades.csv`, `equity.csv`, `prices.csv` and the `report.html` made of them; or a [`RunReport`].
//! Columns are only ever appended. What is read is checked: a row that cannot be read is named by file and line.

use crate::report::Summary;
use crate::runner::record::Recorder;
use domain::Price;
use monitor::report::{EquityRow, MarkRow, RunReport, Trade};
use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const SUMMARY: &str = "summary.json";
/// The result as a person reads it, to be shown again.
const TABLE: &str = "summary.txt";
const TRADES: &str = "trades.csv";
const EQUITY: &str = "equity.csv";
const PRICES: &str = "prices.csv";
/// The report of a run, in its folder.
pub const REPORT: &str = "report.html";

const TRADES_HEAD: &str = "strategy,name,symbol,side,entry_ts,exit_ts,quantity,entry_price,exit_price,fees,pnl";
const EQUITY_HEAD: &str = "ts,equity,buy_and_hold";
const EQUITY_MORE: &str = ",drawdown,gross_exposure,net_exposure";
const PRICES_HEAD: &str = "ts,symbol,open,high,low,close";

/// All files of a result.
pub const RESULT: [&str; 6] = [SUMMARY, TABLE, TRADES, EQUITY, PRICES, REPORT];

/// Why a folder gives no report.
#[derive(Debug)]
pub enum RunFilesError {
    /// It is not there, or cannot be looked into.
    Missing(PathBuf, io::Error),
    /// It has a journal and no result: the run has not ended.
    Unfinished(PathBuf),
    /// It has nothing of a run.
    Foreign(PathBuf),
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file is there and is not what it should be.
    Damaged {
        /// Which.
        path: PathBuf,
        /// The line, counted from 1, where it is one line's fault.
        line: Option<usize>,
        /// What is wrong and what was expected.
        what: String,
    },
}

impl fmt::Display for RunFilesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path, e) => write!(f, "{}: {e}: expected the folder of a run", path.display()),
            Self::Unfinished(path) => write!(
                f,
                "{0}: the run has not ended (a journal and no {SUMMARY}): expected a finished run; `bot4 paper --resume {0}` ends it",
                path.display()
            ),
            Self::Foreign(path) => write!(
                f,
                "{}: no {SUMMARY} in it: expected the folder of a run, as `bot4 paper` or `bot4 backtest --out` leave it",
                path.display()
            ),
            Self::Unreadable(path, e) => write!(f, "{}: {e}: expected a file of the run", path.display()),
            Self::Damaged { path, line: Some(line), what } => write!(f, "{}, line {line}: {what}", path.display()),
            Self::Damaged { path, line: None, what } => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for RunFilesError {}

/// Writes `summary.json`, `trades.csv`, `equity.csv`, `prices.csv` and the report of them into a folder that exists. Each file is written
/// aside and renamed, so that none is ever half there.
///
/// # Errors
/// What could not be written, with its path.
pub fn write_files(folder: &Path, summary: &Summary, recorder: &Recorder) -> io::Result<()> {
    let json = serde_json::to_string_pretty(summary).map_err(io::Error::other)?;
    write_aside(&folder.join(SUMMARY), |out| writeln!(out, "{json}"))?;
    let table = summary.table();
    write_aside(&folder.join(TABLE), |out| out.write_all(table.as_bytes()))?;
    write_aside(&folder.join(TRADES), |out| {
        writeln!(out, "{TRADES_HEAD}")?;
        for (trade, trip) in summary.trades.iter().zip(&recorder.trips) {
            let t = trade;
            // Amounts are exact decimals here.
            writeln!(
                out,
                "{},{},{},{},{},{},{},{},{},{},{}",
                t.strategy,
                Field(&t.name),
                Field(&t.symbol),
                t.side,
                t.entry_ts,
                t.exit_ts,
                trip.quantity,
                trip.entry_price,
                trip.exit_price,
                trip.fees,
                trip.pnl
            )?;
        }
        Ok(())
    })?;
    write_aside(&folder.join(EQUITY), |out| {
        writeln!(out, "{EQUITY_HEAD}{EQUITY_MORE}")?;
        for p in recorder.equity.curve() {
            let ts = p.ts.as_millis();
            writeln!(out, "{ts},{},{},{},{},{}", p.equity, p.hold, p.drawdown, p.gross, p.net)?;
        }
        Ok(())
    })?;
    write_aside(&folder.join(PRICES), |out| {
        writeln!(out, "{PRICES_HEAD}")?;
        for bar in recorder.equity.bars() {
            let decimals = recorder.equity.decimals(bar.instrument).unwrap_or_default();
            let symbol = summary.symbols.get(bar.instrument.index()).map_or("", String::as_str);
            let [open, high, low, close] =
                [bar.open, bar.high, bar.low, bar.close].map(|mark| Price::from_mantissa(mark, decimals));
            writeln!(out, "{},{},{open},{high},{low},{close}", bar.ts.as_millis(), Field(symbol))?;
        }
        Ok(())
    })?;
    let run = read(folder).map_err(io::Error::other)?;
    write_report(&folder.join(REPORT), std::slice::from_ref(&run))
}

/// Writes the report of these runs, aside and renamed.
///
/// # Errors
/// What could not be written, with its path.
pub fn write_report(path: &Path, runs: &[RunReport]) -> io::Result<()> {
    write_aside(path, |out| out.write_all(monitor::report::render(runs).as_bytes()))
}

/// Writes a file beside its place, and puts it there when it is whole.
fn write_aside(path: &Path, write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> io::Result<()> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    let name = path.file_name().ok_or_else(|| named(io::Error::from(io::ErrorKind::InvalidInput)))?;
    let aside = path.with_file_name(format!(".{}.part", name.to_string_lossy()));
    let mut out = io::BufWriter::new(std::fs::File::create(&aside).map_err(named)?);
    write(&mut out).and_then(|()| out.flush()).map_err(named)?;
    drop(out);
    std::fs::rename(&aside, path).map_err(named)
}

/// Text of a CSV, in quotes where it needs them.
struct Field<'a>(&'a str);

impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains([',', '"', '\n', '\r']) {
            write!(f, "\"{}\"", self.0.replace('"', "\"\""))
        } else {
            f.write_str(self.0)
        }
    }
}

/// Reads the folder of a finished run.
///
/// # Errors
/// [`RunFilesError`] says which file, where, and what was expected.
pub fn read(folder: &Path) -> Result<RunReport, RunFilesError> {
    if let Err(e) = std::fs::read_dir(folder) {
        return Err(RunFilesError::Missing(folder.to_owned(), e));
    }
    let path = folder.join(SUMMARY);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound && folder.join("journal").is_dir() => {
            return Err(RunFilesError::Unfinished(folder.to_owned()));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(RunFilesError::Foreign(folder.to_owned())),
        Err(e) => return Err(RunFilesError::Unreadable(path, e)),
    };
    let summary: monitor::report::RunSummary = serde_json::from_str(&text).map_err(|e| RunFilesError::Damaged {
        line: Some(e.line()).filter(|line| *line > 0),
        what: format!("{e}: expected the summary of a run"),
        path: path.clone(),
    })?;
    let trades = Table::open(folder.join(TRADES), TRADES_HEAD)?.rows(trade)?;
    let kept = u64::try_from(trades.len()).unwrap_or(u64::MAX);
    if kept != summary.trades_closed && kept != 0 {
        return Err(RunFilesError::Damaged {
            path: folder.join(TRADES),
            line: None,
            what: format!("{kept} trades, and {SUMMARY} says {}: expected files of one run", summary.trades_closed),
        });
    }
    let equity = Table::open(folder.join(EQUITY), EQUITY_HEAD)?.rows(equity_row)?;
    let prices = folder.join(PRICES);
    let marks = if prices.exists() {
        Table::open(prices, PRICES_HEAD)?.rows(|row| mark_row(row, &summary.symbols))?
    } else {
        // Runs of earlier versions have none.
        Vec::new()
    };
    let name = std::path::absolute(folder).ok();
    let name = name
        .as_deref()
        .unwrap_or(folder)
        .file_name()
        .map_or_else(|| folder.display().to_string(), |name| name.to_string_lossy().into_owned());
    Ok(RunReport { name, summary, trades, equity, marks })
}

/// A CSV file in memory.
struct Table {
    path: PathBuf,
    text: String,
}

impl Table {
    /// Reads a file whose first line begins with these columns.
    fn open(path: PathBuf, head: &str) -> Result<Self, RunFilesError> {
        let text = match std::fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|e| RunFilesError::Damaged {
                path: path.clone(),
                line: None,
                what: format!("{e}: expected text"),
            })?,
            Err(e) => return Err(RunFilesError::Unreadable(path, e)),
        };
        let first = text.lines().next().unwrap_or_default();
        if first.strip_prefix(head).is_none_or(|more| !more.is_empty() && !more.starts_with(',')) {
            return Err(RunFilesError::Damaged { path, line: Some(1), what: format!("expected the columns {head}") });
        }
        if !text.ends_with('\n') {
            let line = Some(text.lines().count());
            return Err(RunFilesError::Damaged {
                path,
                line,
                what: "it ends within a line: expected a whole file".into(),
            });
        }
        Ok(Self { path, text })
    }

    /// Reads every row.
    fn rows<T>(&self, read: impl Fn(&mut Row<'_>) -> Result<T, String>) -> Result<Vec<T>, RunFilesError> {
        let mut rows = Vec::with_capacity(self.text.len() / 64);
        for (line, text) in (2..).zip(self.text.lines().skip(1)) {
            rows.push(read(&mut Row { rest: Some(text) }).map_err(|what| RunFilesError::Damaged {
                path: self.path.clone(),
                line: Some(line),
                what,
            })?);
        }
        Ok(rows)
    }
}

/// One row, read from left to right.
struct Row<'a> {
    rest: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn next(&mut self, column: &str) -> Result<std::borrow::Cow<'a, str>, String> {
        let rest = self.rest.ok_or_else(|| format!("the row ends before the column {column}"))?;
        if let Some(quoted) = rest.strip_prefix('"') {
            // A quote inside is doubled.
            let mut at = 0;
            while let Some(found) = quoted[at..].find('"') {
                let end = at + found;
                if !quoted[end + 1..].starts_with('"') {
                    let after = &quoted[end + 1..];
                    self.rest = after.strip_prefix(',');
                    if !after.is_empty() && self.rest.is_none() {
                        break;
                    }
                    return Ok(quoted[..end].replace("\"\"", "\"").into());
                }
                at = end + 2;
            }
            return Err(format!("{column}: the quotes do not end"));
        }
        let (field, rest) = match rest.split_once(',') {
            Some((field, rest)) => (field, Some(rest)),
            None => (rest, None),
        };
        self.rest = rest;
        Ok(field.into())
    }

    fn number<T: std::str::FromStr>(&mut self, column: &str) -> Result<T, String> {
        let text = self.next(column)?;
        text.parse().map_err(|_| format!("{column} {text:?}: expected a number"))
    }

    /// A double that has to be one.
    fn finite(&mut self, column: &str) -> Result<f64, String> {
        let x: f64 = self.number(column)?;
        if x.is_finite() { Ok(x) } else { Err(format!("{column} {x}: expected a number")) }
    }

    /// A double that may be unknown (`NaN`), or a column that an earlier version did not write.
    fn perhaps(&mut self, column: &str) -> Result<Option<f64>, String> {
        if self.rest.is_none() {
            return Ok(None);
        }
        let x: f64 = self.number(column)?;
        Ok(x.is_finite().then_some(x))
    }
}

fn trade(row: &mut Row<'_>) -> Result<Trade, String> {
    Ok(Trade {
        strategy: row.number("strategy")?,
        name: row.next("name")?.into_owned(),
        symbol: row.next("symbol")?.into_owned(),
        short: match row.next("side")?.as_ref() {
            "long" => false,
            "short" => true,
            other => return Err(format!("side {other:?}: expected long or short")),
        },
        entry_ts: row.number("entry_ts")?,
        exit_ts: row.number("exit_ts")?,
        quantity: row.finite("quantity")?,
        entry_price: row.finite("entry_price")?,
        exit_price: row.finite("exit_price")?,
        fees: row.finite("fees")?,
        pnl: row.finite("pnl")?,
    })
}

fn equity_row(row: &mut Row<'_>) -> Result<EquityRow, String> {
    Ok(EquityRow {
        ts: row.number("ts")?,
        equity: row.finite("equity")?,
        hold: row.perhaps("buy_and_hold")?,
        drawdown: row.perhaps("drawdown")?,
        gross: row.perhaps("gross_exposure")?,
        net: row.perhaps("net_exposure")?,
    })
}

fn mark_row(row: &mut Row<'_>, symbols: &[String]) -> Result<MarkRow, String> {
    let ts = row.number("ts")?;
    let symbol = row.next("symbol")?;
    let number = symbols.iter().position(|s| *s == symbol);
    let instrument = number
        .and_then(|n| u16::try_from(n).ok())
        .ok_or_else(|| format!("symbol {symbol:?}: expected one of {}", symbols.join(", ")))?;
    let (open, high) = (row.finite("open")?, row.finite("high")?);
    Ok(MarkRow { ts, instrument, open, high, low: row.finite("low")?, close: row.finite("close")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(line: &str) -> Vec<String> {
        let mut row = Row { rest: Some(line) };
        let mut all = Vec::new();
        while row.rest.is_some() {
            all.push(row.next("x").unwrap().into_owned());
        }
        all
    }

    #[test]
    fn fields_come_back_as_they_were() {
        for words in [["a", "b"], ["a,b", "\"c\""], ["", "\""], ["\",\"", "x"]] {
            let line = format!("{},{}", Field(words[0]), Field(words[1]));
            assert_eq!(fields(&line), words, "{line}");
        }
        let mut row = Row { rest: Some("\"open") };
        assert!(row.next("name").unwrap_err().contains("quotes"));
        let mut row = Row { rest: Some("\"a\"b,c") };
        assert!(row.next("name").is_err());
    }

    #[test]
    fn what_an_earlier_version_did_not_write_is_unknown() {
        let row = equity_row(&mut Row { rest: Some("5,100.5,NaN") }).unwrap();
        assert_eq!((row.ts, row.equity, row.hold, row.gross), (5, 100.5, None, None));
        assert!(equity_row(&mut Row { rest: Some("5,NaN,1") }).is_err());
        assert!(equity_row(&mut Row { rest: Some("5") }).unwrap_err().contains("ends before"));
    }
}
