//! The controls that rules and industry practice ask for, one by one: where each is built, what tests it, what of it was found recorded.
//!
//! They are a bar of quality taken from SEC Rule 15c3-5, MiFID II RTS 6 (Delegated Regulation (EU) 2017/589) and FIA guidance. No compliance
//! with any law is claimed.

use super::evidence::{Evidence, RunFacts};
use risk::CHECKS;
use serde::Serialize;

/// How a control stands in this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Built, and in force.
    InPlace,
    /// Part of it is.
    Partly,
    /// Not there.
    NotYet,
}

impl Standing {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::InPlace => "in place",
            Self::Partly => "partly",
            Self::NotYet => "not there yet",
        }
    }
}

/// One control.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Control {
    /// Its number.
    pub id: &'static str,
    /// What it asks for.
    pub asks: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// Where it is built, in the source.
    pub built: &'static [&'static str],
    /// What tests it, in the source.
    pub tested: &'static [&'static str],
    /// What of it was found in the records.
    pub found: String,
    /// What is missing.
    pub missing: &'static str,
}

/// The controls, with what was found of them.
#[must_use]
pub fn controls(evidence: &Evidence) -> Vec<Control> {
    let of = Found(evidence);
    let control = |id, asks, standing, built, tested, missing, found: String| Control {
        id,
        asks,
        standing,
        built,
        tested,
        found: if found.is_empty() { "nothing recorded of it".into() } else { found },
        missing,
    };
    let (checked, check_tests): (&[&str], &[&str]) = (&["crates/risk/src/check"], &["crates/risk/src/check/mod.rs"]);
    vec![
        control(
            "W01",
            "capital threshold per account and in aggregate; orders beyond it blocked",
            checks(&["capital_threshold"]),
            checked,
            check_tests,
            "",
            of.refusals(&["capital_threshold"]),
        ),
        control(
            "W02",
            "orders that are wrong by price or size are blocked; price collars",
            checks(&["price_collar", "order_value", "order_volume"]),
            checked,
            check_tests,
            "",
            of.refusals(&["price_collar", "order_value", "order_volume", "price_stale", "price_unknown"]),
        ),
        control(
            "W03",
            "the same order twice is blocked",
            checks(&["duplicate"]),
            checked,
            check_tests,
            "",
            of.refusals(&["duplicate"]),
        ),
        control(
            "W04",
            "largest order value and volume, highest message rate with amends and cancels",
            checks(&["order_value", "order_volume", "message_rate"]),
            checked,
            check_tests,
            "",
            of.refusals(&["order_value", "order_volume", "message_rate"]),
        ),
        control(
            "W05",
            "every order counts in the limits from the instant it is sent",
            Standing::InPlace,
            &["crates/risk/src/exposure.rs"],
            &["crates/risk/src/exposure.rs", "crates/bot4/tests/it/system.rs"],
            "",
            of.entries(&["order"]),
        ),
        control(
            "W06",
            "repeated execution: a strategy is disabled until a named key holder re-arms it",
            checks(&["repeated_execution"]),
            &["crates/risk/src/check", "crates/bot4/src/overrides"],
            &["crates/risk/src/check/mod.rs", "crates/bot4/src/overrides/action.rs"],
            "",
            join([of.refusals(&["repeated_execution"]), of.alerts(&["disabled"]), of.entries(&["rearmed"])]),
        ),
        control(
            "W07",
            "long, short and gross exposure limits within the day",
            checks(&["gross_exposure", "long_exposure", "short_exposure", "leverage"]),
            checked,
            check_tests,
            "",
            of.refusals(&[
                "gross_exposure",
                "net_exposure",
                "long_exposure",
                "short_exposure",
                "leverage",
                "position_size",
            ]),
        ),
        control(
            "W08",
            "restricted instruments and accounts are refused",
            checks(&["restricted"]),
            checked,
            check_tests,
            "",
            of.refusals(&["restricted"]),
        ),
        control(
            "W09",
            "kill: all open orders by one decision, from outside of the trading process",
            Standing::Partly,
            &["crates/bot4/src/kill", "crates/bot4/src/watch", "crates/infra/src/gate_word"],
            &["crates/infra/src/gate_word", "crates/bot4/src/watch"],
            "the side of the venues: credentials of its own come with the connections",
            join([
                of.causes(&["kill", "hardware", "tamper", "signal", "heartbeat", "gate_word"]),
                of.entries(&["not_sent"]),
            ]),
        ),
        control(
            "W10",
            "each order is traceable to strategy, model version, configuration hash and key holder",
            Standing::Partly,
            &["crates/bot4/src/audit", "crates/bot4/src/runner/run_folder.rs"],
            &["crates/bot4/tests/it/audit.rs"],
            "there are no models yet, hence no versions of them",
            of.traced(),
        ),
        control(
            "W11",
            "cancel on disconnect, or a dead man's switch at the venue",
            Standing::NotYet,
            &["crates/bot4/src/watch"],
            &["crates/bot4/src/watch"],
            "the venue's side; within the process a heartbeat that stays away closes the gate",
            of.causes(&["heartbeat"]),
        ),
        control(
            "W12",
            "orders of one's own do not trade with each other",
            checks(&["self_match"]),
            checked,
            check_tests,
            "",
            of.refusals(&["self_match", "opposes_own_position"]),
        ),
        control(
            "W13",
            "the own flow is watched for patterns of manipulation",
            Standing::NotYet,
            &[],
            &[],
            "all of it; every order can be played again from its journal",
            String::new(),
        ),
        control(
            "W14",
            "alerts within five seconds",
            Standing::Partly,
            &["crates/bot4/src/log", "crates/bot4/src/audit"],
            &["crates/bot4/src/log/tests.rs"],
            "channels: alerts are in the journal and in the log, at once, and nowhere else",
            of.alerts(&[]),
        ),
        control(
            "W15",
            "reconciliation with the venue after trades, and what is found is acted upon",
            Standing::Partly,
            &["crates/execution/src/reconcile", "crates/engine/src/reconcile.rs"],
            &["crates/engine/tests/it/reconcile.rs", "crates/simulate/src/referee.rs"],
            "the connections to venues: so far the simulated venue is asked",
            join([of.entries(&["reconciled", "difference"]), of.causes(&["reconciliation"])]),
        ),
        control(
            "W16",
            "a conformance suite for each venue before live use",
            Standing::NotYet,
            &["crates/bot4/src/live_gate"],
            &["crates/bot4/src/live_gate"],
            "the suites; the gate refuses live trading without them",
            String::new(),
        ),
        control(
            "W17",
            "deployment by steps that widen: instruments, value, positions, venues",
            checks(&["deployment"]),
            checked,
            check_tests,
            "",
            of.refusals(&["deployment"]),
        ),
        control(
            "W18",
            "a stress test at twice the highest rate of messages and volume seen",
            Standing::NotYet,
            &[],
            &[],
            "all of it: no live rate was seen yet",
            String::new(),
        ),
        control(
            "W19",
            "a self-assessment by one command, from recorded evidence",
            Standing::InPlace,
            &["crates/bot4/src/assess"],
            &["crates/bot4/tests/it/assess.rs"],
            "",
            format!("{} recorded runs read", evidence.found.len()),
        ),
        control(
            "W20",
            "business continuity: tested recovery, orderly shutdown, backup",
            Standing::Partly,
            &["crates/bot4/src/runner", "crates/bot4/src/backup.rs", "crates/store/src"],
            &["crates/bot4/tests/it/recorded.rs", "crates/bot4/tests/it/shutdown.rs", "crates/store/tests/it"],
            "operation of a second machine",
            join([of.entries(&["recovery"]), of.complete()]),
        ),
        control(
            "W21",
            "who changed which limit, when, from what to what",
            Standing::InPlace,
            &["crates/bot4/src/overrides", "crates/bot4/src/audit"],
            &["crates/bot4/src/overrides/inbox.rs", "crates/bot4/tests/it/overrides.rs"],
            "",
            of.access(),
        ),
    ]
}

/// In place if all of these checks are in the table of checks, partly if some are.
fn checks(names: &[&str]) -> Standing {
    let there = names.iter().filter(|name| CHECKS.iter().any(|row| row.check.key() == **name)).count();
    match there {
        0 => Standing::NotYet,
        n if n == names.len() => Standing::InPlace,
        _ => Standing::Partly,
    }
}

/// Parts that say something, as one text.
fn join<const N: usize>(parts: [String; N]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
}

/// What was found, in words; an empty text if nothing was.
struct Found<'a>(&'a Evidence);

impl Found<'_> {
    fn count(&self, of: impl Fn(&RunFacts) -> u64) -> u64 {
        self.0.found.iter().map(of).sum()
    }

    fn named(&self, names: &[&str], what: &str, of: impl Fn(&RunFacts, &str) -> u64) -> String {
        let counts = names.iter().map(|name| (*name, self.count(|run| of(run, name))));
        let shown: Vec<String> = counts.filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
        if shown.is_empty() { String::new() } else { format!("{what}: {}", shown.join(", ")) }
    }

    fn refusals(&self, reasons: &[&str]) -> String {
        self.named(reasons, "refusals", |run, reason| run.refusals.get(reason).copied().unwrap_or(0))
    }

    fn entries(&self, kinds: &[&str]) -> String {
        self.named(kinds, "entries of the audit log", |run, kind| run.entries.get(kind).copied().unwrap_or(0))
    }

    /// Alerts of these kinds; of all for none.
    fn alerts(&self, kinds: &[&str]) -> String {
        let mut all: Vec<&str> = kinds.to_vec();
        if all.is_empty() {
            all = self.0.found.iter().flat_map(|run| run.alerts.keys().map(String::as_str)).collect();
            all.sort_unstable();
            all.dedup();
        }
        self.named(&all, "alerts", |run, kind| run.alerts.get(kind).copied().unwrap_or(0))
    }

    fn causes(&self, causes: &[&str]) -> String {
        self.named(causes, "changes of the mode by", |run, cause| {
            run.modes.iter().filter(|mode| mode.cause == cause).count() as u64
        })
    }

    fn complete(&self) -> String {
        let sealed = self.count(|run| u64::from(run.complete));
        if self.0.found.is_empty() {
            String::new()
        } else {
            format!("{sealed} of {} runs ended and were sealed", self.0.found.len())
        }
    }

    fn traced(&self) -> String {
        let orders = self.count(|run| run.entries.get("order").copied().unwrap_or(0));
        let sound = self.count(|run| u64::from(run.audit.sound));
        let runs = self.0.found.len();
        if runs == 0 { String::new() } else { format!("{orders} orders in {runs} runs, {sound} of which verify") }
    }

    fn access(&self) -> String {
        let used = self.count(|run| run.overrides.len() as u64);
        let refused = self.count(|run| run.overrides_refused.len() as u64);
        let limits = self.count(|run| run.limits.len() as u64);
        if self.0.found.is_empty() {
            return String::new();
        }
        format!("{limits} changes of limits, {used} tokens used, {refused} refused")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_there_in_order_and_every_place_that_is_named_exists() {
        let all = controls(&Evidence::default());
        let ids: Vec<String> = (1..=21).map(|n| format!("W{n:02}")).collect();
        assert_eq!(all.iter().map(|c| c.id).collect::<Vec<_>>(), ids);
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for control in &all {
            for place in control.built.iter().chain(control.tested) {
                assert!(root.join(place).exists(), "{}: {place}", control.id);
            }
            let whole = control.standing == Standing::InPlace;
            assert!(!whole || (!control.built.is_empty() && !control.tested.is_empty()), "{}", control.id);
            assert!(
                whole
                    || !control.missing.is_empty()
                    || control.built == ["crates/risk/src/check"]
                    || control.id == "W06",
                "{}",
                control.id
            );
        }
        let empty = all.iter().find(|c| c.id == "W10").unwrap();
        assert_eq!(empty.found, "nothing recorded of it");
    }

    #[test]
    fn a_check_is_in_place_when_the_table_of_checks_has_it() {
        assert_eq!(checks(&["duplicate", "self_match"]), Standing::InPlace);
        assert_eq!(checks(&["duplicate", "no such check"]), Standing::Partly);
        assert_eq!(checks(&["no such check"]), Standing::NotYet);
    }
}
