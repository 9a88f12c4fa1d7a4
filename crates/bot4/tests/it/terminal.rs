//! What people see: help, completions, manual, colours, widths, and what signals do.

use crate::support::{Ran, bot4, folder};
use std::process::Command;

/// Runs the program with these variables and arguments, separated by blanks.
fn with(variables: &[(&str, &str)], args: &str) -> Ran {
    let output =
        crate::support::program().envs(variables.iter().copied()).args(args.split_whitespace()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

const COMMANDS: [&str; 20] = [
    "paper",
    "backtest",
    "replay",
    "report",
    "calc",
    "strategies",
    "data",
    "config",
    "config show",
    "config check",
    "config diff",
    "init",
    "completions",
    "man",
    "override",
    "override keygen",
    "override sign",
    "gate",
    "live",
    "self-assess",
];

#[test]
fn every_command_has_help_with_examples() {
    for command in COMMANDS {
        let ran = with(&[], &format!("{command} --help"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{command}");
        let first = command.split(' ').next().unwrap();
        assert!(ran.stdout.contains("Examples:") && ran.stdout.contains(&format!("bot4 {first}")), "{}", ran.stdout);
    }
    assert!(with(&[], "--help").stdout.contains("Exit codes: 0 done"));
}

#[test]
fn completions_are_there_for_every_shell_and_know_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = with(&[], &format!("completions {shell}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{shell}");
        for word in ["backtest", "slippage", "strategies", "completions", "bad-rows"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
    with(&[], "completions tcsh").refused(2, "invalid value 'tcsh'");
    // The shell itself finds nothing wrong with it.
    let script = with(&[], "completions bash").stdout;
    if let Ok(checked) = Command::new("bash").args(["-n", "-c", &script]).status() {
        assert!(checked.success());
    }
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let folder = folder("man");
    let dir = folder.join("man1");
    let ran = bot4(&["man", dir.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    for command in COMMANDS {
        let page = dir.join(format!("bot4-{}.1", command.replace(' ', "-")));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
        assert!(text.contains(".SH SYNOPSIS") && text.contains("Examples:"), "{command}");
    }
    let first = with(&[], "man");
    assert_eq!(first.stdout, std::fs::read_to_string(dir.join("bot4.1")).unwrap());
    assert!(first.stdout.contains(".TH bot4 1"));
}

#[test]
fn colours_are_for_terminals_and_respect_no_color() {
    const ESCAPE: char = '\u{1b}';
    // A pipe is no terminal.
    for args in ["strategies", "--help", "nonsense"] {
        let ran = with(&[], args);
        assert!(!(ran.stdout + &ran.stderr).contains(ESCAPE), "{args}");
        let ran = with(&[], &format!("{args} --color always"));
        assert!((ran.stdout + &ran.stderr).contains(ESCAPE), "{args}");
        let ran = with(&[("CLICOLOR_FORCE", "1")], args);
        assert!((ran.stdout + &ran.stderr).contains(ESCAPE), "{args}: asked for by a variable");
        let ran = with(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], args);
        assert!(!(ran.stdout + &ran.stderr).contains(ESCAPE), "{args}: NO_COLOR is stronger");
        let ran = with(&[("CLICOLOR_FORCE", "1")], &format!("{args} --color never"));
        assert!(!(ran.stdout + &ran.stderr).contains(ESCAPE), "{args}: an argument is stronger");
    }
    let red = with(&[], "backtest --color=always --cash 0 --strategy donchian").stderr;
    assert!(red.starts_with("\u{1b}[1m\u{1b}[31mbot4:\u{1b}[0m --cash 0: expected"), "{red:?}");
    // JSON is never styled.
    assert!(!with(&[], "strategies --json --color always").stdout.contains(ESCAPE));
    with(&[], "strategies --color pink").refused(2, "invalid value 'pink' for '--color <WHEN>'");
}

/// Holds that no line is wider than it may be, and that no word is lost beside a wide print.
#[track_caller]
fn fits(args: &str) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let wide = with(&[], args);
    assert_eq!(wide.code, 0, "{}", wide.stderr);
    for columns in [60usize, 100] {
        let narrow = with(&[("COLUMNS", &columns.to_string())], args);
        for line in narrow.stdout.lines() {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
        let (mut wide, mut narrow) = (words(&wide.stdout), words(&narrow.stdout));
        wide.sort();
        narrow.sort();
        // How long the run took is not the same twice.
        let same = |list: Vec<String>| list.into_iter().filter(|w| w.parse::<f64>().is_err() && !w.starts_with('('));
        assert!(same(wide).eq(same(narrow)), "{columns}: words are missing");
    }
}

#[test]
fn tables_and_text_fit_narrow_terminals() {
    fits("strategies");
    fits("calc --list");
    fits("backtest --strategy sma-cross --from 2021-05-12 --to 2021-05-14");
    fits("backtest --strategy sma-cross --risk off --from 2021-05-12 --to 2021-05-14");
}

#[test]
fn levels_of_the_log_are_checked() {
    for args in ["strategies --log loud", "backtest --strategy donchian --to 2021-01-02 --log loud"] {
        with(&[], args).refused(2, "loud: expected levels such as info or info,bot4::orders=debug");
    }
    with(&[("BOT4_LOG", "loud")], "strategies").refused(2, "BOT4_LOG loud: expected levels");
    assert_eq!(with(&[("BOT4_LOG", "debug")], "strategies --log off").stderr, "");
}

/// Starts the program in `folder`, and returns it when `sign` is there.
#[cfg(unix)]
fn started(args: &[String], sign: &std::path::Path) -> std::process::Child {
    use std::process::Stdio;
    let mut command = crate::support::program();
    let child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = std::time::Instant::now();
    while !sign.exists() && begun.elapsed() < std::time::Duration::from_secs(30) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child
}

#[cfg(unix)]
fn send(signal: &str, child: &std::process::Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}

/// SIGTERM and SIGINT end a run with their own code and words.
#[cfg(unix)]
#[test]
fn signals_stop_a_backtest_with_their_own_code() {
    for (signal, code, word) in [("-TERM", 143, "terminated"), ("-INT", 130, "interrupted")] {
        let out = folder(&format!("backtest{signal}")).join("out");
        // All bundled minutes with many strategies: it lasts until it is told to stop.
        let mut args: Vec<String> =
            ["backtest", "--json", "--risk", "off", "--out", out.to_str().unwrap()].map(String::from).to_vec();
        args.extend((0..100).flat_map(|n| ["--strategy".to_owned(), format!("sma-cross:fast=3,slow={}", n + 5)]));
        let child = started(&args, &out);
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr), (Some(code), format!("bot4: {word}: nothing was written\n")));
        assert!(output.stdout.is_empty());
    }
}

/// A paper run says how to go on, and does, to the result of one that was never stopped.
#[cfg(unix)]
#[test]
fn signals_stop_a_paper_run_that_says_how_to_resume() {
    for (signal, code, word) in [("-TERM", 143, "terminated"), ("-INT", 130, "interrupted")] {
        let folder = folder(&format!("paper{signal}"));
        let out = folder.join("run");
        let path = out.to_str().unwrap();
        let args = ["paper", "--json", "--to", "2021-05-03", "--from", "2021-05-01", "--out", path];
        let mut slow = args.map(String::from).to_vec();
        slow.extend(["--speed".to_owned(), "1x".to_owned()]);
        let child = started(&slow, &out.join("journal"));
        // It waits for the next minute of the market, and is to be heard there too.
        std::thread::sleep(std::time::Duration::from_millis(300));
        let sent = std::time::Instant::now();
        send(signal, &child);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.starts_with(&format!("bot4: {word}: ")), "{stderr}");
        assert!(stderr.contains(&format!("bot4 paper --resume {path}")), "{stderr}");
        // Far below the minute that it waited for; the machine may be busy.
        assert!(sent.elapsed() < std::time::Duration::from_secs(5), "{:?}", sent.elapsed());
        let resumed = bot4(&["paper", "--resume", path, "--json"]);
        assert_eq!(resumed.code, 0, "{}", resumed.stderr);
        let other = folder.join("undisturbed");
        let undisturbed = bot4(&[&args[..7], &[other.to_str().unwrap()]].concat());
        assert_eq!(resumed.lines()[0]["digest"], undisturbed.lines()[0]["digest"]);
    }
}

/// The second signal ends the program at once, whatever it does.
#[cfg(unix)]
#[test]
fn a_second_signal_ends_the_program_at_once() {
    let out = folder("second").join("out");
    let mut args: Vec<String> =
        ["backtest", "--json", "--risk", "off", "--out", out.to_str().unwrap()].map(String::from).to_vec();
    args.extend((0..100).flat_map(|n| ["--strategy".to_owned(), format!("sma-cross:fast=3,slow={}", n + 5)]));
    let child = started(&args, &out);
    // Stopped, it cannot look at its flag between the two.
    send("-STOP", &child);
    send("-INT", &child);
    send("-TERM", &child);
    send("-CONT", &child);
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap();
    assert!(matches!(code, 130 | 143), "{code}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "nothing is said: there was no time to");
}
