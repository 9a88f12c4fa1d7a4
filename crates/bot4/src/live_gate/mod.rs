//! The gate before live trading: everything that must hold, looked at by the machine, each with its evidence.
//!
//! In:  the configuration, recorded runs, keys, confirmations, the self-tests.
//! Out: a checklist. Live trading starts only if all of it passes; what is not known has not passed.
//! What bot4 cannot do yet is an item that fails and says so: no venue can be connected, so nothing trades live.

pub mod confirm;
mod costs;
mod paper_days;

pub use costs::{Hurdle, hurdle};
pub use paper_days::{Counted, DAYS_MIN, Day, PaperRun, Version, count, of_records};

use crate::assess::{Evidence, config_hash};
use crate::checklist::{Checklist, Item};
use crate::command::CommandError;
use crate::config::{PAPER, RunSettings, configure};
use crate::overrides::{Holders, self_test};
use crate::runner::run_folder::Build;
use domain::Money;
use risk::Limits;
use std::path::Path;

/// Least capital for live trading, in US dollars.
pub const CAPITAL_MIN: i64 = 10_000;

/// Looks at everything. `now_s` is the machine's clock in seconds since 1970; the self-tests write into `folder` and take away what they wrote.
///
/// # Errors
/// A configuration that no run could have.
pub fn look(settings: &RunSettings, evidence: &Evidence, folder: &Path, now_s: u64) -> Result<Checklist, CommandError> {
    let config = configure(settings, &PAPER)?;
    let holders = Holders::parse(&settings.safety.holders).map_err(CommandError::usage)?;
    let limits = config.profile.limits().copied();
    let json = settings.to_json().map_err(CommandError::failed)?;
    let json: serde_json::Value = serde_json::from_str(&json).map_err(CommandError::failed)?;
    let version = Version { program: Build::current().sha256, config: config_hash(&json) };
    let counted = count(&of_records(&evidence.found), &version);
    let mut items = vec![
        self_tests(folder, limits),
        Item::new(
            "venue_conformance",
            "each venue's connection has passed its conformance suite",
            Err("no venue can be connected yet, so none has".into()),
        ),
        paper(&counted, settings.safety.paper_days_min),
        profit(&counted),
        capital(config.cash),
        cost_hurdle(evidence),
        limits_confirmed(settings, limits, &holders, now_s),
        deployment(limits),
        holders_known(&holders),
        Item::new("audit_key", "the key that signs the audit log is there", self_test::audit_key(folder)),
        Item::new(
            "kill_credentials",
            "the kill path has credentials of its own, other than those that trade",
            Err("there are neither yet: credentials come with the connections to venues".into()),
        ),
    ];
    items.extend(unreadable(evidence));
    Ok(Checklist { items })
}

fn self_tests(folder: &Path, limits: Option<Limits>) -> Item {
    let list = self_test::run(&self_test::Subject::before(folder, limits));
    let found = if list.passes() { Ok(format!("all {} pass", list.items.len())) } else { Err(list.open_text()) };
    Item::new("self_test", "the self-tests of safety pass", found)
}

fn paper(counted: &Counted, wanted: u64) -> Item {
    // Fewer than the least are not accepted, whatever the configuration says.
    let wanted = wanted.max(DAYS_MIN);
    let mut text = format!("{} of {wanted} days count", counted.days);
    for (reason, days) in &counted.not {
        text += &format!("; {days} do not: {reason}");
    }
    let found = if counted.days >= wanted { Ok(text) } else { Err(text) };
    Item::new("paper_days", "days on paper, on live data, with this program and configuration", found)
}

fn profit(counted: &Counted) -> Item {
    let (key, must) = ("paper_profit", "the days that count earned something after all costs");
    match counted.net {
        Some(net) if net > 0.0 => Item::new(key, must, Ok(format!("{:.3} % of the cash", net * 100.0))),
        Some(net) => Item::new(key, must, Err(format!("{:.3} % of the cash", net * 100.0))),
        None if counted.days == 0 => Item::new(key, must, Err("no day counts, so there is nothing to judge".into())),
        None => Item::unknown(key, must, "the result of a run with days that count is not known"),
    }
}

fn capital(cash: Money) -> Item {
    let (key, must) = ("capital", "at least USD 10,000 in the account");
    if cash < Money::from_units(CAPITAL_MIN) {
        return Item::new(key, must, Err(format!("run.cash says {cash}")));
    }
    let why =
        format!("run.cash says {cash}; what is in an account is known when its venue can be asked, and none can yet");
    Item::unknown(key, must, why)
}

fn cost_hurdle(evidence: &Evidence) -> Item {
    let (key, must) = ("cost_hurdle", "what trading costs a month is computed from turnover and fees, and shown");
    let paper = evidence.found.iter().filter(|run| run.run == "paper");
    match hurdle(paper.filter_map(|run| run.report.as_ref())) {
        Some(hurdle) => Item::new(key, must, Ok(format!("{} (recorded data)", hurdle.text()))),
        None => Item::unknown(key, must, "no finished paper run to compute it from"),
    }
}

fn limits_confirmed(settings: &RunSettings, limits: Option<Limits>, holders: &Holders, now_s: u64) -> Item {
    let found = match limits {
        None => Err("there are none".into()),
        Some(limits) => confirm::confirmed(&settings.paths.limits_confirmed(), &limits, holders, now_s)
            .map(|c| format!("by {}, limits {}", c.sub, c.limits.get(..12).unwrap_or_default()))
            .map_err(|e| e.to_string()),
    };
    Item::new("limits_confirmed", "a key holder has signed the limits in force, within the last 90 days", found)
}

/// The first live start is at a step of deployment, by which limits widen.
fn deployment(limits: Option<Limits>) -> Item {
    let (key, must) = ("deployment", "a step of deployment bounds instruments, value, positions and venues");
    let step = limits.and_then(|limits| serde_json::to_value(limits).ok()?.get("deployment_step")?.as_u64());
    match step {
        Some(0) | None => {
            Item::new(key, must, Err("no step is chosen: expected limits.deployment_step of 1 to begin with".into()))
        }
        Some(step) => Item::new(key, must, Ok(format!("step {step}"))),
    }
}

fn holders_known(holders: &Holders) -> Item {
    let (key, must) = ("key_holders", "somebody can make bot4 stricter, and somebody can re-arm it");
    let of = |role| holders.iter().filter(|known| known.role == role).map(|k| k.holder.to_string()).collect::<Vec<_>>();
    let (operators, rearm) = (of(crate::overrides::Role::Operator), of(crate::overrides::Role::Rearm));
    if operators.is_empty() || rearm.is_empty() {
        let text = format!(
            "safety.holders has {} of the role operator and {} of the role rearm",
            operators.len(),
            rearm.len()
        );
        return Item::new(key, must, Err(text));
    }
    Item::new(key, must, Ok(format!("operators: {}; rearm: {}", operators.join(", "), rearm.join(", "))))
}

/// Records that cannot be read may hold anything: they are looked at before money is at stake.
fn unreadable(evidence: &Evidence) -> Option<Item> {
    let altered =
        evidence.found.iter().filter(|run| !run.audit.sound).map(|run| (&run.folder, run.audit.findings.first()));
    let first = altered.map(|(folder, finding)| (folder, finding.cloned().unwrap_or_default()));
    let broken = evidence.unreadable.iter().map(|(folder, why)| (folder, why.clone()));
    let all: Vec<String> = first.chain(broken).map(|(folder, why)| format!("{}: {why}", folder.display())).collect();
    let (n, first) = (all.len(), all.first()?);
    Some(Item::new(
        "records",
        "every recorded run can be read and verifies",
        Err(format!("{n} do not, the first: {first}")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checklist::State;

    #[test]
    fn fewer_than_sixty_days_are_never_accepted() {
        let counted = |days| Counted { days, not: Vec::new(), net: Some(0.01) };
        for (days, wanted, state) in [
            (59, 1, State::Fail),
            (59, 60, State::Fail),
            (60, 1, State::Pass),
            (60, 60, State::Pass),
            (89, 90, State::Fail),
            (90, 90, State::Pass),
        ] {
            assert_eq!(paper(&counted(days), wanted).state, state, "{days} of {wanted}");
        }
    }

    #[test]
    fn what_was_earned_must_be_known_and_positive() {
        let counted = |days, net| Counted { days, not: Vec::new(), net };
        assert_eq!(profit(&counted(90, Some(0.001))).state, State::Pass);
        assert_eq!(profit(&counted(90, Some(0.0))).state, State::Fail);
        assert_eq!(profit(&counted(90, Some(-0.1))).state, State::Fail);
        assert_eq!(profit(&counted(90, None)).state, State::Unknown);
        assert_eq!(profit(&counted(0, None)).state, State::Fail);
    }

    #[test]
    fn too_little_capital_fails_and_what_an_account_holds_is_not_known() {
        assert_eq!(capital(Money::from_units(9_999)).state, State::Fail);
        assert_eq!(capital(Money::from_units(10_000)).state, State::Unknown);
    }
}
