//! Reports: one self-contained HTML file about one run, or about several beside each other, and a picture of one order.
//!
//! In:  [`RunReport`], plain data that the caller has read from the folders of runs.
//! Out: text. The page opens offline: charts, styles and data are inside, its content policy forbids any request, and every text of a run
//! (names, symbols, messages) is escaped or set as text.
//! Figures are computed here from the curve and the trades ([`Figures`]), each defined in `definitions`; those of the run itself are taken
//! as they are. Reading files is left out.

mod chart_data;
mod comparison;
mod definitions;
mod figures;
mod order_picture;
mod page;
mod run_report;
mod single;
mod text;

pub use figures::{Figures, SHARPE_WINDOWS, figures};
pub use order_picture::{Bar, Level, Mark, MarkKind, OrderPicture, order_picture};
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
