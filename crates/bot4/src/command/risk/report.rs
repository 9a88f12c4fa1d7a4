//! `bot4 risk report`: a finished run day by day, from what it left in its folder.

use super::{files, trail};
use crate::command::{CommandError, out_file, write_out};
use crate::run_files::read;
use crate::runner::run_folder::RunFolder;
use crate::term::{self, HEADING, Table, WARNING, styled};
use clap::Args;
use monitor::report::{RiskReport, RiskSettings, risk_csv, risk_page, risk_report};
use research::validate::Level;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What to report on.
#[derive(Args, Clone, Debug)]
pub struct RiskReportArgs {
    /// Folder of a run that has ended.
    pub run: PathBuf,
    /// Runs to compare it with.
    #[arg(long, value_name = "RUN", num_args = 1..)]
    pub against: Vec<PathBuf>,
    /// Level of the forecast of a day's loss, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 95.0)]
    pub level: f64,
    /// Where the page goes, instead of risk.html, risk.json and risk.csv in the run's folder.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// One JSON object on standard output; files are written only with --out.
    #[arg(long, conflicts_with = "csv")]
    pub json: bool,
    /// The days as CSV on standard output; files are written only with --out.
    #[arg(long)]
    pub csv: bool,
}

/// Days of the table in the terminal.
const DAYS: usize = 14;

/// Runs the command.
///
/// # Errors
/// [`CommandError`]: a folder that gives no report, or a file that cannot be written. Anomalies are no error.
pub(super) fn run(args: &RiskReportArgs) -> Result<(), CommandError> {
    let level = Level::percent(args.level).map_err(|e| CommandError::usage(format!("--level: {e}")))?;
    let own = read(&args.run).map_err(CommandError::failed)?;
    let others = args.against.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>();
    let others = others.map_err(CommandError::failed)?;
    let trail = trail::read(&RunFolder::at(&args.run))?;
    let settings = RiskSettings { level, ..RiskSettings::default() };
    let report = risk_report(&own, trail.as_deref(), &others, &settings);
    let json = serde_json::to_string(&report).map_err(CommandError::failed)? + "\n";
    let mut written = Vec::new();
    if let Some(path) = &args.out {
        out_file::page("--out", path)?;
        files::write(path, &risk_page(&report))?;
        written.push(path.clone());
    } else if !args.json && !args.csv {
        for (name, text) in
            [("risk.html", risk_page(&report)), ("risk.json", json.clone()), ("risk.csv", risk_csv(&report))]
        {
            let path = args.run.join(name);
            files::write(&path, &text)?;
            written.push(path);
        }
    }
    for figure in report.agreement.iter().filter(|a| !a.equal) {
        eprintln!(
            "bot4: {}: {} of the run's files, {} in its summary: they do not belong together, or a part is missing",
            figure.figure, figure.report, figure.engine
        );
    }
    if args.json {
        return write_out(&json);
    }
    if args.csv {
        return write_out(&risk_csv(&report));
    }
    let mut text = table(&report);
    let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    let _ = writeln!(text, "\nwritten: {}", names.join(", "));
    term::print(&text).map_err(CommandError::failed)
}

fn percent(x: f64) -> String {
    format!("{:+.2} %", 100.0 * x)
}

fn some<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

fn table(report: &RiskReport) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = writeln!(
        out,
        "risk of {} ({}, limits {}): {} days, equity {} {}, profit {}, largest drawdown {}",
        report.name,
        report.run,
        report.risk_profile,
        report.days.len(),
        some(report.closing_equity, |x| format!("{x:.2}")),
        report.quote,
        some(report.pnl, |x| format!("{x:+.2}")),
        percent(report.max_drawdown)
    );
    let _ = writeln!(
        out,
        "losses beyond the forecast of {} %: {} of {} days, {:.1} expected\n",
        100.0 * report.level,
        report.breaches,
        report.forecasts,
        report.breaches_expected
    );
    let mut t = Table::new(0)
        .left(10)
        .right(12)
        .right(10)
        .right(9)
        .right(9)
        .right(8)
        .right(9)
        .right(6)
        .right(6)
        .right(8)
        .right(6)
        .right(5);
    let heads = [
        "day", "close", "P&L", "return", "drawdown", "leverage", "VaR", "trades", "orders", "refusals", "alerts",
        "modes",
    ];
    t.row(heads.map(|head| styled(HEADING, head)));
    let cut = report.days.len().saturating_sub(DAYS);
    for d in report.days.iter().skip(cut) {
        let var = some(d.var, |x| format!("{:.2} %", 100.0 * x));
        let count = |n: Option<u64>| some(n, |n| n.to_string());
        t.row([
            d.date.clone(),
            format!("{:.2}", d.close),
            format!("{:+.2}", d.pnl),
            some(d.day_return, percent),
            percent(d.drawdown),
            some(d.leverage_max, |x| format!("{x:.2}")),
            if d.breached == Some(true) { styled(WARNING, &(var + " !")) } else { var },
            d.trades.to_string(),
            count(d.orders),
            count(d.refused()),
            count(d.alerts),
            count(d.modes),
        ]);
    }
    out += &t.render(term::width());
    if cut > 0 {
        let _ = writeln!(out, "({cut} earlier days are in the files)");
    }
    if report.anomalies.is_empty() {
        out += "\nnothing stood out\n";
    } else {
        let _ = writeln!(out, "\n{} anomalies, the latest:", report.anomalies.len());
        for a in report.anomalies.iter().rev().take(10) {
            let _ = writeln!(out, "  {} {}", a.date, a.reason);
        }
    }
    if !report.audited {
        out += "\nthe run has no audit log: orders, refusals, modes and alerts by day are not known\n";
    }
    if !report.events.is_empty() {
        let _ = writeln!(out, "\n{} changes of the mode, alerts and the like, the latest:", report.events.len());
    }
    for e in report.events.iter().rev().take(10) {
        let when = domain::UnixNanos::from_millis(e.ts).map_or_else(String::new, crate::command::inputs::time_text);
        let _ = writeln!(out, "  {when} {} {}", e.kind, e.text);
    }
    for c in report.against.iter().skip(1) {
        let _ = writeln!(
            out,
            "\nbeside {}: return {}, largest drawdown {}, {} of {} days shared, correlation {}",
            c.name,
            some(c.total_return, percent),
            percent(c.max_drawdown),
            c.shared,
            c.days,
            some(c.correlation, |x| format!("{x:.2}"))
        );
    }
    out
}
