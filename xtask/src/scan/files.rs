//! Rules about files as such: what kind of code they are, names that do not belong here, paths of a machine.

use super::words::Rules;
use crate::outcome::Finding;

/// Whether a Rust file is production code: sources and build scripts of the crates, and this program.
pub fn is_production(path: &str) -> bool {
    let inside = path.strip_prefix("crates/").and_then(|rest| rest.split_once('/')).map(|(_, inside)| inside);
    path.starts_with("xtask/src/") || inside.is_some_and(|inside| inside.starts_with("src/") || inside == "build.rs")
}

/// A Python file: the project builds, tests and runs without an interpreter.
pub fn check_name(path: &str) -> Option<Finding> {
    let python = [".py", ".pyi", ".pyc", ".ipynb"].iter().any(|end| path.ends_with(end));
    python.then(|| Finding::new(path, "a Python file", "Rust"))
}

/// Absolute paths that begin with a top-level folder of a machine.
pub fn check_paths(path: &str, text: &str, rules: &Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let found = rules.folders.iter().find(|folder| {
            let start = format!("/{folder}/");
            line.match_indices(&start).any(|(at, _)| begins_path(line.get(..at).unwrap_or_default()))
        });
        if let Some(folder) = found {
            let what = format!("an absolute path below /{folder}");
            findings.push(Finding::new(format!("{path}:{}", index + 1), what, "a path relative to the project"));
        }
    }
    findings
}

/// Whether a slash after this text begins a path, and does not continue one.
fn begins_path(before: &str) -> bool {
    before.chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !"._-~}])>*$".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_of_crates_are_production_code() {
        for path in ["crates/a/src/lib.rs", "crates/a/src/b/c.rs", "crates/a/build.rs", "xtask/src/main.rs"] {
            assert!(is_production(path), "{path}");
        }
        for path in
            ["crates/a/tests/it/main.rs", "crates/a/benches/b.rs", "testkit/src/lib.rs", "xtask/tests/it/main.rs"]
        {
            assert!(!is_production(path), "{path}");
        }
    }

    #[test]
    fn python_files_are_found() {
        assert!(check_name("tools/compare.py").is_some());
        assert!(check_name("docs/copy.md").is_none());
    }

    #[test]
    fn machine_paths_are_found_and_relative_ones_are_not() {
        let rules = Rules::parse("folder home\nfolder work\n");
        let home = "home";
        for text in [
            format!("see /{home}/me/x"),
            format!("(\"/{home}/me\")"),
            format!("a\n/{home}/x"),
            format!("file:///{home}/x"),
        ] {
            assert_eq!(check_paths("a.md", &text, &rules).len(), 1, "{text}");
        }
        for text in ["../work/x", "docs/work/x", "https://host.org/home/x", "${DIR}/work/x", "~/work/x", "/homework/x"]
        {
            assert_eq!(check_paths("a.md", text, &rules), vec![], "{text}");
        }
        assert_eq!(check_paths("a.md", &format!("a\n\n/{home}/x"), &rules)[0].place, "a.md:3");
    }
}
