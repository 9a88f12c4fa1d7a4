//! Fits of what trading costs, from fills of one's own: half spread and impact, how far the estimates before were off, and how often a
//! touched limit order was filled.
//!
//! In:  plain observations, which a caller has read from records. Out: values with standard errors and intervals.
//! A fit that the data cannot give is an error or `None`, never a default. Reading records and turning values into configuration is left
//! to the caller.

mod blocks;
mod law;
mod robust;
mod touches;
mod walk;

pub use blocks::{mean_with_error, mean_with_error_of};
pub use law::{FEWEST, LawFit, Observation, Regressor, TwoParts, Value, fit_law};
pub use robust::{Errors, FitError, Regression, huber};
pub use touches::{Touches, touches};
pub use walk::{Calibration, Past, WalkStep, walk_forward};
