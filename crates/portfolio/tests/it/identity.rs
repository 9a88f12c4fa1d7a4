//! Whatever happens: every balance is the sum of its postings, and equity = transfers + realised + unrealised + funding - fees.

use crate::common::{A, ACCOUNT, B, World};
use domain::{AssetIdx, Digest, Digestible, InstrumentIdx, Liquidity, Money, Side, StrategyIdx, UnixNanos};
use portfolio::{LedgerError, RoundTrips};
use proptest::prelude::*;
use std::collections::BTreeMap;
use testkit::generate::Seeded;

fn check(seed: u64, steps: usize, base_transfer: bool) -> Result<(), TestCaseError> {
    let mut random = Seeded::new(seed);
    let mut world = World::new();
    let mut marks = [4_000_000i64, 250_000, 30_000];
    let strategies = [A, B, StrategyIdx(7)];
    let mut posted: BTreeMap<AssetIdx, i128> = BTreeMap::new();
    let mut trips = RoundTrips::new();
    let mut trip_pnl = 0i128;
    for (idx, &mark) in (0u16..).zip(&marks) {
        world.mark(idx, mark);
    }
    let transfer = |world: &mut World, posted: &mut BTreeMap<AssetIdx, i128>, asset: AssetIdx, raw: i128| {
        world.portfolio.transfer(ACCOUNT, asset, Money::from_raw(raw)).unwrap();
        *posted.entry(asset).or_default() += raw;
    };
    let usdt = world.usdt;
    transfer(&mut world, &mut posted, usdt, 10_000_000_000_000_000);
    let btc = world.instrument(0).base;
    if base_transfer {
        transfer(&mut world, &mut posted, btc, 1_234_567_890_000);
    }
    for step in 0..steps {
        let idx = random.within(0, 2) as u16;
        let instrument = world.instrument(idx);
        let at = usize::from(idx);
        marks[at] = (marks[at] + random.within(-marks[at] / 30, marks[at] / 30)).max(100);
        world.mark(idx, marks[at]);
        match random.within(0, 19) {
            0 => transfer(&mut world, &mut posted, usdt, i128::from(random.within(-5_000_000, 5_000_000)) * 1_000_000),
            1 => {
                let amount = i128::from(random.within(-5_000_000, 5_000_000)) * 10_000;
                world.portfolio.funding(ACCOUNT, InstrumentIdx(2), usdt, Money::from_raw(amount)).unwrap();
                *posted.entry(usdt).or_default() += amount;
            }
            _ => {
                let strategy = *random.pick(&strategies);
                let held = world.portfolio.position(ACCOUNT, InstrumentIdx(idx), strategy).quantity;
                let held = instrument
                    .floor_to_lot(held.checked_abs().unwrap())
                    .to_mantissa(instrument.quantity_decimals)
                    .unwrap();
                let side = *random.pick(&[Side::Buy, Side::Sell]);
                // Often exactly what is held, so that positions close, sometimes more, so that they flip.
                let quantity = match random.within(0, 3) {
                    0 if held > 0 => held,
                    1 if held > 0 => random.within(1, held),
                    _ => random.within(1, 3_000),
                };
                let price = (marks[at] + random.within(-50, 50)).max(1);
                // Perpetuals take fees in their settle asset; one in base would be a debt valued at another time's rate.
                let in_base = idx != 2 && random.chance(40);
                let fee = if in_base {
                    // One to four thousandths of the quantity at the asset's precision, sometimes a rebate.
                    let lots = i128::from(quantity) * 10i128.pow(u32::from(12 - instrument.quantity_decimals));
                    let fee = lots * i128::from(random.within(-1, 4)) / 1000;
                    (Money::from_raw(fee / 10_000 * 10_000), instrument.base)
                } else {
                    (Money::from_raw(i128::from(random.within(-1_000_000, 5_000_000)) * 10_000), usdt)
                };
                let mut fill = world.fill(idx, strategy, side, price, quantity, ("0", fee.1));
                fill.fee_amount = fee.0;
                fill.liquidity = Liquidity::Maker;
                let before = world.digest();
                match world.apply(&fill) {
                    Ok(effect) => {
                        for p in effect.postings.as_slice() {
                            prop_assert_eq!(p.account, ACCOUNT);
                            *posted.entry(p.asset).or_default() += p.amount.raw();
                        }
                        let position = world.portfolio.position(ACCOUNT, InstrumentIdx(idx), strategy);
                        prop_assert_eq!(position, effect.position);
                        let closed = trips.on_fill(UnixNanos(step as u64), &instrument, &fill, &effect);
                        trip_pnl += closed.map_or(0, |trip| trip.pnl.raw());
                    }
                    Err(LedgerError::ShortSpot { held, taken, .. }) => {
                        prop_assert!(taken > held);
                        prop_assert_eq!(before, world.digest());
                    }
                    Err(other) => return Err(TestCaseError::fail(format!("seed {seed}: {other}"))),
                }
            }
        }

        for (&asset, &sum) in &posted {
            prop_assert_eq!(world.portfolio.balance(ACCOUNT, asset).raw(), sum, "seed {}", seed);
        }
        let p = &world.portfolio;
        let totals = p.totals(ACCOUNT, usdt).unwrap();
        let unrealised = p.unrealised(ACCOUNT, &world.table, &world.view).unwrap();
        let base = p.transfers_in(ACCOUNT, btc).raw() * i128::from(marks[0]);
        let transfers = p.transfers_in(ACCOUNT, usdt).raw() + base.div_euclid(100);
        let expected = transfers + totals.realised.raw() + unrealised.raw() + p.funding_in(ACCOUNT, usdt).raw()
            - totals.fees.raw();
        prop_assert_eq!(world.equity().map(Money::raw), Some(expected), "seed {} step {}", seed, step);
        let estimate = p.equity_estimate(ACCOUNT, &world.view).unwrap();
        let off = (estimate - expected as f64 / 1e12).abs();
        prop_assert!(off <= 1e-6, "seed {} step {}: {}", seed, step, off);
        let by_strategy = strategies.map(|s| p.totals_of(ACCOUNT, s, usdt).unwrap());
        prop_assert_eq!(by_strategy.iter().map(|t| t.realised.raw()).sum::<i128>(), totals.realised.raw());
        prop_assert_eq!(by_strategy.iter().map(|t| t.fees.raw()).sum::<i128>(), totals.fees.raw());
        let open: i128 = trips.open().map(|trip| trip.realised.raw() - trip.fees.raw()).sum();
        prop_assert_eq!(trip_pnl + open + trips.residue().raw(), totals.realised.raw() - totals.fees.raw());
        for idx in 0..3 {
            let sum: i128 = p
                .positions()
                .filter(|(_, i, _, _)| i.0 == idx)
                .map(|(_, _, _, position)| position.quantity.raw())
                .sum();
            prop_assert_eq!(p.net_quantity(ACCOUNT, InstrumentIdx(idx)).raw(), sum);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() })]
    #[test]
    fn equity_is_what_came_in_and_what_was_made_of_it(seed in any::<u64>(), steps in 1usize..120, base_transfer in any::<bool>()) {
        check(seed, steps, base_transfer)?;
    }
}

#[test]
fn the_digest_sees_every_balance_and_position() {
    let mut world = World::new();
    let mut seen = vec![world.digest()];
    world.deposit("1000");
    seen.push(world.digest());
    world.trade(0, A, Side::Buy, 4_000_000, 1_000, "0.4");
    seen.push(world.digest());
    world.trade(0, A, Side::Sell, 4_000_000, 1, "0");
    seen.push(world.digest());
    world.portfolio.funding(ACCOUNT, InstrumentIdx(2), world.usdt, Money::from_raw(1)).unwrap();
    seen.push(world.digest());
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted.len(), seen.len());
    let (mut a, mut b) = (Digest::default(), Digest::default());
    world.portfolio.digest(&mut a);
    world.portfolio.clone().digest(&mut b);
    assert_eq!(a, b);
}
