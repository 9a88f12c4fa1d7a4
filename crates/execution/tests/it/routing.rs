//! The router against brute force, and what it leaves out; the choice of the kind of order.

use domain::{AssetIdx, Instrument, InstrumentTable, Money, Nanos, Quantity, Rate, Side, UnixNanos, VenueIdx};
use execution::route::{
    Belief, Candidate, ChoiceError, Exclusion, Kind, Plan, RouteAsk, Router, Situation, VENUES_MAX, choose,
};
use marketdata::{Book, Extent, Level, Unusable};
use testkit::generate::Seeded;
use testkit::{money, price, quantity, rate};

const NOW: UnixNanos = testkit::T0;

/// An instrument of its own table order, with everything that a test needs set by hand.
fn instrument(
    table: &mut InstrumentTable,
    number: u16,
    decimals: (u8, u8),
    lot: i64,
    least: i64,
    notional: &str,
) -> Instrument {
    let plain = testkit::add_spot(table, "BTCUSDT", decimals.0, decimals.1);
    Instrument {
        venue: VenueIdx(number),
        lot: Quantity::from_mantissa(lot, decimals.1),
        min_quantity: Quantity::from_mantissa(least, decimals.1),
        min_notional: money(notional),
        ..plain
    }
}

fn book(bids: &[(i64, i64)], asks: &[(i64, i64)]) -> Book {
    let mut book = Book::new(domain::InstrumentIdx(0), 500);
    let levels =
        |list: &[(i64, i64)]| list.iter().map(|&(price, quantity)| Level { price, quantity }).collect::<Vec<_>>();
    book.snapshot((NOW, NOW, 1), levels(bids), levels(asks), Extent::Whole).unwrap();
    book
}

fn candidate<'a>(instrument: &'a Instrument, book: &'a Book, taker: &str) -> Candidate<'a> {
    Candidate {
        venue: instrument.venue,
        instrument,
        book,
        taker: rate(taker),
        penalty: Rate::ZERO,
        conversion: None,
        enabled: true,
    }
}

fn ask(i: &Instrument, side: Side, amount: &str) -> RouteAsk {
    RouteAsk {
        side,
        base: i.base,
        currency: i.quote,
        quantity: quantity(amount),
        limit: None,
        now: NOW,
        age_max: Nanos::from_secs(1),
    }
}

fn route(ask: &RouteAsk, candidates: &[Candidate<'_>]) -> Plan {
    let mut plan = Plan::default();
    Router::new(1_000).route(ask, candidates, &mut plan);
    plan
}

#[test]
fn the_cheaper_level_after_fees_comes_first() {
    let mut table = InstrumentTable::default();
    let a = instrument(&mut table, 0, (2, 3), 1, 1, "0");
    let b = instrument(&mut table, 1, (1, 2), 1, 1, "0");
    // 100.00 with 0.4 % is dearer than 100.2 with 0.1 %.
    let (at_a, at_b) = (book(&[], &[(10_000, 5_000), (10_060, 9_000)]), book(&[], &[(1_002, 300), (1_004, 900)]));
    let candidates = [candidate(&a, &at_a, "0.004"), candidate(&b, &at_b, "0.001")];
    let plan = route(&ask(&a, Side::Buy, "10"), &candidates);
    assert_eq!(plan.remainder, Quantity::ZERO);
    let [first, second] = &plan.parts[..] else { panic!("{plan:?}") };
    // At a: 100.4, 101.0024; at b: 100.3002, 100.5004.
    assert_eq!((first.quantity, first.worst, first.value), (5_000, 10_000, money("500")));
    assert_eq!((first.fee, first.marginal, first.next), (money("2"), price("100.4"), Some(price("101.0024"))));
    assert_eq!((second.quantity, second.worst, second.value), (500, 1_004, money("501.4")));
    assert_eq!(
        (second.fee, second.marginal, second.next),
        (money("0.5014"), price("100.5004"), Some(price("100.5004")))
    );
    assert_eq!((second.average, plan.total), (price("100.28"), money("1003.9014")));
    // A penalty for being slow turns it round.
    let slow = [candidates[0], Candidate { penalty: rate("0.01"), ..candidates[1] }];
    let plan = route(&ask(&a, Side::Buy, "10"), &slow);
    assert_eq!((plan.parts.len(), plan.excluded[0]), (1, (1, Exclusion::Dearer)));
    assert_eq!(plan.parts[0].base, quantity("10"));
    // Selling: what comes in counts.
    let (at_a, at_b) = (book(&[(9_990, 5_000)], &[]), book(&[(998, 500)], &[]));
    let candidates = [candidate(&a, &at_a, "0.004"), candidate(&b, &at_b, "0.001")];
    let plan = route(&ask(&a, Side::Sell, "6"), &candidates);
    assert_eq!(plan.parts.iter().map(|p| p.base).collect::<Vec<_>>(), [quantity("1"), quantity("5")]);
    assert_eq!(plan.total, money("-598.0014"));
}

#[test]
fn lots_and_minima_are_kept_and_the_remainder_is_said() {
    let mut table = InstrumentTable::default();
    let a = instrument(&mut table, 0, (0, 0), 1, 3, "0");
    let b = instrument(&mut table, 1, (0, 0), 1, 1, "500");
    let (at_a, at_b) = (book(&[], &[(100, 2), (110, 9)]), book(&[], &[(101, 3), (102, 3)]));
    let candidates = [candidate(&a, &at_a, "0"), candidate(&b, &at_b, "0")];
    let taken = |amount: &str| {
        let plan = route(&ask(&a, Side::Buy, amount), &candidates);
        let of = |n: usize| plan.parts.iter().find(|p| p.candidate == n).map_or(0, |p| p.quantity);
        (of(0), of(1), plan.total.to_string(), plan.remainder.to_string())
    };
    // 2 at a would be best and are too few there; b asks for 500, which are 5.
    assert_eq!(taken("2"), (0, 0, "0".into(), "2".into()));
    assert_eq!(taken("4"), (4, 0, "420".into(), "0".into()), "b's minimum of 5 is more than asked");
    assert_eq!(taken("5"), (0, 5, "507".into(), "0".into()));
    assert_eq!(taken("8"), (3, 5, "817".into(), "0".into()));
    assert_eq!(taken("30"), (11, 6, "1799".into(), "13".into()), "all there is");
    assert_eq!(taken("8.7"), (3, 5, "817".into(), "0.7".into()), "less than a lot");
    let capped = Instrument { max_quantity: quantity("4"), ..a.clone() };
    let candidates = [candidate(&capped, &at_a, "0")];
    let plan = route(&ask(&a, Side::Buy, "30"), &candidates);
    assert_eq!((plan.parts[0].quantity, plan.parts[0].next), (4, None));
}

#[test]
fn what_cannot_be_used_is_left_out_by_name() {
    let mut table = InstrumentTable::default();
    let a = instrument(&mut table, 0, (0, 0), 1, 1, "0");
    let dollar = table.asset("USD", 2).unwrap();
    let other = instrument(&mut table, 1, (0, 0), 1, 1, "0");
    let in_dollar = Instrument { quote: dollar, settle: dollar, ..other.clone() };
    let foreign = Instrument { base: AssetIdx(9), ..other.clone() };
    let good = book(&[(99, 5)], &[(101, 5)]);
    let crossed = book(&[(101, 5)], &[(101, 5)]);
    let empty = Book::new(domain::InstrumentIdx(0), 5);
    let mut gap = good.clone();
    gap.invalidate();
    let c = |i, b| candidate(i, b, "0.001");
    let candidates = [
        Candidate { enabled: false, ..c(&a, &good) },
        c(&foreign, &good),
        c(&in_dollar, &good),
        c(&a, &crossed),
        c(&a, &empty),
        c(&a, &gap),
        Candidate { penalty: rate("-0.1"), ..c(&a, &good) },
        c(&a, &good),
    ];
    let wanted = ask(&a, Side::Buy, "5");
    let plan = route(&wanted, &candidates);
    let why: Vec<_> = plan.excluded.iter().map(|(at, why)| (*at, *why)).collect();
    assert_eq!(
        why,
        [
            (0, Exclusion::Disabled),
            (1, Exclusion::OtherBase),
            (2, Exclusion::NoConversion),
            (3, Exclusion::Book(Unusable::Crossed { bid: 101, ask: 101 })),
            (4, Exclusion::Book(Unusable::NoSnapshot)),
            (5, Exclusion::Book(Unusable::Gap { after: 1 })),
            (6, Exclusion::Rates),
        ]
    );
    assert_eq!(plan.parts.len(), 1);
    let late = RouteAsk { now: UnixNanos(NOW.0 + 1_000_000_001), ..wanted };
    let plan = route(&late, &candidates);
    assert_eq!((plan.parts.len(), plan.remainder), (0, wanted.quantity), "through a stale book nothing goes");
    assert!(plan.excluded[7].1.to_string().contains("nothing heard for 1000 ms"), "{}", plan.excluded[7].1);
    // A dollar at 1.002 of the order's currency makes 101 dollars 101.202.
    let candidates = [c(&a, &good), Candidate { conversion: Some(rate("1.002")), ..c(&in_dollar, &good) }];
    let plan = route(&ask(&a, Side::Buy, "7"), &candidates);
    assert_eq!(plan.parts.iter().map(|p| p.quantity).collect::<Vec<_>>(), [5, 2]);
    assert_eq!(plan.parts[1].marginal, price("101.303202"));
    let limited = RouteAsk { limit: Some(price("101.1")), ..ask(&a, Side::Buy, "7") };
    let plan = route(&limited, &candidates);
    assert_eq!((plan.filled, plan.excluded[0].1), (quantity("5"), Exclusion::BelowMinimum));
    let many: Vec<_> = (0..VENUES_MAX + 2).map(|_| c(&a, &good)).collect();
    let plan = route(&ask(&a, Side::Buy, "1000"), &many);
    assert_eq!((plan.parts.len(), plan.excluded.len()), (VENUES_MAX, 2));
    assert_eq!(plan.excluded[0], (VENUES_MAX, Exclusion::TooMany));
    assert!(route(&ask(&a, Side::Buy, "5"), &[]).parts.is_empty());
    let huge = book(&[], &[(i64::MAX / 2, i64::MAX / 2)]);
    let plan = route(&ask(&a, Side::Buy, "90000000"), &[c(&a, &huge)]);
    assert!(plan.parts.is_empty() && plan.excluded[0].1 == Exclusion::TooLarge, "{plan:?}");
}

#[test]
fn contracts_count_by_their_multiplier() {
    let mut table = InstrumentTable::default();
    let spot = instrument(&mut table, 0, (1, 3), 1, 1, "0");
    let mut swap = instrument(&mut table, 1, (1, 0), 1, 1, "0");
    swap.multiplier = quantity("0.01");
    let (at_spot, at_swap) = (book(&[], &[(501_000, 2_000)]), book(&[], &[(500_000, 150), (502_000, 900)]));
    let candidates = [candidate(&spot, &at_spot, "0"), candidate(&swap, &at_swap, "0")];
    let plan = route(&ask(&spot, Side::Buy, "3"), &candidates);
    let [one, two] = &plan.parts[..] else { panic!("{plan:?}") };
    assert_eq!((one.quantity, one.base), (1_500, quantity("1.5")));
    assert_eq!((two.quantity, two.base, two.value), (150, quantity("1.5"), money("75000")));
    assert_eq!(plan.total, money("150150"));
}

/// What a plan or a try costs, from the books alone: counts of 1e-16 of quote, at two decimals of price and quantity and a rate of 1e-12.
fn cost(side: Side, candidates: &[Candidate<'_>], quantities: &[i64]) -> i128 {
    let mut sum = 0;
    for (c, quantity) in candidates.iter().zip(quantities) {
        let mut left = *quantity;
        let factor =
            side.sign() * i128::from(Rate::ONE.raw()) + i128::from(c.taker.raw()) + i128::from(c.penalty.raw());
        let up = |decimals: u8| 10i128.pow(u32::from(2 - decimals));
        for level in c.book.view().unwrap().against(side) {
            let part = left.min(level.quantity);
            left -= part;
            let scale = up(c.instrument.price_decimals) * up(c.instrument.quantity_decimals);
            sum += i128::from(level.price) * i128::from(part) * scale * factor;
        }
        assert_eq!(left, 0);
    }
    sum
}

/// The best of all ways to take lots: hundredths of base had, and cost.
fn brute(side: Side, wanted: i64, candidates: &[Candidate<'_>]) -> (i64, i128) {
    let mut ways: Vec<(i64, Vec<i64>)> = vec![(0, Vec::new())];
    for c in candidates {
        let i = c.instrument;
        let per = 10i64.pow(u32::from(2 - i.quantity_decimals));
        let view = c.book.view().unwrap();
        let depth: i64 = view.against(side).map(|l| l.quantity).sum();
        let lot = i.quantity_mantissa(i.lot).unwrap();
        let mut next = Vec::new();
        for (total, list) in ways {
            let mut quantity = 0;
            while quantity <= depth && total + quantity * per <= wanted {
                let walk = view.walk(side, quantity, None);
                let value =
                    Money::from_raw(walk.value * 10i128.pow(u32::from(12 - i.price_decimals - i.quantity_decimals)));
                if quantity == 0 || (i.quantity(quantity) >= i.min_quantity && value >= i.min_notional) {
                    let mut list = list.clone();
                    list.push(quantity);
                    next.push((total + quantity * per, list));
                }
                quantity += lot;
            }
        }
        ways = next;
    }
    let mut best = (0, 0);
    for (total, list) in ways {
        if total >= best.0 {
            let sum = cost(side, candidates, &list);
            if (total, -sum) > (best.0, -best.1) {
                best = (total, sum);
            }
        }
    }
    best
}

#[test]
fn as_cheap_as_the_cheapest_of_all_splits_of_lots() {
    let (mut split, mut short) = (0, 0);
    for seed in 0..3_000 {
        let mut random = Seeded::new(seed);
        let mut table = InstrumentTable::default();
        let side = if random.chance(50) { Side::Buy } else { Side::Sell };
        let venues = random.within(1, 3);
        let made: Vec<(Instrument, Book, Rate, Rate)> = (0..venues as u16)
            .map(|n| {
                let decimals = (random.within(0, 2) as u8, random.within(0, 2) as u8);
                let (p, q) = (10i64.pow(u32::from(decimals.0)), 10i64.pow(u32::from(decimals.1)));
                // Lots divide each other: hundredths, fifths and tenths of a unit, ones.
                let lot = if decimals.1 == 2 { *random.pick(&[5, 10, 20]) } else { 1 };
                let least = random.within(0, 2) * lot + random.within(0, 1);
                let notional = if random.chance(50) { "0".to_owned() } else { random.within(0, 150).to_string() };
                let i = instrument(&mut table, n, decimals, lot, least.max(1), &notional);
                let mut at = 100 * p + random.within(-2 * p, 2 * p);
                let levels: Vec<(i64, i64)> = (0..random.within(1, 4))
                    .map(|_| {
                        at += side.sign() as i64 * random.within(1, p.max(2));
                        (at, random.within(1, (6 * q / 5).max(2)))
                    })
                    .collect();
                let b = if side == Side::Buy { book(&[], &levels) } else { book(&levels, &[]) };
                (
                    i,
                    b,
                    Rate::from_raw(random.within(-50, 400) * 10_000_000),
                    Rate::from_raw(random.within(0, 9) * 100_000_000),
                )
            })
            .collect();
        let list: Vec<Candidate<'_>> = made
            .iter()
            .map(|(i, b, taker, penalty)| Candidate { taker: *taker, penalty: *penalty, ..candidate(i, b, "0") })
            .collect();
        // In tenths of a unit where all count in them, so that it is mostly in reach.
        let wanted = random.within(1, 30) * 10;
        let plan = route(&ask(&made[0].0, side, &format!("{}.{:02}", wanted / 100, wanted % 100)), &list);
        let quantities: Vec<i64> =
            (0..list.len()).map(|n| plan.parts.iter().find(|p| p.candidate == n).map_or(0, |p| p.quantity)).collect();
        let (total, least) = brute(side, wanted, &list);
        let got = cost(side, &list, &quantities);
        assert_eq!(plan.filled, Quantity::from_mantissa(total, 2), "seed {seed}: {plan:?}");
        assert_eq!(got, least, "seed {seed}: {plan:?}");
        // 1e-16 of quote is 1e-4 of what money counts in.
        assert_eq!(
            plan.total,
            Money::from_raw(domain::decimal::div_round(got, 10_000, domain::Rounding::Up)),
            "seed {seed}"
        );
        assert_eq!(plan.parts.len() + plan.excluded.len(), list.len(), "seed {seed}");
        assert_eq!(plan.remainder, Quantity::from_mantissa(wanted - total, 2), "seed {seed}");
        split += u64::from(plan.parts.len() > 1);
        short += u64::from(!plan.remainder.is_zero());
    }
    assert!(split > 500 && short > 250, "{split} split, {short} short");
}

fn situation<'a>(book: &'a Book, side: Side, quantity: i64, belief: Option<(&str, &str, &str)>) -> Situation<'a> {
    let belief = belief.map(|(p, adverse, drift)| Belief {
        fill_probability: rate(p),
        adverse_move: rate(adverse),
        drift: rate(drift),
    });
    Situation {
        view: book.view().unwrap(),
        decimals: (2, 0),
        side,
        quantity,
        fees: (rate("0.001"), rate("0.002")),
        crossing: None,
        passive: None,
        belief,
        belief_crossing: belief,
    }
}

#[test]
fn the_kind_of_order_with_its_numbers() {
    let book = book(&[(9_990, 10), (9_980, 50)], &[(10_010, 10), (10_020, 50)]);
    // Middle 100. Market: 10 at 100.1, 10 at 100.2: 3 over the middle, 0.2 % of 2003.
    let choice = choose(&situation(&book, Side::Buy, 20, None)).unwrap();
    assert_eq!(choice.best.kind, Kind::Market);
    assert_eq!((choice.best.price, choice.best.fees), (money("3"), money("4.006")));
    assert_eq!(choice.all[1], None, "the ask alone holds half of it, and nothing is known of the rest");
    assert_eq!(choice.all[2], None);
    let ten = choose(&situation(&book, Side::Buy, 10, None)).unwrap();
    assert_eq!(
        ten.all[1].unwrap().total,
        ten.all[0].unwrap().total,
        "a limit at the ask takes what a market order does"
    );
    // Passive at 99.9, always filled: -0.1 x 20, 0.1 % of 1998; an adverse move of 0.2 % is 4.
    let choice = choose(&situation(&book, Side::Buy, 20, Some(("1", "0.002", "0")))).unwrap();
    assert_eq!(choice.best.kind, Kind::Passive { limit: 9_990 });
    assert_eq!((choice.best.price, choice.best.fees), (money("2"), money("1.998")));
    // Never filled: market after a drift of 1 %: 3 + 20, 0.2 % of 2023.
    let choice = choose(&situation(&book, Side::Buy, 20, Some(("0", "0.002", "0.01")))).unwrap();
    let passive = choice.all[2].unwrap();
    assert_eq!((passive.price, passive.fees, choice.best.kind), (money("23"), money("4.046"), Kind::Market));
    // Crossing at 100.1: ten at once (1, 0.2 % of 1001); the rest at 100.1 with 0.5, or ten at 100.2 after 1 %.
    let choice = choose(&situation(&book, Side::Buy, 20, Some(("0.5", "0", "0.01")))).unwrap();
    let crossing = choice.all[1].unwrap();
    assert_eq!(crossing.price, money("7.5"), "1 + (1 + 2 + 10) / 2");
    assert_eq!(crossing.fees, money("3.5145"), "2.002 + (1.001 + 2.004 + 0.02) / 2");
    // Selling is the mirror image: what comes in is less by fees of less.
    let sell = choose(&situation(&book, Side::Sell, 20, Some(("1", "0.002", "0")))).unwrap();
    assert_eq!((sell.best.price, sell.best.fees), (money("2"), money("2.002")));
    let never = choose(&situation(&book, Side::Sell, 20, Some(("0", "0", "0.01")))).unwrap().all[2].unwrap();
    assert_eq!((never.price, never.fees), (money("23"), money("3.954")));
}

#[test]
fn what_cannot_be_weighed_is_said() {
    let book = book(&[(9_990, 10)], &[(10_010, 10)]);
    assert_eq!(choose(&situation(&book, Side::Buy, 0, None)), Err(ChoiceError::Quantity(0)));
    assert_eq!(choose(&situation(&book, Side::Buy, 11, None)), Err(ChoiceError::Depth { held: 10, wanted: 11 }));
    assert_eq!(choose(&situation(&book, Side::Buy, 5, Some(("1.1", "0", "0")))), Err(ChoiceError::Belief));
    assert_eq!(choose(&situation(&book, Side::Buy, 5, Some(("0.5", "-0.1", "0")))), Err(ChoiceError::Belief));
    let mut s = situation(&book, Side::Buy, 5, Some(("1", "0", "0")));
    s.passive = Some(10_010);
    assert_eq!(choose(&s).unwrap().all[2], None, "post-only at the ask would take: refused");
    let one_sided = self::book(&[(9_990, 10)], &[]);
    assert_eq!(choose(&situation(&one_sided, Side::Buy, 5, None)), Err(ChoiceError::OneSided));
}

#[test]
fn the_least_of_what_was_weighed_is_suggested() {
    let mut kinds = [0; 3];
    for seed in 0..3_000 {
        let mut random = Seeded::new(seed);
        let spread = random.within(1, 30);
        let bids: Vec<_> = (0..5).map(|n| (10_000 - spread - 3 * n, random.within(1, 40))).collect();
        let asks: Vec<_> = (0..5).map(|n| (10_000 + spread + 3 * n, random.within(1, 40))).collect();
        let book = book(&bids, &asks);
        let side = if random.chance(50) { Side::Buy } else { Side::Sell };
        let text = |n: i64| Rate::from_raw(n * 1_000_000).to_string();
        let (p, adverse, drift) =
            (text(random.within(0, 1_000_000)), text(random.within(0, 3_000)), text(random.within(0, 5_000)));
        let mut s = situation(&book, side, random.within(1, 60), Some((&p, &adverse, &drift)));
        s.belief_crossing = s.belief.map(|b| Belief { fill_probability: Rate::ONE, ..b });
        let Ok(choice) = choose(&s) else { continue };
        let least = choice.all.iter().flatten().map(|o| o.total).min().unwrap();
        assert_eq!(choice.best.total, least, "seed {seed}");
        // The same in doubles, from the formula.
        let (q, sign) = (s.quantity as f64, side.sign() as f64);
        let value = s.view.walk(side, s.quantity, None).value as f64 / 100.0;
        let (middle, limit) = (100.0, (if side == Side::Buy { bids[0].0 } else { asks[0].0 }) as f64 / 100.0);
        let market = sign * (value - middle * q) + 0.002 * value;
        let number = |t: &str| t.parse::<f64>().unwrap();
        let filled = (sign * (limit - middle) + number(&adverse) * middle + 0.001 * limit) * q;
        let chased = market + number(&drift) * middle * q * (1.0 + sign * 0.002);
        let passive = number(&p) * filled + (1.0 - number(&p)) * chased;
        testkit::assert_close(choice.all[0].unwrap().total.to_f64(), market, 0.0, 1e-9);
        testkit::assert_close(choice.all[2].unwrap().total.to_f64(), passive, 0.0, 1e-9);
        match choice.best.kind {
            Kind::Market => kinds[0] += 1,
            Kind::Crossing { .. } => kinds[1] += 1,
            Kind::Passive { .. } => kinds[2] += 1,
        }
    }
    assert!(kinds.iter().all(|n| *n > 50), "{kinds:?}");
}
