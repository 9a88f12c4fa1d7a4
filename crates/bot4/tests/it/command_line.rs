//! `bot4 backtest` and `bot4 paper` from outside: exit codes, what goes to which stream, the keys of the result, the files.

use crate::support::{Ran, bot4, folder};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use testkit::generate::random_walk;

/// 2021-01-01 00:00 UTC in milliseconds.
const START_MS: u64 = 1_609_459_200_000;

/// Minutes of a walk as a file of candles with a header.
fn minutes(folder: &Path, symbol: &str, n: u64) -> PathBuf {
    let mut table = domain::InstrumentTable::default();
    let i = testkit::add_spot(&mut table, symbol, 2, 5);
    let start: i64 = if symbol == "BTCUSDT" { 4_000_000 } else { 250_000 };
    let mut text = "time,open,high,low,close,volume\n".to_owned();
    let cents = |p: i64| format!("{}.{:02}", p / 100, p % 100);
    for (c, minute) in random_walk(&i, start.unsigned_abs(), n, start, start / 200).iter().zip(0u64..) {
        let (open, high, low, close) = (cents(c.open), cents(c.high), cents(c.low), cents(c.close));
        let volume = c.volume / 100_000;
        text += &format!("{},{open},{high},{low},{close},{volume}\n", START_MS + minute * 60_000);
    }
    let path = folder.join(format!("binance_spot_{symbol}_1m.csv"));
    std::fs::write(&path, text).unwrap();
    path
}

/// `bot4 backtest --data PATH` with more arguments, separated by blanks.
fn backtest(data: &Path, more: &str) -> Ran {
    let data = data.display().to_string();
    let mut args = vec!["backtest", "--data", data.as_str()];
    args.extend(more.split_whitespace());
    bot4(&args)
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "progress is for terminals, and nothing went wrong");
    let lines = ran.lines();
    assert_eq!(lines.len(), 1, "exactly one object: {}", ran.stdout);
    assert!(lines[0].is_object());
    lines[0].clone()
}

const CROSS: &str = "--strategy sma-cross:fast=3,slow=9 --strategy donchian:entry=8,exit=4";

#[test]
fn the_result_has_every_key_with_its_type() {
    let folder = folder("result_keys");
    minutes(&folder, "BTCUSDT", 1_500);
    minutes(&folder, "ETHUSDT", 1_500);
    for (more, keeps) in [("", true), ("--records none", false), ("--risk off --size 10%", true)] {
        let r = json(&backtest(&folder, &format!("{CROSS} {more} --json")));
        let whole = ["events", "orders", "fills", "start_ts", "end_ts", "not_sent"];
        assert!(whole.iter().all(|k| r[*k].is_u64()), "{r}");
        let numbers = [
            "load_s",
            "run_s",
            "events_per_s",
            "initial_cash",
            "final_equity",
            "fees_paid",
            "max_drawdown",
            "funding",
            "total_return",
        ];
        assert!(numbers.iter().all(|k| r[*k].is_number()), "{r}");
        let lists = ["trades", "open_positions", "assumptions", "symbols", "strategies", "faults"];
        assert!(lists.iter().all(|k| r[*k].is_array()), "{r}");
        let maps = ["refusals", "venue_rejects", "data"];
        assert!(maps.iter().all(|k| r[*k].is_object()), "{r}");
        assert!(["digest", "state_digest", "run", "risk_profile"].iter().all(|k| r[*k].is_string()), "{r}");
        assert_eq!(r["events"], 3_000, "market rows only");
        assert_eq!(r["start_ts"], START_MS);
        assert_eq!(r["end_ts"], START_MS + 1_500 * 60_000);
        assert_eq!(r["faults"], Value::Array(vec![]));
        assert!(r["max_drawdown"].as_f64().unwrap() <= 0.0);
        // 25 hours are two days: one return is too few for a ratio.
        assert!(r["sharpe"].is_null() || r["sharpe"].is_number());
        let per_second = r["events"].as_f64().unwrap() / r["run_s"].as_f64().unwrap();
        testkit::assert_close(r["events_per_s"].as_f64().unwrap(), per_second, 1e-9, 0.0);
        assert!(r["trades_closed"].as_u64().unwrap() > 10, "{r}");
        let trades = r["trades"].as_array().unwrap();
        assert_eq!(trades.len() as u64, if keeps { r["trades_closed"].as_u64().unwrap() } else { 0 });
        for t in trades {
            assert!(["entry_ts", "exit_ts", "strategy"].iter().all(|k| t[*k].is_u64()), "{t}");
            assert!(["quantity", "entry_price", "exit_price", "fees", "pnl"].iter().all(|k| t[*k].is_f64()), "{t}");
            assert!(t["side"] == "long" && t["symbol"].is_string() && t["name"].is_string(), "{t}");
            assert!(t["entry_ts"].as_u64() <= t["exit_ts"].as_u64(), "{t}");
            // Profit is what the prices say less the fees.
            let f = |k: &str| t[k].as_f64().unwrap();
            testkit::assert_close(
                f("pnl"),
                (f("exit_price") - f("entry_price")) * f("quantity") - f("fees"),
                1e-6,
                1e-6,
            );
        }
        for p in r["open_positions"].as_array().unwrap() {
            let numbers = ["quantity", "entry_price", "mark_price", "unrealised_pnl", "fees", "realised_pnl"];
            assert!(numbers.iter().all(|k| p[*k].is_f64()), "{p}");
            assert!(p["dust"].is_boolean() && (p["entry_ts"].is_u64() || p["dust"] == true), "{p}");
        }
        if keeps {
            // Every fee is in a closed trade or in an open position.
            let fees =
                |list: &str| r[list].as_array().unwrap().iter().map(|t| t["fees"].as_f64().unwrap()).sum::<f64>();
            let told = fees("trades") + fees("open_positions");
            testkit::assert_close(told, r["fees_paid"].as_f64().unwrap(), 1e-9, 1e-9);
        }
    }
}

#[test]
fn dust_is_told_as_dust_and_not_as_a_position_from_1970() {
    let folder = folder("dust");
    let data = minutes(&folder, "BTCUSDT", 1_500);
    // Fees out of what was bought leave parts of a lot that cannot be sold.
    let run = "--strategy sma-cross:fast=3,slow=9 --risk off --fee-asset venue";
    let mut seen = (0, 0);
    for hour in 4..24 {
        let more = format!("{run} --to 2021-01-01T{hour:02}:00:00Z");
        let r = json(&backtest(&data, &format!("{more} --json")));
        let positions = r["open_positions"].as_array().unwrap();
        assert!(positions.len() <= 1, "{positions:?}");
        let Some(p) = positions.first() else { continue };
        let value = p["quantity"].as_f64().unwrap() * p["mark_price"].as_f64().unwrap();
        let table = backtest(&data, &more).stdout;
        let line = table.lines().find(|l| l.contains("open positions")).unwrap().trim();
        if p["dust"] == true {
            seen.0 += 1;
            assert!(p["entry_ts"].is_null() && value < 5.0, "{p}");
            assert_eq!((&p["fees"], &p["realised_pnl"]), (&Value::from(0.0), &Value::from(0.0)));
            assert!(line.ends_with(" 0 and 1 of dust"), "{line}");
        } else {
            seen.1 += 1;
            assert!(p["entry_ts"].as_u64().unwrap() > START_MS && value > 5_000.0, "{p}");
            assert!(p["fees"].as_f64().unwrap() > 1.0 && line.ends_with(" 1"), "{p} {line}");
        }
    }
    assert!(seen.0 > 2 && seen.1 > 2, "{seen:?}");
}

#[test]
fn whole_units_with_the_fee_in_what_was_bought_are_refused_only_where_there_is_a_fee() {
    let folder = folder("whole_fee");
    let data = minutes(&folder, "ETHUSDT", 50);
    let run = "--strategy sma-cross --units whole --fee-asset venue --json";
    backtest(&data, run)
        .refused(2, "--units whole: the venue takes the fee of a buy of ETHUSDT out of what was bought");
    assert_eq!(json(&backtest(&data, &format!("{run} --fee-taker 0 --fee-maker 0")))["events"], 50);
}

#[test]
fn with_or_without_records_in_files_or_not_the_run_is_the_same() {
    let folder = folder("same_digest");
    let data = minutes(&folder, "BTCUSDT", 2_000);
    let digest = |more: &str| json(&backtest(&data, &format!("{CROSS} --json {more}")))["digest"].clone();
    let first = digest("");
    assert_eq!(digest(""), first);
    assert_eq!(digest("--records none"), first);
    let out = folder.join("out");
    assert_eq!(digest(&format!("--out {}", out.display())), first);
    for other in
        ["--fee-taker 0.002", "--stop pct:2", "--cash 20000", "--to 2021-01-02", "--slippage bps:5", "--units whole"]
    {
        assert_ne!(digest(other), first, "{other}");
    }
}

#[test]
fn usage_that_cannot_be_is_2_and_names_the_option() {
    let folder = folder("usage");
    let data = minutes(&folder, "BTCUSDT", 50);
    for (more, told) in [
        ("", "no --strategy is given (`bot4 strategies` lists them)"),
        ("--strategy hodl", "strategy=hodl"),
        ("--strategy hodl", "one of sma-cross, ema-cross, donchian, breakout-pair, buy-and-hold"),
        ("--strategy sma-cross:slowly=3", "sma-cross has no parameter `slowly`"),
        ("--strategy sma-cross:fast=0", "fast=0: expected a whole number from 1 to 100000"),
        ("--strategy sma-cross:fast=50,slow=20", "slow=20: expected more than fast=50"),
        ("--strategy sma-cross:fast=100001", "fast=100001"),
        ("--strategy sma-cross:bar=30s", "bar=30s: expected a multiple of the candles' own length, 60 s"),
        ("--strategy sma-cross:bar=90s", "bar=90s: expected a multiple of the candles' own length, 60 s"),
        ("--strategy sma-cross:bar=4x", "bar=4x: expected a length such as 15m, 4h, 1d"),
        ("--strategy sma-cross --param entry=3", "--param entry=3: expected a parameter of one of the strategies"),
        ("--strategy sma-cross:instrument=ETHUSDT", "trades ETHUSDT, and the data has BTCUSDT"),
        ("--strategy sma-cross --size 0%", "--size 0%: expected all-in, cap, a share such as 10%, or qty:0.1"),
        ("--strategy sma-cross --cash 0", "--cash 0: expected an amount above 0"),
        ("--strategy sma-cross --cash=-5", "--cash -5: expected an amount above 0"),
        ("--strategy sma-cross --units some", "--units some: expected lot, whole or fractional"),
        ("--strategy sma-cross --records few", "--records few: expected all or none"),
        ("--strategy sma-cross --exec now", "--exec now: expected next-open or signal-close"),
        ("--strategy sma-cross --fee-asset base", "--fee-asset base: expected quote or venue"),
        ("--strategy sma-cross --fee-taker free", "--fee-taker free: expected a decimal number such as 0.001"),
        ("--strategy sma-cross --participation 2", "participation is 2"),
        ("--strategy sma-cross --slippage huge", "--slippage huge: expected none, bps:N or impact"),
        ("--strategy sma-cross --stop pct:200", "stop `pct:200`"),
        ("--strategy sma-cross --funding 0.1:0", "--funding 0.1:0"),
        ("--strategy sma-cross --funding 0.0001", "--funding: none of the instruments is a perpetual"),
        ("--strategy sma-cross --latency 5", "--latency: all data are candles"),
        ("--strategy sma-cross --latency 0:5:1", "--latency: all data are candles"),
        ("--strategy sma-cross --units whole --fee-asset venue", "expected --fee-asset quote"),
        ("--strategy sma-cross --risk none.toml", "--risk none.toml: No such file"),
        ("--strategy sma-cross --from 2021-01-02 --to 2021-01-01", "nothing is left"),
        ("--strategy sma-cross --from yesterday", "--from yesterday: expected a time such as 2021-05-19"),
        ("--strategy sma-cross --no-such-option", "--no-such-option"),
    ] {
        let ran = backtest(&data, more);
        assert_eq!(ran.code, 2, "{more}: {}", ran.stderr);
        ran.refused(2, told);
        backtest(&data, &format!("{more} --json")).refused(2, told);
    }
    bot4::<&str>(&[]).refused(2, "Usage: bot4");
    bot4(&["trade"]).refused(2, "unrecognized subcommand 'trade'");
    for asked in ["--help", "--version"] {
        let ran = bot4(&[asked]);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert!(ran.stdout.contains("bot4"), "{}", ran.stdout);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_1_and_found_before_the_run() {
    let folder = folder("unwritable");
    let data = minutes(&folder, "BTCUSDT", 50);
    // Below a regular file nothing can be made, whoever asks.
    let below = folder.join("a_file/out");
    std::fs::write(folder.join("a_file"), "kept").unwrap();
    for out in [&below, &folder.join("a_file")] {
        for more in ["", "--json"] {
            let ran = backtest(&data, &format!("--strategy donchian {more} --out {}", out.display()));
            ran.refused(1, &format!("{}: ", out.display()));
            ran.refused(1, "expected a folder that can be written");
        }
    }
    assert_eq!(std::fs::read_to_string(folder.join("a_file")).unwrap(), "kept");
}

#[test]
fn the_first_line_of_a_report_says_under_which_limits_it_was_made() {
    let folder = folder("first_line");
    let data = minutes(&folder, "BTCUSDT", 300);
    std::fs::write(folder.join("limits.toml"), "position_fraction_max = \"0.5\"\n").unwrap();
    let limits = folder.join("limits.toml").display().to_string();
    for (risk, line, profile) in [
        ("off", "RISK IS OFF: a research result; its orders could never go to a real venue", "off"),
        ("default", "Risk: standard limits", "standard"),
        (&limits, "Risk: research limits (a research result; its orders could never go to a real venue)", "research"),
    ] {
        let ran = backtest(&data, &format!("{CROSS} --risk {risk}"));
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
        assert_eq!(ran.stdout.lines().next(), Some(line), "{}", ran.stdout);
        assert!(ran.stdout.contains("Assumptions:") && ran.stdout.contains("digest "), "{}", ran.stdout);
        assert_eq!(json(&backtest(&data, &format!("{CROSS} --risk {risk} --json")))["risk_profile"], profile);
    }
    std::fs::write(folder.join("limits.toml"), "position_fraction_max = \"0\"\n").unwrap();
    backtest(&data, &format!("{CROSS} --risk {limits}"))
        .refused(2, "limit position_fraction_max is 0, expected a fraction above 0");
    std::fs::write(folder.join("limits.toml"), "position_fraction = \"0.1\"\n").unwrap();
    backtest(&data, &format!("{CROSS} --risk {limits}")).refused(2, "unknown field `position_fraction`");
}

#[test]
fn paper_has_the_limits_of_live_trading() {
    let folder = folder("paper_limits");
    let data = minutes(&folder, "BTCUSDT", 50).display().to_string();
    let (limits, out) = (folder.join("limits.toml").display().to_string(), folder.join("out").display().to_string());
    let paper = |risk: &str| bot4(&["paper", "--data", &data, "--risk", risk, "--out", &out]);
    paper("off").refused(2, "--risk off: expected default, or tighter limits: paper has those of live trading");
    for (looser, name) in [("positions_max = 11", "positions_max"), ("daily_loss_max = \"0.9\"", "daily_loss_max")] {
        std::fs::write(&limits, looser).unwrap();
        paper(&limits).refused(2, &format!("limit {name} is "));
    }
    assert!(!folder.join("out").exists(), "nothing was begun");
    std::fs::write(&limits, "positions_max = 3").unwrap();
    assert_eq!(paper(&limits).code, 0);
}

#[test]
fn risk_refuses_what_has_no_stop_or_is_too_large() {
    let folder = folder("refusals");
    let data = minutes(&folder, "BTCUSDT", 600);
    let stopless = json(&backtest(&data, &format!("{CROSS} --stop none --json")));
    assert_eq!((&stopless["orders"], &stopless["fills"]), (&Value::from(0), &Value::from(0)));
    assert!(stopless["refusals"]["stop_missing"].as_u64().unwrap() > 5, "{}", stopless["refusals"]);
    let all_in = json(&backtest(&data, &format!("{CROSS} --size all-in --json")));
    assert_eq!(all_in["orders"], 0);
    assert!(all_in["refusals"]["position_size"].as_u64().unwrap() > 5, "{}", all_in["refusals"]);
    assert!(all_in["refusals"].get("stop_missing").is_none());
    // Without limits both trade.
    for more in ["--stop none", "--size all-in"] {
        let free = json(&backtest(&data, &format!("{CROSS} --risk off {more} --json")));
        assert!(free["fills"].as_u64().unwrap() > 5 && free["refusals"].get("position_size").is_none(), "{free}");
    }
}

#[test]
fn units_are_lots_whole_ones_or_any_part() {
    let folder = folder("units");
    let data = minutes(&folder, "ETHUSDT", 800);
    let quantities = |units: &str| -> Vec<f64> {
        let more = format!("--strategy sma-cross:fast=3,slow=9 --risk off --units {units} --cash 100000 --json");
        let trades = json(&backtest(&data, &more))["trades"].as_array().unwrap().clone();
        assert!(trades.len() > 5);
        trades.iter().map(|t| t["quantity"].as_f64().unwrap()).collect()
    };
    let multiple = |q: f64, of: f64| ((q / of).round() * of - q).abs() < 1e-9;
    assert!(quantities("whole").iter().all(|q| multiple(*q, 1.0)));
    let lots = quantities("lot");
    assert!(lots.iter().all(|q| multiple(*q, 0.0001)) && lots.iter().any(|q| !multiple(*q, 1.0)), "{lots:?}");
    let parts = quantities("fractional");
    assert!(parts.iter().all(|q| multiple(*q, 0.00001)) && parts.iter().any(|q| !multiple(*q, 0.0001)), "{parts:?}");
}

#[test]
fn from_and_to_cut_the_data() {
    let folder = folder("from_to");
    let data = minutes(&folder, "BTCUSDT", 3 * 1_440);
    let events = |more: &str| {
        let r = json(&backtest(&data, &format!("--strategy donchian --json {more}")));
        (r["events"].as_u64().unwrap(), r["start_ts"].as_u64().unwrap(), r["end_ts"].as_u64().unwrap())
    };
    let day = 86_400_000;
    assert_eq!(events(""), (3 * 1_440, START_MS, START_MS + 3 * day));
    assert_eq!(events("--from 2021-01-02"), (2 * 1_440, START_MS + day, START_MS + 3 * day));
    assert_eq!(events("--to 2021-01-02"), (1_440, START_MS, START_MS + day));
    assert_eq!(
        events("--from 2021-01-02T12:00:00Z --to 2021-01-03"),
        (720, START_MS + day + day / 2, START_MS + 2 * day)
    );
}

#[test]
fn a_paper_run_writes_its_files_and_they_say_what_it_said() {
    let folder = folder("paper");
    minutes(&folder, "BTCUSDT", 6_000);
    minutes(&folder, "ETHUSDT", 6_000);
    let (data, out) = (folder.display().to_string(), folder.join("runs/one"));
    let out_text = out.display().to_string();
    let strategies = ["--strategy", "sma-cross:fast=4,slow=12,bar=15m", "--strategy", "donchian:bar=15m"];
    let mut args = vec!["paper", "--data", &data, "--out", &out_text, "--json"];
    args.extend(strategies);
    let said = json(&bot4(&args));
    let mut written: Value = serde_json::from_str(&std::fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    let mut names: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let files = [
        "audit",
        "equity.csv",
        "journal",
        "lock",
        "logs",
        "prices.csv",
        "records",
        "report.html",
        "snapshots",
        "summary.json",
        "summary.txt",
        "trades.csv",
    ];
    assert_eq!(names, files);
    assert_eq!((&said["run"], &said["risk_profile"]), (&Value::from("paper"), &Value::from("standard")));
    for timing in ["load_s", "run_s", "events_per_s"] {
        written[timing] = said[timing].clone();
    }
    assert_eq!(written, said);
    // The same run into another folder says the same, but for how long it took.
    let other = folder.join("runs/two").display().to_string();
    let args: Vec<&str> = args.iter().map(|a| if *a == out_text { other.as_str() } else { a }).collect();
    let mut again = json(&bot4(&args));
    for timing in ["load_s", "run_s", "events_per_s"] {
        again[timing] = said[timing].clone();
    }
    assert_eq!(again, said);
    let trades = std::fs::read_to_string(out.join("trades.csv")).unwrap();
    let mut lines = trades.lines();
    assert_eq!(
        lines.next(),
        Some("strategy,name,symbol,side,entry_ts,exit_ts,quantity,entry_price,exit_price,fees,pnl")
    );
    let told = said["trades"].as_array().unwrap();
    assert!(told.len() > 10);
    assert_eq!(lines.clone().count(), told.len());
    for (line, t) in lines.zip(told) {
        let f: Vec<&str> = line.split(',').collect();
        assert_eq!((f[1], f[2], f[3]), (t["name"].as_str().unwrap(), t["symbol"].as_str().unwrap(), "long"));
        assert_eq!(f[4].parse::<u64>().ok(), t["entry_ts"].as_u64());
        let close = |text: &str, key: &str| {
            testkit::assert_close(text.parse().unwrap(), t[key].as_f64().unwrap(), 1e-9, 1e-9);
        };
        close(f[6], "quantity");
        close(f[7], "entry_price");
        close(f[10], "pnl");
    }
    let equity = std::fs::read_to_string(out.join("equity.csv")).unwrap();
    let points: Vec<Vec<f64>> =
        equity.lines().skip(1).map(|l| l.split(',').map(|x| x.parse().unwrap()).collect()).collect();
    assert_eq!(equity.lines().next(), Some("ts,equity,buy_and_hold,drawdown,gross_exposure,net_exposure"));
    assert_eq!(points.len(), 100, "one an hour");
    assert!(points.is_sorted_by(|a, b| a[0] < b[0]));
    testkit::assert_close(points[99][1], said["final_equity"].as_f64().unwrap(), 1e-9, 0.0);
    testkit::assert_close(points[99][2], said["buy_and_hold"]["final_equity"].as_f64().unwrap(), 1e-9, 0.0);
}

#[test]
fn paper_runs_on_the_bundled_minutes_without_any_configuration() {
    let folder = folder("bundled_paper");
    let out = folder.join("out").display().to_string();
    // Half a month of the bundled year: all of it is for a release build.
    let ran = bot4(&["paper", "--out", &out, "--from", "2021-05-12", "--to", "2021-05-26"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(
        ran.stdout.starts_with("Risk: standard limits\npaper of BTCUSDT, ETHUSDT from 2021-05-12 00:00 to "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout.contains("buy and hold") && ran.stdout.ends_with(&format!("files in {out}\n")),
        "{}",
        ran.stdout
    );
    let r: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("out/summary.json")).unwrap()).unwrap();
    assert_eq!(r["events"], 2 * 14 * 1_440);
    assert_eq!(r["faults"], Value::Array(vec![]));
}

/// An interrupt ends a run with 130, and no result is left that looks like one.
#[cfg(unix)]
#[test]
fn an_interrupt_is_130_and_writes_nothing() {
    let folder = folder("interrupt");
    let data = minutes(&folder, "BTCUSDT", 60_000);
    let out = folder.join("out");
    let mut command = crate::support::program();
    command.args(["backtest", "--json", "--risk", "off", "--data"]).arg(&data).arg("--out").arg(&out);
    // So many strategies that the run lasts until it is told to stop.
    for slow in 0..400 {
        command.args(["--strategy", &format!("sma-cross:fast=3,slow={}", slow + 5)]);
    }
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The folder is made after the program listens for interrupts and before it runs.
    let begun = Instant::now();
    while !out.exists() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert_eq!(stderr, "bot4: interrupted: nothing was written\n");
    assert!(output.stdout.is_empty());
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 0);
}
