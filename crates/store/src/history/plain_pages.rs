//! Doubles of a Parquet column taken from where they lie in an unpacked page, without a copy.
//!
//! In:  the pages of one column of one row group. Out: pieces of pages, each a whole number of 8-byte doubles.
//! Only the common case is handled: plain encoding and no empty place in the page. At the first page that is otherwise, it and all that
//! follow go to the library's own column reader: nothing before it is lost, for pages are used up one by one.

use bytes::Bytes;
use parquet::basic::{Encoding, Type};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescPtr;

/// Bytes of a double.
const WIDTH: usize = size_of::<f64>();

/// A column as it is being read.
pub(crate) enum Column {
    /// Straight from pages.
    Plain(PlainPages),
    /// Through the library's decoder.
    Decoded(Box<ColumnReader>),
}

impl Column {
    /// Opens a column. `numbers`: it is one of prices or quantities, for which doubles are taken from the pages.
    pub fn new(descriptor: ColumnDescPtr, pages: Box<dyn PageReader>, numbers: bool) -> Self {
        let flat = descriptor.max_rep_level() == 0 && descriptor.max_def_level() <= 1;
        if numbers && flat && descriptor.physical_type() == Type::DOUBLE {
            return Self::Plain(PlainPages { descriptor, pages: Some(pages), page: Bytes::new() });
        }
        Self::Decoded(Box::new(get_column_reader(descriptor, pages)))
    }
}

/// Pages of doubles.
pub(crate) struct PlainPages {
    descriptor: ColumnDescPtr,
    /// `None` once they were handed on.
    pages: Option<Box<dyn PageReader>>,
    /// What is left of the page at hand.
    page: Bytes,
}

/// What comes next of a column.
pub(crate) enum Next {
    /// Doubles, little-endian, as many as were asked for or fewer.
    Piece(Bytes),
    /// The column has no more rows.
    End,
    /// The rest has to be decoded.
    Decode(Box<ColumnReader>),
}

impl PlainPages {
    /// The next doubles, at most `want`.
    pub fn next(&mut self, want: usize) -> Result<Next, ParquetError> {
        while self.page.is_empty() {
            let Some(pages) = self.pages.as_mut() else { return Ok(Next::End) };
            let Some(page) = pages.get_next_page()? else { return Ok(Next::End) };
            match doubles(&page, self.descriptor.max_def_level() > 0)? {
                Some(values) => self.page = values,
                None => {
                    let Some(rest) = self.pages.take() else { return Ok(Next::End) };
                    let rest = Box::new(Resumed { first: Some(page), rest });
                    return Ok(Next::Decode(Box::new(get_column_reader(self.descriptor.clone(), rest))));
                }
            }
        }
        let length = self.page.len().min(want.saturating_mul(WIDTH));
        Ok(Next::Piece(self.page.split_to(length)))
    }
}

/// The doubles of a page, if they are plain and none is missing.
fn doubles(page: &Page, optional: bool) -> Result<Option<Bytes>, ParquetError> {
    let (buffer, count, begin) = match page {
        Page::DataPage { buf, num_values, encoding: Encoding::PLAIN, def_level_encoding: Encoding::RLE, .. } => {
            let begin = if optional { end_of_full_levels(buf, *num_values) } else { Some(0) };
            let Some(begin) = begin else { return Ok(None) };
            (buf, *num_values, begin)
        }
        Page::DataPageV2 {
            buf,
            num_values,
            encoding: Encoding::PLAIN,
            num_nulls: 0,
            def_levels_byte_len,
            rep_levels_byte_len: 0,
            ..
        } => (buf, *num_values, *def_levels_byte_len as usize),
        _ => return Ok(None),
    };
    let end = (count as usize).checked_mul(WIDTH).and_then(|length| begin.checked_add(length));
    match end.filter(|end| *end <= buffer.len()) {
        Some(end) => Ok(Some(buffer.slice(begin..end))),
        None => Err(ParquetError::EOF(format!("a page of {count} doubles has {} bytes", buffer.len()))),
    }
}

/// Where the values begin in a page whose levels say, in one run, that every place is filled.
fn end_of_full_levels(buffer: &[u8], count: u32) -> Option<usize> {
    let (length, rest) = buffer.split_first_chunk::<4>()?;
    let length = u32::from_le_bytes(*length) as usize;
    let levels = rest.get(..length)?;
    // The run's length times two, seven bits a byte, lowest first; then the level.
    let mut header = 0u64;
    for (at, byte) in levels.iter().enumerate().take(5) {
        header |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let full = header & 1 == 0 && header >> 1 == u64::from(count) && levels.get(at + 1) == Some(&1);
            return full.then_some(4 + length);
        }
    }
    None
}

/// Pages with one that was looked at put back before them.
struct Resumed {
    first: Option<Page>,
    rest: Box<dyn PageReader>,
}

impl Iterator for Resumed {
    type Item = Result<Page, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Resumed {
    fn get_next_page(&mut self) -> Result<Option<Page>, ParquetError> {
        match self.first.take() {
            Some(page) => Ok(Some(page)),
            None => self.rest.get_next_page(),
        }
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>, ParquetError> {
        match &self.first {
            // What is not known of the page (its rows, where levels repeat) is left open; the reader then decodes it.
            Some(page) => Ok(Some(PageMetadata {
                num_rows: None,
                num_levels: Some(page.num_values() as usize),
                is_dict: matches!(page, Page::DictionaryPage { .. }),
            })),
            None => self.rest.peek_next_page(),
        }
    }

    fn skip_next_page(&mut self) -> Result<(), ParquetError> {
        match self.first.take() {
            Some(_) => Ok(()),
            None => self.rest.skip_next_page(),
        }
    }
}
