//! The pre-trade gate under the limits of paper and live: the cached gate, its refresh, the full check of an entry and of a reduction.
//!
//! An account holds nine of ten perpetuals, four more entries are on their way, and correlations and metrics are known for all. Clamps are
//! off here; what they cost beside is measured by the metrics.

use crate::counting::allocations;
use domain::{
    AccountId, AssetIdx, ClientOrderId, Entry, Fill, InstrumentIdx, InstrumentTable, Intent, Liquidity, MarketFlags,
    MarketView, Mode, Money, NoObserver, OrderQuantity, OrderSpec, OrderType, Quantity, Rate, Side, Signal,
    SizeRequest, StopPlan, StrategyIdx, TimeInForce, UnixNanos, VenueOrderId,
};
use portfolio::Portfolio;
use risk::check::OwnOrders;
use risk::clamp::ClampConfig;
use risk::verify::Breach;
use risk::{Ask, EntryIntent, Gate, Profile, Quick, Scene, Standing};
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;
use testkit::generate::Seeded;

const ACCOUNT: AccountId = AccountId(0);
const INSTRUMENTS: u16 = 10;
const CALLS: usize = 200_000;
/// Quick answers between two readings of the clock.
const BATCH: usize = 1_000;

/// Ten perpetuals at prices near 100, independent of each other.
struct World {
    table: InstrumentTable,
    view: MarketView,
    portfolio: Portfolio,
    gate: Gate,
    standing: Standing,
    random: Seeded,
    prices: Vec<i64>,
    ts: UnixNanos,
    ordinal: u64,
}

impl World {
    fn new() -> Result<Self, String> {
        let mut table = InstrumentTable::default();
        let mut view = MarketView::default();
        let mut gate = Gate::new(Profile::standard()).with_clamps(ClampConfig::OFF);
        let instruments: Vec<_> =
            (0..INSTRUMENTS).map(|i| testkit::add_perpetual(&mut table, &format!("A{i}USDT"), 4, 4)).collect();
        let usdt = instruments.first().map_or(AssetIdx(0), |i| i.quote);
        let mut portfolio = Portfolio::new(usdt);
        for instrument in &instruments {
            portfolio.define(instrument);
            view.add_instrument(instrument.idx);
            gate.add_sharer(instrument.idx);
        }
        portfolio.transfer(ACCOUNT, usdt, Money::from_units(100_000)).map_err(|e| e.to_string())?;
        let mut world = Self {
            table,
            view,
            portfolio,
            gate,
            standing: Standing::CALM,
            random: Seeded::new(11),
            prices: vec![1_000_000; usize::from(INSTRUMENTS)],
            ts: testkit::T0,
            ordinal: 0,
        };
        for _ in 0..150 {
            world.minute();
        }
        for i in 0..INSTRUMENTS - 1 {
            world.trade(i, if i % 3 == 0 { Side::Sell } else { Side::Buy })?;
        }
        Ok(world)
    }

    fn minute(&mut self) {
        self.ts = UnixNanos(self.ts.0 + 60_000_000_000);
        for (number, price) in (0..INSTRUMENTS).zip(&mut self.prices) {
            *price += self.random.within(-1_000, 1_000);
            self.view.traded(self.ts, InstrumentIdx(number), *price, MarketFlags::default());
        }
        self.gate.sample(self.ts, &self.view);
    }

    /// A position of about 1 %.
    fn trade(&mut self, number: u16, side: Side) -> Result<(), String> {
        self.ordinal += 1;
        let fill = Fill {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.ordinal),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(self.ordinal),
            trade_id: self.ordinal,
            price: self.prices[usize::from(number)],
            quantity: 100_000,
            instrument: InstrumentIdx(number),
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: self.portfolio.report_currency(),
            side,
            liquidity: Liquidity::Taker,
        };
        self.portfolio.apply_fill(&self.table, &fill).map(|_| ()).map_err(|e| e.to_string())
    }

    fn spec(&mut self, number: u16, side: Side, reduce_only: bool) -> OrderSpec {
        self.ordinal += 1;
        OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.ordinal),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(Quantity::from_mantissa(10_000, 4)),
            time_in_force: TimeInForce::Gtc,
            account: ACCOUNT,
            instrument: InstrumentIdx(number),
            strategy: StrategyIdx(0),
            side,
            post_only: false,
            reduce_only,
        }
    }

    fn signal(number: u16, size: SizeRequest) -> Signal {
        Signal {
            intent: Intent::EnterLong,
            size,
            entry: Entry::Market,
            stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: 0,
            tag: 0,
            account: ACCOUNT,
            instrument: InstrumentIdx(number),
            strategy: StrategyIdx(0),
        }
    }
}

/// Runs it.
pub fn run() -> Result<(), String> {
    let mut world = World::new()?;
    let mut pending = Vec::new();
    for number in [1, 2, 4, 5] {
        pending.push(entry(&mut world, number)?.0);
    }
    let (mut times, mut allocated) = (Vec::with_capacity(CALLS), 0);
    for call in 0..CALLS + 1_000 {
        // Ten minutes later, so that nothing repeats too often; each entry is taken back before the next.
        if call % 8 == 0 {
            (0..10).for_each(|_| world.minute());
        }
        let number = if call % 4 == 0 { 9 } else { [1u16, 2, 4][call % 3] };
        let mut made = Err(String::new());
        allocated += u64::from(call >= 1_000) * allocations(|| made = entry(&mut world, number));
        let (reservation, ns) = made?;
        world.gate.release(reservation);
        if call >= 1_000 {
            times.push(ns as f64);
        }
    }
    line("gate: full check of an entry, 9 positions, 4 entries on their way", &mut times, allocated);
    reductions(&mut world)?;
    pending.into_iter().for_each(|reservation| world.gate.release(reservation));
    cached(&mut world)?;
    verification(&mut world);
    Ok(())
}

/// One entry through the full check: its reservation, and how long the check took.
fn entry(world: &mut World, number: u16) -> Result<(risk::Reservation, u64), String> {
    let signal = World::signal(number, SizeRequest::Base(Quantity::from_mantissa(10_000, 4)));
    let validated = risk::validate::validate(&signal).map_err(|e| e.to_string())?;
    let spec = world.spec(number, Side::Buy, false);
    let World { table, view, portfolio, gate, standing, ts, .. } = world;
    let scene = Scene { ts: *ts, table, view, portfolio, mode: Mode::Normal, standing };
    let intent = EntryIntent { spec, own: OwnOrders::default() };
    let before = Instant::now();
    let result = gate.check_entry(&validated, intent, &scene, &mut NoObserver);
    let ns = before.elapsed().as_nanos() as u64;
    Ok((result.map_err(|e| format!("{e} in {number}"))?.reservation, ns))
}

fn reductions(world: &mut World) -> Result<(), String> {
    let (mut times, mut allocated) = (Vec::with_capacity(CALLS), 0);
    for _ in 0..CALLS {
        let spec = world.spec(1, Side::Sell, true);
        let World { table, view, portfolio, gate, standing, ts, .. } = &mut *world;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: Mode::Emergency, standing };
        let mut result = None;
        let before = Instant::now();
        allocated += allocations(|| {
            result = Some(gate.check_reduction(spec, OwnOrders::default(), &scene, &mut NoObserver).is_ok());
        });
        times.push(before.elapsed().as_nanos() as f64);
        if result != Some(true) {
            return Err("a reduction was refused".into());
        }
        world.gate.take_alerts().for_each(drop);
    }
    line("gate: full check of a reduction", &mut times, allocated);
    Ok(())
}

fn cached(world: &mut World) -> Result<(), String> {
    world.minute();
    let price = world.prices[9];
    let ask = Ask {
        account: ACCOUNT,
        instrument: InstrumentIdx(9),
        strategy: StrategyIdx(0),
        side: Side::Buy,
        limit: Some(price - 10),
        quantity: 10_000,
        stop: Some(price - 10_000),
        own: OwnOrders::default(),
    };
    let (mut times, mut allocated) = (Vec::with_capacity(2_000), 0);
    for call in 0..2_100 {
        let World { table, view, portfolio, gate, standing, ts, .. } = &mut *world;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: Mode::Normal, standing };
        let before = Instant::now();
        let made = allocations(|| gate.refresh(ACCOUNT, StrategyIdx(0), InstrumentIdx(9), &scene));
        if call >= 100 {
            allocated += made;
            times.push(before.elapsed().as_nanos() as f64);
        }
    }
    line("gate: refresh of a cached slot", &mut times, allocated);
    times.clear();
    let (gate, view, ts) = (&world.gate, &world.view, world.ts);
    if gate.quick(&ask, ts, Mode::Normal, view) != Quick::Yes {
        return Err("the quick gate says no".into());
    }
    let allocated = allocations(|| {
        for batch in 0..2_000 {
            let before = Instant::now();
            for n in 0..BATCH as i64 {
                let ask = Ask { quantity: 10_000 + (n + batch) % 7, ..black_box(ask) };
                black_box(gate.quick(&ask, ts, Mode::Normal, view));
            }
            times.push(before.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    });
    line("gate: cached gate, batches of 1000", &mut times, allocated);
    Ok(())
}

fn verification(world: &mut World) {
    let mut out: Vec<Breach> = Vec::with_capacity(16);
    let (mut times, mut allocated) = (Vec::with_capacity(20_000), 0);
    for call in 0..20_100 {
        let World { table, view, portfolio, gate, standing, ts, .. } = &mut *world;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: Mode::Normal, standing };
        let before = Instant::now();
        let made = allocations(|| gate.verify(ACCOUNT, &scene, &mut out));
        if call >= 100 {
            allocated += made;
            times.push(before.elapsed().as_nanos() as f64);
        }
        out.clear();
    }
    line("gate: verification of an account, 9 positions", &mut times, allocated);
}

fn line(name: &str, times: &mut [f64], allocated: u64) {
    let per_s = times.len() as f64 / (times.iter().sum::<f64>() * 1e-9);
    times.sort_by(f64::total_cmp);
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    println!(
        "{}",
        json!({"bench": name, "calls": times.len(), "p50_ns": at(500), "p99_ns": at(990), "p999_ns": at(999),
               "max_ns": at(1000), "per_s": per_s, "allocations": allocated})
    );
}
