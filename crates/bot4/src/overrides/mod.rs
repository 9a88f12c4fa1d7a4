//! Overrides: what a named key holder can say to a running bot4, signed, once, for a few minutes, and only to make it stricter.
//!
//! In:  tokens in the inbox of a run; the public keys of the configuration.
//! Out: control events with the holder's name, for the session to be told and hence for the journal; answers; lines of the log.
//! There is no word for an order and none for a looser limit. Back to trading after a trip leads a re-arm alone: a role of its own, for one
//! run by its name, through the [self-tests](self_test).

mod action;
mod base64;
mod hear;
mod holder;
mod inbox;
mod key;
mod refused;
mod run_name;
pub mod self_test;
mod send;
mod token;
mod used;

pub use action::{Action, EXPECTED as ACTIONS};
pub use hear::{HearError, Hearing};
pub use holder::{EXPECTED as HOLDER, Holders, HoldersError, KeyHolder, Role};
pub use inbox::{Accepted, Answer, Answering, Counts, Inbox, Tests};
pub use key::{HolderKey, HolderKeyError};
pub use refused::Refused;
pub use run_name::run_name;
pub use send::{SendError, send};
pub use token::{ANY, BYTES_MAX, Claims, Granted, LIFE_MAX_S, Purpose, SKEW_S, Signed, open, seal, verify};
pub use used::{RefusedLine, UsedLine, refused_lines, used_lines};
