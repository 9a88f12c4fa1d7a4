//! The engine: a state machine. Events go in with engine time, commands come out; nothing else happens.
//!
//! In:  market events, reports of venues, timers, model outputs, definitions, control events, in the order that the runner gives them.
//! Out: [`risk::Command`]s, a running digest of inputs and commands, and on request a digest of the whole state.
//! No clock, thread, socket, file or randomness: the same events give the same commands on every machine.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod reconcile;
mod safety;
mod setup;
mod snapshot;
mod step;

pub use execution::{AskPolicy, ReconcilePolicy, StopPolicy};
pub use setup::{EngineConfig, EngineError};
pub use step::{Booked, Engine, Fault, defined};
