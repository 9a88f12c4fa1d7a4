//! Order book of one instrument on one venue, by price levels.
//!
//! In:  snapshots and updates in arrival order, whole ([`Book::snapshot`], [`Book::update`]) or level by level as events ([`Book::apply`]).
//! Out: a [`View`] of best prices and depth, read by `execution`; or the reason why there is none ([`Unusable`]).
//! After a gap in the numbers, a bad level or a reset the book answers nothing until the next snapshot. It never asks for one, and it knows
//! no venue: how a venue numbers its messages is said by whoever decodes them ([`Continuity`]).
//!
//! Levels lie in two arrays of fixed capacity, the best at the end, because most changes happen there. Nothing is allocated after
//! [`Book::new`]. Where a side has more levels than it can hold, or a snapshot was cut, the book knows up to which price it is whole and
//! leaves out what lies beyond: a level from there would hide that others are missing.

mod ladder;
mod saved;
mod view;

use domain::{BookDelta, InstrumentIdx, MarketFlags, Nanos, Side, UnixNanos};
use ladder::Ladder;
pub use view::{View, Walk};

/// Price and total quantity of one level, mantissas at the instrument's decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Price.
    pub price: i64,
    /// Total quantity there; zero in an update takes the level away.
    pub quantity: i64,
}

/// How an update says that it follows what the book holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuity {
    /// It covers the numbers from this one to its own (Binance spot, and the first one after any of Binance's snapshots): it follows where
    /// it begins no later than one after the number held.
    From(u64),
    /// It names the number of the one before it (Binance futures `pu`, OKX `prevSeqId`). Its own number may be smaller after a reset by
    /// the venue, and equal where it only says that nothing changed.
    After(u64),
    /// The feed has no numbers (Kraken): whoever decodes it compares checksums and calls [`Book::invalidate`].
    Unnumbered,
}

/// The head of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Update {
    /// Time of the change on the venue's clock.
    pub ts_event: UnixNanos,
    /// When it reached us.
    pub ts_recv: UnixNanos,
    /// The venue's number of the state after it; 0 where the feed has none.
    pub sequence: u64,
    /// How it follows.
    pub follows: Continuity,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It is in the book.
    Taken,
    /// It was in the book already; nothing changed.
    Old,
    /// It does not follow: the book answers nothing until the next snapshot.
    Gap,
    /// The book waits for a snapshot; nothing changed.
    Waiting,
}

/// How much of the venue's book a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All levels there are.
    Whole,
    /// The best ones: what lies beyond the last is not known.
    Cut,
}

/// Why levels could not be taken in. The book answers nothing until the next snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// A price or quantity that no level has.
    #[error("{side:?} level {price} x {quantity}: expected a price above 0 and a quantity of at least 0")]
    Level {
        /// Its side.
        side: Side,
        /// Its price.
        price: i64,
        /// Its quantity.
        quantity: i64,
    },
    /// A level of another instrument.
    #[error("a level of instrument {found:?} in the book of {expected:?}")]
    Instrument {
        /// Whose book it is.
        expected: InstrumentIdx,
        /// Whose level it was.
        found: InstrumentIdx,
    },
}

/// Why a book gives no view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No snapshot came yet, or one is arriving.
    #[error("no snapshot yet")]
    NoSnapshot,
    /// An update is missing, or something in one was wrong.
    #[error("an update is missing since number {after}")]
    Gap {
        /// The last number that was taken in.
        after: u64,
    },
    /// The best bid is not below the best ask.
    #[error("crossed: best bid {bid}, best ask {ask}")]
    Crossed {
        /// Best bid, a mantissa.
        bid: i64,
        /// Best ask, a mantissa.
        ask: i64,
    },
    /// All levels that were known of a side are gone, and more are there: the market moved out of what the snapshot told.
    #[error("no level of the {side:?} side is known any more: the snapshot was cut")]
    Exhausted {
        /// The side.
        side: Side,
    },
    /// Nothing was heard of it for too long.
    #[error("nothing heard for {} ms, at most {} ms are allowed", .age.0 / 1_000_000, .age_max.0 / 1_000_000)]
    Stale {
        /// How long.
        age: Nanos,
        /// How long is allowed.
        age_max: Nanos,
    },
}

/// Whether the levels held can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No snapshot yet.
    Empty,
    /// Levels of a snapshot are arriving one by one.
    Filling,
    /// In step.
    Live,
    /// Out of step.
    Gap,
}

/// The book.
#[derive(Clone, Debug)]
pub struct Book {
    pub(crate) instrument: InstrumentIdx,
    pub(crate) state: State,
    pub(crate) sequence: u64,
    pub(crate) ts_event: UnixNanos,
    pub(crate) ts_recv: UnixNanos,
    pub(crate) bids: Ladder,
    pub(crate) asks: Ladder,
}

impl Book {
    /// An empty book that holds up to `levels_max` levels a side (at least one).
    #[must_use]
    pub fn new(instrument: InstrumentIdx, levels_max: usize) -> Self {
        let levels_max = levels_max.max(1);
        Self {
            instrument,
            state: State::Empty,
            sequence: 0,
            ts_event: UnixNanos(0),
            ts_recv: UnixNanos(0),
            bids: Ladder::new(Side::Buy, levels_max),
            asks: Ladder::new(Side::Sell, levels_max),
        }
    }

    /// Takes in a snapshot: what was held before is gone. Levels may come in any order; of two with one price the later counts.
    ///
    /// # Errors
    /// [`BookError::Level`]; then the book waits for another snapshot.
    pub fn snapshot(
        &mut self,
        (ts_event, ts_recv, sequence): (UnixNanos, UnixNanos, u64),
        bids: impl IntoIterator<Item = Level>,
        asks: impl IntoIterator<Item = Level>,
        extent: Extent,
    ) -> Result<(), BookError> {
        self.clear();
        (self.ts_event, self.ts_recv, self.sequence) = (ts_event, ts_recv, sequence);
        for level in bids {
            self.set(Side::Buy, level)?;
        }
        for level in asks {
            self.set(Side::Sell, level)?;
        }
        if extent == Extent::Cut {
            self.bids.cut();
            self.asks.cut();
        }
        self.state = State::Live;
        Ok(())
    }

    /// Takes in an update: new total quantities of levels, all of one message.
    ///
    /// # Errors
    /// [`BookError::Level`]; then the book waits for a snapshot.
    pub fn update(
        &mut self,
        head: Update,
        bids: impl IntoIterator<Item = Level>,
        asks: impl IntoIterator<Item = Level>,
    ) -> Result<Applied, BookError> {
        if self.state != State::Live {
            return Ok(Applied::Waiting);
        }
        match head.follows {
            Continuity::From(_) if head.sequence <= self.sequence => return Ok(Applied::Old),
            Continuity::From(first) if first > self.sequence.saturating_add(1) => return Ok(self.gap()),
            Continuity::After(before) if before != self.sequence => {
                let old = head.sequence <= self.sequence && before < self.sequence;
                return Ok(if old { Applied::Old } else { self.gap() });
            }
            Continuity::From(_) | Continuity::After(_) | Continuity::Unnumbered => {}
        }
        for level in bids {
            self.set(Side::Buy, level)?;
        }
        for level in asks {
            self.set(Side::Sell, level)?;
        }
        (self.ts_event, self.ts_recv, self.sequence) = (head.ts_event, head.ts_recv, head.sequence);
        Ok(Applied::Taken)
    }

    /// Takes in one level as it stands in an event. Those of a snapshot carry [`MarketFlags::BOOK_SNAPSHOT`], the last of them
    /// [`MarketFlags::BOOK_LAST`] too; until then there is no view. A number below the one held is old. Gaps cannot be seen in single
    /// levels, since venues skip numbers: whoever decodes the venue's messages calls [`Book::invalidate`].
    ///
    /// # Errors
    /// [`BookError`]; then the book waits for a snapshot.
    pub fn apply(&mut self, delta: &BookDelta) -> Result<Applied, BookError> {
        if delta.instrument != self.instrument {
            self.state = State::Gap;
            return Err(BookError::Instrument { expected: self.instrument, found: delta.instrument });
        }
        let snapshot = delta.flags.has(MarketFlags::BOOK_SNAPSHOT);
        match (snapshot, self.state) {
            (true, State::Filling) if delta.sequence == self.sequence => {}
            (true, _) => {
                self.clear();
                self.state = State::Filling;
                self.sequence = delta.sequence;
            }
            (false, State::Live) if delta.sequence < self.sequence => return Ok(Applied::Old),
            (false, State::Live) => {}
            // A snapshot that an update interrupts lacks its end.
            (false, State::Filling) => return Ok(self.gap()),
            (false, State::Empty | State::Gap) => return Ok(Applied::Waiting),
        }
        self.set(delta.side, Level { price: delta.price, quantity: delta.quantity })?;
        (self.ts_event, self.ts_recv, self.sequence) = (delta.ts_event, delta.ts_recv, delta.sequence);
        if snapshot && delta.flags.has(MarketFlags::BOOK_LAST) {
            self.state = State::Live;
        }
        Ok(Applied::Taken)
    }

    /// Says that the book cannot be believed: a checksum that differs, a lost connection. Until the next snapshot there is no view.
    pub fn invalidate(&mut self) {
        if self.state != State::Empty {
            self.state = State::Gap;
        }
    }

    /// What the book says, however old it is.
    ///
    /// # Errors
    /// [`Unusable`] says why nothing can be said.
    #[inline]
    pub fn view(&self) -> Result<View<'_>, Unusable> {
        match self.state {
            State::Live => {}
            State::Empty | State::Filling => return Err(Unusable::NoSnapshot),
            State::Gap => return Err(Unusable::Gap { after: self.sequence }),
        }
        if let (Some(bid), Some(ask)) = (self.bids.best(), self.asks.best())
            && bid.price >= ask.price
        {
            return Err(Unusable::Crossed { bid: bid.price, ask: ask.price });
        }
        for (side, ladder) in [(Side::Buy, &self.bids), (Side::Sell, &self.asks)] {
            if ladder.edge().is_some() && ladder.levels().is_empty() {
                return Err(Unusable::Exhausted { side });
            }
        }
        Ok(View { bids: self.bids.levels(), asks: self.asks.levels() })
    }

    /// What the book says, if it was heard of within `age_max` before `now`.
    ///
    /// # Errors
    /// As [`Book::view`], and [`Unusable::Stale`].
    #[inline]
    pub fn view_at(&self, now: UnixNanos, age_max: Nanos) -> Result<View<'_>, Unusable> {
        let view = self.view()?;
        let age = now.since(self.ts_recv);
        if age > age_max { Err(Unusable::Stale { age, age_max }) } else { Ok(view) }
    }

    /// How long nothing was heard of it; `None` if nothing ever was.
    #[must_use]
    pub fn age(&self, now: UnixNanos) -> Option<Nanos> {
        (self.state != State::Empty).then(|| now.since(self.ts_recv))
    }

    /// Whose book it is.
    #[must_use]
    pub const fn instrument(&self) -> InstrumentIdx {
        self.instrument
    }

    /// The venue's number of the state held.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the last change happened, by the venue's clock, and when it reached us.
    #[must_use]
    pub const fn times(&self) -> (UnixNanos, UnixNanos) {
        (self.ts_event, self.ts_recv)
    }

    /// The price at and beyond which levels of a side are not known; `None` if all are.
    #[must_use]
    pub const fn edge(&self, side: Side) -> Option<i64> {
        match side {
            Side::Buy => self.bids.edge(),
            Side::Sell => self.asks.edge(),
        }
    }

    fn clear(&mut self) {
        self.bids.clear();
        self.asks.clear();
        self.state = State::Gap;
    }

    const fn gap(&mut self) -> Applied {
        self.state = State::Gap;
        Applied::Gap
    }

    #[inline]
    fn set(&mut self, side: Side, Level { price, quantity }: Level) -> Result<(), BookError> {
        if price <= 0 || quantity < 0 {
            self.state = State::Gap;
            return Err(BookError::Level { side, price, quantity });
        }
        match side {
            Side::Buy => self.bids.set(price, quantity),
            Side::Sell => self.asks.set(price, quantity),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
