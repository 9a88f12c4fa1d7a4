//! One record on disk: its frame, written and checked.
//!
//! ```text
//! len u32 | len_check u32 | crc u32 | kind u8 | version u8 | seq u64 | body (len bytes)          little-endian
//! ```
//!
//! `len_check` covers the length, salted with the segment's number and the frame's place in it. A length that passes is the length that was
//! written, here: so a frame that ends beyond the end of the file is a torn tail and not an alteration, and after an alteration the next
//! whole record can be found byte by byte. `crc` covers everything after itself.

use super::Kind;

/// Bytes of a frame without its body.
pub(super) const FRAME: usize = 22;

/// The longest body.
pub(super) const BODY_MAX: usize = 256 << 20;

/// Where the part begins that `crc` covers.
const COVERED: usize = 12;

/// What the frames of one segment are salted with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Salt(u32);

impl Salt {
    pub fn of_segment(number: u64) -> Self {
        Self(crc32fast::hash(&number.to_le_bytes()))
    }

    #[inline]
    fn length_check(self, len: u32, offset: u64) -> u32 {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        // A segment is far below 4 GiB; beyond, the low half is as good a salt.
        bytes[4..].copy_from_slice(&(offset as u32).to_le_bytes());
        crc32fast::hash(&bytes) ^ self.0
    }
}

/// A checked frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub kind: u8,
    pub version: u8,
    pub seq: u64,
    pub body: usize,
    crc: u32,
}

impl Frame {
    /// Bytes of the whole record.
    pub const fn total(&self) -> usize {
        FRAME + self.body
    }

    /// This record's part of the journal's digest.
    ///
    /// The digest is the sum of these over all records, so that retention can take the part of what it removes out of one segment and
    /// still show that nothing else is missing. It stands against damage, not against someone who forges (the audit log has a hash chain).
    #[inline]
    pub const fn digest(&self) -> u64 {
        let word = self.crc as u64 | (self.body as u64) << 32;
        let mut x = word.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ self.seq.wrapping_mul(0xD6E8_FEB8_6659_FD93);
        x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        x ^ (x >> 29)
    }
}

/// Fills in the frame whose [`FRAME`] bytes and body begin `record`.
#[inline]
pub(super) fn fill(record: &mut [u8], salt: Salt, offset: u64, kind: u8, version: u8, seq: u64) -> Frame {
    let body = record.len() - FRAME;
    let len = body as u32;
    record[12] = kind;
    record[13] = version;
    record[14..22].copy_from_slice(&seq.to_le_bytes());
    let crc = crc32fast::hash(&record[COVERED..]);
    record[..4].copy_from_slice(&len.to_le_bytes());
    record[4..8].copy_from_slice(&salt.length_check(len, offset).to_le_bytes());
    record[8..12].copy_from_slice(&crc.to_le_bytes());
    Frame { kind, version, seq, body, crc }
}

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Check {
    /// A whole record with right checksums.
    Whole(Frame),
    /// The beginning of a record that has this many bytes (or of one whose length is not there yet).
    Partial(usize),
    /// No record.
    Wrong(&'static str),
}

/// Checks what stands at `offset` of the segment, given the bytes from there on.
#[inline]
pub(super) fn check(bytes: &[u8], salt: Salt, offset: u64) -> Check {
    let Some((&[a, b, c, d, e, f, g, h], rest)) = bytes.split_first_chunk::<8>() else {
        return Check::Partial(FRAME);
    };
    let len = u32::from_le_bytes([a, b, c, d]);
    if salt.length_check(len, offset) != u32::from_le_bytes([e, f, g, h]) || len as usize > BODY_MAX {
        return Check::Wrong("a record's length does not have its checksum");
    }
    let body = len as usize;
    if bytes.len() < FRAME + body {
        return Check::Partial(FRAME + body);
    }
    let (stored, frame) = (whole(bytes), &rest[..FRAME - 8 + body]);
    if crc32fast::hash(&frame[COVERED - 8..]) != stored.crc {
        return Check::Wrong("a record does not have its checksum");
    }
    Check::Whole(stored)
}

/// The frame of a record known to be whole.
#[inline]
pub(super) fn whole(bytes: &[u8]) -> Frame {
    let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let seq = u64::from(u32_at(14)) | u64::from(u32_at(18)) << 32;
    Frame { kind: bytes[12], version: bytes[13], seq, body: u32_at(0) as usize, crc: u32_at(8) }
}

/// Where the first whole record of a known kind begins in `bytes`, which stand at `offset` of the segment.
pub(super) fn find_whole(bytes: &[u8], salt: Salt, offset: u64) -> Option<usize> {
    (0..bytes.len()).find(|&at| match check(&bytes[at..], salt, offset + at as u64) {
        Check::Whole(frame) => Kind::from_number(frame.kind).is_some(),
        Check::Partial(_) | Check::Wrong(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &[u8], offset: u64) -> Vec<u8> {
        let mut bytes = vec![0; FRAME];
        bytes.extend_from_slice(body);
        fill(&mut bytes, Salt::of_segment(7), offset, 16, 1, 0x0102_0304_0506_0708);
        bytes
    }

    #[test]
    fn every_single_byte_flip_is_found() {
        let good = record(b"a body of some bytes", 99);
        let Check::Whole(frame) = check(&good, Salt::of_segment(7), 99) else { panic!("good record") };
        assert_eq!((frame.kind, frame.version, frame.seq, frame.body), (16, 1, 0x0102_0304_0506_0708, 20));
        for at in 0..good.len() {
            for bits in 1..=u8::MAX {
                let mut bad = good.clone();
                bad[at] ^= bits;
                assert!(matches!(check(&bad, Salt::of_segment(7), 99), Check::Wrong(_)), "byte {at} ^ {bits}");
            }
        }
    }

    #[test]
    fn a_record_counts_in_its_place_only() {
        let good = record(b"body", 99);
        assert!(matches!(check(&good, Salt::of_segment(7), 98), Check::Wrong(_)));
        assert!(matches!(check(&good, Salt::of_segment(8), 99), Check::Wrong(_)));
    }

    #[test]
    fn a_cut_record_is_partial_and_knows_its_length() {
        let good = record(b"body", 0);
        for len in 0..good.len() {
            let expected = if len < 8 { FRAME } else { good.len() };
            assert_eq!(check(&good[..len], Salt::of_segment(7), 0), Check::Partial(expected), "{len} bytes");
        }
    }

    #[test]
    fn the_next_whole_record_is_found() {
        let mut bytes = b"damaged bytes".to_vec();
        let next = record(b"next", 100 + 13);
        bytes.extend_from_slice(&next);
        assert_eq!(find_whole(&bytes, Salt::of_segment(7), 100), Some(13));
        assert_eq!(find_whole(&bytes[..bytes.len() - 1], Salt::of_segment(7), 100), None);
    }
}
