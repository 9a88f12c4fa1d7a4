//! The pre-trade gate: holds limits and pending exposure, measures the account once, makes the checks, and builds the approvals.
//!
//! In:  validated signals with the order that `execution` made of them; reductions of positions.
//! Out: [`Approved`] with its [`Reservation`], or a [`Refusal`].
//! Nothing approved outlives the step that approved it: orders that wait are kept unapproved and come here again.

use crate::approved::Approved;
use crate::check::{self, Bench, Holdings, OwnOrders, Subject};
use crate::correlation::CorrelationTracker;
use crate::deny_reason::{DenyReason, Refusal};
use crate::exposure::{Exposure, Reservation};
use crate::limits::Profile;
use crate::sizing::{self, Means};
use crate::validate::Validated;
use domain::observe::SizeSeen;
use domain::{
    Digest, Digestible, Entry, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Intent, MarketView, Mode,
    Money, Nanos, Observer, OrderClass, OrderQuantity, OrderSpec, OrderType, Price, Quantity, Rate, Rounding, Side,
    SizeRequest, StopLevel, StopPlan, UnixNanos,
};
use portfolio::Portfolio;

/// What the gate looks at: the world in this step.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// Engine time.
    pub ts: UnixNanos,
    /// Instruments and their rules.
    pub table: &'a InstrumentTable,
    /// The market.
    pub view: &'a MarketView,
    /// The ledger.
    pub portfolio: &'a Portfolio,
    /// The mode in force.
    pub mode: Mode,
}

/// How long an approval may wait before it must be asked for again.
const APPROVAL_VALID: Nanos = Nanos::from_secs(5);

/// An entry as `execution` wants to send it. Quantity, kind, side and whose it is are the gate's to say: they come from the signal.
#[derive(Clone, Copy, Debug)]
pub struct EntryIntent {
    /// The order: its number and how long it works count.
    pub spec: OrderSpec,
    /// What else of ours is working.
    pub own: OwnOrders,
}

/// An approved entry.
#[derive(Debug)]
pub struct ApprovedEntry {
    /// The order that may leave.
    pub approved: Approved,
    /// The same as plain data, for whoever tracks the order.
    pub spec: OrderSpec,
    /// What it holds of the limits.
    pub reservation: Reservation,
}

/// The pre-trade gate.
#[derive(Debug)]
pub struct Gate {
    profile: Profile,
    exposure: Exposure,
    correlation: CorrelationTracker,
    sharers: Vec<u32>,
}

impl Gate {
    /// A gate with the limits of `profile`.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self { profile, exposure: Exposure::default(), correlation: CorrelationTracker::default(), sharers: Vec::new() }
    }

    /// Makes room for one more instrument.
    pub fn add_instrument(&mut self, idx: InstrumentIdx) {
        self.correlation.add_instrument(idx);
        if self.sharers.len() <= idx.index() {
            self.sharers.resize(idx.index() + 1, 0);
        }
    }

    /// One more strategy trades the instrument: each gets an equal part of its position limit.
    pub fn add_sharer(&mut self, idx: InstrumentIdx) {
        self.add_instrument(idx);
        self.sharers[idx.index()] += 1;
    }

    /// The limits in force.
    #[must_use]
    pub const fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Takes a sample for correlations. Called by a timer, a little after each minute.
    pub fn sample(&mut self, ts: UnixNanos, view: &MarketView) {
        self.correlation.sample(ts, view);
    }

    /// A fill used part of a reservation: what became a position no longer counts as pending.
    pub fn use_part(&mut self, reservation: &mut Reservation, notional: Money) {
        self.exposure.use_part(reservation, notional);
    }

    /// An order ended: what is left of its reservation is free again.
    pub fn release(&mut self, reservation: Reservation) {
        self.exposure.release(reservation);
    }

    /// What changes while it runs, for saving.
    pub(crate) const fn parts(&self) -> (&Exposure, &CorrelationTracker, &Vec<u32>) {
        (&self.exposure, &self.correlation, &self.sharers)
    }

    /// What changes while it runs, for loading.
    pub(crate) const fn parts_mut(&mut self) -> (&mut Exposure, &mut CorrelationTracker, &mut Vec<u32>) {
        (&mut self.exposure, &mut self.correlation, &mut self.sharers)
    }

    /// Pending exposure, for this crate's tests.
    #[cfg(test)]
    pub(crate) const fn exposure_mut(&mut self) -> &mut Exposure {
        &mut self.exposure
    }

    /// Pending exposure.
    #[must_use]
    pub const fn exposure(&self) -> &Exposure {
        &self.exposure
    }

    /// Sizes and checks an entry; on approval its reservation counts at once.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check against it.
    pub fn check_entry<O: Observer>(
        &mut self,
        validated: &Validated,
        intent: EntryIntent,
        scene: &Scene<'_>,
        observer: &mut O,
    ) -> Result<ApprovedEntry, Refusal> {
        let signal = validated.signal();
        // The order says what the signal says, whatever it was handed over as: what is measured is what leaves.
        let side = match signal.intent {
            Intent::EnterLong => Side::Buy,
            Intent::EnterShort => Side::Sell,
            Intent::Exit => return Err(Refusal::because(DenyReason::SignalInvalid)),
        };
        let kind = match signal.entry {
            Entry::Market => OrderType::Market,
            Entry::Limit(price) => OrderType::Limit { price },
        };
        let mut spec = OrderSpec {
            kind,
            side,
            account: signal.account,
            instrument: signal.instrument,
            strategy: signal.strategy,
            reduce_only: false,
            ..intent.spec
        };
        let instrument = scene.table.get(spec.instrument).ok_or(Refusal::because(DenyReason::InstrumentUnknown))?;
        if instrument.kind == InstrumentKind::Spot && signal.intent == Intent::EnterShort {
            return Err(Refusal::because(DenyReason::Oversell));
        }
        let sharers = self.sharers.get(spec.instrument.index()).copied().unwrap_or(0);
        let holdings = self.measure(&spec, signal.size, instrument, scene);
        let (price, fills_at) = prices(signal.entry, spec.side, instrument, scene.view);
        // Without a price nothing can be sized; the check of what must be known says so in its turn.
        let sized = match price {
            None => Err(Refusal::because(DenyReason::PriceUnknown)),
            Some(price) => {
                let room = self.profile.limits().and_then(|limits| check::room(limits, &holdings, sharers));
                let means = Means { equity: holdings.equity, free: holdings.free, room };
                let limit = matches!(signal.entry, Entry::Limit(_));
                sizing::entry_quantity(signal.size, spec.side, instrument, price, limit, &means)
            }
        };
        let unsized_because = sized.as_ref().err().copied();
        spec.quantity = sized.unwrap_or(OrderQuantity::Base(Quantity::ZERO));
        let (notional, funds) = cost(&spec, instrument, price);
        let subject = Subject {
            spec: &spec,
            instrument,
            unsized_because,
            price,
            fills_at,
            notional,
            funds,
            stop_asked: signal.stop.is_some(),
            stop: fills_at.and_then(|price| stop_price(signal.stop, spec.side, price, instrument)),
            own: intent.own,
        };
        if O::ACTIVE {
            let limits_on = self.profile.limits().is_some();
            let seen = SizeSeen {
                asked: signal.size,
                price,
                equity: holdings.equity,
                free: (limits_on || !matches!(signal.size, SizeRequest::Base(_))).then_some(holdings.free),
                held_instrument: holdings.gross_instrument.filter(|_| limits_on),
                held_strategy: holdings.gross_strategy.filter(|_| limits_on),
                sharers,
                room: self.profile.limits().and_then(|limits| check::room(limits, &holdings, sharers)),
            };
            observer.checking(scene.ts, &spec, OrderClass::Entry, Some(&seen));
        }
        let bench = self.bench(scene, &holdings, sharers);
        check::run(&subject, false, self.profile.limits(), &bench, observer)?;
        let (notional, funds) = (notional.unwrap_or(Money::ZERO), funds.unwrap_or(Money::ZERO));
        let reservation = self
            .exposure
            .reserve((spec.account, spec.instrument, spec.strategy), instrument.settle, notional, funds)
            .ok_or(Refusal::because(DenyReason::Overflow))?;
        let approved = Approved::new(spec, OrderClass::Entry, &self.profile, scene.ts.saturating_add(APPROVAL_VALID));
        Ok(ApprovedEntry { approved, spec, reservation })
    }

    /// Checks an order that only reduces its own strategy's position.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check against it: lot and tick, oversell, duplicate, self-match. Nothing else stands against a reduction.
    pub fn check_reduction<O: Observer>(
        &mut self,
        spec: OrderSpec,
        own: OwnOrders,
        scene: &Scene<'_>,
        observer: &mut O,
    ) -> Result<Approved, Refusal> {
        // The venue, too, must hold it to what it is said to be.
        if !spec.reduce_only {
            return Err(Refusal::because(DenyReason::Oversell));
        }
        let instrument = scene.table.get(spec.instrument).ok_or(Refusal::because(DenyReason::InstrumentUnknown))?;
        let holdings = Holdings {
            equity: None,
            gross: None,
            gross_instrument: None,
            gross_strategy: None,
            positions: 0,
            held_already: true,
            free: Money::ZERO,
            own_position: scene.portfolio.position(spec.account, spec.instrument, spec.strategy).quantity,
            net_position: Quantity::ZERO,
        };
        let subject = Subject {
            spec: &spec,
            instrument,
            unsized_because: None,
            price: None,
            fills_at: None,
            notional: None,
            funds: None,
            stop_asked: false,
            stop: None,
            own,
        };
        if O::ACTIVE {
            observer.checking(scene.ts, &spec, OrderClass::Reducing, None);
        }
        let bench = self.bench(scene, &holdings, 1);
        check::run(&subject, true, self.profile.limits(), &bench, observer)?;
        Ok(Approved::new(spec, OrderClass::Reducing, &self.profile, scene.ts.saturating_add(APPROVAL_VALID)))
    }

    fn bench<'a>(&'a self, scene: &Scene<'a>, holdings: &'a Holdings, sharers: u32) -> Bench<'a> {
        Bench {
            ts: scene.ts,
            table: scene.table,
            view: scene.view,
            portfolio: scene.portfolio,
            correlation: &self.correlation,
            exposure: &self.exposure,
            mode: scene.mode,
            sharers,
            holdings,
        }
    }

    /// Measures the account once for all checks, as far as the checks that will be made need it. What is not known stays `None`.
    ///
    /// Limits are fractions of equity, which is in the report currency: an instrument that is not quoted in it has no known equity here.
    fn measure(&self, spec: &OrderSpec, size: SizeRequest, instrument: &Instrument, scene: &Scene<'_>) -> Holdings {
        let (account, strategy, portfolio) = (spec.account, spec.strategy, scene.portfolio);
        let mut holdings = Holdings {
            equity: None,
            gross: Some(Money::ZERO),
            gross_instrument: Some(Money::ZERO),
            gross_strategy: Some(Money::ZERO),
            positions: 0,
            held_already: false,
            free: Money::ZERO,
            own_position: portfolio.position(account, spec.instrument, strategy).quantity,
            net_position: portfolio.net_quantity(account, spec.instrument),
        };
        let limits_on = self.profile.limits().is_some();
        if limits_on {
            self.count(&mut holdings, spec, instrument, scene);
        }
        if (limits_on || matches!(size, SizeRequest::EquityFraction(_)))
            && instrument.quote == portfolio.report_currency()
        {
            holdings.equity = portfolio.equity(account, scene.table, scene.view);
        }
        if limits_on || !matches!(size, SizeRequest::Base(_)) {
            // Margin that positions bind is not free; profit that is not realised may cover it, and buys nothing on spot.
            let margin = portfolio.margin(account, instrument.settle, scene.table, scene.view).and_then(|m| m.free());
            let available = match instrument.kind {
                InstrumentKind::Spot => margin.map(|free| free.min(portfolio.balance(account, instrument.quote))),
                InstrumentKind::LinearPerpetual => margin,
            };
            let reserved = self.exposure.reserved(account, instrument.settle);
            let free = available.and_then(|a| a.checked_sub(reserved));
            holdings.free = free.unwrap_or(Money::ZERO).max(Money::ZERO);
        }
        holdings
    }

    /// Adds up positions and entries on their way: gross amounts, and instruments in use. The same instrument on another venue belongs to
    /// the instrument's amount; what is too small to trade has an amount, and is no position.
    fn count(&self, h: &mut Holdings, spec: &OrderSpec, instrument: &Instrument, scene: &Scene<'_>) {
        let add = |sum: &mut Option<Money>, value: Option<Money>| {
            *sum = sum.and_then(|s| value.and_then(|v| s.checked_add(v)));
        };
        let mut last_counted = None;
        for (of, held_in, by, position) in scene.portfolio.positions() {
            if of != spec.account {
                continue;
            }
            let rules = scene.table.get(held_in).filter(|rules| rules.quote == scene.portfolio.report_currency());
            let value = rules.zip(scene.view.mark(held_in)).and_then(|(rules, mark)| {
                rules.notional(rules.price(mark), position.quantity.checked_abs()?, Rounding::Up)
            });
            add(&mut h.gross, value);
            if check::same_market(held_in, instrument, scene.table) {
                add(&mut h.gross_instrument, value);
                if by == spec.strategy {
                    add(&mut h.gross_strategy, value);
                }
            }
            if check::is_dust(held_in, position.quantity, scene.table, scene.view) {
                continue;
            }
            h.held_already |= held_in == spec.instrument;
            // Positions come ordered by instrument, so strategies that share one are neighbours.
            if last_counted != Some(held_in) {
                h.positions += 1;
                last_counted = Some(held_in);
            }
        }
        add(&mut h.gross, Some(self.exposure.pending_total(spec.account)));
        for pending in self.exposure.pending_instruments(spec.account) {
            if check::same_market(pending, instrument, scene.table) {
                add(&mut h.gross_instrument, Some(self.exposure.pending_in(spec.account, pending).0));
                add(&mut h.gross_strategy, Some(self.exposure.pending_of(spec.account, pending, spec.strategy)));
            }
            h.held_already |= pending == spec.instrument;
            let counted = scene.portfolio.positions().any(|(of, held_in, _, position)| {
                of == spec.account
                    && held_in == pending
                    && !check::is_dust(held_in, position.quantity, scene.table, scene.view)
            });
            h.positions += u32::from(!counted);
        }
    }
}

/// The price at which an entry is measured and the one at which it would fill now: its limit or the market. An order that the market
/// would fill at a better price than its limit takes that price: a buy then costs less than its limit and is still measured there, a sell
/// is worth more than its limit and is measured at the market. `None` without a positive price.
fn prices(entry: Entry, side: Side, instrument: &Instrument, view: &MarketView) -> (Option<Price>, Option<Price>) {
    let market = view.mark(instrument.idx).map(|mark| instrument.price(mark)).filter(|p| *p > Price::ZERO);
    match (entry, side) {
        (Entry::Market, _) => (market, market),
        (Entry::Limit(limit), Side::Buy) => (Some(limit), Some(market.map_or(limit, |m| m.min(limit)))),
        (Entry::Limit(limit), Side::Sell) => {
            let price = Some(market.map_or(limit, |m| m.max(limit)));
            (price, price)
        }
    }
}

/// Notional and funds of an order at a price, both rounded up; `None` without a price or on overflow.
fn cost(spec: &OrderSpec, instrument: &Instrument, price: Option<Price>) -> (Option<Money>, Option<Money>) {
    let fee = instrument.fee_taker.max(instrument.fee_maker).max(Rate::ZERO);
    match spec.quantity {
        OrderQuantity::QuoteAmount(amount) => (Some(amount), Some(amount)),
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => {
            let notional = price.and_then(|p| instrument.notional(p, quantity, Rounding::Up));
            let charged = match instrument.kind {
                InstrumentKind::Spot => notional,
                InstrumentKind::LinearPerpetual => {
                    notional.and_then(|n| n.times(instrument.margin_initial, Rounding::Up))
                }
            };
            let fees = notional.and_then(|n| n.times(fee, Rounding::Up));
            (notional, charged.and_then(|c| fees.and_then(|f| c.checked_add(f))))
        }
    }
}

/// The price of a stop for an entry at `price`, on the tick, rounded towards the entry (the tighter neighbour). `None` where it would not
/// be positive or does not fit. For a stop that follows the best price, `price` is the best so far: at the entry, the entry's.
#[must_use]
pub fn stop_price(plan: Option<StopPlan>, side: Side, price: Price, instrument: &Instrument) -> Option<Price> {
    let raw = match plan?.level() {
        StopLevel::Price(stop) => stop,
        StopLevel::Distance(distance) | StopLevel::Trail(distance) => match side {
            Side::Buy => price.checked_sub(distance)?,
            Side::Sell => price.checked_add(distance)?,
        },
        StopLevel::Fraction(fraction) | StopLevel::TrailFraction(fraction) => {
            let distance = Money::from_raw(price.raw()).times(fraction, Rounding::Down)?;
            match side {
                Side::Buy => price.checked_sub(Price::from_raw(distance.raw()))?,
                Side::Sell => price.checked_add(Price::from_raw(distance.raw()))?,
            }
        }
    };
    let rounding = match side {
        Side::Buy => Rounding::Up,
        Side::Sell => Rounding::Down,
    };
    raw.round_to(instrument.tick, rounding).filter(|stop| *stop > Price::ZERO)
}

impl Digestible for Gate {
    fn digest(&self, d: &mut Digest) {
        self.exposure.digest(d);
        self.correlation.digest(d);
        self.sharers.iter().for_each(|&n| d.word(u64::from(n)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{ACCOUNT, Stage, USDT};
    use domain::Signal;

    #[test]
    fn stops_lie_on_the_tick_nearer_to_the_entry() {
        let mut table = InstrumentTable::default();
        let mut btc = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        btc.tick = testkit::price("0.5");
        let stop = |plan, side| stop_price(Some(plan), side, testkit::price("100"), &btc).map(|p| p.to_string());
        let some = |text: &str| Some(text.to_owned());
        let distance = |text| StopPlan::Distance(testkit::price(text));
        assert_eq!(stop(distance("3.3"), Side::Buy), some("97"));
        assert_eq!(stop(distance("3.3"), Side::Sell), some("103"));
        assert_eq!(stop(StopPlan::Fraction(testkit::rate("0.0201")), Side::Buy), some("98"));
        assert_eq!(stop(StopPlan::Fraction(testkit::rate("0.0201")), Side::Sell), some("102"));
        assert_eq!(stop(StopPlan::Price(testkit::price("90.1")), Side::Buy), some("90.5"));
        assert_eq!(stop(StopPlan::Trail(testkit::price("3.3")), Side::Buy), some("97"));
        let timed = StopPlan::new(StopLevel::TrailFraction(testkit::rate("0.0201")), Some(Nanos(1)));
        assert_eq!(stop(timed, Side::Sell), some("102"));
        assert_eq!(stop(distance("100"), Side::Buy), None);
        assert_eq!(stop(StopPlan::Distance(Price::MAX), Side::Buy), None);
        assert_eq!(stop(StopPlan::Distance(Price::MAX), Side::Sell), None);
        assert_eq!(stop_price(None, Side::Buy, testkit::price("100"), &btc), None);
    }

    #[test]
    fn an_approval_reserves_notional_and_funds_until_its_end() {
        let mut stage = Stage::new(Profile::standard());
        let btc = stage.spot("BTCUSDT");
        stage.mark(btc, 100);
        let entry = stage.enter(&stage.signal(Intent::EnterLong, btc, SizeRequest::Cap)).unwrap();
        assert_eq!(entry.spec.quantity, OrderQuantity::QuoteAmount(Money::from_units(200)));
        assert_eq!(entry.approved.class(), OrderClass::Entry);
        let exposure = stage.gate.exposure();
        assert_eq!(exposure.pending_in(ACCOUNT, btc), (Money::from_units(200), 1));
        assert_eq!(exposure.reserved(ACCOUNT, USDT), Money::from_units(200));
        stage.gate.exposure_mut().release(entry.reservation);
        assert_eq!(stage.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
        assert_eq!(stage.gate.exposure().reserved(ACCOUNT, USDT), Money::ZERO);
    }

    #[test]
    fn a_refusal_reserves_nothing() {
        let mut stage = Stage::limited();
        let btc = InstrumentIdx(0);
        assert!(stage.enter(&stage.long(btc, "3")).is_err());
        assert_eq!(stage.gate.exposure().pending_in(ACCOUNT, btc), (Money::ZERO, 0));
    }

    #[test]
    fn the_cap_on_a_perpetual_leaves_room_for_its_fee() {
        let mut stage = Stage::limited();
        let entry = stage.enter(&stage.signal(Intent::EnterShort, InstrumentIdx(0), SizeRequest::Cap)).unwrap();
        // 200 / 100.1, down to the lot.
        assert_eq!(entry.spec.quantity, OrderQuantity::Base(testkit::quantity("1.998001")));
    }

    #[test]
    fn without_limits_a_fixed_quantity_needs_no_equity_and_a_fraction_does() {
        let mut stage = Stage::new(Profile::Off);
        let btc = stage.spot("BTCUSDT");
        stage.mark(btc, 100);
        let asset = stage.table.asset("SOL", 8).unwrap();
        stage.portfolio.transfer(ACCOUNT, asset, Money::from_units(1)).unwrap();
        stage.enter(&stage.long(btc, "1")).unwrap();
        stage.enter(&stage.signal(Intent::EnterLong, btc, SizeRequest::AllIn)).unwrap();
        let fraction = stage.signal(Intent::EnterLong, btc, SizeRequest::EquityFraction(testkit::rate("0.1")));
        assert_eq!(stage.enter(&fraction).unwrap_err().reason, DenyReason::EquityUnknown);
    }

    #[test]
    fn a_size_of_nothing_is_explained_by_the_check_that_left_nothing() {
        let mut stage = Stage::limited();
        let all = stage.signal(Intent::EnterLong, InstrumentIdx(0), SizeRequest::AllIn);
        stage.mode = Mode::Reduced;
        assert_eq!(stage.enter(&all).unwrap_err().reason, DenyReason::Paused);
        stage.mode = Mode::Normal;
        stage.portfolio.transfer(ACCOUNT, USDT, Money::from_units(-10_000)).unwrap();
        assert_eq!(stage.enter(&all).unwrap_err().reason, DenyReason::EquityUnknown);
        let mut off = Stage::new(Profile::Off);
        let btc = off.spot("BTCUSDT");
        off.mark(btc, 100);
        off.portfolio.transfer(ACCOUNT, USDT, Money::from_units(-10_000)).unwrap();
        let all = Signal { stop: None, ..off.signal(Intent::EnterLong, btc, SizeRequest::AllIn) };
        assert_eq!(off.enter(&all).unwrap_err().reason, DenyReason::InsufficientFunds);
    }
}
