//! The audit log of a run as a risk report reads it: orders, fills, refusals, and everything that is no order.

use crate::audit::Entries;
use crate::command::CommandError;
use crate::command::audit::Members;
use crate::runner::run_folder::RunFolder;
use monitor::report::TrailEntry;
use serde_json::Value;
use store::audit::{Layout, LogLines, pending};

/// Kinds that a report neither counts nor tells.
const UNREAD: [&str; 16] = [
    "start",
    "input",
    "definition",
    "signal",
    "cancel",
    "accepted",
    "triggered",
    "rejected",
    "canceled",
    "expired",
    "cancel-rejected",
    "amended",
    "amend-rejected",
    "status",
    "funding",
    "transfer",
];
/// Members that belong to the log and not to what happened.
const OF_THE_LOG: [&str; 6] = ["entry", "seq", "ts", "kind", "prev", "hash"];

/// The entries of the run's log; `None` for a run that keeps none.
pub(super) fn read(folder: &RunFolder) -> Result<Option<Vec<TrailEntry>>, CommandError> {
    let (audit, journal) = (folder.audit(), folder.journal());
    if !audit.is_dir() {
        return Ok(None);
    }
    let mut out = Vec::new();
    let mut complete = false;
    let mut lines = LogLines::open(&audit).map_err(CommandError::failed)?;
    while let Some(line) = lines.next().map_err(CommandError::failed)? {
        if line.whole {
            complete |= take(line.bytes, &mut out);
        }
    }
    if !complete && journal.is_dir() {
        // The process that ended the run did not come to its log: what is missing is in the journal.
        let rest =
            pending(&audit, &journal, &mut Entries::default(), Layout::STANDARD).map_err(CommandError::failed)?;
        for line in rest.lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            take(line, &mut out);
        }
        if let Some(finding) = rest.differs {
            eprintln!(
                "bot4: the log is not what the journal says ({finding}): see `bot4 audit verify {}`",
                folder.path().display()
            );
        }
    }
    Ok(Some(out))
}

/// Takes a line; whether it is the last one of a complete run.
fn take(line: &[u8], out: &mut Vec<TrailEntry>) -> bool {
    let Ok(Members(members)) = serde_json::from_slice::<Members>(line) else { return false };
    let text = |key: &str| members.iter().find(|(name, _)| name == key).and_then(|(_, value)| value.as_str());
    let Some(kind) = text("kind") else { return false };
    if kind == "end" || UNREAD.contains(&kind) {
        return kind == "end";
    }
    let ts = text("ts").and_then(|t| t.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_millisecond);
    let kind = kind.to_owned();
    let shown = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    let fields = members.into_iter().filter(|(key, _)| !OF_THE_LOG.contains(&key.as_str()));
    out.push(TrailEntry { ts, kind, fields: fields.map(|(key, value)| (key, shown(value))).collect() });
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_entries_in_the_order_of_their_members() {
        let mut out = Vec::new();
        let line = br#"{"entry":9,"seq":4,"ts":"1970-01-02T00:00:00.5Z","kind":"mode","from":"normal","to":"emergency","cause":"kill","prev":"a","hash":"b"}"#;
        assert!(!take(line, &mut out));
        assert!(!take(br#"{"kind":"signal","ts":null}"#, &mut out) && !take(b"no json", &mut out));
        assert!(take(br#"{"kind":"end","rows":"4"}"#, &mut out));
        let [entry] = out.as_slice() else { panic!("{out:?}") };
        assert_eq!((entry.ts, entry.kind.as_str()), (Some(86_400_500), "mode"));
        let fields: Vec<(&str, &str)> = entry.fields.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(fields, [("from", "normal"), ("to", "emergency"), ("cause", "kill")]);
    }
}
