//! What trading costs beside the price: schedules of venues, tiers by volume, and the exact fee of a fill.
//!
//! In:  schedules (a table here, or data at run time), an account's own tier or the venue's answer about it, fills.
//! Out: the fee of a fill to the last unit that is posted, the rates that an instrument's definition should carry, the tier that follows
//! from 30 days of volume, and how much of a limit order would take liquidity.
//!
//! 1. [`Schedule`] says what a venue charges, [`table`] holds those that are known, with their origin and what is not verified.
//! 2. [`Calculator`] is one instrument under one set of [`Terms`]: no allocation, integers only.
//! 3. [`Fees`] keeps the calculators of all accounts; the venue's own answer wins over its table.
//! 4. [`VolumeTracker`] counts what was traded by UTC day.
//!
//! What a venue booked is the truth: the ledger takes the fee of the fill and nothing from here.

pub mod accounts;
pub mod calculator;
pub mod crossing;
mod saved;
pub mod schedule;
pub mod table;
pub mod volume;

pub use accounts::{AccountFees, Fees, Own, TierChoice, UnknownAccount};
pub use calculator::{Calculator, Charged, DiscountTerms, Terms};
pub use crossing::{Crossing, OrderFee, crossing, order_fee};
pub use schedule::{ChargedIn, Discount, Holding, RebateIn, Renewal, Schedule, ScheduleError, Tier, Trust, set_rates};
pub use table::{KNOWN, known};
pub use volume::VolumeTracker;
