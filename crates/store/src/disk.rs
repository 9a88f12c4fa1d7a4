//! The disk as journal and snapshots see it: the one door to files, so that a simulated disk can stand in its place.
//!
//! In:  paths and bytes.
//! Out: what the system says to that. [`real`] is the file system of this machine; another one lives in memory and loses what was not synced.
//! Only what journal and snapshots need is here. Folders of market data and of the audit log are read and written directly.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// To be read; it must be there.
    Read,
    /// To be appended to; it must be there.
    Append,
    /// To be appended to; it must not be there.
    AppendNew,
    /// To be written from its beginning; what is there is lost.
    Truncate,
    /// To be cut; it must be there.
    Cut,
}

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a folder and those above it; one that is there is left as it is.
    ///
    /// # Errors
    /// What the system refused.
    fn make_dir(&self, dir: &Path) -> io::Result<()>;

    /// Whether a folder is there.
    fn is_dir(&self, dir: &Path) -> bool;

    /// What a folder holds, in any order.
    ///
    /// # Errors
    /// What the system refused; [`io::ErrorKind::NotFound`] for a folder that is not there.
    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Opens a file.
    ///
    /// # Errors
    /// What the system refused.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in the place of one that has it.
    ///
    /// # Errors
    /// What the system refused.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system refused.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes new, renamed and removed names of a folder durable.
    ///
    /// # Errors
    /// What the system refused.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Writes behind what was written last, or at the end of a file that is appended to.
    ///
    /// # Errors
    /// What the system refused; a part may be written.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;

    /// Writes at a place.
    ///
    /// # Errors
    /// What the system refused; a part may be written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Reads from a place; 0 at the end of the file.
    ///
    /// # Errors
    /// What the system refused.
    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Its length in bytes.
    ///
    /// # Errors
    /// What the system refused.
    fn size(&self) -> io::Result<u64>;

    /// Cuts it to a length.
    ///
    /// # Errors
    /// What the system refused.
    fn cut(&self, len: u64) -> io::Result<()>;

    /// Makes its bytes and its length durable.
    ///
    /// # Errors
    /// What the system refused; what was written may be lost from then on.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes everything of it durable.
    ///
    /// # Errors
    /// As [`DiskFile::sync_data`].
    fn sync_all(&self) -> io::Result<()>;
}

/// The file system of this machine.
#[must_use]
pub fn real() -> Arc<dyn Disk> {
    Arc::new(Real)
}

#[derive(Debug)]
struct Real;

impl Disk for Real {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        std::fs::create_dir_all(dir)
    }

    fn is_dir(&self, dir: &Path) -> bool {
        dir.is_dir()
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        std::fs::read_dir(dir)?.map(|entry| entry.map(|e| e.path())).collect()
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let file = match how {
            Open::Read => File::open(path),
            Open::Append => OpenOptions::new().append(true).open(path),
            Open::AppendNew => OpenOptions::new().append(true).create_new(true).open(path),
            Open::Truncate => File::create(path),
            Open::Cut => OpenOptions::new().write(true).open(path),
        };
        file.map(|file| Arc::new(file) as Arc<dyn DiskFile>)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir).and_then(|d| d.sync_all())
    }
}

impl DiskFile for File {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = self;
        file.write_all(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, out, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.metadata().map(|m| m.len())
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        File::sync_all(self)
    }
}

/// A file read from its beginning to its end.
pub(crate) struct Sequential {
    pub file: Arc<dyn DiskFile>,
    pub at: u64,
}

impl Sequential {
    /// Opens a file to be read.
    pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Self> {
        disk.open(path, Open::Read).map(|file| Self { file, at: 0 })
    }
}

impl Read for Sequential {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(out, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
