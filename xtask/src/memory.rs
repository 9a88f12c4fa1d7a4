//! `cargo xtask deep memory`: draws how much memory the release program holds while it trades on paper and while the run is replayed.
//!
//! In:  data, by default the bundled minutes. Out: resident memory over the run as a plot, and how much it grew over its second half, in
//! bytes a market row. What a run keeps for its report (an hour's point of the curve and of each price, closed trades) is bounded by market
//! time; nothing else may grow with the rows.

use crate::outcome::TaskError;
use crate::workspace;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Time between two looks.
const EVERY: Duration = Duration::from_millis(2);

/// Lines of a plot.
const HEIGHT: usize = 10;

/// Columns of a plot.
const WIDTH: usize = 72;

/// `cargo xtask deep memory [--data PATH]... [--json]`
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    let (mut data, mut as_json) = (Vec::new(), false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (argument.as_str(), rest.len()) {
            ("--json", _) => as_json = true,
            ("--data", 1..) => data.extend(rest.next().map(PathBuf::from)),
            _ => return Err(TaskError::Usage(format!("memory: no option `{argument}`, or nothing behind it"))),
        }
    }
    let binary = workspace::release_binary(root)?;
    let folder = std::env::temp_dir().join(format!("bot4-memory-{}", std::process::id()));
    let out = folder.join("run");
    let mut paper = Command::new(&binary);
    paper.args(["paper", "--json", "--out"]).arg(&out).env("BOT4_HOME", folder.join("home"));
    if !data.is_empty() {
        paper.arg("--data").args(&data);
    }
    let mut replay = Command::new(&binary);
    replay.args(["replay", "--verify", "--json"]).arg(&out);
    let result =
        watch("paper, recorded", &mut paper).and_then(|first| Ok(vec![first, watch("replay --verify", &mut replay)?]));
    let _ = std::fs::remove_dir_all(&folder);
    for one in result? {
        if as_json {
            println!("{}", one.json());
        } else {
            println!("{}\n", one.text());
        }
    }
    Ok(())
}

/// What was seen of one program.
struct Seen {
    name: &'static str,
    /// Resident bytes, at equal times.
    resident: Vec<u64>,
    rows: u64,
}

/// Runs a program and looks at its memory until it ends.
fn watch(name: &'static str, command: &mut Command) -> Result<Seen, TaskError> {
    let fail = |e: std::io::Error| TaskError::Environment(format!("{name}: {e}"));
    // Into files: nobody would empty a pipe while it is looked at.
    let said = std::env::temp_dir().join(format!("bot4-memory-{}.json", std::process::id()));
    let file = std::fs::File::create(&said).map_err(fail)?;
    let mut child = command.stdin(Stdio::null()).stdout(file).stderr(Stdio::null()).spawn().map_err(fail)?;
    let status = format!("/proc/{}/status", child.id());
    let mut resident = Vec::new();
    let ended = loop {
        if let Some(ended) = child.try_wait().map_err(fail)? {
            break ended;
        }
        resident.extend(std::fs::read_to_string(&status).ok().as_deref().and_then(resident_of));
        std::thread::sleep(EVERY);
    };
    let text = std::fs::read_to_string(&said).map_err(fail)?;
    let _ = std::fs::remove_file(&said);
    let result: Value = serde_json::from_str(&text).unwrap_or_default();
    let rows = result["events"].as_u64().unwrap_or(0);
    if !ended.success() || rows == 0 || resident.len() < 8 {
        return Err(TaskError::Program(format!("{name}: {ended}, {rows} events, {} looks", resident.len())));
    }
    Ok(Seen { name, resident, rows })
}

/// Resident bytes of the kernel's status page of a process.
fn resident_of(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kb| kb * 1024)
}

impl Seen {
    /// Bytes by which the second half of the run grew.
    fn growth(&self) -> f64 {
        let mean = |part: &[u64]| part.iter().sum::<u64>() as f64 / part.len().max(1) as f64;
        let n = self.resident.len();
        let (third, last) = (&self.resident[n / 2..n / 2 + n / 8], &self.resident[n - n / 8..]);
        mean(last) - mean(third)
    }

    fn peak(&self) -> u64 {
        self.resident.iter().copied().max().unwrap_or(0)
    }

    fn json(&self) -> Value {
        json!({
            "run": self.name,
            "events": self.rows,
            "peak_mib": self.peak() as f64 / 1_048_576.0,
            "second_half_grew_mib": self.growth() / 1_048_576.0,
            "bytes_per_event": self.growth() / (self.rows as f64 / 2.0),
            "looks": self.resident.len(),
        })
    }

    fn text(&self) -> String {
        let top = self.peak().max(1);
        let columns: Vec<u64> = (0..WIDTH)
            .map(|column| {
                let (from, to) = (column * self.resident.len() / WIDTH, (column + 1) * self.resident.len() / WIDTH);
                self.resident[from..to.max(from + 1).min(self.resident.len())].iter().copied().max().unwrap_or(0)
            })
            .collect();
        let mut lines = vec![format!("{}: resident memory over {} events", self.name, self.rows)];
        for line in (1..=HEIGHT).rev() {
            let level = top * line as u64 / HEIGHT as u64;
            let below = top * (line as u64 - 1) / HEIGHT as u64;
            let row: String = columns.iter().map(|c| if *c > below { '#' } else { ' ' }).collect();
            lines.push(format!("{:>7.1} MiB |{row}", level as f64 / 1_048_576.0));
        }
        lines.push(format!("            +{}", "-".repeat(WIDTH)));
        let each = self.growth() / (self.rows as f64 / 2.0);
        lines.push(format!(
            "peak {:.1} MiB; the second half grew by {:.1} MiB, {each:.2} bytes an event",
            top as f64 / 1_048_576.0,
            self.growth() / 1_048_576.0
        ));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_page_is_read_and_growth_is_of_the_second_half() {
        assert_eq!(resident_of("Name:\tbot4\nVmRSS:\t   2048 kB\nThreads: 3"), Some(2_097_152));
        assert_eq!(resident_of("Name:\tbot4"), None);
        let seen = |resident: Vec<u64>| Seen { name: "x", resident, rows: 100 };
        assert_eq!(seen(vec![5; 64]).growth(), 0.0);
        let rising = seen((0..64).collect());
        assert!(rising.growth() > 20.0);
        assert!(rising.text().lines().count() == HEIGHT + 3, "{}", rising.text());
    }
}
