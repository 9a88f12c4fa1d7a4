//! `BOT4_*` variables: `BOT4_RUN__CASH=5000` says `run.cash`.

use super::keys::{KEYS, find};
use super::problem::{Origin, Problem, nearest, shown};
use super::resolve::Layer;
use std::ffi::OsString;

/// Variables that are no keys of a run: a file's name, two short names for keys, a choice of kernels, a test's point of failure, where
/// running processes are found.
const OTHERS: &[(&str, Option<&str>)] = &[
    ("BOT4_CONFIG", None),
    ("BOT4_FAILPOINT", None),
    ("BOT4_REGISTRY", None),
    ("BOT4_SIMD", None),
    ("BOT4_LOG", Some("log.level")),
    ("BOT4_HOME", Some("paths.home")),
];

/// Reads the variables whose name begins with `BOT4_`.
pub(super) fn read(variables: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with("BOT4_")) else { continue };
        let mut fail = |key: &str, found: String, expected: String, near: Option<String>| {
            problems.push(Problem {
                origin: Origin::Variable(name.to_owned()),
                key: key.to_owned(),
                found,
                expected,
                near,
            });
        };
        let short = OTHERS.iter().find(|(other, _)| *other == name);
        let key = match short {
            Some((_, None)) => continue,
            Some((_, Some(path))) => find(path),
            None => KEYS.iter().find(|key| key.variable() == name),
        };
        let Some(key) = key else {
            let known: Vec<String> =
                KEYS.iter().map(|k| k.variable()).chain(OTHERS.iter().map(|(o, _)| (*o).to_owned())).collect();
            let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
            fail("", "an unknown variable".into(), "BOT4_SECTION__KEY of a known key".into(), near);
            continue;
        };
        let Some(value) = value.to_str() else {
            fail("", shown(&value.to_string_lossy()), "a text in Unicode".into(), None);
            continue;
        };
        match key.read(value) {
            // The short name gives way to the full one.
            Ok(value) => {
                let full = short.is_none();
                if full || !layer.contains_key(key.path) {
                    layer.insert(key.path, (value, Origin::Variable(name.to_owned())));
                }
            }
            Err((found, expected)) => fail("", found, expected, None),
        }
    }
    layer
}
