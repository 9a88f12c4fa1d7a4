//! Orders that are worked in parts, step by step: what leaves when, and what ends it.

use crate::floor::{ACCOUNT, Floor, PERP, SPOT, wide};
use domain::{
    Entry, Flow, ImpactModel, Intent, Mode, Money, Nanos, Quantity, Rate, RejectReason, ReportBody, Rest, Shown,
    Signal, SizeRequest, Thresholds, Urgency, VolumeProfile, WorkStyle,
};
use execution::{AskPolicy, Desk, StopPolicy};
use risk::{DenyReason, Limits, Profile};

/// Six units long of the perpetual at 100, stop at 5 %.
fn six() -> Signal {
    Signal { size: SizeRequest::Base(Quantity::from_units(6)), ..Floor::entry(Intent::EnterLong, PERP) }
}

fn twap(minutes: u64, slices: u16) -> WorkStyle {
    WorkStyle::Twap { over: Nanos::from_secs(60 * minutes), slices }
}

fn passive(then: Rest) -> WorkStyle {
    WorkStyle::PassiveThenAggressive { patience: Nanos::from_secs(100), then }
}

/// Asserts what the desk said since the last look, but for when it wants to be woken.
#[track_caller]
fn leaves(floor: &mut Floor, expected: &[&str]) {
    let said: Vec<String> = floor.said().into_iter().filter(|said| !said.starts_with("wake")).collect();
    assert_eq!(said, expected);
}

/// A worked entry whose first of three parts is filled and protected.
fn begun() -> Floor {
    let mut floor = Floor::new();
    floor.work(&six(), &twap(3, 3)).unwrap();
    leaves(&mut floor, &["works 6 twap", "#1 buy 2 market"]);
    assert_eq!(floor.fill(1, "2", 100, true), None);
    leaves(&mut floor, &["#2 sell 2 stop 95"]);
    floor
}

#[test]
fn an_entry_leaves_in_parts_and_each_fill_is_protected() {
    let mut floor = begun();
    floor.pass(10.0);
    leaves(&mut floor, &[]);
    floor.pass(50.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    assert_eq!(floor.accept(3), None);
    // In two fills: the stop follows each, measured from the average.
    assert_eq!(floor.fill(3, "1", 103, false), None);
    leaves(&mut floor, &["cancel #2", "#4 sell 3 stop 95.95"]);
    assert_eq!(floor.fill(3, "1", 103, true), None);
    leaves(&mut floor, &["cancel #4", "#5 sell 4 stop 96.43"]);
    floor.pass(60.0);
    leaves(&mut floor, &["#6 buy 2 market"]);
    assert_eq!(floor.fill(6, "2", 100, true), None);
    leaves(&mut floor, &["cancel #5", "#7 sell 6 stop 95.95", "worked 6 of 6: filled"]);
    assert_eq!(floor.desk.next_due(), None);
    assert_eq!(floor.held(PERP), testkit::quantity("6"));
}

#[test]
fn a_part_that_fills_slowly_makes_the_next_one_larger() {
    let mut floor = begun();
    floor.pass(60.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    // It fills after the next slice began: none leaves meanwhile, and what is due follows at once.
    assert_eq!(floor.accept(3), None);
    floor.pass(70.0);
    assert_eq!(floor.said(), [""; 0]);
    assert_eq!(floor.fill(3, "0.5", 100, false), None);
    leaves(&mut floor, &["cancel #2", "#4 sell 2.5 stop 95"]);
    assert_eq!(floor.canceled(3, Some(RejectReason::NoMarket)), None);
    // Nobody asked for that: the rest is tried a little later, all of it.
    leaves(&mut floor, &[]);
    floor.pass(10.0);
    leaves(&mut floor, &["#5 buy 3.5 market"]);
}

#[test]
fn the_whole_is_refused_as_a_whole() {
    let limits = Limits { order_value_max: Money::from_units(500), stop_required: true, ..Limits::relaxed() };
    let mut floor = Floor::with(Profile::Research(limits));
    let refusal = floor.work(&six(), &twap(3, 3)).unwrap_err();
    assert_eq!(refusal.reason, DenyReason::OrderValue, "no part of it alone would be");
    leaves(&mut floor, &[]);
    floor.expect_clean();
    let bad = floor.work(&six(), &twap(3, 0)).unwrap_err();
    assert_eq!(bad.reason, DenyReason::SignalInvalid);
}

#[test]
fn each_part_is_checked_again_and_three_refusals_in_a_row_give_up() {
    let mut floor = begun();
    floor.pass(50.0);
    floor.gate.restrict(|restricted| restricted.add_instrument(PERP));
    floor.said();
    floor.pass(10.0);
    leaves(&mut floor, &["refused restricted"]);
    floor.pass(10.0);
    leaves(&mut floor, &["refused restricted"]);
    floor.pass(10.0);
    leaves(&mut floor, &["refused restricted"]);
    floor.pass(10.0);
    leaves(&mut floor, &["worked 2 of 6: refused"]);
    assert_eq!(floor.held(PERP), testkit::quantity("2"), "what is held stays, with its stop");
}

#[test]
fn an_exit_ends_the_entry_and_closes_what_is_held() {
    let mut floor = begun();
    floor.pass(60.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    leaves(&mut floor, &["cancel #3", "worked 2 of 6: closing", "#4 sell 2 market"]);
    // The part fills before its cancel arrives: that is closed, too.
    assert_eq!(floor.fill(3, "2", 100, true), None);
    leaves(&mut floor, &["cancel #2", "#5 sell 4 stop 95"]);
    assert_eq!(floor.fill(4, "2", 100, true), None);
    leaves(&mut floor, &["cancel #5", "#6 sell 2 stop 95", "#7 sell 2 market"]);
    // Before anything is filled an exit leaves nothing behind.
    let mut floor = Floor::new();
    floor.work(&six(), &passive(Rest::Take)).unwrap();
    leaves(&mut floor, &["works 6 passive-then-aggressive", "#1 buy 6 post 99.99"]);
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    leaves(&mut floor, &["cancel #1", "worked 0 of 6: closing"]);
    assert_eq!(floor.canceled(1, None), None);
    floor.pass(200.0);
    leaves(&mut floor, &[]);
    floor.expect_clean();
}

#[test]
fn a_stop_ends_the_entry_even_where_it_fills_at_once() {
    let mut floor = begun();
    floor.price(PERP, 95);
    assert_eq!(floor.fill(2, "2", 95, true), None);
    leaves(&mut floor, &["worked 2 of 6: closing"]);
    floor.pass(300.0);
    leaves(&mut floor, &[]);
    floor.expect_clean();
}

#[test]
fn a_pause_ends_entries_and_leaves_exits() {
    for mode in [Mode::Reduced, Mode::Paused, Mode::Emergency] {
        let mut floor = begun();
        floor.mode = mode;
        floor.act(|desk, world| desk.cancel_entries(ACCOUNT, world));
        leaves(&mut floor, &["worked 2 of 6: paused"]);
        assert!(!floor.desk.entry_on_its_way(ACCOUNT, PERP, domain::StrategyIdx(0)));
    }
    // Without being told to take entries off, the next look ends it: no part leaves.
    let mut floor = begun();
    floor.mode = Mode::Reduced;
    floor.pass(60.0);
    leaves(&mut floor, &["worked 2 of 6: paused"]);
}

#[test]
fn an_unknown_outcome_of_a_part_blocks_further_ones() {
    let policy = StopPolicy { confirm_within: Some(Nanos::from_secs(5)), slippage: Rate::ZERO, lists: false };
    let mut floor = begun();
    floor.desk = std::mem::replace(&mut floor.desk, execution::Desk::new(1)).with_stops(policy);
    floor.pass(60.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    // Nothing is heard of it. Whatever time passes, nothing else leaves, for it may be live.
    floor.pass(1_000.0);
    leaves(&mut floor, &[]);
    // Late, but it is there.
    assert_eq!(floor.fill(3, "2", 100, true), None);
    leaves(&mut floor, &["cancel #2", "#4 sell 4 stop 95", "#5 buy 2 market"]);
}

#[test]
fn a_part_whose_answer_stays_away_is_asked_for_and_what_fills_after_all_makes_the_next_smaller() {
    let policy = AskPolicy { answer_within: Nanos::from_secs(2), grace: Nanos::from_secs(10), denials: 2 };
    let mut floor = Floor::new();
    floor.desk = Desk::new(1).with_asking(Some(policy));
    floor.work(&six(), &twap(30, 3)).unwrap();
    leaves(&mut floor, &["works 6 twap", "#1 buy 2 market"]);
    floor.pass(2.0);
    leaves(&mut floor, &["alert outcome_unknown", "where is #1"]);
    // Over the beginning of the next slice: it may be live, so nothing else leaves.
    for _ in 0..20 {
        floor.pass(60.0);
        leaves(&mut floor, &["where is #1"]);
    }
    // The venue does not know it, whenever it is asked: that is believed.
    let denied = ReportBody::Status { client_id: Floor::id(1), status: None, filled: 0 };
    assert_eq!(floor.report(denied), None);
    leaves(&mut floor, &[]);
    floor.pass(60.0);
    leaves(&mut floor, &["where is #1"]);
    assert_eq!(floor.report(denied), None);
    leaves(&mut floor, &["alert never_arrived"]);
    floor.pass(10.0);
    leaves(&mut floor, &["#2 buy 6 market"]);
    // It was there after all: together they would be too much.
    floor.fill(1, "2", 100, true);
    let said = floor.said();
    assert!(said.contains(&"cancel #2".to_owned()), "{said:?}");
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.accept(3), None);
    floor.pass(10.0);
    let said = floor.said();
    assert!(said.contains(&"#4 buy 4 market".to_owned()), "{said:?}");
}

#[test]
fn a_second_entry_is_doubled_and_another_side_takes_its_place() {
    let mut floor = begun();
    for refusal in [floor.work(&six(), &twap(3, 3)), floor.signal(&six())] {
        assert_eq!(refusal.unwrap_err().reason, DenyReason::Duplicate);
    }
    leaves(&mut floor, &[]);
    // The other side: flat at the market first, then the new entry, in parts.
    let short = Signal { intent: Intent::EnterShort, ..six() };
    floor.work(&short, &twap(3, 3)).unwrap();
    leaves(&mut floor, &["worked 2 of 6: replaced", "#3 sell 2 market"]);
    assert_eq!(floor.fill(3, "2", 100, true), None);
    leaves(&mut floor, &["cancel #2", "works 6 twap", "#4 sell 2 market"]);
    assert_eq!(floor.canceled(2, None), None);
    assert_eq!(floor.fill(4, "2", 100, true), None);
    leaves(&mut floor, &["#5 buy 2 stop 105"]);
}

#[test]
fn a_passive_entry_rests_follows_and_is_taken_at_the_end() {
    let mut floor = Floor::new();
    floor.work(&six(), &passive(Rest::Take)).unwrap();
    leaves(&mut floor, &["works 6 passive-then-aggressive", "#1 buy 6 post 99.99"]);
    assert_eq!(floor.accept(1), None);
    floor.pass(5.0);
    leaves(&mut floor, &[]);
    assert_eq!(floor.fill(1, "2", 100, false), None);
    leaves(&mut floor, &["#2 sell 2 stop 95"]);
    // The market goes away: off, and again where it is.
    floor.price(PERP, 101);
    floor.pass(5.0);
    leaves(&mut floor, &["cancel #1"]);
    assert_eq!(floor.canceled(1, None), None);
    leaves(&mut floor, &["#3 buy 4 post 100.99"]);
    // It would have taken: once more, a second later, but for the pace of entries.
    assert_eq!(floor.reject(3, RejectReason::WouldCross), None);
    leaves(&mut floor, &[]);
    floor.pass(10.0);
    leaves(&mut floor, &["#4 buy 4 post 100.99"]);
    assert_eq!(floor.accept(4), None);
    // Patience ends: what rests is taken off, and the rest taken.
    floor.pass(80.0);
    leaves(&mut floor, &["cancel #4"]);
    assert_eq!(floor.canceled(4, None), None);
    leaves(&mut floor, &["#5 buy 4 market"]);
    assert_eq!(floor.fill(5, "4", 101, true), None);
    let said = floor.said();
    assert_eq!(said.last().unwrap(), "worked 6 of 6: filled", "{said:?}");
}

#[test]
fn what_is_given_up_is_not_taken() {
    let mut floor = Floor::new();
    floor.work(&six(), &passive(Rest::GiveUp)).unwrap();
    floor.said();
    assert_eq!(floor.accept(1), None);
    floor.pass(100.0);
    leaves(&mut floor, &["cancel #1"]);
    // A late fill counts.
    assert_eq!(floor.canceled(1, None), None);
    leaves(&mut floor, &["worked 0 of 6: deadline"]);
    floor.expect_clean();
}

#[test]
fn a_fill_after_the_end_of_its_part_is_part_of_the_whole() {
    let mut floor = Floor::new();
    floor.work(&six(), &passive(Rest::Take)).unwrap();
    floor.said();
    assert_eq!(floor.accept(1), None);
    floor.price(PERP, 101);
    floor.pass(5.0);
    leaves(&mut floor, &["cancel #1"]);
    floor.pass(2.0);
    assert_eq!(floor.canceled(1, None), None);
    // Paced: the next one is not before ten seconds after the first. Meanwhile a fill comes that overtook the cancel.
    leaves(&mut floor, &[]);
    assert_eq!(floor.fill(1, "4", 100, false), None);
    leaves(&mut floor, &["#2 sell 4 stop 95"]);
    floor.pass(3.0);
    leaves(&mut floor, &["#3 buy 2 post 100.99"]);
}

#[test]
fn an_iceberg_shows_one_part_after_the_other() {
    let style = WorkStyle::Iceberg {
        shown: Shown::Share(Rate::from_bps(5_000)),
        deadline: Nanos::from_secs(3_600),
        then: Rest::GiveUp,
    };
    let mut floor = Floor::new();
    let limited = Signal { entry: Entry::Limit(testkit::price("98")), ..six() };
    floor.work(&limited, &style).unwrap();
    leaves(&mut floor, &["works 6 iceberg", "#1 buy 3 post 98"]);
    assert_eq!(floor.accept(1), None);
    assert_eq!(floor.fill(1, "1", 98, false), None);
    leaves(&mut floor, &["#2 sell 1 stop 93.1"]);
    floor.pass(30.0);
    assert_eq!(floor.fill(1, "2", 98, true), None);
    leaves(&mut floor, &["cancel #2", "#3 sell 3 stop 93.1", "#4 buy 3 post 98"]);
}

#[test]
fn a_share_of_the_volume_follows_what_trades() {
    let mut floor = Floor::new();
    let style = WorkStyle::Pov { share: Rate::from_bps(5_000), deadline: Nanos::from_secs(600) };
    floor.work(&six(), &style).unwrap();
    leaves(&mut floor, &["works 6 pov"]);
    // Each trade is of 0.01: sixteen of them make 0.08 due, the smallest part (5 USDT at the stop, and a quarter more).
    for _ in 0..15 {
        floor.trade(PERP, "100");
        leaves(&mut floor, &[]);
    }
    floor.trade(PERP, "100");
    leaves(&mut floor, &["#1 buy 0.08 market"]);
    assert_eq!(floor.fill(1, "0.08", 100, true), None);
    let said = floor.said();
    assert!(said.contains(&"#2 sell 0.08 stop 95".to_owned()), "{said:?}");
    floor.pass(600.0);
    leaves(&mut floor, &["worked 0.08 of 6: deadline"]);
}

#[test]
fn an_exit_is_worked_while_its_stop_covers_what_is_left() {
    let mut floor = begun();
    floor.mode = Mode::Normal;
    floor.work(&Floor::exit_of(PERP), &twap(2, 2)).unwrap();
    leaves(&mut floor, &["worked 2 of 6: replaced", "works 2 twap", "#3 sell 1 market at once"]);
    // Said twice, done once.
    floor.work(&Floor::exit_of(PERP), &twap(2, 2)).unwrap();
    leaves(&mut floor, &[]);
    assert_eq!(floor.fill(3, "1", 100, true), None);
    leaves(&mut floor, &["cancel #2", "#4 sell 1 stop 95"]);
    assert_eq!(floor.canceled(2, None), None);
    // New risk is paused: a reduction goes on.
    floor.mode = Mode::Paused;
    floor.pass(60.0);
    leaves(&mut floor, &["#5 sell 1 market at once"]);
    assert_eq!(floor.fill(5, "1", 100, true), None);
    leaves(&mut floor, &["cancel #4", "worked 2 of 2: filled"]);
    assert_eq!(floor.canceled(4, None), None);
    floor.expect_clean();
}

#[test]
fn an_exit_that_is_worked_goes_at_the_market_in_an_emergency_and_at_its_end() {
    let mut floor = begun();
    floor.work(&Floor::exit_of(PERP), &passive(Rest::GiveUp)).unwrap();
    leaves(&mut floor, &["worked 2 of 6: replaced", "works 2 passive-then-aggressive", "#3 sell 2 limit 100.01"]);
    assert_eq!(floor.accept(3), None);
    floor.mode = Mode::Emergency;
    floor.act(|desk, world| desk.look_after(world));
    floor.pass(5.0);
    leaves(&mut floor, &["cancel #3", "worked 0 of 2: market", "#4 sell 2 market"]);
    let mut floor = begun();
    floor.work(&Floor::exit_of(PERP), &passive(Rest::GiveUp)).unwrap();
    floor.said();
    assert_eq!(floor.accept(3), None);
    floor.pass(100.0);
    leaves(&mut floor, &["cancel #3"]);
    assert_eq!(floor.canceled(3, None), None);
    leaves(&mut floor, &["worked 0 of 2: market", "#4 sell 2 market"]);
    // An exit at once takes the place of one that is worked, and does not wait for what rests.
    let mut floor = begun();
    floor.work(&Floor::exit_of(PERP), &passive(Rest::Take)).unwrap();
    floor.said();
    floor.signal(&Floor::exit_of(PERP)).unwrap();
    leaves(&mut floor, &["cancel #3", "worked 0 of 2: closing", "#4 sell 2 market"]);
}

#[test]
fn a_part_that_rests_stands_against_no_reduction() {
    let mut floor = begun();
    floor.work(&Floor::exit_of(PERP), &passive(Rest::Take)).unwrap();
    floor.said();
    assert_eq!(floor.accept(3), None);
    floor.act(|desk, world| desk.reduce_part(ACCOUNT, PERP, Rate::from_bps(5_000), world));
    leaves(&mut floor, &["#4 sell 1 market at once"]);
}

#[test]
fn an_exit_of_nothing_and_a_style_out_of_range_are_exits_like_any_other() {
    let mut floor = Floor::new();
    floor.work(&Floor::exit_of(PERP), &twap(2, 2)).unwrap();
    leaves(&mut floor, &[]);
    let mut floor = begun();
    floor.work(&Floor::exit_of(PERP), &twap(2, 0)).unwrap();
    leaves(&mut floor, &["worked 2 of 6: closing", "#3 sell 2 market"]);
}

#[test]
fn orders_that_never_left_are_not_waited_for() {
    let mut floor = begun();
    floor.pass(60.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    floor.not_sent(&[3]);
    leaves(&mut floor, &[]);
    floor.pass(10.0);
    leaves(&mut floor, &["#4 buy 2 market"]);
}

#[test]
fn funds_that_run_short_make_the_rest_smaller() {
    let mut floor = begun();
    floor.pass(60.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    assert_eq!(floor.canceled(3, Some(RejectReason::InsufficientBalance)), None);
    leaves(&mut floor, &[]);
    // Four were left, two per cent less are 3.92: half of the new whole less what is filled.
    floor.pass(10.0);
    leaves(&mut floor, &["#4 buy 1.94 market"]);
}

#[test]
fn a_choice_is_made_when_it_begins() {
    let flow = Flow { volume_per_hour: Some(30.0), model: None, toxicity: None, as_of: testkit::T0 };
    let auto = |thresholds| WorkStyle::Auto { urgency: Urgency::Normal, flow, thresholds };
    let mut floor = Floor::new();
    // A fifth of an hour's volume is large.
    floor.work(&six(), &auto(Thresholds::STANDARD)).unwrap();
    leaves(&mut floor, &["works 6 pov"]);
    // Small: it goes as one order.
    let mut floor = Floor::new();
    floor.work(&six(), &auto(Thresholds { small: 0.5, large: 0.9, ..Thresholds::STANDARD })).unwrap();
    leaves(&mut floor, &["#1 buy 6 market"]);
    // Toxicity was to be looked at, and nobody measures it.
    let mut floor = Floor::new();
    let looked_at = auto(Thresholds { toxic: Some(0.7), ..Thresholds::STANDARD });
    assert_eq!(floor.work(&six(), &looked_at).unwrap_err().reason, DenyReason::ToxicityUnknown);
    leaves(&mut floor, &[]);
    let mut floor = begun();
    floor.work(&Floor::exit_of(PERP), &looked_at).unwrap();
    let said = floor.said();
    assert_eq!(
        said[..2],
        ["worked 2 of 6: replaced".to_owned(), "works 2 twap".to_owned()],
        "an exit is never refused"
    );
}

#[test]
fn spot_amounts_are_sized_in_base_and_parts_reserve_only_themselves() {
    let mut floor = Floor::with(wide());
    let all = Signal { size: SizeRequest::EquityFraction(Rate::from_bps(10)), ..Floor::entry(Intent::EnterLong, SPOT) };
    floor.work(&all, &twap(3, 3)).unwrap();
    // 0.1 % of a million at 100 is 10 units less the fee of 0.1 %: 9.99.
    leaves(&mut floor, &["works 9.99 twap", "#1 buy 3.33 market"]);
    assert!(floor.gate.exposure().pending_total(ACCOUNT) <= Money::from_units(334));
}

#[test]
fn what_is_worked_comes_back_from_a_snapshot() {
    let model = ImpactModel { risk_aversion: 1e-6, volatility: 4.0, temporary: 300.0, permanent: 0.01 };
    let over = Nanos::from_secs(180);
    let styles = [
        twap(3, 3),
        WorkStyle::Vwap { over, slices: 3, profile: VolumeProfile::FLAT },
        WorkStyle::ImplementationShortfall { over, slices: 3, model },
        WorkStyle::Pov { share: Rate::from_bps(5_000), deadline: over },
        passive(Rest::Take),
        WorkStyle::Iceberg { shown: Shown::Quantity(Quantity::from_units(2)), deadline: over, then: Rest::Take },
    ];
    for style in styles {
        let (mut straight, mut reloaded) = (Floor::new(), Floor::new());
        let mut said = [Vec::new(), Vec::new()];
        for (floor, said) in [&mut straight, &mut reloaded].into_iter().zip(&mut said) {
            floor.work(&six(), &style).unwrap();
            said.extend(floor.said());
        }
        for step in 0..40 {
            // The venue fills everything, in two parts; the exit is asked for in the middle.
            for (at, floor) in [&mut straight, &mut reloaded].into_iter().enumerate() {
                if at == 1 {
                    floor.reload(StopPolicy::AT_ONCE);
                }
                if step == 20 {
                    floor.work(&Floor::exit_of(PERP), &style).unwrap();
                }
                floor.trade(PERP, "100");
                said[at].extend(floor.said());
                let open: Vec<(u64, Quantity)> = (floor.desk.orders().iter())
                    .filter(|w| w.is_entry() || w.purpose == execution::Purpose::Part)
                    .filter_map(|w| Some((w.spec.client_id.ordinal(), w.left()?)))
                    .collect();
                for (ordinal, left) in open {
                    let half = Quantity::from_mantissa(left.to_mantissa(2).unwrap() / 2, 2);
                    if step % 2 == 0 && !half.is_zero() {
                        assert_eq!(floor.fill(ordinal, &half.to_string(), 100, false), None);
                    } else {
                        assert_eq!(floor.fill(ordinal, &left.to_string(), 100, true), None);
                    }
                }
                said[at].extend(floor.said());
                floor.pass(7.0);
                said[at].extend(floor.said());
            }
            assert_eq!(straight.digest(), reloaded.digest(), "{style:?}, step {step}");
        }
        assert_eq!(said[0], said[1], "{style:?}");
    }
}

#[test]
fn reports_of_a_part_are_those_of_any_order() {
    let mut floor = begun();
    floor.pass(60.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    assert_eq!(floor.report(ReportBody::Expired { client_id: Floor::id(3) }), None);
    leaves(&mut floor, &[]);
}

#[test]
fn a_late_fill_of_a_part_before_the_last_leaves_less_to_be_done() {
    let mut floor = Floor::new();
    floor.work(&six(), &twap(3, 3)).unwrap();
    leaves(&mut floor, &["works 6 twap", "#1 buy 2 market"]);
    assert_eq!(floor.accept(1), None);
    floor.pass(0.5);
    // What it filled before its end was lost on the way.
    assert_eq!(floor.canceled(1, Some(RejectReason::NoMarket)), None);
    floor.pass(10.0);
    leaves(&mut floor, &["#2 buy 2 market"]);
    assert_eq!(floor.accept(2), None);
    assert_eq!(floor.canceled(2, Some(RejectReason::NoMarket)), None);
    floor.pass(10.0);
    leaves(&mut floor, &["#3 buy 2 market"]);
    assert_eq!(floor.fill(3, "2", 100, true), None);
    leaves(&mut floor, &["#4 sell 2 stop 95"]);
    assert_eq!(floor.fill(1, "2", 100, false), None);
    leaves(&mut floor, &["cancel #4", "#5 sell 4 stop 95"]);
    for _ in 0..4 {
        floor.pass(60.0);
        for spec in floor.sent.clone() {
            let id = spec.client_id;
            if spec.kind == domain::OrderType::Market && floor.desk.orders().get(id).is_some() {
                let left = floor.desk.orders().get(id).and_then(execution::Working::left).unwrap();
                assert_eq!(floor.fill(id.ordinal(), &left.to_string(), 100, true), None);
            }
        }
        floor.said();
    }
    assert_eq!(floor.held(PERP), testkit::quantity("6"), "as much as was wanted, and no more");
}
