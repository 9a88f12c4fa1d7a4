//! A disk in memory that forgets what a real one forgets.
//!
//! In:  what journal and snapshots ask of a disk; when the machine dies, and when the disk is full.
//! Out: what a real disk would hold after that: all that was given to the system where only the process died; where the power went, what was
//! synced, a random prefix of what was written since to each file with a torn end, and a random prefix of the changes of names since the
//! folder was synced.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::disk::{Disk, DiskFile, Open};
use testkit::generate::Seeded;

/// How the machine came to stand still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process was killed: the system has all that was written.
    Process,
    /// The power went: what was not synced is lost or torn.
    Power,
}

#[derive(Debug, Default)]
struct FileState {
    bytes: Vec<u8>,
    /// So many of them are durable.
    durable: usize,
}

/// A change of a name that no sync has made durable.
#[derive(Clone, Debug)]
enum Change {
    Set(PathBuf, usize),
    Gone(PathBuf),
}

#[derive(Debug)]
struct Inner {
    files: Vec<FileState>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    changes: Vec<Change>,
    dirs: Vec<PathBuf>,
    /// Changes of the disk so far: writes, syncs, names.
    operations: u64,
    /// The operation in which the machine dies.
    dies_at: Option<u64>,
    dead: bool,
    /// Bytes that still fit on a disk that fills up; `None`: as many as are wanted.
    room: Option<usize>,
    random: Seeded,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    inner: Arc<Mutex<Inner>>,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let inner = Inner {
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            changes: Vec::new(),
            dirs: Vec::new(),
            operations: 0,
            dies_at: None,
            dead: false,
            room: None,
            random: Seeded::new(seed),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// As the code under test sees it.
    #[must_use]
    pub fn handle(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // There is one thread, and the state is whole between its statements.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine dies in the operation after so many more.
    pub fn die_after(&self, operations: u64) {
        let mut inner = self.lock();
        inner.dies_at = Some(inner.operations + operations + 1);
    }

    /// The machine does not die after all.
    pub fn spare(&self) {
        self.lock().dies_at = None;
    }

    /// The machine dies now.
    pub fn die(&self) {
        self.lock().dead = true;
    }

    /// Whether the machine stands still: nothing more happens on it.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// So many more bytes fit; `None`: as many as are wanted.
    pub fn set_room(&self, room: Option<usize>) {
        self.lock().room = room;
    }

    /// The machine is started again.
    pub fn revive(&self, death: Death) {
        let mut inner = self.lock();
        (inner.dead, inner.dies_at, inner.room) = (false, None, None);
        if death == Death::Process {
            return;
        }
        let Inner { files, names, durable_names, changes, random, .. } = &mut *inner;
        let kept = random.within(0, changes.len() as i64) as usize;
        for change in changes.drain(..).take(kept) {
            match change {
                Change::Set(path, file) => _ = durable_names.insert(path, file),
                Change::Gone(path) => _ = durable_names.remove(&path),
            }
        }
        names.clone_from(durable_names);
        for file in files.iter_mut().filter(|f| f.bytes.len() > f.durable) {
            let tail = file.bytes.len() - file.durable;
            let whole = random.within(0, tail as i64) as usize;
            // Pages that were allocated and never written are zero.
            let torn = (random.within(0, 700) as usize).min(tail - whole);
            let torn = if random.chance(50) { torn } else { 0 };
            let end = file.durable + whole;
            file.bytes.truncate(end + torn);
            file.bytes[end..].fill(0);
            file.durable = file.bytes.len();
        }
    }

    /// What was given to the system of the newest file in a folder: where a record that was written must be found.
    #[must_use]
    pub fn ends_with_record(&self, dir: &Path, record: &[u8]) -> bool {
        let inner = self.lock();
        let newest = inner.names.iter().filter(|(path, _)| path.parent() == Some(dir)).rev();
        newest.take(2).any(|(_, file)| {
            let bytes = inner.files.get(*file).map_or(&[][..], |f| &f.bytes);
            let tail = bytes.get(bytes.len().saturating_sub(1 << 16)..).unwrap_or_default();
            tail.windows(record.len().max(1)).rev().any(|window| window == record)
        })
    }
}

impl Inner {
    /// One more change of the disk. An error where the machine is dead; `Ok(true)` where it dies in the middle of this one.
    fn operate(&mut self) -> io::Result<bool> {
        if self.dead {
            return Err(off());
        }
        self.operations += 1;
        self.dead = self.dies_at == Some(self.operations);
        Ok(self.dead)
    }

    fn change(&mut self, change: Change) -> io::Result<()> {
        if self.operate()? {
            return Err(off());
        }
        match &change {
            Change::Set(path, file) => _ = self.names.insert(path.clone(), *file),
            Change::Gone(path) => _ = self.names.remove(path),
        }
        self.changes.push(change);
        Ok(())
    }

    fn file(&mut self, at: usize) -> io::Result<&mut FileState> {
        self.files.get_mut(at).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

fn off() -> io::Error {
    io::Error::other("the machine stands still")
}

impl Disk for SimDisk {
    fn make_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        if !inner.dirs.iter().any(|d| d == dir) {
            inner.dirs.push(dir.to_owned());
        }
        Ok(())
    }

    fn is_dir(&self, dir: &Path) -> bool {
        self.lock().dirs.iter().any(|d| d == dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        if !self.is_dir(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(self.lock().names.keys().filter(|path| path.parent() == Some(dir)).cloned().collect())
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn DiskFile>> {
        let mut inner = self.lock();
        if inner.dead {
            return Err(off());
        }
        let there = inner.names.get(path).copied();
        let at = match (how, there) {
            (Open::AppendNew, Some(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Open::Read | Open::Append | Open::Cut, None) => return Err(io::ErrorKind::NotFound.into()),
            (Open::AppendNew | Open::Truncate, _) => {
                // What is there is not written over before the new name is: as with a file that is written aside.
                inner.files.push(FileState::default());
                let at = inner.files.len() - 1;
                inner.change(Change::Set(path.to_owned(), at))?;
                at
            }
            (Open::Read | Open::Append | Open::Cut, Some(at)) => at,
        };
        Ok(Arc::new(SimFile { disk: self.clone(), at }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        let at = inner.names.get(from).copied().ok_or(io::ErrorKind::NotFound)?;
        inner.change(Change::Set(to.to_owned(), at))?;
        // One step for a file system, so that it is never gone under both names.
        inner.names.remove(from);
        inner.changes.push(Change::Gone(from.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        if !inner.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        inner.change(Change::Gone(path.to_owned()))
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.operate()? {
            return Err(off());
        }
        let Inner { changes, durable_names, .. } = &mut *inner;
        changes.retain(|change| {
            let path = match change {
                Change::Set(path, _) | Change::Gone(path) => path,
            };
            if path.parent() != Some(dir) {
                return true;
            }
            match change {
                Change::Set(path, file) => _ = durable_names.insert(path.clone(), *file),
                Change::Gone(path) => _ = durable_names.remove(path),
            }
            false
        });
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    at: usize,
}

impl DiskFile for SimFile {
    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.lock();
        let dies = inner.operate()?;
        let mut fits = inner.room.map_or(bytes.len(), |room| room.min(bytes.len()));
        if dies {
            fits = fits.min(inner.random.within(0, bytes.len() as i64) as usize);
        }
        if let Some(room) = inner.room.as_mut() {
            *room -= fits;
        }
        inner.file(self.at)?.bytes.extend_from_slice(&bytes[..fits]);
        match (dies, fits == bytes.len()) {
            (true, _) => Err(off()),
            (false, true) => Ok(()),
            (false, false) => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut inner = self.disk.lock();
        if inner.operate()? {
            return Err(off());
        }
        let file = inner.file(self.at)?;
        let (from, to) = (offset as usize, offset as usize + bytes.len());
        if file.bytes.len() < to {
            file.bytes.resize(to, 0);
        }
        file.bytes[from..to].copy_from_slice(bytes);
        Ok(())
    }

    fn read_at(&self, out: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.disk.lock();
        let file = inner.file(self.at)?;
        let rest = file.bytes.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(out.len());
        out[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn size(&self) -> io::Result<u64> {
        self.disk.lock().file(self.at).map(|file| file.bytes.len() as u64)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        let mut inner = self.disk.lock();
        if inner.operate()? {
            return Err(off());
        }
        let file = inner.file(self.at)?;
        file.bytes.truncate(len as usize);
        file.durable = file.durable.min(file.bytes.len());
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut inner = self.disk.lock();
        if inner.operate()? {
            return Err(off());
        }
        let file = inner.file(self.at)?;
        file.durable = file.bytes.len();
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(disk: &SimDisk, path: &Path, sync: bool) {
        let file = disk.open(path, Open::AppendNew).unwrap();
        file.write(&[7; 1_000]).unwrap();
        if sync {
            file.sync_data().unwrap();
            disk.sync_dir(Path::new("/d")).unwrap();
        }
    }

    #[test]
    fn a_killed_process_loses_nothing_and_a_power_cut_what_was_not_synced() {
        let (mut lost_bytes, mut lost_name) = (0, 0);
        for seed in 0..50 {
            let disk = SimDisk::new(seed);
            disk.make_dir(Path::new("/d")).unwrap();
            written(&disk, Path::new("/d/a"), true);
            written(&disk, Path::new("/d/b"), false);
            disk.die();
            assert!(disk.open(Path::new("/d/a"), Open::Read).is_err(), "a machine that stands still");
            disk.revive(Death::Process);
            let size = |name| disk.open(Path::new(name), Open::Read).and_then(|f| f.size());
            assert_eq!((size("/d/a").unwrap(), size("/d/b").unwrap()), (1_000, 1_000));
            disk.die();
            disk.revive(Death::Power);
            assert_eq!(size("/d/a").unwrap(), 1_000, "what was synced is there");
            match size("/d/b") {
                Ok(bytes) => lost_bytes += u64::from(bytes < 1_000),
                Err(_) => lost_name += 1,
            }
        }
        assert!(lost_bytes > 5 && lost_name > 5, "{lost_bytes} {lost_name}");
    }

    #[test]
    fn a_full_disk_takes_what_fits_and_a_death_tears_the_write() {
        let disk = SimDisk::new(3);
        disk.make_dir(Path::new("/d")).unwrap();
        let file = disk.open(Path::new("/d/a"), Open::AppendNew).unwrap();
        disk.set_room(Some(10));
        assert_eq!(file.write(&[1; 30]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(file.size().unwrap(), 10);
        disk.set_room(None);
        disk.die_after(1);
        file.write(&[2; 5]).unwrap();
        assert!(file.write(&[3; 1_000]).is_err() && disk.is_dead() && file.sync_data().is_err());
        disk.revive(Death::Process);
        assert!(file.size().unwrap() < 1_015);
    }
}
