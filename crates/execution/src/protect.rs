//! What protects a position: where its stop and target go, and for how much.
//!
//! In:  the plan that came with the entry, the position as the ledger has it.
//! Out: the stop and target orders that should be working. `desk` sends and takes off what differs.

use crate::desk::Key;
use crate::orders::{Orders, Purpose, Working};
use crate::plans::{Plan, Plans};
use domain::decimal::{Rounding, div_money};
use domain::{Instrument, InstrumentKind, Money, OrderType, Price, Quantity, Rate, Side, StopPlan, TrailOffset};
use risk::Scene;
use risk::gate::stop_price;

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
    if instrument.kind == InstrumentKind::Spot && !position.is_long() {
        // More was sold than the strategy held. Nothing can be closed about that, and buying it back would be a new risk.
        return None;
    }
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

/// The side and quantity that would close a position which the venue would take but for its value at the present price.
#[must_use]
pub fn dust_by_value(key: Key, scene: &Scene<'_>) -> Option<(Side, Quantity)> {
    let position = scene.portfolio.position(key.0, key.1, key.2);
    let instrument = scene.table.get(key.1)?;
    let quantity = instrument.floor_to_lot(position.quantity.checked_abs()?.min(instrument.max_quantity));
    let side = if position.is_long() { Side::Sell } else { Side::Buy };
    if instrument.kind == InstrumentKind::Spot && side == Side::Buy {
        return None;
    }
    (!quantity.is_zero() && quantity >= instrument.min_quantity && closable(key, scene).is_none())
        .then_some((side, quantity))
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
pub(crate) fn smallest(instrument: &Instrument, price: Option<Price>) -> Quantity {
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

/// What the stops of a position do, where they are all that it needs: as much as is held, and no more.
#[must_use]
pub fn resting(key: Key, orders: &Orders, scene: &Scene<'_>) -> Option<OrderType> {
    let mut stops = orders.of(key.0, key.1, key.2).filter(|w| w.purpose == Purpose::Stop && w.stays());
    let first = stops.next()?;
    let sum = stops.try_fold(first.left()?, |sum, w| sum.checked_add(w.left()?))?;
    let held = scene.portfolio.position(key.0, key.1, key.2).quantity.checked_abs()?;
    (sum <= held && closable_beyond(key, sum, scene).is_none()).then_some(first.spec.kind)
}

/// The protective orders that a position should have: the side they are on, and what its stop and its target do at the venue. `None` where
/// nothing is held. `resting` is what its stops do by now, as [`resting`] says it.
#[must_use]
pub fn wanted(
    key: Key,
    plans: &Plans,
    resting: Option<OrderType>,
    scene: &Scene<'_>,
) -> Option<(Side, [Option<OrderType>; 2])> {
    let (side, _) = closable(key, scene)?;
    let instrument = scene.table.get(key.1)?;
    let Some(plan) = plans.get(key) else { return Some((side, [None, None])) };
    let stop = match plan.stop.and_then(StopPlan::trail) {
        Some(offset) => trailing(plan, offset, side.opposite(), instrument, resting),
        None => average_price(key, scene)
            .and_then(|price| stop_price(plan.stop, side.opposite(), price, instrument))
            .map(|trigger| OrderType::StopMarket { trigger }),
    };
    let target = plan.target.and_then(|price| on_tick(price, side, instrument));
    Some((side, [stop, target.map(|trigger| OrderType::TakeProfit { trigger })]))
}

/// A stop that follows the best price since the entry.
///
/// The venue's own is taken where it loses nothing: it begins to follow at the price of its acceptance, so a new one, sent because the
/// position changed its size, would lie further away than the old one did if the market has come back since its best. Then a fixed stop
/// holds the level that was reached, until the market makes a new best. Where the venue cannot hold one that follows, the fixed one is
/// moved after the market, a tenth of its distance at a time. The level never moves away from the market.
fn trailing(
    plan: &Plan,
    offset: TrailOffset,
    entry: Side,
    instrument: &Instrument,
    resting: Option<OrderType>,
) -> Option<OrderType> {
    let own = OrderType::TrailingStop { offset: on_ticks(offset, instrument) };
    if resting == Some(own) && !plan.moved_by_us {
        return resting;
    }
    let at = |mantissa: Option<i64>| stop_price(plan.stop, entry, instrument.price(mantissa?), instrument);
    let (reached, now) = (at(plan.best), at(plan.last));
    let loses = reached.zip(now).is_some_and(|(reached, now)| nearer(entry, reached, now));
    if !plan.moved_by_us && !loses {
        return Some(own);
    }
    let reached = reached?;
    if let Some(OrderType::StopMarket { trigger }) = resting {
        let step = plan.best.and_then(|best| distance(offset, instrument.price(best))).map(|d| d.raw() / 10);
        let moved = (reached.raw() - trigger.raw()) * entry.sign();
        if step.is_none_or(|step| moved < step.max(1)) {
            return resting;
        }
    }
    Some(OrderType::StopMarket { trigger: reached })
}

/// The price at which the venue sets a stop off, as far as it can be known: its trigger, or its distance behind the best price.
#[must_use]
pub fn level(kind: OrderType, plan: Option<&Plan>, entry: Side, instrument: &Instrument) -> Option<Price> {
    match kind {
        OrderType::TrailingStop { .. } => {
            let plan = plan?;
            stop_price(plan.stop, entry, instrument.price(plan.best?), instrument)
        }
        _ => kind.trigger(),
    }
}

/// Whether a stop of an entry on this side lies nearer to the market at `a` than at `b`.
fn nearer(entry: Side, a: Price, b: Price) -> bool {
    match entry {
        Side::Buy => a > b,
        Side::Sell => a < b,
    }
}

/// How far a trailing stop lies behind a price.
fn distance(offset: TrailOffset, price: Price) -> Option<Price> {
    match offset {
        TrailOffset::Distance(distance) => Some(distance),
        TrailOffset::Fraction(fraction) => {
            Money::from_raw(price.raw()).times(fraction, Rounding::Down).map(|d| Price::from_raw(d.raw()))
        }
    }
}

/// A trailing distance as the venue takes it: a whole number of ticks, at least one, never further than asked for but for that.
fn on_ticks(offset: TrailOffset, instrument: &Instrument) -> TrailOffset {
    match offset {
        TrailOffset::Distance(distance) => {
            let ticks = distance.round_to(instrument.tick, Rounding::Down).unwrap_or(instrument.tick);
            TrailOffset::Distance(ticks.max(instrument.tick))
        }
        TrailOffset::Fraction(_) => offset,
    }
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
