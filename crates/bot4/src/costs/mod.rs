//! What the orders of recorded runs cost: measured order by order, estimated as it could have been before, and fitted.
//!
//! ```text
//! journal -- trace --> orders with their times and fills --+
//! inputs  -- market --> prices, spreads, volumes there ----+-- measure --> a row for each order -- groups --> sums
//!                                                                              |
//!                                          research::fit <-- calibrate --------+--> parameters, estimates before, bias --> text, page
//! ```
//!
//! Nothing is played: orders and fills are the journal's, prices are those of the run's own inputs, whose contents are compared with the
//! recorded ones first. What neither says is `None` and shown as unknown.

pub mod calibrate;
pub mod groups;
pub mod market;
pub mod measure;
pub mod page;
pub mod text;
pub mod trace;

use crate::command::CommandError;
use crate::explain::scan::Index;
use crate::explain::story::Names;
use crate::runner::recorded::{self, At};
use crate::runner::run_folder::{RunFolder, Start};
use calibrate::{Calibrated, Sample};
use groups::Grouped;
use measure::OrderCost;
use research::fit::{Regressor, Touches};
use serde::Serialize;
use std::path::PathBuf;

/// The costs of a run.
#[derive(Clone, Debug, Serialize)]
pub struct RunCosts {
    /// The folder.
    pub run: PathBuf,
    /// The asset that amounts are in.
    pub quote: String,
    /// Whether the run is complete.
    pub sealed: bool,
    /// What the simulated venue was told to do, as its setting.
    pub configured: String,
    /// Orders that were meant to trade, or did, by number.
    pub orders: Vec<OrderCost>,
    /// Stops and targets that were never set off: they cost nothing and are in no figure.
    pub not_set_off: u64,
    /// All orders together.
    pub all: Grouped,
    /// By strategy, venue, symbol, hour of the day, type, liquidity and purpose.
    pub groups: Vec<(&'static str, Vec<Grouped>)>,
    /// Parameters and how good estimates were.
    pub calibrated: Calibrated,
    /// Half the fitted spread on all that paid it without a quote, in quote: the part of impact that is spread. A statistic, no amount that
    /// was booked; null where spread and impact are not told apart.
    pub fitted_spread: Option<f64>,
    /// Touches of resting limit orders.
    pub touches: Touches,
    /// What is assumed and what is not known, in words.
    pub notes: Vec<String>,
    /// What a fit of several runs takes of this one.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// Reads the costs of a run.
///
/// # Errors
/// A folder without a run, a journal that cannot be read, inputs that are missing or have changed.
pub fn read(
    folder: &RunFolder,
    start: Start,
    data: &[PathBuf],
    regressor: Regressor,
) -> Result<RunCosts, CommandError> {
    let index = Index::read(&folder.journal(), false).map_err(CommandError::failed)?;
    let traced = trace::read(&folder.journal(), &index).map_err(CommandError::failed)?;
    let opened = recorded::open(folder, start, data, At::Beginning, false)?;
    let names = Names::new(&opened, &index);
    let measured = measure::orders(&opened, &names, &index, &traced)?;
    let (calibrated, estimates) = calibrate::calibrate(&measured, regressor);
    let mut orders = measured.orders;
    for (order, estimate) in orders.iter_mut().zip(estimates) {
        order.estimate = estimate;
    }
    let quotes: Vec<String> = opened
        .plan
        .instruments()
        .iter()
        .map(|i| names.asset(i.quote))
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let mut notes = measured.notes;
    if quotes.len() > 1 {
        notes.push(format!("amounts of several quote assets ({}) are added as they are", quotes.join(", ")));
    }
    if traced.may_lack_decisions {
        notes.push("retention has removed old decisions: orders of that time have no decision price".into());
    }
    if !index.sealed {
        notes.push(
            "the record has no seal: the run is not complete, and orders that still work are taken as they stand"
                .into(),
        );
    }
    Ok(RunCosts {
        run: folder.path().to_owned(),
        quote: quotes.join("/"),
        sealed: index.sealed,
        configured: opened.settings.venue.slippage.clone(),
        all: Grouped::of("all", orders.iter()),
        groups: groups::all(&orders),
        fitted_spread: fitted_spread(&calibrated, &orders),
        orders,
        not_set_off: measured.not_set_off,
        calibrated,
        touches: measured.touches,
        notes,
        samples: measured.samples.into_iter().flatten().collect(),
    })
}

/// Half the fitted spread times what was taken where no quote is known.
fn fitted_spread(calibrated: &Calibrated, orders: &[OrderCost]) -> Option<f64> {
    let half = calibrated.venue.fit.as_ref().filter(|fit| !fit.free)?.law?.half_spread?;
    let paid = orders.iter().filter(|o| o.spread.is_none() && o.crossing_bps.is_some());
    Some(half.value * paid.map(|o| o.traded.to_f64()).sum::<f64>())
}
