//! `simulate`: plays worlds by seed and says whether an invariant broke.
//!
//! `simulate [--seeds N] [--seed FIRST] [--json] [--keep-going] [--no-shrink] [--jobs N] [--alarms]`
//! With several jobs it starts itself as worker processes, one part of the seeds each.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod options;
mod output;

use options::Options;
use simulate::shrink::shrink;
use simulate::stats::Counts;
use simulate::world::{Outcome, play};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(what) => {
            eprintln!("simulate: {what}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let (counts, failed) = if options.jobs > 1 {
        match output::workers(&options) {
            Ok(done) => done,
            Err(what) => {
                eprintln!("simulate: {what}");
                return ExitCode::FAILURE;
            }
        }
    } else {
        one_process(&options)
    };
    output::tell(&options, &counts, &failed, began.elapsed().as_secs_f64());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Plays the seeds one after another, until one fails unless asked to go on.
fn one_process(options: &Options) -> (Counts, Vec<Outcome>) {
    let (mut counts, mut failed) = (Counts::default(), Vec::new());
    let mut alarms: BTreeMap<String, u64> = BTreeMap::new();
    for seed in options.first..options.first.saturating_add(options.seeds) {
        let outcome = play(seed);
        counts.add(&outcome.counts);
        for alarm in &outcome.alarms {
            *alarms.entry(alarm.clone()).or_default() += 1;
        }
        if outcome.broken.is_some() {
            failed.push(if options.shrink { shrink(outcome) } else { outcome });
            if !options.keep_going {
                break;
            }
        }
    }
    if options.alarms {
        alarms.iter().for_each(|(alarm, count)| eprintln!("{count:>9}  {alarm}"));
    }
    (counts, failed)
}
