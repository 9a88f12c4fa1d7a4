//! What was recorded, read back as evidence: for the gate before live trading and for the self-assessment.
//!
//! In:  run folders: journals, audit logs, results, used and refused tokens.
//! Out: facts of each run, and what cannot be read with the reason. Nothing is taken from anywhere else: what was not recorded is not known.

mod controls;
mod evidence;
mod report;
mod text;

pub use controls::{Control, Standing, controls};
pub use evidence::{AuditFacts, Change, Evidence, RunFacts, Switched, config_hash, gather};
pub use report::{Assessment, assess};
