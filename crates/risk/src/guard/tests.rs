//! The guard as the engine uses it: scenarios of one account, and properties over random courses of things.

use super::*;
use crate::limits::Profile;
use crate::stage::{ACCOUNT, Stage, USDT};
use domain::time::{NANOS_PER_MILLI, NANOS_PER_MINUTE, NANOS_PER_SECOND};
use domain::{ClientOrderId, Liquidity, MarketFlags, Side, VenueOrderId};
use portfolio::RoundTrips;
use proptest::prelude::*;
use testkit::{money, rate};

/// A world with a guard that hears of everything that is booked.
struct World {
    stage: Stage,
    guard: Guard,
    trips: RoundTrips,
    fills: u64,
    out: Vec<Action>,
}

impl World {
    fn new(config: GuardConfig) -> Self {
        config.validate().unwrap();
        let (guard, trips) = (Guard::new(config), RoundTrips::new());
        Self { stage: Stage::new(Profile::standard()), guard, trips, fills: 0, out: Vec::new() }
    }

    /// With one perpetual at 100: 5 % initial and 2.5 % maintenance margin.
    fn perpetual(config: GuardConfig) -> (Self, InstrumentIdx) {
        let mut world = Self::new(config);
        let btc = world.stage.perpetual("BTCUSDT");
        world.stage.mark(btc, 100);
        (world, btc)
    }

    fn wait(&mut self, nanos: u64) {
        self.stage.ts = UnixNanos(self.stage.ts.0 + nanos);
    }

    /// A hundred milliseconds later the instrument trades at that price.
    fn print(&mut self, idx: InstrumentIdx, price: &str) {
        self.wait(100 * NANOS_PER_MILLI);
        let mantissa = self.stage.table.get(idx).unwrap().price_mantissa(testkit::price(price)).unwrap();
        self.stage.print(idx, mantissa, MarketFlags::default());
    }

    fn trade_of(&mut self, strategy: u16, idx: InstrumentIdx, side: Side, quantity: &str, price: &str) {
        let Self { stage, guard, trips, fills, out } = self;
        let rules = stage.table.get(idx).unwrap();
        *fills += 1;
        let fill = Fill {
            client_id: ClientOrderId::new(ACCOUNT, 9, *fills),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id: *fills,
            price: rules.price_mantissa(testkit::price(price)).unwrap(),
            quantity: rules.quantity_mantissa(testkit::quantity(quantity)).unwrap(),
            instrument: idx,
            account: ACCOUNT,
            strategy: StrategyIdx(strategy),
            fee_asset: USDT,
            side,
            liquidity: Liquidity::Taker,
        };
        let effect = stage.portfolio.apply_fill(&stage.table, &fill).unwrap();
        guard.on_fill(&fill, &effect);
        if let Some(trip) = trips.on_fill(stage.ts, rules, &fill, &effect) {
            guard.on_trip(stage.ts, &trip, &scene(stage), out);
        }
    }

    fn buy(&mut self, idx: InstrumentIdx, quantity: &str, price: &str) {
        self.trade_of(0, idx, Side::Buy, quantity, price);
    }

    fn sell(&mut self, idx: InstrumentIdx, quantity: &str, price: &str) {
        self.trade_of(0, idx, Side::Sell, quantity, price);
    }

    /// Money comes in or goes out.
    fn transfer(&mut self, amount: &str) {
        self.stage.portfolio.transfer(ACCOUNT, USDT, money(amount)).unwrap();
        self.guard.on_transfer(ACCOUNT, Some(money(amount)), &mut self.out);
    }

    /// What a check says now, with what bookings said before it.
    fn check(&mut self) -> Vec<Action> {
        let Self { stage, guard, out, .. } = self;
        guard.check(&scene(stage), ACCOUNT, out);
        std::mem::take(out)
    }

    /// What a check says after the instrument traded at that price.
    fn at(&mut self, idx: InstrumentIdx, price: &str) -> Vec<Action> {
        self.print(idx, price);
        self.check()
    }

    /// The same, without alerts.
    fn acts(&mut self, idx: InstrumentIdx, price: &str) -> Vec<Action> {
        acts(self.at(idx, price))
    }

    fn sample(&mut self) -> Vec<Action> {
        let Self { stage, guard, out, .. } = self;
        guard.sample(&scene(stage), out);
        std::mem::take(out)
    }

    fn day(&mut self) -> Vec<Action> {
        let Self { stage, guard, out, .. } = self;
        guard.on_day(&scene(stage), out);
        std::mem::take(out)
    }

    fn stance(&self) -> Stance {
        self.guard.stance(self.stage.ts, ACCOUNT, StrategyIdx(0))
    }
}

fn scene(stage: &Stage) -> Scene<'_> {
    let Stage { table, view, portfolio, ts, mode, .. } = stage;
    Scene { ts: *ts, table, view, portfolio, mode: *mode, standing: crate::Standing::CALM_REF }
}

fn acts(said: Vec<Action>) -> Vec<Action> {
    said.into_iter().filter(|action| !matches!(action, Action::Alert(_))).collect()
}

fn alerts(said: &[Action]) -> Vec<AlertKind> {
    let kind = |action: &Action| match action {
        Action::Alert(alert) => Some(alert.kind),
        _ => None,
    };
    said.iter().filter_map(kind).collect()
}

fn close(instrument: InstrumentIdx) -> Action {
    Action::Close { account: ACCOUNT, instrument, strategy: None }
}

fn reduce(instrument: InstrumentIdx, fraction: &str) -> Action {
    Action::Reduce { account: ACCOUNT, instrument, fraction: rate(fraction) }
}

const fn reduced(cause: Cause) -> Action {
    Action::Mode { to: Mode::Reduced, cause, flatten: false }
}

/// Only the ladders of liquidation: everything else is out of the way.
fn ladders() -> GuardConfig {
    GuardConfig {
        drawdown_alert: Rate::ONE,
        drawdown_halt: Rate::ONE,
        daily_loss_max: Rate::ONE,
        hourly_loss_max: Rate::ONE,
        breaker_loss_max: Rate::ONE,
        leverage_max: rate("100"),
        leverage_volatile: rate("100"),
        leverage_crisis: rate("100"),
        swan_asset_hour: Rate::ONE,
        swan_asset_ten_minutes: Rate::ONE,
        swan_portfolio_hour: Rate::ONE,
        margin_heat_max: Rate::ONE,
        ..GuardConfig::default()
    }
}

#[test]
fn it_looks_at_most_every_hundred_milliseconds_and_not_at_nothing() {
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    assert_eq!(world.check(), [], "nothing held");
    world.buy(btc, "100", "100");
    assert_eq!(world.at(btc, "100"), []);
    world.wait(99 * NANOS_PER_MILLI);
    world.stage.mark(btc, 91);
    assert_eq!(world.check(), [], "too early");
    world.wait(NANOS_PER_MILLI);
    assert!(!world.check().is_empty(), "a loss of 9 % of equity");
}

#[test]
fn drawdown_alerts_at_ten_and_stops_everything_at_fifteen_percent() {
    let hard = GuardConfig::default();
    let config = GuardConfig { drawdown_alert: hard.drawdown_alert, drawdown_halt: hard.drawdown_halt, ..ladders() };
    let (mut world, btc) = World::perpetual(config);
    world.buy(btc, "100", "100");
    world.at(btc, "100");
    // One percent of price is one percent of equity.
    assert_eq!(alerts(&world.at(btc, "91")), []);
    assert_eq!(alerts(&world.at(btc, "90")), [AlertKind::Drawdown]);
    world.at(btc, "85.1");
    let halt = Action::Mode { to: Mode::Emergency, cause: Cause::Drawdown, flatten: true };
    assert!(world.acts(btc, "85").contains(&halt));
    assert!(world.stance().halted && !world.stance().allows_new_risk());
    assert_eq!(world.acts(btc, "85"), [halt], "again, while the mode is milder");
    world.stage.mode = Mode::Emergency;
    assert_eq!(world.acts(btc, "84.9"), []);
    // Back to normal by a key holder: measured from here.
    world.stage.mode = Mode::Normal;
    assert!(world.guard.rearm(world.stage.ts, ACCOUNT, Rearm::Account));
    assert_eq!(world.acts(btc, "84.9"), []);
    assert_eq!((world.stance().halted, world.stance().drawdown), (false, Some(0.0)));
}

#[test]
fn a_lost_day_takes_no_new_risk_until_the_next() {
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    world.buy(btc, "100", "100");
    world.at(btc, "100");
    assert_eq!(world.acts(btc, "97.1"), []);
    assert_eq!(world.acts(btc, "97"), [reduced(Cause::DailyLoss)], "three percent within the hour");
    world.stage.mode = Mode::Reduced;
    assert_eq!(world.acts(btc, "99"), []);
    assert!(world.stance().day_over && !world.stance().allows_new_risk());
    assert_eq!(world.day(), [], "the day has not turned");
    world.stage.ts = UnixNanos::start_of_day(world.stage.ts.day() + 1);
    assert_eq!(world.day(), [Action::Cleared { cause: Cause::DailyLoss }]);
    world.stage.mode = Mode::Normal;
    assert_eq!(world.acts(btc, "99"), []);
    assert!(world.stance().allows_new_risk());
}

#[test]
fn transfers_are_neither_profit_nor_loss() {
    for amount in ["20000", "-7000"] {
        let (mut world, btc) = World::perpetual(GuardConfig::default());
        world.buy(btc, "20", "100");
        world.at(btc, "100");
        world.at(btc, "95");
        world.transfer(amount);
        assert_eq!(acts(world.at(btc, "95")), [], "{amount}");
        let stance = world.stance();
        for fraction in [stance.drawdown, stance.day_loss, stance.hour_loss] {
            testkit::assert_close(fraction.unwrap(), 0.01, 0.0, 1e-9);
        }
    }
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    world.buy(btc, "20", "100");
    world.at(btc, "100");
    world.guard.on_transfer(ACCOUNT, None, &mut world.out);
    assert_eq!(alerts(&world.check()), [AlertKind::InputUnknown]);
    assert_eq!(world.stance().unknown, Some(Unknown::Transfer));
    assert!(world.guard.rearm(world.stage.ts, ACCOUNT, Rearm::Account));
    assert!(world.stance().allows_new_risk());
}

#[test]
fn one_price_a_thousand_times_off_closes_nothing() {
    for wrong in ["0.1", "100000", "0.000001", "80"] {
        for side in [Side::Buy, Side::Sell] {
            let (mut world, btc) = World::perpetual(GuardConfig::default());
            world.trade_of(0, btc, side, "290", "100");
            world.at(btc, "100");
            let said = world.at(btc, wrong);
            assert_eq!(alerts(&said), [AlertKind::InputUnknown], "{wrong}");
            assert_eq!(acts(said), [], "{wrong}");
            assert_eq!(world.stance().unknown, Some(Unknown::Jump(btc)));
            assert!(!world.stance().allows_new_risk());
            assert_eq!(world.at(btc, "100"), []);
            assert!(world.stance().allows_new_risk(), "{wrong}");
        }
    }
}

#[test]
fn a_fall_is_acted_on_at_its_second_print() {
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    world.buy(btc, "290", "100");
    world.at(btc, "100");
    assert_eq!(world.acts(btc, "80"), []);
    let said = world.acts(btc, "79");
    assert!(said.contains(&Action::Mode { to: Mode::Emergency, cause: Cause::Drawdown, flatten: true }), "{said:?}");
    assert!(said.contains(&Action::Mode { to: Mode::Emergency, cause: Cause::BlackSwan, flatten: true }), "{said:?}");
}

#[test]
fn a_missing_price_denies_and_closes_nothing() {
    let mut world = World::new(GuardConfig::default());
    let (btc, eth) = (world.stage.perpetual("BTCUSDT"), world.stage.perpetual("ETHUSDT"));
    world.stage.mark(btc, 100);
    world.buy(btc, "50", "100");
    world.buy(eth, "50", "100");
    let said = world.check();
    assert_eq!((alerts(&said), acts(said)), (vec![AlertKind::InputUnknown], vec![]));
    assert_eq!(world.stance().unknown, Some(Unknown::Mark(eth)));
    world.print(eth, "100");
    assert_eq!(world.check(), []);
    assert!(world.stance().allows_new_risk());
    // Old prices deny as well.
    world.wait(301 * NANOS_PER_SECOND);
    assert_eq!(alerts(&world.check()), [AlertKind::InputUnknown]);
    assert_eq!(world.stance().unknown, Some(Unknown::Stale(btc)));
}

#[test]
fn a_rate_that_jumps_moves_no_equity() {
    let mut world = World::new(GuardConfig::default());
    let (btc, bnb) = (world.stage.perpetual("BTCUSDT"), world.stage.spot("BNBUSDT"));
    world.stage.mark(btc, 100);
    world.stage.mark(bnb, 500);
    let asset = world.stage.table.get(bnb).unwrap().base;
    world.stage.portfolio.transfer(ACCOUNT, asset, Money::from_units(1)).unwrap();
    world.buy(btc, "10", "100");
    world.at(btc, "100");
    world.print(bnb, "500000");
    assert_eq!(acts(world.at(btc, "100")), []);
    assert_eq!(world.stance().unknown, Some(Unknown::Jump(bnb)));
    world.print(bnb, "500");
    assert_eq!(acts(world.at(btc, "100")), []);
    assert_eq!(world.stance().drawdown, Some(0.0), "no peak was made of it");
}

#[test]
fn equity_of_nothing_and_less_halts_and_is_not_divided_by() {
    let (mut world, btc) = World::perpetual(ladders());
    world.buy(btc, "200", "100");
    world.at(btc, "100");
    for price in ["75", "60", "50", "49"] {
        world.at(btc, price);
    }
    world.at(btc, "40");
    assert!(world.stance().drawdown.unwrap() > 1.0);
    assert!(world.stance().halted && !world.stance().allows_new_risk());
}

#[test]
fn a_clock_that_goes_back_is_told_and_stops_no_look() {
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    world.buy(btc, "100", "100");
    world.wait(3_600 * NANOS_PER_SECOND);
    world.at(btc, "100");
    world.stage.ts = UnixNanos(world.stage.ts.0 - 3_000 * NANOS_PER_SECOND);
    let said = world.at(btc, "94.9");
    assert!(alerts(&said).contains(&AlertKind::ClockBack));
    assert!(acts(said).contains(&reduced(Cause::DailyLoss)), "it looks all the same");
}

#[test]
fn the_ladder_of_distances() {
    // 1000 at 100 on 10,000: liquidated at (100000 - 10000) / 975 = 92.3077.
    let (mut world, btc) = World::perpetual(ladders());
    world.buy(btc, "1000", "100");
    let said = world.at(btc, "100");
    assert_eq!(alerts(&said), [AlertKind::LiquidationDistance], "7.7 %: below ten");
    assert_eq!(acts(said), [], "there is no margin to add to a cross position");
    assert_eq!(world.acts(btc, "97.2"), [], "5.03 %");
    assert_eq!(world.acts(btc, "97.1"), [reduce(btc, "0.5"), reduced(Cause::Liquidation)], "4.94 %");
    world.stage.mode = Mode::Reduced;
    assert_eq!(world.acts(btc, "97.0"), [], "under way");
    assert_eq!(world.acts(btc, "96.2"), [], "4.05 %");
    assert_eq!(world.acts(btc, "96.15"), [close(btc)], "3.996 %: more severe than what is under way");
    assert_eq!(world.acts(btc, "96.1"), []);
    world.wait(5 * NANOS_PER_SECOND);
    assert_eq!(world.acts(btc, "96.1"), [close(btc)], "it took too long");
    world.sell(btc, "1000", "96.1");
    assert_eq!(world.check(), [], "too early");
    assert_eq!(world.acts(btc, "96.1"), [Action::Cleared { cause: Cause::Liquidation }]);
}

#[test]
fn shorts_have_the_same_ladder_upwards() {
    // 1000 short at 100 on 10,000: liquidated at 110000 / 1025 = 107.3171.
    let (mut world, btc) = World::perpetual(ladders());
    world.sell(btc, "1000", "100");
    world.at(btc, "100");
    assert_eq!(world.acts(btc, "102.2"), [], "5.007 %");
    assert_eq!(world.acts(btc, "102.3"), [reduce(btc, "0.5"), reduced(Cause::Liquidation)]);
    assert_eq!(world.acts(btc, "103.2"), [close(btc), reduced(Cause::Liquidation)]);
}

#[test]
fn what_is_confirmed_by_a_smaller_position_is_looked_at_anew() {
    let (mut world, btc) = World::perpetual(ladders());
    world.buy(btc, "1000", "100");
    world.at(btc, "100");
    assert!(world.acts(btc, "97").contains(&reduce(btc, "0.5")));
    world.stage.mode = Mode::Reduced;
    world.sell(btc, "400", "97");
    assert_eq!(world.acts(btc, "97"), [], "not yet half");
    world.sell(btc, "100", "97");
    // 500 left, 8,500 in the wallet, liquidated at (50000 - 8500) / 487.5 = 85.13: far away again.
    assert_eq!(world.acts(btc, "97"), [Action::Cleared { cause: Cause::Liquidation }]);
    // 4.99 % above it.
    let again = [reduce(btc, "0.5"), reduced(Cause::Liquidation)];
    assert_eq!(world.acts(btc, "89.6"), again, "once more when it is near once more");
}

/// 100 at 100 under a maintenance rate of one half on a wallet of 6,000: the ratio is reached long before the distance.
fn half(config: GuardConfig, side: Side) -> (World, InstrumentIdx) {
    let (mut world, btc) = World::perpetual(config);
    let tier = Tier { notional_min: Money::ZERO, rate: rate("0.5"), deduction: Money::ZERO };
    world.guard.set_tiers(btc, Tiers::new(vec![tier]).unwrap());
    world.stage.portfolio.transfer(ACCOUNT, USDT, money("-4000")).unwrap();
    world.trade_of(0, btc, side, "100", "100");
    (world, btc)
}

#[test]
fn the_ladder_of_margin_ratios_cuts_then_closes_the_worst() {
    let (mut world, btc) = half(ladders(), Side::Buy);
    let said = world.at(btc, "100");
    assert_eq!(alerts(&said), [AlertKind::MarginRatio], "5000 / 6000");
    assert_eq!(acts(said), []);
    // 4600 / 5200 = 88.46 %, a hair per check: nothing is projected to 90 %.
    for price in ["98", "96", "94", "93", "92.5", "92.2", "92"] {
        assert_eq!(world.acts(btc, price), [], "{price}");
        assert_eq!(world.acts(btc, price), [], "{price}");
    }
    // 4550 / 5100 = 89.2 %, projected 4500 / 5000 = 90 %.
    assert_eq!(world.acts(btc, "91"), [reduce(btc, "0.2"), reduced(Cause::Liquidation)]);
    world.stage.mode = Mode::Reduced;
    assert_eq!(world.acts(btc, "90"), [], "under way");
    world.sell(btc, "20", "90");
    assert_eq!(world.acts(btc, "90"), [Action::Cleared { cause: Cause::Liquidation }], "3600 / 5000");
    world.stage.mode = Mode::Normal;
    // 80 left with 5,000 of equity at 90. At 76: 3040 / 3880; at 66: 2640 / 3080 = 85.7 %; at 62.5: 2500 / 2800 = 89.3 %; at 62: 90 %.
    for price in ["84", "80", "76", "70", "66", "64", "63.5", "63.2", "63", "62.9", "62.8"] {
        assert_eq!(world.acts(btc, price), [], "{price}");
        assert_eq!(world.acts(btc, price), [], "{price}");
    }
    assert_eq!(world.acts(btc, "62"), [reduce(btc, "0.2"), reduced(Cause::Liquidation)], "calm lay between");
    world.stage.mode = Mode::Reduced;
    world.sell(btc, "15", "62");
    // 65 left: 2015 / 2760; a part of what was asked for is not all of it.
    assert_eq!(world.acts(btc, "62"), [Action::Cleared { cause: Cause::Liquidation }]);
}

#[test]
fn a_critical_ratio_closes_the_two_worst_at_once() {
    let config = ladders();
    let mut world = World::new(config);
    let tier = Tier { notional_min: Money::ZERO, rate: rate("0.5"), deduction: Money::ZERO };
    let all: Vec<InstrumentIdx> = ["AUSDT", "BUSDT", "CUSDT"].into_iter().map(|s| world.stage.perpetual(s)).collect();
    world.stage.portfolio.transfer(ACCOUNT, USDT, money("2000")).unwrap();
    for idx in &all {
        world.stage.mark(*idx, 100);
        world.guard.set_tiers(*idx, Tiers::new(vec![tier]).unwrap());
        world.buy(*idx, "60", "100");
    }
    // 9000 / 12000 = 75 %.
    world.wait(NANOS_PER_SECOND);
    assert_eq!(acts(world.check()), []);
    // 60 * (90 + 95 + 70) / 2 = 7650 of 12000 - 60 * 45 = 9300: 82 %, projected less than 90 %: nothing but alerts.
    for (idx, price) in all.iter().zip(["95", "91", "91"]) {
        world.print(*idx, price);
    }
    world.check();
    for (idx, price) in all.iter().zip(["92", "82", "83"]) {
        world.print(*idx, price);
    }
    // 7710 / 9420 = 81.8 %.
    world.check();
    for (idx, price) in all.iter().zip(["90", "74", "75"]) {
        world.print(*idx, price);
    }
    // 7170 / 8340 = 86 %, projected 6630 / 7260 = 91 %: all are cut first.
    let cut: Vec<Action> = all.iter().map(|idx| reduce(*idx, "0.2")).collect();
    assert_eq!(acts(world.check())[..3], cut[..]);
    world.stage.mode = Mode::Reduced;
    for (idx, price) in all.iter().zip(["82", "67", "68"]) {
        world.print(*idx, price);
    }
    // 6510 / 7020 = 92.7 %, and what was asked for is still under way.
    assert_eq!(acts(world.check()), []);
    for (idx, price) in all.iter().zip(["80", "65", "66"]) {
        world.print(*idx, price);
    }
    // 6330 / 6660 = 95.05 %.
    assert_eq!(acts(world.check()), [close(all[1]), close(all[2])]);
}

#[test]
fn margin_is_added_once_to_an_isolated_position_and_within_its_bounds() {
    // 100 at 100 with 1,000 bound to it: liquidated at 9000 / 97.5 = 92.31. 9,000 are free.
    let add = |config: GuardConfig| {
        let (mut world, btc) = World::perpetual(config);
        world.buy(btc, "100", "100");
        world.guard.set_isolated(ACCOUNT, btc, Some(money("1000")));
        (acts(world.at(btc, "100")), world, btc)
    };
    let amount = |amount: &str| {
        vec![Action::AddMargin { account: ACCOUNT, instrument: InstrumentIdx(0), amount: money(amount) }]
    };
    let (said, mut world, btc) = add(ladders());
    assert_eq!(said, amount("4500"), "half of what is free");
    assert_eq!(world.acts(btc, "100"), []);
    world.wait(6 * NANOS_PER_SECOND);
    assert_eq!(world.acts(btc, "100"), [], "never twice for one position");
    world.guard.set_isolated(ACCOUNT, btc, Some(money("5500")));
    assert_eq!(world.acts(btc, "100"), []);
    world.sell(btc, "100", "100");
    world.acts(btc, "100");
    world.guard.set_isolated(ACCOUNT, btc, Some(money("1000")));
    world.buy(btc, "100", "100");
    assert_eq!(world.acts(btc, "100"), amount("4500"), "another position");
    let (said, ..) = add(GuardConfig { margin_heat_max: rate("0.15"), ..ladders() });
    assert_eq!(said, amount("500"), "1,500 of 10,000 is the heat limit, 1,000 are bound");
    let (said, ..) = add(GuardConfig { margin_heat_max: rate("0.06"), ..ladders() });
    assert_eq!(said, [], "more is bound than the heat limit allows");
}

#[test]
fn an_isolated_ladder_of_ratios_cuts_adds_and_closes() {
    let (mut world, btc) = half(ladders(), Side::Buy);
    world.guard.set_isolated(ACCOUNT, btc, Some(money("5500")));
    world.transfer("4000");
    // 5000 / 5500 = 90.9 % with 9.1 % of distance: the cut is the more severe of both.
    assert_eq!(world.acts(btc, "100"), [reduce(btc, "0.2"), reduced(Cause::Liquidation)]);
    world.stage.mode = Mode::Reduced;
    world.wait(5 * NANOS_PER_SECOND);
    // Nobody cut: margin comes next, half of 10000 - 5500.
    let added = Action::AddMargin { account: ACCOUNT, instrument: btc, amount: money("2250") };
    assert_eq!(world.acts(btc, "100"), [added]);
    world.wait(5 * NANOS_PER_SECOND);
    assert_eq!(world.acts(btc, "100"), [close(btc)], "nobody added either");
}

#[test]
fn too_much_leverage_is_reduced_to_below_its_cap() {
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    world.buy(btc, "300", "100");
    assert_eq!(world.at(btc, "100"), [], "three times");
    let said = world.at(btc, "99");
    assert!(alerts(&said).contains(&AlertKind::Leverage), "3.06 times");
    let said = world.acts(btc, "97.5");
    // 29250 / 9250 = 3.162 times; 2.85 / 3.162 stays.
    let Some(Action::Reduce { fraction, .. }) = said.iter().find(|a| matches!(a, Action::Reduce { .. })) else {
        panic!("{said:?}")
    };
    testkit::assert_close(fraction.to_f64(), 1.0 - 2.85 * 9250.0 / 29250.0, 0.0, 1e-9);
    // In a crisis one time is what remains.
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    world.buy(btc, "200", "100");
    assert_eq!(world.at(btc, "100"), []);
    world.guard.set_regime(Input::Known(Regime::Crisis));
    let said = world.acts(btc, "100");
    let [Action::Reduce { fraction, .. }] = said[..] else { panic!("{said:?}") };
    testkit::assert_close(fraction.to_f64(), 1.0 - 0.95 / 2.0, 0.0, 1e-9);
    assert_eq!(world.stance().leverage_cap, Some(Rate::ONE));
    // Unknown denies, and reduces nothing.
    world.guard.set_regime(Input::Unknown);
    world.wait(10 * NANOS_PER_SECOND);
    assert_eq!(world.at(btc, "100"), []);
    assert_eq!((world.stance().leverage_cap, world.stance().allows_new_risk()), (None, false));
}

#[test]
fn three_losing_trips_let_a_strategy_probe_after_an_hour() {
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    let trip = |world: &mut World, strategy, exit: &str| {
        world.trade_of(strategy, btc, Side::Buy, "1", "100");
        world.wait(NANOS_PER_SECOND);
        world.trade_of(strategy, btc, Side::Sell, "1", exit);
        alerts(&std::mem::take(&mut world.out))
    };
    assert_eq!(trip(&mut world, 0, "99"), []);
    assert_eq!(trip(&mut world, 1, "99"), []);
    assert_eq!(trip(&mut world, 0, "99"), []);
    assert_eq!(trip(&mut world, 0, "99"), [AlertKind::Breaker]);
    let until = UnixNanos(world.stage.ts.0 + 3_600 * NANOS_PER_SECOND);
    assert_eq!((world.stance().breaker, world.stance().size_factor), (Permit::Refused { until }, Rate::ZERO));
    let other = world.guard.stance(world.stage.ts, ACCOUNT, StrategyIdx(1));
    assert_eq!((other.breaker, other.allows_new_risk()), (Permit::Full, true), "it is the strategy's own");
    world.stage.ts = until;
    assert_eq!(alerts(&world.sample()), [AlertKind::Breaker]);
    assert_eq!((world.stance().size_factor, world.stance().allows_new_risk()), (rate("0.25"), true));
    world.trade_of(0, btc, Side::Buy, "1", "100");
    assert!(!world.stance().allows_new_risk(), "one probe at a time");
    world.wait(NANOS_PER_SECOND);
    world.trade_of(0, btc, Side::Sell, "1", "101");
    assert_eq!((world.stance().breaker, world.stance().size_factor), (Permit::Full, Rate::ONE));
}

#[test]
fn an_account_that_lost_five_percent_probes_after_an_hour() {
    let (mut world, btc) = World::perpetual(GuardConfig { daily_loss_max: Rate::ONE, ..ladders() });
    world.guard = Guard::new(GuardConfig { breaker_loss_max: rate("0.05"), ..ladders() });
    world.check();
    world.buy(btc, "10", "100");
    world.sell(btc, "10", "49");
    let said = world.check();
    assert_eq!((alerts(&said), acts(said)), (vec![AlertKind::Breaker], vec![reduced(Cause::Breaker)]), "510 of 10,000");
    world.stage.mode = Mode::Reduced;
    let other = world.guard.stance(world.stage.ts, ACCOUNT, StrategyIdx(7));
    assert!(matches!(other.breaker, Permit::Refused { .. }), "for every strategy");
    world.wait(3_600 * NANOS_PER_SECOND);
    let said = world.sample();
    assert!(said.contains(&Action::Cleared { cause: Cause::Breaker }), "half-open is in mode normal: {said:?}");
    world.stage.mode = Mode::Normal;
    assert_eq!(world.stance().size_factor, rate("0.25"));
    world.buy(btc, "1", "100");
    world.wait(NANOS_PER_SECOND);
    world.sell(btc, "1", "99");
    assert!(matches!(world.stance().breaker, Permit::Refused { .. }), "a losing probe");
}

#[test]
fn an_asset_that_falls_is_halved_then_closed_and_over_after_an_hour_of_calm() {
    let config = GuardConfig { swan_asset_ten_minutes: Rate::ONE, ..ladders() };
    let mut world = World::new(GuardConfig { swan_asset_hour: rate("0.2"), ..config });
    let (btc, eth) = (world.stage.perpetual("BTCUSDT"), world.stage.perpetual("ETHUSDT"));
    world.stage.mark(btc, 100);
    world.stage.mark(eth, 100);
    world.buy(btc, "10", "100");
    world.buy(eth, "10", "100");
    let mut fall = |price: &str| {
        world.wait(NANOS_PER_MINUTE);
        world.print(eth, "100");
        let said = world.acts(btc, price);
        if said.contains(&reduced(Cause::BlackSwan)) {
            world.stage.mode = Mode::Reduced;
        }
        said
    };
    assert_eq!(fall("100"), []);
    assert_eq!(fall("95"), []);
    assert_eq!(fall("90"), [], "ten percent are an alert");
    assert_eq!(fall("85"), [reduced(Cause::BlackSwan)]);
    assert_eq!(fall("80"), [reduce(btc, "0.5")], "the other asset did not fall");
    assert_eq!(fall("79"), [reduce(btc, "0.5")], "nobody did so within five seconds");
    assert_eq!(fall("75"), [close(btc)]);
    world.sell(btc, "10", "75");
    let stance = world.stance();
    assert_eq!((stance.black_swan, stance.leverage_cap), (Level::Close, Some(rate("100"))));
    let mut cleared = None;
    for minute in 1..=200 {
        world.wait(NANOS_PER_MINUTE);
        world.print(eth, "100");
        world.print(btc, "75");
        if acts(world.sample()).contains(&Action::Cleared { cause: Cause::BlackSwan }) {
            cleared = Some(minute);
            break;
        }
    }
    // The fall leaves the window after an hour, then an hour of calm.
    assert!(cleared.is_some_and(|minute| (110..=125).contains(&minute)), "{cleared:?}");
    world.stage.mode = Mode::Normal;
    assert!(world.stance().allows_new_risk());
}

#[test]
fn an_account_that_falls_within_the_hour_is_halved_then_stopped() {
    let config = GuardConfig { swan_portfolio_hour: rate("0.1"), ..ladders() };
    let (mut world, btc) = World::perpetual(config);
    world.buy(btc, "200", "100");
    world.at(btc, "100");
    assert_eq!(world.acts(btc, "97.5"), [], "five percent of equity are an alert");
    assert_eq!(world.acts(btc, "96.2"), [reduced(Cause::BlackSwan)], "7.6 %");
    world.stage.mode = Mode::Reduced;
    assert_eq!(world.acts(btc, "95"), [reduce(btc, "0.5")]);
    let stop = Action::Mode { to: Mode::Emergency, cause: Cause::BlackSwan, flatten: true };
    assert_eq!(world.acts(btc, "93.75"), [stop], "12.5 %: the mode closes what is open");
    world.stage.mode = Mode::Emergency;
    assert_eq!(world.acts(btc, "93.7"), []);
    // Days later it still stands: only a re-arm ends it.
    world.wait(86_400 * NANOS_PER_SECOND);
    world.stage.mode = Mode::Normal;
    assert!(world.guard.rearm(world.stage.ts, ACCOUNT, Rearm::Account));
    assert_eq!(world.acts(btc, "93.7"), [Action::Cleared { cause: Cause::BlackSwan }]);
    assert!(world.stance().allows_new_risk());
}

#[test]
fn dust_is_not_watched() {
    let (mut world, btc) = World::perpetual(GuardConfig::default());
    world.buy(btc, "0.01", "100");
    for price in ["100", "90", "80", "70", "60", "50"] {
        world.wait(NANOS_PER_SECOND);
        assert_eq!(world.acts(btc, price), []);
    }
}

#[test]
fn another_configuration_is_named_on_loading() {
    let (world, _) = World::perpetual(GuardConfig::default());
    let mut bytes = Vec::new();
    world.guard.save(&mut bytes);
    let other = GuardConfig { drawdown_halt: rate("0.12"), ..GuardConfig::default() };
    let error = Guard::new(other).load(&mut Reader::new(&bytes)).unwrap_err();
    assert_eq!(error, CodecError::Parameter { what: "drawdown_halt" });
    for cut in 0..bytes.len() {
        assert!(Guard::new(GuardConfig::default()).load(&mut Reader::new(&bytes[..cut])).is_err(), "{cut}");
    }
}

/// Something that happens to a world.
#[derive(Clone, Copy, Debug)]
enum Happens {
    Wait(u64),
    /// The price moves by so many per mille.
    Move(u8, i64),
    /// One print that many times the price.
    Wrong(u8, i64, i64),
    Trade(u8, u8, bool, i64),
    Transfer(i64),
    Isolate(u8, Option<i64>),
    Sample,
    Day,
    Rearm(bool),
    Volatility(u8),
    Regime(u8),
    Mode(u8),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (1u64..300_000).prop_map(Happens::Wait),
        12 => (0u8..3, -60i64..60).prop_map(|(i, by)| Happens::Move(i, by)),
        2 => (0u8..3, -300i64..300).prop_map(|(i, by)| Happens::Move(i, by)),
        1 => (0u8..3, 1i64..1_500, 1i64..1_500).prop_map(|(i, n, d)| Happens::Wrong(i, n, d)),
        5 => (0u8..2, 0u8..3, any::<bool>(), 1i64..400).prop_map(|(s, i, buy, q)| Happens::Trade(s, i, buy, q)),
        1 => (-3_000i64..3_000).prop_map(Happens::Transfer),
        1 => (0u8..2, prop::option::of(1i64..3_000)).prop_map(|(i, m)| Happens::Isolate(i, m)),
        3 => Just(Happens::Sample),
        1 => Just(Happens::Day),
        1 => any::<bool>().prop_map(Happens::Rearm),
        1 => (0u8..4).prop_map(Happens::Volatility),
        1 => (0u8..4).prop_map(Happens::Regime),
        1 => (0u8..4).prop_map(Happens::Mode),
    ]
}

/// A world of two perpetuals and a spot instrument, in which things happen to it and are told to its guard.
fn random_world(config: GuardConfig) -> World {
    let mut world = World::new(config);
    for symbol in ["AUSDT", "BUSDT"] {
        let idx = world.stage.perpetual(symbol);
        world.stage.mark(idx, 100);
    }
    let spot = world.stage.spot("CUSDT");
    world.stage.mark(spot, 100);
    world
}

impl World {
    fn happen(&mut self, what: Happens) {
        let idx = |i: u8| InstrumentIdx(u16::from(i));
        match what {
            Happens::Wait(millis) => self.wait(millis * NANOS_PER_MILLI),
            Happens::Move(i, by) => {
                let now = self.stage.view.mark(idx(i)).unwrap();
                let next = (now + now / 1_000 * by).clamp(1_000, 1_000_000_000_000);
                self.stage.print(idx(i), next, MarketFlags::default());
            }
            Happens::Wrong(i, n, d) => {
                let now = self.stage.view.mark(idx(i)).unwrap();
                self.stage.print(idx(i), now * n / d, MarketFlags::default());
            }
            Happens::Trade(strategy, i, buy, quantity) => {
                let price = self.stage.view.mark(idx(i)).unwrap().max(1);
                let price = self.stage.table.get(idx(i)).unwrap().price(price).to_string();
                let held = self.stage.portfolio.position(ACCOUNT, idx(i), StrategyIdx(u16::from(strategy))).quantity;
                if i == 2 && !buy && held.to_f64() < quantity as f64 {
                    return;
                }
                let side = if buy { Side::Buy } else { Side::Sell };
                self.trade_of(u16::from(strategy), idx(i), side, &quantity.to_string(), &price);
            }
            Happens::Transfer(amount) => self.transfer(&amount.to_string()),
            Happens::Isolate(i, margin) => self.guard.set_isolated(ACCOUNT, idx(i), margin.map(Money::from_units)),
            Happens::Sample => {
                let Self { stage, guard, out, .. } = self;
                guard.sample(&scene(stage), out);
            }
            Happens::Day => {
                self.stage.ts = UnixNanos::start_of_day(self.stage.ts.day() + 1);
                let Self { stage, guard, out, .. } = self;
                guard.on_day(&scene(stage), out);
            }
            Happens::Rearm(account) => {
                let what = if account { Rearm::Account } else { Rearm::Strategy(StrategyIdx(0)) };
                self.guard.rearm(self.stage.ts, ACCOUNT, what);
            }
            Happens::Volatility(n) => self.guard.set_volatility(match n {
                0 => Input::NotConfigured,
                1 => Input::Unknown,
                2 => Input::Known(f64::NAN),
                _ => Input::Known(0.09),
            }),
            Happens::Regime(n) => self.guard.set_regime(match n {
                0 => Input::NotConfigured,
                1 => Input::Unknown,
                2 => Input::Known(Regime::Volatile),
                _ => Input::Known(Regime::Crisis),
            }),
            Happens::Mode(n) => self.stage.mode = Mode::ALL[usize::from(n)],
        }
        let Self { stage, guard, out, .. } = self;
        guard.check(&scene(stage), ACCOUNT, out);
    }

    fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        self.guard.digest(&mut digest);
        digest
    }
}

/// How severe the answer of one look is: the strictest mode and the largest share of a position.
fn severity(said: &[Action]) -> (Mode, Rate) {
    let mode = |action: &Action| match action {
        Action::Mode { to, .. } => *to,
        _ => Mode::Normal,
    };
    let share = |action: &Action| match action {
        Action::Mode { flatten: true, .. } | Action::Close { .. } => Rate::ONE,
        Action::Reduce { fraction, .. } => *fraction,
        _ => Rate::ZERO,
    };
    (said.iter().map(mode).max().unwrap_or_default(), said.iter().map(share).max().unwrap_or_default())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Saved and loaded at any point, a guard goes on as the one that was not.
    #[test]
    fn saved_and_loaded_anywhere_it_goes_on_alike(course in prop::collection::vec(happens(), 1..120), cut in 0usize..120, loose in any::<bool>()) {
        let config = if loose { ladders() } else { GuardConfig::default() };
        let (mut world, mut twin) = (random_world(config), random_world(config));
        for (step, what) in course.into_iter().enumerate() {
            if step == cut {
                let mut bytes = Vec::new();
                twin.guard.save(&mut bytes);
                twin.guard = Guard::new(config);
                let mut from = Reader::new(&bytes);
                twin.guard.load(&mut from).unwrap();
                from.finish().unwrap();
                let mut again = Vec::new();
                twin.guard.save(&mut again);
                prop_assert_eq!(again, bytes);
            }
            world.happen(what);
            twin.happen(what);
            prop_assert_eq!(&world.out, &twin.out, "step {} {:?}", step, what);
            prop_assert_eq!(world.digest(), twin.digest(), "step {} {:?}", step, what);
        }
    }

    /// Whatever happens, what is asked for makes sense, and nothing is asked for twice while it is under way.
    #[test]
    fn what_is_asked_for_can_be_done(course in prop::collection::vec(happens(), 1..150), loose in any::<bool>()) {
        let mut world = random_world(if loose { ladders() } else { GuardConfig::default() });
        let mut asked: Vec<(InstrumentIdx, UnixNanos, Rate)> = Vec::new();
        for what in course {
            world.happen(what);
            let said = std::mem::take(&mut world.out);
            let touches = matches!(what, Happens::Trade(..) | Happens::Isolate(..));
            if touches {
                asked.clear();
            }
            for action in said {
                match action {
                    Action::Close { account, instrument, .. } | Action::Reduce { account, instrument, .. } => {
                        let share = if let Action::Reduce { fraction, .. } = action { fraction } else { Rate::ONE };
                        let is_close = matches!(action, Action::Close { .. });
                        prop_assert!(share > Rate::ZERO && (share < Rate::ONE || is_close));
                        let held = world.stage.portfolio.positions().any(|(of, idx, ..)| of == account && idx == instrument);
                        prop_assert!(held, "nothing is held in {:?}", instrument);
                        let now = world.stage.ts;
                        let repeated = asked.iter().any(|(idx, at, before)| {
                            *idx == instrument && *before >= share && now.since(*at).0 < 5_000 * NANOS_PER_MILLI
                        });
                        prop_assert!(!repeated, "{:?} while it is under way", action);
                        asked.push((instrument, now, share));
                    }
                    Action::AddMargin { instrument, amount, .. } => {
                        let rules = world.stage.table.get(instrument).unwrap();
                        prop_assert_eq!(rules.kind, domain::InstrumentKind::LinearPerpetual);
                        let balance = world.stage.portfolio.balance(ACCOUNT, USDT);
                        prop_assert!(amount > Money::ZERO && amount.to_f64() <= balance.to_f64() * 0.5);
                    }
                    Action::Mode { to, flatten, .. } => prop_assert!(to > Mode::Normal && (!flatten || to == Mode::Emergency)),
                    Action::Alert(alert) => prop_assert!(alert.value.is_none_or(|v| !v.is_nan())),
                    Action::Cleared { cause } => prop_assert!(cause != Cause::Drawdown),
                }
            }
            // What is not known never allows new risk, and the gate hears the same.
            let stance = world.stance();
            prop_assert!(stance.unknown.is_none() || !stance.allows_new_risk());
            let mut standing = Standing::CALM;
            world.guard.write_standing(world.stage.ts, ACCOUNT, 1, &mut standing);
            let told = match standing.breaker(StrategyIdx(0)) {
                Breaker::Closed => true,
                Breaker::HalfOpen { probe_free } => probe_free,
                Breaker::Open => false,
            };
            let told = told && standing.drawdown != Reading::Unknown && standing.nothing_new.is_none();
            prop_assert_eq!(told, stance.allows_new_risk());
        }
    }

    /// A lower price of what is held long is never answered more mildly.
    #[test]
    fn worse_is_never_answered_more_mildly(quantity in 1i64..1_500, price in 60i64..130, worse in 0i64..60, loose in any::<bool>()) {
        let answer = |price: i64| {
            let (mut world, btc) = World::perpetual(if loose { ladders() } else { GuardConfig::default() });
            world.check();
            world.buy(btc, &quantity.to_string(), "100");
            // Far enough apart in time for any of these to be believed.
            world.wait(30 * NANOS_PER_MINUTE);
            let said = world.at(btc, &price.to_string());
            severity(&said)
        };
        let (mild, severe) = (answer(price), answer((price - worse).max(51)));
        if price > 51 {
            prop_assert!(severe.0 >= mild.0 && severe.1 >= mild.1, "{:?} {:?}", mild, severe);
        }
    }
}
