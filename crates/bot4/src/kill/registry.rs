//! Where running processes of this user are found: a folder on a memory file system with one page per gate.
//!
//! A page is made when a run begins and removed when it ends. What a process left that was killed is told apart by its lock, number and
//! start, and removed when the next run begins. Who starts a run and who kills it may have been given different folders for such files by
//! their sessions, so a kill looks into all of them.

use infra::gate_word::{About, GateWord, PageError};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Environment variable that names the one folder to use.
pub const VARIABLE: &str = "BOT4_REGISTRY";
/// How the name of a page ends.
const SUFFIX: &str = ".gate";

/// Why a process cannot be found by others.
#[derive(Debug)]
pub enum RegistryError {
    /// The folder belongs to somebody else, who could take pages away or put others in their place.
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// Number of its owner.
        owner: u32,
    },
    /// The system refused.
    Io {
        /// What.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A page could not be made or read.
    Page(PageError),
}

impl std::fmt::Display for RegistryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign { folder, owner } => write!(
                f,
                "{}: belongs to user {owner}: expected a folder of user {}; name another one with {VARIABLE}",
                folder.display(),
                user()
            ),
            Self::Io { path, error } => {
                write!(
                    f,
                    "{}: {error}: expected a folder for running processes; {VARIABLE} names another",
                    path.display()
                )
            }
            Self::Page(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for RegistryError {}

/// The gate of this process, to be found by others while it lives.
#[derive(Debug)]
pub struct Registered {
    path: PathBuf,
    gate: Arc<GateWord>,
}

impl Registered {
    /// The gate.
    #[must_use]
    pub const fn gate(&self) -> &Arc<GateWord> {
        &self.gate
    }

    /// The page's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        // What stays is recognised as left over, by lock and number.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes an open gate for this process, which others find, with the folder of its run.
///
/// # Errors
/// [`RegistryError`]: without a page nobody could stop the process from outside.
pub fn register(run: Option<&Path>) -> Result<Registered, RegistryError> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let run = run.map(|run| std::fs::canonicalize(run).or_else(|_| std::path::absolute(run))).transpose();
    let run = run.map_err(|error| RegistryError::Io { path: PathBuf::from("the folder of the run"), error })?;
    let folder = folder_for_new()?;
    sweep(&folder);
    let about = About::of_this_process(run.as_deref());
    let path = folder.join(format!("{}-{}{SUFFIX}", about.pid, NEXT.fetch_add(1, Ordering::Relaxed)));
    let gate = GateWord::create(&path, about).map_err(RegistryError::Page)?;
    Ok(Registered { path, gate: Arc::new(gate) })
}

/// A page that was found.
#[derive(Debug)]
pub struct FoundPage {
    /// Its file.
    pub path: PathBuf,
    /// The gate, or why it cannot be used.
    pub gate: Result<GateWord, PageError>,
}

/// All pages of this user, by file, and what could not be looked into.
#[must_use]
pub fn scan() -> (Vec<FoundPage>, Vec<RegistryError>) {
    let (mut pages, mut problems) = (Vec::new(), Vec::new());
    for folder in folders() {
        match look_into(&folder) {
            Ok(paths) => pages.extend(paths),
            Err(RegistryError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
            Err(problem) => problems.push(problem),
        }
    }
    pages.sort_unstable();
    pages.dedup();
    let open = |path: PathBuf| {
        let gate = GateWord::open(&path);
        FoundPage { path, gate }
    };
    // One that was removed between looking and opening has ended in order.
    let gone = |page: &FoundPage| matches!(&page.gate, Err(PageError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound);
    (pages.into_iter().map(open).filter(|page| !gone(page)).collect(), problems)
}

/// The files of pages in a folder of ours.
fn look_into(folder: &Path) -> Result<Vec<PathBuf>, RegistryError> {
    let failed = |error| RegistryError::Io { path: folder.to_owned(), error };
    check_owner(folder)?;
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| SUFFIX.trim_start_matches('.') == ending) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// Removes pages whose processes are gone. What cannot be removed is recognised again the next time.
fn sweep(folder: &Path) {
    for path in look_into(folder).unwrap_or_default() {
        if GateWord::open(&path).is_ok_and(|gate| !gate.is_held()) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

/// The first folder that can be used, made where it is missing.
fn folder_for_new() -> Result<PathBuf, RegistryError> {
    let mut last = None;
    for folder in folders() {
        let made = make(&folder);
        match made {
            Ok(()) => return Ok(folder),
            // Somebody else's folder in the place of ours is no accident to go around.
            Err(foreign @ RegistryError::Foreign { .. }) => return Err(foreign),
            Err(error) => last = Some(error),
        }
    }
    let none = || RegistryError::Io { path: std::env::temp_dir(), error: io::Error::from(io::ErrorKind::NotFound) };
    Err(last.unwrap_or_else(none))
}

/// Makes a folder that only this user can look into, or checks the one that is there.
fn make(folder: &Path) -> Result<(), RegistryError> {
    let failed = |error| RegistryError::Io { path: folder.to_owned(), error };
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let found = check_owner(folder)?;
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// That a folder is one, not a link to one, and belongs to this user.
fn check_owner(folder: &Path) -> Result<std::fs::Metadata, RegistryError> {
    let failed = |error| RegistryError::Io { path: folder.to_owned(), error };
    let found = std::fs::symlink_metadata(folder).map_err(failed)?;
    if found.uid() != user() {
        return Err(RegistryError::Foreign { folder: folder.to_owned(), owner: found.uid() });
    }
    if !found.is_dir() {
        return Err(failed(io::Error::from(io::ErrorKind::NotADirectory)));
    }
    Ok(found)
}

/// Number of the user that this process acts for.
fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Folders in which pages may lie; new ones go into the first that can be used.
fn folders() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os(VARIABLE).filter(|named| !named.is_empty()) {
        return vec![PathBuf::from(named)];
    }
    candidates(std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from), &std::env::temp_dir(), user())
}

/// The folder of the session, the one that the system makes for a user, shared memory, and the folders for temporary files.
fn candidates(session: Option<PathBuf>, temporary: &Path, user: u32) -> Vec<PathBuf> {
    // A session that was opened as another user leaves its variable behind.
    let ours = |folder: &PathBuf| std::fs::metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == user);
    let by_user = |folder: &Path| folder.join(format!("bot4-{user}"));
    let mut all: Vec<PathBuf> =
        [session, Some(PathBuf::from(format!("/run/user/{user}")))].into_iter().flatten().filter(ours).collect();
    all.iter_mut().for_each(|folder| folder.push("bot4"));
    for shared in [Path::new("/dev/shm"), temporary, Path::new("/tmp")] {
        if shared.is_dir() && !all.contains(&by_user(shared)) {
            all.push(by_user(shared));
        }
    }
    let mut unique: Vec<PathBuf> = Vec::with_capacity(all.len());
    for folder in all {
        if !unique.contains(&folder) {
            unique.push(folder);
        }
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bot4-registry-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_folder_is_made_for_this_user_alone() {
        let path = folder("made");
        make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700, "an open one is closed");
        std::fs::remove_dir(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        assert!(matches!(make(&path), Err(RegistryError::Io { .. })), "a file is no folder");
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(std::env::temp_dir(), &path).unwrap();
        assert!(make(&path).is_err(), "a link is no folder of ours");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn somebody_elses_folder_is_refused() {
        let path = folder("foreign");
        make(&path).unwrap();
        // Only root can give a folder away; for others there is one of root's everywhere.
        let foreign = match std::os::unix::fs::chown(&path, Some(12_345), None) {
            Ok(()) => path.clone(),
            Err(_) => PathBuf::from("/"),
        };
        let error = make(&foreign).unwrap_err();
        assert!(matches!(error, RegistryError::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("belongs to user"), "{error}");
        assert!(matches!(look_into(&foreign), Err(RegistryError::Foreign { .. })));
        std::fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_swept_and_the_living_and_foreign_stay() {
        let path = folder("sweep");
        make(&path).unwrap();
        let gone = About { pid: u32::MAX - 1, started: 1, run: None };
        drop(GateWord::create(&path.join("1-0.gate"), gone).unwrap());
        let alive = GateWord::create(&path.join("2-0.gate"), About::of_this_process(None)).unwrap();
        std::fs::write(path.join("3-0.gate"), "not a page").unwrap();
        std::fs::write(path.join("notes.txt"), "mine").unwrap();
        sweep(&path);
        let mut left = look_into(&path).unwrap();
        left.sort();
        assert_eq!(left, [path.join("2-0.gate"), path.join("3-0.gate")]);
        assert!(path.join("notes.txt").exists() && alive.is_held());
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn the_folders_of_a_user_are_looked_into_once_each_and_a_foreign_session_is_left_out() {
        let session = folder("session");
        make(&session).unwrap();
        let all = candidates(Some(session.clone()), Path::new("/tmp"), user());
        assert_eq!(all.first(), Some(&session.join("bot4")));
        let name = format!("bot4-{}", user());
        assert_eq!(all.iter().filter(|folder| **folder == Path::new("/tmp").join(&name)).count(), 1);
        let other = candidates(Some(session.clone()), Path::new("/tmp"), user() + 1);
        assert!(!other.contains(&session.join("bot4")));
        std::fs::remove_dir(&session).unwrap();
    }
}
