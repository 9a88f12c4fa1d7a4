//! A copy of a run's folder that can be gone on from, taken while the run may be running.
//!
//! In:  the folder of a run; nothing in it is locked or changed.
//! Out: a folder with the same names, complete or not there at all.
//!
//! The run only appends, and puts whole files into place by renaming, so the order of copying is what makes the copy whole: first what
//! refers, then what is referred to. A snapshot counts on the logs beside it and on the journal up to its event, a signature on the lines
//! before it. Snapshots are copied first, then the growing logs, then signatures and lines of the audit log, and the journal last. What the
//! journal has beyond them is played again by a resume, as after a kill.

use crate::audit;
use crate::command::CommandError;
use crate::runner::keep::STATE_VERSION;
use crate::runner::run_folder::{Contents, FolderError, RunFolder};
use serde::Serialize;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use store::journal::{End, Reader};
use store::snapshot::SnapshotFolder;

/// Names that belong to the process that works on the folder, not to the run.
const NOT_COPIED: [&str; 2] = ["lock", ".probe"];

/// Folders in the order in which they are copied. What is in none of them comes before the journal.
const FIRST: [&str; 3] = ["snapshots", "records", "logs"];

/// A copy that was taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backup {
    /// The run.
    pub run: PathBuf,
    /// The copy.
    pub backup: PathBuf,
    /// Files copied.
    pub files: u64,
    /// Bytes copied.
    pub bytes: u64,
    /// The last event of the journal in the copy.
    pub event: u64,
    /// The event of the newest usable snapshot in the copy; none: a resume begins at the beginning.
    pub snapshot: Option<u64>,
    /// Whether the copy is of a run that has ended.
    pub complete: bool,
    /// Bytes at the end of the journal that are no whole record: they were being written.
    pub torn_bytes: u64,
}

/// Copies a run's folder to a new one, and looks at the copy.
///
/// # Errors
/// A folder without a run, a place that is taken, a disk that refuses; a copy that is not sound is taken away again.
pub fn take(run: &Path, to: &Path) -> Result<Backup, CommandError> {
    let folder = RunFolder::at(run);
    match folder.contents().map_err(CommandError::failed)? {
        Contents::Run(_) => {}
        Contents::Nothing => return Err(CommandError::failed(FolderError::NoRun(run.to_owned()))),
    }
    free(run, to)?;
    let aside = aside(to)?;
    // One that broke off earlier.
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(|error| failed(&aside, &error))?;
    }
    let mut copy = Copy::default();
    let taken = copy.run(run, &aside).and_then(|()| look(run, &aside, to, &copy));
    let taken = taken.and_then(|backup| {
        // An empty folder may stand there: the whole copy takes its place at once.
        std::fs::rename(&aside, to).map_err(|error| failed(to, &error))?;
        if let Some(parent) = to.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync(parent)?;
        }
        Ok(backup)
    });
    if taken.is_err() {
        drop(std::fs::remove_dir_all(&aside));
    }
    taken
}

fn failed(path: &Path, error: &io::Error) -> CommandError {
    CommandError::failed(format!("{}: {error}", path.display()))
}

/// Whether a copy may be put there.
fn free(run: &Path, to: &Path) -> Result<(), CommandError> {
    let taken = |what: &str| CommandError::usage(format!("{}: {what}: expected a new or empty folder", to.display()));
    let whole =
        |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned());
    if whole(to).starts_with(whole(run)) {
        return Err(taken("lies in the folder of the run"));
    }
    match std::fs::read_dir(to) {
        Ok(mut entries) => entries.next().map_or(Ok(()), |_| Err(taken("is not empty"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(to, &error)),
    }
}

/// Where the copy grows, beside its place.
fn aside(to: &Path) -> Result<PathBuf, CommandError> {
    let name = to.file_name().ok_or_else(|| {
        CommandError::usage(format!("{}: expected the path of a new folder, with a name", to.display()))
    })?;
    let aside = to.with_file_name(format!(".{}.part", name.to_string_lossy()));
    if let Some(parent) = aside.parent() {
        std::fs::create_dir_all(parent).map_err(|error| failed(parent, &error))?;
    }
    Ok(aside)
}

fn sync(folder: &Path) -> Result<(), CommandError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| failed(folder, &error))
}

/// What is being copied.
#[derive(Debug, Default)]
struct Copy {
    files: u64,
    bytes: u64,
}

impl Copy {
    fn run(&mut self, run: &Path, to: &Path) -> Result<(), CommandError> {
        std::fs::create_dir_all(to).map_err(|error| failed(to, &error))?;
        for name in FIRST {
            self.folder(&run.join(name), &to.join(name), |_| true)?;
        }
        // Signatures before the lines that they sign: lines beyond the last signature are as good as new ones.
        let is_signature = |name: &str| name.starts_with("checkpoints");
        let (audit, audit_to) = (run.join("audit"), to.join("audit"));
        self.folder(&audit, &audit_to, is_signature)?;
        self.folder(&audit, &audit_to, |name| !is_signature(name))?;
        self.rest(run, to)?;
        self.journal(&run.join("journal"), &to.join("journal"))?;
        sync(to)
    }

    /// Files beside the folders, and folders of an unknown name.
    fn rest(&mut self, run: &Path, to: &Path) -> Result<(), CommandError> {
        for (name, is_folder) in names(run)? {
            let known = FIRST.contains(&name.as_str()) || matches!(name.as_str(), "audit" | "journal");
            if known || NOT_COPIED.contains(&name.as_str()) || is_part(&name) {
                continue;
            }
            if is_folder {
                self.folder(&run.join(&name), &to.join(&name), |_| true)?;
            } else {
                self.file(&run.join(&name), &to.join(&name))?;
            }
        }
        Ok(())
    }

    /// The files of a folder that are wanted, in the order of their names. One that vanishes meanwhile had its time.
    fn folder(&mut self, from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> Result<(), CommandError> {
        if !from.is_dir() {
            return Ok(());
        }
        std::fs::create_dir_all(to).map_err(|error| failed(to, &error))?;
        for (name, is_folder) in names(from)? {
            if !is_folder && wanted(&name) && !is_part(&name) {
                self.file(&from.join(&name), &to.join(&name))?;
            }
        }
        sync(to)
    }

    /// The segments in their order: each in one form, whichever is there when it is looked for.
    fn journal(&mut self, from: &Path, to: &Path) -> Result<(), CommandError> {
        std::fs::create_dir_all(to).map_err(|error| failed(to, &error))?;
        let numbered =
            |name: &str| name.split_once('.').map_or_else(|| name.to_owned(), |(number, _)| number.to_owned());
        let mut numbers: Vec<String> = names(from)?.iter().map(|(name, _)| numbered(name)).collect();
        numbers.dedup();
        for number in numbers {
            let plain = format!("{number}.seg");
            let packed = format!("{number}.seg.zst");
            // The compressed form is put into place before the plain one is taken away.
            if !self.file(&from.join(&plain), &to.join(&plain))? {
                self.file(&from.join(&packed), &to.join(&packed))?;
            }
        }
        sync(to)
    }

    /// Copies a file to its end as it is now, durably; false if it is not there.
    fn file(&mut self, from: &Path, to: &Path) -> Result<bool, CommandError> {
        let mut source = match File::open(from) {
            Ok(source) => source,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(from, &error)),
        };
        let mut target = File::create(to).map_err(|error| failed(to, &error))?;
        self.bytes += io::copy(&mut source, &mut target).map_err(|error| failed(to, &error))?;
        target.sync_all().map_err(|error| failed(to, &error))?;
        self.files += 1;
        Ok(true)
    }
}

/// Names in a folder, sorted, and whether each is a folder.
fn names(folder: &Path) -> Result<Vec<(String, bool)>, CommandError> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, &error))? {
        let entry = entry.map_err(|error| failed(folder, &error))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        all.push((entry.file_name().to_string_lossy().into_owned(), is_folder));
    }
    all.sort();
    Ok(all)
}

/// What is being written aside is not there yet.
fn is_part(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|end| end == "part")
}

/// Looks at a copy as a resume would, and at its audit log.
fn look(run: &Path, at: &Path, to: &Path, copy: &Copy) -> Result<Backup, CommandError> {
    let folder = RunFolder::at(at);
    let unsound = |what: String| CommandError::failed(format!("the copy is not sound, and was taken away: {what}"));
    let mut reader = Reader::open(&folder.journal()).map_err(|error| unsound(error.to_string()))?;
    let mut event = 0;
    while let Some(record) = reader.next().map_err(|error| unsound(error.to_string()))? {
        event = record.seq;
    }
    let (complete, torn_bytes) = match reader.end() {
        Some(End::Sealed { .. }) => (true, 0),
        Some(End::Torn { bytes, .. }) => (false, *bytes),
        Some(End::Open) | None => (false, 0),
        Some(End::Damaged { path, offset, bytes, what }) => {
            let path = path.display();
            return Err(unsound(format!("{path}: the last {bytes} bytes, from byte {offset}, are no record: {what}")));
        }
    };
    if !matches!(folder.contents(), Ok(Contents::Run(_))) {
        return Err(unsound("its journal does not begin a run".into()));
    }
    let snapshots = SnapshotFolder::new(&folder.snapshots(), STATE_VERSION);
    let (snapshot, _) = snapshots.newest_valid(event).map_err(|error| unsound(error.to_string()))?;
    if folder.audit().is_dir() {
        let findings = audit::findings(&folder).map_err(|error| unsound(error.to_string()))?;
        if let Some(first) = findings.first() {
            return Err(unsound(format!("audit log: {first}")));
        }
    }
    Ok(Backup {
        run: run.to_owned(),
        backup: to.to_owned(),
        files: copy.files,
        bytes: copy.bytes,
        event,
        snapshot: snapshot.map(|snapshot| snapshot.seq),
        complete,
        torn_bytes,
    })
}
