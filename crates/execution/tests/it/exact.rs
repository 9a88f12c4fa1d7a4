//! Cost over partial fills is exact, and in the step of each fill the stop is as large as what was received, net of fees in what was bought.

use crate::floor::{ACCOUNT, Floor, SPOT};
use domain::{Intent, Money, Quantity, Rate, Rounding, SizeRequest, StopPlan, StrategyIdx};
use execution::{Purpose, Working};
use testkit::generate::Seeded;

/// What the stops at work sell together, and the level of the first.
fn stops(floor: &Floor) -> (Quantity, Option<domain::Price>) {
    let live = |w: &&Working| w.purpose == Purpose::Stop && w.stays();
    let mut sum = Quantity::ZERO;
    for order in floor.desk.orders().iter().filter(live) {
        sum = sum.checked_add(order.left().unwrap()).unwrap();
    }
    (sum, floor.desk.orders().iter().find(live).and_then(|w| w.spec.kind.trigger()))
}

#[test]
fn the_stop_is_what_was_received_in_the_step_of_every_fill_and_its_level_the_exact_average() {
    let (mut fills, mut fees) = (0, 0);
    for seed in 0..400 {
        let mut r = Seeded::new(seed);
        let mut floor = Floor::new();
        let asked = r.within(200, 2_000);
        let signal = domain::Signal {
            size: SizeRequest::Base(Quantity::from_mantissa(asked, 2)),
            stop: Some(StopPlan::Fraction(Rate::from_bps(500))),
            ..Floor::entry(Intent::EnterLong, SPOT)
        };
        floor.signal(&signal).unwrap();
        floor.said();
        // In counts of 1e-12 of base and quote, by plain sums.
        let (mut left, mut held, mut bought, mut cost) = (asked, 0_i128, 0_i128, 0_i128);
        while left > 0 {
            let lots = r.within(1, left.min(600));
            left -= lots;
            let price = r.within(90, 110);
            let fee = if r.chance(70) { r.within(0, lots * 1_000) } else { 0 };
            fees += u64::from(fee > 0);
            let (quantity, fee) = (Quantity::from_mantissa(lots, 2), Quantity::from_mantissa(fee, 8));
            assert_eq!(floor.fill_for(1, &quantity.to_string(), price, left == 0, &fee.to_string()), None);
            floor.said();
            fills += 1;
            held += quantity.raw() - fee.raw();
            bought += quantity.raw();
            cost += quantity.raw() * i128::from(price);
            let position = floor.portfolio.position(ACCOUNT, SPOT, StrategyIdx(0));
            assert_eq!(position.quantity.raw(), held, "seed {seed}");
            let rules = floor.table.get(SPOT).unwrap();
            let wanted = rules.floor_to_lot(position.quantity);
            let mark = rules.price(floor.view.mark(SPOT).unwrap());
            let dust = portfolio::dust::is_dust(rules, position.quantity, mark) || wanted < rules.min_quantity;
            let (covered, level) = stops(&floor);
            assert_eq!(covered, if dust { Quantity::ZERO } else { wanted }, "seed {seed}: {held} of {bought}");
            if fee.is_zero() && held == bought {
                // Without fees in base the position's cost is what was paid, to the last unit.
                assert_eq!(position.cost.raw(), cost, "seed {seed}");
            }
            // The level: 5 % below the average cost of what is held, on the tick above.
            let average = domain::decimal::div_money(position.cost.raw(), held, Rounding::HalfEven).unwrap();
            let distance = Money::from_raw(average).times(Rate::from_bps(500), Rounding::Down).unwrap();
            let exact = domain::Price::from_raw(average - distance.raw());
            assert_eq!(level, (!dust).then(|| exact.round_to(rules.tick, Rounding::Up).unwrap()), "seed {seed}");
        }
    }
    assert!(fills > 1_500 && fees > 500, "the run shows too little: {fills} fills, {fees} with a fee in base");
}
