//! Pairs held by the venue against pairs that the desk keeps: the same scenarios, the same outcomes.

use crate::harness::{Log, assert_agree, assert_identity, begin, go_on, input, session};
use bot4::runner::plan::ACCOUNT;
use domain::{
    Entry, EventBody, Fill, GroupKind, GroupRequest, InstrumentIdx, InstrumentKind, InstrumentTable, Intent, Leg,
    Money, Output, Quantity, Rate, SizeRequest, StopPlan, TimeInForce,
};
use risk::Profile;
use sim::VenueConfig;
use store::history::Rows;
use strategy::{Context, Reader, StateError, Strategy};
use testkit::generate::Seeded;

/// Asks for a pair around the price whenever nothing is held and nothing is on its way.
struct Straddler {
    instrument: InstrumentIdx,
    state: u64,
    asked: u64,
}

impl Strategy for Straddler {
    fn name(&self) -> &'static str {
        "straddler"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        std::slice::from_ref(&self.instrument)
    }

    fn on_market(&mut self, context: &Context<'_>, _: &EventBody, out: &mut Vec<Output>) {
        let (Some(rules), Some(mark)) = (context.table.get(self.instrument), context.view.mark(self.instrument)) else {
            return;
        };
        if context.entry_working || context.holds(rules) {
            return;
        }
        self.asked += 1;
        let mut random = Seeded::new(self.state ^ self.asked);
        let mut leg = |intent, stops: bool| {
            let away = random.within(10, 60) * if intent == Intent::EnterLong { 1 } else { -1 };
            let price = rules.price(mark + if stops { away } else { -away });
            Leg {
                intent,
                size: SizeRequest::Base(Quantity::from_mantissa(random.within(1_000, 9_000), 3)),
                entry: if stops { Entry::Stop(price) } else { Entry::Limit(price) },
                time_in_force: TimeInForce::Gtc,
                stop: Some(StopPlan::Fraction(Rate::from_bps(60))),
                target: None,
                reference: mark,
                instrument: self.instrument,
            }
        };
        let both_ways = rules.kind == InstrumentKind::LinearPerpetual;
        let legs = match (both_ways, self.asked % 3) {
            (true, 0) => [leg(Intent::EnterLong, true), leg(Intent::EnterShort, true)],
            (true, 1) => [leg(Intent::EnterLong, false), leg(Intent::EnterShort, false)],
            _ => [leg(Intent::EnterLong, false), leg(Intent::EnterLong, true)],
        };
        let group = GroupRequest::new(GroupKind::OneCancelsOther, &legs, context.account, context.strategy).unwrap();
        out.push(Output::Group(group));
    }

    fn parameters(&self, _: &mut Vec<u8>) {}

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.asked.to_le_bytes());
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.asked = from.u64()?;
        Ok(())
    }
}

/// What a run came to: its fills but for the venue's own numbers, and the balance in quote.
fn outcome(seed: u64, perpetual: bool, partial: bool, pairs: bool) -> (Vec<(Fill, u64)>, Money, usize) {
    let mut table = InstrumentTable::default();
    let i = if perpetual {
        testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3)
    } else {
        testkit::add_spot(&mut table, "BTCUSDT", 2, 3)
    };
    let config =
        VenueConfig { pairs, participation: partial.then_some(Rate::from_bps(5_000)), ..VenueConfig::frictionless() };
    let strategy = Straddler { instrument: i.idx, state: seed, asked: 0 };
    let mut s = session(&table, config, Profile::Off, vec![Box::new(strategy)]);
    let mut log = Log::default();
    begin(&mut s, testkit::T0, &table, "100000", &mut log);
    let mut random = Seeded::new(seed);
    let (mut middle, mut quotes) = (10_000_i64, Vec::new());
    for n in 1..1_500_u64 {
        middle = (middle + random.within(-25, 25)).max(2_000);
        let sizes = (random.within(500, 9_000), random.within(500, 9_000));
        quotes.push(testkit::quote(&i, n * 1_000_000_000, (middle - 2, sizes.0), (middle + 2, sizes.1)));
    }
    go_on(&mut s, vec![input(i.idx, Rows::Quotes(quotes))], &mut log);
    let about = format!("seed {seed}, perpetual {perpetual}, partial {partial}, pairs {pairs}");
    assert_eq!(s.engine.faults(), [], "{about}");
    assert_agree(&s, &table, &about);
    assert_identity(&s, &table, &about);
    log.assert_reconciled(&s, &about);
    let fills =
        log.fills.iter().map(|(ts, fill)| (Fill { trade_id: 0, venue_id: domain::VenueOrderId(0), ..*fill }, ts.0));
    (fills.collect(), s.venue.balance(ACCOUNT, i.quote), log.refusals.len())
}

#[test]
fn pairs_at_the_venue_and_at_the_desk_come_to_the_same() {
    let mut fills = 0;
    for seed in 0..40 {
        for (perpetual, partial) in [(false, false), (false, true), (true, false), (true, true)] {
            let held = outcome(seed, perpetual, partial, true);
            let kept = outcome(seed, perpetual, partial, false);
            assert_eq!(held, kept, "seed {seed}, perpetual {perpetual}, partial {partial}");
            fills += held.0.len();
        }
    }
    assert!(fills > 3_000, "{fills} fills");
}
