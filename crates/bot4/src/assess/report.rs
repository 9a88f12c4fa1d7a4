//! The self-assessment: what was run, what happened to it, who had a word in it, and how each control stands.

use super::controls::{Control, controls};
use super::evidence::{Evidence, config_hash};
use crate::checklist::Checklist;
use crate::command::CommandError;
use crate::config::{PAPER, RunSettings, configure};
use crate::live_gate;
use crate::runner::run_folder::Build;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The self-assessment.
#[derive(Debug, Serialize)]
pub struct Assessment {
    /// When it was made, on the machine's clock.
    pub made_at: String,
    /// The build that made it.
    pub build: Build,
    /// Hash of what the configuration in force says about trading.
    pub config_hash: String,
    /// Hash of the limits in force; none where they are off.
    pub limits: Option<String>,
    /// Key holders: name, role and public key.
    pub holders: Vec<String>,
    /// Numbers over all runs.
    pub totals: Totals,
    /// The runs.
    pub evidence: Evidence,
    /// The gate before live trading, as it stands.
    pub gate: Checklist,
    /// The controls.
    pub controls: Vec<Control>,
}

/// Numbers over all runs.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// Recorded runs.
    pub runs: u64,
    /// Of those, ended and sealed.
    pub complete: u64,
    /// Of those, whose audit log verifies.
    pub verified: u64,
    /// UTC days of the market, each run's added up.
    pub days: u64,
    /// Orders that left.
    pub orders: u64,
    /// Fills.
    pub fills: u64,
    /// Refusals by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Alerts by kind.
    pub alerts: BTreeMap<String, u64>,
    /// Changes of the mode by what it became and why: `emergency by kill`.
    pub modes: BTreeMap<String, u64>,
    /// Orders that the gate word stopped.
    pub not_sent: u64,
    /// Changes of limits while running.
    pub limit_changes: u64,
    /// Tokens used.
    pub overrides: u64,
    /// Tokens refused, by reason.
    pub overrides_refused: BTreeMap<String, u64>,
    /// Hashes of configurations, and how many runs had each.
    pub configurations: BTreeMap<String, u64>,
    /// Programs (SHA-256), and how many runs were begun by each.
    pub programs: BTreeMap<String, u64>,
}

impl Totals {
    fn of(evidence: &Evidence) -> Self {
        let mut totals = Self::default();
        let add = |to: &mut BTreeMap<String, u64>, key: &str, n: u64| *to.entry(key.to_owned()).or_default() += n;
        for run in &evidence.found {
            totals.runs += 1;
            totals.complete += u64::from(run.complete);
            totals.verified += u64::from(run.audit.sound);
            totals.days += run.days;
            totals.orders += run.entries.get("order").copied().unwrap_or(0);
            totals.fills += run.entries.get("filled").copied().unwrap_or(0);
            run.refusals.iter().for_each(|(key, n)| add(&mut totals.refusals, key, *n));
            run.alerts.iter().for_each(|(key, n)| add(&mut totals.alerts, key, *n));
            run.modes.iter().for_each(|mode| add(&mut totals.modes, &format!("{} by {}", mode.to, mode.cause), 1));
            totals.not_sent += run.not_sent;
            totals.limit_changes += run.limits.iter().filter(|change| change.from != change.to).count() as u64;
            totals.overrides += run.overrides.len() as u64;
            run.overrides_refused.iter().for_each(|line| add(&mut totals.overrides_refused, &line.reason, 1));
            add(&mut totals.configurations, &run.config_hash, 1);
            add(&mut totals.programs, run.program.as_deref().unwrap_or("not known"), 1);
        }
        totals
    }
}

/// Puts the assessment together. `folder` is where the self-tests of the gate may write.
///
/// # Errors
/// A configuration that no run could have.
pub fn assess(
    settings: &RunSettings,
    evidence: Evidence,
    folder: &Path,
    now_s: u64,
) -> Result<Assessment, CommandError> {
    let config = configure(settings, &PAPER)?;
    let json = settings.to_json().map_err(CommandError::failed)?;
    let json: serde_json::Value = serde_json::from_str(&json).map_err(CommandError::failed)?;
    let gate = live_gate::look(settings, &evidence, folder, now_s)?;
    Ok(Assessment {
        made_at: jiff::Timestamp::now().to_string(),
        build: Build::current(),
        config_hash: config_hash(&json),
        limits: config.profile.limits().map(live_gate::confirm::digest),
        holders: settings.safety.holders.clone(),
        totals: Totals::of(&evidence),
        controls: controls(&evidence),
        gate,
        evidence,
    })
}
