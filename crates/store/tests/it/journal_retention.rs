//! Retention removes what expires, and the journal still adds up.

use crate::journal::{Entry, append, entries, read, read_ahead, small, write_open, write_sealed};
use crate::support::Folder;
use std::path::Path;
use store::journal::{Class, End, Limit, Policy, Reader, Retained, Writer, retain};

fn policy(limit: Limit, snapshot: u64) -> Policy {
    Policy { limit, oldest_snapshot_seq: Some(snapshot) }
}

fn permanent(all: &[Entry]) -> Vec<Entry> {
    all.iter().filter(|e| e.kind.class() == Class::Permanent).cloned().collect()
}

#[test]
fn only_what_expires_goes_and_the_seal_still_fits() {
    let folder = Folder::new();
    let all = entries(400);
    let (count, digest) = write_sealed(&folder.0, small(800), &all);
    let done = retain(&folder.0, &policy(Limit::BeforeSeq(u64::MAX), u64::MAX)).unwrap();
    let (mut got, end) = read(&folder.0);
    assert_eq!(end.unwrap(), End::Sealed { count, digest }, "count and digest of what was written");
    got.pop();
    assert_eq!(got, permanent(&all));
    assert_eq!(done.records, (all.len() - got.len()) as u64);
    assert!(done.segments > 5 && done.bytes_after < done.bytes_before, "{done:?}");
    let mut reader = Reader::open(&folder.0).unwrap();
    while reader.next().unwrap().is_some() {}
    assert_eq!((reader.thinned().segments, reader.thinned().records), (done.segments, done.records));
    assert_eq!(read_ahead(&folder.0, 0).0.len(), got.len() + 1);
    assert_eq!(retain(&folder.0, &policy(Limit::BeforeSeq(u64::MAX), u64::MAX)).unwrap(), Retained::default());
}

#[test]
fn nothing_newer_than_limit_or_oldest_snapshot_goes() {
    let all = entries(400);
    let cases = [
        (policy(Limit::BeforeSeq(100), u64::MAX), 100),
        (policy(Limit::BeforeSeq(u64::MAX), 100), 100),
        (policy(Limit::BeforeSeq(50), 150), 50),
        (policy(Limit::BeforeSeq(0), u64::MAX), 0),
        (Policy { limit: Limit::BeforeSeq(u64::MAX), oldest_snapshot_seq: None }, 0),
        (policy(Limit::KeepSegments(usize::MAX), u64::MAX), 0),
    ];
    for (policy, bound) in cases {
        let folder = Folder::new();
        let (count, digest) = write_sealed(&folder.0, small(800), &all);
        let done = retain(&folder.0, &policy).unwrap();
        let (got, end) = read(&folder.0);
        assert_eq!(end.unwrap(), End::Sealed { count, digest });
        let newer = |list: &[Entry]| -> Vec<Entry> { list.iter().filter(|e| e.seq >= bound).cloned().collect() };
        assert_eq!(newer(&got[..got.len() - 1]), newer(&all), "{policy:?}");
        assert_eq!(permanent(&got[..got.len() - 1]), permanent(&all), "{policy:?}");
        assert_eq!(done.segments > 0, bound > 0, "{policy:?}: {done:?}");
        // A seek behind what was thinned finds everything.
        let from = read_ahead(&folder.0, bound.max(1)).0;
        assert_eq!(newer(&from[..from.len() - 1]), newer(&all));
    }
}

#[test]
fn the_newest_segments_stay_and_a_thinned_journal_goes_on() {
    let folder = Folder::new();
    let all = entries(400);
    write_open(&folder.0, small(800), &all[..300]);
    let done = retain(&folder.0, &policy(Limit::KeepSegments(3), u64::MAX)).unwrap();
    assert!(done.segments > 3, "{done:?}");
    let (mut writer, recovered) = Writer::resume(&folder.0, small(800)).unwrap();
    assert_eq!(recovered.records, 300, "removed records count");
    all[300..].iter().for_each(|e| append(&mut writer, e));
    let (count, digest) = writer.seal(200, 1, |out| out.extend_from_slice(b"the end")).unwrap();
    let whole = Folder::new();
    assert_eq!(write_sealed(&whole.0, small(800), &all), (count, digest), "the digest is that of the whole run");
    assert_eq!(read(&folder.0).1.unwrap(), End::Sealed { count, digest });
}

#[test]
fn a_change_in_a_thinned_journal_is_found() {
    let folder = Folder::new();
    let (count, digest) = write_sealed(&folder.0, small(300), &entries(30));
    retain(&folder.0, &policy(Limit::BeforeSeq(u64::MAX), u64::MAX)).unwrap();
    let first = "0000000001.seg.zst";
    let bytes = std::fs::read(Path::join(&folder.0, first)).unwrap();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x04;
        folder.write(first, &bad);
        assert_ne!(read(&folder.0).1.ok(), Some(End::Sealed { count, digest }), "byte {at}");
    }
}
