//! Statistics of returns, equity, trades and pairs of series.
//!
//! In:  f64 returns (fractions: 0.01 = 1 %), equity or profits, oldest first; read by `risk`, the runner and the reports.
//! Out: ratios as f64; what is undefined (a ratio over zero) is `None`, never NaN or infinity.
//! Value at risk and shortfall, the distributions they rest on, rolling and weighted covariance, and Kelly's fraction are here too; tests of
//! significance have their tails here and are themselves in `research`.

pub mod correlation;
pub mod drawdown;
pub mod ewma;
pub mod kelly;
pub mod matrix;
pub mod moments;
pub mod normal;
pub mod performance;
pub mod quantile;
pub mod rolling_covariance;
pub mod student;
pub mod tails;
pub mod trades;
pub mod value_at_risk;

pub use correlation::{RollingCorrelation, covariance, pearson};
pub use drawdown::DrawdownTracker;
pub use ewma::{EwmaCentred, EwmaCovariance};
pub use matrix::MatrixError;
pub use moments::Moments;
pub use performance::{Performance, ReturnTracker, Year, performance, returns_from_equity, sharpe};
pub use rolling_covariance::RollingCovariance;
pub use student::StudentFit;
pub use tails::{binomial_at_least, binomial_at_most, binomial_interval, chi_square_tail};
pub use trades::{Exposure, TradeStatistics};
pub use value_at_risk::Tail;
