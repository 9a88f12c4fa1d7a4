//! Schedules: how a large order is traded in parts. One file each, pure functions of what is asked for, what is done and what the market does.
//!
//! In:  the order as it stands ([`Task`]), the instant and the market ([`Market`]).
//! Out: the next part ([`Next::Send`]), when to look again, or that it is over.
//! Nothing here sends, cancels or remembers: `work` does, and every part passes the gate on its way.
//!
//! What holds for all of them:
//! - One part at a time: nothing is asked of a schedule while a part works.
//! - Parts are whole lots, at least the smallest order and at most the largest. What is too small for a part is added to the next; a rest
//!   that would be too small is added to the last one.
//! - The sum of the parts is the target, never more. What one part did not fill is due again with the next.
//! - After its span nothing is sent but the rest, at the market, where the schedule says so.

pub mod choose;
pub mod iceberg;
pub mod passive;
pub mod pov;
pub mod shortfall;
pub mod slices;
pub mod twap;
pub mod vwap;

use domain::{Instrument, OrderType, Price, Quantity, Rest, Rounding, Side, UnixNanos, WorkEnd, WorkStyle};

/// An order that is worked, as its schedule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// Buy or sell.
    pub side: Side,
    /// The worst price that is allowed; `None` for the market's.
    pub limit: Option<Price>,
    /// Whether it only reduces a position: then nothing of it is given up.
    pub reduces: bool,
    /// How much, in whole lots.
    pub target: Quantity,
    /// How much of it is filled.
    pub filled: Quantity,
    /// When it began.
    pub begun: UnixNanos,
    /// What the market traded since then.
    pub volume: Quantity,
}

/// The market at an instant, and what it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// Engine time.
    pub now: UnixNanos,
    /// The best price of the order's own side, where an order rests and takes nothing.
    pub touch: Option<Price>,
    /// The instrument's lot.
    pub lot: Quantity,
    /// The smallest part.
    pub smallest: Quantity,
    /// The largest part.
    pub largest: Quantity,
}

/// A part of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// At the market, or with a limit.
    pub kind: OrderType,
    /// Whether it is to be refused rather than take from the market.
    pub post_only: bool,
    /// How much.
    pub quantity: Quantity,
    /// When it is looked at again, and taken off if it does not stay.
    pub until: Option<UnixNanos>,
}

/// What a schedule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// This part leaves now.
    Send(Part),
    /// Nothing now; it is asked again at that instant, or when the market trades.
    Wait(Option<UnixNanos>),
    /// It is over, for this reason.
    End(WorkEnd),
}

/// What the schedule of a style says now. A style that is still to be chosen says nothing.
#[must_use]
#[inline]
pub fn next(style: &WorkStyle, task: &Task, market: &Market) -> Next {
    let rest = task.rest();
    if rest < market.smallest && !(task.filled.is_zero() && rest >= market.lot) {
        return Next::End(WorkEnd::Filled);
    }
    match style {
        WorkStyle::Twap { over, slices } => slices::next(task, market, *over, *slices, |_, slice| twap::share(slice)),
        WorkStyle::Vwap { over, slices, profile } => {
            let until = task.begun.saturating_add(*over);
            slices::next(task, market, *over, *slices, |done, _| vwap::share(profile, task.begun, done, until))
        }
        WorkStyle::ImplementationShortfall { over, slices, model } => {
            slices::next(task, market, *over, *slices, |_, slice| shortfall::share(model, *over, *slices, slice))
        }
        WorkStyle::Pov { share, deadline } => pov::next(task, market, *share, *deadline),
        WorkStyle::PassiveThenAggressive { patience, then } => passive::next(task, market, *patience, *then),
        WorkStyle::Iceberg { shown, deadline, then } => iceberg::next(task, market, *shown, *deadline, *then),
        WorkStyle::Auto { .. } => Next::Wait(None),
    }
}

/// Until when a part that rests at `price` stays, now that its time has come; `None` if it is to be taken off.
#[must_use]
pub fn stays(style: &WorkStyle, task: &Task, market: &Market, price: Price) -> Option<UnixNanos> {
    match style {
        WorkStyle::PassiveThenAggressive { patience: span, .. } | WorkStyle::Iceberg { deadline: span, .. } => {
            passive::stays(task, market, *span, price)
        }
        WorkStyle::Twap { .. }
        | WorkStyle::Vwap { .. }
        | WorkStyle::Pov { .. }
        | WorkStyle::ImplementationShortfall { .. }
        | WorkStyle::Auto { .. } => None,
    }
}

/// Whether what the market trades makes a part due.
#[must_use]
pub const fn follows_volume(style: &WorkStyle) -> bool {
    matches!(style, WorkStyle::Pov { .. })
}

impl Task {
    /// How much is not filled; never less than nothing.
    #[must_use]
    pub fn rest(&self) -> Quantity {
        self.target.checked_sub(self.filled).map_or(Quantity::ZERO, |rest| rest.max(Quantity::ZERO))
    }

    /// A part that takes from the market, as far as the order's limit allows; one with a limit is looked at again at `until`.
    pub(crate) fn taking(&self, quantity: Quantity, until: UnixNanos) -> Part {
        match self.limit {
            None => Part { kind: OrderType::Market, post_only: false, quantity, until: None },
            Some(price) => Part { kind: OrderType::Limit { price }, post_only: false, quantity, until: Some(until) },
        }
    }

    /// What is done about the rest when the time is over.
    pub(crate) fn at_the_end(&self, market: &Market, then: Rest) -> Next {
        if self.reduces {
            return Next::End(WorkEnd::Market);
        }
        match (then, self.limit, market.part(self.rest(), self)) {
            (Rest::Take, None, Some(quantity)) => Next::Send(self.taking(quantity, market.now)),
            _ => Next::End(WorkEnd::Deadline),
        }
    }
}

impl Market {
    /// What the market takes of an instrument, by its rules.
    #[must_use]
    pub fn of(instrument: &Instrument, smallest: Quantity, now: UnixNanos, touch: Option<Price>) -> Self {
        let largest = instrument.floor_to_lot(instrument.max_quantity).max(instrument.lot);
        Self { now, touch, lot: instrument.lot, smallest, largest }
    }

    /// How much of what is due leaves as one part: whole lots within what the market takes, all of the rest where less than the smallest
    /// would be left of it. `None` where that is too little: it waits for the next one.
    #[must_use]
    pub fn part(&self, due: Quantity, task: &Task) -> Option<Quantity> {
        let floor = |quantity: Quantity| quantity.round_to(self.lot, Rounding::Down).unwrap_or(Quantity::ZERO);
        let rest = floor(task.rest());
        let too_little_left = |part: Quantity| rest.checked_sub(part).is_none_or(|left| left < self.smallest);
        let mut part = floor(due.min(rest));
        // Something has to be due before the rest goes with it.
        if part > Quantity::ZERO && part >= self.smallest && too_little_left(part) {
            part = rest;
        }
        if part > self.largest {
            part = self.largest;
            let left = rest.checked_sub(part)?;
            if left < self.smallest && left > Quantity::ZERO {
                part = floor(rest.checked_sub(self.smallest.round_to(self.lot, Rounding::Up)?)?);
            }
        }
        // An order that is too small as a whole is one part: the gate and the venue judge it.
        let whole = task.filled.is_zero() && part == rest && part > Quantity::ZERO;
        (part >= self.smallest || whole).then_some(part).filter(|part| *part > Quantity::ZERO)
    }
}

#[cfg(test)]
mod tests;
