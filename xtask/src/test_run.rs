//! `cargo xtask test`: the one test command.
//!
//! Runs every part in order, keeps going after a part that failed, and ends with a table of parts, results and times.
//! With `--json` standard output is one JSON object and everything else goes to standard error. Every part is
//! this program or cargo with the toolchain that runs it; what is installed, where that is possible, are a browser for the tests that
//! look at pages and a PostgreSQL server for those of the query store. Benchmarks are not a part.

use crate::outcome::TaskError;
use crate::{browser, crash, layers, licences, postgres, scan, simulate, workspace};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

/// The kernel counts processor time in hundredths of a second for programs, on every architecture Linux supports here.
const TICKS_PER_SECOND: f64 = 100.0;

/// One step of the test command.
struct Part {
    name: &'static str,
    work: Work,
}

enum Work {
    /// A check of this program.
    Check(fn(&Path, &[String]) -> Result<(), TaskError>),
    /// A call of cargo; the benchmark crate is left to `cargo xtask bench`.
    Cargo(&'static [&'static str]),
}

const PARTS: [Part; 12] = [
    Part { name: "layers", work: Work::Check(layers::run) },
    Part { name: "no-fakes", work: Work::Check(scan::run) },
    Part { name: "licences", work: Work::Check(licences::run) },
    Part { name: "browser", work: Work::Check(browser::run) },
    Part { name: "postgres", work: Work::Check(postgres::run) },
    Part {
        name: "compile tests",
        work: Work::Cargo(&["test", "--locked", "--quiet", "--workspace", "--exclude", "bench", "--no-run"]),
    },
    Part {
        name: "unit tests",
        work: Work::Cargo(&[
            "test",
            "--locked",
            "--quiet",
            "--workspace",
            "--exclude",
            "bench",
            "--no-fail-fast",
            "--lib",
            "--bins",
        ]),
    },
    Part {
        name: "integration tests",
        work: Work::Cargo(&[
            "test",
            "--locked",
            "--quiet",
            "--workspace",
            "--exclude",
            "bench",
            "--no-fail-fast",
            "--test",
            "*",
        ]),
    },
    Part {
        name: "doc tests",
        work: Work::Cargo(&[
            "test",
            "--locked",
            "--quiet",
            "--workspace",
            "--exclude",
            "bench",
            "--no-fail-fast",
            "--doc",
        ]),
    },
    Part { name: "simulation", work: Work::Check(simulate::test) },
    Part { name: "crash and resume", work: Work::Check(crash::test) },
    Part { name: "documentation", work: Work::Cargo(&["doc", "--locked", "--quiet", "--workspace", "--no-deps"]) },
];

/// How one part ended.
struct Ended {
    name: &'static str,
    passed: bool,
    seconds: f64,
    /// Processor time of this program and the programs it waited for; `None` where the kernel does not tell.
    cpu_seconds: Option<f64>,
}

/// The command.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let json = match arguments {
        [] => false,
        [option] if option == "--json" => true,
        _ => return Err(TaskError::Usage("test takes no argument but --json".into())),
    };
    let start = Instant::now();
    let mut ended = Vec::with_capacity(PARTS.len());
    for (index, part) in PARTS.iter().enumerate() {
        say(json, &format!("\n[{}/{}] {}", index + 1, PARTS.len(), part.name));
        let (began, cpu_began) = (Instant::now(), cpu_seconds());
        let result = match part.work {
            Work::Check(check) => check(root, &[]),
            Work::Cargo(options) => cargo(root, options, json),
        };
        if let Err(error) = &result {
            eprintln!("{}: {error}", part.name);
        }
        let ended_part = Ended {
            name: part.name,
            passed: result.is_ok(),
            seconds: began.elapsed().as_secs_f64(),
            cpu_seconds: cpu_seconds().zip(cpu_began).map(|(now, then)| now - then),
        };
        say(json, &format!("{}: {} in {:.1} s", part.name, result_word(ended_part.passed), ended_part.seconds));
        ended.push(ended_part);
    }
    conclude(&ended, start.elapsed().as_secs_f64(), json)
}

fn cargo(root: &Path, options: &[&str], json: bool) -> Result<(), TaskError> {
    let mut command = workspace::cargo();
    command.args(options).current_dir(root).env("RUSTDOCFLAGS", "-D warnings");
    if json {
        command.stdout(Stdio::from(std::io::stderr()));
    }
    workspace::run(&mut command, &format!("cargo {}", options.join(" ")))
}

fn conclude(parts: &[Ended], seconds: f64, json: bool) -> Result<(), TaskError> {
    let failed: Vec<&str> = parts.iter().filter(|part| !part.passed).map(|part| part.name).collect();
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    say(json, &format!("\n{}", table(parts, seconds, colour && !json)));
    let closing = if failed.is_empty() {
        format!("All {} parts passed.", parts.len())
    } else {
        format!("{} of {} parts failed: {}.", failed.len(), parts.len(), failed.join(", "))
    };
    say(json, &closing);
    if json {
        println!("{}", object(parts, seconds));
    }
    if failed.is_empty() { Ok(()) } else { Err(TaskError::Program("test: failed".into())) }
}

fn object(parts: &[Ended], seconds: f64) -> serde_json::Value {
    let rows: Vec<_> = parts
        .iter()
        .map(|part| {
            json!({
                "part": part.name,
                "result": result_word(part.passed),
                "seconds": hundredths(part.seconds),
                "cpu_seconds": part.cpu_seconds.map(hundredths),
            })
        })
        .collect();
    json!({ "result": result_word(parts.iter().all(|part| part.passed)), "seconds": hundredths(seconds), "parts": rows })
}

/// Finer digits of a time are noise.
fn hundredths(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn table(parts: &[Ended], seconds: f64, colour: bool) -> String {
    let mut lines = vec![format!("{:<20} {:<8} {:>9} {:>9}", "part", "result", "seconds", "CPU s")];
    for part in parts {
        let word = format!("{:<8}", result_word(part.passed));
        let word = match (colour, part.passed) {
            (false, _) => word,
            (true, true) => format!("\x1b[32m{word}\x1b[0m"),
            (true, false) => format!("\x1b[31m{word}\x1b[0m"),
        };
        lines.push(format!("{:<20} {word} {:>9.1} {:>9}", part.name, part.seconds, shown(part.cpu_seconds)));
    }
    let total = parts.iter().map(|part| part.cpu_seconds).sum();
    lines.push(format!("{:<20} {:<8} {seconds:>9.1} {:>9}", "total", "", shown(total)));
    lines.join("\n")
}

fn shown(cpu_seconds: Option<f64>) -> String {
    cpu_seconds.map_or_else(|| "-".into(), |seconds| format!("{seconds:.1}"))
}

fn result_word(passed: bool) -> &'static str {
    if passed { "passed" } else { "failed" }
}

/// A line for the person who watches. A closed pipe is no reason to stop testing.
fn say(json: bool, text: &str) {
    if json {
        eprintln!("{text}");
    } else {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

/// Processor seconds used so far by this process and by its children that have ended.
fn cpu_seconds() -> Option<f64> {
    cpu_ticks(&std::fs::read_to_string("/proc/self/stat").ok()?).map(|ticks| ticks / TICKS_PER_SECOND)
}

/// Fields 14 to 17 of the kernel's status line: own and children's time in user and system mode. They are counted from
/// the last parenthesis, because the program's name before it may hold blanks.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let times: Vec<f64> = fields.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    (times.len() == 4).then(|| times.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &'static str, passed: bool) -> Ended {
        Ended { name, passed, seconds: 1.25, cpu_seconds: Some(2.5) }
    }

    #[test]
    fn the_table_has_each_part_and_the_sum() {
        let text = table(&[part("layers", true), part("unit tests", false)], 3.0, false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("layers") && lines[1].contains("passed") && lines[2].contains("failed"), "{text}");
        assert!(lines[3].contains("3.0") && lines[3].contains("5.0"), "{text}");
        assert!(table(&[part("layers", true)], 1.0, true).contains("\x1b[32m"));
    }

    #[test]
    fn one_failed_part_fails_the_whole() {
        let parts = [part("layers", true), part("unit tests", false)];
        assert!(conclude(&parts, 1.0, true).is_err());
        assert!(conclude(&parts[..1], 1.0, true).is_ok());
        assert_eq!(object(&parts, 1.0)["result"], "failed");
        assert_eq!(object(&parts, 1.0)["parts"][1]["part"], "unit tests");
    }

    #[test]
    fn processor_time_is_read_behind_a_name_with_blanks() {
        let stat = "42 (a b) c) S 1 2 3 4 5 6 7 8 9 10 100 20 3000 400 20 0 1";
        assert_eq!(cpu_ticks(stat), Some(3520.0));
        assert_eq!(cpu_ticks("42 (a) S 1 2"), None);
    }
}
