//! `bot4 fees` and `bot4 route` from outside.

use crate::support::{Ran, beside, bot4, folder, program, shared};
use bot4::runner::cursor::{Cursor, event_of};
use domain::{AssetIdx, EventBody, Money, ReportBody};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use store::journal::Kind;

fn run(args: &str, variables: &[(&str, &str)]) -> Ran {
    let mut command = program();
    let output = command.args(args.split_whitespace()).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[track_caller]
fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

fn money(value: &Value) -> Money {
    Money::parse(value.as_str().unwrap()).unwrap()
}

/// Fees of the fills of a journal, read without the command.
fn fees_of(dir: &Path) -> (u64, BTreeMap<AssetIdx, Money>) {
    let (mut fills, mut sums) = (0, BTreeMap::<AssetIdx, Money>::new());
    let mut cursor = Cursor::after(&dir.join("journal"), 0).unwrap();
    while let Some(view) = cursor.peek() {
        if view.kind == Kind::Report
            && let EventBody::Report(report) = event_of(view.body).unwrap().1.body
            && let ReportBody::Filled { fill, .. } = report.body
        {
            fills += 1;
            let sum = sums.entry(fill.fee_asset).or_default();
            *sum = sum.checked_add(fill.fee_amount).unwrap();
        }
        cursor.advance();
    }
    (fills, sums)
}

#[test]
fn the_fees_of_a_run_are_those_of_its_ledger() {
    for (name, variables, bps) in [
        ("fees-own", &[][..], 10.0),
        ("fees-quote", &[("BOT4_VENUE__FEE_ASSET", "quote")][..], 10.0),
        ("fees-kraken", &[("BOT4_VENUE__FEE_SCHEDULE", "kraken_spot"), ("BOT4_VENUE__FEE_TIER", "1m")][..], 16.0),
        (
            "fees-discount",
            &[("BOT4_VENUE__FEE_SCHEDULE", "binance_spot"), ("BOT4_VENUE__FEE_DISCOUNT", "true")][..],
            7.5,
        ),
    ] {
        let dir = folder(name).join("run");
        let paper = format!("paper --from 2021-05-01 --to 2021-07-01 --json --out {}", dir.display());
        let summary = json(&run(&paper, variables));
        let report = json(&run(&format!("fees {} --json", dir.display()), &[]));
        let (fills, sums) = fees_of(&dir);
        assert!(fills > 8, "{name}: {fills}");
        assert_eq!(
            (&report["equal"], &report["total"]["fills"]),
            (&Value::Bool(true), &fills.into()),
            "{name}: {report}"
        );
        assert_eq!(report["as_computed"], fills, "{name}: every fee is what the rates say");
        let assets = report["by_asset"].as_array().unwrap();
        let by_asset: Vec<Money> = assets.iter().map(|a| money(&a["of_ledger"])).collect();
        assert_eq!(by_asset, sums.values().copied().collect::<Vec<_>>(), "{name}");
        for group in ["by_instrument", "by_strategy", "by_liquidity"] {
            let lines = report[group].as_array().unwrap();
            let sum = lines.iter().fold(Money::ZERO, |sum, l| sum.checked_add(money(&l["fees"])).unwrap());
            assert_eq!(sum, money(&report["total"]["fees"]), "{name}: {group}");
        }
        // What the run itself said it paid.
        let said = summary["fees_paid"].as_f64().unwrap();
        testkit::assert_close(money(&report["total"]["fees"]).to_f64(), said, 1e-9, 1e-6);
        // Amounts are rounded up at 1e-8, so a little above.
        testkit::assert_close(report["bps"].as_f64().unwrap(), bps, 1e-3, 0.0);
        let elsewhere = report["elsewhere"].as_array().unwrap();
        let of = |name: &str| elsewhere.iter().find(|e| e["schedule"] == name).map(|e| e["bps"].as_f64().unwrap());
        testkit::assert_close(of("kraken_spot").unwrap(), 40.0, 1e-3, 0.0);
        testkit::assert_close(of("binance_spot").unwrap(), 10.0, 1e-3, 0.0);
        assert_eq!(of("okx_swap"), None, "no perpetual was traded");
        let text = run(&format!("fees {}", dir.display()), &[]).stdout;
        assert!(text.contains("of the ledger: equal") && text.contains("the same fills elsewhere"), "{text}");
    }
}

#[test]
fn schedules_that_do_not_fit_are_refused() {
    let paper = "paper --from 2021-05-01 --to 2021-05-03 --json";
    run(paper, &[("BOT4_VENUE__FEE_SCHEDULE", "mtgox")]).refused(2, "a schedule of `bot4 fees`");
    run(paper, &[("BOT4_VENUE__FEE_TIER", "VIP 1")]).refused(2, "venue.fee_tier: expected venue.fee_schedule with it");
    let tier = [("BOT4_VENUE__FEE_SCHEDULE", "okx_spot"), ("BOT4_VENUE__FEE_TIER", "VIP 1")];
    run(paper, &tier).refused(2, "expected one of Lv1, Lv2");
    run(paper, &[("BOT4_VENUE__FEE_SCHEDULE", "binance_usdm")]).refused(2, "LinearPerpetual");
    let discount = [("BOT4_VENUE__FEE_SCHEDULE", "okx_spot"), ("BOT4_VENUE__FEE_DISCOUNT", "true")];
    run(paper, &discount).refused(2, "it has no discount");
    bot4(&["fees", "--venue", "mtgox"]).refused(2, "expected one of binance_spot");
    bot4(&["fees", "--volume", "x"]).refused(2, "expected a decimal number");
    bot4(&["fees", "--volume=-1"]).refused(2, "expected 0 or more");
    bot4(&["fees", "--pair", "X"]).refused(2, "a pair such as BTCUSDT");
    bot4(&["fees", "/nowhere/at/all"]).refused(1, "");
}

#[test]
fn tiers_examples_and_a_schedule_of_ones_own() {
    let all = json(&run("fees --json --volume 60000 --price 50000 --quantity 1", &[]));
    let schedules = all["schedules"].as_array().unwrap();
    assert_eq!(schedules.len(), 5);
    let kraken = schedules.iter().find(|s| s["schedule"]["name"] == "kraken_spot").unwrap();
    assert_eq!((&kraken["tier"], &kraken["order"]["buy_taker"]["fee"]), (&"50K".into(), &"120 USDT".into()));
    let binance = &schedules[0];
    assert_eq!((&binance["tier"], &binance["order"]["buy_maker"]["fee"]), (&"Regular".into(), &"0.001 BTC".into()));
    let mut own = kraken["schedule"].clone();
    own["name"] = "mine".into();
    own["tiers"][0]["taker"] = "0.0001".into();
    let path = folder("fees-mine").join("mine.json");
    std::fs::write(&path, own.to_string()).unwrap();
    let mine = json(&run(&format!("fees --schedule {} --venue mine --json", path.display()), &[]));
    assert_eq!(mine["schedules"][0]["order"]["sell_taker"]["fee"], "0.6 USDT");
    own["tiers"][3]["taker"] = "2".into();
    std::fs::write(&path, own.to_string()).unwrap();
    run(&format!("fees --schedule {}", path.display()), &[]).refused(2, "taker rate 2 of 100K");
    let text = run("fees --venue binance_spot --volume 2000000 --held 30 --discount", &[]).stdout;
    assert!(text.contains(">   VIP 1") && text.contains("0.0675") && text.contains("not verified"), "{text}");
}

/// Books of three venues in the forms of files that are read.
fn books(name: &str) -> std::path::PathBuf {
    let dir = folder(name);
    std::fs::write(dir.join("a.csv"), "side,price,quantity\nbid,99,1\nask,100,1.5\nask,100.3,5\n").unwrap();
    std::fs::write(
        dir.join("b.json"),
        r#"{"data":[{"bids":[["99.1","2"]],"asks":[["100.1","2","0","4"],["100.4","9","0","1"]]}]}"#,
    )
    .unwrap();
    let kraken = r#"{"error":[],"result":{"XBTUSDT":{"asks":[["99.9","1",1],["101","9",1]],"bids":[["99.5","1",1]]}}}"#;
    std::fs::write(dir.join("c.json"), kraken).unwrap();
    dir
}

#[test]
fn an_order_is_split_where_it_costs_least() {
    let dir = books("route").display().to_string();
    let route = |rest: &str| run(&format!("route {}", rest.replace("DIR", &dir)), &[]);
    let three = "--book a=DIR/a.csv,taker=0.001,lot=0.1 --book okx_spot=DIR/b.json,lot=0.1 --book kraken_spot=DIR/c.json,tier=10M,lot=0.1";
    let plan = json(&route(&format!("--side buy --quantity 4 {three} --json")));
    // With 0.1 % everywhere: 1 at 99.9, 1.5 at 100, 1.5 at 100.1.
    let parts: Vec<_> = plan["parts"].as_array().unwrap().iter().map(|p| p["quantity"].as_str().unwrap()).collect();
    assert_eq!(parts, ["1.5", "1.5", "1"]);
    assert_eq!((&plan["total"], &plan["remainder"]), (&"400.45005".into(), &"0".into()));
    assert_eq!(plan["one_venue"][2]["total"], "403.3029");
    let text = route(&format!("--side buy --quantity 4 {three}")).stdout;
    assert!(text.contains("all at kraken_spot: 403.30, 2.85 more"), "{text}");
    // Disabled, a minimum, a penalty, a limit.
    let plan = json(&route(
        "--side buy --quantity 1 --limit 100.05 --json --book a=DIR/a.csv,taker=0.001,penalty=0.01,lot=0.1 \
         --book b=DIR/b.json,taker=0,off --book c=DIR/c.json,taker=0,notional=500,lot=0.1",
    ));
    assert_eq!(plan["parts"][0]["venue"], "a");
    assert_eq!((&plan["parts"][0]["penalty"], &plan["left_out"][0]["why"]), (&"1".into(), &"switched off".into()));
    assert!(plan["left_out"][1]["why"].as_str().unwrap().contains("its smallest order is more"), "{plan}");
    let believed =
        json(&route("--side sell --quantity 1 --json --fill 0.9:0:5 --book a=DIR/a.csv,taker=0.001,maker=0"));
    assert_eq!(believed["parts"][0]["order"]["best"], "limit 100 post-only");
    let nothing = route("--side buy --quantity 1 --book a=DIR/a.csv,taker=0,off");
    assert_eq!(nothing.code, 1);
    assert!(nothing.stderr.contains("no venue is usable"), "{}", nothing.stderr);
    for (wrong, said) in [
        ("--side up --quantity 1 --book a=DIR/a.csv,taker=0", "expected buy or sell"),
        ("--side buy --quantity 0 --book a=DIR/a.csv,taker=0", "above 0"),
        ("--side buy --quantity 1 --book a=DIR/a.csv", "is no fee schedule"),
        ("--side buy --quantity 1 --book okx_spot=DIR/a.csv,tier=VIP99", "expected one of Lv1"),
        ("--side buy --quantity 1 --book a=DIR/a.csv,taker=0,colour=red", "colour: expected one of tier"),
        ("--side buy --quantity 1 --book a=DIR/a.csv,taker=0,lot=x", "lot=x: expected a decimal number"),
        ("--side buy --quantity 1 --book a=DIR/a.csv,taker=2", "not between -1 and 1"),
        ("--side buy --quantity 1 --book DIR/a.csv", "expected NAME=FILE"),
        ("--side buy --quantity 1 --fill 2:1:1 --book a=DIR/a.csv,taker=0", "a probability and two moves"),
    ] {
        route(wrong).refused(2, said);
    }
    for (content, said) in [
        ("side,price,quantity\nup,1,1\n", "side up: expected bid or ask"),
        ("bid,1\n", "line 1: expected side,price,quantity"),
        ("bid,0,1\n", "expected a price above 0"),
        ("bid,x,1\n", "is not a decimal number"),
        ("", "no levels"),
        ("{\"bids\":[]}", "expected bids and asks"),
        ("{", "EOF"),
    ] {
        std::fs::write(beside_of(&dir), content).unwrap();
        route("--side buy --quantity 1 --book a=DIR/bad,taker=0").refused(1, said);
    }
    route("--side buy --quantity 1 --book a=DIR/none.csv,taker=0").refused(1, "none.csv");
}

fn beside_of(dir: &str) -> std::path::PathBuf {
    assert!(!beside("fees.rs").starts_with(dir), "the folder is the test's own");
    Path::new(dir).join("bad")
}

#[test]
fn recorded_messages_are_a_book_at_a_time() {
    let Some(file) = shared("data/l2_ticks/binance_spot_btcusdt_20240808_2354.txt.gz") else { return };
    let at = |time: &str, age: &str| {
        let book = format!("binance_spot={}@{time},lot=0.00001,notional=5", file.display());
        run(&format!("route --side buy --quantity 0.5 --book {book} --age-max {age} --json"), &[])
    };
    let plan = json(&at("2024-08-08T23:55:00Z", "5"));
    // The venue's own stream of best prices: 0.1 and a little at 61832 at that time, so half a bitcoin goes farther.
    let (average, limit) = (money(&plan["parts"][0]["average"]), money(&plan["parts"][0]["limit"]));
    assert!(average > Money::from_units(61_832) && limit > average && limit < Money::from_units(61_840), "{plan}");
    assert_eq!(plan["remainder"], "0");
    // Before the first message there is nothing, a minute after the last one it is stale.
    for (time, why) in [("2024-08-08T23:54:00Z", "no snapshot yet"), ("2024-08-09T00:01:00Z", "nothing heard for")] {
        let nothing = at(time, "5");
        assert_eq!(nothing.code, 1, "{}", nothing.stdout);
        assert!(nothing.stdout.contains(why), "{}", nothing.stdout);
    }
}
