//! Where and how to trade: the split of an order over venues, and the kind of order that costs least.
//!
//! In:  books of venues, fees, rules of the instruments; for the kind of order what is believed of fills.
//! Out: a [`Plan`] of parts with the cost of each, or a [`Choice`] with the expected cost of each kind. Both are suggestions with numbers:
//! they send nothing, and every part is an order of its own that faces the gate.

pub mod choose;
pub mod router;
mod split;

pub use choose::{Belief, Choice, ChoiceError, Expected, Kind, Situation, choose};
pub use router::{Candidate, Exclusion, Part, Plan, RouteAsk, Router, VENUES_MAX};
