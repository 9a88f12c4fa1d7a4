//! The account's positions as signed exposures, and where their stops are.
//!
//! In:  the ledger, marks, the stop levels that the desk tells.
//! Out: exposures by instrument, and their sums: gross, net, long, short, heat. Amounts are in report currency, as doubles: they are
//! statistics here, and no limit on money rests on them alone.

use super::Unknown;
use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountId, Digest, Digestible, InstrumentIdx, InstrumentTable, MarketView, Price, Rounding, StrategyIdx,
    stored_struct,
};
use portfolio::Portfolio;

/// A position's exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Line {
    /// In which instrument.
    pub instrument: InstrumentIdx,
    /// Quantity x mark, negative where short.
    pub exposure: f64,
}

/// All positions of an account.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// By instrument, ascending; the sum over strategies, as the venue knows it. None is zero.
    pub lines: Vec<Line>,
    /// Sum of the sizes of the strategies' positions: at least that of the lines.
    pub gross: f64,
    /// Long less short.
    pub net: f64,
    /// Long positions.
    pub long: f64,
    /// Short positions, as a positive amount.
    pub short: f64,
    /// Sum of distance to the stop x size; the whole position where no stop is known.
    pub heat: f64,
}

impl Book {
    /// Reads the positions of an account at their marks. It allocates nothing once it had room for as many.
    ///
    /// # Errors
    /// [`Unknown`] where a position has no price or another currency; then the contents are of no use.
    pub fn read(
        &mut self,
        account: AccountId,
        portfolio: &Portfolio,
        table: &InstrumentTable,
        view: &MarketView,
        stops: &Stops,
    ) -> Result<(), Unknown> {
        self.lines.clear();
        (self.gross, self.net, self.long, self.short, self.heat) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (of, idx, strategy, position) in portfolio.positions() {
            if of != account {
                continue;
            }
            let rules = table.get(idx).ok_or(Unknown::Price(idx))?;
            if rules.quote != portfolio.report_currency() {
                return Err(Unknown::Currency(idx));
            }
            let mark = view.mark(idx).filter(|mark| *mark > 0).ok_or(Unknown::Price(idx))?;
            let size = position.quantity.checked_abs().ok_or(Unknown::Overflow)?;
            let mark = rules.price(mark);
            let amount = rules.notional(mark, size, Rounding::Up).ok_or(Unknown::Overflow)?.to_f64();
            let exposure = if position.is_long() { amount } else { -amount };
            self.gross += amount;
            self.net += exposure;
            *(if position.is_long() { &mut self.long } else { &mut self.short }) += amount;
            self.heat += amount * share_at_stake(mark, stops.get((account, idx, strategy)), position.is_long());
            // Positions come ordered by instrument, so strategies that share one are neighbours.
            match self.lines.last_mut() {
                Some(line) if line.instrument == idx => line.exposure += exposure,
                _ => self.lines.push(Line { instrument: idx, exposure }),
            }
        }
        self.lines.retain(|line| line.exposure != 0.0);
        Ok(())
    }
}

/// The part of a position that is lost where its stop is: the distance from the mark over the mark, from 0 (the stop locks a gain in) to 1
/// (no stop is known). A short position can lose more than it is worth; its stop may be as far away as it is.
#[must_use]
pub fn share_at_stake(mark: Price, stop: Option<Price>, long: bool) -> f64 {
    let Some(stop) = stop.filter(|_| mark > Price::ZERO) else { return 1.0 };
    let (mark, stop) = (mark.to_f64(), stop.to_f64());
    let distance = if long { mark - stop } else { stop - mark };
    (distance / mark).max(0.0)
}

/// Whose position.
pub type Key = (AccountId, InstrumentIdx, StrategyIdx);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Stop {
    account: AccountId,
    instrument: InstrumentIdx,
    strategy: StrategyIdx,
    level: Price,
}
stored_struct!(Stop { account, instrument, strategy, level });

/// Stop levels of positions, told by whoever places them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stops {
    /// Ascending by key.
    levels: Vec<Stop>,
}

impl Stops {
    fn find(&self, key: Key) -> Result<usize, usize> {
        self.levels.binary_search_by(|s| (s.account, s.instrument, s.strategy).cmp(&key))
    }

    /// Where a position's stop is now; `None` where it has none.
    pub fn set(&mut self, key: Key, level: Option<Price>) {
        match (self.find(key), level) {
            (Ok(at), Some(level)) => self.levels[at].level = level,
            (Ok(at), None) => {
                self.levels.remove(at);
            }
            (Err(at), Some(level)) => {
                self.levels.insert(at, Stop { account: key.0, instrument: key.1, strategy: key.2, level });
            }
            (Err(_), None) => {}
        }
    }

    /// The stop of a position, where one is known.
    #[must_use]
    pub fn get(&self, key: Key) -> Option<Price> {
        self.find(key).ok().map(|at| self.levels[at].level)
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        self.levels.put(out);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), CodecError> {
        self.levels = Stored::take(from)?;
        let key = |s: &Stop| (s.account, s.instrument, s.strategy);
        if self.levels.windows(2).all(|pair| key(&pair[0]) < key(&pair[1])) {
            Ok(())
        } else {
            Err(CodecError::Invalid { what: "the stop levels that heat is measured by" })
        }
    }
}

impl Digestible for Stops {
    fn digest(&self, d: &mut Digest) {
        for stop in &self.levels {
            d.word(u64::from(stop.account.0) | u64::from(stop.instrument.0) << 16 | u64::from(stop.strategy.0) << 32);
            d.wide(stop.level.raw());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;
    use crate::stage::{ACCOUNT, Stage};
    use domain::{Side, UnixNanos};

    fn read(stage: &Stage, stops: &Stops) -> Result<Book, Unknown> {
        let mut book = Book::default();
        book.read(ACCOUNT, &stage.portfolio, &stage.table, &stage.view, stops).map(|()| book)
    }

    #[test]
    fn exposures_are_signed_and_heat_falls_with_a_nearer_stop() {
        let mut stage = Stage::new(Profile::standard());
        let (btc, eth) = (stage.perpetual("BTCUSDT"), stage.perpetual("ETHUSDT"));
        stage.mark(btc, 100);
        stage.mark(eth, 50);
        stage.trade(0, btc, Side::Buy, "2", 100);
        stage.trade(1, btc, Side::Buy, "1", 100);
        stage.trade(0, eth, Side::Sell, "4", 50);
        let mut stops = Stops::default();
        let book = read(&stage, &stops).unwrap();
        assert_eq!(book.lines, [Line { instrument: btc, exposure: 300.0 }, Line { instrument: eth, exposure: -200.0 }]);
        assert_eq!((book.gross, book.net, book.long, book.short), (500.0, 100.0, 300.0, 200.0));
        assert_eq!(book.heat, 500.0, "no stop is known: all of it");
        stops.set((ACCOUNT, btc, StrategyIdx(0)), Some(testkit::price("95")));
        stops.set((ACCOUNT, btc, StrategyIdx(1)), Some(testkit::price("101")));
        stops.set((ACCOUNT, eth, StrategyIdx(0)), Some(testkit::price("51")));
        // 200 x 5 % and 200 x 2 %; the stop above the mark locks a gain in.
        testkit::assert_close(read(&stage, &stops).unwrap().heat, 14.0, 1e-12, 0.0);
        stops.set((ACCOUNT, btc, StrategyIdx(0)), None);
        testkit::assert_close(read(&stage, &stops).unwrap().heat, 204.0, 1e-12, 0.0);
    }

    #[test]
    fn what_has_no_price_is_unknown() {
        let mut stage = Stage::new(Profile::standard());
        let btc = stage.perpetual("BTCUSDT");
        stage.trade(0, btc, Side::Buy, "2", 100);
        assert_eq!(read(&stage, &Stops::default()).unwrap_err(), Unknown::Price(btc));
        stage.ts = UnixNanos(stage.ts.0 + 1);
        stage.mark(btc, 0);
        assert_eq!(read(&stage, &Stops::default()).unwrap_err(), Unknown::Price(btc));
    }

    #[test]
    fn stops_are_saved() {
        let mut stops = Stops::default();
        for (i, s) in [(2, 1), (0, 0), (2, 0)] {
            stops.set((ACCOUNT, InstrumentIdx(i), StrategyIdx(s)), Some(testkit::price("5")));
        }
        let mut bytes = Vec::new();
        stops.save(&mut bytes);
        let mut loaded = Stops::default();
        loaded.load(&mut Reader::new(&bytes)).unwrap();
        assert_eq!(loaded, stops);
    }
}
