//! Records of a journal as entries of the audit log: named values in plain text, exact decimals, names instead of numbers.
//!
//! In:  records of kinds that are audited: start, inputs, definitions, control, recoveries, orders, decisions, reports, the seal.
//! Out: entries. Timers, answers of models, market rows and marks of snapshots have none: they decide nothing by themselves, and a replay
//! decides them again.
//! What an entry says follows from the records alone. Its text is part of the log's format: it is never changed for records of a version
//! that was written before.

use crate::runner::cursor::{command_of, event_of};
use crate::runner::tape::{BODY_VERSION, Seal};
use domain::codec::{Reader, Stored};
use domain::{
    AccountReport, AssetIdx, ClientOrderId, Control, Difference, Entry as EntryPlan, EventBody, Fill, Instrument,
    InstrumentIdx, Intent, OrderClass, OrderQuantity, OrderSpec, OrderType, RejectReason, ReportBody, Side, Signal,
    SizeRequest, StopLevel, StrategyIdx, TimeInForce, TrailOffset, UnixNanos, VenueState,
};
use risk::{CommandRecord, Decision, Refusal};
use std::collections::HashMap;
use std::fmt::Display;
use store::audit::{Entry, FORMAT, Projector};
use store::journal::{Kind, RecordRef};

/// Whether records of this kind have entries.
#[must_use]
pub const fn is_audited(kind: Kind) -> bool {
    !matches!(kind, Kind::Mark | Kind::Timer | Kind::ModelOutput | Kind::Market | Kind::Runtime)
}

/// Makes entries of records, and keeps what later ones refer to.
#[derive(Debug, Default)]
pub struct Entries {
    instruments: Vec<Instrument>,
    /// Strategies as the configuration names them, each with the instrument that it is bound to.
    asked: Vec<(String, Option<String>)>,
    /// The same, one for each instrument that it trades, by number.
    strategies: Vec<String>,
    /// Of each order what it is in and whose it is.
    orders: HashMap<ClientOrderId, (InstrumentIdx, StrategyIdx)>,
}

impl Projector for Entries {
    fn entry(&mut self, record: RecordRef<'_>) -> Result<Option<Entry>, String> {
        if !is_audited(record.kind) {
            return Ok(None);
        }
        if record.version != BODY_VERSION {
            return Err(format!(
                "{:?} of version {}, this build reads version {BODY_VERSION}: a later build wrote it",
                record.kind, record.version
            ));
        }
        let unreadable = |error: &dyn Display| format!("{:?} that this build cannot read: {error}", record.kind);
        let seq = record.seq;
        let entry = match record.kind {
            Kind::Start => {
                let json = one_line(record.body).map_err(|e| unreadable(&e))?;
                self.asked = strategies_of(json);
                Entry::new(seq, None, "start").with("format", FORMAT).with_json("start", json)
            }
            Kind::Input => {
                Entry::new(seq, None, "input").with_json("input", one_line(record.body).map_err(|e| unreadable(&e))?)
            }
            Kind::Recovery => {
                let json = one_line(record.body).map_err(|e| unreadable(&e))?;
                Entry::new(seq, None, "recovery").with_json("recovery", json)
            }
            Kind::Seal => {
                let seal = Seal::take(&mut Reader::new(record.body)).map_err(|e| unreadable(&e))?;
                Entry::new(seq, None, "end")
                    .with("rows", seal.rows)
                    .with("digest", format_args!("{:032x}", seal.digest))
                    .with("state_digest", format_args!("{:032x}", seal.state_digest))
            }
            Kind::Order | Kind::Decision | Kind::Safety => {
                let (ts, command) = command_of(record.body).map_err(|e| unreadable(&e))?;
                self.command(seq, ts, &command)?
            }
            Kind::Definition | Kind::Control | Kind::Report => {
                let (ts, event) = event_of(record.body).map_err(|e| unreadable(&e))?;
                self.event(seq, ts, &event.body)?
            }
            Kind::Mark | Kind::Timer | Kind::ModelOutput | Kind::Market | Kind::Runtime => return Ok(None),
        };
        Ok(Some(entry))
    }

    fn may_be_gone(&self, kind: &str) -> bool {
        matches!(kind, "signal" | "refused")
    }
}

impl Entries {
    fn command(&mut self, seq: u64, ts: UnixNanos, command: &CommandRecord) -> Result<Entry, String> {
        let entry = |kind| Entry::new(seq, Some(ts), kind);
        Ok(match command {
            CommandRecord::Submit { spec, class, research, valid_until } => {
                self.orders.insert(spec.client_id, (spec.instrument, spec.strategy));
                self.order(entry("order"), spec)
                    .with("class", class_name(*class))
                    .with("limits", if *research { "research" } else { "trading" })
                    .with("valid_until", time(*valid_until))
            }
            CommandRecord::List { first, second } => {
                for order in [first, second] {
                    self.orders.insert(order.spec.client_id, (order.spec.instrument, order.spec.strategy));
                }
                let (one, other) = (&first.spec, &second.spec);
                self.order(entry("pair"), one)
                    .with("class", class_name(first.class))
                    .with("limits", if first.research { "research" } else { "trading" })
                    .with("valid_until", time(first.valid_until))
                    .with("other_order", other.client_id)
                    .with("other_side", side_name(other.side))
                    .with("other_type", other.kind.name())
                    .with("other_quantity", quantity_name(other.quantity))
                    .with_some("other_price", other.kind.limit_price())
                    .with_some("other_trigger", other.kind.trigger())
            }
            CommandRecord::Cancel { client_id } => self.of_order(entry("cancel"), *client_id),
            CommandRecord::Query { client_id } => self.of_order(entry("query"), *client_id),
            CommandRecord::Reconcile { account, since } => {
                entry("reconcile").with("account", account.0).with("since", time(*since))
            }
            CommandRecord::Decision(Decision::Difference(difference)) => {
                self.difference(entry("difference"), difference)
            }
            CommandRecord::Decision(Decision::Reconciled { account, as_of, orders, recovered }) => entry("reconciled")
                .with("account", account.0)
                .with("as_of", time(*as_of))
                .with("orders", orders)
                .with("recovered", recovered),
            CommandRecord::Decision(Decision::Signal(signal)) => self.signal(entry("signal"), signal),
            CommandRecord::Decision(Decision::Refused { strategy, instrument, intent, refusal }) => {
                let entry = self.whose(entry("refused"), *instrument, *strategy).with("intent", intent_name(*intent));
                refused(entry, refusal)
            }
            CommandRecord::Decision(Decision::Group { group, kind, account, strategy, legs }) => {
                let name = self.strategies.get(strategy.index()).map(String::as_str);
                entry("group")
                    .with("group", group)
                    .with("of", kind.key())
                    .with("legs", legs)
                    .with("account", account.0)
                    .with("strategy", strategy.0)
                    .with_some("name", name)
            }
            CommandRecord::Decision(Decision::GroupStep {
                group,
                leg,
                account,
                strategy,
                instrument,
                step,
                refusal,
            }) => {
                let entry = self
                    .whose(entry("group_step"), *instrument, *strategy)
                    .with("group", group)
                    .with("leg", leg)
                    .with("account", account.0)
                    .with("step", step.key());
                let entry = match step {
                    domain::GroupStep::Excess { quantity } => entry.with("quantity", quantity),
                    _ => entry,
                };
                match refusal {
                    Some(refusal) => refused(entry, refusal),
                    None => entry,
                }
            }
            CommandRecord::Decision(Decision::Mode { from, to, cause, holder }) => entry("mode")
                .with("from", from.key())
                .with("to", to.key())
                .with("cause", cause.key())
                .with_some("holder", holder.as_ref().map(domain::Holder::name)),
            CommandRecord::Decision(Decision::Alert(alert)) => self.alert(entry("alert"), alert),
            CommandRecord::Decision(Decision::Limit { limit, from, to, holder }) => {
                entry("limit").with("limit", limit.key()).with("from", from).with("to", to).with("holder", holder)
            }
            CommandRecord::Decision(Decision::Rearmed { what, holder, done }) => {
                rearmed(entry("rearmed"), *what).with("holder", holder).with("done", if *done { "yes" } else { "no" })
            }
            CommandRecord::Decision(Decision::Worked { strategy, instrument, intent, style, target, arrival }) => self
                .whose(entry("worked"), *instrument, *strategy)
                .with("intent", intent_name(*intent))
                .with("style", style.name())
                .with("over_ns", style.span().0)
                .with("quantity", target)
                .with_some("arrival", arrival.map(|price| self.price(*instrument, price))),
            CommandRecord::Decision(Decision::WorkEnded { strategy, instrument, intent, target, filled, end }) => self
                .whose(entry("work_ended"), *instrument, *strategy)
                .with("intent", intent_name(*intent))
                .with("quantity", target)
                .with("filled", filled)
                .with("end", end.name()),
            CommandRecord::Timer { .. } | CommandRecord::Infer(_) | CommandRecord::Gate { .. } => {
                return Err("a command to the runtime among the orders and decisions".into());
            }
        })
    }

    fn event(&mut self, seq: u64, ts: UnixNanos, body: &EventBody) -> Result<Entry, String> {
        let entry = |kind| Entry::new(seq, Some(ts), kind);
        match body {
            EventBody::InstrumentDefined(instrument) => {
                let defined = definition(entry("definition"), instrument);
                self.define(instrument);
                Ok(defined)
            }
            EventBody::Control(control) => Ok(said_from_outside(entry("control"), control)),
            EventBody::NotSent(stopped) => {
                let orders: Vec<String> = stopped.orders.iter().map(ToString::to_string).collect();
                Ok(entry("not_sent").with("level", stopped.level).with("orders", orders.join(" ")))
            }
            EventBody::Report(report) => Ok(self.report(seq, ts, report)),
            EventBody::VenueState(state) => Ok(self.state(entry("venue_state"), state)),
            EventBody::Timer(_)
            | EventBody::ModelOutput(_)
            | EventBody::Candle(_)
            | EventBody::Trade(_)
            | EventBody::Quote(_)
            | EventBody::BookDelta(_) => Err("an event of another kind than its record".into()),
        }
    }

    fn difference(&self, entry: Entry, difference: &Difference) -> Entry {
        let entry = entry.with("difference", difference.kind.key()).with("account", difference.account.0);
        let entry = match difference.instrument {
            Some(instrument) => self.symbol(entry, instrument),
            None => entry,
        };
        let asset = difference.asset.map(|asset| self.asset(asset));
        entry
            .with_some("asset", asset)
            .with_some("order", difference.order)
            .with("ours", difference.ours)
            .with("theirs", difference.theirs)
    }

    /// How an account stands at a venue, in one line.
    fn state(&self, entry: Entry, state: &VenueState) -> Entry {
        let orders: Vec<String> = (state.orders.iter())
            .map(|order| {
                let id = order.spec.client_id;
                let whose = if id.is_foreign() { "foreign".to_owned() } else { id.to_string() };
                format!("{whose} {:?} {}", order.status, self.quantity(Some(order.spec.instrument), order.filled))
            })
            .collect();
        let trades: Vec<String> = state.executions.iter().map(|e| e.fill.trade_id.to_string()).collect();
        let movements: Vec<String> =
            state.movements.iter().map(|m| format!("{} {}", m.amount, self.asset(m.asset))).collect();
        let balances: Vec<String> =
            state.balances.iter().map(|(asset, amount)| format!("{amount} {}", self.asset(*asset))).collect();
        let positions: Vec<String> = (state.positions.iter())
            .map(|p| match self.instrument(p.instrument) {
                Some(known) => format!("{} {} for {}", p.quantity, known.symbol, p.cost),
                None => format!("{} of instrument {} for {}", p.quantity, p.instrument.0, p.cost),
            })
            .collect();
        entry
            .with("account", state.account.0)
            .with("since", time(state.since))
            .with("as_of", time(state.as_of))
            .with("complete", yes(state.complete))
            .with("orders", orders.join(", "))
            .with("trades", trades.join(" "))
            .with("movements", movements.join(", "))
            .with("balances", balances.join(", "))
            .with("positions", positions.join(", "))
    }

    fn alert(&self, entry: Entry, alert: &domain::Alert) -> Entry {
        let entry = entry.with("alert", alert.kind.key());
        let entry = match (alert.instrument, alert.strategy) {
            (Some(instrument), Some(strategy)) => self.whose(entry, instrument, strategy),
            (Some(instrument), None) => self.symbol(entry, instrument),
            (None, Some(strategy)) => entry.with("strategy", strategy.0),
            (None, None) => entry,
        };
        let number = |value: Option<f64>| value.map(|v| v.to_string());
        entry.with_some("value", number(alert.value).as_deref()).with_some("limit", number(alert.limit).as_deref())
    }

    fn define(&mut self, instrument: &Instrument) {
        match self.instruments.iter_mut().find(|i| i.idx == instrument.idx) {
            Some(known) => instrument.clone_into(known),
            None => self.instruments.push(instrument.clone()),
        }
        // Strategies are numbered as a run makes them: one after the other, for each instrument that it trades.
        self.strategies.clear();
        for (text, bound) in &self.asked {
            let trades = |i: &&Instrument| bound.as_ref().is_none_or(|symbol| *symbol == i.symbol);
            self.strategies.extend(self.instruments.iter().filter(trades).map(|_| text.clone()));
        }
    }

    fn instrument(&self, idx: InstrumentIdx) -> Option<&Instrument> {
        self.instruments.iter().find(|i| i.idx == idx)
    }

    /// What and whose it is.
    fn whose(&self, entry: Entry, instrument: InstrumentIdx, strategy: StrategyIdx) -> Entry {
        let name = self.strategies.get(strategy.index()).map(String::as_str);
        self.symbol(entry, instrument).with("strategy", strategy.0).with_some("name", name)
    }

    fn symbol(&self, entry: Entry, instrument: InstrumentIdx) -> Entry {
        match self.instrument(instrument) {
            Some(known) => entry.with("symbol", &known.symbol),
            None => entry.with("symbol", format_args!("instrument {}", instrument.0)),
        }
    }

    /// An order that was sent before.
    fn of_order(&self, entry: Entry, client_id: ClientOrderId) -> Entry {
        let entry = entry.with("order", client_id);
        match self.orders.get(&client_id) {
            Some((instrument, strategy)) => self.whose(entry, *instrument, *strategy),
            None => entry,
        }
    }

    fn order(&self, entry: Entry, spec: &OrderSpec) -> Entry {
        let (name, price, trigger) = (spec.kind.name(), spec.kind.limit_price(), spec.kind.trigger());
        let trail = match spec.kind {
            OrderType::TrailingStop { offset: TrailOffset::Distance(distance) } => Some(distance.to_string()),
            OrderType::TrailingStop { offset: TrailOffset::Fraction(fraction) } => {
                Some(format!("{fraction} of the price"))
            }
            _ => None,
        };
        let entry = self
            .whose(entry.with("order", spec.client_id), spec.instrument, spec.strategy)
            .with("account", spec.account.0)
            .with("side", side_name(spec.side))
            .with("type", name);
        let entry = match spec.quantity {
            OrderQuantity::Base(quantity) => entry.with("quantity", quantity),
            OrderQuantity::Contracts(contracts) => entry.with("contracts", contracts),
            OrderQuantity::QuoteAmount(amount) => entry.with("amount", amount),
        };
        let until = match spec.time_in_force {
            TimeInForce::Gtc => "gtc".to_owned(),
            TimeInForce::Ioc => "ioc".to_owned(),
            TimeInForce::Fok => "fok".to_owned(),
            TimeInForce::Gtd(until) => format!("gtd {}", time(until)),
        };
        entry
            .with_some("price", price)
            .with_some("trigger", trigger)
            .with_some("trail", trail)
            .with("time_in_force", until)
            .with("post_only", yes(spec.post_only))
            .with("reduce_only", yes(spec.reduce_only))
    }

    fn signal(&self, entry: Entry, signal: &Signal) -> Entry {
        let size = match signal.size {
            SizeRequest::AllIn => "all free funds".to_owned(),
            SizeRequest::EquityFraction(fraction) => format!("{fraction} of equity"),
            SizeRequest::Base(quantity) => format!("{quantity} of base"),
            SizeRequest::Cap => "as much as limits allow".to_owned(),
            SizeRequest::Position => "all that is held".to_owned(),
        };
        let way = match signal.entry {
            EntryPlan::Market => "market".to_owned(),
            EntryPlan::Limit(price) => format!("limit {price}"),
            EntryPlan::Stop(price) => format!("stop {price}"),
        };
        let stop = signal.stop.map(|plan| {
            let level = match plan.level() {
                StopLevel::Price(price) => format!("at {price}"),
                StopLevel::Distance(distance) => format!("{distance} away"),
                StopLevel::Fraction(fraction) => format!("{fraction} of the price away"),
                StopLevel::Trail(distance) => format!("{distance} behind the best price"),
                StopLevel::TrailFraction(fraction) => format!("{fraction} of the best price behind it"),
            };
            match plan.hold_max() {
                None => level,
                Some(hold) => format!("{level}, held for {} s at most", hold.0 as f64 / 1e9),
            }
        });
        let entry = self
            .whose(entry, signal.instrument, signal.strategy)
            .with("account", signal.account.0)
            .with("intent", intent_name(signal.intent))
            .with("size", size)
            .with("by", way)
            .with_some("stop", stop)
            .with_some("target", signal.target)
            .with("reference", self.price(signal.instrument, signal.reference))
            .with("confidence", signal.confidence)
            .with("tag", signal.tag);
        let Some(s) = signal.statistics else { return entry };
        entry
            .with("win_probability", s.win_probability)
            .with("mean_win", s.mean_win)
            .with("mean_loss", s.mean_loss)
            .with("expected_fees", s.fees)
            .with("expected_slippage", s.slippage)
            .with("holding_ns", s.holding_period.0)
            .with("samples", s.samples)
    }

    fn report(&self, seq: u64, ts: UnixNanos, report: &AccountReport) -> Entry {
        let at_venue = (report.ts_event != ts).then(|| time(report.ts_event));
        let entry = |kind| Entry::new(seq, Some(ts), kind).with_some("venue_time", at_venue.as_deref());
        let reason = |entry: Entry, reason: RejectReason| entry.with("reason", reason.name());
        match report.body {
            ReportBody::Accepted { client_id, venue_id } => {
                self.of_order(entry("accepted"), client_id).with("venue_order", venue_id.0)
            }
            ReportBody::Triggered { client_id } => self.of_order(entry("triggered"), client_id),
            ReportBody::Rejected { client_id, reason: why } => reason(self.of_order(entry("rejected"), client_id), why),
            ReportBody::Filled { fill, complete } => self.fill(entry("filled"), &fill, complete),
            ReportBody::Canceled { client_id, reason: why } => {
                self.of_order(entry("canceled"), client_id).with("reason", why.map_or("asked for", RejectReason::name))
            }
            ReportBody::Expired { client_id } => self.of_order(entry("expired"), client_id),
            ReportBody::CancelRejected { client_id, reason: why } => {
                reason(self.of_order(entry("cancel-rejected"), client_id), why)
            }
            ReportBody::Amended { client_id } => self.of_order(entry("amended"), client_id),
            ReportBody::AmendRejected { client_id, reason: why } => {
                reason(self.of_order(entry("amend-rejected"), client_id), why)
            }
            ReportBody::Replaced { client_id, venue_id, quantity, price, trigger } => {
                let of = self.orders.get(&client_id).map(|order| order.0);
                let amount = |mantissa: Option<i64>| mantissa.zip(of).map(|(m, of)| self.price(of, m));
                self.of_order(entry("replaced"), client_id)
                    .with("venue_order", venue_id.0)
                    .with("quantity", self.quantity(of, quantity))
                    .with_some("price", amount(price))
                    .with_some("trigger", amount(trigger))
            }
            ReportBody::Charge { account, asset, amount } => {
                entry("charge").with("account", account.0).with("amount", amount).with("asset", self.asset(asset))
            }
            ReportBody::Status { client_id, status, filled } => self
                .of_order(entry("status"), client_id)
                .with("status", status.map_or_else(|| "unknown to the venue".to_owned(), |s| format!("{s:?}")))
                .with("filled", self.quantity(self.orders.get(&client_id).map(|o| o.0), filled)),
            ReportBody::Funding { account, instrument, asset, amount } => self
                .symbol(entry("funding"), instrument)
                .with("account", account.0)
                .with("amount", amount)
                .with("asset", self.asset(asset)),
            ReportBody::Transfer { account, asset, amount } => {
                entry("transfer").with("account", account.0).with("amount", amount).with("asset", self.asset(asset))
            }
        }
    }

    fn fill(&self, entry: Entry, fill: &Fill, complete: bool) -> Entry {
        self.whose(entry.with("order", fill.client_id), fill.instrument, fill.strategy)
            .with("account", fill.account.0)
            .with("side", side_name(fill.side))
            .with("quantity", self.quantity(Some(fill.instrument), fill.quantity))
            .with("price", self.price(fill.instrument, fill.price))
            .with("fee", fill.fee_amount)
            .with("fee_asset", self.asset(fill.fee_asset))
            .with("liquidity", if fill.liquidity == domain::Liquidity::Maker { "maker" } else { "taker" })
            .with("venue_order", fill.venue_id.0)
            .with("trade", fill.trade_id)
            .with("complete", yes(complete))
    }

    fn price(&self, instrument: InstrumentIdx, mantissa: i64) -> String {
        match self.instrument(instrument) {
            Some(known) => known.price(mantissa).to_string(),
            None => format!("{mantissa} (mantissa)"),
        }
    }

    fn quantity(&self, instrument: Option<InstrumentIdx>, mantissa: i64) -> String {
        match instrument.and_then(|idx| self.instrument(idx)) {
            Some(known) => known.quantity(mantissa).to_string(),
            None => format!("{mantissa} (mantissa)"),
        }
    }

    /// Records number assets; what they are called follows from the instruments that they belong to.
    fn asset(&self, asset: AssetIdx) -> String {
        let of = |role: &str, i: &Instrument| format!("{role} of {}", i.symbol);
        let base = self.instruments.iter().find(|i| i.base == asset).map(|i| of("base", i));
        let quote = self.instruments.iter().find(|i| i.quote == asset).map(|i| of("quote", i));
        quote.or(base).unwrap_or_else(|| format!("asset {}", asset.0))
    }
}

fn definition(entry: Entry, i: &Instrument) -> Entry {
    entry
        .with("symbol", &i.symbol)
        .with("instrument", i.idx.0)
        .with("venue", i.venue.0)
        .with("is", format_args!("{:?}", i.kind))
        .with("multiplier", i.multiplier)
        .with("price_decimals", i.price_decimals)
        .with("quantity_decimals", i.quantity_decimals)
        .with("tick", i.tick)
        .with("lot", i.lot)
        .with("min_quantity", i.min_quantity)
        .with("max_quantity", i.max_quantity)
        .with("min_notional", i.min_notional)
        .with("margin_initial", i.margin_initial)
        .with("margin_maintenance", i.margin_maintenance)
        .with("fee_maker", i.fee_maker)
        .with("fee_taker", i.fee_taker)
        .with("effective_from", time(i.effective_from))
}

/// How much an order asks for, in words.
fn quantity_name(quantity: OrderQuantity) -> String {
    match quantity {
        OrderQuantity::Base(quantity) => quantity.to_string(),
        OrderQuantity::Contracts(contracts) => format!("{contracts} contracts"),
        OrderQuantity::QuoteAmount(amount) => format!("for {amount}"),
    }
}

fn refused(entry: Entry, refusal: &Refusal) -> Entry {
    entry
        .with("reason", refusal.reason.key())
        .with_some("measured", refusal.value)
        .with_some("limit", refusal.limit)
        .with_some("largest_safe", refusal.largest_safe)
}

/// JSON of a record as it was written: one line, whole.
fn one_line(body: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(body).map_err(|e| e.to_string())?;
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|e| e.to_string())?;
    if text.contains(['\n', '\r']) { Err("JSON of more than one line".into()) } else { Ok(text) }
}

/// The strategies of a run's configuration in their order, with the instrument that each is bound to.
fn strategies_of(start: &str) -> Vec<(String, Option<String>)> {
    let start: serde_json::Value = serde_json::from_str(start).unwrap_or_default();
    let run = &start["config"]["run"];
    let texts = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str()).map(str::to_owned).collect()
    };
    let bound = |param: &str| param.trim().strip_prefix("instrument=").map(|symbol| symbol.trim().to_owned());
    let shared = texts(&run["params"]).iter().find_map(|param| bound(param));
    let own = |text: &str| text.split_once(':').and_then(|(_, params)| params.split(',').find_map(bound));
    texts(&run["strategies"]).into_iter().map(|text| (text.clone(), own(&text).or_else(|| shared.clone()))).collect()
}

fn time(ts: UnixNanos) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(ts.0)).map_or_else(|_| format!("{} ns", ts.0), |time| time.to_string())
}

const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

const fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

const fn class_name(class: OrderClass) -> &'static str {
    match class {
        OrderClass::Entry => "entry",
        OrderClass::Reducing => "reducing",
    }
}

const fn intent_name(intent: Intent) -> &'static str {
    match intent {
        Intent::EnterLong => "enter-long",
        Intent::EnterShort => "enter-short",
        Intent::Exit => "exit",
    }
}

/// What the system was told from outside the market, and by whom.
fn said_from_outside(entry: Entry, control: &Control) -> Entry {
    let yes = |flag: bool| if flag { "yes" } else { "no" };
    match control {
        Control::Pause => entry.with("says", "pause: no new risk"),
        Control::Resume => entry.with("says", "resume: new risk is allowed again"),
        Control::Trip { cause, flatten, including_stops } => (entry.with("says", "trip: the gate is closed"))
            .with("cause", cause.key())
            .with("flatten", yes(*flatten))
            .with("including_stops", yes(*including_stops)),
        Control::Restrict { to, cancel_entries, holder } => (entry.with("says", "restrict: a stricter mode"))
            .with("to", to.key())
            .with("cancel_entries", yes(*cancel_entries))
            .with("holder", holder),
        Control::Rearm { what, holder } => {
            rearmed(entry.with("says", "re-arm: back to trading"), *what).with("holder", holder)
        }
        Control::Tighten { limit, to, holder } => (entry.with("says", "tighten: a stricter limit"))
            .with("limit", limit.key())
            .with("to", domain::Money::from_raw(*to))
            .with("holder", holder),
        Control::Epoch { epoch } => entry.with("says", "the process was started again").with("epoch", epoch),
        Control::Gap { account, since } => entry
            .with("says", "the reports of an account were interrupted")
            .with("account", account.0)
            .with("since", time(*since)),
        Control::Gate { level } => entry.with("says", "the gate word was seen at another level").with("level", level),
    }
}

fn rearmed(entry: Entry, what: domain::Rearm) -> Entry {
    match what {
        domain::Rearm::Account => entry.with("what", "account"),
        domain::Rearm::Strategy(strategy) => entry.with("what", "strategy").with("strategy", strategy.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{AccountId, Event, InputId, Liquidity, Money, OrderStatus, Quantity, Rate, StopPlan, VenueOrderId};
    use risk::DenyReason;
    use serde_json::Value;
    use std::sync::Arc;
    use store::audit::{Layout, LogLines, bring_up_to_date};
    use store::journal::{Options, Writer};

    const TS: UnixNanos = UnixNanos(1_600_000_000_000_000_000);

    fn event(journal: &mut Writer, kind: Kind, body: EventBody) {
        let event = Event { id: InputId::new(InputId::REPORTS, 1), body };
        journal.append(7, kind, BODY_VERSION, |out| {
            TS.put(out);
            event.put(out);
        });
    }

    fn report(journal: &mut Writer, body: ReportBody) {
        event(journal, Kind::Report, EventBody::Report(AccountReport { ts_event: UnixNanos(TS.0 - 1), body }));
    }

    fn command(journal: &mut Writer, kind: Kind, command: &CommandRecord) {
        journal.append(7, kind, BODY_VERSION, |out| {
            TS.put(out);
            command.put(out);
        });
    }

    /// The entries of a journal, without what belongs to the chain.
    fn entries(name: &str, seal: Option<Seal>, write: impl FnOnce(&mut Writer)) -> Result<Vec<Value>, String> {
        let dir = std::env::temp_dir().join(format!("bot4-entries-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let mut journal = Writer::create(&dir.join("journal"), Options::default()).unwrap();
        write(&mut journal);
        match seal {
            Some(seal) => drop(journal.seal(7, BODY_VERSION, |out| seal.put(out)).unwrap()),
            None => journal.close().unwrap(),
        }
        let (audit, journal) = (dir.join("audit"), dir.join("journal"));
        let brought = bring_up_to_date(&audit, &journal, None, &mut Entries::default(), None, Layout::STANDARD);
        let mut all = Vec::new();
        let mut lines = LogLines::open(&audit).unwrap();
        while let Some(line) = lines.next().unwrap() {
            let mut entry: Value = serde_json::from_slice(line.bytes).unwrap();
            for key in ["entry", "seq", "prev", "hash"] {
                entry.as_object_mut().unwrap().remove(key).unwrap();
            }
            all.push(entry);
        }
        std::fs::remove_dir_all(&dir).unwrap();
        brought.map(|_| all).map_err(|e| e.to_string())
    }

    fn id(ordinal: u64) -> ClientOrderId {
        ClientOrderId::new(AccountId(0), 1, ordinal)
    }

    fn spec(kind: OrderType, quantity: OrderQuantity, time_in_force: TimeInForce) -> OrderSpec {
        OrderSpec {
            client_id: id(1),
            kind,
            quantity,
            time_in_force,
            account: AccountId(0),
            instrument: InstrumentIdx(0),
            strategy: StrategyIdx(1),
            side: Side::Sell,
            post_only: true,
            reduce_only: false,
        }
    }

    fn begin(journal: &mut Writer) {
        let start =
            br#"{"config":{"run":{"strategies":["sma-cross:fast=3","donchian"],"params":["instrument=BTCUSDT"]}}}"#;
        journal.append(0, Kind::Start, BODY_VERSION, |out| out.extend_from_slice(start));
        let mut table = domain::InstrumentTable::default();
        let instrument = testkit::add_spot(&mut table, "BTCUSDT", 2, 5);
        event(journal, Kind::Definition, EventBody::InstrumentDefined(Arc::new(instrument)));
    }

    #[test]
    fn every_kind_of_report_says_what_it_is() {
        let why = RejectReason::LotFilter;
        let all = entries("reports", None, |journal| {
            begin(journal);
            let order = spec(OrderType::Market, OrderQuantity::Base(Quantity::from_units(2)), TimeInForce::Gtc);
            command(
                journal,
                Kind::Order,
                &CommandRecord::Submit { spec: order, class: OrderClass::Entry, research: false, valid_until: TS },
            );
            let client_id = id(1);
            let fill = Fill {
                client_id,
                fee_amount: Money::from_units(1),
                venue_id: VenueOrderId(8),
                trade_id: 9,
                price: 4_000_050,
                quantity: 150_000,
                instrument: InstrumentIdx(0),
                account: AccountId(0),
                strategy: StrategyIdx(1),
                fee_asset: AssetIdx(1),
                side: Side::Sell,
                liquidity: Liquidity::Maker,
            };
            let (account, instrument, asset, amount) =
                (AccountId(0), InstrumentIdx(0), AssetIdx(7), Money::from_units(-3));
            for body in [
                ReportBody::Accepted { client_id, venue_id: VenueOrderId(8) },
                ReportBody::Triggered { client_id },
                ReportBody::Rejected { client_id, reason: why },
                ReportBody::Filled { fill, complete: true },
                ReportBody::Canceled { client_id, reason: None },
                ReportBody::Canceled { client_id, reason: Some(why) },
                ReportBody::Expired { client_id },
                ReportBody::CancelRejected { client_id, reason: why },
                ReportBody::Amended { client_id },
                ReportBody::AmendRejected { client_id, reason: why },
                ReportBody::Status { client_id, status: Some(OrderStatus::Filled), filled: 150_000 },
                ReportBody::Funding { account, instrument, asset, amount },
                ReportBody::Transfer { account, asset, amount },
            ] {
                report(journal, body);
            }
        })
        .unwrap();
        let kinds: Vec<&str> = all.iter().skip(3).map(|e| e["kind"].as_str().unwrap()).collect();
        let expected = [
            "accepted",
            "triggered",
            "rejected",
            "filled",
            "canceled",
            "canceled",
            "expired",
            "cancel-rejected",
            "amended",
            "amend-rejected",
            "status",
            "funding",
            "transfer",
        ];
        assert_eq!(kinds, expected);
        for entry in &all[3..14] {
            assert_eq!(
                (&entry["symbol"], &entry["strategy"], &entry["name"]),
                (&"BTCUSDT".into(), &"1".into(), &"donchian".into())
            );
            assert_eq!(entry["order"], "62340000000000010000000000000001");
            assert_eq!(entry["venue_time"], "2020-09-13T12:26:39.999999999Z");
        }
        let fill = &all[6];
        let said = ["side", "quantity", "price", "fee", "fee_asset", "liquidity", "trade", "complete"]
            .map(|k| fill[k].as_str().unwrap());
        assert_eq!(said, ["sell", "1.5", "40000.5", "1", "quote of BTCUSDT", "maker", "9", "yes"]);
        assert_eq!((&all[7]["reason"], &all[8]["reason"]), (&"asked for".into(), &"lot_filter".into()));
        assert_eq!((&all[13]["status"], &all[13]["filled"]), (&"Filled".into(), &"1.5".into()));
        assert_eq!((&all[15]["amount"], &all[15]["asset"]), (&"-3".into(), &"asset 7".into()));
    }

    #[test]
    fn questions_answers_and_differences_have_their_numbers() {
        let (account, instrument) = (AccountId(0), InstrumentIdx(0));
        let order = spec(OrderType::Market, OrderQuantity::Base(Quantity::from_units(2)), TimeInForce::Gtc);
        let fill = Fill {
            client_id: id(1),
            fee_amount: Money::ZERO,
            venue_id: VenueOrderId(8),
            trade_id: 9,
            price: 4_000_050,
            quantity: 150_000,
            instrument,
            account,
            strategy: StrategyIdx(1),
            fee_asset: AssetIdx(1),
            side: Side::Sell,
            liquidity: Liquidity::Maker,
        };
        let state = VenueState {
            account,
            since: TS,
            as_of: TS,
            complete: true,
            orders: vec![domain::VenueOrder {
                spec: OrderSpec { client_id: ClientOrderId::foreign(account), ..order },
                venue_id: VenueOrderId(8),
                status: OrderStatus::PartiallyFilled,
                filled: 150_000,
                set_off: false,
            }],
            executions: vec![domain::Execution { ts_event: TS, fill }],
            movements: Vec::new(),
            balances: vec![(AssetIdx(1), Money::from_units(5))],
            positions: Vec::new(),
        };
        let difference = Difference {
            kind: domain::DifferenceKind::Balance,
            account,
            instrument: None,
            asset: Some(AssetIdx(1)),
            order: None,
            ours: Money::from_units(6),
            theirs: Money::from_units(5),
        };
        let all = entries("questions", None, |journal| {
            begin(journal);
            let (class, research, valid_until) = (OrderClass::Entry, false, TS);
            command(journal, Kind::Order, &CommandRecord::Submit { spec: order, class, research, valid_until });
            command(journal, Kind::Order, &CommandRecord::Query { client_id: id(1) });
            command(journal, Kind::Order, &CommandRecord::Reconcile { account, since: TS });
            event(journal, Kind::Report, EventBody::VenueState(Arc::new(state)));
            command(journal, Kind::Safety, &CommandRecord::Decision(Decision::Difference(difference)));
            let reconciled = Decision::Reconciled { account, as_of: TS, orders: 3, recovered: 1 };
            command(journal, Kind::Safety, &CommandRecord::Decision(reconciled));
            let replaced = ReportBody::Replaced {
                client_id: id(1),
                venue_id: VenueOrderId(9),
                quantity: 100_000,
                price: Some(4_000_000),
                trigger: None,
            };
            report(journal, replaced);
            report(journal, ReportBody::Charge { account, asset: AssetIdx(1), amount: Money::from_units(-1) });
        })
        .unwrap();
        let all = &all[3..];
        let kinds: Vec<&str> = all.iter().map(|e| e["kind"].as_str().unwrap()).collect();
        let expected = ["query", "reconcile", "venue_state", "difference", "reconciled", "replaced", "charge"];
        assert_eq!(kinds, expected);
        assert_eq!((&all[0]["order"], &all[0]["symbol"]), (&id(1).to_string().into(), &"BTCUSDT".into()));
        assert_eq!(all[2]["orders"], "foreign PartiallyFilled 1.5");
        assert_eq!((&all[2]["trades"], &all[2]["balances"]), (&"9".into(), &"5 quote of BTCUSDT".into()));
        assert_eq!(
            (&all[3]["difference"], &all[3]["ours"], &all[3]["theirs"]),
            (&"balance".into(), &"6".into(), &"5".into())
        );
        assert_eq!((&all[4]["orders"], &all[4]["recovered"]), (&"3".into(), &"1".into()));
        assert_eq!((&all[5]["quantity"], &all[5]["price"]), (&"1".into(), &"40000".into()));
    }

    #[test]
    fn orders_signals_refusals_and_the_end_have_their_numbers() {
        let price = domain::Price::from_units(7);
        let orders = [
            (OrderType::Market, OrderQuantity::QuoteAmount(Money::from_units(5)), TimeInForce::Ioc),
            (
                OrderType::StopLimit { trigger: price, price },
                OrderQuantity::Contracts(Quantity::from_units(2)),
                TimeInForce::Fok,
            ),
            (
                OrderType::TrailingStop { offset: TrailOffset::Fraction(Rate::from_bps(50)) },
                OrderQuantity::Base(Quantity::from_units(1)),
                TimeInForce::Gtd(TS),
            ),
            (
                OrderType::TrailingStop { offset: TrailOffset::Distance(price) },
                OrderQuantity::Base(Quantity::from_units(1)),
                TimeInForce::Gtc,
            ),
        ];
        let signal = Signal {
            intent: Intent::EnterShort,
            size: SizeRequest::EquityFraction(Rate::from_bps(300)),
            entry: EntryPlan::Limit(price),
            stop: Some(StopPlan::Fraction(Rate::from_bps(100))),
            target: Some(price),
            confidence: f64::NAN,
            statistics: None,
            reference: 4_000_050,
            tag: 6,
            account: AccountId(0),
            instrument: InstrumentIdx(0),
            strategy: StrategyIdx(0),
        };
        let refusal = Refusal::over(DenyReason::Leverage, 3.5, 3.0).with_safe(Money::from_units(20));
        let seal = Seal { digest: 0xabc, state_digest: 1, rows: 44 };
        let all = entries("commands", Some(seal), |journal| {
            begin(journal);
            for (kind, quantity, time_in_force) in orders {
                let spec = spec(kind, quantity, time_in_force);
                let submit =
                    CommandRecord::Submit { spec, class: OrderClass::Reducing, research: true, valid_until: TS };
                command(journal, Kind::Order, &submit);
            }
            command(journal, Kind::Order, &CommandRecord::Cancel { client_id: id(1) });
            command(journal, Kind::Order, &CommandRecord::Cancel { client_id: id(99) });
            command(journal, Kind::Decision, &CommandRecord::Decision(Decision::Signal(signal)));
            let refused = Decision::Refused {
                strategy: StrategyIdx(0),
                instrument: InstrumentIdx(5),
                intent: Intent::Exit,
                refusal,
            };
            command(journal, Kind::Decision, &CommandRecord::Decision(refused));
            event(journal, Kind::Control, EventBody::Control(Control::Pause));
            event(journal, Kind::Timer, EventBody::Timer(domain::TimerFired::Day));
            journal.append(7, Kind::Recovery, BODY_VERSION, |out| out.extend_from_slice(b"{\"resumed_at\":8}"));
        });
        let all = all.unwrap();
        let text = |at: usize, key: &str| all[at][key].as_str().unwrap_or("-").to_owned();
        assert_eq!(
            [text(2, "amount"), text(2, "time_in_force"), text(2, "limits"), text(2, "class")],
            ["5", "ioc", "research", "reducing"]
        );
        assert_eq!(
            [text(3, "trigger"), text(3, "price"), text(3, "contracts"), text(3, "type")],
            ["7", "7", "2", "stop-limit"]
        );
        assert_eq!([text(4, "trail"), text(4, "time_in_force")], ["0.005 of the price", "gtd 2020-09-13T12:26:40Z"]);
        assert_eq!([text(5, "trail"), text(5, "post_only"), text(5, "reduce_only")], ["7", "yes", "no"]);
        assert_eq!([text(6, "kind"), text(6, "symbol"), text(7, "symbol")], ["cancel", "BTCUSDT", "-"]);
        let said =
            ["name", "intent", "size", "by", "stop", "target", "reference", "confidence", "tag"].map(|k| text(8, k));
        let expected = [
            "sma-cross:fast=3",
            "enter-short",
            "0.03 of equity",
            "limit 7",
            "0.01 of the price away",
            "7",
            "40000.5",
            "NaN",
            "6",
        ];
        assert_eq!(said, expected);
        let said = ["symbol", "reason", "measured", "limit", "largest_safe", "intent"].map(|k| text(9, k));
        assert_eq!(said, ["instrument 5", "leverage", "3.5", "3", "20", "exit"]);
        assert_eq!(text(10, "says"), "pause: no new risk");
        assert_eq!(all[11]["recovery"]["resumed_at"], 8);
        assert_eq!(
            [text(12, "kind"), text(12, "rows"), text(12, "digest")],
            ["end", "44", "00000000000000000000000000000abc"]
        );
        assert_eq!(all.len(), 13, "timers have no entries");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_event() {
        let later = entries("later", None, |journal| journal.append(3, Kind::Order, BODY_VERSION + 1, |_| ()));
        assert!(later.unwrap_err().contains("record of event 3: Order of version 2, this build reads version 1"));
        let broken =
            entries("broken", None, |journal| journal.append(3, Kind::Report, BODY_VERSION, |out| out.push(1)));
        assert!(broken.unwrap_err().contains("Report that this build cannot read"));
        let lines = entries("lines", None, |journal| {
            journal.append(3, Kind::Recovery, BODY_VERSION, |out| out.extend_from_slice(b"{\n}"))
        });
        assert!(lines.unwrap_err().contains("more than one line"));
    }
}
