//! Groups at the gate: all entries of one are checked in one step, and either every one of them passes or none is approved.
//!
//! In:  the legs of a group, each validated, with the order that `execution` made of it.
//! Out: an approval with its reservation for each leg, or the refusal of the first leg that a check stands against; then nothing is held.
//! Of two orders of which one takes the other off, each is checked as if it were alone: what counts is the worse of them. Of all others
//! each is checked with those before it counted.

use crate::deny_reason::{DenyReason, Refusal};
use crate::exposure::Reservation;
use crate::gate::{ApprovedEntry, EntryIntent, Gate, Scene};
use crate::validate::{Validated, validate};
use domain::{GroupRequest, LEGS_MAX, Money, Observer, OrderQuantity, Quantity};

/// One leg of a group as it is asked for.
#[derive(Clone, Copy, Debug)]
pub struct GroupAsk<'a> {
    /// What the leg wants.
    pub validated: &'a Validated,
    /// The order made of it.
    pub intent: EntryIntent,
    /// Whether it leaves in this step: one that waits is checked again when it does, and counts as sent only then.
    pub leaves: bool,
}

/// What of a group counts against the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// All legs: each may be filled.
    Each,
    /// The worse of the two: what fills first takes the other off.
    Worse,
}

/// The approvals of a group, by leg.
pub type Approvals = [Option<ApprovedEntry>; LEGS_MAX];

/// The legs of a group, each of which passed validation, and which fit together.
#[derive(Clone, Copy, Debug)]
pub struct ValidatedLegs([Option<Validated>; LEGS_MAX]);

impl ValidatedLegs {
    /// A leg by its place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&Validated> {
        self.0.get(at)?.as_ref()
    }

    /// All legs in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Validated> {
        self.0.iter().flatten()
    }
}

/// Holds a group's kind and legs to each other, and the numbers of each leg to their ranges.
///
/// # Errors
/// The leg, and [`DenyReason::SignalInvalid`]: where legs and kind do not fit ([`GroupRequest::is_sound`]) that of leg 0.
pub fn validate_legs(request: &GroupRequest) -> Result<ValidatedLegs, (u8, Refusal)> {
    if !request.is_sound() {
        return Err((0, Refusal::because(DenyReason::SignalInvalid)));
    }
    let mut legs = [None; LEGS_MAX];
    for (at, (slot, leg)) in (0..).zip(legs.iter_mut().zip(request.legs())) {
        *slot = Some(validate(&request.signal(leg)).map_err(|refusal| (at, refusal))?);
    }
    Ok(ValidatedLegs(legs))
}

impl Gate {
    /// Sizes and checks the legs of a group. On approval the reservations of all of them count at once, those of legs that wait included.
    ///
    /// What two orders of [`Counted::Worse`] hold: on one side the larger holds for both, and the other nothing; on two sides each its own
    /// part of its direction, and the funds of the larger.
    ///
    /// # Errors
    /// The leg and the [`Refusal`] of the first check that stands against it; nothing is reserved then, and nothing counts as sent.
    pub fn check_group<O: Observer>(
        &mut self,
        asks: &[GroupAsk<'_>],
        counted: Counted,
        scene: &Scene<'_>,
        observer: &mut O,
    ) -> Result<Approvals, (usize, Refusal)> {
        let mut approvals = Approvals::default();
        let result = self
            .messages_left(asks, scene)
            .map_err(|refusal| (0, refusal))
            .and_then(|()| self.weigh_all(asks, counted, &mut approvals, scene, observer));
        if let Err(refused) = result {
            approvals.into_iter().flatten().for_each(|entry| self.release(entry.reservation));
            return Err(refused);
        }
        for (entry, ask) in approvals.iter().flatten().zip(asks) {
            if ask.leaves {
                self.count_entry(&entry.spec, scene.ts);
            }
        }
        Ok(approvals)
    }

    /// The messages of all that leaves at once must be there: the check of one order counts itself only.
    fn messages_left(&self, asks: &[GroupAsk<'_>], scene: &Scene<'_>) -> Result<(), Refusal> {
        let (Some(limits), Some(first)) = (self.profile().limits(), asks.first()) else { return Ok(()) };
        let leaving = asks.iter().filter(|ask| ask.leaves).count();
        let used = self.budget().used(first.intent.spec.account, scene.ts, limits);
        let after = used.saturating_add(u32::try_from(leaving).unwrap_or(u32::MAX));
        if leaving > 1 && after > limits.entry_messages_max {
            let (value, limit) = (f64::from(after), f64::from(limits.entry_messages_max));
            return Err(Refusal::over(DenyReason::MessageRate, value, limit));
        }
        Ok(())
    }

    fn weigh_all<O: Observer>(
        &mut self,
        asks: &[GroupAsk<'_>],
        counted: Counted,
        approvals: &mut Approvals,
        scene: &Scene<'_>,
        observer: &mut O,
    ) -> Result<(), (usize, Refusal)> {
        for (at, (slot, ask)) in approvals.iter_mut().zip(asks).enumerate() {
            let entry = self.weigh(ask.validated, ask.intent, scene, observer).map_err(|refusal| (at, refusal))?;
            let entry = slot.insert(entry);
            if counted == Counted::Worse {
                self.exposure.lower(&mut entry.reservation);
            }
        }
        if counted == Counted::Worse {
            let [Some(first), Some(second), ..] = approvals else { return Ok(()) };
            let overflow = |_| (0, Refusal::because(DenyReason::Overflow));
            self.hold_worse(first, second).ok_or(()).map_err(overflow)?;
        }
        Ok(())
    }

    fn hold_worse(&mut self, first: &mut ApprovedEntry, second: &mut ApprovedEntry) -> Option<()> {
        let funds = first.cost.1.max(second.cost.1);
        let (larger, smaller) = if first.cost.0 >= second.cost.0 { (first, second) } else { (second, first) };
        self.exposure.raise(&mut larger.reservation, larger.cost.0, funds)?;
        if larger.spec.side != smaller.spec.side {
            self.exposure.raise(&mut smaller.reservation, smaller.cost.0, Money::ZERO)?;
        }
        Some(())
    }

    /// The order that held for this one is gone: from now on this one holds what its rest needs. `cost` is what the whole order was measured
    /// at, of which `left` of `whole` may still be filled.
    pub fn hold_rest(&mut self, reservation: &mut Reservation, cost: (Money, Money), left: Quantity, whole: Quantity) {
        self.cached.invalidate();
        // The whole less the share of what is filled, which is rounded down; what cannot be divided counts whole.
        let filled = whole.checked_sub(left);
        let part = |amount: Money| amount.checked_sub(amount.share(filled?, whole)?);
        let part = |amount: Money| part(amount).unwrap_or(amount);
        // Sums that do not fit leave it as it is: they were compared when the group was approved.
        let _fits = self.exposure.raise(reservation, part(cost.0), part(cost.1)).is_some();
    }
}

/// How much an order asks for, where that is a quantity.
#[must_use]
pub const fn quantity_of(quantity: OrderQuantity) -> Option<Quantity> {
    match quantity {
        OrderQuantity::Base(quantity) | OrderQuantity::Contracts(quantity) => Some(quantity),
        OrderQuantity::QuoteAmount(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::OwnOrders;
    use crate::limits::{Limits, Profile};
    use crate::stage::{ACCOUNT, Stage, USDT};
    use domain::{Entry, InstrumentIdx, NoObserver, OrderType, Side, Signal, StopPlan};

    const BTC: InstrumentIdx = InstrumentIdx(0);
    const ETH: InstrumentIdx = InstrumentIdx(1);

    fn ask(stage: &mut Stage, signals: &[Signal], counted: Counted) -> Result<Approvals, (usize, Refusal)> {
        let validated: Vec<Validated> = signals.iter().map(|signal| validate(signal).unwrap()).collect();
        let specs: Vec<_> =
            signals.iter().map(|s| stage.order(s.instrument, Side::Buy, OrderType::Market, "0")).collect();
        let asks: Vec<GroupAsk<'_>> = (validated.iter().zip(specs))
            .map(|(validated, spec)| GroupAsk {
                validated,
                intent: EntryIntent { spec, own: OwnOrders::default() },
                leaves: true,
            })
            .collect();
        let Stage { table, view, portfolio, gate, ts, mode, standing, .. } = stage;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing };
        gate.check_group(&asks, counted, &scene, &mut NoObserver)
    }

    fn held(stage: &Stage) -> (Money, Money) {
        let exposure = stage.gate.exposure();
        (exposure.pending_total(ACCOUNT), exposure.reserved(ACCOUNT, USDT))
    }

    fn at(signal: Signal, entry: Entry) -> Signal {
        Signal { entry, ..signal }
    }

    fn price(text: &str) -> domain::Price {
        testkit::price(text)
    }

    /// Limits that allow a position of 200: two legs of 150 are too much together, and each is not.
    fn pair(stage: &Stage) -> [Signal; 2] {
        [at(stage.long(BTC, "1.5"), Entry::Limit(price("99"))), at(stage.long(BTC, "1.4"), Entry::Stop(price("101")))]
    }

    #[test]
    fn of_two_orders_of_one_side_the_worse_counts_and_not_the_sum() {
        let mut stage = Stage::limited();
        let signals = pair(&stage);
        let (leg, refusal) = ask(&mut stage, &signals, Counted::Each).unwrap_err();
        assert_eq!((leg, refusal.reason), (1, DenyReason::PositionSize));
        assert_eq!(held(&stage), (Money::ZERO, Money::ZERO), "nothing is left of the first leg");
        let approvals = ask(&mut stage, &signals, Counted::Worse).unwrap();
        assert_eq!(held(&stage).0, testkit::money("148.5"));
        for entry in approvals.into_iter().flatten() {
            stage.gate.release(entry.reservation);
        }
        assert_eq!(held(&stage), (Money::ZERO, Money::ZERO));
        assert_eq!(stage.gate.exposure().parts(ACCOUNT).count(), 0);
    }

    #[test]
    fn of_two_sides_each_counts_in_its_direction_and_funds_count_once() {
        let mut stage = Stage::limited();
        let signals =
            [at(stage.long(BTC, "1"), Entry::Stop(price("101"))), at(stage.short(BTC, "1"), Entry::Stop(price("99")))];
        let approvals = ask(&mut stage, &signals, Counted::Worse).unwrap();
        let part = stage.gate.exposure().parts(ACCOUNT).next().unwrap().1;
        // What sells is measured at the market, which is above its trigger.
        assert_eq!((part.buys, part.sells), (Money::from_units(101), Money::from_units(100)));
        let [Some(long), Some(short), ..] = approvals else { panic!("two legs") };
        assert_eq!(held(&stage).1, long.cost.1.max(short.cost.1));
        assert_eq!(short.spec.kind, OrderType::StopMarket { trigger: price("99") });
    }

    #[test]
    fn the_one_that_is_left_holds_what_its_rest_needs() {
        let mut stage = Stage::limited();
        let signals = pair(&stage);
        let [Some(larger), Some(mut smaller), ..] = ask(&mut stage, &signals, Counted::Worse).unwrap() else {
            panic!("two legs")
        };
        stage.gate.release(larger.reservation);
        assert_eq!(held(&stage), (Money::ZERO, Money::ZERO));
        let whole = quantity_of(smaller.spec.quantity).unwrap();
        stage.gate.hold_rest(&mut smaller.reservation, smaller.cost, testkit::quantity("0.7"), whole);
        assert_eq!(held(&stage).0, testkit::money("70.7"), "0.7 of 1.4 at 101");
        stage.gate.release(smaller.reservation);
        assert_eq!(held(&stage), (Money::ZERO, Money::ZERO));
    }

    #[test]
    fn a_refused_leg_frees_every_other_and_counts_no_message() {
        let mut stage = Stage::limited();
        let eth = stage.perpetual("ETHUSDT");
        assert_eq!(eth, ETH);
        let good = stage.long(BTC, "0.5");
        let bare = Signal { stop: None, ..stage.long(BTC, "0.2") };
        let wrong = Signal { stop: Some(StopPlan::Price(price("200"))), ..stage.long(BTC, "0.2") };
        let unknown = stage.long(ETH, "0.2");
        for (bad, reason) in
            [(bare, DenyReason::StopMissing), (wrong, DenyReason::StopInvalid), (unknown, DenyReason::PriceUnknown)]
        {
            let (leg, refusal) = ask(&mut stage, &[good, bad], Counted::Each).unwrap_err();
            assert_eq!((leg, refusal.reason), (1, reason));
            assert_eq!(held(&stage), (Money::ZERO, Money::ZERO));
            assert_eq!(stage.gate.budget().used(ACCOUNT, stage.ts, stage.gate.profile().limits().unwrap()), 0);
        }
        stage.gate.restrict(|list| list.add_instrument(BTC));
        assert_eq!(ask(&mut stage, &[good, good], Counted::Each).unwrap_err().1.reason, DenyReason::Restricted);
    }

    #[test]
    fn messages_of_all_legs_must_be_left() {
        let limits = Limits { entry_messages_max: 1, ..Limits::relaxed() };
        let mut stage = Stage::new(Profile::Research(limits));
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        let legs = [stage.long(BTC, "0.5"), stage.long(BTC, "0.5")];
        let (leg, refusal) = ask(&mut stage, &legs, Counted::Each).unwrap_err();
        assert_eq!((leg, refusal.reason, refusal.value), (0, DenyReason::MessageRate, Some(2.0)));
        assert!(ask(&mut stage, &legs[..1], Counted::Each).is_ok());
    }

    #[test]
    fn an_entry_that_waits_for_its_price_is_measured_where_it_fills() {
        let mut stage = Stage::limited();
        // Protected from its trigger, not from the market.
        let stop = Some(StopPlan::Price(price("100.5")));
        let signal = Signal { stop, ..at(stage.long(BTC, "1"), Entry::Stop(price("101"))) };
        let entry = stage.enter(&signal).unwrap();
        assert_eq!(entry.spec.kind, OrderType::StopMarket { trigger: price("101") });
        assert_eq!(entry.cost.0, Money::from_units(101));
        stage.gate.release(entry.reservation);
        let far = at(stage.long(BTC, "1"), Entry::Stop(price("106")));
        assert_eq!(stage.enter(&far).unwrap_err().reason, DenyReason::PriceCollar);
        let off = at(stage.long(BTC, "1"), Entry::Stop(price("100.0000001")));
        assert_eq!(stage.enter(&off).unwrap_err().reason, DenyReason::Tick);
    }
}
