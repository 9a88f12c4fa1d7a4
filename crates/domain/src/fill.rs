//! Fills: what was really traded, at what price, for what fee.

use crate::account::{AccountId, AssetIdx};
use crate::instrument::InstrumentIdx;
use crate::money::Money;
use crate::order::{ClientOrderId, Side, VenueOrderId};
use crate::signal::StrategyIdx;
use serde::{Deserialize, Serialize};

/// Whether a fill gave or took liquidity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum Liquidity {
    /// Rested in the book.
    Maker,
    /// Crossed the spread.
    Taker,
}

/// A fee: how much of which asset. Negative is a rebate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fee {
    /// How much leaves the account.
    pub amount: Money,
    /// Of what.
    pub asset: AssetIdx,
}

/// One execution of an order of ours. Price and quantity are mantissas at the instrument's decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// Our number of the order.
    pub client_id: ClientOrderId,
    /// How much of `fee_asset` it cost beside the price.
    pub fee_amount: Money,
    /// The venue's number of the order.
    pub venue_id: VenueOrderId,
    /// The venue's number of the execution: the same one never counts twice.
    pub trade_id: u64,
    /// Price, a mantissa.
    pub price: i64,
    /// Quantity, a positive mantissa.
    pub quantity: i64,
    /// The instrument.
    pub instrument: InstrumentIdx,
    /// The account.
    pub account: AccountId,
    /// The strategy that the order belongs to.
    pub strategy: StrategyIdx,
    /// The asset that the fee is taken in.
    pub fee_asset: AssetIdx,
    /// Buy or sell.
    pub side: Side,
    /// Maker or taker.
    pub liquidity: Liquidity,
}

impl Fill {
    /// What it cost beside the price.
    #[must_use]
    pub const fn fee(&self) -> Fee {
        Fee { amount: self.fee_amount, asset: self.fee_asset }
    }
}
