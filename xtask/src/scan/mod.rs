//! `cargo xtask no-fakes`: the code does what it says, and speaks of the project alone.
//!
//! In:  every file that git tracks or would track.
//! Out: findings with file and line.
//!
//! A Rust file is read twice: `context` finds what is test code and where a lint was lifted with a reason, `tokens` applies
//! the rules to every token, macro bodies included. Production code is `src/` of the crates and of this one, without what
//! is compiled for tests only; other Rust files are held to the rules about ignored tests and unfinished work. All texts
//! are read for paths of a machine. It does not know types: a method of our own named `unwrap` is a finding too.

mod context;
mod files;
mod tokens;
mod words;

use crate::outcome::{Finding, TaskError, report};
use crate::workspace;
use std::collections::BTreeMap;
use std::path::Path;

/// One Rust file of the project.
struct Source<'a> {
    path: &'a str,
    text: &'a str,
    production: bool,
}

/// The command.
pub fn run(root: &Path, arguments: &[String]) -> Result<(), TaskError> {
    if !arguments.is_empty() {
        return Err(TaskError::Usage("no-fakes takes no arguments".into()));
    }
    let rules = words::Rules::parse(&workspace::read(root, words::FILE)?);
    let mut findings = Vec::new();
    let mut texts = BTreeMap::new();
    let paths = workspace::files(root)?;
    for path in &paths {
        findings.extend(files::check_name(path));
        let bytes = std::fs::read(root.join(path))
            .map_err(|error| TaskError::Environment(format!("{path}: cannot be read: {error}")))?;
        // Data files are not texts; a NUL byte or bytes that are not UTF-8 tell them apart.
        if let Ok(text) = String::from_utf8(bytes)
            && !text.contains('\0')
        {
            findings.extend(files::check_paths(path, &text, &rules));
            if path.ends_with(".rs") {
                texts.insert(path.as_str(), text);
            }
        }
    }
    let sources: Vec<Source<'_>> =
        texts.iter().map(|(path, text)| Source { path, text, production: files::is_production(path) }).collect();
    findings.extend(check_sources(&sources, &rules));
    let production = sources.iter().filter(|source| source.production).count();
    report("no-fakes", findings)?;
    eprintln!("no-fakes: {} files, {} of them Rust, {production} of those production code", paths.len(), sources.len());
    Ok(())
}

/// All Rust files together, because `#[cfg(test)] mod name;` in one file says that another one is test code.
fn check_sources(sources: &[Source<'_>], rules: &words::Rules) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut read = Vec::new();
    for source in sources {
        match context::Context::read(source.path, source.text) {
            Ok(file) => read.push((source, file)),
            Err(finding) => findings.push(finding),
        }
    }
    let test_files: Vec<String> = read.iter().flat_map(|(_, file)| file.context.test_files.iter().cloned()).collect();
    for (source, file) in &read {
        let own = source.path.trim_end_matches(".rs");
        let below = |module: &String| own == module || own.starts_with(&format!("{module}/"));
        let production = source.production && !test_files.iter().any(below);
        findings.extend(tokens::check(source.path, source.text, file, production, rules));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Findings in one production file, as `line: what`.
    fn production(text: &str) -> Vec<String> {
        found(&[("crates/a/src/lib.rs", text)])
    }

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let rules = words::Rules::parse(include_str!("../../no-fakes.txt"));
        let sources: Vec<Source<'_>> =
            files.iter().map(|(path, text)| Source { path, text, production: files::is_production(path) }).collect();
        let shown = |f: Finding| format!("{}: {}", f.place.rsplit(':').next().unwrap_or_default(), f.what);
        check_sources(&sources, &rules).into_iter().map(shown).collect()
    }

    fn one(text: &str, part: &str) {
        let findings = production(text);
        assert!(findings.len() == 1 && findings[0].contains(part), "{text}\n{findings:?}");
    }

    fn none(text: &str) {
        assert_eq!(production(text), Vec::<String>::new(), "{text}");
    }

    #[test]
    fn plain_code_has_no_finding() {
        none("/// Adds.\npub fn add(a: i64, b: i64) -> Option<i64> { a.checked_add(b) }\n");
    }

    #[test]
    fn unfinished_and_panicking_macros_are_found_inside_other_macros_too() {
        for name in ["todo", "unimplemented", "panic", "dbg"] {
            one(&format!("fn f() {{ {name}!(); }}"), name);
            one(&format!("fn f() -> String {{ format!(\"{{}}\", {name}!(\"x\")) }}"), name);
            one(&format!("fn f() {{ std::{name}!(\"x\"); }}"), name);
        }
        none("fn f(panic: bool, a: bool) -> bool { panic != a }");
    }

    #[test]
    fn a_panic_at_compile_time_is_an_assertion() {
        none("const A: u8 = match f() { Some(a) => a, None => panic!(\"f is some\") };");
        none("fn f() { const { assert!(size_of::<u8>() == 1) } }");
        none("const _: () = assert!(size_of::<u64>() == 8);");
    }

    #[test]
    fn unreachable_and_assert_state_the_invariant() {
        one("fn f() { unreachable!() }", "unreachable");
        none("fn f() { unreachable!(\"the index is below the length checked above\") }");
        one("fn f(a: u8) { assert!(a > 0); }", "assert");
        one("fn f(a: u8) { assert_eq!(a, 1,); }", "assert_eq");
        none("fn f(a: u8) { assert!(a > 0, \"lots are positive: {a}\"); }");
        none("fn f(a: u8) { debug_assert!(a > 0); }");
    }

    #[test]
    fn unwrap_is_found_as_method_and_as_path() {
        one("fn f(a: Option<u8>) -> u8 { a.unwrap() }", "unwrap");
        one("fn f(a: Vec<Option<u8>>) -> Vec<u8> { a.into_iter().map(Option::unwrap).collect() }", "unwrap");
        one("fn f(a: Option<u8>) -> String { format!(\"{}\", a.unwrap()) }", "unwrap");
        one("fn f(a: Result<u8, u8>) -> u8 { a.unwrap_err() }", "unwrap_err");
        none("fn f(a: Option<u8>) -> u8 { a.unwrap_or(3).max(a.unwrap_or_default()) }");
    }

    #[test]
    fn expect_needs_a_lifted_lint_with_a_reason() {
        let body = "fn f(a: Option<u8>) -> u8 { a.expect(\"checked\") }";
        one(body, "expect");
        none(&format!("#[expect(clippy::expect_used, reason = \"a is checked by the caller\")]\n{body}"));
        none(&format!("#[allow(clippy::expect_used, reason = \"as above\")]\nimpl A {{ {body} }}"));
        one(&format!("#[allow(clippy::expect_used)]\n{body}"), "expect");
        one(&format!("#[allow(clippy::expect_used, reason = \"\")]\n{body}"), "expect");
        one(&format!("#[allow(clippy::other, reason = \"no\")]\n{body}"), "expect");
        one(&format!("#![allow(clippy::expect_used, reason = \"the whole file\")]\n{body}"), "expect");
        none(
            "fn f(a: Option<u8>) -> u8 { #[expect(clippy::expect_used, reason = \"checked\")] let b = a.expect(\"x\"); b }",
        );
        one(
            "fn f(a: Option<u8>) { #[expect(clippy::expect_used, reason = \"c\")] let b = a.expect(\"x\"); a.expect(\"y\"); }",
            "expect",
        );
    }

    #[test]
    fn names_and_texts_of_pretended_code_are_found() {
        one("struct MockVenue;", "MockVenue");
        one("fn fake_fill() {}", "fake_fill");
        one("fn f() -> &'static str { \"a stub answer\" }", "stub");
        one("fn f() -> &'static str { \"Coming soon!\" }", "coming soon");
        none("fn f() -> &'static str { \"no-fakes\" }");
        none("/// No stub of a venue stands here.\nfn stubborn() {}");
    }

    #[test]
    fn unfinished_work_in_comments_is_found_everywhere() {
        let marker = ["TO", "DO"].concat();
        one(&format!("fn f() {{}} // {marker}: more"), &marker);
        one(&format!("/* {marker} */ fn f() {{}}"), &marker);
        one(&format!("/// {marker} more\nfn f() {{}}"), &marker);
        one("/// Not yet implemented.\nfn f() {}", "not yet implemented");
        none("// A todo list is not one of ours, nor is a MASTODONT.\nfn f() {}");
        assert_eq!(found(&[("crates/a/tests/it/main.rs", &format!("\n// {marker}\n"))]).len(), 1);
    }

    #[test]
    fn test_code_may_unwrap() {
        none("#[cfg(test)]\nmod tests { fn f(a: Option<u8>) { a.unwrap(); panic!(); let mock = 1; } }");
        none("#[cfg(all(test, unix))]\nfn f(a: Option<u8>) { a.unwrap(); }");
        none("#[test]\nfn f() { Some(1).unwrap(); }");
        one("#[cfg(any(test, unix))]\nfn f(a: Option<u8>) { a.unwrap(); }", "unwrap");
        one("#[cfg(not(test))]\nfn f(a: Option<u8>) { a.unwrap(); }", "unwrap");
        assert_eq!(found(&[("crates/a/tests/it/main.rs", "fn f(a: Option<u8>) { a.unwrap(); }")]).len(), 0);
        assert_eq!(found(&[("testkit/src/lib.rs", "fn f(a: Option<u8>) { a.unwrap(); }")]).len(), 0);
        assert_eq!(found(&[("xtask/src/main.rs", "fn f(a: Option<u8>) { a.unwrap(); }")]).len(), 1);
    }

    #[test]
    fn a_test_module_in_its_own_file_is_test_code() {
        let lib = "#[cfg(test)]\nmod checks;\nmod book;\n";
        let body = "fn f(a: Option<u8>) { a.unwrap(); }";
        let book = "#[cfg(test)]\nmod tests;\n";
        assert_eq!(
            found(&[
                ("crates/a/src/lib.rs", lib),
                ("crates/a/src/checks.rs", body),
                ("crates/a/src/checks/deep.rs", body),
                ("crates/a/src/book.rs", book),
                ("crates/a/src/book/tests.rs", body),
                ("crates/a/src/book/level.rs", body),
            ]),
            ["1: `unwrap` in production code"]
        );
    }

    #[test]
    fn ignored_tests_are_found_in_tests() {
        let ignore = "ignore";
        for text in [
            format!("#[cfg(test)] mod t {{ #[test] #[{ignore}] fn f() {{}} }}"),
            format!("#[test] #[{ignore} = \"slow\"] fn f() {{}}"),
            format!("#[cfg_attr(unix, {ignore})] #[test] fn f() {{}}"),
        ] {
            one(&text, "ignored test");
        }
        none("fn f(ignore: bool) -> [bool; 1] { [ignore] }");
    }

    #[test]
    fn silenced_parameters_are_found_outside_traits() {
        one("fn f(a: u8, _window: u8) -> u8 { a }", "_window");
        one("struct A; impl A { fn f(&self, _: u8) {} }", "`_`");
        none("impl Observer for A { fn f(&self, _event: u8) {} }");
        none("trait Observer { fn f(&self, _event: u8) {} }");
        none("#[cfg(test)] mod t { fn f(_a: u8) {} }");
        none("fn f(a: &[u8]) -> usize { a.iter().map(|_x| 1).sum() }");
    }

    #[test]
    fn a_file_that_is_not_rust_is_a_finding() {
        one("fn f( {", "cannot be read");
        one("fn f() -> { }", "cannot be read");
    }

    #[test]
    fn lines_are_those_of_the_file() {
        assert_eq!(
            production("fn a() {}\n\nfn f(a: Option<u8>) {\n    a.unwrap();\n}\n"),
            ["4: `unwrap` in production code"]
        );
    }
}
