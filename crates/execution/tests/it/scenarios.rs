//! The life of positions, step by step: what the venue says, and what the desk says to it.

use crate::floor::{ACCOUNT, BASE, Floor, PERP, SPOT, transfer, wide};
use domain::{
    AccountId, Entry, Fill, Intent, Liquidity, Money, Quantity, Rate, RejectReason, ReportBody, Side, Signal,
    SizeRequest, StopPlan, StrategyIdx, VenueOrderId,
};
use execution::{Alarm, Orders, Purpose, Working};
use risk::{DenyReason, Profile};

fn long() -> Signal {
    Floor::entry(Intent::EnterLong, PERP)
}

fn short() -> Signal {
    Floor::entry(Intent::EnterShort, PERP)
}

fn exit() -> Signal {
    Floor::exit_of(PERP)
}

fn at(price: &str) -> Entry {
    Entry::Limit(testkit::price(price))
}

/// Long one unit of the perpetual at 100, with its stop (#2) at 95 accepted.
fn held() -> Floor {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.accept(1), None);
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.expect(&["#2 sell 1 stop 95"]);
    assert_eq!(floor.accept(2), None);
    floor
}

#[test]
fn a_filled_entry_has_its_stop_in_the_same_step() {
    let mut floor = held();
    floor.price(PERP, 95);
    assert_eq!(floor.fill(2, "1", 95, true), None);
    floor.expect(&[]);
    assert!(floor.held(PERP).is_zero());
    floor.expect_clean();
}

#[test]
fn the_stop_is_measured_from_the_average_entry_and_follows_partial_fills() {
    let mut floor = Floor::new();
    floor.signal(&Signal { size: SizeRequest::Base(Quantity::from_units(3)), ..long() }).unwrap();
    floor.expect(&["#1 buy 3 market"]);
    assert_eq!(floor.fill(1, "1", 100, false), None);
    floor.expect(&["#2 sell 1 stop 95"]);
    // Two at an average of 102: the stop is 96.9, for both.
    assert_eq!(floor.fill(1, "1", 104, false), None);
    floor.expect(&["cancel #2", "#3 sell 2 stop 96.9"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(1, "1", 102, true), None);
    floor.expect(&["cancel #3", "#4 sell 3 stop 96.9"]);
    assert_eq!(floor.canceled(3, None), None);
    floor.expect(&[]);
    assert_eq!(floor.desk.orders().len(), 1);
}

#[test]
fn a_fee_in_base_is_not_there_to_be_sold() {
    let mut floor = Floor::new();
    floor.signal(&Floor::entry(Intent::EnterLong, SPOT)).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.fill_for(1, "1", 100, true, "0.001"), None);
    // 0.999 are left, 0.99 are whole lots. Selling 0.999 of 100 for a fee of 0.1 costs 100.1001 a unit on average.
    let said = floor.said();
    assert!(said.len() == 1 && said[0].starts_with("#2 sell 0.99 stop"), "{said:?}");
    floor.price(SPOT, 95);
    assert_eq!(floor.fill(2, "0.99", 95, true), None);
    floor.expect(&[]);
    floor.expect_clean();
    assert_eq!(floor.held(SPOT), testkit::quantity("0.009"), "dust stays, without a stop");
    assert_eq!(floor.portfolio.balance(ACCOUNT, BASE), testkit::money("0.009"));
}

#[test]
fn a_position_below_the_venues_minimum_gets_no_stop() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    // 0.04 at 100 is 4 USDT.
    assert_eq!(floor.fill(1, "0.04", 100, false), None);
    floor.expect(&[]);
    assert_eq!(floor.fill(1, "0.02", 100, false), None);
    floor.expect(&["#2 sell 0.06 stop 95"]);
}

#[test]
fn the_stop_takes_the_target_off_and_the_target_the_stop() {
    for (filled, other) in [(2, 3), (3, 2)] {
        let mut floor = Floor::new();
        floor.signal(&Signal { target: Some(testkit::price("120.009")), ..long() }).unwrap();
        floor.expect(&["#1 buy 1 market"]);
        assert_eq!(floor.fill(1, "1", 100, true), None);
        floor.expect(&["#2 sell 1 stop 95", "#3 sell 1 target 120"]);
        assert_eq!(floor.fill(filled, "1", 100, true), None);
        floor.expect(&[&format!("cancel #{other}")]);
        assert_eq!(floor.canceled(other, None), None);
        floor.expect(&[]);
        floor.expect_clean();
    }
}

#[test]
fn a_stop_that_fills_in_part_goes_on_covering_the_rest() {
    let mut floor = held();
    assert_eq!(floor.fill(2, "0.4", 95, false), None);
    floor.expect(&[]);
    assert_eq!(floor.fill(2, "0.6", 95, true), None);
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn an_exit_closes_at_the_market_and_its_stop_goes_last() {
    let mut floor = held();
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    // Said twice, done once.
    floor.signal(&exit()).unwrap();
    floor.expect(&[]);
    assert_eq!(floor.fill(3, "0.4", 99, false), None);
    floor.expect(&["cancel #2", "#4 sell 0.6 stop 95"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(3, "0.6", 99, true), None);
    floor.expect(&["cancel #4"]);
    assert_eq!(floor.canceled(4, None), None);
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn an_exit_before_the_entry_filled_takes_it_off() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    floor.signal(&exit()).unwrap();
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn what_an_entry_fills_after_the_exit_was_asked_for_is_closed_too() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.fill(1, "0.3", 100, false), None);
    floor.expect(&["#2 sell 0.3 stop 95"]);
    floor.signal(&exit()).unwrap();
    floor.expect(&["cancel #1", "#3 sell 0.3 market"]);
    // The rest of the entry fills before the cancel gets there.
    assert_eq!(floor.fill(1, "0.7", 100, true), None);
    floor.expect(&["cancel #2", "#4 sell 1 stop 95"]);
    assert_eq!(floor.fill(3, "0.3", 100, true), None);
    floor.expect(&["cancel #4", "#5 sell 0.7 stop 95", "#6 sell 0.7 market"]);
    assert_eq!(floor.fill(6, "0.7", 100, true), None);
    floor.expect(&["cancel #5"]);
    for ordinal in [2, 4, 5] {
        assert_eq!(floor.canceled(ordinal, None), None);
    }
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn a_fill_reported_after_the_cancel_is_protected_and_closed() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    floor.signal(&exit()).unwrap();
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    assert_eq!(floor.fill(1, "0.5", 100, false), None, "a late fill of our own is no alarm");
    floor.expect(&["#2 sell 0.5 stop 95"]);
}

#[test]
fn an_entry_that_ends_at_the_venue_leaves_what_it_filled_protected() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.fill(1, "0.5", 100, false), None);
    floor.expect(&["#2 sell 0.5 stop 95"]);
    assert_eq!(floor.report(ReportBody::Expired { client_id: Floor::id(1) }), None);
    floor.expect(&[]);
    assert_eq!(floor.desk.orders().len(), 1);
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
}

#[test]
fn the_fill_of_an_order_that_is_not_known_is_an_alarm() {
    let mut floor = held();
    let mut fill = Fill {
        client_id: Floor::id(77),
        fee_amount: Money::ZERO,
        venue_id: VenueOrderId(77),
        trade_id: 77,
        price: 10_000,
        quantity: 100,
        instrument: PERP,
        account: ACCOUNT,
        strategy: StrategyIdx(0),
        fee_asset: floor.table.get(PERP).unwrap().quote,
        side: Side::Buy,
        liquidity: Liquidity::Taker,
    };
    assert_eq!(floor.book(fill, true), Some(Alarm::UnknownOrder(Floor::id(77))));
    floor.expect(&["cancel #2", "#3 sell 2 stop 95"]);
    fill.trade_id = 78;
    // The same order once more after it was filled.
    fill.client_id = Floor::id(1);
    assert_eq!(floor.book(fill, true), Some(Alarm::Overfilled(Floor::id(1))));
    assert!(floor.said().contains(&"alert overfilled".to_owned()));
    assert_eq!(floor.reject(78, RejectReason::NoMarket), Some(Alarm::UnknownOrder(Floor::id(78))));
}

#[test]
fn reports_that_cannot_follow_change_nothing() {
    let mut floor = held();
    let before = floor.digest();
    assert_eq!(floor.accept(2), None, "said twice");
    let twice = ReportBody::CancelRejected { client_id: Floor::id(2), reason: RejectReason::UnknownOrder };
    assert_eq!(floor.report(twice), None, "nobody had asked");
    assert!(matches!(floor.reject(2, RejectReason::NoMarket), Some(Alarm::Illegal(id, _)) if id == Floor::id(2)));
    assert_eq!(floor.report(transfer(1).body), None);
    assert_eq!(floor.report(ReportBody::Amended { client_id: Floor::id(2) }), None);
    floor.expect(&[]);
    assert_eq!(floor.digest(), before);
}

#[test]
fn a_reversal_waits_until_it_is_flat_and_is_checked_then() {
    let mut floor = held();
    floor.signal(&short()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    assert_eq!(floor.fill(3, "0.9", 99, false), None);
    floor.expect(&["cancel #2", "#4 sell 0.1 stop 95"]);
    assert_eq!(floor.fill(3, "0.1", 99, true), None);
    floor.expect(&["cancel #4", "#5 sell 1 market"]);
    assert_eq!(floor.fill(5, "1", 100, true), None);
    floor.expect(&["#6 buy 1 stop 105"]);
    // The other way: what stands against the entry by then refuses it, and the exit goes all the same.
    floor.canceled(2, None);
    floor.canceled(4, None);
    floor.signal(&long()).unwrap();
    floor.expect(&["#7 buy 1 market"]);
    floor.mode = domain::Mode::Reduced;
    assert_eq!(floor.fill(7, "1", 100, true), None);
    floor.expect(&["cancel #6", "refused paused"]);
    assert_eq!(floor.canceled(6, None), None);
    floor.expect_clean();
}

#[test]
fn a_newer_word_replaces_the_one_that_waits() {
    let mut floor = held();
    floor.signal(&short()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    floor.signal(&exit()).unwrap();
    floor.expect(&[]);
    assert_eq!(floor.fill(3, "1", 99, true), None);
    floor.expect(&["cancel #2"]);
    floor.canceled(2, None);
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn a_reversal_of_an_entry_on_its_way_waits_for_its_cancel() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    floor.signal(&short()).unwrap();
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&["#2 sell 1 market"]);
}

#[test]
fn an_entry_after_an_exit_waits_for_the_old_one_to_be_gone() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    floor.signal(&exit()).unwrap();
    floor.signal(&long()).unwrap();
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&["#2 buy 1 market"]);
    assert_eq!(floor.fill(2, "1", 100, true), None);
    floor.expect(&["#3 sell 1 stop 95"]);
}

#[test]
fn a_stop_that_the_venue_refuses_is_an_alarm_and_an_exit() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.expect(&["#2 sell 1 stop 95"]);
    let alarm = floor.reject(2, RejectReason::Unsupported);
    assert_eq!(alarm, Some(Alarm::ReductionRejected(Floor::id(2), RejectReason::Unsupported)));
    floor.expect(&["#3 sell 1 market"]);
    assert_eq!(floor.fill(3, "1", 99, true), None);
    floor.expect_clean();
}

#[test]
fn a_stop_or_target_that_the_market_has_passed_is_an_exit_and_no_alarm() {
    for late in [2, 3] {
        let mut floor = Floor::new();
        floor.signal(&Signal { target: Some(testkit::price("110")), ..long() }).unwrap();
        floor.expect(&["#1 buy 1 market"]);
        assert_eq!(floor.fill(1, "1", 100, true), None);
        floor.expect(&["#2 sell 1 stop 95", "#3 sell 1 target 110"]);
        assert_eq!(floor.reject(late, RejectReason::WouldTrigger), None);
        floor.expect(&["#4 sell 1 market"]);
    }
}

#[test]
fn reductions_that_come_too_late_are_nothing_wrong() {
    let mut floor = held();
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    // The stop filled at the venue while the exit was on its way: it must not meet the next position.
    assert_eq!(floor.fill(2, "1", 95, true), None);
    floor.expect(&["cancel #3"]);
    for reason in [RejectReason::ReduceOnly, RejectReason::InsufficientBalance] {
        let mut floor = held();
        floor.signal(&exit()).unwrap();
        floor.expect(&["#3 sell 1 market"]);
        assert_eq!(floor.fill(2, "1", 95, true), None);
        floor.expect(&["cancel #3"]);
        assert_eq!(floor.reject(3, reason), None);
        floor.expect(&[]);
        floor.expect_clean();
    }
    let mut floor = held();
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    assert_eq!(floor.fill(3, "1", 95, true), None);
    floor.expect(&["cancel #2"]);
    assert_eq!(floor.canceled(2, Some(RejectReason::ReduceOnly)), None);
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn a_stop_that_the_venue_takes_off_is_placed_again_until_it_is_too_much() {
    let mut floor = held();
    for ordinal in [2, 3] {
        assert_eq!(floor.canceled(ordinal, Some(RejectReason::ReduceOnly)), None);
        floor.expect(&[&format!("#{} sell 1 stop 95", ordinal + 1)]);
    }
    assert_eq!(floor.canceled(4, Some(RejectReason::ReduceOnly)), Some(Alarm::EndedByVenue(Floor::id(4))));
    floor.expect(&["#5 sell 1 market"]);
}

#[test]
fn an_exit_that_ends_without_closing_is_sent_again_and_waits_longer_each_time() {
    let mut floor = held();
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    assert_eq!(floor.reject(3, RejectReason::NoMarket), None);
    floor.expect(&["#4 sell 1 market"]);
    assert_eq!(floor.canceled(4, Some(RejectReason::NotFilledAtOnce)), None);
    floor.expect(&["#5 sell 1 market"]);
    // A fill shows that the venue trades: the count begins again.
    assert_eq!(floor.fill(5, "0.5", 99, false), None);
    floor.expect(&["cancel #2", "#6 sell 0.5 stop 95"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.canceled(5, None), None, "ended, and nobody asked");
    floor.expect(&["#7 sell 0.5 market"]);
    assert_eq!(floor.reject(7, RejectReason::NoMarket), None);
    floor.expect(&["#8 sell 0.5 market"]);
    let alarm = floor.reject(8, RejectReason::NoMarket);
    assert_eq!(alarm, Some(Alarm::ReductionRejected(Floor::id(8), RejectReason::NoMarket)));
    floor.expect(&["wake in 1 s"]);
    assert!(floor.desk.orders().iter().any(|w| w.purpose == Purpose::Stop), "its stop still stands");
    // It is tried again, each time after twice as long.
    floor.pass(0.999);
    floor.expect(&[]);
    floor.pass(0.001);
    floor.expect(&["#9 sell 0.5 market"]);
    assert!(floor.reject(9, RejectReason::NoMarket).is_some());
    floor.expect(&["wake in 2 s"]);
    // A new word begins anew.
    floor.signal(&exit()).unwrap();
    floor.expect(&["#10 sell 0.5 market"]);
    assert_eq!(floor.reject(10, RejectReason::NoMarket), None);
    floor.expect(&["#11 sell 0.5 market"]);
}

#[test]
fn an_exit_that_comes_after_the_stop_was_set_off_is_not_sent_again_until_that_ends() {
    let mut floor = held();
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    assert_eq!(floor.fill(2, "0.4", 95, false), None);
    floor.expect(&[]);
    assert_eq!(floor.reject(3, RejectReason::InsufficientBalance), None);
    floor.expect(&[]);
    assert_eq!(floor.canceled(2, Some(RejectReason::InsufficientBalance)), None);
    floor.expect(&["#4 sell 0.6 stop 95", "#5 sell 0.6 market"]);
}

/// Three units asked for, one filled at 100 with its stop (#2), accepted; the venue sets the stop off.
fn set_off_while_entering(target: bool) -> Floor {
    let mut floor = Floor::new();
    let target = target.then(|| testkit::price("110"));
    floor.signal(&Signal { size: SizeRequest::Base(Quantity::from_units(3)), target, ..long() }).unwrap();
    floor.expect(&["#1 buy 3 market"]);
    assert_eq!(floor.fill(1, "1", 100, false), None);
    floor.said();
    assert_eq!(floor.accept(2), None);
    floor
}

#[test]
fn a_stop_that_is_set_off_ends_its_entry_and_is_not_touched_any_more() {
    let mut floor = set_off_while_entering(false);
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
    floor.expect(&["cancel #1"]);
    // One more unit was bought before the cancel arrived: it is closed beside the stop, which stays as it is.
    assert_eq!(floor.fill(1, "1", 94, false), None);
    floor.expect(&["#3 sell 1 market"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&[]);
    assert_eq!(floor.fill(2, "0.5", 94, false), None);
    floor.expect(&[]);
    assert_eq!(floor.fill(2, "0.5", 93, true), None);
    // A stop for what is left stays until the exit has closed it.
    let said = floor.said();
    assert!(said.len() == 1 && said[0].starts_with("#4 sell 1 stop"), "{said:?}");
    assert_eq!(floor.fill(3, "1", 93, true), None);
    floor.expect(&["cancel #4"]);
    assert_eq!(floor.canceled(4, None), None);
    floor.expect(&[]);
    assert!(floor.held(PERP).is_zero());
    floor.expect_clean();
}

#[test]
fn a_target_that_is_set_off_ends_its_entry_too_and_the_stop_stays() {
    let mut floor = set_off_while_entering(true);
    assert_eq!(floor.accept(3), None);
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(3) }), None);
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    assert_eq!(floor.fill(3, "0.6", 110, false), None);
    floor.expect(&["cancel #2", "#4 sell 0.4 stop 95"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(3, "0.4", 110, true), None);
    floor.expect(&["cancel #4"]);
    assert_eq!(floor.canceled(4, None), None);
    floor.expect_clean();
}

#[test]
fn a_stop_that_fills_was_set_off_whether_or_not_the_venue_said_so() {
    let mut floor = set_off_while_entering(true);
    assert_eq!(floor.fill(2, "0.5", 95, false), None);
    floor.expect(&["cancel #1", "cancel #3"]);
    assert_eq!(floor.canceled(1, None), None);
    assert_eq!(floor.canceled(3, None), None);
    assert_eq!(floor.fill(2, "0.5", 94, true), None);
    floor.expect(&[]);
    floor.expect_clean();
    // A word that its fill overtook says nothing new.
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
}

#[test]
fn the_rest_of_a_stop_or_exit_below_the_venues_minimum_goes_on() {
    let mut floor = held();
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
    // 0.02 at 95 is less than the venue takes as an order of its own.
    assert_eq!(floor.fill(2, "0.98", 95, false), None);
    floor.expect(&[]);
    assert_eq!(floor.fill(2, "0.02", 95, true), None);
    floor.expect(&[]);
    assert!(floor.held(PERP).is_zero());
    floor.expect_clean();
    let mut floor = held();
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
    assert_eq!(floor.fill(3, "0.98", 99, false), None);
    floor.expect(&["cancel #2"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(3, "0.02", 99, true), None);
    floor.expect_clean();
}

#[test]
fn an_entry_waits_until_a_stop_that_was_set_off_is_through() {
    let mut floor = held();
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
    floor.signal(&long()).unwrap();
    floor.expect(&[]);
    assert_eq!(floor.fill(2, "0.5", 95, false), None);
    floor.expect(&[]);
    assert_eq!(floor.fill(2, "0.5", 95, true), None);
    floor.expect(&["#3 buy 1 market"]);
}

#[test]
fn a_venue_that_sets_each_stop_off_and_ends_it_is_not_asked_for_ever() {
    let mut floor = held();
    let mut alarms = 0;
    for ordinal in 2..20 {
        let Some(spec) = floor.sent.iter().find(|s| s.client_id == Floor::id(ordinal)).copied() else { break };
        if spec.kind != domain::OrderType::Market {
            assert_eq!(floor.report(ReportBody::Triggered { client_id: spec.client_id }), None);
        }
        let alarm = floor.canceled(ordinal, Some(RejectReason::InsufficientBalance));
        alarms += u32::from(alarm.is_some());
        floor.said();
    }
    assert!(alarms >= 1 && floor.sent.len() < 12, "{alarms} alarms, {} orders", floor.sent.len());
}

#[test]
fn below_the_venues_minimum_a_stop_waits_for_more_and_then_the_rest_is_closed() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.fill(1, "0.05", 100, false), None);
    floor.expect(&["#2 sell 0.05 stop 95"]);
    assert_eq!(floor.reject(2, RejectReason::MinNotional), None);
    floor.expect(&[]);
    assert_eq!(floor.canceled(1, Some(RejectReason::NotFilledAtOnce)), None);
    floor.expect(&["#3 sell 0.05 stop 95"]);
    assert_eq!(floor.reject(3, RejectReason::MinNotional), None);
    floor.expect(&["#4 sell 0.05 market"]);
    assert_eq!(floor.reject(4, RejectReason::MinNotional), None);
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn a_second_entry_while_one_works_is_refused() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    assert_eq!(floor.signal(&long()).unwrap_err().reason, DenyReason::Duplicate);
    floor.expect(&["#1 buy 1 market"]);
}

#[test]
fn entries_of_two_strategies_do_not_oppose_each_other_on_their_way() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    let other = Signal { strategy: StrategyIdx(1), ..short() };
    assert_eq!(floor.signal(&other).unwrap_err().reason, DenyReason::OpposesOwnPosition);
    floor.signal(&Signal { strategy: StrategyIdx(1), ..long() }).unwrap();
}

#[test]
fn a_reduction_that_would_trade_with_an_older_entry_takes_it_off_first() {
    let mut floor = held();
    // Another strategy buys below the market, and waits there.
    floor.signal(&Signal { strategy: StrategyIdx(1), entry: at("90"), ..long() }).unwrap();
    floor.expect(&["#3 buy 1 limit 90"]);
    floor.signal(&exit()).unwrap();
    floor.expect(&["cancel #3"]);
    assert_eq!(floor.canceled(3, None), None);
    floor.expect(&["#4 sell 1 market"]);
}

#[test]
fn an_exit_waits_for_its_own_resting_entry_too() {
    let mut floor = Floor::new();
    floor.signal(&Signal { entry: at("99"), ..long() }).unwrap();
    floor.expect(&["#1 buy 1 limit 99"]);
    assert_eq!(floor.fill(1, "0.5", 99, false), None);
    floor.expect(&["#2 sell 0.5 stop 94.05"]);
    floor.signal(&exit()).unwrap();
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&["#3 sell 0.5 market"]);
}

#[test]
fn an_entry_that_would_trade_with_an_older_one_waits_and_is_checked_when_that_is_gone() {
    let other = Signal { strategy: StrategyIdx(1), ..short() };
    let waiting = || {
        let mut floor = Floor::new();
        floor.signal(&Signal { entry: at("90"), ..long() }).unwrap();
        floor.expect(&["#1 buy 1 limit 90"]);
        floor.signal(&other).unwrap();
        floor.expect(&[]);
        floor
    };
    let mut gone = waiting();
    gone.signal(&exit()).unwrap();
    gone.expect(&["cancel #1"]);
    assert_eq!(gone.canceled(1, None), None);
    gone.expect(&["#2 sell 1 market"]);
    let mut filled = waiting();
    assert_eq!(filled.fill(1, "1", 90, true), None);
    filled.expect(&["#2 sell 1 stop 85.5", "refused opposes_own_position"]);
}

#[test]
fn orders_cross_on_opposite_sides_of_one_instrument_and_account() {
    let mut floor = Floor::new();
    floor.signal(&Signal { entry: at("90"), ..long() }).unwrap();
    let orders = floor.desk.orders();
    assert!(orders.would_cross(ACCOUNT, PERP, Side::Sell, None));
    assert!(orders.would_cross(ACCOUNT, PERP, Side::Sell, Some(testkit::price("90"))));
    assert!(!orders.would_cross(ACCOUNT, PERP, Side::Sell, Some(testkit::price("90.01"))));
    assert!(!orders.would_cross(ACCOUNT, PERP, Side::Buy, None));
    assert!(!orders.would_cross(ACCOUNT, SPOT, Side::Sell, None));
    assert!(!orders.would_cross(AccountId(1), PERP, Side::Sell, None));
}

#[test]
fn a_position_larger_than_one_order_is_closed_in_parts() {
    let mut floor = held();
    let mut rules = floor.table.get(PERP).unwrap().clone();
    rules.max_quantity = testkit::quantity("0.6");
    floor.table.define(rules).unwrap();
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 0.6 market"]);
    assert_eq!(floor.fill(3, "0.6", 99, true), None);
    floor.expect(&["cancel #2", "#4 sell 0.4 stop 95", "#5 sell 0.4 market"]);
}

#[test]
fn without_limits_and_without_a_stop_nothing_protects_and_exits_work() {
    let mut floor = Floor::with(Profile::Off);
    floor.signal(&Signal { stop: None, ..long() }).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.expect(&[]);
    floor.signal(&exit()).unwrap();
    floor.expect(&["#2 sell 1 market"]);
    assert_eq!(floor.fill(2, "1", 100, true), None);
    floor.expect_clean();
}

#[test]
fn a_pause_stops_entries_and_no_reduction() {
    let mut floor = held();
    floor.mode = domain::Mode::Reduced;
    assert_eq!(floor.signal(&Signal { instrument: SPOT, ..long() }).unwrap_err().reason, DenyReason::Paused);
    floor.signal(&exit()).unwrap();
    floor.expect(&["#3 sell 1 market"]);
}

#[test]
fn reservations_follow_fills_and_end_with_the_order() {
    let mut floor = Floor::with(wide());
    floor.signal(&Signal { size: SizeRequest::Base(Quantity::from_units(10)), ..long() }).unwrap();
    floor.expect(&["#1 buy 10 market"]);
    let quote = floor.table.get(PERP).unwrap().quote;
    // 1,000 of notional, 50 of margin and 1 of fee.
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::from_units(1_000));
    assert_eq!(floor.gate.exposure().reserved(ACCOUNT, quote), Money::from_units(51));
    assert_eq!(floor.fill(1, "4", 100, false), None);
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::from_units(600));
    assert_eq!(floor.gate.exposure().reserved(ACCOUNT, quote), testkit::money("30.6"));
    assert_eq!(floor.canceled(1, Some(RejectReason::NotFilledAtOnce)), None);
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
    assert_eq!(floor.gate.exposure().reserved(ACCOUNT, quote), Money::ZERO);
}

#[test]
fn orders_of_two_accounts_are_found_by_their_ids() {
    let mut orders = Orders::default();
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.said();
    for (account, ordinal) in [(1, 1), (0, 2), (1, 3), (0, 4)] {
        let client_id = domain::ClientOrderId::new(AccountId(account), 1, ordinal);
        let spec = domain::OrderSpec { client_id, account: AccountId(account), ..floor.sent[0] };
        orders.add(Working::submitted(spec, Purpose::Exit, None));
    }
    for (account, ordinal, there) in [(1, 1, true), (0, 1, false), (0, 2, true), (0, 4, true), (1, 3, true)] {
        let id = domain::ClientOrderId::new(AccountId(account), 1, ordinal);
        assert_eq!(orders.get_mut(id).is_some(), there, "{account} {ordinal}");
    }
}

#[test]
fn the_digest_tells_what_differs() {
    let plain = held();
    let mut asked = held();
    asked.signal(&exit()).unwrap();
    let mut other_stop = Floor::new();
    other_stop.signal(&Signal { stop: Some(StopPlan::Fraction(Rate::from_bps(400))), ..long() }).unwrap();
    let mut same = Floor::new();
    same.signal(&long()).unwrap();
    let mut set_off = held();
    assert_eq!(set_off.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
    assert_ne!(plain.digest(), set_off.digest());
    assert_ne!(plain.digest(), asked.digest());
    assert_ne!(other_stop.digest(), same.digest());
    assert_eq!(plain.digest(), held().digest());
}
