//! How long a recorded run keeps what may expire: timers, decisions and other records that only a replay of old days needs.
//!
//! In:  the days of market time that are kept whole, and where the run is.
//! Out: older segments of the journal without such records. Orders, reports, instruments and configuration never go, and nothing goes that
//! is newer than the oldest kept snapshot.

use crate::runner::keep::STATE_VERSION;
use crate::runner::run_folder::RunFolder;
use crate::runner::tape::Mark;
use domain::UnixNanos;
use domain::codec::{Reader as Bytes, Stored};
use domain::time::NANOS_PER_DAY;
use store::journal::{JournalError, Kind, Limit, Policy, Reader, Retained, retain};
use store::snapshot::{SnapshotError, SnapshotFolder};

/// Why retention could not be done; nothing is lost by it.
#[derive(Debug)]
pub enum RetentionError {
    /// The journal refused.
    Journal(JournalError),
    /// The snapshots refused.
    Snapshots(SnapshotError),
}

impl std::fmt::Display for RetentionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Journal(error) => write!(f, "retention: {error}"),
            Self::Snapshots(error) => write!(f, "retention: {error}"),
        }
    }
}

impl std::error::Error for RetentionError {}

/// Removes what may expire and is older than so many days before `reached`. With 0 days nothing ever is.
///
/// # Errors
/// [`RetentionError`]; what was not done stays as it was.
pub fn apply(folder: &RunFolder, days: u64, reached: UnixNanos) -> Result<Retained, RetentionError> {
    let keep_from = reached.0.saturating_sub(days.saturating_mul(NANOS_PER_DAY));
    if days == 0 || keep_from == 0 {
        return Ok(Retained::default());
    }
    let Some(seq) = last_mark_before(folder, UnixNanos(keep_from)).map_err(RetentionError::Journal)? else {
        return Ok(Retained::default());
    };
    let snapshots = SnapshotFolder::new(&folder.snapshots(), STATE_VERSION);
    snapshots.remove_before(seq).map_err(RetentionError::Snapshots)?;
    let oldest = snapshots.list().map_err(RetentionError::Snapshots)?.first().map(|entry| entry.seq);
    let policy = Policy { limit: Limit::BeforeSeq(seq), oldest_snapshot_seq: oldest };
    retain(&folder.journal(), &policy).map_err(RetentionError::Journal)
}

/// The newest mark that is older than a time: marks tell which event belongs to which time.
fn last_mark_before(folder: &RunFolder, ts: UnixNanos) -> Result<Option<u64>, JournalError> {
    let mut reader = Reader::open(&folder.journal())?;
    let mut last = None;
    while let Some(record) = reader.next()? {
        if record.kind == Kind::Mark
            && let Ok(mark) = Mark::take(&mut Bytes::new(record.body))
        {
            if mark.ts >= ts {
                break;
            }
            last = Some(record.seq);
        }
    }
    Ok(last)
}
