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
use domain::{
    AccountId, Digest, Digestible, Entry, Instrument, InstrumentIdx, InstrumentKind, InstrumentTable, Intent,
    MarketView, Money, Nanos, Observer, OrderClass, OrderQuantity, OrderSpec, Price, Quantity, Rate, Rounding, Side,
    StopPlan, StrategyIdx, UnixNanos,
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
    /// Whether new risk is paused.
    pub paused: bool,
}

/// How long an approval may wait before it must be asked for again.
const APPROVAL_VALID: Nanos = Nanos::from_secs(5);

/// An entry as `execution` wants to send it; its quantity is the gate's to say.
#[derive(Clone, Copy, Debug)]
pub struct EntryIntent {
    /// The order, but for its quantity, which is overwritten.
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

    /// Pending exposure, to be told of fills and ends.
    pub const fn exposure_mut(&mut self) -> &mut Exposure {
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
        let mut spec = intent.spec;
        let instrument = scene.table.get(spec.instrument).ok_or(Refusal::because(DenyReason::InstrumentUnknown))?;
        if instrument.kind == InstrumentKind::Spot && signal.intent == Intent::EnterShort {
            return Err(Refusal::because(DenyReason::Oversell));
        }
        let holdings = self.measure(spec.account, spec.instrument, spec.strategy, instrument, scene);
        let sharers = self.sharers.get(spec.instrument.index()).copied().unwrap_or(0);
        let price = match signal.entry {
            Entry::Limit(price) => Some(price),
            Entry::Market => scene.view.mark(spec.instrument).map(|mark| instrument.price(mark)),
        };
        // Without a price nothing can be sized; the check of what must be known says so in its turn.
        if let Some(price) = price.filter(|p| *p > Price::ZERO) {
            let room = self.profile.limits().and_then(|limits| check::room(limits, &holdings, sharers));
            let means = Means { equity: holdings.equity, free: holdings.free, room };
            match sizing::entry_quantity(
                signal.size,
                spec.side,
                instrument,
                price,
                matches!(signal.entry, Entry::Limit(_)),
                &means,
            ) {
                Ok(quantity) => spec.quantity = quantity,
                // A size of nothing is refused after the checks that explain why nothing is left.
                Err(refusal) => {
                    let subject = Subject {
                        spec: &spec,
                        instrument,
                        price: Some(price),
                        notional: Some(Money::ZERO),
                        funds: Some(Money::ZERO),
                        stop: stop_price(signal.stop, spec.side, price, instrument),
                        own: intent.own,
                    };
                    let bench = self.bench(scene, &holdings, sharers);
                    let first = check::run(&subject, false, self.profile.limits(), &bench, observer).err();
                    return Err(first
                        .filter(|r| r.reason != DenyReason::Lot && r.reason != DenyReason::MinNotional)
                        .unwrap_or(refusal));
                }
            }
        }
        let (notional, funds) = cost(&spec, instrument, price);
        let stop = price.and_then(|price| stop_price(signal.stop, spec.side, price, instrument));
        let subject = Subject { spec: &spec, instrument, price, notional, funds, stop, own: intent.own };
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
        let subject = Subject { spec: &spec, instrument, price: None, notional: None, funds: None, stop: None, own };
        let bench = self.bench(scene, &holdings, 1);
        check::run(&subject, true, self.profile.limits(), &bench, observer)?;
        Ok(Approved::new(spec, OrderClass::Reducing, &self.profile, scene.ts.saturating_add(APPROVAL_VALID)))
    }

    fn bench<'a>(&'a self, scene: &Scene<'a>, holdings: &'a Holdings, sharers: u32) -> Bench<'a> {
        Bench {
            ts: scene.ts,
            view: scene.view,
            portfolio: scene.portfolio,
            correlation: &self.correlation,
            exposure: &self.exposure,
            paused: scene.paused,
            sharers,
            holdings,
        }
    }

    /// Measures the account once for all checks. What is not known stays `None`.
    fn measure(
        &self,
        account: AccountId,
        instrument_idx: InstrumentIdx,
        strategy: StrategyIdx,
        instrument: &Instrument,
        scene: &Scene<'_>,
    ) -> Holdings {
        let limits_on = self.profile.limits().is_some();
        let mut gross = Some(Money::ZERO);
        let (mut gross_instrument, mut gross_strategy) = (Some(Money::ZERO), Some(Money::ZERO));
        let mut margin = Some(Money::ZERO);
        let (mut positions, mut held_already) = (0u32, false);
        let mut last_counted = None;
        let add = |sum: Option<Money>, value: Option<Money>| sum.and_then(|s| value.and_then(|v| s.checked_add(v)));
        if limits_on {
            for (of, held_in, by, position) in scene.portfolio.positions() {
                if of != account || position.is_flat() {
                    continue;
                }
                let rules = scene.table.get(held_in);
                let mark = scene.view.mark(held_in);
                let value = rules.zip(mark).and_then(|(rules, mark)| {
                    let price = rules.price(mark);
                    position.quantity.checked_abs().and_then(|quantity| rules.notional(price, quantity, Rounding::Up))
                });
                // What is too small to trade is no position.
                if rules
                    .zip(mark)
                    .is_some_and(|(rules, mark)| portfolio::dust::is_dust(rules, position.quantity, rules.price(mark)))
                {
                    continue;
                }
                gross = add(gross, value);
                if rules.is_some_and(|rules| rules.kind == InstrumentKind::LinearPerpetual) {
                    let rate = rules.map_or(Rate::ONE, |rules| rules.margin_initial);
                    margin = add(margin, value.and_then(|v| v.times(rate, Rounding::Up)));
                }
                if held_in == instrument_idx {
                    held_already = true;
                    gross_instrument = add(gross_instrument, value);
                    if by == strategy {
                        gross_strategy = add(gross_strategy, value);
                    }
                }
                // Positions come ordered by instrument, so strategies that share one are neighbours.
                if last_counted != Some(held_in) {
                    positions += 1;
                    last_counted = Some(held_in);
                }
            }
            let (pending_here, orders_here) = self.exposure.pending_in(account, instrument_idx);
            gross = add(gross, Some(self.exposure.pending_total(account)));
            gross_instrument = add(gross_instrument, Some(pending_here));
            gross_strategy = add(gross_strategy, Some(self.exposure.pending_of(account, instrument_idx, strategy)));
            for pending in self.exposure.pending_instruments(account) {
                let flat = scene.portfolio.net_quantity(account, pending).is_zero();
                positions += u32::from(flat);
            }
            held_already |= orders_here > 0;
        }
        let equity = scene.portfolio.equity(account, scene.table, scene.view);
        let reserved = self.exposure.reserved(account, instrument.settle);
        let available = match instrument.kind {
            InstrumentKind::Spot => Some(scene.portfolio.balance(account, instrument.quote)),
            // Margin that positions bind is not free; profit that is not realised may cover it.
            InstrumentKind::LinearPerpetual => equity.and_then(|e| margin.and_then(|m| e.checked_sub(m))),
        };
        let free = available.and_then(|a| a.checked_sub(reserved)).unwrap_or(Money::ZERO).max(Money::ZERO);
        Holdings {
            equity,
            gross,
            gross_instrument,
            gross_strategy,
            positions,
            held_already,
            free,
            own_position: scene.portfolio.position(account, instrument_idx, strategy).quantity,
            net_position: scene.portfolio.net_quantity(account, instrument_idx),
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
/// be positive or does not fit.
#[must_use]
pub fn stop_price(plan: Option<StopPlan>, side: Side, price: Price, instrument: &Instrument) -> Option<Price> {
    let raw = match plan? {
        StopPlan::Price(stop) => stop,
        StopPlan::Distance(distance) => match side {
            Side::Buy => price.checked_sub(distance)?,
            Side::Sell => price.checked_add(distance)?,
        },
        StopPlan::Fraction(fraction) => {
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
