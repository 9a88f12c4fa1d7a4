//! The orders of two playings beside each other: which of them are the same decision, and what became of each.
//!
//! Orders belong together that the same strategy sent on the same side of the same instrument, of the same kind and class, at the same
//! time; those that are left over, where their times are no further apart than [`NEAR`], the nearest first. Latency moves the times of
//! orders that answer a report; another size or another price keeps the time.

use super::watch::SeenOrder;
use domain::{OrderClass, Side, UnixNanos};
use std::collections::BTreeMap;

/// How far apart two orders of one decision may have been sent, in nanoseconds.
pub const NEAR: u64 = 60_000_000_000;

/// Two orders of one decision, or one that the other playing has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// Of the plain backtest.
    pub backtest: Option<&'a SeenOrder>,
    /// Of the session.
    pub session: Option<&'a SeenOrder>,
}

impl Pair<'_> {
    /// What the session's price cost more than the backtest's, over what the session traded, in quote; nothing where one of them was not
    /// filled.
    #[must_use]
    pub fn price_cost(&self) -> Option<f64> {
        let (b, s) = (self.backtest?, self.session?);
        let sign = if s.side == Side::Buy { 1.0 } else { -1.0 };
        Some(sign * (s.price()? - b.price()?) * s.quantity as f64 / 1e12)
    }

    /// How much more the session paid in fees, in quote.
    #[must_use]
    pub fn fee_cost(&self) -> f64 {
        let fees = |order: Option<&SeenOrder>| order.map_or(0, |o| o.fees);
        (fees(self.session) - fees(self.backtest)) as f64 / 1e12
    }

    /// How large the difference is, for sorting: what price and fees cost, and where only one was filled its value.
    #[must_use]
    pub fn weight(&self) -> f64 {
        match self.price_cost() {
            Some(cost) => (cost + self.fee_cost()).abs(),
            None => [self.backtest, self.session].into_iter().flatten().map(|o| o.notional as f64 / 1e12).sum(),
        }
    }

    fn any(&self) -> Option<&SeenOrder> {
        self.session.or(self.backtest)
    }

    /// When it was sent.
    #[must_use]
    pub fn ts(&self) -> UnixNanos {
        self.any().map_or(UnixNanos(0), |order| order.ts)
    }
}

/// How many orders are beside each other, and how far they are alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sent at the same time.
    pub same_time: u64,
    /// Sent at about the same time.
    pub near: u64,
    /// In the backtest alone.
    pub backtest_only: u64,
    /// In the session alone.
    pub session_only: u64,
    /// Of those beside each other: with the same traded quantity.
    pub same_quantity: u64,
    /// Of those beside each other: filled in both, at the same average price.
    pub same_price: u64,
    /// Of those beside each other: filled in both.
    pub both_filled: u64,
}

type Key = (u16, u16, bool, &'static str, bool);

fn key(order: &SeenOrder) -> Key {
    (
        order.strategy.0,
        order.instrument.0,
        order.side == Side::Buy,
        order.kind,
        matches!(order.class, OrderClass::Entry),
    )
}

/// Lays the orders of two playings beside each other, by time.
#[must_use]
pub fn matched<'a>(
    backtest: impl Iterator<Item = &'a SeenOrder>,
    session: impl Iterator<Item = &'a SeenOrder>,
) -> (Vec<Pair<'a>>, Counts) {
    let mut sides: BTreeMap<Key, [Vec<&'a SeenOrder>; 2]> = BTreeMap::new();
    for (side, order) in backtest.map(|o| (0, o)).chain(session.map(|o| (1, o))) {
        let lists = sides.entry(key(order)).or_default();
        if let Some(list) = lists.get_mut(side) {
            list.push(order);
        }
    }
    let (mut pairs, mut counts) = (Vec::new(), Counts::default());
    for [mut backtest, mut session] in sides.into_values() {
        backtest.sort_by_key(|o| o.ts);
        session.sort_by_key(|o| o.ts);
        let [backtest, session] = exact(backtest, session, &mut pairs, &mut counts);
        near(backtest, session, &mut pairs, &mut counts);
    }
    for pair in &pairs {
        let (Some(b), Some(s)) = (pair.backtest, pair.session) else { continue };
        counts.same_quantity += u64::from(b.quantity == s.quantity);
        let filled = b.quantity > 0 && s.quantity > 0;
        counts.both_filled += u64::from(filled);
        // Averages are equal where the products across are: no division.
        let across = |a: i128, b: i128| a.checked_mul(b);
        let equal = across(b.notional, s.quantity) == across(s.notional, b.quantity);
        counts.same_price += u64::from(filled && (equal || b.price() == s.price()));
    }
    pairs.sort_by_key(Pair::ts);
    (pairs, counts)
}

/// Pairs those of equal times; answers the rest.
fn exact<'a>(
    backtest: Vec<&'a SeenOrder>,
    session: Vec<&'a SeenOrder>,
    pairs: &mut Vec<Pair<'a>>,
    counts: &mut Counts,
) -> [Vec<&'a SeenOrder>; 2] {
    let mut rest: [Vec<&SeenOrder>; 2] = Default::default();
    let (mut b, mut s) = (backtest.into_iter().peekable(), session.into_iter().peekable());
    loop {
        match (b.peek(), s.peek()) {
            (Some(left), Some(right)) if left.ts == right.ts => {
                pairs.push(Pair { backtest: b.next(), session: s.next() });
                counts.same_time += 1;
            }
            (Some(left), Some(right)) if left.ts > right.ts => rest[1].extend(s.next()),
            (None, Some(_)) => rest[1].extend(s.next()),
            (Some(_), _) => rest[0].extend(b.next()),
            (None, None) => return rest,
        }
    }
}

/// Pairs each with the nearest of the other side, the nearest pair first; what has none is alone.
fn near<'a>(backtest: Vec<&'a SeenOrder>, session: Vec<&'a SeenOrder>, pairs: &mut Vec<Pair<'a>>, counts: &mut Counts) {
    let mut candidates = Vec::new();
    let mut from = 0;
    for (at, left) in backtest.iter().enumerate() {
        while session.get(from).is_some_and(|right| right.ts.0.saturating_add(NEAR) < left.ts.0) {
            from += 1;
        }
        for (other, right) in session.iter().enumerate().skip(from) {
            if right.ts.0 > left.ts.0.saturating_add(NEAR) {
                break;
            }
            candidates.push((left.ts.0.abs_diff(right.ts.0), at, other));
        }
    }
    candidates.sort_unstable();
    let (mut left, mut right) = (vec![false; backtest.len()], vec![false; session.len()]);
    for (_, at, other) in candidates {
        let (Some(taken), Some(taken_too)) = (left.get_mut(at), right.get_mut(other)) else { continue };
        if !*taken && !*taken_too {
            (*taken, *taken_too) = (true, true);
            pairs.push(Pair { backtest: backtest.get(at).copied(), session: session.get(other).copied() });
            counts.near += 1;
        }
    }
    let alone = |list: Vec<&'a SeenOrder>, taken: Vec<bool>| -> Vec<&'a SeenOrder> {
        list.into_iter().zip(taken).filter_map(|(order, taken)| (!taken).then_some(order)).collect()
    };
    for order in alone(backtest, left) {
        counts.backtest_only += 1;
        pairs.push(Pair { backtest: Some(order), session: None });
    }
    for order in alone(session, right) {
        counts.session_only += 1;
        pairs.push(Pair { backtest: None, session: Some(order) });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{InstrumentIdx, OrderQuantity, Quantity, StrategyIdx};

    fn order(ts: u64, side: Side, quantity: i128, price: i128) -> SeenOrder {
        SeenOrder {
            ts: UnixNanos(ts),
            strategy: StrategyIdx(0),
            instrument: InstrumentIdx(0),
            side,
            kind: "market",
            class: OrderClass::Entry,
            asked: OrderQuantity::Base(Quantity::from_units(1)),
            quantity: quantity * 1_000_000_000_000,
            notional: quantity * price * 1_000_000_000_000,
            fees: 0,
            filled_at: None,
        }
    }

    #[test]
    fn the_same_decision_is_found_at_the_same_time_then_near_it() {
        const S: u64 = 1_000_000_000;
        let backtest =
            [order(10 * S, Side::Buy, 1, 100), order(200 * S, Side::Buy, 1, 100), order(900 * S, Side::Buy, 2, 100)];
        let session = [
            order(10 * S, Side::Buy, 1, 101),
            order(205 * S, Side::Buy, 1, 100),
            order(230 * S, Side::Buy, 1, 100),
            order(900 * S, Side::Sell, 2, 100),
        ];
        let (pairs, counts) = matched(backtest.iter(), session.iter());
        assert_eq!((counts.same_time, counts.near), (1, 1));
        assert_eq!((counts.backtest_only, counts.session_only), (1, 2));
        assert_eq!((counts.same_quantity, counts.both_filled, counts.same_price), (2, 2, 1));
        let times: Vec<_> =
            pairs.iter().map(|p| (p.backtest.map(|o| o.ts.0 / S), p.session.map(|o| o.ts.0 / S))).collect();
        assert!(times.contains(&(Some(200), Some(205))) && times.contains(&(None, Some(230))), "{times:?}");
    }

    #[test]
    fn a_worse_price_costs_on_either_side() {
        let (b, s) = (order(1, Side::Buy, 2, 100), order(1, Side::Buy, 2, 103));
        assert_eq!(Pair { backtest: Some(&b), session: Some(&s) }.price_cost(), Some(6.0));
        let (b, s) = (order(1, Side::Sell, 2, 100), order(1, Side::Sell, 2, 103));
        assert_eq!(Pair { backtest: Some(&b), session: Some(&s) }.price_cost(), Some(-6.0));
        let unfilled = order(1, Side::Sell, 0, 0);
        let pair = Pair { backtest: Some(&b), session: Some(&unfilled) };
        assert_eq!((pair.price_cost(), pair.weight()), (None, 200.0));
    }
}
