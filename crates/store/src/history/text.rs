//! Text of tables: opening it (plain, gzip, zip), its encoding, and its rows one by one.
//!
//! In:  a file or bytes. Out: rows as bytes with their number: lines, or the inner lists of a JSON list of lists; one is held at a time.
//! Text is UTF-8, with or without its mark; another encoding is named and refused, because a table read wrongly looks like a table.

use super::error::HistoryError;
use super::source::{Format, Input};
use bytes::{Buf, Bytes};
use flate2::Crc;
use flate2::read::{DeflateDecoder, MultiGzDecoder};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};

/// A line longer than this is no line of a table.
const LINE_MAX: u64 = 65_536;

type Stream = BufReader<Box<dyn Read + Send>>;

/// Opens the text of a file, unpacked.
fn open_text(input: &Input, file: &str, format: Format) -> Result<Stream, HistoryError> {
    let raw = || -> Result<Box<dyn Read + Send>, HistoryError> {
        Ok(match input {
            Input::Path(path) => Box::new(File::open(path).map_err(|e| HistoryError::io(file, &e))?),
            Input::Memory { bytes, .. } => Box::new(bytes.clone().reader()),
        })
    };
    let text: Box<dyn Read + Send> = match format {
        Format::Gzip => Box::new(MultiGzDecoder::new(BufReader::new(raw()?))),
        Format::Zip => open_zip(input, file)?,
        Format::Text | Format::Parquet | Format::Feather => raw()?,
    };
    Ok(BufReader::with_capacity(1 << 16, text))
}

/// The one table in a zip file, unpacked as it is read; its checksum is tested at its end.
fn open_zip(input: &Input, file: &str) -> Result<Box<dyn Read + Send>, HistoryError> {
    match input {
        Input::Path(path) => {
            let mut source = File::open(path).map_err(|e| HistoryError::io(file, &e))?;
            let entry = zip_entry(&source, file)?;
            source.seek(SeekFrom::Start(entry.start)).map_err(|e| HistoryError::io(file, &e))?;
            Ok(entry.unpack(source))
        }
        Input::Memory { bytes, .. } => {
            let entry = zip_entry(std::io::Cursor::new(bytes.clone()), file)?;
            let start = usize::try_from(entry.start).unwrap_or(usize::MAX).min(bytes.len());
            let rest: Bytes = bytes.slice(start..);
            Ok(entry.unpack(rest.reader()))
        }
    }
}

/// Where the table of a zip file lies.
struct ZipEntry {
    start: u64,
    packed: u64,
    crc: u32,
    deflated: bool,
}

impl ZipEntry {
    fn unpack(self, source: impl Read + Send + 'static) -> Box<dyn Read + Send> {
        let packed = BufReader::new(source.take(self.packed));
        let text: Box<dyn Read + Send> =
            if self.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
        Box::new(Checked { text, sum: Crc::new(), expected: self.crc })
    }
}

fn zip_entry(source: impl Read + Seek, file: &str) -> Result<ZipEntry, HistoryError> {
    let damaged = |e: zip::result::ZipError| {
        HistoryError::structure(file, format!("it is damaged or cut off: {e}"), "a whole zip file")
    };
    let mut archive = zip::ZipArchive::new(source).map_err(damaged)?;
    let mut found = None;
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(damaged)?;
        if entry.is_dir() {
            continue;
        }
        if found.is_some() {
            return Err(HistoryError::structure(file, "it holds several files", "one table in it"));
        }
        let deflated = match entry.compression() {
            zip::CompressionMethod::Deflated => true,
            zip::CompressionMethod::Stored => false,
            other => return Err(HistoryError::structure(file, format!("it is packed by {other}"), "deflate")),
        };
        let start = entry
            .data_start()
            .ok_or_else(|| HistoryError::structure(file, "its table has no place", "a whole zip file"))?;
        found = Some(ZipEntry { start, packed: entry.compressed_size(), crc: entry.crc32(), deflated });
    }
    found.ok_or_else(|| HistoryError::Empty { file: file.to_owned(), expected: "one table in it".into() })
}

/// Text whose checksum is compared at its end.
struct Checked {
    text: Box<dyn Read + Send>,
    sum: Crc,
    expected: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.text.read(buffer)?;
        if n == 0 && !buffer.is_empty() && self.sum.sum() != self.expected {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "its checksum is wrong"));
        }
        self.sum.update(buffer.get(..n).unwrap_or_default());
        Ok(n)
    }
}

/// What a text looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One row a line.
    Lines,
    /// `[[...],[...]]`, as freqtrade writes it.
    Json {
        /// Whether the outer list was closed.
        closed: bool,
    },
}

/// Rows of a text, numbered from 1, without their ends.
pub(crate) struct RowReader {
    stream: Stream,
    line: Vec<u8>,
    /// Where in `line` the row is.
    row: (usize, usize),
    /// Number of the row that was read last: the line of a table, the inner list of JSON.
    pub number: u64,
    pub file: String,
    form: Form,
}

/// The mark that some programs put before the first line of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

impl RowReader {
    /// Opens a text and looks at its first bytes.
    pub fn open(input: &Input, file: &str, format: Format) -> Result<Self, HistoryError> {
        let mut stream = open_text(input, file, format)?;
        let unreadable = |e: std::io::Error| {
            HistoryError::structure(file, format!("it cannot be read after line 0: {e}"), "a whole file")
        };
        let head = stream.fill_buf().map_err(unreadable)?;
        if let Some(encoding) = foreign_encoding(head) {
            let what = format!("its text is encoded as {encoding}");
            let expected = format!("UTF-8; `iconv -f {encoding} -t UTF-8` converts it");
            return Err(HistoryError::structure(file, what, expected));
        }
        let marked = head.starts_with(MARK);
        if marked {
            stream.consume(MARK.len());
        }
        let head = stream.fill_buf().map_err(unreadable)?;
        let json = head.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'[');
        let form = if json { Form::Json { closed: false } } else { Form::Lines };
        Ok(Self { stream, line: Vec::new(), row: (0, 0), number: 0, file: file.to_owned(), form })
    }

    /// Whether it is a JSON list of lists.
    pub const fn is_json(&self) -> bool {
        matches!(self.form, Form::Json { .. })
    }

    /// The row that was read last.
    pub fn row(&self) -> &[u8] {
        self.line.get(self.row.0..self.row.1).unwrap_or_default()
    }

    /// Reads the next row that is not blank; whether there is one.
    pub fn next(&mut self) -> Result<bool, HistoryError> {
        match self.form {
            Form::Lines => self.next_line(),
            Form::Json { closed } => self.next_list(closed),
        }
    }

    /// Reads up to `end`; how many bytes.
    fn read_to(&mut self, end: u8) -> Result<usize, HistoryError> {
        self.line.clear();
        let read = (&mut self.stream).take(LINE_MAX).read_until(end, &mut self.line).map_err(|e| {
            let what = format!("it cannot be read after line {}: {e}", self.number);
            HistoryError::structure(&self.file, what, "a whole file")
        })?;
        if read as u64 == LINE_MAX && self.line.last() != Some(&end) {
            let what = format!("line {} is longer than {LINE_MAX} bytes", self.number + 1);
            return Err(HistoryError::structure(&self.file, what, "a table of text"));
        }
        Ok(read)
    }

    fn next_line(&mut self) -> Result<bool, HistoryError> {
        loop {
            if self.read_to(b'\n')? == 0 {
                return Ok(false);
            }
            self.number += 1;
            let begin = self.line.iter().position(|b| !b.is_ascii_whitespace());
            if let Some(begin) = begin {
                let blank = self.line.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
                self.row = (begin, self.line.len() - blank);
                return Ok(true);
            }
        }
    }

    fn next_list(&mut self, closed: bool) -> Result<bool, HistoryError> {
        let wrong = |reader: &Self, what: String| {
            HistoryError::structure(
                &reader.file,
                what,
                "a list of lists, [[time, open, high, low, close, volume], ...]",
            )
        };
        if closed {
            return Ok(false);
        }
        self.read_to(b']')?;
        let Some((b']', inner)) = self.line.split_last() else {
            let what = format!("it ends after row {} and its list is not closed: it is cut off", self.number);
            return Err(wrong(self, what));
        };
        let text = inner.trim_ascii();
        // The first list follows the bracket of the outer one, the others a comma.
        let opening: &[u8] = if self.number == 0 { b"[" } else { b"," };
        let rest = text.strip_prefix(opening).map(<[u8]>::trim_ascii_start);
        if (self.number > 0 && text.is_empty()) || rest.is_some_and(<[u8]>::is_empty) {
            self.form = Form::Json { closed: true };
            let mut after = Vec::new();
            let more = (&mut self.stream).take(LINE_MAX).read_to_end(&mut after);
            if more.is_err() || !after.trim_ascii().is_empty() {
                return Err(wrong(self, format!("something follows the end of its list, after row {}", self.number)));
            }
            return Ok(false);
        }
        let Some(row) = rest.and_then(|rest| rest.strip_prefix(b"[")).filter(|row| !row.contains(&b'[')) else {
            let shown: String = String::from_utf8_lossy(text).chars().take(60).collect();
            return Err(wrong(self, format!("row {} is no list of numbers but `{shown}`", self.number + 1)));
        };
        let begin = inner.len() - inner.iter().rev().take_while(|b| b.is_ascii_whitespace()).count() - row.len();
        self.row = (begin, begin + row.len());
        self.number += 1;
        Ok(true)
    }
}

/// The encoding of a text that is not UTF-8, as far as its first bytes tell. A table in UTF-16 has a zero in every second byte.
fn foreign_encoding(head: &[u8]) -> Option<&'static str> {
    match head {
        [0xff, 0xfe, 0, 0, ..] | [_, 0, 0, 0, ..] => Some("UTF-32LE"),
        [0, 0, 0xfe, 0xff, ..] | [0, 0, 0, _, ..] => Some("UTF-32BE"),
        [0xff, 0xfe, ..] => Some("UTF-16LE"),
        [0xfe, 0xff, ..] => Some("UTF-16BE"),
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some("UTF-16LE"),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some("UTF-16BE"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Result<Vec<String>, HistoryError> {
        let input = Input::Memory { name: "x".into(), bytes: Bytes::copy_from_slice(text) };
        let mut reader = RowReader::open(&input, "x", Format::Text)?;
        let mut rows = Vec::new();
        while reader.next()? {
            rows.push(format!("{} {}", reader.number, String::from_utf8_lossy(reader.row())));
        }
        assert!(!reader.next()?, "the end stays the end");
        Ok(rows)
    }

    #[test]
    fn lines_are_numbered_and_trimmed() {
        assert_eq!(all(b"\xef\xbb\xbfa,b\r\n\n  \n c \n").unwrap(), ["1 a,b", "4 c"]);
        assert_eq!(all(b"").unwrap(), [""; 0]);
    }

    #[test]
    fn lists_of_lists_are_rows() {
        assert_eq!(all(b"[[1,2.5],[2, 3]]").unwrap(), ["1 1,2.5", "2 2, 3"]);
        assert_eq!(all(b" [ [1 ,2] ,\n [3,4]\n ]\n").unwrap(), ["1 1 ,2", "2 3,4"]);
        assert_eq!(all(b"[]").unwrap(), [""; 0]);
        for (text, said) in [
            (b"[[1,2],[3".as_slice(), "cut off"),
            (b"[[1,2]", "cut off"),
            (b"[[1,2]] x", "follows the end"),
            (b"[1,2]", "row 1 is no list of numbers"),
            (b"[[1,2][3,4]]", "row 2 is no list of numbers"),
            (b"[[[1]]]", "row 1 is no list"),
            (b"[{\"a\":[1]}]", "row 1 is no list"),
        ] {
            let error = all(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let wide = |text: &str, le: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|c| if le { c.to_le_bytes() } else { c.to_be_bytes() }).collect()
        };
        for (bytes, name) in [
            (wide("\u{feff}time,open", true), "UTF-16LE"),
            (wide("time,open", true), "UTF-16LE"),
            (wide("\u{feff}time,open", false), "UTF-16BE"),
            (wide("time,open", false), "UTF-16BE"),
            (b"t\0\0\0i\0\0\0".to_vec(), "UTF-32LE"),
        ] {
            let error = all(&bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("encoded as {name}")) && error.contains("iconv -f"), "{error}");
        }
    }
}
