//! A row for each order: prices on its way, the shortfall in parts, how long each step took, what the price did afterwards.
//!
//! In:  lines and traces of the journal, prices of the inputs. Out: [`Measured`]: rows, and for each of them what a fit may learn of it.

use crate::command::CommandError;
use crate::costs::calibrate::{Before, Sample};
use crate::costs::market::{self, Answers, Asks, Mark, Met, Rest};
use crate::costs::trace::{Trace, Traced};
use crate::explain::scan::{Index, OrderLine, Purpose};
use crate::explain::story::Names;
use crate::explain::words;
use crate::runner::recorded::Opened;
use domain::decimal::{Rounding, mantissa_to_f64};
use domain::{
    Fill, Instrument, Liquidity, Money, OrderQuantity, OrderStatus, OrderType, Price, Quantity, Side, UnixNanos,
};
use execution::cost::{Done, Market, Shortfall, Traded, shortfall};
use research::fit::{Observation, Touches, touches};
use serde::Serialize;
use sim::Exec;

/// Minutes after the last fill at which the price is looked at again.
pub const MARKOUTS_MIN: [u64; 3] = [1, 5, 30];

/// The cost of one order.
#[derive(Clone, Debug, Serialize)]
pub struct OrderCost {
    /// Its number.
    pub order: u64,
    /// Its client order id.
    pub id: String,
    /// The symbol.
    pub symbol: String,
    /// The venue.
    pub venue: String,
    /// Number of the strategy.
    pub strategy: u16,
    /// Its name.
    pub strategy_name: String,
    /// What the order is for.
    pub purpose: Purpose,
    /// `buy` or `sell`.
    pub side: &'static str,
    /// Its type.
    pub kind: &'static str,
    /// `maker`, `taker`, `both`, or `none` without a fill.
    pub liquidity: &'static str,
    /// Where it is at the end of the record.
    pub status: OrderStatus,
    /// When it was decided, ms since 1970 UTC; null where that is not known.
    pub decided_ts: Option<i64>,
    /// When it was sent.
    pub sent_ts: i64,
    /// Hour of the day of the sending, UTC.
    pub hour: u8,
    /// Quantity that was wanted; null where an amount was asked for and nothing tells what it would have bought.
    pub wanted: Option<Quantity>,
    /// Quantity that was filled.
    pub filled: Quantity,
    /// Filled over wanted.
    pub fill_ratio: Option<f64>,
    /// The price at the decision.
    pub decision_price: Option<Price>,
    /// Where that is from: `signal`, `trigger` or `sending`.
    pub decision_from: Option<&'static str>,
    /// The price at the sending; of a stop or target its trigger.
    pub arrival_price: Option<Price>,
    /// Mean price of the fills: an exact amount over an exact quantity, rounded once.
    pub average_price: Option<Price>,
    /// What the fills were worth.
    pub traded: Money,
    /// The whole cost against the decision, in quote; positive is a cost.
    pub cost: Option<Money>,
    /// From the decision to the sending.
    pub delay: Option<Money>,
    /// From the sending to the market at the fills.
    pub timing: Option<Money>,
    /// Half of the quoted spread.
    pub spread: Option<Money>,
    /// Beyond the best price; with half a spread where no quote is known.
    pub impact: Option<Money>,
    /// Fees.
    pub fees: Option<Money>,
    /// The unfilled part.
    pub opportunity: Option<Money>,
    /// What no known price explains.
    pub unattributed: Money,
    /// The whole less the sum of its parts.
    pub residual: Option<Money>,
    /// The whole cost in basis points of what was traded.
    pub cost_bps: Option<f64>,
    /// Spread and impact in basis points of what was traded; null unless the market of every fill is known.
    pub crossing_bps: Option<f64>,
    /// Milliseconds from the decision to the sending.
    pub decision_to_sent_ms: Option<f64>,
    /// From the sending until its acceptance was heard of.
    pub sent_to_accepted_ms: Option<f64>,
    /// From the sending until the first fill; of a stop or target from its trigger.
    pub sent_to_first_fill_ms: Option<f64>,
    /// From there until it was complete.
    pub sent_to_complete_ms: Option<f64>,
    /// Change of the price after the last fill, in our favour, in basis points, after 1, 5 and 30 minutes.
    pub markout_bps: [Option<f64>; 3],
    /// Quantity over the volume expected of a period, as known at the sending.
    pub share: Option<f64>,
    /// Volatility of a period, as known at the sending.
    pub volatility: Option<f64>,
    /// What it would have been estimated to cost before, and how certainly.
    pub estimate: Option<EstimateFacts>,
}

/// An estimate made before an order left, of the orders that were over then; in basis points of the price.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EstimateFacts {
    /// Half a spread.
    pub spread_bps: f64,
    /// Impact.
    pub impact_bps: f64,
    /// Delay and timing on average; null under ten orders.
    pub timing_bps: Option<f64>,
    /// Fees.
    pub fees_bps: f64,
    /// All of it.
    pub total_bps: f64,
    /// Standard error of the whole.
    pub error_bps: Option<f64>,
    /// Standard deviation of one order's spread and impact about theirs.
    pub order_error_bps: Option<f64>,
    /// What the price does while it waits, one standard deviation.
    pub timing_risk_bps: Option<f64>,
    /// Informed flow: `no input`.
    pub toxicity: &'static str,
    /// Orders that it is made of.
    pub from: usize,
}

/// All orders of a run, measured.
pub struct Measured {
    /// Rows.
    pub orders: Vec<OrderCost>,
    /// By order: what was known before it, where it took liquidity.
    pub before: Vec<Option<Before>>,
    /// By order: its fills, as the simulated venue's settings are fitted to them.
    pub samples: Vec<Vec<Sample>>,
    /// Fills that taught nothing, by the reason.
    pub left_out: Vec<(&'static str, usize)>,
    /// Stops and targets that were never set off.
    pub not_set_off: u64,
    /// Touches of resting limit orders.
    pub touches: Touches,
    /// What is not known, in words.
    pub notes: Vec<String>,
}

/// Where the answers for an order lie.
struct Places {
    decided: usize,
    sent: usize,
    end: usize,
    markouts: [Option<usize>; 3],
    fills: Vec<usize>,
}

/// Measures all orders.
///
/// # Errors
/// If the inputs cannot be read.
pub fn orders(opened: &Opened, names: &Names<'_>, index: &Index, traced: &Traced) -> Result<Measured, CommandError> {
    let at_close = opened.config.venue.exec == Exec::SignalClose;
    let instruments = opened.plan.instruments();
    let mut asks = vec![Asks::default(); instruments.len()];
    let lines: Vec<(&OrderLine, &Trace)> = index.orders.iter().zip(&traced.orders).collect();
    let meant = |(line, trace): &&(&OrderLine, &Trace)| is_meant(line, trace);
    let mut places = Vec::new();
    for (line, trace) in lines.iter().filter(meant) {
        let asks = asks.get_mut(line.spec.instrument.index());
        places.push(asks.map(|asks| ask(asks, line, trace, at_close, instruments.get(line.spec.instrument.index()))));
    }
    let mut answers = Vec::with_capacity(asks.len());
    for (instrument, asks) in instruments.iter().zip(&asks) {
        let series = opened.series.get(instrument.idx.index());
        answers.push(series.map_or_else(|| Ok(Answers::default()), |series| market::answer(series, instrument, asks))?);
    }
    let mut out = Measured {
        orders: Vec::new(),
        before: Vec::new(),
        samples: Vec::new(),
        left_out: Vec::new(),
        not_set_off: lines.iter().filter(|line| !meant(line)).count() as u64,
        touches: touches(answers.iter().flat_map(|a| a.touches.iter().copied())),
        notes: Vec::new(),
    };
    let mut unpriced = 0u64;
    for ((line, trace), places) in lines.iter().filter(meant).zip(&places) {
        let at = line.spec.instrument.index();
        let (Some(instrument), Some(answers), Some(places)) = (instruments.get(at), answers.get(at), places) else {
            continue;
        };
        let venue = opened.series.get(at).map_or_else(String::new, |s| s.venue.clone());
        let seen = Seen { line, trace, instrument, answers, places, may_lack: traced.may_lack_decisions };
        let (order, before, samples) = seen.measure(names, venue, &mut out.left_out);
        unpriced += u64::from(order.fees.is_none());
        out.orders.push(order);
        out.before.push(before);
        out.samples.push(samples);
    }
    if unpriced > 0 {
        out.notes.push(format!("{unpriced} orders have fees in an asset without a rate: their cost is unknown"));
    }
    Ok(out)
}

/// Whether an order is in the figures: entries and exits are meant to trade, stops and targets only once they are set off.
fn is_meant(line: &OrderLine, trace: &Trace) -> bool {
    matches!(line.purpose, Purpose::Entry | Purpose::Exit) || !trace.fills.is_empty()
}

/// Asks for all that an order needs.
fn ask(asks: &mut Asks, line: &OrderLine, trace: &Trace, at_close: bool, instrument: Option<&Instrument>) -> Places {
    let mut mark = |ts: UnixNanos| {
        asks.marks.push(ts);
        asks.marks.len() - 1
    };
    let decided = mark(trace.decided.map_or(line.ts, |d| d.ts));
    let sent = mark(line.ts);
    let end = mark(line.ended.map_or(UnixNanos::MAX, |(_, ts)| ts));
    let after =
        |minutes: u64| trace.fills.last().map(|fill| UnixNanos(fill.at.0.saturating_add(minutes * 60_000_000_000)));
    let markouts = MARKOUTS_MIN.map(|minutes| after(minutes).map(&mut mark));
    let close = at_close && line.spec.kind == OrderType::Market;
    let fills = trace.fills.iter().map(|fill| {
        asks.fills.push((fill.at, close));
        asks.fills.len() - 1
    });
    let fills = fills.collect();
    let rested = trace.fills.iter().all(|fill| fill.fill.liquidity == Liquidity::Maker);
    if let (OrderType::Limit { price }, Some((_, from)), Some(limit), true) =
        (line.spec.kind, trace.accepted, instrument, rested)
        && let Some(limit) = limit.price_mantissa(price)
    {
        asks.rests.push(Rest {
            from,
            until: trace
                .fills
                .last()
                .filter(|_| line.status == OrderStatus::Filled)
                .map_or_else(|| line.ended.map_or(UnixNanos::MAX, |(_, ts)| ts), |fill| fill.at),
            side: line.spec.side,
            limit,
            fills: trace.fills.iter().map(|fill| fill.at).collect(),
        });
    }
    Places { decided, sent, end, markouts, fills }
}

/// All that is known of one order.
struct Seen<'a> {
    line: &'a OrderLine,
    trace: &'a Trace,
    instrument: &'a Instrument,
    answers: &'a Answers,
    places: &'a Places,
    may_lack: bool,
}

impl Seen<'_> {
    fn mark(&self, place: usize) -> Option<Mark> {
        self.answers.marks.get(place).copied().flatten()
    }

    fn met(&self, number: usize) -> Option<Met> {
        self.places.fills.get(number).and_then(|place| self.answers.fills.get(*place)).copied().flatten()
    }

    fn measure(
        &self,
        names: &Names<'_>,
        venue: String,
        left_out: &mut Vec<(&'static str, usize)>,
    ) -> (OrderCost, Option<Before>, Vec<Sample>) {
        let (line, trace, spec) = (self.line, self.trace, &self.line.spec);
        let sent = self.mark(self.places.sent);
        let (decision, decision_from) = self.decision(sent.map(|m| m.price));
        // An order that waits for its trigger begins there: what the price did until then is no delay of it.
        let conditional = matches!(line.purpose, Purpose::Stop | Purpose::Target);
        let arrival = if conditional { decision } else { sent.map(|m| m.price) };
        let fills: Vec<Traded> = trace.fills.iter().enumerate().map(|(n, seen)| self.traded(n, &seen.fill)).collect();
        let filled = self.instrument.quantity(trace.filled().0);
        let wanted = self.wanted(filled, decision.or(arrival), &fills);
        let missed = wanted.and_then(|wanted| wanted.checked_sub(filled)).unwrap_or(Quantity::ZERO);
        // Where nothing was left to reduce nothing was missed.
        let unfilled = if trace.nothing_left { Quantity::ZERO } else { missed.max(Quantity::ZERO) };
        let end = self.mark(self.places.end).map(|m| m.price);
        let done =
            Done { instrument: self.instrument, side: spec.side, decision, arrival, end, unfilled, fills: &fills };
        let unknown = Shortfall { fees: None, ..Shortfall::default() };
        let mut parts = shortfall(&done).unwrap_or(unknown);
        if wanted.is_none() {
            (parts.whole, parts.opportunity, parts.residual) = (None, None, None);
        }
        let samples: Vec<Sample> = (0..trace.fills.len()).filter_map(|n| self.sample(n, left_out)).collect();
        let crossing = crossing(&samples);
        let before = self.before(sent, wanted, crossing, &parts);
        let (decided_ts, sent_ts, begun) = (self.decided_at(), line.ts, self.begun());
        let ms = |from: UnixNanos, to: UnixNanos| to.since(from).0 as f64 / 1e6;
        let first = trace.fills.first().map(|f| f.ts);
        let last = trace.fills.last().map(|f| f.ts);
        let ratio = |wanted: Quantity| filled.to_f64() / wanted.to_f64();
        let order = OrderCost {
            order: line.ordinal(),
            id: spec.client_id.to_string(),
            symbol: names.symbol(spec.instrument),
            venue,
            strategy: spec.strategy.0,
            strategy_name: names.strategy(spec.strategy).name,
            purpose: line.purpose,
            side: words::side(spec.side),
            kind: spec.kind.name(),
            liquidity: liquidity(trace),
            status: line.status,
            decided_ts: decided_ts.map(UnixNanos::as_millis),
            sent_ts: sent_ts.as_millis(),
            hour: (sent_ts.as_millis().rem_euclid(86_400_000) / 3_600_000) as u8,
            wanted,
            filled,
            fill_ratio: wanted.filter(|w| *w > Quantity::ZERO).map(ratio),
            decision_price: decision,
            decision_from,
            arrival_price: arrival,
            average_price: self.average(),
            traded: parts.traded,
            cost: parts.whole,
            delay: parts.delay,
            timing: parts.timing,
            spread: parts.spread,
            impact: parts.impact,
            fees: parts.fees,
            opportunity: parts.opportunity,
            unattributed: parts.unattributed,
            residual: parts.residual,
            cost_bps: parts.whole.filter(|_| parts.traded > Money::ZERO).map(|c| bps(c, parts.traded)),
            crossing_bps: parts
                .crossing()
                .filter(|_| fills.iter().all(|f| f.market.is_some()))
                .map(|c| bps(c, parts.traded)),
            decision_to_sent_ms: decided_ts.map(|decided| ms(decided, sent_ts)),
            sent_to_accepted_ms: trace.accepted.map(|(heard, _)| ms(sent_ts, heard)),
            sent_to_first_fill_ms: first.map(|first| ms(begun, first)),
            sent_to_complete_ms: last.filter(|_| line.status == OrderStatus::Filled).map(|last| ms(begun, last)),
            markout_bps: self.markouts(),
            share: before.as_ref().map(|b| b.observation.share),
            volatility: sent.and_then(|m| m.volatility),
            estimate: None,
        };
        (order, before.filter(|b| b.observation.cost.is_finite()), samples)
    }

    /// When it was decided; what the desk decides by itself is decided at the sending.
    fn decided_at(&self) -> Option<UnixNanos> {
        match (self.line.purpose, self.trace.decided) {
            (Purpose::Stop | Purpose::Target, _) => None,
            (Purpose::Entry | Purpose::Exit, Some(decided)) => Some(decided.ts),
            (Purpose::Entry | Purpose::Exit, None) => (!self.may_lack).then_some(self.line.ts),
        }
    }

    /// When it began to want a fill: at the sending, or at its trigger.
    fn begun(&self) -> UnixNanos {
        self.trace.triggered.unwrap_or(self.line.ts)
    }

    /// The price at the decision, and where it is from. The level of a trailing stop is in no record.
    fn decision(&self, arrival: Option<Price>) -> (Option<Price>, Option<&'static str>) {
        let (price, from) = match (self.line.purpose, self.trace.decided) {
            (Purpose::Stop | Purpose::Target, _) => (self.line.spec.kind.trigger(), "trigger"),
            (Purpose::Entry | Purpose::Exit, Some(decided)) => {
                let seen = decided.reference.map(|mantissa| self.instrument.price(mantissa));
                (seen.or_else(|| self.mark(self.places.decided).map(|m| m.price)), "signal")
            }
            (Purpose::Entry | Purpose::Exit, None) if self.may_lack => (None, ""),
            (Purpose::Entry | Purpose::Exit, None) => (arrival, "sending"),
        };
        (price, price.map(|_| from))
    }

    fn traded(&self, number: usize, fill: &Fill) -> Traded {
        let (price, quantity) = (self.instrument.price(fill.price), self.instrument.quantity(fill.quantity));
        let fee = if fill.fee_asset == self.instrument.quote || fill.fee_asset == self.instrument.settle {
            Some(fill.fee_amount)
        } else if fill.fee_asset == self.instrument.base {
            // Base that was taken is worth what was paid for it.
            price.notional(Quantity::from_raw(fill.fee_amount.raw()), Rounding::HalfEven)
        } else {
            None
        };
        Traded { price, quantity, market: self.market(number, fill, price), fee }
    }

    /// What the market showed at a fill.
    fn market(&self, number: usize, fill: &Fill, price: Price) -> Option<Market> {
        let met = self.met(number).filter(|met| !met.ambiguous)?;
        if let Some((bid, ask)) = met.quote {
            let takes = fill.liquidity == Liquidity::Taker;
            let touch = if (fill.side == Side::Buy) == takes { ask } else { bid };
            return Some(Market { price: met.price, touch: Some(touch) });
        }
        // What rests is met at its own price: it pays nothing beyond it.
        if fill.liquidity == Liquidity::Maker {
            return Some(Market { price, touch: None });
        }
        Some(Market { price: self.reference(&met)?, touch: None })
    }

    /// The price that a fill which took was made at before slippage: the open or the trade, or the trigger inside of a bar.
    fn reference(&self, met: &Met) -> Option<Price> {
        if met.at_price {
            return Some(met.price);
        }
        // An order whose limit was crossed inside of a bar trades at its limit.
        self.line.spec.kind.trigger().filter(|_| self.line.spec.kind.limit_price().is_none())
    }

    /// The quantity that was wanted.
    fn wanted(&self, filled: Quantity, price: Option<Price>, fills: &[Traded]) -> Option<Quantity> {
        let complete = self.line.status == OrderStatus::Filled;
        match self.line.spec.quantity {
            // A complete order has what it wanted: one that only reduces ends with what there was to reduce.
            _ if complete => Some(filled),
            OrderQuantity::Base(q) | OrderQuantity::Contracts(q) => Some(q),
            OrderQuantity::QuoteAmount(amount) => {
                let spent = fills.iter().try_fold(Money::ZERO, |sum, f| {
                    sum.checked_add(self.instrument.notional(f.price, f.quantity, Rounding::HalfEven)?)
                })?;
                let rest = amount.checked_sub(spent)?.max(Money::ZERO);
                filled.checked_add(self.instrument.floor_to_lot(rest.quantity_at(price?, Rounding::Down)?))
            }
        }
    }

    /// Sum of price x quantity over quantity, both exact, rounded once to even.
    fn average(&self) -> Option<Price> {
        let decimals = usize::from(domain::decimal::MONEY_DECIMALS - self.instrument.price_decimals);
        let scale = i128::from(*domain::decimal::POW10.get(decimals)?);
        let (filled, weighted) = self.trace.filled();
        let numerator = weighted.checked_mul(scale)?;
        (filled > 0)
            .then(|| Price::from_raw(domain::decimal::div_round(numerator, i128::from(filled), Rounding::HalfEven)))
    }

    fn markouts(&self) -> [Option<f64>; 3] {
        let average = self.average().map(Price::to_f64);
        let last = self.trace.fills.last().map(|f| f.at);
        self.places.markouts.map(|place| {
            let (average, last) = (average?, last?);
            // A price from before the fill says nothing of what came after.
            let mark = self.mark(place?).filter(|m| m.ts > last)?;
            Some(1e4 * self.line.spec.side.sign() as f64 * (mark.price.to_f64() / average - 1.0))
        })
    }

    /// A fill as the venue's settings are fitted to it: only what takes at the market's price has slippage.
    fn sample(&self, number: usize, left_out: &mut Vec<(&'static str, usize)>) -> Option<Sample> {
        let seen = self.trace.fills.get(number)?;
        let fill = &seen.fill;
        let mut without = |reason| {
            match left_out.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, count)) => *count += 1,
                None => left_out.push((reason, 1)),
            }
            None
        };
        if fill.liquidity == Liquidity::Maker {
            return without("rested as maker");
        }
        if matches!(self.line.spec.kind, OrderType::Limit { .. } | OrderType::StopLimit { .. }) {
            return without("a limit bounds the price");
        }
        let Some(met) = self.met(number) else { return without("no market data at the fill") };
        if met.ambiguous {
            return without("several rows of one time at the fill");
        }
        let price = match met.quote {
            Some((bid, ask)) => Some(if fill.side == Side::Buy { ask } else { bid }),
            None => self.reference(&met),
        };
        let Some(price) = price else { return without("the level of a trailing stop is in no record") };
        let (price, paid) = (price.to_f64(), self.instrument.price(fill.price).to_f64());
        if price <= 0.0 {
            return without("the market's price is not positive");
        }
        let quantity = mantissa_to_f64(fill.quantity, self.instrument.quantity_decimals);
        let volume = met.volume[fill.side as usize];
        Some(Sample {
            quantity,
            observation: Observation {
                // Nothing traded says nothing of depth: the order counts as the whole volume, as at the simulated venue.
                share: if volume > 0.0 { quantity / volume } else { 1.0 },
                volatility: self.mark(self.places.sent).and_then(|m| m.volatility),
                cost: fill.side.sign() as f64 * (paid - price) / price,
                pays_spread: met.quote.is_none(),
                tick: self.instrument.tick.to_f64() / price,
                weight: 1.0,
            },
        })
    }

    /// What was known before an order that took, and what it then cost.
    fn before(
        &self,
        sent: Option<Mark>,
        wanted: Option<Quantity>,
        crossing: Option<f64>,
        parts: &Shortfall,
    ) -> Option<Before> {
        let (sent, wanted) = (sent?, wanted?);
        let volume = sent.volume?;
        let known = self.trace.fills.last()?;
        let moved = [parts.delay, parts.timing].into_iter().flatten().try_fold(Money::ZERO, Money::checked_add)?;
        let paid = |l| self.trace.fills.iter().filter(move |f| f.fill.liquidity == l).count();
        let takes = paid(Liquidity::Maker) == 0;
        Some(Before {
            sent: self.line.ts.0,
            known: known.ts.0,
            takes,
            fee: if takes { self.instrument.fee_taker } else { self.instrument.fee_maker },
            half_spread: sent.half_spread,
            moved: parts.timing.map(|_| moved.to_f64() / parts.traded.to_f64()),
            whole: parts
                .whole
                .filter(|_| parts.opportunity == Some(Money::ZERO))
                .map(|w| w.to_f64() / parts.traded.to_f64()),
            wait: known.ts.since(self.begun()).0 as f64 / 6e10,
            observation: Observation {
                share: wanted.to_f64() / volume,
                volatility: sent.volatility,
                cost: crossing.filter(|_| takes).unwrap_or(f64::NAN),
                pays_spread: sent.half_spread.is_none(),
                tick: self.instrument.tick.to_f64() / sent.price.to_f64(),
                weight: 1.0,
            },
        })
    }
}

/// What fills paid beyond the market's price, over what they traded.
fn crossing(samples: &[Sample]) -> Option<f64> {
    let quantity: f64 = samples.iter().map(|s| s.quantity).sum();
    (quantity > 0.0).then(|| samples.iter().map(|s| s.quantity * s.observation.cost).sum::<f64>() / quantity)
}

/// Basis points of one amount in another.
#[must_use]
pub fn bps(part: Money, whole: Money) -> f64 {
    1e4 * part.to_f64() / whole.to_f64()
}

fn liquidity(trace: &Trace) -> &'static str {
    let of = |l: Liquidity| trace.fills.iter().any(|f| f.fill.liquidity == l);
    match (of(Liquidity::Maker), of(Liquidity::Taker)) {
        (true, true) => "both",
        (true, false) => "maker",
        (false, true) => "taker",
        (false, false) => "none",
    }
}
