//! The router against a convex solver on large cases: the same problem without lots and minima, as a linear programme over the levels.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{DefaultSettingsBuilder, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, ZeroConeT};
use domain::{Instrument, InstrumentTable, Money, Nanos, Quantity, Rate, Side, VenueIdx};
use execution::route::{Candidate, Plan, RouteAsk, Router};
use marketdata::{Book, Extent, Level};
use testkit::generate::Seeded;

/// Least of `cost . x` with `sum x = wanted`, `0 <= x <= depth`.
fn solve(cost: &[f64], depth: &[f64], wanted: f64) -> f64 {
    let n = cost.len();
    // Rows: the sum, then -x <= 0, then x <= depth.
    let (mut columns, mut rows, mut values) = (vec![0], Vec::new(), Vec::new());
    for k in 0..n {
        rows.extend([0, 1 + k, 1 + n + k]);
        values.extend([1.0, -1.0, 1.0]);
        columns.push(rows.len());
    }
    let a = CscMatrix::new(1 + 2 * n, n, columns, rows, values);
    let mut b = vec![wanted];
    b.extend(std::iter::repeat_n(0.0, n));
    b.extend_from_slice(depth);
    let cones = [ZeroConeT(1), NonnegativeConeT(2 * n)];
    let settings = DefaultSettingsBuilder::default()
        .verbose(false)
        .tol_gap_abs(1e-11)
        .tol_gap_rel(1e-11)
        .tol_feas(1e-11)
        .build()
        .unwrap();
    let mut solver = DefaultSolver::new(&CscMatrix::zeros((n, n)), cost, &a, &b, &cones, settings).unwrap();
    solver.solve();
    assert!(
        matches!(solver.solution.status, SolverStatus::Solved | SolverStatus::AlmostSolved),
        "{:?}",
        solver.solution.status
    );
    solver.solution.obj_val
}

#[test]
fn as_cheap_as_a_convex_solver_says_on_large_books() {
    let (mut worst, mut worst_bound, mut split) = (0.0f64, 0.0f64, 0);
    let cases = 40;
    for seed in 0..cases {
        let mut random = Seeded::new(seed);
        let mut table = InstrumentTable::default();
        let side = if seed % 2 == 0 { Side::Buy } else { Side::Sell };
        let venues = [3u16, 3, 5, 8][seed as usize % 4];
        let levels = if venues == 3 { 100 } else { 400 };
        let mut made: Vec<(Instrument, Book, Rate)> = Vec::new();
        for n in 0..venues {
            let plain = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
            let lot = Quantity::from_mantissa([1, 10, 100][usize::from(n) % 3], 5);
            let i = Instrument { venue: VenueIdx(n), lot, min_notional: Money::from_units(5), ..plain };
            let mut price = 6_000_000 + random.within(-3_000, 3_000);
            let mut list = Vec::new();
            for _ in 0..levels {
                price += side.sign() as i64 * random.within(1, 300);
                list.push(Level { price, quantity: random.within(1, 200_000) });
            }
            let mut book = Book::new(i.idx, levels);
            let (bids, asks) = if side == Side::Buy { (Vec::new(), list) } else { (list, Vec::new()) };
            book.snapshot((testkit::T0, testkit::T0, 1), bids, asks, Extent::Whole).unwrap();
            made.push((i, book, Rate::from_raw(random.within(0, 25) * 100_000_000)));
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
        let (base, currency) = (made[0].0.base, made[0].0.quote);
        let quantity = Quantity::from_mantissa(random.within(1_000, 30_000_000), 5);
        let (now, age_max) = (testkit::T0, Nanos::from_secs(1));
        let mut plan = Plan::default();
        Router::new(4_000).route(
            &RouteAsk { side, base, currency, quantity, limit: None, now, age_max },
            &candidates,
            &mut plan,
        );

        // Costs against 60000 per unit, so that what differs is not hidden below the digits of the whole.
        let (mut cost, mut depth) = (Vec::new(), Vec::new());
        for c in &candidates {
            for level in c.book.view().unwrap().against(side) {
                let fee = side.sign() as f64 + c.taker.to_f64();
                cost.push(level.price as f64 / 100.0 * fee - 60_000.0 * side.sign() as f64);
                depth.push(level.quantity as f64 / 1e5);
            }
        }
        let filled = plan.filled.to_f64();
        let best = solve(&cost, &depth, filled) + 60_000.0 * side.sign() as f64 * filled;
        let got = plan.total.to_f64();
        // What lots can cost: at most the coarsest lot per venue, moved from the dearest unit to the next level of another venue.
        let spread =
            plan.parts.iter().map(|p| p.marginal.to_f64()).fold((f64::MAX, f64::MIN), |(a, b), x| (a.min(x), b.max(x)));
        let bound =
            (f64::from(venues) * 0.001 * (spread.1 - spread.0 + 3.0 * 300.0 / 100.0) + 1e-6 * filled) / best.abs();
        let relative = (got - best) / best.abs();
        assert!(relative > -1e-9, "seed {seed}: {got} is below the solver's {best}");
        assert!(relative <= bound, "seed {seed}: {got}, solver {best}: {relative:e} above {bound:e}");
        (worst, worst_bound) = (worst.max(relative), worst_bound.max(bound));
        split += u64::from(plan.parts.len() > 1);
    }
    println!(
        "{cases} cases of 3 to 8 venues with 100 to 400 levels: at most {worst:.1e} above the solver (bound by lots {worst_bound:.1e}), {split} split"
    );
    assert!(split > 20, "{split}");
}
