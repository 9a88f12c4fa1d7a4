//! Days on paper: which of them count before live trading, and what they earned.
//!
//! In:  what is known of each paper run and of its days. Out: how many days count, and why the others do not.
//!
//! A day counts only if it was played on live data of a venue, at the pace of the clock, with at least 95 % of the stream covered, by the
//! program and the configuration that are to trade live, and if the run's journal verifies. A day of recorded files counts for nothing: it
//! was known before it was played.

use crate::assess::RunFacts;
use std::collections::BTreeSet;

/// Fewest days that are ever accepted.
pub const DAYS_MIN: u64 = 60;

/// Least part of a day's stream that must have been covered.
pub const COVERAGE_MIN: f64 = 0.95;

/// What a run was played by: the same for all days that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// SHA-256 of the program; unknown is like no other, itself included.
    pub program: Option<String>,
    /// Hash of what the configuration says about trading.
    pub config: String,
}

/// What is known of one UTC day of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// The date: `2026-11-30`.
    pub date: String,
    /// Whether its data came live from a venue.
    pub live: bool,
    /// Whether it was played at the pace of the clock.
    pub at_clock: bool,
    /// Part of its stream that was covered; `None` if not known.
    pub coverage: Option<f64>,
}

/// What is known of a paper run.
#[derive(Clone, Debug, PartialEq)]
pub struct PaperRun {
    /// Its folder's name.
    pub name: String,
    /// What played it.
    pub version: Version,
    /// Whether its journal and audit log verify.
    pub verified: bool,
    /// Its days.
    pub days: Vec<Day>,
    /// Profit or loss after all costs, as a fraction of its cash; `None` if not known.
    pub net: Option<f64>,
}

/// What counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counted {
    /// Dates that count, each once.
    pub days: u64,
    /// Days that do not, by reason, in the order of the reasons.
    pub not: Vec<(&'static str, u64)>,
    /// Profit or loss after all costs of the runs with days that count, as a fraction of their cash; `None` if there is none, or one of them
    /// is not known.
    pub net: Option<f64>,
}

/// Counts the days of runs that were played by `version`.
#[must_use]
pub fn count(runs: &[PaperRun], version: &Version) -> Counted {
    let mut dates = BTreeSet::new();
    let mut not: Vec<(&'static str, u64)> = Vec::new();
    let mut net = Some(0.0);
    for run in runs {
        let mut counts = false;
        for day in &run.days {
            match why_not(run, day, version) {
                None => {
                    counts = true;
                    dates.insert(day.date.as_str());
                }
                Some(reason) => match not.iter_mut().find(|(known, _)| *known == reason) {
                    Some((_, n)) => *n += 1,
                    None => not.push((reason, 1)),
                },
            }
        }
        if counts {
            net = net.zip(run.net.filter(|net| net.is_finite())).map(|(sum, net)| sum + net);
        }
    }
    let days = u64::try_from(dates.len()).unwrap_or(u64::MAX);
    Counted { days, not, net: net.filter(|_| days > 0) }
}

/// Why a day does not count.
fn why_not(run: &PaperRun, day: &Day, version: &Version) -> Option<&'static str> {
    if !day.live {
        return Some("played from files, not on live data of a venue");
    }
    if !day.at_clock {
        return Some("not at the pace of the clock");
    }
    // Not known, NaN included, is not covered.
    if !day.coverage.is_some_and(|coverage| coverage >= COVERAGE_MIN) {
        return Some("less than 95 % of the stream covered, or not known how much");
    }
    if run.version.program.is_none() || run.version != *version {
        return Some("another program or configuration than is to trade live");
    }
    (!run.verified).then_some("journal or audit log do not verify")
}

/// What is known of recorded paper runs. No venue can be connected yet, so all of them were played from files: their days are listed with
/// that reason and count for nothing.
#[must_use]
pub fn of_records(runs: &[RunFacts]) -> Vec<PaperRun> {
    let of = |facts: &RunFacts| {
        let report = facts.report.as_ref();
        let cash = report.map(|r| r.summary.initial_cash).filter(|cash| *cash > 0.0);
        let end = report.and_then(|r| r.summary.final_equity);
        let day = |date: &String| Day { date: date.clone(), live: false, at_clock: false, coverage: None };
        PaperRun {
            name: facts.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            version: Version { program: facts.program.clone(), config: facts.config_hash.clone() },
            verified: facts.audit.sound,
            days: facts.dates.iter().map(day).collect(),
            net: end.zip(cash).map(|(end, cash)| end / cash - 1.0),
        }
    };
    runs.iter().filter(|facts| facts.run == "paper").map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version() -> Version {
        Version { program: Some("p".into()), config: "c".into() }
    }

    fn day(n: usize) -> Day {
        Day {
            date: format!("2026-{:02}-{:02}", 1 + n / 28, 1 + n % 28),
            live: true,
            at_clock: true,
            coverage: Some(1.0),
        }
    }

    fn run(days: std::ops::Range<usize>) -> PaperRun {
        PaperRun {
            name: "r".into(),
            version: version(),
            verified: true,
            days: days.map(day).collect(),
            net: Some(0.01),
        }
    }

    #[test]
    fn dates_count_once_over_all_runs() {
        let counted = count(&[run(0..40), run(30..70)], &version());
        assert_eq!((counted.days, counted.not.len()), (70, 0));
        assert!((counted.net.unwrap() - 0.02).abs() < 1e-12);
        assert_eq!(count(&[], &version()), Counted::default(), "no run earned nothing: not known");
    }

    #[test]
    fn each_condition_is_needed() {
        let with = |change: &dyn Fn(&mut PaperRun)| {
            let mut run = run(0..3);
            change(&mut run);
            let counted = count(&[run], &version());
            assert_eq!((counted.days, counted.net), (0, None));
            let [(reason, 3)] = counted.not[..] else { panic!("{:?}", counted.not) };
            reason
        };
        let each = |change: &'static dyn Fn(&mut Day)| with(&|run| run.days.iter_mut().for_each(change));
        assert!(each(&|day| day.live = false).contains("files"));
        assert!(each(&|day| day.at_clock = false).contains("pace"));
        for coverage in [None, Some(0.9499), Some(f64::NAN), Some(-1.0)] {
            assert!(with(&|run| run.days.iter_mut().for_each(|day| day.coverage = coverage)).contains("95 %"));
        }
        assert!(with(&|run| run.version.config = "other".into()).contains("another program or configuration"));
        assert!(with(&|run| run.version.program = Some("q".into())).contains("another program"));
        assert!(with(&|run| run.verified = false).contains("verify"));
        // A program that is not known is not the one that is to trade.
        let unknown = Version { program: None, ..version() };
        let mut run = run(0..3);
        run.version = unknown.clone();
        assert_eq!(count(&[run], &unknown).days, 0);
    }

    #[test]
    fn a_loss_counts_and_an_unknown_result_leaves_the_whole_unknown() {
        let loss = PaperRun { net: Some(-0.03), ..run(40..80) };
        assert!(count(&[run(0..40), loss], &version()).net.unwrap() < 0.0);
        for unknown in [None, Some(f64::NAN), Some(f64::INFINITY)] {
            let unknown = PaperRun { net: unknown, ..run(40..80) };
            assert_eq!(count(&[run(0..40), unknown], &version()).net, None);
        }
    }
}
