//! What `bot4 data check` looks for in trades, quotes and book levels that passed: holes in the numbers of trades, silence, outliers.
//!
//! In:  rows in time order, as a run reads them. Out: counts and the first places. Nothing of it makes a row unusable.

use super::OutlierLine;
use domain::UnixNanos;
use marketdata::check::{OutlierRule, PriceCheck};
use serde::Serialize;
use std::fmt::Write as _;
use store::history::Rows;

/// Findings about a series of trades, quotes or book levels.
#[derive(Serialize)]
pub struct TickReport {
    /// Places where numbers of trades are missing.
    pub id_gaps: u64,
    /// How many are missing there.
    pub ids_missing: u64,
    /// Numbers of trades or updates that do not rise.
    pub ids_back: u64,
    /// Quotes whose bid is their ask.
    pub locked: u64,
    /// The longest time without a row, in seconds.
    pub longest_silence_s: f64,
    /// Where it begins.
    pub longest_silence_ts: Option<i64>,
    /// Prices that are not credible by the rule.
    pub outliers: u64,
    /// The first of them.
    pub first_outliers: Vec<OutlierLine>,
}

/// Looks at rows one by one.
pub struct TickCheck {
    prices: PriceCheck,
    report: TickReport,
    last_ts: Option<UnixNanos>,
    last_id: u64,
    silence_ns: u64,
    first: usize,
}

impl TickCheck {
    /// Nothing seen yet; so many outliers are listed.
    #[must_use]
    pub fn new(first: usize) -> Self {
        let report = TickReport {
            id_gaps: 0,
            ids_missing: 0,
            ids_back: 0,
            locked: 0,
            longest_silence_s: 0.0,
            longest_silence_ts: None,
            outliers: 0,
            first_outliers: Vec::new(),
        };
        let prices = PriceCheck::new(OutlierRule::STANDARD);
        Self { prices, report, last_ts: None, last_id: 0, silence_ns: 0, first }
    }

    /// Looks at a chunk; candles are somebody else's.
    pub fn take(&mut self, rows: &Rows) {
        match rows {
            Rows::Candles(_) => {}
            Rows::Trades(rows) => {
                for t in rows {
                    self.number(t.trade_id, true);
                    self.price(t.ts_event, t.price);
                }
            }
            Rows::Quotes(rows) => {
                for q in rows {
                    self.report.locked += u64::from(q.bid == q.ask);
                    self.price(q.ts_event, q.bid + (q.ask - q.bid) / 2);
                }
            }
            Rows::Book(rows) => {
                for d in rows {
                    // Levels lie far apart: their prices follow no course.
                    self.number(d.sequence, false);
                    self.silence(d.ts_event);
                }
            }
        }
    }

    /// What was found.
    #[must_use]
    pub fn finish(self) -> TickReport {
        self.report
    }

    fn number(&mut self, id: u64, each: bool) {
        if id == 0 {
            return;
        }
        if self.last_id > 0 {
            let back = if each { id <= self.last_id } else { id < self.last_id };
            self.report.ids_back += u64::from(back);
            if each && id > self.last_id + 1 {
                self.report.id_gaps += 1;
                self.report.ids_missing += id - self.last_id - 1;
            }
        }
        self.last_id = id;
    }

    fn price(&mut self, ts: UnixNanos, price: i64) {
        self.silence(ts);
        if let Some((change, scale)) = self.prices.push(price) {
            self.report.outliers += 1;
            if self.report.first_outliers.len() < self.first {
                self.report.first_outliers.push(OutlierLine { ts: ts.as_millis(), change, scale });
            }
        }
    }

    fn silence(&mut self, ts: UnixNanos) {
        if let Some(last) = self.last_ts {
            let silence = ts.since(last).0;
            if silence > self.silence_ns {
                self.silence_ns = silence;
                self.report.longest_silence_s = silence as f64 / 1e9;
                self.report.longest_silence_ts = Some(last.as_millis());
            }
        }
        self.last_ts = Some(ts);
    }
}

impl TickReport {
    /// Names and values for the table.
    #[must_use]
    pub fn lines(&self, when: impl Fn(Option<i64>) -> String) -> Vec<(&'static str, String)> {
        let mut silence = format!("{:.3} s", self.longest_silence_s);
        if let Some(ts) = self.longest_silence_ts {
            // Writing into a String cannot fail.
            let _ = write!(silence, " from {}", when(Some(ts)));
        }
        vec![
            ("holes in numbers", format!("{} ({} missing)", self.id_gaps, self.ids_missing)),
            ("numbers that go back", self.ids_back.to_string()),
            ("bid equal to ask", self.locked.to_string()),
            ("longest silence", silence),
            ("outliers", self.outliers.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{InstrumentIdx, MarketFlags, Side, Trade};

    #[test]
    fn holes_and_silence_of_trades_are_found() {
        let trade = |second: u64, trade_id: u64| Trade {
            ts_event: UnixNanos(second * 1_000_000_000),
            ts_recv: UnixNanos(0),
            price: 100,
            quantity: 1,
            trade_id,
            instrument: InstrumentIdx(0),
            flags: MarketFlags(0),
            aggressor: Side::Buy,
        };
        let mut check = TickCheck::new(5);
        check.take(&Rows::Trades(vec![trade(1, 5), trade(2, 6), trade(9, 9), trade(9, 9), trade(10, 0)]));
        let found = check.finish();
        assert_eq!((found.id_gaps, found.ids_missing, found.ids_back, found.outliers), (1, 2, 1, 0));
        assert_eq!((found.longest_silence_s, found.longest_silence_ts), (7.0, Some(2_000)));
    }
}
