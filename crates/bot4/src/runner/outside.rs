//! What lies outside the market and may speak between two rows: the gate word that somebody raised, key holders, heartbeats.
//!
//! In:  the session between two rows, all settled.
//! Out: control events, told to the session and hence journaled. While a record is followed nothing is asked: the record says what came.

use crate::runner::record::Recorder;
use crate::runner::session::{Session, SessionError};
use domain::UnixNanos;

/// Speaks between two rows.
pub trait Outside {
    /// Tells the session what has come since it was asked last. `ts` is the market time that was reached.
    ///
    /// # Errors
    /// As [`Session::tell`].
    fn between(&mut self, session: &mut Session, ts: UnixNanos, probe: &mut Recorder) -> Result<(), SessionError>;
}
