//! The journal as the runner uses it: append, flush, resume, seal, read.

use crate::support::Folder;
use std::path::{Path, PathBuf};
use store::journal::{End, JournalError, Kind, Options, ReadAhead, Reader, Recovered, Writer, recover};

/// A record as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub seq: u64,
    pub kind: Kind,
    pub version: u8,
    pub body: Vec<u8>,
}

/// No thread that syncs, segments of a few records.
pub fn small(roll_bytes: u64) -> Options {
    Options { flush_bytes: 100, roll_bytes, sync_every: None, compress: true }
}

pub fn entry(seq: u64, kind: Kind, body: &[u8]) -> Entry {
    Entry { seq, kind, version: 1, body: body.to_vec() }
}

pub fn append(writer: &mut Writer, entry: &Entry) {
    writer.append(entry.seq, entry.kind, entry.version, |out| out.extend_from_slice(&entry.body));
}

/// `n` records of several kinds and lengths.
pub fn entries(n: u64) -> Vec<Entry> {
    let kinds = [Kind::Report, Kind::Order, Kind::Decision, Kind::Timer, Kind::Market];
    (0..n)
        .map(|at| {
            let body: Vec<u8> = (0..at * 7 % 23).map(|b| (b * 31 + at) as u8).collect();
            entry(1 + at / 2, kinds[at as usize % kinds.len()], &body)
        })
        .collect()
}

/// Everything up to the end or the first error.
pub fn read(dir: &Path) -> (Vec<Entry>, Result<End, JournalError>) {
    let mut reader = match Reader::open(dir) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut all = Vec::new();
    let result = loop {
        match reader.next() {
            Ok(Some(r)) => all.push(Entry { seq: r.seq, kind: r.kind, version: r.version, body: r.body.to_vec() }),
            Ok(None) => break Ok(reader.end().cloned().unwrap()),
            Err(error) => break Err(error),
        }
    };
    (all, result)
}

pub fn read_ahead(dir: &Path, from: u64) -> (Vec<Entry>, Result<End, JournalError>) {
    let mut reader = match ReadAhead::open(dir, from) {
        Ok(reader) => reader,
        Err(error) => return (Vec::new(), Err(error)),
    };
    let mut all = Vec::new();
    let result = loop {
        match reader.next() {
            Ok(Some(r)) => all.push(Entry { seq: r.seq, kind: r.kind, version: r.version, body: r.body.to_vec() }),
            Ok(None) => break Ok(reader.end().cloned().unwrap()),
            Err(error) => break Err(error),
        }
    };
    (all, result)
}

/// Names of the files of a folder, sorted.
pub fn files(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn write_open(dir: &Path, options: Options, entries: &[Entry]) {
    let mut writer = Writer::create(dir, options).unwrap();
    entries.iter().for_each(|e| append(&mut writer, e));
    writer.close().unwrap();
}

pub fn write_sealed(dir: &Path, options: Options, entries: &[Entry]) -> (u64, u64) {
    let mut writer = Writer::create(dir, options).unwrap();
    entries.iter().for_each(|e| append(&mut writer, e));
    let seq = writer.last_seq();
    writer.seal(seq, 1, |out| out.extend_from_slice(b"the end")).unwrap()
}

#[test]
fn what_was_appended_is_read() {
    let folder = Folder::new();
    let all = entries(200);
    write_open(&folder.0, Options::default(), &all);
    let (read, end) = read(&folder.0);
    assert_eq!(read, all);
    assert_eq!(end.unwrap(), End::Open);
    assert_eq!(files(&folder.0), ["0000000001.seg"]);
}

#[test]
fn a_sealed_journal_is_compressed_and_tells_count_and_digest() {
    let folder = Folder::new();
    let all = entries(200);
    let (count, digest) = write_sealed(&folder.0, small(900), &all);
    assert_eq!(count, 200);
    let (mut got, end) = read(&folder.0);
    assert_eq!(end.unwrap(), End::Sealed { count, digest });
    assert_eq!(got.pop().unwrap(), entry(100, Kind::Seal, b"the end"));
    assert_eq!(got, all);
    let names = files(&folder.0);
    assert!(names.len() > 5 && names.iter().all(|n| n.ends_with(".seg.zst")), "{names:?}");
    assert_eq!(read_ahead(&folder.0, 0).0[..200], all);
    let sealed = Writer::resume(&folder.0, Options::default()).map(|_| ());
    assert!(matches!(sealed, Err(JournalError::Sealed { count: 200, .. })), "{sealed:?}");
}

#[test]
fn resumed_writers_go_on_where_the_last_one_ended() {
    let folder = Folder::new();
    let all = entries(300);
    for (at, part) in all.chunks(37).enumerate() {
        let (mut writer, recovered) = Writer::resume(&folder.0, small(500)).unwrap();
        let expected = Recovered {
            records: at as u64 * 37,
            last_seq: (at > 0).then(|| all[at * 37 - 1].seq),
            ..Recovered::default()
        };
        assert_eq!(recovered, expected);
        part.iter().for_each(|e| append(&mut writer, e));
        assert_eq!(writer.records(), (at * 37 + part.len()) as u64);
        // Dropped, as after an error elsewhere.
    }
    let (read, end) = read(&folder.0);
    assert_eq!((read, end.unwrap()), (all, End::Open));
    let recovered = recover(&folder.0).unwrap();
    assert_eq!(recovered.records, 300);
    assert!(matches!(Writer::create(&folder.0, small(500)), Err(JournalError::Exists { .. })));
}

#[test]
fn seeking_finds_the_first_record_of_a_number() {
    let folder = Folder::new();
    let all = entries(200);
    for sealed in [false, true] {
        let dir: PathBuf = folder.0.join(if sealed { "sealed" } else { "open" });
        if sealed {
            write_sealed(&dir, small(400), &all);
        } else {
            write_open(&dir, small(400), &all);
        }
        let mut reader = Reader::open(&dir).unwrap();
        for seq in (0..=101).rev().chain(0..=101) {
            reader.seek(seq).unwrap();
            let expected: Vec<&Entry> = all.iter().filter(|e| e.seq >= seq).collect();
            let mut got = 0;
            while let Some(record) = reader.next().unwrap() {
                if record.kind != Kind::Seal {
                    assert_eq!((record.seq, record.body), (expected[got].seq, &expected[got].body[..]));
                    got += 1;
                }
            }
            assert_eq!(got, expected.len(), "from {seq}");
            assert_eq!(matches!(reader.end(), Some(End::Sealed { .. })), sealed);
            assert_eq!(read_ahead(&dir, seq).0.len(), got + usize::from(sealed && seq <= 100));
        }
    }
}
