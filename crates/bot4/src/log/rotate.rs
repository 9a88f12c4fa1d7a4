//! Log files of bounded size and number: `000001.jsonl`, `000002.jsonl`, ...
//!
//! A new file begins when the next line would make the present one too large; names count up, so nothing depends on the clock and nothing is
//! renamed. Beyond the number to keep, the oldest is deleted. A line that cannot be written (disk full) is taken back and left out, and the
//! next one is tried again: the file never ends inside a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// The files of one log.
#[derive(Debug)]
pub struct Rotating {
    folder: PathBuf,
    bytes_max: u64,
    files: u64,
    number: u64,
    file: Option<File>,
    written: u64,
}

impl Rotating {
    /// In `folder`, which is made with the first line.
    #[must_use]
    pub const fn new(folder: PathBuf, bytes_max: u64, files: u64) -> Self {
        Self { folder, bytes_max, files, number: 0, file: None, written: 0 }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes whole lines, which stay together.
    ///
    /// # Errors
    /// If they could not be written; the file is then as it was before.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let more = lines.len() as u64;
        if self.file.is_none() {
            self.open()?;
        }
        if self.written > 0 && self.written + more > self.bytes_max {
            self.number += 1;
            self.file = None;
            self.open_number()?;
            self.delete_old();
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Err(error) = file.write_all(lines) {
            // What was written of it is taken back; where even that fails, the next line begins a new file.
            if file.set_len(self.written).is_err() {
                self.written = self.bytes_max;
            }
            return Err(error);
        }
        self.written += more;
        Ok(())
    }

    /// Opens the newest file that is there.
    fn open(&mut self) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        self.number = numbers(&self.folder)?.into_iter().max().unwrap_or(1).max(self.number);
        self.open_number()?;
        self.delete_old();
        Ok(())
    }

    fn open_number(&mut self) -> io::Result<()> {
        let file = OpenOptions::new().create(true).append(true).open(self.path(self.number))?;
        self.written = file.metadata()?.len();
        self.file = Some(file);
        Ok(())
    }

    /// Deletes what is beyond the number to keep. A file that cannot be deleted is in nobody's way.
    fn delete_old(&self) {
        let oldest_kept = (self.number + 1).saturating_sub(self.files.max(1));
        for number in numbers(&self.folder).unwrap_or_default().into_iter().filter(|n| *n < oldest_kept) {
            let _ = std::fs::remove_file(self.path(number));
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:06}.jsonl"))
    }
}

/// The numbers of the log files in a folder.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|n| n.parse().ok());
        numbers.extend(number);
    }
    Ok(numbers)
}
