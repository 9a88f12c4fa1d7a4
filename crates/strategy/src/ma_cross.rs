//! Moving-average cross: long while the fast average is above the slow one.
//!
//! `enter=cross` acts on the bar in which the averages cross (both must be defined on the bar before) and then waits for the next cross;
//! `enter=level` acts whenever the averages stand that way and nothing is held.

use crate::rule::{Rule, Stance};
use domain::codec::Stored;
use quant::indicator::{Bar, Ema, Indicator, Sma};
use quant::state::{Reader, StateError};

/// When the averages are acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enter {
    /// On the bar of the cross.
    Cross,
    /// On any bar on which they stand that way.
    Level,
}

/// A moving average that this strategy can be made of.
pub trait Average: Indicator<Input = f64, Output = f64> + Send {
    /// The strategy's name with it.
    const STRATEGY: &'static str;
}

impl Average for Sma {
    const STRATEGY: &'static str = "sma-cross";
}

impl Average for Ema {
    const STRATEGY: &'static str = "ema-cross";
}

/// The rule.
#[derive(Clone, Debug)]
pub struct MaCross<A> {
    fast: A,
    slow: A,
    enter: Enter,
    last: Option<(f64, f64)>,
}

impl<A: Average> MaCross<A> {
    /// From its two averages.
    #[must_use]
    pub const fn new(fast: A, slow: A, enter: Enter) -> Self {
        Self { fast, slow, enter, last: None }
    }
}

impl<A: Average> Rule for MaCross<A> {
    const NAME: &'static str = A::STRATEGY;
    const VERSION: u32 = 1;
    const NEEDS_RANGE: bool = false;

    #[inline]
    fn update(&mut self, bar: &Bar) -> Stance {
        let (fast, slow) = (self.fast.update(bar.close), self.slow.update(bar.close));
        let (Some(fast), Some(slow)) = (fast, slow) else { return Stance::Keep };
        let before = self.last.replace((fast, slow));
        match self.enter {
            Enter::Level => {
                if fast > slow {
                    Stance::Up
                } else {
                    Stance::Down
                }
            }
            Enter::Cross => match before {
                Some((f, s)) if f < s && fast > slow => Stance::Up,
                Some((f, s)) if f > s && fast < slow => Stance::Down,
                _ => Stance::Keep,
            },
        }
    }

    fn parameters(&self, out: &mut Vec<u8>) {
        // The averages compare their own parameters when they are loaded.
        (self.fast.lookback(), self.slow.lookback(), self.enter == Enter::Level).put(out);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.fast.save(out);
        self.slow.save(out);
        let (fast, slow) = self.last.unwrap_or((f64::NAN, f64::NAN));
        out.extend_from_slice(&fast.to_le_bytes());
        out.extend_from_slice(&slow.to_le_bytes());
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.fast.load(from)?;
        self.slow.load(from)?;
        let (fast, slow) = (from.f64()?, from.f64()?);
        self.last = (!fast.is_nan() && !slow.is_nan()).then_some((fast, slow));
        Ok(())
    }

    fn inspect(&self, each: &mut dyn FnMut(&'static str, f64)) {
        if let Some((fast, slow)) = self.last {
            each("fast", fast);
            each("slow", slow);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(enter: Enter, closes: &[f64]) -> Vec<Stance> {
        let mut rule = MaCross::new(Sma::new(1).unwrap(), Sma::new(3).unwrap(), enter);
        closes.iter().map(|&close| rule.update(&Bar { close, ..Bar::default() })).collect()
    }

    #[test]
    fn a_cross_is_one_bar_and_a_level_is_all_of_them() {
        use Stance::{Down, Keep, Up};
        let closes = [3.0, 2.0, 1.0, 3.0, 4.0, 1.0];
        assert_eq!(run(Enter::Cross, &closes), [Keep, Keep, Keep, Up, Keep, Down]);
        assert_eq!(run(Enter::Level, &closes), [Keep, Keep, Down, Up, Up, Down]);
    }

    #[test]
    fn an_average_that_touches_and_turns_has_not_crossed() {
        use Stance::Keep;
        assert_eq!(run(Enter::Cross, &[2.0, 2.0, 2.0, 2.0, 3.0]), [Keep; 5], "equal before is no cross");
    }

    #[test]
    fn a_saved_rule_goes_on_where_it_was() {
        let closes: Vec<f64> = (0..60).map(|n| f64::from(n * n % 17)).collect();
        let mut whole = MaCross::new(Ema::new(3).unwrap(), Ema::new(9).unwrap(), Enter::Cross);
        let mut first = whole.clone();
        let expected: Vec<Stance> =
            closes.iter().map(|&close| whole.update(&Bar { close, ..Bar::default() })).collect();
        for &close in &closes[..30] {
            first.update(&Bar { close, ..Bar::default() });
        }
        let mut bytes = Vec::new();
        first.save(&mut bytes);
        let mut second = MaCross::new(Ema::new(3).unwrap(), Ema::new(9).unwrap(), Enter::Cross);
        second.load(&mut Reader::new(&bytes)).unwrap();
        let rest: Vec<Stance> =
            closes[30..].iter().map(|&close| second.update(&Bar { close, ..Bar::default() })).collect();
        assert_eq!(rest, expected[30..]);
        assert!(second.load(&mut Reader::new(&bytes[..10])).is_err());
    }
}
