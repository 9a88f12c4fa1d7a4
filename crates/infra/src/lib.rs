//! What runs beside trading and knows nothing of it: the gate word and the breakers of connections.
//!
//! In:  raises of the gate word by anybody (another process, a signal, a switch, the engine); orders that are about to leave; successes and
//!      failures of connections.
//! Out: whether an order may leave; whether a connection may be tried.
//! It is no part of the deterministic core: the gate word is shared with other processes, so what it answers is recorded by who asked.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod breaker;
pub mod gate_word;
