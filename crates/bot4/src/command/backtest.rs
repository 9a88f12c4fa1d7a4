//! `bot4 backtest`: strategies on stored data, at full speed, with everything that can be chosen on the command line.

use super::inputs::{DataArgs, time_text};
use super::progress::Bar;
use super::{CommandError, Exit};
use crate::report::{DataLine, Material, Summary, write_files};
use crate::runner::drive::{DriveError, Driven, drive};
use crate::runner::plan::{self, Listed, Plan, RunConfig, Units};
use crate::runner::record::Recorder;
use clap::Args;
use domain::{Instrument, InstrumentKind, Money, Nanos, Quantity, Rate, SizeRequest};
use risk::{Limits, Profile};
use sim::{Exec, FeeAsset, Funding, Jitter, Latency, LimitFill, Slippage, VenueConfig};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use store::history::{Findings, Series};
use strategy::{Blueprint, Params, StopRule};

/// Options of a run.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// What data to run on.
    #[command(flatten)]
    pub data: DataArgs,
    /// A strategy with its parameters: NAME[:k=v,...]. May be given several times. `bot4 strategies` lists them.
    #[arg(long = "strategy", value_name = "NAME[:k=v,...]")]
    pub strategies: Vec<String>,
    /// A parameter for every strategy that has it and does not set it itself.
    #[arg(long = "param", value_name = "k=v")]
    pub params: Vec<String>,
    /// What is kept: all (orders, fills, trades, equity) or none (counts only).
    #[arg(long, value_name = "all|none", default_value = "all")]
    pub records: String,
    /// Cash at the start, in the quote asset.
    #[arg(long, value_name = "AMOUNT", default_value = "10000")]
    pub cash: String,
    /// Size of entries: all-in, a share of equity (10%), qty:0.1, or cap (as much as the limits allow; the default while risk is on).
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,
    /// Multiples of orders: the instrument's lot, whole units, or fractional (any part that can be written).
    #[arg(long, value_name = "lot|whole|fractional", default_value = "lot")]
    pub units: String,
    /// Taker fee rate (0.001 is 0.1 %); the instrument's own if not given.
    #[arg(long, value_name = "RATE")]
    pub fee_taker: Option<String>,
    /// Maker fee rate; the instrument's own if not given.
    #[arg(long, value_name = "RATE")]
    pub fee_maker: Option<String>,
    /// Asset of spot fees: quote, or as the venue takes them (buys pay in base).
    #[arg(long, value_name = "quote|venue")]
    pub fee_asset: Option<String>,
    /// Slippage of orders that take: none, bps:N, or `impact[:SPREAD_BPS:COEFFICIENT_BPS]` (half spread and square root of the volume share).
    #[arg(long, value_name = "MODEL", default_value = "none")]
    pub slippage: String,
    /// Largest share of a bar's volume that our orders get: none or a fraction such as 0.1.
    #[arg(long, value_name = "none|F")]
    pub participation: Option<String>,
    /// When market orders fill: at the next open, or at the close that decided (for comparison with packages that do).
    #[arg(long, value_name = "next-open|signal-close", default_value = "next-open")]
    pub exec: String,
    /// Protective stop of entries: none, pct:X (percent), atr:N:K.
    #[arg(long, value_name = "RULE")]
    pub stop: Option<String>,
    /// Limits: default, off (research only), or a TOML file of limits (research only).
    #[arg(long, value_name = "off|default|FILE", default_value = "default")]
    pub risk: String,
    /// Funding of perpetuals per period: RATE or RATE:HOURS (8 hours if not said). Refused if there is no perpetual.
    #[arg(long, value_name = "RATE[:HOURS]")]
    pub funding: Option<String>,
    /// Latency of orders and of reports on trades and quotes, in milliseconds: MS or MS:JITTER_MS:SEED. Refused if all data are candles, which have none.
    #[arg(long, value_name = "MS[:JITTER_MS:SEED]", default_value = "0")]
    pub latency: String,
    /// Folder for summary.json, trades.csv and equity.csv.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// One JSON object on standard output instead of the table.
    #[arg(long)]
    pub json: bool,
}

/// What the two runs differ in when nothing is said.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Name of the run.
    pub run: &'static str,
    /// Strategies.
    pub strategies: &'static [&'static str],
    /// Asset of fees.
    pub fee_asset: &'static str,
    /// Participation.
    pub participation: &'static str,
    /// Whether limits may be other than the standard ones.
    pub research: bool,
}

const BACKTEST: Defaults =
    Defaults { run: "backtest", strategies: &[], fee_asset: "quote", participation: "none", research: true };

/// Runs the command.
///
/// # Errors
/// [`CommandError`] with its exit code.
pub fn run(args: &RunArgs, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    execute(args, &BACKTEST, stop)
}

/// A finished run.
pub struct Finished {
    /// The result.
    pub summary: Summary,
    /// The records.
    pub recorder: Recorder,
}

/// Runs, and says what came of it.
pub(super) fn execute(args: &RunArgs, defaults: &Defaults, stop: &Arc<AtomicBool>) -> Result<(), CommandError> {
    let config = configure(args, defaults)?;
    // A folder that cannot be written is found before the run, not after it.
    if let Some(out) = &args.out {
        prepare(out)?;
    }
    let finished = simulate(args, &config, defaults, stop)?;
    if let Some(out) = &args.out {
        write_files(out, &finished.summary, &finished.recorder).map_err(CommandError::failed)?;
    }
    let mut stdout = std::io::stdout().lock();
    let text = if args.json {
        serde_json::to_string(&finished.summary).map_err(CommandError::failed)? + "\n"
    } else {
        let files = args.out.as_ref().map_or_else(String::new, |out| format!("files in {}\n", out.display()));
        finished.summary.table() + &files
    };
    stdout.write_all(text.as_bytes()).map_err(CommandError::failed)
}

/// Makes a folder and tries to write into it.
fn prepare(out: &Path) -> Result<(), CommandError> {
    let failed = |e: std::io::Error| {
        CommandError::failed(format!("{}: {e}: expected a folder that can be written", out.display()))
    };
    std::fs::create_dir_all(out).map_err(failed)?;
    let probe = out.join(".probe");
    std::fs::write(&probe, b"").map_err(failed)?;
    std::fs::remove_file(&probe).map_err(failed)
}

/// Everything that the options say, checked.
///
/// # Errors
/// Usage, naming the option and what was expected.
pub fn configure(args: &RunArgs, defaults: &Defaults) -> Result<RunConfig, CommandError> {
    let usage =
        |name: &str, text: &str, expected: &str| CommandError::usage(format!("{name} {text}: expected {expected}"));
    let rate =
        |name: &str, text: &str| Rate::parse(text).map_err(|_| usage(name, text, "a decimal number such as 0.001"));
    let profile = match args.risk.as_str() {
        "default" => Profile::standard(),
        other if !defaults.research => {
            return Err(usage("--risk", other, "default: paper has the limits of live trading"));
        }
        "off" => Profile::Off,
        file => Profile::Research(read_limits(Path::new(file))?),
    };
    let risk_on = profile.limits().is_some();
    let stop_text = args.stop.as_deref().unwrap_or(if risk_on { "atr:14:3" } else { "none" });
    let stop = StopRule::parse(stop_text).map_err(|e| CommandError::usage(format!("--{e}")))?;
    let size_text = args.size.as_deref().unwrap_or(if risk_on { "cap" } else { "all-in" });
    let size = parse_size(size_text)
        .ok_or_else(|| usage("--size", size_text, "all-in, cap, a share such as 10%, or qty:0.1"))?;
    let mut strategies = Vec::new();
    let named: Vec<&str> = if args.strategies.is_empty() {
        defaults.strategies.to_vec()
    } else {
        args.strategies.iter().map(String::as_str).collect()
    };
    for text in named {
        strategies.push(parse_strategy(text, &args.params, size, stop)?);
    }
    if strategies.is_empty() {
        return Err(CommandError::usage("no --strategy is given (`bot4 strategies` lists them)"));
    }
    for param in &args.params {
        let name = param.split('=').next().unwrap_or_default();
        let known = strategies.iter().any(|b| b.params().text(name).is_some());
        if !known {
            return Err(usage("--param", param, "a parameter of one of the strategies"));
        }
    }
    let keep = match args.records.as_str() {
        "all" => true,
        "none" => false,
        other => return Err(usage("--records", other, "all or none")),
    };
    let units = match args.units.as_str() {
        "lot" => Units::Lot,
        "whole" => Units::Whole,
        "fractional" => Units::Fractional,
        other => return Err(usage("--units", other, "lot, whole or fractional")),
    };
    let cash = Money::parse(&args.cash)
        .ok()
        .filter(|c| *c > Money::ZERO)
        .ok_or_else(|| usage("--cash", &args.cash, "an amount above 0"))?;
    let fee_text = args.fee_asset.as_deref().unwrap_or(defaults.fee_asset);
    let fee_asset = match fee_text {
        "quote" => FeeAsset::Quote,
        "venue" => FeeAsset::Venue,
        other => return Err(usage("--fee-asset", other, "quote or venue")),
    };
    let participation = match args.participation.as_deref().unwrap_or(defaults.participation) {
        "none" => None,
        text => Some(rate("--participation", text)?),
    };
    let exec = match args.exec.as_str() {
        "next-open" => Exec::NextOpen,
        "signal-close" => Exec::SignalClose,
        other => return Err(usage("--exec", other, "next-open or signal-close")),
    };
    let fee = |name: &str, text: &Option<String>| text.as_deref().map(|t| rate(name, t)).transpose();
    let venue = VenueConfig {
        exec,
        slippage: parse_slippage(&args.slippage)
            .ok_or_else(|| usage("--slippage", &args.slippage, "none, bps:N or impact[:SPREAD_BPS:COEFFICIENT_BPS]"))?,
        participation,
        fee_asset,
        // The instruments carry the fees, so that risk reckons with the same ones.
        fees: None,
        latency: parse_latency(&args.latency)
            .ok_or_else(|| usage("--latency", &args.latency, "MS or MS:JITTER_MS:SEED"))?,
        limit_fill: LimitFill::Through,
        funding: match &args.funding {
            None => None,
            Some(text) => Some(parse_funding(text).ok_or_else(|| usage("--funding", text, "RATE or RATE:HOURS"))?),
        },
        queue: true,
    };
    venue.validate().map_err(CommandError::usage)?;
    Ok(RunConfig {
        cash,
        strategies,
        venue,
        profile,
        units,
        fees: (fee("--fee-maker", &args.fee_maker)?, fee("--fee-taker", &args.fee_taker)?),
        keep,
    })
}

fn parse_size(text: &str) -> Option<SizeRequest> {
    match text {
        "all-in" => Some(SizeRequest::AllIn),
        "cap" => Some(SizeRequest::Cap),
        _ => {
            if let Some(percent) = text.strip_suffix('%') {
                let rate = Rate::parse(percent).ok()?.divided_by(100)?;
                return (rate > Rate::ZERO && rate <= Rate::ONE).then_some(SizeRequest::EquityFraction(rate));
            }
            let quantity = Quantity::parse(text.strip_prefix("qty:")?).ok()?;
            (quantity > Quantity::ZERO).then_some(SizeRequest::Base(quantity))
        }
    }
}

fn parse_slippage(text: &str) -> Option<Slippage> {
    let bps = |t: &str| Rate::parse(t).ok()?.divided_by(10_000);
    match text.split(':').collect::<Vec<_>>().as_slice() {
        ["none"] => Some(Slippage::None),
        ["bps", n] => bps(n).map(Slippage::Bps),
        // 2 bps of spread and 100 bps for taking as much as was traded: a liquid pair's order of magnitude, to be fitted by whoever can.
        ["impact"] => Some(Slippage::Impact { spread: Rate::from_bps(2), coefficient: Rate::from_bps(100) }),
        ["impact", spread, coefficient] => {
            Some(Slippage::Impact { spread: bps(spread)?, coefficient: bps(coefficient)? })
        }
        _ => None,
    }
}

fn parse_latency(text: &str) -> Option<Latency> {
    let ms = |t: &str| t.parse::<u64>().ok().filter(|ms| *ms <= 3_600_000).map(Nanos::from_millis);
    let each = |span: Nanos, jitter| Latency { feed: Nanos(0), order: span, report: span, jitter };
    match text.split(':').collect::<Vec<_>>().as_slice() {
        [span] => Some(each(ms(span)?, None)),
        [span, max, seed] => Some(each(ms(span)?, Some(Jitter { max: ms(max)?, seed: seed.parse().ok()? }))),
        _ => None,
    }
}

fn parse_funding(text: &str) -> Option<Funding> {
    let (rate, hours) = text.split_once(':').unwrap_or((text, "8"));
    let hours = hours.parse::<u64>().ok().filter(|h| (1..=8_760).contains(h))?;
    Some(Funding { rate: Rate::parse(rate).ok()?, every: Nanos::from_secs(hours * 3_600) })
}

fn parse_strategy(text: &str, shared: &[String], size: SizeRequest, stop: StopRule) -> Result<Blueprint, CommandError> {
    let (name, own) = text.split_once(':').unwrap_or((text, ""));
    let mut params = Params::default();
    for param in own.split(',').filter(|p| !p.is_empty()) {
        params.add(param).map_err(|e| CommandError::usage(format!("--strategy {text}: {e}")))?;
    }
    let known = strategy::kinds().iter().find(|k| k.name == name).map_or(&[][..], |k| k.params);
    for param in shared {
        let (key, value) = param
            .split_once('=')
            .ok_or_else(|| CommandError::usage(format!("--param {param}: expected name=value")))?;
        if known.iter().any(|def| def.name == key.trim()) {
            params.set_default(key.trim(), value.trim());
        }
    }
    Blueprint::new(name, params, size, stop).map_err(|e| CommandError::usage(format!("--strategy {text}: {e}")))
}

fn read_limits(path: &Path) -> Result<Limits, CommandError> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|e| CommandError::usage(format!("--risk {shown}: {e}: expected default, off or a TOML file")))?;
    let limits: Limits = toml::from_str(&text).map_err(|e| CommandError::usage(format!("{shown}: {e}")))?;
    limits.validate().map_err(|e| CommandError::usage(format!("{shown}: {e}")))?;
    Ok(limits)
}

/// Reads the data and drives the run.
fn simulate(
    args: &RunArgs,
    config: &RunConfig,
    defaults: &Defaults,
    stop: &Arc<AtomicBool>,
) -> Result<Finished, CommandError> {
    let series = args.data.series()?;
    let (table, listed) = plan::list(&series).map_err(CommandError::failed)?;
    suits(config, &listed)?;
    let mut plan = Plan::new(config, &table, &listed).map_err(CommandError::usage)?;
    let opened = plan::open(&series).map_err(CommandError::failed)?;
    let mut begin = plan.begin();
    let mut bar = Bar::new(rows_of(&series), args.json);
    let findings = Arc::new(std::sync::Mutex::new(Vec::new()));
    let inputs = crate::runner::source::watched(opened, &findings);
    let driven = drive(&mut plan.session, inputs, &mut plan.recorder, &mut bar, stop, &mut begin);
    bar.finish();
    let driven = driven.map_err(|e| match e {
        DriveError::Interrupted => {
            CommandError { exit: Exit::Interrupted, message: "interrupted: nothing was written".into() }
        }
        other => CommandError::failed(other),
    })?;
    plan.recorder.equity.finish();
    let findings = findings.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if driven.events == 0 {
        return Err(no_row(&args.data, &series, &findings));
    }
    let data = data_line(&findings);
    let summary = summarise(&plan, &driven, config, defaults.run, data);
    Ok(Finished { summary, recorder: plan.recorder })
}

/// Whether what is asked of the venue can be had with these instruments.
fn suits(config: &RunConfig, listed: &[Listed]) -> Result<(), CommandError> {
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
    let fee = |own: Rate, asked: Option<Rate>| asked.unwrap_or(own) != Rate::ZERO;
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
fn no_row(asked: &DataArgs, series: &[Series], findings: &[Findings]) -> CommandError {
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
fn rows_of(series: &[Series]) -> Option<u64> {
    series.iter().map(Series::rows).try_fold(0u64, |sum, rows| rows.map(|r| sum + r))
}

fn data_line(findings: &[Findings]) -> DataLine {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_bounds() {
        assert_eq!(parse_size("all-in"), Some(SizeRequest::AllIn));
        assert_eq!(parse_size("10%"), Some(SizeRequest::EquityFraction(testkit::rate("0.1"))));
        assert_eq!(parse_size("qty:0.1"), Some(SizeRequest::Base(testkit::quantity("0.1"))));
        for bad in ["", "0%", "101%", "-1%", "qty:0", "qty:-1", "qty:x", "0.1", "half"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
    }

    #[test]
    fn models_are_read_with_their_bounds() {
        assert_eq!(parse_slippage("bps:5"), Some(Slippage::Bps(Rate::from_bps(5))));
        assert_eq!(
            parse_slippage("impact:4:50"),
            Some(Slippage::Impact { spread: Rate::from_bps(4), coefficient: Rate::from_bps(50) })
        );
        assert_eq!(parse_slippage("bps"), None);
        assert_eq!(parse_funding("0.0001").map(|f| f.every), Some(Nanos::from_secs(8 * 3_600)));
        assert_eq!(parse_funding("0.0001:0"), None);
        assert_eq!(parse_latency("5").map(|l| l.order), Some(Nanos::from_millis(5)));
        assert_eq!(parse_latency("5:1"), None);
    }
}
