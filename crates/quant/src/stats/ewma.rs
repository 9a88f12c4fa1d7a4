//! Exponentially weighted covariance of two series.

use crate::error::ParameterError;
use crate::state::state;

/// RiskMetrics' covariance: `c = lambda c + (1 - lambda) x y` with means of zero, begun at the first product; the newest pair is in it.
///
/// Source: RiskMetrics Technical Document, 4th ed. (1996), section 5.2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EwmaCovariance {
    lambda: f64,
    xx: f64,
    yy: f64,
    xy: f64,
    begun: bool,
}
state!(EwmaCovariance, 1, fixed [lambda], moving [xx, yy, xy, begun]);

impl EwmaCovariance {
    /// With weight `lambda` of what came before.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= lambda < 1`.
    pub fn new(lambda: f64) -> Result<Self, ParameterError> {
        let lambda = ParameterError::check_number("lambda", lambda, 0.0, 1.0 - f64::EPSILON)?;
        Ok(Self { lambda, xx: 0.0, yy: 0.0, xy: 0.0, begun: false })
    }

    /// Takes the next pair; both must be finite.
    #[inline]
    pub fn push(&mut self, x: f64, y: f64) {
        let (old, new) = if self.begun { (self.lambda, 1.0 - self.lambda) } else { (0.0, 1.0) };
        self.xx = old * self.xx + new * x * x;
        self.yy = old * self.yy + new * y * y;
        self.xy = old * self.xy + new * x * y;
        self.begun = true;
    }

    /// The covariance; `None` before the first pair.
    #[must_use]
    pub fn covariance(&self) -> Option<f64> {
        self.begun.then_some(self.xy)
    }

    /// The variances of both; `None` before the first pair.
    #[must_use]
    pub fn variances(&self) -> Option<(f64, f64)> {
        self.begun.then_some((self.xx, self.yy))
    }

    /// The correlation; `None` where one has not moved.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let scale = self.xx.sqrt() * self.yy.sqrt();
        (scale > 0.0 && scale.is_finite()).then(|| (self.xy / scale).clamp(-1.0, 1.0))
    }
}

/// Correlation with weights `lambda^age` normalised and weighted means removed: what pandas' `ewm(alpha = 1 - lambda).corr` answers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EwmaCentred {
    lambda: f64,
    weight: f64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    yy: f64,
    xy: f64,
}

impl EwmaCentred {
    /// With weight `lambda` of what came before.
    ///
    /// # Errors
    /// [`ParameterError`] unless `0 <= lambda < 1`.
    pub fn new(lambda: f64) -> Result<Self, ParameterError> {
        Ok(Self { lambda: EwmaCovariance::new(lambda)?.lambda, ..Self::default() })
    }

    /// Takes the next pair; both must be finite. Weighted means and centred sums by West's (1979) recurrence.
    pub fn push(&mut self, x: f64, y: f64) {
        self.weight *= self.lambda;
        self.xx *= self.lambda;
        self.yy *= self.lambda;
        self.xy *= self.lambda;
        let before = self.weight;
        self.weight += 1.0;
        let (dx, dy) = (x - self.mean_x, y - self.mean_y);
        self.mean_x += dx / self.weight;
        self.mean_y += dy / self.weight;
        let share = before / self.weight;
        self.xx += share * dx * dx;
        self.yy += share * dy * dy;
        self.xy += share * dx * dy;
    }

    /// The correlation; `None` where one has not moved.
    #[must_use]
    pub fn correlation(&self) -> Option<f64> {
        let scale = self.xx.sqrt() * self.yy.sqrt();
        (scale > 0.0 && scale.is_finite()).then(|| (self.xy / scale).clamp(-1.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recursion_by_hand() {
        let mut ewma = EwmaCovariance::new(0.5).unwrap();
        assert_eq!((ewma.covariance(), ewma.correlation()), (None, None));
        ewma.push(1.0, 2.0);
        ewma.push(2.0, -2.0);
        assert_eq!(ewma.covariance(), Some(0.5 * 2.0 - 0.5 * 4.0));
        assert_eq!(ewma.variances(), Some((2.5, 4.0)));
        assert!(EwmaCovariance::new(1.0).is_err() && EwmaCovariance::new(f64::NAN).is_err());
    }

    #[test]
    fn equal_weights_are_the_plain_correlation() {
        let (xs, ys) = ([1.0, 4.0, 2.0, 8.0], [2.0, 3.0, 5.0, 4.0]);
        // A weight of nearly one forgets nothing.
        let mut ewma = EwmaCentred::new(1.0 - f64::EPSILON).unwrap();
        xs.iter().zip(&ys).for_each(|(x, y)| ewma.push(*x, *y));
        let plain = super::super::pearson(&xs, &ys).unwrap();
        assert!((ewma.correlation().unwrap() - plain).abs() < 1e-13);
    }
}
