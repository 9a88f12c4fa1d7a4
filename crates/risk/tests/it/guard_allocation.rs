//! A look of the guard allocates nothing once everything was seen.

use domain::{
    AccountId, ClientOrderId, Fill, InstrumentIdx, InstrumentTable, Liquidity, MarketFlags, MarketView, Mode, Money,
    Side, StrategyIdx, UnixNanos, VenueOrderId,
};
use portfolio::Portfolio;
use risk::{Action, Guard, GuardConfig, Scene};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use testkit::generate::Seeded;

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

pub fn counted(f: impl FnOnce()) -> u64 {
    let before = COUNT.with(Cell::get);
    f();
    COUNT.with(Cell::get) - before
}

const ACCOUNT: AccountId = AccountId(0);

#[test]
fn a_look_allocates_nothing() {
    let mut table = InstrumentTable::default();
    let usdt = table.asset("USDT", 8).unwrap();
    let (mut view, mut portfolio) = (MarketView::default(), Portfolio::new(usdt));
    portfolio.transfer(ACCOUNT, usdt, Money::from_units(1_000_000)).unwrap();
    let mut ts = testkit::T0;
    for n in 0..20u16 {
        let symbol = format!("X{n}USDT");
        let rules = if n % 2 == 0 {
            testkit::add_perpetual(&mut table, &symbol, 2, 3)
        } else {
            testkit::add_spot(&mut table, &symbol, 2, 3)
        };
        portfolio.define(&rules);
        view.add_instrument(rules.idx);
        view.traded(ts, rules.idx, 10_000, MarketFlags::default());
        let fill = Fill {
            client_id: ClientOrderId::new(ACCOUNT, 1, u64::from(n)),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id: u64::from(n),
            price: 10_000,
            quantity: 1_500_000,
            instrument: rules.idx,
            account: ACCOUNT,
            strategy: StrategyIdx(n % 3),
            fee_asset: usdt,
            side: Side::Buy,
            liquidity: Liquidity::Taker,
        };
        portfolio.apply_fill(&table, &fill).unwrap();
    }
    let mut guard = Guard::new(GuardConfig::default());
    let mut out: Vec<Action> = Vec::with_capacity(1_000);
    let mut random = Seeded::new(7);
    let mut said = 0;
    let mut run = |guard: &mut Guard, steps: u32| {
        for step in 0..steps {
            ts = UnixNanos(ts.0 + 700_000_000);
            let idx = InstrumentIdx((step % 20) as u16);
            let before = view.mark(idx).unwrap();
            // Down and up, with a wrong print now and then, so that every monitor has something to say.
            let after =
                if random.within(0, 500) == 0 { 1 } else { (before.max(100) + random.within(-100, 95)).max(100) };
            view.traded(ts, idx, after, MarketFlags::default());
            let standing = risk::Standing::CALM_REF;
            let scene = Scene { ts, table: &table, view: &view, portfolio: &portfolio, mode: Mode::Normal, standing };
            out.clear();
            if step % 86 == 0 {
                guard.sample(&scene, &mut out);
            } else {
                guard.check(&scene, ACCOUNT, &mut out);
            }
            said += out.len();
        }
    };
    run(&mut guard, 100);
    assert_eq!(counted(|| run(&mut guard, 20_000)), 0);
    assert!(said > 1_000, "{said} actions");
    assert!(counted(|| drop(Vec::<u8>::with_capacity(said % 2 + 1))) > 0, "the counter counts");
}
