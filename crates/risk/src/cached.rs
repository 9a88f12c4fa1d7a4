//! The cached gate: what every slow limit still leaves to entries, worked out ahead, so that a concrete order is answered in nanoseconds.
//!
//! In:  a refresh, which makes the full check for the largest order of each direction; then orders with all their numbers.
//! Out: yes, no, or that what is known is too old. A yes is no approval: only [`Gate::check_entry`] approves, and it asks everything again.
//!
//! # What is cached, and how old it may be
//! A slot belongs to an account, a strategy and an instrument.
//!
//! | what | how old |
//! |---|---|
//! | exposure, positions, equity, margin, funds, losses, breakers, value at risk, correlations, throttle, message budget | up to [`AGE_MAX`], and never across an approval, a fill, an end of an order, a message or a change of limits (the generation) |
//! | prices and equity of other instruments | up to [`AGE_MAX`] |
//! | last price and book of this instrument | as they are now: another price makes the slot stale |
//! | age of the price | as it is now |
//! | the mode, other orders of ours | as they are now, told with the question |
//! | tick, lot, smallest and largest quantity, smallest notional, collar | as when refreshed; definitions change by events |
//!
//! In the same state it never says yes where the full check says no: a slot holds the largest order that the full check let pass, every
//! limit on size lets a smaller one pass, and what a smaller order can still fail (tick, lot, minimum, stop) is asked exactly or more
//! strictly. Clamps make sizes smaller before the limits are held: an order is told here with the size that they left it.

use crate::check::{self, Entering, OwnOrders, Subject, order_size};
use crate::clamp::Input;
use crate::clamp::entry::Around;
use crate::gate::{Gate, Scene};
use crate::limits::Limits;
use crate::measure;
use crate::standing::Reading;
use domain::decimal::POW10;
use domain::{
    AccountId, ClientOrderId, Entry, Instrument, InstrumentIdx, InstrumentKind, Intent, MarketView, Mode, Money, Nanos,
    NoObserver, OrderQuantity, OrderSpec, OrderType, Price, Quantity, Rate, Rounding, Side, Signal, SizeRequest,
    StopPlan, StrategyIdx, TimeInForce, UnixNanos,
};

/// How old a slot may be.
pub const AGE_MAX: Nanos = Nanos::from_millis(100);

/// A concrete entry, in mantissas of its instrument.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Its account.
    pub account: AccountId,
    /// Its instrument.
    pub instrument: InstrumentIdx,
    /// Its strategy.
    pub strategy: StrategyIdx,
    /// Buy or sell.
    pub side: Side,
    /// Its limit; `None` at the market.
    pub limit: Option<i64>,
    /// How much.
    pub quantity: i64,
    /// Where its stop would be; `None` without one.
    pub stop: Option<i64>,
    /// What else of ours is working.
    pub own: OwnOrders,
}

/// The quick answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quick {
    /// The full check would let it pass, as far as the slot is up to date.
    Yes,
    /// It would not, or not surely.
    No,
    /// Nothing is known, or what is known is too old.
    Stale,
}

/// What is left to one strategy in one instrument.
#[derive(Clone, Copy, Debug)]
struct Slot {
    account: AccountId,
    strategy: StrategyIdx,
    generation: u64,
    until: UnixNanos,
    last: Option<i64>,
    best: Option<(i64, i64)>,
    mark: i64,
    /// Room for buys and sells: the largest price mantissa x quantity mantissa.
    room: [i128; 2],
    /// The smallest notional, in the same unit.
    least: i128,
    /// Limits within the collar.
    prices: [i64; 2],
    quantities: [i64; 2],
    tick: i64,
    lot: i64,
    /// The fee that is taken off what is bought, in units of 2^-32; none where it is not taken in base.
    fee: u64,
    stop_required: bool,
}

/// The slots of all instruments.
#[derive(Debug, Default)]
pub(crate) struct CachedGate {
    slots: Vec<Vec<Slot>>,
    /// Counts what makes slots stale.
    generation: u64,
}

impl CachedGate {
    /// Everything that is cached is stale from now on.
    pub const fn invalidate(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    #[inline]
    fn find(&self, account: AccountId, strategy: StrategyIdx, instrument: InstrumentIdx) -> Option<&Slot> {
        self.slots.get(instrument.index())?.iter().find(|s| s.strategy == strategy && s.account == account)
    }

    fn put(&mut self, instrument: InstrumentIdx, slot: Slot) {
        if self.slots.len() <= instrument.index() {
            self.slots.resize_with(instrument.index() + 1, Vec::new);
        }
        let Some(of) = self.slots.get_mut(instrument.index()) else { return };
        match of.iter_mut().find(|s| s.strategy == slot.strategy && s.account == slot.account) {
            Some(held) => *held = slot,
            None => of.push(slot),
        }
    }
}

impl Gate {
    /// The quick answer to a concrete entry. Allocates nothing and changes nothing.
    #[must_use]
    #[inline]
    pub fn quick(&self, ask: &Ask, ts: UnixNanos, mode: Mode, view: &MarketView) -> Quick {
        let Some(slot) = self.cached.find(ask.account, ask.strategy, ask.instrument) else { return Quick::Stale };
        let seen = view.get(ask.instrument);
        if slot.generation != self.cached.generation
            || ts > slot.until
            || seen.last != slot.last
            || seen.best != slot.best
        {
            return Quick::Stale;
        }
        let own = ask.own.duplicate || ask.own.crossing || ask.own.opposing;
        if mode == Mode::Normal && !seen.warmup && !own && slot.allows(ask) { Quick::Yes } else { Quick::No }
    }

    /// Works out a slot anew. Allocates only for the first slot of its kind.
    pub fn refresh(&mut self, account: AccountId, strategy: StrategyIdx, instrument: InstrumentIdx, scene: &Scene<'_>) {
        if let Some(slot) = self.slot(account, strategy, instrument, scene) {
            self.cached.put(instrument, slot);
        }
    }

    /// Whatever was worked out ahead is stale: the ledger changed, or what watches losses said something else.
    pub const fn invalidate(&mut self) {
        self.cached.invalidate();
    }

    fn slot(
        &mut self,
        account: AccountId,
        strategy: StrategyIdx,
        instrument: InstrumentIdx,
        scene: &Scene<'_>,
    ) -> Option<Slot> {
        let rules = scene.table.get(instrument)?;
        let limits = *self.profile.limits()?;
        let seen = scene.view.get(instrument);
        let mark = seen.mark()?;
        let until = scene.ts.saturating_add(AGE_MAX).min(seen.ts.saturating_add(limits.price_age_max()));
        let prices =
            collar([seen.last, Some(mark), seen.best.map(|b| b.0), seen.best.map(|b| b.1)], limits.price_collar_max);
        let room = [Side::Buy, Side::Sell].map(|side| {
            let fits = self.largest(account, strategy, rules, side, scene);
            fits.and_then(|notional| scaled_room(rules, notional, prices[1])).unwrap_or(0)
        });
        let most = rules.max_quantity.min(order_size::volume_max(rules, &limits)?);
        let quantity = |q: Quantity, rounding| at_decimals(q.raw(), rules.quantity_decimals, rounding);
        let fee = if rules.kind == InstrumentKind::Spot { measure::fee(rules) } else { Rate::ZERO };
        Some(Slot {
            account,
            strategy,
            generation: self.cached.generation,
            until,
            last: seen.last,
            best: seen.best,
            mark,
            room,
            least: scaled_least(rules, prices[1])?,
            prices,
            quantities: [quantity(rules.min_quantity, Rounding::Up)?, quantity(most, Rounding::Down)?],
            tick: rules.tick.to_mantissa(rules.price_decimals)?,
            lot: rules.lot.to_mantissa(rules.quantity_decimals)?,
            // Rounded up, and below one: a fee rate is.
            fee: u64::try_from((i128::from(fee.raw()) << 32) / domain::decimal::ONE + 1).ok()?,
            stop_required: limits.stop_required,
        })
    }

    /// The notional of the largest order at the market that the full check lets pass; `None` where it lets none pass.
    fn largest(
        &mut self,
        account: AccountId,
        strategy: StrategyIdx,
        rules: &Instrument,
        side: Side,
        scene: &Scene<'_>,
    ) -> Option<Money> {
        if rules.kind == InstrumentKind::Spot && side == Side::Sell {
            return None;
        }
        let limits = *self.profile.limits()?;
        let price = scene.view.mark(rules.idx).map(|mark| rules.price(mark)).filter(|p| *p > Price::ZERO)?;
        let spec = OrderSpec {
            client_id: ClientOrderId::new(account, 0, 0),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(Quantity::ZERO),
            time_in_force: TimeInForce::Gtc,
            account,
            instrument: rules.idx,
            strategy,
            side,
            post_only: false,
            reduce_only: false,
        };
        let mut holdings = self.measure(&spec, SizeRequest::Base(Quantity::ZERO), rules, scene);
        let sharers = self.sharers.get(rules.idx.index()).copied().unwrap_or(0);
        let entering = Entering { account, strategy, instrument: rules, side, price };
        let mut room = check::room(&limits, &entering, &self.bench(scene, &holdings, sharers))?;
        // Of the funds, too; and what a check calls the largest safe size is tried once more.
        room = room.min(check::funds_room(rules, holdings.free)?);
        let unit = rules.notional(price, Quantity::from_units(1), Rounding::Up)?;
        // A stop one tick away: the order's own is asked for when it comes.
        let stop = match side {
            Side::Buy => price.checked_sub(rules.tick),
            Side::Sell => price.checked_add(rules.tick),
        };
        // The value at risk is convex in the size: within the budget with the least and with the most it is so with all between.
        let least = OrderSpec { quantity: OrderQuantity::Base(rules.min_quantity.max(rules.lot)), ..spec };
        let (_, var_with_least) = self.with_clamps_on(least, rules, (price, stop?), &holdings, &limits, scene)?;
        if matches!(var_with_least, Reading::Is(var) if var > limits.var_fraction_max.to_f64()) {
            return None;
        }
        for _ in 0..3 {
            let quantity = rules.floor_to_lot(room.quantity_at(Price::from_raw(unit.raw()), Rounding::Down)?);
            if quantity <= Quantity::ZERO {
                return None;
            }
            let asked = OrderSpec { quantity: OrderQuantity::Base(quantity), ..spec };
            let (spec, var_after) = self.with_clamps_on(asked, rules, (price, stop?), &holdings, &limits, scene)?;
            holdings.var_after = var_after;
            let (notional, funds) = crate::gate::cost(&spec, rules, Some(price));
            let subject = Subject {
                spec: &spec,
                instrument: rules,
                unsized_because: None,
                price: Some(price),
                fills_at: Some(price),
                notional,
                funds,
                stop_asked: true,
                stop,
                own: OwnOrders::default(),
            };
            match check::run(&subject, false, Some(&limits), &self.bench(scene, &holdings, sharers), &mut NoObserver) {
                Ok(()) => return notional,
                Err(refusal) => room = refusal.largest_safe.filter(|safe| *safe < room)?,
            }
        }
        None
    }

    /// An order as the clamps leave it that rest on the account alone, and the value at risk with it.
    fn with_clamps_on(
        &mut self,
        mut spec: OrderSpec,
        rules: &Instrument,
        (price, stop): (Price, Price),
        holdings: &check::Holdings,
        limits: &Limits,
        scene: &Scene<'_>,
    ) -> Option<(OrderSpec, Reading)> {
        let OrderQuantity::Base(quantity) = spec.quantity else { return None };
        let signal = Signal {
            intent: if spec.side == Side::Buy { Intent::EnterLong } else { Intent::EnterShort },
            size: SizeRequest::Base(quantity),
            entry: Entry::Market,
            stop: Some(StopPlan::Price(stop)),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: 0,
            tag: 0,
            account: spec.account,
            instrument: spec.instrument,
            strategy: spec.strategy,
        };
        let amount = crate::gate::cost(&spec, rules, Some(price)).0?;
        let Self { exposure, correlation, clamps, .. } = self;
        let around = Around { exposure, correlation, limits, holdings, scene };
        let var = clamps.apply(&mut spec, amount, price, &signal, &around, &mut NoObserver).ok()?;
        let reading = match var {
            _ if self.clamps.config.var.is_none() => Reading::NotConfigured,
            Input::NotConfigured => Reading::NotConfigured,
            Input::Known(value) => Reading::of(value),
            Input::Unknown => Reading::Unknown,
        };
        Some((spec, reading))
    }
}

impl Slot {
    #[inline]
    fn allows(&self, ask: &Ask) -> bool {
        let q = ask.quantity;
        let buy = ask.side == Side::Buy;
        let (measured, fills_at) = match ask.limit {
            None => (self.mark, self.mark),
            Some(limit) if limit < self.prices[0] || limit > self.prices[1] || limit % self.tick != 0 => return false,
            Some(limit) if buy => (limit, limit.min(self.mark)),
            Some(limit) => (limit.max(self.mark), limit.max(self.mark)),
        };
        if q < self.quantities[0] || q > self.quantities[1] || q % self.lot != 0 {
            return false;
        }
        let worth = |price: i64, quantity: i64| i128::from(price) * i128::from(quantity);
        if worth(measured, q) > self.room[usize::from(!buy)] || worth(fills_at, q) < self.least {
            return false;
        }
        let Some(stop) = ask.stop else { return !self.stop_required };
        let protects = if buy { stop < fills_at } else { stop > fills_at };
        // What the fee leaves, down to the lot, at least.
        let taken = ((u128::from(q.unsigned_abs()) * u128::from(self.fee)) >> 32) as i64 + 1;
        let kept = if self.fee == 1 { q } else { q.saturating_sub(taken).saturating_sub(self.lot - 1) };
        protects && stop > 0 && kept >= self.quantities[0] && worth(stop, kept) >= self.least
    }
}

/// The prices that lie within the collar of all references, inwards to the mantissa; none (an empty range) where one is not positive.
fn collar(references: [Option<i64>; 4], max: Rate) -> [i64; 2] {
    let mut within = [1, i64::MAX];
    for reference in references.into_iter().flatten() {
        if reference <= 0 {
            return [1, 0];
        }
        let off = i128::from(reference) * i128::from(max.raw()) / domain::decimal::ONE;
        let low = i128::from(reference).saturating_sub(off);
        let high = i128::from(reference).saturating_add(off);
        within[0] = within[0].max(i64::try_from(low).unwrap_or(1));
        within[1] = within[1].min(i64::try_from(high).unwrap_or(i64::MAX));
    }
    within
}

/// An amount as the largest price mantissa x quantity mantissa that is worth no more at any price up to `highest`.
fn scaled_room(rules: &Instrument, amount: Money, highest: i64) -> Option<i128> {
    let mut raw = amount.raw();
    let one = Quantity::from_units(1);
    if rules.multiplier != one {
        // The quantity in base is rounded up first: at most one unit of 1e-12, which is worth the price.
        let scaled = raw.checked_sub(slack(rules, highest)?)?.checked_mul(domain::decimal::ONE)?;
        raw = scaled.div_euclid(rules.multiplier.raw());
    }
    Some(shift(raw, rules, Rounding::Down).max(0))
}

/// The smallest notional as price mantissa x quantity mantissa, up, at any price up to `highest`.
fn scaled_least(rules: &Instrument, highest: i64) -> Option<i128> {
    let mut raw = rules.min_notional.raw();
    if rules.multiplier != Quantity::from_units(1) {
        // Rounded down twice on the way, the quantity in base first.
        let scaled = raw.checked_add(slack(rules, highest)?)?.checked_mul(domain::decimal::ONE)?;
        raw = scaled.div_euclid(rules.multiplier.raw()).checked_add(1)?;
    }
    Some(shift(raw, rules, Rounding::Up))
}

/// What one unit of 1e-12 in base is worth, and one unit of rounding on top.
fn slack(rules: &Instrument, highest: i64) -> Option<i128> {
    rules.price(highest).raw().checked_div(domain::decimal::ONE)?.checked_add(2)
}

/// A count of 1e-12 as a count of what price and quantity mantissas multiply to. What does not fit is more than any product.
fn shift(raw: i128, rules: &Instrument, rounding: Rounding) -> i128 {
    let decimals = i32::from(rules.price_decimals) + i32::from(rules.quantity_decimals) - 12;
    let power = |n: i32| POW10.get(n.unsigned_abs() as usize).map_or(i128::MAX, |p| i128::from(*p));
    if decimals >= 0 {
        raw.saturating_mul(power(decimals))
    } else {
        domain::decimal::div_round(raw, power(decimals), rounding)
    }
}

fn at_decimals(raw: i128, decimals: u8, rounding: Rounding) -> Option<i64> {
    let step = i128::from(*POW10.get(usize::from(12u8.checked_sub(decimals)?))?);
    Some(i64::try_from(domain::decimal::div_round(raw, step, rounding)).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Profile;
    use crate::stage::{ACCOUNT, Stage};
    use domain::MarketFlags;

    const BTC: InstrumentIdx = InstrumentIdx(0);
    const OWN: OwnOrders = OwnOrders { duplicate: false, crossing: false, opposing: false };

    /// A buy of one unit at 100 with a stop at 99, in mantissas of six decimals.
    fn ask() -> Ask {
        Ask {
            account: ACCOUNT,
            instrument: BTC,
            strategy: StrategyIdx(0),
            side: Side::Buy,
            limit: None,
            quantity: 1_000_000,
            stop: Some(99_000_000),
            own: OWN,
        }
    }

    fn refresh(stage: &mut Stage) {
        let Stage { table, view, portfolio, gate, ts, mode, standing, .. } = stage;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing };
        gate.refresh(ACCOUNT, StrategyIdx(0), BTC, &scene);
    }

    fn quick(stage: &Stage, ask: &Ask) -> Quick {
        stage.gate.quick(ask, stage.ts, stage.mode, &stage.view)
    }

    #[test]
    fn it_knows_nothing_before_a_refresh_and_after_anything_moved() {
        let mut stage = Stage::limited();
        assert_eq!(quick(&stage, &ask()), Quick::Stale);
        refresh(&mut stage);
        assert_eq!(quick(&stage, &ask()), Quick::Yes);
        let entry = stage.enter(&stage.long(BTC, "0.1")).unwrap();
        assert_eq!(quick(&stage, &ask()), Quick::Stale, "an approval");
        refresh(&mut stage);
        stage.gate.release(entry.reservation);
        assert_eq!(quick(&stage, &ask()), Quick::Stale, "the end of an order");
        refresh(&mut stage);
        stage.print(BTC, 100_000_001, MarketFlags::default());
        assert_eq!(quick(&stage, &ask()), Quick::Stale, "another price");
        refresh(&mut stage);
        stage.ts = stage.ts.saturating_add(AGE_MAX);
        assert_eq!(quick(&stage, &ask()), Quick::Yes);
        stage.ts = stage.ts.saturating_add(Nanos(1));
        assert_eq!(quick(&stage, &ask()), Quick::Stale, "too old");
        refresh(&mut stage);
        stage.gate.invalidate();
        assert_eq!(quick(&stage, &ask()), Quick::Stale);
    }

    #[test]
    fn the_largest_order_passes_and_a_lot_more_does_not() {
        let mut stage = Stage::limited();
        refresh(&mut stage);
        for side in [Side::Buy, Side::Sell] {
            let stop = Some(if side == Side::Buy { 99_000_000 } else { 101_000_000 });
            let most = Ask { side, stop, quantity: 2_000_000, ..ask() };
            assert_eq!(quick(&stage, &most), Quick::Yes);
            assert_eq!(quick(&stage, &Ask { quantity: 2_000_001, ..most }), Quick::No);
        }
    }

    #[test]
    fn what_belongs_to_the_order_itself_is_asked_for() {
        let mut stage = Stage::limited();
        stage.rules(BTC, |i| (i.tick, i.lot) = (testkit::price("0.5"), testkit::quantity("0.01")));
        refresh(&mut stage);
        let good = ask();
        for (bad, what) in [
            (Ask { stop: None, ..good }, "no stop"),
            (Ask { stop: Some(100_000_000), ..good }, "a stop at the price"),
            (Ask { stop: Some(-1), ..good }, "a stop that is no price"),
            (Ask { limit: Some(99_700_000), ..good }, "off the tick"),
            (Ask { limit: Some(94_500_000), stop: Some(90_000_000), ..good }, "beyond the collar"),
            (Ask { quantity: 1_005_000, ..good }, "off the lot"),
            (Ask { quantity: 0, ..good }, "nothing"),
            (Ask { quantity: -1_000_000, ..good }, "less than nothing"),
            (Ask { quantity: 40_000, ..good }, "below the smallest notional"),
            (Ask { own: OwnOrders { duplicate: true, ..OWN }, ..good }, "a duplicate"),
            (Ask { own: OwnOrders { crossing: true, ..OWN }, ..good }, "against an order of ours"),
            (Ask { own: OwnOrders { opposing: true, ..OWN }, ..good }, "against a strategy of ours"),
        ] {
            assert_eq!(quick(&stage, &bad), Quick::No, "{what}");
        }
        assert_eq!(quick(&stage, &Ask { limit: Some(99_500_000), ..good }), Quick::Yes);
        stage.mode = Mode::Reduced;
        assert_eq!(quick(&stage, &good), Quick::No);
    }

    #[test]
    fn where_the_full_check_lets_nothing_pass_there_is_no_room() {
        let mut stage = Stage::limited();
        stage.standing.drawdown = Reading::Is(0.5);
        refresh(&mut stage);
        assert_eq!(quick(&stage, &ask()), Quick::No);
        let mut spot = Stage::new(Profile::standard());
        let btc = spot.spot("BTCUSDT");
        spot.mark(btc, 100);
        refresh(&mut spot);
        assert_eq!(quick(&spot, &ask()), Quick::Yes);
        assert_eq!(quick(&spot, &Ask { side: Side::Sell, stop: Some(101_000_000), ..ask() }), Quick::No);
    }
}
