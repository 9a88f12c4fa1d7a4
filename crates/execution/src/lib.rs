//! The life of orders: what a validated signal becomes, what the venue made of it, and what protects the position that results.
//!
//! In:  validated signals from `risk`, reports from venues.
//! Out: commands, each of which passed the pre-trade check; never an order of its own judgement but to protect and to close.
//! Balances and positions are `portfolio`'s; this crate owns every order, stops included.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod ask;
pub mod closing;
pub mod cost;
pub mod desk;
pub mod emergency;
pub mod ended;
pub mod executions;
pub mod fee;
pub mod group;
pub mod held_back;
pub mod order_state;
pub mod orders;
mod parents;
pub mod plans;
pub mod protect;
pub mod recent;
pub mod reconcile;
pub mod route;
mod saved;
pub mod schedule;
pub mod watch;
mod work;

pub use ask::AskPolicy;
pub use desk::{Alarm, Desk, Key, World};
pub use group::{Group, Groups, LegState, Phase, Stage};
pub use order_state::{IllegalTransition, OrderInput, OrderState};
pub use orders::{Orders, Purpose, Working};
pub use reconcile::{ReconcilePolicy, Reconciler};
pub use watch::StopPolicy;
