//! Complex orders at the desk: placing a pair, a fill that takes the other order off, releasing a triggered order, breaking a combination.
//!
//! One call is one operation of the desk with everything that it does in that step: checks of all legs at the gate under wide limits, orders
//! of legs, cancels, protection of what was filled. Reports and the ledger's bookings are made outside of what is timed.

use crate::counting::allocations_of;
use domain::{
    AccountId, ChildSize, ClientOrderId, Entry, Fill, GroupKind, GroupRequest, InstrumentIdx, InstrumentTable, Intent,
    Leg, LegRisk, Liquidity, MarketFlags, MarketView, Mode, Money, NoObserver, Price, Quantity, Rate, ReportBody,
    Sequence, Side, SizeRequest, StopPlan, StrategyIdx, TimeInForce, Trigger, UnixNanos, VenueOrderId,
};
use execution::{Desk, World};
use portfolio::Portfolio;
use risk::{Command, Gate, Limits, Profile, Scene, Standing};
use serde_json::json;
use std::time::Instant;

const ACCOUNT: AccountId = AccountId(0);
const A: InstrumentIdx = InstrumentIdx(0);
const B: InstrumentIdx = InstrumentIdx(1);
const WARM: usize = 2_000;
const CALLS: usize = 50_000;

struct Floor {
    table: InstrumentTable,
    view: MarketView,
    portfolio: Portfolio,
    gate: Gate,
    desk: Desk,
    ts: UnixNanos,
    out: Vec<Command>,
    trades: u64,
}

/// What was measured of one kind of operation.
struct Figures {
    name: &'static str,
    nanos: Vec<u64>,
    allocations: u64,
}

impl Figures {
    fn new(name: &'static str) -> Self {
        Self { name, nanos: Vec::with_capacity(CALLS), allocations: 0 }
    }

    fn print(mut self) {
        self.nanos.sort_unstable();
        let at = |part: f64| self.nanos.get((self.nanos.len() as f64 * part) as usize).copied().unwrap_or(0);
        let line = json!({
            "bench": format!("groups {}", self.name),
            "calls": self.nanos.len(),
            "p50_ns": at(0.5),
            "p99_ns": at(0.99),
            "max_ns": self.nanos.last(),
            "allocations": self.allocations,
        });
        println!("{line}");
    }
}

impl Floor {
    fn new() -> Result<Self, String> {
        let mut table = InstrumentTable::default();
        let mut view = MarketView::default();
        let limits = Limits { correlation_samples_min: 0, ..Limits::relaxed() };
        let mut gate = Gate::new(Profile::Research(limits));
        let instruments = ["AUSDT", "BUSDT"].map(|symbol| testkit::add_perpetual(&mut table, symbol, 2, 2));
        let mut portfolio = Portfolio::new(instruments[0].quote);
        for instrument in &instruments {
            portfolio.define(instrument);
            view.add_instrument(instrument.idx);
            gate.add_sharer(instrument.idx);
        }
        portfolio.transfer(ACCOUNT, instruments[0].quote, Money::from_units(1_000_000)).map_err(|e| e.to_string())?;
        let mut floor = Self {
            table,
            view,
            portfolio,
            gate,
            desk: Desk::new(1),
            ts: testkit::T0,
            out: Vec::with_capacity(64),
            trades: 0,
        };
        // How alike the two move is known: they do not.
        for minute in 0..200_i64 {
            floor.ts = UnixNanos(floor.ts.0 + 60_000_000_000);
            floor.view.traded(floor.ts, A, 10_000 + if minute % 2 == 0 { 5 } else { -5 }, MarketFlags::default());
            floor.view.traded(floor.ts, B, 10_000 + if minute / 2 % 2 == 0 { 5 } else { -5 }, MarketFlags::default());
            floor.gate.sample(floor.ts, &floor.view);
        }
        for instrument in [A, B, A, B] {
            floor.view.traded(floor.ts, instrument, 10_000, MarketFlags::default());
        }
        Ok(floor)
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Desk, &mut World<'_, '_, NoObserver>) -> T) -> T {
        let Self { table, view, portfolio, gate, desk, ts, out, .. } = self;
        let (ts, mode, standing) = (*ts, Mode::Normal, Standing::CALM_REF);
        let scene = Scene { ts, table, view, portfolio, mode, standing };
        act(desk, &mut World { scene, gate, out, observer: &mut NoObserver })
    }

    /// Runs one operation, timed and with its allocations counted.
    fn timed<T>(&mut self, figures: Option<&mut Figures>, act: impl FnOnce(&mut Self) -> T) -> T {
        let begun = Instant::now();
        let (result, count) = allocations_of(|| act(self));
        let nanos = begun.elapsed().as_nanos() as u64;
        if let Some(figures) = figures {
            figures.nanos.push(nanos);
            figures.allocations += count;
        }
        result
    }

    fn place(&mut self, request: &GroupRequest, figures: Option<&mut Figures>) -> Result<(), String> {
        self.timed(figures, |floor| {
            let validated = risk::group::validate_legs(request).map_err(|(leg, r)| format!("leg {leg}: {r}"))?;
            let asked = floor.act(|desk, world| desk.on_group(request, &validated, world));
            asked.map(|_| ()).map_err(|(leg, refusal)| format!("leg {leg}: {refusal}"))
        })
    }

    fn report(&mut self, body: &ReportBody, figures: Option<&mut Figures>) -> Result<(), String> {
        let alarm = self.timed(figures, |floor| floor.act(|desk, world| desk.on_report(body, world)));
        alarm.map_or(Ok(()), |alarm| Err(alarm.to_string()))
    }

    /// An order trades all that is left of it at 100.
    fn fill(&mut self, id: ClientOrderId, figures: Option<&mut Figures>) -> Result<(), String> {
        let working = self.desk.orders().iter().find(|w| w.spec.client_id == id).ok_or("no such order")?;
        let rules = self.table.get(working.spec.instrument).ok_or("no such instrument")?;
        self.trades += 1;
        let quantity = working.left().and_then(|left| rules.quantity_mantissa(left)).ok_or("no quantity")?;
        let fill = Fill {
            client_id: id,
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(id.ordinal()),
            trade_id: self.trades,
            price: 10_000,
            quantity,
            instrument: working.spec.instrument,
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: rules.quote,
            side: working.spec.side,
            liquidity: Liquidity::Taker,
        };
        self.portfolio.apply_fill(&self.table, &fill).map_err(|e| e.to_string())?;
        self.report(&ReportBody::Filled { fill, complete: true }, figures)
    }

    fn orders(&self, which: impl Fn(&execution::Working) -> bool) -> Vec<ClientOrderId> {
        self.desk.orders().iter().filter(|w| which(w)).map(|w| w.spec.client_id).collect()
    }

    /// Everything that works is taken off or filled until nothing is held.
    fn clear(&mut self) -> Result<(), String> {
        for _ in 0..8 {
            for id in self.orders(execution::Working::is_entry) {
                self.report(&ReportBody::Canceled { client_id: id, reason: None }, None)?;
            }
            for id in self.orders(|w| !w.is_entry() && !w.stays()) {
                self.report(&ReportBody::Canceled { client_id: id, reason: None }, None)?;
            }
            let Some(id) = self.orders(|w| !w.is_entry() && w.stays()).first().copied() else { break };
            self.fill(id, None)?;
        }
        self.out.clear();
        if self.desk.orders().is_empty() && self.desk.groups().is_empty() {
            Ok(())
        } else {
            Err(format!("something is left: {:?} {:?}", self.desk.orders(), self.desk.groups()))
        }
    }
}

fn leg(instrument: InstrumentIdx, intent: Intent, entry: Entry) -> Leg {
    Leg {
        intent,
        size: SizeRequest::Base(Quantity::from_units(1)),
        entry,
        time_in_force: TimeInForce::Gtc,
        stop: Some(StopPlan::Fraction(Rate::from_bps(500))),
        target: None,
        reference: 10_000,
        instrument,
    }
}

/// Runs it.
pub fn run() -> Result<(), String> {
    let mut floor = Floor::new()?;
    let at = Price::from_units;
    let group = |kind, legs: &[Leg]| GroupRequest::new(kind, legs, ACCOUNT, StrategyIdx(0)).ok_or("no group");
    let (long, short) = (Intent::EnterLong, Intent::EnterShort);
    let pair =
        group(GroupKind::OneCancelsOther, &[leg(A, long, Entry::Limit(at(99))), leg(A, long, Entry::Stop(at(101)))])?;
    let when = GroupKind::OneTriggersOther { when: Trigger::Filled, size: ChildSize::AsAsked };
    let triggered = group(when, &[leg(A, long, Entry::Limit(at(99))), leg(B, long, Entry::Limit(at(99)))])?;
    let kind = GroupKind::Legs { sequence: Sequence::Together, within: None, risk: LegRisk::Unwind };
    let legs = group(kind, &[leg(A, long, Entry::Limit(at(99))), leg(B, short, Entry::Limit(at(101)))])?;
    let mut placed = Figures::new("place a pair");
    let mut chosen = Figures::new("fill, the other order is taken off");
    let mut triggers = Figures::new("place a triggered order");
    let mut released = Figures::new("fill, the triggered order leaves");
    let mut unwound = Figures::new("a leg ends, the other one is unwound");
    for n in 0..WARM + CALLS {
        let hot = n >= WARM;
        floor.place(&pair, hot.then_some(&mut placed))?;
        let [first, second] = floor.orders(execution::Working::is_entry)[..] else { return Err("no pair".into()) };
        for client_id in [first, second] {
            floor.report(&ReportBody::Accepted { client_id, venue_id: VenueOrderId(client_id.ordinal()) }, None)?;
        }
        floor.out.clear();
        floor.fill(if n % 2 == 0 { first } else { second }, hot.then_some(&mut chosen))?;
        if !floor.out.iter().any(|c| matches!(c, Command::Cancel { .. })) {
            return Err("the other order was not taken off".into());
        }
        floor.clear()?;

        floor.place(&triggered, hot.then_some(&mut triggers))?;
        let [parent] = floor.orders(execution::Working::is_entry)[..] else { return Err("no first order".into()) };
        floor.fill(parent, hot.then_some(&mut released))?;
        if floor.orders(|w| w.is_entry() && w.spec.instrument == B).len() != 1 {
            return Err("the triggered order did not leave".into());
        }
        floor.clear()?;

        floor.place(&legs, None)?;
        let [one, other] = floor.orders(execution::Working::is_entry)[..] else { return Err("no legs".into()) };
        floor.fill(one, None)?;
        let ended = ReportBody::Expired { client_id: other };
        floor.report(&ended, hot.then_some(&mut unwound))?;
        let sells = |w: &execution::Working| w.purpose == execution::Purpose::Part && w.spec.side == Side::Sell;
        if floor.orders(sells).len() != 1 {
            return Err("what was filled is not closed".into());
        }
        floor.clear()?;
    }
    [placed, chosen, triggers, released, unwound].into_iter().for_each(Figures::print);
    Ok(())
}
