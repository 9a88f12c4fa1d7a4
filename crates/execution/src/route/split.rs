//! The split of a quantity over supplies at least cost, in integers.
//!
//! Each supply sells steps of quantity at rising unit costs, in multiples of a lot, at least so much or nothing, at most so much. Asked for
//! is the largest total that can be had up to what is wanted, and of the ways to have it the cheapest one.
//!
//! Cost of a supply is convex in its quantity, so for equal lots the greedy choice (always the lot that costs least next) is optimal: it
//! makes marginal costs equal (Gross 1956; Fox 1966, Management Science 13(3), 210-216). Lots that divide each other are taken from the
//! finest up: the finer supplies first give what is left of the total modulo the next lot, then they compete in units of that lot as one
//! supply, whose cost is convex on these units too. Lots that do not divide each other are made coarser until they do.
//!
//! Minima make the problem one of choosing supplies. Without them the optimum is a bound: where it keeps them all it is the answer, else
//! every subset is tried with its members at their minima to begin with.

/// Most supplies.
pub(crate) const SUPPLIES_MAX: usize = 8;

/// Quantity at one unit cost.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Step {
    pub unit_cost: i128,
    pub quantity: i64,
}

/// One supply. Its steps are `first..end` of a common list, cheapest first.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Supply {
    pub first: usize,
    pub end: usize,
    /// Above zero.
    pub lot: i64,
    /// Where it is taken from at all. A multiple of the lot after [`nest`].
    pub least: i64,
    /// A multiple of the lot after [`nest`], no more than the steps hold.
    pub most: i64,
}

/// Quantities by supply, with their total and cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub quantities: [i64; SUPPLIES_MAX],
    pub total: i64,
    pub cost: i128,
}

/// Makes lots divide each other, from the finest to the coarsest, and minima and maxima multiples of them. `None` on overflow.
pub(crate) fn nest(supplies: &mut [Supply]) -> Option<()> {
    let mut order = [0usize; SUPPLIES_MAX];
    let order = order.get_mut(..supplies.len())?;
    order.iter_mut().enumerate().for_each(|(n, at)| *at = n);
    order.sort_unstable_by_key(|&n| (supplies[n].lot, n));
    let mut common = 1i64;
    for &mut n in order {
        common = common.checked_mul(supplies[n].lot / gcd(common, supplies[n].lot))?;
        supplies[n].lot = common;
    }
    for s in supplies.iter_mut() {
        s.least = s.least.checked_add(s.lot - 1)? / s.lot * s.lot;
        s.most = s.most / s.lot * s.lot;
    }
    Some(())
}

const fn gcd(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The best split of up to `wanted`. `None` where a cost passes what can be held.
pub(crate) fn split(supplies: &[Supply], steps: &[Step], wanted: i64) -> Option<Taken> {
    let n = supplies.len().min(SUPPLIES_MAX);
    let all = (1usize << n) - 1;
    let free = greedy(supplies, steps, wanted, all, false)?;
    let Some(free) = free else { return Some(Taken::default()) };
    let kept = |(s, taken): (&Supply, &i64)| *taken == 0 || *taken >= s.least;
    if supplies.iter().zip(&free.quantities).all(kept) {
        return Some(free);
    }
    let mut best = Taken::default();
    let mut members = u32::MAX;
    for mask in 1..=all {
        let Some(taken) = greedy(supplies, steps, wanted, mask, true)? else { continue };
        let count = (mask as u32).count_ones();
        let better = (taken.total, -taken.cost, members) > (best.total, -best.cost, count);
        if better && taken.total > 0 {
            (best, members) = (taken, count);
        }
    }
    Some(best)
}

/// Where a supply stands.
#[derive(Clone, Copy, Debug, Default)]
struct At {
    /// The step that is taken from next, and how much of it is gone.
    step: usize,
    used: i64,
    taken: i64,
}

/// An amount that could be taken next: what it costs, and how many times it can be taken at the same cost.
#[derive(Clone, Copy, Debug)]
struct Offer {
    cost: i128,
    times: i64,
}

struct Walk<'a> {
    supplies: &'a [Supply],
    steps: &'a [Step],
    mask: usize,
    /// Distinct lots, finest first.
    lots: [i64; SUPPLIES_MAX],
    groups: usize,
}

/// The greedy split over the supplies of `mask`. `Some(None)` if their minima pass what is wanted or what they have.
#[allow(clippy::option_option, reason = "overflow and impossibility are different answers")]
fn greedy(supplies: &[Supply], steps: &[Step], wanted: i64, mask: usize, minima: bool) -> Option<Option<Taken>> {
    let mut walk = Walk { supplies, steps, mask, lots: [0; SUPPLIES_MAX], groups: 0 };
    let mut at = [At::default(); SUPPLIES_MAX];
    let (mut cost, mut begun) = (0i128, 0i64);
    for (n, s) in supplies.iter().enumerate() {
        at[n].step = s.first;
        if mask >> n & 1 == 0 {
            continue;
        }
        if minima && s.least > 0 {
            if s.least > s.most {
                return Some(None);
            }
            cost = cost.checked_add(walk.take(&mut at, n, s.least)?)?;
            begun = begun.checked_add(s.least)?;
        }
        if !walk.lots[..walk.groups].contains(&s.lot) {
            walk.lots[walk.groups] = s.lot;
            walk.groups += 1;
        }
    }
    walk.lots[..walk.groups].sort_unstable();
    if begun > wanted {
        return Some(None);
    }
    let mut rest = walk.reachable(&at, wanted - begun);
    let total = begun + rest;
    for group in 0..walk.groups {
        let amount = if group + 1 < walk.groups { rest % walk.lots[group + 1] } else { rest };
        cost = cost.checked_add(walk.fill(&mut at, group, amount)??)?;
        rest -= amount;
    }
    let mut quantities = [0; SUPPLIES_MAX];
    quantities.iter_mut().zip(&at).for_each(|(q, at)| *q = at.taken);
    Some(Some(Taken { quantities, total, cost }))
}

impl Walk<'_> {
    /// The largest amount up to `wanted` that can be added. Coarse lots first is best where lots divide each other: finer ones that add up
    /// to a coarse lot can always be exchanged for it.
    fn reachable(&self, at: &[At; SUPPLIES_MAX], wanted: i64) -> i64 {
        let mut left = wanted;
        for lot in self.lots[..self.groups].iter().rev() {
            let room =
                |(n, s): (usize, &Supply)| if s.lot == *lot && self.has(n) { (s.most - at[n].taken) / lot } else { 0 };
            let lots = self.supplies.iter().enumerate().map(room).fold(0i64, i64::saturating_add);
            left -= (left / lot).min(lots) * lot;
        }
        wanted - left
    }

    const fn has(&self, n: usize) -> bool {
        self.mask >> n & 1 == 1
    }

    /// Adds `amount`, a multiple of the group's lot, over the supplies with lots up to the group's. The outer `None` is an overflow, the
    /// inner one says that not so much is there.
    #[allow(clippy::option_option, reason = "overflow and impossibility are different answers")]
    fn fill(&self, at: &mut [At; SUPPLIES_MAX], group: usize, amount: i64) -> Option<Option<i128>> {
        let lot = self.lots[group];
        let (mut cost, mut left) = (0i128, amount);
        let mut offers = [None; SUPPLIES_MAX];
        let member = |n: usize| self.has(n) && self.supplies[n].lot == lot;
        for n in (0..self.supplies.len()).filter(|n| member(*n)) {
            offers[n] = self.offer(at, n, lot)?;
        }
        let mut finer = if group > 0 && left > 0 { self.offer_of_finer(at, group, lot)? } else { None };
        while left > 0 {
            let best =
                (0..self.supplies.len()).filter_map(|n| Some((offers[n]?.cost, n))).min_by_key(|(cost, n)| (*cost, *n));
            let own_is_best = match (best, &finer) {
                (Some((own, _)), Some(offer)) => own <= offer.cost,
                (own, _) => own.is_some(),
            };
            match best {
                Some((_, n)) if own_is_best => {
                    let times = offers[n].map_or(1, |offer| offer.times).min(left / lot);
                    cost = cost.checked_add(self.take(at, n, times * lot)?)?;
                    left -= times * lot;
                    offers[n] = self.offer(at, n, lot)?;
                }
                _ => {
                    let Some(offer) = finer else { return Some(None) };
                    let times = offer.times.min(left / lot);
                    let Some(added) = self.fill(at, group - 1, times * lot)? else { return Some(None) };
                    cost = cost.checked_add(added)?;
                    left -= times * lot;
                    finer = if left > 0 { self.offer_of_finer(at, group, lot)? } else { None };
                }
            }
        }
        Some(Some(cost))
    }

    /// What the supplies with finer lots ask together for one lot of this group.
    #[allow(clippy::option_option, reason = "overflow and impossibility are different answers")]
    fn offer_of_finer(&self, at: &[At; SUPPLIES_MAX], group: usize, lot: i64) -> Option<Option<Offer>> {
        let mut tried = *at;
        let Some(cost) = self.fill(&mut tried, group - 1, lot)? else { return Some(None) };
        // Where one supply gives all of it out of one step, it does so until that step ends.
        let mut moved = (0..self.supplies.len()).filter(|n| tried[*n].taken != at[*n].taken);
        let (only, more) = (moved.next(), moved.next());
        let times = match (only, more) {
            (Some(n), None) => {
                let here = self.skip(at[n], n);
                let room = self.supplies[n].most - here.taken;
                (self.step_left(here).min(room) / lot).max(1)
            }
            _ => 1,
        };
        Some(Some(Offer { cost, times }))
    }

    /// What one lot costs next; the inner `None` if there is none.
    #[allow(clippy::option_option, reason = "overflow and impossibility are different answers")]
    fn offer(&self, at: &[At; SUPPLIES_MAX], n: usize, lot: i64) -> Option<Option<Offer>> {
        let supply = &self.supplies[n];
        let here = self.skip(at[n], n);
        let room = supply.most - here.taken;
        if room < lot {
            return Some(None);
        }
        let left = self.step_left(here);
        if left >= lot {
            let unit = self.steps[here.step].unit_cost;
            return Some(Some(Offer { cost: unit.checked_mul(i128::from(lot))?, times: left.min(room) / lot }));
        }
        let mut tried = *at;
        Some(Some(Offer { cost: self.take(&mut tried, n, lot)?, times: 1 }))
    }

    /// The same place, on a step that has something left.
    fn skip(&self, mut at: At, n: usize) -> At {
        while at.step < self.supplies[n].end && self.step_left(at) == 0 {
            at.step += 1;
            at.used = 0;
        }
        at
    }

    fn step_left(&self, at: At) -> i64 {
        self.steps.get(at.step).map_or(0, |step| step.quantity - at.used)
    }

    /// Takes an amount that is there: what it costs.
    fn take(&self, at: &mut [At; SUPPLIES_MAX], n: usize, amount: i64) -> Option<i128> {
        let (mut cost, mut left) = (0i128, amount);
        let mut here = at[n];
        while left > 0 {
            here = self.skip(here, n);
            if here.step >= self.supplies[n].end {
                return None;
            }
            let part = left.min(self.step_left(here));
            cost = cost.checked_add(self.steps[here.step].unit_cost.checked_mul(i128::from(part))?)?;
            here.used += part;
            left -= part;
        }
        here.taken += amount;
        at[n] = here;
        Some(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::generate::Seeded;

    /// Every way to take lots, by trying all of them.
    fn brute(supplies: &[Supply], steps: &[Step], wanted: i64) -> (i64, i128) {
        let cost = |s: &Supply, quantity: i64| {
            let (mut left, mut cost) = (quantity, 0i128);
            for step in &steps[s.first..s.end] {
                cost += step.unit_cost * i128::from(left.min(step.quantity));
                left -= left.min(step.quantity);
            }
            cost
        };
        let mut best = (0, 0i128);
        let mut chosen = vec![(0i64, 0i128)];
        for s in supplies {
            let mut next = Vec::new();
            for (total, sum) in chosen {
                let mut quantity = 0;
                while quantity <= s.most && total + quantity <= wanted {
                    if quantity == 0 || quantity >= s.least {
                        next.push((total + quantity, sum + cost(s, quantity)));
                    }
                    quantity += s.lot;
                }
            }
            chosen = next;
        }
        for (total, sum) in chosen {
            if (total, -sum) > (best.0, -best.1) {
                best = (total, sum);
            }
        }
        best
    }

    fn case(random: &mut Seeded, lots: &[i64]) -> (Vec<Supply>, Vec<Step>, i64) {
        let (mut supplies, mut steps) = (Vec::new(), Vec::new());
        for _ in 0..random.within(1, 4) {
            let first = steps.len();
            let mut unit_cost = i128::from(random.within(-60, 60));
            let mut depth = 0;
            for _ in 0..random.within(1, 5) {
                let quantity = random.within(1, 9);
                steps.push(Step { unit_cost, quantity });
                unit_cost += i128::from(random.within(0, 4));
                depth += quantity;
            }
            let lot = *random.pick(lots);
            let least = if random.chance(50) { 0 } else { random.within(0, 12) };
            let supply = Supply { first, end: steps.len(), lot, least, most: depth.min(random.within(1, 40)) };
            supplies.push(supply);
        }
        nest(&mut supplies).unwrap();
        supplies.retain(|s| s.least <= s.most);
        (supplies, steps, random.within(0, 45))
    }

    #[test]
    fn as_cheap_as_the_cheapest_of_all_splits() {
        let (mut filled, mut subsets, mut several) = (0, 0, 0);
        for seed in 0..60_000 {
            let mut random = Seeded::new(seed);
            let lots: &[i64] = match seed % 4 {
                0 => &[1],
                1 => &[1, 2, 4, 8],
                2 => &[1, 3, 6],
                _ => &[1, 5, 10],
            };
            let (supplies, steps, wanted) = case(&mut random, lots);
            let got = split(&supplies, &steps, wanted).unwrap();
            let (total, cost) = brute(&supplies, &steps, wanted);
            assert_eq!((got.total, got.cost), (total, cost), "seed {seed}: {supplies:?} {steps:?} {wanted} {got:?}");
            assert_eq!(got.quantities.iter().sum::<i64>(), total, "seed {seed}");
            for (s, quantity) in supplies.iter().zip(got.quantities) {
                let sound = quantity == 0 || (quantity >= s.least && quantity <= s.most && quantity % s.lot == 0);
                assert!(sound, "seed {seed}: {s:?} {quantity}");
            }
            filled += u64::from(total == wanted);
            several += u64::from(got.quantities.iter().filter(|q| **q > 0).count() > 1);
            let free = greedy(&supplies, &steps, wanted, (1 << supplies.len()) - 1, false).unwrap();
            subsets += u64::from(free.is_some_and(|free| free.quantities != got.quantities));
        }
        // The cases have to be of all sorts, or the comparison says little.
        assert!(filled > 10_000 && several > 10_000 && subsets > 4_000, "{filled} {several} {subsets}");
    }

    #[test]
    fn lots_that_do_not_divide_each_other_become_coarser() {
        let supply = |lot, least, most| Supply { first: 0, end: 0, lot, least, most };
        let mut supplies = [supply(10, 3, 95), supply(4, 5, 50), supply(6, 0, 50), supply(4, 0, 3)];
        nest(&mut supplies).unwrap();
        let lots: Vec<_> = supplies.iter().map(|s| (s.lot, s.least, s.most)).collect();
        assert_eq!(lots, [(60, 60, 60), (4, 8, 48), (12, 0, 48), (4, 0, 0)]);
        let mut large = [supply(i64::MAX - 1, 0, 1), supply(i64::MAX - 2, 0, 1)];
        assert_eq!(nest(&mut large), None);
    }

    #[test]
    fn overflow_is_said() {
        let steps = [Step { unit_cost: i128::MAX / 2, quantity: 9 }];
        let supplies = [Supply { first: 0, end: 1, lot: 1, least: 0, most: 9 }];
        assert_eq!(split(&supplies, &steps, 9), None);
        assert_eq!(split(&supplies, &steps, 2).map(|t| t.total), Some(2));
        assert_eq!(split(&[], &[], 9), Some(Taken::default()));
    }
}
