//! The query store: a projection of journals that agrees with the run to the last unit, is made again when it is lost, and never stands in
//! the way of a run.

use crate::postgres::Server;
use crate::support::{Ran, folder, program};
use domain::Money;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A month with a crash in it, traded often.
const MONTH: &str = "--from 2021-05-01 --to 2021-06-01 --strategy sma-cross:bar=15m --strategy donchian:bar=30m";
/// All questions whose answers are rows.
const QUESTIONS: [&str; 8] = ["orders", "fills", "positions", "pnl", "equity", "signals", "events", "audit"];

fn bot4_in(home: &Path, database: &str) -> Command {
    let mut command = program();
    command.current_dir(home).env("BOT4_HOME", home).env("BOT4_QUERY__DATABASE", database);
    command.env("BOT4_REGISTRY", home.join("registry"));
    command
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs the program there and holds that it ended well.
#[track_caller]
fn good(home: &Path, database: &str, args: &str) -> String {
    let ran = ran(bot4_in(home, database).args(args.split_whitespace()));
    assert_eq!(ran.code, 0, "bot4 {args}: {}", ran.stderr);
    ran.stdout
}

fn paper(home: &Path, database: &str, name: &str, more: &str) -> Value {
    let out = good(home, database, &format!("paper {MONTH} --json --out runs/{name} {more}"));
    serde_json::from_str(&out).unwrap()
}

fn rows(home: &Path, database: &str, args: &str) -> Vec<Value> {
    let out = good(home, database, &format!("query {args} --json --limit 1000000"));
    let answer: Value = serde_json::from_str(&out).unwrap();
    answer["rows"].as_array().unwrap().clone()
}

/// Everything that the store says of a run, as text.
fn everything(home: &Path, database: &str, run: &str) -> Vec<String> {
    let ask = |question: &&str| good(home, database, &format!("query {question} --run {run} --csv --limit 1000000"));
    QUESTIONS.iter().map(ask).collect()
}

/// Rows by question.
fn counts(all: &[String]) -> String {
    let count = |(question, text): (&&str, &String)| format!("{question} {}", text.lines().count() - 1);
    QUESTIONS.iter().zip(all).map(count).collect::<Vec<_>>().join(", ")
}

fn sum(rows: &[Value], column: &str) -> Money {
    rows.iter().fold(Money::ZERO, |sum, row| {
        sum.checked_add(Money::parse(row[column].as_str().unwrap_or("0")).unwrap()).unwrap()
    })
}

#[test]
fn what_is_asked_equals_the_result_of_the_run() {
    let home = folder("query_equal");
    let summary = paper(&home, "sqlite", "month", "");
    assert_eq!(summary["query"]["up_to_date"], true, "{}", summary["query"]);
    let of = |args: &str| rows(&home, "sqlite", &format!("{args} --run month"));

    let fills = of("fills");
    assert!(fills.len() > 100, "{} fills", fills.len());
    assert_eq!(summary["fills"], fills.len());
    assert_eq!(summary["orders"], of("orders").len());
    let refusals: u64 = summary["refusals"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(refusals, of("signals").iter().filter(|row| row["kind"] == "refusal").count() as u64);

    // By days, by strategies, by instruments and at once: the same sums, to the last unit.
    let whole = of("pnl");
    for by in ["day", "strategy", "instrument"] {
        let parts = of(&format!("pnl --by {by}"));
        assert!(parts.len() > 1);
        for column in ["realised", "fees", "funding", "net"] {
            assert_eq!(sum(&parts, column), sum(&whole, column), "{column} by {by}");
        }
        let fills: i64 = parts.iter().map(|row| row["fills"].as_i64().unwrap()).sum();
        assert_eq!(summary["fills"], fills);
    }
    // The result's own sums, which the engine's ledger made from the same fills.
    assert_eq!(summary["fees_paid"], sum(&whole, "fees").to_f64());
    assert_eq!(summary["funding"], sum(&whole, "funding").to_f64());
    let strategies = of("pnl --by strategy");
    for line in summary["by_strategy"].as_array().unwrap() {
        let Some(row) = strategies.iter().find(|row| row["strategy"] == line["strategy"]) else {
            assert_eq!(line["fills"], 0);
            continue;
        };
        let exact = |column: &str| Money::parse(row[column].as_str().unwrap()).unwrap().to_f64();
        assert_eq!(
            (&line["fills"], &line["realised"], &line["fees"]),
            (&row["fills"], &exact("realised").into(), &exact("fees").into())
        );
    }
    // Equity = cash + realised - fees + funding + what is open; and the points of the curve are those of the result.
    let positions = of("positions");
    let unrealised: f64 =
        summary["open_positions"].as_array().unwrap().iter().map(|p| p["unrealised_pnl"].as_f64().unwrap()).sum();
    let equity = summary["initial_cash"].as_f64().unwrap() + sum(&whole, "net").to_f64() + unrealised;
    assert!((equity - summary["final_equity"].as_f64().unwrap()).abs() < 1e-9, "{equity}");
    assert_eq!(sum(&positions, "realised"), sum(&whole, "realised"));
    for open in summary["open_positions"].as_array().unwrap() {
        let held = positions.iter().find(|row| row["strategy"] == open["strategy"] && row["symbol"] == open["symbol"]);
        let quantity = Money::parse(held.unwrap()["quantity"].as_str().unwrap()).unwrap();
        assert_eq!(open["quantity"], quantity.to_f64());
    }
    let curve = std::fs::read_to_string(home.join("runs/month/equity.csv")).unwrap();
    let stored = of("equity");
    assert_eq!(curve.lines().count() - 1, stored.len());
    for (line, row) in curve.lines().skip(1).zip(&stored) {
        assert_eq!(line.split(',').nth(1).unwrap(), row["equity"].as_str().unwrap());
    }
    // Every entry of the audit log has its place.
    let shown = good(&home, "sqlite", "audit show runs/month --json");
    assert_eq!(shown.lines().count(), of("audit").len());

    // Once more changes nothing; nor do two at the same time into a new file.
    let before = everything(&home, "sqlite", "month");
    let again: Value = serde_json::from_str(&good(&home, "sqlite", "query sync runs/month --json")).unwrap();
    assert_eq!(again["runs"][0]["rows"], 0);
    let other = format!("sqlite:{}", home.join("other.db").display());
    let start = || bot4_in(&home, &other).args(["query", "sync", "runs/month"]).stdout(Stdio::null()).spawn().unwrap();
    for mut sync in [start(), start(), start()] {
        assert!(sync.wait().unwrap().success());
    }
    assert_eq!(everything(&home, &other, "month"), before);
    println!("{}", counts(&before));
}

#[test]
fn a_file_that_is_removed_is_made_again_during_a_run_and_after_it() {
    let home = folder("query_removed");
    paper(&home, "off", "whole", "");
    good(&home, "sqlite", "query sync runs/whole");
    let whole = everything(&home, "sqlite", "whole");

    // During a run: removed twice, once with what belongs to it and once without.
    let file = home.join("runs/query.db");
    std::fs::remove_file(&file).unwrap();
    let mut run = bot4_in(&home, "sqlite");
    run.args(["paper", "--json", "--out", "runs/removed", "--speed", "400000x"]).args(MONTH.split_whitespace());
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    for ends in [&["", "-wal", "-shm"][..], &[""][..]] {
        wait_for("the file", || file.exists());
        std::thread::sleep(Duration::from_millis(300));
        for end in ends {
            let _ = std::fs::remove_file(format!("{}{end}", file.display()));
        }
    }
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["query"]["up_to_date"], true, "{told} {}", summary["query"]);
    let removed = everything(&home, "sqlite", "removed");
    assert_same_course(&whole, &removed);
    println!("removed during the run: failures {}, {}", summary["query"]["failures"], counts(&removed));

    // After it: from the journal alone.
    std::fs::remove_file(&file).unwrap();
    let ran_without = ran(bot4_in(&home, "sqlite").args(["query", "fills"]));
    ran_without.refused(1, "not there: expected one that a paper run or `bot4 query sync RUN...` has written");
    good(&home, "sqlite", "query sync");
    assert_eq!(everything(&home, "sqlite", "whole"), whole);
    assert_eq!(everything(&home, "sqlite", "removed"), removed);
}

/// Holds that two runs of one configuration say the same, but for their names, and times on the machine's clock.
#[track_caller]
fn assert_same_course(one: &[String], other: &[String]) {
    let plain = |text: &String| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.contains(",recovery,") && !line.contains(",start,"));
        lines.map(|line| line.split_once(',').unwrap_or_default().1.to_owned()).collect()
    };
    for ((question, one), other) in QUESTIONS.iter().zip(one).zip(other) {
        // Entries of the audit log are numbered through, recoveries among them.
        if *question != "audit" {
            assert_eq!(plain(one), plain(other), "{question}");
        }
    }
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what} does not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_run_that_is_killed_and_resumed_is_there_once() {
    let home = folder("query_killed");
    paper(&home, "sqlite", "whole", "");
    let mut run = bot4_in(&home, "sqlite");
    run.args(["paper", "--json", "--out", "runs/killed", "--speed", "400000x"]).args(MONTH.split_whitespace());
    run.env("BOT4_JOURNAL__SNAPSHOT_EVERY_EVENTS", "10000");
    let mut child = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut there = || {
        let asked = ran(bot4_in(&home, "sqlite").args(["query", "fills", "--run", "killed", "--csv"]));
        asked.stdout.lines().count() > 20
    };
    wait_for("a part of the run", &mut there);
    child.kill().unwrap();
    child.wait().unwrap();
    let part = everything(&home, "sqlite", "killed");
    good(&home, "sqlite", "paper --resume runs/killed --json");
    let all = everything(&home, "sqlite", "killed");
    assert!(part[1].lines().count() < all[1].lines().count(), "it was killed before its end");
    assert_same_course(&everything(&home, "sqlite", "whole"), &all);
}

/// A small file system in memory; nothing where it cannot be had.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&path).unwrap();
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&path).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(path));
        }
        eprintln!("NOT RUN: a small tmpfs cannot be mounted here (that takes root)");
        None
    }

    fn grow(&self, size: &str) {
        let grown = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(&self.0).status().unwrap();
        assert!(grown.success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_does_not_stop_the_run_and_nothing_is_lost() {
    let home = folder("query_full_disk");
    let Some(disk) = Small::mount(home.join("disk"), "500k") else { return };
    let database = format!("sqlite:{}", disk.0.join("query.db").display());
    let summary = paper(&home, &database, "full", "");
    let told = &summary["query"];
    assert_eq!(told["up_to_date"], false, "{told}");
    assert!(told["error"].as_str().unwrap().contains("full"), "{told}");
    let whole = paper(&home, "sqlite", "whole", "");
    assert_eq!((&summary["digest"], &summary["fills"]), (&whole["digest"], &whole["fills"]), "the run was another one");
    // As long as it is full it says so; what is there can be asked.
    let still = ran(bot4_in(&home, &database).args(["query", "sync", "runs/full"]));
    assert!(still.code == 1 && still.stderr.contains("full"), "{}", still.stderr);
    let part = everything(&home, &database, "full");
    disk.grow("32m");
    good(&home, &database, "query sync runs/full");
    let all = everything(&home, &database, "full");
    assert_same_course(&everything(&home, "sqlite", "whole"), &all);
    for ((question, part), all) in QUESTIONS.iter().zip(&part).zip(&all) {
        // What changes as a run goes on is as it was; all else is the beginning of the whole.
        if !["orders", "positions", "pnl"].contains(question) {
            assert!(all.starts_with(part.as_str()), "{question}");
        }
    }
    assert!(part[7].len() < all[7].len(), "the disk was not full");
    println!("disk full: {}; with space: {}", counts(&part), counts(&all));
}

#[test]
fn databases_that_cannot_be_used_say_what_is_wrong() {
    let home = folder("query_bad");
    paper(&home, "sqlite", "run", "");
    let file = home.join("runs/query.db");
    let whole = everything(&home, "sqlite", "run");
    let asked = |args: &str| ran(bot4_in(&home, "sqlite").args(args.split_whitespace()));

    // A file of a later schema: the version is in the head, four bytes at offset 60, most significant first.
    let sound = std::fs::read(&file).unwrap();
    let put = |at: usize, bytes: &[u8]| {
        let mut other = sound.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        std::fs::write(&file, other).unwrap();
    };
    put(60, &99u32.to_be_bytes());
    asked("query fills").refused(1, "schema version 99, this build has version 2: a later build wrote it");
    assert!(asked("query sync runs/run").stderr.contains("schema version 99"));
    // Of somebody else: the mark of the program at offset 68 is another one.
    put(68, &7u32.to_be_bytes());
    asked("query fills").refused(1, "a database without bot4's mark: expected a database that bot4 made, or a new one");
    assert!(
        asked("query sync --rebuild runs/run").stderr.contains("without bot4's mark"),
        "nothing of others is put aside"
    );

    // Damaged: no database at all, and one whose pages are not what they were.
    let mut torn = sound.clone();
    torn[8192..].iter_mut().step_by(3).for_each(|byte| *byte ^= 0x5a);
    for (name, bytes) in
        [("no database", b"not a database, but text as long as a head of one needs it to be".repeat(9)), ("torn", torn)]
    {
        std::fs::write(&file, bytes).unwrap();
        let found = asked("query fills --limit 100000");
        assert!(found.code == 1 && found.stderr.contains("is damaged"), "{name}: {}", found.stderr);
        assert!(found.stderr.contains("`bot4 query sync --rebuild RUN...` puts it aside"), "{name}: {}", found.stderr);
        let mended = asked("query sync --rebuild runs/run");
        assert_eq!(mended.code, 0, "{name}: {}", mended.stderr);
        assert!(mended.stderr.contains("query.db.damaged-"), "{name}: {}", mended.stderr);
        assert_eq!(everything(&home, "sqlite", "run"), whole, "{name}");
    }
    // A run goes on with a damaged database beside it, and says so.
    std::fs::write(&file, b"not a database, but text as long as a head of one needs it to be".repeat(9)).unwrap();
    let summary = paper(&home, "sqlite", "beside", "");
    assert_eq!(summary["query"]["up_to_date"], false);
    assert!(summary["query"]["error"].as_str().unwrap().contains("is damaged"));
    std::fs::remove_file(&file).unwrap();

    // Nobody there, nothing permitted, nothing of the kind.
    let nobody = "postgres://bot4@127.0.0.1:1/bot4";
    let summary = paper(&home, nobody, "nobody", "");
    assert_eq!(summary["query"]["up_to_date"], false);
    let none = ran(bot4_in(&home, nobody).args(["query", "fills"]));
    none.refused(1, "query database postgres://bot4@127.0.0.1:1/bot4: Connection refused");
    let below_a_file = format!("sqlite:{}", home.join("runs/run/equity.csv/query.db").display());
    let ran_below = ran(bot4_in(&home, &below_a_file).args(["query", "sync", "runs/run"]));
    assert!(ran_below.code == 1 && ran_below.stderr.contains("exists"), "{}", ran_below.stderr);
    asked("query fills --database mysql://x").refused(2, "neither a file nor a server");
    let off = ran(bot4_in(&home, "off").args(["query", "fills"]));
    off.refused(2, "the query database is off");
    let secret = ran(bot4_in(&home, "postgres://u:geheim@h/d").args(["paper", "--json"]));
    assert!(secret.code == 2 && secret.stderr.contains("without a password"), "{}", secret.stderr);

    // What is asked wrongly, and what would write.
    good(&home, "sqlite", "query sync runs/run");
    let sql = |text: &str| ran(bot4_in(&home, "sqlite").args(["query", "sql", text]));
    sql("SELECT neither FROM fills").refused(2, "no such column: neither");
    for write in ["DELETE FROM fills", "PRAGMA user_version = 3", "ATTACH 'x' AS y; DROP TABLE fills"] {
        assert_ne!(sql(write).code, 0, "{write}");
    }
    assert_eq!(everything(&home, "sqlite", "run"), whole);
    asked("query fills --from yesterday").refused(2, "--from yesterday: expected a time");
    let nowhere = asked("query sync runs/nowhere");
    assert!(nowhere.code == 1 && nowhere.stderr.contains("no run has begun there"), "{}", nowhere.stderr);
}

#[test]
fn a_journal_that_was_cut_is_not_taken_for_the_run() {
    let home = folder("query_cut");
    paper(&home, "sqlite", "run", "");
    let journal = home.join("runs/run/journal");
    // Another journal of the same run: its first segment alone, of a copy that was made early.
    let mut early = store::journal::Writer::create(&home.join("early"), store::journal::Options::default()).unwrap();
    let mut reader = store::journal::Reader::open(&journal).unwrap();
    for _ in 0..2_000 {
        let record = reader.next().unwrap().unwrap();
        early.append(record.seq, record.kind, record.version, |out| out.extend_from_slice(record.body));
    }
    early.close().unwrap();
    std::fs::rename(&journal, home.join("later")).unwrap();
    std::fs::rename(home.join("early"), &journal).unwrap();
    let cut = ran(bot4_in(&home, "sqlite").args(["query", "sync", "runs/run"]));
    assert!(cut.code == 1 && cut.stderr.contains("the journal was cut or put back"), "{}", cut.stderr);
    good(&home, "sqlite", "query sync --rebuild runs/run");
    std::fs::rename(&journal, home.join("early")).unwrap();
    std::fs::rename(home.join("later"), &journal).unwrap();
    let more: Value = serde_json::from_str(&good(&home, "sqlite", "query sync runs/run --json")).unwrap();
    assert!(more["runs"][0]["rows"].as_u64().unwrap() > 100 && more["runs"][0]["complete"] == true, "{more}");
}

#[test]
fn postgres_says_what_sqlite_says_and_a_password_is_asked_for() {
    let Some(server) = Server::start("same") else { return };
    let home = folder("query_postgres");
    let url = server.database("bot4");
    let summary = paper(&home, &url, "run", "");
    assert_eq!(summary["query"]["up_to_date"], true, "{}", summary["query"]);
    good(&home, "sqlite", "query sync runs/run");
    let all = everything(&home, &url, "run");
    assert_eq!(all, everything(&home, "sqlite", "run"));
    for by in ["day", "strategy", "instrument"] {
        let ask = |database: &str| good(&home, database, &format!("query pnl --by {by} --csv"));
        assert_eq!(ask(&url), ask("sqlite"), "{by}");
    }
    let filtered =
        "query fills --strategy donchian --instrument BTCUSDT --from 2021-05-10 --to 2021-05-20T12:00:00Z --csv";
    let found = good(&home, &url, filtered);
    assert!(found.lines().count() > 5, "{found}");
    assert_eq!(found, good(&home, "sqlite", filtered));
    let daily = "SELECT run, strategy, symbol, fills, realised, fees FROM daily_pnl ORDER BY day, strategy, symbol";
    let ask = |database: &str| ran(bot4_in(&home, database).args(["query", "sql", daily, "--csv"])).stdout;
    assert_eq!(ask(&url), ask("sqlite"));
    // Cut by months, and nothing has gone to a wrong one.
    assert_eq!(server.sql("bot4", "SELECT count(*) = (SELECT count(*) FROM fills) FROM fills_2021_05"), "t");

    // Several at a time into a new database.
    let other = server.database("other");
    let start = || bot4_in(&home, &other).args(["query", "sync", "runs/run"]).stdout(Stdio::null()).spawn().unwrap();
    for mut sync in [start(), start(), start()] {
        assert!(sync.wait().unwrap().success());
    }
    assert_eq!(everything(&home, &other, "run"), all);

    // Statements that write are refused, whatever they are dressed as.
    for write in [
        "DELETE FROM fills",
        "WITH x AS (DELETE FROM fills RETURNING 1) SELECT * FROM x",
        "COMMIT; DELETE FROM fills",
        "COPY fills FROM STDIN",
    ] {
        assert_ne!(ran(bot4_in(&home, &url).args(["query", "sql", write])).code, 0, "{write}");
    }
    ran(bot4_in(&home, &url).args(["query", "sql", "SELECT neither FROM fills"]))
        .refused(2, "column \"neither\" does not exist");

    // Over the network, with a password.
    server.sql("postgres", "CREATE ROLE reader LOGIN PASSWORD 'geheim'");
    server.sql("bot4", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader");
    let tcp = server.over_tcp("reader", "bot4");
    let with = |password: &str| {
        let mut command = bot4_in(&home, &tcp);
        ran(command.env("PGPASSWORD", password).args(["query", "fills", "--csv", "--limit", "1000000"]))
    };
    assert_eq!(with("geheim").stdout, all[1]);
    assert!(with("falsch").stderr.contains("password authentication failed"), "{}", with("falsch").stderr);
    assert!(with("").stderr.contains("the server asks for a password"), "{}", with("").stderr);
    // Who may only read cannot bring anything up to date, and is told.
    let mut sync = bot4_in(&home, &tcp);
    let denied = ran(sync.env("PGPASSWORD", "geheim").args(["query", "sync", "--rebuild", "runs/run"]));
    assert!(denied.code == 1 && denied.stderr.contains("permission denied"), "{}", denied.stderr);
    // Another version.
    server.sql("bot4", "UPDATE bot4_schema SET version = 99");
    ran(bot4_in(&home, &url).args(["query", "fills"])).refused(1, "schema version 99, this build has version 2");
    server.sql("bot4", "UPDATE bot4_schema SET version = 1");
    ran(bot4_in(&home, &url).args(["query", "fills"])).refused(1, "an earlier build wrote it");
    println!("{}", counts(&all));
}

#[test]
fn a_server_that_is_killed_and_restarted_during_a_run_loses_nothing() {
    let Some(mut server) = Server::start("killed") else { return };
    let home = folder("query_server_killed");
    let url = server.database("bot4");
    let mut run = bot4_in(&home, &url);
    run.args(["paper", "--json", "--out", "runs/run", "--speed", "250000x"]).args(MONTH.split_whitespace());
    let child = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let fills = |url: &str| ran(bot4_in(&home, url).args(["query", "fills", "--csv"])).stdout.lines().count();
    wait_for("a part of the run", || fills(&url) > 10);
    let at_kill = fills(&url) - 1;
    server.kill();
    std::thread::sleep(Duration::from_secs(3));
    server.up();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let followed = &summary["query"];
    assert!(followed["failures"].as_u64().unwrap() > 0, "{followed}");
    assert_eq!(followed["up_to_date"], true, "{told} {followed}");
    good(&home, "sqlite", "query sync runs/run");
    let all = everything(&home, &url, "run");
    assert_eq!(all, everything(&home, "sqlite", "run"));
    println!("killed with {at_kill} fills in it; failures {}, in the end {}", followed["failures"], counts(&all));

    // Down for the rest of a run: the run ends well, and what is missing is written when it is there again.
    server.kill();
    let summary = paper(&home, &url, "down", "");
    assert_eq!((&summary["query"]["up_to_date"], &summary["query"]["rows"]), (&false.into(), &0.into()));
    server.up();
    good(&home, &url, "query sync");
    assert_same_course(&all, &everything(&home, &url, "down"));
}
