//! Stops that follow the price, stops by time, stops that the venue does not set off, and positions larger than one stop.

use crate::floor::{ACCOUNT, Floor, PERP};
use domain::{
    Intent, Nanos, Quantity, Rate, RejectReason, ReportBody, Side, Signal, SizeRequest, StopLevel, StopPlan,
    StrategyIdx,
};
use execution::{Alarm, Desk, Key, StopPolicy};

const KEY: Key = (ACCOUNT, PERP, StrategyIdx(0));

fn enter(intent: Intent, units: i64, stop: StopPlan) -> Signal {
    let size = SizeRequest::Base(Quantity::from_units(units));
    Signal { size, stop: Some(stop), ..Floor::entry(intent, PERP) }
}

fn trail(distance: &str) -> StopPlan {
    StopPlan::Trail(testkit::price(distance))
}

/// Long two units at 100 (of three that were asked for) with this stop (#2), accepted.
fn held(stop: StopPlan) -> Floor {
    let mut floor = Floor::new();
    floor.signal(&enter(Intent::EnterLong, 3, stop)).unwrap();
    floor.expect(&["#1 buy 3 market"]);
    assert_eq!(floor.fill(1, "2", 100, false), None);
    floor
}

/// A desk that waits two seconds, long one unit at 100 with its stop at 95 accepted.
fn watched(stop: StopPlan) -> Floor {
    let mut floor = Floor::new();
    let policy = StopPolicy { confirm_within: Some(Nanos::from_secs(2)), slippage: Rate::from_bps(100), lists: false };
    floor.desk = Desk::new(1).with_stops(policy);
    floor.signal(&enter(Intent::EnterLong, 1, stop)).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.said();
    assert_eq!(floor.accept(2), None);
    floor
}

#[test]
fn the_venue_holds_a_stop_that_follows_and_the_desk_leaves_it_alone() {
    let mut floor = held(trail("5.009"));
    floor.expect(&["#2 sell 2 trail 5"]);
    assert_eq!(floor.accept(2), None);
    for price in ["101", "110", "106", "120"] {
        floor.trade(PERP, price);
        floor.expect(&[]);
    }
    assert_eq!(floor.canceled(1, None), None);
    floor.expect(&[]);
    let mut fraction = held(StopPlan::TrailFraction(Rate::from_bps(500)));
    fraction.expect(&["#2 sell 2 trail 0.05 of it"]);
}

#[test]
fn a_new_size_does_not_lose_the_level_that_was_reached() {
    let mut floor = held(trail("5"));
    floor.expect(&["#2 sell 2 trail 5"]);
    floor.trade(PERP, "110");
    // At the best price a new one of the venue loses nothing.
    assert_eq!(floor.fill(1, "0.5", 110, false), None);
    floor.expect(&["cancel #2", "#3 sell 2.5 trail 5"]);
    floor.canceled(2, None);
    // Two below the best, a new one would begin at 103: the level of 105 is held by a fixed one.
    floor.trade(PERP, "108");
    assert_eq!(floor.fill(1, "0.5", 108, true), None);
    floor.expect(&["cancel #3", "#4 sell 3 stop 105"]);
    floor.canceled(3, None);
    floor.trade(PERP, "109.99");
    floor.expect(&[]);
    // Until the market makes a new best.
    floor.trade(PERP, "110.01");
    floor.expect(&["cancel #4", "#5 sell 3 trail 5"]);
    floor.canceled(4, None);
    floor.trade(PERP, "111");
    floor.expect(&[]);
}

#[test]
fn a_short_position_is_followed_downwards() {
    let mut floor = Floor::new();
    floor.signal(&enter(Intent::EnterShort, 1, trail("5"))).unwrap();
    floor.said();
    assert_eq!(floor.fill(1, "0.5", 100, false), None);
    floor.expect(&["#2 buy 0.5 trail 5"]);
    floor.trade(PERP, "90");
    floor.trade(PERP, "93");
    assert_eq!(floor.fill(1, "0.5", 93, true), None);
    floor.expect(&["cancel #2", "#3 buy 1 stop 95"]);
    floor.canceled(2, None);
    floor.trade(PERP, "89.99");
    floor.expect(&["cancel #3", "#4 buy 1 trail 5"]);
}

#[test]
fn where_the_venue_cannot_follow_a_fixed_stop_is_moved_after_the_price() {
    let mut floor = held(trail("5"));
    floor.expect(&["#2 sell 2 trail 5"]);
    assert_eq!(floor.reject(2, RejectReason::Unsupported), None, "no alarm: there is another way");
    floor.expect(&["#3 sell 2 stop 95"]);
    // A tenth of the distance is worth a message, less is not.
    floor.trade(PERP, "100.49");
    floor.expect(&[]);
    floor.trade(PERP, "100.5");
    floor.expect(&["cancel #3", "#4 sell 2 stop 95.5"]);
    floor.canceled(3, None);
    floor.trade(PERP, "97");
    floor.expect(&[]);
    floor.trade(PERP, "104");
    floor.expect(&["cancel #4", "#5 sell 2 stop 99"]);
    // A venue that will not hold that either protects nothing.
    let alarm = floor.reject(5, RejectReason::Unsupported);
    assert_eq!(alarm, Some(Alarm::ReductionRejected(Floor::id(5), RejectReason::Unsupported)));
    floor.expect(&["cancel #1", "#6 sell 2 market"]);
}

#[test]
fn a_level_that_was_reached_never_moves_away_from_the_market() {
    for seed in 0..300 {
        let mut random = testkit::generate::Seeded::new(seed);
        let mut floor = held(trail("5"));
        floor.said();
        if random.chance(50) {
            assert_eq!(floor.reject(2, RejectReason::Unsupported), None);
        }
        let (mut best, mut level): (i64, i64) = (10_000, 9_500);
        let mut left = 100;
        for _ in 0..60 {
            let price = random.within(best - 450, best + 300).max(9_600);
            best = best.max(price);
            floor.trade(PERP, &format!("{}.{:02}", price / 100, price % 100));
            if left > 0 && random.chance(20) {
                left -= 10;
                let at = price / 100;
                best = best.max(at * 100);
                assert_eq!(floor.fill(1, "0.1", at, left == 0), None);
            }
            // What of the venue's own is on the floor follows from its acceptance, at the price of then; here it begins where it was sent.
            floor.said();
            let stop = floor.desk.orders().iter().find(|w| w.protects()).unwrap();
            if let Some(trigger) = stop.spec.kind.trigger() {
                let trigger = trigger.to_mantissa(2).unwrap();
                assert!(trigger >= level, "seed {seed}: {trigger} after {level}");
                assert!(trigger > best - 500 - 51 && trigger <= best - 500, "seed {seed}: {trigger}, best {best}");
                level = trigger;
            }
            assert_eq!(stop.left(), Some(floor.held(PERP)), "seed {seed}");
        }
    }
}

#[test]
fn a_position_is_left_when_its_time_is_over() {
    let hold_max = Nanos::from_secs(60);
    let stop = StopPlan::Timed { level: StopLevel::Fraction(Rate::from_bps(500)), hold_max };
    let mut floor = held(stop);
    floor.expect(&["#2 sell 2 stop 95", "wake in 60 s"]);
    floor.accept(2);
    floor.pass(30.0);
    // More of the same entry does not begin anew.
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.expect(&["cancel #2", "#3 sell 3 stop 95"]);
    floor.canceled(2, None);
    floor.pass(29.9);
    floor.expect(&[]);
    floor.pass(0.1);
    floor.expect(&["alert time_stop", "#4 sell 3 market"]);
    assert_eq!(floor.fill(4, "3", 99, true), None);
    floor.expect(&["cancel #3"]);
    floor.canceled(3, None);
    floor.pass(1_000.0);
    floor.expect(&[]);
    floor.expect_clean();
}

#[test]
fn time_begins_anew_with_a_new_position() {
    let hold_max = Nanos::from_secs(60);
    let stop = StopPlan::Timed { level: StopLevel::Fraction(Rate::from_bps(500)), hold_max };
    let mut floor = held(stop);
    floor.said();
    floor.accept(2);
    floor.pass(50.0);
    // Its stop closes what is held while the entry still fills.
    assert_eq!(floor.fill(2, "2", 95, true), None);
    floor.expect(&["cancel #1"]);
    assert_eq!(floor.fill(1, "1", 95, true), None);
    let said = floor.said();
    assert!(
        said.contains(&"#4 sell 1 market".to_owned()) || said.contains(&"#3 sell 1 stop 90.25".to_owned()),
        "{said:?}"
    );
    floor.act(|desk, world| desk.on_time(world));
    floor.pass(10.0);
    assert!(!floor.said().contains(&"alert time_stop".to_owned()), "its minute is not over");
}

#[test]
fn a_stop_that_the_venue_does_not_set_off_is_carried_out_by_the_desk() {
    for (stop, prices) in
        [(StopPlan::Fraction(Rate::from_bps(500)), ["95", "94", "96"]), (trail("5"), ["95", "94.5", "96"])]
    {
        let mut floor = watched(stop);
        floor.trade(PERP, prices[0]);
        // The timer that was asked for with the stop comes at that time anyway.
        floor.expect(&[]);
        floor.pass(1.0);
        floor.trade(PERP, prices[1]);
        floor.pass(0.999);
        floor.expect(&[]);
        floor.pass(0.001);
        let said = floor.said();
        assert_eq!(said[..2], ["alert stop_unconfirmed", "#3 sell 1 market"], "{said:?}");
        // The market that comes back in time needs nobody.
        let mut floor = watched(stop);
        floor.trade(PERP, prices[0]);
        floor.trade(PERP, prices[2]);
        floor.said();
        floor.pass(2.0);
        floor.expect(&[]);
        // And a stop that was set off is the venue's.
        let mut floor = watched(stop);
        floor.trade(PERP, prices[0]);
        assert_eq!(floor.report(ReportBody::Triggered { client_id: Floor::id(2) }), None);
        floor.said();
        floor.trade(PERP, prices[1]);
        floor.act(|desk, world| desk.on_time(world));
        floor.expect(&[]);
    }
}

#[test]
fn a_bad_print_does_not_make_a_position_forget_its_protection() {
    let hold_max = Nanos::from_secs(60);
    let plan = StopPlan::Timed { level: StopLevel::Fraction(Rate::from_bps(500)), hold_max };
    let mut floor = held(plan);
    floor.expect(&["#2 sell 2 stop 95", "wake in 60 s"]);
    assert_eq!(floor.canceled(1, Some(RejectReason::NotFilledAtOnce)), None);
    floor.trade(PERP, "0.08");
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    // Nothing to be closed by its value; the stop that covers all of it stays.
    floor.expect(&[]);
    // Part of it is traded at that price: what covered more is taken off, and no other can be sent.
    assert_eq!(floor.fill(2, "0.5", 95, false), None);
    floor.pass(30.0);
    floor.said();
    assert_eq!(floor.canceled(2, Some(RejectReason::ReduceOnly)), None);
    floor.expect(&[]);
    floor.trade(PERP, "97");
    let said = floor.said();
    assert!(said.contains(&"#3 sell 1.5 stop 95".to_owned()), "{said:?}");
    // Its time went on.
    floor.accept(3);
    floor.pass(30.0);
    let said = floor.said();
    assert!(said.contains(&"alert time_stop".to_owned()), "{said:?}");
}

#[test]
fn history_and_what_a_gap_filler_made_move_nothing() {
    use domain::{EventBody, MarketFlags};
    let mut floor = watched(StopPlan::Fraction(Rate::from_bps(500)));
    for flags in [MarketFlags::WARMUP, MarketFlags::SYNTHETIC] {
        let mut trade = testkit::trade(floor.table.get(PERP).unwrap(), 0, 9_000, 1, Side::Buy);
        trade.flags = flags;
        let body = EventBody::Trade(trade);
        floor.view.apply(floor.ts, &body);
        floor.act(|desk, world| desk.on_market(&body, world));
        floor.expect(&[]);
    }
}

#[test]
fn a_position_larger_than_one_order_has_several_stops() {
    let mut floor = held(StopPlan::Fraction(Rate::from_bps(500)));
    floor.expect(&["#2 sell 2 stop 95"]);
    let mut rules = floor.table.get(PERP).unwrap().clone();
    rules.max_quantity = testkit::quantity("0.8");
    floor.table.define(rules).unwrap();
    assert_eq!(floor.fill(1, "1", 100, true), None);
    floor.expect(&[
        "cancel #2",
        "#3 sell 0.8 stop 95",
        "#4 sell 0.8 stop 95",
        "#5 sell 0.8 stop 95",
        "#6 sell 0.6 stop 95",
    ]);
    floor.canceled(2, None);
    assert_eq!(floor.naked(), []);
    // One of them is set off and fills: the rest stays, one by one.
    assert_eq!(floor.fill(3, "0.8", 95, true), None);
    let said = floor.said();
    assert_eq!(said, ["#7 sell 0.8 market"], "what is held beyond is closed at once");
    assert_eq!(floor.naked(), []);
    // Where one is taken off by the venue, only that one comes again.
    let mut taken = held(StopPlan::Fraction(Rate::from_bps(500)));
    let mut rules = taken.table.get(PERP).unwrap().clone();
    rules.max_quantity = testkit::quantity("0.8");
    taken.table.define(rules).unwrap();
    assert_eq!(taken.fill(1, "1", 100, true), None);
    taken.said();
    assert_eq!(taken.canceled(4, Some(RejectReason::ReduceOnly)), None);
    let said = taken.said();
    assert!(said.iter().any(|w| w == "#7 sell 0.8 stop 95" || w == "#7 sell 0.6 stop 95"), "{said:?}");
    assert_eq!(taken.naked(), []);
}

#[test]
fn risk_hears_where_a_stop_is_and_when_there_is_none() {
    let told = |floor: &Floor| floor.gate.stops().get(KEY).map(|price| price.to_string());
    let mut floor = watched(StopPlan::Fraction(Rate::from_bps(500)));
    // 95 less 1 %.
    assert_eq!(told(&floor).as_deref(), Some("94.05"));
    floor.act(|desk, world| desk.cancel_all_including_stops(ACCOUNT, world));
    assert_eq!(told(&floor), None);
    let mut trailing = watched(trail("5"));
    trailing.trade(PERP, "110");
    assert_eq!(told(&trailing).as_deref(), Some("103.95"));
    let mut late = Floor::new();
    late.desk =
        Desk::new(1).with_stops(StopPolicy { confirm_within: Some(Nanos(1)), slippage: Rate::ZERO, lists: false });
    late.signal(&enter(Intent::EnterLong, 1, trail("5"))).unwrap();
    late.said();
    assert_eq!(late.fill(1, "1", 100, true), None);
    assert_eq!(told(&late).as_deref(), Some("95"));
    late.pass(1.0);
    assert_eq!(told(&late), None, "nobody confirmed it");
    let mut gone = watched(StopPlan::Fraction(Rate::from_bps(500)));
    assert_eq!(gone.fill(2, "1", 95, true), None);
    assert_eq!(told(&gone), None);
}

#[test]
fn what_a_stop_may_lose_is_its_distance_and_what_it_may_slip() {
    let at_risk = |floor: &Floor| floor.desk.at_risk(KEY, &floor.scene()).map(|amount| amount.to_string());
    let mut floor = watched(StopPlan::Fraction(Rate::from_bps(500)));
    // From 100 to 95, and 1 % of 95.
    assert_eq!(at_risk(&floor).as_deref(), Some("5.95"));
    floor.trade(PERP, "110");
    assert_eq!(at_risk(&floor).as_deref(), Some("15.95"));
    let mut trailing = watched(trail("5"));
    trailing.trade(PERP, "110");
    trailing.trade(PERP, "108");
    // From 108 to 105, and 1 % of 105.
    assert_eq!(at_risk(&trailing).as_deref(), Some("4.05"));
    floor.act(|desk, world| desk.cancel_all_including_stops(ACCOUNT, world));
    assert_eq!(at_risk(&floor), None, "without a stop nothing bounds it");
}
