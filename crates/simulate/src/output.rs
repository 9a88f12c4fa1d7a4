//! What is said at the end, and the worker processes whose words are added up.

use crate::options::Options;
use serde_json::{Value, json};
use simulate::stats::Counts;
use simulate::world::Outcome;
use std::process::{Command, Stdio};

/// The command that plays one seed again.
fn again(seed: u64) -> String {
    format!("cargo xtask simulate --seeds 1 --seed {seed}")
}

/// Tells how it ended: a table, JSON, or the words of a worker.
pub fn tell(options: &Options, counts: &Counts, failed: &[Outcome], seconds: f64) {
    if options.worker {
        let words: Vec<String> = counts.words().iter().map(ToString::to_string).collect();
        println!("counts {}", words.join(" "));
        failed.iter().for_each(|outcome| println!("failed {}", outcome.seed));
        return;
    }
    if options.json {
        println!("{}", object(counts, failed, seconds));
    } else {
        println!("{}", table(counts, seconds));
    }
    for outcome in failed {
        explain(outcome, options.json);
    }
    if !options.json {
        println!("{}", if failed.is_empty() { "No invariant was broken." } else { "AN INVARIANT WAS BROKEN." });
    }
}

fn hours(counts: &Counts) -> f64 {
    counts.nanos as f64 / 3.6e12
}

fn table(counts: &Counts, seconds: f64) -> String {
    let mut lines = vec![format!("{:<30} {:>12}", "fault", "injected")];
    for (kind, count) in counts.faults() {
        lines.push(format!("{:<30} {count:>12}", kind.name()));
    }
    lines.push(format!("{:<30} {:>12}", "funding rows", counts.fundings));
    lines.push(String::new());
    for (name, value) in [
        ("seeds", counts.worlds),
        ("both sides compared", counts.compared),
        ("engine steps", counts.steps),
        ("orders", counts.orders),
        ("executions", counts.fills),
        ("restarts", counts.restarts),
        ("  of these from a snapshot", counts.from_snapshot),
        ("seeds not in mode normal", counts.not_normal),
        ("faults recorded by the engine", counts.alarms),
    ] {
        lines.push(format!("{name:<30} {value:>12}"));
    }
    lines.push(format!("{:<30} {:>12.1}", "simulated hours", hours(counts)));
    lines.push(format!("{:<30} {:>12.1}", "seconds", seconds));
    lines.push(format!("{:<30} {:>12.0}", "simulated hours per minute", hours(counts) / seconds.max(1e-9) * 60.0));
    lines.join("\n")
}

fn object(counts: &Counts, failed: &[Outcome], seconds: f64) -> Value {
    let faults: serde_json::Map<String, Value> =
        counts.faults().map(|(kind, count)| (kind.name().to_owned(), count.into())).collect();
    let failures: Vec<Value> = failed
        .iter()
        .map(|outcome| {
            json!({
                "seed": outcome.seed,
                "reproduce": again(outcome.seed),
                "invariant": outcome.broken.as_ref().map(|b| b.invariant),
                "what": outcome.broken.as_ref().map(|b| b.what.clone()),
                "faults": outcome.faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "trail": outcome.trail,
            })
        })
        .collect();
    json!({
        "seeds": counts.worlds,
        "compared": counts.compared,
        "steps": counts.steps,
        "orders": counts.orders,
        "executions": counts.fills,
        "funding_rows": counts.fundings,
        "restarts": counts.restarts,
        "restarts_from_snapshot": counts.from_snapshot,
        "not_normal": counts.not_normal,
        "engine_faults": counts.alarms,
        "faults": faults,
        "simulated_hours": hours(counts),
        "seconds": seconds,
        "failures": failures,
    })
}

fn explain(outcome: &Outcome, json: bool) {
    let mut lines = Vec::new();
    let Some(broken) = &outcome.broken else { return };
    lines.push(format!("\nseed {}: broken: {}", outcome.seed, broken.invariant));
    lines.push(format!("  {}", broken.what));
    lines.push(format!("  again: {}", again(outcome.seed)));
    lines.push(format!("  faults that are needed for it ({}):", outcome.faults.len()));
    lines.extend(outcome.faults.iter().map(|fault| format!("    {fault}")));
    lines.push("  the last things that happened:".into());
    lines.extend(outcome.trail.iter().map(|line| format!("    {line}")));
    let text = lines.join("\n");
    if json { eprintln!("{text}") } else { println!("{text}") }
}

/// Plays the seeds in worker processes and adds up what they say; the seeds that failed are played again here.
///
/// # Errors
/// When a worker cannot be started or says something else.
pub fn workers(options: &Options) -> Result<(Counts, Vec<Outcome>), String> {
    let me = std::env::current_exe().map_err(|e| format!("own program: {e}"))?;
    let share = options.seeds.div_ceil(options.jobs);
    let mut children = Vec::new();
    for job in 0..options.jobs {
        let first = options.first + job * share;
        let seeds = share.min((options.first + options.seeds).saturating_sub(first));
        let mut command = Command::new(&me);
        command.args(["--worker", "--no-shrink", "--seeds", &seeds.to_string(), "--seed", &first.to_string()]);
        if options.keep_going {
            command.arg("--keep-going");
        }
        children.push(command.stdout(Stdio::piped()).spawn().map_err(|e| format!("a worker: {e}"))?);
    }
    let (mut counts, mut failed) = (Counts::default(), Vec::new());
    for child in children {
        let output = child.wait_with_output().map_err(|e| format!("a worker: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut told = false;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("counts") => {
                    let numbers: Vec<u64> = words.filter_map(|w| w.parse().ok()).collect();
                    counts.add(&Counts::from_words(&numbers).ok_or("a worker's counts cannot be read")?);
                    told = true;
                }
                Some("failed") => failed.extend(words.next().and_then(|w| w.parse::<u64>().ok())),
                _ => {}
            }
        }
        if !told {
            return Err(format!("a worker ended with {} and without a word", output.status));
        }
    }
    failed.sort_unstable();
    let again = |seed: u64| {
        let outcome = simulate::world::play(seed);
        if options.shrink { simulate::shrink::shrink(outcome) } else { outcome }
    };
    Ok((counts, failed.into_iter().take(20).map(again).collect()))
}
