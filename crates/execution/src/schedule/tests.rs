//! Every schedule against a market that fills parts whole, in part or not at all.

use super::*;
use domain::{ImpactModel, Nanos, Rate, Shown, TIMES_OF_DAY, VolumeProfile};
use proptest::prelude::*;

const BEGUN: UnixNanos = UnixNanos(1_600_000_000_000_000_000);
const SECOND: u64 = 1_000_000_000;

fn lots(n: i64) -> Quantity {
    Quantity::from_mantissa(n, 2)
}

fn task(target: i64) -> Task {
    Task {
        side: Side::Buy,
        limit: None,
        reduces: false,
        target: lots(target),
        filled: Quantity::ZERO,
        begun: BEGUN,
        volume: Quantity::ZERO,
    }
}

fn market(seconds: u64) -> Market {
    Market {
        now: UnixNanos(BEGUN.0 + seconds * SECOND),
        touch: Some(Price::from_units(100)),
        lot: lots(1),
        smallest: lots(5),
        largest: lots(100_000),
    }
}

fn minutes(n: u64) -> Nanos {
    Nanos::from_secs(60 * n)
}

fn twap(over: Nanos, slices: u16) -> WorkStyle {
    WorkStyle::Twap { over, slices }
}

/// Sizes of the parts, in lots, where each fills at once and whole, asked once a second.
fn parts(style: &WorkStyle, mut task: Task, seconds: u64, volume: i64) -> Vec<(u64, i64)> {
    let mut sent = Vec::new();
    for second in 0..=seconds {
        task.volume = lots(volume * second as i64);
        while let Next::Send(part) = next(style, &task, &market(second)) {
            task.filled = task.filled.checked_add(part.quantity).unwrap();
            sent.push((second, part.quantity.to_mantissa(2).unwrap()));
        }
    }
    sent
}

#[test]
fn equal_parts_at_equal_distances() {
    assert_eq!(parts(&twap(minutes(3), 3), task(300), 200, 0), [(0, 100), (60, 100), (120, 100)]);
    // What does not divide: each slice has its share rounded down, the last all that is left.
    assert_eq!(parts(&twap(minutes(3), 3), task(100), 200, 0), [(0, 33), (60, 33), (120, 34)]);
    assert_eq!(parts(&twap(minutes(1), 1), task(100), 200, 0), [(0, 100)]);
}

#[test]
fn parts_below_the_smallest_order_are_merged() {
    // A share of four lots is too small: every second slice has eight, and the last what is left.
    assert_eq!(parts(&twap(minutes(6), 6), task(24), 400, 0), [(60, 8), (180, 8), (300, 8)]);
    // After the first two nothing is left that could be sent alone.
    assert_eq!(parts(&twap(minutes(3), 3), task(12), 400, 0), [(60, 12)]);
    // Too small as a whole: one part, at the end.
    assert_eq!(parts(&twap(minutes(3), 3), task(4), 400, 0), [(120, 4)]);
    assert_eq!(
        next(&twap(minutes(3), 3), &Task { filled: lots(8), ..task(12) }, &market(0)),
        Next::End(WorkEnd::Filled)
    );
}

#[test]
fn parts_above_the_largest_order_are_cut() {
    let mut task = task(1_003);
    let mut sent = Vec::new();
    while let Next::Send(part) = next(&twap(minutes(1), 1), &task, &Market { largest: lots(500), ..market(0) }) {
        task.filled = task.filled.checked_add(part.quantity).unwrap();
        sent.push(part.quantity);
    }
    // Three lots could not be sent alone: the second part leaves enough.
    assert_eq!(sent, [lots(500), lots(498), lots(5)]);
}

#[test]
fn a_missed_part_is_due_with_the_next() {
    let style = twap(minutes(6), 6);
    let missed = Task { filled: lots(100), ..task(600) };
    let Next::Send(part) = next(&style, &missed, &market(185)) else { panic!("due") };
    assert_eq!((part.quantity, part.kind), (lots(300), OrderType::Market));
    // Ahead of the schedule nothing is due before it catches up.
    let ahead = Task { filled: lots(350), ..task(600) };
    assert_eq!(next(&style, &ahead, &market(125)), Next::Wait(Some(market(180).now)));
    // The end takes the rest of an entry from the market, and nothing of one with a limit.
    let Next::Send(part) = next(&style, &missed, &market(1_000)) else { panic!("due") };
    assert_eq!(part.quantity, lots(500));
    let limited = Task { limit: Some(Price::from_units(99)), ..missed };
    assert_eq!(next(&style, &limited, &market(360)), Next::End(WorkEnd::Deadline));
    assert_eq!(next(&style, &Task { reduces: true, ..missed }, &market(360)), Next::End(WorkEnd::Market));
}

#[test]
fn a_limit_is_kept_and_looked_at_again_with_the_next_slice() {
    let limited = Task { limit: Some(Price::from_units(99)), ..task(300) };
    let Next::Send(part) = next(&twap(minutes(3), 3), &limited, &market(0)) else { panic!("due") };
    assert_eq!(part.kind, OrderType::Limit { price: Price::from_units(99) });
    assert_eq!((part.until, part.post_only), (Some(market(60).now), false));
}

#[test]
fn volume_decides_how_much_of_it_each_slice_has() {
    // 1,600,000,000 is 12:26:40 UTC: the half hour from 12:00 has a third of what the next one has.
    let mut profile = VolumeProfile([0; TIMES_OF_DAY]);
    (profile.0[24], profile.0[25]) = (1, 3);
    let style = WorkStyle::Vwap { over: Nanos::from_secs(400), slices: 2, profile };
    // 200 s at 1, then 200 s at 3.
    assert_eq!(parts(&style, task(400), 500, 0), [(0, 100), (200, 300)]);
    let flat = WorkStyle::Vwap { over: minutes(3), slices: 3, profile: VolumeProfile::FLAT };
    assert_eq!(parts(&flat, task(100), 200, 0), parts(&twap(minutes(3), 3), task(100), 200, 0));
    // No usual volume at this time of day: time counts.
    let mut elsewhere = VolumeProfile([0; TIMES_OF_DAY]);
    elsewhere.0[0] = 1;
    let style = WorkStyle::Vwap { over: minutes(3), slices: 3, profile: elsewhere };
    assert_eq!(parts(&style, task(100), 200, 0), parts(&twap(minutes(3), 3), task(100), 200, 0));
}

#[test]
fn a_share_of_the_volume_is_followed_and_the_rest_given_up() {
    let style = WorkStyle::Pov { share: Rate::from_bps(1_000), deadline: minutes(1) };
    // Ten lots a second: five are due every five seconds.
    let sent = parts(&style, task(1_000), 61, 10);
    assert_eq!(sent[..3], [(5, 5), (10, 5), (15, 5)]);
    assert_eq!(sent.len(), 11, "nothing at the deadline");
    let behind = Task { volume: lots(600), filled: lots(55), ..task(1_000) };
    assert_eq!(next(&style, &behind, &market(60)), Next::End(WorkEnd::Deadline));
    assert_eq!(next(&style, &Task { reduces: true, ..behind }, &market(60)), Next::End(WorkEnd::Market));
    // A market that trades more than enough gets no more than the target.
    assert_eq!(parts(&style, task(7), 61, 10_000), [(1, 7)]);
}

#[test]
fn the_least_of_cost_and_risk_is_front_loaded_and_a_straight_line_without_aversion() {
    let model = ImpactModel { risk_aversion: 0.0, volatility: 4.0, temporary: 300.0, permanent: 0.0 };
    let style = |risk_aversion| WorkStyle::ImplementationShortfall {
        over: minutes(60),
        slices: 4,
        model: ImpactModel { risk_aversion, ..model },
    };
    assert_eq!(parts(&style(0.0), task(400), 3_601, 0), [(0, 100), (900, 100), (1_800, 100), (2_700, 100)]);
    let bent: Vec<i64> = parts(&style(1e-5), task(10_000), 3_601, 0).iter().map(|(_, part)| *part).collect();
    assert!(bent.windows(2).all(|pair| pair[0] > pair[1]) && bent.len() == 4, "{bent:?}");
    assert_eq!(bent.iter().sum::<i64>(), 10_000);
}

#[test]
fn a_passive_part_rests_follows_the_best_price_and_is_taken_at_the_end() {
    let patience = Nanos::from_secs(100);
    let style = |then| WorkStyle::PassiveThenAggressive { patience, then };
    let Next::Send(part) = next(&style(Rest::Take), &task(300), &market(0)) else { panic!("rests") };
    assert_eq!((part.kind, part.quantity), (OrderType::Limit { price: Price::from_units(100) }, lots(300)));
    assert!(part.post_only && part.until == Some(market(5).now));
    let (here, there, better) = (Price::from_units(100), Price::from_units(99), Price::from_units(101));
    assert_eq!(stays(&style(Rest::Take), &task(300), &market(5), here), Some(market(10).now));
    assert_eq!(stays(&style(Rest::Take), &task(300), &market(5), there), None, "the market went away");
    let sell = Task { side: Side::Sell, ..task(300) };
    assert_eq!(stays(&style(Rest::Take), &task(300), &market(5), better), Some(market(10).now), "it came nearer");
    assert_eq!(stays(&style(Rest::Take), &sell, &market(5), better), None);
    assert_eq!(stays(&style(Rest::Take), &sell, &market(5), there), Some(market(10).now));
    assert_eq!(stays(&style(Rest::Take), &task(300), &market(98), here), Some(market(100).now), "not beyond patience");
    assert_eq!(stays(&style(Rest::Take), &task(300), &market(100), here), None);
    let Next::Send(part) = next(&style(Rest::Take), &task(300), &market(100)) else { panic!("taken") };
    assert_eq!((part.kind, part.quantity), (OrderType::Market, lots(300)));
    assert_eq!(next(&style(Rest::GiveUp), &task(300), &market(100)), Next::End(WorkEnd::Deadline));
    let out = Task { reduces: true, ..task(300) };
    assert_eq!(next(&style(Rest::GiveUp), &out, &market(100)), Next::End(WorkEnd::Market));
    // Without a price it waits, and never beyond its patience.
    let blind = Market { touch: None, ..market(3) };
    assert_eq!(next(&style(Rest::Take), &task(300), &blind), Next::Wait(Some(market(100).now)));
}

#[test]
fn an_iceberg_shows_its_part_only() {
    let style = |shown| WorkStyle::Iceberg { shown, deadline: minutes(10), then: Rest::GiveUp };
    let (quantity, share) = (Shown::Quantity(lots(40)), Shown::Share(Rate::from_bps(2_500)));
    let filled = |filled: i64, shown| match next(&style(shown), &Task { filled: lots(filled), ..task(100) }, &market(9))
    {
        Next::Send(part) => part.quantity,
        other => panic!("{other:?}"),
    };
    assert_eq!([filled(0, quantity), filled(40, quantity), filled(80, quantity)], [lots(40), lots(40), lots(20)]);
    assert_eq!([filled(0, share), filled(75, share)], [lots(25), lots(25)]);
    // Twenty-two lots would leave two that nobody takes.
    assert_eq!(filled(56, quantity), lots(44));
    // Less than the market takes is not shown.
    assert_eq!(filled(0, Shown::Quantity(lots(1))), lots(5));
    let limited = Task { limit: Some(Price::from_units(98)), ..task(100) };
    let Next::Send(part) = next(&style(share), &limited, &market(9)) else { panic!("rests") };
    assert_eq!(part.kind, OrderType::Limit { price: Price::from_units(98) });
}

fn styles() -> impl Strategy<Value = WorkStyle> {
    let model =
        (0.0..1e-3, 0.0..50.0, 1.0..1e4, 0.0..1e-4).prop_map(|(risk_aversion, volatility, temporary, permanent)| {
            ImpactModel { risk_aversion, volatility, temporary, permanent }
        });
    let over = (60u64..7_200).prop_map(Nanos::from_secs);
    let then = prop_oneof![Just(Rest::Take), Just(Rest::GiveUp)];
    let volumes = prop::collection::vec(0u16..9, TIMES_OF_DAY).prop_map(|v| {
        let mut profile = VolumeProfile([1; TIMES_OF_DAY]);
        profile.0.iter_mut().zip(v).for_each(|(at, volume)| *at += volume);
        profile
    });
    prop_oneof![
        (over.clone(), 1u16..40).prop_map(|(over, slices)| WorkStyle::Twap { over, slices }),
        (over.clone(), 1u16..40, volumes).prop_map(|(over, slices, profile)| WorkStyle::Vwap { over, slices, profile }),
        (1i32..10_000, over.clone())
            .prop_map(|(bps, deadline)| WorkStyle::Pov { share: Rate::from_bps(bps), deadline }),
        (over.clone(), 1u16..40, model).prop_map(|(over, slices, model)| WorkStyle::ImplementationShortfall {
            over,
            slices,
            model
        }),
        (over.clone(), then.clone()).prop_map(|(patience, then)| WorkStyle::PassiveThenAggressive { patience, then }),
        (1i64..500, over, then).prop_map(|(shown, deadline, then)| WorkStyle::Iceberg {
            shown: Shown::Quantity(lots(shown)),
            deadline,
            then
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn parts_are_lots_within_bounds_and_their_sum_is_the_target_and_never_more(
        style in styles(),
        target in 5i64..5_000,
        reduces: bool,
        steps in prop::collection::vec((0u64..400, 0i64..300, 0u8..4), 1..120),
    ) {
        let mut task = Task { reduces, ..task(target) };
        let (span, mut second) = (style.span().0 / SECOND, 0);
        let mut ended = None;
        let tail = (0..40u64).map(|n| (span / 30 + n, 1i64, 3u8));
        for (pass, traded, fills) in steps.into_iter().chain(tail) {
            second += pass;
            task.volume = task.volume.checked_add(lots(traded)).unwrap();
            let now = market(second);
            // The same question has the same answer, and a later one no smaller a part.
            let said = next(&style, &task, &now);
            prop_assert_eq!(said, next(&style, &task, &now));
            match said {
                Next::Send(part) => {
                    let sent = part.quantity;
                    prop_assert!(sent <= task.rest() && sent > Quantity::ZERO, "{:?} of {:?}", part, task);
                    prop_assert!(sent.round_to(now.lot, Rounding::Down) == Some(sent));
                    prop_assert!(sent >= now.smallest || task.filled.is_zero() && sent == task.rest());
                    let left = task.rest().checked_sub(sent).unwrap();
                    prop_assert!(left.is_zero() || left >= now.smallest, "{:?} leaves {}", part, left);
                    if second >= span {
                        prop_assert!(part.kind == OrderType::Market && !reduces, "only the rest, at the market: {:?}", part);
                    }
                    if let Some(until) = part.until {
                        prop_assert!(until > now.now && until.0 <= BEGUN.0 + style.span().0);
                    }
                    // The market fills nothing, a third, or all of it.
                    let filled = match fills {
                        0 => 0,
                        1 => sent.to_mantissa(2).unwrap() / 3,
                        _ => sent.to_mantissa(2).unwrap(),
                    };
                    task.filled = task.filled.checked_add(lots(filled)).unwrap();
                }
                Next::Wait(until) => {
                    prop_assert!(until.is_none_or(|until| until > now.now && until.0 <= BEGUN.0 + style.span().0));
                    prop_assert!(second < span);
                }
                Next::End(end) => {
                    let little = task.rest() < now.smallest;
                    prop_assert!(little == (end == WorkEnd::Filled), "{end:?}");
                    prop_assert!(little || second >= span);
                    prop_assert!(little || (end == WorkEnd::Market) == reduces);
                    ended = Some(end);
                    break;
                }
            }
            prop_assert!(task.filled <= task.target);
        }
        prop_assert!(ended.is_some(), "every schedule ends once its span is over and the market fills");
    }
}
