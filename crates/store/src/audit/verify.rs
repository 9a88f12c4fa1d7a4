//! Holds a log against its own chain, its journal, its signatures, and an anchor. Every byte of every file of both folders counts.

use super::checkpoint::Checkpoint;
use super::entry::Chain;
use super::key::PublicKey;
use super::log::{self, CHECKPOINTS, first_line};
use super::text::{Hash, hex};
use super::walk::{Course, Cut, Source, Step, Visitor, Walk};
use super::{AuditError, Layout, Projector};
use crate::journal::{End, JournalError, ReadAhead, Reader};
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// In which file, or for which folder.
    pub file: PathBuf,
    /// In which line, from 1.
    pub line: Option<u64>,
    /// At which byte of the file.
    pub offset: Option<u64>,
    /// Number of the entry.
    pub entry: Option<u64>,
    /// What is wrong.
    pub what: String,
    /// What was expected there.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
}

/// Text of a finding is cut after so many characters.
const SHOWN: usize = 200;

impl Finding {
    pub(super) fn new(file: &Path, what: impl Into<String>) -> Self {
        let (file, what) = (file.to_owned(), what.into());
        Self { file, line: None, offset: None, entry: None, what, expected: None, found: None }
    }

    pub(super) fn at(file: &Path, line: u64, offset: u64, entry: u64, what: &str) -> Self {
        Self { line: Some(line), offset: Some(offset), entry: Some(entry), ..Self::new(file, what) }
    }

    pub(super) fn of_checkpoint(file: &Path, number: u64, what: &str) -> Self {
        Self { line: Some(number), ..Self::new(file, format!("checkpoint {number}: {what}")) }
    }

    pub(super) fn expecting(mut self, text: &str) -> Self {
        self.expected = Some(text.chars().take(SHOWN).collect());
        self
    }

    pub(super) fn having(mut self, bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        self.found = Some(text.chars().take(SHOWN).flat_map(char::escape_debug).collect());
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        match (self.line, self.offset) {
            (Some(line), Some(offset)) => write!(f, ": line {line} (from byte {offset})")?,
            (Some(line), None) => write!(f, ": line {line}")?,
            (None, Some(offset)) => write!(f, ": byte {offset}")?,
            (None, None) => {}
        }
        if let Some(entry) = self.entry {
            write!(f, ": entry {entry}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What a verification may rely on.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The user's own public key, where there is one.
    pub own: Option<PublicKey>,
    /// Keys that may have signed; empty: whoever did.
    pub keys: Vec<PublicKey>,
    /// A checkpoint that was kept elsewhere.
    pub anchor: Option<Checkpoint>,
}

/// What a verification has shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// What is wrong, the first first.
    pub findings: Vec<Finding>,
    /// What is not wrong and should be known.
    pub notes: Vec<String>,
    /// The run: the hash of its first entry, in hexadecimal.
    pub run: String,
    /// Whether the journal is sealed and compressed to its end: the run is complete.
    pub complete: bool,
    /// Entries that the journal has.
    pub entries: u64,
    /// Entries that the log has.
    pub in_log: u64,
    /// Entries under a signature.
    pub signed: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Entries that are under the anchor.
    pub anchored: Option<u64>,
    /// Records in the journal.
    pub records: u64,
    /// Who signed.
    pub keys: Vec<PublicKey>,
    /// Whether all signatures are by the user's own key, or by keys that were named.
    pub known_keys: bool,
}

/// Verifies the log in `dir` against the journal. Nothing is written.
///
/// # Errors
/// If the system refuses to read a file. What is wrong with the files' contents is in the findings.
pub fn verify<P: Projector>(
    dir: &Path,
    journal: &Path,
    projector: &mut P,
    expect: &Expect,
    layout: Layout,
) -> Result<Verified, AuditError> {
    // The log first: it only grows from the journal, which may grow meanwhile.
    let listing = log::list(dir)?;
    let checkpoints = read_checkpoints(dir)?;
    let mut verified = Verified {
        findings: checkpoints.finding.into_iter().chain(checkpoints.torn_finding).collect(),
        ..Verified::default()
    };
    let mut walk = Walk::new(dir, listing.files, layout, checkpoints.list.clone());
    let mut course = Course::default();
    let opened = ReadAhead::open(journal, 0).map_err(AuditError::from);
    let walked = opened.and_then(|reader| {
        walk.all(Source::Journal(Box::new(reader)), projector, &mut Findings(&mut verified.findings), &mut course)
    });
    match walked {
        Ok(()) => {}
        Err(AuditError::Journal(error)) => verified.findings.push(of_journal(journal, &error)),
        Err(AuditError::Record { seq, what }) => {
            verified.findings.push(Finding::new(journal, format!("record of event {seq}: {what}")));
        }
        Err(other) => return Err(other),
    }
    let ending = course.sealed && has_uncompressed(journal);
    verified.complete = course.sealed && !ending;
    if ending {
        let text = "the journal is sealed and not compressed to its end: the process died while it ended the run";
        verified.notes.push(format!("{text}; `bot4 paper --resume` on the run's folder completes it"));
    }
    verified.run = if walk.chain.entries > 0 { hex(&walk.run) } else { String::new() };
    (verified.entries, verified.in_log, verified.records) = (walk.chain.entries, walk.in_log, course.records);
    verified.checkpoints = checkpoints.list.len() as u64;
    verified.signed = checkpoints.list.last().map_or(0, |c| c.entries);
    verified.look_at_files(dir, journal, &listing, layout, &course)?;
    verified.look_at_the_ends(dir, &walk, checkpoints.torn, checkpoints.list.last(), &course);
    verified.look_at_keys(dir, &checkpoints.list, expect);
    if let Some(anchor) = &expect.anchor {
        verified.look_at_anchor(dir, anchor, &checkpoints.list);
    }
    Ok(verified)
}

impl Verified {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }

    /// Files that do not belong, in both folders.
    fn look_at_files(
        &mut self,
        dir: &Path,
        journal: &Path,
        listing: &log::Listing,
        layout: Layout,
        course: &Course,
    ) -> Result<(), AuditError> {
        let stranger = |path: &PathBuf| Finding::new(path, "no part of the audit log");
        self.findings.extend(listing.strangers.iter().map(stranger));
        let needed = layout.place(if self.complete { self.in_log } else { self.in_log + 1 }).0;
        if listing.files > needed.max(1) || (listing.files > 0 && self.complete && self.in_log == 0) {
            let path = log::entries_path(dir, listing.files);
            self.findings.push(Finding::new(&path, "a file without an entry that belongs there"));
        }
        let strangers = match Reader::open(journal) {
            Ok(reader) => reader.strangers().to_vec(),
            // Told before.
            Err(_) => Vec::new(),
        };
        for path in strangers {
            let part = path.extension().is_some_and(|e| e == "part");
            if part && !self.complete {
                let text =
                    "an unfinished file of the journal that a crash left; nothing reads it, and a resume removes it";
                self.notes.push(format!("{}: {text}", path.display()));
            } else {
                self.findings.push(Finding::new(&path, "no part of the journal"));
            }
        }
        self.look_for_two_forms(journal, course.sealed)
    }

    /// A segment in two forms: only one of them is read.
    fn look_for_two_forms(&mut self, journal: &Path, sealed: bool) -> Result<(), AuditError> {
        let entries = match std::fs::read_dir(journal) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(AuditError::io("read the folder", journal, error)),
        };
        let paths: BTreeSet<PathBuf> = entries.filter_map(Result::ok).map(|e| e.path()).collect();
        for packed in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "zst")) {
            let plain = packed.with_extension("");
            if !paths.contains(&plain) {
                continue;
            }
            if sealed {
                self.findings
                    .push(Finding::new(&plain, "the same segment is there compressed: only one form belongs there"));
            } else {
                let text = "this segment is there in two forms, as a crash leaves it: the whole one is read, and a resume removes the other";
                self.notes.push(format!("{}: {text}", plain.display()));
            }
        }
        Ok(())
    }

    /// How journal and log end, and what is under no signature.
    fn look_at_the_ends(
        &mut self,
        dir: &Path,
        walk: &Walk,
        torn_checkpoint: u64,
        last: Option<&Checkpoint>,
        course: &Course,
    ) {
        match &course.end {
            Some(End::Damaged { path, offset, bytes, what }) => {
                let text = format!("the last {bytes} bytes are no record: {what}");
                self.findings.push(Finding { offset: Some(*offset), ..Finding::new(path, text) });
            }
            Some(End::Torn { path, bytes, .. }) => self.notes.push(format!(
                "{}: the journal breaks off: {bytes} bytes of a record that a process was writing when it ended",
                path.display()
            )),
            Some(End::Open | End::Sealed { .. }) | None => {}
        }
        if !self.findings.is_empty() {
            return;
        }
        if course.thinned.segments > 0 {
            self.notes.push(format!(
                "retention removed {} records from the journal: {} entries of the log are vouched for by chain and signatures alone",
                course.thinned.records, walk.gone
            ));
        }
        let torn = walk.torn.map_or(0, |cut| cut.bytes) + torn_checkpoint;
        let missing = self.entries - self.in_log;
        let incomplete = match (missing, torn) {
            (0, 0) => None,
            (0, torn) => Some(format!("{torn} bytes at the end of its checkpoints are no whole line")),
            (missing, 0) => {
                Some(format!("entries {} to {} are not in the log", self.entries - missing + 1, self.entries))
            }
            (missing, torn) => Some(format!(
                "entries {} to {} are not in the log, and {torn} bytes at its end are no whole line",
                self.entries - missing + 1,
                self.entries
            )),
        };
        let completes = "`bot4 paper --resume` on the run's folder completes it";
        if let Some(text) = incomplete {
            let covered = last.map_or(0, |c| c.entries);
            let what = if walk.in_log < covered {
                Some(format!("{text}, and a checkpoint covers {covered} entries: the log was cut"))
            } else if self.complete {
                Some(format!(
                    "the run is complete and its log is not: {text}. The process died while it ended the run ({completes}), or the log was cut"
                ))
            } else {
                None
            };
            if let Some(what) = what {
                self.findings.push(Finding { entry: Some(self.in_log + 1), ..Finding::new(dir, what) });
            } else {
                self.notes.push(format!("{text}: the run did not end by itself; {completes}"));
            }
        }
        if last.map_or(0, |c| c.records) < self.records && self.findings.is_empty() && course.thinned.segments == 0 {
            let text = format!("entries {} to {} are under no signature", self.signed + 1, self.entries);
            if self.complete {
                let what = format!("{text}: there was no key when the run ended, or checkpoints were removed");
                self.findings
                    .push(Finding { entry: Some(self.signed + 1), ..Finding::new(&dir.join(CHECKPOINTS), what) });
            } else if self.signed < self.entries {
                self.notes.push(format!("{text} yet"));
            }
        }
    }

    fn look_at_keys(&mut self, dir: &Path, list: &[Checkpoint], expect: &Expect) {
        let path = dir.join(CHECKPOINTS);
        let keys: BTreeSet<PublicKey> = list.iter().map(|c| c.key).collect();
        self.keys = keys.into_iter().collect();
        let known = |key: &PublicKey| {
            if expect.keys.is_empty() { expect.own.as_ref() == Some(key) } else { expect.keys.contains(key) }
        };
        self.known_keys = !self.keys.is_empty() && self.keys.iter().all(known);
        let foreign = list.iter().find(|c| !known(&c.key));
        match foreign {
            None => {}
            Some(c) if !expect.keys.is_empty() => {
                let what = format!("signed by the key {}, which is none of those that were named", c.key.fingerprint());
                self.findings.push(Finding::of_checkpoint(&path, c.number, &what));
            }
            Some(c) if self.keys.len() > 1 => {
                let what = format!(
                    "signed by the key {}, and not all checkpoints are by one key: name those that are trusted with --key",
                    c.key.fingerprint()
                );
                self.findings.push(Finding::of_checkpoint(&path, c.number, &what));
            }
            Some(c) => self.notes.push(format!(
                "the key {} is not yours: the signatures prove only that one key signed everything. Whoever rewrites a log signs it with his own key; compare the fingerprint, or name the key with --key",
                c.key.fingerprint()
            )),
        }
    }

    /// What an anchor covers has to be there as it was.
    fn look_at_anchor(&mut self, dir: &Path, anchor: &Checkpoint, list: &[Checkpoint]) {
        let path = dir.join(CHECKPOINTS);
        let found = usize::try_from(anchor.number - 1).ok().and_then(|at| list.get(at));
        let what = match (found, list.first()) {
            (Some(found), _) if found == anchor => {
                self.anchored = Some(anchor.entries);
                return;
            }
            (_, Some(first)) if first.run != anchor.run => {
                format!("the anchor is of the run {}, this is the run {}", hex(&anchor.run), hex(&first.run))
            }
            (Some(found), _) if found.key != anchor.key => format!(
                "the anchor has it signed by the key {}, here it is signed by the key {}: it was written anew",
                anchor.key.fingerprint(),
                found.key.fingerprint()
            ),
            (Some(_), _) => "not the one in the anchor: what it covers was written anew".to_owned(),
            (None, _) => format!(
                "it is in the anchor and no longer in the log, which ends with checkpoint {} and {} entries, and the anchor covers {}: the log was cut",
                list.len(),
                self.in_log,
                anchor.entries
            ),
        };
        self.findings.push(Finding::of_checkpoint(&path, anchor.number, &what));
    }
}

/// Keeps all differences; the log is not looked at beyond the first.
struct Findings<'a>(&'a mut Vec<Finding>);

impl Visitor for Findings<'_> {
    fn line(&mut self, _: &Step<'_>) {}

    fn record(&mut self, _: u64, _: u64, _: Hash, _: &Chain, _: bool) {}

    fn differs(&mut self, finding: Finding, _: Cut, _: bool) -> bool {
        self.0.push(finding);
        false
    }
}

/// Whether a segment is there in plain form only.
fn has_uncompressed(journal: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(journal) else { return false };
    let mut paths = entries.filter_map(Result::ok).map(|e| e.path());
    paths.any(|path| path.extension().is_some_and(|e| e == "seg") && !path.with_extension("seg.zst").exists())
}

fn of_journal(journal: &Path, error: &JournalError) -> Finding {
    match error {
        JournalError::Corrupt { path, offset, what } => {
            Finding { offset: Some(*offset), ..Finding::new(path, format!("the journal is corrupt: {what}")) }
        }
        other => Finding::new(journal, other.to_string()),
    }
}

/// The file of checkpoints, read.
pub(super) struct Checkpoints {
    /// Those before the first fault.
    pub list: Vec<Checkpoint>,
    /// Bytes of whole lines.
    pub whole: u64,
    /// Bytes of a last line without an end.
    pub torn: u64,
    /// What is wrong with a whole line.
    pub finding: Option<Finding>,
    /// What is wrong with a last line without an end: it is no beginning of a checkpoint.
    pub torn_finding: Option<Finding>,
}

/// Reads the checkpoints, as far as each is signed and follows the one before.
pub(super) fn read_checkpoints(dir: &Path) -> Result<Checkpoints, AuditError> {
    let path = dir.join(CHECKPOINTS);
    let mut read = Checkpoints { list: Vec::new(), whole: 0, torn: 0, finding: None, torn_finding: None };
    let contents = match std::fs::read(&path) {
        Ok(contents) => contents,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(read),
        Err(error) => return Err(AuditError::io("read", &path, error)),
    };
    let mut rest = &contents[..];
    while !rest.is_empty() {
        let (line, whole) = first_line(rest);
        if !whole {
            read.torn = line.len() as u64;
            if !Checkpoint::may_begin(line) {
                let what = "the line has no end, and is not the beginning of a checkpoint";
                let finding = Finding::of_checkpoint(&path, read.list.len() as u64 + 1, what);
                read.torn_finding = Some(Finding { offset: Some(read.whole), ..finding }.having(line));
            }
            break;
        }
        let number = read.list.len() as u64 + 1;
        let what = match (Checkpoint::parse(line), read.list.last()) {
            (None, _) => "no checkpoint",
            (Some(c), _) if !c.is_signed() => "its signature is not that of its key over what it says: it was altered",
            (Some(c), last) if c.number != number || c.prev != last.map_or([0; 32], Checkpoint::hash) => {
                "it does not follow the one before it: checkpoints were removed, inserted or moved"
            }
            (Some(c), Some(last)) if c.run != last.run || c.records <= last.records || c.entries < last.entries => {
                "it does not go on from the one before it"
            }
            (Some(c), _) => {
                read.list.push(c);
                read.whole += line.len() as u64 + 1;
                rest = rest.get(line.len() + 1..).unwrap_or_default();
                continue;
            }
        };
        let finding = Finding { offset: Some(read.whole), ..Finding::of_checkpoint(&path, number, what) };
        read.finding = Some(finding.having(line));
        break;
    }
    Ok(read)
}
