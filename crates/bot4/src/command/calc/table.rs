//! Tables as text: a header that names the columns, one row per line.
//!
//! In:  files, plain or gzipped. Out: the cells of the columns that are asked for; other columns are not looked at.
//! Cells stay text: who needs numbers reads them as doubles, the backtest reads the same digits as decimals.

use super::answer::{Cells, Column};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Why a table cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TableError {
    /// It cannot be read.
    Io { file: String, what: String },
    /// It has no line.
    Empty { file: String },
    /// It has no such column.
    NoColumn { file: String, column: String, known: String },
    /// A row ends before the column.
    Short { file: String, line: usize, columns: usize, expected: usize },
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { file, what } => write!(f, "{file}: {what}"),
            Self::Empty { file } => write!(f, "{file} is empty; expected a header and rows"),
            Self::NoColumn { file, column, known } => write!(f, "{file} has no column {column}; it has {known}"),
            Self::Short { file, line, columns, expected } => {
                write!(f, "{file}, line {line}: {columns} columns; expected {expected}, as the header has")
            }
        }
    }
}

/// Names of a column of times, in lower case.
const TIMES: [&str; 11] =
    ["ts_ms", "ts_ns", "ts_us", "ts_s", "open_time", "opentime", "timestamp", "time", "datetime", "date", "ts"];

/// Reads a file as text, unpacking gzip.
pub(super) fn read_text(path: &Path) -> Result<String, TableError> {
    let failed = |what: String| TableError::Io { file: path.display().to_string(), what };
    let bytes = read_bytes(path).map_err(failed)?;
    String::from_utf8(bytes).map_err(|_| failed("it is not text; expected a table with a header".into()))
}

/// Reads a file, unpacking gzip. The error says what was wrong, without the file's name.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked);
    read.map_err(|e| format!("it cannot be unpacked: {e}"))?;
    Ok(unpacked)
}

/// Texts of tables by path, each read once: many cases use the same few.
pub(super) struct Texts<'a> {
    folder: &'a Path,
    texts: BTreeMap<PathBuf, String>,
}

impl<'a> Texts<'a> {
    /// Paths are relative to `folder`.
    pub fn new(folder: &'a Path) -> Self {
        Self { folder, texts: BTreeMap::new() }
    }

    /// The table at a path.
    pub fn table(&mut self, path: &str) -> Result<Table<'_>, TableError> {
        let full = self.folder.join(path);
        let text = match self.texts.entry(full) {
            std::collections::btree_map::Entry::Occupied(held) => held.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                let text = read_text(free.key())?;
                free.insert(text)
            }
        };
        Table::new(text, path)
    }
}

/// A table.
pub(super) struct Table<'t> {
    file: String,
    header: Vec<&'t str>,
    delimiter: char,
    rows: &'t str,
}

fn split(line: &str, delimiter: char) -> impl Iterator<Item = &str> {
    line.split(delimiter).map(|cell| {
        let cell = cell.trim();
        cell.strip_prefix('"').and_then(|c| c.strip_suffix('"')).unwrap_or(cell)
    })
}

impl<'t> Table<'t> {
    /// Reads the header.
    pub fn new(text: &'t str, file: &str) -> Result<Self, TableError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (first, rows) = text.split_once('\n').unwrap_or((text, ""));
        if first.trim().is_empty() {
            return Err(TableError::Empty { file: file.to_owned() });
        }
        let count = |d: char| first.matches(d).count();
        // A header without any delimiter is that of a table with one column.
        let delimiter = [',', ';', '\t'].into_iter().max_by_key(|d| (count(*d), *d == ',')).unwrap_or(',');
        Ok(Self { file: file.to_owned(), header: split(first, delimiter).collect(), delimiter, rows })
    }

    /// The cells of the columns of these names, in this order. A name is that of the header, or else the same but for upper and
    /// lower case.
    pub fn columns(&self, names: &[&str]) -> Result<Vec<Column<'t>>, TableError> {
        let mut places = Vec::with_capacity(names.len());
        for name in names {
            let exact = self.header.iter().position(|have| have == name);
            let place = exact.or_else(|| self.header.iter().position(|have| have.eq_ignore_ascii_case(name)));
            places.push(place.ok_or_else(|| TableError::NoColumn {
                file: self.file.clone(),
                column: (*name).to_owned(),
                known: self.header.join(", "),
            })?);
        }
        let mut cells: Vec<Vec<&'t str>> = vec![Vec::new(); names.len()];
        let mut row: Vec<&'t str> = Vec::with_capacity(self.header.len());
        for (number, line) in self.rows.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            row.clear();
            row.extend(split(line, self.delimiter));
            for (column, place) in cells.iter_mut().zip(&places) {
                // The header is line 1.
                column.push(row.get(*place).copied().ok_or_else(|| TableError::Short {
                    file: self.file.clone(),
                    line: number + 2,
                    columns: row.len(),
                    expected: self.header.len(),
                })?);
            }
        }
        Ok(names
            .iter()
            .zip(cells)
            .map(|(name, cells)| Column { name: (*name).to_owned(), cells: Cells::Text(cells) })
            .collect())
    }

    /// The column of times, if there is one.
    pub fn times(&self) -> Option<Column<'t>> {
        let name = TIMES.iter().find_map(|t| self.header.iter().find(|have| have.eq_ignore_ascii_case(t)))?;
        self.columns(&[name]).ok()?.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells<'t>(column: &Column<'t>) -> Vec<&'t str> {
        let Cells::Text(cells) = &column.cells else { panic!("text was expected") };
        cells.clone()
    }

    #[test]
    fn columns_are_found_by_name_in_any_order_and_others_are_not_looked_at() {
        for text in [
            "a,Close,x\n1,2,junk\n\n3,4,\n",
            "a;close;x\r\n1;2;junk\r\n3;4;\r\n",
            "a\t\"close\"\tx\n1\t\"2\"\t\n3\t4\t",
        ] {
            let table = Table::new(text, "t").unwrap();
            let columns = table.columns(&["close", "a"]).unwrap();
            assert_eq!((cells(&columns[0]), cells(&columns[1])), (vec!["2", "4"], vec!["1", "3"]), "{text:?}");
        }
        assert_eq!(cells(&Table::new("close\n1\n", "t").unwrap().columns(&["close"]).unwrap()[0]), ["1"]);
        let table = Table::new("Date,close\n2021-01-01,1", "t").unwrap();
        assert_eq!(cells(&table.times().unwrap()), ["2021-01-01"]);
    }

    #[test]
    fn what_is_missing_is_named() {
        let says = |text: &str, names: &[&str]| match Table::new(text, "t.csv").and_then(|t| t.columns(names).map(drop))
        {
            Err(error) => error.to_string(),
            Ok(()) => panic!("{text:?} was taken"),
        };
        assert_eq!(says("", &[]), "t.csv is empty; expected a header and rows");
        assert_eq!(says("a,b\n1,2", &["c"]), "t.csv has no column c; it has a, b");
        assert_eq!(says("a,b\n1,2\n3", &["b"]), "t.csv, line 3: 1 columns; expected 2, as the header has");
        assert!(read_text(Path::new("/nowhere/t.csv")).unwrap_err().to_string().starts_with("/nowhere/t.csv: "));
    }
}
