//! `bot4 backtest`: strategies on stored data, at full speed, with everything that can be chosen on the command line.

use super::CommandError;
use super::inputs::{DataArgs, time_text};
use super::paper::print;
use super::progress::Bar;
use crate::config::{BACKTEST, Defaults, PAPER, RunArgs, RunSettings};
use crate::report::{DataLine, Material, Summary, write_files};
use crate::run_files::RESULT;
use crate::runner::drive::{DriveError, Driven, Driver};
use crate::runner::keep::Keep;
use crate::runner::pace::{Controls, Speed};
use crate::runner::plan::{self, Listed, Plan, RunConfig, Units};
use crate::runner::record::Recorder;
use crate::runner::safety::Safety;
use domain::{Instrument, InstrumentKind, Nanos, Rate};
use sim::FeeAsset;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use store::history::{Findings, Series};

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &RunArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    execute(args, &BACKTEST, &Controls::new(Speed::Max, None), stop)
}

/// A finished run.
pub struct Finished {
    /// The result.
    pub summary: Summary,
    /// The records.
    pub recorder: Recorder,
}

/// Runs without a journal, and says what came of it.
pub(super) fn execute(
    args: &RunArgs,
    defaults: &Defaults,
    controls: &Controls,
    stop: &Arc<AtomicBool>,
) -> Result<(), CommandError> {
    let resolved = args.resolve(defaults)?;
    let config = resolved.configure(defaults)?;
    let settings = &resolved.settings;
    // A folder that cannot be written is found before the run, not after it.
    if let Some(out) = &args.out {
        prepare(out)?;
    }
    let _log = crate::log::start(&settings.log, args.out.as_deref().filter(|_| defaults.run == PAPER.run))?;
    let finished = simulate(settings, args.json, &config, defaults, controls, stop);
    let finished = finished.map_err(|error| resolved.placed(error))?;
    if let Some(out) = &args.out {
        write_files(out, &finished.summary, &finished.recorder).map_err(CommandError::failed)?;
    }
    print(&finished.summary, args.json, args.out.as_deref())
}

/// Makes a folder and tries to write into it.
fn prepare(out: &Path) -> Result<(), CommandError> {
    let failed = |e: std::io::Error| {
        CommandError::failed(format!("{}: {e}: expected a folder that can be written", out.display()))
    };
    if out.join("journal").is_dir() {
        return Err(CommandError::usage(format!(
            "--out {}: holds a recorded run, whose result is not written over: expected another folder",
            out.display()
        )));
    }
    let held = RESULT.iter().find(|name| out.join(name).exists());
    if let Some(name) = held.filter(|_| !out.join("summary.json").exists()) {
        return Err(CommandError::usage(format!(
            "--out {}: {name} is there and is not the result of a run: expected a new folder, or that of an earlier backtest",
            out.display()
        )));
    }
    std::fs::create_dir_all(out).map_err(failed)?;
    let probe = out.join(".probe");
    std::fs::write(&probe, b"").map_err(failed)?;
    std::fs::remove_file(&probe).map_err(failed)
}

/// Reads the data and drives the run.
fn simulate(
    settings: &RunSettings,
    quiet: bool,
    config: &RunConfig,
    defaults: &Defaults,
    controls: &Controls,
    stop: &Arc<AtomicBool>,
) -> Result<Finished, CommandError> {
    let series = settings.data.series()?;
    let (table, listed) = plan::list(&series).map_err(CommandError::failed)?;
    suits(config, &listed)?;
    let mut plan = Plan::new(config, &table, &listed).map_err(CommandError::usage)?;
    plan.notes.extend(store::history::rules_notes(&series));
    let opened = plan::open(&series).map_err(CommandError::failed)?;
    let mut begin = plan.begin();
    let mut bar = Bar::new(rows_of(&series), quiet);
    let findings = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inputs = crate::runner::source::watched(opened, &findings);
    let mut driver = Driver::open(inputs).map_err(CommandError::failed)?;
    if let Some(first) = driver.first() {
        begin(&mut plan.session, first, &mut plan.recorder).map_err(CommandError::failed)?;
    }
    let mut warn = |text: &str| eprintln!("bot4: {text}");
    // A run on paper can be stopped from outside, recorded or not.
    let mut safety = match defaults.run == PAPER.run {
        true => Some(Safety::begin(settings, None, false, &mut plan.session, &mut warn).map_err(CommandError::failed)?),
        false => None,
    };
    let mut keep = Keep::new(&mut bar, stop, controls, None, &mut warn);
    if let Some(safety) = &mut safety {
        keep = keep.hearing(safety);
    }
    let ended = driver.run(&mut plan.session, &mut plan.recorder, &mut keep);
    bar.finish();
    let driven = *driver.driven();
    ended.map_err(|e| match e {
        DriveError::Interrupted => crate::signals::stopped("nothing was written"),
        other => CommandError::failed(other),
    })?;
    plan.recorder.equity.finish();
    let findings = findings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if driven.events == 0 {
        return Err(no_row(&settings.data, &series, &findings));
    }
    let data = data_line(&findings);
    let summary = summarise(&plan, &driven, config, defaults.run, data);
    Ok(Finished { summary, recorder: plan.recorder })
}

/// Whether what is asked of the venue can be had with these instruments.
pub(crate) fn suits(config: &RunConfig, listed: &[Listed]) -> Result<(), CommandError> {
    let spot: Vec<&Instrument> =
        listed.iter().map(|l| &l.instrument).filter(|i| i.kind == InstrumentKind::Spot).collect();
    if config.venue.funding.is_some() && spot.len() == listed.len() {
        return Err(CommandError::usage(
            "--funding: none of the instruments is a perpetual, and only those have funding",
        ));
    }
    let latency = &config.venue.latency;
    let delayed = latency.order != Nanos(0) || latency.report != Nanos(0) || latency.jitter.is_some();
    if delayed && listed.iter().all(|l| l.interval_s.is_some()) {
        return Err(CommandError::usage(
            "--latency: all data are candles, inside of which there is no time: expected trades or quotes, or no latency",
        ));
    }
    let scheduled = config.schedule.is_some();
    let fee =
        |own: Rate, asked: Option<Rate>| asked.map_or(scheduled || own != Rate::ZERO, |asked| asked != Rate::ZERO);
    let (maker, taker) = config.fees;
    if config.units == Units::Whole
        && config.venue.fee_asset == FeeAsset::Venue
        && let Some(i) = spot.iter().find(|i| fee(i.fee_taker, taker) || fee(i.fee_maker, maker))
    {
        return Err(CommandError::usage(format!(
            "--units whole: the venue takes the fee of a buy of {} out of what was bought, and the broken unit that is left can never be \
             sold: expected --fee-asset quote",
            i.symbol
        )));
    }
    Ok(())
}

/// Says that no row is left, what was asked for and what is there.
pub(crate) fn no_row(asked: &DataArgs, series: &[Series], findings: &[Findings]) -> CommandError {
    let option = |name: &str, value: &Option<String>| value.as_ref().map(|v| format!(" {name} {v}"));
    let range: String = [option("--from", &asked.from), option("--to", &asked.to)].into_iter().flatten().collect();
    let range = if range.is_empty() { String::new() } else { format!(" with{range}") };
    let begins = series.iter().filter_map(Series::begins).min();
    let ends = findings.iter().filter_map(|f| f.read_to).max();
    let there = match (begins, ends) {
        // Reading ends with the first row at or after --to: what comes behind it is not known.
        (Some(begins), _) if asked.to.is_some() => format!("; the data begins at {}", time_text(begins)),
        (Some(begins), Some(ends)) => format!("; the data has rows from {} to {}", time_text(begins), time_text(ends)),
        _ => String::new(),
    };
    CommandError::failed(format!("no row of the data is left{range}{there}"))
}

/// How many rows there are, where the files say so.
pub(crate) fn rows_of(series: &[Series]) -> Option<u64> {
    series.iter().map(Series::rows).try_fold(0u64, |sum, rows| rows.map(|r| sum + r))
}

pub(crate) fn data_line(findings: &[Findings]) -> DataLine {
    DataLine {
        bad_rows: findings.iter().map(|f| f.bad).sum(),
        first_bad_rows: findings.iter().flat_map(|f| f.listed.iter().map(ToString::to_string)).take(10).collect(),
        rounded: findings.iter().map(|f| f.rounded).sum(),
        gaps: findings.iter().map(|f| f.gaps).sum(),
    }
}

/// Puts the summary of a driven session together.
#[must_use]
pub fn summarise(plan: &Plan, driven: &Driven, config: &RunConfig, run: &'static str, data: DataLine) -> Summary {
    let instruments = plan.instruments();
    let mut strategies = Vec::new();
    for blueprint in &config.strategies {
        for i in instruments.iter().filter(|i| blueprint.instrument().is_none_or(|symbol| symbol == i.symbol)) {
            let params = blueprint.params().describe();
            let params = if params.is_empty() { "defaults".to_owned() } else { params };
            strategies.push(format!("{} on {} ({params})", blueprint.name(), i.symbol));
        }
    }
    let mut assumptions = vec![
        "equity is valued at the last traded price, without the cost of closing".to_owned(),
        "a closed trade is counted from flat to flat; what is left below the venue's minimum is dust, kept and valued"
            .to_owned(),
        "Sharpe ratio: daily (UTC) returns, no risk-free rate, annualised by the root of 365".to_owned(),
    ];
    if let Some(limits) = config.profile.limits() {
        assumptions.push(format!(
            "limits: position {} of equity, {} positions, correlation {}, leverage {}, stop {}",
            limits.position_fraction_max,
            limits.positions_max,
            limits.correlation_max,
            limits.leverage_max,
            if limits.stop_required { "required" } else { "not required" }
        ));
    }
    assumptions.extend_from_slice(&plan.notes);
    for i in instruments {
        assumptions.push(format!(
            "{}: tick {}, lot {}, minimum notional {}, fees {} maker {} taker",
            i.symbol, i.tick, i.lot, i.min_notional, i.fee_maker, i.fee_taker
        ));
    }
    Summary::new(Material {
        run,
        session: &plan.session,
        recorder: &plan.recorder,
        driven,
        instruments,
        cash: config.cash,
        strategies,
        profile: config.profile.name(),
        data,
        assumptions,
    })
}

/// A time for the name of a run's folder.
#[must_use]
pub(super) fn run_id() -> String {
    jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string() + &format!("-{}", std::process::id())
}
