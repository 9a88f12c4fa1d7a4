//! Prices by seed: a random walk with jumps and silences, and what is shown at the best prices.

use domain::{Instrument, MarketFlags, Nanos, Quote, UnixNanos};
use testkit::generate::Seeded;

/// The market of one instrument.
#[derive(Clone, Debug)]
pub struct Market {
    rules: Instrument,
    random: Seeded,
    middle: i64,
    /// When its next quote comes.
    pub next: UnixNanos,
    thin: bool,
}

impl Market {
    /// One that begins at a price.
    #[must_use]
    pub fn new(rules: Instrument, seed: u64, middle: i64, from: UnixNanos) -> Self {
        let mut random = Seeded::new(seed);
        let thin = random.chance(50);
        let next = UnixNanos(from.0 + random.within(0, 5_000_000_000).unsigned_abs());
        Self { rules, random, middle, next, thin }
    }

    /// Its rules.
    #[must_use]
    pub const fn rules(&self) -> &Instrument {
        &self.rules
    }

    /// The quote that is due, stamped by the venue's clock.
    pub fn quote(&mut self) -> Quote {
        let r = &mut self.random;
        let now = self.next;
        let scale = match r.within(0, 199) {
            // A jump, and rarely one that no one believes at once.
            0 => 300,
            1..=4 => 60,
            _ => 8,
        };
        let reach = (self.middle / 10_000 * scale).max(2);
        self.middle = (self.middle + r.within(-reach, reach)).clamp(2_000, 100_000_000);
        let spread = (self.middle / 10_000 * r.within(0, 3)).max(1);
        let wait = match r.within(0, 99) {
            // A silence.
            0 => r.within(60_000_000_000, 300_000_000_000),
            // Several in a row.
            1..=30 => r.within(50_000_000, 3_000_000_000),
            _ => r.within(4_000_000_000, 40_000_000_000),
        };
        self.next = now.saturating_add(Nanos(wait.unsigned_abs()));
        let shown = |r: &mut Seeded| {
            let value = if self.thin && r.chance(50) { r.within(5, 2_000) } else { r.within(500, 100_000) };
            // In quote, as a quantity at that price; whole lots.
            let units = i128::from(value)
                * i128::from(10_i64.pow(u32::from(self.rules.price_decimals)))
                * i128::from(10_i64.pow(u32::from(self.rules.quantity_decimals)))
                / i128::from(self.middle);
            i64::try_from(units).unwrap_or(i64::MAX).max(1)
        };
        let (bid_quantity, ask_quantity) = (shown(&mut self.random), shown(&mut self.random));
        Quote {
            ts_event: now,
            ts_recv: now,
            bid: self.middle - spread,
            bid_quantity,
            ask: self.middle + spread,
            ask_quantity,
            instrument: self.rules.idx,
            flags: MarketFlags::default(),
        }
    }
}
