//! Reads one segment, plain or compressed, in blocks of whole, checked records.

use super::frame::{self, Check, Frame, Salt};
use super::header::{PACKED_LEN, PLAIN_LEN, PackedHeader, PlainHeader};
use super::{JournalError, Kind};
use crate::disk::{Disk, Sequential};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes that a block aims at: fits the second-level cache, and is long enough to make a hand-over to another thread cheap.
const BLOCK: usize = 256 << 10;
const COMPRESSED_CHUNK: usize = 128 << 10;

/// What a run of records adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Records so far, over all segments.
    pub records: u64,
    /// Sum of their digests.
    pub digest: u64,
    /// Sequence number of the last one.
    pub last_seq: u64,
    /// Count and digest in the seal, once there is one.
    pub seal: Option<(u64, u64)>,
}

impl Chain {
    #[inline]
    pub fn take(&mut self, frame: &Frame) {
        self.records += 1;
        self.digest = self.digest.wrapping_add(frame.digest());
        self.last_seq = frame.seq;
    }
}

/// Bytes that the seal's record puts before the caller's: count and digest.
pub(super) const SEAL_HEAD: usize = 16;

/// Count, digest and the caller's bytes of a seal's body.
pub(super) fn seal_parts(body: &[u8]) -> Option<(u64, u64, &[u8])> {
    let (count, rest) = body.split_first_chunk::<8>()?;
    let (digest, rest) = rest.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*count), u64::from_le_bytes(*digest), rest))
}

/// Whole records in a row, checked.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Memory; grows once.
    bytes: Vec<u8>,
    /// How much of it has been read.
    filled: usize,
    /// Where the next record begins.
    at: usize,
    /// Where the records end.
    end: usize,
}

impl Block {
    /// The next record of the block.
    #[inline]
    pub fn next(&mut self) -> Option<(Frame, std::ops::Range<usize>)> {
        if self.at >= self.end {
            return None;
        }
        let frame = frame::whole(&self.bytes[self.at..]);
        let body = self.at + frame::FRAME..self.at + frame.total();
        self.at = body.end;
        Some((frame, body))
    }

    #[inline]
    pub fn slice(&self, range: std::ops::Range<usize>) -> &[u8] {
        &self.bytes[range]
    }

    /// All records as they lie on disk.
    pub fn records(&self) -> &[u8] {
        &self.bytes[..self.end]
    }
}

/// What [`SegmentStream::next`] came to.
#[derive(Debug)]
pub(super) enum Step {
    /// The block holds records.
    Records,
    /// The segment ends here, as it should.
    End,
    /// What stands here is not a whole record.
    Broken(Broken),
}

/// A place where a segment breaks off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Where, in the plain form.
    pub offset: u64,
    /// Bytes from there to the end.
    pub bytes: u64,
    /// `None` for a record that breaks off at the end of the file; else what is wrong with it.
    pub wrong: Option<&'static str>,
    /// True when a whole record comes after it.
    pub more_after: bool,
}

/// One segment being read.
pub(super) struct SegmentStream {
    path: PathBuf,
    input: Input,
    packed: Option<PackedHeader>,
    header: PlainHeader,
    salt: Salt,
    chain: Chain,
    /// Where the next record stands in the plain form.
    offset: u64,
    /// Read, and not yet handed out.
    carry: Vec<u8>,
    at_end: bool,
}

impl SegmentStream {
    /// Opens a plain segment and checks its head.
    pub fn open_plain(disk: &dyn Disk, path: &Path, number: u64) -> Result<Self, JournalError> {
        Self::open(path, number, Input::Plain(open_file(disk, path)?), None)
    }

    /// Opens a compressed segment and checks both its heads.
    pub fn open_packed(disk: &dyn Disk, path: &Path, number: u64) -> Result<Self, JournalError> {
        let (file, packed) = open_packed(disk, path, number)?;
        let payload =
            Payload { file: file.take(packed.payload_len), crc: crc32fast::Hasher::new(), bytes: 0, refused: false };
        let decoder = zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(COMPRESSED_CHUNK, payload))
            .map_err(|e| JournalError::io("unpack", path, e))?;
        Self::open(path, number, Input::Packed(Box::new(decoder)), Some(packed))
    }

    fn open(path: &Path, number: u64, input: Input, packed: Option<PackedHeader>) -> Result<Self, JournalError> {
        let mut stream = Self {
            path: path.to_owned(),
            input,
            packed,
            header: PlainHeader { segment: number, first_seq: 0, records_before: 0, digest_before: 0 },
            salt: Salt::of_segment(number),
            chain: Chain::default(),
            offset: PLAIN_LEN as u64,
            carry: Vec::new(),
            at_end: false,
        };
        let mut bytes = [0; PLAIN_LEN];
        if stream.read(&mut bytes)? < PLAIN_LEN {
            return Err(JournalError::corrupt(path, 0, "the segment's head breaks off"));
        }
        stream.header = PlainHeader::read(&bytes, path, number)?;
        let (dropped, dropped_digest) = packed.map_or((0, 0), |p| (p.dropped, p.dropped_digest));
        stream.chain = Chain {
            records: stream.header.records_before + dropped,
            digest: stream.header.digest_before.wrapping_add(dropped_digest),
            last_seq: stream.header.first_seq,
            seal: None,
        };
        if packed.is_some_and(|p| p.first_seq != stream.header.first_seq) {
            return Err(JournalError::corrupt(path, 0, "the two heads of the segment differ"));
        }
        Ok(stream)
    }

    pub const fn header(&self) -> &PlainHeader {
        &self.header
    }

    /// What all records up to here add up to.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    pub const fn packed(&self) -> Option<&PackedHeader> {
        self.packed.as_ref()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the next record stands in the plain form.
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The next records.
    pub fn next(&mut self, block: &mut Block) -> Result<Step, JournalError> {
        (block.at, block.end, block.filled) = (0, 0, self.carry.len());
        block.bytes.resize(block.bytes.len().max(BLOCK).max(self.carry.len()), 0);
        block.bytes[..self.carry.len()].copy_from_slice(&self.carry);
        self.carry.clear();
        let mut wrong = None;
        loop {
            if !self.at_end && block.filled < block.bytes.len() {
                let read = self.read(&mut block.bytes[block.filled..])?;
                block.filled += read;
                self.at_end = block.filled < block.bytes.len();
            }
            match self.check(block) {
                Found::Longer(total) if block.end == 0 && !self.at_end => block.bytes.resize(total + BLOCK, 0),
                Found::Longer(_) => break,
                Found::Wrong(error) if block.end == 0 => return Err(error),
                Found::Wrong(_) => break,
                Found::Damaged(what) => {
                    wrong = Some(what);
                    break;
                }
            }
        }
        self.carry.extend_from_slice(&block.bytes[block.end..block.filled]);
        if block.end > 0 {
            self.offset += block.end as u64;
            return Ok(Step::Records);
        }
        if self.carry.is_empty() {
            self.check_end()?;
            return Ok(Step::End);
        }
        self.broken(wrong).map(Step::Broken)
    }

    /// Takes in all whole records of the block, and says what stands behind them.
    fn check(&mut self, block: &mut Block) -> Found {
        loop {
            let offset = self.offset + block.end as u64;
            let frame = match frame::check(&block.bytes[block.end..block.filled], self.salt, offset) {
                Check::Whole(frame) => frame,
                Check::Partial(total) => return Found::Longer(total),
                Check::Wrong(what) => return Found::Damaged(what),
            };
            let Some(kind) = Kind::from_number(frame.kind) else {
                return Found::Wrong(JournalError::UnknownKind { path: self.path.clone(), offset, kind: frame.kind });
            };
            let wrong = |what| Found::Wrong(JournalError::corrupt(&self.path, offset, what));
            if self.chain.seal.is_some() {
                return wrong("a record after the seal");
            }
            if frame.seq < self.chain.last_seq {
                return wrong("the sequence number goes back");
            }
            if kind == Kind::Seal {
                let body = &block.bytes[block.end + frame::FRAME..block.end + frame.total()];
                match seal_parts(body) {
                    Some((count, digest, _)) if (count, digest) == (self.chain.records, self.chain.digest) => {
                        self.chain.seal = Some((count, digest));
                    }
                    _ => return wrong("the seal's count and digest are not those of the records"),
                }
            }
            self.chain.take(&frame);
            block.end += frame.total();
        }
    }

    /// What a whole compressed segment promises about itself.
    fn check_end(&self) -> Result<(), JournalError> {
        let (Input::Packed(decoder), Some(packed)) = (&self.input, &self.packed) else { return Ok(()) };
        let payload = decoder.get_ref().get_ref();
        let records = self.chain.records - self.header.records_before - packed.dropped;
        let last_seq_fits = if packed.thinned {
            self.chain.last_seq <= packed.last_seq
        } else {
            self.chain.last_seq == packed.last_seq
        };
        let what = if payload.bytes != packed.payload_len || payload.crc.clone().finalize() != packed.payload_crc {
            "the compressed bytes do not have their checksum"
        } else if self.offset != packed.plain_len || records != packed.records || !last_seq_fits {
            "the segment's contents are not what its head says"
        } else {
            return Ok(());
        };
        Err(JournalError::corrupt(&self.path, PACKED_LEN as u64, what))
    }

    fn broken(&mut self, wrong: Option<&'static str>) -> Result<Broken, JournalError> {
        let mut rest = std::mem::take(&mut self.carry);
        while !self.at_end {
            let from = rest.len();
            rest.resize(from + BLOCK, 0);
            let read = self.read(&mut rest[from..])?;
            rest.truncate(from + read);
            self.at_end = read < BLOCK;
        }
        // A length with a right checksum that reaches beyond the end was written so: nothing of this record's body is a record.
        let more_after = wrong.is_some() && frame::find_whole(&rest[1..], self.salt, self.offset + 1).is_some();
        Ok(Broken { offset: self.offset, bytes: rest.len() as u64, wrong, more_after })
    }

    /// Reads until `out` is full or the segment ends.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, JournalError> {
        let mut filled = 0;
        while filled < out.len() {
            let read = match &mut self.input {
                Input::Plain(file) => file.read(&mut out[filled..]),
                Input::Packed(decoder) => decoder.read(&mut out[filled..]),
            };
            match read {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.read_error(error)),
            }
        }
        Ok(filled)
    }

    fn read_error(&self, error: io::Error) -> JournalError {
        match &self.input {
            Input::Packed(decoder) if !decoder.get_ref().get_ref().refused => {
                let offset = PACKED_LEN as u64 + decoder.get_ref().get_ref().bytes;
                JournalError::corrupt(&self.path, offset, "the compressed bytes up to here do not unpack")
            }
            _ => JournalError::io("read", &self.path, error),
        }
    }
}

/// Opens a compressed segment, checks its head and that the file has the length that it says.
pub(super) fn open_packed(
    disk: &dyn Disk,
    path: &Path,
    number: u64,
) -> Result<(Sequential, PackedHeader), JournalError> {
    let mut file = open_file(disk, path)?;
    let mut bytes = [0; PACKED_LEN];
    file.read_exact(&mut bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => JournalError::corrupt(path, 0, "the segment's head breaks off"),
        _ => JournalError::io("read", path, error),
    })?;
    let packed = PackedHeader::read(&bytes, path, number)?;
    let len = file.file.size().map_err(|e| JournalError::io("read", path, e))?;
    if len != packed.payload_len.saturating_add(PACKED_LEN as u64) {
        return Err(JournalError::corrupt(path, len, "the file's length is not what its head says"));
    }
    Ok((file, packed))
}

fn open_file(disk: &dyn Disk, path: &Path) -> Result<Sequential, JournalError> {
    Sequential::open(disk, path).map_err(|e| JournalError::io("open", path, e))
}

/// What stands behind the whole records of a block.
enum Found {
    /// The beginning of a record of so many bytes.
    Longer(usize),
    /// A whole record that must not stand here.
    Wrong(JournalError),
    /// No record.
    Damaged(&'static str),
}

enum Input {
    Plain(Sequential),
    Packed(Box<zstd::stream::read::Decoder<'static, BufReader<Payload>>>),
}

/// The compressed bytes, counted and summed on their way.
struct Payload {
    file: io::Take<Sequential>,
    crc: crc32fast::Hasher,
    bytes: u64,
    /// True when the system, and not the contents, is the reason of an error.
    refused: bool,
}

impl Read for Payload {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out);
        match &read {
            Ok(read) => {
                self.crc.update(&out[..*read]);
                self.bytes += *read as u64;
            }
            Err(error) => self.refused = error.kind() != io::ErrorKind::Interrupted,
        }
        read
    }
}
