//! One perpetual from deposit to flat: margin, funding, flips, and several strategies on the venue's one position.

use crate::common::{A, ACCOUNT, B, World};
use domain::{InstrumentIdx, Money, Side};
use testkit::{money, quantity, rate};

const SOL: InstrumentIdx = InstrumentIdx(2);

#[test]
fn long_funding_partial_close_flip_and_flat() {
    let mut w = World::new();
    w.deposit("1000");
    w.mark(2, 20_000);
    // Long 100 at 20 with 5 % initial and 2.5 % maintenance margin.
    w.trade(2, A, Side::Buy, 20_000, 1_000, "1");
    assert_eq!(w.balance(w.usdt), "999");
    let margin = w.portfolio.margin(ACCOUNT, w.usdt, &w.table, &w.view).unwrap();
    assert_eq!((margin.initial, margin.maintenance, margin.unrealised), (money("100"), money("50"), Money::ZERO));
    assert_eq!(margin.free(), Some(money("899")));
    w.mark(2, 21_000);
    let margin = w.portfolio.margin(ACCOUNT, w.usdt, &w.table, &w.view).unwrap();
    assert_eq!((margin.initial, margin.maintenance, margin.unrealised), (money("105"), money("52.5"), money("100")));
    assert_eq!((margin.equity(), margin.free()), (Some(money("1099")), Some(money("994"))));
    assert_eq!(w.equity(), Some(money("1099")));
    // 2100 / 1099 = 1.910828025477..., up
    assert_eq!(w.portfolio.leverage(ACCOUNT, &w.table, &w.view), Some(rate("1.910828025478")));
    // Funding of 0.01 % of 2100 is paid.
    w.portfolio.funding(ACCOUNT, SOL, w.usdt, money("-0.21")).unwrap();
    assert_eq!(w.balance(w.usdt), "998.79");
    // A part is closed: 30 * (21 - 20).
    let effect = w.trade(2, A, Side::Sell, 21_000, 300, "0.63");
    assert_eq!((effect.realised, effect.closed), (money("30"), quantity("30")));
    assert_eq!(w.balance(w.usdt), "1028.16");
    // Through zero: 70 closed at 19 (-70), 30 opened short.
    w.mark(2, 19_000);
    let effect = w.trade(2, A, Side::Sell, 19_000, 1_000, "1.9");
    assert_eq!((effect.realised, effect.closed, effect.opened), (money("-70"), quantity("70"), quantity("30")));
    assert_eq!((effect.position.quantity, effect.position.cost), (quantity("-30"), money("-570")));
    assert!(effect.opened_or_enlarged);
    w.mark(2, 18_000);
    let exposure = w.portfolio.exposure(ACCOUNT, SOL, &w.table, &w.view).unwrap();
    assert_eq!((exposure.net, exposure.gross), (money("-540"), money("540")));
    assert_eq!(w.portfolio.unrealised(ACCOUNT, &w.table, &w.view), Some(money("30")));
    let effect = w.trade(2, A, Side::Buy, 18_000, 300, "0.54");
    assert_eq!((effect.realised, effect.position.is_flat()), (money("30"), true));
    // 1000 + 30 - 70 + 30 - 0.21 - (1 + 0.63 + 1.9 + 0.54)
    assert_eq!(w.balance(w.usdt), "985.72");
    assert_eq!(w.equity(), Some(money("985.72")));
    assert_eq!(w.portfolio.funding_in(ACCOUNT, w.usdt), money("-0.21"));
    assert_eq!(w.portfolio.leverage(ACCOUNT, &w.table, &w.view), Some(domain::Rate::ZERO));
}

#[test]
fn a_fall_below_maintenance_margin_is_seen() {
    let mut w = World::new();
    w.deposit("110");
    w.trade(2, A, Side::Buy, 20_000, 1_000, "0");
    let margin = |w: &World| w.portfolio.margin(ACCOUNT, w.usdt, &w.table, &w.view);
    assert_eq!(margin(&w), None, "no mark, no margin");
    assert_eq!(w.portfolio.leverage(ACCOUNT, &w.table, &w.view), None);
    w.mark(2, 19_400);
    // Equity 50 against 48.5.
    assert!(!margin(&w).unwrap().is_liquidatable());
    assert_eq!(margin(&w).unwrap().free(), Some(money("-47")));
    w.mark(2, 19_380);
    // Equity 48 against 48.45.
    assert!(margin(&w).unwrap().is_liquidatable());
    w.mark(2, 18_000);
    assert_eq!(w.equity(), Some(money("-90")));
    assert_eq!(w.portfolio.leverage(ACCOUNT, &w.table, &w.view), None, "no equity, no leverage that could be allowed");
}

#[test]
fn the_balance_follows_the_venues_position_and_results_the_strategies() {
    let mut w = World::new();
    w.deposit("1000");
    w.trade(2, A, Side::Buy, 10_000, 100, "0");
    w.trade(2, B, Side::Buy, 20_000, 100, "0");
    // A made 10 * (20 - 10); the venue sees 20 bought at 15 and pays 10 * (20 - 15).
    let effect = w.trade(2, A, Side::Sell, 20_000, 100, "0");
    assert_eq!(effect.realised, money("100"));
    assert_eq!(w.balance(w.usdt), "1050");
    w.mark(2, 20_000);
    assert_eq!(w.portfolio.unrealised(ACCOUNT, &w.table, &w.view), Some(Money::ZERO));
    assert_eq!(w.equity(), Some(money("1100")));
    let effect = w.trade(2, B, Side::Sell, 20_000, 100, "0");
    assert_eq!(effect.realised, Money::ZERO);
    assert_eq!(w.balance(w.usdt), "1100");
}

#[test]
fn contracts_count_with_their_multiplier() {
    let mut table = domain::InstrumentTable::default();
    let mut perp = testkit::add_perpetual(&mut table, "BTCUSDT", 1, 0);
    perp.multiplier = quantity("0.01");
    table.define(perp).unwrap();
    let mut w = World::of(table);
    w.deposit("1000");
    // 3 contracts of 0.01 at 40000.1, back at 41000.1.
    let effect = w.trade(0, A, Side::Buy, 400_001, 3, "0");
    assert_eq!(effect.position.cost, money("1200.003"));
    w.mark(0, 410_001);
    assert_eq!(w.equity(), Some(money("1030")));
    testkit::assert_close(w.portfolio.equity_estimate(ACCOUNT, &w.view).unwrap(), 1030.0, 1e-12, 0.0);
    let effect = w.trade(0, A, Side::Sell, 410_001, 3, "0");
    assert_eq!(effect.realised, money("30"));
}
