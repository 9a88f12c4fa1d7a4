//! Groups of entries, step by step: pairs, triggered orders, combinations, and what goes wrong with them.

use crate::floor::{ACCOUNT, Floor, PERP, SPOT};
use domain::{
    ChildSize, Entry, GroupKind, GroupRequest, InstrumentIdx, Intent, Leg, LegRisk, Mode, Money, Nanos, Quantity, Rate,
    RejectReason, ReportBody, Sequence, SizeRequest, StrategyIdx, TimeInForce, Trigger,
};
use execution::{AskPolicy, Desk, Phase, Stage, StopPolicy};
use risk::{DenyReason, Limits, Profile};

const PAIR: GroupKind = GroupKind::OneCancelsOther;

fn limit(price: &str) -> Entry {
    Entry::Limit(testkit::price(price))
}

fn stop(price: &str) -> Entry {
    Entry::Stop(testkit::price(price))
}

fn buy(instrument: InstrumentIdx, entry: Entry) -> Leg {
    Floor::leg(Intent::EnterLong, instrument, entry)
}

fn sell(instrument: InstrumentIdx, entry: Entry) -> Leg {
    Floor::leg(Intent::EnterShort, instrument, entry)
}

fn group(kind: GroupKind, legs: &[Leg]) -> GroupRequest {
    GroupRequest::new(kind, legs, ACCOUNT, StrategyIdx(0)).unwrap()
}

fn after(when: Trigger, size: ChildSize) -> GroupKind {
    GroupKind::OneTriggersOther { when, size }
}

fn legs(sequence: Sequence, risk: LegRisk) -> GroupKind {
    GroupKind::Legs { sequence, within: Some(Nanos::from_secs(10)), risk }
}

/// Both orders of a pair in the perpetual at 100: buy at 98 (#1) or, where it breaks out, at 102 (#2).
fn dip_or_breakout() -> Floor {
    let mut floor = Floor::new();
    floor.group(&group(PAIR, &[buy(PERP, limit("98")), buy(PERP, stop("102"))])).unwrap();
    floor.expect(&["#1 buy 1 limit 98", "#2 buy 1 stop 102"]);
    for n in [1, 2] {
        assert_eq!(floor.accept(n), None);
    }
    floor
}

/// A pair each way: buy above (#1) or sell below (#2).
fn straddle() -> Floor {
    let mut floor = Floor::new();
    floor.group(&group(PAIR, &[buy(PERP, stop("102")), sell(PERP, stop("98"))])).unwrap();
    floor.expect(&["#1 buy 1 stop 102", "#2 sell 1 stop 98"]);
    for n in [1, 2] {
        assert_eq!(floor.accept(n), None);
    }
    floor
}

/// Two instruments, and no limits: how alike they move would have to be known.
fn free() -> Floor {
    Floor::with(Profile::Off)
}

fn pending(floor: &Floor) -> Money {
    floor.gate.exposure().pending_total(ACCOUNT)
}

fn over(floor: &Floor) -> bool {
    floor.desk.groups().is_empty()
}

#[test]
fn the_first_fill_of_a_pair_takes_the_other_order_off_in_its_step() {
    let mut floor = dip_or_breakout();
    assert_eq!(pending(&floor), Money::from_units(102), "the worse of the two, not the sum");
    assert_eq!(floor.fill(1, "0.4", 98, false), None);
    floor.expect(&["leg 0 chosen", "cancel #2", "#3 sell 0.4 stop 93.1"]);
    // What is left of the chosen order holds what it needs, as soon as the one that held for both is gone.
    assert_eq!(floor.canceled(2, None), None);
    floor.expect(&[]);
    assert_eq!(pending(&floor), testkit::money("58.8"), "0.6 at 98");
    assert_eq!(floor.accept(3), None);
    assert_eq!(floor.fill(1, "0.6", 98, true), None);
    floor.expect(&["cancel #3", "#4 sell 1 stop 93.1", "leg 0 over"]);
    assert!(over(&floor));
    assert_eq!(pending(&floor), Money::ZERO);
}

#[test]
fn an_order_that_is_set_off_takes_the_other_one_off_before_it_fills() {
    let mut floor = straddle();
    assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    assert_eq!(floor.fill(2, "1", 98, true), None);
    floor.expect(&["leg 1 chosen", "#3 buy 1 stop 102.9", "leg 0 over"]);
    assert_eq!(floor.held(PERP), Quantity::from_units(-1));
}

#[test]
fn both_orders_of_one_side_fill_and_the_second_fill_is_closed_in_its_step() {
    let mut floor = dip_or_breakout();
    assert_eq!(floor.fill(1, "1", 98, true), None);
    floor.expect(&["leg 0 chosen", "cancel #2", "#3 sell 1 stop 93.1"]);
    assert_eq!(floor.accept(3), None);
    // The venue filled it before our cancel arrived. The plan of the chosen one stays.
    assert_eq!(floor.fill(2, "1", 102, true), None);
    floor.expect(&[
        "cancel #3",
        "#4 sell 2 stop 95",
        "leg 1 excess 1",
        "alert group_excess",
        "#5 sell 1 market at once",
    ]);
    assert_eq!(floor.canceled(3, None), None);
    assert_eq!(floor.fill(5, "1", 100, true), None);
    floor.expect(&["cancel #4", "#6 sell 1 stop 95", "leg 0 over"]);
    assert_eq!(floor.held(PERP), Quantity::from_units(1));
}

#[test]
fn both_orders_of_a_straddle_fill_and_nothing_is_left_of_them() {
    let mut floor = straddle();
    assert_eq!(floor.fill(1, "1", 102, true), None);
    floor.expect(&["leg 0 chosen", "cancel #2", "#3 sell 1 stop 96.9"]);
    assert_eq!(floor.accept(3), None);
    assert_eq!(floor.fill(2, "1", 98, true), None);
    // They closed each other: the stop goes, nothing is sent, and it is told all the same.
    floor.expect(&["cancel #3", "leg 1 excess 1", "alert group_excess", "leg 0 over"]);
    assert_eq!(floor.canceled(3, None), None);
    assert!(floor.held(PERP).is_zero());
    floor.expect_clean();
}

#[test]
fn what_the_second_order_turned_round_is_closed_under_its_own_stop() {
    let mut floor = straddle();
    assert_eq!(floor.fill(1, "0.3", 102, false), None);
    floor.expect(&["leg 0 chosen", "cancel #2", "#3 sell 0.3 stop 96.9"]);
    assert_eq!(floor.accept(3), None);
    assert_eq!(floor.fill(2, "1", 98, true), None);
    floor.expect(&[
        "cancel #1",
        "cancel #3",
        "#4 buy 0.7 stop 102.9",
        "leg 1 excess 1",
        "alert group_excess",
        "#5 buy 0.7 market at once",
    ]);
    assert_eq!(floor.canceled(1, None), None);
    assert_eq!(floor.canceled(3, None), None);
    assert_eq!(floor.fill(5, "0.7", 98, true), None);
    floor.expect(&["cancel #4", "leg 0 over"]);
    assert_eq!(floor.canceled(4, None), None);
    assert!(floor.held(PERP).is_zero());
    floor.expect_clean();
}

#[test]
fn a_fill_long_after_the_cancel_was_confirmed_is_closed_too() {
    let mut floor = dip_or_breakout();
    assert_eq!(floor.fill(1, "1", 98, true), None);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.accept(3), None);
    floor.said();
    assert!(over(&floor));
    assert_eq!(floor.fill(2, "0.5", 102, false), None);
    floor.expect(&[
        "cancel #3",
        "#4 sell 1.5 stop 94.37",
        "leg 1 excess 0.5",
        "alert group_excess",
        "#5 sell 0.5 market at once",
    ]);
    assert!(!over(&floor));
    // It could not be traded: tried again after a second.
    assert_eq!(floor.canceled(5, Some(RejectReason::NotFilledAtOnce)), None);
    floor.expect(&["wake in 1 s"]);
    floor.pass(1.0);
    floor.expect(&["#6 sell 0.5 market at once"]);
    assert_eq!(floor.fill(6, "0.5", 100, true), None);
    assert!(floor.said().contains(&"leg 0 over".to_owned()));
    assert_eq!(floor.held(PERP), Quantity::from_units(1));
}

#[test]
fn what_ends_of_a_pair_before_a_fill_ends_all_of_it() {
    type End = fn(&mut Floor);
    let ends: [End; 4] = [
        |floor| assert_eq!(floor.canceled(1, Some(RejectReason::RateLimit)), None),
        |floor| assert_eq!(floor.report(ReportBody::Expired { client_id: Floor::id(1) }), None),
        |floor| assert_eq!(floor.canceled(1, None), None),
        |floor| floor.not_sent(&[1]),
    ];
    for end in ends {
        let mut floor = dip_or_breakout();
        end(&mut floor);
        floor.expect(&["cancel #2"]);
        assert_eq!(floor.canceled(2, None), None);
        floor.expect(&["leg 0 over"]);
        assert!(over(&floor));
        floor.expect_clean();
    }
    let mut floor = Floor::new();
    floor.group(&group(PAIR, &[buy(PERP, limit("98")), buy(PERP, stop("102"))])).unwrap();
    floor.said();
    assert_eq!(floor.reject(2, RejectReason::InsufficientMargin), None);
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&["leg 0 over"]);
    floor.expect_clean();
}

#[test]
fn the_rest_of_the_chosen_order_may_end_and_what_it_filled_stays() {
    let mut floor = dip_or_breakout();
    assert_eq!(floor.fill(1, "0.4", 98, false), None);
    assert_eq!(floor.canceled(2, None), None);
    floor.said();
    assert_eq!(floor.report(ReportBody::Expired { client_id: Floor::id(1) }), None);
    floor.expect(&["leg 0 over"]);
    assert_eq!(floor.held(PERP), testkit::quantity("0.4"));
    assert_eq!(pending(&floor), Money::ZERO);
}

#[test]
fn a_refused_cancel_is_sent_again_and_never_makes_the_other_order_live_for_long() {
    let mut floor = dip_or_breakout();
    assert_eq!(floor.fill(1, "1", 98, true), None);
    floor.said();
    let refused = ReportBody::CancelRejected { client_id: Floor::id(2), reason: RejectReason::RateLimit };
    assert_eq!(floor.report(refused), None);
    floor.expect(&["cancel #2"]);
}

#[test]
fn a_group_is_refused_as_a_whole_and_nothing_is_held() {
    let mut floor = Floor::with(Profile::Research(Limits {
        stop_required: true,
        position_fraction_max: Rate::from_bps(2),
        ..Limits::relaxed()
    }));
    // 2 bp of a million are 200: each leg is worth about 150.
    let size = SizeRequest::Base(testkit::quantity("1.5"));
    let (one, other) = (Leg { size, ..buy(PERP, limit("98")) }, Leg { size, ..buy(PERP, limit("97")) });
    let both = group(after(Trigger::FirstFill, ChildSize::AsAsked), &[one, other]);
    let (leg, refusal) = floor.group(&both).unwrap_err();
    assert_eq!((leg, refusal.reason), (1, DenyReason::PositionSize));
    floor.expect(&[]);
    floor.expect_clean();
    assert!(over(&floor));
    // As a pair they pass: the worse of them counts.
    floor.group(&group(PAIR, &[one, other])).unwrap();
    let bare = Leg { stop: None, instrument: SPOT, ..one };
    let combination = group(legs(Sequence::Together, LegRisk::Unwind), &[Leg { instrument: PERP, ..bare }, bare]);
    assert_eq!(floor.group(&combination).unwrap_err().1.reason, DenyReason::Busy, "the pair works in the perpetual");
}

#[test]
fn orders_of_a_group_that_would_trade_with_each_other_are_refused() {
    let mut floor = Floor::new();
    for (one, other) in
        [(buy(PERP, stop("103")), sell(PERP, limit("102"))), (sell(PERP, stop("97")), buy(PERP, limit("98")))]
    {
        let crossing = group(PAIR, &[one, other]);
        // Without limits nobody minds; with limits the check of self-match does.
        assert_eq!(floor.group(&crossing).unwrap_err().1.reason, DenyReason::SelfMatch, "{crossing:?}");
        floor.expect_clean();
    }
    floor.group(&group(PAIR, &[buy(PERP, limit("98")), sell(PERP, limit("102"))])).unwrap();
}

#[test]
fn what_the_strategy_holds_or_has_working_keeps_a_group_out() {
    let mut floor = Floor::new();
    floor.signal(&Floor::entry(Intent::EnterLong, PERP)).unwrap();
    let straddle = group(PAIR, &[buy(PERP, stop("102")), sell(PERP, stop("98"))]);
    assert_eq!(floor.group(&straddle).unwrap_err().1.reason, DenyReason::Busy, "an entry works");
    floor.said();
    assert_eq!(floor.fill(1, "1", 100, true), None);
    let (leg, refusal) = floor.group(&straddle).unwrap_err();
    assert_eq!((leg, refusal.reason), (1, DenyReason::Busy), "its second leg is against what is held");
    floor.group(&group(PAIR, &[buy(PERP, stop("102")), buy(PERP, limit("98"))])).unwrap();
    floor.said();
    // Of a group that works the strategy hears the same.
    assert_eq!(floor.signal(&Floor::entry(Intent::EnterLong, PERP)).unwrap_err().reason, DenyReason::Duplicate);
}

#[test]
fn a_bracket_says_the_same_as_a_signal_with_stop_and_target() {
    let target = Some(testkit::price("110"));
    let mut by_signal = Floor::new();
    by_signal.signal(&domain::Signal { target, ..Floor::entry(Intent::EnterLong, PERP) }).unwrap();
    let mut by_group = Floor::new();
    by_group.group(&group(GroupKind::Bracket, &[Leg { target, ..buy(PERP, Entry::Market) }])).unwrap();
    for (fill, complete) in [("0.5", false), ("0.5", true)] {
        assert_eq!(by_group.said(), by_signal.said());
        assert_eq!(by_signal.fill(1, fill, 100, complete), None);
        assert_eq!(by_group.fill(1, fill, 100, complete), None);
    }
    let mut said = by_group.said();
    assert_eq!(said.pop().as_deref(), Some("leg 0 over"));
    assert_eq!(said, by_signal.said());
}

#[test]
fn an_order_triggers_another_with_its_first_fill_or_when_all_of_it_is_filled() {
    for (when, first) in [(Trigger::FirstFill, true), (Trigger::Filled, false)] {
        let mut floor = free();
        let second = Leg { time_in_force: TimeInForce::Ioc, ..sell(SPOT, limit("99")) };
        let second = Leg { intent: Intent::EnterLong, ..second };
        floor.group(&group(after(when, ChildSize::AsAsked), &[buy(PERP, limit("98")), second])).unwrap();
        floor.expect(&["#1 buy 1 limit 98"]);
        assert_eq!(pending(&floor), Money::from_units(98 + 99), "the one that waits is held, too");
        assert_eq!(floor.fill(1, "0.4", 98, false), None);
        let said = floor.said();
        assert_eq!(said.contains(&"#3 buy 1 limit 99".to_owned()), first, "{said:?}");
        assert_eq!(said.contains(&"leg 1 released".to_owned()), first, "{said:?}");
        assert_eq!(floor.fill(1, "0.6", 98, true), None);
        let said = floor.said();
        assert_eq!(said.contains(&"leg 1 released".to_owned()), !first, "{said:?}");
        let sent = floor.sent.iter().find(|spec| spec.instrument == SPOT).unwrap();
        assert_eq!(sent.time_in_force, TimeInForce::Ioc);
        let ordinal = sent.client_id.ordinal();
        assert_eq!(floor.fill(ordinal, "1", 99, true), None);
        assert!(over(&floor));
    }
}

#[test]
fn a_triggered_order_follows_the_size_of_what_was_filled() {
    let mut floor = free();
    let two = SizeRequest::Base(Quantity::from_units(2));
    let second = Leg { size: two, ..buy(SPOT, limit("99")) };
    floor.group(&group(after(Trigger::Filled, ChildSize::ToFilled), &[buy(PERP, limit("98")), second])).unwrap();
    floor.expect(&["#1 buy 1 limit 98"]);
    assert_eq!(floor.fill(1, "0.4", 98, false), None);
    floor.expect(&["#2 sell 0.4 stop 93.1"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&["leg 1 released", "#3 buy 0.8 limit 99"]);
    assert_eq!(floor.fill(3, "0.8", 99, true), None);
    assert!(over(&floor));
    assert_eq!(pending(&floor), Money::ZERO);
}

#[test]
fn with_the_first_fill_a_part_follows_and_the_rest_when_it_is_known() {
    let mut floor = free();
    let second = buy(SPOT, limit("99"));
    floor.group(&group(after(Trigger::FirstFill, ChildSize::ToFilled), &[buy(PERP, limit("98")), second])).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "0.4", 98, false), None);
    floor.expect(&["#2 sell 0.4 stop 93.1", "leg 1 released", "#3 buy 0.4 limit 99"]);
    assert_eq!(floor.accept(2), None);
    assert_eq!(floor.fill(1, "0.6", 98, true), None);
    floor.expect(&["cancel #2", "#4 sell 1 stop 93.1"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(3, "0.4", 99, true), None);
    let said = floor.said();
    assert!(said.contains(&"#6 buy 0.6 limit 99".to_owned()), "{said:?}");
    assert_eq!(floor.fill(6, "0.6", 99, true), None);
    assert!(over(&floor));
    assert_eq!(floor.held(SPOT), Quantity::from_units(1));
}

#[test]
fn an_order_that_ends_without_a_fill_triggers_nothing() {
    for when in [Trigger::FirstFill, Trigger::Filled] {
        let mut floor = free();
        let asked = group(after(when, ChildSize::ToFilled), &[buy(PERP, limit("98")), buy(SPOT, limit("99"))]);
        floor.group(&asked).unwrap();
        floor.said();
        assert_eq!(floor.reject(1, RejectReason::InsufficientMargin), None);
        floor.expect(&["leg 1 dropped", "leg 0 over"]);
        floor.expect_clean();
    }
}

/// A desk that asks for orders whose answers stay away.
fn asking() -> Floor {
    let mut floor = free();
    let asking = AskPolicy { answer_within: Nanos::from_secs(2), grace: Nanos::from_secs(1), denials: 1 };
    floor.desk = Desk::new(1).with_asking(Some(asking));
    floor
}

#[test]
fn an_order_of_unknown_outcome_releases_nothing_that_depends_on_it() {
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    for kind in [after(Trigger::FirstFill, ChildSize::AsAsked), legs(Sequence::OneByOne, LegRisk::Complete)] {
        let mut floor = asking();
        let pair = if matches!(kind, GroupKind::Legs { .. }) { pair } else { [pair[0], buy(PERP, limit("98"))] };
        floor.group(&group(kind, &pair)).unwrap();
        floor.said();
        floor.pass(2.0);
        let said = floor.said();
        assert!(said.contains(&"alert outcome_unknown".to_owned()), "{said:?}");
        floor.pass(6.0);
        assert!(!floor.said().iter().any(|said| said.contains("released")));
        // The fill says what it was.
        assert_eq!(floor.fill(1, "1", 99, true), None);
        assert!(floor.said().contains(&"leg 1 released".to_owned()));
    }
}

#[test]
fn an_order_that_never_arrived_ends_its_leg() {
    let mut floor = asking();
    let asked = group(after(Trigger::FirstFill, ChildSize::AsAsked), &[buy(SPOT, limit("99")), buy(PERP, limit("98"))]);
    floor.group(&asked).unwrap();
    floor.said();
    floor.pass(60.0);
    let unknown = ReportBody::Status { client_id: Floor::id(1), status: None, filled: 0 };
    assert_eq!(floor.report(unknown), None);
    let said = floor.said();
    for expected in ["alert never_arrived", "leg 1 dropped", "leg 0 over"] {
        assert!(said.contains(&expected.to_owned()), "{expected}: {said:?}");
    }
    floor.expect_clean();
    // The pair of an order that is nowhere is taken off.
    let mut floor = asking();
    floor.group(&group(PAIR, &[buy(PERP, limit("98")), buy(PERP, stop("102"))])).unwrap();
    floor.said();
    assert_eq!(floor.accept(2), None);
    floor.pass(60.0);
    floor.said();
    assert_eq!(floor.report(unknown), None);
    assert!(floor.said().contains(&"cancel #2".to_owned()));
}

#[test]
fn legs_leave_one_after_the_other_or_together() {
    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, Entry::Market)];
    floor.group(&group(legs(Sequence::OneByOne, LegRisk::Unwind), &pair)).unwrap();
    floor.expect(&["#1 buy 1 limit 99", "wake in 10 s"]);
    assert_eq!(floor.fill(1, "0.5", 99, false), None);
    floor.expect(&["#2 sell 0.5 stop 94.05"]);
    assert_eq!(floor.accept(2), None);
    assert_eq!(floor.fill(1, "0.5", 99, true), None);
    floor.expect(&["cancel #2", "#3 sell 1 stop 94.05", "leg 1 released", "#4 sell 1 market"]);
    assert_eq!(floor.fill(4, "1", 100, true), None);
    floor.expect(&["#5 buy 1 stop 105", "leg 0 over"]);
    let mut floor = free();
    floor.group(&group(legs(Sequence::Together, LegRisk::Unwind), &pair)).unwrap();
    floor.expect(&["#1 buy 1 limit 99", "#2 sell 1 market", "wake in 10 s"]);
}

#[test]
fn a_combination_with_nothing_filled_is_simply_taken_back() {
    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    floor.group(&group(legs(Sequence::Together, LegRisk::Complete), &pair)).unwrap();
    floor.said();
    assert_eq!(floor.reject(1, RejectReason::InsufficientBalance), None);
    floor.expect(&["leg 0 broken", "cancel #2"]);
    // A fill that comes before the cancel is closed: nothing of it is wanted.
    assert_eq!(floor.fill(2, "0.5", 101, false), None);
    floor.expect(&["#3 buy 0.5 stop 106.05", "leg 1 excess 0.5", "alert group_excess", "#4 buy 0.5 market at once"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(4, "0.5", 101, true), None);
    floor.expect(&["cancel #3", "leg 0 over"]);
    assert_eq!(floor.canceled(3, None), None);
    assert!(floor.held(PERP).is_zero());
    floor.expect_clean();
}

#[test]
fn a_broken_combination_is_completed_at_the_market() {
    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    floor.group(&group(legs(Sequence::Together, LegRisk::Complete), &pair)).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "1", 99, true), None);
    assert_eq!(floor.fill(2, "0.3", 101, false), None);
    floor.said();
    floor.pass(10.0);
    floor.expect(&["leg 1 broken", "alert group_broken", "leg 1 completing", "cancel #2", "wake in 10 s"]);
    // Not before the venue said that the old order is gone: both could fill.
    assert_eq!(floor.canceled(2, None), None);
    floor.expect(&["leg 1 released", "#5 sell 0.7 market"]);
    assert_eq!(floor.fill(5, "0.7", 100, true), None);
    assert!(over(&floor));
    assert_eq!(floor.held(PERP), Quantity::from_units(-1));
    // What the cancelled order filled after all is beyond the request.
    assert_eq!(floor.fill(2, "0.2", 101, false), None);
    assert!(floor.said().contains(&"leg 1 excess 0.2".to_owned()));
}

#[test]
fn what_cannot_be_completed_is_unwound() {
    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    floor.group(&group(legs(Sequence::Together, LegRisk::Complete), &pair)).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "1", 99, true), None);
    floor.said();
    assert_eq!(floor.canceled(2, Some(RejectReason::RateLimit)), None);
    floor.expect(&["leg 1 broken", "alert group_broken", "leg 1 completing", "leg 1 released", "#4 sell 1 market"]);
    assert_eq!(floor.reject(4, RejectReason::InsufficientMargin), None);
    floor.expect(&["leg 1 unwinding", "leg 0 excess 1", "#5 sell 1 market at once"]);
    assert_eq!(floor.fill(5, "1", 98, true), None);
    let said = floor.said();
    assert_eq!(said.last().map(String::as_str), Some("leg 0 over"), "{said:?}");
    assert!(floor.held(SPOT).is_zero());
}

#[test]
fn a_combination_is_unwound_when_time_is_over() {
    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    floor.group(&group(legs(Sequence::OneByOne, LegRisk::Unwind), &pair)).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "0.6", 99, false), None);
    floor.said();
    assert_eq!(floor.accept(2), None);
    floor.pass(10.0);
    floor.expect(&[
        "leg 0 broken",
        "alert group_broken",
        "leg 0 unwinding",
        "leg 1 dropped",
        "cancel #1",
        "leg 0 excess 0.6",
        "#3 sell 0.6 market at once",
    ]);
    // A fill that crossed the cancel is closed after the first part.
    assert_eq!(floor.fill(1, "0.4", 99, true), None);
    let said = floor.said();
    assert!(said.contains(&"leg 0 excess 1".to_owned()), "{said:?}");
    assert_eq!(floor.fill(3, "0.6", 98, true), None);
    let said = floor.said();
    let last = floor.sent.last().unwrap();
    assert!(last.reduce_only && last.time_in_force == TimeInForce::Ioc, "{said:?}");
    let ordinal = last.client_id.ordinal();
    assert_eq!(floor.fill(ordinal, "0.4", 98, true), None);
    assert!(floor.held(SPOT).is_zero());
    assert!(over(&floor));
}

#[test]
fn the_stop_of_a_leg_breaks_a_combination_that_is_not_complete() {
    let mut floor = free();
    let three = [buy(SPOT, Entry::Market), sell(PERP, limit("101"))];
    floor.group(&group(legs(Sequence::Together, LegRisk::Complete), &three)).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "1", 100, true), None);
    assert_eq!(floor.fill(2, "0.5", 101, false), None);
    floor.said();
    let stop_of_spot = floor.sent.iter().find(|s| s.instrument == SPOT && s.reduce_only).unwrap().client_id.ordinal();
    assert_eq!(floor.fill(stop_of_spot, "1", 95, true), None);
    let said = floor.said();
    for expected in ["alert group_broken", "leg 0 unwinding", "cancel #2", "leg 1 excess 0.5"] {
        assert!(said.contains(&expected.to_owned()), "{expected}: {said:?}");
    }
    assert!(said.iter().any(|s| s.ends_with("buy 0.5 market at once")), "{said:?}");
}

#[test]
fn an_exit_withdraws_what_waits() {
    let mut floor = free();
    let asked = group(after(Trigger::Filled, ChildSize::AsAsked), &[buy(PERP, limit("98")), buy(SPOT, limit("99"))]);
    floor.group(&asked).unwrap();
    floor.said();
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    floor.expect(&["cancel #1", "leg 1 dropped"]);
    assert_eq!(floor.fill(1, "1", 98, true), None);
    let said = floor.said();
    assert!(!said.contains(&"leg 1 released".to_owned()), "{said:?}");
    assert!(said.iter().any(|s| s.ends_with("sell 1 market")), "it is closed: {said:?}");
}

#[test]
fn a_trip_takes_entries_off_drops_what_waits_and_leaves_protection() {
    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    floor.group(&group(legs(Sequence::OneByOne, LegRisk::Unwind), &pair)).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "0.5", 99, false), None);
    floor.said();
    assert_eq!(floor.accept(2), None);
    floor.mode = Mode::Emergency;
    floor.act(|desk, world| desk.cancel_entries(ACCOUNT, world));
    floor.expect(&["leg 1 dropped emergency", "cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&["leg 0 over"]);
    assert_eq!(floor.held(SPOT), testkit::quantity("0.5"), "what was filled keeps its stop");
    assert_eq!(floor.desk.orders().len(), 1);
    assert_eq!(pending(&floor), Money::ZERO);
}

#[test]
fn what_waits_does_not_leave_while_new_risk_is_paused() {
    let mut floor = free();
    let asked = group(after(Trigger::Filled, ChildSize::AsAsked), &[buy(PERP, limit("98")), buy(SPOT, limit("99"))]);
    floor.group(&asked).unwrap();
    floor.said();
    floor.mode = Mode::Reduced;
    assert_eq!(floor.fill(1, "1", 98, true), None);
    floor.expect(&["#2 sell 1 stop 93.1", "leg 1 dropped paused", "leg 0 over"]);
    assert_eq!(pending(&floor), Money::ZERO);
}

#[test]
fn a_part_that_the_gate_word_stopped_is_sent_once_more_and_no_more() {
    let mut floor = dip_or_breakout();
    assert_eq!(floor.fill(1, "1", 98, true), None);
    assert_eq!(floor.accept(3), None);
    assert_eq!(floor.fill(2, "1", 102, true), None);
    floor.said();
    floor.not_sent(&[5]);
    let said = floor.said();
    assert!(!said.iter().any(|s| s.contains("market")), "{said:?}");
    floor.pass(1.0);
    let parts: Vec<String> = floor.said().into_iter().filter(|s| s.contains("market at once")).collect();
    assert_eq!(parts.len(), 1, "{parts:?}");
}

#[test]
fn a_list_leaves_as_one_where_the_venue_holds_it() {
    let mut floor = Floor::new();
    floor.desk = Desk::new(1).with_stops(StopPolicy { lists: true, ..StopPolicy::AT_ONCE });
    floor.group(&group(PAIR, &[buy(PERP, limit("98")), buy(PERP, stop("102"))])).unwrap();
    floor.expect(&["pair #1 buy 1 limit 98 / #2 buy 1 stop 102"]);
    // The venue took the second one off by itself, and says so after the fill.
    assert_eq!(floor.fill(1, "1", 98, true), None);
    floor.expect(&["leg 0 chosen", "cancel #2", "#3 sell 1 stop 93.1"]);
    assert_eq!(floor.canceled(2, Some(RejectReason::OneCancelsOther)), None);
    floor.expect(&["leg 0 over"]);
    let late = ReportBody::CancelRejected { client_id: Floor::id(2), reason: RejectReason::UnknownOrder };
    assert_eq!(floor.report(late), None);
    floor.expect(&[]);
}

#[test]
fn groups_come_back_from_a_snapshot_as_they_were() {
    let policy = StopPolicy::AT_ONCE;
    let mut floor = dip_or_breakout();
    floor.reload(policy);
    assert_eq!(floor.fill(1, "0.4", 98, false), None);
    floor.said();
    floor.reload(policy);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(1, "0.6", 98, true), None);
    floor.said();
    floor.reload(policy);
    // A late fill is still known as what it is.
    assert_eq!(floor.fill(2, "0.5", 102, false), None);
    assert!(floor.said().contains(&"leg 1 excess 0.5".to_owned()));
    floor.reload(policy);

    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    floor.group(&group(legs(Sequence::OneByOne, LegRisk::Unwind), &pair)).unwrap();
    floor.said();
    floor.reload(policy);
    assert_eq!(pending(&floor), Money::from_units(99 + 101), "what waits is held again");
    floor.pass(10.0);
    floor.expect(&["leg 0 broken", "leg 1 dropped", "cancel #1"]);
    floor.reload(policy);
    assert_eq!(floor.canceled(1, None), None);
    floor.expect_clean();
}

#[test]
fn phases_and_stages_can_be_looked_at() {
    let mut floor = free();
    let pair = [buy(SPOT, limit("99")), sell(PERP, limit("101"))];
    let number = floor.group(&group(legs(Sequence::OneByOne, LegRisk::Unwind), &pair)).unwrap();
    let live = floor.desk.groups().live().next().unwrap();
    assert_eq!((live.number, live.stage), (number, Stage::Working));
    let phases: Vec<Phase> = live.legs.iter().flatten().map(|leg| leg.phase).collect();
    assert_eq!(phases, [Phase::Working, Phase::Waiting]);
}
