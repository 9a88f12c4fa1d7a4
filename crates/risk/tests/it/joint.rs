//! Whatever is entered, filled, cancelled, closed, priced, lost and tightened: at every approval every limit holds, jointly with all that
//! is on its way, by this test's own sums. No reduction is refused but for its reasons, and the quick gate never says yes where the full
//! check says no.
//!
//! `BOT4_DEEP_STEPS` says how many steps are made instead of those of the quick run.

use domain::{
    AccountId, AssetIdx, ClientOrderId, Entry, EventBody, Fill, Instrument, InstrumentIdx, InstrumentKind,
    InstrumentTable, Intent, LimitKey, Liquidity, MarketFlags, MarketView, Mode, Money, NoObserver, OrderQuantity,
    OrderSpec, OrderType, Quantity, Rate, Rounding, Side, Signal, SizeRequest, StopPlan, StrategyIdx, TimeInForce,
    UnixNanos, VenueOrderId,
};
use portfolio::Portfolio;
use risk::check::OwnOrders;
use risk::{
    Ask, Breaker, DenyReason, EntryIntent, Gate, Limits, Profile, Quick, Reading, Reservation, Scene, Standing,
};
use std::collections::BTreeMap;
use testkit::generate::Seeded;

const ACCOUNTS: [AccountId; 2] = [AccountId(0), AccountId(1)];
/// Steps in one world, and how many the quick run makes in all.
const STEPS: u64 = 250;
const QUICK: u64 = 200_000;
/// Doubles against exact money.
const EPSILON: f64 = 1e-9;

/// An order on its way, as the test keeps it.
struct Working {
    account: usize,
    instrument: usize,
    strategy: u16,
    side: Side,
    /// What it may still become, in quote.
    pending: f64,
    /// Mantissa of the quantity that is left.
    left: i64,
    reservation: Reservation,
}

struct World {
    random: Seeded,
    limits: Limits,
    table: InstrumentTable,
    instruments: Vec<Instrument>,
    usdt: AssetIdx,
    view: MarketView,
    portfolio: Portfolio,
    gate: Gate,
    standing: Standing,
    mode: Mode,
    price: Vec<i64>,
    working: Vec<Working>,
    /// Messages and entries by account or strategy, with their times.
    messages: Vec<(usize, u64)>,
    entries: Vec<(u16, usize, Side, u64)>,
    disabled: [bool; 2],
    /// Counts what moved; and where that was when a slot of the quick gate was refreshed.
    moved: u64,
    refreshed: BTreeMap<(AccountId, StrategyIdx, InstrumentIdx), u64>,
    ordinal: u64,
    ts: UnixNanos,
    seen: Seen,
}

/// What happened, so that the test can say that it was there.
#[derive(Default)]
struct Seen {
    approved: u64,
    reduced: u64,
    quick: BTreeMap<(bool, bool), u64>,
    refused: BTreeMap<&'static str, u64>,
}

/// Limits that bind now and then: each seed has another few of them near what is traded.
fn limits(r: &mut Seeded) -> Limits {
    let wide = Limits { stop_required: true, margin_buffer_min: Rate::from_bps(11_000), ..Limits::relaxed() };
    let rate = |r: &mut Seeded, low, high| Rate::from_bps(r.within(low, high) as i32);
    let mut l =
        Limits { position_fraction_max: rate(r, 2_000, 60_000), messages_max: 400, entry_messages_max: 400, ..wide };
    l.leverage_max = rate(r, 5_000, 150_000);
    for _ in 0..4 {
        match r.within(0, 17) {
            0 => l.gross_exposure_max = rate(r, 5_000, 60_000),
            1 => l.net_exposure_max = rate(r, 2_000, 40_000),
            2 => l.long_exposure_max = rate(r, 2_000, 40_000),
            3 => l.short_exposure_max = rate(r, 2_000, 40_000),
            4 => l.capital_max = Money::from_units(r.within(5_000, 200_000)),
            5 => l.capital_total_max = Money::from_units(r.within(10_000, 300_000)),
            6 => l.order_value_max = Money::from_units(r.within(1_000, 50_000)),
            7 => l.order_volume_max = rate(r, 1, 100),
            8 => l.liquidity_ratio_min = rate(r, 12_000, 60_000),
            9 => l.liquidation_distance_min = rate(r, 300, 9_000),
            10 => l.margin_buffer_min = rate(r, 10_000, 50_000),
            11 => l.price_collar_max = rate(r, 50, 1_500),
            12 => (l.entry_messages_max, l.message_window_s) = (r.within(2, 20) as u32, 30),
            13 => (l.repeats_max, l.repeat_window_s) = (r.within(2, 6) as u32, 20),
            14 => (l.strategy_orders_max, l.repeat_window_s) = (r.within(4, 12) as u32, 20),
            15 => l.positions_max = r.within(1, 2) as u32,
            16 => l.var_fraction_max = rate(r, 100, 5_000),
            _ => l.deployment_step = r.within(3, 4) as u32,
        }
    }
    l.validate().unwrap();
    l
}

impl World {
    /// Two perpetuals, one of them with another unit than one to the contract, and a spot instrument; two accounts, two strategies.
    fn new(seed: u64) -> Self {
        let mut random = Seeded::new(seed);
        let limits = limits(&mut random);
        let mut table = InstrumentTable::default();
        let mut instruments = vec![
            testkit::add_perpetual(&mut table, "BTCUSDT", 2, 4),
            testkit::add_perpetual(&mut table, "ETHUSDT", 2, 4),
            testkit::add_spot(&mut table, "SOLUSDT", 2, 4),
        ];
        instruments[1].multiplier = testkit::quantity("0.37");
        for instrument in &mut instruments {
            instrument.max_quantity = testkit::quantity("20000");
            table.define(instrument.clone()).unwrap();
        }
        let usdt = instruments[0].quote;
        let mut portfolio = Portfolio::new(usdt);
        let (mut view, mut gate) = (MarketView::default(), Gate::new(Profile::Research(limits)));
        for instrument in &instruments {
            portfolio.define(instrument);
            view.add_instrument(instrument.idx);
            gate.add_sharer(instrument.idx);
        }
        gate.add_sharer(InstrumentIdx(0));
        for account in ACCOUNTS {
            portfolio.transfer(account, usdt, Money::from_units(10_000)).unwrap();
        }
        let mut world = Self {
            random,
            limits,
            table,
            instruments,
            usdt,
            view,
            portfolio,
            gate,
            standing: Standing::CALM,
            mode: Mode::Normal,
            price: vec![10_000, 10_000, 10_000],
            working: Vec::new(),
            messages: Vec::new(),
            entries: Vec::new(),
            disabled: [false; 2],
            moved: 0,
            refreshed: BTreeMap::new(),
            ordinal: 0,
            ts: testkit::T0,
            seen: Seen::default(),
        };
        for minute in 0..6 {
            world.ts = UnixNanos(world.ts.0 + 60_000_000_000);
            world.print(0, 10_000 + minute * minute % 7);
            world.print(1, 10_000 - (minute * minute) % 5);
            world.print(2, 10_000 + (minute * 3) % 4);
            world.gate.sample(world.ts, &world.view);
        }
        world
    }

    fn print(&mut self, at: usize, mantissa: i64) {
        self.moved += 1;
        self.price[at] = mantissa;
        let trade = testkit::trade(&self.instruments[at], 0, mantissa, 1, Side::Buy);
        self.view.apply(self.ts, &EventBody::Trade(trade));
    }

    fn held(&self, account: usize, at: usize, strategy: u16) -> Quantity {
        self.portfolio.position(ACCOUNTS[account], InstrumentIdx(at as u16), StrategyIdx(strategy)).quantity
    }

    fn order(&mut self, account: usize, at: usize, strategy: u16, side: Side, kind: OrderType) -> OrderSpec {
        self.ordinal += 1;
        OrderSpec {
            client_id: ClientOrderId::new(ACCOUNTS[account], 1, self.ordinal),
            kind,
            quantity: OrderQuantity::Base(Quantity::ZERO),
            time_in_force: TimeInForce::Gtc,
            account: ACCOUNTS[account],
            instrument: InstrumentIdx(at as u16),
            strategy: StrategyIdx(strategy),
            side,
            post_only: false,
            reduce_only: false,
        }
    }

    fn enter(&mut self) {
        let r = &mut self.random;
        let (account, at, strategy) = (r.within(0, 1) as usize, r.within(0, 2) as usize, r.within(0, 1) as u16);
        let short = at != 2 && r.chance(45);
        let side = if short { Side::Sell } else { Side::Buy };
        let limit = r.chance(40).then(|| self.price[at] * r.within(9_300, 10_700) / 10_000);
        let mark = self.price[at];
        let lots = match r.within(0, 2) {
            0 => r.within(1, 3_000),
            1 => r.within(1_000, 200_000),
            _ => r.within(100_000, 8_000_000),
        };
        let size = match r.within(0, 9) {
            0 | 1 => SizeRequest::Cap,
            2 => SizeRequest::AllIn,
            3 => SizeRequest::EquityFraction(Rate::from_bps(r.within(10, 20_000) as i32)),
            _ => SizeRequest::Base(Quantity::from_mantissa(lots, 4)),
        };
        let fills_at = limit.map_or(mark, |l| if short { l.max(mark) } else { l.min(mark) });
        let stop = if short { fills_at * r.within(101, 130) / 100 + 1 } else { fills_at * r.within(70, 99) / 100 };
        let refresh = r.chance(50);
        let rules = self.instruments[at].clone();
        let (key, kind) = (
            (ACCOUNTS[account], StrategyIdx(strategy), rules.idx),
            limit.map_or(OrderType::Market, |l| OrderType::Limit { price: rules.price(l) }),
        );
        let spec = self.order(account, at, strategy, side, kind);
        let signal = Signal {
            intent: if short { Intent::EnterShort } else { Intent::EnterLong },
            size,
            entry: limit.map_or(Entry::Market, |l| Entry::Limit(rules.price(l))),
            stop: Some(StopPlan::Price(rules.price(stop))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: 0,
            tag: 0,
            account: ACCOUNTS[account],
            instrument: rules.idx,
            strategy: StrategyIdx(strategy),
        };
        let validated = risk::validate::validate(&signal).unwrap();
        let own = OwnOrders::default();
        let Self { ts, table, view, portfolio, gate, standing, mode, refreshed, moved, .. } = self;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing };
        if refresh {
            refreshed.insert(key, *moved);
            gate.refresh(key.0, key.1, key.2, &scene);
        }
        let ask = Ask {
            account: key.0,
            instrument: key.2,
            strategy: key.1,
            side,
            limit,
            quantity: lots,
            stop: Some(stop),
            own,
        };
        let quick = matches!(size, SizeRequest::Base(_)).then(|| gate.quick(&ask, *ts, *mode, view));
        let result = gate.check_entry(&validated, EntryIntent { spec, own }, &scene, &mut NoObserver);
        if let Some(quick @ (Quick::Yes | Quick::No)) = quick {
            // Prices of other instruments may be as old as the slot may be.
            if quick == Quick::Yes && self.refreshed.get(&key) == Some(&self.moved) {
                assert!(result.is_ok(), "the quick gate said yes to {ask:?} and the full check {result:?}");
            }
            *self.seen.quick.entry((quick == Quick::Yes, result.is_ok())).or_default() += 1;
        }
        let entry = match result {
            Ok(entry) => entry,
            Err(refusal) => {
                *self.seen.refused.entry(refusal.reason.key()).or_default() += 1;
                return;
            }
        };
        let measured = match limit {
            None => mark,
            Some(l) if short => l.max(mark),
            Some(l) => l,
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
        let (pending, reservation) = (pending.to_f64(), entry.reservation);
        self.seen.approved += 1;
        self.messages.push((account, self.ts.0));
        self.entries.push((strategy, at, side, self.ts.0));
        self.assert_allowed(account, at, strategy, pending, left, limit);
        self.working.push(Working { account, instrument: at, strategy, side, pending, left, reservation });
        self.assert_within(account, at, strategy, side);
        for alert in self.gate.take_alerts().collect::<Vec<_>>() {
            if alert.kind == domain::AlertKind::Disabled {
                self.disabled[usize::from(alert.strategy.unwrap().0)] = true;
            }
        }
    }

    /// What an approval says by itself: nobody was stopped who had to be, and the order is no larger than one may be.
    fn assert_allowed(&self, account: usize, at: usize, strategy: u16, notional: f64, left: i64, limit: Option<i64>) {
        let (l, rules) = (&self.limits, &self.instruments[at]);
        assert_eq!(self.mode, Mode::Normal);
        assert!(!self.disabled[usize::from(strategy)], "strategy {strategy} is disabled");
        assert_ne!(self.standing.breaker(StrategyIdx(strategy)), Breaker::Open);
        for (loss, max) in [(self.standing.day_loss, l.daily_loss_max), (self.standing.drawdown, l.drawdown_max)] {
            assert!(matches!(loss, Reading::NotConfigured | Reading::Is(_)));
            assert!(!matches!(loss, Reading::Is(x) if x >= max.to_f64()));
        }
        assert!(notional <= l.order_value_max.to_f64() * (1.0 + EPSILON));
        let most = rules.max_quantity.to_f64() * l.order_volume_max.to_f64();
        assert!(rules.quantity(left).to_f64() <= most * (1.0 + EPSILON));
        if let Some(limit) = limit {
            let off = (limit - self.price[at]).abs() as f64 / self.price[at] as f64;
            assert!(off <= l.price_collar_max.to_f64() * (1.0 + EPSILON), "{off}");
        }
        let since = |window: u64| self.ts.0.saturating_sub(window * 1_000_000_000);
        let messages = self.messages.iter().filter(|m| m.0 == account && m.1 > since(l.message_window_s)).count();
        assert!(messages <= l.entry_messages_max as usize, "{messages} messages");
        let after = since(l.repeat_window_s);
        let mine = || self.entries.iter().filter(|e| e.0 == strategy && e.3 > after);
        assert!(mine().count() <= l.strategy_orders_max as usize);
        let side = self.entries.last().unwrap().2;
        assert!(mine().filter(|e| e.1 == at && e.2 == side).count() <= l.repeats_max as usize);
    }

    fn value(&self, account: usize, at: usize, strategy: u16) -> f64 {
        let rules = &self.instruments[at];
        let mark = rules.price(self.price[at]).to_f64();
        self.held(account, at, strategy).to_f64() * rules.multiplier.to_f64() * mark
    }

    /// All limits on what is held and on its way, by this test's own sums, in doubles.
    fn assert_within(&self, account: usize, at: usize, strategy: u16, side: Side) {
        let l = &self.limits;
        let equity = self.portfolio.equity(ACCOUNTS[account], &self.table, &self.view).unwrap().to_f64();
        let fits = |what: &str, used: f64, cap: f64| {
            assert!(used <= cap + cap.abs().max(1.0) * EPSILON, "{what}: {used} of {cap}");
        };
        let pending =
            |of: &dyn Fn(&Working) -> bool| -> f64 { self.working.iter().filter(|w| of(w)).map(|w| w.pending).sum() };
        let mut gross = [0.0; 2];
        let (mut long, mut short, mut var) = (0.0, 0.0, 0.0);
        for (number, gross) in gross.iter_mut().enumerate() {
            for i in 0..3 {
                for s in 0..2 {
                    let value = self.value(number, i, s);
                    *gross += value.abs();
                    if number == account {
                        long += value.max(0.0);
                        short += (-value).max(0.0);
                        var += value.abs() * self.var_rate(i);
                    }
                }
            }
            *gross += pending(&|w| w.account == number);
        }
        let own = |w: &Working| w.account == account;
        let buys = pending(&|w| own(w) && w.side == Side::Buy);
        let sells = pending(&|w| own(w) && w.side == Side::Sell);
        (0..3).for_each(|i| var += pending(&|w| own(w) && w.instrument == i) * self.var_rate(i));
        fits("leverage", gross[account], l.leverage_max.min(l.gross_exposure_max).to_f64() * equity);
        match side {
            Side::Buy => {
                fits("long", long + buys, l.long_exposure_max.to_f64() * equity);
                fits("net", long - short + buys, l.net_exposure_max.to_f64() * equity);
            }
            Side::Sell => {
                fits("short", short + sells, l.short_exposure_max.to_f64() * equity);
                fits("net", short - long + sells, l.net_exposure_max.to_f64() * equity);
            }
        }
        fits("capital", gross[account], l.capital_max.to_f64());
        fits("capital of all", gross[0] + gross[1], l.capital_total_max.to_f64());
        if let Some(step) = l.deployment() {
            fits("deployment", gross[account], step.value.to_f64());
        }
        if !self.standing.var_rates.is_empty() {
            fits("value at risk", var, l.var_fraction_max.to_f64() * equity);
        }
        let in_instrument = |s: Option<u16>| {
            let held: f64 =
                (0..2).filter(|n| s.is_none_or(|s| s == *n)).map(|n| self.value(account, at, n).abs()).sum();
            held + pending(&|w| own(w) && w.instrument == at && s.is_none_or(|s| s == w.strategy))
        };
        let sharers = if at == 0 { 2.0 } else { 1.0 };
        let cap = l.position_fraction_max.to_f64() * equity;
        fits("position", in_instrument(None), cap);
        fits("share of the position", in_instrument(Some(strategy)), cap / sharers);
        if let Breaker::HalfOpen { .. } = self.standing.breaker(StrategyIdx(strategy)) {
            fits("probe", in_instrument(Some(strategy)), cap / sharers * l.probe_fraction_max.to_f64());
        }
        let used = (0..3).filter(|i| {
            let dust = (0..2).all(|s| self.value(account, *i, s).abs() < 5.0);
            !dust || self.working.iter().any(|w| own(w) && w.instrument == *i)
        });
        assert!(used.count() <= l.positions_max as usize, "positions");
        self.assert_margin(account);
    }

    /// What of the orders on their way that are meant may still become, in quote.
    fn pending(&self, of: &dyn Fn(&Working) -> bool) -> f64 {
        self.working.iter().filter(|w| of(w)).map(|w| w.pending).sum()
    }

    fn var_rate(&self, at: usize) -> f64 {
        match self.standing.var_rate(InstrumentIdx(at as u16)) {
            Reading::Is(rate) => rate,
            Reading::NotConfigured | Reading::Unknown => 0.0,
        }
    }

    /// Buffer, liquidity ratio and the distance to liquidation, all on their way filled.
    fn assert_margin(&self, account: usize) {
        let pending = |of: &dyn Fn(&Working) -> bool| self.pending(of);
        let l = &self.limits;
        let balance = self.portfolio.balance(ACCOUNTS[account], self.usdt).to_f64();
        // What positions of both directions brought between them is in the balance already.
        let whole = self.portfolio.equity(ACCOUNTS[account], &self.table, &self.view).unwrap().to_f64();
        let spot: f64 = (0..2).map(|s| self.value(account, 2, s)).sum();
        let unrealised = whole - balance - spot;
        let (mut initial, mut maintenance, mut legs) = (0.0, 0.0, 0.0f64);
        let (mut to_bind, mut to_pay, mut upkeep) = (0.0, 0.0, 0.0);
        for (at, rules) in self.instruments.iter().enumerate() {
            let coming = pending(&|w| w.account == account && w.instrument == at);
            let fee = rules.fee_taker.to_f64();
            if rules.kind == InstrumentKind::Spot {
                // An amount to spend has its fee in it.
                to_pay += coming;
                continue;
            }
            let net: f64 = (0..2).map(|s| self.value(account, at, s)).sum();
            initial += net.abs() * rules.margin_initial.to_f64();
            maintenance += net.abs() * rules.margin_maintenance.to_f64();
            to_bind += coming * (rules.margin_initial.to_f64() + fee);
            upkeep += coming * (rules.margin_maintenance.to_f64() + fee);
            let falls = if net < 0.0
                || (net == 0.0
                    && pending(&|w| w.account == account && w.instrument == at && w.side == Side::Sell) > 0.0)
            {
                1.0
            } else {
                -1.0
            };
            legs = legs.max((net.abs() + coming) * (1.0 + falls * rules.margin_maintenance.to_f64()));
        }
        let entry = self.working.last().unwrap();
        let perpetual = entry.instrument != 2;
        let slack = 1e-6;
        let equity = balance + unrealised;
        if perpetual {
            assert!(equity - initial - to_pay + slack >= l.margin_buffer_min.to_f64() * to_bind, "margin buffer");
        }
        if perpetual || initial > 0.0 || to_bind > 0.0 {
            let liquid = balance + unrealised.min(0.0) - to_pay;
            assert!(
                liquid + slack >= l.liquidity_ratio_min.to_f64() * (initial + to_bind),
                "liquidity ratio: {liquid} for {initial} + {to_bind} at {}, {to_pay} to pay, entry in {}",
                l.liquidity_ratio_min,
                entry.instrument
            );
        }
        let surplus = equity - maintenance - upkeep - to_pay;
        assert!(surplus + slack >= l.liquidation_distance_min.to_f64() * legs, "liquidation: {surplus} for {legs}");
    }

    /// Part or all of an order is filled at the last price.
    fn fill(&mut self) {
        if self.working.is_empty() {
            return;
        }
        let which = self.random.within(0, self.working.len() as i64 - 1) as usize;
        let percent = self.random.within(1, 120).min(100);
        let order = &mut self.working[which];
        let rules = &self.instruments[order.instrument];
        let price = self.price[order.instrument];
        let quantity = (order.left * percent / 100).max(1).min(order.left);
        self.ordinal += 1;
        let fill = fill(rules, self.ordinal, order.account, order.strategy, order.side, price, quantity);
        if self.portfolio.apply_fill(&self.table, &fill).is_err() {
            return;
        }
        let notional = rules.notional(rules.price(price), rules.quantity(quantity), Rounding::Up).unwrap();
        self.gate.use_part(&mut order.reservation, notional);
        self.gate.invalidate();
        order.left -= quantity;
        order.pending = (order.pending - notional.to_f64()).max(0.0);
        if order.left == 0 {
            let done = self.working.remove(which);
            self.gate.release(done.reservation);
        }
    }

    fn cancel(&mut self) {
        if !self.working.is_empty() {
            let which = self.random.within(0, self.working.len() as i64 - 1) as usize;
            let done = self.working.remove(which);
            self.gate.release(done.reservation);
            self.gate.count_message(ACCOUNTS[done.account], self.ts);
            self.messages.push((done.account, self.ts.0));
        }
    }

    /// A strategy's position is reduced, in whatever state everything is.
    fn reduce(&mut self) {
        let r = &mut self.random;
        let (account, at, strategy) = (r.within(0, 1) as usize, r.within(0, 2) as usize, r.within(0, 1) as u16);
        let held = self.held(account, at, strategy);
        if held.is_zero() {
            return;
        }
        let rules = self.instruments[at].clone();
        let side = if held > Quantity::ZERO { Side::Sell } else { Side::Buy };
        let part = self.random.within(1, 110);
        let mantissa = rules.quantity_mantissa(held.checked_abs().unwrap()).unwrap() * part / 100;
        let own = OwnOrders {
            duplicate: self.random.chance(5),
            crossing: self.random.chance(5),
            opposing: self.random.chance(50),
        };
        let spec = OrderSpec {
            quantity: OrderQuantity::Base(rules.quantity(mantissa)),
            reduce_only: true,
            ..self.order(account, at, strategy, side, OrderType::Market)
        };
        let unpriced = self.random.chance(10);
        let mode = *self.random.pick(&Mode::ALL);
        let blind = MarketView::default();
        let Self { ts, table, view, portfolio, gate, standing, .. } = self;
        let scene = Scene { ts: *ts, table, view: if unpriced { &blind } else { view }, portfolio, mode, standing };
        let result = gate.check_reduction(spec, own, &scene, &mut NoObserver);
        let reason = match (mantissa, part, own.duplicate, own.crossing) {
            (_, _, true, _) => Some(DenyReason::Duplicate),
            (_, _, _, true) => Some(DenyReason::SelfMatch),
            (0, ..) => Some(DenyReason::Lot),
            (_, part, ..) if part > 100 && rules.quantity(mantissa) > held.checked_abs().unwrap() => {
                Some(DenyReason::Oversell)
            }
            _ => None,
        };
        assert_eq!(result.as_ref().err().map(|r| r.reason), reason);
        if result.is_ok() {
            self.seen.reduced += 1;
            self.messages.push((account, self.ts.0));
            self.ordinal += 1;
            let fill = fill(&rules, self.ordinal, account, strategy, side, self.price[at], mantissa);
            self.portfolio.apply_fill(&self.table, &fill).unwrap();
            self.gate.invalidate();
        }
    }

    /// Something else changes: a price, time, the mode, what is watched, a limit.
    fn change(&mut self) {
        let r = &mut self.random;
        match r.within(0, 11) {
            0..=4 => {
                let at = r.within(0, 2) as usize;
                let to = (self.price[at] + r.within(-400, 400)).clamp(4_000, 30_000);
                self.print(at, to);
            }
            5 | 6 => {
                self.ts = UnixNanos(self.ts.0 + r.within(0, 5_000_000_000) as u64);
                (0..3).for_each(|at| self.print(at, self.price[at]));
            }
            7 => self.mode = if r.chance(80) { Mode::Normal } else { *r.pick(&Mode::ALL) },
            8 => {
                let reading = |r: &mut Seeded, most: i64| match r.within(0, 9) {
                    0 => Reading::Unknown,
                    1 => Reading::Is(f64::NAN),
                    2 => Reading::Is(r.within(0, most) as f64 / 100.0),
                    _ => Reading::NotConfigured,
                };
                (self.standing.day_loss, self.standing.drawdown) = (reading(r, 150), reading(r, 150));
                let breaker = |r: &mut Seeded| match r.within(0, 9) {
                    0 => Breaker::Open,
                    1 | 2 => Breaker::HalfOpen { probe_free: r.chance(70) },
                    _ => Breaker::Closed,
                };
                self.standing.strategies = vec![breaker(r), breaker(r)];
                self.standing.var_rates = if r.chance(40) {
                    (0..3).map(|_| Reading::Is(r.within(1, 20) as f64 / 100.0)).collect()
                } else {
                    Vec::new()
                };
                self.gate.invalidate();
            }
            9 => {
                let key = *r.pick(&LimitKey::ALL);
                let percent = r.within(90, 110);
                let to = (self.limits.of(key) * 1e12) as i128 / 100 * i128::from(percent);
                let mut expected = self.limits;
                let allowed = expected.tighten(key, to);
                assert_eq!(self.gate.tighten(key, to).is_ok(), allowed.is_ok());
                self.limits = expected;
                assert_eq!(self.gate.profile().limits(), Some(&self.limits));
            }
            10 => {
                let strategy = r.within(0, 1) as u16;
                assert_eq!(self.gate.rearm(StrategyIdx(strategy)), self.disabled[usize::from(strategy)]);
                if self.disabled[usize::from(strategy)] {
                    self.disabled[usize::from(strategy)] = false;
                    self.entries.retain(|e| e.0 != strategy);
                }
            }
            _ => {
                let at = r.within(0, 2) as usize;
                let flags = if r.chance(50) { MarketFlags::WARMUP } else { MarketFlags::default() };
                let trade = testkit::trade(&self.instruments[at], 0, self.price[at], 1, Side::Buy);
                self.view.apply(self.ts, &EventBody::Trade(domain::Trade { flags, ..trade }));
            }
        }
    }

    fn step(&mut self) {
        match self.random.within(0, 9) {
            0..=3 => self.enter(),
            4 | 5 => self.fill(),
            6 => self.cancel(),
            7 => self.reduce(),
            _ => self.change(),
        }
    }
}

fn fill(
    rules: &Instrument,
    ordinal: u64,
    account: usize,
    strategy: u16,
    side: Side,
    price: i64,
    quantity: i64,
) -> Fill {
    Fill {
        client_id: ClientOrderId::new(ACCOUNTS[account], 1, ordinal),
        fee_amount: Money::ZERO,
        venue_id: VenueOrderId(ordinal),
        trade_id: ordinal,
        price,
        quantity,
        instrument: rules.idx,
        account: ACCOUNTS[account],
        strategy: StrategyIdx(strategy),
        fee_asset: rules.quote,
        side,
        liquidity: Liquidity::Taker,
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how long this test runs is said from outside")]
fn no_sequence_breaches_a_limit_with_all_that_is_on_its_way() {
    let deep = std::env::var("BOT4_DEEP_STEPS").ok().map(|text| text.parse::<u64>().unwrap());
    let steps = deep.unwrap_or(QUICK);
    let mut all = Seen::default();
    for seed in 0..steps.div_ceil(STEPS) {
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            (0..STEPS).for_each(|_| world.step());
            while !world.working.is_empty() {
                world.cancel();
            }
            for account in ACCOUNTS {
                assert_eq!(world.gate.exposure().pending_total(account), Money::ZERO);
                assert_eq!(world.gate.exposure().reserved(account, world.usdt), Money::ZERO);
            }
            world.seen
        });
        let seen = run.unwrap_or_else(|_| panic!("seed {seed}"));
        all.approved += seen.approved;
        all.reduced += seen.reduced;
        seen.quick.into_iter().for_each(|(key, n)| *all.quick.entry(key).or_default() += n);
        seen.refused.into_iter().for_each(|(key, n)| *all.refused.entry(key).or_default() += n);
    }
    // The sequences do what they are for: orders pass, and every limit stands against some.
    assert!(all.approved > steps / 50 && all.reduced > steps / 100, "{} {}", all.approved, all.reduced);
    let yes = all.quick.get(&(true, true)).copied().unwrap_or(0);
    let missed = all.quick.get(&(false, true)).copied().unwrap_or(0);
    assert!(yes > steps / 100 && yes > 4 * missed, "quick: {:?}", all.quick);
    for reason in [
        DenyReason::Paused,
        DenyReason::Emergency,
        DenyReason::Warmup,
        DenyReason::BreakerOpen,
        DenyReason::ProbeSize,
        DenyReason::RepeatedExecution,
        DenyReason::OpposesOwnPosition,
        DenyReason::PositionSize,
        DenyReason::PositionCount,
        DenyReason::InsufficientFunds,
        DenyReason::MarginBuffer,
        DenyReason::LiquidityRatio,
        DenyReason::LiquidationDistance,
        DenyReason::Leverage,
        DenyReason::GrossExposure,
        DenyReason::NetExposure,
        DenyReason::LongExposure,
        DenyReason::ShortExposure,
        DenyReason::CapitalThreshold,
        DenyReason::DailyLoss,
        DenyReason::Drawdown,
        DenyReason::EquityUnknown,
        DenyReason::VarBudget,
        DenyReason::PriceCollar,
        DenyReason::OrderValue,
        DenyReason::OrderVolume,
        DenyReason::MessageRate,
        DenyReason::Deployment,
        DenyReason::MinNotional,
    ] {
        assert!(all.refused.contains_key(reason.key()), "{} never stood against an order", reason.key());
    }
}
