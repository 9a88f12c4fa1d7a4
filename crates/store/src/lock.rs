//! One process at a time works on a run's folder.
//!
//! The lock is the operating system's, on the file `lock` of the folder: it dies with its process, however that ends, so there is never a
//! leftover one to remove. The file holds the process's number for whoever is refused.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the run's folder.
pub const FILE: &str = "lock";

/// Held while it lives.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

/// Why a folder is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process works on it: wait for its end, or choose another folder.
    #[error("{}: another bot4 works on this folder{}", .folder.display(), .pid.map(|p| format!(" (process {p})")).unwrap_or_default())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The other process, if it has said so.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("{}: cannot lock: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl RunLock {
    /// Takes the lock of a run's folder, which is made if it is not there.
    ///
    /// # Errors
    /// [`LockError::Held`] when another process, or another value in this one, has it.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let path = folder.join(FILE);
        let refused = |source| LockError::Io { path: path.clone(), source };
        std::fs::create_dir_all(folder).map_err(refused)?;
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(LockError::Held { folder: folder.to_owned(), pid });
            }
            Err(TryLockError::Error(source)) => return Err(refused(source)),
        }
        let text = format!("{}\n", std::process::id());
        // The number is a courtesy: on a full disk the lock holds without it.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Self { file })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The file stays: removing it would let two processes lock two files of one name.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = std::env::temp_dir().join(format!("bot4-lock-{}", std::process::id()));
        let first = RunLock::take(&folder).unwrap();
        let second = RunLock::take(&folder).unwrap_err();
        let LockError::Held { pid, .. } = &second else { panic!("{second}") };
        assert_eq!(*pid, Some(std::process::id()));
        assert!(second.to_string().contains("another bot4 works on this folder"), "{second}");
        drop(first);
        drop(RunLock::take(&folder).unwrap());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
