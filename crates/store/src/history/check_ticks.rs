//! The check of trades, quotes and changes of a book: signs, sides, bid and ask, and the order of time.
//!
//! Several of them may have one time, so time must not go back and need not move on.

use super::check::{Checker, Fault};
use super::decode::{Columns, UNREADABLE};
use super::error::{BadKind, HistoryError};
use domain::{BookDelta, Price, Quote, Side, Trade, UnixNanos};

impl Checker {
    pub(super) fn trades(&mut self, columns: &Columns, out: &mut Vec<Trade>) -> Result<(), HistoryError> {
        self.each(columns, 4, |checker, [p, q, s, id, _], at, t| {
            let sound = (p > 0) & (q > 0) & ((s == 0) | (s == 1)) & (id != UNREADABLE);
            if !sound {
                let figures = [("price", p, checker.price_decimals), ("quantity", q, checker.quantity_decimals)];
                return Err(positive_fault(&figures, "side"));
            }
            if let Some(ts) = t {
                out.push(Trade {
                    ts_event: ts,
                    ts_recv: ts,
                    price: p,
                    quantity: q,
                    trade_id: id as u64,
                    instrument: checker.idx,
                    flags: columns.flags(at),
                    aggressor: side(s),
                });
            }
            Ok(())
        })
    }

    pub(super) fn quotes(&mut self, columns: &Columns, out: &mut Vec<Quote>) -> Result<(), HistoryError> {
        self.each(columns, 4, |checker, [b, bq, a, aq, _], at, t| {
            let sound = (b > 0) & (b <= a) & (bq >= 0) & (aq >= 0);
            if !sound {
                return Err(checker.quote_fault(b, bq, a, aq));
            }
            if let Some(ts) = t {
                out.push(Quote {
                    ts_event: ts,
                    ts_recv: ts,
                    bid: b,
                    bid_quantity: bq,
                    ask: a,
                    ask_quantity: aq,
                    instrument: checker.idx,
                    flags: columns.flags(at),
                });
            }
            Ok(())
        })
    }

    pub(super) fn book(&mut self, columns: &Columns, out: &mut Vec<BookDelta>) -> Result<(), HistoryError> {
        self.each(columns, 4, |checker, [p, q, s, sequence, _], at, t| {
            // A quantity of zero takes the level away.
            let sound = (p > 0) & (q >= 0) & ((s == 0) | (s == 1)) & (sequence != UNREADABLE);
            if !sound {
                if p > 0 && q < 0 {
                    return Err(checker.negative("quantity", q));
                }
                return Err(positive_fault(&[("price", p, checker.price_decimals)], "side"));
            }
            if let Some(ts) = t {
                out.push(BookDelta {
                    ts_event: ts,
                    ts_recv: ts,
                    sequence: sequence as u64,
                    price: p,
                    quantity: q,
                    instrument: checker.idx,
                    flags: columns.flags(at),
                    side: side(s),
                });
            }
            Ok(())
        })
    }

    /// Walks over the rows. `take` gets the columns of a row and, where it is inside the range that is asked for, its time; it says what is
    /// wrong with the figures. Time is judged here, and before them.
    fn each(
        &mut self,
        columns: &Columns,
        used: usize,
        mut take: impl FnMut(&Self, [i64; 5], usize, Option<UnixNanos>) -> Result<(), Fault>,
    ) -> Result<(), HistoryError> {
        let n = columns.ts.len();
        if columns.values.iter().take(used).any(|values| values.len() != n) {
            return Err(self.uneven());
        }
        let mut last = self.last.unwrap_or(0);
        for (at, &t) in columns.ts.iter().enumerate() {
            // A later stamp is unusual only where the next one falls behind it.
            let leaps = columns.ts.get(at + 1).is_some_and(|after| *after < t);
            if t < last || leaps {
                self.last = (last > 0).then_some(last);
                if self.decoded_badly(columns, at)? {
                    continue;
                }
                if let Some(fault) = self.time_fault(columns, at, t, 0) {
                    self.refuse(columns.line(at), fault)?;
                    continue;
                }
            }
            let values: [i64; 5] = std::array::from_fn(|k| columns.values[k].get(at).copied().unwrap_or(0));
            let inside = t >= self.from_ns && t < self.to_ns;
            if let Err(fault) = take(self, values, at, inside.then_some(UnixNanos(t as u64))) {
                if !self.decoded_badly(columns, at)? {
                    self.refuse(columns.line(at), fault)?;
                }
                continue;
            }
            last = t;
            if t >= self.to_ns && !self.any_order {
                self.done = true;
                break;
            }
            self.early += u64::from(!inside);
        }
        self.last = (last > 0).then_some(last);
        Ok(())
    }

    fn quote_fault(&self, bid: i64, bid_quantity: i64, ask: i64, ask_quantity: i64) -> Fault {
        if bid > ask && ask > 0 {
            let expected = format!("at most the ask, {}", text(ask, self.price_decimals));
            let value = text(bid, self.price_decimals);
            return Fault { kind: BadKind::Contradiction, column: "bid", value, expected };
        }
        for (column, value) in [("bid_quantity", bid_quantity), ("ask_quantity", ask_quantity)] {
            if value < 0 {
                return self.negative(column, value);
            }
        }
        positive_fault(&[("bid", bid, self.price_decimals), ("ask", ask, self.price_decimals)], "ask")
    }

    fn negative(&self, column: &'static str, value: i64) -> Fault {
        let value = text(value, self.quantity_decimals);
        Fault { kind: BadKind::NotPositive, column, value, expected: "0 or more".into() }
    }
}

fn text(mantissa: i64, decimals: u8) -> String {
    Price::from_mantissa(mantissa, decimals.min(12)).to_string()
}

const fn side(code: i64) -> Side {
    if code == 0 { Side::Buy } else { Side::Sell }
}

/// The first of the columns that is not above 0, or else `other`.
fn positive_fault(columns: &[(&'static str, i64, u8)], other: &'static str) -> Fault {
    let found = columns.iter().find(|(_, value, _)| *value <= 0);
    let Some(&(column, value, decimals)) = found else {
        let expected = "buy or sell".into();
        return Fault { kind: BadKind::Unreadable, column: other, value: "unreadable".into(), expected };
    };
    Fault { kind: BadKind::NotPositive, column, value: text(value, decimals), expected: "a number above 0".into() }
}
