//! The first gate: a signal becomes [`Validated`], or is refused.
//!
//! For now it holds the signal's own numbers to their ranges. The statistical tests join it when a strategy's ledger can feed them; until
//! then a signal without statistics passes as such, and the record says so.

use crate::deny_reason::{DenyReason, Refusal};
use domain::{Entry, Intent, Nanos, Price, Quantity, Rate, Signal, SizeRequest, StopLevel, StopPlan};

/// A signal that passed validation. Only this module builds one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validated {
    signal: Signal,
}

impl Validated {
    /// The signal.
    #[must_use]
    pub const fn signal(&self) -> &Signal {
        &self.signal
    }

    /// Whether it passed without statistics of the strategy's past.
    #[must_use]
    pub const fn without_statistics(&self) -> bool {
        self.signal.statistics.is_none()
    }
}

/// Holds a signal's numbers to their ranges.
///
/// # Errors
/// [`DenyReason::SignalInvalid`] where a number is NaN or infinite, the confidence is not in 0..=1, a size, price or distance is not
/// positive, or the size does not belong to the intent.
pub fn validate(signal: &Signal) -> Result<Validated, Refusal> {
    let invalid = |value: f64, limit: f64| Err(Refusal::over(DenyReason::SignalInvalid, value, limit));
    if !(0.0..=1.0).contains(&signal.confidence) {
        return invalid(signal.confidence, 1.0);
    }
    if let Some(s) = &signal.statistics {
        let numbers = [s.win_probability, s.mean_win, s.mean_loss, s.fees, s.slippage];
        if let Some(bad) = numbers.iter().find(|n| !n.is_finite()) {
            return invalid(*bad, f64::MAX);
        }
        if !(0.0..=1.0).contains(&s.win_probability) {
            return invalid(s.win_probability, 1.0);
        }
    }
    let sized_for_entry = match signal.size {
        SizeRequest::Base(quantity) if quantity <= Quantity::ZERO => return invalid(quantity.to_f64(), 0.0),
        SizeRequest::EquityFraction(rate) if rate <= Rate::ZERO => return invalid(rate.to_f64(), 0.0),
        SizeRequest::AllIn | SizeRequest::EquityFraction(_) | SizeRequest::Base(_) | SizeRequest::Cap => true,
        SizeRequest::Position => false,
    };
    if sized_for_entry != (signal.intent != Intent::Exit) {
        return Err(Refusal::because(DenyReason::SignalInvalid));
    }
    let prices = [
        match signal.entry {
            Entry::Market => None,
            Entry::Limit(price) | Entry::Stop(price) => Some(price),
        },
        match signal.stop.map(StopPlan::level) {
            None | Some(StopLevel::Fraction(_) | StopLevel::TrailFraction(_)) => None,
            Some(StopLevel::Price(price) | StopLevel::Distance(price) | StopLevel::Trail(price)) => Some(price),
        },
        signal.target,
    ];
    if let Some(bad) = prices.into_iter().flatten().find(|p| *p <= Price::ZERO) {
        return invalid(bad.to_f64(), 0.0);
    }
    if let Some(StopLevel::Fraction(fraction) | StopLevel::TrailFraction(fraction)) = signal.stop.map(StopPlan::level)
        && !(fraction > Rate::ZERO && fraction < Rate::ONE)
    {
        return invalid(fraction.to_f64(), 1.0);
    }
    if signal.stop.and_then(StopPlan::hold_max) == Some(Nanos(0)) {
        return invalid(0.0, 0.0);
    }
    Ok(Validated { signal: *signal })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AccountId, InstrumentIdx, SignalStatistics, StrategyIdx};

    fn good() -> Signal {
        Signal {
            intent: Intent::EnterLong,
            size: SizeRequest::Cap,
            entry: Entry::Market,
            stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
            target: None,
            confidence: 0.5,
            statistics: None,
            reference: 100,
            tag: 0,
            account: AccountId(0),
            instrument: InstrumentIdx(0),
            strategy: StrategyIdx(0),
        }
    }

    #[test]
    fn a_sound_signal_passes_and_says_that_it_has_no_statistics() {
        assert!(validate(&good()).unwrap().without_statistics());
        let exit = Signal { intent: Intent::Exit, size: SizeRequest::Position, stop: None, ..good() };
        assert_eq!(*validate(&exit).unwrap().signal(), exit);
    }

    #[test]
    fn numbers_out_of_range_are_refused_with_their_value() {
        let statistics = SignalStatistics {
            win_probability: 0.6,
            mean_win: f64::NAN,
            mean_loss: 0.01,
            fees: 0.002,
            slippage: 0.0,
            holding_period: Nanos::from_secs(60),
            samples: 30,
        };
        let bad = [
            Signal { confidence: f64::NAN, ..good() },
            Signal { confidence: 1.1, ..good() },
            Signal { confidence: -0.1, ..good() },
            Signal { statistics: Some(statistics), ..good() },
            Signal {
                statistics: Some(SignalStatistics { mean_win: 0.0, win_probability: 2.0, ..statistics }),
                ..good()
            },
            Signal { size: SizeRequest::Base(Quantity::ZERO), ..good() },
            Signal { size: SizeRequest::EquityFraction(Rate::ZERO), ..good() },
            Signal { size: SizeRequest::Position, ..good() },
            Signal { intent: Intent::Exit, ..good() },
            Signal { entry: Entry::Limit(Price::ZERO), ..good() },
            Signal { entry: Entry::Stop(Price::ZERO), ..good() },
            Signal { stop: Some(StopPlan::Distance(Price::from_raw(-1))), ..good() },
            Signal { stop: Some(StopPlan::Fraction(Rate::ONE)), ..good() },
            Signal { stop: Some(StopPlan::Trail(Price::ZERO)), ..good() },
            Signal { stop: Some(StopPlan::TrailFraction(Rate::ONE)), ..good() },
            Signal {
                stop: Some(StopPlan::Timed { level: StopLevel::Fraction(Rate::from_bps(100)), hold_max: Nanos(0) }),
                ..good()
            },
            Signal {
                stop: Some(StopPlan::Timed { level: StopLevel::Distance(Price::ZERO), hold_max: Nanos(1) }),
                ..good()
            },
            Signal { target: Some(Price::ZERO), ..good() },
        ];
        for signal in bad {
            assert_eq!(validate(&signal).unwrap_err().reason, DenyReason::SignalInvalid, "{signal:?}");
        }
    }
}
