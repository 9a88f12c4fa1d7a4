//! The recorder's growing logs beside the snapshots: only what is new is written at each, so that a snapshot stays small however long a
//! run has been.
//!
//! In:  the recorder, at a snapshot; at a resume the lengths and checksums that the snapshot names.
//! Out: `RUN/records/*.log`, fixed-size entries one after the other. What stands behind the lengths of a snapshot is cut off by a resume.

use crate::runner::record::Recorder;
use crate::runner::records::Log;
use domain::codec::{CodecError, Reader, Stored};
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How much of each log belongs to a snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extents([Extent; Log::ALL.len()]);

/// How much of one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Extent {
    entries: u64,
    crc: u32,
}

impl Stored for Extents {
    fn put(&self, out: &mut Vec<u8>) {
        for extent in &self.0 {
            extent.entries.put(out);
            extent.crc.put(out);
        }
    }

    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut all = Self::default();
        for extent in &mut all.0 {
            *extent = Extent { entries: Stored::take(from)?, crc: Stored::take(from)? };
        }
        Ok(all)
    }
}

/// The logs of a run, open for appending.
pub struct SideLogs {
    files: Vec<(Log, Arc<File>)>,
    folder: PathBuf,
    crcs: [crc32fast::Hasher; Log::ALL.len()],
    entries: [u64; Log::ALL.len()],
}

/// What is new of the logs, to be written before the snapshot that counts it, on whatever thread.
pub struct NewEntries {
    parts: Vec<(PathBuf, Arc<File>, Vec<u8>)>,
}

impl NewEntries {
    /// Writes it, in the order of the snapshots.
    ///
    /// # Errors
    /// With the path; then the snapshot must not be written, nor any after it.
    pub fn write(self) -> io::Result<()> {
        self.parts.into_iter().try_for_each(|(path, file, bytes)| {
            (&*file).write_all(&bytes).and_then(|()| file.sync_data()).map_err(|e| named(&path, e))
        })
    }
}

impl SideLogs {
    /// Empty logs in a folder; what was there is cut off.
    ///
    /// # Errors
    /// With the path.
    pub fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder).map_err(|e| named(folder, e))?;
        let mut files = Vec::with_capacity(Log::ALL.len());
        for log in Log::ALL {
            let path = path_of(folder, log);
            // What is there is cut where a snapshot says, not here.
            let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
            files.push((log, Arc::new(open.map_err(|e| named(&path, e))?)));
        }
        let mut logs =
            Self { files, folder: folder.to_owned(), crcs: Default::default(), entries: [0; Log::ALL.len()] };
        logs.cut()?;
        Ok(logs)
    }

    /// The logs up to the extents of a snapshot, given to the recorder; what stands behind is cut off if `cut`.
    ///
    /// # Errors
    /// If they are shorter than the snapshot says or have other contents: then the snapshot cannot be used.
    pub fn load(folder: &Path, extents: &Extents, recorder: &mut Recorder, cut: bool) -> io::Result<Self> {
        let mut logs = Self {
            files: Vec::with_capacity(Log::ALL.len()),
            folder: folder.to_owned(),
            crcs: Default::default(),
            entries: [0; Log::ALL.len()],
        };
        for (at, log) in Log::ALL.into_iter().enumerate() {
            let path = path_of(folder, log);
            let extent = extents.0.get(at).copied().unwrap_or_default();
            let mut file = OpenOptions::new().read(true).write(cut).open(&path).map_err(|e| named(&path, e))?;
            let length = extent.entries.saturating_mul(log.size() as u64);
            let mut bytes = Vec::new();
            (&mut file).take(length).read_to_end(&mut bytes).map_err(|e| named(&path, e))?;
            let mut crc = crc32fast::Hasher::new();
            crc.update(&bytes);
            if bytes.len() as u64 != length || crc.clone().finalize() != extent.crc {
                let what = format!("{} entries with the snapshot's checksum were expected", extent.entries);
                return Err(named(&path, io::Error::new(io::ErrorKind::InvalidData, what)));
            }
            recorder
                .read_log(log, &bytes)
                .map_err(|e| named(&path, io::Error::new(io::ErrorKind::InvalidData, e.to_string())))?;
            if let Some(held) = logs.crcs.get_mut(at) {
                *held = crc;
            }
            if let Some(held) = logs.entries.get_mut(at) {
                *held = extent.entries;
            }
            logs.files.push((log, Arc::new(file)));
        }
        if cut {
            logs.cut()?;
        }
        Ok(logs)
    }

    /// Where they lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is new, and how much belongs to a snapshot taken now.
    pub fn take_new(&mut self, recorder: &Recorder) -> (Extents, NewEntries) {
        let (mut extents, mut parts) = (Extents::default(), Vec::with_capacity(Log::ALL.len()));
        for (at, (log, file)) in self.files.iter().enumerate() {
            let (Some(entries), Some(crc)) = (self.entries.get_mut(at), self.crcs.get_mut(at)) else { break };
            let from = usize::try_from(*entries).unwrap_or(usize::MAX);
            let mut bytes = Vec::with_capacity(recorder.log_len(*log).saturating_sub(from) * log.size());
            recorder.write_log(*log, from, &mut bytes);
            if !bytes.is_empty() {
                crc.update(&bytes);
                *entries += (bytes.len() / log.size()) as u64;
                parts.push((path_of(&self.folder, *log), Arc::clone(file), bytes));
            }
            if let Some(extent) = extents.0.get_mut(at) {
                *extent = Extent { entries: *entries, crc: crc.clone().finalize() };
            }
        }
        (extents, NewEntries { parts })
    }

    /// Cuts off what stands behind the entries that count.
    fn cut(&mut self) -> io::Result<()> {
        for (at, (log, file)) in self.files.iter().enumerate() {
            let length = self.entries.get(at).map_or(0, |n| n * log.size() as u64);
            let path = path_of(&self.folder, *log);
            file.set_len(length).map_err(|e| named(&path, e))?;
            (&**file).seek(SeekFrom::Start(length)).map_err(|e| named(&path, e))?;
        }
        Ok(())
    }
}

fn path_of(folder: &Path, log: Log) -> PathBuf {
    folder.join(format!("{}.log", log.name()))
}

fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
