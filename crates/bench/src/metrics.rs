//! Risk metrics and clamps: a minute's sample, a full recompute, one order's measurement, the chain of clamps, an entry at the gate.

use crate::counting::allocations;
use domain::{
    AccountId, AssetIdx, ClientOrderId, Entry, Fill, InstrumentIdx, InstrumentTable, Intent, Liquidity, MarketFlags,
    MarketView, Mode, Money, NoObserver, OrderQuantity, OrderSpec, OrderType, Quantity, Rate, Side, Signal,
    SizeRequest, StopPlan, StrategyIdx, TimeInForce, UnixNanos, VenueOrderId,
};
use portfolio::Portfolio;
use quant::stats::RollingCovariance;
use risk::check::OwnOrders;
use risk::clamp::{
    ClampConfig, ClampInputs, CorrelationConfig, Input, KellyConfig, ProbabilityConfig, TailConfig, chain,
};
use risk::metrics::{CrisisConfig, Line, Metrics, SCENARIOS};
use risk::{EntryIntent, Gate, Limits, Profile, Scene, Standing};
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;
use testkit::generate::Seeded;

const ACCOUNT: AccountId = AccountId(0);
const INSTRUMENTS: u16 = 100;

/// Times calls of `work` in batches and prints median, p99 and what was allocated.
fn time(name: &str, calls: usize, batch: usize, mut work: impl FnMut()) {
    (0..calls.min(50) * batch).for_each(|_| work());
    let mut times = Vec::with_capacity(calls);
    let allocated = allocations(|| {
        for _ in 0..calls {
            let before = Instant::now();
            (0..batch).for_each(|_| work());
            times.push(before.elapsed().as_nanos() as f64 / batch as f64);
        }
    });
    times.sort_by(f64::total_cmp);
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    println!(
        "{}",
        json!({"bench": name, "calls": calls * batch, "batch": batch, "p50_ns": at(500), "p99_ns": at(990), "max_ns": at(1000),
               "allocations": allocated})
    );
}

/// A market of perpetuals that move together in part; all print every minute.
struct World {
    table: InstrumentTable,
    view: MarketView,
    prices: Vec<f64>,
    random: Seeded,
    minute: u64,
}

impl World {
    fn new() -> Self {
        let mut table = InstrumentTable::default();
        let mut view = MarketView::default();
        for i in 0..INSTRUMENTS {
            let instrument = testkit::add_perpetual(&mut table, &format!("A{i}USDT"), 6, 6);
            view.add_instrument(instrument.idx);
        }
        Self { table, view, prices: vec![1e9; usize::from(INSTRUMENTS)], random: Seeded::new(3), minute: 0 }
    }

    fn ts(&self) -> UnixNanos {
        UnixNanos(testkit::T0.0 + self.minute * 60_000_000_000)
    }

    fn print(&mut self) {
        self.minute += 1;
        let ts = self.ts();
        let common = self.random.within(-1000, 1000) as f64 / 1e6;
        for (number, price) in (0..INSTRUMENTS).zip(&mut self.prices) {
            *price *= 1.0 + common + self.random.within(-1000, 1000) as f64 / 1e6;
            self.view.traded(ts, InstrumentIdx(number), *price as i64, MarketFlags::default());
        }
    }
}

/// Runs it.
pub fn run() -> Result<(), String> {
    let mut world = World::new();
    covariance_alone();
    let mut metrics = Metrics::default();
    (0..INSTRUMENTS).for_each(|i| metrics.add_instrument(InstrumentIdx(i)));
    for _ in 0..700 {
        world.print();
        metrics.sample(UnixNanos(world.ts().0 + 1), &world.view);
    }
    sample(&mut world, &mut metrics);
    let lines: Vec<Line> = (0..INSTRUMENTS)
        .map(|i| Line { instrument: InstrumentIdx(i), exposure: if i % 3 == 0 { -500.0 } else { 1000.0 } })
        .collect();
    time("metrics: full recompute, 100 positions", 300, 1, || {
        metrics.recompute();
        black_box(metrics.tail(&lines).is_ok());
        for scenario in &SCENARIOS {
            black_box(metrics.stress(scenario, &lines, &world.table).is_ok());
        }
    });
    time("metrics: tail of 100 positions", 300, 1, || {
        black_box(metrics.tail(&lines).is_ok());
    });
    for held in [0usize, 1, 10, 99] {
        let order = Line { instrument: InstrumentIdx(99), exposure: 1000.0 };
        time(&format!("metrics: one order beside {held} positions"), 2000, 1, || {
            black_box(metrics.order_risk(&lines[..held], order, std::iter::empty()).is_ok());
        });
    }
    let order = Line { instrument: InstrumentIdx(99), exposure: 1000.0 };
    let risk = metrics.order_risk(&lines[..10], order, std::iter::empty()).map_err(|e| e.to_string())?;
    let limit = risk.after.var - 0.5 * metrics.incremental(&risk).map_err(|e| e.to_string())?.var;
    time("metrics: largest part of an order within a limit", 2000, 1, || {
        black_box(metrics.largest_part(&risk, limit, |t| t.var).is_ok());
    });
    clamps();
    entry(world)
}

/// The window of covariances by itself: 100 series, one row more.
#[allow(clippy::expect_used, reason = "the window is a constant within the allowed range")]
fn covariance_alone() {
    let mut covariance = RollingCovariance::new(risk::metrics::WINDOW).expect("a window of 512 is allowed");
    (0..INSTRUMENTS).for_each(|_| covariance.add_series());
    let mut random = Seeded::new(1);
    let mut row = vec![0.0; usize::from(INSTRUMENTS)];
    // Every 512th row renews all sums; with less than 2 % of the calls it is beyond p99 and shows as the maximum.
    time("covariance of 100 series: one row", 5000, 1, || {
        row.iter_mut().for_each(|r| *r = random.within(-1000, 1000) as f64 / 1e6);
        covariance.push(|i| row[i]);
    });
}

fn sample(world: &mut World, metrics: &mut Metrics) {
    let mut times = Vec::with_capacity(2000);
    let mut allocated = 0;
    for _ in 0..2000 {
        world.print();
        let ts = UnixNanos(world.ts().0 + 1);
        let before = Instant::now();
        allocated += allocations(|| metrics.sample(ts, &world.view));
        times.push(before.elapsed().as_nanos());
    }
    times.sort_unstable();
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    println!(
        "{}",
        json!({"bench": "metrics: one minute of 100 instruments, one fit of a tail included", "calls": times.len(),
               "p50_ns": at(500), "p99_ns": at(990), "max_ns": at(1000), "allocations": allocated})
    );
}

/// The chain alone, every clamp on and reducing.
fn clamps() {
    let config = ClampConfig {
        kelly: Some(KellyConfig::default()),
        probability: Some(ProbabilityConfig::default()),
        volatility_target: Some(0.05),
        var: Some(TailConfig { max: 0.02, required: true }),
        shortfall: Some(TailConfig { max: 0.03, required: true }),
        heat_max: Some(0.06),
        correlation: Some(CorrelationConfig::default()),
        leverage_max: Some(3.0),
        crisis: Some(CrisisConfig::default()),
    };
    let inputs = ClampInputs {
        equity: Money::from_units(10_000),
        kelly: Input::Known(0.3),
        probability: Input::Known(0.62),
        volatility: Input::Known(0.06),
        var: Input::Known(0.03),
        var_part: 0.6,
        shortfall: Input::Known(0.04),
        shortfall_part: 0.5,
        heat: Input::Known(0.05),
        heat_order: 0.03,
        correlation: Input::Known(0.5),
        gross: Some(Money::from_units(29_900)),
        crisis: Input::Known(0.0),
    };
    let amount = Money::from_units(1_000);
    time("clamps: the chain, all nine on", 1000, 1000, || {
        black_box(chain(black_box(&config), black_box(&inputs), black_box(amount), |_, _, _, _| {}).is_ok());
    });
}

/// One entry at the gate beside ten positions: with clamps off, with those of the standard profile, with all that have an input.
fn entry(mut world: World) -> Result<(), String> {
    // Each call comes an hour after the one before, so that no throttle counts it as a repetition; prices may be as old.
    let limits = Limits { correlation_max: 1.0, positions_max: 100, price_age_max_s: 31_622_400, ..Limits::default() };
    let on = ClampConfig {
        volatility_target: Some(0.05),
        correlation: Some(CorrelationConfig { full_at: 0.9, none_at: 1.0 }),
        crisis: Some(CrisisConfig::default()),
        ..ClampConfig::for_profile(&Profile::standard())
    };
    let standard = ClampConfig::for_profile(&Profile::standard());
    let usdt: AssetIdx = world.table.asset("USDT", 8).map_err(|e| e.to_string())?;
    for (name, config) in [("off", ClampConfig::OFF), ("as standard", standard), ("all with an input", on)] {
        let mut gate = Gate::new(Profile::Research(limits)).with_clamps(config);
        let mut ledger = Portfolio::new(usdt);
        ledger.transfer(ACCOUNT, usdt, Money::from_units(10_000)).map_err(|e| e.to_string())?;
        for instrument in world.table.instruments() {
            ledger.define(instrument);
            gate.add_sharer(instrument.idx);
        }
        for _ in 0..600 {
            world.print();
            gate.sample(UnixNanos(world.ts().0 + 1), &world.view);
        }
        for number in 0..10u16 {
            hold(&mut ledger, &world, InstrumentIdx(number), usdt).map_err(|e| e.to_string())?;
        }
        let signal = Signal {
            intent: Intent::EnterLong,
            size: SizeRequest::Base(Quantity::from_mantissa(10, 3)),
            entry: Entry::Market,
            stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: 0,
            tag: 0,
            account: ACCOUNT,
            instrument: InstrumentIdx(50),
            strategy: StrategyIdx(0),
        };
        let validated = risk::validate::validate(&signal).map_err(|e| e.to_string())?;
        let spec = OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, 1, 1),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(Quantity::ZERO),
            time_in_force: TimeInForce::Gtc,
            account: ACCOUNT,
            instrument: InstrumentIdx(50),
            strategy: StrategyIdx(0),
            side: Side::Buy,
            post_only: false,
            reduce_only: false,
        };
        let intent = EntryIntent { spec, own: OwnOrders::default() };
        let mut refused = None;
        let mut hours = 0;
        time(&format!("gate: an entry beside 10 positions, clamps {name}"), 2000, 1, || {
            hours += 1;
            let scene = Scene {
                ts: UnixNanos(world.ts().0 + hours * 3_600_000_000_000),
                table: &world.table,
                view: &world.view,
                portfolio: &ledger,
                mode: Mode::Normal,
                standing: Standing::CALM_REF,
            };
            match gate.check_entry(&validated, intent, &scene, &mut NoObserver) {
                Ok(entry) => gate.release(entry.reservation),
                Err(refusal) => refused = Some(refusal),
            }
        });
        if let Some(refusal) = refused {
            return Err(format!("the entry was refused: {refusal}"));
        }
    }
    Ok(())
}

/// The account buys a hundredth of a unit, without a fee.
fn hold(
    ledger: &mut Portfolio,
    world: &World,
    idx: InstrumentIdx,
    usdt: AssetIdx,
) -> Result<(), portfolio::LedgerError> {
    let price = world.prices.get(idx.index()).map_or(1, |p| *p as i64);
    let fill = Fill {
        client_id: ClientOrderId::new(ACCOUNT, 9, u64::from(idx.0)),
        fee_amount: Money::ZERO,
        venue_id: VenueOrderId(1),
        trade_id: u64::from(idx.0),
        price,
        quantity: 10_000,
        instrument: idx,
        account: ACCOUNT,
        strategy: StrategyIdx(1),
        fee_asset: usdt,
        side: Side::Buy,
        liquidity: Liquidity::Taker,
    };
    ledger.apply_fill(&world.table, &fill).map(|_| ())
}
