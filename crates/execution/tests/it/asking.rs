//! Answers that stay away, come twice or in another order: the venue is asked, and nothing is assumed.

use crate::floor::{ACCOUNT, Floor, PERP};
use domain::{
    AlertKind, Fill, Intent, Liquidity, Money, Nanos, OrderStatus, Quantity, Rate, RejectReason, ReportBody, Side,
    Signal, SizeRequest, StrategyIdx, VenueOrderId,
};
use execution::{Alarm, AskPolicy, Desk, Purpose, StopPolicy};
use risk::DenyReason;

const POLICY: AskPolicy = AskPolicy { answer_within: Nanos::from_secs(2), grace: Nanos::from_secs(10), denials: 3 };
const STOPS: StopPolicy = StopPolicy { confirm_within: Some(Nanos::from_secs(2)), slippage: Rate::ZERO, lists: false };

fn asking() -> Floor {
    let mut floor = Floor::new();
    floor.desk = Desk::new(1).with_stops(STOPS).with_asking(Some(POLICY));
    floor
}

fn long(units: i64) -> Signal {
    Signal { size: SizeRequest::Base(Quantity::from_units(units)), ..Floor::entry(Intent::EnterLong, PERP) }
}

fn status(floor: &mut Floor, ordinal: u64, status: Option<OrderStatus>, filled: i64) -> Option<Alarm> {
    floor.report(ReportBody::Status { client_id: Floor::id(ordinal), status, filled })
}

fn state(floor: &Floor, ordinal: u64) -> Option<OrderStatus> {
    floor.desk.orders().get(Floor::id(ordinal)).map(|w| w.state.status())
}

/// What the desk said but for its timers.
fn said(floor: &mut Floor) -> Vec<String> {
    floor.said().into_iter().filter(|word| !word.starts_with("wake")).collect()
}

/// An entry of two units whose answer is overdue.
fn unknown() -> Floor {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    floor.expect(&["#1 buy 2 market", "wake in 2 s"]);
    floor.pass(2.0);
    floor.expect(&["alert outcome_unknown", "where is #1", "wake in 1 s"]);
    floor
}

#[test]
fn an_entry_whose_answer_stays_away_is_asked_for_and_never_sent_again() {
    let mut floor = unknown();
    assert_eq!(state(&floor, 1), Some(OrderStatus::OutcomeUnknown));
    assert_eq!(floor.signal(&long(2)).unwrap_err().reason, DenyReason::Duplicate);
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::from_units(200), "it keeps what it holds");
    let mut waits = Vec::new();
    for wait in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        floor.pass(wait - 0.001);
        assert!(said(&mut floor).is_empty(), "{wait}");
        floor.pass(0.001);
        waits.push(said(&mut floor));
    }
    assert!(waits.iter().all(|w| w == &["where is #1"]), "{waits:?}");
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::Accepted), 0), None);
    assert_eq!(state(&floor, 1), Some(OrderStatus::Accepted));
    floor.pass(1_000.0);
    assert!(said(&mut floor).is_empty(), "it is known now");
}

#[test]
fn a_fill_that_was_missed_is_asked_for_and_never_invented() {
    let mut floor = unknown();
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::PartiallyFilled), 50), None);
    floor.expect(&["executions?"]);
    assert_eq!((floor.held(PERP), state(&floor, 1)), (Quantity::ZERO, Some(OrderStatus::OutcomeUnknown)));
    // The execution itself.
    assert_eq!(floor.fill(1, "0.5", 100, false), None);
    assert_eq!(said(&mut floor), ["#2 sell 0.5 stop 95"]);
    assert_eq!(floor.accept(2), None);
    // And of an order that is at its end there: all must be known before it ends here.
    floor.pass(1.0);
    said(&mut floor);
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::Filled), 200), None);
    assert_eq!(said(&mut floor), ["executions?"]);
    assert_eq!(floor.fill(1, "1.5", 100, false), None, "the sum says that it is complete");
    assert_eq!(said(&mut floor), ["cancel #2", "#3 sell 2 stop 95"]);
    assert_eq!(state(&floor, 1), None);
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
}

#[test]
fn an_order_that_the_venue_does_not_know_ends_when_it_can_arrive_no_more() {
    let mut floor = unknown();
    // Its approval holds for five seconds, and a request may be under way for ten.
    for wait in [1.0, 2.0, 4.0] {
        assert_eq!(status(&mut floor, 1, None, 0), None);
        floor.pass(wait);
    }
    assert_eq!(said(&mut floor), ["where is #1"; 3]);
    floor.pass(8.0);
    said(&mut floor);
    for _ in 0..3 {
        // The same answer three times is one answer.
        assert_eq!(status(&mut floor, 1, None, 0), None);
    }
    assert_eq!(state(&floor, 1), Some(OrderStatus::OutcomeUnknown));
    floor.pass(16.0);
    assert_eq!(status(&mut floor, 1, None, 0), None);
    floor.pass(32.0);
    floor.reload_asking(STOPS, Some(POLICY));
    said(&mut floor);
    assert_eq!(status(&mut floor, 1, None, 0), None);
    assert_eq!(said(&mut floor), ["alert never_arrived"]);
    floor.expect_clean();
    floor.signal(&long(1)).unwrap();
    assert_eq!(said(&mut floor), ["#2 buy 1 market"], "what it held is free");
}

/// An entry that was given up.
fn given_up() -> Floor {
    let mut floor = unknown();
    floor.pass(20.0);
    for _ in 0..3 {
        floor.pass(60.0);
        assert_eq!(status(&mut floor, 1, None, 0), None);
    }
    assert!(said(&mut floor).contains(&"alert never_arrived".to_owned()));
    floor.expect_clean();
    floor.reload_asking(STOPS, Some(POLICY));
    floor
}

#[test]
fn what_was_given_up_and_shows_up_is_taken_over_and_an_entry_taken_off() {
    let mut floor = given_up();
    assert_eq!(floor.accept(1), None);
    assert_eq!(said(&mut floor), ["alert adopted", "cancel #1"]);
    assert_eq!(state(&floor, 1), Some(OrderStatus::CancelPending));
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::from_units(200), "it counts again");
    assert_eq!(floor.canceled(1, None), None);
    floor.expect_clean();

    let mut floor = given_up();
    assert_eq!(floor.fill(1, "2", 100, true), None);
    assert_eq!(said(&mut floor), ["alert adopted", "cancel #1", "#2 sell 2 stop 95"], "what it bought is protected");

    let mut floor = given_up();
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::Accepted), 0), None);
    assert!(said(&mut floor).contains(&"cancel #1".to_owned()));
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::Canceled), 0), None);
    floor.expect_clean();
}

#[test]
fn what_was_filled_before_an_order_was_given_up_is_not_asked_for_again() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "0.5", 100, false), None);
    assert_eq!(floor.accept(2), None);
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    assert_eq!(said(&mut floor), ["#2 sell 0.5 stop 95", "cancel #1", "#3 sell 0.5 market"]);
    assert_eq!(floor.fill(3, "0.5", 100, true), None);
    for _ in 0..6 {
        floor.pass(60.0);
        assert_eq!(status(&mut floor, 1, None, 0), None);
    }
    assert!(said(&mut floor).contains(&"alert never_arrived".to_owned()));
    assert_eq!(state(&floor, 1), None);
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::PartiallyFilled), 50), None);
    assert_eq!(said(&mut floor), ["alert adopted", "cancel #1"], "its execution was booked, and will not come again");
    let left = floor.desk.orders().get(Floor::id(1)).and_then(execution::Working::left);
    assert_eq!(left, Quantity::parse("1.5").ok());
}

#[test]
fn a_cancel_whose_answer_stays_away_is_asked_for_too() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    assert_eq!(floor.accept(1), None);
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    assert_eq!(said(&mut floor), ["#1 buy 2 market", "cancel #1"]);
    floor.pass(2.0);
    assert_eq!(said(&mut floor), ["alert outcome_unknown", "where is #1"]);
    assert_eq!(floor.signal(&long(2)), Ok(()), "it waits");
    assert!(said(&mut floor).is_empty(), "a cancel is not repeated while nobody knows");
    // The cancel never arrived: it is sent again.
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::Accepted), 0), None);
    assert_eq!(said(&mut floor), ["cancel #1"]);
    floor.pass(2.0);
    said(&mut floor);
    // It did, and its answer was lost.
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::Canceled), 0), None);
    assert_eq!(said(&mut floor), ["difference missed_end", "#2 buy 2 market"], "what waited for it goes");
}

#[test]
fn a_cancel_of_an_order_that_is_gone_leads_to_a_question() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    assert_eq!(floor.accept(1), None);
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    said(&mut floor);
    let refused = ReportBody::CancelRejected { client_id: Floor::id(1), reason: RejectReason::UnknownOrder };
    for _ in 0..3 {
        assert_eq!(floor.report(refused), None);
    }
    assert_eq!(said(&mut floor), ["where is #1"]);
    // It had been filled: the fill is asked for, and what it bought is closed.
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::Filled), 200), None);
    assert_eq!(said(&mut floor), ["executions?"]);
    assert_eq!(floor.fill(1, "2", 100, false), None);
    assert_eq!(said(&mut floor), ["#2 sell 2 stop 95", "#3 sell 2 market"]);
}

#[test]
fn a_stop_of_unknown_outcome_is_left_at_the_market_once_and_never_sold_twice() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    said(&mut floor);
    floor.pass(2.0);
    assert_eq!(said(&mut floor), ["where is #2", "alert stop_unconfirmed", "#3 sell 2 market"]);
    // The close does not answer either. It is asked for; a second one could sell what belongs to somebody else.
    floor.pass(2.0);
    let words = said(&mut floor);
    assert!(words.contains(&"where is #3".to_owned()), "{words:?}");
    assert!(!words.iter().any(|word| word.starts_with("#4")), "{words:?}");
    // The stop rests there after all: it protects, and the close goes on.
    assert_eq!(status(&mut floor, 2, Some(OrderStatus::Accepted), 0), None);
    assert!(floor.naked().is_empty());
    assert_eq!(floor.fill(3, "2", 100, true), None);
    assert_eq!(said(&mut floor), ["cancel #2"]);
}

#[test]
fn an_exit_that_never_arrived_is_sent_anew_when_that_is_sure() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    assert_eq!(floor.accept(2), None);
    said(&mut floor);
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    assert_eq!(said(&mut floor), ["#3 sell 2 market"]);
    floor.pass(2.0);
    floor.pass(30.0);
    for _ in 0..2 {
        assert_eq!(status(&mut floor, 3, None, 0), None);
        floor.pass(60.0);
        assert!(!said(&mut floor).iter().any(|word| word.starts_with('#')));
    }
    assert_eq!(status(&mut floor, 3, None, 0), None);
    assert_eq!(said(&mut floor), ["alert never_arrived", "#4 sell 2 market"]);
}

#[test]
fn a_word_that_nobody_knows_is_told_and_leaves_the_outcome_unknown() {
    let mut floor = unknown();
    assert_eq!(status(&mut floor, 1, Some(OrderStatus::OutcomeUnknown), 0), None);
    floor.expect(&["alert status_unknown"]);
    assert_eq!(state(&floor, 1), Some(OrderStatus::OutcomeUnknown));
    assert_eq!(AlertKind::StatusUnknown.key(), "status_unknown");
}

#[test]
fn a_complete_execution_before_its_earlier_ones_waits_for_them() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "0.5", 100, true), None);
    assert_eq!(said(&mut floor), ["#2 sell 0.5 stop 95"]);
    assert_eq!(state(&floor, 1), Some(OrderStatus::OutcomeUnknown));
    assert_eq!(floor.fill(1, "1.5", 100, false), None);
    assert_eq!(state(&floor, 1), None, "all of it is known");
    // Where the earlier one was lost the venue is asked.
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "0.5", 100, true), None);
    assert_eq!(floor.accept(2), None);
    said(&mut floor);
    floor.pass(1.0);
    assert_eq!(said(&mut floor), ["where is #1"]);
}

#[test]
fn reports_in_any_order_and_twice_end_in_the_same() {
    // Acceptance after the end, the end twice, a cancel refused after the fill, a fill after the cancel.
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    said(&mut floor);
    assert_eq!(floor.canceled(1, None), None);
    assert_eq!((floor.canceled(1, None), floor.accept(1)), (None, None));
    assert_eq!(floor.report(ReportBody::Expired { client_id: Floor::id(1) }), None);
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(1) }), None);
    floor.expect_clean();
    assert_eq!(floor.fill(1, "1", 100, false), None, "a fill that comes late is a fill");
    assert_eq!(said(&mut floor), ["#2 sell 1 stop 95"]);
    assert_eq!(floor.accept(2), None);
    // More than was left of it.
    assert_eq!(floor.fill(1, "1.5", 100, false), Some(Alarm::Overfilled(Floor::id(1))));
    assert_eq!(said(&mut floor), ["cancel #2", "#3 sell 2.5 stop 95", "alert overfilled"], "and it is protected");
}

#[test]
fn more_than_an_order_asked_for_is_booked_told_and_protected() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "3", 100, false), Some(Alarm::Overfilled(Floor::id(1))));
    assert_eq!(said(&mut floor), ["alert overfilled", "#2 sell 3 stop 95"]);
    assert_eq!(floor.held(PERP), Quantity::from_units(3));
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
}

#[test]
fn a_stop_that_is_set_off_is_known_though_its_acceptance_was_lost() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.accept(1), None);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    said(&mut floor);
    assert_eq!(state(&floor, 2), Some(OrderStatus::Submitted));
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
    assert_eq!(state(&floor, 2), Some(OrderStatus::Accepted));
    assert_eq!(floor.accept(2), None, "and its acceptance may still come");
    assert_eq!(floor.fill(2, "2", 95, true), None);
    floor.expect_clean();
}

#[test]
fn a_number_of_the_venue_belongs_to_one_order() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.accept(1), None);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    let again = ReportBody::Accepted { client_id: Floor::id(2), venue_id: VenueOrderId(1) };
    assert_eq!(floor.report(again), Some(Alarm::VenueIdReused(Floor::id(2), VenueOrderId(1))));
    assert_eq!(state(&floor, 2), Some(OrderStatus::Accepted), "it is there all the same");
}

#[test]
fn other_terms_than_ours_are_taken_over_and_set_right() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    assert_eq!(floor.accept(2), None);
    said(&mut floor);
    let replaced = |ordinal: u64, trigger| ReportBody::Replaced {
        client_id: Floor::id(ordinal),
        venue_id: VenueOrderId(50),
        quantity: 100,
        price: None,
        trigger,
    };
    // Somebody halved the stop: one for all of the position takes its place.
    assert_eq!(floor.report(replaced(2, Some(9_000))), None);
    assert_eq!(said(&mut floor), ["alert replaced", "cancel #2", "#3 sell 2 stop 95"]);
    assert_eq!(floor.report(replaced(77, None)), Some(Alarm::UnknownOrder(Floor::id(77))));
    let stop = floor.desk.orders().iter().find(|w| w.purpose == Purpose::Stop).unwrap();
    assert_eq!(stop.left(), Some(Quantity::from_units(1)), "its terms are those of the venue");
}

#[test]
fn nothing_is_asked_of_a_venue_that_answers_within_the_step() {
    let mut floor = Floor::new();
    floor.signal(&long(2)).unwrap();
    floor.expect(&["#1 buy 2 market"]);
    floor.pass(1_000.0);
    floor.expect(&[]);
    assert_eq!(status(&mut floor, 1, None, 0), None);
    assert_eq!(state(&floor, 1), Some(OrderStatus::Submitted));
}

#[test]
fn a_fill_of_an_order_that_is_known_to_nobody_is_protected_by_nothing_and_alarms() {
    let mut floor = asking();
    let fill = Fill {
        client_id: Floor::id(900),
        fee_amount: Money::ZERO,
        venue_id: VenueOrderId(9),
        trade_id: 900,
        price: 10_000,
        quantity: 100,
        instrument: PERP,
        account: ACCOUNT,
        strategy: StrategyIdx::OUTSIDE,
        fee_asset: floor.table.get(PERP).unwrap().quote,
        side: Side::Buy,
        liquidity: Liquidity::Taker,
    };
    assert_eq!(floor.book(fill, true), Some(Alarm::UnknownOrder(Floor::id(900))));
    assert_eq!(floor.portfolio.net_quantity(ACCOUNT, PERP), Quantity::from_units(1));
    assert_eq!(floor.naked(), [(ACCOUNT, PERP, StrategyIdx::OUTSIDE)]);
    // It leaves when everything is to leave.
    floor.act(|desk, world| desk.flatten(ACCOUNT, world));
    assert_eq!(said(&mut floor), ["#1 sell 1 market"]);
}

#[test]
fn a_pair_of_which_one_order_never_arrived_does_not_wait_for_it() {
    let mut floor = asking();
    let limit = |price: &str| domain::Entry::Limit(testkit::price(price));
    let legs = [Floor::leg(Intent::EnterLong, PERP, limit("98")), Floor::leg(Intent::EnterLong, PERP, limit("97"))];
    let pair = domain::GroupRequest::new(domain::GroupKind::OneCancelsOther, &legs, ACCOUNT, StrategyIdx(0)).unwrap();
    floor.group(&pair).unwrap();
    said(&mut floor);
    assert_eq!(floor.accept(2), None);
    floor.pass(2.0);
    floor.pass(20.0);
    for _ in 0..3 {
        assert_eq!(status(&mut floor, 1, None, 0), None);
        floor.pass(60.0);
    }
    let words = said(&mut floor);
    assert!(words.contains(&"alert never_arrived".to_owned()), "{words:?}");
    // A pair is both or none: the other one is taken off, as where the venue had refused the first.
    assert!(words.contains(&"cancel #2".to_owned()), "{words:?}");
    assert_eq!(floor.canceled(2, None), None);
    assert!(floor.desk.groups().is_empty(), "it does not wait for an order that is nowhere");
    floor.expect_clean();
}

#[test]
fn a_venue_with_nothing_to_reduce_is_no_fault_at_once_and_no_target_follows_the_other() {
    let mut floor = asking();
    let target = Some(domain::Price::from_units(120));
    floor.signal(&Signal { target, ..long(2) }).unwrap();
    said(&mut floor);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    said(&mut floor);
    assert_eq!(floor.reject(3, RejectReason::ReduceOnly), None, "a fill may have been missed: the engine asks");
    assert!(said(&mut floor).is_empty(), "no second target before the answer");
    assert_eq!(floor.reject(2, RejectReason::ReduceOnly), None);
    let again = said(&mut floor);
    assert!(again.iter().any(|word| word.starts_with("#4 sell 2 stop")), "the stop is tried again: {again:?}");
}

#[test]
fn executions_of_one_answer_are_all_booked_before_anything_follows() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    floor.desk.hold_up();
    assert_eq!((floor.fill(1, "1", 100, false), floor.fill(1, "1", 100, true)), (None, None));
    assert!(said(&mut floor).is_empty(), "nothing for what was held in between");
    assert_eq!(floor.act(|desk, world| desk.go_on(world)), None);
    assert_eq!(said(&mut floor), ["#2 sell 2 stop 95"]);
}

#[test]
fn a_later_epoch_begins_to_count_anew_and_an_earlier_one_changes_nothing() {
    let mut floor = asking();
    floor.signal(&long(2)).unwrap();
    said(&mut floor);
    floor.desk.begin_epoch(7);
    floor.desk.begin_epoch(3);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    let stop = floor.desk.orders().iter().find(|w| w.purpose == Purpose::Stop).map(|w| w.spec.client_id);
    assert_eq!(stop.map(|id| (id.epoch(), id.ordinal())), Some((7, 1)));
    floor.reload_asking(STOPS, Some(POLICY));
    let stop = floor.desk.orders().iter().find(|w| w.purpose == Purpose::Stop).map(|w| w.spec.client_id.epoch());
    assert_eq!(stop, Some(7), "and is loaded into a desk that was made with the first");
}
