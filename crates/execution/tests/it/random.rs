//! Whatever the venue does and in whatever order: when it is silent, a position is protected or being closed, and no order is lost.

use crate::floor::{ACCOUNT, Floor, PERP};
use domain::{
    ClientOrderId, Entry, Fill, Intent, Liquidity, OrderQuantity, OrderSpec, OrderType, Quantity, RejectReason,
    ReportBody, Side, Signal, SizeRequest, StopPlan, StrategyIdx, VenueOrderId,
};
use execution::{Alarm, Purpose, Working};
use testkit::generate::Seeded;

/// An order as the venue has it.
pub struct Resting {
    pub spec: OrderSpec,
    left: i64,
    accepted: bool,
    traded: bool,
}

/// A venue that trades what and when the generator says, never more reduction than there is to reduce.
pub struct Venue {
    pub floor: Floor,
    pub orders: Vec<Resting>,
    pub cancels: Vec<ClientOrderId>,
    /// Orders that are gone whose last fill is not told yet.
    pub late: Vec<(OrderSpec, i64)>,
    pub random: Seeded,
    trades: u64,
    /// The desk said that the venue ended too many reductions, and nothing was closed since.
    gave_up: bool,
    /// How often all was silent while an order that was set off worked.
    set_off: u64,
    /// How often in a hundred it refuses to take an order off that it has.
    pub refuses: i64,
    /// Plans of stops, one of which each entry has; the usual one if there is none.
    pub plans: Vec<StopPlan>,
    /// Whether it does what it is asked, and at once.
    pub obeys: bool,
    /// The gate word: at 1 entries are stopped, at 2 everything is.
    pub word: u8,
    /// Orders that the word stopped, and cancels that the venue refused.
    pub stopped: u64,
    pub refused: u64,
    /// What the desk said, in words, since the test looked.
    pub said: Vec<String>,
}

impl Venue {
    pub fn new(floor: Floor, seed: u64) -> Self {
        Self {
            floor,
            orders: Vec::new(),
            cancels: Vec::new(),
            late: Vec::new(),
            random: Seeded::new(seed),
            trades: 0,
            gave_up: false,
            set_off: 0,
            refuses: 0,
            plans: Vec::new(),
            obeys: false,
            word: 0,
            stopped: 0,
            refused: 0,
            said: Vec::new(),
        }
    }

    /// Takes what the desk said. What the gate word stops comes back at once.
    pub fn take(&mut self) {
        loop {
            let from = self.floor.sent.len();
            for word in self.floor.said() {
                if let Some(ordinal) = word.strip_prefix("cancel #") {
                    self.cancels.push(Floor::id(ordinal.parse().unwrap()));
                }
                self.said.push(word);
            }
            let mut stopped = Vec::new();
            for spec in self.floor.sent.iter().skip(from) {
                let OrderQuantity::Base(quantity) = spec.quantity else { panic!("{spec:?}") };
                if self.word > u8::from(spec.reduce_only) {
                    stopped.push(spec.client_id.ordinal());
                    continue;
                }
                self.orders.push(Resting {
                    spec: *spec,
                    left: quantity.to_mantissa(2).unwrap(),
                    accepted: false,
                    traded: false,
                });
            }
            if stopped.is_empty() {
                return;
            }
            self.stopped += stopped.len() as u64;
            self.floor.not_sent(&stopped);
        }
    }

    pub fn heard(&mut self, seed: u64, alarm: Option<Alarm>) {
        match alarm {
            None => {}
            Some(Alarm::EndedByVenue(_) | Alarm::ReductionRejected(..)) => self.gave_up = true,
            Some(other) => panic!("seed {seed}: {other}"),
        }
        self.take();
    }

    pub fn held(&self) -> i64 {
        self.floor.held(PERP).to_mantissa(2).unwrap()
    }

    fn reducible(&self, spec: &OrderSpec) -> i64 {
        // What was traded and not told yet is traded.
        let unsaid: i64 = self.late.iter().map(|(s, q)| if s.side == Side::Buy { *q } else { -*q }).sum();
        let held = self.held() + unsaid;
        if spec.side == Side::Sell { held.max(0) } else { (-held).max(0) }
    }

    fn trade(&mut self, seed: u64, spec: OrderSpec, quantity: i64, complete: bool) {
        self.trades += 1;
        let fill = Fill {
            client_id: spec.client_id,
            fee_amount: domain::Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id: self.trades,
            price: 10_000,
            quantity,
            instrument: PERP,
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: self.floor.table.get(PERP).unwrap().quote,
            side: spec.side,
            liquidity: Liquidity::Taker,
        };
        let alarm = self.floor.book(fill, complete);
        self.heard(seed, alarm);
    }

    /// One thing happens to one order.
    pub fn happen(&mut self, seed: u64) {
        if self.orders.is_empty() {
            return;
        }
        let at = self.random.within(0, self.orders.len() as i64 - 1) as usize;
        let Resting { spec, left, accepted, traded } = self.orders[at];
        match self.random.within(0, 9) {
            0 | 1 if !accepted => {
                self.orders[at].accepted = true;
                let alarm = self.floor.report(ReportBody::Accepted {
                    client_id: spec.client_id,
                    venue_id: VenueOrderId(spec.client_id.ordinal()),
                });
                self.heard(seed, alarm);
            }
            2 if !accepted && !traded && !self.obeys && self.random.chance(30) => {
                self.orders.remove(at);
                let reasons = [RejectReason::NoMarket, RejectReason::RateLimit, RejectReason::WouldTrigger];
                let reason = match spec.kind {
                    OrderType::TrailingStop { .. } if self.random.chance(30) => RejectReason::Unsupported,
                    _ => *self.random.pick(&reasons),
                };
                let alarm = self.floor.report(ReportBody::Rejected { client_id: spec.client_id, reason });
                self.heard(seed, alarm);
            }
            4 | 5 if accepted && spec.reduce_only && spec.kind != OrderType::Market => {
                let alarm = self.floor.report(ReportBody::Triggered { client_id: spec.client_id });
                self.heard(seed, alarm);
            }
            3 if !self.obeys && self.random.chance(30) => {
                self.orders.remove(at);
                let reason = Some(RejectReason::NotFilledAtOnce);
                let alarm = self.floor.report(ReportBody::Canceled { client_id: spec.client_id, reason });
                self.heard(seed, alarm);
            }
            _ => {
                let most = if spec.reduce_only { left.min(self.reducible(&spec)) } else { left };
                if most == 0 {
                    if spec.reduce_only {
                        self.orders.remove(at);
                        let reason = Some(RejectReason::ReduceOnly);
                        let alarm = self.floor.report(ReportBody::Canceled { client_id: spec.client_id, reason });
                        self.heard(seed, alarm);
                    }
                    return;
                }
                let quantity = if self.random.chance(50) { most } else { self.random.within(1, most) };
                let complete = quantity == left;
                if complete {
                    self.orders.remove(at);
                } else {
                    self.orders[at].left -= quantity;
                    self.orders[at].traded = true;
                }
                self.trade(seed, spec, quantity, complete);
            }
        }
    }

    /// A cancel arrives; sometimes something was traded just before, and is told just after.
    pub fn cancel(&mut self, seed: u64) {
        if self.cancels.is_empty() {
            return;
        }
        let client_id = self.cancels.remove(0);
        let Some(at) = self.orders.iter().position(|o| o.spec.client_id == client_id) else {
            let reason = RejectReason::UnknownOrder;
            let alarm = self.floor.report(ReportBody::CancelRejected { client_id, reason });
            return self.heard(seed, alarm);
        };
        if self.random.chance(self.refuses) && !self.obeys {
            self.refused += 1;
            let reason = RejectReason::RateLimit;
            let alarm = self.floor.report(ReportBody::CancelRejected { client_id, reason });
            return self.heard(seed, alarm);
        }
        let gone = self.orders.remove(at);
        let most = if gone.spec.reduce_only { gone.left.min(self.reducible(&gone.spec)) } else { gone.left };
        if self.random.chance(20) && most > 1 {
            self.late.push((gone.spec, self.random.within(1, most - 1)));
        }
        let alarm = self.floor.report(ReportBody::Canceled { client_id, reason: None });
        self.heard(seed, alarm);
    }

    pub fn tell_late(&mut self, seed: u64) {
        if let Some((spec, quantity)) = self.late.pop() {
            self.trade(seed, spec, quantity, false);
        }
    }

    pub fn signal(&mut self) {
        let intent = *self.random.pick(&[Intent::EnterLong, Intent::EnterShort, Intent::Exit]);
        let signal = if intent == Intent::Exit {
            Floor::exit_of(PERP)
        } else {
            let entry = match self.random.within(0, 3) {
                0 => Entry::Limit(testkit::price("99")),
                1 => Entry::Limit(testkit::price("101")),
                _ => Entry::Market,
            };
            let target =
                self.random.chance(30).then(|| testkit::price(if intent == Intent::EnterLong { "120" } else { "80" }));
            let size = SizeRequest::Base(Quantity::from_mantissa(self.random.within(20, 300), 2));
            let usual = Floor::entry(intent, PERP);
            let stop = if self.plans.is_empty() { usual.stop } else { Some(*self.random.pick(&self.plans)) };
            Signal { entry, target, size, stop, ..usual }
        };
        // A refusal is an answer, too.
        if let Err(refusal) = self.floor.signal(&signal) {
            let whose = if intent == Intent::Exit { "refused exit" } else { "refused" };
            self.said.push(format!("{whose} {}", refusal.reason.key()));
        }
        self.take();
    }

    /// What must hold when nothing is on its way any more.
    pub fn assert_sound(&mut self, seed: u64) {
        let mut theirs: Vec<u64> = self.orders.iter().map(|o| o.spec.client_id.ordinal()).collect();
        theirs.sort_unstable();
        let ours: Vec<u64> = self.floor.desk.orders().iter().map(|w| w.spec.client_id.ordinal()).collect();
        assert_eq!(ours, theirs, "seed {seed}: orders that one side does not know");
        let entries = self.floor.desk.orders().iter().filter(|w| w.is_entry()).count();
        assert!(entries <= 1, "seed {seed}: {entries} entries");
        let held = self.held();
        // 0.05 at 100 is the smallest that the venue takes.
        if held.abs() < 5 {
            // What was filling goes on with a rest that no new order could close; nothing else is there.
            let rest = |w: &Working| w.reduces_now() && w.left().unwrap().to_mantissa(2).unwrap() <= held.abs();
            let reducing = self.floor.desk.orders().iter().filter(|w| !w.is_entry() && !rest(w)).count();
            assert_eq!(reducing, 0, "seed {seed}: flat, and {ours:?} still work");
            self.gave_up = false;
            return;
        }
        let covered = |purpose: Purpose| {
            let mut all = self.floor.desk.orders().iter().filter(|w| w.purpose == purpose);
            let one = all.next().map(|w| w.left().unwrap().to_mantissa(2).unwrap());
            assert!(all.next().is_none(), "seed {seed}: two orders for one purpose");
            one
        };
        let (stop, exit) = (covered(Purpose::Stop), covered(Purpose::Exit));
        // An exit that left before something else was reduced is larger than what is left, which the venue cuts.
        // What was set off and the exit beside it close all but what is too small for one: it is asked for again when those end.
        let set_off = (self.floor.desk.orders().iter().filter(|w| w.set_off))
            .map(|w| w.left().unwrap().to_mantissa(2).unwrap())
            .reduce(|a, b| a + b);
        let leaving = set_off.is_some_and(|sum| sum + exit.unwrap_or(0) > held.abs() - 5);
        if set_off.is_some() {
            self.set_off += 1;
            let staying = self.floor.desk.orders().iter().any(|w| w.is_entry() && w.stays());
            assert!(!staying, "seed {seed}: an entry stays beside an order that was set off");
        }
        let protected = leaving || stop == Some(held.abs()) || exit.is_some_and(|exit| exit >= held.abs());
        assert!(protected || self.gave_up, "seed {seed}: {held} held, stop {stop:?}, exit {exit:?}");
        let right_side = self
            .floor
            .desk
            .orders()
            .iter()
            .filter(|w| !w.is_entry())
            .all(|w| (w.spec.side == Side::Sell) == (held > 0) && !matches!(w.spec.kind, OrderType::Limit { .. }));
        let orders: Vec<_> = self.floor.desk.orders().iter().map(|w| (w.spec, w.purpose, w.state)).collect();
        assert!(right_side, "seed {seed}: a reduction on the wrong side of {held}: {orders:?}");
    }
}

#[test]
fn no_order_of_events_leaves_a_position_alone() {
    let (mut positions, mut lates, mut set_off) = (0, 0, 0);
    for seed in 0..3_000 {
        let mut venue = Venue::new(Floor::new(), seed);
        for _ in 0..60 {
            match venue.random.within(0, 9) {
                0 | 1 => venue.signal(),
                2..=4 => venue.cancel(seed),
                5 => {
                    lates += u64::from(!venue.late.is_empty());
                    venue.tell_late(seed);
                }
                _ => venue.happen(seed),
            }
            if venue.random.chance(10) {
                // The venue answers everything that is on its way, then all look.
                while !venue.late.is_empty() || !venue.cancels.is_empty() {
                    venue.tell_late(seed);
                    venue.cancel(seed);
                }
                positions += u64::from(venue.held().abs() >= 5);
                venue.assert_sound(seed);
            }
        }
        set_off += venue.set_off;
    }
    assert!(
        positions > 5_000 && lates > 500 && set_off > 500,
        "the run shows too little: {positions} positions, {lates} late fills, {set_off} orders that were set off"
    );
}
