//! The costs of a run as a page: exact amounts become the numbers that are shown.

use crate::costs::RunCosts;
use crate::costs::groups::{Grouped, parts};
use crate::costs::measure::OrderCost;
use domain::Money;
use monitor::report::{COST_PARTS, CostOrder, CostPoint, CostReport, CostRow, cost_page};

/// Orders in the list of the costliest.
const COSTLY: usize = 25;

/// The page.
#[must_use]
pub fn page(costs: &RunCosts) -> String {
    cost_page(&report(costs))
}

/// The data of the page.
#[must_use]
pub fn report(costs: &RunCosts) -> CostReport {
    let venue = &costs.calibrated.venue;
    let name =
        costs.run.file_name().map_or_else(|| costs.run.display().to_string(), |n| n.to_string_lossy().into_owned());
    let mut costly: Vec<&OrderCost> = costs.orders.iter().filter(|o| o.cost.is_some()).collect();
    costly.sort_by_key(|o| std::cmp::Reverse(o.cost));
    CostReport {
        name,
        quote: costs.quote.clone(),
        complete: costs.sealed,
        configured: costs.configured.clone(),
        not_set_off: costs.not_set_off,
        all: row(&costs.all),
        groups: costs.groups.iter().map(|(by, rows)| ((*by).to_owned(), rows.iter().map(row).collect())).collect(),
        fills: costs
            .samples
            .iter()
            .map(|s| CostPoint { share: s.observation.share, cost_bps: 1e4 * s.observation.unrounded() })
            .collect(),
        fit: venue.fit.clone(),
        fitted_spread: costs.fitted_spread,
        says: venue.says.clone(),
        setting: venue.slippage.clone(),
        left_out: venue.left_out.iter().map(|(reason, n)| ((*reason).to_owned(), *n as u64)).collect(),
        calibration: Some(costs.calibrated.crossing.clone()),
        whole_bias: costs.calibrated.whole_bias,
        whole_count: costs.calibrated.whole_count as u64,
        touches: Some(costs.touches),
        costly: costly.into_iter().take(COSTLY).map(order).collect(),
        notes: costs.notes.clone(),
    }
}

fn row(g: &Grouped) -> CostRow {
    CostRow {
        name: g.name.clone(),
        orders: g.orders,
        with_fills: g.with_fills,
        fill_ratio: g.fill_ratio,
        traded: g.traded.to_f64(),
        cost: (g.known > 0).then(|| g.cost.to_f64()),
        known: g.known,
        cost_bps: g.cost_bps,
        parts: COST_PARTS.map(|part| g.parts.get(part).filter(|(_, n)| *n > 0).map(|(sum, _)| sum.to_f64())),
        crossing_bps: g.crossing_bps,
        latency_ms: [g.decision_to_sent_ms, g.sent_to_accepted_ms, g.sent_to_first_fill_ms, g.sent_to_complete_ms],
        markout_bps: g.markout_bps,
    }
}

fn order(o: &OrderCost) -> CostOrder {
    CostOrder {
        order: o.order,
        sent_ts: o.sent_ts,
        symbol: o.symbol.clone(),
        strategy: o.strategy_name.clone(),
        what: format!("{} {}, {}", o.side, o.purpose.word(), o.kind),
        traded: o.traded.to_f64(),
        cost: o.cost.map_or(0.0, Money::to_f64),
        cost_bps: o.cost_bps,
        parts: parts(o).map(|(_, amount)| amount.map(Money::to_f64)),
        share: o.share,
        estimated_bps: o.estimate.map(|e| e.spread_bps + e.impact_bps),
        crossing_bps: o.crossing_bps,
    }
}
