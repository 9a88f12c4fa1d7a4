//! Journals of every released format stay readable.

use crate::journal::{Entry, append, entry, files, read, read_ahead};
use crate::support::Folder;
use std::path::{Path, PathBuf};
use store::journal::{Class, End, Kind, Options, Reader, Writer};

#[path = "../../examples/journal_fixture.rs"]
#[allow(dead_code, reason = "its main is for making them")]
mod made;

fn v1(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal-v1").join(name)
}

fn expected() -> Vec<Entry> {
    made::records().into_iter().map(|(seq, kind, version, body)| Entry { seq, kind, version, body }).collect()
}

/// Count and digest of the sealed one, as released.
const SEALED: End = End::Sealed { count: 65, digest: DIGEST };
const DIGEST: u64 = 0x81e6_bc96_075c_4fd4;

#[test]
fn the_open_one_of_format_1() {
    let (records, end) = read(&v1("open"));
    assert_eq!((records, end.unwrap()), (expected(), End::Open));
    assert!(files(&v1("open")).last().unwrap().ends_with(".seg"), "its last segment is plain");
    // It can be gone on with.
    let folder = Folder::new();
    for name in files(&v1("open")) {
        std::fs::copy(v1("open").join(&name), folder.0.join(&name)).unwrap();
    }
    let (mut writer, recovered) = Writer::resume(&folder.0, Options::default()).unwrap();
    assert_eq!((recovered.records, recovered.last_seq), (65, Some(22)));
    append(&mut writer, &entry(23, Kind::Order, b"more"));
    writer.seal(23, 1, |_| {}).unwrap();
    let (records, end) = read(&folder.0);
    assert!(matches!(end, Ok(End::Sealed { count: 66, .. })), "{end:?}");
    assert_eq!(records[65], entry(23, Kind::Order, b"more"));
}

#[test]
fn the_sealed_one_of_format_1() {
    for (mut records, end) in [read(&v1("sealed")), read_ahead(&v1("sealed"), 0)] {
        assert_eq!(end.unwrap(), SEALED);
        assert_eq!(records.pop().unwrap(), entry(22, Kind::Seal, b"sealed"));
        assert_eq!(records, expected());
    }
}

#[test]
fn the_thinned_one_of_format_1() {
    let (mut records, end) = read(&v1("thinned"));
    assert_eq!(end.unwrap(), SEALED);
    records.pop();
    let permanent =
        |all: &[Entry]| -> Vec<Entry> { all.iter().filter(|e| e.kind.class() == Class::Permanent).cloned().collect() };
    assert_eq!(permanent(&records), permanent(&expected()));
    let mut reader = Reader::open(&v1("thinned")).unwrap();
    while reader.next().unwrap().is_some() {}
    assert_eq!(reader.thinned().records, (expected().len() - records.len()) as u64);
    assert!(reader.thinned().segments > 0);
}

#[test]
fn this_build_writes_what_was_released() {
    let folder = Folder::new();
    made::write(&folder.0).close().unwrap();
    assert_eq!(files(&folder.0), files(&v1("open")));
    // The compressed form may change with the compressor; the plain one does not.
    let last = files(&folder.0).pop().unwrap();
    assert_eq!(std::fs::read(folder.0.join(&last)).unwrap(), std::fs::read(v1("open").join(&last)).unwrap());
}
