//! Group commit: what was written is made durable every few milliseconds, by one `fdatasync` for all records since the last one.

use super::{JournalError, folder};
use crate::disk::{Disk, DiskFile};
use crate::failpoint;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What the writer and whoever makes its bytes durable have in common.
#[derive(Debug)]
pub(super) struct Group {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    state: Mutex<State>,
    /// Wakes the thread that syncs.
    work: Condvar,
    /// Wakes those who wait for another one's sync.
    done: Condvar,
    failed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Segments with bytes that may not be durable, oldest first; the last one is being written.
    files: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    /// Names in the folder changed.
    names: bool,
    /// Bytes given to the system since the writer was opened, over all segments.
    written: u64,
    /// How many of them are durable.
    synced: u64,
    syncing: bool,
    idle: bool,
    stop: bool,
    failure: Option<JournalError>,
}

impl Group {
    pub fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            failed: AtomicBool::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nobody panics while holding it, and the state is whole between its statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on bytes go to this file.
    pub fn begin_file(&self, path: PathBuf, file: Arc<dyn DiskFile>) {
        let mut state = self.lock();
        state.files.push((path, file));
        state.names = true;
    }

    /// So many more bytes were given to the system.
    pub fn wrote(&self, bytes: u64) {
        let mut state = self.lock();
        state.written += bytes;
        if state.idle {
            state.idle = false;
            self.work.notify_one();
        }
    }

    pub fn written(&self) -> u64 {
        self.lock().written
    }

    pub fn is_synced(&self, target: u64) -> bool {
        self.lock().synced >= target
    }

    #[inline]
    pub fn failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    pub fn failure(&self) -> Option<JournalError> {
        self.lock().failure.clone()
    }

    /// The first failure stays: after it nothing is written and nothing is called durable.
    pub fn fail(&self, error: JournalError) {
        let mut state = self.lock();
        state.failure.get_or_insert(error);
        self.failed.store(true, Ordering::Relaxed);
        self.done.notify_all();
    }

    /// Returns when the first `target` bytes are durable. If somebody else is syncing, waits for that sync first: it may be enough.
    pub fn sync_to(&self, target: u64) -> Result<(), JournalError> {
        let mut state = self.lock();
        loop {
            if let Some(error) = &state.failure {
                return Err(error.clone());
            }
            if state.synced >= target {
                return Ok(());
            }
            if !state.syncing {
                break;
            }
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut held = Some(state);
        while let Some(state) = held.take() {
            let state = self.sync_once(state)?;
            if state.synced < target {
                held = Some(state);
            }
        }
        Ok(())
    }

    /// One sync of everything written so far, with the lock given back meanwhile.
    fn sync_once<'a>(&'a self, mut state: MutexGuard<'a, State>) -> Result<MutexGuard<'a, State>, JournalError> {
        state.syncing = true;
        let target = state.written;
        let names = std::mem::take(&mut state.names);
        let rolled = state.files.len().saturating_sub(1);
        let old: Vec<_> = state.files.drain(..rolled).collect();
        let last = state.files.last().cloned();
        drop(state);
        failpoint::reach("journal.sync");
        let mut result = if names { folder::sync(&*self.disk, &self.dir) } else { Ok(()) };
        for (path, file) in old.iter().chain(&last) {
            result = result.and_then(|()| file.sync_data().map_err(|e| JournalError::io("sync", path, e)));
        }
        let mut state = self.lock();
        state.syncing = false;
        match &result {
            Ok(()) => state.synced = target,
            // Pages that could not be written may be dropped by the system, and a second sync would then succeed: it is not tried.
            Err(error) => {
                state.failure.get_or_insert(error.clone());
                self.failed.store(true, Ordering::Relaxed);
            }
        }
        self.done.notify_all();
        result.map(|()| state)
    }

    pub fn stop(&self) {
        self.lock().stop = true;
        self.work.notify_all();
    }

    /// Starts the thread that syncs every `every` while there is something new.
    pub fn start(self: &Arc<Self>, every: Duration) -> Result<JoinHandle<()>, JournalError> {
        let group = Arc::clone(self);
        std::thread::Builder::new()
            .name("journal-sync".into())
            .spawn(move || group.run(every))
            .map_err(|e| JournalError::io("start a thread to sync", &self.dir, e))
    }

    fn run(&self, every: Duration) {
        let mut state = self.lock();
        while !state.stop && state.failure.is_none() {
            if state.written == state.synced || state.syncing {
                state.idle = state.written == state.synced;
                state = if state.idle {
                    self.work.wait(state).unwrap_or_else(PoisonError::into_inner)
                } else {
                    self.work.wait_timeout(state, every).unwrap_or_else(PoisonError::into_inner).0
                };
                continue;
            }
            // Records of the next moments go with this sync.
            state = self.work.wait_timeout(state, every).unwrap_or_else(PoisonError::into_inner).0;
            if state.stop || state.syncing || state.written == state.synced {
                continue;
            }
            state = match self.sync_once(state) {
                Ok(state) => state,
                Err(_) => return,
            };
        }
    }
}

/// A promise that can be waited for elsewhere: everything appended before it was given is durable.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub(super) group: Arc<Group>,
    pub(super) target: u64,
}

impl Ticket {
    /// Waits, syncing itself where nobody else does.
    ///
    /// # Errors
    /// The failure of the journal, if it has one: then these records may not be durable.
    pub fn wait(&self) -> Result<(), JournalError> {
        self.group.sync_to(self.target)
    }

    /// True when it is kept already.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        self.group.is_synced(self.target)
    }
}
