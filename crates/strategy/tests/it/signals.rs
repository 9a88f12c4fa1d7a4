//! What strategies say on which bar.

use crate::stand::Stand;
use domain::InstrumentKind::{LinearPerpetual, Spot};
use domain::{
    Entry, EventBody, Intent, Leg, Output, Quantity, Rate, Signal, SizeRequest, StopPlan, TimeInForce, UnixNanos,
};

/// The signals that a run of closes causes, by bar.
fn said(stand: &mut Stand, closes: &[i64]) -> Vec<(usize, Intent)> {
    let each = closes.iter().enumerate();
    each.filter_map(|(n, &close)| Some((n, stand.close(n as u64, close)?.intent))).collect()
}

/// Falls, rises, falls, rises: averages of 1 and 3 bars cross at bars 4, 7 and 9.
const CLOSES: [i64; 10] =
    [1_000_000, 990_000, 980_000, 970_000, 990_000, 1_010_000, 1_030_000, 900_000, 880_000, 950_000];

#[test]
fn a_cross_enters_and_leaves_on_spot_and_turns_around_on_a_perpetual() {
    let params = ["fast=1", "slow=3"];
    let mut spot = Stand::new(Spot, "sma-cross", &params, "none");
    use Intent::{EnterLong, EnterShort, Exit};
    assert_eq!(said(&mut spot, &CLOSES), [(4, EnterLong), (7, Exit), (9, EnterLong)]);
    let short = ["fast=1", "slow=3", "short=yes"];
    let mut perpetual = Stand::new(LinearPerpetual, "sma-cross", &short, "none");
    assert_eq!(said(&mut perpetual, &CLOSES), [(4, EnterLong), (7, EnterShort), (9, EnterLong)]);
    let mut never = Stand::new(LinearPerpetual, "sma-cross", &params, "none");
    assert_eq!(said(&mut never, &CLOSES), [(4, EnterLong), (7, Exit), (9, EnterLong)]);
    let mut not_on_spot = Stand::new(Spot, "sma-cross", &short, "none");
    assert_eq!(said(&mut not_on_spot, &CLOSES), [(4, EnterLong), (7, Exit), (9, EnterLong)]);
}

#[test]
fn a_level_acts_from_the_first_bar_on_which_both_averages_are_defined() {
    use Intent::{EnterLong, EnterShort, Exit};
    let rising: Vec<i64> = (0..6).map(|n| 1_000_000 + n * 1_000).collect();
    let mut level = Stand::new(Spot, "sma-cross", &["fast=1", "slow=3", "enter=level"], "none");
    assert_eq!(said(&mut level, &rising), [(2, EnterLong)], "once, and not before bar 2");
    let mut cross = Stand::new(Spot, "sma-cross", &["fast=1", "slow=3"], "none");
    assert_eq!(said(&mut cross, &rising), [], "no cross");
    let mut short = Stand::new(LinearPerpetual, "ema-cross", &["fast=1", "slow=3", "enter=level", "short=yes"], "none");
    assert_eq!(said(&mut short, &CLOSES), [(2, EnterShort), (4, EnterLong), (7, EnterShort), (9, EnterLong)]);
    // A position that was stopped out is entered again by the next bar that stands so.
    let mut stopped = Stand::new(Spot, "sma-cross", &["fast=1", "slow=3", "enter=level"], "none");
    assert_eq!(said(&mut stopped, &rising), [(2, EnterLong)]);
    stopped.trade(Quantity::from_units(-1));
    assert_eq!(stopped.close(6, 1_010_000).map(|s| s.intent), Some(EnterLong));
    assert_eq!(stopped.close(7, 900_000).map(|s| s.intent), Some(Exit));
}

#[test]
fn a_breakout_enters_above_the_channel_and_leaves_below_the_shorter_one() {
    use Intent::{EnterLong, Exit};
    let closes = [1_000_000, 1_000_100, 1_000_050, 1_000_101, 1_000_200, 1_000_150, 1_000_150, 1_000_148];
    let mut stand = Stand::new(Spot, "donchian", &["entry=3", "exit=2"], "none");
    // Highs are a tick above the close and lows one below it: 1,000,101 is the edge of the channel, and no break.
    assert_eq!(said(&mut stand, &closes), [(4, EnterLong), (7, Exit)]);
}

#[test]
fn buy_and_hold_buys_once_on_its_bar() {
    let mut stand = Stand::new(Spot, "buy-and-hold", &["enter_bar=3"], "none");
    assert_eq!(said(&mut stand, &CLOSES), [(3, Intent::EnterLong)]);
}

#[test]
fn longer_bars_speak_when_they_are_complete() {
    let mut stand = Stand::new(Spot, "buy-and-hold", &["enter_bar=1", "bar=5m"], "none");
    let closes: Vec<i64> = (0..30).map(|n| 1_000_000 + n).collect();
    let signals: Vec<(usize, Signal)> =
        closes.iter().enumerate().filter_map(|(n, &c)| Some((n, stand.close(n as u64, c)?))).collect();
    let [(at, signal)] = signals.as_slice() else { panic!("{signals:?}") };
    // The second bar of five minutes is complete with minute 9, whose close it saw.
    assert_eq!((*at, signal.reference), (9, 1_000_009));
}

#[test]
fn signals_say_all_that_is_asked_of_them() {
    let mut stand = Stand::new(Spot, "buy-and-hold", &["enter_bar=4"], "atr:2:3");
    let signal = (0..5).find_map(|n| stand.close(n, 1_000_000)).unwrap();
    // Bars reach a tick up and down from the close: the true range is 0.02, three times that is 0.06.
    let Some(StopPlan::Distance(distance)) = signal.stop else { panic!("{signal:?}") };
    testkit::assert_close(distance.to_f64(), 0.06, 1e-9, 0.0);
    assert_eq!(signal.size, SizeRequest::EquityFraction(Rate::from_bps(100)));
    assert_eq!((signal.entry, signal.target, signal.statistics), (Entry::Market, None, None));
    assert_eq!((signal.confidence, signal.reference), (1.0, 1_000_000));
    assert_eq!(signal.instrument, stand.instrument.idx);
    let mut early = Stand::new(Spot, "buy-and-hold", &["enter_bar=1"], "atr:5:3");
    let signal = (0..3).find_map(|n| early.close(n, 1_000_000)).unwrap();
    assert_eq!(signal.stop, None, "no range is known yet: with limits on, the gate refuses it");
    let mut fixed = Stand::new(Spot, "sma-cross", &["fast=1", "slow=2", "enter=level"], "pct:2");
    let up = (0..3).find_map(|n| fixed.close(n, 1_000_000 + n as i64)).unwrap();
    assert_eq!(up.stop, Some(StopPlan::Fraction(Rate::from_bps(200))));
    let exit = fixed.close(3, 900_000).unwrap();
    assert_eq!((exit.intent, exit.size, exit.stop), (Intent::Exit, SizeRequest::Position, None));
}

#[test]
fn an_entry_on_its_way_is_not_asked_for_twice_and_can_be_taken_back() {
    let mut stand = Stand::new(Spot, "sma-cross", &["fast=1", "slow=2", "enter=level"], "none");
    stand.fills = false;
    let intents: Vec<_> = (0..4).map(|n| stand.close(n, 1_000_000 + n as i64).map(|s| s.intent)).collect();
    assert_eq!(intents, [None, Some(Intent::EnterLong), Some(Intent::EnterLong), Some(Intent::EnterLong)]);
    stand.entry_working = true;
    assert_eq!(stand.close(4, 1_000_010), None);
    assert_eq!(stand.close(5, 900_000).map(|s| s.intent), Some(Intent::Exit));
}

#[test]
fn dust_is_no_position() {
    let mut stand = Stand::new(Spot, "sma-cross", &["fast=1", "slow=2", "enter=level"], "none");
    stand.fills = false;
    stand.close(0, 1_000_000);
    // 0.0004 at 10,000 is 4 USDT, less than an order may be worth.
    stand.trade(testkit::quantity("0.0004"));
    assert_eq!(stand.close(1, 1_000_001).map(|s| s.intent), Some(Intent::EnterLong));
    assert_eq!(stand.close(2, 999_000), None, "nothing to leave");
    stand.trade(testkit::quantity("0.0002"));
    assert_eq!(stand.close(3, 999_500), None, "held");
    assert_eq!(stand.close(4, 999_000).map(|s| s.intent), Some(Intent::Exit));
}

#[test]
fn a_pair_waits_a_tick_beyond_the_channel_or_at_its_lower_edge() {
    let closes = [1_000_000, 1_000_100, 1_000_050];
    for (kind, short, second) in [
        (LinearPerpetual, "short=yes", (Intent::EnterShort, Entry::Stop(testkit::price("9999.98")))),
        (LinearPerpetual, "short=no", (Intent::EnterLong, Entry::Limit(testkit::price("9999.99")))),
        (Spot, "short=yes", (Intent::EnterLong, Entry::Limit(testkit::price("9999.99")))),
    ] {
        let params = ["entry=3", "target=4", "valid=10m", short];
        let mut stand = Stand::new(kind, "breakout-pair", &params, "pct:1");
        let mut said = Vec::new();
        for (minute, &close) in (0..).zip(&closes) {
            let candle = testkit::candle(&stand.instrument, minute, [close, close + 1, close - 1, close], 10);
            said.extend(stand.see(candle.ts_close(), &EventBody::Candle(candle)));
        }
        // Highs are a tick above the close and lows one below it: the channel is 9,999.99 to 10,001.01.
        let [Output::Group(group)] = &said[..] else { panic!("{said:?}") };
        let legs: Vec<Leg> = group.legs().copied().collect();
        assert!(group.is_sound() && legs.len() == 2, "{group:?}");
        assert_eq!((legs[0].intent, legs[0].entry), (Intent::EnterLong, Entry::Stop(testkit::price("10001.02"))));
        assert_eq!((legs[1].intent, legs[1].entry), (second.0, second.1), "{kind:?}, {short}");
        // Four widths of 1.02 beyond the entry.
        assert_eq!(legs[0].target, Some(testkit::price("10005.10")));
        let target = if second.0 == Intent::EnterShort { "9995.90" } else { "10004.07" };
        assert_eq!(legs[1].target, Some(testkit::price(target)), "{kind:?}, {short}");
        let until = UnixNanos(testkit::T0.0 + 13 * 60_000_000_000);
        assert!(legs.iter().all(|leg| leg.time_in_force == TimeInForce::Gtd(until)), "{legs:?}");
        assert!(legs.iter().all(|leg| leg.stop == Some(StopPlan::Fraction(Rate::from_bps(100)))), "{legs:?}");
        // While something is on its way or held nothing is asked for.
        stand.entry_working = true;
        assert_eq!(stand.close(3, 1_000_060), None);
        stand.entry_working = false;
        stand.trade(Quantity::from_units(1));
        assert_eq!(stand.close(4, 1_000_060), None);
    }
}
