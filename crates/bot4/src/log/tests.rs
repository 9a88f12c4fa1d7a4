//! The schema of the lines, the way of an order through them, rotation, and what happens when nothing can be written.

use super::*;
use domain::{
    AccountId, AccountReport, AssetIdx, ClientOrderId, Fill, InstrumentIdx, Liquidity, Money, ReportBody, Side,
    StrategyIdx, UnixNanos, VenueOrderId,
};
use serde_json::Value;
use std::path::PathBuf;
use tracing::{debug, error, info, info_span, trace, warn};

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("bot4-log-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn section(file_level: &str, file_bytes: u64, files: u64) -> LogSection {
    LogSection { level: "off".into(), file_level: file_level.into(), file_bytes, files }
}

/// Lets `tell` write a log into `run`, and returns the lines that are there afterwards, by file.
fn logged(run: &Path, section: &LogSection, tell: impl FnOnce()) -> Vec<(String, Vec<Value>)> {
    let (layer, log) = build(section, Some(run)).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), tell);
    drop(log);
    let Ok(entries) = std::fs::read_dir(run.join(FOLDER)) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let lines = text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), lines)
        })
        .collect()
}

/// Holds a line to the schema that the documentation of `line` states.
#[track_caller]
fn holds_to_schema(line: &Value) {
    let object = line.as_object().unwrap();
    for name in ["ts", "level", "target", "message"] {
        assert!(object[name].is_string(), "{name}: {line}");
    }
    assert!(object["ts"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
    assert!(["error", "warn", "info", "debug", "trace"].contains(&object["level"].as_str().unwrap()), "{line}");
    for (name, value) in object {
        match name.as_str() {
            "ts" | "level" | "target" | "message" => {}
            "seq" => assert!(value.is_u64(), "{line}"),
            "order" => assert!(ClientOrderId::parse(value.as_str().unwrap()).is_some(), "{line}"),
            "fields" => assert!(value.as_object().unwrap().values().all(|v| !v.is_object() && !v.is_null()), "{line}"),
            other => panic!("{other} is not in the schema: {line}"),
        }
    }
}

fn order() -> ClientOrderId {
    ClientOrderId::new(AccountId(0), 1, 7)
}

fn fill_report() -> AccountReport {
    let fill = Fill {
        client_id: order(),
        fee_amount: Money::ZERO,
        venue_id: VenueOrderId(3),
        trade_id: 1,
        price: 4_000_000,
        quantity: 5,
        instrument: InstrumentIdx(0),
        account: AccountId(0),
        strategy: StrategyIdx(0),
        fee_asset: AssetIdx(0),
        side: Side::Buy,
        liquidity: Liquidity::Taker,
    };
    AccountReport { ts_event: UnixNanos(5), body: ReportBody::Filled { fill, complete: true } }
}

#[test]
fn every_line_holds_to_the_schema_and_values_keep_their_type() {
    let run = folder("schema");
    let files = logged(&run, &section("trace", 1 << 20, 3), || {
        error!(seq = 4u64, "with a \"quote\" and a\nline end");
        warn!(target: "store::journal", bytes = 17u64, share = 0.5, none = f64::NAN, ok = true, why = "text", "torn tail");
        info!(order = order().raw(), below = -3, "sent");
        debug!(shown = ?Some(3), "told {}", "so");
        trace!("last");
        drop(info_span!("read", rows = 10u64).entered());
        trail::fault(9, &"unknown order");
        trail::recovery(100, 20, 121);
    });
    let [(name, lines)] = files.as_slice() else { panic!("{files:?}") };
    assert_eq!((name.as_str(), lines.len()), ("000001.jsonl", 8));
    lines.iter().for_each(holds_to_schema);
    assert_eq!((&lines[0]["message"], &lines[0]["seq"]), (&"with a \"quote\" and a\nline end".into(), &4.into()));
    assert_eq!(
        lines[1]["fields"],
        serde_json::json!({"bytes": 17, "share": 0.5, "none": "NaN", "ok": true, "why": "text"})
    );
    assert_eq!((&lines[1]["target"], &lines[1]["level"]), (&"store::journal".into(), &"warn".into()));
    assert_eq!(lines[2]["order"].as_str().unwrap(), order().to_string());
    assert_eq!((&lines[3]["message"], &lines[3]["fields"]["shown"]), (&"told so".into(), &"Some(3)".into()));
    assert_eq!((&lines[5]["message"], &lines[5]["fields"]["rows"]), (&"read".into(), &10.into()));
    assert!(lines[5]["fields"]["elapsed_ns"].is_u64());
    assert_eq!(lines[6]["fields"]["fault"], "unknown order");
    assert_eq!((&lines[7]["seq"], &lines[7]["fields"]["snapshot_seq"]), (&121.into(), &100.into()));
}

#[test]
fn one_number_leads_from_the_event_to_the_order_and_its_fills() {
    let run = folder("trail");
    let files = logged(&run, &section("info,bot4::orders=debug", 1 << 20, 3), || {
        let (account, instrument) = (AccountId(0), InstrumentIdx(0));
        trail::command(41, UnixNanos(9), &risk::Command::Cancel { client_id: order(), account, instrument });
        trail::report(42, UnixNanos(10), &fill_report());
    });
    let lines = &files[0].1;
    lines.iter().for_each(holds_to_schema);
    let told: Vec<_> = lines.iter().map(|l| (l["seq"].as_u64(), l["message"].as_str())).collect();
    assert_eq!(told, [(Some(41), Some("cancel sent")), (Some(42), Some("filled"))]);
    assert!(lines.iter().all(|l| l["order"] == order().to_string() && l["target"] == trail::TARGET));
    assert_eq!(lines[1]["fields"]["price_mantissa"], 4_000_000);
}

#[test]
fn levels_are_by_module_and_what_is_off_is_not_there() {
    let run = folder("levels");
    let files = logged(&run, &section("warn,store=debug", 1 << 20, 3), || {
        info!(target: "engine", "no");
        warn!(target: "engine", "yes");
        debug!(target: "store::journal", "yes");
        trace!(target: "store::journal", "no");
        trail::report(1, UnixNanos(1), &fill_report());
    });
    assert_eq!(files[0].1.len(), 2);
    assert!(files[0].1.iter().all(|l| l["message"] == "yes"));
    let nothing = folder("nothing");
    assert_eq!(logged(&nothing, &section("off", 1 << 20, 3), || error!("no")), []);
    assert!(
        build(&section("loud", 1 << 20, 3), None).unwrap_err().message.contains("log.file_level loud: expected levels")
    );
}

#[test]
fn files_turn_by_size_and_only_so_many_are_kept() {
    let run = folder("rotation");
    let small = section("info", 4_096, 3);
    let tell = |from: u64| {
        for n in from..from + 300 {
            info!(n, "a line of some length, so that few of them fill a file");
        }
    };
    let files = logged(&run, &small, || tell(0));
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    assert!(names[0] > "000003.jsonl", "many were deleted: {names:?}");
    let numbers: Vec<u64> =
        files.iter().flat_map(|(_, lines)| lines.iter().map(|l| l["fields"]["n"].as_u64().unwrap())).collect();
    assert!(numbers.is_sorted_by(|a, b| a + 1 == *b) && numbers.last() == Some(&299), "no line is lost in between");
    for name in &names {
        assert!(std::fs::metadata(run.join(FOLDER).join(name)).unwrap().len() <= 4_096);
    }
    // A later process goes on where this one ended.
    let again = logged(&run, &small, || info!(n = 300u64, "one more"));
    assert!(again.last().unwrap().0.as_str() >= names[2]);
    assert_eq!(again.last().unwrap().1.last().unwrap()["fields"]["n"], 300);
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    // A file stands where the folder should be.
    let run = folder("blocked");
    std::fs::write(run.join(FOLDER), "in the way").unwrap();
    let (layer, log) = build(&section("info", 4_096, 3), Some(&run)).unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || info!("nowhere"));
    drop(log);
    assert_eq!(std::fs::read_to_string(run.join(FOLDER)).unwrap(), "in the way");
}

#[cfg(target_os = "linux")]
#[test]
fn when_the_disk_is_full_lines_are_left_out_and_later_ones_are_whole() {
    let full = folder("full");
    std::os::unix::fs::symlink("/dev/full", full.join("000001.jsonl")).unwrap();
    let mut rotating = Rotating::new(full.clone(), 4_096, 3);
    let error = rotating.write(b"{\"a\":1}\n").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    rotating.write(b"{\"b\":2}\n").unwrap();
    assert_eq!(std::fs::read_to_string(full.join("000002.jsonl")).unwrap(), "{\"b\":2}\n");
}

#[test]
fn who_cannot_keep_up_leaves_records_out_and_says_how_many() {
    // Nobody reads the other end: the queue fills, and telling goes on all the same.
    let (sender, receiver) = std::sync::mpsc::sync_channel(4);
    let left_out = Arc::new(AtomicU64::new(0));
    let all = || Targets::new().with_default(LevelFilter::INFO);
    let layer = LogLayer::new(all(), all(), sender.clone(), Arc::clone(&left_out));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for n in 0..10u64 {
            info!(n, "told");
        }
    });
    assert_eq!(left_out.load(std::sync::atomic::Ordering::Relaxed), 6);
    let run = folder("slow");
    let rotating = Some(Rotating::new(run.clone(), 4_096, 3));
    let sinks = Sinks { people: Targets::new(), file_levels: all(), rotating };
    let writer = std::thread::spawn(move || Writer::new(sinks, left_out).run(&receiver));
    sender.send(Message::End).unwrap();
    writer.join().unwrap();
    let text = std::fs::read_to_string(run.join("000001.jsonl")).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    holds_to_schema(&last);
    assert_eq!((text.lines().count(), &last["fields"]["records"]), (5, &6.into()));
}
