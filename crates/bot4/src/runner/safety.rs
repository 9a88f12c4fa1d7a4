//! Everything that may stop a run from outside, together: the gate word with its watch, `bot4 kill` left for a run that was down, key holders.
//!
//! In:  the settings and the folder of a run; between two rows the session.
//! Out: control events told to the session, and hence journaled. A kill's request leaves the folder when the trip is on the disk.

use crate::config::RunSettings;
use crate::kill;
use crate::overrides::Hearing;
use crate::runner::outside::Outside;
use crate::runner::record::Recorder;
use crate::runner::session::{Session, SessionError};
use crate::watch::{Watch, WatchError};
use domain::{Cause, Mode, UnixNanos};
use infra::gate_word::{FLATTEN, INCLUDING_STOPS, Level};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Watches over one run and lets others stop it.
pub struct Safety {
    watch: Watch,
    hearing: Option<Hearing>,
    folder: Option<PathBuf>,
    /// Whether a request of `bot4 kill` may lie in the folder whose trip is not on the disk yet.
    requested: bool,
    /// The mode that was seen last.
    mode: Mode,
    /// When the folder was looked into last.
    looked: Instant,
}

/// Between two looks into the folder.
const EVERY: Duration = Duration::from_millis(100);

impl Safety {
    /// Begins to watch over a run in this folder (none for a run that keeps nothing), and puts its session under the gate word. A kill that
    /// came while the run was down closes the gate before anything is played.
    ///
    /// # Errors
    /// [`WatchError`]: a run that cannot be stopped from outside does not start.
    pub fn begin(
        settings: &RunSettings,
        folder: Option<&Path>,
        recorded: bool,
        session: &mut Session,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Self, WatchError> {
        let watch = Watch::start(&settings.safety, folder)?;
        let request = folder.and_then(kill::pending);
        if let Some(request) = &request {
            let flag = |set: bool, flag: u8| if set { flag } else { 0 };
            let flags = flag(request.flatten, FLATTEN) | flag(request.including_stops, INCLUDING_STOPS);
            watch.word().raise(Level::Reducing, Cause::Kill as u8, flags);
            warn(
                "a kill was asked for while this run was down: it goes on in emergency, and takes no new risk until it is re-armed",
            );
        }
        session.send_under(Arc::clone(watch.word()));
        // Who cannot be heard is told of; the run can still be killed.
        let hearing = match folder.filter(|_| recorded && !settings.safety.holders.is_empty()).map(|folder| {
            Hearing::begin(folder, &settings.safety.holders, session.engine.limits().copied(), watch.switch_probe())
        }) {
            None => None,
            Some(Ok(hearing)) => Some(hearing),
            Some(Err(error)) => {
                warn(&error.to_string());
                None
            }
        };
        let mode = session.engine.mode().mode();
        Ok(Self {
            watch,
            hearing,
            folder: folder.map(Path::to_owned),
            requested: request.is_some(),
            mode,
            looked: Instant::now(),
        })
    }

    /// Whether a kill has left its request: it raises the word first and writes afterwards, so a run that hears at once finds it later. What is
    /// found before the word is looked at is told by that look at the latest.
    fn finds_request(&mut self) -> bool {
        let Some(folder) = self.folder.as_ref() else { return false };
        if self.looked.elapsed() < EVERY {
            return false;
        }
        self.looked = Instant::now();
        let found = folder.join(kill::FILE).exists();
        if found && self.mode != Mode::Emergency && self.watch.word().level() == Level::All {
            // It found no gate to raise: the run was about to begin.
            let request = kill::pending(folder);
            let flatten = request.as_ref().is_some_and(|r| r.flatten);
            self.watch.word().raise(Level::Reducing, Cause::Kill as u8, if flatten { FLATTEN } else { 0 });
        }
        found
    }

    /// The trip is in the journal: once that is on the disk, the request has done its work.
    fn answer_request(&mut self, session: &mut Session) {
        let Some(folder) = &self.folder else { return };
        let on_disk = session.tape.journal().is_none_or(|journal| journal.commit().is_ok());
        if on_disk && let Err(error) = kill::done(folder) {
            tracing::warn!(%error, "the request of a kill stays in the folder; the next start will trip once more");
        }
        self.requested = false;
    }
}

impl Outside for Safety {
    fn between(&mut self, session: &mut Session, ts: UnixNanos, probe: &mut Recorder) -> Result<(), SessionError> {
        self.requested |= self.finds_request();
        self.watch.between(session, ts, probe)?;
        if let Some(hearing) = &mut self.hearing {
            hearing.between(session, ts, probe)?;
        }
        let mode = session.engine.mode().mode();
        // Into an emergency, or out of it by a re-arm: nothing of it must come back with the next start.
        let changed = (mode == Mode::Emergency) != (self.mode == Mode::Emergency);
        if changed || (mode == Mode::Emergency && self.requested) {
            self.answer_request(session);
        }
        self.mode = mode;
        Ok(())
    }
}
