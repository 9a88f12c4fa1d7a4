//! Integration tests of the engine's step.
#![allow(clippy::unwrap_used, clippy::panic)]

mod commands;
mod determinism;
mod hall;
mod reconcile;
mod referee;
mod safety;
mod snapshot;
mod trips;
mod world;
