//! The process dies, or the disk is full, at the worst moments: what was given to the system is there, and the run can go on.
//!
//! Each test runs itself as a second process, which does the writing and comes to its end.

use crate::journal::{Entry, append, entries, files, read, write_sealed};
use crate::support::Folder;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use store::journal::{End, JournalError, Kind, Options, Writer, recover};
use store::snapshot::{Offered, SnapshotFolder, SnapshotWriter};
use store::{failpoint, lock};

/// Set for the second process: the folder it works in.
const CHILD: &str = "BOT4_STORE_TEST_FOLDER";

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

fn command(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--test-threads=1"]).env(CHILD, folder);
    command
}

fn options() -> Options {
    Options { flush_bytes: 300, roll_bytes: 2_000, sync_every: Some(Duration::from_millis(1)), compress: true }
}

/// Appends the rest and seals; says after each flush how far everything is with the system.
fn write_rest(dir: &Path, all: &[Entry]) -> Result<(u64, u64), JournalError> {
    let (mut writer, recovered) = Writer::resume(&dir.join("journal"), options())?;
    let from = recovered.records as usize;
    for (at, entry) in all.iter().enumerate().skip(from) {
        append(&mut writer, entry);
        if at % 3 == 2 {
            writer.flush()?;
            std::fs::write(dir.join("flushed"), (at + 1).to_string()).unwrap();
        }
        if at % 100 == 99 {
            writer.commit()?;
        }
    }
    writer.seal(all[all.len() - 1].seq, 1, |out| out.extend_from_slice(b"the end"))
}

#[test]
fn killed_at_every_named_place() {
    let all = entries(600);
    if let Some(dir) = child_folder() {
        failpoint::arm_from_env().unwrap();
        let _ = write_rest(&dir, &all);
        return;
    }
    let undisturbed = Folder::new();
    let expected = write_sealed(&undisturbed.0, options(), &all);
    let places = [
        "journal.start",
        "journal.write",
        "journal.write:2",
        "journal.write:57",
        "journal.sync",
        "journal.sync:3",
        "journal.roll",
        "journal.roll:4",
        "journal.compress",
        "journal.compress:3",
    ];
    for place in places {
        let folder = Folder::new();
        let status = command("journal_crash::killed_at_every_named_place", &folder.0)
            .env(failpoint::VARIABLE, place)
            .stdout(std::process::Stdio::null())
            .status()
            .unwrap();
        assert_eq!(status.signal(), Some(libc::SIGKILL), "{place}: {status}");
        let flushed: usize =
            std::fs::read_to_string(folder.0.join("flushed")).unwrap_or_default().parse().unwrap_or_default();
        let (kept, end) = read(&folder.0.join("journal"));
        assert!(matches!(end, Ok(End::Open | End::Torn { .. } | End::Sealed { .. })), "{place}: {end:?}");
        assert!(kept.len() >= flushed, "{place}: {} of {flushed}", kept.len());
        let records = kept.len().min(600);
        assert!(kept[..records] == all[..records], "{place}");
        if place.starts_with("journal.write") {
            assert!(matches!(end, Ok(End::Torn { .. })), "{place} leaves a torn record: {end:?}");
        }
        match write_rest(&folder.0, &all) {
            Ok(sealed) => assert_eq!(sealed, expected, "{place}"),
            Err(JournalError::Sealed { count, digest }) => assert_eq!((count, digest), expected, "{place}"),
            Err(error) => panic!("{place}: {error}"),
        }
        let (count, digest) = expected;
        assert_eq!(read(&folder.0.join("journal")).1.unwrap(), End::Sealed { count, digest }, "{place}");
        let names = files(&folder.0.join("journal"));
        assert!(names.iter().all(|n| n.ends_with(".seg.zst")), "{place}: {names:?}");
    }
}

#[test]
fn a_snapshot_is_whole_or_absent() {
    if let Some(dir) = child_folder() {
        failpoint::arm_from_env().unwrap();
        let mut writer = SnapshotWriter::open(&dir, 1, "b").unwrap();
        for seq in 1..=5u64 {
            while writer.write(seq, &mut vec![seq as u8; 100_000], || Ok(())) == Offered::Busy {
                std::thread::yield_now();
            }
        }
        let _ = writer.finish();
        return;
    }
    let folder = Folder::new();
    let status = command("journal_crash::a_snapshot_is_whole_or_absent", &folder.0)
        .env(failpoint::VARIABLE, "snapshot.rename:4")
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL));
    let snapshots = SnapshotFolder::new(&folder.0, 1);
    assert_eq!(snapshots.list().unwrap().len(), 3);
    let (newest, passed_over) = snapshots.newest_valid(u64::MAX).unwrap();
    assert_eq!((newest.unwrap().state, passed_over.len()), (vec![3; 100_000], 0));
    drop(SnapshotWriter::open(&folder.0, 1, "b").unwrap());
    assert_eq!(files(&folder.0).len(), 3, "the unfinished one is gone");
}

#[test]
fn a_full_disk_is_told_and_what_was_written_stays() {
    let all = entries(4_000);
    if let Some(dir) = child_folder() {
        let mut writer = Writer::create(&dir.join("journal"), Options { roll_bytes: 1 << 20, ..options() }).unwrap();
        for entry in &all {
            append(&mut writer, entry);
        }
        let error = writer.failed().unwrap();
        assert!(error.is_no_space(), "{error}");
        assert!(error.to_string().contains("no space left to write"), "{error}");
        assert!(writer.flush().is_err_and(|e| e.is_no_space()), "a failure stays");
        assert!(writer.commit().is_err());
        let before = std::fs::metadata(dir.join("journal/0000000001.seg")).unwrap().len();
        append(&mut writer, &all[0]);
        assert!(writer.seal(5_000, 1, |_| {}).is_err_and(|e| e.is_no_space()));
        assert_eq!(
            std::fs::metadata(dir.join("journal/0000000001.seg")).unwrap().len(),
            before,
            "nothing more is written"
        );
        std::fs::write(dir.join("told"), "yes").unwrap();
        return;
    }
    let folder = Folder::new();
    let mut child = command("journal_crash::a_full_disk_is_told_and_what_was_written_stays", &folder.0);
    // SAFETY: between fork and exec only two system calls on plain numbers are made.
    unsafe {
        child.pre_exec(|| {
            // A limit of the size of files is a full disk for this process; by default it is told by a signal that ends it.
            let limit = libc::rlimit { rlim_cur: 20_001, rlim_max: 20_001 };
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            if libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
    let output = child.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(folder.0.join("told").exists());
    let journal = folder.0.join("journal");
    let (kept, end) = read(&journal);
    assert!(kept.len() > 300 && kept == all[..kept.len()], "{} kept", kept.len());
    assert!(matches!(end, Ok(End::Torn { .. })), "{end:?}");
    // There is space again.
    let sealed = write_rest(&folder.0, &all).unwrap();
    let undisturbed = Folder::new();
    assert_eq!(sealed, write_sealed(&undisturbed.0, options(), &all));
}

#[test]
fn the_lock_dies_with_its_process() {
    if let Some(dir) = child_folder() {
        let lock = lock::RunLock::take(&dir).unwrap();
        std::fs::write(dir.join("taken"), std::process::id().to_string()).unwrap();
        std::thread::sleep(Duration::from_secs(600));
        drop(lock);
        return;
    }
    let folder = Folder::new();
    let mut child = command("journal_crash::the_lock_dies_with_its_process", &folder.0)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !folder.0.join("taken").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the other process has the lock");
        std::thread::sleep(Duration::from_millis(2));
    }
    let error = lock::RunLock::take(&folder.0).unwrap_err();
    assert!(matches!(&error, lock::LockError::Held { pid: Some(pid), .. } if *pid == child.id()), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    drop(lock::RunLock::take(&folder.0).unwrap());
}

#[test]
fn a_number_that_goes_back_stops_the_journal() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.0, options()).unwrap();
    writer.append(7, Kind::Report, 1, |out| out.push(1));
    writer.append(6, Kind::Report, 1, |out| out.push(2));
    writer.append(8, Kind::Report, 1, |out| out.push(3));
    assert!(matches!(writer.failed(), Some(JournalError::Sequence { last: 7, given: 6 })));
    drop(writer);
    assert_eq!(recover(&folder.0).unwrap().records, 1, "what came before is written");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_at_once() {
    let folder = Folder::new();
    let file = folder.write("journal", b"a file");
    assert!(matches!(Writer::create(&file, options()), Err(JournalError::Io { .. })));
}
