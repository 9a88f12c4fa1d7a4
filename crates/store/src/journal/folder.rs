//! The folder of a journal: names of segments, what is there, and making changes of names durable.

use super::JournalError;
use crate::disk::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// One segment as the folder holds it: in plain form, compressed, or (after a crash at the wrong moment) both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listed {
    pub number: u64,
    pub plain: bool,
    pub packed: bool,
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// By number.
    pub segments: Vec<Listed>,
    /// Files that a crash left while they were being written aside.
    pub parts: Vec<PathBuf>,
    /// Anything else.
    pub strangers: Vec<PathBuf>,
}

pub(super) fn plain_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.seg"))
}

pub(super) fn packed_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.seg.zst"))
}

pub(super) fn part_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:010}.seg.zst.part"))
}

/// Reads the folder. A folder that is not there holds nothing.
pub(super) fn list(disk: &dyn Disk, dir: &Path) -> Result<Listing, JournalError> {
    let mut listing = Listing::default();
    let entries = match disk.list(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
        Err(error) => return Err(JournalError::io("read the folder", dir, error)),
    };
    for path in entries {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let number = |suffix: &str| name.strip_suffix(suffix).filter(|n| n.len() == 10).and_then(|n| n.parse().ok());
        if let Some(number) = number(".seg") {
            listing.segments.push(Listed { number, plain: true, packed: false });
        } else if let Some(number) = number(".seg.zst") {
            listing.segments.push(Listed { number, plain: false, packed: true });
        } else if number(".seg.zst.part").is_some() {
            listing.parts.push(path);
        } else {
            listing.strangers.push(path);
        }
    }
    listing.segments.sort_unstable();
    listing.segments.dedup_by(|second, first| {
        let same = second.number == first.number;
        if same {
            first.plain |= second.plain;
            first.packed |= second.packed;
        }
        same
    });
    listing.parts.sort_unstable();
    listing.strangers.sort_unstable();
    Ok(listing)
}

/// Makes new, renamed and removed names of a folder durable.
pub(super) fn sync(disk: &dyn Disk, dir: &Path) -> Result<(), JournalError> {
    disk.sync_dir(dir).map_err(|e| JournalError::io("sync the folder", dir, e))
}

pub(super) fn remove(disk: &dyn Disk, path: &Path) -> Result<(), JournalError> {
    match disk.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(JournalError::io("remove", path, error)),
        _ => Ok(()),
    }
}
