//! Whatever happens, and whenever trading must stop: each fill has its stop in the same step; in an emergency no entry is open, and every
//! position is protected, being closed, or told to be naked. What the desk covers is counted here anew, from its orders.

use crate::floor::{ACCOUNT, Floor, PERP};
use crate::random::Venue;
use domain::{Mode, Nanos, OrderStatus, Price, Quantity, Rate, Side, StopLevel, StopPlan, StrategyIdx};
use execution::{Desk, Purpose, StopPolicy, Working};

/// The only reasons for which a reduction may be refused: tick and lot, oversell, duplicate, self-match.
const OWN: [&str; 5] = ["tick", "lot", "oversell", "duplicate", "self_match"];

/// A plan of each kind.
const PLANS: [fn(Price) -> StopPlan; 5] = [
    |_| StopPlan::Fraction(Rate::from_bps(500)),
    StopPlan::Distance,
    StopPlan::Trail,
    |_| StopPlan::TrailFraction(Rate::from_bps(500)),
    |distance| StopPlan::Timed { level: StopLevel::Trail(distance), hold_max: Nanos::from_secs(100) },
];

struct Run {
    venue: Venue,
    policy: StopPolicy,
    seed: u64,
    emergency: bool,
    /// Whether the desk told that the position is naked, and it was not covered since.
    told: bool,
    seen: Seen,
}

/// What the runs were about.
#[derive(Default)]
struct Seen {
    emergencies: u64,
    naked: u64,
    positions: u64,
    flat: u64,
    stopped: u64,
    refused: u64,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut floor = Floor::new();
        // Half of the desks wait for confirmations.
        let confirm_within = seed.is_multiple_of(2).then(|| Nanos::from_secs(3));
        let policy = StopPolicy { confirm_within, slippage: Rate::ZERO, lists: false };
        floor.desk = Desk::new(1).with_stops(policy);
        let mut venue = Venue::new(floor, seed);
        venue.refuses = 30;
        venue.plans = PLANS.map(|plan| plan(testkit::price("5"))).to_vec();
        Self { venue, policy, seed, emergency: false, told: false, seen: Seen::default() }
    }

    /// How much of what is held is covered: by stops that live, or by what closes it.
    fn uncovered(&self) -> i64 {
        let held = self.venue.held();
        let side = if held > 0 { Side::Sell } else { Side::Buy };
        let live = |w: &&Working| {
            let lives = [OrderStatus::Submitted, OrderStatus::Accepted, OrderStatus::PartiallyFilled]
                .contains(&w.state.status());
            lives && w.spec.side == side && !w.is_entry()
        };
        let sum = |of: &dyn Fn(&Working) -> bool| -> i64 {
            let orders = self.venue.floor.desk.orders().iter().filter(live).filter(|w| of(w));
            orders.map(|w| w.left().unwrap().to_mantissa(2).unwrap()).sum()
        };
        let stops = sum(&|w| w.purpose == Purpose::Stop);
        let closes = sum(&|w| w.set_off || matches!(w.purpose, Purpose::Exit | Purpose::Part));
        held.abs() - stops.max(closes)
    }

    /// The smallest quantity that the venue takes an order for, in hundredths: worth 5 USDT.
    fn smallest(&self) -> i64 {
        let price = self.venue.floor.view.mark(PERP).unwrap();
        (50_000 + price - 1) / price
    }

    fn is_open(&self) -> bool {
        self.venue.held().abs() >= self.smallest()
    }

    fn naked(&self) -> bool {
        self.is_open() && self.uncovered() >= self.smallest()
    }

    /// What must hold after every single thing that happened.
    fn check(&mut self, what: &str) {
        let seed = self.seed;
        for word in self.venue.said.drain(..) {
            self.told |= word == "alert naked";
            if let Some(reason) = word.strip_prefix("refused exit ") {
                assert!(OWN.contains(&reason), "seed {seed}, after {what}: a reduction was refused for {reason}");
            }
        }
        let naked = self.naked();
        let floor = &self.venue.floor;
        assert_eq!(!floor.naked().is_empty(), naked, "seed {seed}, after {what}: the desk sees it otherwise");
        if self.emergency {
            let open = |w: &&Working| w.is_entry() && w.state.status() != OrderStatus::CancelPending && !w.unwanted;
            let entry = floor.desk.orders().iter().find(open);
            assert!(entry.is_none(), "seed {seed}, after {what}: an entry is open: {entry:?}");
            assert!(!naked || self.told, "seed {seed}, after {what}: a position is naked and nobody was told");
        }
        self.seen.naked += u64::from(naked);
        self.seen.positions += u64::from(self.is_open());
        self.told &= naked;
    }

    fn trip(&mut self) {
        self.emergency = true;
        self.seen.emergencies += 1;
        self.venue.floor.mode = Mode::Emergency;
        self.venue.word = 1;
        let flatten = self.venue.random.chance(40);
        self.venue.floor.act(|desk, world| {
            desk.cancel_entries(ACCOUNT, world);
            if flatten {
                desk.flatten(ACCOUNT, world);
            }
            desk.raise_naked(world);
        });
        self.venue.take();
        self.check("the trip");
    }

    fn order(&mut self) {
        let kind = self.venue.random.within(0, 5);
        let fraction = Rate::from_bps(self.venue.random.within(1, 10_000) as i32);
        if kind == 4 {
            self.venue.word = 2;
        } else if kind < 4 {
            self.venue.word = 1;
        }
        self.venue.floor.act(|desk, world| {
            match kind {
                0 => desk.flatten(ACCOUNT, world),
                1 => desk.reduce_part(ACCOUNT, PERP, fraction, world),
                2 => desk.close_worst(ACCOUNT, 1, world),
                3 => desk.close((ACCOUNT, PERP, StrategyIdx(0)), world),
                4 => desk.cancel_all_including_stops(ACCOUNT, world),
                _ => desk.retry_unsent(world),
            }
            desk.raise_naked(world);
        });
        self.venue.take();
        self.check(["flatten", "a part", "the worst", "a close", "all off", "another try"][kind as usize]);
    }

    fn rearm(&mut self) {
        self.emergency = false;
        self.venue.word = 0;
        self.venue.floor.mode = Mode::Normal;
        self.venue.floor.act(|desk, world| desk.end_emergency(ACCOUNT, world));
        self.venue.take();
        self.check("the re-arm");
    }

    fn pass(&mut self) {
        let seconds = [0.1, 1.0, 4.0, 70.0][self.venue.random.within(0, 3) as usize];
        self.venue.floor.pass(seconds);
        if self.venue.random.chance(70) {
            // Else the price grows old: that stops entries, and no reduction.
            self.venue.floor.price(PERP, 100);
        }
        if self.emergency {
            self.venue.floor.act(|desk, world| desk.look_after(world));
        }
        self.venue.take();
        self.check("a pause");
    }

    fn step(&mut self) {
        let seed = self.seed;
        match self.venue.random.within(0, 21) {
            0..=2 if !self.emergency => {
                self.venue.signal();
                self.check("a signal");
            }
            3..=6 => {
                self.venue.cancel(seed);
                self.check("a cancel");
            }
            7 => {
                self.venue.tell_late(seed);
                self.check("a late fill");
            }
            8 => self.pass(),
            9 if !self.emergency && self.venue.random.chance(40) => self.trip(),
            9 if self.emergency && self.venue.random.chance(20) => self.rearm(),
            // Somebody else raises the word: the engine has not heard of it yet.
            11 if self.venue.random.chance(if self.emergency { 40 } else { 10 }) => {
                self.venue.word = if self.emergency { self.venue.random.within(1, 2) as u8 } else { 1 };
            }
            12 if !self.emergency => {
                self.venue.floor.mode =
                    *self.venue.random.pick(&[Mode::Normal, Mode::Normal, Mode::Reduced, Mode::Paused]);
            }
            14 | 15 => {
                let cents = self.venue.random.within(9_600, 10_400);
                self.venue.floor.trade(PERP, &format!("{}.{:02}", cents / 100, cents % 100));
                if self.emergency {
                    // As the engine does with each price then: dust may have come to be worth trading.
                    self.venue.floor.act(|desk, world| desk.look_after(world));
                }
                self.venue.take();
                self.check("a price");
            }
            13 if self.venue.random.chance(20) => self.venue.floor.reload(self.policy),
            10 if self.emergency && self.venue.random.chance(40) => self.order(),
            _ => {
                self.venue.happen(seed);
                self.check("a report");
            }
        }
    }

    /// The venue does what it is asked from now on, and everything is to be closed: nothing may be left.
    fn end(&mut self) {
        if !self.emergency {
            self.trip();
        }
        self.venue.obeys = true;
        self.venue.word = 1;
        self.venue.floor.act(|desk, world| desk.flatten(ACCOUNT, world));
        self.venue.take();
        for _ in 0..400 {
            if self.venue.floor.is_quiet() {
                break;
            }
            self.venue.cancel(self.seed);
            self.venue.tell_late(self.seed);
            self.venue.happen(self.seed);
            self.venue.floor.pass(10.0);
            self.venue.take();
            self.check("the end");
        }
        let orders: Vec<_> = self.venue.floor.desk.orders().iter().map(|w| (w.spec, w.purpose, w.state)).collect();
        let late: i64 = self.venue.late.iter().map(|(_, quantity)| *quantity).sum();
        let (seed, held) = (self.seed, self.venue.held());
        assert!(self.venue.floor.is_quiet(), "seed {seed}: {held} held, {late} not told, {orders:?}");
        self.venue.floor.expect_clean();
        self.seen.flat += 1;
    }
}

#[test]
fn no_order_of_events_leaves_an_emergency_open() {
    let mut all = Seen::default();
    for seed in 0..1_500 {
        let mut run = Run::new(seed);
        for _ in 0..100 {
            run.step();
        }
        run.end();
        let Seen { emergencies, naked, positions, flat, .. } = run.seen;
        all.emergencies += emergencies;
        all.naked += naked;
        all.positions += positions;
        all.flat += flat;
        all.stopped += run.venue.stopped;
        all.refused += run.venue.refused;
    }
    assert!(
        all.emergencies > 2_000
            && all.naked > 1_000
            && all.positions > 15_000
            && all.stopped > 500
            && all.refused > 600,
        "the runs show too little: {} emergencies, {} naked of {} positions, {} flat in the end, {} stopped, {} refused",
        all.emergencies,
        all.naked,
        all.positions,
        all.flat,
        all.stopped,
        all.refused
    );
}

/// In the step of each fill that opens or enlarges a position, its stop exists as an order that covers all of it, unless the position is
/// being closed already; and its level is the one of the plan.
#[test]
fn every_fill_has_its_stop_in_the_same_step() {
    let (mut fills, mut several) = (0, 0);
    for seed in 0..1_000_u64 {
        let mut floor = Floor::new();
        let mut rules = floor.table.get(PERP).unwrap().clone();
        // Sometimes one order cannot hold the whole position.
        if seed.is_multiple_of(3) {
            rules.max_quantity = testkit::quantity("1");
        }
        floor.table.define(rules).unwrap();
        let mut venue = Venue::new(floor, seed);
        let plan = PLANS[seed as usize % PLANS.len()](testkit::price("5"));
        let side = *venue.random.pick(&[domain::Intent::EnterLong, domain::Intent::EnterShort]);
        for _ in 0..4 {
            let size = domain::SizeRequest::Base(Quantity::from_mantissa(venue.random.within(10, 100), 2));
            let signal = domain::Signal { stop: Some(plan), size, ..Floor::entry(side, PERP) };
            if venue.floor.signal(&signal).is_err() {
                continue;
            }
            venue.floor.said();
            let spec = *venue.floor.sent.iter().rfind(|spec| !spec.reduce_only).unwrap();
            let mut left = match spec.quantity {
                domain::OrderQuantity::Base(quantity) => quantity.to_mantissa(2).unwrap(),
                other => panic!("{other:?}"),
            };
            while left > 0 {
                let quantity = venue.random.within(1, left);
                left -= quantity;
                let text = format!("{}.{:02}", quantity / 100, quantity % 100);
                let price = venue.random.within(96, 104);
                venue.floor.price(PERP, price);
                assert_eq!(venue.floor.fill(spec.client_id.ordinal(), &text, price, left == 0), None, "seed {seed}");
                venue.floor.said();
                fills += 1;
                let held = venue.floor.held(PERP).to_mantissa(2).unwrap().abs();
                let stops: Vec<i64> = (venue.floor.desk.orders().iter().filter(|w| w.protects()))
                    .map(|w| w.left().unwrap().to_mantissa(2).unwrap())
                    .collect();
                several += u64::from(stops.len() > 1);
                let covered: i64 = stops.iter().sum();
                let dust = held * price < 500;
                assert!(dust || (held - covered) * price < 500, "seed {seed}: {held} held, stops of {stops:?}");
                assert!(covered <= held, "seed {seed}: {held} held, stops of {stops:?}");
            }
        }
    }
    assert!(fills > 5_000 && several > 500, "{fills} fills, {several} positions with several stops");
}
