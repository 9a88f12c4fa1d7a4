//! The audit log: whatever is changed is found, whatever is interrupted is completed to the same bytes.

use crate::support::Folder;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use store::audit::{
    AuditError, Brought, Checkpoint, Copies, Entry, Expect, Layout, LogLines, Projector, PublicKey, Signer, Verified,
    bring_up_to_date, last_checkpoint, pending, verify,
};
use store::journal::{Kind, Limit, Options, Policy, RecordRef, Writer, retain};

/// Files and checkpoints of a few entries, so that small logs have several.
const LAYOUT: Layout = Layout { entries_per_file: 7, checkpoint_every: 5 };

/// Every second kind is audited; the body stands in the entry.
#[derive(Default)]
struct Plain;

impl Projector for Plain {
    fn entry(&mut self, record: RecordRef<'_>) -> Result<Option<Entry>, String> {
        let kind = match record.kind {
            Kind::Start => "start",
            Kind::Order => "order",
            Kind::Report => "report",
            Kind::Decision => "decision",
            Kind::Seal => "end",
            _ => return Ok(None),
        };
        if record.version != 1 {
            return Err("of another version".into());
        }
        let ts = Some(domain::UnixNanos(record.seq * 1_000_000_007));
        Ok(Some(Entry::new(record.seq, ts, kind).with("body", String::from_utf8_lossy(record.body))))
    }

    fn may_be_gone(&self, kind: &str) -> bool {
        kind == "decision"
    }
}

fn is_audited(kind: Kind) -> bool {
    matches!(kind, Kind::Start | Kind::Order | Kind::Report | Kind::Decision | Kind::Seal)
}

const KINDS: [Kind; 5] = [Kind::Order, Kind::Timer, Kind::Report, Kind::Decision, Kind::Runtime];

/// A run's folder with a journal.
struct Run {
    _folder: Folder,
    journal: PathBuf,
    audit: PathBuf,
}

impl Run {
    fn new() -> Self {
        let folder = Folder::new();
        let path = folder.0.clone();
        Self { _folder: folder, journal: path.join("journal"), audit: path.join("audit") }
    }

    /// Appends records numbered from..to; the first one is the start.
    fn play(&self, from: u64, to: u64, seal: bool) -> Option<Copies> {
        let options = Options { flush_bytes: 100, roll_bytes: 700, sync_every: None, compress: true };
        let mut journal = Writer::resume(&self.journal, options).unwrap().0;
        journal.keep_copies(is_audited);
        for n in from..to {
            let kind = if n == 0 { Kind::Start } else { KINDS[(n * 7 % 5) as usize] };
            journal.append(n, kind, 1, |out| out.extend_from_slice(format!("record {n}: \"{}\"", n * n).as_bytes()));
        }
        let mut copies = journal.take_copies();
        if seal {
            journal.seal(to, 1, |out| out.extend_from_slice(b"done")).unwrap();
            copies.as_mut().unwrap().push_last(to, Kind::Seal, 1, b"done");
        } else {
            journal.close().unwrap();
        }
        copies
    }

    fn bring(&self) -> Brought {
        self.try_bring(Some(&signer()), None).unwrap()
    }

    fn try_bring(&self, signer: Option<&Signer>, copies: Option<&Copies>) -> Result<Brought, AuditError> {
        bring_up_to_date(&self.audit, &self.journal, copies, &mut Plain, signer, LAYOUT)
    }

    fn verify(&self) -> Verified {
        self.verify_with(&expect(None))
    }

    fn verify_with(&self, expect: &Expect) -> Verified {
        verify(&self.audit, &self.journal, &mut Plain, expect, LAYOUT).unwrap()
    }
}

fn signer() -> Signer {
    Signer::from_secret([42; 32])
}

fn expect(anchor: Option<Checkpoint>) -> Expect {
    Expect { own: Some(signer().public()), keys: Vec::new(), anchor }
}

fn sealed(records: u64) -> Run {
    let run = Run::new();
    run.play(0, records, true);
    run.bring();
    run
}

/// Files of a folder with their contents.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(dir) else { return BTreeMap::new() };
    entries.map(|e| e.unwrap().path()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn put_back(dir: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    for path in contents(dir).keys().filter(|path| !files.contains_key(*path)) {
        std::fs::remove_file(path).unwrap();
    }
    files.iter().for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
}

#[track_caller]
fn sound(verified: &Verified) {
    assert_eq!(verified.findings, [], "{:?}", verified.notes);
}

#[test]
fn a_complete_run_verifies_and_the_log_says_what_the_journal_says() {
    let run = sealed(40);
    let verified = run.verify();
    sound(&verified);
    assert!(verified.complete && verified.known_keys && verified.notes.is_empty(), "{verified:?}");
    assert_eq!((verified.entries, verified.in_log, verified.signed), (25, 25, 25));
    assert_eq!(verified.records, 41);
    let names: Vec<_> = contents(&run.audit).into_keys().map(|p| p.file_name().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        ["0000000001.jsonl", "0000000002.jsonl", "0000000003.jsonl", "0000000004.jsonl", "checkpoints.jsonl"]
    );
    let mut lines = LogLines::open(&run.audit).unwrap();
    let first = String::from_utf8(lines.next().unwrap().unwrap().bytes.to_vec()).unwrap();
    assert!(first.starts_with("{\"entry\":1,\"seq\":0,\"ts\":\"1970-01-01T00:00:00Z\",\"kind\":\"start\",\"body\":\"record 0: \\\"0\\\"\","), "{first}");
    let anchor = last_checkpoint(&run.audit).unwrap();
    assert_eq!(run.verify_with(&expect(anchor)).anchored, Some(25));
}

#[test]
fn twice_gives_the_same_bytes_and_copies_give_what_the_journal_gives() {
    let run = sealed(40);
    let once = contents(&run.audit);
    assert_eq!(run.bring(), Brought { entries: 25, ..Brought::default() });
    assert_eq!(contents(&run.audit), once);
    std::fs::remove_dir_all(&run.audit).unwrap();
    run.bring();
    assert_eq!(contents(&run.audit), once);

    let copied = Run::new();
    let copies = copied.play(0, 40, true);
    copied.try_bring(Some(&signer()), copies.as_ref()).unwrap();
    let bytes = |files: BTreeMap<PathBuf, Vec<u8>>| files.into_values().collect::<Vec<_>>();
    assert_eq!(bytes(contents(&copied.audit)), bytes(once));
}

#[test]
fn copies_that_do_not_reach_back_to_the_first_record_are_not_used() {
    let run = Run::new();
    run.play(0, 10, false);
    let copies = run.play(10, 40, true).unwrap();
    assert!(!copies.is_whole());
    run.try_bring(Some(&signer()), Some(&copies)).unwrap();
    sound(&run.verify());
    assert_eq!(run.verify().in_log, 25);
}

#[test]
fn every_flipped_byte_of_log_and_journal_is_found() {
    let run = sealed(22);
    let mut flips = 0;
    for dir in [&run.audit, &run.journal] {
        for (path, bytes) in contents(dir) {
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 1 << (at % 8);
                std::fs::write(&path, &other).unwrap();
                let verified = run.verify();
                assert!(!verified.is_sound(), "{}, byte {at}", path.display());
                flips += 1;
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
    sound(&run.verify());
    assert!(flips > 5_000, "{flips}");
}

#[test]
fn every_flipped_byte_of_an_unfinished_run_is_found() {
    let run = Run::new();
    run.play(0, 30, false);
    run.bring();
    for dir in [&run.audit, &run.journal] {
        for (path, bytes) in contents(dir) {
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 0x10;
                std::fs::write(&path, &other).unwrap();
                assert!(!run.verify().is_sound(), "{}, byte {at}", path.display());
            }
            std::fs::write(&path, &bytes).unwrap();
        }
    }
    let verified = run.verify();
    sound(&verified);
    assert!(!verified.complete);
}

/// A generator of its own, so that a seed means the same mutations for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// Writes the log anew from other lines, with right hashes, under this key: what a forger without the user's key can do.
fn forge(run: &Run, key: &Signer, records: u64, change: u64) {
    struct Forging(u64);
    impl Projector for Forging {
        fn entry(&mut self, record: RecordRef<'_>) -> Result<Option<Entry>, String> {
            let entry = Plain.entry(record)?;
            Ok(entry.map(|e| if record.seq == self.0 { e.with("forged", "yes") } else { e }))
        }
        fn may_be_gone(&self, _: &str) -> bool {
            false
        }
    }
    std::fs::remove_dir_all(&run.audit).unwrap();
    let change = change.min(records);
    bring_up_to_date(&run.audit, &run.journal, None, &mut Forging(change), Some(key), LAYOUT).unwrap();
}

#[test]
fn a_thousand_random_mutations_are_all_found_with_an_anchor() {
    let run = sealed(40);
    let (clean, anchor) = (contents(&run.audit), last_checkpoint(&run.audit).unwrap());
    let expect = expect(anchor);
    let audited: Vec<u64> =
        (0..=40).filter(|n| *n == 0 || *n == 40 || is_audited(KINDS[(n * 7 % 5) as usize])).collect();
    let mut found = BTreeMap::new();
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let paths: Vec<&PathBuf> = clean.keys().collect();
        let path = paths[random.below(paths.len())];
        let mut lines: Vec<Vec<u8>> = clean[path].split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let (a, b) = (random.below(lines.len()), random.below(lines.len()));
        let kind = match random.below(9) {
            0 => {
                let at = random.below(lines[a].len());
                lines[a][at] ^= 1 << random.below(8);
                "flip"
            }
            1 => {
                lines.remove(a);
                "delete a line"
            }
            2 if a != b => {
                lines.swap(a, b);
                "swap lines"
            }
            2 | 3 => {
                let line = lines[a].clone();
                lines.insert(b, line);
                "duplicate a line"
            }
            4 => {
                lines.truncate(a);
                "cut the file"
            }
            5 => {
                let keep = random.below(lines[a].len());
                lines[a].truncate(keep);
                lines.truncate(a + 1);
                "cut within a line"
            }
            6 => {
                let mut line = lines[a].clone();
                let at = 40 + random.below(20);
                line[at.min(lines[a].len() - 2)] = b'7';
                lines.insert(b, line);
                "insert a forged line"
            }
            7 => {
                // The whole log anew, another entry in it, under another key.
                forge(&run, &Signer::from_secret([7; 32]), 40, audited[random.below(audited.len())]);
                "forged and signed anew"
            }
            _ => {
                // Nothing but the signatures anew.
                forge(&run, &Signer::from_secret([seed as u8; 32]), 40, 999);
                if seed as u8 == 42 { "the same" } else { "signed anew" }
            }
        };
        if !kind.contains("anew") && kind != "the same" {
            std::fs::write(path, lines.concat()).unwrap();
        }
        let same = contents(&run.audit) == clean;
        let verified = run.verify_with(&expect);
        assert_eq!(verified.is_sound(), same, "seed {seed}: {kind} in {}: {verified:?}", path.display());
        if !same {
            *found.entry(kind).or_insert(0) += 1;
        }
        put_back(&run.audit, &clean);
    }
    sound(&run.verify_with(&expect));
    let all: i32 = found.values().sum();
    assert!(all > 985 && found.len() == 9, "{all}: {found:?}");
}

#[test]
fn truncation_of_journal_and_log_together_is_found_back_to_the_anchor() {
    let run = Run::new();
    run.play(0, 20, false);
    run.bring();
    let anchor = last_checkpoint(&run.audit).unwrap();
    let (journal, audit) = (contents(&run.journal), contents(&run.audit));
    run.play(20, 40, true);
    run.bring();
    sound(&run.verify_with(&expect(anchor.clone())));
    let later = last_checkpoint(&run.audit).unwrap();
    // Everything newer than the anchor is cut off: an older, sound state of both, which nothing can tell from an interrupted run.
    put_back(&run.journal, &journal);
    put_back(&run.audit, &audit);
    sound(&run.verify());
    sound(&run.verify_with(&expect(anchor)));
    let verified = run.verify_with(&expect(later));
    let text = verified.findings[0].to_string();
    assert!(text.contains("it is in the anchor and no longer in the log"), "{text}");
}

#[test]
fn a_log_that_broke_off_anywhere_is_completed_to_the_same_bytes() {
    let run = sealed(12);
    let whole = contents(&run.audit);
    // At, before and after every line end, and at every fourth byte between.
    let near_end = |b: &[u8], at: usize| b[at.saturating_sub(1)..(at + 2).min(b.len())].contains(&b'\n');
    let all: Vec<(&PathBuf, usize)> = whole
        .iter()
        .flat_map(|(p, b)| (0..b.len()).filter(move |at| at % 4 == 0 || near_end(b, *at)).map(move |at| (p, at)))
        .collect();
    for (path, at) in all {
        // What is written after this point, file by file, is not there.
        for (other, bytes) in &whole {
            match other.cmp(path) {
                std::cmp::Ordering::Less => std::fs::write(other, bytes).unwrap(),
                std::cmp::Ordering::Equal => std::fs::write(other, &bytes[..at]).unwrap(),
                std::cmp::Ordering::Greater => drop(std::fs::remove_file(other)),
            }
        }
        assert!(at % 16 > 0 || !run.verify().is_sound(), "a complete run with an incomplete log is told");
        run.bring();
        assert_eq!(contents(&run.audit), whole, "{}, {at} bytes", path.display());
    }
}

#[test]
fn what_a_power_cut_leaves_after_the_last_checkpoint_is_written_anew() {
    let run = Run::new();
    run.play(0, 20, false);
    run.bring();
    run.play(20, 40, true);
    let path = run.audit.join("0000000002.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend_from_slice(&[0; 300]);
    std::fs::write(&path, &bytes).unwrap();
    let verified = run.verify();
    assert!(verified.findings[0].what.contains("the line has no end"), "{:?}", verified.findings);
    let brought = run.bring();
    assert_eq!((brought.mended, brought.entries), (300, 25));
    sound(&run.verify());
}

#[test]
fn nothing_is_appended_to_an_altered_log() {
    let run = Run::new();
    run.play(0, 20, false);
    run.bring();
    let path = run.audit.join("0000000001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("record 1:", "record 8:")).unwrap();
    run.play(20, 40, true);
    let before = contents(&run.audit);
    let error = run.try_bring(Some(&signer()), None).unwrap_err().to_string();
    assert!(
        error.contains("altered") && error.contains("entry 2") && error.contains("nothing was appended"),
        "{error}"
    );
    assert_eq!(contents(&run.audit), before);
}

#[test]
fn an_unfinished_run_verifies_and_what_it_lacks_is_told() {
    let run = Run::new();
    run.play(0, 20, false);
    let verified = run.verify();
    sound(&verified);
    assert!(verified.notes.iter().any(|n| n.starts_with("entries 1 to 12 are not in the log")), "{:?}", verified.notes);
    let lacking = pending(&run.audit, &run.journal, &mut Plain, LAYOUT).unwrap();
    assert_eq!((lacking.in_log, lacking.lines.iter().filter(|b| **b == b'\n').count()), (0, 12));
    run.bring();
    run.play(20, 30, false);
    let verified = run.verify();
    sound(&verified);
    assert_eq!((verified.in_log, verified.entries), (12, 18));
    assert!(verified.notes.iter().any(|n| n.contains("under no signature yet")), "{:?}", verified.notes);
    // A record that breaks off at the journal's end is what a kill leaves.
    let last = contents(&run.journal).into_keys().rfind(|p| p.extension().is_some_and(|e| e == "seg")).unwrap();
    let bytes = std::fs::read(&last).unwrap();
    std::fs::write(&last, &bytes[..bytes.len() - 5]).unwrap();
    let verified = run.verify();
    sound(&verified);
    assert!(verified.notes.iter().any(|n| n.contains("the journal breaks off")), "{:?}", verified.notes);
}

#[test]
fn a_run_that_died_between_its_seal_and_its_log_is_no_finding() {
    let run = Run::new();
    // Sealed in one plain segment, as it is while the journal is compressed at the end.
    let mut journal = Writer::create(&run.journal, Options { sync_every: None, ..Options::default() }).unwrap();
    (0..20).for_each(|n| journal.append(n, Kind::Order, 1, |out| out.push(b'x')));
    journal.close().unwrap();
    let (mut journal, _) = Writer::resume(&run.journal, Options { sync_every: None, ..Options::default() }).unwrap();
    let (records, digest) = (journal.records(), journal_digest(&run.journal));
    journal.append(20, Kind::Seal, 1, |out| {
        out.extend_from_slice(&records.to_le_bytes());
        out.extend_from_slice(&digest.to_le_bytes());
        out.extend_from_slice(b"done");
    });
    journal.close().unwrap();
    std::fs::write(run.journal.join("0000000001.seg.zst.part"), "half").unwrap();
    let verified = run.verify();
    sound(&verified);
    assert!(!verified.complete);
    assert!(verified.notes[0].contains("the process died while it ended the run"), "{:?}", verified.notes);
    // Resuming the complete run compresses its journal and completes its log.
    store::journal::recover(&run.journal).unwrap();
    assert!(!run.verify().is_sound(), "compressed, and the log is missing");
    run.bring();
    let verified = run.verify();
    sound(&verified);
    assert!(verified.complete);
}

/// Digest of a journal that is not sealed: what its seal would say.
fn journal_digest(journal: &Path) -> u64 {
    let copy = Folder::new();
    contents(journal).iter().for_each(|(path, bytes)| {
        std::fs::write(copy.0.join(path.file_name().unwrap()), bytes).unwrap();
    });
    Writer::resume(&copy.0, Options::default()).unwrap().0.seal(99, 1, |_| ()).unwrap().1
}

#[test]
fn without_a_key_the_entries_are_there_and_the_missing_signature_is_told() {
    let run = Run::new();
    run.play(0, 40, true);
    let brought = run.try_bring(None, None).unwrap();
    assert_eq!((brought.added, brought.signed, brought.unsigned), (25, 0, 25));
    let verified = run.verify();
    assert!(verified.findings[0].what.contains("entries 1 to 25 are under no signature"), "{:?}", verified.findings);
    // A key that comes later signs what is there: the bytes are those of a run that had it from the beginning.
    let brought = run.bring();
    assert_eq!((brought.added, brought.signed), (0, 5));
    sound(&run.verify());
    let bytes = |run: &Run| contents(&run.audit).into_values().collect::<Vec<_>>();
    assert_eq!(bytes(&run), bytes(&sealed(40)));
}

#[test]
fn a_key_that_is_not_the_users_proves_only_that_one_key_signed() {
    let run = sealed(40);
    let other = Signer::from_secret([9; 32]).public();
    let verified = run.verify_with(&Expect { own: Some(other), ..Expect::default() });
    sound(&verified);
    assert!(!verified.known_keys);
    let note = verified.notes.join("\n");
    assert!(
        note.contains("prove only that one key signed everything") && note.contains(&signer().public().fingerprint()),
        "{note}"
    );
    let named = |keys: Vec<PublicKey>| run.verify_with(&Expect { own: None, keys, anchor: None });
    sound(&named(vec![other, signer().public()]));
    assert!(named(vec![other]).findings[0].what.contains("none of those that were named"));

    let two = Run::new();
    two.play(0, 20, false);
    two.bring();
    two.play(20, 40, true);
    let brought = two.try_bring(Some(&Signer::from_secret([9; 32])), None).unwrap();
    assert_eq!(brought.other_key, Some(signer().public()));
    assert!(two.verify().findings[0].what.contains("not all checkpoints are by one key"));
    sound(&two.verify_with(&Expect { keys: vec![other, signer().public()], ..Expect::default() }));
}

#[test]
fn foreign_files_in_both_folders_are_found() {
    let run = sealed(40);
    for (dir, name) in [
        (&run.audit, "notes.txt"),
        (&run.audit, "0000000009.jsonl"),
        (&run.audit, "0000000005.jsonl"),
        (&run.audit, ".hidden"),
        (&run.journal, "notes.txt"),
        (&run.journal, "0000000001.seg.zst.part"),
    ] {
        let path = dir.join(name);
        std::fs::write(&path, "").unwrap();
        let verified = run.verify();
        assert!(verified.findings.iter().any(|f| f.file == path), "{}: {:?}", path.display(), verified.findings);
        std::fs::remove_file(&path).unwrap();
    }
    std::fs::create_dir(run.audit.join("folder")).unwrap();
    assert!(!run.verify().is_sound());
    std::fs::remove_dir(run.audit.join("folder")).unwrap();
    sound(&run.verify());
}

#[test]
fn a_moved_run_verifies() {
    let run = sealed(40);
    let there = Run::new();
    for (from, to) in [(&run.journal, &there.journal), (&run.audit, &there.audit)] {
        std::fs::create_dir_all(to).unwrap();
        std::fs::rename(from, to).unwrap();
    }
    sound(&there.verify_with(&expect(last_checkpoint(&there.audit).unwrap())));
}

#[test]
fn what_retention_removes_from_the_journal_stays_in_the_log() {
    let run = Run::new();
    run.play(0, 80, false);
    run.bring();
    let anchor = last_checkpoint(&run.audit).unwrap();
    let policy = Policy { limit: Limit::KeepSegments(1), oldest_snapshot_seq: Some(u64::MAX) };
    let removed = retain(&run.journal, &policy).unwrap();
    assert!(removed.records > 20, "{removed:?}");
    let verified = run.verify_with(&expect(anchor.clone()));
    sound(&verified);
    assert_eq!((verified.in_log, verified.entries, verified.anchored), (48, 48, Some(48)));
    let note = format!("retention removed {} records from the journal", removed.records);
    assert!(verified.notes[0].starts_with(&note) && !verified.notes[0].contains(" 0 entries"), "{:?}", verified.notes);
    // The run goes on, and so does its log.
    run.play(80, 100, true);
    assert_eq!(run.bring().added, 13);
    sound(&run.verify_with(&expect(anchor.clone())));
    let once = contents(&run.audit);
    assert_eq!(run.bring(), Brought { entries: 61, ..Brought::default() });
    // What is kept by the log alone is still under its chain.
    for (path, bytes) in &once {
        for at in (0..bytes.len()).step_by(3) {
            let mut other = bytes.clone();
            other[at] ^= 1;
            std::fs::write(path, &other).unwrap();
            assert!(!run.verify().is_sound(), "{}, byte {at}", path.display());
        }
        std::fs::write(path, bytes).unwrap();
    }
    sound(&run.verify());
}

#[test]
fn a_record_of_a_later_build_is_told_with_its_event() {
    let run = Run::new();
    let mut journal = Writer::create(&run.journal, Options::default()).unwrap();
    journal.append(5, Kind::Order, 9, |out| out.push(1));
    journal.close().unwrap();
    let error = run.try_bring(Some(&signer()), None).unwrap_err().to_string();
    assert_eq!(error, "record of event 5: of another version");
    assert_eq!(run.verify().findings[0].what, error);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever the journal and wherever the log was completed on the way: it verifies, twice is once, and its entries are those of a log
    /// that was written at once.
    #[test]
    fn a_log_is_a_projection_of_its_journal(stops in prop::collection::vec(1u64..30, 1..4), seal: bool) {
        let run = Run::new();
        let mut at = 0;
        for (n, stop) in stops.iter().enumerate() {
            run.play(at, at + stop, seal && n + 1 == stops.len());
            at += stop;
            run.bring();
            let verified = run.verify();
            prop_assert_eq!(&verified.findings, &[]);
            prop_assert_eq!(verified.in_log, verified.entries);
        }
        let once = contents(&run.audit);
        run.bring();
        prop_assert_eq!(&contents(&run.audit), &once);
        std::fs::remove_dir_all(&run.audit).unwrap();
        run.bring();
        let entries = |files: &BTreeMap<PathBuf, Vec<u8>>| {
            files.iter().filter(|(p, _)| !p.ends_with("checkpoints.jsonl")).map(|(p, b)| (p.clone(), b.clone())).collect::<Vec<_>>()
        };
        prop_assert_eq!(entries(&contents(&run.audit)), entries(&once));
    }
}
