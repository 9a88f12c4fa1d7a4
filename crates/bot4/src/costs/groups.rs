//! Sums over orders: all of them, and by strategy, venue, symbol, hour of the day, type, liquidity and purpose.
//!
//! Amounts are added exactly. What is unknown of an order is in no sum; how many orders a sum is of stands beside it.

use crate::costs::measure::{MARKOUTS_MIN, OrderCost, bps};
use domain::{Money, Quantity};
use serde::Serialize;
use std::collections::BTreeMap;

/// The ways to group orders.
pub const BY: [&str; 7] = ["strategy", "venue", "symbol", "hour", "type", "liquidity", "purpose"];

/// Orders of one group together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grouped {
    /// Which.
    pub name: String,
    /// Orders.
    pub orders: u64,
    /// Orders with a fill.
    pub with_fills: u64,
    /// Mean of filled over wanted; null where no order says what was wanted.
    pub fill_ratio: Option<f64>,
    /// What was traded.
    pub traded: Money,
    /// The whole cost of the orders whose cost is known.
    pub cost: Money,
    /// How many those are.
    pub known: u64,
    /// Their cost in basis points of what they traded; null where they traded nothing.
    pub cost_bps: Option<f64>,
    /// Parts, by name: the amount, and of how many orders.
    pub parts: BTreeMap<&'static str, (Money, u64)>,
    /// Spread and impact in basis points, weighted by what was traded.
    pub crossing_bps: Option<f64>,
    /// Mean milliseconds from the decision to the sending.
    pub decision_to_sent_ms: Option<f64>,
    /// From the sending to the acceptance.
    pub sent_to_accepted_ms: Option<f64>,
    /// From the sending to the first fill.
    pub sent_to_first_fill_ms: Option<f64>,
    /// From the sending until complete.
    pub sent_to_complete_ms: Option<f64>,
    /// Mean markouts after 1, 5 and 30 minutes.
    pub markout_bps: [Option<f64>; 3],
}

impl Grouped {
    /// The orders of a group.
    #[must_use]
    pub fn of<'a>(name: &str, orders: impl Iterator<Item = &'a OrderCost> + Clone) -> Self {
        let mean = |value: &dyn Fn(&OrderCost) -> Option<f64>| {
            let (mut sum, mut count) = (0.0, 0.0);
            orders.clone().filter_map(value).for_each(|v| (sum, count) = (sum + v, count + 1.0));
            (count > 0.0).then(|| sum / count)
        };
        let mut out = Self { name: name.to_owned(), ..Self::default() };
        // No sum of amounts that are each inside of all money comes near its end.
        let add = |sum: &mut Money, amount: Money| *sum = sum.checked_add(amount).unwrap_or(*sum);
        let mut known = Money::ZERO;
        let (mut crossed, mut weight) = (0.0, 0.0);
        for o in orders.clone() {
            out.orders += 1;
            out.with_fills += u64::from(o.filled > Quantity::ZERO);
            add(&mut out.traded, o.traded);
            if let Some(cost) = o.cost {
                out.known += 1;
                add(&mut out.cost, cost);
                add(&mut known, o.traded);
            }
            for (part, amount) in parts(o) {
                let (sum, count) = out.parts.entry(part).or_insert((Money::ZERO, 0));
                if let Some(amount) = amount {
                    add(sum, amount);
                    *count += 1;
                }
            }
            if let Some(crossing) = o.crossing_bps {
                (crossed, weight) = (crossed + crossing * o.traded.to_f64(), weight + o.traded.to_f64());
            }
        }
        out.cost_bps = (known > Money::ZERO).then(|| bps(out.cost, known));
        out.crossing_bps = (weight > 0.0).then(|| crossed / weight);
        out.fill_ratio = mean(&|o| o.fill_ratio);
        out.decision_to_sent_ms = mean(&|o| o.decision_to_sent_ms);
        out.sent_to_accepted_ms = mean(&|o| o.sent_to_accepted_ms);
        out.sent_to_first_fill_ms = mean(&|o| o.sent_to_first_fill_ms);
        out.sent_to_complete_ms = mean(&|o| o.sent_to_complete_ms);
        for (n, slot) in out.markout_bps.iter_mut().enumerate().take(MARKOUTS_MIN.len()) {
            *slot = mean(&|o| o.markout_bps[n]);
        }
        out
    }
}

/// The parts of an order's cost, in the order of time.
#[must_use]
pub fn parts(o: &OrderCost) -> [(&'static str, Option<Money>); 7] {
    [
        ("delay", o.delay),
        ("timing", o.timing),
        ("spread", o.spread),
        ("impact", o.impact),
        ("fees", o.fees),
        ("opportunity", o.opportunity),
        ("unattributed", Some(o.unattributed)),
    ]
}

/// Every way of grouping.
#[must_use]
pub fn all(orders: &[OrderCost]) -> Vec<(&'static str, Vec<Grouped>)> {
    BY.map(|by| (by, grouped(orders, by))).into()
}

fn grouped(orders: &[OrderCost], by: &str) -> Vec<Grouped> {
    let mut names: Vec<String> = orders.iter().map(|o| key(o, by)).collect();
    names.sort();
    names.dedup();
    names.iter().map(|name| Grouped::of(name, orders.iter().filter(|o| key(o, by) == *name))).collect()
}

fn key(o: &OrderCost, by: &str) -> String {
    match by {
        "strategy" => format!("{} {} on {}", o.strategy, o.strategy_name, o.symbol),
        "venue" => o.venue.clone(),
        "symbol" => o.symbol.clone(),
        "hour" => format!("{:02}", o.hour),
        "type" => o.kind.to_owned(),
        "liquidity" => o.liquidity.to_owned(),
        _ => o.purpose.word().to_owned(),
    }
}
