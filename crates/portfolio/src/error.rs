//! Why the ledger did not book something, by what the caller does next.

use domain::{AccountId, AssetIdx, InstrumentIdx, Money, Quantity, StrategyIdx};

/// Nothing was booked: balances and positions are as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Define the instrument first, then book again.
    #[error("instrument number {} is not defined", instrument.0)]
    UnknownInstrument {
        /// The instrument.
        instrument: InstrumentIdx,
    },
    /// The report cannot be true: ask the venue for the execution.
    #[error("fill {trade_id} has price mantissa {price} and quantity mantissa {quantity}: both must be positive")]
    NotPositive {
        /// The venue's number of the execution.
        trade_id: u64,
        /// Its price, a mantissa.
        price: i64,
        /// Its quantity, a mantissa.
        quantity: i64,
    },
    /// A spot position would go below zero: our books and the venue's differ, reconcile.
    #[error(
        "account {}, instrument {}, strategy {}: {taken} would be taken from a spot position of {held}", account.0, instrument.0, strategy.0
    )]
    ShortSpot {
        /// The account.
        account: AccountId,
        /// The instrument.
        instrument: InstrumentIdx,
        /// The strategy.
        strategy: StrategyIdx,
        /// What it holds.
        held: Quantity,
        /// What was sold, or taken as a fee in the base asset.
        taken: Quantity,
    },
    /// A balance or total cannot be held in 128 bits at 1e-12: stop and look.
    #[error("account {}: adding {amount} of asset number {} passes what a balance can hold", account.0, asset.0)]
    BalanceOverflow {
        /// The account.
        account: AccountId,
        /// The asset.
        asset: AssetIdx,
        /// What was to be added.
        amount: Money,
    },
    /// The value, cost or profit of a fill cannot be held in 128 bits at 1e-12: stop and look.
    #[error("fill {trade_id}: price mantissa {price} x quantity mantissa {quantity} passes what money can hold")]
    ValueOverflow {
        /// The venue's number of the execution.
        trade_id: u64,
        /// Its price, a mantissa.
        price: i64,
        /// Its quantity, a mantissa.
        quantity: i64,
    },
}
