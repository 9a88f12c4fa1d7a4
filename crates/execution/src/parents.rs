//! Orders that are worked in parts: what of each is filled, which part of it works, and when it is looked at again.
//!
//! In:  what the venue says of parts, and what the market trades.
//! Out: the order as its schedule sees it. What is sent, and whether it goes on at all, is `work`'s to say.

use crate::desk::Key;
use crate::ended::End;
use crate::order_state::OrderInput;
use crate::orders::Purpose;
use crate::schedule::{Task, follows_volume};
use domain::codec::{CodecError, Reader, Stored};
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, Entry, EventBody, Instrument, InstrumentIdx, Intent, Nanos, Price,
    Quantity, RejectReason, Side, UnixNanos, WorkStyle, stored_struct,
};
use risk::{Restorer, Validated, Whole};

/// What is worked.
#[derive(Debug)]
pub(crate) enum What {
    /// An entry that waits: for the end of the position that it reverses, or of an order that is being taken off. It is checked when it can go.
    Waiting(Validated),
    /// An entry that passed the gate as a whole.
    Entry(Whole),
    /// The closing of a position.
    Exit,
}

/// A part that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Child {
    /// Its number.
    pub id: ClientOrderId,
    /// Where it rests; `None` at the market.
    pub price: Option<Price>,
    /// When it is looked at.
    pub until: Option<UnixNanos>,
}

/// An order that is worked.
#[derive(Debug)]
pub(crate) struct Parent {
    pub key: Key,
    pub side: Side,
    pub what: What,
    pub style: WorkStyle,
    /// How much, in whole lots.
    pub target: Quantity,
    /// How much of it is filled.
    pub filled: Quantity,
    /// When it began.
    pub begun: UnixNanos,
    /// What the market traded since then, where the schedule asks for it.
    pub volume: Quantity,
    /// The part that works.
    pub child: Option<Child>,
    /// The part before that: its fills may come after its end.
    pub last: Option<ClientOrderId>,
    /// Before this nothing is sent.
    pub not_before: UnixNanos,
    /// Parts that were refused or ended without a fill since the last fill.
    pub failures: u8,
    /// When it is looked at again.
    pub due: Option<UnixNanos>,
    /// Whether the position's own stop or target closes it: it ends in the same step, so no snapshot has this.
    pub closed: bool,
}

/// How long after a part the next one of an entry leaves at the earliest: six in a minute stay below the ten after which a strategy counts
/// as one that repeats itself.
pub(crate) const PACE: Nanos = Nanos::from_secs(10);

/// How long after a part that was refused, or that nobody asked to end, the next one is tried.
pub(crate) const TRY_AGAIN: Nanos = Nanos::from_secs(10);

/// How long after a resting part that would have taken the next one is tried.
const MOVED: Nanos = Nanos::from_secs(1);

/// After so many failures in a row the rest is given up.
pub(crate) const FAILURES_MAX: u8 = 3;

impl Parent {
    /// A new one, of which nothing is done.
    pub fn new(key: Key, side: Side, what: What, style: WorkStyle, target: Quantity, now: UnixNanos) -> Self {
        Self {
            key,
            side,
            what,
            style,
            target,
            filled: Quantity::ZERO,
            begun: now,
            volume: Quantity::ZERO,
            child: None,
            last: None,
            not_before: now,
            failures: 0,
            due: None,
            closed: false,
        }
    }

    /// Whether it opens or enlarges a position.
    pub const fn enters(&self) -> bool {
        !matches!(self.what, What::Exit)
    }

    /// What is wanted.
    pub const fn intent(&self) -> Intent {
        match (&self.what, self.side) {
            (What::Exit, _) => Intent::Exit,
            (_, Side::Buy) => Intent::EnterLong,
            (_, Side::Sell) => Intent::EnterShort,
        }
    }

    /// As its schedule sees it.
    pub fn task(&self) -> Task {
        let limit = match &self.what {
            What::Entry(whole) => match whole.signal().entry {
                Entry::Market => None,
                Entry::Limit(price) | Entry::Stop(price) => Some(price),
            },
            What::Waiting(_) | What::Exit => None,
        };
        Task {
            side: self.side,
            limit,
            reduces: !self.enters(),
            target: self.target,
            filled: self.filled,
            begun: self.begun,
            volume: self.volume,
        }
    }

    /// Part of it was filled.
    fn fill(&mut self, quantity: Quantity) {
        self.filled = self.filled.checked_add(quantity).unwrap_or(Quantity::MAX);
        self.failures = 0;
        if let What::Entry(whole) = &mut self.what {
            whole.filled(quantity);
        }
    }

    /// A part failed: the next one is tried later. Where funds ran short the rest is made two per cent smaller, for prices move.
    pub fn fail(&mut self, funds: bool, instrument: Option<&Instrument>, now: UnixNanos) {
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(TRY_AGAIN);
        let rest = self.task().rest();
        if let (true, Some(rules), What::Entry(_)) = (funds, instrument, &self.what) {
            let kept = rules.floor_to_lot(Quantity::from_raw(rest.raw() - rest.raw() / 50));
            self.target = self.filled.checked_add(kept).unwrap_or(self.target).min(self.target);
        }
    }
}

/// All of them, in the order in which they began. Empty in the usual case.
#[derive(Debug, Default)]
pub(crate) struct Parents(pub Vec<Parent>);

impl Parents {
    /// Whether there is none: the usual case.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The place of the one of a position.
    pub fn find(&self, key: Key) -> Option<usize> {
        self.0.iter().position(|p| p.key == key)
    }

    /// Whether an entry of a strategy is worked, or waits to be.
    pub fn enters(&self, key: Key) -> bool {
        self.0.iter().any(|p| p.key == key && p.enters())
    }

    /// A position's own stop or target closes it.
    pub fn close(&mut self, key: Key) {
        self.0.iter_mut().filter(|p| p.key == key).for_each(|p| p.closed = true);
    }

    /// Whether anything of an account is worked.
    pub fn any_of(&self, account: AccountId) -> bool {
        self.0.iter().any(|p| p.key.0 == account)
    }

    /// Whether what an instrument trades means anything to one of them.
    #[inline]
    pub fn watches(&self, instrument: InstrumentIdx) -> bool {
        self.0.iter().any(|p| p.key.1 == instrument && follows_volume(&p.style))
    }

    /// When the next of them is looked at.
    pub fn next_due(&self) -> Option<UnixNanos> {
        self.0.iter().filter_map(|p| p.due).min()
    }

    /// The market traded. Of a candle all or nothing counts: one that began before the work does not.
    pub fn saw(&mut self, body: &EventBody, instrument: &Instrument) {
        let (traded, since) = match body {
            EventBody::Trade(trade) => (trade.quantity, None),
            EventBody::Candle(candle) => (candle.volume, Some(candle.ts_open)),
            _ => return,
        };
        let quantity = instrument.quantity(traded.max(0));
        for parent in self.0.iter_mut().filter(|p| p.key.1 == instrument.idx && follows_volume(&p.style)) {
            if since.is_none_or(|since| since >= parent.begun) {
                parent.volume = parent.volume.checked_add(quantity).unwrap_or(Quantity::MAX);
            }
        }
    }

    /// What happened to an order, if it is a part of one of these. `asked_for`: it was to be taken off.
    pub fn heard(
        &mut self,
        id: ClientOrderId,
        input: OrderInput,
        (ended, asked_for): (bool, bool),
        reason: Option<RejectReason>,
        (instrument, now): (Option<&Instrument>, UnixNanos),
    ) {
        let works = |p: &&mut Parent| p.child.is_some_and(|child| child.id == id);
        let Some(parent) = self.0.iter_mut().find(works) else {
            // One that was given up, and is there after all.
            if let OrderInput::Filled { quantity, .. } = input {
                self.late(id, None, quantity);
            }
            return;
        };
        let before = parent.filled;
        if let OrderInput::Filled { quantity, .. } = input {
            parent.fill(quantity);
        }
        if !ended {
            return;
        }
        (parent.child, parent.last) = (None, Some(id));
        let lost = !asked_for && parent.filled == before && !matches!(input, OrderInput::Filled { .. });
        match reason {
            // The market came to its price: it rests at the new one.
            Some(RejectReason::WouldCross) => parent.not_before = parent.not_before.max(now.saturating_add(MOVED)),
            _ if !lost => {}
            _ => {
                let funds =
                    matches!(reason, Some(RejectReason::InsufficientBalance | RejectReason::InsufficientMargin));
                parent.fail(funds, instrument, now);
            }
        }
    }

    /// A fill that comes after the end of its order, if that was a part of one of these. Nothing else enters for a position while an entry is
    /// worked, so that what ended since it began is a part of it, however many came after that.
    pub fn late(&mut self, id: ClientOrderId, end: Option<&End>, quantity: Quantity) {
        let part = |p: &Parent| {
            let ended = |end: &End| {
                matches!((&p.what, end.purpose), (What::Entry(_), Purpose::Entry { .. }))
                    && end.key() == p.key
                    && end.at > p.begun
            };
            p.last == Some(id) || end.is_some_and(ended)
        };
        if let Some(parent) = self.0.iter_mut().find(|p| part(p)) {
            parent.fill(quantity);
        }
    }

    /// A part never left.
    pub fn never_left(&mut self, id: ClientOrderId, now: UnixNanos) {
        if let Some(parent) = self.0.iter_mut().find(|p| p.child.is_some_and(|child| child.id == id)) {
            parent.child = None;
            parent.fail(false, None, now);
        }
    }
}

stored_struct!(Child { id, price, until });

/// For snapshots.
impl Parents {
    pub fn save(&self, out: &mut Vec<u8>) {
        domain::codec::put_all(&self.0, out, |p, out| {
            p.key.put(out);
            p.side.put(out);
            match &p.what {
                What::Waiting(validated) => {
                    out.push(1);
                    validated.signal().put(out);
                }
                What::Entry(whole) => {
                    out.push(2);
                    whole.save(out);
                }
                What::Exit => out.push(3),
            }
            p.style.put(out);
            (p.target, p.filled).put(out);
            (p.begun, p.volume).put(out);
            (p.child, p.last).put(out);
            (p.not_before, p.failures, p.due).put(out);
        });
    }

    pub fn load(from: &mut Reader<'_>, restorer: &Restorer) -> Result<Self, CodecError> {
        let mut parents = Vec::new();
        for _ in 0..from.count()? {
            let (key, side) = (Stored::take(from)?, Stored::take(from)?);
            let what = match from.u8()? {
                1 => What::Waiting(restorer.validated(from)?),
                2 => What::Entry(restorer.whole(from)?),
                3 => What::Exit,
                _ => return Err(CodecError::Invalid { what: "an order that is worked" }),
            };
            let style: WorkStyle = Stored::take(from)?;
            style.validate().map_err(|_| CodecError::Invalid { what: "a style of work" })?;
            let ((target, filled), (begun, volume)) = (Stored::take(from)?, Stored::take(from)?);
            let ((child, last), (not_before, failures, due)) = (Stored::take(from)?, Stored::take(from)?);
            parents.push(Parent {
                key,
                side,
                what,
                style,
                target,
                filled,
                begun,
                volume,
                child,
                last,
                not_before,
                failures,
                due,
                closed: false,
            });
        }
        Ok(Self(parents))
    }
}

impl Digestible for Parents {
    fn digest(&self, d: &mut Digest) {
        for p in &self.0 {
            d.word(u64::from(p.key.0.0) | u64::from(p.key.1.0) << 16 | u64::from(p.key.2.0) << 32);
            d.word(p.side as u64 | u64::from(p.failures) << 8);
            match &p.what {
                What::Waiting(validated) => {
                    d.word(1);
                    validated.signal().digest(d);
                }
                What::Entry(whole) => {
                    d.word(2);
                    whole.digest(d);
                }
                What::Exit => d.word(3),
            }
            p.style.digest(d);
            [p.target, p.filled, p.volume].iter().for_each(|quantity| d.wide(quantity.raw()));
            [p.begun, p.not_before].iter().for_each(|at| d.word(at.0));
            d.word(p.due.map_or(u64::MAX, |at| at.0));
            d.word(p.last.map_or(0, ClientOrderId::ordinal));
            if let Some(child) = &p.child {
                d.word(child.id.ordinal());
                d.wide(child.price.map_or(i128::MIN, Price::raw));
                d.word(child.until.map_or(u64::MAX, |at| at.0));
            }
        }
    }
}
