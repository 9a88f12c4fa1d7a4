//! What a trip, a word of a key holder and a stopped order lead to, in the order in which it is said.

use crate::hall::{ACCOUNT, Hall, Script, control, says, words};
use domain::{
    Cause, ClientOrderId, Control, EventBody, Holder, Intent, LimitKey, Mode, Money, NotSent, Output, Rearm, Side,
};
use std::collections::BTreeMap;
use std::sync::Arc;

fn script<const N: usize>(says: [(u64, Vec<Output>); N]) -> Script {
    Script { says: BTreeMap::from(says), ..Script::default() }
}

fn anna() -> Holder {
    Holder::new("anna").unwrap()
}

fn trip(flatten: bool, including_stops: bool) -> EventBody {
    control(Control::Trip { cause: Cause::Kill, flatten, including_stops })
}

fn rearm() -> EventBody {
    control(Control::Rearm { what: Rearm::Account, holder: anna() })
}

/// Long 1 BTC, with its stop at the venue, and whatever comes after.
fn long(mut more: Vec<(u64, Vec<Output>)>) -> Hall {
    more.push((0, says(Intent::EnterLong)));
    let mut hall = Hall::new(Script { says: more.into_iter().collect(), ..Script::default() });
    hall.candle(100);
    let fill = hall.fill(1, Side::Buy, 100, 10_000, true);
    assert_eq!(words(&hall.step(fill)), ["submit Reducing stop-market 0"]);
    hall
}

#[test]
fn a_trip_closes_the_gate_before_anything_else_and_only_a_re_arm_opens_it() {
    let mut hall = long(vec![(1, says(Intent::EnterLong)), (2, says(Intent::EnterLong)), (3, says(Intent::Exit))]);
    assert_eq!(words(&hall.step(trip(false, false))), ["mode emergency kill", "gate 1"]);
    assert_eq!(words(&hall.candle(100)), [""; 0], "entries are not even asked for");
    assert_eq!(words(&hall.step(control(Control::Resume))), [""; 0], "an emergency does not end by asking");
    assert_eq!(words(&hall.step(rearm())), ["rearmed Account true", "mode normal override", "gate 0"]);
    assert_eq!(words(&hall.step(rearm())), ["rearmed Account false"], "there is nothing to re-arm");
    assert_eq!(words(&hall.candle(100))[0], "signal EnterLong 0");
    assert_eq!(words(&hall.candle(100)), ["signal Exit 0", "cancel 3", "submit Reducing market 0"]);
}

#[test]
fn a_trip_that_flattens_takes_entries_off_and_closes_until_nothing_is_open() {
    let mut hall = long(vec![(1, says(Intent::EnterLong))]);
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0"]);
    let said = words(&hall.step(trip(true, false)));
    assert_eq!(said, ["mode emergency kill", "gate 1", "cancel 3", "gate 1", "submit Reducing market 0"]);
    // The entry was filled before its cancel arrived: that, too, is closed.
    let fill = hall.fill(3, Side::Buy, 50, 10_000, true);
    assert!(words(&hall.step(fill)).iter().any(|w| w == "submit Reducing stop-market 0"), "protected meanwhile");
    let fill = hall.fill(4, Side::Sell, 100, 10_000, true);
    assert!(words(&hall.step(fill)).iter().any(|w| w == "submit Reducing market 0"));
}

#[test]
fn with_nothing_open_only_cancels_leave_and_a_late_fill_is_told_and_protected() {
    let mut hall = Hall::new(script([(0, says(Intent::EnterLong))]));
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0"]);
    assert_eq!(words(&hall.step(trip(false, true))), ["mode emergency kill", "gate 1", "cancel 1", "gate 2"]);
    let fill = hall.fill(1, Side::Buy, 100, 10_000, true);
    let said = words(&hall.step(fill));
    assert_eq!(said[..2], ["alert late_fill", "gate 1"], "the word lets reductions leave before one is sent");
    assert_eq!(hall.engine.gate_level(), 1);
    // Stops were told to stay off: nothing is placed, and that is told.
    assert!(said.contains(&"alert naked".to_owned()), "{said:?}");
}

#[test]
fn a_key_holder_makes_stricter_and_a_limit_only_tighter() {
    let mut hall = long(vec![(1, says(Intent::EnterLong)), (2, says(Intent::Exit)), (3, says(Intent::EnterLong))]);
    let restrict = |to| control(Control::Restrict { to, cancel_entries: true, holder: anna() });
    assert_eq!(words(&hall.step(restrict(Mode::Paused))), ["mode paused override", "gate 1"]);
    assert_eq!(words(&hall.step(restrict(Mode::Reduced))), [""; 0], "milder than what is in force");
    assert_eq!(words(&hall.candle(100)), [""; 0], "paused strategies are silent");
    assert_eq!(words(&hall.candle(100)), [""; 0], "exits, too: stops go on");
    assert_eq!(words(&hall.step(control(Control::Resume))), ["mode normal cleared", "gate 0"]);
    let tighten = |limit, to: i64| control(Control::Tighten { limit, to: Money::from_units(to).raw(), holder: anna() });
    assert_eq!(words(&hall.step(tighten(LimitKey::Positions, 11))), ["limit positions_max 10 10"], "looser: it stays");
    assert_eq!(words(&hall.step(tighten(LimitKey::Positions, 3))), ["limit positions_max 10 3"]);
    assert_eq!(words(&hall.step(tighten(LimitKey::Positions, 5))), ["limit positions_max 3 3"]);
    assert_eq!(hall.engine.limits().unwrap().positions_max, 3);
    let asked_for_more = control(Control::Restrict { to: Mode::Emergency, cancel_entries: false, holder: anna() });
    assert_eq!(words(&hall.step(asked_for_more)), ["mode paused override", "gate 1"], "an emergency is a trip");
}

#[test]
fn an_order_that_the_word_stopped_holds_nothing_and_a_stop_is_tried_again() {
    let mut hall = Hall::new(script([(0, says(Intent::EnterLong)), (1, says(Intent::EnterLong))]));
    hall.candle(100);
    let stopped = |n| {
        let orders = vec![ClientOrderId::new(ACCOUNT, 1, n)];
        EventBody::NotSent(Arc::new(NotSent { level: 1, orders }))
    };
    assert_eq!(words(&hall.step(stopped(1))), ["alert not_sent"]);
    assert!(hall.engine.orders().is_empty());
    assert_eq!(words(&hall.candle(100)), ["signal EnterLong 0", "submit Entry market 0"], "its size is free again");
    let fill = hall.fill(2, Side::Buy, 100, 10_000, true);
    assert_eq!(words(&hall.step(fill)), ["submit Reducing stop-market 0"]);
    let said = words(&hall.step(stopped(3)));
    assert!(said.contains(&"alert naked".to_owned()) && said.contains(&"Desk".to_owned()), "{said:?}");
}
