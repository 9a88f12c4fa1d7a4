//! Held against what the venue says: whatever is lost, doubled or late, both sides agree when that ends, and no fill is invented.
//!
//! `BOT4_RECONCILE_SEEDS` sets how many stories with such a network are played.

use crate::hall::{ACCOUNT, BTC, Hall, Script, control, report, says, words};
use crate::world::{Given, Noise, Recipe, World, venue};
use domain::{
    AccountReport, AssetIdx, ClientOrderId, Control, DifferenceKind, EventBody, Execution, Fill, Holder, InstrumentIdx,
    InstrumentTable, Intent, Liquidity, Mode, Money, Movement, MovementKind, Nanos, OrderQuantity, OrderSpec,
    OrderStatus, OrderType, Quantity, Quote, Rate, Rearm, ReportBody, Side, StrategyIdx, TimeInForce, TimerFired,
    Trade, UnixNanos, VenueOrder, VenueOrderId, VenuePosition, VenueState,
};
use engine::{AskPolicy, EngineConfig, ReconcilePolicy};
use risk::{Limits, Profile};
use std::collections::BTreeSet;
use std::sync::Arc;
use testkit::generate::{Seeded, random_walk};

fn asking() -> AskPolicy {
    AskPolicy { answer_within: Nanos::from_secs(20), grace: Nanos::from_secs(60), denials: 3 }
}

/// A story with a network that loses, doubles and delays, then time without any of that.
fn play(seed: u64, bars: u64, trips: bool, sum: &mut Sum) -> World {
    let mut r = Seeded::new(seed);
    let mut table = InstrumentTable::default();
    let spot = testkit::add_spot(&mut table, "BTCUSDT", 2, 4);
    let mut perpetual = testkit::add_perpetual(&mut table, "ETHUSDT", 2, 3);
    perpetual.margin_initial = Rate::from_bps(500);
    perpetual.margin_maintenance = Rate::from_bps(400);
    table.define(perpetual.clone()).unwrap();
    let mut config = venue(&mut r, seed, Nanos(0), 50);
    // Slow, but not slower than what the policy allows for.
    config.latency.report = Nanos(config.latency.report.0.min(5_000_000_000));
    let wide = Limits {
        position_fraction_max: Rate::from_raw(2 * Rate::ONE.raw()),
        correlation_max: 1.0,
        correlation_samples_min: 2,
        ..Limits::default()
    };
    let mut recipe = Recipe::new(table, config, Profile::Research(wide));
    recipe.leverage_bps = 20_000;
    recipe.config.asking = Some(asking());
    recipe.config.reconcile = Some(ReconcilePolicy::every(Nanos::from_secs(60)));
    let confirm_within = r.chance(50).then(|| Nanos::from_secs(20));
    recipe.config.stops = engine::StopPolicy { confirm_within, slippage: Rate::from_bps(10), lists: false };
    let instruments = [spot, perpetual];
    let walks: Vec<_> =
        instruments.iter().zip(0..).map(|(i, n)| random_walk(i, seed ^ n << 32, bars, 10_000, 40)).collect();
    let mut world = recipe.begun();
    world.noise = Some(Noise::new(seed));
    let mut last = testkit::T0;
    for bar in 0..bars as usize {
        for (i, walk) in instruments.iter().zip(&walks) {
            let c = walk[bar];
            last = c.ts_close();
            let given = if seed.is_multiple_of(2) {
                let side = *r.pick(&[Side::Buy, Side::Sell]);
                Given::Trade(Trade { ts_event: last, ..testkit::trade(i, 0, c.close, r.within(1, 300_000), side) })
            } else {
                let quote =
                    testkit::quote(i, 0, (c.close - 2, r.within(1, 90_000)), (c.close + 2, r.within(1, 90_000)));
                Given::Quote(Quote { ts_event: last, ..quote })
            };
            world.give(&given);
        }
    }
    let noise = world.noise.take().unwrap();
    sum.lost += noise.counts[0];
    sum.doubled += noise.counts[1];
    sum.late += noise.counts[2];
    if trips {
        let trip = Control::Trip { cause: domain::Cause::Kill, flatten: true, including_stops: false };
        world.give(&Given::Tell(EventBody::Control(trip)));
        for minute in 1..60 {
            for (i, walk) in instruments.iter().zip(&walks) {
                let at = last.saturating_add(Nanos::from_secs(60 * minute));
                let close = walk[bars as usize - 1].close;
                let quote = testkit::quote(i, 0, (close - 2, 9_000_000), (close + 2, 9_000_000));
                let trade = testkit::trade(i, 0, close, 9_000_000, Side::Buy);
                let given = if seed.is_multiple_of(2) {
                    Given::Trade(Trade { ts_event: at, ..trade })
                } else {
                    Given::Quote(Quote { ts_event: at, ..quote })
                };
                world.give(&given);
            }
        }
    }
    // Nothing more happens in the market, and strategies say nothing; everything that is under way comes to its end.
    // Half a minute after the last funding.
    world.pass(last.saturating_add(Nanos::from_secs(3_630)));
    world
}

#[derive(Default, Debug)]
struct Sum {
    lost: u64,
    doubled: u64,
    late: u64,
    fills: u64,
    recovered: u64,
    ends: u64,
    unexplained: u64,
    repeated: u64,
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the long form of this test says how many seeds")]
fn both_sides_agree_when_the_faults_cease() {
    let mut sum = Sum::default();
    let seeds = std::env::var("BOT4_RECONCILE_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    for seed in 0..seeds {
        let trips = seed % 4 == 3;
        let world = play(seed, 120, trips, &mut sum);
        let (engine, venue) = (&world.engine, &world.venue);
        for (n, asset) in (0u16..).zip(engine.table().assets()) {
            let asset_idx = AssetIdx(n);
            assert_eq!(
                engine.portfolio().balance(ACCOUNT, asset_idx),
                venue.balance(ACCOUNT, asset_idx),
                "seed {seed}: {}, faults {:?}",
                asset.code,
                engine.faults()
            );
        }
        for i in engine.table().instruments() {
            let ours = engine.portfolio().net_quantity(ACCOUNT, i.idx);
            assert_eq!(ours, venue.position(ACCOUNT, i.idx), "seed {seed}: {}", i.symbol);
        }
        let ours: BTreeSet<ClientOrderId> = engine.orders().iter().map(|w| w.spec.client_id).collect();
        let state = venue.state_of(ACCOUNT, UnixNanos(0));
        let theirs: BTreeSet<ClientOrderId> = state.orders.iter().map(|o| o.spec.client_id).collect();
        assert_eq!(ours, theirs, "seed {seed}: orders that one side does not know");
        if trips {
            // After a kill that closes everything nothing is left to be done, whatever was lost on the way.
            assert!(ours.is_empty(), "seed {seed}: {:?}", engine.orders());
            for (_, idx, _, held) in engine.portfolio().positions() {
                let (rules, mark) = (engine.table().get(idx).unwrap(), engine.view().mark(idx).unwrap());
                let open = held.quantity.checked_abs().unwrap();
                let dust = portfolio::dust::is_dust(rules, open, rules.price(mark));
                assert!(
                    dust || rules.floor_to_lot(open) < rules.min_quantity,
                    "seed {seed}: {} of {open}",
                    rules.symbol
                );
            }
        }
        assert!(!engine.reconciler().unwrap().differs(), "seed {seed}");
        sum.repeated += engine.desk().executions().repeated();
        sum.fills += world.reports.iter().filter(|r| matches!(r.body, ReportBody::Filled { .. })).count() as u64;
        let mut said = domain::codec::Reader::new(&world.said);
        while !said.rest().is_empty() {
            let record = <risk::CommandRecord as domain::codec::Stored>::take(&mut said).unwrap();
            let risk::CommandRecord::Decision(decision) = record else { continue };
            if let risk::Decision::Difference(d) = decision {
                match d.kind {
                    DifferenceKind::MissedFill => sum.recovered += 1,
                    DifferenceKind::MissedEnd => sum.ends += 1,
                    kind if kind.is_unexplained() => sum.unexplained += 1,
                    _ => {}
                }
            }
        }
    }
    assert_eq!(sum.unexplained, 0, "all of it can be found out: {sum:?}");
    let shows = sum.lost > 500 && sum.doubled > 500 && sum.late > 500 && sum.recovered > 100 && sum.ends > 20;
    assert!(shows && sum.repeated > 100, "the run shows too little: {sum:?}");
}

const ETH: InstrumentIdx = InstrumentIdx(1);

/// How the account stands at a venue that agrees with the engine, now.
fn agreed(hall: &Hall) -> VenueState {
    let ledger = hall.engine.portfolio();
    let assets = hall.engine.table().assets().len() as u16;
    let position = ledger.net_position(ACCOUNT, ETH);
    let positions = vec![VenuePosition { instrument: ETH, quantity: position.quantity, cost: position.cost }];
    let orders = hall.engine.orders().iter().map(|w| VenueOrder {
        spec: w.spec,
        venue_id: VenueOrderId(w.spec.client_id.ordinal()),
        status: OrderStatus::Accepted,
        filled: 0,
        set_off: false,
    });
    VenueState {
        account: ACCOUNT,
        since: UnixNanos(0),
        as_of: hall.ts,
        complete: true,
        orders: orders.collect(),
        executions: Vec::new(),
        movements: Vec::new(),
        balances: (0..assets).map(|n| (AssetIdx(n), ledger.balance(ACCOUNT, AssetIdx(n)))).collect(),
        positions,
    }
}

fn tell(hall: &mut Hall, state: VenueState) -> Vec<String> {
    let said = hall.step(EventBody::VenueState(Arc::new(state)));
    words(&said).into_iter().filter(|word| word != "Reconcile" && word != "Desk").collect()
}

fn pass(hall: &mut Hall, seconds: u64) {
    hall.ts = hall.ts.saturating_add(Nanos::from_secs(seconds));
}

/// An engine that has heard from the venue and may trade.
fn begun(script: Script) -> Hall {
    let mut hall = Hall::reconciled(script);
    assert_eq!(hall.engine.mode().mode(), Mode::Reduced, "nothing is known yet");
    pass(&mut hall, 1);
    let state = agreed(&hall);
    assert_eq!(tell(&mut hall, state), ["reconciled", "mode normal cleared", "gate 0"]);
    hall
}

fn buys_at(event: u64) -> Script {
    Script { says: [(event, says(Intent::EnterLong))].into(), ..Script::default() }
}

fn foreign_fill(hall: &Hall, instrument: InstrumentIdx, side: Side, quantity: i64, trade_id: u64) -> Execution {
    let fill = Fill {
        client_id: ClientOrderId::foreign(ACCOUNT),
        fee_amount: Money::ZERO,
        venue_id: VenueOrderId(900),
        trade_id,
        price: 10_000,
        quantity,
        instrument,
        account: ACCOUNT,
        strategy: StrategyIdx::OUTSIDE,
        fee_asset: AssetIdx(0),
        side,
        liquidity: Liquidity::Taker,
    };
    Execution { ts_event: hall.ts, fill }
}

#[test]
fn nothing_is_entered_before_the_venue_has_said_how_the_account_stands() {
    let mut hall = Hall::reconciled(buys_at(0));
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "refused paused 0"]);
    // The answer stays away: it is asked for again, and that is told.
    let mut asked = 0;
    for _ in 0..6 {
        pass(&mut hall, 60);
        let said = words(&hall.step(EventBody::Timer(TimerFired::Reconcile)));
        asked += said.iter().filter(|word| *word == "reconcile 0").count();
        assert_eq!(said.contains(&"alert state_overdue".to_owned()), asked == 3, "{said:?}");
    }
    assert_eq!(asked, 6);
    let state = agreed(&hall);
    assert_eq!(tell(&mut hall, state), ["reconciled", "mode normal cleared", "gate 0"]);
}

#[test]
fn a_difference_that_nothing_explains_counts_when_it_is_seen_twice_and_stays_until_a_rearm() {
    let mut hall = begun(buys_at(0));
    let wrong = |hall: &Hall| {
        let mut state = agreed(hall);
        state.balances[0].1 = state.balances[0].1.checked_sub(Money::from_units(7)).unwrap();
        state
    };
    pass(&mut hall, 60);
    let state = wrong(&hall);
    assert!(tell(&mut hall, state.clone()).is_empty(), "once is not enough");
    assert!(tell(&mut hall, state).is_empty(), "and the same answer twice is one answer");
    pass(&mut hall, 5);
    let state = wrong(&hall);
    let said = tell(&mut hall, state);
    let told = ["difference balance 100000 99993", "alert reconciliation", "mode paused reconciliation", "gate 1"];
    assert_eq!(said, told);
    let holder = Holder::new("anna").unwrap();
    let rearm = || control(Control::Rearm { what: Rearm::Account, holder });
    assert_eq!(words(&hall.step(rearm())), ["rearmed Account false"], "not over a difference");
    pass(&mut hall, 60);
    let state = agreed(&hall);
    assert_eq!(tell(&mut hall, state), ["difference agreed 100000 100000", "reconciled"]);
    assert_eq!(hall.engine.mode().mode(), Mode::Paused, "it stays until somebody has looked");
    assert!(words(&hall.candle(100)).is_empty());
    let said = words(&hall.step(rearm()));
    assert_eq!(said, ["rearmed Account true", "mode normal override", "gate 0"]);
}

#[test]
fn what_was_booked_after_the_instant_of_an_answer_is_no_difference() {
    let mut hall = begun(buys_at(0));
    let state = agreed(&hall);
    pass(&mut hall, 10);
    // The report of a later transfer comes before the answer.
    let amount = Money::from_units(50);
    let body = ReportBody::Transfer { account: ACCOUNT, asset: AssetIdx(0), amount };
    hall.step(EventBody::Report(AccountReport { ts_event: hall.ts, body }));
    for second in 1..4 {
        let as_of = state.as_of.saturating_add(Nanos::from_secs(second));
        assert!(tell(&mut hall, VenueState { as_of, ..state.clone() }).is_empty());
    }
    assert!(!hall.engine.reconciler().unwrap().differs());
}

#[test]
fn a_missed_fill_is_booked_from_its_execution_once_and_its_stop_follows_in_the_same_step() {
    let mut hall = begun(buys_at(0));
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0", "Desk"]);
    let ours = hall.fill(1, Side::Buy, 100, 10_000, true);
    let EventBody::Report(AccountReport { body: ReportBody::Filled { fill, .. }, .. }) = &ours else { panic!() };
    let mut state = agreed(&hall);
    state.orders.clear();
    state.executions = vec![Execution { ts_event: hall.ts, fill: *fill }];
    let usdt = state.balances[0].1;
    state.balances = vec![(AssetIdx(0), usdt.checked_sub(Money::from_units(100)).unwrap())];
    state.balances.push((AssetIdx(1), Money::from_units(1)));
    assert_eq!(
        tell(&mut hall, state.clone()),
        ["difference missed_fill 0 1", "submit Reducing stop-market 0"],
        "and nothing differs"
    );
    let before = (hall.engine.state_digest(), hall.engine.equity(ACCOUNT));
    // The report comes after all, and the answer again.
    assert!(words(&hall.step(ours)).is_empty());
    assert_eq!((hall.engine.state_digest(), hall.engine.equity(ACCOUNT)), before, "it changes nothing anywhere");
    pass(&mut hall, 1);
    state.as_of = hall.ts;
    assert!(!tell(&mut hall, state).iter().any(|word| word.contains("missed_fill")));
    assert_eq!(hall.engine.desk().executions().repeated(), 1);
    assert_eq!(hall.engine.portfolio().net_quantity(ACCOUNT, BTC), Quantity::from_units(1));
    assert_eq!(hall.engine.faults(), []);
}

#[test]
fn an_interruption_of_the_stream_keeps_new_risk_away_until_the_venue_agrees() {
    let mut hall = begun(buys_at(0));
    pass(&mut hall, 100);
    let since = UnixNanos(hall.ts.0 - 20_000_000_000);
    let said = hall.step(control(Control::Gap { account: ACCOUNT, since }));
    let asked = said.iter().find_map(|record| match record {
        risk::CommandRecord::Reconcile { since, .. } => Some(*since),
        _ => None,
    });
    assert!(asked.unwrap() <= since, "from before it broke off");
    assert_eq!(words(&said)[..2], ["mode reduced reconciliation", "gate 1"]);
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "refused paused 0"]);
    let state = agreed(&hall);
    assert_eq!(tell(&mut hall, state), ["reconciled", "mode normal cleared", "gate 0"]);
}

#[test]
fn what_others_do_in_the_account_is_told_and_booked_apart() {
    let mut hall = begun(Script::default());
    pass(&mut hall, 60);
    let mut state = agreed(&hall);
    let spec = OrderSpec {
        client_id: ClientOrderId::foreign(ACCOUNT),
        kind: OrderType::Limit { price: domain::Price::from_units(90) },
        quantity: OrderQuantity::Base(Quantity::from_units(3)),
        time_in_force: TimeInForce::Gtc,
        account: ACCOUNT,
        instrument: ETH,
        strategy: StrategyIdx::OUTSIDE,
        side: Side::Buy,
        post_only: false,
        reduce_only: false,
    };
    let (venue_id, status) = (VenueOrderId(5), OrderStatus::Accepted);
    state.orders = vec![VenueOrder { spec, venue_id, status, filled: 0, set_off: false }];
    state.executions = vec![foreign_fill(&hall, ETH, Side::Buy, 200, 77)];
    let (quantity, cost) = (Quantity::from_units(2), Money::from_units(200));
    state.positions = vec![VenuePosition { instrument: ETH, quantity, cost }];
    let told = [
        "difference foreign_trade 0 2",
        "alert outside_activity",
        // Nothing was printed in it yet.
        "alert input_unknown",
        "difference foreign_order 0 3",
        "alert outside_activity",
    ];
    assert_eq!(tell(&mut hall, state.clone()), told);
    let held = hall.engine.portfolio().position(ACCOUNT, ETH, StrategyIdx::OUTSIDE);
    assert_eq!(held.quantity, quantity, "what we hold is what the venue says");
    assert_eq!(hall.engine.mode().mode(), Mode::Normal);
    assert_eq!(hall.engine.round_trips().open().count(), 0, "it is no trade of ours");
    pass(&mut hall, 60);
    state.as_of = hall.ts;
    assert!(tell(&mut hall, state).is_empty(), "told once");
}

#[test]
fn money_that_moved_and_was_not_told_is_booked_for_what_it_was_and_once() {
    let mut hall = begun(Script::default());
    pass(&mut hall, 60);
    let mut state = agreed(&hall);
    let usdt = AssetIdx(0);
    let movement =
        |units: i64, kind| Movement { ts_event: hall.ts, asset: usdt, amount: Money::from_units(units), kind };
    let moved = [
        movement(40, MovementKind::Transfer),
        movement(-3, MovementKind::Funding { instrument: ETH }),
        movement(-2, MovementKind::Charge),
    ];
    state.movements = moved.to_vec();
    state.balances[0].1 = Money::from_units(100_035);
    let told = ["difference missed_transfer 0 40", "difference missed_funding 0 -3", "difference missed_charge 0 -2"];
    assert_eq!(tell(&mut hall, state.clone()), told);
    let ledger = hall.engine.portfolio();
    assert_eq!(ledger.balance(ACCOUNT, usdt), Money::from_units(100_035));
    assert_eq!(ledger.funding_in(ACCOUNT, usdt), Money::from_units(-3));
    assert_eq!(ledger.fees_in(ACCOUNT, usdt), Money::from_units(2));
    // The reports come after all, one of them twice.
    for movement in [moved[0], moved[1], moved[2], moved[1]] {
        let report = execution::reconcile::report_of(ACCOUNT, &movement);
        assert!(words(&hall.step(EventBody::Report(report))).is_empty());
    }
    pass(&mut hall, 60);
    state.as_of = hall.ts;
    assert!(tell(&mut hall, state).is_empty());
    assert_eq!(hall.engine.portfolio().balance(ACCOUNT, usdt), Money::from_units(100_035));
}

#[test]
fn an_order_of_ours_that_nobody_here_knows_is_taken_over_and_an_entry_taken_off() {
    let mut hall = begun(Script::default());
    pass(&mut hall, 60);
    let mut state = agreed(&hall);
    let spec = OrderSpec {
        client_id: ClientOrderId::new(ACCOUNT, 1, 500),
        kind: OrderType::Limit { price: domain::Price::from_units(90) },
        quantity: OrderQuantity::Base(Quantity::from_units(3)),
        time_in_force: TimeInForce::Gtc,
        account: ACCOUNT,
        instrument: ETH,
        strategy: StrategyIdx(0),
        side: Side::Buy,
        post_only: false,
        reduce_only: false,
    };
    let (venue_id, status) = (VenueOrderId(5), OrderStatus::Accepted);
    state.orders = vec![VenueOrder { spec, venue_id, status, filled: 0, set_off: false }];
    assert_eq!(tell(&mut hall, state), ["alert adopted", "cancel 500", "difference unknown_order 0 3"]);
    // Nothing of ours will ever have a number that was used.
    assert!(hall.engine.orders().get(spec.client_id).is_some());
    let canceled = ReportBody::Canceled { client_id: spec.client_id, reason: None };
    hall.step(report(canceled));
    assert!(hall.engine.orders().is_empty());
}

#[test]
fn an_order_that_is_no_longer_there_is_asked_for() {
    let mut hall = begun(buys_at(0));
    hall.candle(100);
    let accepted = ReportBody::Accepted { client_id: ClientOrderId::new(ACCOUNT, 1, 1), venue_id: VenueOrderId(1) };
    hall.step(report(accepted));
    pass(&mut hall, 60);
    let mut state = agreed(&hall);
    state.orders.clear();
    assert_eq!(tell(&mut hall, state), ["query 1"]);
    let status = Some(OrderStatus::Canceled);
    let answer = ReportBody::Status { client_id: ClientOrderId::new(ACCOUNT, 1, 1), status, filled: 0 };
    assert_eq!(words(&hall.step(report(answer))), ["difference missed_end 1 0"]);
    assert!(hall.engine.orders().is_empty());
}

#[test]
fn a_policy_that_cannot_be_is_refused_with_what_was_expected() {
    let with = |reconcile: ReconcilePolicy, asking| {
        let config = EngineConfig { asking, reconcile: Some(reconcile), ..crate::hall::config(Profile::Off) };
        engine::Engine::new(config).map(|_| ()).map_err(|error| error.to_string())
    };
    let good = ReconcilePolicy::every(Nanos::from_secs(60));
    assert_eq!(with(good, Some(asking())), Ok(()));
    assert!(with(good, None).unwrap_err().contains("policy"));
    for bad in [
        ReconcilePolicy { every: Nanos(0), ..good },
        ReconcilePolicy { states: 0, ..good },
        ReconcilePolicy { restrict: Mode::Normal, ..good },
        ReconcilePolicy { restrict: Mode::Emergency, ..good },
    ] {
        assert!(with(bad, Some(asking())).is_err(), "{bad:?}");
    }
}
