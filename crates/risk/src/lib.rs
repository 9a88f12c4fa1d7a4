//! The two gates: a signal becomes [`Validated`], then every order becomes [`Approved`]. Only this crate can build either.
//!
//! In:  signals and order intents, the ledger, the market view, limits.
//! Out: [`Approved`] orders and [`Command`]s, the only things that can be said to a venue; or a [`Refusal`] with its numbers.
//! Risk says yes or no and sets levels. It owns no order and sends nothing.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod approved;
pub mod budget;
pub mod cached;
pub mod check;
pub mod clamp;
pub mod command;
pub mod correlation;
pub mod deny_reason;
pub mod exposure;
pub mod gate;
pub mod group;
pub mod guard;
pub mod limits;
mod measure;
pub mod metrics;
pub mod mode;
pub mod restore;
pub mod sizing;
#[cfg(test)]
mod stage;
pub mod standing;
pub mod throttle;
pub mod validate;
pub mod verify;
pub mod whole;
pub mod window;

pub use approved::{Approved, ApprovedRecord, ReleaseError, VenueKind};
pub use cached::{Ask, Quick};
pub use check::{CHECKS, Check};
pub use clamp::{ClampConfig, Input};
pub use command::{Command, CommandRecord, Decision};
pub use deny_reason::{DenyReason, Refusal};
pub use exposure::Reservation;
pub use gate::{EntryIntent, Gate, Scene};
pub use group::{Counted, GroupAsk};
pub use guard::{Action, Guard, GuardConfig, Stance};
pub use limits::{LimitError, Limits, Profile, StandardLimits, TightenError};
pub use metrics::Metrics;
pub use mode::ModeMachine;
pub use restore::Restorer;
pub use standing::{Breaker, Reading, Standing};
pub use validate::Validated;
pub use verify::Breach;
pub use whole::Whole;
