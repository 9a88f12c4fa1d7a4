//! Ehlers' adaptive moving average, whose speed follows the phase of the dominant cycle.
//!
//! The cycle is measured with a Hilbert transform of the smoothed price. What else rests on that transform (dominant
//! period, phasor, sine wave) is left out.

use super::{Indicator, Output};
use crate::error::ParameterError;
use crate::state::state;

/// Updates before the price is smoothed and the transform begins.
const SMOOTHING: usize = 12;
/// Updates before the first answer.
const LOOKBACK: usize = 32;
/// Bounds of the measured period, in bars.
const PERIOD_BARS_MIN: f64 = 6.0;
const PERIOD_BARS_MAX: f64 = 50.0;
const DEGREES: f64 = 180.0 / std::f64::consts::PI;

/// The adaptive average and its slower companion.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MamaFama {
    /// MESA adaptive moving average.
    pub mama: f64,
    /// Following adaptive moving average: half the speed.
    pub fama: f64,
}

impl Output for MamaFama {
    const COUNT: usize = 2;
    fn for_each(self, each: &mut dyn FnMut(f64)) {
        each(self.mama);
        each(self.fama);
    }
}

/// The last seven values of one signal, newest first, and their Hilbert transform.
#[derive(Clone, Debug, Default)]
struct Line {
    values: [f64; 7],
}
state!(Line, 1, fixed [], moving [values]);

impl Line {
    /// Takes the next value and answers `0.0962 (x[t] - x[t-6]) + 0.5769 (x[t-2] - x[t-4])`.
    ///
    /// The order of the four terms makes the answer exactly 0 on a constant signal.
    #[inline]
    fn hilbert(&mut self, x: f64) -> f64 {
        self.values.copy_within(0..6, 1);
        self.values[0] = x;
        let [x0, _, x2, _, x4, _, x6] = self.values;
        0.0962 * x0 - 0.0962 * x6 - 0.5769 * x4 + 0.5769 * x2
    }
}

/// MESA adaptive moving average.
///
/// Each bar: `smooth = (4 x[t] + 3 x[t-1] + 2 x[t-2] + x[t-3]) / 10`; with `H` the four-term Hilbert transform times
/// `0.075 period + 0.54`: `detrender = H(smooth)`, `q1 = H(detrender)`, `i1 = detrender[t-3]`; `phase = atan(q1 / i1)` in
/// degrees; `alpha = fast / max(phase[t-1] - phase[t], 1)`, at least `slow`; `mama += alpha (x - mama)`,
/// `fama += alpha / 2 (mama - fama)`. The period comes from the homodyne discriminator of the phasor
/// `(i1 - H(q1), q1 + H(i1))`, bounded to 0.67..1.5 times the previous one and to 6..50 bars, smoothed by 0.2.
/// Lookback 32, of which the first 12 bars only fill the smoother. Both lines begin at 0, as in TA-Lib.
///
/// Source: Ehlers (2001), "MESA Adaptive Moving Averages", Technical Analysis of Stocks & Commodities 19(9).
#[derive(Clone, Debug)]
pub struct Mama {
    fast: f64,
    slow: f64,
    seen: usize,
    prices: [f64; 4],
    smooth: Line,
    detrender: Line,
    in_phase: Line,
    quadrature: Line,
    phasor: [f64; 2],
    product: [f64; 2],
    period: f64,
    phase: f64,
    mama: f64,
    fama: f64,
}
state!(
    Mama, 1,
    fixed [fast, slow],
    moving [seen, prices, smooth, detrender, in_phase, quadrature, phasor, product, period, phase, mama, fama],
    valid |m| m.seen <= LOOKBACK + 1
);

impl Mama {
    /// `fast` and `slow` bound the smoothing constant.
    ///
    /// # Errors
    /// [`ParameterError`] unless both lie in 0.01 to 0.99.
    pub fn new(fast: f64, slow: f64) -> Result<Self, ParameterError> {
        let fast = ParameterError::check_number("fastlimit", fast, 0.01, 0.99)?;
        let slow = ParameterError::check_number("slowlimit", slow, 0.01, 0.99)?;
        Ok(Self {
            fast,
            slow,
            seen: 0,
            prices: [0.0; 4],
            smooth: Line::default(),
            detrender: Line::default(),
            in_phase: Line::default(),
            quadrature: Line::default(),
            phasor: [0.0; 2],
            product: [0.0; 2],
            period: 0.0,
            phase: 0.0,
            mama: 0.0,
            fama: 0.0,
        })
    }

    /// The smoothing constant of this bar, from the change of phase; also measures the period for the next bar.
    fn alpha(&mut self) -> f64 {
        let [x0, x1, x2, x3] = self.prices;
        let smoothed = (4.0 * x0 + 3.0 * x1 + 2.0 * x2 + x3) * 0.1;
        let gain = 0.075 * self.period + 0.54;
        let detrended = self.smooth.hilbert(smoothed) * gain;
        let q1 = self.detrender.hilbert(detrended) * gain;
        let [_, _, _, i1, ..] = self.detrender.values;
        let ahead_i = self.in_phase.hilbert(i1) * gain;
        let ahead_q = self.quadrature.hilbert(q1) * gain;
        self.measure_period(0.2 * (i1 - ahead_q), 0.2 * (q1 + ahead_i));

        let phase = if i1 == 0.0 { 0.0 } else { libm::atan(q1 / i1) * DEGREES };
        let turned = self.phase - phase;
        self.phase = phase;
        if turned <= 1.0 {
            return self.fast;
        }
        let alpha = self.fast / turned;
        if alpha < self.slow { self.slow } else { alpha }
    }

    /// Homodyne discriminator: the phasor times the conjugate of the previous one turns by one bar's phase.
    fn measure_period(&mut self, in_phase: f64, quadrature: f64) {
        let [before_i, before_q] = self.phasor;
        let (i2, q2) = (in_phase + 0.8 * before_i, quadrature + 0.8 * before_q);
        self.phasor = [i2, q2];
        let re = 0.2 * (i2 * before_i + q2 * before_q) + 0.8 * self.product[0];
        let im = 0.2 * (i2 * before_q - q2 * before_i) + 0.8 * self.product[1];
        self.product = [re, im];

        let before = self.period;
        let mut period = before;
        if im != 0.0 && re != 0.0 {
            period = 360.0 / (libm::atan(im / re) * DEGREES);
        }
        if period > 1.5 * before {
            period = 1.5 * before;
        }
        if period < 0.67 * before {
            period = 0.67 * before;
        }
        period = period.clamp(PERIOD_BARS_MIN, PERIOD_BARS_MAX);
        self.period = 0.2 * period + 0.8 * before;
    }
}

impl Indicator for Mama {
    type Input = f64;
    type Output = MamaFama;
    fn lookback(&self) -> usize {
        LOOKBACK
    }
    fn update(&mut self, x: f64) -> Option<MamaFama> {
        self.prices.copy_within(0..3, 1);
        self.prices[0] = x;
        // Counted only as far as it matters, so that no length of a run can overflow it.
        self.seen = (self.seen + 1).min(LOOKBACK + 1);
        if self.seen <= SMOOTHING {
            return None;
        }
        let alpha = self.alpha();
        self.mama = alpha * x + (1.0 - alpha) * self.mama;
        let half = alpha * 0.5;
        self.fama = half * self.mama + (1.0 - half) * self.fama;
        (self.seen > LOOKBACK).then_some(MamaFama { mama: self.mama, fama: self.fama })
    }
    fn reset(&mut self) {
        if let Ok(fresh) = Self::new(self.fast, self.slow) {
            *self = fresh;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_of_a_constant_is_zero() {
        let mut line = Line::default();
        (0..7).for_each(|_| {
            line.hilbert(0.1);
        });
        assert_eq!(line.hilbert(0.1), 0.0);
    }

    #[test]
    fn a_sine_is_followed_and_the_companion_lags() {
        let mut mama = Mama::new(0.5, 0.05).unwrap();
        let price = |t: i32| 100.0 + 10.0 * libm::sin(f64::from(t) * std::f64::consts::TAU / 20.0);
        let answers: Vec<_> = (0..400).map(|t| mama.update(price(t))).collect();
        assert!(answers[31].is_none() && answers[32].is_some());
        // The measured period is that of the sine.
        assert!((mama.period - 20.0).abs() < 1.0, "period {}", mama.period);
    }
}
