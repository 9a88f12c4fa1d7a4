//! Buy on one bar and hold: for comparisons.

use crate::rule::{Rule, Stance};
use domain::codec::Stored;
use quant::indicator::Bar;
use quant::state::{Reader, StateError};

/// The rule: the signal comes at the close of bar `enter_bar` (counted from 0), and never again.
#[derive(Clone, Debug)]
pub struct BuyAndHold {
    enter_bar: u64,
    seen: u64,
}

impl BuyAndHold {
    /// Entering on a bar.
    #[must_use]
    pub const fn new(enter_bar: u64) -> Self {
        Self { enter_bar, seen: 0 }
    }
}

impl Rule for BuyAndHold {
    const NAME: &'static str = "buy-and-hold";
    const VERSION: u32 = 1;
    const NEEDS_RANGE: bool = false;

    fn update(&mut self, _: &Bar) -> Stance {
        let now = self.seen == self.enter_bar;
        self.seen += 1;
        if now { Stance::Up } else { Stance::Keep }
    }

    fn parameters(&self, out: &mut Vec<u8>) {
        self.enter_bar.put(out);
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seen.to_le_bytes());
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.seen = from.u64()?;
        Ok(())
    }

    fn inspect(&self, _: &mut dyn FnMut(&'static str, f64)) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_buys_once() {
        let mut rule = BuyAndHold::new(2);
        let stances: Vec<Stance> = (0..5).map(|_| rule.update(&Bar::default())).collect();
        assert_eq!(stances, [Stance::Keep, Stance::Keep, Stance::Up, Stance::Keep, Stance::Keep]);
    }
}
