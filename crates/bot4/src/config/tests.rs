//! Layers, problems and the way through JSON.

use super::*;
use crate::command::inputs::DataArgs;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// A file with this text, in a folder of the test's own.
fn file(name: &str, text: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("bot4-config-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn variables(list: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    list.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

#[track_caller]
fn settings(args: &RunArgs, sources: &Sources) -> RunSettings {
    resolve(args, &BACKTEST, sources).unwrap().settings
}

/// What is said about a file, without its folder.
#[track_caller]
fn problems(name: &str, text: &str) -> String {
    let path = file(name, text);
    let sources = Sources { file: Some(path.clone()), variables: Vec::new() };
    let error = resolve(&RunArgs::default(), &BACKTEST, &sources).unwrap_err();
    assert_eq!(error.exit, crate::command::Exit::Usage);
    error.message.replace(&path.display().to_string(), "F")
}

#[test]
fn each_layer_gives_way_to_the_next_and_every_value_knows_its_place() {
    let path =
        file("layers.toml", "[run]\ncash = 20_000.50\nunits = \"whole\"\nstop = \"pct:2\"\n\n[venue]\nlatency = 5\n");
    let vars = variables(&[("BOT4_RUN__UNITS", "fractional"), ("BOT4_RUN__STOP", "pct:3"), ("HOME", "x")]);
    let nothing = Sources::default();
    let defaults = resolve(&RunArgs::default(), &BACKTEST, &nothing).unwrap();
    assert_eq!(defaults.settings.run.cash, "10000");
    assert_eq!(defaults.origins["run.cash"], Origin::Default);
    let file_only = Sources { file: Some(path.clone()), variables: Vec::new() };
    let from_file = settings(&RunArgs::default(), &file_only);
    assert_eq!(
        (from_file.run.cash.as_str(), from_file.run.units.as_str(), from_file.venue.latency.as_str()),
        ("20000.50", "whole", "5")
    );
    let args = RunArgs { stop: Some("pct:4".into()), ..RunArgs::default() };
    let all = resolve(&args, &BACKTEST, &Sources { file: Some(path.clone()), variables: vars }).unwrap();
    let run = &all.settings.run;
    assert_eq!((run.cash.as_str(), run.units.as_str(), run.stop.as_str()), ("20000.50", "fractional", "pct:4"));
    assert_eq!(all.origins["run.cash"], Origin::File { file: path, line: 2, column: 8 });
    assert_eq!(all.origins["run.units"], Origin::Variable("BOT4_RUN__UNITS".into()));
    assert_eq!(all.origins["run.stop"], Origin::Argument("--stop"));
}

#[test]
fn every_class_of_problem_says_file_line_key_what_was_found_and_expected() {
    for (text, told) in [
        ("[run]\ncash = \"0\"", r#"F:2:8: run.cash: found "0", expected an amount above 0"#),
        ("[run]\ncash = -5", "F:2:8: run.cash: found -5, expected an amount above 0"),
        ("[run]\ncash = true", "F:2:8: run.cash: found true, expected an amount above 0"),
        ("[run]\nunits = \"hole\"", "found \"hole\", expected lot, whole or fractional; did you mean `whole`?"),
        ("\n[journal]\n\n enabled = 1", "F:4:12: journal.enabled: found 1, expected true or false"),
        ("[journal]\nsync_ms = 0", "F:2:11: journal.sync_ms: found 0, expected a whole number from 1 to 10000"),
        ("[journal]\nsync_ms = \"5\"", "F:2:11: journal.sync_ms: found \"5\", expected a whole number from 1 to 10000"),
        ("[limits]\ncorrelation_max = 2", "F:2:19: limits.correlation_max: found 2, expected a number above -1"),
        ("[run]\ncahs = 1", "F:2:1: run.cahs: found an unknown key, expected one of strategies, params, cash"),
        ("[run]\ncahs = 1", "did you mean `cash`?"),
        ("[run]\nslippage = \"none\"", "did you mean `venue.slippage`?"),
        ("cash = 5", "F:1:1: cash: found an unknown key, expected one of the sections run, venue, data"),
        ("cash = 5", "did you mean `run.cash`?"),
        ("[rum]\ncash = 5", "did you mean `run`?"),
        ("run = 5", "F:1:7: run: found 5, expected a section"),
        ("[run]\nparams = [\"fast\"]", "F:2:11: run.params: found \"fast\", expected name=value"),
        ("[run]\nparams = 3", "found 3, expected a list, each name=value"),
        ("[run]\nstrategies = [\"sma-cros\"]", "did you mean `sma-cross`?"),
        ("[run]\nstrategies = [3]", "F:2:15: run.strategies: found 3, expected NAME[:k=v,...] or a table with a name"),
        ("[[run.strategies]]\nfast = 3", "found a table without a name"),
        (
            "[[run.strategies]]\nname = \"sma-cross\"\nfats = 3",
            "F:3:1: run.strategies.fats: found an unknown key, expected a parameter of sma-cross: fast, slow",
        ),
        ("[[run.strategies]]\nname = \"sma-cross\"\nslow = 50\nfast = 0", "F:4:8: run.strategies"),
        ("[[run.strategies]]\nname = \"sma-cross\"\nfast = [3]", "F:3:8: run.strategies.fast: found a list"),
        (
            "[run]\ncash = 5\ncash = 6",
            "F:3:1: found what is no TOML (duplicate key), expected a configuration file in TOML",
        ),
        ("[run]\ncash =", "F:2:7: found what is no TOML"),
        ("[run]\nrisk = \"off\"\n[limits]\npositions_max = 3", "beside risk = \"off\", or risk = \"inline\""),
    ] {
        let said = problems("classes.toml", text);
        assert!(said.contains(told), "{text}\nsaid   {said}\nwanted {told}");
    }
    let all = problems("all.toml", "[run]\ncash = 0\nunits = 3\n[venue]\nfees = 1\n[data]\nfrom = \"yesterday\"\n");
    assert_eq!(all.lines().count(), 4, "all problems, not just the first: {all}");
}

#[test]
fn strategies_are_texts_or_tables() {
    let path = file(
        "strategies.toml",
        "[[run.strategies]]\nname = \"sma-cross\"\nslow = 50\nfast = 3\nshort = true\n[[run.strategies]]\nname = \"donchian\"\n",
    );
    let sources = Sources { file: Some(path), variables: Vec::new() };
    let made = settings(&RunArgs::default(), &sources);
    assert_eq!(made.run.strategies, ["sma-cross:slow=50,fast=3,short=yes", "donchian"]);
    let vars = variables(&[("BOT4_RUN__STRATEGIES", "sma-cross:fast=3,slow=9; donchian")]);
    let by_variable = settings(&RunArgs::default(), &Sources { file: None, variables: vars });
    assert_eq!(by_variable.run.strategies, ["sma-cross:fast=3,slow=9", "donchian"]);
}

#[test]
fn variables_that_are_none_are_refused_with_the_nearest_name() {
    let said = |list| {
        let sources = Sources { file: None, variables: variables(list) };
        resolve(&RunArgs::default(), &BACKTEST, &sources).unwrap_err().message
    };
    assert!(said(&[("BOT4_RUN__CAHS", "5")]).ends_with("did you mean `BOT4_RUN__CASH`?"));
    assert_eq!(said(&[("BOT4_RUN__CASH", "x")]), "BOT4_RUN__CASH: found \"x\", expected an amount above 0");
    assert!(said(&[("BOT4_JOURNAL__ENABLED", "on")]).contains("expected true or false"));
    let known = variables(&[
        ("BOT4_CONFIG", "x"),
        ("BOT4_FAILPOINT", "x"),
        ("BOT4_SIMD", "x"),
        ("BOT4_REGISTRY", "x"),
        ("BOT4_LOG", "debug"),
        ("BOT4_HOME", "there"),
    ]);
    let made = settings(&RunArgs::default(), &Sources { file: None, variables: known });
    assert_eq!((made.log.level.as_str(), made.paths.runs()), ("debug", PathBuf::from("there/runs")));
    let both = variables(&[("BOT4_LOG__LEVEL", "info"), ("BOT4_LOG", "debug")]);
    assert_eq!(settings(&RunArgs::default(), &Sources { file: None, variables: both }).log.level, "info");
}

#[test]
fn limits_of_the_file_are_for_backtests_and_give_way_to_what_is_said_later() {
    let path = file("limits.toml", "[limits]\npositions_max = 3\nposition_fraction_max = 0.5\n");
    let sources = Sources { file: Some(path), variables: Vec::new() };
    let made = settings(&RunArgs::default(), &sources);
    assert_eq!(made.run.risk, "inline");
    let limits = made.limits.unwrap();
    assert_eq!((limits.positions_max, limits.position_fraction_max.to_string().as_str()), (3, "0.5"));
    assert_eq!(limits.leverage_max, risk::Limits::default().leverage_max, "the others are the standard ones");
    let refused =
        resolve(&RunArgs::default(), &PAPER, &sources).and_then(|r| r.configure(&PAPER).map(drop)).unwrap_err();
    let looser = "limit position_fraction_max is 0.5, expected at most the hard limit";
    assert!(refused.message.contains(looser), "{refused}");
    for word in ["off", "default"] {
        let args = RunArgs { risk: Some(word.into()), ..RunArgs::default() };
        let made = settings(&args, &sources);
        assert_eq!((made.run.risk.as_str(), made.limits), (word, None));
    }
}

#[test]
fn a_file_of_limits_is_read_while_resolving_so_that_the_settings_stand_alone() {
    let path = file("own_limits.toml", "position_fraction_max = \"0.5\"\n");
    let args =
        RunArgs { risk: Some(path.display().to_string()), strategies: vec!["donchian".into()], ..RunArgs::default() };
    let made = settings(&args, &Sources::default());
    std::fs::remove_file(&path).unwrap();
    let again = RunSettings::from_json(&made.to_json().unwrap()).unwrap();
    let config = configure(&again, &BACKTEST).unwrap();
    assert_eq!(config.profile.limits().unwrap().position_fraction_max.to_string(), "0.5");
}

#[test]
fn settings_go_through_json_exactly() {
    let args = RunArgs {
        data: DataArgs {
            data: vec!["a/b.csv".into(), "c".into()],
            from: Some("2021-01-01".into()),
            ..DataArgs::default()
        },
        strategies: vec!["sma-cross:fast=3".into()],
        params: vec!["slow=9".into()],
        cash: Some("0.1".into()),
        fee_taker: Some("0.00075".into()),
        funding: Some("0.0001:8".into()),
        ..RunArgs::default()
    };
    let vars = variables(&[("BOT4_LIMITS__CORRELATION_MAX", "0.1"), ("BOT4_JOURNAL__DURABILITY", "strict")]);
    let made = settings(&args, &Sources { file: None, variables: vars });
    let text = made.to_json().unwrap();
    let again = RunSettings::from_json(&text).unwrap();
    assert_eq!(again, made);
    assert_eq!(again.to_json().unwrap(), text);
    assert_eq!(made.journal.durability, Durability::Strict);
    assert!(RunSettings::from_json(&text.replace("\"cash\"", "\"cahs\"")).unwrap_err().to_string().contains("cahs"));
    // A version without these keys did what their defaults say.
    let mut earlier: serde_json::Value = serde_json::from_str(&text).unwrap();
    earlier["journal"].as_object_mut().unwrap().remove("retention_days");
    earlier.as_object_mut().unwrap().remove("log");
    earlier.as_object_mut().unwrap().remove("safety");
    assert_eq!(RunSettings::from_json(&earlier.to_string()).unwrap(), made);
}

#[test]
fn the_table_of_keys_is_whole_and_its_defaults_and_examples_are_allowed() {
    for key in KEYS {
        assert!(key.help.ends_with('.') && key.help.len() < 140, "{}", key.path);
        match key.preset {
            Preset::Is(text) => drop(key.read(text).unwrap_or_else(|e| panic!("{}: {e:?}", key.path))),
            Preset::Depends { example, .. } | Preset::Unset { example, .. } => {
                key.read(example).unwrap_or_else(|e| panic!("{}: {e:?}", key.path));
            }
        }
    }
    // Every key of the settings is in the table.
    let args = RunArgs { strategies: vec!["donchian".into()], ..RunArgs::default() };
    let vars = variables(&[("BOT4_LIMITS__POSITIONS_MAX", "3")]);
    let made = settings(&args, &Sources { file: None, variables: vars });
    let whole: serde_json::Value = serde_json::from_str(&made.to_json().unwrap()).unwrap();
    for (section, names) in whole.as_object().unwrap() {
        for name in names.as_object().unwrap().keys() {
            assert!(find(&format!("{section}.{name}")).is_some(), "{section}.{name}");
        }
    }
    let count = whole.as_object().unwrap().values().map(|s| s.as_object().unwrap().len()).sum::<usize>();
    assert_eq!(count, KEYS.len());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let sources = Sources { file: Some(Path::new("nowhere/bot4.toml").to_owned()), variables: Vec::new() };
    let error = resolve(&RunArgs::default(), &BACKTEST, &sources).unwrap_err();
    assert!(error.message.starts_with("nowhere/bot4.toml: ") && error.message.contains("in TOML"), "{error}");
}
