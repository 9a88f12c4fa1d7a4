//! The cost hurdle: what trading costs a month, as a part of the capital and of what of it was deployed.
//!
//! In:  results of paper runs. Out: turnover and cost a month, and what was earned before them.
//!
//! A limit of 20 % gross exposure makes a cost of 1.4 % of the capital one of 7 % of what is deployed: that is what an edge has to earn
//! before anything is left. Costs are fees and funding as they were booked, and slippage where it is known apart from the prices; where it is
//! not, it is inside the prices and hence in the result, and the hurdle is higher than what is shown.

use monitor::report::{RunReport, figures};
use serde::Serialize;

/// Days of a month: a year's by twelve.
const MONTH_DAYS: f64 = 365.25 / 12.0;

/// What trading costs a month.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Hurdle {
    /// Runs that it is made of.
    pub runs: usize,
    /// Their days, added up.
    pub days: f64,
    /// Value traded a month, as a multiple of the capital.
    pub turnover: f64,
    /// Costs a month, as a fraction of the capital.
    pub of_capital: f64,
    /// Mean gross exposure, as a fraction of equity; `None` where it was not recorded, or nothing was held.
    pub deployed: Option<f64>,
    /// Costs a month, as a fraction of what was deployed.
    pub of_deployed: Option<f64>,
    /// Earned a month before costs, as a fraction of the capital; `None` if a run's end is not known.
    pub earned: Option<f64>,
    /// Whether slippage is known apart from prices, for all runs.
    pub slippage_known: bool,
}

impl Hurdle {
    /// In words, with per cents.
    #[must_use]
    pub fn text(&self) -> String {
        let percent = |x: f64| format!("{:.3} %", x * 100.0);
        let mut text = format!(
            "{} a month of the capital at a turnover of {:.2} times the capital a month",
            percent(self.of_capital),
            self.turnover
        );
        match self.of_deployed.zip(self.deployed) {
            Some((cost, deployed)) => {
                text += &format!(", {} of what was deployed ({} on average)", percent(cost), percent(deployed));
            }
            None => text += "; what was deployed is not known",
        }
        if let Some(earned) = self.earned {
            text += &format!("; earned before costs: {} a month of the capital", percent(earned));
        }
        let runs = if self.runs == 1 { "1 run".to_owned() } else { format!("{} runs", self.runs) };
        text += &format!("; from {runs} of {:.1} days", self.days);
        if !self.slippage_known {
            text += "; slippage is inside the prices";
        }
        text
    }
}

/// The hurdle of several runs: costs and turnover over capital times time. `None` if there is no run with a length and a capital, or a number
/// that is none.
#[must_use]
pub fn hurdle<'a>(reports: impl Iterator<Item = &'a RunReport>) -> Option<Hurdle> {
    let (mut runs, mut days, mut capital_months, mut deployed_months) = (0, 0.0, 0.0, Some(0.0));
    let (mut cost, mut turnover, mut earned, mut slippage_known) = (0.0, 0.0, Some(0.0), true);
    for report in reports {
        let f = figures(report);
        let cash = report.summary.initial_cash;
        let Some(length) = f.days.filter(|days| *days > 0.0 && cash > 0.0) else { continue };
        let months = length / MONTH_DAYS;
        runs += 1;
        days += length;
        capital_months += cash * months;
        let gross = f.exposure.map(|exposure| exposure.mean_gross);
        deployed_months = deployed_months.zip(gross).map(|(sum, gross)| sum + cash * gross * months);
        cost += f.costs.total;
        turnover += f.costs.turnover;
        slippage_known &= f.costs.slippage.is_some();
        earned = earned.zip(report.summary.final_equity).map(|(sum, end)| sum + end - cash + f.costs.total);
    }
    let over = |x: f64, y: f64| Some(x / y).filter(|ratio| y > 0.0 && ratio.is_finite());
    let of_deployed = deployed_months.and_then(|deployed| over(cost, deployed));
    Some(Hurdle {
        runs,
        days,
        turnover: over(turnover, capital_months)?,
        of_capital: over(cost, capital_months)?,
        deployed: deployed_months.and_then(|deployed| over(deployed, capital_months)).filter(|_| of_deployed.is_some()),
        of_deployed,
        earned: earned.and_then(|earned| over(earned, capital_months)),
        slippage_known,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::assert_close;

    /// A run of so many days: 10,000 of cash, costs of `cost`, turnover of `turnover`, exposed by `gross` at every hour.
    fn report(days: f64, cost: f64, turnover: f64, gross: f64, end: f64) -> RunReport {
        let hours = (days * 24.0) as i64;
        let summary = serde_json::json!({
            "run": "paper", "risk_profile": "standard", "start_ts": 0, "end_ts": hours * 3_600_000, "symbols": [], "strategies": [],
            "quote": "USDT", "events": 1, "initial_cash": 10_000.0, "final_equity": end, "total_return": end / 10_000.0 - 1.0,
            "fees_paid": cost, "funding": 0.0, "orders": 1, "fills": 1, "trades_closed": 0, "win_rate": null, "refusals": {},
            "venue_rejects": {}, "not_sent": 0, "max_drawdown": 0.0, "sharpe": null, "volatility": null, "open_positions": [],
            "buy_and_hold": null, "digest": "", "state_digest": "",
            "data": {"bad_rows": 0, "first_bad_rows": [], "rounded": 0, "gaps": 0}, "faults": [], "assumptions": [],
            "costs": {"fees": cost, "funding": 0.0, "slippage": 0.0, "turnover_maker": 0.0, "turnover_taker": turnover},
            "by_strategy": [],
        });
        let row = |hour: i64| monitor::report::EquityRow {
            ts: hour * 3_600_000,
            equity: 10_000.0,
            gross: Some(gross),
            net: Some(gross),
            ..Default::default()
        };
        RunReport {
            name: "r".into(),
            summary: serde_json::from_value(summary).unwrap(),
            trades: Vec::new(),
            equity: (1..=hours).map(row).collect(),
            marks: Vec::new(),
        }
    }

    #[test]
    fn the_figures_of_the_specification_come_out() {
        // 1.4 % a month of 10,000 at 20 % gross is 7 % of what is deployed.
        let month = report(MONTH_DAYS, 140.0, 140_000.0, 0.2, 10_060.0);
        let h = hurdle([&month].into_iter()).unwrap();
        let near = |a: f64, b: f64| assert_close(a, b, 2e-3, 0.0);
        near(h.of_capital, 0.014);
        near(h.of_deployed.unwrap(), 0.07);
        near(h.deployed.unwrap(), 0.2);
        near(h.turnover, 14.0);
        near(h.earned.unwrap(), 0.02);
        assert!(h.text().contains("% a month of the capital") && h.text().contains("from 1 run"), "{}", h.text());
    }

    #[test]
    fn runs_are_weighed_by_capital_and_time() {
        let (long, short) = (report(60.0, 60.0, 0.0, 0.1, 10_000.0), report(30.0, 0.0, 0.0, 0.1, 10_000.0));
        let h = hurdle([&long, &short].into_iter()).unwrap();
        assert_close(h.of_capital, 60.0 / 10_000.0 / (90.0 / MONTH_DAYS), 1e-9, 0.0);
        assert_eq!((h.runs, h.days), (2, 90.0));
    }

    #[test]
    fn what_is_not_known_is_not_shown_as_nothing() {
        assert_eq!(hurdle(std::iter::empty()), None);
        let never_held = report(30.0, 0.0, 0.0, 0.0, 10_000.0);
        let h = hurdle([&never_held].into_iter()).unwrap();
        assert_eq!((h.deployed, h.of_deployed), (None, None));
        let mut without_end = report(30.0, 1.0, 1.0, 0.1, 10_000.0);
        without_end.summary.final_equity = None;
        without_end.equity.clear();
        let h = hurdle([&without_end].into_iter()).unwrap();
        assert_eq!((h.earned, h.deployed), (None, None));
        assert!(h.text().contains("not known"), "{}", h.text());
    }
}
