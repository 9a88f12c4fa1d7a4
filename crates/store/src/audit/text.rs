//! Small pieces of text: hexadecimal numbers and JSON strings, in the one form that this log writes.

use sha2::{Digest as _, Sha256};

/// 32 bytes as they come from SHA-256.
pub type Hash = [u8; 32];

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends bytes in hexadecimal.
pub fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

/// Reads exactly `2 * N` lower-case hexadecimal digits.
pub fn from_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let digit = |d: u8| DIGITS.iter().position(|x| *x == d).and_then(|at| u8::try_from(at).ok());
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// SHA-256 of several parts, one after the other.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// Appends a JSON string with its quotes: what has to be escaped is, all else stands as it is.
pub fn put_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                put_hex(&[byte], out);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// Reads the members of a line in the order in which they are written.
pub struct Scan<'a>(pub &'a [u8]);

impl<'a> Scan<'a> {
    /// Goes on behind this text.
    pub fn text(&mut self, expected: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(expected)?;
        Some(())
    }

    /// A whole number as it is written: no sign, no leading zero.
    pub fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        let (text, rest) = self.0.split_at_checked(digits)?;
        let number: u64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        if text.len() > 1 && text[0] == b'0' {
            return None;
        }
        self.0 = rest;
        Some(number)
    }

    /// Bytes in hexadecimal.
    pub fn hex<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (text, rest) = self.0.split_at_checked(2 * N)?;
        self.0 = rest;
        from_hex(text)
    }

    /// Everything up to this byte.
    pub fn until(&mut self, end: u8) -> Option<&'a [u8]> {
        let at = self.0.iter().position(|b| *b == end)?;
        let (text, rest) = self.0.split_at(at);
        self.0 = rest;
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_one_form() {
        assert_eq!(from_hex::<2>(b"0aff"), Some([10, 255]));
        for wrong in [&b"0aFF"[..], b"0af", b"0aff0", b"0a g", b""] {
            assert_eq!(from_hex::<2>(wrong), None);
        }
        assert_eq!(hex(&[0, 16, 171]), "0010ab");
    }

    #[test]
    fn strings_are_json() {
        let mut out = Vec::new();
        put_json_string("a\"b\\c\n\u{1}é", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c\\n\\u0001é\"");
    }

    #[test]
    fn numbers_have_one_form() {
        for (text, number) in [("0", Some(0)), ("17", Some(17)), ("017", None), ("", None), ("-1", None)] {
            assert_eq!(Scan(text.as_bytes()).number(), number, "{text}");
        }
    }
}
