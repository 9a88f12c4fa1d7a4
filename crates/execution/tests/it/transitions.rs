//! No transition of an order allocates once lists and rings have found their size, however many others are at work.

use domain::{
    Entry, EventBody, Fill, InstrumentIdx, InstrumentTable, Intent, Liquidity, MarketView, Mode, Money, Nanos,
    NoObserver, OrderSpec, OrderStatus, Price, Quantity, Rate, ReportBody, Side, Signal, SizeRequest, StopPlan,
    StrategyIdx, UnixNanos, VenueOrderId,
};
use execution::{Desk, World};
use portfolio::Portfolio;
use risk::{Command, Gate, Profile, Scene, Standing};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, counting the calls of each thread.
struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain thread-local cell that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        CALLS.with(|calls| calls.set(calls.get() + 1));
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn calls() -> u64 {
    CALLS.with(Cell::get)
}

/// A desk with a ledger and limits, at a venue that the test plays.
struct Counted {
    table: InstrumentTable,
    view: MarketView,
    portfolio: Portfolio,
    gate: Gate,
    desk: Desk,
    ts: UnixNanos,
    out: Vec<Command>,
    trades: u64,
    counted: u64,
}

impl Counted {
    /// Lets the desk act, and counts what it allocates.
    fn act(&mut self, act: impl FnOnce(&mut Desk, &mut World<'_, '_, NoObserver>)) {
        let Self { table, view, portfolio, gate, desk, ts, out, .. } = self;
        let (mode, standing) = (Mode::Normal, Standing::CALM_REF);
        let scene = Scene { ts: *ts, table, view, portfolio, mode, standing };
        let before = calls();
        act(desk, &mut World { scene, gate, out, observer: &mut NoObserver });
        self.counted += calls() - before;
    }

    fn signal(&mut self, intent: Intent, strategy: u16, entry: Entry) {
        let exit = intent == Intent::Exit;
        let unit = SizeRequest::Base(Quantity::from_units(1));
        let size = if exit { SizeRequest::Position } else { unit };
        let stop = (!exit).then_some(StopPlan::Fraction(Rate::from_bps(500)));
        let strategy = StrategyIdx(strategy);
        let signal = Signal { stop, entry, strategy, size, ..crate::floor::Floor::entry(intent, InstrumentIdx(0)) };
        let validated = risk::validate::validate(&signal).unwrap();
        self.act(|desk, world| desk.on_signal(&validated, world).unwrap());
    }

    fn report(&mut self, body: ReportBody) {
        self.act(|desk, world| assert_eq!(desk.on_report(&body, world), None));
    }

    /// The order that left last.
    fn last(&mut self) -> OrderSpec {
        let mut sent = self.out.drain(..).filter_map(|command| match command {
            Command::Submit(approved) => Some(approved.client_id()),
            _ => None,
        });
        let id = sent.by_ref().last().unwrap();
        drop(sent);
        self.desk.orders().get(id).unwrap().spec
    }

    fn accept(&mut self, order: &OrderSpec) {
        let venue_id = VenueOrderId(order.client_id.ordinal());
        // Twice, as a venue may say it.
        for _ in 0..2 {
            self.report(ReportBody::Accepted { client_id: order.client_id, venue_id });
        }
    }

    fn fill(&mut self, order: &OrderSpec, quantity: i64, complete: bool) {
        self.trades += 1;
        let fill = Fill {
            client_id: order.client_id,
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(order.client_id.ordinal()),
            trade_id: self.trades,
            price: 10_000,
            quantity,
            instrument: order.instrument,
            account: order.account,
            strategy: order.strategy,
            fee_asset: self.table.get(order.instrument).unwrap().quote,
            side: order.side,
            liquidity: Liquidity::Taker,
        };
        self.portfolio.apply_fill(&self.table, &fill).unwrap();
        let ts = self.ts;
        self.act(|desk, _| desk.executions_mut().note(ts, &fill));
        self.report(ReportBody::Filled { fill, complete });
    }

    /// A position from its entry to its end, with every kind of answer that stays away, comes twice or changes nothing.
    fn live(&mut self, strategy: u16) {
        self.signal(Intent::EnterLong, strategy, Entry::Market);
        let entry = self.last();
        if strategy.is_multiple_of(5) {
            self.ts = UnixNanos(self.ts.0 + 6_000_000_000);
            self.act(|desk, world| desk.on_time(world));
            self.act(|desk, world| desk.on_time(world));
            let (client_id, status) = (entry.client_id, Some(OrderStatus::Accepted));
            self.report(ReportBody::Status { client_id, status, filled: 0 });
        } else {
            self.accept(&entry);
        }
        self.fill(&entry, 40, false);
        let first = self.last();
        self.accept(&first);
        self.fill(&entry, 60, true);
        let second = self.last();
        self.report(ReportBody::Canceled { client_id: first.client_id, reason: None });
        self.report(ReportBody::Canceled { client_id: first.client_id, reason: None });
        self.accept(&second);
        self.signal(Intent::Exit, strategy, Entry::Market);
        let exit = self.last();
        self.fill(&exit, 100, true);
        self.out.clear();
        self.report(ReportBody::Canceled { client_id: second.client_id, reason: None });
        self.out.clear();
    }
}

#[test]
fn transitions_of_orders_beside_a_thousand_others_allocate_nothing() {
    let mut table = InstrumentTable::default();
    let eth = testkit::add_perpetual(&mut table, "ETHUSDT", 2, 2);
    let (mut ledger, mut view) = (Portfolio::new(eth.quote), MarketView::default());
    let mut gate = Gate::new(Profile::Off);
    ledger.define(&eth);
    view.add_instrument(eth.idx);
    gate.add_sharer(eth.idx);
    ledger.transfer(crate::floor::ACCOUNT, eth.quote, Money::from_units(100_000_000)).unwrap();
    let trade = testkit::trade(&eth, 0, 10_000, 1, Side::Buy);
    view.apply(testkit::T0, &EventBody::Trade(trade));
    let desk = Desk::new(1).with_asking(Some(execution::AskPolicy::for_round_trip(Nanos(0))));
    let mut floor = Counted {
        table,
        view,
        portfolio: ledger,
        gate,
        desk,
        ts: testkit::T0,
        out: Vec::with_capacity(256),
        trades: 0,
        counted: 0,
    };
    for strategy in 100..1_100 {
        floor.signal(Intent::EnterLong, strategy, Entry::Limit(Price::from_units(50)));
        let resting = floor.last();
        floor.accept(&resting);
    }
    // Until every ring is full: the executions, the venue's numbers, the ends.
    for round in 0..30 {
        (0..100).for_each(|strategy| floor.live(strategy));
        assert_eq!(floor.desk.orders().len(), 1_000, "round {round}");
    }
    assert!(floor.counted > 0, "the counter counts: the first orders make room");
    floor.counted = 0;
    for _ in 0..5 {
        (0..100).for_each(|strategy| floor.live(strategy));
    }
    assert_eq!(floor.counted, 0, "allocations in 500 positions of four orders");
}
