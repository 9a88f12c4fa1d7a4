//! Which tokens were used: a line for each in the run's folder, written before anything is done by it.
//!
//! In:  tokens that hold. Out: whether one was used before, now or by an earlier process on this folder.
//!
//! A line is with the operating system before the token's word is handed on, so no killed process makes it usable again. Where a line
//! cannot be written, a token that makes trading stricter holds all the same: saying it twice does no harm, not hearing it does. A re-arm
//! does not, and waits for its line to be on the disk.

use super::token::Granted;
use domain::UnixNanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Name of the file in the run's folder.
pub const FILE: &str = "overrides.used";
/// Tokens that were refused, beside it: evidence only, nothing follows from it.
pub const REFUSED_FILE: &str = "overrides.refused";

/// The file of refused tokens ends here, so that nobody can fill a disk with them.
const REFUSED_BYTES_MAX: u64 = 1 << 20;

/// Largest file of used tokens that is read: a hundred thousand of them.
const BYTES_MAX: u64 = 32 << 20;

/// A token that was used, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedLine {
    /// When, by the machine's clock.
    pub at: String,
    /// Its number.
    pub jti: String,
    /// Whose.
    pub sub: String,
    /// In which role.
    pub role: String,
    /// What was asked for.
    pub act: String,
    /// Until when it would have held, seconds since 1970 UTC.
    pub exp: u64,
}

/// A token that was refused, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedLine {
    /// When, by the machine's clock.
    pub at: String,
    /// Name of the file that it came in.
    pub file: String,
    /// Key of the reason.
    pub reason: String,
    /// The reason in words.
    pub why: String,
    /// What it asked for, and whose it was; only where the signature held.
    pub claims: Option<String>,
}

/// The tokens that were used.
#[derive(Debug)]
pub struct Used {
    path: PathBuf,
    seen: BTreeSet<String>,
    /// Why it is not known which tokens were used.
    unknown: Option<String>,
    /// Whether the file ends within a line: the process that wrote it died before it did anything by that token.
    torn: bool,
    file: Option<File>,
}

impl Used {
    /// Reads what was used in this folder.
    #[must_use]
    pub fn open(run: &Path) -> Self {
        let path = run.join(FILE);
        let mut used = Self { path, seen: BTreeSet::new(), unknown: None, torn: false, file: None };
        match read(&used.path) {
            Ok(text) => used.take(&text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => used.unknown = Some(format!("{}: {error}", used.path.display())),
        }
        used
    }

    fn take(&mut self, bytes: &[u8]) {
        self.torn = !bytes.is_empty() && !bytes.ends_with(b"\n");
        let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
        let last = lines.pop().unwrap_or_default();
        for (at, line) in lines.iter().enumerate() {
            // Where a line had broken off and the file was gone on with, an empty one follows it.
            let broken = |at: usize| lines.get(at + 1).is_some_and(|next| next.is_empty());
            match serde_json::from_slice::<UsedLine>(line) {
                Ok(line) => drop(self.seen.insert(line.jti)),
                Err(_) if line.is_empty() || broken(at) => {}
                Err(_) => {
                    let number = at + 1;
                    self.unknown.get_or_insert(format!(
                        "{}: line {number} is none: which tokens were used is not known",
                        self.path.display()
                    ));
                }
            }
        }
        // What is whole but for its line end was perhaps acted on by a file system that lost the end.
        if let Ok(line) = serde_json::from_slice::<UsedLine>(last) {
            self.seen.insert(line.jti);
        }
    }

    /// Whether this token was used.
    #[must_use]
    pub fn has(&self, jti: &str) -> bool {
        self.seen.contains(jti)
    }

    /// Why it is not known which tokens were used, if it is not.
    #[must_use]
    pub fn unknown(&self) -> Option<&str> {
        self.unknown.as_deref()
    }

    /// Notes a token as used: with the operating system for one that makes trading stricter, on the disk for a re-arm.
    ///
    /// # Errors
    /// If it cannot be written. It counts as used in this process all the same.
    pub fn note(&mut self, granted: &Granted, now: UnixNanos, on_disk: bool) -> io::Result<()> {
        let claims = &granted.claims;
        self.seen.insert(claims.jti.clone());
        let line = UsedLine {
            at: time(now),
            jti: claims.jti.clone(),
            sub: claims.sub.clone(),
            role: claims.role.clone(),
            act: claims.act.clone(),
            exp: claims.exp,
        };
        let mut text = serde_json::to_vec(&line).map_err(io::Error::other)?;
        text.push(b'\n');
        if self.torn {
            // The line that broke off ends, and an empty one follows it, by which it is told from a damaged one.
            text.splice(0..0, *b"\n\n");
        }
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let mut options = OpenOptions::new();
                options.create(true).append(true);
                none.insert(options.open(&self.path)?)
            }
        };
        file.write_all(&text)?;
        self.torn = false;
        if on_disk {
            file.sync_data()?;
            if let Some(folder) = self.path.parent() {
                File::open(folder)?.sync_all()?;
            }
        }
        Ok(())
    }
}

/// Reads a file that is not larger than it can be.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n > BYTES_MAX) {
        return Err(io::Error::other("larger than such a file can be"));
    }
    Ok(bytes)
}

/// The tokens that were used in a run's folder, for reports; lines that are none are left out and counted.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn used_lines(run: &Path) -> io::Result<(Vec<UsedLine>, usize)> {
    lines_of(&run.join(FILE))
}

/// The tokens that were refused in a run's folder, for reports; lines that are none are left out and counted.
///
/// # Errors
/// If the file is there and cannot be read.
pub fn refused_lines(run: &Path) -> io::Result<(Vec<RefusedLine>, usize)> {
    lines_of(&run.join(REFUSED_FILE))
}

fn lines_of<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<(Vec<T>, usize)> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error),
    };
    let lines = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let read: Vec<Option<T>> = lines.map(|line| serde_json::from_slice(line).ok()).collect();
    let bad = read.iter().filter(|line| line.is_none()).count();
    Ok((read.into_iter().flatten().collect(), bad))
}

/// Appends a refusal to the file of refused tokens, unless that is full. What goes wrong here changes nothing.
pub fn note_refused(run: &Path, line: &RefusedLine) {
    let path = run.join(REFUSED_FILE);
    if std::fs::metadata(&path).is_ok_and(|meta| meta.len() >= REFUSED_BYTES_MAX) {
        return;
    }
    let Ok(mut text) = serde_json::to_vec(line) else { return };
    text.push(b'\n');
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(&path) {
        let _ = file.write_all(&text);
    }
}

/// A time as text.
#[must_use]
pub fn time(now: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(now.0)).map_or_else(|_| now.0.to_string(), |t| t.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::overrides::token::tests::{NOW, RUN, claims, holders, signed};
    use crate::overrides::token::verify;

    fn granted(number: u64) -> Granted {
        verify(&signed(&claims("halt", number)), &holders(), Some(RUN), NOW).unwrap()
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("bot4-used-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    fn jti(number: u64) -> String {
        format!("{number:032x}")
    }

    #[test]
    fn the_next_process_knows_what_was_used() {
        let dir = folder("next");
        let mut used = Used::open(&dir);
        assert!(!used.has(&jti(1)));
        used.note(&granted(1), NOW, false).unwrap();
        used.note(&granted(2), NOW, true).unwrap();
        assert!(used.has(&jti(1)));
        // Nothing is closed or finished: a killed process does neither.
        let next = Used::open(&dir);
        assert!(next.has(&jti(1)) && next.has(&jti(2)) && !next.has(&jti(3)) && next.unknown().is_none());
        let (lines, bad) = used_lines(&dir).unwrap();
        assert_eq!((lines.len(), bad, lines[0].sub.as_str(), lines[0].act.as_str()), (2, 0, "anna", "halt"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_line_that_broke_off_is_gone_on_with_and_a_damaged_one_is_told() {
        let dir = folder("torn");
        let path = dir.join(FILE);
        let mut used = Used::open(&dir);
        used.note(&granted(1), NOW, false).unwrap();
        used.note(&granted(2), NOW, false).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in whole.len() / 2 + 1..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let mut torn = Used::open(&dir);
            assert!(torn.has(&jti(1)) && torn.unknown().is_none(), "cut at {cut}");
            torn.note(&granted(3), NOW, false).unwrap();
            let next = Used::open(&dir);
            assert!(next.has(&jti(1)) && next.has(&jti(3)) && next.unknown().is_none(), "cut at {cut}");
        }
        std::fs::write(&path, [b"garbage\n", whole.as_slice()].concat()).unwrap();
        let damaged = Used::open(&dir);
        assert!(damaged.has(&jti(1)) && damaged.has(&jti(2)));
        assert!(damaged.unknown().unwrap().contains("line 1"), "{:?}", damaged.unknown());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn what_cannot_be_written_or_read_is_told_and_still_counts() {
        let dir = folder("refused");
        std::fs::create_dir(dir.join(FILE)).unwrap();
        let mut used = Used::open(&dir);
        assert!(used.unknown().is_some());
        assert!(used.note(&granted(1), NOW, false).is_err());
        assert!(used.has(&jti(1)));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn refused_tokens_do_not_fill_the_disk() {
        let dir = folder("full");
        let line = RefusedLine {
            at: String::new(),
            file: "f".into(),
            reason: "form".into(),
            why: "x".repeat(600),
            claims: None,
        };
        for _ in 0..3_000 {
            note_refused(&dir, &line);
        }
        let bytes = std::fs::metadata(dir.join(REFUSED_FILE)).unwrap().len();
        assert!((REFUSED_BYTES_MAX..REFUSED_BYTES_MAX + 1_000).contains(&bytes), "{bytes}");
        assert_eq!(refused_lines(&dir).unwrap().0[0], line);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
