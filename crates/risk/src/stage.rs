//! A small world for the tests of the gate: instruments, a market, a ledger and an account of 10,000 USDT. Tests only.

use crate::check::OwnOrders;
use crate::deny_reason::Refusal;
use crate::gate::{ApprovedEntry, EntryIntent, Gate, Scene};
use crate::limits::{Limits, Profile};
use crate::standing::Standing;
use crate::validate::validate;
use domain::{
    AccountId, AssetIdx, ClientOrderId, Entry, EventBody, Fill, Instrument, InstrumentIdx, InstrumentTable, Intent,
    Liquidity, MarketFlags, MarketView, Mode, Money, NoObserver, Observer, OrderQuantity, OrderSpec, OrderType,
    Quantity, Rate, Side, Signal, SizeRequest, StopPlan, StrategyIdx, TimeInForce, UnixNanos, VenueIdx, VenueOrderId,
};
use portfolio::Portfolio;

pub(crate) const ACCOUNT: AccountId = AccountId(0);
pub(crate) const USDT: AssetIdx = AssetIdx(0);

pub(crate) struct Stage {
    pub table: InstrumentTable,
    pub view: MarketView,
    pub portfolio: Portfolio,
    pub gate: Gate,
    pub ts: UnixNanos,
    pub mode: Mode,
    pub standing: Standing,
    orders: u64,
}

impl Stage {
    /// Nothing but 10,000 USDT.
    pub fn new(profile: Profile) -> Self {
        let mut table = InstrumentTable::default();
        assert_eq!(table.asset("USDT", 8), Ok(USDT));
        let mut portfolio = Portfolio::new(USDT);
        portfolio.transfer(ACCOUNT, USDT, Money::from_units(10_000)).unwrap();
        let ts = UnixNanos(testkit::T0.0 + 86_400_000_000_000);
        Self {
            table,
            view: MarketView::default(),
            portfolio,
            gate: Gate::new(profile),
            ts,
            mode: Mode::Normal,
            standing: Standing::CALM,
            orders: 0,
        }
    }

    /// With the hard limits, and one perpetual (number 0) at a price of 100.
    pub fn limited() -> Self {
        Self::with_perpetual(Profile::standard())
    }

    /// With these limits instead, and the same perpetual.
    pub fn within(limits: Limits) -> Self {
        Self::with_perpetual(Profile::Research(limits))
    }

    fn with_perpetual(profile: Profile) -> Self {
        let mut stage = Self::new(profile);
        let btc = stage.perpetual("BTCUSDT");
        stage.mark(btc, 100);
        stage
    }

    fn add(&mut self, instrument: Instrument) -> InstrumentIdx {
        self.portfolio.define(&instrument);
        self.view.add_instrument(instrument.idx);
        self.gate.add_sharer(instrument.idx);
        instrument.idx
    }

    /// Six decimals of price and quantity.
    pub fn spot(&mut self, symbol: &str) -> InstrumentIdx {
        let instrument = testkit::add_spot(&mut self.table, symbol, 6, 6);
        self.add(instrument)
    }

    pub fn perpetual(&mut self, symbol: &str) -> InstrumentIdx {
        let instrument = testkit::add_perpetual(&mut self.table, symbol, 6, 6);
        self.add(instrument)
    }

    /// The instrument once more, on another venue.
    pub fn elsewhere(&mut self, idx: InstrumentIdx) -> InstrumentIdx {
        let held = self.table.get(idx).unwrap().clone();
        let next = InstrumentIdx(self.table.len() as u16);
        let instrument = Instrument { idx: next, venue: VenueIdx(1), ..held };
        self.table.define(instrument.clone()).unwrap();
        self.add(instrument)
    }

    /// New rules of an instrument.
    pub fn rules(&mut self, idx: InstrumentIdx, change: impl FnOnce(&mut Instrument)) {
        let mut instrument = self.table.get(idx).unwrap().clone();
        change(&mut instrument);
        self.table.define(instrument.clone()).unwrap();
        self.portfolio.define(&instrument);
    }

    /// The instrument trades at a whole price, now, and once more, so that it is believed.
    pub fn mark(&mut self, idx: InstrumentIdx, price: i64) {
        self.print(idx, price * 1_000_000, MarketFlags::default());
        self.print(idx, price * 1_000_000, MarketFlags::default());
    }

    pub fn print(&mut self, idx: InstrumentIdx, mantissa: i64, flags: MarketFlags) {
        let mut trade = testkit::trade(self.table.get(idx).unwrap(), 0, mantissa, 1, Side::Buy);
        trade.flags = flags;
        self.view.apply(self.ts, &EventBody::Trade(trade));
    }

    /// A strategy trades, without a fee.
    pub fn trade(&mut self, strategy: u16, idx: InstrumentIdx, side: Side, quantity: &str, price: i64) {
        self.trade_of(ACCOUNT, strategy, idx, side, quantity, price);
    }

    /// The same in any account.
    pub fn trade_of(
        &mut self,
        account: AccountId,
        strategy: u16,
        idx: InstrumentIdx,
        side: Side,
        quantity: &str,
        price: i64,
    ) {
        let rules = self.table.get(idx).unwrap();
        self.orders += 1;
        let fill = Fill {
            client_id: ClientOrderId::new(account, 9, self.orders),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(1),
            trade_id: self.orders,
            price: price * 1_000_000,
            quantity: rules.quantity_mantissa(testkit::quantity(quantity)).unwrap(),
            instrument: idx,
            account,
            strategy: StrategyIdx(strategy),
            fee_asset: USDT,
            side,
            liquidity: Liquidity::Taker,
        };
        self.portfolio.apply_fill(&self.table, &fill).unwrap();
    }

    /// Hundred minutes (or as many as there are `samples`) whose returns in `b` correlate with those in `a` by `rho`.
    pub fn correlate(&mut self, a: InstrumentIdx, b: InstrumentIdx, rho: f64, samples: u64) {
        let (mut p, mut q) = (1e9f64, 1e9f64);
        for minute in 0..=samples {
            if minute > 0 {
                // Two series of +-1 per mille, orthogonal over every four minutes.
                let x = if minute % 2 == 0 { 1e-3 } else { -1e-3 };
                let z = if (minute / 2) % 2 == 0 { 1e-3 } else { -1e-3 };
                p *= 1.0 + x;
                q *= 1.0 + rho * x + (1.0 - rho * rho).sqrt() * z;
            }
            self.ts = UnixNanos(self.ts.0 + 60_000_000_000);
            self.print(a, p as i64, MarketFlags::default());
            self.print(b, q as i64, MarketFlags::default());
            self.gate.sample(self.ts, &self.view);
        }
        self.mark(a, 100);
        self.mark(b, 100);
    }

    /// A signal of strategy 0 with a stop of 1 %.
    pub fn signal(&self, intent: Intent, idx: InstrumentIdx, size: SizeRequest) -> Signal {
        Signal {
            intent,
            size,
            entry: Entry::Market,
            stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: 0,
            tag: 0,
            account: ACCOUNT,
            instrument: idx,
            strategy: StrategyIdx(0),
        }
    }

    /// Long, of that many units of base.
    pub fn long(&self, idx: InstrumentIdx, quantity: &str) -> Signal {
        self.signal(Intent::EnterLong, idx, SizeRequest::Base(testkit::quantity(quantity)))
    }

    pub fn short(&self, idx: InstrumentIdx, quantity: &str) -> Signal {
        self.signal(Intent::EnterShort, idx, SizeRequest::Base(testkit::quantity(quantity)))
    }

    /// Asks the gate, as the desk does.
    pub fn enter(&mut self, signal: &Signal) -> Result<ApprovedEntry, Refusal> {
        self.enter_beside(signal, OwnOrders::default())
    }

    /// The same gate with other clamps.
    pub fn clamped(&mut self, config: crate::ClampConfig) {
        let fresh = Gate::new(*self.gate.profile());
        self.gate = std::mem::replace(&mut self.gate, fresh).with_clamps(config);
    }

    pub fn enter_beside(&mut self, signal: &Signal, own: OwnOrders) -> Result<ApprovedEntry, Refusal> {
        self.ask(signal, own, &mut NoObserver)
    }

    pub fn enter_heard<O: Observer>(&mut self, signal: &Signal, observer: &mut O) -> Result<ApprovedEntry, Refusal> {
        self.ask(signal, OwnOrders::default(), observer)
    }

    /// Asks the gate for an entry that is to be worked in parts.
    pub fn whole(&mut self, signal: &Signal) -> Result<crate::Whole, Refusal> {
        let (validated, spec) = self.spec(signal)?;
        let Self { table, view, portfolio, gate, ts, mode, standing, .. } = self;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing };
        gate.check_whole(&validated, EntryIntent { spec, own: OwnOrders::default() }, &scene, &mut NoObserver)
    }

    fn ask<O: Observer>(
        &mut self,
        signal: &Signal,
        own: OwnOrders,
        observer: &mut O,
    ) -> Result<ApprovedEntry, Refusal> {
        let (validated, spec) = self.spec(signal)?;
        let Self { table, view, portfolio, gate, ts, mode, standing, .. } = self;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing };
        gate.check_entry(&validated, EntryIntent { spec, own }, &scene, observer)
    }

    fn spec(&mut self, signal: &Signal) -> Result<(crate::Validated, OrderSpec), Refusal> {
        let validated = validate(signal)?;
        let side = if signal.intent == Intent::EnterLong { Side::Buy } else { Side::Sell };
        let kind = match signal.entry {
            Entry::Market => OrderType::Market,
            Entry::Limit(price) => OrderType::Limit { price },
            Entry::Stop(trigger) => OrderType::StopMarket { trigger },
        };
        let spec = OrderSpec { strategy: signal.strategy, ..self.order(signal.instrument, side, kind, "0") };
        Ok((validated, spec))
    }

    pub fn reduce(&mut self, spec: OrderSpec, own: OwnOrders) -> Result<crate::Approved, Refusal> {
        let Self { table, view, portfolio, gate, ts, mode, standing, .. } = self;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing };
        gate.check_reduction(spec, own, &scene, &mut NoObserver)
    }

    /// An order of strategy 0.
    pub fn order(&mut self, idx: InstrumentIdx, side: Side, kind: OrderType, quantity: &str) -> OrderSpec {
        self.orders += 1;
        OrderSpec {
            client_id: ClientOrderId::new(ACCOUNT, 1, self.orders),
            kind,
            quantity: OrderQuantity::Base(Quantity::parse(quantity).unwrap()),
            time_in_force: TimeInForce::Gtc,
            account: ACCOUNT,
            instrument: idx,
            strategy: StrategyIdx(0),
            side,
            post_only: false,
            reduce_only: true,
        }
    }
}
