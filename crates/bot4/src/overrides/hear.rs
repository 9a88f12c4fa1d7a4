//! Hearing: what key holders put into the inbox of a run becomes control events of its session, between two rows.
//!
//! In:  the inbox; the session between two rows. Out: control events, told and hence journaled; answers with what came of them.
//! While a record is followed nobody asks here: the record says what came.

use super::holder::{Holders, HoldersError};
use super::inbox::{Accepted, Counts, Inbox};
use super::run_name::run_name;
use super::self_test::{self, Subject};
use crate::audit;
use crate::runner::outside::Outside;
use crate::runner::record::Recorder;
use crate::runner::session::{Session, SessionError};
use crate::watch::SwitchProbe;
use domain::{Control, EventBody, Mode, Rearm, UnixNanos};
use risk::Limits;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two looks into the inbox.
const EVERY: Duration = Duration::from_millis(100);

/// Why nobody can be heard. A run goes on without: it can still be killed.
#[derive(Debug)]
pub enum HearError {
    /// The configuration has holders that are none.
    Holders(HoldersError),
    /// There is no folder for the inbox.
    Inbox(io::Error),
}

impl fmt::Display for HearError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Holders(error) => write!(f, "{error}"),
            Self::Inbox(error) => write!(f, "overrides are not heard: {error}"),
        }
    }
}

impl std::error::Error for HearError {}

/// Listens to key holders for one run.
pub struct Hearing {
    inbox: Inbox,
    looked: Option<Instant>,
    /// How many trips the session had been told of at the last look.
    trips: u64,
}

impl Hearing {
    /// Listens for the run in this folder, which has begun. `holders` are the lines of `safety.holders`, `limits` those in
    /// force; a re-arm is refused while `switch` says that the hardware switch is not ready.
    ///
    /// # Errors
    /// [`HearError`].
    pub fn begin(
        run: &Path,
        holders: &[String],
        limits: Option<Limits>,
        switch: SwitchProbe,
    ) -> Result<Self, HearError> {
        let holders = Holders::parse(holders).map_err(HearError::Holders)?;
        // A re-arm needs the key that signs the audit log, which is else made when the first run ends.
        if !holders.is_empty()
            && let Err(error) = audit::signer(run)
        {
            tracing::warn!(%error, "there is no key for the audit log: a re-arm would be refused");
        }
        // Without a name only words for any run are taken, and no re-arm.
        let name = run_name(run).unwrap_or_else(|error| {
            tracing::warn!(%error, "the run has no name: overrides for this run alone are refused");
            None
        });
        let folder = run.to_owned();
        let tests = Arc::new(move || {
            let switch = Arc::clone(&switch);
            self_test::run(&Subject { switch: Box::new(move |_| switch()), ..Subject::of_run(&folder, limits) })
        });
        let inbox = Inbox::open(run, name, holders, tests, now()).map_err(HearError::Inbox)?;
        Ok(Self { inbox, looked: None, trips: 0 })
    }

    /// How many tokens were taken and refused.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inbox.counts()
    }
}

impl Outside for Hearing {
    fn between(&mut self, session: &mut Session, ts: UnixNanos, probe: &mut Recorder) -> Result<(), SessionError> {
        if self.looked.is_some_and(|at| at.elapsed() < EVERY) {
            return Ok(());
        }
        self.looked = Some(Instant::now());
        if session.trips() != self.trips {
            self.trips = session.trips();
            self.inbox.tripped(now());
        }
        while let Some(Accepted { controls, answering, .. }) = self.inbox.next(now()) {
            let (limits, mode) = (session.engine.limits().copied(), session.engine.mode().mode());
            let (mut tightens, mut rearms) = (false, false);
            for control in controls {
                tightens |= matches!(control, Control::Tighten { .. });
                rearms |= matches!(control, Control::Rearm { what: Rearm::Account, .. });
                session.tell(ts, EventBody::Control(control), probe)?;
            }
            if tightens && session.engine.limits().copied() == limits {
                answering
                    .without_effect("the limit in force is as tight already, or this is no value for it: it stays");
                continue;
            }
            if rearms && session.engine.mode().mode() == mode {
                answering.without_effect(match mode {
                    Mode::Normal => "there is nothing to re-arm: the mode is normal",
                    _ => "a fault stands, and only a new start ends it: the mode stays",
                });
                continue;
            }
            let (seq, mode) = (session.seq(), session.engine.mode().mode().key());
            answering.done(&format!("told to the engine as event {seq}; its mode is {mode}"));
        }
        Ok(())
    }
}

/// The machine's clock. Before 1970 it is 1970: every token is of a time to come then, and refused.
fn now() -> UnixNanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixNanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
