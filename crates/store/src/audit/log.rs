//! The files of a log: their names, and their lines one at a time.

use super::AuditError;
use std::io;
use std::path::{Path, PathBuf};

/// The file of signed checkpoints.
pub(super) const CHECKPOINTS: &str = "checkpoints.jsonl";

pub(super) fn entries_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.jsonl"))
}

/// What the folder of a log holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files of entries, numbered from 1 without a gap.
    pub files: u64,
    /// Whether there is a file of checkpoints.
    pub checkpoints: bool,
    /// Anything else.
    pub strangers: Vec<PathBuf>,
}

/// Reads the folder. A folder that is not there holds nothing.
pub(super) fn list(dir: &Path) -> Result<Listing, AuditError> {
    let mut listing = Listing::default();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(error) => return Err(AuditError::io("read the folder", dir, error)),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| AuditError::io("read the folder", dir, e))?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        let name = name.to_str().filter(|_| is_file).unwrap_or_default();
        let number = name.strip_suffix(".jsonl").filter(|n| n.len() == 10).and_then(|n| n.parse::<u64>().ok());
        match number {
            _ if name == CHECKPOINTS => listing.checkpoints = true,
            Some(number) => numbers.push((number, path)),
            None => listing.strangers.push(path),
        }
    }
    numbers.sort_unstable();
    for (number, path) in numbers {
        if number == listing.files + 1 {
            listing.files = number;
        } else {
            listing.strangers.push(path);
        }
    }
    listing.strangers.sort_unstable();
    Ok(listing)
}

/// A line, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct LineOf<'a> {
    /// Its bytes without the line end.
    pub bytes: &'a [u8],
    /// Whether it has a line end; otherwise it broke off.
    pub whole: bool,
    /// Number of its file.
    pub file: u64,
    /// Number of the line in it, from 1.
    pub line: u64,
    /// Where it begins in the file.
    pub offset: u64,
}

/// The lines of a log, file after file.
pub struct LogLines {
    dir: PathBuf,
    files: u64,
    file: u64,
    contents: Vec<u8>,
    at: usize,
    line: u64,
}

impl LogLines {
    /// Before the first line of the log in this folder.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn open(dir: &Path) -> Result<Self, AuditError> {
        Ok(Self::of(dir, list(dir)?.files))
    }

    pub(super) fn of(dir: &Path, files: u64) -> Self {
        Self { dir: dir.to_owned(), files, file: 0, contents: Vec::new(), at: 0, line: 0 }
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// If a file cannot be read.
    #[allow(clippy::should_implement_trait, reason = "lines are borrowed from the reader")]
    pub fn next(&mut self) -> Result<Option<LineOf<'_>>, AuditError> {
        while self.at >= self.contents.len() {
            if self.file >= self.files {
                return Ok(None);
            }
            self.file += 1;
            let path = self.path();
            self.contents = std::fs::read(&path).map_err(|e| AuditError::io("read", &path, e))?;
            (self.at, self.line) = (0, 0);
        }
        let (bytes, whole) = first_line(&self.contents[self.at..]);
        let offset = self.at as u64;
        self.at += bytes.len() + usize::from(whole);
        self.line += 1;
        let (file, line) = (self.file, self.line);
        Ok(Some(LineOf { bytes, whole, file, line, offset }))
    }

    /// The file that the last line came from.
    pub(super) fn path(&self) -> PathBuf {
        entries_path(&self.dir, self.file.max(1))
    }
}

/// The first line, and whether it has an end.
pub(super) fn first_line(bytes: &[u8]) -> (&[u8], bool) {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(end) => (&bytes[..end], true),
        None => (bytes, false),
    }
}
