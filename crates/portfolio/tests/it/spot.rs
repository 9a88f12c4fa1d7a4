//! Spot fills: postings, rounding, fees in both assets, refusals.

use crate::common::{A, ACCOUNT, B, World};
use domain::{AccountId, InstrumentIdx, Money, Quantity, Side};
use portfolio::{LedgerError, PostingKind};
use testkit::{money, quantity};

#[test]
fn a_buy_and_a_sell_with_fees_in_quote() {
    let mut world = World::new();
    world.deposit("10000");
    let effect = world.trade(0, A, Side::Buy, 4_000_001, 10_000, "4.00");
    assert_eq!((effect.opened, effect.closed, effect.opened_or_enlarged), (quantity("0.1"), Quantity::ZERO, true));
    assert_eq!((effect.position.quantity, effect.position.cost), (quantity("0.1"), money("4000.001")));
    let kinds: Vec<_> = effect.postings.as_slice().iter().map(|p| (p.kind, p.amount.to_string())).collect();
    assert_eq!(
        kinds,
        [
            (PostingKind::Trade, "-4000.001".to_owned()),
            (PostingKind::Trade, "0.1".to_owned()),
            (PostingKind::Fee, "-4".to_owned()),
        ]
    );
    let effect = world.trade(0, A, Side::Sell, 4_100_000, 4_000, "1.64");
    assert_eq!(effect.realised, money("39.9996"));
    assert_eq!((effect.closed, effect.fee_value, effect.opened_or_enlarged), (quantity("0.04"), money("1.64"), false));
    assert_eq!(world.balance(world.usdt), "7634.359");
    assert_eq!(world.balance(world.instrument(0).base), "0.06");
    let result = world.portfolio.result(ACCOUNT, InstrumentIdx(0), A);
    assert_eq!((result.realised, result.fees), (money("39.9996"), money("5.64")));
}

#[test]
fn a_fee_in_the_base_asset_disposes_of_that_quantity() {
    let mut world = World::new();
    world.deposit("10000");
    let btc = world.instrument(0).base;
    // 0.1 at 40000 with 0.0001 taken: worth 4, with 4 of the cost. What is left cost 3996.
    let fill = world.fill(0, A, Side::Buy, 4_000_000, 10_000, ("0.0001", btc));
    let effect = world.apply(&fill).unwrap();
    assert_eq!((effect.position.quantity, effect.position.cost), (quantity("0.0999"), money("3996")));
    assert_eq!((effect.fee_value, effect.realised, effect.fee_quantity), (money("4"), Money::ZERO, quantity("0.0001")));
    // At 50000, with an older cost: the fee of 0.0001 is worth 5.
    let fill = world.fill(0, A, Side::Buy, 5_000_000, 10_000, ("0.0001", btc));
    let effect = world.apply(&fill).unwrap();
    assert_eq!(effect.fee_value, money("5"));
    // Its share of 8996 is 8996 * 0.0001 / 0.1999 = 4.50025012..., rounded up at 8 decimals.
    assert_eq!(effect.realised, money("0.49974987"));
    assert_eq!(effect.position.cost, money("8991.49974987"));
    assert_eq!(world.balance(btc), "0.1998");
    world.mark(0, 5_000_000);
    // 10000 - 9000 + 0.1998 * 50000
    assert_eq!(world.equity(), Some(money("10990")));
}

#[test]
fn rounding_goes_against_us_once() {
    let mut table = domain::InstrumentTable::default();
    testkit::add_spot(&mut table, "XUSDT", 8, 4);
    let mut world = World::of(table);
    world.deposit("1");
    // 0.00000001 * 0.0001 = 1e-12, at 8 decimals 1e-8 up and 0 down.
    let bought = world.trade(0, A, Side::Buy, 1, 1, "0");
    assert_eq!(
        (bought.position.cost, bought.postings.as_slice()[0].amount),
        (money("0.00000001"), money("-0.00000001"))
    );
    let sold = world.trade(0, A, Side::Sell, 1, 1, "0");
    assert_eq!(sold.realised, money("-0.00000001"));
    assert!(sold.position.is_flat() && sold.position.cost.is_zero());
    assert_eq!(world.balance(world.usdt), "0.99999999");
}

#[test]
fn a_strategy_cannot_sell_what_another_one_holds() {
    let mut world = World::new();
    world.deposit("10000");
    world.trade(0, A, Side::Buy, 4_000_000, 10_000, "0");
    let before = world.digest();
    let fill = world.fill(0, B, Side::Sell, 4_000_000, 10_000, ("0", world.usdt));
    let error = world.apply(&fill).unwrap_err();
    assert_eq!(
        error,
        LedgerError::ShortSpot {
            account: ACCOUNT,
            instrument: InstrumentIdx(0),
            strategy: B,
            held: Quantity::ZERO,
            taken: quantity("0.1")
        }
    );
    assert_eq!(error.to_string(), "account 3, instrument 0, strategy 1: 0.1 would be taken from a spot position of 0");
    // Sold out with the fee in base: nothing is left to pay it with.
    let fill = world.fill(0, A, Side::Sell, 4_000_000, 10_000, ("0.0001", world.instrument(0).base));
    assert!(matches!(world.apply(&fill), Err(LedgerError::ShortSpot { .. })));
    assert_eq!(before, world.digest());
}

#[test]
fn what_cannot_be_held_changes_nothing() {
    let mut world = World::new();
    world.portfolio.transfer(ACCOUNT, world.usdt, Money::from_raw(i128::MAX)).unwrap();
    world.portfolio.transfer(ACCOUNT, world.instrument(0).base, Money::from_units(1)).unwrap();
    world.trade(0, A, Side::Buy, 4_000_000, 10_000, "0");
    let before = world.digest();
    let more = Money::from_units(5_000);
    let error = world.portfolio.transfer(ACCOUNT, world.usdt, more).unwrap_err();
    assert_eq!(error, LedgerError::BalanceOverflow { account: ACCOUNT, asset: world.usdt, amount: more });
    // The sale's quote posting fits, its rebate does not: the first two postings are taken back.
    let fill = world.fill(0, A, Side::Sell, 4_000_000, 1_000, ("-4000", world.usdt));
    assert!(matches!(world.apply(&fill), Err(LedgerError::BalanceOverflow { .. })));
    // A price x quantity beyond 128 bits at 1e-12 cannot be written in mantissas, a total beyond it can be reached by fees.
    let mut fill = world.fill(0, A, Side::Sell, 4_000_000, 1_000, ("0", world.usdt));
    fill.fee_amount = Money::from_raw(i128::MIN);
    assert!(matches!(world.apply(&fill), Err(LedgerError::ValueOverflow { .. })));
    for (price, quantity) in [(0, 1), (1, 0), (-5, 1), (1, -5)] {
        let fill = world.fill(0, A, Side::Sell, price, quantity, ("0", world.usdt));
        assert!(matches!(world.apply(&fill), Err(LedgerError::NotPositive { .. })));
    }
    let fill = world.fill(9, A, Side::Sell, 1, 1, ("0", world.usdt));
    assert_eq!(world.apply(&fill), Err(LedgerError::UnknownInstrument { instrument: InstrumentIdx(9) }));
    assert_eq!(before, world.digest());
}

#[test]
fn a_fee_in_a_third_asset_is_posted_there() {
    let mut world = World::new();
    world.deposit("10000");
    let eth = world.instrument(1).base;
    let fill = world.fill(0, A, Side::Buy, 4_000_000, 10_000, ("0.002", eth));
    let effect = world.apply(&fill).unwrap();
    assert_eq!((effect.fee_value, effect.position.cost), (Money::ZERO, money("4000")));
    assert_eq!((world.balance(eth), world.portfolio.fees_in(ACCOUNT, eth)), ("-0.002".to_owned(), money("0.002")));
    world.mark(0, 4_000_000);
    assert_eq!(world.equity(), None, "nothing is known of what the fee is worth");
    world.mark(1, 250_000);
    assert_eq!(world.equity(), Some(money("9995")));
}

#[test]
fn accounts_are_apart() {
    let mut world = World::new();
    world.deposit("1");
    world.portfolio.transfer(AccountId(1), world.usdt, money("2")).unwrap();
    let all: Vec<_> = world.portfolio.balances().map(|(account, _, amount)| (account.0, amount.to_string())).collect();
    assert_eq!(all, [(1, "2".to_owned()), (3, "1".to_owned())]);
    assert_eq!(world.portfolio.accounts().collect::<Vec<_>>(), [AccountId(1), ACCOUNT]);
    assert_eq!(world.portfolio.equity(AccountId(9), &world.table, &world.view), None);
}
