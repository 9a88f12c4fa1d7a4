//! What the whole-system tests share: engine and venue wired as a run wires them, strategies that do what a script or a seed says, and
//! probes that remember everything.

use bot4::runner::drive::{Driven, Silent, drive};
use bot4::runner::plan::ACCOUNT;
use bot4::runner::record::Probe;
use bot4::runner::session::{Session, SessionError};
use bot4::runner::source::{InMemory, Input, Source};
use domain::observe::CheckSeen;
use domain::{
    AccountReport, ClientOrderId, Digest, Digestible, Entry, Event, EventBody, Fill, InputId, Instrument,
    InstrumentIdx, InstrumentKind, InstrumentTable, Intent, Money, Nanos, Observer, OrderClass, OrderSpec, Output,
    Price, Quantity, Rate, ReportBody, Rounding, Signal, SizeRequest, StopPlan, StrategyIdx, TimerRequest, UnixNanos,
};
use engine::{Engine, EngineConfig};
use risk::{Command, CommandRecord, Decision, Profile, Refusal};
use sim::{Venue, VenueConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use store::history::{HistoryError, Rows};
use strategy::{Context, Reader, StateError, Strategy};
use testkit::generate::Seeded;

/// An engine and a venue over the instruments of a table, with these strategies.
pub fn session(
    table: &InstrumentTable,
    venue: VenueConfig,
    profile: Profile,
    strategies: Vec<Box<dyn Strategy>>,
) -> Session {
    let config = EngineConfig {
        profile,
        report_currency: table.instruments()[0].quote,
        epoch: 1,
        correlation_every: Nanos::from_secs(60),
        correlation_lateness: Nanos::from_secs(1),
        accounts: vec![ACCOUNT],
        stops: engine::StopPolicy { lists: venue.pairs, ..engine::StopPolicy::AT_ONCE },
        asking: None,
        reconcile: None,
        guard: None,
        clamps: None,
    };
    let mut engine = Engine::new(config).unwrap();
    engine.define_assets(table).unwrap();
    strategies.into_iter().for_each(|s| engine.add_strategy(s).unwrap());
    venue.validate().unwrap();
    let mut venue = Venue::new(venue);
    venue.define_table(table).unwrap();
    Session::new(engine, venue)
}

/// What begins a run: definitions and a deposit in quote.
pub fn begin<P: Probe>(session: &mut Session, ts: UnixNanos, table: &InstrumentTable, cash: &str, probe: &mut P) {
    for instrument in table.instruments() {
        session.tell(ts, EventBody::InstrumentDefined(Arc::new(instrument.clone())), probe).unwrap();
    }
    session.venue.deposit(ACCOUNT, table.instruments()[0].quote, testkit::money(cash));
    session.settle(ts, probe).unwrap();
}

/// Drives a fresh session through rows, as a run does.
pub fn run<P: Probe>(
    session: &mut Session,
    table: &InstrumentTable,
    cash: &str,
    inputs: Vec<Input>,
    probe: &mut P,
) -> Driven {
    let table = table.clone();
    let mut first = move |s: &mut Session, ts, p: &mut P| -> Result<(), SessionError> {
        begin(s, ts, &table, cash, p);
        Ok(())
    };
    drive(session, inputs, probe, &mut Silent, &AtomicBool::new(false), &mut first).unwrap()
}

/// Goes on with a session that has begun.
pub fn go_on<P: Probe>(session: &mut Session, inputs: Vec<Input>, probe: &mut P) {
    drive(session, inputs, probe, &mut Silent, &AtomicBool::new(false), &mut |_, _, _| Ok(())).unwrap();
}

/// Rows of an instrument as an input.
pub fn input(instrument: InstrumentIdx, rows: Rows) -> Input {
    Input { source: Box::new(InMemory::new(rows)), instrument }
}

/// Candles of an instrument as an input.
pub fn candles(instrument: &Instrument, rows: &[domain::Candle]) -> Input {
    input(instrument.idx, Rows::Candles(rows.to_vec()))
}

/// A source that gives out a few rows at a time.
pub struct Chunked {
    /// All rows.
    pub rows: Vec<domain::Candle>,
    /// How many at a time.
    pub chunk: usize,
    /// How many were given.
    pub at: usize,
}

impl Source for Chunked {
    fn next_chunk(&mut self, rows: &mut Rows) -> Result<bool, HistoryError> {
        let end = (self.at + self.chunk).min(self.rows.len());
        *rows = Rows::Candles(self.rows[self.at..end].to_vec());
        self.at = end;
        Ok(!rows.is_empty())
    }
}

/// Digest of the state of engine and venue.
pub fn state(session: &Session) -> String {
    let mut d = session.engine.state_digest();
    session.venue.digest(&mut d);
    d.to_string()
}

/// Digest of inputs and decisions.
pub fn digest(session: &Session) -> Digest {
    *session.engine.digest()
}

/// Asserts that the ledger and the venue, which share no code, hold the same.
#[track_caller]
pub fn assert_agree(session: &Session, table: &InstrumentTable, about: &str) {
    let ledger = session.engine.portfolio();
    for (n, asset) in (0u16..).zip(table.assets()) {
        let asset_idx = domain::AssetIdx(n);
        assert_eq!(
            ledger.balance(ACCOUNT, asset_idx),
            session.venue.balance(ACCOUNT, asset_idx),
            "{about}: balance of {} in the ledger against the venue's",
            asset.code
        );
    }
    for i in table.instruments() {
        let venue = session.venue.position(ACCOUNT, i.idx);
        assert_eq!(ledger.net_quantity(ACCOUNT, i.idx), venue, "{about}: position in {}", i.symbol);
        let sum: i128 = ledger.positions().filter(|p| p.1 == i.idx).map(|p| p.3.quantity.raw()).sum();
        assert_eq!(sum, venue.raw(), "{about}: positions of the strategies in {}", i.symbol);
    }
}

/// Asserts `equity = transfers + realised + unrealised + funding - fees` to the last unit, and for spot that equity is what the venue's
/// balances are worth.
#[track_caller]
pub fn assert_identity(session: &Session, table: &InstrumentTable, about: &str) {
    let (engine, quote) = (&session.engine, table.instruments()[0].quote);
    let ledger = engine.portfolio();
    let equity = engine.equity(ACCOUNT).unwrap_or_else(|| panic!("{about}: equity is not known"));
    let totals = ledger.totals(ACCOUNT, quote).unwrap();
    let unrealised = ledger.unrealised(ACCOUNT, table, engine.view()).unwrap();
    let sum = ledger.transfers_in(ACCOUNT, quote).raw()
        + totals.realised.raw()
        + unrealised.raw()
        + ledger.funding_in(ACCOUNT, quote).raw()
        - totals.fees.raw();
    assert_eq!(equity.raw(), sum, "{about}: equity against deposits + profit + funding - fees");
    if table.instruments().iter().all(|i| i.kind == InstrumentKind::Spot) {
        let mut worth = session.venue.balance(ACCOUNT, quote).raw();
        for i in table.instruments() {
            let held = session.venue.balance(ACCOUNT, i.base).raw();
            if let Some(mark) = engine.view().get(i.idx).mark() {
                // Decimals of prices and of the asset are at most twelve together here, so nothing is rounded.
                let exact = held * i128::from(mark);
                let scale = 10i128.pow(u32::from(i.price_decimals));
                assert_eq!(exact % scale, 0, "{about}: the check itself must be exact");
                worth += exact / scale;
            }
        }
        assert_eq!(equity.raw(), worth, "{about}: equity against the venue's balances at the last prices");
    }
}

/// What one order went through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// How often it was sent.
    pub sent: u32,
    /// How often it was accepted.
    pub accepted: u32,
    /// How often it was said to be over.
    pub ended: u32,
    /// Whether anything but the refusal of a cancel was said after its end.
    pub after_end: bool,
    /// Filled so far, a mantissa.
    pub filled: i64,
}

/// Everything that a session lets a probe see.
#[derive(Debug, Default)]
pub struct Log {
    /// Inputs of the engine, in order.
    pub inputs: Vec<(UnixNanos, Event)>,
    /// Orders that left.
    pub orders: Vec<(UnixNanos, OrderSpec)>,
    /// Fills as they were booked.
    pub fills: Vec<(UnixNanos, Fill)>,
    /// Funding that was booked.
    pub funding: Vec<(UnixNanos, Money)>,
    /// Refusals.
    pub refusals: Vec<(UnixNanos, Refusal)>,
    /// Signals that strategies gave.
    pub signals: Vec<(UnixNanos, Signal)>,
    /// Calls of the observer that are only counted: indicators, checks, orders, fills, samples.
    pub seen: [u64; 5],
    /// Orders by id.
    pub lives: BTreeMap<ClientOrderId, Life>,
}

impl Observer for Log {
    fn event(&mut self, ts: UnixNanos, event: &Event) {
        self.inputs.push((ts, event.clone()));
    }

    fn indicator(&mut self, _: UnixNanos, _: StrategyIdx, _: &'static str, _: f64) {
        self.seen[0] += 1;
    }

    fn signal(&mut self, ts: UnixNanos, signal: &Signal) {
        self.signals.push((ts, *signal));
    }

    fn check(&mut self, _: UnixNanos, _: &CheckSeen) {
        self.seen[1] += 1;
    }

    fn order(&mut self, _: UnixNanos, _: &OrderSpec, _: OrderClass) {
        self.seen[2] += 1;
    }

    fn fill(&mut self, _: UnixNanos, _: &Fill, _: Money) {
        self.seen[3] += 1;
    }
}

impl Probe for Log {
    fn sample(&mut self, _: UnixNanos, _: &Engine) {
        self.seen[4] += 1;
    }

    fn command(&mut self, ts: UnixNanos, command: &Command) {
        match command.record() {
            CommandRecord::Submit { spec, .. } => {
                self.lives.entry(spec.client_id).or_default().sent += 1;
                self.orders.push((ts, spec));
            }
            CommandRecord::List { first, second } => {
                for spec in [first.spec, second.spec] {
                    self.lives.entry(spec.client_id).or_default().sent += 1;
                    self.orders.push((ts, spec));
                }
            }
            CommandRecord::Decision(
                Decision::Refused { refusal, .. } | Decision::GroupStep { refusal: Some(refusal), .. },
            ) => self.refusals.push((ts, refusal)),
            _ => {}
        }
    }

    fn report(&mut self, ts: UnixNanos, report: &AccountReport, _: &Engine) {
        let (id, accepted, ended) = match report.body {
            ReportBody::Accepted { client_id, .. } => (client_id, 1, 0),
            ReportBody::Filled { fill, complete } => {
                self.fills.push((ts, fill));
                self.lives.entry(fill.client_id).or_default().filled += fill.quantity;
                (fill.client_id, 0, u32::from(complete))
            }
            ReportBody::Rejected { client_id, .. }
            | ReportBody::Canceled { client_id, .. }
            | ReportBody::Expired { client_id } => (client_id, 0, 1),
            ReportBody::Funding { amount, .. } => {
                self.funding.push((ts, amount));
                return;
            }
            _ => return,
        };
        let life = self.lives.entry(id).or_default();
        life.after_end |= life.ended > 0;
        life.accepted += accepted;
        life.ended += ended;
    }
}

impl Log {
    /// Asserts that every order was sent once and ended once, but for those that still work at venue and desk.
    #[track_caller]
    pub fn assert_reconciled(&self, session: &Session, about: &str) {
        let working: Vec<ClientOrderId> = session.engine.orders().iter().map(|w| w.spec.client_id).collect();
        assert_eq!(working.len(), session.venue.working_orders(), "{about}: orders at the desk against the venue's");
        for (id, life) in &self.lives {
            assert_eq!(life.sent, 1, "{about}: {id} {life:?}");
            assert!(life.accepted <= 1 && !life.after_end, "{about}: {id} {life:?}");
            let open = u32::from(working.contains(id));
            assert_eq!(life.ended + open, 1, "{about}: {id} {life:?}, working {working:?}");
        }
        assert_eq!(self.orders.len(), self.lives.len(), "{about}");
    }
}

/// A strategy that says at given times what a script says.
pub struct Scripted {
    instruments: Vec<InstrumentIdx>,
    /// What to say when a candle, trade or quote of this instrument comes at this time.
    script: Vec<(UnixNanos, InstrumentIdx, Output)>,
}

impl Scripted {
    /// Of lines: when, on what, and what to say.
    pub fn new(script: Vec<(UnixNanos, InstrumentIdx, Output)>) -> Box<Self> {
        let mut instruments: Vec<InstrumentIdx> = script.iter().map(|line| line.1).collect();
        instruments.sort_unstable();
        instruments.dedup();
        Box::new(Self { instruments, script })
    }
}

impl Strategy for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        &self.instruments
    }

    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        let of = instrument_of(event);
        out.extend(self.script.iter().filter(|(ts, i, _)| *ts == context.ts && Some(*i) == of).map(|(_, _, o)| *o));
    }

    fn parameters(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("{:?}", self.script).as_bytes());
    }

    fn save(&self, _: &mut Vec<u8>) {}

    fn load(&mut self, _: &mut Reader<'_>) -> Result<(), StateError> {
        Ok(())
    }
}

fn instrument_of(event: &EventBody) -> Option<InstrumentIdx> {
    match event {
        EventBody::Candle(c) => Some(c.instrument),
        EventBody::Trade(t) => Some(t.instrument),
        EventBody::Quote(q) => Some(q.instrument),
        _ => None,
    }
}

/// A market entry (or exit) without a stop.
pub fn signal(intent: Intent, size: SizeRequest, instrument: InstrumentIdx) -> Signal {
    Signal {
        intent,
        size,
        entry: Entry::Market,
        stop: None,
        target: None,
        confidence: 1.0,
        statistics: None,
        reference: 1,
        tag: 0,
        account: ACCOUNT,
        instrument,
        strategy: StrategyIdx(0),
    }
}

/// A long market entry of a fixed quantity.
pub fn buy(instrument: InstrumentIdx, quantity: &str) -> Output {
    Output::Signal(signal(Intent::EnterLong, SizeRequest::Base(testkit::quantity(quantity)), instrument))
}

/// An exit.
pub fn exit(instrument: InstrumentIdx) -> Output {
    Output::Signal(signal(Intent::Exit, SizeRequest::Position, instrument))
}

/// A strategy that does anything that a strategy can do, as a seed has it.
pub struct Gambler {
    instruments: Vec<InstrumentIdx>,
    /// State of the generator.
    state: u64,
    /// How often it speaks, in percent of events.
    percent: i64,
    asked: u32,
}

impl Gambler {
    /// On these instruments.
    pub fn new(instruments: Vec<InstrumentIdx>, seed: u64, percent: i64) -> Box<Self> {
        Box::new(Self { instruments, state: seed, percent, asked: 0 })
    }

    fn wish(random: &mut Seeded, context: &Context<'_>, idx: InstrumentIdx) -> Option<Signal> {
        let i = context.table.get(idx)?;
        let mark = context.view.get(idx).mark()?;
        let price = i.price(mark);
        let perpetual = i.kind == InstrumentKind::LinearPerpetual;
        if random.chance(35) {
            return Some(signal(Intent::Exit, SizeRequest::Position, idx));
        }
        // Repeated entries would pile up leverage until the venue takes the account apart, which is another test.
        if perpetual && context.position(idx).quantity.raw() != 0 && !random.chance(20) {
            return Some(signal(Intent::Exit, SizeRequest::Position, idx));
        }
        let short = perpetual && random.chance(50);
        let part = |random: &mut Seeded, low: i64, high: i64| {
            let bps = Rate::from_bps(i32::try_from(random.within(low, high)).unwrap());
            Money::from_raw(price.raw()).times(bps, Rounding::HalfEven).map_or(price, |m| Price::from_raw(m.raw()))
        };
        let size = match random.within(0, 4) {
            0 if !perpetual => SizeRequest::AllIn,
            0 | 1 => SizeRequest::EquityFraction(Rate::from_bps(i32::try_from(random.within(1, 2_500)).unwrap())),
            2 => SizeRequest::Cap,
            _ => {
                // Up to a tenth of a hundred thousand, with more digits than the lot has.
                let worth = Money::from_units(random.within(1, 10_000));
                SizeRequest::Base(worth.quantity_at(price, Rounding::Up)?)
            }
        };
        let size = if perpetual && size == SizeRequest::Cap {
            SizeRequest::EquityFraction(Rate::from_bps(1_000))
        } else {
            size
        };
        let entry = if random.chance(35) {
            let near = part(random, 9_850, 10_050);
            // Now and then off the tick, which must be refused.
            let step = if random.chance(5) { Price::from_raw(7) } else { i.tick };
            Entry::Limit(near.round_to(step, Rounding::Down)?)
        } else {
            Entry::Market
        };
        // Mostly on the losing side, now and then on the wrong one.
        let losing = random.chance(95) != short;
        let stop = match random.within(0, 3) {
            0 => None,
            1 => Some(StopPlan::Fraction(Rate::from_bps(i32::try_from(random.within(5, 400)).unwrap()))),
            2 => Some(StopPlan::Distance(part(random, 5, 400))),
            _ if losing => Some(StopPlan::Price(part(random, 9_600, 9_990))),
            _ => Some(StopPlan::Price(part(random, 10_010, 10_400))),
        };
        let winning = if short { (9_700, 9_990) } else { (10_010, 10_300) };
        let target = random.chance(40).then(|| part(random, winning.0, winning.1));
        let intent = if short { Intent::EnterShort } else { Intent::EnterLong };
        Some(Signal { entry, stop, target, ..signal(intent, size, idx) })
    }

    fn draw(&mut self) -> Seeded {
        let mut random = Seeded::new(self.state);
        self.state = random.bits();
        random
    }
}

impl Strategy for Gambler {
    fn name(&self) -> &'static str {
        "gambler"
    }

    fn version(&self) -> u32 {
        1
    }

    fn instruments(&self) -> &[InstrumentIdx] {
        &self.instruments
    }

    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        let mut random = self.draw();
        let Some(idx) = instrument_of(event) else { return };
        if random.chance(self.percent) {
            out.extend(Self::wish(&mut random, context, idx).map(Output::Signal));
        }
        if random.chance(3) {
            self.asked += 1;
            let at = context.ts.saturating_add(Nanos(random.within(0, 200_000_000_000).unsigned_abs()));
            out.push(Output::Timer(TimerRequest { strategy: context.strategy, id: self.asked, at }));
        }
        if random.chance(2) {
            let as_of = context.ts.saturating_add(Nanos::from_secs(1));
            out.push(Output::Infer(domain::InferRequest { strategy: context.strategy, model: 1, as_of }));
        }
    }

    fn on_timer(&mut self, context: &Context<'_>, _: u32, out: &mut Vec<Output>) {
        let mut random = self.draw();
        let idx = *random.pick(&self.instruments);
        out.extend(Self::wish(&mut random, context, idx).map(Output::Signal));
    }

    fn on_model(&mut self, _: &Context<'_>, answer: &domain::ModelOutput, _: &mut Vec<Output>) {
        assert_eq!(answer.value, None, "there is no model that could have answered");
    }

    fn parameters(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.percent.to_le_bytes());
    }

    fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.state.to_le_bytes());
        out.extend_from_slice(&u64::from(self.asked).to_le_bytes());
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), StateError> {
        self.state = from.u64()?;
        self.asked = from.u64()? as u32;
        Ok(())
    }
}

/// The place of an input's source among the sources, and its number there.
pub fn place(id: InputId) -> (u16, u64) {
    (id.source(), id.sequence())
}

/// A quantity as its mantissa at the instrument's decimals.
pub fn mantissa(i: &Instrument, quantity: Quantity) -> i64 {
    quantity.to_mantissa(i.quantity_decimals).unwrap()
}
