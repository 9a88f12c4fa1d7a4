//! Heads of segment files: plain and compressed.

use super::JournalError;
use std::path::Path;

/// Version of the format that this build writes and reads.
pub const FORMAT: u16 = 1;

const PLAIN_MAGIC: [u8; 8] = *b"bot4jrnl";
const PACKED_MAGIC: [u8; 8] = *b"bot4jrnz";

/// Bytes of a plain segment's head.
pub(super) const PLAIN_LEN: usize = 52;
/// Bytes of a compressed segment's head.
pub(super) const PACKED_LEN: usize = 88;

/// Head of a plain segment, and of the plain form inside a compressed one.
///
/// `magic | format u16 | 0 u16 | head bytes u32 | segment u64 | first seq u64 | records before u64 | digest before u64 | crc u32`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlainHeader {
    /// Number of the segment, from 1; also its file's name.
    pub segment: u64,
    /// Sequence number of its first record.
    pub first_seq: u64,
    /// Records in all segments before it.
    pub records_before: u64,
    /// Sum of their digests.
    pub digest_before: u64,
}

impl PlainHeader {
    pub fn bytes(&self) -> [u8; PLAIN_LEN] {
        let mut out = [0; PLAIN_LEN];
        let mut put = Put { out: &mut out, at: 0 };
        put.begin(PLAIN_MAGIC, 0, PLAIN_LEN);
        for word in [self.segment, self.first_seq, self.records_before, self.digest_before] {
            put.bytes(&word.to_le_bytes());
        }
        put.crc();
        out
    }

    pub fn read(bytes: &[u8; PLAIN_LEN], path: &Path, segment: u64) -> Result<Self, JournalError> {
        let mut take = begin(bytes, PLAIN_MAGIC, path, segment)?;
        Ok(Self { segment: take.u64(), first_seq: take.u64(), records_before: take.u64(), digest_before: take.u64() })
    }
}

/// Head of a compressed segment.
///
/// `magic | format u16 | flags u16 | head bytes u32 | segment | first seq | last seq | plain bytes | payload bytes | records | dropped records
/// | dropped digest (u64 each) | payload crc u32 | crc u32`; flag 1: thinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedHeader {
    /// Number of the segment.
    pub segment: u64,
    /// Sequence number of its first record (before thinning).
    pub first_seq: u64,
    /// Sequence number of its last record (before thinning).
    pub last_seq: u64,
    /// Bytes of the plain form.
    pub plain_len: u64,
    /// Bytes after this head.
    pub payload_len: u64,
    /// Records in it.
    pub records: u64,
    /// Records that retention removed from it.
    pub dropped: u64,
    /// Sum of their digests.
    pub dropped_digest: u64,
    /// Checksum of the bytes after this head.
    pub payload_crc: u32,
    /// True when retention has been through it.
    pub thinned: bool,
}

impl PackedHeader {
    pub fn bytes(&self) -> [u8; PACKED_LEN] {
        let mut out = [0; PACKED_LEN];
        let mut put = Put { out: &mut out, at: 0 };
        put.begin(PACKED_MAGIC, u16::from(self.thinned), PACKED_LEN);
        for word in [
            self.segment,
            self.first_seq,
            self.last_seq,
            self.plain_len,
            self.payload_len,
            self.records,
            self.dropped,
            self.dropped_digest,
        ] {
            put.bytes(&word.to_le_bytes());
        }
        put.bytes(&self.payload_crc.to_le_bytes());
        put.crc();
        out
    }

    pub fn read(bytes: &[u8; PACKED_LEN], path: &Path, segment: u64) -> Result<Self, JournalError> {
        let mut take = begin(bytes, PACKED_MAGIC, path, segment)?;
        Ok(Self {
            thinned: take.flags & 1 == 1,
            segment: take.u64(),
            first_seq: take.u64(),
            last_seq: take.u64(),
            plain_len: take.u64(),
            payload_len: take.u64(),
            records: take.u64(),
            dropped: take.u64(),
            dropped_digest: take.u64(),
            payload_crc: take.u32(),
        })
    }
}

/// Checks what both heads have in common: magic, format, checksum, number.
fn begin<'a, const N: usize>(
    bytes: &'a [u8; N],
    magic: [u8; 8],
    path: &Path,
    segment: u64,
) -> Result<Take<'a>, JournalError> {
    let mut take = Take { bytes, at: 8, flags: 0 };
    if bytes[..8] != magic {
        return Err(JournalError::corrupt(path, 0, "not the head of a segment"));
    }
    let format = take.u16();
    if format != FORMAT {
        return Err(JournalError::OtherFormat { path: path.to_owned(), found: format, expected: FORMAT });
    }
    take.flags = take.u16();
    let length = take.u32();
    let (head, crc) = bytes.split_at(N - 4);
    if crc != crc32fast::hash(head).to_le_bytes() || length as usize != N {
        return Err(JournalError::corrupt(path, 0, "the segment's head does not have its checksum"));
    }
    if bytes[16..24] != segment.to_le_bytes() {
        return Err(JournalError::corrupt(path, 16, "the segment's number is not that of its file"));
    }
    Ok(take)
}

struct Put<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Put<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.out[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn begin(&mut self, magic: [u8; 8], flags: u16, len: usize) {
        self.bytes(&magic);
        self.bytes(&FORMAT.to_le_bytes());
        self.bytes(&flags.to_le_bytes());
        self.bytes(&(len as u32).to_le_bytes());
    }

    fn crc(&mut self) {
        let crc = crc32fast::hash(&self.out[..self.at]);
        self.bytes(&crc.to_le_bytes());
    }
}

struct Take<'a> {
    bytes: &'a [u8],
    at: usize,
    flags: u16,
}

impl Take<'_> {
    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[self.at..self.at + N]);
        self.at += N;
        out
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_go_both_ways_and_no_flip_passes() {
        let path = Path::new("3.seg");
        let plain = PlainHeader { segment: 3, first_seq: 17, records_before: 99, digest_before: u64::MAX - 5 };
        let bytes = plain.bytes();
        assert_eq!(PlainHeader::read(&bytes, path, 3).unwrap(), plain);
        assert!(PlainHeader::read(&bytes, path, 4).is_err(), "another number");
        let packed = PackedHeader {
            segment: 3,
            first_seq: 17,
            last_seq: 20,
            plain_len: 1_000,
            payload_len: 100,
            records: 9,
            dropped: 1,
            dropped_digest: 77,
            payload_crc: 0xDEAD_BEEF,
            thinned: true,
        };
        let packed_bytes = packed.bytes();
        assert_eq!(PackedHeader::read(&packed_bytes, path, 3).unwrap(), packed);
        for bit in 0..PLAIN_LEN * 8 {
            let mut bad = bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(PlainHeader::read(&bad, path, 3).is_err(), "bit {bit}");
        }
        for bit in 0..PACKED_LEN * 8 {
            let mut bad = packed_bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(PackedHeader::read(&bad, path, 3).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn another_format_names_both() {
        let mut bytes = PlainHeader { segment: 1, first_seq: 1, records_before: 0, digest_before: 0 }.bytes();
        bytes[8] = 9;
        let error = PlainHeader::read(&bytes, Path::new("a.seg"), 1).unwrap_err();
        assert!(matches!(error, JournalError::OtherFormat { found: 9, expected: FORMAT, .. }), "{error}");
    }
}
