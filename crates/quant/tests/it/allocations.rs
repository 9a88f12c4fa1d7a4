//! Updates allocate nothing after construction, counted by an allocator of this test binary.

use quant::indicator::{
    Atr, Bar, Dema, Donchian, Ema, Hma, Indicator, Kama, Mama, Natr, Rma, Sma, T3, Tema, Trima, TrueRange, Wma,
};
use quant::stats::value_at_risk::historical_tail;
use quant::stats::{DrawdownTracker, Moments, ReturnTracker, RollingCorrelation, RollingCovariance, matrix, student};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// Per thread, so that tests running beside this one are not counted.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is passed on to the system allocator unchanged; the counter does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
        // SAFETY: the caller's promises are those of `System`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

fn check<I: Indicator>(mut indicator: I, input: impl Fn(usize) -> I::Input) {
    let count = allocations(|| {
        (0..500).for_each(|t| {
            std::hint::black_box(indicator.update(input(t)));
        });
    });
    assert_eq!(count, 0, "{indicator:?}");
}

#[test]
fn updates_allocate_nothing() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1.0]))) > 0, "the counter counts");
    let price = |t: usize| 100.0 + (t * 7919 % 101) as f64;
    let bar =
        |t: usize| Bar { open: price(t), high: price(t) + 1.0, low: price(t) - 1.0, close: price(t), volume: 1.0 };
    check(Sma::new(20).unwrap(), price);
    check(Ema::new(20).unwrap(), price);
    check(Rma::new(20).unwrap(), price);
    check(Wma::new(20).unwrap(), price);
    check(Dema::new(20).unwrap(), price);
    check(Tema::new(20).unwrap(), price);
    check(Trima::new(20).unwrap(), price);
    check(T3::new(20, 0.7).unwrap(), price);
    check(Kama::new(20).unwrap(), price);
    check(Hma::new(20).unwrap(), price);
    check(Mama::new(0.5, 0.05).unwrap(), price);
    check(TrueRange::new(), bar);
    check(Atr::new(14).unwrap(), bar);
    check(Natr::new(14).unwrap(), bar);
    check(Donchian::new(20).unwrap(), bar);

    let (mut drawdown, mut moments, mut returns) = (DrawdownTracker::new(), Moments::new(), ReturnTracker::new());
    let mut rolling = RollingCorrelation::new(100, 80).unwrap();
    let count = allocations(|| {
        for t in 0..500 {
            drawdown.update(price(t));
            moments.push(price(t));
            returns.push(price(t));
            rolling.push(price(t), price(t + 1));
            std::hint::black_box((rolling.correlation(), returns.sharpe(365.0)));
        }
    });
    assert_eq!(count, 0);
    risk_figures_allocate_nothing(price);
}

/// A window of covariances, the tail of a sample and a fit to it, once their room is there.
fn risk_figures_allocate_nothing(price: impl Fn(usize) -> f64) {
    let mut covariance = RollingCovariance::new(64).unwrap();
    (0..5).for_each(|_| covariance.add_series());
    let sample: Vec<f64> = (0..300).map(|t| price(t) / 1e4 - 0.015).collect();
    let mut worst = Vec::with_capacity(8);
    let (matrix, mut scratch) = ([1.0, 0.9, 0.9, 1.0], [0.0; 4]);
    let count = allocations(|| {
        for t in 0..500 {
            covariance.push(|i| if (t + i) % 7 == 0 { f64::NAN } else { price(t * 5 + i) });
            std::hint::black_box((covariance.correlation(1, 3), historical_tail(&sample, 0.01, &mut worst)));
        }
        std::hint::black_box((student::fit(&sample).unwrap(), matrix::loading(&matrix, 2, &mut scratch)));
    });
    assert_eq!(count, 0);
}
