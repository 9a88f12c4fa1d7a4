//! Records of a journal as rows of the query store.
//!
//! In:  every record of a run's journal, from the first one on.
//! Out: rows, of records beyond what the database has; the state that later rows need: rules, orders, the ledger.
//! Words and numbers are those of the audit log (`audit::Entries`): exact decimals, names instead of numbers. What a fill realised and what
//! is held after it is computed by the ledger itself, from the fills alone, with the precision of assets that the run was made with.

use crate::audit::Entries;
use crate::runner::cursor::event_of;
use crate::runner::run_folder::{RunFolder, Start};
use domain::{
    AccountId, AssetIdx, EventBody, Fill, Instrument, InstrumentIdx, InstrumentTable, ReportBody, StrategyIdx,
    UnixNanos,
};
use portfolio::Portfolio;
use serde_json::{Map, Value as Json};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use store::audit::Projector as _;
use store::journal::{Kind, RecordRef};
use store::query::schema::{AUDIT, CASH, EVENTS, FILLS, ORDERS, POSITIONS, RUNS, SIGNALS};
use store::query::{Batch, Row, Value, Watermark};

/// Orders that have ended are kept for so long, counted in orders: reports come late. Later ones are in the fills and the audit index.
const ENDED_MAX: usize = 50_000;

/// Where in the journal: the event, and how many of its records have been read.
pub type Place = (u64, u64);

/// Makes rows of records.
pub struct Records {
    entries: Entries,
    table: InstrumentTable,
    ledger: Portfolio,
    /// What the database has.
    written: Watermark,
    /// The event of the last record, how many records of it were read, and how many of those were audited.
    at: Place,
    audited_of_seq: i64,
    /// Records and entries so far.
    records: u64,
    audited: i64,
    ts: UnixNanos,
    run: RunRow,
    orders: HashMap<String, OrderRow>,
    ended: VecDeque<String>,
    changed: BTreeSet<String>,
    positions: BTreeMap<(AccountId, InstrumentIdx, StrategyIdx), PositionRow>,
    moved: BTreeSet<(AccountId, InstrumentIdx, StrategyIdx)>,
    /// Executions that were seen: a venue may tell one twice.
    executions: HashSet<(AccountId, InstrumentIdx, u64)>,
    batch: Batch,
}

struct RunRow {
    id: String,
    name: String,
    folder: String,
    start: Start,
    first: Option<u64>,
    sealed: Option<(i64, String, String)>,
}

struct OrderRow {
    row: Row,
    filled: domain::Quantity,
    ended: bool,
}

#[derive(Default)]
struct PositionRow {
    fills: i64,
    ts: u64,
    seq: u64,
    name: Option<String>,
}

/// The columns of an order that change.
mod order {
    pub const STATUS: usize = 18;
    pub const FILLED: usize = 19;
    pub const VENUE_ORDER: usize = 20;
    pub const REASON: usize = 21;
    pub const UPDATED: usize = 22;
    pub const UPDATED_SEQ: usize = 23;
}

/// The number of a run: the beginning of the SHA-256 of its first record, which says when it began.
#[must_use]
pub fn run_id(start: &[u8]) -> String {
    let hash = Sha256::digest(start);
    hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

impl Records {
    /// Nothing read yet, of the run in this folder; `written` is what the database has of it.
    #[must_use]
    pub fn new(folder: &RunFolder, id: &str, start: Start, written: Watermark) -> Self {
        let whole = std::path::absolute(folder.path()).unwrap_or_else(|_| folder.path().to_owned());
        let mut table = InstrumentTable::default();
        for asset in &start.assets {
            // The same list was taken without an error when the run began.
            let _ = table.asset(&asset.code, asset.decimals);
        }
        let name = whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let began = start.started_at.parse::<jiff::Timestamp>().map_or(0, |ts| ts.as_nanosecond());
        let run =
            RunRow { id: id.to_owned(), name, folder: whole.display().to_string(), start, first: None, sealed: None };
        Self {
            entries: Entries::default(),
            table,
            ledger: Portfolio::new(AssetIdx(0)),
            written,
            at: (0, 0),
            audited_of_seq: 0,
            records: 0,
            audited: 0,
            ts: UnixNanos(u64::try_from(began).unwrap_or(0)),
            run,
            orders: HashMap::new(),
            ended: VecDeque::new(),
            changed: BTreeSet::new(),
            positions: BTreeMap::new(),
            moved: BTreeSet::new(),
            executions: HashSet::new(),
            batch: Batch::new(id),
        }
    }

    /// Where the reading stands.
    #[must_use]
    pub const fn at(&self) -> Place {
        self.at
    }

    /// How many records have been read.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Whether the journal has been read as far as the database has it.
    #[must_use]
    pub const fn is_beyond(&self) -> bool {
        self.at.0 > self.written.seq || (self.at.0 == self.written.seq && self.at.1 >= self.written.records_of_seq)
    }

    /// What the database has.
    #[must_use]
    pub const fn written(&self) -> Watermark {
        self.written
    }

    /// How many rows wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.batch.len() + self.changed.len() + self.moved.len()
    }

    /// Whether the run is complete.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        self.run.sealed.is_some()
    }

    /// Time of the last record.
    #[must_use]
    pub const fn reached(&self) -> UnixNanos {
        self.ts
    }

    /// Takes the next record. `thinned` says that retention has removed records before it, so that entries cannot be counted.
    ///
    /// # Errors
    /// What of it this build cannot read.
    pub fn take(&mut self, record: RecordRef<'_>, thinned: bool) -> Result<(), String> {
        if record.seq == self.at.0 {
            self.at.1 += 1;
        } else {
            (self.at, self.audited_of_seq) = ((record.seq, 1), 0);
        }
        self.records += 1;
        let written = &self.written;
        let is_new = record.seq > written.seq || (record.seq == written.seq && self.at.1 > written.records_of_seq);
        let entry = self.entries.entry(record)?;
        let told = match record.kind {
            Kind::Definition | Kind::Report => Some(event_of(record.body).map_err(|e| e.to_string())?.1.body),
            _ => None,
        };
        if let Some(EventBody::InstrumentDefined(instrument)) = &told {
            self.define(instrument)?;
        }
        let Some(entry) = entry else { return Ok(()) };
        self.audited += 1;
        self.audited_of_seq += 1;
        if let Some(ts) = entry.ts {
            self.ts = ts;
            self.run.first.get_or_insert(ts.0);
        }
        let needs_members = is_new || !matches!(entry.kind, "signal" | "refused" | "start" | "input");
        if !needs_members {
            return Ok(());
        }
        let detail = entry.to_json();
        let members: Map<String, Json> = serde_json::from_str(&detail).map_err(|e| e.to_string())?;
        let seen =
            Seen { seq: record.seq, n: self.audited_of_seq, ts: self.ts, kind: entry.kind, members: &members, is_new };
        if is_new {
            let entry = (!thinned).then_some(self.audited);
            self.audit_row(&seen, entry);
        }
        self.turn(&seen, told.as_ref(), detail)
    }

    /// What the kind of an entry asks for.
    fn turn(&mut self, seen: &Seen<'_>, told: Option<&EventBody>, detail: String) -> Result<(), String> {
        match seen.kind {
            "start" | "input" | "definition" | "cancel" => {}
            "order" => self.sent(seen),
            "accepted" | "triggered" | "rejected" | "canceled" | "expired" | "amended" => {
                self.order_is(seen, seen.kind, seen.text("venue_order"), seen.text("reason"));
            }
            "filled" => {
                if let Some(EventBody::Report(report)) = told
                    && let ReportBody::Filled { fill, .. } = &report.body
                {
                    self.filled(seen, fill);
                }
            }
            "funding" | "transfer" => {
                if let Some(EventBody::Report(report)) = told {
                    self.cash(seen, &report.body);
                }
            }
            "signal" | "refused" => {
                if seen.is_new {
                    self.signal(seen);
                }
            }
            "end" => {
                let rows = seen.text("rows").and_then(|text| text.parse().ok()).unwrap_or(0);
                let text = |key| seen.text(key).unwrap_or_default();
                self.run.sealed = Some((rows, text("digest"), text("state_digest")));
            }
            kind => {
                if kind == "not_sent" {
                    for id in seen.text("orders").unwrap_or_default().split(' ') {
                        self.order_of_is(seen, id, "not-sent", None, None);
                    }
                }
                if seen.is_new {
                    self.batch.push(&EVENTS, self.event_row(seen, detail));
                }
            }
        }
        Ok(())
    }

    fn define(&mut self, instrument: &Instrument) -> Result<(), String> {
        // A journal of an earlier build does not name its assets: amounts are then kept as they come.
        let highest = [instrument.base, instrument.quote, instrument.settle].map(AssetIdx::index).into_iter().max();
        for number in self.table.assets().len()..=highest.unwrap_or(0) {
            self.table.asset(&format!("asset {number}"), domain::decimal::MONEY_DECIMALS).map_err(|e| e.to_string())?;
        }
        self.table.define(instrument.clone()).map_err(|e| e.to_string())?;
        self.ledger.define(instrument);
        Ok(())
    }

    fn asset(&self, asset: AssetIdx) -> String {
        self.table.assets().get(asset.index()).map_or_else(|| format!("asset {}", asset.0), |a| a.code.clone())
    }

    fn sent(&mut self, seen: &Seen<'_>) {
        let quantity = ["quantity", "contracts", "amount"].into_iter().find_map(|key| Some((key, seen.text(key)?)));
        let quantity_in = match quantity {
            Some(("contracts", _)) => "contracts",
            Some(("amount", _)) => "quote",
            _ => "base",
        };
        let Some(id) = seen.text("order") else { return };
        let row: Row = vec![
            self.run.id.as_str().into(),
            id.as_str().into(),
            Value::Time(seen.ts.0),
            number(seen.seq),
            seen.number("account").unwrap_or(0).into(),
            seen.text("symbol").unwrap_or_default().into(),
            seen.number("strategy").unwrap_or(0).into(),
            seen.text("name").into(),
            seen.text("side").unwrap_or_default().into(),
            seen.text("type").unwrap_or_default().into(),
            quantity.map(|(_, amount)| amount).into(),
            quantity_in.into(),
            seen.decimal("price"),
            seen.decimal("trigger"),
            seen.text("time_in_force").unwrap_or_default().into(),
            seen.text("class").unwrap_or_default().into(),
            seen.flag("post_only").into(),
            seen.flag("reduce_only").into(),
            "sent".into(),
            "0".into(),
            Value::Null,
            Value::Null,
            Value::Time(seen.ts.0),
            number(seen.seq),
        ];
        self.orders.insert(id.clone(), OrderRow { row, filled: domain::Quantity::ZERO, ended: false });
        if seen.is_new {
            self.changed.insert(id);
        }
    }

    fn order_is(&mut self, seen: &Seen<'_>, status: &str, venue: Option<String>, reason: Option<String>) {
        if let Some(id) = seen.text("order") {
            self.order_of_is(seen, &id, status, venue, reason);
        }
    }

    fn order_of_is(&mut self, seen: &Seen<'_>, id: &str, status: &str, venue: Option<String>, reason: Option<String>) {
        let Some(held) = self.orders.get_mut(id) else { return };
        let ends = matches!(status, "rejected" | "canceled" | "expired" | "filled" | "not-sent");
        let mut set = |at: usize, value: Value| {
            if let Some(cell) = held.row.get_mut(at) {
                *cell = value;
            }
        };
        // A report that comes late does not bring an order back to life.
        if ends || !held.ended {
            set(order::STATUS, if status == "amended" { "accepted" } else { status }.into());
        }
        if let Some(venue) = venue {
            set(order::VENUE_ORDER, venue.into());
        }
        if let Some(reason) = reason {
            set(order::REASON, reason.into());
        }
        set(order::FILLED, held.filled.to_string().into());
        set(order::UPDATED, Value::Time(seen.ts.0));
        set(order::UPDATED_SEQ, number(seen.seq));
        if ends && !std::mem::replace(&mut held.ended, true) {
            self.ended.push_back(id.to_owned());
        }
        if seen.is_new {
            self.changed.insert(id.to_owned());
        }
    }

    fn filled(&mut self, seen: &Seen<'_>, fill: &Fill) {
        if !self.executions.insert((fill.account, fill.instrument, fill.trade_id)) {
            return;
        }
        let effect = self.ledger.apply_fill(&self.table, fill).ok();
        let instrument = self.table.get(fill.instrument);
        let quantity = instrument.map(|i| i.quantity(fill.quantity));
        let quote = instrument.map_or(AssetIdx(0), |i| i.quote);
        let id = seen.text("order").unwrap_or_default();
        if let (Some(held), Some(quantity)) = (self.orders.get_mut(&id), quantity)
            && let Some(sum) = held.filled.checked_add(quantity)
        {
            held.filled = sum;
        }
        let status = if seen.flag("complete") { "filled" } else { "partly-filled" };
        self.order_of_is(seen, &id, status, seen.text("venue_order"), None);
        let key = (fill.account, fill.instrument, fill.strategy);
        let position = self.positions.entry(key).or_default();
        position.fills += 1;
        (position.ts, position.seq, position.name) = (seen.ts.0, seen.seq, seen.text("name"));
        if !seen.is_new {
            return;
        }
        self.moved.insert(key);
        let text = |value: Option<String>| Value::from(value);
        let row: Row = vec![
            self.run.id.as_str().into(),
            number(seen.seq),
            seen.n.into(),
            Value::Time(seen.ts.0),
            i64::from(fill.account.0).into(),
            id.into(),
            seen.text("symbol").unwrap_or_default().into(),
            i64::from(fill.strategy.0).into(),
            seen.text("name").into(),
            seen.text("side").unwrap_or_default().into(),
            seen.text("quantity").unwrap_or_default().into(),
            seen.text("price").unwrap_or_default().into(),
            fill.fee_amount.to_string().into(),
            self.asset(fill.fee_asset).into(),
            seen.text("liquidity").unwrap_or_default().into(),
            fill.venue_id.0.to_string().into(),
            fill.trade_id.to_string().into(),
            self.asset(quote).into(),
            text(effect.map(|e| e.realised.to_string())),
            text(effect.map(|e| e.fee_value.to_string())),
            text(effect.map(|e| e.opened.to_string())),
            text(effect.map(|e| e.closed.to_string())),
            text(effect.map(|e| e.position.quantity.to_string())),
            text(effect.map(|e| e.position.cost.to_string())),
        ];
        self.batch.push(&FILLS, row);
    }

    fn cash(&mut self, seen: &Seen<'_>, body: &ReportBody) {
        let (account, asset, amount) = match body {
            ReportBody::Funding { account, instrument, asset, amount } => {
                let _ = self.ledger.funding(*account, *instrument, *asset, *amount);
                (account, asset, amount)
            }
            ReportBody::Transfer { account, asset, amount } => {
                let _ = self.ledger.transfer(*account, *asset, *amount);
                (account, asset, amount)
            }
            _ => return,
        };
        if seen.is_new {
            let row: Row = vec![
                self.run.id.as_str().into(),
                number(seen.seq),
                seen.n.into(),
                Value::Time(seen.ts.0),
                seen.kind.into(),
                i64::from(account.0).into(),
                seen.text("symbol").into(),
                self.asset(*asset).into(),
                amount.to_string().into(),
            ];
            self.batch.push(&CASH, row);
        }
    }

    fn signal(&mut self, seen: &Seen<'_>) {
        let row: Row = vec![
            self.run.id.as_str().into(),
            number(seen.seq),
            seen.n.into(),
            Value::Time(seen.ts.0),
            (if seen.kind == "refused" { "refusal" } else { "signal" }).into(),
            seen.text("symbol").unwrap_or_default().into(),
            seen.number("strategy").unwrap_or(0).into(),
            seen.text("name").into(),
            seen.text("intent").unwrap_or_default().into(),
            seen.text("size").into(),
            seen.text("by").into(),
            seen.text("stop").into(),
            seen.decimal("target"),
            seen.decimal("reference"),
            seen.decimal("confidence"),
            seen.text("reason").into(),
            seen.decimal("measured"),
            seen.decimal("limit"),
            seen.decimal("largest_safe"),
        ];
        self.batch.push(&SIGNALS, row);
    }

    fn event_row(&self, seen: &Seen<'_>, detail: String) -> Row {
        vec![
            self.run.id.as_str().into(),
            number(seen.seq),
            seen.n.into(),
            Value::Time(seen.ts.0),
            seen.kind.into(),
            seen.text("symbol").into(),
            seen.number("strategy").into(),
            seen.text("order").into(),
            detail.into(),
        ]
    }

    fn audit_row(&mut self, seen: &Seen<'_>, entry: Option<i64>) {
        let row: Row = vec![
            self.run.id.as_str().into(),
            number(seen.seq),
            seen.n.into(),
            Value::Time(seen.ts.0),
            entry.into(),
            seen.kind.into(),
            seen.text("symbol").into(),
            seen.number("strategy").into(),
            seen.text("order").into(),
        ];
        self.batch.push(&AUDIT, row);
    }

    /// Everything that is to be written now, with how far it brings the run; `equity` points of its curve are in it.
    pub fn batch(&mut self, equity: Vec<Row>) -> &Batch {
        for id in std::mem::take(&mut self.changed) {
            if let Some(held) = self.orders.get(&id) {
                self.batch.push(&ORDERS, held.row.clone());
            }
        }
        while self.ended.len() > ENDED_MAX {
            let oldest = self.ended.pop_front();
            oldest.and_then(|id| self.orders.remove(&id));
        }
        for key in std::mem::take(&mut self.moved) {
            let row = self.position_row(key);
            self.batch.push(&POSITIONS, row);
        }
        self.batch.push(&RUNS, self.run_row());
        let points = equity.len() as u64;
        equity.into_iter().for_each(|row| self.batch.push(&store::query::schema::EQUITY, row));
        self.batch.upto = Watermark {
            seq: self.at.0,
            records_of_seq: self.at.1,
            records: self.records,
            equity: self.written.equity + points,
        };
        &self.batch
    }

    /// The batch is in the database.
    pub fn is_written(&mut self) {
        self.written = self.batch.upto;
        self.batch.clear();
    }

    fn position_row(&self, key: (AccountId, InstrumentIdx, StrategyIdx)) -> Row {
        let (account, instrument, strategy) = key;
        let (position, result) =
            (self.ledger.position(account, instrument, strategy), self.ledger.result(account, instrument, strategy));
        let known = self.table.get(instrument);
        let held = self.positions.get(&key);
        vec![
            self.run.id.as_str().into(),
            i64::from(account.0).into(),
            known.map_or_else(|| format!("instrument {}", instrument.0), |i| i.symbol.clone()).into(),
            i64::from(strategy.0).into(),
            held.and_then(|held| held.name.clone()).into(),
            position.quantity.to_string().into(),
            position.cost.to_string().into(),
            result.realised.to_string().into(),
            result.fees.to_string().into(),
            self.asset(known.map_or(AssetIdx(0), |i| i.quote)).into(),
            held.map_or(0, |held| held.fills).into(),
            Value::Time(held.map_or(0, |held| held.ts)),
            number(held.map_or(0, |held| held.seq)),
        ]
    }

    fn run_row(&self) -> Row {
        let run = &self.run;
        let (rows, digest, state) = match &run.sealed {
            Some((rows, digest, state)) => (Some(*rows), Some(digest.as_str()), Some(state.as_str())),
            None => (None, None, None),
        };
        let time = |ts: Option<u64>| ts.map_or(Value::Null, Value::Time);
        vec![
            run.id.as_str().into(),
            run.name.as_str().into(),
            run.folder.as_str().into(),
            run.start.run.as_str().into(),
            run.start.started_at.as_str().into(),
            run.start.build.version.as_str().into(),
            (if run.sealed.is_some() { "complete" } else { "open" }).into(),
            time(run.first),
            time(run.first.map(|_| self.ts.0)),
            number(self.at.0),
            rows.into(),
            digest.into(),
            state.into(),
            run.start.config.to_string().into(),
        ]
    }
}

/// An entry that is looked at.
struct Seen<'a> {
    seq: u64,
    /// Its number among the entries of its event.
    n: i64,
    ts: UnixNanos,
    kind: &'a str,
    members: &'a Map<String, Json>,
    /// Whether the database does not have it yet.
    is_new: bool,
}

impl Seen<'_> {
    fn text(&self, key: &str) -> Option<String> {
        self.members.get(key)?.as_str().map(str::to_owned)
    }

    fn number(&self, key: &str) -> Option<i64> {
        self.text(key)?.parse().ok()
    }

    fn flag(&self, key: &str) -> bool {
        self.members.get(key).is_some_and(|value| value == "yes")
    }

    /// A number as it is written; nothing where it is none (a price that is unknown is told in words).
    fn decimal(&self, key: &str) -> Value {
        let text = self.text(key).filter(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
        text.into()
    }
}

fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}
