//! How a run went on after an interruption: what the journal and the result say of it.

use serde::{Deserialize, Serialize};
use std::path::Path;
use store::journal::{JournalError, Kind, Reader};

/// One recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// The event that the snapshot was taken after; 0 where the run was played again from its beginning.
    pub snapshot_seq: u64,
    /// Events between the snapshot and the end of the record: they were played again, and held against the record.
    pub tail_events: u64,
    /// The first event processed after the recovery, counted from 1.
    pub resumed_at: u64,
    /// Bytes of a record that had broken off, cut from the end of the journal.
    pub torn_bytes: u64,
    /// Snapshots that could not be used, with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unusable: Vec<String>,
}

/// The recoveries that stand in a journal, in order.
///
/// # Errors
/// If the journal cannot be read.
pub fn recorded(journal: &Path) -> Result<Vec<Recovery>, JournalError> {
    let mut reader = Reader::open(journal)?;
    let mut all = Vec::new();
    while let Some(record) = reader.next()? {
        if record.kind == Kind::Recovery
            && let Ok(recovery) = serde_json::from_slice(record.body)
        {
            all.push(recovery);
        }
    }
    Ok(all)
}
