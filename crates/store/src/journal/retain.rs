//! Retention: old segments without the records that are not kept forever.

use super::folder::{self, Listed};
use super::header::PackedHeader;
use super::segment::open_packed;
use super::{Class, JournalError, Kind, pack};
use crate::disk::{self, Disk};
use std::path::Path;

/// From when on records are kept whole. Orders, reports, configuration and the like ([`Class::Permanent`]) are kept always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which segments are old enough.
    pub limit: Limit,
    /// Sequence number of the oldest snapshot that is kept: what a resume or an explanation from there needs stays whole. Without a
    /// snapshot (`None`) everything is needed, and nothing is removed.
    pub oldest_snapshot_seq: Option<u64>,
}

/// What counts as old.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Segments all of whose records have a lower sequence number.
    BeforeSeq(u64),
    /// All segments but the newest so many.
    KeepSegments(usize),
}

/// What retention did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Segments that were gone through and written anew.
    pub segments: u64,
    /// Records that were removed.
    pub records: u64,
    /// Bytes of these segments before.
    pub bytes_before: u64,
    /// And after.
    pub bytes_after: u64,
}

/// Removes records of [`Class::Expiring`] from compressed segments older than the policy's limit and than the oldest kept snapshot.
///
/// Each segment is written aside and renamed; its head then says how many records are gone and what they added to the digest, so that the
/// journal still adds up. It may run while a writer appends: that one only touches the newest segments.
///
/// # Errors
/// [`JournalError`]; segments before the one in question are done, this and later ones are as they were.
pub fn retain(dir: &Path, policy: &Policy) -> Result<Retained, JournalError> {
    let mut done = Retained::default();
    let Some(snapshot) = policy.oldest_snapshot_seq else { return Ok(done) };
    let disk = &*disk::real();
    let segments = folder::list(disk, dir)?.segments;
    let newest_kept = match policy.limit {
        Limit::BeforeSeq(_) => 0,
        Limit::KeepSegments(count) => count,
    };
    let old = &segments[..segments.len().saturating_sub(newest_kept)];
    for &segment in old.iter().filter(|s| s.packed && !s.plain) {
        let path = folder::packed_path(dir, segment.number);
        let (_, head) = open_packed(disk, &path, segment.number)?;
        let old_enough = head.last_seq < snapshot
            && match policy.limit {
                Limit::BeforeSeq(seq) => head.last_seq < seq,
                Limit::KeepSegments(_) => true,
            };
        if old_enough && !head.thinned {
            thin(disk, dir, segment, &head, &mut done)?;
        }
    }
    Ok(done)
}

fn thin(
    disk: &dyn Disk,
    dir: &Path,
    segment: Listed,
    head: &PackedHeader,
    done: &mut Retained,
) -> Result<(), JournalError> {
    done.records += pack::rewrite(disk, dir, segment, Some(|kind: Kind| kind.class() == Class::Permanent))?;
    done.segments += 1;
    done.bytes_before += head.payload_len;
    done.bytes_after += open_packed(disk, &folder::packed_path(dir, segment.number), segment.number)?.1.payload_len;
    Ok(())
}
