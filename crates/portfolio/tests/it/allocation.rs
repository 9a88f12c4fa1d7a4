//! A fill allocates nothing once its slot exists.

use crate::common::{A, ACCOUNT, B, World};
use domain::{Side, UnixNanos};
use portfolio::RoundTrips;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the count is a plain thread-local cell that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` came from the same allocator with the same layout.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn counted(f: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    f();
    COUNT.with(Cell::get) - before
}

#[test]
fn fills_after_the_first_allocate_nothing() {
    let mut world = World::new();
    let mut trips = RoundTrips::new();
    world.deposit("1000000");
    world.mark(0, 4_000_000);
    world.mark(2, 20_000);
    let instruments = [world.instrument(0), world.instrument(2)];
    let mut fills = Vec::new();
    for round in 0..1_000i64 {
        for (instrument, price) in instruments.iter().zip([4_000_000, 20_000]) {
            for (strategy, side) in [(A, Side::Buy), (B, Side::Buy), (A, Side::Sell), (B, Side::Sell)] {
                let mut fill =
                    world.fill(instrument.idx.0, strategy, side, price + round, 1_000 + round, ("0.01", world.usdt));
                if side == Side::Sell && instrument.idx.0 == 2 && round > 0 {
                    fill.quantity += 7;
                }
                fills.push(fill);
            }
        }
    }
    let (warm, hot) = fills.split_at(8);
    let run = |world: &mut World, trips: &mut RoundTrips, fills: &[domain::Fill]| {
        let mut sum = 0.0;
        for fill in fills {
            let effect = world.apply(fill).unwrap();
            let instrument = if fill.instrument.0 == 0 { &instruments[0] } else { &instruments[1] };
            let _ended = trips.on_fill(UnixNanos(0), instrument, fill, &effect);
            sum += world.portfolio.equity_estimate(ACCOUNT, &world.view).unwrap();
        }
        sum
    };
    run(&mut world, &mut trips, warm);
    let mut sum = 0.0;
    assert_eq!(counted(|| sum = run(&mut world, &mut trips, hot)), 0);
    assert!(sum > 0.0 && hot.len() > 7_000);
    assert!(counted(|| drop(Vec::<u8>::with_capacity(sum as usize % 2 + 1))) > 0, "the counter counts");
}
