//! Catalogues by the command line: importing, being killed, listing, showing, and runs on them.

use crate::support::{bot4, folder};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// 2021-05-01 00:00 UTC in milliseconds.
const T0: i64 = 1_619_827_200_000;

/// A file of minutes as the archive has them.
fn archive(folder: &Path, name: &str, minutes: std::ops::Range<i64>) -> PathBuf {
    let path = folder.join(name);
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    for n in minutes {
        let (ts, price) = (T0 + n * 60_000, 50_000 + (n * 37) % 1_000);
        writeln!(out, "{ts},{price}.00,{}.00,{}.00,{price}.50,1.25,{},1,1,1,1,0", price + 5, price - 5, ts + 59_999)
            .unwrap();
    }
    out.flush().unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(args: &[&str]) -> Value {
    let ran = bot4(args);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {} {}", ran.stdout, ran.stderr))
}

#[test]
fn an_import_says_what_it_did_and_a_run_takes_the_catalogue() {
    let dir = folder("catalogue_import");
    let root = dir.join("catalogue");
    let file = archive(&dir, "BTCUSDT-1m-2021-05.csv", 0..50_000);
    let once = json(&["data", "import", text(&file), "--to", text(&root), "--json"]);
    assert_eq!(
        (&once["rows"], &once["added"], &once["files"], &once["files_written"]),
        (&50_000.into(), &50_000.into(), &1.into(), &2.into())
    );
    assert!(once["rows_per_s"].as_f64().unwrap() > 0.0 && once["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(
        (&once["error"], &once["interrupted"], &once["bad_rows_by_kind"]["ohlc"]),
        (&Value::Null, &false.into(), &0.into())
    );
    let twice = json(&["data", "import", text(&file), "--to", text(&root), "--json"]);
    assert_eq!((&twice["added"], &twice["duplicates"]), (&0.into(), &50_000.into()));

    let listed = json(&["data", "list", text(&root), "--json"]);
    let series = &listed["series"][0];
    assert_eq!(
        (&series["symbol"], &series["kind"], &series["rows"], &series["files"]),
        (&"BTCUSDT".into(), &"1m".into(), &50_000.into(), &2.into())
    );
    assert_eq!((&series["from"], &series["gaps"], &series["missing"]), (&T0.into(), &0.into(), &0.into()));
    let table = bot4(&["data", "list", text(&root)]);
    assert!(
        table.stdout.contains("binance_spot")
            && table.stdout.contains("2021-05-01 00:00")
            && table.stdout.contains("today's"),
        "{}",
        table.stdout
    );
    let checked = json(&["data", "check", text(&root), "--json"]);
    assert_eq!((&checked["ok"], &checked["series"][0]["rows"]), (&true.into(), &50_000.into()));

    // The same rows from the file and from the catalogue make the same run, and the run says which rules it assumes.
    let run = |data: &Path| json(&["backtest", "--data", text(data), "--strategy", "sma-cross", "--json"]);
    let (from_file, from_catalogue) = (run(&file), run(&root));
    assert_eq!(from_file["digest"], from_catalogue["digest"]);
    assert!(from_file["digest"].is_string());
    let assumed = from_catalogue["assumptions"].to_string();
    assert!(assumed.contains("BTCUSDT: today's rules"), "{assumed}");
    let table = root.join("instruments.csv");
    let rules = std::fs::read_to_string(&table).unwrap().replace("BTCUSDT,,", "BTCUSDT,2019-01-01,");
    std::fs::write(&table, rules).unwrap();
    let known = run(&root)["assumptions"].to_string();
    assert!(!known.contains("today's rules"), "{known}");
}

#[test]
fn refused_rows_and_files_are_told_with_their_exit_codes() {
    let dir = folder("catalogue_refused");
    let root = dir.join("catalogue");
    let good = archive(&dir, "BTCUSDT-1m-2021-05.csv", 0..100);
    assert_eq!(bot4(&["data", "import", text(&good), "--to", text(&root)]).code, 0);
    let lines = std::fs::read_to_string(&good).unwrap();
    std::fs::write(&good, lines.replacen("50000.50", "50001.50", 1)).unwrap();
    let ran = bot4(&["data", "import", text(&good), "--to", text(&root)]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("1 row contradicts what is in the catalogue and was left out; --replace takes it instead"),
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("binance_spot BTCUSDT 1m 2021-05-01 00:00"), "{}", ran.stdout);
    assert_eq!(bot4(&["data", "import", text(&good), "--to", text(&root), "--replace"]).code, 0);

    std::fs::write(&good, lines.replacen("50000.50", "x", 1)).unwrap();
    let ran = bot4(&["data", "import", text(&good), "--to", text(&root)]);
    assert_eq!((ran.code, ran.stdout.as_str()), (1, ""));
    assert!(
        ran.stderr.contains("line 1, column close: x; expected a plain decimal number such as 12.5 (--skip-bad leaves"),
        "{}",
        ran.stderr
    );
    let skipped = json(&["data", "import", text(&good), "--to", text(&root), "--skip-bad", "--json"]);
    assert_eq!(
        (&skipped["bad_rows"], &skipped["bad_rows_by_kind"]["unreadable"], &skipped["first_bad_rows"][0]["line"]),
        (&1.into(), &1.into(), &1.into())
    );

    bot4(&["data", "import", text(&good), "--to", text(&root), "--map", "opne=X"])
        .refused(2, "`opne` is no column of bot4");
    bot4(&["data", "list", text(&dir)]).refused(1, "is no catalogue");
    bot4(&["backtest", "--data", text(&root), "--scenario", "mars"])
        .refused(2, "no such scenario; expected one of covid-2020");
}

#[test]
fn a_killed_import_leaves_whole_files_and_goes_on() {
    let dir = folder("catalogue_killed");
    for n in 0..6 {
        archive(&dir, &format!("BTCUSDT-1m-2021-{:02}.csv", n + 1), n * 60_000..(n + 1) * 60_000);
    }
    let whole = dir.join("whole");
    bot4(&["data", "import", text(&dir), "--to", text(&whole)]);
    let files = |root: &Path| -> Vec<(String, Vec<u8>)> {
        let folder = root.join("binance_spot/BTCUSDT/1m");
        let mut all: Vec<_> = std::fs::read_dir(folder)
            .map(|entries| entries.map(|e| e.unwrap().path()).collect())
            .unwrap_or_else(|_| Vec::<PathBuf>::new());
        all.sort();
        all.iter().map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(p).unwrap())).collect()
    };
    let expected = files(&whole);
    assert_eq!(expected.len(), 9, "May to January");
    for (round, wait_ms) in [5, 20, 60, 120, 200, 400].into_iter().enumerate() {
        let root = dir.join(format!("killed{round}"));
        let mut child = Command::new(env!("CARGO_BIN_EXE_bot4"))
            .args(["data", "import", text(&dir), "--to", text(&root)])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(wait_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        // What is there can be read at once.
        if root.join("binance_spot").is_dir() {
            assert_eq!(bot4(&["data", "list", text(&root)]).code, 0);
        }
        let again = json(&["data", "import", text(&dir), "--to", text(&root), "--json"]);
        assert_eq!((&again["rows"], &again["conflicts"], &again["error"]), (&360_000.into(), &0.into(), &Value::Null));
        assert!(files(&root) == expected, "killed after {wait_ms} ms: the same files as without");
    }
}

#[test]
fn a_series_is_shown_as_text_figures_and_page() {
    let dir = folder("catalogue_show");
    let root = dir.join("catalogue");
    let file = archive(&dir, "BTCUSDT-1m-2021-05.csv", 0..3_000);
    bot4(&["data", "import", text(&file), "--to", text(&root)]);
    let chart = bot4(&["data", "show", text(&root), "--width", "80"]).stdout;
    assert!(chart.is_ascii() && chart.lines().all(|l| l.len() <= 80), "plain where it is no terminal: {chart}");
    assert!(chart.contains("binance_spot BTCUSDT 1m") && chart.contains('#') && chart.contains("volume"), "{chart}");
    let figures = json(&["data", "show", text(&root), "--json"]);
    assert_eq!((&figures["rows"], &figures["bar_s"]), (&3_000.into(), &900.into()));
    assert_eq!(figures["bars"].as_array().unwrap().len(), 200);
    assert_eq!(figures["bars"][0]["open"], "50000");
    let page = dir.join("page.html");
    assert_eq!(bot4(&["data", "show", text(&file), "--html", text(&page)]).code, 0);
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<svg") && !html.contains("http"), "it stands alone");
    bot4(&["data", "show"]).refused(2, "several symbols are there, say --symbol");
}

#[test]
fn book_levels_are_kept_and_runs_say_that_they_do_not_take_them() {
    let dir = folder("catalogue_book");
    let (root, file) = (dir.join("catalogue"), dir.join("binance_spot_BTCUSDT_book.csv"));
    let rows: String = (0..50)
        .map(|n| {
            format!("{},{},{}.00,{},{n}\n", T0 + n, if n % 2 == 0 { "bid" } else { "ask" }, 100 + n % 2 * 5, n % 7)
        })
        .collect();
    std::fs::write(&file, format!("time,side,price,quantity,sequence\n{rows}")).unwrap();
    let import = json(&["data", "import", text(&file), "--to", text(&root), "--json"]);
    assert_eq!((&import["added"], &import["series"][0]), (&50.into(), &"binance_spot BTCUSDT book".into()));
    let checked = json(&["data", "check", text(&root), "--json"]);
    assert_eq!(
        (&checked["ok"], &checked["series"][0]["kind"], &checked["series"][0]["ticks"]["ids_back"]),
        (&true.into(), &"book".into(), &0.into())
    );
    assert_eq!(bot4(&["data", "show", text(&root)]).code, 0);
    bot4(&["backtest", "--data", text(&root), "--strategy", "sma-cross"])
        .refused(1, "runs do not take book levels yet");
}

#[test]
fn scenarios_are_listed_and_narrow_a_run() {
    let all = json(&["data", "scenarios", "--json"]);
    let may = all.as_array().unwrap().iter().find(|s| s["name"] == "crash-2021-05-19").unwrap();
    assert_eq!((&may["from"], &may["measured"][0]["fall"]), (&"2021-05-19".into(), &(-31.2).into()));
    let run = |range: &[&str]| {
        let args = [&["backtest", "--symbol", "BTCUSDT", "--strategy", "sma-cross", "--json"], range].concat();
        json(&args)["digest"].clone()
    };
    let by_name = run(&["--scenario", "crash-2021-05-19"]);
    assert!(by_name.is_string());
    assert_eq!(by_name, run(&["--from", "2021-05-19", "--to", "2021-05-20"]));
}
