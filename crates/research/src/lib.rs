//! What is computed off the engine: the validation of risk models on past returns, and fits of what trading costs.
//!
//! In:  plain series of prices and returns, which a caller has read.
//! Out: plain results, which a caller prints, writes or draws. Nothing here reads a file or decides about an order.
//! Results are the same bits whatever the number of threads: work is dealt out in parallel, put together in a fixed order, and every
//! random number comes from a seed that belongs to its piece of work.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod fit;
pub mod validate;
