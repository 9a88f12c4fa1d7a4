//! The router: how much of an order goes to which venue.
//!
//! In:  side and quantity; for each venue its book, instrument, taker rate, penalty, and whether it may be used.
//! Out: [`Plan`]: parts with their costs, venues left out with the reason, and what could not be had.
//!
//! The cost of a unit of base at a level is its price with fee and penalty, `price * (1 + taker + penalty) * conversion` for a buy and
//! `-price * (1 - taker - penalty) * conversion` for a sell; `split` finds the split of least total cost under lots and
//! minima. All of it is integers: units are the common divisors of what the venues count in, so a cost is exact but for the factor, which
//! is rounded to 1e-12 against us.
//!
//! A fee in the received asset counts as if it were taken in quote: of what is bought the fee's part is missing, which costs `taker^2`
//! more than is reckoned (1e-6 of the price at 0.1 %).
//!
//! Never through a book that is stale, crossed, out of step, or empty: such a venue is left out and named.

use super::split::{self, SUPPLIES_MAX, Step, Supply};
use domain::decimal::{ONE, div_round};
use domain::{
    AssetIdx, Instrument, InstrumentIdx, Money, Nanos, Price, Quantity, Rate, Rounding, Side, UnixNanos, VenueIdx,
};
use marketdata::{Book, Unusable};
use std::fmt;

/// Most venues of one order.
pub const VENUES_MAX: usize = SUPPLIES_MAX;

/// A venue that could be used.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Its number.
    pub venue: VenueIdx,
    /// The rules there.
    pub instrument: &'a Instrument,
    /// Its book.
    pub book: &'a Book,
    /// The taker rate that is charged.
    pub taker: Rate,
    /// What is expected to be lost beside, as a fraction of the price: latency, slippage. Zero or more.
    pub penalty: Rate,
    /// Units of the order's currency per unit of this venue's quote asset. Not needed, and not looked at, where both are one asset.
    pub conversion: Option<Rate>,
    /// Whether orders may be sent there.
    pub enabled: bool,
}

/// What is to be traded.
#[derive(Clone, Copy, Debug)]
pub struct RouteAsk {
    /// Buy or sell.
    pub side: Side,
    /// The asset that is traded.
    pub base: AssetIdx,
    /// The asset that costs are compared in.
    pub currency: AssetIdx,
    /// How much of base.
    pub quantity: Quantity,
    /// Worst price, in the order's currency and without fee; `None` for any.
    pub limit: Option<Price>,
    /// Now.
    pub now: UnixNanos,
    /// Books that were not heard of for longer are stale.
    pub age_max: Nanos,
}

/// Why a venue got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// It is switched off.
    Disabled,
    /// Its book says nothing.
    Book(Unusable),
    /// It trades another asset.
    OtherBase,
    /// Its quote asset is another one, and nobody said what that is worth.
    NoConversion,
    /// Its rates or its penalty are none: a part taken off must leave something.
    Rates,
    /// There are more than [`VENUES_MAX`] venues.
    TooMany,
    /// Its smallest order is more than is wanted, or than can be had there within the limit.
    BelowMinimum,
    /// Its numbers pass what can be computed.
    TooLarge,
    /// It costs more than the others, or its smallest order does not fit beside theirs.
    Dearer,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disabled => f.write_str("switched off"),
            Self::Book(why) => write!(f, "book: {why}"),
            Self::OtherBase => f.write_str("trades another asset"),
            Self::NoConversion => f.write_str("quotes in another asset, and no conversion is given"),
            Self::Rates => f.write_str("fee and penalty: expected a penalty of at least 0 and a sum between -1 and 1"),
            Self::TooMany => write!(f, "more than {VENUES_MAX} venues"),
            Self::BelowMinimum => {
                f.write_str("its smallest order is more than is wanted, or than it has within the limit")
            }
            Self::TooLarge => f.write_str("its numbers are too large"),
            Self::Dearer => f.write_str("costs more than the others, or its smallest order does not fit beside theirs"),
        }
    }
}

/// What goes to one venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its place in the list of candidates.
    pub candidate: usize,
    /// The venue.
    pub venue: VenueIdx,
    /// The instrument there.
    pub instrument: InstrumentIdx,
    /// Quantity of the order, a mantissa: base, or contracts.
    pub quantity: i64,
    /// The same in base.
    pub base: Quantity,
    /// Worst price that is taken, a mantissa: the limit of the order, which takes at once or not at all.
    pub worst: i64,
    /// Price x quantity, in the venue's quote; up for a buy, down for a sell.
    pub value: Money,
    /// Taker fee of it, in the venue's quote, rounded up.
    pub fee: Money,
    /// What is expected to be lost beside, in the venue's quote, rounded up.
    pub penalty: Money,
    /// Average price in the venue's quote, rounded to the nearest 1e-12.
    pub average: Price,
    /// Cost of the last unit with fee and penalty, in the order's currency.
    pub marginal: Price,
    /// Cost of the next unit there; `None` where nothing is left within the limit.
    pub next: Option<Price>,
}

/// A split.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// In the order of the candidates.
    pub parts: Vec<Part>,
    /// Candidates without a part, each with the reason.
    pub excluded: Vec<(usize, Exclusion)>,
    /// How much is had.
    pub filled: Quantity,
    /// How much of what was asked is not: too little depth, or less than lots and minima allow.
    pub remainder: Quantity,
    /// What it costs with fees and penalties, in the order's currency, rounded up; negative for a sell: what comes in.
    pub total: Money,
}

/// The router with its scratch space: nothing is allocated after the first calls.
#[derive(Clone, Debug, Default)]
pub struct Router {
    steps: Vec<Step>,
    supplies: Vec<Supply>,
    /// Of each supply: its candidate and its factor.
    of: Vec<(usize, i128)>,
}

/// What all venues count in.
#[derive(Clone, Copy)]
struct Units {
    /// 1e-12 of base.
    quantity: i128,
    /// 1e-12 of quote.
    price: i128,
}

impl Router {
    /// With room for so many levels in all.
    #[must_use]
    pub fn new(levels: usize) -> Self {
        Self {
            steps: Vec::with_capacity(levels),
            supplies: Vec::with_capacity(VENUES_MAX),
            of: Vec::with_capacity(VENUES_MAX),
        }
    }

    /// Finds the split of least cost. The plan is written anew.
    pub fn route(&mut self, ask: &RouteAsk, candidates: &[Candidate<'_>], plan: &mut Plan) {
        plan.parts.clear();
        plan.excluded.clear();
        (plan.filled, plan.remainder, plan.total) = (Quantity::ZERO, ask.quantity, Money::ZERO);
        self.steps.clear();
        self.supplies.clear();
        self.of.clear();
        let Some(units) = units(ask, candidates, plan) else { return };
        // Fine lots of base are far below 64 bits; what is not is asked for in part.
        let wanted = i64::try_from(ask.quantity.raw().max(0) / units.quantity).unwrap_or(i64::MAX);
        for (at, candidate) in candidates.iter().enumerate().take(usize::from(u16::MAX)) {
            if plan.excluded.iter().any(|(n, _)| *n == at) {
                continue;
            }
            let before = self.steps.len();
            if let Err(why) = self.add(ask, candidate, at, units, wanted) {
                self.steps.truncate(before);
                plan.excluded.push((at, why));
            }
        }
        let done = split::nest(&mut self.supplies).and_then(|()| self.write(ask, candidates, units, wanted, plan));
        if done.is_none() {
            plan.parts.clear();
            plan.excluded.extend(self.of.iter().map(|(at, _)| (*at, Exclusion::TooLarge)));
            (plan.filled, plan.remainder, plan.total) = (Quantity::ZERO, ask.quantity, Money::ZERO);
        }
        plan.excluded.sort_unstable_by_key(|(at, _)| *at);
    }

    /// Adds a venue's levels as a supply.
    fn add(
        &mut self,
        ask: &RouteAsk,
        c: &Candidate<'_>,
        at: usize,
        units: Units,
        wanted: i64,
    ) -> Result<(), Exclusion> {
        let view = c.book.view_at(ask.now, ask.age_max).map_err(Exclusion::Book)?;
        if self.supplies.len() == VENUES_MAX {
            return Err(Exclusion::TooMany);
        }
        let (i, large) = (c.instrument, Exclusion::TooLarge);
        let factor = factor(ask, c)?;
        let (per_price, per_quantity) = (price_unit(i) / units.price, base_unit(i).ok_or(large)? / units.quantity);
        let per_quantity = i64::try_from(per_quantity).map_err(|_| large)?;
        let in_units = |quantity: Quantity| -> Option<i64> {
            let base = quantity.raw().checked_mul(i.multiplier.raw())?;
            i64::try_from(div_round(base, ONE.checked_mul(units.quantity)?, Rounding::Up)).ok()
        };
        let (lot, min_quantity) = (in_units(i.lot).ok_or(large)?, in_units(i.min_quantity).ok_or(large)?);
        let max_quantity = in_units(i.max_quantity).unwrap_or(i64::MAX);
        // The smallest notional in products of mantissas: price x quantity x multiplier.
        let product = price_unit(i).checked_mul(base_unit(i).ok_or(large)?).ok_or(large)?;
        let notional = i.min_notional.raw().checked_mul(ONE).ok_or(large)?;
        let notional = div_round(notional, product, Rounding::Up);
        let first = self.steps.len();
        let (mut depth, mut value, mut least) = (0i64, 0i128, None);
        for level in view.against(ask.side) {
            if depth >= wanted && least.is_some() {
                break;
            }
            if ask.limit.is_some_and(|limit| beyond(ask.side, limit, c, ask, i.price(level.price))) {
                break;
            }
            let quantity = level.quantity.checked_mul(per_quantity).ok_or(large)?;
            let price = i128::from(level.price);
            if least.is_none() && value + price * i128::from(level.quantity) >= notional {
                // Mantissas of this level that are still needed.
                let more = div_round(notional - value, price, Rounding::Up).max(0);
                let more = i64::try_from(more).ok().and_then(|more| more.checked_mul(per_quantity)).ok_or(large)?;
                least = Some(depth.checked_add(more).ok_or(large)?);
            }
            value += price * i128::from(level.quantity);
            depth = depth.checked_add(quantity).ok_or(large)?;
            let unit_cost = price.checked_mul(per_price).and_then(|p| p.checked_mul(factor)).ok_or(large)?;
            self.steps.push(Step { unit_cost, quantity });
        }
        let least = least.unwrap_or(i64::MAX).max(min_quantity);
        let most = depth.min(max_quantity);
        if lot <= 0 || least > most {
            return Err(Exclusion::BelowMinimum);
        }
        self.supplies.push(Supply { first, end: self.steps.len(), lot, least, most });
        self.of.push((at, factor));
        Ok(())
    }

    /// Splits, and writes what came out.
    fn write(
        &mut self,
        ask: &RouteAsk,
        candidates: &[Candidate<'_>],
        units: Units,
        wanted: i64,
        plan: &mut Plan,
    ) -> Option<()> {
        // Coarser lots may leave a supply less than its minimum.
        let (supplies, steps) = (&mut self.supplies, &self.steps);
        supplies.iter_mut().filter(|s| s.least > s.most).for_each(|s| s.most = 0);
        let taken = split::split(supplies, steps, wanted)?;
        for ((supply, (at, _)), quantity) in supplies.iter().zip(&self.of).zip(taken.quantities) {
            if quantity == 0 {
                let why = if supply.most == 0 { Exclusion::BelowMinimum } else { Exclusion::Dearer };
                plan.excluded.push((*at, why));
                continue;
            }
            let candidate = candidates.get(*at)?;
            plan.parts.push(part(
                ask.side,
                candidate,
                *at,
                units,
                (supply, steps.get(supply.first..supply.end)?),
                quantity,
            )?);
        }
        plan.filled = Quantity::from_raw(i128::from(taken.total) * units.quantity);
        plan.remainder = ask.quantity.checked_sub(plan.filled)?;
        plan.total = Money::from_raw(money(taken.cost, units)?);
        Some(())
    }
}

/// What the venues that can be used count in; those that cannot are written down. `None` if there is none.
fn units(ask: &RouteAsk, candidates: &[Candidate<'_>], plan: &mut Plan) -> Option<Units> {
    let mut units: Option<Units> = None;
    for (at, c) in candidates.iter().enumerate() {
        let why = if !c.enabled {
            Exclusion::Disabled
        } else if c.instrument.base != ask.base {
            Exclusion::OtherBase
        } else if c.instrument.quote != ask.currency && c.conversion.is_none_or(|rate| rate <= Rate::ZERO) {
            Exclusion::NoConversion
        } else if let Some(quantity) = base_unit(c.instrument) {
            let price = price_unit(c.instrument);
            units = Some(units.map_or(Units { quantity, price }, |u| Units {
                quantity: gcd(u.quantity, quantity),
                price: gcd(u.price, price),
            }));
            continue;
        } else {
            Exclusion::TooLarge
        };
        plan.excluded.push((at, why));
    }
    units
}

const fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// 1e-12 of quote per price mantissa.
const fn price_unit(i: &Instrument) -> i128 {
    Price::from_mantissa(1, i.price_decimals).raw()
}

/// 1e-12 of base per quantity mantissa; `None` where that is no whole number.
fn base_unit(i: &Instrument) -> Option<i128> {
    let product = Quantity::from_mantissa(1, i.quantity_decimals).raw().checked_mul(i.multiplier.raw())?;
    (product >= ONE && product % ONE == 0).then_some(product / ONE)
}

/// Units of the order's currency per unit of the venue's quote, in 1e-12.
fn conversion(ask: &RouteAsk, c: &Candidate<'_>) -> i128 {
    if c.instrument.quote == ask.currency { ONE } else { c.conversion.map_or(0, |rate| i128::from(rate.raw())) }
}

/// What a price is multiplied by, signed as a cost, rounded up.
fn factor(ask: &RouteAsk, c: &Candidate<'_>) -> Result<i128, Exclusion> {
    let parts = i128::from(c.taker.raw()) + i128::from(c.penalty.raw());
    if c.penalty < Rate::ZERO || parts.abs() >= ONE {
        return Err(Exclusion::Rates);
    }
    let sign = ask.side.sign();
    let share = sign * ONE + parts;
    Ok(match conversion(ask, c) {
        ONE => share,
        rate => div_round(share.checked_mul(rate).ok_or(Exclusion::TooLarge)?, ONE, Rounding::Up),
    })
}

/// Whether a price is worse than the limit.
fn beyond(side: Side, limit: Price, c: &Candidate<'_>, ask: &RouteAsk, price: Price) -> bool {
    // What cannot be compared is not within the limit.
    let Some(worth) = price.raw().checked_mul(conversion(ask, c)) else { return true };
    let Some(limit) = limit.raw().checked_mul(ONE) else { return true };
    match side {
        Side::Buy => worth > limit,
        Side::Sell => worth < limit,
    }
}

/// A cost in units as an amount, rounded up.
fn money(cost: i128, units: Units) -> Option<i128> {
    // cost x price unit x quantity unit is in 1e-36, an amount in 1e-12.
    let (scale, whole) = (units.price.checked_mul(units.quantity)?, ONE.checked_mul(ONE)?);
    let common = gcd(scale, whole);
    Some(div_round(cost.checked_mul(scale / common)?, whole / common, Rounding::Up))
}

/// A unit cost as a price per unit of base, without its sign.
fn unit_price(unit_cost: i128, units: Units) -> Option<Price> {
    Some(Price::from_raw(div_round(unit_cost.abs().checked_mul(units.price)?, ONE, Rounding::HalfEven)))
}

fn part(
    side: Side,
    c: &Candidate<'_>,
    at: usize,
    units: Units,
    (supply, steps): (&Supply, &[Step]),
    taken: i64,
) -> Option<Part> {
    let i = c.instrument;
    let per_quantity = i64::try_from(base_unit(i)? / units.quantity).ok()?;
    let quantity = taken / per_quantity;
    let view = c.book.view().ok()?;
    let walk = view.walk(side, quantity, None);
    let rounding = if side == Side::Buy { Rounding::Up } else { Rounding::Down };
    let scale = price_unit(i).checked_mul(base_unit(i)?)?;
    let common = gcd(scale, ONE);
    let value = Money::from_raw(div_round(walk.value.checked_mul(scale / common)?, ONE / common, rounding));
    let base = Quantity::from_raw(i128::from(taken) * units.quantity);
    let average = domain::decimal::div_money(value.raw(), base.raw(), Rounding::HalfEven)?;
    let (mut left, mut marginal, mut next) = (taken, 0, None);
    for step in steps {
        if left >= step.quantity {
            (left, marginal) = (left - step.quantity, step.unit_cost);
        } else {
            marginal = if left > 0 { step.unit_cost } else { marginal };
            next = Some(step.unit_cost);
            break;
        }
    }
    let next = next.filter(|_| taken < supply.most);
    Some(Part {
        candidate: at,
        venue: c.venue,
        instrument: i.idx,
        quantity,
        base,
        worst: walk.worst,
        value,
        fee: value.times(c.taker, Rounding::Up)?,
        penalty: value.times(c.penalty, Rounding::Up)?,
        average: Price::from_raw(average),
        marginal: unit_price(marginal, units)?,
        next: match next {
            Some(unit_cost) => Some(unit_price(unit_cost, units)?),
            None => None,
        },
    })
}
