//! From settings to what a run is made of.

use super::keys::find;
use super::parse;
use super::settings::RunSettings;
use super::strategies::parse_strategy;
use crate::command::CommandError;
use crate::overrides::Holders;
use crate::runner::plan::{FeeTier, RunConfig, Units};
use domain::{Money, Rate};
use risk::{LimitError, Profile, StandardLimits};
use sim::{Exec, FeeAsset, LimitFill, VenueConfig};
use strategy::{Protection, WorkRule};

/// What the runs differ in when nothing is said.
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

/// What `bot4 backtest` does when nothing is said.
pub const BACKTEST: Defaults =
    Defaults { run: "backtest", strategies: &[], fee_asset: "quote", participation: "none", research: true };

/// What `bot4 paper` does when nothing is said.
pub const PAPER: Defaults = Defaults {
    run: "paper",
    strategies: &["sma-cross:bar=4h", "donchian:bar=4h"],
    fee_asset: "venue",
    participation: "0.1",
    research: false,
};

/// Everything that the settings say about the run, checked.
///
/// # Errors
/// Usage, naming the option and what was expected.
pub fn configure(settings: &RunSettings, defaults: &Defaults) -> Result<RunConfig, CommandError> {
    let (run, of_venue) = (&settings.run, &settings.venue);
    let profile = profile(settings, defaults)?;
    Holders::parse(&settings.safety.holders).map_err(CommandError::usage)?;
    let stop = Protection::parse(&run.stop).map_err(|e| CommandError::usage(format!("--{e}")))?;
    let work = WorkRule::parse(&run.work).map_err(|e| CommandError::usage(format!("--{e}")))?;
    let size = parse::size(&run.size).ok_or_else(|| refuse("run.size", &run.size))?;
    let mut strategies = Vec::new();
    for text in &run.strategies {
        strategies.push(parse_strategy(text, &run.params, size, stop)?.with_work(work));
    }
    if strategies.is_empty() {
        return Err(CommandError::usage("no --strategy is given (`bot4 strategies` lists them)"));
    }
    for param in &run.params {
        let name = param.split('=').next().unwrap_or_default();
        let known = strategies.iter().any(|b| b.params().text(name).is_some());
        if !known {
            return Err(CommandError::usage(format!("--param {param}: expected a parameter of one of the strategies")));
        }
    }
    let keep = match run.records.as_str() {
        "all" => true,
        "none" => false,
        other => return Err(refuse("run.records", other)),
    };
    let units = match run.units.as_str() {
        "lot" => Units::Lot,
        "whole" => Units::Whole,
        "fractional" => Units::Fractional,
        other => return Err(refuse("run.units", other)),
    };
    let cash =
        Money::parse(&run.cash).ok().filter(|c| *c > Money::ZERO).ok_or_else(|| refuse("run.cash", &run.cash))?;
    let venue = venue(settings)?;
    venue.validate().map_err(CommandError::usage)?;
    let fee = |path, text: &Option<String>| text.as_deref().map(|t| rate(path, t)).transpose();
    let fees = (fee("venue.fee_maker", &of_venue.fee_maker)?, fee("venue.fee_taker", &of_venue.fee_taker)?);
    let restricted = run.restricted.clone();
    let schedule = fee_tier(settings)?;
    let every = |text: &String| parse::reconcile_every(text).ok_or_else(|| refuse("venue.reconcile_every", text));
    let reconcile_every = of_venue.reconcile_every.as_ref().map(every).transpose()?;
    Ok(RunConfig { cash, strategies, venue, profile, restricted, units, schedule, fees, keep, reconcile_every })
}

/// The tier of a venue's schedule that instruments take their rates from.
fn fee_tier(settings: &RunSettings) -> Result<Option<FeeTier>, CommandError> {
    let v = &settings.venue;
    let Some(name) = &v.fee_schedule else {
        let beside = [("venue.fee_tier", v.fee_tier.is_some()), ("venue.fee_discount", v.fee_discount)];
        return match beside.iter().find(|(_, given)| *given) {
            Some((key, _)) => Err(CommandError::usage(format!("{key}: expected venue.fee_schedule with it"))),
            None => Ok(None),
        };
    };
    let schedule = execution::fee::known(name).ok_or_else(|| refuse("venue.fee_schedule", name))?;
    let tier = match &v.fee_tier {
        None => 0,
        Some(tier) => schedule.tier(tier).ok_or_else(|| {
            let names: Vec<&str> = schedule.tiers.iter().map(|t| t.name.as_str()).collect();
            CommandError::usage(format!("venue.fee_tier {tier}: expected one of {}", names.join(", ")))
        })?,
    };
    Ok(Some(FeeTier { schedule, tier, discount: v.fee_discount }))
}

fn profile(settings: &RunSettings, defaults: &Defaults) -> Result<Profile, CommandError> {
    let risk = settings.run.risk.as_str();
    if !risk_is_allowed(risk, defaults) {
        return Err(CommandError::usage(format!("--risk {risk}: expected {STANDARD_ONLY}")));
    }
    match (risk, settings.limits) {
        ("default", _) => Ok(Profile::standard()),
        ("off", _) => Ok(Profile::Off),
        (_, Some(limits)) => {
            let wrong = |e: LimitError| CommandError::usage(format!("--risk {risk}: {e}"));
            if !defaults.research {
                // Paper has the limits of live trading, or tighter ones.
                return StandardLimits::tightened(limits).map(Profile::Standard).map_err(wrong);
            }
            limits.validate().map_err(wrong)?;
            Ok(Profile::Research(limits))
        }
        (_, None) => {
            Err(CommandError::usage(format!("--risk {risk}: expected limits with it, in the section [limits]")))
        }
    }
}

/// Whether this kind of run may have these limits.
pub(super) fn risk_is_allowed(risk: &str, defaults: &Defaults) -> bool {
    risk != "off" || defaults.research
}

/// What is expected of runs that may not.
pub(super) const STANDARD_ONLY: &str = "default, or tighter limits: paper has those of live trading";

fn venue(settings: &RunSettings) -> Result<VenueConfig, CommandError> {
    let v = &settings.venue;
    let fee_asset = match v.fee_asset.as_str() {
        "quote" => FeeAsset::Quote,
        "venue" => FeeAsset::Venue,
        other => return Err(refuse("venue.fee_asset", other)),
    };
    let participation = match v.participation.as_str() {
        "none" => None,
        text => Some(rate("venue.participation", text)?),
    };
    let exec = match v.exec.as_str() {
        "next-open" => Exec::NextOpen,
        "signal-close" => Exec::SignalClose,
        other => return Err(refuse("venue.exec", other)),
    };
    Ok(VenueConfig {
        exec,
        slippage: parse::slippage(&v.slippage).ok_or_else(|| refuse("venue.slippage", &v.slippage))?,
        participation,
        fee_asset,
        // The instruments carry the fees, so that risk reckons with the same ones.
        fees: None,
        latency: parse::latency(&v.latency).ok_or_else(|| refuse("venue.latency", &v.latency))?,
        limit_fill: LimitFill::Through,
        funding: match &v.funding {
            None => None,
            Some(text) => Some(parse::funding(text).ok_or_else(|| refuse("venue.funding", text))?),
        },
        queue: true,
        pairs: v.pairs,
    })
}

fn rate(path: &str, text: &str) -> Result<Rate, CommandError> {
    Rate::parse(text).map_err(|_| {
        CommandError::usage(format!("{} {text}: expected a decimal number such as 0.001", option_of(path)))
    })
}

/// Says that a value is none, by its option and what the table of keys expects.
fn refuse(path: &str, text: &str) -> CommandError {
    let expected = find(path).map(super::key::Key::expected).unwrap_or_default();
    CommandError::usage(format!("{} {text}: expected {expected}", option_of(path)))
}

fn option_of(path: &str) -> &str {
    find(path).and_then(|key| key.argument).unwrap_or(path)
}
