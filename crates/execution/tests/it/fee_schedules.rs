//! The schedules of the venues, figure by figure, and against the sheets where these are present.

use domain::{Money, Rate};
use execution::fee::{ChargedIn, KNOWN, Schedule, Trust, known};
use std::path::Path;

/// Percent, written out here a second time as the venues' pages have them: name, volume, maker, taker.
const BINANCE_SPOT: &str = "
    Regular 0 0.1000 0.1000 | VIP 1 1000000 0.0900 0.1000 | VIP 2 5000000 0.0800 0.1000 | VIP 3 20000000 0.0400 0.0600
    VIP 4 100000000 0.0400 0.0520 | VIP 5 150000000 0.0250 0.0310 | VIP 6 400000000 0.0200 0.0290
    VIP 7 800000000 0.0190 0.0280 | VIP 8 2000000000 0.0160 0.0250 | VIP 9 4000000000 0.0110 0.0230";
const BINANCE_USDM: &str = "
    Regular 0 0.0200 0.0500 | VIP 1 15000000 0.0160 0.0400 | VIP 2 50000000 0.0140 0.0350 | VIP 3 100000000 0.0120 0.0320
    VIP 4 600000000 0.0100 0.0300 | VIP 5 1000000000 0.0080 0.0270 | VIP 6 2500000000 0.0060 0.0250
    VIP 7 5000000000 0.0040 0.0220 | VIP 8 12500000000 0.0020 0.0200 | VIP 9 25000000000 0.0000 0.0170";
const OKX_SPOT: &str = "
    Lv1 0 0.080 0.100 | Lv2 - 0.075 0.095 | Lv3 - 0.070 0.090 | Lv4 - 0.065 0.085 | Lv5 - 0.060 0.080 | VIP1 - 0.060 0.080
    VIP2 - 0.050 0.070 | VIP3 - 0.030 0.060 | VIP4 - 0.020 0.050 | VIP5 - 0.000 0.040 | VIP6 - -0.002 0.030
    VIP7 - -0.005 0.025 | VIP8 - -0.005 0.020";
const OKX_SWAP: &str = "
    Lv1 0 0.020 0.050 | VIP1 - 0.018 0.040 | VIP2 - 0.016 0.035 | VIP3 - 0.014 0.032 | VIP4 - 0.012 0.030 | VIP5 - 0.010 0.028
    VIP6 - 0.005 0.025 | VIP7 - 0 0.020 | VIP8 - -0.005 0.015";
const KRAKEN_SPOT: &str = "
    0 0 0.25 0.40 | 10K 10000 0.20 0.35 | 50K 50000 0.14 0.24 | 100K 100000 0.12 0.22 | 250K 250000 0.10 0.20
    500K 500000 0.08 0.18 | 1M 1000000 0.06 0.16 | 2.5M 2500000 0.04 0.14 | 5M 5000000 0.02 0.12 | 10M 10000000 0.00 0.10";

fn percent(text: &str) -> Rate {
    Rate::from_raw(Rate::parse(text).unwrap().raw() / 100)
}

fn rows(text: &str) -> Vec<(String, Option<Money>, Rate, Rate)> {
    let lines = text.lines().flat_map(|line| line.split('|')).map(str::trim).filter(|cell| !cell.is_empty());
    let row = |cell: &str| {
        let words: Vec<&str> = cell.split(' ').collect();
        let [name @ .., volume, maker, taker] = &words[..] else { panic!("{cell}") };
        (name.join(" "), Money::parse(volume).ok(), percent(maker), percent(taker))
    };
    lines.map(row).collect()
}

#[test]
fn every_figure_is_the_venues() {
    let mut figures = 0;
    for (name, text) in [
        ("binance_spot", BINANCE_SPOT),
        ("binance_usdm", BINANCE_USDM),
        ("okx_spot", OKX_SPOT),
        ("okx_swap", OKX_SWAP),
        ("kraken_spot", KRAKEN_SPOT),
    ] {
        let schedule = known(name).unwrap();
        schedule.validate().unwrap();
        let held: Vec<_> = schedule.tiers.iter().map(|t| (t.name.clone(), t.volume_min, t.maker, t.taker)).collect();
        assert_eq!(held, rows(text), "{name}");
        figures += held.len() * 3;
    }
    assert_eq!(KNOWN.len(), 5);
    assert_eq!(known("mtgox"), None);
    assert!(figures > 150, "{figures}");
}

/// Rates of a line of a sheet such as `| VIP 1 | ≥ 1 M (and ≥ 25 BNB) | 0.0900 / 0.1000 |`: name and pairs of percent in it.
fn pairs_of(line: &str) -> Vec<(String, Rate, Rate)> {
    let cells: Vec<String> = line.split('|').map(|c| c.trim().replace('−', "-")).collect();
    let mut found = Vec::new();
    for (at, cell) in cells.iter().enumerate() {
        let bare = cell.split('(').next().unwrap_or_default();
        let Some((maker, taker)) = bare.split_once(" / ") else { continue };
        let (Ok(_), Ok(_)) = (Rate::parse(maker.trim()), Rate::parse(taker.trim())) else { continue };
        let name =
            cells[..at].iter().rev().find(|c| c.starts_with("VIP") || c.starts_with("Lv") || c.starts_with("reg"));
        if let Some(name) = name {
            let name = name.split('(').next().unwrap_or_default().trim().to_owned();
            found.push((name, percent(maker.trim()), percent(taker.trim())));
        }
    }
    found
}

#[test]
fn the_table_is_that_of_the_sheets() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/venues");
    let mut compared = 0;
    for (file, heading, name) in [
        ("binance-spot.md", "## 12. Fees", "binance_spot"),
        ("binance-usdm-futures.md", "## 14. Fees", "binance_usdm"),
        ("okx-v5.md", "## 16. Fees", "okx_spot"),
    ] {
        let Ok(text) = std::fs::read_to_string(folder.join(file)) else { continue };
        let schedule = known(name).unwrap();
        let section = text.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
        // With the first pair of a line: those behind it are with a discount.
        let lines = section.lines().flat_map(|line| match name {
            "binance_spot" => pairs_of(line).into_iter().take(1).collect::<Vec<_>>(),
            _ => pairs_of(line),
        });
        let sheet: Vec<_> = lines.collect();
        assert!(sheet.len() == schedule.tiers.len(), "{file}: {} rows, {} tiers", sheet.len(), schedule.tiers.len());
        for (tier, maker, taker) in sheet {
            let tier = if tier.starts_with("reg") { "Regular".to_owned() } else { tier };
            let held = &schedule.tiers[schedule.tier(&tier).unwrap_or_else(|| panic!("{file}: {tier}"))];
            assert_eq!((held.maker, held.taker), (maker, taker), "{file}: {tier}");
            compared += 2;
        }
    }
    if let Ok(text) = std::fs::read_to_string(folder.join("kraken-spot-v2.md")) {
        // The answer of the venue itself, as it was recorded.
        let schedule = known("kraken_spot").unwrap();
        for (key, maker) in [("\"fees\":[[", false), ("\"fees_maker\":[[", true)] {
            let list = text.split(key).nth(1).unwrap().split("]]").next().unwrap();
            for (tier, pair) in schedule.tiers.iter().zip(list.split("],[")) {
                let (volume, rate) = pair.split_once(',').unwrap();
                assert_eq!(tier.volume_min, Money::parse(volume).ok(), "{pair}");
                assert_eq!(if maker { tier.maker } else { tier.taker }, percent(rate), "{pair}");
                compared += 1;
            }
        }
    }
    println!("{compared} rates compared with sheets");
}

#[test]
fn what_is_not_verified_says_so() {
    for name in KNOWN {
        let schedule = known(name).unwrap();
        let open = schedule.tiers.iter().any(|t| t.rates != Trust::Recorded || t.threshold != Trust::Recorded);
        assert_eq!(open, schedule.origin.contains("not verified") || schedule.origin.contains("indicative"), "{name}");
        assert_eq!(
            schedule.charged_in == ChargedIn::Settle,
            name.ends_with("usdm") || name.ends_with("swap"),
            "{name}"
        );
    }
}

#[test]
fn tiers_follow_from_volume_and_holdings() {
    let spot = known("binance_spot").unwrap();
    let at = |schedule: &Schedule, volume: &str, held: Option<i64>| {
        let tier = schedule.tier_of(testkit::money(volume), held.map(domain::Quantity::from_units));
        schedule.tiers[tier].name.clone()
    };
    assert_eq!(at(&spot, "0", None), "Regular");
    assert_eq!(at(&spot, "999999.999999999999", Some(1_000_000)), "Regular");
    assert_eq!(at(&spot, "1000000", Some(25)), "VIP 1");
    assert_eq!(at(&spot, "1000000", Some(24)), "Regular");
    assert_eq!(at(&spot, "9000000000", None), "Regular", "a holding that is not known is none");
    assert_eq!(at(&spot, "9000000000", Some(1_800)), "VIP 6");
    let kraken = known("kraken_spot").unwrap();
    assert_eq!((at(&kraken, "9999", None), at(&kraken, "10000", None)), ("0".into(), "10K".into()));
    assert_eq!(at(&kraken, "1000000000", None), "10M");
    assert_eq!(
        at(&known("okx_spot").unwrap(), "1000000000", Some(9)),
        "Lv1",
        "thresholds that are not known never follow"
    );
}

#[test]
fn schedules_arrive_as_data_and_bad_ones_are_named() {
    let good = known("kraken_spot").unwrap();
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), good);
    assert!(serde_json::from_str::<Schedule>(&text.replace("\"origin\"", "\"source\"")).is_err());
    let broken = |change: &dyn Fn(&mut Schedule)| {
        let mut schedule = good.clone();
        change(&mut schedule);
        schedule.validate().unwrap_err().to_string()
    };
    for (error, expected) in [
        (broken(&|s| s.tiers.clear()), "has no tier"),
        (broken(&|s| s.tiers[0].volume_min = None), "expected a volume of 0"),
        (broken(&|s| s.tiers[3].taker = Rate::ONE), "taker rate 1 of 100K: expected between -1 and 1"),
        (broken(&|s| s.tiers[3].volume_min = Some(Money::ZERO)), "volume 0 of 100K: expected at least 50000"),
        (broken(&|s| s.charged_in = ChargedIn::Settle), "expected received or quote for spot"),
    ] {
        assert!(error.contains(expected), "{error} should say {expected}");
    }
}
