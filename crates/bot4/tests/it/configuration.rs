//! `bot4 config` and `bot4 init` from outside, and that a run takes its configuration from everywhere.

use crate::support::{Ran, folder};
use serde_json::Value;
use std::path::Path;

/// Runs the program in `folder` with these variables and arguments, separated by blanks.
fn bot4_in(folder: &Path, variables: &[(&str, &str)], args: &str) -> Ran {
    let mut command = crate::support::program();
    command.current_dir(folder).envs(variables.iter().copied()).args(args.split_whitespace());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).unwrap();
}

#[track_caller]
fn origin(folder: &Path, variables: &[(&str, &str)], args: &str, key: &str) -> (Value, Value) {
    let ran = bot4_in(folder, variables, &format!("config show --json {args}"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let keys = ran.lines()[0]["keys"].as_array().unwrap().clone();
    let line = keys.iter().find(|k| k["key"] == key).unwrap();
    (line["value"].clone(), line["origin"].clone())
}

#[test]
fn show_says_where_every_value_comes_from() {
    let folder = folder("config_show");
    let here = |variables: &[(&str, &str)], args: &str| origin(&folder, variables, args, "run.cash");
    let default = serde_json::json!({"from": "default"});
    assert_eq!(here(&[], ""), ("10000".into(), default));
    write(&folder, "third.toml", "[run]\ncash = 3\n");
    let by_variable = [("BOT4_CONFIG", "third.toml")];
    let third = serde_json::json!({"from": "file", "file": "third.toml", "line": 2, "column": 8});
    assert_eq!(here(&by_variable, ""), ("3".into(), third));
    write(&folder, "bot4.toml", "\n[run]\ncash = 4\n");
    let own = serde_json::json!({"from": "file", "file": "bot4.toml", "line": 3, "column": 8});
    assert_eq!(here(&by_variable, ""), ("4".into(), own), "the file of the folder comes before the variable");
    write(&folder, "named.toml", "run.cash = 5\n");
    let named = serde_json::json!({"from": "file", "file": "named.toml", "line": 1, "column": 12});
    assert_eq!(here(&by_variable, "--config named.toml"), ("5".into(), named));
    let variable = serde_json::json!({"from": "variable", "name": "BOT4_RUN__CASH"});
    assert_eq!(here(&[("BOT4_RUN__CASH", "6")], ""), ("6".into(), variable));
    let argument = serde_json::json!({"from": "argument", "name": "--cash"});
    assert_eq!(here(&[("BOT4_RUN__CASH", "6")], "--cash 7"), ("7".into(), argument));
    let text = bot4_in(&folder, &[("BOT4_RUN__UNITS", "whole")], "config show --stop pct:2").stdout;
    let line = |start: &str| text.lines().find(|l| l.starts_with(start)).unwrap().to_owned();
    assert!(line("cash = \"4\"").ends_with("  # bot4.toml:3"));
    assert!(line("units = \"whole\"").ends_with("  # BOT4_RUN__UNITS"));
    assert!(line("stop = \"pct:2\"").ends_with("  # --stop"));
    assert!(line("# fee_taker").ends_with("  # the instrument's own"));
    // What is shown is a file that says the same.
    write(&folder, "shown.toml", &text);
    let again = bot4_in(&folder, &[], "config diff shown.toml shown.toml");
    assert_eq!((again.code, again.stdout.as_str()), (0, ""));
    for work in ["twap:30", "pov:0%", "soon"] {
        let expected = format!("--work {work}: expected none, twap:OVER[:SLICES]");
        bot4_in(&folder, &[], &format!("config show --work {work}")).refused(2, &expected);
    }
    bot4_in(&folder, &[], "config show --cash 0").refused(2, "--cash 0: expected an amount above 0");
}

#[test]
fn a_run_takes_its_configuration_from_file_variables_and_arguments() {
    let folder = folder("config_run");
    let name = "binance_spot_BTCUSDT_1d.csv";
    std::fs::copy(crate::support::beside("binance_usdm_BTCUSDT_1d_2021.csv"), folder.join(name)).unwrap();
    write(
        &folder,
        "bot4.toml",
        &format!(
            "[run]\ncash = 5000\nrisk = \"off\"\n[data]\nfiles = [\"{name}\"]\n[[run.strategies]]\nname = \"sma-cross\"\nfast = 3\nslow = 9\n"
        ),
    );
    let run = |variables: &[(&str, &str)], args: &str| {
        let ran = bot4_in(&folder, variables, &format!("backtest --json {args}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        ran.lines()[0].clone()
    };
    let by_file = run(&[], "");
    assert_eq!(by_file["initial_cash"], 5_000.0);
    assert_eq!(by_file["strategies"][0], "sma-cross on BTCUSDT (fast=3,slow=9)");
    assert_eq!(run(&[("BOT4_RUN__CASH", "6000")], "")["initial_cash"], 6_000.0);
    assert_eq!(run(&[("BOT4_RUN__CASH", "6000")], "--cash 7000")["initial_cash"], 7_000.0);
    // The same said by arguments alone is the same run.
    let args = format!("--config none.toml --cash 5000 --risk off --data {name} --strategy sma-cross:fast=3,slow=9");
    write(&folder, "none.toml", "");
    assert_eq!(run(&[], &args)["digest"], by_file["digest"]);
    bot4_in(&folder, &[], "paper")
        .refused(2, "bot4.toml:3:8: run.risk: found \"off\", expected default, or tighter limits");
    bot4_in(&folder, &[], "backtest --param x=1")
        .refused(2, "--param x=1: expected a parameter of one of the strategies");
    bot4_in(&folder, &[("BOT4_RUN__PARAMS", "x=1")], "backtest")
        .refused(2, "BOT4_RUN__PARAMS: run.params: found \"x=1\", expected a parameter of one of the strategies");
    bot4_in(&folder, &[("BOT4_VENUE__LATENCY", "5")], "backtest")
        .refused(2, "BOT4_VENUE__LATENCY: venue.latency: all data are candles");
    bot4_in(&folder, &[("BOT4_RUN_CASH", "5")], "backtest").refused(2, "did you mean `BOT4_RUN__CASH`?");
    bot4_in(&folder, &[], "backtest --config nowhere.toml").refused(2, "nowhere.toml: No such file");
}

#[test]
fn check_tells_everything_that_is_wrong() {
    let folder = folder("config_check");
    write(&folder, "good.toml", "[run]\ncash = 5\n[limits]\npositions_max = 3\n");
    let good = bot4_in(&folder, &[], "config check good.toml");
    assert_eq!((good.code, good.stderr.as_str()), (0, ""));
    assert!(good.stdout.starts_with("good.toml: good, "), "{}", good.stdout);
    assert!(!good.stdout.contains("for backtests only"), "paper takes tighter limits: {}", good.stdout);
    write(&folder, "loose.toml", "[run]\ncash = 5\n[limits]\npositions_max = 30\n");
    let loose = bot4_in(&folder, &[], "config check loose.toml");
    assert_eq!(loose.code, 0);
    assert!(loose.stdout.contains("for backtests only; paper says: "), "{}", loose.stdout);
    assert!(loose.stdout.contains("limit positions_max is 30, expected at most the hard limit"), "{}", loose.stdout);
    write(&folder, "bad.toml", "[run]\ncash = 0\nsise = \"cap\"\n[venue]\nexec = \"nxt-open\"\n[dat]\n");
    let bad = bot4_in(&folder, &[], "config check bad.toml");
    bad.refused(2, "bad.toml:2:8: run.cash: found 0, expected an amount above 0");
    for told in ["bad.toml:3:1: run.sise", "did you mean `size`?", "did you mean `next-open`?", "bad.toml:6:2: dat: "] {
        bad.refused(2, told);
    }
    assert_eq!(bad.stderr.lines().count(), 4);
    // What only shows between keys.
    write(&folder, "params.toml", "[run]\nparams = [\"entry=3\"]\nstrategies = [\"sma-cross\"]\n");
    bot4_in(&folder, &[], "config check params.toml").refused(2, "params.toml:2:10: run.params: found \"entry=3\"");
    write(&folder, "times.toml", "[data]\nfrom = 2021-01-02\nto = 2021-01-01\n");
    bot4_in(&folder, &[], "config check times.toml")
        .refused(2, "times.toml:2:8: --from is not before --to: nothing is left");
    bot4_in(&folder, &[], "config check none.toml").refused(2, "none.toml: No such file");
}

#[test]
fn diff_compares_files_and_what_runs_recorded() {
    let folder = folder("config_diff");
    write(&folder, "a.toml", "[run]\ncash = 5\nrisk = \"off\"\n");
    write(&folder, "b.toml", "[run]\nrisk = \"off\"\nparams = [\"fast=3\"]\n[venue]\nfee_taker = 0.001\n");
    let differ = bot4_in(&folder, &[], "config diff a.toml b.toml");
    let expected =
        "run.params: [] -> [\"fast=3\"]\nrun.cash: \"5\" -> \"10000\"\nvenue.fee_taker: not set -> \"0.001\"\n";
    assert_eq!((differ.code, differ.stdout.as_str()), (1, expected));
    assert_eq!(differ.stderr, "bot4: 3 keys differ\n");
    // A run's folder, with the configuration that its summary recorded.
    let args = bot4::config::RunArgs { cash: Some("5".into()), risk: Some("off".into()), ..Default::default() };
    let settings =
        bot4::config::resolve(&args, &bot4::config::BACKTEST, &bot4::config::Sources::default()).unwrap().settings;
    let config: Value = serde_json::from_str(&settings.to_json().unwrap()).unwrap();
    std::fs::create_dir(folder.join("RUN")).unwrap();
    write(&folder, "RUN/summary.json", &serde_json::json!({"run": "backtest", "config": config}).to_string());
    let same = bot4_in(&folder, &[], "config diff RUN a.toml");
    assert_eq!((same.code, same.stdout.as_str(), same.stderr.as_str()), (0, "", ""));
    write(&folder, "RUN/summary.json", "{\"run\": \"backtest\"}");
    bot4_in(&folder, &[], "config diff RUN a.toml")
        .refused(2, "RUN/summary.json: no key \"config\": expected the summary");
}

#[test]
fn init_writes_a_file_that_says_the_defaults_and_nothing_is_lost() {
    let folder = folder("config_init");
    let ran = bot4_in(&folder, &[], "init sub/dir");
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let path = folder.join("sub/dir/bot4.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let resolved = |path: &Path| {
        let sources = bot4::config::Sources { file: Some(path.to_owned()), variables: Vec::new() };
        bot4::config::resolve(&Default::default(), &bot4::config::BACKTEST, &sources).unwrap()
    };
    let none = bot4::config::Sources::default();
    let defaults = bot4::config::resolve(&Default::default(), &bot4::config::BACKTEST, &none).unwrap().settings;
    assert_eq!(resolved(&path).settings, defaults);
    // With every default said aloud it is the same; every key stands in it once, with its meaning above.
    let mut aloud = String::new();
    let mut section = "";
    let mut before = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let key = line
            .strip_prefix('#')
            .and_then(|l| l.split_once(" = "))
            .and_then(|(name, _)| bot4::config::find(&format!("{section}.{name}")));
        match key {
            Some(key) => {
                assert!(before.starts_with("# "), "{line}");
                assert!(text.contains(key.help) && text.contains(key.unit), "{}", key.path);
                if matches!(key.preset, bot4::config::Preset::Is(_)) {
                    aloud += &line[1..];
                }
            }
            None => aloud += line,
        }
        aloud.push('\n');
        before = line;
    }
    for key in bot4::config::KEYS {
        let line = format!("\n#{} = ", key.name());
        let of_name = bot4::config::KEYS.iter().filter(|k| k.name() == key.name()).count();
        assert_eq!(text.matches(&line).count(), of_name, "{}", key.path);
    }
    let aloud_path = folder.join("aloud.toml");
    std::fs::write(&aloud_path, aloud).unwrap();
    let said = resolved(&aloud_path);
    assert_eq!(said.settings, defaults);
    let presets = bot4::config::KEYS.iter().filter(|k| matches!(k.preset, bot4::config::Preset::Is(_))).count();
    let from_file = said.origins.values().filter(|o| **o != bot4::config::Origin::Default).count();
    assert_eq!(from_file, presets);
    // What is there stays, unless it is to be written over.
    std::fs::write(&path, "[run]\ncash = 5\n").unwrap();
    bot4_in(&folder, &[], "init sub/dir").refused(1, "sub/dir/bot4.toml: is there already: expected --force");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "[run]\ncash = 5\n");
    assert_eq!(bot4_in(&folder, &[], "init sub/dir --force").code, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    let names = std::fs::read_dir(folder.join("sub/dir")).unwrap().count();
    assert_eq!(names, 1, "nothing is left aside");
}
