//! Orders through order management: entries, their stops, exits and cancels, with so many other orders at work beside, the journal written and the
//! audit log made of it. Printed: how many orders a second that is, the time of a round (a quote and all that it brings about), and how often a
//! round allocates.
//!
//! Each trader enters at the market with a stop on one quote and leaves on its next, so that a position is two rounds and three orders, each of
//! which is accepted, filled or taken off. A crowd has orders far below the market, which nothing happens to.

use crate::counting::allocations;
use crate::measure::{cpu_s, line};
use bot4::audit::{Entries, is_audited};
use bot4::runner::record::Probe;
use bot4::runner::session::Session;
use bot4::runner::tape::{BODY_VERSION, Tape, Then};
use domain::{
    AccountId, Entry, EventBody, InputId, InstrumentIdx, InstrumentTable, Intent, Money, Nanos, Observer, Output, Rate,
    Signal, SizeRequest, StopPlan, UnixNanos,
};
use engine::{AskPolicy, Engine, EngineConfig, defined};
use risk::{Command, Profile};
use serde_json::json;
use sim::{Venue, VenueConfig};
use std::path::Path;
use std::time::Instant;
use store::audit::{Layout, bring_up_to_date};
use store::journal::{Kind, Options, Writer};
use strategy::{Context, Reader, StateError, Strategy};

const ACCOUNT: AccountId = AccountId(0);
/// Rounds before anything is measured: everything has its room by then.
const WARM_UP: u64 = 2_000;

/// Measures with this many orders of the crowd.
pub fn run(dir: Option<&Path>, rounds: u64, crowds: &[usize]) -> Result<(), String> {
    let folder =
        dir.map_or_else(std::env::temp_dir, Path::to_path_buf).join(format!("bot4-orders-{}", std::process::id()));
    for crowd in crowds {
        let _ = std::fs::remove_dir_all(&folder);
        once(&folder, rounds, *crowd)?;
    }
    let _ = std::fs::remove_dir_all(&folder);
    Ok(())
}

fn once(folder: &Path, rounds: u64, crowd: usize) -> Result<(), String> {
    let fail = |error: &dyn std::fmt::Display| error.to_string();
    let mut table = InstrumentTable::default();
    for number in 0..10 {
        testkit::add_perpetual(&mut table, &format!("A{number}USDT"), 2, 3);
    }
    let instruments: Vec<InstrumentIdx> = table.instruments().iter().map(|i| i.idx).collect();
    let config = EngineConfig {
        profile: Profile::Off,
        report_currency: table.instruments().first().ok_or("no instrument")?.quote,
        epoch: 1,
        correlation_every: Nanos::from_secs(60),
        correlation_lateness: Nanos::from_secs(1),
        accounts: vec![ACCOUNT],
        stops: engine::StopPolicy::AT_ONCE,
        asking: Some(AskPolicy::for_round_trip(Nanos(0))),
        reconcile: None,
        guard: None,
        clamps: None,
    };
    let mut engine = Engine::new(config).map_err(|e| fail(&e))?;
    engine.define_assets(&table).map_err(|e| fail(&e))?;
    engine.add_strategy(Box::new(Trader { instruments: instruments.clone(), bids: false })).map_err(|e| fail(&e))?;
    for _ in 0..crowd.div_ceil(instruments.len()) {
        engine.add_strategy(Box::new(Trader { instruments: instruments.clone(), bids: true })).map_err(|e| fail(&e))?;
    }
    let mut venue = Venue::new(VenueConfig::frictionless());
    venue.define_table(&table).map_err(|e| fail(&e))?;
    let mut session = Session::new(engine, venue);
    let (journal, audit) = (folder.join("journal"), folder.join("audit"));
    let mut writer = Writer::create(&journal, Options::default()).map_err(|e| fail(&e))?;
    writer.keep_copies(is_audited);
    writer.append(0, Kind::Start, BODY_VERSION, |out| out.extend_from_slice(b"{}"));
    session.put_on_tape(Tape::writing(Then { journal: writer, strict: false }));
    let mut said = Said::default();
    for instrument in table.instruments() {
        session.tell(testkit::T0, defined(instrument.clone()), &mut said).map_err(|e| fail(&e))?;
    }
    session.venue.deposit(ACCOUNT, table.instruments()[0].quote, Money::from_units(1_000_000_000));
    session.settle(testkit::T0, &mut said).map_err(|e| fail(&e))?;

    let round = |session: &mut Session, said: &mut Said, n: u64| -> Result<(), String> {
        let instrument = &table.instruments()[(n % 10) as usize];
        let quote = testkit::quote(instrument, n * 1_000_000, (9_999, 1_000_000), (10_001, 1_000_000));
        let ts = UnixNanos(testkit::T0.0 + n * 1_000_000);
        if session.due() <= ts {
            session.service(ts, said).map_err(|e| e.to_string())?;
        }
        session.quote(ts, InputId::new(0, n), &quote, said).map_err(|e| e.to_string())
    };
    for n in 0..WARM_UP {
        round(&mut session, &mut said, n)?;
    }
    let resting = session.engine.orders().len();
    let mut times = Vec::with_capacity(usize::try_from(rounds).map_err(|e| fail(&e))?);
    let (orders, before, wall) = (said.orders, cpu_s(), Instant::now());
    let mut result = Ok(());
    let allocated = allocations(|| {
        for n in WARM_UP..WARM_UP + rounds {
            let start = Instant::now();
            result = round(&mut session, &mut said, n);
            times.push(start.elapsed().as_secs_f64() * 1e6);
            if result.is_err() {
                break;
            }
        }
    });
    result?;
    let trading = wall.elapsed().as_secs_f64();
    let orders = said.orders - orders;
    if let Some(fault) = session.engine.faults().first() {
        return Err(format!("fault: {fault}"));
    }
    let writer = session.tape.take_journal().ok_or("the journal is gone")?;
    let records = writer.records();
    writer.close().map_err(|e| fail(&e))?;
    let entries = audited(&audit, &journal)?;
    let all = wall.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    line(
        &format!("orders, {resting} others at work"),
        orders,
        cpu_s() - before,
        json!({
            "orders_per_s": orders as f64 / trading,
            "orders_per_s_with_audit": orders as f64 / all,
            "round_us_p50": at(0.5),
            "round_us_p99": at(0.99),
            "rounds": rounds,
            "cancels": said.cancels,
            "allocations": allocated,
            "records": records,
            "audit_entries": entries,
        }),
    );
    Ok(())
}

/// Makes the audit log of the journal; how many entries it has.
fn audited(audit: &Path, journal: &Path) -> Result<u64, String> {
    let brought = bring_up_to_date(audit, journal, None, &mut Entries::default(), None, Layout::STANDARD)
        .map_err(|e| e.to_string())?;
    Ok(brought.entries)
}

/// Counts what leaves.
#[derive(Default)]
struct Said {
    orders: u64,
    cancels: u64,
}

impl Observer for Said {
    const ACTIVE: bool = false;
}

impl Probe for Said {
    fn command(&mut self, _: UnixNanos, command: &Command) {
        match command {
            Command::Submit(_) => self.orders += 1,
            Command::Cancel { .. } => self.cancels += 1,
            _ => {}
        }
    }
}

/// Enters with a stop, then leaves, in turns; or bids far below the market once, and lets it rest.
struct Trader {
    instruments: Vec<InstrumentIdx>,
    bids: bool,
}

impl Strategy for Trader {
    fn name(&self) -> &'static str {
        "trader"
    }
    fn version(&self) -> u32 {
        1
    }
    fn instruments(&self) -> &[InstrumentIdx] {
        &self.instruments
    }
    fn on_market(&mut self, context: &Context<'_>, event: &EventBody, out: &mut Vec<Output>) {
        let EventBody::Quote(quote) = event else { return };
        let Some(rules) = context.table.get(quote.instrument) else { return };
        let held = context.portfolio.position(context.account, quote.instrument, context.strategy);
        let (intent, entry) = match (self.bids, held.is_flat()) {
            (true, _) if context.entry_working => return,
            (true, _) => (Intent::EnterLong, Entry::Limit(rules.price(quote.bid / 2))),
            (false, true) => (Intent::EnterLong, Entry::Market),
            (false, false) => (Intent::Exit, Entry::Market),
        };
        let exit = intent == Intent::Exit;
        let unit = SizeRequest::Base(domain::Quantity::from_units(1));
        out.push(Output::Signal(Signal {
            intent,
            size: if exit { SizeRequest::Position } else { unit },
            entry,
            stop: (!exit).then_some(StopPlan::Fraction(Rate::from_bps(100))),
            target: None,
            confidence: 1.0,
            statistics: None,
            reference: quote.bid,
            tag: 0,
            account: context.account,
            instrument: quote.instrument,
            strategy: context.strategy,
        }));
    }
    fn parameters(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.bids));
    }
    fn save(&self, _: &mut Vec<u8>) {}
    fn load(&mut self, _: &mut Reader<'_>) -> Result<(), StateError> {
        Ok(())
    }
}
