//! Equity in a report currency that is not the only quote asset, and what is unknown.

use crate::common::{A, ACCOUNT};
use domain::{
    EventBody, Instrument, InstrumentIdx, InstrumentTable, MarketView, Money, Price, Quantity, Side, StrategyIdx,
};
use portfolio::Portfolio;
use testkit::{assert_close, money};

/// BTCUSDT (0), ETHUSDT (1) and ETHBTC (2), report currency as told by its code.
fn world(report: &str) -> (InstrumentTable, Portfolio, MarketView) {
    let mut table = InstrumentTable::default();
    let btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
    let eth = testkit::add_spot(&mut table, "ETHUSDT", 2, 4);
    let cross = Instrument {
        idx: InstrumentIdx(2),
        symbol: "ETHBTC".into(),
        quote: btc.base,
        settle: btc.base,
        price_decimals: 6,
        tick: Price::from_mantissa(1, 6),
        ..eth
    };
    table.define(cross).unwrap();
    let mut portfolio = Portfolio::new(table.asset(report, 8).unwrap());
    let mut view = MarketView::default();
    for i in table.instruments() {
        portfolio.define(i);
        view.add_instrument(i.idx);
    }
    (table, portfolio, view)
}

fn mark(table: &InstrumentTable, view: &mut MarketView, idx: u16, price: i64) {
    let trade = testkit::trade(table.get(InstrumentIdx(idx)).unwrap(), 0, price, 1, Side::Buy);
    view.apply(trade.ts_event, &EventBody::Trade(trade));
}

fn buy_cross(table: &InstrumentTable, portfolio: &mut Portfolio) {
    let btc = table.get(InstrumentIdx(0)).unwrap().base;
    portfolio.transfer(ACCOUNT, btc, money("1")).unwrap();
    // 2 ETH at 0.05 BTC.
    let mut world = crate::common::World::new();
    let fill = world.fill(2, A, Side::Buy, 50_000, 20_000, ("0.0002", btc));
    portfolio.apply_fill(table, &fill).unwrap();
}

#[test]
fn balances_and_positions_come_by_their_own_rates() {
    let (table, mut portfolio, mut view) = world("USDT");
    buy_cross(&table, &mut portfolio);
    let both = |view: &MarketView| (portfolio.equity(ACCOUNT, &table, view), portfolio.equity_estimate(ACCOUNT, view));
    assert_eq!(both(&view), (None, None));
    mark(&table, &mut view, 2, 60_000);
    assert_eq!(both(&view), (None, None), "no price of BTC in USDT, no equity");
    mark(&table, &mut view, 0, 4_000_000);
    // (1 - 0.1 - 0.0002 + 2 * 0.06) * 40000: the position at the mark of its own instrument, not at ETHUSDT.
    let (exact, estimate) = both(&view);
    assert_eq!(exact, Some(money("40792")));
    assert_close(estimate.unwrap(), 40_792.0, 1e-14, 0.0);
    assert_eq!(portfolio.unrealised(ACCOUNT, &table, &view), Some(money("800")));
    assert_eq!(portfolio.gross_notional(ACCOUNT, &table, &view), Some(money("4800")));
}

#[test]
fn the_reciprocal_serves_where_no_direct_rate_exists() {
    let (table, mut portfolio, mut view) = world("BTC");
    portfolio.transfer(ACCOUNT, table.get(InstrumentIdx(0)).unwrap().quote, money("10000")).unwrap();
    assert_eq!(portfolio.equity(ACCOUNT, &table, &view), None);
    mark(&table, &mut view, 0, 3_000_000);
    assert_eq!(portfolio.equity(ACCOUNT, &table, &view), Some(Money::from_raw(333_333_333_333)));
    assert_close(portfolio.equity_estimate(ACCOUNT, &view).unwrap(), 1.0 / 3.0, 1e-15, 0.0);
}

#[test]
fn nothing_held_needs_no_price() {
    let (table, mut portfolio, view) = world("USDT");
    let usdt = portfolio.report_currency();
    portfolio.transfer(ACCOUNT, usdt, money("7")).unwrap();
    assert_eq!(portfolio.equity(ACCOUNT, &table, &view), Some(money("7")));
    assert_eq!(portfolio.equity_estimate(ACCOUNT, &view), Some(7.0));
    assert_eq!(portfolio.unrealised(ACCOUNT, &table, &view), Some(Money::ZERO));
    let none = portfolio.exposure(ACCOUNT, InstrumentIdx(0), &table, &view).unwrap();
    assert_eq!((none.net, none.gross), (Money::ZERO, Money::ZERO));
    assert_eq!(portfolio.position(ACCOUNT, InstrumentIdx(0), StrategyIdx(0)).quantity, Quantity::ZERO);
}
