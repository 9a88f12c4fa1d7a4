//! Fees, books and routing: a lookup of rates, the fee of a fill, changes of a book, and the split of an order over several books.
//!
//! Books are seeded: a hundred levels a side at one to three cents, quantities of up to two units in lots of 1e-5. Orders are of any size up
//! to all that the books hold.

use crate::counting::allocations;
use domain::{
    AccountId, Instrument, InstrumentIdx, InstrumentTable, Liquidity, Money, Nanos, Quantity, Rate, Side, UnixNanos,
    VenueIdx,
};
use execution::fee::{Calculator, Fees, TierChoice, known};
use execution::route::{Belief, Candidate, Plan, RouteAsk, Router, Situation, choose};
use marketdata::{Book, Continuity, Extent, Level, Update};
use serde_json::json;
use std::hint::black_box;
use std::time::Instant;
use testkit::generate::Seeded;

const ACCOUNT: AccountId = AccountId(0);
/// Calls between two readings of the clock, for what takes nanoseconds.
const BATCH: usize = 1_000;
const BATCHES: usize = 2_000;
const CALLS: usize = 50_000;

/// Runs it.
pub fn run() -> Result<(), String> {
    fees()?;
    books()?;
    for (name, venues, lots, notional) in [
        ("routing: 3 books x 100 levels", 3, [1, 1, 1], 5),
        ("routing: 3 books x 100 levels, lots 1, 10, 100", 3, [1, 10, 100], 5),
        ("routing: 3 books x 100 levels, minima that bind", 3, [1, 1, 1], 2_000_000),
        ("routing: 8 books x 100 levels", 8, [1, 1, 1], 5),
    ] {
        routing(name, venues, lots, notional)?;
    }
    order_kind()
}

/// Times a call of nanoseconds, in batches.
fn batches(name: &str, mut call: impl FnMut(usize)) {
    let mut times = Vec::with_capacity(BATCHES);
    (0..BATCH).for_each(&mut call);
    let allocated = allocations(|| {
        for batch in 0..BATCHES {
            let before = Instant::now();
            for n in 0..BATCH {
                call(batch * BATCH + n);
            }
            times.push(before.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    });
    line(name, &mut times, allocated);
}

fn fees() -> Result<(), String> {
    let mut table = InstrumentTable::default();
    let instruments: Vec<_> = (0..64).map(|n| testkit::add_spot(&mut table, &format!("A{n}USDT"), 2, 5)).collect();
    let schedule = known("binance_spot").ok_or("no schedule")?;
    let mut fees = Fees::new();
    fees.set_schedule(VenueIdx(0), schedule.clone(), testkit::T0).map_err(|e| e.to_string())?;
    let held = Some(Quantity::from_units(100));
    fees.add_account((ACCOUNT, VenueIdx(0)), TierChoice::ByVolume, (held, false), testkit::T0);
    for i in &instruments {
        black_box(fees.calculator(&table, i, ACCOUNT));
    }
    let mut random = Seeded::new(3);
    let fills: Vec<(usize, Side, i64, i64)> = (0..4_096)
        .map(|_| {
            let side = if random.chance(50) { Side::Buy } else { Side::Sell };
            (random.within(0, 63) as usize, side, random.within(1_000, 9_000_000), random.within(1, 10_000_000))
        })
        .collect();
    batches("fees: lookup of the rates, 64 instruments", |n| {
        let (i, ..) = fills[n % fills.len()];
        black_box(fees.calculator(&table, &instruments[i], ACCOUNT).rate(Liquidity::Taker));
    });
    batches("fees: the full fee of a fill, looked up", |n| {
        let (i, side, price, quantity) = fills[n % fills.len()];
        let calculator = fees.calculator(&table, &instruments[i], ACCOUNT);
        black_box(calculator.fee(black_box(side), Liquidity::Taker, price, quantity, None));
    });
    let bnb = table.asset("BNB", 8).map_err(|e| e.to_string())?;
    let mut terms = schedule.terms(0, true);
    terms.discount = terms.discount.map(|d| execution::fee::DiscountTerms { asset: Some(bnb), ..d });
    let discounted = Calculator::new(&table, &instruments[0], &terms);
    batches("fees: the full fee of a fill, in BNB", |n| {
        let (_, side, price, quantity) = fills[n % fills.len()];
        black_box(discounted.fee(
            black_box(side),
            Liquidity::Taker,
            price,
            quantity,
            Some(domain::Price::from_units(600)),
        ));
    });
    batches("fees: rates made anew, what a lookup saves", |n| {
        let (i, ..) = fills[n % fills.len()];
        let terms = fees.terms(&table, &instruments[i], ACCOUNT);
        black_box(Calculator::new(&table, &instruments[i], black_box(&terms)));
    });
    batches("fees: 30-day volume counted, tier looked at", |n| {
        let ts = UnixNanos(testkit::T0.0 + n as u64 * 1_000_000_000);
        let _ = black_box(fees.traded((ACCOUNT, VenueIdx(0)), domain::InstrumentKind::Spot, ts, Money::from_units(10)));
    });
    Ok(())
}

/// Levels of one side, best first.
fn levels(random: &mut Seeded, side: Side, count: usize, begin: i64) -> Vec<Level> {
    let mut price = begin;
    (0..count)
        .map(|_| {
            price -= side.sign() as i64 * random.within(1, 3);
            Level { price, quantity: random.within(1, 200_000) }
        })
        .collect()
}

fn books() -> Result<(), String> {
    let mut random = Seeded::new(5);
    let mut book = Book::new(InstrumentIdx(0), 1_000);
    let (bids, asks) =
        (levels(&mut random, Side::Buy, 100, 6_000_000), levels(&mut random, Side::Sell, 100, 6_000_000));
    let start = || (testkit::T0, testkit::T0, 0);
    book.snapshot(start(), bids.iter().copied(), asks.iter().copied(), Extent::Whole).map_err(|e| e.to_string())?;
    // Mostly near the best: a level changes, goes and comes back.
    let changes: Vec<(Side, Level)> = (0..4_096)
        .map(|_| {
            let (side, list) = if random.chance(50) { (Side::Buy, &bids) } else { (Side::Sell, &asks) };
            let near = random.within(0, 9).min(random.within(0, 99)) as usize;
            let quantity = if random.chance(25) { 0 } else { random.within(1, 200_000) };
            (side, Level { price: list[near].price, quantity })
        })
        .collect();
    let mut sequence = 0;
    batches("book: update of one level", |n| {
        let (side, level) = changes[n % changes.len()];
        sequence += 1;
        let head =
            Update { ts_event: testkit::T0, ts_recv: testkit::T0, sequence, follows: Continuity::From(sequence) };
        let (bid, ask) = if side == Side::Buy { (Some(level), None) } else { (None, Some(level)) };
        let _ = black_box(book.update(head, bid, ask));
    });
    batches("book: best prices, checked for gaps, crossing and age", |_| {
        black_box(book.view_at(testkit::T0, Nanos::from_secs(1)).ok().and_then(|view| view.twice_mid()));
    });
    book.snapshot(start(), bids.iter().copied(), asks.iter().copied(), Extent::Whole).map_err(|e| e.to_string())?;
    let view = book.view().map_err(|e| e.to_string())?;
    batches("book: cost of a quantity of 20 levels", |_| {
        black_box(view.walk(Side::Buy, black_box(2_000_000), None));
    });
    Ok(())
}

fn routing(name: &str, venues: u16, lots: [i64; 3], notional: i64) -> Result<(), String> {
    let mut random = Seeded::new(11);
    let mut table = InstrumentTable::default();
    let mut made: Vec<(Instrument, Book, Rate)> = Vec::new();
    for n in 0..venues {
        let plain = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let lot = Quantity::from_mantissa(lots[usize::from(n) % 3], 5);
        let i = Instrument { venue: VenueIdx(n), lot, min_notional: Money::from_units(notional), ..plain };
        let mut book = Book::new(i.idx, 100);
        let middle = 6_000_000 + random.within(-50, 50);
        let bids = levels(&mut random, Side::Buy, 100, middle);
        let asks = levels(&mut random, Side::Sell, 100, middle);
        book.snapshot((testkit::T0, testkit::T0, 1), bids, asks, Extent::Whole).map_err(|e| e.to_string())?;
        made.push((i, book, Rate::from_raw(999_000_000 + i64::from(n) * 500_000)));
    }
    let candidates: Vec<Candidate<'_>> = made
        .iter()
        .map(|(instrument, book, taker)| Candidate {
            venue: instrument.venue,
            instrument,
            book,
            taker: *taker,
            penalty: Rate::ZERO,
            conversion: None,
            enabled: true,
        })
        .collect();
    let (router, plan) = (&mut Router::new(1_000), &mut Plan::default());
    let (base, currency) = (made[0].0.base, made[0].0.quote);
    let (mut times, mut allocated) = (Vec::with_capacity(CALLS), 0);
    let (mut filled, mut parts) = (0, 0);
    for call in 0..CALLS + 100 {
        let side = if call % 2 == 0 { Side::Buy } else { Side::Sell };
        let quantity = Quantity::from_mantissa(random.within(1_000, 10_000_000 * i64::from(venues)), 5);
        let (now, age_max) = (testkit::T0, Nanos::from_secs(1));
        let ask = RouteAsk { side, base, currency, quantity, limit: None, now, age_max };
        let before = Instant::now();
        let count = allocations(|| router.route(&ask, black_box(&candidates), plan));
        let spent = before.elapsed().as_nanos() as f64;
        if call >= 100 {
            times.push(spent);
            allocated += count;
            filled += u64::from(plan.remainder.is_zero());
            parts += plan.parts.len();
        }
    }
    if filled == 0 || parts < CALLS {
        return Err(format!("{name}: {filled} orders filled, {parts} parts"));
    }
    line(name, &mut times, allocated);
    Ok(())
}

fn order_kind() -> Result<(), String> {
    let mut random = Seeded::new(13);
    let mut book = Book::new(InstrumentIdx(0), 100);
    let (bids, asks) =
        (levels(&mut random, Side::Buy, 100, 6_000_000), levels(&mut random, Side::Sell, 100, 6_000_000));
    book.snapshot((testkit::T0, testkit::T0, 1), bids, asks, Extent::Whole).map_err(|e| e.to_string())?;
    let belief = Some(Belief {
        fill_probability: Rate::from_bps(6_000),
        adverse_move: Rate::from_bps(1),
        drift: Rate::from_bps(3),
    });
    let situation = Situation {
        view: book.view().map_err(|e| e.to_string())?,
        decimals: (2, 5),
        side: Side::Buy,
        quantity: 500_000,
        fees: (Rate::from_bps(8), Rate::from_bps(10)),
        crossing: None,
        passive: None,
        belief,
        belief_crossing: belief,
    };
    batches("order kind: market, crossing and passive weighed", |n| {
        let s = Situation { quantity: 100_000 + (n as i64 % 7) * 100_000, ..black_box(situation) };
        let _ = black_box(choose(&s));
    });
    Ok(())
}

fn line(name: &str, times: &mut [f64], allocated: u64) {
    times.sort_by(f64::total_cmp);
    let at = |per_mille: usize| times[(times.len() - 1) * per_mille / 1000];
    println!(
        "{}",
        json!({"bench": name, "readings": times.len(), "p50_ns": at(500), "p99_ns": at(990), "p999_ns": at(999),
               "max_ns": at(1000), "allocations": allocated})
    );
}
