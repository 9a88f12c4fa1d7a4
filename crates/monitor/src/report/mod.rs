//! Reports: one self-contained HTML file about one run, or about several beside each other, and a picture of one order.
//!
//! In:  [`RunReport`], plain data that the caller has read from the folders of runs.
//! Out: text. The page opens offline: charts, styles and data are inside, its content policy forbids any request, and every text of a run
//! (names, symbols, messages) is escaped or set as text.
//! Figures are computed here from the curve and the trades ([`Figures`]), each defined in `definitions`; those of the run itself are taken
//! as they are. Reading files is left out.

mod chart_data;
mod comparison;
mod cost_charts;
mod cost_page;
mod cost_report;
mod definitions;
mod figures;
mod gap;
mod gap_page;
mod gap_waterfall;
mod order_picture;
mod page;
mod risk_anomalies;
mod risk_backtest;
mod risk_charts;
mod risk_daily;
mod risk_frame;
mod risk_page;
mod run_report;
mod single;
mod text;

pub use cost_page::cost_page;
pub use cost_report::{COST_PARTS, CostOrder, CostPoint, CostReport, CostRow};
pub use figures::{Figures, SHARPE_WINDOWS, figures};
pub use gap::{Amount, GapDay, GapDifference, GapFill, GapOrders, GapPart, GapPoint, GapReport, GapSide, PartState};
pub use gap_page::gap_page;
pub use order_picture::{Bar, Level, Mark, MarkKind, OrderPicture, order_picture};
pub use risk_anomalies::{Anomaly, AnomalyKind};
pub use risk_backtest::{risk_backtest_csv, risk_backtest_page, risk_breaches_csv};
pub use risk_daily::{
    Agreement, Compared, RiskDay, RiskEvent, RiskReport, RiskSettings, TrailEntry, risk_csv, risk_report,
};
pub use risk_page::risk_page;
pub use run_report::{
    Costs, DataFaults, EquityRow, Hold, InputFile, InputSeries, MarkRow, Position, RunReport, RunSummary, StrategyLine,
    Trade,
};

/// The report of one run, or the comparison of several, as an HTML document.
#[must_use]
pub fn render(runs: &[RunReport]) -> String {
    match runs {
        [run] => single::page(run),
        runs => comparison::page(runs),
    }
}
