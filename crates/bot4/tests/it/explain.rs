//! `bot4 explain` from outside: its facts against the journal and against numbers worked out here, never against its own.

use crate::support::{Ran, folder};
use bot4::explain::Source;
use bot4::explain::rerun::rerun;
use bot4::explain::scan::Index;
use bot4::runner::cursor::{Cursor, command_of, event_of};
use bot4::runner::run_folder::{Contents, RunFolder};
use domain::decimal::mantissa_to_f64;
use domain::{EventBody, Fill, Intent, OrderClass, OrderSpec, OrderType, ReportBody, Signal, StopPlan};
use risk::{CommandRecord, Decision, Refusal};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use store::history::Rows;
use store::journal::Kind;
use testkit::assert_close;

/// A month of the bundled minutes with bars, stops and correlations.
const MONTH: &str =
    "--from 2021-05-01 --to 2021-06-01 --strategy sma-cross:fast=10,slow=30,bar=15m --strategy donchian:bar=1h";

/// Decimals of quantities of the bundled pairs, by number.
const QUANTITY_DECIMALS: [u8; 2] = [6, 5];

fn run(args: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bot4"));
    command.args(args.split_whitespace()).envs(variables.iter().copied()).stdin(Stdio::null());
    command.env("BOT4_JOURNAL__SNAPSHOT_EVERY_EVENTS", "20000").env("BOT4_QUERY__DATABASE", "off");
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[track_caller]
fn explain(dir: &Path, what: &str) -> Value {
    json(&run(&format!("explain {} {what} --json", dir.display()), &[]))
}

fn recorded(name: &str) -> PathBuf {
    let dir = folder(name).join("run");
    json(&run(&format!("paper {MONTH} --json --out {}", dir.display()), &[]));
    dir
}

/// What a journal holds, read without the explainer.
#[derive(Default)]
struct Facts {
    orders: Vec<(u64, OrderSpec, OrderClass)>,
    signals: Vec<(u64, Signal)>,
    fills: Vec<(u64, domain::UnixNanos, Fill)>,
    refusals: Vec<(u64, u16, Refusal)>,
    last: u64,
}

impl Facts {
    fn of(dir: &Path) -> Self {
        let mut facts = Self::default();
        let mut cursor = Cursor::after(&dir.join("journal"), 0).unwrap();
        while let Some(view) = cursor.peek() {
            let seq = view.seq;
            facts.last = seq;
            match view.kind {
                Kind::Order | Kind::Decision => match command_of(view.body).unwrap().1 {
                    CommandRecord::Submit { spec, class, .. } => facts.orders.push((seq, spec, class)),
                    CommandRecord::Decision(Decision::Signal(signal)) => facts.signals.push((seq, signal)),
                    CommandRecord::Decision(Decision::Refused { strategy, refusal, .. }) => {
                        facts.refusals.push((seq, strategy.0, refusal));
                    }
                    _ => {}
                },
                Kind::Report => {
                    let (ts, event) = event_of(view.body).unwrap();
                    if let EventBody::Report(report) = event.body
                        && let ReportBody::Filled { fill, .. } = report.body
                    {
                        facts.fills.push((seq, ts, fill));
                    }
                }
                _ => {}
            }
            cursor.advance();
        }
        facts
    }

    fn fills_of(&self, spec: &OrderSpec) -> Vec<(u64, domain::UnixNanos, Fill)> {
        self.fills.iter().filter(|(_, _, fill)| fill.client_id == spec.client_id).copied().collect()
    }

    /// The first order of the second half of the run that fits and was filled.
    fn find(&self, fits: impl Fn(&OrderSpec, OrderClass) -> bool) -> (u64, OrderSpec) {
        let found = self
            .orders
            .iter()
            .find(|(seq, spec, class)| *seq > self.last / 2 && fits(spec, *class) && !self.fills_of(spec).is_empty());
        found.map(|(seq, spec, _)| (*seq, *spec)).expect("the month has such an order")
    }
}

/// The bundled closes of an instrument, by time in ms, as the program's library reads them.
fn closes(symbol: &str) -> Vec<(i64, f64)> {
    let data = bot4::command::inputs::DataArgs {
        symbol: Some(symbol.into()),
        from: Some("2021-05-01".into()),
        to: Some("2021-06-01".into()),
        ..Default::default()
    };
    let series = data.series().unwrap();
    let mut reader = store::history::SeriesReader::open(&series[0], domain::InstrumentIdx(0)).unwrap();
    let (mut rows, mut all) = (Rows::Candles(Vec::new()), Vec::new());
    while reader.next_chunk(&mut rows).unwrap() {
        let Rows::Candles(candles) = &rows else { panic!("candles") };
        all.extend(candles.iter().map(|c| (c.ts_close().as_millis(), mantissa_to_f64(c.close, 2))));
    }
    all
}

/// The mean of the closes of `n` bars of 15 minutes, the last of which ends at `ts`.
fn average(closes: &[(i64, f64)], ts: i64, n: i64) -> f64 {
    let close = |at: i64| closes[closes.partition_point(|(t, _)| *t <= at) - 1].1;
    (0..n).map(|k| close(ts - k * 900_000)).sum::<f64>() / n as f64
}

#[test]
fn an_entry_a_stop_and_an_exit_are_told_as_the_journal_has_them() {
    let dir = recorded("explain_three");
    let facts = Facts::of(&dir);
    let symbol = |spec: &OrderSpec| ["BTCUSDT", "ETHUSDT"][spec.instrument.index()];

    // An entry of a moving-average strategy (numbers 0 and 1).
    let (seq, spec) = facts.find(|spec, class| class == OrderClass::Entry && spec.strategy.0 < 2);
    let e = explain(&dir, &spec.client_id.ordinal().to_string());
    assert_eq!(e["order"]["id"], spec.client_id.to_string());
    assert_eq!((&e["order"]["seq"], &e["order"]["purpose"]), (&seq.into(), &"entry".into()));
    assert_eq!(e["symbol"], symbol(&spec));
    let signal = facts
        .signals
        .iter()
        .rfind(|(at, s)| *at <= seq && (s.strategy, s.instrument) == (spec.strategy, spec.instrument));
    let (said, signal) = signal.unwrap();
    assert_eq!((&e["signal"]["seq"], signal.intent), (&(*said).into(), Intent::EnterLong));
    assert_eq!(e["event"]["seq"], *said);
    assert_close(e["signal"]["reference"].as_f64().unwrap(), mantissa_to_f64(signal.reference, 2), 1e-12, 0.0);
    assert_close(e["event"]["numbers"]["close"].as_f64().unwrap(), mantissa_to_f64(signal.reference, 2), 1e-12, 0.0);
    // Indicators: worked out from the closes, on this bar and on the one before.
    let (closes, ts) = (closes(symbol(&spec)), e["event"]["ts"].as_i64().unwrap());
    for (name, n) in [("fast", 10), ("slow", 30)] {
        let shown = e["indicators"].as_array().unwrap().iter().find(|i| i["name"] == name).unwrap();
        assert_close(shown["now"].as_f64().unwrap(), average(&closes, ts, n), 1e-9, 0.0);
        assert_close(shown["before"].as_f64().unwrap(), average(&closes, ts - 900_000, n), 1e-9, 0.0);
    }
    assert!(e["rule"].as_str().unwrap().contains("is above it now"), "{}", e["rule"]);
    // Every check of the table, in order; an entry passed all but the one for reductions.
    let checks = e["checks"].as_array().unwrap();
    let keys: Vec<&str> = checks.iter().map(|c| c["check"].as_str().unwrap()).collect();
    assert_eq!(keys, risk::CHECKS.map(|row| row.check.key()));
    for (check, row) in checks.iter().zip(&risk::CHECKS) {
        assert_eq!(check["result"], if row.entries { "passed" } else { "not-applicable" }, "{check}");
    }
    let check = |key: &str| checks.iter().find(|c| c["check"] == key).unwrap();
    assert_close(check("position_size")["limit"].as_f64().unwrap(), 0.01, 1e-12, 0.0);
    let equity = check("equity")["value"].as_f64().unwrap();
    assert_close(e["size"]["instrument_limit"].as_f64().unwrap(), equity * 0.02, 1e-9, 0.0);
    assert_close(e["size"]["strategy_limit"].as_f64().unwrap(), equity * 0.01, 1e-9, 0.0);
    let amount = e["order"]["amount"].as_f64().unwrap();
    assert_close(amount, e["size"]["room"].as_f64().unwrap(), 1e-9, 0.0);
    // Every clamp, in order: what nobody configured has no input, and what was measured reduced nothing here.
    let clamps = e["clamps"].as_array().unwrap();
    let names: Vec<&str> = clamps.iter().map(|c| c["clamp"].as_str().unwrap()).collect();
    assert_eq!(names, risk::clamp::Clamp::ALL.map(risk::clamp::Clamp::key));
    let clamp = |key: &str| clamps.iter().find(|c| c["clamp"] == key).unwrap();
    assert_eq!(clamp("kelly")["result"], "no-input");
    assert_eq!(clamp("kelly")["input"], Value::Null);
    for key in ["heat", "leverage"] {
        assert_eq!(clamp(key)["result"], "unchanged", "{}", clamp(key));
        assert_eq!(clamp(key)["before"], clamp(key)["after"]);
    }
    assert!(clamp("leverage")["input"].as_f64().unwrap() > 0.0);
    // Fills, to the digit.
    let fills = facts.fills_of(&spec);
    assert_eq!(e["execution"]["fills"], fills.len());
    let told: Vec<&Value> = e["life"].as_array().unwrap().iter().filter(|l| l["what"] == "filled").collect();
    assert_eq!(told.len(), fills.len());
    let mut worse = 0.0;
    for (told, (seq, ts, fill)) in told.iter().zip(&fills) {
        assert_eq!((&told["seq"], &told["ts"]), (&(*seq).into(), &ts.as_millis().into()));
        let (price, quantity) = (
            mantissa_to_f64(fill.price, 2),
            mantissa_to_f64(fill.quantity, QUANTITY_DECIMALS[spec.instrument.index()]),
        );
        assert_eq!(told["price"].as_f64(), Some(price));
        assert_eq!(told["quantity"].as_f64(), Some(quantity));
        assert_eq!(told["fee"].as_f64(), Some(fill.fee_amount.to_f64()));
        worse += (price - mantissa_to_f64(signal.reference, 2)) * quantity;
    }
    assert_close(e["execution"]["slippage"].as_f64().unwrap(), worse, 1e-9, 1e-9);
    // The round trip is in the run's own result.
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("summary.json")).unwrap()).unwrap();
    let trip = |entry_ts: &Value| {
        let trips = summary["trades"].as_array().unwrap();
        trips.iter().find(|t| t["entry_ts"] == *entry_ts && t["strategy"] == spec.strategy.0).cloned().unwrap()
    };
    let expected = trip(&e["trade"]["entry_ts"]);
    assert_eq!(e["trade"]["entry_ts"], fills[0].1.as_millis());
    for key in ["exit_ts", "side"] {
        assert_eq!(e["trade"][key], expected[key], "{key}");
    }
    for (told, key) in [("net", "pnl"), ("fees", "fees"), ("entry_price", "entry_price"), ("exit_price", "exit_price")]
    {
        assert_eq!(e["trade"][told].as_f64(), expected[key].as_f64(), "{key}");
    }

    // A stop that was set off.
    let (seq, stop) = facts.find(|spec, _| matches!(spec.kind, OrderType::StopMarket { .. }));
    let s = explain(&dir, &stop.client_id.to_string());
    assert_eq!((&s["order"]["seq"], &s["order"]["purpose"]), (&seq.into(), &"stop".into()));
    let mut entries = facts.orders.iter().filter(|(at, spec, class)| {
        *class == OrderClass::Entry && *at < seq && (spec.strategy, spec.instrument) == (stop.strategy, stop.instrument)
    });
    let (_, entry, _) = entries.next_back().unwrap();
    assert_eq!(s["entry"]["id"], entry.client_id.to_string());
    assert_eq!(s["cause"]["kind"], "report", "it left because its entry was filled");
    assert_eq!(s["cause"]["seq"], seq);
    let trigger = stop.kind.trigger().unwrap().to_f64();
    assert_eq!(s["order"]["trigger"].as_f64(), Some(trigger));
    assert_eq!(s["execution"]["decision_price"].as_f64(), Some(trigger));
    let bought = facts.fills_of(entry);
    let paid: f64 = bought.iter().map(|(_, _, f)| mantissa_to_f64(f.price, 2) * f.quantity as f64).sum();
    let average = paid / bought.iter().map(|(_, _, f)| f.quantity as f64).sum::<f64>();
    let plan = facts.signals.iter().rfind(|(at, s)| *at <= seq && s.strategy == stop.strategy && s.stop.is_some());
    let expected = match plan.unwrap().1.stop.unwrap() {
        StopPlan::Fraction(rate) => average * (1.0 - rate.to_f64()),
        StopPlan::Distance(distance) => average - distance.to_f64(),
        StopPlan::Price(price) => price.to_f64(),
        other => panic!("{other:?} in a run whose stops are fixed"),
    };
    // Dust of earlier positions is part of the average entry price.
    assert_close(trigger, expected, 2e-3, 0.0);
    let kinds: Vec<&str> = s["life"].as_array().unwrap().iter().map(|l| l["what"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["sent", "accepted", "triggered"]);
    assert_eq!(s["trade"]["closed_by"], stop.client_id.ordinal());
    assert!(s["trade"]["net"].as_f64().unwrap() < 0.0 && s["trade"]["worst"].as_f64().unwrap() < 0.0);
    let applied: Vec<&str> = s["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["result"] == "passed")
        .map(|c| c["check"].as_str().unwrap())
        .collect();
    assert_eq!(applied, ["duplicate", "self_match", "tick", "lot", "oversell"]);

    // An exit by the strategy.
    let (seq, exit) = facts.find(|spec, class| class == OrderClass::Reducing && spec.kind == OrderType::Market);
    let x = explain(&dir, &exit.client_id.ordinal().to_string());
    assert_eq!(
        (&x["order"]["seq"], &x["order"]["purpose"], &x["signal"]["intent"]),
        (&seq.into(), &"exit".into(), &"exit".into())
    );
    assert!(
        facts
            .signals
            .iter()
            .any(|(at, s)| x["signal"]["seq"] == *at && s.intent == Intent::Exit && s.strategy == exit.strategy)
    );
    let others = x["others"].as_array().unwrap();
    let stop = others.iter().find(|o| o["purpose"] == "stop").expect("a stop protected it until then");
    assert_eq!(stop["status"], "canceled");

    // For people: within the width, and with the numbers.
    for asked in [spec, exit] {
        let text = run(&format!("explain {} {}", dir.display(), asked.client_id.ordinal()), &[]);
        assert_eq!(text.code, 0, "{}", text.stderr);
        assert!(text.stdout.lines().all(|line| line.chars().count() <= 120), "{}", text.stdout);
        assert!(text.stdout.contains("Everything was as recorded."), "{}", text.stdout);
    }
}

#[test]
fn a_refused_signal_is_told_with_the_check_that_refused_it() {
    let dir = recorded("explain_refused");
    let facts = Facts::of(&dir);
    let of = |reason: &str| {
        let mut found = facts.refusals.iter().filter(|(_, _, refusal)| refusal.reason.key() == reason);
        found.next_back().copied()
    };
    let (seq, strategy, refusal) = of("correlation").expect("two pairs that move alike");
    let r = explain(&dir, &format!("--refusal {seq}"));
    assert_eq!(r["refusal"]["seq"], seq);
    assert_eq!(r["strategy"]["number"], strategy);
    assert_eq!(r["refusal"]["value"].as_f64(), refusal.value);
    assert_eq!(r["refusal"]["limit"].as_f64(), refusal.limit);
    assert!(r["order"].is_null() && r["trade"].is_null());
    assert_eq!(r["validation"]["passed"], true);
    let checks = r["checks"].as_array().unwrap();
    let result = |key: &str| checks.iter().find(|c| c["check"] == key).unwrap()["result"].clone();
    assert_eq!(
        (result("position_count"), result("correlation"), result("stop")),
        ("passed".into(), "refused".into(), "not-reached".into())
    );
    // The list has them all, and a number that is none names the nearest.
    let listed = explain(&dir, "--refusals");
    let seqs: Vec<u64> = listed.as_array().unwrap().iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, facts.refusals.iter().map(|(seq, _, _)| *seq).collect::<Vec<_>>());
    run(&format!("explain {} --refusal 1", dir.display()), &[]).refused(2, "nothing was refused there; the nearest of");
    // The same event with everything that happened.
    let moment = explain(&dir, &format!("--seq {seq}"));
    assert_eq!(moment["event"]["seq"], seq);
    assert!(
        moment["said"].as_array().unwrap().iter().any(|said| said.as_str().unwrap().starts_with("refused: strategy"))
    );
    assert_eq!(
        moment["gate"].as_array().unwrap().iter().filter(|g| g["approved"] == false).count(),
        facts.refusals.iter().filter(|(at, _, _)| *at == seq).count()
    );
    run(&format!("explain {} --seq 99999999", dir.display()), &[])
        .refused(2, &format!("ends with event {}", facts.last));
}

#[test]
fn what_comes_after_a_snapshot_is_played_from_there_and_not_from_the_beginning() {
    let dir = recorded("explain_near");
    let facts = Facts::of(&dir);
    let (seq, spec) = facts.find(|_, class| class == OrderClass::Entry);
    let e = explain(&dir, &spec.client_id.ordinal().to_string());
    let replay = &e["replay"];
    let first = replay["stretches"][0][0].as_u64().unwrap();
    let said = e["signal"]["seq"].as_u64().unwrap();
    assert!(first > 0 && first < said, "{replay}");
    let snapshots = std::fs::read_dir(dir.join("snapshots")).unwrap();
    let numbers =
        snapshots.map(|f| f.unwrap().file_name().to_str().unwrap().trim_end_matches(".snap").parse::<u64>().unwrap());
    assert_eq!(numbers.filter(|n| *n < said).max(), Some(first), "the nearest one before the signal");
    assert!(replay["events"].as_u64().unwrap() < facts.last / 2, "{replay}");
    assert_eq!(replay["difference"], Value::Null);
    // Without its snapshots the run is played from the beginning, to the same story.
    std::fs::remove_dir_all(dir.join("snapshots")).unwrap();
    let again = explain(&dir, &spec.client_id.ordinal().to_string());
    assert_eq!(again["replay"]["stretches"][0][0], 0);
    assert!(again["replay"]["events"].as_u64().unwrap() >= seq);
    assert_eq!(story(&again), story(&e));
    // Listening to the whole run changes nothing that is decided.
    let run_folder = RunFolder::at(&dir);
    let Contents::Run(start) = run_folder.contents().unwrap() else { panic!("a run") };
    let whole = rerun(&run_folder, *start, &[], &[facts.last].into(), facts.last, &AtomicBool::new(false)).unwrap();
    let summary: Value = serde_json::from_str(&std::fs::read_to_string(dir.join("summary.json")).unwrap()).unwrap();
    assert_eq!(whole.replayed.events, facts.last);
    assert_eq!(summary["digest"], whole.opened.plan.session.engine.digest().to_string());
    // Nothing of the run was changed by looking.
    let verified = json(&run(&format!("replay {} --verify --json", dir.display()), &[]));
    assert_eq!((&verified["equal"], &verified["complete"]), (&true.into(), &true.into()));
}

/// What does not depend on how it was found out.
fn story(explanation: &Value) -> Value {
    let mut story = explanation.clone();
    story.as_object_mut().unwrap().remove("replay");
    story
}

#[test]
fn a_run_that_was_killed_and_resumed_tells_what_an_undisturbed_one_tells() {
    let dir = recorded("explain_resumed");
    let killed = dir.with_file_name("killed");
    let args = format!("paper {MONTH} --json --out {}", killed.display());
    assert_eq!(run(&args, &[("BOT4_FAILPOINT", "snapshot.rename:1")]).code, -1);
    // An unfinished run is told of, too, to the end of its record.
    let unfinished = Facts::of(&killed);
    let last = explain(&killed, "last");
    let (seq, spec, _) = unfinished.orders.last().unwrap();
    assert_eq!((&last["order"]["seq"], &last["order"]["id"]), (&(*seq).into(), &spec.client_id.to_string().into()));
    json(&run(&format!("paper --resume {} --json", killed.display()), &[]));
    let facts = Facts::of(&dir);
    assert!(unfinished.last < facts.last);
    let around = facts.orders.iter().filter(|(seq, _, _)| *seq > unfinished.last).take(2);
    let before = facts.orders.iter().rev().filter(|(seq, _, _)| *seq <= unfinished.last).take(2);
    for (_, spec, _) in around.chain(before) {
        let asked = spec.client_id.ordinal().to_string();
        assert_eq!(story(&explain(&killed, &asked)), story(&explain(&dir, &asked)), "order {asked}");
    }
}

#[test]
fn the_second_half_of_a_reversal_is_told_with_its_signal_and_with_what_it_waited_for() {
    let dir = folder("explain_reversal").join("run");
    let data = crate::support::beside("binance_usdm_BTCUSDT_1d_2021.csv");
    let args = format!(
        "paper --data {} --strategy sma-cross:fast=3,slow=8,short=yes --stop pct:30 --json --out {}",
        data.display(),
        dir.display()
    );
    json(&run(&args, &[]));
    let facts = Facts::of(&dir);
    let waited = |(seq, _, class): &&(u64, OrderSpec, OrderClass)| {
        *class == OrderClass::Entry && !facts.signals.iter().any(|(at, _)| at == seq)
    };
    let mut entries = facts.orders.iter().filter(waited);
    let (seq, entry, _) = entries.nth(2).expect("a year of a fast cross reverses often");
    let e = explain(&dir, &entry.client_id.ordinal().to_string());
    let (said, signal) = facts.signals.iter().rfind(|(at, _)| at < seq).unwrap();
    assert_eq!((&e["signal"]["seq"], &e["event"]["seq"]), (&(*said).into(), &(*said).into()));
    assert_eq!(e["signal"]["intent"], serde_json::to_value(signal.intent).unwrap());
    // It left when the exit of the position before was filled.
    let (_, _, fill) = facts.fills.iter().find(|(at, _, _)| at == seq).expect("a fill let it go");
    assert_ne!(fill.client_id, entry.client_id);
    assert_eq!((&e["cause"]["seq"], &e["cause"]["kind"]), (&(*seq).into(), &"report".into()));
    let exit = explain(&dir, &fill.client_id.ordinal().to_string());
    assert_eq!((&exit["order"]["purpose"], &exit["signal"]), (&"exit".into(), &e["signal"]));
    // Each belongs to its own round trip.
    let first = |spec: &OrderSpec| facts.fills_of(spec)[0].1.as_millis();
    assert_eq!((&e["trade"]["open"], &e["trade"]["entry_ts"]), (&false.into(), &first(entry).into()));
    assert_eq!(exit["trade"]["closed_by"], fill.client_id.ordinal());
    assert!(exit["trade"]["exit_ts"].as_i64() <= e["trade"]["entry_ts"].as_i64());
    assert_ne!(exit["trade"]["side"], e["trade"]["side"]);
}

#[test]
fn where_a_build_decides_otherwise_orders_and_fills_stay_as_recorded_and_it_is_said() {
    let dir = recorded("explain_otherwise");
    let facts = Facts::of(&dir);
    let (seq, spec) = facts.find(|spec, class| class == OrderClass::Entry && spec.strategy.0 < 2);
    let run_folder = RunFolder::at(&dir);
    let Contents::Run(mut start) = run_folder.contents().unwrap() else { panic!("a run") };
    let text = start.config.to_string();
    assert!(text.contains("fast=10"), "{text}");
    // Another build: the same run with one constant of a strategy changed. Its snapshots are not of this strategy.
    start.config = serde_json::from_str(&text.replace("fast=10", "fast=11")).unwrap();
    let index = Index::read(&dir.join("journal"), false).unwrap();
    let source = Source { folder: &run_folder, start: &start, index: &index, data: &[], stop: &AtomicBool::new(false) };
    let told = source.order(index.find(spec.client_id).unwrap()).unwrap().facts;
    let difference = told.replay.difference.expect("it crosses elsewhere");
    assert!(difference.contains("the record has"), "{difference}");
    assert!(told.summary.iter().any(|line| line.starts_with("This build decides otherwise")), "{:?}", told.summary);
    assert!(!told.replay.unusable.is_empty(), "snapshots of another strategy are named");
    let (order, execution) = (told.order.unwrap(), told.execution.unwrap());
    assert_eq!((order.seq, order.id), (seq, spec.client_id.to_string()));
    assert_eq!(execution.fills as usize, facts.fills_of(&spec).len());
    assert!(told.trade.is_some_and(|trade| trade.entry_ts == facts.fills_of(&spec)[0].1.as_millis()));
}

#[test]
fn orders_are_listed_and_what_is_none_is_refused_with_the_range() {
    let dir = recorded("explain_list");
    let facts = Facts::of(&dir);
    let listed = explain(&dir, "");
    let rows = listed.as_array().unwrap();
    assert_eq!(rows.len(), facts.orders.len());
    for (row, (seq, spec, class)) in rows.iter().zip(&facts.orders) {
        assert_eq!((&row["seq"], &row["id"]), (&(*seq).into(), &spec.client_id.to_string().into()));
        assert_eq!(row["purpose"] == "entry", *class == OrderClass::Entry, "{row}");
        let filled: i64 = facts.fills_of(spec).iter().map(|(_, _, fill)| fill.quantity).sum();
        assert_eq!(
            row["filled"].as_f64().unwrap(),
            mantissa_to_f64(filled, QUANTITY_DECIMALS[spec.instrument.index()]),
            "{row}"
        );
    }
    let shown = dir.display();
    let table = run(&format!("explain {shown}"), &[]);
    assert_eq!(table.stdout.lines().count(), rows.len() + 2);
    let range = format!("the orders of this run are 1 to {}", rows.len());
    run(&format!("explain {shown} {}", rows.len() + 1), &[]).refused(2, &range);
    run(&format!("explain {shown} 62340000000000010000000000ffffff"), &[]).refused(2, &range);
    run(&format!("explain {shown} nonsense"), &[]).refused(2, "expected a number from 1 to");
    run(&format!("explain {shown} --seq 0"), &[]).refused(2, "events count from 1");
    run(&format!("explain {shown} 1 --refusal 5"), &[]).refused(2, "cannot be used with");
    let missing = dir.with_file_name("missing");
    run(&format!("explain {} 1", missing.display()), &[]).refused(1, "no run");
    // The page opens alone: a picture, no script, nothing from elsewhere.
    let page = dir.with_file_name("order.html");
    let ran = run(&format!("explain {shown} last --html {}", page.display()), &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<svg") && html.contains("default-src 'none'") && html.contains("wants to"), "{html}");
    assert!(
        !html.contains("<script") && !html.contains("src=") && !html.contains("NaN"),
        "nothing runs and nothing is fetched"
    );
    run(&format!("explain {shown} 1 --html"), &[]);
    assert!(dir.join("explain-1.html").is_file());
}
