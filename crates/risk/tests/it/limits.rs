//! Whatever is entered, filled, cancelled and closed: position and orders on their way stay within the limit at every approval.

use domain::{
    AccountId, ClientOrderId, Entry, EventBody, Fill, Instrument, InstrumentIdx, InstrumentTable, Intent, Liquidity,
    MarketView, Mode, Money, NoObserver, OrderQuantity, OrderSpec, OrderType, Price, Quantity, Rate, Rounding, Side,
    Signal, SizeRequest, StopPlan, StrategyIdx, TimeInForce, UnixNanos, VenueOrderId,
};
use portfolio::Portfolio;
use proptest::prelude::*;
use risk::check::OwnOrders;
use risk::{EntryIntent, Gate, Limits, Profile, Reservation, Scene, Standing};

const ACCOUNT: AccountId = AccountId(0);

/// An order on its way, as the test keeps it: by its own sums.
struct Working {
    instrument: usize,
    strategy: u16,
    side: Side,
    /// What it may still become, in quote.
    pending: Money,
    /// Quantity left, as a mantissa; amounts become quantities at the fill.
    left: i64,
    reservation: Reservation,
}

struct World {
    table: InstrumentTable,
    instruments: Vec<Instrument>,
    view: MarketView,
    portfolio: Portfolio,
    gate: Gate,
    price: Vec<i64>,
    working: Vec<Working>,
    ordinal: u64,
    ts: UnixNanos,
}

const SHARERS: [u32; 2] = [2, 1];

impl World {
    /// A spot instrument that two strategies share, and a perpetual of one.
    fn new() -> Self {
        let mut table = InstrumentTable::default();
        let instruments =
            vec![testkit::add_spot(&mut table, "BTCUSDT", 2, 4), testkit::add_perpetual(&mut table, "ETHUSDT", 2, 4)];
        let usdt = instruments[0].quote;
        let limits = Limits { correlation_samples_min: 2, correlation_max: 1.0, ..Limits::default() };
        let mut gate = Gate::new(Profile::Research(limits));
        let mut portfolio = Portfolio::new(usdt);
        let mut view = MarketView::default();
        for (instrument, sharers) in instruments.iter().zip(SHARERS) {
            portfolio.define(instrument);
            view.add_instrument(instrument.idx);
            (0..sharers).for_each(|_| gate.add_sharer(instrument.idx));
        }
        portfolio.transfer(ACCOUNT, usdt, Money::from_units(100_000)).unwrap();
        let ts = testkit::T0;
        let mut world = Self {
            table,
            instruments,
            view,
            portfolio,
            gate,
            price: vec![10_000, 10_000],
            working: Vec::new(),
            ordinal: 0,
            ts,
        };
        // Three minutes that both print in, so that correlations are known.
        for minute in 0..4 {
            world.ts = UnixNanos(world.ts.0 + 60_000_000_000);
            world.print(0, 10_000 + minute);
            world.print(1, 10_000 - (minute * minute) % 3);
            world.gate.sample(world.ts, &world.view);
        }
        world
    }

    fn print(&mut self, at: usize, mantissa: i64) {
        self.price[at] = mantissa;
        let trade = testkit::trade(&self.instruments[at], 0, mantissa, 1, Side::Buy);
        self.view.apply(self.ts, &EventBody::Trade(trade));
    }

    fn held(&self, at: usize, strategy: u16) -> Quantity {
        self.portfolio.position(ACCOUNT, InstrumentIdx(at as u16), StrategyIdx(strategy)).quantity
    }

    fn enter(&mut self, at: usize, strategy: u16, short: bool, size: SizeRequest, limit: Option<i64>) {
        let rules = self.instruments[at].clone();
        let intent = if short { Intent::EnterShort } else { Intent::EnterLong };
        let signal = Signal {
            intent,
            size,
            entry: limit.map_or(Entry::Market, |mantissa| Entry::Limit(rules.price(mantissa))),
            stop: Some(StopPlan::Fraction(Rate::from_bps(500))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: 0,
            tag: 0,
            account: ACCOUNT,
            instrument: rules.idx,
            strategy: StrategyIdx(strategy),
        };
        self.ordinal += 1;
        let spec = OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.ordinal),
            kind: limit.map_or(OrderType::Market, |mantissa| OrderType::Limit { price: rules.price(mantissa) }),
            quantity: OrderQuantity::Base(Quantity::ZERO),
            time_in_force: TimeInForce::Gtc,
            account: ACCOUNT,
            instrument: rules.idx,
            strategy: StrategyIdx(strategy),
            side: if short { Side::Sell } else { Side::Buy },
            post_only: false,
            reduce_only: false,
        };
        let validated = risk::validate::validate(&signal).unwrap();
        let scene = Scene {
            ts: self.ts,
            table: &self.table,
            view: &self.view,
            portfolio: &self.portfolio,
            mode: Mode::Normal,
            standing: Standing::CALM_REF,
        };
        let intent = EntryIntent { spec, own: OwnOrders::default() };
        let Ok(entry) = self.gate.check_entry(&validated, intent, &scene, &mut NoObserver) else { return };
        let measured = match limit {
            None => self.price[at],
            Some(mantissa) if short => mantissa.max(self.price[at]),
            Some(mantissa) => mantissa,
        };
        let (pending, left) = match entry.spec.quantity {
            OrderQuantity::QuoteAmount(amount) => {
                (amount, rules.floor_to_lot(amount.quantity_at(rules.price(measured), Rounding::Down).unwrap()))
            }
            OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => {
                (rules.notional(rules.price(measured), q, Rounding::Up).unwrap(), q)
            }
        };
        let left = rules.quantity_mantissa(left).unwrap();
        let side = entry.spec.side;
        self.working.push(Working { instrument: at, strategy, side, pending, left, reservation: entry.reservation });
        self.assert_within();
    }

    /// Part or all of an order is filled at the last price.
    fn fill(&mut self, which: usize, percent: i64) {
        if self.working.is_empty() {
            return;
        }
        let which = which % self.working.len();
        let order = &mut self.working[which];
        let quantity = (order.left * percent / 100).max(1).min(order.left);
        let rules = &self.instruments[order.instrument];
        let price = self.price[order.instrument];
        self.ordinal += 1;
        let fill = fill(rules, self.ordinal, order.strategy, order.side, price, quantity);
        self.portfolio.apply_fill(&self.table, &fill).unwrap();
        let notional = rules.notional(rules.price(price), rules.quantity(quantity), Rounding::Up).unwrap();
        self.gate.use_part(&mut order.reservation, notional);
        order.left -= quantity;
        order.pending = order.pending.checked_sub(notional).unwrap().max(Money::ZERO);
        if order.left == 0 {
            let done = self.working.remove(which);
            self.gate.release(done.reservation);
        }
    }

    fn cancel(&mut self, which: usize) {
        if !self.working.is_empty() {
            let done = self.working.remove(which % self.working.len());
            self.gate.release(done.reservation);
        }
    }

    /// A strategy's position is closed through the gate.
    fn exit(&mut self, at: usize, strategy: u16) {
        let held = self.held(at, strategy);
        if held.is_zero() {
            return;
        }
        let rules = self.instruments[at].clone();
        let side = if held > Quantity::ZERO { Side::Sell } else { Side::Buy };
        let quantity = held.checked_abs().unwrap();
        self.ordinal += 1;
        let spec = OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.ordinal),
            kind: OrderType::Market,
            quantity: OrderQuantity::Base(quantity),
            time_in_force: TimeInForce::Gtc,
            account: ACCOUNT,
            instrument: rules.idx,
            strategy: StrategyIdx(strategy),
            side,
            post_only: false,
            reduce_only: true,
        };
        let scene = Scene {
            ts: self.ts,
            table: &self.table,
            view: &self.view,
            portfolio: &self.portfolio,
            mode: Mode::Reduced,
            standing: Standing::CALM_REF,
        };
        self.gate.check_reduction(spec, OwnOrders::default(), &scene, &mut NoObserver).unwrap();
        let mantissa = rules.quantity_mantissa(quantity).unwrap();
        let fill = fill(&rules, self.ordinal, strategy, side, self.price[at], mantissa);
        self.portfolio.apply_fill(&self.table, &fill).unwrap();
    }

    /// Position at the last price and orders on their way, by this test's own sums.
    fn assert_within(&self) {
        let equity = self.portfolio.equity(ACCOUNT, &self.table, &self.view).unwrap();
        for (at, (rules, sharers)) in self.instruments.iter().zip(SHARERS).enumerate() {
            let mut both = 0;
            for strategy in 0..2 {
                let size = self.held(at, strategy).checked_abs().unwrap();
                let price: Price = rules.price(self.price[at]);
                let mut used = rules.notional(price, size, Rounding::Up).unwrap().raw();
                let mine = |w: &&Working| w.instrument == at && w.strategy == strategy;
                used += self.working.iter().filter(mine).map(|w| w.pending.raw()).sum::<i128>();
                both += used;
                // Only what was just approved is held to the limit: prices move afterwards.
                if self.working.last().is_some_and(|w| w.instrument == at && w.strategy == strategy) {
                    let share = equity.raw() / 50 / i128::from(sharers);
                    assert!(used <= share, "strategy {strategy} uses {used} of {share}");
                }
            }
            if self.working.last().is_some_and(|w| w.instrument == at) {
                assert!(both <= equity.raw() / 50, "instrument {at}: {both}");
            }
        }
    }
}

fn fill(rules: &Instrument, ordinal: u64, strategy: u16, side: Side, price: i64, quantity: i64) -> Fill {
    Fill {
        client_id: ClientOrderId::new(ACCOUNT, 1, ordinal),
        fee_amount: Money::ZERO,
        venue_id: VenueOrderId(ordinal),
        trade_id: ordinal,
        price,
        quantity,
        instrument: rules.idx,
        account: ACCOUNT,
        strategy: StrategyIdx(strategy),
        fee_asset: rules.quote,
        side,
        liquidity: Liquidity::Taker,
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Enter { at: usize, strategy: u16, short: bool, size: u8, limit: Option<i64> },
    Fill { which: usize, percent: i64 },
    Cancel { which: usize },
    Exit { at: usize, strategy: u16 },
    Move { at: usize, by: i64 },
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0usize..2, 0u16..2, any::<bool>(), any::<u8>(), prop::option::of(9_000i64..11_000))
            .prop_map(|(at, strategy, short, size, limit)| Act::Enter { at, strategy, short, size, limit }),
        4 => (0usize..8, 1i64..=100).prop_map(|(which, percent)| Act::Fill { which, percent }),
        1 => (0usize..8).prop_map(|which| Act::Cancel { which }),
        1 => (0usize..2, 0u16..2).prop_map(|(at, strategy)| Act::Exit { at, strategy }),
        2 => (0usize..2, -300i64..300).prop_map(|(at, by)| Act::Move { at, by }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn no_sequence_of_orders_passes_the_limit(acts in prop::collection::vec(acts(), 1..60)) {
        let mut world = World::new();
        for act in acts {
            match act {
                // On the perpetual only the first strategy trades: two would oppose each other at will.
                Act::Enter { at, strategy, short, size, limit } => {
                    let strategy = if at == 1 { 0 } else { strategy };
                    let request = match size % 4 {
                        0 => SizeRequest::Cap,
                        1 => SizeRequest::EquityFraction(Rate::from_bps(i32::from(size))),
                        _ => SizeRequest::Base(Quantity::from_mantissa(i64::from(size) * 1_000, 4)),
                    };
                    world.enter(at, strategy, short && at == 1, request, limit);
                }
                Act::Fill { which, percent } => world.fill(which, percent),
                Act::Cancel { which } => world.cancel(which),
                Act::Exit { at, strategy } => world.exit(at, strategy),
                Act::Move { at, by } => world.print(at, (world.price[at] + by).max(5_000)),
            }
        }
        while !world.working.is_empty() {
            world.cancel(0);
        }
        let usdt = world.instruments[0].quote;
        prop_assert_eq!(world.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
        prop_assert_eq!(world.gate.exposure().reserved(ACCOUNT, usdt), Money::ZERO);
        prop_assert_eq!(world.gate.exposure().pending_instruments(ACCOUNT).count(), 0);
    }
}

#[test]
fn the_sequences_do_get_orders_approved_and_filled() {
    let mut world = World::new();
    world.enter(0, 0, false, SizeRequest::Cap, None);
    world.enter(0, 1, false, SizeRequest::Cap, Some(9_900));
    world.enter(1, 0, true, SizeRequest::Cap, None);
    assert_eq!(world.working.len(), 3);
    world.fill(0, 50);
    world.fill(0, 100);
    assert_eq!(world.working.len(), 2);
    assert!(world.held(0, 0) > Quantity::ZERO);
}
