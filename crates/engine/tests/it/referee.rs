//! An independent look at what the engine did: reckons positions, equity and what is on its way from commands and reports alone, in `f64`,
//! and shares no code with `risk`, `portfolio` or `execution`.

use domain::{
    AccountReport, ClientOrderId, Instrument, InstrumentIdx, Mode, OrderClass, OrderQuantity, OrderSpec, OrderType,
    ReportBody, Side, StrategyIdx,
};
use risk::{CommandRecord, Decision, DenyReason, Limits};
use std::collections::BTreeMap;

/// How far two ways of reckoning may be apart: the amounts are some 1e5 and exact to 1e-8.
const TOLERANCE: f64 = 1e-6;

/// One order as the referee knows it.
#[derive(Clone, Debug)]
struct Seen {
    spec: OrderSpec,
    class: OrderClass,
    /// Value at approval that is not filled yet; entries only.
    pending: f64,
    cancelled: bool,
    /// The other order of its pair: of two on one side only the larger counts.
    pair: Option<ClientOrderId>,
    /// How much of it is filled.
    filled: f64,
    /// Whether the venue set it off.
    set_off: bool,
}

/// What the referee knows.
#[derive(Default)]
pub struct Referee {
    orders: BTreeMap<ClientOrderId, Seen>,
    positions: BTreeMap<(InstrumentIdx, StrategyIdx), f64>,
    /// Money in, less what was paid for what is held, less fees.
    cash: f64,
    pub marks: BTreeMap<InstrumentIdx, f64>,
    pub instruments: Vec<Instrument>,
    pub mode: Mode,
    pub level: u8,
    /// Positions that were told to be naked and are so still.
    naked: Vec<(InstrumentIdx, StrategyIdx)>,
    /// The last things that happened, for the message of a failure.
    pub trail: std::collections::VecDeque<String>,
    /// Entries that are worked: how much, and how much of it its parts filled.
    works: BTreeMap<(InstrumentIdx, StrategyIdx), (f64, f64)>,
    /// How often each style was begun and each end came.
    pub worked: BTreeMap<&'static str, u64>,
    /// A pair was asked for: its first order, once that has left.
    pairing: Option<Option<ClientOrderId>>,
    /// How often groups were asked for, by kind, and what became of them.
    pub groups: BTreeMap<&'static str, u64>,
    pub entries: u64,
    pub reductions: u64,
    pub emergencies: u64,
    pub refused: u64,
}

fn signed(side: Side, quantity: f64) -> f64 {
    match side {
        Side::Buy => quantity,
        Side::Sell => -quantity,
    }
}

impl Referee {
    /// One who knows these instruments and nothing else.
    pub fn of(instruments: Vec<Instrument>) -> Self {
        Self { instruments, ..Self::default() }
    }

    fn equity(&self) -> f64 {
        self.cash + self.positions.iter().map(|((i, _), q)| q * self.marks.get(i).copied().unwrap_or(0.0)).sum::<f64>()
    }

    /// Sizes of positions and of entries on their way, of those that `of` picks, long and short apart.
    fn exposure(&self, of: impl Fn(InstrumentIdx) -> bool) -> (f64, f64) {
        let (mut long, mut short) = (0.0, 0.0);
        for ((i, _), q) in self.positions.iter().filter(|((i, _), _)| of(*i)) {
            let value = q * self.marks.get(i).copied().unwrap_or(0.0);
            if value > 0.0 { long += value } else { short -= value }
        }
        for o in self.orders.values().filter(|o| o.class == OrderClass::Entry && of(o.spec.instrument)) {
            let other = o.pair.and_then(|id| self.orders.get(&id)).filter(|other| other.spec.side == o.spec.side);
            if other.is_some_and(|p| (p.pending, p.spec.client_id) > (o.pending, o.spec.client_id)) {
                continue;
            }
            if o.spec.side == Side::Buy { long += o.pending } else { short += o.pending }
        }
        (long, short)
    }

    fn is_dust(&self, i: InstrumentIdx, quantity: f64) -> bool {
        let rules = &self.instruments[i.index()];
        let lots = (quantity.abs() / rules.lot.to_f64() + 1e-9).floor() * rules.lot.to_f64();
        let value = quantity.abs() * self.marks.get(&i).copied().unwrap_or(f64::INFINITY);
        lots < rules.min_quantity.to_f64() || lots == 0.0 || value < rules.min_notional.to_f64()
    }

    /// Whether so much of something is held that it can be traded away.
    fn counts(&self, i: InstrumentIdx) -> bool {
        self.positions.iter().any(|((j, _), q)| *j == i && !self.is_dust(i, *q))
    }

    /// The engine said this. `allowed` is what the gate word lets through.
    pub fn command(&mut self, record: &CommandRecord, limits: &Limits) -> Result<(), String> {
        self.note(format!("said {record:?}"));
        match record {
            CommandRecord::Submit { spec, class: OrderClass::Entry, .. } => self.entry(spec, limits),
            CommandRecord::List { first, second } => {
                self.entry(&first.spec, limits).and_then(|()| self.entry(&second.spec, limits))
            }
            CommandRecord::Submit { spec, class: OrderClass::Reducing, .. } => {
                self.reductions += 1;
                self.track(spec, OrderClass::Reducing, 0.0);
                let held = self.positions.get(&(spec.instrument, spec.strategy)).copied().unwrap_or(0.0);
                if signed(spec.side, 1.0) * held >= 0.0 {
                    return Err(format!("a reduction on the side of the position of {held}: {spec:?}"));
                }
                Ok(())
            }
            CommandRecord::Cancel { client_id } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.cancelled = true;
                }
                Ok(())
            }
            CommandRecord::Decision(Decision::Mode { from, to, .. }) => {
                if *from != self.mode {
                    return Err(format!("mode {from:?} left, {:?} was in force", self.mode));
                }
                self.mode = *to;
                self.emergencies += u64::from(*to == Mode::Emergency);
                Ok(())
            }
            CommandRecord::Decision(Decision::Alert(alert)) if alert.kind == domain::AlertKind::Naked => {
                self.naked.extend(alert.instrument.zip(alert.strategy));
                Ok(())
            }
            CommandRecord::Decision(Decision::Refused { intent, refusal, .. }) => {
                self.refused += 1;
                let four = [
                    DenyReason::Lot,
                    DenyReason::Tick,
                    DenyReason::Oversell,
                    DenyReason::Duplicate,
                    DenyReason::SelfMatch,
                ];
                if *intent == domain::Intent::Exit && !four.contains(&refusal.reason) {
                    return Err(format!("a reduction was refused: {refusal}"));
                }
                Ok(())
            }
            CommandRecord::Decision(Decision::Worked { strategy, instrument, intent, style, target, .. }) => {
                *self.worked.entry(style.name()).or_default() += 1;
                if *intent != domain::Intent::Exit {
                    self.works.insert((*instrument, *strategy), (target.to_f64(), 0.0));
                }
                Ok(())
            }
            CommandRecord::Decision(Decision::WorkEnded { strategy, instrument, intent, target, filled, end }) => {
                *self.worked.entry(end.name()).or_default() += 1;
                if *intent == domain::Intent::Exit {
                    return Ok(());
                }
                let (whole, seen) = self.works.remove(&(*instrument, *strategy)).ok_or("an end without a beginning")?;
                if (seen - filled.to_f64()).abs() > 1e-9 || target.to_f64() > whole + 1e-9 || seen > whole + 1e-9 {
                    return Err(format!("{filled} of {target} are said to be filled, {seen} of {whole} are"));
                }
                Ok(())
            }
            CommandRecord::Decision(Decision::Group { kind, .. }) => {
                *self.groups.entry(kind.key()).or_default() += 1;
                self.pairing = (*kind == domain::GroupKind::OneCancelsOther).then_some(None);
                Ok(())
            }
            CommandRecord::Decision(Decision::GroupStep { step, .. }) => {
                *self.groups.entry(step.key()).or_default() += 1;
                self.pairing = None;
                Ok(())
            }
            CommandRecord::Gate { level } => {
                self.level = *level;
                Ok(())
            }
            CommandRecord::Timer { .. }
            | CommandRecord::Infer(_)
            | CommandRecord::Decision(_)
            | CommandRecord::Query { .. }
            | CommandRecord::Reconcile { .. } => Ok(()),
        }
    }

    fn entry(&mut self, spec: &OrderSpec, limits: &Limits) -> Result<(), String> {
        self.entries += 1;
        if self.mode != Mode::Normal {
            return Err(format!("an entry in mode {:?}: {spec:?}", self.mode));
        }
        let key = (spec.instrument, spec.strategy);
        if let (Some((whole, filled)), OrderQuantity::Base(part)) = (self.works.get(&key), spec.quantity) {
            let open = |o: &&Seen| o.class == OrderClass::Entry && (o.spec.instrument, o.spec.strategy) == key;
            if let Some(other) = self.orders.values().find(open) {
                return Err(format!("two parts at a time: {:?} and {spec:?}", other.spec));
            }
            if filled + part.to_f64() > whole + 1e-9 {
                return Err(format!("a part of {part} after {filled} of {whole}"));
            }
        }
        let mark = self.marks.get(&spec.instrument).copied().unwrap_or(0.0);
        // A sell that the market would fill at a better price than its limit is worth that.
        let price = match (spec.kind, spec.side) {
            (OrderType::Limit { price }, Side::Buy) => price.to_f64(),
            (OrderType::Limit { price }, Side::Sell) => price.to_f64().max(mark),
            _ => mark,
        };
        let value = match spec.quantity {
            OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => q.to_f64() * price,
            OrderQuantity::QuoteAmount(amount) => amount.to_f64(),
        };
        let equity = self.equity();
        // Each order of a pair is held against the limits as if it were alone.
        let first = self.pairing.flatten();
        let alone = |own: &mut Self| first.and_then(|id| own.orders.remove(&id).map(|o| (id, o)));
        let beside = alone(self);
        let (here, all) = (self.exposure(|j| j == spec.instrument), self.exposure(|_| true));
        self.orders.extend(beside);
        let i = &self.instruments[spec.instrument.index()];
        let (long, short) = here;
        let within = |what: &str, after: f64, limit: f64| {
            if after <= limit * (1.0 + 1e-9) + TOLERANCE {
                Ok(())
            } else {
                Err(format!("{what} {after} above {limit}, equity {equity}, {} : {spec:?}", i.symbol))
            }
        };
        within("position", long + short + value, limits.position_fraction_max.to_f64() * equity)?;
        let (long, short) = all;
        within("gross exposure", long + short + value, limits.leverage_max.to_f64() * equity)?;
        let others = (self.instruments.iter().map(|i| i.idx)).filter(|j| {
            let pending = self.orders.values().any(|o| o.class == OrderClass::Entry && o.spec.instrument == *j);
            *j != spec.instrument && (pending || self.counts(*j))
        });
        let positions = others.count() + 1;
        if positions > limits.positions_max as usize {
            return Err(format!("{positions} positions"));
        }
        self.track(spec, OrderClass::Entry, value);
        self.pairing = match (self.pairing, first) {
            (Some(None), _) => Some(Some(spec.client_id)),
            (Some(Some(_)), Some(first)) => {
                for (id, other) in [(first, spec.client_id), (spec.client_id, first)] {
                    self.orders.get_mut(&id).into_iter().for_each(|order| order.pair = Some(other));
                }
                None
            }
            _ => None,
        };
        Ok(())
    }

    fn track(&mut self, spec: &OrderSpec, class: OrderClass, pending: f64) {
        self.orders.insert(
            spec.client_id,
            Seen { spec: *spec, class, pending, cancelled: false, pair: None, filled: 0.0, set_off: false },
        );
    }

    /// The gate word stopped this order.
    pub fn not_sent(&mut self, id: ClientOrderId) {
        self.note(format!("stopped {id}"));
        self.orders.remove(&id);
    }

    /// The venue said this.
    pub fn report(&mut self, report: &AccountReport) {
        self.note(format!("came {:?}", report.body));
        match &report.body {
            ReportBody::Filled { fill, complete } => {
                let i = &self.instruments[fill.instrument.index()];
                let (price, quantity) = (i.price(fill.price).to_f64(), i.quantity(fill.quantity).to_f64());
                let change = signed(fill.side, quantity);
                let spot_base = i.kind == domain::InstrumentKind::Spot && fill.fee_asset == i.base;
                let fee = fill.fee_amount.to_f64();
                let held = self.positions.entry((fill.instrument, fill.strategy)).or_default();
                *held += change - if spot_base { fee } else { 0.0 };
                if held.abs() < 1e-9 {
                    *held = 0.0;
                }
                self.cash -= change * price + if spot_base { 0.0 } else { fee };
                let entry = self.orders.get(&fill.client_id).is_some_and(|o| o.class == OrderClass::Entry);
                if let Some((_, filled)) = self.works.get_mut(&(fill.instrument, fill.strategy)).filter(|_| entry) {
                    *filled += quantity;
                }
                if let Some(order) = self.orders.get_mut(&fill.client_id) {
                    order.pending = (order.pending - quantity * price).max(0.0);
                    order.filled += quantity;
                }
                if *complete {
                    self.orders.remove(&fill.client_id);
                }
            }
            ReportBody::Rejected { client_id, .. }
            | ReportBody::Canceled { client_id, .. }
            | ReportBody::Expired { client_id } => {
                self.orders.remove(client_id);
            }
            ReportBody::CancelRejected { client_id, .. } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.cancelled = false;
                }
            }
            ReportBody::Triggered { client_id } => {
                if let Some(order) = self.orders.get_mut(client_id) {
                    order.set_off = true;
                }
            }
            ReportBody::Transfer { amount, .. } | ReportBody::Funding { amount, .. } => self.cash += amount.to_f64(),
            _ => {}
        }
    }

    /// What must hold between two events while an emergency lasts: no entry is open, but those whose cancel is on its way; every position
    /// above dust has a live stop, a close in flight, or was told to be naked.
    pub fn emergency_holds(&mut self) -> Result<(), String> {
        let naked = std::mem::take(&mut self.naked);
        self.naked = naked.into_iter().filter(|(i, s)| !self.wholly_covered(*i, *s)).collect();
        if self.mode != Mode::Emergency {
            return Ok(());
        }
        if let Some(open) = self.orders.values().find(|o| o.class == OrderClass::Entry && !o.cancelled) {
            return Err(format!("an entry is open: {:?}", open.spec));
        }
        for ((i, s), q) in self.positions.iter().filter(|((i, _), q)| !self.is_dust(*i, **q)) {
            if !self.covered(*i, *s) && !self.naked.contains(&(*i, *s)) {
                return Err(format!(
                    "a position of {q} in {i:?} of {s:?} has no stop and no close, and nobody was told"
                ));
            }
        }
        Ok(())
    }

    fn note(&mut self, what: String) {
        if self.trail.len() == 40 {
            self.trail.pop_front();
        }
        self.trail.push_back(what);
    }

    /// Whether a stop or a close works for a position.
    fn covered(&self, i: InstrumentIdx, s: StrategyIdx) -> bool {
        let (stops, closes) = self.cover(i, s);
        stops + closes > 0.0
    }

    /// Whether stops or closes work for all of it but dust.
    fn wholly_covered(&self, i: InstrumentIdx, s: StrategyIdx) -> bool {
        let held = self.positions.get(&(i, s)).copied().unwrap_or(0.0).abs();
        let (stops, closes) = self.cover(i, s);
        self.is_dust(i, held - stops.max(closes))
    }

    /// How much of a position its stops cover, and how much its closes: those at the market and what was set off.
    fn cover(&self, i: InstrumentIdx, s: StrategyIdx) -> (f64, f64) {
        let held = self.positions.get(&(i, s)).copied().unwrap_or(0.0);
        let (mut stops, mut closes) = (0.0, 0.0);
        for o in self.orders.values() {
            let against = signed(o.spec.side, 1.0) * held < 0.0;
            let this = (o.spec.instrument, o.spec.strategy) == (i, s);
            let OrderQuantity::Base(quantity) = o.spec.quantity else { continue };
            if o.cancelled || o.class != OrderClass::Reducing || !this || !against {
                continue;
            }
            let left = quantity.to_f64() - o.filled;
            match o.spec.kind {
                OrderType::StopMarket { .. } | OrderType::TrailingStop { .. } => stops += left,
                _ => {}
            }
            if o.set_off || o.spec.kind == OrderType::Market {
                closes += left;
            }
        }
        (stops, closes)
    }

    /// Equity against what the engine reckons.
    pub fn agrees(&self, engine: Option<f64>) -> Result<(), String> {
        match engine {
            Some(equity) if (equity - self.equity()).abs() > 1e-3 => {
                Err(format!("equity {} here, {equity} in the engine", self.equity()))
            }
            _ => Ok(()),
        }
    }
}
