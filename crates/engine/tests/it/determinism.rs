//! Equal events give equal digests, unequal ones do not, and who listens changes nothing.

use crate::hall::{BTC, Hall, Script, control, report, says};
use domain::observe::CheckSeen;
use domain::{
    Control, Event, EventBody, Fill, Intent, MarketFlags, Money, NoObserver, Observer, OrderClass, OrderSpec,
    ReportBody, Side, Signal, StrategyIdx, TimerFired, UnixNanos,
};
use risk::Profile;

fn script() -> Script {
    Script {
        says: [(0, says(Intent::EnterLong)), (2, says(Intent::Exit)), (3, says(Intent::EnterLong))].into(),
        ..Script::default()
    }
}

/// A whole story: entry, fill, stop, exit, fill, another entry.
fn run<O: Observer>(last_close: i64, observer: &mut O) -> Hall {
    let mut hall = Hall::new(script());
    for (step, close) in [100, 101, last_close].into_iter().enumerate() {
        let body = hall.candle_of(0, close, MarketFlags::default());
        hall.step_observed(body, observer);
        if step == 0 {
            let fill = hall.fill(1, Side::Buy, 100, 10_000, true);
            hall.step_observed(fill, observer);
        }
    }
    let fill = hall.fill(3, Side::Sell, 100, 10_100, true);
    hall.step_observed(fill, observer);
    let body = hall.candle_of(0, 100, MarketFlags::default());
    hall.step_observed(body, observer);
    hall
}

#[test]
fn the_same_events_give_the_same_digests() {
    let (a, b) = (run(102, &mut NoObserver), run(102, &mut NoObserver));
    assert_eq!(a.engine.digest(), b.engine.digest());
    assert_eq!(a.engine.state_digest(), b.engine.state_digest());
    assert_eq!(a.engine.faults(), []);
}

#[test]
fn one_event_that_differs_changes_what_it_touches() {
    let (a, b) = (run(102, &mut NoObserver), run(103, &mut NoObserver));
    // Ids are the same, and so are the commands: the price of that bar decided nothing, but it is an input like any other.
    assert_ne!(a.engine.digest(), b.engine.digest(), "another price");
    let mut c = Hall::new(script());
    c.candle(100);
    let mut d = Hall::new(script());
    d.step(control(Control::Pause));
    d.candle(100);
    assert_ne!(c.engine.digest(), d.engine.digest(), "one more event, and a refusal");
    let mut e = Hall::new(script());
    e.candle(90);
    assert_ne!(c.engine.state_digest(), e.engine.state_digest(), "another price");
}

/// Writes down that it heard.
#[derive(Default)]
struct Heard {
    events: u32,
    indicators: u32,
    signals: u32,
    checks: u32,
    refused: u32,
    orders: Vec<OrderClass>,
    fills: Vec<Money>,
}

impl Observer for Heard {
    fn event(&mut self, _: UnixNanos, _: &Event) {
        self.events += 1;
    }
    fn indicator(&mut self, _: UnixNanos, strategy: StrategyIdx, name: &'static str, _: f64) {
        assert_eq!((strategy, name), (StrategyIdx(0), "seen"));
        self.indicators += 1;
    }
    fn signal(&mut self, _: UnixNanos, _: &Signal) {
        self.signals += 1;
    }
    fn check(&mut self, _: UnixNanos, seen: &CheckSeen) {
        self.checks += 1;
        self.refused += u32::from(!seen.passed);
    }
    fn order(&mut self, _: UnixNanos, _: &OrderSpec, class: OrderClass) {
        self.orders.push(class);
    }
    fn fill(&mut self, _: UnixNanos, _: &Fill, realised: Money) {
        self.fills.push(realised);
    }
}

#[test]
fn a_listener_hears_everything_and_changes_nothing() {
    let mut heard = Heard::default();
    let observed = run(102, &mut heard);
    let alone = run(102, &mut NoObserver);
    assert_eq!(observed.engine.digest(), alone.engine.digest());
    assert_eq!(observed.engine.state_digest(), alone.engine.state_digest());
    assert_eq!((heard.events, heard.indicators, heard.signals), (6, 4, 3));
    assert_eq!(heard.orders, [OrderClass::Entry, OrderClass::Reducing, OrderClass::Reducing, OrderClass::Entry]);
    assert_eq!(heard.fills, [Money::ZERO, Money::from_units(1)]);
    assert!(heard.checks > 20 && heard.refused == 0, "{} checks", heard.checks);
}

/// What is changed, and how.
type Change = (&'static str, fn(&mut Hall));

#[test]
fn every_part_of_the_state_is_in_its_digest() {
    let at_rest = || {
        let mut hall = Hall::with(Profile::standard(), &["BTCUSDT", "ETHUSDT"], Script::default());
        hall.candle(100);
        hall
    };
    let changes: [Change; 9] = [
        ("time", |hall| {
            hall.ts = UnixNanos(hall.ts.0 + 1);
            hall.step(control(Control::Resume));
        }),
        ("pause", |hall| {
            hall.step(control(Control::Pause));
        }),
        ("a fault", |hall| {
            let unknown = ReportBody::Expired { client_id: domain::ClientOrderId::new(crate::hall::ACCOUNT, 1, 99) };
            hall.step(report(unknown));
        }),
        ("a balance", |hall| hall.transfer(1)),
        ("rules", |hall| {
            let mut rules = hall.instruments[0].clone();
            rules.min_notional = Money::from_units(6);
            hall.step(engine::defined(rules));
        }),
        ("a price that no strategy sees", |hall| {
            let candle = hall.candle_of(1, 50, MarketFlags::default());
            hall.ts = UnixNanos(hall.ts.0 - 60_000_000_000);
            hall.step(candle);
        }),
        ("a correlation sample", |hall| {
            hall.step(EventBody::Timer(TimerFired::Minute));
        }),
        ("a strategy", |hall| {
            // The same price at the same time: the view is the same, the strategy has seen one event more.
            let candle = hall.candle_of(0, 100, MarketFlags::default());
            hall.ts = UnixNanos(hall.ts.0 - 60_000_000_000);
            hall.step(candle);
        }),
        ("a position", |hall| {
            let fill = hall.fill(99, Side::Buy, 100, 10_000, true);
            hall.step(fill);
        }),
    ];
    let reference = at_rest().engine.state_digest();
    assert_eq!(reference, at_rest().engine.state_digest());
    let mut seen = vec![reference];
    for (what, change) in changes {
        let mut hall = at_rest();
        change(&mut hall);
        let digest = hall.engine.state_digest();
        assert!(!seen.contains(&digest), "{what}");
        seen.push(digest);
    }
    // An order on its way, with what it reserves.
    let mut quiet = Hall::new(Script::default());
    let mut sent = Hall::new(script());
    quiet.candle(100);
    sent.candle(100);
    assert_eq!(quiet.engine.view().get(BTC), sent.engine.view().get(BTC));
    assert_ne!(quiet.engine.state_digest(), sent.engine.state_digest());
}
