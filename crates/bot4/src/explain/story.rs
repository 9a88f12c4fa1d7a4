//! Puts the facts of a story together: from the records of the journal and what was seen when they were played again.

use crate::explain::collect::{BookedSeen, IndicatorSeen, Pass, Step};
use crate::explain::facts::{
    CheckFacts, ClampFacts, EventFacts, ExecutionFacts, HeldFacts, IndicatorFacts, LifeFacts, OrderFacts, RefusalFacts,
    SignalFacts, SizeFacts, StrategyFacts, TradeFacts, ValidationFacts,
};
use crate::explain::scan::{Index, OrderLine, Purpose, Record, RefusalLine, What};
use crate::explain::words;
use crate::runner::recorded::Opened;
use domain::decimal::{Rounding, mantissa_to_f64};
use domain::observe::ClampSeen;
use domain::{
    Entry, EventBody, Fill, Instrument, InstrumentIdx, InstrumentKind, Intent, Liquidity, Money, OrderClass,
    OrderQuantity, Price, ReportBody, Side, Signal, StrategyIdx, TimeInForce, TimerFired, UnixNanos,
};
use portfolio::Direction;
use risk::{CHECKS, DenyReason};

/// The names of things in a run.
pub struct Names<'a> {
    opened: &'a Opened,
    index: &'a Index,
    strategies: Vec<(StrategyFacts, InstrumentIdx)>,
}

impl<'a> Names<'a> {
    /// Of this run.
    #[must_use]
    pub fn new(opened: &'a Opened, index: &'a Index) -> Self {
        let mut strategies = Vec::new();
        for blueprint in &opened.config.strategies {
            let wanted = |i: &&Instrument| blueprint.instrument().is_none_or(|symbol| symbol == i.symbol);
            for instrument in opened.plan.instruments().iter().filter(wanted) {
                let kind = strategy::kinds().iter().find(|kind| kind.name == blueprint.name());
                let facts = StrategyFacts {
                    number: u16::try_from(strategies.len()).unwrap_or(u16::MAX),
                    name: blueprint.name().to_owned(),
                    params: blueprint.params().describe(),
                    summary: kind.map_or_else(String::new, |kind| kind.summary.to_owned()),
                    bar_s: blueprint.bar_s().ok().flatten(),
                };
                strategies.push((facts, instrument.idx));
            }
        }
        Self { opened, index, strategies }
    }

    /// A strategy.
    #[must_use]
    pub fn strategy(&self, idx: StrategyIdx) -> StrategyFacts {
        self.strategies.get(idx.index()).map_or_else(
            || StrategyFacts {
                number: idx.0,
                name: "unknown".into(),
                params: String::new(),
                summary: String::new(),
                bar_s: None,
            },
            |(facts, _)| facts.clone(),
        )
    }

    /// An instrument with its rules as they were traded.
    #[must_use]
    pub fn instrument(&self, idx: InstrumentIdx) -> Option<&'a Instrument> {
        self.opened.plan.instruments().get(idx.index())
    }

    /// The symbol of an instrument.
    #[must_use]
    pub fn symbol(&self, idx: InstrumentIdx) -> String {
        self.instrument(idx).map_or_else(|| format!("instrument {}", idx.0), |i| i.symbol.clone())
    }

    /// The code of an asset.
    #[must_use]
    pub fn asset(&self, idx: domain::AssetIdx) -> String {
        let assets = self.opened.plan.session.engine.table().assets();
        assets.get(idx.index()).map_or_else(String::new, |a| a.code.clone())
    }

    /// Base and quote of an instrument.
    #[must_use]
    pub fn assets(&self, idx: InstrumentIdx) -> (String, String) {
        self.instrument(idx).map_or_else(Default::default, |i| (self.asset(i.base), self.asset(i.quote)))
    }

    fn price(&self, idx: InstrumentIdx, mantissa: i64) -> f64 {
        mantissa_to_f64(mantissa, self.instrument(idx).map_or(0, |i| i.price_decimals))
    }

    fn quantity(&self, idx: InstrumentIdx, mantissa: i64) -> f64 {
        mantissa_to_f64(mantissa, self.instrument(idx).map_or(0, |i| i.quantity_decimals))
    }

    /// An event in words and numbers.
    #[must_use]
    pub fn event(&self, step: &Step) -> EventFacts {
        let (kind, text, numbers) = self.body(&step.event);
        let numbers = numbers.into_iter().collect();
        EventFacts { seq: step.seq, ts: step.ts.as_millis(), kind, text, numbers, bar: None }
    }

    fn body(&self, body: &EventBody) -> (&'static str, String, Vec<(&'static str, f64)>) {
        let n = words::number;
        match body {
            EventBody::Candle(c) => {
                let p = |mantissa| self.price(c.instrument, mantissa);
                let (open, high, low, close) = (p(c.open), p(c.high), p(c.low), p(c.close));
                let (volume, (base, _)) = (self.quantity(c.instrument, c.volume), self.assets(c.instrument));
                let text = format!(
                    "a candle of {} of {} closed: open {}, high {}, low {}, close {}, volume {} {base}",
                    words::span(f64::from(c.interval_s)),
                    self.symbol(c.instrument),
                    n(open),
                    n(high),
                    n(low),
                    n(close),
                    n(volume)
                );
                let numbers = vec![("open", open), ("high", high), ("low", low), ("close", close), ("volume", volume)];
                ("candle", text, numbers)
            }
            EventBody::Trade(t) => {
                let (price, quantity) = (self.price(t.instrument, t.price), self.quantity(t.instrument, t.quantity));
                let (base, quote) = self.assets(t.instrument);
                let text =
                    format!("{} traded: {} {base} at {} {quote}", self.symbol(t.instrument), n(quantity), n(price));
                ("trade", text, vec![("price", price), ("quantity", quantity)])
            }
            EventBody::Quote(q) => {
                let (bid, ask) = (self.price(q.instrument, q.bid), self.price(q.instrument, q.ask));
                let (base, quote) = self.assets(q.instrument);
                let (bids, asks) =
                    (self.quantity(q.instrument, q.bid_quantity), self.quantity(q.instrument, q.ask_quantity));
                let text = format!(
                    "{} is quoted: {} {base} bid at {} {quote}, {} {base} asked at {} {quote}",
                    self.symbol(q.instrument),
                    n(bids),
                    n(bid),
                    n(asks),
                    n(ask)
                );
                ("quote", text, vec![("bid", bid), ("ask", ask), ("bid_quantity", bids), ("ask_quantity", asks)])
            }
            EventBody::BookDelta(_) => ("book", "a level of the order book changed".into(), Vec::new()),
            EventBody::Report(report) => {
                let (_, text, numbers) = self.report(&report.body);
                ("report", text, numbers)
            }
            EventBody::Timer(TimerFired::Day) => ("timer", "the trading day turned (00:00 UTC)".into(), Vec::new()),
            EventBody::Timer(TimerFired::Minute) => {
                ("timer", "the timer that samples prices for correlations was due".into(), Vec::new())
            }
            EventBody::Timer(TimerFired::Desk) => {
                ("timer", "something that protects or closes a position was due".into(), Vec::new())
            }
            EventBody::Timer(TimerFired::Reconcile) => {
                ("timer", "the venue was to be asked how the account stands".into(), Vec::new())
            }
            EventBody::Timer(TimerFired::Strategy { strategy, id }) => {
                ("timer", format!("timer {id} of strategy {} was due", strategy.0), Vec::new())
            }
            EventBody::ModelOutput(m) => {
                let answer = m.value.map_or_else(|| "abstained".into(), |value| format!("answered {}", n(value)));
                ("model", format!("model {} {answer}", m.model), m.value.map(|v| ("value", v)).into_iter().collect())
            }
            EventBody::InstrumentDefined(i) => ("definition", format!("the rules of {} began", i.symbol), Vec::new()),
            EventBody::Control(control) => ("control", words::control(control), Vec::new()),
            EventBody::VenueState(state) => {
                let (orders, trades) = (state.orders.len(), state.executions.len());
                let text = format!("the venue said how the account stands: {orders} orders, {trades} executions");
                ("venue_state", text, vec![("orders", orders as f64), ("executions", trades as f64)])
            }
            EventBody::NotSent(stopped) => {
                let orders: Vec<String> = stopped.orders.iter().map(|id| self.order_name(*id)).collect();
                ("control", format!("{} stopped before leaving", orders.join(", ")), Vec::new())
            }
        }
    }

    fn order_name(&self, id: domain::ClientOrderId) -> String {
        match self.index.find(id) {
            Some(line) => format!("order {} ({})", line.ordinal(), line.purpose.word()),
            None => format!("order {id}"),
        }
    }

    /// A report of the venue: a key, words, numbers.
    fn report(&self, body: &ReportBody) -> (&'static str, String, Vec<(&'static str, f64)>) {
        let name = |id: &domain::ClientOrderId| self.order_name(*id);
        let (key, text) = match body {
            ReportBody::Filled { fill, complete } => return self.filled(fill, *complete),
            ReportBody::Accepted { client_id, .. } => ("accepted", format!("the venue took {}", name(client_id))),
            ReportBody::Triggered { client_id } => ("triggered", format!("the price set {} off", name(client_id))),
            ReportBody::Rejected { client_id, reason } => {
                ("rejected", format!("the venue refused {}: {}", name(client_id), words::reject(*reason)))
            }
            ReportBody::Canceled { client_id, reason: None } => {
                ("canceled", format!("{} was taken off", name(client_id)))
            }
            ReportBody::Canceled { client_id, reason: Some(reason) } => {
                ("canceled", format!("the venue ended {}: {}", name(client_id), words::reject(*reason)))
            }
            ReportBody::Expired { client_id } => ("expired", format!("the time of {} ended", name(client_id))),
            ReportBody::CancelRejected { client_id, reason } => (
                "cancel-rejected",
                format!("the venue did not take {} off: {}", name(client_id), words::reject(*reason)),
            ),
            ReportBody::Amended { client_id } => ("amended", format!("{} was changed", name(client_id))),
            ReportBody::AmendRejected { client_id, reason } => {
                ("amend-rejected", format!("the venue did not change {}: {}", name(client_id), words::reject(*reason)))
            }
            ReportBody::Replaced { client_id, .. } => {
                ("replaced", format!("the venue gave {} other terms", name(client_id)))
            }
            ReportBody::Charge { asset, amount, .. } => {
                let text = format!("interest or a fee: {} {}", words::signed(*amount), self.asset(*asset));
                return ("charge", text, vec![("amount", amount.to_f64())]);
            }
            ReportBody::Status { client_id, .. } => ("status", format!("the venue said where {} is", name(client_id))),
            ReportBody::Funding { instrument, asset, amount, .. } => {
                let text = format!(
                    "funding of {}: {} {}",
                    self.symbol(*instrument),
                    words::signed(*amount),
                    self.asset(*asset)
                );
                return ("funding", text, vec![("amount", amount.to_f64())]);
            }
            ReportBody::Transfer { asset, amount, .. } => {
                let text = format!("money was moved: {} {}", words::signed(*amount), self.asset(*asset));
                return ("transfer", text, vec![("amount", amount.to_f64())]);
            }
        };
        (key, text, Vec::new())
    }

    fn filled(&self, fill: &Fill, complete: bool) -> (&'static str, String, Vec<(&'static str, f64)>) {
        let (price, quantity) =
            (self.price(fill.instrument, fill.price), self.quantity(fill.instrument, fill.quantity));
        let (base, quote) = self.assets(fill.instrument);
        let verb = if fill.side == Side::Buy { "bought" } else { "sold" };
        let how = if fill.liquidity == Liquidity::Maker { "as maker" } else { "as taker" };
        let part = if complete { "" } else { ", the rest goes on working" };
        let text = format!(
            "{} {verb} {} {base} at {} {quote} {how}, fee {} {}{part}",
            self.order_name(fill.client_id),
            words::number(quantity),
            words::number(price),
            words::number(fill.fee_amount.to_f64()),
            self.asset(fill.fee_asset)
        );
        ("filled", text, vec![("price", price), ("quantity", quantity), ("fee", fill.fee_amount.to_f64())])
    }

    /// A signal in words.
    #[must_use]
    pub fn signal(&self, seq: u64, ts: UnixNanos, s: &Signal) -> SignalFacts {
        let (base, quote) = self.assets(s.instrument);
        SignalFacts {
            seq,
            ts: ts.as_millis(),
            intent: s.intent,
            size: words::size(s.size, &quote, &base),
            entry: match s.entry {
                Entry::Market => "at the market".into(),
                Entry::Limit(price) => format!("at {} {quote} or better", words::grouped(&price.to_string())),
                Entry::Stop(price) => {
                    format!("at the market once it trades at {} {quote} or worse", words::grouped(&price.to_string()))
                }
            },
            stop: s.stop.map(|plan| words::stop(plan, &quote)),
            target: s.target.map(Price::to_f64),
            confidence: s.confidence,
            reference: (s.reference != 0).then(|| self.price(s.instrument, s.reference)),
            statistics: s.statistics.map(|k| {
                format!(
                    "{} past trades: {} % won, mean win {} %, mean loss {} % of the notional, held {} on average",
                    k.samples,
                    words::number(k.win_probability * 100.0),
                    words::number(k.mean_win * 100.0),
                    words::number(k.mean_loss * 100.0),
                    words::span(k.holding_period.0 as f64 / 1e9)
                )
            }),
        }
    }

    /// An order in words.
    #[must_use]
    pub fn order(&self, line: &OrderLine) -> OrderFacts {
        let spec = &line.spec;
        let (base, quote) = self.assets(spec.instrument);
        let (quantity, amount, size) = match spec.quantity {
            OrderQuantity::Base(q) => (Some(q.to_f64()), None, format!("{} {base}", words::grouped(&q.to_string()))),
            OrderQuantity::Contracts(q) => {
                (Some(q.to_f64()), None, format!("{} contracts", words::grouped(&q.to_string())))
            }
            OrderQuantity::QuoteAmount(a) => {
                (None, Some(a.to_f64()), format!("{base} for {} {quote}, fee included", words::money(a)))
            }
        };
        let time_in_force = match spec.time_in_force {
            TimeInForce::Gtc => "until it is filled or taken off".to_owned(),
            TimeInForce::Ioc => "at once: what does not fill is taken off".to_owned(),
            TimeInForce::Fok => "at once and whole, or not at all".to_owned(),
            TimeInForce::Gtd(until) => format!("until {} UTC", words::clock(until)),
        };
        // Price x quantity over quantity, both exact mantissas: one division.
        let average = (line.filled > 0).then(|| {
            let decimals = self.instrument(spec.instrument).map_or(0, |i| i.price_decimals);
            line.weighted as f64 / (line.filled as f64 * domain::decimal::POW10_F64[usize::from(decimals)])
        });
        OrderFacts {
            ordinal: line.ordinal(),
            id: spec.client_id.to_string(),
            seq: line.seq,
            ts: line.ts.as_millis(),
            purpose: line.purpose,
            side: words::side(spec.side),
            kind: spec.kind.name(),
            does: words::kind(&spec.kind, &quote),
            quantity,
            amount,
            size,
            limit_price: spec.kind.limit_price().map(Price::to_f64),
            trigger: spec.kind.trigger().map(Price::to_f64),
            time_in_force,
            reduce_only: spec.reduce_only,
            post_only: spec.post_only,
            status: line.status,
            stopped: line.stopped,
            ended_seq: line.ended.map(|(seq, _)| seq),
            ended_ts: line.ended.map(|(_, ts)| ts.as_millis()),
            filled: self.quantity(spec.instrument, line.filled),
            average_price: average,
        }
    }

    /// The life of an order, and why it was taken off where the records of the same event say so.
    #[must_use]
    pub fn life(&self, line: &OrderLine, records: &[Record]) -> Vec<LifeFacts> {
        let id = line.spec.client_id;
        let mut life = Vec::new();
        for record in records.iter().filter(|r| r.id == id) {
            let plain = |what, text: String| LifeFacts {
                seq: record.seq,
                ts: record.ts.as_millis(),
                what,
                text,
                price: None,
                quantity: None,
                fee: None,
                fee_asset: None,
                liquidity: None,
            };
            life.push(match record.what {
                What::Submitted => plain("sent", "left for the venue".into()),
                What::CancelSent => {
                    plain("cancel-sent", format!("a cancel left{}", self.why_off(line, record, records)))
                }
                What::Said(ReportBody::Filled { fill, complete }) => {
                    let (what, text, _) = self.filled(&fill, complete);
                    LifeFacts {
                        price: Some(self.price(fill.instrument, fill.price)),
                        quantity: Some(self.quantity(fill.instrument, fill.quantity)),
                        fee: Some(fill.fee_amount.to_f64()),
                        fee_asset: Some(self.asset(fill.fee_asset)),
                        liquidity: Some(if fill.liquidity == Liquidity::Maker { "maker" } else { "taker" }),
                        ..plain(what, text)
                    }
                }
                What::Said(body) => {
                    let (what, text, _) = self.report(&body);
                    plain(what, text)
                }
            });
        }
        life
    }

    fn why_off(&self, line: &OrderLine, cancel: &Record, records: &[Record]) -> String {
        let beside = |r: &&Record| r.seq == cancel.seq && r.id != cancel.id;
        let next = records.iter().filter(beside).find(|r| {
            matches!(r.what, What::Submitted) && self.index.find(r.id).is_some_and(|l| l.purpose == line.purpose)
        });
        if let Some(next) = next {
            return format!(": {} takes its place", self.order_name(next.id));
        }
        let filled = |r: &&Record| matches!(r.what, What::Said(ReportBody::Filled { .. }));
        records
            .iter()
            .filter(beside)
            .find(filled)
            .map_or_else(String::new, |r| format!(": {} was filled", self.order_name(r.id)))
    }

    /// What was traded by an order. `booked` gives what the ledger made of the fill of an event.
    #[must_use]
    pub fn execution<'s>(
        &self,
        line: &OrderLine,
        records: &[Record],
        decision: Option<Price>,
        booked: impl Fn(u64) -> Option<&'s BookedSeen>,
    ) -> Option<ExecutionFacts> {
        let instrument = self.instrument(line.spec.instrument)?;
        let facts = self.order(line);
        let (mut fills, mut fees, mut first) = (0u32, Some(Money::ZERO), None);
        let mut worse = Some(Money::ZERO);
        let mut decided = Some(Money::ZERO);
        for record in records.iter().filter(|r| r.id == line.spec.client_id) {
            let What::Said(ReportBody::Filled { fill, .. }) = record.what else { continue };
            fills += 1;
            first = first.or(Some(record.ts));
            fees = fees.and_then(|sum| sum.checked_add(booked(record.seq)?.fee));
            let quantity = instrument.quantity(fill.quantity);
            let paid = instrument.notional(instrument.price(fill.price), quantity, Rounding::HalfEven);
            let asked = decision.and_then(|price| instrument.notional(price, quantity, Rounding::HalfEven));
            let cost = paid.zip(asked).and_then(|(paid, asked)| match fill.side {
                Side::Buy => paid.checked_sub(asked),
                Side::Sell => asked.checked_sub(paid),
            });
            worse = worse.and_then(|sum| sum.checked_add(cost?));
            decided = decided.and_then(|sum| sum.checked_add(asked?));
        }
        let worse = worse.filter(|_| fills > 0);
        Some(ExecutionFacts {
            fills,
            quantity: facts.filled,
            average_price: facts.average_price?,
            fees: fees.map(Money::to_f64),
            decision_price: decision.map(Price::to_f64),
            slippage: worse.map(Money::to_f64),
            slippage_bps: worse.zip(decided).map(|(w, d)| w.to_f64() / d.to_f64() * 1e4).filter(|bps| bps.is_finite()),
            waited_s: first?.since(line.ts).0 as f64 / 1e9,
        })
    }

    /// The checks of one order, those that do not apply included.
    #[must_use]
    pub fn checks(&self, pass: &Pass, refusal: Option<DenyReason>) -> Vec<CheckFacts> {
        let limits = self.opened.config.profile.limits().is_some();
        let (base, quote) = self.assets(pass.order.instrument);
        let entry = pass.class == OrderClass::Entry;
        let one = |row: &risk::check::Row| {
            let asked = words::asked(row.check);
            let seen = pass.checks.iter().find(|c| c.name == row.check.key());
            let finite = |x: f64| x.is_finite().then_some(x);
            let (value, limit) = seen.map_or((None, None), |c| (finite(c.value), finite(c.limit)));
            // A check may give the reason of what made its number: then the numbers are that reason's.
            let unit = refusal.filter(|_| seen.is_some_and(|c| !c.passed)).map_or(asked.unit, |r| words::refused(r).1);
            let show = |x: f64| unit.show(x, &quote, &base);
            let applies = if entry { row.entries } else { row.reductions };
            let (result, text) = match seen {
                Some(c) => {
                    let text = match (value, limit) {
                        (Some(value), Some(limit)) if asked.relation.is_empty() || !c.passed => {
                            format!("{} against {}", show(value), show(limit))
                        }
                        (Some(value), Some(limit)) => format!("{}, {} {}", show(value), asked.relation, show(limit)),
                        (Some(value), None) => show(value),
                        (None, _) if c.passed => self.without_numbers(row.check).to_owned(),
                        (None, _) => String::new(),
                    };
                    (if c.passed { "passed" } else { "refused" }, text)
                }
                None if !applies && entry => {
                    ("not-applicable", "only made for orders that reduce a position".to_owned())
                }
                None if !applies => ("not-applicable", "not made for orders that only reduce a position".to_owned()),
                None if !limits && !row.without_limits => ("not-applicable", "limits are off".to_owned()),
                None => ("not-reached", "an earlier check refused".to_owned()),
            };
            CheckFacts {
                check: row.check.key(),
                asks: asked.what,
                result,
                value,
                limit,
                unit: if value.is_some() { unit.name(&quote, &base) } else { String::new() },
                text,
            }
        };
        CHECKS.iter().map(one).collect()
    }

    const fn without_numbers(&self, check: risk::Check) -> &'static str {
        match check {
            risk::Check::Correlation => "nothing else is held",
            risk::Check::Stop => "none was asked for, and none is demanded",
            risk::Check::Price => "limits are off: any age will do",
            _ => "yes",
        }
    }

    /// The clamps that the size of an entry went through.
    #[must_use]
    pub fn clamps(&self, pass: &Pass) -> Vec<ClampFacts> {
        let (base, quote) = self.assets(pass.order.instrument);
        let one = |seen: &ClampSeen| {
            let (rests_on, unit) = words::clamp(seen.name);
            let input = seen.input.filter(|value| value.is_finite());
            let money = |m: Money| format!("{} {quote}", words::money(m));
            let at = input.map(|value| unit.show(value, &quote, &base)).unwrap_or_default();
            let (result, text) = match (seen.input, input) {
                (None, _) => ("no-input", "no input".to_owned()),
                (Some(_), None) => ("not-known", "not known: new risk is refused".to_owned()),
                (_, Some(_)) if seen.after.is_zero() => {
                    ("nothing-left", format!("{at}: nothing left of {}", money(seen.before)))
                }
                (_, Some(_)) if seen.after < seen.before => {
                    ("reduced", format!("{at}: from {} to {}", money(seen.before), money(seen.after)))
                }
                _ => ("unchanged", format!("{at}: unchanged")),
            };
            ClampFacts {
                clamp: seen.name,
                rests_on,
                result,
                input,
                unit: if input.is_some() { unit.name(&quote, &base) } else { String::new() },
                before: seen.before.to_f64(),
                after: seen.after.to_f64(),
                text,
            }
        };
        pass.clamps.iter().map(one).collect()
    }

    /// How the size of an entry was arrived at.
    #[must_use]
    pub fn size(&self, pass: &Pass) -> Option<SizeFacts> {
        let seen = pass.size?;
        let (base, quote) = self.assets(pass.order.instrument);
        let money = |m: Money| format!("{} {quote}", words::money(m));
        let limits = self.opened.config.profile.limits();
        let share = |parts: u32| {
            let fraction = limits?.position_fraction_max.divided_by(parts.max(1))?;
            seen.equity?.times(fraction, Rounding::Down)
        };
        let (whole, own) = (share(1), share(seen.sharers));
        let mut steps = vec![format!("asked for: {}", words::size(seen.asked, &quote, &base))];
        if let Some(equity) = seen.equity {
            steps.push(format!("the account's equity is {}", money(equity)));
        }
        if let (Some(limits), Some(whole), Some(own)) = (limits, whole, own) {
            let fraction = words::number(limits.position_fraction_max.to_f64() * 100.0);
            steps.push(format!("one instrument may hold {fraction} % of equity: {}", money(whole)));
            if seen.sharers > 1 {
                steps.push(format!("{} strategies share that equally: {} each", seen.sharers, money(own)));
            }
        }
        if let (Some(all), Some(mine)) = (seen.held_instrument, seen.held_strategy) {
            steps.push(format!(
                "held or on its way: {} in the instrument, {} by this strategy",
                money(all),
                money(mine)
            ));
        }
        if let Some(room) = seen.room {
            let smaller = match (whole, own, seen.held_instrument, seen.held_strategy) {
                (Some(whole), Some(own), Some(all), Some(mine)) => {
                    let m = words::money;
                    let left = |cap: Money, held| cap.checked_sub(held).unwrap_or(Money::ZERO).max(Money::ZERO);
                    if room < left(whole, all).min(left(own, mine)) {
                        ", less than the position limits alone: another limit is narrower".to_owned()
                    } else {
                        format!(", the smaller of {} - {} and {} - {}", m(whole), m(all), m(own), m(mine))
                    }
                }
                _ => String::new(),
            };
            steps.push(format!("the limits leave room for {}{smaller}", money(room)));
        }
        if let Some(free) = seen.free {
            steps.push(format!("free funds are {}", money(free)));
        }
        let result = match pass.order.quantity {
            OrderQuantity::QuoteAmount(amount) => format!("{base} for {}, fee included", money(amount)),
            OrderQuantity::Base(q) | OrderQuantity::Contracts(q) if q.is_zero() => "nothing".to_owned(),
            OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => {
                let lot = self.instrument(pass.order.instrument).map_or_else(String::new, |i| i.lot.to_string());
                format!("{} {base} (whole lots of {lot}, fee included)", words::grouped(&q.to_string()))
            }
        };
        steps.push(format!("the order: {result}"));
        let f = |m: Option<Money>| m.map(Money::to_f64);
        Some(SizeFacts {
            asked: words::size(seen.asked, &quote, &base),
            price: seen.price.map(Price::to_f64),
            equity: f(seen.equity),
            free: f(seen.free),
            instrument_limit: f(whole),
            strategy_limit: f(own),
            sharers: seen.sharers,
            held_instrument: f(seen.held_instrument),
            held_strategy: f(seen.held_strategy),
            room: f(seen.room),
            result,
            steps,
        })
    }

    /// A refusal in words.
    #[must_use]
    pub fn refusal(&self, line: &RefusalLine) -> RefusalFacts {
        let (base, quote) = self.assets(line.instrument);
        let (what, unit) = words::refused(line.refusal.reason);
        let mut text = what.to_owned();
        if let (Some(value), Some(limit)) = (line.refusal.value, line.refusal.limit) {
            text += &format!(": {} against {}", unit.show(value, &quote, &base), unit.show(limit, &quote, &base));
        }
        RefusalFacts {
            seq: line.seq,
            ts: line.ts.as_millis(),
            reason: line.refusal.reason.key(),
            text,
            value: line.refusal.value,
            limit: line.refusal.limit,
            unit: unit.name(&quote, &base),
            largest_safe: line.refusal.largest_safe.map(Money::to_f64),
            held: Vec::new(),
        }
    }

    /// What a round trip in an instrument does not count.
    fn without(&self, instrument: InstrumentIdx) -> Option<&'static str> {
        let perpetual = self.instrument(instrument).is_some_and(|i| i.kind == InstrumentKind::LinearPerpetual);
        (perpetual && self.opened.config.venue.funding.is_some())
            .then_some("funding, which the account pays or receives beside its trades")
    }

    /// What is held where the run stands now, dust left out.
    #[must_use]
    pub fn held(&self) -> Vec<HeldFacts> {
        let engine = &self.opened.plan.session.engine;
        let tradable = |instrument: InstrumentIdx, quantity| {
            let mark = self.instrument(instrument).zip(engine.view().mark(instrument));
            !mark.is_some_and(|(i, mark)| portfolio::dust::is_dust(i, quantity, i.price(mark)))
        };
        (engine.portfolio().positions())
            .filter(|(_, instrument, _, position)| tradable(*instrument, position.quantity))
            .map(|(_, instrument, strategy, position)| HeldFacts {
                strategy: strategy.0,
                symbol: self.symbol(instrument),
                quantity: position.quantity.to_f64(),
            })
            .collect()
    }

    /// The round trip: the first that ended at or after `from`, else the one that is open after the last fill that was seen.
    #[must_use]
    pub fn trade<'s>(&self, steps: impl Iterator<Item = &'s Step>, records: &[Record]) -> Option<TradeFacts> {
        let (mut open, mut closed) = (None, None);
        for step in steps {
            let Some(booked) = &step.booked else { continue };
            if let Some(trip) = booked.trip {
                closed = Some((step.seq, trip));
                break;
            }
            open = booked.open.or(open);
        }
        let side = |direction| if direction == Direction::Long { "long" } else { "short" };
        if let Some((seq, trip)) = closed {
            let closer =
                records.iter().find(|r| r.seq == seq && matches!(r.what, What::Said(ReportBody::Filled { .. })));
            let gross = trip.pnl.checked_add(trip.fees)?;
            let instrument = self.instrument(trip.instrument)?;
            let paid = instrument.notional(trip.entry_price, trip.quantity, Rounding::HalfEven);
            return Some(TradeFacts {
                open: false,
                side: side(trip.side),
                entry_ts: trip.entry_ts.as_millis(),
                exit_ts: Some(trip.exit_ts.as_millis()),
                holding_s: Some(trip.exit_ts.since(trip.entry_ts).0 as f64 / 1e9),
                quantity: trip.quantity.to_f64(),
                entry_price: trip.entry_price_f64,
                exit_price: Some(trip.exit_price_f64),
                gross: gross.to_f64(),
                fees: trip.fees.to_f64(),
                net: trip.pnl.to_f64(),
                net_return: paid.map(|paid| trip.pnl.to_f64() / paid.to_f64()).filter(|r| r.is_finite()),
                best: None,
                worst: None,
                closed_by: closer.map(|r| r.id.ordinal()),
                without: self.without(trip.instrument),
            });
        }
        let trip = open?;
        Some(TradeFacts {
            open: true,
            side: side(trip.side),
            entry_ts: trip.entry_ts.as_millis(),
            exit_ts: None,
            holding_s: None,
            quantity: trip.quantity.to_f64(),
            entry_price: trip.entry_price_f64,
            exit_price: None,
            gross: trip.realised.to_f64(),
            fees: trip.fees.to_f64(),
            net: trip.realised.checked_sub(trip.fees)?.to_f64(),
            net_return: None,
            best: None,
            worst: None,
            closed_by: None,
            without: self.without(trip.instrument),
        })
    }
}

/// The indicators of one strategy.
#[must_use]
pub fn indicators(seen: &[IndicatorSeen], strategy: StrategyIdx) -> Vec<IndicatorFacts> {
    let own = seen.iter().filter(|i| i.strategy == strategy);
    own.map(|i| IndicatorFacts { name: i.name, before: i.before, now: i.now }).collect()
}

/// The rule that was met, with its numbers; none where the indicators do not show it.
#[must_use]
pub fn rule(indicators: &[IndicatorFacts], intent: Intent, close: Option<f64>) -> Option<String> {
    let find = |name: &str| indicators.iter().find(|i| i.name == name);
    let n = words::number;
    if let (Some(fast), Some(slow)) = (find("fast"), find("slow")) {
        let (now, than) = if fast.now > slow.now { ("above", ">") } else { ("below", "<") };
        let stands = format!("{} {than} {}", n(fast.now), n(slow.now));
        return Some(match (fast.before, slow.before) {
            (Some(f), Some(s)) if (f < s) != (fast.now < slow.now) && f != s => {
                let (was, than) = if f > s { ("above", ">") } else { ("below", "<") };
                format!(
                    "the fast average was {was} the slow one on the bar before ({} {than} {}) and is {now} it now ({stands})",
                    n(f),
                    n(s)
                )
            }
            _ => format!("the fast average is {now} the slow one ({stands})"),
        });
    }
    let (name, side) = match intent {
        Intent::EnterLong => ("entry_upper", "above the highest price"),
        Intent::EnterShort | Intent::Exit => ("exit_lower", "below the lowest price"),
    };
    let bound = find(name)?.before?;
    let close = close.filter(|close| if intent == Intent::EnterLong { *close > bound } else { *close < bound })?;
    let channel = if intent == Intent::EnterLong { "entry" } else { "exit" };
    Some(format!("the close of {} is {side} of the {channel} channel of the bars before, {}", n(close), n(bound)))
}

/// What the first gate said of a signal.
#[must_use]
pub fn validation(signal: &SignalFacts, refused: Option<&RefusalFacts>) -> ValidationFacts {
    if let Some(refusal) = refused.filter(|r| r.reason == "signal_invalid" || r.reason == "account_unknown") {
        return ValidationFacts { passed: false, text: refusal.text.clone() };
    }
    let past = match &signal.statistics {
        Some(_) => "statistics of the strategy's past are finite",
        None => "no input for statistics of the strategy's past: passes as no-statistics",
    };
    let text = format!(
        "confidence {} lies within 0 to 1; the size belongs to the intent; its prices are positive; {past}",
        words::number(signal.confidence)
    );
    ValidationFacts { passed: true, text }
}

/// The price that an order was decided at: what the strategy saw, or its own trigger.
#[must_use]
pub fn decision_price(line: &OrderLine, signal: Option<&Signal>, instrument: Option<&Instrument>) -> Option<Price> {
    match line.purpose {
        Purpose::Stop | Purpose::Target => line.spec.kind.trigger(),
        Purpose::Entry | Purpose::Exit => {
            signal.filter(|s| s.reference != 0).zip(instrument).map(|(s, i)| i.price(s.reference))
        }
    }
}
