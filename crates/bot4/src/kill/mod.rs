//! The kill path: stops running processes of this user from outside, whether their engines answer or not.
//!
//! In:  `bot4 kill`; the registry of running processes, where each has a page with its gate word.
//! Out: raised gate words; for each run a file that makes a later start of it begin in emergency; a report.
//!
//! It needs no engine, no lock of a run and no configuration. What is already at a venue it cannot reach: taking back orders there with
//! credentials of its own comes with the gateways. The engine that finds its word raised does that while it lives.

mod pull;
mod registry;
mod request;

pub use pull::{Order, Pulled, Reached, pull};
pub use registry::{FoundPage, Registered, RegistryError, VARIABLE, register, scan};
pub use request::{FILE, KillRequest, RequestError, done, leave, pending};
