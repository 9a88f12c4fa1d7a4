//! `bot4 risk backtest`: models of a loss walked through past returns, and the tests of how well they held.

use super::{files, series};
use crate::command::inputs::DataArgs;
use crate::command::{CommandError, write_out};
use crate::signals;
use crate::term::{self, HEADING, Table, styled};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use monitor::report::{risk_backtest_csv, risk_backtest_page, risk_breaches_csv};
use research::validate::{Level, Model, Outcome, RiskBacktest, Settings, Zone, run as walk};
use serde::Serialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use store::history::{interval_text, parse_interval};

/// Options of a backtest of risk models.
#[derive(Args, Clone, Debug)]
pub struct RiskBacktestArgs {
    /// What prices to read; the bundled candles if no data is named.
    #[command(flatten)]
    pub data: DataArgs,
    /// Length of the returns: candles and trades are brought to it (1h, 4h, 1d, 1w).
    #[arg(long, value_name = "LENGTH", default_value = "1d")]
    pub horizon: String,
    /// Models: historical, normal, student-t, cornish-fisher, ewma, filtered (all).
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub model: Vec<String>,
    /// Levels in percent.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "95,97.5,99")]
    pub level: Vec<f64>,
    /// Returns that each forecast is made of.
    #[arg(long, value_name = "N", default_value_t = 250)]
    pub window: usize,
    /// One more series: fixed fractions of equity in the instruments, negative for short (BTCUSDT=0.6,ETHUSDT=-0.2).
    #[arg(long, value_name = "LIST", allow_hyphen_values = true)]
    pub weights: Option<String>,
    /// Finished runs whose value is walked through instead of prices, or beside those that --data names.
    #[arg(long, value_name = "RUN", num_args = 1..)]
    pub run: Vec<PathBuf>,
    /// Where random numbers of the resampling come from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Threads (as many as the machine has); the result is the same for every number.
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Writes risk-backtest.json, .csv and .html and risk-breaches.csv into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object on standard output.
    #[arg(long)]
    pub json: bool,
}

const JSON: &str = "risk-backtest.json";
const CSV: &str = "risk-backtest.csv";
const HTML: &str = "risk-backtest.html";
const BREACHES: &str = "risk-breaches.csv";

/// What is written and said.
#[derive(Serialize)]
struct Report<'a> {
    horizon: &'a str,
    notes: &'a [String],
    #[serde(flatten)]
    result: &'a RiskBacktest,
}

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub(super) fn run(args: &RiskBacktestArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let horizon_s = parse_interval(&args.horizon).ok_or_else(|| {
        CommandError::usage(format!("--horizon {}: expected a length such as 1h, 4h, 1d, 1w", args.horizon))
    })?;
    let settings = settings(args)?;
    if let Some(out) = &args.out {
        files::prepare(out, &[JSON, CSV, HTML, BREACHES])?;
    }
    let mut read = series::Read { series: Vec::new(), notes: Vec::new() };
    if args.run.is_empty() || !args.data.data.is_empty() {
        read = series::of_data(&args.data, horizon_s, args.json, stop)?;
    }
    for path in &args.run {
        read.series.push(series::of_run(path, horizon_s)?);
    }
    if let Some(text) = &args.weights {
        let weighted = series::of_weights(text, &read.series)?;
        read.series.push(weighted);
    }
    let most = read.series.iter().map(|s| s.returns.len()).max().unwrap_or(0);
    if most <= settings.window {
        return Err(CommandError::failed(format!(
            "{most} returns of {}: expected more than the window of {}: take more data, a shorter --horizon or a smaller --window",
            args.horizon, settings.window
        )));
    }
    let bar = tasks(args.json);
    let told = |done: usize, of: usize| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    };
    let walked = walk(&read.series, &settings, stop, &told).map_err(CommandError::usage);
    bar.finish_and_clear();
    let result = walked?.ok_or_else(|| signals::stopped("nothing was written"))?;
    let report = Report { horizon: &args.horizon, notes: &read.notes, result: &result };
    let json = serde_json::to_string(&report).map_err(CommandError::failed)? + "\n";
    if let Some(out) = &args.out {
        store(out, horizon_s, &read.notes, &result, &json)?;
    }
    if args.json {
        return write_out(&json);
    }
    let mut text = table(&result, &args.horizon, &read.notes);
    if let Some(out) = &args.out {
        let _ = writeln!(text, "\nfiles in {}", out.display());
    }
    term::print(&text).map_err(CommandError::failed)
}

fn settings(args: &RiskBacktestArgs) -> Result<Settings, CommandError> {
    let usage = |option: &str, e: &dyn std::fmt::Display| CommandError::usage(format!("--{option}: {e}"));
    let models = if args.model.is_empty() {
        Model::all().to_vec()
    } else {
        let parsed: Result<Vec<Model>, _> = args.model.iter().map(|name| Model::parse(name.trim())).collect();
        parsed.map_err(|e| usage("model", &e))?
    };
    let levels: Result<Vec<Level>, _> = args.level.iter().map(|percent| Level::percent(*percent)).collect();
    let threads = args.threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    Ok(Settings {
        models,
        levels: levels.map_err(|e| usage("level", &e))?,
        window: args.window,
        seed: args.seed,
        threads,
    })
}

/// A bar over the pieces of work, for people.
fn tasks(quiet: bool) -> ProgressBar {
    let bar = ProgressBar::no_length();
    bar.set_draw_target(if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr_with_hz(10) });
    // The template is a constant: where it were wrong the default look is good enough.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} walks  {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn store(out: &Path, horizon_s: u32, notes: &[String], result: &RiskBacktest, json: &str) -> Result<(), CommandError> {
    let names: Vec<&str> = result.series.iter().map(|s| s.name.as_str()).collect();
    let shown = names.iter().take(4).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(4);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let title = format!("{shown}{more}, returns of {}", interval_text(horizon_s));
    files::write(&out.join(JSON), json)?;
    files::write(&out.join(CSV), &risk_backtest_csv(result))?;
    files::write(&out.join(BREACHES), &risk_breaches_csv(result))?;
    files::write(&out.join(HTML), &risk_backtest_page(&title, notes, result))
}

fn percent(x: f64) -> String {
    format!("{:.2} %", 100.0 * x)
}

/// Rates by series and model, then drawdowns.
fn table(result: &RiskBacktest, horizon: &str, notes: &[String]) -> String {
    let mut out = String::new();
    let mut unique: (Vec<f64>, Vec<&str>) = (Vec::new(), Vec::new());
    for o in &result.outcomes {
        if !unique.0.contains(&o.level) {
            unique.0.push(o.level);
        }
        if !unique.1.contains(&o.model.as_str()) {
            unique.1.push(&o.model);
        }
    }
    let (levels, models) = unique;
    // Writing into a String cannot fail.
    let _ = writeln!(out, "returns of {horizon}, window of {}, breaches of value at risk:", result.window);
    for level in levels {
        let _ = writeln!(
            out,
            "\n{}",
            styled(HEADING, &format!("{} level: {} nominal", percent(level), percent(1.0 - level)))
        );
        let mut t = Table::new(2).left(12).right(9);
        for _ in &models {
            t = t.right(10);
        }
        t.row(["".to_owned(), "forecasts".to_owned()].into_iter().chain(models.iter().map(|m| (*m).to_owned())));
        for line in &result.series {
            let of = |model: &str| {
                result.outcomes.iter().find(|o| o.series == line.name && o.model == model && o.level == level)
            };
            let forecasts = models.iter().filter_map(|m| of(m)?.coverage).map(|c| c.forecasts).max();
            let cells = models.iter().map(|m| of(m).map_or_else(|| "-".to_owned(), cell));
            t.row([line.name.clone(), forecasts.unwrap_or(0).to_string()].into_iter().chain(cells));
        }
        if result.series.len() > 1 {
            let all = |model: &str| {
                let ours = result.outcomes.iter().filter(|o| o.model == model && o.level == level);
                ours.filter_map(|o| o.coverage).fold((0, 0), |(x, n), c| (x + c.breaches, n + c.forecasts))
            };
            let most = models.iter().map(|m| all(m).1).max().unwrap_or(0);
            let cells = models.iter().map(|m| match all(m) {
                (_, 0) => "-".to_owned(),
                (x, n) => percent(x as f64 / n as f64),
            });
            t.row(["together".to_owned(), most.to_string()].into_iter().chain(cells));
        }
        out += &t.render(term::width());
    }
    out += "\n  *: Kupiec's test rejects the rate at 5 %; **: more breaches than a right model shows in 99.99 % of cases\n";
    let mut t = Table::new(2).left(12).right(9).right(12).right(12).right(12);
    t.row(["drawdown", "largest", "normal", "resampled", "longest"].map(str::to_owned));
    for line in &result.series {
        if let Some(d) = &line.drawdown {
            t.row([
                line.name.clone(),
                percent(d.observed),
                percent(d.normal.median),
                percent(d.resampled.median),
                d.longest.to_string(),
            ]);
        }
    }
    let _ = write!(out, "\n{}", t.render(term::width()));
    out += "  normal, resampled: median of 1,000 paths of as many returns; longest: returns below a peak\n";
    for note in notes {
        let _ = writeln!(out, "\nnote: {note}");
    }
    out
}

fn cell(o: &Outcome) -> String {
    match o.coverage {
        None => "-".to_owned(),
        Some(c) => {
            let mark = match (c.zone, c.proportion.p_value < 0.05) {
                (Zone::Red, _) => "**",
                (_, true) => "*",
                (_, false) => "",
            };
            percent(c.rate) + mark
        }
    }
}
