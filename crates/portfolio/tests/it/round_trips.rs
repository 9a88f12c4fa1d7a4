//! Round trips as reports show them.

use crate::common::{A, B, World};
use domain::{Side, UnixNanos};
use portfolio::{Direction, RoundTrip, RoundTrips};
use testkit::{money, price, quantity};

struct Desk {
    world: World,
    trips: RoundTrips,
    now: u64,
}

impl Desk {
    fn new() -> Self {
        let mut world = World::new();
        world.deposit("100000");
        Self { world, trips: RoundTrips::new(), now: 0 }
    }

    fn trade(&mut self, idx: u16, side: Side, price: i64, quantity: i64, fee: &str) -> Option<RoundTrip> {
        let fill = self.world.fill(idx, A, side, price, quantity, (fee, self.world.usdt));
        self.apply(&fill)
    }

    fn apply(&mut self, fill: &domain::Fill) -> Option<RoundTrip> {
        self.now += 1;
        let effect = self.world.apply(fill).unwrap();
        let instrument = self.world.instrument(fill.instrument.0);
        self.trips.on_fill(UnixNanos(self.now), &instrument, fill, &effect)
    }
}

#[test]
fn partial_entries_and_exits_are_one_trip() {
    let mut desk = Desk::new();
    assert_eq!(desk.trade(0, Side::Buy, 4_000_000, 10_000, "4"), None);
    assert_eq!(desk.trade(0, Side::Buy, 4_300_000, 20_000, "8.6"), None);
    let open: Vec<_> = desk.trips.open().collect();
    assert_eq!((open.len(), open[0].quantity, open[0].entry_price), (1, quantity("0.3"), price("42000")));
    assert_eq!(desk.trade(0, Side::Sell, 4_400_000, 10_000, "4.4"), None);
    let trip = desk.trade(0, Side::Sell, 4_500_000, 20_000, "9").unwrap();
    assert_eq!((trip.side, trip.entry_ts, trip.exit_ts), (Direction::Long, UnixNanos(1), UnixNanos(4)));
    assert_eq!((trip.quantity, trip.entry_price), (quantity("0.3"), price("42000")));
    assert_eq!(trip.exit_price, price("44666.666666666667"));
    assert_eq!(trip.exit_price_f64, 134_000.0 / 3.0);
    // 4400 + 9000 - 12600 - 26
    assert_eq!((trip.fees, trip.pnl), (money("26"), money("774")));
    assert_eq!(desk.trips.open().count(), 0);
}

#[test]
fn a_flip_ends_one_and_begins_the_next() {
    let mut desk = Desk::new();
    desk.trade(2, Side::Sell, 20_000, 100, "0.2");
    // 10 bought back at 18, 20 more bought: a third of the fee belongs to the short one.
    let trip = desk.trade(2, Side::Buy, 18_000, 300, "0.54").unwrap();
    assert_eq!((trip.side, trip.quantity, trip.exit_price), (Direction::Short, quantity("10"), price("18")));
    assert_eq!((trip.fees, trip.pnl), (money("0.38"), money("19.62")));
    let open: Vec<_> = desk.trips.open().collect();
    assert_eq!((open[0].side, open[0].quantity, open[0].fees), (Direction::Long, quantity("20"), money("0.36")));
    let trip = desk.trade(2, Side::Sell, 19_000, 200, "0").unwrap();
    assert_eq!((trip.entry_ts, trip.pnl), (UnixNanos(2), money("19.64")));
}

#[test]
fn dust_of_a_base_fee_ends_the_trip_and_stays_in_the_position() {
    let mut desk = Desk::new();
    let btc = desk.world.instrument(0).base;
    let fill = desk.world.fill(0, A, Side::Buy, 4_000_000, 10_001, ("0.00010001", btc));
    assert_eq!(desk.apply(&fill), None);
    // 0.09990999 held; the lot below is 0.0999.
    let trip = desk.trade(0, Side::Sell, 4_000_000, 9_990, "3.996").unwrap();
    assert_eq!((trip.quantity, trip.fees), (quantity("0.10001"), money("7.9964")));
    assert_eq!(trip.pnl, money("-7.9964"));
    let left = desk.world.portfolio.positions().next().unwrap().3;
    assert_eq!((left.quantity, left.cost), (quantity("0.00000999"), money("0.3996")));
    // The next trip takes the dust along with its cost.
    desk.trade(0, Side::Buy, 4_000_000, 10_000, "0");
    let trip = desk.trade(0, Side::Sell, 5_000_000, 10_000, "0").unwrap();
    assert_eq!((trip.quantity, trip.entry_price), (quantity("0.1"), price("40000")));
    assert_eq!(trip.pnl, money("1000"));
}

#[test]
fn closing_leftover_dust_is_counted_apart() {
    let mut desk = Desk::new();
    desk.trade(0, Side::Buy, 4_000_000, 10_000, "0");
    // What is left, 0.0001, is worth 4: below the smallest notional.
    assert!(desk.trade(0, Side::Sell, 4_000_000, 9_990, "0").is_some());
    assert_eq!(desk.trade(0, Side::Sell, 5_000_000, 10, "0.005"), None);
    assert_eq!(desk.trips.residue(), money("0.995"));
}

#[test]
fn a_small_first_fill_is_no_end() {
    let mut desk = Desk::new();
    assert_eq!(desk.trade(0, Side::Buy, 4_000_000, 1, "0"), None);
    assert_eq!(desk.trade(0, Side::Buy, 4_000_000, 1_000, "0"), None);
    let fill = desk.world.fill(0, B, Side::Buy, 4_000_000, 1_000, ("0", desk.world.usdt));
    desk.apply(&fill);
    assert_eq!(desk.trips.open().map(|t| (t.strategy, t.entry_ts.0)).collect::<Vec<_>>(), [(A, 1), (B, 3)]);
}
