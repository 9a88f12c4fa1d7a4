//! Snapshots: written on a thread, found by number, passed over when they cannot be used, thinned.

use crate::support::Folder;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};
use store::journal::{JournalError, Kind, Options, Writer};
use store::snapshot::{KEPT_MAX, Offered, SnapshotError, SnapshotFolder, SnapshotWriter, Unusable};

fn write(writer: &mut SnapshotWriter, seq: u64, state: &[u8]) {
    let mut buffer = state.to_vec();
    while writer.write(seq, &mut buffer, || Ok(())) == Offered::Busy {
        std::thread::yield_now();
    }
    assert!(buffer.is_empty(), "the state was taken");
}

fn folder_of(seqs: impl IntoIterator<Item = u64>) -> Folder {
    let folder = Folder::new();
    let mut writer = SnapshotWriter::open(&folder.0, 3, "build 17").unwrap();
    seqs.into_iter().for_each(|seq| write(&mut writer, seq, format!("state at {seq}").as_bytes()));
    writer.finish().unwrap();
    folder
}

fn path(folder: &Path, seq: u64) -> std::path::PathBuf {
    folder.join(format!("{seq:020}.snap"))
}

#[test]
fn the_newest_at_or_before_a_number_is_found() {
    let folder = folder_of([10, 20, 30]);
    let snapshots = SnapshotFolder::new(&folder.0, 3);
    for (max, expected) in [(9, None), (10, Some(10)), (29, Some(20)), (30, Some(30)), (u64::MAX, Some(30))] {
        let (found, passed_over) = snapshots.newest_valid(max).unwrap();
        assert_eq!(found.as_ref().map(|s| s.seq), expected);
        assert!(passed_over.is_empty());
        if let Some(snapshot) = found {
            assert_eq!(
                (snapshot.build.as_str(), snapshot.state),
                ("build 17", format!("state at {}", snapshot.seq).into())
            );
        }
    }
    assert_eq!(SnapshotFolder::new(&folder.0.join("absent"), 3).newest_valid(5).unwrap().0, None);
}

#[test]
fn the_number_orders_and_not_the_clock() {
    let folder = folder_of([10, 20]);
    let later = SystemTime::now() + Duration::from_secs(1_000_000);
    std::fs::File::options().write(true).open(path(&folder.0, 10)).unwrap().set_modified(later).unwrap();
    assert_eq!(SnapshotFolder::new(&folder.0, 3).newest_valid(u64::MAX).unwrap().0.unwrap().seq, 20);
}

#[test]
fn every_flip_and_every_cut_is_passed_over() {
    let folder = folder_of([10, 20]);
    let good = std::fs::read(path(&folder.0, 20)).unwrap();
    let snapshots = SnapshotFolder::new(&folder.0, 3);
    let expect_passed = |bytes: &[u8], what: &str| {
        folder.write("00000000000000000020.snap", bytes);
        let (found, passed_over) = snapshots.newest_valid(u64::MAX).unwrap();
        assert_eq!(found.unwrap().seq, 10, "{what}");
        assert!(matches!(passed_over[0].unusable, Some(Unusable::Damaged(_) | Unusable::OtherFormat { .. })), "{what}");
    };
    for at in 0..good.len() {
        for bits in [1, 0x80, 0xFF] {
            let mut bad = good.clone();
            bad[at] ^= bits;
            expect_passed(&bad, &format!("byte {at} ^ {bits}"));
        }
        expect_passed(&good[..at], &format!("{at} bytes"));
    }
    let mut longer = good.clone();
    longer.push(0);
    expect_passed(&longer, "a byte more");
    // Under another name it is not the state that it says.
    std::fs::rename(path(&folder.0, 20), path(&folder.0, 21)).unwrap();
    folder.write("00000000000000000021.snap", &good);
    assert_eq!(snapshots.newest_valid(u64::MAX).unwrap().0.unwrap().seq, 10);
}

#[test]
fn another_version_is_named() {
    let folder = folder_of([10]);
    let entries = SnapshotFolder::new(&folder.0, 4).list().unwrap();
    assert_eq!(entries[0].unusable, Some(Unusable::OtherVersion { found: 3, expected: 4 }));
    assert_eq!(SnapshotFolder::new(&folder.0, 3).list().unwrap()[0].unusable, None);
}

#[test]
fn many_are_thinned_towards_the_past() {
    let folder = folder_of(1..=200);
    let kept: Vec<u64> = SnapshotFolder::new(&folder.0, 3).list().unwrap().iter().map(|e| e.seq).collect();
    assert!(kept.len() <= KEPT_MAX && kept.len() > KEPT_MAX / 2, "{kept:?}");
    assert_eq!((kept[0], kept[kept.len() - 2], kept[kept.len() - 1]), (1, 199, 200));
    let gaps: Vec<u64> = kept.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(gaps.first() > gaps.last(), "{kept:?}");
    let snapshots = SnapshotFolder::new(&folder.0, 3);
    assert_eq!(snapshots.remove_after(199).unwrap(), 1);
    snapshots.remove_before(u64::MAX).unwrap();
    assert_eq!(snapshots.list().unwrap().len(), 2, "the newest two stay");
}

#[test]
fn a_second_one_waits_and_the_caller_is_told() {
    let folder = Folder::new();
    let mut writer = SnapshotWriter::open(&folder.0, 1, "b").unwrap();
    let (go, wait) = channel();
    let mut state = b"first".to_vec();
    let first = writer.write(1, &mut state, move || {
        wait.recv().unwrap();
        Ok(())
    });
    assert_eq!(first, Offered::Taken);
    state.extend_from_slice(b"second");
    assert_eq!(writer.write(2, &mut state, || Ok(())), Offered::Busy);
    assert_eq!(state, b"second", "what is not taken stays with the caller");
    assert!(!writer.is_ready());
    go.send(()).unwrap();
    assert_eq!(writer.finish().unwrap(), Some(1));
}

#[test]
fn no_snapshot_without_its_journal() {
    let folder = Folder::new();
    let mut journal = Writer::create(&folder.0.join("journal"), Options::default()).unwrap();
    journal.append(5, Kind::Report, 1, |out| out.push(1));
    let ticket = journal.ticket().unwrap();
    let mut writer = SnapshotWriter::open(&folder.0.join("snapshots"), 1, "b").unwrap();
    let other = ticket.clone();
    assert_eq!(writer.write(5, &mut b"state".to_vec(), move || other.wait()), Offered::Taken);
    assert_eq!(writer.finish().unwrap(), Some(5));
    assert!(ticket.is_durable());

    let mut writer = SnapshotWriter::open(&folder.0.join("snapshots"), 1, "b").unwrap();
    let error = JournalError::Sequence { last: 2, given: 1 };
    assert_eq!(writer.write(6, &mut b"state".to_vec(), move || Err(error)), Offered::Taken);
    assert!(matches!(writer.finish(), Err(SnapshotError::Journal(_))));
    let left: Vec<_> = std::fs::read_dir(folder.0.join("snapshots")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["00000000000000000005.snap"]);
}

#[test]
fn unfinished_files_are_removed_and_failures_told() {
    let folder = folder_of([10]);
    folder.write("00000000000000000020.snap.part", b"half");
    let mut writer = SnapshotWriter::open(&folder.0, 3, "b").unwrap();
    assert!(!folder.0.join("00000000000000000020.snap.part").exists());
    // A folder in the way of the file.
    std::fs::create_dir(folder.0.join("00000000000000000030.snap.part")).unwrap();
    write(&mut writer, 30, b"state");
    while !writer.is_ready() {
        std::thread::yield_now();
    }
    let failure = writer.take_failure().unwrap();
    assert!(matches!(failure, SnapshotError::Io { what: "write", .. }), "{failure}");
    write(&mut writer, 40, b"state");
    assert_eq!(writer.finish().unwrap(), Some(40));
    std::fs::remove_dir(folder.0.join("00000000000000000030.snap.part")).unwrap();
}
