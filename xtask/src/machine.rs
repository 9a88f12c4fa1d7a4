//! `cargo xtask cpu`: the facts of the machine and the build that a measured figure needs beside it.

use crate::outcome::TaskError;
use crate::workspace;
use std::path::Path;
use std::process::Command;

/// The command: prints the facts on standard output.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    if !arguments.is_empty() {
        return Err(TaskError::Usage("cpu takes no arguments".into()));
    }
    print(root);
    Ok(())
}

/// Prints one fact per line; what the system does not tell is said to be unknown.
pub fn print(root: &Path) {
    let file = |path: &str| std::fs::read_to_string(path).ok();
    let program = |name: &str, arguments: &[&str]| {
        let mut command = Command::new(name);
        workspace::output(command.args(arguments).current_dir(root), name).ok()
    };
    let cores = std::thread::available_parallelism().ok().map(|count| count.to_string());
    let commit = program("git", &["rev-parse", "--short=12", "HEAD"]);
    let changed = program("git", &["status", "--porcelain"]).is_some_and(|text| !text.trim().is_empty());
    let commit =
        commit.map(|hash| format!("{}{}", hash.trim(), if changed { " with uncommitted changes" } else { "" }));
    let facts = [
        ("CPU", file("/proc/cpuinfo").and_then(|text| field(&text, "model name"))),
        ("cores", cores),
        ("governor", file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        ("features", Some(features().join(" "))),
        ("memory", file("/proc/meminfo").and_then(|text| field(&text, "MemTotal"))),
        ("load average", file("/proc/loadavg").map(|text| first_words(&text, 3))),
        ("system", file("/proc/version").map(|text| first_words(&text, 3))),
        ("rustc", program("rustc", &["--version"])),
        ("commit", commit),
    ];
    for (name, value) in facts {
        println!("{name:<13} {}", value.as_deref().map_or("unknown", str::trim));
    }
}

/// The value of the first `name : value` line.
fn field(text: &str, name: &str) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

fn first_words(text: &str, count: usize) -> String {
    text.split_whitespace().take(count).collect::<Vec<_>>().join(" ")
}

/// Instruction sets found at run time that kernels may choose from.
#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => { [$(($name, std::is_x86_feature_detected!($name))),*] };
    }
    let all = present!(
        "sse4.2",
        "popcnt",
        "avx",
        "avx2",
        "fma",
        "bmi1",
        "bmi2",
        "avx512f",
        "avx512bw",
        "avx512cd",
        "avx512dq",
        "avx512vl",
        "avx512vnni",
        "vaes",
        "sha"
    );
    all.into_iter().filter(|(_, present)| *present).map(|(name, _)| name).collect()
}

/// Instruction sets found at run time that kernels may choose from.
#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    macro_rules! present {
        ($($name:tt),*) => { [$(($name, std::arch::is_aarch64_feature_detected!($name))),*] };
    }
    let all = present!("neon", "fp16", "dotprod", "sve", "sve2", "aes", "sha2", "lse");
    all.into_iter().filter(|(_, present)| *present).map(|(name, _)| name).collect()
}

/// No kernel has a choice on other architectures.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_field_of_a_name_is_read() {
        let text = "processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nprocessor\t: 1\nmodel name\t: Another\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A CPU @ 2 GHz"));
        assert_eq!(field(text, "model"), None);
        assert_eq!(first_words("0.10 0.20 0.30 1/100 42\n", 3), "0.10 0.20 0.30");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn features_agree_with_the_kernel() {
        let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap();
        let flags = field(&flags, "flags").or_else(|| field(&flags, "Features")).unwrap();
        for name in features().into_iter().filter(|name| matches!(*name, "avx" | "avx2" | "fma" | "avx512f")) {
            assert!(flags.split_whitespace().any(|flag| flag == name), "{name} is not in {flags}");
        }
    }
}
