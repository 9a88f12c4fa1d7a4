//! Brings a journal that its process left behind into a state that can be read and appended to.

use super::folder::{self, Listed};
use super::header::PLAIN_LEN;
use super::segment::{Block, Chain, Step};
use super::{JournalError, pack, reader};
use crate::disk::{self, Disk, Open};
use std::path::Path;

/// What recovery found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Records in the journal.
    pub records: u64,
    /// Sequence number of the last one, if there is one.
    pub last_seq: Option<u64>,
    /// Bytes of a record that broke off, cut from the end.
    pub torn_bytes: u64,
    /// Bytes at the end that were no record (a power cut, or an altered last record), cut from the end.
    pub damaged_bytes: u64,
    /// Unfinished files that were removed.
    pub parts_removed: u64,
    /// Count and digest of the seal, when the run is complete.
    pub sealed: Option<(u64, u64)>,
}

/// Where appending goes on.
pub(super) struct Tail {
    pub chain: Chain,
    /// The last plain segment and where it ends; `None`: with a new segment.
    pub plain: Option<(u64, u64)>,
    /// Number of the last segment.
    pub last: u64,
    /// Earlier segments that are still plain.
    pub unpacked: Vec<u64>,
}

/// Cuts a torn tail, removes unfinished files, leaves one form of each segment. A complete run is also compressed to its end.
///
/// # Errors
/// [`JournalError::Corrupt`] with file and offset when a bad record has a whole one after it: then nothing is cut.
pub fn recover(dir: &Path) -> Result<Recovered, JournalError> {
    recover_on(&*disk::real(), dir)
}

/// [`recover`] on another disk.
///
/// # Errors
/// As [`recover`].
pub fn recover_on(disk: &dyn Disk, dir: &Path) -> Result<Recovered, JournalError> {
    let (recovered, tail) = recover_tail(disk, dir)?;
    if recovered.sealed.is_some() {
        for number in tail.unpacked.iter().copied().chain(tail.plain.map(|(number, _)| number)) {
            pack::pack(disk, dir, number)?;
        }
    }
    Ok(recovered)
}

pub(super) fn recover_tail(disk: &dyn Disk, dir: &Path) -> Result<(Recovered, Tail), JournalError> {
    let mut listing = folder::list(disk, dir)?;
    let mut recovered = Recovered { parts_removed: listing.parts.len() as u64, ..Recovered::default() };
    pack::settle(disk, dir, &mut listing)?;
    reader::check_numbers(dir, &listing.segments)?;
    let mut segments = listing.segments;
    let mut tail = Tail { chain: Chain::default(), plain: None, last: 0, unpacked: Vec::new() };
    while let Some(&last) = segments.last() {
        if let Some((chain, end)) = last_segment(disk, dir, last, &mut recovered)? {
            tail.chain = chain;
            tail.last = last.number;
            tail.plain = last.plain.then_some((last.number, end));
            tail.unpacked = segments.iter().filter(|s| s.plain && s.number != last.number).map(|s| s.number).collect();
            recovered.records = chain.records;
            recovered.last_seq = Some(chain.last_seq);
            recovered.sealed = chain.seal;
            break;
        }
        segments.pop();
    }
    if disk.is_dir(dir) {
        folder::sync(disk, dir)?;
    }
    Ok((recovered, tail))
}

/// Reads the last segment to its end and cuts there. A segment without a whole record is removed: `None`.
fn last_segment(
    disk: &dyn Disk,
    dir: &Path,
    last: Listed,
    recovered: &mut Recovered,
) -> Result<Option<(Chain, u64)>, JournalError> {
    let path = folder::plain_path(dir, last.number);
    if let Some(unborn) = reader::unborn(disk, dir, &[last])? {
        let count = if unborn.wrong.is_some() { &mut recovered.damaged_bytes } else { &mut recovered.torn_bytes };
        *count += unborn.bytes;
        folder::remove(disk, &path)?;
        return Ok(None);
    }
    let mut stream = reader::open_segment(disk, dir, last)?;
    let mut block = Block::default();
    loop {
        match stream.next(&mut block)? {
            Step::Records => {}
            Step::End => break,
            Step::Broken(broken) => {
                if broken.more_after || !last.plain {
                    let what = broken.wrong.unwrap_or("a record breaks off");
                    return Err(JournalError::corrupt(stream.path(), broken.offset, what));
                }
                let count =
                    if broken.wrong.is_some() { &mut recovered.damaged_bytes } else { &mut recovered.torn_bytes };
                *count += broken.bytes;
                cut(disk, &path, broken.offset)?;
                break;
            }
        }
    }
    let mut chain = *stream.chain();
    if let Some(packed) = stream.packed() {
        chain.last_seq = chain.last_seq.max(packed.last_seq);
    } else if stream.offset() == PLAIN_LEN as u64 {
        folder::remove(disk, &path)?;
        return Ok(None);
    }
    Ok(Some((chain, stream.offset())))
}

fn cut(disk: &dyn Disk, path: &Path, len: u64) -> Result<(), JournalError> {
    disk.open(path, Open::Cut)
        .and_then(|file| file.cut(len).and_then(|()| file.sync_all()))
        .map_err(|e| JournalError::io("cut the torn end of", path, e))
}
