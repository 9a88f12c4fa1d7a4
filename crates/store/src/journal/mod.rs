//! The event journal: what a run was given and what it said, record after record, so that nothing is lost and everything can be repeated.
//!
//! In:  records `(sequence number, kind, version, body)` from the runner; a body is bytes with a codec of its own.
//! Out: the same records, checked, in order; where the journal ends, and how.
//! What the bodies mean is not known here: `domain` and `risk` code and decode them.
//!
//! A journal is a folder of segments, `0000000001.seg`, `0000000002.seg`, ... A segment that is full is compressed to `0000000001.seg.zst`,
//! written aside, synced and renamed, and its plain form removed. Each segment has a head that names its number, the sequence number of its
//! first record, and what all records before it add up to (count and digest), so that one missing record anywhere shows. A record has a
//! frame with two checksums, one over its length and one over the rest. The seal of a complete run names count and digest of everything
//! before; a sealed journal has compressed segments only, every byte of which is under a checksum.

mod error;
mod folder;
mod frame;
mod header;
mod kind;
mod pack;
mod reader;
mod recover;
mod retain;
mod segment;
mod sync;
mod writer;

pub use error::JournalError;
pub use header::FORMAT;
pub use kind::{Class, Kind};
pub use reader::{End, ReadAhead, Reader, RecordRef, Thinned};
pub use recover::{Recovered, recover, recover_on};
pub use retain::{Limit, Policy, Retained, retain};
pub use sync::Ticket;
pub use writer::{Options, Writer};
