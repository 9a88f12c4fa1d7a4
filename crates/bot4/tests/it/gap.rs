//! `bot4 gap`: parts that sum to the last unit, sessions with one known difference, sessions that were killed, and records that cannot be
//! reported on.

use crate::support::{Ran, folder};
use bot4::gap::{self, Asked, play};
use bot4::runner::recorded::{self, At};
use bot4::runner::run_folder::{Contents, RunFolder, Start};
use domain::Money;
use monitor::report::{GapReport, PartState};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::AtomicBool;

/// Two weeks of the bundled minutes with refusals, fees and a volume cap.
const FORTNIGHT: &str = "--from 2021-05-10 --to 2021-05-24 --strategy sma-cross:bar=5m --strategy donchian:bar=15m";

/// One strategy on waves so slow and even that every trade wins, without anything that costs or refuses: each test puts one thing back.
fn bare(dir: &Path, symbols: &[&str]) -> String {
    let mut files = String::new();
    for symbol in symbols {
        let path = dir.join(format!("binance_spot_{symbol}_1m.csv"));
        let price = |n: u64| 30_000.0 + 900.0 * (n as f64 / 400.0 * std::f64::consts::TAU).sin() + n as f64 / 10.0;
        let line = |n: u64| {
            let (open, close) = (price(n), price(n + 1));
            let (high, low) = (open.max(close) + 1.0, open.min(close) - 1.0);
            format!("{},{open:.2},{high:.2},{low:.2},{close:.2},50\n", 1_609_459_200_000 + n * 60_000)
        };
        let rows: String = (0..8_000).map(line).collect();
        std::fs::write(&path, format!("time,open,high,low,close,volume\n{rows}")).unwrap();
        files += &format!(" {}", path.display());
    }
    format!(
        "--data{files} --strategy sma-cross:fast=3,slow=9 --stop pct:5 --fee-taker 0 --fee-maker 0 --participation none"
    )
}

fn run(args: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = crate::support::program();
    command.args(args.split_whitespace()).envs(variables.iter().copied()).stdin(Stdio::null());
    command.env("BOT4_JOURNAL__SNAPSHOT_EVERY_EVENTS", "10000").env("BOT4_JOURNAL__SEGMENT_BYTES", "262144");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn paper(dir: &Path, name: &str, args: &str) -> PathBuf {
    let out = dir.join(name);
    let ran = run(&format!("paper {args} --json --out {}", out.display()), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    out
}

fn started(out: &Path) -> Start {
    match RunFolder::at(out).contents().unwrap() {
        Contents::Run(start) => *start,
        Contents::Nothing => panic!("no run"),
    }
}

const ASKED: Asked<'_> = Asked { data: &[], every_order: true, differences: 50, threads: 2 };

/// The report, after its sums were held against each other.
#[track_caller]
fn report(out: &Path) -> GapReport {
    let report = gap::report(&RunFolder::at(out), started(out), ASKED, &AtomicBool::new(false)).unwrap();
    sums(&report);
    report
}

fn money(text: &str) -> i128 {
    Money::parse(text).unwrap().raw()
}

/// Parts sum to the gap, days to the profits, parts of days to the gap of the day, and days to the parts: to the last unit.
#[track_caller]
fn sums(report: &GapReport) {
    let gap = money(&report.gap.exact);
    assert_eq!(money(&report.session.equity.exact) - money(&report.backtest.equity.exact), gap);
    let figures = || report.parts.iter().filter_map(|part| part.amount.as_ref().map(|a| (part, money(&a.exact))));
    assert_eq!(figures().map(|(_, amount)| amount).sum::<i128>(), gap);
    let means: Option<i128> =
        report.parts.iter().filter(|p| p.amount.is_some()).map(|p| p.mean.as_ref().map(|m| money(&m.exact))).sum();
    assert_eq!(means, Some(gap), "the means sum, too");
    for (part, amount) in figures() {
        let bound = |of: &Option<monitor::report::Amount>| money(&of.as_ref().unwrap().exact);
        assert!((bound(&part.low)..=bound(&part.high)).contains(&amount), "{}", part.key);
    }
    let days = |of: &dyn Fn(&monitor::report::GapDay) -> i128| report.days.iter().map(of).sum::<i128>();
    assert_eq!(days(&|d| money(&d.gap.exact)), gap);
    assert_eq!(days(&|d| money(&d.session.exact)), money(&report.session.pnl.exact));
    assert_eq!(days(&|d| money(&d.backtest.exact)), money(&report.backtest.pnl.exact));
    for day in &report.days {
        assert_eq!(day.parts.iter().map(|(_, a)| money(&a.exact)).sum::<i128>(), money(&day.gap.exact), "{}", day.date);
    }
    for (n, (key, _)) in report.days.first().map_or(&[][..], |d| &d.parts).iter().enumerate() {
        let whole = report.parts.iter().find(|p| p.key == *key).unwrap().amount.as_ref().unwrap();
        assert_eq!(days(&|d| money(&d.parts[n].1.exact)), money(&whole.exact), "{key}");
    }
}

/// The part of this name, in units of 1e-12; none where the data cannot show it.
fn part(report: &GapReport, key: &str) -> Option<i128> {
    report.parts.iter().find(|part| part.key == key).unwrap().amount.as_ref().map(|amount| money(&amount.exact))
}

fn state(report: &GapReport, key: &str) -> PartState {
    report.parts.iter().find(|part| part.key == key).unwrap().state
}

/// That all of the gap is this part, and that there is one.
#[track_caller]
fn only(report: &GapReport, key: &str) {
    let gap = money(&report.gap.exact);
    assert_ne!(gap, 0, "there is a gap to attribute");
    for of in &report.parts {
        let amount = of.amount.as_ref().map(|a| money(&a.exact));
        assert!(amount.is_none_or(|a| a == if of.key == key { gap } else { 0 }), "{} {amount:?}", of.key);
    }
}

#[test]
fn parts_and_days_sum_and_the_session_is_what_its_summary_says() {
    let dir = folder("gap_sums");
    let out = paper(&dir, "run", FORTNIGHT);
    let report = report(&out);
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["final_equity"].as_f64(), Some(report.session.equity.value));
    assert_eq!(summary["orders"].as_u64(), Some(report.session.orders));
    assert_eq!(summary["fills"].as_u64(), Some(report.session.fills));
    assert!((summary["fees_paid"].as_f64().unwrap() - report.session.fees.value).abs() < 1e-6);
    let refused: u64 = summary["refusals"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(refused, report.session.refusals.values().sum::<u64>());
    assert!(part(&report, "fees").unwrap() < 0 && part(&report, "rejects").unwrap() != 0);
    assert_eq!((part(&report, "slippage"), part(&report, "signal")), (Some(0), Some(0)));
    assert_eq!((part(&report, "latency"), state(&report, "queue")), (None, PartState::NotInTheseData));
    assert!(report.complete && report.difference.is_none() && report.notes.is_empty());
    assert_eq!((report.days.len(), report.backtest.fees.value), (14, 0.0));
    let m = &report.matched;
    assert_eq!(m.same_time + m.near + m.session_only, report.session.orders);
    assert_eq!(m.same_time + m.near + m.backtest_only, report.backtest.orders);
    assert!(m.same_time > 20 && m.backtest_only > 0);
    // The program says the same: as a table, as JSON, as a page.
    let page = dir.join("gap.html");
    let ran = run(&format!("gap {} --html {}", out.display(), page.display()), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("not in these data") && ran.stdout.contains("what made the difference"));
    assert!(std::fs::read_to_string(&page).unwrap().contains("What made the difference"));
    let json = run(&format!("gap {} --json", out.display()), &[]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["gap"], report.gap.exact.as_str());
    // Two orders alone have the same ladder, and no mean.
    let quick: Value =
        serde_json::from_str(&run(&format!("gap {} --quick --json", out.display()), &[]).stdout).unwrap();
    assert_eq!(quick["parts"][0]["amount"], json["parts"][0]["amount"]);
    run(&format!("gap {} --html {}", out.display(), out.join("summary.json").display()), &[]).refused(2, "--html");
}

#[test]
fn a_session_with_one_known_difference_has_all_of_its_gap_there() {
    let dir = folder("gap_single");
    let one = bare(&dir, &["BTCUSDT"]);
    let nothing = report(&paper(&dir, "nothing", &one));
    assert!(nothing.session.fills > 20, "there is something to compare: {}", nothing.session.fills);
    assert_eq!(money(&nothing.gap.exact), 0);
    assert!(nothing.parts.iter().all(|part| part.amount.as_ref().is_none_or(|a| money(&a.exact) == 0)));
    assert_eq!((nothing.matched.backtest_only, nothing.matched.session_only), (0, 0));
    assert_eq!(nothing.differences, []);

    let fees = report(&paper(&dir, "fees", &one.replace("--fee-taker 0", "--fee-taker 0.001")));
    only(&fees, "fees");
    assert!(money(&fees.gap.exact) < 0 && fees.session.fees.value > 0.0);
    assert_eq!(state(&fees, "slippage"), PartState::Same);
    // The first trade is known: 2 % of 10,000 bought, and what a fee of a thousandth takes of it.
    let first =
        fees.differences.iter().filter_map(|d| Some((d.backtest.as_ref()?.ts, d))).min_by_key(|(ts, _)| *ts).unwrap().1;
    let value = first.session.as_ref().unwrap().price.unwrap() * first.session.as_ref().unwrap().quantity.value;
    assert!((first.fee_cost - 0.001 * value).abs() < 1e-4, "{first:?}");

    let slippage = report(&paper(&dir, "slippage", &format!("{one} --slippage bps:5")));
    only(&slippage, "slippage");
    assert!(money(&slippage.gap.exact) < 0);
    // Five basis points and at most a tick, on every order that was filled in both.
    let bought =
        slippage.differences.iter().filter(|d| d.side == "buy" && d.kind == "market" && d.price_cost.is_some());
    for d in bought.clone() {
        let price = |fill: &Option<monitor::report::GapFill>| fill.as_ref().unwrap().price.unwrap();
        let bps = 1e4 * (price(&d.session) / price(&d.backtest) - 1.0);
        assert!((5.0..5.1).contains(&bps), "{bps} {d:?}");
    }
    assert!(bought.count() > 10);

    // Refusals: the second instrument is too much like the first.
    let refused = report(&paper(&dir, "refused", &bare(&dir, &["BTCUSDT", "ETHUSDT"])));
    assert!(refused.session.refusals.values().sum::<u64>() > 0, "something was refused");
    only(&refused, "rejects");
    assert!(refused.backtest.orders > refused.session.orders);

    // A cap of the volume: what orders did not get.
    let capped = report(&paper(&dir, "capped", &one.replace("--participation none", "--participation 0.00001")));
    only(&capped, "rejects");
}

/// Trades once a second, up and down, with names that say what they are.
fn ticks(dir: &Path) -> PathBuf {
    let path = dir.join("binance_spot_BTCUSDT_trades.csv");
    let line = |n: u64| {
        let wave = ((n / 97) % 40).abs_diff(20) * 15 + (n * n % 11);
        let side = if n.is_multiple_of(2) { "buy" } else { "sell" };
        format!("{},{},5,{side}\n", 1_609_459_200_000_000_000 + n * 1_000_000_000, 30_000 + wave)
    };
    let rows: String = (0..30_000).map(line).collect();
    std::fs::write(&path, format!("ts_ns,price,quantity,side\n{rows}")).unwrap();
    path
}

#[test]
fn latency_has_a_part_where_the_data_have_a_time_inside() {
    let dir = folder("gap_latency");
    let data = ticks(&dir);
    let args = format!(
        "--data {} --venue binance_spot --symbol BTCUSDT --strategy ema-cross:bar=1m,fast=3,slow=9 --fee-taker 0 --fee-maker 0 \
         --participation none --latency 2500",
        data.display()
    );
    let late = report(&paper(&dir, "late", &args));
    assert_eq!(state(&late, "latency"), PartState::Measured);
    assert_eq!(state(&late, "queue"), PartState::NotInTheseData, "there are no quotes and no limits");
    only(&late, "latency");
    let later =
        |d: &monitor::report::GapDifference| Some(d.session.as_ref()?.filled_ts? - d.backtest.as_ref()?.filled_ts?);
    assert!(late.differences.iter().filter_map(later).any(|ms| ms >= 2_500), "fills come later");
    let prompt = report(&paper(&dir, "prompt", &args.replace("--latency 2500", "")));
    assert_eq!((state(&prompt, "latency"), part(&prompt, "latency")), (PartState::Same, Some(0)));
    assert_eq!(money(&prompt.gap.exact), 0);
}

#[test]
fn another_build_is_signal_and_the_record_stands() {
    let dir = folder("gap_signal");
    let out = paper(&dir, "run", FORTNIGHT);
    let own = report(&out);
    // The same run as another build would make it, in which a constant of a strategy is another one.
    let mut start = started(&out);
    let text = start.config.to_string().replace("sma-cross:bar=5m", "sma-cross:bar=5m,fast=19");
    start.config = serde_json::from_str(&text).unwrap();
    let other = gap::report(&RunFolder::at(&out), start, ASKED, &AtomicBool::new(false)).unwrap();
    sums(&other);
    assert_eq!(other.session, own.session, "the record is what happened, whoever reads it");
    assert_ne!(part(&other, "signal"), Some(0));
    assert_eq!(state(&other, "signal"), PartState::Measured);
    assert!(other.difference.is_some() && other.notes.iter().any(|note| note.contains("the record stands")));
}

/// What this build plays under the assumptions of a session, beside its record.
#[track_caller]
fn same_as_recorded(out: &Path) {
    let (run, never) = (RunFolder::at(out), AtomicBool::new(false));
    let opened = recorded::open(&run, started(out), &[], At::Beginning, false).unwrap();
    let session = play::as_recorded(&run, &opened.config, &opened.series, &never).unwrap();
    let outside = play::from_outside(&run).unwrap();
    let played = play::play(&opened.config, &opened.series, &outside, session.until, &never).unwrap();
    assert_eq!((played.end(), &played.days), (session.watch.end(), &session.watch.days));
    assert_eq!((played.fills, &played.refusals), (session.watch.fills, &session.watch.refusals));
}

#[test]
fn sessions_that_were_killed_are_reported_on_as_far_as_they_reach() {
    let dir = folder("gap_killed");
    let whole = report(&paper(&dir, "plain", FORTNIGHT));
    same_as_recorded(&dir.join("plain"));
    let out = dir.join("run");
    let killed =
        run(&format!("paper {FORTNIGHT} --json --out {}", out.display()), &[("BOT4_FAILPOINT", "journal.write:2")]);
    assert_eq!(killed.code, -1, "{}", killed.stderr);
    let before = std::fs::read_dir(out.join("journal")).unwrap().count();
    let part_way = report(&out);
    assert!(!part_way.complete && part_way.notes[0].contains("has not ended"), "{:?}", part_way.notes);
    assert!(part_way.end_ts < whole.end_ts && part_way.days.len() < whole.days.len());
    same_as_recorded(&out);
    assert_eq!(std::fs::read_dir(out.join("journal")).unwrap().count(), before, "nothing in the folder is changed");
    let resumed = run(&format!("paper --resume {} --json", out.display()), &[]);
    assert_eq!(resumed.code, 0, "{}", resumed.stderr);
    let after = report(&out);
    assert_eq!(after.recoveries, 1);
    assert_eq!((&after.gap, &after.parts, &after.days), (&whole.gap, &whole.parts, &whole.days));
}

#[cfg(unix)]
#[test]
fn words_from_outside_are_refusals() {
    let dir = folder("gap_outside");
    let out = dir.join("run");
    let mut command = crate::support::program();
    let args = format!("paper {} --speed 400000x --json --out {}", bare(&dir, &["BTCUSDT"]), out.display());
    let child =
        command.args(args.split_whitespace()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let child = child.unwrap();
    while !out.join("journal/0000000001.seg").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    // A kill that is heard: emergency, and no new risk until somebody re-arms.
    let killed = std::process::Command::new("kill").args(["-USR1", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert!(child.wait_with_output().unwrap().status.success());
    let report = report(&out);
    assert_eq!(report.outside, 1);
    assert!(report.session.orders < report.backtest.orders);
    only(&report, "rejects");
    same_as_recorded(&out);
}

#[test]
fn what_cannot_be_reported_on_is_said() {
    let dir = folder("gap_refused");
    let data = dir.join("binance_spot_BTCUSDT_1m.csv");
    let line = |n: u64| {
        let p = 30_000 + (n * n % 37);
        format!("{},{p},{},{},{p},50\n", 1_609_459_200_000 + n * 60_000, p + 2, p - 2)
    };
    let rows: String = (0..2_000).map(line).collect();
    std::fs::write(&data, format!("time,open,high,low,close,volume\n{rows}")).unwrap();
    let out = paper(&dir, "run", &format!("--data {} --strategy sma-cross:fast=2,slow=4", data.display()));
    report(&out);
    let gap = |more: &str| run(&format!("gap {} {more}", out.display()), &[]);
    // A damaged record.
    let journal = std::fs::read_dir(out.join("journal")).unwrap().next().unwrap().unwrap().path();
    let good = std::fs::read(&journal).unwrap();
    let mut bad = good.clone();
    let middle = bad.len() / 2;
    bad[middle] ^= 0x40;
    std::fs::write(&journal, &bad).unwrap();
    let ran = gap("");
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""), "{}", ran.stderr);
    assert!(ran.stderr.contains("journal"), "{}", ran.stderr);
    std::fs::write(&journal, &good).unwrap();
    // Data that are elsewhere, have changed, or are gone.
    let moved = dir.join("moved");
    std::fs::create_dir_all(&moved).unwrap();
    let there = moved.join("binance_spot_BTCUSDT_1m.csv");
    std::fs::rename(&data, &there).unwrap();
    gap("").refused(1, "binance_spot_BTCUSDT_1m.csv");
    assert_eq!(gap(&format!("--data {}", there.display())).code, 0);
    std::fs::write(&there, format!("time,open,high,low,close,volume\n{}", rows.replacen(",50\n", ",51\n", 1))).unwrap();
    gap(&format!("--data {}", there.display())).refused(1, "has changed since the run began");
    // Folders without a record.
    run(&format!("gap {}", dir.join("nowhere").display()), &[]).refused(1, "no run");
    let backtest = dir.join("backtest");
    let args = "backtest --from 2021-05-10 --to 2021-05-12 --strategy donchian --json";
    assert_eq!(run(&format!("{args} --out {}", backtest.display()), &[]).code, 0);
    run(&format!("gap {}", backtest.display()), &[]).refused(1, "no journal of it");
}
