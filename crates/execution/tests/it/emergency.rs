//! What the desk does when trading must stop: step by step, with a venue that does not always obey.

use crate::floor::{ACCOUNT, Floor, PERP};
use domain::{Entry, Intent, Mode, Money, Quantity, Rate, RejectReason, ReportBody, Signal, SizeRequest, StrategyIdx};
use execution::{Desk, StopPolicy};

fn long() -> Signal {
    Floor::entry(Intent::EnterLong, PERP)
}

fn by(strategy: u16, signal: Signal) -> Signal {
    Signal { strategy: StrategyIdx(strategy), ..signal }
}

fn at(price: &str) -> Entry {
    Entry::Limit(testkit::price(price))
}

/// Long one unit of the perpetual at 100 with its stop (#2) at 95, in an emergency.
fn held() -> Floor {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.said();
    assert_eq!(floor.accept(1), None);
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.said();
    assert_eq!(floor.accept(2), None);
    floor.mode = Mode::Emergency;
    floor
}

/// The same, watched by a desk that waits two seconds for a confirmation; the stop is not confirmed yet.
fn watched() -> Floor {
    let mut floor = Floor::new();
    floor.desk = Desk::new(1).with_stops(StopPolicy {
        confirm_within: Some(domain::Nanos::from_secs(2)),
        slippage: Rate::ZERO,
        lists: false,
    });
    floor.signal(&long()).unwrap();
    floor.expect(&["#1 buy 1 market"]);
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.expect(&["#2 sell 1 stop 95", "wake in 2 s"]);
    floor
}

#[test]
fn entries_are_taken_off_and_what_waits_is_dropped_with_a_record() {
    let mut floor = Floor::new();
    floor.signal(&Signal { entry: at("90"), ..long() }).unwrap();
    // A short of another strategy would trade with it, and waits.
    floor.signal(&by(1, Floor::entry(Intent::EnterShort, PERP))).unwrap();
    floor.expect(&["#1 buy 1 limit 90"]);
    floor.mode = Mode::Emergency;
    floor.act(|desk, world| desk.cancel_entries(ACCOUNT, world));
    floor.expect(&["refused emergency", "cancel #1"]);
    assert!(!floor.is_quiet());
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&[]);
    floor.expect_clean();
    assert!(floor.is_quiet());
}

#[test]
fn stops_stay_when_entries_go() {
    let mut floor = held();
    floor.act(|desk, world| desk.cancel_entries(ACCOUNT, world));
    floor.act(|desk, world| desk.raise_naked(world));
    floor.expect(&[]);
    assert_eq!(floor.naked(), []);
    assert!(!floor.is_quiet());
}

#[test]
fn a_cancel_of_an_entry_that_is_refused_is_sent_again_at_once_and_then_each_second() {
    let mut floor = Floor::new();
    floor.signal(&Signal { entry: at("90"), ..long() }).unwrap();
    assert_eq!(floor.accept(1), None);
    floor.said();
    floor.act(|desk, world| desk.cancel_entries(ACCOUNT, world));
    floor.expect(&["cancel #1"]);
    let refuse = |floor: &mut Floor| {
        let reason = RejectReason::RateLimit;
        assert_eq!(floor.report(ReportBody::CancelRejected { client_id: Floor::id(1), reason }), None);
    };
    for _ in 0..2 {
        refuse(&mut floor);
        floor.expect(&["cancel #1"]);
    }
    for _ in 0..3 {
        refuse(&mut floor);
        floor.expect(&["wake in 1 s"]);
        floor.pass(1.0);
        floor.expect(&["cancel #1"]);
    }
    // It fills after all: what it bought is protected.
    assert_eq!(floor.fill(1, "1", 90, true), None);
    floor.expect(&["#2 sell 1 stop 85.5"]);
}

#[test]
fn flattening_goes_on_until_nothing_is_held_whatever_the_venue_says() {
    let mut floor = held();
    floor.act(|desk, world| desk.flatten(ACCOUNT, world));
    floor.expect(&["#3 sell 1 market"]);
    // Asked for again, done once.
    floor.act(|desk, world| desk.flatten(ACCOUNT, world));
    floor.expect(&[]);
    for ordinal in [3, 4] {
        assert_eq!(floor.reject(ordinal, RejectReason::RateLimit), None);
        floor.expect(&[&format!("#{} sell 1 market", ordinal + 1)]);
    }
    let (mut wait, mut ordinal) = (1, 5);
    for _ in 0..10 {
        assert!(floor.reject(ordinal, RejectReason::RateLimit).is_some());
        floor.expect(&[&format!("wake in {wait} s")]);
        floor.pass(f64::from(wait));
        ordinal += 1;
        floor.expect(&[&format!("#{ordinal} sell 1 market")]);
        wait = (wait * 2).min(64);
    }
    assert_eq!(floor.fill(ordinal, "1", 99, true), None);
    floor.expect(&["cancel #2"]);
    assert_eq!(floor.canceled(2, None), None);
    floor.expect_clean();
    assert!(floor.is_quiet());
}

#[test]
fn what_fills_late_while_flattening_is_closed_and_after_the_emergency_it_is_only_protected() {
    for over in [false, true] {
        let mut floor = Floor::new();
        floor.signal(&Signal { entry: at("99"), ..long() }).unwrap();
        floor.mode = Mode::Emergency;
        floor.act(|desk, world| {
            desk.cancel_entries(ACCOUNT, world);
            desk.flatten(ACCOUNT, world);
        });
        assert_eq!(floor.canceled(1, None), None);
        floor.said();
        assert!(floor.is_quiet());
        if over {
            floor.act(|desk, world| desk.end_emergency(ACCOUNT, world));
        }
        assert_eq!(floor.fill(1, "0.5", 99, false), None);
        let stop = "#2 sell 0.5 stop 94.05";
        if over {
            floor.expect(&[stop]);
        } else {
            floor.expect(&[stop, "#3 sell 0.5 market"]);
        }
        assert!(!floor.is_quiet());
    }
}

#[test]
fn all_orders_go_and_none_comes_back_before_the_word() {
    let mut floor = held();
    floor.act(|desk, world| desk.cancel_all_including_stops(ACCOUNT, world));
    floor.expect(&["cancel #2"]);
    assert_eq!(floor.canceled(2, None), None);
    floor.expect(&["alert naked"]);
    assert_eq!(floor.naked().len(), 1);
    assert!(!floor.is_quiet(), "a position is held");
    // Said once.
    floor.act(|desk, world| desk.raise_naked(world));
    floor.expect(&[]);
    floor.act(|desk, world| desk.end_emergency(ACCOUNT, world));
    floor.expect(&["#3 sell 1 stop 95"]);
    assert_eq!(floor.naked(), []);
}

#[test]
fn another_try_protects_what_had_all_its_orders_taken_off() {
    let mut floor = held();
    floor.act(|desk, world| desk.cancel_all_including_stops(ACCOUNT, world));
    assert_eq!(floor.canceled(2, None), None);
    floor.said();
    floor.act(|desk, world| desk.retry_unsent(world));
    floor.expect(&["#3 sell 1 stop 95"]);
}

#[test]
fn a_close_goes_when_the_entry_that_it_waited_for_never_left() {
    let mut floor = held();
    floor.mode = Mode::Normal;
    floor.signal(&by(1, Signal { entry: at("90"), ..long() })).unwrap();
    floor.expect(&["#3 buy 1 limit 90"]);
    floor.act(|desk, world| desk.close((ACCOUNT, PERP, StrategyIdx(0)), world));
    floor.expect(&["cancel #3"]);
    floor.not_sent(&[3]);
    floor.expect(&["#4 sell 1 market"]);
}

#[test]
fn stops_that_go_late_because_their_cancel_was_refused_are_nothing_wrong() {
    let mut floor = Floor::new();
    floor.signal(&Signal { size: SizeRequest::Base(Quantity::from_units(9)), ..long() }).unwrap();
    floor.said();
    for ordinal in 2..8 {
        assert_eq!(floor.fill(1, "1", 100, false), None);
        floor.said();
        assert_eq!(floor.accept(ordinal), None);
        if ordinal > 2 {
            // The stop before: its cancel is refused, and then it goes after all.
            let (client_id, reason) = (Floor::id(ordinal - 1), RejectReason::RateLimit);
            assert_eq!(floor.report(ReportBody::CancelRejected { client_id, reason }), None);
            assert_eq!(floor.canceled(ordinal - 1, None), None);
        }
        floor.said();
    }
    assert_eq!(floor.naked(), []);
}

#[test]
fn a_word_that_closes_works_where_all_orders_were_taken_off() {
    for close in [true, false] {
        let mut floor = held();
        floor.act(|desk, world| desk.cancel_all_including_stops(ACCOUNT, world));
        assert_eq!(floor.canceled(2, None), None);
        floor.said();
        floor.act(|desk, world| {
            if close {
                desk.close((ACCOUNT, PERP, StrategyIdx(0)), world);
            } else {
                desk.flatten(ACCOUNT, world);
            }
        });
        floor.expect(&["#3 sell 1 market"]);
        assert_eq!(floor.naked(), []);
        assert_eq!(floor.fill(3, "1", 99, true), None);
        floor.expect(&[]);
        assert!(floor.is_quiet());
    }
}

#[test]
fn a_part_is_sold_at_once_and_the_stop_follows_with_the_fill() {
    let mut floor = held();
    floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, Rate::from_bps(2_000), world));
    floor.expect(&["#3 sell 0.2 market at once"]);
    // Asked for while it is on its way: left to that.
    floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, Rate::from_bps(2_000), world));
    floor.expect(&[]);
    assert_eq!(floor.fill(3, "0.1", 99, false), None);
    floor.expect(&["cancel #2", "#4 sell 0.9 stop 95"]);
    // Immediate or cancel: the rest is no loss and no alarm.
    assert_eq!(floor.canceled(3, Some(RejectReason::NotFilledAtOnce)), None);
    assert_eq!(floor.canceled(2, None), None);
    floor.expect(&[]);
    floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, Rate::from_bps(5_000), world));
    floor.expect(&["#5 sell 0.45 market at once"]);
    assert_eq!(floor.fill(5, "0.45", 99, true), None);
    floor.expect(&["cancel #4", "#6 sell 0.45 stop 95"]);
}

#[test]
fn parts_are_whole_lots_worth_the_venues_minimum_and_leave_no_dust() {
    // 0.05 at 100 is the smallest that the venue takes.
    for (fraction, expected) in [
        ("0.2", Some("0.2")),
        ("0.129", Some("0.12")),
        ("0.0001", Some("0.05")),
        ("0.95", Some("0.95")),
        ("0.96", Some("1")),
        ("1", Some("1")),
        ("7", Some("1")),
        ("0", None),
        ("-1", None),
    ] {
        let mut floor = held();
        floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, testkit::rate(fraction), world));
        let expected: Vec<String> =
            expected.iter().map(|quantity| format!("#3 sell {quantity} market at once")).collect();
        assert_eq!(floor.said(), expected, "{fraction}");
    }
}

#[test]
fn a_part_is_taken_of_every_strategy_and_of_no_position_that_is_being_closed() {
    let mut floor = held();
    floor.mode = Mode::Normal;
    for strategy in [1, 2] {
        floor.signal(&by(strategy, long())).unwrap();
        let ordinal = u64::from(strategy) * 2 + 1;
        floor.said();
        assert_eq!(floor.fill(ordinal, "1", 100, true), None);
    }
    floor.said();
    floor.mode = Mode::Emergency;
    floor.act(|desk, world| desk.close((ACCOUNT, PERP, StrategyIdx(1)), world));
    floor.expect(&["#7 sell 1 market"]);
    floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, Rate::from_bps(2_500), world));
    floor.expect(&["#8 sell 0.25 market at once", "#9 sell 0.25 market at once"]);
    // What is being reduced and then closed is closed beyond the part.
    floor.act(|desk, world| desk.flatten(ACCOUNT, world));
    floor.expect(&["#10 sell 0.75 market", "#11 sell 0.75 market"]);
    assert_eq!(floor.canceled(8, Some(RejectReason::NotFilledAtOnce)), None);
    floor.expect(&[]);
    assert_eq!(floor.fill(10, "0.75", 99, true), None);
    let said = floor.said();
    assert_eq!(said[1..], ["#12 sell 0.25 stop 95", "#13 sell 0.25 market"], "{said:?}");
}

#[test]
fn a_part_waits_for_an_older_entry_of_ours_to_be_gone() {
    let mut floor = held();
    floor.mode = Mode::Normal;
    floor.signal(&by(1, Signal { entry: at("90"), ..long() })).unwrap();
    floor.expect(&["#3 buy 1 limit 90"]);
    floor.mode = Mode::Reduced;
    floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, Rate::from_bps(2_000), world));
    floor.expect(&["cancel #3"]);
    assert_eq!(floor.canceled(3, None), None);
    floor.expect(&["#4 sell 0.2 market at once"]);
}

#[test]
fn the_worst_positions_are_closed_and_those_that_are_being_closed_count() {
    let mut floor = Floor::new();
    for (strategy, size) in [(0, 1), (1, 3), (2, 2)] {
        let size = SizeRequest::Base(Quantity::from_units(size));
        floor.signal(&by(strategy, Signal { size, ..long() })).unwrap();
    }
    for (ordinal, quantity) in [(1, "1"), (2, "3"), (3, "2")] {
        floor.said();
        assert_eq!(floor.fill(ordinal, quantity, 100, true), None);
    }
    floor.said();
    floor.price(PERP, 98);
    let worst = |floor: &mut Floor, count| floor.act(|desk, world| desk.close_worst(ACCOUNT, count, world));
    worst(&mut floor, 1);
    floor.expect(&["#7 sell 3 market"]);
    worst(&mut floor, 1);
    floor.expect(&[]);
    worst(&mut floor, 2);
    floor.expect(&["#8 sell 2 market"]);
    worst(&mut floor, 9);
    floor.expect(&["#9 sell 1 market"]);
}

#[test]
fn an_entry_that_the_word_stopped_is_over_and_free() {
    let mut floor = Floor::new();
    floor.signal(&long()).unwrap();
    floor.said();
    floor.mode = Mode::Emergency;
    floor.not_sent(&[1, 77]);
    floor.expect(&[]);
    floor.expect_clean();
    assert_eq!(floor.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
    assert!(floor.is_quiet());
}

#[test]
fn a_stop_that_the_word_stopped_leaves_a_naked_position_until_the_word_allows_it() {
    let stopped = || {
        let mut floor = Floor::new();
        floor.signal(&long()).unwrap();
        floor.expect(&["#1 buy 1 market"]);
        assert_eq!(floor.fill(1, "1", 100, true), None);
        floor.expect(&["#2 sell 1 stop 95"]);
        floor.not_sent(&[2]);
        floor.expect(&["alert naked", "wake in 1 s"]);
        assert_eq!(floor.naked().len(), 1);
        floor
    };
    let mut told = stopped();
    told.act(|desk, world| desk.retry_unsent(world));
    told.expect(&["#3 sell 1 stop 95"]);
    assert_eq!(told.naked(), []);
    // Without a word it is tried again all the same.
    let mut silent = stopped();
    silent.pass(1.0);
    silent.expect(&["#3 sell 1 stop 95"]);
    silent.not_sent(&[3]);
    // It is told again after it was protected in between.
    silent.expect(&["alert naked", "wake in 1 s"]);
    let mut filled = stopped();
    let mut fill_more = long();
    fill_more.size = SizeRequest::Base(Quantity::from_units(1));
    filled.signal(&fill_more).unwrap();
    filled.expect(&["#3 buy 1 market"]);
    assert_eq!(filled.fill(3, "1", 100, true), None);
    filled.expect(&["#4 sell 2 stop 95"]);
}

#[test]
fn a_close_and_a_part_that_the_word_stopped_are_tried_again() {
    let mut floor = held();
    floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, Rate::from_bps(2_000), world));
    floor.expect(&["#3 sell 0.2 market at once"]);
    floor.not_sent(&[3]);
    floor.expect(&["wake in 1 s"]);
    floor.act(|desk, world| desk.retry_unsent(world));
    floor.expect(&["#4 sell 0.2 market at once"]);
    assert_eq!(floor.canceled(4, Some(RejectReason::NotFilledAtOnce)), None);
    floor.act(|desk, world| desk.flatten(ACCOUNT, world));
    floor.expect(&["#5 sell 1 market"]);
    floor.not_sent(&[5]);
    assert_eq!(floor.naked(), [], "its stop stands");
    floor.pass(1.0);
    let said = floor.said();
    assert!(said.contains(&"#6 sell 1 market".to_owned()), "{said:?}");
}

#[test]
fn a_stop_that_is_not_confirmed_in_time_becomes_an_exit() {
    let mut floor = watched();
    assert_eq!(floor.naked(), []);
    floor.pass(1.999);
    floor.expect(&[]);
    floor.pass(0.001);
    floor.expect(&["alert stop_unconfirmed", "#3 sell 1 market", "wake in 2 s"]);
    assert_eq!(floor.naked(), [], "a close is in flight");
    // The answer of the close stays away, too: nothing is known of either.
    floor.pass(2.0);
    floor.mode = Mode::Emergency;
    floor.act(|desk, world| desk.raise_naked(world));
    floor.expect(&["alert naked"]);
    // The venue speaks again: the close trades, and the stop is taken off.
    assert_eq!(floor.accept(2), None);
    assert_eq!(floor.fill(3, "1", 98, true), None);
    floor.expect(&["cancel #2"]);
    assert_eq!(floor.canceled(2, None), None);
    assert!(floor.is_quiet());
}

#[test]
fn a_confirmed_stop_is_left_alone_and_a_moved_one_is_watched_anew() {
    let mut confirmed = watched();
    assert_eq!(confirmed.accept(2), None);
    confirmed.pass(10.0);
    confirmed.expect(&[]);
    assert_eq!(confirmed.desk.next_due(), None);
    let mut moved = watched();
    moved.pass(1.0);
    moved.signal(&long()).unwrap();
    moved.expect(&["#3 buy 1 market"]);
    assert_eq!(moved.fill(3, "1", 100, true), None);
    moved.expect(&["cancel #2", "#4 sell 2 stop 95"]);
    moved.pass(1.0);
    // The timer of the first comes for nothing, and the next is asked for.
    moved.expect(&[]);
    moved.act(|desk, world| desk.on_time(world));
    moved.expect(&["wake in 1 s"]);
    moved.pass(1.0);
    moved.expect(&["alert stop_unconfirmed", "#5 sell 2 market", "wake in 2 s"]);
}
