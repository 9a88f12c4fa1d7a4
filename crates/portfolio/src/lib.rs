//! Balances, positions, profit and loss, margin: what the accounts hold and what it is worth, exact to the last unit.
//!
//! In:  fills, funding and transfers as the venues report them, through `engine`; the market view for valuation.
//! Out: balances, positions and equity, read by `risk`, `execution`, `strategy` and reports.
//! It knows no order and sends nothing. It shares no code with the simulated venue, so that each can be held against the other.
//!
//! # The identity
//! With one quote asset `q`, for every account and at every instant, to the last unit:
//!
//! ```text
//! equity = transfers + realised + unrealised + funding - fees
//! ```
//!
//! - `equity`: [`Portfolio::equity`] in `q`; `transfers` and `funding`: the sums of the postings of these kinds (what was transferred in a
//!   base asset is valued at its mark);
//! - `realised`, `fees`: [`Portfolio::totals`]; `unrealised`: [`Portfolio::unrealised`].
//!
//! It holds by construction: a fill's value `v` (signed, rounded once) either enters the cost of a position or leaves it as
//! `realised = -v - share of the cost`, and what rounding leaves over stays in the cost.
//! Every balance is the sum of its postings, which [`FillEffect::postings`] hands out.
//!
//! # Rounding
//! | what | how |
//! |---|---|
//! | value of a fill | once, at the precision of the quote asset, against us: a buy up, a sell down |
//! | share of the cost that a partial close takes | once, at that precision, up, so that realised profit is rounded down |
//! | a fill that goes through zero | its value is split by quantity; the part that closes is rounded up, the rest opens |
//! | a fee taken in the base asset | valued at the fill's price, down, at the precision of the quote asset |
//! | a position's value at the mark, a conversion into another asset | at 1e-12, down |
//! | notionals and margins that limits are held against | at 1e-12, up |

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod dust;
mod error;
mod ledger;
pub mod margin;
mod pnl;
mod position;
mod rates;
pub mod round_trip;
mod saved;
mod valuation;

pub use error::LedgerError;
pub use ledger::{FillEffect, Portfolio, Posting, PostingKind, Postings};
pub use margin::{Exposure, MarginView};
pub use pnl::Totals;
pub use round_trip::{Direction, OpenTrip, RoundTrip, RoundTrips};
