//! Integration tests of `domain`: what is written to journals and snapshots can be read back.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod any;
mod codec;
