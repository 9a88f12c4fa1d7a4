//! A desk with a gate, a ledger and a market, whose venue is the test: it says what the venue says, and reads what the desk says.

use domain::codec::Reader;
use domain::{
    AccountId, AccountReport, AssetIdx, ClientOrderId, Digest, Digestible, Entry, EventBody, Fill, GroupRequest,
    GroupStep, InstrumentIdx, InstrumentTable, Intent, Leg, Liquidity, MarketView, Mode, Money, NoObserver,
    OrderQuantity, OrderSpec, OrderType, Quantity, Rate, RejectReason, ReportBody, Side, Signal, SizeRequest, StopPlan,
    StrategyIdx, TimeInForce, TimerFired, TrailOffset, UnixNanos, VenueOrderId, WorkStyle,
};
use execution::{Alarm, AskPolicy, Desk, Key, StopPolicy, World};
use portfolio::Portfolio;
use risk::{Command, Decision, Gate, Limits, Profile, Refusal, Scene, Standing, VenueKind};

pub const ACCOUNT: AccountId = AccountId(0);
pub const SPOT: InstrumentIdx = InstrumentIdx(0);
pub const PERP: InstrumentIdx = InstrumentIdx(1);
pub const BASE: AssetIdx = AssetIdx(0);

pub struct Floor {
    pub table: InstrumentTable,
    pub view: MarketView,
    pub portfolio: Portfolio,
    pub gate: Gate,
    pub desk: Desk,
    pub ts: UnixNanos,
    pub mode: Mode,
    out: Vec<Command>,
    /// Orders as they left.
    pub sent: Vec<OrderSpec>,
    trades: u64,
}

/// Limits wide enough that only the stop is demanded.
pub fn wide() -> Profile {
    Profile::Research(Limits { stop_required: true, ..Limits::relaxed() })
}

impl Floor {
    pub fn new() -> Self {
        Self::with(wide())
    }

    /// A spot instrument and a perpetual at 100, with two decimals of price and quantity, and a million USDT.
    pub fn with(profile: Profile) -> Self {
        let mut table = InstrumentTable::default();
        let instruments =
            [testkit::add_spot(&mut table, "BTCUSDT", 2, 2), testkit::add_perpetual(&mut table, "ETHUSDT", 2, 2)];
        let mut portfolio = Portfolio::new(instruments[0].quote);
        let mut view = MarketView::default();
        let mut gate = Gate::new(profile);
        for instrument in &instruments {
            portfolio.define(instrument);
            view.add_instrument(instrument.idx);
            gate.add_sharer(instrument.idx);
        }
        portfolio.transfer(ACCOUNT, instruments[0].quote, Money::from_units(1_000_000)).unwrap();
        let mut floor = Self {
            table,
            view,
            portfolio,
            gate,
            desk: Desk::new(1),
            ts: testkit::T0,
            mode: Mode::Normal,
            out: Vec::new(),
            sent: Vec::new(),
            trades: 0,
        };
        floor.price(SPOT, 100);
        floor.price(PERP, 100);
        floor
    }

    pub fn price(&mut self, idx: InstrumentIdx, price: i64) {
        let trade = testkit::trade(self.table.get(idx).unwrap(), 0, price * 100, 1, Side::Buy);
        self.view.apply(self.ts, &EventBody::Trade(trade));
    }

    /// A trade at a price with decimals, which the desk sees, too.
    pub fn trade(&mut self, idx: InstrumentIdx, price: &str) {
        let rules = self.table.get(idx).unwrap();
        let mantissa = rules.price_mantissa(testkit::price(price)).unwrap();
        let body = EventBody::Trade(testkit::trade(rules, 0, mantissa, 1, Side::Buy));
        self.view.apply(self.ts, &body);
        self.act(|desk, world| desk.on_market(&body, world));
    }

    /// A market entry of one unit with a stop of 5 %.
    pub fn entry(intent: Intent, instrument: InstrumentIdx) -> Signal {
        Signal {
            intent,
            size: SizeRequest::Base(Quantity::from_units(1)),
            entry: Entry::Market,
            stop: Some(StopPlan::Fraction(Rate::from_bps(500))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: 0,
            tag: 0,
            account: ACCOUNT,
            instrument,
            strategy: StrategyIdx(0),
        }
    }

    pub fn exit_of(instrument: InstrumentIdx) -> Signal {
        Signal { size: SizeRequest::Position, stop: None, ..Self::entry(Intent::Exit, instrument) }
    }

    pub fn signal(&mut self, signal: &Signal) -> Result<(), Refusal> {
        let validated = risk::validate::validate(signal)?;
        self.act(|desk, world| desk.on_signal(&validated, world))
    }

    pub fn work(&mut self, signal: &Signal, style: &WorkStyle) -> Result<(), Refusal> {
        let validated = risk::validate::validate(signal)?;
        self.act(|desk, world| desk.on_work(&validated, style, world))
    }

    /// Asks for a group; what is refused names the leg.
    pub fn group(&mut self, request: &GroupRequest) -> Result<u64, (u8, Refusal)> {
        let validated = risk::group::validate_legs(request)?;
        self.act(|desk, world| desk.on_group(request, &validated, world))
    }

    /// An entry of one unit with a stop of 5 %, as a leg of a group.
    pub fn leg(intent: Intent, instrument: InstrumentIdx, entry: Entry) -> Leg {
        let Signal { size, stop, target, reference, .. } = Self::entry(intent, instrument);
        Leg { intent, size, entry, time_in_force: TimeInForce::Gtc, stop, target, reference, instrument }
    }

    /// Time goes on, and the desk is woken if it asked for that.
    pub fn pass(&mut self, seconds: f64) {
        self.ts = UnixNanos(self.ts.0 + (seconds * 1e9) as u64);
        if self.desk.next_due().is_some_and(|due| due <= self.ts) {
            self.act(|desk, world| desk.on_time(world));
        }
    }

    /// The gate word stopped these orders.
    pub fn not_sent(&mut self, ordinals: &[u64]) {
        let ids: Vec<ClientOrderId> = ordinals.iter().map(|n| Self::id(*n)).collect();
        self.act(|desk, world| desk.not_sent(&ids, world));
    }

    /// Positions without protection.
    pub fn naked(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        self.desk.naked(&self.scene(), &mut keys);
        keys
    }

    pub fn is_quiet(&self) -> bool {
        self.desk.is_quiet(ACCOUNT, &self.scene())
    }

    pub fn scene(&self) -> Scene<'_> {
        Scene {
            ts: self.ts,
            table: &self.table,
            view: &self.view,
            portfolio: &self.portfolio,
            mode: self.mode,
            standing: Standing::CALM_REF,
        }
    }

    pub fn act<T>(&mut self, act: impl FnOnce(&mut Desk, &mut World<'_, '_, NoObserver>) -> T) -> T {
        let Self { table, view, portfolio, gate, desk, ts, mode, out, .. } = self;
        let scene = Scene { ts: *ts, table, view, portfolio, mode: *mode, standing: Standing::CALM_REF };
        act(desk, &mut World { scene, gate, out, observer: &mut NoObserver })
    }

    /// The venue says this; the ledger has booked it.
    pub fn report(&mut self, body: ReportBody) -> Option<Alarm> {
        self.act(|desk, world| desk.on_report(&body, world))
    }

    pub fn id(ordinal: u64) -> ClientOrderId {
        ClientOrderId::new(ACCOUNT, 1, ordinal)
    }

    pub fn accept(&mut self, ordinal: u64) -> Option<Alarm> {
        self.report(ReportBody::Accepted { client_id: Self::id(ordinal), venue_id: VenueOrderId(ordinal) })
    }

    pub fn reject(&mut self, ordinal: u64, reason: RejectReason) -> Option<Alarm> {
        self.report(ReportBody::Rejected { client_id: Self::id(ordinal), reason })
    }

    pub fn canceled(&mut self, ordinal: u64, reason: Option<RejectReason>) -> Option<Alarm> {
        self.report(ReportBody::Canceled { client_id: Self::id(ordinal), reason })
    }

    /// Order `ordinal` trades at a whole price, for a fee in its quote asset of nothing.
    pub fn fill(&mut self, ordinal: u64, quantity: &str, price: i64, complete: bool) -> Option<Alarm> {
        self.fill_for(ordinal, quantity, price, complete, "0")
    }

    /// The same with a fee in the base asset.
    pub fn fill_for(&mut self, ordinal: u64, quantity: &str, price: i64, complete: bool, fee: &str) -> Option<Alarm> {
        let spec = *self.sent.iter().find(|spec| spec.client_id == Self::id(ordinal)).unwrap();
        let rules = self.table.get(spec.instrument).unwrap();
        self.trades += 1;
        let fill = Fill {
            client_id: spec.client_id,
            fee_amount: testkit::money(fee),
            venue_id: VenueOrderId(ordinal),
            trade_id: self.trades,
            price: price * 100,
            quantity: rules.quantity_mantissa(testkit::quantity(quantity)).unwrap(),
            instrument: spec.instrument,
            account: spec.account,
            strategy: spec.strategy,
            fee_asset: if fee == "0" { rules.quote } else { rules.base },
            side: spec.side,
            liquidity: Liquidity::Taker,
        };
        self.book(fill, complete)
    }

    pub fn book(&mut self, fill: Fill, complete: bool) -> Option<Alarm> {
        self.portfolio.apply_fill(&self.table, &fill).unwrap();
        self.report(ReportBody::Filled { fill, complete })
    }

    /// What the desk said since the last look, in words.
    pub fn said(&mut self) -> Vec<String> {
        let ts = self.ts;
        let commands: Vec<Command> = self.out.drain(..).collect();
        commands
            .into_iter()
            .filter(|command| !matches!(command, Command::Record(Decision::Group { .. } | Decision::Signal(_))))
            .map(|command| match command {
                Command::List { first, second } => {
                    let specs = [first, second].map(|order| order.release(ts, VenueKind::Simulated).unwrap());
                    self.sent.extend(specs);
                    format!("pair {} / {}", words(&specs[0]), words(&specs[1]))
                }
                Command::Record(Decision::GroupStep { leg, step, refusal, .. }) => {
                    let step = match step {
                        GroupStep::Excess { quantity } => format!("excess {quantity}"),
                        step => step.key().to_owned(),
                    };
                    let why = refusal.map_or_else(String::new, |refusal| format!(" {}", refusal.reason.key()));
                    format!("leg {leg} {step}{why}")
                }
                Command::Submit(approved) => {
                    let spec = approved.release(ts, VenueKind::Simulated).unwrap();
                    self.sent.push(spec);
                    words(&spec)
                }
                Command::Cancel { client_id, .. } => format!("cancel #{}", client_id.ordinal()),
                Command::Query { client_id, .. } => format!("where is #{}", client_id.ordinal()),
                Command::Reconcile { .. } => "executions?".to_owned(),
                Command::Record(Decision::Refused { refusal, intent: Intent::Exit, .. }) => {
                    format!("refused exit {}", refusal.reason.key())
                }
                Command::Record(Decision::Refused { refusal, .. }) => format!("refused {}", refusal.reason.key()),
                Command::Record(Decision::Alert(alert)) => format!("alert {}", alert.kind.key()),
                Command::Record(Decision::Worked { style, target, .. }) => format!("works {target} {}", style.name()),
                Command::Record(Decision::WorkEnded { target, filled, end, .. }) => {
                    format!("worked {filled} of {target}: {}", end.name())
                }
                Command::Record(Decision::Difference(d)) => format!("difference {}", d.kind.key()),
                Command::Timer { at, timer: TimerFired::Desk } => {
                    format!("wake in {} s", at.since(ts).0 as f64 / 1e9)
                }
                other => format!("{other:?}"),
            })
            .collect()
    }

    /// Asserts what the desk said since the last look.
    #[track_caller]
    pub fn expect(&mut self, expected: &[&str]) {
        assert_eq!(self.said(), expected);
    }

    pub fn held(&self, idx: InstrumentIdx) -> Quantity {
        self.portfolio.position(ACCOUNT, idx, StrategyIdx(0)).quantity
    }

    /// Asserts that nothing is left of anything: no order, no plan, no reservation.
    #[track_caller]
    pub fn expect_clean(&self) {
        assert_eq!(self.desk.orders().len(), 0, "{:?}", self.desk.orders());
        assert_eq!(self.gate.exposure().pending_total(ACCOUNT), Money::ZERO);
        let quote = self.table.get(SPOT).unwrap().quote;
        assert_eq!(self.gate.exposure().reserved(ACCOUNT, quote), Money::ZERO);
    }

    /// Saves gate and desk, and goes on with what is loaded from that.
    pub fn reload(&mut self, policy: StopPolicy) {
        self.reload_asking(policy, None);
    }

    /// The same for a desk that asks.
    pub fn reload_asking(&mut self, policy: StopPolicy, asking: Option<AskPolicy>) {
        let before = self.digest();
        let mut bytes = Vec::new();
        self.gate.save(&mut bytes);
        self.desk.save(&mut bytes);
        let mut gate = Gate::new(*self.gate.profile());
        for instrument in self.table.instruments() {
            gate.add_sharer(instrument.idx);
        }
        let mut desk = Desk::new(1).with_stops(policy).with_asking(asking);
        let mut from = Reader::new(&bytes);
        let restorer = gate.load(&mut from).unwrap();
        desk.load(&mut from, restorer).unwrap();
        from.finish().unwrap();
        let mut again = Vec::new();
        gate.save(&mut again);
        desk.save(&mut again);
        assert!(again == bytes, "what is loaded is what was saved");
        (self.gate, self.desk) = (gate, desk);
        assert_eq!(self.digest(), before);
    }

    pub fn digest(&self) -> Digest {
        let mut d = Digest::default();
        self.desk.digest(&mut d);
        d
    }
}

fn words(spec: &OrderSpec) -> String {
    let side = if spec.side == Side::Buy { "buy" } else { "sell" };
    let quantity = match spec.quantity {
        OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => q.to_string(),
        OrderQuantity::QuoteAmount(amount) => format!("for {amount}"),
    };
    let kind = match spec.kind {
        OrderType::Market if spec.time_in_force == TimeInForce::Ioc => "market at once".to_owned(),
        OrderType::Market => "market".to_owned(),
        OrderType::Limit { price } if spec.post_only => format!("post {price}"),
        OrderType::Limit { price } => format!("limit {price}"),
        OrderType::StopMarket { trigger } => format!("stop {trigger}"),
        OrderType::TrailingStop { offset: TrailOffset::Distance(distance) } => format!("trail {distance}"),
        OrderType::TrailingStop { offset: TrailOffset::Fraction(fraction) } => format!("trail {fraction} of it"),
        OrderType::TakeProfit { trigger } => format!("target {trigger}"),
        other => format!("{other:?}"),
    };
    format!("#{} {side} {quantity} {kind}", spec.client_id.ordinal())
}

/// A report that concerns no order.
pub fn transfer(amount: i64) -> AccountReport {
    let body = ReportBody::Transfer { account: ACCOUNT, asset: BASE, amount: Money::from_units(amount) };
    AccountReport { ts_event: testkit::T0, body }
}
