//! From the values at the ends of many playings to the part of each assumption.
//!
//! Let `V(S)` be the value with the assumptions of the set `S`. The *ladder* takes them in one order: the part of rung `i` is
//! `V(S with i) - V(S)`, where `S` holds the rungs before it. Its parts sum to `V(all) - V(none)` exactly, in every order; what one rung gets
//! depends on the order where assumptions act on each other (a fee changes sizes, sizes change slippage). So the smallest and the largest
//! part over all orders are given beside it, and the mean over all orders, which is the value of Shapley (1953), "A value for n-person
//! games", Contributions to the Theory of Games II, 307-317: `sum over S without i of |S|! (n - |S| - 1)! / n! * (V(S with i) - V(S))`.

use super::ladder::{Rung, Rungs};
use domain::Money;
use std::collections::BTreeMap;

/// The part of one rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which.
    pub rung: Rung,
    /// Its part in the order of the ladder.
    pub ladder: Money,
    /// The smallest part over the orders that were played.
    pub low: Money,
    /// The largest part over the orders that were played.
    pub high: Money,
    /// The mean over all orders; `None` where not all were played. The means sum to the difference exactly.
    pub mean: Option<Money>,
}

/// Which sets have to be played for these rungs: all of them, or those of the ladder and of the ladder the other way round.
#[must_use]
pub fn sets(rungs: &[Rung], all: bool) -> Vec<Rungs> {
    if all {
        return subsets(rungs);
    }
    let mut sets: Vec<Rungs> = (0..=rungs.len()).filter_map(|n| rungs.get(..n)).map(Rungs::of).collect();
    for set in (0..=rungs.len()).filter_map(|n| rungs.get(n..)).map(Rungs::of) {
        if !sets.contains(&set) {
            sets.push(set);
        }
    }
    sets
}

fn subsets(rungs: &[Rung]) -> Vec<Rungs> {
    rungs.iter().fold(vec![Rungs::NONE], |sets, rung| {
        let more: Vec<Rungs> = sets.iter().map(|set| set.with(*rung)).collect();
        [sets, more].concat()
    })
}

/// The parts of all rungs, in their order. `None` where a value is missing, or a difference is beyond what money can hold.
#[must_use]
pub fn shares(rungs: &[Rung], values: &BTreeMap<Rungs, Money>) -> Option<Vec<Share>> {
    let step =
        |from: Rungs, rung: Rung| -> Option<Money> { values.get(&from.with(rung))?.checked_sub(*values.get(&from)?) };
    let mut out = Vec::with_capacity(rungs.len());
    let every = subsets(rungs).iter().all(|set| values.contains_key(set));
    let means = if every { Some(means(rungs, &step)?) } else { None };
    for (n, &rung) in rungs.iter().enumerate() {
        let ladder = step(Rungs::of(rungs.get(..n)?), rung)?;
        let others: Vec<Rung> = rungs.iter().copied().filter(|other| *other != rung).collect();
        let mut parts = vec![ladder];
        if every {
            for from in subsets(&others) {
                parts.push(step(from, rung)?);
            }
        } else {
            parts.push(step(Rungs::of(rungs.get(n + 1..)?), rung)?);
        }
        let (low, high) = (parts.iter().min().copied()?, parts.iter().max().copied()?);
        out.push(Share { rung, ladder, low, high, mean: means.as_ref().and_then(|means| means.get(n)).copied() });
    }
    Some(out)
}

/// The mean part of each rung over all orders. Sums of n! orders are divided once, and what is left of one division goes with the next
/// rung, so that the means sum to the whole.
fn means(rungs: &[Rung], step: &dyn Fn(Rungs, Rung) -> Option<Money>) -> Option<Vec<Money>> {
    let factorial = |n: usize| (1..=n as i128).product::<i128>();
    let orders = factorial(rungs.len());
    let (mut sum, mut given) = (0i128, 0i128);
    let mut out = Vec::with_capacity(rungs.len());
    for &rung in rungs {
        let others: Vec<Rung> = rungs.iter().copied().filter(|other| *other != rung).collect();
        for from in subsets(&others) {
            let size = others.iter().filter(|other| from.has(**other)).count();
            let weight = factorial(size) * factorial(others.len() - size);
            sum = sum.checked_add(step(from, rung)?.raw().checked_mul(weight)?)?;
        }
        let up_to = sum.div_euclid(orders);
        out.push(Money::from_raw(up_to - given));
        given = up_to;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(raw: i128) -> Money {
        Money::from_raw(raw)
    }

    /// Values made of parts of their own and of what two rungs do together.
    fn values(rungs: &[Rung], own: &[i128], together: i128) -> BTreeMap<Rungs, Money> {
        subsets(rungs)
            .into_iter()
            .map(|set| {
                let has = |n: usize| rungs.get(n).is_some_and(|rung| set.has(*rung));
                let sum: i128 = own.iter().enumerate().filter(|(n, _)| has(*n)).map(|(_, part)| part).sum();
                let both = if has(0) && has(1) { together } else { 0 };
                (set, units(1_000_000 + sum + both))
            })
            .collect()
    }

    #[test]
    fn parts_sum_to_the_gap_in_every_order_and_to_the_last_unit() {
        let rungs = [Rung::Fees, Rung::Slippage, Rung::Rejects];
        // What is shared cannot be halved: one unit must not be lost.
        let values = values(&rungs, &[-7, -11, 5], 3);
        let shares = shares(&rungs, &values).unwrap();
        let gap = units(-7 - 11 + 5 + 3);
        let sum = |part: &dyn Fn(&Share) -> Money| {
            shares.iter().map(part).fold(Money::ZERO, |sum, part| sum.checked_add(part).unwrap())
        };
        assert_eq!(sum(&|s| s.ladder), gap);
        assert_eq!(sum(&|s| s.mean.unwrap()), gap);
        let [fees, slippage, rejects] = [shares[0], shares[1], shares[2]];
        assert_eq!((fees.ladder, fees.low, fees.high), (units(-7), units(-7), units(-4)));
        assert_eq!((slippage.ladder, slippage.low, slippage.high), (units(-8), units(-11), units(-8)));
        assert_eq!((rejects.low, rejects.high, rejects.mean), (units(5), units(5), Some(units(5))));
        assert_eq!(fees.mean.unwrap().raw() + slippage.mean.unwrap().raw(), -15);
    }

    #[test]
    fn without_interaction_no_order_matters() {
        let rungs = Rung::ALL;
        for share in shares(&rungs, &values(&rungs, &[-1, 2, -3, 4, -5], 0)).unwrap() {
            assert_eq!((share.low, share.high, share.mean), (share.ladder, share.ladder, Some(share.ladder)));
        }
    }

    #[test]
    fn two_orders_give_both_ends_of_the_ladder_and_no_mean() {
        let rungs = [Rung::Fees, Rung::Slippage, Rung::Rejects];
        let all = values(&rungs, &[-7, -11, 5], 3);
        let played = sets(&rungs, false);
        assert_eq!((played.len(), sets(&rungs, true).len()), (6, 8));
        let two: BTreeMap<Rungs, Money> = played.into_iter().map(|set| (set, all[&set])).collect();
        let shares = shares(&rungs, &two).unwrap();
        assert_eq!((shares[0].low, shares[0].high, shares[0].mean), (units(-7), units(-4), None));
    }

    #[test]
    fn nothing_to_put_back_has_no_parts() {
        assert_eq!(sets(&[], true), [Rungs::NONE]);
        assert_eq!(shares(&[], &BTreeMap::from([(Rungs::NONE, Money::ZERO)])), Some(Vec::new()));
    }
}
