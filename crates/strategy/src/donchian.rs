//! Donchian breakout: long when the close leaves the channel of the bars before upwards, flat when it leaves the shorter one downwards.
//!
//! Source: the channel rule of R. Donchian, in the form of the "turtle" system (entry 20, exit 10).

use crate::rule::{Rule, Stance};
use domain::codec::Stored;
use quant::indicator::{Bands, Bar, Donchian, Indicator};
use quant::state::{Reader, StateError};

/// The rule.
#[derive(Clone, Debug)]
pub struct Breakout {
    entry: Donchian,
    exit: Donchian,
    channels: Option<(Bands, Bands)>,
}

impl Breakout {
    /// From its two channels.
    #[must_use]
    pub const fn new(entry: Donchian, exit: Donchian) -> Self {
        Self { entry, exit, channels: None }
    }
}

impl Rule for Breakout {
    const NAME: &'static str = "donchian";
    const VERSION: u32 = 1;
    const NEEDS_RANGE: bool = true;

    fn update(&mut self, bar: &Bar) -> Stance {
        // The close is held against the channels of the bars before it: its own bar would always contain it.
        let stance = match self.channels {
            Some((entry, _)) if bar.close > entry.upper => Stance::Up,
            Some((_, exit)) if bar.close < exit.lower => Stance::Down,
            _ => Stance::Keep,
        };
        let (entry, exit) = (self.entry.update(*bar), self.exit.update(*bar));
        self.channels = entry.zip(exit);
        stance
    }

    fn parameters(&self, out: &mut Vec<u8>) {
        (self.entry.lookback(), self.exit.lookback()).put(out);
    }

    fn save(&self, out: &mut Vec<u8>) {
        self.entry.save(out);
        self.exit.save(out);
        let nothing = Bands { upper: f64::NAN, middle: f64::NAN, lower: f64::NAN };
        let (entry, exit) = self.channels.unwrap_or((nothing, nothing));
        for value in [entry.upper, entry.middle, entry.lower, exit.upper, exit.middle, exit.lower] {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.entry.load(from)?;
        self.exit.load(from)?;
        let mut bands = || Ok(Bands { upper: from.f64()?, middle: from.f64()?, lower: from.f64()? });
        let (entry, exit): (Bands, Bands) = (bands()?, bands()?);
        self.channels = (!entry.upper.is_nan() && !exit.upper.is_nan()).then_some((entry, exit));
        Ok(())
    }

    fn inspect(&self, each: &mut dyn FnMut(&'static str, f64)) {
        if let Some((entry, exit)) = self.channels {
            each("entry_upper", entry.upper);
            each("exit_lower", exit.lower);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(high: f64, low: f64, close: f64) -> Bar {
        Bar { open: close, high, low, close, volume: 1.0 }
    }

    #[test]
    fn a_breakout_is_held_against_the_bars_before() {
        use Stance::{Down, Keep, Up};
        let mut rule = Breakout::new(Donchian::new(3).unwrap(), Donchian::new(2).unwrap());
        let bars = [
            bar(10.0, 8.0, 9.0),
            bar(11.0, 9.0, 10.0),
            bar(10.0, 9.0, 9.5),
            bar(11.0, 9.0, 11.0),
            bar(12.0, 10.0, 11.5),
            bar(11.0, 8.0, 8.5),
        ];
        let stances: Vec<Stance> = bars.iter().map(|b| rule.update(b)).collect();
        // Bar 3 closes at the channel's edge (11), which is no break; bar 4 closes above it; bar 5 closes below the low of two bars.
        assert_eq!(stances, [Keep, Keep, Keep, Keep, Up, Down]);
    }

    #[test]
    fn a_saved_rule_goes_on_where_it_was() {
        let bars: Vec<Bar> = (0..50u32)
            .map(|n| {
                let c = f64::from(n * n % 23);
                bar(c + 1.0, c - 1.0, c)
            })
            .collect();
        let fresh = || Breakout::new(Donchian::new(5).unwrap(), Donchian::new(3).unwrap());
        let (mut whole, mut first, mut second) = (fresh(), fresh(), fresh());
        let expected: Vec<Stance> = bars.iter().map(|b| whole.update(b)).collect();
        bars[..20].iter().for_each(|b| {
            first.update(b);
        });
        let mut bytes = Vec::new();
        first.save(&mut bytes);
        second.load(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(bars[20..].iter().map(|b| second.update(b)).collect::<Vec<_>>(), expected[20..]);
    }
}
