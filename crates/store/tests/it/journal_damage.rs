//! Damaged journals: whatever byte is changed, cut, added or missing, reading says so; and what a crash can leave is recovered.

use crate::journal::{Entry, append, entries, files, read, read_ahead, small, write_open, write_sealed};
use crate::support::Folder;
use proptest::prelude::*;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use store::journal::{End, JournalError, Kind, Options, Reader, Writer, recover};

/// Changes one byte in place: a file that is written anew waits for the disk on some file systems, thousands of times here.
fn poke(dir: &Path, name: &str, at: usize, value: u8) {
    let file = File::options().write(true).open(dir.join(name)).unwrap();
    file.write_all_at(&[value], at as u64).unwrap();
}

fn read_file(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

/// Reading this journal, whose good form ends so, must not look as if it were good.
fn assert_found(dir: &Path, good: &End, what: &str) {
    let (_, end) = read(dir);
    assert_ne!(end.as_ref().ok(), Some(good), "{what}: not found");
}

/// The thread that reads ahead finds the same.
fn assert_same_ahead(dir: &Path, what: &str) {
    assert_eq!(format!("{:?}", read_ahead(dir, 0)), format!("{:?}", read(dir)), "{what}");
}

#[test]
fn any_change_of_one_byte_of_a_sealed_journal_is_found() {
    let folder = Folder::new();
    let (count, digest) = write_sealed(&folder.0, small(300), &entries(24));
    let good = End::Sealed { count, digest };
    assert_eq!(read(&folder.0).1.unwrap(), good);
    let names = files(&folder.0);
    assert!(names.len() >= 3, "{names:?}");
    let mut changed = 0;
    for name in &names {
        let bytes = read_file(&folder.0, name);
        for (at, &byte) in bytes.iter().enumerate() {
            for bits in [1 << (at % 8), 0xFF] {
                poke(&folder.0, name, at, byte ^ bits);
                assert_found(&folder.0, &good, &format!("{name}, byte {at} ^ {bits:#x}"));
                changed += 1;
            }
            if at % 16 == 0 {
                assert_same_ahead(&folder.0, &format!("{name}, byte {at}"));
            }
            poke(&folder.0, name, at, byte);
        }
        for len in (0..bytes.len()).rev() {
            File::options().write(true).open(folder.0.join(name)).unwrap().set_len(len as u64).unwrap();
            assert_found(&folder.0, &good, &format!("{name}, cut to {len}"));
        }
        folder.write(name, [&bytes[..], b"\0"].concat());
        assert_found(&folder.0, &good, &format!("{name}, a byte more"));
        std::fs::remove_file(folder.0.join(name)).unwrap();
        assert_found(&folder.0, &good, &format!("without {name}"));
        folder.write(name, &bytes);
    }
    assert_eq!(read(&folder.0).1.unwrap(), good);
    assert!(changed > 1_000, "{changed} changes");
}

#[test]
fn segments_of_another_run_do_not_fit() {
    let folder = Folder::new();
    let (mine, theirs) = (folder.0.join("mine"), folder.0.join("theirs"));
    let (count, digest) = write_sealed(&mine, small(300), &entries(40));
    let mut other = entries(40);
    other[1].version = 2;
    write_sealed(&theirs, small(300), &other);
    std::fs::copy(theirs.join("0000000001.seg.zst"), mine.join("0000000001.seg.zst")).unwrap();
    assert_found(&mine, &End::Sealed { count, digest }, "the first segment of another run");
}

#[test]
fn wherever_an_open_journal_is_cut_whole_records_are_kept() {
    let folder = Folder::new();
    let all = entries(53);
    let good = folder.0.join("good");
    // The last segment is plain, those before are compressed.
    write_open(&good, small(400), &all);
    let names = files(&good);
    let last = names.last().unwrap();
    assert!(last.ends_with(".seg") && names.len() > 2, "{names:?}");
    let bytes = read_file(&good, last);
    let before = {
        let cut = folder.0.join("before");
        copy(&good, &cut);
        std::fs::remove_file(cut.join(last)).unwrap();
        read(&cut).0.len()
    };
    assert!(all.len() - before >= 3, "the last segment has {} records", all.len() - before);
    let mut last_kept = before;
    for len in 0..=bytes.len() {
        let dir = folder.0.join("cut");
        copy(&good, &dir);
        std::fs::write(dir.join(last), &bytes[..len]).unwrap();
        let (kept, end) = read(&dir);
        assert_eq!(kept, all[..kept.len()], "a prefix, cut to {len}");
        assert!(kept.len() == last_kept || kept.len() == last_kept + 1, "no record is lost, cut to {len}");
        last_kept = kept.len();
        let torn = match end.unwrap() {
            End::Open => 0,
            End::Torn { bytes, .. } => bytes,
            other => panic!("cut to {len}: {other:?}"),
        };
        let (mut writer, recovered) = Writer::resume(&dir, small(400)).unwrap();
        assert_eq!((recovered.records, recovered.damaged_bytes), (kept.len() as u64, 0));
        // A segment without a record goes as a whole, with its head.
        assert!(recovered.torn_bytes == torn || kept.len() == before, "cut to {len}: {recovered:?}, torn {torn}");
        all[kept.len()..].iter().for_each(|e| append(&mut writer, e));
        writer.close().unwrap();
        let (again, end) = read(&dir);
        assert_eq!((again.len(), end.unwrap()), (all.len(), End::Open), "cut to {len}");
        assert!(again == all, "cut to {len}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
    assert_eq!(last_kept, all.len());
}

#[test]
fn any_change_of_one_byte_of_an_open_journal_is_found_and_only_the_end_is_cut() {
    let folder = Folder::new();
    let all = entries(24);
    write_open(&folder.0, Options { sync_every: None, ..Options::default() }, &all);
    let bytes = read_file(&folder.0, "0000000001.seg");
    let last_record = bytes.len() - 22 - all.last().unwrap().body.len();
    for at in 0..bytes.len() {
        let mut bad = bytes.clone();
        bad[at] ^= 0x10;
        poke(&folder.0, "0000000001.seg", at, bad[at]);
        let (kept, end) = read(&folder.0);
        assert_eq!(kept, all[..kept.len()]);
        match end {
            Err(JournalError::Corrupt { path, offset, .. }) => {
                assert!(at < last_record && offset <= at as u64, "byte {at}: at {offset}");
                assert!(path.ends_with("0000000001.seg"));
                assert!(recover(&folder.0).is_err(), "byte {at}: corruption is not repaired");
                assert_eq!(read_file(&folder.0, "0000000001.seg"), bad, "nothing is cut");
            }
            Err(JournalError::OtherFormat { .. }) => assert!((8..10).contains(&at)),
            Ok(End::Damaged { offset, bytes: cut, .. }) => {
                assert!(at >= last_record, "byte {at}");
                assert_eq!(offset as usize, last_record);
                let recovered = recover(&folder.0).unwrap();
                assert_eq!((recovered.damaged_bytes, recovered.torn_bytes, recovered.records), (cut, 0, 23));
                assert_eq!(read(&folder.0).1.unwrap(), End::Open);
                folder.write("0000000001.seg", &bytes);
            }
            other => panic!("byte {at}: {other:?}"),
        }
        poke(&folder.0, "0000000001.seg", at, bytes[at]);
    }
}

#[test]
fn zeros_at_the_end_are_damage() {
    // What some file systems leave of a tail whose length was durable and whose bytes were not.
    let folder = Folder::new();
    write_open(&folder.0, small(100_000), &entries(10));
    let mut bytes = read_file(&folder.0, "0000000001.seg");
    bytes.resize(bytes.len() + 4_096, 0);
    folder.write("0000000001.seg", &bytes);
    assert!(matches!(read(&folder.0).1, Ok(End::Damaged { bytes: 4_096, .. })));
    assert_eq!(recover(&folder.0).unwrap().damaged_bytes, 4_096);
    assert_eq!(read(&folder.0).0, entries(10));
    folder.write("0000000001.seg", vec![0; 4_096]);
    assert!(matches!(read(&folder.0).1, Ok(End::Damaged { offset: 0, bytes: 4_096, .. })));
    let (writer, recovered) = Writer::resume(&folder.0, small(100)).unwrap();
    assert_eq!((recovered.records, recovered.damaged_bytes), (0, 4_096));
    drop(writer);
}

#[test]
fn a_journal_that_breaks_off_in_the_middle_is_refused() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.0, small(100_000)).unwrap();
    entries(10).iter().for_each(|e| append(&mut writer, e));
    writer.close().unwrap();
    let first = read_file(&folder.0, "0000000001.seg");
    let other = Folder::new();
    write_open(&other.0, small(100), &entries(20));
    folder.write("0000000001.seg", &first[..first.len() - 3]);
    folder.write("0000000002.seg.zst", read_file(&other.0, "0000000002.seg.zst"));
    let error = read(&folder.0).1.unwrap_err();
    assert!(matches!(&error, JournalError::Corrupt { path, .. } if path.ends_with("0000000001.seg")), "{error}");
    // Without the first one there is no beginning.
    std::fs::remove_file(folder.0.join("0000000001.seg")).unwrap();
    let error = read(&folder.0).1.unwrap_err();
    assert!(error.to_string().contains("a segment before this one is missing"), "{error}");
    assert!(recover(&folder.0).is_err());
}

#[test]
fn of_both_forms_the_whole_one_is_taken() {
    let folder = Folder::new();
    let all = entries(12);
    let (plain, both) = (folder.0.join("plain"), folder.0.join("both"));
    write_open(&plain, small(100_000), &all);
    for damaged in [false, true] {
        copy(&plain, &both);
        let (mut writer, _) = Writer::resume(&both, small(1)).unwrap();
        append(&mut writer, &all[11]);
        writer.close().unwrap();
        assert_eq!(files(&both), ["0000000001.seg.zst", "0000000002.seg"]);
        // The crash: compressed, and the plain form still there; or compressed in part under the final name.
        std::fs::remove_file(both.join("0000000002.seg")).unwrap();
        let mut packed = read_file(&both, "0000000001.seg.zst");
        std::fs::copy(plain.join("0000000001.seg"), both.join("0000000001.seg")).unwrap();
        let expected = if damaged {
            let middle = packed.len() / 2;
            packed[middle] ^= 4;
            std::fs::write(both.join("0000000001.seg.zst"), &packed).unwrap();
            12
        } else {
            13
        };
        std::fs::write(both.join("0000000001.seg.zst.part"), b"half").unwrap();
        assert_eq!(read(&both).0.len(), expected);
        assert_eq!(Reader::open(&both).unwrap().strangers().len(), 1);
        let recovered = recover(&both).unwrap();
        assert_eq!((recovered.records, recovered.parts_removed), (expected as u64, 1));
        assert_eq!(files(&both), [if damaged { "0000000001.seg" } else { "0000000001.seg.zst" }]);
        std::fs::remove_dir_all(&both).unwrap();
    }
}

#[test]
fn an_unknown_kind_and_another_format_are_named() {
    let folder = Folder::new();
    write_open(&folder.0, small(100_000), &entries(3));
    let mut bytes = read_file(&folder.0, "0000000001.seg");
    bytes[8] = 2;
    folder.write("0000000001.seg", &bytes);
    let error = read(&folder.0).1.unwrap_err();
    assert!(matches!(error, JournalError::OtherFormat { found: 2, expected: 1, .. }), "{error}");
    assert!(matches!(recover(&folder.0), Err(JournalError::OtherFormat { .. })));
    // Record 1 begins behind the head of 52 bytes; its kind is 12 bytes on, its checksum covers the 10 bytes from there.
    bytes[8] = 1;
    bytes[52 + 12] = 200;
    let crc = crc32fast::hash(&bytes[52 + 12..52 + 22]).to_le_bytes();
    bytes[52 + 8..52 + 12].copy_from_slice(&crc);
    folder.write("0000000001.seg", &bytes);
    let error = read(&folder.0).1.unwrap_err();
    assert!(matches!(error, JournalError::UnknownKind { kind: 200, offset: 52, .. }), "{error}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in files(from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

fn any_entries() -> impl Strategy<Value = Vec<Entry>> {
    let kind = (0..Kind::ALL.len()).prop_map(|k| Kind::ALL[k]).prop_filter("sealed once", |k| *k != Kind::Seal);
    let one = (kind, any::<u8>(), 0u64..1_000, prop::collection::vec(any::<u8>(), 0..200));
    prop::collection::vec(one, 0..120).prop_map(|all| {
        let mut seq = 0;
        all.into_iter()
            .map(|(kind, version, step, body)| {
                seq += step;
                Entry { seq, kind, version, body }
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_records_come_back(
        all in any_entries(),
        flush_bytes in 1usize..2_000,
        roll_bytes in 1u64..4_000,
        stops in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let folder = Folder::new();
        let options = Options { flush_bytes, roll_bytes, sync_every: None, compress: true };
        let mut stops: Vec<usize> = stops.iter().map(|i| i.index(all.len() + 1)).collect();
        stops.sort_unstable();
        let mut at = 0;
        for stop in stops {
            let (mut writer, recovered) = Writer::resume(&folder.0, options.clone()).unwrap();
            prop_assert_eq!(recovered.records, at as u64);
            all[at..stop].iter().for_each(|e| append(&mut writer, e));
            writer.close().unwrap();
            at = stop;
        }
        let (mut writer, _) = Writer::resume(&folder.0, options).unwrap();
        all[at..].iter().for_each(|e| append(&mut writer, e));
        prop_assert_eq!(writer.records(), all.len() as u64);
        let seq = writer.last_seq();
        let (count, digest) = writer.seal(seq, 1, |_| {}).unwrap();
        let (mut got, end) = read(&folder.0);
        prop_assert_eq!(end.unwrap(), End::Sealed { count, digest });
        prop_assert_eq!(got.pop().unwrap().kind, Kind::Seal);
        prop_assert!(got == all);
        let whole = Folder::new();
        prop_assert_eq!(write_sealed(&whole.0, Options::default(), &all), (count, digest), "segments do not count");
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        packed in any::<bool>(),
    ) {
        let folder = Folder::new();
        let all = entries(30);
        let name = if packed {
            write_sealed(&folder.0, small(100_000), &all);
            "0000000001.seg.zst"
        } else {
            write_open(&folder.0, small(100_000), &all);
            "0000000001.seg"
        };
        let mut bytes = read_file(&folder.0, name);
        let good = bytes.clone();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        folder.write(name, &bytes);
        let (kept, end) = read(&folder.0);
        prop_assert!(kept.len() <= 31 && kept[..kept.len().min(30)] == all[..kept.len().min(30)]);
        if bytes != good && packed {
            prop_assert!(end.is_err() || matches!(end, Ok(End::Torn { .. } | End::Damaged { .. })), "{:?}", end);
        }
        drop(recover(&folder.0));
    }
}
