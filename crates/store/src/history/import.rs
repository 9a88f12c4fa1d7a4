//! Rewriting any data that can be read as bot4's own files.

use super::error::{Findings, HistoryError};
use super::parquet_write::{Written, write_book, write_candles, write_quotes, write_trades};
use super::reader::SeriesReader;
use super::rows::{DataKind, Rows, interval_text};
use super::source::{Input, Options, Series, discover};
use domain::InstrumentIdx;
use std::path::{Path, PathBuf};

/// One series that was written.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The series.
    pub series: Series,
    /// Its file.
    pub written: Written,
    /// What was found while reading.
    pub findings: Findings,
}

/// Reads all series of the inputs and writes each to a file of its own in the folder `out`, which is made if it is not there:
/// `<venue>_<SYMBOL>_<interval>.parquet`, or `<venue>_<SYMBOL>_trades.parquet`, `_quotes.parquet` and `_book.parquet`.
///
/// # Errors
/// As [`discover`], [`SeriesReader::next_chunk`] and [`write_candles`]. Files of series that were finished before stay.
pub fn import(inputs: &[Input], options: &Options, out: &Path) -> Result<Vec<Imported>, HistoryError> {
    let all = discover(inputs, options)?;
    std::fs::create_dir_all(out).map_err(|e| HistoryError::io(&out.display().to_string(), &e))?;
    all.into_iter()
        .map(|series| {
            let mut reader = SeriesReader::open(&series, InstrumentIdx(0))?;
            let path = file_name(&series, out);
            let listing = &series.listing;
            let written = match series.kind {
                DataKind::Candles => {
                    let rows = Each {
                        reader: &mut reader,
                        rows: Rows::new(series.kind),
                        at: 0,
                        take: |rows, at| rows.candles()?.get(at).copied(),
                    };
                    write_candles(&path, listing, series.interval_s, rows)?
                }
                DataKind::Trades => {
                    let rows = Each {
                        reader: &mut reader,
                        rows: Rows::new(series.kind),
                        at: 0,
                        take: |rows, at| rows.trades()?.get(at).copied(),
                    };
                    write_trades(&path, listing, rows)?
                }
                DataKind::Quotes => {
                    let rows = Each {
                        reader: &mut reader,
                        rows: Rows::new(series.kind),
                        at: 0,
                        take: |rows, at| rows.quotes()?.get(at).copied(),
                    };
                    write_quotes(&path, listing, rows)?
                }
                DataKind::Book => {
                    let rows = Each {
                        reader: &mut reader,
                        rows: Rows::new(series.kind),
                        at: 0,
                        take: |rows, at| rows.book()?.get(at).copied(),
                    };
                    write_book(&path, listing, rows)?
                }
            };
            let findings = reader.findings().clone();
            Ok(Imported { series, written, findings })
        })
        .collect()
}

fn file_name(series: &Series, out: &Path) -> PathBuf {
    let what = match series.kind {
        DataKind::Candles => interval_text(series.interval_s),
        kind => kind.name().to_owned(),
    };
    // Symbols of other venues may have a slash in them.
    let symbol: String = series.symbol.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    out.join(format!("{}_{symbol}_{what}.parquet", series.venue))
}

/// The rows of a reader, one by one.
struct Each<'a, T> {
    reader: &'a mut SeriesReader,
    rows: Rows,
    at: usize,
    take: fn(&Rows, usize) -> Option<T>,
}

impl<T> Iterator for Each<'_, T> {
    type Item = Result<T, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = (self.take)(&self.rows, self.at) {
                self.at += 1;
                return Some(Ok(row));
            }
            self.at = 0;
            match self.reader.next_chunk(&mut self.rows) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
