//! The file `kill.json` of a run: somebody has killed it, and it must not start anew as if nobody had.
//!
//! The gate word dies with its process. A process that dies before it has journaled the trip would be resumed without it; so the kill leaves
//! this file too. A start that finds it begins in emergency, and removes it when the trip is in its journal.

use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Name of the file in the run's folder.
pub const FILE: &str = "kill.json";
const VERSION: u32 = 1;

/// What was asked of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillRequest {
    /// Version of this record: fields are only ever added.
    pub version: u32,
    /// When, on the machine's clock, for people.
    pub at: String,
    /// Close all positions.
    pub flatten: bool,
    /// Take back protective stops too.
    pub including_stops: bool,
    /// Why the file could not be read: that it is there counts, what it says is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damaged: Option<String>,
}

impl KillRequest {
    /// A request of now.
    #[must_use]
    pub fn now(flatten: bool, including_stops: bool) -> Self {
        Self { version: VERSION, at: jiff::Timestamp::now().to_string(), flatten, including_stops, damaged: None }
    }

    fn damaged(why: String) -> Self {
        Self { version: VERSION, at: String::new(), flatten: false, including_stops: false, damaged: Some(why) }
    }
}

/// A request could not be left in whole.
#[derive(Debug)]
pub struct RequestError {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
    /// Whether an empty file stands in its place: the run starts in emergency all the same, without what else was asked.
    pub bare: bool,
}

impl std::fmt::Display for RequestError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rest = if self.bare {
            "an empty one is there: the run starts in emergency"
        } else {
            "a run that dies now and is resumed does not know of the kill"
        };
        write!(f, "{}: {}; {rest}", self.path.display(), self.error)
    }
}

impl std::error::Error for RequestError {}

/// Leaves a request in the folder of a run, durable when it returns. One that is there is kept and added to.
///
/// # Errors
/// [`RequestError`], on a full disk for instance; an empty file may be there then, which counts too.
pub fn leave(run: &Path, request: &KillRequest) -> Result<(), RequestError> {
    let path = run.join(FILE);
    let mut request = request.clone();
    if let Some(before) = pending(run) {
        request.flatten |= before.flatten;
        request.including_stops |= before.including_stops;
    }
    let aside = run.join(format!(".{FILE}.{}.part", std::process::id()));
    let write = || -> io::Result<()> {
        let text = serde_json::to_string(&request).map_err(io::Error::other)? + "\n";
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&aside, &path)?;
        File::open(run)?.sync_all()
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&aside);
        // An empty file takes no room on a full disk. One that is there is not touched.
        let bare = OpenOptions::new().write(true).create(true).truncate(false).open(&path).is_ok();
        RequestError { path, error, bare }
    })
}

/// The request that waits in the folder of a run. A file that is there and cannot be read is one: what is not known stops.
#[must_use]
pub fn pending(run: &Path) -> Option<KillRequest> {
    let path = run.join(FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap_or_else(|error| {
            KillRequest::damaged(format!("{}: {error}: expected a request of `bot4 kill`", path.display()))
        })),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
        Err(error) => Some(KillRequest::damaged(format!("{}: {error}", path.display()))),
    }
}

/// Removes the request: the trip is in the journal, durable, or the gate was re-armed since.
///
/// # Errors
/// If it is there and cannot be removed: the next start will find it again, which trips once more.
pub fn done(run: &Path) -> io::Result<()> {
    match std::fs::remove_file(run.join(FILE)) {
        Ok(()) => File::open(run)?.sync_all(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("bot4-request-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn it_waits_until_it_is_done_and_adds_up() {
        let run = folder("waits");
        assert_eq!(pending(&run), None);
        let first = KillRequest::now(true, false);
        leave(&run, &first).unwrap();
        assert_eq!(pending(&run), Some(first));
        leave(&run, &KillRequest::now(false, true)).unwrap();
        let both = pending(&run).unwrap();
        assert!(both.flatten && both.including_stops && both.damaged.is_none());
        assert_eq!(std::fs::read_dir(&run).unwrap().count(), 1, "nothing is left aside");
        done(&run).unwrap();
        assert_eq!(pending(&run), None);
        done(&run).unwrap();
        std::fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_read_is_a_request() {
        let run = folder("damaged");
        for text in ["", "{", "{\"version\":1}", "[]"] {
            std::fs::write(run.join(FILE), text).unwrap();
            let request = pending(&run).unwrap();
            assert!(request.damaged.is_some() && !request.flatten, "{text:?}: {request:?}");
        }
        std::fs::write(run.join(FILE), [0xFF, 0xFE]).unwrap();
        assert!(pending(&run).unwrap().damaged.is_some());
        std::fs::remove_file(run.join(FILE)).unwrap();
        std::fs::create_dir(run.join(FILE)).unwrap();
        assert!(pending(&run).unwrap().damaged.is_some(), "even a folder of this name");
        std::fs::remove_dir_all(&run).unwrap();
        assert_eq!(pending(&run), None, "no folder, no run");
    }

    #[test]
    fn a_later_version_is_understood_as_far_as_it_goes() {
        let run = folder("later");
        let text = r#"{"version":2,"at":"x","flatten":true,"including_stops":false,"account":7}"#;
        std::fs::write(run.join(FILE), text).unwrap();
        let request = pending(&run).unwrap();
        assert!(request.flatten && request.damaged.is_none());
        std::fs::remove_dir_all(&run).unwrap();
    }

    #[test]
    fn where_nothing_can_be_written_it_says_what_that_means() {
        let error = leave(Path::new("nowhere/run"), &KillRequest::now(false, false)).unwrap_err();
        assert!(!error.bare && error.to_string().contains("does not know of the kill"), "{error}");
        // What cannot be written aside leaves an empty file in its place.
        let run = folder("aside");
        std::fs::create_dir(run.join(format!(".{FILE}.{}.part", std::process::id()))).unwrap();
        let error = leave(&run, &KillRequest::now(true, false)).unwrap_err();
        assert!(error.bare && pending(&run).unwrap().damaged.is_some(), "{error}");
        std::fs::remove_dir_all(&run).unwrap();
    }
}
