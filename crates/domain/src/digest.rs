//! A running fingerprint of what was decided, and of state.
//!
//! Equal digests mean that two runs saw the same inputs and said the same commands. It is a fast 128-bit mixing function, for
//! comparing runs; it is not made to resist somebody who wants two different runs to look alike (the audit log has its own hash chain).

use crate::stored_struct;
use std::fmt;

/// Multipliers of the two lanes: odd, with well mixed bits (the fractions of the golden ratio and of the square root of 2).
const K1: u64 = 0x9E37_79B9_7F4A_7C15;
const K2: u64 = 0x6A09_E667_F3BC_C909;

/// A 128-bit running digest of 64-bit words, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    a: u64,
    b: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { a: K1, b: K2 }
    }
}

impl Digest {
    /// Takes in one word.
    #[inline]
    pub fn word(&mut self, word: u64) {
        // Each lane is a bijection of its own state for a given word, so no word is ever forgotten.
        self.a = (self.a ^ word).wrapping_mul(K1).rotate_left(29);
        self.b = (self.b.rotate_left(23) ^ word).wrapping_mul(K2);
    }

    /// Takes in a signed 64-bit number.
    #[inline]
    pub fn int(&mut self, value: i64) {
        self.word(value as u64);
    }

    /// Takes in a 128-bit number.
    #[inline]
    pub fn wide(&mut self, value: i128) {
        self.word(value as u64);
        self.word((value >> 64) as u64);
    }

    /// Takes in a float by its bits; every NaN counts as one.
    #[inline]
    pub fn float(&mut self, value: f64) {
        self.word(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() });
    }

    /// Takes in bytes, with their number.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.word(u64::from_le_bytes(word));
        }
    }

    /// The digest so far, finished: every bit depends on every word.
    #[must_use]
    pub fn value(&self) -> u128 {
        let mix = |mut x: u64| {
            x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            x = (x ^ (x >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            x ^ (x >> 32)
        };
        let high = mix(self.a ^ self.b.rotate_left(32));
        let low = mix(self.b.wrapping_add(high));
        (u128::from(high) << 64) | u128::from(low)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

stored_struct!(Digest { a, b });

/// State that can be taken into a digest.
pub trait Digestible {
    /// Takes every part of the state that later behaviour depends on into `digest`.
    fn digest(&self, digest: &mut Digest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[u64]) -> u128 {
        let mut digest = Digest::default();
        words.iter().for_each(|&w| digest.word(w));
        digest.value()
    }

    #[test]
    fn order_number_and_every_bit_count() {
        let base = of(&[1, 2, 3]);
        assert_eq!(base, of(&[1, 2, 3]));
        for other in [&[1u64, 3, 2][..], &[1, 2], &[1, 2, 3, 0], &[0, 1, 2, 3]] {
            assert_ne!(base, of(other));
        }
        for bit in 0..64 {
            let changed = of(&[1, 2 ^ (1 << bit), 3]);
            let distance = (base ^ changed).count_ones();
            assert!((30..=98).contains(&distance), "bit {bit} moved only {distance} bits");
        }
    }

    #[test]
    fn bytes_count_their_number() {
        let mut a = Digest::default();
        let mut b = Digest::default();
        a.bytes(b"ab");
        b.bytes(b"ab\0");
        assert_ne!(a, b);
        assert_eq!(a.to_string().len(), 32);
    }
}
