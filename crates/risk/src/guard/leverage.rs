//! Leverage: what the present market allows, and how much must go where there is more.
//!
//! In:  gross exposure, equity, margin; volatility and regime where they are configured.
//! Out: the cap that the gate holds entries against; the share of every position that must be closed.
//!
//! ```text
//! cap      = min(leverage_max * min(1, reference / volatility), cap of the regime, crisis cap from a black swan on)
//! leverage = gross exposure / equity
//! above cap * (1 + band): every position is reduced so that leverage = cap * (1 - band)
//! ```
//!
//! The share that goes grows with what is too much, so that a large excess (an emergency) is cut in one step like a small one. The same rule
//! prevents a margin call: where initial margin is above the margin balance, positions are reduced until it fits.
//! An input that is not configured changes nothing; one that is configured and unknown denies new risk, and makes nobody close anything.

use super::black_swan::Level;
use super::config::GuardConfig;
use domain::codec::{CodecError, Reader, Stored};
use domain::{Digest, Money, Rate, stored_enum};

/// An input that may not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Input<T> {
    /// Nobody computes it in this run: it changes nothing.
    #[default]
    NotConfigured,
    /// It is configured, and missing, stale or not a number: no new risk.
    Unknown,
    /// Its value.
    Known(T),
}

/// What kind of market it is, as far as leverage depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Regime {
    /// Nothing special.
    Normal,
    /// Large moves both ways.
    Volatile,
    /// A crisis.
    Crisis,
}

/// What the cap depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Inputs {
    /// Standard deviation of daily returns.
    pub volatility: Input<f64>,
    pub regime: Input<Regime>,
}

impl Inputs {
    /// Volatility as given, or unknown where it is no positive number.
    pub(super) fn set_volatility(&mut self, volatility: Input<f64>) {
        self.volatility = match volatility {
            Input::Known(v) if !(v.is_finite() && v > 0.0) => Input::Unknown,
            given => given,
        };
    }

    /// Largest gross exposure over equity now. `None` where an input is unknown.
    pub(super) fn cap(&self, swan: Level, config: &GuardConfig) -> Option<Rate> {
        let mut cap = config.leverage_max;
        match self.volatility {
            Input::NotConfigured => {}
            Input::Unknown => return None,
            Input::Known(volatility) => {
                let factor = config.volatility_reference.to_f64() / volatility;
                if factor < 1.0 {
                    // A factor below one of a rate is a rate; towards zero is the stricter side.
                    cap = Rate::from_raw((cap.raw() as f64 * factor) as i64);
                }
            }
        }
        match self.regime {
            Input::NotConfigured | Input::Known(Regime::Normal) => {}
            Input::Unknown => return None,
            Input::Known(Regime::Volatile) => cap = cap.min(config.leverage_volatile),
            Input::Known(Regime::Crisis) => cap = cap.min(config.leverage_crisis),
        }
        if swan >= Level::Halve {
            cap = cap.min(config.leverage_crisis);
        }
        Some(cap)
    }

    /// The cap that positions are reduced to: what is unknown makes nobody close anything, so the largest takes its place.
    pub(super) fn cap_held(&self, swan: Level, config: &GuardConfig) -> Rate {
        let known = Self {
            volatility: if self.volatility == Input::Unknown { Input::NotConfigured } else { self.volatility },
            regime: if self.regime == Input::Unknown { Input::NotConfigured } else { self.regime },
        };
        known.cap(swan, config).unwrap_or(config.leverage_max)
    }

    pub(super) fn digest(&self, d: &mut Digest) {
        match self.volatility {
            Input::NotConfigured => d.word(0),
            Input::Unknown => d.word(1),
            Input::Known(v) => {
                d.word(2);
                d.float(v);
            }
        }
        d.word(match self.regime {
            Input::NotConfigured => 0,
            Input::Unknown => 1,
            Input::Known(regime) => 2 + regime as u64,
        });
    }
}

/// The share of every position that must go so that `amount` is `bound * (1 - band)`; zero while it is at most `bound * (1 + band)`.
/// `None` where the bound is not positive: then nothing can be said.
pub(super) fn excess(amount: f64, bound: f64, band: Rate) -> Option<Rate> {
    if !(amount.is_finite() && bound.is_finite() && bound > 0.0) {
        return None;
    }
    let band = band.to_f64();
    if amount <= bound * (1.0 + band) {
        return Some(Rate::ZERO);
    }
    let keep = (bound * (1.0 - band) / amount).clamp(0.0, 1.0);
    let raw = ((1.0 - keep) * Rate::ONE.raw() as f64) as i64 + 1;
    Some(Rate::from_raw(raw.clamp(0, Rate::ONE.raw())))
}

/// `gross / equity` as a double. `None` where equity is not positive.
pub(super) fn leverage(gross: Money, equity: Money) -> Option<f64> {
    (equity > Money::ZERO).then(|| gross.to_f64() / equity.to_f64())
}

stored_enum!(Regime, "a regime" { 0 => Normal, 1 => Volatile, 2 => Crisis });

impl<T: Stored> Stored for Input<T> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::NotConfigured => out.push(0),
            Self::Unknown => out.push(1),
            Self::Known(value) => {
                out.push(2);
                value.put(out);
            }
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        match from.u8()? {
            0 => Ok(Self::NotConfigured),
            1 => Ok(Self::Unknown),
            2 => Ok(Self::Known(T::take(from)?)),
            _ => Err(CodecError::Invalid { what: "an input" }),
        }
    }
}
domain::stored_struct!(Inputs { volatility, regime });

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cap(volatility: Input<f64>, regime: Input<Regime>, swan: Level) -> Option<f64> {
        let mut inputs = Inputs { regime, ..Inputs::default() };
        inputs.set_volatility(volatility);
        inputs.cap(swan, &GuardConfig::default()).map(Rate::to_f64)
    }

    #[test]
    fn bad_markets_allow_less() {
        use Input::{Known, NotConfigured};
        let none: Input<Regime> = NotConfigured;
        assert_eq!(cap(NotConfigured, none, Level::Calm), Some(3.0));
        assert_eq!(cap(Known(0.02), none, Level::Calm), Some(3.0), "calm is not rewarded");
        testkit::assert_close(cap(Known(0.08), none, Level::Calm).unwrap(), 1.5, 0.0, 1e-12);
        assert_eq!(cap(NotConfigured, Known(Regime::Volatile), Level::Calm), Some(2.0));
        assert_eq!(cap(NotConfigured, Known(Regime::Crisis), Level::Calm), Some(1.0));
        assert_eq!(cap(NotConfigured, none, Level::Halve), Some(1.0));
        testkit::assert_close(cap(Known(0.16), Known(Regime::Crisis), Level::Close).unwrap(), 0.75, 0.0, 1e-12);
    }

    #[test]
    fn what_is_unknown_denies_and_closes_nothing() {
        let config = GuardConfig::default();
        for bad in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            assert_eq!(cap(Input::Known(bad), Input::NotConfigured, Level::Calm), None, "{bad}");
        }
        assert_eq!(cap(Input::NotConfigured, Input::Unknown, Level::Calm), None);
        let unknown = Inputs { volatility: Input::Unknown, regime: Input::Unknown };
        assert_eq!(unknown.cap_held(Level::Calm, &config), config.leverage_max);
    }

    #[test]
    fn what_is_too_much_goes_at_once() {
        let band = Rate::from_bps(500);
        assert_eq!(excess(3.15, 3.0, band), Some(Rate::ZERO), "within the band");
        testkit::assert_close(excess(4.0, 3.0, band).unwrap().to_f64(), 1.0 - 2.85 / 4.0, 0.0, 1e-11);
        testkit::assert_close(excess(9.0, 1.0, band).unwrap().to_f64(), 1.0 - 0.95 / 9.0, 0.0, 1e-11);
        for (amount, bound) in [(f64::NAN, 3.0), (4.0, 0.0), (4.0, -1.0), (f64::INFINITY, 3.0)] {
            assert_eq!(excess(amount, bound, band), None);
        }
    }

    proptest! {
        #[test]
        fn more_is_never_reduced_by_less(a in 0.0f64..50.0, more in 0.0f64..50.0, bound in 0.1f64..5.0) {
            let band = Rate::from_bps(500);
            let (less, more) = (excess(a, bound, band).unwrap(), excess(a + more, bound, band).unwrap());
            prop_assert!(more >= less && more <= Rate::ONE);
        }

        #[test]
        fn after_the_cut_it_fits(amount in 3.2f64..100.0) {
            let cut = excess(amount, 3.0, Rate::from_bps(500)).unwrap();
            let left = amount * (1.0 - cut.to_f64());
            prop_assert!(left <= 2.85 + 1e-9 && left > 2.84);
        }
    }
}
