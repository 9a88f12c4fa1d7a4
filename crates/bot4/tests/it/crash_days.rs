//! The guard on the crash days of recorded minutes: an account that is long on three times its equity, entered all along the fall.
//!
//! The positions are perpetuals derived from spot candles (5 % initial, 2.5 % maintenance margin, no fees), so this shows the guard, not a
//! market that existed. What the guard asks for is carried out at the open of the next minute. The account counts as liquidated when its
//! equity at the low of a minute is below the maintenance margin. Nothing else protects it here: no stop, no limit of the gate.

use crate::support::shared;
use domain::{
    AccountId, Candle, ClientOrderId, Fill, Instrument, InstrumentIdx, InstrumentTable, Liquidity, MarketFlags,
    MarketView, Mode, Money, Quantity, Rounding, Side, StrategyIdx, UnixNanos, VenueOrderId,
};
use portfolio::Portfolio;
use risk::guard::Level;
use risk::{Action, Guard, GuardConfig, Scene, Standing};
use std::path::Path;
use store::history::{DataKind, Input, Options, Rows, SeriesReader, discover};

const ACCOUNT: AccountId = AccountId(0);
const IDX: InstrumentIdx = InstrumentIdx(0);
const MINUTE: u64 = 60_000_000_000;

/// A file, the first day of the fall and the number of days, and whether an hour of it fell by a fifth.
const WINDOWS: [(&str, u64, u64, bool); 14] = [
    ("binance_spot_BTCUSDT_1m_2020.parquet", 20_200_312, 2, true),
    ("binance_spot_ETHUSDT_1m_2020.parquet", 20_200_312, 2, true),
    ("binance_spot_ETHUSDT_1m_2020.parquet", 20_200_902, 4, false),
    ("binance_spot_BTCUSDT_1m_2021.parquet", 20_210_110, 2, false),
    ("binance_spot_ETHUSDT_1m_2021.parquet", 20_210_110, 2, false),
    ("binance_spot_BTCUSDT_1m_2021.parquet", 20_210_519, 1, true),
    ("binance_spot_ETHUSDT_1m_2021.parquet", 20_210_519, 1, true),
    ("binance_spot_BTCUSDT_1m_2021.parquet", 20_210_907, 1, false),
    ("binance_spot_BTCUSDT_1m_2021.parquet", 20_211_203, 2, false),
    ("binance_spot_BTCUSDT_1m_2022.parquet", 20_220_505, 8, false),
    ("binance_spot_BTCUSDT_1m_2022.parquet", 20_220_610, 9, false),
    ("binance_spot_BTCUSDT_1m_2022.parquet", 20_221_107, 3, false),
    ("binance_spot_BTCUSDT_1m_2024.parquet", 20_240_804, 2, false),
    ("binance_spot_SUIUSDT_1m_2024H2.parquet", 20_240_804, 2, false),
];

/// Midnight of a day written as a number.
fn midnight(day: u64) -> UnixNanos {
    let text = format!("{}-{:02}-{:02}T00:00:00Z", day / 10_000, day / 100 % 100, day % 100);
    let stamp: jiff::Timestamp = text.parse().unwrap();
    UnixNanos::from_millis(stamp.as_millisecond()).unwrap()
}

/// The candles of a file between two instants, and the instrument with the rules of a perpetual.
fn candles(path: &Path, from: UnixNanos, days: u64) -> (InstrumentTable, Vec<Candle>) {
    let to = UnixNanos(from.0 + days * 86_400_000_000_000);
    let options = Options { from: Some(from), to: Some(to), ..Options::default() };
    let series = discover(&[Input::from(path)], &options).unwrap();
    let mut reader = SeriesReader::open(&series[0], IDX).unwrap();
    let (mut rows, mut all) = (Rows::new(DataKind::Candles), Vec::new());
    while reader.next_chunk(&mut rows).unwrap() {
        let Rows::Candles(candles) = &rows else { panic!("not candles") };
        all.extend(candles.iter().copied());
    }
    let mut table = InstrumentTable::default();
    let listing = &series[0].listing;
    testkit::add_perpetual(&mut table, &series[0].symbol, listing.price_decimals, listing.quantity_decimals.max(5));
    (table, all)
}

/// Who looks at an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Nobody,
    /// The guard, to whom nobody listens.
    Unheard,
    Guard,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    liquidated: bool,
    worst: Level,
    /// Equity at the end over equity at the beginning.
    left: f64,
}

struct World<'a> {
    table: &'a InstrumentTable,
    view: MarketView,
    portfolio: Portfolio,
    mode: Mode,
    fills: u64,
}

impl World<'_> {
    fn rules(&self) -> &Instrument {
        self.table.get(IDX).unwrap()
    }

    fn held(&self) -> Quantity {
        self.portfolio.net_quantity(ACCOUNT, IDX)
    }

    fn trade(&mut self, guard: &mut Guard, side: Side, quantity: i64, price: i64) {
        self.fills += 1;
        let fill = Fill {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.fills),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id: self.fills,
            price,
            quantity,
            instrument: IDX,
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: self.portfolio.report_currency(),
            side,
            liquidity: Liquidity::Taker,
        };
        let effect = self.portfolio.apply_fill(self.table, &fill).unwrap();
        guard.on_fill(&fill, &effect);
    }

    fn scene(&self, ts: UnixNanos) -> Scene<'_> {
        Scene {
            ts,
            table: self.table,
            view: &self.view,
            portfolio: &self.portfolio,
            mode: self.mode,
            standing: Standing::CALM_REF,
        }
    }

    /// Equity with the instrument at a price.
    fn equity(&self, price: i64) -> Money {
        let mut view = self.view.clone();
        view.traded(UnixNanos(0), IDX, price, MarketFlags::default());
        self.portfolio.equity(ACCOUNT, self.table, &view).unwrap()
    }
}

/// Long on `times` of 10,000 from the close of the first candle on.
fn run(table: &InstrumentTable, candles: &[Candle], times: i64, config: GuardConfig, who: Who) -> Run {
    let usdt = table.get(IDX).unwrap().quote;
    let mut portfolio = Portfolio::new(usdt);
    portfolio.define(table.get(IDX).unwrap());
    portfolio.transfer(ACCOUNT, usdt, Money::from_units(10_000)).unwrap();
    let mut view = MarketView::default();
    view.add_instrument(IDX);
    let mut world = World { table, view, portfolio, mode: Mode::Normal, fills: 0 };
    let mut guard = Guard::new(config);
    let first = candles[0].close;
    let price = world.rules().price(first);
    let size = Money::from_units(10_000 * times).quantity_at(price, Rounding::Down).unwrap();
    let size = world.rules().quantity_mantissa(world.rules().floor_to_lot(size)).unwrap();
    world.view.traded(UnixNanos(candles[0].ts_open.0 + MINUTE), IDX, first, MarketFlags::default());
    world.trade(&mut guard, Side::Buy, size, first);
    let (mut result, mut asked, mut out) = (Run::default(), 0.0f64, Vec::new());
    for candle in &candles[1..] {
        let held = world.held();
        if asked > 0.0 && !held.is_zero() {
            let mantissa = world.rules().quantity_mantissa(held).unwrap();
            let part = ((mantissa as f64 * asked).ceil() as i64).clamp(1, mantissa);
            world.trade(&mut guard, Side::Sell, part, candle.open);
        }
        asked = 0.0;
        let held = world.held();
        if !held.is_zero() {
            let needed = (world.rules().notional(world.rules().price(candle.low), held, Rounding::Up))
                .and_then(|n| n.times(world.rules().margin_maintenance, Rounding::Up));
            if world.equity(candle.low) < needed.unwrap() {
                result.liquidated = true;
                break;
            }
        }
        let ts = UnixNanos(candle.ts_open.0 + MINUTE);
        world.view.traded(ts, IDX, candle.close, MarketFlags::default());
        // After an emergency nothing is opened any more.
        if world.mode == Mode::Emergency && world.held().is_zero() {
            break;
        }
        if who == Who::Nobody {
            continue;
        }
        guard.check(&world.scene(ts), ACCOUNT, &mut out);
        guard.sample(&world.scene(ts), &mut out);
        if ts.0.is_multiple_of(86_400_000_000_000) {
            guard.on_day(&world.scene(ts), &mut out);
        }
        result.worst = result.worst.max(guard.stance(ts, ACCOUNT, StrategyIdx(0)).black_swan);
        for action in out.drain(..) {
            match action {
                Action::Mode { to, flatten, .. } => {
                    world.mode = world.mode.max(to);
                    asked = if flatten { 1.0 } else { asked };
                }
                Action::Cleared { .. } if world.mode == Mode::Reduced => world.mode = Mode::Normal,
                Action::Close { .. } => asked = 1.0,
                Action::Reduce { fraction, .. } => asked = asked.max(fraction.to_f64()),
                Action::Cleared { .. } | Action::AddMargin { .. } | Action::Alert(_) => {}
            }
        }
        if who == Who::Unheard {
            (asked, world.mode) = (0.0, Mode::Normal);
        }
    }
    let last = candles[candles.len() - 1].close;
    result.left = if result.liquidated { 0.0 } else { world.equity(last).to_f64() / 10_000.0 };
    result
}

/// Counts of runs that were entered every four hours: all, liquidated without and with the guard; least of equity left with it.
fn entered_all_along(
    table: &InstrumentTable,
    candles: &[Candle],
    times: i64,
    config: GuardConfig,
) -> (u32, u32, u32, f64) {
    let (mut runs, mut bare, mut guarded, mut least) = (0, 0, 0, f64::MAX);
    for at in (0..candles.len().saturating_sub(60)).step_by(240) {
        runs += 1;
        bare += u32::from(run(table, &candles[at..], times, config, Who::Nobody).liquidated);
        let with = run(table, &candles[at..], times, config, Who::Guard);
        guarded += u32::from(with.liquidated);
        least = least.min(with.left);
    }
    (runs, bare, guarded, least)
}

/// Only the ladders of liquidation.
fn ladders() -> GuardConfig {
    let all = domain::Rate::ONE;
    let times = domain::Rate::from_raw(100 * domain::Rate::ONE.raw());
    GuardConfig {
        drawdown_alert: all,
        drawdown_halt: all,
        daily_loss_max: all,
        hourly_loss_max: all,
        leverage_max: times,
        leverage_volatile: times,
        leverage_crisis: times,
        swan_asset_hour: all,
        swan_asset_ten_minutes: all,
        swan_portfolio_hour: all,
        ..GuardConfig::default()
    }
}

#[test]
fn nothing_is_liquidated_that_the_guard_watches() {
    let (mut windows, mut bare_all) = (0, 0);
    for (file, day, days, fell_by_a_fifth) in WINDOWS {
        let Some(path) = shared(&format!("data/candles_1m/{file}")) else { continue };
        windows += 1;
        let (table, candles) = candles(&path, midnight(day), days);
        let whole = run(&table, &candles, 1, GuardConfig::default(), Who::Unheard);
        let (runs, bare, guarded, least) = entered_all_along(&table, &candles, 3, GuardConfig::default());
        let (_, bare_ten, guarded_ten, _) = entered_all_along(&table, &candles, 10, ladders());
        println!(
            "{file} {day}: black swan {:?}; of {runs} entries liquidated at 3x without {bare}, with {guarded} (least equity left {least:.3}); \
             at 10x without {bare_ten}, with the ladders alone {guarded_ten}",
            whole.worst
        );
        assert_eq!(guarded, 0, "{file} {day}");
        assert!(guarded_ten <= bare_ten, "{file} {day}");
        assert!(least > 0.7, "{file} {day}: {least}");
        if fell_by_a_fifth {
            assert!(whole.worst >= Level::Halve, "{file} {day}: {:?}", whole.worst);
        }
        bare_all += bare;
    }
    println!("{windows} recorded windows, {bare_all} liquidations at 3x without the guard");
    assert!(windows == 0 || windows < WINDOWS.len() || bare_all > 0, "falls that deep liquidate who is not watched");
}

/// The guard with each of its protections removed in turn, and with each alone.
fn protections() -> Vec<(String, GuardConfig)> {
    let all = domain::Rate::ONE;
    let times = domain::Rate::from_raw(100 * domain::Rate::ONE.raw());
    let nearly_nothing = domain::Rate::from_raw(1);
    type Remove = fn(&mut GuardConfig, domain::Rate, domain::Rate, domain::Rate);
    let removals: [(&str, Remove); 5] = [
        ("drawdown halt", |c, all, _, _| (c.drawdown_alert, c.drawdown_halt) = (all, all)),
        ("loss of day and hour", |c, all, _, _| (c.daily_loss_max, c.hourly_loss_max) = (all, all)),
        ("black swan", |c, all, _, _| {
            (c.swan_asset_hour, c.swan_asset_ten_minutes, c.swan_portfolio_hour) = (all, all, all);
        }),
        ("cap of leverage", |c, _, times, _| {
            (c.leverage_max, c.leverage_volatile, c.leverage_crisis) = (times, times, times);
        }),
        ("ladders of liquidation", |c, all, _, nothing| {
            (c.margin_ratio_alert, c.margin_ratio_act, c.margin_ratio_critical) = (all, all, all);
            (c.distance_close, c.distance_halve, c.distance_add) = (nothing, nothing, nothing);
        }),
    ];
    let mut made = vec![("all".to_owned(), GuardConfig::default())];
    for (at, (name, remove)) in removals.iter().enumerate() {
        let (mut without, mut alone) = (GuardConfig::default(), GuardConfig::default());
        remove(&mut without, all, times, nearly_nothing);
        for (_, other) in removals.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, r)| r) {
            other(&mut alone, all, times, nearly_nothing);
        }
        made.push((format!("without {name}"), without));
        made.push((format!("{name} alone"), alone));
    }
    made
}

/// `BOT4_CRASH_EVERY=240` enters every four hours, as the table in the documents does.
#[test]
fn each_protection_removed_in_turn_shows_what_it_is_worth() {
    let every = std::env::var("BOT4_CRASH_EVERY").ok().and_then(|n| n.parse().ok()).unwrap_or(1_440);
    let mut all = protections();
    all.push(("none".to_owned(), GuardConfig::default()));
    let mut rows = vec![(0u32, 0u32, 0.0f64, f64::MAX); all.len()];
    let mut windows = 0;
    for (file, day, days, _) in WINDOWS {
        let Some(path) = shared(&format!("data/candles_1m/{file}")) else { continue };
        windows += 1;
        let (table, candles) = candles(&path, midnight(day), days);
        for at in (0..candles.len().saturating_sub(60)).step_by(every) {
            for ((name, config), row) in all.iter().zip(&mut rows) {
                let who = if name == "none" { Who::Nobody } else { Who::Guard };
                let one = run(&table, &candles[at..], 3, *config, who);
                row.0 += 1;
                row.1 += u32::from(one.liquidated);
                row.2 += one.left;
                row.3 = row.3.min(one.left);
            }
        }
    }
    println!("{windows} recorded windows, entries every {every} minutes at 3x");
    println!("{:<34} {:>7} {:>10} {:>12} {:>8}", "protections", "entries", "liquidated", "mean left", "least");
    for ((name, _), (entries, liquidated, left, least)) in all.iter().zip(&rows) {
        let mean = left / f64::from((*entries).max(1));
        println!("{name:<34} {entries:>7} {liquidated:>10} {mean:>12.4} {least:>8.3}");
    }
    assert_eq!(rows[0].1, 0, "with all protections nothing is liquidated");
    if windows == WINDOWS.len() {
        assert!(rows[all.len() - 1].1 > 0, "without any something is");
    }
}

#[test]
fn a_calm_month_shows_no_black_swan() {
    let Some(path) = shared("data/candles_1m/binance_spot_BTCUSDT_1m_2023.parquet") else {
        println!("0 recorded months");
        return;
    };
    let (table, candles) = candles(&path, midnight(20_230_401), 30);
    let worst = run(&table, &candles, 1, GuardConfig::default(), Who::Unheard).worst;
    println!("1 recorded month: {worst:?}");
    assert!(worst < Level::Halve);
}
