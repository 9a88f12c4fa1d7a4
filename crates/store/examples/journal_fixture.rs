//! Writes the small journals that stand under `tests/fixtures/journal-v1`: open, sealed, thinned.
//!
//! `cargo run -p store --example journal_fixture -- FOLDER`. They were made once, by the build that released format 1, and are not made again:
//! later builds must read them as they are. The tests use the same functions to know what is in them.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;
use store::journal::{Kind, Limit, Options, Policy, Writer, retain};

/// Records: every kind of format 1 but the seal, several times, bodies of several lengths.
pub fn records() -> Vec<(u64, Kind, u8, Vec<u8>)> {
    // The kinds that there were then: later ones have their own numbers, and no place in what was released.
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|k| !matches!(k, Kind::Seal | Kind::Safety)).collect();
    (0..65u64)
        .map(|at| {
            let body = (0..at * 11 % 37).map(|b| (at * 7 + b * 13) as u8).collect();
            (at / 3 + 1, kinds[at as usize % kinds.len()], 1 + (at % 3) as u8, body)
        })
        .collect()
}

/// Begins the journal in `dir`, with segments of about a kilobyte.
pub fn write(dir: &Path) -> Writer {
    let options = Options { flush_bytes: 200, roll_bytes: 1_000, sync_every: None, compress: true };
    let mut writer = Writer::create(dir, options).unwrap();
    for (seq, kind, version, body) in records() {
        writer.append(seq, kind, version, |out| out.extend_from_slice(&body));
    }
    writer
}

fn main() {
    let folder = std::env::args_os().nth(1).expect("the folder to write into");
    let folder = Path::new(&folder);
    write(&folder.join("open")).close().unwrap();
    for name in ["sealed", "thinned"] {
        write(&folder.join(name)).seal(22, 1, |out| out.extend_from_slice(b"sealed")).unwrap();
    }
    let policy = Policy { limit: Limit::BeforeSeq(15), oldest_snapshot_seq: Some(20) };
    let done = retain(&folder.join("thinned"), &policy).unwrap();
    println!("{}: open, sealed and thinned, {} records removed from the last", folder.display(), done.records);
}
