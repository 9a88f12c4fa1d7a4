//! Statistics of returns, equity, trades and pairs of series.
//!
//! In:  f64 returns (fractions: 0.01 = 1 %), equity or profits, oldest first; read by `risk`, the runner and the reports.
//! Out: ratios as f64; what is undefined (a ratio over zero) is `None`, never NaN or infinity.
//! Tests of significance, value at risk and estimators of covariance are left out.

pub mod correlation;
pub mod drawdown;
pub mod moments;
pub mod performance;
pub mod quantile;
pub mod trades;

pub use correlation::{RollingCorrelation, covariance, pearson};
pub use drawdown::DrawdownTracker;
pub use moments::Moments;
pub use performance::{Performance, ReturnTracker, Year, performance, returns_from_equity, sharpe};
pub use trades::{Exposure, TradeStatistics};
