//! What events cause: signals, orders, timers, refusals, faults.

use crate::hall::{ACCOUNT, BTC, Hall, Script, config, control, question, report, says, signal, timer, words};
use domain::{
    AccountId, AssetIdx, Control, EventBody, Instrument, Intent, MarketFlags, ModelOutput, Money, Output, Price,
    Quantity, RejectReason, ReportBody, Side, Signal, StrategyIdx, TimerFired, UnixNanos,
};
use engine::{Engine, EngineConfig, EngineError, Fault, defined};
use execution::Alarm;
use risk::{CommandRecord, Limits, Profile};

fn script(says: impl IntoIterator<Item = (u64, Vec<Output>)>) -> Script {
    Script { says: says.into_iter().collect(), ..Script::default() }
}

#[test]
fn a_signal_becomes_an_order_a_fill_a_stop_and_an_exit_a_round_trip() {
    let mut hall = Hall::new(script([(0, says(Intent::EnterLong)), (1, says(Intent::Exit))]));
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0"]);
    let fill = hall.fill(1, Side::Buy, 100, 10_000, true);
    assert_eq!(words(&hall.step(fill)), ["submit Reducing stop-market 0"]);
    assert!(hall.engine.booked().unwrap().trip.is_none());
    assert_eq!(words(&hall.candle(110)), ["signal Exit 0", "submit Reducing market 0"]);
    let fill = hall.fill(3, Side::Sell, 100, 11_000, true);
    assert_eq!(words(&hall.step(fill)), ["cancel 2"]);
    assert!(hall.engine.booked().unwrap().trip.is_some());
    assert_eq!(hall.engine.equity(ACCOUNT), Some(Money::from_units(100_010)));
    assert_eq!(hall.engine.faults(), []);
}

#[test]
fn history_that_warms_up_causes_no_commands() {
    let all = || vec![Output::Signal(signal(Intent::EnterLong)), timer(1, 1), question(1)];
    let mut hall = Hall::new(script([(0, all()), (1, all()), (2, all())]));
    for _ in 0..2 {
        let body = hall.candle_of(0, 100, MarketFlags::WARMUP);
        assert_eq!(hall.step(body), []);
    }
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0", "timer 0 1", "infer 0 1"]);
}

#[test]
fn what_a_gap_filler_made_is_no_price_and_opens_no_risk() {
    let enter = || says(Intent::EnterLong);
    let mut hall = Hall::new(script([(1, enter()), (2, enter()), (3, says(Intent::Exit))]));
    hall.candle(100);
    let before = hall.engine.view().get(BTC);
    let made = hall.candle_of(0, 150, MarketFlags::SYNTHETIC);
    assert_eq!(words(&hall.step(made)), ["signal EnterLong 0", "refused warmup 0"]);
    let after = hall.engine.view().get(BTC);
    assert_eq!((after.last, after.ts), (before.last, before.ts), "neither price nor age");
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0"], "real again");
    let fill = hall.fill(1, Side::Buy, 100, 10_000, true);
    hall.step(fill);
    let made = hall.candle_of(0, 150, MarketFlags::SYNTHETIC);
    assert_eq!(
        words(&hall.step(made)),
        ["signal Exit 0", "submit Reducing market 0"],
        "a reduction is never held back"
    );
    assert_eq!(hall.engine.equity(ACCOUNT), Some(Money::from_units(100_000)), "nor valued at what was made");
}

#[test]
fn a_signal_given_by_a_timer_while_history_warms_up_is_refused() {
    let mut hall = Hall::new(Script { on_timer: says(Intent::EnterLong), ..Script::default() });
    let body = hall.candle_of(0, 100, MarketFlags::WARMUP);
    hall.step(body);
    let fired = EventBody::Timer(TimerFired::Strategy { strategy: StrategyIdx(0), id: 1 });
    assert_eq!(words(&hall.step(fired)), ["signal EnterLong 0", "refused warmup 0"]);
}

#[test]
fn time_never_goes_back() {
    let mut hall = Hall::new(script([(1, says(Intent::EnterLong))]));
    hall.candle(100);
    let now = hall.ts;
    hall.ts = UnixNanos(now.0 - 200_000_000_000);
    let commands = hall.candle(100);
    assert_eq!(hall.engine.clamped(), 1);
    assert_eq!(hall.engine.view().get(BTC).ts, now, "the late event counts as now");
    let CommandRecord::Submit { valid_until, .. } = commands[1] else { panic!("{commands:?}") };
    assert!(valid_until > now);
    hall.ts = now;
    hall.candle(100);
    assert_eq!(hall.engine.clamped(), 1);
}

#[test]
fn a_pause_denies_new_risk_and_no_reduction() {
    let enter = || says(Intent::EnterLong);
    let mut hall = Hall::new(script([(0, enter()), (1, enter()), (2, says(Intent::Exit)), (3, enter())]));
    hall.candle(100);
    let fill = hall.fill(1, Side::Buy, 100, 10_000, true);
    assert_eq!(words(&hall.step(control(Control::Pause))), ["mode reduced journal", "gate 1"]);
    assert_eq!(words(&hall.step(fill)), ["submit Reducing stop-market 0"]);
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "refused paused 0"]);
    assert_eq!(words(&hall.candle(100)), ["signal Exit 0", "submit Reducing market 0"]);
    assert_eq!(words(&hall.step(control(Control::Resume))), ["mode normal cleared", "gate 0"]);
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0"]);
}

#[test]
fn an_account_that_is_not_configured_is_unknown_and_a_signal_that_is_none_is_refused() {
    let foreign = Signal { account: AccountId(5), ..signal(Intent::EnterLong) };
    let broken = Signal { confidence: f64::NAN, ..signal(Intent::EnterLong) };
    let mut hall = Hall::new(script([(0, vec![Output::Signal(foreign), Output::Signal(broken)])]));
    assert_eq!(words(&hall.candle(100)), ["refused account_unknown 0", "refused signal_invalid 0"]);
}

#[test]
fn rules_may_change_and_what_cannot_is_a_fault() {
    let mut hall = Hall::new(script([(0, says(Intent::EnterLong)), (1, says(Intent::EnterLong))]));
    let coarse = Instrument { min_notional: Money::from_units(500), ..hall.instruments[0].clone() };
    hall.step(defined(coarse.clone()));
    assert_eq!(hall.engine.table().get(BTC).unwrap().min_notional, Money::from_units(500));
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "refused min_notional 0"]);
    hall.step(defined(Instrument { price_decimals: 3, tick: Price::from_units(1), ..coarse }));
    assert!(matches!(hall.engine.faults(), [Fault::Instrument(text)] if text.contains("cannot change")));
    assert_eq!(hall.engine.table().get(BTC).unwrap().price_decimals, 2);
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "refused paused 0"]);
}

#[test]
fn what_cannot_have_been_sold_is_booked_and_a_fault_that_no_resume_lifts() {
    let mut hall = Hall::new(script([(1, says(Intent::EnterLong))]));
    hall.candle(100);
    // Nobody holds what is sold.
    let fill = hall.fill(1, Side::Sell, 100, 10_000, true);
    let said = words(&hall.step(fill));
    assert!(matches!(hall.engine.faults(), [Fault::Ledger(_), Fault::Alarm(Alarm::UnknownOrder(_))]));
    assert!(said.contains(&"alert negative_balance".to_owned()), "{said:?}");
    assert!(hall.engine.booked().is_some());
    let held = hall.engine.portfolio().position(ACCOUNT, BTC, StrategyIdx(0));
    assert_eq!(held.quantity, Quantity::from_units(-1), "the venue is the truth");
    assert!(hall.engine.orders().is_empty(), "nothing can be closed about that");
    assert_eq!(hall.engine.equity(ACCOUNT), Some(Money::from_units(100_000)));
    hall.step(control(Control::Resume));
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "refused paused 0"]);
    for _ in 0..200 {
        let fill = hall.fill(1, Side::Sell, 100, 10_000, true);
        hall.step(fill);
    }
    assert_eq!(hall.engine.faults().len(), 100, "the list of faults has an end");
    assert!(hall.engine.faults()[0].to_string().starts_with("ledger: "));
}

#[test]
fn a_refused_reduction_at_the_venue_is_a_fault() {
    let mut hall = Hall::new(script([(0, says(Intent::EnterLong))]));
    hall.candle(100);
    let fill = hall.fill(1, Side::Buy, 100, 10_000, true);
    hall.step(fill);
    let client_id = hall.engine.orders().iter().next().unwrap().spec.client_id;
    let refused = report(ReportBody::Rejected { client_id, reason: RejectReason::Unsupported });
    assert_eq!(words(&hall.step(refused)), ["submit Reducing market 0", "mode reduced fault", "gate 1"]);
    assert!(matches!(hall.engine.faults(), [Fault::Alarm(Alarm::ReductionRejected(..))]));
}

#[test]
fn timers_and_questions_carry_the_strategy_that_asked() {
    let mut hall = Hall::new(Script {
        on_timer: vec![timer(9, 2)],
        on_model: says(Intent::EnterLong),
        ..script([(0, vec![timer(5, 1), question(3)])])
    });
    let commands = hall.candle(100);
    assert_eq!(words(&commands), ["timer 0 1", "infer 0 3"]);
    let mine = TimerFired::Strategy { strategy: StrategyIdx(0), id: 1 };
    assert_eq!(commands[0], CommandRecord::Timer { at: UnixNanos(5), timer: mine });
    assert_eq!(words(&hall.step(EventBody::Timer(mine))), ["timer 0 2"]);
    let answer = ModelOutput { strategy: StrategyIdx(0), model: 3, as_of: testkit::T0, value: None };
    assert_eq!(words(&hall.step(EventBody::ModelOutput(answer))), ["signal EnterLong 0", "submit Entry market 0"]);
    // One that does not exist is asked nothing.
    let nobody = TimerFired::Strategy { strategy: StrategyIdx(9), id: 1 };
    assert_eq!(hall.step(EventBody::Timer(nobody)), []);
}

/// The timers that a step asked for.
fn timers(commands: &[CommandRecord]) -> Vec<(UnixNanos, TimerFired)> {
    let of = |command: &CommandRecord| match command {
        CommandRecord::Timer { at, timer } => Some((*at, *timer)),
        _ => None,
    };
    commands.iter().filter_map(of).collect()
}

#[test]
fn the_sampler_is_armed_by_the_second_instrument_and_then_by_itself() {
    let mut table = domain::InstrumentTable::default();
    table.asset("USDT", 8).unwrap();
    let instruments: Vec<Instrument> =
        ["AUSDT", "BUSDT", "CUSDT"].iter().map(|s| testkit::add_spot(&mut table, s, 2, 2)).collect();
    let sampled = |profile: Profile| {
        let mut hall = Hall::with(profile, &[], Script::default());
        hall.engine.define_assets(&table).unwrap();
        hall.ts = UnixNanos(testkit::T0.0 + 61_000_000_000);
        let each: Vec<_> = instruments.iter().map(|i| timers(&hall.step(defined(i.clone())))).collect();
        (hall, each)
    };
    let day = (UnixNanos(testkit::T0.0 + 86_400_000_000_000), TimerFired::Day);
    let minute = |n: u64| (UnixNanos(testkit::T0.0 + (n * 60 + 5) * 1_000_000_000), TimerFired::Minute);
    let (mut hall, each) = sampled(Profile::standard());
    // At 61 s the sample of the minute that ended at 60 s is still to come, at 65 s.
    assert_eq!(each, [vec![day], vec![minute(1)], vec![]]);
    hall.ts = minute(1).0;
    assert_eq!(timers(&hall.step(EventBody::Timer(TimerFired::Minute))), [minute(2)]);
    // A late timer asks for the next one after now.
    hall.ts = UnixNanos(minute(4).0.0 + 1);
    assert_eq!(timers(&hall.step(EventBody::Timer(TimerFired::Minute))), [minute(5)]);
    hall.ts = day.0;
    assert_eq!(
        timers(&hall.step(EventBody::Timer(TimerFired::Day))),
        [(UnixNanos(day.0.0 + 86_400_000_000_000), TimerFired::Day)]
    );
    // Without limits nothing needs correlations.
    assert_eq!(sampled(Profile::Off).1, [vec![day], vec![], vec![]]);
}

#[test]
fn an_engine_that_cannot_be_is_refused() {
    let good = config(Profile::standard());
    let sampling = EngineConfig { correlation_lateness: good.correlation_every, ..good.clone() };
    assert!(matches!(Engine::new(sampling).err(), Some(EngineError::Sampling { .. })));
    let limits = Limits { correlation_max: f64::NAN, ..Limits::default() };
    let error = Engine::new(config(Profile::Research(limits))).err().unwrap();
    assert!(error.to_string().contains("correlation_max"), "{error}");
    assert!(Engine::new(EngineConfig { report_currency: AssetIdx(3), ..good }).is_ok());
}
