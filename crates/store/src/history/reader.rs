//! Reading a series: its files one after the other, in chunks, checked.

use super::check::Checker;
use super::decode::{Columns, Decode, time_text};
use super::error::{Findings, HistoryError};
use super::rows::{Row, Rows};
use super::source::Series;
use domain::{Candle, InstrumentIdx, UnixNanos};

/// Reads the rows of one series in time order, in bounded memory: one chunk and, per column, one page of one file.
pub struct SeriesReader {
    series: Series,
    part: usize,
    decoder: Option<Box<dyn Decode>>,
    columns: Columns,
    checker: Checker,
    /// Last row of the file before, until the first row of the next one is seen.
    seam: Option<i64>,
}

impl SeriesReader {
    /// Opens a series; its records carry `idx`.
    ///
    /// # Errors
    /// If the first file cannot be opened.
    pub fn open(series: &Series, idx: InstrumentIdx) -> Result<Self, HistoryError> {
        let (from, to) = series.range_ns();
        let decimals = (series.listing.price_decimals, series.listing.quantity_decimals);
        let checker = Checker::new(idx, series.interval_s, decimals, series.bad_rows, (from, to));
        let mut reader =
            Self { series: series.clone(), part: 0, decoder: None, columns: Columns::new(), checker, seam: None };
        reader.open_part()?;
        Ok(reader)
    }

    /// Opens a series whose rows may come in any order and more than once, for a reader that sorts them.
    pub(crate) fn open_in_any_order(series: &Series, idx: InstrumentIdx) -> Result<Self, HistoryError> {
        let mut reader = Self::open(series, idx)?;
        reader.checker.any_order = true;
        Ok(reader)
    }

    fn open_part(&mut self) -> Result<(), HistoryError> {
        self.decoder = match self.series.parts.get(self.part) {
            Some(part) => {
                self.checker.file.clone_from(&part.name);
                self.checker.interval_stated = part.own;
                Some(part.open(&self.series)?)
            }
            None => None,
        };
        Ok(())
    }

    /// Replaces the contents of `out` by the next rows. `false`, with nothing in `out`, at the end of the series.
    ///
    /// # Errors
    /// What makes the whole series unusable; see [`HistoryError`]. After an error the rows given before are not to be used either.
    pub fn next_chunk(&mut self, out: &mut Rows) -> Result<bool, HistoryError> {
        if out.kind() == self.series.kind {
            out.clear();
        } else {
            *out = Rows::new(self.series.kind);
        }
        while out.is_empty() {
            let Some(decoder) = self.decoder.as_mut() else {
                return self.end();
            };
            self.columns.clear();
            if !decoder.fill(&mut self.columns)? {
                self.seam = self.checker.last();
                self.part += 1;
                self.open_part()?;
                continue;
            }
            self.check_seam()?;
            self.checker.check(&mut self.columns, out)?;
            self.checker.judge()?;
            if self.checker.done {
                self.decoder = None;
                self.part = self.series.parts.len();
                if out.is_empty() {
                    return self.end();
                }
            }
        }
        Ok(true)
    }

    fn end(&self) -> Result<bool, HistoryError> {
        self.checker.judge_end()?;
        Ok(false)
    }

    /// A file that begins before the one before it ended is an error of the whole, not a bad row.
    fn check_seam(&mut self) -> Result<(), HistoryError> {
        let Some(ends) = self.seam.take().filter(|_| !self.checker.any_order) else { return Ok(()) };
        let first = self.columns.ts.first().copied().unwrap_or(i64::MAX);
        let overlaps = if self.series.interval_s > 0 { first <= ends } else { first < ends };
        if overlaps && self.columns.bad.first().is_none_or(|(at, _)| *at > 0) {
            let name = |at: usize| self.series.parts.get(at).map(|p| p.name.clone()).unwrap_or_default();
            return Err(HistoryError::Overlap {
                first: name(self.part.saturating_sub(1)),
                second: name(self.part),
                begins: time_text(first),
                ends: time_text(ends),
            });
        }
        Ok(())
    }

    /// What was found so far; complete after the last chunk.
    #[must_use]
    pub const fn findings(&self) -> &Findings {
        &self.checker.findings
    }

    /// The series that is read.
    #[must_use]
    pub const fn series(&self) -> &Series {
        &self.series
    }
}

/// A series as a sequence of single rows: an index into a chunk that is refilled when it is used up.
pub struct SourceCursor {
    reader: SeriesReader,
    rows: Rows,
    at: usize,
    /// Time of the row under the cursor; [`UnixNanos::MAX`] at the end.
    ts: UnixNanos,
}

impl SourceCursor {
    /// Opens a series with the cursor on its first row.
    ///
    /// # Errors
    /// As [`SeriesReader::open`] and [`SeriesReader::next_chunk`].
    pub fn open(series: &Series, idx: InstrumentIdx) -> Result<Self, HistoryError> {
        let rows = Rows::new(series.kind);
        let mut cursor = Self { reader: SeriesReader::open(series, idx)?, rows, at: 0, ts: UnixNanos::MAX };
        cursor.refill()?;
        Ok(cursor)
    }

    /// When the row under the cursor is known (close of a candle, time of a trade or quote); [`UnixNanos::MAX`] at the end.
    #[must_use]
    #[inline]
    pub const fn ts(&self) -> UnixNanos {
        self.ts
    }

    /// The row under the cursor; `None` at the end.
    #[must_use]
    #[inline]
    pub fn peek(&self) -> Option<Row<'_>> {
        self.rows.get(self.at)
    }

    /// The candle under the cursor; `None` at the end and for other kinds.
    #[must_use]
    #[inline]
    pub fn candle(&self) -> Option<&Candle> {
        if let Rows::Candles(rows) = &self.rows { rows.get(self.at) } else { None }
    }

    /// Moves to the next row.
    ///
    /// # Errors
    /// As [`SeriesReader::next_chunk`].
    #[inline]
    pub fn advance(&mut self) -> Result<(), HistoryError> {
        self.at += 1;
        match self.rows.get(self.at) {
            Some(row) => {
                self.ts = row.ts();
                Ok(())
            }
            None => self.refill(),
        }
    }

    /// The rows from the cursor to the end of the chunk, for a caller that takes them in one go and then calls
    /// [`SourceCursor::skip_chunk`].
    #[must_use]
    pub const fn chunk(&self) -> (&Rows, usize) {
        (&self.rows, self.at)
    }

    /// Leaves the chunk behind and moves to the first row of the next.
    ///
    /// # Errors
    /// As [`SeriesReader::next_chunk`].
    pub fn skip_chunk(&mut self) -> Result<(), HistoryError> {
        self.refill()
    }

    #[cold]
    fn refill(&mut self) -> Result<(), HistoryError> {
        self.at = 0;
        self.reader.next_chunk(&mut self.rows)?;
        self.ts = self.rows.get(0).map_or(UnixNanos::MAX, |row| row.ts());
        Ok(())
    }

    /// What was found so far; complete once the cursor is at the end.
    #[must_use]
    pub const fn findings(&self) -> &Findings {
        self.reader.findings()
    }

    /// The series under the cursor.
    #[must_use]
    pub const fn series(&self) -> &Series {
        self.reader.series()
    }
}
