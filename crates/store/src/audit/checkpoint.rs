//! Signed checkpoints: up to here the log is what the holder of the key wrote.
//!
//! A checkpoint is one line. It names the run (the hash of its first entry), how many entries there are and the hash of the last, how many
//! records the journal has and the number of the last one's event, the hash of the checkpoint before, and the public key; the signature is
//! over all of that. The same line, kept elsewhere, is an anchor.

use super::entry::Chain;
use super::key::{PublicKey, Signer};
use super::text::{self, Hash, Scan, put_hex};
use std::io::Write as _;

/// What is signed begins with this, so that the key signs nothing else with the same bytes.
const SIGNED: &[u8] = b"bot4 audit checkpoint 1\n";

/// A checkpoint as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Its number, from 1.
    pub number: u64,
    /// The run: the hash of its first entry.
    pub run: Hash,
    /// Entries that it covers.
    pub entries: u64,
    /// Hash of the last of them.
    pub head: Hash,
    /// Number of the event of the last record of the journal that it covers.
    pub seq: u64,
    /// Records of the journal that it covers.
    pub records: u64,
    /// SHA-256 of the line of the checkpoint before; zeros for the first.
    pub prev: Hash,
    /// Whose signature it is.
    pub key: PublicKey,
    /// Signature over all of this.
    pub signature: [u8; 64],
}

/// What a checkpoint will say, before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub run: Hash,
    pub chain: Chain,
    pub seq: u64,
    pub records: u64,
}

impl Draft {
    /// Signs it as the checkpoint after `last`.
    pub fn sign(&self, last: Option<&Checkpoint>, signer: &Signer) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            number: last.map_or(0, |c| c.number) + 1,
            run: self.run,
            entries: self.chain.entries,
            head: self.chain.head,
            seq: self.seq,
            records: self.records,
            prev: last.map_or([0; 32], Checkpoint::hash),
            key: signer.public(),
            signature: [0; 64],
        };
        checkpoint.signature = signer.sign(&checkpoint.message());
        checkpoint
    }
}

impl Checkpoint {
    /// The line, without its line end.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = self.message().split_off(SIGNED.len());
        line.extend_from_slice(b",\"signature\":\"");
        put_hex(&self.signature, &mut line);
        line.extend_from_slice(b"\"}");
        line
    }

    /// Reads a line; `None` for anything but what [`Checkpoint::line`] gives.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut scan = Scan(line);
        scan.text(b"{\"checkpoint\":")?;
        let number = scan.number()?;
        scan.text(b",\"run\":\"")?;
        let run = scan.hex()?;
        scan.text(b"\",\"entries\":")?;
        let entries = scan.number()?;
        scan.text(b",\"head\":\"")?;
        let head = scan.hex()?;
        scan.text(b"\",\"seq\":")?;
        let seq = scan.number()?;
        scan.text(b",\"records\":")?;
        let records = scan.number()?;
        scan.text(b",\"prev\":\"")?;
        let prev = scan.hex()?;
        scan.text(b"\",\"key\":\"")?;
        let key = PublicKey(scan.hex()?);
        scan.text(b"\",\"signature\":\"")?;
        let signature = scan.hex()?;
        scan.text(b"\"}")?;
        scan.0.is_empty().then_some(Self { number, run, entries, head, seq, records, prev, key, signature })
    }

    /// Whether a line may begin like this: what a process leaves that dies while it writes one.
    pub(super) fn may_begin(mut text: &[u8]) -> bool {
        // What stands before each value, and the digits of the value; 0 for a whole number.
        const FORM: [(&str, usize); 9] = [
            ("{\"checkpoint\":", 0),
            (",\"run\":\"", 64),
            ("\",\"entries\":", 0),
            (",\"head\":\"", 64),
            ("\",\"seq\":", 0),
            (",\"records\":", 0),
            (",\"prev\":\"", 64),
            ("\",\"key\":\"", 64),
            ("\",\"signature\":\"", 128),
        ];
        for (before, digits) in FORM {
            if before.as_bytes().starts_with(text) {
                return true;
            }
            let Some(rest) = text.strip_prefix(before.as_bytes()) else { return false };
            let is_digit = |b: &u8| b.is_ascii_digit() || (digits > 0 && (b'a'..=b'f').contains(b));
            let found = rest.iter().take_while(|b| is_digit(b)).count().min(if digits == 0 { 20 } else { digits });
            if found == rest.len() {
                return true;
            }
            if found == 0 || (digits > 0 && found < digits) {
                return false;
            }
            text = rest.get(found..).unwrap_or_default();
        }
        b"\"}".starts_with(text)
    }

    /// Whether the signature is that of its key over what it says.
    #[must_use]
    pub fn is_signed(&self) -> bool {
        self.key.verifies(&self.message(), &self.signature)
    }

    /// SHA-256 of the line.
    pub(super) fn hash(&self) -> Hash {
        text::sha256(&[&self.line()])
    }

    /// What is signed.
    fn message(&self) -> Vec<u8> {
        let mut out = SIGNED.to_vec();
        let mut hash = |before: &str, bytes: &[u8]| {
            out.extend_from_slice(before.as_bytes());
            put_hex(bytes, &mut out);
        };
        hash(&format!("{{\"checkpoint\":{},\"run\":\"", self.number), &self.run);
        hash(&format!("\",\"entries\":{},\"head\":\"", self.entries), &self.head);
        hash(&format!("\",\"seq\":{},\"records\":{},\"prev\":\"", self.seq, self.records), &self.prev);
        hash("\",\"key\":\"", &self.key.0);
        // Writing into a vector cannot fail.
        let _ = out.write_all(b"\"");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_shows() {
        let signer = Signer::from_secret([7; 32]);
        let draft = Draft { run: [1; 32], chain: Chain { entries: 12, head: [2; 32] }, seq: 99, records: 120 };
        let first = draft.sign(None, &signer);
        let second = draft.sign(Some(&first), &signer);
        assert_eq!((second.number, second.prev), (2, first.hash()));
        let line = second.line();
        assert_eq!(Checkpoint::parse(&line).as_ref(), Some(&second));
        assert!(second.is_signed());
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut other = line.clone();
                other[at] ^= 1 << bit;
                assert!(Checkpoint::parse(&other).is_none_or(|c| !c.is_signed()), "byte {at}, bit {bit}");
            }
        }
        assert_eq!(Checkpoint::parse(&[&line[..], b" "].concat()), None);
        for end in 0..=line.len() {
            assert!(Checkpoint::may_begin(&line[..end]), "{end} bytes");
            let mut other = line[..end].to_vec();
            other.push(0);
            assert!(!Checkpoint::may_begin(&other), "{end} bytes and another");
        }
    }
}
