//! The name by which a token means one run: a hash of the first record of its journal, which no other run has.

use sha2::{Digest as _, Sha256};
use std::path::Path;
use store::journal::{JournalError, Kind, Reader};

/// The name of the run in this folder: the first 16 bytes of the SHA-256 of its first record, in hexadecimal. It stays the same wherever the
/// folder is. `None` for a run that has not begun.
///
/// # Errors
/// If the journal cannot be read.
pub fn run_name(run: &Path) -> Result<Option<String>, JournalError> {
    let journal = run.join("journal");
    if !journal.is_dir() {
        return Ok(None);
    }
    let mut reader = Reader::open(&journal)?;
    let Some(record) = reader.next()?.filter(|record| record.kind == Kind::Start) else { return Ok(None) };
    let hash = Sha256::digest(record.body);
    Ok(Some(hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::journal::{Options, Writer};

    #[test]
    fn a_run_is_named_by_how_it_began() {
        let dir = std::env::temp_dir().join(format!("bot4-run-name-{}", std::process::id()));
        let name = |run: &str, body: &[u8]| {
            let run = dir.join(run);
            let mut journal = Writer::create(&run.join("journal"), Options::default()).unwrap();
            journal.append(0, Kind::Start, 1, |out| out.extend_from_slice(body));
            journal.close().unwrap();
            run_name(&run).unwrap().unwrap()
        };
        let (a, b, c) = (name("a", b"{1}"), name("b", b"{1}"), name("c", b"{2}"));
        assert_eq!((a.len(), &a), (32, &b));
        assert_ne!(a, c);
        assert_eq!(run_name(&dir.join("nowhere")).unwrap(), None);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
