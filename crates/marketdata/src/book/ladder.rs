//! One side of a book: levels in an array of fixed capacity, the best at the end.

use super::Level;
use domain::Side;

/// Levels of one side, worst first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ladder {
    side: Side,
    capacity: usize,
    levels: Vec<Level>,
    /// The price at and beyond which nothing is known.
    edge: Option<i64>,
}

impl Ladder {
    pub(crate) fn new(side: Side, capacity: usize) -> Self {
        Self { side, capacity, levels: Vec::with_capacity(capacity), edge: None }
    }

    /// Rises towards the better price: bids by price, asks against it. Prices are above 0, so the negation cannot overflow.
    #[inline]
    const fn key(&self, price: i64) -> i64 {
        match self.side {
            Side::Buy => price,
            Side::Sell => -price,
        }
    }

    /// Sets the total quantity at a price; zero takes the level away.
    #[inline]
    pub(crate) fn set(&mut self, price: i64, quantity: i64) {
        let key = self.key(price);
        if self.edge.is_some_and(|edge| key <= self.key(edge)) {
            return;
        }
        match self.levels.binary_search_by(|held| self.key(held.price).cmp(&key)) {
            Ok(at) if quantity == 0 => {
                self.levels.remove(at);
            }
            Ok(at) => {
                if let Some(held) = self.levels.get_mut(at) {
                    held.quantity = quantity;
                }
            }
            Err(_) if quantity == 0 => {}
            Err(at) if self.levels.len() < self.capacity => self.levels.insert(at, Level { price, quantity }),
            // Full: the worst one goes, and from its price on nothing is known.
            Err(0) => self.edge = Some(price),
            Err(at) => {
                self.edge = self.levels.first().map(|worst| worst.price);
                self.levels.copy_within(1..at, 0);
                if let Some(free) = self.levels.get_mut(at - 1) {
                    *free = Level { price, quantity };
                }
            }
        }
    }

    /// Nothing beyond the worst level is known: one farther than its price. That price is an integer, so the edge is the next one.
    pub(crate) fn cut(&mut self) {
        if let Some(worst) = self.levels.first() {
            self.edge = Some(match self.side {
                Side::Buy => worst.price - 1,
                Side::Sell => worst.price.saturating_add(1),
            });
        }
    }

    pub(crate) fn clear(&mut self) {
        self.levels.clear();
        self.edge = None;
    }

    #[inline]
    pub(crate) fn best(&self) -> Option<Level> {
        self.levels.last().copied()
    }

    /// Worst first.
    #[inline]
    pub(crate) fn levels(&self) -> &[Level] {
        &self.levels
    }

    pub(crate) const fn edge(&self) -> Option<i64> {
        self.edge
    }

    /// Puts levels in, as they were saved; `false` if no ladder of this capacity has them.
    pub(crate) fn restore(&mut self, levels: &[Level], edge: Option<i64>) -> bool {
        let rising = levels.windows(2).all(|pair| self.key(pair[0].price) < self.key(pair[1].price));
        let sound = levels.iter().all(|l| l.price > 0 && l.quantity > 0);
        let inside = edge.is_none_or(|edge| levels.first().is_none_or(|worst| self.key(worst.price) > self.key(edge)));
        if levels.len() > self.capacity || !rising || !sound || !inside {
            return false;
        }
        self.levels.clear();
        self.levels.extend_from_slice(levels);
        self.edge = edge;
        true
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }
}
