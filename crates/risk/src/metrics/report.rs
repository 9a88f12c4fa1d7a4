//! All figures of an account at once, for reports and the record.

use super::{Book, Metrics, SCENARIOS, Stops, StressLoss, TailRisk, Unknown};
use domain::{AccountId, InstrumentTable, MarketView};
use portfolio::Portfolio;

/// What an account's positions could lose, in report currency; ratios are of equity.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What the account is worth.
    pub equity: f64,
    /// Gross exposure.
    pub gross: f64,
    /// Net exposure.
    pub net: f64,
    /// Gross exposure over equity.
    pub leverage: f64,
    /// Sum of distance to the stop x size over equity.
    pub heat: f64,
    /// One-day tail at 99 %, or why it is not known.
    pub tail: Result<TailRisk, Unknown>,
    /// Scenarios; those that are not known are left out.
    pub stress: Vec<StressLoss>,
    /// Whether the market counts as in crisis.
    pub crisis: bool,
}

impl Metrics {
    /// Measures an account.
    ///
    /// # Errors
    /// [`Unknown`] where equity or an exposure is not known; a tail that is not known is told within.
    pub fn report(
        &mut self,
        account: AccountId,
        portfolio: &Portfolio,
        table: &InstrumentTable,
        view: &MarketView,
        stops: &Stops,
    ) -> Result<Report, Unknown> {
        let mut book = Book::default();
        book.read(account, portfolio, table, view, stops)?;
        let equity = portfolio.equity(account, table, view).map(domain::Money::to_f64);
        let equity = equity.filter(|e| *e > 0.0).ok_or(Unknown::Equity)?;
        let tail = self.tail(&book.lines);
        let of = |scenario| Some((scenario, self.stress(scenario, &book.lines, table).ok()?));
        let stress = SCENARIOS.iter().filter_map(of);
        let stress = stress.map(|(s, loss)| StressLoss { name: s.name, loss, fraction: loss / equity }).collect();
        Ok(Report {
            equity,
            gross: book.gross,
            net: book.net,
            leverage: book.gross / equity,
            heat: book.heat / equity,
            tail,
            stress,
            crisis: self.crisis().active(),
        })
    }
}
