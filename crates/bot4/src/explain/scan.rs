//! What the journal says of orders: all of them in a list, and the records around one of them.
//!
//! In:  the journal, from its beginning or from an event on.
//! Out: [`Index`]: every order with what it is for, the signal that it came of and how it ended; [`records_of`]: one position's story.
//! Nothing is decided again here: these are the facts that a re-run is held against.

use crate::runner::cursor::{Cursor, command_of, event_of};
use domain::{
    AccountId, ClientOrderId, InstrumentIdx, Intent, OrderClass, OrderSpec, OrderStatus, OrderType, ReportBody, Side,
    StrategyIdx, UnixNanos,
};
use risk::{CommandRecord, Decision, DenyReason, Refusal};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use store::journal::{JournalError, Kind};

/// Whose position: account, instrument, strategy.
pub type Key = (AccountId, InstrumentIdx, StrategyIdx);

/// What an order is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// Opens or enlarges a position.
    Entry,
    /// Closes one.
    Exit,
    /// Protects one against loss.
    Stop,
    /// Takes profit.
    Target,
}

impl Purpose {
    const fn of(spec: &OrderSpec, class: OrderClass) -> Self {
        match (class, spec.kind) {
            (OrderClass::Entry, _) => Self::Entry,
            (OrderClass::Reducing, OrderType::Market | OrderType::Limit { .. }) => Self::Exit,
            (OrderClass::Reducing, OrderType::TakeProfit { .. }) => Self::Target,
            (OrderClass::Reducing, _) => Self::Stop,
        }
    }

    /// As people say it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Exit => "exit",
            Self::Stop => "stop",
            Self::Target => "target",
        }
    }
}

/// One order, as recorded.
#[derive(Clone, Debug)]
pub struct OrderLine {
    /// The event on which it left.
    pub seq: u64,
    /// Engine time of that.
    pub ts: UnixNanos,
    /// The order.
    pub spec: OrderSpec,
    /// What it is for.
    pub purpose: Purpose,
    /// The event of the signal that it came of; none for what protects a position.
    pub signal: Option<u64>,
    /// Place in the list of the entry whose position it closes or protects.
    pub entry: Option<usize>,
    /// Where it is at the end of the record.
    pub status: OrderStatus,
    /// The event on which it ended, and its time.
    pub ended: Option<(u64, UnixNanos)>,
    /// Whether the gate word stopped it as it was about to leave.
    pub stopped: bool,
    /// Filled, a mantissa.
    pub filled: i64,
    /// Sum of price x quantity of its fills, in mantissas.
    pub weighted: i128,
}

impl OrderLine {
    /// Its number, as people type it.
    #[must_use]
    pub const fn ordinal(&self) -> u64 {
        self.spec.client_id.ordinal()
    }

    /// Whose position it belongs to.
    #[must_use]
    pub const fn key(&self) -> Key {
        (self.spec.account, self.spec.instrument, self.spec.strategy)
    }
}

/// One refusal, as recorded.
#[derive(Clone, Copy, Debug)]
pub struct RefusalLine {
    /// The event.
    pub seq: u64,
    /// Engine time of it.
    pub ts: UnixNanos,
    /// Whose.
    pub strategy: StrategyIdx,
    /// In which instrument.
    pub instrument: InstrumentIdx,
    /// What was wanted.
    pub intent: Intent,
    /// Why not.
    pub refusal: Refusal,
    /// The event of the signal that was refused: another one where an entry had waited.
    pub signal: u64,
}

/// What a journal says of orders.
#[derive(Debug, Default)]
pub struct Index {
    /// Orders that left, in order.
    pub orders: Vec<OrderLine>,
    /// Refusals, where they are wanted.
    pub refusals: Vec<RefusalLine>,
    /// How many refusals there are.
    pub refused: u64,
    /// The last event of which there is a record.
    pub last_seq: u64,
    /// Whether the run is complete.
    pub sealed: bool,
    by_id: BTreeMap<ClientOrderId, usize>,
    signals: BTreeMap<Key, (u64, Intent)>,
    /// The other signal of the same event, where a pair was asked for, one each way.
    pairs: BTreeMap<Key, (u64, Intent)>,
    entries: BTreeMap<Key, usize>,
}

impl Index {
    /// Reads the whole journal. `refusals` keeps them, beside counting them.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn read(journal: &Path, refusals: bool) -> Result<Self, JournalError> {
        let mut index = Self::default();
        let mut cursor = Cursor::after(journal, 0)?;
        while let Some(view) = cursor.peek() {
            index.last_seq = index.last_seq.max(view.seq);
            match view.kind {
                Kind::Order | Kind::Decision => {
                    if let Ok((ts, command)) = command_of(view.body) {
                        index.command(view.seq, ts, &command, refusals);
                    }
                }
                Kind::Report => {
                    if let Ok((ts, event)) = event_of(view.body)
                        && let domain::EventBody::Report(report) = event.body
                    {
                        index.report(view.seq, ts, &report.body);
                    }
                }
                Kind::Control => {
                    if let Ok((ts, event)) = event_of(view.body)
                        && let domain::EventBody::NotSent(stopped) = event.body
                    {
                        // The gate word stopped them: they are nowhere.
                        for id in &stopped.orders {
                            if let Some(line) = index.line(*id) {
                                (line.status, line.ended) = (OrderStatus::Rejected, Some((view.seq, ts)));
                                line.stopped = true;
                            }
                        }
                    }
                }
                Kind::Seal => index.sealed = true,
                _ => {}
            }
            cursor.advance();
        }
        cursor.failed().cloned().map_or(Ok(index), Err)
    }

    /// The order with an id.
    #[must_use]
    pub fn find(&self, id: ClientOrderId) -> Option<&OrderLine> {
        self.by_id.get(&id).and_then(|at| self.orders.get(*at))
    }

    fn command(&mut self, seq: u64, ts: UnixNanos, command: &CommandRecord, refusals: bool) {
        match *command {
            CommandRecord::Submit { spec, class, .. } => self.submit(seq, ts, spec, class),
            CommandRecord::List { first, second } => {
                [first, second].iter().for_each(|order| self.submit(seq, ts, order.spec, order.class));
            }
            CommandRecord::Cancel { client_id } => {
                if let Some(line) = self.line(client_id).filter(|line| !line.status.is_terminal()) {
                    line.status = OrderStatus::CancelPending;
                }
            }
            CommandRecord::Decision(Decision::Signal(s)) => {
                let key = (s.account, s.instrument, s.strategy);
                // Two of one event are legs of a pair, one each way.
                let before = self.signals.insert(key, (seq, s.intent));
                match before.filter(|(at, intent)| *at == seq && *intent != s.intent) {
                    Some(pair) => self.pairs.insert(key, pair),
                    None => self.pairs.remove(&key),
                };
            }
            CommandRecord::Decision(Decision::Refused { strategy, instrument, intent, refusal }) => {
                self.refused += 1;
                if refusals {
                    // What the first gate refuses is not recorded as a signal: then it was said on this event.
                    let at_once = matches!(refusal.reason, DenyReason::SignalInvalid | DenyReason::AccountUnknown);
                    let mut said = self.signals.iter().filter(|(key, _)| (key.1, key.2) == (instrument, strategy));
                    let said = said.find(|(_, (_, of))| *of == intent && !at_once);
                    let signal = said.map_or(seq, |(_, (at, _))| *at);
                    self.refusals.push(RefusalLine { seq, ts, strategy, instrument, intent, refusal, signal });
                }
            }
            // What is refused of a group is refused with the signal of that leg.
            CommandRecord::Decision(Decision::GroupStep { strategy, instrument, refusal: Some(refusal), .. }) => {
                self.refused += 1;
                if refusals {
                    let mut said = self.signals.iter().filter(|(key, _)| (key.1, key.2) == (instrument, strategy));
                    let (signal, intent) = said.next().map_or((seq, Intent::EnterLong), |(_, said)| *said);
                    self.refusals.push(RefusalLine { seq, ts, strategy, instrument, intent, refusal, signal });
                }
            }
            CommandRecord::Decision(
                Decision::Mode { .. }
                | Decision::Alert(_)
                | Decision::Limit { .. }
                | Decision::Rearmed { .. }
                | Decision::Worked { .. }
                | Decision::WorkEnded { .. }
                | Decision::Difference(_)
                | Decision::Reconciled { .. }
                | Decision::Group { .. }
                | Decision::GroupStep { .. },
            )
            | CommandRecord::Timer { .. }
            | CommandRecord::Query { .. }
            | CommandRecord::Reconcile { .. }
            | CommandRecord::Infer(_)
            | CommandRecord::Gate { .. } => {}
        }
    }

    fn submit(&mut self, seq: u64, ts: UnixNanos, spec: OrderSpec, class: OrderClass) {
        let key = (spec.account, spec.instrument, spec.strategy);
        let purpose = Purpose::of(&spec, class);
        let wanted = |intent: Intent| match (purpose, spec.side) {
            (Purpose::Entry, Side::Buy) => intent == Intent::EnterLong,
            (Purpose::Entry, Side::Sell) => intent == Intent::EnterShort,
            // A position is closed because the strategy wants to be flat, or to be on the other side.
            (Purpose::Exit, Side::Sell) => intent != Intent::EnterLong,
            (Purpose::Exit, Side::Buy) => intent != Intent::EnterShort,
            (Purpose::Stop | Purpose::Target, _) => false,
        };
        let said = self.signals.get(&key).into_iter().chain(self.pairs.get(&key));
        let signal = said.filter(|(_, intent)| wanted(*intent)).map(|(at, _)| *at).next();
        let entry = self.entries.get(&key).copied().filter(|_| purpose != Purpose::Entry);
        self.by_id.insert(spec.client_id, self.orders.len());
        self.orders.push(OrderLine {
            seq,
            ts,
            spec,
            purpose,
            signal,
            entry,
            status: OrderStatus::Submitted,
            ended: None,
            stopped: false,
            filled: 0,
            weighted: 0,
        });
    }

    fn line(&mut self, id: ClientOrderId) -> Option<&mut OrderLine> {
        self.by_id.get(&id).and_then(|at| self.orders.get_mut(*at))
    }

    fn report(&mut self, seq: u64, ts: UnixNanos, body: &ReportBody) {
        let Some(id) = order_of(body) else { return };
        let Some(&at) = self.by_id.get(&id) else { return };
        let Some(line) = self.orders.get_mut(at) else { return };
        match body {
            ReportBody::Accepted { .. } if line.status == OrderStatus::Submitted => line.status = OrderStatus::Accepted,
            ReportBody::Filled { fill, complete } => {
                line.filled = line.filled.saturating_add(fill.quantity);
                line.weighted += i128::from(fill.price) * i128::from(fill.quantity);
                if *complete {
                    line.status = OrderStatus::Filled;
                } else if !line.status.is_terminal() && line.status != OrderStatus::CancelPending {
                    line.status = OrderStatus::PartiallyFilled;
                }
                if line.purpose == Purpose::Entry {
                    self.entries.insert(line.key(), at);
                }
            }
            ReportBody::Canceled { .. } => line.status = OrderStatus::Canceled,
            ReportBody::Expired { .. } => line.status = OrderStatus::Expired,
            ReportBody::Rejected { .. } => line.status = OrderStatus::Rejected,
            _ => {}
        }
        if line.status.is_terminal() && line.ended.is_none() {
            line.ended = Some((seq, ts));
        }
    }
}

/// The order that a report is about.
#[must_use]
pub const fn order_of(body: &ReportBody) -> Option<ClientOrderId> {
    match body {
        ReportBody::Accepted { client_id, .. }
        | ReportBody::Triggered { client_id }
        | ReportBody::Rejected { client_id, .. }
        | ReportBody::Canceled { client_id, .. }
        | ReportBody::Expired { client_id }
        | ReportBody::CancelRejected { client_id, .. }
        | ReportBody::Amended { client_id }
        | ReportBody::AmendRejected { client_id, .. }
        | ReportBody::Replaced { client_id, .. }
        | ReportBody::Status { client_id, .. } => Some(*client_id),
        ReportBody::Filled { fill, .. } => Some(fill.client_id),
        ReportBody::Funding { .. } | ReportBody::Transfer { .. } | ReportBody::Charge { .. } => None,
    }
}

/// One record of a position's story.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// The event.
    pub seq: u64,
    /// Engine time of it.
    pub ts: UnixNanos,
    /// The order that it is about.
    pub id: ClientOrderId,
    /// What it says.
    pub what: What,
}

/// What a record says of an order.
#[derive(Clone, Copy, Debug)]
pub enum What {
    /// It left.
    Submitted,
    /// A cancel left.
    CancelSent,
    /// A venue said this.
    Said(ReportBody),
}

/// The most records that one story is made of: what comes after is left out, and a story of so many is told without its end.
const RECORDS_MAX: usize = 20_000;

/// The records on orders of one position from an event on, until the next position of the same strategy begins after this one was reduced.
///
/// # Errors
/// If the journal cannot be read.
pub fn records_of(journal: &Path, index: &Index, key: Key, from: u64) -> Result<Vec<Record>, JournalError> {
    let mut cursor = Cursor::after(journal, from.saturating_sub(1))?;
    let (mut records, mut reduced) = (Vec::new(), false);
    while let Some(view) = cursor.peek() {
        let seq = view.seq;
        let mut other = None;
        let found = match view.kind {
            Kind::Order => command_of(view.body).ok().and_then(|(ts, command)| match command {
                CommandRecord::Submit { spec, .. } => Some((ts, spec.client_id, What::Submitted)),
                CommandRecord::List { first, second } => {
                    other = Some((ts, second.spec.client_id, What::Submitted));
                    Some((ts, first.spec.client_id, What::Submitted))
                }
                CommandRecord::Cancel { client_id } => Some((ts, client_id, What::CancelSent)),
                _ => None,
            }),
            Kind::Report => event_of(view.body).ok().and_then(|(ts, event)| match event.body {
                domain::EventBody::Report(report) => order_of(&report.body).map(|id| (ts, id, What::Said(report.body))),
                _ => None,
            }),
            _ => None,
        };
        let mut ended = false;
        for (ts, id, what) in found.into_iter().chain(other) {
            let Some(line) = index.find(id).filter(|line| line.key() == key) else { continue };
            if let What::Said(ReportBody::Filled { .. }) = what {
                let entry = line.purpose == Purpose::Entry;
                if entry && reduced {
                    ended = true;
                    break;
                }
                // What is filled on the event itself belongs to the position before.
                reduced |= !entry && seq > from;
            }
            records.push(Record { seq, ts, id, what });
        }
        if ended || records.len() >= RECORDS_MAX {
            break;
        }
        cursor.advance();
    }
    cursor.failed().cloned().map_or(Ok(records), Err)
}
