//! What protects a position: where its stop and target go, and for how much.
//!
//! In:  the plan that came with the entry, the position as the ledger has it.
//! Out: the stop and target orders that should be working. `desk` sends and takes off what differs.

use crate::desk::Key;
use crate::orders::Working;
use domain::codec::{CodecError, Reader, Stored};
use domain::decimal::{Rounding, div_money};
use domain::{Digest, Digestible, Instrument, Money, OrderType, Price, Quantity, Rate, Side, StopPlan, stored_struct};
use risk::Scene;
use risk::gate::stop_price;

/// The plan of one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    key: Key,
    stop: Option<StopPlan>,
    target: Option<Price>,
}

/// Plans of all positions, in the order in which they were first made.
#[derive(Clone, Debug, Default)]
pub struct Plans(Vec<Plan>);

impl Plans {
    /// Sets the plan of a position; a new entry's plan replaces the old one.
    pub fn set(&mut self, key: Key, stop: Option<StopPlan>, target: Option<Price>) {
        let plan = Plan { key, stop, target };
        match self.0.iter_mut().find(|p| p.key == key) {
            Some(held) => *held = plan,
            None => self.0.push(plan),
        }
    }

    /// Forgets the plan of a position.
    pub fn remove(&mut self, key: Key) {
        self.0.retain(|p| p.key != key);
    }

    /// Forgets the stop of a position: the venue will not hold it.
    pub fn drop_stop(&mut self, key: Key) {
        if let Some(plan) = self.0.iter_mut().find(|p| p.key == key) {
            plan.stop = None;
        }
    }

    fn get(&self, key: Key) -> Option<Plan> {
        self.0.iter().find(|p| p.key == key).copied()
    }
}

stored_struct!(Plan { key, stop, target });

impl Stored for Plans {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }
    fn take(from: &mut Reader<'_>) -> Result<Self, CodecError> {
        Stored::take(from).map(Self)
    }
}

impl Digestible for Plans {
    fn digest(&self, d: &mut Digest) {
        for plan in &self.0 {
            d.word(u64::from(plan.key.0.0) | u64::from(plan.key.1.0) << 16 | u64::from(plan.key.2.0) << 32);
            d.wide(plan.target.map_or(i128::MIN, Price::raw));
            match plan.stop {
                None => d.word(0),
                Some(StopPlan::Price(price)) => {
                    d.word(1);
                    d.wide(price.raw());
                }
                Some(StopPlan::Distance(distance)) => {
                    d.word(2);
                    d.wide(distance.raw());
                }
                Some(StopPlan::Fraction(fraction)) => {
                    d.word(3);
                    d.int(fraction.raw());
                }
            }
        }
    }
}

/// The side and quantity that would close a position, or the largest part of it that one order can; `None` where nothing is held that the
/// venue would take.
#[must_use]
pub fn closable(key: Key, scene: &Scene<'_>) -> Option<(Side, Quantity)> {
    closable_beyond(key, Quantity::ZERO, scene)
}

/// As [`closable`] for what is held beyond `covered`.
#[must_use]
pub fn closable_beyond(key: Key, covered: Quantity, scene: &Scene<'_>) -> Option<(Side, Quantity)> {
    let position = scene.portfolio.position(key.0, key.1, key.2);
    if position.is_flat() {
        return None;
    }
    let instrument = scene.table.get(key.1)?;
    let side = if position.is_long() { Side::Sell } else { Side::Buy };
    let open = position.quantity.checked_abs()?.checked_sub(covered)?;
    let quantity = instrument.floor_to_lot(open.min(instrument.max_quantity));
    if quantity < instrument.min_quantity || quantity.is_zero() {
        return None;
    }
    // Dust by value stays, too: the venue would refuse it. Without a price its value is not known and closing is tried.
    match scene.view.mark(key.1) {
        Some(mark) if portfolio::dust::is_dust(instrument, open, instrument.price(mark)) => None,
        _ => Some((side, quantity)),
    }
}

/// How much of a position a fraction of it is, as one order: rounded down to the lot, at least the smallest order that the venue takes, and
/// all that one order can close where less than the smallest would be left. `None` for a fraction that is not positive or nothing to close.
#[must_use]
pub fn part(key: Key, fraction: Rate, scene: &Scene<'_>) -> Option<Quantity> {
    let (_, all) = closable(key, scene)?;
    if fraction <= Rate::ZERO {
        return None;
    }
    let instrument = scene.table.get(key.1)?;
    let open = scene.portfolio.position(key.0, key.1, key.2).quantity.checked_abs()?;
    // An amount that does not fit is more than all.
    let asked = Money::from_raw(open.raw()).times(fraction, Rounding::Down).map_or(all.raw(), Money::raw);
    let smallest = smallest(instrument, scene.view.mark(key.1).map(|mark| instrument.price(mark)));
    let quantity = instrument.floor_to_lot(Quantity::from_raw(asked)).max(smallest);
    let rest = open.checked_sub(quantity)?;
    Some(if rest < smallest { all } else { quantity.min(all) })
}

/// The smallest order that a venue takes at a price, in whole lots; without a price only its smallest quantity is known.
fn smallest(instrument: &Instrument, price: Option<Price>) -> Quantity {
    let worth = || {
        let unit = instrument.notional(price?, Quantity::from_units(1), Rounding::Down).filter(|u| *u > Money::ZERO)?;
        instrument
            .min_notional
            .quantity_at(Price::from_raw(unit.raw()), Rounding::Up)?
            .round_to(instrument.lot, Rounding::Up)
    };
    instrument.min_quantity.max(instrument.lot).max(worth().unwrap_or(Quantity::ZERO))
}

/// Whether an order that reduces is at it and has something to do: then it is left alone, for the venue goes on filling it, a rest below
/// its minimum included. One that would do more than close such a rest could meet the next position, and is not.
#[must_use]
pub fn goes_on(order: &Working, key: Key, scene: &Scene<'_>) -> bool {
    let held = scene.portfolio.position(key.0, key.1, key.2).quantity;
    if !order.reduces_now() || held.raw().signum() * order.spec.side.sign() >= 0 {
        return false;
    }
    let rest = scene.table.get(key.1).zip(held.checked_abs()).map(|(i, held)| i.floor_to_lot(held));
    closable(key, scene).is_some() || order.left().zip(rest).is_some_and(|(left, rest)| left <= rest)
}

/// A protective order: its kind and quantity.
type Level = Option<(OrderType, Quantity)>;

/// The protective orders that a position should have: the side they are on, its stop and its target. `None` where nothing is held.
#[must_use]
pub fn wanted(key: Key, plans: &Plans, scene: &Scene<'_>) -> Option<(Side, [Level; 2])> {
    let (side, quantity) = closable(key, scene)?;
    let instrument = scene.table.get(key.1)?;
    let Some(plan) = plans.get(key) else { return Some((side, [None, None])) };
    let average = average_price(key, scene);
    let stop = average.and_then(|price| stop_price(plan.stop, side.opposite(), price, instrument));
    let target = plan.target.and_then(|price| on_tick(price, side, instrument));
    Some((
        side,
        [
            stop.map(|trigger| (OrderType::StopMarket { trigger }, quantity)),
            target.map(|trigger| (OrderType::TakeProfit { trigger }, quantity)),
        ],
    ))
}

/// What one unit of the position cost on average, rounded to the nearest 1e-12.
fn average_price(key: Key, scene: &Scene<'_>) -> Option<Price> {
    let position = scene.portfolio.position(key.0, key.1, key.2);
    let (cost, quantity) = (position.cost.checked_abs()?, position.quantity.checked_abs()?);
    div_money(cost.raw(), quantity.raw(), Rounding::HalfEven).map(Price::from_raw)
}

/// A target's price on the tick, rounded towards the market.
fn on_tick(price: Price, side: Side, instrument: &Instrument) -> Option<Price> {
    let rounding = match side {
        Side::Sell => Rounding::Down,
        Side::Buy => Rounding::Up,
    };
    price.round_to(instrument.tick, rounding)
}
