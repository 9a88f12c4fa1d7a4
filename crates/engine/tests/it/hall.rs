//! An engine with a strategy that says what a test wrote down, and the events to run it with.

use domain::{
    AccountId, AccountReport, AssetIdx, Candle, ClientOrderId, Control, Entry, Event, EventBody, Fill, InferRequest,
    InputId, Instrument, InstrumentIdx, InstrumentTable, Intent, Liquidity, MarketFlags, ModelOutput, Money, Nanos,
    Observer, Output, Quantity, Rate, ReportBody, Side, Signal, SizeRequest, StopPlan, StrategyIdx, TimerFired,
    TimerRequest, UnixNanos, VenueOrderId,
};
use engine::{Engine, EngineConfig, defined};
use risk::{Command, CommandRecord, Profile};
use std::collections::BTreeMap;
use strategy::{Context, Reader, StateError, Strategy};

pub const ACCOUNT: AccountId = AccountId(0);
pub const BTC: InstrumentIdx = InstrumentIdx(0);

/// Says what was written down for its n-th event, and counts.
#[derive(Default)]
pub struct Script {
    pub says: BTreeMap<u64, Vec<Output>>,
    pub on_timer: Vec<Output>,
    pub on_model: Vec<Output>,
    pub seen: u64,
    pub instruments: Vec<InstrumentIdx>,
}

impl Strategy for Script {
    fn name(&self) -> &'static str {
        "script"
    }
    fn version(&self) -> u32 {
        1
    }
    fn instruments(&self) -> &[InstrumentIdx] {
        &self.instruments
    }
    fn on_market(&mut self, _: &Context<'_>, _: &EventBody, out: &mut Vec<Output>) {
        out.extend(self.says.get(&self.seen).into_iter().flatten());
        self.seen += 1;
    }
    fn on_timer(&mut self, _: &Context<'_>, _: u32, out: &mut Vec<Output>) {
        out.extend(&self.on_timer);
    }
    fn on_model(&mut self, _: &Context<'_>, _: &ModelOutput, out: &mut Vec<Output>) {
        out.extend(&self.on_model);
    }
    fn parameters(&self, out: &mut Vec<u8>) {
        domain::codec::put_bytes(format!("{:?} {:?} {:?}", self.says, self.on_timer, self.on_model).as_bytes(), out);
    }
    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.seen.to_le_bytes());
    }
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.seen = from.u64()?;
        Ok(())
    }
    fn inspect(&self, each: &mut dyn FnMut(&'static str, f64)) {
        each("seen", self.seen as f64);
    }
}

pub fn signal(intent: Intent) -> Signal {
    let exit = intent == Intent::Exit;
    Signal {
        intent,
        size: if exit { SizeRequest::Position } else { SizeRequest::Base(Quantity::from_units(1)) },
        entry: Entry::Market,
        stop: (!exit).then_some(StopPlan::Fraction(Rate::from_bps(500))),
        target: None,
        confidence: 1.0,
        statistics: None,
        reference: 10_000,
        tag: 0,
        account: ACCOUNT,
        instrument: BTC,
        // Not its own number: the engine says whose a signal is.
        strategy: StrategyIdx(7),
    }
}

pub fn says(intent: Intent) -> Vec<Output> {
    vec![Output::Signal(signal(intent))]
}

pub fn timer(at: u64, id: u32) -> Output {
    Output::Timer(TimerRequest { strategy: StrategyIdx(7), id, at: UnixNanos(at) })
}

pub fn question(model: u32) -> Output {
    Output::Infer(InferRequest { strategy: StrategyIdx(7), model, as_of: testkit::T0 })
}

pub fn config(profile: Profile) -> EngineConfig {
    EngineConfig {
        profile,
        report_currency: AssetIdx(0),
        epoch: 1,
        correlation_every: Nanos::from_secs(60),
        correlation_lateness: Nanos::from_secs(5),
        accounts: vec![ACCOUNT],
        stops: engine::StopPolicy::AT_ONCE,
        asking: None,
        reconcile: None,
        guard: None,
        clamps: None,
    }
}

/// An engine, its instruments, and the number of the next event.
pub struct Hall {
    pub engine: Engine,
    pub instruments: Vec<Instrument>,
    next: u64,
    pub ts: UnixNanos,
}

impl Hall {
    /// With the hard limits, BTCUSDT at two decimals, 100,000 USDT and this strategy.
    pub fn new(script: Script) -> Self {
        Self::with(Profile::standard(), &["BTCUSDT"], script)
    }

    pub fn with(profile: Profile, symbols: &[&str], script: Script) -> Self {
        let mut table = InstrumentTable::default();
        table.asset("USDT", 8).unwrap();
        let instruments: Vec<Instrument> = symbols.iter().map(|s| testkit::add_spot(&mut table, s, 2, 2)).collect();
        Self::made(config(profile), table, instruments, script)
    }

    /// The same with an account that is held against what the venue says, and the perpetual ETHUSDT beside.
    pub fn reconciled(script: Script) -> Self {
        let mut table = InstrumentTable::default();
        table.asset("USDT", 8).unwrap();
        let instruments =
            vec![testkit::add_spot(&mut table, "BTCUSDT", 2, 2), testkit::add_perpetual(&mut table, "ETHUSDT", 2, 2)];
        let asking = engine::AskPolicy { answer_within: Nanos::from_secs(5), grace: Nanos::from_secs(10), denials: 2 };
        let reconcile = Some(engine::ReconcilePolicy::every(Nanos::from_secs(60)));
        let config = EngineConfig { asking: Some(asking), reconcile, ..config(Profile::standard()) };
        Self::made(config, table, instruments, script)
    }

    fn made(config: EngineConfig, table: InstrumentTable, instruments: Vec<Instrument>, script: Script) -> Self {
        let mut engine = Engine::new(config).unwrap();
        engine.define_assets(&table).unwrap();
        engine.add_strategy(Box::new(Script { instruments: vec![BTC], ..script })).unwrap();
        let mut hall = Self { engine, instruments, next: 0, ts: testkit::T0 };
        for instrument in hall.instruments.clone() {
            hall.step(defined(instrument));
        }
        hall.transfer(100_000);
        hall
    }

    pub fn step(&mut self, body: EventBody) -> Vec<CommandRecord> {
        self.step_observed(body, &mut domain::NoObserver)
    }

    pub fn step_observed<O: Observer>(&mut self, body: EventBody, observer: &mut O) -> Vec<CommandRecord> {
        self.next += 1;
        let event = Event { id: InputId::new(1, self.next), body };
        let mut out: Vec<Command> = Vec::new();
        self.engine.step_observed(self.ts, &event, &mut out, observer);
        out.iter().map(Command::record).collect()
    }

    pub fn transfer(&mut self, amount: i64) {
        let body = ReportBody::Transfer { account: ACCOUNT, asset: AssetIdx(0), amount: Money::from_units(amount) };
        self.step(report(body));
    }

    /// A candle that closes at a whole price, a minute later.
    pub fn candle(&mut self, close: i64) -> Vec<CommandRecord> {
        let body = self.candle_of(0, close, MarketFlags::default());
        self.step(body)
    }

    pub fn candle_of(&mut self, instrument: usize, close: i64, flags: MarketFlags) -> EventBody {
        self.ts = UnixNanos(self.ts.0 + 60_000_000_000);
        let candle = testkit::candle(&self.instruments[instrument], 0, [close * 100; 4], 100);
        EventBody::Candle(Candle { flags, ..candle })
    }

    /// Order number `ordinal` of the desk trades.
    pub fn fill(&self, ordinal: u64, side: Side, quantity: i64, price: i64, complete: bool) -> EventBody {
        let fill = Fill {
            client_id: ClientOrderId::new(ACCOUNT, 1, ordinal),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(ordinal),
            trade_id: self.next,
            price,
            quantity,
            instrument: BTC,
            account: ACCOUNT,
            strategy: StrategyIdx(0),
            fee_asset: AssetIdx(0),
            side,
            liquidity: Liquidity::Taker,
        };
        report(ReportBody::Filled { fill, complete })
    }
}

pub fn report(body: ReportBody) -> EventBody {
    EventBody::Report(AccountReport { ts_event: testkit::T0, body })
}

pub fn control(control: Control) -> EventBody {
    EventBody::Control(control)
}

/// What the commands are, in words.
pub fn words(commands: &[CommandRecord]) -> Vec<String> {
    commands
        .iter()
        .map(|command| match command {
            CommandRecord::Submit { spec, class, .. } => {
                format!("submit {:?} {} {}", class, spec.kind.name(), spec.strategy.0)
            }
            CommandRecord::List { first, second } => {
                format!("pair {} {}", first.spec.client_id.ordinal(), second.spec.client_id.ordinal())
            }
            CommandRecord::Decision(risk::Decision::Group { group, kind, legs, .. }) => {
                format!("group {group} {} {legs}", kind.key())
            }
            CommandRecord::Decision(risk::Decision::GroupStep { group, leg, step, refusal, .. }) => {
                let why = refusal.map_or_else(String::new, |refusal| format!(" {}", refusal.reason.key()));
                format!("group {group} leg {leg} {}{why}", step.key())
            }
            CommandRecord::Cancel { client_id } => format!("cancel {}", client_id.ordinal()),
            CommandRecord::Query { client_id } => format!("query {}", client_id.ordinal()),
            CommandRecord::Reconcile { account, .. } => format!("reconcile {}", account.0),
            CommandRecord::Decision(risk::Decision::Difference(d)) => {
                format!("difference {} {} {}", d.kind.key(), d.ours, d.theirs)
            }
            CommandRecord::Decision(risk::Decision::Reconciled { .. }) => "reconciled".into(),
            CommandRecord::Timer { timer: TimerFired::Strategy { strategy, id }, .. } => {
                format!("timer {} {id}", strategy.0)
            }
            CommandRecord::Timer { timer, .. } => format!("{timer:?}"),
            CommandRecord::Infer(request) => format!("infer {} {}", request.strategy.0, request.model),
            CommandRecord::Decision(risk::Decision::Signal(s)) => format!("signal {:?} {}", s.intent, s.strategy.0),
            CommandRecord::Decision(risk::Decision::Mode { to, cause, .. }) => {
                format!("mode {} {}", to.key(), cause.key())
            }
            CommandRecord::Decision(risk::Decision::Alert(alert)) => format!("alert {}", alert.kind.key()),
            CommandRecord::Decision(risk::Decision::Limit { limit, from, to, .. }) => {
                format!("limit {} {from} {to}", limit.key())
            }
            CommandRecord::Decision(risk::Decision::Rearmed { what, done, .. }) => format!("rearmed {what:?} {done}"),
            CommandRecord::Decision(risk::Decision::Worked { style, strategy, .. }) => {
                format!("works {} {}", style.name(), strategy.0)
            }
            CommandRecord::Decision(risk::Decision::WorkEnded { end, strategy, .. }) => {
                format!("worked {} {}", end.name(), strategy.0)
            }
            CommandRecord::Gate { level } => format!("gate {level}"),
            CommandRecord::Decision(risk::Decision::Refused { refusal, strategy, .. }) => {
                format!("refused {} {}", refusal.reason.key(), strategy.0)
            }
        })
        .collect()
}
