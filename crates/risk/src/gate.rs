//! The pre-trade gate: holds limits and pending exposure, measures the account once, makes the checks, and builds the approvals.
//!
//! In:  validated signals with the order that `execution` made of them; reductions of positions.
//! Out: [`Approved`] with its [`Reservation`], or a [`Refusal`].
//! Nothing approved outlives the step that approved it: orders that wait are kept unapproved and come here again.

use crate::approved::Approved;
use crate::budget::MessageBudget;
use crate::cached::CachedGate;
use crate::check::{self, Bench, Entering, Holdings, OwnOrders, Restricted, Subject};
use crate::clamp::entry::{Around, Clamps};
use crate::clamp::{ClampConfig, Input};
use crate::correlation::CorrelationTracker;
use crate::deny_reason::{DenyReason, Refusal};
use crate::exposure::{Exposure, Reservation};
use crate::limits::{Profile, TightenError};
use crate::measure::{self, Of};
use crate::metrics::{Metrics, Stops};
use crate::sizing::{self, Means};
use crate::standing::{Reading, Standing};
use crate::throttle::Throttle;
use crate::validate::Validated;
use crate::verify::Breaches;
use crate::whole::Whole;
use domain::observe::SizeSeen;
use domain::{
    AccountId, Alert, AlertKind, AssetIdx, Digest, Digestible, Entry, Instrument, InstrumentIdx, InstrumentKind,
    InstrumentTable, Intent, LimitKey, MarketView, Mode, Money, Nanos, Observer, OrderClass, OrderQuantity, OrderSpec,
    OrderType, Price, Quantity, Rounding, Side, Signal, SizeRequest, StopLevel, StopPlan, StrategyIdx, UnixNanos,
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
    /// How the account stands; [`Standing::CALM_REF`] where nobody watches.
    pub standing: &'a Standing,
}

/// How long an approval may wait before it must be asked for again.
pub const APPROVAL_VALID: Nanos = Nanos::from_secs(5);

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
    /// What it is worth and what it may take of the quote (or settle) asset, as they were measured.
    pub cost: (Money, Money),
}

/// An entry that passed every check.
struct Examined {
    spec: OrderSpec,
    settle: AssetIdx,
    notional: Money,
    funds: Money,
}

/// The pre-trade gate.
#[derive(Debug)]
pub struct Gate {
    /// What it was made with.
    pub(crate) configured: Profile,
    /// The limits in force: those, or tighter.
    pub(crate) profile: Profile,
    pub(crate) exposure: Exposure,
    pub(crate) correlation: CorrelationTracker,
    pub(crate) clamps: Clamps,
    pub(crate) sharers: Vec<u32>,
    pub(crate) restricted: Restricted,
    pub(crate) budget: MessageBudget,
    pub(crate) throttle: Throttle,
    pub(crate) breaches: Breaches,
    /// What is to be told, until somebody takes it.
    pub(crate) alerts: Vec<Alert>,
    /// Worked out ahead of orders; not part of the state, for nothing is decided by it.
    pub(crate) cached: CachedGate,
}

impl Gate {
    /// A gate with the limits of `profile`, and the clamps that belong to it.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self {
            configured: profile,
            profile,
            exposure: Exposure::default(),
            correlation: CorrelationTracker::default(),
            clamps: Clamps::new(ClampConfig::for_profile(&profile)),
            sharers: Vec::new(),
            restricted: Restricted::default(),
            budget: MessageBudget::default(),
            throttle: Throttle::default(),
            breaches: Breaches::with_room(),
            alerts: Vec::with_capacity(8),
            cached: CachedGate::default(),
        }
    }

    /// The same with other clamps. Without limits there are none.
    #[must_use]
    pub fn with_clamps(mut self, config: ClampConfig) -> Self {
        self.clamps.set(config);
        self
    }

    /// How far apart the samples are that [`Gate::sample`] is told to take.
    pub const fn set_sampling(&mut self, every: Nanos) {
        self.clamps.metrics.set_sampling(every);
    }

    /// What the positions could lose.
    #[must_use]
    pub const fn metrics(&self) -> &Metrics {
        &self.clamps.metrics
    }

    /// What the positions could lose, for measuring: that needs room which is kept.
    #[must_use]
    pub const fn metrics_mut(&mut self) -> &mut Metrics {
        &mut self.clamps.metrics
    }

    /// Where the stops of positions are.
    #[must_use]
    pub const fn stops(&self) -> &Stops {
        &self.clamps.stops
    }

    /// The desk says where a position's stop is now.
    pub fn set_stop(&mut self, key: (AccountId, InstrumentIdx, StrategyIdx), level: Option<Price>) {
        self.clamps.stops.set(key, level);
    }

    /// Makes room for one more instrument.
    pub fn add_instrument(&mut self, idx: InstrumentIdx) {
        self.cached.invalidate();
        self.correlation.add_instrument(idx);
        self.clamps.metrics.add_instrument(idx);
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

    /// Takes a sample for correlations and metrics. Called by a timer, a little after each minute.
    pub fn sample(&mut self, ts: UnixNanos, view: &MarketView) {
        self.cached.invalidate();
        self.correlation.sample(ts, view);
        self.clamps.metrics.sample(ts, view);
    }

    /// A fill used part of a reservation: what became a position no longer counts as pending.
    pub fn use_part(&mut self, reservation: &mut Reservation, notional: Money) {
        self.cached.invalidate();
        self.exposure.use_part(reservation, notional);
    }

    /// An order ended: what is left of its reservation is free again.
    pub fn release(&mut self, reservation: Reservation) {
        self.cached.invalidate();
        self.exposure.release(reservation);
    }

    /// Makes a limit tighter; see [`Limits::tighten`](crate::Limits::tighten).
    ///
    /// # Errors
    /// [`TightenError`]; then nothing changed.
    pub fn tighten(&mut self, key: LimitKey, to: i128) -> Result<(f64, f64), TightenError> {
        self.cached.invalidate();
        self.profile.tighten(key, to)
    }

    /// Puts instruments or accounts on the restricted list, from which nothing is taken off while running.
    pub fn restrict(&mut self, add: impl FnOnce(&mut Restricted)) {
        self.cached.invalidate();
        add(&mut self.restricted);
    }

    /// The restricted list.
    #[must_use]
    pub const fn restricted(&self) -> &Restricted {
        &self.restricted
    }

    /// Enables a strategy again that the throttle disabled. Whether it was.
    pub fn rearm(&mut self, strategy: StrategyIdx) -> bool {
        self.cached.invalidate();
        self.throttle.rearm(strategy)
    }

    /// Which strategies repeat themselves, and which are disabled for it.
    #[must_use]
    pub const fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// Messages sent.
    #[must_use]
    pub const fn budget(&self) -> &MessageBudget {
        &self.budget
    }

    /// A message leaves that the gate does not see: a cancel or an amend.
    pub fn count_message(&mut self, account: AccountId, ts: UnixNanos) {
        self.cached.invalidate();
        let Some(limits) = self.profile.limits() else { return };
        let max = limits.messages_max;
        let before = self.budget.used(account, ts, limits);
        self.budget.add(account, ts, limits, 1);
        let after = self.budget.used(account, ts, limits);
        if before < max && after >= max {
            let (value, limit) = (Some(f64::from(after)), Some(f64::from(max)));
            let kind = AlertKind::MessageBudget;
            self.alerts.push(Alert { kind, account, instrument: None, strategy: None, value, limit });
        }
    }

    /// Takes what is to be told: strategies that were disabled, a message budget that is used up.
    pub fn take_alerts(&mut self) -> impl Iterator<Item = Alert> + '_ {
        self.alerts.drain(..)
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
        let entry = self.weigh(validated, intent, scene, observer)?;
        self.count_entry(&entry.spec, scene.ts);
        Ok(entry)
    }

    /// [`Gate::check_entry`] without counting the message and the execution: those of a group count when all of it passed.
    pub(crate) fn weigh<O: Observer>(
        &mut self,
        validated: &Validated,
        intent: EntryIntent,
        scene: &Scene<'_>,
        observer: &mut O,
    ) -> Result<ApprovedEntry, Refusal> {
        let Examined { spec, settle, notional, funds } =
            self.examine(validated.signal(), intent, false, scene, observer)?;
        let reservation = self
            .exposure
            .reserve((spec.account, spec.instrument, spec.strategy), settle, spec.side, notional, funds)
            .ok_or(Refusal::because(DenyReason::Overflow))?;
        let approved = Approved::new(spec, OrderClass::Entry, &self.profile, scene.ts.saturating_add(APPROVAL_VALID));
        Ok(ApprovedEntry { approved, spec, reservation, cost: (notional, funds) })
    }

    /// Counts an entry that leaves.
    pub(crate) fn count_entry(&mut self, spec: &OrderSpec, ts: UnixNanos) {
        self.count_message(spec.account, ts);
        self.count_execution(spec, ts);
    }

    /// Sizes and checks an entry that is to be worked in parts as if it left as one order. Nothing is approved and nothing reserved: each
    /// part goes through [`Gate::check_entry`]. So parts get around no limit that one order would meet.
    ///
    /// # Errors
    /// The [`Refusal`] of the first check against it.
    pub fn check_whole<O: Observer>(
        &mut self,
        validated: &Validated,
        intent: EntryIntent,
        scene: &Scene<'_>,
        observer: &mut O,
    ) -> Result<Whole, Refusal> {
        if matches!(validated.signal().entry, Entry::Stop(_)) {
            // What waits to be set off is not worked in parts.
            return Err(Refusal::because(DenyReason::SignalInvalid));
        }
        let examined = self.examine(validated.signal(), intent, true, scene, observer)?;
        match examined.spec.quantity {
            OrderQuantity::Base(quantity) => Ok(Whole::new(*validated, quantity)),
            // What is worked is sized in base.
            OrderQuantity::Contracts(_) | OrderQuantity::QuoteAmount(_) => {
                Err(Refusal::because(DenyReason::SignalInvalid))
            }
        }
    }

    /// The order that an entry comes to, sized, clamped and checked. `in_base`: an amount is made a quantity at the present price.
    fn examine<O: Observer>(
        &mut self,
        signal: &Signal,
        intent: EntryIntent,
        in_base: bool,
        scene: &Scene<'_>,
        observer: &mut O,
    ) -> Result<Examined, Refusal> {
        // The order says what the signal says, whatever it was handed over as: what is measured is what leaves.
        let side = match signal.intent {
            Intent::EnterLong => Side::Buy,
            Intent::EnterShort => Side::Sell,
            Intent::Exit => return Err(Refusal::because(DenyReason::SignalInvalid)),
        };
        let kind = match signal.entry {
            Entry::Market => OrderType::Market,
            Entry::Limit(price) => OrderType::Limit { price },
            Entry::Stop(trigger) => OrderType::StopMarket { trigger },
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
        let mut holdings = self.measure(&spec, signal.size, instrument, scene);
        let (price, fills_at) = prices(signal.entry, spec.side, instrument, scene.view);
        // How much the limits leave is asked only by those who hear of it.
        let asked = signal.size == SizeRequest::Cap || O::ACTIVE;
        let room = self.profile.limits().filter(|_| asked).map(|limits| {
            let bench = self.bench(scene, &holdings, sharers);
            let (account, strategy, side) = (spec.account, spec.strategy, spec.side);
            let of = |price| Entering { account, strategy, instrument, side, price };
            // What is not known leaves no room: the check that cannot know it says so.
            price.and_then(|price| check::room(limits, &of(price), &bench)).unwrap_or(Money::ZERO)
        });
        // Without a price nothing can be sized; the check of what must be known says so in its turn.
        let sized = match price {
            None => Err(Refusal::because(DenyReason::PriceUnknown)),
            Some(price) => {
                let means = Means { equity: holdings.equity, free: holdings.free, room };
                let limit = in_base || matches!(signal.entry, Entry::Limit(_) | Entry::Stop(_));
                sizing::entry_quantity(signal.size, spec.side, instrument, price, limit, &means)
            }
        };
        // What was sized goes through the clamps, whatever way it was asked for.
        let mut costs = None;
        let clamped = sized.and_then(|quantity| {
            spec.quantity = quantity;
            let unclamped = cost(&spec, instrument, price);
            costs = Some((quantity, unclamped));
            let (Some(limits), Some(amount), Some(fills_at)) = (self.profile.limits(), unclamped.0, fills_at) else {
                return Ok(Input::NotConfigured);
            };
            let Self { exposure, correlation, clamps, .. } = self;
            let around = Around { exposure, correlation, limits, holdings: &holdings, scene };
            clamps.apply(&mut spec, amount, fills_at, signal, &around, observer)
        });
        let unsized_because = clamped.as_ref().err().copied();
        if unsized_because.is_some() {
            spec.quantity = OrderQuantity::Base(Quantity::ZERO);
        }
        holdings.var_after = match clamped {
            _ if self.clamps.config.var.is_none() => Reading::NotConfigured,
            Ok(Input::NotConfigured) => Reading::NotConfigured,
            Ok(Input::Known(value)) => Reading::of(value),
            // What could not be sized is refused with the reason for that.
            Err(_) => Reading::NotConfigured,
            Ok(Input::Unknown) => Reading::Unknown,
        };
        let (notional, funds) = match costs {
            Some((quantity, costs)) if quantity == spec.quantity => costs,
            _ => cost(&spec, instrument, price),
        };
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
                room,
            };
            observer.checking(scene.ts, &spec, OrderClass::Entry, Some(&seen));
        }
        let bench = self.bench(scene, &holdings, sharers);
        check::run(&subject, false, self.profile.limits(), &bench, observer)?;
        let settle = instrument.settle;
        Ok(Examined { spec, settle, notional: notional.unwrap_or(Money::ZERO), funds: funds.unwrap_or(Money::ZERO) })
    }

    /// Counts an entry that is at a venue already and was not approved here: at its limit, or at the market. `None` where that has no price
    /// or does not fit; then nothing is counted.
    pub fn adopt(&mut self, spec: &OrderSpec, scene: &Scene<'_>) -> Option<Reservation> {
        let instrument = scene.table.get(spec.instrument)?;
        let market = || scene.view.mark(spec.instrument).map(|mark| instrument.price(mark));
        let (notional, funds) = cost(spec, instrument, spec.kind.limit_price().or_else(market));
        self.cached.invalidate();
        let key = (spec.account, spec.instrument, spec.strategy);
        self.exposure.reserve(key, instrument.settle, spec.side, notional?, funds?)
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
        let own_position = scene.portfolio.position(spec.account, spec.instrument, spec.strategy).quantity;
        let holdings = Holdings::of_reduction(own_position);
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
        self.count_message(spec.account, scene.ts);
        Ok(Approved::new(spec, OrderClass::Reducing, &self.profile, scene.ts.saturating_add(APPROVAL_VALID)))
    }

    pub(crate) fn bench<'a>(&'a self, scene: &Scene<'a>, holdings: &'a Holdings, sharers: u32) -> Bench<'a> {
        Bench {
            ts: scene.ts,
            table: scene.table,
            view: scene.view,
            portfolio: scene.portfolio,
            correlation: &self.correlation,
            exposure: &self.exposure,
            mode: scene.mode,
            standing: scene.standing,
            restricted: &self.restricted,
            budget: &self.budget,
            throttle: &self.throttle,
            sharers,
            holdings,
        }
    }

    /// Counts an approved entry of its strategy.
    fn count_execution(&mut self, spec: &OrderSpec, ts: UnixNanos) {
        let Some(limits) = self.profile.limits() else { return };
        let Some((count, max)) = self.throttle.record(spec.strategy, spec.instrument, spec.side, ts, limits) else {
            return;
        };
        self.alerts.push(Alert {
            kind: AlertKind::Disabled,
            account: spec.account,
            instrument: Some(spec.instrument),
            strategy: Some(spec.strategy),
            value: Some(f64::from(count)),
            limit: Some(f64::from(max)),
        });
    }

    /// Measures the account once for all checks, as far as the checks that will be made need it. What is not known stays `None`.
    pub(crate) fn measure(
        &self,
        spec: &OrderSpec,
        size: SizeRequest,
        instrument: &Instrument,
        scene: &Scene<'_>,
    ) -> Holdings {
        let (account, strategy, portfolio) = (spec.account, spec.strategy, scene.portfolio);
        let of = Of { account, strategy, instrument };
        if let Some(limits) = self.profile.limits() {
            let mut holdings = measure::all(of, &self.exposure, scene);
            if limits.deployment().is_some() {
                holdings.venues_after = measure::venues_after(of, &self.exposure, scene);
            }
            return holdings;
        }
        let mut holdings = Holdings {
            net_position: portfolio.net_quantity(account, spec.instrument),
            ..Holdings::of_reduction(portfolio.position(account, spec.instrument, strategy).quantity)
        };
        if matches!(size, SizeRequest::EquityFraction(_)) && instrument.quote == portfolio.report_currency() {
            holdings.equity = portfolio.equity(account, scene.table, scene.view);
        }
        if !matches!(size, SizeRequest::Base(_)) {
            let view = portfolio.margin(account, instrument.settle, scene.table, scene.view);
            holdings.free = measure::free(of, view, &self.exposure, scene);
        }
        holdings
    }
}

/// The price at which an entry is measured and the one at which it would fill now: its limit or the market. An order that the market
/// would fill at a better price than its limit takes that price: a buy then costs less than its limit and is still measured there, a sell
/// is worth more than its limit and is measured at the market. One that waits for the market to trade at its trigger fills there or worse, and
/// is measured at the higher of both. `None` without a positive price.
fn prices(entry: Entry, side: Side, instrument: &Instrument, view: &MarketView) -> (Option<Price>, Option<Price>) {
    let market = view.mark(instrument.idx).map(|mark| instrument.price(mark)).filter(|p| *p > Price::ZERO);
    match (entry, side) {
        (Entry::Market, _) => (market, market),
        (Entry::Limit(limit), Side::Buy) => (Some(limit), Some(market.map_or(limit, |m| m.min(limit)))),
        (Entry::Limit(limit), Side::Sell) => {
            let price = Some(market.map_or(limit, |m| m.max(limit)));
            (price, price)
        }
        (Entry::Stop(trigger), side) => {
            let higher = Some(market.map_or(trigger, |m| m.max(trigger)));
            let lower = Some(market.map_or(trigger, |m| m.min(trigger)));
            (higher, if side == Side::Buy { higher } else { lower })
        }
    }
}

/// Notional and funds of an order at a price, both rounded up; `None` without a price or on overflow.
pub(crate) fn cost(spec: &OrderSpec, instrument: &Instrument, price: Option<Price>) -> (Option<Money>, Option<Money>) {
    let fee = measure::fee(instrument);
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
        self.profile.digest(d);
        self.exposure.digest(d);
        self.correlation.digest(d);
        self.clamps.digest(d);
        self.sharers.iter().for_each(|&n| d.word(u64::from(n)));
        self.restricted.digest(d);
        self.budget.digest(d);
        self.throttle.digest(d);
        self.breaches.digest(d);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::{ACCOUNT, Stage, USDT};

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
