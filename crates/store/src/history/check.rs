//! The test that every row passes before it leaves this crate.
//!
//! In:  decoded columns, in file order. Out: records, and [`Findings`] about what was left out.
//! A good candle follows its predecessor by one interval, has positive prices, low <= open, close <= high, and a volume that is not negative:
//! one comparison each, and everything else goes the slow way, which finds out whether it is a gap or a bad row.

use super::decode::{Columns, UNREADABLE, time_text};
use super::error::{BadKind, BadRow, BadRows, Findings, Gap, HistoryError};
use super::rows::{DataKind, Row, Rows, interval_text};
use domain::{Candle, InstrumentIdx, MarketFlags, UnixNanos};
use std::ops::Range;

/// So many equal steps that are not the interval, one after the other, are another interval and not gaps.
const ODD_STEPS: u32 = 16;

/// Rows that are tested together.
const BLOCK: usize = 64;

/// Where a time is expected and there was no row before. Decoded times are 0 or later, or [`UNREADABLE`], so none equals it.
const NONE_BEFORE: i64 = -1;

/// Some rows of a column.
fn part<'a>(values: &'a [i64], rows: &Range<usize>) -> std::slice::Iter<'a, i64> {
    values.get(rows.clone()).unwrap_or_default().iter()
}

/// Whether the figures of a candle can be those of one.
#[inline]
fn sound(open: i64, high: i64, low: i64, close: i64, volume: i64) -> bool {
    (low > 0) & (low <= open) & (low <= close) & (open <= high) & (close <= high) & (volume >= 0)
}

/// State of the check over the files of one series.
pub(crate) struct Checker {
    pub idx: InstrumentIdx,
    pub interval_s: u32,
    pub price_decimals: u8,
    pub quantity_decimals: u8,
    pub bad_rows: BadRows,
    /// Rows before this are checked and not given out.
    pub from_ns: i64,
    /// The first row at or after this ends the reading.
    pub to_ns: i64,
    pub file: String,
    /// Whether rows may come in any order and more than once, because who reads sorts them.
    pub any_order: bool,
    /// Whether the file itself states its interval, so that equal longer steps are gaps and no other interval.
    pub interval_stated: bool,
    /// Time of the last row that passed; the end of the file before, at its start.
    pub(super) last: Option<i64>,
    /// A run of equal steps longer than the interval: length, count, time of its last row.
    odd: (i64, u32, i64),
    pub findings: Findings,
    /// Rows that passed and are outside of the range that was asked for.
    pub(super) early: u64,
    /// Whether a row at or after `to_ns` was seen.
    pub done: bool,
}

/// A row that fails: its column and what was expected there.
pub(super) struct Fault {
    pub kind: BadKind,
    pub column: &'static str,
    pub value: String,
    pub expected: String,
}

impl Checker {
    pub fn new(idx: InstrumentIdx, interval_s: u32, decimals: (u8, u8), bad_rows: BadRows, range: (i64, i64)) -> Self {
        Self {
            idx,
            interval_s,
            price_decimals: decimals.0,
            quantity_decimals: decimals.1,
            bad_rows,
            from_ns: range.0,
            to_ns: range.1,
            file: String::new(),
            any_order: false,
            interval_stated: false,
            last: None,
            odd: (0, 0, 0),
            findings: Findings::default(),
            early: 0,
            done: false,
        }
    }

    /// Time of the last row that passed.
    pub const fn last(&self) -> Option<i64> {
        self.last
    }

    /// Checks a chunk and appends the good rows to `out`.
    pub fn check(&mut self, columns: &mut Columns, out: &mut Rows) -> Result<(), HistoryError> {
        columns.settle();
        self.findings.rounded += columns.rounded;
        let before = out.len();
        match out {
            Rows::Candles(rows) => self.candles(columns, rows)?,
            Rows::Trades(rows) => self.trades(columns, rows)?,
            Rows::Quotes(rows) => self.quotes(columns, rows)?,
            Rows::Book(rows) => self.book(columns, rows)?,
        }
        let passed = out.len() - before;
        if passed > 0 {
            self.findings.rows += passed as u64;
            let time = |at| match out.get(at)? {
                Row::Candle(candle) => Some(candle.ts_open),
                Row::Trade(trade) => Some(trade.ts_event),
                Row::Quote(quote) => Some(quote.ts_event),
                Row::Book(delta) => Some(delta.ts_event),
            };
            self.findings.first = self.findings.first.or_else(|| time(before));
            self.findings.last = time(before + passed - 1);
        }
        self.findings.read_to = self.last.and_then(|last| u64::try_from(last).ok()).map(UnixNanos);
        Ok(())
    }

    fn candles(&mut self, columns: &Columns, out: &mut Vec<Candle>) -> Result<(), HistoryError> {
        let n = columns.ts.len();
        let [open, high, low, close, volume] = &columns.values;
        if [open, high, low, close, volume].iter().any(|values| values.len() != n) {
            return Err(self.uneven());
        }
        let step = i64::from(self.interval_s).saturating_mul(1_000_000_000);
        let (idx, interval_s) = (self.idx, self.interval_s);
        let candle = |flags: MarketFlags, t: i64, o: i64, h: i64, l: i64, c: i64, v: i64| Candle {
            ts_open: UnixNanos(t as u64),
            ts_recv: UnixNanos(t.saturating_add(step) as u64),
            open: o,
            high: h,
            low: l,
            close: c,
            volume: v,
            interval_s,
            instrument: idx,
            flags,
        };
        out.reserve(n);
        let mut next = self.last.map_or(NONE_BEFORE, |last| last.saturating_add(step));
        let mut zero_volume = 0;
        for begin in (0..n).step_by(BLOCK) {
            let block = begin..n.min(begin + BLOCK);
            let rows = || {
                let prices = part(open, &block).zip(part(high, &block)).zip(part(low, &block)).zip(part(close, &block));
                let rows = part(&columns.ts, &block).zip(prices).zip(part(volume, &block));
                rows.map(|((t, (((o, h), l), c)), v)| (*t, *o, *h, *l, *c, *v))
            };
            // Most blocks follow without a gap and have nothing wrong: they are tested as a whole and taken as a whole.
            let (mut plain, mut expected, mut still) = (next != NONE_BEFORE, next, 0);
            for (t, o, h, l, c, v) in rows() {
                plain &= (t == expected) & sound(o, h, l, c, v);
                expected = expected.wrapping_add(step);
                still += u64::from(v == 0);
            }
            if plain && next >= self.from_ns && expected > next && expected.saturating_sub(step) < self.to_ns {
                if columns.flags.is_empty() {
                    out.extend(rows().map(|(t, o, h, l, c, v)| candle(MarketFlags(0), t, o, h, l, c, v)));
                } else {
                    let flagged = block.clone().zip(rows());
                    out.extend(flagged.map(|(at, (t, o, h, l, c, v))| candle(columns.flags(at), t, o, h, l, c, v)));
                }
                zero_volume += still;
                next = expected;
                continue;
            }
            for (at, (t, o, h, l, c, v)) in block.clone().zip(rows()) {
                let sound = sound(o, h, l, c, v);
                if !(sound & (t == next)) {
                    // Unusual in some way: the first row, a gap, or a bad row.
                    self.last = (next != NONE_BEFORE).then(|| next.saturating_sub(step));
                    if !self.unusual_candle(columns, at, sound, step)? {
                        continue;
                    }
                }
                next = t.saturating_add(step);
                if t >= self.to_ns && !self.any_order {
                    self.done = true;
                    break;
                }
                if t >= self.from_ns && t < self.to_ns {
                    zero_volume += u64::from(v == 0);
                    out.push(candle(columns.flags(at), t, o, h, l, c, v));
                } else {
                    self.early += 1;
                }
            }
            if self.done {
                break;
            }
        }
        self.findings.zero_volume += zero_volume;
        if next != NONE_BEFORE {
            self.last = Some(next.saturating_sub(step));
        }
        Ok(())
    }

    /// Whether the row is good after all. Tells of gaps and bad rows.
    #[cold]
    fn unusual_candle(&mut self, columns: &Columns, at: usize, sound: bool, step: i64) -> Result<bool, HistoryError> {
        if self.decoded_badly(columns, at)? {
            return Ok(false);
        }
        let t = columns.ts.get(at).copied().unwrap_or(UNREADABLE);
        if let Some(fault) = self.time_fault(columns, at, t, step) {
            return self.refuse(columns.line(at), fault).map(|()| false);
        }
        if !sound {
            let [open, high, low, close, volume] =
                [0, 1, 2, 3, 4].map(|k: usize| columns.values[k].get(at).copied().unwrap_or(UNREADABLE));
            let fault = self.candle_fault(open, high, low, close, volume);
            return self.refuse(columns.line(at), fault).map(|()| false);
        }
        if let Some(last) = self.last
            && t - last > step
        {
            self.gap(columns.line(at), last, t, step)?;
        }
        Ok(true)
    }

    /// What is wrong with a row's time, if anything.
    pub(super) fn time_fault(&self, columns: &Columns, at: usize, t: i64, step: i64) -> Option<Fault> {
        let fault = |kind, expected: String| Some(Fault { kind, column: "time", value: time_text(t), expected });
        if t < 0 || t > i64::MAX - step {
            return fault(BadKind::Unreadable, "a time from 1970 to 2262".into());
        }
        let last = self.last?;
        if self.any_order {
            if step > 0 && (t - last) % step != 0 {
                return fault(BadKind::OffInterval, self.whole_steps(last));
            }
            return None;
        }
        if step > 0 && t <= last {
            let (kind, what) = if t == last {
                (BadKind::Duplicate, "this row repeats its time")
            } else {
                (BadKind::Disorder, "this row goes back")
            };
            return fault(kind, format!("a time after the row before, {}: {what}", time_text(last)));
        }
        if step == 0 && t < last {
            let expected = format!("a time not before that of the row before, {}", time_text(last));
            return fault(BadKind::Disorder, expected);
        }
        // A leap after which time goes on from before it is one wrong stamp, not a gap.
        if let Some(&after) = columns.ts.get(at + 1)
            && after != UNREADABLE
            && (after > last || (step == 0 && after == last))
            && after <= t
            && (after < t || step > 0)
        {
            let jumped = if step > 0 { t - last != step } else { after < t };
            if jumped && after - last <= t - last {
                return fault(BadKind::Disorder, format!("a time before that of the next row, {}", time_text(after)));
            }
        }
        if step > 0 && (t - last) % step != 0 {
            return fault(BadKind::OffInterval, self.whole_steps(last));
        }
        None
    }

    fn whole_steps(&self, last: i64) -> String {
        let interval = interval_text(self.interval_s);
        format!("whole steps of {interval}, the interval of the series, after {}", time_text(last))
    }

    fn candle_fault(&self, open: i64, high: i64, low: i64, close: i64, volume: i64) -> Fault {
        let text = |mantissa: i64, decimals: u8| domain::Price::from_mantissa(mantissa, decimals.min(12)).to_string();
        let price = |mantissa| text(mantissa, self.price_decimals);
        for (column, value) in [("open", open), ("high", high), ("low", low), ("close", close)] {
            if value <= 0 {
                let kind = BadKind::NotPositive;
                return Fault { kind, column, value: price(value), expected: "a price above 0".into() };
            }
        }
        for (column, value) in [("open", open), ("close", close)] {
            if !(low..=high).contains(&value) {
                let expected = format!("low <= {column} <= high, that is from {} to {}", price(low), price(high));
                return Fault { kind: BadKind::Contradiction, column, value: price(value), expected };
            }
        }
        let value = text(volume, self.quantity_decimals);
        Fault { kind: BadKind::NotPositive, column: "volume", value, expected: "0 or more".into() }
    }

    fn gap(&mut self, line: u64, last: i64, t: i64, step: i64) -> Result<(), HistoryError> {
        let length = t - last;
        self.odd =
            if self.odd.0 == length && self.odd.2 == last { (length, self.odd.1 + 1, t) } else { (length, 1, t) };
        if self.odd.1 >= ODD_STEPS && !self.interval_stated {
            return Err(HistoryError::MixedIntervals {
                file: self.file.clone(),
                line,
                times: self.odd.1,
                step: u32::try_from(length / 1_000_000_000).map_or_else(|_| format!("{length} ns"), interval_text),
                interval: interval_text(self.interval_s),
            });
        }
        if t >= self.from_ns && t < self.to_ns && !self.any_order {
            let candles = (length / step).unsigned_abs().saturating_sub(1);
            self.findings.gaps += 1;
            self.findings.missing += candles;
            if self.findings.gap_list.len() < Findings::GAPS_LISTED {
                self.findings.gap_list.push(Gap { first_missing: UnixNanos((last + step).unsigned_abs()), candles });
            }
        }
        Ok(())
    }

    /// Whether the decoder could not read the row; if so it is told of.
    pub(super) fn decoded_badly(&mut self, columns: &Columns, at: usize) -> Result<bool, HistoryError> {
        match columns.bad.binary_search_by_key(&at, |(row, _)| *row) {
            Ok(found) => {
                if let Some((_, bad)) = columns.bad.get(found) {
                    self.count(BadKind::Unreadable, bad.clone())?;
                }
                Ok(true)
            }
            Err(_) => Ok(false),
        }
    }

    pub(super) fn refuse(&mut self, line: u64, fault: Fault) -> Result<(), HistoryError> {
        let Fault { kind, column, value, expected } = fault;
        self.count(kind, BadRow { file: self.file.clone(), line, column: column.into(), value, expected })
    }

    /// Leaves a bad row out, or ends the reading, as [`BadRows`] says.
    fn count(&mut self, kind: BadKind, bad: BadRow) -> Result<(), HistoryError> {
        if self.bad_rows == BadRows::Refuse {
            return Err(HistoryError::BadRow(Box::new(bad)));
        }
        // A step over a row that is left out says nothing about the interval.
        self.odd = (0, 0, 0);
        let findings = &mut self.findings;
        findings.bad += 1;
        findings.bad_kinds.add(kind);
        if findings.listed.len() < Findings::LISTED {
            findings.listed.push(bad);
        }
        Ok(())
    }

    /// After each chunk: whether so many rows are bad that the whole is not to be trusted.
    pub fn judge(&self) -> Result<(), HistoryError> {
        let (good, bad) = self.good_and_bad();
        if self.bad_rows != BadRows::SkipAll
            && bad > BadRows::TOLERATED
            && bad.saturating_mul(BadRows::ONE_IN) > good + bad
        {
            return Err(self.too_many(self.file.clone()));
        }
        Ok(())
    }

    /// At the end of the series: whether rows are there, and more bad than good ones. What is few rows is held against each other whole.
    pub fn judge_end(&self) -> Result<(), HistoryError> {
        let (good, bad) = self.good_and_bad();
        if bad <= good || (self.bad_rows == BadRows::SkipAll && good > 0) {
            return Ok(());
        }
        let first = Box::new(self.first_bad());
        // The reader may be past the last file: the one that the first bad row is in is named.
        let file = first.file.clone();
        Err(if good == 0 { HistoryError::NoGoodRow { file, first } } else { self.too_many(file) })
    }

    /// Rows that passed, those before the range of time that was asked for included, and rows that did not.
    const fn good_and_bad(&self) -> (u64, u64) {
        (self.findings.rows + self.early, self.findings.bad)
    }

    fn too_many(&self, file: String) -> HistoryError {
        let (good, bad) = self.good_and_bad();
        HistoryError::TooManyBadRows { file, bad, rows: good + bad, first: Box::new(self.first_bad()) }
    }

    /// The first bad row there was.
    pub fn first_bad(&self) -> BadRow {
        self.findings.listed.first().cloned().unwrap_or_else(|| BadRow {
            file: self.file.clone(),
            line: 0,
            column: String::new(),
            value: String::new(),
            expected: String::new(),
        })
    }

    pub(super) fn uneven(&self) -> HistoryError {
        HistoryError::structure(
            &self.file,
            "its columns have different lengths",
            "as many values in each column as rows",
        )
    }
}

/// Whether a kind's rows have a length in time.
pub(crate) const fn has_interval(kind: DataKind) -> bool {
    matches!(kind, DataKind::Candles)
}
