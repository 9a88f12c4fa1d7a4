//! The estimate before an order leaves: half a spread, the square root law of impact, timing and fees, with their uncertainty.
//!
//! In:  [`CostParameters`] (fitted, or assumed by whoever configures them) and a [`Planned`] order.
//! Out: [`Estimate`], fractions of the price: 0.0001 is one basis point, positive is a cost.
//! Uncertainty of the parameters and scatter of single orders are told apart; what has no basis is `None`, never 0.

use domain::{Money, Rate, Rounding};
use std::fmt;

/// What impact is proportional to, beside the root of the order's share of the volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// `impact = Y sqrt(Q / V)`, `Y` a fraction of the price: the law of the simulated venue.
    VolumeShare,
    /// `impact = Y sigma sqrt(Q / V)`, `Y` a pure number near 1: the law of real markets.
    ///
    /// `sigma` is the volatility of the period in which `V` is traded. Both `sigma` and `sqrt(V)` grow with the root of the period, so
    /// `Y` does not depend on how long it is.
    ///
    /// Source: Toth, Lemperiere, Deremble, de Lataillade, Kockelkoren, Bouchaud (2011), Physical Review X 1, 021006, equation 1;
    /// Almgren, Thum, Hauptmann, Li (2005), Risk 18(7), 58-62, fit the exponent 0.600 +- 0.038 for temporary impact where this has 0.5.
    Volatility,
}

/// Covariance of the two parameters, from their calibration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Covariance {
    /// Variance of the half spread.
    pub half_spread: f64,
    /// Covariance of both.
    pub both: f64,
    /// Variance of the coefficient.
    pub coefficient: f64,
}

/// What the price does on average against an order between the decision and its fills, beside spread and impact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Mean over past orders, a fraction of the price.
    pub mean: f64,
    /// Standard error of the mean.
    pub error: f64,
}

/// The parameters of the cost model: plain data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostParameters {
    /// The law of impact.
    pub law: Law,
    /// Half of the spread that an order which takes pays, a fraction of the price.
    pub half_spread: f64,
    /// `Y` of the law.
    pub coefficient: f64,
    /// Uncertainty of both; `None` where they were assumed, not fitted.
    pub covariance: Option<Covariance>,
    /// Standard deviation of single orders about the law, a fraction of the price; `None` where it was not fitted.
    pub scatter: Option<f64>,
    /// Mean cost of delay and timing; `None` where it is not known.
    pub drift: Option<Drift>,
}

/// How much of the flow against us is informed. Nothing measures that yet, so the input abstains: it changes nothing and is listed as
/// such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Toxicity {
    /// Not configured: the identity.
    NoInput,
}

impl Toxicity {
    /// As explanations list it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoInput => "no input",
        }
    }
}

/// An order before it leaves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Planned {
    /// Its quantity over the volume of one period, in the same units.
    pub share: f64,
    /// Volatility of the price over one period, a fraction; needed by [`Law::Volatility`] and for the risk of waiting.
    pub volatility: Option<f64>,
    /// Half of the spread that is quoted now, a fraction of the price; takes the place of the fitted one.
    pub quoted_half_spread: Option<f64>,
    /// Periods that it is expected to wait until it trades.
    pub wait: f64,
    /// The rate of its fee.
    pub fee: Rate,
    /// Whether it takes liquidity: what rests pays no spread and has no impact of its own.
    pub takes: bool,
    /// Informed flow against it.
    pub toxicity: Toxicity,
}

/// What an order is expected to cost, as fractions of the price; positive is a cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Half the spread.
    pub spread: f64,
    /// Impact.
    pub impact: f64,
    /// Delay and timing on average; `None` where past orders do not say.
    pub timing: Option<f64>,
    /// Fees.
    pub fees: f64,
    /// Sum of what is known.
    pub total: f64,
    /// Standard error of `total`, from the calibration: how wrong the average of many such orders may be.
    pub error: Option<f64>,
    /// Standard deviation of one order about `total`, `error` included.
    pub order_error: Option<f64>,
    /// Standard deviation of what the price does while the order waits, `sigma sqrt(wait)`: not a cost on average.
    pub timing_risk: Option<f64>,
    /// What stood for informed flow.
    pub toxicity: Toxicity,
}

impl Estimate {
    /// The expected cost in money, rounded up to the unit: what is set aside is never less. `None` beyond all money.
    ///
    /// The one way from the model's `f64` to an amount.
    #[must_use]
    pub fn money(&self, notional: Money) -> Option<Money> {
        let raw = (self.total * 1e12).ceil();
        if !raw.is_finite() || raw.abs() > 9.0e18 {
            return None;
        }
        notional.times(Rate::from_raw(raw as i64), Rounding::Up)
    }
}

/// Why there is no estimate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CostError {
    /// A parameter cannot be.
    Parameter {
        /// Which.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What was expected.
        expected: &'static str,
    },
    /// What is said of the order is missing or cannot be.
    Input {
        /// What.
        name: &'static str,
        /// Its value; NaN where it is missing.
        value: f64,
        /// What was expected.
        expected: &'static str,
    },
}

impl fmt::Display for CostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter { name, value, expected } => write!(f, "parameter {name} is {value}, expected {expected}"),
            Self::Input { name, value, expected } if value.is_nan() => {
                write!(f, "{name} is not known, expected {expected}")
            }
            Self::Input { name, value, expected } => write!(f, "{name} is {value}, expected {expected}"),
        }
    }
}

impl std::error::Error for CostError {}

const NOT_NEGATIVE: &str = "a finite number, not negative";
const FINITE: &str = "a finite number";

impl CostParameters {
    /// Whether these can be parameters.
    ///
    /// # Errors
    /// [`CostError::Parameter`] names the first that cannot.
    pub fn validate(&self) -> Result<(), CostError> {
        let check = |name, value: f64, expected, good: bool| {
            if good { Ok(()) } else { Err(CostError::Parameter { name, value, expected }) }
        };
        // A fit may come out a little below zero: that is told as it is, not cut off.
        check("half_spread", self.half_spread, FINITE, self.half_spread.is_finite())?;
        check("coefficient", self.coefficient, FINITE, self.coefficient.is_finite())?;
        if let Some(c) = self.covariance {
            let positive = |v: f64| v.is_finite() && v >= 0.0;
            check("variance of half_spread", c.half_spread, NOT_NEGATIVE, positive(c.half_spread))?;
            check("variance of coefficient", c.coefficient, NOT_NEGATIVE, positive(c.coefficient))?;
            let most = (c.half_spread * c.coefficient).sqrt();
            let fits = c.both.is_finite() && c.both.abs() <= most * (1.0 + 1e-9);
            check("covariance", c.both, "at most the root of the product of the variances", fits)?;
        }
        if let Some(scatter) = self.scatter {
            check("scatter", scatter, NOT_NEGATIVE, scatter.is_finite() && scatter >= 0.0)?;
        }
        if let Some(drift) = self.drift {
            check("drift", drift.mean, FINITE, drift.mean.is_finite())?;
            check("error of drift", drift.error, NOT_NEGATIVE, drift.error.is_finite() && drift.error >= 0.0)?;
        }
        Ok(())
    }
}

/// What an order is expected to cost.
///
/// `total = h + Y s sqrt(Q / V) + drift + fee`, with `s` 1 or `sigma` by the [`Law`], and with
/// `error^2 = [1, x] C [1, x]' + error(drift)^2`, `x = s sqrt(Q / V)`. An order that rests has `-h` where the spread is quoted, else 0, and
/// no impact.
///
/// # Errors
/// [`CostError`] for parameters that cannot be, a share or volatility that is missing, negative or not finite. What is unknown has no
/// estimate: who asks because of a new risk takes that as no.
pub fn estimate(parameters: &CostParameters, order: &Planned) -> Result<Estimate, CostError> {
    parameters.validate()?;
    let known = |name, value: f64| {
        let good = value.is_finite() && value >= 0.0;
        if good { Ok(value) } else { Err(CostError::Input { name, value, expected: NOT_NEGATIVE }) }
    };
    let wait = known("wait", order.wait)?;
    let volatility = order.volatility.map(|sigma| known("volatility", sigma)).transpose()?;
    let quoted = order.quoted_half_spread.map(|half| known("quoted half spread", half)).transpose()?;
    let share = known("share of the volume", order.share)?;
    let root = match parameters.law {
        Law::VolumeShare => share.sqrt(),
        Law::Volatility => known("volatility", volatility.unwrap_or(f64::NAN))? * share.sqrt(),
    };
    let (spread, impact) = if order.takes {
        (quoted.unwrap_or(parameters.half_spread), parameters.coefficient * root)
    } else {
        (-quoted.unwrap_or(0.0), 0.0)
    };
    let fees = order.fee.to_f64();
    let timing = parameters.drift.map(|drift| drift.mean);
    // The inputs that abstain are the identity.
    let total = match order.toxicity {
        Toxicity::NoInput => spread + impact + timing.unwrap_or(0.0) + fees,
    };
    let from_law = match (order.takes, parameters.covariance) {
        (false, _) => Some(0.0),
        (true, None) => None,
        // A spread that is quoted is not estimated.
        (true, Some(c)) if quoted.is_some() => Some(root * root * c.coefficient),
        (true, Some(c)) => Some(c.half_spread + 2.0 * root * c.both + root * root * c.coefficient),
    };
    let from_drift = parameters.drift.map_or(0.0, |drift| drift.error * drift.error);
    let variance = from_law.map(|law| law.max(0.0) + from_drift);
    let scatter = if order.takes { parameters.scatter } else { Some(0.0) };
    Ok(Estimate {
        spread,
        impact,
        timing,
        fees,
        total,
        error: variance.map(f64::sqrt),
        order_error: variance.zip(scatter).map(|(variance, s)| (variance + s * s).sqrt()),
        timing_risk: volatility.map(|sigma| sigma * wait.sqrt()),
        toxicity: order.toxicity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::money;

    const FITTED: CostParameters = CostParameters {
        law: Law::VolumeShare,
        half_spread: 0.0002,
        coefficient: 0.01,
        covariance: Some(Covariance { half_spread: 4e-10, both: -1e-9, coefficient: 1e-8 }),
        scatter: Some(0.0003),
        drift: None,
    };
    const ORDER: Planned = Planned {
        share: 0.04,
        volatility: Some(0.001),
        quoted_half_spread: None,
        wait: 4.0,
        fee: Rate::from_bps(10),
        takes: true,
        toxicity: Toxicity::NoInput,
    };

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-15, "{a} {b}");
    }

    #[test]
    fn parts_and_error_bars_are_those_of_the_formula() {
        let e = estimate(&FITTED, &ORDER).unwrap();
        // 2 bps of spread, 100 bps x sqrt(0.04) = 20 bps, 10 bps of fees.
        close(e.spread, 0.0002);
        close(e.impact, 0.002);
        close(e.total, 0.0032);
        // 4e-10 - 2 x 0.2 x 1e-9 + 0.04 x 1e-8 = 4e-10
        close(e.error.unwrap(), 2e-5);
        close(e.order_error.unwrap(), (4e-10f64 + 9e-8).sqrt());
        close(e.timing_risk.unwrap(), 0.002);
        assert_eq!((e.timing, e.toxicity.name()), (None, "no input"));
        assert_eq!(e.money(money("1000")), Some(money("3.2")));
    }

    #[test]
    fn the_volatility_law_needs_a_volatility_and_does_not_depend_on_the_period() {
        let law = CostParameters { law: Law::Volatility, coefficient: 1.0, ..FITTED };
        let minute = estimate(&law, &ORDER).unwrap();
        // An hour has sixty times the volume and the root of sixty times the volatility.
        let hour = Planned { share: 0.04 / 60.0, volatility: Some(0.001 * 60f64.sqrt()), ..ORDER };
        close(minute.impact, 0.0002);
        close(estimate(&law, &hour).unwrap().impact, minute.impact);
        let without = estimate(&law, &Planned { volatility: None, ..ORDER }).unwrap_err();
        assert_eq!(without.to_string(), "volatility is not known, expected a finite number, not negative");
    }

    #[test]
    fn what_is_quoted_takes_the_place_of_the_fitted_spread_and_what_rests_earns_it() {
        let quoted = Planned { quoted_half_spread: Some(0.0001), ..ORDER };
        let taken = estimate(&FITTED, &quoted).unwrap();
        close(taken.spread, 0.0001);
        close(taken.error.unwrap(), 0.2 * 1e-4);
        let rests = estimate(&FITTED, &Planned { takes: false, ..quoted }).unwrap();
        close(rests.total, 0.001 - 0.0001);
        assert_eq!((rests.impact, rests.error, rests.order_error), (0.0, Some(0.0), Some(0.0)));
    }

    #[test]
    fn assumed_parameters_have_no_error_bars_and_drift_widens_them() {
        let assumed = CostParameters { covariance: None, scatter: None, ..FITTED };
        let e = estimate(&assumed, &ORDER).unwrap();
        assert_eq!((e.error, e.order_error), (None, None));
        let drifting = CostParameters { drift: Some(Drift { mean: -0.0001, error: 3e-5 }), ..FITTED };
        let e = estimate(&drifting, &ORDER).unwrap();
        close(e.total, 0.0031);
        close(e.error.unwrap(), (4e-10f64 + 9e-10).sqrt());
    }

    #[test]
    fn what_is_unknown_has_no_estimate() {
        for share in [f64::NAN, f64::INFINITY, -0.1] {
            assert!(estimate(&FITTED, &Planned { share, ..ORDER }).is_err(), "{share}");
        }
        for parameters in [
            CostParameters { half_spread: f64::NAN, ..FITTED },
            CostParameters { coefficient: f64::INFINITY, ..FITTED },
            CostParameters { scatter: Some(-1.0), ..FITTED },
            CostParameters {
                covariance: Some(Covariance { half_spread: 1e-9, both: 1.0, coefficient: 1e-9 }),
                ..FITTED
            },
            CostParameters { drift: Some(Drift { mean: 0.0, error: f64::NAN }), ..FITTED },
        ] {
            assert!(matches!(estimate(&parameters, &ORDER), Err(CostError::Parameter { .. })), "{parameters:?}");
        }
        let huge = Estimate { total: f64::INFINITY, ..estimate(&FITTED, &ORDER).unwrap() };
        assert_eq!(huge.money(money("1")), None);
    }
}
