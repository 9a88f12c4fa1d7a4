//! No event allocates once lists and queues have found their size.

use domain::{
    AccountId, ClientOrderId, InstrumentTable, Money, OrderQuantity, OrderSpec, OrderType, Rate, ReportBody, Side,
    StrategyIdx, TimeInForce,
};
use sim::{Request, Venue, VenueConfig};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use testkit::generate::random_walk;
use testkit::{T0, quantity};

/// The system's allocator, counting the calls of each thread.
struct Counting;

// Tests run on threads of one process: each counts its own calls.
#[allow(clippy::disallowed_macros, clippy::disallowed_types)]
mod counter {
    use std::cell::Cell;

    thread_local! {
        pub static CALLS: Cell<u64> = const { Cell::new(0) };
    }
}
use counter::CALLS;

fn count() {
    // The thread's counter is gone while the thread ends; nothing is measured then.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_venue_allocates_nothing() {
    let mut table = InstrumentTable::default();
    let i = testkit::add_spot(&mut table, "BTCUSDT", 2, 3);
    let mut venue =
        Venue::new(VenueConfig { participation: Some(Rate::from_bps(1_000)), ..VenueConfig::frictionless() });
    venue.define_table(&table).unwrap();
    let account = AccountId(0);
    venue.deposit(account, i.quote, Money::from_units(1_000_000));
    venue.deposit(account, i.base, Money::from_units(100_000));
    // The memory of finished orders holds 16,384 and is full before the counting begins.
    let candles = random_walk(&i, 11, 40_000, 1_000_000, 100);
    let (mut fills, mut rejects, mut counted) = (0, 0, 0);
    for (n, candle) in candles.iter().enumerate() {
        if n == 20_000 {
            (fills, rejects) = (0, 0);
            counted = CALLS.with(Cell::get);
        }
        venue.advance(candle.ts_open);
        if venue.has_work(i.idx) {
            venue.on_bar_open(candle.ts_open, candle);
            venue.on_bar_path(candle.ts_open, candle);
        }
        venue.advance(candle.ts_close());
        venue.on_bar_close(candle.ts_close(), candle);
        let side = if n % 2 == 0 { Side::Buy } else { Side::Sell };
        let kind = match n % 5 {
            0 | 1 => OrderType::Market,
            2 => OrderType::Limit { price: i.price(candle.close - candle.close % 2) },
            3 => OrderType::StopMarket { trigger: i.price(candle.close) },
            _ => OrderType::Limit { price: domain::Price::from_raw(1) },
        };
        let order = OrderSpec {
            client_id: ClientOrderId::new(account, 1, n as u64 + 1),
            kind,
            quantity: OrderQuantity::Base(quantity("0.01")),
            time_in_force: TimeInForce::Gtd(candle.ts_close().saturating_add(domain::Nanos::from_secs(180))),
            account,
            instrument: i.idx,
            strategy: StrategyIdx(0),
            side,
            post_only: false,
            reduce_only: false,
        };
        venue.submit(candle.ts_close(), Request::Place { order, valid_until: None });
        while let Some(report) = venue.take_report(candle.ts_close()) {
            match report.body {
                ReportBody::Filled { .. } => fills += 1,
                ReportBody::Rejected { .. } => rejects += 1,
                _ => {}
            }
        }
    }
    let calls = CALLS.with(Cell::get) - counted;
    assert!(T0 < candles[0].ts_close() && fills > 1_000 && rejects > 1_000, "{fills} fills, {rejects} rejects");
    assert_eq!(calls, 0, "allocations in 20,000 bars with {fills} fills and {rejects} rejects");
}
