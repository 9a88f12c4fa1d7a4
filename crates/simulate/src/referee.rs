//! The referee: reckons from what reached the engine and from what it said alone, and holds the engine against that after every step.
//!
//! In:  events and commands in order; the engine, to be read.
//! Out: the first invariant that is broken, with its numbers.
//! It shares no code with `risk`, `portfolio`, `execution` or the venue: positions and balances come from `books`, orders from commands.

use crate::books::Books;
use crate::session::Happened;
use crate::trader::ACCOUNT;
use domain::{
    AlertKind, AssetIdx, ClientOrderId, Event, EventBody, Fill, GroupKind, InstrumentIdx, InstrumentKind,
    InstrumentTable, Mode, Money, MovementKind, OrderClass, OrderQuantity, OrderSpec, OrderStatus, OrderType, Quantity,
    RejectReason, ReportBody, Side, StrategyIdx, UnixNanos, VenueOrder,
};
use engine::Engine;
use risk::{CommandRecord, Decision, DenyReason, Limits};
use std::collections::{BTreeMap, BTreeSet};

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which one.
    pub invariant: &'static str,
    /// With which numbers.
    pub what: String,
}

/// Shorthand for a check.
pub type Held = Result<(), Broken>;

pub(crate) fn broken(invariant: &'static str, what: impl Into<String>) -> Held {
    Err(Broken { invariant, what: what.into() })
}

type Key = (InstrumentIdx, StrategyIdx);

/// One order as the referee knows it.
#[derive(Clone, Debug)]
struct Seen {
    spec: OrderSpec,
    class: OrderClass,
    /// Value at approval that is not filled yet, in quote; entries only.
    pending: f64,
    cancelled: bool,
    /// Filled so far, 1e-12.
    filled: i128,
    set_off: bool,
    /// Whether it is over, by what reached us.
    ended: bool,
    /// Whether an answer to it was told to stay away, and none has come since.
    doubted: bool,
    /// The other order of its pair: only one of the two is to be filled.
    other: Option<ClientOrderId>,
}

/// What the referee knows.
pub struct Referee {
    /// Books from what reached the engine.
    pub books: Books,
    table: InstrumentTable,
    orders: BTreeMap<ClientOrderId, Seen>,
    marks: BTreeMap<InstrumentIdx, i64>,
    movements: BTreeSet<(u64, u8, AssetIdx, i128)>,
    mode: Mode,
    naked: BTreeSet<Key>,
    /// Positions that were filled in this step.
    filled: Vec<Key>,
    limits: Limits,
    /// Orders of a pair that are still to be said, and the first of them.
    pair: (u8, Option<ClientOrderId>),
    /// Unique executions so far.
    pub fills: u64,
    /// Orders that were said so far.
    pub said: u64,
}

fn raw(spec: &OrderSpec) -> Option<i128> {
    match spec.quantity {
        OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => Some(q.raw()),
        OrderQuantity::QuoteAmount(_) => None,
    }
}

impl Referee {
    /// One who has seen nothing.
    #[must_use]
    pub fn new(table: InstrumentTable, limits: Limits) -> Self {
        Self {
            books: Books::new(table.clone()),
            table,
            orders: BTreeMap::new(),
            marks: BTreeMap::new(),
            movements: BTreeSet::new(),
            mode: Mode::Normal,
            naked: BTreeSet::new(),
            filled: Vec::new(),
            limits,
            pair: (0, None),
            fills: 0,
            said: 0,
        }
    }

    /// Takes in what happened; at the end of a step looks at everything. `engine` is none while the past is told after a start.
    ///
    /// # Errors
    /// The first invariant that is broken.
    pub fn see(&mut self, happened: &Happened, engine: Option<&Engine>) -> Held {
        match happened {
            Happened::Event(_, event) => self.event(event),
            Happened::Said(_, record) => self.command(record, engine),
            Happened::Settled => match engine {
                Some(engine) => self.settled(engine),
                None => Ok(()),
            },
        }
    }

    /// The past has been told: from here on every step is looked at. Which orders were given up the past does not say by number: those that
    /// the engine, made from the same record, follows no longer.
    pub fn begin(&mut self, engine: &Engine) {
        self.filled.clear();
        for order in self.orders.values_mut() {
            if !engine.orders().iter().any(|w| w.spec.client_id == order.spec.client_id) {
                (order.ended, order.pending) = (true, 0.0);
            }
        }
    }

    fn event(&mut self, event: &Event) -> Held {
        match &event.body {
            EventBody::Quote(q) => _ = self.marks.insert(q.instrument, q.bid + (q.ask - q.bid) / 2),
            EventBody::Report(report) => self.report(report.ts_event, &report.body)?,
            EventBody::VenueState(state) => {
                for execution in &state.executions {
                    self.execution(&execution.fill)?;
                }
                state.orders.iter().for_each(|order| self.shown(order));
                for m in &state.movements {
                    let kind = match m.kind {
                        MovementKind::Transfer => 0,
                        MovementKind::Funding { .. } => 1,
                        MovementKind::Charge => 2,
                    };
                    self.movement(m.ts_event, kind, m.asset, m.amount);
                }
            }
            EventBody::NotSent(stopped) => {
                for id in &stopped.orders {
                    self.orders.remove(id);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The venue shows an order that works there.
    fn shown(&mut self, order: &VenueOrder) {
        let VenueOrder { spec, filled, set_off, .. } = *order;
        if spec.client_id.is_foreign() {
            return;
        }
        let class = if spec.reduce_only { OrderClass::Reducing } else { OrderClass::Entry };
        let filled = self.table.get(spec.instrument).map_or(0, |rules| rules.quantity(filled).raw());
        // One that was said by a process whose record of it is lost.
        let seen = Seen {
            spec,
            class,
            pending: 0.0,
            cancelled: false,
            filled,
            set_off,
            ended: false,
            doubted: false,
            other: None,
        };
        let known = self.orders.entry(spec.client_id).or_insert(seen);
        known.doubted = false;
    }

    fn movement(&mut self, ts: UnixNanos, kind: u8, asset: AssetIdx, amount: Money) {
        if self.movements.insert((ts.0, kind, asset, amount.raw())) {
            self.books.post(asset, amount);
        }
    }

    fn execution(&mut self, fill: &Fill) -> Held {
        let mut fill = *fill;
        // Whose an order is we know better than the venue.
        if let Some(order) = self.orders.get(&fill.client_id) {
            fill.strategy = order.spec.strategy;
        }
        let new = self.books.fill(&fill).or_else(|what| broken("books", what).map(|()| false))?;
        if !new {
            return Ok(());
        }
        self.fills += 1;
        self.filled.push((fill.instrument, fill.strategy));
        let Some(rules) = self.table.get(fill.instrument) else { return Ok(()) };
        let (price, quantity) = (rules.price(fill.price).to_f64(), rules.quantity(fill.quantity));
        if let Some(order) = self.orders.get_mut(&fill.client_id) {
            order.filled += quantity.raw();
            order.doubted = false;
            order.pending = (order.pending - price * quantity.to_f64()).max(0.0);
            order.ended |= raw(&order.spec).is_some_and(|asked| order.filled >= asked);
        }
        Ok(())
    }

    fn report(&mut self, ts: UnixNanos, body: &ReportBody) -> Held {
        match body {
            ReportBody::Filled { fill, complete } => {
                self.execution(fill)?;
                // Of one that spends an amount only the venue knows when it is complete.
                let spends = |o: &&mut Seen| *complete && raw(&o.spec).is_none();
                if let Some(order) = self.orders.get_mut(&fill.client_id).filter(spends) {
                    (order.ended, order.pending) = (true, 0.0);
                }
            }
            ReportBody::Rejected { client_id, .. }
            | ReportBody::Canceled { client_id, .. }
            | ReportBody::Expired { client_id } => self.end(*client_id),
            ReportBody::Status { client_id, status: Some(status), .. } if status.is_terminal() => self.end(*client_id),
            // One that the venue does not know is not open there; what it was asked stays asked.
            ReportBody::CancelRejected { client_id, reason } if *reason != RejectReason::UnknownOrder => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.cancelled = false;
                }
            }
            ReportBody::Triggered { client_id } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    (order.set_off, order.doubted) = (true, false);
                }
            }
            ReportBody::Accepted { client_id, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.doubted = false;
                }
            }
            ReportBody::Funding { asset, amount, .. } => self.movement(ts, 1, *asset, *amount),
            ReportBody::Transfer { asset, amount, .. } => self.movement(ts, 0, *asset, *amount),
            ReportBody::Charge { asset, amount, .. } => self.movement(ts, 2, *asset, *amount),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, id: ClientOrderId) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.ended = true;
            order.pending = 0.0;
        }
    }

    fn command(&mut self, record: &CommandRecord, engine: Option<&Engine>) -> Held {
        let live = engine.is_some();
        match record {
            CommandRecord::Submit { spec, class, .. } => {
                self.said += 1;
                if self.orders.contains_key(&spec.client_id) {
                    return broken("one number, one order", format!("{} is said twice", spec.client_id));
                }
                let pair = self.first_of_pair(spec, *class);
                let pending = match class {
                    OrderClass::Entry => self.entry(spec, live, pair.map_or(0.0, |(_, pending)| pending))?,
                    _ => self.reduction(spec, live)?,
                };
                if let Some(first) = pair.and_then(|(id, _)| self.orders.get_mut(&id)) {
                    first.other = Some(spec.client_id);
                }
                self.orders.insert(
                    spec.client_id,
                    Seen {
                        spec: *spec,
                        class: *class,
                        pending,
                        cancelled: false,
                        filled: 0,
                        set_off: false,
                        ended: false,
                        doubted: false,
                        other: pair.map(|(id, _)| id),
                    },
                );
            }
            CommandRecord::Cancel { client_id } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.cancelled = true;
                }
            }
            CommandRecord::Decision(Decision::Group { kind: GroupKind::OneCancelsOther, .. }) => self.pair = (2, None),
            // Refused as a whole, or a word of a pair whose orders have been said.
            CommandRecord::Decision(Decision::GroupStep { .. }) => self.pair = (0, None),
            CommandRecord::Decision(Decision::Mode { to, .. }) => self.mode = *to,
            CommandRecord::Decision(Decision::Alert(alert)) => {
                if let (Some(i), Some(s)) = (alert.instrument, alert.strategy) {
                    match alert.kind {
                        AlertKind::Naked => {
                            self.naked.insert((i, s));
                            // Told so because of orders whose answers stay away: those are no cover from here on.
                            self.doubt((i, s));
                        }
                        AlertKind::OutcomeUnknown | AlertKind::StopUnconfirmed => self.doubt((i, s)),
                        AlertKind::NeverArrived => engine.into_iter().for_each(|engine| self.give_up((i, s), engine)),
                        _ => {}
                    }
                }
            }
            CommandRecord::Decision(Decision::Refused { intent, refusal, .. }) => {
                let four = [
                    DenyReason::Lot,
                    DenyReason::Tick,
                    DenyReason::Oversell,
                    DenyReason::Duplicate,
                    DenyReason::SelfMatch,
                ];
                if live && *intent == domain::Intent::Exit && !four.contains(&refusal.reason) {
                    return broken("a reduction is not refused", refusal.to_string());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The first order of a pair and what of it is not filled, where this is the second one.
    fn first_of_pair(&mut self, spec: &OrderSpec, class: OrderClass) -> Option<(ClientOrderId, f64)> {
        if class != OrderClass::Entry || self.pair.0 == 0 {
            return None;
        }
        self.pair.0 -= 1;
        let first = self.pair.1.replace(spec.client_id)?;
        Some((first, self.orders.get(&first)?.pending))
    }

    fn doubt(&mut self, key: Key) {
        let of = |o: &&mut Seen| !o.ended && (o.spec.instrument, o.spec.strategy) == key;
        self.orders.values_mut().filter(of).for_each(|o| o.doubted = true);
    }

    /// An order that was told to have never arrived, and that nothing filled, is over where the engine no longer follows it.
    fn give_up(&mut self, key: Key, engine: &Engine) {
        for order in self.orders.values_mut().filter(|o| (o.spec.instrument, o.spec.strategy) == key && o.filled == 0) {
            if !engine.orders().iter().any(|w| w.spec.client_id == order.spec.client_id) {
                (order.ended, order.pending) = (true, 0.0);
            }
        }
    }

    fn mark(&self, i: InstrumentIdx) -> Option<f64> {
        Some(self.table.get(i)?.price(*self.marks.get(&i)?).to_f64())
    }

    /// Equity in the report currency by the last prices.
    fn equity(&self) -> f64 {
        let quote = self.table.instruments()[0].quote;
        let spot: f64 = (self.table.instruments().iter().filter(|i| i.kind == InstrumentKind::Spot))
            .map(|i| self.books.balance(i.base).to_f64() * self.mark(i.idx).unwrap_or(0.0))
            .sum();
        let perpetual: f64 = (self.table.instruments().iter().filter(|i| i.kind != InstrumentKind::Spot))
            .map(|i| self.books.net(i.idx).to_f64() * self.mark(i.idx).unwrap_or(0.0))
            .sum();
        self.books.free_of_order(quote).to_f64() + spot + perpetual
    }

    /// Sizes of positions and of entries on their way in one instrument, by strategy apart, long and short.
    fn exposure(&self, i: InstrumentIdx) -> (f64, f64) {
        let (mut long, mut short) = (0.0, 0.0);
        let mark = self.mark(i).unwrap_or(0.0);
        for (_, _, q) in self.books.positions().filter(|p| p.0 == i) {
            let value = q.to_f64() * mark;
            if value > 0.0 { long += value } else { short -= value }
        }
        let larger = |o: &Seen| {
            let other = o.other.and_then(|id| self.orders.get(&id)).filter(|other| !other.ended);
            other.is_none_or(|other| (o.pending, o.spec.client_id) >= (other.pending, other.spec.client_id))
        };
        let works = |o: &&Seen| o.class == OrderClass::Entry && !o.ended && o.spec.instrument == i && larger(o);
        for o in self.orders.values().filter(works) {
            if o.spec.side == Side::Buy { long += o.pending } else { short += o.pending }
        }
        (long, short)
    }

    /// What an entry may be worth at most, and that it breaches no limit by what is known.
    /// `paired` is what the other order of its pair may be worth: the larger of the two counts.
    fn entry(&self, spec: &OrderSpec, live: bool, paired: f64) -> Result<f64, Broken> {
        const LIMIT: &str = "no hard limit breached by what leaves";
        let fail = |what: String| Broken { invariant: LIMIT, what };
        let mark = self.mark(spec.instrument).unwrap_or(0.0);
        let price = match (spec.kind, spec.side) {
            (OrderType::Limit { price }, Side::Buy) => price.to_f64(),
            (OrderType::Limit { price }, Side::Sell) => price.to_f64().max(mark),
            _ => mark,
        };
        let value = match spec.quantity {
            OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => q.to_f64() * price,
            OrderQuantity::QuoteAmount(amount) => amount.to_f64(),
        };
        if !live {
            return Ok(value);
        }
        if self.mode != Mode::Normal {
            return Err(fail(format!("an entry in mode {:?}: {spec:?}", self.mode)));
        }
        let (equity, more) = (self.equity(), (value - paired).max(0.0));
        let within = |what: &str, after: f64, limit: f64| {
            if after <= limit * (1.0 + 1e-6) + 1e-3 {
                return Ok(());
            }
            Err(fail(format!("{what} {after:.2} above {limit:.2}, equity {equity:.2}: {spec:?}")))
        };
        let (long, short) = self.exposure(spec.instrument);
        within("position", long.max(short) + more, self.limits.position_fraction_max.to_f64() * equity)?;
        let all: f64 = (self.table.instruments().iter()).map(|i| self.exposure(i.idx)).map(|(l, s)| l.max(s)).sum();
        within("gross exposure", all + more, self.limits.leverage_max.to_f64() * equity)?;
        Ok(value)
    }

    fn reduction(&self, spec: &OrderSpec, live: bool) -> Result<f64, Broken> {
        let held = self.books.position(spec.instrument, spec.strategy).raw();
        let against = if spec.side == Side::Buy { held < 0 } else { held > 0 };
        if live && !against {
            let what = format!("held {} and said {spec:?}", Quantity::from_raw(held));
            return Err(Broken { invariant: "a reduction reduces", what });
        }
        Ok(0.0)
    }

    /// Whether so much of an instrument is dust.
    fn is_dust(&self, i: InstrumentIdx, quantity: i128) -> bool {
        let Some(rules) = self.table.get(i) else { return true };
        let quantity = quantity.max(0);
        let lots = quantity / rules.lot.raw() * rules.lot.raw();
        let value = Quantity::from_raw(quantity).to_f64() * self.mark(i).unwrap_or(f64::INFINITY);
        lots == 0 || lots < rules.min_quantity.raw() || value < rules.min_notional.to_f64() * (1.0 + 1e-9)
    }

    /// How much of a position works as stop, and how much as close, by commands that were said and not ended.
    fn cover(&self, (i, s): Key, doubted: bool) -> (i128, i128) {
        let held = self.books.position(i, s).raw();
        let (mut stops, mut closes) = (0, 0);
        for o in self.orders.values().filter(|o| (o.spec.instrument, o.spec.strategy) == (i, s)) {
            let against = if o.spec.side == Side::Buy { held < 0 } else { held > 0 };
            let (false, false, true, OrderClass::Reducing) = (o.ended, o.cancelled, against, o.class) else { continue };
            if o.doubted && !doubted {
                continue;
            }
            let left = raw(&o.spec).unwrap_or(0) - o.filled;
            let stop = matches!(o.spec.kind, OrderType::StopMarket { .. } | OrderType::TrailingStop { .. });
            // What was set off closes, whatever it was; the parts of different orders add up.
            if stop {
                stops += left;
            } else if o.set_off || o.spec.kind == OrderType::Market {
                closes += left;
            }
        }
        (stops, closes)
    }

    /// By commands that were said and did not end: what the venue made of some of them may be unknown.
    fn is_covered(&self, key: Key) -> bool {
        let held = self.books.position(key.0, key.1).raw().abs();
        let (stops, closes) = self.cover(key, true);
        self.is_dust(key.0, held - stops - closes)
    }

    /// By orders none of whose answers stays away.
    fn is_surely_covered(&self, key: Key) -> bool {
        let held = self.books.position(key.0, key.1).raw().abs();
        let (stops, closes) = self.cover(key, false);
        self.is_dust(key.0, held - stops - closes)
    }

    /// Whether somebody else in the account holds the other side, so that there is nothing that the venue would let us reduce.
    fn is_opposed(&self, (i, s): Key) -> bool {
        let (ours, theirs) = (self.books.position(i, s).raw(), self.books.position(i, StrategyIdx::OUTSIDE).raw());
        ours.signum() * theirs.signum() < 0
    }

    /// Whether a close has to wait: an entry of ours rests on the other side of the book, a market order would trade with it, and its cancel
    /// is on its way. Then the position is looked at again when that has ended.
    fn waits_for_cancel(&self, (i, s): Key) -> bool {
        let held = self.books.position(i, s).raw();
        self.orders.values().any(|o| {
            let crosses = if o.spec.side == Side::Buy { held > 0 } else { held < 0 };
            let rests = matches!(o.spec.kind, OrderType::Limit { .. }) && o.class == OrderClass::Entry;
            o.spec.instrument == i && crosses && rests && o.cancelled && !o.ended
        })
    }

    /// What must hold between two events.
    fn settled(&mut self, engine: &Engine) -> Held {
        self.accounts_agree(engine)?;
        let reserved = engine.gate().exposure().pending_total(ACCOUNT);
        if !reserved.is_zero() && !engine.orders().iter().any(execution::Working::is_entry) {
            return broken("what no order needs is not reserved", format!("{reserved} is reserved and no entry works"));
        }
        let unknown = [OrderStatus::Submitted, OrderStatus::CancelPending, OrderStatus::OutcomeUnknown];
        if let Some(w) = engine.orders().iter().find(|w| w.due.is_none() && unknown.contains(&w.state.status())) {
            let what = format!("{} is {:?} and never looked at again", w.spec.client_id, w.state.status());
            return broken("what is not known is asked for", what);
        }
        let naked = std::mem::take(&mut self.naked);
        self.naked = naked.into_iter().filter(|key| !self.is_surely_covered(*key)).collect();
        for key in std::mem::take(&mut self.filled) {
            if key.1 == StrategyIdx::OUTSIDE {
                continue;
            }
            if !self.is_covered(key) && (self.waits_for_cancel(key) || self.is_opposed(key)) {
                self.filled.push(key);
                continue;
            }
            if !self.is_covered(key) && !self.naked.contains(&key) && !self.entry_covers(key, engine) {
                let (stops, closes) = self.cover(key, true);
                let held = self.books.position(key.0, key.1);
                return broken(
                    "a stop in the step of each fill",
                    format!(
                        "{held} held of instrument {} by strategy {}, stops for {}, closes for {}",
                        key.0.0,
                        key.1.0,
                        Quantity::from_raw(stops),
                        Quantity::from_raw(closes)
                    ),
                );
            }
        }
        if engine.mode().mode() == Mode::Emergency {
            let followed = |o: &&Seen| engine.orders().iter().any(|w| w.spec.client_id == o.spec.client_id);
            let mut entries = self.orders.values().filter(|o| o.class == OrderClass::Entry && !o.ended && !o.cancelled);
            if let Some(open) = entries.find(followed) {
                return broken("after a kill no entry open", format!("{:?}", open.spec));
            }
            for (i, s, q) in self.books.positions().filter(|p| p.1 != StrategyIdx::OUTSIDE) {
                if !self.is_dust(i, q.raw().abs()) && !self.is_covered((i, s)) && !self.naked.contains(&(i, s)) {
                    let what = format!("{q} held of instrument {} by strategy {}", i.0, s.0);
                    return broken("after a kill a stop, a close or an alert", what);
                }
            }
        }
        Ok(())
    }

    /// Whether a position is one that has no stop for its entry came without: none can here, for a stop is required.
    fn entry_covers(&self, key: Key, engine: &Engine) -> bool {
        // What the engine counts as dust by its own price is dust: its price may be older than ours by a clamp.
        let Some(rules) = self.table.get(key.0) else { return true };
        let held = engine.portfolio().position(ACCOUNT, key.0, key.1).quantity;
        let mark = engine.view().mark(key.0).map(|m| rules.price(m).to_f64());
        mark.is_some_and(|mark| held.to_f64().abs() * mark < rules.min_notional.to_f64())
    }

    /// Balances and positions of the engine are what reached it.
    fn accounts_agree(&self, engine: &Engine) -> Held {
        let ledger = engine.portfolio();
        for at in 0..self.table.assets().len() {
            let asset = AssetIdx(at as u16);
            // What a perpetual has realised by now depends on the order of executions, and the engine takes the venue's over: balance and
            // cost together do not.
            let settles = |r: &&domain::Instrument| r.settle == asset && r.kind != InstrumentKind::Spot;
            let perpetuals = self.table.instruments().iter().filter(settles);
            let costs: i128 = perpetuals.map(|r| ledger.net_position(ACCOUNT, r.idx).cost.raw()).sum();
            let (ours, theirs) = (self.books.free_of_order(asset), ledger.balance(ACCOUNT, asset).raw() - costs);
            if ours.raw() != theirs {
                let (code, theirs) = (&self.table.assets()[at].code, Money::from_raw(theirs));
                let what =
                    format!("{code} with positions at cost taken out: {theirs} in the ledger, {ours} by executions");
                return broken("balance = sum of postings", what);
            }
        }
        for rules in self.table.instruments() {
            for (_, _, s, view) in ledger.positions().filter(|p| p.1 == rules.idx) {
                let ours = self.books.position(rules.idx, s);
                if ours != view.quantity {
                    let what = format!(
                        "{} of strategy {}: {} in the ledger, {ours} by executions",
                        rules.symbol, s.0, view.quantity
                    );
                    return broken("position = sum of unique fills", what);
                }
            }
        }
        for (i, s, q) in self.books.positions() {
            if ledger.position(ACCOUNT, i, s).quantity != q {
                let what = format!("instrument {} of strategy {}: {q} by executions, not in the ledger", i.0, s.0);
                return broken("position = sum of unique fills", what);
            }
        }
        Ok(())
    }
}
