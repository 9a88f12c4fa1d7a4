//! Puts a token into the inbox of a run, and waits for the answer.

use super::inbox::{ANSWER, Answer, FOLDER, TOKEN};
use super::token::BYTES_MAX;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two looks for the answer.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How much longer the answer to a token may take that was taken.
const TESTS: Duration = Duration::from_secs(65);

/// Why a token got no answer.
#[derive(Debug)]
pub enum SendError {
    /// The run has no inbox: it has not begun, has ended long ago, or is none.
    NoInbox(PathBuf),
    /// Longer than any token: it is not sent.
    TooLarge,
    /// The system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody answered. It was taken back, so it is not heard later by surprise.
    NoAnswer(Duration),
    /// Nobody answered, and it is there no more: it was taken, and what it asked for may have been done.
    Taken(Duration),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInbox(path) => {
                write!(f, "{}: no inbox: expected the folder of a run that hears overrides", path.display())
            }
            Self::TooLarge => write!(f, "longer than any token ({BYTES_MAX} bytes): it was not sent"),
            Self::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Self::NoAnswer(waited) => write!(
                f,
                "no answer within {} s: no bot4 plays this run, or it hangs; the token was taken back. `bot4 kill` needs no answer",
                waited.as_secs_f64()
            ),
            Self::Taken(waited) => write!(
                f,
                "the run took the token and did not answer within {} s: look into its journal (`bot4 audit show RUN --kind control`)",
                waited.as_secs_f64()
            ),
        }
    }
}

impl std::error::Error for SendError {}

/// Sends a token, and waits so long for the answer.
///
/// # Errors
/// [`SendError`]; a refusal is an answer.
pub fn send(run: &Path, token: &str, wait: Duration) -> Result<Answer, SendError> {
    let inbox = run.join(FOLDER);
    if !inbox.is_dir() {
        return Err(SendError::NoInbox(run.to_owned()));
    }
    if token.len() > BYTES_MAX {
        return Err(SendError::TooLarge);
    }
    let io = |path: &Path, source| SendError::Io { path: path.to_owned(), source };
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(|e| io(&inbox, io::Error::other(e.to_string())))?;
    let name = number.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let path = inbox.join(name).with_extension(TOKEN);
    let (part, answer) = (path.with_extension("part"), path.with_extension(ANSWER));
    // Written aside and renamed: what is seen under its name is whole.
    let written = OpenOptions::new().write(true).create_new(true).open(&part).and_then(|mut file| {
        file.write_all(token.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, &path)
    });
    if let Err(error) = written {
        let _ = std::fs::remove_file(&part);
        return Err(io(&path, error));
    }
    let began = Instant::now();
    loop {
        match std::fs::read(&answer) {
            Ok(bytes) => {
                let read = serde_json::from_slice(&bytes).map_err(|e| io(&answer, e.into()));
                let _ = std::fs::remove_file(&answer);
                return read;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io(&answer, error)),
        }
        // A token that is there no more was taken, and who took it is at it: self-tests have their time.
        if began.elapsed() >= wait && std::fs::remove_file(&path).is_ok() {
            return Err(SendError::NoAnswer(wait));
        }
        if began.elapsed() >= wait + TESTS {
            return Err(SendError::Taken(wait + TESTS));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checklist::Checklist;
    use crate::overrides::token::tests::{NOW, RUN, claims, holders, signed};
    use crate::overrides::{Action, Inbox};
    use std::sync::Arc;

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("bot4-send-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_token_is_answered_by_the_run() {
        let dir = folder("answered");
        let mut inbox = Inbox::open(&dir, Some(RUN.into()), holders(), Arc::new(Checklist::default), NOW).unwrap();
        let sent = std::thread::scope(|scope| {
            let sending = scope.spawn(|| send(&dir, &signed(&claims("pause", 1)), Duration::from_secs(10)));
            let accepted = loop {
                match inbox.next(NOW) {
                    Some(accepted) => break accepted,
                    None => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            assert_eq!(accepted.action, Action::Pause { keep_entries: false });
            accepted.answering.done("told");
            sending.join().unwrap().unwrap()
        });
        assert_eq!((sent.accepted, sent.says.as_str()), (true, "told"));
        assert_eq!(std::fs::read_dir(dir.join("inbox")).unwrap().count(), 0, "nothing is left");
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_run_that_does_not_hear_gets_no_word_later() {
        let dir = folder("deaf");
        assert!(matches!(send(&dir, "x", Duration::ZERO), Err(SendError::NoInbox(_))));
        std::fs::create_dir(dir.join("inbox")).unwrap();
        assert!(matches!(send(&dir, "x", Duration::from_millis(50)), Err(SendError::NoAnswer(_))));
        assert_eq!(std::fs::read_dir(dir.join("inbox")).unwrap().count(), 0);
        assert!(matches!(send(&dir, &"x".repeat(BYTES_MAX + 1), Duration::ZERO), Err(SendError::TooLarge)));
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
