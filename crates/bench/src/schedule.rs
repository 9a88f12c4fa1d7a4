//! Orders that are worked: one answer of each schedule, one choice, and a whole step of the desk from its timer to the part that leaves.
//!
//! Answers are timed in batches, steps each for itself; allocations are counted over all of them.

use crate::counting::allocations;
use domain::{
    AccountId, ClientOrderId, Entry, Fill, Flow, ImpactModel, InstrumentIdx, InstrumentTable, Intent, Liquidity,
    MarketFlags, MarketView, Mode, Money, Nanos, NoObserver, OrderQuantity, OrderSpec, Price, Quantity, Rate,
    ReportBody, Rest, Shown, Side, Signal, SizeRequest, StopPlan, StrategyIdx, Thresholds, UnixNanos, Urgency,
    VenueOrderId, VolumeProfile, WorkStyle,
};
use execution::schedule::choose::{Order, choose};
use execution::schedule::{Market, Task, next};
use execution::{Desk, World};
use portfolio::Portfolio;
use risk::{Command, Gate, Limits, Profile, Scene, Standing, VenueKind};
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;
use testkit::generate::Seeded;

const ACCOUNT: AccountId = AccountId(0);
const PERP: InstrumentIdx = InstrumentIdx(0);
/// Answers between two readings of the clock, and how many batches.
const BATCH: usize = 1_000;
const BATCHES: usize = 500;
/// Parts of the order that is worked through the desk.
const PARTS: u16 = 10_000;

/// All measurements.
pub fn run() -> Result<(), String> {
    let over = Nanos::from_secs(3_600);
    let model = ImpactModel { risk_aversion: 1e-6, volatility: 4.0, temporary: 300.0, permanent: 0.01 };
    let styles = [
        WorkStyle::Twap { over, slices: 60 },
        WorkStyle::Vwap { over, slices: 60, profile: VolumeProfile::FLAT },
        WorkStyle::Pov { share: Rate::from_bps(1_000), deadline: over },
        WorkStyle::ImplementationShortfall { over, slices: 60, model },
        WorkStyle::PassiveThenAggressive { patience: over, then: Rest::Take },
        WorkStyle::Iceberg { shown: Shown::Share(Rate::from_bps(500)), deadline: over, then: Rest::Take },
    ];
    let (tasks, markets) = states();
    for style in &styles {
        style.validate()?;
        let answer = |n: usize| black_box(next(black_box(style), &tasks[n], &markets[n]));
        batches(&format!("schedule, one answer, {}", style.name()), |n| {
            answer(n);
        });
    }
    let flow = Flow { volume_per_hour: Some(100.0), model: Some(model), toxicity: Some(0.2), as_of: testkit::T0 };
    let thresholds = Thresholds { toxic: Some(0.7), ..Thresholds::STANDARD };
    batches("schedule, one choice", |n| {
        let order = Order {
            quantity: tasks[n].target,
            reduces: n % 2 == 0,
            spread: Some(0.000_2),
            now: UnixNanos(testkit::T0.0 + n as u64),
        };
        black_box(choose(black_box(Urgency::Normal), &flow, &thresholds, &order).is_ok());
    });
    through_the_desk()
}

/// Orders at all stages, and markets around them.
fn states() -> (Vec<Task>, Vec<Market>) {
    let mut random = Seeded::new(29);
    let lots = |n: i64| Quantity::from_mantissa(n, 5);
    (0..BATCH)
        .map(|_| {
            let (target, seconds) = (random.within(100_000, 10_000_000), random.within(0, 3_599).unsigned_abs());
            let task = Task {
                side: Side::Buy,
                limit: None,
                reduces: false,
                target: lots(target),
                filled: lots(target * random.within(0, 99) / 100),
                begun: testkit::T0,
                volume: lots(random.within(0, 100_000_000)),
            };
            let market = Market {
                now: UnixNanos(testkit::T0.0 + seconds * 1_000_000_000),
                touch: Some(Price::from_units(40_000)),
                lot: lots(1),
                smallest: lots(13),
                largest: lots(900_000_000),
            };
            (task, market)
        })
        .unzip()
}

fn batches(name: &str, mut answer: impl FnMut(usize)) {
    let mut times: Vec<f64> = Vec::with_capacity(BATCHES);
    (0..BATCH).for_each(&mut answer);
    let allocated = allocations(|| {
        for _ in 0..BATCHES {
            let before = Instant::now();
            (0..BATCH).for_each(&mut answer);
            times.push(before.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    });
    times.sort_unstable_by(f64::total_cmp);
    let at = |share: usize| times[(BATCHES - 1) * share / 100];
    println!(
        "{}",
        json!({"bench": name, "ns_p50": at(50), "ns_p99": at(99), "answers": BATCH * BATCHES, "allocations": allocated})
    );
}

/// A desk with one perpetual, of which a large order is worked; the venue fills each part whole.
struct Floor {
    table: InstrumentTable,
    view: MarketView,
    portfolio: Portfolio,
    gate: Gate,
    desk: Desk,
    ts: UnixNanos,
    out: Vec<Command>,
    trades: u64,
}

impl Floor {
    fn new() -> Result<Self, String> {
        let mut table = InstrumentTable::default();
        let perp = testkit::add_perpetual(&mut table, "BTCUSDT", 2, 5);
        let (mut portfolio, mut view) = (Portfolio::new(perp.quote), MarketView::default());
        let mut gate = Gate::new(Profile::Research(Limits { stop_required: true, ..Limits::relaxed() }));
        portfolio.define(&perp);
        view.add_instrument(PERP);
        gate.add_sharer(PERP);
        portfolio.transfer(ACCOUNT, perp.quote, Money::from_units(1_000_000_000)).map_err(|e| e.to_string())?;
        let (ts, out) = (testkit::T0, Vec::with_capacity(64));
        Ok(Self { table, view, portfolio, gate, desk: Desk::new(1), ts, out, trades: 0 })
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Desk, &mut World<'_, '_, NoObserver>) -> T) -> T {
        let Self { table, view, portfolio, gate, desk, ts, out, .. } = self;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: Mode::Normal, standing: Standing::CALM_REF };
        act(desk, &mut World { scene, gate, out, observer: &mut NoObserver })
    }

    /// The entries that left.
    fn sent(&mut self) -> Vec<OrderSpec> {
        let ts = self.ts;
        let released = self.out.drain(..).filter_map(|command| match command {
            Command::Submit(approved) => approved.release(ts, VenueKind::Simulated).ok(),
            _ => None,
        });
        released.collect()
    }

    fn fill(&mut self, spec: &OrderSpec) -> Result<(), String> {
        let OrderQuantity::Base(quantity) = spec.quantity else { return Err("an amount".into()) };
        let rules = self.table.get(PERP).ok_or("no instrument")?;
        self.trades += 1;
        let fill = Fill {
            client_id: spec.client_id,
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(self.trades),
            trade_id: self.trades,
            price: 4_000_000,
            quantity: rules.quantity_mantissa(quantity).ok_or("no lots")?,
            instrument: PERP,
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: rules.quote,
            side: spec.side,
            liquidity: Liquidity::Taker,
        };
        self.portfolio.apply_fill(&self.table, &fill).map_err(|e| e.to_string())?;
        self.act(|desk, world| desk.on_report(&ReportBody::Filled { fill, complete: true }, world));
        Ok(())
    }

    /// The venue takes off what the desk asked for.
    fn canceled(&mut self) {
        let leaving: Vec<ClientOrderId> =
            (self.desk.orders().iter()).filter(|w| !w.stays()).map(|w| w.spec.client_id).collect();
        for client_id in leaving {
            self.act(|desk, world| desk.on_report(&ReportBody::Canceled { client_id, reason: None }, world));
        }
    }
}

/// Timer of the desk to the part that leaves: schedule, gate, approval. Each part is filled and protected between two of them.
fn through_the_desk() -> Result<(), String> {
    let mut floor = Floor::new()?;
    let signal = Signal {
        intent: Intent::EnterLong,
        size: SizeRequest::Base(Quantity::from_units(100)),
        entry: Entry::Market,
        stop: Some(StopPlan::Fraction(Rate::from_bps(500))),
        target: None,
        confidence: 1.0,
        statistics: None,
        reference: 0,
        tag: 0,
        account: ACCOUNT,
        instrument: PERP,
        strategy: StrategyIdx(0),
    };
    let style = WorkStyle::Twap { over: Nanos::from_secs(20 * u64::from(PARTS)), slices: PARTS };
    let validated = risk::validate::validate(&signal).map_err(|refusal| refusal.to_string())?;
    let (mut times, mut allocated) = (Vec::with_capacity(usize::from(PARTS)), 0);
    for part in 0..PARTS {
        floor.view.traded(floor.ts, PERP, 4_000_000, MarketFlags::default());
        let before = Instant::now();
        if part == 0 {
            floor.act(|desk, world| desk.on_work(&validated, &style, world)).map_err(|refusal| refusal.to_string())?;
        } else {
            let in_step = allocations(|| floor.act(|desk, world| desk.on_time(world)));
            times.push(before.elapsed().as_nanos() as u64);
            // The first make room.
            allocated += if part > 100 { in_step } else { 0 };
        }
        let sent = floor.sent();
        let [spec] = sent.as_slice() else { return Err(format!("{} orders for part {part}", sent.len())) };
        floor.fill(spec)?;
        floor.canceled();
        floor.out.clear();
        floor.ts = floor.ts.saturating_add(Nanos::from_secs(20));
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!(
        "{}",
        json!({"bench": "desk, timer to the part of an entry that leaves, through the gate", "ns_p50": at(50), "ns_p99": at(99),
               "steps": times.len(), "allocations": allocated})
    );
    Ok(())
}
