//! Completes a log: what the journal has and the log has not is appended, and signed.
//!
//! Entries are on the disk before the checkpoint that covers them, and nothing else is waited for: what a power cut takes of checkpoints and
//! names of files is made again from the journal, signatures included, which are the same every time. A process that dies anywhere leaves a log that is shorter than it should
//! be, at most with a last line that broke off; the next time it is completed to the same bytes.

use super::checkpoint::{Checkpoint, Draft};
use super::copies::Copies;
use super::entry::Chain;
use super::key::{PublicKey, Signer};
use super::log::{self, CHECKPOINTS};
use super::text::Hash;
use super::verify::{Finding, read_checkpoints};
use super::walk::{Course, Cut, Source, Step, Visitor, Walk};
use super::{AuditError, Layout, Projector};
use crate::journal::ReadAhead;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

/// What was done to a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Brought {
    /// Entries that it has now.
    pub entries: u64,
    /// Entries that were appended.
    pub added: u64,
    /// Checkpoints that were appended.
    pub signed: u64,
    /// Entries under no signature: there was no key.
    pub unsigned: u64,
    /// Bytes at the end that were no entry (a process or its machine died while writing them), and were written anew.
    pub mended: u64,
    /// The key that signed before, where another one signed now.
    pub other_key: Option<PublicKey>,
}

/// Brings the log in `dir` up to date with the journal. `copies` are used in place of the journal where they are all there is, and the log
/// is empty. Without a signer the entries are there and the checkpoints are not.
///
/// # Errors
/// [`AuditError::Altered`] when what is there is not what belongs there: then nothing is written.
pub fn bring_up_to_date<P: Projector>(
    dir: &Path,
    journal: &Path,
    copies: Option<&Copies>,
    projector: &mut P,
    signer: Option<&Signer>,
    layout: Layout,
) -> Result<Brought, AuditError> {
    let listing = log::list(dir)?;
    let checkpoints = read_checkpoints(dir)?;
    if let Some(finding) = checkpoints.finding {
        return Err(AuditError::Altered(Box::new(finding)));
    }
    let last = checkpoints.list.last().cloned();
    let empty = listing.files == 0 && !listing.checkpoints;
    let source = match copies.filter(|copies| empty && copies.is_whole()) {
        Some(copies) => Source::Copies(copies),
        None => {
            // The log must not know of what the journal could lose.
            sync_journal(journal)?;
            Source::Journal(Box::new(ReadAhead::open(journal, 0)?))
        }
    };
    let mut work = Work::new(layout, last.as_ref());
    let mut walk = Walk::new(dir, listing.files, layout, checkpoints.list);
    let mut course = Course::default();
    walk.all(source, projector, &mut work, &mut course)?;
    if let Some(finding) = work.finding {
        return Err(AuditError::Altered(Box::new(finding)));
    }
    let (in_the_end, chain) = (work.signed.max(last.as_ref().map_or(0, |c| c.records)), walk.chain);
    if chain.entries > 0 && course.records > in_the_end {
        work.drafts.push(Draft { run: walk.run, chain, seq: course.seq, records: course.records });
    }
    let cut = work.cut.or(walk.torn);
    let mut brought = Brought {
        entries: chain.entries,
        added: work.lines.iter().map(|l| l.entries).sum(),
        mended: cut.map_or(0, |c| c.bytes) + checkpoints.torn,
        ..Brought::default()
    };
    if work.lines.is_empty() && cut.is_none() && work.drafts.is_empty() {
        return Ok(brought);
    }
    std::fs::create_dir_all(dir).map_err(|e| AuditError::io("make", dir, e))?;
    if let Some(cut) = cut {
        cut_log(dir, listing.files, cut)?;
    }
    for lines in &work.lines {
        let path = log::entries_path(dir, lines.file);
        append(&path, &lines.bytes)?.sync_data().map_err(|e| AuditError::io("sync", &path, e))?;
    }
    let Some(signer) = signer else {
        brought.unsigned = chain.entries - last.map_or(0, |c| c.entries);
        return Ok(brought);
    };
    brought.other_key = last.as_ref().map(|c| c.key).filter(|key| *key != signer.public());
    brought.signed = work.drafts.len() as u64;
    sign(dir, checkpoints.whole, &work.drafts, last, signer)?;
    Ok(brought)
}

/// The last checkpoint of the log in `dir`, if it has one.
///
/// # Errors
/// [`AuditError::Altered`] when the checkpoints are not what they were.
pub fn last_checkpoint(dir: &Path) -> Result<Option<Checkpoint>, AuditError> {
    let mut read = read_checkpoints(dir)?;
    match read.finding {
        Some(finding) => Err(AuditError::Altered(Box::new(finding))),
        None => Ok(read.list.pop()),
    }
}

/// What a log lacks, without writing it.
pub struct Pending {
    /// Lines that are not in the log yet, each with its line end.
    pub lines: Vec<u8>,
    /// Entries in the log.
    pub in_log: u64,
    /// Where log and journal differ.
    pub differs: Option<Finding>,
}

/// What would be appended to the log in `dir`.
///
/// # Errors
/// If journal or log cannot be read.
pub fn pending<P: Projector>(
    dir: &Path,
    journal: &Path,
    projector: &mut P,
    layout: Layout,
) -> Result<Pending, AuditError> {
    let listing = log::list(dir)?;
    let mut work = Work::new(layout, None);
    let mut walk = Walk::new(dir, listing.files, layout, Vec::new());
    let source = Source::Journal(Box::new(ReadAhead::open(journal, 0)?));
    walk.all(source, projector, &mut work, &mut Course::default())?;
    let lines = work.lines.into_iter().flat_map(|l| l.bytes).collect();
    Ok(Pending { lines, in_log: walk.in_log, differs: work.finding })
}

/// Lines for one file.
struct Lines {
    file: u64,
    entries: u64,
    bytes: Vec<u8>,
}

/// What there is to be written.
struct Work {
    layout: Layout,
    /// Entries under the last checkpoint.
    covered: u64,
    lines: Vec<Lines>,
    drafts: Vec<Draft>,
    /// Records under the last draft.
    signed: u64,
    cut: Option<Cut>,
    finding: Option<Finding>,
}

impl Work {
    fn new(layout: Layout, last: Option<&Checkpoint>) -> Self {
        let covered = last.map_or(0, |c| c.entries);
        Self { layout, covered, lines: Vec::new(), drafts: Vec::new(), signed: 0, cut: None, finding: None }
    }
}

impl Visitor for Work {
    fn line(&mut self, step: &Step<'_>) {
        if step.in_log {
            return;
        }
        let (file, _) = self.layout.place(step.entry);
        if self.lines.last().is_none_or(|l| l.file != file) {
            self.lines.push(Lines { file, entries: 0, bytes: Vec::with_capacity(64 << 10) });
        }
        if let Some(lines) = self.lines.last_mut() {
            lines.bytes.extend_from_slice(step.line);
            lines.bytes.push(b'\n');
            lines.entries += 1;
        }
    }

    fn record(&mut self, records: u64, seq: u64, run: Hash, chain: &Chain, added: bool) {
        let due = added && chain.entries.is_multiple_of(self.layout.checkpoint_every) && chain.entries > self.covered;
        if due {
            self.drafts.push(Draft { run, chain: *chain, seq, records });
            self.signed = records;
        }
    }

    /// Bytes under no signature that are no entry are what a power cut leaves: the log ends before them. Anything else is an alteration.
    fn differs(&mut self, finding: Finding, at: Cut, is_entry: bool) -> bool {
        let unsigned = finding.entry.is_some_and(|entry| entry > self.covered);
        if unsigned && !is_entry && at.file > 0 {
            self.cut = Some(at);
            return true;
        }
        self.finding.get_or_insert(finding);
        false
    }
}

/// Makes what the journal's plain segments hold durable.
fn sync_journal(journal: &Path) -> Result<(), AuditError> {
    let entries = match std::fs::read_dir(journal) {
        Ok(entries) => entries,
        // Reading it says what is wrong.
        Err(_) => return Ok(()),
    };
    for path in entries.filter_map(Result::ok).map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "seg")) {
        File::open(&path).and_then(|file| file.sync_data()).map_err(|e| AuditError::io("sync", &path, e))?;
    }
    Ok(())
}

fn cut_log(dir: &Path, files: u64, cut: Cut) -> Result<(), AuditError> {
    for number in cut.file + 1..=files {
        let path = log::entries_path(dir, number);
        std::fs::remove_file(&path).map_err(|e| AuditError::io("remove", &path, e))?;
    }
    set_len(&log::entries_path(dir, cut.file), cut.offset)
}

fn set_len(path: &Path, len: u64) -> Result<(), AuditError> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(len))
        .map_err(|e| AuditError::io("cut the broken end of", path, e))
}

fn append(path: &Path, bytes: &[u8]) -> Result<File, AuditError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .and_then(|mut file| file.write_all(bytes).map(|()| file))
        .map_err(|e| AuditError::io("write", path, e))
}

/// Appends signed checkpoints to a file whose whole lines end at `whole`.
fn sign(
    dir: &Path,
    whole: u64,
    drafts: &[Draft],
    mut last: Option<Checkpoint>,
    signer: &Signer,
) -> Result<(), AuditError> {
    let path = dir.join(CHECKPOINTS);
    if path.exists() {
        set_len(&path, whole)?;
    }
    let mut bytes = Vec::new();
    for draft in drafts {
        let checkpoint = draft.sign(last.as_ref(), signer);
        bytes.extend_from_slice(&checkpoint.line());
        bytes.push(b'\n');
        last = Some(checkpoint);
    }
    append(&path, &bytes).map(drop)
}
