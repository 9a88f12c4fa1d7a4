//! Compressing a segment, with or without what retention removes: written aside, synced, renamed.

use super::folder::{self, Listed};
use super::frame::{self, Frame};
use super::header::{PACKED_LEN, PLAIN_LEN, PackedHeader};
use super::reader::{open_segment, packed_is_whole};
use super::segment::{Block, Step};
use super::{JournalError, Kind};
use crate::disk::{Disk, DiskFile, Open};
use crate::failpoint;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

/// Level of compression: journals are written once and mostly never read, but by the machine that trades.
const LEVEL: i32 = 1;

/// Which records a rewritten segment keeps.
pub(super) type Keep = fn(Kind) -> bool;

/// Compresses a plain segment and removes the plain form.
pub(super) fn pack(disk: &dyn Disk, dir: &Path, number: u64) -> Result<(), JournalError> {
    let listed = Listed { number, plain: true, packed: false };
    rewrite(disk, dir, listed, None)?;
    folder::remove(disk, &folder::plain_path(dir, number))
}

/// Writes the segment compressed, without the records that are not to be kept, in place of what is there. Returns how many it left out.
pub(super) fn rewrite(disk: &dyn Disk, dir: &Path, listed: Listed, keep: Option<Keep>) -> Result<u64, JournalError> {
    let part = folder::part_path(dir, listed.number);
    let written = write_part(disk, dir, listed, keep, &part);
    if written.is_err() {
        // Best effort: what stays is removed by the next recovery.
        drop(folder::remove(disk, &part));
    }
    let dropped = written?;
    let path = folder::packed_path(dir, listed.number);
    disk.rename(&part, &path).map_err(|e| JournalError::io("rename to", &path, e))?;
    folder::sync(disk, dir)?;
    Ok(dropped)
}

fn write_part(
    disk: &dyn Disk,
    dir: &Path,
    listed: Listed,
    keep: Option<Keep>,
    part: &Path,
) -> Result<u64, JournalError> {
    let wrong = |e| JournalError::io("write", part, e);
    let mut stream = open_segment(disk, dir, listed)?;
    let source = *stream.header();
    let before = stream.packed().copied();
    let file = disk.open(part, Open::Truncate).map_err(wrong)?;
    file.write(&[0; PACKED_LEN]).map_err(wrong)?;
    let sum = Summed { file, crc: crc32fast::Hasher::new(), bytes: 0 };
    let mut encoder = zstd::stream::write::Encoder::new(sum, LEVEL).map_err(wrong)?;
    encoder.write_all(&source.bytes()).map_err(wrong)?;
    let mut head = PackedHeader {
        segment: source.segment,
        first_seq: source.first_seq,
        last_seq: source.first_seq,
        plain_len: PLAIN_LEN as u64,
        payload_len: 0,
        records: 0,
        dropped: before.map_or(0, |p| p.dropped),
        dropped_digest: before.map_or(0, |p| p.dropped_digest),
        payload_crc: 0,
        thinned: keep.is_some() || before.is_some_and(|p| p.thinned),
    };
    let (mut block, mut kept) = (Block::default(), Vec::new());
    loop {
        match stream.next(&mut block)? {
            Step::Records => {}
            Step::End => break,
            Step::Broken(broken) => {
                let what = broken.wrong.unwrap_or("a record breaks off");
                return Err(JournalError::corrupt(stream.path(), broken.offset, what));
            }
        }
        let bytes = match keep {
            None => block.records(),
            Some(keep) => {
                thin(&mut block, keep, &mut head, &mut kept);
                &kept
            }
        };
        encoder.write_all(bytes).map_err(wrong)?;
        head.plain_len += bytes.len() as u64;
        failpoint::reach("journal.compress");
    }
    let chain = stream.chain();
    head.records = chain.records - source.records_before - head.dropped;
    head.last_seq = before.map_or(chain.last_seq, |p| p.last_seq);
    let sum = encoder.finish().map_err(wrong)?;
    (head.payload_len, head.payload_crc) = (sum.bytes, sum.crc.finalize());
    sum.file.write_at(&head.bytes(), 0).and_then(|()| sum.file.sync_all()).map_err(wrong)?;
    Ok(head.dropped - before.map_or(0, |p| p.dropped))
}

/// Puts the records to keep at their new places and counts the others.
fn thin(block: &mut Block, keep: Keep, head: &mut PackedHeader, kept: &mut Vec<u8>) {
    kept.clear();
    while let Some((frame, body)) = block.next() {
        if Kind::from_number(frame.kind).is_none_or(keep) {
            let from = kept.len();
            kept.extend_from_slice(&[0; frame::FRAME]);
            kept.extend_from_slice(block.slice(body));
            let offset = head.plain_len + from as u64;
            let salt = frame::Salt::of_segment(head.segment);
            let Frame { .. } = frame::fill(&mut kept[from..], salt, offset, frame.kind, frame.version, frame.seq);
        } else {
            head.dropped += 1;
            head.dropped_digest = head.dropped_digest.wrapping_add(frame.digest());
        }
    }
}

/// Compressed bytes on their way to the file.
struct Summed {
    file: Arc<dyn DiskFile>,
    crc: crc32fast::Hasher,
    bytes: u64,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)?;
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Settles what a crash between renaming and removing left: one form of each segment, and no unfinished file.
pub(super) fn settle(disk: &dyn Disk, dir: &Path, listing: &mut folder::Listing) -> Result<(), JournalError> {
    for part in listing.parts.drain(..) {
        folder::remove(disk, &part)?;
    }
    for segment in listing.segments.iter_mut().filter(|s| s.plain && s.packed) {
        segment.packed = packed_is_whole(disk, dir, segment.number)?;
        segment.plain = !segment.packed;
        let (plain, packed) = (folder::plain_path(dir, segment.number), folder::packed_path(dir, segment.number));
        folder::remove(disk, if segment.packed { &plain } else { &packed })?;
    }
    Ok(())
}

/// Compresses rolled segments on a thread of its own, one after another.
pub(super) struct Packer {
    jobs: Option<Sender<u64>>,
    thread: Option<JoinHandle<Vec<JournalError>>>,
}

impl Packer {
    pub fn start(disk: Arc<dyn Disk>, dir: PathBuf) -> Result<Self, JournalError> {
        let (jobs, queue) = channel();
        let at = dir.clone();
        let thread = std::thread::Builder::new()
            .name("journal-pack".into())
            .spawn(move || run(&*disk, &dir, &queue))
            .map_err(|e| JournalError::io("start a thread to compress", &at, e))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Compresses nothing: segments stay plain until the run is complete.
    pub const fn none() -> Self {
        Self { jobs: None, thread: None }
    }

    /// Compresses this segment when its turn comes.
    pub fn queue(&self, number: u64) {
        if let Some(jobs) = &self.jobs {
            // A thread that is gone leaves the segment plain, which is as good until the end of the run.
            let _ = jobs.send(number);
        }
    }

    /// Waits until everything queued is done. What could not be compressed stays plain.
    pub fn finish(&mut self) -> Vec<JournalError> {
        self.jobs = None;
        self.thread.take().map(|t| t.join().unwrap_or_default()).unwrap_or_default()
    }
}

fn run(disk: &dyn Disk, dir: &Path, queue: &Receiver<u64>) -> Vec<JournalError> {
    queue.iter().filter_map(|number| pack(disk, dir, number).err()).collect()
}
