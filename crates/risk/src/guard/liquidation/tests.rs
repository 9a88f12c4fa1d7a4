//! The formulas against published and hand-computed numbers, and against a search for the price at which equity meets maintenance.

use super::*;
use domain::codec::{from_bytes, to_bytes};
use proptest::prelude::*;
use testkit::{money, price, quantity, rate};

fn tier(notional_min: &str, share: &str, deduction: &str) -> Tier {
    Tier { notional_min: money(notional_min), rate: rate(share), deduction: money(deduction) }
}

/// BTCUSDT as Binance published it in its support article of 2020 and after (leverageBracket: notionalFloor, maintMarginRatio, cum).
fn btc() -> Tiers {
    Tiers::new(vec![
        tier("0", "0.004", "0"),
        tier("50000", "0.005", "50"),
        tier("250000", "0.01", "1300"),
        tier("1000000", "0.025", "16300"),
        tier("10000000", "0.05", "266300"),
        tier("20000000", "0.1", "1266300"),
        tier("50000000", "0.125", "2516300"),
        tier("100000000", "0.15", "5016300"),
        tier("200000000", "0.25", "25016300"),
        tier("300000000", "0.5", "100016300"),
    ])
    .unwrap()
}

/// One tier of a published example: the rest of its table does not matter there.
fn only(share: &str, deduction: &str) -> [Tier; 1] {
    [tier("0", share, deduction)]
}

fn at(base: &str, entry: &str, funds: &str, tiers: &[Tier]) -> LiquidationPrice {
    let base = quantity(base);
    let cost = price(entry).notional(base, Rounding::Down).unwrap();
    liquidation_price(base, cost, money(funds), tiers).unwrap()
}

fn rounded(at: LiquidationPrice, decimals: usize) -> String {
    let LiquidationPrice::At(price) = at else { panic!("{at:?}") };
    format!("{:.*}", decimals, price.to_f64())
}

/// The worked example of the support article: one cross wallet of 1,535,443.01 with 3,683.979 ETH from 1,456.84 (mark 1,335.18, 10 %, deduction
/// 135,365) and 109.488 BTC from 32,481.98 (mark 31,967.27, 2.5 %, deduction 16,300).
#[test]
fn the_example_of_the_venue() {
    // ETH: the other position needs 71,200.81144 and has lost 56,354.57.
    let funds = "1407887.62856"; // 1535443.01 - 71200.81144 - 56354.57
    assert_eq!(rounded(at("3683.979", "1456.84", funds, &only("0.1", "135365")), 2), "1153.26");
    // BTC: the other position needs 356,512.508 and has lost 448,192.89.
    let funds = "730737.612"; // 1535443.01 - 356512.508 - 448192.89
    assert_eq!(rounded(at("109.488", "32481.98", funds, &only("0.025", "16300")), 2), "26316.89");
    // The numbers that go into it, from tiers and marks.
    let notional = price("31967.27").notional(quantity("109.488"), Rounding::Up).unwrap();
    let needed = maintenance(notional, btc().as_slice()).unwrap();
    testkit::assert_close(needed.to_f64(), 71_200.811_44, 0.0, 1e-4);
}

#[test]
fn maintenance_margins_of_the_published_table() {
    let tiers = btc();
    for (notional, needed) in [
        ("0", "0"),
        ("10000", "40"),
        ("50000", "200"),
        ("100000", "450"),
        ("250000", "1200"),
        // The article's own: 500,000 is in the tier of 1 % with 1,300 off.
        ("500000", "3700"),
        ("1000000", "8700"),
        ("10000000", "233700"),
        ("400000000", "99983700"),
    ] {
        assert_eq!(maintenance(money(notional), tiers.as_slice()), Some(money(needed)), "{notional}");
    }
}

#[test]
fn isolated_positions_by_hand() {
    // 1 BTC from 40,000 with 4,000 of margin (10x). Long: (40000 - 4000 - 0) / (1 - 0.004) in the first tier.
    // 36144.578 lies in the first tier (notional below 50,000).
    assert_eq!(rounded(at("1", "40000", "4000", btc().as_slice()), 6), "36144.578313");
    // Short: (4000 + 40000) / 1.004 = 43824.701195, below 50,000.
    assert_eq!(rounded(at("-1", "40000", "4000", btc().as_slice()), 6), "43824.701195");
    // 2 BTC long from 40,000 with 8,000: (80000 - 8000 - 50) / (2 * 0.995) = 36155.778894, notional 72,311 in the second tier.
    assert_eq!(rounded(at("2", "40000", "8000", btc().as_slice()), 6), "36155.778894");
    // 10 BTC short from 40,000 with 40,000: (40000 + 400000 + 1300) / (10 * 1.01) = 43693.069307, notional 436,930 in the third.
    assert_eq!(rounded(at("-10", "40000", "40000", btc().as_slice()), 6), "43693.069307");
    // A short whose notional passes into the next tier on the way: 1.2 from 40,000 with 4,800 begins at 48,000 (first tier) and is
    // liquidated at (4800 + 48000 + 50) / (1.2 * 1.005) = 43822.553897, notional 52,587 in the second.
    assert_eq!(rounded(at("-1.2", "40000", "4800", btc().as_slice()), 6), "43822.553897");
}

#[test]
fn positions_without_a_price_of_liquidation() {
    let tiers = btc();
    assert_eq!(at("1", "40000", "40000", tiers.as_slice()), LiquidationPrice::Never, "all of it is paid");
    assert_eq!(at("1", "40000", "50000", tiers.as_slice()), LiquidationPrice::Never);
    assert_eq!(at("-1", "40000", "-40000", tiers.as_slice()), LiquidationPrice::Always);
    assert_eq!(distance(price("1"), LiquidationPrice::Never, true), f64::INFINITY);
    assert_eq!(distance(price("1"), LiquidationPrice::Always, false), 0.0);
    let mut big = Quantity::from_raw(i128::MAX);
    assert_eq!(liquidation_price(big, Money::ZERO, Money::MAX, tiers.as_slice()), None, "beyond what can be held");
    big = Quantity::from_raw(i128::MIN);
    assert_eq!(liquidation_price(big, Money::ZERO, Money::ZERO, tiers.as_slice()), None);
}

#[test]
fn distances_are_signed() {
    let at = |text| LiquidationPrice::At(price(text));
    testkit::assert_close(distance(price("100"), at("96"), true), 0.04, 0.0, 1e-15);
    testkit::assert_close(distance(price("100"), at("104"), false), 0.04, 0.0, 1e-15);
    assert!(distance(price("100"), at("101"), true) < 0.0, "passed");
    assert!(distance(price("100"), at("99"), false) < 0.0, "passed");
}

#[test]
fn steps_of_distance_at_their_bounds() {
    let config = GuardConfig::default();
    for (distance, step) in [
        (f64::NAN, DistanceStep::Far),
        (f64::INFINITY, DistanceStep::Far),
        (0.1, DistanceStep::Far),
        (0.099_999_9, DistanceStep::Add),
        (0.05, DistanceStep::Add),
        (0.049_999_9, DistanceStep::Halve),
        (0.040_000_1, DistanceStep::Halve),
        (0.04, DistanceStep::Close),
        (0.0, DistanceStep::Close),
        (-3.0, DistanceStep::Close),
        (f64::NEG_INFINITY, DistanceStep::Close),
    ] {
        assert_eq!(DistanceStep::of(distance, &config), step, "{distance}");
    }
}

fn margin(equity: &str, needed: &str) -> Margin {
    Margin { wallet: money("100"), equity: money(equity), maintenance: money(needed) }
}

#[test]
fn steps_of_the_ratio_at_their_bounds() {
    let config = GuardConfig::default();
    for (equity, needed, step) in [
        ("100", "79.999999999999", RatioStep::Calm),
        ("100", "80", RatioStep::Alert),
        ("100", "89.999999999999", RatioStep::Alert),
        ("100", "90", RatioStep::Act),
        ("100", "94.999999999999", RatioStep::Act),
        ("100", "95", RatioStep::Critical),
        ("0", "1", RatioStep::Critical),
        ("-5", "1", RatioStep::Critical),
        ("-5", "0", RatioStep::Calm),
        ("0", "0", RatioStep::Calm),
    ] {
        assert_eq!(margin(equity, needed).step(None, &config), step, "{equity} {needed}");
    }
}

#[test]
fn a_ratio_that_will_reach_its_bound_at_the_next_check_acts_now() {
    let config = GuardConfig::default();
    // 78/104 = 75 % before, 81/100 = 81 % now; 84/96 = 87.5 % next.
    assert_eq!(margin("100", "81").step(Some(margin("104", "78")), &config), RatioStep::Alert);
    // 76/106 before, 83/100 now; 90/94 next.
    assert_eq!(margin("100", "83").step(Some(margin("106", "76")), &config), RatioStep::Act);
    // 78/110 before, 84/100 now; 90/100 exactly.
    let exact = Margin { equity: money("100"), ..margin("100", "84") };
    assert_eq!(exact.step(Some(margin("100", "78")), &config), RatioStep::Act, "inclusive");
    assert_eq!(margin("100", "84").step(Some(margin("100", "78.000000000001")), &config), RatioStep::Alert);
    // Better than before, and after a posting to the wallet: nothing is projected.
    assert_eq!(margin("100", "83").step(Some(margin("95", "86")), &config), RatioStep::Alert);
    let other = Margin { wallet: money("99"), ..margin("106", "76") };
    assert_eq!(margin("100", "83").step(Some(other), &config), RatioStep::Alert);
}

#[test]
fn tiers_that_cannot_be_are_named() {
    let good = tier("0", "0.004", "0");
    for (tiers, at, expected) in [
        (vec![], 1, "at least one"),
        (vec![tier("5", "0.004", "0")], 1, "from a notional of 0"),
        (vec![tier("0", "0", "0")], 1, "a rate between 0 and 1"),
        (vec![tier("0", "1", "0")], 1, "a rate between 0 and 1"),
        (vec![good, tier("50000", "0.004", "0")], 2, "a larger notional and a larger rate"),
        (vec![good, tier("0", "0.005", "0")], 2, "a larger notional and a larger rate"),
        (vec![good, tier("50000", "0.005", "52")], 2, "continuous"),
    ] {
        let error = Tiers::new(tiers).unwrap_err();
        assert_eq!(error.tier, at);
        assert!(error.to_string().contains(expected), "{error}");
    }
    let tiers = btc();
    assert_eq!(from_bytes::<Tiers>(&to_bytes(&tiers)), Ok(tiers));
}

/// Whether the venue liquidates at a price: equity below maintenance, in the slow form that looks the tier up.
fn is_liquidated(at: Price, base: Quantity, cost: Money, funds: Money, tiers: &[Tier]) -> bool {
    let notional = at.notional(base.checked_abs().unwrap(), Rounding::Up).unwrap();
    let tier = tiers.iter().rev().find(|tier| notional >= tier.notional_min).unwrap();
    let needed = notional.times(tier.rate, Rounding::Up).unwrap().checked_sub(tier.deduction).unwrap();
    let value = at.notional(base, Rounding::Down).unwrap();
    let equity = funds.checked_add(value).unwrap().checked_sub(cost).unwrap();
    equity < needed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The formula's price is where equity meets maintenance: a bisection that knows no formula finds the same one.
    #[test]
    fn the_price_is_where_equity_meets_maintenance(
        lots in 1i64..500_000, // of 0.001
        entry in 1_000i64..80_000,
        leverage in 2i64..60,
        long in any::<bool>(),
        extra in -20i64..200, // percent of the margin: wins and losses of other positions
    ) {
        let tiers = btc();
        let base = Quantity::from_raw(i128::from(if long { lots } else { -lots }) * 1_000_000_000);
        let cost = Price::from_units(entry).notional(base, Rounding::Down).unwrap();
        let margin = cost.checked_abs().unwrap().raw() / i128::from(leverage);
        let funds = Money::from_raw(margin + margin * i128::from(extra) / 100);
        let found = liquidation_price(base, cost, funds, tiers.as_slice()).unwrap();
        let gone = |raw: i128| is_liquidated(Price::from_raw(raw), base, cost, funds, tiers.as_slice());
        // From a price at which it lives for sure to one at which it does not, if there is one.
        let (mut lives, mut dies) = if long { (1i128 << 60, 1i128) } else { (1i128, 1i128 << 60) };
        prop_assert!(!gone(lives));
        match found {
            LiquidationPrice::Never => prop_assert!(!gone(dies)),
            LiquidationPrice::Always => prop_assert!(false, "a short with margin lives at a price of nothing"),
            LiquidationPrice::At(price) => {
                prop_assert!(gone(dies));
                while (lives - dies).abs() > 1 {
                    let middle = lives + (dies - lives) / 2;
                    if gone(middle) { dies = middle } else { lives = middle }
                }
                // Each rounding is at most 1e-12 of a unit of quote, spread over the size.
                let tolerance = 8 * 1_000_000_000_000 / base.checked_abs().unwrap().raw() + 8;
                prop_assert!((price.raw() - dies).abs() <= tolerance, "{} {}", price.raw(), dies);
            }
        }
    }

    #[test]
    fn maintenance_is_that_of_the_tier(units in 0i64..450_000_000) {
        let tiers = btc();
        let notional = Money::from_units(units);
        let tier = tiers.as_slice().iter().rev().find(|tier| notional >= tier.notional_min).unwrap();
        let of_tier = notional.times(tier.rate, Rounding::Up).unwrap().checked_sub(tier.deduction).unwrap();
        prop_assert_eq!(maintenance(notional, tiers.as_slice()), Some(of_tier));
    }

    #[test]
    fn less_equity_is_never_a_milder_step(equity in -50i64..200, less in 0i64..100, needed in 0i64..150, before in prop::option::of((-50i64..200, 0i64..150))) {
        let config = GuardConfig::default();
        let of = |equity, needed| Margin { wallet: Money::ZERO, equity: Money::from_units(equity), maintenance: Money::from_units(needed) };
        let before = before.map(|(equity, needed)| of(equity, needed));
        prop_assert!(of(equity - less, needed).step(before, &config) >= of(equity, needed).step(before, &config));
    }
}
