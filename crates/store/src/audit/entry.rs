//! One line of the log, and the chain that holds the lines together.

use super::text::{self, Hash, Scan, put_hex, put_json_string};
use domain::UnixNanos;
use std::fmt::Display;
use std::io::Write as _;

/// What is hashed begins with this, so that the hash of an entry is the hash of nothing else.
const HASHED: &[u8] = b"bot4 audit entry 1\n";
const BEFORE_HASH: &[u8] = b",\"hash\":\"";
const AFTER_HASH: &[u8] = b"\"}";

/// What a record of the journal says, for an auditor: named values, all of them text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number of the event in the journal.
    pub seq: u64,
    /// Engine time; none for what happened outside of it.
    pub ts: Option<UnixNanos>,
    /// What it is.
    pub kind: &'static str,
    /// The values, as members of a JSON object, each with a comma before it.
    members: Vec<u8>,
}

impl Entry {
    /// An entry without values.
    #[must_use]
    pub fn new(seq: u64, ts: Option<UnixNanos>, kind: &'static str) -> Self {
        Self { seq, ts, kind, members: Vec::with_capacity(256) }
    }

    /// Adds a value as text.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Display) -> Self {
        self.key(key);
        put_json_string(&value.to_string(), &mut self.members);
        self
    }

    /// Adds a value if there is one.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds a value that is JSON already, on one line.
    #[must_use]
    pub fn with_json(mut self, key: &str, json: &str) -> Self {
        self.key(key);
        self.members.extend_from_slice(json.as_bytes());
        self
    }

    /// The values as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        let members = self.members.strip_prefix(b",").unwrap_or(&self.members);
        format!("{{{}}}", String::from_utf8_lossy(members))
    }

    fn key(&mut self, key: &str) {
        self.members.push(b',');
        put_json_string(key, &mut self.members);
        self.members.push(b':');
    }
}

/// Where the chain is: how many entries there are, and the hash of the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Entries so far.
    pub entries: u64,
    /// Hash of the last one; zeros before the first.
    pub head: Hash,
}

impl Chain {
    pub const EMPTY: Self = Self { entries: 0, head: [0; 32] };

    /// Puts the line of the entry that comes next, without its line end; the chain stays where it is.
    pub fn line(&self, entry: &Entry, out: &mut Vec<u8>) -> Hash {
        out.clear();
        // Writing into a vector cannot fail.
        let _ = write!(out, "{{\"entry\":{},\"seq\":{},\"ts\":", self.entries + 1, entry.seq);
        match entry.ts {
            Some(ts) => put_time(ts, out),
            None => out.extend_from_slice(b"null"),
        }
        out.extend_from_slice(b",\"kind\":");
        put_json_string(entry.kind, out);
        out.extend_from_slice(&entry.members);
        out.extend_from_slice(b",\"prev\":\"");
        put_hex(&self.head, out);
        out.push(b'"');
        let hash = text::sha256(&[HASHED, out]);
        out.extend_from_slice(BEFORE_HASH);
        put_hex(&hash, out);
        out.extend_from_slice(AFTER_HASH);
        hash
    }

    /// Moves on behind an entry with this hash.
    pub const fn push(&mut self, hash: Hash) {
        self.entries += 1;
        self.head = hash;
    }
}

/// An instant in ISO 8601, UTC, as a JSON string; nanoseconds as far as they are not zero.
fn put_time(ts: UnixNanos, out: &mut Vec<u8>) {
    let _ = match jiff::Timestamp::from_nanosecond(i128::from(ts.0)) {
        Ok(time) => write!(out, "\"{time}\""),
        Err(_) => write!(out, "\"{} ns\"", ts.0),
    };
}

/// What a line says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own<'a> {
    pub number: u64,
    pub kind: &'a [u8],
    pub prev: Hash,
    pub hash: Hash,
    /// Whether the hash is that of the line.
    pub fits: bool,
}

/// Reads what a line says of itself; `None` for what is no line of a log.
pub fn own(line: &[u8]) -> Option<Own<'_>> {
    let body = line.strip_suffix(AFTER_HASH)?;
    let (body, hash) = body.split_at_checked(body.len().checked_sub(64)?)?;
    let (body, hash) = (body.strip_suffix(BEFORE_HASH)?, text::from_hex(hash)?);
    let before = body.strip_suffix(b"\"")?;
    let prev = text::from_hex(before.get(before.len().checked_sub(64)?..)?)?;
    let mut scan = Scan(line);
    scan.text(b"{\"entry\":")?;
    let number = scan.number()?;
    scan.text(b",\"seq\":")?;
    scan.number()?;
    scan.text(b",\"ts\":")?;
    scan.until(b',')?;
    scan.text(b",\"kind\":\"")?;
    let kind = scan.until(b'"')?;
    Some(Own { number, kind, prev, hash, fits: text::sha256(&[HASHED, body]) == hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_json_and_says_what_it_is() {
        let entry =
            Entry::new(7, Some(UnixNanos(1_500_000_000)), "order").with("symbol", "BTC\"").with_json("n", "[1]");
        assert_eq!(entry.to_json(), "{\"symbol\":\"BTC\\\"\",\"n\":[1]}");
        let (chain, mut line) = (Chain { entries: 4, head: [0xab; 32] }, Vec::new());
        let hash = chain.line(&entry, &mut line);
        let text = String::from_utf8(line.clone()).unwrap();
        let begin = "{\"entry\":5,\"seq\":7,\"ts\":\"1970-01-01T00:00:01.5Z\",\"kind\":\"order\",\"symbol\":\"BTC\\\"\",\"n\":[1],";
        assert!(text.starts_with(begin), "{text}");
        let expected = Own { number: 5, kind: b"order", prev: [0xab; 32], hash, fits: true };
        assert_eq!(own(&line), Some(expected));
        for at in 0..line.len() {
            let mut other = line.clone();
            other[at] ^= 1;
            assert!(own(&other).is_none_or(|own| !own.fits), "byte {at}");
        }
    }
}
