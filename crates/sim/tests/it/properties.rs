//! Random runs, held against rules that are written here a second time and simply: what the venue may report, at which prices, and
//! what the balances must be after the reported fills.

use domain::{
    AccountId, AccountReport, Candle, ClientOrderId, Fill, Instrument, InstrumentTable, MarketFlags, Money, Nanos,
    OrderQuantity, OrderSpec, OrderType, Price, Quantity, Rate, ReportBody, Rounding, Side, StrategyIdx, TimeInForce,
    TrailOffset, UnixNanos,
};
use proptest::prelude::*;
use sim::{Exec, FeeAsset, Funding, Jitter, Latency, LimitFill, Request, Slippage, Venue, VenueConfig};
use std::collections::BTreeMap;
use testkit::T0;
use testkit::generate::{Seeded, random_walk};

const ACCOUNT: AccountId = AccountId(0);
const BARS: u64 = 80;

/// What is known of an order from its requests and reports alone.
struct Known {
    spec: OrderSpec,
    asked: Option<i64>,
    filled: i64,
    accepted: bool,
    over: bool,
}

/// A second bookkeeping, from reports only.
struct Referee {
    instrument: Instrument,
    config: VenueConfig,
    orders: BTreeMap<ClientOrderId, Known>,
    base: i128,
    quote: i128,
    position: i64,
    /// Prices that a fill may have now, before slippage.
    range: (i64, i64),
    /// Filled in this bar.
    taken: i64,
    fills: u64,
}

impl Referee {
    fn spot(&self) -> bool {
        self.instrument.margin_initial == Rate::ONE
    }

    fn hear(&mut self, report: &AccountReport) -> Result<(), String> {
        match &report.body {
            ReportBody::Accepted { client_id, .. } if client_id.epoch() == u32::MAX => Ok(()),
            ReportBody::Filled { fill, complete } => self.fill(fill, *complete),
            ReportBody::Accepted { client_id, .. } => {
                let order = self.order(client_id)?;
                let good = !order.accepted && !order.over;
                order.accepted = true;
                if good { Ok(()) } else { Err("accepted twice".into()) }
            }
            ReportBody::Rejected { client_id, .. } => {
                let order = self.order(client_id)?;
                order.over = true;
                if order.accepted { Err("rejected after it was accepted".into()) } else { Ok(()) }
            }
            ReportBody::Canceled { client_id, .. } | ReportBody::Expired { client_id } => {
                let order = self.order(client_id)?;
                let worked = order.accepted && !order.over;
                order.over = true;
                if worked { Ok(()) } else { Err("ended and did not work".into()) }
            }
            ReportBody::Triggered { client_id } => {
                let order = self.order(client_id)?;
                if order.accepted && !order.over { Ok(()) } else { Err("set off and did not work".into()) }
            }
            ReportBody::Amended { client_id } => {
                let order = self.order(client_id)?;
                if order.over { Err("amended after its end".into()) } else { Ok(()) }
            }
            ReportBody::CancelRejected { client_id, .. } | ReportBody::AmendRejected { client_id, .. } => {
                self.order(client_id).map(|_| ())
            }
            ReportBody::Funding { amount, .. } => {
                self.quote += amount.raw();
                Ok(())
            }
            ReportBody::Transfer { .. } | ReportBody::Status { .. } => Ok(()),
            ReportBody::Replaced { .. } | ReportBody::Charge { .. } => Err("nobody asked for that".into()),
        }
    }

    fn order(&mut self, id: &ClientOrderId) -> Result<&mut Known, String> {
        self.orders.get_mut(id).ok_or_else(|| format!("unknown order {id}"))
    }

    fn fill(&mut self, fill: &Fill, complete: bool) -> Result<(), String> {
        self.fills += 1;
        let forced = fill.client_id.epoch() == u32::MAX;
        let sign = if fill.side == Side::Buy { 1 } else { -1 };
        if fill.quantity <= 0 || self.instrument.quantity(fill.quantity).raw() % self.instrument.lot.raw() != 0 {
            return Err(format!("quantity {}", fill.quantity));
        }
        if !forced {
            let held = if self.spot() { self.base_lots() } else { self.position };
            let order = self.order(&fill.client_id)?;
            if !order.accepted || order.over {
                return Err("filled and does not work".into());
            }
            order.filled += fill.quantity;
            let too_much = order.asked.is_some_and(|asked| order.filled > asked);
            if too_much || order.asked.is_some_and(|asked| complete != (order.filled == asked)) {
                return Err(format!("filled {} of {:?}, complete {complete}", order.filled, order.asked));
            }
            if complete {
                order.over = true;
            }
            let spec = order.spec;
            if spec.reduce_only && (held == 0 || (held > 0) == (sign > 0) || fill.quantity > held.abs()) {
                return Err(format!("reduce-only with {held} held traded {}", sign * fill.quantity));
            }
            if let Some(limit) = spec.kind.limit_price() {
                // Amendments keep to prices at least as good for this check: they are not made in these runs.
                let price = self.instrument.price(fill.price);
                if (price.raw() - limit.raw()) * i128::from(sign) > 0 {
                    return Err(format!("limit {limit} traded at {price}"));
                }
            }
            self.taken += fill.quantity;
        }
        self.price(fill)?;
        // Amounts are rounded once, against us, at 8 decimals.
        let product = self.instrument.price(fill.price);
        let rounding = if sign > 0 { Rounding::Up } else { Rounding::Down };
        let amount =
            product.notional(self.instrument.quantity(fill.quantity), rounding).unwrap().at_precision(8, rounding);
        let (maker, taker) = self.config.fees.unwrap();
        let rate = if fill.liquidity == domain::Liquidity::Maker { maker } else { taker };
        let in_base = self.spot() && sign > 0 && self.config.fee_asset == FeeAsset::Venue;
        let of = if in_base { Money::from_raw(self.instrument.quantity(fill.quantity).raw()) } else { amount };
        let fee = of.times(rate, Rounding::Up).unwrap().at_precision(8, Rounding::Up);
        if fee != fill.fee_amount
            || fill.fee_asset != if in_base { self.instrument.base } else { self.instrument.quote }
        {
            return Err(format!("fee {} where {fee} was expected", fill.fee_amount));
        }
        self.quote -= i128::from(sign) * amount.raw() + if in_base { 0 } else { fee.raw() };
        self.base +=
            i128::from(sign) * self.instrument.quantity(fill.quantity).raw() - if in_base { fee.raw() } else { 0 };
        self.position += sign * fill.quantity;
        Ok(())
    }

    fn base_lots(&self) -> i64 {
        let lots = self.base.div_euclid(self.instrument.lot.raw());
        let lot = self.instrument.quantity_mantissa(self.instrument.lot).unwrap();
        i64::try_from(lots).unwrap() * lot
    }

    /// A price is never better than the market was, and without slippage never outside of it.
    fn price(&self, fill: &Fill) -> Result<(), String> {
        let (low, high) = self.range;
        let better = match fill.side {
            Side::Buy => fill.price < low,
            Side::Sell => fill.price > high,
        };
        let outside = !(low..=high).contains(&fill.price);
        if better || (outside && self.config.slippage == Slippage::None) {
            return Err(format!("{:?} at {} with the market between {low} and {high}", fill.side, fill.price));
        }
        Ok(())
    }
}

/// A price on the tick, near another.
fn near(instrument: &Instrument, random: &mut Seeded, around: i64) -> Price {
    let tick = instrument.price_mantissa(instrument.tick).unwrap();
    instrument.price((around + random.within(-300, 300)) / tick * tick)
}

struct Run {
    random: Seeded,
    venue: Venue,
    referee: Referee,
    now: UnixNanos,
    ordinal: u64,
}

impl Run {
    fn new(seed: u64, latency: Latency) -> Self {
        let mut random = Seeded::new(seed);
        let perpetual = random.chance(40);
        let config = VenueConfig {
            exec: *random.pick(&[Exec::NextOpen, Exec::NextOpen, Exec::SignalClose]),
            slippage: *random.pick(&[
                Slippage::None,
                Slippage::Bps(Rate::from_bps(7)),
                Slippage::Impact { spread: Rate::from_bps(3), coefficient: Rate::from_bps(50) },
            ]),
            participation: *random.pick(&[None, Some(Rate::from_bps(500)), Some(Rate::ONE)]),
            fee_asset: *random.pick(&[FeeAsset::Quote, FeeAsset::Venue]),
            fees: Some(*random.pick(&[
                (Rate::ZERO, Rate::ZERO),
                (Rate::from_bps(10), Rate::from_bps(10)),
                (Rate::from_raw(-123_456_789), Rate::from_raw(456_789_123)),
            ])),
            latency,
            limit_fill: *random.pick(&[LimitFill::Through, LimitFill::Touch]),
            funding: Some(Funding { rate: Rate::from_bps(1), every: Nanos::from_secs(600) }),
            queue: random.chance(70),
            pairs: false,
        };
        config.validate().unwrap();
        let mut table = InstrumentTable::default();
        let instrument = if perpetual {
            testkit::add_perpetual(&mut table, "BTCUSDT", 2, 3)
        } else {
            testkit::add_spot(&mut table, "BTCUSDT", 2, 3)
        };
        let instrument = Instrument {
            lot: Quantity::from_mantissa(*random.pick(&[1, 1, 7]), 3),
            tick: Price::from_mantissa(*random.pick(&[1, 1, 5]), 2),
            ..instrument
        };
        table.define(instrument.clone()).unwrap();
        let mut venue = Venue::new(config);
        venue.define_table(&table).unwrap();
        let (cash, base) = (Money::from_units(10_000), if perpetual { Money::ZERO } else { testkit::money("3.0004") });
        venue.deposit(ACCOUNT, instrument.quote, cash);
        venue.deposit(ACCOUNT, instrument.base, base);
        let referee = Referee {
            instrument,
            config,
            orders: BTreeMap::new(),
            base: base.raw(),
            quote: cash.raw(),
            position: 0,
            range: (0, i64::MAX),
            taken: 0,
            fills: 0,
        };
        Self { random, venue, referee, now: T0, ordinal: 0 }
    }

    fn hear(&mut self) -> Result<(), String> {
        while let Some(report) = self.venue.take_report(self.now) {
            self.referee.hear(&report).map_err(|what| format!("{what} in {:?}", report.body))?;
        }
        self.balances()
    }

    fn balances(&self) -> Result<(), String> {
        let r = &self.referee;
        let quote = self.venue.balance(ACCOUNT, r.instrument.quote).raw();
        if self.referee.config.latency != Latency::ZERO {
            return Ok(());
        }
        if r.spot() {
            let base = self.venue.balance(ACCOUNT, r.instrument.base).raw();
            if (base, quote) != (r.base, r.quote) {
                return Err(format!("balances {base} {quote}, postings {} {}", r.base, r.quote));
            }
            if base < 0 || quote < 0 {
                return Err(format!("negative balances {base} {quote}"));
            }
        } else {
            let held = self.venue.position(ACCOUNT, r.instrument.idx);
            if held != r.instrument.quantity(r.position) {
                return Err(format!("position {held}, fills {}", r.position));
            }
            // Flat, all that was traded is realised to the last unit.
            if r.position == 0 && quote != r.quote {
                return Err(format!("balance {quote}, postings {}", r.quote));
            }
        }
        if self.venue.working_orders() == 0 && self.venue.free(ACCOUNT, r.instrument.quote).raw() != quote {
            return Err("reserved without an order".into());
        }
        Ok(())
    }

    /// Sends a random request around a price.
    fn send(&mut self, around: i64) -> Result<(), String> {
        let random = &mut self.random;
        let known: Vec<ClientOrderId> = self.referee.orders.keys().copied().collect();
        if !known.is_empty() && random.chance(15) {
            let client_id = *random.pick(&known);
            let request = match random.within(0, 2) {
                0 => Request::Cancel { client_id },
                1 => Request::Query { client_id },
                _ => Request::Amend {
                    client_id,
                    price: None,
                    trigger: Some(near(&self.referee.instrument, random, around)),
                    quantity: None,
                },
            };
            self.venue.submit(self.now, request);
            return self.hear();
        }
        self.ordinal += 1;
        let client_id = ClientOrderId::new(ACCOUNT, 1, self.ordinal);
        let side = *random.pick(&[Side::Buy, Side::Sell]);
        let instrument = self.referee.instrument.clone();
        let near = |random: &mut Seeded| near(&instrument, random, around);
        let kind = match random.within(0, 6) {
            0 | 1 => OrderType::Market,
            2 => OrderType::Limit { price: near(random) },
            3 => OrderType::StopMarket { trigger: near(random) },
            4 => OrderType::StopLimit { trigger: near(random), price: near(random) },
            5 => OrderType::TakeProfit { trigger: near(random) },
            _ => OrderType::TrailingStop {
                offset: *random.pick(&[
                    TrailOffset::Distance(Price::from_raw(1_500_000_000_000)),
                    TrailOffset::Fraction(Rate::from_bps(123)),
                ]),
            },
        };
        let lot = self.referee.instrument.quantity_mantissa(self.referee.instrument.lot).unwrap();
        let size = random.within(1, 20_000 / lot) * lot;
        let amount = kind == OrderType::Market && side == Side::Buy && random.chance(40);
        let spec = OrderSpec {
            client_id,
            kind,
            quantity: if amount {
                OrderQuantity::QuoteAmount(Money::from_raw(i128::from(size) * 987_654_321_000))
            } else {
                OrderQuantity::Base(self.referee.instrument.quantity(size))
            },
            time_in_force: match random.within(0, 9) {
                0 => TimeInForce::Ioc,
                1 => TimeInForce::Fok,
                2 => TimeInForce::Gtd(self.now.saturating_add(Nanos::from_secs(150))),
                _ => TimeInForce::Gtc,
            },
            account: ACCOUNT,
            instrument: self.referee.instrument.idx,
            strategy: StrategyIdx(random.within(0, 1) as u16),
            side,
            post_only: matches!(kind, OrderType::Limit { .. }) && random.chance(20),
            reduce_only: random.chance(35),
        };
        let asked = (!amount).then_some(size);
        self.referee.orders.insert(client_id, Known { spec, asked, filled: 0, accepted: false, over: false });
        self.venue.submit(self.now, Request::Place { order: spec, valid_until: None });
        self.hear()
    }

    fn go(&mut self, to: UnixNanos) -> Result<(), String> {
        while let Some(due) = self.venue.next_due().filter(|&due| due <= to) {
            self.venue.advance(due);
            self.now = self.now.max(due);
            self.hear()?;
            if self.venue.next_due() == Some(due) {
                return Err(format!("still due at {due:?} after it was done"));
            }
        }
        self.venue.advance(to);
        self.now = to;
        self.hear()
    }

    fn bar(&mut self, candle: &Candle) -> Result<(), String> {
        self.go(candle.ts_open)?;
        let idx = candle.instrument;
        self.referee.taken = 0;
        self.referee.range = (candle.open, candle.open);
        if self.venue.has_work(idx) {
            self.venue.on_bar_open(self.now, candle);
            self.hear()?;
            if self.random.chance(30) {
                self.send(candle.open)?;
            }
        }
        self.referee.range = (candle.low, candle.high);
        if self.venue.has_work(idx) {
            self.venue.on_bar_path(self.now, candle);
            self.hear()?;
        }
        if let Some(rate) = self.referee.config.participation {
            let cap = Quantity::from_raw(i128::from(candle.volume)).raw().checked_mul(i128::from(rate.raw())).unwrap()
                / domain::decimal::ONE;
            if i128::from(self.referee.taken) > cap {
                return Err(format!("took {} of {}, more than {cap}", self.referee.taken, candle.volume));
            }
        }
        self.go(candle.ts_close())?;
        self.venue.on_bar_close(self.now, candle);
        self.referee.range = (candle.close, candle.close);
        self.hear()?;
        for _ in 0..self.random.within(0, 2) {
            self.send(candle.close)?;
        }
        Ok(())
    }
}

#[test]
fn candles_keep_every_rule() {
    let (mut fills, mut spot) = (0, 0);
    for seed in 0..300 {
        let mut run = Run::new(seed, Latency::ZERO);
        let candles = random_walk(&run.referee.instrument.clone(), seed, BARS, 10_000, 150);
        // Gaps between bars: from some bars on all prices are shifted.
        let mut shift = 0;
        for (n, candle) in candles.iter().enumerate() {
            if run.random.chance(10) {
                shift = run.random.within(-400, 400);
            }
            let [open, high, low, close] =
                [candle.open, candle.high, candle.low, candle.close].map(|price| (price + shift).max(1));
            let candle = &Candle { open, high, low, close, ..*candle };
            if let Err(what) = run.bar(candle) {
                panic!("seed {seed}, bar {n} {candle:?}: {what}");
            }
        }
        fills += run.referee.fills;
        spot += u64::from(run.referee.spot());
    }
    assert!(fills > 5_000 && spot > 100 && spot < 250, "{fills} fills, {spot} spot runs: the runs do not test much");
}

#[test]
fn ticks_keep_every_rule() {
    let mut fills = 0;
    for seed in 0..200 {
        let latency = Latency {
            feed: Nanos::from_millis(1),
            order: Nanos::from_millis(3),
            report: Nanos::from_millis(2),
            jitter: Some(Jitter { max: Nanos::from_millis(4), seed }),
        };
        let latency = if seed % 2 == 0 { latency } else { Latency::ZERO };
        let mut run = Run::new(seed, latency);
        // Where fills may lie: any price so far, as reports arrive late.
        let (mut low, mut high, mut price) = (i64::MAX, 0, 10_000);
        let instrument = run.referee.instrument.clone();
        for step in 0..400u64 {
            let what = (|| {
                run.go(UnixNanos(T0.0 + step * 2_000_000))?;
                price = (price + run.random.within(-40, 40)).max(5_000);
                let nanos = run.now.0 - T0.0;
                if seed % 3 != 0 && run.random.chance(60) {
                    let half = run.random.within(1, 20);
                    (low, high) = (low.min(price - half), high.max(price + half));
                    let (bq, aq) = (run.random.within(0, 9_000), run.random.within(0, 9_000));
                    let quote = testkit::quote(&instrument, nanos, (price - half, bq), (price + half, aq));
                    run.referee.range = (low, high);
                    run.venue.on_quote(run.now, &quote);
                } else {
                    (low, high) = (low.min(price), high.max(price));
                    let aggressor = *run.random.pick(&[Side::Buy, Side::Sell]);
                    let quantity = run.random.within(1, 9_000);
                    run.referee.range = (low, high);
                    run.venue.on_trade(run.now, &testkit::trade(&instrument, nanos, price, quantity, aggressor));
                }
                run.hear()?;
                if run.random.chance(40) {
                    run.send(price)?;
                }
                Ok::<_, String>(())
            })();
            if let Err(what) = what {
                panic!("seed {seed}, step {step}: {what}");
            }
        }
        fills += run.referee.fills;
    }
    assert!(fills > 5_000, "{fills} fills: the runs do not test much");
}

#[test]
fn nothing_trades_on_warm_up_or_made_up_bars() {
    for flags in [MarketFlags::WARMUP, MarketFlags::SYNTHETIC] {
        let mut run = Run::new(0, Latency::ZERO);
        let candles = random_walk(&run.referee.instrument.clone(), 1, 40, 10_000, 150);
        for candle in candles {
            run.bar(&Candle { flags, ..candle }).unwrap();
        }
        assert_eq!(run.referee.fills, 0);
    }
}

proptest! {
    #[test]
    fn an_amount_is_spent_as_far_as_lots_go_and_never_beyond(
        price in 1i64..10_000_000,
        amount in 5_000_000_000_000i128..10_000_000_000_000_000,
        fee in 0i64..20_000_000_000,
    ) {
        let mut table = InstrumentTable::default();
        let instrument = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        let taker = Rate::from_raw(fee);
        let mut venue = Venue::new(VenueConfig { fees: Some((taker, taker)), ..VenueConfig::frictionless() });
        venue.define_table(&table).unwrap();
        venue.deposit(ACCOUNT, instrument.quote, Money::from_units(1_000_000));
        let spec = OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, 1, 1),
            kind: OrderType::Market,
            quantity: OrderQuantity::QuoteAmount(Money::from_raw(amount)),
            time_in_force: TimeInForce::Gtc,
            account: ACCOUNT,
            instrument: instrument.idx,
            strategy: StrategyIdx(0),
            side: Side::Buy,
            post_only: false,
            reduce_only: false,
        };
        venue.submit(T0, Request::Place { order: spec, valid_until: None });
        venue.on_bar_open(T0, &testkit::candle(&instrument, 0, [price; 4], 0));
        let mut filled = None;
        while let Some(report) = venue.take_report(T0) {
            if let ReportBody::Filled { fill, .. } = report.body {
                filled = Some(fill);
            }
        }
        let cost = |quantity: i64| {
            let notional = instrument.price(price).notional(instrument.quantity(quantity), Rounding::Up).unwrap();
            let posted = notional.at_precision(8, Rounding::Up);
            posted.raw() + posted.times(taker, Rounding::Up).unwrap().at_precision(8, Rounding::Up).raw()
        };
        match filled {
            Some(fill) => {
                prop_assert!(cost(fill.quantity) <= amount);
                // Two lots more would not have been paid for: rounding costs one at most.
                prop_assert!(cost(fill.quantity + 2) > amount);
            }
            // One lot, or the minimum notional in whole lots, was too dear.
            None => prop_assert!(cost(2) > amount || instrument.price(price).raw() > 0 && amount < 6 * domain::decimal::ONE + 2 * cost(1)),
        }
    }
}
