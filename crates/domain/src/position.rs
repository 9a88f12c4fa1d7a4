//! Positions as others see them; the accounting is `portfolio`'s.

use crate::money::Money;
use crate::quantity::Quantity;
use serde::{Deserialize, Serialize};

/// Which of a venue's position slots: one-way accounts have one, hedge-mode accounts two (refused at start for now).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionSide {
    /// One position per instrument, long or short by its sign.
    #[default]
    Net,
    /// The long slot of a hedge-mode account.
    Long,
    /// The short slot of a hedge-mode account.
    Short,
}

/// A strategy's position in one instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionView {
    /// Signed quantity: long is positive.
    pub quantity: Quantity,
    /// What the open quantity cost, in quote, signed like the quantity.
    pub cost: Money,
}

impl PositionView {
    /// Whether nothing is held.
    #[must_use]
    #[inline]
    pub const fn is_flat(&self) -> bool {
        self.quantity.is_zero()
    }

    /// Whether the position is long.
    #[must_use]
    #[inline]
    pub const fn is_long(&self) -> bool {
        self.quantity.raw() > 0
    }

    /// Whether the position is short.
    #[must_use]
    #[inline]
    pub const fn is_short(&self) -> bool {
        self.quantity.raw() < 0
    }
}
