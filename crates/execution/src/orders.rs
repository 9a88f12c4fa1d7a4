//! Our orders that are not at their end, by client order id.
//!
//! Ordinals grow over all accounts, so the list is sorted by appending and found by bisection; the few orders that work at a time make removal cheap.
//! Orders at their end leave the list: their records are the journal's.

use crate::order_state::OrderState;
use domain::codec::{CodecError, Pack, Reader, Stored};
use domain::{
    AccountId, ClientOrderId, Digest, Digestible, InstrumentIdx, Nanos, OrderQuantity, OrderSpec, OrderStatus, Price,
    Quantity, Rate, Side, StopLevel, StopPlan, StrategyIdx, UnixNanos, VenueOrderId, stored_enum,
};
use risk::{Reservation, Restorer};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Opens or enlarges a position; carries what protects it once it is filled.
    Entry {
        /// Where the stop goes.
        stop: Option<StopPlan>,
        /// Where profit is taken.
        target: Option<Price>,
    },
    /// Closes a position.
    Exit,
    /// Protects a position.
    Stop,
    /// Takes profit.
    Target,
    /// Reduces a position by a part, at once or not at all.
    Part,
}

/// One order that works.
#[derive(Debug)]
pub struct Working {
    /// The order.
    pub spec: OrderSpec,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it is.
    pub state: OrderState,
    /// Whether the venue set it off: a stop or target that trades by now, and is neither moved nor taken off any more.
    pub set_off: bool,
    /// What it holds of the limits; entries only.
    pub reservation: Option<Reservation>,
    /// When it must be looked at if nothing was heard of it: an answer that stays away, or a cancel that was refused.
    pub due: Option<UnixNanos>,
    /// Whether it is to be taken off, whatever the venue said to that so far.
    pub unwanted: bool,
    /// How often the venue refused to take it off.
    pub refused: u8,
    /// When it left us.
    pub sent: UnixNanos,
    /// When something was last heard of it.
    pub heard: Option<UnixNanos>,
    /// The venue's number, once it is known.
    pub venue_id: Option<VenueOrderId>,
    /// How often the venue was asked where it is, since something was heard of it.
    pub asks: u8,
    /// How often the venue said that it does not know it, each time asked anew.
    pub denials: u8,
    /// How often it had been asked when it said so last.
    pub denied_at: u8,
}

impl Working {
    /// An order that has just left us.
    #[must_use]
    pub const fn submitted(spec: OrderSpec, purpose: Purpose, reservation: Option<Reservation>) -> Self {
        Self {
            spec,
            purpose,
            state: OrderState::submitted(),
            set_off: false,
            reservation,
            due: None,
            unwanted: false,
            refused: 0,
            sent: UnixNanos(0),
            heard: None,
            venue_id: None,
            asks: 0,
            denials: 0,
            denied_at: 0,
        }
    }

    /// The same, sent at `ts`, with an answer expected by `due`.
    #[must_use]
    pub fn leaving(mut self, ts: UnixNanos, due: Option<UnixNanos>) -> Self {
        (self.sent, self.due) = (ts, due);
        self
    }

    /// Something was heard of it at `now`: nothing has to be asked.
    pub const fn hear(&mut self, now: UnixNanos) {
        (self.heard, self.asks, self.denials, self.denied_at) = (Some(now), 0, 0, 0);
    }

    /// Whose it is, in what.
    #[must_use]
    pub const fn key(&self) -> (AccountId, InstrumentIdx, StrategyIdx) {
        (self.spec.account, self.spec.instrument, self.spec.strategy)
    }

    /// Whether the venue has it or must have it by all we know: not one whose answer stays away, and none that is to go.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.state.status(), OrderStatus::Submitted | OrderStatus::Accepted | OrderStatus::PartiallyFilled)
    }

    /// Whether it protects a position: a stop that the venue holds, and that waits for its price.
    #[must_use]
    pub const fn protects(&self) -> bool {
        matches!(self.purpose, Purpose::Stop) && self.is_live() && !self.set_off
    }

    /// Whether it is an entry.
    #[must_use]
    pub const fn is_entry(&self) -> bool {
        matches!(self.purpose, Purpose::Entry { .. })
    }

    /// Whether nobody has asked for it to be taken off.
    #[must_use]
    pub fn stays(&self) -> bool {
        match self.state.status() {
            OrderStatus::CancelPending => false,
            // The cancel's answer stays away.
            OrderStatus::OutcomeUnknown => !self.unwanted,
            _ => true,
        }
    }

    /// Whether it reduces a position and is at it: set off, or filled in part.
    #[must_use]
    pub fn reduces_now(&self) -> bool {
        !self.is_entry() && (self.set_off || !self.state.filled().is_zero())
    }

    /// How much of it is not filled; `None` for an amount to spend, whose quantity only the venue knows.
    #[must_use]
    pub fn left(&self) -> Option<Quantity> {
        match self.spec.quantity {
            OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => {
                quantity.checked_sub(self.state.filled())
            }
            OrderQuantity::QuoteAmount(_) => None,
        }
    }

    /// Whether it rests with a limit on the other side, where an order of `side` at `price` would trade with it.
    fn crosses(&self, account: AccountId, instrument: InstrumentIdx, side: Side, price: Option<Price>) -> bool {
        let rests =
            self.spec.account == account && self.spec.instrument == instrument && self.spec.side == side.opposite();
        let Some(resting) = self.spec.kind.limit_price().filter(|_| rests && self.spec.kind.trigger().is_none()) else {
            return false;
        };
        match (side, price) {
            (_, None) => true,
            (Side::Buy, Some(price)) => price >= resting,
            (Side::Sell, Some(price)) => price <= resting,
        }
    }
}

/// All orders that work, oldest first.
///
/// Beside the list there are the orders of each position, by bisection, and a heap of when which order is due, so that thousands of orders cost an order
/// no more than a few. Both follow from the list and are no part of the state.
#[derive(Default)]
pub struct Orders {
    working: Vec<Working>,
    /// Which orders a position has: position, then age.
    by_key: Vec<Place>,
    /// When which order is due. Some of it is over: see [`Orders::settle_dues`].
    dues: BinaryHeap<Reverse<(UnixNanos, (u32, u64))>>,
    /// Orders that were handed out to be changed since the heap was looked after, or all of them.
    touched: Vec<(u32, u64)>,
    all_touched: bool,
}

/// The list alone: what follows from it may have been made at other times.
impl fmt::Debug for Orders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.working).finish()
    }
}

/// One order in the index of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    key: u64,
    age: (u32, u64),
    entry: bool,
}

/// A position as one number, of which the instrument of an account is the front.
const fn packed(account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> u64 {
    (account.0 as u64) << 32 | (instrument.0 as u64) << 16 | strategy.0 as u64
}

impl Orders {
    /// Adds an order; its epoch and ordinal are larger than all before it.
    pub fn add(&mut self, order: Working) {
        debug_assert!(
            self.working.last().is_none_or(|last| age(last.spec.client_id) < age(order.spec.client_id)),
            "epoch and ordinal grow"
        );
        self.index(&order);
        self.working.push(order);
    }

    /// Takes an order over that is older than some that are here.
    pub fn adopt(&mut self, order: Working) {
        self.index(&order);
        let at = self.working.partition_point(|w| age(w.spec.client_id) < age(order.spec.client_id));
        self.working.insert(at, order);
    }

    fn index(&mut self, order: &Working) {
        let place = place_of(order);
        let at = self.by_key.partition_point(|p| *p < place);
        self.by_key.insert(at, place);
        self.touched.push(place.age);
    }

    /// The order of an id.
    #[must_use]
    pub fn get(&self, id: ClientOrderId) -> Option<&Working> {
        self.working.get(self.find(id)?)
    }

    /// The order of an id.
    #[must_use]
    pub fn get_mut(&mut self, id: ClientOrderId) -> Option<&mut Working> {
        let at = self.find(id)?;
        self.touched.push(age(id));
        self.working.get_mut(at)
    }

    /// Takes an order out, at its end.
    pub fn remove(&mut self, id: ClientOrderId) -> Option<Working> {
        let at = self.find(id)?;
        let gone = self.working.remove(at);
        self.touched.push(age(id));
        if let Ok(at) = self.by_key.binary_search(&place_of(&gone)) {
            self.by_key.remove(at);
        }
        Some(gone)
    }

    /// All orders, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Working> {
        self.working.iter()
    }

    /// All orders, oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Working> {
        self.all_touched = true;
        self.working.iter_mut()
    }

    /// The orders of one position, or of all positions of an account in an instrument, in the index.
    fn places(&self, from: u64, to: u64) -> &[Place] {
        let begin = self.by_key.partition_point(|p| p.key < from);
        let length = self.by_key.get(begin..).map_or(0, |rest| rest.partition_point(|p| p.key <= to));
        self.by_key.get(begin..begin + length).unwrap_or_default()
    }

    fn in_instrument(&self, account: AccountId, instrument: InstrumentIdx) -> impl Iterator<Item = &Working> {
        let first = packed(account, instrument, StrategyIdx(0));
        self.places(first, first | 0xFFFF).iter().filter_map(|p| self.at_age(p.age))
    }

    fn at_age(&self, wanted: (u32, u64)) -> Option<&Working> {
        let at = self.working.binary_search_by_key(&wanted, |w| age(w.spec.client_id)).ok()?;
        self.working.get(at)
    }

    /// All orders of a strategy in an instrument, oldest first.
    pub fn of(
        &self,
        account: AccountId,
        instrument: InstrumentIdx,
        strategy: StrategyIdx,
    ) -> impl Iterator<Item = &Working> {
        let key = packed(account, instrument, strategy);
        self.places(key, key).iter().filter_map(|p| self.at_age(p.age))
    }

    /// All orders of a strategy in an instrument, oldest first.
    pub fn of_mut(
        &mut self,
        account: AccountId,
        instrument: InstrumentIdx,
        strategy: StrategyIdx,
    ) -> impl Iterator<Item = &mut Working> {
        let key = packed(account, instrument, strategy);
        let begin = self.by_key.partition_point(|p| p.key < key);
        let length = self.by_key.get(begin..).map_or(0, |rest| rest.partition_point(|p| p.key <= key));
        let places = self.by_key.get(begin..begin + length).unwrap_or_default();
        self.touched.extend(places.iter().map(|p| p.age));
        // Of one position they lie in the order of their ages, in the index as in the list: each is behind the one before it.
        let mut rest = self.working.as_mut_slice();
        places.iter().filter_map(move |place| {
            let here = std::mem::take(&mut rest);
            let at = here.binary_search_by_key(&place.age, |w| age(w.spec.client_id)).ok()?;
            let (order, behind) = here.get_mut(at..)?.split_first_mut()?;
            rest = behind;
            Some(order)
        })
    }

    /// Whether a strategy has an entry on its way in an instrument.
    #[must_use]
    #[inline]
    pub fn entry_working(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> bool {
        let key = packed(account, instrument, strategy);
        self.places(key, key).iter().any(|p| p.entry)
    }

    /// Whether the venue set a stop or target of a strategy off that still works.
    #[must_use]
    #[inline]
    pub fn any_set_off(&self, account: AccountId, instrument: InstrumentIdx, strategy: StrategyIdx) -> bool {
        self.of(account, instrument, strategy).any(|w| w.set_off)
    }

    /// Whether another strategy has an entry on the other side on its way in an instrument.
    #[must_use]
    pub fn entry_opposing(
        &self,
        account: AccountId,
        instrument: InstrumentIdx,
        strategy: StrategyIdx,
        side: Side,
    ) -> bool {
        (self.in_instrument(account, instrument))
            .any(|w| w.is_entry() && w.spec.strategy != strategy && w.spec.side != side)
    }

    /// Whether a limit order of ours rests on the other side of an instrument, where an order of `side` at `price` (`None` for the market)
    /// would trade with it.
    #[must_use]
    pub fn would_cross(&self, account: AccountId, instrument: InstrumentIdx, side: Side, price: Option<Price>) -> bool {
        self.in_instrument(account, instrument).any(|w| w.crosses(account, instrument, side, price))
    }

    /// The orders that [`Orders::would_cross`] is about, oldest first.
    pub fn crossing_mut(
        &mut self,
        account: AccountId,
        instrument: InstrumentIdx,
        side: Side,
        price: Option<Price>,
    ) -> impl Iterator<Item = &mut Working> {
        self.all_touched = true;
        self.working.iter_mut().filter(move |w| w.crosses(account, instrument, side, price))
    }

    /// When the next of them must be looked at.
    #[must_use]
    pub fn next_due(&self) -> Option<UnixNanos> {
        if self.touched.is_empty() && !self.all_touched {
            self.dues.peek().map(|Reverse((due, _))| *due)
        } else {
            self.working.iter().filter_map(|w| w.due).min()
        }
    }

    /// Takes into the heap what was changed, and out of its front what is over: an order that ended, or that is due at another time.
    pub(crate) fn settle_dues(&mut self) {
        if std::mem::take(&mut self.all_touched) || self.dues.len() > 64 + 4 * self.working.len() {
            self.touched.clear();
            self.dues.clear();
            let due = |w: &Working| w.due.map(|due| Reverse((due, age(w.spec.client_id))));
            self.dues.extend(self.working.iter().filter_map(due));
        }
        let mut touched = std::mem::take(&mut self.touched);
        for age in touched.drain(..) {
            if let Some(due) = self.at_age(age).and_then(|w| w.due) {
                self.dues.push(Reverse((due, age)));
            }
        }
        self.touched = touched;
        while let Some(Reverse((due, age))) = self.dues.peek().copied() {
            if self.at_age(age).is_some_and(|w| w.due == Some(due)) {
                break;
            }
            self.dues.pop();
        }
    }

    /// Appends those that must be looked at by now, oldest first.
    pub(crate) fn take_overdue(&mut self, now: UnixNanos, out: &mut Vec<ClientOrderId>) {
        self.settle_dues();
        let from = out.len();
        while let Some(Reverse((due, age))) = self.dues.peek().copied().filter(|Reverse((due, _))| *due <= now) {
            self.dues.pop();
            out.extend(self.at_age(age).filter(|w| w.due == Some(due)).map(|w| w.spec.client_id));
        }
        if let Some(taken) = out.get_mut(from..) {
            taken.sort_unstable_by_key(|id| age(*id));
        }
        out.dedup();
        // Whoever looks at them changes when they are due again, or leaves them so: then they come again.
        self.touched.extend(out.iter().map(|id| age(*id)));
    }

    /// How many orders work.
    #[must_use]
    pub fn len(&self) -> usize {
        self.working.len()
    }

    /// Whether none works.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.working.is_empty()
    }

    fn find(&self, id: ClientOrderId) -> Option<usize> {
        let at = self.working.binary_search_by_key(&age(id), |w| age(w.spec.client_id)).ok()?;
        self.working.get(at).filter(|w| w.spec.client_id == id).map(|_| at)
    }
}

fn place_of(order: &Working) -> Place {
    let (account, instrument, strategy) = order.key();
    Place { key: packed(account, instrument, strategy), age: age(order.spec.client_id), entry: order.is_entry() }
}

/// What orders are sorted by: the account, which stands before it in an id, is not part of it.
const fn age(id: ClientOrderId) -> (u32, u64) {
    (id.epoch(), id.ordinal())
}

stored_enum!(Purpose, "the purpose of an order" { 1 => Entry { stop, target }, 2 => Exit, 3 => Stop, 4 => Target, 5 => Part });

/// How many bytes an order takes beside its terms and its reservation.
const STATE_WIDTH: usize = 104;

/// For snapshots. Each order has one width, so that thousands of them are written quickly; what an order does not have is zero.
impl Working {
    fn put(&self, out: &mut Vec<u8>) {
        let (purpose, stop, target) = match self.purpose {
            Purpose::Entry { stop, target } => (1, stop, target),
            Purpose::Exit => (2, None, None),
            Purpose::Stop => (3, None, None),
            Purpose::Target => (4, None, None),
            Purpose::Part => (5, None, None),
        };
        let (plan, level) = match stop.map(StopPlan::level) {
            None => (0, 0),
            Some(StopLevel::Price(price)) => (1, price.raw()),
            Some(StopLevel::Distance(distance)) => (2, distance.raw()),
            Some(StopLevel::Fraction(fraction)) => (3, i128::from(fraction.raw())),
            Some(StopLevel::Trail(distance)) => (4, distance.raw()),
            Some(StopLevel::TrailFraction(fraction)) => (5, i128::from(fraction.raw())),
        };
        let hold_max = stop.and_then(StopPlan::hold_max);
        let mut state = Pack::<STATE_WIDTH>::new();
        state.u8(purpose).u8(plan).i128(level).maybe_i64(hold_max.map(|hold| hold.0.cast_signed()));
        state.maybe_i128(target.map(Price::raw));
        state.u8(self.state.status() as u8).i128(self.state.filled().raw()).bool(self.state.is_known());
        state.bool(self.set_off).bool(self.unwanted).u8(self.refused);
        state.maybe_i64(self.due.map(|due| due.0.cast_signed())).bool(self.reservation.is_some());
        state.i64(self.sent.0.cast_signed()).maybe_i64(self.heard.map(|at| at.0.cast_signed()));
        state.maybe_i64(self.venue_id.map(|id| id.0.cast_signed())).u8(self.asks).u8(self.denials).u8(self.denied_at);
        // One append for the whole order.
        let mut bytes = [0; OrderSpec::WIDTH + STATE_WIDTH + Reservation::WIDTH];
        let (spec, rest) = bytes.split_at_mut(OrderSpec::WIDTH);
        let (middle, held) = rest.split_at_mut(STATE_WIDTH);
        spec.copy_from_slice(&self.spec.packed());
        middle.copy_from_slice(&state.bytes());
        if let Some(reservation) = &self.reservation {
            held.copy_from_slice(&reservation.packed());
        }
        out.extend_from_slice(&bytes);
    }

    fn take(from: &mut Reader<'_>, restorer: &mut Restorer) -> Result<Self, CodecError> {
        const INVALID: CodecError = CodecError::Invalid { what: "an order that works" };
        let spec = OrderSpec::take(from)?;
        let (purpose, plan, level) = (from.u8()?, from.u8()?, from.i128()?);
        let (hold_max, target) = (from.maybe_i64()?.map(|hold| Nanos(hold.cast_unsigned())), from.maybe_i128()?);
        let fraction = || i64::try_from(level).map(Rate::from_raw).map_err(|_| INVALID);
        let level = match plan {
            0 => None,
            1 => Some(StopLevel::Price(Price::from_raw(level))),
            2 => Some(StopLevel::Distance(Price::from_raw(level))),
            3 => Some(StopLevel::Fraction(fraction()?)),
            4 => Some(StopLevel::Trail(Price::from_raw(level))),
            5 => Some(StopLevel::TrailFraction(fraction()?)),
            _ => return Err(INVALID),
        };
        let stop = level.map(|level| StopPlan::new(level, hold_max));
        let purpose = match purpose {
            1 => Purpose::Entry { stop, target: target.map(Price::from_raw) },
            2 => Purpose::Exit,
            3 => Purpose::Stop,
            4 => Purpose::Target,
            5 => Purpose::Part,
            _ => return Err(INVALID),
        };
        let (state, set_off, unwanted, refused) = (OrderState::take(from)?, from.bool()?, from.bool()?, from.u8()?);
        let due = from.maybe_i64()?.map(|due| UnixNanos(due.cast_unsigned()));
        let reserved = from.bool()?;
        let (sent, heard) = (UnixNanos(from.i64()?.cast_unsigned()), from.maybe_i64()?);
        let (heard, venue_id) = (heard.map(|at| UnixNanos(at.cast_unsigned())), from.maybe_i64()?);
        let venue_id = venue_id.map(|id| VenueOrderId(id.cast_unsigned()));
        let (asks, denials, denied_at) = (from.u8()?, from.u8()?, from.u8()?);
        let held = from.array::<{ Reservation::WIDTH }>()?;
        let reservation = if reserved { Some(restorer.reservation(&mut Reader::new(&held))?) } else { None };
        let order = Self {
            spec,
            purpose,
            state,
            set_off,
            reservation,
            due,
            unwanted,
            refused,
            sent,
            heard,
            venue_id,
            asks,
            denials,
            denied_at,
        };
        // An entry holds something of the limits, and nothing else does. One that was taken over may not have found room there.
        if order.reservation.is_none() || order.is_entry() { Ok(order) } else { Err(INVALID) }
    }
}

/// For snapshots.
impl Orders {
    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        domain::codec::put_all(&self.working, out, Working::put);
    }

    /// `next` is what the next order will be: all that work are older.
    pub(crate) fn load(
        from: &mut Reader<'_>,
        restorer: &mut Restorer,
        (epoch, next): (u32, u64),
    ) -> Result<Self, CodecError> {
        let count = from.count()?;
        let mut working: Vec<Working> = Vec::with_capacity(count.min(from.rest().len() / OrderSpec::WIDTH));
        let mut again = Vec::new();
        for _ in 0..count {
            let before = from.rest();
            let order = Working::take(from, restorer)?;
            again.clear();
            order.put(&mut again);
            if !before.starts_with(&again) {
                return Err(CodecError::Invalid { what: "an order that works" });
            }
            let order_age = age(order.spec.client_id);
            if order_age >= (epoch, next) || working.last().is_some_and(|last| age(last.spec.client_id) >= order_age) {
                return Err(CodecError::Invalid { what: "the ages of orders" });
            }
            working.push(order);
        }
        let mut orders = Self { all_touched: true, ..Self::default() };
        orders.by_key.extend(working.iter().map(place_of));
        orders.by_key.sort_unstable();
        orders.working = working;
        Ok(orders)
    }
}

impl Digestible for Purpose {
    fn digest(&self, d: &mut Digest) {
        match *self {
            Self::Entry { stop, target } => {
                d.word(1);
                d.wide(target.map_or(i128::MIN, Price::raw));
                match stop {
                    None => d.word(0),
                    Some(StopPlan::Price(price)) => d.wide(price.raw()),
                    Some(StopPlan::Distance(distance)) => d.wide(!distance.raw()),
                    Some(StopPlan::Fraction(fraction)) => d.int(fraction.raw()),
                    Some(plan) => plan.digest(d),
                }
            }
            Self::Exit => d.word(2),
            Self::Stop => d.word(3),
            Self::Target => d.word(4),
            Self::Part => d.word(5),
        }
    }
}

impl Digestible for Orders {
    fn digest(&self, d: &mut Digest) {
        for w in &self.working {
            w.spec.digest(d);
            let leaving = u64::from(w.state.is_unknown_and_leaving());
            let flags = u64::from(w.set_off) | u64::from(w.unwanted) << 1 | leaving << 2;
            d.word(w.state.status() as u64 | flags << 8 | u64::from(w.refused) << 16);
            w.due.iter().for_each(|due| d.word(due.0));
            d.wide(w.state.filled().raw());
            d.word(w.sent.0);
            d.word(w.heard.map_or(u64::MAX, |at| at.0));
            d.word(w.venue_id.map_or(u64::MAX, |id| id.0));
            d.word(u64::from(w.asks) | u64::from(w.denials) << 8 | u64::from(w.denied_at) << 16);
            w.purpose.digest(d);
            if let Some(reservation) = &w.reservation {
                reservation.digest(d);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{OrderType, TimeInForce};
    use testkit::generate::Seeded;

    fn order(r: &mut Seeded, ordinal: u64) -> Working {
        let spec = OrderSpec {
            client_id: ClientOrderId::new(AccountId(0), 1, ordinal),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(Quantity::from_units(1)),
            time_in_force: TimeInForce::Gtc,
            account: AccountId(0),
            instrument: InstrumentIdx(r.within(0, 2) as u16),
            strategy: StrategyIdx(r.within(0, 2) as u16),
            side: Side::Buy,
            post_only: false,
            reduce_only: false,
        };
        let purpose = if r.chance(30) { Purpose::Entry { stop: None, target: None } } else { Purpose::Stop };
        let due = r.chance(60).then(|| UnixNanos(r.within(1, 60).unsigned_abs()));
        Working::submitted(spec, purpose, None).leaving(UnixNanos(0), due)
    }

    #[test]
    fn the_index_and_the_heap_say_what_the_list_says() {
        for seed in 0..300 {
            let mut r = Seeded::new(seed);
            let (mut orders, mut ordinal) = (Orders::default(), 100);
            for _ in 0..150 {
                let any = orders.working.get(r.within(0, 20) as usize).map(|w| w.spec.client_id);
                match r.within(0, 6) {
                    0 | 1 => {
                        ordinal += 1;
                        let new = order(&mut r, ordinal);
                        orders.add(new);
                    }
                    2 => {
                        let ordinal = 1 + r.bits() % 90;
                        let old = order(&mut r, ordinal);
                        if orders.get(old.spec.client_id).is_none() {
                            orders.adopt(old);
                        }
                    }
                    3 => drop(any.and_then(|id| orders.remove(id))),
                    4 => {
                        if let Some(order) = any.and_then(|id| orders.get_mut(id)) {
                            order.due = r.chance(50).then(|| UnixNanos(r.within(1, 60).unsigned_abs()));
                        }
                    }
                    5 => {
                        let now = UnixNanos(r.within(1, 60).unsigned_abs());
                        let (mut taken, is_due) = (Vec::new(), |w: &&Working| w.due.is_some_and(|due| due <= now));
                        let plain: Vec<_> = orders.working.iter().filter(is_due).map(|w| w.spec.client_id).collect();
                        orders.take_overdue(now, &mut taken);
                        assert_eq!(taken, plain, "seed {seed}");
                    }
                    _ => orders.settle_dues(),
                }
                assert_eq!(orders.next_due(), orders.working.iter().filter_map(|w| w.due).min(), "seed {seed}");
                let key = (AccountId(0), InstrumentIdx(r.within(0, 2) as u16), StrategyIdx(r.within(0, 2) as u16));
                let plain: Vec<_> = orders
                    .working
                    .iter()
                    .filter(|w| w.key() == key)
                    .map(|w| (w.spec.client_id, w.is_entry()))
                    .collect();
                let ids = |w: &Working| w.spec.client_id;
                assert_eq!(
                    orders.of(key.0, key.1, key.2).map(ids).collect::<Vec<_>>(),
                    plain.iter().map(|p| p.0).collect::<Vec<_>>()
                );
                assert_eq!(orders.entry_working(key.0, key.1, key.2), plain.iter().any(|p| p.1), "seed {seed}");
                let of_mut: Vec<_> = orders.of_mut(key.0, key.1, key.2).map(|w| w.spec.client_id).collect();
                assert_eq!(of_mut, plain.iter().map(|p| p.0).collect::<Vec<_>>(), "seed {seed}");
                assert_eq!(orders.by_key.len(), orders.working.len());
            }
        }
    }
}
