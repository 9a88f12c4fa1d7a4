//! What can be read of a book that is in step: best prices, depth, and what a quantity costs.

use super::Level;
use domain::Side;

/// A book that can be believed, for as long as it is borrowed.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// Worst first.
    pub(super) bids: &'a [Level],
    /// Worst first.
    pub(super) asks: &'a [Level],
}

/// What taking a quantity from one side comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// How much can be had, a mantissa: less than asked where the depth ends.
    pub quantity: i64,
    /// Sum of price x quantity, in products of mantissas.
    pub value: i128,
    /// Price of the last level taken from; 0 if nothing was.
    pub worst: i64,
    /// How many levels were taken from.
    pub levels: usize,
}

impl<'a> View<'a> {
    /// Best bid.
    #[must_use]
    #[inline]
    pub fn bid(&self) -> Option<Level> {
        self.bids.last().copied()
    }

    /// Best ask.
    #[must_use]
    #[inline]
    pub fn ask(&self) -> Option<Level> {
        self.asks.last().copied()
    }

    /// Best price of both sides added: twice the middle, so that it stays an integer. `None` unless both sides have levels.
    #[must_use]
    #[inline]
    pub fn twice_mid(&self) -> Option<i128> {
        Some(i128::from(self.bid()?.price) + i128::from(self.ask()?.price))
    }

    /// Levels of the book's buy or sell side, best first.
    #[inline]
    pub fn levels(&self, side: Side) -> impl ExactSizeIterator<Item = Level> + use<'a> {
        match side {
            Side::Buy => self.bids,
            Side::Sell => self.asks,
        }
        .iter()
        .rev()
        .copied()
    }

    /// Levels that an order of this side would trade with, best first: asks for a buy.
    #[inline]
    pub fn against(&self, side: Side) -> impl ExactSizeIterator<Item = Level> + use<'a> {
        self.levels(side.opposite())
    }

    /// Total quantity of the best `levels` levels of a side.
    #[must_use]
    pub fn depth(&self, side: Side, levels: usize) -> i128 {
        self.levels(side).take(levels).map(|l| i128::from(l.quantity)).sum()
    }

    /// What an order of this side trades at once: from the best level on, up to `quantity`, no farther than `limit`.
    #[must_use]
    pub fn walk(&self, side: Side, quantity: i64, limit: Option<i64>) -> Walk {
        let mut walk = Walk::default();
        for level in self.against(side) {
            let beyond = limit.is_some_and(|limit| match side {
                Side::Buy => level.price > limit,
                Side::Sell => level.price < limit,
            });
            let take = (quantity - walk.quantity).min(level.quantity);
            if beyond || take <= 0 {
                break;
            }
            walk.quantity += take;
            walk.value += i128::from(level.price) * i128::from(take);
            walk.worst = level.price;
            walk.levels += 1;
        }
        walk
    }
}
