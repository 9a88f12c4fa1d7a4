//! A list of things that were looked at: each passes, fails, or could not be known, with what was found.
//!
//! In:  items, in the order in which they were looked at. Out: a table for people, JSON for programs, and whether all of it passes.
//! What is not known has not passed.

use crate::term::{self, ERROR, HEADING, Table, WARNING, styled};
use serde::Serialize;

/// How an item stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it must be.
    Pass,
    /// Not as it must be.
    Fail,
    /// Not known, which counts as not as it must be.
    Unknown,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its key.
    pub key: &'static str,
    /// What must hold.
    pub must: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub evidence: String,
}

impl Item {
    /// An item that passes or fails.
    #[must_use]
    pub fn new(key: &'static str, must: &'static str, found: Result<String, String>) -> Self {
        match found {
            Ok(evidence) => Self { key, must, state: State::Pass, evidence },
            Err(evidence) => Self { key, must, state: State::Fail, evidence },
        }
    }

    /// An item that could not be looked at.
    #[must_use]
    pub fn unknown(key: &'static str, must: &'static str, why: impl Into<String>) -> Self {
        Self { key, must, state: State::Unknown, evidence: why.into() }
    }
}

/// What was looked at, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Checklist {
    /// The items.
    pub items: Vec<Item>,
}

impl Checklist {
    /// Whether something was looked at, and all of it passes.
    #[must_use]
    pub fn passes(&self) -> bool {
        !self.items.is_empty() && self.items.iter().all(|item| item.state == State::Pass)
    }

    /// What does not pass.
    pub fn open(&self) -> impl Iterator<Item = &Item> {
        self.items.iter().filter(|item| item.state != State::Pass)
    }

    /// What does not pass, as one sentence: the key of each and what was found, the first first.
    #[must_use]
    pub fn open_text(&self) -> String {
        if self.items.is_empty() {
            return "nothing was looked at".into();
        }
        self.open().map(|item| format!("{}: {}", item.key, item.evidence)).collect::<Vec<_>>().join("; ")
    }

    /// The list for people.
    #[must_use]
    pub fn table(&self, width: Option<usize>) -> String {
        let mut table = Table::new(0).left(8).left(20).text();
        table.row(["state", "item", "found"].map(|head| styled(HEADING, head)));
        for item in &self.items {
            let state = match item.state {
                State::Pass => "pass".to_owned(),
                State::Fail => styled(ERROR, "FAIL"),
                State::Unknown => styled(WARNING, "unknown"),
            };
            table.row([state, item.key.to_owned(), format!("{} ({})", item.evidence, item.must)]);
        }
        table.render(width)
    }

    /// The list on standard output.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn print(&self) -> std::io::Result<()> {
        term::print(&self.table(term::width()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_passes() {
        let pass = || Item::new("a", "must", Ok("found".into()));
        assert!(!Checklist::default().passes(), "nothing looked at is nothing passed");
        assert!(Checklist { items: vec![pass(), pass()] }.passes());
        let list = Checklist {
            items: vec![pass(), Item::unknown("b", "must", "why"), Item::new("c", "must", Err("no".into()))],
        };
        assert!(!list.passes());
        assert_eq!(list.open_text(), "b: why; c: no");
        let table = list.table(None);
        assert!(table.contains("unknown") && table.contains("FAIL") && table.contains("found (must)"), "{table}");
        assert_eq!(serde_json::to_value(&list).unwrap()["items"][1]["state"], "unknown");
    }
}
