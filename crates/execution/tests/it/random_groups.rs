//! Groups under whatever a venue does: partial and full fills in any order, fills after cancels, refusals, ends, orders that never left, a
//! crash in between. After every step a pair that was filled has no second live order, and no leg asks for more than was asked of it; in the
//! end nothing is held beyond the request, and nothing is held of the limits.

use crate::floor::{ACCOUNT, Floor, PERP, SPOT};
use domain::{
    ChildSize, ClientOrderId, Entry, Fill, GroupKind, GroupRequest, InstrumentIdx, Intent, Leg, LegRisk, Liquidity,
    Money, Nanos, OrderQuantity, OrderSpec, OrderType, Quantity, RejectReason, ReportBody, Sequence, Side, StrategyIdx,
    TimeInForce, Trigger, VenueOrderId,
};
use execution::{Alarm, StopPolicy};
use risk::Profile;
use std::collections::BTreeMap;
use testkit::generate::Seeded;

/// The smallest that the venue takes at 100: what is less may be left over.
const DUST: i64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Working,
    /// Taken off with so much not filled: some of it may still be told.
    Gone,
    Done,
}

#[derive(Clone, Copy, Debug)]
struct Order {
    spec: OrderSpec,
    left: i64,
    filled: i64,
    accepted: bool,
    cancel: bool,
    at: At,
}

struct Trial {
    seed: u64,
    floor: Floor,
    orders: Vec<Order>,
    seen: usize,
    random: Seeded,
    trades: u64,
    request: GroupRequest,
    /// What of each leg was filled, by instrument and side.
    filled: BTreeMap<(InstrumentIdx, Side), i64>,
    /// Whether a leg was filled after its order was gone.
    late: u64,
    said: Vec<String>,
}

fn request(random: &mut Seeded) -> GroupRequest {
    let limit = |price: &str| Entry::Limit(testkit::price(price));
    let stop = |price: &str| Entry::Stop(testkit::price(price));
    let (long, short) = (Intent::EnterLong, Intent::EnterShort);
    let (kind, legs) = match random.within(0, 6) {
        0 => (GroupKind::OneCancelsOther, [Floor::leg(long, PERP, limit("98")), Floor::leg(long, PERP, stop("102"))]),
        1 => (GroupKind::OneCancelsOther, [Floor::leg(long, PERP, stop("102")), Floor::leg(short, PERP, stop("98"))]),
        2 => (GroupKind::OneCancelsOther, [Floor::leg(long, PERP, limit("98")), Floor::leg(short, PERP, limit("102"))]),
        3 => {
            let when = *random.pick(&[Trigger::FirstFill, Trigger::Filled]);
            let size = *random.pick(&[ChildSize::AsAsked, ChildSize::ToFilled]);
            let kind = GroupKind::OneTriggersOther { when, size };
            (kind, [Floor::leg(long, PERP, limit("98")), Floor::leg(long, SPOT, limit("99"))])
        }
        _ => {
            let sequence = *random.pick(&[Sequence::Together, Sequence::OneByOne]);
            let risk = *random.pick(&[LegRisk::Complete, LegRisk::Unwind]);
            let within = random.chance(50).then(|| Nanos::from_secs(10));
            let kind = GroupKind::Legs { sequence, within, risk };
            (kind, [Floor::leg(long, SPOT, limit("99")), Floor::leg(short, PERP, Entry::Market)])
        }
    };
    // Nothing that protects is near enough to be set off by itself.
    let legs = legs.map(|leg| Leg { time_in_force: TimeInForce::Gtc, ..leg });
    GroupRequest::new(kind, &legs, ACCOUNT, StrategyIdx(0)).unwrap()
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        let request = request(&mut random);
        let mut trial = Self {
            seed,
            floor: Floor::with(Profile::Off),
            orders: Vec::new(),
            seen: 0,
            random,
            trades: 0,
            request,
            filled: BTreeMap::new(),
            late: 0,
            said: Vec::new(),
        };
        trial.floor.group(&request).unwrap();
        trial.listen();
        trial
    }

    fn listen(&mut self) {
        for word in self.floor.said() {
            if let Some(ordinal) = word.strip_prefix("cancel #") {
                let id = Floor::id(ordinal.parse().unwrap());
                let order = self.orders.iter_mut().find(|o| o.spec.client_id == id);
                order.into_iter().for_each(|order| order.cancel = true);
            }
            self.said.push(word);
        }
        for spec in self.floor.sent.iter().skip(self.seen) {
            let OrderQuantity::Base(quantity) = spec.quantity else { panic!("{spec:?}") };
            let left = quantity.to_mantissa(2).unwrap();
            let (filled, accepted, cancel, at) = (0, false, false, At::Working);
            self.orders.push(Order { spec: *spec, left, filled, accepted, cancel, at });
        }
        self.seen = self.floor.sent.len();
        self.check();
    }

    fn heard(&mut self, alarm: Option<Alarm>) {
        match alarm {
            None | Some(Alarm::EndedByVenue(_) | Alarm::ReductionRejected(..)) => {}
            Some(other) => panic!("seed {}: {other}\n{:#?}", self.seed, self.said),
        }
        self.listen();
    }

    fn held(&self, instrument: InstrumentIdx) -> i64 {
        self.floor.held(instrument).to_mantissa(2).unwrap()
    }

    fn fill(&mut self, at: usize, quantity: i64) {
        let order = &mut self.orders[at];
        (order.left, order.filled) = (order.left - quantity, order.filled + quantity);
        let (spec, complete, late) = (order.spec, order.left == 0, order.at == At::Gone);
        if complete {
            order.at = At::Done;
        }
        self.late += u64::from(late);
        if !spec.reduce_only {
            *self.filled.entry((spec.instrument, spec.side)).or_default() += quantity;
        }
        self.trades += 1;
        let fill = Fill {
            client_id: spec.client_id,
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(spec.client_id.ordinal()),
            trade_id: self.trades,
            price: 10_000,
            quantity,
            instrument: spec.instrument,
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: self.floor.table.get(PERP).unwrap().quote,
            side: spec.side,
            liquidity: Liquidity::Taker,
        };
        self.said.push(format!("  fill of #{}: {quantity}", spec.client_id.ordinal()));
        let alarm = self.floor.book(fill, complete && !late);
        self.heard(alarm);
    }

    fn end(&mut self, at: usize, body: ReportBody) {
        self.orders[at].at = At::Gone;
        self.said.push(format!("  {body:?}"));
        let alarm = self.floor.report(body);
        self.heard(alarm);
    }

    fn reducible(&self, spec: &OrderSpec) -> i64 {
        let held = self.held(spec.instrument);
        if spec.side == Side::Sell { held.max(0) } else { (-held).max(0) }
    }

    /// Something happens to one order.
    fn happen(&mut self) {
        if self.orders.is_empty() {
            return;
        }
        let at = self.random.within(0, self.orders.len() as i64 - 1) as usize;
        let order = self.orders[at];
        let client_id = order.spec.client_id;
        let rests = order.spec.reduce_only && order.spec.kind != OrderType::Market;
        match (order.at, self.random.within(0, 11)) {
            (At::Done, _) => {}
            // Told long after its end; of reductions nothing is.
            (At::Gone, 0) if order.left > 0 && !order.spec.reduce_only && self.late < 2 => {
                let quantity = self.random.within(1, order.left);
                self.fill(at, quantity);
            }
            (At::Gone, _) => {}
            (At::Working, 0 | 1) if !order.accepted => {
                self.orders[at].accepted = true;
                let alarm =
                    self.floor.report(ReportBody::Accepted { client_id, venue_id: VenueOrderId(client_id.ordinal()) });
                self.heard(alarm);
            }
            (At::Working, 2) if !order.accepted && order.filled == 0 && !rests && self.random.chance(40) => {
                let reason = *self.random.pick(&[RejectReason::RateLimit, RejectReason::NoMarket]);
                self.orders[at].left = 0;
                self.end(at, ReportBody::Rejected { client_id, reason });
            }
            (At::Working, 3) if !rests && self.random.chance(40) => {
                let reason = Some(RejectReason::RateLimit);
                self.end(at, ReportBody::Canceled { client_id, reason });
            }
            (At::Working, 4) if matches!(order.spec.kind, OrderType::StopMarket { .. }) && !rests => {
                let alarm = self.floor.report(ReportBody::Triggered { client_id });
                self.heard(alarm);
            }
            (At::Working, 5) if order.cancel && order.accepted && self.random.chance(30) => {
                self.orders[at].cancel = false;
                let reason = RejectReason::RateLimit;
                let alarm = self.floor.report(ReportBody::CancelRejected { client_id, reason });
                self.heard(alarm);
            }
            (At::Working, 6 | 7) if order.cancel => {
                if rests {
                    self.orders[at].left = 0;
                }
                self.end(at, ReportBody::Canceled { client_id, reason: None });
            }
            (At::Working, 8..) if !rests => {
                let most =
                    if order.spec.reduce_only { order.left.min(self.reducible(&order.spec)) } else { order.left };
                if most == 0 {
                    return self.end(at, ReportBody::Canceled { client_id, reason: Some(RejectReason::ReduceOnly) });
                }
                let quantity = if self.random.chance(50) { most } else { self.random.within(1, most) };
                self.fill(at, quantity);
            }
            _ => {}
        }
    }

    /// What has just left is stopped by the gate word, as long as nothing else of it was heard.
    fn stop_last(&mut self) {
        let fresh = |o: &&mut Order| !o.spec.reduce_only && o.at == At::Working && !o.accepted && o.filled == 0;
        if let Some(order) = self.orders.iter_mut().rev().find(fresh) {
            (order.at, order.left) = (At::Gone, 0);
            let ordinal = order.spec.client_id.ordinal();
            self.said.push(format!("  not sent: #{ordinal}"));
            self.floor.not_sent(&[ordinal]);
            self.listen();
        }
    }

    /// What holds after every step.
    fn check(&self) {
        let live: Vec<&execution::Working> =
            self.floor.desk.orders().iter().filter(|w| w.is_entry() && w.is_live()).collect();
        if self.request.kind == GroupKind::OneCancelsOther {
            let filled = self.filled.values().any(|q| *q > 0);
            assert!(!filled || live.len() <= 1, "seed {}: both orders live after a fill\n{:#?}", self.seed, self.said);
        }
        // What one leg filled in time and still asks for is never more than it was asked for.
        for group in self.floor.desk.groups().live() {
            for leg in group.legs.iter().flatten() {
                let asked = Quantity::from_units(1);
                let of = |id: ClientOrderId| live.iter().find(|w| w.spec.client_id == id);
                let asks: i128 = leg
                    .orders
                    .iter()
                    .flatten()
                    .filter_map(|id| of(*id))
                    .filter_map(|w| w.left())
                    .map(|q| q.raw())
                    .sum();
                let late = self.late > 0;
                let sum = leg.filled.raw() + asks;
                assert!(late || sum <= asked.raw(), "seed {}: {sum} of {asked}\n{:#?}", self.seed, self.said);
            }
        }
    }

    /// The venue does what it is asked until nothing is on its way.
    fn calm(&mut self) {
        for _ in 0..400 {
            let next = self.orders.iter().position(|o| {
                let now = o.cancel || matches!(o.spec.kind, OrderType::Market);
                o.at == At::Working && (now || !o.accepted)
            });
            let Some(at) = next else {
                if self.floor.desk.groups().next_due().is_none() {
                    // What rests is neither filled nor over: it ends here.
                    let rests = |o: &Order| o.at == At::Working && !o.spec.reduce_only;
                    let Some(at) = self.orders.iter().position(rests) else { return };
                    let client_id = self.orders[at].spec.client_id;
                    self.end(at, ReportBody::Expired { client_id });
                    continue;
                }
                self.floor.pass(1.0);
                self.listen();
                continue;
            };
            let order = self.orders[at];
            let client_id = order.spec.client_id;
            if order.cancel {
                self.end(at, ReportBody::Canceled { client_id, reason: None });
            } else if order.spec.kind == OrderType::Market {
                let most =
                    if order.spec.reduce_only { order.left.min(self.reducible(&order.spec)) } else { order.left };
                if most == 0 {
                    self.end(at, ReportBody::Canceled { client_id, reason: Some(RejectReason::ReduceOnly) });
                } else {
                    self.fill(at, most);
                }
            } else {
                self.orders[at].accepted = true;
                let alarm =
                    self.floor.report(ReportBody::Accepted { client_id, venue_id: VenueOrderId(client_id.ordinal()) });
                self.heard(alarm);
            }
        }
        panic!("seed {}: it does not come to rest\n{:#?}", self.seed, self.said);
    }

    /// What holds in the end.
    fn assert_done(&self) {
        let about = || format!("seed {}, {:?}\n{:#?}", self.seed, self.request.kind, self.said);
        assert!(self.floor.desk.groups().is_empty(), "a group is left: {}", about());
        assert!(!self.floor.desk.orders().iter().any(execution::Working::is_entry), "an entry is left: {}", about());
        assert_eq!(self.floor.gate.exposure().pending_total(ACCOUNT), Money::ZERO, "{}", about());
        let quote = self.floor.table.get(SPOT).unwrap().quote;
        assert_eq!(self.floor.gate.exposure().reserved(ACCOUNT, quote), Money::ZERO, "{}", about());
        for instrument in [SPOT, PERP] {
            let held = self.held(instrument).abs();
            assert!(held < 100 + DUST, "{held} is held: {}", about());
        }
        if let GroupKind::Legs { .. } = self.request.kind {
            let (spot, perp) = (self.held(SPOT), self.held(PERP));
            let none = spot.abs() < DUST && perp.abs() < DUST;
            let all = (spot - 100).abs() < DUST && (perp + 100).abs() < DUST;
            assert!(none || all, "{spot} and {perp}: {}", about());
        }
    }
}

#[test]
fn whatever_comes_a_group_ends_as_one() {
    let (mut late, mut excess, mut unwound, mut completed) = (0, 0, 0, 0);
    for seed in 0..3_000 {
        let mut trial = Trial::new(seed);
        for _ in 0..trial.random.within(5, 60) {
            match trial.random.within(0, 40) {
                0 => {
                    let seconds = trial.random.within(1, 12) as f64;
                    trial.floor.pass(seconds);
                    trial.listen();
                }
                1 => trial.stop_last(),
                2 => trial.floor.reload(StopPolicy::AT_ONCE),
                _ => trial.happen(),
            }
        }
        trial.calm();
        trial.assert_done();
        late += trial.late;
        let count = |word: &str| trial.said.iter().filter(|said| said.contains(word)).count();
        excess += count("group_excess");
        unwound += count("unwinding");
        completed += count("completing");
    }
    // All of it was met.
    assert!(late > 300 && excess > 300 && unwound > 200 && completed > 100, "{late} {excess} {unwound} {completed}");
}
