//! What a run reads, by reference: every file with its length and SHA-256, so that a replay knows that it reads the same.
//!
//! In:  the series of a run.
//! Out: the references for the journal's first record; later the same series again, from where the files are now, if their contents are the same.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use store::history::{Input, Series};

/// How the rows of several inputs are brought into one order; part of what a journal refers to.
pub const MERGE_RULE: &str = "time, then source by number, then row; opens of bars after all else of their time (1)";

/// One series that a run reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesRef {
    /// Venue, symbol and kind: `binance_spot BTCUSDT 1m`.
    pub title: String,
    /// Rows that its files say they hold; those left out by `--from` and `--to` are counted too.
    pub rows: Option<u64>,
    /// Its files in time order.
    pub files: Vec<FileRef>,
}

/// One file of a series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRef {
    /// Its name.
    pub name: String,
    /// Where it was; none if the program carries it.
    pub path: Option<PathBuf>,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 of its contents, hexadecimal.
    pub sha256: String,
}

/// Why the inputs of a run are not what they were.
#[derive(Debug)]
pub enum InputsError {
    /// A file cannot be read.
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The data has other series than the run read.
    Series {
        /// What the run read.
        expected: Vec<String>,
        /// What is there.
        found: Vec<String>,
    },
    /// A file has other contents.
    Changed {
        /// Which.
        name: String,
        /// Its SHA-256 when the run began.
        expected: String,
        /// Its SHA-256 now.
        found: String,
    },
}

impl fmt::Display for InputsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => write!(
                f,
                "{}: {error}: the run reads this file; put it back, or say with --data where it is now",
                path.display()
            ),
            Self::Series { expected, found } => write!(
                f,
                "the run read {}, and the data has {}",
                expected.join(", "),
                if found.is_empty() { "nothing".to_owned() } else { found.join(", ") }
            ),
            Self::Changed { name, expected, found } => write!(
                f,
                "{name} has changed since the run began: SHA-256 {found}, expected {expected}; another run can be started on it"
            ),
        }
    }
}

impl std::error::Error for InputsError {}

/// References to all series.
///
/// # Errors
/// [`InputsError::Unreadable`].
pub fn refer(series: &[Series]) -> Result<Vec<SeriesRef>, InputsError> {
    let mut known: Vec<(Input, FileRef)> = Vec::new();
    let mut all = Vec::with_capacity(series.len());
    for s in series {
        let mut files = Vec::with_capacity(s.parts.len());
        for part in &s.parts {
            // A file may hold several series.
            if let Some((_, file)) = known.iter().find(|(input, _)| *input == part.input) {
                files.push(file.clone());
                continue;
            }
            let file = refer_file(&part.name, &part.input)?;
            known.push((part.input.clone(), file.clone()));
            files.push(file);
        }
        all.push(SeriesRef { title: s.title(), rows: s.rows(), files });
    }
    Ok(all)
}

/// Whether the series are those that were referred to, file by file.
///
/// # Errors
/// [`InputsError`] names the first difference.
pub fn compare(expected: &[SeriesRef], series: &[Series]) -> Result<(), InputsError> {
    let found = refer(series)?;
    let shape = |refs: &[SeriesRef]| -> Vec<String> {
        refs.iter().map(|s| format!("{} ({} files)", s.title, s.files.len())).collect()
    };
    if shape(expected) != shape(&found) {
        return Err(InputsError::Series { expected: shape(expected), found: shape(&found) });
    }
    for (was, is) in expected.iter().flat_map(|s| &s.files).zip(found.iter().flat_map(|s| &s.files)) {
        if was.sha256 != is.sha256 {
            return Err(InputsError::Changed {
                name: is.path.as_ref().map_or_else(|| is.name.clone(), |p| p.display().to_string()),
                expected: was.sha256.clone(),
                found: is.sha256.clone(),
            });
        }
    }
    Ok(())
}

fn refer_file(name: &str, input: &Input) -> Result<FileRef, InputsError> {
    match input {
        Input::Memory { bytes, .. } => Ok(FileRef {
            name: name.to_owned(),
            path: None,
            bytes: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        }),
        Input::Path(path) => {
            let unreadable = |error| InputsError::Unreadable { path: path.clone(), error };
            let path = std::fs::canonicalize(path).map_err(unreadable)?;
            let (bytes, sha256) = hash_file(&path).map_err(unreadable)?;
            Ok(FileRef { name: name.to_owned(), path: Some(path), bytes, sha256 })
        }
    }
}

/// Length and SHA-256 of a file.
///
/// # Errors
/// If it cannot be read.
pub fn hash_file(path: &Path) -> std::io::Result<(u64, String)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut length) = (Sha256::new(), 0u64);
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        let n = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..n).filter(|part| !part.is_empty()) else { break };
        hash.update(part);
        length += n as u64;
    }
    Ok((length, hex(&hash.finalize())))
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        use fmt::Write as _;
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::history::{Options, discover};

    fn csv(dir: &Path, name: &str, close: &str) -> PathBuf {
        let path = dir.join(name);
        let rows: String = (0..3).map(|n| format!("{},1,2,1,{close},5\n", 1_609_459_200_000u64 + n * 60_000)).collect();
        std::fs::write(&path, format!("timestamp,open,high,low,close,volume\n{rows}")).unwrap();
        path
    }

    #[test]
    fn contents_count_and_places_do_not() {
        let dir = std::env::temp_dir().join(format!("bot4-inputs-{}", std::process::id()));
        let (a, b) = (dir.join("a"), dir.join("b"));
        std::fs::create_dir_all(&a).unwrap();
        std::fs::create_dir_all(&b).unwrap();
        let name = "binance_spot_BTCUSDT_1m_2021.csv";
        let found = |path: PathBuf| discover(&[Input::Path(path)], &Options::default()).unwrap();
        let first = found(csv(&a, name, "1.5"));
        let refs = refer(&first).unwrap();
        assert_eq!(refs[0].files[0].sha256.len(), 64);
        assert!(compare(&refs, &found(csv(&b, name, "1.5"))).is_ok(), "the same contents elsewhere");
        let error = compare(&refs, &found(csv(&b, name, "1.6"))).unwrap_err();
        assert!(matches!(error, InputsError::Changed { .. }), "{error}");
        assert!(matches!(compare(&refs, &[]), Err(InputsError::Series { .. })));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
